/* json_read.c: the pull reader: RFC 8259 to the letter, one pass, no recursion, no allocation.
 *
 * Between two tokens the reader is in one of a few states; containers are a bit each in `is_object`:
 *
 *   VALUE         a value must come               (start, after ':' and after ',' in an array)
 *   FIRST_ITEM    a value or ']' may come         (after '[')
 *   FIRST_KEY     a key or '}' may come           (after '{')
 *   AFTER         ',' or the closing bracket, or nothing but white space when depth is 0
 *   FAILED        for ever
 *
 * A key is returned once its ':' was seen. Every error has the offset of the byte that is to blame; where the text
 * ends too early that is the end of the text. Tested by: tests/unit/test_base_json_read.c, tests/fuzz/fuzz_json.c. */
#include "base/json.h"

#include "base/json_private.h"
#include "base/scan.h"

enum { VALUE, FIRST_ITEM, FIRST_KEY, AFTER, FAILED };

_Static_assert(RV_JSON_DEPTH_MAX <= 64, "is_object has 64 bits");

void rv_json_reader_init(rv_json_reader *reader, rv_str text)
{
    const char *begin = text.at ? text.at : "";
    *reader = (rv_json_reader){.begin = begin, .at = begin, .end = begin + text.size, .state = VALUE};
}

static rv_json_token fail(rv_json_reader *reader, const char *at, const char *error)
{
    reader->state = FAILED;
    reader->error = error;
    reader->offset = (size_t)(at - reader->begin);
    return RV_JSON_T_ERROR;
}

static bool is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static const char *skip_space(const char *at, const char *end)
{
    if (at < end && (unsigned char)*at > ' ') return at;
    while (at < end && is_space(*at)) {
        at++;
        while (end - at >= 8 && rv_scan_load(at) == RV_SCAN_ONES * ' ') at += 8; /* indentation */
    }
    return at;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* Four hex digits at `at`, or -1. */
static int32_t hex4(const char *at, const char *end)
{
    if (end - at < 4) return -1;
    int32_t value = 0;
    for (int i = 0; i < 4; i++) {
        int digit = hex_value(at[i]);
        if (digit < 0) return -1;
        value = value << 4 | digit;
    }
    return value;
}

static bool is_high_surrogate(int32_t code) { return code >= 0xd800 && code <= 0xdbff; }
static bool is_low_surrogate(int32_t code) { return code >= 0xdc00 && code <= 0xdfff; }

/* Past the escape that begins at `at` (a backslash); NULL and *error when it is not one. */
static const char *skip_escape(const char *at, const char *end, const char **error)
{
    *error = "unknown escape";
    if (end - at < 2) {
        *error = "the text ends inside an escape";
        return NULL;
    }
    switch (at[1]) {
    case '"': case '\\': case '/': case 'b': case 'f': case 'n': case 'r': case 't': return at + 2;
    case 'u': break;
    default: return NULL;
    }
    int32_t code = hex4(at + 2, end);
    *error = "\\u needs four hexadecimal digits";
    if (code < 0) return NULL;
    *error = "half of a surrogate pair";
    if (is_low_surrogate(code)) return NULL;
    if (!is_high_surrogate(code)) return at + 6;
    if (end - at < 12 || at[6] != '\\' || at[7] != 'u' || !is_low_surrogate(hex4(at + 8, end))) return NULL;
    return at + 12;
}

/* The string whose opening quote is at reader->at. */
static rv_json_token read_string(rv_json_reader *reader, rv_json_token token)
{
    const char *begin = reader->at + 1, *at = begin, *end = reader->end, *error;
    reader->has_escapes = false;
    for (;;) {
        at = rv_scan_plain(at, end);
        if (at == end) return fail(reader, at, "the text ends inside a string");
        if (*at == '"') break;
        if (*at == '\\') {
            reader->has_escapes = true;
            const char *past = skip_escape(at, end, &error);
            if (!past) return fail(reader, at, error);
            at = past;
        } else if ((unsigned char)*at < 0x20) {
            return fail(reader, at, "control bytes in strings must be escaped");
        } else {
            size_t size = rv_scan_utf8(at, end);
            if (size == 0) return fail(reader, at, "not valid UTF-8");
            at += size;
        }
    }
    reader->text = (rv_str){begin, (size_t)(at - begin)};
    reader->at = at + 1;
    reader->state = AFTER;
    return token;
}

static const char *skip_digits(const char *at, const char *end)
{
    while (at < end && is_digit(*at)) at++;
    return at;
}

static rv_json_token read_number(rv_json_reader *reader)
{
    const char *begin = reader->at, *at = begin, *end = reader->end, *digits;
    if (*at == '-') at++;
    digits = at;
    at = skip_digits(at, end);
    if (at == digits) return fail(reader, at, "a number needs digits");
    if (*digits == '0' && at - digits > 1) return fail(reader, digits, "a number must not begin with 0");
    if (at < end && *at == '.') {
        digits = ++at;
        at = skip_digits(at, end);
        if (at == digits) return fail(reader, at, "a number needs digits after its point");
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        at++;
        if (at < end && (*at == '+' || *at == '-')) at++;
        digits = at;
        at = skip_digits(at, end);
        if (at == digits) return fail(reader, at, "a number needs digits in its exponent");
    }
    reader->text = (rv_str){begin, (size_t)(at - begin)};
    reader->at = at;
    reader->state = AFTER;
    return RV_JSON_T_NUMBER;
}

static rv_json_token read_word(rv_json_reader *reader, const char *word, size_t size, rv_json_token token)
{
    if ((size_t)(reader->end - reader->at) < size || memcmp(reader->at, word, size) != 0)
        return fail(reader, reader->at, "a value must come here");
    reader->at += size;
    reader->state = AFTER;
    return token;
}

static rv_json_token open_container(rv_json_reader *reader, bool is_object)
{
    if (reader->depth == RV_JSON_DEPTH_MAX) return fail(reader, reader->at, "nested more than 64 deep");
    uint64_t bit = 1ull << reader->depth++;
    reader->is_object = is_object ? reader->is_object | bit : reader->is_object & ~bit;
    reader->at++;
    reader->state = is_object ? FIRST_KEY : FIRST_ITEM;
    return is_object ? RV_JSON_T_OBJECT_BEGIN : RV_JSON_T_ARRAY_BEGIN;
}

static rv_json_token close_container(rv_json_reader *reader, bool is_object)
{
    reader->depth--;
    reader->at++;
    reader->state = AFTER;
    return is_object ? RV_JSON_T_OBJECT_END : RV_JSON_T_ARRAY_END;
}

static rv_json_token read_value(rv_json_reader *reader)
{
    switch (*reader->at) {
    case '"': return read_string(reader, RV_JSON_T_STRING);
    case '{': return open_container(reader, true);
    case '[': return open_container(reader, false);
    case '-': case '0': case '1': case '2': case '3': case '4': case '5': case '6': case '7': case '8': case '9':
        return read_number(reader);
    case 't': return read_word(reader, "true", 4, RV_JSON_T_TRUE);
    case 'f': return read_word(reader, "false", 5, RV_JSON_T_FALSE);
    case 'n': return read_word(reader, "null", 4, RV_JSON_T_NULL);
    default: return fail(reader, reader->at, "a value must come here");
    }
}

static rv_json_token read_key(rv_json_reader *reader)
{
    if (*reader->at != '"') return fail(reader, reader->at, "a key in double quotes must come here");
    if (read_string(reader, RV_JSON_T_KEY) == RV_JSON_T_ERROR) return RV_JSON_T_ERROR;
    const char *at = skip_space(reader->at, reader->end);
    if (at == reader->end) return fail(reader, at, "the text ends where ':' must come");
    if (*at != ':') return fail(reader, at, "':' must come after a key");
    reader->at = at + 1;
    reader->state = VALUE;
    return RV_JSON_T_KEY;
}

/* Move to the next token; false: the text is at its end, which reader->offset then says. */
static bool find_token(rv_json_reader *reader)
{
    reader->at = skip_space(reader->at, reader->end);
    reader->offset = (size_t)(reader->at - reader->begin);
    return reader->at < reader->end;
}

static rv_json_token read_after(rv_json_reader *reader)
{
    if (reader->depth == 0) return fail(reader, reader->at, "nothing may come after the document");
    bool in_object = reader->is_object >> (reader->depth - 1) & 1;
    char c = *reader->at;
    if (c == (in_object ? '}' : ']')) return close_container(reader, in_object);
    if (c != ',') return fail(reader, reader->at, in_object ? "',' or '}' must come here" : "',' or ']' must come here");
    reader->at++;
    if (!find_token(reader)) return fail(reader, reader->at, "the text ends inside the document");
    return in_object ? read_key(reader) : read_value(reader);
}

rv_json_token rv_json_next(rv_json_reader *reader)
{
    if (reader->state == FAILED) return RV_JSON_T_ERROR;
    if (!find_token(reader)) {
        if (reader->state == AFTER && reader->depth == 0) return RV_JSON_T_END;
        return fail(reader, reader->at, reader->depth ? "the text ends inside the document" : "the text is empty");
    }
    switch (reader->state) {
    case VALUE: return read_value(reader);
    case FIRST_ITEM: return *reader->at == ']' ? close_container(reader, false) : read_value(reader);
    case FIRST_KEY: return *reader->at == '}' ? close_container(reader, true) : read_key(reader);
    default: return read_after(reader);
    }
}

static size_t encode_utf8(char *to, uint32_t code)
{
    if (code < 0x80) {
        to[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        to[0] = (char)(0xc0 | code >> 6);
        to[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        to[0] = (char)(0xe0 | code >> 12);
        to[1] = (char)(0x80 | (code >> 6 & 0x3f));
        to[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    to[0] = (char)(0xf0 | code >> 18);
    to[1] = (char)(0x80 | (code >> 12 & 0x3f));
    to[2] = (char)(0x80 | (code >> 6 & 0x3f));
    to[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

/* Decode the escape at `at` (the reader has checked it); write it to *to and move both past it. */
static const char *decode_escape(const char *at, const char *end, char **to)
{
    static const char plain[] = "\"\"\\\\//b\bf\fn\nr\rt\t"; /* pairs: the letter, what it stands for */
    if (at[1] != 'u') {
        for (size_t i = 0; i + 1 < sizeof plain; i += 2)
            if (plain[i] == at[1]) *(*to)++ = plain[i + 1];
        return at + 2;
    }
    int32_t code = hex4(at + 2, end);
    at += 6;
    if (is_high_surrogate(code)) {
        code = 0x10000 + ((code - 0xd800) << 10) + (hex4(at + 2, end) - 0xdc00);
        at += 6;
    }
    *to += encode_utf8(*to, (uint32_t)code);
    return at;
}

size_t rv_json_decode(char *ret_bytes, rv_str raw)
{
    const char *at = raw.at ? raw.at : "", *end = at + raw.size, *error;
    char *to = ret_bytes;
    while (at < end) {
        const char *slash = memchr(at, '\\', (size_t)(end - at));
        size_t size = (size_t)((slash ? slash : end) - at);
        memcpy(to, at, size);
        to += size;
        if (!slash) break;
        RV_ASSERT(skip_escape(slash, end, &error) != NULL); /* somebody gave us what no reader has seen */
        at = decode_escape(slash, end, &to);
    }
    return (size_t)(to - ret_bytes);
}

void rv_json_unescape(rv_buf *out, rv_str raw)
{
    if (raw.size == 0) return;
    size_t old_size = out->size;
    char *to = rv_buf_extend(out, raw.size);
    out->size = old_size + rv_json_decode(to, raw);
    out->at[out->size] = 0;
}
