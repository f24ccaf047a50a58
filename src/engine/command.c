#include "engine/describe.h"

/* A node's body as a command: argv, environment, directory, with every value filled in. */

void rv_command_deinit(rv_command *command)
{
    rv_vec_deinit(&command->argv);
    rv_vec_deinit(&command->env);
}

/* In the arena; NULL when *status is, or becomes, a failure. */
static const char *rendered(const rv_value_scope *scope, rv_str text, bool null_is_error, rv_arena *arena, rv_status *status, rv_error *err)
{
    if (*status != RV_OK) return NULL;
    if (rv_str_find(text, 0, '$') == SIZE_MAX && rv_str_find(text, 0, 0) == SIZE_MAX) return rv_arena_cstring(arena, text);
    rv_buf value = {0};
    *status = rv_value_render(scope, text, null_is_error, &value, err);
    if (*status == RV_OK && rv_str_find(rv_buf_str(&value), 0, 0) != SIZE_MAX)
        *status = rv_error_set(err, RV_INVALID, "a value with a NUL byte cannot be an argument or a variable; pass it in a file");
    const char *copy = *status == RV_OK ? rv_arena_cstring(arena, rv_buf_str(&value)) : NULL;
    rv_buf_deinit(&value);
    return copy;
}

rv_status rv_command_make(const rv_value_scope *scope, const rv_json *body, rv_arena *arena, rv_command *ret, rv_error *err)
{
    rv_status status = RV_OK;
    const rv_json *run = rv_json_get(body, RV_STR("run")), *shell = rv_json_get(body, RV_STR("shell")),
                  *name = rv_json_get(body, RV_STR("shell_name")), *env = rv_json_get(body, RV_STR("env")),
                  *dir = rv_json_get(body, RV_STR("dir"));
    if (shell) {
        rv_vec_push(&ret->argv, name ? rv_arena_cstring(arena, name->text) : "sh");
        rv_vec_push(&ret->argv, "-c");
        rv_vec_push(&ret->argv, rv_arena_cstring(arena, shell->text)); /* verbatim [W11] */
    }
    for (const rv_json *element = run ? run->child : NULL; element && status == RV_OK; element = element->next)
        rv_vec_push(&ret->argv, rendered(scope, element->text, true, arena, &status, err));
    rv_vec_push(&ret->argv, NULL);
    for (const rv_json *item = env ? env->child : NULL; item && status == RV_OK; item = item->next) {
        const char *value = rendered(scope, item->text, false, arena, &status, err);
        if (status == RV_OK) rv_vec_push(&ret->env, rv_arena_printf(arena, "%.*s=%s", RV_FMT(item->key), value).at);
    }
    ret->dir = dir ? rendered(scope, dir->text, true, arena, &status, err) : NULL;
    return status;
}
