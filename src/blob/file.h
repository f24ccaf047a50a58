/* file.h: the few ways in which blob/, and the cache of the engine, touch files of the store. All calls may block on the disk. */
#ifndef RV_BLOB_FILE_H
#define RV_BLOB_FILE_H

#include "base/base.h"
#include <sys/types.h>
#include <unistd.h>

/* Status of a failed system call on the store's own files: STORE_FULL (ENOSPC, EDQUOT), NO_MEMORY, else STORE_IO. */
rv_status rv_file_status(int error_number);
/* Open `name` beneath `dir_fd` without following any link (openat2(2): RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS), close-on-exec.
 * -1 with errno; ELOOP: a link is in the way, EXDEV: it leads out. ENOSYS: the kernel is older than 5.6. */
int rv_file_open_beneath(int dir_fd, const char *name, int flags);
/* Write all of `bytes` at `offset` (RV_FILE_APPEND: at the position). false with errno; any part may then be written. */
#define RV_FILE_APPEND (-1)
RV_MUST_USE bool rv_file_write(int fd, rv_str bytes, off_t offset);
/* Read up to `size` bytes at `offset` (RV_FILE_APPEND: at the position); fewer only at the end. -1 with errno. */
ssize_t rv_file_read(int fd, char *at, size_t size, off_t offset);
/* Make the directory `path` with mode 0700 unless it is there; its parent must exist. false with errno. *ret_is_new may be NULL. */
RV_MUST_USE bool rv_file_make_dir(const char *path, bool *ret_is_new);
/* fsync the directory `path`. false with errno. */
RV_MUST_USE bool rv_file_sync_dir(const char *path);

/* Closes the descriptor at the end of its scope, if it is one. */
#define RV_AUTO_CLOSE __attribute__((cleanup(rv_file_close_)))
/* What RV_AUTO_CLOSE calls: close *fd unless it is negative. */
static inline void rv_file_close_(const int *fd)
{
    if (*fd >= 0) close(*fd);
}

#endif
