/* events.c: `reeve events` and `reeve verify`: the journal of a run, and whether it is sound. */
#include "cli/cli.h"
#include "lib/history.h"
#include "cli/verbs.h"

typedef struct listing {
    const rv_args *args;
    rv_buf out;
    uint64_t last_seq;
    bool has_ended;
} listing;

static void flush(listing *l)
{
    rv_ui_out(rv_buf_str(&l->out));
    rv_buf_clear(&l->out);
}

static bool is_shown_first(rv_str key)
{
    return rv_str_is(key, "v") || rv_str_is(key, "seq") || rv_str_is(key, "at") || rv_str_is(key, "type") || rv_str_is(key, "node");
}

/* seq  time  type  node  the rest as key=value */
static void people_line(listing *l, rv_str json)
{
    rv_arena arena = {0};
    rv_json *event = NULL;
    rv_error ignored;
    if (rv_json_parse(&arena, json, &event, &ignored) == RV_OK) {
        int64_t seq = 0, at = 0;
        const rv_json *number = rv_json_get(event, RV_STR("seq")), *when = rv_json_get(event, RV_STR("at"));
        const rv_json *type = rv_json_get(event, RV_STR("type")), *node = rv_json_get(event, RV_STR("node"));
        bool has_seq = number && rv_json_i64(number, &seq), has_time = when && rv_json_i64(when, &at);
        rv_buf line = {0};
        if (has_seq) rv_ui_stylef(&line, RV_STYLE_DIM, "%7lld  ", (long long)seq);
        if (has_time) rv_ui_time(&line, at, at); /* the day is that of the run; the time of day tells more */
        else if (when && when->kind == RV_JSON_STRING) rv_buf_str_add(&line, when->text);
        rv_buf_cstring(&line, "  ");
        size_t begin = line.size;
        if (type) rv_ui_style(&line, RV_STYLE_BOLD, type->text);
        rv_ui_pad(&line, begin, 14);
        rv_buf_byte(&line, ' ');
        begin = line.size;
        if (node) rv_ui_plain(&line, rv_cli_json_as_text(&arena, node), 0);
        rv_ui_pad(&line, begin, 16);
        for (const rv_json *member = event->child; member; member = member->next) {
            if (is_shown_first(member->key)) continue;
            rv_ui_stylef(&line, RV_STYLE_DIM, " %.*s=", RV_FMT(member->key));
            rv_ui_plain(&line, rv_cli_json_as_text(&arena, member), 120);
        }
        while (line.size && line.at[line.size - 1] == ' ') line.at[--line.size] = 0;
        rv_buf_byte(&line, '\n');
        rv_buf_str_add(&l->out, rv_buf_str(&line));
        rv_buf_deinit(&line);
    }
    rv_arena_deinit(&arena);
}

static rv_status on_event(void *user, uint64_t seq, rv_str json)
{
    listing *l = user;
    l->last_seq = seq;
    if (l->args->is_json) { /* it has the shape's version already */
        rv_buf_str_add(&l->out, json);
        rv_buf_byte(&l->out, '\n');
    } else {
        people_line(l, json);
    }
    if (l->out.size > 64 * 1024) flush(l);
    return RV_OK;
}

static rv_status list(listing *l, rv_session *session, rv_error *err)
{
    bool follows = rv_args_has(l->args, "follow");
    rv_watch_state watch = {.is_live = true};
    rv_history *history = NULL;
    rv_status status = rv_history_open(session->client, rv_buf_str(&session->run), &history, err);
    while (status == RV_OK) {
        status = rv_history_read(history, on_event, l, err);
        flush(l);
        if (status || !follows || !watch.is_live || !rv_client_is_remote(session->client)) break;
        status = rv_client_watch(session->client, rv_buf_str(&session->run), l->last_seq, UINT64_MAX, &watch, err);
        if (status == RV_UNAVAILABLE) { /* the owner has gone, and with it what could still come */
            status = RV_OK;
            break;
        }
    }
    rv_history_close(history);
    return status;
}

int rv_verb_events(const rv_args *args)
{
    listing l = {.args = args};
    rv_session session = {0};
    rv_error err = {0};
    rv_status failed = rv_session_open(args, true, rv_args_word(args, 0), &session, &err);
    if (failed == RV_OK) failed = list(&l, &session, &err);
    flush(&l);
    rv_buf_deinit(&l.out);
    rv_session_close(&session);
    return failed ? rv_cli_fail(args, &err) : 0;
}

/* ---- verify ---- */

static int report(const rv_args *args, rv_session *session, rv_str answer)
{
    rv_json *tree = NULL;
    rv_error err = {0};
    rv_buf out = {0};
    if (rv_json_parse(&session->arena, answer, &tree, &err)) return rv_cli_fail(args, &err);
    const rv_json *ok = rv_json_get(tree, RV_STR("ok")), *checks = rv_json_get(tree, RV_STR("checks"));
    bool is_ok = ok && ok->kind == RV_JSON_TRUE;
    if (args->is_json) {
        rv_buf_printf(&out, "{\"v\":%d,", RV_JSON_SHAPE_VERSION);
        rv_buf_str_add(&out, rv_str_from(answer, 1));
        if (out.at[out.size - 1] != '\n') rv_buf_byte(&out, '\n');
    }
    for (const rv_json *check = checks && !args->is_json ? checks->child : NULL; check; check = check->next) {
        const rv_json *name = rv_json_get(check, RV_STR("name")), *holds = rv_json_get(check, RV_STR("ok")),
                      *detail = rv_json_get(check, RV_STR("detail"));
        rv_node_state state = holds && holds->kind == RV_JSON_TRUE ? RV_NODE_SUCCEEDED : RV_NODE_FAILED;
        rv_ui_style(&out, rv_ui_node_style(state), rv_str_of(rv_ui_node_glyph(state)));
        rv_buf_byte(&out, ' ');
        size_t begin = out.size;
        if (name) rv_buf_str_add(&out, name->text);
        rv_ui_pad(&out, begin, 20);
        rv_buf_byte(&out, ' ');
        if (detail && detail->kind == RV_JSON_STRING) rv_ui_plain(&out, detail->text, 0);
        rv_buf_byte(&out, '\n');
    }
    if (!args->is_json) rv_buf_printf(&out, "run %s: %s\n", session->run.at, is_ok ? "everything holds" : "something does not hold");
    rv_ui_out(rv_buf_str(&out));
    rv_buf_deinit(&out);
    return is_ok ? 0 : 1;
}

/* The run of the session. */
static int verify(const rv_args *args, rv_session *session)
{
    rv_error err = {0};
    rv_buf answer = {0};
    rv_status failed = rv_client_verify(session->client, rv_buf_str(&session->run), &answer, &err);
    int status = failed ? rv_cli_fail(args, &err) : report(args, session, rv_buf_str(&answer));
    rv_buf_deinit(&answer);
    return status;
}

/* Each run of the store, the oldest first: the first status that is not 0. */
static int verify_all(const rv_args *args, rv_session *session)
{
    rv_error err = {0};
    rv_rows rows;
    rv_row row;
    rv_status failed = rv_session_query(session, "SELECT id FROM run ORDER BY created_ms, id", NULL, 0, 0, &rows, &err);
    if (failed) return rv_cli_fail(args, &err);
    int status = 0;
    while (rv_rows_next(&rows, &row)) {
        rv_buf_clear(&session->run);
        rv_buf_str_add(&session->run, rv_row_str(&row, 0));
        int found = verify(args, session);
        status = status ? status : found;
    }
    return status;
}

int rv_verb_verify(const rv_args *args)
{
    rv_session session = {0};
    rv_error err = {0};
    const char *word = rv_args_word(args, 0);
    bool is_all = rv_args_has(args, "all");
    if (is_all && word) return rv_cli_failf(args, RV_INVALID, "--all is every run of the store; leave %s out", word);
    rv_status failed = rv_session_open(args, !is_all, word, &session, &err);
    int status = failed ? rv_cli_fail(args, &err) : is_all ? verify_all(args, &session) : verify(args, &session);
    rv_session_close(&session);
    return status;
}
