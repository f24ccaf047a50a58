/* test_mask.c: no byte of a secret leaves, wherever a chunk ends [E31]; against a search of the whole text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "blob/blob.h"

/* The slow obvious twin: mark every occurrence in the whole text; a byte that an occurrence enters from the one before it continues
 * a run. */
static void mask_naive(const rv_str *secrets, uint32_t count, rv_str text, rv_buf *out)
{
    bool *is_covered = rv_alloc(text.size + 1), *is_joined = rv_alloc(text.size + 1);
    for (uint32_t s = 0; s < count; s++) {
        if (secrets[s].size < 4) continue;
        for (size_t at = 0; at + secrets[s].size <= text.size; at++) {
            if (!rv_str_starts(rv_str_from(text, at), secrets[s])) continue;
            for (size_t i = 0; i < secrets[s].size; i++) {
                is_covered[at + i] = true;
                if (i > 0) is_joined[at + i] = true;
            }
        }
    }
    for (size_t i = 0; i < text.size; i++) {
        if (!is_covered[i]) rv_buf_byte(out, text.at[i]);
        else if (!is_joined[i]) rv_buf_cstring(out, "***");
    }
    rv_free(is_covered);
    rv_free(is_joined);
}

static const char *masked(const char *text, uint32_t count, const rv_str *secrets)
{
    static char result[256];
    rv_mask *mask = rv_mask_new(secrets, count);
    rv_buf out = {0};
    rv_mask_whole(mask, rv_str_of(text), &out);
    snprintf(result, sizeof result, "%.*s", RV_FMT(rv_buf_str(&out)));
    rv_buf_deinit(&out);
    rv_mask_free(mask);
    return result;
}
#define MASKED(text_, ...) masked((text_), RV_COUNT(((rv_str[]){__VA_ARGS__})), (rv_str[]){__VA_ARGS__})

static void mask__each_secret_becomes_three_stars(void **state)
{
    (void)state;
    assert_string_equal(MASKED("key=hunter22 and hunter22!", RV_STR("hunter22")), "key=*** and ***!");
    assert_string_equal(MASKED("abcdabcd", RV_STR("abcd")), "******");
    assert_string_equal(MASKED("abcd", RV_STR("abcd")), "***");
    assert_string_equal(MASKED("", RV_STR("abcd")), "");
    assert_string_equal(MASKED("hunter2hunter2", RV_STR("hunter22")), "hunter2hunter2");
}

static void mask__overlapping_secrets_leave_no_part_of_either(void **state)
{
    (void)state;
    assert_string_equal(MASKED("<abcdef>", RV_STR("abcd"), RV_STR("cdef")), "<***>");
    assert_string_equal(MASKED("<abcdef>", RV_STR("abcdef"), RV_STR("bcde")), "<***>");
    assert_string_equal(MASKED("<bcdef>", RV_STR("abcdef"), RV_STR("bcde")), "<***f>");
    assert_string_equal(MASKED("<aaaaaaa>", RV_STR("aaaa")), "<***>");
    /* one a prefix of the other */
    assert_string_equal(MASKED("pass pass1 pass12 pass123", RV_STR("pass"), RV_STR("pass123")), "*** ***1 ***12 ***");
}

static void mask__short_values_are_left_alone(void **state)
{
    (void)state;
    const rv_str shorts[] = {RV_STR("abc"), RV_STR("")};
    assert_null(rv_mask_new(shorts, 2));
    assert_null(rv_mask_new(NULL, 0));
    assert_string_equal(MASKED("abc abcd", RV_STR("abc"), RV_STR("abcd")), "abc ***");
    rv_mask_free(NULL);
}

static void mask__null_masks_nothing(void **state)
{
    (void)state;
    rv_mask_stream stream = {0};
    rv_buf out = {0};
    rv_mask_feed(NULL, &stream, RV_STR("some text"), &out);
    assert_string_equal(out.at, "some text");
    rv_mask_end(NULL, &stream, &out);
    assert_string_equal(out.at, "some text");
    rv_buf_deinit(&out);
}

static void mask__holds_back_only_a_possible_beginning(void **state)
{
    (void)state;
    rv_mask *mask = rv_mask_new((rv_str[]){RV_STR("secret")}, 1);
    rv_mask_stream stream = {0};
    rv_buf out = {0};
    rv_mask_feed(mask, &stream, RV_STR("a sec"), &out);
    assert_string_equal(out.at, "a ");
    rv_mask_feed(mask, &stream, RV_STR("on"), &out);
    assert_string_equal(out.at, "a secon");
    assert_int_equal(stream.held.size, 0);
    rv_mask_feed(mask, &stream, RV_STR("d secre"), &out);
    assert_string_equal(out.at, "a second ");
    rv_mask_end(mask, &stream, &out);
    assert_string_equal(out.at, "a second secre");
    assert_null(stream.held.at);
    rv_buf_deinit(&out);
    rv_mask_free(mask);
}

static void check_splits(const rv_str *secrets, uint32_t count, rv_str text)
{
    rv_mask *mask = rv_mask_new(secrets, count);
    rv_buf expected = {0}, out = {0};
    mask_naive(secrets, count, text, &expected);
    for (size_t first = 0; first <= text.size; first++) {
        for (size_t second = first; second <= text.size; second++) {
            rv_mask_stream stream = {0};
            rv_buf_clear(&out);
            rv_mask_feed(mask, &stream, rv_str_cut(text, 0, first), &out);
            rv_mask_feed(mask, &stream, rv_str_cut(text, first, second - first), &out);
            rv_mask_feed(mask, &stream, rv_str_from(text, second), &out);
            rv_mask_end(mask, &stream, &out);
            if (!rv_str_eq(rv_buf_str(&out), rv_buf_str(&expected)))
                fail_msg("split at %zu, %zu: %.*s instead of %.*s", first, second, RV_FMT(rv_buf_str(&out)), RV_FMT(rv_buf_str(&expected)));
        }
    }
    rv_buf_deinit(&expected);
    rv_buf_deinit(&out);
    rv_mask_free(mask);
}

static void mask__every_split_of_a_text_gives_the_same(void **state)
{
    (void)state;
    const rv_str secrets[] = {RV_STR("hunter22"), RV_STR("hunter2222"), RV_STR("ter2"), RV_STR("22-22"), RV_STR("a\0b\xff"), RV_STR("e-k")};
    check_splits(secrets, RV_COUNT(secrets),
                 RV_STR("the-key hunter22 hunter222 hunter2222-22hunter22hun ter2 a\0b\xff a\0b huntera\0b\xffter2 hunter2"));
    check_splits((rv_str[]){RV_STR("aaaa"), RV_STR("aabaa")}, 2, RV_STR("aaabaaaabaaaaaaabaabaabaaaabbaaaa"));
    check_splits((rv_str[]){RV_STR("line one\nline two\n")}, 1, RV_STR("x\nline one\nline two\nline one\nline "));
}

static void mask__agrees_with_the_search_of_the_whole_text(void **state)
{
    (void)state;
    const char *given = getenv("REEVE_TEST_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 0) : 31, rng = seed;
    uint32_t masked_count = 0;
    print_message("seed %llu\n", (unsigned long long)seed);
    for (uint32_t round = 0; round < 3000; round++) {
        char pool[8][16], text[400];
        rv_str secrets[8];
        uint32_t count = 1 + rv_rng_below(&rng, 8), letters = 2 + rv_rng_below(&rng, 2);
        for (uint32_t i = 0; i < count; i++) {
            secrets[i] = (rv_str){pool[i], 3 + rv_rng_below(&rng, 12)};
            for (size_t k = 0; k < secrets[i].size; k++) pool[i][k] = (char)('a' + rv_rng_below(&rng, letters));
        }
        rv_str whole = {text, rv_rng_below(&rng, sizeof text)};
        for (size_t k = 0; k < whole.size; k++) text[k] = (char)('a' + rv_rng_below(&rng, letters));
        rv_buf expected = {0}, out = {0};
        mask_naive(secrets, count, whole, &expected);
        rv_mask *mask = rv_mask_new(secrets, count);
        rv_mask_stream stream = {0};
        for (size_t at = 0; at < whole.size;) {
            size_t size = rv_rng_below(&rng, 20);
            rv_mask_feed(mask, &stream, rv_str_cut(whole, at, size), &out);
            at += size;
        }
        rv_mask_end(mask, &stream, &out);
        if (!rv_str_eq(rv_buf_str(&out), rv_buf_str(&expected))) fail_msg("seed %llu round %u", (unsigned long long)seed, round);
        masked_count += !rv_str_eq(rv_buf_str(&out), whole);
        rv_mask_free(mask);
        rv_buf_deinit(&expected);
        rv_buf_deinit(&out);
    }
    assert_true(masked_count > 1000);
}

static void mask__a_long_secret_and_its_near_misses_stay_linear(void **state)
{
    (void)state;
    rv_buf secret = {0}, text = {0}, out = {0};
    memset(rv_buf_extend(&secret, 1 << 16), 'a', 1 << 16);
    rv_buf_byte(&secret, 'b');
    memset(rv_buf_extend(&text, 1 << 21), 'a', 1 << 21);
    rv_str value = rv_buf_str(&secret);
    rv_mask *mask = rv_mask_new(&value, 1);
    rv_mask_whole(mask, rv_buf_str(&text), &out);
    assert_true(rv_str_eq(rv_buf_str(&out), rv_buf_str(&text)));
    rv_buf_byte(&text, 'b');
    rv_buf_clear(&out);
    rv_mask_whole(mask, rv_buf_str(&text), &out);
    assert_int_equal(out.size, (1 << 21) - (1 << 16) + 3);
    rv_mask_free(mask);
    rv_buf_deinit(&secret);
    rv_buf_deinit(&text);
    rv_buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mask__each_secret_becomes_three_stars),
        cmocka_unit_test(mask__overlapping_secrets_leave_no_part_of_either),
        cmocka_unit_test(mask__short_values_are_left_alone),
        cmocka_unit_test(mask__null_masks_nothing),
        cmocka_unit_test(mask__holds_back_only_a_possible_beginning),
        cmocka_unit_test(mask__every_split_of_a_text_gives_the_same),
        cmocka_unit_test(mask__agrees_with_the_search_of_the_whole_text),
        cmocka_unit_test(mask__a_long_secret_and_its_near_misses_stay_linear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
