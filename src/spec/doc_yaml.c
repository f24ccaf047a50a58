/* doc_yaml.c: libyaml's events → document tree.
 *
 *  (1) The depth limit is checked between events, so that a file of opening brackets ends after 64 of them.
 *  (2) An alias copies the values of its anchor; all copies together are bounded, so a bomb is refused, not expanded.
 *  (3) libyaml counts characters, we count bytes: both walk the source forwards, so the mapping is one pass.
 *  (4) Scalars are resolved by the core schema of YAML 1.2: null, true and false, numbers; yes, no, on and off are texts. */
#include "spec/doc.h"
#include <yaml.h>

typedef struct anchor {
    rv_str name;
    uint32_t value;
} anchor;

typedef struct reader {
    rv_doc *doc;
    yaml_parser_t parser;
    rv_arena arena; /* names of anchors */
    RV_VEC(anchor) anchors;
    rv_map by_name;         /* anchor's name → index in anchors */
    uint32_t alias_values;  /* added by aliases, keeps (2) */
    size_t character, byte; /* the same place in both counts, keeps (3) */
    uint32_t documents;
    uint64_t is_map, wants_value; /* a bit a level: it is a map; the next event in it is a value */
} reader;

static uint32_t byte_of(reader *r, size_t character)
{
    rv_str source = r->doc->source;
    while (r->character > character) { /* the mark of an empty scalar may lie a little behind */
        do r->byte--;
        while (((unsigned char)source.at[r->byte] & 0xc0) == 0x80);
        r->character--;
    }
    while (r->character < character && r->byte < source.size) {
        r->byte++;
        while (r->byte < source.size && ((unsigned char)source.at[r->byte] & 0xc0) == 0x80) r->byte++;
        r->character++;
    }
    return (uint32_t)r->byte;
}

/* ---- plain scalars, keeps (4) ---- */

static size_t digits(rv_str text, size_t at)
{
    size_t begin = at;
    while (at < text.size && text.at[at] >= '0' && text.at[at] <= '9') at++;
    return at - begin;
}

static bool is_json_number(rv_str text)
{
    size_t at = text.size && text.at[0] == '-', whole = digits(text, at);
    if (whole == 0 || (whole > 1 && text.at[at] == '0')) return false;
    at += whole;
    if (at < text.size && text.at[at] == '.') {
        size_t fraction = digits(text, at + 1);
        if (fraction == 0) return false;
        at += 1 + fraction;
    }
    if (at < text.size && (text.at[at] | 32) == 'e') {
        at++;
        if (at < text.size && (text.at[at] == '+' || text.at[at] == '-')) at++;
        size_t exponent = digits(text, at);
        if (exponent == 0) return false;
        at += exponent;
    }
    return at == text.size;
}

/* A number of the core schema that JSON would spell otherwise: 0x1F, 0o17, +1, 007, .5, 1., .inf, .nan */
static bool is_odd_number(rv_str text)
{
    if (text.size > 2 && text.at[0] == '0' && (text.at[1] == 'x' || text.at[1] == 'o'))
        return strspn(text.at + 2, text.at[1] == 'x' ? "0123456789abcdefABCDEF" : "01234567") >= text.size - 2;
    size_t at = text.size && (text.at[0] == '-' || text.at[0] == '+');
    rv_str rest = rv_str_from(text, at);
    static const char *const words[] = {".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN"};
    for (size_t i = 0; i < RV_COUNT(words); i++)
        if (rv_str_is(rest, words[i])) return true;
    size_t whole = digits(rest, 0), fraction = 0;
    at = whole;
    if (at < rest.size && rest.at[at] == '.') {
        fraction = digits(rest, at + 1);
        at += 1 + fraction;
    }
    if (whole + fraction == 0) return false;
    if (at < rest.size && (rest.at[at] | 32) == 'e') {
        at++;
        if (at < rest.size && (rest.at[at] == '+' || rest.at[at] == '-')) at++;
        size_t exponent = digits(rest, at);
        if (exponent == 0) return false;
        at += exponent;
    }
    return at == rest.size;
}

static rv_doc_kind plain_kind(rv_str text, uint8_t *flags)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
    *flags = RV_DOC_PLAIN;
    if (text.size <= 5) {
        for (size_t i = 0; i < RV_COUNT(nulls); i++)
            if (rv_str_is(text, nulls[i])) return RV_DOC_NULL;
        if (rv_str_is(text, "true")) return RV_DOC_TRUE;
        if (rv_str_is(text, "false")) return RV_DOC_FALSE;
    }
    if (strchr("-+.0123456789", text.at[0]) == NULL) return RV_DOC_STRING;
    if (is_json_number(text)) return RV_DOC_NUMBER;
    if (!is_odd_number(text)) return RV_DOC_STRING;
    *flags |= RV_DOC_ODD_NUMBER;
    return RV_DOC_NUMBER;
}

/* ---- events ---- */

static rv_status refuse(reader *r, const yaml_mark_t *mark, rv_str cure, const char *what)
{
    rv_doc_problem(r->doc, byte_of(r, mark->index), false, cure, "%s", what);
    return RV_INVALID;
}

/* What a map's next event is alternates between key and value; keys must be scalars. */
static bool takes_key(const reader *r)
{
    uint32_t depth = r->doc->depth;
    return depth > 0 && (r->is_map >> (depth - 1) & 1) && !(r->wants_value >> (depth - 1) & 1);
}
static void took_one(reader *r)
{
    uint32_t depth = r->doc->depth;
    if (depth > 0) r->wants_value ^= (uint64_t)1 << (depth - 1);
}

static void remember(reader *r, const yaml_char_t *name, uint32_t value)
{
    if (name == NULL) return;
    rv_str text = rv_arena_str(&r->arena, rv_str_of((const char *)name));
    uint32_t known = rv_map_add(&r->by_name, text, r->anchors.count);
    if (known != RV_NONE) r->anchors.at[known].value = value; /* an anchor may be set again: the latest counts */
    else rv_vec_push(&r->anchors, ((anchor){text, value}));
}

static rv_status scalar(reader *r, const yaml_event_t *event)
{
    rv_doc *doc = r->doc;
    rv_str text = {(const char *)event->data.scalar.value, event->data.scalar.length};
    uint8_t flags = 0;
    rv_doc_kind kind = RV_DOC_STRING;
    const char *tag = (const char *)event->data.scalar.tag;
    if (tag && strcmp(tag, "tag:yaml.org,2002:str") != 0 && strcmp(tag, "!") != 0)
        return refuse(r, &event->start_mark, RV_STR("remove the tag"), "tags other than !!str are not used in workflow files");
    if (!tag && event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE) kind = plain_kind(text, &flags);
    uint32_t offset = byte_of(r, event->start_mark.index), at = offset;
    if (event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE) at++;
    if (at + text.size <= doc->source.size && (text.size == 0 || memcmp(doc->source.at + at, text.at, text.size) == 0)) {
        remember(r, event->data.scalar.anchor, rv_doc_scalar(doc, kind, flags, at, (uint32_t)text.size, offset));
    } else {
        at = (uint32_t)doc->pool.size;
        rv_buf_str_add(&doc->pool, text);
        remember(r, event->data.scalar.anchor, rv_doc_scalar(doc, kind, flags | RV_DOC_POOLED, at, (uint32_t)text.size, offset));
    }
    took_one(r);
    return RV_OK;
}

static rv_status begin(reader *r, const yaml_event_t *event, bool is_map)
{
    if (takes_key(r)) return refuse(r, &event->start_mark, RV_STR("use a plain name as the key"), "a list or a map as a key");
    const yaml_char_t *tag = is_map ? event->data.mapping_start.tag : event->data.sequence_start.tag;
    if (tag)
        return refuse(r, &event->start_mark, RV_STR("remove the tag"), "tags other than !!str are not used in workflow files");
    took_one(r);
    uint32_t level = r->doc->depth, value = r->doc->values.count;
    if (!rv_doc_begin(r->doc, is_map ? RV_DOC_MAP : RV_DOC_LIST, byte_of(r, event->start_mark.index)))
        return RV_INVALID; /* keeps (1) */
    uint64_t bit = (uint64_t)1 << level;
    r->is_map = is_map ? r->is_map | bit : r->is_map & ~bit;
    r->wants_value &= ~bit;
    remember(r, is_map ? event->data.mapping_start.anchor : event->data.sequence_start.anchor, value);
    return RV_OK;
}

/* Copy the anchor's subtree. */
static rv_status alias(reader *r, const yaml_event_t *event)
{
    rv_doc *doc = r->doc;
    rv_str name = rv_str_of((const char *)event->data.alias.anchor);
    uint32_t known = rv_map_get(&r->by_name, name);
    if (known == RV_NONE)
        return refuse(r, &event->start_mark, RV_STR("define it with & before it is used"),
                      "an alias of an anchor that is not defined");
    uint32_t from = r->anchors.at[known].value, end = rv_doc_next(doc, from);
    for (uint32_t d = 0; d < doc->depth; d++)
        if (doc->open[d] == from) return refuse(r, &event->start_mark, RV_STR("remove it"), "an alias inside of its own anchor");
    if (takes_key(r) && !rv_doc_is_scalar(doc, from))
        return refuse(r, &event->start_mark, RV_STR("use a plain name as the key"), "a list or a map as a key");
    r->alias_values += end - from; /* keeps (2) */
    if (r->alias_values > RV_DOC_ALIAS_VALUES_MAX)
        return refuse(r, &event->start_mark, RV_STR("write the values out"),
                      "the aliases of this file expand to more than 1,000,000 values");
    uint32_t ends[RV_DOC_DEPTH_MAX], depth = doc->depth;
    for (uint32_t i = from; i < end; i++) {
        while (depth > doc->depth && ends[depth - 1] <= i) depth--;
        if (!rv_doc_is_scalar(doc, i)) {
            if (depth == RV_DOC_DEPTH_MAX)
                return refuse(r, &event->start_mark, RV_STR("flatten it"), "nested deeper than 64 levels");
            ends[depth++] = rv_doc_next(doc, i);
        }
        rv_doc_copy(doc, i);
    }
    took_one(r);
    return RV_OK;
}

static rv_status syntax(reader *r)
{
    yaml_parser_t *parser = &r->parser;
    rv_doc *doc = r->doc;
    if (parser->error == YAML_MEMORY_ERROR) {
        rv_doc_problem(doc, 0, false, RV_STR(""), "out of memory");
        return RV_INVALID;
    }
    if (parser->error == YAML_READER_ERROR) {
        uint32_t at = (uint32_t)RV_MIN(parser->problem_offset, doc->source.size);
        rv_doc_problem(doc, at, false, RV_STR("remove it"), "a character that YAML does not allow");
        return RV_INVALID;
    }
    uint32_t offset = byte_of(r, parser->problem_mark.index);
    uint32_t at = offset;
    while (at > 0 && doc->source.at[at - 1] != '\n') at--;
    while (at < doc->source.size && doc->source.at[at] == ' ') at++;
    if (at < doc->source.size && doc->source.at[at] == '\t')
        rv_doc_problem(doc, at, false, RV_STR("indent with spaces"), "a tab where YAML wants indentation");
    else if (parser->context && parser->context[0])
        rv_doc_problem(doc, offset, false, RV_STR("correct the YAML"), "%s %s that begins on line %zu", parser->problem,
                       parser->context, parser->context_mark.line + 1);
    else rv_doc_problem(doc, offset, false, RV_STR("correct the YAML"), "%s", parser->problem);
    return RV_INVALID;
}

static rv_status take(reader *r, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT: return RV_OK;
    case YAML_DOCUMENT_START_EVENT:
        if (r->documents++ == 0) return RV_OK;
        return refuse(r, &event->start_mark, RV_STR("one file is one workflow: move it to a file of its own"),
                      "a second document");
    case YAML_ALIAS_EVENT: return alias(r, event);
    case YAML_SCALAR_EVENT: return scalar(r, event);
    case YAML_SEQUENCE_START_EVENT: return begin(r, event, false);
    case YAML_MAPPING_START_EVENT: return begin(r, event, true);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT: rv_doc_end(r->doc); return RV_OK;
    }
    RV_UNREACHABLE();
}

rv_status rv_doc_read_yaml(rv_doc *doc)
{
    reader r = {.doc = doc};
    rv_status status = RV_OK;
    if (!yaml_parser_initialize(&r.parser)) return RV_NO_MEMORY;
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)(doc->source.at ? doc->source.at : ""), doc->source.size);
    for (bool is_over = false; !is_over && status == RV_OK;) {
        yaml_event_t event;
        if (!yaml_parser_parse(&r.parser, &event)) {
            status = syntax(&r);
            break;
        }
        is_over = event.type == YAML_STREAM_END_EVENT;
        status = take(&r, &event);
        yaml_event_delete(&event);
    }
    if (status == RV_OK && (doc->values.count == 0 || (doc->values.count == 1 && rv_doc_kind_of(doc, 0) == RV_DOC_NULL))) {
        rv_doc_problem(doc, 0, false, RV_STR("`reeve init` writes an example"), "the file is empty");
        status = RV_INVALID;
    }
    yaml_parser_delete(&r.parser);
    rv_arena_deinit(&r.arena);
    rv_vec_deinit(&r.anchors);
    rv_map_deinit(&r.by_name);
    return status;
}
