/* values.c: params and environment of this run [W10, W12]. They are read from the normal form, so that a mapped image
 * and a fresh load do the same. */
#include "spec/load.h"

/* ---- times ---- */

static bool digits(rv_str text, size_t at, size_t count, int64_t *ret)
{
    int64_t value = 0;
    if (at + count > text.size) return false;
    for (size_t i = at; i < at + count; i++) {
        if (text.at[i] < '0' || text.at[i] > '9') return false;
        value = value * 10 + (text.at[i] - '0');
    }
    *ret = value;
    return true;
}

/* Days since 1970-01-01 in the proleptic Gregorian calendar: the year is taken to begin in March, so that the leap day is its last. */
static int64_t days_from_civil(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    int64_t era = year / 400, of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static int64_t days_in_month(int64_t year, int64_t month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && is_leap);
}

bool rv_instant_parse(rv_str text, int64_t *ret_ms)
{
    int64_t year, month, day, hour, minute, second, ms = 0, zone_hour = 0, zone_minute = 0;
    if (!digits(text, 0, 4, &year) || !digits(text, 5, 2, &month) || !digits(text, 8, 2, &day) || !digits(text, 11, 2, &hour) ||
        !digits(text, 14, 2, &minute) || !digits(text, 17, 2, &second))
        return false;
    if (text.at[4] != '-' || text.at[7] != '-' || strchr("Tt ", text.at[10]) == NULL || text.at[13] != ':' || text.at[16] != ':')
        return false;
    if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month) || hour > 23 || minute > 59 || second > 59)
        return false;
    size_t at = 19;
    if (at < text.size && text.at[at] == '.') {
        int64_t digit, weight = 100;
        for (at++; digits(text, at, 1, &digit); at++, weight /= 10) ms += digit * weight;
        if (weight == 100) return false;
    }
    int64_t sign = 0;
    if (at < text.size && (text.at[at] | 32) == 'z') at++;
    else {
        if (at >= text.size || (text.at[at] != '+' && text.at[at] != '-')) return false;
        sign = text.at[at] == '+' ? 1 : -1;
        if (!digits(text, at + 1, 2, &zone_hour) || !digits(text, at + 4, 2, &zone_minute) || text.at[at + 3] != ':' ||
            zone_hour > 23 || zone_minute > 59)
            return false;
        at += 6;
    }
    if (at != text.size || year < 1970) return false;
    int64_t minutes = (days_from_civil(year, month, day) * 24 + hour - sign * zone_hour) * 60 + minute - sign * zone_minute;
    *ret_ms = (minutes * 60 + second) * 1000 + ms;
    return true;
}

/* ---- params ---- */

typedef struct values {
    rv_spec *spec;
    const rv_spec_input *input;
    rv_problems *problems;
    rv_arena arena;
    rv_loader *loader; /* NULL: no positions */
    rv_json_writer user, secret_names;
} values;

static void problem_at(values *v, uint32_t offset, rv_str cure, rv_str what)
{
    rv_problem problem = {.file = rv_str_of(v->input->file ? v->input->file : "workflow"), .what = what, .cure = cure};
    if (v->loader && offset != RV_NONE && !v->problems->is_silent) {
        const rv_doc *of = rv_doc_position(&v->loader->doc, offset, &problem.line, &problem.column);
        problem.file = of->file;
        problem.part = of->part;
    }
    rv_problem_add(v->problems, &problem);
}

static void problem(values *v, rv_str param, rv_str cure, rv_str what)
{
    uint32_t params = v->loader ? v->loader->files.at[0].keys[RV_FK_PARAMS] : RV_NONE;
    uint32_t value = params == RV_NONE ? RV_NONE : rv_loader_member(v->loader, params, param);
    problem_at(v, value == RV_NONE ? RV_NONE : rv_doc_begins(&v->loader->doc, value - 1), cure,
               what); /* its key comes before it */
}

static const char *wanted(rv_str type)
{
    static const struct {
        const char *type, *want;
    } wants[] = {{"string", "a string"},
                 {"number", "a number"},
                 {"integer", "a whole number"},
                 {"boolean", "true or false"},
                 {"array", "a JSON array, as [1, 2]"},
                 {"object", "a JSON object, as {\"a\": 1}"}};
    for (size_t i = 0; i < RV_COUNT(wants); i++)
        if (rv_str_is(type, wants[i].type)) return wants[i].want;
    RV_UNREACHABLE();
}

static bool has_type(const rv_json *value, rv_str type)
{
    int64_t number;
    switch (value->kind) {
    case RV_JSON_NULL: return false;
    case RV_JSON_FALSE:
    case RV_JSON_TRUE: return rv_str_is(type, "boolean");
    case RV_JSON_NUMBER: return rv_str_is(type, "number") || (rv_str_is(type, "integer") && rv_json_i64(value, &number));
    case RV_JSON_STRING: return rv_str_is(type, "string");
    case RV_JSON_ARRAY: return rv_str_is(type, "array");
    case RV_JSON_OBJECT: return rv_str_is(type, "object");
    }
    RV_UNREACHABLE();
}

/* The text given with --var as a value of the type; NULL: it is none. */
static const rv_json *parse_var(values *v, rv_str text, rv_str type)
{
    rv_json *value = NULL;
    if (rv_str_is(type, "string")) {
        value = rv_arena_new(&v->arena, rv_json, 1);
        *value = (rv_json){.kind = RV_JSON_STRING, .text = text};
        return rv_utf8_valid(text) == text.size ? value : NULL;
    }
    if (rv_json_parse(&v->arena, text, &value, NULL) != RV_OK || !has_type(value, type)) return NULL;
    return value;
}

static bool is_allowed(const rv_json *list, const rv_json *value)
{
    if (list == NULL) return true;
    for (const rv_json *item = list->child; item; item = item->next)
        if (rv_json_equal(item, value)) return true;
    return false;
}

static void keep(values *v, rv_str name, const rv_json *value, bool is_secret)
{
    rv_buf text = {0};
    rv_json_write(&text, value, true);
    if (is_secret) {
        rv_str plain = value->kind == RV_JSON_STRING ? value->text : rv_buf_str(&text);
        rv_param_value secret = {rv_arena_str(&v->spec->arena, name), rv_arena_str(&v->spec->arena, plain)};
        rv_vec_push(&v->spec->secrets, secret);
        rv_jw_str(&v->secret_names, name);
        explicit_bzero(text.at, text.size);
    } else {
        rv_jw_key_str(&v->user, name);
        rv_jw_raw(&v->user, rv_buf_str(&text));
    }
    rv_buf_deinit(&text);
}

static void resolve_param(values *v, const rv_json *param)
{
    const rv_json *type = rv_json_get(param, RV_STR("type")), *secret = rv_json_get(param, RV_STR("secret")),
                  *value = rv_json_get(param, RV_STR("default"));
    const rv_json *allowed = rv_json_get(param, RV_STR("enum"));
    rv_str kind = type ? type->text : RV_STR("string"), name = param->key;
    bool is_secret = secret && secret->kind == RV_JSON_TRUE, is_given = false;
    for (uint32_t i = 0; i < v->input->var_count; i++) {
        if (!rv_str_eq(v->input->vars[i].name, name)) continue;
        is_given = true;
        value = parse_var(v, v->input->vars[i].value, kind); /* given twice: the last counts */
        if (value == NULL) {
            problem(v, name, RV_STR("correct --var"),
                    rv_arena_printf(&v->arena, "param `%.*s` wants %s", RV_FMT(name), wanted(kind)));
            return;
        }
    }
    if (value == NULL) {
        if (is_secret && v->input->skip_values) rv_jw_str(&v->secret_names, name);
        if (v->input->skip_values) return;
        problem(v, name, rv_arena_printf(&v->arena, "give it with --var %.*s=…", RV_FMT(name)),
                rv_arena_printf(&v->arena, "%s `%.*s` has no value", is_secret ? "secret" : "param", RV_FMT(name)));
        return;
    }
    if (!is_allowed(allowed, value)) {
        rv_buf list = {0};
        rv_json_write(&list, allowed, true);
        problem(
            v, name, rv_arena_printf(&v->arena, "give one of %.*s", RV_FMT(rv_buf_str(&list))),
            rv_arena_printf(&v->arena, "the %s of param `%.*s` is not allowed", is_given ? "value" : "default", RV_FMT(name)));
        rv_buf_deinit(&list);
        return;
    }
    keep(v, name, value, is_secret);
}

static void resolve_params(values *v, rv_str params)
{
    rv_json *tree = NULL;
    if (params.size) {
        rv_status status = rv_json_parse(&v->arena, params, &tree, NULL);
        RV_ASSERT(status == RV_OK); /* it is of our own writing, or image.c looked at it */
    }
    for (const rv_json *param = tree ? tree->child : NULL; param; param = param->next) resolve_param(v, param);
    for (uint32_t i = 0; i < v->input->var_count; i++) {
        rv_str name = v->input->vars[i].name;
        if (tree && rv_json_get(tree, name)) continue;
        const char *names[64];
        uint32_t count = 0;
        for (const rv_json *param = tree ? tree->child : NULL; param && count < RV_COUNT(names); param = param->next)
            names[count++] = rv_arena_cstring(&v->arena, param->key);
        const char *nearest = rv_near(name, names, count);
        problem(v, name,
                nearest ? rv_arena_printf(&v->arena, "did you mean `%s`?", nearest) : RV_STR("declare it under `params`"),
                rv_arena_printf(&v->arena, "--var %.*s: the workflow has no such param", RV_FMT(name)));
    }
}

/* ---- environment ---- */

static const char *variable(const char *const *environ, rv_str name)
{
    for (; environ && *environ; environ++)
        if (strncmp(*environ, name.at, name.size) == 0 && (*environ)[name.size] == '=') return *environ + name.size + 1;
    return NULL;
}

static void resolve_env(values *v, rv_str env)
{
    rv_json *tree = NULL;
    rv_status status = rv_json_parse(&v->arena, env, &tree, NULL);
    RV_ASSERT(status == RV_OK);
    rv_json_writer out;
    rv_json_writer_init(&out, &v->spec->env, 0);
    rv_jw_object(&out);
    uint32_t index = 0;
    for (const rv_json *entry = tree->child; entry; entry = entry->next, index++) {
        const rv_json *name = rv_json_at(entry, 0), *required = rv_json_at(entry, 1);
        const char *value = variable(v->input->environ, name->text);
        if (value) {
            rv_jw_key_str(&out, name->text);
            rv_jw_str(&out, rv_str_of(value));
        } else if (required->kind == RV_JSON_TRUE && !v->input->skip_values)
            problem_at(v, v->loader ? v->loader->env_needed.at[index] : RV_NONE,
                       rv_arena_printf(&v->arena, "set it, or write ${env.%.*s:-default}", RV_FMT(name->text)),
                       rv_arena_printf(&v->arena, "the environment variable %.*s is not set", RV_FMT(name->text)));
    }
    rv_jw_object_end(&out);
}

void rv_values_resolve(rv_spec *spec, const rv_spec_input *input, rv_str params, rv_str env, rv_loader *loader,
                       rv_problems *problems)
{
    values v = {.spec = spec, .input = input, .problems = problems, .loader = loader};
    rv_json_writer_init(&v.user, &spec->user, 0);
    rv_json_writer_init(&v.secret_names, &spec->secret_names, 0);
    rv_jw_object(&v.user);
    rv_jw_array(&v.secret_names);
    resolve_params(&v, params);
    rv_jw_object_end(&v.user);
    rv_jw_array_end(&v.secret_names);
    resolve_env(&v, env);
    rv_arena_deinit(&v.arena);
}
