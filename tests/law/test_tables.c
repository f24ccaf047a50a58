/* test_tables.c: every pair of the three tables, on paper, through rv_run_apply and through the real step; terminal
 * states absorb [P2]; what is not possible changes nothing; a run never hangs [K5]. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "drive.h"

/* ---- the tables on paper ---- */

static void node_table__terminal_states_have_no_way_out(void **state)
{
    for (int from = 0; from < RV_NODE_STATE_COUNT; from++)
        for (int change = 0; change < RV_NODE_CHANGE_COUNT; change++)
            if (rv_node_state_is_terminal((rv_node_state)from))
                assert_int_equal(rv_node_next((rv_node_state)from, (rv_node_change)change), RV_NODE_STATE_COUNT);
}

static void node_table__every_state_is_reached_and_leads_to_an_end(void **state)
{
    bool from_pending[RV_NODE_STATE_COUNT] = {[RV_NODE_PENDING] = true}, leads_to_end[RV_NODE_STATE_COUNT] = {false};
    for (int s = RV_NODE_SUCCEEDED; s < RV_NODE_STATE_COUNT; s++) leads_to_end[s] = true;
    for (int round = 0; round < RV_NODE_STATE_COUNT; round++)
        for (int from = 0; from < RV_NODE_STATE_COUNT; from++)
            for (int to = 0; to < RV_NODE_STATE_COUNT; to++) {
                if (!rv_node_may_become((rv_node_state)from, (rv_node_state)to)) continue;
                from_pending[to] |= from_pending[from];
                leads_to_end[from] |= leads_to_end[to];
            }
    for (int s = 0; s < RV_NODE_STATE_COUNT; s++) assert_true(from_pending[s] && leads_to_end[s]);
}

static void node_table__pairs_that_are_listed_and_no_others(void **state)
{
    int listed = 0, found = 0;
#define X(from_, change_, to_) \
    assert_int_equal(rv_node_next(RV_NODE_##from_, RV_CHANGE_##change_), RV_NODE_##to_); \
    assert_true(rv_node_may_become(RV_NODE_##from_, RV_NODE_##to_)); \
    listed++;
    RV_NODE_TABLE(X)
#undef X
    for (int from = 0; from < RV_NODE_STATE_COUNT; from++)
        for (int change = 0; change < RV_NODE_CHANGE_COUNT; change++)
            found += rv_node_next((rv_node_state)from, (rv_node_change)change) != RV_NODE_STATE_COUNT;
    assert_int_equal(found, listed);
    assert_false(rv_node_may_become(RV_NODE_STATE_COUNT, RV_NODE_READY));
    assert_false(rv_node_may_become(RV_NODE_READY, RV_NODE_STATE_COUNT));
}

static void attempt_table__terminal_states_have_no_way_out(void **state)
{
    int found = 0, listed = 0;
    for (int from = 0; from < RV_ATTEMPT_STATE_COUNT; from++)
        for (int to = 0; to < RV_ATTEMPT_STATE_COUNT; to++) {
            bool may = rv_attempt_may_become((rv_attempt_state)from, (rv_attempt_state)to);
            found += may;
            if (rv_attempt_state_is_terminal((rv_attempt_state)from)) assert_false(may);
        }
#define X(from_, to_) assert_true(rv_attempt_may_become(RV_ATTEMPT_##from_, RV_ATTEMPT_##to_)), listed++;
    RV_ATTEMPT_TABLE(X)
#undef X
    assert_int_equal(found, listed);
    assert_false(rv_attempt_may_become(RV_ATTEMPT_STATE_COUNT, 0));
    assert_false(rv_attempt_may_become(RV_ATTEMPT_STARTING, RV_ATTEMPT_STATE_COUNT));
}

static void run_table__terminal_states_have_no_way_out(void **state)
{
    int found = 0, listed = 0;
    for (int from = 0; from < RV_RUN_STATE_COUNT; from++)
        for (int to = 0; to < RV_RUN_STATE_COUNT; to++) {
            found += rv_run_may_become((rv_run_state)from, (rv_run_state)to);
            if (rv_run_state_is_terminal((rv_run_state)from)) assert_false(rv_run_may_become((rv_run_state)from, (rv_run_state)to));
        }
#define X(from_, to_) assert_true(rv_run_may_become(RV_RUN_##from_, RV_RUN_##to_)), listed++;
    RV_RUN_TABLE(X)
#undef X
    assert_int_equal(found, listed);
    assert_false(rv_run_may_become(RV_RUN_STATE_COUNT, 0));
    assert_false(rv_run_may_become(RV_RUN_RUNNING, RV_RUN_STATE_COUNT));
}

/* A table of pairs: each state but those that begin is reached from `begin`, and each that is no end leads to one. */
static void expect_ways(int count, int begin, bool (*may)(int from, int to), bool (*is_end)(int state))
{
    bool is_reached[RV_DETAIL_COUNT] = {false}, leads_to_end[RV_DETAIL_COUNT] = {false};
    is_reached[begin] = true;
    for (int s = 0; s < count; s++) leads_to_end[s] = is_end(s);
    for (int round = 0; round < count; round++)
        for (int from = 0; from < count; from++)
            for (int to = 0; to < count; to++) {
                if (!may(from, to)) continue;
                is_reached[to] |= is_reached[from];
                leads_to_end[from] |= leads_to_end[to];
            }
    for (int s = begin; s < count; s++) assert_true(is_reached[s] && leads_to_end[s]);
}

static bool attempt_may(int from, int to) { return rv_attempt_may_become((rv_attempt_state)from, (rv_attempt_state)to); }
static bool attempt_ends(int s) { return rv_attempt_state_is_terminal((rv_attempt_state)s); }
static bool run_may(int from, int to) { return rv_run_may_become((rv_run_state)from, (rv_run_state)to); }
static bool run_ends(int s) { return rv_run_state_is_terminal((rv_run_state)s); }

static void attempt_and_run_tables__every_state_is_reached_and_leads_to_an_end(void **state)
{
    expect_ways(RV_ATTEMPT_STATE_COUNT, RV_ATTEMPT_STARTING, attempt_may, attempt_ends);
    expect_ways(RV_RUN_STATE_COUNT, RV_RUN_ACCEPTED, run_may, run_ends);
}

/* A change that is in no row is a word without a meaning; one that leads from a state to itself would be no change. */
static void node_table__each_change_is_used_and_changes_something(void **state)
{
    for (int change = 0; change < RV_NODE_CHANGE_COUNT; change++) {
        int rows = 0;
        for (int from = 0; from < RV_NODE_STATE_COUNT; from++) {
            rv_node_state to = rv_node_next((rv_node_state)from, (rv_node_change)change);
            bool waits_for_another = from == RV_NODE_WAITING && change == RV_CHANGE_PARK; /* a controller whose end is asked about */
            if (!waits_for_another) assert_int_not_equal(to, from);
            rows += to != RV_NODE_STATE_COUNT;
        }
        assert_true(rows > 0);
    }
}

/* ---- every pair through rv_run_apply ---- */

static void encode(const rv_run *run, rv_buf *out)
{
    rv_buf_clear(out);
    rv_run_encode(run, out);
}

static void expect_apply(rv_run *run, const rv_event *fact, bool is_legal)
{
    rv_buf before = {0}, after = {0};
    rv_error error;
    encode(run, &before);
    assert_int_equal(rv_run_apply(run, fact, NULL, &error), is_legal ? RV_OK : RV_CORRUPT);
    encode(run, &after);
    assert_int_equal(rv_str_eq(rv_buf_str(&before), rv_buf_str(&after)), !is_legal);
    rv_buf_deinit(&before);
    rv_buf_deinit(&after);
}

/* A run whose only node is in `wanted`, by a shortest way through the table. */
static rv_run *run_with_node_in(const rv_graph *graph, rv_node_state wanted)
{
    rv_run *run = rv_run_new(graph);
    rv_node_state via = RV_NODE_PENDING;
    if (wanted != RV_NODE_PENDING && !rv_node_may_become(RV_NODE_PENDING, wanted)) {
        via = RV_NODE_RUNNING;
        assert_true(rv_node_may_become(RV_NODE_RUNNING, wanted));
        assert_int_equal(rv_run_apply(run, &(rv_event){.type = RV_EVENT_NODE_STATE, .state = via, .root = 1}, NULL, NULL), RV_OK);
    }
    if (wanted != RV_NODE_PENDING)
        assert_int_equal(rv_run_apply(run, &(rv_event){.type = RV_EVENT_NODE_STATE, .state = wanted, .root = 1}, NULL, NULL), RV_OK);
    return run;
}

static void apply__takes_the_pairs_of_the_node_table_and_no_others(void **state)
{
    const rv_graph *graph = rv_graph_text("a");
    for (int from = 0; from < RV_NODE_STATE_COUNT; from++)
        for (uint32_t to = 0; to <= RV_NODE_STATE_COUNT; to++) {
            rv_run *run = run_with_node_in(graph, (rv_node_state)from);
            bool is_legal = to < RV_NODE_STATE_COUNT && rv_node_may_become((rv_node_state)from, (rv_node_state)to);
            expect_apply(run, &(rv_event){.type = RV_EVENT_NODE_STATE, .state = to, .detail = RV_DETAIL_EXIT, .root = 1}, is_legal);
            rv_run_free(run);
        }
    rv_graph_text_free(graph);
}

static void apply__takes_the_pairs_of_the_attempt_table_and_no_others(void **state)
{
    const rv_graph *graph = rv_graph_text("a");
    for (uint32_t from = RV_ATTEMPT_STARTING; from < RV_ATTEMPT_STATE_COUNT; from++)
        for (uint32_t to = 0; to <= RV_ATTEMPT_STATE_COUNT; to++) {
            rv_run *run = rv_run_new(graph);
            rv_event fact = {.type = RV_EVENT_ATTEMPT_STATE, .epoch = 1, .number = 1, .state = RV_ATTEMPT_STARTING};
            expect_apply(run, &fact, true);
            fact.state = from;
            if (from != RV_ATTEMPT_STARTING) expect_apply(run, &fact, true);
            fact.state = to;
            expect_apply(run, &fact, to < RV_ATTEMPT_STATE_COUNT && rv_attempt_may_become((rv_attempt_state)from, (rv_attempt_state)to));
            fact.state = RV_ATTEMPT_STARTING; /* [P4] the next one: an epoch above all others, the next number */
            for (uint32_t epoch = 0; epoch < 3; epoch++)
                for (uint32_t number = 0; number < 4; number++) {
                    fact.epoch = epoch, fact.number = number;
                    if (epoch != 2 || number != 2) expect_apply(run, &fact, false);
                }
            fact.epoch = fact.number = 2;
            expect_apply(run, &fact, true);
            rv_run_free(run);
        }
    rv_graph_text_free(graph);
}

static void apply__takes_the_pairs_of_the_run_table_and_no_others(void **state)
{
    const rv_graph *graph = rv_graph_text("a");
    for (uint32_t from = 0; from < RV_RUN_STATE_COUNT; from++)
        for (uint32_t to = 0; to <= RV_RUN_STATE_COUNT; to++) {
            rv_run *run = rv_run_new(graph);
            if (from != RV_RUN_ACCEPTED) expect_apply(run, &(rv_event){.type = RV_EVENT_RUN_STATE, .state = RV_RUN_RUNNING}, true);
            if (from > RV_RUN_RUNNING) expect_apply(run, &(rv_event){.type = RV_EVENT_RUN_STATE, .state = from}, true);
            bool is_legal = to < RV_RUN_STATE_COUNT && rv_run_may_become((rv_run_state)from, (rv_run_state)to);
            expect_apply(run, &(rv_event){.type = RV_EVENT_RUN_STATE, .state = to}, is_legal);
            rv_run_free(run);
        }
    rv_graph_text_free(graph);
}

static void apply__refuses_a_node_that_is_not_there(void **state)
{
    const rv_graph *graph = rv_graph_text("a; b: a");
    for (uint32_t type = 0; type <= RV_EVENT_TYPE_MAX; type++) {
        static const uint32_t nodes[] = {2, 3, 1000000, RV_NONE};
        for (size_t i = 0; i < RV_COUNT(nodes); i++) {
            rv_run *run = rv_run_new(graph);
            bool has_node = rv_event_fields((rv_event_type)type) & RV_F_NODE;
            bool may_lack = (type == RV_EVENT_NOTE || type == RV_EVENT_WARNED) && nodes[i] == RV_NONE;
            rv_event event = {.type = (rv_event_type)type, .node = nodes[i], .state = 1, .epoch = 1, .number = 1};
            if (has_node && !may_lack) expect_apply(run, &event, false);
            rv_run_free(run);
        }
    }
    rv_graph_text_free(graph);
}

/* ---- every pair through the real step ---- */

/* A sentence of steps: a letter, then a node. + admit  s started  k ok  p partial  e error  t timeout  x denied  c cancelled
 * A adopt  l lost  v lost, stopped  n lost, never started  a answer  y approve  r reject  d done  g again; alone: I interrupt  R resume
 * C cancel  P preempt  F fail fast  T time passes  S an event comes. */
static void act(drive *d, const char *word)
{
    const char *node = word + 1;
    switch (word[0]) {
    case '+': drive_admit(d, node); break;
    case 's': drive_started(d, node); break;
    case 'k': drive_complete(d, node, RV_ATTEMPT_OK, RV_DETAIL_NONE, 0); break;
    case 'p': drive_complete(d, node, RV_ATTEMPT_PARTIAL, RV_DETAIL_NONE, 0); break;
    case 'e': drive_complete(d, node, RV_ATTEMPT_ERROR, RV_DETAIL_EXIT, 1); break;
    case 't': drive_complete(d, node, RV_ATTEMPT_TIMEOUT, RV_DETAIL_TIMEOUT, -1); break;
    case 'x': drive_complete(d, node, RV_ATTEMPT_DENIED, RV_DETAIL_DENIED, -1); break;
    case 'c': drive_complete(d, node, RV_ATTEMPT_CANCELLED, RV_DETAIL_SIGNALLED, -1); break;
    case 'l': drive_lost(d, node, RV_LOST_WAS_STARTED); break;
    case 'v': drive_lost(d, node, RV_LOST_STOPPED); break;
    case 'n': drive_lost(d, node, RV_LOST_NEVER_STARTED); break;
    case 'a': drive_answer(d, node, "{}"); break;
    case 'y': drive_decide(d, node, RV_DECISION_APPROVE, "{}"); break;
    case 'r': drive_decide(d, node, RV_DECISION_REJECT, "{}"); break;
    case 'd': drive_decide(d, node, RV_DECISION_DONE, NULL); break;
    case 'g': drive_decide(d, node, RV_DECISION_AGAIN, NULL); break;
    case 'A': drive_adopt(d, node); break;
    case 'I': drive_signal(d, RV_EVENT_INTERRUPT); break;
    case 'R': drive_signal(d, RV_EVENT_RESUME); break;
    case 'C': drive_signal(d, RV_EVENT_CANCEL); break;
    case 'P': drive_signal(d, RV_EVENT_PREEMPT); break;
    case 'F': drive_signal(d, RV_EVENT_FAIL_FAST); break;
    case 'T': drive_tick(d, 1000); break;
    case 'S': drive_event(d, node, "{}"); break;
    default: fail_msg("no such step: %s", word);
    }
}

static drive *play(const char *graph, const char *steps)
{
    drive *d = drive_new(graph);
    char words[300];
    snprintf(words, sizeof words, "%s", steps);
    for (char *rest = words, *word; (word = strtok_r(rest, " ", &rest));) act(d, word);
    return d;
}

#define AMO "%delivery=at_most_once %unknown=ask"
static const struct { const char *graph, *steps; } plays[] = {
    {"a; b: a", "+a sa ka +b kb"},
    {"a; b: !approve", "+a sa pa yb"},
    {"a: %attempts=2; z", "+a ea +a sa ea"},
    {"a: %attempts=2 %delay=5; z", "+a ea T +a ta"},
    {"a; b", "+a sa ta +b xb"},
    {"a; b", "+a sa xa +b pb"},
    {"a: " AMO "; z", "+a la ga +a sa la da"},
    {"a", "+a la +a sa la +a na"},
    {"a; b", "+a +b sb I ca cb R"},
    {"a; z", "+a I va R +a sa va"},
    {"a; b: a; w: !wait %for=9", "C"},
    {"a; b", "+a sa C ca"},
    {"a; b; w: !approve", "+a F ea"},
    {"a: %total=1000; z", "T"},
    {"a: %total=1000; z", "+a T ca"},
    {"s: !set `n=1`; f: !set `n=${s.gone}`; k: when false; p: when ${s.n}; z", "+z kz"},
    {"i: !input; a: !approve; w: !wait %for=1000; r: !reduce", "ai ra T kr"},
    {"a; %timeout=1000", "+a T ca"},
    {"a", "+a na"},
    {"a", "P"},
    {"a; b: !approve", "Aa Ab"},
    {"a: %estimate.usd=5; z; %limit=usd/4", "+a C"},
    {"a; b; %quota=attempts/1", "+a sa ka +b"},
    {"f: !foreach %items=[1,2]; z; %quota=nodes/3", "+z kz"},
    {"a; b; %limit=attempts/1; %at_limit=stop", "+a ka +b"},
};

/* A node that is not begun is only denied when its back-edge would grow too far: test_grow.c. */
static bool needs_revision(rv_node_state from, rv_node_state to) { return from == RV_NODE_PENDING && to == RV_NODE_DENIED; }

static void step__walks_every_pair_of_the_tables(void **state)
{
    bool nodes[RV_NODE_STATE_COUNT][RV_NODE_STATE_COUNT] = {{0}}, attempts[RV_ATTEMPT_STATE_COUNT][RV_ATTEMPT_STATE_COUNT] = {{0}};
    bool runs[RV_RUN_STATE_COUNT][RV_RUN_STATE_COUNT] = {{0}};
    for (size_t i = 0; i < RV_COUNT(plays); i++) {
        drive *d = play(plays[i].graph, plays[i].steps);
        for (size_t k = 0; k < sizeof nodes; k++) ((bool *)nodes)[k] |= ((bool *)d->pairs_seen)[k];
        for (size_t k = 0; k < sizeof attempts; k++) ((bool *)attempts)[k] |= ((bool *)d->attempt_pairs_seen)[k];
        for (size_t k = 0; k < sizeof runs; k++) ((bool *)runs)[k] |= ((bool *)d->run_pairs_seen)[k];
        drive_free(d);
    }
#define X(from_, change_, to_) \
    if (!nodes[RV_NODE_##from_][RV_NODE_##to_] && RV_NODE_##from_ != RV_NODE_##to_ && !needs_revision(RV_NODE_##from_, RV_NODE_##to_)) \
        fail_msg("no play walks %s → %s", #from_, #to_);
    RV_NODE_TABLE(X) /* WAITING → WAITING needs a controller: test_grow.c */
#undef X
#define X(from_, to_) if (!attempts[RV_ATTEMPT_##from_][RV_ATTEMPT_##to_]) fail_msg("no play walks attempt %s → %s", #from_, #to_);
    RV_ATTEMPT_TABLE(X)
#undef X
#define X(from_, to_) \
    if (!runs[RV_RUN_##from_][RV_RUN_##to_]) fail_msg("no play walks run %s → %s", #from_, #to_);
    RV_RUN_TABLE(X)
#undef X
}

static void k5__every_play_comes_to_its_end(void **state)
{
    for (size_t i = 0; i < RV_COUNT(plays); i++) {
        drive *d = play(plays[i].graph, plays[i].steps);
        drive_to_end(d);
        drive_free(d);
    }
}

/* ---- terminal states absorb ---- */

static drive *drive_with_terminal(rv_node_state wanted)
{
    switch (wanted) {
    case RV_NODE_SUCCEEDED: return play("a: %attempts=9; z; y: a", "+a sa ka");
    case RV_NODE_PARTIAL: return play("a: %attempts=9; z; y: a", "+a sa pa");
    case RV_NODE_FAILED: return play("a; z; y: a", "+a sa ea");
    case RV_NODE_DENIED: return play("a; z; y: a", "+a sa xa");
    case RV_NODE_SKIPPED: return play("a: when false; z; y: a", "+z");
    case RV_NODE_CANCELLED: return play("a; z; y: a", "+z C");
    case RV_NODE_PENDING: case RV_NODE_READY: case RV_NODE_RUNNING: case RV_NODE_WAITING: case RV_NODE_STATE_COUNT: break;
    }
    fail_msg("not terminal");
    return NULL;
}

/* The stored part of a node. */
static rv_node_run stored(const drive *d) { return d->run->nodes[0]; }

static void expect_absorbed(drive *d, rv_event_type type)
{
    rv_node_run before = stored(d);
    for (uint32_t variant = 0; variant < 16; variant++) {
        if (rv_run_state_is_terminal((rv_run_state)d->run->status)) break;
        rv_event event = {.type = type, .node = 0, .epoch = before.epoch + variant % 3 - 1, .number = before.number + variant % 2,
                          .flags = variant % 4, .state = variant % RV_ATTEMPT_STATE_COUNT,
                          .detail = variant % 2 ? RV_DETAIL_EXIT : RV_DETAIL_NONE, .value = RV_STR("{}"), .exit_status = 5};
        d->now.engine_ms += 100;
        drive_step(d, &event);
        rv_node_run after = stored(d);
        assert_memory_equal(&before, &after, sizeof before);
    }
}

static void p2__a_terminal_node_absorbs_every_input(void **state)
{
    for (int s = RV_NODE_SUCCEEDED; s < RV_NODE_STATE_COUNT; s++)
        for (uint32_t type = 0; type < RV_EVENT_TYPE_MAX; type++) {
            drive *d = drive_with_terminal((rv_node_state)s);
            assert_int_equal(d->run->nodes[0].state, s);
            expect_absorbed(d, (rv_event_type)type);
            drive_to_end(d);
            drive_free(d);
        }
}

static void p2__a_terminal_run_absorbs_every_input_without_a_trace(void **state)
{
    static const char *const ends[] = {"+a ka", "+a ea", "C", "T"};
    for (size_t i = 0; i < RV_COUNT(ends); i++)
        for (uint32_t type = 0; type < RV_EVENT_TYPE_MAX; type++)
            for (uint32_t variant = 0; variant < 16; variant++) {
                drive *d = play("a; %timeout=1000", ends[i]);
                assert_true(rv_run_state_is_terminal((rv_run_state)d->run->status));
                rv_event event = {.type = (rv_event_type)type, .node = variant % 2, .epoch = variant % 3, .state = variant % 5,
                                  .flags = variant % 4};
                assert_int_not_equal(drive_step(d, &event), RV_ANSWER_TAKEN); /* drive_step compares the bytes */
                assert_int_equal(d->out.event_count, d->step_events);
                drive_free(d);
            }
}

/* ---- anything at all ---- */

static uint32_t below(uint64_t *seed, uint32_t bound) { return rv_rng_below(seed, bound); }

static rv_event any_event(const drive *d, uint64_t *seed)
{
    static const rv_event_type inputs[] = {
        RV_EVENT_LOAD, RV_EVENT_ADMITTED, RV_EVENT_ADMITTED, RV_EVENT_ADMITTED, RV_EVENT_STARTED, RV_EVENT_STARTED, RV_EVENT_COMPLETED,
        RV_EVENT_COMPLETED, RV_EVENT_COMPLETED, RV_EVENT_LOST, RV_EVENT_ANSWER, RV_EVENT_DECIDED, RV_EVENT_DECIDED, RV_EVENT_TICK,
        RV_EVENT_RESUME, RV_EVENT_SIGNAL};
    uint32_t node = below(seed, 20) == 0 ? below(seed, 100) : below(seed, d->graph->node_count);
    rv_event event = {.type = inputs[below(seed, RV_COUNT(inputs))], .node = node, .exit_status = (int32_t)below(seed, 4) - 1,
                      .signal = -1};
    if (node < d->graph->node_count) event.epoch = d->run->nodes[node].epoch - (below(seed, 8) == 0);
    uint32_t rare = below(seed, 400);
    if (rare == 0) event.type = RV_EVENT_CANCEL;
    if (rare == 1) event.type = RV_EVENT_FAIL_FAST;
    if (rare == 2) event.type = RV_EVENT_PREEMPT;
    if (rare >= 3 && rare < 13) event.type = RV_EVENT_INTERRUPT;
    if (rare >= 13 && rare < 23) event.type = (rv_event_type)below(seed, RV_EVENT_TYPE_MAX + 1);
    event.state = event.type == RV_EVENT_COMPLETED ? below(seed, RV_ATTEMPT_STATE_COUNT + 1) : below(seed, 6);
    if (event.type == RV_EVENT_COMPLETED && below(seed, 3)) event.state = below(seed, 2) ? RV_ATTEMPT_OK : RV_ATTEMPT_ERROR;
    event.detail = below(seed, 2) ? RV_DETAIL_EXIT + below(seed, 4) : below(seed, RV_DETAIL_COUNT + 2);
    if (event.state == RV_ATTEMPT_OK && below(seed, 2)) event.detail = RV_DETAIL_NONE;
    event.flags = below(seed, 8);
    if (event.type == RV_EVENT_SIGNAL) event.key = below(seed, 2) ? RV_STR("go") : RV_STR("other");
    if (below(seed, 3) == 0) event.value = RV_STR("{\"n\":3}");
    if (below(seed, 3) == 0) event.output = RV_STR("out");
    if (below(seed, 3) == 0) event.text = RV_STR("because");
    return event;
}

static uint32_t rounds = 500; /* 4,000 with `long` */

/* Anything may be said to a run at any time: what is not possible changes no byte, invariants hold after every step,
 * the replay is the same, and in the end it ends. */
static void step__survives_anything_that_is_said_to_it(void **state)
{
    static const char *const graphs[] = {
        "a; b: a; c: a ~b [all_terminal]; e: c b [accept_partial]; on.failure; on.exit",
        "a: %attempts=3 %delay=40 %total=300; b: %lost_max=1; c: a b [optional];"
        " e: a [all_terminal] when ${a.exit_code} == 1; %timeout=4000",
        "a: " AMO " %total=500; b: a; i: !input %deadline=60 %default={}; p: i a !approve %deadline=200;"
        " w: !wait %for=30; z: w p [all_terminal]; on.success; on.cancel",
        "r: !reduce %attempts=3 %delay=10; s: r !set `n=${r.n}`; q: s r !reduce " AMO "; t: q when ${s.n} > 2;"
        " on.failure: %attempts=2; on.exit: !reduce",
        "a; e: !wait %event=go; f: a e !wait %event=go; g: !wait %event=other; h: g f when ${g.n} == 3; on.exit: !wait %event=other",
        "i: !input; j: i !input; k: j when ${j.n} == 3; l: ~k %priority=3; %timeout=900",
    };
    const char *given = getenv("RV_SEED");
    for (uint32_t round = 0; round < rounds; round++) {
        uint64_t seed = given ? strtoull(given, NULL, 0) : 1000 + round, start = seed;
        drive *d = drive_new_bare(graphs[seed % RV_COUNT(graphs)]);
        d->seed = start;
        if (below(&seed, 10)) drive_signal(d, RV_EVENT_LOAD);
        uint32_t steps = below(&seed, 150);
        for (uint32_t i = 0; i < steps; i++) {
            rv_event event = any_event(d, &seed);
            int64_t later_ms = below(&seed, 50);
            d->now.engine_ms += later_ms;
            d->now.wall_ms += later_ms - (int64_t)below(&seed, 20);
            drive_step(d, &event);
            if (below(&seed, 40) == 0) drive_crash(d);
        }
        drive_to_end(d);
        drive_free(d);
        if (given) { print_message("seed %llu passed\n", (unsigned long long)start); break; }
    }
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "long") == 0) rounds = 4000;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(node_table__terminal_states_have_no_way_out),
        cmocka_unit_test(node_table__every_state_is_reached_and_leads_to_an_end),
        cmocka_unit_test(node_table__pairs_that_are_listed_and_no_others),
        cmocka_unit_test(attempt_table__terminal_states_have_no_way_out),
        cmocka_unit_test(run_table__terminal_states_have_no_way_out),
        cmocka_unit_test(attempt_and_run_tables__every_state_is_reached_and_leads_to_an_end),
        cmocka_unit_test(node_table__each_change_is_used_and_changes_something),
        cmocka_unit_test(apply__takes_the_pairs_of_the_node_table_and_no_others),
        cmocka_unit_test(apply__takes_the_pairs_of_the_attempt_table_and_no_others),
        cmocka_unit_test(apply__takes_the_pairs_of_the_run_table_and_no_others),
        cmocka_unit_test(apply__refuses_a_node_that_is_not_there),
        cmocka_unit_test(step__walks_every_pair_of_the_tables),
        cmocka_unit_test(k5__every_play_comes_to_its_end),
        cmocka_unit_test(p2__a_terminal_node_absorbs_every_input),
        cmocka_unit_test(p2__a_terminal_run_absorbs_every_input_without_a_trace),
        cmocka_unit_test(step__survives_anything_that_is_said_to_it),
    };
    return cmocka_run_group_tests_name("tables", tests, NULL, NULL);
}
