#include "engine/inner.h"

#include <unistd.h>

/* Where the engine finds what its values need: bodies, the logs of runs, the folder of artifacts. */

const rv_json *rv_job_body(rv_job *job, uint32_t node)
{
    rv_json *body = NULL;
    rv_error error = {0};
    rv_status status = rv_json_parse(&job->engine->scratch, rv_graph_str(rv_run_graph(job->run, node), rv_run_def(job->run,
        node)->body), &body, &error);
    RV_ASSERT(status == RV_OK); /* the normal form was written by us and is pinned by its hash */
    return body;
}

/* ---- outputs of predecessors ---- */

static rv_status add_output(void *user, int stream, int64_t wall_ms, uint64_t cut_before, rv_str bytes)
{
    rv_buf *out = user;
    if (out->size + bytes.size > RV_VALUE_SIZE_MAX) return RV_LIMIT;
    rv_buf_str_add(out, bytes);
    return RV_OK;
}

/* Where the latest attempt of a node ended in its run's log; false: it had none there. In an earlier run its latest revision is meant. */
static bool find_attempt(rv_job *job, rv_str run, rv_str name, uint64_t *ret_last)
{
    rv_buf out = {0};
    rv_str args[3] = {run, name, rv_str_of(job->id)};
    bool is_cut, is_found = false;
    rv_arena arena = {0};
#define SAME(name_) "run = ?1 AND (" name_ " = ?2 OR (run <> ?3 AND " name_ " > ?2 || '~' AND " name_ " < ?2 || '~:' " \
                    "AND rtrim(" name_ ", '0123456789') = ?2 || '~'))"
    static const char sql[] = "SELECT log_last FROM (SELECT log_last, node_index, epoch FROM attempt WHERE " SAME("node") " UNION ALL "
                              "SELECT log_last, \"index\", 0 FROM node WHERE " SAME("id") " AND detail = 'cache') "
                              "ORDER BY node_index DESC, epoch DESC LIMIT 1";
#undef SAME
    rv_status status = rv_store_query(job->engine->config.store, RV_STR(sql), args, 3, 1, &out, &is_cut, NULL);
    size_t line = status == RV_OK ? rv_str_find(rv_buf_str(&out), 0, '\n') : SIZE_MAX;
    rv_str row_text = line == SIZE_MAX ? (rv_str){NULL, 0} : rv_str_from(rv_buf_str(&out), line + 1);
    rv_json *row = NULL;
    int64_t value;
    if (row_text.size && rv_json_parse(&arena, row_text, &row, NULL) == RV_OK && row->child && rv_json_i64(row->child, &value)) {
        *ret_last = value >= 0 ? (uint64_t)value : RV_LOG_NONE;
        is_found = true;
    }
    rv_arena_deinit(&arena);
    rv_buf_deinit(&out);
    return is_found;
}

bool rv_output_find(rv_job *job, uint32_t node, rv_output_ref *ret)
{
    rv_output_ref ref = {node, RV_LOG_NONE, rv_str_of(job->id)};
    rv_str name = rv_job_node_id(job, node), parent = job->resumed_from;
    bool is_found;
    while (!(is_found = find_attempt(job, ref.run, name, &ref.log_last)) && parent.size) {
        rv_run_row row = {0};
        ref.run = parent;
        parent = rv_store_run(job->engine->config.store, &job->arena, ref.run, &row, NULL) == RV_OK ? row.resumed_from : (rv_str){NULL, 0};
    }
    *ret = ref;
    return is_found;
}

static rv_output_ref find_output(rv_job *job, uint32_t node)
{
    for (uint32_t i = job->outputs.count; i-- > 0;)
        if (job->outputs.at[i].node == node) return job->outputs.at[i];
    rv_output_ref ref;
    (void)rv_output_find(job, node, &ref);
    rv_vec_push(&job->outputs, ref);
    return ref;
}

static rv_status give_output(void *user, uint32_t node, int stream, rv_buf *out, rv_error *err)
{
    rv_job *job = user;
    rv_status status = job->log ? rv_log_flush(job->log, err) : RV_OK; /* an undriven run has none */
    if (status != RV_OK) return status;
    rv_output_ref ref = find_output(job, node);
    return rv_log_read(job->engine->config.root, ref.run, ref.log_last, stream, add_output, out, err);
}

static bool give_artifact(void *user, uint32_t node, rv_str name, rv_buf *out)
{
    rv_job *job = user;
    rv_buf path = {0};
    rv_artifact_path(job->engine->config.root, rv_str_of(job->id), rv_job_node_id(job, node), name, &path);
    bool exists = access(path.at, F_OK) == 0;
    if (exists) rv_buf_str_add(out, rv_buf_str(&path));
    rv_buf_deinit(&path);
    return exists;
}

void rv_job_take_values(rv_job *job)
{
    job->values = (rv_values){.run = job->run, .spec = job->spec, .load_value = &job->load_value, .run_id = job->id,
                              .output = give_output, .artifact = give_artifact, .user = job};
}
