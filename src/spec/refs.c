/* refs.c: each reference: is it there, may it stand here, is it an ancestor's [W7, W10].
 *
 * A node may read another one's values when there is a path of edges, hard or soft, from that one to it: then it has
 * ended before. Most references name a direct predecessor. For the others: a short walk backwards; what that leaves undecided is
 * settled for 64 sources at a time by one pass over the topological order, a bit a source. So the cost stays near
 * nodes + edges for ordinary files and is (nodes + edges) × sources ÷ 64 at worst. */
#include "spec/load.h"
#include <stdlib.h>

#define WALK_MAX 128 /* nodes that the walk backwards looks at */

typedef struct question {
    uint32_t position, reference, from, to;
} question; /* is `from`, at `position`, an ancestor of `to`? */

typedef struct resolver {
    rv_loader *loader;
    uint32_t *direct;  /* of a node: 1 + the node of which it is known to be a predecessor */
    uint32_t *visited; /* of a node: the walk that was here last */
    uint32_t walks, direct_of;
    RV_VEC(question) open;
    uint32_t walk[WALK_MAX];
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
    uint32_t params = l->file_keys[RV_FK_PARAMS], param = RV_NONE;
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
        static const char *const where[] = {"an argument, where every process can read it",
                                            "",
                                            "a directory's name",
                                            "a message, which is stored",
                                            "a condition",
                                            "a value, which is stored",
                                            ""};
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
    case RV_KIND_WAIT: return false;
    case RV_KIND_SET:
        value = rv_doc_get(&l->doc, rv_loader_body(l, node), "set");
        return value != RV_NONE && rv_loader_member(l, value, field) != RV_NONE;
    case RV_KIND_FOREACH: return rv_str_is(field, "results") || rv_str_is(field, "failed");
    case RV_KIND_LOOP: return rv_str_is(field, "value") || rv_str_is(field, "iterations") || rv_str_is(field, "exhausted");
    case RV_KIND_CLASSIFY: return rv_str_is(field, "branch");
    case RV_KIND_TOURNAMENT: return rv_str_is(field, "winner") || rv_str_is(field, "value") || rv_str_is(field, "rounds");
    case RV_KIND_WORKFLOW:
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
    case RV_KIND_WAIT: return "a wait has state, error";
    case RV_KIND_SET: return "a `set` has its own keys, state, error";
    case RV_KIND_FOREACH: return "a foreach has results, failed, state, error";
    case RV_KIND_LOOP: return "a loop has value, iterations, exhausted, state, error";
    case RV_KIND_CLASSIFY: return "a classify has branch, state, error";
    case RV_KIND_TOURNAMENT: return "a tournament has winner, value, rounds, state, error";
    case RV_KIND_WORKFLOW: return "a sub-workflow has the keys of its result, state, error";
    case RV_KIND_COUNT: return "";
    }
    RV_UNREACHABLE();
}

static void check_output(rv_loader *l, const rv_reference *ref, uint32_t node, rv_str rest)
{
    rv_str more, field = first_word(rest, &more);
    rv_draft *draft = &l->nodes.at[node];
    bool is_process = draft->kind == RV_KIND_RUN || draft->kind == RV_KIND_SHELL, is_unknown = draft->kind == RV_KIND_COUNT;
    bool is_evaluated = ref->use == RV_USE_WHEN || ref->use == RV_USE_SET, is_stdout = rv_str_is(field, "stdout"),
         is_stderr = rv_str_is(field, "stderr");
    if (is_stdout || is_stderr) draft->flags |= is_evaluated ? RV_NODE_F_EXPR_OUTPUT : RV_NODE_F_READS_OUTPUT;
    else if (!rv_str_is(field, "state") && !rv_str_is(field, "error") && !rv_str_is(field, "exit_code") &&
             !rv_str_is(field, "artifact"))
        draft->flags |= RV_NODE_F_KEEP_RESULT;
    if (is_evaluated && (is_stderr || rv_str_is(field, "artifact"))) { /* the kernel evaluates over results; it holds no files */
        error_at(l, ref, RV_STR("let the node write it to $REEVE_OUTPUT"), "`${%.*s}`: an expression cannot read `%.*s`",
                 RV_FMT(ref->path), RV_FMT(field));
        return;
    }
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

/* ---- ancestors ---- */

/* 1 yes, 0 no, -1 not decided within WALK_MAX nodes. */
static int walk_back(resolver *r, uint32_t from, uint32_t to)
{
    const rv_loader *l = r->loader;
    uint32_t count = 0, next = 0, floor = l->position[from];
    r->walks++;
    r->walk[count++] = to;
    while (next < count) {
        uint32_t node = r->walk[next++];
        for (uint32_t i = l->pred_begin[node]; i < l->pred_begin[node + 1]; i++) {
            uint32_t other = RV_EDGE_NODE(l->pred.at[i]);
            if (other == from) return 1;
            if (l->position[other] < floor || r->visited[other] == r->walks)
                continue; /* what comes before it cannot follow from it */
            if (count == WALK_MAX) return -1;
            r->visited[other] = r->walks;
            r->walk[count++] = other;
        }
    }
    return 0;
}

static void not_an_ancestor(rv_loader *l, const rv_reference *ref, uint32_t from)
{
    rv_str name = rv_loader_name(l, from);
    error_at(l, ref, rv_arena_printf(&l->arena, "add `%.*s` to its `needs`", RV_FMT(name)),
             "`%.*s` reads `%.*s`, which need not have ended by then", RV_FMT(rv_loader_name(l, ref->node)), RV_FMT(name));
}

static void check_ancestor(resolver *r, uint32_t index, uint32_t from)
{
    rv_loader *l = r->loader;
    const rv_reference *ref = &l->references.at[index];
    uint32_t to = ref->node;
    if (from == to) {
        error_at(l, ref, RV_STR("remove it"), "`%.*s` reads itself", RV_FMT(rv_loader_name(l, to)));
        return;
    }
    if (to >= l->plain_count || !l->is_acyclic) return; /* a handler runs when all have ended */
    if (r->direct_of != to) {
        r->direct_of = to;
        for (uint32_t i = l->pred_begin[to]; i < l->pred_begin[to + 1]; i++) r->direct[RV_EDGE_NODE(l->pred.at[i])] = to + 1;
    }
    if (r->direct[from] == to + 1) return;
    int answer = l->position[from] > l->position[to] ? 0 : walk_back(r, from, to);
    if (answer == 0) not_an_ancestor(l, ref, from);
    else if (answer < 0) rv_vec_push(&r->open, ((question){l->position[from], index, from, to}));
    else r->direct[from] = to + 1;
}

static int compare_questions(const void *a, const void *b)
{
    const question *x = a, *y = b;
    return x->position < y->position ? -1 : x->position > y->position ? 1 : 0;
}

/* One pass for the questions [begin, end), which have 64 sources at most, over the part of the order that they span. */
static void answer_batch(resolver *r, uint64_t *mask, uint64_t *is_source, uint32_t begin, uint32_t end)
{
    rv_loader *l = r->loader;
    uint32_t low = r->open.at[begin].position, high = 0, bit = 0;
    for (uint32_t i = begin; i < end; i++) {
        question *q = &r->open.at[i];
        if (i > begin && q->from != q[-1].from) bit++;
        is_source[q->from] = (uint64_t)1 << bit;
        high = RV_MAX(high, l->position[q->to]);
    }
    for (uint32_t p = low; p <= high; p++) {
        uint32_t node = l->order[p];
        mask[node] = 0;
        for (uint32_t i = l->pred_begin[node]; i < l->pred_begin[node + 1]; i++) {
            uint32_t other = RV_EDGE_NODE(l->pred.at[i]);
            if (l->position[other] >= low) mask[node] |= mask[other] | is_source[other];
        }
    }
    for (uint32_t i = begin; i < end; i++) {
        question *q = &r->open.at[i];
        if (!(mask[q->to] & is_source[q->from])) not_an_ancestor(l, &l->references.at[q->reference], q->from);
    }
    for (uint32_t i = begin; i < end; i++) is_source[r->open.at[i].from] = 0;
}

static void answer_open(resolver *r)
{
    if (r->open.count == 0) return;
    uint64_t *mask = rv_alloc(sizeof *mask * (r->loader->plain_count + 1u)),
             *is_source = rv_alloc(sizeof *is_source * (r->loader->plain_count + 1u));
    qsort(r->open.at, r->open.count, sizeof *r->open.at, compare_questions);
    for (uint32_t begin = 0, end; begin < r->open.count; begin = end) {
        uint32_t sources = 1;
        for (end = begin + 1; end < r->open.count; end++)
            if (r->open.at[end].from != r->open.at[end - 1].from && ++sources > 64) break;
        answer_batch(r, mask, is_source, begin, end);
    }
    rv_free(mask);
    rv_free(is_source);
}

/* ---- all of them ---- */

static void resolve_node(resolver *r, uint32_t index, rv_str name, rv_str rest)
{
    static const char *const later[] = {"item", "index", "iteration", "previous", "left", "right", "feedback", NULL};
    rv_loader *l = r->loader;
    const rv_reference *ref = &l->references.at[index];
    uint32_t node = rv_map_get(&l->names, name);
    if (node == RV_NONE && rv_word_find(later, name) != RV_NONE) {
        error_at(l, ref, RV_STR("remove it"), "`${%.*s}` is not supported by this version", RV_FMT(ref->path));
    } else if (node == RV_NONE) {
        bool is_variable = rest.size == 0 && ref->use != RV_USE_OF;
        rv_str cure = is_variable
                          ? rv_arena_printf(&l->arena, "the environment is ${env.%.*s}; `$${` is a literal `${`", RV_FMT(name))
                          : rv_loader_node_hint(l, name, "values are those of user, env, run, attempt and of nodes");
        error_at(l, ref, cure, "`%.*s`: there is no node `%.*s`", RV_FMT(ref->path), RV_FMT(name));
    } else if (ref->node == RV_NONE) {
        error_at(l, ref, RV_STR("give it to the nodes that need it"),
                 "`${%.*s}`: values of nodes cannot stand in `env` and `defaults` of all", RV_FMT(ref->path));
    } else {
        if (ref->use == RV_USE_OF) l->nodes.at[node].flags |= RV_NODE_F_KEEP_RESULT | RV_NODE_F_READS_OUTPUT;
        else check_output(l, ref, node, rest);
        check_ancestor(r, index, node);
    }
}

static void resolve_one(resolver *r, uint32_t index)
{
    rv_loader *l = r->loader;
    const rv_reference *ref = &l->references.at[index];
    rv_str rest, word = first_word(ref->path, &rest);
    if (ref->use == RV_USE_OF) resolve_node(r, index, ref->path, RV_STR(""));
    else if (rv_str_is(word, "user")) resolve_user(l, ref, rest);
    else if (rv_str_is(word, "env")) resolve_env(l, ref, rest);
    else if (rv_str_is(word, "run")) {
        if (!rv_str_is(rest, "id"))
            error_at(l, ref, RV_STR("the run has `${run.id}`; a node called `run` cannot be read: rename it"),
                     "`${%.*s}`: there is no such value", RV_FMT(ref->path));
    } else if (rv_str_is(word, "attempt")) {
        bool has_attempt = ref->use == RV_USE_ARGV || ref->use == RV_USE_ENV || ref->use == RV_USE_DIR;
        if (!rv_str_is(rest, "epoch") && !rv_str_is(rest, "key"))
            error_at(l, ref, RV_STR("an attempt has epoch and key"), "`${%.*s}`: there is no such value", RV_FMT(ref->path));
        else if (!has_attempt)
            error_at(l, ref, RV_STR("use it in argv, env or dir"), "`${%.*s}`: there is no attempt here", RV_FMT(ref->path));
    } else resolve_node(r, index, word, rest);
}

/* ---- outputs ---- */

/* `dir/path` without `.` and empty parts; a glob or a reference makes it no literal path: size 0. */
static rv_str literal_path(rv_loader *l, rv_str dir, rv_str path)
{
    rv_buf out = {0};
    rv_str parts[] = {dir, path};
    for (size_t i = 0; i < RV_COUNT(parts); i++)
        for (size_t at = 0; at < parts[i].size;) {
            size_t end = RV_MIN(rv_str_find(parts[i], at, '/'), parts[i].size);
            rv_str part = rv_str_cut(parts[i], at, end - at);
            at = end + 1;
            if (part.size == 0 || rv_str_is(part, ".")) continue;
            rv_buf_byte(&out, '/');
            rv_buf_str_add(&out, part);
        }
    rv_str text = rv_arena_str(&l->arena, rv_buf_str(&out));
    rv_buf_deinit(&out);
    bool is_literal = true;
    for (size_t i = 0; i < text.size; i++) is_literal &= strchr("*?[{$", text.at[i]) == NULL;
    return is_literal ? text : RV_STR("");
}

static void check_outputs(rv_loader *l)
{
    rv_map paths = {0};
    for (uint32_t node = 0; node < l->nodes.count; node++) {
        uint32_t list = rv_doc_get(&l->doc, rv_loader_body(l, node), "outputs"), dir = rv_loader_value(l, node, RV_NK_DIR);
        if (list == RV_NONE || rv_doc_kind_of(&l->doc, list) != RV_DOC_LIST) continue;
        for (uint32_t item = list + 1, end = rv_doc_next(&l->doc, list); item < end; item = rv_doc_next(&l->doc, item)) {
            rv_str path = literal_path(l, dir == RV_NONE ? RV_STR("") : rv_doc_text(&l->doc, dir), rv_doc_text(&l->doc, item));
            uint32_t other = path.size ? rv_map_add(&paths, path, node) : RV_NONE;
            if (other != RV_NONE)
                rv_loader_error(l, item, 0, RV_STR("let one node make it"), "`%.*s` is an output of `%.*s` %s",
                                RV_FMT(rv_doc_text(&l->doc, item)), RV_FMT(rv_loader_name(l, other)),
                                other == node ? "twice" : "already");
        }
    }
    rv_map_deinit(&paths);
}

void rv_loader_resolve(rv_loader *l)
{
    resolver r = {.loader = l,
                  .direct = rv_alloc(sizeof(uint32_t) * (l->nodes.count + 1u)),
                  .visited = rv_alloc(sizeof(uint32_t) * (l->nodes.count + 1u)),
                  .direct_of = RV_NONE};
    for (uint32_t i = 0; i < l->references.count; i++) resolve_one(&r, i);
    answer_open(&r);
    check_outputs(l);
    rv_free(r.direct);
    rv_free(r.visited);
    rv_vec_deinit(&r.open);
}
