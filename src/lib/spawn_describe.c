#include "lib/spawn_describe.h"

/* What the workflow says of a node beyond its command. */
static const char *const more_keys[] = {
    "cache", "capabilities", "criteria", "delivery", "env_host", "inherit", "inputs", "isolation", "lane", "max_turns",
    "metadata", "model", "on_unknown", "outputs", "prompt", "role", "system_prompt", "tags", "trust",
};

static const char *json_of(rv_arena *arena, const rv_json *value)
{
    rv_buf out = {0};
    if (!value) return NULL;
    rv_json_write(&out, value, false);
    const char *text = rv_arena_cstring(arena, rv_buf_str(&out));
    rv_buf_deinit(&out);
    return text;
}

static const char *more_of(rv_arena *arena, const rv_json *body)
{
    rv_buf out = {0};
    rv_json_writer w;
    uint32_t count = 0;
    rv_json_writer_init(&w, &out, 0);
    rv_jw_object(&w);
    for (size_t i = 0; i < RV_COUNT(more_keys); i++) {
        const char *text = json_of(arena, rv_json_get(body, rv_str_of(more_keys[i])));
        if (!text) continue;
        rv_jw_key(&w, more_keys[i]);
        rv_jw_raw(&w, rv_str_of(text));
        count++;
    }
    rv_jw_object_end(&w);
    const char *more = count ? rv_arena_cstring(arena, rv_buf_str(&out)) : NULL;
    rv_buf_deinit(&out);
    return more;
}

static const char *id_of(const rv_run *run, uint32_t node, rv_arena *arena)
{
    return rv_arena_cstring(arena, rv_run_id_in(run, node, arena));
}

static const char *const *inputs_of(const rv_run *run, uint32_t node, rv_arena *arena)
{
    const rv_graph *graph = rv_run_graph(run, node);
    uint32_t begin = graph->pred_begin[run->nodes[node].def], count = graph->pred_begin[run->nodes[node].def + 1] - begin;
    const char **names = rv_arena_new(arena, const char *, count + 1);
    for (uint32_t i = 0; i < count; i++)
        names[i] = id_of(run, rv_run_at(run, run->nodes[node].place, RV_EDGE_NODE(graph->pred[begin + i])), arena);
    return names;
}

void rv_spawn_describe(rv_run *run, uint32_t node, uint32_t number, const rv_json *body, rv_arena *arena, reeve_spawn *ret)
{
    const rv_node_def *def = rv_run_def(run, node);
    const rv_policy *policy = rv_run_policy(run, node);
    rv_str feedback = number > 1 ? rv_run_error(run, node) : (rv_str){NULL, 0};
    *ret = (reeve_spawn){.node = id_of(run, node, arena), .kind = rv_kind_name((rv_kind)def->kind), .number = number,
                         .timeout_ms = policy->timeout_ms, .deadline_ms = RV_MAX(run->nodes[node].total_due_ms, 0),
                         .is_at_most_once = policy->delivery == RV_DELIVERY_AT_MOST_ONCE, .leaves = (def->flags & RV_NODE_F_LEAVE) != 0,
                         .inputs = inputs_of(run, node, arena), .output_schema = json_of(arena, rv_json_get(body, RV_STR("output_schema"))),
                         .feedback = feedback.size ? rv_arena_cstring(arena, feedback) : NULL, .more = more_of(arena, body)};
}
