/* walk.c: what is beneath a directory. Directories wait in a list; one is open at a time; nothing recurses. */
#include "blob/tree_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>


typedef struct walk {
    rv_tree *tree;
    const rv_glob *glob; /* NULL: everything */
    rv_walk_dirs dirs_wanted;
    rv_arena *arena;
    rv_tree_files *files;
    RV_VEC(rv_str) dirs; /* from the root, NUL-terminated; "" is the root; grows while it is worked through */
} walk;

/* What no pattern reaches, at any depth, by whatever other name it is called. */
static bool is_left_out(const char *name) { return strcmp(name, ".git") == 0 || strcmp(name, ".reeve") == 0; }

static rv_tree_kind kind_of(int dir_fd, const struct dirent *entry)
{
    struct stat info;
    switch (entry->d_type) {
    case DT_REG: return RV_TREE_FILE;
    case DT_LNK: return RV_TREE_LINK;
    case DT_DIR: return RV_TREE_DIR;
    case DT_UNKNOWN: break;
    default: return RV_TREE_OTHER;
    }
    if (fstatat(dir_fd, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) return RV_TREE_ABSENT;
    if (S_ISREG(info.st_mode)) return RV_TREE_FILE;
    if (S_ISLNK(info.st_mode)) return RV_TREE_LINK;
    return S_ISDIR(info.st_mode) ? RV_TREE_DIR : RV_TREE_OTHER;
}

static rv_status add(walk *w, rv_str path, rv_tree_kind kind, rv_error *err)
{
    if (w->files->count >= RV_TREE_FILES_MAX)
        return rv_error_set(err, RV_LIMIT, "the patterns mean more than %u files; narrow them", RV_TREE_FILES_MAX);
    rv_vec_push(w->files, ((rv_tree_file){.path = path, .kind = kind}));
    return RV_OK;
}

static rv_status take_entry(walk *w, rv_str dir, int dir_fd, const struct dirent *entry, rv_error *err)
{
    rv_tree_kind kind = kind_of(dir_fd, entry);
    if (kind == RV_TREE_ABSENT) return RV_OK; /* gone since it was listed */
    size_t size = dir.size + (dir.size > 0) + strlen(entry->d_name);
    if (size > RV_TREE_PATH_MAX) return rv_error_set(err, RV_LIMIT, "%.*s/%s: its path is too long", RV_FMT(dir), entry->d_name);
    char *text = rv_arena_alloc(w->arena, size + 1);
    if (dir.size) memcpy(text, dir.at, dir.size), text[dir.size] = '/';
    memcpy(text + size - strlen(entry->d_name), entry->d_name, strlen(entry->d_name));
    rv_str path = {text, size};
    if (kind == RV_TREE_DIR) {
        bool enters = !is_left_out(entry->d_name) && (!w->glob || rv_glob_may_hold(w->glob, path));
        if (enters) rv_vec_push(&w->dirs, path);
        return RV_OK;
    }
    return !w->glob || rv_glob_match(w->glob, path) ? add(w, path, kind, err) : RV_OK;
}

static bool is_store(const rv_tree *tree, int fd)
{
    struct stat info;
    return fstat(fd, &info) == 0 && info.st_dev == tree->store_device && info.st_ino == tree->store_inode;
}

static rv_status walk_dir(walk *w, rv_str dir, bool is_first, rv_error *err)
{
    int fd = openat(w->tree->fd, dir.size ? dir.at : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC | (is_first ? 0 : O_NOFOLLOW));
    int error_number = errno;
    bool is_gone = fd < 0 && (error_number == ENOENT || error_number == ENOTDIR || error_number == ELOOP);
    if (is_gone) return RV_OK;
    if (fd >= 0 && is_store(w->tree, fd)) return close(fd), RV_OK;
    DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
    if (!stream) {
        if (fd >= 0) close(fd);
        return rv_error_set(err, RV_IO, "%.*s: cannot read this directory: %s", RV_FMT(dir), strerror(error_number));
    }
    rv_status status = RV_OK;
    uint32_t seen = 0;
    for (struct dirent *entry; status == RV_OK && (errno = 0, entry = readdir(stream));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        seen++;
        status = take_entry(w, dir, fd, entry, err);
    }
    if (status == RV_OK && errno != 0)
        status = rv_error_set(err, RV_IO, "%.*s: cannot read this directory: %s", RV_FMT(dir), strerror(errno));
    closedir(stream);
    bool is_wanted = w->dirs_wanted == RV_WALK_DIRS || (w->dirs_wanted == RV_WALK_EMPTY_DIRS && seen == 0);
    if (status == RV_OK && is_wanted && dir.size) status = add(w, dir, RV_TREE_DIR, err);
    return status;
}

rv_status rv_tree_walk(rv_tree *tree, rv_str dir, const rv_glob *glob, rv_walk_dirs dirs, rv_arena *arena, rv_tree_files *ret_add,
                       rv_error *err)
{
    walk w = {.tree = tree, .glob = glob, .dirs_wanted = dirs, .arena = arena, .files = ret_add};
    uint32_t before = ret_add->count;
    rv_status status = RV_OK;
    rv_vec_push(&w.dirs, ((rv_str){rv_arena_cstring(arena, dir), dir.size}));
    for (uint32_t i = 0; i < w.dirs.count && status == RV_OK; i++) status = walk_dir(&w, w.dirs.at[i], i == 0, err);
    if (status != RV_OK) ret_add->count = before;
    rv_vec_deinit(&w.dirs);
    return status;
}
