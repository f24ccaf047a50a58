/* restore.c: files put back from blobs.
 *
 *  (1) A damaged blob changes nothing: what replaces something, and what is large, is staged before the first place is touched; what is
 *      made in free places next is removed again when one of them fails; only then is what was staged renamed onto its places.
 *  (2) What is written is what was verified: the bytes that were hashed, or a copy that nobody else has open.
 *  (3) A place is reached by openat2 with RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS, directory by directory, and changed by its last name
 *      alone: also a link that somebody puts in the way between two calls leads nowhere.
 *  (4) Staging files are in STORE/stage, hence on the file system of most workspaces; elsewhere beside the place, as .reeve-stage-HEX.
 *  (5) A small file whose place is free is made there (O_EXCL): its name comes when its bytes are verified, and one write follows. Who
 *      dies between the two leaves an empty file, as a command that dies does; no node behind has begun, and the next hit finds it
 *      unequal and replaces it. To stage it, too, would be three changes of directories instead of one: twice the time.
 *  (6) Modes of directories are set last, the deepest first, and what may not be written into is opened until then. */
#include "blob/tree_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
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

/* Where the last file went; and, of what was made there last, the mode that came out as it was asked for: what umask and ACL do to a mode
 * is the same for the next one. */
typedef struct place {
    int parent_fd;       /* -1: none yet */
    rv_str parent;       /* whose it is */
    uint32_t sound_mode; /* RV_NONE: nothing is known */
} place;

typedef struct wanted { uint32_t index; bool is_new, is_staged; } wanted; /* is_new: nothing has its name */
typedef struct dir_mode { uint32_t index, mode; bool is_opened; } dir_mode; /* mode: that it has, or had before it was opened */

typedef struct restoring {
    rv_tree *tree;
    const rv_tree_file *files;
    uint32_t count;
    rv_arena arena;
    place place;
    uint32_t stage_mode; /* as sound_mode, of what is staged */
    rv_str looked, gone; /* the directory that was looked for last; one that is not there */
    RV_VEC(wanted) want; /* what is not there as it must be, in order of path */
    RV_VEC(dir_mode) dirs;
    RV_VEC(rv_str) made; /* directories that were made, in this order */
} restoring;

static const char *base_of(rv_str path)
{
    size_t at = path.size;
    while (at > 0 && path.at[at - 1] != '/') at--;
    return path.at + at;
}

static rv_str parent_of(rv_str path)
{
    size_t size = (size_t)(base_of(path) - path.at);
    return rv_str_cut(path, 0, size ? size - 1 : 0);
}

static rv_status place_fail(const rv_tree_file *file, rv_error *err)
{
    int error_number = errno;
    const char *text = strerror(error_number);
    bool is_taken = error_number == EISDIR || error_number == ENOTEMPTY || error_number == EEXIST;
    if (error_number == ELOOP) text = "a link is in its way";
    if (is_taken) text = file->kind == RV_TREE_DIR ? "something else is in its place" : "a directory is in its place";
    if (error_number == ENOTDIR) text = "a file is where a directory must be";
    return rv_error_set(err, error_number == ENOSPC || error_number == EDQUOT || error_number == EIO ? RV_IO : RV_DENIED,
                        "%s cannot be put back: %s", file->path.at, text);
}

/* The directory `path`, made where it is not there: from the longest part that is, name by name. -1 with errno. */
static int make_dirs(restoring *r, rv_str path)
{
    char text[RV_TREE_PATH_MAX + 1];
    memcpy(text, path.at, path.size);
    text[path.size] = 0;
    int fd = rv_file_open_beneath(r->tree->fd, text, O_PATH | O_DIRECTORY | O_NOFOLLOW);
    if (fd >= 0 || errno != ENOENT) return fd;
    fd = rv_file_open_beneath(r->tree->fd, ".", O_PATH | O_DIRECTORY);
    for (size_t at = 0; fd >= 0 && at < path.size;) {
        size_t end = RV_MIN(rv_str_find(path, at, '/'), path.size);
        text[end] = 0;
        bool is_made = mkdirat(fd, text + at, 0777) == 0;
        if (is_made) rv_vec_push(&r->made, rv_str_cut(path, 0, end));
        int next = is_made || errno == EEXIST ? rv_file_open_beneath(fd, text + at, O_PATH | O_DIRECTORY | O_NOFOLLOW) : -1;
        int error_number = errno;
        close(fd);
        fd = next, errno = error_number;
        if (end < path.size) text[end] = '/';
        at = end + 1;
    }
    return fd;
}

/* Open the directory that a file is in; that of the last one is kept. false with errno. */
static bool place_open(restoring *r, const rv_tree_file *file)
{
    place *p = &r->place;
    rv_str parent = parent_of(file->path);
    if (p->parent_fd >= 0 && rv_str_eq(p->parent, parent)) return true;
    if (p->parent_fd >= 0) close(p->parent_fd);
    p->parent = parent;
    p->sound_mode = RV_NONE;
    p->parent_fd = parent.size ? make_dirs(r, parent) : rv_file_open_beneath(r->tree->fd, ".", O_PATH | O_DIRECTORY);
    return p->parent_fd >= 0;
}

static bool set_mode(restoring *r, const rv_tree_file *file, uint32_t mode)
{
    r->tree->generation++, r->tree->unrest++; /* what was seen there before has another mode */
    return place_open(r, file) && fchmodat(r->place.parent_fd, base_of(file->path), mode, AT_SYMLINK_NOFOLLOW) == 0;
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

static bool is_small(const rv_tree_file *file) { return file->size < RV_TREE_BUFFER_SIZE; }

/* The blob of a file, to be read. */
static rv_status open_blob(rv_tree *tree, const rv_tree_file *file, int *ret, rv_error *err)
{
    *ret = rv_blob_open(tree->blobs, file->digest);
    if (*ret >= 0) return RV_OK;
    return errno == ENOENT ? rv_error_set(err, RV_NOT_FOUND, "%s: its blob is not there", file->path.at) : damaged(tree, file, err);
}

/* Read a small file's bytes, and one more if there is one: one call where the size is right. -1 with errno. */
static ssize_t read_to_its_size(int fd, char *at, uint64_t size)
{
    uint64_t done = 0;
    ssize_t count = 1;
    while (count > 0 && done < RV_MAX(size, 1u)) {
        count = read(fd, at + done, size + 1 - done);
        if (count < 0 && errno == EINTR) count = 1;
        else if (count > 0) done += (uint64_t)count;
    }
    return count < 0 ? -1 : (ssize_t)done;
}

/* The verified bytes of a small file, in tree->buffer. */
static rv_status read_small(rv_tree *tree, const rv_tree_file *file, rv_error *err)
{
    RV_AUTO_CLOSE int from = -1;
    rv_status status = open_blob(tree, file, &from, err);
    if (status != RV_OK) return status;
    ssize_t count = read_to_its_size(from, tree->buffer, file->size);
    if (count < 0) return place_fail(file, err);
    rv_digest digest = rv_sha256((rv_str){tree->buffer, (size_t)count});
    bool is_whole = (uint64_t)count == file->size && memcmp(digest.bytes, file->digest.bytes, sizeof digest.bytes) == 0;
    return is_whole ? RV_OK : damaged(tree, file, err);
}

/* Copy a large blob to `to` and hash what arrived. */
static rv_status copy_large(rv_tree *tree, int to, const rv_tree_file *file, rv_error *err)
{
    RV_AUTO_CLOSE int from = -1;
    rv_status status = open_blob(tree, file, &from, err);
    if (status != RV_OK) return status;
    bool is_shared = ioctl(to, FICLONE, from) == 0;
    rv_sha256_stream *hash = rv_sha256_new();
    uint64_t size = 0;
    ssize_t count = 0;
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

/* Give an open file that was made with file->mode this mode, if it has not come out. *sound_mode: as in place. */
static bool mend_mode(int fd, const rv_tree_file *file, uint32_t *sound_mode)
{
    struct stat info;
    if (*sound_mode == file->mode) return true;
    if (fstat(fd, &info) != 0) return false;
    if ((info.st_mode & 07777) == file->mode) return *sound_mode = file->mode, true;
    return fchmod(fd, file->mode) == 0;
}

/* Make `name`, which nothing has, in dir_fd: the file's bytes and mode, verified. Nothing is left of it on failure. *ret_taken (may be
 * NULL): something has the name. */
static rv_status make(rv_tree *tree, int dir_fd, const char *name, const rv_tree_file *file, uint32_t *sound_mode, bool *ret_taken,
                      rv_error *err)
{
    rv_status status = is_small(file) ? read_small(tree, file, err) : RV_OK;
    if (status != RV_OK) return status;
    RV_AUTO_CLOSE int to = openat(dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, file->mode);
    if (to < 0) {
        if (ret_taken) *ret_taken = errno == EEXIST;
        return place_fail(file, err);
    }
    RV_FAIL_POINT(CACHE_MADE);
    if (!is_small(file)) status = copy_large(tree, to, file, err);
    else if (!rv_file_write(to, (rv_str){tree->buffer, file->size}, RV_FILE_APPEND)) status = place_fail(file, err);
    if (status == RV_OK && !mend_mode(to, file, sound_mode)) status = place_fail(file, err);
    if (status != RV_OK) (void)unlinkat(dir_fd, name, 0);
    return status;
}

static void stage_name(const rv_tree *tree, uint32_t index, char ret[STAGE_NAME_SIZE])
{
    (void)snprintf(ret, STAGE_NAME_SIZE, "%016llx-%x", (unsigned long long)tree->stage_number, index);
}

static rv_status stage(restoring *r, wanted *w, rv_error *err)
{
    const rv_tree_file *file = &r->files[w->index];
    char name[STAGE_NAME_SIZE];
    stage_name(r->tree, w->index, name);
    if (!stage_open(r->tree)) return place_fail(file, err);
    rv_status status = make(r->tree, r->tree->stage_fd, name, file, &r->stage_mode, NULL, err);
    w->is_staged = status == RV_OK;
    return status;
}

/* ---- looking ---- */

/* Is the directory of file `index` known not to be there? Looked for when the next file is in it, too, and this one is not there. */
static void learn_what_is_gone(restoring *r, uint32_t index)
{
    struct stat info;
    rv_str parent = parent_of(r->files[index].path);
    bool is_worth_it = parent.size && index + 1 < r->count && rv_str_eq(parent_of(r->files[index + 1].path), parent);
    if (!is_worth_it || rv_str_eq(r->looked, parent)) return;
    const char *name = rv_arena_cstring(&r->arena, parent);
    r->looked = parent;
    if (fstatat(r->tree->fd, name, &info, 0) != 0 && errno == ENOENT) r->gone = parent;
}

static bool is_in_what_is_gone(const restoring *r, rv_str path)
{
    return r->gone.size && rv_str_starts(path, r->gone) && path.size > r->gone.size && path.at[r->gone.size] == '/';
}

/* Want what is not there as it must be. A file's mode that differs alone is set. */
static rv_status look(restoring *r, uint32_t index, rv_error *err)
{
    const rv_tree_file *file = &r->files[index];
    rv_tree_file now = {.path = file->path, .kind = RV_TREE_ABSENT};
    bool is_gone = is_in_what_is_gone(r, file->path);
    bool is_seen = is_gone || rv_tree_look(r->tree, &r->arena, &now, NULL) == RV_OK;
    bool is_equal = is_seen && now.kind == file->kind;
    if (is_equal && file->kind == RV_TREE_LINK) is_equal = rv_str_eq(now.link, file->link);
    if (is_equal && file->kind == RV_TREE_FILE)
        is_equal = now.size == file->size && memcmp(now.digest.bytes, file->digest.bytes, sizeof now.digest.bytes) == 0;
    bool is_new = is_seen && now.kind == RV_TREE_ABSENT;
    if (is_new && !is_gone) learn_what_is_gone(r, index);
    if (!is_equal) rv_vec_push(&r->want, ((wanted){.index = index, .is_new = is_new}));
    else if (file->kind == RV_TREE_DIR) rv_vec_push(&r->dirs, ((dir_mode){.index = index, .mode = now.mode}));
    else if (file->kind == RV_TREE_FILE && now.mode != file->mode && !set_mode(r, file, file->mode)) return place_fail(file, err);
    return RV_OK;
}

/* ---- directories: keeps (6) ---- */

static rv_status open_dir(restoring *r, dir_mode *dir, rv_error *err)
{
    if ((dir->mode & 0300) == 0300) return RV_OK;
    dir->is_opened = set_mode(r, &r->files[dir->index], dir->mode | 0300);
    return dir->is_opened ? RV_OK : place_fail(&r->files[dir->index], err);
}

/* Make it; one that is there after all could not be seen before what it is in was opened. */
static rv_status make_dir(restoring *r, uint32_t index, rv_error *err)
{
    struct stat info;
    const rv_tree_file *file = &r->files[index];
    const char *name = base_of(file->path);
    if (!place_open(r, file)) return place_fail(file, err);
    if (mkdirat(r->place.parent_fd, name, file->mode | 0700) == 0) rv_vec_push(&r->made, file->path);
    else if (errno != EEXIST) return place_fail(file, err);
    if (fstatat(r->place.parent_fd, name, &info, AT_SYMLINK_NOFOLLOW) != 0) return place_fail(file, err);
    if (!S_ISDIR(info.st_mode)) return errno = EEXIST, place_fail(file, err);
    dir_mode dir = {.index = index, .mode = info.st_mode & 07777};
    rv_status status = open_dir(r, &dir, err);
    rv_vec_push(&r->dirs, dir);
    return status;
}

static int by_index(const void *a, const void *b)
{
    const dir_mode *x = a, *y = b;
    return x->index < y->index ? -1 : x->index > y->index;
}

static rv_status open_dirs(restoring *r, rv_error *err)
{
    rv_status status = RV_OK;
    for (uint32_t i = 0; i < r->dirs.count && r->want.count && status == RV_OK; i++) status = open_dir(r, &r->dirs.at[i], err);
    for (uint32_t i = 0; i < r->want.count && status == RV_OK; i++)
        if (r->files[r->want.at[i].index].kind == RV_TREE_DIR) status = make_dir(r, r->want.at[i].index, err);
    if (r->dirs.count > 1) qsort(r->dirs.at, r->dirs.count, sizeof r->dirs.at[0], by_index);
    return status;
}

/* wanted: the modes that were asked for, else those from before. A bit that is not of permission (setgid) is the directory's own. */
static rv_status close_dirs(restoring *r, bool wants, rv_error *err)
{
    rv_status status = RV_OK;
    for (uint32_t i = r->dirs.count; i-- > 0;) {
        const dir_mode *dir = &r->dirs.at[i];
        const rv_tree_file *file = &r->files[dir->index];
        uint32_t mode = wants ? file->mode | (dir->mode & 07000) : dir->mode;
        if (!dir->is_opened && mode == dir->mode) continue;
        if (!set_mode(r, file, mode) && wants && status == RV_OK) status = place_fail(file, err);
    }
    return status;
}

/* ---- putting back ---- */

static rv_status put_file(restoring *r, const char *staged, const rv_tree_file *file, rv_error *err)
{
    char beside[STAGE_NAME_SIZE + 16];
    if (!place_open(r, file)) return place_fail(file, err);
    int parent_fd = r->place.parent_fd;
    if (renameat(r->tree->stage_fd, staged, parent_fd, base_of(file->path)) == 0) return RV_OK;
    if (errno != EXDEV) return place_fail(file, err);
    (void)snprintf(beside, sizeof beside, ".reeve-stage-%s", staged);
    rv_status status = make(r->tree, parent_fd, beside, file, &r->place.sound_mode, NULL, err);
    if (status != RV_OK) return status;
    if (renameat(parent_fd, beside, parent_fd, base_of(file->path)) == 0) return (void)unlinkat(r->tree->stage_fd, staged, 0), RV_OK;
    status = place_fail(file, err);
    (void)unlinkat(parent_fd, beside, 0);
    return status;
}

static rv_status put_link(restoring *r, const char *staged, const rv_tree_file *file, rv_error *err)
{
    char hidden[STAGE_NAME_SIZE + 16];
    (void)snprintf(hidden, sizeof hidden, ".reeve-stage-%s", staged);
    if (!place_open(r, file)) return place_fail(file, err);
    int parent_fd = r->place.parent_fd;
    if (symlinkat(file->link.at, parent_fd, base_of(file->path)) == 0) return RV_OK;
    if (errno != EEXIST || symlinkat(file->link.at, parent_fd, hidden) != 0) return place_fail(file, err);
    if (renameat(parent_fd, hidden, parent_fd, base_of(file->path)) == 0) return RV_OK;
    rv_status status = place_fail(file, err);
    (void)unlinkat(parent_fd, hidden, 0);
    return status;
}

static bool is_made_in_place(const restoring *r, const wanted *w)
{
    const rv_tree_file *file = &r->files[w->index];
    return file->kind == RV_TREE_FILE && w->is_new && is_small(file);
}

/* keeps (1): the first half of it */
static rv_status stage_all(restoring *r, rv_error *err)
{
    rv_status status = RV_OK;
    for (uint32_t i = 0; i < r->want.count && status == RV_OK; i++) {
        wanted *w = &r->want.at[i];
        if (r->files[w->index].kind == RV_TREE_FILE && !is_made_in_place(r, w)) status = stage(r, w, err);
    }
    return status;
}

/* keeps (5). *ret_done: how many of `want` were worked through. */
static rv_status make_in_place(restoring *r, uint32_t *ret_done, rv_error *err)
{
    rv_status status = RV_OK;
    for (*ret_done = 0; *ret_done < r->want.count && status == RV_OK; ++*ret_done) {
        wanted *w = &r->want.at[*ret_done];
        const rv_tree_file *file = &r->files[w->index];
        bool is_taken = false;
        if (!is_made_in_place(r, w)) continue;
        if (!place_open(r, file)) return place_fail(file, err);
        status = make(r->tree, r->place.parent_fd, base_of(file->path), file, &r->place.sound_mode, &is_taken, err);
        if (is_taken) w->is_new = false, status = stage(r, w, err); /* somebody was quicker: it is replaced */
        if (status != RV_OK) return status;
        RV_FAIL_POINT(CACHE_PLACED);
    }
    return status;
}

/* keeps (1): the other half */
static void take_back(restoring *r, uint32_t done)
{
    for (uint32_t i = 0; i < done; i++) {
        const rv_tree_file *file = &r->files[r->want.at[i].index];
        if (is_made_in_place(r, &r->want.at[i]) && place_open(r, file)) (void)unlinkat(r->place.parent_fd, base_of(file->path), 0);
    }
    while (r->made.count) {
        rv_tree_file dir = {.path = rv_vec_pop(&r->made)};
        if (place_open(r, &dir)) (void)unlinkat(r->place.parent_fd, base_of(dir.path), AT_REMOVEDIR);
    }
}

static rv_status put_staged(restoring *r, rv_error *err)
{
    rv_status status = RV_OK;
    for (uint32_t i = 0; i < r->want.count && status == RV_OK; i++) {
        wanted *w = &r->want.at[i];
        const rv_tree_file *file = &r->files[w->index];
        char name[STAGE_NAME_SIZE];
        stage_name(r->tree, w->index, name);
        if (file->kind == RV_TREE_LINK) status = put_link(r, name, file, err);
        else if (w->is_staged) status = put_file(r, name, file, err);
        else continue;
        if (status == RV_OK) w->is_staged = false;
        RV_FAIL_POINT(CACHE_PLACED);
    }
    return status;
}

static void unstage(restoring *r)
{
    for (uint32_t i = 0; i < r->want.count; i++) {
        char name[STAGE_NAME_SIZE];
        stage_name(r->tree, r->want.at[i].index, name);
        if (r->want.at[i].is_staged) (void)unlinkat(r->tree->stage_fd, name, 0);
    }
}

static rv_status put_back(restoring *r, rv_error *err)
{
    uint32_t done = 0;
    bool is_beyond = false; /* what was changed stays */
    rv_status status = stage_all(r, err);
    RV_FAIL_POINT(CACHE_STAGED);
    if (status == RV_OK) status = open_dirs(r, err);
    if (status == RV_OK) status = make_in_place(r, &done, err);
    if (status != RV_OK) take_back(r, done);
    else is_beyond = true, status = put_staged(r, err);
    rv_status closed = close_dirs(r, is_beyond, err);
    if (status != RV_OK) unstage(r);
    return status == RV_OK ? closed : status;
}

rv_status rv_tree_restore(rv_tree *tree, const rv_tree_file *files, uint32_t count, uint32_t *ret_written, rv_error *err)
{
    restoring r = {.tree = tree, .files = files, .count = count, .place = {.parent_fd = -1, .sound_mode = RV_NONE}, .stage_mode = RV_NONE};
    rv_status status = RV_OK;
    for (uint32_t i = 0; i < count && status == RV_OK; i++) {
        RV_ASSERT(!rv_tree_refusal(tree, &files[i]));
        status = look(&r, i, err);
    }
    if (status == RV_OK) status = put_back(&r, err);
    if (r.want.count) tree->generation++, tree->unrest++; /* what was seen there before is no more */
    if (status == RV_OK && ret_written) *ret_written = r.want.count;
    if (r.place.parent_fd >= 0) close(r.place.parent_fd);
    rv_vec_deinit(&r.want);
    rv_vec_deinit(&r.dirs);
    rv_vec_deinit(&r.made);
    rv_arena_deinit(&r.arena);
    return status;
}
