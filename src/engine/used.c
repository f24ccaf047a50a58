#include "blob/file.h"
#include "engine/cache_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define USED_MAX (UINT64_C(1) << 26) /* ids that are kept account of */
#define SAME_MS INT64_C(600000)      /* used again within this is not written down: a run whose nodes are all hits writes nothing */

static void path_of(const rv_cache *cache, const char *suffix, rv_buf *out) { rv_buf_printf(out, "%s/used%s", cache->config.root, suffix); }

void rv_used_close(rv_cache *cache)
{
    if (cache->used_map_size) munmap(cache->used, cache->used_map_size);
    else rv_free(cache->used);
    cache->used = NULL;
    cache->used_map_size = cache->used_count = 0;
}

/* Out of the map into memory, with room for `count`. */
static void grow(rv_cache *cache, uint64_t count)
{
    uint64_t known = cache->used_count;
    int64_t *used = rv_alloc(count * sizeof *used);
    if (known) memcpy(used, cache->used, known * sizeof *used);
    rv_used_close(cache);
    cache->used = used;
    cache->used_count = count;
}

/* A private map: what a run looks at of it is a page here and there. */
void rv_used_open(rv_cache *cache)
{
    struct stat info;
    rv_buf path = {0};
    path_of(cache, "", &path);
    int fd = open(path.at, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    bool is_good = fd >= 0 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && (uint64_t)info.st_size / sizeof(int64_t) <= USED_MAX;
    if (is_good && info.st_size >= (off_t)sizeof(int64_t)) {
        size_t size = (size_t)info.st_size;
        void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
        if (map != MAP_FAILED) cache->used = map, cache->used_map_size = size, cache->used_count = size / sizeof *cache->used;
    }
    if (fd >= 0) close(fd);
    rv_buf_deinit(&path);
}

void rv_used_save(rv_cache *cache)
{
    rv_buf path = {0}, fresh = {0};
    if (!cache->is_used_dirty) return;
    path_of(cache, "", &path);
    path_of(cache, ".new", &fresh);
    int fd = open(fresh.at, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    rv_str all = {(const char *)cache->used, cache->used_count * sizeof *cache->used};
    bool is_good = fd >= 0 && rv_file_write(fd, all, RV_FILE_APPEND);
    if (fd >= 0) close(fd);
    if (!is_good || rename(fresh.at, path.at) != 0) rv_log(RV_LOG_DEBUG, "%s: cannot be written: %s", path.at, strerror(errno));
    cache->is_used_dirty = false;
    rv_buf_deinit(&path);
    rv_buf_deinit(&fresh);
}

void rv_used_note(rv_cache *cache, uint64_t id, int64_t now_ms)
{
    bool is_known = id < cache->used_count && cache->used[id] <= now_ms && cache->used[id] > now_ms - SAME_MS;
    if (id >= USED_MAX || is_known) return;
    if (id >= cache->used_count) grow(cache, RV_MAX(id + 1, RV_MIN(cache->used_count * 2, USED_MAX)));
    cache->used[id] = now_ms;
    cache->is_used_dirty = true;
}

int64_t rv_used_ms(const rv_cache *cache, uint64_t id, int64_t created_ms)
{
    return id < cache->used_count ? RV_MAX(cache->used[id], created_ms) : created_ms;
}
