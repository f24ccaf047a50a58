#include "lib/pinned.h"

#include "base/json.h"

static rv_str text_of(rv_arena *arena, const rv_json *value)
{
    rv_buf text = {0};
    if (value->kind == RV_JSON_STRING) return value->text;
    rv_json_write(&text, value, false);
    rv_str copy = rv_arena_str(arena, rv_buf_str(&text));
    rv_buf_deinit(&text);
    return copy;
}

static rv_status parse_stored(rv_arena *arena, rv_str stored, rv_json **ret, rv_error *err)
{
    return rv_json_parse(arena, stored.size ? stored : RV_STR("{}"), ret, err);
}

static const rv_param_value *find(const rv_pinned *pinned, rv_str name)
{
    for (uint32_t i = 0; i < pinned->var_count; i++)
        if (rv_str_eq(pinned->vars[i].name, name)) return &pinned->vars[i];
    return NULL;
}

/* Recorded values, and secrets as they are given again. */
static rv_status take_vars(const rv_pinned *pinned, const rv_run_row *row, rv_arena *arena, rv_spec_input *input, rv_error *err)
{
    rv_json *params = NULL, *secrets = NULL;
    rv_status status = parse_stored(arena, row->params, &params, err);
    if (status == RV_OK) status = parse_stored(arena, row->secrets, &secrets, err);
    if (status != RV_OK) return status;
    rv_param_value *vars = rv_arena_new(arena, rv_param_value, params->count + secrets->count + 1);
    for (const rv_json *param = params->child; param; param = param->next)
        if (param->kind != RV_JSON_NULL) vars[input->var_count++] = (rv_param_value){param->key, text_of(arena, param)};
    for (const rv_json *secret = secrets->child; secret; secret = secret->next) {
        const rv_param_value *given = find(pinned, secret->key);
        if (!given) return rv_error_set(err, RV_INVALID, "the secret param %.*s is never stored; give it again", RV_FMT(secret->key));
        vars[input->var_count++] = *given;
    }
    input->vars = vars;
    return RV_OK;
}

/* What was recorded wins over what is there now: values of load time are the run's for good [W12]. */
static rv_status take_environ(const rv_pinned *pinned, const rv_run_row *row, rv_arena *arena, rv_spec_input *input, rv_error *err)
{
    rv_json *recorded = NULL;
    uint32_t count = 0, at = 0;
    rv_status status = parse_stored(arena, row->env, &recorded, err);
    if (status != RV_OK) return status;
    while (pinned->environ[count]) count++;
    const char **list = rv_arena_new(arena, const char *, recorded->count + count + 1);
    for (const rv_json *item = recorded->child; item; item = item->next) {
        rv_str value = text_of(arena, item);
        list[at++] = rv_arena_printf(arena, "%.*s=%.*s", RV_FMT(item->key), RV_FMT(value)).at;
    }
    for (uint32_t i = 0; i < count; i++) list[at++] = pinned->environ[i];
    input->environ = list;
    return RV_OK;
}

rv_status rv_pinned_load(const rv_pinned *pinned, rv_store *store, const rv_run_row *row, rv_arena *arena, rv_spec **ret, rv_error *err)
{
    rv_workflow_row workflow;
    rv_problems problems = {0};
    rv_spec_input input = {.file = "the run's definition", .dir = rv_arena_cstring(arena, row->dir), .is_json = true,
                           .reducers = pinned->reducers};
    rv_status status = rv_store_workflow(store, arena, row->workflow_hash, &workflow, err);
    if (status == RV_OK) status = take_vars(pinned, row, arena, &input, err);
    if (status == RV_OK) status = take_environ(pinned, row, arena, &input, err);
    if (status != RV_OK) return status;
    input.source = workflow.body;
    status = rv_spec_load(&input, ret, &problems);
    if (status != RV_OK) {
        rv_str what = problems.list.count ? problems.list.at[0].what : RV_STR("it does not load");
        rv_error_set(err, status, "the definition of run %.*s: %.*s", RV_FMT(row->id), RV_FMT(what));
    }
    rv_problems_deinit(&problems);
    return status;
}
