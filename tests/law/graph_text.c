#include "graph_text.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#define TEXT_NODE_PREDS_MAX 64

typedef struct made { rv_graph graph; rv_arena arena; } made; /* graph first: a graph's address is its made's */

/* A node while its statement is read. */
typedef struct draft {
    rv_str name, preds[TEXT_NODE_PREDS_MAX], tags[8], mutexes[8];
    bool is_soft[TEXT_NODE_PREDS_MAX];
    uint32_t pred_count, tag_count, mutex_count;
} draft;

typedef struct builder {
    made *made;
    rv_buf strings;
    RV_VEC(draft) drafts;
    RV_VEC(rv_node_def) nodes;
    RV_VEC(rv_policy) policies;
    RV_VEC(rv_gate_def) gates;
    RV_VEC(rv_set_item) set_items;
    RV_VEC(rv_class_def) classes;
    RV_VEC(uint32_t) class_tags;
    RV_VEC(rv_tag_def) tags;
    RV_VEC(rv_mutex_def) mutexes;
    RV_VEC(rv_claim_set) claim_sets;
    RV_VEC(uint32_t) claims;
    RV_VEC(rv_str) expressions;
    RV_VEC(rv_budget_def) budgets;
    RV_VEC(rv_control_def) controls;
    RV_VEC(rv_scope_def) scopes;
    const char *text;
} builder;

static RV_NORETURN void refuse(const builder *b, rv_str at, const char *what)
{
    fprintf(stderr, "graph text: %s at '%.*s' in: %s\n", what, RV_FMT(at), b->text);
    abort();
}

static rv_slice slice_of(builder *b, rv_str text)
{
    rv_slice slice = {(uint32_t)b->strings.size, (uint32_t)text.size};
    rv_buf_str_add(&b->strings, text);
    return slice;
}

static rv_str trimmed(rv_str text)
{
    while (text.size && isspace((unsigned char)text.at[0])) text = rv_str_from(text, 1);
    while (text.size && isspace((unsigned char)text.at[text.size - 1])) text.size--;
    return text;
}

/* The next part of a statement: up to a space, or a whole `…`, or `when` with all that follows. */
static rv_str next_part(rv_str *rest)
{
    *rest = trimmed(*rest);
    if (rv_str_starts(*rest, RV_STR("when "))) {
        rv_str all = *rest;
        *rest = (rv_str){NULL, 0};
        return all;
    }
    size_t end = rest->size && rest->at[0] == '`' ? rv_str_find(*rest, 1, '`') + 1 : rv_str_find(*rest, 0, ' ');
    rv_str part = rv_str_cut(*rest, 0, RV_MIN(end, rest->size));
    *rest = rv_str_from(*rest, part.size);
    return part;
}

static uint32_t word_of(const builder *b, rv_str word, const char *(*name_of)(uint32_t), uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (rv_str_is(word, name_of(i))) return i;
    refuse(b, word, "unknown word");
}

static const char *kind_name(uint32_t i) { return rv_kind_name((rv_kind)i); }
static const char *policy_name(uint32_t i) { return rv_dep_policy_name((rv_dep_policy)i); }
static const char *handler_name(uint32_t i) { return rv_handler_name((rv_handler)i); }

static int64_t number_of(const builder *b, rv_str text)
{
    int64_t value = 0;
    bool is_negative = text.size && text.at[0] == '-';
    for (size_t i = is_negative; i < text.size; i++) {
        if (!isdigit((unsigned char)text.at[i])) refuse(b, text, "not a number");
        value = value * 10 + (text.at[i] - '0');
    }
    return is_negative ? -value : value;
}

static void read_retry_on(const builder *b, rv_policy *policy, rv_str value)
{
    policy->retry_on = 0;
    while (value.size) {
        size_t comma = RV_MIN(rv_str_find(value, 0, ','), value.size);
        rv_str word = rv_str_cut(value, 0, comma);
        value = rv_str_from(value, comma + 1);
        if (rv_str_is(word, "exit")) policy->retry_on |= RV_RETRY_ON_ANY_EXIT;
        else if (rv_str_is(word, "signal")) policy->retry_on |= RV_RETRY_ON_SIGNAL;
        else if (rv_str_is(word, "timeout")) policy->retry_on |= RV_RETRY_ON_TIMEOUT;
        else if (rv_str_is(word, "unavailable")) policy->retry_on |= RV_RETRY_ON_UNAVAILABLE;
        else if (!rv_str_is(word, "none")) {
            int64_t status = number_of(b, word);
            policy->retry_exit[status >> 6] |= 1ull << (status & 63);
        }
    }
}

static uint8_t on_unknown_of(rv_str value)
{
    if (rv_str_is(value, "ask")) return RV_ON_UNKNOWN_ASK;
    return rv_str_is(value, "fail") ? RV_ON_UNKNOWN_FAIL : RV_ON_UNKNOWN_RETRY;
}

static const char *dimension_name(uint32_t i) { return rv_dimension_name((rv_dimension)i); }
static const char *at_limit_name(uint32_t i) { return rv_at_limit_name((rv_at_limit)i); }
static const char *quota_name(uint32_t i) { return rv_quota_name((rv_quota)i); }
static const char *role_name(uint32_t i) { return rv_role_name((rv_role)i); }
static const char *isolation_name(uint32_t i) { return rv_isolation_name((rv_isolation)i); }

static void set_limit(builder *b, rv_budget_def *budget, rv_str word, int64_t amount)
{
    uint32_t d = word_of(b, word, dimension_name, RV_DIMENSION_COUNT);
    budget->limit[d] = amount;
    budget->limits |= (uint8_t)(1u << d);
}

/* A node's own budget and what guards it; false: the setting is another. */
static bool read_guard(builder *b, rv_node_def *node, rv_str key, rv_str value)
{
    bool is_limit = rv_str_starts(key, RV_STR("limit.")), is_estimate = rv_str_starts(key, RV_STR("estimate."));
    if (rv_str_is(key, "trust")) node->flags |= RV_NODE_F_QUARANTINED;
    else if (rv_str_is(key, "role")) node->role = (uint8_t)word_of(b, value, role_name, RV_ROLE_COUNT);
    else if (rv_str_is(key, "isolation")) node->isolation = (uint8_t)word_of(b, value, isolation_name, RV_ISOLATION_COUNT);
    else if (!is_limit && !is_estimate && !rv_str_is(key, "at_limit")) return false;
    if (!is_limit && !is_estimate && !rv_str_is(key, "at_limit")) return true;
    if (node->budget == 0) {
        rv_vec_push(&b->budgets, (rv_budget_def){.at_limit = RV_AT_LIMIT_STOP});
        node->budget = b->budgets.count;
    }
    rv_budget_def *budget = &b->budgets.at[node->budget - 1];
    if (is_limit) {
        set_limit(b, budget, rv_str_from(key, 6), number_of(b, value));
    } else if (is_estimate) {
        uint32_t d = word_of(b, rv_str_from(key, 9), dimension_name, 2);
        budget->estimate[d] = number_of(b, value);
        budget->estimates |= (uint8_t)(1u << d);
    } else {
        budget->at_limit = (uint8_t)word_of(b, value, at_limit_name, RV_AT_LIMIT_COUNT);
    }
    return true;
}

static void read_setting(builder *b, rv_node_def *node, rv_policy *policy, rv_gate_def *gate, rv_str key, rv_str value)
{
    struct { const char *key; int64_t *at; } times[] = {
        {"delay", &policy->delay_ms}, {"delay_max", &policy->delay_ms_max}, {"timeout", &policy->timeout_ms},
        {"total", &policy->timeout_total_ms}, {"for", &gate->ms}, {"until", &gate->ms}, {"deadline", &gate->ms}};
    for (size_t i = 0; i < RV_COUNT(times); i++) {
        if (!rv_str_is(key, times[i].key)) continue;
        *times[i].at = number_of(b, value);
        if (rv_str_is(key, "until")) gate->is_until = 1;
        return;
    }
    if (rv_str_is(key, "priority")) node->priority = (int32_t)number_of(b, value);
    else if (rv_str_is(key, "attempts")) policy->max_attempts = (uint32_t)number_of(b, value);
    else if (rv_str_is(key, "lost_max")) policy->lost_max = (uint32_t)number_of(b, value);
    else if (rv_str_is(key, "jitter")) policy->jitter = 1;
    else if (rv_str_is(key, "backoff")) policy->backoff = RV_BACKOFF_EXPONENTIAL;
    else if (rv_str_is(key, "delivery")) policy->delivery = RV_DELIVERY_AT_MOST_ONCE;
    else if (rv_str_is(key, "unknown")) policy->on_unknown = on_unknown_of(value);
    else if (rv_str_is(key, "on")) read_retry_on(b, policy, value);
    else if (rv_str_is(key, "default")) gate->fallback = slice_of(b, value);
    else if (rv_str_is(key, "event")) gate->event = slice_of(b, value);
    else if (rv_str_is(key, "reject")) gate->on_reject_continue = 1;
    else if (rv_str_is(key, "items")) { /* no space in it */
        node->aux = b->controls.count;
        rv_vec_push(&b->controls, (rv_control_def){0});
        b->controls.at[node->aux].items = slice_of(b, value);
    } else if (!read_guard(b, node, key, value)) refuse(b, key, "unknown setting");
}

static void add_set_item(builder *b, rv_node_def *node, rv_str text)
{
    rv_str inner = rv_str_cut(text, 1, text.size - 2);
    size_t equal = rv_str_find(inner, 0, '=');
    if (equal == SIZE_MAX) refuse(b, text, "a field without =");
    rv_str expression = rv_str_from(inner, equal + 1);
    if (node->aux_count++ == 0) node->aux = b->set_items.count;
    rv_set_item item = {slice_of(b, rv_str_cut(inner, 0, equal)), slice_of(b, expression)};
    rv_vec_push(&b->set_items, item);
    rv_vec_push(&b->expressions, expression);
}

static void read_part(builder *b, draft *d, rv_node_def *node, rv_policy *policy, rv_gate_def *gate, rv_str part)
{
    rv_str rest = rv_str_from(part, 1);
    switch (part.at[0]) {
    case '[': node->dep_policy = (uint8_t)word_of(b, rv_str_cut(rest, 0, rest.size - 1), policy_name, RV_DEP_COUNT); return;
    case '!': node->kind = (uint8_t)word_of(b, rest, kind_name, RV_KIND_COUNT); return;
    case '@': d->tags[d->tag_count++] = rest; return;
    case '$': d->mutexes[d->mutex_count++] = rest; return;
    case '`': add_set_item(b, node, part); return;
    case '%': {
        size_t equal = RV_MIN(rv_str_find(rest, 0, '='), rest.size);
        read_setting(b, node, policy, gate, rv_str_cut(rest, 0, equal), rv_str_from(rest, equal + 1));
        return;
    }
    default: break;
    }
    if (rv_str_starts(part, RV_STR("when "))) {
        node->when = slice_of(b, trimmed(rv_str_from(part, 5)));
        rv_vec_push(&b->expressions, trimmed(rv_str_from(part, 5)));
        return;
    }
    RV_ASSERT(d->pred_count < TEXT_NODE_PREDS_MAX);
    d->is_soft[d->pred_count] = part.at[0] == '~';
    d->preds[d->pred_count++] = part.at[0] == '~' ? rest : part;
}

static uint32_t tag_of(builder *b, rv_str name)
{
    for (uint32_t t = 0; t < b->tags.count; t++)
        if (rv_str_eq((rv_str){b->strings.at + b->tags.at[t].name.at, b->tags.at[t].name.size}, name)) return t;
    rv_tag_def tag = {slice_of(b, name), 0, 0};
    rv_vec_push(&b->tags, tag);
    return b->tags.count - 1;
}

/* Equal lists of tags share a class; class 0 has none. */
static uint32_t class_of(builder *b, const draft *d)
{
    uint32_t wanted[8];
    for (uint32_t i = 0; i < d->tag_count; i++) wanted[i] = tag_of(b, d->tags[i]);
    for (uint32_t c = 0; c < b->classes.count; c++) {
        if (b->classes.at[c].count != d->tag_count || b->classes.at[c].is_staged != (d->mutex_count > 0)) continue;
        if (d->tag_count == 0 || memcmp(&b->class_tags.at[b->classes.at[c].first], wanted, d->tag_count * sizeof *wanted) == 0) return c;
    }
    rv_class_def made_class = {b->class_tags.count, d->tag_count, d->mutex_count > 0};
    for (uint32_t i = 0; i < d->tag_count; i++) rv_vec_push(&b->class_tags, wanted[i]);
    rv_vec_push(&b->classes, made_class);
    return b->classes.count - 1;
}

static uint32_t mutex_of(builder *b, rv_str name)
{
    for (uint32_t m = 0; m < b->mutexes.count; m++)
        if (rv_str_eq((rv_str){b->strings.at + b->mutexes.at[m].name.at, b->mutexes.at[m].name.size}, name)) return m;
    rv_mutex_def mutex = {.name = slice_of(b, name)};
    rv_vec_push(&b->mutexes, mutex);
    return b->mutexes.count - 1;
}

static uint32_t claims_of(builder *b, const draft *d)
{
    rv_claim_set set = {b->claims.count, d->mutex_count};
    for (uint32_t i = 0; i < d->mutex_count; i++) {
        rv_str name = d->mutexes[i];
        bool is_shared = name.at[name.size - 1] == '~';
        uint32_t mutex = mutex_of(b, rv_str_cut(name, 0, name.size - is_shared));
        rv_vec_push(&b->claims, mutex << 1 | !is_shared);
    }
    if (set.count) rv_vec_push(&b->claim_sets, set);
    return set.count ? b->claim_sets.count : 0;
}

static void read_whole(builder *b, rv_str statement)
{
    rv_str value = rv_str_from(statement, rv_str_find(statement, 0, '=') + 1);
    if (rv_str_starts(statement, RV_STR("%timeout="))) {
        b->made->graph.timeout_ms = number_of(b, value);
    } else if (rv_str_starts(statement, RV_STR("%cap="))) {
        size_t slash = rv_str_find(value, 0, '/');
        uint32_t tag = tag_of(b, rv_str_cut(value, 0, slash));
        b->tags.at[tag].cap = (uint32_t)number_of(b, rv_str_from(value, slash + 1));
    } else if (rv_str_starts(statement, RV_STR("%limit=")) || rv_str_starts(statement, RV_STR("%at_limit="))) {
        if (b->made->graph.budget == 0) {
            rv_vec_push(&b->budgets, (rv_budget_def){0});
            b->made->graph.budget = b->budgets.count;
        }
        rv_budget_def *budget = &b->budgets.at[b->made->graph.budget - 1];
        size_t slash = RV_MIN(rv_str_find(value, 0, '/'), value.size);
        if (slash < value.size) set_limit(b, budget, rv_str_cut(value, 0, slash), number_of(b, rv_str_from(value, slash + 1)));
        else budget->at_limit = (uint8_t)word_of(b, value, at_limit_name, RV_AT_LIMIT_COUNT);
    } else if (rv_str_starts(statement, RV_STR("%quota="))) {
        size_t slash = rv_str_find(value, 0, '/');
        uint32_t quota = word_of(b, rv_str_cut(value, 0, slash), quota_name, RV_QUOTA_COUNT);
        b->made->graph.quota.limit[quota] = number_of(b, rv_str_from(value, slash + 1));
        b->made->graph.quota.limits |= (uint8_t)(1u << quota);
    } else {
        refuse(b, statement, "unknown setting of the graph");
    }
}

static void read_statement(builder *b, rv_str statement)
{
    if (statement.at[0] == '%') { read_whole(b, statement); return; }
    size_t colon = rv_str_find(statement, 0, ':');
    draft d = {.name = trimmed(rv_str_cut(statement, 0, RV_MIN(colon, statement.size)))};
    rv_str rest = colon == SIZE_MAX ? (rv_str){NULL, 0} : trimmed(rv_str_from(statement, colon + 1));
    rv_node_def node = {.kind = RV_KIND_SHELL, .policy = b->policies.count, .name = slice_of(b, d.name)};
    rv_policy policy = {.max_attempts = 1, .lost_max = 3, .retry_on = RV_RETRY_ON_ANY_EXIT | RV_RETRY_ON_SIGNAL | RV_RETRY_ON_UNAVAILABLE};
    rv_gate_def gate = {0};
    if (rv_str_starts(d.name, RV_STR("on."))) node.handler = (uint8_t)word_of(b, rv_str_from(d.name, 3), handler_name, RV_HANDLER_COUNT);
    else if (b->nodes.count && b->nodes.at[b->nodes.count - 1].handler) refuse(b, d.name, "a plain node behind a handler");
    while (rest.size) {
        rv_str part = next_part(&rest);
        if (part.size == 0) refuse(b, rest, "an open quotation");
        read_part(b, &d, &node, &policy, &gate, part);
        rest = trimmed(rest);
    }
    node.class_index = class_of(b, &d);
    if (d.mutex_count) node.aux = claims_of(b, &d);
    if (node.kind == RV_KIND_APPROVE || node.kind == RV_KIND_INPUT || node.kind == RV_KIND_WAIT) {
        node.aux = b->gates.count;
        rv_vec_push(&b->gates, gate);
    }
    rv_vec_push(&b->policies, policy);
    rv_vec_push(&b->nodes, node);
    rv_vec_push(&b->drafts, d);
}

static uint32_t draft_index(const builder *b, rv_str name)
{
    for (uint32_t n = 0; n < b->drafts.count; n++)
        if (rv_str_eq(b->drafts.at[n].name, name)) return n;
    return RV_NONE;
}

/* Mark what expressions read, as the loader does. */
static void mark_references(builder *b, rv_str text)
{
    for (size_t at = 0; (at = rv_str_find(text, at, '$')) != SIZE_MAX; at++) {
        rv_str path = rv_str_from(text, at + 2);
        path.size = RV_MIN(RV_MIN(rv_str_find(path, 0, '}'), rv_str_find(path, 0, ':')), path.size);
        size_t dot = RV_MIN(rv_str_find(path, 0, '.'), path.size);
        uint32_t node = draft_index(b, rv_str_cut(path, 0, dot));
        rv_str field = rv_str_from(path, dot + 1);
        if (node == RV_NONE || rv_str_is(field, "state") || rv_str_is(field, "error") || rv_str_is(field, "exit_code")) continue;
        b->nodes.at[node].flags |= rv_str_is(field, "stdout") ? RV_NODE_F_EXPR_OUTPUT : RV_NODE_F_KEEP_RESULT;
    }
}

/* Successor lists from predecessor lists, by counting. */
static void invert_edges(rv_arena *arena, rv_graph *graph)
{
    uint32_t *begin = rv_arena_new(arena, uint32_t, graph->node_count + 2), *succ = rv_arena_new(arena, uint32_t, graph->edge_count + 1);
    for (uint32_t e = 0; e < graph->edge_count; e++) begin[RV_EDGE_NODE(graph->pred[e]) + 2]++;
    for (uint32_t n = 0; n < graph->node_count; n++) begin[n + 2] += begin[n + 1];
    for (uint32_t n = 0; n < graph->node_count; n++)
        for (uint32_t e = graph->pred_begin[n]; e < graph->pred_begin[n + 1]; e++)
            succ[begin[RV_EDGE_NODE(graph->pred[e]) + 1]++] = n | (graph->pred[e] & RV_EDGE_SOFT);
    graph->succ_begin = begin;
    graph->succ = succ;
}

static int by_admission(const void *left, const void *right, void *nodes)
{
    const rv_node_def *defs = nodes;
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    if (defs[a].priority != defs[b].priority) return defs[a].priority > defs[b].priority ? -1 : 1;
    return a < b ? -1 : a > b;
}

static void order_nodes(rv_arena *arena, rv_graph *graph)
{
    uint32_t *order = rv_arena_new(arena, uint32_t, graph->node_count), *position = rv_arena_new(arena, uint32_t, graph->node_count);
    for (uint32_t n = 0; n < graph->node_count; n++) order[n] = n;
    qsort_r(order, graph->node_count, sizeof *order, by_admission, (void *)(uintptr_t)graph->nodes);
    for (uint32_t p = 0; p < graph->node_count; p++) position[order[p]] = p;
    graph->order = order;
    graph->position = position;
}

static void link_preds(builder *b)
{
    rv_graph *graph = &b->made->graph;
    uint32_t *begin = rv_arena_new(&b->made->arena, uint32_t, b->nodes.count + 1);
    for (uint32_t n = 0; n < b->drafts.count; n++) begin[n + 1] = begin[n] + b->drafts.at[n].pred_count;
    uint32_t *pred = rv_arena_new(&b->made->arena, uint32_t, begin[b->nodes.count] + 1);
    for (uint32_t n = 0; n < b->drafts.count; n++) {
        const draft *d = &b->drafts.at[n];
        for (uint32_t i = 0; i < d->pred_count; i++) {
            uint32_t from = draft_index(b, d->preds[i]);
            if (from == RV_NONE) refuse(b, d->preds[i], "no such node");
            pred[begin[n] + i] = from | (d->is_soft[i] ? RV_EDGE_SOFT : 0);
        }
    }
    graph->pred_begin = begin;
    graph->pred = pred;
    graph->edge_count = begin[b->nodes.count];
}

#define KEEP(list_, field_, type_) \
    (graph->field_ = memcpy(rv_arena_new(&b->made->arena, type_, b->list_.count + 1), \
                            b->list_.count ? (void *)b->list_.at : (void *)"", sizeof(type_) * b->list_.count))

/* Bodies stand behind all other nodes, each in a scope of its own. */
static void add_bodies(builder *b)
{
    uint32_t top_count = b->nodes.count;
    for (uint32_t n = 0; n < top_count; n++) {
        if (b->nodes.at[n].kind != RV_KIND_FOREACH) continue;
        rv_control_def *control = &b->controls.at[b->nodes.at[n].aux];
        rv_scope_def scope = {b->nodes.count, 1, n, RV_SCOPE_ITEM, 0, 0, 0};
        rv_node_def body = {.kind = RV_KIND_SHELL, .policy = b->nodes.at[n].policy, .scope = 2 + b->scopes.count};
        control->scope_first = body.scope;
        control->scope_count = 1;
        rv_vec_push(&b->scopes, scope);
        rv_vec_push(&b->nodes, body);
        rv_vec_push(&b->drafts, (draft){0});
    }
}

static void keep_all(builder *b)
{
    rv_graph *graph = &b->made->graph;
    uint32_t top_count = b->nodes.count;
    add_bodies(b);
    graph->node_count = b->nodes.count;
    while (graph->plain_count < top_count && b->nodes.at[graph->plain_count].handler == RV_HANDLER_NONE) graph->plain_count++;
    graph->top_count = top_count;
    for (uint32_t n = graph->plain_count; n < top_count; n++) b->nodes.at[n].scope = 1;
    rv_scope_def *scopes = rv_arena_new(&b->made->arena, rv_scope_def, 2 + b->scopes.count);
    scopes[0] = (rv_scope_def){0, graph->plain_count, RV_NONE, RV_SCOPE_FILE, 1, 0, 0};
    scopes[1] = (rv_scope_def){graph->plain_count, top_count - graph->plain_count, RV_NONE, RV_SCOPE_HANDLERS, 1, 0, 0};
    for (uint32_t i = 0; i < b->scopes.count; i++) scopes[2 + i] = b->scopes.at[i];
    graph->scopes = scopes;
    graph->scope_count = 2 + b->scopes.count;
    KEEP(controls, controls, rv_control_def);
    graph->control_count = b->controls.count;
    KEEP(nodes, nodes, rv_node_def);
    KEEP(policies, policies, rv_policy);
    KEEP(gates, gates, rv_gate_def);
    KEEP(set_items, set_items, rv_set_item);
    KEEP(classes, classes, rv_class_def);
    KEEP(class_tags, class_tags, uint32_t);
    KEEP(tags, tags, rv_tag_def);
    KEEP(mutexes, mutexes, rv_mutex_def);
    KEEP(claim_sets, claim_sets, rv_claim_set);
    KEEP(claims, claims, uint32_t);
    graph->mutex_count = b->mutexes.count;
    graph->claim_set_count = b->claim_sets.count;
    graph->claim_count = b->claims.count;
    KEEP(budgets, budgets, rv_budget_def);
    graph->budget_count = b->budgets.count;
    graph->policy_count = b->policies.count;
    graph->gate_count = b->gates.count;
    graph->set_item_count = b->set_items.count;
    graph->class_count = b->classes.count;
    graph->class_tag_count = b->class_tags.count;
    graph->tag_count = b->tags.count;
    graph->strings = rv_arena_str(&b->made->arena, rv_buf_str(&b->strings));
    graph->definition = rv_arena_str(&b->made->arena, rv_str_of(b->text));
    graph->digest = rv_sha256(graph->definition);
}

const rv_graph *rv_graph_text(const char *text)
{
    builder b = {.made = rv_alloc(sizeof *b.made), .text = text};
    rv_str rest = rv_str_of(text);
    class_of(&b, &(draft){0});
    while (rest.size) {
        size_t end = RV_MIN(rv_str_find(rest, 0, ';'), rest.size);
        rv_str statement = trimmed(rv_str_cut(rest, 0, end));
        rest = rv_str_from(rest, end + 1);
        if (statement.size) read_statement(&b, statement);
    }
    for (uint32_t i = 0; i < b.expressions.count; i++) mark_references(&b, b.expressions.at[i]);
    keep_all(&b);
    link_preds(&b);
    invert_edges(&b.made->arena, &b.made->graph);
    order_nodes(&b.made->arena, &b.made->graph);
    rv_buf_deinit(&b.strings);
    rv_vec_deinit(&b.drafts);
    rv_vec_deinit(&b.nodes);
    rv_vec_deinit(&b.policies);
    rv_vec_deinit(&b.gates);
    rv_vec_deinit(&b.set_items);
    rv_vec_deinit(&b.classes);
    rv_vec_deinit(&b.class_tags);
    rv_vec_deinit(&b.tags);
    rv_vec_deinit(&b.mutexes);
    rv_vec_deinit(&b.claim_sets);
    rv_vec_deinit(&b.claims);
    rv_vec_deinit(&b.expressions);
    rv_vec_deinit(&b.budgets);
    rv_vec_deinit(&b.controls);
    rv_vec_deinit(&b.scopes);
    return &b.made->graph;
}

const rv_graph *rv_graph_plain(uint32_t node_count, const uint32_t *preds, uint32_t per_node)
{
    made *m = rv_alloc(sizeof *m);
    rv_graph *graph = &m->graph;
    graph->node_count = graph->plain_count = graph->top_count = node_count;
    rv_scope_def *scopes = rv_arena_new(&m->arena, rv_scope_def, 2);
    scopes[0] = (rv_scope_def){0, node_count, RV_NONE, RV_SCOPE_FILE, 1, 0, 0};
    scopes[1] = (rv_scope_def){node_count, 0, RV_NONE, RV_SCOPE_HANDLERS, 1, 0, 0};
    graph->scopes = scopes;
    graph->scope_count = 2;
    rv_node_def *nodes = rv_arena_new(&m->arena, rv_node_def, node_count);
    rv_policy *policy = rv_arena_new(&m->arena, rv_policy, 1);
    uint32_t *begin = rv_arena_new(&m->arena, uint32_t, node_count + 1), edge_count = 0;
    for (size_t i = 0; i < (size_t)node_count * per_node; i++) edge_count += preds[i] != RV_NONE;
    uint32_t *pred = rv_arena_new(&m->arena, uint32_t, edge_count + 1);
    *policy = (rv_policy){.max_attempts = 1, .lost_max = 3, .retry_on = RV_RETRY_ON_ANY_EXIT};
    for (uint32_t n = 0; n < node_count; n++) {
        nodes[n].kind = RV_KIND_SHELL;
        begin[n + 1] = begin[n];
        for (uint32_t i = 0; i < per_node; i++)
            if (preds[(size_t)n * per_node + i] != RV_NONE) pred[begin[n + 1]++] = preds[(size_t)n * per_node + i];
    }
    graph->nodes = nodes;
    graph->policies = policy;
    graph->policy_count = graph->class_count = 1;
    graph->classes = rv_arena_new(&m->arena, rv_class_def, 1);
    graph->pred_begin = begin;
    graph->pred = pred;
    graph->edge_count = edge_count;
    invert_edges(&m->arena, graph);
    order_nodes(&m->arena, graph);
    return graph;
}

void rv_graph_text_free(const rv_graph *graph)
{
    if (!graph) return;
    made *m = (made *)(uintptr_t)graph;
    rv_arena_deinit(&m->arena);
    rv_free(m);
}

uint32_t rv_graph_text_node(const rv_graph *graph, const char *name)
{
    for (uint32_t n = 0; n < graph->node_count; n++)
        if (rv_str_is(rv_graph_name(graph, n), name)) return n;
    fprintf(stderr, "graph text: no node %s\n", name);
    abort();
}
