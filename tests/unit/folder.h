/* folder.h: a folder of a test's own. It is made where $TMPDIR says (in memory, if tools/check runs the test: to sync files is most of what
 * some tests do on a disk), and removed without a process for it: a start of `rm` is dearer than most tests. */
#ifndef RV_TESTS_FOLDER_H
#define RV_TESTS_FOLDER_H
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Make a new directory NAME-XXXXXX in $TMPDIR, or in /tmp where that is not set or too long. 0, and its path is in `path`; or -1 with
 * errno set. */
static inline int make_folder(char *path, size_t size, const char *name)
{
    const char *parent = getenv("TMPDIR");
    if (!parent || snprintf(path, size, "%s/%s-XXXXXX", parent, name) >= (int)size) snprintf(path, size, "/tmp/%s-XXXXXX", name);
    return mkdtemp(path) ? 0 : -1;
}

/* Remove the directory `name` in the directory `parent` (or AT_FDCWD) with all that is beneath it, whatever its modes; a link is removed,
 * not followed. 0, or -1 with errno set, and then some of it may be left. Changes that another makes meanwhile are not looked for. */
static inline int remove_at(int parent, const char *name)
{
    int fd, failed = 0;
    DIR *dir;
    if (fchmodat(parent, name, 0700, 0) != 0 || (fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) < 0) return -1;
    if (!(dir = fdopendir(fd))) {
        close(fd);
        return -1;
    }
    for (struct dirent *entry; !failed && (entry = readdir(dir));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        if (unlinkat(fd, entry->d_name, 0) != 0) failed = errno == EISDIR || errno == EPERM ? remove_at(fd, entry->d_name) : -1;
    }
    closedir(dir);
    return failed ? -1 : unlinkat(parent, name, AT_REMOVEDIR);
}
#endif
