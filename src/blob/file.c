/* file.c: retries of EINTR and short counts, in one place. */
#include "blob/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define RESOLVE_TRIES_MAX 16 /* the kernel answers EAGAIN when a rename raced with `..` checks */

rv_status rv_file_status(int error_number)
{
    if (error_number == ENOSPC || error_number == EDQUOT || error_number == EFBIG) return RV_STORE_FULL;
    return error_number == ENOMEM ? RV_NO_MEMORY : RV_STORE_IO;
}

int rv_file_open_beneath(int dir_fd, const char *name, int flags)
{
    struct open_how how = {.flags = (uint64_t)(flags | O_CLOEXEC), .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
    long fd = -1;
    for (int tries = 0; fd < 0 && tries < RESOLVE_TRIES_MAX; tries++) {
        fd = syscall(SYS_openat2, dir_fd, name, &how, sizeof how);
        if (fd < 0 && errno != EAGAIN && errno != EINTR) break;
    }
    return (int)fd;
}

bool rv_file_write(int fd, rv_str bytes, off_t offset)
{
    for (size_t done = 0; done < bytes.size;) {
        rv_str rest = rv_str_from(bytes, done);
        ssize_t count = offset == RV_FILE_APPEND ? write(fd, rest.at, rest.size) : pwrite(fd, rest.at, rest.size, offset + (off_t)done);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return false;
        if (count == 0) return errno = EIO, false;
        done += (size_t)count;
    }
    return true;
}

ssize_t rv_file_read(int fd, char *at, size_t size, off_t offset)
{
    size_t done = 0;
    while (done < size) {
        ssize_t count =
            offset == RV_FILE_APPEND ? read(fd, at + done, size - done) : pread(fd, at + done, size - done, offset + (off_t)done);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return -1;
        if (count == 0) break;
        done += (size_t)count;
    }
    return (ssize_t)done;
}

bool rv_file_make_dir(const char *path, bool *ret_is_new)
{
    bool is_made = mkdir(path, 0700) == 0;
    if (!is_made && errno != EEXIST) return false;
    if (ret_is_new) *ret_is_new = is_made;
    return true;
}

bool rv_file_sync_dir(const char *path)
{
    RV_AUTO_CLOSE int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 && fsync(fd) == 0;
}
