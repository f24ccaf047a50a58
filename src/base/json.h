/* json.h: strict RFC 8259 over memory. No recursion; depth at most 64; integers are exact.
 *
 * Three layers: a pull reader (tokens with byte offsets), a tree in an arena built on it, a writer into a buf. */
#ifndef RV_JSON_H
#define RV_JSON_H

#include "base/mem.h"

#define RV_JSON_DEPTH_MAX 64

typedef enum rv_json_kind {
    RV_JSON_NULL, RV_JSON_FALSE, RV_JSON_TRUE, RV_JSON_NUMBER, RV_JSON_STRING, RV_JSON_ARRAY, RV_JSON_OBJECT,
} rv_json_kind;

/* ---- pull reader ---- */
typedef enum rv_json_token {
    RV_JSON_T_ERROR, RV_JSON_T_END,
    RV_JSON_T_NULL, RV_JSON_T_FALSE, RV_JSON_T_TRUE, RV_JSON_T_NUMBER, RV_JSON_T_STRING, RV_JSON_T_KEY,
    RV_JSON_T_ARRAY_BEGIN, RV_JSON_T_ARRAY_END, RV_JSON_T_OBJECT_BEGIN, RV_JSON_T_OBJECT_END,
} rv_json_token;
typedef struct rv_json_reader {
    const char *begin, *at, *end;
    rv_str text;         /* NUMBER: its digits; STRING, KEY: raw text between the quotes, escapes as written */
    bool has_escapes;    /* STRING, KEY: text contains a backslash */
    size_t offset;       /* byte offset at which the current token begins */
    uint8_t depth;
    uint8_t state;       /* what may come next; private */
    uint64_t is_object;  /* bit d: level d is an object; private */
    const char *error;   /* ERROR: what is wrong, static text; offset says where */
} rv_json_reader;
void rv_json_reader_init(rv_json_reader *reader, rv_str text);
rv_json_token rv_json_next(rv_json_reader *reader);
/* Decode the raw text of a STRING or KEY into `out` (appended). Surrogate pairs become UTF-8; the reader has
 * already refused bad escapes, lone surrogates, control bytes and invalid UTF-8. */
void rv_json_unescape(rv_buf *out, rv_str raw);

/* ---- tree ---- */
typedef struct rv_json rv_json;
typedef struct rv_json_index rv_json_index;
struct rv_json {
    rv_json_kind kind;
    uint32_t count;       /* ARRAY, OBJECT: children */
    uint32_t offset;      /* byte offset in the source */
    union {
        rv_str text;          /* STRING: decoded; NUMBER: its digits as written */
        rv_json_index *index; /* OBJECT: private; NULL in small ones and in trees that were built by hand */
    };
    rv_str key;           /* decoded key when the parent is an OBJECT */
    rv_json *child, *next;
};
/* Parse one document (nothing but white space after it). Duplicate keys are errors. Strings point into `text` where
 * they have no escapes, so `text` must outlive the tree. Linear in the text, also for objects of many keys.
 *
 * RV_INVALID  err names offset and cause
 * RV_LIMIT    text of 4 GiB or more
 * On failure *ret is unchanged and the arena holds what was built so far. */
RV_MUST_USE rv_status rv_json_parse(rv_arena *arena, rv_str text, rv_json **ret, rv_error *err);
/* The value of `key`. NULL: absent, or not an object (NULL included). O(1) in a parsed tree, which must not be
 * changed after; linear in the keys of an object that was built by hand. */
const rv_json *rv_json_get(const rv_json *object, rv_str key);
/* NULL: out of range, or not an array. Linear: to visit all, follow child and next. */
const rv_json *rv_json_at(const rv_json *array, uint32_t index);
/* Exact integer; false when it is not one or does not fit. `1.0` and `1e3` are integers. */
RV_MUST_USE bool rv_json_i64(const rv_json *value, int64_t *ret);
RV_MUST_USE bool rv_json_double(const rv_json *value, double *ret);
/* Equal as JSON values (numbers by value, objects without order). No recursion beyond the depth limit. */
bool rv_json_equal(const rv_json *a, const rv_json *b);
/* Append the compact text of a tree, keys in order of appearance, numbers as they were written. `canonical`: keys
 * sorted by bytes and one text for equal numbers (plain up to 21 digits, without loss), so that trees which are
 * rv_json_equal have the same text, except for strings of invalid UTF-8, which only trees built by hand can hold. */
void rv_json_write(rv_buf *out, const rv_json *value, bool canonical);

/* ---- writer: commas and nesting are kept for you; indent 0 is compact ---- */
typedef struct rv_json_writer {
    rv_buf *out;
    uint8_t depth, indent;
    bool needs_comma, after_key;
    uint64_t is_object;
} rv_json_writer;
void rv_json_writer_init(rv_json_writer *writer, rv_buf *out, uint8_t indent);
void rv_jw_object(rv_json_writer *w);
void rv_jw_object_end(rv_json_writer *w);
void rv_jw_array(rv_json_writer *w);
void rv_jw_array_end(rv_json_writer *w);
void rv_jw_key(rv_json_writer *w, const char *key);
void rv_jw_key_str(rv_json_writer *w, rv_str key);
void rv_jw_str(rv_json_writer *w, rv_str text);   /* invalid UTF-8 bytes are written as U+FFFD */
void rv_jw_cstring(rv_json_writer *w, const char *text); /* NULL: null */
void rv_jw_i64(rv_json_writer *w, int64_t value);
void rv_jw_u64(rv_json_writer *w, uint64_t value);
void rv_jw_double(rv_json_writer *w, double value); /* shortest text that reads back equal; not finite: null */
void rv_jw_bool(rv_json_writer *w, bool value);
void rv_jw_null(rv_json_writer *w);
void rv_jw_raw(rv_json_writer *w, rv_str json); /* one complete value, as it is */
/* key and value in one call */
void rv_jw_kv_str(rv_json_writer *w, const char *key, rv_str value);
void rv_jw_kv_cstring(rv_json_writer *w, const char *key, const char *value);
void rv_jw_kv_i64(rv_json_writer *w, const char *key, int64_t value);
void rv_jw_kv_bool(rv_json_writer *w, const char *key, bool value);
/* A quoted JSON string of `text`, appended. */
void rv_json_quote(rv_buf *out, rv_str text);

#endif
