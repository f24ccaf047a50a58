#include "engine/forecast.h"

#include "engine/cache_private.h"

typedef struct gave { rv_digest outcome; rv_cache_found found; bool is_known; } gave;

struct rv_forecast {
    rv_forecast_config config;
    rv_run *run;
    rv_out out;
    rv_buf load_value;
    rv_values values;
    rv_mask *mask;
    rv_cache_subject subject;
    rv_arena arena;
    RV_VEC(rv_forecast_node) nodes; /* by node of the run: they grow with it */
    RV_VEC(gave) gave;              /* likewise */
    RV_VEC(bool) is_seen;           /* likewise: it was ready, and was looked at */
    RV_VEC(uint32_t) work;          /* nodes that have changed, to be looked at */
};

/* ---- what keys ask for ---- */

static bool give_outcome(void *user, uint32_t node, rv_digest *ret)
{
    rv_forecast *f = user;
    const rv_node_run *state = &f->run->nodes[node];
    rv_digest none = rv_sha256(RV_STR(""));
    if (f->gave.at[node].is_known) *ret = f->gave.at[node].outcome;
    if (f->gave.at[node].is_known) return true;
    rv_str word = rv_str_of(rv_node_state_name((rv_node_state)state->state));
    *ret = rv_cache_outcome(word, none, none, rv_run_result(f->run, node), NULL, 0);
    return true;
}

static bool give_artifact_digest(void *user, uint32_t node, rv_str name, rv_digest *ret)
{
    const rv_cache_found *found = &((rv_forecast *)user)->gave.at[node].found;
    for (uint32_t i = 0; i < found->artifact_count; i++)
        if (rv_str_eq(found->artifacts[i].name, name)) return *ret = found->artifacts[i].digest, true;
    return false;
}

static rv_status give_output(void *user, uint32_t node, int stream, rv_buf *out, rv_error *err)
{
    const gave *given = &((rv_forecast *)user)->gave.at[node];
    if (stream != 1) return rv_error_set(err, RV_NOT_FOUND, "what it would write to stderr is not looked at");
    if (given->is_known) rv_buf_str_add(out, given->found.output);
    return RV_OK;
}

static bool give_artifact(void *user, uint32_t node, rv_str name, rv_buf *out) { return false; } /* keys ask by digest */

/* ---- stepping ---- */

static void step(rv_forecast *f, const rv_event *event)
{
    f->out.leaves_out_journal = true;
    rv_status status = rv_run_reserve(f->run, &f->out, event);
    if (status == RV_OK) (void)rv_run_step(f->run, event, (rv_now){f->config.now_ms, f->config.now_ms}, &f->out);
    for (uint32_t i = 0; i < f->out.changed.count; i++) rv_vec_push(&f->work, f->out.changed.at[i]);
    rv_out_clear(&f->out);
    while (f->nodes.count < f->run->node_count) {
        rv_vec_push(&f->nodes, ((rv_forecast_node){.word = RV_FORECAST_RUN, .because = RV_NONE}));
        rv_vec_push(&f->is_seen, false);
        (void)rv_vec_add(&f->gave);
    }
}

/* A node is ready: would it be a hit? */
static void look(rv_forecast *f, uint32_t node)
{
    rv_digest key;
    rv_error error = {0};
    rv_cache_found found;
    f->is_seen.at[node] = true;
    f->nodes.at[node].is_cached = rv_run_def(f->run, node)->flags & RV_NODE_F_CACHED;
    if (!f->nodes.at[node].is_cached) return;
    if (rv_cache_key(f->config.cache, &f->subject, node, &key, NULL, &error) != RV_OK) {
        f->nodes.at[node].reason = RV_CACHE_NO_KEY;
        f->nodes.at[node].text = rv_arena_str(&f->arena, rv_str_of(error.text));
        return;
    }
    f->nodes.at[node].reason = rv_cache_find(f->config.cache, key, &f->arena, &found);
    if (f->nodes.at[node].reason != RV_CACHE_HIT) return;
    f->nodes.at[node].word = RV_FORECAST_HIT;
    f->nodes.at[node].saved_ms = found.duration_ms;
    for (uint32_t i = 0; i < found.file_count; i++) rv_tree_assume(f->subject.tree, &found.files[i]); /* it would be put back */
    f->gave.at[node] = (gave){found.outcome, found, true};
    char text[RV_DIGEST_TEXT_SIZE + 1];
    rv_digest_text(key, text);
    bool is_read = rv_run_def(f->run, node)->flags & RV_NODE_F_EXPR_OUTPUT;
    step(f, &(rv_event){.type = RV_EVENT_CACHED, .node = node, .exit_status = found.exit_status, .key = rv_str_of(text),
                        .value = found.result, .output = is_read ? found.output : (rv_str){NULL, 0}});
}

static void play(rv_forecast *f)
{
    for (uint32_t i = 0; i < f->work.count; i++) { /* it grows while it is worked through */
        uint32_t node = f->work.at[i];
        if (f->run->nodes[node].state == RV_NODE_READY && !f->is_seen.at[node]) look(f, node);
    }
}

/* ---- judging what is left ---- */

/* Of a node that has not begun: the first that it waits for. */
static uint32_t waits_for(const rv_forecast *f, uint32_t node)
{
    const rv_graph *graph = rv_run_graph(f->run, node);
    uint32_t def = f->run->nodes[node].def, place = f->run->nodes[node].place;
    for (uint32_t e = graph->pred_begin[def]; e < graph->pred_begin[def + 1]; e++) {
        uint32_t pred = rv_run_pred(f->run, place, graph->pred[e]);
        if (!rv_node_state_is_terminal((rv_node_state)f->run->nodes[pred].state)) return pred;
    }
    return RV_NONE;
}

/* Which node that runs it waits for in the end; each node on the way is told, so that all of them cost one walk. */
static void trace(rv_forecast *f, uint32_t from)
{
    RV_VEC(uint32_t) way = {0};
    uint32_t node = from;
    while (node != RV_NONE && f->nodes.at[node].word == RV_FORECAST_AFTER && f->nodes.at[node].because == RV_NONE) {
        rv_vec_push(&way, node);
        node = waits_for(f, node);
    }
    if (node != RV_NONE && f->nodes.at[node].word == RV_FORECAST_AFTER) node = f->nodes.at[node].because;
    for (uint32_t i = 0; i < way.count; i++) f->nodes.at[way.at[i]].because = node;
    rv_vec_deinit(&way);
}

static void judge(rv_forecast *f)
{
    const rv_graph *graph = f->run->graph;
    for (uint32_t node = 0; node < graph->plain_count; node++) {
        rv_node_state state = (rv_node_state)f->run->nodes[node].state;
        if (state == RV_NODE_SKIPPED) f->nodes.at[node].word = RV_FORECAST_SKIP;
        if (state == RV_NODE_PENDING) f->nodes.at[node].word = RV_FORECAST_AFTER;
        if (state == RV_NODE_PENDING) f->nodes.at[node].is_cached = graph->nodes[node].flags & RV_NODE_F_CACHED;
    }
    for (uint32_t node = 0; node < graph->plain_count; node++) trace(f, node);
}

/* ---- life ---- */

static void make_load_value(rv_forecast *f)
{
    const rv_spec *spec = f->config.spec;
    rv_buf_cstring(&f->load_value, "{\"user\":");
    rv_buf_str_add(&f->load_value, spec->user.size ? rv_buf_str(&spec->user) : RV_STR("{}"));
    rv_buf_cstring(&f->load_value, ",\"env\":");
    rv_buf_str_add(&f->load_value, spec->env.size ? rv_buf_str(&spec->env) : RV_STR("{}"));
    rv_buf_byte(&f->load_value, '}');
}

static void make_mask(rv_forecast *f)
{
    uint32_t count = f->config.spec->secrets.count;
    rv_str *secrets = rv_arena_new(&f->arena, rv_str, count + 1);
    for (uint32_t i = 0; i < count; i++) secrets[i] = f->config.spec->secrets.at[i].value;
    if (count) f->mask = rv_mask_new(secrets, count);
}

rv_status rv_forecast_make(const rv_forecast_config *config, rv_forecast **ret, rv_error *err)
{
    rv_forecast *f = rv_alloc(sizeof *f);
    *f = (rv_forecast){.config = *config, .run = rv_run_new(&config->spec->graph)};
    make_load_value(f);
    make_mask(f);
    f->values = (rv_values){.run = f->run, .spec = config->spec, .load_value = &f->load_value, .run_id = "forecast", .output = give_output,
                            .artifact = give_artifact, .user = f};
    f->subject = (rv_cache_subject){.values = &f->values, .mask = f->mask, .outcome = give_outcome,
                                      .artifact = give_artifact_digest, .user = f};
    rv_status status = rv_cache_tree(config->cache, config->dir, &f->subject.tree, err);
    if (status != RV_OK) {
        rv_forecast_free(f);
        return status;
    }
    step(f, &(rv_event){.type = RV_EVENT_LOAD, .key = RV_STR("forecast"), .value = rv_buf_str(&f->load_value), .seed = 1});
    play(f);
    judge(f);
    *ret = f;
    return RV_OK;
}

void rv_forecast_free(rv_forecast *forecast)
{
    if (!forecast) return;
    rv_tree_close(forecast->subject.tree);
    rv_run_free(forecast->run);
    rv_out_deinit(&forecast->out);
    rv_buf_deinit(&forecast->load_value);
    rv_mask_free(forecast->mask);
    rv_vec_deinit(&forecast->nodes);
    rv_vec_deinit(&forecast->gave);
    rv_vec_deinit(&forecast->is_seen);
    rv_vec_deinit(&forecast->work);
    rv_arena_deinit(&forecast->arena);
    rv_free(forecast);
}

const rv_forecast_node *rv_forecast_of(const rv_forecast *forecast, uint32_t node)
{
    RV_ASSERT(node < forecast->nodes.count);
    return &forecast->nodes.at[node];
}

rv_status rv_forecast_parts(rv_forecast *forecast, uint32_t node, rv_arena *arena, rv_differences *ret_add, rv_error *err)
{
    static const char nothing[] = {RV_MADE_OF_VERSION};
    rv_digest key;
    rv_buf now = {0};
    rv_status status = rv_cache_key(forecast->config.cache, &forecast->subject, node, &key, NULL, err);
    if (status != RV_OK) return status;
    rv_cache_made_of(forecast->config.cache, &now);
    rv_str made_of = rv_arena_str(arena, rv_buf_str(&now));
    rv_buf_deinit(&now);
    bool is_good = rv_made_of_compare((rv_str){nothing, sizeof nothing}, made_of, ret_add);
    RV_ASSERT(is_good);
    return RV_OK;
}

rv_status rv_forecast_changes(rv_forecast *forecast, uint32_t node, rv_arena *arena, rv_differences *ret_add, rv_error *err)
{
    rv_digest key;
    rv_buf now = {0};
    rv_cache_row last;
    const char *file = forecast->config.file;
    rv_status status = rv_cache_key(forecast->config.cache, &forecast->subject, node, &key, NULL, err);
    if (status != RV_OK) return status;
    rv_cache_made_of(forecast->config.cache, &now);
    rv_str made_of = rv_arena_str(arena, rv_buf_str(&now)), id = rv_run_id_in(forecast->run, node, arena);
    rv_buf_deinit(&now);
    uint64_t owner = rv_cache_owner(file[0] ? rv_str_of(file) : rv_graph_str(forecast->run->graph, forecast->run->graph->name), id);
    status = rv_cache_last(forecast->config.cache, arena, owner, &last, err);
    if (status != RV_OK) return status;
    if (!rv_made_of_compare(last.made_of, made_of, ret_add))
        return rv_error_set(err, RV_CORRUPT, "the last entry of %.*s does not tell what it was made of", RV_FMT(id));
    return RV_OK;
}
