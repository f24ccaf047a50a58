#include "engine/inner.h"
#include "engine/cache_part.h"

#include <sys/stat.h>
#include <unistd.h>

/* The cache of a store, and a node's way through it: found, put back, or a miss that is kept in mind. */

const char *rv_cache_reason_name(rv_cache_reason reason)
{
#define X(name_, text_) text_,
    static const char *const names[] = {RV_CACHE_REASON_MAP(X)};
#undef X
    RV_ASSERT(reason < RV_COUNT(names));
    return names[reason];
}

const char *rv_cache_mode_name(rv_cache_mode mode)
{
#define X(name_, text_) text_,
    static const char *const names[] = {RV_CACHE_MODE_MAP(X)};
#undef X
    RV_ASSERT(mode < RV_COUNT(names));
    return names[mode];
}

/* ---- life ---- */

rv_cache *rv_cache_open(const rv_cache_config *config)
{
    rv_cache *cache = rv_alloc(sizeof *cache);
    cache->config = *config;
    cache->stamps = rv_stamps_open(config->root);
    rv_used_open(cache);
    return cache;
}

void rv_cache_close(rv_cache *cache)
{
    if (!cache) return;
    RV_ASSERT(cache->runs.count == 0);
    if (!cache->config.source) {
        rv_stamps_save(cache->stamps);
        rv_used_save(cache);
    }
    rv_stamps_close(cache->stamps);
    rv_used_close(cache);
    rv_key_parts_deinit(&cache->parts);
    rv_arena_deinit(&cache->arena);
    rv_buf_deinit(&cache->text[0]);
    rv_buf_deinit(&cache->text[1]);
    rv_buf_deinit(&cache->buffer);
    rv_vec_deinit(&cache->runs);
    rv_free(cache);
}

rv_status rv_cache_tree(rv_cache *cache, const char *dir, rv_tree **ret, rv_error *err)
{
    return rv_tree_open(dir, cache->config.root, cache->config.blobs, cache->stamps, ret, err);
}

/* ---- entries ---- */

static bool has_blob(void *user, rv_digest digest, uint64_t size) { return rv_blob_has(((rv_cache *)user)->config.blobs, digest, size); }

static rv_status find_row(rv_cache *cache, rv_str key, rv_cache_row *ret)
{
    const rv_cache_source *source = cache->config.source;
    return source ? source->by_key(source->user, &cache->arena, key, ret, NULL)
                  : rv_store_cache(cache->config.store, &cache->arena, key, ret, NULL);
}

rv_status rv_cache_last(rv_cache *cache, rv_arena *arena, uint64_t owner, rv_cache_row *ret, rv_error *err)
{
    const rv_cache_source *source = cache->config.source;
    return source ? source->by_owner(source->user, arena, owner, ret, err)
                  : rv_store_cache_last(cache->config.store, arena, owner, ret, err);
}

rv_cache_reason rv_cache_entry(rv_cache *cache, rv_digest key, bool has_all, uint64_t *ret_id, rv_manifest *ret)
{
    rv_cache_row row = {0};
    rv_arena_clear(&cache->arena);
    rv_str bytes = {(const char *)key.bytes, sizeof key.bytes};
    if (find_row(cache, bytes, &row) != RV_OK) return RV_CACHE_NO_ENTRY;
    rv_status status = rv_manifest_read(&cache->arena, row.manifest, ret);
    if (status != RV_OK) return status == RV_UNSUPPORTED ? RV_CACHE_SCHEMA_MISMATCH : RV_CACHE_CORRUPT;
    *ret_id = row.id;
    return !has_all || rv_manifest_blobs(ret, has_blob, cache) ? RV_CACHE_HIT : RV_CACHE_CORRUPT;
}

/* Append what a text of an entry is; a blob is verified. */
static bool read_text(rv_cache *cache, const rv_manifest_text *text, rv_buf *out)
{
    if (text->is_blob) return rv_blob_read(cache->config.blobs, text->digest, text->size, out, NULL) == RV_OK && out->size == text->size;
    rv_buf_str_add(out, text->bytes);
    return true;
}

static rv_str without_newlines(rv_str text)
{
    while (text.size && text.at[text.size - 1] == '\n') text.size--; /* as `$(…)` gives it */
    return text;
}

rv_cache_reason rv_cache_find(rv_cache *cache, rv_digest key, rv_arena *arena, rv_cache_found *ret)
{
    rv_manifest m;
    uint64_t id = 0;
    rv_cache_reason reason = rv_cache_entry(cache, key, true, &id, &m);
    if (reason != RV_CACHE_HIT) return reason;
    rv_buf_clear(&cache->text[0]);
    if (m.text[0].size <= RV_VALUE_SIZE_MAX && !read_text(cache, &m.text[0], &cache->text[0])) return RV_CACHE_CORRUPT;
    *ret = (rv_cache_found){.id = id, .outcome = m.outcome, .exit_status = m.exit_status, .duration_ms = m.duration_ms,
                            .result = rv_arena_str(arena, m.result),
                            .output = rv_arena_str(arena, without_newlines(rv_buf_str(&cache->text[0])))};
    rv_cache_named *artifacts = m.artifact_count ? rv_arena_new(arena, rv_cache_named, m.artifact_count) : NULL;
    for (uint32_t i = 0; i < m.artifact_count; i++) {
        artifacts[i] = m.artifacts[i];
        artifacts[i].name = rv_arena_str(arena, m.artifacts[i].name);
    }
    ret->artifacts = artifacts, ret->artifact_count = m.artifact_count;
    ret->files = m.files, ret->file_count = m.file_count;
    return RV_CACHE_HIT;
}

/* ---- a run's part ---- */

rv_cache *rv_cache_of(rv_engine *engine)
{
    if (!engine->cache)
        engine->cache = rv_cache_open(&(rv_cache_config){.root = engine->config.root, .store = engine->config.store,
                                                         .blobs = engine->config.blobs, .environ = engine->config.environ});
    return engine->cache;
}

rv_cache_part *rv_cache_part_of(rv_job *job)
{
    rv_engine *engine = job->engine;
    if (job->cache || job->is_undriven || !engine->config.blobs) return job->cache;
    rv_cache_part *part = rv_alloc(sizeof *part);
    part->cache = rv_cache_of(engine);
    part->job = job;
    job->cache = part;
    rv_cache_outcomes_open(part);
    rv_cache_memo_open(part);
    return part;
}

/* The tree is opened when a file is first asked for: the directory of a run may come to be later than the run. */
static rv_status open_tree(rv_cache_part *part, rv_error *err)
{
    rv_status status = part->subject.tree ? RV_OK : rv_cache_tree(part->cache, part->job->dir, &part->subject.tree, err);
    if (status == RV_OK) rv_tree_moment(part->subject.tree, part->job->engine->moment, part->job->engine->unrest);
    return status;
}

static bool has_cached(const rv_graph *graph)
{
    for (uint32_t i = 0; i < graph->plain_count; i++)
        if (graph->nodes[i].flags & RV_NODE_F_CACHED) return true;
    return false;
}

void rv_cache_begin(rv_job *job)
{
    rv_error ignored;
    rv_cache_part *part = has_cached(job->graph) ? rv_cache_part_of(job) : NULL;
    if (part && part->memo && open_tree(part, &ignored) == RV_OK)
        rv_memo_look_ahead(part->memo, part->subject.tree, rv_loop_mono_ms(job->engine->config.loop));
}

void rv_cache_job_free(rv_job *job)
{
    rv_cache_part *part = job->cache;
    if (!part) return;
    rv_cache_memo_close(part);
    for (uint32_t i = 0; i < part->slots.count; i++) {
        rv_buf_deinit(&part->slots.at[i].manifest);
        rv_buf_deinit(&part->slots.at[i].made_of);
        rv_buf_deinit(&part->slots.at[i].result);
        rv_buf_deinit(&part->slots.at[i].artifacts);
    }
    rv_vec_deinit(&part->slots);
    rv_vec_deinit(&part->slots_free);
    rv_vec_deinit(&part->slot_of);
    rv_vec_deinit(&part->outcomes);
    rv_tree_close(part->subject.tree);
    for (uint32_t i = 0; i < part->cache->runs.count; i++)
        if (part->cache->runs.at[i] == part) part->cache->runs.at[i] = rv_vec_pop(&part->cache->runs);
    rv_free(part);
    job->cache = NULL;
}

void rv_job_cached(const rv_job *job, uint32_t *ret_hits, int64_t *ret_saved_ms, bool *ret_nothing_ran)
{
    *ret_hits = job->cache ? job->cache->counts.hits : 0;
    *ret_saved_ms = job->cache ? job->cache->counts.saved_ms : 0;
    *ret_nothing_ran = job->run->epoch_last == 0;
}

/* ---- slots: what is in mind of a node between its lookup and its row ---- */

rv_cache_slot *rv_cache_slot_of(rv_cache_part *part, uint32_t node)
{
    uint32_t index = node < part->slot_of.count ? part->slot_of.at[node] : 0;
    return index ? &part->slots.at[index - 1] : NULL;
}

static rv_cache_slot *take_slot(rv_cache_part *part, uint32_t node)
{
    rv_cache_slot *slot = rv_cache_slot_of(part, node);
    if (!slot) {
        uint32_t index = part->slots.count;
        if (part->slots_free.count) index = rv_vec_pop(&part->slots_free);
        else (void)rv_vec_add(&part->slots);
        while (part->slot_of.count <= node) rv_vec_push(&part->slot_of, 0);
        part->slot_of.at[node] = index + 1;
        slot = &part->slots.at[index];
    }
    rv_cache_slot blank = {.state = SLOT_MISSED, .manifest = slot->manifest, .made_of = slot->made_of, .result = slot->result,
                           .artifacts = slot->artifacts};
    rv_buf_clear(&blank.manifest), rv_buf_clear(&blank.made_of), rv_buf_clear(&blank.result), rv_buf_clear(&blank.artifacts);
    *slot = blank;
    return slot;
}

void rv_cache_slot_give(rv_cache_part *part, uint32_t node)
{
    uint32_t index = node < part->slot_of.count ? part->slot_of.at[node] : 0;
    if (!index) return;
    part->slot_of.at[node] = 0;
    part->slots.at[index - 1].state = SLOT_FREE;
    rv_vec_push(&part->slots_free, index - 1);
}

void rv_cache_forget(rv_job *job, uint32_t node)
{
    rv_cache_slot *slot = job->cache ? rv_cache_slot_of(job->cache, node) : NULL;
    if (slot && slot->state == SLOT_MISSED) rv_cache_slot_give(job->cache, node);
}

/* ---- putting back ---- */

static bool is_whole(rv_cache *cache, rv_digest digest, uint64_t size)
{
    rv_sha256_stream *hash = rv_sha256_new();
    int fd = rv_blob_open(cache->config.blobs, digest);
    char chunk[16384];
    uint64_t sum = 0;
    ssize_t count = -1;
    while (fd >= 0 && (count = read(fd, chunk, sizeof chunk)) != 0) {
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) break;
        sum += (uint64_t)count;
        rv_sha256_add(hash, (rv_str){chunk, (size_t)count});
    }
    if (fd >= 0) close(fd);
    rv_digest found = rv_sha256_end_take(hash);
    return count == 0 && sum == size && memcmp(found.bytes, digest.bytes, sizeof found.bytes) == 0;
}

/* Everything but files: read and verified before anything is changed. */
static bool verify_rest(rv_cache *cache, const rv_manifest *m)
{
    for (int i = 0; i < 2; i++) {
        rv_buf_clear(&cache->text[i]);
        if (!read_text(cache, &m->text[i], &cache->text[i])) return false;
    }
    for (uint32_t i = 0; i < m->artifact_count; i++) {
        rv_tree_file named = {.path = m->artifacts[i].name, .kind = RV_TREE_FILE};
        if (rv_tree_refusal_of_path(named.path) || !is_whole(cache, m->artifacts[i].digest, m->artifacts[i].size)) return false;
    }
    return true;
}

static rv_cache_reason put_back(rv_cache_part *part, const rv_manifest *m, rv_error *err)
{
    rv_tree *tree = part->subject.tree;
    for (uint32_t i = 0; i < m->file_count; i++)
        if (rv_tree_refusal(tree, &m->files[i])) return RV_CACHE_CORRUPT;
    if (!verify_rest(part->cache, m)) return RV_CACHE_CORRUPT;
    uint32_t written = 0;
    rv_status status = m->file_count ? rv_tree_restore(tree, m->files, m->file_count, &written, err) : RV_OK;
    if (status != RV_OK || written) rv_engine_stir(part->job->engine); /* another run may have seen what was there */
    if (status == RV_CORRUPT || status == RV_NOT_FOUND) return RV_CACHE_CORRUPT;
    return status == RV_OK ? RV_CACHE_HIT : RV_CACHE_NOT_RESTORED;
}

static bool link_artifacts(rv_job *job, uint32_t node, const rv_manifest *m, rv_cache_slot *slot)
{
    for (uint32_t i = 0; i < m->artifact_count; i++) {
        const rv_cache_named *artifact = &m->artifacts[i];
        if (!rv_artifact_link(job, node, artifact->digest, artifact->name)) return false;
        rv_artifact_note(&slot->artifacts, artifact->name, artifact->digest, artifact->size);
    }
    return true;
}

/* Log and show what it wrote, once and whole [A20]. */
static rv_status replay_output(rv_job *job, uint32_t node, rv_cache_slot *slot, rv_error *err)
{
    const rv_observer *observer = &job->engine->config.observer;
    const rv_cache *cache = job->cache->cache;
    rv_status status = RV_OK;
    slot->log_last = RV_LOG_NONE;
    if (cache->text[0].size + cache->text[1].size > 0) {
        rv_log_attempt *log = rv_log_attempt_new(job->log, node, 0, RV_CAPTURE_SIZE_MAX, job->mask);
        for (int stream = 1; stream <= 2; stream++) {
            rv_str text = rv_buf_str(&cache->text[stream - 1]), shown = {NULL, 0};
            int64_t wall_ms = rv_loop_wall_ms(job->engine->config.loop);
            if (text.size && status == RV_OK) status = rv_log_add(log, stream, wall_ms, text, &shown, err);
            if (status == RV_OK && shown.size && observer->output) observer->output(observer->user, job, node, stream, shown);
            shown = rv_log_attempt_rest(log, stream);
            if (shown.size && observer->output) observer->output(observer->user, job, node, stream, shown);
        }
        rv_status ended = rv_log_attempt_end(log, &slot->log_last, NULL, NULL, err);
        if (status == RV_OK) status = ended;
    }
    if (rv_run_def(job->run, node)->flags & RV_NODE_F_READS_OUTPUT)
        rv_vec_push(&job->outputs, ((rv_output_ref){node, slot->log_last, rv_str_of(job->id)}));
    return status;
}

void rv_cache_hit_note(rv_cache_part *part, uint32_t node, uint64_t entry, int64_t duration_ms, rv_digest outcome)
{
    part->counts.hits++;
    part->counts.saved_ms += duration_ms;
    rv_used_note(part->cache, entry, rv_loop_wall_ms(part->job->engine->config.loop));
    rv_cache_outcome_note(part, node, outcome);
}

static void settle(rv_job *job, uint32_t node, rv_cache_slot *slot, uint64_t id, const rv_manifest *m, rv_cache_hit *ret)
{
    rv_cache_part *part = job->cache;
    bool is_read = rv_run_def(job->run, node)->flags & RV_NODE_F_EXPR_OUTPUT;
    slot->state = SLOT_SETTLED;
    rv_buf_str_add(&slot->result, m->result);
    rv_digest_text(slot->key, ret->key);
    ret->exit_status = m->exit_status;
    ret->result = m->result;
    ret->output = is_read ? without_newlines(rv_buf_str(&part->cache->text[0])) : (rv_str){NULL, 0};
    ret->saved_ms = m->duration_ms;
    ret->files = m->files, ret->file_count = m->file_count;
    rv_cache_hit_note(part, node, id, m->duration_ms, m->outcome);
}

/* ---- files that are kept in mind ---- */

static void tell_inputs(rv_job *job, uint32_t node)
{
    const rv_key_parts *parts = &job->cache->cache->parts; /* of the key that was just made */
    for (uint32_t i = 0; i < parts->files.count; i++)
        if (parts->files.at[i].kind != RV_TREE_ABSENT) rv_trespass_read(job, node, parts->files.at[i].path);
}

void rv_cache_tell_outputs(rv_attempt *attempt)
{
    rv_job *job = attempt->job;
    rv_arena arena = {0};
    rv_tree_files files = {0};
    rv_error error;
    uint32_t count = 0;
    const rv_json *outputs = rv_trespass_is_watched(job) ? rv_json_get(rv_job_body(job, attempt->node), RV_STR("outputs")) : NULL;
    rv_cache_part *part = outputs ? rv_cache_part_of(job) : NULL;
    if (!part) return;
    const rv_str *patterns = rv_cache_patterns(outputs, &arena, &count);
    rv_status status = open_tree(part, &error);
    if (status == RV_OK && count) status = rv_tree_take(part->subject.tree, patterns, count, false, &arena, &files, &error);
    if (status != RV_OK) rv_trespass_unseen(job, attempt->node, error.text);
    for (uint32_t i = 0; i < files.count; i++)
        if (files.at[i].kind != RV_TREE_ABSENT && files.at[i].kind != RV_TREE_DIR) rv_trespass_made(job, attempt->node, files.at[i].path);
    rv_vec_deinit(&files);
    rv_arena_deinit(&arena);
}

/* ---- looking up ---- */

/* An expression reads its stdout, and could not take it: run, it fails and says so. */
static bool is_output_over(const rv_job *job, uint32_t node, const rv_manifest *m)
{
    return (rv_run_def(job->run, node)->flags & RV_NODE_F_EXPR_OUTPUT) && m->text[0].size > RV_VALUE_SIZE_MAX;
}

static rv_cache_reason find_and_settle(rv_job *job, uint32_t node, rv_cache_slot *slot, rv_cache_hit *ret, rv_error *err)
{
    rv_cache_part *part = job->cache;
    rv_manifest m;
    uint64_t id = 0;
    rv_cache_reason reason = rv_cache_entry(part->cache, slot->key, false, &id, &m);
    if (reason == RV_CACHE_HIT && is_output_over(job, node, &m)) reason = RV_CACHE_NO_ENTRY;
    if (reason == RV_CACHE_HIT) reason = put_back(part, &m, err);
    if (reason != RV_CACHE_HIT) return reason;
    rv_status status = link_artifacts(job, node, &m, slot) ? replay_output(job, node, slot, err)
                                                           : rv_error_set(err, RV_IO, "an artifact cannot be linked: %s", strerror(errno));
    if (status == RV_STORE_FULL || status == RV_STORE_IO) rv_engine_fail(job->engine, err);
    if (status != RV_OK) return RV_CACHE_NOT_RESTORED;
    settle(job, node, slot, id, &m, ret);
    rv_cache_memo_note(job, node, slot->key, id, &m);
    RV_FAIL_POINT(CACHE_SETTLED);
    return RV_CACHE_HIT;
}

rv_cache_reason rv_cache_try(rv_job *job, uint32_t node, rv_cache_hit *ret, rv_error *err)
{
    bool is_cached = rv_run_def(job->run, node)->flags & RV_NODE_F_CACHED;
    rv_cache_part *part = is_cached ? rv_cache_part_of(job) : NULL;
    rv_digest key, inputs;
    err->text[0] = 0;
    if (!part) return RV_CACHE_NO_KEY;
    if (rv_fail_point_armed == RV_FAIL_CACHE_LOOKED && part->memo && rv_memo_has_looked(part->memo)) RV_FAIL_POINT(CACHE_LOOKED);
    rv_engine_moment_again(job->engine);
    rv_status status = open_tree(part, err);
    if (status == RV_OK && rv_cache_memo_find(job, node, ret)) return RV_CACHE_HIT;
    if (status == RV_OK) status = rv_cache_key(part->cache, &part->subject, node, &key, &inputs, err);
    if (status != RV_OK) {
        rv_cache_forget(job, node);
        part->counts.misses++;
        return RV_CACHE_NO_KEY;
    }
    if (rv_trespass_is_watched(job)) tell_inputs(job, node);
    rv_cache_slot *slot = take_slot(part, node);
    slot->key = key;
    slot->inputs = inputs;
    rv_cache_reason reason = find_and_settle(job, node, slot, ret, err);
    if (reason == RV_CACHE_HIT) return reason;
    part->counts.misses++;
    rv_cache_made_of(part->cache, &slot->made_of);
    return reason;
}
