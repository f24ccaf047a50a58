/* resume.c: go on with a run that is in the store [W34, R1, E31]. */
#include <stdio.h>
#include <unistd.h>

#include "cli/drive.h"
#include "cli/load.h"
#include "cli/select.h"
#include "lib/host.h"

#define NAMES_SHOWN_MAX 8u

/* ---- which run ---- */

static rv_status find_by_word(rv_store *store, rv_arena *arena, const char *word, rv_run_row *ret, rv_error *err)
{
    rv_run_rows rows = {0};
    rv_run_filter filter = {.limit = 1};
    rv_str wanted = rv_str_of(word);
    if (rv_str_is(wanted, "latest")) {
        rv_status status = rv_store_runs(store, arena, &filter, &rows, err);
        if (status == RV_OK && rows.count == 0)
            status = rv_error_set(err, RV_NOT_FOUND, "the store has no run yet; begin one with `reeve run FILE`");
        if (status == RV_OK) *ret = rows.at[0];
        rv_vec_deinit(&rows);
        return status;
    }
    if (rv_store_run(store, arena, wanted, ret, err) == RV_OK) return RV_OK;
    rv_buf answer = {0};
    bool is_cut = false;
    rv_status status = rv_store_query(store, RV_STR("select id from run where instr(id, ?1) > 0 order by created_ms desc"), &wanted, 1, 9,
                                      &answer, &is_cut, err);
    uint32_t found = 0;
    rv_str id = {0};
    rv_str text = rv_buf_str(&answer);
    size_t at = rv_str_find(text, 0, '\n'); /* after the line of column names */
    while (status == RV_OK && at != SIZE_MAX && at + 1 < text.size) {
        size_t end = rv_str_find(text, at + 1, '\n');
        rv_json *row = NULL;
        rv_str line = rv_str_cut(text, at + 1, (end == SIZE_MAX ? text.size : end) - at - 1);
        if (rv_json_parse(arena, rv_arena_str(arena, line), &row, err) == RV_OK && row->child) id = row->child->text, found++;
        at = end;
    }
    rv_buf_deinit(&answer);
    if (status) return status;
    if (found == 0 || wanted.size < 3)
        return rv_error_set(err, RV_NOT_FOUND, "there is no run `%s` in this store; `reeve ls` lists them", word);
    if (found > 1) return rv_error_set(err, RV_INVALID, "`%s` fits %u runs; give more of the id, see `reeve ls`", word, found);
    return rv_store_run(store, arena, id, ret, err);
}

/* The latest unfinished run of the file (or definition); else the latest of all, with *ret_is_over. */
static rv_status find_latest(const rv_resume *resume, rv_store *store, rv_arena *arena, rv_run_row *ret, bool *ret_is_over, rv_error *err)
{
    rv_run_filter filter = {.file = rv_str_of(resume->file), .workflow_hash = resume->workflow_hash, .unfinished = true, .limit = 1};
    rv_run_rows rows = {0};
    rv_status status = rv_store_runs(store, arena, &filter, &rows, err);
    if (status == RV_OK && rows.count == 0) {
        filter.unfinished = false;
        *ret_is_over = true;
        status = rv_store_runs(store, arena, &filter, &rows, err);
    }
    if (status == RV_OK && rows.count == 0)
        status = rv_error_set(err, RV_NOT_FOUND, "%s was never run here; leave out --resume to run it",
                              resume->file ? resume->file : "this command with this list");
    if (status == RV_OK) *ret = rows.at[0];
    rv_vec_deinit(&rows);
    return status;
}

/* ---- its definition and values ---- */

static const char *var_given(const rv_args *args, rv_str name)
{
    uint32_t index = 0;
    bool takes_vars = strcmp(args->verb->name, "run") == 0;
    for (const char *text; takes_vars && (text = rv_args_next(args, "var", &index));) {
        rv_str word = rv_str_of(text);
        size_t equals = rv_str_find(word, 0, '=');
        if (equals != SIZE_MAX && rv_str_eq(rv_str_cut(word, 0, equals), name)) return text + equals + 1;
    }
    return NULL;
}

static bool has_default(const rv_json *definition, rv_str name)
{
    const rv_json *params = rv_json_get(definition, RV_STR("params"));
    const rv_json *param = params ? rv_json_get(params, name) : NULL;
    return param && rv_json_get(param, RV_STR("default"));
}

/* Whether `text`, given with --var, is the value that a run keeps: a string is itself, 1 is 1.0. */
static bool is_same_value(rv_arena *arena, const rv_json *kept, rv_str text)
{
    rv_json *value = NULL;
    rv_error ignored;
    if (rv_str_eq(rv_cli_json_as_text(arena, kept), text)) return true;
    return kept->kind != RV_JSON_STRING && rv_json_parse(arena, text, &value, &ignored) == RV_OK && rv_json_equal(kept, value);
}

/* A --var that names no parameter, or gives another value than the run keeps, is refused rather than passed over. With --edit
 * they are the child's, and loading its file checks them. */
static rv_status check_vars(const rv_args *args, const rv_run_row *row, const rv_json *definition, const rv_json *kept, rv_arena *arena,
                            rv_error *err)
{
    rv_param_value *vars = NULL;
    uint32_t count = 0;
    if (strcmp(args->verb->name, "run") != 0 || rv_args_has(args, "edit")) return RV_OK;
    rv_status status = rv_cli_vars(args, arena, &vars, &count, err);
    const rv_json *params = rv_json_get(definition, RV_STR("params"));
    for (uint32_t i = 0; status == RV_OK && i < count; i++) {
        rv_str name = vars[i].name;
        const rv_json *value = rv_json_get(kept, name);
        if (!params || !rv_json_get(params, name))
            status = rv_error_set(err, RV_INVALID, "--var %.*s: run %.*s has no such parameter; leave it out", RV_FMT(name),
                                  RV_FMT(row->id));
        else if (value && !is_same_value(arena, value, vars[i].value))
            status = rv_error_set(err, RV_INVALID,
                                  "--var %.*s: run %.*s keeps the values that it began with, and this is another one; "
                                  "leave it out, or make a child run with new ones by --edit",
                                  RV_FMT(name), RV_FMT(row->id));
    }
    return status;
}

/* Parameters as they were recorded, and the secret ones from --var again. */
static rv_status pinned_vars(const rv_args *args, const rv_run_row *row, const rv_json *definition, rv_arena *arena, rv_param_value **ret,
                             uint32_t *ret_count, rv_error *err)
{
    rv_json *params = NULL, *secrets = NULL;
    rv_status status = rv_json_parse(arena, row->params.size ? row->params : RV_STR("{}"), &params, err);
    if (status == RV_OK) status = rv_json_parse(arena, row->secrets.size ? row->secrets : RV_STR("{}"), &secrets, err);
    if (status) return rv_error_context(err, "run %.*s: its stored parameters", RV_FMT(row->id));
    status = check_vars(args, row, definition, params, arena, err);
    if (status) return status;
    rv_param_value *vars = rv_arena_new(arena, rv_param_value, params->count + secrets->count + 1);
    uint32_t count = 0;
    for (const rv_json *param = params->child; param; param = param->next)
        if (param->kind != RV_JSON_NULL) vars[count++] = (rv_param_value){param->key, rv_cli_json_as_text(arena, param)};
    for (const rv_json *secret = secrets->child; secret; secret = secret->next) {
        const char *value = var_given(args, secret->key);
        if (value) vars[count++] = (rv_param_value){secret->key, rv_str_of(value)};
        else if (!has_default(definition, secret->key))
            return rv_error_set(err, RV_INVALID, "the secret parameter %.*s is never stored; give it again: --var %.*s=VALUE",
                                RV_FMT(secret->key), RV_FMT(secret->key));
    }
    *ret = vars;
    *ret_count = count;
    return RV_OK;
}

/* The caller's environment with the recorded ${env.K} in front, which win: values of load time are the run's for good [W12]. */
static rv_status pinned_environ(const rv_run_row *row, rv_arena *arena, const char *const **ret, rv_error *err)
{
    rv_json *pinned = NULL;
    rv_status status = rv_json_parse(arena, row->env.size ? row->env : RV_STR("{}"), &pinned, err);
    if (status) return rv_error_context(err, "run %.*s: its stored environment", RV_FMT(row->id));
    uint32_t count = 0, at = 0;
    while (environ[count]) count++;
    const char **list = rv_arena_new(arena, const char *, pinned->count + count + 1);
    for (const rv_json *item = pinned->child; item; item = item->next) {
        rv_str value = rv_cli_json_as_text(arena, item);
        list[at++] = rv_arena_printf(arena, "%.*s=%.*s", RV_FMT(item->key), RV_FMT(value)).at;
    }
    for (uint32_t i = 0; i < count; i++) list[at++] = environ[i];
    *ret = list;
    return RV_OK;
}

static rv_status load_pinned(const rv_args *args, rv_store *store, const rv_run_row *row, rv_arena *arena, rv_spec **ret, rv_error *err)
{
    rv_workflow_row workflow;
    rv_json *definition = NULL;
    rv_spec_input input = {.file = "the run's definition", .dir = rv_arena_cstring(arena, row->dir), .is_json = true};
    rv_param_value *vars = NULL;
    rv_status status = rv_store_workflow(store, arena, row->workflow_hash, &workflow, err);
    if (status == RV_OK) status = rv_json_parse(arena, workflow.body, &definition, err);
    if (status) return rv_error_context(err, "run %.*s: its definition", RV_FMT(row->id));
    status = pinned_vars(args, row, definition, arena, &vars, &input.var_count, err);
    if (status == RV_OK) status = pinned_environ(row, arena, &input.environ, err);
    if (status) return status;
    input.source = workflow.body;
    input.vars = vars;
    rv_problems problems = {0};
    status = rv_spec_load(&input, ret, &problems);
    if (status) {
        rv_buf text = {0};
        rv_problems_text(&text, &problems, workflow.body, false, false);
        while (text.size && text.at[text.size - 1] == '\n') text.at[--text.size] = 0;
        status = rv_error_set(err, status, "%s", text.size ? text.at : "the run's definition cannot be loaded");
        rv_buf_deinit(&text);
    }
    rv_problems_deinit(&problems);
    return status;
}

/* A secret that is another one than before is used, and said [E31]. */
static void compare_secrets(rv_engine *engine, const rv_run_row *row, const rv_spec *spec, rv_arena *arena)
{
    rv_json *hashes = NULL;
    rv_error ignored;
    if (row->secrets.size == 0 || rv_json_parse(arena, row->secrets, &hashes, &ignored)) return;
    for (uint32_t i = 0; i < spec->secrets.count; i++) {
        const rv_json *before = rv_json_get(hashes, spec->secrets.at[i].name);
        char now[RV_DIGEST_TEXT_SIZE + 1];
        rv_engine_secret_hash(engine, spec->secrets.at[i].value, now);
        if (before && !rv_str_is(before->text, now))
            rv_cli_note("the secret parameter %.*s is not what it was when the run began; the new value is used",
                        RV_FMT(spec->secrets.at[i].name));
    }
}

/* ---- the file as it is now ---- */

static void say_names(const char *what, const rv_str *names, uint32_t count)
{
    if (count == 0) return;
    fprintf(stderr, "%s", what);
    for (uint32_t i = 0; i < RV_MIN(count, NAMES_SHOWN_MAX); i++) fprintf(stderr, "%s %.*s", i ? "," : "", RV_FMT(names[i]));
    if (count > NAMES_SHOWN_MAX) fprintf(stderr, " and %u more", count - NAMES_SHOWN_MAX);
}

/* Which nodes of the file differ from the run's definition, on standard error. */
static void say_differences(const rv_graph *pinned, const rv_graph *now, rv_arena *arena)
{
    rv_map names = {0};
    rv_str *changed = rv_arena_new(arena, rv_str, now->top_count + 1), *added = rv_arena_new(arena, rv_str, now->top_count + 1);
    rv_str *removed = rv_arena_new(arena, rv_str, pinned->top_count + 1);
    bool *is_there = rv_arena_new(arena, bool, pinned->top_count + 1);
    uint32_t changed_count = 0, added_count = 0, removed_count = 0;
    for (uint32_t n = 0; n < pinned->top_count; n++) rv_map_add(&names, rv_graph_name(pinned, n), n);
    for (uint32_t n = 0; n < now->top_count; n++) {
        uint32_t old = rv_map_get(&names, rv_graph_name(now, n));
        if (old == RV_NONE) added[added_count++] = rv_graph_name(now, n);
        else if (is_there[old] = true, !rv_str_eq(rv_graph_str(pinned, pinned->nodes[old].body), rv_graph_str(now, now->nodes[n].body)))
            changed[changed_count++] = rv_graph_name(now, n);
    }
    for (uint32_t n = 0; n < pinned->top_count; n++)
        if (!is_there[n]) removed[removed_count++] = rv_graph_name(pinned, n);
    fprintf(stderr, "reeve: the file has changed since this run began");
    say_names("; changed:", changed, changed_count);
    say_names("; new:", added, added_count);
    say_names("; gone:", removed, removed_count);
    fprintf(stderr, "\nreeve: the run keeps the definition that it began with; --edit makes a child run of the file as it is now\n");
    rv_map_deinit(&names);
}

static void compare_with_file(const rv_run_row *row, const rv_graph *pinned, rv_arena *arena)
{
    const char *file = rv_arena_cstring(arena, row->file);
    if (row->file.size == 0 || access(file, R_OK) != 0) return;
    rv_buf source = {0};
    rv_error ignored;
    rv_problems problems = {0};
    rv_spec *now = NULL;
    if (rv_cli_read_file(file, &source, &ignored) == RV_OK) {
        rv_spec_input input = {.source = rv_buf_str(&source), .file = file, .dir = rv_arena_cstring(arena, row->dir),
                               .is_json = rv_cli_is_json_file(file), .environ = (const char *const *)environ, .skip_values = true};
        rv_status status = rv_spec_load(&input, &now, &problems);
        bool is_whole = status != RV_OK || rv_select_part(rv_graph_str(pinned, pinned->only), &now, &input, &ignored) != RV_OK;
        if (is_whole && status == RV_OK) say_differences(pinned, &now->graph, arena); /* a node that was asked for is gone */
        else if (status != RV_OK)
            rv_cli_note("%s has changed since and is not valid now; the run keeps the definition that it began with", file);
        else if (memcmp(&now->graph.digest, &pinned->digest, sizeof now->graph.digest) != 0)
            say_differences(pinned, &now->graph, arena);
    }
    rv_spec_free(now);
    rv_problems_deinit(&problems);
    rv_buf_deinit(&source);
}

/* ---- going on ---- */

static rv_status submit_child(rv_resume *resume, rv_host *host, const rv_run_row *row, rv_arena *arena, rv_spec *pinned, rv_job **ret_job,
                              rv_error *err)
{
    rv_submit submit = {.spec = pinned,
                        .file = rv_arena_cstring(arena, row->file),
                        .dir = rv_arena_cstring(arena, row->dir),
                        .fail_fast = resume->fail_fast,
                        .resumed_from = row->id};
    rv_load load = {0};
    int exit_status = 0;
    if (resume->edit) {
        rv_status status = rv_load_file(&load, resume->args, resume->file ? resume->file : submit.file, false, NULL, &exit_status);
        if (status) {
            rv_load_deinit(&load);
            resume->status_early = exit_status;
            return RV_OK;
        }
        status = rv_select_again(rv_graph_str(&pinned->graph, pinned->graph.only), &load, err);
        if (status) {
            rv_load_deinit(&load);
            return status;
        }
        submit.spec = load.spec;
    }
    rv_status status = rv_engine_submit(rv_host_engine(host), &submit, ret_job, err);
    if (status == RV_OK && resume->edit) load.spec = NULL;
    rv_load_deinit(&load);
    return status;
}

static rv_status say_over(rv_resume *resume, rv_store *store, rv_arena *arena, const rv_run_row *row)
{
    rv_cli_note("there is nothing to resume: the last run, %.*s, ended with status %s (exit status %d)", RV_FMT(row->id),
                rv_run_state_name(row->status), row->exit_status);
    if (row->status == RV_RUN_ERROR || row->status == RV_RUN_TIMEOUT) {
        rv_workflow_row workflow;
        rv_error ignored;
        rv_buf secrets = {0};
        if (rv_store_workflow(store, arena, row->workflow_hash, &workflow, &ignored) == RV_OK) rv_cli_secret_words(workflow.body, &secrets);
        rv_cli_note("to run what failed again and keep the rest: reeve run --resume %.*s%s", RV_FMT(row->id),
                    secrets.size ? secrets.at : "");
        rv_buf_deinit(&secrets);
    }
    resume->status_early = RV_MAX(row->exit_status, 0);
    return RV_OK;
}

static rv_status go_on(rv_resume *resume, rv_host *host, rv_arena *arena, rv_job **ret_job, rv_error *err)
{
    rv_store *store = rv_host_store(host);
    rv_run_row row = {0};
    rv_spec *spec = NULL;
    bool is_over = false;
    rv_status status = resume->word ? find_by_word(store, arena, resume->word, &row, err)
                                    : find_latest(resume, store, arena, &row, &is_over, err);
    if (status) return status;
    bool is_failed = row.status == RV_RUN_ERROR || row.status == RV_RUN_TIMEOUT;
    if (is_over && !(resume->with_failed && is_failed)) return say_over(resume, store, arena, &row);
    if (rv_run_state_is_terminal(row.status) && !is_failed && !resume->edit) {
        if (row.status == RV_RUN_CANCELLED)
            return rv_error_set(err, RV_CONFLICT, "run %.*s was cancelled, which is for good; begin a new one", RV_FMT(row.id));
        return say_over(resume, store, arena, &row);
    }
    status = load_pinned(resume->args, store, &row, arena, &spec, err);
    if (status) return status;
    compare_secrets(rv_host_engine(host), &row, spec, arena);
    if (!resume->edit) compare_with_file(&row, &spec->graph, arena);
    bool is_child = rv_run_state_is_terminal(row.status) || resume->edit;
    if (is_child) status = submit_child(resume, host, &row, arena, spec, ret_job, err);
    else status = rv_engine_resume(rv_host_engine(host), row.id, spec, resume->fail_fast, ret_job, err);
    bool is_taken = status == RV_OK && *ret_job && !(is_child && resume->edit);
    if (!is_taken) rv_spec_free(spec);
    return status;
}

rv_status rv_resume_begin(rv_resume *resume, rv_host *host, rv_job **ret_job, rv_error *err)
{
    rv_arena arena = {0};
    rv_status status = go_on(resume, host, &arena, ret_job, err);
    rv_arena_deinit(&arena);
    return status;
}
