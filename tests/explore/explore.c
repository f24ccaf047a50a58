#include "explore.h"

#include <stdio.h>
#include <stdlib.h>

#include "kernel/run_private.h"

/* A state, and the step that first led to it. */
typedef struct point {
    size_t bytes_at, row_at;       /* of search.bytes: rv_run_encode; of search.rows: the step's journal */
    uint32_t bytes_size, row_size, event_count, parent;
    rv_event event;
    rv_now now;
    bool is_end, reaches_end;
} point;

typedef struct edge { uint32_t from, to; } edge; /* steps of ordinary progress */

typedef struct search {
    const rv_graph *graph;
    const explore_bounds *bounds;
    RV_VEC(point) points;
    rv_buf bytes, rows;
    RV_VEC(edge) edges;
    uint64_t *keys;                /* open addressing: hash of the renamed encoding, 0: free */
    uint32_t *key_points;
    uint32_t key_capacity;
    rv_buf key, encoded;
    RV_VEC(rv_node_run) renamed;   /* scratch */
    RV_VEC(rv_str) renamed_values;
    RV_VEC(rv_place) renamed_places;
    RV_VEC(rv_control) renamed_controls;
    RV_VEC(rv_signal) renamed_signals;
    RV_VEC(rv_submission) renamed_submissions;
    rv_buf literal;                /* the encoding of the run that is met */
    RV_VEC(rv_node_run) before;    /* nodes before the step */
    move_list moves;
    rv_out out;
    explore_figures *figures;
    uint32_t at;                   /* the state that is being left */
} search;

/* ---- when something does not hold ---- */

static rv_str id_of(void *user, uint32_t node)
{
    const search *s = user;
    return node < s->graph->top_count ? rv_graph_name(s->graph, node) : RV_STR(""); /* what grew has no name in it */
}

static void print_event(const search *s, const rv_event *event, rv_now now)
{
    rv_buf text = {0};
    rv_json_writer w;
    rv_json_writer_init(&w, &text, 0);
    rv_event_json(&w, event, id_of, (void *)(uintptr_t)s);
    fprintf(stderr, "    %6lld ms  %.*s\n", (long long)now.engine_ms, RV_FMT(rv_buf_str(&text)));
    rv_buf_deinit(&text);
}

static void print_way(const search *s, uint32_t to)
{
    uint32_t way[1000], count = 0;
    for (uint32_t p = to; p != 0 && count < RV_COUNT(way); p = s->points.at[p].parent) way[count++] = p;
    while (count-- > 0) print_event(s, &s->points.at[way[count]].event, s->points.at[way[count]].now);
}

static RV_NORETURN void fail(const search *s, const rv_event *event, rv_now now, const char *what)
{
    fprintf(stderr, "explore: %s\n  graph: %.*s\n  groups %u, attempts %u; the way to it:\n", what, RV_FMT(s->graph->definition),
            s->bounds->groups, s->bounds->attempts_max);
    print_way(s, s->at);
    if (event) print_event(s, event, now);
    abort();
}

#define EXPECT(cond_, what_) do { if (!(cond_)) fail(s, event, now, (what_)); } while (0)

/* ---- states that are one ---- */

static uint32_t renamed_value(search *s, const rv_run *run, uint32_t index_plus_one)
{
    if (index_plus_one == 0) return 0;
    rv_vec_push(&s->renamed_values, run->values.at[index_plus_one - 1]);
    return s->renamed_values.count;
}

#define COPY_NODES(to_, run_) \
    (rv_vec_reserve((to_), (run_)->node_count), (to_)->count = (run_)->node_count, \
     memcpy((to_)->at, (run_)->nodes, (run_)->node_count * sizeof *(to_)->at))

/* What stands still is told from now already. */
static int64_t from_now(int64_t due_ms, rv_now now) { return due_ms <= 0 ? due_ms : due_ms - now.engine_ms + INT64_C(1) * 1000 * 1000; }

/* What grew, and events that are kept, have values too. Of a control only what is stored is looked at, so that a shallow copy will do. */
static void rename_growth(search *s, const rv_run *run, rv_run *shallow)
{
    rv_vec_clear(&s->renamed_places);
    rv_vec_clear(&s->renamed_controls);
    rv_vec_clear(&s->renamed_signals);
    for (uint32_t i = 0; i < run->signals.count; i++) {
        rv_vec_push(&s->renamed_signals, run->signals.at[i]);
        s->renamed_signals.at[i].value = renamed_value(s, run, run->signals.at[i].value);
    }
    shallow->signals.at = s->renamed_signals.at;
    for (uint32_t i = 0; i < run->places.count; i++) {
        rv_vec_push(&s->renamed_places, run->places.at[i]);
        s->renamed_places.at[i].value = renamed_value(s, run, run->places.at[i].value);
    }
    for (uint32_t i = 0; i < run->controls.count; i++) {
        rv_vec_push(&s->renamed_controls, run->controls.at[i]);
        s->renamed_controls.at[i].value = renamed_value(s, run, run->controls.at[i].value);
    }
    rv_vec_clear(&s->renamed_submissions);
    for (uint32_t i = 0; i < run->submissions.count; i++) {
        const rv_node_run *submitter = &run->nodes[run->submissions.at[i].node];
        rv_vec_push(&s->renamed_submissions, run->submissions.at[i]);
        s->renamed_submissions.at[i].epoch = run->submissions.at[i].epoch == submitter->epoch ? submitter->number : 0;
    }
    shallow->submissions.at = s->renamed_submissions.at;
    shallow->places.at = s->renamed_places.at;
    shallow->controls.at = s->renamed_controls.at;
}

/* Once handlers run nothing asks any more how a node of the graph came to its end: only what that was counts. */
static bool is_history(const rv_run *run, uint32_t node)
{
    bool has_handlers = run->graph->top_count > run->graph->plain_count;
    return has_handlers && run->phase != RV_PHASE_GRAPH && !rv_run_is_handler(run, node);
}

static uint64_t key_of(search *s, const rv_run *run, rv_now now)
{
    rv_buf_clear(&s->key);
    if (s->bounds->is_literal) {
        rv_run_encode(run, &s->key);
        rv_buf_i64(&s->key, now.engine_ms);
        return rv_hash64(rv_buf_str(&s->key), 1) | 1;
    }
    rv_run shallow = *run;
    rv_vec_clear(&s->renamed_values);
    shallow.nodes = COPY_NODES(&s->renamed, run);
    shallow.epoch_last = 0;
    shallow.due_ms = from_now(run->due_ms, now);
    shallow.violation.path = renamed_value(s, run, run->violation.path);
    for (uint32_t n = 0; n < run->node_count; n++) {
        rv_node_run *node = &shallow.nodes[n];
        if (is_history(run, n)) {
            rv_node_run kept = *node;
            *node = (rv_node_run){.state = kept.state, .def = kept.def, .place = kept.place, .next = kept.next, .control = kept.control};
            continue;
        }
        node->epoch = node->number;
        node->due_ms = from_now(node->due_ms, now);
        node->total_due_ms = from_now(node->total_due_ms, now);
        node->result = renamed_value(s, run, node->result);
        node->output = renamed_value(s, run, node->output);
        node->error = renamed_value(s, run, node->error);
    }
    rename_growth(s, run, &shallow);
    shallow.values.at = s->renamed_values.at;
    shallow.values.count = s->renamed_values.count;
    rv_run_encode(&shallow, &s->key);
    return rv_hash64(rv_buf_str(&s->key), 1) | 1;
}

static uint32_t slot_of(const search *s, uint64_t key)
{
    uint32_t slot = (uint32_t)(key >> 8) & (s->key_capacity - 1);
    while (s->keys[slot] && s->keys[slot] != key) slot = (slot + 1) & (s->key_capacity - 1);
    return slot;
}

static void grow_keys(search *s)
{
    uint64_t *keys = s->keys;
    uint32_t *key_points = s->key_points, capacity = s->key_capacity;
    s->key_capacity = capacity ? capacity * 2 : 1024;
    s->keys = rv_alloc(s->key_capacity * sizeof *s->keys);
    s->key_points = rv_alloc(s->key_capacity * sizeof *s->key_points);
    for (uint32_t i = 0; i < capacity; i++) {
        if (!keys[i]) continue;
        uint32_t slot = slot_of(s, keys[i]);
        s->keys[slot] = keys[i];
        s->key_points[slot] = key_points[i];
    }
    rv_free(keys);
    rv_free(key_points);
}

/* The point of this state, whose encoding is in s->literal; a new one when it was not met before. */
static uint32_t meet(search *s, const rv_run *run, const rv_event *event, rv_now now)
{
    if (s->points.count * 2 >= s->key_capacity) grow_keys(s);
    uint64_t key = key_of(s, run, now);
    uint32_t slot = slot_of(s, key);
    if (s->keys[slot]) return s->key_points[slot];
    if (s->points.count >= s->bounds->states_max) fail(s, event, now, "more states than states_max");
    s->keys[slot] = key;
    s->key_points[slot] = s->points.count;
    point *p = rv_vec_add(&s->points);
    *p = (point){.bytes_at = s->bytes.size, .row_at = s->rows.size, .parent = s->at, .now = now, .event_count = s->out.event_count,
                 .row_size = (uint32_t)s->out.journal.size, .is_end = rv_run_state_is_terminal((rv_run_state)run->status)};
    if (event) p->event = *event;
    rv_buf_str_add(&s->bytes, rv_buf_str(&s->literal));
    p->bytes_size = (uint32_t)(s->bytes.size - p->bytes_at);
    rv_buf_str_add(&s->rows, rv_buf_str(&s->out.journal));
    return s->points.count - 1;
}

/* ---- a run in a given state ---- */

static rv_str bytes_of(const search *s, uint32_t p) { return (rv_str){s->bytes.at + s->points.at[p].bytes_at, s->points.at[p].bytes_size}; }

static bool is_at(search *s, const rv_run *run, rv_str bytes)
{
    rv_buf_clear(&s->encoded);
    rv_run_encode(run, &s->encoded);
    return rv_str_eq(rv_buf_str(&s->encoded), bytes);
}

static rv_run *new_run(const search *s)
{
    rv_run *run = rv_run_new(s->graph);
    run->compile = s->bounds->compile;
    run->compile_user = s->bounds->compile_user;
    return run;
}

static rv_run *restored(search *s, uint32_t p)
{
    rv_run *run = new_run(s);
    rv_error error = {0};
    if (rv_run_decode(run, bytes_of(s, p), &error) != RV_OK) fail(s, NULL, s->points.at[p].now, error.text);
    return run;
}

/* Whether a step left every field alone: cheaper than to encode, and there are many refusals. */
static bool is_untouched(const search *s, const rv_run *before, const rv_run *run)
{
    size_t from = offsetof(rv_run, status), to = offsetof(rv_run, nodes);
    return memcmp((const char *)before + from, (const char *)run + from, to - from) == 0 && run->nodes == before->nodes &&
           memcmp(s->before.at, run->nodes, run->node_count * sizeof *run->nodes) == 0 && run->values.count == before->values.count &&
           run->load_value.at == before->load_value.at && run->run_id.at == before->run_id.at && run->running == before->running &&
           run->node_count == before->node_count && run->places.count == before->places.count &&
           run->signals.count == before->signals.count && run->submissions.count == before->submissions.count &&
           run->accounts.count == before->accounts.count && memcmp(&run->purse, &before->purse, sizeof run->purse) == 0 &&
           memcmp(&run->limits, &before->limits, sizeof run->limits) == 0 &&
           memcmp(before->counts, run->counts, sizeof run->counts) == 0 && run->ready_count == before->ready_count;
}

/* A crash: all that is left is the journal. */
static rv_run *replayed(search *s, uint32_t p)
{
    uint32_t way[1000], count = 0;
    for (uint32_t at = p; at != 0 && count < RV_COUNT(way); at = s->points.at[at].parent) way[count++] = at;
    rv_run *run = new_run(s);
    rv_error error = {0};
    RV_ASSERT(count < RV_COUNT(way));
    while (count-- > 0) {
        const point *row = &s->points.at[way[count]];
        rv_status status = rv_run_replay(run, (rv_str){s->rows.at + row->row_at, row->row_size}, row->event_count, &error);
        if (status != RV_OK) fail(s, &row->event, row->now, error.text);
    }
    if (!is_at(s, run, bytes_of(s, p))) fail(s, NULL, s->points.at[p].now, "the replay of the journal differs from the state");
    s->figures->replays++;
    return run;
}

/* ---- what holds at a step ---- */

static uint32_t effects_for(const rv_out *out, rv_effect_type type, uint32_t node)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < out->effects.count; i++) count += out->effects.at[i].type == type && out->effects.at[i].node == node;
    return count;
}

static void check_spawns(const search *s, const rv_run *run, uint32_t epoch_before, const rv_event *event, rv_now now)
{
    uint32_t last = epoch_before;
    EXPECT(run->epoch_last >= epoch_before, "the run's last epoch went down");
    for (uint32_t i = 0; i < s->out.effects.count; i++) {
        const rv_effect *effect = &s->out.effects.at[i];
        if (effect->type != RV_EFFECT_SPAWN && effect->type != RV_EFFECT_REDUCE) continue;
        EXPECT(effect->epoch > last, "an effect comes twice for one key, or epochs do not rise");
        EXPECT(effect->epoch == run->nodes[effect->node].epoch, "a spawn of another epoch than its node's");
        EXPECT(effect->number == run->nodes[effect->node].number, "a spawn of another attempt than its node's");
        last = effect->epoch;
    }
    EXPECT(last == run->epoch_last, "an epoch was given to nobody");
}

/* What is counted at the end of an attempt: failures and losses, apart; an attempt that was stopped or never began is neither. */
static void check_counts(const search *s, const rv_node_run *before, const rv_node_run *after, const rv_event *event, rv_now now)
{
    bool has_failed = after->attempt == RV_ATTEMPT_ERROR || after->attempt == RV_ATTEMPT_TIMEOUT || after->attempt == RV_ATTEMPT_DENIED;
    if (after->number != before->number) return; /* another one began in the same step */
    bool has_ended = before->attempt != after->attempt;
    EXPECT(after->failures == before->failures + (has_ended && has_failed), "failures were not counted");
    EXPECT(after->losses == before->losses + (has_ended && after->attempt == RV_ATTEMPT_LOST), "losses were not counted");
}

/* A wait that people or time can end is said when it begins and when it ends; a pause between attempts only when it ends. */
static void check_node(const search *s, const rv_run *run, uint32_t node, const rv_event *event, rv_now now)
{
    const rv_node_run *before = &s->before.at[node], *after = &run->nodes[node];
    bool waited = before->state == RV_NODE_WAITING, waits = after->state == RV_NODE_WAITING, ran = before->state == RV_NODE_RUNNING;
    bool is_pause = waits && ((after->detail == RV_DETAIL_TIMER && rv_run_kind(run, node) != RV_KIND_WAIT) ||
                              after->detail == RV_DETAIL_CHILDREN); /* nobody is asked, no time of its own is named */
    bool is_over = rv_node_state_is_terminal((rv_node_state)before->state);
    uint32_t begun = after->number - before->number;
    s->figures->pairs_seen[before->state][after->state] = true;
    rv_node_run kept = *before;
    if (is_over && before->next == 0) kept.next = after->next; /* a revision may take its place, once */
    EXPECT(!is_over || memcmp(&kept, after, offsetof(rv_node_run, gating)) == 0, "a terminal node changed");
    bool is_called_off = after->state == RV_NODE_CANCELLED || (after->state == RV_NODE_SKIPPED && after->detail == RV_DETAIL_PRUNED);
    EXPECT(before->state != RV_NODE_PENDING || after->state == RV_NODE_PENDING || before->gating == 0 || after->gating == 0 ||
           is_called_off, "a node left pending before what gates it was terminal");
    check_counts(s, before, after, event, now);
    EXPECT(after->epoch >= before->epoch && after->number >= before->number, "a node's epoch or number went down");
    EXPECT(effects_for(&s->out, RV_EFFECT_SPAWN, node) + effects_for(&s->out, RV_EFFECT_REDUCE, node) == begun,
           "attempts and spawns differ");
    bool controls = rv_kind_is_controller(rv_run_kind(run, node)); /* may begin and end its wait in one step; nobody asked it */
    uint32_t parked = effects_for(&s->out, RV_EFFECT_PARK, node), resumed = effects_for(&s->out, RV_EFFECT_RESUMED, node);
    bool was_brief = !waited && !waits && ran && parked == 1 && resumed == 1; /* stopped for its spend, when there is enough by now */
    EXPECT(controls || was_brief || resumed == (waited && !waits), "the end of a wait was not said once");
    EXPECT(was_brief || parked == (waits && !waited && !is_pause), "the beginning of a wait was not said once");
    EXPECT(effects_for(&s->out, RV_EFFECT_STOP, node) <= ran, "a stop of what does not run, or twice");
    bool stops_all = event->type == RV_EVENT_INTERRUPT || event->type == RV_EVENT_CANCEL || event->type == RV_EVENT_PREEMPT;
    EXPECT(!stops_all || !ran || effects_for(&s->out, RV_EFFECT_STOP, node) == 1, "what runs was not stopped");
}

/* A node that the step made: it may have begun already, once. */
static void check_new_node(const search *s, const rv_run *run, uint32_t node, const rv_event *event, rv_now now)
{
    uint32_t begun = effects_for(&s->out, RV_EFFECT_SPAWN, node) + effects_for(&s->out, RV_EFFECT_REDUCE, node);
    EXPECT(run->nodes[node].number == begun, "attempts and spawns of a new node differ");
    rv_scope_role role = (rv_scope_role)rv_run_place(run, node)->role;
    if (role == RV_SCOPE_REVISION || role == RV_SCOPE_SUBMITTED) return;
    EXPECT(rv_run_place(run, node)->parent != RV_NONE, "a node came from nowhere");
    EXPECT(run->nodes[rv_run_place(run, node)->parent].control != 0, "a node came from one that controls nothing");
}

/* A child that nobody waits for any more is over, or is being stopped, or somebody must say what it did. */
static void check_orphan(const search *s, const rv_run *run, uint32_t node, const rv_event *event, rv_now now)
{
    const rv_node_run *at = &run->nodes[node];
    uint32_t parent = rv_run_place(run, node)->parent;
    bool is_open = !rv_node_state_is_terminal((rv_node_state)at->state);
    bool is_orphan = parent != RV_NONE && rv_node_state_is_terminal((rv_node_state)run->nodes[parent].state);
    bool is_stopped = at->state == RV_NODE_RUNNING && (at->flags & RV_NODE_R_CALLED_OFF);
    bool is_unknown = at->state == RV_NODE_WAITING && at->detail == RV_DETAIL_UNKNOWN_OUTCOME;
    EXPECT(!is_open || !is_orphan || is_stopped || is_unknown, "a child goes on although its controller has its outcome");
}

/* [K15] No more items under way than the file allows; nothing that grows in a run that is ending begins. */
static void check_growth(const search *s, const rv_run *run, uint8_t closing_before, const rv_event *event, rv_now now)
{
    bool was_ending = closing_before != RV_CLOSING_NO && closing_before != RV_CLOSING_INTERRUPT;
    bool goes_on = run->closing == RV_CLOSING_NO || run->closing == RV_CLOSING_INTERRUPT;
    for (uint32_t node = s->before.count; node < run->node_count && was_ending; node++) {
        if (event->type == RV_EVENT_SUBMIT) break; /* settled at the end of the step */
        EXPECT(rv_node_state_is_terminal((rv_node_state)run->nodes[node].state), "a child begins in a run that is ending");
        EXPECT(rv_run_place(run, node)->role != RV_SCOPE_ITEM, "an item is made in a run that is ending");
    }
    for (uint32_t node = 0; node < run->node_count && goes_on; node++) check_orphan(s, run, node, event, now);
    for (uint32_t i = 0; i < run->controls.count; i++) {
        uint32_t node = run->controls.at[i].node, bound = rv_run_control_def(run, node)->max;
        if (rv_run_kind(run, node) != RV_KIND_FOREACH || bound == 0) continue;
        EXPECT(run->controls.at[i].open <= bound, "a foreach has more items under way than max_parallel");
    }
}

/* [A3, K31a] A hit settles its node with no attempt: nothing is counted, nothing is spent. A back-edge of it may be taken. */
static void check_hit(const search *s, const rv_run *run, const rv_run *run_before, const rv_event *event, rv_now now)
{
    if (event->type != RV_EVENT_CACHED) return;
    const rv_node_run *before = &s->before.at[event->node], *after = &run->nodes[event->node];
    bool is_revised = rv_run_def(run, event->node)->revise != 0;
    EXPECT(after->number == before->number && after->epoch == before->epoch && after->attempt == before->attempt, "a hit made an attempt");
    EXPECT(is_revised || (after->state == RV_NODE_SUCCEEDED && after->detail == RV_DETAIL_CACHE), "a hit did not settle its node");
    EXPECT(memcmp(&run->purse, &run_before->purse, sizeof run->purse) == 0, "a hit was paid for");
}

/* [A8] Where somebody failed fast, the budget stopped the run or nodes are at odds, what has not begun does not begin. */
static void check_winding_down(const search *s, const rv_run *run, const rv_event *event, rv_now now)
{
    bool is_violated = run->violation.path && run->status == RV_RUN_RUNNING;
    bool is_closed = run->closing == RV_CLOSING_CANCEL || run->closing == RV_CLOSING_TIMEOUT || run->closing == RV_CLOSING_INTERRUPT;
    EXPECT(!is_violated || is_closed || run->closing == RV_CLOSING_VIOLATION, "a run goes on though its nodes are at odds");
    if (!rv_run_is_winding_down(run)) return;
    for (uint32_t node = 0; node < run->node_count; node++) {
        const rv_node_run *at = &run->nodes[node];
        bool is_held = at->detail == RV_DETAIL_UNKNOWN_OUTCOME || at->detail == RV_DETAIL_CHILDREN;
        if (rv_run_is_handler(run, node)) continue;
        EXPECT(effects_for(&s->out, RV_EFFECT_SPAWN, node) + effects_for(&s->out, RV_EFFECT_REDUCE, node) == 0,
               "a node begins in a run that winds down");
        EXPECT(at->state != RV_NODE_READY && (at->state != RV_NODE_WAITING || is_held), "a node is not skipped in a run that winds down");
    }
}

static void check_run(const search *s, const rv_run *run, uint8_t status_before, int64_t due_before, const rv_event *event, rv_now now)
{
    rv_run_state status = (rv_run_state)run->status;
    bool has_ended = status != status_before && (rv_run_state_is_terminal(status) || status == RV_RUN_INTERRUPTED);
    int64_t due_ms = rv_run_due_ms(run), earliest_ms = explored_due_ms(run);
    const char *broken = rv_run_check(run);
    EXPECT(!broken, broken);
    EXPECT(status == status_before || rv_run_may_become((rv_run_state)status_before, status) ||
           (status_before == RV_RUN_INTERRUPTED || status_before == RV_RUN_ACCEPTED), "a run's status took a way that is none");
    EXPECT(status != RV_RUN_OK || !run->violation.path, "a run whose nodes are at odds ended well");
    EXPECT(effects_for(&s->out, RV_EFFECT_RUN_ENDED, RV_NONE) == has_ended, "the end of the run was not said once");
    EXPECT(earliest_ms == 0 || (due_ms != 0 && due_ms <= earliest_ms), "a wake-up is lost");
    EXPECT(due_ms == due_before || effects_for(&s->out, RV_EFFECT_ARM_TIMER, RV_NONE) == 1, "a timer was not asked for");
    s->figures->outcomes_seen[status] = true;
}

/* The step's journal, applied to the state before, gives the state after. */
static void check_row(search *s, const rv_run *run, const rv_event *event, rv_now now)
{
    rv_run *other = restored(s, s->at);
    rv_error error = {0};
    EXPECT(rv_run_replay(other, rv_buf_str(&s->out.journal), s->out.event_count, &error) == RV_OK, error.text);
    rv_buf_clear(&s->literal);
    rv_run_encode(run, &s->literal);
    EXPECT(is_at(s, other, rv_buf_str(&s->literal)), "the step's journal gives another state");
    rv_run_free(other);
}

/* ---- the search ---- */

static rv_answer step(search *s, rv_run *run, const rv_event *event, rv_now now)
{
    rv_out_clear(&s->out);
    EXPECT(rv_run_reserve(run, &s->out, event) == RV_OK, "no room for a step");
    return rv_run_step(run, event, now, &s->out);
}

/* Make one move from s->at on `run`, which is there. true: it was taken, `run` is no longer there. */
static bool make_move(search *s, rv_run *run, const move *made)
{
    const rv_event *event = &made->event;
    rv_now now = s->points.at[s->at].now;
    now.engine_ms += made->later_ms;
    now.wall_ms += made->later_ms;
    rv_run run_before = *run;
    int64_t due_before = rv_run_due_ms(run);
    COPY_NODES(&s->before, run);
    rv_answer answer = step(s, run, event, now);
    EXPECT(answer == RV_ANSWER_TAKEN || made->hope != MOVE_MUST, "a move that is possible was refused");
    EXPECT(answer != RV_ANSWER_TAKEN || made->hope != MOVE_MUST_NOT, "a move that is not possible was taken");
    if (answer != RV_ANSWER_TAKEN) {
        s->figures->refused++;
        EXPECT(is_untouched(s, &run_before, run), "a move that was refused changed the state");
        EXPECT(answer == RV_ANSWER_STALE || s->out.event_count + s->out.effects.count == 0, "a refused move left a trace");
        bool was_over = rv_run_state_is_terminal((rv_run_state)run_before.status);
        EXPECT(!was_over || s->out.event_count == 0, "a run that is over wrote its journal");
        return false;
    }
    s->figures->steps++;
    s->figures->steps_by_type[event->type]++;
    for (uint32_t node = 0; node < s->before.count; node++) check_node(s, run, node, event, now);
    for (uint32_t node = s->before.count; node < run->node_count; node++) check_new_node(s, run, node, event, now);
    check_spawns(s, run, run_before.epoch_last, event, now);
    check_growth(s, run, run_before.closing, event, now);
    check_hit(s, run, &run_before, event, now);
    check_winding_down(s, run, event, now);
    check_run(s, run, run_before.status, due_before, event, now);
    check_row(s, run, event, now);
    uint32_t to = meet(s, run, event, now);
    if (made->is_progress && to != s->at) rv_vec_push(&s->edges, ((edge){s->at, to}));
    return true;
}

static void leave(search *s, uint32_t from)
{
    s->at = from;
    const explore_bounds *bounds = s->bounds;
    move_world world = {bounds->groups, bounds->attempts_max, bounds->submissions, bounds->submission_count};
    rv_run *run = restored(s, from), *after_crash = replayed(s, from);
    rv_vec_clear(&s->moves);
    moves_list(run, s->points.at[from].now, &world, &s->moves);
    for (uint32_t i = 0; i < s->moves.count; i++) {
        const move *made = &s->moves.at[i];
        if (made->is_recovery) {
            if (!after_crash) after_crash = replayed(s, from);
            if (!make_move(s, after_crash, made)) continue;
            rv_run_free(after_crash);
            after_crash = NULL;
        } else if (make_move(s, run, made)) {
            rv_run_free(run);
            run = restored(s, from);
        }
    }
    rv_run_free(run);
    rv_run_free(after_crash);
}

/* [K5] From every state ordinary progress can lead to an end: nothing hangs, nothing waits for what cannot come. */
static void check_ends(search *s)
{
    for (uint32_t p = 0; p < s->points.count; p++) s->points.at[p].reaches_end = s->points.at[p].is_end;
    for (bool has_more = true; has_more;) {
        has_more = false;
        for (uint32_t e = s->edges.count; e-- > 0;) { /* edges lead mostly from older to newer states */
            point *from = &s->points.at[s->edges.at[e].from];
            if (from->reaches_end || !s->points.at[s->edges.at[e].to].reaches_end) continue;
            from->reaches_end = has_more = true;
        }
    }
    for (uint32_t p = 0; p < s->points.count; p++) {
        s->at = p;
        if (!s->points.at[p].reaches_end) fail(s, NULL, s->points.at[p].now, "no end can be reached from here: it hangs");
    }
}

/* The same inputs, given to one run that nobody saved and restored on the way: what is not stored makes no difference. */
static rv_run *walked(search *s, uint32_t to)
{
    uint32_t way[1000], count = 0;
    for (uint32_t p = to; p != 0 && count < RV_COUNT(way); p = s->points.at[p].parent) way[count++] = p;
    rv_run *run = new_run(s);
    RV_ASSERT(count < RV_COUNT(way));
    while (count-- > 0) {
        const point *next = &s->points.at[way[count]];
        rv_answer answer = step(s, run, &next->event, next->now);
        if (answer != RV_ANSWER_TAKEN || !is_at(s, run, bytes_of(s, way[count])))
            fail(s, &next->event, next->now, "a run that was never restored goes another way");
    }
    return run;
}

static void check_end(search *s, uint32_t p, explore_oracle oracle, const void *user)
{
    s->at = p;
    rv_run *run = walked(s, p);
    bool was_asked = false;
    s->figures->ends++;
    const char *wrong = oracle ? oracle(run, user, &was_asked) : NULL;
    if (wrong) fail(s, NULL, s->points.at[p].now, wrong);
    s->figures->compared += was_asked;
    rv_run_free(run);
}

static void begin(search *s, const rv_graph *graph, const explore_bounds *bounds, explore_figures *figures)
{
    *s = (search){.graph = graph, .bounds = bounds, .figures = figures};
    rv_run *run = new_run(s);
    rv_run_encode(run, &s->literal);
    meet(s, run, NULL, (rv_now){.wall_ms = 1700000000000, .engine_ms = 1000});
    rv_run_free(run);
    for (uint32_t p = 0; p < s->points.count; p++) leave(s, p);
    figures->graphs++;
    figures->states += s->points.count;
    figures->states_most = RV_MAX(figures->states_most, s->points.count);
}

static void end(search *s)
{
    rv_vec_deinit(&s->points);
    rv_buf_deinit(&s->bytes);
    rv_buf_deinit(&s->rows);
    rv_vec_deinit(&s->edges);
    rv_free(s->keys);
    rv_free(s->key_points);
    rv_buf_deinit(&s->key);
    rv_buf_deinit(&s->encoded);
    rv_vec_deinit(&s->renamed);
    rv_vec_deinit(&s->renamed_values);
    rv_vec_deinit(&s->renamed_places);
    rv_vec_deinit(&s->renamed_controls);
    rv_vec_deinit(&s->renamed_signals);
    rv_vec_deinit(&s->renamed_submissions);
    rv_buf_deinit(&s->literal);
    rv_vec_deinit(&s->before);
    rv_vec_deinit(&s->moves);
    rv_out_deinit(&s->out);
}

void explore_graph(const rv_graph *graph, const explore_bounds *bounds, explore_oracle oracle, const void *user, explore_figures *figures)
{
    search s;
    begin(&s, graph, bounds, figures);
    check_ends(&s);
    for (uint32_t p = 0; p < s.points.count; p++)
        if (s.points.at[p].is_end) check_end(&s, p, oracle, user);
    end(&s);
}

static int by_value(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return a < b ? -1 : a > b;
}

uint64_t explore_digest(const rv_graph *graph, const explore_bounds *bounds)
{
    static explore_figures unused;
    static const explore_bounds renaming = {0};
    search s;
    begin(&s, graph, bounds, &unused);
    RV_VEC(uint64_t) keys = {0};
    s.bounds = &renaming;
    for (uint32_t p = 0; p < s.points.count; p++) {
        rv_run *run = restored(&s, p);
        rv_vec_push(&keys, key_of(&s, run, s.points.at[p].now));
        rv_run_free(run);
    }
    qsort(keys.at, keys.count, sizeof *keys.at, by_value);
    uint32_t count = 0;
    for (uint32_t i = 0; i < keys.count; i++)
        if (i == 0 || keys.at[i] != keys.at[count - 1]) keys.at[count++] = keys.at[i];
    uint64_t digest = rv_hash64((rv_str){(const char *)keys.at, count * sizeof *keys.at}, 1);
    rv_vec_deinit(&keys);
    end(&s);
    return digest;
}

void explore_print(const char *what, const explore_figures *f, double seconds)
{
    typedef unsigned long long number;
    printf("# figure: %s: %llu graphs, %llu states (at most %llu in one), %llu steps and %llu refusals, %llu replays, %llu ends "
           "(%llu as the oracle says), %.1f s\n", what, (number)f->graphs, (number)f->states, (number)f->states_most, (number)f->steps,
           (number)f->refused, (number)f->replays, (number)f->ends, (number)f->compared, seconds);
    fflush(stdout);
}
