/* blob.h: content-addressed bytes (artifacts, later cache entries) under ROOT/blobs/aa/bb…, and the logs of runs.
 *
 * A blob is written under a temporary name, then renamed; its name is its SHA-256. Two writers of one blob are
 * harmless. Logs are one append-only segment file a run, ROOT/logs/RUN.log; frames of all attempts in it are chained
 * backwards per attempt, so that one attempt's output is found from the offset of its last frame (log.c draws it). */
#ifndef RV_BLOB_H
#define RV_BLOB_H

#include "base/mem.h"
#include "base/util.h"

typedef struct rv_blobs rv_blobs;
RV_MUST_USE rv_status rv_blobs_open(const char *root, rv_blobs **ret, rv_error *err);
void rv_blobs_close(rv_blobs *blobs); /* NULL is legal */
RV_MUST_USE rv_status rv_blob_put(rv_blobs *blobs, rv_str bytes, rv_digest *ret, rv_error *err);
/* Store the regular file `name` beneath directory descriptor `dir_fd` (openat2 RESOLVE_BENEATH|NO_SYMLINKS; a link, a
 * device, a name with `..` or a leading slash: RV_DENIED). synced: the blob and its directory are on disk on return. */
RV_MUST_USE rv_status rv_blob_put_file(rv_blobs *blobs, int dir_fd, const char *name, bool synced, rv_digest *ret, uint64_t *ret_size, rv_error *err);
/* Path of a blob (may not exist), absolute, in `out`. */
void rv_blob_path(const rv_blobs *blobs, rv_digest digest, rv_buf *out);
RV_MUST_USE rv_status rv_blob_read(rv_blobs *blobs, rv_digest digest, uint64_t size_max, rv_buf *out, rv_error *err); /* verified; NOT_FOUND, CORRUPT, LIMIT */
/* All entries of an artifacts directory, deep, sorted, relative names; see rv_blob_put_file for what is refused: refused
 * entries are listed with their reason and nothing of them is read. At most 10,000 entries (LIMIT). */
typedef struct rv_file_entry { rv_str name; uint64_t size; bool is_refused; const char *reason; } rv_file_entry;
typedef RV_VEC(rv_file_entry) rv_file_entries;
RV_MUST_USE rv_status rv_blob_scan(rv_arena *arena, int dir_fd, rv_file_entries *ret_add, rv_error *err);

/* ---- secrets: masked as bytes come, across chunk borders, before any truncation [E31] ---- */
typedef struct rv_mask rv_mask;               /* set of secret values; NULL masks nothing */
rv_mask *rv_mask_new(const rv_str *secrets, uint32_t count); /* values shorter than 4 bytes are not masked in output */
void rv_mask_free(rv_mask *mask);
typedef struct rv_mask_stream { rv_buf held; } rv_mask_stream; /* {0}; one per stream */
/* Append to `out` the bytes that can be judged; hold back a possible beginning of a secret. Each secret becomes `***`. */
void rv_mask_feed(const rv_mask *mask, rv_mask_stream *stream, rv_str bytes, rv_buf *out);
void rv_mask_end(const rv_mask *mask, rv_mask_stream *stream, rv_buf *out); /* flush; stream is {0} again */
void rv_mask_whole(const rv_mask *mask, rv_str bytes, rv_buf *out);         /* one complete value */

/* ---- logs ---- */
#define RV_LOG_NONE UINT64_MAX
enum rv_log_flag { RV_LOG_F_CUT = 1 /* bytes were left out before this frame; their count is in the frame's payload head */ };
typedef struct rv_log_writer rv_log_writer;
/* Open for append; a torn last frame (crash) is cut off first. */
RV_MUST_USE rv_status rv_log_open(const char *root, rv_str run, rv_log_writer **ret, rv_error *err);
void rv_log_close(rv_log_writer *log); /* flushes; NULL is legal */
/* One attempt's output: caps it (head and tail kept, the cut marked), masks it, chains its frames. */
typedef struct rv_log_attempt rv_log_attempt;
rv_log_attempt *rv_log_attempt_new(rv_log_writer *log, uint32_t node, uint32_t epoch, uint64_t size_max, const rv_mask *mask);
/* stream 1 or 2; wall_ms: when it came. Buffered; *ret_text (may be NULL) receives the masked bytes for a live view, valid until the next call. */
RV_MUST_USE rv_status rv_log_add(rv_log_attempt *attempt, int stream, int64_t wall_ms, rv_str bytes, rv_str *ret_text, rv_error *err);
/* Write what is held, return the offset of the last frame (RV_LOG_NONE: no output) and the bytes each stream produced. Frees `attempt`. */
RV_MUST_USE rv_status rv_log_attempt_end(rv_log_attempt *attempt, uint64_t *ret_last, uint64_t *ret_stdout_size, uint64_t *ret_stderr_size, rv_error *err);
RV_MUST_USE rv_status rv_log_flush(rv_log_writer *log, rv_error *err); /* write(2) what is buffered; survives the process */
RV_MUST_USE rv_status rv_log_sync(rv_log_writer *log, rv_error *err);  /* flush and fdatasync */
/* Read the frames of the attempt whose last frame is at `last`, oldest first; stream 0: both. Frame checksums are verified (CORRUPT). */
typedef rv_status rv_log_fn(void *user, int stream, int64_t wall_ms, uint64_t cut_before /* bytes left out before this */, rv_str bytes);
RV_MUST_USE rv_status rv_log_read(const char *root, rv_str run, uint64_t last, int stream, rv_log_fn *fn, void *user, rv_error *err);
/* Read all whole frames from *offset on (0: the beginning), moving it: for `logs -f` and for attempts without a recorded end. */
typedef rv_status rv_log_scan_fn(void *user, uint32_t node, uint32_t epoch, int stream, int64_t wall_ms, uint64_t cut_before, rv_str bytes);
RV_MUST_USE rv_status rv_log_scan(const char *root, rv_str run, uint64_t *offset, rv_log_scan_fn *fn, void *user, rv_error *err);

#endif
