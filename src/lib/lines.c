#include "lib/lines_private.h"

/* One line in, one line out. What a line asks for is the one of `event`, `state`, `replay` and `journal` that it has. */

rv_lines *rv_lines_new(void) { return rv_alloc(sizeof(rv_lines)); }

void rv_lines_free(rv_lines *lines)
{
    if (!lines) return;
    reeve_kernel_free(lines->kernel);
    rv_problems_deinit(&lines->problems);
    rv_arena_deinit(&lines->arena);
    rv_free(lines);
}

rv_str rv_lines_state(rv_lines *lines)
{
    size_t size = 0;
    const void *bytes = lines->kernel ? reeve_kernel_encode(lines->kernel, &size) : NULL;
    return (rv_str){bytes, size};
}

static void give_up(rv_lines *lines)
{
    reeve_kernel_free(lines->kernel);
    lines->kernel = NULL;
}

static rv_status from_public(reeve_status status, const reeve_error *from, rv_error *err)
{
    return status == REEVE_OK ? RV_OK : rv_error_set(err, (rv_status)status, "%s", from->text);
}

static rv_status want_kernel(const rv_lines *lines, rv_error *err)
{
    return lines->kernel ? RV_OK : rv_error_set(err, RV_CONFLICT, "no run is loaded; begin with the event `load`, or with `replay`");
}

/* ---- what a line may ask ---- */

static rv_status take_event(rv_lines *lines, const rv_json *line, const rv_json *object, rv_json_writer *w, rv_error *err)
{
    reeve_event event;
    reeve_now now = {0, 0};
    reeve_step step;
    reeve_error error;
    rv_status status = rv_lines_now(rv_json_get(line, RV_STR("now")), &now, err);
    if (status == RV_OK) status = rv_lines_event(&lines->arena, object, &event, err);
    if (status != RV_OK) return status;
    bool is_load = strcmp(event.type, "load") == 0;
    if (is_load && lines->kernel) return rv_error_set(err, RV_CONFLICT, "load: a run is loaded already; one process holds one run");
    status = is_load ? rv_lines_load(lines, object, err) : want_kernel(lines, err);
    if (status != RV_OK) return status;
    status = from_public(reeve_kernel_step(lines->kernel, &event, now, &step, &error), &error, err);
    if (status == RV_OK) rv_lines_step(w, lines->kernel, &step);
    else if (is_load) give_up(lines);
    return status;
}

static rv_status take_state(rv_lines *lines, const rv_json *object, rv_json_writer *w, rv_error *err)
{
    static const char *const names[] = {"nodes", NULL};
    rv_status status = want_kernel(lines, err);
    const rv_json *nodes = rv_json_get(object, RV_STR("nodes"));
    if (status == RV_OK && object->kind != RV_JSON_TRUE) status = rv_lines_members(object, names, "state", err);
    if (status == RV_OK && nodes && nodes->kind != RV_JSON_ARRAY) status = rv_error_set(err, RV_INVALID, "`nodes` is an array of ids");
    if (status != RV_OK) return status;
    rv_arena_clear(&lines->kernel->scratch);
    rv_jw_key(w, "state");
    return rv_lines_write_state(w, lines->kernel, nodes ? RV_LINES_NAMED : RV_LINES_ALL, nodes, err);
}

static rv_status replay_rows(rv_lines *lines, const rv_json *rows, rv_error *err)
{
    rv_status status = RV_OK;
    reeve_error error;
    if (rows->kind != RV_JSON_ARRAY) return rv_error_set(err, RV_INVALID, "`rows` is an array");
    reeve_row *list = rv_arena_new(&lines->arena, reeve_row, rows->count);
    uint32_t count = 0;
    for (const rv_json *row = rows->child; row && status == RV_OK; row = row->next)
        status = rv_lines_row(&lines->arena, row, &list[count++], err);
    return status == RV_OK ? from_public(reeve_kernel_replay(lines->kernel, list, count, &error), &error, err) : status;
}

/* The first one names the workflow; more rows may follow in lines of their own. */
static rv_status take_replay(rv_lines *lines, const rv_json *object, rv_json_writer *w, rv_error *err)
{
    static const char *const first[] = {"dir", "env", "fail_fast", "name", "reducers", "rows", "slots", "vars", "workflow", NULL},
                             *const more[] = {"rows", NULL};
    bool is_first = !lines->kernel;
    const rv_json *rows = rv_json_get(object, RV_STR("rows"));
    rv_status status = rv_lines_members(object, is_first ? first : more, "replay", err);
    if (status == RV_OK && !rows) status = rv_error_set(err, RV_INVALID, "`replay` has no `rows`");
    if (status == RV_OK && is_first) status = rv_lines_load(lines, object, err);
    if (status != RV_OK) return status;
    status = replay_rows(lines, rows, err);
    if (status != RV_OK) {
        if (is_first || status == RV_CORRUPT) give_up(lines);
        return status;
    }
    rv_jw_key(w, "replayed");
    return rv_lines_write_state(w, lines->kernel, RV_LINES_OPEN, NULL, err);
}

static rv_status take_journal(rv_lines *lines, const rv_json *object, rv_json_writer *w, rv_error *err)
{
    reeve_row row = {0};
    rv_status status = want_kernel(lines, err);
    if (status == RV_OK) status = rv_lines_row(&lines->arena, object, &row, err);
    if (status != RV_OK) return status;
    rv_arena_clear(&lines->kernel->scratch);
    rv_jw_key(w, "events");
    return rv_lines_write_events(w, lines->kernel, &row, err);
}

/* ---- a line ---- */

static rv_status check_version(const rv_json *line, rv_error *err)
{
    static const char *const names[] = {"event", "journal", "now", "replay", "state", "v", NULL};
    int64_t version = 0;
    rv_status status = rv_lines_members(line, names, "line", err);
    if (status != RV_OK) return status;
    const rv_json *v = rv_json_get(line, RV_STR("v"));
    if (!v || v->kind != RV_JSON_NUMBER || !rv_json_i64(v, &version))
        return rv_error_set(err, RV_INVALID, "the line has no version: \"v\":1");
    if (version != RV_LINES_VERSION)
        return rv_error_set(err, RV_UNSUPPORTED, "version %lld of the protocol; this one speaks %d", (long long)version, RV_LINES_VERSION);
    return RV_OK;
}

static rv_status take(rv_lines *lines, rv_str text, rv_json_writer *w, rv_error *err)
{
    rv_json *line = NULL;
    rv_status status = rv_json_parse(&lines->arena, text, &line, err);
    if (status == RV_OK) status = check_version(line, err);
    if (status != RV_OK) return status;
    const rv_json *event = rv_json_get(line, RV_STR("event")), *state = rv_json_get(line, RV_STR("state")),
                  *replay = rv_json_get(line, RV_STR("replay")), *journal = rv_json_get(line, RV_STR("journal"));
    if (!!event + !!state + !!replay + !!journal != 1)
        return rv_error_set(err, RV_INVALID, "a line has one of `event`, `state`, `replay` and `journal`");
    if (event) return take_event(lines, line, event, w, err);
    if (state) return take_state(lines, state, w, err);
    return replay ? take_replay(lines, replay, w, err) : take_journal(lines, journal, w, err);
}

static void write_error(rv_json_writer *w, const rv_lines *lines, const rv_error *err)
{
    rv_jw_key(w, "error");
    rv_jw_object(w);
    rv_jw_kv_cstring(w, "status", rv_status_name(err->status));
    rv_jw_kv_cstring(w, "text", err->text[0] ? err->text : rv_status_text(err->status));
    rv_jw_object_end(w);
    if (lines->problems.list.count == 0) return;
    rv_jw_key(w, "problems");
    rv_problems_json(w, &lines->problems);
}

static void begin(rv_json_writer *w, rv_buf *out)
{
    rv_json_writer_init(w, out, 0);
    rv_jw_object(w);
    rv_jw_kv_i64(w, "v", RV_LINES_VERSION);
}

void rv_lines_take(rv_lines *lines, rv_str text, rv_buf *out)
{
    rv_json_writer w;
    rv_error error = {0};
    size_t before = out->size, blanks = 0;
    while (blanks < text.size && strchr(" \t\r", text.at[blanks])) blanks++;
    if (blanks == text.size) return;
    rv_arena_clear(&lines->arena);
    begin(&w, out);
    if (take(lines, text, &w, &error) != RV_OK) {
        out->size = before; /* what was begun is not said */
        begin(&w, out);
        write_error(&w, lines, &error);
    } else if (lines->problems.list.count) { /* warnings */
        rv_jw_key(&w, "problems");
        rv_problems_json(&w, &lines->problems);
    }
    rv_jw_object_end(&w);
    rv_buf_byte(out, '\n');
    rv_problems_deinit(&lines->problems);
    lines->problems = (rv_problems){0};
}
