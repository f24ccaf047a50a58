/* log.c: the writer of a run's log: many attempts at once, one append-only segment file.
 *
 *   file   [header][ a1 ][ b1 ][ a2 ][ a3 ][ b2 ]        a, b: attempts; an arrow leads to the frame before
 *              none ◄──┘    ▲───────│─────────┘
 *                      ▲────────────┘ ◄───┘
 *
 *  (1) A frame's offset is known when it is begun, long before it is written: the buffer holds what follows the file's
 *      end, gapless. So the last offset of an attempt is good as soon as the buffer is flushed.
 *  (2) A flush is one pwrite at the file's end. When it fails the buffer stays and the end does not move: the next
 *      flush writes the same bytes at the same place, and a half-written frame is never followed by another.
 *  (3) At most one frame is open, the last in the buffer; it takes more bytes of the same attempt, stream and
 *      millisecond, so that a child which writes byte by byte does not cost a frame a byte.
 *  (4) Of an attempt's masked output the first half of size_max goes out as it comes, what follows waits in a tail that
 *      keeps the last half; the tail is written at the end of the attempt, marked if something was forgotten.
 *  (5) An attempt without output costs a struct from a pool: no allocation (after the first), no write, no file.
 *
 * A crash leaves a prefix of what was flushed; open cuts a torn frame off its end. The bytes: log_frame.h. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/failpoint.h"
#include "blob/blob.h"
#include "blob/file.h"
#include "blob/log_file.h"
#include "blob/log_tail.h"

#define FLUSH_SIZE (256u << 10) /* once the buffer has so many bytes the next add writes it first */

struct rv_log_attempt {
    rv_log_writer *log;
    uint32_t node, epoch;
    uint64_t last;              /* offset of its newest frame, RV_LOG_NONE */
    uint64_t head_left, tail_max; /* keeps (4) */
    const rv_mask *mask;
    rv_mask_stream masks[3];    /* by stream; 0 is not used, here and below */
    uint64_t produced[3];
    int64_t wall_ms[3];         /* of the last add */
    rv_tail tail;
    rv_buf text;                /* masked bytes of the last add; its memory stays with the pool */
    rv_log_attempt *next;       /* in the pool */
};

struct rv_log_writer {
    rv_buf root, dir;    /* ROOT, ROOT/logs */
    rv_log_file file;    /* fd -1 until the first flush; size: its end, where the buffer begins */
    rv_buf buf;
    rv_log_attempt *open_attempt; /* owner of the open frame, NULL: none is open */
    int open_stream;
    int64_t open_wall_ms;
    size_t open_at, open_payload_size; /* where it begins in buf; bytes of payload so far */
    bool is_dir_synced;
    uint64_t torn_size;
    rv_log_attempt *pool;
    uint32_t live_count;
};

/* -------------------------------------------------------------- open, close */

static rv_status keep_frame(void *user, const rv_frame *frame) { return RV_OK; }

/* Cut what a crash left half-written: everything from the first frame on that is not whole. */
static rv_status cut_torn_end(rv_log_writer *log, rv_error *err)
{
    rv_log_file *file = &log->file;
    uint64_t end = 0;
    if (file->has_header && rv_log_file_has_clean_end(file)) return RV_OK;
    if (file->has_header) {
        end = RV_LOG_HEADER_SIZE;
        rv_status status = rv_log_file_each(file, &end, keep_frame, NULL, NULL, err);
        if (status != RV_OK) return status;
    }
    if (ftruncate(file->fd, (off_t)end) != 0)
        return rv_error_set(err, rv_file_status(errno), "%s: cannot cut its torn end: %s", file->path.at, strerror(errno));
    log->torn_size = file->size - end;
    file->size = end;
    return RV_OK;
}

rv_status rv_log_open(const char *root, rv_str run, rv_log_writer **ret, rv_error *err)
{
    rv_log_file file;
    rv_status status = rv_log_file_open(root, run, true, &file, err);
    if (status != RV_OK) return status;
    rv_log_writer *log = rv_alloc(sizeof *log);
    log->file = file;
    rv_buf_cstring(&log->root, root);
    rv_buf_printf(&log->dir, "%s/logs", root);
    if (file.fd >= 0) status = cut_torn_end(log, err);
    if (status == RV_OK) *ret = log;
    else rv_log_close(log);
    return status;
}

uint64_t rv_log_torn_size(const rv_log_writer *log) { return log->torn_size; }

void rv_log_close(rv_log_writer *log)
{
    rv_error err;
    if (!log) return;
    RV_ASSERT(log->live_count == 0);
    if (rv_log_flush(log, &err) != RV_OK) rv_log(RV_LOG_ERROR, "%s; %zu bytes of output are lost", err.text, log->buf.size);
    while (log->pool) {
        rv_log_attempt *attempt = log->pool;
        log->pool = attempt->next;
        rv_buf_deinit(&attempt->text);
        rv_free(attempt);
    }
    rv_log_file_close(&log->file);
    rv_buf_deinit(&log->root);
    rv_buf_deinit(&log->dir);
    rv_buf_deinit(&log->buf);
    rv_free(log);
}

/* ------------------------------------------------------------ buffer, flush */

static void seal(rv_log_writer *log)
{
    if (!log->open_attempt) return;
    rv_frame_seal(&log->buf, log->open_at, log->file.size + log->open_at);
    log->open_attempt = NULL;
}

static rv_status create(rv_log_writer *log, rv_error *err)
{
    const char *path = log->file.path.at;
    if (rv_file_make_dir(log->dir.at, NULL)) log->file.fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (log->file.fd >= 0) return RV_OK;
    return rv_error_set(err, rv_file_status(errno), "%s: cannot make the log: %s", path, strerror(errno));
}

rv_status rv_log_flush(rv_log_writer *log, rv_error *err)
{
    seal(log);
    if (log->buf.size == 0) return RV_OK;
    rv_status status = log->file.fd < 0 ? create(log, err) : RV_OK;
    if (status != RV_OK) return status;
    RV_FAIL_POINT(LOG_BEFORE_FLUSH);
    if (!rv_file_write(log->file.fd, rv_buf_str(&log->buf), (off_t)log->file.size)) /* keeps (2) */
        return rv_error_set(err, rv_file_status(errno), "%s: cannot write: %s", log->file.path.at, strerror(errno));
    RV_FAIL_POINT(LOG_AFTER_FLUSH);
    log->file.size += log->buf.size;
    rv_buf_clear(&log->buf);
    return RV_OK;
}

rv_status rv_log_sync(rv_log_writer *log, rv_error *err)
{
    rv_status status = rv_log_flush(log, err);
    if (status != RV_OK || log->file.fd < 0) return status;
    bool is_synced = fdatasync(log->file.fd) == 0;
    if (!log->is_dir_synced) is_synced = is_synced && rv_file_sync_dir(log->dir.at) && rv_file_sync_dir(log->root.at);
    if (!is_synced)
        return rv_error_set(err, rv_file_status(errno), "%s: cannot sync: %s", log->file.path.at, strerror(errno));
    log->is_dir_synced = true;
    return RV_OK;
}

/* Room for a piece in the buffer, writing it out when it is full. */
static rv_status make_room(rv_log_writer *log, rv_error *err)
{
    return log->buf.size < FLUSH_SIZE ? RV_OK : rv_log_flush(log, err);
}

static void open_frame(rv_log_attempt *attempt, int stream, int64_t wall_ms, uint64_t cut_before)
{
    rv_log_writer *log = attempt->log;
    seal(log);
    if (!log->file.has_header) {
        RV_ASSERT(log->file.size == 0 && log->buf.size == 0);
        log->file.base_ms = wall_ms;
        log->file.has_header = true;
        rv_log_header_write(&log->buf, wall_ms);
    }
    rv_frame frame = {
        .offset = log->file.size + log->buf.size, /* keeps (1) */
        .prev = attempt->last,
        .node = attempt->node,
        .epoch = attempt->epoch,
        .stream = stream,
        .wall_ms = wall_ms,
        .cut_before = cut_before,
    };
    log->open_at = log->buf.size;
    rv_frame_begin(&log->buf, &frame, log->file.base_ms);
    log->open_attempt = attempt;
    log->open_stream = stream;
    log->open_wall_ms = wall_ms;
    log->open_payload_size = 0;
    attempt->last = frame.offset;
}

/* Put bytes into frames. Without bytes only a cut is marked. */
static void put(rv_log_attempt *attempt, int stream, int64_t wall_ms, uint64_t cut_before, rv_str bytes)
{
    rv_log_writer *log = attempt->log;
    if (cut_before) open_frame(attempt, stream, wall_ms, cut_before);
    while (bytes.size > 0) {
        bool can_join = log->open_attempt == attempt && log->open_stream == stream && log->open_wall_ms == wall_ms &&
                        log->open_payload_size < RV_FRAME_PAYLOAD_MAX; /* keeps (3) */
        if (!can_join) open_frame(attempt, stream, wall_ms, 0);
        size_t size = RV_MIN(bytes.size, RV_FRAME_PAYLOAD_MAX - log->open_payload_size);
        rv_buf_add(&log->buf, bytes.at, size);
        log->open_payload_size += size;
        bytes = rv_str_from(bytes, size);
    }
}

/* ----------------------------------------------------------------- attempts */

rv_log_attempt *rv_log_attempt_new(rv_log_writer *log, uint32_t node, uint32_t epoch, uint64_t size_max, const rv_mask *mask)
{
    rv_log_attempt *attempt = log->pool;
    if (attempt) log->pool = attempt->next;
    else attempt = rv_alloc(sizeof *attempt);
    rv_buf text = attempt->text;
    *attempt = (rv_log_attempt){
        .log = log,
        .node = node,
        .epoch = epoch,
        .last = RV_LOG_NONE,
        .head_left = size_max / 2,
        .tail_max = size_max - size_max / 2,
        .mask = mask,
        .text = text,
    };
    log->live_count++;
    return attempt;
}

/* Masked bytes to head or tail; keeps (4). */
static void take(rv_log_attempt *attempt, int stream, rv_str bytes)
{
    int64_t wall_ms = attempt->wall_ms[stream];
    size_t head_size = (size_t)RV_MIN(attempt->head_left, bytes.size);
    put(attempt, stream, wall_ms, 0, rv_str_cut(bytes, 0, head_size));
    attempt->head_left -= head_size;
    rv_tail_add(&attempt->tail, stream, wall_ms, rv_str_from(bytes, head_size), (size_t)attempt->tail_max);
}

void rv_log_attempt_mask(rv_log_attempt *attempt, const rv_mask *mask)
{
    RV_ASSERT(attempt->masks[1].held.size == 0 && attempt->masks[2].held.size == 0);
    attempt->mask = mask;
}

rv_status rv_log_add(rv_log_attempt *attempt, int stream, int64_t wall_ms, rv_str bytes, rv_str *ret_text, rv_error *err)
{
    RV_ASSERT(stream == 1 || stream == 2);
    rv_status status = make_room(attempt->log, err);
    if (status != RV_OK) return status;
    rv_str text = bytes;
    if (attempt->mask) {
        rv_buf_clear(&attempt->text);
        rv_mask_feed(attempt->mask, &attempt->masks[stream], bytes, &attempt->text);
        text = rv_buf_str(&attempt->text);
    }
    attempt->produced[stream] += bytes.size;
    attempt->wall_ms[stream] = wall_ms;
    take(attempt, stream, text);
    if (ret_text) *ret_text = text;
    return RV_OK;
}

static rv_status write_tail(rv_log_attempt *attempt, rv_error *err)
{
    rv_tail_piece piece;
    rv_str bytes;
    rv_status status = RV_OK;
    uint64_t *cut = attempt->tail.cut; /* by stream; 0 once it is marked */
    while (status == RV_OK && rv_tail_take(&attempt->tail, RV_FRAME_PAYLOAD_MAX, &piece, &bytes)) {
        status = make_room(attempt->log, err);
        if (status != RV_OK) break;
        put(attempt, piece.stream, piece.wall_ms, cut[piece.stream], bytes);
        cut[piece.stream] = 0;
    }
    for (int stream = 1; stream <= 2 && status == RV_OK; stream++)
        if (cut[stream]) put(attempt, stream, attempt->wall_ms[stream], cut[stream], (rv_str){0});
    return status;
}

rv_str rv_log_attempt_rest(rv_log_attempt *attempt, int stream)
{
    RV_ASSERT(stream == 1 || stream == 2);
    if (!attempt->mask) return (rv_str){NULL, 0};
    rv_buf_clear(&attempt->text);
    rv_mask_end(attempt->mask, &attempt->masks[stream], &attempt->text);
    if (attempt->text.size) take(attempt, stream, rv_buf_str(&attempt->text));
    return rv_buf_str(&attempt->text);
}

rv_status rv_log_attempt_end(rv_log_attempt *attempt, uint64_t *ret_last, uint64_t *ret_stdout_size, uint64_t *ret_stderr_size,
                             rv_error *err)
{
    rv_log_writer *log = attempt->log;
    for (int stream = 1; stream <= 2; stream++) (void)rv_log_attempt_rest(attempt, stream);
    rv_status status = write_tail(attempt, err);
    if (log->open_attempt == attempt) seal(log); /* the struct will be another attempt's */
    if (ret_last) *ret_last = attempt->last;
    if (ret_stdout_size) *ret_stdout_size = attempt->produced[1];
    if (ret_stderr_size) *ret_stderr_size = attempt->produced[2];
    rv_tail_deinit(&attempt->tail);
    attempt->next = log->pool;
    log->pool = attempt;
    log->live_count--;
    return status;
}
