/* argv[0] → a path, with a small cache: a graph of 10,000 nodes names a handful of commands. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "exec/inner.h"

#define CACHE_COUNT 64
#define PATH_DEFAULT "/usr/local/bin:/usr/bin:/bin"

typedef struct cache_entry {
    char *command, *search, *found; /* NULL: free */
} cache_entry;

struct rv_path_cache {
    cache_entry entries[CACHE_COUNT]; /* at the command's hash; a second command there takes its place */
    rv_buf scratch;
};

rv_path_cache *rv_path_cache_new(void) { return rv_alloc(sizeof(rv_path_cache)); }

static void entry_clear(cache_entry *entry)
{
    rv_free(entry->command);
    rv_free(entry->search);
    rv_free(entry->found);
    *entry = (cache_entry){0};
}

void rv_path_cache_free(rv_path_cache *cache)
{
    if (!cache)
        return;
    for (size_t i = 0; i < CACHE_COUNT; i++)
        entry_clear(&cache->entries[i]);
    rv_buf_deinit(&cache->scratch);
    rv_free(cache);
}

const char *rv_path_of(const char *const *envp)
{
    for (; *envp; envp++)
        if (strncmp(*envp, "PATH=", 5) == 0)
            return *envp + 5;
    return PATH_DEFAULT;
}

static cache_entry *entry_of(rv_path_cache *cache, const char *command)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (const char *at = command; *at; at++)
        hash = (hash ^ (uint8_t)*at) * 16777619u;
    return &cache->entries[hash % CACHE_COUNT];
}

/* Look through `search`; the path stays in cache->scratch. *ret_is_relative: it was found by way of `dir`. */
static const char *search_path(rv_path_cache *cache, const char *command, const char *search, const char *dir, int *ret_errno,
                               bool *ret_is_relative)
{
    *ret_errno = ENOENT;
    for (const char *at = search;; at++) {
        size_t size = strcspn(at, ":");
        bool is_relative = size == 0 || at[0] != '/'; /* an empty entry is the working directory (POSIX) */
        rv_buf_clear(&cache->scratch);
        if (is_relative)
            rv_buf_printf(&cache->scratch, "%s/", dir);
        rv_buf_add(&cache->scratch, at, size);
        rv_buf_printf(&cache->scratch, "%s%s", size ? "/" : "", command);
        struct stat file;
        if (stat(cache->scratch.at, &file) == 0 && S_ISREG(file.st_mode)) {
            if (faccessat(AT_FDCWD, cache->scratch.at, X_OK, AT_EACCESS) == 0) {
                *ret_is_relative = is_relative;
                return cache->scratch.at;
            }
            *ret_errno = EACCES;
        }
        at += size;
        if (!*at)
            return NULL;
    }
}

const char *rv_path_find(rv_path_cache *cache, const char *command, const char *const *envp, const char *dir, int *ret_errno)
{
    if (strchr(command, '/'))
        return command;
    *ret_errno = ENOENT;
    if (!*command)
        return NULL;
    const char *search = rv_path_of(envp);
    cache_entry *entry = entry_of(cache, command);
    if (entry->command && strcmp(entry->command, command) == 0 && strcmp(entry->search, search) == 0 &&
        faccessat(AT_FDCWD, entry->found, X_OK, AT_EACCESS) == 0)
        return entry->found;
    bool is_relative = false;
    const char *found = search_path(cache, command, search, dir, ret_errno, &is_relative);
    if (found && !is_relative) {
        entry_clear(entry);
        entry->command = rv_cstring_dup(rv_str_of(command));
        entry->search = rv_cstring_dup(rv_str_of(search));
        entry->found = rv_cstring_dup(rv_str_of(found));
    }
    return found;
}
