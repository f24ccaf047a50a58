/* scan.c: what an attempt left in its artifacts directory; written by it, so nothing in there is trusted.
 *
 * Directories wait in a list by their name relative to the top; each is opened beneath the top without following a
 * link, and only one is open at a time. The limit counts every entry, directories too: depth and breadth are bounded by it. */
#include "blob/blob.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "blob/file.h"

#define ENTRIES_MAX 10000u

typedef struct scan {
    rv_arena *arena;
    int top_fd;
    rv_file_entries found;
    RV_VEC(rv_str) dirs; /* names, NUL-terminated, in the arena; "" is the top; grows while it is worked through */
    uint32_t entry_count;
} scan;

static void add(scan *s, rv_str name, uint64_t size, const char *reason)
{
    rv_file_entry entry = {.name = name, .size = reason ? 0 : size, .is_refused = reason != NULL, .reason = reason};
    rv_vec_push(&s->found, entry);
}

static bool has_control(rv_str name)
{
    for (size_t i = 0; i < name.size; i++)
        if ((uint8_t)name.at[i] < 0x20 || name.at[i] == 0x7F) return true;
    return false;
}

static const char *reason_of_name(rv_str name)
{
    if (rv_utf8_valid(name) != name.size) return "its name is not valid UTF-8";
    return has_control(name) ? "its name has control characters" : NULL;
}

static const char *reason_of_mode(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG:
    case S_IFDIR: return NULL;
    case S_IFLNK: return "a symbolic link";
    case S_IFIFO: return "a fifo";
    case S_IFSOCK: return "a socket";
    case S_IFBLK:
    case S_IFCHR: return "a device";
    }
    return "not a regular file";
}

/* Why opening failed, in words for a refused entry. */
static const char *reason_of_errno(int error_number)
{
    switch (error_number) {
    case EACCES:
    case EPERM: return "no permission to read it";
    case ELOOP: return "a symbolic link";
    case EXDEV: return "leads out of the directory";
    case ENAMETOOLONG: return "its name is too long";
    case ENOENT: return "gone while it was being looked at";
    }
    return "cannot be opened";
}

static bool can_read(int dir_fd, const char *name, const char **ret_reason)
{
    RV_AUTO_CLOSE int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0) *ret_reason = reason_of_errno(errno);
    return fd >= 0;
}

static void look_at(scan *s, rv_str dir, int dir_fd, const char *entry_name)
{
    struct stat found;
    rv_str name = rv_arena_printf(s->arena, "%.*s%s%s", RV_FMT(dir), dir.size ? "/" : "", entry_name);
    const char *reason = reason_of_name(rv_str_of(entry_name));
    if (!reason && fstatat(dir_fd, entry_name, &found, AT_SYMLINK_NOFOLLOW) != 0) reason = reason_of_errno(errno);
    if (!reason) reason = reason_of_mode(found.st_mode);
    if (!reason && S_ISDIR(found.st_mode)) {
        rv_vec_push(&s->dirs, name);
        return;
    }
    if (!reason) (void)can_read(dir_fd, entry_name, &reason);
    add(s, name, reason ? 0 : (uint64_t)found.st_size, reason);
}

static rv_status scan_dir(scan *s, rv_str dir, rv_error *err)
{
    rv_status status = RV_OK;
    int fd = rv_file_open_beneath(s->top_fd, dir.size ? dir.at : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    int error_number = errno;
    DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
    if (!stream) {
        if (fd >= 0) close(fd);
        if (error_number == ENOSYS) return rv_error_set(err, RV_UNSUPPORTED, "this kernel has no openat2; Linux 5.6 or later is needed");
        if (dir.size) return add(s, dir, 0, reason_of_errno(error_number)), RV_OK;
        return rv_error_set(err, RV_IO, "cannot open the directory: %s", strerror(error_number));
    }
    for (struct dirent *entry; status == RV_OK && (errno = 0, entry = readdir(stream));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        if (s->entry_count++ == ENTRIES_MAX)
            status = rv_error_set(err, RV_LIMIT, "more than %u entries in the directory", ENTRIES_MAX);
        else
            look_at(s, dir, fd, entry->d_name);
    }
    if (status == RV_OK && errno != 0) status = rv_error_set(err, RV_IO, "cannot read the directory: %s", strerror(errno));
    closedir(stream);
    return status;
}

static int compare_names(const void *a, const void *b)
{
    return rv_str_cmp(((const rv_file_entry *)a)->name, ((const rv_file_entry *)b)->name);
}

rv_status rv_blob_scan(rv_arena *arena, int dir_fd, rv_file_entries *ret_add, rv_error *err)
{
    scan s = {.arena = arena, .top_fd = dir_fd};
    rv_status status = RV_OK;
    rv_vec_push(&s.dirs, RV_STR(""));
    for (uint32_t i = 0; i < s.dirs.count && status == RV_OK; i++) status = scan_dir(&s, s.dirs.at[i], err);
    if (status == RV_OK) {
        if (s.found.count) qsort(s.found.at, s.found.count, sizeof s.found.at[0], compare_names);
        for (uint32_t i = 0; i < s.found.count; i++) rv_vec_push(ret_add, s.found.at[i]);
    }
    rv_vec_deinit(&s.found);
    rv_vec_deinit(&s.dirs);
    return status;
}
