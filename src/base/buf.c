/* buf.c: bytes that grow. Invariant: at == NULL and both sizes 0, or size < capacity and at[size] == 0. */
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

#define CAPACITY_MIN ((size_t)64)

void rv_buf_deinit(rv_buf *buf)
{
    rv_free(buf->at);
    *buf = (rv_buf){0};
}

static bool wanted_capacity(const rv_buf *buf, size_t more, size_t *ret)
{
    size_t need;
    if (__builtin_add_overflow(buf->size, more, &need) || need > SIZE_MAX / 2) return false;
    *ret = RV_MAX(RV_MAX(need + 1, buf->capacity + buf->capacity / 2), CAPACITY_MIN);
    return true;
}

rv_status rv_buf_reserve(rv_buf *buf, size_t more)
{
    if (more < buf->capacity - buf->size) return RV_OK;
    size_t capacity;
    if (!wanted_capacity(buf, more, &capacity)) return RV_NO_MEMORY;
    char *at = rv_realloc_try(buf->at, capacity);
    if (!at) return RV_NO_MEMORY;
    at[buf->size] = 0;
    buf->at = at;
    buf->capacity = capacity;
    return RV_OK;
}

char *rv_buf_extend(rv_buf *buf, size_t more)
{
    if (more >= buf->capacity - buf->size) {
        size_t capacity;
        RV_ASSERT(wanted_capacity(buf, more, &capacity));
        buf->at = rv_realloc(buf->at, capacity);
        buf->capacity = capacity;
    }
    char *at = buf->at + buf->size;
    buf->size += more;
    buf->at[buf->size] = 0;
    return at;
}

void rv_buf_add(rv_buf *buf, const void *bytes, size_t size)
{
    char *at = rv_buf_extend(buf, size);
    if (size) memcpy(at, bytes, size);
}

void rv_buf_byte(rv_buf *buf, char byte) { *rv_buf_extend(buf, 1) = byte; }
void rv_buf_str_add(rv_buf *buf, rv_str text) { rv_buf_add(buf, text.at, text.size); }
void rv_buf_cstring(rv_buf *buf, const char *text) { rv_buf_add(buf, text, strlen(text)); }

void rv_buf_vprintf(rv_buf *buf, const char *fmt, va_list args)
{
    va_list again;
    va_copy(again, args);
    size_t room = buf->capacity - buf->size; /* counts the spare byte, as vsnprintf does */
    int size = vsnprintf(buf->at ? buf->at + buf->size : NULL, room, fmt, args);
    RV_ASSERT(size >= 0);
    if ((size_t)size < room) {
        buf->size += (size_t)size;
    } else {
        char *at = rv_buf_extend(buf, (size_t)size);
        vsnprintf(at, (size_t)size + 1, fmt, again);
    }
    va_end(again);
}

void rv_buf_printf(rv_buf *buf, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    rv_buf_vprintf(buf, fmt, args);
    va_end(args);
}

void rv_buf_u64(rv_buf *buf, uint64_t value)
{
    char digits[20];
    size_t from = sizeof digits;
    do {
        digits[--from] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    rv_buf_add(buf, digits + from, sizeof digits - from);
}

void rv_buf_i64(rv_buf *buf, int64_t value)
{
    if (value < 0) rv_buf_byte(buf, '-');
    rv_buf_u64(buf, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

/* LEB128: seven bits a byte, least significant first, the top bit says that more follow (DWARF 5, 7.6). */
void rv_buf_varint(rv_buf *buf, uint64_t value)
{
    enum { VARINT_SIZE_MAX = 10 };
    if (value < 0x80 && buf->capacity - buf->size > 1) { /* most are small, and there mostly is room */
        buf->at[buf->size++] = (char)value;
        buf->at[buf->size] = 0;
        return;
    }
    char *at = rv_buf_extend(buf, VARINT_SIZE_MAX);
    size_t size = 0;
    while (value >= 0x80) {
        at[size++] = (char)(value | 0x80);
        value >>= 7;
    }
    at[size++] = (char)value;
    at[size] = 0;
    buf->size -= VARINT_SIZE_MAX - size;
}

void rv_buf_varint_signed(rv_buf *buf, int64_t value)
{
    rv_buf_varint(buf, ((uint64_t)value << 1) ^ (uint64_t)(value >> 63));
}

bool rv_varint_read(const char **at, const char *end, uint64_t *ret)
{
    uint64_t value = 0;
    const char *byte = *at;
    if (byte < end && !((unsigned char)*byte & 0x80)) {
        *ret = (unsigned char)*byte;
        *at = byte + 1;
        return true;
    }
    for (unsigned shift = 0; shift < 70 && byte < end; shift += 7) {
        uint64_t bits = (unsigned char)*byte & 0x7f;
        if (shift == 63 && bits > 1) return false;
        value |= bits << shift;
        if (!((unsigned char)*byte++ & 0x80)) {
            *at = byte;
            *ret = value;
            return true;
        }
    }
    return false;
}

bool rv_varint_read_signed(const char **at, const char *end, int64_t *ret)
{
    uint64_t zigzag;
    if (!rv_varint_read(at, end, &zigzag)) return false;
    *ret = (int64_t)((zigzag >> 1) ^ (0 - (zigzag & 1)));
    return true;
}
