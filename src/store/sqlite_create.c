/* The file of a new store, made in one step: its bytes were laid out when this program was built (image.c), and are
 * written, synced and given their name. A crash before the name leaves a file of another name, which the next one to come
 * writes anew; after it, a whole and empty store. Of several at once one writes: it holds the lock of the unnamed file, and
 * who waited for that finds the store there. Through SQLite the same takes a hundred pages of log and eight syncs more.
 * A link that leads nowhere is no place for a new one: what it led to may only be away, a disk that is not mounted. */
#include "store/sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/failpoint.h"

enum { NOT_OURS = -1 /* no errno */ };

static rv_status failed(const rv_sqlite *self, int number, rv_error *err) {
    if (number == ENOSPC || number == EDQUOT)
        return rv_error_set(err, RV_STORE_FULL,
                            "%s: no space left on its disk while making it; free some space there (or name another store)", self->file);
    return rv_error_set(err, RV_STORE_IO, "%s: %s while making it; check the disk and the permissions of %s", self->file,
                        strerror(number), self->path);
}

static int write_image(int fd) {
    for (const rv_store_span *span = rv_store_image; span->size; span++)
        for (uint32_t done = 0; done < span->size;) {
            ssize_t count = pwrite(fd, span->at + done, span->size - done, (off_t)(span->offset + done));
            if (count < 0 && errno == EINTR)
                continue;
            if (count <= 0)
                return count ? errno : ENOSPC;
            done += (uint32_t)count;
        }
    return ftruncate(fd, rv_store_image_size) ? errno : 0;
}

/* Into `fd`, which is ours alone, and then under the store's name. Returns an errno. */
static int publish(const rv_sqlite *self, int fd, const char *name) {
    if (ftruncate(fd, 0) != 0) return errno;
    int number = write_image(fd);
    if (number) return number;
    if (fdatasync(fd) != 0) return errno;
    RV_FAIL_POINT(STORE_BEFORE_NAME);
    if (rename(name, self->file) != 0) return errno;
    RV_FAIL_POINT(STORE_AFTER_NAME);
    return 0;
}

static bool is_named(int fd, const char *name) {
    struct stat ours, named;
    return fstat(fd, &ours) == 0 && lstat(name, &named) == 0 && ours.st_dev == named.st_dev && ours.st_ino == named.st_ino;
}

/* Returns an errno; NOT_OURS: who was waited for gave up and took its file away, or a link was there, and is gone. */
static int make_once(const rv_sqlite *self, const char *name) {
    int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644), number = fd < 0 ? errno : 0;
    if (number)
        return number == ELOOP && unlink(name) == 0 ? NOT_OURS : number; /* a link: what it leads to is not ours */
    while (!number && flock(fd, LOCK_EX) != 0)
        if (errno != EINTR) number = errno;
    if (!number && access(self->file, F_OK) != 0) /* else another was quicker while we waited: theirs is as good */
        number = is_named(fd, name) ? publish(self, fd, name) : NOT_OURS;
    if (is_named(fd, name)) (void)unlink(name);
    close(fd);
    return number;
}

/* What has the store's name although nothing is there. */
static rv_status refuse_link(const rv_sqlite *self, rv_error *err) {
    char target[256];
    ssize_t size = readlink(self->file, target, sizeof target);
    if (size < 0)
        return RV_OK;
    return rv_error_set(err, RV_STORE_IO,
                        "%s is a link to %.*s, where there is nothing; bring that back (is its disk mounted?), or remove the link to "
                        "begin anew", self->file, (int)size, target);
}

rv_status rv_sqlite_create(rv_sqlite *self, rv_error *err) {
    rv_buf name = {0};
    int number;
    rv_status status = refuse_link(self, err);
    if (status)
        return status;
    rv_buf_printf(&name, "%s.new", self->file);
    while ((number = make_once(self, name.at)) == NOT_OURS) continue;
    status = number ? failed(self, number, err) : RV_OK;
    rv_buf_deinit(&name);
    return status;
}
