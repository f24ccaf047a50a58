/* blob.h: content-addressed bytes (artifacts, later cache entries) under ROOT/blobs/aa/bb…, and the logs of runs.
 *
 * A blob is written under a temporary name, then renamed; its name is its SHA-256. Two writers of one blob are
 * harmless. Logs are one append-only segment file a run, ROOT/logs/RUN.log; frames of all attempts in it are chained
 * backwards per attempt, so that one attempt's output is found from the offset of its last frame (log.c draws it).
 *
 * All of it blocks on the disk. A failed write is STORE_FULL (no space, quota) or STORE_IO; a damaged file is CORRUPT. */
#ifndef RV_BLOB_H
#define RV_BLOB_H

#include "base/mem.h"
#include "base/util.h"

/* ---- blobs: any thread, each its own or one at a time; several processes at once are safe ---- */
typedef struct rv_blobs rv_blobs;
/* Open, making ROOT and ROOT/blobs (0700) when they are not there; ROOT's parent must be. What writers that died left
 * under temporary names is removed. STORE_IO, STORE_FULL: *ret untouched. */
RV_MUST_USE rv_status rv_blobs_open(const char *root, rv_blobs **ret, rv_error *err);
void rv_blobs_close(rv_blobs *blobs); /* NULL is legal */
/* Store `bytes`; not synced. Nothing is written when they are there, whole. STORE_IO, STORE_FULL: nothing is stored, *ret untouched. */
RV_MUST_USE rv_status rv_blob_put(rv_blobs *blobs, rv_str bytes, rv_digest *ret, rv_error *err);
/* Store the regular file `name` beneath directory descriptor `dir_fd` (openat2 RESOLVE_BENEATH|NO_SYMLINKS; a link, a
 * device, a name with `..` or a leading slash, a file that may not be read: RV_DENIED). synced: the blob and its
 * directory are on disk on return. ret_size may be NULL. On failure ret_* are untouched.
 * NOT_FOUND; IO: the source cannot be read; STORE_IO, STORE_FULL; UNSUPPORTED: the kernel is older than 5.6. */
RV_MUST_USE rv_status rv_blob_put_file(rv_blobs *blobs, int dir_fd, const char *name, bool synced, rv_digest *ret, uint64_t *ret_size,
                                       rv_error *err);
/* Path of a blob (may not exist), absolute, appended to `out`. */
void rv_blob_path(const rv_blobs *blobs, rv_digest digest, rv_buf *out);
/* Whether a blob is there, of this size. One system call. */
bool rv_blob_has(const rv_blobs *blobs, rv_digest digest, uint64_t size);
/* A descriptor to read it by, not verified; -1 with errno. */
int rv_blob_open(const rv_blobs *blobs, rv_digest digest);
/* Remove a blob's name; artifacts that are linked to its bytes keep them. false with errno, ENOENT: it was not there. */
bool rv_blob_remove(const rv_blobs *blobs, rv_digest digest);
/* Tell of each blob whose digest begins with the byte `first` (0..255): its size, and how many names its bytes have: 1, and one for each
 * artifact that is linked to them. Files that are no blobs are left out. */
typedef void rv_blobs_fn(void *user, rv_digest digest, uint64_t size, uint64_t links);
void rv_blobs_list(const rv_blobs *blobs, uint32_t first, rv_blobs_fn *fn, void *user);
/* Append a blob to `out`, verified. NOT_FOUND; CORRUPT: its bytes have another digest; LIMIT: larger than size_max;
 * NO_MEMORY; STORE_IO. On failure `out` has the size it had. */
RV_MUST_USE rv_status rv_blob_read(rv_blobs *blobs, rv_digest digest, uint64_t size_max, rv_buf *out, rv_error *err);

/* All files in an artifacts directory, deep, sorted by bytes, relative names, appended to ret_add; what rv_blob_put_file would
 * refuse, and names with control characters or invalid UTF-8, are listed with their reason and nothing of them is read.
 * Directories are not listed but count: at most 10,000 entries (LIMIT). Names live in the arena, reasons are static.
 * IO: the directory itself cannot be read; UNSUPPORTED as above. On failure ret_add is unchanged. */
typedef struct rv_file_entry { rv_str name; uint64_t size; bool is_refused; const char *reason; } rv_file_entry;
typedef RV_VEC(rv_file_entry) rv_file_entries;
RV_MUST_USE rv_status rv_blob_scan(rv_arena *arena, int dir_fd, rv_file_entries *ret_add, rv_error *err);

/* ROOT/artifacts/RUN/NODE/NAME, appended to `out`: the path under which a blob that `node` (an id of a run's node, also a composite one)
 * made as `name` is linked; without a name (size 0) the folder of the node. NODE is one file name, another for each id, and never leads
 * out of RUN. `name` has passed rv_blob_scan. Pure. */
void rv_artifact_path(const char *root, rv_str run, rv_str node, rv_str name, rv_buf *out);
/* Make the directories (0700) that lead to `path`, which begins with `root_size` bytes of one that is there. false: errno says why; those
 * that were made stay. */
RV_MUST_USE bool rv_parents_make(const char *path, size_t root_size);

/* ---- secrets: masked as bytes come, across chunk borders, before any truncation [E31] ----
 * Every byte of every occurrence is masked, overlapping ones too; occurrences that share a byte become one `***`. Only the
 * exact bytes are known, no encoding of them (base64, URL, JSON escapes). A set is read-only: any number of threads. */
typedef struct rv_mask rv_mask;               /* set of secret values; NULL masks nothing */
/* Values shorter than 4 bytes are not masked; NULL when none is left. The values are copied. O(sum of sizes). */
rv_mask *rv_mask_new(const rv_str *secrets, uint32_t count);
void rv_mask_free(rv_mask *mask); /* NULL is legal */
typedef struct rv_mask_stream { rv_buf held; } rv_mask_stream; /* {0}; one per stream */
/* Append to `out` the bytes that can be judged; hold back a possible beginning of a secret. */
void rv_mask_feed(const rv_mask *mask, rv_mask_stream *stream, rv_str bytes, rv_buf *out);
void rv_mask_end(const rv_mask *mask, rv_mask_stream *stream, rv_buf *out); /* flush; stream is {0} again */
void rv_mask_whole(const rv_mask *mask, rv_str bytes, rv_buf *out);         /* one complete value */
/* Good JSON (it was parsed before), with its strings and keys masked as they are meant, not as they are spelt (`\u00fc`),
 * and without breaking the syntax; a number that holds a secret becomes a string. Two keys may have become one: parse again. */
void rv_mask_json(const rv_mask *mask, rv_str json, rv_buf *out);

/* ---- logs: a writer and its attempts belong to one thread; readers may be anywhere, while it writes ---- */
#define RV_LOG_NONE UINT64_MAX
typedef struct rv_log_writer rv_log_writer;
/* Open for append; a torn last frame (crash) is cut off first. No file is made before there is output to write.
 * One writer a run at a time: the owner of the store. INVALID: `run` is no file name; CORRUPT: the file is not a log;
 * UNSUPPORTED: of a later version; STORE_IO. *ret is then untouched. Cost: that of one frame, after a crash that of the file. */
RV_MUST_USE rv_status rv_log_open(const char *root, rv_str run, rv_log_writer **ret, rv_error *err);
uint64_t rv_log_torn_size(const rv_log_writer *log); /* bytes that open cut off; 0: none */
/* Flushes; what cannot be written is lost, and said on stderr. All attempts must have ended. NULL is legal. */
void rv_log_close(rv_log_writer *log);
/* One attempt's output: masks it, caps it (size_max bytes: the first half as it comes, the last half when it ends; the cut
 * marked, per stream), chains its frames. mask: borrowed until the end, may be NULL. Costs no allocation when an earlier attempt of
 * this writer has ended. */
typedef struct rv_log_attempt rv_log_attempt;
rv_log_attempt *rv_log_attempt_new(rv_log_writer *log, uint32_t node, uint32_t epoch, uint64_t size_max, const rv_mask *mask);
/* Mask with another set from here on (borrowed until the end); only before the first rv_log_add. */
void rv_log_attempt_mask(rv_log_attempt *attempt, const rv_mask *mask);
/* stream 1 or 2; wall_ms: when it came. Buffered; *ret_text (may be NULL) receives the masked bytes for a live view, valid until
 * the next call and for as long as `bytes`. STORE_IO, STORE_FULL: the buffer is full and cannot be written; nothing of
 * `bytes` was taken, and the same call may be made again. */
RV_MUST_USE rv_status rv_log_add(rv_log_attempt *attempt, int stream, int64_t wall_ms, rv_str bytes, rv_str *ret_text, rv_error *err);
/* The end of `stream` has come: log what the mask still held, since a secret could have begun there, and return it for a live
 * view (valid until the next call; empty without a mask). rv_log_attempt_end does the same for who does not look. */
rv_str rv_log_attempt_rest(rv_log_attempt *attempt, int stream);
/* Buffer what is held, return the offset of the last frame (RV_LOG_NONE: no output) and the bytes each stream produced, before mask
 * and cap. Frees `attempt`, also on failure. The offset is good once the log is flushed. STORE_IO, STORE_FULL: a part of the tail
 * is lost; ret_* say what was taken. ret_* may be NULL. */
RV_MUST_USE rv_status rv_log_attempt_end(rv_log_attempt *attempt, uint64_t *ret_last, uint64_t *ret_stdout_size, uint64_t *ret_stderr_size,
                                         rv_error *err);
/* write(2) what is buffered: it survives the process. On failure nothing is lost: the next flush tries the same again. */
RV_MUST_USE rv_status rv_log_flush(rv_log_writer *log, rv_error *err);
/* Flush and fdatasync: it survives power loss. As flush; after a failed fdatasync what was written since the last is uncertain. */
RV_MUST_USE rv_status rv_log_sync(rv_log_writer *log, rv_error *err);
/* Read the frames of the attempt whose last frame is at `last`, oldest first; stream 0: both. Frame checksums are verified.
 * cut_before: bytes of this stream that were left out before `bytes` (which may be empty, when the cut is at the end). RV_LOG_NONE reads
 * nothing. A status of `fn` other than RV_OK ends the reading and is returned. NOT_FOUND: no log; CORRUPT: what came until then is good. */
typedef rv_status rv_log_fn(void *user, int stream, int64_t wall_ms, uint64_t cut_before, rv_str bytes);
RV_MUST_USE rv_status rv_log_read(const char *root, rv_str run, uint64_t last, int stream, rv_log_fn *fn, void *user, rv_error *err);
/* Read all whole frames from *offset on (0: the beginning), moving it past each that `fn` accepted: for `logs -f` and for attempts
 * without a recorded end. A frame that is not yet whole ends it: RV_OK, as does no log at all. CORRUPT: a frame is damaged. */
typedef rv_status rv_log_scan_fn(void *user, uint32_t node, uint32_t epoch, int stream, int64_t wall_ms, uint64_t cut_before, rv_str bytes);
RV_MUST_USE rv_status rv_log_scan(const char *root, rv_str run, uint64_t *offset, rv_log_scan_fn *fn, void *user, rv_error *err);

#endif
