/* doc.h: a document tree with positions, the same for YAML and JSON: 8 bytes a value, 4 more for its position, no allocation of its own.
 *
 * Values lie in preorder: the children of v begin at v + 1 and a container knows the index of its next sibling, so
 * a subtree is a range and a walk is a loop. The children of a map alternate: key, value, key, value; a key is always
 * a scalar, so the value of key k is k + 1.
 *
 *     {a: [x, y], b: 1}      0 MAP end 7 | 1 key a | 2 LIST end 5 | 3 x | 4 y | 5 key b | 6 NUMBER 1
 *
 * Texts point into the source where they stand there letter by letter, else into a pool of decoded texts. A file that the first
 * one includes is a part: its values follow those that were there before, and its bytes count on from theirs, so that a value
 * and an offset say which file is meant.
 *
 * A source may be spent (rv_spec_input.spent): then all texts are in the pool, most of them once, the source's memory is given back while
 * it is read, and nothing has a position. */
#ifndef RV_DOC_H
#define RV_DOC_H

#include "base/json.h"
#include "spec/spec.h"

#define RV_DOC_DEPTH_MAX 64
#define RV_DOC_SOURCE_MAX (256u << 20)   /* bytes of a workflow file */
#define RV_DOC_ALIAS_VALUES_MAX 1000000u /* values that aliases may add in all */

typedef enum rv_doc_kind {
    RV_DOC_NULL,
    RV_DOC_FALSE,
    RV_DOC_TRUE,
    RV_DOC_NUMBER,
    RV_DOC_STRING,
    RV_DOC_LIST,
    RV_DOC_MAP
} rv_doc_kind;

enum {
    RV_DOC_PLAIN = 1,      /* an unquoted YAML scalar: where a string is wanted it is its own text */
    RV_DOC_POOLED = 2,     /* text is in the pool, not in the source */
    RV_DOC_ODD_NUMBER = 4, /* a number to YAML, but not spelled as JSON spells one: 0x1F, +1, .5, .inf */
    RV_DOC_REPLACED = 8,   /* text is replaced[at] */
    RV_DOC_DUPLICATE = 16, /* a key that its map already has */
};

#define RV_DOC_KIND_BITS 3u
#define RV_DOC_FLAG_BITS 5u
#define RV_DOC_SIZE_SHIFT (RV_DOC_KIND_BITS + RV_DOC_FLAG_BITS)
#define RV_DOC_SIZE_LONG (UINT32_MAX >> RV_DOC_SIZE_SHIFT) /* as large, or larger: it is in `longs` */
typedef struct rv_doc_value {
    uint32_t at;   /* scalar: where its text is: a byte of the source, of the pool, or an index in `replaced`; else its next sibling */
    uint32_t bits; /* from the lowest: kind, flags, size; the functions below say what they mean */
} rv_doc_value;
_Static_assert(sizeof(rv_doc_value) == 8, "a value is 8 bytes");
_Static_assert(RV_DOC_MAP < 1u << RV_DOC_KIND_BITS && RV_DOC_DUPLICATE < 1u << RV_DOC_FLAG_BITS, "kind and flags have room");

typedef struct rv_doc_long { uint32_t value, size; } rv_doc_long;
typedef struct rv_doc_known { uint64_t first, last; uint32_t at, size; } rv_doc_known; /* a text in the pool; size 0: none. See doc.c */

typedef struct rv_doc rv_doc;
struct rv_doc {
    rv_str source; /* without its byte order mark */
    rv_str file;   /* name for messages */
    bool is_json;
    char *spent;   /* the source, to be given back; NULL: it stays */
    rv_buf pool;
    rv_doc_known *known; /* of a source that is spent: texts that came lately, so that most are in the pool once */
    RV_VEC(rv_doc_value) values;
    RV_VEC(uint32_t) offsets; /* of each value: byte at which it begins, of a part after its base; spent: none */
    RV_VEC(rv_doc_long) longs; /* sizes that have no room in their value, in the order of the values */
    RV_VEC(rv_str) replaced;
    uint32_t released;        /* the values before it, from where releasing began, may be gone; 0: none */
    RV_VEC(uint32_t) lines;          /* byte at which each line begins; made when first asked for */
    RV_VEC(uint32_t) blocks;         /* characters before each block of the source: no column is counted over more than a block */
    uint32_t open[RV_DOC_DEPTH_MAX]; /* containers that are being read */
    uint32_t depth;
    rv_problems *problems;
    RV_VEC(rv_doc *) parts;          /* files that were appended; their values are here */
    uint32_t base, part, first;      /* of a part: what its offsets are counted from; its number; its first value */
};

/* Read `input` into *doc ({0} before); values.at[0] is the root. RV_INVALID: the problem is listed. deinit in any case. */
RV_MUST_USE rv_status rv_doc_read(rv_doc *doc, const rv_spec_input *input, rv_problems *problems);
void rv_doc_deinit(rv_doc *doc);

#define RV_DOC_PARTS_MAX 65535u
/* A new part, numbered, to be read with rv_doc_read and appended; the doc frees it. Its source must outlive the doc. NULL: the parts
 * are too many, or `size` bytes more would pass RV_DOC_SOURCE_MAX. */
rv_doc *rv_doc_part(rv_doc *doc, size_t size);
/* Move the values of the newest part, which was read, to the end of the doc's; returns the index of its root. */
uint32_t rv_doc_append(rv_doc *doc, rv_doc *part);
/* Levels of containers in the subtree of `value`. */
uint32_t rv_doc_levels(const rv_doc *doc, uint32_t value);

static inline rv_doc_kind rv_doc_kind_of(const rv_doc *doc, uint32_t value)
{
    return (rv_doc_kind)(doc->values.at[value].bits & ((1u << RV_DOC_KIND_BITS) - 1));
}
static inline bool rv_doc_is_scalar(const rv_doc *doc, uint32_t value) { return rv_doc_kind_of(doc, value) < RV_DOC_LIST; }
static inline uint32_t rv_doc_flags(const rv_doc *doc, uint32_t value)
{
    return doc->values.at[value].bits >> RV_DOC_KIND_BITS & ((1u << RV_DOC_FLAG_BITS) - 1);
}
/* Index of the next sibling. */
static inline uint32_t rv_doc_next(const rv_doc *doc, uint32_t value)
{
    return rv_doc_is_scalar(doc, value) ? value + 1 : doc->values.at[value].at;
}
/* Scalar: bytes of its text as it was read; list: items; map: pairs. */
uint32_t rv_doc_size(const rv_doc *doc, uint32_t value);
/* Byte at which it begins; of a part: after `base` of it; 0 where the source was spent. */
static inline uint32_t rv_doc_begins(const rv_doc *doc, uint32_t value)
{
    return value < doc->offsets.count ? doc->offsets.at[value] : 0;
}
/* Nobody reads the values from..to any more: their memory may be given back. Each call goes on where the one before it ended: `from` is
 * the same in all. Only without parts, and with a source that is spent. */
void rv_doc_release(rv_doc *doc, uint32_t from, uint32_t to);
rv_str rv_doc_text_slow(const rv_doc *doc, uint32_t value); /* what rv_doc_text does where it is not simple */
/* The text of a scalar as written or decoded. Valid until the doc changes. */
static inline rv_str rv_doc_text(const rv_doc *doc, uint32_t value)
{
    const rv_doc_value v = doc->values.at[value];
    uint32_t size = v.bits >> RV_DOC_SIZE_SHIFT, flags = v.bits >> RV_DOC_KIND_BITS;
    if (doc->parts.count || size == RV_DOC_SIZE_LONG || flags & RV_DOC_REPLACED || !rv_doc_is_scalar(doc, value))
        return rv_doc_text_slow(doc, value);
    return (rv_str){(flags & RV_DOC_POOLED ? doc->pool.at : doc->source.at) + v.at, size};
}
/* Let `text` (which must outlive the doc) stand for the text of a scalar. */
void rv_doc_replace(rv_doc *doc, uint32_t value, rv_str text);
/* The value of `key` in a map, or RV_NONE. Linear in the pairs. */
uint32_t rv_doc_get(const rv_doc *doc, uint32_t map, const char *key);

/* ---- problems ---- */
/* List a problem at byte `offset` of the source; problems that are silent are counted only. `cure` may be "". */
void rv_doc_problem(rv_doc *doc, uint32_t offset, bool is_warning, rv_str cure, const char *fmt, ...) RV_PRINTF(5, 6);
/* The offset that byte `within` of a scalar's text came from; the scalar's own where that cannot be said. */
uint32_t rv_doc_offset(const rv_doc *doc, uint32_t value, size_t within);
/* Line and column (characters, from 1) of byte `offset`, and the part that it is in (the doc itself: none of its parts). */
const rv_doc *rv_doc_position(rv_doc *doc, uint32_t offset, uint32_t *ret_line, uint32_t *ret_column);
#define RV_PROBLEMS_MAX 10000u /* listed; what is beyond is counted */
/* List a problem, or count it if they are silent; line 0: about the whole file. Texts are copied. */
void rv_problem_add(rv_problems *problems, const rv_problem *problem);
void rv_problems_sort(rv_problems *problems);

/* ---- for the two readers ---- */
/* Add a scalar / begin / end a container. false: the depth limit is passed (the problem is listed).
 * A text in a source that is spent is copied. */
uint32_t rv_doc_scalar(rv_doc *doc, rv_doc_kind kind, uint8_t flags, uint32_t at, uint32_t size, uint32_t offset);
RV_MUST_USE bool rv_doc_begin(rv_doc *doc, rv_doc_kind kind, uint32_t offset);
void rv_doc_end(rv_doc *doc); /* counts its children, finds duplicate keys */
/* Add a copy of `value`, a scalar or a container whose content is copied next. */
void rv_doc_copy(rv_doc *doc, uint32_t value);
/* The source up to byte `offset` has been read, and is not asked for any more. */
void rv_doc_spend(rv_doc *doc, size_t offset);
RV_MUST_USE rv_status rv_doc_read_json(rv_doc *doc);
RV_MUST_USE rv_status rv_doc_read_yaml(rv_doc *doc);

#endif
