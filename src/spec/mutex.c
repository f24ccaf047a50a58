/* mutex.c: the mutexes of nodes [A5], in the graph. Equal lists of claims are stored once. */
#include "spec/write.h"

/* Of the project whose node is written: what stands in front of the node's name. */
static uint32_t mutex_of(rv_writer *w, rv_str name, uint8_t scope)
{
    rv_str project = scope == RV_MUTEX_PROJECT ? w->project : RV_STR("");
    rv_str identity = rv_arena_printf(&w->loader->arena, "%u %.*s:%.*s", scope, RV_FMT(project), RV_FMT(name));
    uint32_t known = rv_map_add(&w->mutex_map, identity, w->mutexes.count);
    if (known != RV_NONE) return known;
    rv_vec_push(&w->mutexes, ((rv_mutex_def){.name = rv_writer_extra(w, name), .project = rv_writer_extra(w, project), .scope = scope}));
    return w->mutexes.count - 1;
}

static uint8_t word_of(const rv_doc *doc, uint32_t map, const char *key)
{
    uint32_t index = rv_key_find(&rv_mutex_table, rv_str_of(key));
    return rv_writer_word(doc, rv_doc_get(doc, map, key), rv_mutex_table.keys[index].type);
}

static void add_claim(rv_writer *w, uint32_t value, uint32_t first)
{
    const rv_doc *doc = &w->loader->doc;
    bool is_map = rv_doc_kind_of(doc, value) == RV_DOC_MAP;
    rv_str name = rv_doc_text(doc, is_map ? rv_doc_get(doc, value, "name") : value);
    uint32_t mutex = mutex_of(w, name, is_map ? word_of(doc, value, "scope") : RV_MUTEX_ROOT);
    bool is_exclusive = !is_map || word_of(doc, value, "mode") == 0;
    for (uint32_t i = first; i < w->claims.count; i++) {
        if (RV_CLAIM_MUTEX(w->claims.at[i]) != mutex) continue;
        rv_loader_error(w->loader, value, 0, RV_STR("remove one of them"), "`mutex` names `%.*s` twice", RV_FMT(name));
        return;
    }
    rv_vec_push(&w->claims, mutex << 1 | is_exclusive);
}

uint32_t rv_writer_claims(rv_writer *w, uint32_t value)
{
    const rv_doc *doc = &w->loader->doc;
    uint32_t first = w->claims.count;
    if (value == RV_NONE) return 0;
    if (rv_doc_kind_of(doc, value) != RV_DOC_LIST) add_claim(w, value, first);
    else
        for (uint32_t item = value + 1, end = rv_doc_next(doc, value); item < end; item = rv_doc_next(doc, item)) add_claim(w, item, first);
    uint32_t count = w->claims.count - first;
    rv_str bytes = rv_arena_str(&w->loader->arena, (rv_str){(const char *)(w->claims.at + first), sizeof(uint32_t) * count});
    uint32_t known = rv_map_add(&w->claim_map, bytes, w->claim_sets.count);
    if (known != RV_NONE) {
        w->claims.count = first;
        return known + 1;
    }
    rv_vec_push(&w->claim_sets, ((rv_claim_set){first, count}));
    return w->claim_sets.count;
}
