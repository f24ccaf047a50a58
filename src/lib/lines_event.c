#include "lib/lines_private.h"

/* The reading half: members of a line → reeve_event, workflow, row. One table says which member an event has and of what it is. */

enum member_kind { TEXT, BYTES, JSON, NUMBER_U32, NUMBER_I32, NUMBER_U64, NUMBER_I64, COUNT, MONEY, TRUTH, FLAG, ARTIFACTS };
enum { ONLY_COMPLETED = 1, ONLY_PEOPLE, ONLY_LOST, ONLY_CANCEL, ONLY_RESUME, ONLY_BUDGET, ONLY_USAGE, ONLY_SPEND };

/* field: the kernel's, which the event's type must have; else `only`: the types that have it. */
#define AT(member_) offsetof(reeve_event, member_)
static const struct event_member {
    const char *name;
    enum member_kind kind;
    uint32_t field, only;
    size_t at;           /* FLAG: the bit */
} members[] = {
    {"after_death", FLAG, 0, ONLY_RESUME, REEVE_RESUME_AFTER_DEATH},
    {"amount", NUMBER_I64, RV_F_AMOUNT, 0, AT(amount)},
    {"artifacts", ARTIFACTS, 0, ONLY_COMPLETED, 0},
    {"branch", TEXT, 0, ONLY_COMPLETED, AT(branch)},
    {"by", TEXT, 0, ONLY_PEOPLE, AT(by)},
    {"comment", TEXT, 0, ONLY_PEOPLE, AT(comment)},
    {"continue", TRUTH, 0, ONLY_COMPLETED, AT(goes_on)},
    {"cost_usd", MONEY, 0, ONLY_SPEND, AT(cost_usd)},
    {"detail", TEXT, RV_F_DETAIL, 0, AT(detail)},
    {"digest", TEXT, 0, ONLY_PEOPLE, AT(digest)},
    {"elsewhere", FLAG, 0, ONLY_BUDGET, REEVE_BUDGET_ELSEWHERE},
    {"epoch", NUMBER_U32, RV_F_EPOCH, 0, AT(epoch)},
    {"error_output", TEXT, 0, ONLY_COMPLETED, AT(error_output)},
    {"exit_status", NUMBER_I32, RV_F_EXIT_STATUS, 0, AT(exit_status)},
    {"final", FLAG, 0, ONLY_USAGE, REEVE_USAGE_FINAL},
    {"key", TEXT, RV_F_KEY, 0, AT(key)},
    {"never_started", FLAG, 0, ONLY_LOST, REEVE_LOST_NEVER_STARTED},
    {"node", TEXT, RV_F_NODE, 0, AT(node)},
    {"output", BYTES, RV_F_OUTPUT, 0, AT(output)},
    {"pid", NUMBER_U64, RV_F_PID, 0, AT(pid)},
    {"pid_start", NUMBER_U64, RV_F_PID_START, 0, AT(pid_start)},
    {"run", TEXT, RV_F_SEED, 0, AT(key)}, /* of a load: the only one with a seed */
    {"seed", NUMBER_U64, RV_F_SEED, 0, AT(seed)},
    {"set", FLAG, 0, ONLY_BUDGET, REEVE_BUDGET_SET},
    {"signal", NUMBER_I32, RV_F_SIGNAL, 0, AT(signal)},
    {"state", TEXT, RV_F_STATE, 0, AT(state)},
    {"stopped", FLAG, 0, ONLY_LOST, REEVE_LOST_STOPPED},
    {"termination", TEXT, 0, ONLY_COMPLETED, AT(termination)},
    {"text", TEXT, RV_F_TEXT, 0, AT(text)},
    {"tokens_cached", COUNT, 0, ONLY_SPEND, AT(tokens_cached)},
    {"tokens_in", COUNT, 0, ONLY_SPEND, AT(tokens_in)},
    {"tokens_out", COUNT, 0, ONLY_SPEND, AT(tokens_out)},
    {"turns", COUNT, 0, ONLY_COMPLETED, AT(turns)},
    {"undriven", FLAG, 0, ONLY_CANCEL, REEVE_CANCEL_UNDRIVEN},
    {"value", JSON, RV_F_VALUE, 0, AT(value)},
    {"was_started", FLAG, 0, ONLY_LOST, REEVE_LOST_WAS_STARTED},
    {"winner", TEXT, 0, ONLY_COMPLETED, AT(winner)},
};

const char *const rv_lines_load_members[] = {"dir", "env", "fail_fast", "name", "reducers", "slots", "vars", "workflow", NULL};

static bool is_one_of(rv_str name, const char *const *names)
{
    for (; *names; names++)
        if (rv_str_is(name, *names)) return true;
    return false;
}

rv_status rv_lines_members(const rv_json *object, const char *const *names, const char *what, rv_error *err)
{
    if (object->kind != RV_JSON_OBJECT) return rv_error_set(err, RV_INVALID, "`%s` is an object", what);
    for (const rv_json *item = object->child; item; item = item->next) {
        if (is_one_of(item->key, names)) continue;
        size_t count = 0;
        while (names[count]) count++;
        const char *nearest = rv_nearest(item->key, names, count);
        return rv_error_set(err, RV_INVALID, "`%s` has no member `%.*s`%s%s%s", what, RV_FMT(item->key), nearest ? "; did you mean `" : "",
                            nearest ? nearest : "", nearest ? "`?" : "");
    }
    return RV_OK;
}

static rv_status wants(const rv_json *item, const char *what, rv_error *err)
{
    return rv_error_set(err, RV_INVALID, "`%.*s` is %s", RV_FMT(item->key), what);
}

/* ---- one member ---- */

static const char *json_text(rv_arena *arena, const rv_json *value)
{
    rv_buf text = {0};
    rv_json_write(&text, value, false);
    const char *copy = rv_arena_cstring(arena, rv_buf_str(&text));
    rv_buf_deinit(&text);
    return copy;
}

static rv_status text_of(rv_arena *arena, const rv_json *item, const char **ret, rv_error *err)
{
    if (item->kind != RV_JSON_STRING) return wants(item, "a string", err);
    if (rv_str_find(item->text, 0, 0) != SIZE_MAX) return wants(item, "a string without NUL", err);
    *ret = rv_arena_cstring(arena, item->text);
    return RV_OK;
}

static rv_status number_of(const rv_json *item, int64_t least, int64_t most, int64_t *ret, rv_error *err)
{
    if (item->kind == RV_JSON_NUMBER && rv_json_i64(item, ret) && *ret >= least && *ret <= most) return RV_OK;
    return rv_error_set(err, RV_INVALID, "`%.*s` is a whole number from %lld to %lld", RV_FMT(item->key), (long long)least,
                        (long long)most);
}

static rv_status take_artifacts(rv_arena *arena, const rv_json *item, reeve_event *ret, rv_error *err)
{
    rv_status status = RV_OK;
    if (item->kind != RV_JSON_OBJECT) return wants(item, "an object: name and path", err);
    reeve_var *list = rv_arena_new(arena, reeve_var, item->count);
    for (const rv_json *path = item->child; path && status == RV_OK; path = path->next) {
        list[ret->artifact_count].name = rv_arena_cstring(arena, path->key);
        status = text_of(arena, path, &list[ret->artifact_count++].value, err);
    }
    ret->artifacts = list;
    return status;
}

static rv_status take_output(rv_arena *arena, const rv_json *item, reeve_event *ret, rv_error *err)
{
    if (item->kind != RV_JSON_STRING) return wants(item, "a string", err);
    ret->output = rv_arena_cstring(arena, item->text);
    ret->output_size = item->text.size;
    return RV_OK;
}

static rv_status take_money(const rv_json *item, double *ret, rv_error *err)
{
    if (item->kind == RV_JSON_NUMBER && rv_json_double(item, ret) && *ret >= 0 && *ret <= 1e12) return RV_OK;
    return wants(item, "an amount of at least 0", err);
}

static rv_status take_member(rv_arena *arena, const struct event_member *member, const rv_json *item, reeve_event *ret, rv_error *err)
{
    char *at = (char *)ret + member->at;
    int64_t number = 0;
    rv_status status = RV_OK;
    bool is_truth = item->kind == RV_JSON_TRUE || item->kind == RV_JSON_FALSE;
    switch (member->kind) {
    case TEXT: return text_of(arena, item, (const char **)(void *)at, err);
    case BYTES: return take_output(arena, item, ret, err);
    case JSON: *(const char **)(void *)at = json_text(arena, item); return RV_OK;
    case NUMBER_U32:
        status = number_of(item, 0, UINT32_MAX, &number, err);
        *(uint32_t *)(void *)at = (uint32_t)number;
        return status;
    case NUMBER_I32:
        status = number_of(item, -1, INT32_MAX, &number, err);
        *(int32_t *)(void *)at = (int32_t)number;
        return status;
    case NUMBER_U64:
        status = number_of(item, 0, INT64_MAX, &number, err);
        *(uint64_t *)(void *)at = (uint64_t)number;
        return status;
    case NUMBER_I64: return number_of(item, INT64_MIN, INT64_MAX, (int64_t *)(void *)at, err);
    case COUNT: return number_of(item, 0, INT64_MAX, (int64_t *)(void *)at, err);
    case MONEY: return take_money(item, (double *)(void *)at, err);
    case TRUTH:
        if (is_truth) *(int *)(void *)at = item->kind == RV_JSON_TRUE;
        return is_truth ? RV_OK : wants(item, "true or false", err);
    case FLAG:
        if (item->kind == RV_JSON_TRUE) ret->flags |= (uint32_t)member->at;
        return is_truth ? RV_OK : wants(item, "true or false", err);
    case ARTIFACTS: return take_artifacts(arena, item, ret, err);
    }
    RV_UNREACHABLE();
}

static bool has_member(rv_event_type type, const struct event_member *member)
{
    switch (member->only) {
    case ONLY_COMPLETED: return type == RV_EVENT_COMPLETED;
    case ONLY_PEOPLE: return type == RV_EVENT_ANSWER || type == RV_EVENT_DECIDED;
    case ONLY_LOST: return type == RV_EVENT_LOST;
    case ONLY_CANCEL: return type == RV_EVENT_CANCEL;
    case ONLY_RESUME: return type == RV_EVENT_RESUME;
    case ONLY_BUDGET: return type == RV_EVENT_BUDGET;
    case ONLY_USAGE: return type == RV_EVENT_USAGE;
    case ONLY_SPEND: return type == RV_EVENT_USAGE || type == RV_EVENT_COMPLETED;
    default: return rv_event_fields(type) & member->field;
    }
}

static rv_status take_item(rv_arena *arena, rv_event_type type, const rv_json *item, reeve_event *ret, rv_error *err)
{
    const char *names[RV_COUNT(members)];
    uint32_t count = 0;
    if (rv_str_is(item->key, "type") || (type == RV_EVENT_LOAD && is_one_of(item->key, rv_lines_load_members))) return RV_OK;
    for (size_t i = 0; i < RV_COUNT(members); i++) {
        if (!has_member(type, &members[i])) continue;
        if (rv_str_is(item->key, members[i].name)) return take_member(arena, &members[i], item, ret, err);
        names[count++] = members[i].name;
    }
    const char *nearest = rv_nearest(item->key, names, count);
    return rv_error_set(err, RV_INVALID, "%s has no member `%.*s`%s%s%s", rv_event_name(type), RV_FMT(item->key),
                        nearest ? "; did you mean `" : "", nearest ? nearest : "", nearest ? "`?" : "");
}

rv_status rv_lines_event(rv_arena *arena, const rv_json *object, reeve_event *ret, rv_error *err)
{
    *ret = (reeve_event)REEVE_EVENT_INIT;
    if (object->kind != RV_JSON_OBJECT) return rv_error_set(err, RV_INVALID, "`event` is an object");
    const rv_json *type_name = rv_json_get(object, RV_STR("type"));
    if (!type_name) return rv_error_set(err, RV_INVALID, "`event` has no `type`");
    rv_status status = text_of(arena, type_name, &ret->type, err);
    if (status != RV_OK) return status;
    rv_event_type type = rv_event_find(type_name->text);
    if (!rv_event_is_input(type))
        return rv_error_set(err, RV_INVALID, "there is no event `%s`; docs/kernel-protocol.md lists them", ret->type);
    for (const rv_json *item = object->child; item && status == RV_OK; item = item->next) status = take_item(arena, type, item, ret, err);
    return status;
}

rv_status rv_lines_now(const rv_json *now, reeve_now *ret, rv_error *err)
{
    static const char *const names[] = {"wall_ms", "engine_ms", NULL};
    if (!now) return rv_error_set(err, RV_INVALID, "`now` is missing: {\"wall_ms\":…,\"engine_ms\":…}");
    rv_status status = rv_lines_members(now, names, "now", err);
    const rv_json *wall = rv_json_get(now, RV_STR("wall_ms")), *engine = rv_json_get(now, RV_STR("engine_ms"));
    if (status == RV_OK && (!wall || !engine)) status = rv_error_set(err, RV_INVALID, "`now` has wall_ms and engine_ms");
    if (status == RV_OK) status = number_of(wall, 0, INT64_MAX, &ret->wall_ms, err);
    return status == RV_OK ? number_of(engine, 0, INT64_MAX, &ret->engine_ms, err) : status;
}

/* ---- the workflow ---- */

/* {"name": value, …} as texts; `ret[count]` is free. */
static rv_status take_vars(rv_arena *arena, const rv_json *vars, rv_spec_input *input, rv_error *err)
{
    if (!vars) return RV_OK;
    if (vars->kind != RV_JSON_OBJECT) return wants(vars, "an object: param and value", err);
    rv_param_value *list = rv_arena_new(arena, rv_param_value, vars->count);
    for (const rv_json *item = vars->child; item; item = item->next)
        list[input->var_count++] =
            (rv_param_value){item->key, item->kind == RV_JSON_STRING ? item->text : rv_str_of(json_text(arena, item))};
    input->vars = list;
    return RV_OK;
}

static rv_status take_env(rv_arena *arena, const rv_json *env, rv_spec_input *input, rv_error *err)
{
    uint32_t count = 0;
    if (!env) return RV_OK;
    if (env->kind != RV_JSON_OBJECT) return wants(env, "an object: name and value", err);
    const char **list = rv_arena_new(arena, const char *, env->count + 1);
    for (const rv_json *item = env->child; item; item = item->next) {
        const char *value;
        rv_status status = text_of(arena, item, &value, err);
        if (status != RV_OK) return status;
        list[count++] = rv_arena_printf(arena, "%.*s=%s", RV_FMT(item->key), value).at;
    }
    input->environ = list;
    return RV_OK;
}

static rv_status take_reducers(rv_arena *arena, const rv_json *reducers, rv_spec_input *input, rv_error *err)
{
    uint32_t count = 0;
    if (!reducers) return RV_OK;
    if (reducers->kind != RV_JSON_ARRAY) return wants(reducers, "an array of names", err);
    const char **list = rv_arena_new(arena, const char *, reducers->count + 1);
    for (const rv_json *item = reducers->child; item; item = item->next)
        if (text_of(arena, item, &list[count++], err) != RV_OK) return rv_error_set(err, RV_INVALID, "`reducers` is an array of names");
    input->reducers = list;
    return rv_kernel_check_reducers(list, err);
}

static rv_status take_source(rv_arena *arena, const rv_json *object, rv_spec_input *input, rv_error *err)
{
    const rv_json *workflow = rv_json_get(object, RV_STR("workflow")), *name = rv_json_get(object, RV_STR("name")),
                  *dir = rv_json_get(object, RV_STR("dir"));
    input->file = "workflow";
    input->dir = RV_KERNEL_NO_DIRECTORY;
    if (!workflow) return rv_error_set(err, RV_INVALID, "`workflow` is missing: the workflow as an object, or its text");
    rv_status status = name ? text_of(arena, name, &input->file, err) : RV_OK;
    if (status == RV_OK && dir) status = text_of(arena, dir, &input->dir, err);
    if (status == RV_OK && dir && input->dir[0] != '/') status = wants(dir, "an absolute path", err);
    bool is_text = workflow->kind == RV_JSON_STRING;
    if (status == RV_OK && !is_text && workflow->kind != RV_JSON_OBJECT) status = wants(workflow, "an object or a text", err);
    input->source = is_text ? workflow->text : rv_str_of(json_text(arena, workflow));
    input->is_json = !is_text || rv_str_ends(rv_str_of(input->file), RV_STR(".json"));
    return status;
}

rv_status rv_lines_load(rv_lines *lines, const rv_json *object, rv_error *err)
{
    rv_spec_input input = {0};
    rv_spec *spec = NULL;
    int64_t slots = 0;
    const rv_json *slots_item = rv_json_get(object, RV_STR("slots")), *fail_fast = rv_json_get(object, RV_STR("fail_fast"));
    rv_status status = take_source(&lines->arena, object, &input, err);
    if (status == RV_OK) status = take_vars(&lines->arena, rv_json_get(object, RV_STR("vars")), &input, err);
    if (status == RV_OK) status = take_env(&lines->arena, rv_json_get(object, RV_STR("env")), &input, err);
    if (status == RV_OK) status = take_reducers(&lines->arena, rv_json_get(object, RV_STR("reducers")), &input, err);
    if (status == RV_OK && slots_item) status = number_of(slots_item, 0, RV_NODES_MAX, &slots, err);
    if (status == RV_OK && fail_fast && fail_fast->kind != RV_JSON_TRUE && fail_fast->kind != RV_JSON_FALSE)
        status = wants(fail_fast, "true or false", err);
    if (status != RV_OK) return status;
    if (rv_spec_load(&input, &spec, &lines->problems) != RV_OK)
        return rv_error_set(err, RV_INVALID, "%s: %u problem%s", input.file, lines->problems.error_count,
                            lines->problems.error_count == 1 ? "" : "s");
    lines->kernel = rv_kernel_of_take(spec, input.reducers, (uint32_t)slots, fail_fast && fail_fast->kind == RV_JSON_TRUE);
    return RV_OK;
}

/* ---- a row of the journal ---- */

rv_status rv_lines_row(rv_arena *arena, const rv_json *object, reeve_row *ret, rv_error *err)
{
    static const char *const names[] = {"body", "event_count", "first_seq", "now", "values", NULL};
    int64_t first_seq = 0, event_count = 0;
    rv_buf body = {0};
    rv_status status = rv_lines_members(object, names, "row", err);
    if (status != RV_OK) return status;
    const rv_json *text = rv_json_get(object, RV_STR("body")), *seq = rv_json_get(object, RV_STR("first_seq")),
                  *count = rv_json_get(object, RV_STR("event_count")), *values = rv_json_get(object, RV_STR("values"));
    if (!text || !seq || !count || text->kind != RV_JSON_STRING)
        return rv_error_set(err, RV_INVALID, "a row has first_seq, event_count, now and body; give it back as it came");
    status = number_of(seq, 1, INT64_MAX, &first_seq, err);
    if (status == RV_OK) status = number_of(count, 1, UINT32_MAX, &event_count, err);
    if (status == RV_OK) status = rv_lines_now(rv_json_get(object, RV_STR("now")), &ret->now, err);
    if (status == RV_OK && !rv_base64_read(text->text, &body)) status = rv_error_set(err, RV_INVALID, "`body` is not base64");
    if (status == RV_OK) {
        rv_str copy = rv_arena_str(arena, rv_buf_str(&body));
        ret->first_seq = (uint64_t)first_seq;
        ret->event_count = (uint32_t)event_count;
        ret->body = copy.at;
        ret->body_size = copy.size;
        ret->values = values ? json_text(arena, values) : NULL;
    }
    rv_buf_deinit(&body);
    return status;
}
