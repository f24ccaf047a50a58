#include "engine/inner.h"
#include "engine/cache_part.h"

/* A good attempt becomes an entry: its inputs looked at again, its outputs taken as blobs, the rest in a manifest [C4, C10]. */

/* What is not stored is said; it changes nothing else. */
static void tell(rv_job *job, uint32_t node, const char *why)
{
    rv_buf text = {0};
    rv_buf_printf(&text, "%.*s is not kept in the cache: %s", RV_FMT(rv_job_node_id(job, node)), why);
    rv_engine_notice(job->engine, (rv_notice){.type = NOTICE_NOTE, .job = job}, rv_buf_str(&text), RV_STR(""));
    rv_buf_deinit(&text);
}

static rv_status inputs_are_the_same(rv_cache_part *part, const rv_cache_slot *slot, const rv_json *body, rv_error *err)
{
    rv_digest now;
    rv_status status = rv_cache_inputs(part->cache, part->subject.tree, body, &now, err);
    if (status != RV_OK) return status;
    bool is_same = memcmp(now.bytes, slot->inputs.bytes, sizeof now.bytes) == 0;
    return is_same ? RV_OK : rv_error_set(err, RV_CONFLICT, "its inputs changed while it ran");
}

/* Its declared outputs, as blobs. A literal that was not made is an error of the node before it comes to this [C13]. */
static rv_status take_outputs(rv_cache_part *part, const rv_json *body, rv_arena *arena, rv_tree_files *out, rv_error *err)
{
    uint32_t count;
    const rv_str *patterns = rv_cache_patterns(rv_json_get(body, RV_STR("outputs")), arena, &count);
    rv_status status = count ? rv_tree_take(part->subject.tree, patterns, count, true, arena, out, err) : RV_OK;
    for (uint32_t i = 0; i < out->count && status == RV_OK; i++) {
        const char *why = rv_tree_refusal(part->subject.tree, &out->at[i]);
        if (why) status = rv_error_set(err, RV_DENIED, "its output %s cannot be put back: %s", out->at[i].path.at, why);
    }
    return status;
}

/* ---- output ---- */

static rv_status add_text(void *user, int stream, int64_t wall_ms, uint64_t cut_before, rv_str bytes)
{
    if (cut_before) return RV_LIMIT;
    rv_buf_str_add(user, bytes);
    return RV_OK;
}

static rv_status take_text(rv_attempt *attempt, int stream, rv_manifest_text *ret, rv_error *err)
{
    rv_job *job = attempt->job;
    rv_cache *cache = job->cache->cache;
    rv_buf *text = &cache->text[stream - 1];
    rv_buf_clear(text);
    rv_status status = RV_OK;
    if (attempt->row.log_last != RV_LOG_NONE)
        status = rv_log_read(job->engine->config.root, rv_str_of(job->id), attempt->row.log_last, stream, add_text, text, err);
    if (status == RV_LIMIT) return rv_error_set(err, RV_LIMIT, "its output was cut");
    *ret = (rv_manifest_text){.size = text->size, .bytes = rv_buf_str(text), .is_blob = text->size > RV_MANIFEST_INLINE_MAX};
    if (status == RV_OK && ret->is_blob) status = rv_blob_put(cache->config.blobs, rv_buf_str(text), &ret->digest, err);
    return status;
}

/* ---- artifacts: as the attempt noted them ---- */

typedef RV_VEC(rv_cache_named) named;

static rv_status take_artifacts(rv_str lines, rv_arena *arena, named *out, rv_error *err)
{
    while (lines.size) {
        size_t end = rv_str_find(lines, 0, '\n');
        rv_json *line = NULL;
        int64_t size = 0;
        rv_cache_named artifact = {0};
        rv_status status = rv_json_parse(arena, rv_str_cut(lines, 0, end), &line, err);
        RV_ASSERT(status == RV_OK);
        lines = rv_str_from(lines, end + 1);
        bool is_good = rv_digest_parse(rv_json_at(line, 1)->text, &artifact.digest) && rv_json_i64(rv_json_at(line, 2), &size);
        RV_ASSERT(is_good);
        artifact.name = rv_json_at(line, 0)->text;
        artifact.size = (uint64_t)size;
        const char *why = rv_tree_refusal_of_path(artifact.name);
        if (why) return rv_error_set(err, RV_DENIED, "its artifact %.*s cannot be put back: %s", RV_FMT(artifact.name), why);
        rv_vec_push(out, artifact);
    }
    return RV_OK;
}

/* ---- the entry ---- */

static rv_status make_entry(rv_attempt *attempt, rv_cache_slot *slot, const named *artifacts, rv_digest outcome, rv_arena *arena,
                            rv_error *err)
{
    rv_job *job = attempt->job;
    rv_tree_files files = {0};
    const rv_json *body = rv_job_body(job, attempt->node);
    rv_manifest m = {.outcome = outcome, .exit_status = attempt->row.exit_status, .result = rv_buf_str(&attempt->result),
                     .duration_ms = RV_MAX(attempt->row.ended_ms - attempt->row.started_ms, 0), .artifacts = artifacts->at,
                     .artifact_count = artifacts->count};
    rv_status status = inputs_are_the_same(job->cache, slot, body, err);
    if (status == RV_OK) status = take_outputs(job->cache, body, arena, &files, err);
    for (int stream = 1; stream <= 2 && status == RV_OK; stream++) status = take_text(attempt, stream, &m.text[stream - 1], err);
    if (status == RV_OK) {
        m.files = files.at, m.file_count = files.count;
        rv_manifest_write(&slot->manifest, &m);
        slot->size = rv_manifest_blob_size(&m) + slot->manifest.size + slot->made_of.size;
        slot->created_ms = attempt->row.ended_ms;
    }
    rv_vec_deinit(&files);
    return status;
}

static rv_status keep(rv_attempt *attempt, rv_cache_slot *slot, bool is_awaited, rv_error *err)
{
    rv_job *job = attempt->job;
    rv_arena arena = {0};
    rv_digest text[2], outcome;
    named artifacts = {0};
    rv_status status = take_artifacts(rv_buf_str(&attempt->artifacts), &arena, &artifacts, err);
    bool is_read = rv_cache_log_digests(job, rv_str_of(job->id), attempt->row.log_last, text);
    if (status == RV_OK && !is_read) status = rv_error_set(err, RV_IO, "its output cannot be read back");
    outcome = rv_cache_outcome(RV_STR("succeeded"), text[0], text[1], rv_buf_str(&attempt->result), artifacts.at, artifacts.count);
    if (is_read && (slot || is_awaited)) rv_cache_outcome_note(job->cache, attempt->node, outcome);
    if (status == RV_OK && slot) status = make_entry(attempt, slot, &artifacts, outcome, &arena, err);
    rv_vec_deinit(&artifacts);
    rv_arena_deinit(&arena);
    return status;
}

void rv_cache_keep(rv_attempt *attempt, bool is_good)
{
    rv_job *job = attempt->job;
    rv_error error = {0};
    bool is_awaited = rv_cache_is_awaited(job, attempt->node);
    if (!is_good) rv_cache_forget(job, attempt->node);
    if (is_awaited && is_good) (void)rv_cache_part_of(job);
    if (!job->cache || !is_good) return;
    rv_cache_slot *slot = rv_cache_slot_of(job->cache, attempt->node);
    if (slot && slot->state != SLOT_MISSED) slot = NULL;
    if (!slot && !is_awaited) return;
    if (job->cache->subject.tree) rv_tree_moment(job->cache->subject.tree, job->engine->moment, job->engine->unrest);
    rv_status status = keep(attempt, slot, is_awaited, &error);
    if (!slot) return;
    if (status != RV_OK) {
        tell(job, attempt->node, error.text);
        rv_cache_slot_give(job->cache, attempt->node);
        return;
    }
    slot->state = SLOT_KEPT;
    RV_FAIL_POINT(CACHE_KEPT);
    rv_cache *cache = job->cache->cache;
    for (uint32_t i = 0; i < cache->runs.count; i++)
        if (cache->runs.at[i] == job->cache) return;
    rv_vec_push(&cache->runs, job->cache);
}

/* ---- rows ---- */

void rv_cache_collect(rv_job *job, uint32_t node, rv_batch *batch)
{
    rv_cache_slot *slot = job->cache ? rv_cache_slot_of(job->cache, node) : NULL;
    if (!slot || slot->state == SLOT_MISSED) return;
    rv_cache_memo_mark(job->cache->cache, batch);
    if (slot->state == SLOT_KEPT) {
        rv_cache_row row = {.key = {(const char *)slot->key.bytes, sizeof slot->key.bytes},
                            .node = rv_job_node_id(job, node),
                            .owner = rv_cache_owner(rv_str_of(job->file[0] ? job->file : job->name), rv_job_node_id(job, node)),
                            .size = slot->size,
                            .created_ms = slot->created_ms,
                            .manifest = rv_buf_str(&slot->manifest),
                            .made_of = rv_buf_str(&slot->made_of)};
        rv_batch_cache(batch, &row);
    } else if (slot->artifacts.size) {
        rv_artifact_rows(job, node, 0, rv_buf_str(&slot->artifacts), rv_engine_now(job->engine).wall_ms, batch);
    }
    rv_cache_slot_give(job->cache, node);
}

void rv_cache_shown(rv_job *job, uint32_t node, uint64_t *ret_log_last, rv_str *ret_result)
{
    const rv_cache_slot *slot = job->cache ? rv_cache_slot_of(job->cache, node) : NULL;
    bool is_settled = slot && slot->state == SLOT_SETTLED;
    if (!is_settled) return;
    *ret_log_last = slot->log_last;
    *ret_result = rv_buf_str(&slot->result);
}
