/* test_expr.c: the conditions of [W13], then the machine against a recursive evaluator over random token lists. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/util.h"
#include "kernel/expr.h"

/* ------------------------------------------------------------ the world */

/* What references give here; NULL: missing. */
static const struct { const char *path, *json; } world[] = {
    {"yes", "true"},
    {"no", "false"},
    {"nothing", "null"},
    {"a.state", "\"failed\""},
    {"a.count", "3"},
    {"a.big", "9007199254740993"},
    {"a.list", "[1, \"x\", null, [2.0], true]"},
    {"a.names", "[\"ab\", \"b\"]"},
    {"a.map", "{\"k\": 1, \"l\": \"v\"}"},
    {"a.map2", "{\"l\": \"v\", \"k\": 1e0}"},
    {"gone", NULL},
};

static uint32_t resolved_count;

static const rv_json *resolve(void *user, rv_arena *arena, rv_str path)
{
    resolved_count++;
    for (size_t i = 0; i < RV_COUNT(world); i++) {
        if (!rv_str_is(path, world[i].path) || !world[i].json) continue;
        rv_json *value = NULL;
        assert_int_equal(rv_json_parse(arena, rv_str_of(world[i].json), &value, NULL), RV_OK);
        return value;
    }
    return NULL;
}

/* Result of `text` as canonical JSON, or the error's text after "error: ". Check must agree about syntax. */
static const char *result_of(const char *text)
{
    static char result[2048];
    rv_arena arena = {0};
    rv_buf out = {0};
    rv_error err = {0};
    const rv_json *value = NULL;
    resolved_count = 0;
    if (rv_expr_eval(&arena, rv_str_of(text), resolve, NULL, &value, &err) == RV_OK) {
        rv_json_write(&out, value, true);
        snprintf(result, sizeof result, "%s", out.at);
        assert_int_equal(rv_expr_check(rv_str_of(text), NULL, NULL, NULL, NULL), RV_OK);
    } else {
        assert_null(value);
        snprintf(result, sizeof result, "error: %s", err.text);
    }
    rv_buf_deinit(&out);
    rv_arena_deinit(&arena);
    return result;
}

static void expr__evaluates_the_operators_of_w13(void **state)
{
    (void)state;
    static const struct { const char *text, *result; } cases[] = {
        {"true", "true"},
        {"  null\n", "null"},
        {"'it\\'s'", "\"it's\""},
        {"\"\\ud83d\\ude00\\u00e9\\u20ac\" == '😀é€'", "true"},
        {"\"\\uD83D\\uDE00\\u00E9\" == '😀é'", "true"},
        {"'\\ufffd\\ud7ff\\ue000' == '\xef\xbf\xbd\xed\x9f\xbf\xee\x80\x80'", "true"},
        {"'$${x}'", "\"${x}\""},
        {"-1.50", "-1.5"},
        {"${a.map}", "{\"k\":1,\"l\":\"v\"}"},
        {"!true", "false"},
        {"!!${yes}", "true"},
        {"! ${a.count} == 3", "false"},
        {"${a.state} == 'failed'", "true"},
        {"${a.state} != \"failed\" || ${a.count} >= 3", "true"},
        {"true || false && false", "true"},
        {"(true || false) && false", "false"},
        {"1 == 1.0", "true"},
        {"1e2 == 100 && 100 == 0.1e3 && 0 == -0.0", "true"},
        {"${a.big} == 9007199254740992", "false"},
        {"${a.big} > 9007199254740992.5", "true"},
        {"-2 < -1 && -1 < 0 && 0 < 1e-400 && 1e400 > 9e399", "true"},
        {"1e99999999999999999999 > 1e9", "true"},
        {"'a' < 'b' && 'a' < 'aa' && 'Z' < 'a'", "true"},
        {"'a' == 1", "false"},
        {"null == false", "false"},
        {"${a.map} == ${a.map2}", "true"},
        {"1 in ${a.list} && null in ${a.list} && !('y' in ${a.list})", "true"},
        {"'ile' in ${a.state}", "true"},
        {"'' in ''", "true"},
        {"contains(${a.list}, 'x')", "true"},
        {"contains ( 'haystack' , \"sta\" )", "true"},
        {"startswith(${a.state}, 'fail')", "true"},
        {"startswith('a', 'ab')", "false"},
        {"contains((${a.names}), 'a' ) == false", "true"},
        {"${gone:-x}", "\"x\""},
        {"${gone:-}", "\"\""},
        {"${gone:-5} > 4", "true"},
        {"${gone:-01}", "\"01\""},
        {"${gone:-null} == null", "true"},
        {"${nothing:-x}", "\"x\""},
        {"${nothing}", "null"},
        {"${a.count:-x}", "3"},
        {"${gone:-a:-b}", "\"a:-b\""},
    };
    for (size_t i = 0; i < RV_COUNT(cases); i++) {
        const char *result = result_of(cases[i].text);
        if (strcmp(result, cases[i].result) != 0) fail_msg("%s: %s instead of %s", cases[i].text, result, cases[i].result);
    }
}

static void expr__what_the_left_side_decides_is_not_looked_up(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "false && ${gone}", "true || ${gone}", "true || ${gone} && ${gone} == 1 || !${gone}", "false && (${gone} || ${gone}) && ${gone}",
        "false && contains(${gone}, 1)", "true || 1 || 'x'", "(false && 5) == (false && 'x')",
    };
    for (size_t i = 0; i < RV_COUNT(cases); i++) {
        const char *result = result_of(cases[i]);
        if (strncmp(result, "error", 5) == 0) fail_msg("%s: %s", cases[i], result);
        assert_int_equal(resolved_count, 0);
    }
    assert_string_equal(result_of("false && ${gone} || ${yes}"), "true");
    assert_string_equal(result_of("(true || ${gone}) && ${no}"), "false");
}

static void expr__a_type_error_names_source_and_kind_but_no_value(void **state)
{
    (void)state;
    static const struct { const char *text, *part; } cases[] = {
        {"${a.state} && true", "offset 0: && needs true or false; ${a.state} is a string"},
        {"true && ${a.count}", "offset 8: && needs true or false; ${a.count} is a number"},
        {"false || null", "offset 9: || needs true or false; null is null"},
        {"!${a.map}", "offset 1: ! needs true or false; ${a.map} is an object"},
        {"1 < 'a'", "offset 0: < <= > >= need two numbers or two strings; 1 is a number and 'a' is a string"},
        {"1 < '7'", "offset 0: < <= > >= need two numbers or two strings; 1 is a number and '7' is a string; "
                    "a line key=value gives a string, JSON in $REEVE_OUTPUT a number"},
        {"'7' < 1", "offset 0: < <= > >= need two numbers or two strings; '7' is a string and 1 is a number; "
                    "a line key=value gives a string, JSON in $REEVE_OUTPUT a number"},
        {"true > false", "true is true and false is false"},
        {"1 in ${a.map}", "offset 5: in looks in an array or a string; ${a.map} is an object"},
        {"1 in 'a1'", "offset 0: in looks for a string in a string; 1 is a number"},
        {"contains('a1', 1)", "offset 15: contains() looks for a string"},
        {"startswith(${a.list}, 'x')", "offset 11: startswith() needs two strings; ${a.list} is an array"},
        {"true && ${gone}", "offset 8: ${gone} is missing"},
        {"(1 == 1) < (2)", "(1 == 1) is true and (2) is a number"},
    };
    for (size_t i = 0; i < RV_COUNT(cases); i++) {
        const char *result = result_of(cases[i].text);
        if (!strstr(result, cases[i].part)) fail_msg("%s: %s lacks: %s", cases[i].text, result, cases[i].part);
        assert_null(strstr(result, "failed")); /* a value, perhaps a secret */
        assert_int_equal(rv_expr_check(rv_str_of(cases[i].text), NULL, NULL, NULL, NULL), RV_OK);
    }
}

static void expr__a_syntax_error_says_where_and_what_was_expected(void **state)
{
    (void)state;
    static const struct { const char *text; size_t offset; const char *part; } cases[] = {
        {"", 0, "empty; expected a value"},
        {"  ", 2, "empty"},
        {"true &&", 7, "ends too early; expected a value"},
        {"&& true", 0, "unexpected '&&'; expected a value"},
        {"true true", 5, "unexpected 'true'; expected an operator or the end"},
        {"(true", 0, "( has no closing )"},
        {"true)", 4, "unexpected ')'"},
        {"(1, 2)", 2, "unexpected ','"},
        {"1 < 2 < 3", 6, "comparisons do not chain"},
        {"1 == !true", 5, "write (!…)"},
        {"${a", 0, "no closing }"},
        {"${}", 2, "reference is empty"},
        {"${:-x}", 2, "reference is empty"},
        {"${a b}", 3, "unexpected character in a reference"},
        {"${a\x7f}", 3, "unexpected character in a reference"},
        {"${a\"}", 3, "unexpected character in a reference"},
        {"${a$}", 3, "unexpected character in a reference"},
        {"${a:-${b}}", 5, "references do not nest"},
        {"$a", 0, "expected { after $"},
        {"'abc", 0, "no closing '"},
        {"'${a}'", 1, "inside quotes is not replaced"},
        {"'\\q'", 1, "unknown escape"},
        {"'\\ud800'", 1, "unknown escape"},
        {"'\\ud800\\u0041'", 1, "unknown escape"},
        {"'\\ud800\\ue000'", 1, "unknown escape"},
        {"'\\ud800\\u00Gz'", 1, "unknown escape"},
        {"true \x01", 5, "unexpected control character"},
        {"true \x7f", 5, "unexpected control character"},
        {"'a\x01'", 2, "write it as \\u0001"},
        {"01", 0, "not a number"},
        {"1.", 0, "not a number"},
        {"1.2.3", 0, "not a number"},
        {"3x", 0, "not a number"},
        {"a = 1", 0, "unknown word 'a'; a value is written ${a}"},
        {"1 = 1", 2, "write =="},
        {"true & true", 5, "write &&"},
        {"true | true", 5, "write ||"},
        {"true and true", 5, "unknown word 'and'; write &&"},
        {"not true", 0, "write !"},
        {"None", 0, "write null"},
        {"1 + 1", 2, "no arithmetic"},
        {"contain('a', 'b')", 0, "did you mean contains()"},
        {"matches('a', 'b')", 0, "there are contains() and startswith()"},
        {"contains('a')", 0, "takes 2 arguments"},
        {"contains('a', 'b', 'c')", 0, "takes 2 arguments"},
        {"contains()", 9, "expected a value"},
        {"contains", 0, "unknown word"},
        {"true # x", 5, "unexpected '#'"},
        {"true é", 5, "unexpected 'é'"},
        {"'\xff'", 1, "not valid UTF-8"},
    };
    for (size_t i = 0; i < RV_COUNT(cases); i++) {
        rv_error err = {0};
        size_t offset = SIZE_MAX;
        rv_status status = rv_expr_check(rv_str_of(cases[i].text), NULL, NULL, &offset, &err);
        if (status != RV_INVALID || offset != cases[i].offset || !strstr(err.text, cases[i].part))
            fail_msg("%s: %s at %zu: %s", cases[i].text, rv_status_name(status), offset, err.text);
        assert_int_equal(strncmp(result_of(cases[i].text), "error: offset", 13), 0);
    }
}

static void nest(rv_buf *out, const char *open, uint32_t count, const char *close)
{
    rv_buf_clear(out);
    for (uint32_t i = 0; i < count; i++) rv_buf_cstring(out, open);
    rv_buf_cstring(out, "true");
    for (uint32_t i = 0; i < count; i++) rv_buf_cstring(out, close);
}

static void expr__nesting_ends_at_64_and_flat_things_do_not_nest(void **state)
{
    (void)state;
    rv_buf text = {0};
    size_t offset = 0;
    nest(&text, "(", 64, ")");
    assert_int_equal(rv_expr_check(rv_buf_str(&text), NULL, NULL, NULL, NULL), RV_OK);
    nest(&text, "(", 65, ")");
    assert_int_equal(rv_expr_check(rv_buf_str(&text), NULL, NULL, &offset, NULL), RV_INVALID);
    assert_int_equal(offset, 64);
    nest(&text, "contains(", 64, ", 1)");
    assert_int_equal(rv_expr_check(rv_buf_str(&text), NULL, NULL, NULL, NULL), RV_OK);
    nest(&text, "!", 100001, "");
    assert_string_equal(result_of(text.at), "false");
    nest(&text, "true && ", 100000, "");
    assert_string_equal(result_of(text.at), "true");
    rv_buf_deinit(&text);
}

static void count_reference(void *user, rv_str path, bool has_default, size_t offset)
{
    rv_buf_printf(user, "%.*s%s@%zu ", RV_FMT(path), has_default ? "?" : "", offset);
}

static void expr__check_reports_every_reference_also_where_evaluation_would_not_look(void **state)
{
    (void)state;
    rv_buf out = {0};
    assert_int_equal(rv_expr_check(RV_STR("true || ${a.b} == contains(${c:-d}, !${e})"), count_reference, &out, NULL, NULL), RV_OK);
    assert_string_equal(out.at, "a.b@8 c?@27 e@37 ");
    rv_buf_deinit(&out);
}

/* --------------------------------------------------- the slow obvious twin */

#define TOKENS_MAX 96

typedef struct twin {
    const char *tokens[TOKENS_MAX + 1];
    uint32_t count, at;
    bool is_failed;
    rv_arena *arena;
} twin;

typedef struct node {
    char op; /* | & ! c(ompare) f(unction) v(alue) */
    const char *token;
    struct node *a, *b;
} node;

/* Literals with the JSON that they mean. */
static const struct { const char *token, *json; } literals[] = {
    {"true", "true"}, {"false", "false"}, {"null", "null"}, {"0", "0"}, {"-0.0", "0"}, {"1", "1"}, {"1.0", "1"}, {"3", "3"}, {"30e-1", "3"},
    {"2.5", "2.5"},
    {"'x'", "\"x\""}, {"\"x\"", "\"x\""}, {"'ab'", "\"ab\""}, {"'\\u0061b'", "\"ab\""}, {"''", "\"\""}, {"'fail'", "\"fail\""},
    {"${gone:-ab}", "\"ab\""}, {"${nothing:-3}", "3"}, {"${a.count:-7}", "3"},
    {"${yes}", "true"}, {"${no}", "false"}, {"${nothing}", "null"}, {"${a.state}", "\"failed\""}, {"${a.count}", "3"},
    {"${a.list}", "[1, \"x\", null, [2.0], true]"}, {"${a.names}", "[\"ab\", \"b\"]"}, {"${a.map}", "{\"k\": 1, \"l\": \"v\"}"},
    {"${a.map2}", "{\"l\": \"v\", \"k\": 1}"}, {"${gone}", NULL},
};

static bool token_is(const twin *t, const char *text) { return t->at < t->count && strcmp(t->tokens[t->at], text) == 0; }
static bool accept(twin *t, const char *text) { return token_is(t, text) && ++t->at; }

static node *new_node(twin *t, char op, const char *token, node *a, node *b)
{
    node *n = rv_arena_new(t->arena, node, 1);
    *n = (node){op, token, a, b};
    return n;
}

static node *parse_or(twin *t);

static node *parse_term(twin *t)
{
    const char *token = t->at < t->count ? t->tokens[t->at] : "";
    if (accept(t, "(")) {
        node *inner = parse_or(t);
        if (!accept(t, ")")) t->is_failed = true;
        return inner;
    }
    if (accept(t, "contains(") || accept(t, "startswith(")) {
        node *a = parse_or(t);
        if (!accept(t, ",")) t->is_failed = true;
        node *b = parse_or(t);
        if (!accept(t, ")")) t->is_failed = true;
        return new_node(t, 'f', token, a, b);
    }
    for (size_t i = 0; i < RV_COUNT(literals); i++)
        if (accept(t, literals[i].token)) return new_node(t, 'v', literals[i].json, NULL, NULL);
    t->is_failed = true;
    return NULL;
}

static node *parse_compare(twin *t)
{
    static const char *const operators[] = {"==", "!=", "<", "<=", ">", ">=", "in"};
    node *left = parse_term(t);
    for (size_t i = 0; i < RV_COUNT(operators) && !t->is_failed; i++)
        if (accept(t, operators[i])) return new_node(t, 'c', operators[i], left, parse_term(t));
    return left;
}

static node *parse_not(twin *t) { return accept(t, "!") ? new_node(t, '!', "", parse_not(t), NULL) : parse_compare(t); }

static node *parse_and(twin *t)
{
    node *left = parse_not(t);
    while (!t->is_failed && accept(t, "&&")) left = new_node(t, '&', "", left, parse_not(t));
    return left;
}

static node *parse_or(twin *t)
{
    if (t->is_failed) return NULL;
    node *left = parse_and(t);
    while (!t->is_failed && accept(t, "||")) left = new_node(t, '|', "", left, parse_and(t));
    return left;
}

static rv_json *value_of(rv_arena *arena, const char *json)
{
    rv_json *value = NULL;
    assert_int_equal(rv_json_parse(arena, rv_str_of(json), &value, NULL), RV_OK);
    return value;
}

static rv_json *walk(twin *t, const node *n);

static bool walk_bool(twin *t, const node *n)
{
    const rv_json *value = walk(t, n);
    if (!value || (value->kind != RV_JSON_TRUE && value->kind != RV_JSON_FALSE)) return t->is_failed = true, false;
    return value->kind == RV_JSON_TRUE;
}

static bool walk_in(twin *t, const rv_json *item, const rv_json *in)
{
    if (in->kind == RV_JSON_ARRAY) {
        for (const rv_json *child = in->child; child; child = child->next)
            if (rv_json_equal(child, item)) return true;
        return false;
    }
    if (in->kind != RV_JSON_STRING || item->kind != RV_JSON_STRING) return t->is_failed = true, false;
    for (size_t i = 0; i + item->text.size <= in->text.size; i++)
        if (rv_str_starts(rv_str_from(in->text, i), item->text)) return true;
    return item->text.size == 0;
}

static bool walk_compare(twin *t, const char *op, const rv_json *a, const rv_json *b)
{
    double x = 0, y = 0;
    if (!strcmp(op, "in")) return walk_in(t, a, b);
    if (!strcmp(op, "==")) return rv_json_equal(a, b);
    if (!strcmp(op, "!=")) return !rv_json_equal(a, b);
    if (a->kind == RV_JSON_STRING && b->kind == RV_JSON_STRING) x = rv_str_cmp(a->text, b->text);
    else if (!rv_json_double(a, &x) || !rv_json_double(b, &y)) return t->is_failed = true, false;
    if (!strcmp(op, "<")) return x < y;
    if (!strcmp(op, "<=")) return x <= y;
    if (!strcmp(op, ">")) return x > y;
    return x >= y;
}

static rv_json *walk(twin *t, const node *n)
{
    bool is_so = false;
    if (n->op == 'v') return n->token ? value_of(t->arena, n->token) : (t->is_failed = true, NULL);
    if (n->op == '!') is_so = !walk_bool(t, n->a);
    else if (n->op == '&') is_so = walk_bool(t, n->a) && !t->is_failed && walk_bool(t, n->b);
    else if (n->op == '|') is_so = walk_bool(t, n->a) || (!t->is_failed && walk_bool(t, n->b));
    else {
        const rv_json *a = walk(t, n->a), *b = t->is_failed ? NULL : walk(t, n->b);
        if (t->is_failed) return NULL;
        if (n->op == 'c') is_so = walk_compare(t, n->token, a, b);
        else if (n->token[0] == 'c') is_so = walk_in(t, b, a);
        else if (a->kind == RV_JSON_STRING && b->kind == RV_JSON_STRING) is_so = rv_str_starts(a->text, b->text);
        else t->is_failed = true;
    }
    return t->is_failed ? NULL : value_of(t->arena, is_so ? "true" : "false");
}

/* ------------------------------------------------------------- generator */

static void put(twin *t, const char *token)
{
    if (t->count < TOKENS_MAX) t->tokens[t->count++] = token;
}

/* An expression that mostly gives a boolean, so that most of them get past their first operator. */
static void generate(twin *t, uint64_t *rng, uint32_t depth, bool wants_bool)
{
    static const char *const booleans[] = {"true", "false", "${yes}", "${no}"};
    static const char *const operators[] = {"==", "!=", "<", "<=", ">", ">=", "in"};
    uint32_t pick = rv_rng_below(rng, depth == 0 ? 2 : 10);
    if (pick < 2 || !wants_bool) {
        bool is_any = !wants_bool || rv_rng_below(rng, 30) == 0;
        put(t, is_any ? literals[rv_rng_below(rng, RV_COUNT(literals))].token : booleans[rv_rng_below(rng, RV_COUNT(booleans))]);
    } else if (pick < 5) {
        generate(t, rng, depth - 1, true);
        put(t, rv_rng_below(rng, 2) ? "&&" : "||");
        generate(t, rng, depth - 1, true);
    } else if (pick == 5) {
        put(t, "!");
        generate(t, rng, depth - 1, true);
    } else if (pick == 6) {
        put(t, "(");
        generate(t, rng, depth - 1, true);
        put(t, ")");
    } else if (pick < 9) {
        generate(t, rng, depth - 1, false);
        put(t, operators[rv_rng_below(rng, RV_COUNT(operators))]);
        generate(t, rng, depth - 1, false);
    } else {
        put(t, rv_rng_below(rng, 2) ? "contains(" : "startswith(");
        generate(t, rng, depth - 1, false);
        put(t, ",");
        generate(t, rng, depth - 1, false);
        put(t, ")");
    }
}

static void mutate(twin *t, uint64_t *rng)
{
    uint32_t a = rv_rng_below(rng, t->count), b = rv_rng_below(rng, t->count);
    const char *token = t->tokens[a];
    switch (rv_rng_below(rng, 3)) {
    case 0:
        memmove(&t->tokens[a], &t->tokens[a + 1], (t->count - a - 1) * sizeof t->tokens[0]);
        t->count--;
        break;
    case 1: t->tokens[a] = t->tokens[b], t->tokens[b] = token; break;
    case 2: t->tokens[a] = t->tokens[b]; break;
    }
}

static void join(rv_buf *out, const twin *t, uint64_t *rng)
{
    static const char *const gaps[] = {" ", "  ", "\t", "\n", " \r\n"};
    rv_buf_clear(out);
    rv_buf_cstring(out, "");
    for (uint32_t i = 0; i < t->count; i++) {
        rv_buf_cstring(out, gaps[rv_rng_below(rng, RV_COUNT(gaps))]);
        rv_buf_cstring(out, t->tokens[i]);
    }
}

static void expr__agrees_with_a_recursive_evaluator(void **state)
{
    (void)state;
    const char *given = getenv("REEVE_TEST_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 0) : 20260701, rng = seed;
    uint32_t counts[2][2] = {{0}}; /* [syntax is right][a value came] */
    print_message("seed %llu\n", (unsigned long long)seed);
    rv_buf text = {0};
    for (uint32_t round = 0; round < 12000; round++) {
        rv_arena arena = {0};
        twin t = {.arena = &arena};
        generate(&t, &rng, 1 + rv_rng_below(&rng, 5), rv_rng_below(&rng, 8) != 0);
        for (uint32_t i = rv_rng_below(&rng, 4) ? 0 : 1 + rv_rng_below(&rng, 2); i > 0 && t.count > 0; i--) mutate(&t, &rng);
        join(&text, &t, &rng);

        node *tree = parse_or(&t);
        bool is_syntax_right = !t.is_failed && t.at == t.count;
        const rv_json *expected = is_syntax_right ? walk(&t, tree) : NULL, *got = NULL;
        rv_error err = {0};
        rv_status checked = rv_expr_check(rv_buf_str(&text), NULL, NULL, NULL, &err);
        if ((checked == RV_OK) != is_syntax_right)
            fail_msg("seed %llu round %u: check of %s: %s", (unsigned long long)seed, round, text.at, err.text);
        rv_status status = rv_expr_eval(&arena, rv_buf_str(&text), resolve, NULL, &got, &err);
        if ((status == RV_OK) != (expected != NULL) || (expected && !rv_json_equal(expected, got)))
            fail_msg("seed %llu round %u: %s: %s", (unsigned long long)seed, round, text.at, status == RV_OK ? "another value" : err.text);
        counts[is_syntax_right][expected != NULL]++;
        rv_arena_deinit(&arena);
    }
    rv_buf_deinit(&text);
    /* All three outcomes must be well represented, or the comparison proves little. */
    print_message("values %u, type errors %u, syntax errors %u\n", counts[1][1], counts[1][0], counts[0][0]);
    assert_true(counts[1][1] > 4000 && counts[1][0] > 1000 && counts[0][0] > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expr__evaluates_the_operators_of_w13),
        cmocka_unit_test(expr__what_the_left_side_decides_is_not_looked_up),
        cmocka_unit_test(expr__a_type_error_names_source_and_kind_but_no_value),
        cmocka_unit_test(expr__a_syntax_error_says_where_and_what_was_expected),
        cmocka_unit_test(expr__nesting_ends_at_64_and_flat_things_do_not_nest),
        cmocka_unit_test(expr__check_reports_every_reference_also_where_evaluation_would_not_look),
        cmocka_unit_test(expr__agrees_with_a_recursive_evaluator),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
