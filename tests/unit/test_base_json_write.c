/* test_base_json_write.c: the writer, and random trees there and back under a printed seed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/util.h"

static uint64_t seed_of_run(void)
{
    const char *text = getenv("RV_SEED");
    uint64_t seed = text ? strtoull(text, NULL, 0) : 20260131;
    print_message("RV_SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

static void write_sample(rv_json_writer *w)
{
    rv_jw_object(w);
    rv_jw_kv_str(w, "name", RV_STR("a\"b"));
    rv_jw_key(w, "list");
    rv_jw_array(w);
    rv_jw_i64(w, INT64_MIN);
    rv_jw_u64(w, UINT64_MAX);
    rv_jw_double(w, 0.5);
    rv_jw_bool(w, true);
    rv_jw_null(w);
    rv_jw_cstring(w, NULL);
    rv_jw_raw(w, RV_STR("{}"));
    rv_jw_array_end(w);
    rv_jw_key_str(w, RV_STR("empty"));
    rv_jw_object(w);
    rv_jw_object_end(w);
    rv_jw_kv_bool(w, "done", false);
    rv_jw_kv_i64(w, "n", -1);
    rv_jw_kv_cstring(w, "s", "x");
    rv_jw_object_end(w);
}

static void writer__keeps_commas_and_nesting(void **state)
{
    rv_buf buf = {0};
    rv_json_writer w;
    rv_json_writer_init(&w, &buf, 0);
    write_sample(&w);
    assert_string_equal(buf.at, "{\"name\":\"a\\\"b\",\"list\":[-9223372036854775808,18446744073709551615,0.5,true,null,null,{}],"
                                "\"empty\":{},\"done\":false,\"n\":-1,\"s\":\"x\"}");
    rv_buf_clear(&buf);
    rv_json_writer_init(&w, &buf, 2);
    write_sample(&w);
    assert_string_equal(buf.at,
        "{\n  \"name\": \"a\\\"b\",\n  \"list\": [\n    -9223372036854775808,\n    18446744073709551615,\n    0.5,\n"
        "    true,\n    null,\n    null,\n    {}\n  ],\n  \"empty\": {},\n"
        "  \"done\": false,\n  \"n\": -1,\n  \"s\": \"x\"\n}");
    rv_buf_deinit(&buf);
}

static const char *quoted(rv_buf *buf, rv_str text)
{
    rv_buf_clear(buf);
    rv_json_quote(buf, text);
    return buf->at;
}

static void quote__escapes_what_must_be_and_replaces_what_is_not_utf8(void **state)
{
    rv_buf buf = {0};
    assert_string_equal(quoted(&buf, (rv_str){0}), "\"\"");
    assert_string_equal(quoted(&buf, RV_STR("\"\\/\b\f\n\r\t\0\x1f\x7f")), "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u001f\x7f\"");
    assert_string_equal(quoted(&buf, RV_STR("caf\xc3\xa9 \xf0\x9f\x98\x80")), "\"caf\xc3\xa9 \xf0\x9f\x98\x80\"");
    assert_string_equal(quoted(&buf, RV_STR("a\xff\xc3")), "\"a\xef\xbf\xbd\xef\xbf\xbd\"");
    assert_string_equal(quoted(&buf, RV_STR("\xed\xa0\x80")), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
    rv_buf_deinit(&buf);
}

static void quote__of_any_bytes_is_json_and_of_valid_text_is_the_text(void **state)
{
    uint64_t rng = seed_of_run();
    rv_buf buf = {0}, back = {0};
    char text[80];
    for (int i = 0; i < 30000; i++) {
        size_t size = rv_rng_below(&rng, sizeof text);
        for (size_t k = 0; k < size; k++) text[k] = (char)(rv_rng_below(&rng, 4) ? 'a' + rv_rng_below(&rng, 26) : rv_rng_below(&rng, 256));
        bool valid = rv_utf8_valid((rv_str){text, size}) == size;
        quoted(&buf, (rv_str){text, size});
        rv_json_reader reader;
        rv_json_reader_init(&reader, rv_buf_str(&buf));
        assert_int_equal(rv_json_next(&reader), RV_JSON_T_STRING);
        rv_buf_clear(&back);
        rv_json_unescape(&back, reader.text);
        if (valid) assert_true(rv_str_eq(rv_buf_str(&back), (rv_str){text, size}));
        assert_int_equal(rv_json_next(&reader), RV_JSON_T_END);
    }
    rv_buf_deinit(&buf);
    rv_buf_deinit(&back);
}

static const char *double_text(rv_buf *buf, double value)
{
    rv_json_writer w;
    rv_buf_clear(buf);
    rv_json_writer_init(&w, buf, 0);
    rv_jw_double(&w, value);
    return buf->at;
}

static void doubles__have_their_shortest_text(void **state)
{
    static const struct { double value; const char *text; } rows[] = {
        {0, "0"}, {-0.0, "-0"}, {1, "1"}, {-1.5, "-1.5"}, {0.1, "0.1"}, {1.0 / 3, "0.3333333333333333"}, {100, "100"},
        {1e20, "100000000000000000000"},
        {1e21, "1e+21"}, {1.5e300, "1.5e+300"}, {1e-6, "0.000001"}, {1e-7, "1e-7"}, {5e-324, "5e-324"},
        {1.7976931348623157e308, "1.7976931348623157e+308"},
        {2.2250738585072014e-308, "2.2250738585072014e-308"}, {9007199254740993.0, "9007199254740992"}, {5e-323, "5e-323"}, {1e23, "1e+23"},
        {0.1 + 0.2, "0.30000000000000004"}, {9.5367431640625e-7, "9.5367431640625e-7"},
    };
    rv_buf buf = {0};
    for (size_t i = 0; i < RV_COUNT(rows); i++) assert_string_equal(double_text(&buf, rows[i].value), rows[i].text);
    assert_string_equal(double_text(&buf, (double)NAN), "null");
    assert_string_equal(double_text(&buf, (double)INFINITY), "null");
    rv_buf_deinit(&buf);
}

static size_t count_digits(const char *text)
{
    size_t count = 0, zeros = 0;
    for (; *text && *text != 'e'; text++) {
        if (*text < '0' || *text > '9' || (count == 0 && *text == '0')) continue;
        count++;
        zeros = *text == '0' ? zeros + 1 : 0;
    }
    return count - zeros;
}

static void check_double(rv_buf *buf, double value)
{
    const char *text = double_text(buf, value);
    assert_true(strtod(text, NULL) == value);
    char twin[40];
    int precision = 1; /* the slow way: the first precision of printf that reads back equal */
    do snprintf(twin, sizeof twin, "%.*e", precision - 1, value);
    while (strtod(twin, NULL) != value && precision++ < 17);
    assert_true(count_digits(text) <= (size_t)precision);
}

static void doubles__read_back_equal_with_no_more_digits_than_printf_needs(void **state)
{
    uint64_t rng = seed_of_run();
    rv_buf buf = {0};
    for (int i = 0; i < 20000; i++) {
        uint64_t bits = rv_rng_next(&rng);
        if (i % 8 == 0) bits &= ~0x000fffffffffffffull; /* powers of two, whose neighbours are not equally far */
        if (i % 8 == 1) bits &= ~0x7ff0000000000000ull; /* subnormal */
        double value;
        memcpy(&value, &bits, sizeof value);
        if (isfinite(value)) check_double(&buf, value);
        check_double(&buf, (double)rv_rng_below(&rng, 100000000) / 1000);
    }
    rv_buf_deinit(&buf);
}

static void doubles__do_not_depend_on_the_locale(void **state)
{
    static const char *const names[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "fa_IR.UTF-8"};
    for (size_t i = 0; i < RV_COUNT(names); i++) {
        if (!setlocale(LC_ALL, names[i])) continue; /* not on this machine */
        rv_buf buf = {0};
        assert_string_equal(double_text(&buf, 0.30000000000000004), "0.30000000000000004");
        rv_buf_deinit(&buf);
    }
    setlocale(LC_ALL, "C");
}

/* ---- trees there and back ---- */

static void random_text(rv_buf *buf, uint64_t *rng)
{
    static const char *const pieces[] = {"a", "lease", "\\n", "\\\"", "\\u00e9", "\xc3\xa9", "\\ud83d\\ude00", "\xe2\x82\xac",
        "\\u0000", " ", "0123456789abcdef"};
    rv_buf_byte(buf, '"');
    for (uint32_t left = rv_rng_below(rng, 5); left > 0; left--) rv_buf_cstring(buf, pieces[rv_rng_below(rng, RV_COUNT(pieces))]);
}

static void random_space(rv_buf *buf, uint64_t *rng)
{
    static const char *const spaces[] = {"", "", "", " ", "\n          ", "\t", "\r\n"};
    rv_buf_cstring(buf, spaces[rv_rng_below(rng, RV_COUNT(spaces))]);
}

/* Append a random document; the fixed depth keeps the recursion of the test itself small. */
static void random_value(rv_buf *buf, uint64_t *rng, int depth)
{
    static const char *const scalars[] = {"null", "true", "false", "0", "-0", "1.50", "1e3", "-12", "1e-9",
        "9223372036854775808", "123456789.000", "1E+30"};
    random_space(buf, rng);
    uint32_t kind = rv_rng_below(rng, depth > 0 ? 8 : 4), count = rv_rng_below(rng, rv_rng_below(rng, 8) == 0 ? 30 : 5);
    if (kind < 3) {
        rv_buf_cstring(buf, scalars[rv_rng_below(rng, RV_COUNT(scalars))]);
    } else if (kind == 3) {
        random_text(buf, rng);
        rv_buf_byte(buf, '"');
    } else {
        bool is_object = kind >= 6;
        rv_buf_byte(buf, is_object ? '{' : '[');
        for (uint32_t i = 0; i < count; i++) {
            if (i > 0) rv_buf_byte(buf, ',');
            random_space(buf, rng);
            if (is_object) {
                random_text(buf, rng);
                rv_buf_printf(buf, "%u\"", (i * 7 + 3) % 31); /* makes it unique, in no order */
                random_space(buf, rng);
                rv_buf_byte(buf, ':');
            }
            random_value(buf, rng, depth - 1);
        }
        random_space(buf, rng);
        rv_buf_byte(buf, is_object ? '}' : ']');
    }
    random_space(buf, rng);
}

/* The children of every object in the opposite order; a tree without indexes, as if built by hand. */
static rv_json *reversed_copy(rv_arena *arena, const rv_json *value)
{
    rv_json *copy = rv_arena_new(arena, rv_json, 1);
    *copy = *value;
    copy->next = copy->child = NULL;
    if (value->kind == RV_JSON_OBJECT) copy->index = NULL;
    rv_json **tail = &copy->child;
    for (const rv_json *child = value->child; child; child = child->next) {
        rv_json *twin = reversed_copy(arena, child);
        if (value->kind == RV_JSON_OBJECT) {
            twin->next = copy->child;
            copy->child = twin;
        } else {
            *tail = twin;
            tail = &twin->next;
        }
    }
    return copy;
}

static const rv_json *parse_or_fail(rv_arena *arena, rv_str text)
{
    rv_json *tree;
    rv_error err;
    if (rv_json_parse(arena, text, &tree, &err) != RV_OK) fail_msg("%s in %.*s", err.text, RV_FMT(text));
    return tree;
}

static void tree__written_and_read_again_is_the_same(void **state)
{
    uint64_t rng = seed_of_run();
    for (int i = 0; i < 2000; i++) {
        rv_arena arena = {0};
        rv_buf source = {0}, compact = {0}, again = {0}, canonical = {0}, canonical_twin = {0};
        random_value(&source, &rng, 5);
        const rv_json *tree = parse_or_fail(&arena, rv_buf_str(&source));
        rv_json_write(&compact, tree, false);
        const rv_json *second = parse_or_fail(&arena, rv_buf_str(&compact));
        assert_true(rv_json_equal(tree, second));
        rv_json_write(&again, second, false);
        assert_string_equal(again.at, compact.at);
        const rv_json *reversed = reversed_copy(&arena, tree);
        assert_true(rv_json_equal(tree, reversed) && rv_json_equal(reversed, tree));
        rv_json_write(&canonical, tree, true);
        rv_json_write(&canonical_twin, reversed, true);
        assert_string_equal(canonical.at, canonical_twin.at);
        assert_true(rv_json_equal(tree, parse_or_fail(&arena, rv_buf_str(&canonical))));
        rv_buf_deinit(&source), rv_buf_deinit(&compact), rv_buf_deinit(&again), rv_buf_deinit(&canonical), rv_buf_deinit(&canonical_twin);
        rv_arena_deinit(&arena);
    }
}

static void tree__canonical_text_sorts_keys_and_has_one_text_a_number(void **state)
{
    static const struct { const char *text, *canonical; } rows[] = {
        {"{ \"b\": 1.0, \"a\": [1e3, 1.50], \"\": {}, \"B\": null }", "{\"\":{},\"B\":null,\"a\":[1000,1.5],\"b\":1}"},
        {"-0.0", "0"}, {"1e21", "1e+21"}, {"12e19", "120000000000000000000"}, {"0.00000123e0", "0.00000123"}, {"123e-9", "1.23e-7"},
        {"1000e999999999999999999", "1e+99999999999999999"}, {"0.001e-99999999999999999999", "1e-100000000000000001"},
        {"9007199254740993", "9007199254740993"}, {"0.10", "0.1"}, {"123456789012345678901234567890", "1.2345678901234567890123456789e+29"},
        {"{\"b\":{\"d\":1,\"c\":[{\"z\":1,\"y\":2}]},\"a\":2}", "{\"a\":2,\"b\":{\"c\":[{\"y\":2,\"z\":1}],\"d\":1}}"},
    };
    for (size_t i = 0; i < RV_COUNT(rows); i++) {
        rv_arena arena = {0};
        rv_buf buf = {0};
        rv_json_write(&buf, parse_or_fail(&arena, rv_str_of(rows[i].text)), true);
        assert_string_equal(buf.at, rows[i].canonical);
        rv_buf_deinit(&buf);
        rv_arena_deinit(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writer__keeps_commas_and_nesting),
        cmocka_unit_test(quote__escapes_what_must_be_and_replaces_what_is_not_utf8),
        cmocka_unit_test(quote__of_any_bytes_is_json_and_of_valid_text_is_the_text),
        cmocka_unit_test(doubles__have_their_shortest_text),
        cmocka_unit_test(doubles__read_back_equal_with_no_more_digits_than_printf_needs),
        cmocka_unit_test(doubles__do_not_depend_on_the_locale),
        cmocka_unit_test(tree__written_and_read_again_is_the_same),
        cmocka_unit_test(tree__canonical_text_sorts_keys_and_has_one_text_a_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
