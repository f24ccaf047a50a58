/* log_file.h: finding and reading a log segment; what writer and readers share. Private to blob/. */
#ifndef RV_BLOB_LOG_FILE_H
#define RV_BLOB_LOG_FILE_H

#include "blob/log_frame.h"

typedef struct rv_log_file {
    rv_buf path;      /* NUL-terminated; for messages too */
    int fd;           /* -1: there is no file */
    uint64_t size;    /* when it was opened */
    int64_t base_ms;
    bool has_header;  /* false: no file, or shorter than a header: nothing was completely written */
} rv_log_file;

/* ROOT/logs/RUN.log into `out`. INVALID: `run` is no name for a file ([A-Za-z0-9_.-], first alphanumeric, at most 128 bytes). */
RV_MUST_USE rv_status rv_log_path(const char *root, rv_str run, rv_buf *out, rv_error *err);
/* Open the log of `run`; a log that is not there is RV_OK with fd -1. INVALID as above; CORRUPT: not a log;
 * UNSUPPORTED: of a later version; STORE_IO. On failure *ret needs no close. */
RV_MUST_USE rv_status rv_log_file_open(const char *root, rv_str run, bool is_writable, rv_log_file *ret, rv_error *err);
void rv_log_file_close(rv_log_file *file);
/* Did the file, when it was opened, end with a whole frame, or with its header? What comes before is not looked at.
 * file->has_header must be true. false also when it cannot be read. */
bool rv_log_file_has_clean_end(const rv_log_file *file);
/* Read frames from *offset on for as long as they are whole and `fn` returns RV_OK; *offset moves past
 * each frame that fn accepted. *ret_last (may be NULL): how it ended: OK at a border between frames, SHORT or BAD. */
typedef rv_status rv_log_frame_fn(void *user, const rv_frame *frame);
RV_MUST_USE rv_status rv_log_file_each(const rv_log_file *file, uint64_t *offset, rv_log_frame_fn *fn, void *user,
                                       rv_frame_result *ret_last, rv_error *err);

#endif
