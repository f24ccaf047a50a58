/* What /proc says of a process (proc(5)). A pid alone names nobody: with its start time it does. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "exec/inner.h"

#define ENVIRON_SIZE_MAX ((size_t)4 << 20)

int rv_pidfd_open(pid_t pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }
int rv_pidfd_signal(int pidfd, int signal) { return (int)syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0); }

uint64_t rv_ticks_of(int64_t boottime_ns)
{
    static long ticks_per_second;
    if (ticks_per_second == 0)
        ticks_per_second = sysconf(_SC_CLK_TCK);
    RV_ASSERT(ticks_per_second > 0);
    return (uint64_t)boottime_ns / (1000000000u / (uint64_t)ticks_per_second);
}

static int open_entry(pid_t pid, const char *name, int flags)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    return open(path, flags | O_CLOEXEC);
}

bool rv_process_read(pid_t pid, rv_process *ret)
{
    int fd = open_entry(pid, "stat", O_RDONLY);
    if (fd < 0)
        return false;
    char text[1024];
    ssize_t size = read(fd, text, sizeof text - 1);
    close(fd);
    if (size <= 0)
        return false;
    text[size] = 0;
    const char *at = strrchr(text, ')'); /* the name before it may contain anything, also a parenthesis */
    if (!at)
        return false;
    rv_process process = {.pid = pid};
    int parent, group, session;
    unsigned long long start;
    /* fields 3 to 6, then 22 */
    if (sscanf(at + 1, " %c %d %d %d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu", &process.state, &parent,
               &group, &session, &start) != 5)
        return false;
    process.parent = parent;
    process.group = group;
    process.session = session;
    process.start_ticks = start;
    *ret = process;
    return true;
}

void rv_process_environ(pid_t pid, rv_buf *out)
{
    rv_buf_clear(out);
    int fd = open_entry(pid, "environ", O_RDONLY);
    if (fd < 0)
        return;
    char bytes[4096];
    ssize_t size;
    while (out->size < ENVIRON_SIZE_MAX && (size = read(fd, bytes, sizeof bytes)) > 0)
        rv_buf_add(out, bytes, (size_t)size);
    close(fd);
}

rv_str rv_environ_value(rv_str environ_bytes, rv_str name)
{
    size_t at = 0;
    while (at < environ_bytes.size) {
        size_t end = rv_str_find(environ_bytes, at, 0);
        if (end == SIZE_MAX)
            end = environ_bytes.size;
        rv_str entry = rv_str_cut(environ_bytes, at, end - at);
        if (rv_str_starts(entry, name))
            return (rv_str){entry.at + name.size, entry.size - name.size};
        at = end + 1;
    }
    return (rv_str){NULL, 0};
}

bool rv_environ_may_stay(rv_str environ_bytes)
{
    rv_str leave = rv_environ_value(environ_bytes, RV_STR(RV_EXEC_LEAVE));
    return leave.at && rv_str_eq(leave, rv_environ_value(environ_bytes, RV_STR("REEVE_ATTEMPT=")));
}

bool rv_process_holds(pid_t pid, dev_t device, ino_t inode)
{
    int fd = open_entry(pid, "fd", O_RDONLY | O_DIRECTORY);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    bool is_held = false;
    const struct dirent *entry;
    while (!is_held && (entry = readdir(dir))) {
        struct stat file;
        if (entry->d_name[0] != '.' && fstatat(dirfd(dir), entry->d_name, &file, 0) == 0)
            is_held = file.st_dev == device && file.st_ino == inode;
    }
    closedir(dir);
    return is_held;
}

bool rv_process_signal(pid_t pid, uint64_t start_ticks, int signal, int *ret_pidfd)
{
    RV_ASSERT(pid > 1);
    int pidfd = rv_pidfd_open(pid);
    if (pidfd < 0)
        return false;
    /* The pidfd names one process for good; what is read now, after it was opened, is either about that process or,
     * if it has died meanwhile, about nobody that the pidfd could reach. */
    rv_process now;
    bool is_sent = rv_process_read(pid, &now) && now.start_ticks == start_ticks && rv_pidfd_signal(pidfd, signal) == 0;
    if (is_sent && ret_pidfd)
        *ret_pidfd = pidfd;
    else
        close(pidfd);
    return is_sent;
}

bool rv_process_each(rv_pid_fn *fn, void *user)
{
    DIR *dir = opendir("/proc");
    if (!dir)
        return false;
    bool goes_on = true;
    const struct dirent *entry;
    while (goes_on && (entry = readdir(dir)))
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
            goes_on = fn(user, (pid_t)strtol(entry->d_name, NULL, 10));
    closedir(dir);
    return true;
}

void rv_exec_boot_id(char ret[64])
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? 0 : read(fd, ret, 63);
    if (fd >= 0)
        close(fd);
    if (size < 0)
        size = 0;
    ret[size] = 0;
    ret[strcspn(ret, "\n")] = 0;
}
