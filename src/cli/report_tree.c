/* report_tree.c: the children of controllers: in which order they are told, what a controller has come to, and the critical path
 * through them. Everything here is linear in nodes and places, but for one sort of the places of each controller on the path. */
#include <stdlib.h>

#include "cli/report.h"

const rv_control *rv_report_control(const rv_report *r, uint32_t node)
{
    uint32_t control = r->run->nodes[node].control;
    return control ? &r->run->controls.at[control - 1] : NULL;
}

static uint32_t next_revision(const rv_report *r, uint32_t node)
{
    uint32_t next = r->run->nodes[node].next;
    return next ? next - 1 : RV_NONE;
}

/* ---- order: owners first, children after them, place by place; what is done again after that ---- */

typedef struct walk_step { uint32_t node, place, offset; } walk_step; /* a controller whose children are being told */
typedef struct walk { walk_step stack[64]; uint32_t depth; } walk;

/* The next child of the innermost controller, or, when all are told, what it was done again as; RV_NONE: nothing is left. */
static uint32_t next_child(const rv_report *r, walk *w)
{
    while (w->depth > 0) {
        walk_step *s = &w->stack[w->depth - 1];
        const rv_control *control = rv_report_control(r, s->node);
        if (s->place == control->places.count) {
            w->depth--;
            uint32_t again = next_revision(r, s->node);
            if (again != RV_NONE) return again;
            continue;
        }
        const rv_place *place = &r->run->places.at[control->places.at[s->place]];
        if (s->offset < place->count) return place->base + s->offset++;
        s->place++;
        s->offset = 0;
    }
    return RV_NONE;
}

static void order_nodes(rv_report *r)
{
    uint32_t count = 0, next = 0, again = RV_NONE, top = r->spec->graph.top_count;
    walk w = {.depth = 0};
    bool *is_told = rv_arena_new(r->arena, bool, r->node_count + 1);
    r->order = rv_arena_new(r->arena, uint32_t, r->node_count + 1);
    for (;;) {
        uint32_t node = again != RV_NONE ? again : next_child(r, &w);
        if (node == RV_NONE) {
            while (next < r->node_count && (is_told[next] || (next >= top && r->nodes[next].parent != RV_NONE))) next++;
            if (next == r->node_count) break;
            node = next;
        }
        r->order[count++] = node;
        is_told[node] = true;
        const rv_control *control = rv_report_control(r, node);
        bool has_children = control && control->places.count && w.depth < RV_COUNT(w.stack);
        if (has_children) w.stack[w.depth++] = (walk_step){node, 0, 0};
        again = has_children ? RV_NONE : next_revision(r, node);
    }
    RV_ASSERT(count == r->node_count);
}

/* ---- places ---- */

static void end_places(rv_report *r)
{
    r->place_ended_ms = rv_arena_new(r->arena, int64_t, r->run->places.count + 1);
    for (uint32_t n = 0; n < r->node_count; n++) {
        int64_t *ended = &r->place_ended_ms[rv_run_home(r->run, r->run->nodes[n].place)];
        *ended = RV_MAX(*ended, r->nodes[n].ended_ms);
    }
}

rv_node_state rv_report_place_state(const rv_report *r, uint32_t index)
{
    static const rv_node_state order[] = {RV_NODE_FAILED, RV_NODE_DENIED,    RV_NODE_RUNNING, RV_NODE_WAITING,  RV_NODE_READY,
                                          RV_NODE_PENDING, RV_NODE_CANCELLED, RV_NODE_PARTIAL, RV_NODE_SUCCEEDED, RV_NODE_SKIPPED};
    _Static_assert(RV_COUNT(order) == RV_NODE_STATE_COUNT, "every state has a rank");
    const rv_place *place = &r->run->places.at[index];
    bool has[RV_NODE_STATE_COUNT] = {0};
    for (uint32_t first = place->base; first < place->base + place->count; first++) {
        uint32_t n = first;
        while (next_revision(r, n) != RV_NONE) n = next_revision(r, n);
        has[r->nodes[n].facts.state] = true;
    }
    for (size_t i = 0; i < RV_COUNT(order); i++)
        if (has[order[i]]) return order[i] == RV_NODE_DENIED ? RV_NODE_FAILED : order[i];
    return RV_NODE_PENDING;
}

/* ---- words ---- */

static void add_counts(rv_buf *out, const uint32_t counts[RV_NODE_STATE_COUNT], uint32_t to_come, bool is_over)
{
    static const rv_node_state order[] = {RV_NODE_SUCCEEDED, RV_NODE_PARTIAL, RV_NODE_FAILED,  RV_NODE_DENIED, RV_NODE_SKIPPED,
                                          RV_NODE_CANCELLED, RV_NODE_RUNNING, RV_NODE_WAITING, RV_NODE_READY,  RV_NODE_PENDING};
    const char *before = ": ";
    for (size_t i = 0; i < RV_COUNT(order); i++) {
        if (counts[order[i]] == 0) continue;
        rv_buf_printf(out, "%s%u %s", before, counts[order[i]], order[i] == RV_NODE_SUCCEEDED ? "ok" : rv_node_state_name(order[i]));
        before = ", ";
    }
    if (to_come) rv_buf_printf(out, "%s%u %s", before, to_come, is_over ? "never begun" : "to come");
}

static void foreach_words(const rv_report *r, uint32_t node, const rv_control *control, rv_buf *out)
{
    uint32_t counts[RV_NODE_STATE_COUNT] = {0};
    for (uint32_t i = 0; i < control->places.count; i++) counts[rv_report_place_state(r, control->places.at[i])]++;
    rv_buf_printf(out, "%u item%s", control->count, control->count == 1 ? "" : "s");
    add_counts(out, counts, control->count - RV_MIN(control->count, control->places.count),
               rv_node_state_is_terminal(r->nodes[node].facts.state));
}

static void loop_words(const rv_report *r, uint32_t node, const rv_control *control, rv_buf *out)
{
    uint32_t max = rv_run_control_def(r->run, node)->max, count = control->places.count;
    bool is_over = rv_node_state_is_terminal(r->nodes[node].facts.state);
    if (!is_over) rv_buf_printf(out, "iteration %u of at most %u", count, max);
    else rv_buf_printf(out, "%u iteration%s", count, count == 1 ? "" : "s");
    if (rv_str_is(r->nodes[node].note, "1")) rv_buf_cstring(out, ", its maximum");
}

static void tournament_words(const rv_report *r, uint32_t node, const rv_control *control, rv_buf *out)
{
    rv_buf_printf(out, "%u entrants", control->count);
    if (control->rounds.count) rv_buf_printf(out, ", %u round%s", control->rounds.count, control->rounds.count == 1 ? "" : "s");
    bool is_over = rv_node_state_is_terminal(r->nodes[node].facts.state);
    if (control->undecided && !is_over) {
        uint32_t matches = control->pairs.count - control->rounds.at[control->rounds.count - 1];
        rv_buf_printf(out, ", %u of %u matches of this round decided", matches - control->undecided, matches);
    }
    uint32_t winner = is_over ? rv_bracket_winner(r, node) : RV_NONE;
    if (winner != RV_NONE) rv_buf_printf(out, "; %.*s won", RV_FMT(r->nodes[control->entrants.at[winner]].name));
}

static void workflow_words(const rv_report *r, const rv_control *control, rv_buf *out)
{
    uint32_t counts[RV_NODE_STATE_COUNT] = {0}, total = 0;
    for (uint32_t i = 0; i < control->places.count; i++) {
        const rv_place *place = &r->run->places.at[control->places.at[i]];
        for (uint32_t n = place->base; n < place->base + place->count; n++) counts[r->nodes[n].facts.state]++, total++;
    }
    rv_buf_printf(out, "%u node%s", total, total == 1 ? "" : "s");
    add_counts(out, counts, 0, false);
}

void rv_report_controller_words(const rv_report *r, uint32_t node, rv_buf *out)
{
    const rv_control *control = rv_report_control(r, node);
    if (!control) return;
    switch (rv_run_kind(r->run, node)) {
    case RV_KIND_FOREACH: foreach_words(r, node, control, out); return;
    case RV_KIND_LOOP: loop_words(r, node, control, out); return;
    case RV_KIND_TOURNAMENT: tournament_words(r, node, control, out); return;
    case RV_KIND_WORKFLOW: workflow_words(r, control, out); return;
    case RV_KIND_CLASSIFY:
        if (r->nodes[node].note.size) rv_buf_printf(out, "took the branch %.*s", RV_FMT(r->nodes[node].note));
        return;
    case RV_KIND_RUN: case RV_KIND_SHELL: case RV_KIND_APPROVE: case RV_KIND_INPUT: case RV_KIND_WAIT: case RV_KIND_SET:
    case RV_KIND_REDUCE: case RV_KIND_COUNT: return;
    }
}

/* A controller that was kept although not all beneath it can be: an item had failed, the seed had decided. */
static bool is_kept_whole(const rv_report *r, uint32_t node)
{
    const rv_control *control = rv_str_is(r->nodes[node].facts.detail, "replay") ? rv_report_control(r, node) : NULL;
    bool is_found = false;
    for (uint32_t i = 0; control && i < control->places.count && !is_found; i++)
        is_found = rv_report_is_spared(r, r->run->places.at[control->places.at[i]].base);
    return is_found;
}

bool rv_report_pause_words(const rv_report *r, uint32_t node, rv_buf *out)
{
    const rv_report_node *n = &r->nodes[node];
    const rv_report_attempt *last = NULL;
    bool is_paused = n->facts.state == RV_NODE_WAITING && rv_str_is(n->facts.detail, "timer") && rv_run_kind(r->run, node) != RV_KIND_WAIT;
    for (uint32_t i = 0; i < r->attempt_count && is_paused; i++)
        if (r->attempts[i].node == node && (!last || r->attempts[i].number > last->number)) last = &r->attempts[i];
    if (!last) return false;
    rv_buf_printf(out, "waits for attempt %u after ", last->number + 1);
    size_t words = out->size;
    rv_words_why(out, &last->facts);
    if (out->size == words) rv_buf_str_add(out, last->state);
    return true;
}

void rv_report_words(const rv_report *r, uint32_t node, rv_buf *out)
{
    size_t before = out->size;
    if (rv_report_pause_words(r, node, out)) return;
    const rv_outcome_facts *facts = &r->nodes[node].facts;
    if (rv_report_is_spared(r, node)) {
        rv_buf_printf(out, "not done again: %.*s was kept", RV_FMT(r->nodes[rv_report_keeper(r, node)].name));
        return;
    }
    if (is_kept_whole(r, node)) {
        rv_buf_printf(out, "kept as a whole; what was in it: reeve show %.*s", RV_FMT(r->resumed_from));
        return;
    }
    rv_report_controller_words(r, node, out);
    bool is_plain = out->size > before && (facts->state == RV_NODE_SUCCEEDED || rv_str_is(facts->detail, "children"));
    if (is_plain && facts->state != RV_NODE_FAILED) return;
    size_t between = out->size;
    if (between > before) rv_buf_cstring(out, "; ");
    size_t words = out->size;
    rv_words_why(out, facts);
    if (out->size == words) out->size = between;
}

/* ---- the critical path ---- */

typedef struct place_end { int64_t ended_ms; uint32_t place; } place_end;
typedef struct control_ends { place_end *ends; uint32_t count; } control_ends; /* of a controller's places that have ended, by time */

static int by_end(const void *a, const void *b)
{
    const place_end *x = a, *y = b;
    if (x->ended_ms != y->ended_ms) return x->ended_ms < y->ended_ms ? -1 : 1;
    return x->place < y->place ? -1 : x->place > y->place;
}

static const control_ends *ends_of(const rv_report *r, control_ends *all, uint32_t node)
{
    const rv_control *control = rv_report_control(r, node);
    control_ends *c = &all[r->run->nodes[node].control - 1];
    if (c->ends) return c;
    c->ends = rv_arena_new(r->arena, place_end, control->places.count + 1);
    for (uint32_t i = 0; i < control->places.count; i++) {
        uint32_t place = control->places.at[i];
        if (r->place_ended_ms[place]) c->ends[c->count++] = (place_end){r->place_ended_ms[place], place};
    }
    qsort(c->ends, c->count, sizeof *c->ends, by_end);
    return c;
}

static bool ends_later(const rv_report *r, uint32_t node, uint32_t than)
{
    return r->nodes[node].ended_ms && (than == RV_NONE || r->nodes[node].ended_ms > r->nodes[than].ended_ms);
}

static uint32_t last_of_place(const rv_report *r, uint32_t index)
{
    const rv_place *place = &r->run->places.at[index];
    uint32_t last = RV_NONE;
    for (uint32_t first = place->base; first < place->base + place->count; first++)
        for (uint32_t n = first; n != RV_NONE; n = next_revision(r, n))
            if (ends_later(r, n, last)) last = n;
    return last;
}

/* The first instance of what an edge of `node` comes from: beside it, or, of a submitted node, one that the run had. */
static uint32_t first_pred(const rv_report *r, uint32_t node, uint32_t entry)
{
    const rv_place *home = &r->run->places.at[rv_run_home(r->run, r->run->nodes[node].place)];
    if (entry & RV_EDGE_EXTERNAL) return r->run->submissions.at[home->origin].externals.at[RV_EDGE_NODE(entry)];
    return home->base + (RV_EDGE_NODE(entry) - r->run->graphs.at[home->graph]->scopes[home->scope].first);
}

/* The instance, from `first` on, that was the latest to have ended when `node` began. */
static uint32_t instance_before(const rv_report *r, uint32_t node, uint32_t first)
{
    int64_t began_ms = r->nodes[node].started_ms ? r->nodes[node].started_ms : r->nodes[node].ended_ms;
    uint32_t found = first;
    for (uint32_t next; (next = next_revision(r, found)) != RV_NONE; found = next)
        if (r->nodes[next].ended_ms == 0 || r->nodes[next].ended_ms > began_ms) break;
    return found;
}

uint32_t rv_report_pred(const rv_report *r, uint32_t node, uint32_t entry) { return instance_before(r, node, first_pred(r, node, entry)); }

/* Who gave a node is what it came after, unless what it waits for ended when he was at work already. */
static uint32_t after_submitter(const rv_report *r, const rv_place *place, uint32_t last)
{
    uint32_t submitter = r->run->submissions.at[place->origin].node;
    bool is_later = last == RV_NONE || r->nodes[submitter].started_ms >= r->nodes[last].ended_ms;
    return is_later ? submitter : last;
}

/* The node that ended last among what `node` waited for in its own place. People's nodes have an end without a start. */
static uint32_t last_pred(const rv_report *r, uint32_t node)
{
    const rv_graph *graph = rv_run_graph(r->run, node);
    const rv_place *place = rv_run_place(r->run, node);
    uint32_t def = r->run->nodes[node].def, last = RV_NONE;
    for (uint32_t i = graph->pred_begin[def]; i < graph->pred_begin[def + 1]; i++) {
        uint32_t pred = rv_report_pred(r, node, graph->pred[i]);
        if (pred != node && ends_later(r, pred, last)) last = pred;
    }
    if (place->role == RV_SCOPE_SUBMITTED) return after_submitter(r, place, last);
    if (place->role != RV_SCOPE_REVISION) return last;
    uint32_t home = rv_run_home(r->run, r->run->nodes[node].place), reviser = RV_NONE; /* it said that all this is done again */
    for (uint32_t n = r->run->places.at[home].base + (graph->revises[place->revise].node - graph->scopes[place->scope].first);
         n != RV_NONE && n < place->base; n = next_revision(r, n))
        reviser = n;
    return reviser != RV_NONE && ends_later(r, reviser, last) ? reviser : last;
}

/* The place of the same controller that this one came after: it had ended when `node` began. */
static uint32_t place_before(const rv_report *r, control_ends *all, uint32_t node)
{
    const rv_place *place = rv_run_place(r->run, node);
    bool is_row = place->role == RV_SCOPE_ITERATION || place->role == RV_SCOPE_JUDGE ||
                  (place->role == RV_SCOPE_ITEM && rv_run_control_def(r->run, place->parent)->max > 0);
    if (!is_row) return RV_NONE;
    const control_ends *c = ends_of(r, all, place->parent);
    int64_t began_ms = r->nodes[node].started_ms ? r->nodes[node].started_ms : r->nodes[node].ended_ms;
    uint32_t low = 0, high = c->count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (c->ends[middle].ended_ms <= began_ms) low = middle + 1;
        else high = middle;
    }
    while (low > 0 && c->ends[low - 1].place >= r->run->nodes[node].place) low--; /* made later: it cannot be the reason */
    return low ? c->ends[low - 1].place : RV_NONE;
}

static uint32_t step_back(const rv_report *r, control_ends *all, uint32_t node)
{
    for (;;) {
        uint32_t before = last_pred(r, node);
        if (before != RV_NONE) return before;
        uint32_t parent = r->nodes[node].parent, place = parent == RV_NONE ? RV_NONE : place_before(r, all, node);
        if (place != RV_NONE) return last_of_place(r, place);
        if (parent == RV_NONE) return RV_NONE;
        node = parent;
    }
}

/* From the node that ended last, always back to what it waited for that ended last; into a controller's children where one is met. */
static void critical_path(rv_report *r)
{
    uint32_t last = RV_NONE;
    control_ends *all = rv_arena_new(r->arena, control_ends, r->run->controls.count + 1);
    for (uint32_t n = 0; n < r->node_count; n++) {
        bool is_top = r->nodes[n].parent == RV_NONE && !rv_run_is_handler(r->run, n);
        if (is_top && r->nodes[n].started_ms && ends_later(r, n, last)) last = n;
    }
    r->path = rv_arena_new(r->arena, uint32_t, r->node_count + 1);
    for (uint32_t steps = 0; last != RV_NONE && steps < 2 * r->node_count && r->path_count < r->node_count; steps++) {
        const control_ends *inside = rv_report_control(r, last) && !is_kept_whole(r, last) ? ends_of(r, all, last) : NULL;
        if (inside && inside->count) {
            last = last_of_place(r, inside->ends[inside->count - 1].place);
            continue;
        }
        r->path[r->path_count++] = last;
        last = step_back(r, all, last);
    }
    for (uint32_t i = 0; i < r->path_count / 2; i++) {
        uint32_t other = r->path[i];
        r->path[i] = r->path[r->path_count - 1 - i];
        r->path[r->path_count - 1 - i] = other;
    }
}

int64_t rv_report_path_ms(const rv_report *r, uint32_t i)
{
    const rv_report_node *node = &r->nodes[r->path[i]], *next = i + 1 < r->path_count ? &r->nodes[r->path[i + 1]] : NULL;
    bool is_open = node->ended_ms == 0 || (next && next->started_ms < node->ended_ms);
    bool is_beside = next && is_open && node->started_ms && next->started_ms > node->started_ms;
    return RV_MAX(rv_report_took_ms(r, node->started_ms, is_beside ? next->started_ms : node->ended_ms), 0);
}

void rv_report_arrange(rv_report *r)
{
    order_nodes(r);
    end_places(r);
    critical_path(r);
    for (uint32_t n = 0; n < r->node_count; n++) r->spared += rv_report_is_spared(r, n);
}
