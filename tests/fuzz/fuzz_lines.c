/* fuzz_lines.c: any bytes as the lines of `reeve kernel`. Each line gets one line of JSON or, when blank, nothing; what is refused
 * changes no byte of the state; and the rows that came out give the same state when they are replayed. */
#include "base/json.h"
#include "lib/lines.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct session {
    rv_lines *lines;
    rv_arena arena;
    rv_buf rows;       /* of the journal, comma between them */
    rv_buf load;       /* the members of the load that was taken, without type, run and seed */
} session;

static void keep_row(session *s, const rv_json *row)
{
    if (!row) return;
    if (s->rows.size) rv_buf_byte(&s->rows, ',');
    rv_json_write(&s->rows, row, false);
}

static void keep_load(session *s, const rv_json *event)
{
    for (const rv_json *item = event->child; item; item = item->next) {
        if (rv_str_is(item->key, "type") || rv_str_is(item->key, "run") || rv_str_is(item->key, "seed")) continue;
        rv_json_quote(&s->load, item->key);
        rv_buf_byte(&s->load, ':');
        rv_json_write(&s->load, item, false);
        rv_buf_byte(&s->load, ',');
    }
}

static rv_json *parse(session *s, rv_str text)
{
    rv_json *tree = NULL;
    return rv_json_parse(&s->arena, rv_arena_str(&s->arena, text), &tree, NULL) == RV_OK ? tree : NULL;
}

static void take_line(session *s, rv_str line)
{
    rv_buf before = {0}, out = {0};
    rv_buf_str_add(&before, rv_lines_state(s->lines));
    rv_lines_take(s->lines, line, &out);
    if (out.size) {
        RV_ASSERT(out.at[out.size - 1] == '\n' && rv_str_find(rv_buf_str(&out), 0, '\n') == out.size - 1);
        const rv_json *answer = parse(s, rv_buf_str(&out));
        RV_ASSERT(answer && rv_json_get(answer, RV_STR("v")));
        const rv_json *error = rv_json_get(answer, RV_STR("error")), *asked = error ? NULL : parse(s, line);
        rv_str state = rv_lines_state(s->lines);
        const rv_json *status = rv_json_get(error, RV_STR("status"));
        bool is_given_up = status && rv_str_is(status->text, "CORRUPT") && state.size == 0; /* rows that were damaged */
        RV_ASSERT(!error || is_given_up || rv_str_eq(state, rv_buf_str(&before)));
        const rv_json *event = rv_json_get(asked, RV_STR("event"));
        keep_row(s, rv_json_get(answer, RV_STR("journal")));
        if (is_given_up) rv_buf_clear(&s->rows), rv_buf_clear(&s->load); /* another life may begin */
        if (event && before.size == 0) keep_load(s, event);
    }
    rv_buf_deinit(&before);
    rv_buf_deinit(&out);
}

/* A kernel that was itself begun by a replay has no load to begin another with. */
static void expect_same_after_replay(session *s)
{
    rv_buf line = {0}, out = {0};
    if (s->load.size && s->rows.size) {
        rv_lines *second = rv_lines_new();
        rv_buf_printf(&line, "{\"v\":1,\"replay\":{%.*s\"rows\":[%.*s]}}", RV_FMT(rv_buf_str(&s->load)), RV_FMT(rv_buf_str(&s->rows)));
        rv_lines_take(second, rv_buf_str(&line), &out);
        rv_str state = rv_lines_state(s->lines);
        RV_ASSERT(rv_str_eq(state, rv_lines_state(second)));
        rv_lines_free(second);
    }
    rv_buf_deinit(&line);
    rv_buf_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    session s = {.lines = rv_lines_new()};
    rv_str rest = {(const char *)data, size};
    while (rest.size) {
        size_t end = rv_str_find(rest, 0, '\n');
        take_line(&s, end == SIZE_MAX ? rest : rv_str_cut(rest, 0, end));
        rest = end == SIZE_MAX ? (rv_str){NULL, 0} : rv_str_from(rest, end + 1);
    }
    expect_same_after_replay(&s);
    rv_lines_free(s.lines);
    rv_buf_deinit(&s.rows);
    rv_buf_deinit(&s.load);
    rv_arena_deinit(&s.arena);
    return 0;
}
