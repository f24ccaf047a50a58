/* body.c: nodes in normal form, bodies within bodies.
 *
 * A body stands in the middle of its owner's text. So what is still to be written is a stack of parts: a part that meets a body leaves
 * the rest of itself there, and above it what comes first. The depth of the file is the height of the stack, not of ours. */
#include "spec/write.h"

enum { PART_KEY, PART_TEXT, PART_VALUE, PART_NODE, PART_KEYS, PART_NODES };
enum { RECORD_NONE, RECORD_ITEMS, RECORD_PARAMS, RECORD_RESULT };

static rv_node_def *def_at(const rv_writer *w, uint32_t node) { return (rv_node_def *)(w->image.at + w->nodes) + node; }

/* ---- keys of a node ---- */

/* It starts in an empty directory of its own. */
static bool is_isolated(const rv_loader *l, const uint32_t *values)
{
    return values[RV_NK_ISOLATION] != RV_NONE && rv_str_is(rv_doc_text(&l->doc, values[RV_NK_ISOLATION]), "none");
}

/* What `cache` has is spread: `deps` stays in it, inputs and env_host are the node's; one that is not cached says nothing of it. */
static uint64_t cache_values(const rv_loader *l, uint32_t node, uint32_t *values, uint64_t all)
{
    const uint64_t cache = (uint64_t)1 << RV_NK_CACHE, env_host = (uint64_t)1 << RV_NK_ENV_HOST, inputs = (uint64_t)1 << RV_NK_INPUTS;
    rv_cache_view view;
    rv_loader_cache(l, node, &view);
    if (!view.is_on) return all & ~cache;
    values[RV_NK_CACHE] = view.deps;
    values[RV_NK_ENV_HOST] = view.env_host;
    values[RV_NK_INPUTS] = view.inputs;
    return (view.env_host == RV_NONE ? all & ~env_host : all | env_host) | inputs;
}

static void write_cache(rv_writer *w, uint32_t deps)
{
    rv_buf_cstring(&w->image, "{\"deps\":");
    rv_json_quote(&w->image, deps == RV_NONE ? RV_STR("all") : rv_doc_text(&w->loader->doc, deps));
    rv_buf_byte(&w->image, '}');
}

/* The keys that a node has, its own or from defaults: bits, and their values. */
static uint64_t node_values(rv_writer *w, uint32_t node, uint32_t *values, uint64_t *ret_own)
{
    const rv_loader *l = w->loader;
    const rv_doc *doc = &l->doc;
    const rv_file_draft *file = rv_loader_file(l, node);
    uint32_t body = rv_loader_body(l, node), kind = l->nodes.at[node].kind;
    uint64_t own = 0, all;
    for (uint32_t key = body + 1, end = rv_doc_next(doc, body); key < end; key = rv_doc_next(doc, key + 1)) {
        uint32_t index = rv_key_find(&rv_node_table, rv_doc_text(doc, key));
        own |= (uint64_t)1 << index;
        values[index] = key + 1;
    }
    all = own;
    for (uint32_t index = 0; index < RV_NK_COUNT; index++) {
        if (own >> index & 1) continue;
        values[index] = rv_node_table.keys[index].kinds >> kind & 1 ? rv_loader_default(l, node, (rv_node_key)index) : RV_NONE;
        if (values[index] != RV_NONE) all |= (uint64_t)1 << index;
    }
    bool has_env = file->keys[RV_FK_ENV] != RV_NONE || (file->is_project && l->files.at[0].keys[RV_FK_ENV] != RV_NONE);
    if (RV_ON_PROCESS >> kind & 1 && has_env) all |= (uint64_t)1 << RV_NK_ENV;
    if (file->keys[RV_FK_TAGS] != RV_NONE) all |= (uint64_t)1 << RV_NK_TAGS;
    if (RV_ON_PROCESS >> kind & 1 && file->dir.size && !is_isolated(l, values)) all |= (uint64_t)1 << RV_NK_DIR;
    *ret_own = own;
    return all >> RV_NK_CACHE & 1 ? cache_values(l, node, values, all) : all;
}

static void write_env(rv_writer *w, const rv_file_draft *file, uint32_t own)
{
    const rv_file_draft *root = file->is_project ? &w->loader->files.at[0] : NULL;
    uint32_t layers[] = {root ? root->keys[RV_FK_ENV] : RV_NONE, root ? root->defaults[RV_NK_ENV] : RV_NONE, file->keys[RV_FK_ENV],
                         file->defaults[RV_NK_ENV], own};
    if (own == RV_NONE && w->base_env.size) {
        rv_buf_str_add(&w->image, rv_buf_str(&w->base_env));
        return;
    }
    size_t before = w->image.size;
    rv_writer_map_merged(w, layers, RV_COUNT(layers), rv_node_table.keys[RV_NK_ENV].type);
    if (own == RV_NONE) rv_buf_add(&w->base_env, w->image.at + before, w->image.size - before);
}

/* Where a project's node starts, from the root. */
static void write_dir(rv_writer *w, uint32_t value)
{
    rv_str text = value == RV_NONE ? RV_STR(".") : rv_doc_text(&w->loader->doc, value);
    rv_buf path = {0};
    if (w->base.size == 0) rv_buf_str_add(&path, text);
    else if (text.size && text.at[0] == '/') rv_buf_str_add(&path, text.size > 1 ? rv_str_from(text, 1) : RV_STR("."));
    else {
        rv_buf_str_add(&path, w->base);
        if (!rv_str_is(text, ".")) rv_buf_printf(&path, "/%.*s", RV_FMT(text));
    }
    rv_json_quote(&w->image, rv_buf_str(&path));
    rv_buf_deinit(&path);
}

/* The node's own tags, or those of `defaults`, and those of its project. */
static void write_tags(rv_writer *w, const rv_file_draft *file, uint32_t list)
{
    uint32_t lists[] = {list, file->keys[RV_FK_TAGS]};
    const rv_doc *doc = &w->loader->doc;
    bool is_first = true;
    rv_buf_byte(&w->image, '[');
    for (uint32_t i = 0; i < RV_COUNT(lists); i++)
        for (uint32_t item = lists[i] + 1; lists[i] != RV_NONE && item < rv_doc_next(doc, lists[i]); item++) {
            bool is_there = false;
            for (uint32_t own = list + 1; i && list != RV_NONE && own < rv_doc_next(doc, list); own++)
                is_there |= rv_str_eq(rv_doc_text(doc, own), rv_doc_text(doc, item));
            if (is_there) continue;
            if (!is_first) rv_buf_byte(&w->image, ',');
            is_first = false;
            rv_json_quote(&w->image, rv_doc_text(doc, item));
        }
    rv_buf_byte(&w->image, ']');
}

/* `needs` or `after` by what it selected. */
static void write_edges(rv_writer *w, uint32_t node, bool is_soft)
{
    const rv_loader *l = w->loader;
    bool is_first = true;
    rv_buf_byte(&w->image, '[');
    for (uint32_t i = l->pred_begin[node]; i < l->pred_begin[node] + l->listed[node]; i++) {
        if (is_soft != ((l->pred.at[i] & RV_EDGE_SOFT) != 0)) continue;
        if (!is_first) rv_buf_byte(&w->image, ',');
        is_first = false;
        rv_json_quote(&w->image, rv_loader_own_name(l, RV_EDGE_NODE(l->pred.at[i])));
    }
    rv_buf_byte(&w->image, ']');
}

static void write_retry(rv_writer *w, uint32_t node, uint32_t own)
{
    const rv_loader *l = w->loader;
    uint32_t layers[] = {rv_loader_default_of(l, node, RV_NK_RETRY, true), rv_loader_default_of(l, node, RV_NK_RETRY, false), own};
    rv_writer_object_merged(w, layers, RV_COUNT(layers), &rv_retry_table);
}

static void write_key_name(rv_writer *w, const char *name)
{
    rv_buf_byte(&w->image, '"');
    rv_buf_cstring(&w->image, name);
    rv_buf_cstring(&w->image, "\":");
}

static void write_key(rv_writer *w, uint32_t node, rv_node_def *def, uint32_t index, uint32_t value, bool is_own)
{
    const rv_key *key = &rv_node_table.keys[index];
    const rv_file_draft *file = rv_loader_file(w->loader, node);
    bool is_edge = index == RV_NK_NEEDS || index == RV_NK_AFTER;
    write_key_name(w, key->name);
    if (index == RV_NK_ENV) write_env(w, file, is_own ? value : RV_NONE);
    else if (index == RV_NK_RETRY) write_retry(w, node, is_own ? value : RV_NONE);
    else if (index == RV_NK_DIR && file->dir.size) write_dir(w, value);
    else if (index == RV_NK_TAGS) write_tags(w, file, value);
    else if (is_edge && w->loader->listed) write_edges(w, node, index == RV_NK_AFTER);
    else if (index == RV_NK_CACHE) write_cache(w, value);
    else if (index == RV_NK_INPUTS && value == RV_NONE) rv_buf_cstring(&w->image, "[]");
    else if (index == RV_NK_WHEN) def->when = rv_writer_text(w, rv_doc_text(&w->loader->doc, value));
    else rv_writer_value(w, value, key->type);
}

/* ---- parts ---- */

static void push(rv_writer *w, rv_part part) { rv_vec_push(&w->parts, part); }

static void push_key(rv_writer *w, const char *name, bool *is_first)
{
    push(w, (rv_part){.kind = PART_KEY, .text = name, .value = *is_first});
    *is_first = false;
}

static void push_text(rv_writer *w, const char *text) { push(w, (rv_part){.kind = PART_TEXT, .text = text}); }

static void push_entrants(rv_writer *w, uint32_t node, uint32_t list, const rv_type *type)
{
    const rv_doc *doc = &w->loader->doc;
    uint32_t scope = w->loader->nodes.at[node].scope_first;
    push_text(w, "[");
    for (uint32_t item = list + 1, end = rv_doc_next(doc, list); item < end; item = rv_doc_next(doc, item)) {
        if (item > list + 1) push_text(w, ",");
        if (rv_doc_is_scalar(doc, item)) push(w, (rv_part){.kind = PART_VALUE, .value = item, .type = type->item});
        else push(w, (rv_part){.kind = PART_NODE, .node = w->loader->scopes.at[scope++].first});
    }
    push_text(w, "]");
}

/* A workflow within this one: `env` and `defaults` are in its nodes. */
static void push_definition(rv_writer *w, uint32_t node)
{
    const rv_loader *l = w->loader;
    uint32_t scope = l->nodes.at[node].scope_first;
    const rv_file_draft *file = &l->files.at[l->scopes.at[scope].file];
    bool is_first = true;
    push_text(w, "{");
    for (uint32_t i = 0; i < RV_FK_COUNT; i++) {
        if (file->keys[i] == RV_NONE || i == RV_FK_DEFAULTS || i == RV_FK_ENV || i == RV_FK_REEVE || i == RV_FK_TAGS) continue;
        push_key(w, rv_file_table.keys[i].name, &is_first);
        if (i == RV_FK_NODES) push(w, (rv_part){.kind = PART_NODES, .node = scope});
        else
            push(w, (rv_part){.kind = PART_VALUE, .node = node, .value = file->keys[i], .type = rv_file_table.keys[i].type,
                              .record = i == RV_FK_RESULT ? RECORD_RESULT : RECORD_NONE});
    }
    push_text(w, "}");
}

static void push_value(rv_writer *w, uint32_t node, uint32_t value, const rv_key *key)
{
    const rv_draft *draft = &w->loader->nodes.at[node];
    const rv_scope_draft *last = &w->loader->scopes.at[draft->scope_first + draft->scope_count - 1];
    switch (key->type->kind) {
    case RV_TYPE_NODE_BODY: push(w, (rv_part){.kind = PART_NODE, .node = last->first}); return; /* a judge's scope is its owner's last */
    case RV_TYPE_BODY_OR_NODES:
        if (last->is_named) {
            push_text(w, "{\"nodes\":");
            push(w, (rv_part){.kind = PART_NODES, .node = draft->scope_first});
            push_text(w, "}");
        } else push(w, (rv_part){.kind = PART_NODE, .node = last->first});
        return;
    default: break;
    }
    uint8_t record = key->type->kind == RV_TYPE_ITEMS                 ? RECORD_ITEMS
                     : rv_str_is(rv_str_of(key->name), "params") ? RECORD_PARAMS
                                                                 : RECORD_NONE;
    if (key->type->kind == RV_TYPE_LIST && key->type->item->kind == RV_TYPE_ENTRANT) push_entrants(w, node, value, key->type);
    else push(w, (rv_part){.kind = PART_VALUE, .node = node, .value = value, .type = key->type, .record = record});
}

/* The value of a controller's own key: an object of its table. */
static void push_control(rv_writer *w, uint32_t node, const rv_key_table *table)
{
    uint32_t map = rv_loader_kind_value(w->loader, node), begin = w->parts.count;
    bool is_first = true;
    push_text(w, "{");
    for (uint32_t i = 0; i < table->count; i++) {
        bool is_definition = table->keys[i].type->kind == RV_TYPE_DEFINITION;
        uint32_t value = rv_doc_get(&w->loader->doc, map, table->keys[i].name);
        if (table == &rv_workflow_table && rv_str_is(rv_str_of(table->keys[i].name), "file")) continue; /* it stands as `definition` */
        if (value == RV_NONE && !is_definition) continue;
        push_key(w, table->keys[i].name, &is_first);
        if (is_definition) push_definition(w, node);
        else push_value(w, node, value, &table->keys[i]);
    }
    push_text(w, "}");
    for (uint32_t low = begin, high = w->parts.count; low + 1 < high; low++) { /* the first of them comes up first */
        rv_part swap = w->parts.at[low];
        w->parts.at[low] = w->parts.at[--high];
        w->parts.at[high] = swap;
    }
}

/* ---- a node ---- */

static void finish_node(rv_writer *w, uint32_t node, rv_node_def *def, const uint32_t *values, uint64_t own)
{
    rv_loader *l = w->loader;
    const rv_draft *draft = &l->nodes.at[node];
    rv_kind kind = (rv_kind)draft->kind;
    int64_t priority = 0;
    rv_buf_byte(&w->image, '}');
    def->body.size = (uint32_t)(w->image.size - w->strings) - def->body.at;
    def->kind = draft->kind;
    def->handler = draft->handler;
    def->flags = draft->flags;
    def->scope = draft->scope;
    def->revise = draft->revise;
    def->policy = rv_writer_policy(w, rv_loader_file(l, node), values, own, RV_ON_PROCESS >> kind & 1);
    if (RV_ON_PROCESS >> kind & 1) def->aux = rv_writer_claims(w, values[RV_NK_MUTEX]);
    bool is_staged = rv_node_claims(def) || (def->flags & RV_NODE_F_CACHED);
    def->class_index = rv_writer_class(w, values[RV_NK_TAGS], rv_loader_file(l, node)->keys[RV_FK_TAGS], is_staged);
    def->role = rv_writer_word(&l->doc, values[RV_NK_ROLE], rv_node_table.keys[RV_NK_ROLE].type);
    const rv_type *isolations = rv_node_table.keys[RV_NK_ISOLATION].type;
    if (values[RV_NK_ISOLATION] != RV_NONE)
        def->isolation = (uint8_t)(RV_ISOLATION_NONE + rv_writer_word(&l->doc, values[RV_NK_ISOLATION], isolations));
    if (rv_writer_word(&l->doc, values[RV_NK_TRUST], rv_node_table.keys[RV_NK_TRUST].type)) def->flags |= RV_NODE_F_QUARANTINED;
    if (def->isolation == RV_ISOLATION_NONE && values[RV_NK_DIR] != RV_NONE)
        rv_loader_error(l, values[RV_NK_DIR], 0, RV_STR("remove one of them"), "`dir` and `isolation: none` both say where it starts");
    if (rv_node_isolation(def) == RV_ISOLATION_WORKTREE && values[RV_NK_OUTPUTS] != RV_NONE)
        rv_loader_error(l, values[RV_NK_OUTPUTS], 0, RV_STR("remove it"),
                        "`outputs` are looked for where the run is; what a node makes in its worktree is in its artifact worktree.patch");
    def->budget = rv_writer_budget(w, values[RV_NK_BUDGET], RV_AT_LIMIT_STOP);
    def->dep_policy = rv_writer_word(&l->doc, values[RV_NK_DEP_POLICY], rv_node_table.keys[RV_NK_DEP_POLICY].type);
    if (values[RV_NK_PRIORITY] != RV_NONE) RV_ASSERT(rv_doc_i64(&l->doc, values[RV_NK_PRIORITY], &priority));
    def->priority = (int32_t)priority;
    if (values[RV_NK_LEAVE] != RV_NONE && rv_doc_kind_of(&l->doc, values[RV_NK_LEAVE]) == RV_DOC_TRUE) def->flags |= RV_NODE_F_LEAVE;
    if (values[RV_NK_OUTPUT_SCHEMA] != RV_NONE) def->flags |= RV_NODE_F_HAS_SCHEMA;
    if (kind == RV_KIND_APPROVE || kind == RV_KIND_INPUT || kind == RV_KIND_WAIT)
        def->aux = rv_writer_gate(w, kind, rv_loader_kind_value(l, node));
    if (kind == RV_KIND_SET) def->aux_count = w->set_items.count - def->aux;
    if (rv_kind_is_controller(kind)) rv_writer_control(w, node, &w->controls.at[def->aux]);
    if (draft->revise) rv_writer_revise(w, node, values[RV_NK_REVISE]);
    *def_at(w, node) = *def;
}

static void begin_node(rv_writer *w, uint32_t node)
{
    const rv_draft *draft = &w->loader->nodes.at[node];
    uint32_t file = (uint32_t)(rv_loader_file(w->loader, node) - w->loader->files.at);
    rv_node_def *def = def_at(w, node);
    if (w->file != file) { /* what nodes have that say nothing of it depends on their file */
        w->file = file;
        w->plain_policy[0] = w->plain_policy[1] = RV_NONE;
        rv_buf_clear(&w->base_env);
    }
    if (draft->kind == RV_KIND_SET) def->aux = w->set_items.count;
    if (rv_kind_is_controller((rv_kind)draft->kind)) {
        def->aux = w->controls.count;
        rv_vec_push(&w->controls, ((rv_control_def){.scope_first = draft->scope_first, .scope_count = draft->scope_count}));
    }
    def->body.at = (uint32_t)(w->image.size - w->strings);
    rv_buf_byte(&w->image, '{');
}

/* The name in front of that of the file's node that this one is within. */
static rv_str project_of(const rv_loader *l, uint32_t node)
{
    while (l->scopes.at[l->nodes.at[node].scope].owner != RV_NONE) node = l->scopes.at[l->nodes.at[node].scope].owner;
    rv_str name = rv_loader_own_name(l, node);
    size_t colon = l->nodes.at[node].handler ? SIZE_MAX : rv_str_find(name, 0, ':');
    return colon == SIZE_MAX ? RV_STR("") : rv_str_cut(name, 0, colon);
}

/* The keys in `left`, up to and with a controller's own, behind which the rest waits; then the node is complete. */
static void write_keys(rv_writer *w, uint32_t node, uint64_t left, bool is_first)
{
    static const rv_key_table *const tables[RV_KIND_COUNT] = {
        [RV_KIND_FOREACH] = &rv_foreach_table,       [RV_KIND_LOOP] = &rv_loop_table,         [RV_KIND_CLASSIFY] = &rv_classify_table,
        [RV_KIND_TOURNAMENT] = &rv_tournament_table, [RV_KIND_WORKFLOW] = &rv_workflow_table,
    };
    uint32_t values[RV_NK_COUNT];
    uint64_t own, all = node_values(w, node, values, &own);
    rv_kind kind = (rv_kind)w->loader->nodes.at[node].kind;
    w->base = rv_loader_file(w->loader, node)->dir;
    w->project = project_of(w->loader, node);
    rv_node_def def = *def_at(w, node);
    if (is_first) left = all;
    for (; left; is_first = false) {
        uint32_t index = (uint32_t)__builtin_ctzll(left);
        left &= left - 1;
        if (!is_first) rv_buf_byte(&w->image, ',');
        if (tables[kind] && rv_node_table.keys[index].flags & RV_KEY_KIND) {
            write_key_name(w, rv_node_table.keys[index].name);
            *def_at(w, node) = def;
            push(w, (rv_part){.kind = PART_KEYS, .node = node, .left = left});
            push_control(w, node, tables[kind]);
            return;
        }
        write_key(w, node, &def, index, values[index], own >> index & 1);
    }
    finish_node(w, node, &def, values, own);
}

/* ---- the stack ---- */

static void write_value(rv_writer *w, const rv_part *part)
{
    uint32_t begin = (uint32_t)(w->image.size - w->strings), items = w->set_items.count;
    rv_writer_value(w, part->value, part->type);
    if (part->record == RECORD_NONE) return;
    rv_control_def *control = &w->controls.at[def_at(w, part->node)->aux];
    rv_slice text = {begin, (uint32_t)(w->image.size - w->strings) - begin};
    if (part->record == RECORD_ITEMS) control->items = text;
    else if (part->record == RECORD_PARAMS) control->params = text;
    else {
        control->result_first = items;
        control->result_count = w->set_items.count - items;
    }
}

/* The next node of a scope, or its end. false: the normal form is too large. */
static bool write_next(rv_writer *w)
{
    rv_loader *l = w->loader;
    rv_part *part = &w->parts.at[w->parts.count - 1];
    const rv_scope_draft *scope = &l->scopes.at[part->node];
    if (part->value == 0) rv_buf_byte(&w->image, '{');
    if (part->value == scope->count) {
        rv_buf_byte(&w->image, '}');
        (void)rv_vec_pop(&w->parts);
        return true;
    }
    uint32_t node = scope->first + part->value;
    if (w->image.size - w->strings > RV_DEFINITION_MAX) {
        rv_loader_error(l, l->nodes.at[node].key, 0, RV_STR("put less into `defaults` and `env`"),
                        "the normal form is larger than 512 MiB");
        return false;
    }
    if (w->releases && part->node == 0) rv_doc_release(&l->doc, l->nodes.at[scope->first].key, l->nodes.at[node].key);
    if (part->value++ > 0) rv_buf_byte(&w->image, ',');
    rv_slice name = rv_writer_text(w, rv_loader_own_name(l, node));
    def_at(w, node)->name = name;
    rv_buf_byte(&w->image, ':');
    begin_node(w, node);
    write_keys(w, node, 0, true);
    return true;
}

static bool write_parts(rv_writer *w)
{
    while (w->parts.count > 0) {
        rv_part part = w->parts.at[w->parts.count - 1];
        if (part.kind == PART_NODES) {
            if (!write_next(w)) return false;
            continue;
        }
        (void)rv_vec_pop(&w->parts);
        switch (part.kind) {
        case PART_KEY:
            if (!part.value) rv_buf_byte(&w->image, ',');
            write_key_name(w, part.text);
            break;
        case PART_TEXT: rv_buf_cstring(&w->image, part.text); break;
        case PART_VALUE: write_value(w, &part); break;
        case PART_NODE:
            begin_node(w, part.node);
            write_keys(w, part.node, 0, true);
            break;
        case PART_KEYS: write_keys(w, part.node, part.left, false); break;
        default: RV_UNREACHABLE();
        }
    }
    return true;
}

bool rv_writer_nodes(rv_writer *w, uint32_t scope)
{
    push(w, (rv_part){.kind = PART_NODES, .node = scope});
    return write_parts(w);
}

void rv_writer_node(rv_writer *w, uint32_t node, rv_slice name)
{
    def_at(w, node)->name = name;
    begin_node(w, node);
    write_keys(w, node, 0, true);
    RV_ASSERT(w->parts.count == 0);
}
