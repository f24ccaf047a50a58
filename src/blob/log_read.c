/* log_read.c: the two ways to read a log: one attempt by its chain, or everything in the order in which it came.
 *
 * The chain is walked backwards over the heads of frames alone, which gives their offsets; then forwards over whole
 * frames, each verified. Offsets fall strictly along the chain, so that a damaged one cannot make it endless. */
#include <errno.h>

#include "blob/blob.h"
#include "blob/file.h"
#include "blob/log_file.h"

typedef struct link_place { uint64_t offset; uint32_t size; } link_place;
typedef RV_VEC(link_place) link_places;

static rv_status damaged(const rv_log_file *file, uint64_t offset, rv_error *err)
{
    return rv_error_set(err, RV_CORRUPT, "%s: the frame at offset %llu is damaged", file->path.at, (unsigned long long)offset);
}

static rv_status read_at(const rv_log_file *file, char *at, size_t size, uint64_t offset, rv_str *ret, rv_error *err)
{
    ssize_t count = rv_file_read(file->fd, at, size, (off_t)offset);
    if (count < 0) return rv_error_set(err, RV_STORE_IO, "%s: cannot read: %s", file->path.at, strerror(errno));
    *ret = (rv_str){at, (size_t)count};
    return RV_OK;
}

/* Places of the attempt's frames, newest first. */
static rv_status collect(const rv_log_file *file, uint64_t last, link_places *ret, rv_error *err)
{
    char head[RV_FRAME_PEEK_SIZE];
    rv_frame newest = {0};
    for (uint64_t offset = last; offset != RV_LOG_NONE;) {
        rv_str bytes;
        rv_frame frame;
        rv_status status = read_at(file, head, sizeof head, offset, &bytes, err);
        if (status != RV_OK) return status;
        if (rv_frame_peek(bytes, offset, file->base_ms, &frame) != RV_FRAME_OK) return damaged(file, offset, err);
        if (ret->count == 0) newest = frame;
        if (frame.node != newest.node || frame.epoch != newest.epoch) return damaged(file, offset, err);
        rv_vec_push(ret, ((link_place){offset, frame.size}));
        RV_ASSERT(frame.prev == RV_LOG_NONE || frame.prev < offset);
        offset = frame.prev;
    }
    return RV_OK;
}

rv_status rv_log_read(const char *root, rv_str run, uint64_t last, int stream, rv_log_fn *fn, void *user, rv_error *err)
{
    rv_log_file file;
    link_places places = {0};
    if (last == RV_LOG_NONE) return RV_OK;
    rv_status status = rv_log_file_open(root, run, false, &file, err);
    if (status != RV_OK) return status;
    if (!file.has_header) status = rv_error_set(err, RV_NOT_FOUND, "%s: there is no log", file.path.at);
    else if (last < RV_LOG_HEADER_SIZE || last >= file.size) status = damaged(&file, last, err);
    if (status == RV_OK) status = collect(&file, last, &places, err);

    char *chunk = status == RV_OK ? rv_alloc(RV_FRAME_SIZE_MAX) : NULL;
    for (uint32_t i = places.count; i > 0 && status == RV_OK; i--) {
        const link_place *place = &places.at[i - 1];
        rv_frame frame;
        rv_str bytes;
        status = read_at(&file, chunk, place->size, place->offset, &bytes, err);
        if (status != RV_OK) break;
        if (rv_frame_read(bytes, place->offset, file.base_ms, &frame) != RV_FRAME_OK) status = damaged(&file, place->offset, err);
        else if (stream == 0 || frame.stream == stream) status = fn(user, frame.stream, frame.wall_ms, frame.cut_before, frame.payload);
    }
    rv_free(chunk);
    rv_vec_deinit(&places);
    rv_log_file_close(&file);
    return status;
}

typedef struct scan_call { rv_log_scan_fn *fn; void *user; } scan_call;

static rv_status scan_frame(void *user, const rv_frame *frame)
{
    const scan_call *call = user;
    return call->fn(call->user, frame->node, frame->epoch, frame->stream, frame->wall_ms, frame->cut_before, frame->payload);
}

rv_status rv_log_scan(const char *root, rv_str run, uint64_t *offset, rv_log_scan_fn *fn, void *user, rv_error *err)
{
    rv_log_file file;
    rv_frame_result last = RV_FRAME_OK;
    rv_status status = rv_log_file_open(root, run, false, &file, err);
    if (status != RV_OK) return status;
    if (file.has_header) {
        scan_call call = {fn, user};
        if (*offset < RV_LOG_HEADER_SIZE) *offset = RV_LOG_HEADER_SIZE;
        status = rv_log_file_each(&file, offset, scan_frame, &call, &last, err);
        /* A frame that reaches past a clean end is not one that is still being written: its size is wrong. */
        bool is_bad = last == RV_FRAME_BAD || (last == RV_FRAME_SHORT && *offset < file.size && rv_log_file_has_clean_end(&file));
        if (status == RV_OK && is_bad) status = damaged(&file, *offset, err);
    }
    rv_log_file_close(&file);
    return status;
}
