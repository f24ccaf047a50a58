/* summary.c: how a run ended, for people: the counts, what failed with its last lines, and what to paste next. */
#include "cli/cli.h"
#include "cli/progress.h"
#include "cli/words.h"
#include "kernel/run.h"

static void last_lines(rv_buf *out, rv_str tail)
{
    size_t begin = tail.size ? tail.size - 1 : 0; /* its last byte ends the last line */
    for (uint32_t lines = 0; begin > 0; begin--)
        if (tail.at[begin - 1] == '\n' && ++lines == RV_TAIL_LINES_MAX) break;
    for (size_t at = begin; at < tail.size;) {
        size_t end = rv_str_find(tail, at, '\n');
        rv_str line = rv_str_cut(tail, at, (end == SIZE_MAX ? tail.size : end) - at);
        rv_ui_stylef(out, RV_STYLE_DIM, "    %s ", rv_ui_glyph(RV_GLYPH_BAR));
        rv_ui_plain(out, line, 0);
        rv_buf_byte(out, '\n');
        at += line.size + 1;
    }
}

static void failures(const rv_progress *p, rv_buf *out)
{
    for (uint32_t i = 0; i < p->failures.count; i++) {
        const rv_failure *failure = &p->failures.at[i];
        rv_buf_byte(out, '\n');
        rv_ui_style(out, rv_ui_node_style(failure->state), rv_str_of(rv_ui_node_glyph(failure->state)));
        rv_buf_printf(out, " %.*s  ", RV_FMT(rv_job_node_name(p->job, failure->node)));
        rv_buf_str_add(out, rv_buf_str(&failure->why));
        if (failure->number > 1) rv_buf_printf(out, ", attempt %u", failure->number);
        rv_buf_byte(out, '\n');
        last_lines(out, rv_buf_str(&failure->tail));
    }
    if (p->failure_count > p->failures.count) rv_buf_printf(out, "\n  and %u more\n", p->failure_count - p->failures.count);
}

static void paste_line(rv_buf *out, rv_str command, const char *text)
{
    size_t begin = out->size;
    rv_buf_cstring(out, "  ");
    rv_ui_style(out, RV_STYLE_CYAN, command);
    rv_ui_pad(out, begin, 50);
    rv_buf_cstring(out, "  ");
    rv_ui_style(out, RV_STYLE_DIM, rv_str_of(text));
    rv_buf_byte(out, '\n');
}

void rv_summary_go_on(const rv_progress *p, rv_buf *out)
{
    rv_buf_printf(out, "reeve run --resume %.*s", RV_FMT(rv_job_id(p->job)));
    rv_cli_secret_words(rv_job_graph(p->job)->definition, out);
    rv_progress_store_words(p, out);
}

static bool is_violated(const rv_progress *p) { return rv_job_run(p->job)->violation.path != 0; }

static void paste_lines(const rv_progress *p, rv_buf *out, bool can_resume)
{
    rv_str run = rv_job_id(p->job);
    rv_buf store = {0}, command = {0};
    rv_progress_store_words(p, &store);
    const char *store_words = store.size ? store.at : "";
    rv_buf_byte(out, '\n');
    if (can_resume) {
        rv_summary_go_on(p, &command);
        if (is_violated(p)) rv_buf_cstring(&command, " --edit");
        paste_line(out, rv_buf_str(&command), is_violated(p) ? "once the file is mended; what is done and the same is kept"
                                                             : "go on; what is done is kept");
    }
    if (p->failures.count) {
        rv_str name = rv_job_node_name(p->job, p->failures.at[0].node);
        rv_buf_clear(&command);
        rv_buf_printf(&command, "reeve logs %.*s ", RV_FMT(run));
        rv_ui_shell_word(&command, name); /* each[3] is a pattern to a shell */
        rv_buf_cstring(&command, store_words);
        paste_line(out, rv_buf_str(&command), "all that it wrote");
        rv_buf_clear(&command);
        rv_buf_printf(&command, "reeve shell %.*s ", RV_FMT(run));
        rv_ui_shell_word(&command, name);
        rv_buf_cstring(&command, store_words);
        paste_line(out, rv_buf_str(&command), "a shell in its directory and environment");
    }
    rv_buf_deinit(&store);
    rv_buf_deinit(&command);
}

static void headline(const rv_progress *p, rv_buf *out, rv_run_state state)
{
    static const char *const words[RV_RUN_STATE_COUNT] = {
        [RV_RUN_ACCEPTED] = "not started",    [RV_RUN_RUNNING] = "stopped",      [RV_RUN_INTERRUPTED] = "interrupted",
        [RV_RUN_OK] = "ok",                   [RV_RUN_ERROR] = "failed",         [RV_RUN_TIMEOUT] = "timed out",
        [RV_RUN_CANCELLED] = "cancelled",     [RV_RUN_OVER_BUDGET] = "over budget",
    };
    rv_str status = p->gave_up ? RV_STR("waiting") : rv_str_of(rv_run_state_name(state));
    rv_style style = rv_ui_run_style(status);
    uint32_t counts[RV_NODE_STATE_COUNT], running;
    rv_job_counts(p->job, counts, &running);
    rv_ui_style(out, style, rv_str_of(rv_ui_run_glyph(status)));
    rv_buf_byte(out, ' ');
    rv_ui_style(out, RV_STYLE_BOLD, rv_job_name(p->job));
    rv_buf_cstring(out, "  ");
    rv_ui_style(out, style, p->gave_up ? RV_STR("waiting") : rv_str_of(words[state]));
    if (state == RV_RUN_INTERRUPTED && p->signal) {
        rv_buf_cstring(out, " by ");
        rv_words_signal(out, p->signal);
    }
    rv_buf_cstring(out, " after ");
    rv_duration_write(out, rv_loop_mono_ms(rv_host_loop(p->host)) - p->begun_mono_ms);
    rv_buf_cstring(out, "   ");
    rv_words_counts(out, counts, p->spared);
    rv_buf_byte(out, '\n');
    size_t before = out->size;
    rv_run_violation_words(rv_job_run(p->job), out);
    if (out->size > before) rv_buf_cstring(out, "; let one of them make it, and add the edge\n");
}

/* What the cache spared. */
static void cached(const rv_progress *p, rv_buf *out)
{
    uint32_t hits;
    int64_t saved_ms;
    bool nothing_ran;
    rv_job_cached(p->job, &hits, &saved_ms, &nothing_ran);
    if (hits == 0) return;
    if (nothing_ran) rv_buf_printf(out, "  nothing had to run: %u from the cache, ", hits);
    else rv_buf_printf(out, "  %u from the cache, ", hits);
    rv_duration_write(out, saved_ms);
    rv_buf_cstring(out, " saved\n");
}

void rv_summary_write(rv_progress *p, rv_buf *out)
{
    rv_run_state state = rv_job_state(p->job);
    failures(p, out);
    if (p->failures.count) rv_buf_byte(out, '\n');
    headline(p, out, state);
    cached(p, out);
    bool can_resume =
        state == RV_RUN_INTERRUPTED || state == RV_RUN_ERROR || state == RV_RUN_TIMEOUT || state == RV_RUN_RUNNING || p->gave_up;
    if (can_resume || p->failures.count) paste_lines(p, out, can_resume);
}
