/* nodes.c: the nodes of a workflow as drafts, each checked in its turn [W2, W3].
 *
 * Drafts stand in scopes, a row each: the file's nodes, handlers, then bodies. A body is not walked into where it stands: when its owner
 * has been checked, its scope goes to the end of the rows and waits there. So bodies within bodies need no recursion, and
 * the scopes of one owner are next to each other. */
#include "spec/load.h"
#include <stdio.h>

#define LEVELS_BELOW 4u /* that a body may need beneath itself in normal form, beside its data */

/* ---- scopes ---- */

uint32_t rv_loader_scope(rv_loader *l, rv_scope_role role, uint32_t owner, uint32_t file, uint32_t level)
{
    rv_scope_draft scope = {.first = l->nodes.count, .owner = owner, .file = file, .level = level, .role = (uint8_t)role};
    scope.is_named = role == RV_SCOPE_FILE || role == RV_SCOPE_HANDLERS || role == RV_SCOPE_WORKFLOW;
    scope.is_closed = role == RV_SCOPE_WORKFLOW;
    rv_vec_push(&l->scopes, scope);
    if (owner != RV_NONE) {
        rv_draft *draft = &l->nodes.at[owner];
        if (draft->scope_count == 0) draft->scope_first = l->scopes.count - 1;
        draft->scope_count++;
    }
    return l->scopes.count - 1;
}

/* 4 bytes of the scope's number, then the name. */
static rv_str scoped_name(char *at, uint32_t scope, rv_str name)
{
    memcpy(at, &scope, sizeof scope);
    if (name.size) memcpy(at + sizeof scope, name.at, name.size);
    return (rv_str){at, sizeof scope + name.size};
}

uint32_t rv_loader_find(const rv_loader *l, uint32_t scope, rv_str name)
{
    char key[sizeof scope + RV_IDENTIFIER_MAX];
    if (scope == 0) return rv_map_get(&l->names, name);
    return name.size > RV_IDENTIFIER_MAX ? RV_NONE : rv_map_get(&l->scoped, scoped_name(key, scope, name));
}

static bool has_room(rv_loader *l, uint32_t value, uint32_t count)
{
    if (count <= RV_NODES_MAX - RV_MIN(RV_NODES_MAX, l->nodes.count)) return true;
    rv_loader_error(l, value, 0, RV_STR("split the workflow"), "%u nodes; 1,000,000 are the most", l->nodes.count + count);
    return false;
}

static void add(rv_loader *l, uint32_t scope, rv_draft draft)
{
    RV_ASSERT(l->scopes.at[scope].first + l->scopes.at[scope].count == l->nodes.count);
    draft.scope = scope;
    draft.project = l->project;
    rv_vec_push(&l->nodes, draft);
    l->scopes.at[scope].count++;
}

void rv_loader_collect(rv_loader *l, uint32_t map, uint32_t scope)
{
    RV_ASSERT(scope == l->scopes.count - 1 || scope == 0);
    l->scopes.at[scope].is_named = true;
    if (map == RV_NONE || rv_doc_kind_of(&l->doc, map) != RV_DOC_MAP) return;
    uint32_t count = rv_doc_size(&l->doc, map);
    if (count == 0 && l->files.at[0].keys[RV_FK_PROJECTS] == RV_NONE)
        rv_loader_error(l, map, 0, RV_STR("add one, such as `hello: {run: [echo, hello]}`"),
                        "there are no nodes");
    if (!has_room(l, map, count)) return;
    if (scope == 0) {
        rv_vec_reserve(&l->nodes, count + 4);
        rv_map_reserve(&l->names, count);
    }
    for (uint32_t key = map + 1, end = rv_doc_next(&l->doc, map); key < end; key = rv_doc_next(&l->doc, key + 1)) {
        if (rv_doc_flags(&l->doc, key) & RV_DOC_DUPLICATE) continue;
        rv_str name = rv_doc_text(&l->doc, key);
        if (scope > 0) name = scoped_name(rv_arena_alloc(&l->arena, sizeof scope + name.size), scope, name);
        else if (rv_loader_exists(l, name))
            rv_loader_error(l, key, 0, RV_STR("give it another name"), "the run has a node `%.*s` already", RV_FMT(name));
        if (rv_map_add(scope ? &l->scoped : &l->names, name, l->nodes.count) == RV_NONE)
            add(l, scope, (rv_draft){.key = key, .body = key + 1});
    }
}

/* ---- names ---- */

rv_str rv_loader_name(rv_loader *l, uint32_t node)
{
    uint32_t way[RV_DOC_DEPTH_MAX], count = 0;
    for (uint32_t at = node; at != RV_NONE; at = l->scopes.at[l->nodes.at[at].scope].owner) {
        RV_ASSERT(count < RV_COUNT(way));
        way[count++] = at;
    }
    if (count == 1) return rv_doc_text(&l->doc, l->nodes.at[node].key);
    static const char *const places[] = {[RV_SCOPE_FILE] = "",        [RV_SCOPE_HANDLERS] = "",  [RV_SCOPE_ITEM] = ".do",
                                         [RV_SCOPE_ITERATION] = ".body", [RV_SCOPE_CLASSIFIER] = ".by", [RV_SCOPE_ENTRANT] = ".entrants",
                                         [RV_SCOPE_JUDGE] = ".judge", [RV_SCOPE_WORKFLOW] = "",  [RV_SCOPE_REVISION] = "",
                                         [RV_SCOPE_SUBMITTED] = ""};
    rv_buf text = {0};
    while (count-- > 0) {
        const rv_scope_draft *scope = &l->scopes.at[l->nodes.at[way[count]].scope];
        rv_buf_cstring(&text, places[scope->role]);
        if (scope->role == RV_SCOPE_ENTRANT) rv_buf_printf(&text, "[%u]", scope->ordinal);
        if (!scope->is_named) continue;
        if (text.size) rv_buf_byte(&text, '.');
        rv_buf_str_add(&text, rv_doc_text(&l->doc, l->nodes.at[way[count]].key));
    }
    rv_str name = rv_arena_str(&l->arena, rv_buf_str(&text));
    rv_buf_deinit(&text);
    return name;
}

/* ---- one node ---- */

/* The node's kind; RV_KIND_COUNT: none that is carried out, and the problem is listed. */
static rv_kind check_kind(rv_loader *l, uint32_t node)
{
    uint32_t first = RV_NONE, body = l->nodes.at[node].body;
    rv_kind kind = RV_KIND_COUNT;
    for (uint32_t k = body + 1, end = rv_doc_next(&l->doc, body); k < end; k = rv_doc_next(&l->doc, k + 1)) {
        uint32_t index = rv_key_find(&rv_node_table, rv_doc_text(&l->doc, k));
        if (index == RV_NONE || !(rv_node_table.keys[index].flags & RV_KEY_KIND) || rv_doc_flags(&l->doc, k) & RV_DOC_DUPLICATE)
            continue;
        if (first != RV_NONE)
            rv_loader_error(l, k, 0, RV_STR("make two nodes of it"), "node `%.*s` is `%.*s` and `%s`: it can be one thing only",
                            RV_FMT(rv_loader_name(l, node)), RV_FMT(rv_doc_text(&l->doc, first)), rv_node_table.keys[index].name);
        else {
            first = k;
            kind = rv_key_kind((rv_node_key)index);
        }
    }
    if (first == RV_NONE)
        rv_loader_error(l, l->nodes.at[node].key, 0,
                        RV_STR("give it one of run, shell, approve, input, wait, set, reduce, foreach, loop, classify, tournament, "
                               "workflow"),
                        "node `%.*s` does nothing", RV_FMT(rv_loader_name(l, node)));
    return kind;
}

/* Of a key that does not apply. */
static const char *cure_of(const rv_draft *draft, uint32_t index)
{
    bool is_controller = rv_kind_is_controller((rv_kind)draft->kind);
    if (index == RV_NK_TIMEOUT && !is_controller) return "use the `deadline` of its own map, or remove it";
    if (index != RV_NK_CACHE && index != RV_NK_INPUTS) return "remove it";
    return is_controller ? "give it to the `run` and `shell` nodes within it" : "remove it: it runs no command whose work could be kept";
}

/* A key where it stands: does it apply to this kind, and to a node of this place? */
static void check_place(rv_loader *l, const rv_draft *draft, uint32_t key, uint32_t index)
{
    const rv_key *known = &rv_node_table.keys[index];
    bool is_edge = index == RV_NK_NEEDS || index == RV_NK_AFTER;
    if (draft->kind != RV_KIND_COUNT && !(known->kinds >> draft->kind & 1))
        rv_loader_error(l, key, 0,
                        rv_str_of(cure_of(draft, index)),
                        "`%s` does not apply to `%s`", known->name, rv_kind_name((rv_kind)draft->kind));
    if (draft->handler && is_edge)
        rv_loader_error(l, key, 0, RV_STR("remove it: handlers run when the graph has ended"), "a handler has no `%s`", known->name);
    else if (draft->handler && index == RV_NK_REVISE)
        rv_loader_error(l, key, 0, RV_STR("remove it"), "`revise` in a handler is not supported by this version");
    else if (is_edge && !l->scopes.at[draft->scope].is_named)
        rv_loader_error(l, key, 0, RV_STR("remove it: its owner's edges hold"), "a body of one node has no `%s`", known->name);
}

static void check_node(rv_loader *l, uint32_t node)
{
    static const rv_type type = {RV_TYPE_NODE_BODY, "a map such as {run: [make, test]}"};
    rv_draft *draft = &l->nodes.at[node];
    uint32_t body = draft->body;
    l->node = node;
    l->scope = draft->scope;
    l->file = (uint32_t)(rv_loader_file(l, node) - l->files.at);
    draft->kind = RV_KIND_COUNT;
    if (rv_doc_kind_of(&l->doc, body) != RV_DOC_MAP) {
        (void)rv_check_is_map(l, body, &type, rv_loader_name(l, node)); /* it says so */
        return;
    }
    rv_kind kind = check_kind(l, node);
    draft->kind = (uint8_t)kind;
    if (draft->handler && kind != RV_KIND_COUNT && kind != RV_KIND_RUN && kind != RV_KIND_SHELL)
        rv_loader_error(l, draft->key, 0, RV_STR("make it `run` or `shell`"), "a handler cannot be `%s`", rv_kind_name(kind));
    for (uint32_t k = body + 1, end = rv_doc_next(&l->doc, body); k < end; k = rv_doc_next(&l->doc, k + 1)) {
        uint32_t index = rv_check_known_key(l, k, &rv_node_table);
        if (index == RV_NONE) continue;
        check_place(l, draft, k, index);
        if (index == RV_NK_REVISE && !draft->handler) rv_vec_push(&l->revising, ((rv_reviser){node, k + 1}));
        rv_check_value(l, k + 1, rv_node_table.keys[index].type, rv_str_of(rv_node_table.keys[index].name));
    }
    rv_check_schemas(l);
}

uint32_t rv_loader_value(const rv_loader *l, uint32_t node, rv_node_key key)
{
    const rv_key *known = &rv_node_table.keys[key];
    uint32_t value = rv_doc_get(&l->doc, rv_loader_body(l, node), known->name);
    if (value == RV_NONE && l->nodes.at[node].kind < RV_KIND_COUNT && known->kinds >> l->nodes.at[node].kind & 1)
        value = rv_loader_default(l, node, key);
    return value;
}

uint32_t rv_loader_kind_value(const rv_loader *l, uint32_t node)
{
    return rv_doc_get(&l->doc, rv_loader_body(l, node), rv_kind_name((rv_kind)l->nodes.at[node].kind));
}

int64_t rv_loader_attempts(const rv_loader *l, uint32_t node)
{
    uint32_t layers[] = {rv_doc_get(&l->doc, rv_loader_body(l, node), "retry"), RV_NONE, RV_NONE}, max = RV_NONE;
    int64_t attempts = 1;
    for (uint32_t i = 1; i < RV_COUNT(layers) && rv_loader_is_process(l, node); i++)
        layers[i] = rv_loader_default_of(l, node, RV_NK_RETRY, i == 2);
    for (uint32_t i = 0; i < RV_COUNT(layers) && max == RV_NONE; i++)
        max = layers[i] == RV_NONE ? RV_NONE : rv_doc_get(&l->doc, layers[i], "max_attempts");
    return max != RV_NONE && rv_doc_i64(&l->doc, max, &attempts) ? attempts : 1;
}

/* Never started twice, and tried again, exclude each other [W3a]. */
static void check_delivery(rv_loader *l, uint32_t node)
{
    uint32_t delivery = rv_loader_value(l, node, RV_NK_DELIVERY);
    if (delivery == RV_NONE || !rv_str_is(rv_doc_text(&l->doc, delivery), "at_most_once")) return;
    int64_t attempts = rv_loader_attempts(l, node);
    if (attempts > 1)
        rv_loader_error(l, delivery, 0, RV_STR("set retry: {max_attempts: 1} or leave out at_most_once"),
                        "node `%.*s` may run at most once, but has %lld attempts", RV_FMT(rv_loader_name(l, node)),
                        (long long)attempts);
}

/* ---- bodies ---- */

/* Room for bodies `more` levels below their owner's. */
static bool has_level(rv_loader *l, uint32_t node, uint32_t value, uint32_t more)
{
    if (l->scopes.at[l->nodes.at[node].scope].level + more + LEVELS_BELOW <= RV_DOC_DEPTH_MAX) return true;
    rv_loader_error(l, value, 0, RV_STR("flatten it"), "nodes within nodes nested deeper than %d levels", RV_DOC_DEPTH_MAX);
    return false;
}

static void queue_body(rv_loader *l, uint32_t owner, rv_scope_role role, uint32_t key, uint32_t body, uint32_t more, uint32_t ordinal)
{
    if (body == RV_NONE || !has_level(l, owner, body, more) || !has_room(l, body, 1)) return;
    const rv_scope_draft *around = &l->scopes.at[l->nodes.at[owner].scope];
    uint32_t scope = rv_loader_scope(l, role, owner, around->file, around->level + more);
    l->scopes.at[scope].ordinal = ordinal;
    add(l, scope, (rv_draft){.key = key, .body = body});
}

static void queue_items(rv_loader *l, uint32_t node, uint32_t body)
{
    uint32_t nodes = body == RV_NONE ? RV_NONE : rv_doc_get(&l->doc, body, "nodes");
    if (nodes == RV_NONE || rv_doc_size(&l->doc, body) != 1) {
        queue_body(l, node, RV_SCOPE_ITEM, body - 1, body, 2, 0);
        return;
    }
    if (!has_level(l, node, body, 4)) return;
    const rv_scope_draft *around = &l->scopes.at[l->nodes.at[node].scope];
    uint32_t scope = rv_loader_scope(l, RV_SCOPE_ITEM, node, around->file, around->level + 4);
    rv_check_value(l, nodes, rv_file_table.keys[RV_FK_NODES].type, RV_STR("nodes"));
    rv_loader_collect(l, nodes, scope);
}

static void queue_entrants(rv_loader *l, uint32_t node, uint32_t list)
{
    if (list == RV_NONE || rv_doc_kind_of(&l->doc, list) != RV_DOC_LIST) return;
    uint32_t ordinal = 0;
    for (uint32_t item = list + 1, end = rv_doc_next(&l->doc, list); item < end; item = rv_doc_next(&l->doc, item), ordinal++)
        if (rv_doc_kind_of(&l->doc, item) == RV_DOC_MAP) queue_body(l, node, RV_SCOPE_ENTRANT, item, item, 3, ordinal);
}

static void queue_bodies(rv_loader *l, uint32_t node)
{
    rv_kind kind = (rv_kind)l->nodes.at[node].kind;
    uint32_t map, value;
    if (kind == RV_KIND_COUNT || !rv_kind_is_controller(kind) || l->nodes.at[node].handler) return;
    map = rv_loader_kind_value(l, node);
    if (rv_doc_kind_of(&l->doc, map) != RV_DOC_MAP) return;
    if (kind == RV_KIND_FOREACH) queue_items(l, node, rv_doc_get(&l->doc, map, "do"));
    else if (kind == RV_KIND_LOOP) {
        value = rv_doc_get(&l->doc, map, "body");
        queue_body(l, node, RV_SCOPE_ITERATION, value - 1, value, 2, 0);
    } else if (kind == RV_KIND_CLASSIFY) {
        value = rv_doc_get(&l->doc, map, "by");
        queue_body(l, node, RV_SCOPE_CLASSIFIER, value - 1, value, 2, 0);
    } else if (kind == RV_KIND_TOURNAMENT) {
        queue_entrants(l, node, rv_doc_get(&l->doc, map, "entrants"));
        value = rv_doc_get(&l->doc, map, "judge");
        queue_body(l, node, RV_SCOPE_JUDGE, value - 1, value, 2, 0);
    } else if (has_level(l, node, map, 4)) rv_loader_include(l, node, map);
}

/* ---- nodes of the run that these are submitted to ---- */

static void add_externals(rv_loader *l, uint32_t node, const char *key)
{
    uint32_t list = rv_doc_get(&l->doc, rv_loader_body(l, node), key);
    if (list == RV_NONE || rv_doc_kind_of(&l->doc, list) != RV_DOC_LIST) return;
    for (uint32_t item = list + 1, end = rv_doc_next(&l->doc, list); item < end; item = rv_doc_next(&l->doc, item)) {
        rv_str name = rv_doc_text(&l->doc, item);
        if (!rv_doc_is_scalar(&l->doc, item) || rv_map_get(&l->names, name) != RV_NONE || !rv_loader_exists(l, name)) continue;
        (void)rv_map_add(&l->names, name, l->nodes.count);
        rv_vec_push(&l->nodes, ((rv_draft){.key = item, .body = item, .kind = RV_KIND_COUNT}));
    }
}

/* ---- all ---- */

void rv_loader_nodes(rv_loader *l)
{
    uint32_t on = l->files.at[0].keys[RV_FK_ON];
    rv_loader_collect(l, l->files.at[0].keys[RV_FK_NODES], 0);
    for (uint32_t i = 0; i < l->projects.count; i++) {
        l->project = l->projects.at[i].file;
        if (l->project) rv_loader_collect(l, l->files.at[l->project].keys[RV_FK_NODES], 0);
    }
    l->project = 0;
    l->plain_count = l->scopes.at[1].first = l->nodes.count;
    for (uint32_t handler = RV_HANDLER_SUCCESS; handler < RV_HANDLER_COUNT && on != RV_NONE; handler++) {
        uint32_t value = rv_doc_get(&l->doc, on, rv_handler_name((rv_handler)handler));
        if (value != RV_NONE) add(l, 1, (rv_draft){.key = value - 1, .body = value, .handler = (uint8_t)handler});
    }
    l->top_count = l->nodes.count;
    for (uint32_t node = 0; node < l->nodes.count; node++) {
        check_node(l, node);
        check_delivery(l, node);
        rv_loader_cached(l, node);
        l->project = l->nodes.at[node].project;
        queue_bodies(l, node);
    }
    l->project = 0;
    l->def_count = l->nodes.count;
    for (uint32_t node = 0; node < l->plain_count && l->input->exists; node++) {
        add_externals(l, node, "needs");
        add_externals(l, node, "after");
    }
}
