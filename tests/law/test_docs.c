/* test_docs.c: the tables and diagrams of docs/kernel.md and docs/journal.md are those of the code.
 *
 * A block stands between `<!-- generated: NAME -->` and `<!-- end -->`. REEVE_WRITE_DOCS=1 writes the blocks anew.
 * REEVE_SOURCE_ROOT is the root of the tree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "kernel/event.h"
#include "kernel/fsm.h"

/* ---- diagrams ---- */

static const char *const change_words[] = {
#define X(name_, text_) #name_,
    RV_NODE_CHANGE_MAP(X)
#undef X
};

static void lower(rv_buf *out, const char *word)
{
    for (; *word; word++) rv_buf_byte(out, (char)(*word >= 'A' && *word <= 'Z' ? *word + 32 : *word == '_' ? ' ' : *word));
}

static void node_arrow(rv_buf *out, rv_node_state from, rv_node_state to)
{
    const char *separator = ": ";
    if (!rv_node_may_become(from, to)) return;
    rv_buf_printf(out, "    %s --> %s", rv_node_state_name(from), rv_node_state_name(to));
    for (uint32_t change = 0; change < RV_NODE_CHANGE_COUNT; change++) {
        if (rv_node_next(from, (rv_node_change)change) != to) continue;
        rv_buf_cstring(out, separator);
        lower(out, change_words[change]);
        separator = ", ";
    }
    rv_buf_byte(out, '\n');
}

static void write_node_diagram(rv_buf *out)
{
    rv_buf_cstring(out, "```mermaid\nstateDiagram-v2\n    [*] --> pending\n");
    for (int from = 0; from < RV_NODE_STATE_COUNT; from++)
        for (int to = 0; to < RV_NODE_STATE_COUNT; to++) node_arrow(out, (rv_node_state)from, (rv_node_state)to);
    for (int s = 0; s < RV_NODE_STATE_COUNT; s++)
        if (rv_node_state_is_terminal((rv_node_state)s)) rv_buf_printf(out, "    %s --> [*]\n", rv_node_state_name((rv_node_state)s));
    rv_buf_cstring(out, "```\n");
}

static void write_changes(rv_buf *out)
{
    rv_buf_cstring(out, "| change | when |\n|---|---|\n");
#define X(name_, text_) rv_buf_cstring(out, "| "); lower(out, #name_); rv_buf_cstring(out, " | " text_ " |\n");
    RV_NODE_CHANGE_MAP(X)
#undef X
}

static void write_attempt_diagram(rv_buf *out)
{
    rv_buf_cstring(out, "```mermaid\nstateDiagram-v2\n    [*] --> starting\n");
    for (int from = 0; from < RV_ATTEMPT_STATE_COUNT; from++)
        for (int to = 0; to < RV_ATTEMPT_STATE_COUNT; to++)
            if (rv_attempt_may_become((rv_attempt_state)from, (rv_attempt_state)to))
                rv_buf_printf(out, "    %s --> %s\n", rv_attempt_state_name((rv_attempt_state)from),
                              rv_attempt_state_name((rv_attempt_state)to));
    rv_buf_cstring(out, "```\n");
}

static void write_run_diagram(rv_buf *out)
{
    rv_buf_cstring(out, "```mermaid\nstateDiagram-v2\n    [*] --> accepted\n");
    for (int from = 0; from < RV_RUN_STATE_COUNT; from++)
        for (int to = 0; to < RV_RUN_STATE_COUNT; to++)
            if (rv_run_may_become((rv_run_state)from, (rv_run_state)to))
                rv_buf_printf(out, "    %s --> %s\n", rv_run_state_name((rv_run_state)from), rv_run_state_name((rv_run_state)to));
    for (int s = 0; s < RV_RUN_STATE_COUNT; s++)
        if (rv_run_state_is_terminal((rv_run_state)s)) rv_buf_printf(out, "    %s --> [*]\n", rv_run_state_name((rv_run_state)s));
    rv_buf_cstring(out, "```\n");
}

/* ---- words and numbers ---- */

static void write_words(rv_buf *out)
{
    rv_buf_cstring(out, "| list | words, each with its number |\n|---|---|\n");
#define LIST(title_, map_) \
    do { const char *separator = "| " title_ " | "; int number = 0; map_(X) rv_buf_cstring(out, " |\n"); } while (0)
#define X(name_, text_, ...) rv_buf_printf(out, "%s%d %s", separator, number++, (text_)[0] ? (text_) : "none"); separator = ", ";
    LIST("node state", RV_NODE_STATE_MAP);
    LIST("attempt state", RV_ATTEMPT_STATE_MAP);
    LIST("run state", RV_RUN_STATE_MAP);
    LIST("kind", RV_KIND_MAP);
    LIST("handler", RV_HANDLER_MAP);
    LIST("detail", RV_DETAIL_MAP);
    LIST("dimension", RV_DIMENSION_MAP);
    LIST("quota", RV_QUOTA_MAP);
    LIST("gate", RV_GATE_MAP);
#undef X
#undef LIST
}

static void write_details(rv_buf *out)
{
    static const struct { char group; const char *means; } groups[] = {
        {'w', "waiting: what for"}, {'s', "succeeded: the source"}, {'k', "skipped: the cause"}, {'c', "cancelled: the cause"},
        {'e', "failed, denied: `error.kind`"}};
    rv_buf_cstring(out, "| state | detail |\n|---|---|\n");
    for (size_t g = 0; g < RV_COUNT(groups); g++) {
        const char *separator = " | ";
        rv_buf_printf(out, "| %s", groups[g].means);
        for (int detail = 0; detail < RV_DETAIL_COUNT; detail++) {
            if (rv_detail_group((rv_detail)detail) != groups[g].group) continue;
            rv_buf_printf(out, "%s%s", separator, rv_detail_name((rv_detail)detail));
            separator = ", ";
        }
        rv_buf_cstring(out, " |\n");
    }
}

static const char *const field_keys[] = {
#define X(name_, field_, key_, encoding_) key_,
    RV_FIELD_MAP(X)
#undef X
};

static void write_fields(rv_buf *out)
{
    static const char *const means[RV_FIELD_COUNT] = {
        [RV_FIELD_NODE] = "index of the node, plus 1; 0: none", [RV_FIELD_EPOCH] = "of the attempt, above all earlier ones of the run",
        [RV_FIELD_NUMBER] = "of the attempt at its node, from 1", [RV_FIELD_STATE] = "a number whose list depends on the type, see below",
        [RV_FIELD_DETAIL] = "number of a detail", [RV_FIELD_ROOT] = "index of the root cause, plus 1; 0: none",
        [RV_FIELD_EXIT_STATUS] = "-1: none", [RV_FIELD_SIGNAL] = "-1 or 0: none",
        [RV_FIELD_DUE] = "engine ms; 0: none; of a timeout, below 0: it stands still, so many ms are left",
        [RV_FIELD_PID] = "process id", [RV_FIELD_PID_START] = "when the process started, in clock ticks since boot",
        [RV_FIELD_SEED] = "seed of the run's draws; of a clock: wall ms",
        [RV_FIELD_FLAGS] = "a number whose list depends on the type, see below",
        [RV_FIELD_KEY] = "run id of a load; key of a blocker", [RV_FIELD_VALUE] = "JSON",
        [RV_FIELD_OUTPUT] = "stdout, where an expression reads it",
        [RV_FIELD_TEXT] = "for people", [RV_FIELD_AMOUNT] = "of a limit; of a reservation, or what was spent: tokens",
        [RV_FIELD_COST] = "micro-dollars", [RV_FIELD_TOKENS_IN] = "tokens", [RV_FIELD_TOKENS_OUT] = "tokens",
        [RV_FIELD_TOKENS_CACHED] = "tokens of a provider's cache, counted apart"};
    static const char encodings[] = {
#define X(name_, field_, key_, encoding_) encoding_,
        RV_FIELD_MAP(X)
#undef X
    };
    rv_buf_cstring(out, "| field | encoding | holds |\n|---|---|---|\n");
    for (int f = 0; f < RV_FIELD_COUNT; f++) {
        assert_non_null(means[f]);
        rv_buf_printf(out, "| %s | %c | %s |\n", field_keys[f], encodings[f], means[f]);
    }
}

static void write_events(rv_buf *out)
{
    rv_buf_cstring(out, "| number | event | | fields, in this order |\n|---|---|---|---|\n");
    for (uint32_t type = 0; type < RV_EVENT_TYPE_MAX; type++) {
        if (!rv_event_name((rv_event_type)type)) continue;
        const char *separator = " ";
        rv_buf_printf(out, "| %u | %s | %s |", type, rv_event_name((rv_event_type)type),
                      rv_event_is_input((rv_event_type)type) ? "input" : "fact");
        for (int f = 0; f < RV_FIELD_COUNT; f++) {
            if (!(rv_event_fields((rv_event_type)type) & (1u << f))) continue;
            rv_buf_printf(out, "%s%s", separator, field_keys[f]);
            separator = ", ";
        }
        rv_buf_cstring(out, " |\n");
    }
}

static void write_effects(rv_buf *out)
{
    const char *separator = "";
    for (int effect = 0; effect < RV_EFFECT_COUNT; effect++, separator = ", ")
        rv_buf_printf(out, "%s`%s`", separator, rv_effect_name((rv_effect_type)effect));
    rv_buf_cstring(out, "\n");
}

/* ---- pages ---- */

static const struct { const char *name; void (*write)(rv_buf *out); } blocks[] = {
    {"node states", write_node_diagram}, {"node changes", write_changes}, {"attempt states", write_attempt_diagram},
    {"run states", write_run_diagram}, {"details", write_details}, {"fields", write_fields}, {"events", write_events},
    {"words", write_words}, {"effects", write_effects}};

static void read_page(const char *name, char path[512], rv_buf *out)
{
    const char *root = getenv("REEVE_SOURCE_ROOT");
    char piece[4096];
    snprintf(path, 512, "%s/docs/%s", root ? root : ".", name);
    FILE *file = fopen(path, "rb");
    if (!file) fail_msg("cannot open %s: set REEVE_SOURCE_ROOT", path);
    for (size_t size; (size = fread(piece, 1, sizeof piece, file)) > 0;) rv_buf_add(out, piece, size);
    fclose(file);
}

static void add_generated(rv_buf *out, rv_str name)
{
    for (size_t i = 0; i < RV_COUNT(blocks); i++) {
        if (!rv_str_is(name, blocks[i].name)) continue;
        blocks[i].write(out);
        return;
    }
    fail_msg("no generated block is called '%.*s'", RV_FMT(name));
}

/* The page as it should be. */
static uint32_t regenerate(rv_str page, rv_buf *out)
{
    static const rv_str open_mark = {"<!-- generated: ", 16}, close_mark = {" -->", 4};
    uint32_t count = 0;
    bool is_inside = false;
    while (page.size) {
        rv_str line = rv_str_cut(page, 0, RV_MIN(rv_str_find(page, 0, '\n'), page.size - 1) + 1);
        page = rv_str_from(page, line.size);
        if (is_inside && rv_str_is(line, "<!-- end -->\n")) is_inside = false;
        if (!is_inside) rv_buf_str_add(out, line);
        if (!rv_str_starts(line, open_mark)) continue;
        add_generated(out, rv_str_cut(line, open_mark.size, line.size - open_mark.size - close_mark.size - 1));
        is_inside = true;
        count++;
    }
    assert_false(is_inside);
    return count;
}

static void expect_page(const char *name, uint32_t block_count)
{
    char path[512];
    rv_buf page = {0}, wanted = {0};
    read_page(name, path, &page);
    assert_int_equal(regenerate(rv_buf_str(&page), &wanted), block_count);
    if (getenv("REEVE_WRITE_DOCS")) {
        FILE *file = fopen(path, "wb");
        assert_non_null(file);
        assert_int_equal(fwrite(wanted.at, 1, wanted.size, file), wanted.size);
        assert_int_equal(fclose(file), 0);
    } else if (!rv_str_eq(rv_buf_str(&page), rv_buf_str(&wanted))) {
        fail_msg("%s is not what the tables say; REEVE_WRITE_DOCS=1 with this test writes it anew", path);
    }
    rv_buf_deinit(&page);
    rv_buf_deinit(&wanted);
}

static void docs_kernel__shows_the_tables_of_the_code(void **state) { expect_page("kernel.md", 6); }
static void docs_journal__shows_the_tables_of_the_code(void **state) { expect_page("journal.md", 3); }

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(docs_kernel__shows_the_tables_of_the_code),
        cmocka_unit_test(docs_journal__shows_the_tables_of_the_code),
    };
    return cmocka_run_group_tests_name("docs", tests, NULL, NULL);
}
