/* expr.c: one pass over the text, with a stack of frames instead of recursion.
 *
 * A frame is one level of nesting: the whole text, a `( … )`, or the arguments of a function. Within a level the
 * grammar is flat, so that a frame holds at most one pending thing a precedence level:
 *
 *      or   ||   and   &&   !!  left  ==  · ← the operand that comes next
 *      └ chain ┘ └ chain ┘  └n┘ └─ comparison ─┘
 *
 *  (1) A frame is dead when its parent was dead as it was opened, or when an `||` of its own already has true, or an
 *      `&&` already has false. In what is dead nothing is looked up and no kind is checked: the values there are NULL.
 *  (2) The syntax of dead parts is still checked. A syntax check is thus an evaluation that is dead from the start:
 *      check and eval cannot disagree about what an expression is.
 *  (3) Messages name the source text of an operand and its kind, never its value: that may be a secret.
 *  (4) Numbers are compared by their digits, exactly, without floating point.
 *
 * Tested against a recursive evaluator (tests/unit/test_expr.c) and fuzzed (tests/fuzz/fuzz_expr.c). */
#include "kernel/expr.h"

#include "base/util.h"
#include "kernel/expr_lex.h"

#define FRAMES_MAX (RV_JSON_DEPTH_MAX + 1) /* the text itself and 64 levels in it */
#define ARGS_MAX 2

typedef struct expr_operand {
    const rv_json *value; /* NULL when dead */
    size_t offset, end;   /* its source */
} expr_operand;

typedef struct expr_frame {
    bool is_dead, is_call;
    rv_expr_function function;
    size_t offset;               /* of the parenthesis or the function's name */
    expr_operand args[ARGS_MAX];
    uint32_t arg_count;
    bool has_or, or_value, has_and, and_value;
    uint32_t not_count;
    size_t not_offset;           /* of the first `!` */
    bool has_left, is_compared;  /* comparison: left and operator are there; both sides were there */
    rv_expr_op op;
    expr_operand left;
} expr_frame;

typedef struct machine {
    rv_expr_lexer lexer;
    rv_arena *arena;
    rv_expr_resolve_fn *resolve;
    rv_expr_ref_fn *ref;
    void *user;
    const rv_json *result;
    uint32_t depth; /* frames[depth] is the current one */
    expr_frame frames[FRAMES_MAX];
} machine;

static const rv_json constants[RV_EXPR_CONSTANTS] = {
    [RV_EXPR_FALSE] = {.kind = RV_JSON_FALSE},
    [RV_EXPR_TRUE] = {.kind = RV_JSON_TRUE},
    [RV_EXPR_NULL] = {.kind = RV_JSON_NULL},
};

#define fail(m_, ...) rv_expr_fail(&(m_)->lexer, __VA_ARGS__)

static const rv_json *bool_value(bool is_true) { return &constants[is_true ? RV_EXPR_TRUE : RV_EXPR_FALSE]; }
static bool is_bool(const rv_json *value) { return value->kind == RV_JSON_TRUE || value->kind == RV_JSON_FALSE; }
static bool is_true(const rv_json *value) { return value->kind == RV_JSON_TRUE; }

static const char *kind_text(rv_json_kind kind)
{
    switch (kind) {
    case RV_JSON_NULL: return "null";
    case RV_JSON_FALSE: return "false";
    case RV_JSON_TRUE: return "true";
    case RV_JSON_NUMBER: return "a number";
    case RV_JSON_STRING: return "a string";
    case RV_JSON_ARRAY: return "an array";
    case RV_JSON_OBJECT: return "an object";
    }
    RV_UNREACHABLE();
}

/* Source of an operand for a message; keeps (3). */
static rv_str quote(const machine *m, expr_operand operand) { return rv_expr_quote(&m->lexer, operand.offset, operand.end); }

/* ------------------------------------------------------------- operators */

static bool values_equal(const rv_json *a, const rv_json *b)
{
    if (a->kind == RV_JSON_NUMBER && b->kind == RV_JSON_NUMBER) return rv_expr_number_compare(a->text, b->text) == 0;
    return rv_json_equal(a, b);
}

static bool has_text(rv_str haystack, rv_str needle)
{
    return needle.size == 0 || (haystack.size >= needle.size && memmem(haystack.at, haystack.size, needle.at, needle.size));
}

static rv_status is_in(machine *m, const char *what, expr_operand item, expr_operand in, bool *ret)
{
    if (in.value->kind == RV_JSON_ARRAY) {
        bool is_found = false;
        for (const rv_json *child = in.value->child; child && !is_found; child = child->next)
            is_found = values_equal(child, item.value);
        *ret = is_found;
        return RV_OK;
    }
    if (in.value->kind != RV_JSON_STRING)
        return fail(m, in.offset, "%s looks in an array or a string; %.*s is %s", what, RV_FMT(quote(m, in)),
                    kind_text(in.value->kind));
    if (item.value->kind != RV_JSON_STRING)
        return fail(m, item.offset, "%s looks for a string in a string; %.*s is %s", what, RV_FMT(quote(m, item)),
                    kind_text(item.value->kind));
    *ret = has_text(in.value->text, item.value->text);
    return RV_OK;
}

/* A number that is written as a string, as each value of a line `key=value` is. */
static bool is_spelt_number(const rv_json *value) { return value->kind == RV_JSON_STRING && rv_expr_is_number(value->text); }

static rv_status order_of(machine *m, expr_operand left, expr_operand right, int *ret)
{
    rv_json_kind kind = left.value->kind;
    if (kind == right.value->kind && kind == RV_JSON_NUMBER) {
        *ret = rv_expr_number_compare(left.value->text, right.value->text);
        return RV_OK;
    }
    if (kind == right.value->kind && kind == RV_JSON_STRING) {
        *ret = rv_str_cmp(left.value->text, right.value->text);
        return RV_OK;
    }
    bool is_spelt = is_spelt_number(left.value) || is_spelt_number(right.value);
    return fail(m, left.offset, "< <= > >= need two numbers or two strings; %.*s is %s and %.*s is %s%s", RV_FMT(quote(m, left)),
                kind_text(kind), RV_FMT(quote(m, right)), kind_text(right.value->kind),
                is_spelt ? "; a line key=value gives a string, JSON in $REEVE_OUTPUT a number" : "");
}

static rv_status compare(machine *m, rv_expr_op op, expr_operand left, expr_operand right, const rv_json **ret)
{
    rv_status status = RV_OK;
    bool is_so = false;
    int order = 0;
    switch (op) {
    case RV_EXPR_EQ: is_so = values_equal(left.value, right.value); break;
    case RV_EXPR_NE: is_so = !values_equal(left.value, right.value); break;
    case RV_EXPR_IN: status = is_in(m, "in", left, right, &is_so); break;
    case RV_EXPR_LT: status = order_of(m, left, right, &order); is_so = order < 0; break;
    case RV_EXPR_LE: status = order_of(m, left, right, &order); is_so = order <= 0; break;
    case RV_EXPR_GT: status = order_of(m, left, right, &order); is_so = order > 0; break;
    case RV_EXPR_GE: status = order_of(m, left, right, &order); is_so = order >= 0; break;
    }
    if (status == RV_OK) *ret = bool_value(is_so);
    return status;
}

static rv_status call(machine *m, const expr_frame *f, const rv_json **ret)
{
    bool is_so = false;
    rv_status status = RV_OK;
    switch (f->function) {
    case RV_EXPR_CONTAINS: status = is_in(m, "contains()", f->args[1], f->args[0], &is_so); break;
    case RV_EXPR_STARTSWITH:
        for (uint32_t i = 0; i < 2; i++)
            if (f->args[i].value->kind != RV_JSON_STRING)
                return fail(m, f->args[i].offset, "startswith() needs two strings; %.*s is %s", RV_FMT(quote(m, f->args[i])),
                            kind_text(f->args[i].value->kind));
        is_so = rv_str_starts(f->args[0].value->text, f->args[1].value->text);
        break;
    }
    if (status == RV_OK) *ret = bool_value(is_so);
    return status;
}

/* ------------------------------------------------------------ the machine */

/* Invariant (1), for the operand that comes next in `f`. */
static bool is_dead(const expr_frame *f) { return f->is_dead || (f->has_or && f->or_value) || (f->has_and && !f->and_value); }

static const rv_json *new_text(machine *m, rv_json_kind kind, rv_str text)
{
    rv_json *value = rv_arena_new(m->arena, rv_json, 1);
    value->kind = kind;
    value->text = text;
    return value;
}

/* The default of a reference: a JSON number, true, false or null is that value, anything else is text as written. */
static const rv_json *default_value(machine *m, rv_str text)
{
    for (size_t i = 0; i < RV_EXPR_CONSTANTS; i++)
        if (rv_str_is(text, rv_expr_constant_names[i])) return &constants[i];
    return new_text(m, rv_expr_is_number(text) ? RV_JSON_NUMBER : RV_JSON_STRING, rv_arena_str(m->arena, text));
}

static rv_status reference_value(machine *m, const rv_expr_token *token, const rv_json **ret)
{
    const rv_json *value = m->resolve(m->user, m->arena, token->text);
    if (token->has_default && (!value || value->kind == RV_JSON_NULL)) value = default_value(m, token->default_text);
    expr_operand shown = {.offset = token->offset, .end = token->end};
    if (!value)
        return fail(m, token->offset, "%.*s is missing; give it a value or write a default, ${name:-text}",
                    RV_FMT(quote(m, shown)));
    *ret = value;
    return RV_OK;
}

static rv_status literal(machine *m, const rv_expr_token *token, expr_operand *ret)
{
    expr_frame *f = &m->frames[m->depth];
    *ret = (expr_operand){.offset = token->offset, .end = token->end};
    if (token->kind == RV_EXPR_REFERENCE && m->ref) m->ref(m->user, token->text, token->has_default, token->offset);
    if (is_dead(f)) return RV_OK;
    if (token->kind == RV_EXPR_REFERENCE) return reference_value(m, token, &ret->value);
    if (token->kind == RV_EXPR_CONSTANT) ret->value = &constants[token->detail];
    else if (token->kind == RV_EXPR_NUMBER) ret->value = new_text(m, RV_JSON_NUMBER, rv_arena_str(m->arena, token->text));
    else ret->value = new_text(m, RV_JSON_STRING, rv_expr_string(m->arena, token->text));
    return RV_OK;
}

static rv_status push(machine *m, const rv_expr_token *token)
{
    if (m->depth + 1 == FRAMES_MAX) return fail(m, token->offset, "nested deeper than %d levels", RV_JSON_DEPTH_MAX);
    bool dead = is_dead(&m->frames[m->depth]);
    m->frames[++m->depth] = (expr_frame){
        .is_dead = dead,
        .is_call = token->kind == RV_EXPR_CALL,
        .function = (rv_expr_function)token->detail,
        .offset = token->offset,
    };
    return RV_OK;
}

static rv_status expected_value(machine *m, const rv_expr_token *token)
{
    const expr_frame *f = &m->frames[m->depth];
    if (token->kind == RV_EXPR_END && m->depth == 0 && !f->has_or && !f->has_and && !f->has_left && !f->not_count)
        return fail(m, token->offset, "the expression is empty; expected a value");
    if (token->kind == RV_EXPR_END) return fail(m, token->offset, "the expression ends too early; expected a value");
    if (token->kind == RV_EXPR_NOT) return fail(m, token->offset, "unexpected '!' after a comparison; write (!…)");
    expr_operand shown = {.offset = token->offset, .end = token->end};
    return fail(m, token->offset, "unexpected '%.*s'; expected a value", RV_FMT(quote(m, shown)));
}

/* Read up to and including one operand; a parenthesis or a call opens a frame and is read on within it. */
static rv_status read_operand(machine *m, expr_operand *ret)
{
    for (;;) {
        rv_expr_token token;
        rv_status status = rv_expr_lex(&m->lexer, &token);
        if (status != RV_OK) return status;
        expr_frame *f = &m->frames[m->depth];
        switch (token.kind) {
        case RV_EXPR_NOT:
            if (f->has_left) return expected_value(m, &token);
            if (f->not_count++ == 0) f->not_offset = token.offset;
            continue;
        case RV_EXPR_OPEN:
        case RV_EXPR_CALL:
            status = push(m, &token);
            if (status != RV_OK) return status;
            continue;
        case RV_EXPR_STRING:
        case RV_EXPR_NUMBER:
        case RV_EXPR_CONSTANT:
        case RV_EXPR_REFERENCE: return literal(m, &token, ret);
        case RV_EXPR_END:
        case RV_EXPR_OR:
        case RV_EXPR_AND:
        case RV_EXPR_COMPARE:
        case RV_EXPR_CLOSE:
        case RV_EXPR_COMMA: return expected_value(m, &token);
        }
    }
}

static rv_status need_bool(machine *m, const char *what, expr_operand value)
{
    if (!value.value || is_bool(value.value)) return RV_OK; /* dead, or right */
    return fail(m, value.offset, "%s needs true or false; %.*s is %s", what, RV_FMT(quote(m, value)),
                kind_text(value.value->kind));
}

/* An operand and its pending comparison become one value; then, unless another comparison follows, `!` applies. */
static rv_status finish_compare(machine *m, expr_operand *value)
{
    expr_frame *f = &m->frames[m->depth];
    if (!f->has_left) return RV_OK;
    if (!is_dead(f)) {
        rv_status status = compare(m, f->op, f->left, *value, &value->value);
        if (status != RV_OK) return status;
    }
    value->offset = f->left.offset;
    f->has_left = false;
    f->is_compared = true;
    return RV_OK;
}

static rv_status finish_not(machine *m, expr_operand *value)
{
    expr_frame *f = &m->frames[m->depth];
    f->is_compared = false;
    if (!f->not_count) return RV_OK;
    rv_status status = need_bool(m, "!", *value);
    if (status != RV_OK) return status;
    if (value->value && f->not_count % 2) value->value = bool_value(!is_true(value->value));
    value->offset = f->not_offset;
    f->not_count = 0;
    return RV_OK;
}

/* Fold `value` into the pending chain: `is_more` when another link follows. stop: the value that decides the chain. */
static rv_status finish_chain(machine *m, const char *what, bool is_more, bool stop, bool *has, bool *chain, expr_operand *value)
{
    if (!*has && !is_more) return RV_OK;
    rv_status status = need_bool(m, what, *value);
    if (status != RV_OK) return status;
    bool is_decided = *has && *chain == stop;
    RV_ASSERT(!is_decided || !m->frames[m->depth].is_dead); /* (1): in what is dead nothing is decided */
    if (is_decided) value->value = bool_value(stop);
    *chain = value->value ? is_true(value->value) : !stop;
    *has = is_more;
    return RV_OK;
}

static rv_status finish_and(machine *m, bool is_more, expr_operand *value)
{
    expr_frame *f = &m->frames[m->depth];
    rv_status status = finish_not(m, value);
    if (status != RV_OK) return status;
    /* Inside an `||` that is decided the whole `&&` is dead, and its value stays NULL. */
    if (f->has_or && f->or_value) {
        f->has_and = is_more;
        f->and_value = true;
        return RV_OK;
    }
    return finish_chain(m, "&&", is_more, false, &f->has_and, &f->and_value, value);
}

static rv_status finish_or(machine *m, bool is_more, expr_operand *value)
{
    expr_frame *f = &m->frames[m->depth];
    rv_status status = finish_and(m, false, value);
    if (status != RV_OK) return status;
    return finish_chain(m, "||", is_more, true, &f->has_or, &f->or_value, value);
}

/* `)` or `,`: the level, or one argument of it, is complete. *ret_is_operand: the frame is popped, and *value is now
 * an operand of its parent. */
static rv_status close_level(machine *m, const rv_expr_token *token, expr_operand *value, bool *ret_is_operand)
{
    expr_frame *f = &m->frames[m->depth];
    rv_status status = finish_or(m, false, value);
    if (status != RV_OK) return status;
    *ret_is_operand = token->kind == RV_EXPR_CLOSE;
    if (m->depth == 0 || (token->kind == RV_EXPR_COMMA && !f->is_call))
        return fail(m, token->offset, "unexpected '%s'; expected an operator or the end",
                    token->kind == RV_EXPR_COMMA ? "," : ")");
    if (f->is_call) {
        if ((token->kind == RV_EXPR_CLOSE) != (f->arg_count + 1 == ARGS_MAX))
            return fail(m, f->offset, "%s() takes %d arguments", rv_expr_function_names[f->function], ARGS_MAX);
        f->args[f->arg_count++] = *value;
    }
    if (token->kind == RV_EXPR_COMMA) return RV_OK;
    if (f->is_call && !f->is_dead) status = call(m, f, &value->value);
    value->offset = f->offset;
    value->end = token->end;
    m->depth--;
    return status;
}

/* What follows an operand. *ret_is_done: the text ended there. */
static rv_status read_operator(machine *m, expr_operand value, bool *ret_is_done)
{
    bool is_operand = true;
    while (is_operand) {
        expr_frame *f = &m->frames[m->depth];
        rv_expr_token token;
        rv_status status = finish_compare(m, &value);
        if (status == RV_OK) status = rv_expr_lex(&m->lexer, &token);
        if (status != RV_OK) return status;
        is_operand = false;
        switch (token.kind) {
        case RV_EXPR_COMPARE:
            if (f->is_compared) return fail(m, token.offset, "comparisons do not chain; expected && or ||, or use parentheses");
            f->has_left = true;
            f->op = (rv_expr_op)token.detail;
            f->left = value;
            break;
        case RV_EXPR_AND: status = finish_and(m, true, &value); break;
        case RV_EXPR_OR: status = finish_or(m, true, &value); break;
        case RV_EXPR_CLOSE:
        case RV_EXPR_COMMA: status = close_level(m, &token, &value, &is_operand); break;
        case RV_EXPR_END:
            if (m->depth) return fail(m, f->offset, f->is_call ? "the call has no closing )" : "the ( has no closing )");
            *ret_is_done = true;
            status = finish_or(m, false, &value);
            m->result = value.value;
            break;
        case RV_EXPR_NOT:
        case RV_EXPR_OPEN:
        case RV_EXPR_STRING:
        case RV_EXPR_NUMBER:
        case RV_EXPR_CONSTANT:
        case RV_EXPR_REFERENCE:
        case RV_EXPR_CALL:
            return fail(m, token.offset, "unexpected '%.*s'; expected an operator or the end",
                        RV_FMT(quote(m, (expr_operand){.offset = token.offset, .end = token.end})));
        }
        if (status != RV_OK) return status;
    }
    return RV_OK;
}

static rv_status run(machine *m, bool is_dead_from_start)
{
    size_t valid_size = rv_utf8_valid(m->lexer.text);
    if (valid_size != m->lexer.text.size) return fail(m, valid_size, "the expression is not valid UTF-8");
    m->frames[0] = (expr_frame){.is_dead = is_dead_from_start};
    m->depth = 0;
    for (bool is_done = false; !is_done;) {
        expr_operand value = {0};
        rv_status status = read_operand(m, &value);
        if (status == RV_OK) status = read_operator(m, value, &is_done);
        if (status != RV_OK) return status;
    }
    RV_ASSERT(m->depth == 0);
    RV_ASSERT(is_dead_from_start == (m->result == NULL));
    return RV_OK;
}

rv_status rv_expr_check(rv_str text, rv_expr_ref_fn *ref, void *user, size_t *ret_offset, rv_error *err)
{
    machine m = {.lexer = {.text = text, .err = err}, .ref = ref, .user = user};
    rv_status status = run(&m, true);
    if (status != RV_OK && ret_offset) *ret_offset = m.lexer.error_offset;
    return status;
}

rv_status rv_expr_eval(rv_arena *arena, rv_str text, rv_expr_resolve_fn *resolve, void *user, const rv_json **ret, rv_error *err)
{
    RV_ASSERT(arena);
    RV_ASSERT(resolve);
    machine m = {.lexer = {.text = text, .err = err}, .arena = arena, .resolve = resolve, .user = user};
    rv_status status = run(&m, false);
    if (status != RV_OK) return rv_error_context(err, "offset %zu", m.lexer.error_offset);
    *ret = m.result;
    return RV_OK;
}
