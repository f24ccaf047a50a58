#include "kernel/run_private.h"

/* The stored state as bytes: version, graph digest, the run's fields, each node's fields, kept values. Varints; what
 * is derived is left out and rebuilt on decode. Two runs with equal bytes are equal in everything that matters. */

#define STATE_VERSION 1u

enum { MARK_FAIL_FAST = 1, MARK_HURRIED = 2 };

static void write_str(rv_buf *out, rv_str text)
{
    rv_buf_varint(out, text.size);
    rv_buf_str_add(out, text);
}

static void write_node(rv_buf *out, const rv_node_run *node)
{
    const uint64_t fields[] = {node->state, node->detail, node->attempt, node->flags, node->number, node->failures, node->losses,
                               node->epoch, node->root, node->result, node->output, node->error};
    for (size_t i = 0; i < RV_COUNT(fields); i++) rv_buf_varint(out, fields[i]);
    rv_buf_varint_signed(out, node->exit_status);
    rv_buf_varint_signed(out, node->due_ms);
    rv_buf_varint_signed(out, node->total_due_ms);
}

void rv_run_encode(const rv_run *run, rv_buf *out)
{
    rv_buf_varint(out, STATE_VERSION);
    rv_buf_add(out, run->graph->digest.bytes, sizeof run->graph->digest.bytes);
    const uint64_t marks = run->fail_fast * MARK_FAIL_FAST + run->is_hurried * MARK_HURRIED;
    const uint64_t fields[] = {run->status, run->phase, run->closing, marks, run->epoch_last, run->rng};
    for (size_t i = 0; i < RV_COUNT(fields); i++) rv_buf_varint(out, fields[i]);
    rv_buf_varint_signed(out, run->due_ms);
    write_str(out, run->run_id);
    write_str(out, run->load_value);
    rv_buf_varint(out, run->graph->node_count);
    for (uint32_t node = 0; node < run->graph->node_count; node++) write_node(out, &run->nodes[node]);
    rv_buf_varint(out, run->values.count);
    for (uint32_t i = 0; i < run->values.count; i++) write_str(out, run->values.at[i]);
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
    int64_t exit_status = take_signed(c);
    if (exit_status < INT32_MIN || exit_status > INT32_MAX) c->is_bad = true;
    node->exit_status = (int32_t)exit_status;
    node->due_ms = take_signed(c);
    node->total_due_ms = take_signed(c);
    if (!rv_timer_is_sound(node->due_ms, RV_TIMER_NODE) || !rv_timer_is_sound(node->total_due_ms, RV_TIMER_TOTAL)) c->is_bad = true;
}

/* Rebuild what is derived from the stored states just read. */
static void derive(rv_run *run)
{
    const rv_graph *graph = run->graph;
    memset(run->counts, 0, sizeof run->counts);
    run->handler_open = 0;
    for (uint32_t index = 0; index < graph->node_count; index++) {
        const rv_node_run *node = &run->nodes[index];
        bool is_terminal = rv_node_state_is_terminal((rv_node_state)node->state);
        if (index < graph->plain_count) run->counts[node->state]++;
        else {
            run->handler_open += !is_terminal;
            run->handler_failed += node->state == RV_NODE_FAILED || node->state == RV_NODE_DENIED;
        }
        run->running += node->state == RV_NODE_RUNNING;
        if (node->state == RV_NODE_READY) {
            rv_bitset_add(&run->ready[graph->nodes[index].class_index], graph->position[index]);
            run->ready_count++;
        }
        if (node->due_ms > 0) rv_run_timer_push(run, node->due_ms, index, RV_TIMER_NODE);
        if (node->total_due_ms > 0) rv_run_timer_push(run, node->total_due_ms, index, RV_TIMER_TOTAL);
        for (uint32_t e = graph->succ_begin[index]; is_terminal && e < graph->succ_begin[index + 1]; e++) {
            uint32_t successor = RV_EDGE_NODE(graph->succ[e]);
            bool gates = (graph->succ[e] & RV_EDGE_SOFT) || graph->nodes[successor].dep_policy != RV_DEP_OPTIONAL;
            if (gates) run->nodes[successor].gating--;
        }
    }
    if (run->due_ms > 0) rv_run_timer_push(run, run->due_ms, RV_NONE, RV_TIMER_RUN);
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
    run->closing = (uint8_t)take(&c, RV_CLOSING_FAIL_FAST);
    uint64_t marks = take(&c, MARK_FAIL_FAST | MARK_HURRIED);
    run->fail_fast = (marks & MARK_FAIL_FAST) != 0;
    run->is_hurried = (marks & MARK_HURRIED) != 0;
    run->epoch_last = (uint32_t)take(&c, UINT32_MAX);
    run->rng = take(&c, UINT64_MAX);
    run->due_ms = take_signed(&c);
    if (!rv_timer_is_sound(run->due_ms, RV_TIMER_RUN)) c.is_bad = true;
    run->run_id = take_str(&c, &run->arena);
    run->load_value = take_str(&c, &run->arena);
    if (take(&c, RV_NODES_MAX + 8) != run->graph->node_count) c.is_bad = true;
    for (uint32_t node = 0; node < run->graph->node_count && !c.is_bad; node++) take_node(&c, &run->nodes[node], run->graph->node_count);
    uint64_t value_count = take(&c, state.size);
    for (uint64_t i = 0; i < value_count && !c.is_bad; i++) rv_vec_push(&run->values, take_str(&c, &run->arena));
    if (c.is_bad || c.at != c.end) return rv_error_set(err, RV_CORRUPT, "run state is damaged");
    derive(run);
    const char *broken = rv_run_check(run);
    return broken ? rv_error_set(err, RV_CORRUPT, "run state breaks an invariant: %s", broken) : RV_OK;
}
