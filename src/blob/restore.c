/* restore.c: files put back from blobs.
 *
 *  (1) All are staged before the first one is renamed: a damaged blob changes nothing.
 *  (2) What is written is what was verified: the bytes that were hashed, or a copy that nobody else has open.
 *  (3) A place is reached by openat2 with RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS, directory by directory, and changed by its last name
 *      alone: also a link that somebody puts in the way between two calls leads nowhere.
 *  (4) Staging files are in STORE/stage, hence on the file system of most workspaces; elsewhere beside the place, as .reeve-stage-HEX. */
#include "blob/tree_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/failpoint.h"


#define STAGE_NAME_SIZE 40

/* ---- what may be put back ---- */

const char *rv_tree_refusal_of_path(rv_str path)
{
    if (path.size == 0) return "it has no path";
    if (path.size > RV_TREE_PATH_MAX) return "its path is too long";
    if (memchr(path.at, 0, path.size)) return "its path has a NUL byte";
    for (size_t at = 0; at <= path.size;) {
        size_t end = RV_MIN(rv_str_find(path, at, '/'), path.size);
        rv_str name = rv_str_cut(path, at, end - at);
        if (end == at) return "its path has an empty name, or is absolute";
        if (rv_str_is(name, ".") || rv_str_is(name, "..")) return "its path has . or .. in it";
        if (rv_str_is(name, ".git") || rv_str_is(name, ".reeve")) return "its path leads into .git or .reeve";
        if (name.size > 255) return "a name in its path is too long";
        at = end + 1;
    }
    return NULL;
}

/* Does a link at `path` lead nowhere outside of the root, as far as its text tells? */
static bool link_stays(rv_str path, rv_str link)
{
    int64_t depth = 0;
    for (size_t i = 0; i < path.size; i++) depth += path.at[i] == '/';
    if (link.size == 0 || link.size > RV_TREE_PATH_MAX || link.at[0] == '/' || memchr(link.at, 0, link.size)) return false;
    for (size_t at = 0; at <= link.size;) {
        size_t end = RV_MIN(rv_str_find(link, at, '/'), link.size);
        rv_str name = rv_str_cut(link, at, end - at);
        if (rv_str_is(name, "..")) depth--;
        else if (name.size && !rv_str_is(name, ".")) depth++;
        if (depth < 0) return false;
        at = end + 1;
    }
    return true;
}

const char *rv_tree_refusal(const rv_tree *tree, const rv_tree_file *file)
{
    const char *why = rv_tree_refusal_of_path(file->path);
    if (why) return why;
    rv_str store = tree->store_path;
    bool is_in_store = store.size && rv_str_starts(file->path, store) &&
                       (file->path.size == store.size || file->path.at[store.size] == '/');
    if (is_in_store) return "its path leads into the store";
    if (file->kind != RV_TREE_FILE && file->kind != RV_TREE_LINK && file->kind != RV_TREE_DIR) return "it is no file, link or directory";
    if (file->mode & ~0777u) return "its mode has bits that are not of permission";
    return file->kind != RV_TREE_LINK || link_stays(file->path, file->link) ? NULL : "it is a link that leads out of the root";
}

/* ---- places ---- */

typedef struct place {
    rv_tree *tree;
    int parent_fd;       /* -1: none yet */
    rv_str parent;       /* whose it is */
    bool is_same_parent; /* nothing was resolved for the last one */
} place;

static const char *base_of(rv_str path)
{
    size_t at = path.size;
    while (at > 0 && path.at[at - 1] != '/') at--;
    return path.at + at;
}

static rv_status place_fail(const rv_tree_file *file, rv_error *err)
{
    int error_number = errno;
    const char *text = strerror(error_number);
    if (error_number == ELOOP) text = "a link is in its way";
    if (error_number == EISDIR || error_number == ENOTEMPTY || error_number == EEXIST) text = "a directory is in its place";
    if (error_number == ENOTDIR) text = "a file is where a directory must be";
    return rv_error_set(err, error_number == ENOSPC || error_number == EDQUOT || error_number == EIO ? RV_IO : RV_DENIED,
                        "%s cannot be put back: %s", file->path.at, text);
}

/* The directory `path`, made where it is not there: from the longest part that is, name by name. -1 with errno. */
static int make_dirs(rv_tree *tree, rv_str path)
{
    char text[RV_TREE_PATH_MAX + 1];
    memcpy(text, path.at, path.size);
    text[path.size] = 0;
    int fd = rv_file_open_beneath(tree->fd, text, O_PATH | O_DIRECTORY | O_NOFOLLOW);
    if (fd >= 0 || errno != ENOENT) return fd;
    fd = rv_file_open_beneath(tree->fd, ".", O_PATH | O_DIRECTORY);
    for (size_t at = 0; fd >= 0 && at < path.size;) {
        size_t end = RV_MIN(rv_str_find(path, at, '/'), path.size);
        text[end] = 0;
        bool is_made = mkdirat(fd, text + at, 0777) == 0 || errno == EEXIST;
        int next = is_made ? rv_file_open_beneath(fd, text + at, O_PATH | O_DIRECTORY | O_NOFOLLOW) : -1;
        int error_number = errno;
        close(fd);
        fd = next, errno = error_number;
        at = end + 1;
    }
    return fd;
}

/* Open the directory that a file is in; that of the last one is kept. */
static bool place_open(place *p, const rv_tree_file *file)
{
    size_t size = (size_t)(base_of(file->path) - file->path.at);
    rv_str parent = rv_str_cut(file->path, 0, size ? size - 1 : 0);
    if (p->parent_fd >= 0 && rv_str_eq(p->parent, parent)) return true;
    if (p->parent_fd >= 0) close(p->parent_fd);
    p->parent = parent;
    p->parent_fd = parent.size ? make_dirs(p->tree, parent) : rv_file_open_beneath(p->tree->fd, ".", O_PATH | O_DIRECTORY);
    return p->parent_fd >= 0;
}

/* ---- staging ---- */

/* Files of a process that died. */
static void clear_stage(int stage_fd)
{
    int fd = openat(stage_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
    if (!stream) return;
    for (struct dirent *entry; (entry = readdir(stream));)
        if (entry->d_name[0] != '.') (void)unlinkat(stage_fd, entry->d_name, 0);
    closedir(stream);
}

static bool stage_open(rv_tree *tree)
{
    rv_buf path = {0};
    if (tree->stage_fd >= 0) return true;
    rv_buf_printf(&path, "%s/stage", tree->store);
    if (rv_file_make_dir(path.at, NULL)) tree->stage_fd = open(path.at, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (tree->stage_fd >= 0) clear_stage(tree->stage_fd);
    rv_buf_deinit(&path);
    return tree->stage_fd >= 0;
}

static rv_status damaged(rv_tree *tree, const rv_tree_file *file, rv_error *err)
{
    (void)rv_blob_remove(tree->blobs, file->digest);
    return rv_error_set(err, RV_CORRUPT, "%s: its blob is damaged", file->path.at);
}

/* Copy a large blob to `to` and hash what arrived. */
static rv_status copy_large(rv_tree *tree, int from, int to, const rv_tree_file *file, rv_error *err)
{
    bool is_shared = ioctl(to, FICLONE, from) == 0;
    rv_sha256_stream *hash = rv_sha256_new();
    uint64_t size = 0;
    ssize_t count;
    bool is_written = true;
    while ((count = rv_file_read(is_shared ? to : from, tree->buffer, RV_TREE_BUFFER_SIZE, RV_FILE_APPEND)) > 0 && is_written) {
        rv_str bytes = {tree->buffer, (size_t)count};
        rv_sha256_add(hash, bytes);
        size += bytes.size;
        if (size > file->size) break;
        is_written = is_shared || rv_file_write(to, bytes, RV_FILE_APPEND);
    }
    int error_number = errno;
    rv_digest digest = rv_sha256_end_take(hash);
    if (count < 0 || !is_written) return errno = error_number, place_fail(file, err);
    bool is_whole = size == file->size && memcmp(digest.bytes, file->digest.bytes, sizeof digest.bytes) == 0;
    return is_whole ? RV_OK : damaged(tree, file, err);
}

static rv_status copy_small(rv_tree *tree, int from, int to, const rv_tree_file *file, rv_error *err)
{
    ssize_t count = rv_file_read(from, tree->buffer, RV_TREE_BUFFER_SIZE, RV_FILE_APPEND);
    if (count < 0) return place_fail(file, err);
    rv_str bytes = {tree->buffer, (size_t)count};
    rv_digest digest = rv_sha256(bytes);
    if (bytes.size != file->size || memcmp(digest.bytes, file->digest.bytes, sizeof digest.bytes) != 0) return damaged(tree, file, err);
    return rv_file_write(to, bytes, RV_FILE_APPEND) ? RV_OK : place_fail(file, err);
}

/* Make `name` in dir_fd: the file's bytes and mode, verified. Nothing is left of it on failure. */
static rv_status stage(rv_tree *tree, int dir_fd, const char *name, const rv_tree_file *file, rv_error *err)
{
    RV_AUTO_CLOSE int from = rv_blob_open(tree->blobs, file->digest);
    if (from < 0 && errno == ENOENT) return rv_error_set(err, RV_NOT_FOUND, "%s: its blob is not there", file->path.at);
    if (from < 0) return damaged(tree, file, err);
    RV_AUTO_CLOSE int to = openat(dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (to < 0) return place_fail(file, err);
    rv_status status = file->size < RV_TREE_BUFFER_SIZE ? copy_small(tree, from, to, file, err) : copy_large(tree, from, to, file, err);
    if (status == RV_OK && fchmod(to, file->mode) != 0) status = place_fail(file, err);
    if (status != RV_OK) (void)unlinkat(dir_fd, name, 0);
    return status;
}

static void stage_name(const rv_tree *tree, uint32_t index, char ret[STAGE_NAME_SIZE])
{
    (void)snprintf(ret, STAGE_NAME_SIZE, "%016llx-%x", (unsigned long long)tree->stage_number, index);
}

/* ---- putting back ---- */

static rv_status put_mode(place *p, const rv_tree_file *file, rv_error *err)
{
    p->tree->generation++; /* what was seen there before has another mode */
    return place_open(p, file) && fchmodat(p->parent_fd, base_of(file->path), file->mode, 0) == 0 ? RV_OK : place_fail(file, err);
}

/* Is there already what is to be there? A mode that differs alone is set. */
static rv_status is_there(place *p, const rv_tree_file *file, rv_arena *arena, bool *ret, rv_error *err)
{
    rv_tree_file now = {.path = file->path};
    *ret = false;
    if (rv_tree_look(p->tree, arena, &now, NULL) != RV_OK || now.kind != file->kind) return RV_OK;
    if (file->kind == RV_TREE_LINK) return *ret = rv_str_eq(now.link, file->link), RV_OK;
    bool is_equal = file->kind == RV_TREE_DIR ||
                    (now.size == file->size && memcmp(now.digest.bytes, file->digest.bytes, sizeof now.digest.bytes) == 0);
    if (!is_equal) return RV_OK;
    *ret = true;
    return now.mode == file->mode ? RV_OK : put_mode(p, file, err);
}

static rv_status put_file(place *p, const char *staged, const rv_tree_file *file, rv_error *err)
{
    char beside[STAGE_NAME_SIZE + 16];
    if (!place_open(p, file)) return place_fail(file, err);
    if (renameat(p->tree->stage_fd, staged, p->parent_fd, base_of(file->path)) == 0) return RV_OK;
    if (errno != EXDEV) return place_fail(file, err);
    (void)snprintf(beside, sizeof beside, ".reeve-stage-%s", staged);
    rv_status status = stage(p->tree, p->parent_fd, beside, file, err);
    if (status != RV_OK || renameat(p->parent_fd, beside, p->parent_fd, base_of(file->path)) == 0) return status;
    status = place_fail(file, err);
    (void)unlinkat(p->parent_fd, beside, 0);
    return status;
}

static rv_status put_link(place *p, const char *staged, const rv_tree_file *file, rv_error *err)
{
    bool is_good = place_open(p, file) && symlinkat(file->link.at, p->parent_fd, staged) == 0;
    if (is_good && renameat(p->parent_fd, staged, p->parent_fd, base_of(file->path)) == 0) return RV_OK;
    rv_status status = place_fail(file, err);
    if (is_good) (void)unlinkat(p->parent_fd, staged, 0);
    return status;
}

static rv_status put_dir(place *p, const rv_tree_file *file, rv_error *err)
{
    bool is_good = place_open(p, file) && (mkdirat(p->parent_fd, base_of(file->path), 0777) == 0);
    return is_good ? put_mode(p, file, err) : place_fail(file, err);
}

static rv_status put_back(place *p, uint32_t index, const rv_tree_file *file, rv_error *err)
{
    char name[STAGE_NAME_SIZE], hidden[STAGE_NAME_SIZE + 16];
    stage_name(p->tree, index, name);
    if (file->kind == RV_TREE_FILE) return put_file(p, name, file, err);
    (void)snprintf(hidden, sizeof hidden, ".reeve-stage-%s", name);
    return file->kind == RV_TREE_LINK ? put_link(p, hidden, file, err) : put_dir(p, file, err);
}

typedef struct wanted { RV_VEC(uint32_t) index; } wanted; /* of the files that are not there as they must be */

/* keeps (1); *ret_staged: how many of `want` have been looked at, whatever comes */
static rv_status stage_all(rv_tree *tree, const rv_tree_file *files, const wanted *want, rv_error *err)
{
    rv_status status = RV_OK;
    for (uint32_t i = 0; i < want->index.count && status == RV_OK; i++) {
        const rv_tree_file *file = &files[want->index.at[i]];
        char name[STAGE_NAME_SIZE];
        stage_name(tree, want->index.at[i], name);
        if (file->kind == RV_TREE_FILE && !stage_open(tree)) status = place_fail(file, err);
        if (file->kind == RV_TREE_FILE && status == RV_OK) status = stage(tree, tree->stage_fd, name, file, err);
    }
    return status;
}

static void unstage(rv_tree *tree, const rv_tree_file *files, const wanted *want, uint32_t from)
{
    for (uint32_t i = from; i < want->index.count && tree->stage_fd >= 0; i++) {
        char name[STAGE_NAME_SIZE];
        stage_name(tree, want->index.at[i], name);
        if (files[want->index.at[i]].kind == RV_TREE_FILE) (void)unlinkat(tree->stage_fd, name, 0);
    }
}

rv_status rv_tree_restore(rv_tree *tree, const rv_tree_file *files, uint32_t count, uint32_t *ret_written, rv_error *err)
{
    place p = {.tree = tree, .parent_fd = -1};
    rv_arena arena = {0};
    wanted want = {0};
    rv_status status = RV_OK;
    for (uint32_t i = 0; i < count && status == RV_OK; i++) {
        bool is_equal;
        RV_ASSERT(!rv_tree_refusal(tree, &files[i]));
        status = is_there(&p, &files[i], &arena, &is_equal, err);
        if (status == RV_OK && !is_equal) rv_vec_push(&want.index, i);
    }
    if (status == RV_OK) status = stage_all(tree, files, &want, err);
    RV_FAIL_POINT(CACHE_STAGED);
    uint32_t done = 0;
    for (; done < want.index.count && status == RV_OK; done++) {
        status = put_back(&p, want.index.at[done], &files[want.index.at[done]], err);
        RV_FAIL_POINT(CACHE_PLACED);
    }
    if (want.index.count) tree->generation++; /* what was seen there before is no more */
    if (status != RV_OK) unstage(tree, files, &want, 0);
    if (status == RV_OK && ret_written) *ret_written = want.index.count;
    if (p.parent_fd >= 0) close(p.parent_fd);
    rv_vec_deinit(&want.index);
    rv_arena_deinit(&arena);
    return status;
}
