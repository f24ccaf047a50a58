#include "lib/owner.h"

#include "base/util.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* The lock is a flock on an open file description that engine and keeper share: it is free when both are gone. */

#define OWNER_SIZE_MAX (64u << 10) /* bytes of owner.lock that are looked at */

static rv_status make_dir(const char *path, rv_error *err)
{
    struct stat info;
    if (mkdir(path, 0700) == 0) return RV_OK;
    if (errno == EEXIST && stat(path, &info) == 0 && S_ISDIR(info.st_mode)) return RV_OK;
    return rv_error_set(err, RV_STORE_IO, "cannot make the store %s: %s; choose another with --store or $REEVE_STORE", path,
                        strerror(errno == EEXIST ? ENOTDIR : errno));
}

rv_status rv_store_make(const char *store_dir, rv_error *err)
{
    static const char *const folders[] = {"", "/logs", "/blobs", "/artifacts", "/compiled"};
    rv_status status = RV_OK;
    rv_buf path = {0};
    for (size_t i = 0; i < RV_COUNT(folders) && status == RV_OK; i++) {
        rv_buf_clear(&path);
        rv_buf_printf(&path, "%s%s", store_dir, folders[i]);
        status = make_dir(path.at, err);
    }
    rv_buf_clear(&path);
    rv_buf_printf(&path, "%s/.gitignore", store_dir); /* a store beside a workflow is nothing to commit */
    int fd = status == RV_OK ? open(path.at, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600) : -1;
    if (fd >= 0) {
        if (write(fd, "*\n", 2) != 2) (void)unlink(path.at);
        close(fd);
    }
    rv_buf_deinit(&path);
    return status;
}

static bool has_entries(const char *path)
{
    DIR *dir = opendir(path);
    bool found = false;
    for (const struct dirent *entry; dir && !found && (entry = readdir(dir));) found = entry->d_name[0] != '.';
    if (dir) closedir(dir);
    return found;
}

rv_status rv_store_check_whole(const char *store_dir, rv_error *err)
{
    struct stat info;
    rv_buf path = {0}, logs = {0}, key = {0};
    rv_buf_printf(&path, "%s/reeve.db", store_dir);
    rv_buf_printf(&logs, "%s/logs", store_dir);
    rv_buf_printf(&key, "%s/key", store_dir);
    bool is_empty = stat(path.at, &info) == 0 && info.st_size == 0;
    bool was_used = is_empty && (has_entries(logs.at) || access(key.at, F_OK) == 0);
    rv_status status = !was_used ? RV_OK
                                 : rv_error_set(err, RV_STORE_IO,
                                                "%s is empty (0 bytes), but the store beside it was used: the record of its runs is lost; "
                                                "bring the file back from a copy, or remove it to begin anew without those runs",
                                                path.at);
    rv_buf_deinit(&path);
    rv_buf_deinit(&logs);
    rv_buf_deinit(&key);
    return status;
}

static void sleep_ms(int ms) { (void)poll(NULL, 0, ms); }

static int64_t mono_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Gone is one whose main thread has ended, too: another one can take its time in a system call, a sync for one, and holds
 * the lock and the socket until then. */
bool rv_owner_is_dying(const rv_owner *owner)
{
    char path[64], text[256];
    if (owner->pid <= 0) return false;
    snprintf(path, sizeof path, "/proc/%lld/stat", (long long)owner->pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd >= 0 ? read(fd, text, sizeof text - 1) : 0;
    if (fd >= 0) close(fd);
    if (size <= 0) return kill((pid_t)owner->pid, 0) != 0 && errno == ESRCH;
    text[size] = 0;
    const char *name_end = strrchr(text, ')'); /* proc(5): pid (name) state ppid … */
    if (!name_end || name_end[1] != ' ' || !name_end[2]) return false;
    bool is_orphan = owner->keeper > 0 && strtoll(name_end + 3, NULL, 10) != owner->keeper;
    return name_end[2] == 'Z' || name_end[2] == 'X' || is_orphan;
}

rv_status rv_owner_lock(const char *store_dir, int64_t wait_ms, bool reads_only, int *ret_fd, rv_owner *ret_owner, rv_error *err)
{
    rv_buf path = {0};
    int64_t until_ms = mono_ms() + wait_ms;
    rv_buf_printf(&path, "%s/owner.lock", store_dir);
    int fd = open(path.at, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    bool is_to_be_read = fd < 0 && reads_only && (errno == EROFS || errno == EACCES || errno == EPERM);
    if (is_to_be_read) fd = open(path.at, O_RDONLY | O_CLOEXEC); /* where nobody may write nobody owns it but who could */
    if (fd < 0) {
        rv_error_set(err, RV_STORE_IO, "cannot open %s: %s; check the permissions of the store", path.at, strerror(errno));
        rv_buf_deinit(&path);
        return RV_STORE_IO;
    }
    rv_buf_deinit(&path);
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        bool is_known = rv_owner_read(store_dir, ret_owner, NULL) == RV_OK;
        if (errno != EWOULDBLOCK && !is_known) {
            close(fd);
            return rv_error_set(err, RV_STORE_IO, "cannot lock the store %s: %s", store_dir, strerror(errno));
        }
        if ((is_known && !rv_owner_is_dying(ret_owner) && mono_ms() + wait_ms > until_ms + 200) || mono_ms() > until_ms) {
            rv_buf since = {0};
            rv_time_write(&since, ret_owner->since_ms);
            rv_error_set(
                err, RV_CONFLICT,
                "the store %s is owned by process %lld (%s) since %s; wait for it, stop it, or choose another store with --store",
                store_dir, (long long)ret_owner->pid, ret_owner->command, since.at);
            rv_buf_deinit(&since);
            close(fd);
            return RV_CONFLICT;
        }
        sleep_ms(10);
    }
    *ret_fd = fd;
    return RV_OK;
}

rv_status rv_owner_write(int fd, const rv_owner *owner, rv_error *err)
{
    rv_buf text = {0};
    rv_json_writer w;
    rv_json_writer_init(&w, &text, 0);
    rv_jw_object(&w);
    rv_jw_kv_i64(&w, "v", 1);
    rv_jw_kv_i64(&w, "pid", owner->pid);
    rv_jw_kv_i64(&w, "keeper", owner->keeper);
    rv_jw_kv_i64(&w, "since_ms", owner->since_ms);
    rv_jw_kv_cstring(&w, "boot_id", owner->boot_id);
    rv_jw_kv_cstring(&w, "command", owner->command);
    rv_jw_kv_cstring(&w, "socket", owner->socket);
    if (owner->cgroup[0]) rv_jw_kv_cstring(&w, "cgroup", owner->cgroup);
    rv_jw_object_end(&w);
    rv_buf_byte(&text, '\n');
    bool is_good = ftruncate(fd, 0) == 0 && pwrite(fd, text.at, text.size, 0) == (ssize_t)text.size;
    rv_buf_deinit(&text);
    return is_good ? RV_OK
                   : rv_error_set(err, errno == ENOSPC ? RV_STORE_FULL : RV_STORE_IO,
                                  "cannot write owner.lock: %s; make room or choose another store", strerror(errno));
}

static void take_text(const rv_json *tree, const char *key, char *ret, size_t size)
{
    const rv_json *value = rv_json_get(tree, rv_str_of(key));
    if (value && value->kind == RV_JSON_STRING) snprintf(ret, size, "%.*s", RV_FMT(value->text));
}

static rv_status take_owner(rv_str text, rv_owner *ret)
{
    rv_owner owner = {0};
    rv_arena arena = {0};
    rv_json *tree = NULL;
    rv_status status = rv_json_parse(&arena, text, &tree, NULL);
    if (status == RV_OK) {
        const rv_json *pid = rv_json_get(tree, RV_STR("pid")), *since = rv_json_get(tree, RV_STR("since_ms"));
        if (!pid || !rv_json_i64(pid, &owner.pid) || !since || !rv_json_i64(since, &owner.since_ms)) status = RV_CORRUPT;
        const rv_json *keeper = rv_json_get(tree, RV_STR("keeper"));
        if (keeper && !rv_json_i64(keeper, &owner.keeper)) status = RV_CORRUPT;
        take_text(tree, "boot_id", owner.boot_id, sizeof owner.boot_id);
        take_text(tree, "command", owner.command, sizeof owner.command);
        take_text(tree, "socket", owner.socket, sizeof owner.socket);
        take_text(tree, "cgroup", owner.cgroup, sizeof owner.cgroup);
    }
    if (status == RV_OK) *ret = owner;
    rv_arena_deinit(&arena);
    return status == RV_OK ? RV_OK : RV_CORRUPT;
}

rv_status rv_owner_read(const char *store_dir, rv_owner *ret, rv_error *err)
{
    char piece[4096];
    rv_buf path = {0}, text = {0};
    ssize_t size = 0;
    memset(ret, 0, sizeof *ret);
    rv_buf_printf(&path, "%s/owner.lock", store_dir);
    int fd = open(path.at, O_RDONLY | O_CLOEXEC);
    int saved = errno;
    while (fd >= 0 && text.size < OWNER_SIZE_MAX && (size = read(fd, piece, sizeof piece)) > 0) rv_buf_add(&text, piece, (size_t)size);
    if (fd >= 0) close(fd);
    bool is_absent = fd < 0 ? saved == ENOENT : size == 0 && text.size == 0;
    rv_status status = is_absent ? RV_NOT_FOUND : take_owner(rv_buf_str(&text), ret);
    if (status == RV_NOT_FOUND) rv_error_set(err, status, "%s says nothing of an owner", path.at);
    if (status == RV_CORRUPT) rv_error_set(err, status, "%s cannot be understood", path.at);
    rv_buf_deinit(&text);
    rv_buf_deinit(&path);
    return status;
}

void rv_owner_socket_path(const char *store_dir, char ret[108])
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    if (strlen(store_dir) + sizeof "/sock" <= 108) {
        snprintf(ret, 108, "%s/sock", store_dir);
        return;
    }
    uint64_t hash = rv_hash64(rv_str_of(store_dir), (uint64_t)getuid());
    if (!runtime || strlen(runtime) > 60) runtime = "/tmp";
    snprintf(ret, 108, "%s/reeve-%016llx.sock", runtime, (unsigned long long)hash);
}
