#include "kernel/run_private.h"

/* The stored state as bytes: version, graph digest, the run's fields, each node's fields, kept values. Varints; what
 * is derived is left out and rebuilt on decode. Two runs with equal bytes are equal in everything that matters. */

#define STATE_VERSION 4u

enum { MARK_FAIL_FAST = 1, MARK_HURRIED = 2, MARK_OVER_BUDGET = 4 };

static void write_str(rv_buf *out, rv_str text)
{
    rv_buf_varint(out, text.size);
    rv_buf_str_add(out, text);
}

static void write_node(rv_buf *out, const rv_node_run *node)
{
    const uint64_t fields[] = {node->state, node->detail, node->attempt, node->flags, node->number, node->failures, node->losses,
                               node->epoch, node->root, node->result, node->output, node->error, node->next};
    for (size_t i = 0; i < RV_COUNT(fields); i++) rv_buf_varint(out, fields[i]);
    rv_buf_varint_signed(out, node->exit_status);
    rv_buf_varint_signed(out, node->due_ms);
    rv_buf_varint_signed(out, node->total_due_ms);
}

static void write_place(rv_buf *out, const rv_place *place)
{
    const uint64_t fields[] = {place->graph, place->scope, (uint64_t)place->parent + 1, place->ordinal, place->role,
                               place->origin, place->value, place->revise};
    for (size_t i = 0; i < RV_COUNT(fields); i++) rv_buf_varint(out, fields[i]);
}

static void write_control(rv_buf *out, const rv_control *control)
{
    rv_buf_varint(out, control->node);
    rv_buf_varint(out, control->count);
    rv_buf_varint(out, control->value);
    rv_buf_varint(out, control->matches.count);
    for (uint32_t i = 0; i < control->matches.count; i++) {
        rv_buf_varint(out, control->matches.at[i].ordinal);
        rv_buf_varint(out, control->matches.at[i].winner);
        rv_buf_varint(out, control->matches.at[i].is_drawn);
    }
}

static void write_amounts(rv_buf *out, const int64_t *amounts, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) rv_buf_varint_signed(out, amounts[i]);
}

static void write_purse(rv_buf *out, const rv_purse *purse)
{
    write_amounts(out, purse->spent, RV_DIMENSION_COUNT);
    write_amounts(out, purse->reserved, RV_HELD_COUNT);
    write_amounts(out, purse->beyond, RV_DIMENSION_COUNT);
    write_amounts(out, &purse->cached, 1);
    write_amounts(out, &purse->since_ms, 1);
    rv_buf_varint(out, purse->live);
    rv_buf_varint(out, purse->warned);
}

static void write_budget(rv_buf *out, const rv_run *run)
{
    const rv_limits *limits = &run->limits;
    const uint64_t fields[] = {limits->limits, limits->quotas, limits->at_limit, limits->crowd};
    for (size_t i = 0; i < RV_COUNT(fields); i++) rv_buf_varint(out, fields[i]);
    write_amounts(out, limits->limit, RV_DIMENSION_COUNT);
    write_amounts(out, limits->elsewhere, RV_DIMENSION_COUNT);
    write_amounts(out, limits->quota, RV_QUOTA_COUNT);
    write_amounts(out, &limits->window_ms, 1);
    write_purse(out, &run->purse);
    rv_buf_varint(out, run->accounts.count);
    for (uint32_t i = 0; i < run->accounts.count; i++) {
        const rv_account *account = &run->accounts.at[i];
        rv_buf_varint(out, account->node);
        rv_buf_varint(out, account->is_open);
        write_amounts(out, account->held, RV_HELD_COUNT);
        write_amounts(out, account->reported, RV_HELD_COUNT);
        write_amounts(out, &account->reported_cached, 1);
        write_purse(out, &account->purse);
    }
}

void rv_run_encode(const rv_run *run, rv_buf *out)
{
    rv_buf_varint(out, STATE_VERSION);
    rv_buf_add(out, run->graph->digest.bytes, sizeof run->graph->digest.bytes);
    const uint64_t marks = run->fail_fast * MARK_FAIL_FAST + run->is_hurried * MARK_HURRIED + run->is_over_budget * MARK_OVER_BUDGET;
    const uint64_t fields[] = {run->status, run->phase, run->closing, marks, run->epoch_last, run->rng};
    for (size_t i = 0; i < RV_COUNT(fields); i++) rv_buf_varint(out, fields[i]);
    rv_buf_varint_signed(out, run->due_ms);
    write_str(out, run->run_id);
    write_str(out, run->load_value);
    rv_buf_varint(out, run->submissions.count);
    for (uint32_t i = 0; i < run->submissions.count; i++) {
        const rv_submission *given = &run->submissions.at[i];
        rv_buf_varint(out, given->node);
        rv_buf_varint(out, given->epoch);
        write_str(out, given->key);
        write_str(out, given->digest);
        write_str(out, given->definition);
        write_str(out, given->load_value);
    }
    rv_buf_varint(out, run->places.count); /* the first two are every run's */
    for (uint32_t i = 2; i < run->places.count; i++) write_place(out, &run->places.at[i]);
    rv_buf_varint(out, run->node_count);
    for (uint32_t node = 0; node < run->node_count; node++) write_node(out, &run->nodes[node]);
    rv_buf_varint(out, run->controls.count);
    for (uint32_t i = 0; i < run->controls.count; i++) write_control(out, &run->controls.at[i]);
    write_budget(out, run);
    rv_buf_varint(out, run->values.count);
    for (uint32_t i = 0; i < run->values.count; i++) write_str(out, run->values.at[i]);
    rv_buf_varint(out, run->steers.count);
    for (uint32_t i = 0; i < run->steers.count; i++) {
        rv_buf_varint(out, run->steers.at[i].node);
        rv_buf_varint(out, run->steers.at[i].value);
    }
    rv_buf_varint(out, run->signals.count);
    for (uint32_t i = 0; i < run->signals.count; i++) {
        write_str(out, run->signals.at[i].name);
        rv_buf_varint(out, run->signals.at[i].value);
    }
    rv_buf_varint(out, run->violation.path);
    if (run->violation.path == 0) return;
    rv_buf_varint(out, run->violation.node);
    rv_buf_varint(out, run->violation.other);
    rv_buf_varint(out, run->violation.kind);
}

/* ---- decoding ---- */

typedef struct cursor { const char *at, *end; bool is_bad; } cursor;

static uint64_t take(cursor *c, uint64_t max)
{
    uint64_t value = 0;
    if (c->is_bad || !rv_varint_read(&c->at, c->end, &value) || value > max) c->is_bad = true;
    return c->is_bad ? 0 : value;
}

static int64_t take_signed(cursor *c)
{
    int64_t value = 0;
    if (c->is_bad || !rv_varint_read_signed(&c->at, c->end, &value)) c->is_bad = true;
    return c->is_bad ? 0 : value;
}

static rv_str take_str(cursor *c, rv_arena *arena)
{
    uint64_t size = take(c, (uint64_t)(c->end - c->at));
    if (c->is_bad || size > (uint64_t)(c->end - c->at)) { c->is_bad = true; return (rv_str){NULL, 0}; }
    rv_str text = size ? rv_arena_str(arena, (rv_str){c->at, (size_t)size}) : (rv_str){NULL, 0}; /* as before it was given */
    c->at += size;
    return text;
}

static void take_amounts(cursor *c, int64_t *amounts, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        amounts[i] = take_signed(c);
        c->is_bad |= amounts[i] < 0;
    }
}

static void take_purse(cursor *c, rv_purse *purse)
{
    take_amounts(c, purse->spent, RV_DIMENSION_COUNT);
    take_amounts(c, purse->reserved, RV_HELD_COUNT);
    take_amounts(c, purse->beyond, RV_DIMENSION_COUNT);
    take_amounts(c, &purse->cached, 1);
    take_amounts(c, &purse->since_ms, 1);
    purse->live = (uint32_t)take(c, UINT32_MAX);
    purse->warned = (uint8_t)take(c, (1u << RV_DIMENSION_COUNT) - 1);
}

/* Behind the nodes, since accounts are theirs. */
static void take_budget(cursor *c, rv_run *run, size_t size)
{
    rv_limits *limits = &run->limits;
    limits->limits = (uint8_t)take(c, (1u << RV_DIMENSION_COUNT) - 1);
    limits->quotas = (uint8_t)take(c, (1u << RV_QUOTA_COUNT) - 1);
    limits->at_limit = (uint8_t)take(c, RV_AT_LIMIT_COUNT - 1);
    limits->crowd = (uint32_t)take(c, UINT32_MAX);
    take_amounts(c, limits->limit, RV_DIMENSION_COUNT);
    take_amounts(c, limits->elsewhere, RV_DIMENSION_COUNT);
    take_amounts(c, limits->quota, RV_QUOTA_COUNT);
    take_amounts(c, &limits->window_ms, 1);
    take_purse(c, &run->purse);
    for (uint64_t left = take(c, size); left > 0 && !c->is_bad; left--) {
        uint32_t node = (uint32_t)take(c, UINT32_MAX);
        if (node >= run->node_count || run->nodes[node].account) c->is_bad = true;
        if (c->is_bad) return;
        rv_account *account = rv_account_of(run, node);
        account->is_open = take(c, 1);
        take_amounts(c, account->held, RV_HELD_COUNT);
        take_amounts(c, account->reported, RV_HELD_COUNT);
        take_amounts(c, &account->reported_cached, 1);
        take_purse(c, &account->purse);
    }
}

typedef struct stored_place { uint32_t graph, scope, parent, ordinal, role, origin, value, revise; } stored_place;

static stored_place take_place(cursor *c)
{
    stored_place p = {.graph = (uint32_t)take(c, UINT32_MAX)};
    p.scope = (uint32_t)take(c, UINT32_MAX);
    p.parent = (uint32_t)(take(c, (uint64_t)UINT32_MAX + 1) - 1);
    p.ordinal = (uint32_t)take(c, UINT32_MAX);
    p.role = (uint32_t)take(c, RV_SCOPE_COUNT - 1);
    p.origin = (uint32_t)take(c, UINT32_MAX);
    p.value = (uint32_t)take(c, UINT32_MAX);
    p.revise = (uint32_t)take(c, UINT32_MAX);
    return p;
}

static void take_node(cursor *c, rv_node_run *node, uint32_t node_count)
{
    node->state = (uint8_t)take(c, RV_NODE_STATE_COUNT - 1);
    node->detail = (uint8_t)take(c, RV_DETAIL_COUNT - 1);
    node->attempt = (uint8_t)take(c, RV_ATTEMPT_STATE_COUNT - 1);
    node->flags = (uint8_t)take(c, UINT8_MAX);
    node->number = (uint32_t)take(c, UINT32_MAX);
    node->failures = (uint32_t)take(c, UINT32_MAX);
    node->losses = (uint32_t)take(c, UINT32_MAX);
    node->epoch = (uint32_t)take(c, UINT32_MAX);
    node->root = (uint32_t)take(c, node_count);
    node->result = (uint32_t)take(c, UINT32_MAX);
    node->output = (uint32_t)take(c, UINT32_MAX);
    node->error = (uint32_t)take(c, UINT32_MAX);
    node->next = (uint32_t)take(c, node_count);
    int64_t exit_status = take_signed(c);
    if (exit_status < INT32_MIN || exit_status > INT32_MAX) c->is_bad = true;
    node->exit_status = (int32_t)exit_status;
    node->due_ms = take_signed(c);
    node->total_due_ms = take_signed(c);
    if (!rv_timer_is_sound(node->due_ms, RV_TIMER_NODE) || !rv_timer_is_sound(node->total_due_ms, RV_TIMER_TOTAL)) c->is_bad = true;
}

typedef struct stored_submissions { RV_VEC(rv_submission) list; } stored_submissions; /* those of places that are not made yet, too */

static void take_submissions(cursor *c, rv_run *run, stored_submissions *ret, uint64_t max)
{
    for (uint64_t left = take(c, max); left > 0 && !c->is_bad; left--) {
        rv_submission given = {.node = (uint32_t)take(c, UINT32_MAX)};
        given.epoch = (uint32_t)take(c, UINT32_MAX);
        given.key = take_str(c, &run->arena);
        given.digest = take_str(c, &run->arena);
        given.definition = take_str(c, &run->arena);
        given.load_value = take_str(c, &run->arena);
        rv_vec_push(&ret->list, given);
    }
}

/* Submissions are stored in the order of their places. */
static bool make_submission(rv_run *run, const stored_submissions *stored)
{
    uint32_t index = run->submissions.count;
    if (index >= stored->list.count || stored->list.at[index].node >= run->node_count) return false;
    const rv_submission *given = &stored->list.at[index];
    const rv_graph *graph = rv_run_compile(run, &(rv_event){.type = RV_EVENT_SUBMIT, .node = given->node, .value = given->definition});
    return graph && rv_submission_add(run, given, graph);
}

/* A back-edge of the nodes that it repeats. */
static bool is_sound_revision(const rv_run *run, const stored_place *p)
{
    if (p->origin >= run->places.count || run->places.at[p->origin].role == RV_SCOPE_REVISION) return false;
    const rv_place *origin = &run->places.at[p->origin];
    const rv_graph *graph = run->graphs.at[origin->graph];
    if (p->revise >= graph->revise_count) return false;
    const rv_revise_def *revise = &graph->revises[p->revise];
    return graph->nodes[revise->node].scope == origin->scope && revise->member_count <= RV_RUN_NODES_MAX - run->node_count;
}

/* A scope of its owner, who has begun. */
static bool is_sound_child(const rv_run *run, const stored_place *p)
{
    if (p->parent >= run->node_count || run->nodes[p->parent].control == 0) return false;
    const rv_graph *graph = rv_run_graph(run, p->parent);
    if (p->graph != rv_run_place(run, p->parent)->graph || p->scope >= graph->scope_count) return false;
    const rv_scope_def *scope = &graph->scopes[p->scope];
    return scope->owner == run->nodes[p->parent].def && scope->role == p->role && scope->count <= RV_RUN_NODES_MAX - run->node_count;
}

/* Make the places and the controls of their owners again, as the facts did. Controls come first in the order of their
 * beginning, each before its first place. */
static bool make_places(rv_run *run, const stored_place *places, uint32_t count, const stored_submissions *submissions)
{
    for (uint32_t i = 0; i < count; i++) {
        const stored_place *p = &places[i];
        if (p->role == RV_SCOPE_REVISION) {
            if (!is_sound_revision(run, p)) return false;
            rv_revision_add(run, p->origin, p->revise, p->ordinal, p->value);
            continue;
        }
        if (p->role == RV_SCOPE_SUBMITTED) {
            if (!make_submission(run, submissions)) return false;
            continue;
        }
        if (!is_sound_child(run, p)) return false;
        (void)rv_place_add(run, p->graph, p->scope, p->parent, p->ordinal);
    }
    return true;
}

/* A tournament's matches and the places of its judges, in the order of their rounds. */
static bool remake_bracket(rv_run *run, uint32_t index, const rv_match *matches, uint32_t match_count)
{
    uint32_t next = 0, places = run->controls.at[index].places.count;
    for (uint32_t i = 0; i < places; i++) {
        rv_control *control = &run->controls.at[index];
        const rv_place *place = &run->places.at[control->places.at[i]];
        if (place->role != RV_SCOPE_JUDGE) continue;
        uint32_t round = RV_MATCH_ROUND(place->ordinal);
        while (round > control->rounds.count && next < match_count && RV_MATCH_ROUND(matches[next].ordinal) < round)
            if (!rv_bracket_match(run, index, &matches[next++])) return false;
        bool is_new = round == control->rounds.count + 1;
        if (!rv_bracket_judge(run, index, place->ordinal)) return false;
        if (is_new) control->judged = i;
    }
    while (next < match_count)
        if (!rv_bracket_match(run, index, &matches[next++])) return false;
    return true;
}

/* Rebuild what is derived from the stored states just read. */
static void derive(rv_run *run)
{
    memset(run->counts, 0, sizeof run->counts);
    run->handler_open = 0;
    for (uint32_t i = 0; i < run->places.count; i++) run->places.at[i].open = 0;
    for (uint32_t index = 0; index < run->node_count; index++) {
        rv_node_run *node = &run->nodes[index];
        rv_place *place = &run->places.at[rv_run_home(run, node->place)];
        bool is_terminal = rv_node_state_is_terminal((rv_node_state)node->state);
        bool is_bad = node->state == RV_NODE_FAILED || node->state == RV_NODE_DENIED;
        if (!rv_run_is_handler(run, index)) run->counts[node->state]++;
        else {
            run->handler_open += !is_terminal;
            run->handler_failed += is_bad;
        }
        place->open += !is_terminal;
        run->failed += is_bad && place->is_top && node->next == 0;
        run->running += node->state == RV_NODE_RUNNING;
        run->paused += node->state == RV_NODE_WAITING && node->detail == RV_DETAIL_BUDGET;
        if (node->state == RV_NODE_READY) {
            rv_ready_add(run, index);
            run->ready_count++;
        }
        if (node->due_ms > 0) rv_run_timer_push(run, node->due_ms, index, RV_TIMER_NODE);
        if (node->total_due_ms > 0) rv_run_timer_push(run, node->total_due_ms, index, RV_TIMER_TOTAL);
        node->gating = node->state == RV_NODE_PENDING ? rv_run_count_gating(run, index) : 0;
    }
    for (uint32_t i = 0; i < run->controls.count; i++) run->controls.at[i].open = 0;
    for (uint32_t i = 0; i < run->places.count; i++) {
        const rv_place *place = &run->places.at[i];
        if (place->parent != RV_NONE && place->open) run->controls.at[run->nodes[place->parent].control - 1].open++;
    }
    if (run->due_ms > 0) rv_run_timer_push(run, run->due_ms, RV_NONE, RV_TIMER_RUN);
    rv_run_work_clear(run);
}

typedef struct stored_control { uint32_t node, count, value; RV_VEC(rv_match) matches; } stored_control;

static void take_control(cursor *c, stored_control *ret, uint64_t match_max)
{
    ret->node = (uint32_t)take(c, UINT32_MAX - 1);
    ret->count = (uint32_t)take(c, UINT32_MAX);
    ret->value = (uint32_t)take(c, UINT32_MAX);
    for (uint64_t left = take(c, match_max); left-- > 0 && !c->is_bad;) {
        rv_match match = {.ordinal = (uint32_t)take(c, UINT32_MAX)};
        match.winner = (uint32_t)take(c, UINT32_MAX);
        match.is_drawn = (uint32_t)take(c, 1);
        rv_vec_push(&ret->matches, match);
    }
}

/* Places, nodes, controls. A control stands behind the nodes, but its places need it: so all is read, then made. */
static void take_shape(cursor *c, rv_run *run, size_t size)
{
    stored_submissions submissions = {0};
    take_submissions(c, run, &submissions, size);
    RV_VEC(stored_place) places = {0};
    RV_VEC(stored_control) controls = {0};
    RV_VEC(rv_node_run) nodes = {0};
    uint64_t place_count = take(c, size + 2), node_count, control_count;
    for (uint64_t i = 2; i < place_count && !c->is_bad; i++) rv_vec_push(&places, take_place(c));
    node_count = take(c, size);
    for (uint64_t i = 0; i < node_count && !c->is_bad; i++) take_node(c, rv_vec_add(&nodes), (uint32_t)node_count);
    control_count = take(c, size);
    for (uint64_t i = 0; i < control_count && !c->is_bad; i++) take_control(c, rv_vec_add(&controls), size);
    for (uint32_t i = 0, made = 0; i < places.count + 1 && !c->is_bad; i++) { /* a control is made as soon as its node is there */
        while (made < controls.count && controls.at[made].node < run->node_count && run->nodes[controls.at[made].node].control == 0) {
            rv_control_add(run, controls.at[made].node, controls.at[made].count, controls.at[made].value);
            made++;
        }
        if (i < places.count) c->is_bad = !make_places(run, &places.at[i], 1, &submissions);
        else c->is_bad = made != controls.count;
    }
    if (run->node_count != nodes.count) c->is_bad = true;
    for (uint32_t i = 0; i < nodes.count && !c->is_bad; i++) {
        rv_node_run made = run->nodes[i];
        c->is_bad = nodes.at[i].next != made.next; /* the revisions that were made say it, too */
        run->nodes[i] = nodes.at[i];
        run->nodes[i].def = made.def;
        run->nodes[i].place = made.place;
        run->nodes[i].control = made.control;
        run->nodes[i].outer = made.outer;
    }
    for (uint32_t i = 0; i < controls.count && !c->is_bad; i++)
        c->is_bad = !remake_bracket(run, i, controls.at[i].matches.at, controls.at[i].matches.count);
    c->is_bad |= run->submissions.count != submissions.list.count;
    rv_vec_deinit(&submissions.list);
    for (uint32_t i = 0; i < controls.count; i++) rv_vec_deinit(&controls.at[i].matches);
    rv_vec_deinit(&controls);
    rv_vec_deinit(&places);
    rv_vec_deinit(&nodes);
}

rv_status rv_run_decode(rv_run *run, rv_str state, rv_error *err)
{
    cursor c = {state.at, state.at + state.size, false};
    RV_ASSERT(run->status == RV_RUN_ACCEPTED && run->values.count == 0);
    uint64_t version = take(&c, UINT64_MAX);
    if (version != STATE_VERSION)
        return rv_error_set(err, RV_CORRUPT, "run state of version %llu, not %u", (unsigned long long)version, STATE_VERSION);
    if ((size_t)(c.end - c.at) < sizeof run->graph->digest.bytes ||
        memcmp(c.at, run->graph->digest.bytes, sizeof run->graph->digest.bytes) != 0)
        return rv_error_set(err, RV_CORRUPT, "run state belongs to another workflow");
    c.at += sizeof run->graph->digest.bytes;
    run->status = (uint8_t)take(&c, RV_RUN_STATE_COUNT - 1);
    run->phase = (uint8_t)take(&c, RV_PHASE_OVER);
    run->closing = (uint8_t)take(&c, RV_CLOSING_COUNT - 1);
    uint64_t marks = take(&c, MARK_FAIL_FAST | MARK_HURRIED | MARK_OVER_BUDGET);
    run->fail_fast = (marks & MARK_FAIL_FAST) != 0;
    run->is_hurried = (marks & MARK_HURRIED) != 0;
    run->is_over_budget = (marks & MARK_OVER_BUDGET) != 0;
    run->epoch_last = (uint32_t)take(&c, UINT32_MAX);
    run->rng = take(&c, UINT64_MAX);
    run->due_ms = take_signed(&c);
    if (!rv_timer_is_sound(run->due_ms, RV_TIMER_RUN)) c.is_bad = true;
    run->run_id = take_str(&c, &run->arena);
    run->load_value = take_str(&c, &run->arena);
    take_shape(&c, run, state.size);
    if (!c.is_bad) take_budget(&c, run, state.size);
    uint64_t value_count = take(&c, state.size);
    for (uint64_t i = 0; i < value_count && !c.is_bad; i++) rv_vec_push(&run->values, take_str(&c, &run->arena));
    for (uint64_t left = take(&c, RV_STEERS_MAX); left > 0 && !c.is_bad; left--) {
        rv_steer steer = {.node = (uint32_t)take(&c, RV_MAX(run->node_count, 1u) - 1)};
        steer.value = (uint32_t)take(&c, run->values.count);
        c.is_bad |= steer.value == 0;
        rv_vec_push(&run->steers, steer);
    }
    for (uint64_t left = take(&c, RV_SIGNALS_MAX); left > 0 && !c.is_bad; left--) {
        rv_str name = take_str(&c, &run->arena);
        rv_vec_push(&run->signals, ((rv_signal){name, (uint32_t)take(&c, run->values.count)}));
    }
    run->violation.path = (uint32_t)take(&c, run->values.count);
    if (run->violation.path) {
        run->violation.node = (uint32_t)take(&c, RV_MAX(run->node_count, 1u) - 1);
        run->violation.other = (uint32_t)take(&c, RV_MAX(run->node_count, 1u) - 1);
        run->violation.kind = (uint32_t)take(&c, RV_VIOLATION_COUNT - 1);
    }
    if (c.is_bad || c.at != c.end) return rv_error_set(err, RV_CORRUPT, "run state is damaged");
    derive(run);
    const char *broken = rv_run_check(run);
    return broken ? rv_error_set(err, RV_CORRUPT, "run state breaks an invariant: %s", broken) : RV_OK;
}
