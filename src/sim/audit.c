#include "sim/inner.h"

/* What is in the store after a life, read by the store's own functions on a disk that does not fail. */

typedef struct audit {
    rv_sim_world *w;
    rv_run *by_facts, *by_deciding;
    uint64_t next_seq;
    int64_t engine_ms;
    rv_compiler compilers[2]; /* of what was submitted: by_facts, by_deciding */
    rv_sim_money money;
    RV_VEC(uint32_t) decided, steered; /* decisions and answers, directives by node */
    uint32_t signalled;
    bool is_cancelled;
} audit;

/* Copy what was decided: notes of late inputs stand without their input, clocks with them. */
static void decided_only(rv_str body, uint32_t event_count, rv_buf *out)
{
    const char *at = body.at, *end = at + body.size;
    rv_event event;
    for (uint32_t i = 0; i < event_count && rv_event_read(&at, end, &event, NULL) == RV_OK; i++)
        if (event.type != RV_EVENT_NOTE && event.type != RV_EVENT_CLOCK) rv_event_write(out, &event);
}

static void decide_again(audit *a, const rv_journal_row *row)
{
    const char *at = row->body.at, *end = at + row->body.size;
    rv_out out = {0};
    rv_buf recorded = {0}, again = {0};
    rv_now now = row->now;
    rv_event event;
    for (uint32_t i = 0; i < row->event_count && rv_event_read(&at, end, &event, NULL) == RV_OK; i++) {
        if (event.type == RV_EVENT_CLOCK) now = (rv_now){(int64_t)event.seed, event.due_ms};
        if (now.engine_ms < a->engine_ms) rv_sim_break(a->w, "engine time went back at event %llu", (unsigned long long)row->first_seq);
        a->engine_ms = now.engine_ms;
        if (!rv_event_is_input(event.type)) continue;
        if (event.type == RV_EVENT_CANCEL) a->is_cancelled = true;
        a->signalled += event.type == RV_EVENT_SIGNAL;
        while (a->decided.count < a->by_facts->node_count) rv_vec_push(&a->decided, 0u), rv_vec_push(&a->steered, 0u);
        if (event.type == RV_EVENT_DECIDED || event.type == RV_EVENT_ANSWER) a->decided.at[event.node]++;
        if (event.type == RV_EVENT_STEER) a->steered.at[event.node]++;
        if (rv_run_reserve(a->by_deciding, &out, &event) == RV_OK) rv_run_step(a->by_deciding, &event, now, &out);
    }
    decided_only(row->body, row->event_count, &recorded);
    decided_only(rv_buf_str(&out.journal), out.event_count, &again);
    if (!rv_str_eq(rv_buf_str(&recorded), rv_buf_str(&again)))
        rv_sim_break(a->w, "deciding again what event %llu records gives something else", (unsigned long long)row->first_seq);
    rv_buf_deinit(&recorded);
    rv_buf_deinit(&again);
    rv_out_deinit(&out);
}

/* What is met on the way, in numbers. */
static void count_event(audit *a, const rv_event *event)
{
    uint64_t *counts = a->w->result->counts;
    if (event->type == RV_EVENT_NODE_STATE) {
        counts[RV_SIM_SUPERSEDED] += event->state == RV_NODE_CANCELLED && event->detail == RV_DETAIL_SUPERSEDED &&
                                     rv_run_place(a->by_facts, event->node)->role == RV_SCOPE_SUBMITTED;
        counts[RV_SIM_BUDGET_PAUSES] += event->state == RV_NODE_WAITING && event->detail == RV_DETAIL_BUDGET;
        counts[RV_SIM_OVERSPENT] += event->state == RV_NODE_FAILED && event->detail == RV_DETAIL_BUDGET_SPENT;
        counts[RV_SIM_DENIALS] += event->state == RV_NODE_DENIED;
    }
    counts[RV_SIM_WARNINGS] += event->type == RV_EVENT_WARNED;
    counts[RV_SIM_SHARED] += event->type == RV_EVENT_BUDGET && event->flags == RV_BUDGET_ELSEWHERE;
    counts[RV_SIM_VIOLATIONS] += event->type == RV_EVENT_VIOLATION;
    counts[RV_SIM_BUDGET_STOPS] += event->type == RV_EVENT_PHASE && event->flags == RV_CLOSING_BUDGET;
}

/* As rv_run_replay does, with a look at each event before it is applied; what an audit has counted before is not counted again. */
static rv_status replay(audit *a, const rv_journal_row *row, rv_error *err)
{
    const char *at = row->body.at, *end = at + row->body.size;
    rv_event event, cause = {0};
    bool has_cause = false, is_new = row->first_seq > a->w->ledger.audited_seq;
    for (uint32_t i = 0; i < row->event_count; i++) {
        rv_status status = rv_event_read(&at, end, &event, err);
        if (status != RV_OK) return status;
        if (is_new) count_event(a, &event);
        rv_sim_money_take(&a->money, &event);
        status = rv_run_apply(a->by_facts, &event, has_cause ? &cause : NULL, err);
        if (status != RV_OK) return status;
        if (rv_event_is_input(event.type)) cause = event, has_cause = true;
    }
    rv_run_replayed(a->by_facts);
    return at == end ? RV_OK : rv_error_set(err, RV_CORRUPT, "a row has bytes after its last event");
}

/* Terminal nodes stay as they are [K4]. */
static void check_absorbs(audit *a, const rv_node_run *before, uint32_t count, uint64_t seq)
{
    for (uint32_t node = 0; node < count; node++)
        if (rv_node_state_is_terminal((rv_node_state)before[node].state) && before[node].state != a->by_facts->nodes[node].state)
            rv_sim_break(a->w, "P2: %.*s had ended and changed at event %llu", RV_FMT(rv_sim_id(a->w, a->by_facts, node)),
                         (unsigned long long)seq);
}

static rv_status take_row(void *user, const rv_journal_row *row)
{
    audit *a = user;
    rv_error err;
    uint32_t count = a->by_facts->node_count; /* what grows in this row was not there before */
    rv_node_run *before = rv_alloc(count * sizeof *before);
    memcpy(before, a->by_facts->nodes, count * sizeof *before);
    if (row->first_seq != a->next_seq) rv_sim_break(a->w, "the journal has a gap before event %llu", (unsigned long long)row->first_seq);
    a->next_seq = row->first_seq + row->event_count;
    if (replay(a, row, &err) != RV_OK) rv_sim_break(a->w, "replay: %s", err.text);
    const char *broken = rv_sim_is_broken(a->w) ? NULL : rv_run_check(a->by_facts);
    if (broken) rv_sim_break(a->w, "an invariant after event %llu: %s", (unsigned long long)row->first_seq, broken);
    check_absorbs(a, before, count, row->first_seq);
    if (!rv_sim_is_broken(a->w)) decide_again(a, row);
    a->w->result->counts[RV_SIM_ROWS]++;
    a->w->result->hash = rv_hash64(row->body, a->w->result->hash);
    rv_free(before);
    return rv_sim_is_broken(a->w) ? RV_CORRUPT : RV_OK;
}

/* ---- rows ---- */

/* Call `row` with the cells of each row of a query about the run. */
typedef void row_fn(audit *a, const rv_json *cells);
static void each_row(audit *a, const char *sql, row_fn *row)
{
    rv_buf lines = {0};
    rv_arena arena = {0};
    rv_error err;
    bool is_cut;
    rv_str run = rv_str_of(a->w->ledger.run);
    rv_status status = rv_store_query(a->w->store, rv_str_of(sql), &run, 1, 0, &lines, &is_cut, &err);
    if (status != RV_OK) rv_sim_break(a->w, "%s: %s", sql, err.text);
    rv_str rest = rv_buf_str(&lines);
    for (uint32_t number = 0; rest.size && status == RV_OK; number++) {
        size_t end = rv_str_find(rest, 0, '\n');
        rv_str line = end == SIZE_MAX ? rest : rv_str_cut(rest, 0, end);
        rv_json *cells = NULL;
        rest = end == SIZE_MAX ? (rv_str){NULL, 0} : rv_str_from(rest, end + 1);
        if (number > 0 && rv_json_parse(&arena, line, &cells, NULL) == RV_OK) row(a, cells);
    }
    rv_arena_deinit(&arena);
    rv_buf_deinit(&lines);
}

static int64_t number(const rv_json *cells, uint32_t column)
{
    int64_t value = 0;
    const rv_json *cell = rv_json_at(cells, column);
    return cell && rv_json_i64(cell, &value) ? value : 0;
}

/* A start that was only journaled ahead has not touched the row yet: those of running and ready nodes may lag. */
static void node_row(audit *a, const rv_json *cells)
{
    const rv_run *run = a->by_facts;
    uint64_t index = (uint64_t)number(cells, 0);
    if (index >= run->node_count) {
        rv_sim_break(a->w, "a row for node %llu, which is not there", (unsigned long long)index);
        return;
    }
    const rv_node_run *node = &run->nodes[index];
    bool is_same = rv_str_is(rv_json_at(cells, 1)->text, rv_node_state_name((rv_node_state)node->state)) &&
                   rv_str_is(rv_json_at(cells, 2)->text, rv_detail_name((rv_detail)node->detail)) && number(cells, 3) == node->epoch &&
                   number(cells, 4) == node->number;
    bool may_lag = node->state == RV_NODE_RUNNING || node->state == RV_NODE_READY;
    rv_str name = rv_sim_id(a->w, run, (uint32_t)index);
    if (!is_same && !may_lag) rv_sim_break(a->w, "the row of node %.*s does not say what the journal says", RV_FMT(name));
}

static void run_row(audit *a, const rv_json *cells)
{
    const rv_run *run = a->by_facts;
    bool is_over = rv_run_state_is_terminal((rv_run_state)run->status);
    rv_str told = rv_json_at(cells, 0)->text;
    bool is_same = rv_str_is(told, rv_run_state_name((rv_run_state)run->status));
    if (is_over)
        is_same = is_same && number(cells, 1) == run->counts[RV_NODE_SUCCEEDED] &&
                  number(cells, 2) == (int64_t)run->counts[RV_NODE_FAILED] + run->counts[RV_NODE_DENIED] &&
                  number(cells, 3) == run->counts[RV_NODE_CANCELLED] && (uint64_t)number(cells, 4) == a->next_seq - 1;
    if (is_over && !is_same) rv_sim_break(a->w, "the row of the run does not say what the journal says");
    for (uint32_t i = 0; i < RV_RUN_STATE_COUNT; i++)
        if (!is_over && rv_run_state_is_terminal((rv_run_state)i) && rv_str_is(told, rv_run_state_name((rv_run_state)i)))
            rv_sim_break(a->w, "the row of the run says that it has ended, the journal does not");
}

/* What of an attempt is recorded as open belongs to a node that runs, under its epoch. */
static void attempt_row(audit *a, const rv_json *cells)
{
    const rv_run *run = a->by_facts;
    uint64_t index = (uint64_t)number(cells, 0);
    const rv_node_run *node = index < run->node_count ? &run->nodes[index] : NULL;
    if (!node || number(cells, 1) > node->epoch) {
        rv_sim_break(a->w, "an attempt's row that the journal does not know of: node %llu", (unsigned long long)index);
        return;
    }
    bool is_open = rv_str_is(rv_json_at(cells, 2)->text, "running") || rv_str_is(rv_json_at(cells, 2)->text, "starting");
    if (is_open && (node->state != RV_NODE_RUNNING || number(cells, 1) != node->epoch))
        rv_sim_break(a->w, "an attempt of %.*s is open in its row, and over in the journal",
                     RV_FMT(rv_sim_id(a->w, run, (uint32_t)index)));
}

/* An open blocker is of a node that waits for a person. */
static void blocker_row(audit *a, const rv_json *cells)
{
    uint32_t node = rv_run_find(a->by_facts, rv_json_at(cells, 0)->text);
    const rv_node_run *at = node == RV_NONE ? NULL : &a->by_facts->nodes[node];
    if (!at || at->state != RV_NODE_WAITING || !rv_blocker_is_for_people((rv_detail)at->detail))
        rv_sim_break(a->w, "the question of %.*s is open in its row, and nobody waits for it", RV_FMT(rv_json_at(cells, 0)->text));
}

static void check_rows(audit *a)
{
    each_row(a, "SELECT \"index\", state, detail, epoch, attempts FROM node WHERE run = ?1", node_row);
    each_row(a, "SELECT status, nodes_succeeded, nodes_failed, nodes_cancelled, last_seq FROM run WHERE id = ?1", run_row);
    each_row(a, "SELECT node_index, epoch, state FROM attempt WHERE run = ?1", attempt_row);
    each_row(a, "SELECT node FROM blocker WHERE run = ?1 AND state = 'open'", blocker_row);
}

/* What people were promised is in the journal [P1]. */
static void check_promises(audit *a)
{
    rv_sim_world *w = a->w;
    for (uint32_t node = 0; node < a->by_facts->node_count; node++) {
        rv_str name = rv_sim_id(w, a->by_facts, node);
        uint32_t recorded = node < a->decided.count ? a->decided.at[node] : 0;
        if (rv_sim_entry_of(w, name)->decided > recorded)
            rv_sim_break(w, "P1: %u decisions about %.*s were acknowledged, the journal has %u", rv_sim_entry_of(w, name)->decided,
                         RV_FMT(name), recorded);
    }
    for (uint32_t node = 0; node < a->steered.count; node++)
        if (rv_sim_entry_of(w, rv_sim_id(w, a->by_facts, node))->steered > a->steered.at[node])
            rv_sim_break(w, "P1: %u directives to %.*s were acknowledged, the journal has %u",
                         rv_sim_entry_of(w, rv_sim_id(w, a->by_facts, node))->steered, RV_FMT(rv_sim_id(w, a->by_facts, node)),
                         a->steered.at[node]);
    if (w->ledger.signalled > a->signalled)
        rv_sim_break(w, "P1: %u events were acknowledged, the journal has %u", w->ledger.signalled, a->signalled);
    if (w->ledger.is_cancelled && !a->is_cancelled) rv_sim_break(w, "P1: a cancel was acknowledged and is not in the journal");
}

/* What was submitted and acknowledged is there, under the ids that were told [K20]; nothing is there twice. */
static void check_submissions(audit *a)
{
    rv_sim_world *w = a->w;
    const rv_run *run = a->by_facts;
    rv_map ids = {0};
    for (uint32_t node = 0; node < run->node_count; node++)
        if (rv_map_add(&ids, rv_sim_id(w, run, node), node) != RV_NONE)
            rv_sim_break(w, "K1: two nodes are called %.*s", RV_FMT(rv_sim_id(w, run, node)));
    for (uint32_t i = 0; i < w->ledger.given.count; i++) {
        const rv_sim_given *given = &w->ledger.given.at[i];
        rv_str name = w->ledger.entries.at[given->entry].name;
        uint32_t submitter = rv_map_get(&ids, name);
        uint32_t index = submitter == RV_NONE ? RV_NONE : rv_run_submission(run, submitter, rv_str_of(given->key));
        if (index == RV_NONE && given->is_acknowledged)
            rv_sim_break(w, "P1: what %.*s submitted as %s was acknowledged, and is not there", RV_FMT(name), given->key);
        if (index == RV_NONE) continue;
        const rv_place *place = &run->places.at[run->submissions.at[index].place];
        rv_buf told = {0};
        for (uint32_t n = 0; n < place->count; n++)
            rv_buf_printf(&told, "%s\"%.*s\"", n ? "," : "[", RV_FMT(rv_sim_id(w, run, place->base + n)));
        rv_buf_byte(&told, ']');
        if (given->ids.size && !rv_str_eq(given->ids, rv_buf_str(&told)))
            rv_sim_break(w, "K20: %.*s was told %.*s, the run has %.*s", RV_FMT(name), RV_FMT(given->ids), RV_FMT(rv_buf_str(&told)));
        rv_buf_deinit(&told);
    }
    rv_map_deinit(&ids);
}

static void read_run(audit *a)
{
    char stream[80];
    rv_error err = {0};
    (void)snprintf(stream, sizeof stream, "run/%s", a->w->ledger.run);
    if (rv_store_journal(a->w->store, rv_str_of(stream), 0, take_row, a, &err) != RV_OK)
        rv_sim_break(a->w, "reading the journal: %s", err.text);
    if (rv_sim_is_broken(a->w) || a->next_seq == 1) return;
    rv_buf facts = {0}, decisions = {0};
    rv_run_encode(a->by_facts, &facts);
    rv_run_encode(a->by_deciding, &decisions);
    if (!rv_str_eq(rv_buf_str(&facts), rv_buf_str(&decisions))) rv_sim_break(a->w, "replaying and deciding give different states");
    rv_buf_deinit(&facts);
    rv_buf_deinit(&decisions);
    rv_sim_money_take(&a->money, NULL);
    check_rows(a);
    check_promises(a);
    check_submissions(a);
    a->w->ledger.audited_seq = a->next_seq - 1;
}

void rv_sim_audit(rv_sim_world *w, const rv_spec *spec, rv_sim_look_fn *look, void *user)
{
    rv_error err = {0};
    audit a = {.w = w, .next_seq = 1, .by_facts = rv_run_new(&spec->graph), .by_deciding = rv_run_new(&spec->graph)};
    for (int i = 0; i < 2; i++) {
        a.compilers[i].graph = &spec->graph;
        rv_compiler_serve(&a.compilers[i], i ? a.by_deciding : a.by_facts);
    }
    rv_sim_money_begin(&a.money, w, a.by_facts);
    rv_store_config config = {.path = w->config->root, .vfs = rv_disk_vfs(w->disk), .is_single_threaded = true, .read_only = true};
    rv_status status = rv_store_open_sqlite(&config, &w->store, &err);
    if (status != RV_OK) w->store = NULL;
    if (status == RV_OK && w->ledger.run[0]) read_run(&a);
    else if (status != RV_OK && status != RV_NOT_FOUND && status != RV_UNSUPPORTED)
        rv_sim_break(w, "the store cannot be read: %s", err.text);
    if (w->store && rv_store_close(w->store, &err) != RV_OK) rv_sim_break(w, "the store cannot be closed: %s", err.text);
    w->store = NULL;
    bool is_there = a.next_seq > 1 && !rv_sim_is_broken(w);
    if (is_there) look(user, a.by_facts, a.next_seq - 1);
    else look(user, NULL, 0);
    rv_sim_money_deinit(&a.money);
    rv_run_free(a.by_facts);
    rv_run_free(a.by_deciding);
    for (int i = 0; i < 2; i++) rv_compiler_deinit(&a.compilers[i]);
    rv_vec_deinit(&a.decided), rv_vec_deinit(&a.steered);
}
