/* test_oracle.c: 10,000 stories, each lived through by the kernel under random schedules (order of completion, number of
 * slots, early answers, duplicates, late results, interrupts, crashes), each ending as the oracle says.
 *
 * RV_SEED=n plays one story again and prints it; RV_STORIES=n plays that many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "drive.h"
#include "oracle.h"

#define STORIES 10000
#define SCHEDULES 2

typedef struct world {
    const story *s;
    drive *d;
    uint64_t seed;             /* of the schedule */
    rv_admission all;
    rv_admit admit;
    uint32_t node_at[STORY_NODES_MAX];   /* graph index → story index */
    uint32_t fates_met[STORY_NODES_MAX]; /* by graph index, like all that follows */
    uint32_t unknowns_met[STORY_NODES_MAX];
    bool has_trouble;          /* this schedule has interrupts and crashes */
    uint32_t steps;
} world;

static bool one_in(world *w, uint32_t n) { return rv_rng_below(&w->seed, n) == 0; }

static const fate *next_fate(const world *w, uint32_t node)
{
    const story_node *told = &w->s->nodes[w->node_at[node]];
    return &told->fates[RV_MIN(w->fates_met[node], told->fate_count - 1)];
}

static rv_answer give(world *w, const rv_event *event)
{
    w->d->merges_rows = one_in(w, 3);
    w->d->now.engine_ms += rv_rng_below(&w->seed, 3);
    return drive_step(w->d, event);
}

static bool needs_slot(const world *w, uint32_t node) { return rv_kind_needs_slot((rv_kind)w->d->graph->nodes[node].kind); }

/* ---- what may happen to a node ---- */

static void admit_one(world *w)
{
    uint32_t node = rv_admit_next(&w->admit);
    rv_event event = {.type = RV_EVENT_ADMITTED, .node = node};
    if (node == RV_NONE) return;
    rv_admit_take(&w->admit, node);
    assert_int_equal(give(w, &event), RV_ANSWER_TAKEN);
    assert_int_equal(w->d->out.effects.at[w->d->step_effects].type, RV_EFFECT_SPAWN);
}

static void end_attempt(world *w, const rv_event *event)
{
    uint32_t node = event->node;
    rv_admit_end(&w->admit, node, needs_slot(w, node)); /* [A6] */
    assert_int_equal(give(w, event), RV_ANSWER_TAKEN);
    if (!one_in(w, 8)) return;
    rv_event again = *event; /* a duplicate [K62] */
    w->d->is_quick = false;
    assert_int_equal(give(w, &again), RV_ANSWER_STALE);
    w->d->is_quick = true;
}

static rv_event completion_of(const world *w, uint32_t node, const fate *f, char text[24])
{
    static const rv_attempt_state states[] = {[FATE_OK] = RV_ATTEMPT_OK, [FATE_CACHED] = RV_ATTEMPT_OK, [FATE_PARTIAL] = RV_ATTEMPT_PARTIAL,
        [FATE_DENIED] = RV_ATTEMPT_DENIED, [FATE_EXIT] = RV_ATTEMPT_ERROR, [FATE_SIGNAL] = RV_ATTEMPT_ERROR,
        [FATE_TIMEOUT] = RV_ATTEMPT_TIMEOUT,
        [FATE_UNAVAILABLE] = RV_ATTEMPT_ERROR, [FATE_START] = RV_ATTEMPT_ERROR, [FATE_SCHEMA] = RV_ATTEMPT_ERROR};
    static const rv_detail details[] = {[FATE_OK] = RV_DETAIL_NONE, [FATE_CACHED] = RV_DETAIL_CACHE, [FATE_PARTIAL] = RV_DETAIL_NONE,
        [FATE_DENIED] = RV_DETAIL_DENIED, [FATE_EXIT] = RV_DETAIL_EXIT, [FATE_SIGNAL] = RV_DETAIL_SIGNAL,
        [FATE_TIMEOUT] = RV_DETAIL_TIMEOUT,
        [FATE_UNAVAILABLE] = RV_DETAIL_UNAVAILABLE, [FATE_START] = RV_DETAIL_START, [FATE_SCHEMA] = RV_DETAIL_SCHEMA};
    rv_event event = {.type = RV_EVENT_COMPLETED, .node = node, .epoch = w->d->run->nodes[node].epoch, .state = states[f->kind],
                      .detail = details[f->kind], .exit_status = -1, .signal = -1};
    if (f->kind == FATE_OK || f->kind == FATE_CACHED) event.exit_status = 0;
    if (f->kind == FATE_EXIT) event.exit_status = f->exit_status;
    if (event.state == RV_ATTEMPT_ERROR) event.text = RV_STR("boom");
    if (f->number >= 0) event.value = (rv_str){text, (size_t)snprintf(text, 24, "{\"n\":%d}", f->number)};
    if (f->has_output) event.output = RV_STR("out");
    return event;
}

/* What happens to the attempt of a running node: the next thing of its story. */
static void meet_fate(world *w, uint32_t node)
{
    const fate *f = next_fate(w, node);
    char text[24];
    bool has_started = w->d->run->nodes[node].attempt == RV_ATTEMPT_RUNNING;
    bool is_at_most_once = w->s->nodes[w->node_at[node]].is_at_most_once;
    rv_event event = {.type = RV_EVENT_LOST, .node = node, .epoch = w->d->run->nodes[node].epoch};
    w->fates_met[node]++;
    if (f->kind == FATE_VOID && !has_started) event.flags = is_at_most_once || one_in(w, 2) ? RV_LOST_NEVER_STARTED : 0;
    else if (f->kind == FATE_VOID) return; /* it did start: this part of the story is left out; it counts for nothing */
    else if (f->kind == FATE_LOST) event.flags = has_started && one_in(w, 2) ? 0 : RV_LOST_WAS_STARTED;
    else event = completion_of(w, node, f, text);
    end_attempt(w, &event);
}

static void start(world *w, uint32_t node)
{
    rv_event event = {.type = RV_EVENT_STARTED, .node = node, .epoch = w->d->run->nodes[node].epoch, .pid = 77};
    if (w->d->run->nodes[node].attempt == RV_ATTEMPT_STARTING) assert_int_equal(give(w, &event), RV_ANSWER_TAKEN);
}

static void decide_wait(world *w, uint32_t node)
{
    const story_node *told = &w->s->nodes[w->node_at[node]];
    rv_event event = {.type = RV_EVENT_DECIDED, .node = node};
    rv_detail detail = (rv_detail)w->d->run->nodes[node].detail;
    if (detail == RV_DETAIL_TIMER) return;
    if (detail == RV_DETAIL_UNKNOWN_OUTCOME) {
        event.state = told->decisions[RV_MIN(w->unknowns_met[node], STORY_FATES_MAX - 1u)];
        w->unknowns_met[node]++;
    } else {
        if (told->person == PERSON_SILENT) return;
        if (detail == RV_DETAIL_INPUT) event.type = RV_EVENT_ANSWER;
        else event.state = told->person == PERSON_YES ? RV_DECISION_APPROVE : RV_DECISION_REJECT;
        event.value = told->person == PERSON_YES ? RV_STR("{\"n\":4}") : RV_STR("{\"n\":1}");
    }
    assert_int_equal(give(w, &event), RV_ANSWER_TAKEN);
}

/* [K60] the answer comes before the question. Whether it will be asked at all is not known yet. */
static void answer_early(world *w, uint32_t node)
{
    const story_node *told = &w->s->nodes[w->node_at[node]];
    rv_event event = {.type = RV_EVENT_ANSWER, .node = node};
    event.value = told->person == PERSON_YES ? RV_STR("{\"n\":4}") : RV_STR("{\"n\":1}");
    if (told->kind != RV_KIND_INPUT || told->person == PERSON_SILENT) return;
    bool is_kept = w->d->run->nodes[node].flags & RV_NODE_R_KEPT;
    assert_int_equal(give(w, &event), is_kept ? RV_ANSWER_STALE : RV_ANSWER_TAKEN);
}

static void touch(world *w, uint32_t node)
{
    switch ((rv_node_state)w->d->run->nodes[node].state) {
    case RV_NODE_RUNNING:
        if (one_in(w, 2)) start(w, node);
        else meet_fate(w, node);
        break;
    case RV_NODE_WAITING: decide_wait(w, node); break;
    case RV_NODE_PENDING: if (one_in(w, 10)) answer_early(w, node); break;
    case RV_NODE_READY: case RV_NODE_SUCCEEDED: case RV_NODE_PARTIAL: case RV_NODE_FAILED: case RV_NODE_DENIED: case RV_NODE_SKIPPED:
    case RV_NODE_CANCELLED: case RV_NODE_STATE_COUNT: break;
    }
}

/* ---- trouble ---- */

/* Something late, from an attempt that is over. */
static void say_late(world *w, uint32_t node)
{
    rv_event event = {.type = one_in(w, 2) ? RV_EVENT_COMPLETED : RV_EVENT_LOST, .node = node, .epoch = w->d->run->nodes[node].epoch - 1,
                      .state = RV_ATTEMPT_OK};
    w->d->is_quick = false;
    assert_int_equal(give(w, &event), RV_ANSWER_STALE);
    w->d->is_quick = true;
}

/* What runs ends in its grace, is stopped, or is found dead afterwards. */
static void stop_one(world *w, uint32_t node)
{
    rv_event event = {.type = RV_EVENT_LOST, .node = node, .epoch = w->d->run->nodes[node].epoch, .flags = RV_LOST_STOPPED};
    const rv_graph *graph = w->d->graph; /* stopped half-way, what may happen once is unknown: test_stop.c has that */
    bool is_once = graph->policies[graph->nodes[node].policy].delivery == RV_DELIVERY_AT_MOST_ONCE;
    if (is_once || one_in(w, 3)) { meet_fate(w, node); return; }
    if (one_in(w, 2)) event = (rv_event){.type = RV_EVENT_COMPLETED, .node = node, .epoch = event.epoch, .state = RV_ATTEMPT_CANCELLED,
                                         .detail = RV_DETAIL_SIGNALLED, .exit_status = -1};
    end_attempt(w, &event);
}

static void resume(world *w) { give(w, &(rv_event){.type = RV_EVENT_RESUME, .node = RV_NONE}); }

static void crash(world *w)
{
    const rv_graph *graph = w->d->graph;
    drive_crash(w->d);
    uint32_t cap = w->admit.cap;
    rv_admit_close(&w->admit);
    rv_admission_deinit(&w->all);
    w->all = (rv_admission){0};
    rv_admit_open(&w->admit, &w->all, w->d->run, cap, RV_STR("/root")); /* slots are not journaled: rebuilt from what runs */
    for (uint32_t node = 0; node < graph->node_count; node++)
        if (w->d->run->nodes[node].state == RV_NODE_RUNNING && needs_slot(w, node))
            assert_true(rv_admit_restore(&w->admit, node));
    for (uint32_t node = 0; node < graph->node_count; node++) {
        const rv_node_run *at = &w->d->run->nodes[node];
        if (at->state != RV_NODE_RUNNING || at->attempt != RV_ATTEMPT_STARTING || one_in(w, 2)) continue; /* others are found alive */
        rv_event event = {.type = RV_EVENT_LOST, .node = node, .epoch = at->epoch, .flags = RV_LOST_NEVER_STARTED};
        end_attempt(w, &event);
    }
    resume(w);
}

static void interrupt(world *w)
{
    bool is_interrupted = false;
    give(w, &(rv_event){.type = RV_EVENT_INTERRUPT, .node = RV_NONE, .signal = 15});
    while (!is_interrupted) {
        is_interrupted = w->d->run->status == RV_RUN_INTERRUPTED;
        for (uint32_t node = 0; node < w->d->graph->node_count && !is_interrupted; node++) {
            if (w->d->run->nodes[node].state == RV_NODE_RUNNING && one_in(w, 2)) stop_one(w, node);
            if (w->d->run->nodes[node].state == RV_NODE_WAITING && one_in(w, 4)) decide_wait(w, node);
        }
        if (one_in(w, 4)) { crash(w); return; } /* which resumes */
    }
    assert_int_equal(w->d->run->running, 0);
    if (one_in(w, 2)) crash(w);
    else resume(w);
}

static void make_trouble(world *w)
{
    uint32_t node = rv_rng_below(&w->seed, w->d->graph->node_count);
    if (one_in(w, 10) && w->d->run->nodes[node].epoch) say_late(w, node);
    if (!w->has_trouble || w->d->run->status != RV_RUN_RUNNING) return;
    if (one_in(w, 60)) crash(w);
    else if (one_in(w, 60)) interrupt(w);
    else if (one_in(w, 40)) drive_check_replay(w->d);
}

/* ---- a life ---- */

static void pass_time(world *w)
{
    int64_t due_ms = rv_run_due_ms(w->d->run);
    if (due_ms == 0) return;
    w->d->merges_rows = one_in(w, 3);
    assert_int_equal(drive_until(w->d, due_ms), RV_ANSWER_TAKEN);
}

static void live(world *w)
{
    while (!rv_run_state_is_terminal((rv_run_state)w->d->run->status)) {
        if (++w->steps > 200000) fail_msg("seed %llu: it does not end", (unsigned long long)w->d->seed);
        uint32_t choice = rv_rng_below(&w->seed, 8);
        if (choice < 3) admit_one(w);
        else if (choice < 7) touch(w, rv_rng_below(&w->seed, w->d->graph->node_count));
        else if (one_in(w, 6)) pass_time(w);
        else make_trouble(w);
    }
}

static void compare_node(const world *w, const ending *endings, uint32_t node)
{
    uint32_t index = w->node_at[node];
    const ending *e = &endings[index];
    const rv_node_run *at = &w->d->run->nodes[node];
    uint32_t root = at->root ? w->node_at[at->root - 1] + 1 : 0;
    char name[16];
    if (at->state == e->state && at->detail == e->detail && root == e->root && at->exit_status == e->exit_status) return;
    print_error("%s: %s %s root %u exit %d; the oracle says %s %s root %u exit %d\n", story_name(w->s, index, name),
                rv_node_state_name((rv_node_state)at->state), rv_detail_name((rv_detail)at->detail), root, at->exit_status,
                rv_node_state_name(e->state), rv_detail_name(e->detail), e->root, e->exit_status);
    fail_msg("RV_SEED=%llu; graph: %.*s", (unsigned long long)w->d->seed, RV_FMT(w->d->graph->definition));
}

static void play(const story *s, const char *text, const ending *endings, rv_run_state outcome, uint64_t story_seed, uint32_t schedule)
{
    world w = {.s = s, .seed = story_seed * 1000 + schedule, .has_trouble = schedule % 2 == 1};
    w.d = drive_new(text);
    w.d->seed = story_seed;
    w.d->is_quick = true;
    for (uint32_t i = 0; i < s->count; i++) w.node_at[s->nodes[i].place] = i;
    rv_admit_open(&w.admit, &w.all, w.d->run, 1 + rv_rng_below(&w.seed, one_in(&w, 2) ? 3 : 40), RV_STR("/root"));
    live(&w);
    for (uint32_t node = 0; node < s->count; node++) compare_node(&w, endings, node);
    if (w.d->run->status != outcome)
        fail_msg("RV_SEED=%llu: run %s", (unsigned long long)story_seed, rv_run_state_name((rv_run_state)w.d->run->status));
    assert_int_equal(w.admit.used, 0);
    rv_admit_close(&w.admit);
    rv_admission_deinit(&w.all);
    drive_free(w.d); /* which compares the replay byte for byte */
}

static void oracle__every_schedule_ends_as_the_story_says(void **state)
{
    static story s;
    static ending endings[STORY_NODES_MAX];
    const char *given = getenv("RV_SEED"), *count = getenv("RV_STORIES");
    uint64_t first = given ? strtoull(given, NULL, 0) : 1, last = given ? first : count ? strtoull(count, NULL, 0) : STORIES;
    uint32_t seen[RV_NODE_STATE_COUNT] = {0}, causes[RV_DETAIL_COUNT] = {0};
    print_message("seeds %llu to %llu\n", (unsigned long long)first, (unsigned long long)last);
    for (uint64_t seed = first; seed <= last; seed++) {
        uint64_t rng = seed;
        rv_buf text = {0};
        story_make(&s, &rng);
        story_text(&s, &text);
        if (given) print_message("%s\n", text.at);
        rv_run_state outcome = story_end(&s, endings);
        for (uint32_t i = 0; i < s.count; i++) seen[endings[i].state]++, causes[endings[i].detail]++;
        for (uint32_t schedule = 0; schedule < SCHEDULES; schedule++) play(&s, text.at, endings, outcome, seed, schedule);
        rv_buf_deinit(&text);
    }
    if (given || count) return;
    static const rv_detail met[] = {RV_DETAIL_FRESH, RV_DETAIL_CACHE, RV_DETAIL_PERSON, RV_DETAIL_CONDITION, RV_DETAIL_UPSTREAM,
                                    RV_DETAIL_EXIT, RV_DETAIL_SIGNAL, RV_DETAIL_TIMEOUT, RV_DETAIL_START, RV_DETAIL_SCHEMA,
                                    RV_DETAIL_REJECTED, RV_DETAIL_DENIED,
                                    RV_DETAIL_LOST, RV_DETAIL_UNAVAILABLE, RV_DETAIL_VALUE, RV_DETAIL_DEADLINE};
    for (size_t i = 0; i < RV_COUNT(met); i++) /* stories in which too little happens prove too little */
        if (causes[met[i]] < 500) fail_msg("only %u nodes end with %s", causes[met[i]], rv_detail_name(met[i]));
    for (int i = RV_NODE_SUCCEEDED; i < RV_NODE_CANCELLED; i++) assert_true(seen[i] > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(oracle__every_schedule_ends_as_the_story_says)};
    return cmocka_run_group_tests_name("oracle", tests, NULL, NULL);
}
