/* cached.c: what a node says of the cache, and what it cannot be beside it [C1, W7].
 *
 * A hit stands for work that is not done: nothing starts, what was made is put back. So whoever promises that something happens each time
 * (an at-most-once effect, a process that stays, a handler), or does not depend on files alone (a worktree is of a commit), is refused. */
#include "spec/load.h"

static bool is_word(const rv_doc *doc, uint32_t value, const char *word)
{
    return value != RV_NONE && rv_doc_is_scalar(doc, value) && rv_str_is(rv_doc_text(doc, value), word);
}

/* Of several layers, which need not be maps, the value of the first one that has the key. */
static uint32_t first_of(const rv_doc *doc, const uint32_t *layers, uint32_t layer_count, const char *key)
{
    for (uint32_t i = 0; i < layer_count; i++) {
        if (layers[i] == RV_NONE || rv_doc_kind_of(doc, layers[i]) != RV_DOC_MAP) continue;
        uint32_t value = rv_doc_get(doc, layers[i], key);
        if (value != RV_NONE) return value;
    }
    return RV_NONE;
}

void rv_loader_cache(const rv_loader *l, uint32_t node, rv_cache_view *ret)
{
    const rv_doc *doc = &l->doc;
    uint32_t body = rv_loader_body(l, node), layers[] = {rv_doc_get(doc, body, "cache"), RV_NONE, RV_NONE}, cause = RV_NONE;
    for (uint32_t i = 1; i < RV_COUNT(layers) && !l->nodes.at[node].handler; i++)
        layers[i] = rv_loader_default_of(l, node, RV_NK_CACHE, i == 2);
    for (uint32_t i = 0; i < RV_COUNT(layers) && cause == RV_NONE; i++) cause = layers[i];
    *ret = (rv_cache_view){.cause = RV_NONE, .deps = RV_NONE};
    ret->env_host = rv_doc_get(doc, body, "env_host");
    ret->inputs = rv_doc_get(doc, body, "inputs");
    rv_doc_kind kind = cause == RV_NONE ? RV_DOC_FALSE : rv_doc_kind_of(doc, cause);
    ret->is_on = rv_loader_is_process(l, node) && (kind == RV_DOC_TRUE || kind == RV_DOC_MAP);
    if (ret->is_on) {
        ret->cause = cause;
        ret->deps = first_of(doc, layers, RV_COUNT(layers), "deps");
        if (ret->inputs == RV_NONE) ret->inputs = first_of(doc, layers, RV_COUNT(layers), "inputs");
        if (ret->env_host == RV_NONE) ret->env_host = first_of(doc, layers, RV_COUNT(layers), "env_host");
    }
    if (ret->env_host == RV_NONE) ret->env_host = rv_loader_default(l, node, RV_NK_ENV_HOST);
}

/* A key stands in `cache` of a body and beside it. */
static void check_twice(rv_loader *l, uint32_t node, const char *key)
{
    uint32_t body = rv_loader_body(l, node), own = rv_doc_get(&l->doc, body, "cache"), within = first_of(&l->doc, &own, 1, key);
    if (within != RV_NONE && rv_doc_get(&l->doc, body, key) != RV_NONE)
        rv_loader_error(l, within - 1, 0, RV_STR("keep one of them"), "`%s` of `%.*s` stands in `cache` and beside it", key,
                        RV_FMT(rv_loader_name(l, node)));
}

static void refuse(rv_loader *l, uint32_t node, uint32_t cause, bool is_own, const char *cure, const char *why)
{
    rv_loader_error(l, is_own ? cause - 1 : l->nodes.at[node].key, 0, rv_str_of(is_own ? cure : "give it cache: false"),
                    "`%.*s` cannot be cached: %s", RV_FMT(rv_loader_name(l, node)), why);
}

static bool is_in_worktree(const rv_loader *l, uint32_t node)
{
    uint32_t isolation = rv_loader_value(l, node, RV_NK_ISOLATION);
    if (isolation != RV_NONE) return is_word(&l->doc, isolation, "worktree");
    return is_word(&l->doc, rv_loader_value(l, node, RV_NK_ROLE), "implement");
}

void rv_loader_cached(rv_loader *l, uint32_t node)
{
    rv_draft *draft = &l->nodes.at[node];
    rv_cache_view view;
    uint32_t leave;
    if (rv_doc_kind_of(&l->doc, draft->body) != RV_DOC_MAP || draft->kind == RV_KIND_COUNT || !rv_loader_is_process(l, node)) return;
    uint32_t own = rv_doc_get(&l->doc, draft->body, "cache");
    if (own == RV_NONE && rv_loader_default(l, node, RV_NK_CACHE) == RV_NONE) return;
    check_twice(l, node, "inputs");
    check_twice(l, node, "env_host");
    rv_loader_cache(l, node, &view);
    if (!view.is_on) return;
    draft->flags |= RV_NODE_F_CACHED;
    bool is_own = own != RV_NONE;
    if (draft->handler) refuse(l, node, own, true, "remove `cache`", "a handler runs each time");
    if (is_word(&l->doc, rv_loader_value(l, node, RV_NK_DELIVERY), "at_most_once"))
        refuse(l, node, own, is_own, "remove `cache`, or `delivery` where running it twice does no harm",
               "`at_most_once` is for what has an effect outside, and a hit has none");
    leave = rv_loader_value(l, node, RV_NK_LEAVE);
    if (leave != RV_NONE && rv_doc_kind_of(&l->doc, leave) == RV_DOC_TRUE)
        refuse(l, node, own, is_own, "remove one of them", "with `leave` it starts something that stays, and a hit starts nothing");
    if (is_in_worktree(l, node))
        refuse(l, node, own, is_own, "remove `cache`, or let it run in the directory itself",
               "in a worktree it sees a commit, not the files that `inputs` name");
}

/* Do `env` and `defaults` of this file hold for the node? */
static bool has_layers_of(const rv_loader *l, uint32_t node, uint32_t index)
{
    const rv_file_draft *file = rv_loader_file(l, node);
    return file == &l->files.at[index] || (file->is_project && index == 0);
}

void rv_loader_fleeting(rv_loader *l, const rv_reference *ref)
{
    uint32_t node = ref->node;
    if (ref->use != RV_USE_ARGV && ref->use != RV_USE_ENV && ref->use != RV_USE_DIR) return;
    if (node == RV_NONE) { /* `env` of the file or `defaults`: of the first cached node that has it */
        for (node = 0; node < l->def_count; node++)
            if (l->nodes.at[node].flags & RV_NODE_F_CACHED && has_layers_of(l, node, ref->file)) break;
        if (node == l->def_count) return;
    }
    if (l->nodes.at[node].flags & RV_NODE_F_CACHED)
        rv_loader_error(l, ref->value, ref->within,
                        RV_STR("take it out, or do not cache the node: it has `$REEVE_RUN` and `$REEVE_ATTEMPT`"),
                        "`${%.*s}` is another one each time, so the cached `%.*s` would never be found again", RV_FMT(ref->path),
                        RV_FMT(rv_loader_name(l, node)));
}

void rv_loader_inputless(rv_loader *l)
{
    uint32_t first = RV_NONE, count = 0;
    for (uint32_t node = 0; node < l->def_count; node++) {
        rv_cache_view view;
        if (!(l->nodes.at[node].flags & RV_NODE_F_CACHED)) continue;
        rv_loader_cache(l, node, &view);
        if (view.inputs != RV_NONE) continue;
        if (rv_doc_get(&l->doc, rv_loader_body(l, node), "cache") == view.cause)
            rv_loader_warning(l, view.cause - 1, 0, RV_STR("name them in `inputs`, or write inputs: [] for none"),
                              "the cached `%.*s` names no inputs: a file that changed would not be noticed",
                              RV_FMT(rv_loader_name(l, node)));
        else if (count++ == 0) first = node;
    }
    if (count == 0) return;
    uint32_t cause = rv_loader_default(l, first, RV_NK_CACHE);
    rv_loader_warning(l, cause - 1, 0, RV_STR("name them in `inputs` of the nodes, or write inputs: [] for none"),
                      "%u node%s cached without inputs, first `%.*s`: a file that changed would not be noticed", count,
                      count == 1 ? " is" : "s are", RV_FMT(rv_loader_name(l, first)));
}
