/* image.c: a graph as one block of bytes, written to a file and mapped again.
 *
 * A mapped image is trusted only after its checksum, the bounds of every section, every index in it and the texts that loading
 * reads were looked at, so that a damaged or foreign file is CORRUPT and never a fault. */
#include "spec/load.h"
#include "kernel/budget.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

const uint8_t rv_section_item_size[RV_SECTION_COUNT] = {
    [RV_SECTION_NODES] = sizeof(rv_node_def),    [RV_SECTION_PRED_BEGIN] = sizeof(uint32_t),
    [RV_SECTION_PRED] = sizeof(uint32_t),        [RV_SECTION_SUCC_BEGIN] = sizeof(uint32_t),
    [RV_SECTION_SUCC] = sizeof(uint32_t),        [RV_SECTION_ORDER] = sizeof(uint32_t),
    [RV_SECTION_POSITION] = sizeof(uint32_t),    [RV_SECTION_POLICIES] = sizeof(rv_policy),
    [RV_SECTION_GATES] = sizeof(rv_gate_def),    [RV_SECTION_SET_ITEMS] = sizeof(rv_set_item),
    [RV_SECTION_CLASSES] = sizeof(rv_class_def), [RV_SECTION_CLASS_TAGS] = sizeof(uint32_t),
    [RV_SECTION_TAGS] = sizeof(rv_tag_def),      [RV_SECTION_STRINGS] = 1,
    [RV_SECTION_MUTEXES] = sizeof(rv_mutex_def), [RV_SECTION_CLAIM_SETS] = sizeof(rv_claim_set),
    [RV_SECTION_CLAIMS] = sizeof(uint32_t),      [RV_SECTION_BUDGETS] = sizeof(rv_budget_def),
    [RV_SECTION_SCOPES] = sizeof(rv_scope_def),  [RV_SECTION_CONTROLS] = sizeof(rv_control_def),
    [RV_SECTION_ENTRANTS] = sizeof(rv_entrant_def), [RV_SECTION_BRANCHES] = sizeof(rv_branch_def),
    [RV_SECTION_BRANCH_NODES] = sizeof(uint32_t), [RV_SECTION_REVISES] = sizeof(rv_revise_def),
    [RV_SECTION_REVISE_NODES] = sizeof(uint32_t), [RV_SECTION_EXTERNALS] = sizeof(rv_external_def),
};

static const void *at(const rv_image *image, uint32_t section) { return (const char *)image + image->sections[section].offset; }
static uint32_t count_of(const rv_image *image, uint32_t section) { return (uint32_t)image->sections[section].count; }

static uint64_t checksum(const rv_image *image)
{
    const char *begin = (const char *)&image->checksum + sizeof image->checksum;
    return rv_hash64((rv_str){begin, image->size - (size_t)(begin - (const char *)image)}, RV_GRAPH_FORMAT);
}

void rv_image_seal(rv_image *image) { image->checksum = checksum(image); }

void rv_image_graph(const rv_image *image, rv_graph *graph)
{
    *graph = (rv_graph){
        .digest = image->digest,
        .node_count = count_of(image, RV_SECTION_NODES),
        .plain_count = image->plain_count,
        .top_count = image->top_count,
        .edge_count = count_of(image, RV_SECTION_PRED),
        .policy_count = count_of(image, RV_SECTION_POLICIES),
        .gate_count = count_of(image, RV_SECTION_GATES),
        .set_item_count = count_of(image, RV_SECTION_SET_ITEMS),
        .class_count = count_of(image, RV_SECTION_CLASSES),
        .class_tag_count = count_of(image, RV_SECTION_CLASS_TAGS),
        .tag_count = count_of(image, RV_SECTION_TAGS),
        .mutex_count = count_of(image, RV_SECTION_MUTEXES),
        .claim_set_count = count_of(image, RV_SECTION_CLAIM_SETS),
        .claim_count = count_of(image, RV_SECTION_CLAIMS),
        .external_count = count_of(image, RV_SECTION_EXTERNALS),
        .scope_count = count_of(image, RV_SECTION_SCOPES),
        .control_count = count_of(image, RV_SECTION_CONTROLS),
        .entrant_count = count_of(image, RV_SECTION_ENTRANTS),
        .branch_count = count_of(image, RV_SECTION_BRANCHES),
        .branch_node_count = count_of(image, RV_SECTION_BRANCH_NODES),
        .revise_count = count_of(image, RV_SECTION_REVISES),
        .revise_node_count = count_of(image, RV_SECTION_REVISE_NODES),
        .concurrency = image->concurrency,
        .budget = image->budget,
        .budget_count = count_of(image, RV_SECTION_BUDGETS),
        .quota = image->quota,
        .timeout_ms = image->timeout_ms,
        .name = image->name,
        .default_node = image->default_node,
        .only = image->only,
        .projects = image->projects,
        .nodes = at(image, RV_SECTION_NODES),
        .pred_begin = at(image, RV_SECTION_PRED_BEGIN),
        .pred = at(image, RV_SECTION_PRED),
        .succ_begin = at(image, RV_SECTION_SUCC_BEGIN),
        .succ = at(image, RV_SECTION_SUCC),
        .order = at(image, RV_SECTION_ORDER),
        .position = at(image, RV_SECTION_POSITION),
        .policies = at(image, RV_SECTION_POLICIES),
        .gates = at(image, RV_SECTION_GATES),
        .set_items = at(image, RV_SECTION_SET_ITEMS),
        .classes = at(image, RV_SECTION_CLASSES),
        .class_tags = at(image, RV_SECTION_CLASS_TAGS),
        .tags = at(image, RV_SECTION_TAGS),
        .mutexes = at(image, RV_SECTION_MUTEXES),
        .claim_sets = at(image, RV_SECTION_CLAIM_SETS),
        .claims = at(image, RV_SECTION_CLAIMS),
        .budgets = at(image, RV_SECTION_BUDGETS),
        .scopes = at(image, RV_SECTION_SCOPES),
        .controls = at(image, RV_SECTION_CONTROLS),
        .entrants = at(image, RV_SECTION_ENTRANTS),
        .branches = at(image, RV_SECTION_BRANCHES),
        .branch_nodes = at(image, RV_SECTION_BRANCH_NODES),
        .revises = at(image, RV_SECTION_REVISES),
        .revise_nodes = at(image, RV_SECTION_REVISE_NODES),
        .externals = at(image, RV_SECTION_EXTERNALS),
        .strings = {at(image, RV_SECTION_STRINGS), image->sections[RV_SECTION_STRINGS].count},
    };
    graph->definition = rv_graph_str(graph, image->definition);
}

/* ---- looking at a foreign image ---- */

static bool sections_fit(const rv_image *image)
{
    for (uint32_t i = 0; i < RV_SECTION_COUNT; i++) {
        const rv_image_section *s = &image->sections[i];
        if (s->offset < sizeof *image || s->offset > image->size ||
            s->count > (image->size - s->offset) / rv_section_item_size[i])
            return false;
        if (s->offset % 16 != 0 && i != RV_SECTION_STRINGS) return false;
        if (s->count > UINT32_MAX) return false;
    }
    uint64_t nodes = count_of(image, RV_SECTION_NODES);
    return nodes <= RV_NODES_MAX + RV_HANDLER_COUNT && image->plain_count <= image->top_count &&
           image->top_count <= nodes && count_of(image, RV_SECTION_SCOPES) >= 2 &&
           image->sections[RV_SECTION_PRED_BEGIN].count == nodes + 1 &&
           image->sections[RV_SECTION_SUCC_BEGIN].count == nodes + 1 && image->sections[RV_SECTION_ORDER].count == nodes &&
           image->sections[RV_SECTION_POSITION].count == nodes &&
           image->sections[RV_SECTION_PRED].count >= image->sections[RV_SECTION_SUCC].count;
}

static bool slice_fits(const rv_graph *g, rv_slice slice)
{
    return slice.at <= g->strings.size && slice.size <= g->strings.size - slice.at;
}

static bool edges_fit(const rv_graph *g, const uint32_t *begin, const uint32_t *entries, uint32_t count, uint32_t external_count)
{
    if (begin[0] != 0 || begin[g->node_count] != count) return false;
    bool fits = true;
    for (uint32_t i = 0; i < g->node_count; i++) fits &= begin[i] <= begin[i + 1];
    for (uint32_t i = 0; i < count; i++)
        fits &= RV_EDGE_NODE(entries[i]) < (entries[i] & RV_EDGE_EXTERNAL ? external_count : g->node_count);
    return fits;
}

static bool is_range(uint32_t first, uint32_t count, uint32_t of) { return first <= of && count <= of - first; }

static bool node_fits(const rv_graph *g, const rv_node_def *n)
{
    bool is_gate = n->kind == RV_KIND_APPROVE || n->kind == RV_KIND_INPUT || n->kind == RV_KIND_WAIT;
    return slice_fits(g, n->name) && slice_fits(g, n->body) && slice_fits(g, n->when) && n->policy < g->policy_count &&
           n->budget <= g->budget_count && rv_node_claims(n) <= g->claim_set_count &&
           n->role < RV_ROLE_COUNT && n->isolation < RV_ISOLATION_COUNT && n->inherit < RV_INHERIT_COUNT &&
           n->class_index < g->class_count && n->kind < RV_KIND_COUNT && n->dep_policy < RV_DEP_COUNT &&
           n->handler < RV_HANDLER_COUNT && (!is_gate || n->aux < g->gate_count) && n->scope < g->scope_count &&
           n->revise <= g->revise_count && (!rv_kind_is_controller((rv_kind)n->kind) || n->aux < g->control_count) &&
           (n->kind != RV_KIND_SET || is_range(n->aux, n->aux_count, g->set_item_count));
}

static bool scopes_fit(const rv_graph *g)
{
    bool fits = g->scopes[0].first == 0 && g->scopes[0].count == g->plain_count && g->scopes[1].first == g->plain_count &&
                g->scopes[1].count == g->top_count - g->plain_count;
    for (uint32_t i = 0; i < g->scope_count && fits; i++) {
        const rv_scope_def *s = &g->scopes[i];
        fits = is_range(s->first, s->count, g->node_count) && s->role < RV_SCOPE_COUNT && (s->owner < g->node_count) == (i >= 2);
        for (uint32_t k = 0; k < s->count && fits; k++) fits = g->nodes[s->first + k].scope == i;
        for (uint32_t e = g->pred_begin[s->first]; fits && e < g->pred_begin[s->first + s->count]; e++)
            fits = g->pred[e] & RV_EDGE_EXTERNAL ? i == 0 : RV_EDGE_NODE(g->pred[e]) - s->first < s->count;
        for (uint32_t e = g->succ_begin[s->first]; fits && e < g->succ_begin[s->first + s->count]; e++)
            fits = RV_EDGE_NODE(g->succ[e]) - s->first < s->count;
    }
    return fits;
}

static bool controls_fit(const rv_graph *g)
{
    bool fits = true;
    for (uint32_t i = 0; i < g->control_count && fits; i++) {
        const rv_control_def *c = &g->controls[i];
        fits = is_range(c->scope_first, c->scope_count, g->scope_count) && slice_fits(g, c->items) && slice_fits(g, c->until) &&
               slice_fits(g, c->params) && is_range(c->result_first, c->result_count, g->set_item_count) && c->join < RV_JOIN_COUNT &&
               is_range(c->entrant_first, c->entrant_count, g->entrant_count) &&
               is_range(c->branch_first, c->branch_count, g->branch_count);
    }
    for (uint32_t i = 0; i < g->entrant_count; i++)
        fits &= (g->entrants[i].node < g->node_count) != (g->entrants[i].scope < g->scope_count);
    for (uint32_t i = 0; i < g->branch_count; i++)
        fits &= slice_fits(g, g->branches[i].label) && is_range(g->branches[i].first, g->branches[i].count, g->branch_node_count);
    for (uint32_t i = 0; i < g->branch_node_count; i++) fits &= g->branch_nodes[i] < g->node_count;
    for (uint32_t i = 0; i < g->revise_count; i++)
        fits &= g->revises[i].node < g->node_count && g->revises[i].target < g->node_count && slice_fits(g, g->revises[i].when) &&
                is_range(g->revises[i].member_first, g->revises[i].member_count, g->revise_node_count);
    for (uint32_t i = 0; i < g->revise_node_count; i++) fits &= g->revise_nodes[i] < g->node_count;
    return fits;
}

static bool amounts_fit(const int64_t *amounts, uint32_t count)
{
    bool fits = true;
    for (uint32_t i = 0; i < count; i++) fits &= amounts[i] >= 0 && amounts[i] <= RV_AMOUNT_MAX;
    return fits;
}

static bool budgets_fit(const rv_graph *g)
{
    bool fits = g->budget <= g->budget_count && amounts_fit(g->quota.limit, RV_QUOTA_COUNT) && amounts_fit(&g->quota.window_ms, 1) &&
                g->quota.limits < 1u << RV_QUOTA_COUNT;
    for (uint32_t i = 0; i < g->budget_count && fits; i++) {
        const rv_budget_def *b = &g->budgets[i];
        fits = amounts_fit(b->limit, RV_DIMENSION_COUNT) && amounts_fit(b->estimate, RV_DIMENSION_COUNT) && slice_fits(g, b->group) &&
               b->limits < 1u << RV_DIMENSION_COUNT && b->estimates < 1u << RV_DIMENSION_COUNT && b->at_limit < RV_AT_LIMIT_COUNT;
    }
    return fits;
}

static bool mutexes_fit(const rv_graph *g)
{
    bool fits = true;
    for (uint32_t i = 0; i < g->mutex_count; i++)
        fits &= slice_fits(g, g->mutexes[i].name) && slice_fits(g, g->mutexes[i].project) && g->mutexes[i].scope < RV_MUTEX_SCOPE_COUNT;
    for (uint32_t i = 0; i < g->claim_set_count; i++)
        fits &= is_range(g->claim_sets[i].first, g->claim_sets[i].count, g->claim_count) && g->claim_sets[i].count <= RV_CLAIMS_MAX &&
                g->claim_sets[i].count > 0;
    for (uint32_t i = 0; i < g->claim_count; i++) fits &= RV_CLAIM_MUTEX(g->claims[i]) < g->mutex_count;
    return fits;
}

/* ---- back-edges ----
 * A revision is a place whose nodes are its members, found by their order: so they have to be what loading found, all nodes on the paths
 * that are waited for from the target to the node, and nothing else [K17]. */

typedef struct way { uint8_t *marks; uint32_t *list; uint32_t count; } way; /* marks: of each node; list[0..count): those with one */

static bool is_waited_for(const rv_graph *g, uint32_t node, uint32_t entry)
{
    return !(entry & RV_EDGE_EXTERNAL) && ((entry & RV_EDGE_SOFT) || g->nodes[node].dep_policy != RV_DEP_OPTIONAL);
}

/* Mark what `node` waits for, down to the target's place in the order (1), and of that what waits for the target (2). */
static uint32_t find_way(const rv_graph *g, const rv_revise_def *revise, way *w)
{
    uint32_t reached = 1;
    w->marks[w->list[0] = revise->node] = 1;
    w->count = 1;
    for (uint32_t next = 0; next < w->count; next++) {
        uint32_t at = w->list[next];
        for (uint32_t e = g->pred_begin[at]; e < g->pred_begin[at + 1]; e++) {
            uint32_t other = RV_EDGE_NODE(g->pred[e]);
            if (!is_waited_for(g, at, g->pred[e]) || w->marks[other] || g->position[other] < g->position[revise->target]) continue;
            w->marks[w->list[w->count++] = other] = 1;
        }
    }
    if (!w->marks[revise->target]) return 0;
    uint32_t seen = w->count, end = seen;
    w->marks[w->list[end++] = revise->target] = 2; /* the second half of the list has room for as many again */
    for (uint32_t next = seen; next < end; next++)
        for (uint32_t at = w->list[next], e = g->succ_begin[at]; e < g->succ_begin[at + 1]; e++) {
            uint32_t other = RV_EDGE_NODE(g->succ[e]);
            if (w->marks[other] != 1 || !is_waited_for(g, other, g->succ[e])) continue;
            w->marks[w->list[end++] = other] = 2;
            reached++;
        }
    return reached;
}

static bool members_fit(const rv_graph *g, uint32_t index, way *w)
{
    const rv_revise_def *revise = &g->revises[index];
    const uint32_t *members = g->revise_nodes + revise->member_first;
    uint32_t scope = g->nodes[revise->node].scope;
    if (g->nodes[revise->node].revise != index + 1 || g->nodes[revise->target].scope != scope || revise->target == revise->node)
        return false;
    bool fits = find_way(g, revise, w) == revise->member_count;
    for (uint32_t i = 0; i < revise->member_count && fits; i++)
        fits = w->marks[members[i]] == 2 && (i == 0 || members[i - 1] < members[i]);
    for (uint32_t i = 0; i < w->count; i++) w->marks[w->list[i]] = 0;
    return fits;
}

static bool revises_fit(const rv_graph *g)
{
    bool fits = true;
    if (g->revise_count == 0) return true;
    way w = {.marks = rv_alloc(g->node_count), .list = rv_alloc(sizeof *w.list * 2 * g->node_count)};
    for (uint32_t i = 0; i < g->node_count; i++) fits &= g->nodes[i].revise == 0 || g->revises[g->nodes[i].revise - 1].node == i;
    for (uint32_t i = 0; i < g->revise_count && fits; i++) fits = members_fit(g, i, &w);
    rv_free(w.marks);
    rv_free(w.list);
    return fits;
}

static bool contents_fit(const rv_graph *g, const rv_image *image)
{
    bool fits =
        slice_fits(g, g->name) && slice_fits(g, g->default_node) && slice_fits(g, g->only) && slice_fits(g, g->projects) &&
        slice_fits(g, image->params) && slice_fits(g, image->env) && slice_fits(g, image->contents);
    for (uint32_t i = 0; i < g->node_count; i++)
        fits &= node_fits(g, &g->nodes[i]) && g->order[i] < g->node_count && g->position[g->order[i]] == i;
    for (uint32_t i = 0; i < g->gate_count; i++) fits &= slice_fits(g, g->gates[i].fallback) && slice_fits(g, g->gates[i].event);
    for (uint32_t i = 0; i < g->set_item_count; i++)
        fits &= slice_fits(g, g->set_items[i].key) && slice_fits(g, g->set_items[i].expression);
    for (uint32_t i = 0; i < g->class_count; i++)
        fits &= g->classes[i].first <= g->class_tag_count && g->classes[i].count <= g->class_tag_count - g->classes[i].first;
    for (uint32_t i = 0; i < g->class_tag_count; i++) fits &= g->class_tags[i] < g->tag_count;
    for (uint32_t i = 0; i < g->tag_count; i++) fits &= slice_fits(g, g->tags[i].name);
    for (uint32_t i = 0; i < g->external_count; i++) fits &= slice_fits(g, g->externals[i].name);
    return fits && edges_fit(g, g->pred_begin, g->pred, g->edge_count, g->external_count) &&
           edges_fit(g, g->succ_begin, g->succ, count_of(image, RV_SECTION_SUCC), 0) && scopes_fit(g) && controls_fit(g) &&
           revises_fit(g) && budgets_fit(g) && mutexes_fit(g);
}

static bool param_fits(const rv_json *param)
{
    static const char *const types[] = {"string", "number", "integer", "boolean", "array", "object"};
    const rv_json *type = rv_json_get(param, RV_STR("type"));
    bool fits = type == NULL;
    for (size_t i = 0; i < RV_COUNT(types) && type; i++) fits |= type->kind == RV_JSON_STRING && rv_str_is(type->text, types[i]);
    return fits && param->kind == RV_JSON_OBJECT;
}

static bool env_entry_fits(const rv_json *entry)
{
    const rv_json *name = rv_json_at(entry, 0);
    return name && name->kind == RV_JSON_STRING && rv_json_at(entry, 1);
}

/* The texts that loading itself reads. The bodies of nodes are read when they run; the checksum vouches for them. */
static bool texts_fit(const rv_graph *g, const rv_image *image)
{
    rv_arena arena = {0};
    rv_json *params = NULL, *env = NULL;
    rv_str params_text = rv_graph_str(g, image->params);
    bool fits = rv_json_parse(&arena, rv_graph_str(g, image->env), &env, NULL) == RV_OK && env->kind == RV_JSON_ARRAY &&
                (params_text.size == 0 ||
                 (rv_json_parse(&arena, params_text, &params, NULL) == RV_OK && params->kind == RV_JSON_OBJECT));
    for (const rv_json *entry = fits ? env->child : NULL; entry; entry = entry->next) fits &= env_entry_fits(entry);
    for (const rv_json *param = fits && params ? params->child : NULL; param; param = param->next) fits &= param_fits(param);
    rv_arena_deinit(&arena);
    return fits;
}

/* An edge from a node that is not in the graph has one end only. */
static bool ends_fit(const rv_graph *g, uint32_t succ_count)
{
    uint32_t inner = 0;
    for (uint32_t i = 0; i < g->edge_count; i++) inner += (g->pred[i] & RV_EDGE_EXTERNAL) == 0;
    return inner == succ_count;
}

static rv_status check_image(const rv_image *image, size_t size, const char *path, rv_graph *ret, rv_error *err)
{
    if (size < sizeof *image || memcmp(image->magic, RV_IMAGE_MAGIC, sizeof image->magic) != 0)
        return rv_error_set(err, RV_CORRUPT, "%s is no compiled workflow", path);
    if (image->format != RV_GRAPH_FORMAT || image->header_size != sizeof *image)
        return rv_error_set(err, RV_NOT_FOUND, "%s was compiled by another version", path);
    if (image->size != size || image->checksum != checksum(image) || !sections_fit(image))
        return rv_error_set(err, RV_CORRUPT, "%s is damaged", path);
    rv_graph strings = {.strings = {at(image, RV_SECTION_STRINGS), image->sections[RV_SECTION_STRINGS].count}};
    if (!slice_fits(&strings, image->definition)) return rv_error_set(err, RV_CORRUPT, "%s is damaged", path);
    rv_image_graph(image, ret);
    if (!contents_fit(ret, image) || !texts_fit(ret, image) || !ends_fit(ret, count_of(image, RV_SECTION_SUCC)))
        return rv_error_set(err, RV_CORRUPT, "%s is damaged", path);
    return RV_OK;
}

/* ---- files ---- */

/* What file:// named must still be what was compiled in. */
static rv_status check_files(const rv_image *image, const rv_graph *graph, const rv_spec_input *input, rv_error *err)
{
    rv_arena arena = {0};
    rv_json *list = NULL;
    rv_status status = rv_json_parse(&arena, rv_graph_str(graph, image->contents), &list, err);
    rv_buf text = {0};
    for (const rv_json *file = status == RV_OK ? list->child : NULL; file && status == RV_OK; file = file->next) {
        rv_digest digest;
        const rv_json *path = rv_json_at(file, 0), *expected = rv_json_at(file, 1);
        rv_buf_clear(&text);
        if (!path || !expected || !rv_digest_parse(expected->text, &digest))
            status = rv_error_set(err, RV_CORRUPT, "the list of files is damaged");
        else if (!input->dir || rv_file_beneath(input->dir, path->text, &text, err) != RV_OK)
            status = rv_error_set(err, RV_NOT_FOUND, "a file that it includes is gone");
        else {
            rv_digest now = rv_sha256(rv_buf_str(&text));
            if (memcmp(&now, &digest, sizeof now) != 0)
                status = rv_error_set(err, RV_NOT_FOUND, "a file that it includes has changed");
        }
    }
    rv_buf_deinit(&text);
    rv_arena_deinit(&arena);
    return status;
}

uint32_t rv_spec_includes(const rv_spec *spec, const rv_str *paths, uint32_t count)
{
    const rv_image *image = spec->image;
    rv_arena arena = {0};
    rv_map names = {0};
    rv_json *list = NULL;
    uint32_t included = 0;
    if (rv_json_parse(&arena, rv_graph_str(&spec->graph, image->contents), &list, NULL) == RV_OK)
        for (const rv_json *file = list->child; file; file = file->next)
            if (rv_json_at(file, 0)) (void)rv_map_add(&names, rv_json_at(file, 0)->text, 0);
    for (uint32_t i = 0; i < count; i++) included += rv_map_get(&names, paths[i]) != RV_NONE;
    rv_map_deinit(&names);
    rv_arena_deinit(&arena);
    return included;
}

static rv_status write_all(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t written = write(fd, bytes, size);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return RV_IO;
        bytes += written;
        size -= (size_t)written;
    }
    return RV_OK;
}

/* Let the spec stand in the file `fd`, which has just been written from its image. If it cannot, it stays where it is. */
static void settle(rv_spec *spec, int fd)
{
    void *image = mmap(NULL, spec->image_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (image == MAP_FAILED) return;
    if (memcmp(image, spec->image, spec->image_size) != 0) {
        (void)munmap(image, spec->image_size);
        return;
    }
    rv_free(spec->image);
    spec->image = image;
    spec->is_mapped = true;
    rv_image_graph(image, &spec->graph);
}

rv_status rv_spec_save(rv_spec *spec, const char *path, rv_error *err)
{
    char temporary[4096];
    int size = snprintf(temporary, sizeof temporary, "%s.%ld.new", path, (long)getpid());
    if (size < 0 || (size_t)size >= sizeof temporary) return rv_error_set(err, RV_INVALID, "%s: the path is too long", path);
    int fd = open(temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return rv_error_set(err, RV_IO, "%s: %s", temporary, strerror(errno));
    rv_status status = write_all(fd, spec->image, spec->image_size);
    int number = errno;
    if (status == RV_OK && !spec->is_mapped) settle(spec, fd);
    if (close(fd) != 0 && status == RV_OK) status = RV_IO, number = errno;
    if (status == RV_OK && rename(temporary, path) != 0) status = RV_IO, number = errno;
    if (status != RV_OK) {
        (void)unlink(temporary);
        return rv_error_set(err, RV_IO, "%s: %s", path, strerror(number));
    }
    return RV_OK;
}

static rv_status map_file(const char *path, const rv_image **ret, size_t *ret_size, rv_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return rv_error_set(err, errno == ENOENT ? RV_NOT_FOUND : RV_IO, "%s: %s", path, strerror(errno));
    struct stat stat;
    void *image = MAP_FAILED;
    bool is_file = fstat(fd, &stat) == 0 && S_ISREG(stat.st_mode);
    if (is_file && stat.st_size > 0) image = mmap(NULL, (size_t)stat.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    (void)close(fd);
    if (image == MAP_FAILED) return rv_error_set(err, RV_CORRUPT, "%s is no compiled workflow", path);
    *ret = image;
    *ret_size = (size_t)stat.st_size;
    return RV_OK;
}

rv_status rv_spec_map(const char *path, const rv_spec_input *input, rv_spec **ret, rv_problems *problems, rv_error *err)
{
    const rv_image *image = NULL;
    size_t size = 0;
    rv_status status = map_file(path, &image, &size, err);
    if (status != RV_OK) return status;
    rv_spec *spec = rv_alloc(sizeof *spec);
    *spec = (rv_spec){.image = (void *)(uintptr_t)image, .image_size = size, .is_mapped = true};
    status = check_image(image, size, path, &spec->graph, err);
    if (status == RV_OK) status = check_files(image, &spec->graph, input, err);
    if (status == RV_OK) {
        uint32_t before = problems->error_count;
        rv_values_resolve(spec, input, rv_graph_str(&spec->graph, image->params), rv_graph_str(&spec->graph, image->env), NULL,
                          problems);
        rv_problems_sort(problems);
        if (problems->error_count > before) status = rv_error_set(err, RV_INVALID, "values are missing or wrong");
    }
    if (status == RV_OK) *ret = spec;
    else rv_spec_free(spec);
    return status;
}

void rv_spec_free(rv_spec *spec)
{
    if (spec == NULL) return;
    if (spec->is_mapped) (void)munmap(spec->image, spec->image_size);
    else rv_free(spec->image);
    rv_buf_deinit(&spec->user);
    rv_buf_deinit(&spec->secret_names);
    rv_buf_deinit(&spec->env);
    for (uint32_t i = 0; i < spec->secrets.count; i++)
        explicit_bzero((void *)(uintptr_t)spec->secrets.at[i].value.at, spec->secrets.at[i].value.size);
    rv_vec_deinit(&spec->secrets);
    rv_arena_deinit(&spec->arena);
    rv_free(spec);
}
