#include "drive.h"
#include "kernel/gate.h"

#include <stdio.h>
#include <stdlib.h>

static RV_NORETURN void fail_with(const drive *d, const char *what)
{
    fprintf(stderr, "drive: %s\n  seed: %llu\n  graph: %.*s\n", what, (unsigned long long)d->seed, RV_FMT(d->graph->definition));
    abort();
}

#define EXPECT(d_, cond_, what_) do { if (!(cond_)) fail_with((d_), (what_)); } while (0)

static drive *drive_bare(const rv_graph *graph)
{
    drive *d = rv_alloc(sizeof *d);
    d->graph = graph;
    d->run = rv_run_new(d->graph);
    d->now = (rv_now){.wall_ms = 1700000000000, .engine_ms = 1000};
    return d;
}

drive *drive_new_bare(const char *text) { return drive_bare(rv_graph_text(text)); }

static drive *loaded(drive *d)
{
    rv_event load = {.type = RV_EVENT_LOAD, .seed = 42, .key = RV_STR("run-1"),
                     .value = RV_STR("{\"user\":{\"topic\":\"llamas\",\"n\":3,\"list\":[1,2,3]},\"env\":{}}")};
    EXPECT(d, drive_step(d, &load) == RV_ANSWER_TAKEN, "LOAD was refused");
    return d;
}

drive *drive_new(const char *text) { return loaded(drive_new_bare(text)); }

drive *drive_new_graph(const rv_graph *graph)
{
    drive *d = drive_bare(graph);
    d->borrows_graph = true;
    return loaded(d);
}

void drive_compile(drive *d, rv_run_compile_fn *compile, void *user)
{
    d->run->compile = d->compile = compile;
    d->run->compile_user = d->compile_user = user;
}

void drive_free(drive *d)
{
    if (!d) return;
    drive_check_replay(d);
    rv_run_free(d->run);
    if (!d->borrows_graph) rv_graph_text_free(d->graph);
    rv_out_deinit(&d->out);
    rv_buf_deinit(&d->journal);
    rv_vec_deinit(&d->rows);
    rv_vec_deinit(&d->effects);
    rv_free(d);
}

/* ---- a step ---- */

/* What the facts of a row say about the tables: which pairs were really walked. */
static void note_pairs(drive *d, const rv_run *before)
{
    const char *at = d->out.journal.at + d->step_size, *end = d->out.journal.at + d->out.journal.size;
    uint8_t *states = rv_alloc(d->run->node_count + 1), *attempts = rv_alloc(d->run->node_count + 1), status = before->status;
    for (uint32_t n = 0; n < before->node_count; n++) states[n] = before->nodes[n].state, attempts[n] = before->nodes[n].attempt;
    while (at < end) {
        rv_event event;
        EXPECT(d, rv_event_read(&at, end, &event, NULL) == RV_OK, "a fact that cannot be read back");
        if (event.type == RV_EVENT_NODE_STATE) {
            d->pairs_seen[states[event.node]][event.state] = true;
            states[event.node] = (uint8_t)event.state;
        } else if (event.type == RV_EVENT_ATTEMPT_STATE) {
            d->attempt_pairs_seen[attempts[event.node]][event.state] = true;
            attempts[event.node] = (uint8_t)event.state;
        } else if (event.type == RV_EVENT_RUN_STATE) {
            d->run_pairs_seen[status][event.state] = true;
            status = (uint8_t)event.state;
        }
    }
    rv_free(states);
    rv_free(attempts);
}

static bool is_only_notes(const drive *d)
{
    const char *at = d->out.journal.at + d->step_size, *end = d->out.journal.at + d->out.journal.size;
    uint32_t count = 0;
    while (at < end) {
        rv_event event;
        if (rv_event_read(&at, end, &event, NULL) != RV_OK || (event.type != RV_EVENT_NOTE && event.type != RV_EVENT_CLOCK)) return false;
        count += event.type == RV_EVENT_NOTE;
    }
    for (uint32_t i = d->step_effects; i < d->out.effects.count; i++)
        if (d->out.effects.at[i].type != RV_EFFECT_NOTE) return false;
    return count <= 1;
}

/* A turn that goes on adds to its row. */
static void keep_row(drive *d)
{
    rv_str added = rv_str_from(rv_buf_str(&d->out.journal), d->step_size);
    if (d->out.event_count == d->step_events) return;
    if (d->step_events == 0) {
        drive_row row = {.at = d->journal.size, .now = d->out.first_now};
        rv_vec_push(&d->rows, row);
    }
    d->rows.at[d->rows.count - 1].size += added.size;
    d->rows.at[d->rows.count - 1].event_count += d->out.event_count - d->step_events;
    rv_buf_str_add(&d->journal, added);
}

static void keep_effects(drive *d)
{
    for (uint32_t i = d->step_effects; i < d->out.effects.count; i++) {
        rv_effect effect = d->out.effects.at[i];
        if (effect.type == RV_EFFECT_SPAWN || effect.type == RV_EFFECT_REDUCE) {
            EXPECT(d, effect.epoch > d->spawned_epoch, "an effect comes twice for one key");
            d->spawned_epoch = effect.epoch;
        }
        rv_vec_push(&d->effects, effect);
    }
}

static void check_after(drive *d, const rv_event *input, rv_answer answer, const rv_buf *before)
{
    const char *broken = rv_run_check(d->run);
    rv_buf after = {0};
    if (broken) fprintf(stderr, "after %s of node %u: ", rv_event_name(input->type), input->node);
    EXPECT(d, !broken, broken);
    if (answer == RV_ANSWER_TAKEN || d->is_quick) return;
    rv_run_encode(d->run, &after);
    EXPECT(d, rv_str_eq(rv_buf_str(before), rv_buf_str(&after)), "an input that was not taken changed the state");
    EXPECT(d, answer == RV_ANSWER_STALE ? is_only_notes(d) : d->out.event_count + d->out.effects.count == d->step_events + d->step_effects,
           "an input that was not taken left more than a note");
    rv_buf_deinit(&after);
}

rv_answer drive_step(drive *d, const rv_event *input)
{
    rv_buf before = {0};
    rv_run shallow = {0};
    if (!d->is_quick) {
        rv_run_encode(d->run, &before);
        shallow = *d->run;
        shallow.nodes = memcpy(rv_alloc((d->run->node_count + 1) * sizeof *shallow.nodes), d->run->nodes,
                               d->run->node_count * sizeof *shallow.nodes);
    }
    if (!d->merges_rows) rv_out_clear(&d->out);
    d->step_size = d->out.journal.size;
    d->step_events = d->out.event_count;
    d->step_effects = d->out.effects.count;
    EXPECT(d, rv_run_reserve(d->run, &d->out, input) == RV_OK, "no room for a step");
    rv_answer answer = rv_run_step(d->run, input, d->now, &d->out);
    check_after(d, input, answer, &before);
    if (!d->is_quick) note_pairs(d, &shallow);
    keep_row(d);
    keep_effects(d);
    rv_free(shallow.nodes);
    rv_buf_deinit(&before);
    return answer;
}

/* ---- inputs by name ---- */

uint32_t drive_index(drive *d, const char *node)
{
    uint32_t index = rv_run_find(d->run, rv_str_of(node));
    EXPECT(d, index != RV_NONE, node);
    return index;
}

rv_node_run *drive_node(drive *d, const char *node) { return &d->run->nodes[drive_index(d, node)]; }

static rv_event about(drive *d, rv_event_type type, const char *node)
{
    uint32_t index = drive_index(d, node);
    return (rv_event){.type = type, .node = index, .epoch = d->run->nodes[index].epoch, .exit_status = -1, .signal = -1};
}

rv_answer drive_admit(drive *d, const char *node)
{
    rv_event event = about(d, RV_EVENT_ADMITTED, node);
    return drive_step(d, &event);
}

rv_answer drive_started(drive *d, const char *node)
{
    rv_event event = about(d, RV_EVENT_STARTED, node);
    event.pid = 4242;
    return drive_step(d, &event);
}

rv_answer drive_complete(drive *d, const char *node, rv_attempt_state state, rv_detail detail, int32_t exit_status)
{
    rv_event event = about(d, RV_EVENT_COMPLETED, node);
    event.state = state;
    event.detail = detail;
    event.exit_status = exit_status;
    return drive_step(d, &event);
}

rv_answer drive_complete_value(drive *d, const char *node, const char *value, const char *output)
{
    rv_event event = about(d, RV_EVENT_COMPLETED, node);
    event.state = RV_ATTEMPT_OK;
    event.exit_status = 0;
    event.value = rv_str_of(value);
    event.output = rv_str_of(output);
    return drive_step(d, &event);
}

rv_answer drive_usage(drive *d, const char *node, int64_t cost, uint64_t tokens, uint32_t flags)
{
    rv_event event = about(d, RV_EVENT_USAGE, node);
    event.cost = cost;
    event.tokens_in = tokens - tokens / 3;
    event.tokens_out = tokens / 3;
    event.tokens_cached = tokens / 2;
    event.flags = flags;
    return drive_step(d, &event);
}

rv_answer drive_budget(drive *d, rv_dimension dimension, int64_t amount, uint32_t flags)
{
    rv_event event = {.type = RV_EVENT_BUDGET, .node = RV_NONE, .state = dimension, .amount = amount, .flags = flags,
                      .text = RV_STR("ann")};
    return drive_step(d, &event);
}

rv_answer drive_quota(drive *d, rv_quota quota, int64_t amount)
{
    rv_event event = {.type = RV_EVENT_QUOTA, .node = RV_NONE, .state = quota, .amount = amount, .text = RV_STR("ann")};
    return drive_step(d, &event);
}

void drive_spend(drive *d, const char *node, int64_t cost, uint64_t tokens)
{
    EXPECT(d, drive_admit(d, node) == RV_ANSWER_TAKEN, node);
    EXPECT(d, drive_started(d, node) == RV_ANSWER_TAKEN, node);
    EXPECT(d, drive_usage(d, node, cost, tokens, RV_USAGE_FINAL) == RV_ANSWER_TAKEN, node);
    EXPECT(d, drive_complete(d, node, RV_ATTEMPT_OK, RV_DETAIL_NONE, 0) == RV_ANSWER_TAKEN, node);
}

rv_answer drive_lost(drive *d, const char *node, uint32_t flags)
{
    rv_event event = about(d, RV_EVENT_LOST, node);
    event.flags = flags;
    return drive_step(d, &event);
}

rv_answer drive_adopt(drive *d, const char *node)
{
    rv_event event = about(d, RV_EVENT_ADOPT, node);
    event.exit_status = 0;
    event.value = RV_STR("{\"n\":1}");
    event.output = RV_STR("out");
    event.text = RV_STR("run-0");
    return drive_step(d, &event);
}

rv_answer drive_answer(drive *d, const char *node, const char *value)
{
    rv_event event = about(d, RV_EVENT_ANSWER, node);
    event.value = rv_str_of(value);
    return drive_step(d, &event);
}

rv_answer drive_decide(drive *d, const char *node, rv_decision decision, const char *value)
{
    rv_event event = about(d, RV_EVENT_DECIDED, node);
    event.state = decision;
    event.value = rv_str_of(value);
    return drive_step(d, &event);
}

rv_answer drive_tick(drive *d, int64_t later_ms)
{
    d->now.wall_ms += later_ms;
    d->now.engine_ms += later_ms;
    return drive_signal(d, RV_EVENT_TICK);
}

rv_answer drive_until(drive *d, int64_t engine_ms) { return drive_tick(d, RV_MAX(engine_ms - d->now.engine_ms, 0)); }

rv_answer drive_signal(drive *d, rv_event_type type)
{
    rv_event event = {.type = type, .node = RV_NONE, .signal = type == RV_EVENT_INTERRUPT ? 2 : 0};
    return drive_step(d, &event);
}

rv_answer drive_event(drive *d, const char *name, const char *value)
{
    rv_event event = {.type = RV_EVENT_SIGNAL, .node = RV_NONE, .key = rv_str_of(name), .value = rv_str_of(value), .text = RV_STR("ann")};
    return drive_step(d, &event);
}

void drive_ok(drive *d, const char *node)
{
    EXPECT(d, drive_admit(d, node) == RV_ANSWER_TAKEN, node);
    EXPECT(d, drive_started(d, node) == RV_ANSWER_TAKEN, node);
    EXPECT(d, drive_complete(d, node, RV_ATTEMPT_OK, RV_DETAIL_NONE, 0) == RV_ANSWER_TAKEN, node);
}

void drive_fail(drive *d, const char *node, int32_t exit_status)
{
    EXPECT(d, drive_admit(d, node) == RV_ANSWER_TAKEN, node);
    EXPECT(d, drive_started(d, node) == RV_ANSWER_TAKEN, node);
    EXPECT(d, drive_complete(d, node, RV_ATTEMPT_ERROR, RV_DETAIL_EXIT, exit_status) == RV_ANSWER_TAKEN, node);
}

/* ---- to the end ---- */

/* Enough of everything that the run's budget limits. */
static bool give_more(drive *d)
{
    bool moved = false;
    for (uint32_t dimension = 0; dimension < RV_DIMENSION_COUNT; dimension++)
        if (d->run->limits.limits >> dimension & 1) moved |= drive_budget(d, (rv_dimension)dimension, 1000000000, 0) == RV_ANSWER_TAKEN;
    return moved;
}

/* One thing that somebody would do now; false: there is nothing to do but wait for time. */
static bool go_on(drive *d, uint32_t node)
{
    const rv_node_run *at = &d->run->nodes[node];
    rv_event event = {.node = node, .epoch = at->epoch, .exit_status = -1, .signal = -1, .value = RV_STR("{\"n\":1}")};
    if (at->state == RV_NODE_READY && rv_run_is_held_back(d->run)) return false;
    if (at->state == RV_NODE_WAITING && at->detail == RV_DETAIL_BUDGET) return give_more(d);
    if (at->state == RV_NODE_READY) event.type = RV_EVENT_ADMITTED;
    else if (at->state == RV_NODE_RUNNING) event.type = RV_EVENT_COMPLETED, event.state = RV_ATTEMPT_OK, event.exit_status = 0;
    else if (at->state == RV_NODE_WAITING && at->detail == RV_DETAIL_INPUT) event.type = RV_EVENT_ANSWER;
    else if (at->state == RV_NODE_WAITING && at->detail == RV_DETAIL_APPROVAL)
        event.type = RV_EVENT_DECIDED, event.state = RV_DECISION_APPROVE;
    else if (at->state == RV_NODE_WAITING && at->detail == RV_DETAIL_UNKNOWN_OUTCOME)
        event.type = RV_EVENT_DECIDED, event.state = RV_DECISION_DONE;
    else if (at->state == RV_NODE_WAITING && at->detail == RV_DETAIL_EVENT)
        event.type = RV_EVENT_SIGNAL, event.key = rv_graph_str(rv_run_graph(d->run, node), rv_run_gate(d->run, node)->event);
    else return false;
    return drive_step(d, &event) == RV_ANSWER_TAKEN;
}

void drive_to_end(drive *d)
{
    while (!rv_run_state_is_terminal((rv_run_state)d->run->status)) {
        bool moved = false;
        if (d->run->status == RV_RUN_ACCEPTED) moved = drive_signal(d, RV_EVENT_LOAD) == RV_ANSWER_TAKEN;
        if (d->run->status == RV_RUN_INTERRUPTED) moved = drive_signal(d, RV_EVENT_RESUME) == RV_ANSWER_TAKEN;
        for (uint32_t node = 0; node < d->run->node_count; node++) moved |= go_on(d, node);
        int64_t due_ms = rv_run_due_ms(d->run);
        if (!moved && due_ms) moved = drive_until(d, due_ms) == RV_ANSWER_TAKEN;
        EXPECT(d, moved, "the run hangs");
    }
}

/* ---- questions ---- */

const char *drive_says(drive *d, const char *node)
{
    static char said[4][200];
    static int turn;
    char *text = said[turn++ % 4];
    uint32_t index = drive_index(d, node);
    const rv_node_run *at = &d->run->nodes[index];
    int size = snprintf(text, sizeof said[0], "%s", rv_node_state_name((rv_node_state)at->state));
    if (at->detail != RV_DETAIL_NONE && at->detail != RV_DETAIL_FRESH)
        size += snprintf(text + size, sizeof said[0] - (size_t)size, " %s", rv_detail_name((rv_detail)at->detail));
    if (at->root && at->root != index + 1)
        size += snprintf(text + size, sizeof said[0] - (size_t)size, " root=");
    if (at->root && at->root != index + 1) {
        rv_buf id = {0};
        rv_run_id(d->run, at->root - 1, &id);
        snprintf(text + size, sizeof said[0] - (size_t)size, "%.*s", RV_FMT(rv_buf_str(&id)));
        rv_buf_deinit(&id);
    }
    return text;
}

bool drive_has_effect(drive *d, rv_effect_type type, const char *node)
{
    uint32_t wanted = node ? drive_index(d, node) : RV_NONE;
    for (uint32_t i = d->step_effects; i < d->out.effects.count; i++)
        if (d->out.effects.at[i].type == type && d->out.effects.at[i].node == wanted) return true;
    return false;
}

uint32_t drive_effect_count(const drive *d, rv_effect_type type)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < d->effects.count; i++) count += d->effects.at[i].type == type;
    return count;
}

/* ---- replay ---- */

static rv_run *run_of(const drive *d)
{
    rv_run *run = rv_run_new(d->graph);
    run->compile = d->compile;
    run->compile_user = d->compile_user;
    return run;
}

static void replay_row(const drive *d, rv_run *run, uint32_t row)
{
    rv_str body = {d->journal.at + d->rows.at[row].at, d->rows.at[row].size};
    rv_error error = {0};
    EXPECT(d, rv_run_replay(run, body, d->rows.at[row].event_count, &error) == RV_OK, error.text);
}

static rv_run *replayed(const drive *d)
{
    rv_run *run = run_of(d);
    for (uint32_t i = 0; i < d->rows.count; i++) replay_row(d, run, i);
    EXPECT(d, rv_run_check(run) == NULL, rv_run_check(run));
    return run;
}

static rv_run *restored(const drive *d)
{
    rv_run *run = run_of(d);
    rv_buf bytes = {0};
    rv_error error = {0};
    rv_run_encode(d->run, &bytes);
    EXPECT(d, rv_run_decode(run, rv_buf_str(&bytes), &error) == RV_OK, error.text);
    rv_buf_deinit(&bytes);
    return run;
}

/* What was decided: notes of late inputs stand without their input, clocks with theirs. */
static void add_decisions(rv_str body, rv_buf *out)
{
    rv_event event;
    for (const char *at = body.at, *end = at + body.size; at < end;)
        if (rv_event_read(&at, end, &event, NULL) == RV_OK && event.type != RV_EVENT_NOTE && event.type != RV_EVENT_CLOCK)
            rv_event_write(out, &event);
}

/* The inputs of the rows from `first` on, decided at their times by `run`, give what is recorded. */
static void go_on_from(const drive *d, rv_run *run, uint32_t first)
{
    rv_out out = {0};
    rv_buf recorded = {0}, again = {0};
    for (uint32_t i = first; i < d->rows.count; i++) {
        const char *at = d->journal.at + d->rows.at[i].at, *end = at + d->rows.at[i].size;
        rv_now now = d->rows.at[i].now;
        add_decisions((rv_str){at, d->rows.at[i].size}, &recorded);
        while (at < end) {
            rv_event event;
            EXPECT(d, rv_event_read(&at, end, &event, NULL) == RV_OK, "a row that cannot be read");
            if (event.type == RV_EVENT_CLOCK) now = (rv_now){(int64_t)event.seed, event.due_ms};
            if (!rv_event_is_input(event.type)) continue;
            EXPECT(d, rv_run_reserve(run, &out, &event) == RV_OK, "no room for a step");
            EXPECT(d, rv_run_step(run, &event, now, &out) == RV_ANSWER_TAKEN, "an input that was taken is refused the second time");
        }
    }
    add_decisions(rv_buf_str(&out.journal), &again);
    EXPECT(d, rv_str_eq(rv_buf_str(&recorded), rv_buf_str(&again)), "deciding again gives something else");
    rv_buf_deinit(&recorded);
    rv_buf_deinit(&again);
    rv_out_deinit(&out);
}

static void check_decisions(const drive *d)
{
    rv_run *run = run_of(d);
    go_on_from(d, run, 0);
    rv_run_free(run);
}

static void expect_same(const drive *d, const rv_run *run, const char *what)
{
    rv_buf live = {0}, other = {0};
    rv_run_encode(d->run, &live);
    rv_run_encode(run, &other);
    EXPECT(d, rv_str_eq(rv_buf_str(&live), rv_buf_str(&other)), what);
    rv_buf_deinit(&live);
    rv_buf_deinit(&other);
}

void drive_check_replay(const drive *d)
{
    rv_run *run = replayed(d);
    expect_same(d, run, "replay differs from the live state");
    rv_run_free(run);
    run = restored(d);
    expect_same(d, run, "encode, decode, encode differ");
    check_decisions(d);
    rv_run_free(run);
}

/* What a state says that is not stored: how nodes are called, and who plays whom. */
static void expect_same_names(const drive *d, const rv_run *run)
{
    rv_buf live = {0}, other = {0};
    for (uint32_t node = 0; node < run->node_count; node++) {
        rv_run_id(d->run, node, &live);
        rv_run_id(run, node, &other);
    }
    for (uint32_t i = 0; i < run->controls.count; i++) {
        const rv_control *a = &d->run->controls.at[i], *b = &run->controls.at[i];
        rv_buf_add(&live, a->pairs.at, a->pairs.count * sizeof *a->pairs.at);
        rv_buf_add(&other, b->pairs.at, b->pairs.count * sizeof *b->pairs.at);
    }
    EXPECT(d, rv_str_eq(rv_buf_str(&live), rv_buf_str(&other)), "a run that was cut has other ids, or another bracket");
    rv_buf_deinit(&live);
    rv_buf_deinit(&other);
}

void drive_check_cuts(const drive *d)
{
    rv_run *front = run_of(d);
    for (uint32_t row = 0; row < d->rows.count; row++) {
        rv_buf bytes = {0};
        rv_error error = {0};
        rv_run *run = run_of(d);
        rv_run_encode(front, &bytes);
        if (row % 2) {
            EXPECT(d, rv_run_decode(run, rv_buf_str(&bytes), &error) == RV_OK, error.text);
        } else {
            for (uint32_t i = 0; i < row; i++) replay_row(d, run, i);
        }
        go_on_from(d, run, row);
        EXPECT(d, rv_run_check(run) == NULL, rv_run_check(run));
        expect_same(d, run, "a run that was cut came to another end");
        expect_same_names(d, run);
        replay_row(d, front, row);
        rv_run_free(run);
        rv_buf_deinit(&bytes);
    }
    rv_run_free(front);
}

void drive_crash(drive *d)
{
    drive_check_replay(d);
    rv_run *run = d->crashes++ % 2 ? restored(d) : replayed(d);
    rv_run_free(d->run);
    d->run = run;
    rv_out_clear(&d->out); /* its turn is over */
    d->step_size = d->step_events = d->step_effects = 0;
}
