/* cut.c: a part of a workflow: what some nodes cannot do without, and the workflow of them alone [W21].
 *
 * It works on the graph and the normal form, so that a compiled form does as well as a file. What a body reads is found in its text: each
 * `${NAME` whose NAME is a node of the file counts, also where a node within a body has the same name and is meant. A part may thus
 * hold a node too many, never one too few. */
#include "spec/spec.h"

typedef struct closer {
    const rv_graph *graph;
    uint8_t *keep;
    rv_map names;            /* of the file's nodes */
    RV_VEC(uint32_t) open;   /* kept, and not yet looked at */
} closer;

static void index_names(const rv_graph *graph, rv_map *names)
{
    rv_map_reserve(names, graph->plain_count);
    for (uint32_t node = 0; node < graph->plain_count; node++) (void)rv_map_add(names, rv_graph_name(graph, node), node);
}

static void want(closer *c, uint32_t node)
{
    if (node >= c->graph->plain_count || c->keep[node]) return;
    c->keep[node] = 1;
    rv_vec_push(&c->open, node);
}

static void want_name(closer *c, rv_str name) { want(c, rv_map_get(&c->names, name)); }

/* The next reference at or behind *at, which moves past it; *ret is between its braces. false: none. `$${` is none. */
static bool next_reference(rv_str text, size_t *at, rv_str *ret)
{
    for (size_t i = rv_str_find(text, *at, '$'); i != SIZE_MAX; i = rv_str_find(text, i + 1, '$')) {
        if (i + 2 < text.size && text.at[i + 1] == '$' && text.at[i + 2] == '{') {
            i += 2;
            continue;
        }
        size_t end = i + 1 < text.size && text.at[i + 1] == '{' ? rv_str_find(text, i, '}') : SIZE_MAX;
        if (end == SIZE_MAX) continue;
        *ret = rv_str_cut(text, i + 2, end - i - 2);
        *at = end + 1;
        return true;
    }
    return false;
}

/* NAME, FIELD and default of `NAME.FIELD:-default`. */
typedef struct parts { rv_str name, field, fallback; bool has_default; } parts;

static parts parts_of(rv_str inside)
{
    parts p = {.name = inside};
    for (size_t i = 0; i + 1 < inside.size && !p.has_default; i++) {
        if (inside.at[i] != ':' || inside.at[i + 1] != '-') continue;
        p = (parts){.name = rv_str_cut(inside, 0, i), .fallback = rv_str_from(inside, i + 2), .has_default = true};
    }
    size_t dot = rv_str_find(p.name, 0, '.');
    p.field = dot == SIZE_MAX ? RV_STR("") : rv_str_from(p.name, dot + 1);
    if (dot != SIZE_MAX) p.name.size = dot;
    return p;
}

static void want_read(closer *c, rv_str body)
{
    rv_str inside;
    for (size_t at = 0; next_reference(body, &at, &inside);) want_name(c, parts_of(inside).name);
}

/* Nodes that a `reduce` names: of this node or of one within its body. */
static void want_reduced(closer *c, rv_str body)
{
    static const char key[] = "\"of\":[";
    for (const char *at = body.at, *end = body.at + body.size; (at = memmem(at, (size_t)(end - at), key, sizeof key - 1));) {
        at += sizeof key - 1;
        while (at < end && *at == '"') { /* names have nothing to escape */
            const char *close = memchr(at + 1, '"', (size_t)(end - at - 1));
            if (!close) return;
            want_name(c, (rv_str){at + 1, (size_t)(close - at - 1)});
            at = close + 1 < end && close[1] == ',' ? close + 2 : close + 1;
        }
    }
}

static void want_of_controller(closer *c, const rv_node_def *def)
{
    const rv_graph *g = c->graph;
    if (def->kind != RV_KIND_TOURNAMENT) return;
    const rv_control_def *control = &g->controls[def->aux];
    for (uint32_t i = 0; i < control->entrant_count; i++) want(c, g->entrants[control->entrant_first + i].node);
}

void rv_spec_closure(const rv_graph *graph, uint8_t *keep)
{
    closer c = {.graph = graph, .keep = keep};
    index_names(graph, &c.names);
    for (uint32_t node = 0; node < graph->plain_count; node++)
        if (keep[node]) rv_vec_push(&c.open, node);
    while (c.open.count > 0) {
        uint32_t node = rv_vec_pop(&c.open);
        const rv_node_def *def = &graph->nodes[node];
        rv_str body = rv_graph_str(graph, def->body);
        for (uint32_t i = graph->pred_begin[node]; i < graph->pred_begin[node + 1]; i++)
            if (!(graph->pred[i] & (RV_EDGE_SOFT | RV_EDGE_EXTERNAL))) want(&c, graph->pred[i]);
        want_read(&c, body);
        want_reduced(&c, body);
        want_of_controller(&c, def);
        if (!def->revise) continue;
        const rv_revise_def *revise = &graph->revises[def->revise - 1];
        for (uint32_t i = 0; i < revise->member_count; i++) want(&c, graph->revise_nodes[revise->member_first + i]);
    }
    rv_map_deinit(&c.names);
    rv_vec_deinit(&c.open);
}

/* ---- the workflow of them ---- */

typedef struct cutter {
    const rv_graph *graph;
    const uint8_t *keep;
    rv_map names;
    rv_arena arena; /* trees of bodies that change */
    rv_buf *out;
} cutter;

static bool is_cut(const cutter *c, rv_str name)
{
    uint32_t node = rv_map_get(&c->names, name);
    return node != RV_NONE && !c->keep[node];
}

static rv_json *parsed(cutter *c, rv_str text)
{
    rv_json *tree = NULL;
    rv_status status = rv_json_parse(&c->arena, text, &tree, NULL);
    RV_ASSERT(status == RV_OK); /* the normal form is of our own writing */
    return tree;
}

static rv_json *member(rv_json *object, const char *key)
{
    return object ? (rv_json *)(uintptr_t)rv_json_get(object, rv_str_of(key)) : NULL;
}

/* Take the names of nodes that are not kept out of a list. */
static void thin(const cutter *c, rv_json *list)
{
    if (!list || list->kind != RV_JSON_ARRAY) return;
    for (rv_json **at = &list->child; *at;) {
        if ((*at)->kind == RV_JSON_STRING && is_cut(c, (*at)->text)) {
            *at = (*at)->next;
            list->count--;
        } else at = &(*at)->next;
    }
}

/* Take the member out of an object when its list is empty. */
static void drop_empty(rv_json *object, const rv_json *list)
{
    if (!list || list->child) return;
    rv_json **at = &object->child;
    while (*at != list) at = &(*at)->next;
    *at = list->next;
    object->count--;
}

static bool has_cut_soft(const cutter *c, uint32_t node)
{
    const rv_graph *g = c->graph;
    for (uint32_t i = g->pred_begin[node]; i < g->pred_begin[node + 1]; i++)
        if (g->pred[i] & RV_EDGE_SOFT && !c->keep[RV_EDGE_NODE(g->pred[i])]) return true;
    return false;
}

static void write_node(cutter *c, uint32_t node)
{
    const rv_node_def *def = &c->graph->nodes[node];
    rv_str body = rv_graph_str(c->graph, def->body);
    rv_json_quote(c->out, rv_graph_name(c->graph, node));
    rv_buf_byte(c->out, ':');
    if (!has_cut_soft(c, node) && def->kind != RV_KIND_CLASSIFY) {
        rv_buf_str_add(c->out, body);
        return;
    }
    rv_json *tree = parsed(c, body), *branches = member(member(tree, "classify"), "branches");
    rv_json *after = member(tree, "after");
    thin(c, after);
    drop_empty(tree, after);
    for (rv_json *label = branches ? branches->child : NULL; label; label = label->next) thin(c, label);
    rv_json_write(c->out, tree, false);
    rv_arena_clear(&c->arena);
}

/* What a handler reads of a node that is no part of the run: as of one that was skipped. */
static void put_absent(rv_buf *out, const parts *p, bool is_expression)
{
    bool is_state = rv_str_is(p->field, "state");
    if (is_expression) {
        if (is_state) rv_buf_cstring(out, "\"skipped\"");
        else if (p->has_default) rv_json_quote(out, p->fallback);
        else rv_buf_cstring(out, "null");
    } else if (is_state) rv_buf_cstring(out, "skipped");
    else rv_buf_str_add(out, p->fallback);
}

static void fill_absent(cutter *c, rv_json *value, bool is_expression)
{
    rv_buf out = {0};
    rv_str text = value->text, inside;
    size_t done = 0;
    for (size_t at = 0; next_reference(text, &at, &inside);) {
        parts p = parts_of(inside);
        if (!is_cut(c, p.name)) continue;
        size_t begin = (size_t)(inside.at - text.at) - 2;
        rv_buf_str_add(&out, rv_str_cut(text, done, begin - done));
        put_absent(&out, &p, is_expression);
        done = at;
    }
    rv_buf_str_add(&out, rv_str_from(text, done));
    if (done > 0) value->text = rv_arena_str(&c->arena, rv_buf_str(&out));
    rv_buf_deinit(&out);
}

static void write_handlers(cutter *c, const rv_json *on)
{
    for (rv_json *handler = on->child; handler; handler = handler->next) {
        rv_json *lists[] = {member(handler, "run"), member(handler, "env")}, *when = member(handler, "when"), *dir = member(handler, "dir");
        for (size_t i = 0; i < RV_COUNT(lists); i++)
            for (rv_json *item = lists[i] ? lists[i]->child : NULL; item; item = item->next) fill_absent(c, item, false);
        if (dir) fill_absent(c, dir, false);
        if (when) fill_absent(c, when, true);
    }
    rv_json_write(c->out, on, false);
}

static void write_nodes(cutter *c)
{
    bool is_first = true;
    rv_buf_byte(c->out, '{');
    for (uint32_t node = 0; node < c->graph->plain_count; node++) {
        if (!c->keep[node]) continue;
        if (!is_first) rv_buf_byte(c->out, ',');
        is_first = false;
        write_node(c, node);
    }
    rv_buf_byte(c->out, '}');
}

static void write_only(cutter *c, const uint8_t *named)
{
    bool is_first = true;
    rv_buf_cstring(c->out, "{\"only\":[");
    for (uint32_t node = 0; node < c->graph->plain_count; node++) {
        if (!named[node]) continue;
        if (!is_first) rv_buf_byte(c->out, ',');
        is_first = false;
        rv_json_quote(c->out, rv_graph_name(c->graph, node));
    }
    rv_buf_byte(c->out, ']');
}

void rv_spec_cut(const rv_graph *graph, const uint8_t *keep, const uint8_t *named, rv_buf *out)
{
    cutter c = {.graph = graph, .keep = keep, .out = out};
    rv_arena arena = {0};
    rv_json *top = NULL;
    index_names(graph, &c.names);
    rv_status status = rv_json_parse(&arena, graph->definition, &top, NULL);
    RV_ASSERT(status == RV_OK);
    write_only(&c, named);
    for (const rv_json *item = top->child; item; item = item->next) {
        if (rv_str_is(item->key, "default") || rv_str_is(item->key, "only") || rv_str_is(item->key, "result")) continue;
        rv_buf_printf(out, ",\"%.*s\":", RV_FMT(item->key));
        if (rv_str_is(item->key, "on")) write_handlers(&c, item);
        else if (rv_str_is(item->key, "nodes")) write_nodes(&c);
        else rv_json_write(out, item, false);
    }
    rv_buf_byte(out, '}');
    rv_map_deinit(&c.names);
    rv_arena_deinit(&c.arena);
    rv_arena_deinit(&arena);
}
