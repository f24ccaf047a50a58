/* import_dagu.c: a workflow of Dagu: its parameters, its steps and what they depend on, its handlers. Keys may be written as any version of
 * Dagu did: retryPolicy and retry_policy are one. */
#include <stdio.h>
#include <string.h>

#include "cli/import_dagu.h"

#define STEPS_MAX 20000u

/* ---- the document ---- */

static bool same_key(rv_str text, const char *key)
{
    size_t at = 0;
    for (size_t i = 0; i < text.size; i++) {
        char c = text.at[i];
        if (c == '_') continue;
        while (key[at] == '_') at++;
        if ((c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c) != key[at]) return false;
        at++;
    }
    while (key[at] == '_') at++;
    return key[at] == 0 && text.size > 0;
}

uint32_t rv_dagu_get(const rv_dagu *d, uint32_t map, const char *key)
{
    if (rv_doc_kind_of(&d->doc, map) != RV_DOC_MAP) return RV_NONE;
    for (uint32_t at = map + 1; at < rv_doc_next(&d->doc, map); at = rv_doc_next(&d->doc, at + 1))
        if (same_key(rv_doc_text(&d->doc, at), key) && rv_doc_kind_of(&d->doc, at + 1) != RV_DOC_NULL) return at + 1;
    return RV_NONE;
}

rv_str rv_dagu_text(const rv_dagu *d, uint32_t value) { return rv_arena_str(&d->import->arena, rv_doc_text(&d->doc, value)); }
rv_import_place rv_dagu_place(rv_dagu *d, uint32_t value) { return rv_import_place_of(&d->doc, value); }

void rv_dagu_unknown(rv_dagu *d, uint32_t map, const char *const *known, const char *what)
{
    if (rv_doc_kind_of(&d->doc, map) != RV_DOC_MAP) return;
    for (uint32_t at = map + 1; at < rv_doc_next(&d->doc, map); at = rv_doc_next(&d->doc, at + 1)) {
        bool is_known = false;
        for (size_t i = 0; known[i] && !is_known; i++) is_known = same_key(rv_doc_text(&d->doc, at), known[i]);
        if (!is_known)
            rv_import_note(d->import, rv_dagu_place(d, at), "see the guide, docs/migrating-from-dagu.md", "`%.*s` %s is not carried over",
                           RV_FMT(rv_doc_text(&d->doc, at)), what);
    }
}

/* ---- parameters ---- */

static void add_param(rv_dagu *d, rv_str name, uint32_t rich, rv_str value, bool has_value, rv_import_place place, rv_buf *out)
{
    bool is_number = name.size > 0 && name.at[0] >= '0' && name.at[0] <= '9';
    rv_str full = is_number ? rv_arena_printf(&d->import->arena, "p%.*s", RV_FMT(name)) : name;
    if (!rv_import_is_variable(full) || full.size > 64 || full.at[0] == '_') {
        rv_import_note(d->import, place, "rename it", "`%.*s` cannot be the name of a param: left out", RV_FMT(name));
        return;
    }
    for (uint32_t i = 0; i < d->params.count; i++)
        if (rv_str_eq(d->params.at[i], name)) return;
    rv_vec_push(&d->params, name);
    rv_buf_printf(out, "%s%.*s: {", out->size > 1 ? ", " : "", RV_FMT(full));
    if (has_value) {
        rv_buf_cstring(out, "default: ");
        rv_import_yaml_word(out, value);
    }
    uint32_t description = rich == RV_NONE ? RV_NONE : rv_dagu_get(d, rich, "description");
    if (description != RV_NONE && rv_dagu_text(d, description).size) {
        rv_buf_cstring(out, has_value ? ", description: " : "description: ");
        rv_import_yaml_word(out, rv_dagu_text(d, description));
    }
    rv_buf_byte(out, '}');
    rv_vec_push(&d->import->raw_env, ((rv_import_pair){full, rv_arena_printf(&d->import->arena, "${user.%.*s}", RV_FMT(full))}));
}

/* A=1 B="x y" word … */
static void param_words(rv_dagu *d, rv_str text, rv_import_place place, rv_buf *out)
{
    while (text.size > 0) {
        rv_buf word = {0};
        char quote = 0;
        size_t at = 0;
        while (text.size > 0 && strchr(" \t\n", text.at[0])) text = rv_str_from(text, 1);
        for (; at < text.size && (quote || !strchr(" \t\n", text.at[at])); at++) {
            char c = text.at[at];
            if (quote == 0 && strchr("\"'`", c)) quote = c;
            else if (c == quote) quote = 0;
            else rv_buf_byte(&word, c);
        }
        text = rv_str_from(text, at);
        rv_str one = rv_arena_str(&d->import->arena, rv_buf_str(&word));
        rv_buf_deinit(&word);
        size_t equals = rv_str_find(one, 0, '=');
        if (at == 0) continue;
        if (equals != SIZE_MAX && equals > 0) add_param(d, rv_str_cut(one, 0, equals), RV_NONE, rv_str_from(one, equals + 1), true, place,
                                                        out);
        else add_param(d, rv_arena_printf(&d->import->arena, "%u", d->params.count + 1), RV_NONE, one, true, place, out);
    }
}

static void param_map(rv_dagu *d, uint32_t map, rv_buf *out)
{
    uint32_t name = rv_dagu_get(d, map, "name"), value = rv_dagu_get(d, map, "default");
    if (name != RV_NONE && rv_doc_size(&d->doc, map) > 1) {
        add_param(d, rv_dagu_text(d, name), map, value == RV_NONE ? (rv_str){0} : rv_dagu_text(d, value), value != RV_NONE,
                  rv_dagu_place(d, map), out);
        return;
    }
    for (uint32_t at = map + 1; at < rv_doc_next(&d->doc, map); at = rv_doc_next(&d->doc, at + 1)) {
        bool has_value = rv_doc_is_scalar(&d->doc, at + 1);
        if (!has_value)
            rv_import_note(d->import, rv_dagu_place(d, at), "give it a default by hand", "`%.*s` has a value of a form that is not known",
                           RV_FMT(rv_doc_text(&d->doc, at)));
        add_param(d, rv_dagu_text(d, at), RV_NONE, has_value ? rv_dagu_text(d, at + 1) : (rv_str){0}, has_value, rv_dagu_place(d, at), out);
    }
}

static void read_params(rv_dagu *d)
{
    uint32_t value = rv_dagu_get(d, 0, "params");
    rv_buf out = {0};
    if (value == RV_NONE) return;
    rv_buf_byte(&out, '{');
    if (rv_doc_kind_of(&d->doc, value) == RV_DOC_MAP) param_map(d, value, &out);
    else if (rv_doc_kind_of(&d->doc, value) == RV_DOC_LIST)
        for (uint32_t at = value + 1; at < rv_doc_next(&d->doc, value); at = rv_doc_next(&d->doc, at)) {
            if (rv_doc_kind_of(&d->doc, at) == RV_DOC_MAP) param_map(d, at, &out);
            else if (rv_doc_is_scalar(&d->doc, at)) param_words(d, rv_dagu_text(d, at), rv_dagu_place(d, at), &out);
        }
    else param_words(d, rv_dagu_text(d, value), rv_dagu_place(d, value), &out);
    rv_buf_byte(&out, '}');
    if (d->params.count) rv_vec_push(&d->import->more, ((rv_import_pair){RV_STR("params"),
                                                                         rv_arena_str(&d->import->arena, rv_buf_str(&out))}));
    rv_buf_deinit(&out);
}

/* ---- what is about the whole file ---- */

static void read_shell(rv_dagu *d)
{
    uint32_t value = rv_dagu_get(d, 0, "shell");
    if (value == RV_NONE || !rv_doc_is_scalar(&d->doc, value)) return;
    rv_str text = rv_dagu_text(d, value);
    size_t space = rv_str_find(text, 0, ' '), slash;
    rv_str name = rv_str_cut(text, 0, space == SIZE_MAX ? text.size : space);
    for (slash = name.size; slash > 0 && name.at[slash - 1] != '/';) slash--;
    name = rv_str_from(name, slash);
    if (!rv_str_is(name, "sh") && name.size <= 200) d->shell_name = name;
    if (space != SIZE_MAX) d->set_flags = rv_str_from(text, space + 1);
}

static void tell_schedule(rv_dagu *d, uint32_t value)
{
    bool is_list = rv_doc_kind_of(&d->doc, value) == RV_DOC_LIST, is_map = rv_doc_kind_of(&d->doc, value) == RV_DOC_MAP;
    rv_str output = d->import->output.size ? d->import->output : RV_STR("FILE.yaml");
    uint32_t end = rv_doc_next(&d->doc, value);
    for (uint32_t at = is_list || is_map ? value + 1 : value; at < end; at = rv_doc_next(&d->doc, at)) {
        rv_str text = rv_dagu_text(d, at);
        if (rv_str_find(text, 0, ' ') == SIZE_MAX) continue; /* start, stop, restart: what they have comes next */
        rv_buf line = {0};
        rv_buf_printf(&line, "keep it with cron, with this line: %.*s cd ", RV_FMT(text));
        rv_import_shell_word(&line, d->import->folder);
        rv_buf_cstring(&line, " && reeve run ");
        rv_import_shell_word(&line, output);
        rv_buf_cstring(&line, " --output quiet");
        rv_import_note(d->import, rv_dagu_place(d, at), line.at,
                       "the schedule `%.*s` is not carried over: schedules are not supported by this version",
                       RV_FMT(text));
        rv_buf_deinit(&line);
    }
}

static void read_head(rv_dagu *d)
{
    static const char *const known[] = {"name", "description", "params", "env", "steps", "type", "handler_on", "handlers", "shell", "dir",
                                        "working_dir", "timeout_sec", "max_active_steps", "preconditions", "precondition",
                                        "schedule", NULL};
    rv_import *import = d->import;
    uint32_t name = rv_dagu_get(d, 0, "name"), description = rv_dagu_get(d, 0, "description"), dir = rv_dagu_get(d, 0, "working_dir");
    uint32_t timeout = rv_dagu_get(d, 0, "timeout_sec"), most = rv_dagu_get(d, 0, "max_active_steps"), schedule = rv_dagu_get(d, 0,
                                                                                                                              "schedule");
    rv_buf text = {0};
    if (name != RV_NONE && rv_dagu_text(d, name).size && rv_dagu_text(d, name).size <= 200) import->name = rv_dagu_text(d, name);
    if (description != RV_NONE && rv_dagu_text(d, description).size) {
        rv_import_yaml_word(&text, rv_dagu_text(d, description));
        rv_vec_push(&import->more, ((rv_import_pair){RV_STR("description"), rv_arena_str(&import->arena, rv_buf_str(&text))}));
    }
    read_params(d);
    rv_dagu_env(d, rv_dagu_get(d, 0, "env"), &d->known);
    for (uint32_t i = 0; i < d->known.count; i++) rv_vec_push(&import->raw_env, d->known.at[i]);
    read_shell(d);
    if (dir == RV_NONE) dir = rv_dagu_get(d, 0, "dir");
    if (dir != RV_NONE && rv_dagu_text(d, dir).size) {
        rv_buf_clear(&text);
        rv_buf_cstring(&text, "{dir: ");
        rv_import_yaml_word(&text, rv_dagu_value(d, rv_dagu_text(d, dir), rv_dagu_place(d, dir)));
        rv_buf_byte(&text, '}');
        rv_vec_push(&import->more, ((rv_import_pair){RV_STR("defaults"), rv_arena_str(&import->arena, rv_buf_str(&text))}));
    }
    const struct { uint32_t value; const char *key, *form; } numbers[] = {
        {timeout, "timeout", "%.*ss"}, {most, "concurrency", "{default: %.*s}"}};
    for (size_t i = 0; i < RV_COUNT(numbers); i++) {
        rv_str digits = numbers[i].value == RV_NONE ? (rv_str){0} : rv_dagu_text(d, numbers[i].value);
        bool is_number = digits.size > 0 && digits.size <= 6 && digits.at[0] != '0';
        for (size_t k = 0; k < digits.size; k++) is_number &= digits.at[k] >= '0' && digits.at[k] <= '9';
        if (!is_number) continue;
        rv_str value = i == 0 ? rv_arena_printf(&import->arena, "%.*ss", RV_FMT(digits))
                              : rv_arena_printf(&import->arena, "{default: %.*s}", RV_FMT(digits));
        rv_vec_push(&import->more, ((rv_import_pair){rv_str_of(numbers[i].key), value}));
    }
    if (schedule != RV_NONE) tell_schedule(d, schedule);
    rv_dagu_unknown(d, 0, known, "of the file");
    rv_buf_deinit(&text);
}

/* ---- steps ---- */

static void add_step(rv_dagu *d, uint32_t value)
{
    uint32_t name = rv_dagu_get(d, value, "id"), other = rv_dagu_get(d, value, "name"), go_on = rv_dagu_get(d, value, "continue_on");
    uint32_t output = rv_dagu_get(d, value, "output");
    rv_dagu_step step = {.map = value, .node = RV_NONE};
    if (name == RV_NONE) name = other;
    step.name = name == RV_NONE ? rv_arena_printf(&d->import->arena, "step_%u", d->steps.count + 1) : rv_dagu_text(d, name);
    step.id = rv_import_id(d->import, step.name);
    if (go_on != RV_NONE) {
        rv_str word = rv_dagu_text(d, go_on);
        uint32_t failure = rv_dagu_get(d, go_on, "failure"), skipped = rv_dagu_get(d, go_on, "skipped");
        step.goes_on_failed = rv_str_is(word, "failed") || (failure != RV_NONE && rv_doc_kind_of(&d->doc, failure) == RV_DOC_TRUE);
        step.goes_on_skipped = rv_str_is(word, "skipped") || (skipped != RV_NONE && rv_doc_kind_of(&d->doc, skipped) == RV_DOC_TRUE);
    }
    if (output != RV_NONE && rv_doc_is_scalar(&d->doc, output)) {
        step.output = rv_dagu_text(d, output);
        if (step.output.size && step.output.at[0] == '$') step.output = rv_str_from(step.output, 1);
    } else if (output != RV_NONE) {
        rv_import_note(d->import, rv_dagu_place(d, output), "let the script write it to \"$REEVE_OUTPUT\"",
                       "an output of several values is not carried over");
    }
    if (rv_map_add(&d->names, step.name, d->steps.count) != RV_NONE)
        rv_import_fail(d->import, rv_dagu_place(d, value), "rename one of them", "two steps are called `%.*s`", RV_FMT(step.name));
    if (other != RV_NONE && other != name) rv_map_add(&d->names, rv_dagu_text(d, other), d->steps.count);
    rv_vec_push(&d->steps, step);
}

static void depend(rv_dagu *d, uint32_t index, uint32_t on)
{
    rv_dagu_step *step = &d->steps.at[on];
    rv_import_node *node = &d->import->nodes.at[d->steps.at[index].node];
    rv_import_strs *list = step->goes_on_failed ? &node->after : &node->needs; /* whom a condition has skipped holds up nobody [K3] */
    for (uint32_t i = 0; i < list->count; i++)
        if (rv_str_eq(list->at[i], step->id)) return;
    rv_vec_push(list, step->id);
}

static void read_depends(rv_dagu *d, uint32_t index)
{
    uint32_t value = rv_dagu_get(d, d->steps.at[index].map, "depends");
    if (value == RV_NONE) return;
    bool is_list = rv_doc_kind_of(&d->doc, value) == RV_DOC_LIST;
    for (uint32_t at = is_list ? value + 1 : value; at < rv_doc_next(&d->doc, value); at = rv_doc_next(&d->doc, at)) {
        rv_str name = rv_dagu_text(d, at);
        uint32_t other = rv_map_get(&d->names, name);
        if (other == RV_NONE) rv_import_fail(d->import, rv_dagu_place(d, at), "name a step", "there is no step `%.*s`", RV_FMT(name));
        else depend(d, index, other);
    }
}

/* A node that says whether conditions hold: `met` is yes or no. */
static rv_str condition_node(rv_dagu *d, uint32_t value, rv_str name)
{
    rv_buf script = {0};
    bool is_list = rv_doc_kind_of(&d->doc, value) == RV_DOC_LIST, is_first = true;
    rv_buf_cstring(&script, "if ");
    for (uint32_t at = is_list ? value + 1 : value; at < rv_doc_next(&d->doc, value); at = rv_doc_next(&d->doc, at)) {
        rv_str one = rv_dagu_condition(d, at);
        if (one.size == 0) continue;
        rv_buf_printf(&script, "%s%.*s", is_first ? "" : " && ", RV_FMT(one));
        is_first = false;
    }
    rv_buf_printf(&script, "%s; then echo met=yes; else echo met=no; fi >> \"$REEVE_OUTPUT\"", is_first ? ":" : "");
    rv_str id = rv_import_id(d->import, name);
    rv_import_node *node = rv_import_add(d->import, id);
    node->shell = rv_arena_str(&d->import->arena, rv_buf_str(&script));
    node->shell_name = d->shell_name;
    rv_buf_deinit(&script);
    return id;
}

/* One more condition of a node. */
static void only_when(rv_dagu *d, rv_import_node *node, rv_str condition)
{
    for (uint32_t i = 0; i < node->more.count; i++)
        if (rv_str_is(node->more.at[i].name, "when")) {
            rv_str old = node->more.at[i].value;
            old.size--; /* the quote at its end */
            node->more.at[i].value = rv_arena_printf(&d->import->arena, "%.*s && %.*s\"", RV_FMT(old), RV_FMT(condition));
            d->import->text_size += node->more.at[i].value.size;
            return;
        }
    rv_str quoted = rv_arena_printf(&d->import->arena, "\"%.*s\"", RV_FMT(condition));
    rv_vec_push(&node->more, ((rv_import_pair){RV_STR("when"), quoted}));
}

static void wait_for_condition(rv_dagu *d, rv_import_node *node, rv_str id)
{
    rv_vec_push(&node->needs, id);
    only_when(d, node, rv_arena_printf(&d->import->arena, "${%.*s.met} == 'yes'", RV_FMT(id)));
}

static uint32_t conditions_of(rv_dagu *d, uint32_t map)
{
    uint32_t value = rv_dagu_get(d, map, "preconditions");
    return value == RV_NONE ? rv_dagu_get(d, map, "precondition") : value;
}

/* The nodes of a step: what it does, and before it, where it has conditions, whether they hold. In a chain it waits for those of the group
 * before it: steps[earlier..earlier + earlier_count). */
static void make_step(rv_dagu *d, uint32_t index, uint32_t earlier, uint32_t earlier_count, rv_str first, rv_str file_condition)
{
    rv_dagu_step *step = &d->steps.at[index];
    uint32_t conditions = conditions_of(d, step->map);
    rv_str condition = {0};
    uint32_t at = d->import->nodes.count;
    if (conditions != RV_NONE)
        condition = condition_node(d, conditions, rv_arena_printf(&d->import->arena, "%.*s_if", (int)RV_MIN(step->name.size, (size_t)50),
                                                                  step->name.at));
    rv_import_node *node = rv_import_add(d->import, step->id);
    step->node = d->import->nodes.count - 1;
    step->head = at;
    step->may_be_skipped = condition.size > 0;
    if (rv_doc_is_scalar(&d->doc, step->map)) node->shell = rv_dagu_text(d, step->map);
    else rv_dagu_step_node(d, step->map, step->name, node);
    if (node->shell.size == 0) node->shell = RV_STR(":");
    read_depends(d, index);
    for (uint32_t i = 0; i < earlier_count; i++) depend(d, index, earlier + i);
    rv_import_node *head = condition.size ? &d->import->nodes.at[at] : node; /* who waits for the others */
    if (node->needs.count + node->after.count == 0) {
        if (first.size) rv_vec_push(&node->needs, first);
        step->may_be_skipped |= file_condition.size > 0;
        if (file_condition.size) wait_for_condition(d, head, file_condition);
    }
    if (condition.size == 0) return;
    for (uint32_t i = 0; i < node->needs.count; i++) rv_vec_push(&head->needs, node->needs.at[i]);
    for (uint32_t i = 0; i < node->after.count; i++) rv_vec_push(&head->after, node->after.at[i]);
    for (uint32_t i = 0; i < node->raw_env.count; i++) rv_vec_push(&head->raw_env, node->raw_env.at[i]);
    wait_for_condition(d, node, condition);
}

/* Steps in a list; a list within the list is done at the same time, which ret_groups tells: its number for each. */
static void read_steps(rv_dagu *d, uint32_t **ret_groups)
{
    uint32_t value = rv_dagu_get(d, 0, "steps"), group = 0;
    bool is_map = value != RV_NONE && rv_doc_kind_of(&d->doc, value) == RV_DOC_MAP;
    if (value == RV_NONE || rv_doc_is_scalar(&d->doc, value) || rv_doc_size(&d->doc, value) == 0) {
        rv_import_fail(d->import, (rv_import_place){0}, "name a workflow of Dagu", "there are no `steps`");
        return;
    }
    if (is_map) {
        rv_import_fail(d->import, rv_dagu_place(d, value), "write `- name: NAME` for each", "`steps` as a map is not understood");
        return;
    }
    *ret_groups = rv_arena_new(&d->import->arena, uint32_t, STEPS_MAX);
    uint32_t end = rv_doc_next(&d->doc, value);
    for (uint32_t at = value + 1; at < end && d->steps.count < STEPS_MAX; group++) {
        uint32_t next = rv_doc_next(&d->doc, at);
        bool is_group = rv_doc_kind_of(&d->doc, at) == RV_DOC_LIST;
        for (uint32_t one = is_group ? at + 1 : at; one < next && d->steps.count < STEPS_MAX; one = rv_doc_next(&d->doc, one)) {
            (*ret_groups)[d->steps.count] = group;
            add_step(d, one);
        }
        at = next;
    }
    if (d->steps.count == STEPS_MAX) rv_import_fail(d->import, (rv_import_place){0}, "divide it", "there are %u steps or more", STEPS_MAX);
}

static bool is_chain(rv_dagu *d)
{
    uint32_t type = rv_dagu_get(d, 0, "type");
    bool has_depends = false;
    if (type != RV_NONE) return rv_str_is(rv_dagu_text(d, type), "chain");
    for (uint32_t i = 0; i < d->steps.count && !has_depends; i++) has_depends = rv_dagu_get(d, d->steps.at[i].map, "depends") != RV_NONE;
    if (!has_depends && d->steps.count > 1)
        rv_import_note(d->import, rv_dagu_place(d, d->steps.at[0].map),
                       "write `type: graph` in the original if they may run at the same time",
                       "neither `type` nor `depends`: the steps are taken as a chain, one after the other");
    return !has_depends;
}

/* ---- outputs and handlers ---- */

static bool is_name_byte(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; }

/* Does the script speak of the variable, in whatever language it is? */
static bool reads(rv_str script, rv_str name)
{
    for (size_t i = 0; i + name.size <= script.size; i++)
        if (memcmp(script.at + i, name.at, name.size) == 0 && (i == 0 || !is_name_byte(script.at[i - 1])) &&
            (i + name.size == script.size || !is_name_byte(script.at[i + name.size])))
            return true;
    return false;
}

/* Whoever comes after the step and reads its variable is given what the step printed. */
static void give_output(rv_dagu *d, const rv_map *node_of, const rv_dagu_step *step)
{
    rv_import *import = d->import;
    bool *is_after = rv_alloc(import->nodes.count);
    is_after[step->node] = true;
    for (bool goes_on = true; goes_on && import->text_size <= RV_IMPORT_TEXT_MAX;) {
        goes_on = false;
        for (uint32_t i = 0; i < import->nodes.count; i++) {
            const rv_import_node *node = &import->nodes.at[i];
            import->text_size += 1 + node->needs.count + node->after.count;
            for (uint32_t k = 0; k < node->needs.count + node->after.count && !is_after[i]; k++) {
                rv_str id = k < node->needs.count ? node->needs.at[k] : node->after.at[k - node->needs.count];
                uint32_t other = rv_map_get(node_of, id);
                if (other != RV_NONE && is_after[other]) is_after[i] = goes_on = true;
            }
        }
    }
    for (uint32_t i = 0; i < import->nodes.count; i++) {
        rv_import_node *node = &import->nodes.at[i];
        if (i == step->node || !reads(node->shell, step->output)) continue;
        rv_str value = rv_arena_printf(&import->arena, "${%.*s.stdout:-}", RV_FMT(step->id));
        if (is_after[i] || node->handler) rv_vec_push(&node->raw_env, ((rv_import_pair){step->output, value}));
        else
            rv_import_note(import, rv_dagu_place(d, step->map), "let it depend on the step",
                           "`%.*s` reads `%.*s`, but does not come after `%.*s`",
                           RV_FMT(node->id), RV_FMT(step->output), RV_FMT(step->name));
    }
    rv_free(is_after);
}

/* The steps that a step waits for, and whose being skipped lets it be skipped, too, where the edge does not: index + 1 of the next one
 * at or behind *at. */
static uint32_t next_skipper(const rv_dagu *d, const rv_map *step_of, uint32_t index, uint32_t *at)
{
    const rv_import_node *node = &d->import->nodes.at[d->steps.at[index].node];
    while (*at < node->needs.count + node->after.count) {
        uint32_t k = (*at)++;
        uint32_t other = rv_map_get(step_of, k < node->needs.count ? node->needs.at[k] : node->after.at[k - node->needs.count]);
        if (other == RV_NONE || d->steps.at[other].goes_on_skipped) continue;
        if (d->steps.at[other].may_be_skipped || d->steps.at[other].goes_on_failed) return other + 1;
    }
    return 0;
}

/* In Reeve a step that its condition has skipped holds up nobody; in Dagu who needs it is skipped as well. */
static void skip_with_others(rv_dagu *d)
{
    rv_map step_of = {0};
    for (uint32_t i = 0; i < d->steps.count; i++) rv_map_add(&step_of, d->steps.at[i].id, i);
    for (bool goes_on = true; goes_on && d->import->text_size <= RV_IMPORT_TEXT_MAX;) {
        goes_on = false;
        for (uint32_t i = 0; i < d->steps.count; i++) {
            uint32_t at = 0;
            if (d->steps.at[i].may_be_skipped || next_skipper(d, &step_of, i, &at) == 0) continue;
            d->steps.at[i].may_be_skipped = goes_on = true;
        }
        d->import->text_size += d->steps.count;
    }
    for (uint32_t i = 0; i < d->steps.count && d->import->text_size <= RV_IMPORT_TEXT_MAX; i++) {
        uint32_t at = 0, other;
        while ((other = next_skipper(d, &step_of, i, &at)) != 0)
            only_when(d, &d->import->nodes.at[d->steps.at[i].head],
                      rv_arena_printf(&d->import->arena, "${%.*s.state} != 'skipped'", RV_FMT(d->steps.at[other - 1].id)));
    }
    rv_map_deinit(&step_of);
}

static void give_outputs(rv_dagu *d)
{
    rv_map node_of = {0};
    for (uint32_t i = 0; i < d->import->nodes.count; i++) rv_map_add(&node_of, d->import->nodes.at[i].id, i);
    for (uint32_t i = 0; i < d->steps.count; i++)
        if (rv_import_is_variable(d->steps.at[i].output)) give_output(d, &node_of, &d->steps.at[i]);
    rv_map_deinit(&node_of);
}

static rv_str read_handlers(rv_dagu *d)
{
    static const char *const rows[][2] = {{"success", "success"}, {"failure", "failure"}, {"cancel", "cancel"}, {"abort", "cancel"},
                                          {"exit", "exit"}};
    uint32_t map = rv_dagu_get(d, 0, "handler_on"), init;
    rv_str id = {0};
    bool has_cancel = false;
    if (map == RV_NONE) return id;
    for (size_t i = 0; i < RV_COUNT(rows); i++) {
        uint32_t value = rv_dagu_get(d, map, rows[i][0]);
        if (value == RV_NONE || (has_cancel && i == 3)) continue;
        has_cancel |= i == 2;
        rv_import_node *node = rv_import_add(d->import, rv_arena_printf(&d->import->arena, "on.%s", rows[i][1]));
        node->handler = rows[i][1];
        rv_dagu_step_node(d, value, rv_str_of(rows[i][0]), node);
    }
    init = rv_dagu_get(d, map, "init");
    if (init == RV_NONE) return id;
    id = rv_import_id(d->import, RV_STR("init"));
    rv_dagu_step_node(d, init, RV_STR("init"), rv_import_add(d->import, id));
    return id;
}

static void make_nodes(rv_dagu *d, const uint32_t *groups)
{
    rv_import *import = d->import;
    uint32_t conditions = conditions_of(d, 0);
    rv_str first = read_handlers(d), condition = {0};
    if (conditions != RV_NONE) condition = condition_node(d, conditions, RV_STR("preconditions"));
    bool is_in_order = is_chain(d);
    for (uint32_t i = 0, begin = 0, before = 0; i < d->steps.count && import->text_size <= RV_IMPORT_TEXT_MAX; i++) {
        if (i > 0 && groups[i] != groups[i - 1]) { /* a new group: the one before it is [before, begin) */
            before = begin;
            begin = i;
        }
        bool is_later = is_in_order && begin > 0;
        import->text_size += begin - before;
        make_step(d, i, before, is_later ? begin - before : 0, first, condition);
    }
    uint32_t in_cycle = rv_import_cycle(import);
    for (uint32_t i = 0; i < d->steps.count && in_cycle != RV_NONE; i++)
        if (d->steps.at[i].node == in_cycle || d->steps.at[i].head == in_cycle)
            rv_import_fail(import, rv_dagu_place(d, d->steps.at[i].map), "correct `depends`", "the step `%.*s` comes to depend on itself",
                           RV_FMT(d->steps.at[i].name));
    skip_with_others(d);
    give_outputs(d);
}

bool rv_import_dagu(rv_import *import)
{
    rv_dagu d = {.import = import};
    rv_spec_input input = {.source = import->source, .file = rv_arena_cstring(&import->arena, import->file)};
    uint32_t *groups = NULL;
    if (rv_doc_read(&d.doc, &input, import->problems) == RV_OK) {
        if (rv_doc_kind_of(&d.doc, 0) != RV_DOC_MAP) rv_import_fail(import, (rv_import_place){0}, "name a workflow of Dagu",
                                                                    "it is no map");
        else {
            read_head(&d);
            read_steps(&d, &groups);
        }
        if (import->wanted_count)
            rv_import_fail(import, (rv_import_place){0}, "leave the names away", "a workflow of Dagu is imported as a whole");
        if (import->problems->error_count == 0) make_nodes(&d, groups);
        if (import->text_size > RV_IMPORT_TEXT_MAX) rv_import_fail(import, (rv_import_place){0}, "divide it",
                                                                   "this becomes more than 64 MiB");
    }
    rv_vec_deinit(&d.steps);
    rv_vec_deinit(&d.params);
    rv_vec_deinit(&d.known);
    rv_map_deinit(&d.names);
    rv_doc_deinit(&d.doc);
    return import->problems->error_count == 0;
}
