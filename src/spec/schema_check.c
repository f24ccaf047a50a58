/* schema_check.c: a JSON value against the subset of JSON Schema that docs/workflow.md states [W14].
 * An explicit stack of (schema, value) pairs, with the way to each as a chain of steps; nothing recurses over input. */
#include "spec/spec.h"
#include <stdio.h>

#define VIOLATIONS_MAX 10u /* listed */
#define TASKS_MAX 1000000u /* pairs looked at: schema × value is bounded */

typedef struct step {
    uint32_t parent;
    rv_str name;
    uint32_t index;
} step; /* index RV_NONE: a name */
typedef struct task {
    const rv_json *schema, *value;
    uint32_t at;
} task; /* at: step, RV_NONE at the root */

typedef struct checker {
    RV_VEC(task) tasks;
    RV_VEC(step) steps;
    rv_buf *out;
    uint32_t violations, done;
} checker;

/* RFC 6901: `~` is ~0, `/` is ~1. */
static void write_pointer(checker *c, uint32_t at)
{
    uint32_t way[RV_JSON_DEPTH_MAX + 2], count = 0;
    for (; at != RV_NONE && count < RV_COUNT(way); at = c->steps.at[at].parent) way[count++] = at;
    if (count == 0) rv_buf_cstring(c->out, "/");
    while (count > 0) {
        const step *s = &c->steps.at[way[--count]];
        rv_buf_byte(c->out, '/');
        if (s->index != RV_NONE) rv_buf_u64(c->out, s->index);
        for (size_t i = 0; s->index == RV_NONE && i < s->name.size; i++) {
            if (s->name.at[i] == '~' || s->name.at[i] == '/') rv_buf_cstring(c->out, s->name.at[i] == '~' ? "~0" : "~1");
            else rv_buf_byte(c->out, s->name.at[i]);
        }
    }
    rv_buf_cstring(c->out, ": ");
}

static void violation(checker *c, uint32_t at, const char *fmt, ...) RV_PRINTF(3, 4);
static void violation(checker *c, uint32_t at, const char *fmt, ...)
{
    if (c->violations++ >= VIOLATIONS_MAX) return;
    va_list args;
    va_start(args, fmt);
    if (c->out->size && c->out->at[c->out->size - 1] != '\n') rv_buf_byte(c->out, '\n');
    write_pointer(c, at);
    rv_buf_vprintf(c->out, fmt, args);
    rv_buf_byte(c->out, '\n');
    va_end(args);
}

static void follow(checker *c, const rv_json *schema, const rv_json *value, uint32_t at, uint32_t index)
{
    rv_vec_push(&c->steps, ((step){at, value->key, index}));
    rv_vec_push(&c->tasks, ((task){schema, value, c->steps.count - 1}));
}

static const char *type_name(const rv_json *value)
{
    int64_t whole;
    switch (value->kind) {
    case RV_JSON_NULL: return "null";
    case RV_JSON_FALSE:
    case RV_JSON_TRUE: return "boolean";
    case RV_JSON_NUMBER: return rv_json_i64(value, &whole) ? "integer" : "number";
    case RV_JSON_STRING: return "string";
    case RV_JSON_ARRAY: return "array";
    case RV_JSON_OBJECT: return "object";
    }
    RV_UNREACHABLE();
}

static bool is_type(const rv_json *value, rv_str type)
{
    double number;
    if (rv_str_is(type, type_name(value))) return true;
    if (value->kind != RV_JSON_NUMBER) return false;
    if (rv_str_is(type, "number")) return true;
    return rv_str_is(type, "integer") && rv_json_double(value, &number) &&
           (number >= 9e15 || number <= -9e15); /* no fraction left at that size */
}

static void check_type(checker *c, const task *t, const rv_json *type)
{
    bool is_right = type->kind == RV_JSON_STRING && is_type(t->value, type->text);
    for (const rv_json *one = type->kind == RV_JSON_ARRAY ? type->child : NULL; one; one = one->next)
        is_right |= is_type(t->value, one->text);
    if (is_right) return;
    rv_buf wanted = {0};
    rv_json_write(&wanted, type, false);
    violation(c, t->at, "wants %.*s, is %s", RV_FMT(rv_buf_str(&wanted)), type_name(t->value));
    rv_buf_deinit(&wanted);
}

static void check_values(checker *c, const task *t)
{
    const rv_json *allowed = rv_json_get(t->schema, RV_STR("enum")), *only = rv_json_get(t->schema, RV_STR("const"));
    bool is_found = allowed == NULL;
    for (const rv_json *one = allowed ? allowed->child : NULL; one && !is_found; one = one->next)
        is_found = rv_json_equal(one, t->value);
    if (!is_found || (only && !rv_json_equal(only, t->value))) {
        rv_buf wanted = {0};
        rv_json_write(&wanted, is_found ? only : allowed, false);
        violation(c, t->at, is_found ? "is not %.*s" : "is none of %.*s", RV_FMT(rv_str_cut(rv_buf_str(&wanted), 0, 200)));
        rv_buf_deinit(&wanted);
    }
}

static bool limit(const rv_json *schema, const char *key, double *ret)
{
    const rv_json *value = rv_json_get(schema, rv_str_of(key));
    return value && rv_json_double(value, ret);
}

static void check_size(checker *c, const task *t, double size, const char *least, const char *most, const char *what)
{
    double bound;
    if (limit(t->schema, least, &bound) && size < bound)
        violation(c, t->at, "has %.17g %s, %.17g are the least", size, what, bound);
    if (limit(t->schema, most, &bound) && size > bound)
        violation(c, t->at, "has %.17g %s, %.17g are the most", size, what, bound);
}

static void check_number(checker *c, const task *t)
{
    double number, bound;
    if (!rv_json_double(t->value, &number)) return;
    if (limit(t->schema, "minimum", &bound) && number < bound) violation(c, t->at, "is less than %.17g", bound);
    if (limit(t->schema, "maximum", &bound) && number > bound) violation(c, t->at, "is more than %.17g", bound);
}

static double characters(rv_str text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.size; i++) count += ((unsigned char)text.at[i] & 0xc0) != 0x80;
    return (double)count;
}

static void check_array(checker *c, const task *t)
{
    const rv_json *items = rv_json_get(t->schema, RV_STR("items"));
    uint32_t index = 0;
    check_size(c, t, t->value->count, "minItems", "maxItems", "items");
    for (const rv_json *item = items && items->kind == RV_JSON_OBJECT ? t->value->child : NULL; item; item = item->next)
        follow(c, items, item, t->at, index++);
}

static void check_object(checker *c, const task *t)
{
    const rv_json *properties = rv_json_get(t->schema, RV_STR("properties")),
                  *additional = rv_json_get(t->schema, RV_STR("additionalProperties"));
    const rv_json *required = rv_json_get(t->schema, RV_STR("required"));
    for (const rv_json *name = required ? required->child : NULL; name; name = name->next)
        if (!rv_json_get(t->value, name->text)) violation(c, t->at, "has no `%.*s`", RV_FMT(name->text));
    if (!properties && !additional) return;
    for (const rv_json *member = t->value->child; member; member = member->next) {
        const rv_json *schema = properties ? rv_json_get(properties, member->key) : NULL;
        if (!schema && additional && additional->kind == RV_JSON_FALSE)
            violation(c, t->at, "`%.*s` is not allowed", RV_FMT(member->key));
        if (!schema) schema = additional;
        if (schema && schema->kind == RV_JSON_OBJECT) follow(c, schema, member, t->at, RV_NONE);
    }
}

static void check_one(checker *c, const task *t)
{
    const rv_json *type = rv_json_get(t->schema, RV_STR("type"));
    if (type) check_type(c, t, type);
    check_values(c, t);
    switch (t->value->kind) {
    case RV_JSON_NULL:
    case RV_JSON_FALSE:
    case RV_JSON_TRUE: return;
    case RV_JSON_NUMBER: check_number(c, t); return;
    case RV_JSON_STRING: check_size(c, t, characters(t->value->text), "minLength", "maxLength", "characters"); return;
    case RV_JSON_ARRAY: check_array(c, t); return;
    case RV_JSON_OBJECT: check_object(c, t); return;
    }
}

bool rv_schema_check(const rv_json *schema, const rv_json *value, rv_buf *out)
{
    checker c = {.out = out};
    rv_vec_push(&c.tasks, ((task){schema, value, RV_NONE}));
    for (; c.tasks.count > 0 && c.violations < VIOLATIONS_MAX && c.done < TASKS_MAX; c.done++) {
        task t = rv_vec_pop(&c.tasks);
        check_one(&c, &t);
    }
    if (c.done == TASKS_MAX) violation(&c, RV_NONE, "is too large to be checked");
    rv_vec_deinit(&c.tasks);
    rv_vec_deinit(&c.steps);
    return c.violations == 0;
}
