/* progress_json.c: what happens, as JSON lines for programs; the shapes are in docs/json.md. */
#include "cli/cli.h"
#include "cli/progress.h"

static void line_begin(rv_progress *p, rv_json_writer *w, const char *type)
{
    rv_json_writer_init(w, &p->out, 0);
    rv_jw_object(w);
    rv_jw_kv_i64(w, "v", RV_JSON_SHAPE_VERSION);
    rv_jw_kv_cstring(w, "type", type);
    rv_jw_kv_i64(w, "at", rv_loop_wall_ms(rv_host_loop(p->host)));
}

static void line_end(rv_progress *p, rv_json_writer *w)
{
    rv_jw_object_end(w);
    rv_buf_byte(&p->out, '\n');
    rv_progress_touch(p);
}

static void view_members(rv_json_writer *w, const rv_node_view *view)
{
    rv_jw_kv_str(w, "node", view->name);
    rv_jw_kv_cstring(w, "kind", rv_kind_name(view->kind));
    if (view->number > 0) {
        rv_jw_kv_i64(w, "attempt", view->number);
        rv_jw_kv_i64(w, "epoch", view->epoch);
    }
}

static void outcome_members(rv_json_writer *w, const rv_node_view *view)
{
    rv_jw_kv_cstring(w, "detail", rv_detail_name(view->detail));
    if (view->exit_status >= 0) rv_jw_kv_i64(w, "exit_status", view->exit_status);
    if (view->signal > 0) rv_jw_kv_i64(w, "signal", view->signal);
    if (view->root.size) rv_jw_kv_str(w, "root", view->root);
    if (view->error.size) rv_jw_kv_str(w, "error", view->error);
    if (view->started_ms > 0) rv_jw_kv_i64(w, "started_ms", view->started_ms);
    if (view->ended_ms > 0) rv_jw_kv_i64(w, "ended_ms", view->ended_ms);
}

static void on_run_started(void *user, rv_job *job, bool is_resumed)
{
    rv_progress *p = user;
    rv_json_writer w;
    rv_buf held = p->out;
    p->job = job;
    const rv_graph *graph = rv_job_graph(job);
    char digest[RV_DIGEST_TEXT_SIZE + 1];
    rv_digest_text(graph->digest, digest);
    p->out = (rv_buf){0}; /* the first line goes before what is held */
    line_begin(p, &w, "run_started");
    rv_jw_kv_str(&w, "run", rv_job_id(job));
    rv_jw_kv_str(&w, "name", rv_job_name(job));
    rv_jw_kv_cstring(&w, "workflow", digest);
    rv_jw_kv_i64(&w, "nodes", graph->plain_count);
    rv_jw_kv_bool(&w, "is_resumed", is_resumed);
    rv_jw_kv_cstring(&w, "store", p->store_dir);
    rv_jw_object_end(&w);
    rv_buf_byte(&p->out, '\n');
    rv_buf line = p->out;
    p->out = held;
    rv_progress_announce(p, rv_buf_str(&line));
    rv_buf_deinit(&line);
}

static void on_attempt_started(void *user, rv_job *job, const rv_node_view *view)
{
    rv_progress *p = user;
    rv_json_writer w;
    p->job = job;
    line_begin(p, &w, "attempt_started");
    view_members(&w, view);
    line_end(p, &w);
}

static void on_output(void *user, rv_job *job, uint32_t node, int stream, rv_str bytes)
{
    rv_progress *p = user;
    rv_json_writer w;
    if (p->mode == RV_OUTPUT_QUIET) return;
    line_begin(p, &w, "output");
    rv_jw_kv_str(&w, "node", rv_job_node_name(job, node));
    rv_jw_kv_i64(&w, "stream", stream);
    rv_jw_kv_str(&w, "text", bytes);
    line_end(p, &w);
}

static void on_attempt_ended(void *user, rv_job *job, const rv_node_view *view, rv_attempt_state state, bool will_retry,
                             int64_t retry_in_ms)
{
    rv_progress *p = user;
    rv_json_writer w;
    line_begin(p, &w, "attempt_ended");
    view_members(&w, view);
    rv_jw_kv_cstring(&w, "state", rv_attempt_state_name(state));
    outcome_members(&w, view);
    rv_jw_kv_bool(&w, "will_retry", will_retry);
    if (will_retry) rv_jw_kv_i64(&w, "retry_in_ms", retry_in_ms);
    line_end(p, &w);
}

static void on_node_ended(void *user, rv_job *job, const rv_node_view *view)
{
    rv_progress *p = user;
    rv_json_writer w;
    p->job = job;
    line_begin(p, &w, "node_ended");
    view_members(&w, view);
    rv_jw_kv_cstring(&w, "state", rv_node_state_name(view->state));
    outcome_members(&w, view);
    line_end(p, &w);
}

static void on_blocker_opened(void *user, rv_job *job, const rv_blocker_view *view)
{
    rv_progress *p = user;
    rv_json_writer w;
    p->job = job;
    rv_ask_opened(p, view);
    line_begin(p, &w, "blocker_opened");
    rv_jw_kv_str(&w, "key", view->key);
    rv_jw_kv_str(&w, "kind", view->kind);
    rv_jw_kv_str(&w, "node", rv_job_node_name(job, view->node));
    rv_jw_key(&w, "payload");
    if (view->payload.size) rv_jw_raw(&w, view->payload);
    else rv_jw_null(&w);
    rv_jw_kv_str(&w, "digest", view->digest);
    if (view->deadline_ms > 0) rv_jw_kv_i64(&w, "deadline_ms", view->deadline_ms);
    line_end(p, &w);
}

static void on_blocker_closed(void *user, rv_job *job, rv_str key, rv_str decision, rv_str by)
{
    rv_progress *p = user;
    rv_json_writer w;
    rv_ask_closed(p, key);
    line_begin(p, &w, "blocker_closed");
    rv_jw_kv_str(&w, "key", key);
    rv_jw_kv_str(&w, "decision", decision);
    rv_jw_kv_str(&w, "by", by);
    line_end(p, &w);
}

static void on_note(void *user, rv_job *job, rv_str text)
{
    rv_progress *p = user;
    rv_json_writer w;
    line_begin(p, &w, "note");
    rv_jw_kv_str(&w, "text", text);
    line_end(p, &w);
}

rv_observer rv_progress_json_observer(void)
{
    return (rv_observer){.run_started = on_run_started,
                         .attempt_started = on_attempt_started,
                         .output = on_output,
                         .attempt_ended = on_attempt_ended,
                         .node_ended = on_node_ended,
                         .blocker_opened = on_blocker_opened,
                         .blocker_closed = on_blocker_closed,
                         .note = on_note};
}
