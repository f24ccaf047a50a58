/* refs.c: each reference: is it there, and may it stand here? [W7, W10]. Whether it is an ancestor's is asked of ancestors.c.
 *
 * What a node sees: the params of its file; the environment; the words of the bodies around it (`item`, `previous` …), the nearest
 * first; the nodes beside it; then what its owner sees, and so on outwards up to the file or a closed scope. */
#include "spec/load.h"

typedef struct resolver {
    rv_loader *loader;
    RV_VEC(rv_question) asked;
} resolver;

#define error_at(l_, ref_, cure_, ...) rv_loader_error((l_), (ref_)->value, (ref_)->within, (cure_), __VA_ARGS__)

static rv_str first_word(rv_str path, rv_str *rest)
{
    size_t dot = rv_str_find(path, 0, '.');
    *rest = dot == SIZE_MAX ? RV_STR("") : rv_str_from(path, dot + 1);
    return rv_str_cut(path, 0, dot);
}

/* ---- load-time values ---- */

static const char *param_hint(rv_loader *l, uint32_t params, rv_str name)
{
    const char *names[64];
    uint32_t count = 0;
    for (uint32_t key = params + 1, end = rv_doc_next(&l->doc, params); key < end && count < RV_COUNT(names);
         key = rv_doc_next(&l->doc, key + 1))
        names[count++] = rv_arena_cstring(&l->arena, rv_doc_text(&l->doc, key));
    return rv_near(name, names, count);
}

static void resolve_user(rv_loader *l, const rv_reference *ref, rv_str rest)
{
    rv_str more, name = first_word(rest, &more);
    uint32_t file = l->scopes.at[ref->scope].file, params = l->files.at[file].keys[RV_FK_PARAMS], param = RV_NONE;
    if (params == RV_NONE && file == 0) params = l->run_params;
    bool has_params = params != RV_NONE && rv_doc_kind_of(&l->doc, params) == RV_DOC_MAP;
    if (name.size == 0) {
        error_at(l, ref, RV_STR("write ${user.NAME}"), "`${user}` names no param");
        return;
    }
    if (has_params) param = rv_loader_member(l, params, name);
    if (param == RV_NONE) {
        rv_str cure =
            rv_loader_hint(l, has_params && l->problems->list.count < RV_PROBLEMS_MAX ? param_hint(l, params, name) : NULL,
                           "declare it under `params`");
        error_at(l, ref, cure, "`${user.%.*s}`: there is no such param", RV_FMT(rest));
        return;
    }
    uint32_t secret = rv_doc_get(&l->doc, param, "secret"), type = rv_doc_get(&l->doc, param, "type");
    if (secret != RV_NONE && rv_doc_kind_of(&l->doc, secret) == RV_DOC_TRUE && ref->use != RV_USE_ENV) {
        static const char *const where[] = {[RV_USE_ARGV] = "an argument, where every process can read it",
                                            [RV_USE_DIR] = "a directory's name",
                                            [RV_USE_MESSAGE] = "a message, which is stored",
                                            [RV_USE_WHEN] = "a condition",
                                            [RV_USE_SET] = "a value, which is stored",
                                            [RV_USE_FILL] = "a value, which is stored",
                                            [RV_USE_UNTIL] = "a condition",
                                            [RV_USE_REVISE] = "a condition",
                                            [RV_USE_RESULT] = "a value, which is stored"};
        error_at(l, ref, RV_STR("pass it through `env`"), "the secret `%.*s` in %s", RV_FMT(name), where[ref->use]);
    }
    rv_str kind = type == RV_NONE ? RV_STR("string") : rv_doc_text(&l->doc, type);
    if (more.size && !rv_str_is(kind, "object") && !rv_str_is(kind, "array"))
        error_at(l, ref, RV_STR("remove what follows its name"), "`${user.%.*s}`: param `%.*s` is no object", RV_FMT(rest),
                 RV_FMT(name));
}

static void resolve_env(rv_loader *l, const rv_reference *ref, rv_str name)
{
    if (name.size == 0 || rv_str_find(name, 0, '.') != SIZE_MAX) {
        error_at(l, ref, RV_STR("write ${env.NAME}"), "`${%.*s}` names no environment variable", RV_FMT(ref->path));
        return;
    }
    uint32_t known = rv_map_add(&l->env_map, name, l->env_names.count);
    if (known == RV_NONE) {
        known = l->env_names.count;
        rv_vec_push(&l->env_names, name);
        rv_vec_push(&l->env_needed, RV_NONE);
    }
    if (!ref->has_default)
        l->env_needed.at[known] = RV_MIN(l->env_needed.at[known], rv_doc_offset(&l->doc, ref->value, ref->within));
}

/* ---- values of nodes ---- */

/* A sub-workflow has the keys of its `result`, else the names of its last nodes. */
static bool has_result(rv_loader *l, uint32_t node, rv_str field)
{
    const rv_draft *draft = &l->nodes.at[node];
    if (draft->scope_count == 0) return true; /* what it includes was refused */
    const rv_scope_draft *scope = &l->scopes.at[draft->scope_first];
    uint32_t result = l->files.at[scope->file].keys[RV_FK_RESULT];
    if (result != RV_NONE) return rv_loader_member(l, result, field) != RV_NONE;
    uint32_t child = rv_loader_find(l, draft->scope_first, field);
    return child != RV_NONE && !l->nodes.at[child].has_successor;
}

/* May `node` have a field of this name in its result? Where the result is free, yes. */
static bool has_field(rv_loader *l, uint32_t node, rv_str field)
{
    uint32_t value;
    switch ((rv_kind)l->nodes.at[node].kind) {
    case RV_KIND_RUN:
    case RV_KIND_SHELL: {
        uint32_t schema = rv_loader_value(l, node, RV_NK_OUTPUT_SCHEMA);
        uint32_t additional = schema == RV_NONE ? RV_NONE : rv_doc_get(&l->doc, schema, "additionalProperties");
        if (additional == RV_NONE || rv_doc_kind_of(&l->doc, additional) != RV_DOC_FALSE) return true;
        uint32_t properties = rv_doc_get(&l->doc, schema, "properties");
        return properties != RV_NONE && rv_loader_member(l, properties, field) != RV_NONE;
    }
    case RV_KIND_APPROVE: return rv_str_is(field, "decision") || rv_str_is(field, "by") || rv_str_is(field, "comment");
    case RV_KIND_INPUT:
    case RV_KIND_REDUCE: return rv_str_is(field, "value");
    case RV_KIND_WAIT:
        value = rv_loader_kind_value(l, node);
        return rv_doc_get(&l->doc, value, "event") != RV_NONE;
    case RV_KIND_SET:
        value = rv_doc_get(&l->doc, rv_loader_body(l, node), "set");
        return value != RV_NONE && rv_loader_member(l, value, field) != RV_NONE;
    case RV_KIND_FOREACH: return rv_str_is(field, "results") || rv_str_is(field, "failed");
    case RV_KIND_LOOP: return rv_str_is(field, "value") || rv_str_is(field, "iterations") || rv_str_is(field, "exhausted");
    case RV_KIND_CLASSIFY: return rv_str_is(field, "branch");
    case RV_KIND_TOURNAMENT: return rv_str_is(field, "winner") || rv_str_is(field, "value") || rv_str_is(field, "rounds");
    case RV_KIND_WORKFLOW: return has_result(l, node, field);
    case RV_KIND_COUNT: return true;
    }
    RV_UNREACHABLE();
}

static const char *fields_text(rv_kind kind)
{
    switch (kind) {
    case RV_KIND_RUN:
    case RV_KIND_SHELL: return "its output_schema allows no others than its properties";
    case RV_KIND_APPROVE: return "an approval has decision, by, comment, state, error";
    case RV_KIND_INPUT: return "an input has value, state, error";
    case RV_KIND_REDUCE: return "a reduction has value, state, error";
    case RV_KIND_WAIT: return "a wait for a time has state, error";
    case RV_KIND_SET: return "a `set` has its own keys, state, error";
    case RV_KIND_FOREACH: return "a foreach has results, failed, state, error";
    case RV_KIND_LOOP: return "a loop has value, iterations, exhausted, state, error";
    case RV_KIND_CLASSIFY: return "a classify has branch, state, error";
    case RV_KIND_TOURNAMENT: return "a tournament has winner, value, rounds, state, error";
    case RV_KIND_WORKFLOW: return "a sub-workflow has the keys of its `result`, else the names of its last nodes, state, error";
    case RV_KIND_COUNT: return "";
    }
    RV_UNREACHABLE();
}

/* What must be kept of a node so that this field of it can be read. */
static uint16_t flags_of(const rv_reference *ref, rv_str field)
{
    bool is_output = rv_str_is(field, "stdout") || rv_str_is(field, "stderr");
    if (is_output) return rv_use_is_evaluated(ref->use) ? RV_NODE_F_EXPR_OUTPUT : RV_NODE_F_READS_OUTPUT;
    return rv_str_is(field, "state") || rv_str_is(field, "error") || rv_str_is(field, "exit_code") || rv_str_is(field, "artifact")
               ? 0
               : RV_NODE_F_KEEP_RESULT;
}

/* The kernel evaluates over results; it holds no files. */
static bool cannot_be_evaluated(rv_loader *l, const rv_reference *ref, rv_str field)
{
    if (!rv_use_is_evaluated(ref->use) || !(rv_str_is(field, "stderr") || rv_str_is(field, "artifact"))) return false;
    error_at(l, ref, RV_STR("let the node write it to $REEVE_OUTPUT"), "`${%.*s}`: an expression cannot read `%.*s`", RV_FMT(ref->path),
             RV_FMT(field));
    return true;
}

static void check_output(rv_loader *l, const rv_reference *ref, uint32_t node, rv_str rest)
{
    rv_str more, field = first_word(rest, &more);
    rv_draft *draft = &l->nodes.at[node];
    bool is_process = draft->kind == RV_KIND_RUN || draft->kind == RV_KIND_SHELL, is_unknown = draft->kind == RV_KIND_COUNT;
    bool is_stdout = rv_str_is(field, "stdout"), is_stderr = rv_str_is(field, "stderr");
    draft->flags |= flags_of(ref, field);
    if (cannot_be_evaluated(l, ref, field)) return;
    if (field.size == 0)
        error_at(l, ref, RV_STR("write ${NODE.FIELD}, such as .stdout or .state"), "`${%.*s}` names no value of the node",
                 RV_FMT(ref->path));
    else if (rv_str_is(field, "state") || rv_str_is(field, "error") || is_stdout || is_stderr || rv_str_is(field, "exit_code")) {
        bool is_any = field.at[0] == 'e' ? rv_str_is(field, "error") : rv_str_is(field, "state");
        if (more.size)
            error_at(l, ref, RV_STR("remove what follows it"), "`${%.*s}`: `%.*s` has no fields", RV_FMT(ref->path),
                     RV_FMT(field));
        else if (!is_any && !is_process && !is_unknown)
            error_at(l, ref, rv_str_of(fields_text(draft->kind)), "`${%.*s}`: a node of kind `%s` runs no command",
                     RV_FMT(ref->path), rv_kind_name(draft->kind));
    } else if (rv_str_is(field, "artifact")) {
        if (more.size == 0)
            error_at(l, ref, RV_STR("write ${NODE.artifact.NAME}"), "`${%.*s}` names no artifact", RV_FMT(ref->path));
        else if (!is_process && !is_unknown)
            error_at(l, ref, rv_str_of(fields_text(draft->kind)), "`${%.*s}`: a node of kind `%s` makes no artifacts",
                     RV_FMT(ref->path), rv_kind_name(draft->kind));
    } else if (!has_field(l, node, field))
        error_at(l, ref, rv_str_of(fields_text(draft->kind)), "`${%.*s}`: `%.*s` has no output `%.*s`", RV_FMT(ref->path),
                 RV_FMT(rv_loader_name(l, node)), RV_FMT(field));
}

/* ---- words of bodies ---- */

static const char *const words[] = {"item", "index", "iteration", "previous", "left", "right", "feedback", NULL};
enum { WORD_ITEM, WORD_INDEX, WORD_ITERATION, WORD_PREVIOUS, WORD_LEFT, WORD_RIGHT, WORD_FEEDBACK };

static bool role_has(rv_scope_role role, uint32_t word)
{
    switch (word) {
    case WORD_ITEM:
    case WORD_INDEX: return role == RV_SCOPE_ITEM;
    case WORD_ITERATION:
    case WORD_PREVIOUS: return role == RV_SCOPE_ITERATION;
    case WORD_LEFT:
    case WORD_RIGHT: return role == RV_SCOPE_JUDGE;
    default: return false;
    }
}

/* The scope that gives the word to this reference, the nearest one; for `feedback` the reader's own. RV_NONE: none. */
static uint32_t scope_of_word(const rv_loader *l, const rv_reference *ref, uint32_t word)
{
    uint32_t node = ref->node;
    if (node == RV_NONE) return RV_NONE;
    if (ref->use == RV_USE_UNTIL && role_has(RV_SCOPE_ITERATION, word))
        return l->nodes.at[node].scope_count ? l->nodes.at[node].scope_first : RV_NONE;
    if (word == WORD_FEEDBACK && rv_loader_is_process(l, node) && rv_loader_value(l, node, RV_NK_OUTPUT_SCHEMA) != RV_NONE &&
        rv_loader_attempts(l, node) > 1)
        return l->nodes.at[node].scope;
    while (node != RV_NONE) {
        const rv_scope_draft *scope = &l->scopes.at[l->nodes.at[node].scope];
        if (word == WORD_FEEDBACK ? l->nodes.at[node].is_revised : role_has((rv_scope_role)scope->role, word))
            return l->nodes.at[node].scope;
        node = scope->is_closed ? RV_NONE : scope->owner;
    }
    return RV_NONE;
}

static void check_side(rv_loader *l, const rv_reference *ref, uint32_t tournament, rv_str rest)
{
    rv_str more, field = first_word(rest, &more);
    if (rest.size == 0)
        error_at(l, ref, RV_STR("write ${left.FIELD}, or ${left.id}"), "`${%.*s}` names no value of the entrant", RV_FMT(ref->path));
    else if (!cannot_be_evaluated(l, ref, field) && !rv_str_is(field, "id"))
        l->nodes.at[tournament].side_flags |= flags_of(ref, field);
}

/* A word that its scope gives. */
static void resolve_word(rv_loader *l, const rv_reference *ref, uint32_t word, uint32_t scope, rv_str rest)
{
    switch (word) {
    case WORD_INDEX:
    case WORD_ITERATION:
        if (rest.size)
            error_at(l, ref, RV_STR("remove what follows it"), "`${%.*s}`: `%s` has no fields", RV_FMT(ref->path), words[word]);
        return;
    case WORD_PREVIOUS: check_output(l, ref, l->scopes.at[scope].first, rest); return;
    case WORD_LEFT:
    case WORD_RIGHT: check_side(l, ref, l->scopes.at[scope].owner, rest); return;
    default: return; /* item and feedback are data */
    }
}

static void no_such_word(rv_loader *l, const rv_reference *ref, uint32_t word)
{
    static const char *const cures[] = {"`item` and `index` are there in a foreach's `do`",
                                        "`item` and `index` are there in a foreach's `do`",
                                        "`iteration` and `previous` are there in a loop's `body` and `until`",
                                        "`iteration` and `previous` are there in a loop's `body` and `until`",
                                        "`left` and `right` are there in a tournament's `judge`",
                                        "`left` and `right` are there in a tournament's `judge`",
                                        "it is there where `revise` may run a node again, and with output_schema and retries"};
    error_at(l, ref, rv_str_of(cures[word]), "`${%.*s}`: there is no `%s` here", RV_FMT(ref->path), words[word]);
}

/* ---- nodes ---- */

/* The node of this name that the reader sees, or RV_NONE. *ret_at: the reader, or the one around it that stands beside that node;
 * RV_NONE: it reads when all have ended. */
static uint32_t find_node(const rv_loader *l, const rv_reference *ref, rv_str name, uint32_t *ret_at)
{
    *ret_at = RV_NONE;
    if (ref->node == RV_NONE) return rv_loader_find(l, ref->scope, name);
    if (l->nodes.at[ref->node].handler) return rv_loader_find_from(l, 0, name);
    for (uint32_t node = ref->node; node != RV_NONE;) {
        const rv_scope_draft *scope = &l->scopes.at[l->nodes.at[node].scope];
        uint32_t found = RV_NONE, at = l->nodes.at[node].scope;
        if (at == 0) found = rv_loader_find_from(l, l->nodes.at[node].project, name);
        else if (scope->is_named) found = rv_loader_find(l, at, name);
        *ret_at = node;
        if (found != RV_NONE) return found;
        node = scope->is_closed ? RV_NONE : scope->owner;
    }
    return RV_NONE;
}

static void no_such_node(rv_loader *l, const rv_reference *ref, rv_str name, rv_str rest)
{
    bool is_variable = rest.size == 0 && ref->use < RV_USE_OF;
    uint32_t scope = ref->node != RV_NONE && l->nodes.at[ref->node].handler ? 0 : ref->scope;
    while (!l->scopes.at[scope].is_named) scope = l->nodes.at[l->scopes.at[scope].owner].scope;
    if (rv_loader_exists(l, name)) {
        error_at(l, ref, rv_arena_printf(&l->arena, "add `%.*s` to `needs`", RV_FMT(name)),
                 "`%.*s`: the run's node `%.*s` need not have ended by then", RV_FMT(ref->path), RV_FMT(name));
        return;
    }
    rv_str cure = is_variable
                      ? rv_arena_printf(&l->arena, "the environment is ${env.%.*s}; `$${` is a literal `${`", RV_FMT(name))
                      : rv_loader_node_hint(l, scope, name, "values are those of user, env, run, attempt and of nodes");
    error_at(l, ref, cure, "`%.*s`: there is no node `%.*s`", RV_FMT(ref->path), RV_FMT(name));
}

static void not_an_ancestor(rv_loader *l, const rv_question *q)
{
    const rv_reference *ref = &l->references.at[q->reference];
    rv_str from = rv_loader_name(l, q->from), to = rv_loader_name(l, q->to);
    if (ref->use == RV_USE_BRANCH)
        error_at(l, ref, rv_arena_printf(&l->arena, "add `%.*s` to its `needs`", RV_FMT(rv_loader_own_name(l, q->from))),
                 "`%.*s` is a branch of `%.*s`, but does not depend on it", RV_FMT(to), RV_FMT(from));
    else
        error_at(l, ref, rv_arena_printf(&l->arena, "add `%.*s` to %s `needs`", RV_FMT(rv_loader_own_name(l, q->from)),
                                         q->to == ref->node ? "its" : "the"),
                 q->to == ref->node ? "`%.*s` reads `%.*s`, which need not have ended by then"
                                    : "`%.*s` reads in its bodies `%.*s`, which need not have ended by then",
                 RV_FMT(to), RV_FMT(from));
}

static void ask(resolver *r, uint32_t index, uint32_t from, uint32_t to)
{
    rv_loader *l = r->loader;
    const rv_reference *ref = &l->references.at[index];
    if (from == to && to == ref->node) {
        if (ref->use != RV_USE_REVISE) error_at(l, ref, RV_STR("remove it"), "`%.*s` reads itself", RV_FMT(rv_loader_name(l, to)));
    } else if (from == to)
        error_at(l, ref, RV_STR("remove it"), "`%.*s` reads `%.*s`, which it is a part of", RV_FMT(rv_loader_name(l, ref->node)),
                 RV_FMT(rv_loader_name(l, to)));
    else if (to != RV_NONE && l->is_acyclic) rv_vec_push(&r->asked, ((rv_question){index, from, to}));
}

static void resolve_branch(resolver *r, uint32_t index)
{
    rv_loader *l = r->loader;
    const rv_reference *ref = &l->references.at[index];
    uint32_t other = rv_loader_find(l, ref->scope, ref->path);
    if (other == RV_NONE || other >= l->def_count)
        error_at(l, ref, rv_loader_node_hint(l, ref->scope, ref->path, "name a node that stands beside the classify"),
                 "`branches` of `%.*s` names `%.*s`, which is no node beside it", RV_FMT(rv_loader_name(l, ref->node)), RV_FMT(ref->path));
    else if (other == ref->node)
        error_at(l, ref, RV_STR("remove it"), "`%.*s` names itself in `branches`", RV_FMT(rv_loader_name(l, other)));
    else if (l->is_acyclic) rv_vec_push(&r->asked, ((rv_question){index, ref->node, other}));
}

static void resolve_entrant(rv_loader *l, const rv_reference *ref)
{
    uint32_t other = rv_loader_find(l, ref->scope, ref->path);
    if (other != RV_NONE) l->nodes.at[other].flags |= RV_NODE_F_KEEP_RESULT; /* that it is there edges.c has seen to */
}

/* A node of a project that is read by less than its whole name is written with it in the normal form. */
static void note_name(rv_loader *l, const rv_reference *ref, uint32_t node, rv_str name)
{
    rv_str whole = rv_loader_own_name(l, node);
    if (l->nodes.at[node].scope != 0 || rv_str_eq(whole, name)) return;
    uint32_t at = ref->use == RV_USE_OF ? 0 : ref->within + 2;
    rv_vec_push(&l->renames, ((rv_rename){ref->value, at, (uint32_t)name.size, whole}));
}

static void resolve_node(resolver *r, uint32_t index, rv_str name, rv_str rest)
{
    rv_loader *l = r->loader;
    const rv_reference *ref = &l->references.at[index];
    uint32_t word = ref->use < RV_USE_OF ? rv_word_find(words, name) : RV_NONE, at = RV_NONE;
    uint32_t giver = word == RV_NONE ? RV_NONE : scope_of_word(l, ref, word);
    if (giver != RV_NONE) {
        resolve_word(l, ref, word, giver, rest);
        return;
    }
    uint32_t node = find_node(l, ref, name, &at);
    if (word == WORD_FEEDBACK) node = RV_NONE; /* this word is taken everywhere */
    if (node == RV_NONE && word != RV_NONE) no_such_word(l, ref, word);
    else if (node == RV_NONE) no_such_node(l, ref, name, rest);
    else if (ref->node == RV_NONE && ref->use != RV_USE_RESULT) {
        error_at(l, ref, RV_STR("give it to the nodes that need it"),
                 "`${%.*s}`: values of nodes cannot stand in `env` and `defaults` of all", RV_FMT(ref->path));
    } else {
        note_name(l, ref, node, name);
        if (ref->use == RV_USE_OF) l->nodes.at[node].flags |= RV_NODE_F_KEEP_RESULT | RV_NODE_F_READS_OUTPUT;
        else check_output(l, ref, node, rest);
        ask(r, index, node, at);
    }
}

static void resolve_one(resolver *r, uint32_t index)
{
    rv_loader *l = r->loader;
    const rv_reference *ref = &l->references.at[index];
    rv_str rest, word = first_word(ref->path, &rest);
    if (ref->use == RV_USE_BRANCH) resolve_branch(r, index);
    else if (ref->use == RV_USE_ENTRANT) resolve_entrant(l, ref);
    else if (ref->use == RV_USE_OF) resolve_node(r, index, ref->path, RV_STR(""));
    else if (rv_str_is(word, "user")) resolve_user(l, ref, rest);
    else if (rv_str_is(word, "env")) resolve_env(l, ref, rest);
    else if (rv_str_is(word, "run")) {
        if (!rv_str_is(rest, "id"))
            error_at(l, ref, RV_STR("the run has `${run.id}`; a node called `run` cannot be read: rename it"),
                     "`${%.*s}`: there is no such value", RV_FMT(ref->path));
        else rv_loader_fleeting(l, ref);
    } else if (rv_str_is(word, "attempt")) {
        bool has_attempt = ref->use == RV_USE_ARGV || ref->use == RV_USE_ENV || ref->use == RV_USE_DIR;
        if (!rv_str_is(rest, "epoch") && !rv_str_is(rest, "key"))
            error_at(l, ref, RV_STR("an attempt has epoch and key"), "`${%.*s}`: there is no such value", RV_FMT(ref->path));
        else if (!has_attempt)
            error_at(l, ref, RV_STR("use it in argv, env or dir"), "`${%.*s}`: there is no attempt here", RV_FMT(ref->path));
        else rv_loader_fleeting(l, ref);
    } else resolve_node(r, index, word, rest);
}

/* ---- what the kernel itself reads ---- */

static void keep_entrants(rv_loader *l, uint32_t node)
{
    const rv_draft *draft = &l->nodes.at[node];
    uint32_t list = rv_doc_get(&l->doc, rv_loader_kind_value(l, node), "entrants");
    for (uint32_t scope = draft->scope_first; scope < draft->scope_first + draft->scope_count; scope++)
        if (l->scopes.at[scope].role == RV_SCOPE_ENTRANT) l->nodes.at[l->scopes.at[scope].first].flags |= draft->side_flags;
    if (draft->side_flags == 0 || list == RV_NONE) return;
    for (uint32_t item = list + 1, end = rv_doc_next(&l->doc, list); item < end; item = rv_doc_next(&l->doc, item)) {
        uint32_t other = rv_doc_is_scalar(&l->doc, item) ? rv_loader_find(l, draft->scope, rv_doc_text(&l->doc, item)) : RV_NONE;
        if (other != RV_NONE) l->nodes.at[other].flags |= draft->side_flags;
    }
}

/* Results of bodies: of the one node, or of the last ones; a sub-workflow with `result` names what it reads. */
static void keep_results(rv_loader *l)
{
    for (uint32_t i = 2; i < l->scopes.count; i++) {
        const rv_scope_draft *scope = &l->scopes.at[i];
        if (scope->role == RV_SCOPE_WORKFLOW && l->files.at[scope->file].keys[RV_FK_RESULT] != RV_NONE) continue;
        for (uint32_t node = scope->first; node < scope->first + scope->count; node++)
            if (!l->nodes.at[node].has_successor) l->nodes.at[node].flags |= RV_NODE_F_KEEP_RESULT;
    }
    for (uint32_t node = 0; node < l->nodes.count; node++) {
        if (l->nodes.at[node].revise) l->nodes.at[node].flags |= RV_NODE_F_KEEP_RESULT;
        if (l->nodes.at[node].kind == RV_KIND_TOURNAMENT) keep_entrants(l, node);
    }
}

/* `default` names a node of the file. */
static void check_default(rv_loader *l)
{
    uint32_t value = l->files.at[0].keys[RV_FK_DEFAULT];
    if (value == RV_NONE || !rv_doc_is_scalar(&l->doc, value)) return;
    rv_str name = rv_doc_text(&l->doc, value);
    if (!rv_is_identifier(name) && !rv_loader_is_composite(l, name)) return;
    if (rv_loader_find(l, 0, name) == RV_NONE)
        rv_loader_error(l, value, 0, rv_loader_node_hint(l, 0, name, "name one of its nodes"), "`default` names `%.*s`, which is no node",
                        RV_FMT(name));
}

void rv_loader_resolve(rv_loader *l)
{
    resolver r = {.loader = l};
    for (uint32_t i = 0; i < l->references.count; i++) resolve_one(&r, i);
    if (l->is_acyclic) rv_loader_ancestors(l, r.asked.at, r.asked.count, not_an_ancestor);
    check_default(l);
    keep_results(l);
    rv_loader_inputless(l);
    rv_loader_paths(l);
    rv_loader_rename(l);
    rv_vec_deinit(&r.asked);
}
