/* blob.c: bytes by their name: ROOT/blobs/aa/bb…, where aabb… is their SHA-256 in hex.
 *
 *  (1) A name appears by rename only, when all bytes are in the file: who finds it finds a whole blob, or after a
 *      power loss possibly less, for an unsynced one. Sizes are compared before a blob counts as there, so that a
 *      short one is replaced by the next put; every read verifies the digest.
 *  (2) A temporary file, ROOT/blobs/.new-HEX, is locked (flock) by its writer for as long as it is one. What nobody
 *      locks was left by a crash and goes at the next open.
 *  (3) A blob's mode is 0400: nobody writes to it by mistake through a path that was handed out. */
#include "blob/blob.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/failpoint.h"
#include "blob/file.h"

#define COPY_SIZE (256u << 10)
#define TEMPORARY_PREFIX ".new-"
#define CREATE_TRIES_MAX 8

struct rv_blobs {
    char *dir;  /* absolute: ROOT/blobs */
    int dir_fd; /* the same */
};

/* ------------------------------------------------------------- open, close */

/* keeps (2) */
static void remove_leftovers(const char *dir)
{
    DIR *stream = opendir(dir);
    if (!stream) return;
    for (struct dirent *entry; (entry = readdir(stream));) {
        if (strncmp(entry->d_name, TEMPORARY_PREFIX, sizeof TEMPORARY_PREFIX - 1) != 0) continue;
        RV_AUTO_CLOSE int fd = openat(dirfd(stream), entry->d_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0) (void)unlinkat(dirfd(stream), entry->d_name, 0);
    }
    closedir(stream);
}

rv_status rv_blobs_open(const char *root, rv_blobs **ret, rv_error *err)
{
    char absolute[PATH_MAX];
    bool is_new = false;
    if (!rv_file_make_dir(root, NULL) || !realpath(root, absolute))
        return rv_error_set(err, rv_file_status(errno), "%s: cannot use this directory: %s", root, strerror(errno));
    rv_buf dir = {0};
    rv_buf_printf(&dir, "%s/blobs", absolute);
    if (!rv_file_make_dir(dir.at, &is_new) || (is_new && !rv_file_sync_dir(absolute))) {
        rv_status status = rv_error_set(err, rv_file_status(errno), "%s: cannot make this directory: %s", dir.at, strerror(errno));
        rv_buf_deinit(&dir);
        return status;
    }
    remove_leftovers(dir.at);
    int fd = open(dir.at, O_PATH | O_DIRECTORY | O_CLOEXEC);
    rv_status status = fd >= 0 ? RV_OK : rv_error_set(err, rv_file_status(errno), "%s: cannot be opened: %s", dir.at, strerror(errno));
    if (status == RV_OK) {
        *ret = rv_alloc(sizeof **ret);
        (*ret)->dir = rv_cstring_dup(rv_buf_str(&dir));
        (*ret)->dir_fd = fd;
    }
    rv_buf_deinit(&dir);
    return status;
}

void rv_blobs_close(rv_blobs *blobs)
{
    if (!blobs) return;
    close(blobs->dir_fd);
    rv_free(blobs->dir);
    rv_free(blobs);
}

/* Path up to the directory aa; with `is_whole` the blob's own. */
static void path_of(const rv_blobs *blobs, rv_digest digest, bool is_whole, rv_buf *out)
{
    char text[RV_DIGEST_TEXT_SIZE + 1];
    rv_digest_text(digest, text);
    const char *hex = strchr(text, ':') + 1;
    rv_buf_printf(out, "%s/%.2s", blobs->dir, hex);
    if (is_whole) rv_buf_printf(out, "/%s", hex + 2);
}

void rv_blob_path(const rv_blobs *blobs, rv_digest digest, rv_buf *out) { path_of(blobs, digest, true, out); }

/* The same from the directory of blobs: aa/bb… */
#define NAME_SIZE (64 + 1)
static void name_of(rv_digest digest, char ret[NAME_SIZE + 1])
{
    char text[RV_DIGEST_TEXT_SIZE + 1];
    rv_digest_text(digest, text);
    const char *hex = text + RV_DIGEST_TEXT_SIZE - 64;
    memcpy(ret, hex, 2);
    ret[2] = '/';
    memcpy(ret + 3, hex + 2, 62 + 1);
}

bool rv_blob_has(const rv_blobs *blobs, rv_digest digest, uint64_t size)
{
    char name[NAME_SIZE + 1];
    struct stat found;
    name_of(digest, name);
    return fstatat(blobs->dir_fd, name, &found, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(found.st_mode) && (uint64_t)found.st_size == size;
}

int rv_blob_open(const rv_blobs *blobs, rv_digest digest)
{
    char name[NAME_SIZE + 1];
    name_of(digest, name);
    return openat(blobs->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
}

void rv_blobs_list(const rv_blobs *blobs, uint32_t first, rv_blobs_fn *fn, void *user)
{
    char name[8], text[RV_DIGEST_TEXT_SIZE + 1];
    snprintf(name, sizeof name, "%02x", first & 0xff);
    int fd = openat(blobs->dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
    if (!stream) return;
    for (struct dirent *entry; (entry = readdir(stream));) {
        rv_digest digest;
        struct stat info;
        int size = snprintf(text, sizeof text, "sha256:%s%s", name, entry->d_name);
        bool is_blob = size == RV_DIGEST_TEXT_SIZE && rv_digest_parse((rv_str){text, (size_t)size}, &digest) &&
                       fstatat(fd, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(info.st_mode);
        if (is_blob) fn(user, digest, (uint64_t)info.st_size, (uint64_t)info.st_nlink);
    }
    closedir(stream);
}

bool rv_blob_remove(const rv_blobs *blobs, rv_digest digest)
{
    char name[NAME_SIZE + 1];
    name_of(digest, name);
    return unlinkat(blobs->dir_fd, name, 0) == 0;
}

/* --------------------------------------------------------------------- put */

/* A blob being written: under a temporary name until place() or, without it, for good gone with discard(). */
#define TEMPORARY_SIZE (sizeof TEMPORARY_PREFIX + 16)
typedef struct draft {
    const rv_blobs *blobs;
    int fd;
    char name[TEMPORARY_SIZE]; /* from the directory of blobs; empty: it has none */
    uint64_t size;
} draft;

static rv_status draft_fail(const draft *d, rv_error *err)
{
    int error_number = errno;
    return rv_error_set(err, rv_file_status(error_number), "%s: cannot store a blob: %s", d->blobs->dir, strerror(error_number));
}

static rv_status draft_open(draft *d, const rv_blobs *blobs, rv_error *err)
{
    *d = (draft){.blobs = blobs, .fd = -1};
    for (int tries = 0; d->fd < 0 && tries < CREATE_TRIES_MAX; tries++) {
        uint64_t name;
        struct stat ours;
        rv_random_bytes(&name, sizeof name);
        (void)snprintf(d->name, sizeof d->name, TEMPORARY_PREFIX "%016llx", (unsigned long long)name);
        d->fd = openat(blobs->dir_fd, d->name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0400);
        if (d->fd < 0 && errno != EEXIST) break;
        if (d->fd < 0) continue;
        (void)flock(d->fd, LOCK_EX); /* where files cannot be locked, nobody can take this one for a leftover either */
        if (fstat(d->fd, &ours) == 0 && ours.st_nlink > 0) return RV_OK;
        close(d->fd); /* taken for a leftover between create and lock: it has no name any more */
        d->fd = -1;
    }
    d->name[0] = 0;
    return draft_fail(d, err);
}

static void draft_close(draft *d)
{
    if (d->name[0]) (void)unlinkat(d->blobs->dir_fd, d->name, 0);
    if (d->fd >= 0) close(d->fd);
}

static bool sync_blob(const rv_blobs *blobs, rv_digest digest)
{
    rv_buf dir = {0};
    path_of(blobs, digest, false, &dir);
    RV_AUTO_CLOSE int fd = rv_blob_open(blobs, digest);
    bool is_good = fd >= 0 && fsync(fd) == 0 && rv_file_sync_dir(dir.at) && rv_file_sync_dir(blobs->dir);
    rv_buf_deinit(&dir);
    return is_good;
}

/* To ROOT/blobs/aa/bb…; the directory aa is mostly there. */
static bool draft_rename(draft *d, const char *name)
{
    const rv_blobs *blobs = d->blobs;
    char dir[3] = {name[0], name[1], 0};
    bool is_done = renameat(blobs->dir_fd, d->name, blobs->dir_fd, name) == 0;
    if (!is_done && errno == ENOENT && (mkdirat(blobs->dir_fd, dir, 0700) == 0 || errno == EEXIST))
        is_done = renameat(blobs->dir_fd, d->name, blobs->dir_fd, name) == 0;
    if (is_done) d->name[0] = 0;
    return is_done;
}

/* Give the bytes their name; synced: file and directories are on disk then. Not where a blob of its size has it: keeps (1) */
static rv_status draft_place(draft *d, rv_digest digest, bool synced, rv_error *err)
{
    char name[NAME_SIZE + 1];
    name_of(digest, name);
    bool is_done = !synced || fsync(d->fd) == 0;
    RV_FAIL_POINT(BLOB_BEFORE_RENAME);
    is_done = is_done && draft_rename(d, name);
    RV_FAIL_POINT(BLOB_AFTER_RENAME);
    if (is_done && synced) is_done = sync_blob(d->blobs, digest);
    return is_done ? RV_OK : draft_fail(d, err);
}

rv_status rv_blob_put(rv_blobs *blobs, rv_str bytes, rv_digest *ret, rv_error *err)
{
    rv_digest digest = rv_sha256(bytes);
    rv_status status = RV_OK;
    if (!rv_blob_has(blobs, digest, bytes.size)) {
        draft d;
        status = draft_open(&d, blobs, err);
        d.size = bytes.size;
        if (status == RV_OK && !rv_file_write(d.fd, bytes, RV_FILE_APPEND)) status = draft_fail(&d, err);
        if (status == RV_OK) status = draft_place(&d, digest, false, err);
        draft_close(&d);
    }
    if (status == RV_OK) *ret = digest;
    return status;
}

/* ---------------------------------------------------------------- put_file */

static rv_status source_fail(const char *name, rv_error *err)
{
    int error_number = errno;
    switch (error_number) {
    case ENOENT:
    case ENOTDIR: return rv_error_set(err, RV_NOT_FOUND, "%s: no such file", name);
    case ELOOP: return rv_error_set(err, RV_DENIED, "%s: refused: a symbolic link is in its path", name);
    case EXDEV: return rv_error_set(err, RV_DENIED, "%s: refused: it leads out of its directory", name);
    case EACCES:
    case EPERM: return rv_error_set(err, RV_DENIED, "%s: refused: no permission to read it", name);
    case ENXIO: return rv_error_set(err, RV_DENIED, "%s: refused: not a regular file", name);
    case ENAMETOOLONG: return rv_error_set(err, RV_DENIED, "%s: refused: its name is too long", name);
    case ENOSYS: return rv_error_set(err, RV_UNSUPPORTED, "%s: this kernel has no openat2; Linux 5.6 or later is needed", name);
    }
    return rv_error_set(err, RV_IO, "%s: cannot read: %s", name, strerror(error_number));
}

static bool has_dots(rv_str name)
{
    for (size_t at = 0; at <= name.size;) {
        size_t end = RV_MIN(rv_str_find(name, at, '/'), name.size);
        if (rv_str_is(rv_str_cut(name, at, end - at), "..")) return true;
        at = end + 1;
    }
    return false;
}

/* Descriptor of a regular file. It is looked at before it is opened for reading: to open a device can have effects. */
static rv_status source_open(int dir_fd, const char *name, int *ret, rv_error *err)
{
    struct stat seen, opened;
    if (name[0] == '/' || name[0] == 0 || has_dots(rv_str_of(name)))
        return rv_error_set(err, RV_DENIED, "%s: refused: the name must stay beneath its directory", name);
    RV_AUTO_CLOSE int path_fd = rv_file_open_beneath(dir_fd, name, O_PATH | O_NOFOLLOW);
    if (path_fd < 0 || fstat(path_fd, &seen) != 0) return source_fail(name, err);
    if (S_ISLNK(seen.st_mode)) return errno = ELOOP, source_fail(name, err);
    if (!S_ISREG(seen.st_mode)) return errno = ENXIO, source_fail(name, err);
    int fd = rv_file_open_beneath(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) return source_fail(name, err);
    if (fstat(fd, &opened) != 0 || opened.st_ino != seen.st_ino || opened.st_dev != seen.st_dev) {
        close(fd);
        return rv_error_set(err, RV_DENIED, "%s: refused: it was replaced while it was being opened", name);
    }
    *ret = fd;
    return RV_OK;
}

/* Let the draft share the source's extents where the file system has that: what is hashed is then the draft, which nobody changes. */
static bool share(draft *d, int source_fd, int *ret_read_fd)
{
    if (ioctl(d->fd, FICLONE, source_fd) != 0 || lseek(d->fd, 0, SEEK_SET) != 0) return false;
    *ret_read_fd = d->fd;
    return true;
}

static rv_status copy(draft *d, int source_fd, const char *name, rv_digest *ret, rv_error *err)
{
    int read_fd = source_fd;
    bool is_shared = share(d, source_fd, &read_fd);
    rv_sha256_stream *hash = rv_sha256_new();
    char *chunk = rv_alloc(COPY_SIZE);
    rv_status status = RV_OK;
    ssize_t count = 1;
    while (status == RV_OK && count > 0) {
        count = rv_file_read(read_fd, chunk, COPY_SIZE, RV_FILE_APPEND);
        if (count < 0) status = source_fail(name, err);
        if (count <= 0) break;
        rv_str bytes = {chunk, (size_t)count};
        rv_sha256_add(hash, bytes);
        d->size += bytes.size;
        if (!is_shared && !rv_file_write(d->fd, bytes, RV_FILE_APPEND)) status = draft_fail(d, err);
    }
    rv_free(chunk);
    rv_digest digest = rv_sha256_end_take(hash);
    if (status == RV_OK) *ret = digest;
    return status;
}

rv_status rv_blob_put_file(rv_blobs *blobs, int dir_fd, const char *name, bool synced, rv_digest *ret, uint64_t *ret_size, rv_error *err)
{
    RV_AUTO_CLOSE int source_fd = -1;
    rv_digest digest = {0};
    rv_status status = source_open(dir_fd, name, &source_fd, err);
    if (status != RV_OK) return status;
    draft d;
    status = draft_open(&d, blobs, err);
    if (status == RV_OK) status = copy(&d, source_fd, name, &digest, err);
    bool is_there = status == RV_OK && rv_blob_has(blobs, digest, d.size);
    if (is_there && synced && !sync_blob(blobs, digest)) status = draft_fail(&d, err);
    if (status == RV_OK && !is_there) status = draft_place(&d, digest, synced, err);
    if (status == RV_OK) {
        *ret = digest;
        if (ret_size) *ret_size = d.size;
    }
    draft_close(&d);
    return status;
}

/* -------------------------------------------------------------------- read */

static rv_status read_verified(int fd, const char *path, rv_digest digest, uint64_t size, rv_buf *out, rv_error *err)
{
    size_t size_before = out->size;
    if (rv_buf_reserve(out, size) != RV_OK) return rv_error_set(err, RV_NO_MEMORY, "%s: no memory for its bytes", path);
    char *at = rv_buf_extend(out, size);
    ssize_t count = rv_file_read(fd, at, size, 0);
    rv_digest found = count == (ssize_t)size ? rv_sha256((rv_str){at, size}) : (rv_digest){0};
    if (count == (ssize_t)size && memcmp(found.bytes, digest.bytes, sizeof found.bytes) == 0) return RV_OK;
    int error_number = errno;
    out->size = size_before;
    out->at[size_before] = 0;
    if (count < 0) return rv_error_set(err, rv_file_status(error_number), "%s: cannot read: %s", path, strerror(error_number));
    return rv_error_set(err, RV_CORRUPT, "%s: its bytes do not have the digest that it is named by", path);
}

rv_status rv_blob_read(rv_blobs *blobs, rv_digest digest, uint64_t size_max, rv_buf *out, rv_error *err)
{
    rv_buf path = {0};
    struct stat found;
    rv_blob_path(blobs, digest, &path);
    RV_AUTO_CLOSE int fd = open(path.at, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    rv_status status;
    if (fd < 0 && errno == ENOENT)
        status = rv_error_set(err, RV_NOT_FOUND, "%s: no such blob", path.at);
    else if (fd < 0 || fstat(fd, &found) != 0)
        status = rv_error_set(err, rv_file_status(errno), "%s: cannot read: %s", path.at, strerror(errno));
    else if (!S_ISREG(found.st_mode))
        status = rv_error_set(err, RV_CORRUPT, "%s: not a regular file", path.at);
    else if ((uint64_t)found.st_size > size_max)
        status = rv_error_set(err, RV_LIMIT, "%s: %lld bytes; at most %llu were asked for", path.at, (long long)found.st_size,
                              (unsigned long long)size_max);
    else
        status = read_verified(fd, path.at, digest, (uint64_t)found.st_size, out, err);
    rv_buf_deinit(&path);
    return status;
}
