#include "engine/describe.h"

/* Reducers over what dependencies gave [K14]: text reducers take stdout, value reducers take results. No process, no
 * slot; the kernel does not hold bytes, so the engine performs them. */

typedef struct reduce {
    const rv_value_scope *scope;
    rv_run *run;
    const rv_json *of;    /* array of node names */
    rv_arena arena;
    rv_error error;
} reduce;

typedef rv_status reducer_fn(reduce *r, rv_json_writer *w);

/* The node of that name where the reduction stands; the loader saw to it that there is one. */
static uint32_t node_named(const reduce *r, rv_str name)
{
    uint32_t node = rv_run_see(r->run, r->scope->node, &name);
    RV_ASSERT(node != RV_NONE);
    return node;
}

static rv_status text_of(reduce *r, rv_str name, rv_buf *out)
{
    rv_value_scope scope = *r->scope;
    rv_buf path = {0};
    rv_buf_printf(&path, "%.*s.stdout", RV_FMT(name));
    rv_value_kind kind = rv_value_resolve(&scope, rv_buf_str(&path), out, &r->error);
    rv_buf_deinit(&path);
    return kind == RV_VALUE_MISSING
               ? (r->error.status ? r->error.status : rv_error_set(&r->error, RV_INVALID, "%.*s gave no output", RV_FMT(name)))
               : RV_OK;
}

/* A node's value: its result, else its stdout as a string. */
static rv_status value_of(reduce *r, rv_str name, rv_json **ret)
{
    uint32_t node = node_named(r, name);
    rv_str result = rv_run_result(r->run, node);
    if (result.size) return rv_json_parse(&r->arena, result, ret, &r->error);
    rv_buf text = {0}, quoted = {0};
    rv_status status = text_of(r, name, &text);
    if (status == RV_OK) {
        rv_json_quote(&quoted, rv_buf_str(&text));
        status = rv_json_parse(&r->arena, rv_arena_str(&r->arena, rv_buf_str(&quoted)), ret, &r->error);
    }
    rv_buf_deinit(&text);
    rv_buf_deinit(&quoted);
    return status;
}

static bool has_succeeded(const reduce *r, rv_str name)
{
    uint32_t node = node_named(r, name);
    return r->run->nodes[node].state == RV_NODE_SUCCEEDED || r->run->nodes[node].state == RV_NODE_PARTIAL;
}

#define EACH_INPUT(r_, item_) for (const rv_json *item_ = (r_)->of->child; item_; item_ = item_->next) if (has_succeeded((r_), item_->text))

/* What is over the limit already is not read on: a reduction is done on the engine's own thread. */
static rv_status check_size(reduce *r, size_t size)
{
    return size <= RV_RESULT_SIZE_MAX ? RV_OK : rv_error_set(&r->error, RV_LIMIT, "the reduced value is over 1 MiB");
}

static rv_status reduce_concat(reduce *r, rv_json_writer *w)
{
    rv_buf all = {0}, one = {0}; /* each by itself: an output has a limit of its own */
    rv_status status = RV_OK;
    EACH_INPUT(r, item) {
        if (status != RV_OK) break;
        if (all.size) rv_buf_byte(&all, '\n');
        rv_buf_clear(&one);
        status = text_of(r, item->text, &one);
        rv_buf_str_add(&all, rv_buf_str(&one));
        if (status == RV_OK) status = check_size(r, all.size);
    }
    if (status == RV_OK) rv_jw_str(w, rv_buf_str(&all));
    rv_buf_deinit(&all);
    rv_buf_deinit(&one);
    return status;
}

static rv_status reduce_dedupe_lines(reduce *r, rv_json_writer *w)
{
    rv_map seen = {0};
    rv_buf all = {0};
    rv_status status = RV_OK;
    rv_jw_array(w);
    EACH_INPUT(r, item) {
        if (status != RV_OK) break;
        rv_buf_clear(&all);
        status = text_of(r, item->text, &all);
        rv_str rest = rv_arena_str(&r->arena, rv_buf_str(&all));
        while (status == RV_OK && rest.size) {
            size_t end = rv_str_find(rest, 0, '\n');
            rv_str line = end == SIZE_MAX ? rest : rv_str_cut(rest, 0, end);
            if (line.size && rv_map_add(&seen, line, 0) == RV_NONE) rv_jw_str(w, line);
            rest = end == SIZE_MAX ? (rv_str){NULL, 0} : rv_str_from(rest, end + 1);
        }
        if (status == RV_OK) status = check_size(r, w->out->size);
    }
    rv_jw_array_end(w);
    rv_map_deinit(&seen);
    rv_buf_deinit(&all);
    return status;
}

static rv_status reduce_merge_json_arrays(reduce *r, rv_json_writer *w)
{
    rv_status status = RV_OK;
    rv_jw_array(w);
    EACH_INPUT(r, item) {
        rv_json *value = NULL;
        if (status != RV_OK) break;
        status = value_of(r, item->text, &value);
        if (status == RV_OK && value->kind == RV_JSON_STRING) {
            status = rv_json_parse(&r->arena, rv_arena_str(&r->arena, value->text), &value, &r->error);
            if (status != RV_OK) rv_error_context(&r->error, "%.*s gave no JSON", RV_FMT(item->text));
        }
        if (status == RV_OK && value->kind != RV_JSON_ARRAY)
            status = rv_error_set(&r->error, RV_INVALID, "%.*s gave no JSON array", RV_FMT(item->text));
        for (const rv_json *child = status == RV_OK ? value->child : NULL; child; child = child->next) {
            rv_buf text = {0};
            rv_json_write(&text, child, false);
            rv_jw_raw(w, rv_buf_str(&text));
            rv_buf_deinit(&text);
        }
        if (status == RV_OK) status = check_size(r, w->out->size);
    }
    rv_jw_array_end(w);
    return status;
}

static rv_status reduce_count(reduce *r, rv_json_writer *w)
{
    int64_t count = 0;
    EACH_INPUT(r, item) count++;
    rv_jw_i64(w, count);
    return RV_OK;
}

static void write_value(rv_json_writer *w, const rv_json *value)
{
    rv_buf text = {0};
    rv_json_write(&text, value, false);
    rv_jw_raw(w, rv_buf_str(&text));
    rv_buf_deinit(&text);
}

static rv_status reduce_first(reduce *r, rv_json_writer *w)
{
    EACH_INPUT(r, item) {
        rv_json *value = NULL;
        rv_status status = value_of(r, item->text, &value);
        if (status == RV_OK) write_value(w, value);
        return status;
    }
    rv_jw_null(w);
    return RV_OK;
}

typedef struct vote { const rv_json *value; uint32_t count; } vote;

/* The value that most inputs gave; among equals the one that came first. Equal values have one canonical text, which is
 * looked up: linear in what the inputs gave. */
static rv_status reduce_majority(reduce *r, rv_json_writer *w)
{
    rv_map seen = {0}; /* canonical text → index in votes */
    vote *votes = rv_arena_new(&r->arena, vote, r->of->count + 1);
    rv_buf text = {0};
    uint32_t best = 0, count = 0;
    rv_status status = RV_OK;
    EACH_INPUT(r, item) {
        rv_json *value = NULL;
        status = value_of(r, item->text, &value);
        if (status != RV_OK) break;
        rv_buf_clear(&text);
        rv_json_write(&text, value, true);
        uint32_t at = rv_map_get(&seen, rv_buf_str(&text));
        if (at == RV_NONE) {
            at = count++;
            votes[at].value = value;
            (void)rv_map_add(&seen, rv_arena_str(&r->arena, rv_buf_str(&text)), at);
        }
        votes[at].count++;
    }
    for (uint32_t i = 1; i < count; i++)
        if (votes[i].count > votes[best].count) best = i;
    if (status == RV_OK && count) write_value(w, votes[best].value);
    else if (status == RV_OK) rv_jw_null(w);
    rv_map_deinit(&seen);
    rv_buf_deinit(&text);
    return status;
}

static const struct { const char *name; reducer_fn *fn; } reducers[] = {
    {"concat", reduce_concat}, {"count", reduce_count}, {"dedupe_lines", reduce_dedupe_lines}, {"first", reduce_first},
    {"majority", reduce_majority}, {"merge_json_arrays", reduce_merge_json_arrays},
};

static reducer_fn *find_reducer(rv_str name)
{
    for (size_t i = 0; i < RV_COUNT(reducers); i++)
        if (rv_str_is(name, reducers[i].name)) return reducers[i].fn;
    return NULL;
}

bool rv_reducer_is_own(rv_str name) { return find_reducer(name) != NULL; }

rv_status rv_reduce(const rv_value_scope *scope, const rv_json *body, rv_buf *out, rv_error *err)
{
    rv_json_writer w;
    const rv_json *spec = rv_json_get(body, RV_STR("reduce"));
    reduce r = {.scope = scope, .run = scope->values->run, .of = rv_json_get(spec, RV_STR("of"))};
    reducer_fn *fn = find_reducer(rv_json_get(spec, RV_STR("reducer"))->text);
    rv_json_writer_init(&w, out, 0);
    rv_jw_object(&w);
    rv_jw_key(&w, "value");
    rv_status status = fn ? fn(&r, &w)
                          : rv_error_set(&r.error, RV_NOT_FOUND, "no reducer %.*s", RV_FMT(rv_json_get(spec, RV_STR("reducer"))->text));
    if (status == RV_OK) rv_jw_object_end(&w);
    if (status == RV_OK) status = check_size(&r, out->size);
    if (status != RV_OK) *err = r.error;
    rv_arena_deinit(&r.arena);
    return status;
}

rv_status rv_reduce_inputs(const rv_value_scope *scope, const rv_json *body, rv_buf *out, rv_error *err)
{
    rv_json_writer w;
    rv_status status = RV_OK;
    reduce r = {.scope = scope, .run = scope->values->run, .of = rv_json_get(rv_json_get(body, RV_STR("reduce")), RV_STR("of"))};
    rv_json_writer_init(&w, out, 0);
    rv_jw_array(&w);
    EACH_INPUT(&r, item) {
        rv_json *value = NULL;
        if (status == RV_OK) status = value_of(&r, item->text, &value);
        if (status != RV_OK) break;
        rv_jw_object(&w);
        rv_jw_kv_str(&w, "node", item->text);
        rv_jw_kv_cstring(&w, "state", rv_node_state_name((rv_node_state)r.run->nodes[node_named(&r, item->text)].state));
        rv_jw_key(&w, "value");
        write_value(&w, value);
        rv_jw_object_end(&w);
    }
    rv_jw_array_end(&w);
    if (status != RV_OK) *err = r.error;
    rv_arena_deinit(&r.arena);
    return status;
}
