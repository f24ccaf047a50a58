#include "engine/inner.h"

/* What people say may hold a secret of the run: it is masked before it is journaled, as output is [E31].
 *
 * An engine that drives the run has the values. One that only takes a decision for it was given none; it has their keyed
 * hashes, and finds what equals a secret: a whole string of what was said, or a word of it. */

static bool is_secret(rv_job *job, const rv_json *hashes, rv_str text)
{
    char hash[72];
    rv_engine_secret_hash(job->engine, text, hash);
    for (const rv_json *item = hashes->child; item; item = item->next)
        if (rv_str_is(item->text, hash)) return true;
    return false;
}

typedef RV_VEC(rv_str) found_secrets;

static void find_in_text(rv_job *job, const rv_json *hashes, rv_str text, found_secrets *found)
{
    if (is_secret(job, hashes, text)) rv_vec_push(found, text);
    for (size_t at = 0; at < text.size;) {
        size_t end = at;
        while (end < text.size && (unsigned char)text.at[end] > ' ') end++;
        rv_str word = rv_str_cut(text, at, end - at);
        if (word.size > 0 && word.size < text.size && is_secret(job, hashes, word)) rv_vec_push(found, word);
        at = end + 1;
    }
}

/* Every string, key and number of a tree. */
static void find_in_tree(rv_job *job, const rv_json *hashes, const rv_json *root, found_secrets *found)
{
    const rv_json *above[RV_JSON_DEPTH_MAX + 1];
    uint32_t depth = 0;
    for (const rv_json *at = root; at;) {
        if (at->key.size) find_in_text(job, hashes, at->key, found);
        if (at->kind == RV_JSON_STRING || at->kind == RV_JSON_NUMBER) find_in_text(job, hashes, at->text, found);
        if ((at->kind == RV_JSON_ARRAY || at->kind == RV_JSON_OBJECT) && at->child) {
            RV_ASSERT(depth < RV_COUNT(above));
            above[depth++] = at;
            at = at->child;
            continue;
        }
        while (depth > 0 && !at->next) at = above[--depth];
        at = depth > 0 ? at->next : NULL;
    }
}

/* NULL: nothing to mask. Free it unless it is the job's. */
static rv_mask *mask_for(rv_job *job, rv_str json)
{
    rv_arena arena = {0};
    rv_json *hashes = NULL, *said = NULL;
    rv_mask *mask = NULL;
    found_secrets found = {0};
    if (!job->is_undriven) return job->mask;
    bool is_known = rv_json_parse(&arena, rv_buf_str(&job->secrets_json), &hashes, NULL) == RV_OK && hashes->count > 0;
    if (is_known && rv_json_parse(&arena, json, &said, NULL) == RV_OK) find_in_tree(job, hashes, said, &found);
    if (found.count) mask = rv_mask_new(found.at, found.count);
    rv_vec_deinit(&found);
    rv_arena_deinit(&arena);
    return mask;
}

static bool is_same(rv_str a, rv_str b)
{
    rv_arena arena = {0};
    rv_json *x = NULL, *y = NULL;
    bool same = rv_json_parse(&arena, a, &x, NULL) == RV_OK && rv_json_parse(&arena, b, &y, NULL) == RV_OK && rv_json_equal(x, y);
    rv_arena_deinit(&arena);
    return same;
}

bool rv_said_mask(rv_job *job, rv_str json, rv_buf *out)
{
    rv_mask *mask = mask_for(job, json);
    rv_buf masked = {0};
    if (mask) rv_mask_json(mask, json, &masked);
    bool was_masked = mask && !is_same(json, rv_buf_str(&masked));
    rv_buf_str_add(out, was_masked ? rv_buf_str(&masked) : json);
    if (mask != job->mask) rv_mask_free(mask);
    rv_buf_deinit(&masked);
    return was_masked;
}
