#include "engine/inner.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

/* Scratch directories, in which attempts take turns: TMP/sN with `output`, which an attempt may make, and `artifacts/`.
 *
 * Most attempts leave nothing there. To know that costs one system call: an inotify instance watches all of them, and a
 * read that finds no news says that nobody made, moved or removed anything. The kernel notes an event within the system
 * call that causes it, so what a process did that is dead has been noted. Where there is news, or no inotify (it is
 * limited for each user), the files themselves are looked at, and the directory is emptied before the next attempt. */

#define IN_PARENT (IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ONLYDIR | IN_DONT_FOLLOW)
#define IN_ARTIFACTS (IN_CREATE | IN_MOVED_TO | IN_ONLYDIR | IN_DONT_FOLLOW)

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *ftw)
{
    (void)info, (void)type, (void)ftw;
    return remove(path) == 0 || errno == ENOENT ? 0 : -1;
}

static void remove_tree(const char *path) { (void)nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS); }

void rv_tree_remove(const char *path) { remove_tree(path); }

/* What a directory holds: nothing, or `only` alone. */
static bool holds_only(int fd, const char *only)
{
    bool is_so = true;
    DIR *listing = fdopendir(fd);
    for (struct dirent *entry; listing && is_so && (entry = readdir(listing));)
        is_so = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 || (only && strcmp(entry->d_name, only) == 0);
    is_so = is_so && listing;
    if (listing) closedir(listing);
    else close(fd);
    return is_so;
}

static int open_own(int at, const char *name)
{
    struct stat info;
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || (fstat(fd, &info) == 0 && (info.st_mode & 07777) == 0700 && info.st_uid == geteuid())) return fd;
    close(fd);
    return -1;
}

/* As slot_dir_make makes one. To make and to remove directories is dear, to look into them is not: such a one is kept. */
static bool is_as_made(const char *path)
{
    int dir = open_own(AT_FDCWD, path), artifacts = dir < 0 ? -1 : open_own(dir, "artifacts");
    bool is_so = artifacts >= 0 && holds_only(artifacts, NULL); /* closes it */
    if (dir >= 0 && !holds_only(dir, "artifacts")) is_so = false;
    return is_so;
}

/* Remove what attempts left in scratch directories, with what git knows of worktrees in them. */
static void clean(const char *path_tmp)
{
    rv_buf path = {0};
    DIR *listing = opendir(path_tmp);
    for (struct dirent *entry; listing && (entry = readdir(listing));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        rv_buf_clear(&path);
        rv_buf_printf(&path, "%s/%s", path_tmp, entry->d_name);
        if (entry->d_name[0] == 's' && is_as_made(path.at)) continue;
        if (entry->d_name[0] == 's') rv_worktree_forget(path.at);
        remove_tree(path.at);
    }
    if (listing) closedir(listing);
    rv_buf_deinit(&path);
}

rv_status rv_slot_dirs_open(rv_engine *engine, rv_error *err)
{
    rv_buf path = {0};
    struct stat info;
    rv_buf_printf(&path, "%s/tmp", engine->config.root);
    engine->path_tmp = rv_cstring_dup(rv_buf_str(&path));
    rv_buf_deinit(&path);
    if (mkdir(engine->path_tmp, 0700) != 0 && (errno != EEXIST || lstat(engine->path_tmp, &info) != 0 || !S_ISDIR(info.st_mode)))
        return rv_error_set(err, RV_STORE_IO, "cannot make %s: %s; check the permissions of the store", engine->path_tmp, strerror(errno));
    clean(engine->path_tmp); /* after a dead engine: the owner lock is ours */
    engine->notify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    return RV_OK;
}

void rv_slot_dirs_free(rv_engine *engine)
{
    for (uint32_t i = 0; i < engine->dirs.count; i++) {
        rv_slot_dir *dir = engine->dirs.at[i];
        rv_free(dir->path), rv_free(dir->env_output), rv_free(dir->env_artifacts), rv_free(dir->env_steer);
        rv_free(dir);
    }
    rv_vec_deinit(&engine->dirs);
    if (engine->notify_fd >= 0) close(engine->notify_fd);
    if (engine->path_tmp) clean(engine->path_tmp);
}

/* ---- news ---- */

/* -1: nobody watches it, so that it has to be looked at. */
static int watch(const rv_engine *engine, const char *path, uint32_t events)
{
    return engine->notify_fd < 0 ? -1 : inotify_add_watch(engine->notify_fd, path, events);
}

static void note(rv_engine *engine, const struct inotify_event *event)
{
    for (uint32_t i = 0; i < engine->dirs.count; i++) {
        rv_slot_dir *dir = engine->dirs.at[i];
        if ((event->mask & IN_Q_OVERFLOW) || event->wd == dir->watches[0] || event->wd == dir->watches[1]) dir->is_touched = true;
    }
}

static void take_news(rv_engine *engine)
{
    _Alignas(struct inotify_event) char bytes[4096];
    ssize_t size;
    while (engine->notify_fd >= 0 && (size = read(engine->notify_fd, bytes, sizeof bytes)) > 0)
        for (ssize_t at = 0; at < size;) {
            const struct inotify_event *event = (const struct inotify_event *)(const void *)(bytes + at);
            note(engine, event);
            at += (ssize_t)sizeof *event + event->len;
        }
}

bool rv_slot_dir_look(rv_slot_dir *dir)
{
    take_news(dir->engine);
    dir->is_looked_at = true;
    return dir->is_touched || dir->watches[0] < 0 || dir->watches[1] < 0;
}

/* ---- making and emptying ---- */

static bool reset_artifacts(rv_slot_dir *dir)
{
    if (mkdir(dir->artifacts, 0700) != 0 && errno != EEXIST) return false;
    dir->watches[1] = watch(dir->engine, dir->artifacts, IN_ARTIFACTS);
    return true;
}

static char *entry_of(const char *name, const char *base, const char *file)
{
    rv_buf entry = {0};
    rv_buf_printf(&entry, "%s%s/%s", name, base, file);
    char *copy = rv_cstring_dup(rv_buf_str(&entry));
    rv_buf_deinit(&entry);
    return copy;
}

static bool is_full(int error_number) { return error_number == ENOSPC || error_number == EDQUOT || error_number == EFBIG; }

static rv_slot_dir *slot_dir_make(rv_engine *engine, rv_error *err)
{
    static const char output_is[] = "REEVE_OUTPUT=", artifacts_is[] = "REEVE_ARTIFACTS=";
    char name[16];
    snprintf(name, sizeof name, "s%u", engine->dirs.count);
    rv_slot_dir *dir = rv_alloc(sizeof *dir);
    dir->engine = engine;
    dir->path = entry_of("", engine->path_tmp, name);
    dir->env_output = entry_of(output_is, dir->path, "output");
    dir->env_artifacts = entry_of(artifacts_is, dir->path, "artifacts");
    dir->env_steer = entry_of(RV_STEER_IS, dir->path, "steer");
    dir->output = dir->env_output + sizeof output_is - 1;
    dir->artifacts = dir->env_artifacts + sizeof artifacts_is - 1;
    rv_vec_push(&engine->dirs, dir);
    bool is_there = mkdir(dir->path, 0700) == 0 || (errno == EEXIST && is_as_made(dir->path));
    if (is_there && reset_artifacts(dir)) {
        dir->watches[0] = watch(engine, dir->path, IN_PARENT); /* after artifacts/ was made in it */
        return dir;
    }
    rv_error_set(err, is_full(errno) ? RV_STORE_FULL : RV_UNAVAILABLE, "cannot make %s: %s", dir->path, strerror(errno));
    dir->is_busy = true; /* never handed out */
    return NULL;
}

rv_slot_dir *rv_slot_dir_take(rv_engine *engine, rv_error *err)
{
    for (uint32_t i = 0; i < engine->dirs.count; i++) {
        if (engine->dirs.at[i]->is_busy) continue;
        engine->dirs.at[i]->is_busy = true;
        return engine->dirs.at[i];
    }
    rv_slot_dir *dir = slot_dir_make(engine, err);
    if (dir) dir->is_busy = true;
    return dir;
}

/* Both are made anew whatever is there now, and what that gives rise to is no news. */
static bool empty(rv_slot_dir *dir)
{
    struct stat info;
    rv_buf work = {0};
    if (lstat(dir->output, &info) == 0) remove_tree(dir->output);
    rv_buf_printf(&work, "%s/work", dir->path); /* of an isolated command */
    if (lstat(work.at, &info) == 0) remove_tree(work.at);
    rv_buf_clear(&work);
    rv_buf_printf(&work, "%s/worktree", dir->path); /* of one that was stopped */
    if (lstat(work.at, &info) == 0) rv_worktree_forget(dir->path), remove_tree(work.at);
    rv_buf_cstring(&work, ".failed");
    (void)unlink(work.at);
    rv_buf_deinit(&work);
    (void)unlink(dir->env_steer + sizeof RV_STEER_IS - 1);
    remove_tree(dir->artifacts);
    if (!reset_artifacts(dir)) return false;
    take_news(dir->engine);
    dir->is_touched = false;
    return true;
}

void rv_slot_dir_give(rv_slot_dir *dir)
{
    bool is_touched = dir->is_looked_at ? dir->is_touched || dir->watches[0] < 0 || dir->watches[1] < 0 : rv_slot_dir_look(dir);
    if (is_touched && !empty(dir)) return; /* stays busy: never handed out again */
    dir->is_busy = dir->is_looked_at = false;
}
