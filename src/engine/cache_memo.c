#include "engine/inner.h"
#include "engine/cache_part.h"

#include "kernel/gate.h"

#include <stdlib.h>

/* A node's way around the lookup: what it had the last time, while nothing that it depends on is another (memo.h). */

#define DROPPED "cache_dropped" /* meta: a text that no other store has, and another one after each batch that dropped entries */

static void mark(rv_batch *batch)
{
    char text[20];
    uint64_t number;
    rv_random_bytes(&number, sizeof number);
    int size = snprintf(text, sizeof text, "%016llx", (unsigned long long)number);
    rv_batch_meta(batch, RV_STR(DROPPED), (rv_str){text, (size_t)size});
}

void rv_cache_memo_drop(rv_cache *cache, rv_batch *batch)
{
    mark(batch);
    cache->drops++;
}

void rv_cache_memo_mark(rv_cache *cache, rv_batch *batch)
{
    if (cache->is_unmarked) mark(batch);
    cache->is_unmarked = false;
}

void rv_cache_memo_open(rv_cache_part *part)
{
    rv_job *job = part->job;
    rv_cache *cache = part->cache;
    rv_arena arena = {0};
    rv_str dropped = {NULL, 0};
    rv_error error;
    if (part->memo || job->mask || cache->drops) return; /* what secrets are in a key nobody keeps */
    rv_status status = rv_store_meta(cache->config.store, &arena, RV_STR(DROPPED), &dropped, &error);
    uint64_t values = rv_hash64(rv_str_of(job->dir), rv_hash64(rv_buf_str(&job->load_value), rv_hash64(dropped, 0)));
    rv_arena_deinit(&arena);
    cache->is_unmarked |= status == RV_NOT_FOUND; /* a store's first: what is known may be another one's */
    if (status != RV_OK) return;
    rv_memo **early = &job->engine->config.memo;
    if (*early && rv_memo_is_of(*early, &job->graph->digest, job->graph->node_count)) {
        part->memo = *early;
        *early = NULL;
    } else {
        part->memo = rv_memo_open(&(rv_memo_of){.root = cache->config.root, .workflow = job->graph->digest,
                                                .environ = cache->config.environ, .node_count = job->graph->node_count});
    }
    rv_memo_accept(part->memo, values);
}

void rv_cache_memo_close(rv_cache_part *part)
{
    rv_memo_close(part->memo, part->cache->drops > 0);
    part->memo = NULL;
}

/* Of a node of the file itself, in a run whose files nobody has to hear of. */
static bool may_have(rv_job *job, uint32_t node)
{
    return job->cache->memo && job->cache->cache->drops == 0 && !rv_trespass_is_watched(job) && node < job->graph->plain_count &&
           job->run->nodes[node].def == node;
}

/* A hash of what its predecessors gave, and of its trust. false: it is not known. */
static bool preds_hash(const rv_cache_part *part, uint32_t node, uint64_t *ret)
{
    const rv_run *run = part->job->run;
    const rv_graph *graph = part->job->graph;
    uint64_t hash = rv_run_is_quarantined(run, node);
    for (uint32_t e = graph->pred_begin[node]; e < graph->pred_begin[node + 1]; e++) {
        rv_digest outcome;
        if (graph->pred[e] & RV_EDGE_SOFT) continue;
        if (!part->subject.outcome(part->subject.user, RV_EDGE_NODE(graph->pred[e]), &outcome)) return false;
        hash = rv_hash64((rv_str){(const char *)outcome.bytes, sizeof outcome.bytes}, hash);
    }
    *ret = hash;
    return true;
}

bool rv_cache_memo_find(rv_job *job, uint32_t node, rv_cache_hit *ret)
{
    rv_cache_part *part = job->cache;
    rv_memo_hit hit;
    uint64_t preds;
    if (!may_have(job, node) || !preds_hash(part, node, &preds)) return false;
    if (!rv_memo_find(part->memo, node, preds, part->subject.tree, &hit)) return false;
    rv_cache_forget(job, node);
    *ret = (rv_cache_hit){.exit_status = hit.exit_status, .saved_ms = hit.duration_ms};
    rv_digest_text(hit.key, ret->key);
    rv_cache_hit_note(part, node, hit.entry, hit.duration_ms, hit.outcome);
    if (rv_run_def(job->run, node)->flags & RV_NODE_F_READS_OUTPUT)
        rv_vec_push(&job->outputs, ((rv_output_ref){node, RV_LOG_NONE, rv_str_of(job->id)}));
    return true;
}

/* ---- keeping ---- */

static void look_at_reference(void *user, rv_str path, bool has_default, size_t offset)
{
    *(bool *)user &= rv_str_starts(path, RV_STR("user.")) || rv_str_starts(path, RV_STR("env."));
}

/* Whether all that a text names is a value which the run was given. */
static bool is_given(const rv_json *value)
{
    bool is_so = true;
    size_t at;
    if (!value || value->kind != RV_JSON_STRING || rv_str_find(value->text, 0, '$') == SIZE_MAX) return true;
    return rv_template_references(value->text, look_at_reference, &is_so, &at, NULL) == RV_OK && is_so;
}

static bool are_given(const rv_json *values)
{
    for (const rv_json *item = values ? values->child : NULL; item; item = item->next)
        if (!is_given(item)) return false;
    return true;
}

static int by_path(const void *path, const void *file) { return rv_str_cmp(*(const rv_str *)path, ((const rv_tree_file *)file)->path); }

/* Patterns that name these files, each one: a directory would mean what else comes to be in it, too. */
static bool are_literal(rv_key_parts *parts, const rv_json *patterns, const rv_tree_file *files, uint32_t count)
{
    uint32_t sum = 0;
    for (const rv_json *item = patterns ? patterns->child : NULL; item; item = item->next, sum++) {
        rv_str path = rv_tree_literal(item->text, &parts->arena);
        if (sum >= count || path.size == 0 || !bsearch(&path, files, count, sizeof *files, by_path)) return false;
    }
    return sum == count;
}

void rv_cache_memo_note(rv_job *job, uint32_t node, rv_digest key, uint64_t id, const rv_manifest *m)
{
    rv_cache_part *part = job->cache;
    rv_key_parts *parts = &part->cache->parts; /* of the key that was just made */
    const rv_json *body = parts->body;
    uint64_t preds;
    bool has_only_files = m->text[0].size == 0 && m->text[1].size == 0 && m->result.size == 0 && m->artifact_count == 0;
    if (!has_only_files || !may_have(job, node) || !preds_hash(part, node, &preds)) return;
    if (!are_given(rv_json_get(body, RV_STR("run"))) || !are_given(rv_json_get(body, RV_STR("env")))) return;
    if (!is_given(rv_json_get(body, RV_STR("dir")))) return;
    if (!are_literal(parts, rv_json_get(body, RV_STR("inputs")), parts->files.at, parts->files.count)) return;
    if (!are_literal(parts, rv_json_get(body, RV_STR("outputs")), m->files, m->file_count)) return;
    rv_memo_hit hit = {.key = key, .outcome = m->outcome, .entry = id, .duration_ms = m->duration_ms, .exit_status = m->exit_status};
    rv_memo_files files = {parts->files.at, m->files, parts->files.count, m->file_count};
    rv_vec_clear(&parts->host_names);
    for (uint32_t i = 0; i < parts->host.count; i++) rv_vec_push(&parts->host_names, parts->host.at[i].name);
    rv_memo_note(part->memo, node, preds, &hit, part->subject.tree, &files, parts->host_names.at, parts->host_names.count);
}
