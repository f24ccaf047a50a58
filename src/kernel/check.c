#include "kernel/run_private.h"

/* Whole-state invariants ("Must hold" of docs/spec/02), each recomputed the slow way from the stored fields. */

#define HOLDS(cond_, text_) do { if (!(cond_)) return (text_); } while (0)

/* What a waiting node waits for must be something that its kind can wait for, or nobody could end it. */
static bool wait_fits(const rv_node_run *node, rv_kind kind, bool is_revised, bool is_for_event)
{
    bool has_attempts = rv_kind_needs_slot(kind) || kind == RV_KIND_REDUCE;
    if (node->detail == RV_DETAIL_CHILDREN) return rv_kind_is_controller(kind) && node->control != 0;
    if (node->detail == RV_DETAIL_APPROVAL) return kind == RV_KIND_APPROVE || is_revised;
    if (node->detail == RV_DETAIL_INPUT) return kind == RV_KIND_INPUT;
    if (node->detail == RV_DETAIL_EVENT) return is_for_event;
    if (node->detail == RV_DETAIL_TIMER) return (kind == RV_KIND_WAIT || has_attempts) && node->due_ms != 0;
    if (node->detail == RV_DETAIL_BUDGET) return rv_kind_needs_slot(kind);
    return node->detail == RV_DETAIL_UNKNOWN_OUTCOME && has_attempts && node->attempt == RV_ATTEMPT_UNKNOWN;
}

static const char *check_attempts(const rv_run *run, uint32_t index)
{
    const rv_node_run *node = &run->nodes[index];
    rv_kind kind = rv_run_kind(run, index);
    bool has_attempts = rv_kind_needs_slot(kind) || kind == RV_KIND_REDUCE;
    bool is_live = node->number > 0 && !rv_attempt_state_is_terminal((rv_attempt_state)node->attempt);
    HOLDS(node->epoch <= run->epoch_last, "an epoch above the last one given");
    HOLDS(node->number <= node->epoch, "more attempts than epochs");
    HOLDS((node->number == 0) == (node->epoch == 0), "attempts without an epoch, or an epoch without an attempt");
    HOLDS((node->number == 0) == (node->attempt == RV_ATTEMPT_PENDING), "an attempt without a state, or the reverse");
    HOLDS((uint64_t)node->failures + node->losses + is_live <= node->number, "more attempts ended than began");
    HOLDS(is_live == (node->state == RV_NODE_RUNNING), "a live attempt without a running node, or the reverse");
    HOLDS(node->number == 0 || has_attempts, "an attempt at a node that needs none");
    HOLDS(node->state != RV_NODE_READY || has_attempts, "a node that needs no attempt is ready for one");
    HOLDS(node->flags < 2 * RV_NODE_R_SUBMITTER, "a flag that is none");
    HOLDS(!(node->flags & RV_NODE_R_KEPT) || kind == RV_KIND_INPUT, "an answer kept for a node that asks nothing");
    return NULL;
}

static bool owner_waits(const rv_run *run, const rv_place *place)
{
    const rv_node_run *owner = place->parent == RV_NONE ? NULL : &run->nodes[place->parent];
    return owner && owner->state == RV_NODE_WAITING && owner->detail == RV_DETAIL_CHILDREN;
}

static bool has_cancelled(const rv_run *run, const rv_place *place)
{
    for (uint32_t k = 0; k < place->count; k++)
        if (run->nodes[place->base + k].state == RV_NODE_CANCELLED) return true;
    return false;
}

/* Keeps (8) to (11): a place's count of open nodes, and a controller's of open places. */
static const char *check_places(const rv_run *run)
{
    for (uint32_t i = 0; i < run->places.count; i++) {
        const rv_place *place = &run->places.at[i];
        uint32_t open = 0;
        for (uint32_t k = 0; k < place->count; k++) {
            HOLDS(run->nodes[place->base + k].place == i, "a node does not stand in its place");
            for (uint32_t node = place->base + k; place->role != RV_SCOPE_REVISION; node = run->nodes[node].next - 1) {
                open += !rv_node_state_is_terminal((rv_node_state)run->nodes[node].state);
                if (run->nodes[node].next == 0) break;
            }
        }
        HOLDS(open == place->open, "a place's count of open nodes disagrees");
        HOLDS(!owner_waits(run, place) || !has_cancelled(run, place), "a node was cancelled beneath a controller that goes on");
        HOLDS(place->value <= run->values.count, "a place has a value that is not kept");
        HOLDS(place->parent == RV_NONE || run->nodes[place->parent].control != 0, "a place beneath a node that is no controller");
    }
    for (uint32_t i = 0; i < run->controls.count; i++) {
        const rv_control *control = &run->controls.at[i];
        const rv_node_run *node = &run->nodes[control->node];
        uint32_t open = 0;
        for (uint32_t k = 0; k < control->places.count; k++) open += run->places.at[control->places.at[k]].open > 0;
        HOLDS(open == control->open && node->control == i + 1, "a controller's count of open places disagrees");
        HOLDS(control->value <= run->values.count, "a controller has a value that is not kept");
        bool is_asked = node->detail == RV_DETAIL_APPROVAL; /* revise.at_max: ask */
        bool waits = node->state == RV_NODE_WAITING && (is_asked || open > 0); /* for what: wait_fits has looked */
        HOLDS(waits || rv_node_state_is_terminal((rv_node_state)node->state), "a controller that has begun has nothing to wait for");
    }
    return NULL;
}

static const char *check_node(const rv_run *run, uint32_t index)
{
    const rv_graph *graph = rv_run_graph(run, index);
    const rv_node_run *node = &run->nodes[index];
    bool is_terminal = rv_node_state_is_terminal((rv_node_state)node->state);
    bool has_begun = node->state != RV_NODE_PENDING;
    rv_kind kind = rv_run_kind(run, index);
    bool is_for_event = kind == RV_KIND_WAIT && rv_run_gate(run, index)->event.size;
    uint32_t gating = 0;
    for (uint32_t e = graph->pred_begin[node->def]; e < graph->pred_begin[node->def + 1]; e++) {
        uint32_t latest = rv_run_pred(run, node->place, graph->pred[e]), pred = rv_run_first(run, latest);
        bool gates = rv_edge_gates(&graph->nodes[node->def], graph->pred[e]);
        bool is_settled = rv_node_state_is_terminal((rv_node_state)run->nodes[pred].state);
        gating += gates && !rv_node_state_is_terminal((rv_node_state)run->nodes[latest].state);
        bool was_called_off = node->state == RV_NODE_CANCELLED || (node->state == RV_NODE_SKIPPED && node->detail == RV_DETAIL_PRUNED);
        HOLDS(!gates || is_settled || !has_begun || was_called_off, "a node began before a predecessor that gates it was terminal");
    }
    HOLDS(has_begun || node->gating == gating, "a gating counter disagrees with the edges");
    HOLDS(node->state != RV_NODE_SKIPPED || rv_detail_group((rv_detail)node->detail) == 'k', "a skip without a cause");
    HOLDS(node->state != RV_NODE_CANCELLED || rv_detail_group((rv_detail)node->detail) == 'c', "a cancel without a cause");
    HOLDS(node->state != RV_NODE_SUCCEEDED || rv_detail_group((rv_detail)node->detail) == 's', "a success without a source");
    HOLDS(node->state != RV_NODE_FAILED || rv_detail_group((rv_detail)node->detail) == 'e', "a failure without a kind");
    HOLDS(node->state != RV_NODE_WAITING || wait_fits(node, kind, graph->nodes[node->def].revise != 0, is_for_event),
          "a wait that nothing can end");
    bool is_derived = node->detail == RV_DETAIL_UPSTREAM || node->detail == RV_DETAIL_UPSTREAM_CANCELLED;
    HOLDS(node->root <= run->node_count && !(is_derived && node->root == 0), "a root that is no node");
    HOLDS(!rv_node_state_has_root((rv_node_state)node->state) || node->root != 0, "a failure without a root");
    HOLDS(!rv_run_state_is_terminal((rv_run_state)run->status) || is_terminal, "a run ended with a node that has not");
    HOLDS(node->result <= run->values.count && node->output <= run->values.count && node->error <= run->values.count,
          "a value that is not kept");
    bool waits_for_event = node->state == RV_NODE_WAITING && node->detail == RV_DETAIL_EVENT; /* not for a yes to its last result */
    HOLDS(!waits_for_event || rv_run_signal_for(run, index) == RV_NONE,
          "a node waits for an event that is kept");
    bool is_plain = !rv_run_is_handler(run, index), goes_on = run->status == RV_RUN_RUNNING && run->closing != RV_CLOSING_INTERRUPT;
    HOLDS(!(is_plain && goes_on && node->state == RV_NODE_PENDING && gating == 0), "a node that nothing holds back was not decided");
    bool may_stand = run->closing == RV_CLOSING_INTERRUPT || rv_run_stands_still(run);
    HOLDS(node->total_due_ms >= 0 || is_terminal || may_stand, "the time of a node stands still");
    return check_attempts(run, index);
}

/* A handler before its turn is pending, after its turn terminal. */
static const char *check_handlers(const rv_run *run)
{
    const rv_graph *graph = run->graph;
    for (uint32_t index = graph->plain_count; index < graph->top_count; index++) {
        rv_node_state state = (rv_node_state)run->nodes[index].state;
        uint8_t turn = graph->nodes[index].handler == RV_HANDLER_EXIT ? RV_PHASE_EXIT : RV_PHASE_HANDLERS;
        bool is_called_off = run->is_hurried && state == RV_NODE_CANCELLED;
        HOLDS(run->phase >= turn || state == RV_NODE_PENDING || is_called_off, "a handler began before its turn");
        HOLDS(run->phase <= turn || rv_node_state_is_terminal(state), "a handler outlived its turn");
    }
    return NULL;
}

/* Every ready node is in its class's queue, and what is first in a queue is ready. */
static const char *check_ready(const rv_run *run)
{
    uint64_t *is_queued = rv_alloc(sizeof *is_queued * (run->node_count / 64 + 1));
    const char *broken = NULL;
    for (uint32_t c = 0; c < run->classes.count; c++) {
        const rv_ready_queue *q = &run->classes.at[c].ready;
        uint32_t first = rv_run_ready_first(run, c);
        for (uint32_t i = q->row_begin; i < q->row.count; i++) is_queued[q->row.at[i].node / 64] |= (uint64_t)1 << (q->row.at[i].node % 64);
        for (uint32_t i = 0; i < q->heap.count; i++) is_queued[q->heap.at[i].node / 64] |= (uint64_t)1 << (q->heap.at[i].node % 64);
        if (first == RV_NONE) continue;
        if (run->nodes[first].state != RV_NODE_READY) broken = "what is first in a queue is not ready";
        if (run->nodes[first].is_aside) broken = "what is first in a queue has been admitted";
    }
    for (uint32_t node = 0; node < run->node_count && !broken; node++) {
        bool is_ready = run->nodes[node].state == RV_NODE_READY, is_aside = run->nodes[node].is_aside;
        if (is_aside && !is_ready) broken = "a node that is not ready has been set aside";
        if (is_ready && !is_aside && !(is_queued[node / 64] >> (node % 64) & 1)) broken = "a ready node is in no queue";
    }
    rv_free(is_queued);
    return broken;
}

static const char *check_run(const rv_run *run)
{
    rv_run_state status = (rv_run_state)run->status;
    uint32_t open = run->counts[RV_NODE_PENDING] + run->counts[RV_NODE_READY] + run->counts[RV_NODE_RUNNING] + run->counts[RV_NODE_WAITING];
    HOLDS(run->epoch_last <= UINT32_MAX / 2, "epochs are running out");
    HOLDS(rv_run_state_is_terminal(status) == (run->phase == RV_PHASE_OVER), "a run ended before its last phase, or did not end in it");
    HOLDS(run->phase == RV_PHASE_GRAPH || open == 0, "handlers began before the graph had ended");
    HOLDS(status != RV_RUN_ACCEPTED || (open == run->counts[RV_NODE_PENDING] && open == run->graph->plain_count && run->places.count == 2 &&
                                        run->closing == RV_CLOSING_NO && run->epoch_last == 0),
          "a run began before it was loaded");
    HOLDS(status != RV_RUN_INTERRUPTED || (run->running == 0 && run->closing == RV_CLOSING_INTERRUPT),
          "an interrupted run in which something runs");
    HOLDS(status != RV_RUN_RUNNING || run->closing != RV_CLOSING_INTERRUPT || run->running > 0, "an interrupted run that does not say so");
    HOLDS(status != RV_RUN_RUNNING || run->phase != RV_PHASE_GRAPH || open > 0, "a run that has nothing left to do goes on");
    bool may_stand = run->closing == RV_CLOSING_INTERRUPT || rv_run_stands_still(run);
    HOLDS(run->due_ms >= 0 || may_stand, "the time of a run that goes on stands still");
    HOLDS(!run->is_hurried || run->closing == RV_CLOSING_CANCEL || run->closing == RV_CLOSING_TIMEOUT,
          "a hurried run that is not called off");
    HOLDS(run->due_ms == 0 || run->phase == RV_PHASE_GRAPH, "the run's timeout outlived its graph");
    return check_handlers(run);
}

typedef struct sums { int64_t held[RV_HELD_COUNT]; uint32_t live; } sums;

static void add_open(sums *to, const rv_account *account)
{
    to->live += account->is_open;
    for (uint32_t d = 0; d < RV_HELD_COUNT; d++) to->held[d] += account->held[d];
}

static const char *check_purse(const sums *found, const rv_purse *purse)
{
    HOLDS(memcmp(found->held, purse->reserved, sizeof found->held) == 0, "what is reserved is not what attempts hold");
    HOLDS(found->live == purse->live, "a count of attempts in flight disagrees");
    return NULL;
}

/* What open attempts hold, summed up for them, those above them and the run; keeps (1) of budget.h. */
static const char *check_purses(const rv_run *run)
{
    sums *found = rv_alloc(sizeof *found * (run->accounts.count + 1));
    const char *broken = NULL;
    for (uint32_t i = 0; i < run->accounts.count; i++) {
        const rv_account *account = &run->accounts.at[i];
        broken = run->nodes[account->node].account == i + 1 ? broken : "an account is not its node's";
        add_open(&found[0], account);
        for (uint32_t at = account->node; at != RV_NONE; at = rv_run_place(run, at)->parent)
            add_open(&found[run->nodes[at].account], account);
    }
    if (!broken) broken = check_purse(&found[0], &run->purse);
    for (uint32_t i = 0; i < run->accounts.count && !broken; i++) broken = check_purse(&found[i + 1], &run->accounts.at[i].purse);
    rv_free(found);
    return broken;
}

/* Keeps (3) of budget.h. Time is not reserved, so it may pass its limit. */
static const char *check_limits(const rv_purse *purse, const int64_t *limit, const int64_t *elsewhere, uint32_t limits, uint32_t at_limit)
{
    for (uint32_t d = 0; d < RV_DIMENSION_COUNT; d++) {
        int64_t taken = purse->spent[d] + (d < RV_HELD_COUNT ? purse->reserved[d] : 0) + (elsewhere ? elsewhere[d] : 0);
        bool is_held = limits >> d & 1 && at_limit != RV_AT_LIMIT_WARN && d != RV_DIMENSION_TIME;
        HOLDS(!is_held || taken <= limit[d] + purse->beyond[d], "more is spent and reserved than the budget has");
    }
    return NULL;
}

static const char *check_budgets(const rv_run *run)
{
    const rv_limits *limits = &run->limits;
    const char *broken = check_purses(run);
    uint32_t running = 0, paused = 0;
    if (!broken) broken = check_limits(&run->purse, limits->limit, limits->elsewhere, limits->limits, limits->at_limit);
    for (uint32_t i = 0; i < run->accounts.count && !broken; i++) {
        const rv_account *account = &run->accounts.at[i];
        uint32_t index = rv_run_def(run, account->node)->budget;
        const rv_budget_def *own = index ? &rv_run_graph(run, account->node)->budgets[index - 1] : NULL;
        HOLDS(account->is_open ? run->nodes[account->node].state == RV_NODE_RUNNING : !account->held[0] && !account->held[1],
              "a reservation without an attempt");
        if (own) broken = check_limits(&account->purse, own->limit, NULL, own->limits, own->at_limit);
    }
    if (broken) return broken;
    for (uint32_t node = 0; node < run->node_count; node++) {
        running += run->nodes[node].state == RV_NODE_RUNNING && rv_kind_needs_slot(rv_run_kind(run, node));
        paused += run->nodes[node].state == RV_NODE_WAITING && run->nodes[node].detail == RV_DETAIL_BUDGET;
    }
    bool is_crowded = limits->quotas >> RV_QUOTA_CONCURRENT & 1 && running > limits->quota[RV_QUOTA_CONCURRENT] && running > limits->crowd;
    HOLDS(!is_crowded, "more attempts run than the quota allows");
    HOLDS(paused == run->paused, "the count of nodes that wait for the budget disagrees");
    HOLDS(run->closing != RV_CLOSING_BUDGET || run->is_over_budget, "a budget stopped a run that is not over it");
    HOLDS(run->closing != RV_CLOSING_VIOLATION || run->violation.path, "a violation stopped a run that has none");
    return NULL;
}

const char *rv_run_check(const rv_run *run)
{
    uint32_t counts[RV_NODE_STATE_COUNT] = {0};
    uint32_t running = 0, ready = 0, handler_open = 0, handler_failed = 0, failed = 0;
    const char *broken = NULL;
    for (uint32_t index = 0; index < run->node_count; index++) {
        rv_node_state state = (rv_node_state)run->nodes[index].state;
        bool is_handler = rv_run_is_handler(run, index), is_bad = state == RV_NODE_FAILED || state == RV_NODE_DENIED;
        if ((broken = check_node(run, index))) return broken;
        running += state == RV_NODE_RUNNING;
        ready += state == RV_NODE_READY;
        if (!is_handler) counts[state]++;
        handler_open += is_handler && !rv_node_state_is_terminal(state);
        handler_failed += is_handler && is_bad;
        failed += is_bad && rv_run_place(run, index)->is_top && run->nodes[index].next == 0;
    }
    broken = check_ready(run);
    if (!broken) broken = check_places(run);
    if (!broken) broken = check_budgets(run);
    if (broken) return broken;
    HOLDS(memcmp(counts, run->counts, sizeof counts) == 0, "the counts disagree with the nodes");
    HOLDS(running == run->running && ready == run->ready_count, "running or ready disagrees with the nodes");
    HOLDS(handler_open == run->handler_open && handler_failed == run->handler_failed, "the handlers' counts disagree");
    HOLDS(failed == run->failed, "the count of failures disagrees");
    HOLDS(run->work.count == 0 && run->tend.count == 0, "a cascade was left unfinished");
    return check_run(run);
}
