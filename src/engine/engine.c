#include "engine/inner.h"
#include "engine/memo.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* Life, clock, turns, commits. inner.h draws a turn. */

rv_now rv_engine_now(rv_engine *engine)
{
    int64_t mono_ms = rv_loop_mono_ms(engine->config.loop);
    return (rv_now){rv_loop_wall_ms(engine->config.loop), engine->engine0_ms + (mono_ms - engine->mono0_ms)};
}

/* ---- flights ---- */

static rv_flight *flight_new(void) { return rv_alloc(sizeof(rv_flight)); }

static void flight_free(rv_flight *flight)
{
    if (!flight) return;
    rv_vec_deinit(&flight->effects);
    rv_vec_deinit(&flight->notices);
    rv_vec_deinit(&flight->synced_effects);
    rv_vec_deinit(&flight->done);
    rv_buf_deinit(&flight->text);
    rv_free(flight);
}

rv_flight *rv_engine_flight(rv_engine *engine)
{
    if (!engine->next_flight) {
        engine->next_flight = engine->spare_flight ? engine->spare_flight : flight_new();
        engine->spare_flight = NULL;
    }
    return engine->next_flight;
}

void rv_engine_notice(rv_engine *engine, rv_notice notice, rv_str text, rv_str text2)
{
    rv_flight *flight = rv_engine_flight(engine);
    notice.text = (uint32_t)flight->text.size, notice.text_size = (uint32_t)text.size;
    rv_buf_str_add(&flight->text, text);
    notice.text2 = (uint32_t)flight->text.size, notice.text2_size = (uint32_t)text2.size;
    rv_buf_str_add(&flight->text, text2);
    rv_vec_push(&flight->notices, notice);
}

void rv_engine_random(const rv_engine *engine, void *ret_bytes, size_t size)
{
    uint8_t *at = ret_bytes;
    if (!engine->config.seed) rv_random_bytes(ret_bytes, size);
    for (size_t i = 0; engine->config.seed && i < size; i++) at[i] = (uint8_t)rv_rng_next(engine->config.seed);
}

void rv_engine_urgent(rv_engine *engine)
{
    engine->is_urgent = true;
    if (engine->is_in_turn) rv_loop_wake(engine->config.loop); /* else the turn is still to come before the loop waits */
}

void rv_engine_fail(rv_engine *engine, const rv_error *err)
{
    if (engine->has_failed) return;
    engine->has_failed = true;
    engine->failure = *err;
    for (uint32_t i = 0; i < engine->attempts.count; i++)
        if (engine->attempts.at[i]->proc) rv_exec_stop(engine->attempts.at[i]->proc, RV_STOP_INTERRUPT, 0);
    if (engine->config.failed) engine->config.failed(engine->config.failed_user, err);
}

/* An attempt holds two pipes and a pidfd, and two more ends while it starts; the rest of the process needs a few dozen. */
uint32_t rv_engine_slots_max(const rv_engine *engine, uint32_t wanted)
{
    enum { DESCRIPTORS_OWN = 48, DESCRIPTORS_EACH = 4 };
    struct rlimit limit;
    if (!engine->config.exec || getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return wanted;
    uint64_t room = limit.rlim_cur > DESCRIPTORS_OWN + DESCRIPTORS_EACH ? (limit.rlim_cur - DESCRIPTORS_OWN) / DESCRIPTORS_EACH : 1;
    if (room >= wanted) return wanted;
    rv_log(RV_LOG_WARN, "%u at once are more than %llu open files serve (ulimit -n): %llu run at once", wanted,
           (unsigned long long)limit.rlim_cur, (unsigned long long)room);
    return (uint32_t)room;
}

/* Keep its room for the next one: a batch of many hits is a megabyte of them. */
static void flight_done(rv_engine *engine, rv_flight *flight)
{
    if (engine->spare_flight) {
        flight_free(flight);
        return;
    }
    rv_flight blank = {.effects = flight->effects, .notices = flight->notices, .synced_effects = flight->synced_effects,
                       .done = flight->done, .text = flight->text};
    *flight = blank;
    rv_vec_clear(&flight->effects);
    rv_vec_clear(&flight->notices);
    rv_vec_clear(&flight->synced_effects);
    rv_vec_clear(&flight->done);
    rv_buf_clear(&flight->text);
    engine->spare_flight = flight;
}

/* ---- publishing ---- */

static void publish_one(rv_engine *engine, const rv_flight *flight, const rv_notice *notice)
{
    const rv_observer *observer = &engine->config.observer;
    rv_job *job = notice->job;
    rv_str text = {flight->text.at + notice->text, notice->text_size}, text2 = {flight->text.at + notice->text2, notice->text2_size};
    switch (notice->type) {
    case NOTICE_STARTED: if (observer->attempt_started) observer->attempt_started(observer->user, job, &notice->view); break;
    case NOTICE_ENDED:
        if (observer->attempt_ended)
            observer->attempt_ended(observer->user, job, &notice->view, notice->attempt_state, notice->will_retry,
                                    notice->retry_in_ms);
        break;
    case NOTICE_NODE: if (observer->node_ended) observer->node_ended(observer->user, job, &notice->view); break;
    case NOTICE_NOTE: if (observer->note) observer->note(observer->user, job, text); break;
    case NOTICE_UNBLOCKED:
        if (observer->blocker_closed) observer->blocker_closed(observer->user, job, notice->view.name, text, text2);
        break;
    case NOTICE_BLOCKER: {
        char digest[RV_DIGEST_TEXT_SIZE + 1];
        rv_digest_text(rv_sha256(text), digest);
        rv_blocker_view view = {.key = notice->view.name, .kind = text2, .payload = text, .digest = rv_str_of(digest),
                                .deadline_ms = notice->retry_in_ms, .node = notice->view.node};
        if (observer->blocker_opened) observer->blocker_opened(observer->user, job, &view);
        break;
    }
    case NOTICE_RUN: if (observer->run_started) observer->run_started(observer->user, job, job->is_resumed); break;
    }
}

static void perform(rv_job *job, const rv_effect *effect)
{
    switch (effect->type) {
    case RV_EFFECT_SPAWN: rv_attempt_start(job, effect->node, effect->epoch); break;
    case RV_EFFECT_REDUCE: rv_reduce_perform(job, effect->node, effect->epoch); break;
    case RV_EFFECT_STOP:
        rv_attempt_stop(job, effect->node, effect->epoch, job->run->closing == RV_CLOSING_INTERRUPT ? RV_STOP_INTERRUPT : RV_STOP_CANCEL);
        break;
    case RV_EFFECT_STEER: {
        rv_attempt *attempt = rv_job_attempt(job, effect->node);
        if (attempt && attempt->epoch == effect->epoch && attempt->is_started && !attempt->is_ended) rv_steer_write(attempt);
        break;
    }
    case RV_EFFECT_RUN_ENDED:
        RV_FAIL_POINT(RUN_END_SYNCED);
        job->is_ended = true;
        if (job->engine->config.observer.run_ended)
            job->engine->config.observer.run_ended(job->engine->config.observer.user, job, (rv_run_state)effect->state);
        break;
    case RV_EFFECT_PARK:
    case RV_EFFECT_RESUMED:
    case RV_EFFECT_ARM_TIMER:
    case RV_EFFECT_GATE:
    case RV_EFFECT_NOTE: break; /* rows and timers, done in the turn */
    case RV_EFFECT_COUNT: RV_UNREACHABLE();
    }
}

static void flight_written(rv_engine *engine, rv_flight *flight)
{
    for (uint32_t i = 0; i < flight->notices.count; i++) publish_one(engine, flight, &flight->notices.at[i]);
    for (uint32_t i = 0; i < flight->effects.count; i++) perform(flight->effects.at[i].job, &flight->effects.at[i].effect);
    for (uint32_t i = 0; i < engine->jobs.count; i++) {
        rv_job *job = engine->jobs.at[i];
        job->ahead_unwritten = 0;
        rv_attempt_start_ahead(job);
    }
}

static void flight_synced(rv_engine *engine, rv_flight *flight, const rv_error *err)
{
    rv_status status = err ? err->status : RV_OK;
    for (uint32_t i = 0; i < flight->done.count; i++) flight->done.at[i].fn(flight->done.at[i].user, status, err);
    if (err) { rv_engine_fail(engine, err); return; }
    for (uint32_t i = 0; i < flight->synced_effects.count; i++)
        perform(flight->synced_effects.at[i].job, &flight->synced_effects.at[i].effect);
}

/* ---- results of the store ---- */

static void take_result(rv_engine *engine, const rv_store_result *result)
{
    rv_flight *flight = result->user;
    if (result->outcome != RV_OUTCOME_DONE) {
        flight_synced(engine, flight, &result->error);
        rv_engine_fail(engine, &result->error);
        return;
    }
    if (result->is_synced_notice) {
        RV_FAIL_POINT(ENGINE_SYNCED);
        rv_flight **at = &engine->syncing;
        while (*at != flight) at = &(*at)->next;
        *at = flight->next;
        flight_synced(engine, flight, NULL);
        flight_done(engine, flight);
        return;
    }
    RV_ASSERT(flight == engine->flying && result->rejected_groups == 0);
    engine->flying = NULL;
    if (flight->wants_sync) {
        flight->next = engine->syncing;
        engine->syncing = flight;
    }
    RV_FAIL_POINT(ENGINE_WRITTEN);
    flight_written(engine, flight);
    RV_FAIL_POINT(ENGINE_PERFORMED);
    if (!flight->wants_sync) flight_done(engine, flight);
    if (engine->on_change) engine->on_change(engine->on_change_user);
}

static void drain_store(rv_engine *engine)
{
    rv_store_result results[16];
    uint32_t count;
    do {
        count = engine->has_failed ? 0 : rv_store_dispatch(engine->config.store, results, RV_COUNT(results));
        for (uint32_t i = 0; i < count && !engine->has_failed; i++) take_result(engine, &results[i]);
    } while (count == RV_COUNT(results));
}

static void on_store(void *user, int events) { drain_store(user); }

/* ---- admission ---- */

static bool may_start_ahead(const rv_job *job, uint32_t node)
{
    if (rv_run_is_held_back(job->run) || rv_job_spends_money(job, node)) return false;
    return rv_run_class_of(job->run, node) == 0 && rv_run_policy(job->run, node)->delivery == RV_DELIVERY_AT_LEAST_ONCE;
}

/* A node with tags cannot be started ahead. Is one next in order that its tags permit? Then nothing behind it is: what
 * waits for a slot is used up first, and the slot that frees then goes to it. */
static bool is_behind_tagged(rv_job *job, uint32_t node)
{
    for (uint32_t class_index = 1; class_index < job->run->classes.count; class_index++) {
        uint32_t other = rv_run_ready_first(job->run, class_index);
        bool is_before = other != RV_NONE && rv_run_goes_before(job->run, other, node);
        if (is_before && rv_admit_blocker(&job->admit, class_index) == RV_NONE) return true;
    }
    return false;
}

/* How many starts to have journaled and waiting: what the slots use up in the horizon. */
static uint32_t ahead_target(const rv_engine *engine)
{
    if (engine->attempt_us <= 0) return 0;
    int64_t target = AHEAD_HORIZON_US * (int64_t)engine->slots / engine->attempt_us;
    return (uint32_t)RV_MIN(target, (int64_t)AHEAD_MAX);
}

void rv_engine_release(rv_job *job, uint32_t node, bool has_slots)
{
    rv_machine_give(job, node);
    rv_admit_end(&job->admit, node, has_slots);
}

/* Begin an attempt of a node that has all it needs, or, without slots, one that is started ahead. false: a gate of the run refused it
 * [K31a]; what it has is given back. */
static bool begin(rv_job *job, uint32_t node, bool takes_slot)
{
    rv_attempt *attempt = rv_attempt_new(job, node);
    attempt->has_slot = takes_slot;
    rv_answer answer = rv_engine_step(job, &(rv_event){.type = RV_EVENT_ADMITTED, .node = node}, takes_slot);
    RV_ASSERT(answer == RV_ANSWER_TAKEN);
    if (job->run->nodes[node].state != RV_NODE_RUNNING) {
        rv_engine_release(job, node, takes_slot);
        rv_attempt_free(attempt);
        return false;
    }
    attempt->epoch = job->run->nodes[node].epoch;
    attempt->number = job->run->nodes[node].number;
    return true;
}

/* Was the work of a cached node done before [A3]? Then it has settled, and its slots are given back. */
static bool is_hit(rv_job *job, uint32_t node)
{
    rv_cache_hit hit;
    rv_error error;
    if (!(rv_run_def(job->run, node)->flags & RV_NODE_F_CACHED)) return false;
    rv_cache_reason reason = rv_cache_try(job, node, &hit, &error);
    if (reason != RV_CACHE_HIT) {
        if (error.text[0]) rv_engine_notice(job->engine, (rv_notice){.type = NOTICE_NOTE, .job = job}, rv_str_of(error.text), RV_STR(""));
        return false;
    }
    rv_answer answer = rv_engine_step(job, &(rv_event){.type = RV_EVENT_CACHED, .node = node, .exit_status = hit.exit_status,
                                                       .key = rv_str_of(hit.key), .value = hit.result, .output = hit.output}, false);
    RV_ASSERT(answer == RV_ANSWER_TAKEN);
    for (uint32_t i = 0; i < hit.file_count && rv_trespass_is_watched(job); i++)
        if (hit.files[i].kind != RV_TREE_DIR) rv_trespass_made(job, node, hit.files[i].path);
    return true;
}

/* A node that goes next takes its slots; then it begins, or goes through its phases. true: the cache settled it. */
static bool admit(rv_job *job, uint32_t node)
{
    rv_error error = {0};
    rv_admit_take(&job->admit, node);
    bool is_staged = rv_admit_is_staged(job->run, node);
    if (is_hit(job, node)) return true;
    if (is_staged && !rv_admit_claim(&job->admit, node)) return false;
    rv_machine_answer answer = is_staged ? rv_machine_take(job, node, &error) : RV_MACHINE_HAS;
    if (answer == RV_MACHINE_TAG || answer == RV_MACHINE_MUTEX) rv_admit_outside(&job->admit, node);
    if (answer == RV_MACHINE_TAG) rv_admit_retry(&job->admit, node); /* as soon as its tag is no longer blocked */
    if (answer == RV_MACHINE_TAG || answer == RV_MACHINE_MUTEX || !begin(job, node, true)) return false;
    rv_attempt *attempt = rv_job_attempt(job, node);
    attempt->is_refused = answer == RV_MACHINE_BROKEN;
    if (attempt->is_refused) rv_buf_cstring(&attempt->error, error.text);
    return false;
}

static void admit_job(rv_job *job)
{
    rv_engine *engine = job->engine;
    uint32_t node;
    if (job->is_undriven || job->run->closing == RV_CLOSING_INTERRUPT || job->run->status != RV_RUN_RUNNING) return;
    if (job->is_resumed && !job->is_announced) return; /* nothing starts under epochs that a loss of power would forget again [P4] */
    if (engine->flying && job->out.journal.size >= WAITING_SIZE_MAX) return; /* its landing brings the next turn */
    uint32_t waiting = job->ahead.count - job->ahead_begin + job->ahead_unwritten;
    uint32_t hits = 0;
    while (waiting == 0 && (node = rv_admit_next(&job->admit)) != RV_NONE) {
        if (rv_adopt_is_unknown(job, node)) rv_adopt_ask(job, node);
        else hits += admit(job, node);
        if (hits < HITS_A_TURN) continue;
        engine->is_urgent = true;
        rv_loop_wake(engine->config.loop); /* people and signals in between */
        return;
    }
    uint32_t target = ahead_target(engine);
    if (waiting > target / 2) return;
    for (; waiting < target; waiting++) {
        node = rv_run_ready_first(job->run, 0);
        if (node == RV_NONE || !may_start_ahead(job, node) || is_behind_tagged(job, node)) break;
        if (rv_adopt_is_unknown(job, node)) {
            rv_adopt_ask(job, node);
            break;
        }
        if (!begin(job, node, false)) break;
        job->ahead_unwritten++;
    }
    if (job->ahead_unwritten && job->ahead.count - job->ahead_begin < engine->slots) engine->is_urgent = true;
}

/* ---- committing ---- */

static bool has_something(const rv_engine *engine)
{
    for (uint32_t i = 0; i < engine->jobs.count; i++) {
        const rv_job *job = engine->jobs.at[i];
        if (job->out.event_count || job->row_is_dirty) return true;
    }
    if (rv_cleaner_wants_batch(engine->cleaner)) return true;
    return engine->next_flight && (engine->next_flight->done.count || engine->next_flight->notices.count);
}

static void save_clock(rv_engine *engine, rv_batch *batch)
{
    rv_now now = rv_engine_now(engine);
    if (now.engine_ms - engine->engine_saved_ms < 1000) return;
    char text[32];
    int size = snprintf(text, sizeof text, "%lld", (long long)now.engine_ms);
    rv_batch_meta(batch, RV_STR("engine_ms"), (rv_str){text, (size_t)size});
    engine->engine_saved_ms = now.engine_ms;
}

/* What is synced speaks of output that must then be on disk too. */
static bool sync_logs(rv_engine *engine)
{
    rv_error error = {0};
    for (uint32_t i = 0; i < engine->jobs.count; i++) {
        if (!engine->jobs.at[i]->log || rv_log_sync(engine->jobs.at[i]->log, &error) == RV_OK) continue;
        rv_engine_fail(engine, &error);
        return false;
    }
    return true;
}

/* About what the next batch will have: growing by and by copies all of it each time, into pages that nobody has touched. Most nodes that
 * changed did so twice, and have one row. */
static size_t batch_size(const rv_engine *engine)
{
    enum { ROW_SIZE = sizeof(rv_node_row) + 48, CHANGES_A_ROW = 2 };
    size_t size = 4096;
    for (uint32_t i = 0; i < engine->jobs.count; i++) {
        const rv_out *out = &engine->jobs.at[i]->out;
        size += out->journal.size + out->changed.count * (size_t)ROW_SIZE / CHANGES_A_ROW;
    }
    return size;
}

static void commit(rv_engine *engine)
{
    rv_flight *flight = rv_engine_flight(engine);
    rv_batch *batch = rv_batch_new(batch_size(engine));
    engine->turn_number++;
    for (uint32_t i = 0; i < engine->jobs.count; i++) rv_job_collect(engine->jobs.at[i], batch, flight);
    rv_cleaner_collect(engine->cleaner, batch, flight);
    save_clock(engine, batch);
    engine->next_flight = NULL;
    engine->is_urgent = false;
    if (engine->lazy_is_set) rv_timer_clear(engine->lazy_timer);
    engine->lazy_is_set = false;
    flight->batch_id = ++engine->batch_last;
    flight->wants_sync = flight->synced_effects.count || flight->done.count;
    if (flight->wants_sync && !sync_logs(engine)) {
        rv_batch_free(batch);
        flight_free(flight);
        return;
    }
    engine->flying = flight;
    RV_FAIL_POINT(ENGINE_BEFORE_SUBMIT);
    rv_store_submit(engine->config.store, batch, flight->batch_id, flight->wants_sync, flight);
    RV_FAIL_POINT(ENGINE_AFTER_SUBMIT);
    drain_store(engine); /* a small batch may be written already */
    engine->has_landed = !engine->flying;
}

static void arm_due(rv_engine *engine)
{
    int64_t due_ms = 0;
    for (uint32_t i = 0; i < engine->jobs.count; i++) {
        int64_t job_due_ms = engine->jobs.at[i]->is_undriven ? 0 : rv_run_due_ms(engine->jobs.at[i]->run);
        if (job_due_ms && (due_ms == 0 || job_due_ms < due_ms)) due_ms = job_due_ms;
    }
    if (due_ms) rv_timer_set(engine->due_timer, engine->mono0_ms + (due_ms - engine->engine0_ms));
    else rv_timer_clear(engine->due_timer);
}

static void tell_idle(rv_engine *engine)
{
    for (uint32_t i = 0; i < engine->jobs.count; i++) {
        rv_job *job = engine->jobs.at[i];
        bool is_idle = job->is_announced && job->run->status == RV_RUN_RUNNING && job->run->running == 0 && job->run->ready_count == 0 &&
                       job->run->counts[RV_NODE_WAITING] > 0;
        if (is_idle && engine->config.observer.idle) engine->config.observer.idle(engine->config.observer.user, job);
    }
}

static void take_turn(rv_engine *engine)
{
    if (rv_store_fd(engine->config.store) < 0) drain_store(engine);
    if (engine->has_failed) return;
    for (uint32_t i = 0; i < engine->jobs.count; i++) {
        if (engine->jobs.at[i]->run->paused) rv_group_look(engine->jobs.at[i], RV_EVENT_TICK); /* others may have given something back */
        admit_job(engine->jobs.at[i]);
    }
    if (engine->flying) return;
    if (!has_something(engine)) {
        tell_idle(engine);
    } else if (engine->is_urgent) {
        commit(engine);
    } else if (!engine->lazy_is_set) {
        engine->lazy_is_set = true;
        rv_timer_set(engine->lazy_timer, rv_loop_mono_ms(engine->config.loop) + LAZY_MS);
    }
    arm_due(engine);
}

void rv_engine_moment(rv_engine *engine)
{
    int64_t now_ms = rv_loop_mono_ms(engine->config.loop);
    bool is_quiet = engine->attempts.count == engine->attempts_free.count && !engine->is_disturbed && engine->moment;
    int64_t past_ms = now_ms - engine->moment_ms;
    if (is_quiet && past_ms < MOMENT_MS) return;
    engine->moment += is_quiet ? (uint64_t)(past_ms / MOMENT_MS) : 1; /* who was stopped, or waited for a disk, comes back after many */
    if (!is_quiet) engine->unrest++;
    engine->moment_ms = now_ms;
    engine->is_disturbed = false;
}

void rv_engine_moment_again(rv_engine *engine)
{
    if (rv_loop_mono_ms(engine->config.loop) - engine->moment_ms >= MOMENT_MS) rv_engine_moment(engine);
}

static void on_turn(void *user)
{
    rv_engine *engine = user;
    engine->is_in_turn = true;
    rv_engine_moment(engine);
    for (int round = 0; round < TURN_ROUNDS_MAX; round++) { /* what a batch that is written at once gave rise to */
        engine->has_landed = false;
        take_turn(engine);
        if (!engine->has_landed) break;
    }
    rv_jobserver_settle(engine);
    if (engine->has_landed) rv_loop_wake(engine->config.loop);
    engine->is_in_turn = false;
}

static void on_lazy(void *user)
{
    rv_engine *engine = user;
    engine->lazy_is_set = false;
    rv_engine_urgent(engine);
}

static void on_due(void *user)
{
    rv_engine *engine = user;
    rv_now now = rv_engine_now(engine);
    for (uint32_t i = 0; i < engine->jobs.count; i++) {
        rv_job *job = engine->jobs.at[i];
        int64_t due_ms = rv_run_due_ms(job->run);
        if (due_ms && due_ms <= now.engine_ms) rv_engine_step(job, &(rv_event){.type = RV_EVENT_TICK}, true);
    }
    rv_engine_urgent(engine);
}

/* Who was called off while it looked into the cache or waited for a mutex wants neither any more [A11]. */
static void withdraw(rv_job *job, uint32_t changed_before)
{
    for (uint32_t i = changed_before; i < job->out.changed.count; i++) {
        uint32_t node = job->out.changed.at[i];
        rv_bid_phase phase = rv_admit_phase(&job->admit, node);
        bool is_open = phase != RV_BID_NONE && phase != RV_BID_HOLDING;
        if (is_open && job->run->nodes[node].state != RV_NODE_READY) rv_engine_release(job, node, false);
    }
}

rv_answer rv_engine_step(rv_job *job, const rv_event *input, bool urgent)
{
    rv_engine *engine = job->engine;
    rv_error error = {0};
    bool is_told = input->type == RV_EVENT_BUDGET && (input->flags & RV_BUDGET_ELSEWHERE);
    if (input->type != RV_EVENT_CACHED && input->type != RV_EVENT_LOAD) engine->is_disturbed = true;
    if (job->group.size && !is_told) rv_group_look(job, input->type);
    rv_status status = rv_run_reserve(job->run, &job->out, input);
    if (status != RV_OK) {
        rv_error_set(&error, status, "no memory for the next step; what is recorded is safe, resume later");
        rv_engine_fail(engine, &error);
        return RV_ANSWER_ILLEGAL;
    }
    uint32_t effects_before = job->out.effects.count, changed_before = job->out.changed.count;
    rv_answer answer = rv_run_step(job->run, input, rv_engine_now(engine), &job->out);
    rv_job_fit(job);
    for (uint32_t i = effects_before; i < job->out.effects.count; i++)
        if (job->out.effects.at[i].type != RV_EFFECT_SPAWN && job->out.effects.at[i].type != RV_EFFECT_ARM_TIMER) urgent = true;
    if (urgent) engine->is_urgent = true;
    if (job->admit.staged) withdraw(job, changed_before);
    if (job->parent && input->type != RV_EVENT_ADOPT && input->type != RV_EVENT_ADMITTED) rv_adopt_changed(job, changed_before);
    return answer;
}

/* ---- life ---- */

static rv_status read_clock(rv_engine *engine, rv_error *err)
{
    rv_arena arena = {0};
    rv_str text = {0};
    int64_t saved_ms = 0;
    rv_status status = rv_store_meta(engine->config.store, &arena, RV_STR("engine_ms"), &text, err);
    if (status == RV_OK)
        for (size_t i = 0; i < text.size && text.at[i] >= '0' && text.at[i] <= '9'; i++) saved_ms = saved_ms * 10 + (text.at[i] - '0');
    if (status == RV_NOT_FOUND) status = RV_OK;
    engine->mono0_ms = rv_loop_mono_ms(engine->config.loop);
    engine->engine0_ms = RV_MAX(saved_ms + 1, rv_loop_wall_ms(engine->config.loop));
    rv_arena_deinit(&arena);
    return status;
}

/* The key of keyed hashes: made once a store, 0600. */
static rv_status read_key(rv_engine *engine, rv_error *err)
{
    rv_buf path = {0};
    rv_buf_printf(&path, "%s/key", engine->config.root);
    rv_status status = RV_OK;
    int fd = open(path.at, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        rv_engine_random(engine, engine->key, sizeof engine->key);
        fd = open(path.at, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0 || write(fd, engine->key, sizeof engine->key) != (ssize_t)sizeof engine->key || fsync(fd) != 0)
            status = rv_error_set(err, RV_STORE_IO, "cannot write %s: %s; check the permissions and the space of the store",
                                  path.at, strerror(errno));
    } else if (read(fd, engine->key, sizeof engine->key) != (ssize_t)sizeof engine->key) {
        status = rv_error_set(err, RV_CORRUPT,
                              "%s is not a key of 32 bytes; restore it or remove it (secrets are then asked again)", path.at);
    }
    if (fd >= 0) close(fd);
    rv_buf_deinit(&path);
    return status;
}

rv_status rv_engine_new(const rv_engine_config *config, rv_engine **ret, rv_error *err)
{
    rv_engine *engine = rv_alloc(sizeof *engine);
    engine->config = *config;
    engine->jobs_fds[0] = engine->jobs_fds[1] = engine->jobs_own[0] = engine->jobs_own[1] = engine->notify_fd = -1;
    engine->slots = config->slots ? config->slots : (uint32_t)RV_MAX(sysconf(_SC_NPROCESSORS_ONLN), 1);
    if (engine->config.grace_ms <= 0) engine->config.grace_ms = 5000;
    engine->lazy_timer = rv_timer_new(config->loop, on_lazy, engine);
    engine->due_timer = rv_timer_new(config->loop, on_due, engine);
    rv_status status = rv_store_last_batch(config->store, &engine->batch_last, err);
    if (status == RV_OK) status = read_clock(engine, err);
    if (status == RV_OK) status = read_key(engine, err);
    if (status == RV_OK && config->exec) status = rv_slot_dirs_open(engine, err);
    int fd = rv_store_fd(config->store);
    if (status == RV_OK && fd >= 0) status = rv_watch_start(config->loop, fd, RV_LOOP_READ, on_store, engine, &engine->store_watch, err);
    if (status == RV_OK && config->exec) rv_jobserver_open(engine);
    rv_environment_open(engine);
    rv_loop_set_turn(config->loop, on_turn, engine);
    if (status != RV_OK) {
        rv_engine_free(engine);
        return status;
    }
    *ret = engine;
    return RV_OK;
}

/* An attempt whose end will not be recorded: its store failed, or its run was interrupted twice. Its words are kept as
 * far as there is room for them. */
static void end_abandoned(rv_attempt *attempt)
{
    rv_error ignored;
    rv_attempt_row *row = &attempt->row;
    if (attempt->log && rv_log_attempt_end(attempt->log, &row->log_last, &row->stdout_size, &row->stderr_size, &ignored) != RV_OK)
        rv_log(RV_LOG_WARN, "the last output of an attempt could not be kept: %s", ignored.text);
    attempt->log = NULL;
    rv_mask_free(attempt->mask);
    attempt->mask = NULL;
}

void rv_engine_free(rv_engine *engine)
{
    if (!engine) return;
    rv_loop_set_turn(engine->config.loop, NULL, NULL);
    rv_watch_end(engine->store_watch);
    for (uint32_t i = 0; i < engine->attempts.count; i++) end_abandoned(engine->attempts.at[i]);
    for (uint32_t i = 0; i < engine->jobs.count; i++) rv_job_free(engine->jobs.at[i]);
    for (uint32_t i = 0; i < engine->attempts.count; i++) {
        rv_attempt *attempt = engine->attempts.at[i];
        rv_buf_deinit(&attempt->result), rv_buf_deinit(&attempt->output), rv_buf_deinit(&attempt->error),
            rv_buf_deinit(&attempt->artifacts);
        rv_free(attempt);
    }
    rv_machine_close(engine);
    rv_admission_deinit(&engine->admission);
    rv_cleaner_free(engine->cleaner);
    rv_memo_close(engine->config.memo, false);
    rv_cache_close(engine->cache);
    rv_jobserver_close(engine);
    rv_slot_dirs_free(engine);
    for (rv_flight *flight = engine->syncing, *next; flight; flight = next) {
        next = flight->next;
        flight_free(flight);
    }
    flight_free(engine->flying);
    flight_free(engine->next_flight);
    flight_free(engine->spare_flight);
    rv_timer_free(engine->lazy_timer);
    rv_timer_free(engine->due_timer);
    rv_vec_deinit(&engine->jobs);
    rv_vec_deinit(&engine->attempts);
    rv_vec_deinit(&engine->attempts_free);
    rv_vec_deinit(&engine->base_env);
    rv_vec_deinit(&engine->own_env);
    rv_vec_deinit(&engine->envp);
    rv_arena_deinit(&engine->constants);
    rv_arena_deinit(&engine->scratch);
    rv_buf_deinit(&engine->scratch_buf);
    rv_free(engine->path_tmp);
    rv_free(engine);
}

void rv_engine_on_change(rv_engine *engine, rv_loop_fn *fn, void *user)
{
    engine->on_change = fn;
    engine->on_change_user = user;
}

rv_job *rv_engine_job(rv_engine *engine, rv_str run)
{
    for (uint32_t i = 0; i < engine->jobs.count; i++)
        if (rv_str_is(run, engine->jobs.at[i]->id)) return engine->jobs.at[i];
    return NULL;
}
