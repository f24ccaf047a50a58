#include "engine/parent.h"

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

/* Going on after a failure [R1]. A child run has its own journal; a node whose twin in the parent completed, with the same
 * definition, the same values and everything above it kept, is adopted when it becomes ready. What computes without a
 * process (set, reduce) is computed again: that costs nothing and gives the same.
 *
 * A controller makes its children again, and they are kept or done again one by one. One that succeeded in the parent is kept
 * whole: once none of its children can be adopted any more it is adopted itself, and what is left of them is called off. */

static bool reads_params(rv_str body)
{
    return memmem(body.at, body.size, "${user.", 7) != NULL || memmem(body.at, body.size, "${env.", 6) != NULL;
}

/* ---- whether a node may be kept ---- */

static bool is_left_out(const rv_node_run *node)
{
    return node->state == RV_NODE_SKIPPED && (node->detail == RV_DETAIL_CONDITION || node->detail == RV_DETAIL_PRUNED);
}

/* A controller may have ended by itself, its children being kept: then its result tells whether it is what it was. */
static bool is_adopted(rv_job *job, uint32_t node)
{
    const rv_node_run *at = &job->run->nodes[node];
    bool is_controller = rv_kind_is_controller(rv_run_kind(job->run, node));
    if (at->state != RV_NODE_SUCCEEDED || (at->detail == RV_DETAIL_REPLAY && !is_controller)) return at->state == RV_NODE_SUCCEEDED;
    uint32_t twin = rv_twin(job, node);
    bool is_same = twin != RV_NONE && rv_twin_of(job, node)->is_same;
    return is_same && (!is_controller || rv_str_eq(rv_run_result(job->run, node), job->parent->kept[twin].value));
}

static bool is_kept_or_left_out(rv_job *job, uint32_t node) { return is_left_out(&job->run->nodes[node]) || is_adopted(job, node); }

static bool all_before_adopted(rv_job *job, uint32_t node)
{
    const rv_graph *graph = rv_run_graph(job->run, node);
    uint32_t def = job->run->nodes[node].def;
    for (uint32_t e = graph->pred_begin[def]; e < graph->pred_begin[def + 1]; e++) {
        if (graph->pred[e] & RV_EDGE_SOFT) continue;
        if (!is_kept_or_left_out(job, rv_run_pred(job->run, job->run->nodes[node].place, graph->pred[e]))) return false;
    }
    return true;
}

/* What it waited for, and what its owners did. */
static bool all_above_adopted(rv_job *job, uint32_t node)
{
    for (uint32_t at = node; at != RV_NONE; at = rv_run_place(job->run, at)->parent)
        if (!all_before_adopted(job, at)) return false;
    return true;
}

static bool iteration_before_adopted(rv_job *job, const rv_place *place)
{
    const rv_control *control = &job->run->controls.at[job->run->nodes[place->parent].control - 1];
    if (place->ordinal < 2) return true;
    uint32_t before = control->places.at[place->ordinal - 2];
    for (uint32_t i = 0; i < job->run->places.at[before].count; i++) {
        uint32_t node = rv_run_at(job->run, before, job->run->nodes[job->run->places.at[before].base + i].def);
        if (!is_kept_or_left_out(job, node)) return false;
    }
    return true;
}

/* A judge who named a winner, and sees the same two entrants. */
static bool judged_the_same(rv_job *job, uint32_t node, uint32_t twin)
{
    rv_parent *p = job->parent;
    rv_arena arena = {0};
    rv_json *result = NULL;
    uint32_t left, right, left_before, right_before;
    rv_run_sides(job->run, job->run->nodes[node].place, &left, &right);
    rv_run_sides(p->run, p->run->nodes[twin].place, &left_before, &right_before);
    bool is_same = rv_twin(job, left) == left_before && rv_twin(job, right) == right_before && is_adopted(job, left) &&
                   is_adopted(job, right);
    bool is_json = is_same && p->kept[twin].value.size && rv_json_parse(&arena, p->kept[twin].value, &result, NULL) == RV_OK;
    const rv_json *winner = is_json ? rv_json_get(result, RV_STR("winner")) : NULL;
    is_same &= winner && winner->kind == RV_JSON_STRING && (rv_str_is(winner->text, "left") || rv_str_is(winner->text, "right"));
    rv_arena_deinit(&arena);
    return is_same;
}

static rv_str params_of(const rv_run *run, uint32_t controller)
{
    uint32_t value = run->controls.at[run->nodes[controller].control - 1].value;
    return value ? run->values.at[value - 1] : (rv_str){NULL, 0};
}

/* What stands around it is what stood around its twin: the item, the params, what came before. */
static bool is_same_context(rv_job *job, uint32_t node, uint32_t twin)
{
    rv_run *run = job->run, *before = job->parent->run;
    const rv_place *place = rv_run_place(run, node);
    uint32_t home = rv_run_home(before, before->nodes[twin].place), owner = place->parent;
    switch ((rv_scope_role)place->role) {
    case RV_SCOPE_FILE: case RV_SCOPE_ENTRANT: return true;
    case RV_SCOPE_ITEM: return rv_str_eq(rv_run_item(run, run->nodes[node].place), rv_run_item(before, home));
    case RV_SCOPE_ITERATION: return iteration_before_adopted(job, place);
    case RV_SCOPE_WORKFLOW: return rv_str_eq(params_of(run, owner), params_of(before, before->places.at[home].parent));
    case RV_SCOPE_JUDGE: return judged_the_same(job, node, twin);
    case RV_SCOPE_CLASSIFIER: /* else its label is no good */
        return before->nodes[before->places.at[home].parent].state == RV_NODE_SUCCEEDED;
    case RV_SCOPE_HANDLERS: case RV_SCOPE_REVISION: case RV_SCOPE_SUBMITTED: case RV_SCOPE_COUNT: break;
    }
    return false;
}

static bool is_same_definition(rv_job *job, uint32_t node, uint32_t twin)
{
    rv_str body = rv_graph_str(rv_run_graph(job->run, node), rv_run_def(job->run, node)->body);
    const rv_graph *before = rv_run_graph(job->parent->run, twin);
    bool is_same = rv_str_eq(body, rv_graph_str(before, before->nodes[job->parent->run->nodes[twin].def].body));
    return is_same && (job->parent->has_same_params || !reads_params(body));
}

/* A node that submitted, or stands above one that did, is run again: what it gave is not here, and it gives it again. */
static bool has_submitted(const rv_run *run, uint32_t twin)
{
    for (uint32_t i = 0; i < run->submissions.count; i++)
        for (uint32_t at = run->submissions.at[i].node; at != RV_NONE; at = rv_run_place(run, at)->parent)
            if (at == twin) return true;
    return false;
}

static bool may_keep(rv_job *job, uint32_t node, uint32_t twin)
{
    if (job->parent->run->nodes[twin].state != RV_NODE_SUCCEEDED || has_submitted(job->parent->run, twin)) return false;
    return is_same_definition(job, node, twin) && all_above_adopted(job, node) && is_same_context(job, node, twin);
}

/* A node that may happen at most once was begun in the parent and has no outcome there: it may have happened [P3]. */
static bool may_have_happened(const rv_job *job, uint32_t node, const rv_node_run *old)
{
    if (rv_run_policy(job->run, node)->delivery != RV_DELIVERY_AT_MOST_ONCE || old->number == 0) return false;
    rv_attempt_state last = (rv_attempt_state)old->attempt;
    return old->state != RV_NODE_SUCCEEDED && old->detail != RV_DETAIL_PERSON && last != RV_ATTEMPT_VOID && last != RV_ATTEMPT_ERROR;
}

static bool was_shown_the_same(rv_job *job, uint32_t node, uint32_t twin)
{
    rv_kind kind = rv_run_kind(job->run, node);
    if (kind != RV_KIND_APPROVE && kind != RV_KIND_INPUT) return true;
    if (job->is_second_child) return false;
    rv_detail reason = kind == RV_KIND_APPROVE ? RV_DETAIL_APPROVAL : RV_DETAIL_INPUT;
    return rv_str_eq(job->parent->kept[twin].digest, rv_blocker_digest(job, node, reason));
}

/* ---- artifacts come along under the child's own name ---- */

static const char *link_from, *link_to; /* of the walk under way: nftw has no parameter for it */

static int link_entry(const char *path, const struct stat *info, int type, struct FTW *ftw)
{
    rv_buf to = {0};
    (void)info, (void)ftw;
    rv_buf_printf(&to, "%s%s", link_to, path + strlen(link_from));
    int result = type == FTW_D ? mkdir(to.at, 0700) : link(path, to.at);
    bool is_good = result == 0 || errno == EEXIST;
    rv_buf_deinit(&to);
    return is_good ? 0 : -1;
}

/* `twin` may have another name there. */
static void adopt_artifacts(rv_job *job, uint32_t node, uint32_t twin)
{
    rv_buf from = {0}, to = {0}, name = {0};
    struct stat info;
    rv_run_id(job->parent->run, twin, &name);
    rv_artifact_path(job->engine->config.root, job->resumed_from, rv_buf_str(&name), RV_STR(""), &from);
    rv_buf_printf(&to, "%s/artifacts/%s", job->engine->config.root, job->id);
    if (stat(from.at, &info) == 0 && (mkdir(to.at, 0700) == 0 || errno == EEXIST)) {
        rv_buf_clear(&to);
        rv_artifact_path(job->engine->config.root, rv_str_of(job->id), rv_job_node_id(job, node), RV_STR(""), &to);
        link_from = from.at, link_to = to.at;
        if (nftw(from.at, link_entry, 16, FTW_PHYS) != 0)
            rv_log(RV_LOG_WARN, "artifacts of %.*s could not be linked into %s: %s", RV_FMT(rv_job_node_id(job, node)), to.at,
                   strerror(errno));
    }
    rv_buf_deinit(&name);
    rv_buf_deinit(&from);
    rv_buf_deinit(&to);
}

rv_str rv_adopt_result(rv_job *job, uint32_t node)
{
    uint32_t twin = job->parent ? rv_twin(job, node) : RV_NONE;
    return twin == RV_NONE ? (rv_str){NULL, 0} : job->parent->kept[twin].value;
}

void rv_adopt_rows(rv_job *job, uint32_t node, rv_batch *batch)
{
    if (!job->parent || job->run->nodes[node].detail != RV_DETAIL_REPLAY) return;
    uint32_t twin = rv_twin(job, node);
    if (twin == RV_NONE || rv_twin_of(job, node)->is_listed) return;
    for (const rv_kept_artifact *at = job->parent->kept[twin].artifacts; at; at = at->next) {
        rv_artifact_row row = {.run = rv_str_of(job->id),
                               .node = rv_job_node_id(job, node),
                               .name = at->name,
                               .media_type = at->media_type,
                               .digest = at->digest,
                               .size = at->size,
                               .is_complete = true,
                               .created_ms = rv_engine_now(job->engine).wall_ms};
        rv_batch_artifact(batch, &row);
    }
    rv_twin_of(job, node)->is_listed = true;
}

/* ---- adopting ---- */

static void adopt(rv_job *job, uint32_t node, uint32_t twin)
{
    if (job->parent->kept[twin].artifacts) adopt_artifacts(job, node, twin);
    rv_event event = {.type = RV_EVENT_ADOPT,
                      .node = node,
                      .exit_status = job->parent->run->nodes[twin].exit_status,
                      .value = job->parent->kept[twin].value,
                      .output = rv_run_output(job->parent->run, twin),
                      .text = job->resumed_from};
    rv_answer answer = rv_engine_step(job, &event, true);
    RV_ASSERT(answer == RV_ANSWER_TAKEN);
}

bool rv_adopt_is_unknown(rv_job *job, uint32_t node)
{
    if (!job->parent || job->run->nodes[node].number > 0) return false;
    uint32_t twin = rv_twin(job, node);
    if (twin == RV_NONE || !may_have_happened(job, node, &job->parent->run->nodes[twin])) return false;
    return !rv_twin_of(job, node)->is_asked && is_same_context(job, node, twin);
}

void rv_adopt_ask(rv_job *job, uint32_t node)
{
    rv_answer answer = rv_engine_step(job, &(rv_event){.type = RV_EVENT_ADMITTED, .node = node}, true);
    RV_ASSERT(answer == RV_ANSWER_TAKEN);
    if (job->run->nodes[node].state != RV_NODE_RUNNING) return; /* a gate holds it back, for now or for good */
    rv_twin_of(job, node)->is_asked = true;
    rv_event lost = {.type = RV_EVENT_LOST,
                     .node = node,
                     .epoch = job->run->nodes[node].epoch,
                     .flags = RV_LOST_WAS_STARTED,
                     .text = job->resumed_from};
    answer = rv_engine_step(job, &lost, true);
    RV_ASSERT(answer == RV_ANSWER_TAKEN);
}

/* Its outcome is not its children's alone: the seed drew a winner in one of its matches, or who was first decided it. */
static bool was_chance(const rv_run *run, uint32_t node)
{
    const rv_control *control = run->nodes[node].control ? &run->controls.at[run->nodes[node].control - 1] : NULL;
    rv_join join = (rv_join)rv_run_control_def(run, node)->join;
    bool is_race = rv_run_kind(run, node) == RV_KIND_FOREACH && (join == RV_JOIN_ANY || join == RV_JOIN_RACE);
    for (uint32_t i = 0; control && i < control->matches.count && !is_race; i++) is_race = control->matches.at[i].is_drawn;
    return is_race;
}

/* A node has changed: keep it, if it may be kept now. */
static void consider(rv_job *job, uint32_t node)
{
    const rv_node_run *at = &job->run->nodes[node];
    rv_kind kind = rv_run_kind(job->run, node);
    bool is_computed = kind == RV_KIND_SET || kind == RV_KIND_REDUCE;
    bool is_due = is_computed ? at->state == RV_NODE_SUCCEEDED
                              : (at->state == RV_NODE_READY || at->state == RV_NODE_WAITING) && at->number == 0;
    uint32_t twin = is_due ? rv_twin(job, node) : RV_NONE;
    if (twin == RV_NONE || rv_twin_of(job, node)->is_same) return;
    if (at->state == RV_NODE_READY && rv_adopt_is_unknown(job, node)) {
        if (!rv_run_is_held_back(job->run)) rv_adopt_ask(job, node);
        return;
    }
    if (!may_keep(job, node, twin)) return;
    bool is_controller = rv_kind_is_controller(kind);
    if (is_computed || is_controller) rv_twin_of(job, node)->is_same = true;
    if (is_computed) return;
    if (is_controller && !was_chance(job->parent->run, twin)) rv_vec_push(&job->parent->deferred, node);
    else if (was_shown_the_same(job, node, twin)) adopt(job, node, twin);
}

void rv_adopt_changed(rv_job *job, uint32_t first_changed)
{
    rv_parent *p = job->parent;
    bool is_outermost = !p->is_adopting; /* a controller that is kept calls its children off: not while one of them is being kept */
    p->is_adopting = true;
    for (uint32_t i = first_changed; i < job->out.changed.count || (is_outermost && p->deferred.count);) {
        if (i < job->out.changed.count) { /* it grows as adopted nodes make others ready */
            consider(job, job->out.changed.at[i++]);
            continue;
        }
        uint32_t node = rv_vec_pop(&p->deferred); /* the innermost first */
        if (job->run->nodes[node].state == RV_NODE_WAITING) adopt(job, node, rv_twin(job, node));
    }
    if (is_outermost) p->is_adopting = false;
}

/* After a death of the child itself: what it had computed again is known by its values. */
static void recall(rv_job *job)
{
    for (uint32_t node = 0; node < job->run->node_count; node++) {
        rv_kind kind = rv_run_kind(job->run, node);
        bool is_computed = kind == RV_KIND_SET || kind == RV_KIND_REDUCE || rv_kind_is_controller(kind);
        if (!is_computed || job->run->nodes[node].state != RV_NODE_SUCCEEDED) continue;
        uint32_t twin = rv_twin(job, node);
        rv_str value = twin == RV_NONE ? (rv_str){NULL, 0} : job->parent->kept[twin].value;
        rv_twin_of(job, node)->is_same = value.size && rv_str_eq(value, rv_run_result(job->run, node));
    }
}

rv_status rv_adopt_agrees(const rv_job *job, rv_error *err)
{
    const rv_parent *parent = job->parent;
    rv_buf why = {0};
    bool is_same = memcmp(parent->spec->graph.digest.bytes, job->graph->digest.bytes, sizeof job->graph->digest.bytes) == 0;
    if (parent->run->violation.path == 0 || !is_same) return RV_OK;
    rv_run_violation_words(parent->run, &why);
    rv_status status = rv_error_set(err, RV_CONFLICT, "run %.*s cannot be gone on with: %s; let one of them make it, and add --edit",
                                    RV_FMT(job->resumed_from), why.at);
    rv_buf_deinit(&why);
    return status;
}

rv_status rv_adopt_load(rv_job *job, rv_error *err)
{
    rv_status status = rv_parent_load(job, err);
    if (status == RV_OK) recall(job);
    return status;
}
