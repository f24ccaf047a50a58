/* log_file.c: open, header, and the walk over frames that recovery and scan share. */
#include "blob/log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "blob/file.h"

#define WINDOW_SIZE (4 * RV_FRAME_SIZE_MAX) /* bytes read at a time */
#define RUN_NAME_MAX 128u

_Static_assert(WINDOW_SIZE >= 2 * RV_FRAME_SIZE_MAX, "a window holds at least one whole frame");

static bool is_run_name(rv_str run)
{
    if (run.size == 0 || run.size > RUN_NAME_MAX) return false;
    for (size_t i = 0; i < run.size; i++) {
        char byte = run.at[i];
        bool is_alphanumeric = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9');
        if (!is_alphanumeric && (i == 0 || (byte != '_' && byte != '-' && byte != '.'))) return false;
    }
    return true;
}

rv_status rv_log_path(const char *root, rv_str run, rv_buf *out, rv_error *err)
{
    if (!is_run_name(run)) return rv_error_set(err, RV_INVALID, "'%.*s' is not the id of a run", RV_FMT(rv_str_cut(run, 0, RUN_NAME_MAX)));
    rv_buf_printf(out, "%s/logs/%.*s.log", root, RV_FMT(run));
    return RV_OK;
}

static rv_status header_load(rv_log_file *file, rv_error *err)
{
    char header[RV_LOG_HEADER_SIZE];
    if (file->size < RV_LOG_HEADER_SIZE) return RV_OK;
    ssize_t count = rv_file_read(file->fd, header, sizeof header, 0);
    if (count != (ssize_t)sizeof header)
        return rv_error_set(err, RV_STORE_IO, "%s: cannot read: %s", file->path.at, strerror(count < 0 ? errno : EIO));
    rv_status status = rv_log_header_read((rv_str){header, sizeof header}, &file->base_ms);
    file->has_header = status == RV_OK;
    if (status == RV_UNSUPPORTED) return rv_error_set(err, status, "%s: this log was written by a later version", file->path.at);
    return status == RV_OK ? RV_OK : rv_error_set(err, status, "%s: this is not a log, or its beginning is damaged", file->path.at);
}

rv_status rv_log_file_open(const char *root, rv_str run, bool is_writable, rv_log_file *ret, rv_error *err)
{
    rv_log_file file = {.fd = -1};
    struct stat found;
    rv_status status = rv_log_path(root, run, &file.path, err);
    if (status == RV_OK) {
        file.fd = open(file.path.at, (is_writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOFOLLOW);
        if (file.fd < 0 ? errno != ENOENT : fstat(file.fd, &found) != 0)
            status = rv_error_set(err, rv_file_status(errno), "%s: cannot open: %s", file.path.at, strerror(errno));
    }
    if (status == RV_OK && file.fd >= 0) {
        file.size = (uint64_t)found.st_size;
        status = header_load(&file, err);
    }
    if (status == RV_OK) *ret = file;
    else rv_log_file_close(&file);
    return status;
}

void rv_log_file_close(rv_log_file *file)
{
    if (file->fd >= 0) close(file->fd);
    rv_buf_deinit(&file->path);
    file->fd = -1;
}

bool rv_log_file_has_clean_end(const rv_log_file *file)
{
    char size_behind[4];
    if (file->size == RV_LOG_HEADER_SIZE) return true;
    if (file->size < RV_LOG_HEADER_SIZE + RV_FRAME_EDGE_SIZE) return false;
    if (rv_file_read(file->fd, size_behind, 4, (off_t)(file->size - 4)) != 4) return false;
    uint64_t size = (uint64_t)rv_frame_u32(size_behind) + RV_FRAME_EDGE_SIZE;
    if (size > RV_FRAME_SIZE_MAX || size > file->size - RV_LOG_HEADER_SIZE) return false;
    rv_frame frame;
    char *bytes = rv_alloc(size);
    uint64_t offset = file->size - size;
    bool is_clean = rv_file_read(file->fd, bytes, size, (off_t)offset) == (ssize_t)size &&
                    rv_frame_read((rv_str){bytes, size}, offset, file->base_ms, &frame) == RV_FRAME_OK && frame.size == size;
    rv_free(bytes);
    return is_clean;
}

rv_status rv_log_file_each(const rv_log_file *file, uint64_t *offset, rv_log_frame_fn *fn, void *user, rv_frame_result *ret_last,
                           rv_error *err)
{
    rv_buf window = {0};
    rv_status status = RV_OK;
    rv_frame_result result = RV_FRAME_OK;
    bool is_more = true;
    while (is_more && status == RV_OK) {
        rv_buf_clear(&window);
        ssize_t count = rv_file_read(file->fd, rv_buf_extend(&window, WINDOW_SIZE), WINDOW_SIZE, (off_t)*offset);
        if (count < 0) {
            status = rv_error_set(err, RV_STORE_IO, "%s: cannot read: %s", file->path.at, strerror(errno));
            break;
        }
        size_t at = 0;
        result = RV_FRAME_OK;
        while (at < (size_t)count && status == RV_OK) {
            rv_frame frame;
            result = rv_frame_read((rv_str){window.at + at, (size_t)count - at}, *offset, file->base_ms, &frame);
            if (result != RV_FRAME_OK) break;
            status = fn(user, &frame);
            if (status != RV_OK) break;
            at += frame.size;
            *offset += frame.size;
        }
        is_more = (size_t)count == WINDOW_SIZE && at > 0 && result != RV_FRAME_BAD;
    }
    rv_buf_deinit(&window);
    if (ret_last) *ret_last = result;
    return status;
}
