#include "spec/doc.h"
#include <stdio.h>

static uint32_t add(rv_doc *doc, rv_doc_value value)
{
    uint32_t index = doc->values.count;
    value.end = index + 1;
    rv_vec_push(&doc->values, value);
    return index;
}

uint32_t rv_doc_scalar(rv_doc *doc, rv_doc_kind kind, uint8_t flags, uint32_t at, uint32_t size, uint32_t offset)
{
    return add(doc, (rv_doc_value){.at = at, .size = size, .offset = offset, .kind = (uint8_t)kind, .flags = flags});
}

bool rv_doc_begin(rv_doc *doc, rv_doc_kind kind, uint32_t offset)
{
    if (doc->depth == RV_DOC_DEPTH_MAX) {
        rv_doc_problem(doc, offset, false, RV_STR("flatten it"), "nested deeper than %d levels", RV_DOC_DEPTH_MAX);
        return false;
    }
    doc->open[doc->depth++] = add(doc, (rv_doc_value){.offset = offset, .kind = (uint8_t)kind});
    return true;
}

static void duplicate(rv_doc *doc, uint32_t key, uint32_t first)
{
    uint32_t line = 0, column;
    doc->values.at[key].flags |= RV_DOC_DUPLICATE;
    if (doc->problems->list.count > RV_PROBLEMS_MAX) {
        doc->problems->error_count++;
        return;
    }
    rv_doc_position(doc, doc->values.at[first].offset, &line, &column);
    rv_doc_problem(doc, doc->values.at[key].offset, false, RV_STR("remove or rename one of them"),
                   "duplicate key `%.*s`, first on line %u", RV_FMT(rv_doc_text(doc, key)), line);
}

/* Few keys are compared pair by pair, many through a map. */
static void find_duplicates(rv_doc *doc, uint32_t map)
{
    uint32_t count = doc->values.at[map].size, keys[8], seen = 0;
    if (count < 2) return;
    rv_map names = {0};
    if (count > RV_COUNT(keys)) rv_map_reserve(&names, count);
    for (uint32_t key = map + 1; key < doc->values.at[map].end; key = rv_doc_next(doc, key + 1)) {
        rv_str text = rv_doc_text(doc, key);
        uint32_t first = RV_NONE;
        if (count > RV_COUNT(keys)) first = rv_map_add(&names, text, key);
        else {
            for (uint32_t k = 0; k < seen && first == RV_NONE; k++)
                if (rv_str_eq(text, rv_doc_text(doc, keys[k]))) first = keys[k];
            keys[seen++] = key;
        }
        if (first != RV_NONE) duplicate(doc, key, first);
    }
    rv_map_deinit(&names);
}

void rv_doc_end(rv_doc *doc)
{
    RV_ASSERT(doc->depth > 0);
    uint32_t index = doc->open[--doc->depth], count = 0;
    rv_doc_value *value = &doc->values.at[index];
    value->end = doc->values.count;
    for (uint32_t child = index + 1; child < value->end; child = rv_doc_next(doc, child)) count++;
    if (value->kind == RV_DOC_MAP) {
        RV_ASSERT(count % 2 == 0);
        value->size = count / 2;
        find_duplicates(doc, index);
    } else value->size = count;
}

rv_str rv_doc_text(const rv_doc *doc, uint32_t value)
{
    const rv_doc_value *v = &doc->values.at[value];
    if (v->kind >= RV_DOC_LIST) return RV_STR("");
    if (v->flags & RV_DOC_REPLACED) return doc->replaced.at[v->at];
    const rv_doc *of = v->part ? doc->parts.at[v->part - 1] : doc;
    return (rv_str){(v->flags & RV_DOC_POOLED ? of->pool.at : of->source.at) + v->at, v->size};
}

void rv_doc_replace(rv_doc *doc, uint32_t value, rv_str text)
{
    rv_doc_value *v = &doc->values.at[value];
    v->flags |= RV_DOC_REPLACED;
    v->at = doc->replaced.count;
    rv_vec_push(&doc->replaced, text);
}

uint32_t rv_doc_get(const rv_doc *doc, uint32_t map, const char *key)
{
    const rv_doc_value *v = &doc->values.at[map];
    if (v->kind != RV_DOC_MAP) return RV_NONE;
    for (uint32_t k = map + 1; k < v->end; k = rv_doc_next(doc, k + 1))
        if (rv_str_is(rv_doc_text(doc, k), key)) return k + 1;
    return RV_NONE;
}

/* ---- positions and problems ---- */

#define BLOCK_SIZE 4096u

static bool begins_character(char byte) { return ((unsigned char)byte & 0xc0) != 0x80; }

static void index_lines(rv_doc *doc)
{
    uint32_t characters = 0;
    rv_vec_push(&doc->lines, 0);
    for (uint32_t at = 0; at < doc->source.size; at++) {
        if (at % BLOCK_SIZE == 0) rv_vec_push(&doc->blocks, characters);
        characters += begins_character(doc->source.at[at]);
        if (doc->source.at[at] == '\n') rv_vec_push(&doc->lines, at + 1);
    }
    if (doc->source.size % BLOCK_SIZE == 0) rv_vec_push(&doc->blocks, characters);
}

/* Characters before byte `offset`. */
static uint32_t characters_before(const rv_doc *doc, uint32_t offset)
{
    uint32_t characters = doc->blocks.at[offset / BLOCK_SIZE];
    for (uint32_t at = offset / BLOCK_SIZE * BLOCK_SIZE; at < offset; at++) characters += begins_character(doc->source.at[at]);
    return characters;
}

/* The part that `offset` is in, or the doc itself. */
static rv_doc *part_at(rv_doc *doc, uint32_t offset)
{
    uint32_t low = 0, high = doc->parts.count;
    while (low < high) { /* the first part that begins after it */
        uint32_t middle = low + (high - low) / 2;
        if (doc->parts.at[middle]->base <= offset) low = middle + 1;
        else high = middle;
    }
    return low == 0 ? doc : doc->parts.at[low - 1];
}

const rv_doc *rv_doc_position(rv_doc *doc, uint32_t offset, uint32_t *ret_line, uint32_t *ret_column)
{
    rv_doc *of = part_at(doc, offset);
    if (of != doc) offset -= of->base;
    doc = of;
    if (doc->lines.count == 0) index_lines(doc);
    if (offset > doc->source.size) offset = (uint32_t)doc->source.size;
    uint32_t low = 0, high = doc->lines.count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (doc->lines.at[middle] <= offset) low = middle;
        else high = middle;
    }
    *ret_line = low + 1;
    *ret_column = characters_before(doc, offset) - characters_before(doc, doc->lines.at[low]) + 1;
    return doc;
}

uint32_t rv_doc_offset(const rv_doc *doc, uint32_t value, size_t within)
{
    const rv_doc_value *v = &doc->values.at[value];
    if (v->kind >= RV_DOC_LIST || v->flags & (RV_DOC_POOLED | RV_DOC_REPLACED)) return v->offset;
    return (v->part ? doc->parts.at[v->part - 1]->base : 0) + v->at + (uint32_t)RV_MIN(within, v->size);
}

void rv_doc_problem(rv_doc *doc, uint32_t offset, bool is_warning, rv_str cure, const char *fmt, ...)
{
    if (doc->problems->list.count > RV_PROBLEMS_MAX) {
        doc->problems->error_count += !is_warning;
        return;
    }
    rv_buf what = {0};
    va_list args;
    va_start(args, fmt);
    rv_buf_vprintf(&what, fmt, args);
    va_end(args);
    rv_problem problem = {.is_warning = is_warning, .what = rv_buf_str(&what), .cure = cure};
    const rv_doc *of = rv_doc_position(doc, offset, &problem.line, &problem.column);
    problem.file = of->file;
    problem.part = of->part;
    rv_problem_add(doc->problems, &problem);
    rv_buf_deinit(&what);
}

/* ---- reading ---- */

static rv_status refuse(rv_doc *doc, uint32_t offset, rv_str cure, const char *what)
{
    rv_doc_problem(doc, offset, false, cure, "%s", what);
    return RV_INVALID;
}

rv_status rv_doc_read(rv_doc *doc, const rv_spec_input *input, rv_problems *problems)
{
    rv_str source = input->source;
    doc->file = rv_str_of(input->file ? input->file : "workflow");
    doc->problems = problems;
    doc->is_json = input->is_json;
    if (source.size > RV_DOC_SOURCE_MAX) {
        rv_problem_add(problems, &(rv_problem){.file = doc->file, .part = doc->part, .what = RV_STR("the file is larger than 256 MiB"),
                                               .cure = RV_STR("split it into several workflows")});
        return RV_INVALID;
    }
    if (rv_str_starts(source, RV_STR("\xef\xbb\xbf"))) source = rv_str_from(source, 3);
    doc->source = source;
    size_t valid = rv_utf8_valid(source);
    if (valid < source.size) return refuse(doc, (uint32_t)valid, RV_STR("save the file as UTF-8"), "the text is not UTF-8 here");
    if (memchr(source.at ? source.at : "", 0, source.size)) {
        const char *zero = memchr(source.at, 0, source.size);
        return refuse(doc, (uint32_t)(zero - source.at), RV_STR("remove it"), "a NUL byte");
    }
    rv_status status = input->is_json ? rv_doc_read_json(doc) : rv_doc_read_yaml(doc);
    if (status == RV_OK) RV_ASSERT(doc->depth == 0 && doc->values.count > 0);
    return status;
}

void rv_doc_deinit(rv_doc *doc)
{
    rv_buf_deinit(&doc->pool);
    rv_vec_deinit(&doc->values);
    rv_vec_deinit(&doc->replaced);
    rv_vec_deinit(&doc->lines);
    rv_vec_deinit(&doc->blocks);
    for (uint32_t i = 0; i < doc->parts.count; i++) {
        rv_doc_deinit(doc->parts.at[i]);
        rv_free(doc->parts.at[i]);
    }
    rv_vec_deinit(&doc->parts);
}

/* ---- parts ---- */

rv_doc *rv_doc_part(rv_doc *doc, size_t size)
{
    const rv_doc *last = doc->parts.count ? doc->parts.at[doc->parts.count - 1] : doc;
    size_t base = last->base + last->source.size + 1;
    if (doc->parts.count == RV_DOC_PARTS_MAX || size > RV_DOC_SOURCE_MAX || base > RV_DOC_SOURCE_MAX - size) return NULL;
    rv_doc *part = rv_alloc(sizeof *part);
    rv_vec_push(&doc->parts, part);
    part->part = doc->parts.count;
    part->base = (uint32_t)base;
    return part;
}

uint32_t rv_doc_append(rv_doc *doc, rv_doc *part)
{
    uint32_t root = doc->values.count;
    RV_ASSERT(part->part == doc->parts.count && doc->parts.at[part->part - 1] == part);
    for (uint32_t i = 0; i < part->values.count; i++) {
        rv_doc_value value = part->values.at[i];
        value.end += root;
        value.offset += part->base;
        value.part = (uint16_t)part->part;
        rv_vec_push(&doc->values, value);
    }
    rv_vec_deinit(&part->values);
    return root;
}

uint32_t rv_doc_levels(const rv_doc *doc, uint32_t value)
{
    uint32_t ends[RV_DOC_DEPTH_MAX], depth = 0, most = 0;
    for (uint32_t v = value, end = rv_doc_next(doc, value); v < end; v++) {
        while (depth > 0 && ends[depth - 1] <= v) depth--;
        if (rv_doc_is_scalar(doc, v)) continue;
        RV_ASSERT(depth < RV_COUNT(ends));
        ends[depth++] = rv_doc_next(doc, v);
        most = RV_MAX(most, depth);
    }
    return most;
}
