/* log_frame.c: bytes ↔ frames. No file is touched here. */
#include "blob/log_frame.h"

#include "base/util.h"
#include "blob/blob.h"

static const char magic[8] = {'\x89', 'R', 'V', 'L', 'O', 'G', '\n', 0};

_Static_assert(sizeof magic + 4 + 4 + 8 == RV_LOG_HEADER_SIZE, "the header is what docs/logs.md says");

static void put_u32(char *at, uint32_t value)
{
    for (int i = 0; i < 4; i++) at[i] = (char)(value >> (8 * i));
}

uint32_t rv_frame_u32(const char *at)
{
    uint32_t value = 0;
    for (int i = 3; i >= 0; i--) value = value << 8 | (uint8_t)at[i];
    return value;
}

static uint32_t check_of(const char *at, size_t size, uint64_t seed) { return (uint32_t)rv_hash64((rv_str){at, size}, seed); }

/* ------------------------------------------------------------------ header */

static uint32_t header_check(uint32_t version, uint64_t base)
{
    char text[12];
    put_u32(text, version);
    put_u32(text + 4, (uint32_t)base);
    put_u32(text + 8, (uint32_t)(base >> 32));
    return check_of(text, sizeof text, 0);
}

void rv_log_header_write(rv_buf *out, int64_t base_ms)
{
    uint64_t base = (uint64_t)base_ms;
    char *at = rv_buf_extend(out, RV_LOG_HEADER_SIZE);
    memcpy(at, magic, sizeof magic);
    put_u32(at + 8, RV_LOG_VERSION);
    put_u32(at + 12, header_check(RV_LOG_VERSION, base));
    put_u32(at + 16, (uint32_t)base);
    put_u32(at + 20, (uint32_t)(base >> 32));
}

rv_status rv_log_header_read(rv_str bytes, int64_t *ret_base_ms)
{
    RV_ASSERT(bytes.size >= RV_LOG_HEADER_SIZE);
    if (memcmp(bytes.at, magic, sizeof magic) != 0) return RV_CORRUPT;
    uint32_t version = rv_frame_u32(bytes.at + 8);
    if (version > RV_LOG_VERSION) return RV_UNSUPPORTED;
    uint64_t base = (uint64_t)rv_frame_u32(bytes.at + 20) << 32 | rv_frame_u32(bytes.at + 16);
    if (rv_frame_u32(bytes.at + 12) != header_check(version, base)) return RV_CORRUPT;
    *ret_base_ms = (int64_t)base;
    return RV_OK;
}

/* ------------------------------------------------------------------ frames */

void rv_frame_begin(rv_buf *out, const rv_frame *frame, int64_t base_ms)
{
    RV_ASSERT(frame->stream == 1 || frame->stream == 2);
    RV_ASSERT(frame->prev == RV_LOG_NONE || frame->prev < frame->offset);
    (void)rv_buf_extend(out, 8); /* size and check, written by seal */
    rv_buf_varint(out, frame->node);
    rv_buf_varint(out, frame->epoch);
    rv_buf_byte(out, (char)((uint32_t)frame->stream | (frame->cut_before ? RV_FRAME_CUT : 0)));
    rv_buf_varint_signed(out, (int64_t)((uint64_t)frame->wall_ms - (uint64_t)base_ms));
    rv_buf_varint(out, frame->prev == RV_LOG_NONE ? 0 : frame->offset - frame->prev);
    if (frame->cut_before) rv_buf_varint(out, frame->cut_before);
}

void rv_frame_seal(rv_buf *out, size_t begin, uint64_t frame_offset)
{
    size_t body_size = out->size - begin - 8;
    RV_ASSERT(body_size + RV_FRAME_EDGE_SIZE <= RV_FRAME_SIZE_MAX);
    (void)rv_buf_extend(out, 4);
    char *at = out->at + begin;
    put_u32(at, (uint32_t)body_size);
    put_u32(at + 4, check_of(at + 8, body_size, frame_offset));
    put_u32(at + 8 + body_size, (uint32_t)body_size);
}

/* The fields in front of the payload, from body[0..]; *ret_at: where the payload begins. */
static bool head_read(const char *at, const char *end, int64_t base_ms, rv_frame *frame, const char **ret_at)
{
    uint64_t node, epoch, back;
    int64_t wall;
    if (!rv_varint_read(&at, end, &node) || !rv_varint_read(&at, end, &epoch) || at == end) return false;
    uint32_t flags = (uint8_t)*at++;
    if (!rv_varint_read_signed(&at, end, &wall) || !rv_varint_read(&at, end, &back)) return false;
    frame->cut_before = 0;
    if ((flags & RV_FRAME_CUT) && !rv_varint_read(&at, end, &frame->cut_before)) return false;
    frame->stream = (int)(flags & RV_FRAME_STREAM);
    if (flags > (RV_FRAME_STREAM | RV_FRAME_CUT) || frame->stream == 0 || frame->stream == 3) return false;
    if (node > UINT32_MAX || epoch > UINT32_MAX || back > frame->offset) return false;
    if (back && frame->offset - back < RV_LOG_HEADER_SIZE) return false;
    frame->node = (uint32_t)node;
    frame->epoch = (uint32_t)epoch;
    frame->prev = back ? frame->offset - back : RV_LOG_NONE;
    frame->wall_ms = (int64_t)((uint64_t)base_ms + (uint64_t)wall);
    *ret_at = at;
    return true;
}

rv_frame_result rv_frame_peek(rv_str bytes, uint64_t offset, int64_t base_ms, rv_frame *ret)
{
    if (bytes.size < 4) return RV_FRAME_SHORT;
    uint32_t body_size = rv_frame_u32(bytes.at);
    if (body_size > RV_FRAME_SIZE_MAX - RV_FRAME_EDGE_SIZE) return RV_FRAME_BAD;
    if (bytes.size < 8 + RV_MIN(body_size, RV_FRAME_HEAD_MAX)) return RV_FRAME_SHORT;
    rv_frame frame = {.offset = offset, .size = body_size + RV_FRAME_EDGE_SIZE};
    const char *body = bytes.at + 8, *end = body + RV_MIN(body_size, bytes.size - 8), *payload;
    if (!head_read(body, end, base_ms, &frame, &payload)) return RV_FRAME_BAD;
    *ret = frame;
    return RV_FRAME_OK;
}

rv_frame_result rv_frame_read(rv_str bytes, uint64_t offset, int64_t base_ms, rv_frame *ret)
{
    if (bytes.size < 4) return RV_FRAME_SHORT;
    uint32_t body_size = rv_frame_u32(bytes.at);
    if (body_size > RV_FRAME_SIZE_MAX - RV_FRAME_EDGE_SIZE) return RV_FRAME_BAD;
    if (bytes.size < body_size + RV_FRAME_EDGE_SIZE) return RV_FRAME_SHORT;
    rv_frame frame = {.offset = offset, .size = body_size + RV_FRAME_EDGE_SIZE};
    const char *body = bytes.at + 8, *end = body + body_size, *payload;
    if (rv_frame_u32(end) != body_size || check_of(body, body_size, offset) != rv_frame_u32(bytes.at + 4)) return RV_FRAME_BAD;
    if (!head_read(body, end, base_ms, &frame, &payload)) return RV_FRAME_BAD;
    frame.payload = (rv_str){payload, (size_t)(end - payload)};
    *ret = frame;
    return RV_FRAME_OK;
}
