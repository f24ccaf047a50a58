/* test_admission.c: admission in two phases [A1–A6] against the obvious slow model, over two runs of one engine. The model knows each
 * node's phase, looks at every node each time, and counts nothing ahead. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "admitting.h"

#define RUNS 2u
#define NODES_MAX 12u
#define MUTEXES 4u
#define TAGS 3u

/* ---- a story ---- */

typedef enum model_phase { READY, ADMITTED, QUEUED, GRANTED, RUNNING, OUTSIDE, OVER } model_phase;

typedef struct node_story {
    uint8_t claims[MUTEXES]; /* 0 none, 1 shared, 2 exclusive */
    bool tags[TAGS];
    int32_t priority;
    model_phase phase;
    uint64_t ticket;         /* since when it waits */
    bool is_granted;         /* it waited, and got them */
} node_story;

typedef struct run_story { uint32_t cap, tag_cap[TAGS], count; node_story nodes[NODES_MAX]; drive *d; rv_admit admit; } run_story;
typedef struct world { run_story runs[RUNS]; uint32_t cap; rv_admission all; uint64_t seed, rng, clock; } world;

static bool has_claims(const node_story *n)
{
    for (uint32_t m = 0; m < MUTEXES; m++)
        if (n->claims[m]) return true;
    return false;
}

static void write_text(world *w, run_story *r, rv_buf *text)
{
    for (uint32_t i = 0; i < r->count; i++) {
        node_story *n = &r->nodes[i];
        n->priority = (int32_t)rv_rng_below(&w->rng, 3) - 1;
        rv_buf_printf(text, "n%u: %%priority=%d", i, n->priority);
        for (uint32_t t = 0; t < TAGS; t++)
            if ((n->tags[t] = rv_rng_below(&w->rng, 3) == 0)) rv_buf_printf(text, " @t%u", t);
        for (uint32_t m = 0; m < MUTEXES; m++)
            if ((n->claims[m] = (uint8_t)(rv_rng_below(&w->rng, 5) > 2 ? 1 + rv_rng_below(&w->rng, 2) : 0)))
                rv_buf_printf(text, " $m%u%s", m, n->claims[m] == 1 ? "~" : "");
        rv_buf_cstring(text, "; ");
    }
    for (uint32_t t = 0; t < TAGS; t++)
        if ((r->tag_cap[t] = rv_rng_below(&w->rng, 4))) rv_buf_printf(text, "%%cap=t%u/%u; ", t, r->tag_cap[t]);
}

/* ---- the model ---- */

static bool has_slot(const node_story *n) { return n->phase == ADMITTED || n->phase == RUNNING; }
/* A grant stays reserved also while its slots are taken up. */
static bool holds(const node_story *n)
{
    return n->phase == GRANTED || n->phase == RUNNING || n->phase == OUTSIDE || (n->phase == ADMITTED && n->is_granted);
}

static bool fits(const world *w, const run_story *r, const node_story *n)
{
    uint32_t own = 0, all = 0, tags[TAGS] = {0};
    for (uint32_t k = 0; k < RUNS; k++)
        for (uint32_t i = 0; i < w->runs[k].count; i++) {
            const node_story *other = &w->runs[k].nodes[i];
            if (!has_slot(other)) continue;
            all++;
            own += &w->runs[k] == r;
            for (uint32_t t = 0; t < TAGS; t++) tags[t] += other->tags[t];
        }
    bool has_room = own < r->cap && (w->cap == 0 || all < w->cap);
    for (uint32_t t = 0; t < TAGS; t++) has_room &= !n->tags[t] || r->tag_cap[t] == 0 || tags[t] < r->tag_cap[t];
    return has_room;
}

static bool clash(const node_story *a, const node_story *b)
{
    for (uint32_t m = 0; m < MUTEXES; m++)
        if (a->claims[m] && b->claims[m] && (a->claims[m] == 2 || b->claims[m] == 2)) return true;
    return false;
}

static bool is_free(const world *w, const node_story *n)
{
    for (uint32_t k = 0; k < RUNS; k++)
        for (uint32_t i = 0; i < w->runs[k].count; i++) {
            const node_story *other = &w->runs[k].nodes[i];
            bool is_before = holds(other) || (other->phase == QUEUED && other->ticket < n->ticket);
            if (other != n && is_before && clash(n, other)) return false;
        }
    return true;
}

/* All that may be granted now, by ticket. */
static void grant_all(world *w)
{
    for (uint64_t ticket = 1; ticket <= w->clock; ticket++)
        for (uint32_t k = 0; k < RUNS; k++)
            for (uint32_t i = 0; i < w->runs[k].count; i++) {
                node_story *n = &w->runs[k].nodes[i];
                if (n->phase == QUEUED && n->ticket == ticket && is_free(w, n)) n->phase = GRANTED, n->is_granted = true;
            }
}

/* READY ones by priority and index; whoever is granted goes before them. */
static uint32_t next_ready(const world *w, const run_story *r)
{
    uint32_t best = RV_NONE;
    for (uint32_t i = 0; i < r->count; i++) {
        if (r->nodes[i].phase != READY || !fits(w, r, &r->nodes[i])) continue;
        if (best == RV_NONE || r->nodes[i].priority > r->nodes[best].priority) best = i;
    }
    return best;
}

static bool some_granted_fits(const world *w, const run_story *r)
{
    for (uint32_t i = 0; i < r->count; i++)
        if (r->nodes[i].phase == GRANTED && fits(w, r, &r->nodes[i])) return true;
    return false;
}

/* ---- playing ---- */

static const rv_bid_phase bids[] = {[READY] = RV_BID_NONE,      [ADMITTED] = RV_BID_ADMITTED, [QUEUED] = RV_BID_QUEUED,
                                    [GRANTED] = RV_BID_GRANTED, [RUNNING] = RV_BID_HOLDING,   [OUTSIDE] = RV_BID_OUTSIDE,
                                    [OVER] = RV_BID_NONE};

static void compare(world *w)
{
    const char *broken = rv_admission_check(&w->all);
    if (broken) fail_msg("RV_SEED=%llu: %s", (unsigned long long)w->seed, broken);
    for (uint32_t k = 0; k < RUNS; k++)
        for (uint32_t i = 0; i < w->runs[k].count; i++) {
            const node_story *n = &w->runs[k].nodes[i];
            rv_bid_phase phase = rv_admit_phase(&w->runs[k].admit, i), wanted = has_claims(n) ? bids[n->phase] : RV_BID_NONE;
            if (phase != wanted)
                fail_msg("RV_SEED=%llu: node %u of run %u is in phase %d, the model says %d", (unsigned long long)w->seed, i, k, phase,
                         wanted);
            const rv_admit *holder;
            uint32_t node;
            rv_str mutex;
            assert_int_equal(rv_admit_waits_for(&w->runs[k].admit, i, &holder, &node, &mutex), n->phase == QUEUED);
            if (n->phase != QUEUED) continue;
            const node_story *other = &w->runs[holder == &w->runs[1].admit].nodes[node];
            assert_true(clash(n, other) && mutex.size == 2 && n->claims[mutex.at[1] - '0'] && other->claims[mutex.at[1] - '0']);
        }
}

static void start(run_story *r, uint32_t node)
{
    assert_int_equal(drive_step(r->d, &(rv_event){.type = RV_EVENT_ADMITTED, .node = node}), RV_ANSWER_TAKEN);
    r->nodes[node].phase = RUNNING;
}

/* Phase two: start, or wait in the row. */
static void claim(world *w, run_story *r, uint32_t node)
{
    node_story *n = &r->nodes[node];
    bool was_granted = n->is_granted, has_all = rv_admit_claim(&r->admit, node);
    n->ticket = was_granted ? n->ticket : ++w->clock;
    assert_int_equal(has_all, was_granted || is_free(w, n));
    if (has_all) start(r, node);
    else n->phase = QUEUED;
}

static bool admit_one(world *w, run_story *r)
{
    uint32_t node = rv_admit_next(&r->admit);
    bool by_grant = some_granted_fits(w, r);
    if (!by_grant) assert_int_equal(node, next_ready(w, r));
    if (node == RV_NONE) return false;
    node_story *n = &r->nodes[node];
    if (by_grant) assert_true(n->phase == GRANTED); /* before all others [A4] */
    assert_true(fits(w, r, n));
    rv_admit_take(&r->admit, node);
    n->phase = ADMITTED;
    if (!has_claims(n)) start(r, node);
    else if (rv_rng_below(&w->rng, 4)) claim(w, r, node); /* else it looks into the cache for a while */
    return true;
}

/* What happens to a node that is admitted, waits or runs. */
static void happen(world *w, run_story *r, uint32_t node)
{
    node_story *n = &r->nodes[node];
    bool is_hit = n->phase == ADMITTED && rv_rng_below(&w->rng, 2), has_had = n->phase == RUNNING;
    if (n->phase == ADMITTED && !is_hit) {
        claim(w, r, node);
        return;
    }
    if (n->phase == OUTSIDE) {
        rv_admit_retry(&r->admit, node);
        n->phase = GRANTED, n->is_granted = true;
        return;
    }
    if (n->phase == RUNNING || is_hit) {
        rv_admit_end(&r->admit, node, has_had); /* [A6]: then it is reported */
        rv_event end = {.type = is_hit ? RV_EVENT_CACHED : RV_EVENT_COMPLETED, .node = node, .epoch = r->d->run->nodes[node].epoch,
                        .state = RV_ATTEMPT_OK};
        assert_int_equal(drive_step(r->d, &end), RV_ANSWER_TAKEN);
        n->phase = OVER;
        grant_all(w);
    }
}

static void cancel(world *w, run_story *r)
{
    drive_step(r->d, &(rv_event){.type = RV_EVENT_CANCEL, .node = RV_NONE});
    for (uint32_t i = 0; i < r->count; i++) {
        if (r->nodes[i].phase == RUNNING || r->nodes[i].phase == OVER) continue;
        rv_admit_end(&r->admit, i, false);
        r->nodes[i].phase = OVER;
    }
    grant_all(w);
}

static void play(uint64_t seed)
{
    world w = {.seed = seed, .rng = seed};
    w.cap = w.all.cap = rv_rng_below(&w.rng, 2) ? 0 : 1 + rv_rng_below(&w.rng, 5);
    for (uint32_t k = 0; k < RUNS; k++) {
        run_story *r = &w.runs[k];
        rv_buf text = {0};
        r->count = 1 + rv_rng_below(&w.rng, NODES_MAX);
        r->cap = 1 + rv_rng_below(&w.rng, 6);
        write_text(&w, r, &text);
        r->d = drive_new(text.at);
        r->d->is_quick = true;
        rv_buf_deinit(&text);
        rv_admit_open(&r->admit, &w.all, r->d->run, r->cap, RV_STR("/root"));
    }
    for (uint32_t step = 0; step < 400; step++) {
        run_story *r = &w.runs[rv_rng_below(&w.rng, RUNS)];
        if (rv_rng_below(&w.rng, 2)) (void)admit_one(&w, r);
        else if (rv_rng_below(&w.rng, 200) == 0) cancel(&w, r);
        else happen(&w, r, rv_rng_below(&w.rng, r->count));
        compare(&w);
    }
    for (uint32_t k = 0; k < RUNS; k++) { /* give all back, then both end */
        for (uint32_t i = 0; i < w.runs[k].count; i++)
            if (!has_claims(&w.runs[k].nodes[i]) && w.runs[k].nodes[i].phase == RUNNING) rv_admit_end(&w.runs[k].admit, i, true);
        rv_admit_close(&w.runs[k].admit);
        drive_free(w.runs[k].d);
    }
    assert_int_equal(w.all.used, 0);
    for (uint32_t t = 0; t < w.all.tags.count; t++) assert_int_equal(w.all.tags.at[t].used, 0);
    rv_admission_deinit(&w.all);
}

static void a4__admission_agrees_with_the_obvious_model(void **state)
{
    const char *given = getenv("RV_SEED");
    uint64_t first = given ? strtoull(given, NULL, 10) : 1, count = given ? 1 : 10000;
    for (uint64_t seed = first; seed < first + count; seed++) play(seed);
    print_message("%llu stories\n", (unsigned long long)count);
}

/* ---- by name ---- */

static void a2__mutexes_are_not_consulted_when_slots_are_given(void **state)
{
    fixture f = fixture_of("a: $m; b: $m; c", 2);
    rv_admit_take(f.admit, rv_admit_next(f.admit));
    assert_true(rv_admit_claim(f.admit, 0));
    assert_int_equal(rv_admit_next(f.admit), 1); /* it may look into the cache, though it could not start */
    rv_admit_take(f.admit, 1);
    assert_int_equal(rv_admit_next(f.admit), RV_NONE);
    fixture_end(&f);
}

static void a4__a_miss_whose_mutex_is_held_gives_its_slot_back(void **state)
{
    fixture f = fixture_of("a: $m; b: $m; c", 2);
    rv_admit_take(f.admit, 0);
    assert_true(rv_admit_claim(f.admit, 0));
    rv_admit_take(f.admit, 1);
    assert_false(rv_admit_claim(f.admit, 1));
    assert_int_equal(rv_admit_next(f.admit), 2); /* which takes the slot that it gave back */
    assert_string_equal(rv_run_check(f.d->run) ? rv_run_check(f.d->run) : "", "");
    fixture_end(&f);
}

static void a4__who_is_granted_goes_first(void **state)
{
    fixture f = fixture_of("a: $m; b: $m; c; d", 1);
    rv_admit_take(f.admit, 0);
    assert_true(rv_admit_claim(f.admit, 0));
    drive_admit(f.d, "a");
    rv_admit_outside(f.admit, 0); /* as if the machine's lock were held: a keeps m, not its slot */
    rv_admit_take(f.admit, 1);
    assert_false(rv_admit_claim(f.admit, 1));
    rv_admit_end(f.admit, 0, false);
    assert_int_equal(rv_admit_phase(f.admit, 1), RV_BID_GRANTED);
    assert_int_equal(rv_admit_next(f.admit), 1); /* before c and d */
    fixture_end(&f);
}

static void a5__runs_of_one_root_share_a_mutex_and_those_of_another_do_not(void **state)
{
    rv_admission all = {0};
    drive *d[3] = {drive_new("a: $m"), drive_new("a: $m"), drive_new("a: $m")};
    const char *const roots[] = {"/one", "/one", "/two"};
    rv_admit admits[3];
    for (uint32_t i = 0; i < 3; i++) {
        rv_admit_open(&admits[i], &all, d[i]->run, 4, rv_str_of(roots[i]));
        rv_admit_take(&admits[i], 0);
        assert_int_equal(rv_admit_claim(&admits[i], 0), i != 1);
    }
    rv_admit_close(&admits[0]); /* a run that goes gives back what it holds */
    assert_int_equal(rv_admit_phase(&admits[1], 0), RV_BID_GRANTED);
    for (uint32_t i = 1; i < 3; i++) rv_admit_close(&admits[i]);
    for (uint32_t i = 0; i < 3; i++) drive_free(d[i]);
    rv_admission_deinit(&all);
}

static void a3__a_hit_settles_its_node_without_an_attempt(void **state)
{
    drive *d = drive_new("a: $m; b: a when ${a.x} == 1");
    rv_event hit = {.type = RV_EVENT_CACHED, .node = 0, .exit_status = 0, .key = RV_STR("sha256:00"), .value = RV_STR("{\"x\":1}")};
    assert_int_equal(drive_step(d, &hit), RV_ANSWER_TAKEN);
    assert_string_equal(drive_says(d, "a"), "succeeded cache");
    assert_int_equal(d->run->nodes[0].number, 0);
    assert_int_equal(d->run->nodes[0].exit_status, 0);
    assert_string_equal(drive_says(d, "b"), "ready");
    assert_int_equal(drive_step(d, &hit), RV_ANSWER_STALE); /* it has settled */
    hit.node = 1;
    drive_step(d, &(rv_event){.type = RV_EVENT_CANCEL, .node = RV_NONE});
    assert_int_equal(drive_step(d, &hit), RV_ANSWER_STALE); /* called off while it was looked up [A11] */
    drive_free(d);
}

/* ---- violations [A8] ---- */

static rv_event overlap(drive *d, const char *node, const char *other)
{
    return (rv_event){.type = RV_EVENT_VIOLATION, .node = rv_graph_text_node(d->graph, node), .state = RV_VIOLATION_OVERLAP,
                      .root = rv_graph_text_node(d->graph, other) + 1, .key = RV_STR("out/x")};
}

static void a8__a_violation_skips_what_has_not_begun_and_lets_the_rest_finish(void **state)
{
    drive *d = drive_new("a; b; c; d: a; on.failure: !shell; on.success: !shell");
    rv_buf words = {0};
    drive_ok(d, "a");
    drive_admit(d, "b");
    rv_event event = overlap(d, "b", "a");
    assert_int_equal(drive_step(d, &event), RV_ANSWER_TAKEN);
    assert_string_equal(drive_says(d, "a"), "succeeded"); /* what finished stays finished */
    assert_string_equal(drive_says(d, "b"), "running");
    assert_string_equal(drive_says(d, "c"), "skipped violation");
    assert_string_equal(drive_says(d, "d"), "skipped violation");
    assert_int_equal(drive_step(d, &event), RV_ANSWER_STALE); /* one is enough */
    drive_complete(d, "b", RV_ATTEMPT_OK, RV_DETAIL_NONE, 0);
    assert_string_equal(drive_says(d, "b"), "succeeded");
    assert_string_equal(drive_says(d, "on.failure"), "ready"); /* it has failed, though no node has */
    drive_ok(d, "on.failure");
    assert_int_equal(d->run->status, RV_RUN_ERROR);
    rv_run_violation_words(d->run, &words);
    assert_string_equal(words.at, "`a` and `b` both made out/x");
    rv_buf_deinit(&words);
    drive_free(d);
}

static void a8__a_violation_outlives_an_interrupt(void **state)
{
    drive *d = drive_new("a; b: a");
    rv_buf words = {0};
    drive_admit(d, "a");
    rv_event event = overlap(d, "a", "b");
    event.state = RV_VIOLATION_CYCLE;
    drive_step(d, &(rv_event){.type = RV_EVENT_INTERRUPT, .node = RV_NONE, .signal = 2});
    assert_int_equal(drive_step(d, &event), RV_ANSWER_TAKEN);
    drive_complete(d, "a", RV_ATTEMPT_OK, RV_DETAIL_NONE, 0);
    assert_int_equal(d->run->status, RV_RUN_INTERRUPTED);
    drive_step(d, &(rv_event){.type = RV_EVENT_RESUME, .node = RV_NONE});
    assert_string_equal(drive_says(d, "b"), "skipped violation");
    assert_int_equal(d->run->status, RV_RUN_ERROR);
    rv_run_violation_words(d->run, &words);
    assert_string_equal(words.at, "`b` and `a` are a circle: the second made out/x, which the first had read");
    rv_buf_deinit(&words);
    drive_free(d);
}

/* Found by the explorer: what was ready or waiting when the interrupt came began after the resume. */
static void a8__a_violation_during_an_interrupt_skips_what_had_not_begun_on_the_resume(void **state)
{
    drive *d = drive_new("a; b; c: !approve; e: %attempts=2 %delay=10");
    drive_admit(d, "a");
    drive_fail(d, "e", 1);
    assert_string_equal(drive_says(d, "e"), "waiting timer");
    drive_step(d, &(rv_event){.type = RV_EVENT_INTERRUPT, .node = RV_NONE, .signal = 2});
    rv_event event = overlap(d, "a", "b");
    assert_int_equal(drive_step(d, &event), RV_ANSWER_TAKEN);
    drive_complete(d, "a", RV_ATTEMPT_OK, RV_DETAIL_NONE, 0);
    drive_crash(d);
    drive_step(d, &(rv_event){.type = RV_EVENT_RESUME, .node = RV_NONE});
    assert_string_equal(drive_says(d, "b"), "skipped violation");
    assert_string_equal(drive_says(d, "c"), "skipped violation");
    assert_string_equal(drive_says(d, "e"), "skipped violation");
    assert_int_equal(d->run->status, RV_RUN_ERROR);
    drive_free(d);
}

static void a8__what_runs_finishes_and_is_not_tried_again_after_a_violation(void **state)
{
    drive *d = drive_new("a: %attempts=3; b: %lost_max=3; c: !reduce %attempts=3; on.failure: %attempts=2");
    drive_admit(d, "a");
    drive_admit(d, "b");
    rv_event event = overlap(d, "a", "b");
    drive_step(d, &event);
    drive_complete(d, "a", RV_ATTEMPT_ERROR, RV_DETAIL_EXIT, 1);
    assert_string_equal(drive_says(d, "a"), "failed exit");
    drive_lost(d, "b", RV_LOST_WAS_STARTED);
    assert_string_equal(drive_says(d, "b"), "skipped violation");
    drive_complete(d, "c", RV_ATTEMPT_ERROR, RV_DETAIL_REDUCER, -1);
    drive_fail(d, "on.failure", 1);
    assert_string_equal(drive_says(d, "on.failure"), "ready"); /* handlers go on as ever */
    drive_admit(d, "on.failure");
    drive_lost(d, "on.failure", RV_LOST_NEVER_STARTED);
    drive_ok(d, "on.failure");
    assert_int_equal(d->run->status, RV_RUN_ERROR);
    drive_free(d);
}

static void a8__a_violation_counts_once_and_while_the_graph_goes_on(void **state)
{
    drive *d = drive_new_bare("a; b; c; on.failure");
    rv_event event = overlap(d, "a", "b");
    rv_buf words = {0};
    assert_int_equal(drive_step(d, &event), RV_ANSWER_STALE); /* it has not begun */
    drive_signal(d, RV_EVENT_LOAD);
    drive_admit(d, "a");
    drive_signal(d, RV_EVENT_FAIL_FAST);
    drive_fail(d, "b", 1);
    rv_run_violation_words(d->run, &words);
    assert_int_equal(words.size, 0);
    assert_string_equal(drive_says(d, "c"), "skipped fail_fast");
    assert_int_equal(drive_step(d, &event), RV_ANSWER_TAKEN); /* what failed fast may be at odds, too */
    drive_signal(d, RV_EVENT_INTERRUPT);
    assert_int_equal(drive_step(d, &event), RV_ANSWER_STALE);
    drive_complete(d, "a", RV_ATTEMPT_OK, RV_DETAIL_NONE, 0);
    drive_signal(d, RV_EVENT_RESUME);
    assert_string_equal(drive_says(d, "on.failure"), "ready");
    drive_free(d);
    d = drive_new("a; b; on.success");
    event = overlap(d, "a", "b");
    drive_ok(d, "a");
    drive_ok(d, "b");
    assert_string_equal(drive_says(d, "on.success"), "ready");
    assert_int_equal(drive_step(d, &event), RV_ANSWER_STALE); /* its handlers have been told that all is well */
    drive_free(d);
}

static void a8__a_journal_has_one_violation_of_nodes_that_there_are(void **state)
{
    drive *d = drive_new("a; b");
    rv_event event = overlap(d, "a", "b");
    for (uint32_t root = 0; root < 4; root += 3) {
        event.root = root;
        assert_int_equal(rv_run_apply(d->run, &event, NULL, NULL), RV_CORRUPT);
    }
    event = overlap(d, "a", "b");
    event.state = RV_VIOLATION_COUNT;
    assert_int_equal(rv_run_apply(d->run, &event, NULL, NULL), RV_CORRUPT);
    event.state = RV_VIOLATION_OVERLAP;
    drive_step(d, &event);
    assert_int_equal(rv_run_apply(d->run, &event, NULL, NULL), RV_CORRUPT);
    drive_free(d);
}

static void a3__no_hit_is_taken_while_an_interrupt_puts_things_back(void **state)
{
    drive *d = drive_new("a; b");
    rv_event hit = {.type = RV_EVENT_CACHED, .node = 1, .key = RV_STR("sha256:00")};
    drive_admit(d, "a");
    drive_signal(d, RV_EVENT_INTERRUPT);
    assert_int_equal(drive_step(d, &hit), RV_ANSWER_STALE);
    drive_complete(d, "a", RV_ATTEMPT_OK, RV_DETAIL_NONE, 0);
    drive_signal(d, RV_EVENT_RESUME);
    assert_int_equal(drive_step(d, &hit), RV_ANSWER_TAKEN); /* it is looked up again */
    assert_int_equal(d->run->status, RV_RUN_OK);
    drive_free(d);
}

static void a8__what_is_no_violation_is_refused(void **state)
{
    drive *d = drive_new("a; b");
    rv_event event = overlap(d, "a", "b");
    event.root = 9;
    assert_int_equal(drive_step(d, &event), RV_ANSWER_ILLEGAL);
    event.root = 0;
    assert_int_equal(drive_step(d, &event), RV_ANSWER_ILLEGAL);
    event = overlap(d, "a", "b");
    event.state = RV_VIOLATION_COUNT;
    assert_int_equal(drive_step(d, &event), RV_ANSWER_ILLEGAL);
    event = overlap(d, "a", "b");
    event.key = (rv_str){NULL, 0};
    assert_int_equal(drive_step(d, &event), RV_ANSWER_ILLEGAL);
    drive_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a4__admission_agrees_with_the_obvious_model),
        cmocka_unit_test(a2__mutexes_are_not_consulted_when_slots_are_given),
        cmocka_unit_test(a4__a_miss_whose_mutex_is_held_gives_its_slot_back),
        cmocka_unit_test(a4__who_is_granted_goes_first),
        cmocka_unit_test(a5__runs_of_one_root_share_a_mutex_and_those_of_another_do_not),
        cmocka_unit_test(a8__a_violation_skips_what_has_not_begun_and_lets_the_rest_finish),
        cmocka_unit_test(a8__a_violation_outlives_an_interrupt),
        cmocka_unit_test(a8__a_violation_during_an_interrupt_skips_what_had_not_begun_on_the_resume),
        cmocka_unit_test(a8__what_runs_finishes_and_is_not_tried_again_after_a_violation),
        cmocka_unit_test(a8__a_violation_counts_once_and_while_the_graph_goes_on),
        cmocka_unit_test(a8__a_journal_has_one_violation_of_nodes_that_there_are),
        cmocka_unit_test(a3__no_hit_is_taken_while_an_interrupt_puts_things_back),
        cmocka_unit_test(a8__what_is_no_violation_is_refused),
        cmocka_unit_test(a3__a_hit_settles_its_node_without_an_attempt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
