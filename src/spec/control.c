/* control.c: what the graph holds of controllers and back-edges. */
#include "spec/write.h"
#include <stdlib.h>

static uint32_t number_of(const rv_doc *doc, uint32_t map, const char *key, uint32_t otherwise)
{
    uint32_t value = rv_doc_get(doc, map, key);
    int64_t number = otherwise;
    if (value != RV_NONE) RV_ASSERT(rv_doc_i64(doc, value, &number));
    return (uint32_t)number;
}

static bool is_true(const rv_doc *doc, uint32_t map, const char *key)
{
    uint32_t value = rv_doc_get(doc, map, key);
    return value != RV_NONE && rv_doc_kind_of(doc, value) == RV_DOC_TRUE;
}

static rv_slice text_of(rv_writer *w, uint32_t map, const char *key)
{
    uint32_t value = rv_doc_get(&w->loader->doc, map, key);
    return value == RV_NONE ? (rv_slice){0, 0} : rv_writer_extra(w, rv_doc_text(&w->loader->doc, value));
}

static void add_entrants(rv_writer *w, uint32_t node, uint32_t list, rv_control_def *control)
{
    const rv_loader *l = w->loader;
    uint32_t scope = control->scope_first;
    control->entrant_first = w->entrants.count;
    for (uint32_t item = list + 1, end = rv_doc_next(&l->doc, list); item < end; item = rv_doc_next(&l->doc, item)) {
        rv_entrant_def entrant = {RV_NONE, RV_NONE};
        if (rv_doc_is_scalar(&l->doc, item)) entrant.node = rv_loader_find(l, l->nodes.at[node].scope, rv_doc_text(&l->doc, item));
        else entrant.scope = scope++;
        rv_vec_push(&w->entrants, entrant);
    }
    control->entrant_count = w->entrants.count - control->entrant_first;
}

static int by_index(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* The nodes of a branch, each once, in index order. */
static void add_branch(rv_writer *w, uint32_t node, uint32_t label)
{
    const rv_loader *l = w->loader;
    uint32_t first = w->branch_nodes.count, list = label + 1;
    for (uint32_t item = list + 1, end = rv_doc_next(&l->doc, list); item < end; item = rv_doc_next(&l->doc, item))
        rv_vec_push(&w->branch_nodes, rv_loader_find(l, l->nodes.at[node].scope, rv_doc_text(&l->doc, item)));
    uint32_t *at = w->branch_nodes.at + first, all = w->branch_nodes.count - first, count = 0;
    if (all > 1) qsort(at, all, sizeof *at, by_index);
    for (uint32_t i = 0; i < all; i++)
        if (count == 0 || at[count - 1] != at[i]) at[count++] = at[i];
    w->branch_nodes.count = first + count;
    rv_vec_push(&w->branches, ((rv_branch_def){rv_writer_extra(w, rv_doc_text(&l->doc, label)), first, count}));
}

static void add_branches(rv_writer *w, uint32_t node, uint32_t map, rv_control_def *control)
{
    control->branch_first = w->branches.count;
    uint32_t begin = rv_writer_keys(w, map), end = w->keys.count; /* in the order of the normal form */
    for (uint32_t i = begin; i < end; i++) add_branch(w, node, w->keys.at[i]);
    w->keys.count = begin;
    control->branch_count = w->branches.count - control->branch_first;
}

/* A default as a template: what looks like a reference in it is none. */
static void write_literal(rv_buf *out, rv_str json)
{
    for (size_t i = 0; i < json.size; i++) {
        if (json.at[i] == '$' && i + 1 < json.size && json.at[i + 1] == '{') rv_buf_byte(out, '$');
        rv_buf_byte(out, json.at[i]);
    }
}

/* What the sub-workflow is given, and its defaults for what it is not given. Without such, the text of `params` will do. */
static void add_params(rv_writer *w, uint32_t map, rv_control_def *control)
{
    const rv_loader *l = w->loader;
    uint32_t params = l->files.at[l->scopes.at[control->scope_first].file].keys[RV_FK_PARAMS], given = rv_doc_get(&l->doc, map, "params");
    bool is_complete = true;
    rv_buf all = {0}, one = {0};
    if (params == RV_NONE) return;
    uint32_t begin = rv_writer_keys(w, params), end = w->keys.count;
    rv_buf_byte(&all, '{');
    for (uint32_t i = begin; i < end; i++) {
        rv_str name = rv_doc_text(&l->doc, w->keys.at[i]);
        uint32_t value = given == RV_NONE ? RV_NONE : rv_loader_member(w->loader, given, name);
        rv_buf_clear(&one);
        if (i > begin) rv_buf_byte(&all, ',');
        rv_json_quote(&all, name);
        rv_buf_byte(&all, ':');
        if (value != RV_NONE) rv_writer_data(w, &all, value);
        else {
            uint32_t param = w->keys.at[i] + 1, type = rv_doc_get(&l->doc, param, "type"), fallback = rv_doc_get(&l->doc, param, "default");
            bool is_text = type == RV_NONE || rv_str_is(rv_doc_text(&l->doc, type), "string");
            if (is_text) rv_json_quote(&one, rv_doc_text(&l->doc, fallback));
            else rv_writer_data(w, &one, fallback);
            write_literal(&all, rv_buf_str(&one));
            is_complete = false;
        }
    }
    w->keys.count = begin;
    rv_buf_byte(&all, '}');
    if (!is_complete) control->params = rv_writer_extra(w, rv_buf_str(&all));
    rv_buf_deinit(&all);
    rv_buf_deinit(&one);
}

void rv_writer_control(rv_writer *w, uint32_t node, rv_control_def *control)
{
    const rv_doc *doc = &w->loader->doc;
    uint32_t map = rv_loader_kind_value(w->loader, node), join;
    switch ((rv_kind)w->loader->nodes.at[node].kind) {
    case RV_KIND_FOREACH:
        join = rv_doc_get(doc, map, "join");
        control->join = rv_writer_word(doc, join, rv_foreach_table.keys[rv_key_find(&rv_foreach_table, RV_STR("join"))].type);
        control->max = number_of(doc, map, "max_parallel", 0);
        return;
    case RV_KIND_LOOP:
        control->max = number_of(doc, map, "max", 1);
        control->until = text_of(w, map, "until");
        return;
    case RV_KIND_CLASSIFY: add_branches(w, node, rv_doc_get(doc, map, "branches"), control); return;
    case RV_KIND_TOURNAMENT:
        control->quorum = number_of(doc, map, "quorum", 1);
        control->max = number_of(doc, map, "swiss", 0);
        control->swap = is_true(doc, map, "swap");
        add_entrants(w, node, rv_doc_get(doc, map, "entrants"), control);
        return;
    case RV_KIND_WORKFLOW: add_params(w, map, control); return;
    case RV_KIND_RUN:
    case RV_KIND_SHELL:
    case RV_KIND_APPROVE:
    case RV_KIND_INPUT:
    case RV_KIND_WAIT:
    case RV_KIND_SET:
    case RV_KIND_REDUCE:
    case RV_KIND_COUNT: break;
    }
    RV_UNREACHABLE();
}

void rv_writer_revise(rv_writer *w, uint32_t node, uint32_t map)
{
    const rv_doc *doc = &w->loader->doc;
    const rv_revise_draft *draft = &w->loader->revises.at[w->loader->nodes.at[node].revise - 1];
    uint32_t at_max = rv_doc_get(doc, map, "at_max");
    w->revises.at[w->loader->nodes.at[node].revise - 1] = (rv_revise_def){
        .node = node,
        .target = draft->target,
        .member_first = draft->member_first,
        .member_count = draft->member_count,
        .when = text_of(w, map, "when"),
        .max = number_of(doc, map, "max", 5),
        .at_max_ask = at_max != RV_NONE && rv_str_is(rv_doc_text(doc, at_max), "ask"),
    };
}
