/* why.c: `reeve why`: what a node waits for, or why it is as it is, and what can be done about it. */
#include "cli/answer.h"
#include "cli/report.h"
#include "cli/verbs.h"
#include "engine/machine.h"
#include "kernel/gate.h"

#define REASONS_MAX 40u
#define NAMED_MAX 5u     /* nodes that one reason names; the rest is counted */
#define FOLLOWED_MAX 3u  /* of these so many are explained too */

typedef struct reason {
    const char *kind;    /* the words of docs/json.md */
    uint32_t node;       /* who is explained */
    uint32_t depth;      /* 0: the node that was asked about */
    rv_buf text;         /* for people, without the node */
    rv_buf command;      /* what somebody can do; empty: nothing, or it is not theirs to do */
    RV_VEC(uint32_t) others; /* nodes that it is because of */
} reason;

typedef struct question {
    const rv_args *args;
    rv_session session;
    rv_report report;
    rv_buf store;        /* ` --store DIR` */
    RV_VEC(reason) reasons;
    RV_VEC(rv_pair) work; /* node, depth: still to be explained */
    bool *is_asked;      /* is_asked[node]: it is on the work list, or was */
} question;

static reason *add(question *q, const char *kind, uint32_t node, uint32_t depth)
{
    reason *r = rv_vec_add(&q->reasons);
    *r = (reason){.kind = kind, .node = node, .depth = depth};
    return r;
}

static void follow(question *q, uint32_t node, uint32_t depth)
{
    if (q->is_asked[node]) return;
    q->is_asked[node] = true;
    rv_vec_push(&q->work, ((rv_pair){node, depth}));
}

/* The reason is other nodes: name them, and explain the first ones too. */
static void because_of(question *q, reason *r, uint32_t other)
{
    rv_vec_push(&r->others, other);
    if (r->others.count <= FOLLOWED_MAX) follow(q, other, r->depth + 1);
}

static void name_others(const question *q, reason *r)
{
    for (uint32_t i = 0; i < RV_MIN(r->others.count, NAMED_MAX); i++)
        rv_buf_printf(&r->text, "%s%.*s", i ? ", " : " ", RV_FMT(q->report.nodes[r->others.at[i]].name));
    if (r->others.count > NAMED_MAX) rv_buf_printf(&r->text, " and %u more", r->others.count - NAMED_MAX);
}

/* ---- people, time, events ---- */

static const rv_report_blocker *blocker_of(const question *q, uint32_t node)
{
    for (uint32_t i = 0; i < q->report.blocker_count; i++) {
        const rv_report_blocker *b = &q->report.blockers[i];
        rv_str name = q->report.nodes[node].name;
        bool is_its = rv_str_eq(b->key, name) || (rv_str_starts(b->key, name) && b->key.at[name.size] == '@');
        if (rv_str_is(b->state, "open") && is_its) return b;
    }
    return NULL;
}

static void explain_person(question *q, uint32_t node, uint32_t depth)
{
    reason *r = add(q, "person", node, depth);
    const rv_report_blocker *b = blocker_of(q, node);
    rv_words_why(&r->text, &q->report.nodes[node].facts);
    if (!b) return;
    rv_buf asked = {0};
    rv_answer_prompt(&asked, b->kind, b->payload, 0);
    rv_str line = rv_str_cut(rv_buf_str(&asked), 0, RV_MIN(rv_str_find(rv_buf_str(&asked), 0, '\n'), asked.size));
    if (line.size) rv_buf_printf(&r->text, ": %.*s", RV_FMT(line));
    rv_buf_deinit(&asked);
    rv_answer_command(&r->command, q->report.id, b->key, b->kind, b->payload, rv_buf_str(&q->store));
}

/* The run's own question: more of its budget. */
static void write_more(const question *q, rv_buf *command)
{
    for (uint32_t i = 0; i < q->report.blocker_count; i++) {
        const rv_report_blocker *b = &q->report.blockers[i];
        if (!rv_str_is(b->kind, "budget") || !rv_str_is(b->state, "open")) continue;
        rv_answer_command(command, q->report.id, b->key, b->kind, b->payload, rv_buf_str(&q->store));
        return;
    }
}

static void explain_pause(question *q, uint32_t node, uint32_t depth)
{
    const rv_run *run = q->report.run;
    int64_t wants[RV_DIMENSION_COUNT];
    rv_shortage shortage;
    reason *r = add(q, "budget", node, depth);
    rv_buf_cstring(&r->text, "waits until the budget of the run does");
    rv_budget_wants(run, node, wants);
    if (!rv_budget_fits(run, node, wants, run->purse.since_ms, &shortage)) {
        rv_buf_cstring(&r->text, ": ");
        rv_budget_words(shortage.dimension, shortage.left, &r->text);
        rv_buf_cstring(&r->text, " left, ");
        rv_budget_words(shortage.dimension, shortage.wanted, &r->text);
        rv_buf_cstring(&r->text, " needed");
    }
    write_more(q, &r->command);
}

static void explain_timer(question *q, uint32_t node, uint32_t depth)
{
    reason *r = add(q, "timer", node, depth);
    rv_rows rows;
    rv_row row;
    rv_error ignored;
    rv_str bound[] = {q->report.id, q->report.nodes[node].name};
    if (!rv_report_pause_words(&q->report, node, &r->text)) rv_buf_cstring(&r->text, "waits for its time");
    if (rv_session_query(&q->session, "select due_ms from node where run = ?1 and id = ?2", bound, 2, 1, &rows, &ignored) != RV_OK) return;
    if (!rv_rows_next(&rows, &row) || rv_row_i64(&row, 0) == 0) return;
    int64_t left_ms = rv_row_i64(&row, 0) - q->report.now_ms;
    rv_buf_cstring(&r->text, ", ");
    rv_ui_time(&r->text, rv_row_i64(&row, 0), q->report.now_ms);
    if (left_ms > 0) rv_buf_cstring(&r->text, ", in "), rv_duration_write(&r->text, left_ms);
}

static void explain_event(question *q, uint32_t node, uint32_t depth)
{
    reason *r = add(q, "event", node, depth);
    rv_str event = rv_graph_str(rv_run_graph(q->report.run, node), rv_run_gate(q->report.run, node)->event);
    rv_buf_printf(&r->text, "waits for the event %.*s", RV_FMT(event));
    rv_buf_printf(&r->command, "reeve signal %.*s ", RV_FMT(q->report.id));
    rv_ui_shell_word(&r->command, event);
    rv_buf_str_add(&r->command, rv_buf_str(&q->store));
}

static void explain_children(question *q, uint32_t node, uint32_t depth)
{
    const rv_report *report = &q->report;
    const rv_control *control = rv_report_control(report, node);
    reason *r = add(q, "children", node, depth);
    uint32_t at = q->reasons.count - 1;
    rv_buf_cstring(&r->text, "waits for what is in it: ");
    rv_report_controller_words(report, node, &r->text);
    for (uint32_t i = 0; control && i < control->places.count; i++) {
        const rv_place *place = &report->run->places.at[control->places.at[i]];
        for (uint32_t n = place->base; n < place->base + place->count; n++)
            if (!rv_node_state_is_terminal(report->nodes[n].facts.state)) because_of(q, &q->reasons.at[at], n);
    }
    r = &q->reasons.at[at];
    if (r->others.count) rv_buf_cstring(&r->text, "; open:"), name_others(q, r);
}

static void explain_waiting(question *q, uint32_t node, uint32_t depth)
{
    rv_str detail = q->report.nodes[node].facts.detail;
    if (rv_str_is(detail, "timer")) explain_timer(q, node, depth);
    else if (rv_str_is(detail, "event")) explain_event(q, node, depth);
    else if (rv_str_is(detail, "children")) explain_children(q, node, depth);
    else if (rv_str_is(detail, "budget")) explain_pause(q, node, depth);
    else explain_person(q, node, depth);
}

/* ---- places to run in ---- */

static bool is_at_work(const rv_report *report, uint32_t node)
{
    return report->nodes[node].facts.state == RV_NODE_RUNNING && rv_kind_needs_slot(rv_run_kind(report->run, node));
}

static bool has_tag(const rv_run *run, uint32_t node, uint32_t tag)
{
    const rv_run_class *class = &run->classes.at[rv_run_class_of(run, node)];
    for (uint32_t i = class->first; i < class->first + class->count; i++)
        if (run->class_tags.at[i] == tag) return true;
    return false;
}

/* A cap of one of its tags that is used up, and by whom. */
static bool explain_tag(question *q, uint32_t node, uint32_t depth)
{
    const rv_run *run = q->report.run;
    const rv_run_class *class = &run->classes.at[rv_run_class_of(run, node)];
    for (uint32_t i = class->first; i < class->first + class->count; i++) {
        uint32_t tag = run->class_tags.at[i], used = 0;
        if (run->tags.at[tag].cap == 0) continue;
        for (uint32_t n = 0; n < run->node_count; n++) used += is_at_work(&q->report, n) && has_tag(run, n, tag);
        if (used < run->tags.at[tag].cap) continue;
        reason *r = add(q, "tag", node, depth);
        rv_buf_printf(&r->text, "is ready, but only %u with the tag %.*s may run at a time:", run->tags.at[tag].cap,
                      RV_FMT(run->tags.at[tag].name));
        for (uint32_t n = 0; n < run->node_count; n++)
            if (is_at_work(&q->report, n) && has_tag(run, n, tag)) rv_vec_push(&r->others, n);
        name_others(q, r);
        return true;
    }
    return false;
}

static bool clash(const rv_run *run, uint32_t node, uint32_t claim, uint32_t other)
{
    const rv_graph *graph = rv_run_graph(run, node), *others = rv_run_graph(run, other);
    uint32_t set = rv_node_claims(rv_run_def(run, other));
    const rv_mutex_def *mutex = &graph->mutexes[RV_CLAIM_MUTEX(claim)];
    for (uint32_t i = 0; set && i < others->claim_sets[set - 1].count; i++) {
        uint32_t its = others->claims[others->claim_sets[set - 1].first + i];
        const rv_mutex_def *same = &others->mutexes[RV_CLAIM_MUTEX(its)];
        bool is_same = mutex->scope == same->scope && rv_str_eq(rv_graph_str(graph, mutex->name), rv_graph_str(others, same->name)) &&
                       rv_str_eq(rv_graph_str(graph, mutex->project), rv_graph_str(others, same->project));
        if (is_same && (RV_CLAIM_IS_EXCLUSIVE(claim) || RV_CLAIM_IS_EXCLUSIVE(its))) return true;
    }
    return false;
}

/* What the machine shares, and who elsewhere has it [A7]. */
static bool explain_machine(question *q, uint32_t node, uint32_t depth, bool is_tag, rv_str name)
{
    extern char **environ;
    rv_buf holders = {0};
    rv_machine_holders((const char *const *)environ, is_tag, name, &holders);
    rv_str rest = rv_buf_str(&holders);
    bool is_held = holders.size > 0;
    if (is_held) {
        reason *r = add(q, is_tag ? "tag" : "mutex", node, depth);
        if (is_tag) rv_buf_printf(&r->text, "is ready, but the machine's cap of the tag %.*s is used up by:", RV_FMT(name));
        else rv_buf_printf(&r->text, "is ready, but the mutex %.*s of this machine is held by:", RV_FMT(name));
        for (uint32_t i = 0; rest.size && i < NAMED_MAX; i++) {
            size_t end = RV_MIN(rv_str_find(rest, 0, '\n'), rest.size);
            rv_buf_printf(&r->text, "%s %.*s", i ? "," : "", RV_FMT(rv_str_cut(rest, 0, end)));
            rest = rv_str_from(rest, RV_MIN(end + 1, rest.size));
        }
    }
    rv_buf_deinit(&holders);
    return is_held;
}

static bool explain_machine_tag(question *q, uint32_t node, uint32_t depth)
{
    const rv_run *run = q->report.run;
    const rv_run_class *class = &run->classes.at[rv_run_class_of(run, node)];
    for (uint32_t i = class->first; i < class->first + class->count; i++) {
        const rv_run_tag *tag = &run->tags.at[run->class_tags.at[i]];
        if (tag->is_host && explain_machine(q, node, depth, true, tag->name)) return true;
    }
    return false;
}

/* A mutex that it needs, and who of the run holds it [A5]. */
static bool explain_mutex(question *q, uint32_t node, uint32_t depth)
{
    const rv_run *run = q->report.run;
    const rv_graph *graph = rv_run_graph(run, node);
    uint32_t set = rv_node_claims(rv_run_def(run, node));
    for (uint32_t i = 0; set && i < graph->claim_sets[set - 1].count; i++) {
        uint32_t claim = graph->claims[graph->claim_sets[set - 1].first + i];
        RV_VEC(uint32_t) holders = {0};
        for (uint32_t n = 0; n < run->node_count; n++)
            if (is_at_work(&q->report, n) && clash(run, node, claim, n)) rv_vec_push(&holders, n);
        if (holders.count) {
            reason *r = add(q, "mutex", node, depth);
            uint32_t at = q->reasons.count - 1;
            rv_buf_printf(&r->text, "is ready, but the mutex %.*s is held by:",
                          RV_FMT(rv_graph_str(graph, graph->mutexes[RV_CLAIM_MUTEX(claim)].name)));
            for (uint32_t n = 0; n < holders.count; n++) because_of(q, &q->reasons.at[at], holders.at[n]);
            name_others(q, &q->reasons.at[at]);
        }
        bool is_held = holders.count;
        rv_vec_deinit(&holders);
        const rv_mutex_def *mutex = &graph->mutexes[RV_CLAIM_MUTEX(claim)];
        bool is_machine = !is_held && mutex->scope == RV_MUTEX_HOST;
        if (is_held || (is_machine && explain_machine(q, node, depth, false, rv_graph_str(graph, mutex->name)))) return true;
    }
    return false;
}

/* What a gate of the run holds it back for: the pause of its budget, a quota and who uses it up, its trust. */
static void explain_gate(question *q, uint32_t node, uint32_t depth, const rv_gate_answer *answer)
{
    const rv_run *run = q->report.run;
    bool is_quota = strcmp(answer->stage, "quota") == 0, is_budget = strcmp(answer->stage, "budget") == 0;
    reason *r = add(q, answer->stage, node, depth);
    uint32_t at = q->reasons.count - 1;
    rv_buf_printf(&r->text, "is ready, but %s", answer->reason);
    if (is_budget) write_more(q, &r->command);
    for (uint32_t n = 0; n < run->node_count; n++) {
        bool is_paused = run->nodes[n].state == RV_NODE_WAITING && run->nodes[n].detail == RV_DETAIL_BUDGET;
        if (is_budget && is_paused) because_of(q, &q->reasons.at[at], n);
        if (is_quota && is_at_work(&q->report, n)) rv_vec_push(&r->others, n);
    }
    r = &q->reasons.at[at];
    if (r->others.count) rv_buf_byte(&r->text, ':'), name_others(q, r);
    if (!is_quota) return;
    rv_buf_printf(&r->command, "reeve approve %.*s --quota concurrent=%lld%.*s", RV_FMT(q->report.id),
                  (long long)run->limits.quota[RV_QUOTA_CONCURRENT] + 1, RV_FMT(rv_buf_str(&q->store)));
}

static void explain_ready(question *q, uint32_t node, uint32_t depth)
{
    const rv_run *run = q->report.run;
    rv_gate_request request = {.verb = RV_GATE_VERB_SPAWN, .node = node, .now = {q->report.now_ms, 0}};
    if (explain_tag(q, node, depth) || explain_mutex(q, node, depth) || explain_machine_tag(q, node, depth)) return;
    rv_gate_answer answer = run->nodes[node].state == RV_NODE_READY ? rv_gate(run, &request) : (rv_gate_answer){.reason = ""};
    if (answer.reason[0]) {
        explain_gate(q, node, depth, &answer);
        return;
    }
    reason *r = add(q, "slot", node, depth);
    for (uint32_t n = 0; n < run->node_count; n++)
        if (is_at_work(&q->report, n)) rv_vec_push(&r->others, n);
    rv_buf_cstring(&r->text, r->others.count ? "is ready, and waits until one of those that run has ended:" : "is ready, and begins next");
    name_others(q, r);
}

/* ---- what it needs, what befell it ---- */

static void explain_pending(question *q, uint32_t node, uint32_t depth)
{
    const rv_run *run = q->report.run;
    const rv_graph *graph = rv_run_graph(run, node);
    uint32_t def = run->nodes[node].def, at = q->reasons.count;
    if (rv_run_is_handler(run, node)) {
        rv_buf_cstring(&add(q, "handler", node, depth)->text, "is a handler: it begins when the graph has ended, if it ends that way");
        return;
    }
    add(q, "predecessor", node, depth);
    for (uint32_t e = graph->pred_begin[def]; e < graph->pred_begin[def + 1]; e++) {
        if (graph->pred[e] & RV_EDGE_EXTERNAL) continue;
        uint32_t pred = rv_run_at(run, run->nodes[node].place, RV_EDGE_NODE(graph->pred[e]));
        if (!rv_node_state_is_terminal(q->report.nodes[pred].facts.state)) because_of(q, &q->reasons.at[at], pred);
    }
    reason *r = &q->reasons.at[at];
    if (r->others.count == 0) r->kind = "turn";
    rv_buf_cstring(&r->text, r->others.count ? "waits for" : "has what it needs, and is decided next");
    name_others(q, r);
}

static void explain_ended(question *q, uint32_t node, uint32_t depth)
{
    const rv_report *report = &q->report;
    const rv_outcome_facts *facts = &report->nodes[node].facts;
    uint32_t root = facts->root.size ? rv_report_find(report, facts->root) : RV_NONE;
    bool is_caused = root != RV_NONE && root != node;
    reason *r = add(q, is_caused ? "root" : "outcome", node, depth);
    rv_buf_cstring(&r->text, rv_node_state_name(facts->state));
    size_t before = r->text.size;
    rv_buf_cstring(&r->text, ": ");
    rv_report_words(report, node, &r->text);
    if (r->text.size == before + 2) r->text.size = before;
    rv_str when = rv_graph_str(rv_run_graph(report->run, node), rv_run_def(report->run, node)->when);
    if (rv_str_is(facts->detail, "condition") && when.size) rv_buf_printf(&r->text, ": %.*s", RV_FMT(when));
    bool is_bad = facts->state == RV_NODE_FAILED || facts->state == RV_NODE_DENIED;
    if (is_caused) because_of(q, r, root);
    else if (is_bad && report->nodes[node].attempts) {
        rv_buf_printf(&r->command, "reeve logs %.*s ", RV_FMT(report->id));
        rv_ui_shell_word(&r->command, report->nodes[node].name);
        rv_buf_str_add(&r->command, rv_buf_str(&q->store));
    }
}

static void explain_running(question *q, uint32_t node, uint32_t depth)
{
    const rv_report_node *n = &q->report.nodes[node];
    reason *r = add(q, "running", node, depth);
    int64_t took = rv_report_took_ms(&q->report, n->started_ms, 0);
    rv_buf_cstring(&r->text, "runs");
    if (took >= 0) rv_buf_cstring(&r->text, " for "), rv_duration_write(&r->text, took);
    if (n->attempts > 1) rv_buf_printf(&r->text, ", attempt %u", n->attempts);
}

static void explain(question *q, uint32_t node, uint32_t depth)
{
    rv_node_state state = q->report.nodes[node].facts.state;
    if (rv_node_state_is_terminal(state)) explain_ended(q, node, depth);
    else if (state == RV_NODE_RUNNING) explain_running(q, node, depth);
    else if (state == RV_NODE_WAITING) explain_waiting(q, node, depth);
    else if (q->report.run->nodes[node].due_ms > 0) explain_timer(q, node, depth); /* the pause before another attempt */
    else if (state == RV_NODE_READY) explain_ready(q, node, depth);
    else explain_pending(q, node, depth);
}

/* Nothing goes on while nobody drives the run. */
static void explain_run(question *q, uint32_t node)
{
    const rv_report *report = &q->report;
    bool is_open = !rv_run_state_is_terminal((rv_run_state)report->run->status);
    if (report->is_live || !is_open || rv_node_state_is_terminal(report->nodes[node].facts.state)) return;
    reason *r = add(q, "run", node, 0);
    rv_buf_cstring(&r->text, "nobody drives its run");
    rv_buf_printf(&r->command, "reeve run --resume %.*s%s", RV_FMT(report->id), q->store.size ? q->store.at : "");
}

/* ---- telling ---- */

static void tell(const question *q)
{
    rv_buf out = {0};
    for (uint32_t i = 0; i < q->reasons.count; i++) {
        const reason *r = &q->reasons.at[i];
        const rv_report_node *node = &q->report.nodes[r->node];
        int indent = (int)(2 * RV_MIN(r->depth, 8u));
        rv_buf_printf(&out, "%*s", indent, "");
        rv_ui_style(&out, rv_ui_node_style(node->facts.state), rv_str_of(rv_ui_node_glyph(node->facts.state)));
        rv_buf_byte(&out, ' ');
        rv_ui_style(&out, RV_STYLE_BOLD, node->name);
        rv_buf_cstring(&out, "  ");
        rv_ui_plain(&out, rv_buf_str(&r->text), 0);
        if (rv_run_is_quarantined(q->report.run, r->node)) rv_ui_style(&out, RV_STYLE_YELLOW, RV_STR(RV_QUARANTINE_MARK));
        rv_buf_byte(&out, '\n');
        if (r->command.size == 0) continue;
        rv_buf_printf(&out, "%*s", indent + 4, "");
        rv_ui_style(&out, RV_STYLE_CYAN, rv_buf_str(&r->command));
        rv_buf_byte(&out, '\n');
    }
    rv_ui_out(rv_buf_str(&out));
    rv_buf_deinit(&out);
}

static void tell_json(const question *q, uint32_t asked)
{
    rv_buf out = {0};
    rv_json_writer w;
    rv_cli_json_begin(&w, &out);
    rv_jw_kv_str(&w, "run", q->report.id);
    rv_jw_kv_str(&w, "node", q->report.nodes[asked].name);
    rv_jw_kv_cstring(&w, "state", rv_node_state_name(q->report.nodes[asked].facts.state));
    if (q->report.nodes[asked].facts.detail.size) rv_jw_kv_str(&w, "detail", q->report.nodes[asked].facts.detail);
    rv_jw_key(&w, "reasons");
    rv_jw_array(&w);
    for (uint32_t i = 0; i < q->reasons.count; i++) {
        const reason *r = &q->reasons.at[i];
        rv_jw_object(&w);
        rv_jw_kv_cstring(&w, "kind", r->kind);
        rv_jw_kv_str(&w, "node", q->report.nodes[r->node].name);
        rv_jw_kv_i64(&w, "depth", r->depth);
        rv_jw_kv_str(&w, "text", rv_buf_str(&r->text));
        if (r->command.size) rv_jw_kv_str(&w, "command", rv_buf_str(&r->command));
        if (rv_run_is_quarantined(q->report.run, r->node)) rv_jw_kv_bool(&w, "is_quarantined", true);
        rv_jw_key(&w, "because_of");
        rv_jw_array(&w);
        for (uint32_t k = 0; k < r->others.count; k++) rv_jw_str(&w, q->report.nodes[r->others.at[k]].name);
        rv_jw_array_end(&w);
        rv_jw_object_end(&w);
    }
    rv_jw_array_end(&w);
    rv_cli_json_end(&w);
}

static void answer(question *q, uint32_t asked)
{
    rv_cli_store_option(q->args, &q->store);
    q->is_asked = rv_arena_new(&q->session.arena, bool, q->report.node_count + 1);
    follow(q, asked, 0);
    for (uint32_t i = 0; i < q->work.count && q->reasons.count < REASONS_MAX; i++) explain(q, q->work.at[i].left, q->work.at[i].right);
    explain_run(q, asked);
    if (q->args->is_json) tell_json(q, asked);
    else tell(q);
}

int rv_verb_why(const rv_args *args)
{
    if (rv_args_has(args, "file")) return rv_why_file(args);
    question q = {.args = args};
    rv_error err = {0};
    const char *name = rv_args_word(args, 0);
    uint32_t asked = RV_NONE;
    rv_status failed = rv_session_open(args, true, rv_args_value(args, "run"), &q.session, &err);
    if (failed == RV_OK) failed = rv_report_read(&q.session, &q.report, &err);
    if (failed == RV_OK && (asked = rv_report_named(&q.report, rv_str_of(name))) == RV_NONE)
        failed = rv_error_set(&err, RV_NOT_FOUND, "run %.*s has no node `%s`; `reeve show %.*s --all` lists them", RV_FMT(q.report.id),
                              name, RV_FMT(q.report.id));
    if (failed == RV_OK) answer(&q, asked);
    for (uint32_t i = 0; i < q.reasons.count; i++) {
        rv_buf_deinit(&q.reasons.at[i].text);
        rv_buf_deinit(&q.reasons.at[i].command);
        rv_vec_deinit(&q.reasons.at[i].others);
    }
    rv_vec_deinit(&q.reasons);
    rv_vec_deinit(&q.work);
    rv_buf_deinit(&q.store);
    rv_report_deinit(&q.report);
    rv_session_close(&q.session);
    return failed ? rv_cli_fail(args, &err) : 0;
}
