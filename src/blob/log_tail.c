/* log_tail.c: two rings that advance together: bytes, and the pieces that say whose they are. */
#include "blob/log_tail.h"

#define RING_SIZE_MIN (64u << 10)
#define PIECES_MIN 64u

void rv_tail_deinit(rv_tail *tail)
{
    rv_free(tail->at);
    rv_free(tail->pieces);
    *tail = (rv_tail){0};
}

static rv_tail_piece *piece_at(const rv_tail *tail, uint32_t index)
{
    return &tail->pieces[(tail->piece_begin + index) % tail->piece_capacity];
}

/* Drop `size` bytes, no more than the oldest piece has. */
static void advance(rv_tail *tail, size_t size)
{
    rv_tail_piece *oldest = piece_at(tail, 0);
    RV_ASSERT(size <= oldest->size);
    oldest->size -= size;
    tail->begin = (tail->begin + size) % tail->capacity;
    tail->size -= size;
    if (oldest->size > 0) return;
    tail->piece_begin = (tail->piece_begin + 1) % tail->piece_capacity;
    tail->piece_count--;
}

static void forget(rv_tail *tail, size_t size)
{
    while (size > 0) {
        const rv_tail_piece *oldest = piece_at(tail, 0);
        size_t part = RV_MIN(size, oldest->size);
        tail->cut[oldest->stream] += part;
        advance(tail, part);
        size -= part;
    }
}

static void grow_bytes(rv_tail *tail, size_t need, size_t size_max)
{
    if (need <= tail->capacity) return;
    size_t capacity = RV_MAX(tail->capacity, RV_MIN(RING_SIZE_MIN, size_max));
    while (capacity < need) capacity = capacity > size_max / 2 ? size_max : capacity * 2;
    char *at = rv_alloc(capacity);
    size_t first = RV_MIN(tail->size, tail->capacity - tail->begin);
    if (tail->size) {
        memcpy(at, tail->at + tail->begin, first);
        memcpy(at + first, tail->at, tail->size - first);
    }
    rv_free(tail->at);
    tail->at = at;
    tail->begin = 0;
    tail->capacity = capacity;
}

static void add_piece(rv_tail *tail, int stream, int64_t wall_ms, size_t size)
{
    if (tail->piece_count > 0) {
        rv_tail_piece *newest = piece_at(tail, tail->piece_count - 1);
        if (newest->stream == stream && newest->wall_ms == wall_ms) {
            newest->size += size;
            return;
        }
    }
    if (tail->piece_count == tail->piece_capacity) {
        uint32_t capacity = tail->piece_capacity ? tail->piece_capacity * 2 : PIECES_MIN;
        rv_tail_piece *pieces = rv_alloc(capacity * sizeof *pieces);
        for (uint32_t i = 0; i < tail->piece_count; i++) pieces[i] = *piece_at(tail, i);
        rv_free(tail->pieces);
        tail->pieces = pieces;
        tail->piece_begin = 0;
        tail->piece_capacity = capacity;
    }
    *piece_at(tail, tail->piece_count++) = (rv_tail_piece){.wall_ms = wall_ms, .size = size, .stream = stream};
}

void rv_tail_add(rv_tail *tail, int stream, int64_t wall_ms, rv_str bytes, size_t size_max)
{
    if (bytes.size > size_max) {
        forget(tail, tail->size);
        tail->cut[stream] += bytes.size - size_max;
        bytes = rv_str_from(bytes, bytes.size - size_max);
    }
    if (bytes.size == 0) return;
    if (tail->size + bytes.size > size_max) forget(tail, tail->size + bytes.size - size_max);
    if (tail->piece_count == RV_TAIL_PIECES_MAX) forget(tail, piece_at(tail, 0)->size);
    grow_bytes(tail, tail->size + bytes.size, size_max);

    size_t end = (tail->begin + tail->size) % tail->capacity, first = RV_MIN(bytes.size, tail->capacity - end);
    memcpy(tail->at + end, bytes.at, first);
    memcpy(tail->at, bytes.at + first, bytes.size - first);
    tail->size += bytes.size;
    add_piece(tail, stream, wall_ms, bytes.size);
    RV_ASSERT(tail->size <= size_max);
}

bool rv_tail_take(rv_tail *tail, size_t size_max, rv_tail_piece *ret, rv_str *ret_bytes)
{
    if (tail->piece_count == 0) return false;
    *ret = *piece_at(tail, 0);
    ret->size = RV_MIN(RV_MIN(ret->size, size_max), tail->capacity - tail->begin);
    *ret_bytes = (rv_str){tail->at + tail->begin, ret->size};
    advance(tail, ret->size);
    return true;
}
