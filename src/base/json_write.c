/* json_write.c: the writer and the text of a tree. What it writes, the reader reads. */
#include "base/json.h"

#include <math.h>
#include <stdlib.h>

#include "base/json_private.h"
#include "base/scan.h"

/* ---- strings ----------------------------------------------------------------- */

static void quote_special(rv_buf *out, unsigned char byte)
{
    static const char hex[] = "0123456789abcdef";
    static const char letters[0x20] = {['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};
    if (byte == '"' || byte == '\\') {
        rv_buf_add(out, (char[]){'\\', (char)byte}, 2);
    } else if (letters[byte]) {
        rv_buf_add(out, (char[]){'\\', letters[byte]}, 2);
    } else {
        rv_buf_add(out, (char[]){'\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 15]}, 6);
    }
}

void rv_json_quote(rv_buf *out, rv_str text)
{
    const char *at = text.at ? text.at : "", *end = at + text.size;
    rv_buf_byte(out, '"');
    while (at < end) {
        const char *stop = rv_scan_plain(at, end);
        while (stop < end && (unsigned char)*stop >= 0x80) { /* valid characters go out with the plain bytes */
            size_t size = rv_scan_utf8(stop, end);
            if (size == 0) break;
            stop = rv_scan_plain(stop + size, end);
        }
        rv_buf_add(out, at, (size_t)(stop - at));
        if (stop == end) break;
        if ((unsigned char)*stop >= 0x80) rv_buf_add(out, "\xef\xbf\xbd", 3); /* U+FFFD */
        else quote_special(out, (unsigned char)*stop);
        at = stop + 1;
    }
    rv_buf_byte(out, '"');
}

/* ---- writer -------------------------------------------------------------------- */

void rv_json_writer_init(rv_json_writer *writer, rv_buf *out, uint8_t indent)
{
    *writer = (rv_json_writer){.out = out, .indent = indent};
}

static bool is_in_object(const rv_json_writer *w) { return w->depth > 0 && (w->is_object >> (w->depth - 1) & 1); }

static void new_line(rv_json_writer *w)
{
    if (!w->indent) return;
    size_t spaces = (size_t)w->indent * w->depth;
    char *at = rv_buf_extend(w->out, spaces + 1);
    at[0] = '\n';
    memset(at + 1, ' ', spaces);
}

/* What stands between the last thing and the next item of its container. */
static void separate(rv_json_writer *w)
{
    if (w->needs_comma) rv_buf_byte(w->out, ',');
    if (w->depth > 0) new_line(w);
}

static void before_value(rv_json_writer *w)
{
    if (w->after_key) {
        w->after_key = false;
        return;
    }
    RV_ASSERT(!is_in_object(w)); /* a key must come first */
    RV_ASSERT(w->depth > 0 || !w->needs_comma); /* one document */
    separate(w);
}

static void open_container(rv_json_writer *w, bool is_object)
{
    before_value(w);
    RV_ASSERT(w->depth < RV_JSON_DEPTH_MAX);
    uint64_t bit = 1ull << w->depth++;
    w->is_object = is_object ? w->is_object | bit : w->is_object & ~bit;
    w->needs_comma = false;
    rv_buf_byte(w->out, is_object ? '{' : '[');
}

static void close_container(rv_json_writer *w, bool is_object)
{
    RV_ASSERT(w->depth > 0);
    RV_ASSERT(is_in_object(w) == is_object);
    RV_ASSERT(!w->after_key);
    w->depth--;
    if (w->needs_comma) new_line(w);
    w->needs_comma = true;
    rv_buf_byte(w->out, is_object ? '}' : ']');
}

void rv_jw_object(rv_json_writer *w) { open_container(w, true); }
void rv_jw_object_end(rv_json_writer *w) { close_container(w, true); }
void rv_jw_array(rv_json_writer *w) { open_container(w, false); }
void rv_jw_array_end(rv_json_writer *w) { close_container(w, false); }

void rv_jw_key_str(rv_json_writer *w, rv_str key)
{
    RV_ASSERT(is_in_object(w));
    RV_ASSERT(!w->after_key);
    separate(w);
    rv_json_quote(w->out, key);
    rv_buf_byte(w->out, ':');
    if (w->indent) rv_buf_byte(w->out, ' ');
    w->after_key = true;
}

void rv_jw_key(rv_json_writer *w, const char *key) { rv_jw_key_str(w, rv_str_of(key)); }

void rv_jw_raw(rv_json_writer *w, rv_str json)
{
    before_value(w);
    rv_buf_str_add(w->out, json);
    w->needs_comma = true;
}

void rv_jw_str(rv_json_writer *w, rv_str text)
{
    before_value(w);
    rv_json_quote(w->out, text);
    w->needs_comma = true;
}

void rv_jw_cstring(rv_json_writer *w, const char *text)
{
    if (text) rv_jw_str(w, rv_str_of(text));
    else rv_jw_null(w);
}

void rv_jw_i64(rv_json_writer *w, int64_t value)
{
    before_value(w);
    rv_buf_i64(w->out, value);
    w->needs_comma = true;
}

void rv_jw_u64(rv_json_writer *w, uint64_t value)
{
    before_value(w);
    rv_buf_u64(w->out, value);
    w->needs_comma = true;
}

void rv_jw_double(rv_json_writer *w, double value)
{
    if (!isfinite(value)) {
        rv_jw_null(w);
        return;
    }
    before_value(w);
    rv_double_write(w->out, value);
    w->needs_comma = true;
}

void rv_jw_bool(rv_json_writer *w, bool value) { rv_jw_raw(w, value ? RV_STR("true") : RV_STR("false")); }
void rv_jw_null(rv_json_writer *w) { rv_jw_raw(w, RV_STR("null")); }

void rv_jw_kv_str(rv_json_writer *w, const char *key, rv_str value)
{
    rv_jw_key(w, key);
    rv_jw_str(w, value);
}

void rv_jw_kv_cstring(rv_json_writer *w, const char *key, const char *value)
{
    rv_jw_key(w, key);
    rv_jw_cstring(w, value);
}

void rv_jw_kv_i64(rv_json_writer *w, const char *key, int64_t value)
{
    rv_jw_key(w, key);
    rv_jw_i64(w, value);
}

void rv_jw_kv_bool(rv_json_writer *w, const char *key, bool value)
{
    rv_jw_key(w, key);
    rv_jw_bool(w, value);
}

/* ---- trees ----------------------------------------------------------------------- */

typedef struct level {
    const rv_json *container, *next; /* next: child to write, in order of appearance */
    uint32_t sorted_begin, sorted_at, sorted_end; /* or its children in `sorted`, and the place there */
} level;

typedef struct tree_writer {
    rv_json_writer w;
    bool canonical;
    unsigned depth;
    level levels[RV_JSON_DEPTH_MAX];
    RV_VEC(const rv_json *) sorted; /* the children of each open object, by key; a stack */
} tree_writer;

static int by_key(const void *a, const void *b)
{
    return rv_str_cmp((*(const rv_json *const *)a)->key, (*(const rv_json *const *)b)->key);
}

static void write_number(tree_writer *t, rv_str text)
{
    rv_decimal decimal;
    if (!t->canonical || !rv_decimal_read(text, &decimal)) {
        rv_jw_raw(&t->w, text);
        return;
    }
    rv_jw_raw(&t->w, (rv_str){0}); /* keeps the commas; the digits follow */
    rv_decimal_write(t->w.out, &decimal);
}

static void enter(tree_writer *t, const rv_json *container)
{
    RV_ASSERT(t->depth < RV_JSON_DEPTH_MAX);
    level *top = &t->levels[t->depth++];
    *top = (level){.container = container, .next = container->child};
    if (container->kind == RV_JSON_ARRAY) {
        rv_jw_array(&t->w);
        return;
    }
    rv_jw_object(&t->w);
    if (!t->canonical) return;
    top->sorted_begin = top->sorted_at = t->sorted.count;
    for (const rv_json *child = container->child; child; child = child->next) rv_vec_push(&t->sorted, child);
    top->sorted_end = t->sorted.count;
    if (top->sorted_end > top->sorted_at)
        qsort(t->sorted.at + top->sorted_at, top->sorted_end - top->sorted_at, sizeof t->sorted.at[0], by_key);
}

static void leave(tree_writer *t)
{
    level *top = &t->levels[--t->depth];
    if (top->container->kind == RV_JSON_ARRAY) {
        rv_jw_array_end(&t->w);
        return;
    }
    rv_jw_object_end(&t->w);
    if (t->canonical) t->sorted.count = top->sorted_begin;
}

static const rv_json *next_child(tree_writer *t)
{
    level *top = &t->levels[t->depth - 1];
    if (t->canonical && top->container->kind == RV_JSON_OBJECT)
        return top->sorted_at < top->sorted_end ? t->sorted.at[top->sorted_at++] : NULL;
    const rv_json *child = top->next;
    if (child) top->next = child->next;
    return child;
}

static void write_value(tree_writer *t, const rv_json *value)
{
    switch (value->kind) {
    case RV_JSON_NULL: rv_jw_null(&t->w); break;
    case RV_JSON_FALSE: rv_jw_bool(&t->w, false); break;
    case RV_JSON_TRUE: rv_jw_bool(&t->w, true); break;
    case RV_JSON_NUMBER: write_number(t, value->text); break;
    case RV_JSON_STRING: rv_jw_str(&t->w, value->text); break;
    case RV_JSON_ARRAY:
    case RV_JSON_OBJECT: enter(t, value); break;
    }
}

void rv_json_write(rv_buf *out, const rv_json *value, bool canonical)
{
    tree_writer t;
    t.canonical = canonical;
    t.depth = 0;
    t.sorted.at = NULL;
    t.sorted.count = t.sorted.capacity = 0;
    rv_json_writer_init(&t.w, out, 0);
    write_value(&t, value);
    while (t.depth > 0) {
        const rv_json *child = next_child(&t);
        if (!child) {
            leave(&t);
            continue;
        }
        if (t.levels[t.depth - 1].container->kind == RV_JSON_OBJECT) rv_jw_key_str(&t.w, child->key);
        write_value(&t, child);
    }
    rv_vec_deinit(&t.sorted);
}
