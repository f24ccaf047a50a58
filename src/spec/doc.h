/* doc.h: a document tree with positions, the same for YAML and JSON: 20 bytes a value and no allocation of its own.
 *
 * Values lie in preorder: the children of v begin at v + 1 and `end` of a value is the index of its next sibling, so
 * a subtree is a range and a walk is a loop. The children of a map alternate: key, value, key, value; a key is always
 * a scalar, so the value of key k is k + 1.
 *
 *     {a: [x, y], b: 1}      0 MAP end 7 | 1 key a | 2 LIST end 5 | 3 x | 4 y | 5 key b | 6 NUMBER 1
 *
 * Texts point into the source where they stand there letter by letter, else into a pool of decoded texts. A file that the first
 * one includes is a part: its values follow those that were there before, and its bytes count on from theirs, so that a value
 * and an offset say which file is meant. */
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

typedef struct rv_doc_value {
    uint32_t at;     /* where its text is: a byte of the source, of the pool, or an index in `replaced` */
    uint32_t size;   /* scalar: bytes of text; list: items; map: pairs */
    uint32_t offset; /* byte at which it begins; of a part: after `base` of it */
    uint32_t end;    /* index of the next sibling */
    uint8_t kind, flags;
    uint16_t part;   /* which file's text it is: 0 the doc's own, else parts[part - 1] */
} rv_doc_value;
_Static_assert(sizeof(rv_doc_value) == 20, "a value is 20 bytes");

typedef struct rv_doc rv_doc;
struct rv_doc {
    rv_str source; /* without its byte order mark */
    rv_str file;   /* name for messages */
    bool is_json;
    rv_buf pool;
    RV_VEC(rv_doc_value) values;
    RV_VEC(rv_str) replaced;
    RV_VEC(uint32_t) lines;          /* byte at which each line begins; made when first asked for */
    RV_VEC(uint32_t) blocks;         /* characters before each block of the source: no column is counted over more than a block */
    uint32_t open[RV_DOC_DEPTH_MAX]; /* containers that are being read */
    uint32_t depth;
    rv_problems *problems;
    RV_VEC(rv_doc *) parts;          /* files that were appended; their values are here */
    uint32_t base, part;             /* of a part: what its offsets are counted from; its number */
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

static inline const rv_doc_value *rv_doc_at(const rv_doc *doc, uint32_t value) { return &doc->values.at[value]; }
static inline uint32_t rv_doc_next(const rv_doc *doc, uint32_t value) { return doc->values.at[value].end; }
static inline rv_doc_kind rv_doc_kind_of(const rv_doc *doc, uint32_t value) { return (rv_doc_kind)doc->values.at[value].kind; }
static inline bool rv_doc_is_scalar(const rv_doc *doc, uint32_t value) { return doc->values.at[value].kind < RV_DOC_LIST; }
/* The text of a scalar as written or decoded. Valid until the doc changes. */
rv_str rv_doc_text(const rv_doc *doc, uint32_t value);
/* Let `text` (which must outlive the doc) stand for the text of a scalar. */
void rv_doc_replace(rv_doc *doc, uint32_t value, rv_str text);
/* The value of `key` in a map, or RV_NONE. Linear in the pairs. */
uint32_t rv_doc_get(const rv_doc *doc, uint32_t map, const char *key);

/* ---- problems ---- */
/* List a problem at byte `offset` of the source. `cure` may be "". */
void rv_doc_problem(rv_doc *doc, uint32_t offset, bool is_warning, rv_str cure, const char *fmt, ...) RV_PRINTF(5, 6);
/* The offset that byte `within` of a scalar's text came from; the scalar's own where that cannot be said. */
uint32_t rv_doc_offset(const rv_doc *doc, uint32_t value, size_t within);
/* Line and column (characters, from 1) of byte `offset`, and the part that it is in (the doc itself: none of its parts). */
const rv_doc *rv_doc_position(rv_doc *doc, uint32_t offset, uint32_t *ret_line, uint32_t *ret_column);
#define RV_PROBLEMS_MAX 10000u /* listed; what is beyond is counted */
/* List a problem; line 0: about the whole file. Texts are copied. */
void rv_problem_add(rv_problems *problems, const rv_problem *problem);
void rv_problems_sort(rv_problems *problems);

/* ---- for the two readers ---- */
/* Add a scalar / begin / end a container. false: the depth limit is passed (the problem is listed). */
uint32_t rv_doc_scalar(rv_doc *doc, rv_doc_kind kind, uint8_t flags, uint32_t at, uint32_t size, uint32_t offset);
RV_MUST_USE bool rv_doc_begin(rv_doc *doc, rv_doc_kind kind, uint32_t offset);
void rv_doc_end(rv_doc *doc); /* counts its children, finds duplicate keys */
RV_MUST_USE rv_status rv_doc_read_json(rv_doc *doc);
RV_MUST_USE rv_status rv_doc_read_yaml(rv_doc *doc);

#endif
