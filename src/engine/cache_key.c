#include "engine/cache_private.h"

#include "kernel/gate.h"

#include <stdlib.h>

/* A key: the hash of all that a node depends on, each piece behind its size, in the order of [C1] (docs/cache.md). The pieces are
 * gathered first and hashed then; what they were is kept until the next key, so that a miss can tell it. */

#define FORMAT "reeve-cache-1"
#define HASH_NAME "sha256"

/* What a cached node is given of its caller's environment without saying so [W15]. */
static const char *const always_given[] = {"PATH", "HOME", "LANG", "TMPDIR"};

void rv_key_parts_deinit(rv_key_parts *parts)
{
    rv_arena_deinit(&parts->arena);
    rv_command_deinit(&parts->command);
    rv_buf_deinit(&parts->texts);
    rv_vec_deinit(&parts->files);
    rv_vec_deinit(&parts->host);
    rv_vec_deinit(&parts->host_names);
    rv_vec_deinit(&parts->env);
    rv_vec_deinit(&parts->preds);
    rv_buf_deinit(&parts->key);
    rv_buf_deinit(&parts->inputs);
}

static void add(rv_buf *out, rv_str piece)
{
    rv_buf_varint(out, piece.size);
    rv_buf_str_add(out, piece);
}

static void add_digest(rv_buf *out, rv_digest digest) { add(out, (rv_str){(const char *)digest.bytes, sizeof digest.bytes}); }

/* ---- values, as a key sees them ---- */

/* An artifact is its content: its path is another in every run. */
typedef struct given_values { rv_values values; const rv_cache_subject *subject; } given_values;

static rv_status give_output(void *user, uint32_t node, int stream, rv_buf *out, rv_error *err)
{
    const rv_values *values = ((given_values *)user)->subject->values;
    return values->output(values->user, node, stream, out, err);
}

static bool give_artifact(void *user, uint32_t node, rv_str name, rv_buf *out)
{
    const rv_cache_subject *subject = ((given_values *)user)->subject;
    char text[RV_DIGEST_TEXT_SIZE + 1];
    rv_digest digest;
    if (!subject->artifact(subject->user, node, name, &digest)) return false;
    rv_digest_text(digest, text);
    rv_buf_cstring(out, text);
    return true;
}

/* With secrets masked, in the arena; borrowed where there are none. */
static rv_str masked(rv_key_parts *parts, const rv_mask *mask, const char *text)
{
    rv_buf out = {0};
    if (!mask) return rv_str_of(text);
    rv_mask_whole(mask, rv_str_of(text), &out);
    rv_str copy = rv_arena_str(&parts->arena, rv_buf_str(&out));
    rv_buf_deinit(&out);
    return copy;
}

static int by_bytes(const void *a, const void *b) { return rv_str_cmp(*(const rv_str *)a, *(const rv_str *)b); }

static rv_status gather_command(rv_key_parts *parts, const rv_cache_subject *subject, uint32_t node, rv_error *err)
{
    given_values given = {*subject->values, subject};
    given.values.output = give_output;
    given.values.artifact = give_artifact;
    given.values.user = &given;
    rv_value_scope scope = {.values = &given.values, .node = node};
    rv_vec_clear(&parts->command.argv);
    rv_vec_clear(&parts->command.env);
    rv_vec_clear(&parts->env);
    rv_status status = rv_command_make(&scope, parts->body, &parts->arena, &parts->command, err);
    for (uint32_t i = 0; status == RV_OK && i < parts->command.env.count; i++)
        rv_vec_push(&parts->env, masked(parts, subject->mask, parts->command.env.at[i]));
    if (parts->env.count > 1) qsort(parts->env.at, parts->env.count, sizeof parts->env.at[0], by_bytes);
    return status;
}

/* ---- files ---- */

const rv_str *rv_cache_patterns(const rv_json *array, rv_arena *arena, uint32_t *ret_count)
{
    *ret_count = array && array->kind == RV_JSON_ARRAY ? array->count : 0;
    if (*ret_count == 0) return NULL;
    rv_str *patterns = rv_arena_new(arena, rv_str, *ret_count);
    uint32_t i = 0;
    for (const rv_json *item = array->child; item; item = item->next) patterns[i++] = item->text;
    return patterns;
}

static void add_file(rv_buf *out, const rv_tree_file *file)
{
    add(out, file->path);
    rv_buf_byte(out, (char)file->kind);
    rv_buf_varint(out, file->kind == RV_TREE_FILE ? file->mode : 0);
    rv_buf_add(out, file->digest.bytes, sizeof file->digest.bytes);
}

rv_status rv_cache_inputs(rv_cache *cache, rv_tree *tree, const rv_json *body, rv_digest *ret, rv_error *err)
{
    rv_key_parts *parts = &cache->parts;
    uint32_t count;
    const rv_str *patterns = rv_cache_patterns(rv_json_get(body, RV_STR("inputs")), &parts->arena, &count);
    rv_vec_clear(&parts->files);
    rv_status status = count ? rv_tree_take(tree, patterns, count, false, &parts->arena, &parts->files, err) : RV_OK;
    if (status != RV_OK) return status;
    rv_buf_clear(&parts->inputs);
    rv_buf_varint(&parts->inputs, parts->files.count);
    for (uint32_t i = 0; i < parts->files.count; i++) add_file(&parts->inputs, &parts->files.at[i]);
    *ret = rv_sha256(rv_buf_str(&parts->inputs));
    return RV_OK;
}

/* ---- environment ---- */

static bool find_host(const char *const *environ, rv_str name, rv_str *ret)
{
    for (; environ && *environ; environ++) {
        bool is_it = strncmp(*environ, name.at, name.size) == 0 && (*environ)[name.size] == '=';
        if (is_it) return *ret = rv_str_of(*environ + name.size + 1), true;
    }
    return false;
}

static int by_name(const void *a, const void *b)
{
    return rv_str_cmp(((const rv_key_host *)a)->name, ((const rv_key_host *)b)->name);
}

static void gather_host(rv_cache *cache)
{
    rv_key_parts *parts = &cache->parts;
    const rv_json *names = rv_json_get(parts->body, RV_STR("env_host"));
    rv_vec_clear(&parts->host);
    for (size_t i = 0; i < RV_COUNT(always_given); i++) rv_vec_push(&parts->host, ((rv_key_host){.name = rv_str_of(always_given[i])}));
    for (const rv_json *name = names ? names->child : NULL; name; name = name->next)
        rv_vec_push(&parts->host, ((rv_key_host){.name = name->text}));
    for (uint32_t i = 0; i < parts->host.count; i++)
        parts->host.at[i].is_set = find_host(cache->config.environ, parts->host.at[i].name, &parts->host.at[i].value);
    qsort(parts->host.at, parts->host.count, sizeof parts->host.at[0], by_name);
}

/* ---- predecessors ---- */

typedef struct using { const rv_run *run; uint32_t node, pred; bool is_used; } using;

static void look_at_reference(void *user, rv_str path, bool has_default, size_t offset)
{
    using *u = user;
    u->is_used |= rv_run_see((rv_run *)(uintptr_t)u->run, u->node, &path) == u->pred;
}

static void look_at_text(using *u, const rv_json *value)
{
    size_t at;
    if (value && value->kind == RV_JSON_STRING && rv_str_find(value->text, 0, '$') != SIZE_MAX)
        (void)!rv_template_references(value->text, look_at_reference, u, &at, NULL);
}

/* Does the node's command, environment or directory read a value of `pred`? */
static bool reads(const rv_json *body, const rv_run *run, uint32_t node, uint32_t pred)
{
    using u = {run, node, pred, false};
    const rv_json *argv = rv_json_get(body, RV_STR("run")), *env = rv_json_get(body, RV_STR("env"));
    for (const rv_json *item = argv ? argv->child : NULL; item; item = item->next) look_at_text(&u, item);
    for (const rv_json *item = env ? env->child : NULL; item; item = item->next) look_at_text(&u, item);
    look_at_text(&u, rv_json_get(body, RV_STR("dir")));
    return u.is_used;
}

static rv_str deps_of(const rv_json *body)
{
    const rv_json *cache = rv_json_get(body, RV_STR("cache")), *deps = rv_json_get(cache, RV_STR("deps"));
    return deps && deps->kind == RV_JSON_STRING ? deps->text : RV_STR("all");
}

static int by_outcome(const void *a, const void *b)
{
    return memcmp(((const rv_key_pred *)a)->outcome.bytes, ((const rv_key_pred *)b)->outcome.bytes, sizeof(rv_digest));
}

static rv_status gather_preds(rv_key_parts *parts, const rv_cache_subject *subject, uint32_t node, rv_error *err)
{
    const rv_run *run = subject->values->run;
    const rv_graph *graph = rv_run_graph(run, node);
    uint32_t def = run->nodes[node].def;
    rv_str deps = deps_of(parts->body);
    rv_vec_clear(&parts->preds);
    for (uint32_t e = graph->pred_begin[def]; e < graph->pred_begin[def + 1] && !rv_str_is(deps, "files"); e++) {
        if (graph->pred[e] & RV_EDGE_SOFT) continue;
        uint32_t pred = rv_run_pred(run, run->nodes[node].place, graph->pred[e]);
        if (rv_str_is(deps, "values") && !reads(parts->body, run, node, pred)) continue;
        rv_key_pred given = {.node = pred};
        if (!subject->outcome(subject->user, pred, &given.outcome)) {
            rv_str id = rv_run_id_in(run, pred, &parts->arena);
            return rv_error_set(err, RV_NOT_FOUND, "it is not known what %.*s gave", RV_FMT(id));
        }
        rv_vec_push(&parts->preds, given);
    }
    if (parts->preds.count > 1) qsort(parts->preds.at, parts->preds.count, sizeof parts->preds.at[0], by_outcome);
    return RV_OK;
}

/* ---- the key ---- */

/* A JSON value as it stands; size 0: there is none. */
static void add_value(rv_buf *out, const rv_json *value, rv_buf *scratch)
{
    rv_buf_clear(scratch);
    if (value) rv_json_write(scratch, value, true);
    add(out, rv_buf_str(scratch));
}

static void add_action(rv_cache *cache, const rv_cache_subject *subject, uint32_t node)
{
    rv_key_parts *parts = &cache->parts;
    rv_buf *out = &parts->key;
    const rv_node_def *def = rv_run_def(subject->values->run, node);
    uint32_t argc = parts->command.argv.count - 1; /* without the NULL */
    add(out, rv_str_of(rv_kind_name((rv_kind)def->kind)));
    rv_buf_clear(&parts->texts);
    rv_buf_varint(&parts->texts, argc);
    for (uint32_t i = 0; i < argc; i++) add(&parts->texts, masked(parts, subject->mask, parts->command.argv.at[i]));
    add(&parts->texts, rv_str_of(rv_isolation_name(rv_node_isolation(def))));
    rv_buf_str_add(out, rv_buf_str(&parts->texts));
    add_value(out, rv_json_get(parts->body, RV_STR("output_schema")), &cache->buffer);
    add(out, parts->command.dir ? masked(parts, subject->mask, parts->command.dir) : RV_STR(""));
    add_value(out, rv_json_get(parts->body, RV_STR("outputs")), &cache->buffer);
}

static void add_environment(rv_key_parts *parts, const rv_mask *mask)
{
    rv_buf *out = &parts->key;
    rv_buf_varint(out, parts->host.count);
    for (uint32_t i = 0; i < parts->host.count; i++) {
        const rv_key_host *host = &parts->host.at[i];
        add(out, host->name);
        rv_buf_byte(out, host->is_set);
        if (host->is_set) add(out, masked(parts, mask, host->value.at));
    }
    rv_buf_varint(out, parts->env.count);
    for (uint32_t i = 0; i < parts->env.count; i++) add(out, parts->env.at[i]);
}

static rv_str trust_of(const rv_run *run, uint32_t node)
{
    return rv_run_is_quarantined(run, node) ? RV_STR("quarantined") : RV_STR("trusted");
}

static const rv_json *body_of(rv_key_parts *parts, const rv_run *run, uint32_t node)
{
    rv_json *body = NULL;
    rv_status status = rv_json_parse(&parts->arena, rv_graph_str(rv_run_graph(run, node), rv_run_def(run, node)->body), &body, NULL);
    RV_ASSERT(status == RV_OK); /* the normal form was written by us and is pinned by its hash */
    return body;
}

rv_status rv_cache_key(rv_cache *cache, const rv_cache_subject *subject, uint32_t node, rv_digest *ret, rv_digest *ret_inputs,
                       rv_error *err)
{
    rv_key_parts *parts = &cache->parts;
    const rv_run *run = subject->values->run;
    rv_digest inputs;
    rv_arena_clear(&parts->arena);
    parts->body = body_of(parts, run, node);
    rv_status status = gather_command(parts, subject, node, err);
    if (status == RV_OK) status = gather_preds(parts, subject, node, err);
    if (status == RV_OK) status = rv_cache_inputs(cache, subject->tree, parts->body, &inputs, err);
    if (status != RV_OK) return status;
    gather_host(cache);
    rv_buf *out = &parts->key;
    rv_buf_clear(out);
    add(out, RV_STR(FORMAT));
    add(out, RV_STR(HASH_NAME));
    add_action(cache, subject, node);
    add_digest(out, inputs);
    add_environment(parts, subject->mask);
    rv_buf_varint(out, parts->preds.count);
    for (uint32_t i = 0; i < parts->preds.count; i++) add_digest(out, parts->preds.at[i].outcome);
    add(out, trust_of(run, node));
    *ret = rv_sha256(rv_buf_str(out));
    if (ret_inputs) *ret_inputs = inputs;
    parts->run = run, parts->node = node, parts->mask = subject->mask;
    return RV_OK;
}

/* ---- what it was made of: version, then {kind, name, hash of the value} … ---- */

static void made(rv_buf *out, rv_made_of_kind kind, rv_str name, rv_str value)
{
    uint64_t hash = rv_hash64(value, (uint64_t)kind);
    rv_buf_byte(out, (char)kind);
    add(out, name);
    rv_buf_add(out, &hash, sizeof hash);
}

static void made_of_files(rv_key_parts *parts, rv_buf *out)
{
    for (uint32_t i = 0; i < parts->files.count; i++) {
        rv_buf_clear(&parts->inputs);
        add_file(&parts->inputs, &parts->files.at[i]);
        made(out, RV_MADE_OF_INPUT, parts->files.at[i].path, rv_buf_str(&parts->inputs));
    }
}

static void made_of_environment(rv_key_parts *parts, rv_buf *out)
{
    for (uint32_t i = 0; i < parts->host.count; i++) {
        const rv_key_host *host = &parts->host.at[i];
        rv_buf_clear(&parts->inputs);
        rv_buf_byte(&parts->inputs, host->is_set);
        if (host->is_set) rv_buf_str_add(&parts->inputs, masked(parts, parts->mask, host->value.at));
        made(out, RV_MADE_OF_HOST, host->name, rv_buf_str(&parts->inputs));
    }
    for (uint32_t i = 0; i < parts->env.count; i++) {
        size_t equals = rv_str_find(parts->env.at[i], 0, '=');
        made(out, RV_MADE_OF_ENV, rv_str_cut(parts->env.at[i], 0, equals), rv_str_from(parts->env.at[i], equals));
    }
}

void rv_cache_made_of(rv_cache *cache, rv_buf *out)
{
    rv_key_parts *parts = &cache->parts;
    const rv_str none = RV_STR("");
    rv_buf_byte(out, RV_MADE_OF_VERSION);
    made(out, RV_MADE_OF_FORMAT, none, RV_STR(FORMAT HASH_NAME));
    add_value(&parts->texts, rv_json_get(parts->body, RV_STR("output_schema")), &cache->buffer);
    made(out, RV_MADE_OF_COMMAND, none, rv_buf_str(&parts->texts));
    made(out, RV_MADE_OF_DIRECTORY, none, parts->command.dir ? masked(parts, parts->mask, parts->command.dir) : none);
    rv_buf_clear(&parts->inputs);
    add_value(&parts->inputs, rv_json_get(parts->body, RV_STR("outputs")), &cache->buffer);
    made(out, RV_MADE_OF_OUTPUTS, none, rv_buf_str(&parts->inputs));
    made_of_files(parts, out);
    made_of_environment(parts, out);
    for (uint32_t i = 0; i < parts->preds.count; i++) {
        const rv_digest *outcome = &parts->preds.at[i].outcome;
        made(out, RV_MADE_OF_PREDECESSOR, rv_run_id_in(parts->run, parts->preds.at[i].node, &parts->arena),
             (rv_str){(const char *)outcome->bytes, sizeof outcome->bytes});
    }
    made(out, RV_MADE_OF_TRUST, none, trust_of(parts->run, parts->node));
}

uint64_t rv_cache_owner(rv_str file, rv_str node) { return rv_hash64(node, rv_hash64(file, 0)); }

rv_digest rv_cache_outcome(rv_str state, rv_digest out, rv_digest err, rv_str result, const rv_cache_named *artifacts, uint32_t count)
{
    rv_buf all = {0};
    add(&all, state);
    add_digest(&all, out);
    add_digest(&all, err);
    add_digest(&all, rv_sha256(result));
    rv_buf_varint(&all, count);
    for (uint32_t i = 0; i < count; i++) {
        add(&all, artifacts[i].name);
        add_digest(&all, artifacts[i].digest);
    }
    rv_digest digest = rv_sha256(rv_buf_str(&all));
    rv_buf_deinit(&all);
    return digest;
}

/* ---- what has changed ---- */

typedef struct made_item { rv_made_of_kind kind; rv_str id /* kind and name */, name; uint64_t hash; } made_item;
typedef RV_VEC(made_item) made_items;

static bool read_items(rv_str text, made_items *out)
{
    const char *at = text.at, *end = text.at + text.size;
    if (text.size == 0 || *at++ != RV_MADE_OF_VERSION) return false;
    while (at < end) {
        made_item item = {.kind = (rv_made_of_kind)(uint8_t)*at};
        uint64_t size;
        const char *begin = at++;
        if (item.kind >= RV_MADE_OF_COUNT || !rv_varint_read(&at, end, &size)) return false;
        if (size > (uint64_t)(end - at) || (uint64_t)(end - at) - size < sizeof item.hash) return false;
        item.name = (rv_str){at, (size_t)size};
        item.id = (rv_str){begin, (size_t)(at - begin) + (size_t)size};
        at += size;
        memcpy(&item.hash, at, sizeof item.hash);
        at += sizeof item.hash;
        rv_vec_push(out, item);
    }
    return true;
}

static void compare_items(const made_items *before, const made_items *now, rv_differences *ret_add)
{
    rv_map places = {0};
    for (uint32_t i = 0; i < before->count; i++) rv_map_add(&places, before->at[i].id, i);
    for (uint32_t i = 0; i < now->count; i++) {
        const made_item *item = &now->at[i];
        uint32_t place = rv_map_get(&places, item->id);
        if (place != RV_NONE && before->at[place].hash == item->hash) continue;
        rv_vec_push(ret_add, ((rv_difference){item->kind, place == RV_NONE ? RV_MADE_OF_ADDED : RV_MADE_OF_CHANGED, item->name}));
    }
    rv_map_deinit(&places);
    for (uint32_t i = 0; i < now->count; i++) rv_map_add(&places, now->at[i].id, i);
    for (uint32_t i = 0; i < before->count; i++)
        if (rv_map_get(&places, before->at[i].id) == RV_NONE)
            rv_vec_push(ret_add, ((rv_difference){before->at[i].kind, RV_MADE_OF_REMOVED, before->at[i].name}));
    rv_map_deinit(&places);
}

bool rv_made_of_compare(rv_str before, rv_str now, rv_differences *ret_add)
{
    made_items old = {0}, new = {0};
    bool is_good = read_items(before, &old) && read_items(now, &new);
    if (is_good) compare_items(&old, &new, ret_add);
    rv_vec_deinit(&old);
    rv_vec_deinit(&new);
    return is_good;
}

const char *rv_made_of_name(rv_made_of_kind kind)
{
#define X(name_, text_) text_,
    static const char *const names[] = {RV_MADE_OF_MAP(X)};
#undef X
    RV_ASSERT(kind < RV_COUNT(names));
    return names[kind];
}
