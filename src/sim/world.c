#include "sim/inner.h"

#include <dirent.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/pinned.h"

/* Lives. How one goes:
 *
 *   plan ──► open: loop, store, executor, engine ──► submit, or resume ──► the loop runs ──► close ──► what the disk keeps ──► audit
 *              │ a fault, or death                         │                  │
 *              └───────────────────────────────────────────┴──────────────────┘
 *
 * Death is not an exit from the code: from that instant on nothing has an effect any more (the disk refuses, the executor and the
 * people hear nothing, the log is cut back), and the code runs out by its own roads of failure. So every instruction at which a
 * process can be killed is a state that the disk is left in. */

#define LIVES_MAX 60        /* with the calm ones */
#define STEPS_MAX 300000    /* of one life: more is a run that does not end */
#define TROUBLED_LIVES 12

const char *rv_sim_count_name(rv_sim_count count)
{
#define X(name_, text_) text_,
    static const char *const names[] = {RV_SIM_COUNT_MAP(X)};
#undef X
    RV_ASSERT(count < RV_SIM_COUNT_COUNT);
    return names[count];
}

/* ---- telling ---- */

void rv_sim_tell(rv_sim_world *w, const char *fmt, ...)
{
    va_list args;
    if (w->is_dead) return;
    rv_buf_clear(&w->line);
    rv_buf_printf(&w->line, "%u %lld ", w->life, w->loop ? (long long)rv_loop_mono_ms(w->loop) : 0ll);
    va_start(args, fmt);
    rv_buf_vprintf(&w->line, fmt, args);
    va_end(args);
    w->result->hash = rv_hash64(rv_buf_str(&w->line), w->result->hash);
    if (!w->config->trace) return;
    rv_buf_str_add(w->config->trace, rv_buf_str(&w->line));
    rv_buf_byte(w->config->trace, '\n');
}

void rv_sim_break(rv_sim_world *w, const char *fmt, ...)
{
    rv_buf text = {0};
    va_list args;
    if (rv_sim_is_broken(w)) return;
    va_start(args, fmt);
    rv_buf_vprintf(&text, fmt, args);
    va_end(args);
    (void)snprintf(w->result->broken, sizeof w->result->broken, "life %u: %s", w->life, text.at);
    w->is_dead = false;
    rv_sim_tell(w, "BROKEN %s", text.at);
    rv_buf_deinit(&text);
    if (w->loop) rv_loop_stop(w->loop);
}

/* ---- errands: what is to happen later in this life ---- */

typedef struct rv_sim_errand {
    rv_sim_world *world;
    rv_timer *timer;
    rv_sim_errand_fn *fn;
    int64_t number;
    char *text;
} rv_sim_errand;

static void errand_free(rv_sim_errand *errand)
{
    rv_timer_free(errand->timer);
    rv_free(errand->text);
    rv_free(errand);
}

static void on_errand(void *user)
{
    rv_sim_errand *errand = user;
    rv_sim_world *w = errand->world;
    for (uint32_t i = 0; i < w->errands.count; i++)
        if (w->errands.at[i] == errand) w->errands.at[i] = w->errands.at[--w->errands.count];
    if (!w->is_dead) errand->fn(w, errand->number, errand->text);
    errand_free(errand);
}

void rv_sim_later(rv_sim_world *w, int64_t delay_ms, rv_sim_errand_fn *fn, int64_t number, const char *text)
{
    rv_sim_errand *errand = rv_alloc(sizeof *errand);
    *errand = (rv_sim_errand){.world = w, .fn = fn, .number = number, .text = rv_cstring_dup(rv_str_of(text ? text : ""))};
    errand->timer = rv_timer_new(w->loop, on_errand, errand);
    rv_timer_set(errand->timer, rv_loop_mono_ms(w->loop) + delay_ms);
    rv_vec_push(&w->errands, errand);
}

void rv_sim_errands_clear(rv_sim_world *w)
{
    for (uint32_t i = 0; i < w->errands.count; i++) errand_free(w->errands.at[i]);
    rv_vec_clear(&w->errands);
}

/* ---- death ---- */

static void log_path(const rv_sim_world *w, rv_buf *out) { rv_buf_printf(out, "%s/logs/%s.log", w->config->root, w->ledger.run); }

static uint64_t log_size(const rv_sim_world *w)
{
    struct stat info;
    rv_buf path = {0};
    log_path(w, &path);
    uint64_t size = stat(path.at, &info) == 0 ? (uint64_t)info.st_size : 0;
    rv_buf_deinit(&path);
    return size;
}

/* What was written to the log after the instant of death was never written. */
static void log_cut(rv_sim_world *w)
{
    rv_buf path = {0};
    log_path(w, &path);
    if (log_size(w) > w->log_size && truncate(path.at, (off_t)w->log_size) != 0)
        rv_sim_break(w, "the simulator cannot cut %s: %s", path.at, strerror(errno));
    rv_buf_deinit(&path);
}

void rv_sim_die(rv_sim_world *w, rv_sim_count cause, const char *how)
{
    if (w->is_dead) return;
    rv_sim_tell(w, "death %s", how);
    w->is_dead = true;
    w->result->counts[RV_SIM_DEATHS]++;
    w->result->counts[cause]++;
    w->log_size = log_size(w);
    rv_disk_die(w->disk);
    if (w->loop) rv_loop_stop(w->loop);
}

/* ---- what the engine says ---- */

static void on_started(void *user, rv_job *job, bool is_resumed)
{
    rv_sim_world *w = user;
    if (w->is_dead) return;
    rv_sim_tell(w, "run %s%s", w->ledger.run, is_resumed ? " goes on" : "");
    w->ledger.is_acknowledged = true;
}

static void on_node(void *user, rv_job *job, const rv_node_view *view)
{
    rv_sim_world *w = user;
    if (w->is_dead) return;
    rv_sim_tell(w, "node %.*s %s %s", RV_FMT(view->name), rv_node_state_name(view->state), rv_detail_name(view->detail));
    rv_sim_ledger_told(w, view);
}

static void on_attempt(void *user, rv_job *job, const rv_node_view *view, rv_attempt_state state, bool will_retry, int64_t retry_in_ms)
{
    rv_sim_world *w = user;
    if (w->is_dead) return;
    rv_sim_tell(w, "attempt %.*s #%u epoch %u %s%s", RV_FMT(view->name), view->number, view->epoch, rv_attempt_state_name(state),
                will_retry ? ", again" : "");
    const rv_sim_entry *entry = rv_sim_entry_of(w, view->name);
    if (state == RV_ATTEMPT_ERROR && entry->stopped_epoch == view->epoch)
        rv_sim_break(w, "W33: %.*s was stopped under epoch %u, and that counted as a failure", RV_FMT(view->name), view->epoch);
}

static void on_asked(void *user, rv_job *job, const rv_blocker_view *view)
{
    rv_sim_world *w = user;
    if (w->is_dead) return;
    rv_sim_tell(w, "asked %.*s %.*s", RV_FMT(view->key), RV_FMT(view->kind));
    rv_sim_asked(w, view);
}

static void on_closed(void *user, rv_job *job, rv_str key, rv_str decision, rv_str by)
{
    rv_sim_tell(user, "settled %.*s %.*s", RV_FMT(key), RV_FMT(decision));
}

static void on_note(void *user, rv_job *job, rv_str text) { rv_sim_tell(user, "note %.*s", RV_FMT(text)); }

static void on_run_ended(void *user, rv_job *job, rv_run_state state)
{
    rv_sim_world *w = user;
    if (w->is_dead) return;
    rv_sim_tell(w, "run ended %s", rv_run_state_name(state));
    w->is_interrupted = state == RV_RUN_INTERRUPTED;
    w->ledger.is_over = w->ledger.is_end_told = !w->is_interrupted;
    w->ledger.outcome = state;
    if (!w->calm && rv_sim_one_in(w, 8)) rv_sim_die(w, RV_SIM_DEATHS_TIME, "when its end had been told");
    rv_loop_stop(w->loop);
}

static void on_failed(void *user, const rv_error *err)
{
    rv_sim_world *w = user;
    if (w->is_dead) return;
    rv_sim_tell(w, "engine failed %s", rv_status_name(err->status));
    w->has_failed = true;
    if (rv_disk_hits(w->disk) == 0) rv_sim_break(w, "the engine gave up although nothing failed: %s", err->text);
    rv_loop_stop(w->loop);
}

/* ---- the store's work ---- */

static void pump_sync(rv_sim_world *w, int64_t number, const char *text)
{
    if (rv_store_pump(w->store, false)) rv_sim_tell(w, "write");
    if (!w->is_dead && rv_store_pump(w->store, true)) rv_sim_tell(w, "sync");
}

static void pump_write(rv_sim_world *w, int64_t number, const char *text)
{
    if (rv_store_pump(w->store, false)) rv_sim_tell(w, "write");
    rv_sim_later(w, rv_sim_one_in(w, 3) ? rv_sim_below(w, 200) : rv_sim_below(w, 6), pump_sync, 0, NULL);
}

static uint64_t flying_id(const rv_sim_world *w) { return w->engine->flying ? w->engine->flying->batch_id : 0; }

typedef struct steps { rv_sim_world *w; uint64_t count, pumped_id; } steps;

static void on_step(void *user)
{
    steps *s = user;
    rv_sim_world *w = s->w;
    if (w->is_dead || rv_sim_is_broken(w) || !w->engine) return;
    if (++s->count > STEPS_MAX) rv_sim_break(w, "the run does not end");
    uint64_t id = flying_id(w);
    if (!w->is_direct && id && id != s->pumped_id) {
        s->pumped_id = id;
        rv_sim_later(w, rv_sim_one_in(w, 4) ? rv_sim_below(w, 30) : rv_sim_below(w, 3), pump_write, 0, NULL);
    }
    rv_sim_ledger_step(w);
    rv_sim_hits(w);
    rv_sim_signal_awaited(w);
}

static void on_sync(void *user) { rv_sim_ledger_synced(user); }

/* ---- opening ---- */

/* Something did not work: is the disk to blame? */
static void blame(rv_sim_world *w, const char *what, const rv_error *err)
{
    if (w->is_dead) return;
    rv_sim_tell(w, "%s failed %s", what, rv_status_name(err->status));
    w->has_failed = true;
    if (rv_disk_hits(w->disk) == 0) rv_sim_break(w, "%s failed although nothing was wrong with the disk: %s", what, err->text);
}

static rv_status open_engine(rv_sim_world *w, rv_error *err)
{
    static const char *const environment[] = {"PATH=/usr/bin:/bin", NULL};
    rv_engine_config config = {.loop = w->loop, .store = w->store, .exec = w->exec, .blobs = w->blobs, .root = w->config->root,
                               .environ = environment, .slots = w->slots, .grace_ms = 100, .seed = &w->rng_engine,
                               .executes_nothing = true,
                               .observer = {.user = w, .run_started = on_started, .attempt_ended = on_attempt, .node_ended = on_node,
                                            .blocker_opened = on_asked, .blocker_closed = on_closed, .note = on_note,
                                            .run_ended = on_run_ended},
                               .failed = on_failed, .failed_user = w};
    return rv_engine_new(&config, &w->engine, err);
}

static bool open_parts(rv_sim_world *w)
{
    rv_error err = {0};
    rv_store_config config = {.path = w->config->root, .vfs = rv_disk_vfs(w->disk), .is_single_threaded = w->is_direct,
                              .is_pumped = !w->is_direct, .wal_size_max = rv_sim_one_in(w, 2) ? 64u << 10 : 0};
    rv_status status = rv_store_open_sqlite(&config, &w->store, &err);
    if (status != RV_OK) {
        blame(w, "opening the store", &err);
        return false;
    }
    w->exec = rv_sim_exec_new(w);
    status = rv_blobs_open(w->config->root, &w->blobs, &err);
    if (status == RV_OK) rv_sim_files_trouble(w);
    if (status == RV_OK) status = open_engine(w, &err);
    if (status != RV_OK) blame(w, "opening the engine", &err);
    return status == RV_OK;
}

static rv_spec *load(rv_sim_world *w, rv_problems *problems)
{
    const rv_sim_config *config = w->config;
    rv_spec *spec = NULL;
    rv_spec_input input = {.source = config->source, .file = config->file, .dir = config->dir, .is_json = config->is_json,
                           .vars = config->vars, .var_count = config->var_count, .environ = config->environ};
    return rv_spec_load(&input, &spec, problems) == RV_OK ? spec : NULL;
}

static bool submit(rv_sim_world *w)
{
    rv_error err = {0};
    rv_problems problems = {0};
    rv_buf work = {0};
    rv_sim_work(w, &work);
    rv_submit given = {.spec = load(w, &problems), .file = "", .dir = work.at, .fail_fast = rv_sim_one_in(w, 12),
                       .resumed_from = rv_str_of(w->parent)};
    rv_problems_deinit(&problems);
    RV_ASSERT(given.spec != NULL);
    rv_status status = rv_engine_submit(w->engine, &given, &w->job, &err);
    rv_buf_deinit(&work);
    if (status != RV_OK) {
        rv_spec_free(given.spec);
        blame(w, "submitting", &err);
        return false;
    }
    rv_sim_ledger_begin(w, w->job->id);
    rv_sim_tell(w, "submit %s%s%s", w->job->id, w->parent[0] ? " after " : "", w->parent);
    return true;
}

static bool resume(rv_sim_world *w, const rv_run_row *row)
{
    rv_error err = {0};
    rv_spec *spec = NULL;
    static const char *const environment[] = {NULL};
    rv_pinned pinned = {.vars = w->config->vars, .var_count = w->config->var_count, .environ = environment};
    rv_status status = rv_pinned_load(&pinned, w->store, row, &w->arena, &spec, &err);
    if (status == RV_OK) status = rv_engine_resume(w->engine, row->id, spec, rv_sim_one_in(w, 20), &w->job, &err);
    if (status == RV_OK) {
        rv_sim_tell(w, "resume");
        return true;
    }
    rv_spec_free(spec);
    blame(w, "resuming", &err);
    return false;
}

static bool drive(rv_sim_world *w)
{
    rv_error err = {0};
    rv_run_row row = {0};
    rv_status status = w->ledger.run[0] ? rv_store_run(w->store, &w->arena, rv_str_of(w->ledger.run), &row, &err) : RV_NOT_FOUND;
    if (status == RV_NOT_FOUND) return submit(w); /* that it was promised and is not there is what the audit says */
    if (status == RV_OK) return resume(w, &row);
    blame(w, "reading the run", &err);
    return false;
}

/* ---- closing ---- */

static void close_parts(rv_sim_world *w)
{
    rv_error err = {0};
    rv_fail_point_call(RV_FAIL_POINT_COUNT, 0, NULL, NULL);
    rv_sim_errands_clear(w);
    rv_sim_tellings_clear(w);
    w->wall_ms = rv_loop_wall_ms(w->loop);
    w->mono_ms = rv_loop_mono_ms(w->loop);
    rv_loop_set_after(w->loop, NULL, NULL);
    rv_exec_free(w->exec);
    rv_engine_free(w->engine);
    rv_blobs_close(w->blobs);
    if (w->store && rv_store_close(w->store, &err) != RV_OK) blame(w, "closing the store", &err);
    rv_loop_free(w->loop);
    w->exec = NULL, w->engine = NULL, w->blobs = NULL, w->store = NULL, w->loop = NULL, w->job = NULL;
    if (w->is_dead) log_cut(w);
}

/* The machine between two lives: how the disk comes back, and what the clocks show. */
static void between(rv_sim_world *w)
{
    bool has_lost_power = rv_sim_one_in(w, w->is_dead ? 2 : 4);
    w->is_dead = false;
    uint64_t hits = rv_disk_hits(w->disk);
    rv_disk_revive(w->disk, has_lost_power);
    rv_sim_count_faults(w, hits > 0);
    if (has_lost_power) {
        rv_sim_tell(w, "power loss");
        w->result->counts[RV_SIM_POWER_LOSSES]++;
        w->mono_ms = rv_sim_below(w, 100000);
        rv_sim_ledger_lost(w);
    }
    w->mono_ms += rv_sim_below(w, 2000);
    w->wall_ms += rv_sim_one_in(w, 4) ? (int64_t)rv_sim_below(w, 20000000) - 10000000 : (int64_t)rv_sim_below(w, 5000);
}

typedef struct inspection { rv_sim_world *w; const rv_buf *state; /* that the engine had; empty: not known */ } inspection;

static void on_audited(void *user, const rv_run *run, uint64_t last_seq)
{
    inspection *at = user;
    rv_sim_world *w = at->w;
    if (run && at->state->size) {
        rv_buf replayed = {0};
        rv_run_encode(run, &replayed);
        if (!rv_str_eq(rv_buf_str(at->state), rv_buf_str(&replayed)))
            rv_sim_break(w, "the state that the journal gives is not the state that the engine had");
        rv_buf_deinit(&replayed);
    }
    if (!rv_sim_is_broken(w)) rv_sim_ledger_found(w, run, last_seq);
}

/* ---- a life ---- */

static void live(rv_sim_world *w, rv_spec *spec)
{
    steps s = {.w = w};
    rv_buf state = {0};
    w->calm = w->life - w->life_first >= (w->config->lives_max ? w->config->lives_max : TROUBLED_LIVES);
    w->has_failed = w->is_interrupted = w->has_fault = w->has_signal = false;
    w->is_direct = rv_sim_one_in(w, 4);
    w->slots = 1 + rv_sim_below(w, rv_sim_one_in(w, 2) ? 3 : 16);
    w->log_size = 0;
    w->due_last_ms = 0;
    w->result->counts[RV_SIM_LIVES]++;
    rv_sim_files_life(w);
    w->loop = rv_loop_new_virtual(w->wall_ms, w->mono_ms, &w->rng_loop);
    rv_sim_tell(w, "life%s", w->is_direct ? " direct" : "");
    rv_sim_plan(w);
    if (open_parts(w) && drive(w) && !w->is_dead) {
        rv_loop_set_after(w->loop, on_step, &s);
        rv_sim_plan_run(w);
        rv_loop_run(w->loop);
        bool has_reason = w->is_dead || w->has_failed || w->is_interrupted || w->ledger.is_over || rv_sim_is_broken(w);
        if (!has_reason) rv_sim_break(w, "the run hangs: nothing is left to happen, and it has not ended");
        bool is_settled = !w->is_dead && !w->has_failed && w->job->out.event_count == 0;
        if (is_settled && !rv_sim_is_broken(w)) rv_run_encode(w->job->run, &state);
    }
    close_parts(w);
    if (w->is_dead || w->has_failed) rv_buf_clear(&state);
    between(w);
    if (!rv_sim_is_broken(w)) rv_sim_audit(w, spec, on_audited, &(inspection){w, &state});
    rv_buf_deinit(&state);
}

/* ---- a play ---- */

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *ftw)
{
    return ftw->level == 0 || remove(path) == 0 ? 0 : -1;
}

void rv_sim_clear(const char *root) { (void)nftw(root, remove_entry, 16, FTW_DEPTH | FTW_PHYS); }

/* The tables of a new store, made once: making them is most of what a short play would cost. */
static const rv_disk *template_of(const rv_sim_config *config)
{
    static rv_disk *made;
    static uint64_t seed = 1;
    static char path[512];
    rv_error err;
    rv_store *store;
    if (made && strcmp(path, config->root) == 0) return made;
    rv_disk_free(made);
    made = rv_disk_new(&seed);
    (void)snprintf(path, sizeof path, "%s", config->root);
    rv_store_config store_config = {.path = config->root, .vfs = rv_disk_vfs(made), .is_single_threaded = true};
    rv_status status = rv_store_open_sqlite(&store_config, &store, &err);
    if (status == RV_OK) status = rv_store_close(store, &err);
    RV_ASSERT(status == RV_OK);
    return made;
}

static void world_init(rv_sim_world *w, uint64_t seed)
{
    uint64_t rng = seed ^ 0x5eed5eed5eedull;
    w->rng = rv_rng_next(&rng), w->rng_loop = rv_rng_next(&rng), w->rng_engine = rv_rng_next(&rng), w->rng_disk = rv_rng_next(&rng);
    w->wall_ms = 1790000000000 + (int64_t)rv_sim_below(w, 1000000);
    w->mono_ms = 1000 + rv_sim_below(w, 1000000);
    const rv_disk *tables = template_of(w->config);
    rv_sim_clear(w->config->root);
    w->disk = rv_disk_new(&w->rng_disk);
    rv_disk_on_sync(w->disk, on_sync, w);
    if (!rv_sim_one_in(w, 8)) rv_disk_copy(w->disk, tables);
    rv_sim_files_begin(w);
}

static void world_deinit(rv_sim_world *w)
{
    rv_sim_files_end();
    rv_sim_ledger_deinit(&w->ledger);
    rv_disk_free(w->disk);
    rv_vec_deinit(&w->errands);
    rv_vec_deinit(&w->tellings);
    rv_vec_deinit(&w->made);
    rv_arena_deinit(&w->made_arena);
    rv_arena_deinit(&w->arena);
    rv_buf_deinit(&w->line);
}

/* What has ended may be run once more from its beginning, with what the cache has of it; a run that failed may be gone on with by a
 * child, which keeps what it can. */
static void go_on(rv_sim_world *w)
{
    /* One that was found, and not told, the power may take away again. */
    bool may = w->ledger.is_over && w->ledger.is_end_told && w->life < LIVES_MAX / 2;
    int64_t past[RV_DIMENSION_COUNT];
    for (uint32_t d = 0; d < RV_DIMENSION_COUNT; d++) past[d] = w->past[d] + w->ledger.taken[d];
    if (may && !w->is_again && rv_sim_one_in(w, 2)) {
        w->is_again = true;
        w->parent[0] = 0;
        w->life_first = w->life + 1;
        w->result->counts[RV_SIM_AGAIN]++;
        memcpy(w->past, past, sizeof past);
        rv_sim_ledger_begin(w, "");
        return;
    }
    may = may && w->ledger.outcome != RV_RUN_OK && !w->ledger.is_violated && !w->parent[0];
    if (!may || !rv_sim_one_in(w, 3)) return;
    memcpy(w->past, past, sizeof past);
    (void)snprintf(w->parent, sizeof w->parent, "%s", w->ledger.run);
    w->result->counts[RV_SIM_CHILDREN]++;
    rv_sim_ledger_begin(w, "");
}

rv_status rv_sim_play(const rv_sim_config *config, uint64_t seed, rv_sim_result *ret, rv_problems *problems)
{
    rv_sim_world w = {.config = config, .result = ret};
    *ret = (rv_sim_result){0};
    rv_spec *spec = load(&w, problems);
    if (!spec) return RV_INVALID;
    world_init(&w, seed);
    for (; w.life < LIVES_MAX && !rv_sim_is_broken(&w) && !w.ledger.is_over; w.life++) {
        live(&w, spec);
        rv_arena_clear(&w.arena);
        if (!rv_sim_is_broken(&w)) go_on(&w);
    }
    if (!rv_sim_is_broken(&w) && !w.ledger.is_over) rv_sim_break(&w, "the run has not ended after %u lives", w.life);
    ret->outcome = w.ledger.outcome;
    ret->hash = rv_hash64((rv_str){(const char *)&ret->hash, sizeof ret->hash}, rv_disk_hash(w.disk));
    rv_spec_free(spec);
    world_deinit(&w);
    return RV_OK;
}
