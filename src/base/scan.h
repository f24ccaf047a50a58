/* scan.h: private to base: the inner loops over text that the JSON reader, the JSON writer and UTF-8 share. */
#ifndef RV_SCAN_H
#define RV_SCAN_H

#include "base/base.h"
#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* A byte that may stand in a JSON string as it is and needs no further look. */
static inline bool rv_scan_is_plain(unsigned char byte) { return byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\'; }

static inline uint64_t rv_scan_load(const char *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

#define RV_SCAN_ONES 0x0101010101010101ull
#define RV_SCAN_TOPS 0x8080808080808080ull

/* Is every byte of `word` plain? Byte-wise tests in one word: x - 0x20 borrows for control bytes; the exclusive or
 * is zero where the byte is sought, and subtracting one then borrows (Hacker's Delight, 6-1). A borrow can only
 * run on from a byte that is itself not plain, so the answer for the whole word is exact. */
static inline bool rv_scan_word_is_plain(uint64_t word)
{
    uint64_t quote = word ^ RV_SCAN_ONES * '"', slash = word ^ RV_SCAN_ONES * '\\';
    uint64_t bad = word | (word - RV_SCAN_ONES * 0x20) | (quote - RV_SCAN_ONES) | (slash - RV_SCAN_ONES);
    return (bad & RV_SCAN_TOPS) == 0;
}

/* The first byte in [at, end) that is a quote, a backslash, a control byte or not ASCII; `end` if there is none.
 * Never reads outside [at, end). */
static inline const char *rv_scan_plain(const char *at, const char *end)
{
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\'), space = _mm_set1_epi8(0x20);
    for (; end - at >= 16; at += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
        /* as signed numbers, control bytes and bytes from 0x80 are both below the space */
        __m128i bad = _mm_or_si128(_mm_cmplt_epi8(bytes, space), _mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, slash)));
        unsigned mask = (unsigned)_mm_movemask_epi8(bad);
        if (mask) return at + __builtin_ctz(mask);
    }
#endif
    for (; end - at >= 8; at += 8)
        if (!rv_scan_word_is_plain(rv_scan_load(at))) break;
    while (at < end && rv_scan_is_plain((unsigned char)*at)) at++;
    return at;
}

/* The first byte in [at, end) that is not ASCII, or `end`. */
static inline const char *rv_scan_ascii(const char *at, const char *end)
{
    for (; end - at >= 16; at += 16)
        if ((rv_scan_load(at) | rv_scan_load(at + 8)) & RV_SCAN_TOPS) break;
    while (at < end && (unsigned char)*at < 0x80) at++;
    return at;
}

/* Size (1 to 4) of the UTF-8 sequence at `at`, or 0 when it is not valid (RFC 3629, section 4). */
static inline size_t rv_scan_utf8(const char *at, const char *end)
{
    const unsigned char *s = (const unsigned char *)at;
    size_t room = (size_t)(end - at);
    if (room == 0) return 0;
    if (s[0] < 0x80) return 1;
    if (s[0] < 0xc2 || s[0] > 0xf4) return 0;
    if (room < 2 || (s[1] & 0xc0) != 0x80) return 0;
    if (s[0] < 0xe0) return 2;
    if (s[0] == 0xe0 && s[1] < 0xa0) return 0; /* overlong */
    if (s[0] == 0xed && s[1] > 0x9f) return 0; /* surrogates */
    if (s[0] == 0xf0 && s[1] < 0x90) return 0; /* overlong */
    if (s[0] == 0xf4 && s[1] > 0x8f) return 0; /* above U+10FFFF */
    if (room < 3 || (s[2] & 0xc0) != 0x80) return 0;
    if (s[0] < 0xf0) return 3;
    return room < 4 || (s[3] & 0xc0) != 0x80 ? 0 : 4;
}

/* Code point of the valid sequence of `size` bytes at `at`. */
static inline uint32_t rv_scan_code_point(const char *at, size_t size)
{
    const unsigned char *s = (const unsigned char *)at;
    if (size == 1) return s[0];
    if (size == 2) return (uint32_t)(s[0] & 0x1f) << 6 | (s[1] & 0x3f);
    if (size == 3) return (uint32_t)(s[0] & 0x0f) << 12 | (uint32_t)(s[1] & 0x3f) << 6 | (s[2] & 0x3f);
    return (uint32_t)(s[0] & 0x07) << 18 | (uint32_t)(s[1] & 0x3f) << 12 | (uint32_t)(s[2] & 0x3f) << 6 | (s[3] & 0x3f);
}

#endif
