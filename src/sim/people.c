#include "sim/inner.h"

/* People: they decide and answer when they feel like it, more than once, too early, or not at all where a deadline waits for
 * nobody; and whoever calls a run off. */

/* What somebody was promised, when the engine says that it is synced. */
typedef struct promise {
    rv_sim_world *w;
    uint32_t entry;
    bool is_cancel, is_steer, is_more;
    int64_t added[RV_DIMENSION_COUNT]; /* of more */
} promise;

static void on_done(void *user, rv_status status, const rv_error *err)
{
    promise *p = user;
    if (p->w->is_dead) return;
    rv_sim_tell(p->w, "answer %s", rv_status_name(status));
    if (status != RV_OK) return;
    if (p->is_cancel) p->w->ledger.is_cancelled = true;
    else if (p->is_steer) p->w->ledger.entries.at[p->entry].steered++;
    else if (!p->is_more) p->w->ledger.entries.at[p->entry].decided++;
    for (uint32_t d = 0; d < RV_DIMENSION_COUNT; d++) p->w->ledger.added[d] += p->added[d];
}

static promise *promise_new(rv_sim_world *w, rv_str node)
{
    promise *p = rv_arena_new(&w->arena, promise, 1);
    *p = (promise){.w = w, .entry = (uint32_t)(rv_sim_entry_of(w, node) - w->ledger.entries.at)};
    return p;
}

/* The id of the node that a question's key is about. */
static rv_str node_of(rv_sim_world *w, rv_str key)
{
    uint32_t revision;
    uint32_t node = rv_blocker_find(w->job, key, &revision);
    return node == RV_NONE ? key : rv_sim_id(w, w->job->run, node);
}

static void decide(rv_sim_world *w, int64_t is_unknown, const char *key)
{
    static const rv_decision unknown[] = {RV_DECISION_DONE, RV_DECISION_FAILED, RV_DECISION_AGAIN};
    rv_decision decision = is_unknown ? unknown[rv_sim_below(w, 3)] : rv_sim_one_in(w, 3) ? RV_DECISION_REJECT : RV_DECISION_APPROVE;
    rv_str node = node_of(w, rv_str_of(key));
    if (decision == RV_DECISION_AGAIN) rv_sim_entry_of(w, node)->agains++;
    w->result->counts[RV_SIM_DECISIONS]++;
    rv_sim_tell(w, "decide %s %d", key, (int)decision);
    rv_engine_decide(w->engine, rv_str_of(w->ledger.run), rv_str_of(key), decision, RV_STR("somebody"),
                     rv_sim_one_in(w, 2) ? RV_STR("because") : RV_STR(""), on_done, promise_new(w, node));
    if (rv_sim_one_in(w, 8)) rv_sim_later(w, rv_sim_below(w, 100), decide, is_unknown, key); /* and once more */
}

static void answer(rv_sim_world *w, int64_t tries, const char *key)
{
    static const char *const values[] = {"3", "0", "\"text\"", "true", "null", "[1,2]", "{\"n\":1}", "\"yes\"", "2.5"};
    const char *value = values[rv_sim_below(w, RV_COUNT(values))];
    rv_str node = node_of(w, rv_str_of(key));
    w->result->counts[RV_SIM_DECISIONS]++;
    rv_sim_tell(w, "say %s %s", key, value);
    rv_engine_answer(w->engine, rv_str_of(w->ledger.run), rv_str_of(key), rv_str_of(value), RV_STR("somebody"), on_done,
                     promise_new(w, node));
    uint32_t index = rv_run_find(w->job->run, node); /* it may not have fitted */
    bool is_open = index != RV_NONE && w->job->run->nodes[index].state == RV_NODE_WAITING;
    if (tries > 0 && is_open) rv_sim_later(w, 1 + rv_sim_below(w, 50), answer, tries - 1, key);
}

static void call_off(rv_sim_world *w, int64_t number, const char *key);

/* ---- more of a budget ---- */

/* Some of what the run has a budget of. */
static void make_more(rv_sim_world *w, promise *p, rv_buf *out)
{
    static const uint32_t most[RV_DIMENSION_COUNT] = {3000000, 3000, 2000, 8, 8};
    uint32_t limits = w->job->run->limits.limits;
    const char *comma = "";
    rv_buf_cstring(out, "{\"add\":{");
    for (uint32_t d = 0; d < RV_DIMENSION_COUNT; d++) {
        if (!(limits >> d & 1) || rv_sim_one_in(w, 4)) continue;
        p->added[d] = 1 + rv_sim_below(w, most[d]);
        rv_buf_printf(out, "%s\"%s\":", comma, rv_dimension_name((rv_dimension)d));
        long long added = (long long)p->added[d];
        if (d == RV_DIMENSION_USD) rv_buf_printf(out, "%lld.%06lld", added / 1000000, added % 1000000);
        else if (d == RV_DIMENSION_TIME) rv_buf_printf(out, "\"%lldms\"", added);
        else rv_buf_printf(out, "%lld", added);
        comma = ",";
    }
    rv_buf_cstring(out, "}}");
}

/* Of nothing, or of what there is no budget of: it is refused, and nothing of it is added. */
static void make_nonsense(rv_sim_world *w, rv_buf *out)
{
    static const char *const values[] = {"{}", "{\"add\":{}}", "{\"add\":{\"usd\":1,\"dollars\":1}}", "{\"add\":{\"usd\":\"x\"}}", "7"};
    rv_buf_cstring(out, values[rv_sim_below(w, RV_COUNT(values))]);
}

static void add_more(rv_sim_world *w, int64_t tries, const char *key)
{
    rv_buf value = {0};
    promise *p = promise_new(w, RV_STR("budget"));
    p->is_more = true;
    w->result->counts[RV_SIM_RAISES]++;
    if (rv_sim_one_in(w, 12)) make_nonsense(w, &value);
    else make_more(w, p, &value);
    rv_sim_tell(w, "add %s", value.at);
    rv_engine_answer(w->engine, rv_str_of(w->ledger.run), RV_STR("budget"), rv_buf_str(&value), RV_STR("somebody"), on_done, p);
    rv_buf_deinit(&value);
    if (tries > 0 && w->job->run->paused) rv_sim_later(w, 1 + rv_sim_below(w, 50), add_more, tries - 1, key);
}

void rv_sim_add_early(rv_sim_world *w)
{
    if (w->job->run->limits.limits) rv_sim_later(w, rv_sim_below(w, 300), add_more, 0, "budget");
}

void rv_sim_asked(rv_sim_world *w, const rv_blocker_view *view)
{
    char key[256];
    bool is_input = rv_str_is(view->kind, "input"), is_budget = rv_str_is(view->kind, "budget");
    (void)snprintf(key, sizeof key, "%.*s", RV_FMT(view->key));
    if (view->deadline_ms && rv_sim_one_in(w, 3)) return; /* nobody is there */
    int64_t delay_ms = rv_sim_one_in(w, 4) ? rv_sim_below(w, 20000) : rv_sim_below(w, 50);
    if (is_budget) rv_sim_later(w, delay_ms, add_more, 60, key);
    else if (is_input) rv_sim_later(w, delay_ms, answer, 40, key);
    else rv_sim_later(w, delay_ms, decide, rv_str_is(view->kind, "unknown_outcome"), key);
    if (is_input || is_budget) rv_sim_later(w, 100000, call_off, 0, key); /* a schema that none of our values fits; it is never enough */
}

static void call_off(rv_sim_world *w, int64_t number, const char *key)
{
    promise *p = promise_new(w, rv_str_of(key));
    p->is_cancel = true;
    w->result->counts[RV_SIM_CANCELS]++;
    rv_sim_tell(w, "cancel");
    rv_engine_cancel(w->engine, rv_str_of(w->ledger.run), RV_STR("somebody"), on_done, p);
}

void rv_sim_cancel_soon(rv_sim_world *w) { rv_sim_later(w, rv_sim_below(w, 400), call_off, 0, "nobody"); }

static void preempt(rv_sim_world *w, int64_t number, const char *text)
{
    w->result->counts[RV_SIM_PREEMPTS]++;
    rv_sim_tell(w, "preempt");
    (void)rv_engine_step(w->job, &(rv_event){.type = RV_EVENT_PREEMPT, .text = RV_STR("somebody")}, true);
}

void rv_sim_preempt_soon(rv_sim_world *w) { rv_sim_later(w, rv_sim_below(w, 400), preempt, 0, NULL); }

/* ---- directives ---- */

static void steer(rv_sim_world *w, int64_t left, const char *text)
{
    static const char *const texts[] = {"be brief", "{\"n\":1}", "two\nlines", "ß \"quoted\""};
    uint32_t node = rv_sim_below(w, w->job->run->node_count);
    rv_str name = rv_sim_id(w, w->job->run, node);
    promise *p = promise_new(w, name);
    p->is_steer = true;
    w->result->counts[RV_SIM_STEERS]++;
    rv_sim_tell(w, "steer %.*s", RV_FMT(name));
    rv_engine_steer(w->engine, rv_str_of(w->ledger.run), name, rv_str_of(texts[rv_sim_below(w, RV_COUNT(texts))]), RV_STR("somebody"),
                    on_done, p);
    if (left) rv_sim_later(w, rv_sim_below(w, 100), steer, left - 1, text);
}

void rv_sim_steer(rv_sim_world *w) { rv_sim_later(w, rv_sim_below(w, 200), steer, rv_sim_below(w, 4), NULL); }

void rv_sim_answer_early(rv_sim_world *w)
{
    for (uint32_t node = 0; node < w->job->run->node_count; node++) {
        char key[256];
        if (rv_run_kind(w->job->run, node) != RV_KIND_INPUT || !rv_sim_one_in(w, 2)) continue;
        (void)snprintf(key, sizeof key, "%.*s", RV_FMT(rv_sim_id(w, w->job->run, node)));
        rv_sim_later(w, rv_sim_below(w, 40), answer, 0, key);
    }
}

/* ---- events from outside ---- */

static void on_signalled(void *user, rv_status status, const rv_error *err)
{
    rv_sim_world *w = user;
    if (w->is_dead) return;
    rv_sim_tell(w, "event %s", rv_status_name(status));
    if (status == RV_OK) w->ledger.signalled++;
}

static void send(rv_sim_world *w, int64_t is_awaited, const char *name)
{
    static const char *const values[] = {"", "{\"n\":1}", "\"text\"", "7", "null"};
    const char *value = values[rv_sim_below(w, RV_COUNT(values))];
    if (is_awaited) w->has_signal = false;
    w->result->counts[RV_SIM_EVENTS]++;
    rv_sim_tell(w, "send %s %s", name, value);
    rv_engine_signal(w->engine, rv_str_of(w->ledger.run), rv_str_of(name), rv_str_of(value), RV_STR("somebody"), on_signalled, w);
}

/* The name of the event that a node is to wait for, or waits for; empty: of another kind. */
static rv_str event_of(rv_sim_world *w, uint32_t node)
{
    const rv_run *run = w->job->run;
    if (rv_run_kind(run, node) != RV_KIND_WAIT) return RV_STR("");
    return rv_graph_str(rv_run_graph(run, node), rv_run_gate(run, node)->event);
}

static void send_later(rv_sim_world *w, uint32_t node, int64_t delay_ms, bool is_awaited)
{
    char name[RV_IDENTIFIER_MAX + 1];
    (void)snprintf(name, sizeof name, "%.*s", RV_FMT(event_of(w, node)));
    rv_sim_later(w, delay_ms, send, is_awaited, name);
}

void rv_sim_signal_awaited(rv_sim_world *w)
{
    const rv_run *run = w->job->run;
    if (w->has_signal || run->status != RV_RUN_RUNNING || run->counts[RV_NODE_WAITING] == 0) return;
    for (uint32_t node = 0; node < run->node_count; node++) {
        if (run->nodes[node].state != RV_NODE_WAITING || !event_of(w, node).size) continue;
        w->has_signal = true;
        send_later(w, node, rv_sim_one_in(w, 4) ? rv_sim_below(w, 20000) : rv_sim_below(w, 100), true);
        return;
    }
}

void rv_sim_signal_early(rv_sim_world *w)
{
    for (uint32_t node = 0; node < w->job->run->node_count; node++)
        if (event_of(w, node).size && rv_sim_one_in(w, 2)) send_later(w, node, rv_sim_below(w, 300), false);
}

/* ---- results that come late, or twice ---- */

static bool is_over(const rv_node_run *at)
{
    return at->epoch && (at->state == RV_NODE_RUNNING || at->state >= RV_NODE_SUCCEEDED || at->state == RV_NODE_READY);
}

void rv_sim_duplicate(rv_sim_world *w)
{
    rv_job *job = w->job;
    uint32_t node = rv_sim_below(w, job->run->node_count);
    const rv_node_run *at = &job->run->nodes[node];
    if (!is_over(at) || rv_run_state_is_terminal((rv_run_state)job->run->status)) return;
    uint32_t epoch = at->epoch - (at->state == RV_NODE_RUNNING); /* its current attempt may still speak */
    static const rv_event_type types[] = {RV_EVENT_COMPLETED, RV_EVENT_COMPLETED, RV_EVENT_LOST, RV_EVENT_USAGE, RV_EVENT_STARTED};
    rv_event event = {.type = types[rv_sim_below(w, RV_COUNT(types))], .node = node, .epoch = epoch, .state = RV_ATTEMPT_OK,
                      .exit_status = 0, .signal = -1, .cost = 1000, .pid = 7};
    rv_buf before = {0}, after = {0};
    rv_run_encode(job->run, &before);
    rv_answer given = rv_engine_step(job, &event, false);
    rv_run_encode(job->run, &after);
    w->result->counts[epoch == at->epoch ? RV_SIM_DUPLICATES : RV_SIM_LATE_RESULTS]++;
    rv_sim_tell(w, "late result of %.*s epoch %u", RV_FMT(rv_sim_id(w, job->run, node)), epoch);
    if (given != RV_ANSWER_STALE)
        rv_sim_break(w, "P2: a result of %.*s that came again was taken", RV_FMT(rv_sim_id(w, job->run, node)));
    if (!rv_str_eq(rv_buf_str(&before), rv_buf_str(&after)))
        rv_sim_break(w, "P2: a late result of %.*s changed the state", RV_FMT(rv_sim_id(w, job->run, node)));
    rv_buf_deinit(&before);
    rv_buf_deinit(&after);
}
