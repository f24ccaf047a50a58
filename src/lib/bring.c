#include "lib/bring.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "blob/blob.h"

/* Each part of it is a name, none leads up. */
static bool is_inside(rv_str name)
{
    for (size_t at = 0; at <= name.size;) {
        size_t end = RV_MIN(rv_str_find(name, at, '/'), name.size);
        rv_str part = rv_str_cut(name, at, end - at);
        if (part.size == 0 || rv_str_is(part, ".") || rv_str_is(part, "..")) return false;
        at = end + 1;
    }
    return true;
}

static bool write_whole(int to, const char *at, size_t size)
{
    while (size > 0) {
        ssize_t written = write(to, at, size);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return false;
        at += written;
        size -= (size_t)written;
    }
    return true;
}

/* What the file system can share is shared; what it can not is read and written. */
static bool copy_bytes(int from, int to)
{
    char chunk[1u << 14];
    ssize_t size;
    while ((size = copy_file_range(from, NULL, to, NULL, 1u << 30, 0)) > 0 || (size < 0 && errno == EINTR)) {}
    while ((size = read(from, chunk, sizeof chunk)) > 0 || (size < 0 && errno == EINTR))
        if (size > 0 && !write_whole(to, chunk, (size_t)size)) return false;
    return size == 0;
}

static rv_status bring(const char *to, const reeve_var *artifact, rv_error *err)
{
    struct stat info;
    int from_fd = open(artifact->value, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (from_fd < 0)
        return rv_error_set(err, errno == ENOENT ? RV_NOT_FOUND : RV_IO, "artifact `%s`: cannot open %s: %s", artifact->name,
                            artifact->value, strerror(errno));
    bool is_file = fstat(from_fd, &info) == 0 && S_ISREG(info.st_mode);
    int to_fd = is_file ? open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600) : -1;
    bool is_good = to_fd >= 0 && copy_bytes(from_fd, to_fd);
    int number = errno;
    close(from_fd);
    if (to_fd >= 0) close(to_fd);
    if (is_good) return RV_OK;
    if (!is_file) return rv_error_set(err, RV_INVALID, "artifact `%s`: %s is not a regular file", artifact->name, artifact->value);
    if (number == EEXIST) return rv_error_set(err, RV_INVALID, "artifact `%s` is given twice", artifact->name);
    if (to_fd >= 0) (void)unlink(to);
    return rv_error_set(err, number == ENOSPC || number == EDQUOT ? RV_STORE_FULL : RV_IO, "artifact `%s` cannot be copied to %s: %s",
                        artifact->name, to, strerror(number));
}

rv_status rv_bring_artifacts(const char *dir, const reeve_var *artifacts, size_t artifact_count, rv_error *err)
{
    rv_status status = RV_OK;
    size_t count = 0;
    rv_buf path = {0};
    for (size_t i = 0; i < artifact_count && status == RV_OK; i++) {
        rv_str name = rv_str_of(artifacts[i].name);
        if (!dir) status = rv_error_set(err, RV_UNSUPPORTED, "this attempt has no directory for artifacts");
        else if (!artifacts[i].value || !is_inside(name))
            status = rv_error_set(err, RV_INVALID, "`%.*s` is no name of an artifact", RV_FMT(name));
        if (status != RV_OK) break;
        rv_buf_clear(&path);
        rv_buf_printf(&path, "%s/%.*s", dir, RV_FMT(name));
        if (!rv_parents_make(path.at, strlen(dir)))
            status = rv_error_set(err, RV_IO, "cannot make the folder of %s: %s", path.at, strerror(errno));
        if (status == RV_OK) status = bring(path.at, &artifacts[i], err);
        count += status == RV_OK;
    }
    while (status != RV_OK && count-- > 0) {
        rv_buf_clear(&path);
        rv_buf_printf(&path, "%s/%s", dir, artifacts[count].name);
        (void)unlink(path.at);
    }
    rv_buf_deinit(&path);
    return status;
}
