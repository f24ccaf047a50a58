/* decide.c: `approve`, `reject`, `answer`, `signal`, `cancel`: a person's word on a run, recorded on disk before the command returns. */
#include "cli/answer.h"
#include "cli/cli.h"
#include "cli/verbs.h"

/* The open blocker's kind, payload and the digest of what it shows. NOT_FOUND: nothing of that key waits; err names what does. */
static rv_status find_blocker(rv_session *session, const char *key, rv_str *ret_kind, rv_str *ret_payload, rv_str *ret_digest,
                              rv_error *err)
{
    rv_rows rows;
    rv_row row;
    rv_str bound[] = {rv_buf_str(&session->run)};
    rv_status status = rv_session_query(
        session, "select key, kind, payload, state, digest from blocker where run = ?1 order by opened_ms", bound, 1, 0, &rows, err);
    if (status) return status;
    rv_buf open = {0};
    bool was_resolved = false, is_found = false;
    while (rv_rows_next(&rows, &row)) {
        bool is_key = rv_str_is(rv_row_str(&row, 0), key), is_open = rv_str_is(rv_row_str(&row, 3), "open");
        if (is_key && is_open) {
            *ret_kind = rv_row_str(&row, 1);
            *ret_payload = rv_row_str(&row, 2);
            *ret_digest = rv_row_str(&row, 4);
            is_found = true;
        }
        was_resolved |= is_key && !is_open;
        if (is_open) rv_buf_printf(&open, "%s%.*s", open.size ? ", " : "", RV_FMT(rv_row_str(&row, 0)));
    }
    if (!is_found && was_resolved)
        status = rv_error_set(err, RV_CONFLICT, "`%s` of run %s was decided already; `reeve show %s` says how", key,
                              session->run.at, session->run.at);
    else if (!is_found)
        status = rv_error_set(err, RV_NOT_FOUND, "nothing named `%s` waits in run %s%s%s", key, session->run.at,
                              open.size ? "; what waits: " : "; nothing waits there", open.size ? open.at : "");
    rv_buf_deinit(&open);
    return status;
}

/* The run's definition, as JSON; empty when it cannot be had. */
static rv_str definition_of(rv_session *session)
{
    rv_rows rows;
    rv_row row;
    rv_error ignored;
    rv_str bound[] = {rv_buf_str(&session->run)};
    const char *sql = "select w.body from run r join workflow w on w.workspace = r.workspace and w.hash = r.workflow_hash where r.id = ?1";
    bool is_found = rv_session_query(session, sql, bound, 1, 1, &rows, &ignored) == RV_OK && rv_rows_next(&rows, &row);
    return is_found ? rv_row_str(&row, 0) : (rv_str){0};
}

/* The question that a node will ask, when `key` names an input of the run: what is said before it opens is kept for it [K60].
 * False: it names none. */
static bool find_later_input(rv_session *session, const char *key, rv_str *ret_payload)
{
    rv_json *root = NULL;
    rv_error ignored;
    if (rv_json_parse(&session->arena, definition_of(session), &root, &ignored)) return false;
    const rv_json *nodes = rv_json_get(root, RV_STR("nodes")), *node = nodes ? rv_json_get(nodes, rv_str_of(key)) : NULL;
    const rv_json *question = node ? rv_json_get(node, RV_STR("input")) : NULL;
    if (!question) return false;
    *ret_payload = rv_cli_json_as_text(&session->arena, question);
    return true;
}

/* What the record says of how the words were taken; size 0: nothing. */
static rv_str note_of(rv_session *session, const char *key)
{
    rv_error ignored;
    rv_rows rows = {0};
    rv_row row;
    rv_json *answer = NULL;
    rv_str words[2] = {rv_buf_str(&session->run), rv_str_of(key)};
    const char *sql = "SELECT answer FROM blocker WHERE run = ?1 AND (key = ?2 OR node = ?2) ORDER BY revision DESC LIMIT 1";
    if (rv_session_query(session, sql, words, 2, 1, &rows, &ignored) != RV_OK || !rv_rows_next(&rows, &row)) return (rv_str){0};
    if (rv_json_parse(&session->arena, rv_row_str(&row, 0), &answer, &ignored) != RV_OK) return (rv_str){0};
    const rv_json *note = rv_json_get(answer, RV_STR("note"));
    return note && note->kind == RV_JSON_STRING ? note->text : (rv_str){0};
}

static int report(const rv_args *args, rv_session *session, const char *key, const char *word)
{
    rv_buf out = {0};
    rv_str note = key ? note_of(session, key) : (rv_str){0};
    if (args->is_json) {
        rv_json_writer w;
        rv_cli_json_begin(&w, &out);
        rv_jw_kv_str(&w, "run", rv_buf_str(&session->run));
        if (key) rv_jw_kv_cstring(&w, "key", key);
        rv_jw_kv_cstring(&w, "decision", word);
        rv_jw_kv_cstring(&w, "by", rv_cli_user());
        rv_jw_kv_bool(&w, "is_live", rv_client_is_remote(session->client));
        if (note.size) rv_jw_kv_str(&w, "note", note);
        rv_cli_json_end(&w);
        return 0;
    }
    rv_ui_style(&out, RV_STYLE_GREEN, rv_str_of(rv_ui_node_glyph(RV_NODE_SUCCEEDED)));
    if (key) rv_buf_printf(&out, " %s %s in run %s\n", key, word, session->run.at);
    else rv_buf_printf(&out, " run %s %s\n", session->run.at, word);
    if (note.size) rv_buf_printf(&out, "! %.*s\n", RV_FMT(note));
    if (key && !rv_client_is_remote(session->client)) {
        rv_buf_printf(&out, "Nothing runs it now; go on with: reeve run --resume %s", session->run.at);
        rv_cli_secret_words(definition_of(session), &out);
        rv_cli_store_option(args, &out);
        rv_buf_byte(&out, '\n');
    }
    rv_ui_out(rv_buf_str(&out));
    rv_buf_deinit(&out);
    return 0;
}

static int decide(const rv_args *args, bool is_yes)
{
    rv_error err = {0};
    rv_session session = {0};
    rv_str kind = {0}, payload = {0}, digest = {0};
    const char *key = rv_args_word(args, 1), *comment = rv_args_value(args, "comment"), *word = is_yes ? "approved" : "rejected";
    rv_decision decision = is_yes ? RV_DECISION_APPROVE : RV_DECISION_REJECT;
    bool is_again = is_yes && rv_args_has(args, "again");
    rv_status failed = rv_session_open(args, true, rv_args_word(args, 0), &session, &err);
    if (failed == RV_OK) failed = find_blocker(&session, key, &kind, &payload, &digest, &err);
    if (failed == RV_OK && rv_str_is(kind, "input"))
        failed = rv_error_set(&err, RV_INVALID, "`%s` asks for a value; give it with `reeve answer %s %s VALUE`", key, session.run.at, key);
    if (failed == RV_OK && rv_str_is(kind, "budget"))
        failed = rv_error_set(&err, RV_INVALID, "the budget wants more, not a yes or no: `reeve approve %s --add usd=5`", session.run.at);
    if (rv_str_is(kind, "unknown_outcome")) {
        decision = is_again ? RV_DECISION_AGAIN : is_yes ? RV_DECISION_DONE : RV_DECISION_FAILED;
        word = is_again ? "is to run again" : is_yes ? "counts as done" : "counts as failed";
    } else if (failed == RV_OK && is_again) {
        failed = rv_error_set(&err, RV_INVALID, "--again is for an outcome that is unknown; `%s` asks for an approval", key);
    }
    if (failed == RV_OK)
        failed = rv_client_decide(session.client, rv_buf_str(&session.run), rv_str_of(key), digest, decision, rv_str_of(rv_cli_user()),
                                  rv_str_of(comment), &err);
    int status = failed ? rv_cli_fail(args, &err) : report(args, &session, key, word);
    rv_session_close(&session);
    return status;
}

/* More of the run's budget, every --add at once; or other quotas, every --quota at once. */
static int give_more(const rv_args *args, const char *option)
{
    bool is_quota = strcmp(option, "quota") == 0;
    rv_error err = {0};
    rv_session session = {0};
    rv_buf words = {0}, value = {0};
    uint32_t index = 0;
    const char *key = rv_args_word(args, 1);
    for (const char *text; (text = rv_args_next(args, option, &index));) rv_buf_printf(&words, "%s%s", words.size ? " " : "", text);
    rv_status failed = is_quota ? rv_answer_quota(rv_buf_str(&words), &value, &err) : rv_answer_add(rv_buf_str(&words), &value, &err);
    if (failed == RV_OK && is_quota && rv_args_has(args, "add"))
        failed = rv_error_set(&err, RV_INVALID, "--add and --quota: one after the other");
    if (failed == RV_OK && key && strcmp(key, "budget") != 0)
        failed = rv_error_set(&err, RV_INVALID, "--%s is for the run, `%s` asks for something else", option, key);
    if (failed == RV_OK) failed = rv_session_open(args, true, rv_args_word(args, 0), &session, &err);
    if (failed == RV_OK)
        failed = rv_client_answer(session.client, rv_buf_str(&session.run), RV_STR("budget"), rv_buf_str(&value),
                                  rv_str_of(rv_cli_user()), &err);
    int status = failed ? rv_cli_fail(args, &err) : report(args, &session, is_quota ? "quota" : "budget", is_quota ? "set" : "raised");
    rv_buf_deinit(&words);
    rv_buf_deinit(&value);
    rv_session_close(&session);
    return status;
}

int rv_verb_approve(const rv_args *args)
{
    rv_error err = {0};
    if (rv_args_has(args, "quota")) return give_more(args, "quota");
    if (rv_args_has(args, "add")) return give_more(args, "add");
    if (rv_args_word(args, 1)) return decide(args, true);
    rv_error_set(&err, RV_INVALID, "say what you approve: RUN KEY, RUN --add usd=5 for its budget, or RUN --quota concurrent=4");
    return rv_cli_fail(args, &err);
}
int rv_verb_reject(const rv_args *args) { return decide(args, false); }

int rv_verb_answer(const rv_args *args)
{
    rv_error err = {0};
    rv_session session = {0};
    rv_str kind = {0}, payload = {0}, digest = {0};
    rv_buf value = {0};
    const char *key = rv_args_word(args, 1);
    rv_status failed = rv_session_open(args, true, rv_args_word(args, 0), &session, &err);
    if (failed == RV_OK) failed = find_blocker(&session, key, &kind, &payload, &digest, &err);
    if (failed == RV_NOT_FOUND && session.client && find_later_input(&session, key, &payload)) {
        kind = RV_STR("input");
        failed = RV_OK;
    }
    if (failed == RV_OK && !rv_str_is(kind, "input"))
        failed = rv_error_set(&err, RV_INVALID, "`%s` asks for yes or no; give it with `reeve approve` or `reeve reject`", key);
    if (failed == RV_OK) failed = rv_answer_value(payload, rv_str_of(rv_args_word(args, 2)), &value, &err);
    if (failed == RV_OK)
        failed = rv_client_answer(session.client, rv_buf_str(&session.run), rv_str_of(key), rv_buf_str(&value),
                                  rv_str_of(rv_cli_user()), &err);
    int status = failed ? rv_cli_fail(args, &err) : report(args, &session, key, "answered");
    rv_buf_deinit(&value);
    rv_session_close(&session);
    return status;
}

/* JSON as it is, anything else as a string. */
static void value_of(const char *word, rv_buf *out)
{
    rv_arena arena = {0};
    rv_json *value = NULL;
    rv_error ignored;
    if (word && rv_json_parse(&arena, rv_str_of(word), &value, &ignored) == RV_OK) rv_buf_cstring(out, word);
    else if (word) rv_json_quote(out, rv_str_of(word));
    rv_arena_deinit(&arena);
}

int rv_verb_signal(const rv_args *args)
{
    rv_error err = {0};
    rv_session session = {0};
    rv_buf value = {0};
    const char *name = rv_args_word(args, 1);
    value_of(rv_args_word(args, 2), &value);
    rv_status failed = rv_session_open(args, true, rv_args_word(args, 0), &session, &err);
    if (failed == RV_OK)
        failed = rv_client_signal(session.client, rv_buf_str(&session.run), rv_str_of(name), rv_buf_str(&value),
                                  rv_str_of(rv_cli_user()), &err);
    int status = failed ? rv_cli_fail(args, &err) : report(args, &session, name, "signalled");
    rv_buf_deinit(&value);
    rv_session_close(&session);
    return status;
}

int rv_verb_steer(const rv_args *args)
{
    rv_error err = {0};
    rv_session session = {0};
    const char *node = rv_args_word(args, 1);
    rv_status failed = rv_session_open(args, true, rv_args_word(args, 0), &session, &err);
    if (failed == RV_OK)
        failed = rv_client_steer(session.client, rv_buf_str(&session.run), rv_str_of(node), rv_str_of(rv_args_word(args, 2)),
                                 rv_str_of(rv_cli_user()), &err);
    int status = failed ? rv_cli_fail(args, &err) : report(args, &session, node, "steered");
    rv_session_close(&session);
    return status;
}

int rv_verb_cancel(const rv_args *args)
{
    rv_error err = {0};
    rv_session session = {0};
    rv_status failed = rv_session_open(args, true, rv_args_word(args, 0), &session, &err);
    if (failed == RV_OK) failed = rv_client_cancel(session.client, rv_buf_str(&session.run), rv_str_of(rv_cli_user()), &err);
    int status = failed ? rv_cli_fail(args, &err) : report(args, &session, NULL, "cancelled");
    rv_session_close(&session);
    return status;
}
