#include "spec/submission.h"

typedef struct asker { rv_run *run; uint32_t submitter, own; /* index in submissions of what is given again; RV_NONE: it is new */ } asker;

static bool exists(void *user, rv_str id)
{
    const asker *a = user;
    uint32_t node = rv_run_find_for(a->run, a->submitter, id);
    if (node == RV_NONE || a->own == RV_NONE) return node != RV_NONE;
    return rv_run_home(a->run, a->run->nodes[node].place) != a->run->submissions.at[a->own].place;
}

/* The run's params, as its normal form has them. */
static rv_str params_of(rv_compiler *c)
{
    rv_arena arena = {0};
    rv_json *tree = NULL;
    rv_buf text = {0};
    if (c->has_params) return c->params;
    c->has_params = true;
    bool is_parsed = rv_json_parse(&arena, c->graph->definition, &tree, NULL) == RV_OK;
    const rv_json *params = is_parsed ? rv_json_get(tree, RV_STR("params")) : NULL;
    if (params) rv_json_write(&text, params, true);
    if (text.size) c->params = rv_arena_str(&c->arena, rv_buf_str(&text));
    rv_buf_deinit(&text);
    rv_arena_deinit(&arena);
    return c->params;
}

static rv_status load(rv_compiler *c, asker *a, rv_spec_input *input, const rv_spec **ret, rv_problems *problems)
{
    rv_spec *spec = NULL;
    input->dir = c->dir ? c->dir : "/dev/null";
    input->environ = c->environ;
    input->reducers = c->reducers;
    input->exists = exists;
    input->exists_user = a;
    input->params = params_of(c);
    rv_status status = rv_spec_load(input, &spec, problems);
    if (status != RV_OK) return status;
    rv_vec_push(&c->specs, spec);
    *ret = spec;
    return RV_OK;
}

rv_status rv_compiler_load(rv_compiler *compiler, rv_run *run, uint32_t submitter, rv_str key, rv_str source, const char *file,
                           bool is_json, const rv_spec **ret, rv_problems *problems)
{
    asker a = {run, submitter, rv_run_submission(run, submitter, key)};
    rv_spec_input input = {.source = source, .file = file, .is_json = is_json, .has_any_reducer = compiler->has_any_reducer};
    return load(compiler, &a, &input, ret, problems);
}

void rv_compiler_drop(rv_compiler *compiler, const rv_spec *spec)
{
    for (uint32_t i = compiler->specs.count; i-- > 0;) {
        if (compiler->specs.at[i] != spec) continue;
        rv_spec_free(compiler->specs.at[i]);
        compiler->specs.at[i] = compiler->specs.at[--compiler->specs.count];
        return;
    }
}

static const rv_graph *compile(void *user, rv_run *run, uint32_t submitter, rv_str definition)
{
    rv_problems problems = {0};
    const rv_spec *spec = NULL;
    asker a = {run, submitter, RV_NONE};
    rv_spec_input input = {.source = definition, .file = "a submission", .is_json = true, .skip_values = true, .has_any_reducer = true};
    rv_status status = load(user, &a, &input, &spec, &problems);
    rv_problems_deinit(&problems);
    return status == RV_OK ? &spec->graph : NULL;
}

void rv_compiler_serve(rv_compiler *compiler, rv_run *run)
{
    run->compile = compile;
    run->compile_user = compiler;
}

void rv_compiler_deinit(rv_compiler *compiler)
{
    for (uint32_t i = 0; i < compiler->specs.count; i++) rv_spec_free(compiler->specs.at[i]);
    rv_vec_deinit(&compiler->specs);
    rv_arena_deinit(&compiler->arena);
}
