#include "engine/parent.h"

/* What is known of the run that a child goes on from, and which node of it was the same as one of the child's. */

/* ---- loading ---- */

static rv_status replay_row(void *user, const rv_journal_row *row) { return rv_run_replay(user, row->body, row->event_count, NULL); }

static rv_status load_run(rv_job *job, rv_parent *p, rv_error *err)
{
    rv_run_row row = {0};
    rv_workflow_row workflow = {0};
    rv_problems problems = {0};
    char stream[96];
    rv_store *store = job->engine->config.store;
    rv_status status = rv_store_run(store, &p->arena, job->resumed_from, &row, err);
    if (status == RV_OK) status = rv_store_workflow(store, &p->arena, row.workflow_hash, &workflow, err);
    if (status != RV_OK) return status;
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
    status = rv_store_journal(store, rv_str_of(stream), 0, replay_row, p->run, err);
    p->has_same_params = status == RV_OK && rv_str_eq(p->run->load_value, rv_buf_str(&job->load_value)) &&
                         rv_str_is(row.dir, job->dir) && rv_str_eq(row.secrets, rv_buf_str(&job->secrets_json)); /* keyed hashes */
    return status;
}

/* Each row that `sql` has for `run`, cells as JSON: the first one names a node. */
typedef void row_fn(rv_parent *p, uint32_t node, const rv_json *cells);
static void each_row(rv_job *job, rv_str run, const char *sql, row_fn *fn)
{
    rv_parent *p = job->parent;
    rv_buf lines = {0};
    bool is_cut;
    rv_status status = rv_store_query(job->engine->config.store, rv_str_of(sql), &run, 1, 0, &lines, &is_cut, NULL);
    rv_str rest = status == RV_OK ? rv_arena_str(&p->arena, rv_buf_str(&lines)) : (rv_str){NULL, 0};
    for (uint32_t number = 0; rest.size; number++) {
        size_t end = rv_str_find(rest, 0, '\n');
        rv_str line = end == SIZE_MAX ? rest : rv_str_cut(rest, 0, end);
        rv_json *cells = NULL;
        rest = end == SIZE_MAX ? (rv_str){NULL, 0} : rv_str_from(rest, end + 1);
        if (number == 0 || rv_json_parse(&p->arena, line, &cells, NULL) != RV_OK || cells->count < 2) continue; /* 0: the columns */
        uint32_t node = rv_run_find(p->run, rv_json_at(cells, 0)->text);
        if (node != RV_NONE) fn(p, node, cells);
    }
    rv_buf_deinit(&lines);
}

/* Values that are not kept by the run's state stand in the node's row. */
static void take_value(rv_parent *p, uint32_t node, const rv_json *cells)
{
    if (!p->kept[node].value.size) p->kept[node].value = rv_json_at(cells, 1)->text;
}

static void take_digest(rv_parent *p, uint32_t node, const rv_json *cells)
{
    if (!p->kept[node].digest.size) p->kept[node].digest = rv_json_at(cells, 1)->text;
}

/* What was shown, by the run in which it was decided: what a parent had kept itself has no blocker there. */
static void take_digests(rv_job *job)
{
    rv_str run = job->resumed_from;
    while (run.size) {
        rv_run_row row = {0};
        each_row(job, run, "SELECT node, digest FROM blocker WHERE run = ?1 AND state = 'resolved' ORDER BY revision DESC", take_digest);
        run = rv_store_run(job->engine->config.store, &job->parent->arena, run, &row, NULL) == RV_OK ? row.resumed_from : (rv_str){NULL, 0};
    }
}

/* What its nodes made: the bytes are in the store already, and these rows make them the child's too. */
static void take_artifact(rv_parent *p, uint32_t node, const rv_json *cells)
{
    int64_t size = 0;
    if (cells->count < 5 || !rv_json_i64(rv_json_at(cells, 4), &size)) return;
    rv_kept_artifact *artifact = rv_arena_new(&p->arena, rv_kept_artifact, 1);
    *artifact = (rv_kept_artifact){.name = rv_json_at(cells, 1)->text, .media_type = rv_json_at(cells, 2)->text,
                                   .digest = rv_json_at(cells, 3)->text, .size = (uint64_t)size, .next = p->kept[node].artifacts};
    p->kept[node].artifacts = artifact;
}

static void take_values(rv_parent *p)
{
    for (uint32_t node = 0; node < p->run->node_count; node++) p->kept[node].value = rv_run_result(p->run, node);
}

rv_status rv_parent_load(rv_job *job, rv_error *err)
{
    rv_parent *p = job->parent = rv_alloc(sizeof *p);
    rv_status status = load_run(job, p, err);
    if (status != RV_OK) return status;
    p->kept = rv_arena_new(&p->arena, rv_kept, p->run->node_count);
    take_values(p);
    each_row(job, job->resumed_from, "SELECT id, result FROM node WHERE run = ?1 AND result <> ''", take_value);
    take_digests(job);
    each_row(job, job->resumed_from, "SELECT node, name, media_type, digest, size FROM artifact WHERE run = ?1 ORDER BY node, name",
             take_artifact);
    return RV_OK;
}

void rv_parent_free(rv_parent *p)
{
    if (!p) return;
    rv_run_free(p->run);
    rv_compiler_deinit(&p->compiler);
    rv_spec_free(p->spec);
    rv_vec_deinit(&p->twins);
    rv_vec_deinit(&p->deferred);
    rv_arena_deinit(&p->arena);
    rv_free(p);
}

/* ---- which node was the same one ---- */

/* The parent's node whose id is what `owner`, a twin, gives with the rest of the child's id. */
static uint32_t find_beneath(rv_job *job, uint32_t node, uint32_t owner)
{
    rv_parent *p = job->parent;
    rv_str id = rv_job_node_id(job, node), above = rv_job_node_id(job, rv_run_place(job->run, node)->parent);
    rv_buf name = {0};
    rv_run_id(p->run, owner, &name);
    rv_buf_str_add(&name, rv_str_from(id, above.size));
    uint32_t found = rv_run_find(p->run, rv_buf_str(&name));
    rv_buf_deinit(&name);
    return found != RV_NONE && rv_run_place(p->run, found)->parent == owner ? found : RV_NONE;
}

static uint32_t find(rv_job *job, uint32_t node)
{
    rv_parent *p = job->parent;
    const rv_place *place = rv_run_place(job->run, node);
    uint32_t found = RV_NONE, owner = RV_NONE;
    if (place->parent != RV_NONE) owner = rv_twin(job, place->parent);
    if (place->role == RV_SCOPE_FILE) found = rv_run_find(p->run, rv_job_node_id(job, node));
    else if (owner != RV_NONE && place->role != RV_SCOPE_REVISION) found = find_beneath(job, node, owner);
    if (found == RV_NONE) return RV_NONE;
    const rv_place *home = rv_run_place(p->run, found);
    return home->role == place->role ? rv_run_at(p->run, p->run->nodes[found].place, p->run->nodes[found].def) : RV_NONE;
}

rv_twin_state *rv_twin_of(rv_job *job, uint32_t node)
{
    rv_parent *p = job->parent;
    while (p->twins.count <= node) rv_vec_push(&p->twins, ((rv_twin_state){0}));
    if (!p->twins.at[node].is_known) {
        uint32_t found = find(job, node); /* looks its owner up, which may move them */
        p->twins.at[node].is_known = true;
        p->twins.at[node].node = found == RV_NONE ? 0 : found + 1;
    }
    return &p->twins.at[node];
}

uint32_t rv_twin(rv_job *job, uint32_t node)
{
    uint32_t twin = rv_twin_of(job, node)->node;
    return twin ? twin - 1 : RV_NONE;
}
