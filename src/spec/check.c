/* check.c: every value against the key tables [W2–W5]. A walk over types, bounded by the tables; what a file can nest
 * as deep as it likes (data, schemas) is walked by loops. */
#include "spec/load.h"
#include "base/glob.h"
#include "kernel/expr.h"
#include "kernel/template.h"

/* ---- scalars ---- */

static const char *describe(const rv_doc *doc, uint32_t value)
{
    switch (rv_doc_kind_of(doc, value)) {
    case RV_DOC_NULL: return rv_doc_size(doc, value) ? "null" : "nothing";
    case RV_DOC_FALSE: return "false";
    case RV_DOC_TRUE: return "true";
    case RV_DOC_NUMBER: return "a number";
    case RV_DOC_STRING: return "a string";
    case RV_DOC_LIST: return "a list";
    case RV_DOC_MAP: return "a map";
    }
    RV_UNREACHABLE();
}

static void wants(rv_loader *l, uint32_t value, rv_str name, const char *want, const char *cure)
{
    const char *quote = rv_str_starts(name, RV_STR("a ")) ? "" : "`"; /* a workflow, a project: no word of the file */
    rv_loader_error(l, value, 0, rv_str_of(cure), "%s%.*s%s wants %s, not %s", quote, RV_FMT(name), quote, want, describe(&l->doc, value));
}

static void wants_other(rv_loader *l, uint32_t value, rv_str name, const char *want, rv_str cure)
{
    rv_str text = rv_doc_text(&l->doc, value);
    rv_loader_error(l, value, 0, cure, "`%.*s` wants %s, not `%.*s`", RV_FMT(name), want, (int)RV_MIN(text.size, (size_t)80),
                    text.at);
}

/* Where a string is wanted a plain YAML scalar is its own text; in JSON a non-string is an error [W5]. */
static bool text_of(rv_loader *l, uint32_t value, rv_str name, const char *want, rv_str *ret)
{
    rv_doc_kind kind = rv_doc_kind_of(&l->doc, value);
    *ret = rv_doc_text(&l->doc, value);
    if (kind == RV_DOC_STRING) return true;
    bool is_empty = rv_doc_size(&l->doc, value) == 0;
    if (kind < RV_DOC_LIST && rv_doc_flags(&l->doc, value) & RV_DOC_PLAIN && !is_empty) return true;
    wants(l, value, name, want, kind >= RV_DOC_LIST ? "" : is_empty ? "give it a value" : "put it in quotes");
    return false;
}

static rv_str words_text(rv_loader *l, const char *const *words)
{
    rv_buf out = {0};
    for (uint32_t i = 0; words[i]; i++) rv_buf_printf(&out, "%s%s", i == 0 ? "" : words[i + 1] ? ", " : " or ", words[i]);
    rv_str text = rv_arena_printf(&l->arena, "%.*s", RV_FMT(rv_buf_str(&out)));
    rv_buf_deinit(&out);
    return text;
}

uint32_t rv_word_find(const char *const *words, rv_str text)
{
    for (uint32_t i = 0; words[i]; i++)
        if (rv_str_is(text, words[i])) return i;
    return RV_NONE;
}

/* A reducer that the program around us has registered. */
static bool is_of_host(const rv_loader *l, rv_str name)
{
    if (l->input->has_any_reducer) return rv_is_identifier(name);
    return l->input->reducers && rv_word_find(l->input->reducers, name) != RV_NONE;
}

static void check_word(rv_loader *l, uint32_t value, const rv_type *type, rv_str name)
{
    rv_doc_kind kind = rv_doc_kind_of(&l->doc, value);
    bool is_text = kind == RV_DOC_STRING || (kind < RV_DOC_LIST && rv_doc_flags(&l->doc, value) & RV_DOC_PLAIN);
    if (is_text && rv_word_find(type->words, rv_doc_text(&l->doc, value)) != RV_NONE) return;
    if (is_text && type->is_open && is_of_host(l, rv_doc_text(&l->doc, value))) return;
    rv_str text, words = words_text(l, type->words);
    if (!text_of(l, value, name, words.at, &text)) return;
    uint32_t count = 0;
    while (type->words[count]) count++;
    const char *nearest = rv_near(text, type->words, count);
    wants_other(l, value, name, words.at, nearest ? rv_loader_hint(l, nearest, "") : RV_STR(""));
}

static void check_boolean(rv_loader *l, uint32_t value, const rv_type *type, rv_str name)
{
    static const char *const yes[] = {"yes", "Yes", "YES", "on", "On", "ON", "y", "Y", "True", "TRUE", NULL};
    static const char *const no[] = {"no", "No", "NO", "off", "Off", "OFF", "n", "N", "False", "FALSE", NULL};
    rv_doc_kind kind = rv_doc_kind_of(&l->doc, value);
    if (kind == RV_DOC_TRUE || kind == RV_DOC_FALSE) return;
    if (kind != RV_DOC_STRING) {
        wants(l, value, name, type->want, "");
        return;
    }
    rv_str text = rv_doc_text(&l->doc, value);
    if (rv_str_is(text, "true") || rv_str_is(text, "false")) wants(l, value, name, type->want, "remove the quotes");
    else if (rv_word_find(yes, text) != RV_NONE) wants_other(l, value, name, type->want, RV_STR("write true"));
    else if (rv_word_find(no, text) != RV_NONE) wants_other(l, value, name, type->want, RV_STR("write false"));
    else wants_other(l, value, name, type->want, RV_STR(""));
}

bool rv_doc_i64(const rv_doc *doc, uint32_t value, int64_t *ret)
{
    if (rv_doc_kind_of(doc, value) != RV_DOC_NUMBER || rv_doc_flags(doc, value) & RV_DOC_ODD_NUMBER) return false;
    rv_json number = {.kind = RV_JSON_NUMBER, .text = rv_doc_text(doc, value)};
    return rv_json_i64(&number, ret);
}

bool rv_doc_ms(const rv_doc *doc, uint32_t value, int64_t *ret) { return rv_duration_parse(rv_doc_text(doc, value), ret); }

static void check_integer(rv_loader *l, uint32_t value, const rv_type *type, rv_str name)
{
    int64_t number;
    if (rv_doc_kind_of(&l->doc, value) != RV_DOC_NUMBER) wants(l, value, name, type->want, "");
    else if (!rv_doc_i64(&l->doc, value, &number) || number < type->least || number > type->most)
        wants_other(l, value, name, type->want, RV_STR(""));
}

static void check_money(rv_loader *l, uint32_t value, const rv_type *type, rv_str name)
{
    int64_t micro;
    if (rv_doc_kind_of(&l->doc, value) != RV_DOC_NUMBER) wants(l, value, name, type->want, "");
    else if (!rv_doc_micro(&l->doc, value, &micro))
        wants_other(l, value, name, type->want, RV_STR("at least 0, at most a billion, at most six decimals"));
}

static void check_duration(rv_loader *l, uint32_t value, const rv_type *type, rv_str name)
{
    rv_str text;
    int64_t ms;
    if (!text_of(l, value, name, type->want, &text)) return;
    if (!rv_doc_ms(&l->doc, value, &ms)) {
        bool is_bare = rv_doc_kind_of(&l->doc, value) == RV_DOC_NUMBER;
        wants_other(l, value, name, type->want, is_bare ? RV_STR("add a unit: ms, s, m, h or d") : RV_STR(""));
    } else if (ms < type->least) wants_other(l, value, name, type->want, RV_STR("leave it out for none"));
    else if (ms > type->most) wants_other(l, value, name, type->want, RV_STR("ten years are the most"));
}

static void check_cap(rv_loader *l, uint32_t value, const rv_type *type, rv_str name)
{
    if (rv_doc_kind_of(&l->doc, value) == RV_DOC_STRING) {
        if (!rv_str_is(rv_doc_text(&l->doc, value), "auto")) wants_other(l, value, name, type->want, RV_STR(""));
    } else check_integer(l, value, type, name);
}

static void check_retry_on(rv_loader *l, uint32_t value, const rv_type *type, rv_str name)
{
    if (rv_doc_kind_of(&l->doc, value) != RV_DOC_STRING) check_integer(l, value, type, name);
    else if (rv_word_find(type->words, rv_doc_text(&l->doc, value)) == RV_NONE)
        wants_other(l, value, name, type->want, RV_STR(""));
}

static void check_identifier(rv_loader *l, uint32_t value, const rv_type *type, rv_str name)
{
    rv_str text;
    if (!text_of(l, value, name, type->want, &text)) return;
    if (type->kind == RV_TYPE_NODE && type->use < RV_USE_OF && rv_loader_exists(l, text)) return; /* any id of the run */
    bool is_whole = rv_loader_is_composite(l, text);
    if (type->kind == RV_TYPE_NODE && type->use != RV_USE_OF) {
        rv_loader_name_node(l, value, type);
        text = rv_doc_text(&l->doc, value);
    } else if (type->kind == RV_TYPE_NODE && rv_is_selector(text)) {
        rv_loader_selector_fail(l, value, text);
    } else if (!rv_is_identifier(text) && !(is_whole && (type->is_open || type->use == RV_USE_OF)))
        rv_loader_error(l, value, 0, RV_STR("use A-Z a-z 0-9 _ -, a letter or digit first, at most 64"), "`%.*s` is not a name",
                        (int)RV_MIN(text.size, (size_t)80), text.at);
    if (type->use >= RV_USE_OF && (rv_is_identifier(text) || is_whole || rv_loader_is_composite(l, text)))
        rv_vec_push(&l->references, ((rv_reference){.path = text, .node = l->node, .scope = l->scope, .value = value, .file = l->file,
                                                    .use = type->use}));
}

static void check_variable(rv_loader *l, uint32_t value, const rv_type *type, rv_str name)
{
    rv_str text;
    if (text_of(l, value, name, type->want, &text) && (text.size == 0 || rv_str_find(text, 0, '=') != SIZE_MAX))
        wants_other(l, value, name, type->want, RV_STR("it is not empty and has no `=`"));
}

static void check_path(rv_loader *l, uint32_t value, const rv_type *type, rv_str name)
{
    rv_str text;
    if (!text_of(l, value, name, type->want, &text)) return;
    bool leads_out = text.size == 0 || (text.at[0] == '/' && l->files.at[l->file].dir.size == 0); /* of a project: from the root */
    for (size_t at = 0; at < text.size && !leads_out;) {
        size_t end = RV_MIN(rv_str_find(text, at, '/'), text.size);
        leads_out = rv_str_is(rv_str_cut(text, at, end - at), "..");
        at = end + 1;
    }
    if (leads_out) wants_other(l, value, name, type->want, RV_STR("stay beneath the node's directory"));
    for (size_t at = rv_str_find(text, 0, '$'); at != SIZE_MAX; at = rv_str_find(text, at + 1, '$')) {
        if (at + 1 == text.size || text.at[at + 1] != '{') continue;
        rv_loader_error(l, value, at, RV_STR("write the path out"), "`%.*s` takes no references", RV_FMT(name));
        break;
    }
}

bool rv_path_is_plain(rv_str text)
{
    bool begins = true;
    if (text.size == 0 || text.size > RV_GLOB_SIZE_MAX) return false;
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.at[i];
        bool is_word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c >= 0x80;
        if (!is_word && ((c != '.' && c != '/') || begins)) return false;
        begins = c == '/';
    }
    return !begins;
}

static void check_pattern(rv_loader *l, uint32_t value, const rv_type *type, rv_str name)
{
    rv_str text;
    if (!text_of(l, value, name, type->want, &text) || rv_path_is_plain(text)) return;
    for (size_t at = rv_str_find(text, 0, '$'); at != SIZE_MAX; at = rv_str_find(text, at + 1, '$')) {
        if (at + 1 == text.size || text.at[at + 1] != '{') continue;
        rv_loader_error(l, value, at, RV_STR("write the path out"), "`%.*s` takes no references", RV_FMT(name));
        return;
    }
    rv_arena arena = {0};
    const rv_glob *glob;
    rv_glob_problem problem;
    if (rv_glob_compile(text, l->files.at[l->file].dir, &arena, &glob, &problem) != RV_OK)
        rv_loader_error(l, value, problem.at, rv_str_of(problem.cure), "`%.*s` names %s", RV_FMT(name), problem.what);
    rv_arena_deinit(&arena);
}

static void check_text(rv_loader *l, uint32_t value, const rv_type *type, rv_str name)
{
    rv_str text;
    if (!text_of(l, value, name, type->want, &text) || type->most == 0) return;
    if ((int64_t)text.size < type->least || (int64_t)text.size > type->most) wants_other(l, value, name, type->want, RV_STR(""));
}

static void check_instant(rv_loader *l, uint32_t value, const rv_type *type, rv_str name)
{
    rv_str text;
    int64_t ms;
    if (text_of(l, value, name, type->want, &text) && !rv_instant_parse(text, &ms))
        wants_other(l, value, name, type->want, RV_STR("give date, time and zone"));
}

/* ---- texts with references ---- */

typedef struct collector {
    rv_loader *loader;
    uint32_t value;
    uint8_t use;
} collector;

static void collect(void *user, rv_str path, bool has_default, size_t offset)
{
    collector *c = user;
    rv_reference reference = {path, c->loader->node, c->loader->scope, c->value, (uint32_t)offset, c->loader->file, c->use, has_default};
    rv_vec_push(&c->loader->references, reference);
}

bool rv_loader_read(rv_loader *l, uint32_t value, rv_str path, const char *cure, rv_str *ret)
{
    rv_error err = {0};
    rv_buf out = {0};
    rv_status status = l->input->dir ? rv_file_beneath(l->input->dir, path, &out, &err)
                                     : rv_error_set(&err, RV_NOT_FOUND, "`%.*s`: this workflow has no directory", RV_FMT(path));
    if (status == RV_OK && rv_str_starts(rv_buf_str(&out), RV_STR("file://")))
        status = rv_error_set(&err, RV_INVALID, "`%.*s` begins with file:// itself", RV_FMT(path));
    if (status == RV_OK) {
        rv_vec_push(&l->contents, ((rv_content){rv_arena_str(&l->arena, path), rv_sha256(rv_buf_str(&out))}));
        *ret = rv_arena_str(&l->arena, rv_buf_str(&out));
    } else rv_loader_error(l, value, 0, rv_str_of(cure), "%s", err.text);
    rv_buf_deinit(&out);
    return status == RV_OK;
}

/* `file://x` stands for what is in x [W16]. */
static bool read_file(rv_loader *l, uint32_t value, rv_str *text)
{
    rv_str path = rv_str_from(*text, strlen("file://")), dir = l->files.at[l->file].dir;
    if (dir.size && path.size && path.at[0] == '/') path = rv_str_from(path, 1);
    else if (dir.size) path = rv_arena_printf(&l->arena, "%.*s/%.*s", RV_FMT(dir), RV_FMT(path));
    if (!rv_loader_read(l, value, path, "name a text file beneath the workflow's directory", text))
        return false;
    rv_doc_replace(&l->doc, value, *text);
    return true;
}

static void check_template(rv_loader *l, uint32_t value, const rv_type *type, rv_str name)
{
    rv_str text;
    if (!text_of(l, value, name, type->want, &text)) return;
    if (type->may_be_file && rv_str_starts(text, RV_STR("file://")) && !read_file(l, value, &text)) return;
    if ((int64_t)text.size < type->least) wants_other(l, value, name, type->want, RV_STR(""));
    if (rv_str_find(text, 0, '$') == SIZE_MAX) return;
    rv_error err = {0};
    size_t offset = 0;
    collector c = {l, value, type->use};
    if (rv_template_references(text, collect, &c, &offset, &err) != RV_OK)
        rv_loader_error(l, value, offset, RV_STR("write `${node.field}`, or `$${` for a literal `${`"), "%s", err.text);
}

static void check_expression(rv_loader *l, uint32_t value, const rv_type *type, rv_str name)
{
    rv_str text;
    if (!text_of(l, value, name, type->want, &text)) return;
    rv_error err = {0};
    size_t offset = 0;
    collector c = {l, value, type->use};
    if (rv_expr_check(text, collect, &c, &offset, &err) != RV_OK)
        rv_loader_error(l, value, offset, RV_STR("correct the expression"), "`%.*s`: %s", RV_FMT(name), err.text);
}

/* Nothing is substituted in a script. `${a.b}` is no shell either, so whoever writes it believes that it is [W11]. */
static void check_script(rv_loader *l, uint32_t value, const rv_type *type, rv_str name)
{
    rv_str text;
    if (!text_of(l, value, name, type->want, &text)) return;
    if (rv_str_starts(text, RV_STR("file://")) && !read_file(l, value, &text)) return;
    for (size_t at = rv_str_find(text, 0, '$'); at != SIZE_MAX; at = rv_str_find(text, at + 1, '$')) {
        if (at + 1 == text.size || text.at[at + 1] != '{') continue;
        size_t end = at + 2;
        while (end < text.size && strchr("}:", text.at[end]) == NULL) end++;
        rv_str path = rv_str_cut(text, at + 2, end - at - 2);
        if (rv_str_find(path, 0, '.') == SIZE_MAX || !rv_is_reference_path(path)) continue;
        rv_loader_warning(l, value, at, RV_STR("pass it through `env` and use the variable"),
                          "`${%.*s}` is not replaced in a script", RV_FMT(path));
    }
}

/* ---- data ---- */

static void check_data(rv_loader *l, uint32_t value)
{
    for (uint32_t v = value, end = rv_doc_next(&l->doc, value); v < end; v++)
        if (rv_doc_flags(&l->doc, v) & RV_DOC_ODD_NUMBER) {
            rv_str text = rv_doc_text(&l->doc, v);
            rv_loader_error(l, v, 0, RV_STR("write it as JSON would, or put it in quotes"), "`%.*s` is a number in YAML only",
                            RV_FMT(text));
        }
}

/* Data whose strings are templates. */
static void check_filled(rv_loader *l, uint32_t value, const rv_type *type, rv_str name)
{
    check_data(l, value);
    for (uint32_t v = value, end = rv_doc_next(&l->doc, value); v < end; v++)
        if (rv_doc_kind_of(&l->doc, v) == RV_DOC_STRING) check_template(l, v, type, name);
}

static void check_items(rv_loader *l, uint32_t value, const rv_type *type, rv_str name)
{
    rv_doc_kind kind = rv_doc_kind_of(&l->doc, value);
    rv_str text = rv_doc_text(&l->doc, value);
    rv_template_part part = {0};
    size_t at = 0;
    if (kind == RV_DOC_LIST) check_filled(l, value, type, name);
    else if (kind != RV_DOC_STRING) wants(l, value, name, type->want, rv_doc_is_scalar(&l->doc, value) ? "put it in brackets" : "");
    else if (text.size == 0 || rv_template_next(text, &at, &part, NULL) != RV_OK || !part.is_reference || at < text.size)
        wants_other(l, value, name, type->want, RV_STR("put it in brackets, or write one reference and nothing around it"));
    else check_template(l, value, type, name);
}

static void check_entrant(rv_loader *l, uint32_t value, const rv_type *type, rv_str name)
{
    if (rv_doc_kind_of(&l->doc, value) == RV_DOC_LIST) wants(l, value, name, type->want, "");
    else if (rv_doc_is_scalar(&l->doc, value)) check_identifier(l, value, type, name);
}

static void check_param_value(rv_loader *l, uint32_t value, rv_str name)
{
    static const char *const wanted[] = {"a string", "a number", "a whole number", "true or false", "a list", "a map"};
    rv_doc_kind kind = rv_doc_kind_of(&l->doc, value);
    int64_t number;
    rv_str text;
    bool is_right = false;
    switch (l->param_type) {
    case 0: (void)text_of(l, value, name, wanted[0], &text); return;
    case 1: is_right = kind == RV_DOC_NUMBER; break;
    case 2: is_right = rv_doc_i64(&l->doc, value, &number); break;
    case 3: is_right = kind == RV_DOC_TRUE || kind == RV_DOC_FALSE; break;
    case 4: is_right = kind == RV_DOC_LIST; break;
    case 5: is_right = kind == RV_DOC_MAP; break;
    default: is_right = true; /* the type itself is wrong, and was said to be */
    }
    if (!is_right) wants(l, value, name, wanted[l->param_type], "");
    else check_data(l, value);
}

/* ---- containers ---- */

static void unknown_key(rv_loader *l, uint32_t key, const rv_key_table *table)
{
    rv_str name = rv_doc_text(&l->doc, key);
    if (rv_str_is(name, "<<")) {
        rv_loader_error(l, key, 0, RV_STR("use `defaults`, or write the keys out"), "merge keys are not part of YAML 1.2");
        return;
    }
    static const rv_key_table *const inner[] = {&rv_approve_table,    &rv_input_table,    &rv_wait_table,       &rv_reduce_table,
                                                &rv_retry_table,      &rv_foreach_table,  &rv_loop_table,       &rv_classify_table,
                                                &rv_tournament_table, &rv_workflow_table, &rv_revise_table};
    bool is_node = table->keys == rv_node_table.keys;
    if (l->problems->list.count > RV_PROBLEMS_MAX) { /* counted only: a hint costs more than the key */
        l->problems->error_count++;
        return;
    }
    const char *nearest = rv_key_nearest(table, name);
    rv_str cure = rv_loader_hint(l, nearest, "remove it; `reeve schema` lists the keys");
    for (size_t i = 0; i < RV_COUNT(inner) && is_node; i++) /* a key of a kind's own map, one level too high */
        if (rv_key_find(inner[i], name) != RV_NONE) cure = rv_arena_printf(&l->arena, "it belongs inside of %s", inner[i]->place);
    if (table == &rv_file_table && rv_key_find(&rv_node_table, name) != RV_NONE)
        cure = RV_STR("it belongs to a node, or into `defaults`");
    rv_loader_error(l, key, 0, cure, "unknown key `%.*s` in %s", (int)RV_MIN(name.size, (size_t)80), name.at, table->place);
}

uint32_t rv_check_known_key(rv_loader *l, uint32_t key, const rv_key_table *table)
{
    if (rv_doc_flags(&l->doc, key) & RV_DOC_DUPLICATE) return RV_NONE;
    rv_str name = rv_doc_text(&l->doc, key);
    uint32_t index = rv_key_find(table, name);
    if (index == RV_NONE) unknown_key(l, key, table);
    else if (table->keys[index].type == NULL) {
        rv_loader_error(l, key, 0, RV_STR("remove it"), "`%.*s` is not supported by this version", RV_FMT(name));
        return RV_NONE;
    }
    return index;
}

bool rv_check_is_map(rv_loader *l, uint32_t value, const rv_type *type, rv_str name)
{
    if (rv_doc_kind_of(&l->doc, value) == RV_DOC_MAP) return true;
    wants(l, value, name, type->want,
          rv_doc_size(&l->doc, value) == 0 && rv_doc_is_scalar(&l->doc, value) ? "give it a value" : "");
    return false;
}

void rv_check_keys(rv_loader *l, uint32_t map, const rv_key_table *table, uint32_t *found)
{
    for (uint32_t i = 0; i < table->count; i++) found[i] = RV_NONE;
    for (uint32_t key = map + 1, end = rv_doc_next(&l->doc, map); key < end; key = rv_doc_next(&l->doc, key + 1)) {
        uint32_t index = rv_check_known_key(l, key, table);
        if (index != RV_NONE) found[index] = key + 1;
    }
    for (uint32_t i = 0; i < table->count; i++) {
        bool may_lack = table == &rv_file_table && i == RV_FK_NODES && found[RV_FK_PROJECTS] != RV_NONE;
        if (found[i] == RV_NONE && table->keys[i].flags & RV_KEY_REQUIRED && table->keys[i].type && !may_lack)
            rv_loader_error(l, map, 0,
                            rv_arena_printf(&l->arena, "add `%s`: %s", table->keys[i].name,
                                            table->keys[i].type->want ? table->keys[i].type->want : "one of its words"),
                            "%s has no `%s`", table->place, table->keys[i].name);
    }
}

static void check_param(rv_loader *l, uint32_t map, const uint32_t *found)
{
    uint32_t type = rv_key_find(&rv_param_table, RV_STR("type")), secret = found[rv_key_find(&rv_param_table, RV_STR("secret"))];
    uint32_t fallback = found[rv_key_find(&rv_param_table, RV_STR("default"))];
    l->param_type =
        found[type] == RV_NONE ? 0 : rv_word_find(rv_param_table.keys[type].type->words, rv_doc_text(&l->doc, found[type]));
    if (secret != RV_NONE && rv_doc_kind_of(&l->doc, secret) == RV_DOC_TRUE && fallback != RV_NONE)
        rv_loader_error(l, fallback, 0, RV_STR("remove the default and give the value with --var"), "a secret in the file");
}

/* Exactly one of the first `count` keys of a table. */
static void check_one_of(rv_loader *l, uint32_t value, const uint32_t *found, const rv_key_table *table, uint32_t count, const char *keys)
{
    uint32_t given = 0;
    for (uint32_t i = 0; i < count; i++) given += found[i] != RV_NONE;
    if (given != 1)
        rv_loader_error(l, value, 0, RV_STR("give one of them"), "%s has %s of %s", table->place, given ? "several" : "none", keys);
}

static void check_tournament(rv_loader *l, const uint32_t *found)
{
    uint32_t quorum = found[rv_key_find(&rv_tournament_table, RV_STR("quorum"))];
    int64_t number;
    if (quorum != RV_NONE && rv_doc_i64(&l->doc, quorum, &number) && number > 0 && number % 2 == 0)
        rv_loader_warning(l, quorum, 0, RV_STR("make it odd"), "%lld judges of a match can be of two minds", (long long)number);
}

static void check_object(rv_loader *l, uint32_t value, const rv_type *type, rv_str name)
{
    uint32_t found[64];
    if (type->table == &rv_workflow_table && rv_doc_kind_of(&l->doc, value) == RV_DOC_STRING) {
        rv_str text = rv_doc_text(&l->doc, value);
        bool is_path = rv_str_find(text, 0, '/') != SIZE_MAX || rv_str_find(text, 0, '.') != SIZE_MAX;
        rv_loader_error(l, value, 0, rv_arena_printf(&l->arena, "name its file: {file: %.*s%s}", RV_FMT(text), is_path ? "" : ".yaml"),
                        "`workflow: %.*s` would be one of a service's registry, which is not supported by this version", RV_FMT(text));
        return;
    }
    if (!rv_check_is_map(l, value, type, name)) return;
    RV_ASSERT(type->table->count <= RV_COUNT(found));
    rv_check_keys(l, value, type->table, found);
    if (type->table == &rv_param_table) check_param(l, value, found);
    if (type->table == &rv_wait_table) check_one_of(l, value, found, &rv_wait_table, 3, "`for`, `until` and `event`");
    if (type->table == &rv_workflow_table) check_one_of(l, value, found, &rv_workflow_table, 2, "`definition` and `file`");
    if (type->table == &rv_tournament_table) check_tournament(l, found);
    for (uint32_t i = 0; i < type->table->count; i++)
        if (found[i] != RV_NONE) rv_check_value(l, found[i], type->table->keys[i].type, rv_str_of(type->table->keys[i].name));
}

static void check_cache(rv_loader *l, uint32_t value, const rv_type *type, rv_str name)
{
    if (rv_doc_is_scalar(&l->doc, value)) check_boolean(l, value, type, name);
    else check_object(l, value, type, name);
}

static void check_map(rv_loader *l, uint32_t value, const rv_type *type, rv_str name);
static void check_list(rv_loader *l, uint32_t value, const rv_type *type, rv_str name);

static void check_projects(rv_loader *l, uint32_t value, const rv_type *type, rv_str name)
{
    static const rv_type project = {RV_TYPE_OBJECT, "a map such as {dir: app}", .table = &rv_project_table};
    static const rv_type key = {RV_TYPE_IDENTIFIER, "a name"}, pattern = {RV_TYPE_PATTERN, "a directory or a pattern such as libs/*"};
    rv_type map = *type, list = *type;
    map.item = &project;
    map.key = &key;
    list.item = &pattern;
    list.least = 1;
    if (rv_doc_kind_of(&l->doc, value) == RV_DOC_MAP) check_map(l, value, &map, name);
    else check_list(l, value, &list, name);
}

static void check_list(rv_loader *l, uint32_t value, const rv_type *type, rv_str name)
{
    if (rv_doc_kind_of(&l->doc, value) != RV_DOC_LIST) {
        wants(l, value, name, type->want, rv_doc_is_scalar(&l->doc, value) ? "put it in brackets" : "");
        return;
    }
    uint32_t size = rv_doc_size(&l->doc, value);
    if (size < type->least && type->least > 1)
        rv_loader_error(l, value, 0, RV_STR("give more"), "`%.*s` has %u; %lld are the least", RV_FMT(name), size, (long long)type->least);
    else if (size < type->least) rv_loader_error(l, value, 0, RV_STR("give one at least"), "`%.*s` is empty", RV_FMT(name));
    if (type->most && rv_doc_size(&l->doc, value) > type->most)
        rv_loader_error(l, value, 0, RV_STR("leave some out"), "`%.*s` has %u; %lld are the most", RV_FMT(name),
                        rv_doc_size(&l->doc, value), (long long)type->most);
    for (uint32_t item = value + 1, end = rv_doc_next(&l->doc, value); item < end; item = rv_doc_next(&l->doc, item))
        rv_check_value(l, item, type->item, name);
}

static void check_map(rv_loader *l, uint32_t value, const rv_type *type, rv_str name)
{
    if (!rv_check_is_map(l, value, type, name)) return;
    if (rv_doc_size(&l->doc, value) < type->least)
        rv_loader_error(l, value, 0, RV_STR("give one at least"), "`%.*s` is empty", RV_FMT(name));
    for (uint32_t key = value + 1, end = rv_doc_next(&l->doc, value); key < end; key = rv_doc_next(&l->doc, key + 1)) {
        if (rv_doc_flags(&l->doc, key) & RV_DOC_DUPLICATE) continue;
        if (type->key->kind != RV_TYPE_STRING) rv_check_value(l, key, type->key, name);
        rv_check_value(l, key + 1, type->item, rv_doc_text(&l->doc, key));
    }
}

static void check_words(rv_loader *l, uint32_t value, const rv_type *type, rv_str name)
{
    rv_type one = *type;
    one.kind = RV_TYPE_WORD;
    if (rv_doc_kind_of(&l->doc, value) != RV_DOC_LIST) check_word(l, value, &one, name);
    else
        for (uint32_t item = value + 1, end = rv_doc_next(&l->doc, value); item < end; item++) {
            if (rv_doc_is_scalar(&l->doc, item)) check_word(l, item, &one, name);
            else wants(l, item, name, type->want, "");
        }
}

/* A schema inside of a schema waits in a list for its turn: no recursion over what a file nests. */
static void later(rv_loader *l, uint32_t value, const rv_type *type, rv_str name)
{
    rv_doc_kind kind = rv_doc_kind_of(&l->doc, value);
    if (type->kind == RV_TYPE_SCHEMA_OR_BOOLEAN && (kind == RV_DOC_TRUE || kind == RV_DOC_FALSE)) return;
    if (kind == RV_DOC_MAP) rv_vec_push(&l->schemas, value);
    else wants(l, value, name, type->want, "");
}

void rv_check_schemas(rv_loader *l)
{
    static const rv_type type = {RV_TYPE_OBJECT, "a JSON Schema (a map)", .table = &rv_schema_table};
    while (l->schemas.count > 0) check_object(l, rv_vec_pop(&l->schemas), &type, RV_STR("schema"));
}

static void check_defaults(rv_loader *l, uint32_t value, const rv_type *type, rv_str name)
{
    rv_key_table table = rv_node_table;
    table.place = "`defaults`";
    if (!rv_check_is_map(l, value, type, name)) return;
    for (uint32_t key = value + 1, end = rv_doc_next(&l->doc, value); key < end; key = rv_doc_next(&l->doc, key + 1)) {
        uint32_t index = rv_check_known_key(l, key, &table);
        if (index == RV_NONE) continue;
        const rv_key *known = &table.keys[index];
        if (!(known->flags & RV_KEY_DEFAULT)) {
            rv_loader_error(l, key, 0, RV_STR("give it to the nodes"), "`%s` cannot stand in %s", known->name, table.place);
            continue;
        }
        l->files.at[l->file].defaults[index] = key + 1;
        rv_check_value(l, key + 1, known->type, rv_str_of(known->name));
    }
}

void rv_check_value(rv_loader *l, uint32_t value, const rv_type *type, rv_str name)
{
    switch (type->kind) {
    case RV_TYPE_TEXT: check_text(l, value, type, name); return;
    case RV_TYPE_STRING:
        if (rv_doc_kind_of(&l->doc, value) != RV_DOC_STRING) wants(l, value, name, type->want, "put it in quotes");
        return;
    case RV_TYPE_TEMPLATE: check_template(l, value, type, name); return;
    case RV_TYPE_EXPRESSION: check_expression(l, value, type, name); return;
    case RV_TYPE_SCRIPT: check_script(l, value, type, name); return;
    case RV_TYPE_IDENTIFIER:
    case RV_TYPE_NODE: check_identifier(l, value, type, name); return;
    case RV_TYPE_VARIABLE: check_variable(l, value, type, name); return;
    case RV_TYPE_PATH: check_path(l, value, type, name); return;
    case RV_TYPE_PATTERN: check_pattern(l, value, type, name); return;
    case RV_TYPE_PROJECTS: check_projects(l, value, type, name); return;
    case RV_TYPE_CACHE: check_cache(l, value, type, name); return;
    case RV_TYPE_BOOLEAN: check_boolean(l, value, type, name); return;
    case RV_TYPE_INTEGER: check_integer(l, value, type, name); return;
    case RV_TYPE_NUMBER:
        if (rv_doc_kind_of(&l->doc, value) != RV_DOC_NUMBER) wants(l, value, name, type->want, "");
        else check_data(l, value);
        return;
    case RV_TYPE_MONEY: check_money(l, value, type, name); return;
    case RV_TYPE_DURATION: check_duration(l, value, type, name); return;
    case RV_TYPE_TIME: check_instant(l, value, type, name); return;
    case RV_TYPE_WORD: check_word(l, value, type, name); return;
    case RV_TYPE_CAP: check_cap(l, value, type, name); return;
    case RV_TYPE_RETRY_ON: check_retry_on(l, value, type, name); return;
    case RV_TYPE_TAG_CAP:
        if (rv_doc_kind_of(&l->doc, value) == RV_DOC_MAP) check_object(l, value, type, name);
        else check_integer(l, value, type, name);
        return;
    case RV_TYPE_MUTEX:
        if (rv_doc_kind_of(&l->doc, value) == RV_DOC_MAP) check_object(l, value, type, name);
        else if (rv_doc_is_scalar(&l->doc, value)) check_identifier(l, value, type, name);
        else wants(l, value, name, type->want, "");
        return;
    case RV_TYPE_MUTEXES:
        if (rv_doc_kind_of(&l->doc, value) == RV_DOC_LIST) check_list(l, value, type, name);
        else rv_check_value(l, value, type->item, name);
        return;
    case RV_TYPE_LIST: check_list(l, value, type, name); return;
    case RV_TYPE_MAP: check_map(l, value, type, name); return;
    case RV_TYPE_OBJECT: check_object(l, value, type, name); return;
    case RV_TYPE_NODE_BODY:
    case RV_TYPE_BODY_OR_NODES: return; /* nodes are checked one by one, in nodes.c */
    case RV_TYPE_DEFINITION: return;    /* in include.c */
    case RV_TYPE_ENTRANT: check_entrant(l, value, type, name); return;
    case RV_TYPE_ITEMS: check_items(l, value, type, name); return;
    case RV_TYPE_FILLED: check_filled(l, value, type, name); return;
    case RV_TYPE_DEFAULTS: check_defaults(l, value, type, name); return;
    case RV_TYPE_PARAM_VALUE: check_param_value(l, value, name); return;
    case RV_TYPE_DATA: check_data(l, value); return;
    case RV_TYPE_SCHEMA:
    case RV_TYPE_SCHEMA_OR_BOOLEAN:
        check_data(l, value);
        later(l, value, type, name);
        return;
    case RV_TYPE_WORDS: check_words(l, value, type, name); return;
    }
    RV_UNREACHABLE();
}

static void check_version(rv_loader *l, uint32_t root, uint32_t value, bool is_text)
{
    int64_t version;
    if (value == RV_NONE && is_text)
        rv_loader_warning(l, root, 0, RV_STR("add `reeve: 1`"), "the file does not say which version of the format it is in");
    else if (value != RV_NONE && rv_doc_i64(&l->doc, value, &version) && version > 1)
        rv_loader_error(l, value, 0, RV_STR("install a newer reeve"),
                        "format version %lld is newer than this program, which knows 1", (long long)version);
}

void rv_check_file(rv_loader *l, uint32_t root, uint32_t file)
{
    uint32_t keys[RV_FK_COUNT];
    l->node = RV_NONE;
    l->file = file;
    rv_check_keys(l, root, &rv_file_table, keys);
    memcpy(l->files.at[file].keys, keys, sizeof keys);
    check_version(l, root, keys[RV_FK_REEVE], file == 0 ? !l->input->exists : l->files.at[file].path.size > 0);
    for (uint32_t i = 0; i < RV_FK_COUNT; i++) /* params, env and defaults before nodes, whose checks need them */
        if (keys[i] != RV_NONE) rv_check_value(l, keys[i], rv_file_table.keys[i].type, rv_str_of(rv_file_table.keys[i].name));
}

void rv_check_part(rv_loader *l, uint32_t file, const char *what)
{
    static const uint8_t of_a_run[] = {RV_FK_BUDGET,   RV_FK_CONCURRENCY, RV_FK_DEFAULT, RV_FK_ON,     RV_FK_ONLY,
                                       RV_FK_PROJECTS, RV_FK_QUOTA,       RV_FK_TAGS,    RV_FK_TIMEOUT};
    const uint32_t *keys = l->files.at[file].keys;
    for (size_t i = 0; i < RV_COUNT(of_a_run); i++)
        if (keys[of_a_run[i]] != RV_NONE)
            rv_loader_error(l, keys[of_a_run[i]] - 1, 0, RV_STR("move it to the workflow that is run"),
                            "`%s` of %s is not supported by this version", rv_file_table.keys[of_a_run[i]].name, what);
    uint32_t params = keys[RV_FK_PARAMS];
    if (params == RV_NONE || rv_doc_kind_of(&l->doc, params) != RV_DOC_MAP) return;
    for (uint32_t key = params + 1, end = rv_doc_next(&l->doc, params); key < end; key = rv_doc_next(&l->doc, key + 1)) {
        uint32_t secret = rv_doc_get(&l->doc, key + 1, "secret");
        if (secret != RV_NONE && rv_doc_kind_of(&l->doc, secret) == RV_DOC_TRUE)
            rv_loader_error(l, secret, 0, RV_STR("let its nodes take it from ${env.NAME}"),
                            "a secret param of %s is not supported by this version", what);
    }
}

/* Nodes that are submitted to a run use its params where they have none of their own. */
static void take_run_params(rv_loader *l)
{
    rv_str text = rv_arena_str(&l->arena, l->input->params);
    rv_spec_input input = {.source = text, .file = "the run's params", .is_json = true};
    rv_doc *part = text.size ? rv_doc_part(&l->doc, text.size) : NULL;
    if (part && rv_doc_read(part, &input, l->problems) == RV_OK) l->run_params = rv_doc_append(&l->doc, part);
}

void rv_loader_check(rv_loader *l)
{
    static const rv_type file = {RV_TYPE_OBJECT, "a map with `nodes`"};
    rv_file_draft draft = {.owner = RV_NONE};
    memset(draft.keys, 0xff, sizeof draft.keys);
    memset(draft.defaults, 0xff, sizeof draft.defaults);
    rv_vec_push(&l->files, draft);
    (void)rv_loader_scope(l, RV_SCOPE_FILE, RV_NONE, 0, 3);
    (void)rv_loader_scope(l, RV_SCOPE_HANDLERS, RV_NONE, 0, 3);
    l->node = RV_NONE;
    l->hints_left = 20;
    if (!rv_check_is_map(l, 0, &file, RV_STR("a workflow"))) return;
    l->run_params = RV_NONE;
    rv_check_file(l, 0, 0);
    if (l->input->exists) {
        take_run_params(l);
        rv_check_part(l, 0, "submitted nodes");
    }
    rv_loader_projects(l);
    rv_loader_nodes(l);
    rv_loader_quota(l);
}

/* ---- hints ---- */

rv_str rv_loader_hint(rv_loader *l, const char *nearest, const char *otherwise)
{
    return nearest ? rv_arena_printf(&l->arena, "did you mean `%s`?", nearest) : rv_str_of(otherwise);
}

rv_str rv_loader_node_hint(rv_loader *l, uint32_t scope, rv_str name, const char *otherwise)
{
    const rv_scope_draft *in = &l->scopes.at[scope];
    if (l->hints_left == 0 || in->count == 0 || in->count > 10000 || !in->is_named) return rv_str_of(otherwise);
    l->hints_left--;
    const char **names = rv_alloc(sizeof *names * in->count);
    for (uint32_t i = 0; i < in->count; i++) names[i] = rv_arena_cstring(&l->arena, rv_loader_own_name(l, in->first + i));
    rv_str hint = rv_loader_hint(l, rv_near(name, names, in->count), otherwise);
    rv_free(names);
    return hint;
}
