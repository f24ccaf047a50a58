#include "engine/inner.h"
#include "engine/parent.h"

#include <time.h>

/* The life of a run in this engine: submit, resume, collect what a turn gave, end. */

static char *copy(rv_job *job, rv_str text) { return rv_arena_cstring(&job->arena, text); }

/* "20260131-090807-k3f9": sortable, readable, one of a million in its second. */
static void make_id(const rv_engine *engine, int64_t wall_ms, char ret[24])
{
    static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz"; /* Crockford's base 32, lower case */
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm utc;
    uint8_t random[4];
    char tail[5] = {0};
    rv_engine_random(engine, random, sizeof random);
    for (int i = 0; i < 4; i++) tail[i] = digits[random[i] & 31];
    gmtime_r(&seconds, &utc);
    snprintf(ret, 24, "%04d%02d%02d-%02d%02d%02d-%s", (utc.tm_year + 1900) % 10000, (utc.tm_mon + 1) % 100, utc.tm_mday % 100,
             utc.tm_hour % 100, utc.tm_min % 100, utc.tm_sec % 100, tail);
}

/* Whether a run or a task has this id. */
static rv_status is_taken(rv_engine *engine, rv_str id, bool *ret, rv_error *err)
{
    rv_arena arena = {0};
    rv_run_row run;
    rv_task_row task;
    *ret = rv_engine_job(engine, id) != NULL;
    for (uint32_t i = 0; i < engine->jobs.count && !*ret; i++) *ret = strcmp(engine->jobs.at[i]->task, id.at) == 0;
    rv_status status = *ret ? RV_OK : rv_store_run(engine->config.store, &arena, id, &run, err);
    if (status == RV_NOT_FOUND) status = rv_store_task(engine->config.store, &arena, id, &task, err);
    if (status == RV_OK) *ret = true;
    rv_arena_deinit(&arena);
    return status == RV_NOT_FOUND ? RV_OK : status;
}

/* An id that no run and no task has, nor `but`. */
static rv_status new_id(rv_engine *engine, int64_t wall_ms, const char *but, char ret[24], rv_error *err)
{
    bool is_in_use = true;
    rv_status status = RV_OK;
    while (is_in_use && status == RV_OK) {
        make_id(engine, wall_ms, ret);
        if (strcmp(ret, but) != 0) status = is_taken(engine, rv_str_of(ret), &is_in_use, err);
    }
    return status;
}

/* ---- values ---- */

static void keyed_hash(rv_engine *engine, rv_str value, char ret[RV_DIGEST_TEXT_SIZE + 1])
{
    rv_digest_text(rv_hmac_sha256((rv_str){(const char *)engine->key, sizeof engine->key}, value), ret);
}

void rv_engine_secret_hash(rv_engine *engine, rv_str value, char ret_text[72])
{
    char text[RV_DIGEST_TEXT_SIZE + 1];
    keyed_hash(engine, value, text);
    memcpy(ret_text, text, sizeof text);
}

static void take_secrets(rv_job *job)
{
    rv_json_writer w;
    job->secrets = rv_arena_new(&job->arena, rv_str, job->spec->secrets.count + 1);
    rv_json_writer_init(&w, &job->secrets_json, 0);
    rv_jw_object(&w);
    for (uint32_t i = 0; i < job->spec->secrets.count; i++) {
        char hash[RV_DIGEST_TEXT_SIZE + 1];
        const rv_param_value *secret = &job->spec->secrets.at[i];
        keyed_hash(job->engine, secret->value, hash);
        rv_jw_key_str(&w, secret->name);
        rv_jw_cstring(&w, hash);
        job->secrets[i] = secret->value;
    }
    rv_jw_object_end(&w);
    if (job->spec->secrets.count) job->mask = rv_mask_new(job->secrets, job->spec->secrets.count);
}

static void make_load_value(rv_job *job)
{
    rv_buf_cstring(&job->load_value, "{\"user\":");
    rv_buf_str_add(&job->load_value, job->spec->user.size ? rv_buf_str(&job->spec->user) : RV_STR("{}"));
    rv_buf_cstring(&job->load_value, ",\"env\":");
    rv_buf_str_add(&job->load_value, job->spec->env.size ? rv_buf_str(&job->spec->env) : RV_STR("{}"));
    rv_buf_byte(&job->load_value, '}');
}

/* ---- making and freeing ---- */

static void *grow(void *at, size_t item_size, uint32_t before, uint32_t after)
{
    char *grown = rv_realloc(at, item_size * after);
    memset(grown + item_size * before, 0, item_size * (after - before));
    return grown;
}

void rv_job_fit(rv_job *job)
{
    uint32_t count = job->run->node_count, before = job->node_capacity;
    if (count > before) {
        uint32_t after = RV_MAX(count, before + before / 2);
        job->attempt_of = grow(job->attempt_of, sizeof *job->attempt_of, before, after);
        job->stamp = grow(job->stamp, sizeof *job->stamp, before, after);
        job->started_ms = grow(job->started_ms, sizeof *job->started_ms, before, after);
        job->blocker_revision = grow(job->blocker_revision, sizeof *job->blocker_revision, before, after);
        job->ids = grow(job->ids, sizeof *job->ids, before, after);
        job->node_capacity = after;
    }
    for (; job->id_count < count; job->id_count++) job->ids[job->id_count] = rv_run_id_in(job->run, job->id_count, &job->arena);
}

static rv_job *job_new(rv_engine *engine, rv_spec *spec, rv_str id)
{
    rv_job *job = rv_alloc(sizeof *job);
    job->engine = engine;
    job->spec = spec;
    job->graph = &spec->graph;
    job->run = rv_run_new(job->graph);
    job->compiler = (rv_compiler){.graph = job->graph, .environ = engine->config.environ};
    rv_compiler_serve(&job->compiler, job->run);
    job->id = copy(job, id);
    job->stream = copy(job, rv_arena_printf(&job->arena, "run/%s", job->id));
    rv_environment_job(job);
    job->name = copy(job, rv_graph_str(job->graph, job->graph->name));
    rv_job_fit(job);
    uint32_t cap = engine->config.slots ? engine->config.slots : job->graph->concurrency ? job->graph->concurrency : engine->slots;
    cap = rv_engine_slots_max(engine, cap);
    engine->slots = engine->jobs.count ? RV_MAX(engine->slots, cap) : cap;
    engine->admission.cap = engine->slots;
    rv_admit_open(&job->admit, &engine->admission, job->run, cap, RV_STR(""));
    make_load_value(job);
    take_secrets(job);
    rv_job_take_values(job);
    rv_vec_push(&engine->jobs, job);
    return job;
}

void rv_job_free(rv_job *job)
{
    if (!job) return;
    rv_cache_job_free(job);
    rv_log_close(job->log);
    rv_mask_free(job->mask);
    rv_parent_free(job->parent);
    rv_machine_give(job, RV_NONE);
    rv_trespass_free(job->trespass);
    rv_admit_close(&job->admit);
    rv_run_free(job->run);
    rv_compiler_deinit(&job->compiler);
    rv_asked_deinit(&job->asked);
    rv_free(job->attempt_of);
    rv_free(job->stamp);
    rv_free(job->started_ms);
    rv_free(job->blocker_revision);
    rv_free(job->ids);
    rv_out_deinit(&job->out);
    rv_buf_deinit(&job->load_value);
    rv_buf_deinit(&job->secrets_json);
    rv_vec_deinit(&job->ahead);
    rv_vec_deinit(&job->ended);
    rv_vec_deinit(&job->outputs);
    rv_vec_deinit(&job->shown);
    rv_spec_free(job->spec);
    rv_arena_deinit(&job->arena);
    rv_free(job);
}

/* Take `job` back out of the engine after a failure; the spec stays the caller's. */
static rv_status drop(rv_job *job, rv_status status)
{
    rv_engine *engine = job->engine;
    engine->jobs.count--;
    RV_ASSERT(engine->jobs.at[engine->jobs.count] == job);
    job->spec = NULL;
    rv_job_free(job);
    return status;
}

rv_attempt *rv_job_attempt(rv_job *job, uint32_t node)
{
    uint32_t index = job->attempt_of[node];
    return index ? job->engine->attempts.at[index - 1] : NULL;
}

/* ---- announcing: a run's id is spoken of once it survives power loss ---- */

static void on_announced(void *user, rv_status status, const rv_error *err)
{
    rv_job *job = user;
    if (status != RV_OK) return; /* engine_fail tells */
    job->is_announced = true;
    if (job->engine->config.observer.run_started)
        job->engine->config.observer.run_started(job->engine->config.observer.user, job, job->is_resumed);
    RV_FAIL_POINT(RUN_STARTED);
}

static void announce(rv_job *job)
{
    rv_flight *flight = rv_engine_flight(job->engine);
    rv_vec_push(&flight->done, ((rv_done_item){on_announced, job}));
    rv_engine_urgent(job->engine);
}

static rv_status open_log(rv_job *job, rv_error *err)
{
    return job->is_undriven ? RV_OK : rv_log_open(job->engine->config.root, rv_str_of(job->id), &job->log, err);
}

/* The run that goes on from `run`, if there is one; size 0: none. In the arena. */
static rv_str find_child(rv_engine *engine, rv_arena *arena, rv_str run)
{
    rv_buf lines = {0};
    bool is_cut;
    rv_json *cells = NULL;
    rv_status status =
        rv_store_query(engine->config.store, RV_STR("SELECT id FROM run WHERE resumed_from = ?1 ORDER BY created_ms LIMIT 1"), &run,
                       1, 1, &lines, &is_cut, NULL);
    size_t end = status == RV_OK ? rv_str_find(rv_buf_str(&lines), 0, '\n') : SIZE_MAX;
    rv_str line = end == SIZE_MAX ? (rv_str){NULL, 0} : rv_arena_str(arena, rv_str_from(rv_buf_str(&lines), end + 1));
    rv_buf_deinit(&lines);
    return line.size && rv_json_parse(arena, line, &cells, NULL) == RV_OK && cells->child ? cells->child->text : (rv_str){NULL, 0};
}

rv_status rv_engine_submit(rv_engine *engine, const rv_submit *submit, rv_job **ret_job, rv_error *err)
{
    char id[24], task[24];
    rv_now now = rv_engine_now(engine);
    rv_status status = new_id(engine, now.wall_ms, "", id, err);
    if (status == RV_OK) status = new_id(engine, now.wall_ms, id, task, err);
    if (status != RV_OK) return status;
    rv_job *job = job_new(engine, submit->spec, rv_str_of(id));
    job->is_new = job->row_is_dirty = true;
    job->task = copy(job, rv_str_of(task));
    job->file = copy(job, rv_str_of(submit->file));
    job->compiler.dir = job->dir = copy(job, rv_str_of(submit->dir));
    job->admit.root = rv_str_of(job->dir);
    job->resumed_from = rv_arena_str(&job->arena, submit->resumed_from);
    job->is_second_child = job->resumed_from.size && find_child(engine, &job->arena, job->resumed_from).size;
    job->created_ms = job->started_run_ms = now.wall_ms;
    job->task_state = RV_TASK_QUEUED;
    status = open_log(job, err);
    if (status == RV_OK && job->resumed_from.size) status = rv_adopt_load(job, err);
    if (status == RV_OK && job->resumed_from.size) status = rv_adopt_agrees(job, err);
    if (status == RV_OK) status = rv_group_load(job, err);
    if (status != RV_OK) return drop(job, status);
    engine->is_disturbed = true; /* who submits it may have changed files before */
    rv_engine_moment(engine);
    rv_cache_begin(job); /* files are looked at while the run is loaded */
    rv_event load = {.type = RV_EVENT_LOAD, .key = rv_str_of(job->id), .value = rv_buf_str(&job->load_value)};
    rv_engine_random(engine, &load.seed, sizeof load.seed);
    load.seed >>= 1; /* so that every reader of the journal has it exactly in 63 bits */
    load.flags = submit->fail_fast ? RV_LOAD_FAIL_FAST : 0;
    rv_answer answer = rv_engine_step(job, &load, true);
    RV_ASSERT(answer == RV_ANSWER_TAKEN);
    announce(job);
    rv_engine_moment(engine);
    *ret_job = job;
    return RV_OK;
}

/* ---- resuming ---- */

typedef struct replay { rv_job *job; rv_error *err; int64_t engine_ms; } replay;

/* What of a row is not in the run's state: how often each node's blocker was opened, which is its revision; and how late it was
 * when the row's last step was taken. */
static void scan_row(replay *to, const rv_journal_row *row)
{
    const char *at = row->body.at, *end = row->body.at + row->body.size;
    rv_event event;
    to->engine_ms = RV_MAX(to->engine_ms, row->now.engine_ms);
    rv_asked_replay(&to->job->asked, row->body, row->event_count, row->now.engine_ms);
    for (uint32_t i = 0; i < row->event_count && rv_event_read(&at, end, &event, NULL) == RV_OK; i++) {
        if (event.type == RV_EVENT_CLOCK) to->engine_ms = RV_MAX(to->engine_ms, event.due_ms);
        if (event.type == RV_EVENT_NODE_STATE && event.state == RV_NODE_WAITING && rv_blocker_is_for_people((rv_detail)event.detail))
            to->job->blocker_revision[event.node]++;
    }
}

static rv_status replay_row(void *user, const rv_journal_row *row)
{
    replay *at = user;
    if (row->version > RV_JOURNAL_VERSION)
        return rv_error_set(at->err, RV_UNSUPPORTED,
                            "run %s was written by a later version of reeve (journal version %u, this one reads %u); go on with that one",
                            at->job->id, row->version, RV_JOURNAL_VERSION);
    rv_status status = rv_run_replay(at->job->run, row->body, row->event_count, at->err);
    rv_job_fit(at->job);
    if (status != RV_OK) return rv_error_context(at->err, "run %s, event %llu", at->job->id, (unsigned long long)row->first_seq);
    scan_row(at, row);
    at->job->last_seq = row->first_seq + row->event_count - 1;
    return RV_OK;
}

/* Replay the journal into job->run. Leaves the values' arenas as they are: the load value is the recorded one. */
static rv_status read_journal(rv_job *job, rv_error *err)
{
    replay at = {job, err, 0};
    rv_status status = rv_store_journal(job->engine->config.store, rv_str_of(job->stream), 0, replay_row, &at, err);
    if (status != RV_OK) return status;
    if (job->last_seq == 0) return rv_error_set(err, RV_CORRUPT, "run %s has no journal", job->id);
    const char *broken = rv_run_check(job->run);
    if (broken)
        return rv_error_set(err, RV_CORRUPT, "run %s breaks an invariant after replay: %s; please report this with `reeve verify`",
                            job->id, broken);
    if (at.engine_ms >= job->engine->engine0_ms) job->engine->engine0_ms = at.engine_ms + 1;
    rv_buf_clear(&job->load_value);
    rv_buf_str_add(&job->load_value, job->run->load_value);
    return RV_OK;
}

static void take_row(rv_job *job, const rv_run_row *row)
{
    job->task = copy(job, row->task);
    job->file = copy(job, row->file);
    job->compiler.dir = job->dir = copy(job, row->dir);
    job->admit.root = rv_str_of(job->dir);
    job->name = copy(job, row->name); /* a pinned definition without a name was named by its file */
    job->resumed_from = rv_arena_str(&job->arena, row->resumed_from);
    job->created_ms = row->created_ms;
    job->started_run_ms = row->started_ms;
    if (!job->is_undriven) return;
    rv_buf_clear(&job->secrets_json); /* no values are given to who only decides: the hashes are all that it has */
    rv_buf_str_add(&job->secrets_json, row->secrets);
}

/* The rows of attempts that a dead engine left open, kept as ghosts so that their end can be written whole. */
static rv_status take_ghosts(rv_job *job, rv_error *err)
{
    rv_attempt_rows rows = {0};
    rv_status status = rv_store_attempts_open(job->engine->config.store, &job->arena, rv_str_of(job->id), &rows, err);
    for (uint32_t i = 0; status == RV_OK && i < rows.count; i++) {
        const rv_attempt_row *row = &rows.at[i];
        bool is_current = row->node_index < job->run->node_count && job->run->nodes[row->node_index].epoch == row->epoch;
        if (!is_current) continue;
        rv_attempt *ghost = rv_attempt_new(job, row->node_index);
        ghost->is_ghost = ghost->is_started = true;
        ghost->epoch = row->epoch;
        ghost->number = row->number;
        ghost->row = *row;
        ghost->row.error = ghost->row.error_source = (rv_str){NULL, 0};
        job->started_ms[row->node_index] = row->started_ms;
    }
    rv_vec_deinit(&rows);
    return status;
}

void rv_job_settle_lost(rv_job *job)
{
    for (uint32_t node = 0; node < job->run->node_count; node++) {
        if (job->run->nodes[node].state != RV_NODE_RUNNING) continue;
        const rv_attempt *ghost = rv_job_attempt(job, node);
        rv_event lost = {.type = RV_EVENT_LOST, .node = node, .epoch = job->run->nodes[node].epoch,
                         .text = RV_STR("the engine that ran it is gone")};
        if (ghost && ghost->row.pid) lost.flags |= RV_LOST_WAS_STARTED;
        if (rv_run_kind(job->run, node) == RV_KIND_REDUCE) lost.flags |= RV_LOST_NEVER_STARTED;
        rv_engine_step(job, &lost, true);
        if (!ghost) continue;
        rv_attempt *ended = rv_job_attempt(job, node);
        ended->is_ended = true;
        ended->row.state = (rv_attempt_state)job->run->nodes[node].attempt;
        ended->row.detail = RV_DETAIL_LOST;
        ended->row.error_source = RV_STR("engine");
        rv_buf_cstring(&ended->error, "the engine that ran it is gone");
        rv_vec_push(&job->ended, ended);
        job->attempt_of[node] = 0;
    }
}

/* Blockers that are open show themselves again to whoever watches. */
static void reopen_blockers(rv_job *job)
{
    for (uint32_t node = 0; node < job->run->node_count; node++) {
        rv_detail reason = (rv_detail)job->run->nodes[node].detail;
        if (job->run->nodes[node].state == RV_NODE_WAITING && rv_blocker_is_for_people(reason)) rv_blocker_open(job, node, reason, NULL);
    }
}

static rv_status load_job(rv_engine *engine, rv_str run_id, rv_spec *spec, bool is_undriven, rv_job **ret_job, rv_error *err)
{
    rv_arena arena = {0};
    rv_run_row row = {0};
    rv_status status = rv_store_run(engine->config.store, &arena, run_id, &row, err);
    if (status == RV_OK && rv_run_state_is_terminal(row.status))
        status = rv_error_set(err, RV_CONFLICT, "run %.*s has ended (%s)", RV_FMT(run_id), rv_run_state_name(row.status));
    rv_str child = status == RV_OK && !is_undriven ? find_child(engine, &arena, row.id) : (rv_str){NULL, 0};
    if (child.size)
        status = rv_error_set(err, RV_CONFLICT, "run %.*s was gone on with as %.*s; resume that one", RV_FMT(row.id), RV_FMT(child));
    if (status != RV_OK) {
        rv_arena_deinit(&arena);
        return status;
    }
    rv_job *job = job_new(engine, spec, row.id);
    job->is_resumed = true;
    job->is_undriven = is_undriven;
    take_row(job, &row);
    rv_task_row task = {0};
    status = rv_store_task(engine->config.store, &job->arena, rv_str_of(job->task), &task, err);
    job->task_version = task.version;
    job->task_state = task.state;
    if (status == RV_OK) status = read_journal(job, err);
    job->submission_rows = job->run->submissions.count;
    if (status == RV_OK) status = take_ghosts(job, err);
    if (status == RV_OK) status = rv_blocker_load(job, err);
    if (status == RV_OK && job->resumed_from.size && !is_undriven) status = rv_adopt_load(job, err);
    if (status == RV_OK) status = open_log(job, err);
    if (status == RV_OK) status = rv_group_load(job, err);
    rv_arena_deinit(&arena);
    if (status != RV_OK) return drop(job, status);
    RV_FAIL_POINT(RESUME_REPLAYED);
    *ret_job = job;
    return RV_OK;
}

rv_status rv_engine_resume(rv_engine *engine, rv_str run_id, rv_spec *spec, bool fail_fast, rv_job **ret_job, rv_error *err)
{
    rv_job *job = NULL;
    rv_status status = load_job(engine, run_id, spec, false, &job, err);
    if (status != RV_OK) return status;
    job->row_is_dirty = true;
    uint32_t flags = job->run->status == RV_RUN_RUNNING ? RV_RESUME_AFTER_DEATH : 0; /* an interrupt is recorded, and synced */
    rv_engine_step(job, &(rv_event){.type = RV_EVENT_RESUME, .flags = flags}, true);
    rv_job_settle_lost(job);
    if (fail_fast) rv_engine_step(job, &(rv_event){.type = RV_EVENT_FAIL_FAST}, true);
    reopen_blockers(job);
    announce(job);
    rv_engine_moment(engine);
    rv_cache_begin(job);
    RV_FAIL_POINT(RESUME_STEPPED);
    *ret_job = job;
    return RV_OK;
}

rv_status rv_engine_load(rv_engine *engine, rv_str run_id, rv_spec *spec, rv_job **ret_job, rv_error *err)
{
    return load_job(engine, run_id, spec, true, ret_job, err);
}

/* ---- collecting a turn ---- */

static rv_str note_of(rv_detail detail)
{
    if (detail == RV_DETAIL_BUDGET) return RV_STR("a budget is passed; it only warns");
    if (detail == RV_DETAIL_VIOLATION) return RV_STR("two nodes are at odds about a file: what has not begun is skipped");
    if (detail == RV_DETAIL_OVER_BUDGET) return RV_STR("the budget does not do: what has not begun is skipped");
    return RV_STR("a result came too late and changed nothing");
}

static void sort_effect(rv_job *job, const rv_effect *effect, rv_batch *batch, rv_flight *flight)
{
    switch (effect->type) {
    case RV_EFFECT_SPAWN: {
        rv_attempt *attempt = rv_job_attempt(job, effect->node);
        if (!attempt || attempt->epoch != effect->epoch) break; /* called off in the same turn */
        bool must_sync = rv_run_policy(job->run, effect->node)->delivery == RV_DELIVERY_AT_MOST_ONCE ||
                         rv_job_spends_money(job, effect->node);
        if (must_sync) rv_vec_push(&flight->synced_effects, ((rv_effect_item){job, *effect}));
        else rv_vec_push(&flight->effects, ((rv_effect_item){job, *effect}));
        break;
    }
    case RV_EFFECT_REDUCE:
    case RV_EFFECT_STEER:
    case RV_EFFECT_STOP: rv_vec_push(&flight->effects, ((rv_effect_item){job, *effect})); break;
    case RV_EFFECT_RUN_ENDED: rv_vec_push(&flight->synced_effects, ((rv_effect_item){job, *effect})); break;
    case RV_EFFECT_PARK: rv_blocker_open(job, effect->node, effect->detail, batch); break;
    case RV_EFFECT_RESUMED: rv_blocker_close(job, effect->node, effect->detail, batch); break;
    case RV_EFFECT_NOTE:
        rv_engine_notice(job->engine, (rv_notice){.type = NOTICE_NOTE, .job = job}, note_of((rv_detail)effect->detail), RV_STR(""));
        break;
    case RV_EFFECT_GATE: break; /* its asker has the answer already */
    case RV_EFFECT_ARM_TIMER: break; /* the engine asks for the due time each turn */
    case RV_EFFECT_COUNT: RV_UNREACHABLE();
    }
}

/* What was spent or reserved goes into the row with the journal that says it: other runs of the group read it there. */
static void collect_purse(rv_job *job)
{
    const rv_purse *now = &job->run->purse, *before = &job->purse_written;
    bool is_same = memcmp(now->spent, before->spent, sizeof now->spent) == 0 && now->cached == before->cached &&
                   memcmp(now->reserved, before->reserved, sizeof now->reserved) == 0;
    if (is_same) return;
    job->purse_written = *now;
    job->row_is_dirty = true;
}

static void collect_status(rv_job *job)
{
    rv_run_state status = (rv_run_state)job->run->status;
    if (rv_run_state_is_terminal(status) && job->ended_ms == 0) job->ended_ms = rv_engine_now(job->engine).wall_ms;
    for (uint32_t i = 0; i < job->out.effects.count; i++)
        if (job->out.effects.at[i].type == RV_EFFECT_RUN_ENDED) {
            RV_FAIL_POINT(RUN_OVER);
            job->row_is_dirty = true;
        }
}

/* A question that opened and closed within the turn is shown to nobody. */
static bool was_parked_before(const rv_job *job, uint32_t index)
{
    const rv_effect *effects = job->out.effects.at;
    for (uint32_t i = 0; i < index; i++)
        if (effects[i].type == RV_EFFECT_PARK && effects[i].node == effects[index].node) return true;
    return false;
}

void rv_job_collect(rv_job *job, rv_batch *batch, rv_flight *flight)
{
    rv_error error = {0};
    if (job->out.event_count == 0 && !job->row_is_dirty) return;
    if (job->log && rv_log_flush(job->log, &error) != RV_OK) {
        rv_engine_fail(job->engine, &error);
        return;
    }
    collect_status(job);
    collect_purse(job);
    if (job->out.event_count) {
        rv_batch_append(batch, rv_str_of(job->stream), job->last_seq + 1, job->out.event_count, job->out.first_now,
                        rv_buf_str(&job->out.journal));
        job->last_seq += job->out.event_count;
    }
    if (job->is_new || job->row_is_dirty) rv_rows_run(job, batch);
    rv_submit_rows(job, batch);
    /* In the order of the journal [A20]: a question is closed, its node ends, and only then what it held up opens. */
    for (uint32_t i = 0; i < job->out.effects.count; i++)
        if (job->out.effects.at[i].type == RV_EFFECT_RESUMED && !was_parked_before(job, i))
            sort_effect(job, &job->out.effects.at[i], batch, flight);
    rv_rows_collect(job, batch);
    for (uint32_t i = 0; i < job->out.effects.count; i++)
        if (job->out.effects.at[i].type != RV_EFFECT_RESUMED) sort_effect(job, &job->out.effects.at[i], batch, flight);
    job->is_new = job->row_is_dirty = false;
    rv_out_clear(&job->out);
}

/* ---- reading ---- */

rv_str rv_job_name(const rv_job *job) { return rv_str_of(job->name); }
rv_str rv_job_id(const rv_job *job) { return rv_str_of(job->id); }
const rv_graph *rv_job_graph(const rv_job *job) { return job->graph; }
rv_run *rv_job_run(const rv_job *job) { return job->run; }
uint32_t rv_job_node_count(const rv_job *job) { return job->id_count; }
rv_str rv_job_node_name(const rv_job *job, uint32_t node) { return rv_job_node_id(job, node); }
rv_run_state rv_job_state(const rv_job *job) { return (rv_run_state)job->run->status; }
rv_node_state rv_job_node_state(const rv_job *job, uint32_t node) { return (rv_node_state)job->run->nodes[node].state; }
int64_t rv_job_started_ms(const rv_job *job) { return job->started_run_ms; }
uint64_t rv_job_last_seq(const rv_job *job) { return job->last_seq; }

void rv_job_counts(const rv_job *job, uint32_t ret_counts[RV_NODE_STATE_COUNT], uint32_t *ret_running)
{
    memcpy(ret_counts, job->run->counts, sizeof job->run->counts);
    *ret_running = job->admit.used;
}

void rv_job_node_view(const rv_job *job, uint32_t index, rv_node_view *ret)
{
    const rv_node_run *node = &job->run->nodes[index];
    uint32_t attempt = job->attempt_of[index];
    *ret = (rv_node_view){.node = index, .name = rv_job_node_id(job, index), .kind = rv_run_kind(job->run, index),
                          .state = (rv_node_state)node->state, .detail = (rv_detail)node->detail, .error = rv_run_error(job->run, index),
                          .number = node->number, .epoch = node->epoch, .exit_status = node->exit_status, .signal = -1,
                          .started_ms = job->started_ms[index]};
    if (node->root) ret->root = rv_job_node_id(job, node->root - 1);
    if (!attempt) return;
    ret->signal = job->engine->attempts.at[attempt - 1]->row.signal;
    ret->ended_ms = job->engine->attempts.at[attempt - 1]->row.ended_ms;
}

int rv_job_exit_status(const rv_job *job)
{
    rv_run_state status = (rv_run_state)job->run->status;
    if (job->exit_signal > 0 && status != RV_RUN_OK) return 128 + job->exit_signal; /* a signal wins [W32] */
    switch (status) {
    case RV_RUN_OK: return 0;
    case RV_RUN_ERROR: return 1;
    case RV_RUN_TIMEOUT: return 124;
    case RV_RUN_CANCELLED: return 1;
    case RV_RUN_OVER_BUDGET: return 77;
    case RV_RUN_INTERRUPTED: return 76;
    case RV_RUN_ACCEPTED:
    case RV_RUN_RUNNING: return 75;
    case RV_RUN_STATE_COUNT: break;
    }
    RV_UNREACHABLE();
}
