/* tree.c: a workspace's files: opened, named by patterns, looked at, kept. */
#include "blob/tree_private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>


/* ---- opening ---- */

/* Where `store` is from `root`; both are real paths. */
static rv_str beneath(rv_str root, rv_str store)
{
    if (root.size == 1) return rv_str_from(store, 1);
    bool is_beneath = rv_str_starts(store, root) && store.size > root.size && store.at[root.size] == '/';
    return is_beneath ? rv_str_from(store, root.size + 1) : (rv_str){NULL, 0};
}

rv_status rv_tree_open(const char *dir, const char *store, rv_blobs *blobs, rv_stamps *stamps, rv_tree **ret, rv_error *err)
{
    char root[PATH_MAX], real_store[PATH_MAX];
    struct stat info;
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || !realpath(dir, root)) {
        rv_status status = rv_error_set(err, RV_IO, "%s: cannot be read: %s", dir, strerror(errno));
        if (fd >= 0) close(fd);
        return status;
    }
    rv_tree *tree = rv_alloc(sizeof *tree);
    *tree = (rv_tree){.fd = fd, .stage_fd = -1, .blobs = blobs, .stamps = stamps, .seed = rv_hash64(rv_str_of(root), 1)};
    rv_random_bytes(&tree->stage_number, sizeof tree->stage_number);
    tree->store = rv_cstring_dup(rv_str_of(store));
    tree->buffer = rv_realloc(NULL, RV_TREE_BUFFER_SIZE); /* not touched before it is used */
    if (realpath(store, real_store)) {
        rv_str path = beneath(rv_str_of(root), rv_str_of(real_store));
        tree->store_path = (rv_str){rv_cstring_dup(path), path.size};
        if (stat(real_store, &info) == 0) tree->store_device = info.st_dev, tree->store_inode = info.st_ino;
    }
    *ret = tree;
    return RV_OK;
}

void rv_tree_close(rv_tree *tree)
{
    if (!tree) return;
    close(tree->fd);
    if (tree->stage_fd >= 0) close(tree->stage_fd);
    rv_free(tree->store);
    rv_free((char *)(uintptr_t)tree->store_path.at);
    rv_free(tree->buffer);
    rv_vec_deinit(&tree->assumed);
    rv_map_deinit(&tree->by_assumed);
    rv_map_deinit(&tree->assumed_dirs);
    rv_arena_deinit(&tree->assumed_arena);
    rv_free(tree->glances);
    rv_free(tree);
}

/* ---- looking ---- */

static rv_status changes(const rv_tree_file *file, rv_error *err)
{
    return rv_error_set(err, RV_IO, "%s changes while it is read", file->path.at);
}

static rv_status unreadable(const rv_tree_file *file, rv_error *err)
{
    int error_number = errno;
    rv_status status = error_number == ELOOP || error_number == EXDEV || error_number == EACCES ? RV_DENIED : RV_IO;
    const char *text = error_number == ELOOP ? "a link is in its way" : strerror(error_number);
    return rv_error_set(err, status, "%s cannot be read: %s", file->path.at, text);
}

/* The digest of an open file that was of this stamp. Small ones in one read; of those that say they are empty all that comes (/proc). */
static rv_status digest_of(rv_tree *tree, int fd, const struct stat *before, const rv_tree_file *file, rv_digest *ret, rv_error *err)
{
    struct stat after;
    uint64_t size = 0;
    bool is_small = before->st_size > 0 && before->st_size < (off_t)RV_TREE_BUFFER_SIZE;
    ssize_t count = rv_file_read(fd, tree->buffer, is_small ? (size_t)before->st_size : RV_TREE_BUFFER_SIZE, RV_FILE_APPEND);
    rv_digest digest;
    if (count >= 0 && count < (ssize_t)RV_TREE_BUFFER_SIZE) {
        size = (uint64_t)count;
        digest = rv_sha256((rv_str){tree->buffer, size});
    } else {
        rv_sha256_stream *hash = rv_sha256_new();
        for (; count > 0; count = rv_file_read(fd, tree->buffer, RV_TREE_BUFFER_SIZE, RV_FILE_APPEND)) {
            size += (uint64_t)count;
            rv_sha256_add(hash, (rv_str){tree->buffer, (size_t)count});
        }
        digest = rv_sha256_end_take(hash);
    }
    if (count < 0 || fstat(fd, &after) != 0) return unreadable(file, err);
    if (!rv_stamp_same(before, &after) || size != (uint64_t)after.st_size) return changes(file, err);
    *ret = digest;
    return RV_OK;
}

/* The digest of a regular file of this stamp. */
static rv_status file_digest(rv_tree *tree, const rv_tree_file *file, const struct stat *info, bool follows, rv_digest *ret, rv_error *err)
{
    uint64_t name = rv_stamp_name(tree->seed, file->path);
    if (rv_stamps_find(tree->stamps, name, info, ret)) return RV_OK;
    int64_t read_ns = rv_stamp_clock();
    RV_AUTO_CLOSE int fd = openat(tree->fd, file->path.at, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | (follows ? 0 : O_NOFOLLOW));
    if (fd < 0) return unreadable(file, err);
    rv_status status = digest_of(tree, fd, info, file, ret, err);
    if (status == RV_OK) rv_stamps_note(tree->stamps, name, info, read_ns, *ret);
    return status;
}

static rv_digest link_digest(rv_str link, char what, uint32_t mode, rv_digest content)
{
    rv_buf all = {0};
    rv_buf_str_add(&all, link);
    rv_buf_byte(&all, 0);
    rv_buf_byte(&all, what);
    rv_buf_byte(&all, (char)(mode & 0xff));
    rv_buf_byte(&all, (char)(mode >> 8 & 0xf)); /* of a file that it leads to: who runs it through the link needs the bits */
    rv_buf_add(&all, content.bytes, sizeof content.bytes);
    rv_digest digest = rv_sha256(rv_buf_str(&all));
    rv_buf_deinit(&all);
    return digest;
}

/* A link: where it leads and, where that is a file, what is in it, since that is what who reads through it sees. */
static rv_status look_at_link(rv_tree *tree, rv_arena *arena, rv_tree_file *file, rv_error *err)
{
    char text[PATH_MAX];
    struct stat behind;
    rv_digest content = {{0}};
    ssize_t size = readlinkat(tree->fd, file->path.at, text, sizeof text);
    if (size < 0 || size == (ssize_t)sizeof text) return changes(file, err);
    bool is_there = fstatat(tree->fd, file->path.at, &behind, 0) == 0;
    char what = !is_there ? '-' : S_ISREG(behind.st_mode) ? 'f' : S_ISDIR(behind.st_mode) ? 'd' : 'o';
    rv_status status = what == 'f' ? file_digest(tree, file, &behind, true, &content, err) : RV_OK;
    if (status != RV_OK) return status;
    file->link = (rv_str){rv_arena_cstring(arena, (rv_str){text, (size_t)size}), (size_t)size};
    file->digest = link_digest(file->link, what, what == 'f' ? behind.st_mode & 07777 : 0, content);
    return RV_OK;
}

/* Set what a stamp tells. */
static void classify(rv_tree_file *file, const struct stat *info)
{
    rv_tree_kind kind = S_ISREG(info->st_mode) ? RV_TREE_FILE : S_ISLNK(info->st_mode) ? RV_TREE_LINK
                        : S_ISDIR(info->st_mode) ? RV_TREE_DIR : RV_TREE_OTHER;
    bool has_mode = kind == RV_TREE_FILE || kind == RV_TREE_DIR;
    *file = (rv_tree_file){.path = file->path, .kind = kind, .mode = has_mode ? info->st_mode & 07777 : 0,
                           .size = kind == RV_TREE_FILE ? (uint64_t)info->st_size : 0};
}

/* false: nothing has this name; then *file says so. */
static rv_status stamp_of(rv_tree *tree, rv_tree_file *file, struct stat *ret, rv_error *err)
{
    if (fstatat(tree->fd, file->path.at, ret, AT_SYMLINK_NOFOLLOW) == 0) {
        classify(file, ret);
        return RV_OK;
    }
    if (errno != ENOENT && errno != ENOTDIR && errno != ENAMETOOLONG) return unreadable(file, err);
    *file = (rv_tree_file){.path = file->path, .kind = RV_TREE_ABSENT};
    return RV_OK;
}

void rv_tree_assume(rv_tree *tree, const rv_tree_file *file)
{
    rv_tree_file copy = *file;
    copy.path = (rv_str){rv_arena_cstring(&tree->assumed_arena, file->path), file->path.size};
    copy.link = (rv_str){rv_arena_cstring(&tree->assumed_arena, file->link), file->link.size};
    uint32_t known = rv_map_add(&tree->by_assumed, copy.path, tree->assumed.count);
    if (known == RV_NONE) rv_vec_push(&tree->assumed, copy);
    else tree->assumed.at[known] = copy;
    size_t parent_size = copy.path.size;
    while (parent_size > 0 && copy.path.at[parent_size - 1] != '/') parent_size--;
    if (parent_size) (void)rv_map_add(&tree->assumed_dirs, rv_str_cut(copy.path, 0, parent_size - 1), 0);
}

static const rv_tree_file *assumed(const rv_tree *tree, rv_str path)
{
    uint32_t index = tree->assumed.count ? rv_map_get(&tree->by_assumed, path) : RV_NONE;
    return index == RV_NONE ? NULL : &tree->assumed.at[index];
}

static bool is_assumed_dir(const rv_tree *tree, rv_str path)
{
    for (uint32_t i = 0; i < tree->assumed.count; i++) {
        rv_str file = tree->assumed.at[i].path;
        bool is_itself = tree->assumed.at[i].kind == RV_TREE_DIR && rv_str_eq(file, path);
        if (is_itself || (rv_str_starts(file, path) && file.size > path.size && file.at[path.size] == '/')) return true;
    }
    return false;
}

/* Where a link leads from the root, by its text; size 0: out of it, or to it. In the arena. */
static rv_str target_of(rv_arena *arena, rv_str path, rv_str link)
{
    char *text = rv_arena_alloc(arena, path.size + link.size + 2);
    size_t size = path.size;
    while (size > 0 && path.at[size - 1] != '/') size--;
    if (size) memcpy(text, path.at, --size);
    for (size_t at = 0; at <= link.size;) {
        size_t end = RV_MIN(rv_str_find(link, at, '/'), link.size);
        rv_str name = rv_str_cut(link, at, end - at);
        at = end + 1;
        if (name.size == 0 || rv_str_is(name, ".")) continue;
        if (rv_str_is(name, "..")) {
            while (size > 0 && text[size - 1] != '/') size--;
            size -= size > 0;
            continue;
        }
        if (size) text[size++] = '/';
        memcpy(text + size, name.at, name.size);
        size += name.size;
    }
    text[size] = 0;
    return (rv_str){text, size};
}

/* An assumed link: what is behind it is assumed too, or on the disk. */
static rv_status look_behind(rv_tree *tree, rv_arena *arena, rv_tree_file *file, rv_error *err)
{
    rv_digest content = {{0}};
    struct stat info;
    char what = '-';
    const rv_tree_file *behind = file;
    rv_str target = {NULL, 0};
    for (int steps = 0; behind && behind->kind == RV_TREE_LINK && steps < 8; steps++) {
        target = target_of(arena, behind->path, behind->link);
        behind = assumed(tree, target);
    }
    if (behind && behind->kind == RV_TREE_FILE) what = 'f', content = behind->digest;
    else if (is_assumed_dir(tree, target)) what = 'd';
    else if (!behind && target.size && fstatat(tree->fd, target.at, &info, 0) == 0)
        what = S_ISREG(info.st_mode) ? 'f' : S_ISDIR(info.st_mode) ? 'd' : 'o';
    rv_tree_file there = {.path = target};
    bool is_read = what == 'f' && !behind;
    rv_status status = is_read ? file_digest(tree, &there, &info, true, &content, err) : RV_OK;
    uint32_t mode = what != 'f' ? 0 : behind ? behind->mode : info.st_mode & 07777;
    if (status == RV_OK) file->digest = link_digest(file->link, what, mode, content);
    return status;
}

void rv_tree_moment(rv_tree *tree, uint64_t moment, uint64_t unrest)
{
    if (moment == tree->moment && unrest == tree->told_unrest) return;
    if (unrest != tree->told_unrest) tree->unrest++;
    tree->moment = moment, tree->told_unrest = unrest;
    tree->generation++;
}

uint64_t rv_tree_now(const rv_tree *tree) { return tree->moment; }
uint64_t rv_tree_unrest(const rv_tree *tree) { return tree->unrest; }

uint64_t rv_tree_generation(const rv_tree *tree) { return tree->generation; }

bool rv_tree_mark_of(rv_tree *tree, rv_str path, uint32_t mode, const rv_digest *digest, rv_mark *ret)
{
    struct stat info;
    rv_digest known;
    if (fstatat(tree->fd, path.at, &info, AT_SYMLINK_NOFOLLOW) != 0) return false;
    if (!S_ISREG(info.st_mode) || (info.st_mode & 07777) != mode) return false;
    if (!rv_stamps_find(tree->stamps, rv_stamp_name(tree->seed, path), &info, &known)) return false;
    rv_stamp_mark(&info, ret);
    return memcmp(known.bytes, digest->bytes, sizeof known.bytes) == 0;
}

int rv_tree_fd(const rv_tree *tree) { return tree->fd; }

bool rv_tree_has_mark(int fd, const char *path, const rv_mark *mark)
{
    struct stat info;
    rv_mark now;
    if (fstatat(fd, path, &info, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(info.st_mode)) return false;
    rv_stamp_mark(&info, &now);
    return memcmp(&now, mark, sizeof now) == 0;
}

static bool recall(const rv_tree *tree, uint64_t name, rv_tree_file *file)
{
    const rv_glance *seen = tree->moment && tree->glances ? &tree->glances[name % RV_GLANCES] : NULL;
    if (!seen || seen->name != name || seen->generation != tree->generation) return false;
    *file = (rv_tree_file){.path = file->path, .kind = RV_TREE_FILE, .mode = seen->mode, .size = seen->size, .digest = seen->digest};
    return true;
}

static void remember(rv_tree *tree, uint64_t name, const rv_tree_file *file)
{
    if (tree->moment == 0) return;
    if (!tree->glances) tree->glances = rv_alloc(sizeof *tree->glances * RV_GLANCES);
    tree->glances[name % RV_GLANCES] = (rv_glance){name, tree->generation, file->size, file->mode, file->digest};
}

rv_status rv_tree_look(rv_tree *tree, rv_arena *arena, rv_tree_file *file, rv_error *err)
{
    struct stat info;
    const rv_tree_file *given = assumed(tree, file->path);
    if (given) {
        rv_str path = file->path;
        *file = *given;
        file->path = path;
        return file->kind == RV_TREE_LINK ? look_behind(tree, arena, file, err) : RV_OK;
    }
    uint64_t name = tree->moment ? rv_stamp_name(tree->seed, file->path) : 0;
    if (recall(tree, name, file)) return RV_OK;
    rv_status status = stamp_of(tree, file, &info, err);
    if (status != RV_OK) return status;
    if (file->kind == RV_TREE_FILE) {
        status = file_digest(tree, file, &info, false, &file->digest, err);
        if (status == RV_OK) remember(tree, name, file);
        return status;
    }
    return file->kind == RV_TREE_LINK ? look_at_link(tree, arena, file, err) : RV_OK;
}

/* ---- keeping ---- */

/* Small: in one read, then one write. */
static rv_status keep_small(rv_tree *tree, rv_tree_file *file, const struct stat *info, rv_error *err)
{
    struct stat after;
    RV_AUTO_CLOSE int fd = rv_file_open_beneath(tree->fd, file->path.at, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    ssize_t count = fd >= 0 ? rv_file_read(fd, tree->buffer, file->size ? file->size : RV_TREE_BUFFER_SIZE, RV_FILE_APPEND) : -1;
    if (count < 0 || fstat(fd, &after) != 0) return unreadable(file, err);
    if (!rv_stamp_same(info, &after) || (uint64_t)count != file->size) return changes(file, err);
    return rv_blob_put(tree->blobs, (rv_str){tree->buffer, (size_t)count}, &file->digest, err);
}

static rv_status keep_large(rv_tree *tree, rv_tree_file *file, const struct stat *info, rv_error *err)
{
    struct stat after;
    uint64_t size = 0;
    rv_status status = rv_blob_put_file(tree->blobs, tree->fd, file->path.at, false, &file->digest, &size, err);
    if (status != RV_OK) return status;
    bool is_same = fstatat(tree->fd, file->path.at, &after, AT_SYMLINK_NOFOLLOW) == 0 && rv_stamp_same(info, &after);
    return is_same && size == file->size ? RV_OK : changes(file, err);
}

static rv_status keep(rv_tree *tree, rv_arena *arena, rv_tree_file *file, rv_error *err)
{
    struct stat info;
    rv_status status = stamp_of(tree, file, &info, err);
    if (status != RV_OK) return status;
    if (file->kind == RV_TREE_LINK) return look_at_link(tree, arena, file, err);
    if (file->kind == RV_TREE_DIR) file->mode &= 0777; /* setgid is inherited from where it is made */
    if (file->kind != RV_TREE_FILE) return RV_OK;
    uint64_t name = rv_stamp_name(tree->seed, file->path);
    bool is_kept = rv_stamps_find(tree->stamps, name, &info, &file->digest) && rv_blob_has(tree->blobs, file->digest, file->size);
    if (is_kept) return RV_OK;
    int64_t read_ns = rv_stamp_clock();
    status = file->size < RV_TREE_BUFFER_SIZE ? keep_small(tree, file, &info, err) : keep_large(tree, file, &info, err);
    if (status == RV_OK) rv_stamps_note(tree->stamps, name, &info, read_ns, file->digest);
    return status;
}

/* ---- patterns ---- */

/* A path that means itself: no character of patterns, no `.` or empty name. */
static bool is_plain(rv_str pattern)
{
    bool begins = true; /* a name */
    for (size_t i = 0; i < pattern.size; i++) {
        char c = pattern.at[i];
        bool is_special = c == '*' || c == '?' || c == '[' || c == '{' || c == '}' || c == '\\' || c == '!' || c == 0;
        if (is_special || (begins && (c == '/' || c == '.'))) return false;
        begins = c == '/';
    }
    return !begins;
}

static const rv_glob *compile(rv_str pattern, rv_arena *arena, rv_error *err)
{
    const rv_glob *glob = NULL;
    rv_glob_problem problem = {0};
    if (rv_glob_compile(pattern, RV_STR(""), arena, &glob, &problem) == RV_OK) return glob;
    rv_error_set(err, RV_INVALID, "%.*s: %s at character %zu", RV_FMT(pattern), problem.what, problem.at + 1);
    return NULL;
}

rv_str rv_tree_literal(rv_str pattern, rv_arena *arena)
{
    if (is_plain(pattern)) return pattern;
    const rv_glob *glob = compile(pattern, arena, NULL);
    return glob ? rv_glob_literal(glob) : (rv_str){NULL, 0};
}

/* What one take has gathered: the first `looked` … are looked at already, where flags say so. */
typedef struct taking {
    rv_tree *tree;
    rv_arena *arena;
    bool keeps;
    rv_tree_files found;
} taking;

/* What is assumed beneath a directory, or of it what a pattern matches. */
static void take_assumed(taking *t, rv_str dir, const rv_glob *glob)
{
    for (uint32_t i = 0; i < t->tree->assumed.count; i++) {
        const rv_tree_file *file = &t->tree->assumed.at[i];
        bool is_itself = file->kind == RV_TREE_DIR && rv_str_eq(file->path, dir);
        bool is_beneath = is_itself || (rv_str_starts(file->path, dir) && file->path.size > dir.size && file->path.at[dir.size] == '/');
        bool is_listed = file->kind != RV_TREE_DIR || (!glob && rv_map_get(&t->tree->assumed_dirs, file->path) == RV_NONE);
        if (is_listed && (glob ? rv_glob_match(glob, file->path) : is_beneath))
            rv_vec_push(&t->found, ((rv_tree_file){.path = file->path, .kind = file->kind}));
    }
}

static rv_status take_file(taking *t, rv_tree_file *file, rv_error *err)
{
    return t->keeps ? keep(t->tree, t->arena, file, err) : rv_tree_look(t->tree, t->arena, file, err);
}

/* Not of links that are assumed: what is behind them is not there yet. */
static bool leads_to_dir(const rv_tree *tree, rv_str path)
{
    struct stat info;
    return !assumed(tree, path) && fstatat(tree->fd, path.at, &info, 0) == 0 && S_ISDIR(info.st_mode);
}

static rv_status take_literal(taking *t, rv_str path, rv_error *err)
{
    rv_tree_file file = {.path = {rv_arena_cstring(t->arena, path), path.size}};
    rv_status status = take_file(t, &file, err);
    uint32_t before = t->found.count;
    if (status == RV_OK) take_assumed(t, path, NULL);
    bool is_dir = file.kind == RV_TREE_DIR || t->found.count > before;
    bool enters_link = status == RV_OK && file.kind == RV_TREE_LINK && !t->keeps && leads_to_dir(t->tree, file.path);
    if (enters_link) rv_vec_push(&t->found, file);
    is_dir |= enters_link;
    rv_walk_dirs dirs = t->keeps ? RV_WALK_DIRS : RV_WALK_EMPTY_DIRS;
    if (status == RV_OK && is_dir) return rv_tree_walk(t->tree, file.path, NULL, dirs, t->arena, &t->found, err);
    if (status == RV_OK) rv_vec_push(&t->found, file);
    return status;
}

static rv_status take_pattern(taking *t, rv_str pattern, rv_error *err)
{
    if (is_plain(pattern)) return take_literal(t, pattern, err);
    const rv_glob *glob = compile(pattern, t->arena, err);
    if (!glob) return RV_INVALID;
    rv_str literal = rv_glob_literal(glob);
    if (literal.size) return take_literal(t, literal, err);
    take_assumed(t, RV_STR(""), glob);
    return rv_tree_walk(t->tree, rv_glob_prefix(glob), glob, RV_WALK_NO_DIRS, t->arena, &t->found, err);
}

static int by_path(const void *a, const void *b) { return rv_str_cmp(((const rv_tree_file *)a)->path, ((const rv_tree_file *)b)->path); }

/* A digest of zeros is one that was not looked at; what has none is looked at again for nothing. */
static bool is_looked_at(const rv_tree_file *file)
{
    static const rv_digest none;
    return memcmp(file->digest.bytes, none.bytes, sizeof none.bytes) != 0;
}

rv_status rv_tree_take(rv_tree *tree, const rv_str *patterns, uint32_t count, bool keeps, rv_arena *arena, rv_tree_files *ret_add,
                       rv_error *err)
{
    taking t = {.tree = tree, .arena = arena, .keeps = keeps};
    rv_status status = RV_OK;
    for (uint32_t i = 0; i < count && status == RV_OK; i++) status = take_pattern(&t, patterns[i], err);
    if (status == RV_OK && t.found.count > 1) qsort(t.found.at, t.found.count, sizeof t.found.at[0], by_path);
    uint32_t before = ret_add->count;
    for (uint32_t i = 0; i < t.found.count && status == RV_OK; i++) {
        rv_tree_file *file = &t.found.at[i];
        bool is_repeated = ret_add->count > before && rv_str_eq(ret_add->at[ret_add->count - 1].path, file->path);
        if (is_repeated) continue;
        if (!is_looked_at(file)) status = take_file(&t, file, err);
        if (status == RV_OK) rv_vec_push(ret_add, *file);
    }
    if (status != RV_OK) ret_add->count = before;
    rv_vec_deinit(&t.found);
    return status;
}
