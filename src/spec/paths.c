/* paths.c: files that nodes name: outputs that two of them make, inputs that somebody makes who is not waited for [W7].
 *
 * A literal input is looked up among the literal outputs; a pattern is matched against those beneath its directory, which are a range of
 * all of them in order. So ordinary files cost what they are long; for the others there is a bound, since it is a warning only. */
#include "spec/load.h"
#include "base/glob.h"
#include <stdlib.h>

#define MATCHES_MAX 4000000u /* patterns × outputs that are tried in all */

typedef struct made {
    rv_str path; /* from the root */
    uint32_t node;
} made;

typedef struct paths {
    rv_loader *loader;
    RV_VEC(made) made;
    rv_map by_path;  /* path → index of made */
    made *sorted;    /* by path; NULL until a pattern is looked at first */
    RV_VEC(rv_question) asked;
    RV_VEC(const rv_glob *) globs;
    rv_map by_pattern; /* text → index of globs */
    uint32_t left;
} paths;

typedef struct meaning {
    rv_str literal; /* the one path that is meant; size 0: see glob */
    const rv_glob *glob; /* NULL: a plain path, or none at all, which check.c has said */
} meaning;

static meaning meaning_of(paths *p, uint32_t node, uint32_t value)
{
    rv_str text = rv_doc_text(&p->loader->doc, value), base = rv_loader_file(p->loader, node)->dir, key = text;
    bool is_plain = rv_path_is_plain(text);
    if (base.size) key = rv_arena_printf(&p->loader->arena, is_plain ? "%.*s/%.*s" : "%.*s\n%.*s", RV_FMT(base), RV_FMT(text));
    if (is_plain) return (meaning){.literal = key};
    uint32_t known = rv_map_add(&p->by_pattern, key, p->globs.count);
    if (known == RV_NONE) {
        const rv_glob *glob = NULL;
        if (rv_glob_compile(text, base, &p->loader->arena, &glob, NULL) != RV_OK) glob = NULL;
        known = p->globs.count;
        rv_vec_push(&p->globs, glob);
    }
    const rv_glob *glob = p->globs.at[known];
    return (meaning){.literal = glob ? rv_glob_literal(glob) : RV_STR(""), .glob = glob};
}

/* Does a foreach start this node again and again? */
static bool is_for_items(const rv_loader *l, uint32_t node)
{
    for (; node != RV_NONE; node = l->scopes.at[l->nodes.at[node].scope].owner)
        if (l->scopes.at[l->nodes.at[node].scope].role == RV_SCOPE_ITEM) return true;
    return false;
}

/* ---- outputs ---- */

static void add_output(paths *p, uint32_t node, uint32_t value)
{
    rv_loader *l = p->loader;
    rv_str path = meaning_of(p, node, value).literal;
    if (path.size == 0) { /* only a run shows what it makes */
        l->nodes.at[node].flags |= RV_NODE_F_AT_ODDS;
        return;
    }
    uint32_t other = rv_map_add(&p->by_path, path, p->made.count);
    if (other != RV_NONE) {
        rv_loader_error(l, value, 0, RV_STR("let one node make it"), "`%.*s` is an output of `%.*s` %s",
                        RV_FMT(rv_doc_text(&l->doc, value)), RV_FMT(rv_loader_name(l, p->made.at[other].node)),
                        p->made.at[other].node == node ? "twice" : "already");
        return;
    }
    rv_vec_push(&p->made, ((made){path, node}));
    if (is_for_items(l, node))
        rv_loader_warning(l, value, 0, RV_STR("leave it out, and let a node behind the foreach make one of all"),
                          "each item makes the same file, `%.*s`", RV_FMT(rv_doc_text(&l->doc, value)));
}

/* ---- inputs ---- */

static int by_path(const void *a, const void *b)
{
    const made *x = a, *y = b;
    return rv_str_cmp(x->path, y->path);
}

/* The nodes themselves, or those around them that stand beside each other. false: one is a part of the other, or a handler. */
static bool lift(const rv_loader *l, uint32_t *from, uint32_t *to)
{
    for (uint32_t f = *from; f != RV_NONE; f = l->scopes.at[l->nodes.at[f].scope].owner)
        for (uint32_t t = *to; t != RV_NONE; t = l->scopes.at[l->nodes.at[t].scope].owner) {
            if (l->nodes.at[f].scope != l->nodes.at[t].scope) continue;
            *from = f;
            *to = t;
            return f != t && !l->nodes.at[t].handler;
        }
    return false;
}

#define EDGES_LOOKED_AT 16u

/* Whether an edge says so, as it mostly does; then nothing has to be asked. Where there are many edges it is asked all the same. */
static bool is_waited_for(const rv_loader *l, uint32_t from, uint32_t to)
{
    uint32_t begin = l->pred_begin[to], end = RV_MIN(l->pred_begin[to + 1], begin + EDGES_LOOKED_AT);
    bool is_edge = false;
    for (uint32_t i = begin; i < end; i++) is_edge |= RV_EDGE_NODE(l->pred.at[i]) == from;
    return is_edge;
}

static void ask(paths *p, uint32_t node, uint32_t value, const made *m)
{
    rv_loader *l = p->loader;
    uint32_t from = m->node, to = node;
    if (from == to)
        rv_loader_warning(l, value, 0, RV_STR("name its inputs more narrowly"),
                          "`%.*s` is an output of `%.*s` itself, which would thus change what it depends on", RV_FMT(m->path),
                          RV_FMT(rv_loader_name(l, node)));
    else if (l->is_acyclic && lift(l, &from, &to) && !is_waited_for(l, from, to)) {
        rv_reference reference = {.path = m->path, .node = node, .scope = l->nodes.at[node].scope, .value = value, .use = RV_USE_INPUT};
        rv_vec_push(&p->asked, ((rv_question){l->references.count, from, to}));
        rv_vec_push(&l->references, reference);
    }
}

static void not_waited_for(rv_loader *l, const rv_question *q)
{
    const rv_reference *ref = &l->references.at[q->reference];
    l->nodes.at[ref->node].flags |= RV_NODE_F_AT_ODDS; /* if the maker waits for the reader they are a circle, once both have done it */
    rv_loader_warning(l, ref->value, 0, rv_arena_printf(&l->arena, "add `%.*s` to its `needs`", RV_FMT(rv_loader_own_name(l, q->from))),
                      "`%.*s` is made by `%.*s`, which `%.*s` does not wait for", RV_FMT(ref->path), RV_FMT(rv_loader_name(l, q->from)),
                      RV_FMT(rv_loader_name(l, ref->node)));
}

/* Index of the first output at or behind `path`. */
static uint32_t first_from(const paths *p, rv_str path)
{
    uint32_t low = 0, high = p->made.count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (rv_str_cmp(p->sorted[middle].path, path) < 0) low = middle + 1;
        else high = middle;
    }
    return low;
}

static void sort(paths *p)
{
    if (p->sorted) return;
    p->sorted = rv_alloc(sizeof *p->sorted * p->made.count);
    memcpy(p->sorted, p->made.at, sizeof *p->sorted * p->made.count);
    qsort(p->sorted, p->made.count, sizeof *p->sorted, by_path);
}

static void look_at(paths *p, uint32_t node, uint32_t value)
{
    meaning m = meaning_of(p, node, value);
    if (m.literal.size) {
        uint32_t made_by = rv_map_get(&p->by_path, m.literal);
        if (made_by != RV_NONE) ask(p, node, value, &p->made.at[made_by]);
        return;
    }
    if (!m.glob) return;
    sort(p);
    rv_str prefix = rv_glob_prefix(m.glob);
    for (uint32_t i = first_from(p, prefix); i < p->made.count && p->left > 0; i++, p->left--) {
        if (!rv_str_starts(p->sorted[i].path, prefix)) break;
        if (rv_glob_match(m.glob, p->sorted[i].path)) ask(p, node, value, &p->sorted[i]);
    }
}

static void check_inputs(paths *p)
{
    rv_loader *l = p->loader;
    if (p->made.count == 0) return;
    for (uint32_t node = 0; node < l->def_count; node++) {
        rv_cache_view view;
        if (rv_doc_kind_of(&l->doc, rv_loader_body(l, node)) != RV_DOC_MAP) continue;
        rv_loader_cache(l, node, &view);
        if (view.inputs == RV_NONE || rv_doc_kind_of(&l->doc, view.inputs) != RV_DOC_LIST) continue;
        for (uint32_t item = view.inputs + 1, end = rv_doc_next(&l->doc, view.inputs); item < end; item = rv_doc_next(&l->doc, item))
            if (rv_doc_is_scalar(&l->doc, item)) look_at(p, node, item);
    }
    if (l->is_acyclic) rv_loader_ancestors(l, p->asked.at, p->asked.count, not_waited_for);
}

void rv_loader_paths(rv_loader *l)
{
    paths p = {.loader = l, .left = MATCHES_MAX};
    for (uint32_t node = 0; node < l->def_count; node++) {
        uint32_t list = rv_doc_get(&l->doc, rv_loader_body(l, node), "outputs");
        if (list == RV_NONE || rv_doc_kind_of(&l->doc, list) != RV_DOC_LIST) continue;
        for (uint32_t item = list + 1, end = rv_doc_next(&l->doc, list); item < end; item = rv_doc_next(&l->doc, item))
            if (rv_doc_is_scalar(&l->doc, item)) add_output(&p, node, item);
    }
    check_inputs(&p);
    rv_vec_deinit(&p.made);
    rv_free(p.sorted);
    rv_map_deinit(&p.by_path);
    rv_vec_deinit(&p.asked);
    rv_vec_deinit(&p.globs);
    rv_map_deinit(&p.by_pattern);
}
