#include "sim/inner.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

/* An executor that executes nothing. What becomes of an attempt is drawn when it starts: how long it takes, what it says, what it
 * leaves in $REEVE_OUTPUT, how it ends, how it takes a signal. exec.h's rules are kept: `ended` comes once, from the loop. */

typedef enum ending { END_OK, END_EXIT, END_SIGNAL, END_HANG, END_START, END_UNAVAILABLE } ending;

typedef struct fake_exec fake_exec;
typedef struct fake_proc {
    rv_exec *exec; /* first, as exec.h says */
    rv_timer *timer, *limit; /* its end; its timeout, then the end of its grace */
    rv_output_fn *output;
    rv_ended_fn *ended;
    void *user;
    ending how;
    rv_exit exit;
    int64_t grace_ms;
    uint32_t entry, words;
    bool ignores_term, is_live;
    char *output_path;
    int64_t due_ms;
    rv_buf result, made; /* the JSON it leaves; files it makes, a NUL after each */
    rv_sim_report report; /* what that says of its spend */
    rv_sim_made making;
} fake_proc;

struct fake_exec {
    const rv_exec_ops *ops; /* first, as exec.h says */
    rv_sim_world *world;
    RV_VEC(fake_proc *) procs;
    uint32_t live;
    int64_t pid_last;
};

static fake_exec *of(const rv_exec *exec) { return (fake_exec *)(uintptr_t)exec; }
static fake_proc *of_proc(rv_proc *proc) { return (fake_proc *)proc; }

static rv_str variable(const char *const *envp, const char *name)
{
    size_t size = strlen(name);
    for (; *envp; envp++)
        if (strncmp(*envp, name, size) == 0 && (*envp)[size] == '=') return rv_str_of(*envp + size + 1);
    return (rv_str){NULL, 0};
}

/* ---- what it leaves ---- */

/* A value that a JSON Schema of docs/workflow.md's subset takes, mostly. */
static void write_value(rv_sim_world *w, const rv_json *schema, rv_json_writer *j, uint32_t depth)
{
    const rv_json *choices = rv_json_get(schema, RV_STR("enum")), *constant = rv_json_get(schema, RV_STR("const")),
                  *type = rv_json_get(schema, RV_STR("type")), *properties = rv_json_get(schema, RV_STR("properties"));
    if (type && type->kind == RV_JSON_ARRAY) type = type->child;
    rv_str word = type && type->kind == RV_JSON_STRING ? type->text : properties ? RV_STR("object") : RV_STR("integer");
    int64_t least = 0;
    rv_buf text = {0};
    if (constant || (choices && choices->count)) {
        rv_json_write(&text, constant ? constant : rv_json_at(choices, rv_sim_below(w, choices->count)), false);
        rv_jw_raw(j, rv_buf_str(&text));
        rv_buf_deinit(&text);
    } else if (rv_str_is(word, "object") && depth < 8) {
        rv_jw_object(j);
        for (const rv_json *property = properties ? properties->child : NULL; property; property = property->next) {
            rv_jw_key_str(j, property->key);
            write_value(w, property, j, depth + 1);
        }
        rv_jw_object_end(j);
    } else if (rv_str_is(word, "array") && depth < 8) {
        const rv_json *items = rv_json_get(schema, RV_STR("items")), *min = rv_json_get(schema, RV_STR("minItems"));
        if (min && !rv_json_i64(min, &least)) least = 0;
        rv_jw_array(j);
        for (int64_t i = RV_MIN(least, 100) + rv_sim_below(w, 3); i > 0; i--) write_value(w, items, j, depth + 1);
        rv_jw_array_end(j);
    } else if (rv_str_is(word, "boolean")) {
        rv_jw_bool(j, rv_sim_one_in(w, 2));
    } else if (rv_str_is(word, "null")) {
        rv_jw_null(j);
    } else if (rv_str_is(word, "string")) {
        static const char *const words[] = {"", "yes", "no", "a", "some text", "ß=\"x\""};
        rv_jw_cstring(j, words[rv_sim_below(w, RV_COUNT(words))]);
    } else {
        const rv_json *min = rv_json_get(schema, RV_STR("minimum"));
        if (min && !rv_json_i64(min, &least)) least = 0;
        rv_jw_i64(j, least + rv_sim_below(w, 6));
    }
}

/* A list for a foreach. */
static void write_items(rv_sim_world *w, rv_json_writer *j)
{
    rv_jw_array(j);
    for (uint32_t i = rv_sim_below(w, 5); i > 0; i--) {
        if (rv_sim_one_in(w, 3)) rv_jw_cstring(j, "item");
        else rv_jw_i64(j, i);
    }
    rv_jw_array_end(j);
}

/* Fields that somebody reads as `${NAME.FIELD`, anywhere in the definition; where one is a foreach's whole list, some items. */
static void write_read_fields(rv_sim_world *w, rv_str name, rv_map *seen, rv_json_writer *j)
{
    static const char items_key[] = "\"items\":\"";
    rv_str all = w->job->graph->definition;
    rv_buf start = {0};
    rv_buf_printf(&start, "${%.*s.", RV_FMT(name));
    const char *at = all.at, *end = all.at + all.size;
    while ((at = memmem(at, (size_t)(end - at), start.at, start.size)) != NULL) {
        size_t before = (size_t)(at - all.at), key_size = sizeof items_key - 1;
        bool is_list = before >= key_size && memcmp(at - key_size, items_key, key_size) == 0;
        at += start.size;
        size_t size = 0;
        while (at + size < end && (at[size] == '_' || at[size] == '-' || (at[size] >= '0' && at[size] <= '9') ||
                                   (at[size] >= 'a' && at[size] <= 'z') || (at[size] >= 'A' && at[size] <= 'Z')))
            size++;
        if (size == 0 || rv_map_add(seen, (rv_str){at, size}, 0) != RV_NONE || rv_sim_one_in(w, 12)) continue;
        rv_jw_key_str(j, (rv_str){at, size});
        if (is_list && !rv_sim_one_in(w, 8)) write_items(w, j);
        else if (rv_sim_one_in(w, 4)) rv_jw_cstring(j, rv_sim_one_in(w, 2) ? "text" : "");
        else rv_jw_i64(j, rv_sim_below(w, 6));
    }
    rv_buf_deinit(&start);
}

/* What its controller asks of it: a label, a winner, whether to go on. At times it says nothing, or what nobody knows. */
static void write_wanted(rv_sim_world *w, uint32_t node, rv_map *seen, rv_json_writer *j)
{
    const rv_run *run = w->job->run;
    const rv_place *place = &run->places.at[rv_run_home(run, run->nodes[node].place)];
    if (place->role == RV_SCOPE_JUDGE && !rv_sim_one_in(w, 12)) {
        static const char *const winners[] = {"left", "right"};
        (void)rv_map_add(seen, RV_STR("winner"), 0);
        rv_jw_kv_cstring(j, "winner", rv_sim_one_in(w, 12) ? "nobody" : winners[rv_sim_below(w, 2)]);
    } else if (place->role == RV_SCOPE_CLASSIFIER && !rv_sim_one_in(w, 12)) {
        const rv_graph *graph = rv_run_graph(run, place->parent);
        const rv_control_def *def = rv_run_control_def(run, place->parent);
        (void)rv_map_add(seen, RV_STR("branch"), 0);
        rv_str label = rv_graph_str(graph, graph->branches[def->branch_first + rv_sim_below(w, def->branch_count)].label);
        rv_jw_key(j, "branch");
        rv_jw_str(j, rv_sim_one_in(w, 12) ? RV_STR("nowhere") : label);
    } else if (place->role == RV_SCOPE_ITERATION && rv_sim_one_in(w, 5)) {
        (void)rv_map_add(seen, RV_STR("continue"), 0);
        rv_jw_key(j, "continue");
        if (rv_sim_one_in(w, 3)) rv_jw_cstring(j, "false");
        else rv_jw_bool(j, rv_sim_one_in(w, 3));
    }
    if (place->role == RV_SCOPE_ITERATION) write_read_fields(w, RV_STR("previous"), seen, j);
    if (place->role != RV_SCOPE_ENTRANT) return;
    write_read_fields(w, RV_STR("left"), seen, j);
    write_read_fields(w, RV_STR("right"), seen, j);
}

/* So much in dollars, as people and programs write it. */
static void write_cost(rv_sim_world *w, int64_t micro, rv_json_writer *j)
{
    rv_buf text = {0};
    rv_buf_printf(&text, "%lld.%06lld", (long long)(micro / 1000000), (long long)(micro % 1000000));
    rv_jw_key(j, "cost_usd");
    if (rv_sim_one_in(w, 3)) rv_jw_str(j, rv_buf_str(&text));
    else rv_jw_raw(j, rv_buf_str(&text));
    rv_buf_deinit(&text);
}

/* What it spent, at times in words that are no number and count for nothing. */
static void write_spend(rv_sim_world *w, rv_sim_report *report, rv_json_writer *j)
{
    if (rv_sim_one_in(w, 16)) {
        rv_jw_kv_cstring(j, "cost_usd", rv_sim_one_in(w, 2) ? "much" : "-1");
    } else if (!rv_sim_one_in(w, 3)) {
        report->cost = rv_sim_below(w, rv_sim_one_in(w, 6) ? 2000000 : 200000);
        write_cost(w, report->cost, j);
    }
    if (rv_sim_one_in(w, 3)) return;
    int64_t in = rv_sim_below(w, 300), out = rv_sim_below(w, 100);
    report->tokens = in + out;
    report->cached = rv_sim_below(w, 50);
    rv_jw_kv_i64(j, "tokens_in", in);
    rv_jw_kv_i64(j, "tokens_out", out);
    rv_jw_kv_i64(j, "tokens_cached", report->cached);
}

static void make_result(rv_sim_world *w, uint32_t node, const rv_json *body, rv_buf *out, rv_sim_report *report)
{
    rv_json_writer j;
    rv_map seen = {0};
    const rv_json *schema = rv_json_get(body, RV_STR("output_schema"));
    rv_json_writer_init(&j, out, 0);
    if (schema && !rv_sim_one_in(w, 8)) {
        write_value(w, schema, &j, 0);
        return;
    }
    rv_jw_object(&j);
    if (rv_sim_one_in(w, rv_run_is_counted(w->job->run) ? 2 : 8)) write_spend(w, report, &j);
    write_wanted(w, node, &seen, &j);
    write_read_fields(w, rv_graph_str(rv_run_graph(w->job->run, node), rv_run_def(w->job->run, node)->name), &seen, &j);
    rv_jw_object_end(&j);
    rv_map_deinit(&seen);
    if (!rv_sim_one_in(w, 30)) return;
    out->size /= 2; /* half a result is no JSON */
    *report = (rv_sim_report){0};
}

void rv_sim_write_file(const char *path, rv_str bytes)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ssize_t size = fd < 0 ? 0 : write(fd, bytes.size ? bytes.at : "", bytes.size);
    (void)size; /* a short file is only another result */
    if (fd >= 0) close(fd);
}

/* The files that the node declares as its outputs, beneath the run's folder. */
static void make_files(const fake_proc *p)
{
    rv_buf bytes = {0};
    rv_sim_made_text(&p->making, &bytes);
    for (size_t at = 0; at < p->made.size; at += strlen(p->made.at + at) + 1) {
        rv_buf part = {0};
        rv_buf_cstring(&part, p->made.at + at);
        for (size_t i = 1; i < part.size; i++) {
            if (part.at[i] != '/') continue;
            part.at[i] = 0;
            (void)mkdir(part.at, 0700);
            part.at[i] = '/';
        }
        rv_sim_write_file(part.at, rv_buf_str(&bytes));
        rv_buf_deinit(&part);
    }
    rv_buf_deinit(&bytes);
}

/* ---- ending ---- */

static void proc_free(fake_proc *p)
{
    rv_timer_free(p->timer);
    rv_timer_free(p->limit);
    rv_free(p->output_path);
    rv_buf_deinit(&p->result), rv_buf_deinit(&p->made);
    rv_free(p);
}

static void say(fake_proc *p, rv_sim_world *w)
{
    static const char *const words[] = {"out\n", "a line\nand half of", " another\n", "\xff\xfe\n", "ok\n"};
    const char *word = words[rv_sim_below(w, RV_COUNT(words))];
    p->output(p->user, rv_sim_one_in(w, 4) ? 2 : 1, rv_str_of(word));
}

static void finish(fake_proc *p)
{
    fake_exec *exec = of(p->exec);
    rv_sim_world *w = exec->world;
    rv_ended_fn *ended = p->ended;
    if (w->is_dead) return; /* nobody hears it */
    while (p->is_live && p->words > 0 && p->words--) say(p, w);
    if (p->is_live && p->exit.exit_status == 0) {
        if (p->made.size) rv_sim_files_change(w);
        make_files(p);
        rv_sim_made_note(w, p->making, rv_buf_str(&p->result));
    }
    if (p->is_live && p->result.size && (p->exit.exit_status == 0 || rv_sim_one_in(w, 2))) {
        rv_sim_write_file(p->output_path, rv_buf_str(&p->result));
        p->report.entry = p->entry;
        p->report.epoch = w->ledger.entries.at[p->entry].started_epoch;
        rv_vec_push(&w->ledger.reports, p->report);
    }
    w->result->counts[RV_SIM_REORDERED] += p->due_ms < w->due_last_ms;
    w->due_last_ms = p->due_ms;
    p->exit.ended_ms = rv_loop_wall_ms(w->loop);
    rv_sim_tell(w, "exit %.*s %d %d", RV_FMT(w->ledger.entries.at[p->entry].name), p->exit.exit_status, p->exit.signal);
    if (p->is_live) {
        exec->live--;
        w->ledger.entries.at[p->entry].live--;
    }
    for (uint32_t i = 0; i < exec->procs.count; i++)
        if (exec->procs.at[i] == p) exec->procs.at[i] = exec->procs.at[--exec->procs.count];
    ended(p->user, &p->exit);
    proc_free(p);
}

static void on_end(void *user) { finish(user); }

static void on_limit(void *user)
{
    fake_proc *p = user;
    if (p->exit.stopped == RV_STOP_NONE) {
        rv_exec_stop((rv_proc *)p, RV_STOP_TIMEOUT, -1);
        return;
    }
    p->exit.exit_status = -1;
    p->exit.signal = SIGKILL;
    p->due_ms = rv_loop_mono_ms(of(p->exec)->world->loop);
    finish(p);
}

static void stop(rv_proc *proc, rv_stop_reason reason, int64_t grace_ms)
{
    fake_proc *p = of_proc(proc);
    rv_sim_world *w = of(p->exec)->world;
    int64_t now_ms = rv_loop_mono_ms(w->loop);
    int64_t grace = grace_ms < 0 ? p->grace_ms : grace_ms;
    if (!p->is_live) return;
    if (p->exit.stopped == RV_STOP_NONE) {
        p->exit.stopped = reason;
        rv_sim_entry *entry = &w->ledger.entries.at[p->entry];
        if (reason == RV_STOP_INTERRUPT || reason == RV_STOP_CANCEL) entry->stopped_epoch = entry->started_epoch;
        if (!p->ignores_term) {
            p->exit.exit_status = rv_sim_one_in(w, 3) ? p->exit.exit_status : -1; /* some end well, or with a status, all the same */
            p->exit.signal = p->exit.exit_status < 0 ? SIGTERM : -1;
            p->due_ms = now_ms + rv_sim_below(w, (uint32_t)p->grace_ms);
            rv_timer_set(p->timer, p->due_ms);
        }
    }
    rv_timer_set(p->limit, now_ms + grace);
}

/* ---- starting ---- */

static ending draw_ending(rv_sim_world *w)
{
    uint32_t dice = w->calm && rv_sim_one_in(w, 2) ? 0 : rv_sim_below(w, 100);
    if (dice < 74) return END_OK;
    if (dice < 88) return END_EXIT;
    if (dice < 92) return END_SIGNAL;
    if (dice < 95) return END_HANG;
    return dice < 97 ? END_START : END_UNAVAILABLE;
}

static int64_t draw_length_ms(rv_sim_world *w)
{
    return rv_sim_below(w, rv_sim_one_in(w, 10) ? 5000 : rv_sim_one_in(w, 2) ? 4 : 100);
}

static void set_ending(fake_proc *p, rv_sim_world *w)
{
    p->exit = (rv_exit){.exit_status = 0, .signal = -1};
    if (p->how == END_EXIT) p->exit.exit_status = 1 + (int32_t)rv_sim_below(w, 3);
    if (p->how == END_SIGNAL) p->exit.exit_status = -1, p->exit.signal = SIGSEGV;
    if (p->how != END_START && p->how != END_UNAVAILABLE) return;
    p->exit.exit_status = -1;
    p->exit.error = p->how == END_START ? RV_DETAIL_START : RV_DETAIL_UNAVAILABLE;
    (void)snprintf(p->exit.error_text, sizeof p->exit.error_text, "%s", p->how == END_START ? "no such command" : "no process to be had");
}

static void read_body(fake_proc *p, rv_sim_world *w, rv_str name)
{
    rv_arena arena = {0};
    rv_json *body = NULL;
    uint32_t node = rv_run_find(w->job->run, name);
    RV_ASSERT(node != RV_NONE);
    const rv_graph *graph = rv_run_graph(w->job->run, node);
    rv_str text = rv_graph_str(graph, rv_run_def(w->job->run, node)->body);
    if (rv_json_parse(&arena, text, &body, NULL) != RV_OK) body = NULL;
    p->making = rv_sim_making(w, node, body);
    bool is_quiet = p->making.is_cached && rv_sim_one_in(w, 2); /* its files are all that it gives */
    if (!is_quiet && !rv_sim_one_in(w, 10)) make_result(w, node, body, &p->result, &p->report);
    if (is_quiet) p->words = 0;
    const rv_json *outputs = body ? rv_json_get(body, RV_STR("outputs")) : NULL;
    for (const rv_json *path = outputs ? outputs->child : NULL; path; path = path->next) {
        if (rv_sim_one_in(w, 12)) continue; /* a file that it was to make and did not */
        rv_sim_work(w, &p->made);
        rv_buf_printf(&p->made, "/%.*s", RV_FMT(path->text));
        rv_buf_byte(&p->made, 0);
    }
    rv_arena_deinit(&arena);
}

/* It finds every directive that was acknowledged to who gave it [K61]. */
static void check_steered(rv_sim_world *w, uint32_t entry, rv_str path)
{
    uint32_t lines = 0, steered = w->ledger.entries.at[entry].steered;
    char *name = rv_cstring_dup(path), bytes[4096];
    int fd = steered ? open(name, O_RDONLY | O_CLOEXEC) : -1;
    for (ssize_t size; fd >= 0 && (size = read(fd, bytes, sizeof bytes)) > 0;)
        for (ssize_t i = 0; i < size; i++) lines += bytes[i] == '\n';
    if (fd >= 0) close(fd);
    rv_free(name);
    if (lines < steered)
        rv_sim_break(w, "K61: %u directives to %.*s were acknowledged, it finds %u", steered,
                     RV_FMT(w->ledger.entries.at[entry].name), lines);
}

static rv_status start(rv_exec *exec, const rv_spawn *spawn, rv_proc **ret, int64_t *ret_pid, uint64_t *ret_start_ticks, rv_error *err)
{
    rv_sim_world *w = of(exec)->world;
    rv_str name = variable(spawn->envp, "REEVE_NODE"), epoch = variable(spawn->envp, "REEVE_EPOCH");
    if (w->is_dead || (!w->calm && rv_sim_one_in(w, 100))) {
        w->result->counts[RV_SIM_REFUSED_STARTS] += !w->is_dead;
        return rv_error_set(err, RV_NO_MEMORY, "no memory to start %s", spawn->argv[0]);
    }
    fake_proc *p = rv_alloc(sizeof *p);
    *p = (fake_proc){.exec = exec, .output = spawn->output, .ended = spawn->ended, .user = spawn->user, .how = draw_ending(w),
                     .grace_ms = spawn->grace_ms, .ignores_term = rv_sim_one_in(w, 4), .words = rv_sim_below(w, 4)};
    p->timer = rv_timer_new(w->loop, on_end, p);
    p->limit = rv_timer_new(w->loop, on_limit, p);
    p->output_path = rv_cstring_dup(variable(spawn->envp, "REEVE_OUTPUT"));
    set_ending(p, w);
    read_body(p, w, name);
    rv_vec_push(&of(exec)->procs, p);
    p->entry = (uint32_t)(rv_sim_entry_of(w, name) - w->ledger.entries.at);
    p->is_live = p->how != END_START && p->how != END_UNAVAILABLE;
    *ret = (rv_proc *)p;
    *ret_pid = 0, *ret_start_ticks = 0;
    rv_sim_tell(w, "start %.*s epoch %.*s", RV_FMT(name), RV_FMT(epoch));
    if (p->is_live) {
        *ret_pid = ++of(exec)->pid_last, *ret_start_ticks = 1;
        of(exec)->live++;
        w->ledger.entries.at[p->entry].live++;
        p->exit.started_ms = rv_loop_wall_ms(w->loop);
        rv_sim_ledger_start(w, name, (uint32_t)strtoul(epoch.at, NULL, 10));
        check_steered(w, p->entry, variable(spawn->envp, "REEVE_STEER"));
        rv_sim_gives(w, name, variable(spawn->envp, "REEVE_TOKEN"));
        if (spawn->timeout_ms) rv_timer_set(p->limit, rv_loop_mono_ms(w->loop) + spawn->timeout_ms);
    }
    int64_t length_ms = p->how == END_HANG ? (spawn->timeout_ms ? spawn->timeout_ms * 2 : 60000) : draw_length_ms(w);
    p->due_ms = rv_loop_mono_ms(w->loop) + (p->is_live ? length_ms : 0);
    rv_timer_set(p->timer, p->due_ms);
    return RV_OK;
}

static uint32_t live(const rv_exec *exec) { return of(exec)->live; }

/* The engine is gone, or goes: what runs dies with it. */
static void exec_free(rv_exec *exec)
{
    fake_exec *fake = of(exec);
    for (uint32_t i = 0; i < fake->procs.count; i++) {
        if (fake->procs.at[i]->is_live) fake->world->ledger.entries.at[fake->procs.at[i]->entry].live--;
        proc_free(fake->procs.at[i]);
    }
    rv_vec_deinit(&fake->procs);
    rv_free(fake);
}

rv_exec *rv_sim_exec_new(rv_sim_world *w)
{
    static const rv_exec_ops ops = {start, stop, live, exec_free};
    fake_exec *fake = rv_alloc(sizeof *fake);
    fake->ops = &ops;
    fake->world = w;
    fake->pid_last = 1000;
    return (rv_exec *)fake;
}
