#include "cli/words.h"

#include <string.h>

#include "cli/ui.h"

void rv_words_signal(rv_buf *out, int64_t signal)
{
    const char *name = signal > 0 && signal < 65 ? sigabbrev_np((int)signal) : NULL;
    if (name) rv_buf_printf(out, "SIG%s", name);
    else rv_buf_printf(out, "signal %lld", (long long)signal);
}

/* Sentences by detail; %r stands for the root, %e for the error text. The first row that fits wins. */
static const struct why_row { const char *detail; rv_node_state state; const char *text; } why_rows[] = {
    {"condition", RV_NODE_SKIPPED, "its condition is false"},
    {"pruned", RV_NODE_SKIPPED, "its branch was not taken"},
    {"upstream", RV_NODE_SKIPPED, "because of %r"},
    {"fail_fast", RV_NODE_SKIPPED, "not started after a failure"},
    {"over_budget", RV_NODE_SKIPPED, "over budget"},
    {"violation", RV_NODE_SKIPPED, "after a violation"},
    {"signalled", RV_NODE_CANCELLED, "stopped while it ran"},
    {"run", RV_NODE_CANCELLED, "the run was cancelled"},
    {"upstream_cancelled", RV_NODE_CANCELLED, "because of %r"},
    {"superseded", RV_NODE_CANCELLED, "not needed any more"},
    {"timeout", RV_NODE_FAILED, "timed out"},
    {"rejected", RV_NODE_FAILED, "rejected"},
    {"lost", RV_NODE_FAILED, "lost too often"},
    {"deadline", RV_NODE_FAILED, "nobody answered in time"},
    {"approval", RV_NODE_WAITING, "waits for an approval"},
    {"budget", RV_NODE_WAITING, "waits for more of the budget"},
    {"input", RV_NODE_WAITING, "waits for an answer"},
    {"question", RV_NODE_WAITING, "waits for an answer"},
    {"timer", RV_NODE_WAITING, "waits for its time"},
    {"event", RV_NODE_WAITING, "waits for an event"},
    {"unknown_outcome", RV_NODE_WAITING, "its outcome is unknown: did it happen?"},
    {"person", RV_NODE_SUCCEEDED, "by a person"},
    {"cache", RV_NODE_SUCCEEDED, "from the cache"},
    {"replay", RV_NODE_SUCCEEDED, "kept from the run before"},
};

static void add_error(rv_buf *out, const rv_outcome_facts *facts, const char *before)
{
    if (facts->error.size == 0) return;
    rv_buf_cstring(out, before);
    rv_ui_plain(out, facts->error, 400);
}

void rv_words_why(rv_buf *out, const rv_outcome_facts *facts)
{
    if (rv_str_is(facts->detail, "exit") && facts->exit_status >= 0) {
        rv_buf_printf(out, "exit status %lld", (long long)facts->exit_status);
        return;
    }
    if (rv_str_is(facts->detail, "signal") && facts->signal > 0) {
        rv_buf_cstring(out, "killed by ");
        rv_words_signal(out, facts->signal);
        return;
    }
    for (size_t i = 0; i < RV_COUNT(why_rows); i++) {
        const struct why_row *row = &why_rows[i];
        if (row->state != facts->state || !rv_str_is(facts->detail, row->detail)) continue;
        const char *hole = strstr(row->text, "%r");
        rv_buf_add(out, row->text, hole ? (size_t)(hole - row->text) : strlen(row->text));
        if (hole) rv_buf_str_add(out, facts->root.size ? facts->root : RV_STR("what it needs"));
        if (facts->state == RV_NODE_FAILED) add_error(out, facts, ": ");
        return;
    }
    bool is_bad = facts->state == RV_NODE_FAILED || facts->state == RV_NODE_DENIED;
    if (!is_bad) return;
    if (facts->error.size) add_error(out, facts, "");
    else if (facts->detail.size) rv_buf_str_add(out, facts->detail);
}

void rv_words_counts(rv_buf *out, const uint32_t counts[RV_NODE_STATE_COUNT], uint32_t spared)
{
    static const rv_node_state order[] = {RV_NODE_SUCCEEDED, RV_NODE_PARTIAL, RV_NODE_FAILED,  RV_NODE_DENIED, RV_NODE_SKIPPED,
                                          RV_NODE_CANCELLED, RV_NODE_RUNNING, RV_NODE_WAITING, RV_NODE_READY,  RV_NODE_PENDING};
    _Static_assert(RV_COUNT(order) == RV_NODE_STATE_COUNT, "every state is counted");
    bool is_first = true;
    for (size_t i = 0; i < RV_COUNT(order); i++) {
        rv_node_state state = order[i];
        uint32_t count = counts[state] - (state == RV_NODE_CANCELLED ? RV_MIN(spared, counts[state]) : 0);
        if (count == 0) continue;
        if (!is_first) rv_buf_printf(out, " %s ", rv_ui_glyph(RV_GLYPH_DOT));
        rv_ui_stylef(out, rv_ui_node_style(state), "%u %s", count, rv_node_state_name(state));
        is_first = false;
    }
    if (spared) rv_ui_stylef(out, RV_STYLE_DIM, " %s %u not done again", rv_ui_glyph(RV_GLYPH_DOT), spared);
}
