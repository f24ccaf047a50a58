#include "engine/inner.h"

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

/* Going on after a failure [R1]. A child run has its own journal; a node that its parent completed, with the same
 * definition and the same values, is adopted when it becomes ready and everything above it was adopted too. What
 * computes without a process (set, reduce) is computed again: that costs nothing and gives the same. */

typedef struct parent { rv_spec *spec; rv_run *run; rv_compiler compiler; rv_arena arena; rv_str dir, params, secrets; } parent;

static rv_status replay_row(void *user, const rv_journal_row *row) { return rv_run_replay(user, row->body, row->event_count, NULL); }

static rv_status load_parent(rv_job *job, parent *p, rv_error *err)
{
    rv_run_row row = {0};
    rv_workflow_row workflow = {0};
    rv_problems problems = {0};
    char stream[96];
    rv_store *store = job->engine->config.store;
    rv_status status = rv_store_run(store, &p->arena, job->resumed_from, &row, err);
    if (status == RV_OK) status = rv_store_workflow(store, &p->arena, row.workflow_hash, &workflow, err);
    if (status != RV_OK) return status;
    p->params = row.params;
    p->secrets = row.secrets;
    p->dir = row.dir;
    if (!job->name[0]) job->name = rv_arena_cstring(&job->arena, row.name);
    rv_spec_input input = {.source = workflow.body, .file = "the pinned workflow", .dir = "/", .is_json = true, .skip_values = true,
                           .has_any_reducer = true};
    status = rv_spec_load(&input, &p->spec, &problems);
    rv_problems_deinit(&problems);
    if (status != RV_OK) return rv_error_set(err, RV_CORRUPT, "the pinned workflow of run %.*s does not load", RV_FMT(job->resumed_from));
    p->run = rv_run_new(&p->spec->graph);
    p->compiler = (rv_compiler){.graph = &p->spec->graph};
    rv_compiler_serve(&p->compiler, p->run);
    snprintf(stream, sizeof stream, "run/%.*s", RV_FMT(job->resumed_from));
    return rv_store_journal(store, rv_str_of(stream), 0, replay_row, p->run, err);
}

static bool reads_params(rv_str body)
{
    return memmem(body.at, body.size, "${user.", 7) != NULL || memmem(body.at, body.size, "${env.", 6) != NULL;
}

/* Values that are not kept by the run's state stand in the node's row. */
static void take_row_values(rv_job *job, rv_str run, rv_str sql, bool is_digest)
{
    rv_buf lines = {0};
    bool is_cut;
    rv_status status = rv_store_query(job->engine->config.store, sql, &run, 1, 0, &lines, &is_cut, NULL);
    rv_str rest = status == RV_OK ? rv_arena_str(&job->arena, rv_buf_str(&lines)) : (rv_str){NULL, 0};
    for (uint32_t number = 0; rest.size; number++) {
        size_t end = rv_str_find(rest, 0, '\n');
        rv_str line = end == SIZE_MAX ? rest : rv_str_cut(rest, 0, end);
        rv_json *cells = NULL;
        rest = end == SIZE_MAX ? (rv_str){NULL, 0} : rv_str_from(rest, end + 1);
        if (number == 0 || rv_json_parse(&job->arena, line, &cells, NULL) != RV_OK || cells->count < 2) continue;
        uint32_t node = rv_run_find(job->run, rv_json_at(cells, 0)->text);
        if (node == RV_NONE || node >= job->graph->top_count || !job->kept[node].is_there) continue;
        rv_str *kept = is_digest ? &job->kept[node].digest : &job->kept[node].value;
        if (!kept->size) *kept = rv_json_at(cells, 1)->text;
    }
    rv_buf_deinit(&lines);
}

/* What kept nodes made: their bytes are in the store already, and these rows make them the child's too. */
static void take_artifacts(rv_job *job)
{
    static const char sql[] = "SELECT node, name, media_type, digest, size FROM artifact WHERE run = ?1 ORDER BY node, name";
    rv_buf lines = {0};
    bool is_cut;
    rv_str run = job->resumed_from;
    rv_status status = rv_store_query(job->engine->config.store, RV_STR(sql), &run, 1, 0, &lines, &is_cut, NULL);
    rv_str rest = status == RV_OK ? rv_arena_str(&job->arena, rv_buf_str(&lines)) : (rv_str){NULL, 0};
    for (uint32_t number = 0; rest.size; number++) {
        size_t end = rv_str_find(rest, 0, '\n');
        rv_str line = end == SIZE_MAX ? rest : rv_str_cut(rest, 0, end);
        rv_json *cells = NULL;
        int64_t size = 0;
        rest = end == SIZE_MAX ? (rv_str){NULL, 0} : rv_str_from(rest, end + 1);
        if (number == 0 || rv_json_parse(&job->arena, line, &cells, NULL) != RV_OK || cells->count < 5) continue; /* 0: the columns */
        uint32_t node = rv_run_find(job->run, rv_json_at(cells, 0)->text);
        bool is_kept = node < job->graph->top_count && job->kept[node].is_there;
        if (!is_kept || !rv_json_i64(rv_json_at(cells, 4), &size)) continue;
        rv_kept_artifact *artifact = rv_arena_new(&job->arena, rv_kept_artifact, 1);
        *artifact = (rv_kept_artifact){.name = rv_json_at(cells, 1)->text,
                                       .media_type = rv_json_at(cells, 2)->text,
                                       .digest = rv_json_at(cells, 3)->text,
                                       .size = (uint64_t)size,
                                       .next = job->kept[node].artifacts};
        job->kept[node].artifacts = artifact;
    }
    rv_buf_deinit(&lines);
}

void rv_adopt_rows(rv_job *job, uint32_t node, rv_batch *batch)
{
    bool is_kept = job->kept && node < job->graph->top_count && job->kept[node].is_adopted;
    if (!is_kept || job->run->nodes[node].detail != RV_DETAIL_REPLAY) return;
    for (const rv_kept_artifact *at = job->kept[node].artifacts; at; at = at->next) {
        rv_artifact_row row = {.run = rv_str_of(job->id),
                               .node = rv_graph_name(job->graph, node),
                               .name = at->name,
                               .media_type = at->media_type,
                               .digest = at->digest,
                               .size = at->size,
                               .is_complete = true,
                               .created_ms = rv_engine_now(job->engine).wall_ms};
        rv_batch_artifact(batch, &row);
    }
    job->kept[node].artifacts = NULL;
}

/* What was shown, by the run in which it was decided: what a parent had kept itself has no blocker there. */
static void take_digests(rv_job *job)
{
    rv_str run = job->resumed_from;
    while (run.size) {
        rv_run_row row = {0};
        rv_str sql = RV_STR("SELECT node, digest FROM blocker WHERE run = ?1 AND state = 'resolved' ORDER BY revision DESC");
        take_row_values(job, run, sql, true);
        run = rv_store_run(job->engine->config.store, &job->arena, run, &row, NULL) == RV_OK ? row.resumed_from : (rv_str){NULL, 0};
    }
}

/* A node that may happen at most once was begun in the parent and has no outcome there: it may have happened [P3]. */
static bool may_have_happened(const rv_job *job, uint32_t node, const rv_node_run *old)
{
    if (rv_run_policy(job->run, node)->delivery != RV_DELIVERY_AT_MOST_ONCE || old->number == 0) return false;
    rv_attempt_state last = (rv_attempt_state)old->attempt;
    return old->state != RV_NODE_SUCCEEDED && old->detail != RV_DETAIL_PERSON && last != RV_ATTEMPT_VOID && last != RV_ATTEMPT_ERROR;
}

static void compare(rv_job *job, parent *p, bool same_params)
{
    for (uint32_t node = 0; node < job->graph->plain_count; node++) {
        uint32_t old = rv_run_find(p->run, rv_graph_name(job->graph, node));
        if (old == RV_NONE || old >= p->spec->graph.top_count) continue;
        job->kept[node].is_unknown = may_have_happened(job, node, &p->run->nodes[old]);
        bool is_submitter = p->run->nodes[old].flags & RV_NODE_R_SUBMITTER; /* what it gave is not here: it gives it again */
        if (p->run->nodes[old].state != RV_NODE_SUCCEEDED || is_submitter) continue;
        rv_str body = rv_graph_str(job->graph, job->graph->nodes[node].body);
        bool is_same = rv_str_eq(body, rv_graph_str(&p->spec->graph, p->spec->graph.nodes[old].body));
        if (!is_same || (!same_params && reads_params(body))) continue;
        job->kept[node] = (rv_kept){.is_there = true,
                                    .exit_status = p->run->nodes[old].exit_status,
                                    .value = rv_arena_str(&job->arena, rv_run_result(p->run, old)),
                                    .output = rv_arena_str(&job->arena, rv_run_output(p->run, old))};
    }
}

rv_status rv_adopt_load(rv_job *job, rv_error *err)
{
    parent p = {0};
    rv_status status = load_parent(job, &p, err);
    if (status == RV_OK) {
        bool same_params = rv_str_eq(p.run->load_value, rv_buf_str(&job->load_value)) && rv_str_is(p.dir, job->dir) &&
                           rv_str_eq(p.secrets, rv_buf_str(&job->secrets_json)); /* keyed hashes: equal when the values are */
        job->kept = rv_arena_new(&job->arena, rv_kept, job->graph->top_count);
        compare(job, &p, same_params);
        take_row_values(job, job->resumed_from, RV_STR("SELECT id, result FROM node WHERE run = ?1 AND result <> ''"), false);
        take_digests(job);
        take_artifacts(job);
    }
    rv_run_free(p.run);
    rv_compiler_deinit(&p.compiler);
    rv_spec_free(p.spec);
    rv_arena_deinit(&p.arena);
    return status;
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

static void adopt_artifacts(rv_job *job, uint32_t node)
{
    rv_buf from = {0}, to = {0};
    struct stat info;
    rv_str name = rv_job_node_id(job, node);
    rv_artifact_path(job->engine->config.root, job->resumed_from, name, RV_STR(""), &from);
    rv_buf_printf(&to, "%s/artifacts/%s", job->engine->config.root, job->id);
    if (stat(from.at, &info) == 0 && (mkdir(to.at, 0700) == 0 || errno == EEXIST)) {
        rv_buf_clear(&to);
        rv_artifact_path(job->engine->config.root, rv_str_of(job->id), name, RV_STR(""), &to);
        link_from = from.at, link_to = to.at;
        if (nftw(from.at, link_entry, 16, FTW_PHYS) != 0)
            rv_log(RV_LOG_WARN, "artifacts of %.*s could not be linked into %s: %s", RV_FMT(name), to.at, strerror(errno));
    }
    rv_buf_deinit(&from);
    rv_buf_deinit(&to);
}

/* ---- adopting ---- */

static bool all_above_adopted(const rv_job *job, uint32_t node)
{
    const rv_graph *graph = job->graph;
    for (uint32_t e = graph->pred_begin[node]; e < graph->pred_begin[node + 1]; e++) {
        if (graph->pred[e] & RV_EDGE_SOFT) continue;
        const rv_node_run *pred = &job->run->nodes[graph->pred[e]];
        bool is_left_out = pred->state == RV_NODE_SKIPPED && (pred->detail == RV_DETAIL_CONDITION || pred->detail == RV_DETAIL_PRUNED);
        if (!job->kept[graph->pred[e]].is_adopted && !is_left_out) return false;
    }
    return true;
}

static bool was_shown_the_same(rv_job *job, uint32_t node)
{
    rv_kind kind = (rv_kind)job->graph->nodes[node].kind;
    if (kind != RV_KIND_APPROVE && kind != RV_KIND_INPUT) return true;
    if (job->is_second_child) return false;
    return rv_str_eq(job->kept[node].digest, rv_blocker_digest(job, node, kind == RV_KIND_APPROVE ? RV_DETAIL_APPROVAL : RV_DETAIL_INPUT));
}

/* Begin the attempt that the parent had begun, and call it lost: its policy then asks, fails or runs it again. */
static void ask_again(rv_job *job, uint32_t node)
{
    job->kept[node].is_unknown = false;
    rv_answer answer = rv_engine_step(job, &(rv_event){.type = RV_EVENT_ADMITTED, .node = node}, true);
    RV_ASSERT(answer == RV_ANSWER_TAKEN);
    rv_event lost = {.type = RV_EVENT_LOST,
                     .node = node,
                     .epoch = job->run->nodes[node].epoch,
                     .flags = RV_LOST_WAS_STARTED,
                     .text = job->resumed_from};
    answer = rv_engine_step(job, &lost, true);
    RV_ASSERT(answer == RV_ANSWER_TAKEN);
}

void rv_adopt_changed(rv_job *job, uint32_t first_changed)
{
    for (uint32_t i = first_changed; i < job->out.changed.count; i++) { /* grows as adopted nodes make others ready */
        uint32_t node = job->out.changed.at[i];
        if (node >= job->graph->top_count) continue; /* what grew in the parent grows again */
        rv_kept *kept = &job->kept[node];
        rv_node_state state = (rv_node_state)job->run->nodes[node].state;
        rv_kind kind = (rv_kind)job->graph->nodes[node].kind;
        if (kept->is_unknown && state == RV_NODE_READY && job->run->nodes[node].number == 0) {
            ask_again(job, node);
            continue;
        }
        if (!kept->is_there || kept->is_adopted || !all_above_adopted(job, node)) continue;
        if (kind == RV_KIND_SET || kind == RV_KIND_REDUCE) {
            kept->is_adopted = state == RV_NODE_SUCCEEDED; /* computed again from the same */
            continue;
        }
        if ((state != RV_NODE_READY && state != RV_NODE_WAITING) || job->run->nodes[node].number > 0 ||
            !was_shown_the_same(job, node))
            continue;
        kept->is_adopted = true;
        adopt_artifacts(job, node);
        rv_event adopt = {.type = RV_EVENT_ADOPT,
                          .node = node,
                          .exit_status = kept->exit_status,
                          .value = kept->value,
                          .output = kept->output,
                          .text = job->resumed_from};
        rv_answer answer = rv_engine_step(job, &adopt, true);
        RV_ASSERT(answer == RV_ANSWER_TAKEN);
    }
}
