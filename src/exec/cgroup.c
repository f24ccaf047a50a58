/* Cgroups: the one thing that a process does not shed by setsid, fork, execve or close.
 *
 *     OURS                              the cgroup of the engine, wherever somebody put it
 *     ├── engine, keeper, what attempts with `leave` start
 *     └── reeve.store.MARK              of the store: made at the first start, removed at the end
 *         ├── 0                         of the executor's slots: made with the slot, reused with it
 *         └── 1.2                       the same, after the second time that the slot's was killed, see (6)
 *
 * (1) A child is born in its slot's cgroup (CLONE_INTO_CGROUP), and so is what it forks: there is no moment outside.
 * (2) Nothing of an attempt with `leave` is ever in there, so that to kill a cgroup spares nobody by mistake. It starts
 *     outside of all such cgroups, also when this engine is itself an attempt of another.
 * (3) Neither engine nor keeper is in there. A start that is (a command of a dead engine starts the next one) does not
 *     write cgroup.kill: see leftover.c.
 * (4) No controller is enabled: nothing is accounted or limited anew, and "no processes in inner cgroups" does not apply.
 * (5) The name is the store's, so that a later engine finds it; where it is, the dead owner wrote down.
 * (6) What was killed by cgroup.kill once is not used again: from Linux 6.14 on a count of kills, which is to catch forks in
 *     flight, is taken from the parent's cgroup and compared with the child's own, so that every child that is born in
 *     such a cgroup is killed (seen with 6.18). For the same reason a child is tried out before the first attempt: it
 *     is our own cgroup that may have been killed before we came.
 *
 * A process that may write cgroup.procs can move itself out. It is an orphan like any other then, see adopt.c.
 *
 * It costs an attempt no system call, and in clone some microseconds: the kernel makes a css_set for the first process
 * of a cgroup. cgroup2 as in Documentation/admin-guide/cgroup-v2.rst of Linux. Where anything of it is refused (a
 * mount that is read-only, a cgroup that is not ours, a kernel before 5.14) there are no cgroups, and adopt.c and
 * leftover.c do what they do without them. A PID namespace would do it too, but it changes what a command sees. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "exec/inner.h"

#define NAME_PREFIX "reeve.store."
#define LINES_SIZE 8192      /* of /proc/PID/cgroup: a line for each hierarchy */
#define DIRS_MAX 65536       /* looked at below a store's cgroup; hostile children may make some */
#define NOTICE_MS_MAX 100    /* the kernel tells changes of cgroup.events at intervals of its own */

struct rv_cgroups {
    char path[RV_EXEC_CGROUP_SIZE]; /* of the store's; empty: there are none */
    size_t mount_size;              /* bytes of `path` that are the mount point */
    rv_spawner *spawner;
    bool is_tried, is_made, has_looked; /* is_made: and of use. has_looked: outside_fd is known */
    int outside_fd;
};

/* ---- where we are -------------------------------------------------------------- */

/* Of the unified hierarchy: alone, or beside those of version 1. NULL: there is none. */
static const char *mount_point(void)
{
    static const char *const places[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
    struct statfs fs;
    for (size_t i = 0; i < RV_COUNT(places); i++)
        if (statfs(places[i], &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC)
            return places[i];
    return NULL;
}

/* The cgroup of a process as a path below the mount point, that of the root as "": the line `0::GROUP`. pid 0: ours.
 * false: it is gone, in none, or in one that cannot be named from here. */
static bool read_group(pid_t pid, char ret[RV_EXEC_CGROUP_SIZE])
{
    char path[64], lines[LINES_SIZE];
    size_t size = 0;
    ssize_t got = 0;
    snprintf(path, sizeof path, pid ? "/proc/%d/cgroup" : "/proc/self/cgroup", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    while (fd >= 0 && size < sizeof lines - 1 && (got = read(fd, lines + size, sizeof lines - 1 - size)) > 0)
        size += (size_t)got;
    if (fd >= 0)
        close(fd);
    lines[size] = 0;
    const char *line = strncmp(lines, "0::", 3) == 0 ? lines : strstr(lines, "\n0::");
    line = line ? strchr(line, '/') : NULL;
    size_t length = line ? strcspn(line, "\n") : 0;
    if (length == 0 || length >= RV_EXEC_CGROUP_SIZE || strncmp(line, "/..", 3) == 0)
        return false;
    if (length == 1)
        length = 0;
    memcpy(ret, line, length);
    ret[length] = 0;
    return true;
}

/* Is `group` that of `path`, or below it? *ret_rest: what follows; written on true only. */
static bool is_below(const char *group, const char *path, const char **ret_rest)
{
    size_t size = strlen(path);
    if (strncmp(group, path, size) != 0 || (group[size] != 0 && group[size] != '/'))
        return false;
    *ret_rest = group + size;
    return true;
}

bool rv_exec_cgroup_path(const char *mark, char ret[RV_EXEC_CGROUP_SIZE], const char **ret_why)
{
    char group[RV_EXEC_CGROUP_SIZE], own[RV_EXEC_CGROUP_SIZE + 64];
    const char *word = getenv("REEVE_CGROUPS"), *mount = mount_point(), *why = NULL;
    ret[0] = 0;
    if (word && strcmp(word, "off") == 0)
        why = "switched off by REEVE_CGROUPS=off";
    else if (!mount)
        why = "no unified hierarchy is mounted";
    else if (!read_group(0, group))
        why = "this process is in no group that can be named";
    if (!why) {
        int size = snprintf(own, sizeof own, "%s%s/cgroup.procs", mount, group);
        bool may_write = access(own, W_OK) == 0;
        own[size - (int)strlen("/cgroup.procs")] = 0;
        if (!may_write || access(own, W_OK) != 0)
            why = "this user may not write the group of this process";
        else if (snprintf(ret, RV_EXEC_CGROUP_SIZE, "%s/" NAME_PREFIX "%s", own, mark) >= RV_EXEC_CGROUP_SIZE)
            why = "the path of this process's group is too long";
    }
    if (why)
        ret[0] = 0;
    if (ret_why)
        *ret_why = why;
    return !why;
}

bool rv_cgroup_is_of(const char *path, const char *mark)
{
    const char *name = path ? strrchr(path, '/') : NULL, *mount = mount_point(), *rest;
    if (!name || !mark || !mount || !is_below(path, mount, &rest) || strstr(rest, "/../"))
        return false;
    return strncmp(name + 1, NAME_PREFIX, strlen(NAME_PREFIX)) == 0 && strcmp(name + 1 + strlen(NAME_PREFIX), mark) == 0;
}

/* ---- one cgroup ------------------------------------------------------------------ */

static void join(char ret[RV_EXEC_CGROUP_SIZE + 64], const char *path, const char *name)
{
    snprintf(ret, RV_EXEC_CGROUP_SIZE + 64, "%s/%s", path, name);
}

/* The first bytes of a file of the cgroup, NUL-terminated; empty when it cannot be read. */
static void read_file(const char *path, const char *name, char ret[128])
{
    char file[RV_EXEC_CGROUP_SIZE + 64];
    join(file, path, name);
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? 0 : read(fd, ret, 127);
    if (fd >= 0)
        close(fd);
    ret[size > 0 ? size : 0] = 0;
}

/* NULL, or why it is of no use; then it is not there. */
static const char *make(const char *path)
{
    char file[RV_EXEC_CGROUP_SIZE + 64], type[128];
    const char *why = NULL;
    if (mkdir(path, 0755) != 0 && errno != EEXIST)
        return "no group can be made below the one of this process";
    join(file, path, "cgroup.kill");
    read_file(path, "cgroup.type", type);
    if (access(file, W_OK) != 0)
        why = "the kernel has no cgroup.kill (it came with 5.14)";
    else if (strcmp(type, "domain\n") != 0)
        why = "the group of this process is a threaded one";
    if (why)
        (void)rmdir(path);
    return why;
}

/* keeps (6): a directory that nobody was killed in. A descriptor of it, or -1. */
static int make_slot(const char *path)
{
    if (mkdir(path, 0755) != 0 && (errno != EEXIST || rmdir(path) != 0 || mkdir(path, 0755) != 0))
        return -1;
    return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* Make the store's and in it `name`, and find out if a child lives there. NULL and a descriptor of it, or why not: neither is there. */
static const char *try_out(const char *path, const char *name, rv_spawner *spawner, int *ret_fd)
{
    char slot[RV_EXEC_CGROUP_SIZE + 64];
    const char *why = make(path);
    if (why)
        return why;
    join(slot, path, name);
    *ret_fd = make_slot(slot);
    if (*ret_fd >= 0 && rv_spawner_try(spawner, *ret_fd))
        return NULL;
    rv_exec_close_fd(ret_fd);
    (void)rv_cgroup_remove(slot, NOTICE_MS_MAX);
    (void)rmdir(path);
    return "no process lives that is started in a group";
}

bool rv_exec_cgroup_try(const char *mark, const char **ret_why)
{
    char path[RV_EXEC_CGROUP_SIZE];
    if (!rv_exec_cgroup_path(mark, path, ret_why))
        return false;
    int fd = -1;
    rv_spawner *spawner = rv_spawner_new();
    *ret_why = try_out(path, "try", spawner, &fd);
    rv_spawner_free(spawner);
    if (*ret_why)
        return false;
    rv_exec_close_fd(&fd);
    (void)rv_cgroup_remove(path, NOTICE_MS_MAX);
    return true;
}

void rv_cgroup_kill(const char *path)
{
    char file[RV_EXEC_CGROUP_SIZE + 64];
    join(file, path, "cgroup.kill");
    int fd = open(file, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)!write(fd, "1", 1);
    close(fd);
}

bool rv_cgroup_has(const char *path, pid_t pid)
{
    char group[RV_EXEC_CGROUP_SIZE];
    const char *mount = mount_point(), *rest;
    return mount && is_below(path, mount, &rest) && read_group(pid, group) && is_below(group, rest, &rest);
}

static int64_t mono_ms(void)
{
    struct timespec at;
    RV_ASSERT(clock_gettime(CLOCK_MONOTONIC, &at) == 0);
    return (int64_t)at.tv_sec * 1000 + at.tv_nsec / 1000000;
}

/* Until nobody lives in it. false: not in `wait_ms`. */
static bool await_empty(const char *path, int64_t wait_ms)
{
    char file[RV_EXEC_CGROUP_SIZE + 64], events[128];
    int64_t deadline_ms = mono_ms() + wait_ms;
    join(file, path, "cgroup.events");
    struct pollfd wait = {.fd = open(file, O_RDONLY | O_CLOEXEC), .events = POLLPRI};
    bool is_empty = wait.fd < 0;
    while (!is_empty) {
        ssize_t size = pread(wait.fd, events, sizeof events - 1, 0);
        events[size > 0 ? size : 0] = 0;
        is_empty = size <= 0 || strstr(events, "populated 0");
        int64_t left_ms = deadline_ms - mono_ms();
        if (is_empty || left_ms <= 0)
            break;
        (void)poll(&wait, 1, (int)RV_MIN(left_ms, NOTICE_MS_MAX));
    }
    if (wait.fd >= 0)
        close(wait.fd);
    return is_empty;
}

/* ---- and what is below it ---------------------------------------------------------- */

typedef struct tree { RV_VEC(char *) dirs; } tree; /* each after the one that it is in */

static void tree_read(tree *t, const char *path)
{
    rv_vec_push(&t->dirs, rv_cstring_dup(rv_str_of(path)));
    for (uint32_t i = 0; i < t->dirs.count; i++) {
        DIR *dir = opendir(t->dirs.at[i]);
        const struct dirent *entry;
        while (dir && t->dirs.count < DIRS_MAX && (entry = readdir(dir))) {
            if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
                continue;
            rv_buf below = {0};
            rv_buf_printf(&below, "%s/%s", t->dirs.at[i], entry->d_name);
            rv_vec_push(&t->dirs, rv_cstring_dup(rv_buf_str(&below)));
            rv_buf_deinit(&below);
        }
        if (dir)
            closedir(dir);
    }
}

static void tree_deinit(tree *t)
{
    for (uint32_t i = 0; i < t->dirs.count; i++)
        rv_free(t->dirs.at[i]);
    rv_vec_deinit(&t->dirs);
}

static bool tree_remove(const char *path)
{
    if (rmdir(path) == 0 || errno == ENOENT)
        return true;
    tree t = {0};
    bool is_gone = false;
    tree_read(&t, path);
    for (uint32_t i = t.dirs.count; i-- > 0;)
        is_gone = rmdir(t.dirs.at[i]) == 0 || errno == ENOENT;
    tree_deinit(&t);
    return is_gone;
}

bool rv_cgroup_remove(const char *path, int64_t wait_ms)
{
    return tree_remove(path) || (await_empty(path, wait_ms) && tree_remove(path));
}

bool rv_cgroup_each(const char *path, rv_pid_fn *fn, void *user)
{
    if (access(path, F_OK) != 0)
        return false;
    tree t = {0};
    bool goes_on = true;
    tree_read(&t, path);
    for (uint32_t i = 0; i < t.dirs.count && goes_on; i++) {
        rv_buf file = {0};
        rv_buf_printf(&file, "%s/cgroup.procs", t.dirs.at[i]);
        FILE *procs = fopen(file.at, "re");
        int pid;
        while (procs && goes_on && fscanf(procs, "%d", &pid) == 1)
            goes_on = fn(user, pid);
        if (procs)
            fclose(procs);
        rv_buf_deinit(&file);
    }
    tree_deinit(&t);
    return true;
}

/* ---- those of an executor ------------------------------------------------------------ */

rv_cgroups *rv_cgroups_new(const char *path, rv_spawner *spawner)
{
    rv_cgroups *cgroups = rv_alloc(sizeof *cgroups);
    const char *mount = mount_point(), *rest;
    cgroups->outside_fd = -1;
    cgroups->spawner = spawner;
    if (!path || !mount || strlen(path) >= RV_EXEC_CGROUP_SIZE || !is_below(path, mount, &rest))
        return cgroups;
    memcpy(cgroups->path, path, strlen(path) + 1);
    cgroups->mount_size = strlen(mount);
    return cgroups;
}

void rv_cgroups_free(rv_cgroups *cgroups, int64_t wait_ms)
{
    if (!cgroups)
        return;
    if (cgroups->is_made && !tree_remove(cgroups->path)) {
        if (!rv_cgroup_has(cgroups->path, getpid()))
            rv_cgroup_kill(cgroups->path);
        (void)rv_cgroup_remove(cgroups->path, wait_ms); /* else the keeper does, or the next engine */
    }
    rv_exec_close_fd(&cgroups->outside_fd);
    rv_free(cgroups);
}

static void slot_name(uint32_t slot, uint32_t kills, char ret[32]) { snprintf(ret, 32, kills ? "%u.%u" : "%u", slot, kills); }

static void slot_path(const rv_cgroups *cgroups, uint32_t slot, uint32_t kills, char ret[RV_EXEC_CGROUP_SIZE + 64])
{
    char name[32];
    slot_name(slot, kills, name);
    join(ret, cgroups->path, name);
}

int rv_cgroups_open(rv_cgroups *cgroups, uint32_t slot, uint32_t kills)
{
    char path[RV_EXEC_CGROUP_SIZE + 64];
    if (cgroups->path[0] && !cgroups->is_tried) {
        char name[32];
        int fd = -1;
        cgroups->is_tried = true; /* refused once: not asked again */
        slot_name(slot, kills, name);
        cgroups->is_made = try_out(cgroups->path, name, cgroups->spawner, &fd) == NULL;
        return fd;
    }
    if (!cgroups->is_made)
        return -1;
    if (kills) {
        slot_path(cgroups, slot, kills - 1, path);
        (void)tree_remove(path); /* else at the end */
    }
    slot_path(cgroups, slot, kills, path);
    return make_slot(path);
}

int rv_cgroups_outside(rv_cgroups *cgroups)
{
    char group[RV_EXEC_CGROUP_SIZE], path[RV_EXEC_CGROUP_SIZE + 64];
    const char *mount = mount_point();
    if (cgroups->has_looked)
        return cgroups->outside_fd;
    cgroups->has_looked = true;
    if (!mount || !read_group(0, group))
        return -1;
    char *inside = strstr(group, "/" NAME_PREFIX);
    if (!inside)
        return -1;
    *inside = 0;
    snprintf(path, sizeof path, "%s%s", mount, group);
    return cgroups->outside_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

bool rv_cgroups_slot_of(const rv_cgroups *cgroups, pid_t pid, uint32_t *ret_slot)
{
    char group[RV_EXEC_CGROUP_SIZE];
    const char *rest;
    if (!cgroups->is_made || !read_group(pid, group) || !is_below(group, cgroups->path + cgroups->mount_size, &rest) ||
        rest[0] != '/' || rest[1] < '0' || rest[1] > '9')
        return false;
    char *end;
    unsigned long slot = strtoul(rest + 1, &end, 10);
    if ((*end != 0 && *end != '/' && *end != '.') || slot > UINT32_MAX)
        return false;
    *ret_slot = (uint32_t)slot;
    return true;
}

void rv_cgroups_kill(const rv_cgroups *cgroups, uint32_t slot, uint32_t kills)
{
    char path[RV_EXEC_CGROUP_SIZE + 64];
    slot_path(cgroups, slot, kills, path);
    rv_cgroup_kill(path);
}
