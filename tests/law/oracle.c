#include "oracle.h"

#include <stdio.h>

/* ======================================================================= making a story */

static uint32_t below(uint64_t *seed, uint32_t bound) { return rv_rng_below(seed, bound); }
static bool one_in(uint64_t *seed, uint32_t n) { return below(seed, n) == 0; }

static fate random_fate(uint64_t *seed)
{
    static const fate_kind kinds[] = {
        FATE_OK, FATE_OK, FATE_OK, FATE_OK, FATE_OK, FATE_OK, FATE_OK, FATE_CACHED, FATE_PARTIAL, FATE_DENIED, FATE_EXIT, FATE_EXIT,
        FATE_EXIT, FATE_SIGNAL, FATE_TIMEOUT, FATE_UNAVAILABLE, FATE_START, FATE_SCHEMA, FATE_LOST, FATE_LOST, FATE_VOID};
    fate f = {.kind = kinds[below(seed, RV_COUNT(kinds))], .exit_status = 1 + (int32_t)below(seed, 3)};
    f.number = one_in(seed, 3) ? -1 : (int)below(seed, 6);
    f.has_output = one_in(seed, 2);
    return f;
}

static void make_fates(story_node *node, uint64_t *seed)
{
    node->max_attempts = one_in(seed, 2) ? 1 : 1 + below(seed, 4);
    node->lost_max = below(seed, 3);
    node->delay_ms = one_in(seed, 3) ? 1 + below(seed, 500) : 0;
    node->retry_on = RV_RETRY_ON_ANY_EXIT | RV_RETRY_ON_SIGNAL | RV_RETRY_ON_UNAVAILABLE;
    node->retry_exit = -1;
    if (one_in(seed, 3)) node->retry_on = (uint8_t)below(seed, 16);
    if (one_in(seed, 4)) node->retry_exit = (int)(1 + below(seed, 3));
    node->is_at_most_once = one_in(seed, 6);
    node->on_unknown = (int)below(seed, 3);
    if (node->is_at_most_once) node->max_attempts = 1;
    node->fate_count = 1 + below(seed, STORY_FATES_MAX);
    for (uint32_t i = 0; i < node->fate_count; i++) node->fates[i] = random_fate(seed);
    fate *last = &node->fates[node->fate_count - 1]; /* it repeats: it must come to an end */
    if (last->kind == FATE_VOID || (last->kind == FATE_LOST && node->is_at_most_once)) last->kind = FATE_OK;
    for (uint32_t i = 0; i < STORY_FATES_MAX; i++) node->decisions[i] = RV_DECISION_DONE + below(seed, 3);
}

static bool gates(const story_node *node, uint32_t pred) { return node->is_soft[pred] || node->dep_policy != RV_DEP_OPTIONAL; }

/* A predecessor that has certainly settled when the node is looked at; RV_NONE: there is none. */
static uint32_t settled_pred(const story_node *node, uint64_t *seed)
{
    uint32_t found[STORY_PREDS_MAX], count = 0;
    for (uint32_t p = 0; p < node->pred_count; p++)
        if (gates(node, p)) found[count++] = node->preds[p];
    return count ? found[below(seed, count)] : RV_NONE;
}

static uint32_t make_condition(story_node *node, uint64_t *seed, uint32_t depth)
{
    uint32_t at = node->condition_count++;
    condition *c = &node->conditions[at];
    c->leaf = (enum leaf)below(seed, depth == 0 && node->condition_count == 1 ? LEAF_NOT + 1 : LEAF_OUTPUT + 1);
    c->node = settled_pred(node, seed);
    c->comparison = (int)below(seed, 4);
    c->number = (int)below(seed, 6);
    if (c->leaf == LEAF_STATE) c->number = RV_NODE_SUCCEEDED + (int)below(seed, 5);
    if (c->leaf == LEAF_STATE || c->leaf == LEAF_OUTPUT) c->comparison &= 1;
    if (c->leaf == LEAF_AND || c->leaf == LEAF_OR || c->leaf == LEAF_NOT) node->conditions[at].left = make_condition(node, seed, depth + 1);
    if (c->leaf == LEAF_AND || c->leaf == LEAF_OR) node->conditions[at].right = make_condition(node, seed, depth + 1);
    return at;
}

static void make_preds(story *s, uint32_t index, uint64_t *seed)
{
    story_node *node = &s->nodes[index];
    uint32_t wanted = RV_MIN(below(seed, STORY_PREDS_MAX + 1), index);
    for (uint32_t i = 0; i < wanted; i++) {
        uint32_t span = one_in(seed, 3) ? index : RV_MIN(index, 6), pred = index - 1 - below(seed, span);
        bool is_there = false;
        for (uint32_t p = 0; p < node->pred_count; p++) is_there |= node->preds[p] == pred;
        if (is_there) continue;
        node->is_soft[node->pred_count] = one_in(seed, 5);
        node->preds[node->pred_count++] = pred;
    }
}

static void make_node(story *s, uint32_t index, uint64_t *seed)
{
    static const rv_kind kinds[] = {RV_KIND_RUN, RV_KIND_SHELL, RV_KIND_SHELL, RV_KIND_SHELL, RV_KIND_SHELL, RV_KIND_SHELL,
                                    RV_KIND_APPROVE, RV_KIND_INPUT, RV_KIND_WAIT, RV_KIND_SET, RV_KIND_SET, RV_KIND_REDUCE};
    static const rv_dep_policy policies[] = {RV_DEP_ALL_SUCCESS, RV_DEP_ALL_SUCCESS, RV_DEP_ALL_SUCCESS, RV_DEP_ACCEPT_PARTIAL,
                                             RV_DEP_ALL_TERMINAL, RV_DEP_ALL_TERMINAL, RV_DEP_OPTIONAL};
    story_node *node = &s->nodes[index];
    *node = (story_node){.kind = kinds[below(seed, RV_COUNT(kinds))], .dep_policy = policies[below(seed, RV_COUNT(policies))]};
    make_preds(s, index, seed);
    make_fates(node, seed);
    node->person = (enum person)below(seed, 3);
    node->continues_rejected = one_in(seed, 2);
    node->set_from = settled_pred(node, seed);
    node->set_has_default = one_in(seed, 2);
    node->set_number = (int)below(seed, 6);
    if (settled_pred(node, seed) != RV_NONE && one_in(seed, 3)) make_condition(node, seed, 0);
}

/* The file's order is not the order in which predecessors come first. */
static void shuffle_places(story *s, uint64_t *seed)
{
    for (uint32_t i = 0; i < s->count; i++) s->nodes[i].place = i;
    for (uint32_t i = s->plain_count; i-- > 1;) {
        uint32_t other = below(seed, i + 1), place = s->nodes[i].place;
        s->nodes[i].place = s->nodes[other].place;
        s->nodes[other].place = place;
    }
}

void story_make(story *s, uint64_t *seed)
{
    s->plain_count = 2 + below(seed, one_in(seed, 3) ? 39 : 12);
    for (uint32_t i = 0; i < s->plain_count; i++) make_node(s, i, seed);
    s->count = s->plain_count;
    for (uint32_t h = RV_HANDLER_SUCCESS; h < RV_HANDLER_COUNT; h++) {
        if (!one_in(seed, 3)) continue;
        story_node *node = &s->nodes[s->count++];
        *node = (story_node){.kind = one_in(seed, 4) ? RV_KIND_REDUCE : RV_KIND_SHELL, .handler = (rv_handler)h};
        make_fates(node, seed);
    }
    shuffle_places(s, seed);
}

/* ======================================================================= as text */

const char *story_name(const story *s, uint32_t index, char ret_text[16])
{
    if (s->nodes[index].handler) snprintf(ret_text, 16, "on.%s", rv_handler_name(s->nodes[index].handler));
    else snprintf(ret_text, 16, "n%u", index);
    return ret_text;
}

static void condition_text(const story_node *node, uint32_t at, rv_buf *out)
{
    static const char *const comparisons[] = {"==", "!=", "<", ">="};
    const condition *c = &node->conditions[at];
    const char *comparison = comparisons[c->comparison];
    switch (c->leaf) {
    case LEAF_STATE:
        rv_buf_printf(out, "${n%u.state} %s \"%s\"", c->node, comparison, rv_node_state_name((rv_node_state)c->number));
        return;
    case LEAF_NUMBER: rv_buf_printf(out, "${n%u.n} %s %d", c->node, comparison, c->number); return;
    case LEAF_DEFAULTED: rv_buf_printf(out, "${n%u.n:-3} %s %d", c->node, comparison, c->number); return;
    case LEAF_CODE: rv_buf_printf(out, "${n%u.exit_code} %s %d", c->node, comparison, c->number); return;
    case LEAF_OUTPUT: rv_buf_printf(out, "${n%u.stdout} %s \"out\"", c->node, comparison); return;
    case LEAF_AND: case LEAF_OR: case LEAF_NOT: break;
    }
    rv_buf_cstring(out, c->leaf == LEAF_NOT ? "!(" : "(");
    condition_text(node, c->left, out);
    rv_buf_cstring(out, ")");
    if (c->leaf == LEAF_NOT) return;
    rv_buf_cstring(out, c->leaf == LEAF_AND ? " && (" : " || (");
    condition_text(node, c->right, out);
    rv_buf_cstring(out, ")");
}

static void retry_text(const story_node *node, rv_buf *out)
{
    static const char *const words[] = {"signal", "timeout", "unavailable", "exit"};
    rv_buf_printf(out, " %%attempts=%u %%lost_max=%u %%delay=%lld %%on=none", node->max_attempts, node->lost_max,
                  (long long)node->delay_ms);
    for (uint32_t i = 0; i < RV_COUNT(words); i++)
        if (node->retry_on & (1u << i)) rv_buf_printf(out, ",%s", words[i]);
    if (node->retry_exit >= 0) rv_buf_printf(out, ",%d", node->retry_exit);
    static const char *const unknown[] = {"ask", "fail", "retry"};
    if (node->is_at_most_once) rv_buf_printf(out, " %%delivery=at_most_once %%unknown=%s", unknown[node->on_unknown]);
}

static void node_text(const story *s, uint32_t index, rv_buf *out)
{
    const story_node *node = &s->nodes[index];
    char name[16];
    rv_buf_printf(out, "%s: !%s", story_name(s, index, name), rv_kind_name(node->kind));
    for (uint32_t p = 0; p < node->pred_count; p++) rv_buf_printf(out, " %sn%u", node->is_soft[p] ? "~" : "", node->preds[p]);
    rv_buf_printf(out, " [%s]", rv_dep_policy_name(node->dep_policy));
    retry_text(node, out);
    if (index % 3 == 1) rv_buf_printf(out, " @t%u", index % 2);
    if (index % 7 == 3) rv_buf_cstring(out, " @t2");
    if (index % 5 == 2) rv_buf_printf(out, " %%priority=%u", index % 4);
    if (node->kind == RV_KIND_WAIT) rv_buf_printf(out, " %%for=%u", 10 + index);
    if (node->person == PERSON_SILENT && (node->kind == RV_KIND_APPROVE || node->kind == RV_KIND_INPUT))
        rv_buf_cstring(out, " %deadline=40");
    if (node->kind == RV_KIND_APPROVE && node->continues_rejected) rv_buf_cstring(out, " %reject=continue");
    if (node->kind == RV_KIND_INPUT && node->continues_rejected) rv_buf_cstring(out, " %default=2");
    if (node->kind == RV_KIND_SET && node->set_from == RV_NONE) rv_buf_printf(out, " `n=%d`", node->set_number);
    else if (node->kind == RV_KIND_SET && node->set_has_default) rv_buf_printf(out, " `n=${n%u.n:-%d}`", node->set_from, node->set_number);
    else if (node->kind == RV_KIND_SET) rv_buf_printf(out, " `n=${n%u.n}`", node->set_from);
    if (node->condition_count) {
        rv_buf_cstring(out, " when ");
        condition_text(node, 0, out);
    }
    rv_buf_cstring(out, "; ");
}

void story_text(const story *s, rv_buf *out)
{
    for (uint32_t place = 0; place < s->count; place++)
        for (uint32_t i = 0; i < s->count; i++)
            if (s->nodes[i].place == place) node_text(s, i, out);
    rv_buf_cstring(out, "%cap=t0/1; %cap=t1/2; %cap=t2/3;");
}

/* ======================================================================= how it ends */

typedef enum truth { NO, YES, CANNOT_SAY } truth;

static truth compare(int left, int comparison, int right)
{
    if (comparison == 0) return left == right;
    if (comparison == 1) return left != right;
    return comparison == 2 ? left < right : left >= right;
}

/* A number that may be null. */
static truth compare_nullable(bool is_null, int left, int comparison, int right)
{
    if (!is_null) return compare(left, comparison, right);
    return comparison == 0 ? NO : comparison == 1 ? YES : CANNOT_SAY; /* null is no number: < and >= are errors */
}

static truth holds(const story_node *node, uint32_t at, const ending *endings)
{
    const condition *c = &node->conditions[at];
    const ending *e = c->node == RV_NONE ? NULL : &endings[c->node];
    bool is_skipped = e->state == RV_NODE_SKIPPED;
    switch (c->leaf) {
    case LEAF_STATE: return compare((int)e->state, c->comparison, c->number);
    case LEAF_NUMBER:
        if (!is_skipped && !e->has_result && e->state == RV_NODE_SUCCEEDED) return CANNOT_SAY; /* a success without it: missing */
        return compare_nullable(is_skipped || !e->has_number, e->number, c->comparison, c->number);
    case LEAF_DEFAULTED: return compare(is_skipped || !e->has_number ? 3 : e->number, c->comparison, c->number);
    case LEAF_CODE: return compare_nullable(is_skipped || e->exit_status < 0, e->exit_status, c->comparison, c->number);
    case LEAF_OUTPUT: return (!is_skipped && e->has_output) == (c->comparison == 0);
    case LEAF_AND: case LEAF_OR: case LEAF_NOT: break;
    }
    truth left = holds(node, c->left, endings);
    if (left == CANNOT_SAY) return CANNOT_SAY;
    if (c->leaf == LEAF_NOT) return left == NO;
    if (c->leaf == LEAF_AND ? left == NO : left == YES) return left;
    return holds(node, c->right, endings);
}

static bool is_retried(const story_node *node, const fate *f)
{
    switch (f->kind) {
    case FATE_EXIT: return (node->retry_on & RV_RETRY_ON_ANY_EXIT) || f->exit_status == node->retry_exit;
    case FATE_SIGNAL: return node->retry_on & RV_RETRY_ON_SIGNAL;
    case FATE_TIMEOUT: return node->retry_on & RV_RETRY_ON_TIMEOUT;
    case FATE_UNAVAILABLE: return node->retry_on & RV_RETRY_ON_UNAVAILABLE;
    case FATE_SCHEMA: return true;
    case FATE_OK: case FATE_CACHED: case FATE_PARTIAL: case FATE_DENIED: case FATE_START: case FATE_LOST: case FATE_VOID: break;
    }
    return false;
}

static rv_detail detail_of(fate_kind kind)
{
    static const rv_detail details[] = {[FATE_OK] = RV_DETAIL_FRESH, [FATE_CACHED] = RV_DETAIL_CACHE, [FATE_PARTIAL] = RV_DETAIL_NONE,
        [FATE_DENIED] = RV_DETAIL_DENIED, [FATE_EXIT] = RV_DETAIL_EXIT, [FATE_SIGNAL] = RV_DETAIL_SIGNAL,
        [FATE_TIMEOUT] = RV_DETAIL_TIMEOUT,
        [FATE_UNAVAILABLE] = RV_DETAIL_UNAVAILABLE, [FATE_START] = RV_DETAIL_START, [FATE_SCHEMA] = RV_DETAIL_SCHEMA,
        [FATE_LOST] = RV_DETAIL_LOST, [FATE_VOID] = RV_DETAIL_NONE};
    return details[kind];
}

static void end_as(ending *e, rv_node_state state, rv_detail detail, uint32_t root)
{
    e->state = state;
    e->detail = detail;
    e->root = root;
}

static void end_attempts(const story_node *node, uint32_t index, ending *e)
{
    uint32_t failures = 0, losses = 0, unknowns = 0;
    for (uint32_t i = 0;; i++) {
        const fate *f = &node->fates[RV_MIN(i, node->fate_count - 1)];
        e->exit_status = f->kind == FATE_OK || f->kind == FATE_CACHED ? 0 : f->kind == FATE_EXIT ? f->exit_status : -1;
        if (f->kind == FATE_VOID) continue;
        if (f->kind == FATE_LOST && node->is_at_most_once) {
            if (node->on_unknown == RV_ON_UNKNOWN_RETRY) continue;
            rv_decision decision = node->decisions[RV_MIN(unknowns, STORY_FATES_MAX - 1u)];
            if (node->on_unknown == RV_ON_UNKNOWN_FAIL) decision = RV_DECISION_FAILED;
            unknowns++;
            if (decision == RV_DECISION_AGAIN) continue;
            if (decision == RV_DECISION_DONE) end_as(e, RV_NODE_SUCCEEDED, RV_DETAIL_PERSON, 0);
            else end_as(e, RV_NODE_FAILED, RV_DETAIL_LOST, index + 1);
            return;
        }
        if (f->kind == FATE_LOST) {
            if (++losses <= node->lost_max) continue;
            end_as(e, RV_NODE_FAILED, RV_DETAIL_LOST, index + 1);
            return;
        }
        if (f->number >= 0) e->has_result = e->has_number = true, e->number = f->number;
        e->has_output |= f->has_output;
        if (f->kind == FATE_OK || f->kind == FATE_CACHED) { end_as(e, RV_NODE_SUCCEEDED, detail_of(f->kind), 0); return; }
        if (f->kind == FATE_PARTIAL) { end_as(e, RV_NODE_PARTIAL, RV_DETAIL_NONE, index + 1); return; }
        if (f->kind == FATE_DENIED) { end_as(e, RV_NODE_DENIED, RV_DETAIL_DENIED, index + 1); return; }
        if (++failures < node->max_attempts && is_retried(node, f)) continue;
        end_as(e, RV_NODE_FAILED, detail_of(f->kind), index + 1);
        return;
    }
}

static void end_person(const story_node *node, uint32_t index, ending *e)
{
    bool is_input = node->kind == RV_KIND_INPUT, continues = node->continues_rejected;
    if (node->person != PERSON_SILENT) e->has_result = e->has_number = true, e->number = node->person == PERSON_YES ? 4 : 1;
    if (node->person == PERSON_SILENT) {
        if (is_input && continues) end_as(e, RV_NODE_SUCCEEDED, RV_DETAIL_FRESH, 0); /* its default, which has no n */
        else end_as(e, RV_NODE_FAILED, RV_DETAIL_DEADLINE, index + 1);
    } else if (node->person == PERSON_NO && !is_input && !continues) {
        end_as(e, RV_NODE_FAILED, RV_DETAIL_REJECTED, index + 1);
    } else {
        end_as(e, RV_NODE_SUCCEEDED, RV_DETAIL_PERSON, 0);
    }
}

static void end_set(const story_node *node, uint32_t index, ending *e, const ending *endings)
{
    const ending *from = node->set_from == RV_NONE ? NULL : &endings[node->set_from];
    bool is_missing = from && from->state == RV_NODE_SUCCEEDED && !from->has_result;
    bool is_null = from && (from->state == RV_NODE_SKIPPED || !from->has_number);
    end_as(e, RV_NODE_SUCCEEDED, RV_DETAIL_FRESH, 0);
    e->has_result = true;
    e->has_number = true;
    e->number = from && !is_null ? from->number : node->set_number;
    if (!from || !is_null || node->set_has_default) return;
    e->has_number = false;
    if (!is_missing) return;
    e->has_result = false;
    end_as(e, RV_NODE_FAILED, RV_DETAIL_VALUE, index + 1);
}

static bool is_accepted(rv_dep_policy policy, const ending *pred)
{
    if (policy == RV_DEP_ALL_TERMINAL || policy == RV_DEP_OPTIONAL) return true;
    if (pred->state == RV_NODE_SUCCEEDED || (pred->state == RV_NODE_SKIPPED && pred->detail == RV_DETAIL_CONDITION)) return true;
    return pred->state == RV_NODE_PARTIAL && policy == RV_DEP_ACCEPT_PARTIAL;
}

static void end_node(const story *s, uint32_t index, ending *endings)
{
    const story_node *node = &s->nodes[index];
    ending *e = &endings[index];
    if (e->is_known) return;
    for (uint32_t p = 0; p < node->pred_count; p++) end_node(s, node->preds[p], endings);
    *e = (ending){.is_known = true, .exit_status = -1};
    for (uint32_t p = 0; p < node->pred_count; p++) {
        const ending *pred = &endings[node->preds[p]];
        if (node->is_soft[p] || is_accepted(node->dep_policy, pred)) continue;
        end_as(e, RV_NODE_SKIPPED, RV_DETAIL_UPSTREAM, pred->root ? pred->root : node->preds[p] + 1);
        return;
    }
    truth when = node->condition_count ? holds(node, 0, endings) : YES;
    if (when == NO) end_as(e, RV_NODE_SKIPPED, RV_DETAIL_CONDITION, 0);
    else if (when == CANNOT_SAY) end_as(e, RV_NODE_FAILED, RV_DETAIL_VALUE, index + 1);
    else if (node->kind == RV_KIND_SET) end_set(node, index, e, endings);
    else if (node->kind == RV_KIND_WAIT) end_as(e, RV_NODE_SUCCEEDED, RV_DETAIL_FRESH, 0);
    else if (node->kind == RV_KIND_APPROVE || node->kind == RV_KIND_INPUT) end_person(node, index, e);
    else end_attempts(node, index, e);
}

rv_run_state story_end(const story *s, ending ret_endings[STORY_NODES_MAX])
{
    rv_run_state outcome = RV_RUN_OK;
    memset(ret_endings, 0, sizeof(ending) * STORY_NODES_MAX);
    for (uint32_t i = 0; i < s->plain_count; i++) {
        end_node(s, i, ret_endings);
        if (ret_endings[i].state == RV_NODE_FAILED || ret_endings[i].state == RV_NODE_DENIED) outcome = RV_RUN_ERROR;
    }
    rv_handler wanted = outcome == RV_RUN_OK ? RV_HANDLER_SUCCESS : RV_HANDLER_FAILURE;
    for (uint32_t i = s->plain_count; i < s->count; i++) {
        ending *e = &ret_endings[i];
        e->exit_status = -1;
        if (s->nodes[i].handler == wanted || s->nodes[i].handler == RV_HANDLER_EXIT) end_attempts(&s->nodes[i], i, e);
        else end_as(e, RV_NODE_SKIPPED, RV_DETAIL_CONDITION, 0);
        if (e->state == RV_NODE_FAILED || e->state == RV_NODE_DENIED) outcome = RV_RUN_ERROR;
    }
    return outcome;
}
