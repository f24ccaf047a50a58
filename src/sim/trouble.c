#include "sim/inner.h"

/* What befalls a life: one way to end before its time, and beside it clocks that jump, results that come twice, people who
 * call it off. */

/* Where the code that a simulation goes through can be made to die: all but the points of processes and of the host. */
static const rv_fail_point points[] = {
    RV_FAIL_RESUME_REPLAYED, RV_FAIL_RESUME_STEPPED, RV_FAIL_ENGINE_BEFORE_SUBMIT, RV_FAIL_ENGINE_AFTER_SUBMIT, RV_FAIL_ENGINE_WRITTEN,
    RV_FAIL_ENGINE_PERFORMED, RV_FAIL_ENGINE_SYNCED, RV_FAIL_RUN_STARTED, RV_FAIL_RUN_OVER, RV_FAIL_RUN_END_SYNCED,
    RV_FAIL_STORE_BEFORE_BEGIN, RV_FAIL_STORE_BEFORE_COMMIT, RV_FAIL_STORE_AFTER_COMMIT, RV_FAIL_STORE_BEFORE_SYNC,
    RV_FAIL_STORE_AFTER_SYNC, RV_FAIL_ATTEMPT_BEFORE_SPAWN, RV_FAIL_ATTEMPT_AFTER_SPAWN, RV_FAIL_ATTEMPT_STARTED,
    RV_FAIL_ATTEMPT_ENDED, RV_FAIL_ATTEMPT_COLLECTED, RV_FAIL_ATTEMPT_STEPPED, RV_FAIL_LOG_BEFORE_FLUSH, RV_FAIL_LOG_AFTER_FLUSH,
};
/* Where few lives come by, and those not often. */
static const rv_fail_point rare_points[] = {RV_FAIL_CACHE_KEPT, RV_FAIL_CACHE_STAGED, RV_FAIL_CACHE_PLACED, RV_FAIL_CACHE_SETTLED};

bool rv_sim_has_point(rv_fail_point point)
{
    for (size_t i = 0; i < RV_COUNT(points); i++)
        if (points[i] == point) return true;
    for (size_t i = 0; i < RV_COUNT(rare_points); i++)
        if (rare_points[i] == point) return true;
    return false;
}

static void on_point(void *user)
{
    rv_sim_world *w = user;
    rv_fail_point point = (rv_fail_point)rv_fail_point_armed;
    if (!w->is_dead) w->result->died_at[point]++;
    rv_sim_die(w, RV_SIM_DEATHS_POINT, rv_fail_point_name(point));
}

static void on_disk(void *user) { rv_sim_die(user, RV_SIM_DEATHS_DISK, "within the disk"); }

/* Of every size alike: 1, 2–3, 4–7 … */
static uint32_t some(rv_sim_world *w, uint32_t bits) { return 1 + rv_sim_below(w, 1u << rv_sim_below(w, bits)); }

void rv_sim_plan(rv_sim_world *w)
{
    static const rv_sim_fate fates[] = {RV_SIM_FATE_NONE, RV_SIM_FATE_DIE_DISK, RV_SIM_FATE_DIE_DISK, RV_SIM_FATE_DIE_DISK,
                                        RV_SIM_FATE_DIE_POINT, RV_SIM_FATE_DIE_POINT, RV_SIM_FATE_DIE_POINT, RV_SIM_FATE_DIE_TIME,
                                        RV_SIM_FATE_DISK_FAULT, RV_SIM_FATE_DISK_FAULT, RV_SIM_FATE_INTERRUPT};
    w->fate = w->calm ? RV_SIM_FATE_NONE : fates[rv_sim_below(w, RV_COUNT(fates))];
    bool has_hits = w->is_again && w->life == w->life_first && !w->calm;
    if (has_hits && rv_sim_one_in(w, 2)) w->fate = RV_SIM_FATE_DIE_POINT;
    if (w->fate == RV_SIM_FATE_DIE_DISK) {
        rv_disk_die_at(w->disk, some(w, 11), on_disk, w);
    } else if (w->fate == RV_SIM_FATE_DIE_POINT) {
        bool is_rare = has_hits || rv_sim_one_in(w, 4);
        rv_fail_point point = is_rare ? rare_points[rv_sim_below(w, RV_COUNT(rare_points))] : points[rv_sim_below(w, RV_COUNT(points))];
        rv_fail_point_call(point, some(w, is_rare ? 1 : 6), on_point, w);
    } else if (w->fate == RV_SIM_FATE_DISK_FAULT) {
        rv_disk_fault fault = (rv_disk_fault)(1 + rv_sim_below(w, RV_DISK_FAULT_COUNT - 1));
        bool is_sticky = rv_sim_one_in(w, 2);
        rv_disk_arm(w->disk, fault, some(w, 10), is_sticky);
        rv_sim_tell(w, "fault %s%s", rv_disk_fault_name(fault), is_sticky ? " for good" : "");
    }
}

void rv_sim_count_faults(rv_sim_world *w, bool has_disk_failed)
{
    static const rv_sim_count kinds[RV_DISK_FAULT_COUNT] = {
        [RV_DISK_FAULT_EIO] = RV_SIM_FAULTS_EIO,   [RV_DISK_FAULT_FULL] = RV_SIM_FAULTS_FULL, [RV_DISK_FAULT_SHORT] = RV_SIM_FAULTS_SHORT,
        [RV_DISK_FAULT_LATE] = RV_SIM_FAULTS_LATE, [RV_DISK_FAULT_SYNC] = RV_SIM_FAULTS_SYNC, [RV_DISK_FAULT_OPEN] = RV_SIM_FAULTS_OPEN};
    uint64_t *counts = w->result->counts;
    rv_disk_tally tally = rv_disk_tally_of(w->disk);
    counts[RV_SIM_DISK_FAULTS] += has_disk_failed;
    for (uint32_t i = RV_DISK_FAULT_NONE + 1; i < RV_DISK_FAULT_COUNT; i++) counts[kinds[i]] = tally.faults[i];
    counts[RV_SIM_LOST_WRITES] = tally.lost;
    counts[RV_SIM_TORN_WRITES] = tally.torn;
    counts[RV_SIM_UNKNOWNS] = tally.unknown;
}

static void die(rv_sim_world *w, int64_t number, const char *text) { rv_sim_die(w, RV_SIM_DEATHS_TIME, "at any time"); }

static void interrupt(rv_sim_world *w, int64_t signal, const char *text)
{
    rv_sim_tell(w, "signal %lld", (long long)signal);
    w->result->counts[RV_SIM_INTERRUPTS]++;
    rv_engine_interrupt(w->engine, (int)signal);
}

static void jump(rv_sim_world *w, int64_t number, const char *text)
{
    int64_t wall_ms = rv_sim_one_in(w, 2) ? (int64_t)rv_sim_below(w, 8000000) - 4000000 : 0;
    int64_t mono_ms = wall_ms ? 0 : rv_sim_below(w, 20000);
    w->result->counts[wall_ms ? RV_SIM_JUMPS : RV_SIM_PAUSES]++;
    rv_sim_tell(w, "clock %+lld %+lld", (long long)wall_ms, (long long)mono_ms);
    rv_loop_jump(w->loop, wall_ms + mono_ms, mono_ms);
}

static void duplicate(rv_sim_world *w, int64_t left, const char *text)
{
    rv_sim_duplicate(w);
    if (left) rv_sim_later(w, rv_sim_below(w, 300), duplicate, left - 1, NULL);
}

void rv_sim_plan_run(rv_sim_world *w)
{
    if (w->calm) return;
    int64_t span_ms = some(w, 13);
    if (w->fate == RV_SIM_FATE_DIE_TIME) rv_sim_later(w, rv_sim_below(w, (uint32_t)span_ms), die, 0, NULL);
    if (w->fate == RV_SIM_FATE_INTERRUPT) {
        rv_sim_later(w, rv_sim_below(w, (uint32_t)span_ms), interrupt, rv_sim_one_in(w, 2) ? 2 : 15, NULL);
        if (rv_sim_one_in(w, 4)) rv_sim_later(w, rv_sim_below(w, (uint32_t)span_ms) + 100, die, 0, NULL); /* a second one */
    }
    for (uint32_t jumps = rv_sim_one_in(w, 3) ? some(w, 3) : 0; jumps > 0; jumps--)
        rv_sim_later(w, rv_sim_below(w, (uint32_t)span_ms), jump, 0, NULL);
    if (rv_sim_one_in(w, 3)) rv_sim_later(w, rv_sim_below(w, 200), duplicate, some(w, 3), NULL);
    if (rv_sim_one_in(w, 3)) rv_sim_answer_early(w);
    if (rv_sim_one_in(w, 3)) rv_sim_signal_early(w);
    if (rv_sim_one_in(w, 3)) rv_sim_add_early(w);
    if (rv_sim_one_in(w, 3)) rv_sim_steer(w);
    if (rv_sim_one_in(w, 4)) rv_sim_inputs_soon(w);
    if (rv_sim_one_in(w, 20)) rv_sim_cancel_soon(w);
    if (rv_sim_one_in(w, 60)) rv_sim_preempt_soon(w);
}
