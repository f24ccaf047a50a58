#include "spec/write.h"
#include "base/glob.h"
#include <stdlib.h>

rv_slice rv_writer_extra(rv_writer *w, rv_str text)
{
    rv_slice slice = {(uint32_t)w->extra.size | RV_SLICE_EXTRA, (uint32_t)text.size};
    rv_buf_str_add(&w->extra, text);
    return slice;
}

rv_slice rv_writer_text(rv_writer *w, rv_str text)
{
    size_t before = w->image.size;
    rv_json_quote(&w->image, text);
    if (w->image.size - before != text.size + 2) return rv_writer_extra(w, text); /* something in it was escaped */
    return (rv_slice){(uint32_t)(before + 1 - w->strings), (uint32_t)text.size};
}

/* ---- maps, sorted ---- */

static int compare_keys(const void *a, const void *b, void *user)
{
    const rv_doc *doc = user;
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    int order = rv_str_cmp(rv_doc_text(doc, x), rv_doc_text(doc, y));
    return order ? order : x < y ? -1 : x > y;
}

uint32_t rv_writer_keys(rv_writer *w, uint32_t map)
{
    const rv_doc *doc = &w->loader->doc;
    uint32_t begin = w->keys.count;
    for (uint32_t key = map + 1, end = rv_doc_next(doc, map); key < end; key = rv_doc_next(doc, key + 1))
        rv_vec_push(&w->keys, key);
    uint32_t count = w->keys.count - begin;
    if (count < 16) {
        for (uint32_t i = begin + 1; i < w->keys.count; i++)
            for (uint32_t k = i; k > begin && compare_keys(&w->keys.at[k - 1], &w->keys.at[k], (void *)(uintptr_t)doc) > 0; k--) {
                uint32_t swap = w->keys.at[k];
                w->keys.at[k] = w->keys.at[k - 1];
                w->keys.at[k - 1] = swap;
            }
    } else qsort_r(w->keys.at + begin, count, sizeof(uint32_t), compare_keys, (void *)(uintptr_t)doc);
    return begin;
}

static void write_map(rv_writer *w, uint32_t map, const rv_type *type)
{
    const rv_doc *doc = &w->loader->doc;
    bool is_set = type->item->kind == RV_TYPE_EXPRESSION;
    uint32_t begin = rv_writer_keys(w, map), end = w->keys.count;
    rv_buf_byte(&w->image, '{');
    for (uint32_t i = begin; i < end; i++) {
        uint32_t key = w->keys.at[i];
        if (i > begin) rv_buf_byte(&w->image, ',');
        rv_slice name = rv_writer_text(w, rv_doc_text(doc, key));
        rv_buf_byte(&w->image, ':');
        if (is_set) rv_vec_push(&w->set_items, ((rv_set_item){name, rv_writer_text(w, rv_doc_text(doc, key + 1))}));
        else rv_writer_value(w, key + 1, type->item);
    }
    rv_buf_byte(&w->image, '}');
    w->keys.count = begin;
}

void rv_writer_map_merged(rv_writer *w, const uint32_t *layers, uint32_t layer_count, const rv_type *type)
{
    const rv_doc *doc = &w->loader->doc;
    uint32_t begin[5], at[5], end[5], first = w->keys.count;
    bool is_empty = true;
    RV_ASSERT(layer_count <= RV_COUNT(begin));
    for (uint32_t i = 0; i < layer_count; i++) {
        begin[i] = at[i] = layers[i] == RV_NONE ? w->keys.count : rv_writer_keys(w, layers[i]);
        end[i] = w->keys.count;
    }
    rv_buf_byte(&w->image, '{');
    for (;;) { /* the least key of all layers, from the highest layer that has it */
        uint32_t from = RV_NONE;
        for (uint32_t i = 0; i < layer_count; i++)
            if (at[i] < end[i] &&
                (from == RV_NONE || rv_str_cmp(rv_doc_text(doc, w->keys.at[at[i]]), rv_doc_text(doc, w->keys.at[at[from]])) <= 0))
                from = i;
        if (from == RV_NONE) break;
        uint32_t key = w->keys.at[at[from]];
        for (uint32_t i = 0; i < layer_count; i++)
            if (at[i] < end[i] && rv_str_eq(rv_doc_text(doc, w->keys.at[at[i]]), rv_doc_text(doc, key))) at[i]++;
        if (!is_empty) rv_buf_byte(&w->image, ',');
        is_empty = false;
        rv_json_quote(&w->image, rv_doc_text(doc, key));
        rv_buf_byte(&w->image, ':');
        rv_writer_value(w, key + 1, type->item);
    }
    rv_buf_byte(&w->image, '}');
    w->keys.count = first;
}

void rv_writer_object_merged(rv_writer *w, const uint32_t *layers, uint32_t layer_count, const rv_key_table *table)
{
    const rv_doc *doc = &w->loader->doc;
    uint32_t found[64];
    memset(found, 0xff, sizeof found);
    for (uint32_t i = 0; i < layer_count; i++) {
        if (layers[i] == RV_NONE) continue;
        for (uint32_t key = layers[i] + 1, end = rv_doc_next(doc, layers[i]); key < end; key = rv_doc_next(doc, key + 1))
            found[rv_key_find(table, rv_doc_text(doc, key))] = key + 1;
    }
    bool is_empty = true;
    rv_buf_byte(&w->image, '{');
    for (uint32_t i = 0; i < table->count; i++) {
        if (found[i] == RV_NONE) continue;
        if (!is_empty) rv_buf_byte(&w->image, ',');
        is_empty = false;
        rv_json_quote(&w->image, rv_str_of(table->keys[i].name));
        rv_buf_byte(&w->image, ':');
        rv_writer_value(w, found[i], table->keys[i].type);
    }
    rv_buf_byte(&w->image, '}');
}

/* ---- data ---- */

static void write_number(rv_buf *out, rv_str digits)
{
    rv_json number = {.kind = RV_JSON_NUMBER, .text = digits};
    rv_json_write(out, &number, true);
}

static void write_scalar(rv_writer *w, rv_buf *out, uint32_t value)
{
    const rv_doc *doc = &w->loader->doc;
    switch (rv_doc_kind_of(doc, value)) {
    case RV_DOC_NULL: rv_buf_cstring(out, "null"); return;
    case RV_DOC_FALSE: rv_buf_cstring(out, "false"); return;
    case RV_DOC_TRUE: rv_buf_cstring(out, "true"); return;
    case RV_DOC_NUMBER: write_number(out, rv_doc_text(doc, value)); return;
    case RV_DOC_STRING: rv_json_quote(out, rv_doc_text(doc, value)); return;
    case RV_DOC_LIST:
    case RV_DOC_MAP: break;
    }
    RV_UNREACHABLE();
}

typedef struct frame {
    uint32_t begin, next, end;
    bool is_map;
} frame; /* map: of w->keys; list: values */

void rv_writer_data(rv_writer *w, rv_buf *out, uint32_t value)
{
    const rv_doc *doc = &w->loader->doc;
    frame stack[RV_DOC_DEPTH_MAX + 1];
    uint32_t depth = 0;
    for (;;) {
        if (rv_doc_is_scalar(doc, value)) write_scalar(w, out, value);
        else {
            bool is_map = rv_doc_kind_of(doc, value) == RV_DOC_MAP;
            RV_ASSERT(depth < RV_COUNT(stack));
            frame *top = &stack[depth++];
            rv_buf_byte(out, is_map ? '{' : '[');
            if (is_map) top->begin = rv_writer_keys(w, value), top->end = w->keys.count;
            else top->begin = value + 1, top->end = rv_doc_next(doc, value);
            top->next = top->begin;
            top->is_map = is_map;
        }
        while (depth > 0 && stack[depth - 1].next >= stack[depth - 1].end) {
            frame *top = &stack[--depth];
            rv_buf_byte(out, top->is_map ? '}' : ']');
            if (top->is_map) w->keys.count = top->begin;
        }
        if (depth == 0) return;
        frame *top = &stack[depth - 1];
        if (top->next > top->begin) rv_buf_byte(out, ',');
        if (top->is_map) {
            uint32_t key = w->keys.at[top->next++];
            rv_json_quote(out, rv_doc_text(doc, key));
            rv_buf_byte(out, ':');
            value = key + 1;
        } else {
            value = top->next;
            top->next = rv_doc_next(doc, value);
        }
    }
}

/* ---- typed values ---- */

static void write_list(rv_writer *w, uint32_t list, const rv_type *type)
{
    const rv_doc *doc = &w->loader->doc;
    rv_buf_byte(&w->image, '[');
    for (uint32_t item = list + 1, end = rv_doc_next(doc, list); item < end; item = rv_doc_next(doc, item)) {
        if (item > list + 1) rv_buf_byte(&w->image, ',');
        rv_writer_value(w, item, type->item);
    }
    rv_buf_byte(&w->image, ']');
}

static void write_time(rv_writer *w, uint32_t value, bool is_instant)
{
    int64_t ms = 0;
    rv_str text = rv_doc_text(&w->loader->doc, value);
    RV_ASSERT(is_instant ? rv_instant_parse(text, &ms) : rv_doc_ms(&w->loader->doc, value, &ms));
    rv_buf_byte(&w->image, '"');
    if (is_instant) rv_time_write(&w->image, ms);
    else {
        rv_buf_i64(&w->image, ms);
        rv_buf_cstring(&w->image, "ms");
    }
    rv_buf_byte(&w->image, '"');
}

/* Does a param's own `type` make its values texts? */
static void note_param_type(rv_writer *w, uint32_t param)
{
    uint32_t type = rv_doc_get(&w->loader->doc, param, "type");
    w->loader->param_type = type != RV_NONE && !rv_str_is(rv_doc_text(&w->loader->doc, type), "string");
}

static void write_mutex(rv_writer *w, uint32_t value)
{
    if (rv_doc_kind_of(&w->loader->doc, value) == RV_DOC_MAP) {
        rv_writer_object_merged(w, &value, 1, &rv_mutex_table);
        return;
    }
    rv_buf_cstring(&w->image, "{\"name\":");
    rv_json_quote(&w->image, rv_doc_text(&w->loader->doc, value));
    rv_buf_byte(&w->image, '}');
}

/* Of a project's node it begins in the project's directory; in the normal form it begins at the root. */
static void write_pattern(rv_writer *w, rv_str text)
{
    rv_buf path = {0};
    if (w->base.size && text.size && text.at[0] != '/') {
        rv_buf_byte(&path, '/');
        rv_glob_escape(&path, w->base);
        rv_buf_byte(&path, '/');
    }
    rv_buf_str_add(&path, text);
    rv_json_quote(&w->image, rv_buf_str(&path));
    rv_buf_deinit(&path);
}

void rv_writer_value(rv_writer *w, uint32_t value, const rv_type *type)
{
    const rv_doc *doc = &w->loader->doc;
    switch (type->kind) {
    case RV_TYPE_TEXT:
    case RV_TYPE_STRING:
    case RV_TYPE_TEMPLATE:
    case RV_TYPE_EXPRESSION:
    case RV_TYPE_SCRIPT:
    case RV_TYPE_IDENTIFIER:
    case RV_TYPE_NODE:
    case RV_TYPE_ENTRANT:
    case RV_TYPE_VARIABLE:
    case RV_TYPE_PATH:
    case RV_TYPE_WORD: rv_json_quote(&w->image, rv_doc_text(doc, value)); return;
    case RV_TYPE_PATTERN: write_pattern(w, rv_doc_text(doc, value)); return;
    case RV_TYPE_BOOLEAN:
    case RV_TYPE_INTEGER:
    case RV_TYPE_NUMBER:
    case RV_TYPE_MONEY:
    case RV_TYPE_CAP: write_scalar(w, &w->image, value); return;
    case RV_TYPE_TAG_CAP:
        if (rv_doc_kind_of(doc, value) == RV_DOC_MAP) rv_writer_object_merged(w, &value, 1, type->table);
        else write_scalar(w, &w->image, value);
        return;
    case RV_TYPE_MUTEX: write_mutex(w, value); return;
    case RV_TYPE_MUTEXES:
        if (rv_doc_kind_of(doc, value) == RV_DOC_LIST) {
            write_list(w, value, type);
            return;
        }
        rv_buf_byte(&w->image, '[');
        write_mutex(w, value);
        rv_buf_byte(&w->image, ']');
        return;
    case RV_TYPE_RETRY_ON: write_scalar(w, &w->image, value); return;
    case RV_TYPE_DURATION: write_time(w, value, false); return;
    case RV_TYPE_TIME: write_time(w, value, true); return;
    case RV_TYPE_LIST: write_list(w, value, type); return;
    case RV_TYPE_MAP: write_map(w, value, type); return;
    case RV_TYPE_OBJECT:
        if (type->table == &rv_param_table) note_param_type(w, value);
        rv_writer_object_merged(w, &value, 1, type->table);
        return;
    case RV_TYPE_PARAM_VALUE:
        if (w->loader->param_type == 0) rv_json_quote(&w->image, rv_doc_text(doc, value));
        else rv_writer_data(w, &w->image, value);
        return;
    case RV_TYPE_DATA:
    case RV_TYPE_FILLED:
    case RV_TYPE_ITEMS:
    case RV_TYPE_SCHEMA:
    case RV_TYPE_SCHEMA_OR_BOOLEAN:
    case RV_TYPE_WORDS: rv_writer_data(w, &w->image, value); return;
    case RV_TYPE_NODE_BODY:
    case RV_TYPE_BODY_OR_NODES:
    case RV_TYPE_DEFINITION:
    case RV_TYPE_PROJECTS:
    case RV_TYPE_CACHE:
    case RV_TYPE_DEFAULTS: break; /* written by body.c */
    }
    RV_UNREACHABLE();
}
