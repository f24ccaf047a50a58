/* json_tree.c: a document as a tree in an arena; lookup; equality. Stacks are explicit, at most 64 deep.
 *
 * Objects of more than a few keys get a table of their children when they close: it finds duplicate keys in linear
 * time, and rv_json_get uses it afterwards. */
#include "base/json.h"

#include "base/json_private.h"
#include "base/util.h"

#define PLAIN_KEYS_MAX 8u /* objects up to this size are searched one by one */

struct rv_json_index {
    uint32_t mask, count;
    const rv_json *slots[]; /* [0..mask]; linear probing, at most half full */
};

typedef struct frame {
    rv_json *container;
    rv_json **tail; /* where the next child is linked */
} frame;

typedef struct parser {
    rv_arena *arena;
    rv_json_reader reader;
    rv_json *root;
    rv_str key; /* of the next value */
    unsigned depth;
    frame frames[RV_JSON_DEPTH_MAX];
} parser;

/* ---- building -------------------------------------------------------------- */

static rv_str decoded_text(parser *p)
{
    rv_str raw = p->reader.text;
    if (!p->reader.has_escapes) return raw;
    char *bytes = rv_arena_alloc(p->arena, raw.size);
    return (rv_str){bytes, rv_json_decode(bytes, raw)};
}

static rv_json *add_node(parser *p, rv_json_kind kind)
{
    rv_json *node = rv_arena_new(p->arena, rv_json, 1);
    node->kind = kind;
    node->offset = (uint32_t)p->reader.offset;
    if (p->depth == 0) {
        p->root = node;
        return node;
    }
    frame *top = &p->frames[p->depth - 1];
    node->key = p->key;
    *top->tail = node;
    top->tail = &node->next;
    top->container->count++;
    return node;
}

static void push(parser *p, rv_json_kind kind)
{
    rv_json *node = add_node(p, kind);
    p->key = (rv_str){0};
    p->frames[p->depth++] = (frame){node, &node->child};
}

static rv_json *find_plainly(const rv_json *object, rv_str key)
{
    rv_json *child = object->child;
    while (child && !rv_str_eq(child->key, key)) child = child->next;
    return child;
}

static uint32_t hash_of(rv_str key) { return (uint32_t)rv_hash64(key, rv_hash_seed()); }

/* The first child whose key comes a second time, or NULL; `object` has its index after. */
static const rv_json *make_index(rv_arena *arena, rv_json *object)
{
    uint64_t capacity = 2 * PLAIN_KEYS_MAX;
    while (capacity < 2 * (uint64_t)object->count) capacity *= 2;
    rv_json_index *index = rv_arena_alloc(arena, sizeof *index + capacity * sizeof index->slots[0]);
    index->mask = (uint32_t)(capacity - 1);
    index->count = object->count;
    for (const rv_json *child = object->child; child; child = child->next) {
        uint32_t at = hash_of(child->key) & index->mask;
        for (; index->slots[at]; at = (at + 1) & index->mask)
            if (rv_str_eq(index->slots[at]->key, child->key)) return child;
        index->slots[at] = child;
    }
    object->index = index;
    return NULL;
}

static const rv_json *find_duplicate(rv_arena *arena, rv_json *object)
{
    if (object->count > PLAIN_KEYS_MAX) return make_index(arena, object);
    for (const rv_json *child = object->child; child; child = child->next)
        if (find_plainly(object, child->key) != child) return child;
    return NULL;
}

static rv_status pop(parser *p, rv_error *err)
{
    rv_json *container = p->frames[--p->depth].container;
    if (container->kind == RV_JSON_ARRAY) return RV_OK;
    const rv_json *twice = find_duplicate(p->arena, container);
    if (!twice) return RV_OK;
    rv_str shown = rv_str_cut(twice->key, 0, 80);
    return rv_error_set(err, RV_INVALID, "byte %u: the key \"%.*s\" is there twice", twice->offset, RV_FMT(shown));
}

rv_status rv_json_parse(rv_arena *arena, rv_str text, rv_json **ret, rv_error *err)
{
    if (text.size >= UINT32_MAX) return rv_error_set(err, RV_LIMIT, "JSON text of %zu bytes; at most 4 GiB", text.size);
    parser p;
    p.arena = arena;
    p.root = NULL;
    p.key = (rv_str){0};
    p.depth = 0;
    rv_json_reader_init(&p.reader, text);
    for (;;) {
        switch (rv_json_next(&p.reader)) {
        case RV_JSON_T_NULL: add_node(&p, RV_JSON_NULL); break;
        case RV_JSON_T_FALSE: add_node(&p, RV_JSON_FALSE); break;
        case RV_JSON_T_TRUE: add_node(&p, RV_JSON_TRUE); break;
        case RV_JSON_T_NUMBER: add_node(&p, RV_JSON_NUMBER)->text = p.reader.text; break;
        case RV_JSON_T_STRING: add_node(&p, RV_JSON_STRING)->text = decoded_text(&p); break;
        case RV_JSON_T_KEY: p.key = decoded_text(&p); break;
        case RV_JSON_T_ARRAY_BEGIN: push(&p, RV_JSON_ARRAY); break;
        case RV_JSON_T_OBJECT_BEGIN: push(&p, RV_JSON_OBJECT); break;
        case RV_JSON_T_ARRAY_END:
        case RV_JSON_T_OBJECT_END:
            if (pop(&p, err) != RV_OK) return RV_INVALID;
            break;
        case RV_JSON_T_ERROR: return rv_error_set(err, RV_INVALID, "byte %zu: %s", p.reader.offset, p.reader.error);
        case RV_JSON_T_END: *ret = p.root; return RV_OK;
        }
    }
}

/* ---- looking ----------------------------------------------------------------- */

const rv_json *rv_json_get(const rv_json *object, rv_str key)
{
    if (!object || object->kind != RV_JSON_OBJECT) return NULL;
    const rv_json_index *index = object->index;
    if (!index || index->count != object->count) return find_plainly(object, key);
    uint32_t at = hash_of(key) & index->mask;
    while (index->slots[at] && !rv_str_eq(index->slots[at]->key, key)) at = (at + 1) & index->mask;
    return index->slots[at];
}

const rv_json *rv_json_at(const rv_json *array, uint32_t index)
{
    if (!array || array->kind != RV_JSON_ARRAY) return NULL;
    const rv_json *child = array->child;
    while (child && index > 0) {
        child = child->next;
        index--;
    }
    return child;
}

bool rv_json_i64(const rv_json *value, int64_t *ret)
{
    rv_decimal decimal;
    return value && value->kind == RV_JSON_NUMBER && rv_decimal_read(value->text, &decimal) && rv_decimal_i64(&decimal, ret);
}

bool rv_json_double(const rv_json *value, double *ret)
{
    return value && value->kind == RV_JSON_NUMBER && rv_double_read(value->text, ret);
}

/* ---- comparing --------------------------------------------------------------- */

static bool is_container(const rv_json *value) { return value->kind == RV_JSON_ARRAY || value->kind == RV_JSON_OBJECT; }

static bool equal_numbers(rv_str a, rv_str b)
{
    if (rv_str_eq(a, b)) return true;
    rv_decimal x, y;
    return rv_decimal_read(a, &x) && rv_decimal_read(b, &y) && rv_decimal_equal(&x, &y);
}

/* Equal but for their children. */
static bool equal_tops(const rv_json *a, const rv_json *b)
{
    if (a->kind != b->kind) return false;
    switch (a->kind) {
    case RV_JSON_NULL:
    case RV_JSON_FALSE:
    case RV_JSON_TRUE: return true;
    case RV_JSON_NUMBER: return equal_numbers(a->text, b->text);
    case RV_JSON_STRING: return rv_str_eq(a->text, b->text);
    case RV_JSON_ARRAY:
    case RV_JSON_OBJECT: return a->count == b->count;
    }
    RV_UNREACHABLE();
}

typedef struct pair {
    const rv_json *a_next, *b_next, *b;
} pair;

/* The partner of `child` among the children of top->b; usually keys come in the same order, so look there first. */
static const rv_json *partner_of(pair *top, const rv_json *child)
{
    const rv_json *guess = top->b_next;
    if (guess) top->b_next = guess->next;
    if (top->b->kind == RV_JSON_ARRAY || (guess && rv_str_eq(guess->key, child->key))) return guess;
    return rv_json_get(top->b, child->key);
}

bool rv_json_equal(const rv_json *a, const rv_json *b)
{
    if (!a || !b) return a == b;
    if (!equal_tops(a, b)) return false;
    pair stack[RV_JSON_DEPTH_MAX];
    unsigned depth = 0;
    if (is_container(a)) stack[depth++] = (pair){a->child, b->child, b};
    while (depth > 0) {
        pair *top = &stack[depth - 1];
        const rv_json *child = top->a_next;
        if (!child) {
            depth--;
            continue;
        }
        top->a_next = child->next;
        const rv_json *other = partner_of(top, child);
        if (!other || !equal_tops(child, other)) return false;
        if (!is_container(child)) continue;
        RV_ASSERT(depth < RV_JSON_DEPTH_MAX);
        stack[depth++] = (pair){child->child, other->child, other};
    }
    return true;
}
