#include "engine/inner.h"

/* The environment of an attempt: what is inherited, laid over by the workflow's own, then Reeve's (docs/environment.md).
 * What is the same for every attempt of the engine, of a job or of a scratch directory is written once; an attempt adds a
 * handful of short texts, which are put together by hand, since printf costs more than all the rest of it. */

static const char hex_digits[] = "0123456789abcdef";

static size_t name_size(const char *entry)
{
    const char *equals = strchr(entry, '=');
    return equals ? (size_t)(equals - entry) : strlen(entry);
}

/* Add NAME=VALUE, replacing what has this name. The few own variables come last and names are few: a plain scan of the tail. */
static void put_env(rv_engine *engine, const char *entry)
{
    size_t size = name_size(entry);
    for (uint32_t i = 0; i < engine->envp.count; i++) {
        if (name_size(engine->envp.at[i]) == size && memcmp(engine->envp.at[i], entry, size) == 0) {
            engine->envp.at[i] = entry;
            return;
        }
    }
    rv_vec_push(&engine->envp, entry);
}

/* The texts one after the other, NUL-terminated. */
static char *join(rv_arena *arena, const rv_str *texts, size_t count)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++) size += texts[i].size;
    char *joined = rv_arena_alloc(arena, size + 1), *at = joined;
    for (size_t i = 0; i < count; i++) {
        if (texts[i].size) memcpy(at, texts[i].at, texts[i].size);
        at += texts[i].size;
    }
    *at = 0;
    return joined;
}

#define JOIN(arena_, ...) join(arena_, (const rv_str[]){__VA_ARGS__}, RV_COUNT(((const rv_str[]){__VA_ARGS__})))

typedef struct digits { char at[20]; } digits; /* a number's text */

static rv_str decimal(digits *out, uint32_t value)
{
    size_t at = sizeof out->at;
    do {
        out->at[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    return (rv_str){out->at + at, sizeof out->at - at};
}

static rv_str hex(digits *out, uint64_t value)
{
    for (size_t i = 16; i-- > 0; value >>= 4) out->at[i] = hex_digits[value & 15];
    return (rv_str){out->at, 16};
}

void rv_environment_open(rv_engine *engine)
{
    static const char *const own[] = {
        "REEVE_RUN=",       "REEVE_NODE=",   "REEVE_ATTEMPT=",   "REEVE_EPOCH=",    "REEVE_OUTPUT=",
        "REEVE_ARTIFACTS=", "REEVE_SOCKET=", "REEVE_TOKEN=",     "REEVE_FEEDBACK=", "REEVE_STORE_MARK=",
        "REEVE_STEER=",     "REEVE_BUDGET=", "TRACEPARENT=",     "MAKEFLAGS=",    "REEVE_FAIL_POINT="};
    for (const char *const *at = engine->config.environ; at && *at; at++) {
        bool is_own = false;
        for (size_t i = 0; i < RV_COUNT(own); i++) is_own |= rv_str_starts(rv_str_of(*at), rv_str_of(own[i]));
        if (!is_own) rv_vec_push(&engine->base_env, *at);
    }
    const rv_engine_config *config = &engine->config;
    rv_arena *arena = &engine->constants;
    if (config->socket) rv_vec_push(&engine->own_env, JOIN(arena, RV_STR("REEVE_SOCKET="), rv_str_of(config->socket)));
    if (config->store_mark) rv_vec_push(&engine->own_env, JOIN(arena, RV_STR("REEVE_STORE_MARK="), rv_str_of(config->store_mark)));
    if (engine->jobs_fds[0] >= 0)
        rv_vec_push(&engine->own_env,
                    rv_arena_printf(arena, "MAKEFLAGS= -j --jobserver-auth=%d,%d", RV_EXEC_FD_JOBS_R, RV_EXEC_FD_JOBS_W).at);
}

void rv_environment_job(rv_job *job)
{
    rv_str id = rv_str_of(job->id);
    digits high, low;
    job->trace_seed = rv_hash64(id, 0);
    job->env_run = JOIN(&job->arena, RV_STR("REEVE_RUN="), id);
    job->env_trace = rv_str_of(JOIN(&job->arena, RV_STR("TRACEPARENT=00-"), hex(&high, rv_hash64(id, 1)), hex(&low, job->trace_seed),
                                    RV_STR("-")));
}

/* The headroom [K51]: the budgets and quotas of the run, with this attempt's own reservation taken. */
static void put_headroom(rv_job *job)
{
    rv_engine *engine = job->engine;
    rv_buf text = {0};
    rv_json_writer w;
    rv_json_writer_init(&w, &text, 0);
    bool is_bounded = rv_run_headroom(job->run, rv_engine_now(engine).engine_ms, &w);
    if (is_bounded) rv_vec_push(&engine->envp, JOIN(&engine->scratch, RV_STR("REEVE_BUDGET="), rv_buf_str(&text)));
    rv_buf_deinit(&text);
}

/* What a cached node is given of the caller's [W15]: it depends on nothing else of it. */
static void put_host(rv_engine *engine, const rv_json *names)
{
    static const char *const always[] = {"PATH", "HOME", "LANG", "TMPDIR"};
    for (uint32_t i = 0; i < engine->base_env.count; i++) {
        const char *entry = engine->base_env.at[i];
        rv_str name = {entry, name_size(entry)};
        bool is_given = false;
        for (size_t k = 0; k < RV_COUNT(always); k++) is_given |= rv_str_is(name, always[k]);
        for (const rv_json *item = names ? names->child : NULL; item && !is_given; item = item->next)
            is_given = rv_str_eq(item->text, name);
        if (is_given) rv_vec_push(&engine->envp, entry);
    }
}

const char *rv_environment_make(rv_attempt *attempt, const rv_json *body, const char *const *env, uint32_t env_count)
{
    rv_job *job = attempt->job;
    rv_engine *engine = job->engine;
    rv_arena *scratch = &engine->scratch;
    const rv_str slash = RV_STR("/"), attempt_is = RV_STR("REEVE_ATTEMPT=");
    rv_str name = rv_job_node_id(job, attempt->node);
    digits text;
    rv_vec_clear(&engine->envp);
    if (rv_run_def(job->run, attempt->node)->flags & RV_NODE_F_CACHED) put_host(engine, rv_json_get(body, RV_STR("env_host")));
    else
        for (uint32_t i = 0; i < engine->base_env.count; i++) rv_vec_push(&engine->envp, engine->base_env.at[i]);
    for (uint32_t i = 0; i < env_count; i++) put_env(engine, env[i]);
    /* From here on no name is looked for: these were taken out of what is inherited. */
    for (uint32_t i = 0; i < engine->own_env.count; i++) rv_vec_push(&engine->envp, engine->own_env.at[i]);
    char *of_attempt = JOIN(scratch, attempt_is, rv_str_of(job->id), slash, name, slash, decimal(&text, attempt->number));
    rv_vec_push(&engine->envp, job->env_run);
    rv_vec_push(&engine->envp, of_attempt);
    rv_vec_push(&engine->envp, JOIN(scratch, RV_STR("REEVE_NODE="), name));
    rv_vec_push(&engine->envp, JOIN(scratch, RV_STR("REEVE_EPOCH="), decimal(&text, attempt->epoch)));
    rv_vec_push(&engine->envp, attempt->dir->env_output);
    rv_vec_push(&engine->envp, attempt->dir->env_artifacts);
    rv_vec_push(&engine->envp, attempt->dir->env_steer);
    rv_vec_push(&engine->envp, JOIN(scratch, RV_STR("REEVE_TOKEN="), rv_str_of(attempt->token)));
    rv_vec_push(&engine->envp, JOIN(scratch, job->env_trace, hex(&text, rv_hash64(name, job->trace_seed + attempt->epoch) | 1),
                                    RV_STR("-01")));
    if (attempt->number > 1 && job->run->nodes[attempt->node].error)
        rv_vec_push(&engine->envp, JOIN(scratch, RV_STR("REEVE_FEEDBACK="), rv_run_error(job->run, attempt->node)));
    if (job->run->limits.limits || job->run->limits.quotas) put_headroom(job);
    rv_vec_push(&engine->envp, NULL);
    return of_attempt + attempt_is.size;
}
