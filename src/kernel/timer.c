#include "kernel/run_private.h"

/* A plain binary heap (earliest first; ties by node, then kind, so that order is a function of the state). Clearing a
 * timer just changes its owner's due time; the item left behind is stale and is dropped when it comes up, or all at
 * once when more than half of the heap is stale. */

static bool is_before(rv_timer_item a, rv_timer_item b)
{
    if (a.due_ms != b.due_ms) return a.due_ms < b.due_ms;
    if (a.node != b.node) return a.node < b.node;
    return a.kind < b.kind;
}

static bool is_live(const rv_run *run, rv_timer_item item)
{
    if (item.kind == RV_TIMER_RUN) return run->due_ms == item.due_ms; /* it is cleared when the graph ends */
    const rv_node_run *node = &run->nodes[item.node];
    if (rv_node_state_is_terminal((rv_node_state)node->state)) return false;
    return item.kind == RV_TIMER_TOTAL ? node->total_due_ms == item.due_ms : node->due_ms == item.due_ms;
}

static void sift_up(rv_run *run, uint32_t at)
{
    while (at > 0) {
        uint32_t parent = (at - 1) / 2;
        if (!is_before(run->timers.at[at], run->timers.at[parent])) return;
        rv_timer_item item = run->timers.at[at];
        run->timers.at[at] = run->timers.at[parent];
        run->timers.at[parent] = item;
        at = parent;
    }
}

static void sift_down(rv_run *run, uint32_t at)
{
    for (;;) {
        uint32_t least = at;
        for (uint32_t child = 2 * at + 1; child <= 2 * at + 2 && child < run->timers.count; child++)
            if (is_before(run->timers.at[child], run->timers.at[least])) least = child;
        if (least == at) return;
        rv_timer_item item = run->timers.at[at];
        run->timers.at[at] = run->timers.at[least];
        run->timers.at[least] = item;
        at = least;
    }
}

static void drop_first(rv_run *run)
{
    run->timers.at[0] = run->timers.at[--run->timers.count];
    if (run->timers.count) sift_down(run, 0);
}

/* Keep the live items only. A heap is rebuilt from the bottom up in linear time. */
static void compact(rv_run *run)
{
    uint32_t live = 0;
    for (uint32_t i = 0; i < run->timers.count; i++)
        if (is_live(run, run->timers.at[i])) run->timers.at[live++] = run->timers.at[i];
    run->timers.count = live;
    for (uint32_t i = live / 2; i-- > 0;) sift_down(run, i);
}

void rv_run_timer_push(rv_run *run, int64_t due_ms, uint32_t node, uint32_t kind)
{
    if (run->timers.count == run->timers.capacity && run->timers.count >= 64) {
        compact(run);
        if (run->timers.count > run->timers.capacity / 2) rv_vec_reserve(&run->timers, run->timers.capacity * 2);
    }
    rv_vec_push(&run->timers, ((rv_timer_item){due_ms, node, kind}));
    sift_up(run, run->timers.count - 1);
}

bool rv_run_timer_pop(rv_run *run, int64_t now_ms, rv_timer_item *ret)
{
    while (run->timers.count && run->timers.at[0].due_ms <= now_ms) {
        rv_timer_item first = run->timers.at[0];
        drop_first(run);
        if (!is_live(run, first)) continue;
        *ret = first;
        return true;
    }
    return false;
}

int64_t rv_run_due_ms(const rv_run *run)
{
    /* The first item may be stale: that costs an early TICK, which changes nothing but drops it. */
    return run->timers.count && run->status == RV_RUN_RUNNING ? run->timers.at[0].due_ms : 0;
}

/* ---- standing still: who interrupts a run at night, or is asked for money then, has as much of its time left in the morning ---- */

/* A time that is over, but not seen yet, has its last millisecond left: zero says that there is none. */
static void hold(rv_step *step, uint32_t node, int64_t due_ms, uint32_t kind)
{
    if (due_ms > 0) rv_step_timer(step, node, -RV_MAX(due_ms - step->now.engine_ms, 1), kind);
}

/* What was put back and now waits for a revision of what it needs begins anew with that: so does its time. */
static void release(rv_step *step, uint32_t node, int64_t due_ms, uint32_t kind)
{
    const rv_node_run *held = node == RV_NONE ? NULL : &step->run->nodes[node];
    bool begins_anew = held && held->state == RV_NODE_PENDING && held->gating > 0;
    if (due_ms < 0) rv_step_timer(step, node, begins_anew ? 0 : rv_time_after(step->now.engine_ms, -due_ms), kind);
}

static void for_each_time(rv_step *step, void (*fn)(rv_step *step, uint32_t node, int64_t due_ms, uint32_t kind))
{
    const rv_run *run = step->run;
    fn(step, RV_NONE, run->due_ms, RV_TIMER_RUN);
    for (uint32_t node = 0; node < run->node_count; node++) {
        bool is_over = rv_node_state_is_terminal((rv_node_state)run->nodes[node].state);
        if (!is_over) fn(step, node, run->nodes[node].total_due_ms, RV_TIMER_TOTAL);
    }
}

void rv_step_hold_times(rv_step *step)
{
    for_each_time(step, hold);
    compact(step->run); /* else an item comes to life again when its time goes on within the same millisecond */
}

void rv_step_release_times(rv_step *step) { for_each_time(step, release); }

void rv_step_stand(rv_step *step, bool was_still)
{
    if (rv_run_stands_still(step->run)) rv_step_hold_times(step);
    else if (was_still && step->run->closing != RV_CLOSING_INTERRUPT) rv_step_release_times(step);
}
