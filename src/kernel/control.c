#include "kernel/run_private.h"

/* Controllers [K11–K15]. A controller executes nothing: when its turn comes it makes its first places and waits for its
 * children; each place that settles is tended here, once, and either another place follows or the controller's outcome.
 * Everything that is decided is a fact (CONTROL, GREW, RESULT, NODE_STATE …), so a replay grows the same run. */

#define RESULT_SIZE_MAX (16u << 20) /* of a controller: many results in one */

/* ---- small things that kinds share ---- */

static const rv_control *control_of(const rv_run *run, uint32_t node) { return &run->controls.at[run->nodes[node].control - 1]; }

void rv_step_grow(rv_step *step, uint32_t node, uint32_t scope, uint32_t ordinal, uint32_t count)
{
    rv_run *run = step->run;
    const rv_graph *graph = rv_run_graph(run, node);
    uint32_t size = graph->scopes[rv_run_control_def(run, node)->scope_first + scope].count;
    if (count == 0 || !rv_run_tends(run, node)) return;
    if (rv_step_denies_growth(step, node, count * size)) return;
    if (count > (RV_RUN_NODES_MAX - run->node_count) / RV_MAX(size, 1u)) {
        rv_step_error(step, node, RV_STR("the run would have more than 1048576 nodes; let its items be larger pieces of work"));
        rv_step_node(step, node, RV_CHANGE_FAIL, RV_DETAIL_CHILDREN_FAILED, node + 1);
        rv_step_call_off_children(step, node);
        return;
    }
    rv_step_emit(step, &(rv_event){.type = RV_EVENT_GREW, .node = node, .state = scope, .number = ordinal, .flags = count});
}

/* Of its nodes all that were carried out were kept from an earlier run [R1], and one was. */
static bool are_kept(const rv_run *run, const rv_control *control)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < control->places.count; i++) {
        const rv_place *place = &run->places.at[control->places.at[i]];
        for (uint32_t node = place->base; node < place->base + place->count; node++) {
            const rv_node_run *at = &run->nodes[node];
            rv_kind kind = rv_run_kind(run, node);
            bool is_kept = at->state == RV_NODE_SUCCEEDED && at->detail == RV_DETAIL_REPLAY && !at->next;
            bool is_computed = kind == RV_KIND_SET || kind == RV_KIND_REDUCE || at->state == RV_NODE_SKIPPED;
            if (!is_kept && !is_computed) return false;
            kept += is_kept;
        }
    }
    return kept > 0;
}

void rv_step_result(rv_step *step, uint32_t node, rv_str result)
{
    if (result.size > RESULT_SIZE_MAX) {
        rv_step_error(step, node, RV_STR("its children's results are over 16 MiB together; let them write artifacts"));
        rv_step_node(step, node, RV_CHANGE_FAIL, RV_DETAIL_VALUE, node + 1);
        return;
    }
    rv_step_emit(step, &(rv_event){.type = RV_EVENT_RESULT, .node = node, .value = result});
    bool was_kept = are_kept(step->run, control_of(step->run, node));
    if (was_kept) rv_step_node(step, node, RV_CHANGE_SUCCEED, RV_DETAIL_REPLAY, 0); /* final, as what is adopted */
    else rv_step_succeed(step, node, RV_DETAIL_FRESH);
}

static void fail_value(rv_step *step, uint32_t node, const rv_error *error)
{
    rv_step_error(step, node, rv_str_of(error->text));
    rv_step_node(step, node, RV_CHANGE_FAIL, RV_DETAIL_VALUE, node + 1);
}

void rv_step_child_failed(rv_step *step, uint32_t node, rv_detail detail, uint32_t child)
{
    rv_run *run = step->run;
    rv_buf text = {0};
    uint32_t root = run->nodes[child].root;
    RV_ASSERT(root != 0); /* of what failed there is always one: apply.c and check.c hold it */
    rv_run_id(run, root - 1, &text);
    rv_buf_printf(&text, " %s", rv_node_state_name((rv_node_state)run->nodes[root - 1].state));
    rv_str reason = rv_run_error(run, root - 1);
    if (reason.size) rv_buf_printf(&text, ": %.*s", (int)RV_MIN(reason.size, (size_t)512), reason.at);
    rv_step_error(step, node, rv_buf_str(&text));
    rv_buf_deinit(&text);
    rv_step_node(step, node, RV_CHANGE_FAIL, detail, root);
}

void rv_step_child_skipped(rv_step *step, uint32_t node, uint32_t child)
{
    const rv_node_run *found = &step->run->nodes[child];
    rv_step_node(step, node, RV_CHANGE_SKIP, (rv_detail)found->detail, found->root);
}

/* A settled place that did not succeed decides its controller: it fails, or it shares what befell its child. */
static void end_badly(rv_step *step, uint32_t node, rv_node_state outcome, rv_detail detail, uint32_t child)
{
    if (outcome == RV_NODE_FAILED) rv_step_child_failed(step, node, detail, child);
    else rv_step_child_skipped(step, node, child);
}

rv_node_state rv_place_outcome(const rv_run *run, uint32_t place_index, uint32_t *ret_node)
{
    const rv_place *place = &run->places.at[place_index];
    rv_node_state worst = RV_NODE_SUCCEEDED;
    *ret_node = RV_NONE;
    for (uint32_t i = 0; i < place->count; i++) {
        uint32_t node = rv_run_at(run, place_index, run->nodes[place->base + i].def); /* the latest */
        rv_node_state state = (rv_node_state)run->nodes[node].state;
        rv_detail detail = (rv_detail)run->nodes[node].detail;
        bool is_harmless = state == RV_NODE_SUCCEEDED || state == RV_NODE_PARTIAL ||
                           (state == RV_NODE_SKIPPED && (detail == RV_DETAIL_CONDITION || detail == RV_DETAIL_PRUNED));
        if (is_harmless) continue;
        if (state == RV_NODE_FAILED || state == RV_NODE_DENIED) {
            *ret_node = node;
            return RV_NODE_FAILED;
        }
        RV_ASSERT(state == RV_NODE_SKIPPED); /* beneath a controller that goes on nothing is cancelled (11) */
        if (worst == RV_NODE_SUCCEEDED) *ret_node = node, worst = state;
    }
    return worst;
}

static bool is_sink(const rv_graph *graph, uint32_t def)
{
    return graph->succ_begin[def] == graph->succ_begin[def + 1];
}

/* null: nothing of it. A node that succeeded without a result gives {}. */
static void add_node_result(const rv_run *run, uint32_t node, rv_buf *out)
{
    bool is_good = run->nodes[node].state == RV_NODE_SUCCEEDED || run->nodes[node].state == RV_NODE_PARTIAL;
    rv_str result = rv_run_result(run, node);
    if (!is_good) rv_buf_cstring(out, "null");
    else if (result.size == 0) rv_buf_cstring(out, "{}");
    else rv_buf_str_add(out, result);
}

void rv_place_result(const rv_run *run, uint32_t place_index, rv_buf *out)
{
    const rv_place *place = &run->places.at[place_index];
    const rv_graph *graph = run->graphs.at[place->graph];
    bool is_first = true;
    if (!graph->scopes[place->scope].is_named) {
        add_node_result(run, rv_run_at(run, place_index, run->nodes[place->base].def), out);
        return;
    }
    rv_buf_byte(out, '{');
    for (uint32_t i = 0; i < place->count; i++) {
        uint32_t def = run->nodes[place->base + i].def;
        if (!is_sink(graph, def)) continue;
        if (!is_first) rv_buf_byte(out, ',');
        is_first = false;
        rv_json_quote(out, rv_graph_name(graph, def));
        rv_buf_byte(out, ':');
        add_node_result(run, rv_run_at(run, place_index, def), out);
    }
    rv_buf_byte(out, '}');
}

/* A controller fails with what is beneath it, but a tournament, which looks for others, and a foreach that does not ask for all. */
bool rv_run_is_doomed_by(const rv_run *run, uint32_t node)
{
    for (uint32_t owner = rv_run_place(run, node)->parent; owner != RV_NONE; owner = rv_run_place(run, owner)->parent) {
        rv_kind kind = rv_run_kind(run, owner);
        bool is_all = kind != RV_KIND_FOREACH || rv_run_control_def(run, owner)->join == RV_JOIN_ALL;
        if (run->nodes[owner].state != RV_NODE_WAITING || kind == RV_KIND_TOURNAMENT || !is_all) return false;
    }
    return !rv_run_is_handler(run, node);
}

/* ---- calling off ---- */

static void call_off_node(rv_step *step, uint32_t node)
{
    rv_run *run = step->run;
    rv_node_state state = (rv_node_state)run->nodes[node].state;
    if (rv_node_state_is_terminal(state)) return;
    bool is_unknown = state == RV_NODE_WAITING && run->nodes[node].detail == RV_DETAIL_UNKNOWN_OUTCOME;
    if (is_unknown || state == RV_NODE_RUNNING) {
        if (run->nodes[node].flags & RV_NODE_R_CALLED_OFF) return;
        rv_step_emit(step, &(rv_event){.type = RV_EVENT_CALLED_OFF, .node = node});
        if (!is_unknown) rv_step_effect(step, RV_EFFECT_STOP, node, RV_DETAIL_SUPERSEDED);
        return; /* somebody must still say what it did; it does not begin again */
    }
    rv_step_node(step, node, RV_CHANGE_CANCEL, RV_DETAIL_SUPERSEDED, node + 1);
}

void rv_step_call_off(rv_step *step, uint32_t place_index)
{
    rv_run *run = step->run;
    uint32_t bottom = run->scratch.count;
    rv_vec_push(&run->scratch, place_index);
    while (run->scratch.count > bottom) { /* owners first, so that nothing grows beneath them */
        uint32_t index = rv_vec_pop(&run->scratch);
        for (uint32_t k = 0; k < run->places.at[index].count; k++) {
            uint32_t node = rv_run_at(run, index, run->nodes[run->places.at[index].base + k].def);
            call_off_node(step, node);
            if (run->nodes[node].control == 0) continue;
            const rv_control *control = control_of(run, node);
            for (uint32_t i = control->places.count; control->open && i-- > 0;)
                if (run->places.at[control->places.at[i]].open) rv_vec_push(&run->scratch, control->places.at[i]);
        }
    }
}

void rv_step_call_off_children(rv_step *step, uint32_t node)
{
    for (uint32_t i = 0; i < control_of(step->run, node)->places.count; i++) {
        uint32_t place = control_of(step->run, node)->places.at[i];
        if (step->run->places.at[place].open) rv_step_call_off(step, place);
    }
}

/* ---- foreach ---- */

static int badness(rv_node_state outcome) { return outcome == RV_NODE_FAILED ? 2 : outcome == RV_NODE_SKIPPED; }

static void foreach_finish(rv_step *step, uint32_t node)
{
    rv_run *run = step->run;
    const rv_control *control = control_of(run, node);
    uint32_t bad = RV_NONE, child;
    rv_buf out = {0}, failed = {0};
    rv_node_state worst = RV_NODE_SUCCEEDED;
    rv_buf_cstring(&out, "{\"results\":[");
    for (uint32_t i = 0; i < control->count; i++) {
        bool is_there = i < control->places.count && run->places.at[control->places.at[i]].open == 0;
        rv_node_state outcome = is_there ? rv_place_outcome(run, control->places.at[i], &child) : RV_NODE_CANCELLED;
        if (i > 0) rv_buf_byte(&out, ',');
        if (outcome == RV_NODE_SUCCEEDED) rv_place_result(run, control->places.at[i], &out);
        else rv_buf_cstring(&out, "null");
        if (outcome == RV_NODE_FAILED) rv_buf_printf(&failed, "%s%u", failed.size ? "," : "", i);
        if (is_there && badness(outcome) > badness(worst)) worst = outcome, bad = child;
    }
    rv_buf_cstring(&out, "],\"failed\":[");
    rv_buf_str_add(&out, rv_buf_str(&failed));
    rv_buf_cstring(&out, "]}");
    rv_join join = (rv_join)rv_run_control_def(run, node)->join;
    if (join == RV_JOIN_ALL && bad != RV_NONE) end_badly(step, node, worst, RV_DETAIL_CHILDREN_FAILED, bad);
    else rv_step_result(step, node, rv_buf_str(&out));
    rv_buf_deinit(&out);
    rv_buf_deinit(&failed);
}

/* Items that may begin now, beside those that are under way. */
static void foreach_fill(rv_step *step, uint32_t node)
{
    const rv_control *control = control_of(step->run, node);
    uint32_t made = control->places.count, bound = rv_run_control_def(step->run, node)->max, left = control->count - made;
    bool is_ending = step->run->closing != RV_CLOSING_NO && step->run->closing != RV_CLOSING_INTERRUPT;
    if (is_ending || step->is_failing) return; /* nothing begins any more */
    uint32_t room = bound > control->open ? bound - control->open : 0;
    if (bound) left = RV_MIN(left, room);
    rv_step_grow(step, node, 0, made, left);
}

/* The rest of the items never begins. A run that is called off has called its controllers off at once, so this one winds down. */
static void foreach_give_up(rv_step *step, uint32_t node)
{
    RV_ASSERT(rv_run_is_winding_down(step->run) || step->is_failing);
    rv_step_node(step, node, RV_CHANGE_SKIP, rv_run_skip_cause(step->run), 0);
}

/* The lines of a text, but for empty ones, as a list of strings. */
static rv_json *lines_of(rv_arena *arena, rv_str text)
{
    rv_json *list = rv_arena_new(arena, rv_json, 1), **end = &list->child;
    list->kind = RV_JSON_ARRAY;
    for (size_t at = 0; at < text.size;) {
        size_t stop = RV_MIN(rv_str_find(text, at, '\n'), text.size);
        if (stop > at) {
            *end = rv_arena_new(arena, rv_json, 1);
            (*end)->kind = RV_JSON_STRING;
            (*end)->text = rv_str_cut(text, at, stop - at);
            end = &(*end)->next;
            list->count++;
        }
        at = stop + 1;
    }
    return list;
}

static void foreach_begin(rv_step *step, uint32_t node)
{
    rv_run *run = step->run;
    rv_buf items = {0}, filled = {0};
    rv_error error = {0};
    rv_arena arena = {0};
    rv_json *list = NULL;
    rv_status status = rv_run_fill(run, node, rv_graph_str(rv_run_graph(run, node), rv_run_control_def(run, node)->items), &items, &error);
    if (status == RV_OK) status = rv_json_parse(&arena, rv_buf_str(&items), &list, &error);
    if (status == RV_OK && list->kind == RV_JSON_STRING) { /* text: the JSON list that it holds, else its lines */
        rv_str text = list->text;
        rv_json *inner = NULL;
        if (rv_json_parse(&arena, text, &inner, NULL) == RV_OK && inner->kind == RV_JSON_ARRAY) list = inner;
        else list = lines_of(&arena, text);
        filled = items; /* the list's texts may lie in it */
        items = (rv_buf){0};
        rv_json_write(&items, list, true);
    }
    if (status == RV_OK && list->kind != RV_JSON_ARRAY) status = rv_error_set(&error, RV_INVALID, "`items` is no list");
    if (status == RV_OK && list->count > RV_NODES_MAX) status = rv_error_set(&error, RV_INVALID,
        "`items` has more than %u items", RV_NODES_MAX);
    if (status != RV_OK) {
        fail_value(step, node, &error);
    } else {
        rv_step_emit(step, &(rv_event){.type = RV_EVENT_CONTROL, .node = node, .number = list->count, .value = rv_buf_str(&items)});
        rv_step_node(step, node, RV_CHANGE_PARK, RV_DETAIL_CHILDREN, 0);
        if (list->count == 0) foreach_finish(step, node);
        else foreach_fill(step, node);
    }
    rv_buf_deinit(&filled);
    rv_buf_deinit(&items);
    rv_arena_deinit(&arena);
}

static bool has_failed(const rv_run *run, const rv_control *control)
{
    uint32_t child;
    for (uint32_t i = 0; i < control->places.count; i++)
        if (rv_place_outcome(run, control->places.at[i], &child) == RV_NODE_FAILED) return true;
    return false;
}

static void foreach_tend(rv_step *step, uint32_t node, uint32_t place)
{
    const rv_control *control = control_of(step->run, node);
    rv_join join = (rv_join)rv_run_control_def(step->run, node)->join;
    uint32_t child;
    rv_node_state outcome = rv_place_outcome(step->run, place, &child);
    bool is_decided = (join == RV_JOIN_ANY && outcome == RV_NODE_SUCCEEDED) || join == RV_JOIN_RACE;
    if (is_decided) {
        if (outcome == RV_NODE_SUCCEEDED) foreach_finish(step, node);
        else end_badly(step, node, outcome, RV_DETAIL_CHILDREN_FAILED, child);
        rv_step_call_off_children(step, node);
        return;
    }
    foreach_fill(step, node);
    control = control_of(step->run, node);
    if (control->open || !rv_run_tends(step->run, node)) return;
    if (join == RV_JOIN_ANY) end_badly(step, node, outcome, RV_DETAIL_CHILDREN_FAILED, child); /* none succeeded: the last one tells */
    else if (control->places.count < control->count && !(join == RV_JOIN_ALL && has_failed(step->run, control)))
        foreach_give_up(step, node);
    else foreach_finish(step, node);
}

/* ---- loop ---- */

/* Whether the iteration that has just ended says that it was the last: `continue: false`, or `until` holds. */
static rv_status loop_is_over(rv_step *step, uint32_t node, uint32_t child, uint32_t iteration, bool *ret, rv_error *err)
{
    rv_run *run = step->run;
    rv_str until = rv_graph_str(rv_run_graph(run, node), rv_run_control_def(run, node)->until);
    rv_arena arena = {0};
    rv_json *result = NULL;
    const rv_json *value = NULL;
    rv_status status = RV_OK;
    *ret = run->nodes[child].state == RV_NODE_SKIPPED; /* its own `when` was false */
    if (rv_run_result(run, child).size && rv_json_parse(&arena, rv_run_result(run, child), &result, NULL) == RV_OK) {
        const rv_json *goes_on = rv_json_get(result, RV_STR("continue"));
        bool is_text = goes_on && goes_on->kind == RV_JSON_STRING; /* as `continue=false` in $REEVE_OUTPUT gives it */
        *ret |= goes_on && (goes_on->kind == RV_JSON_FALSE || (is_text && rv_str_is(goes_on->text, "false")));
    }
    if (!*ret && until.size) {
        status = rv_run_eval(run, node, iteration, &arena, until, &value, err);
        if (status == RV_OK && value->kind != RV_JSON_TRUE && value->kind != RV_JSON_FALSE)
            status = rv_error_set(err, RV_INVALID, "`until` is neither true nor false; compare it with something");
        *ret = status == RV_OK && value->kind == RV_JSON_TRUE;
    }
    rv_arena_deinit(&arena);
    return status;
}

static void loop_tend(rv_step *step, uint32_t node, uint32_t place)
{
    rv_run *run = step->run;
    uint32_t iteration = run->places.at[place].ordinal, max = rv_run_control_def(run, node)->max, bad;
    uint32_t child = rv_run_at(run, place, run->nodes[run->places.at[place].base].def);
    rv_node_state outcome = rv_place_outcome(run, place, &bad);
    rv_error error = {0};
    bool is_over = false;
    if (outcome != RV_NODE_SUCCEEDED) {
        end_badly(step, node, outcome, RV_DETAIL_ITERATION, bad);
        return;
    }
    if (loop_is_over(step, node, child, iteration, &is_over, &error) != RV_OK) {
        fail_value(step, node, &error);
        return;
    }
    if (!is_over && iteration < max) {
        rv_step_grow(step, node, 0, iteration + 1, 1);
        return;
    }
    rv_buf out = {0};
    rv_buf_cstring(&out, "{\"value\":");
    rv_place_result(run, place, &out);
    rv_buf_printf(&out, ",\"iterations\":%u,\"exhausted\":%s}", iteration, is_over ? "false" : "true");
    rv_step_result(step, node, rv_buf_str(&out));
    rv_buf_deinit(&out);
}

/* ---- classify ---- */

static bool is_in_branch(const rv_graph *graph, const rv_branch_def *branch, uint32_t def)
{
    for (uint32_t i = branch->first; i < branch->first + branch->count; i++)
        if (graph->branch_nodes[i] == def) return true;
    return false;
}

/* The nodes of the branches not taken, but for those that the taken one shares, before anything is promoted [K12]. */
static void prune(rv_step *step, uint32_t node, const rv_branch_def *taken)
{
    rv_run *run = step->run;
    const rv_graph *graph = rv_run_graph(run, node);
    const rv_control_def *def = rv_run_control_def(run, node);
    for (uint32_t b = def->branch_first; b < def->branch_first + def->branch_count; b++)
        for (uint32_t i = graph->branches[b].first; &graph->branches[b] != taken &&
             i < graph->branches[b].first + graph->branches[b].count; i++) {
            uint32_t other = rv_run_at(run, run->nodes[node].place, graph->branch_nodes[i]);
            if (is_in_branch(graph, taken, graph->branch_nodes[i]) || run->nodes[other].state != RV_NODE_PENDING) continue;
            rv_step_node(step, other, RV_CHANGE_SKIP, RV_DETAIL_PRUNED, 0);
        }
}

static const rv_branch_def *find_branch(const rv_graph *graph, const rv_control_def *def, rv_str label)
{
    for (uint32_t b = def->branch_first; b < def->branch_first + def->branch_count; b++)
        if (rv_str_eq(rv_graph_str(graph, graph->branches[b].label), label)) return &graph->branches[b];
    return NULL;
}

/* What of a classifier's result is the label: `branch`; of a person's answer and decision that. */
static rv_str label_key(rv_kind kind)
{
    return kind == RV_KIND_INPUT ? RV_STR("value") : kind == RV_KIND_APPROVE ? RV_STR("decision") : RV_STR("branch");
}

/* The branch that a result names under `key`. NULL: none; *ret_label: what it names, borrowed from the arena. */
static const rv_branch_def *branch_of(const rv_run *run, uint32_t node, rv_arena *arena, rv_str text, rv_str key, rv_str *ret_label)
{
    rv_json *result = NULL;
    const rv_json *label = NULL;
    if (text.size && rv_json_parse(arena, text, &result, NULL) == RV_OK) label = rv_json_get(result, key);
    if (!label || label->kind != RV_JSON_STRING) return NULL;
    *ret_label = label->text;
    return find_branch(rv_run_graph(run, node), rv_run_control_def(run, node), label->text);
}

void rv_step_take_branch(rv_step *step, uint32_t node, rv_str result)
{
    rv_arena arena = {0};
    rv_str label = {0};
    const rv_branch_def *taken = branch_of(step->run, node, &arena, result, RV_STR("branch"), &label);
    if (taken) prune(step, node, taken);
    rv_arena_deinit(&arena);
}

static void classify_tend(rv_step *step, uint32_t node, uint32_t place)
{
    rv_run *run = step->run;
    uint32_t child = rv_run_at(run, place, run->nodes[run->places.at[place].base].def), bad;
    rv_node_state outcome = rv_place_outcome(run, place, &bad);
    rv_arena arena = {0};
    if (outcome != RV_NODE_SUCCEEDED) {
        end_badly(step, node, outcome, RV_DETAIL_CHILDREN_FAILED, bad);
        return;
    }
    rv_str label = {0};
    rv_kind kind = rv_run_kind(run, child);
    const rv_branch_def *taken = branch_of(run, node, &arena, rv_run_result(run, child), label_key(kind), &label);
    rv_buf out = {0};
    if (taken) {
        prune(step, node, taken);
        rv_buf_cstring(&out, "{\"branch\":");
        rv_json_quote(&out, label);
        rv_buf_byte(&out, '}');
        rv_step_result(step, node, rv_buf_str(&out));
    } else {
        if (label.at) rv_buf_printf(&out, "`%.*s` is none of its branches", (int)RV_MIN(label.size, (size_t)80), label.at);
        else if (kind == RV_KIND_INPUT) rv_buf_cstring(&out, "the answer is no label; let the question's `schema` have an `enum` of them");
        else rv_buf_cstring(&out, "the classifier named no branch; it writes branch=LABEL to $REEVE_OUTPUT");
        rv_step_error(step, node, rv_buf_str(&out));
        rv_step_node(step, node, RV_CHANGE_FAIL, RV_DETAIL_BRANCH, node + 1);
    }
    rv_buf_deinit(&out);
    rv_arena_deinit(&arena);
}

/* ---- sub-workflow ---- */

static void workflow_begin(rv_step *step, uint32_t node)
{
    rv_run *run = step->run;
    rv_buf params = {0};
    rv_error error = {0};
    rv_str text = rv_graph_str(rv_run_graph(run, node), rv_run_control_def(run, node)->params);
    if (rv_run_fill(run, node, text.size ? text : RV_STR("{}"), &params, &error) != RV_OK) {
        fail_value(step, node, &error);
    } else {
        rv_step_emit(step, &(rv_event){.type = RV_EVENT_CONTROL, .node = node, .number = 1, .value = rv_buf_str(&params)});
        rv_step_node(step, node, RV_CHANGE_PARK, RV_DETAIL_CHILDREN, 0);
        rv_step_grow(step, node, 0, 0, 1);
    }
    rv_buf_deinit(&params);
}

/* `result: {k: expression}`, evaluated inside. */
static rv_status workflow_result(rv_run *run, uint32_t node, uint32_t place, rv_buf *out, rv_error *err)
{
    const rv_graph *graph = rv_run_graph(run, node);
    const rv_control_def *def = rv_run_control_def(run, node);
    rv_arena arena = {0};
    rv_status status = RV_OK;
    if (def->result_count == 0) {
        rv_place_result(run, place, out);
        return RV_OK;
    }
    rv_buf_byte(out, '{');
    for (uint32_t i = def->result_first; i < def->result_first + def->result_count; i++) {
        const rv_json *value = NULL;
        status = rv_run_eval(run, run->places.at[place].base, 0, &arena, rv_graph_str(graph, graph->set_items[i].expression), &value, err);
        if (status != RV_OK) break;
        if (i > def->result_first) rv_buf_byte(out, ',');
        rv_json_quote(out, rv_graph_str(graph, graph->set_items[i].key));
        rv_buf_byte(out, ':');
        rv_json_write(out, value, true);
    }
    rv_buf_byte(out, '}');
    rv_arena_deinit(&arena);
    return status;
}

static void workflow_tend(rv_step *step, uint32_t node, uint32_t place)
{
    uint32_t bad;
    rv_node_state outcome = rv_place_outcome(step->run, place, &bad);
    rv_buf out = {0};
    rv_error error = {0};
    if (outcome != RV_NODE_SUCCEEDED) end_badly(step, node, outcome, RV_DETAIL_CHILDREN_FAILED, bad);
    else if (workflow_result(step->run, node, place, &out, &error) != RV_OK) fail_value(step, node, &error);
    else rv_step_result(step, node, rv_buf_str(&out));
    rv_buf_deinit(&out);
}

/* ---- all kinds ---- */

void rv_step_control(rv_step *step, uint32_t node)
{
    switch (rv_run_kind(step->run, node)) {
    case RV_KIND_FOREACH: foreach_begin(step, node); return;
    case RV_KIND_WORKFLOW: workflow_begin(step, node); return;
    case RV_KIND_TOURNAMENT: rv_step_tournament(step, node); return;
    case RV_KIND_LOOP:
    case RV_KIND_CLASSIFY:
        rv_step_emit(step, &(rv_event){.type = RV_EVENT_CONTROL, .node = node, .number = 1});
        rv_step_node(step, node, RV_CHANGE_PARK, RV_DETAIL_CHILDREN, 0);
        rv_step_grow(step, node, 0, rv_run_kind(step->run, node) == RV_KIND_LOOP, 1);
        return;
    case RV_KIND_RUN: case RV_KIND_SHELL: case RV_KIND_APPROVE: case RV_KIND_INPUT: case RV_KIND_WAIT: case RV_KIND_SET:
    case RV_KIND_REDUCE: case RV_KIND_COUNT: RV_UNREACHABLE();
    }
}

void rv_step_tend(rv_step *step, uint32_t place)
{
    uint32_t node = step->run->places.at[place].parent;
    bool is_open = step->run->places.at[place].open > 0; /* again: one of its nodes is being revised */
    RV_ASSERT(node != RV_NONE); /* settle_place puts only places of controllers on the list */
    if (is_open || !rv_run_tends(step->run, node)) return; /* it was decided without this one */
    switch (rv_run_kind(step->run, node)) {
    case RV_KIND_FOREACH: foreach_tend(step, node, place); return;
    case RV_KIND_LOOP: loop_tend(step, node, place); return;
    case RV_KIND_CLASSIFY: classify_tend(step, node, place); return;
    case RV_KIND_WORKFLOW: workflow_tend(step, node, place); return;
    case RV_KIND_TOURNAMENT: rv_step_tend_tournament(step, node, place); return;
    case RV_KIND_RUN: case RV_KIND_SHELL: case RV_KIND_APPROVE: case RV_KIND_INPUT: case RV_KIND_WAIT: case RV_KIND_SET:
    case RV_KIND_REDUCE: case RV_KIND_COUNT: RV_UNREACHABLE();
    }
}
