/* `${…}` in texts [W10–W12], and the subset of JSON Schema [W14]. */
#include "spec_help.h"
#include <ctype.h>
#include "kernel/template.h"

/* Values by path; what is not here is missing. */
static const struct {
    const char *path, *value;
} values[] = {{"user.k", "v"}, {"a.b", "${user.k}"}, {"a.n", NULL}, {"a.empty", ""}, {"n.artifact.report.html", "/x"}};

static rv_value_kind resolve(void *user, rv_str path, rv_buf *out, rv_error *err)
{
    *(int *)user += 1;
    for (size_t i = 0; i < RV_COUNT(values); i++)
        if (rv_str_is(path, values[i].path)) {
            if (values[i].value == NULL) return RV_VALUE_NULL;
            rv_buf_cstring(out, values[i].value);
            return RV_VALUE_TEXT;
        }
    (void)rv_error_set(err, RV_NOT_FOUND, "a has no such field");
    return RV_VALUE_MISSING;
}

static void render(const char *template_, bool null_is_error, const char *expected, rv_status status)
{
    rv_buf out = {0};
    rv_error err = {0};
    int calls = 0;
    assert_int_equal(rv_render(rv_str_of(template_), resolve, &calls, null_is_error, &out, &err), status);
    if (status == RV_OK) assert_str(rv_buf_str(&out), expected);
    else assert_string_equal(err.text, expected);
    rv_buf_deinit(&out);
}

static void template__references_are_replaced(void **state)
{
    render("", true, "", RV_OK);
    render("plain", true, "plain", RV_OK);
    render("<${user.k}>", true, "<v>", RV_OK);
    render("${user.k}${user.k}", true, "vv", RV_OK);
    render("${n.artifact.report.html}", true, "/x", RV_OK);
    render("${a.empty}", true, "", RV_OK);
}
static void template__a_value_is_not_scanned_again(void **state) { render("${a.b}", true, "${user.k}", RV_OK); } /* [W11] */
static void template__two_dollars_and_a_brace_are_a_literal(void **state)
{
    render("$${user.k}", true, "${user.k}", RV_OK);
    render("$$${user.k}", true, "$${user.k}", RV_OK);
    render("a$$b$c$", true, "a$$b$c$", RV_OK);
    render("$${", true, "${", RV_OK);
}
static void template__a_default_stands_for_null_and_missing(void **state)
{ /* [W10] */
    render("${a.n:-d}", true, "d", RV_OK);
    render("${a.none:-x y:-z}", true, "x y:-z", RV_OK);
    render("${a.none:-}", true, "", RV_OK);
    render("${a.empty:-d}", true, "", RV_OK);
}
static void template__null_fails_in_argv_only(void **state)
{ /* [W12] */
    render("<${a.n}>", false, "<>", RV_OK);
    render("<${a.n}>", true, "`${a.n}` is null; give a default with `${a.n:-…}`", RV_INVALID);
}
static void template__a_missing_value_is_named(void **state)
{
    render("${a.none}", false, "`${a.none}`: a has no such field", RV_INVALID);
}
static void template__what_is_no_reference_is_refused(void **state)
{
    render("${a", false, "`${` without its `}`", RV_INVALID);
    render("${}", false, "`${}` is not a reference", RV_INVALID);
    render("${a..b}", false, "`${a..b}` is not a reference", RV_INVALID);
    render("${a.}", false, "`${a.}` is not a reference", RV_INVALID);
    render("${.a}", false, "`${.a}` is not a reference", RV_INVALID);
    render("${a b}", false, "`${a b}` is not a reference", RV_INVALID);
    render("${a:b:c}", false, "`${a:b:c}` is not a reference", RV_INVALID);
    render("${a.b:c}", false, "`${a.b:c}` is not a reference", RV_INVALID);
    render("${a:}", false, "`${a:}` is not a reference", RV_INVALID);
    render("${:a.b}", false, "`${:a.b}` is not a reference", RV_INVALID);
    render("${a very long text of more than eighty letters that somebody has written between the two braces}", false,
           "`${a very long text of more than eighty letters that somebody has written between t}` is not a reference", RV_INVALID);
    for (int byte = 1; byte < 256; byte++) { /* the words of a path have letters, digits, _ and - */
        bool is_word = (byte < 128 && isalnum(byte)) || byte == '_' || byte == '-';
        char path[2] = {(char)byte, 0};
        assert_int_equal(rv_is_reference_path(rv_str_of(path)), is_word);
    }
}

static void note(void *user, rv_str path, bool has_default, size_t offset)
{
    rv_buf_printf(user, "%.*s%s@%zu ", RV_FMT(path), has_default ? "?" : "", offset);
}
static void template__references_are_listed_with_their_offsets(void **state)
{
    rv_buf out = {0};
    rv_error err = {0};
    size_t offset = 0;
    assert_int_equal(rv_template_references(RV_STR("x ${a.b} $${no} ${c:-d}"), note, &out, &offset, &err), RV_OK);
    assert_str(rv_buf_str(&out), "a.b@2 c?@16 ");
    assert_int_equal(rv_template_references(RV_STR("ab ${a.b} ${"), note, &out, &offset, &err), RV_INVALID);
    assert_int_equal(offset, 10);
    assert_int_equal(rv_template_references(RV_STR("ab ${a.b} ${"), NULL, NULL, NULL, &err), RV_INVALID);
    assert_int_equal(rv_template_references(RV_STR("ab ${a.b} $${"), NULL, NULL, NULL, &err), RV_OK);
    rv_buf_deinit(&out);
}

/* A slow twin: read one byte at a time, never look ahead by search. */
static void template__literals_agree_with_a_slow_twin(void **state)
{
    static const char letters[] = "$${}a.:-";
    uint64_t rng = 7;
    for (int round = 0; round < 20000; round++) {
        char text[16];
        size_t size = rv_rng_below(&rng, 12), at = 0, references = 0;
        for (size_t i = 0; i < size; i++) text[i] = letters[rv_rng_below(&rng, sizeof letters - 1)];
        bool is_right = true;
        while (at < size && is_right) { /* the twin counts references and finds the first wrong one */
            if (at + 2 < size && text[at] == '$' && text[at + 1] == '$' && text[at + 2] == '{') at += 3;
            else if (at + 1 < size && text[at] == '$' && text[at + 1] == '{') {
                size_t close = at + 2, end;
                while (close < size && text[close] != '}') close++;
                for (end = at + 2; end < close && !(end + 1 < close && text[end] == ':' && text[end + 1] == '-'); end++) {}
                is_right = close < size && rv_is_reference_path((rv_str){text + at + 2, end - at - 2});
                references++;
                at = close + 1;
            } else at++;
        }
        rv_buf out = {0};
        rv_error err = {0};
        size_t offset;
        rv_status status = rv_template_references((rv_str){text, size}, note, &out, &offset, &err);
        assert_int_equal(status, is_right ? RV_OK : RV_INVALID);
        size_t seen = 0;
        for (size_t i = 0; i < out.size; i++) seen += out.at[i] == '@';
        assert_int_equal(seen + !is_right, references);
        rv_buf_deinit(&out);
    }
}

/* ---- schemas ---- */

static const struct {
    const char *schema, *value, *violations;
} schemas[] = {
    {"{}", "{\"a\":[1]}", ""},
    {"{\"type\":\"object\"}", "[]", "/: wants \"object\", is array\n"},
    {"{\"type\":[\"string\",\"null\"]}", "null", ""},
    {"{\"type\":\"integer\"}", "1.0", ""},
    {"{\"type\":\"integer\"}", "1.5", "/: wants \"integer\", is number\n"},
    {"{\"type\":\"number\"}", "1", ""},
    {"{\"type\":\"integer\"}", "1e30", ""},
    {"{\"enum\":[1,\"a\",{\"b\":[]}]}", "{\"b\":[]}", ""},
    {"{\"enum\":[1,2]}", "3", "/: is none of [1,2]\n"},
    {"{\"const\":true}", "false", "/: is not true\n"},
    {"{\"minimum\":1,\"maximum\":2}", "0.5", "/: is less than 1\n"},
    {"{\"minimum\":1,\"maximum\":2}", "2.5", "/: is more than 2\n"},
    {"{\"minLength\":2,\"maxLength\":3}", "\"\\u00e4\\u00f6\"", ""},
    {"{\"minLength\":2}", "\"\\u00e4\"", "/: has 1 characters, 2 are the least\n"},
    {"{\"maxItems\":1}", "[1,2]", "/: has 2 items, 1 are the most\n"},
    {"{\"items\":{\"type\":\"string\"}}", "[\"a\",1]", "/1: wants \"string\", is integer\n"},
    {"{\"required\":[\"a\",\"b\"]}", "{\"a\":1}", "/: has no `b`\n"},
    {"{\"properties\":{\"a\":{\"properties\":{\"x/y\":{\"type\":\"null\"}}}}}", "{\"a\":{\"x/y\":1}}",
     "/a/x~1y: wants \"null\", is integer\n"},
    {"{\"properties\":{\"a\":{}},\"additionalProperties\":false}", "{\"a\":1,\"b\":2}", "/: `b` is not allowed\n"},
    {"{\"properties\":{\"a\":{}},\"additionalProperties\":{\"type\":\"string\"}}", "{\"a\":1,\"b\":2}",
     "/b: wants \"string\", is integer\n"},
    {"{\"minimum\":5,\"minLength\":5,\"required\":[\"a\"]}", "[]", ""}, /* keywords speak of their own type only */
};

static void schema__subset_is_checked(void **state)
{
    for (size_t i = 0; i < RV_COUNT(schemas); i++) {
        rv_arena arena = {0};
        rv_json *schema = NULL, *value = NULL;
        rv_buf out = {0};
        assert_int_equal(rv_json_parse(&arena, rv_str_of(schemas[i].schema), &schema, NULL), RV_OK);
        assert_int_equal(rv_json_parse(&arena, rv_str_of(schemas[i].value), &value, NULL), RV_OK);
        assert_int_equal(rv_schema_check(schema, value, &out), schemas[i].violations[0] == 0);
        assert_str(rv_buf_str(&out), schemas[i].violations);
        rv_buf_deinit(&out);
        rv_arena_deinit(&arena);
    }
}

static void schema__ten_violations_are_listed(void **state)
{
    rv_arena arena = {0};
    rv_json *schema = NULL, *value = NULL;
    rv_buf out = {0}, many = {0};
    rv_buf_cstring(&many, "[0");
    for (int i = 0; i < 1000; i++) rv_buf_cstring(&many, ",0");
    rv_buf_byte(&many, ']');
    assert_int_equal(rv_json_parse(&arena, RV_STR("{\"items\":{\"type\":\"string\"}}"), &schema, NULL), RV_OK);
    assert_int_equal(rv_json_parse(&arena, rv_buf_str(&many), &value, NULL), RV_OK);
    assert_false(rv_schema_check(schema, value, &out));
    uint32_t lines = 0;
    for (size_t i = 0; i < out.size; i++) lines += out.at[i] == '\n';
    assert_int_equal(lines, 10);
    rv_buf_deinit(&out);
    rv_buf_deinit(&many);
    rv_arena_deinit(&arena);
}

#define T(name_) cmocka_unit_test(name_)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(template__references_are_replaced),
        T(template__a_value_is_not_scanned_again),
        T(template__two_dollars_and_a_brace_are_a_literal),
        T(template__a_default_stands_for_null_and_missing),
        T(template__null_fails_in_argv_only),
        T(template__a_missing_value_is_named),
        T(template__what_is_no_reference_is_refused),
        T(template__references_are_listed_with_their_offsets),
        T(template__literals_agree_with_a_slow_twin),
        T(schema__subset_is_checked),
        T(schema__ten_violations_are_listed),
    };
    return cmocka_run_group_tests_name("spec template", tests, NULL, NULL);
}
