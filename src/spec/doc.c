#include "spec/doc.h"
#include <stdio.h>

/* ---- values ---- */

static uint32_t bits_of(rv_doc_kind kind, uint32_t flags, uint32_t size)
{
    return (uint32_t)kind | flags << RV_DOC_KIND_BITS | RV_MIN(size, RV_DOC_SIZE_LONG) << RV_DOC_SIZE_SHIFT;
}

static void set_flags(rv_doc *doc, uint32_t value, uint32_t flags) { doc->values.at[value].bits |= flags << RV_DOC_KIND_BITS; }

/* The first of `longs` that is of `value` or of one behind it. */
static uint32_t long_at(const rv_doc *doc, uint32_t value)
{
    uint32_t low = 0, high = doc->longs.count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (doc->longs.at[middle].value < value) low = middle + 1;
        else high = middle;
    }
    return low;
}

/* A container gets its size after its content: only then does an entry not go to the end, and such large ones are few. */
static void note_long(rv_doc *doc, uint32_t value, uint32_t size)
{
    if (size < RV_DOC_SIZE_LONG) return;
    uint32_t at = long_at(doc, value);
    rv_vec_push(&doc->longs, ((rv_doc_long){0, 0}));
    memmove(doc->longs.at + at + 1, doc->longs.at + at, sizeof *doc->longs.at * (doc->longs.count - 1 - at));
    doc->longs.at[at] = (rv_doc_long){value, size};
}

uint32_t rv_doc_size(const rv_doc *doc, uint32_t value)
{
    uint32_t size = doc->values.at[value].bits >> RV_DOC_SIZE_SHIFT;
    return size < RV_DOC_SIZE_LONG ? size : doc->longs.at[long_at(doc, value)].size;
}

static uint32_t add(rv_doc *doc, rv_doc_value value, uint32_t offset)
{
    uint32_t index = doc->values.count;
    rv_vec_push(&doc->values, value);
    if (!doc->spent) rv_vec_push(&doc->offsets, offset);
    return index;
}

/* ---- texts of a source that is spent ---- */

#define KNOWN_COUNT (1u << 13)
#define KNOWN_SIZE_MAX 64u

/* A text by its first and its last eight bytes, which up to sixteen are all of it. */
static rv_doc_known ends_of(const char *at, uint32_t size)
{
    rv_doc_known ends = {.size = size};
    if (size >= 8) {
        memcpy(&ends.first, at, 8);
        memcpy(&ends.last, at + size - 8, 8);
    } else if (size >= 4) {
        memcpy(&ends.first, at, 4);
        memcpy(&ends.last, at + size - 4, 4);
    } else
        for (uint32_t i = 0; i < size; i++) ends.first = ends.first << 8 | (unsigned char)at[i];
    return ends;
}

/* Any function of the text will do: who makes it collide gets a larger pool. */
static uint32_t known_index(const rv_doc_known *ends)
{
    uint64_t mixed = (ends->first ^ (ends->last << 29 | ends->last >> 35) ^ ends->size) * UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(mixed >> 40) % KNOWN_COUNT;
}

/* Where in the pool this text is, now at the latest. */
static uint32_t pooled(rv_doc *doc, const char *text, uint32_t size)
{
    uint32_t at = (uint32_t)doc->pool.size;
    if (size > 0 && size <= KNOWN_SIZE_MAX) {
        rv_doc_known ends = ends_of(text, size), *known = &doc->known[known_index(&ends)];
        if (known->size == size && known->first == ends.first && known->last == ends.last &&
            (size <= 16 || memcmp(doc->pool.at + known->at, text, size) == 0))
            return known->at;
        ends.at = at;
        *known = ends;
    }
    rv_buf_add(&doc->pool, text, size);
    return at;
}

void rv_doc_spend(rv_doc *doc, size_t offset)
{
    if (doc->spent) rv_give_back(doc->spent, offset);
}

/* ---- building ---- */

uint32_t rv_doc_scalar(rv_doc *doc, rv_doc_kind kind, uint8_t flags, uint32_t at, uint32_t size, uint32_t offset)
{
    if (doc->spent && !(flags & RV_DOC_POOLED)) {
        at = pooled(doc, doc->source.at + at, size);
        flags |= RV_DOC_POOLED;
    }
    note_long(doc, doc->values.count, size);
    return add(doc, (rv_doc_value){at, bits_of(kind, flags, size)}, offset);
}

bool rv_doc_begin(rv_doc *doc, rv_doc_kind kind, uint32_t offset)
{
    if (doc->depth == RV_DOC_DEPTH_MAX) {
        rv_doc_problem(doc, offset, false, RV_STR("flatten it"), "nested deeper than %d levels", RV_DOC_DEPTH_MAX);
        return false;
    }
    uint32_t index = add(doc, (rv_doc_value){0, bits_of(kind, 0, 0)}, offset);
    doc->values.at[index].at = index + 1;
    doc->open[doc->depth++] = index;
    return true;
}

void rv_doc_copy(rv_doc *doc, uint32_t value)
{
    rv_doc_value copy = doc->values.at[value];
    uint32_t size = rv_doc_size(doc, value);
    if (!rv_doc_is_scalar(doc, value)) copy.at += doc->values.count - value; /* its content moves by one distance */
    note_long(doc, doc->values.count, size);
    add(doc, copy, rv_doc_begins(doc, value));
}

static void duplicate(rv_doc *doc, uint32_t key, uint32_t first)
{
    uint32_t line = 0, column;
    set_flags(doc, key, RV_DOC_DUPLICATE);
    if (doc->problems->list.count > RV_PROBLEMS_MAX) {
        doc->problems->error_count++;
        return;
    }
    if (!doc->problems->is_silent) rv_doc_position(doc, rv_doc_begins(doc, first), &line, &column);
    rv_doc_problem(doc, rv_doc_begins(doc, key), false, RV_STR("remove or rename one of them"),
                   "duplicate key `%.*s`, first on line %u", RV_FMT(rv_doc_text(doc, key)), line);
}

/* Few keys are compared pair by pair, many through a map. */
static void find_duplicates(rv_doc *doc, uint32_t map)
{
    uint32_t count = rv_doc_size(doc, map), keys[8], seen = 0;
    rv_str texts[RV_COUNT(keys)];
    if (count < 2) return;
    rv_map names = {0};
    if (count > RV_COUNT(keys)) rv_map_reserve(&names, count);
    for (uint32_t key = map + 1; key < rv_doc_next(doc, map); key = rv_doc_next(doc, key + 1)) {
        rv_str text = rv_doc_text(doc, key);
        uint32_t first = RV_NONE;
        if (count > RV_COUNT(keys)) first = rv_map_add(&names, text, key);
        else {
            for (uint32_t k = 0; k < seen && first == RV_NONE; k++)
                if (rv_str_eq(text, texts[k])) first = keys[k];
            texts[seen] = text;
            keys[seen++] = key;
        }
        if (first != RV_NONE) duplicate(doc, key, first);
    }
    rv_map_deinit(&names);
}

void rv_doc_end(rv_doc *doc)
{
    RV_ASSERT(doc->depth > 0);
    uint32_t index = doc->open[--doc->depth], count = 0, end = doc->values.count;
    rv_doc_kind kind = rv_doc_kind_of(doc, index);
    for (uint32_t child = index + 1; child < end; child = rv_doc_next(doc, child)) count++;
    RV_ASSERT(kind == RV_DOC_LIST || count % 2 == 0);
    if (kind == RV_DOC_MAP) count /= 2;
    doc->values.at[index] = (rv_doc_value){end, bits_of(kind, 0, count)};
    note_long(doc, index, count);
    if (kind == RV_DOC_MAP) find_duplicates(doc, index);
}

#ifdef __SANITIZE_ADDRESS__
#define RELEASE_SIZE ((size_t)1) /* each is watched from the first byte on */
#else
#define RELEASE_SIZE ((size_t)1 << 20) /* bytes that are worth a call of the system */
#endif

void rv_doc_release(rv_doc *doc, uint32_t from, uint32_t to)
{
    RV_ASSERT(doc->spent && doc->parts.count == 0 && to <= doc->values.count);
    uint32_t first = RV_MAX(doc->released, from);
    if (to <= first || sizeof *doc->values.at * (to - first) < RELEASE_SIZE) return;
    rv_give_back(doc->values.at + first, sizeof *doc->values.at * (to - first));
    doc->released = to;
}

/* ---- texts ---- */

/* The part that `key`, a value or the offset of a source, is of; or the doc itself. */
static inline const rv_doc *part_with(const rv_doc *doc, uint32_t key, bool is_offset)
{
    uint32_t low = 0, high = doc->parts.count;
    while (low < high) { /* the first part that begins after it */
        uint32_t middle = low + (high - low) / 2;
        const rv_doc *part = doc->parts.at[middle];
        if ((is_offset ? part->base : part->first) <= key) low = middle + 1;
        else high = middle;
    }
    return low == 0 ? doc : doc->parts.at[low - 1];
}

static const rv_doc *part_of(const rv_doc *doc, uint32_t value) { return part_with(doc, value, false); }

rv_str rv_doc_text_slow(const rv_doc *doc, uint32_t value)
{
    if (!rv_doc_is_scalar(doc, value)) return RV_STR("");
    uint32_t flags = rv_doc_flags(doc, value), at = doc->values.at[value].at;
    if (flags & RV_DOC_REPLACED) return doc->replaced.at[at];
    const rv_doc *of = part_of(doc, value);
    return (rv_str){(flags & RV_DOC_POOLED ? of->pool.at : of->source.at) + at, rv_doc_size(doc, value)};
}

void rv_doc_replace(rv_doc *doc, uint32_t value, rv_str text)
{
    set_flags(doc, value, RV_DOC_REPLACED);
    doc->values.at[value].at = doc->replaced.count;
    rv_vec_push(&doc->replaced, text);
}

uint32_t rv_doc_get(const rv_doc *doc, uint32_t map, const char *key)
{
    if (rv_doc_kind_of(doc, map) != RV_DOC_MAP) return RV_NONE;
    rv_str name = rv_str_of(key);
    for (uint32_t k = map + 1, end = rv_doc_next(doc, map); k < end; k = rv_doc_next(doc, k + 1))
        if (rv_str_eq(rv_doc_text(doc, k), name)) return k + 1;
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

static rv_doc *part_at(rv_doc *doc, uint32_t offset) { return (rv_doc *)part_with(doc, offset, true); }

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
    if (!rv_doc_is_scalar(doc, value) || rv_doc_flags(doc, value) & (RV_DOC_POOLED | RV_DOC_REPLACED)) return rv_doc_begins(doc, value);
    return part_of(doc, value)->base + doc->values.at[value].at + (uint32_t)RV_MIN(within, rv_doc_size(doc, value));
}

void rv_doc_problem(rv_doc *doc, uint32_t offset, bool is_warning, rv_str cure, const char *fmt, ...)
{
    if (doc->problems->is_silent || doc->problems->list.count > RV_PROBLEMS_MAX) {
        doc->problems->error_count += !is_warning;
        doc->problems->unsaid_count += doc->problems->is_silent;
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
    doc->spent = input->spent ? input->spent + (source.at - input->source.at) : NULL;
    if (doc->spent) doc->known = rv_alloc(sizeof *doc->known * KNOWN_COUNT);
    rv_status status = input->is_json ? rv_doc_read_json(doc) : rv_doc_read_yaml(doc);
    rv_doc_spend(doc, source.size);
    if (doc->spent) doc->source.at = NULL; /* its size goes on to say where the parts begin */
    rv_free(doc->known);
    doc->known = NULL;
    if (status == RV_OK) RV_ASSERT(doc->depth == 0 && doc->values.count > 0);
    return status;
}

void rv_doc_deinit(rv_doc *doc)
{
    rv_buf_deinit(&doc->pool);
    rv_vec_deinit(&doc->values);
    rv_vec_deinit(&doc->offsets);
    rv_vec_deinit(&doc->longs);
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
    part->first = doc->values.count;
    return part;
}

uint32_t rv_doc_append(rv_doc *doc, rv_doc *part)
{
    uint32_t root = doc->values.count;
    RV_ASSERT(part->part == doc->parts.count && doc->parts.at[part->part - 1] == part && part->first == root);
    for (uint32_t i = 0; i < part->values.count; i++) {
        rv_doc_value value = part->values.at[i];
        if (!rv_doc_is_scalar(part, i)) value.at += root;
        add(doc, value, rv_doc_begins(part, i) + part->base);
    }
    for (uint32_t i = 0; i < part->longs.count; i++) note_long(doc, part->longs.at[i].value + root, part->longs.at[i].size);
    rv_vec_deinit(&part->longs);
    rv_vec_deinit(&part->offsets);
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
