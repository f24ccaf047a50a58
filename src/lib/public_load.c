#include "lib/public.h"

/* What the calls of reeve.h have in common: errors and workflows. */

reeve_status rv_public_give(const rv_error *from, reeve_error *error)
{
    if (error) {
        error->status = (reeve_status)from->status;
        snprintf(error->text, sizeof error->text, "%s", from->text);
    }
    return (reeve_status)from->status;
}

static char *problems_text(const rv_problems *problems, rv_str source)
{
    rv_buf out = {0};
    rv_problems_text(&out, problems, source, false, false);
    return out.at; /* NULL when there are none */
}

rv_status rv_public_load(const reeve_workflow *workflow, const char *directory, const char *const *environ,
                         const char *const *reducers, rv_spec **ret, char **ret_problems, rv_error *err)
{
    rv_problems problems = {0};
    rv_param_value *vars = rv_alloc(sizeof *vars * (workflow->var_count + 1));
    const char *name = workflow->name ? workflow->name : "workflow";
    for (size_t i = 0; i < workflow->var_count; i++)
        vars[i] = (rv_param_value){rv_str_of(workflow->vars[i].name), rv_str_of(workflow->vars[i].value)};
    rv_str source = {workflow->text, workflow->text_size ? workflow->text_size : strlen(workflow->text)};
    rv_spec_input input = {.source = source, .file = name, .dir = directory, .is_json = rv_str_ends(rv_str_of(name), RV_STR(".json")),
                           .vars = vars, .var_count = (uint32_t)workflow->var_count, .environ = environ,
                           .reducers = reducers};
    rv_status status = rv_spec_load(&input, ret, &problems);
    const char *plural = problems.error_count == 1 ? "" : "s";
    if (status != RV_OK) rv_error_set(err, RV_INVALID, "%s: %u problem%s", name, problems.error_count, plural);
    if (ret_problems) *ret_problems = problems_text(&problems, source);
    rv_problems_deinit(&problems);
    rv_free(vars);
    return status == RV_OK ? RV_OK : RV_INVALID;
}
