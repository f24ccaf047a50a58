/* test_base_json.c: the reader (what is JSON and what is not, and where it breaks) and the tree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/util.h"

/* The text in memory that ends where the text ends, so that a sanitizer sees a read past it. */
static rv_str exact_copy(rv_str text)
{
    char *at = malloc(text.size ? text.size : 1);
    assert_non_null(at);
    if (text.size) memcpy(at, text.at, text.size);
    return (rv_str){at, text.size};
}

/* Last token of the text: END or ERROR. */
static rv_json_token read_all(rv_json_reader *reader, rv_str text)
{
    rv_json_reader_init(reader, text);
    rv_json_token token;
    do token = rv_json_next(reader);
    while (token != RV_JSON_T_END && token != RV_JSON_T_ERROR);
    assert_int_equal(rv_json_next(reader), token); /* both last for ever */
    return token;
}

static bool is_json(rv_str text)
{
    rv_json_reader reader;
    rv_str copy = exact_copy(text);
    bool accepted = read_all(&reader, copy) == RV_JSON_T_END;
    free((void *)(uintptr_t)copy.at);
    return accepted;
}

/* Offset of the error that is in `text`. */
static size_t error_offset(rv_str text)
{
    rv_json_reader reader;
    rv_str copy = exact_copy(text);
    rv_json_token token = read_all(&reader, copy);
    free((void *)(uintptr_t)copy.at);
    if (token != RV_JSON_T_ERROR) fail_msg("accepted: %.*s", RV_FMT(text));
    assert_non_null(reader.error);
    return reader.offset;
}

static void reader__accepts_what_the_grammar_allows(void **state)
{
    static const char *const texts[] = {
        "0", "-0", "10", "-1.5", "1e3", "1E+3", "0.5e-3", "\"\"", "true", "false", "null", " \t\r\n1 \t\r\n", "[]", "{}", "[ ]", "{ }",
        "[[],{},[1]]", "{\"\":0}", "{\"a\":{\"b\":[]}}", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\\uABcd\"", "\"\\ud83d\\ude00\"", "\"\x7f\"",
        "\"\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\"",
        "[1,2,3]", "{\"a\":1 , \"b\" : 2}", "\"abcdefghijklmnopqrstuvwxyz0123456789\"",
    };
    for (size_t i = 0; i < RV_COUNT(texts); i++)
        if (!is_json(rv_str_of(texts[i]))) fail_msg("refused: %s", texts[i]);
}

static void reader__refuses_everything_else_at_its_byte(void **state)
{
    static const struct { const char *text; size_t offset; } rows[] = {
        {"", 0}, {"  ", 2}, {"01", 0}, {"-", 1}, {"-a", 1}, {"+1", 0}, {".5", 0}, {"1.", 2}, {"1.e3", 2}, {"1e", 2}, {"1e+", 3}, {"-01", 1},
        {"0x1", 1}, {"1 2", 2}, {"nul", 0}, {"nulll", 4}, {"True", 0}, {"NaN", 0}, {"Infinity", 0}, {"-Infinity", 1},
        {"'a'", 0}, {"[1,]", 3},
        {"[,1]", 1}, {"[1 2]", 3}, {"[1", 2}, {"[", 1}, {"]", 0}, {"[}", 1}, {"{]", 1}, {"{1:2}", 1}, {"{a:1}", 1}, {"{\"a\"}", 4},
        {"{\"a\":}", 5}, {"{\"a\":1,}", 7}, {"{\"a\":1]", 6}, {"{\"a\" 1}", 5}, {"{\"a\":1", 6}, {"{\"a\"", 4}, {"[1}", 2},
        {"1]", 1}, {"{}{}", 2},
        {"\"", 1}, {"\"a", 2}, {"\"\\", 1}, {"\"\\x\"", 1}, {"\"\\u12\"", 1}, {"\"\\u12G4\"", 1}, {"\"\\ud800\"", 1}, {"\"\\ude00\"", 1},
        {"\"\\ud800\\u0041\"", 1}, {"\"\\ud800\\ud800\"", 1}, {"\"ab\\ud83d\"", 3}, {"\"a\x01\"", 2}, {"\"a\n\"", 2}, {"\"\t\"", 1},
        {"\"0123456789abcdef\x1f\"", 17}, {"\xef\xbb\xbf{}", 0}, {"[1]\x0b", 3}, {"//\n1", 0}, {"[1,/**/2]", 3}, {"{\"a\":1 \"b\":2}", 7},
    };
    for (size_t i = 0; i < RV_COUNT(rows); i++) {
        size_t offset = error_offset(rv_str_of(rows[i].text));
        if (offset != rows[i].offset) fail_msg("%s: byte %zu, not %zu", rows[i].text, offset, rows[i].offset);
    }
    assert_int_equal(error_offset(RV_STR("[1\0]")), 2);
    assert_int_equal(error_offset(RV_STR("\"a\0\"")), 2);
}

static void reader__refuses_invalid_utf8_wherever_it_stands(void **state)
{
    static const char *const bad[] = {
        "\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2\x41", "\xe0\x9f\xbf", "\xe1\x80", "\xed\xa0\x80", "\xed\xbf\xbf",
        "\xf0\x8f\xbf\xbf",
        "\xf1\x80\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\xfe",
    };
    for (size_t i = 0; i < RV_COUNT(bad); i++)
        for (size_t lead = 0; lead < 40; lead++) { /* in every lane of the scanning loops */
            char text[80];
            int size = snprintf(text, sizeof text, "\"%.*s%s\"", (int)lead, "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz", bad[i]);
            assert_int_equal(error_offset((rv_str){text, (size_t)size}), lead + 1);
        }
}

static void reader__sees_every_special_byte_in_every_lane(void **state)
{
    char text[66];
    for (size_t size = 0; size <= 64; size++)
        for (size_t at = 0; at < size; at++)
            for (int byte = 0; byte < 256; byte++) {
                memset(text, 'x', sizeof text);
                text[0] = text[size + 1] = '"';
                text[at + 1] = (char)byte;
                bool plain = byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
                rv_json_reader reader;
                assert_int_equal(read_all(&reader, (rv_str){text, size + 2}) == RV_JSON_T_END, plain);
            }
}

static void reader__gives_tokens_with_offsets_and_raw_text(void **state)
{
    static const struct { rv_json_token token; size_t offset; const char *text; } rows[] = {
        {RV_JSON_T_OBJECT_BEGIN, 1, NULL}, {RV_JSON_T_KEY, 2, "k\\n"}, {RV_JSON_T_ARRAY_BEGIN, 10, NULL}, {RV_JSON_T_NUMBER, 11, "-1.5e3"},
        {RV_JSON_T_STRING, 18, "s"}, {RV_JSON_T_TRUE, 22, NULL}, {RV_JSON_T_FALSE, 27, NULL}, {RV_JSON_T_NULL, 33, NULL},
        {RV_JSON_T_ARRAY_END, 37, NULL}, {RV_JSON_T_OBJECT_END, 38, NULL}, {RV_JSON_T_END, 40, NULL},
    };
    rv_json_reader reader;
    rv_json_reader_init(&reader, RV_STR(" {\"k\\n\" : [-1.5e3,\"s\",true,false,null]}  "));
    for (size_t i = 0; i < RV_COUNT(rows); i++) {
        assert_int_equal(rv_json_next(&reader), rows[i].token);
        if (rows[i].token != RV_JSON_T_END) assert_int_equal(reader.offset, rows[i].offset);
        if (rows[i].text) assert_true(rv_str_is(reader.text, rows[i].text));
        if (rows[i].token == RV_JSON_T_KEY) assert_true(reader.has_escapes);
        if (rows[i].token == RV_JSON_T_STRING) assert_false(reader.has_escapes);
    }
}

static void nest(rv_buf *buf, int depth, bool objects)
{
    for (int i = 0; i < depth; i++) rv_buf_cstring(buf, objects ? "{\"a\":" : "[");
    rv_buf_byte(buf, '1');
    for (int i = 0; i < depth; i++) rv_buf_byte(buf, objects ? '}' : ']');
}

static void reader__allows_64_levels_and_not_65(void **state)
{
    for (int objects = 0; objects < 2; objects++)
        for (int depth = 1; depth <= 66; depth++) {
            rv_buf buf = {0};
            nest(&buf, depth, objects);
            assert_int_equal(is_json(rv_buf_str(&buf)), depth <= RV_JSON_DEPTH_MAX);
            rv_arena arena = {0};
            rv_json *tree = NULL;
            rv_error err;
            rv_status status = rv_json_parse(&arena, rv_buf_str(&buf), &tree, &err);
            assert_int_equal(status, depth <= RV_JSON_DEPTH_MAX ? RV_OK : RV_INVALID);
            if (status == RV_OK) {
                rv_buf text = {0};
                rv_json_write(&text, tree, objects);
                assert_string_equal(text.at, buf.at);
                assert_true(rv_json_equal(tree, tree));
                rv_buf_deinit(&text);
            }
            rv_arena_deinit(&arena);
            rv_buf_deinit(&buf);
        }
}

static void reader__every_truncation_is_an_error(void **state)
{
    const rv_str text = RV_STR("{\"name\\u00e9\\ud83d\\ude00 with a tail of some length\":"
                               "[1,-2.5e10,true,false,null,\"\xe2\x82\xac\xf0\x9f\x98\x80\"],"
                               "\"o\":{\"a\":{},\"b\":[]},\"\":0}");
    assert_true(is_json(text));
    for (size_t size = 0; size < text.size; size++) {
        rv_str copy = exact_copy(rv_str_cut(text, 0, size));
        rv_json_reader reader;
        assert_int_equal(read_all(&reader, copy), RV_JSON_T_ERROR);
        assert_true(reader.offset <= size);
        rv_arena arena = {0};
        rv_json *tree = NULL;
        rv_error err;
        assert_int_equal(rv_json_parse(&arena, copy, &tree, &err), RV_INVALID);
        assert_null(tree);
        rv_arena_deinit(&arena);
        free((void *)(uintptr_t)copy.at);
    }
}

/* ---- tree ---- */

typedef struct fixture {
    rv_arena arena;
    rv_json *tree;
    rv_error err;
} fixture;

static rv_json *parse(fixture *f, const char *text)
{
    rv_error err;
    rv_json *tree = NULL;
    if (rv_json_parse(&f->arena, rv_str_of(text), &tree, &err) != RV_OK) fail_msg("%s: %s", text, err.text);
    return tree;
}

static int set_up(void **state) { return (*state = calloc(1, sizeof(fixture))) ? 0 : -1; }
static int tear_down(void **state)
{
    rv_arena_deinit(&((fixture *)*state)->arena);
    free(*state);
    return 0;
}

static void tree__holds_decoded_strings_and_offsets(void **state)
{
    const rv_json *tree = parse(*state, "{\"a\\u0062\": [10, \"\\u20ac\\ud83d\\ude00\\u0000\\n\\/x\"]}");
    assert_int_equal(tree->count, 1);
    const rv_json *list = rv_json_get(tree, RV_STR("ab"));
    assert_non_null(list);
    assert_int_equal(list->offset, 12);
    assert_int_equal(rv_json_at(list, 0)->offset, 13);
    assert_true(rv_str_eq(rv_json_at(list, 1)->text, RV_STR("\xe2\x82\xac\xf0\x9f\x98\x80\0\n/x")));
    assert_null(rv_json_at(list, 2));
    assert_null(rv_json_at(tree, 0));
    assert_null(rv_json_get(list, RV_STR("ab")));
    assert_null(rv_json_get(NULL, RV_STR("ab")));
    assert_null(rv_json_get(tree, RV_STR("")));
}

static void tree__duplicate_keys_are_errors_at_the_second(void **state)
{
    fixture *f = *state;
    static const char *const twice[] = {"{\"a\":1,\"a\":2}", "{\"a\":1,\"b\":1,\"\\u0061\":2}", "[{\"x\":{\"\":1,\"\":2}}]"};
    for (size_t i = 0; i < RV_COUNT(twice); i++) {
        assert_int_equal(rv_json_parse(&f->arena, rv_str_of(twice[i]), &f->tree, &f->err), RV_INVALID);
        assert_non_null(strstr(f->err.text, "twice"));
    }
    assert_int_equal(rv_json_parse(&f->arena, RV_STR("{\"a\":1,\"a\":22}"), &f->tree, &f->err), RV_INVALID);
    assert_non_null(strstr(f->err.text, "byte 11:"));
    parse(f, "{\"a\":{\"a\":1},\"b\":{\"a\":2}}"); /* one in each object is none twice */
}

static void tree__large_objects_find_every_key_and_duplicates_anywhere(void **state)
{
    fixture *f = *state;
    for (uint32_t count = 1; count <= 40; count++) {
        for (uint32_t twin = 0; twin <= count; twin++) { /* the last key repeats key `twin`; == count: none */
            rv_buf buf = {0};
            rv_buf_byte(&buf, '{');
            for (uint32_t i = 0; i < count; i++) rv_buf_printf(&buf, "\"k%u\":%u,", i, i);
            rv_buf_printf(&buf, "\"k%u\":0}", twin);
            assert_int_equal(rv_json_parse(&f->arena, rv_buf_str(&buf), &f->tree, &f->err), twin < count ? RV_INVALID : RV_OK);
            for (uint32_t i = 0; twin == count && i < count; i++) {
                char key[16];
                int64_t value;
                snprintf(key, sizeof key, "k%u", i);
                assert_true(rv_json_i64(rv_json_get(f->tree, rv_str_of(key)), &value));
                assert_int_equal(value, i);
            }
            if (twin == count) assert_null(rv_json_get(f->tree, RV_STR("k")));
            rv_buf_deinit(&buf);
            rv_arena_clear(&f->arena);
        }
    }
}

static void numbers__are_exact_integers_or_refused(void **state)
{
    static const struct { const char *text; bool is_integer; int64_t value; } rows[] = {
        {"0", true, 0}, {"-0", true, 0}, {"-0.0e5", true, 0}, {"0e999999999999999999999", true, 0}, {"1", true, 1},
        {"1.0", true, 1}, {"1e3", true, 1000},
        {"1.5e1", true, 15}, {"1500e-2", true, 15}, {"1.50", false, 0}, {"1e-1", false, 0}, {"0.1", false, 0},
        {"1e18", true, 1000000000000000000},
        {"9223372036854775807", true, INT64_MAX}, {"9223372036854775808", false, 0}, {"-9223372036854775808", true, INT64_MIN},
        {"-9223372036854775809", false, 0}, {"9223372036854775807.000", true, INT64_MAX}, {"922337203685477580.7e1", true, INT64_MAX},
        {"922337203685477580.8e1", false, 0}, {"9007199254740993", true, 9007199254740993}, {"1e19", false, 0},
        {"18446744073709551616", false, 0},
        {"99999999999999999999", false, 0}, {"1e999999999999999999999999", false, 0}, {"1e-999999999999999999999999", false, 0},
        {"0.000000000000000000000000000001e30", true, 1}, {"100000000000000000000000000000000e-30", true, 100}, {"-12e0", true, -12},
    };
    for (size_t i = 0; i < RV_COUNT(rows); i++) {
        int64_t value = 77;
        if (rv_json_i64(parse(*state, rows[i].text), &value) != rows[i].is_integer) fail_msg("%s", rows[i].text);
        assert_true(value == (rows[i].is_integer ? rows[i].value : 77));
    }
    int64_t value = 77;
    assert_false(rv_json_i64(parse(*state, "\"1\""), &value));
    assert_false(rv_json_i64(NULL, &value));
}

static void numbers__as_doubles_equal_libc(void **state)
{
    static const char *const texts[] = {
        "0", "0.1", "1e22", "1e23", "123456789012345", "1234567890123456", "9007199254740993", "0.3", "5e-324",
        "2.4703282292062327e-324", "2.5e-324",
        "1.7976931348623157e308", "2.2250738585072011e-308", "2.2250738585072014e-308", "179769313486231570000e288", "1e-400",
        "6.02214076e23",
        ("0.000000000000000000000000000000000000000000000000000000000000000000"
         "000000000000000000000000000000000000000000000000000000000000001"),
    };
    for (size_t i = 0; i < RV_COUNT(texts); i++) {
        double value = -1;
        assert_true(rv_json_double(parse(*state, texts[i]), &value));
        if (value != strtod(texts[i], NULL)) fail_msg("%s: %a", texts[i], value);
    }
    double value = -1;
    assert_false(rv_json_double(parse(*state, "1e309"), &value));
    assert_false(rv_json_double(parse(*state, "-1.7976931348623159e308"), &value));
    assert_false(rv_json_double(parse(*state, "true"), &value));
    assert_true(value == -1);
}

static void equal__compares_values_not_their_texts(void **state)
{
    static const struct { const char *a, *b; bool equal; } rows[] = {
        {"1", "1.0", true}, {"1e2", "100", true}, {"-0", "0.000", true}, {"1e400", "10e399", true}, {"1e400", "1e401", false},
        {"100e99999999999999999", "1e99999999999999999999999", true}, {"1e99999999999999999", "1e-99999999999999999", false},
        {"9007199254740992", "9007199254740993", false}, {"0.1", "0.10000000000000001", false}, {"-1", "1", false},
        {"\"\\u0061\"", "\"a\"", true},
        {"\"a\"", "\"b\"", false}, {"true", "false", false}, {"null", "0", false}, {"[1,2]", "[1,2]", true}, {"[1,2]", "[2,1]", false},
        {"[1]", "[1,1]", false}, {"[]", "{}", false}, {"{\"a\":1,\"b\":[{}]}", "{\"b\":[{}],\"a\":1e0}", true},
        {"{\"a\":1}", "{\"b\":1}", false},
        {"{\"a\":1,\"b\":2}", "{\"a\":1,\"c\":2}", false}, {"{\"a\":{\"x\":1,\"y\":2},\"b\":3}", "{\"b\":3,\"a\":{\"y\":2,\"x\":1}}", true},
        {"[[1],[2,[3]]]", "[[1],[2,[4]]]", false}, {"{\"a\":[]}", "{\"a\":{}}", false},
    };
    for (size_t i = 0; i < RV_COUNT(rows); i++) {
        const rv_json *a = parse(*state, rows[i].a), *b = parse(*state, rows[i].b);
        if (rv_json_equal(a, b) != rows[i].equal || rv_json_equal(b, a) != rows[i].equal) fail_msg("%s and %s", rows[i].a, rows[i].b);
    }
    assert_true(rv_json_equal(NULL, NULL));
    assert_false(rv_json_equal(NULL, parse(*state, "null")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reader__accepts_what_the_grammar_allows),
        cmocka_unit_test(reader__refuses_everything_else_at_its_byte),
        cmocka_unit_test(reader__refuses_invalid_utf8_wherever_it_stands),
        cmocka_unit_test(reader__sees_every_special_byte_in_every_lane),
        cmocka_unit_test(reader__gives_tokens_with_offsets_and_raw_text),
        cmocka_unit_test(reader__allows_64_levels_and_not_65),
        cmocka_unit_test(reader__every_truncation_is_an_error),
        cmocka_unit_test_setup_teardown(tree__holds_decoded_strings_and_offsets, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tree__duplicate_keys_are_errors_at_the_second, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tree__large_objects_find_every_key_and_duplicates_anywhere, set_up, tear_down),
        cmocka_unit_test_setup_teardown(numbers__are_exact_integers_or_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(numbers__as_doubles_equal_libc, set_up, tear_down),
        cmocka_unit_test_setup_teardown(equal__compares_values_not_their_texts, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
