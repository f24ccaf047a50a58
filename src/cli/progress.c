#include "cli/progress.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "cli/out.h"
#include "cli/words.h"
#include "lib/client.h"

#define FLUSH_DELAY_MS 20
#define REDRAW_MS 100
#define FLUSH_SIZE (64u * 1024)
#define TAIL_SIZE_MAX (16u * 1024)
#define WAITING_SIZE_MAX ((size_t)8 << 20)   /* of lines of nodes, for a reader who is slow */
#define WAITING_REDRAW_MAX ((size_t)64 << 10) /* for a terminal that was stopped: the region is not drawn again and again */

/* ---- writing ---- */

/* Draw what waits above the region, then the region again, in one write. */
void rv_progress_flush(rv_progress *p)
{
    if (!p->is_announced && !p->is_ended && !p->signal) return; /* keeps (4) */
    if (p->face == RV_FACE_LIVE && !p->out.size && !p->is_ended && rv_out_waiting() > WAITING_REDRAW_MAX) return;
    if (p->face == RV_FACE_LIVE && (p->out.size || p->is_dirty || p->region_lines)) {
        rv_buf screen = {0};
        if (p->region_lines > 1) rv_buf_printf(&screen, "\033[%uA", p->region_lines - 1);
        if (p->region_lines > 0) rv_buf_cstring(&screen, "\r\033[J");
        rv_buf_str_add(&screen, rv_buf_str(&p->out));
        p->region_lines = p->is_ended ? 0 : rv_region_write(p, &screen);
        rv_ui_out(rv_buf_str(&screen));
        rv_buf_deinit(&screen);
    } else if (p->out.size) {
        rv_ui_out(rv_buf_str(&p->out));
    }
    rv_buf_clear(&p->out);
    p->is_dirty = false;
    p->drawn_mono_ms = p->host ? rv_loop_mono_ms(rv_host_loop(p->host)) : 0;
}

static void set_timer(rv_progress *p, int64_t due_mono_ms)
{
    if (!p->host || p->is_timer_set) return;
    p->is_timer_set = true;
    rv_timer_set(p->timer, due_mono_ms);
}

static void timer_due(void *user)
{
    rv_progress *p = user;
    p->is_timer_set = false;
    rv_progress_flush(p);
    bool has_clock = p->face == RV_FACE_LIVE && p->mode != RV_OUTPUT_QUIET && p->used_slots > 0 && !p->is_ended;
    if (has_clock && p->is_announced) set_timer(p, rv_loop_mono_ms(rv_host_loop(p->host)) + 1000); /* keeps (2): elapsed times go on */
}

void rv_progress_touch(rv_progress *p)
{
    if (p->out.size > FLUSH_SIZE && p->face != RV_FACE_LIVE) rv_progress_flush(p);
    if (p->face == RV_FACE_LIVE) p->is_dirty = true;
    if (!p->host || (!p->out.size && !p->is_dirty)) return;
    int64_t now = rv_loop_mono_ms(rv_host_loop(p->host));
    if (p->face != RV_FACE_LIVE) {
        set_timer(p, now + FLUSH_DELAY_MS);
        return;
    }
    p->is_timer_set = false; /* a change comes before the next second */
    set_timer(p, RV_MAX(now + FLUSH_DELAY_MS, p->drawn_mono_ms + REDRAW_MS));
}

void rv_progress_store_words(const rv_progress *p, rv_buf *out)
{
    rv_buf found = {0};
    rv_error err;
    bool is_found = rv_store_locate(NULL, NULL, &found, &err) == RV_OK && rv_str_is(rv_buf_str(&found), p->store_dir);
    rv_buf_deinit(&found);
    if (is_found) return;
    rv_buf_cstring(out, " --store ");
    rv_ui_shell_word(out, rv_str_of(p->store_dir));
}

/* ---- slots ---- */

static rv_slot *slot_of(rv_progress *p, uint32_t node)
{
    if (node >= p->slot_of_count || p->slot_of[node] == 0) return NULL;
    return &p->slots.at[p->slot_of[node] - 1];
}

static rv_slot *slot_take(rv_progress *p, uint32_t node)
{
    if (node >= p->slot_of_count) { /* the run has grown */
        uint32_t count = RV_MAX(rv_job_node_count(p->job), p->slot_of_count + p->slot_of_count / 2);
        p->slot_of = rv_realloc(p->slot_of, sizeof *p->slot_of * count);
        memset(p->slot_of + p->slot_of_count, 0, sizeof *p->slot_of * (count - p->slot_of_count));
        p->slot_of_count = count;
    }
    rv_slot *slot = slot_of(p, node);
    for (uint32_t i = 0; !slot && i < p->slots.count; i++)
        if (!p->slots.at[i].is_used) slot = &p->slots.at[i];
    if (!slot) slot = rv_vec_add(&p->slots);
    if (!slot->is_used) p->used_slots++;
    slot->is_used = true;
    slot->node = node;
    slot->held_cut = 0;
    rv_buf *texts[] = {&slot->line[0], &slot->line[1], &slot->last, &slot->tail, &slot->held};
    for (size_t i = 0; i < RV_COUNT(texts); i++) rv_buf_clear(texts[i]);
    p->slot_of[node] = (uint32_t)(slot - p->slots.at) + 1;
    return slot;
}

static void slot_release(rv_progress *p, uint32_t node)
{
    rv_slot *slot = slot_of(p, node);
    if (!slot) return;
    slot->is_used = false;
    p->slot_of[node] = 0;
    p->used_slots--;
}

/* ---- output of nodes ---- */

static void tail_add(rv_buf *tail, rv_str line)
{
    rv_buf_str_add(tail, line);
    rv_buf_byte(tail, '\n');
    if (tail->size <= TAIL_SIZE_MAX) return;
    size_t cut = rv_str_find(rv_buf_str(tail), tail->size / 2, '\n');
    cut = cut == SIZE_MAX ? tail->size : cut + 1;
    memmove(tail->at, tail->at + cut, tail->size - cut);
    tail->size -= cut;
}

void rv_progress_left_out(rv_progress *p)
{
    if (p->lines_left_out == 0) return;
    rv_str run = rv_job_id(p->job);
    rv_ui_style(&p->out, RV_STYLE_YELLOW, RV_STR("! "));
    rv_buf_printf(&p->out, "%llu line%s left out, as nobody read on; all are in: reeve logs %.*s", (unsigned long long)p->lines_left_out,
                  p->lines_left_out == 1 ? "" : "s", RV_FMT(run));
    rv_progress_store_words(p, &p->out);
    rv_buf_byte(&p->out, '\n');
    p->lines_left_out = 0;
}

/* Whether lines of nodes may be added to what waits. */
static bool has_room(rv_progress *p)
{
    size_t waiting = rv_out_waiting() + p->out.size;
    if (waiting > WAITING_SIZE_MAX) p->is_behind = true;
    if (!p->is_behind) return true;
    if (waiting > WAITING_SIZE_MAX / 2) return false;
    p->is_behind = false;
    rv_progress_left_out(p);
    return true;
}

static void line_add(rv_progress *p, rv_slot *slot, rv_str line)
{
    if (line.size && line.at[line.size - 1] == '\r') line.size--;
    tail_add(&slot->tail, line);
    if (p->mode == RV_OUTPUT_QUIET) return;
    if (p->face == RV_FACE_LIVE) {
        rv_buf_clear(&slot->last);
        rv_buf_str_add(&slot->last, rv_str_cut(line, 0, 1024));
        if (p->mode == RV_OUTPUT_LIVE) return;
    }
    rv_buf *out = p->mode == RV_OUTPUT_BUFFERED ? &slot->held : &p->out;
    if (out == &slot->held && out->size + line.size > RV_HELD_SIZE_MAX) {
        slot->held_cut += line.size + 1;
        return;
    }
    if (out == &p->out && !has_room(p)) {
        p->lines_left_out++;
        return;
    }
    rv_ui_style(out, RV_STYLE_DIM, rv_job_node_name(p->job, slot->node));
    rv_ui_stylef(out, RV_STYLE_DIM, " %s ", rv_ui_glyph(RV_GLYPH_BAR));
    if (rv_ui_get()->is_terminal) rv_ui_plain(out, line, 0);
    else rv_buf_str_add(out, line);
    rv_buf_byte(out, '\n');
}

static void on_output(void *user, rv_job *job, uint32_t node, int stream, rv_str bytes)
{
    rv_progress *p = user;
    p->job = job;
    rv_slot *slot = slot_of(p, node);
    if (!slot) slot = slot_take(p, node);
    rv_buf *line = &slot->line[stream == 2];
    size_t at = 0;
    while (at < bytes.size) {
        size_t end = rv_str_find(bytes, at, '\n');
        size_t size = (end == SIZE_MAX ? bytes.size : end) - at;
        size = RV_MIN(size, (size_t)RV_LINE_SIZE_MAX - line->size);
        rv_buf_add(line, bytes.at + at, size);
        at += size;
        bool is_whole = at < bytes.size && bytes.at[at] == '\n';
        if (!is_whole && line->size < RV_LINE_SIZE_MAX) break;
        line_add(p, slot, rv_buf_str(line));
        rv_buf_clear(line);
        at += is_whole;
    }
    rv_progress_touch(p);
}

/* What has no newline at its end is a line too, once its attempt or its node has ended. */
static void lines_end(rv_progress *p, rv_slot *slot)
{
    for (int stream = 0; stream < 2; stream++) {
        if (slot->line[stream].size) line_add(p, slot, rv_buf_str(&slot->line[stream]));
        rv_buf_clear(&slot->line[stream]);
    }
    rv_str held = rv_buf_str(&slot->held);
    if (held.size == 0 || has_room(p)) rv_buf_str_add(&p->out, held);
    else
        for (size_t i = 0; i < held.size; i++) p->lines_left_out += held.at[i] == '\n';
    rv_buf_clear(&slot->held);
    if (slot->held_cut) {
        rv_str name = rv_job_node_name(p->job, slot->node), run = rv_job_id(p->job);
        rv_buf_printf(&p->out, "%.*s %s %llu more bytes: reeve logs %.*s %.*s\n", RV_FMT(name), rv_ui_glyph(RV_GLYPH_BAR),
                      (unsigned long long)slot->held_cut, RV_FMT(run), RV_FMT(name));
        slot->held_cut = 0;
    }
}

/* ---- the run ---- */

static rv_outcome_facts facts_of(const rv_node_view *view)
{
    return (rv_outcome_facts){.state = view->state,
                              .detail = rv_str_of(rv_detail_name(view->detail)),
                              .root = view->root,
                              .error = view->error,
                              .exit_status = view->exit_status,
                              .signal = view->signal};
}

void rv_progress_announce(rv_progress *p, rv_str line)
{
    rv_buf held = p->out;
    p->out = (rv_buf){0};
    rv_buf_str_add(&p->out, line);
    rv_buf_str_add(&p->out, rv_buf_str(&held));
    rv_buf_deinit(&held);
    p->is_announced = true;
    rv_progress_touch(p);
}

static void on_run_started(void *user, rv_job *job, bool is_resumed)
{
    rv_progress *p = user;
    rv_buf line = {0};
    p->job = job;
    const rv_graph *graph = rv_job_graph(job);
    rv_str id = rv_job_id(job), name = rv_job_name(job);
    rv_ui_stylef(&line, RV_STYLE_DIM, "run %.*s %s %.*s %s %u node%s%s", RV_FMT(id), rv_ui_glyph(RV_GLYPH_DOT), RV_FMT(name),
                 rv_ui_glyph(RV_GLYPH_DOT), graph->plain_count, graph->plain_count == 1 ? "" : "s", is_resumed ? ", resumed" : "");
    rv_buf_byte(&line, '\n');
    rv_progress_announce(p, p->mode == RV_OUTPUT_QUIET ? RV_STR("") : rv_buf_str(&line));
    rv_buf_deinit(&line);
}

static void on_attempt_started(void *user, rv_job *job, const rv_node_view *view)
{
    rv_progress *p = user;
    p->job = job;
    rv_slot *slot = slot_take(p, view->node);
    slot->number = view->number;
    slot->begun_mono_ms = p->face == RV_FACE_LIVE ? rv_loop_mono_ms(rv_host_loop(p->host)) : 0;
    if (p->face == RV_FACE_LIVE) rv_progress_touch(p);
}

static void on_attempt_ended(void *user, rv_job *job, const rv_node_view *view, rv_attempt_state state, bool will_retry,
                             int64_t retry_in_ms)
{
    rv_progress *p = user;
    rv_slot *slot = slot_of(p, view->node);
    bool waits = view->state == RV_NODE_WAITING && !will_retry; /* for people: they are told what they are asked */
    if (slot) lines_end(p, slot);
    if (will_retry && p->mode != RV_OUTPUT_QUIET) {
        rv_outcome_facts facts = facts_of(view);
        facts.state = RV_NODE_FAILED;
        rv_ui_style(&p->out, RV_STYLE_YELLOW, rv_str_of(rv_ui_get()->is_utf8 ? "↻" : "~"));
        rv_buf_printf(&p->out, " %.*s  ", RV_FMT(view->name));
        size_t before = p->out.size;
        rv_words_why(&p->out, &facts);
        if (p->out.size == before) rv_buf_cstring(&p->out, rv_attempt_state_name(state));
        rv_buf_printf(&p->out, "; attempt %u follows", view->number + 1);
        if (retry_in_ms > 0) {
            rv_buf_cstring(&p->out, " in ");
            rv_duration_write(&p->out, retry_in_ms);
        }
        rv_buf_byte(&p->out, '\n');
    }
    if (will_retry || waits) slot_release(p, view->node);
    rv_progress_touch(p);
}

static void keep_failure(rv_progress *p, const rv_node_view *view, const rv_slot *slot)
{
    p->failure_count++;
    if (p->failures.count >= RV_FAILURES_SHOWN_MAX) return;
    rv_failure *failure = rv_vec_add(&p->failures);
    rv_outcome_facts facts = facts_of(view);
    failure->node = view->node;
    failure->number = view->number;
    failure->state = view->state;
    rv_words_why(&failure->why, &facts);
    if (slot) rv_buf_str_add(&failure->tail, rv_buf_str(&slot->tail));
}

/* The outermost controller around `node` that has many children; RV_NONE: none. */
static uint32_t wide_owner(rv_job *job, uint32_t node)
{
    uint32_t found = RV_NONE, total, ended;
    for (uint32_t owner = rv_job_owner(job, node); owner != RV_NONE; owner = rv_job_owner(job, owner)) {
        rv_job_children(job, owner, &total, &ended);
        if (total > RV_CHILDREN_TOLD_MAX) found = owner;
    }
    return found;
}

/* keeps (6): a line each time another tenth of them has ended. */
static void count_children(rv_progress *p, rv_job *job, uint32_t owner)
{
    uint32_t total, ended, i = 0;
    rv_job_children(job, owner, &total, &ended);
    while (i < p->wide.count && p->wide.at[i].node != owner) i++;
    if (i == p->wide.count) rv_vec_push(&p->wide, ((rv_wide){owner, 0}));
    uint32_t tenth = (uint32_t)((uint64_t)ended * 10 / total);
    if (tenth <= (uint32_t)((uint64_t)p->wide.at[i].told * 10 / total)) return;
    p->wide.at[i].told = ended;
    rv_ui_stylef(&p->out, RV_STYLE_DIM, "%s %.*s  %u of %u have ended", rv_ui_node_glyph(RV_NODE_RUNNING),
                 RV_FMT(rv_job_node_name(job, owner)), ended, total);
    rv_buf_byte(&p->out, '\n');
}

/* The controller around it, or further out, was kept as a whole from the run before. */
static bool is_spared(rv_job *job, const rv_node_view *view)
{
    rv_node_view around = {.detail = RV_DETAIL_NONE};
    uint32_t owner = view->detail == RV_DETAIL_SUPERSEDED ? rv_job_owner(job, view->node) : RV_NONE;
    for (; owner != RV_NONE && around.detail != RV_DETAIL_REPLAY; owner = rv_job_owner(job, owner)) rv_job_node_view(job, owner, &around);
    return around.detail == RV_DETAIL_REPLAY;
}

static void on_node_ended(void *user, rv_job *job, const rv_node_view *view)
{
    rv_progress *p = user;
    p->job = job;
    p->ended_nodes++;
    if (is_spared(job, view)) { /* its controller's line is enough */
        p->spared++;
        return;
    }
    rv_slot *slot = slot_of(p, view->node);
    if (slot) lines_end(p, slot); /* of what came from the cache: no attempt has ended */
    if (view->state == RV_NODE_FAILED || view->state == RV_NODE_DENIED) keep_failure(p, view, slot);
    slot_release(p, view->node);
    if (p->mode == RV_OUTPUT_QUIET) {
        if (p->face == RV_FACE_LIVE) rv_progress_touch(p);
        return;
    }
    bool is_bad = view->state == RV_NODE_FAILED || view->state == RV_NODE_DENIED;
    uint32_t owner = is_bad ? RV_NONE : wide_owner(job, view->node);
    if (owner != RV_NONE) {
        count_children(p, job, owner);
        rv_progress_touch(p);
        return;
    }
    rv_outcome_facts facts = facts_of(view);
    rv_ui_style(&p->out, rv_ui_node_style(view->state), rv_str_of(rv_ui_node_glyph(view->state)));
    rv_buf_byte(&p->out, ' ');
    rv_buf_str_add(&p->out, view->name);
    size_t before = p->out.size;
    rv_buf_cstring(&p->out, "  ");
    rv_words_why(&p->out, &facts);
    if (p->out.size == before + 2) p->out.size = before;
    if (view->number > 1) rv_ui_stylef(&p->out, RV_STYLE_DIM, "  attempt %u", view->number);
    if (view->started_ms > 0 && view->ended_ms >= view->started_ms) {
        rv_buf time = {0};
        rv_duration_write(&time, view->ended_ms - view->started_ms);
        rv_ui_stylef(&p->out, RV_STYLE_DIM, "  %s", time.at);
        rv_buf_deinit(&time);
    }
    rv_buf_byte(&p->out, '\n');
    rv_progress_touch(p);
}

static void on_blocker_opened(void *user, rv_job *job, const rv_blocker_view *view)
{
    rv_progress *p = user;
    p->job = job;
    rv_ask_opened(p, view);
    rv_progress_touch(p);
}

static void on_blocker_closed(void *user, rv_job *job, rv_str key, rv_str decision, rv_str by)
{
    rv_progress *p = user;
    rv_ask_closed(p, key);
    if (p->mode != RV_OUTPUT_QUIET && by.size) {
        rv_ui_stylef(&p->out, RV_STYLE_DIM, "%.*s %s %.*s by %.*s", RV_FMT(key), rv_ui_glyph(RV_GLYPH_DOT),
                     RV_FMT(decision.size ? decision : RV_STR("answered")), RV_FMT(by));
        rv_buf_byte(&p->out, '\n');
    }
    rv_progress_touch(p);
}

static void on_note(void *user, rv_job *job, rv_str text)
{
    rv_progress *p = user;
    rv_ui_style(&p->out, RV_STYLE_YELLOW, RV_STR("! "));
    rv_ui_plain(&p->out, text, 0);
    rv_buf_byte(&p->out, '\n');
    rv_progress_touch(p);
}

static void on_run_ended(void *user, rv_job *job, rv_run_state state)
{
    rv_progress *p = user;
    p->job = job;
    p->is_ended = true;
    p->state = state;
    rv_host_stop(p->host);
}

/* Nothing runs. With --no-wait that is the end, if people alone are waited for, and not a timer or a retry [W32]. */
static void on_idle(void *user, rv_job *job)
{
    rv_progress *p = user;
    p->job = job;
    rv_progress_touch(p);
    if (!p->no_wait || !rv_job_waits_for_people(job)) return;
    if (p->questions.count == 0 && !rv_job_waits_for_event(job)) return; /* a question that was not told yet */
    if (p->gave_up) return;
    p->gave_up = true;
    rv_engine_interrupt(rv_host_engine(p->host), 0); /* recorded as interrupted: nobody drives it until it is resumed */
}

rv_observer rv_progress_observer(rv_progress *p)
{
    rv_observer observer = p->face == RV_FACE_JSON
                               ? rv_progress_json_observer()
                               : (rv_observer){.run_started = on_run_started,
                                               .attempt_started = on_attempt_started,
                                               .output = on_output,
                                               .attempt_ended = on_attempt_ended,
                                               .node_ended = on_node_ended,
                                               .blocker_opened = on_blocker_opened,
                                               .blocker_closed = on_blocker_closed,
                                               .note = on_note};
    observer.user = p;
    observer.run_ended = on_run_ended;
    observer.idle = on_idle;
    return observer;
}

void rv_progress_signalled(void *user, int signal)
{
    rv_progress *p = user;
    p->signal = signal;
    if (!p->host) return; /* all is said, and waits for its reader */
    rv_ask_end(p);
    if (p->face == RV_FACE_JSON) return;
    rv_words_signal(&p->out, signal);
    rv_buf_printf(&p->out, ": stopping %s press again to exit at once\n", rv_ui_glyph(RV_GLYPH_ELLIPSIS));
    rv_progress_flush(p);
}

void rv_progress_out_failed(void *user)
{
    rv_progress *p = user;
    if (rv_out_error() != EPIPE || p->is_ended || !p->host) return;
    p->signal = SIGPIPE;
    rv_ask_end(p);
    rv_engine_interrupt(rv_host_engine(p->host), SIGPIPE); /* so that the run is recorded as interrupted, as by other signals */
}

/* ---- life ---- */

void rv_progress_init(rv_progress *p, const rv_args *args, const char *store_dir)
{
    *p = (rv_progress){.args = args, .store_dir = store_dir};
    const char *mode = rv_args_value(args, "output");
    if (mode && strcmp(mode, "buffered") == 0) p->mode = RV_OUTPUT_BUFFERED;
    if (mode && strcmp(mode, "quiet") == 0) p->mode = RV_OUTPUT_QUIET;
    if (args->is_json) p->face = RV_FACE_JSON;
    else if (rv_ui_get()->is_terminal) p->face = RV_FACE_LIVE;
}

void rv_progress_open(rv_progress *p, rv_host *host)
{
    p->host = host;
    p->timer = rv_timer_new(rv_host_loop(host), timer_due, p);
    p->begun_mono_ms = rv_loop_mono_ms(rv_host_loop(host));
}

void rv_progress_close(rv_progress *p)
{
    p->is_ended = true; /* the region goes away */
    rv_ask_end(p);
    rv_progress_flush(p);
    rv_timer_free(p->timer);
    p->timer = NULL;
    p->host = NULL;
}

void rv_progress_deinit(rv_progress *p)
{
    for (uint32_t i = 0; i < p->slots.count; i++) {
        rv_slot *slot = &p->slots.at[i];
        rv_buf *texts[] = {&slot->line[0], &slot->line[1], &slot->last, &slot->tail, &slot->held};
        for (size_t k = 0; k < RV_COUNT(texts); k++) rv_buf_deinit(texts[k]);
    }
    for (uint32_t i = 0; i < p->failures.count; i++) {
        rv_buf_deinit(&p->failures.at[i].why);
        rv_buf_deinit(&p->failures.at[i].tail);
    }
    rv_vec_deinit(&p->slots);
    rv_vec_deinit(&p->failures);
    rv_vec_deinit(&p->questions);
    rv_vec_deinit(&p->wide);
    rv_free(p->slot_of);
    rv_buf_deinit(&p->out);
}
