#include "cli/answer.h"

#include "cli/ui.h"
#include "spec/spec.h"

static rv_str member(const rv_json *object, const char *key)
{
    const rv_json *value = object ? rv_json_get(object, rv_str_of(key)) : NULL;
    return value && value->kind == RV_JSON_STRING ? value->text : (rv_str){0};
}

static bool wants_string(const rv_json *schema)
{
    const rv_json *type = schema ? rv_json_get(schema, RV_STR("type")) : NULL;
    return type && type->kind == RV_JSON_STRING && rv_str_is(type->text, "string");
}

static rv_status value_in(rv_arena *arena, rv_str payload, rv_str text, rv_buf *out, rv_error *err)
{
    rv_json *question = NULL, *value = NULL;
    rv_error ignored;
    if (rv_json_parse(arena, payload, &question, &ignored)) question = NULL;
    const rv_json *schema = question ? rv_json_get(question, RV_STR("schema")) : NULL;
    const rv_json *fallback = question ? rv_json_get(question, RV_STR("default")) : NULL;
    rv_buf json = {0};
    bool is_quoted = wants_string(schema) && !(text.size >= 2 && text.at[0] == '"');
    if (text.size == 0 && fallback) rv_json_write(&json, fallback, false);
    else if (!is_quoted && rv_json_parse(arena, text, &value, &ignored) == RV_OK) rv_buf_str_add(&json, text);
    else rv_json_quote(&json, text);

    rv_status status = rv_json_parse(arena, rv_arena_str(arena, rv_buf_str(&json)), &value, err);
    rv_buf problems = {0};
    if (status == RV_OK && schema && !rv_schema_check(schema, value, &problems)) {
        if (problems.size && problems.at[problems.size - 1] == '\n') problems.at[--problems.size] = 0;
        status = rv_error_set(err, RV_INVALID, "the answer does not fit: %s", problems.size ? problems.at : "see the question's schema");
    }
    if (status == RV_OK) rv_buf_str_add(out, rv_buf_str(&json));
    rv_buf_deinit(&problems);
    rv_buf_deinit(&json);
    return status;
}

rv_status rv_answer_value(rv_str payload, rv_str text, rv_buf *out, rv_error *err)
{
    rv_arena arena = {0};
    rv_status status = value_in(&arena, payload, text, out, err);
    rv_arena_deinit(&arena);
    return status;
}

/* {"KEY":{"NAME":"AMOUNT",…}} of "NAME=AMOUNT …". */
static rv_status amounts(rv_str text, const char *key, const char *example, const char *none, rv_buf *out, rv_error *err)
{
    rv_json_writer w;
    rv_buf made = {0};
    rv_status status = RV_OK;
    uint32_t count = 0;
    rv_json_writer_init(&w, &made, 0);
    rv_jw_object(&w);
    rv_jw_key(&w, key);
    rv_jw_object(&w);
    while (text.size && status == RV_OK) {
        size_t end = 0;
        while (end < text.size && text.at[end] != ' ' && text.at[end] != ',') end++;
        rv_str part = rv_str_cut(text, 0, end);
        text = rv_str_from(text, RV_MIN(end + 1, text.size));
        size_t equals = rv_str_find(part, 0, '=');
        if (part.size == 0) continue;
        if (equals == SIZE_MAX || equals == 0 || equals + 1 == part.size) {
            status = rv_error_set(err, RV_INVALID, "`%.*s` is not %s", RV_FMT(part), example);
            continue;
        }
        rv_jw_key_str(&w, rv_str_cut(part, 0, equals));
        rv_jw_str(&w, rv_str_from(part, equals + 1));
        count++;
    }
    rv_jw_object_end(&w);
    rv_jw_object_end(&w);
    if (status == RV_OK && count == 0) status = rv_error_set(err, RV_INVALID, "%s", none);
    if (status == RV_OK) rv_buf_str_add(out, rv_buf_str(&made));
    rv_buf_deinit(&made);
    return status;
}

rv_status rv_answer_add(rv_str text, rv_buf *out, rv_error *err)
{
    return amounts(text, "add", "DIMENSION=AMOUNT, such as usd=5", "say how much more: usd=5, tokens=1000 or time=10m", out, err);
}

rv_status rv_answer_quota(rv_str text, rv_buf *out, rv_error *err)
{
    return amounts(text, "quota", "QUOTA=NUMBER, such as concurrent=4", "say which quota: concurrent=4, attempts=100 or nodes=none", out,
                   err);
}

#define SHOWN_LINES_MAX 12u

static void indented(rv_buf *out, rv_str text, uint32_t indent)
{
    uint32_t lines = 0;
    for (size_t at = 0; at < text.size;) {
        if (lines++ == SHOWN_LINES_MAX) {
            for (uint32_t i = 0; i < indent; i++) rv_buf_byte(out, ' ');
            rv_buf_printf(out, "%s\n", rv_ui_glyph(RV_GLYPH_ELLIPSIS));
            return;
        }
        size_t end = rv_str_find(text, at, '\n');
        rv_str line = rv_str_cut(text, at, (end == SIZE_MAX ? text.size : end) - at);
        for (uint32_t i = 0; i < indent; i++) rv_buf_byte(out, ' ');
        rv_ui_plain(out, line, 0);
        rv_buf_byte(out, '\n');
        at += line.size + 1;
    }
}

void rv_answer_prompt(rv_buf *out, rv_str kind, rv_str payload, uint32_t indent)
{
    rv_arena arena = {0};
    rv_json *question = NULL;
    rv_error ignored;
    if (rv_json_parse(&arena, payload, &question, &ignored)) question = NULL;
    rv_str text = member(question, "message");
    if (text.size == 0) text = member(question, "question");
    if (text.size == 0 && rv_str_is(kind, "unknown_outcome"))
        text = RV_STR("The engine died while this ran, and it may happen only once: did it happen?");
    indented(out, text, indent);
    const rv_json *show = question ? rv_json_get(question, RV_STR("show")) : NULL;
    for (const rv_json *item = show ? show->child : NULL; item; item = item->next) {
        rv_buf shown = {0};
        if (item->kind == RV_JSON_STRING) rv_buf_str_add(&shown, item->text);
        else rv_json_write(&shown, item, false);
        indented(out, rv_buf_str(&shown), indent + 2);
        rv_buf_deinit(&shown);
    }
    const rv_json *fallback = question ? rv_json_get(question, RV_STR("default")) : NULL;
    if (fallback) {
        rv_buf shown = {0};
        rv_buf_cstring(&shown, "default: ");
        rv_json_write(&shown, fallback, false);
        indented(out, rv_buf_str(&shown), indent + 2);
        rv_buf_deinit(&shown);
    }
    rv_arena_deinit(&arena);
}

void rv_answer_command(rv_buf *out, rv_str run, rv_str key, rv_str kind, rv_str payload, rv_str store)
{
    rv_arena arena = {0};
    rv_json *question = NULL;
    rv_error ignored;
    bool is_budget = rv_str_is(kind, "budget"), is_input = rv_answer_choices(kind)[0] == 0;
    if (rv_json_parse(&arena, payload, &question, &ignored)) question = NULL;
    rv_str more = member(question, "add");
    rv_buf_printf(out, "reeve %s %.*s ", is_input ? "answer" : "approve", RV_FMT(run));
    if (is_budget) rv_buf_printf(out, "--add %.*s", RV_FMT(more.size ? more : RV_STR("usd=5")));
    else rv_ui_shell_word(out, key); /* each[3] is a pattern to a shell */
    if (is_input) rv_buf_cstring(out, " VALUE");
    rv_buf_str_add(out, store);
    rv_arena_deinit(&arena);
}

static const struct decision_word { const char *kind, *word; rv_decision decision; } decision_words[] = {
    {"approval", "y", RV_DECISION_APPROVE},          {"approval", "yes", RV_DECISION_APPROVE},
    {"approval", "n", RV_DECISION_REJECT},           {"approval", "no", RV_DECISION_REJECT},
    {"unknown_outcome", "d", RV_DECISION_DONE},      {"unknown_outcome", "done", RV_DECISION_DONE},
    {"unknown_outcome", "f", RV_DECISION_FAILED},    {"unknown_outcome", "failed", RV_DECISION_FAILED},
    {"unknown_outcome", "a", RV_DECISION_AGAIN},     {"unknown_outcome", "again", RV_DECISION_AGAIN},
};

bool rv_answer_decision(rv_str kind, rv_str text, rv_decision *ret, rv_str *ret_comment)
{
    size_t end = rv_str_find(text, 0, ' ');
    rv_str word = end == SIZE_MAX ? text : rv_str_cut(text, 0, end);
    for (size_t i = 0; i < RV_COUNT(decision_words); i++) {
        if (!rv_str_is(kind, decision_words[i].kind) || !rv_str_is(word, decision_words[i].word)) continue;
        *ret = decision_words[i].decision;
        *ret_comment = end == SIZE_MAX ? (rv_str){0} : rv_str_from(text, end + 1);
        return true;
    }
    return false;
}

const char *rv_answer_choices(rv_str kind)
{
    if (rv_str_is(kind, "approval")) return "[y]es or [n]o, and a comment if you like";
    if (rv_str_is(kind, "budget")) return "how much more, such as usd=5 or tokens=1000";
    if (rv_str_is(kind, "unknown_outcome")) return "[d]one, [f]ailed or run it [a]gain";
    return "";
}
