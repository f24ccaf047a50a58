/* log_frame.h: the bytes of a log segment (docs/logs.md is the same for people). Private to blob/. Pure.
 *
 *   header   magic 8 | version u32 | check u32 | base_ms i64                            all numbers little endian
 *   frame    size u32 | check u32 | body (size bytes) | size u32
 *   body     node v | epoch v | flags u8 | wall z | back v | [cut v] | payload
 *
 * v, z: LEB128 varints, z zigzag. flags: bits 0–1 the stream, bit 2 RV_FRAME_CUT. wall: ms after base_ms. back: this frame's
 * offset less that of the attempt's frame before it, 0 for none. check: low 32 bits of XXH3-64 of the body (header:
 * of version and base_ms), seeded with the frame's offset, so that a frame is valid only where it was written. The size
 * behind a frame lets open look at the last frame without reading the others. */
#ifndef RV_BLOB_LOG_FRAME_H
#define RV_BLOB_LOG_FRAME_H

#include "base/mem.h"

#define RV_LOG_VERSION 1u
#define RV_LOG_HEADER_SIZE 24u
#define RV_FRAME_EDGE_SIZE 12u                      /* size, check, size */
#define RV_FRAME_HEAD_MAX (5u + 5u + 1u + 10u + 10u + 10u) /* body before the payload */
#define RV_FRAME_PAYLOAD_MAX (64u << 10)
#define RV_FRAME_SIZE_MAX (RV_FRAME_EDGE_SIZE + RV_FRAME_HEAD_MAX + RV_FRAME_PAYLOAD_MAX)
#define RV_FRAME_STREAM 3u
#define RV_FRAME_CUT 4u

typedef struct rv_frame {
    uint64_t offset, prev; /* in the file; prev RV_LOG_NONE (UINT64_MAX): the attempt's first */
    uint32_t node, epoch;
    int stream;            /* 1 or 2 */
    int64_t wall_ms;       /* since the Unix epoch */
    uint64_t cut_before;   /* bytes of this stream left out before this frame */
    rv_str payload;        /* points into the bytes that were read */
    uint32_t size;         /* of the whole frame */
} rv_frame;

/* Append a header to `out`. base_ms: the wall time that frames count from. */
void rv_log_header_write(rv_buf *out, int64_t base_ms);
/* CORRUPT: not a log, or damaged. UNSUPPORTED: a later version. bytes.size ≥ RV_LOG_HEADER_SIZE. */
RV_MUST_USE rv_status rv_log_header_read(rv_str bytes, int64_t *ret_base_ms);

/* Begin a frame at the end of `out`, whose payload the caller then appends; payload is not looked at. */
void rv_frame_begin(rv_buf *out, const rv_frame *frame, int64_t base_ms);
/* Complete the frame that begins at `begin` in `out` and at frame_offset in the file: sizes and check. */
void rv_frame_seal(rv_buf *out, size_t begin, uint64_t frame_offset);

typedef enum rv_frame_result {
    RV_FRAME_OK,
    RV_FRAME_SHORT, /* more bytes are needed */
    RV_FRAME_BAD,
} rv_frame_result;
/* The frame at the start of `bytes`, which lie at `offset` in the file. Everything is verified. */
rv_frame_result rv_frame_read(rv_str bytes, uint64_t offset, int64_t base_ms, rv_frame *ret);
/* The same from the first RV_FRAME_PEEK_SIZE bytes of a frame (fewer at the end of the file), without size behind and check. */
#define RV_FRAME_PEEK_SIZE (8u + RV_FRAME_HEAD_MAX)
rv_frame_result rv_frame_peek(rv_str bytes, uint64_t offset, int64_t base_ms, rv_frame *ret);
/* The u32 at `at`, little endian: the size behind a frame. */
uint32_t rv_frame_u32(const char *at);

#endif
