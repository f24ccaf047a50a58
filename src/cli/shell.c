/* shell.c: `reeve shell RUN NODE`: a shell where a node ran, with the values that it had. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "blob/blob.h"
#include "cli/report.h"
#include "cli/verbs.h"

typedef struct scene {
    const rv_args *args;
    rv_session session;
    rv_report report;
    uint32_t node;
    const rv_json *body, *user, *env, *secrets;
    rv_param_value *vars; uint32_t var_count;
    RV_VEC(const char *) envp;
    const char *dir;
    char scratch[64]; /* holds output and artifacts of what is tried out */
} scene;

/* ---- values: as the engine looks them up, from what is recorded [W10] ---- */

static rv_str first_part(rv_str *path)
{
    size_t dot = rv_str_find(*path, 0, '.');
    rv_str part = dot == SIZE_MAX ? *path : rv_str_cut(*path, 0, dot);
    *path = dot == SIZE_MAX ? (rv_str){0} : rv_str_from(*path, dot + 1);
    return part;
}

static rv_value_kind give(const rv_json *value, rv_str path, rv_buf *out)
{
    while (value && path.size) {
        rv_str part = first_part(&path);
        char number[12] = {0};
        memcpy(number, part.at, RV_MIN(part.size, sizeof number - 1));
        if (value->kind == RV_JSON_ARRAY)
            value = number[0] >= '0' && number[0] <= '9' ? rv_json_at(value, (uint32_t)strtoul(number, NULL, 10)) : NULL;
        else value = rv_json_get(value, part);
    }
    if (!value) return RV_VALUE_MISSING;
    if (value->kind == RV_JSON_NULL) return RV_VALUE_NULL;
    if (value->kind == RV_JSON_STRING) rv_buf_str_add(out, value->text);
    else rv_json_write(out, value, false);
    return RV_VALUE_TEXT;
}

static rv_value_kind from_user(scene *s, rv_str path, rv_buf *out, rv_error *err)
{
    for (uint32_t i = s->var_count; i > 0; i--) {
        if (!rv_str_eq(s->vars[i - 1].name, path)) continue;
        rv_buf_str_add(out, s->vars[i - 1].value);
        return RV_VALUE_TEXT;
    }
    if (rv_json_get(s->secrets, path)) {
        rv_error_set(err, RV_INVALID, "the secret parameter %.*s is never stored; give it again: --var %.*s=VALUE", RV_FMT(path),
                     RV_FMT(path));
        return RV_VALUE_MISSING;
    }
    return give(s->user, path, out);
}

static rv_status add_bytes(void *user, int stream, int64_t wall_ms, uint64_t cut_before, rv_str bytes)
{
    (void)stream, (void)wall_ms, (void)cut_before;
    rv_buf_str_add(user, bytes);
    return RV_OK;
}

static rv_value_kind from_output(scene *s, uint32_t node, int stream, rv_buf *out, rv_error *err)
{
    size_t before = out->size;
    if (s->report.nodes[node].log_last == UINT64_MAX) return RV_VALUE_TEXT;
    if (rv_log_read(rv_client_store(s->session.client), s->report.id, s->report.nodes[node].log_last, stream, add_bytes, out, err))
        return RV_VALUE_MISSING;
    while (out->size > before && out->at[out->size - 1] == '\n') out->at[--out->size] = 0;
    return RV_VALUE_TEXT;
}

static rv_value_kind from_result(scene *s, uint32_t node, rv_str path, rv_buf *out, rv_error *err)
{
    char number[16];
    rv_rows rows;
    rv_row row;
    rv_json *result = NULL;
    snprintf(number, sizeof number, "%u", node);
    rv_str bound[] = {s->report.id, rv_str_of(number)};
    if (rv_session_query(&s->session, "select result from node where run = ?1 and \"index\" = cast(?2 as integer)", bound, 2, 1,
                         &rows, err) ||
        !rv_rows_next(&rows, &row) || rv_row_str(&row, 0).size == 0 ||
        rv_json_parse(&s->session.arena, rv_row_str(&row, 0), &result, err))
        return RV_VALUE_MISSING;
    return give(result, path, out);
}

static rv_value_kind from_node(scene *s, uint32_t node, rv_str path, rv_buf *out, rv_error *err)
{
    const rv_report_node *n = &s->report.nodes[node];
    rv_str whole = path, first = first_part(&path);
    if (rv_str_is(whole, "state")) return rv_buf_cstring(out, rv_node_state_name(n->facts.state)), RV_VALUE_TEXT;
    if (!rv_node_state_is_terminal(n->facts.state) || n->facts.state == RV_NODE_SKIPPED) return RV_VALUE_NULL;
    if (rv_str_is(whole, "error")) return rv_buf_str_add(out, n->facts.error), n->facts.error.size ? RV_VALUE_TEXT : RV_VALUE_NULL;
    if (rv_str_is(whole, "exit_code")) {
        if (n->facts.exit_status < 0) return RV_VALUE_NULL;
        rv_buf_i64(out, n->facts.exit_status);
        return RV_VALUE_TEXT;
    }
    if (rv_str_is(whole, "stdout")) return from_output(s, node, 1, out, err);
    if (rv_str_is(whole, "stderr")) return from_output(s, node, 2, out, err);
    if (rv_str_is(first, "artifact")) {
        rv_artifact_path(rv_client_store(s->session.client), s->report.id, n->name, path, out);
        return RV_VALUE_TEXT;
    }
    return from_result(s, node, whole, out, err);
}

static rv_value_kind resolve(void *user, rv_str path, rv_buf *out, rv_error *err)
{
    scene *s = user;
    rv_str whole = path, first = first_part(&path);
    if (rv_str_is(first, "user") && !rv_run_is_inside(s->report.run, s->node)) return from_user(s, path, out, err);
    if (rv_str_is(first, "env")) return give(s->env, path, out);
    if (rv_str_is(whole, "run.id")) return rv_buf_str_add(out, s->report.id), RV_VALUE_TEXT;
    if (rv_str_is(first, "attempt")) return rv_buf_cstring(out, rv_str_is(path, "epoch") ? "0" : "shell"), RV_VALUE_TEXT;
    uint32_t node = rv_run_see(s->report.run, s->node, &whole); /* the nearest of that name outwards; whole: what follows it */
    if (node != RV_NONE) return from_node(s, node, whole, out, err);
    const rv_json *value = rv_run_value(s->report.run, s->node, &s->session.arena, whole);
    return value ? give(value, RV_STR(""), out) : RV_VALUE_MISSING;
}

static rv_status rendered(scene *s, rv_str text, const char **ret, rv_error *err)
{
    rv_buf out = {0};
    rv_status status = rv_render(text, resolve, s, false, &out, err);
    if (status == RV_OK) *ret = rv_arena_cstring(&s->session.arena, rv_buf_str(&out));
    rv_buf_deinit(&out);
    return status;
}

/* ---- the scene ---- */

static void put_env(scene *s, const char *entry)
{
    size_t name = (size_t)(strchrnul(entry, '=') - entry) + 1;
    for (uint32_t i = 0; i < s->envp.count; i++) {
        if (strncmp(s->envp.at[i], entry, name) != 0) continue;
        s->envp.at[i] = entry;
        return;
    }
    rv_vec_push(&s->envp, entry);
}

static rv_status set_environment(scene *s, rv_error *err)
{
    for (uint32_t i = 0; environ[i]; i++) rv_vec_push(&s->envp, environ[i]);
    const rv_json *env = rv_json_get(s->body, RV_STR("env"));
    for (const rv_json *item = env ? env->child : NULL; item; item = item->next) {
        const char *value = NULL;
        rv_status status = rendered(s, item->text, &value, err);
        if (status) return rv_error_context(err, "env %.*s", RV_FMT(item->key));
        put_env(s, rv_arena_printf(&s->session.arena, "%.*s=%s", RV_FMT(item->key), value).at);
    }
    snprintf(s->scratch, sizeof s->scratch, "/tmp/reeve-shell-XXXXXX");
    if (!mkdtemp(s->scratch)) return rv_error_set(err, RV_IO, "a directory in /tmp cannot be made: %s", strerror(errno));
    const char *artifacts = rv_arena_printf(&s->session.arena, "%s/artifacts", s->scratch).at;
    if (mkdir(artifacts, 0700) != 0) return rv_error_set(err, RV_IO, "%s cannot be made: %s", artifacts, strerror(errno));
    put_env(s, rv_arena_printf(&s->session.arena, "REEVE_RUN=%.*s", RV_FMT(s->report.id)).at);
    put_env(s, rv_arena_printf(&s->session.arena, "REEVE_NODE=%.*s", RV_FMT(s->report.nodes[s->node].name)).at);
    put_env(s, rv_arena_printf(&s->session.arena, "REEVE_OUTPUT=%s/output", s->scratch).at);
    put_env(s, rv_arena_printf(&s->session.arena, "REEVE_ARTIFACTS=%s", artifacts).at);
    rv_vec_push(&s->envp, NULL);
    return RV_OK;
}

static rv_status set_directory(scene *s, rv_error *err)
{
    const rv_json *dir = rv_json_get(s->body, RV_STR("dir"));
    const char *value = NULL;
    s->dir = rv_arena_cstring(&s->session.arena, s->report.dir);
    if (!dir) return RV_OK;
    rv_status status = rendered(s, dir->text, &value, err);
    if (status) return rv_error_context(err, "dir");
    s->dir = value[0] == '/' ? value : rv_arena_printf(&s->session.arena, "%s/%s", s->dir, value).at;
    return RV_OK;
}

static rv_status read_values(scene *s, rv_error *err)
{
    rv_rows rows;
    rv_row row;
    rv_str bound[] = {s->report.id};
    rv_status status = rv_session_query(&s->session, "select params, env, secrets from run where id = ?1", bound, 1, 1, &rows, err);
    if (status) return status;
    if (!rv_rows_next(&rows, &row)) return rv_error_set(err, RV_NOT_FOUND, "there is no run %.*s", RV_FMT(s->report.id));
    const rv_json **trees[] = {&s->user, &s->env, &s->secrets};
    for (uint32_t i = 0; i < RV_COUNT(trees) && status == RV_OK; i++) {
        rv_json *tree = NULL;
        rv_str text = rv_row_str(&row, i);
        status = rv_json_parse(&s->session.arena, text.size ? text : RV_STR("{}"), &tree, err);
        *trees[i] = tree;
    }
    return status;
}

static rv_status set(scene *s, rv_error *err)
{
    rv_json *body = NULL;
    const char *name = rv_args_word(s->args, 1);
    rv_status status = rv_cli_vars(s->args, &s->session.arena, &s->vars, &s->var_count, err);
    if (status == RV_OK) status = rv_report_read(&s->session, &s->report, err);
    if (status == RV_OK) status = read_values(s, err);
    if (status) return status;
    s->node = rv_report_named(&s->report, rv_str_of(name));
    if (s->node == RV_NONE)
        return rv_error_set(err, RV_NOT_FOUND, "run %.*s has no node `%s`; `reeve show %.*s` lists them", RV_FMT(s->report.id),
                            name, RV_FMT(s->report.id));
    const rv_graph *graph = rv_run_graph(s->report.run, s->node);
    status = rv_json_parse(&s->session.arena, rv_graph_str(graph, rv_run_def(s->report.run, s->node)->body), &body, err);
    if (status) return status;
    s->body = body;
    status = set_directory(s, err);
    return status ? status : set_environment(s, err);
}

/* ---- the shell ---- */

static void introduce(scene *s)
{
    const rv_json *run = rv_json_get(s->body, RV_STR("run")), *script = rv_json_get(s->body, RV_STR("shell"));
    rv_buf out = {0};
    rv_buf_printf(&out, "reeve: node %.*s of run %.*s, in %s\n", RV_FMT(s->report.nodes[s->node].name), RV_FMT(s->report.id), s->dir);
    if (run) rv_buf_cstring(&out, "reeve: its command:");
    for (const rv_json *word = run ? run->child : NULL; word; word = word->next) {
        const char *value = NULL;
        rv_error ignored;
        rv_buf_byte(&out, ' ');
        rv_ui_shell_word(&out, rendered(s, word->text, &value, &ignored) ? word->text : rv_str_of(value));
    }
    if (script) rv_buf_printf(&out, "reeve: its script:\n%.*s", RV_FMT(script->text));
    rv_buf_cstring(&out, "\nreeve: $REEVE_OUTPUT and $REEVE_ARTIFACTS are scratch; nothing here changes the run. `exit` leaves.\n");
    fwrite(out.at, 1, out.size, stderr);
    rv_buf_deinit(&out);
}

static int run_command(scene *s)
{
    const char *shell = getenv("SHELL") && getenv("SHELL")[0] ? getenv("SHELL") : "/bin/sh";
    const char **argv = rv_arena_new(&s->session.arena, const char *, s->args->words.count + 2);
    if (s->args->words.count > 2) memcpy(argv, s->args->words.at + 2, sizeof *argv * (s->args->words.count - 2));
    else argv[0] = shell;
    fflush(NULL);
    pid_t child = fork();
    if (child < 0) return rv_cli_failf(s->args, RV_UNAVAILABLE, "no process can be started: %s", strerror(errno));
    if (child == 0) {
        if (chdir(s->dir) != 0) {
            fprintf(stderr, "reeve: %s: %s\n", s->dir, strerror(errno));
            _exit(126);
        }
        environ = (char **)s->envp.at;
        execvp(argv[0], (char *const *)argv);
        fprintf(stderr, "reeve: %s: %s\n", argv[0], strerror(errno));
        _exit(errno == ENOENT ? 127 : 126);
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {}
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* What was left in the scratch directory stays, and is named. */
static void clean(scene *s)
{
    if (!s->scratch[0]) return;
    rv_buf path = {0};
    rv_buf_printf(&path, "%s/artifacts", s->scratch);
    rmdir(path.at);
    rv_buf_clear(&path);
    rv_buf_printf(&path, "%s/output", s->scratch);
    unlink(path.at);
    rv_buf_deinit(&path);
    if (rmdir(s->scratch) != 0) rv_cli_note("artifacts are left in %s/artifacts", s->scratch);
}

int rv_verb_shell(const rv_args *args)
{
    scene s = {.args = args};
    rv_error err = {0};
    int status;
    rv_status failed = RV_OK;
    if (args->words.count > 2 && args->words_before_dashes > 2)
        failed = rv_error_set(&err, RV_INVALID, "put `--` before the command: reeve shell RUN NODE -- COMMAND");
    if (failed == RV_OK) failed = rv_session_open(args, true, rv_args_word(args, 0), &s.session, &err);
    if (failed == RV_OK) failed = set(&s, &err);
    if (failed) {
        status = rv_cli_fail(args, &err);
    } else {
        if (args->words.count == 2) introduce(&s);
        rv_client_close(s.session.client); /* the shell may run reeve */
        s.session.client = NULL;
        status = run_command(&s);
    }
    clean(&s);
    rv_vec_deinit(&s.envp);
    rv_report_deinit(&s.report);
    rv_session_close(&s.session);
    return status;
}
