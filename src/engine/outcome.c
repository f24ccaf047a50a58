#include "engine/inner.h"
#include "engine/cache_part.h"

/* What a settled node gave, as one hash, for the keys of those that need it [C1]. Of a command that succeeded: its output, result and
 * artifacts; of what did not succeed, or executes nothing: its state and what of its result the run keeps. */

static bool is_known(const rv_cache_part *part, uint32_t node)
{
    static const rv_digest none;
    return node < part->outcomes.count && memcmp(part->outcomes.at[node].bytes, none.bytes, sizeof none.bytes) != 0;
}

void rv_cache_outcome_note(rv_cache_part *part, uint32_t node, rv_digest outcome)
{
    if (part->outcomes.count <= node) rv_vec_reserve(&part->outcomes, part->job->run->node_count);
    while (part->outcomes.count <= node) rv_vec_push(&part->outcomes, (rv_digest){{0}});
    part->outcomes.at[node] = outcome;
}

bool rv_cache_is_awaited(const rv_job *job, uint32_t node)
{
    const rv_graph *graph = rv_run_graph(job->run, node);
    uint32_t def = job->run->nodes[node].def;
    for (uint32_t e = graph->succ_begin[def]; e < graph->succ_begin[def + 1]; e++) {
        bool is_soft = graph->succ[e] & RV_EDGE_SOFT;
        if (!is_soft && (graph->nodes[RV_EDGE_NODE(graph->succ[e])].flags & RV_NODE_F_CACHED)) return true;
    }
    return false;
}

/* ---- output ---- */

static rv_status hash_bytes(void *user, int stream, int64_t wall_ms, uint64_t cut_before, rv_str bytes)
{
    char cut[32];
    int size = cut_before ? snprintf(cut, sizeof cut, "\n[%llu]\n", (unsigned long long)cut_before) : 0;
    if (size) rv_sha256_add(user, (rv_str){cut, (size_t)size});
    rv_sha256_add(user, bytes);
    return RV_OK;
}

bool rv_cache_log_digests(rv_job *job, rv_str run, uint64_t log_last, rv_digest ret[2])
{
    ret[0] = ret[1] = rv_sha256(RV_STR(""));
    if (log_last == RV_LOG_NONE) return true;
    if (job->log && rv_log_flush(job->log, NULL) != RV_OK) return false;
    for (int stream = 1; stream <= 2; stream++) {
        rv_sha256_stream *hash = rv_sha256_new();
        rv_status status = rv_log_read(job->engine->config.root, run, log_last, stream, hash_bytes, hash, NULL);
        ret[stream - 1] = rv_sha256_end_take(hash);
        if (status != RV_OK) return false;
    }
    return true;
}

/* ---- of nodes that ended under an earlier engine, or in the run that this one goes on from: from what is stored ---- */

typedef RV_VEC(rv_cache_named) named;

/* The rows of a query as JSON arrays in the arena. */
static bool ask(rv_job *job, const char *sql, rv_str run, rv_str node, rv_arena *arena, rv_json **ret_rows)
{
    rv_buf lines = {0}, all = {0};
    rv_str args[2] = {run, node};
    bool is_cut = false;
    bool is_good = rv_store_query(job->engine->config.store, rv_str_of(sql), args, 2, 0, &lines, &is_cut, NULL) == RV_OK;
    rv_buf_byte(&all, '[');
    for (size_t i = 0; i + 1 < lines.size; i++) rv_buf_byte(&all, lines.at[i] == '\n' ? ',' : lines.at[i]);
    rv_buf_byte(&all, ']');
    is_good = is_good && rv_json_parse(arena, rv_arena_str(arena, rv_buf_str(&all)), ret_rows, NULL) == RV_OK;
    rv_buf_deinit(&lines);
    rv_buf_deinit(&all);
    return is_good;
}

static bool read_artifacts(rv_job *job, rv_str run, rv_str node, rv_arena *arena, named *out)
{
    rv_json *rows = NULL;
    if (!ask(job, "SELECT name, digest FROM artifact WHERE run = ?1 AND node = ?2 ORDER BY name", run, node, arena, &rows)) return false;
    for (const rv_json *row = rows->child ? rows->child->next : NULL; row; row = row->next) { /* the first has the names of columns */
        rv_cache_named artifact = {.name = rv_json_at(row, 0)->text};
        if (!rv_digest_parse(rv_json_at(row, 1)->text, &artifact.digest)) return false;
        rv_vec_push(out, artifact);
    }
    return true;
}

static bool read_result(rv_job *job, uint32_t node, rv_str run, rv_arena *arena, rv_str *ret)
{
    rv_json *rows = NULL;
    *ret = rv_run_result(job->run, node);
    if (ret->size) return true;
    if (!ask(job, "SELECT result FROM node WHERE run = ?1 AND id = ?2", run, rv_job_node_id(job, node), arena, &rows)) return false;
    const rv_json *row = rows->child ? rows->child->next : NULL;
    *ret = row ? rv_json_at(row, 0)->text : (rv_str){NULL, 0};
    return true;
}

static bool read_outcome(rv_job *job, uint32_t node, rv_digest *ret)
{
    rv_arena arena = {0};
    rv_output_ref ref = {.node = RV_NONE};
    rv_digest text[2];
    named artifacts = {0};
    rv_str result = {NULL, 0};
    bool is_good = rv_output_find(job, node, &ref) && rv_cache_log_digests(job, ref.run, ref.log_last, text) &&
                   read_result(job, node, ref.run, &arena, &result) &&
                   read_artifacts(job, ref.run, rv_job_node_id(job, node), &arena, &artifacts);
    if (is_good) *ret = rv_cache_outcome(RV_STR("succeeded"), text[0], text[1], result, artifacts.at, artifacts.count);
    rv_vec_deinit(&artifacts);
    rv_arena_deinit(&arena);
    return is_good;
}

/* ---- what a key asks for ---- */

static bool outcome_of(void *user, uint32_t node, rv_digest *ret)
{
    rv_cache_part *part = user;
    rv_job *job = part->job;
    const rv_node_run *state = &job->run->nodes[node];
    if (is_known(part, node)) return *ret = part->outcomes.at[node], true;
    bool is_command = rv_kind_needs_slot(rv_run_kind(job->run, node)) && state->state == RV_NODE_SUCCEEDED;
    if (is_command && !read_outcome(job, node, ret)) return false;
    rv_digest none = rv_sha256(RV_STR(""));
    rv_str word = rv_str_of(rv_node_state_name((rv_node_state)state->state));
    if (!is_command) *ret = rv_cache_outcome(word, none, none, rv_run_result(job->run, node), NULL, 0);
    rv_cache_outcome_note(part, node, *ret);
    return true;
}

/* By its content: it is there under its maker's name from when its attempt was collected. */
static bool artifact_of(void *user, uint32_t node, rv_str name, rv_digest *ret)
{
    rv_cache_part *part = user;
    rv_buf path = {0};
    rv_sha256_stream *hash = rv_sha256_new();
    char chunk[16384];
    bool is_good = part->job->values.artifact(part->job, node, name, &path);
    FILE *file = is_good ? fopen(path.at, "re") : NULL;
    for (size_t count; file && (count = fread(chunk, 1, sizeof chunk, file)) > 0;) rv_sha256_add(hash, (rv_str){chunk, count});
    is_good = file && !ferror(file);
    if (file) fclose(file);
    rv_digest digest = rv_sha256_end_take(hash);
    if (is_good) *ret = digest;
    rv_buf_deinit(&path);
    return is_good;
}

void rv_cache_outcomes_open(rv_cache_part *part)
{
    part->subject = (rv_cache_subject){.values = &part->job->values, .mask = part->job->mask, .outcome = outcome_of,
                                       .artifact = artifact_of, .user = part};
}
