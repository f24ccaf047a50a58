/* chaos.c: `reeve chaos`: a workflow lived through in the simulator, many times, each time with other bad luck. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli/load.h"
#include "cli/verbs.h"
#include "sim/sim.h"

#define PLAYS_DEFAULT 200

typedef struct chaos {
    const rv_args *args;
    rv_load load;            /* of FILE; not with --made-up */
    bool is_made_up;
    uint64_t first, seed;
    uint32_t plays_max;      /* 0: no such bound */
    int64_t until_ms;        /* monotonic; 0: no such bound */
    rv_param_value *vars;
    uint32_t var_count;
    char base[300];          /* the scratch folder; in it: */
    char root[320], files[320]; /* the store's; what a workflow that is made up includes */
    rv_buf trace;
    uint64_t plays, hash, counts[RV_SIM_COUNT_COUNT], died_at[RV_FAIL_POINT_COUNT];
    int64_t began_ms, said_ms;
    rv_sim_result broken;    /* of the play that broke a promise */
    bool is_broken;
} chaos;

static int64_t mono_ms(void)
{
    struct timespec at;
    RV_ASSERT(clock_gettime(CLOCK_MONOTONIC, &at) == 0);
    return (int64_t)at.tv_sec * 1000 + at.tv_nsec / 1000000;
}

/* ---- a play that ends the program says which one it was ---- */

static char last_words[600];
static size_t last_words_size;
static char last_root[300]; /* the scratch folder, which goes with it */
static volatile sig_atomic_t asked_to_stop; /* the signal that did: the play that goes on is the last */

/* Die of `number`, without the scratch folder. */
static void die(int number)
{
    signal(number, SIG_DFL);
    pid_t child = last_root[0] ? fork() : -1; /* nothing here may allocate: another program removes it */
    if (child == 0) {
        execl("/bin/rm", "rm", "-rf", "--", last_root, (char *)NULL);
        _exit(1);
    }
    if (child > 0) (void)waitpid(child, NULL, 0);
    raise(number);
}

static void on_fatal(int number)
{
    ssize_t size = write(STDERR_FILENO, last_words, last_words_size);
    (void)size;
    die(number);
}

static void on_stop(int number)
{
    if (asked_to_stop) die(number); /* asked again: at once */
    asked_to_stop = number;
}

static void again_text(const chaos *c, char *ret, size_t size)
{
    const char *file = c->is_made_up ? "--made-up" : rv_args_word(c->args, 0) ? rv_args_word(c->args, 0) : "";
    (void)snprintf(ret, size, "reeve chaos %s%s--seed %llu --plays 1 --trace", file, file[0] ? " " : "", (unsigned long long)c->seed);
}

static void prepare_last_words(const chaos *c)
{
    char again[400];
    again_text(c, again, sizeof again);
    int size = snprintf(last_words, sizeof last_words, "reeve: the simulated engine died of its own fault; again: %s\n", again);
    last_words_size = (size_t)RV_MIN(size, (int)sizeof last_words - 1);
}

/* ---- playing ---- */

static void remove_root(const chaos *c)
{
    rv_sim_clear(c->base);
    (void)rmdir(c->base);
}

static rv_status make_root(chaos *c, rv_error *err)
{
    const char *temporary = getenv("TMPDIR");
    const char *folders[] = {temporary, "/dev/shm", "/tmp"};
    for (size_t i = 0; i < RV_COUNT(folders); i++) {
        if (!folders[i] || !folders[i][0]) continue;
        (void)snprintf(c->base, sizeof c->base, "%s/reeve-chaos-XXXXXX", folders[i]);
        if (!mkdtemp(c->base)) continue;
        (void)snprintf(last_root, sizeof last_root, "%s", c->base);
        (void)snprintf(c->root, sizeof c->root, "%s/store", c->base);
        (void)snprintf(c->files, sizeof c->files, "%s/files", c->base);
        if (mkdir(c->root, 0700) == 0 && mkdir(c->files, 0700) == 0) return RV_OK;
        remove_root(c);
    }
    return rv_error_set(err, RV_IO, "cannot make a scratch folder in /dev/shm or /tmp; name one that can be written in $TMPDIR");
}

static rv_status play_once(chaos *c, rv_sim_result *ret, rv_buf *trace)
{
    static const char *const nothing[] = {NULL};
    rv_buf made = {0};
    rv_problems problems = {0};
    rv_sim_config config = {.source = rv_buf_str(&c->load.source), .file = c->load.path.at, .dir = c->load.dir.at, .root = c->root,
                            .vars = c->vars, .var_count = c->var_count, .environ = (const char *const *)environ, .trace = trace};
    if (c->is_made_up) {
        rv_sim_clear(c->files);
        rv_sim_scenario(c->seed, c->files, &made);
        config.source = rv_buf_str(&made);
        config.file = "made-up.yaml";
        config.dir = c->files;
        config.may_submit = true;
        config.environ = nothing;
    } else {
        config.is_json = rv_cli_is_json_file(c->load.path.at);
    }
    rv_status status = rv_sim_play(&config, c->seed, ret, &problems);
    if (status != RV_OK) (void)rv_load_report(c->args, &problems, config.source, config.file);
    if (status != RV_OK && c->is_made_up) rv_cli_note("seed %llu made up a workflow that does not load", (unsigned long long)c->seed);
    rv_problems_deinit(&problems);
    rv_buf_deinit(&made);
    return status;
}

/* Play the seed twice: the second time must tell the same story. */
static rv_status play(chaos *c)
{
    rv_sim_result first, second;
    bool wants_trace = rv_args_has(c->args, "trace");
    prepare_last_words(c);
    rv_buf_clear(&c->trace);
    rv_status status = play_once(c, &first, wants_trace ? &c->trace : NULL);
    if (wants_trace && !c->args->is_json) rv_ui_out(rv_buf_str(&c->trace));
    if (status != RV_OK) return status;
    if (!first.broken[0]) status = play_once(c, &second, NULL);
    else second = first;
    if (status == RV_OK && first.hash != second.hash)
        (void)snprintf(first.broken, sizeof first.broken, "the same seed told two different stories (%016llx, %016llx)",
                       (unsigned long long)first.hash, (unsigned long long)second.hash);
    c->plays++;
    c->hash = rv_hash64((rv_str){(const char *)&first.hash, sizeof first.hash}, c->hash);
    for (uint32_t i = 0; i < RV_SIM_COUNT_COUNT; i++) c->counts[i] += first.counts[i];
    for (uint32_t i = 0; i < RV_FAIL_POINT_COUNT; i++) c->died_at[i] += first.died_at[i];
    c->is_broken = first.broken[0] != 0;
    if (c->is_broken || c->plays == 1) c->broken = first;
    return status;
}

/* Plays that take long say each minute how far they are. */
static void say_progress(chaos *c)
{
    int64_t now_ms = mono_ms();
    if (now_ms - c->said_ms < 60000) return;
    c->said_ms = now_ms;
    rv_cli_note("%llu plays, %.1f a second, next seed %llu", (unsigned long long)c->plays,
                (double)c->plays * 1000 / (double)(now_ms - c->began_ms), (unsigned long long)c->seed + 1);
}

static bool has_time(const chaos *c)
{
    if (c->is_broken || asked_to_stop || (c->plays_max && c->plays >= c->plays_max)) return false;
    return !c->until_ms || mono_ms() < c->until_ms;
}

/* ---- telling ---- */

/* Fail points at which it can die, and those at which it did. */
static uint32_t points_of(const chaos *c, uint32_t *ret_died)
{
    uint32_t count = 0;
    *ret_died = 0;
    for (uint32_t i = 0; i < RV_FAIL_POINT_COUNT; i++) {
        count += rv_sim_has_point((rv_fail_point)i);
        *ret_died += c->died_at[i] > 0;
    }
    return count;
}

static void write_points(const chaos *c, rv_json_writer *w)
{
    rv_jw_key(w, "deaths_at");
    rv_jw_object(w);
    for (uint32_t i = 0; i < RV_FAIL_POINT_COUNT; i++)
        if (rv_sim_has_point((rv_fail_point)i)) rv_jw_kv_i64(w, rv_fail_point_name((rv_fail_point)i), (int64_t)c->died_at[i]);
    rv_jw_object_end(w);
}

static void report_json(const chaos *c, int64_t ms)
{
    rv_buf out = {0};
    rv_json_writer w;
    rv_cli_json_begin(&w, &out);
    rv_jw_kv_bool(&w, "ok", !c->is_broken);
    rv_jw_kv_i64(&w, "first_seed", (int64_t)c->first);
    rv_jw_kv_i64(&w, "plays", (int64_t)c->plays);
    rv_jw_kv_i64(&w, "ms", ms);
    char hash[24];
    (void)snprintf(hash, sizeof hash, "%016llx", (unsigned long long)c->hash);
    rv_jw_kv_cstring(&w, "hash", hash);
    rv_jw_key(&w, "counts");
    rv_jw_object(&w);
    for (uint32_t i = 0; i < RV_SIM_COUNT_COUNT; i++) {
        rv_buf key = {0};
        rv_buf_cstring(&key, rv_sim_count_name((rv_sim_count)i));
        for (size_t k = 0; k < key.size; k++)
            if (key.at[k] == ' ') key.at[k] = '_';
        rv_jw_key_str(&w, rv_buf_str(&key));
        rv_jw_i64(&w, (int64_t)c->counts[i]);
        rv_buf_deinit(&key);
    }
    rv_jw_object_end(&w);
    write_points(c, &w);
    if (c->is_broken) {
        char again[400];
        again_text(c, again, sizeof again);
        rv_jw_kv_i64(&w, "seed", (int64_t)c->seed);
        rv_jw_kv_cstring(&w, "broken", c->broken.broken);
        rv_jw_kv_cstring(&w, "again", again);
    }
    rv_cli_json_end(&w);
}

#define COUNTS_COLUMNS 100u

/* What was met, in lines that can be read; what never came up is in --json. */
static void counts_text(const chaos *c, rv_buf *out)
{
    size_t line = out->size;
    rv_buf item = {0};
    for (uint32_t i = 0; i < RV_SIM_COUNT_COUNT; i++) {
        if (c->counts[i] == 0) continue;
        rv_buf_clear(&item);
        rv_buf_printf(&item, "%llu %s, ", (unsigned long long)c->counts[i], rv_sim_count_name((rv_sim_count)i));
        if (out->size == line || out->size - line + item.size > COUNTS_COLUMNS) {
            if (out->size > line) out->at[out->size - 1] = '\n'; /* over the blank behind the last one */
            line = out->size;
            rv_buf_cstring(out, "  ");
        }
        rv_buf_str_add(out, rv_buf_str(&item));
    }
    if (out->size > line) out->at[out->size - 1] = '\n';
    rv_buf_deinit(&item);
}

static void report(const chaos *c, int64_t ms)
{
    rv_buf out = {0};
    if (c->args->is_json) {
        report_json(c, ms);
        return;
    }
    rv_buf_printf(&out, "%llu play%s of each two alike, %.1f a second:\n", (unsigned long long)c->plays, c->plays == 1 ? "" : "s",
                  (double)c->plays * 1000 / (double)RV_MAX(ms, 1));
    counts_text(c, &out);
    uint32_t died, points = points_of(c, &died);
    rv_buf_printf(&out, "  deaths at %u of %u fail points\n", died, points);
    if (c->is_broken) {
        char again[400];
        again_text(c, again, sizeof again);
        rv_buf_printf(&out, "seed %llu: %s\nagain: %s\n", (unsigned long long)c->seed, c->broken.broken, again);
    } else {
        rv_buf_printf(&out, "every promise was kept\n");
    }
    rv_ui_out(rv_buf_str(&out));
    rv_buf_deinit(&out);
}

/* ---- the verb ---- */

static rv_status read_seed(chaos *c, rv_error *err)
{
    const char *word = rv_args_value(c->args, "seed");
    c->first = 1;
    if (!word) return RV_OK;
    char *end;
    c->first = strtoull(word, &end, 10);
    bool is_number = word[0] >= '0' && word[0] <= '9' && *end == 0 && c->first <= INT64_MAX;
    return is_number ? RV_OK : rv_error_set(err, RV_INVALID, "--seed %s is no number from 0 to 9223372036854775807", word);
}

static rv_status read_bounds(chaos *c, rv_error *err)
{
    const char *length = rv_args_value(c->args, "for");
    int64_t ms = 0;
    if (length && !rv_duration_parse(rv_str_of(length), &ms))
        return rv_error_set(err, RV_INVALID, "--for %s is no duration such as 30s or 10m", length);
    c->until_ms = length ? mono_ms() + ms : 0;
    return rv_args_number(c->args, "plays", 1, 1000000000, length ? 0 : PLAYS_DEFAULT, &c->plays_max, err);
}

static int play_all(chaos *c)
{
    rv_error err = {0};
    c->began_ms = c->said_ms = mono_ms();
    rv_status status = make_root(c, &err);
    if (status != RV_OK) return rv_cli_fail(c->args, &err);
    for (c->seed = c->first; has_time(c) && status == RV_OK; c->seed++) {
        status = play(c);
        say_progress(c);
    }
    c->seed--;
    if (status == RV_OK) report(c, mono_ms() - c->began_ms);
    remove_root(c);
    return status != RV_OK ? rv_status_exit(status) : c->is_broken ? 1 : asked_to_stop ? 128 + asked_to_stop : 0;
}

int rv_verb_chaos(const rv_args *args)
{
    chaos c = {.args = args, .is_made_up = rv_args_has(args, "made-up")};
    rv_error err = {0};
    int exit_status = 0;
    rv_status status = read_seed(&c, &err);
    if (status == RV_OK) status = read_bounds(&c, &err);
    if (status == RV_OK) status = rv_cli_vars(args, &c.load.arena, &c.vars, &c.var_count, &err);
    if (status == RV_OK && c.is_made_up && rv_args_word(args, 0))
        status = rv_error_set(&err, RV_INVALID, "--made-up takes no file: the workflows are made up");
    if (status != RV_OK) exit_status = rv_cli_fail(args, &err);
    else if (!c.is_made_up) status = rv_load_file(&c.load, args, rv_args_word(args, 0), false, NULL, &exit_status);
    signal(SIGABRT, on_fatal);
    signal(SIGSEGV, on_fatal);
    static const int stops[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < RV_COUNT(stops); i++)
        if (signal(stops[i], on_stop) == SIG_IGN) signal(stops[i], SIG_IGN); /* under nohup, in a background job */
    rv_log_set(RV_LOG_ERROR, false); /* what a dying engine says of its disk is part of the play */
    if (status == RV_OK) exit_status = play_all(&c);
    rv_buf_deinit(&c.trace);
    rv_load_deinit(&c.load);
    return exit_status;
}
