/* test_base_util.c: hashes, random numbers, UTF-8, durations, sizes, times, names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/util.h"

static uint64_t seed_of_run(void)
{
    const char *text = getenv("RV_SEED");
    uint64_t seed = text ? strtoull(text, NULL, 0) : 20260131;
    print_message("RV_SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

/* ---- hashes ---- */

static void assert_digest(rv_digest digest, const char *hex)
{
    char text[RV_DIGEST_TEXT_SIZE + 1];
    rv_digest_text(digest, text);
    assert_memory_equal(text, "sha256:", 7);
    assert_string_equal(text + 7, hex);
    rv_digest back;
    assert_true(rv_digest_parse(rv_str_of(text), &back));
    assert_memory_equal(&back, &digest, sizeof back);
}

static void sha256__gives_the_published_digests(void **state) /* FIPS 180-4 examples */
{
    assert_digest(rv_sha256((rv_str){0}), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_digest(rv_sha256(RV_STR("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_digest(rv_sha256(RV_STR("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")),
                  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

static void sha256__in_pieces_equals_the_whole(void **state)
{
    uint64_t rng = seed_of_run();
    char text[1000];
    for (size_t i = 0; i < sizeof text; i++) text[i] = (char)rv_rng_next(&rng);
    for (int round = 0; round < 100; round++) {
        rv_sha256_stream *stream = rv_sha256_new();
        for (size_t at = 0; at < sizeof text;) {
            rv_str piece = rv_str_cut((rv_str){text, sizeof text}, at, rv_rng_below(&rng, 200));
            rv_sha256_add(stream, piece);
            at += piece.size;
        }
        rv_digest whole = rv_sha256((rv_str){text, sizeof text}), pieces = rv_sha256_end_take(stream);
        assert_memory_equal(&whole, &pieces, sizeof whole);
    }
}

static void *hash_in_thread(void *digest)
{
    for (int i = 0; i < 1000; i++) *(rv_digest *)digest = rv_sha256(RV_STR("abc"));
    return NULL;
}

static void sha256__works_in_many_threads_at_once(void **state)
{
    pthread_t threads[4];
    rv_digest digests[4];
    for (size_t i = 0; i < 4; i++) assert_int_equal(pthread_create(&threads[i], NULL, hash_in_thread, &digests[i]), 0);
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_digest(digests[i], "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}

static void hmac__gives_the_published_digests(void **state) /* RFC 4231, cases 1, 2 and 6 */
{
    char key[131];
    memset(key, 0x0b, 20);
    assert_digest(rv_hmac_sha256((rv_str){key, 20}, RV_STR("Hi There")),
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    assert_digest(rv_hmac_sha256(RV_STR("Jefe"), RV_STR("what do ya want for nothing?")),
                  "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof key);
    assert_digest(rv_hmac_sha256((rv_str){key, sizeof key}, RV_STR("Test Using Larger Than Block-Size Key - Hash Key First")),
                  "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    assert_digest(rv_hmac_sha256((rv_str){0}, (rv_str){0}), "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void digest__has_one_text_only(void **state)
{
    rv_digest digest;
    char text[RV_DIGEST_TEXT_SIZE + 2] = {0};
    rv_digest_text(rv_sha256(RV_STR("abc")), text);
    assert_true(rv_digest_parse(rv_str_of(text), &digest));
    assert_false(rv_digest_parse(rv_str_cut(rv_str_of(text), 0, RV_DIGEST_TEXT_SIZE - 1), &digest));
    text[7] = 'B'; /* it was b */
    assert_false(rv_digest_parse(rv_str_of(text), &digest));
    text[7] = 'g';
    assert_false(rv_digest_parse(rv_str_of(text), &digest));
    text[7] = 'b';
    text[0] = 'S';
    assert_false(rv_digest_parse(rv_str_of(text), &digest));
    text[0] = 's';
    text[RV_DIGEST_TEXT_SIZE] = '0';
    assert_false(rv_digest_parse(rv_str_of(text), &digest));
}

static void hash64__is_xxh3(void **state) /* the empty input under seed 0, as the specification of XXH3 gives it */
{
    assert_true(rv_hash64((rv_str){0}, 0) == 0x2d06800538d394c2ull);
    assert_true(rv_hash64(RV_STR("a"), 1) != rv_hash64(RV_STR("a"), 2));
    assert_true(rv_hash_seed() != 0 && rv_hash_seed() == rv_hash_seed());
}

/* ---- random ---- */

static void rng__is_splitmix64(void **state) /* first outputs of the reference program for seed 1234567 */
{
    static const uint64_t expected[] = {6457827717110365317ull, 3203168211198807973ull, 9817491932198370423ull, 4593380528125082431ull};
    uint64_t rng = 1234567;
    for (size_t i = 0; i < RV_COUNT(expected); i++) assert_true(rv_rng_next(&rng) == expected[i]);
}

static void rng__below_reaches_every_value_evenly(void **state)
{
    uint64_t rng = seed_of_run();
    enum { BOUND = 7, DRAWS = 70000 };
    uint32_t counts[BOUND] = {0};
    for (int i = 0; i < DRAWS; i++) {
        uint32_t drawn = rv_rng_below(&rng, BOUND);
        assert_true(drawn < BOUND);
        counts[drawn]++;
    }
    for (int i = 0; i < BOUND; i++) assert_in_range(counts[i], 9400, 10600); /* six standard deviations */
    for (int i = 0; i < 100; i++) assert_int_equal(rv_rng_below(&rng, 1), 0);
    uint32_t above = 0; /* a bound of 3 · 2^30 draws from its upper third as often as from the others */
    for (int i = 0; i < 30000; i++) above += rv_rng_below(&rng, 3u << 30) >= 2u << 30;
    assert_in_range(above, 9500, 10500);
}

static void random__bytes_differ_each_time(void **state)
{
    uint8_t a[32] = {0}, b[32] = {0};
    rv_random_bytes(a, sizeof a);
    rv_random_bytes(b, sizeof b);
    assert_memory_not_equal(a, b, sizeof a);
}

/* ---- UTF-8 ---- */

/* The slow obvious decoder: RFC 3629 by the value of the code point. */
static size_t naive_character(const unsigned char *at, size_t size)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t wanted = at[0] < 0x80 ? 1 : at[0] >> 5 == 6 ? 2 : at[0] >> 4 == 14 ? 3 : at[0] >> 3 == 30 ? 4 : 0;
    if (wanted == 0 || wanted > size) return 0;
    uint32_t code = wanted == 1 ? at[0] : at[0] & (0xffu >> (wanted + 1));
    for (size_t i = 1; i < wanted; i++) {
        if (at[i] >> 6 != 2) return 0;
        code = code << 6 | (at[i] & 0x3f);
    }
    return code < least[wanted] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ? 0 : wanted;
}

static size_t naive_valid(const unsigned char *at, size_t size)
{
    size_t valid = 0;
    while (valid < size) {
        size_t step = naive_character(at + valid, size - valid);
        if (step == 0) break;
        valid += step;
    }
    return valid;
}

static void utf8__agrees_with_decoding_by_code_points(void **state)
{
    static const unsigned char edges[] = {0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1,
        0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf4, 0xf5, 0xff};
    enum { EDGES = sizeof edges };
    for (uint32_t i = 0; i < EDGES * EDGES * EDGES * EDGES; i++) {
        unsigned char text[4] = {edges[i % EDGES], edges[i / EDGES % EDGES], edges[i / EDGES / EDGES % EDGES],
            edges[i / EDGES / EDGES / EDGES]};
        for (size_t size = 1; size <= 4; size++)
            assert_int_equal(rv_utf8_valid((rv_str){(const char *)text, size}), naive_valid(text, size));
    }
    uint64_t rng = seed_of_run();
    unsigned char text[100];
    for (int i = 0; i < 20000; i++) { /* long runs of ASCII with a few others */
        size_t size = rv_rng_below(&rng, sizeof text + 1);
        for (size_t k = 0; k < size; k++) text[k] = rv_rng_below(&rng, 30) ? 'a' : edges[rv_rng_below(&rng, EDGES)];
        assert_int_equal(rv_utf8_valid((rv_str){(const char *)text, size}), naive_valid(text, size));
    }
}

static void utf8__columns_are_those_of_a_terminal(void **state)
{
    static const struct { const char *text; size_t columns; } rows[] = {
        {"", 0}, {"abc", 3}, {"caf\xc3\xa9", 4}, {"e\xcc\x81", 1}, {"\xe6\x97\xa5\xe6\x9c\xac", 4}, {"\xf0\x9f\x98\x80", 2},
        {"\xef\xbc\xa1", 2},
        {"\xe2\x80\x8b", 0}, {"\xff\xfe", 2}, {"a\n", 1}, {"\xe2\x94\x80", 1}, {"\xea\xb0\x80", 2}, {"\xe2\x82\xac", 1},
        {"\xf0\xa0\x80\x80", 2},
    };
    for (size_t i = 0; i < RV_COUNT(rows); i++) assert_int_equal(rv_utf8_columns(rv_str_of(rows[i].text)), rows[i].columns);
}

/* ---- words ---- */

static void duration__is_read_as_written_in_workflows(void **state) /* [W4] */
{
    static const struct { const char *text; int64_t ms; } rows[] = {
        {"250ms", 250}, {"30s", 30000}, {"10m", 600000}, {"2h", 7200000}, {"1d", 86400000}, {"1h30m", 5400000}, {"1d2h3m4s5ms", 93784005},
        {"0s", 0}, {"0ms", 0}, {"007s", 7000}, {"9223372036854775807ms", INT64_MAX}, {"1m30s", 90000}, {"90m", 5400000},
    };
    static const char *const wrong[] = {"", "5", "s", "5 s", " 5s", "5s ", "-5s", "+5s", "1.5h", "30m1h", "1h1h", "5S", "5sec",
        "5ms5ms", "1h30", "0",
                                        "9223372036854775808ms", "18446744073709551616ms", "106751991168d",
                                        "99999999999999999999d", "1s9223372036854775807ms"};
    for (size_t i = 0; i < RV_COUNT(rows); i++) {
        int64_t ms = -1;
        assert_true(rv_duration_parse(rv_str_of(rows[i].text), &ms));
        assert_true(ms == rows[i].ms);
    }
    for (size_t i = 0; i < RV_COUNT(wrong); i++) {
        int64_t ms = -1;
        if (rv_duration_parse(rv_str_of(wrong[i]), &ms)) fail_msg("accepted: %s", wrong[i]);
        assert_int_equal(ms, -1);
    }
}

static void size__is_read_with_its_unit(void **state) /* [W4] */
{
    static const struct { const char *text; uint64_t size; } rows[] = {
        {"64KiB", 65536}, {"2GiB", 2147483648}, {"100B", 100}, {"1KB", 1000}, {"3MB", 3000000}, {"1GB", 1000000000}, {"1MiB", 1048576},
        {"18446744073709551615B", UINT64_MAX}, {"0B", 0},
    };
    static const char *const wrong[] = {"", "5", "KiB", "5 KiB", "5kib", "5K", "1.5GiB", "5KiB1B", "18446744073709551616B",
        "18014398509481984KiB", "-1B"};
    for (size_t i = 0; i < RV_COUNT(rows); i++) {
        uint64_t size = 1;
        assert_true(rv_size_parse(rv_str_of(rows[i].text), &size));
        assert_true(size == rows[i].size);
    }
    for (size_t i = 0; i < RV_COUNT(wrong); i++) {
        uint64_t size;
        if (rv_size_parse(rv_str_of(wrong[i]), &size)) fail_msg("accepted: %s", wrong[i]);
    }
}

static void words__for_people_are_short(void **state)
{
    static const struct { int64_t ms; const char *text; } durations[] = {
        {0, "0ms"}, {412, "412ms"}, {999, "999ms"}, {1000, "1.0s"}, {3249, "3.2s"}, {59999, "59.9s"}, {60000, "1m00s"}, {245000, "4m05s"},
        {3599999, "59m59s"}, {7620000, "2h07m"}, {86399999, "23h59m"}, {86400000, "1d00h"}, {100000000, "1d03h"}, {-412, "-412ms"},
    };
    static const struct { uint64_t size; const char *text; } sizes[] = {
        {0, "0 B"}, {512, "512 B"}, {1023, "1023 B"}, {1024, "1.0 KiB"}, {1536, "1.5 KiB"}, {1048575, "1023.9 KiB"}, {1468006, "1.3 MiB"},
        {1048576, "1.0 MiB"}, {1ull << 30, "1.0 GiB"}, {1ull << 60, "1.0 EiB"}, {UINT64_MAX, "15.9 EiB"},
    };
    rv_buf buf = {0};
    for (size_t i = 0; i < RV_COUNT(durations); i++) {
        rv_buf_clear(&buf);
        rv_duration_write(&buf, durations[i].ms);
        assert_string_equal(buf.at, durations[i].text);
    }
    rv_duration_write(&buf, INT64_MIN); /* has no positive twin */
    for (size_t i = 0; i < RV_COUNT(sizes); i++) {
        rv_buf_clear(&buf);
        rv_size_write(&buf, sizes[i].size);
        assert_string_equal(buf.at, sizes[i].text);
    }
    rv_buf_deinit(&buf);
}

static void time__equals_libc_from_year_0_to_9999(void **state)
{
    uint64_t rng = seed_of_run();
    static const int64_t edges[] = {0, -1, 951782400, 951868799, 951868800, 4107542400, 253402300799, -62167219200, 1709164800};
    rv_buf buf = {0};
    for (size_t i = 0; i < 20000; i++) {
        int64_t seconds = i < RV_COUNT(edges) ? edges[i] : (int64_t)(rv_rng_next(&rng) % (253402300800ull + 62167219200ull)) - 62167219200;
        uint32_t ms = rv_rng_below(&rng, 1000);
        time_t libc_time = seconds;
        struct tm tm;
        char date[64], expected[80];
        assert_non_null(gmtime_r(&libc_time, &tm));
        strftime(date, sizeof date, "-%m-%dT%H:%M:%S", &tm);
        snprintf(expected, sizeof expected, "%04d%s.%03uZ", tm.tm_year + 1900, date, ms);
        rv_buf_clear(&buf);
        rv_time_write(&buf, seconds * 1000 + ms);
        assert_string_equal(buf.at, expected);
    }
    rv_time_write(&buf, INT64_MAX);
    rv_time_write(&buf, INT64_MIN);
    rv_buf_deinit(&buf);
}

static void nearest__names_what_was_probably_meant(void **state)
{
    static const char *const keys[] = {"needs", "after", "timeout", "concurrency", "retry", "run", "shell"};
    static const struct { const char *word, *nearest; } rows[] = {
        {"need", "needs"}, {"tiemout", "timeout"}, {"concurency", "concurrency"}, {"reTry", "retry"}, {"shel", "shell"}, {"rnu", "run"},
        {"concurrnyc", "concurrency"}, {"after", "after"}, {"xyzzy", NULL}, {"", NULL}, {"q", NULL}, {"zz", NULL}, {"timetable", NULL},
    };
    for (size_t i = 0; i < RV_COUNT(rows); i++) {
        const char *found = rv_nearest(rv_str_of(rows[i].word), keys, RV_COUNT(keys));
        if (!found != !rows[i].nearest) fail_msg("%s: %s", rows[i].word, found ? found : "nothing");
        if (found) assert_string_equal(found, rows[i].nearest);
    }
    char long_word[200];
    memset(long_word, 'n', sizeof long_word);
    assert_null(rv_nearest((rv_str){long_word, sizeof long_word}, keys, RV_COUNT(keys)));
    assert_null(rv_nearest(RV_STR("run"), NULL, 0));
}

static void identifier__follows_its_rule(void **state) /* [W4] */
{
    static const char *const good[] = {"a", "A-b_9", "0", "9lives", "0123456789012345678901234567890123456789012345678901234567890123"};
    static const char *const bad[] = {"", "-a", "_a", "a b", "a.b", "a/b", "\xc3\xa9",
        "01234567890123456789012345678901234567890123456789012345678901234"};
    for (size_t i = 0; i < RV_COUNT(good); i++) assert_true(rv_is_identifier(rv_str_of(good[i])));
    for (size_t i = 0; i < RV_COUNT(bad); i++) assert_false(rv_is_identifier(rv_str_of(bad[i])));
    assert_false(rv_is_identifier(RV_STR("a\0b")));
}

static void base64__reads_back_what_it_wrote_and_refuses_the_rest(void **state)
{
    static const char *const bad[] = {"A", "AA", "AAA", "AA=A", "A===", "====", "AB==", "AAB=", "AA A", "AAAA\n", "AAA*", "=AAA"};
    (void)state;
    for (size_t size = 0; size < 70; size++) {
        uint8_t bytes[70];
        rv_buf text = {0}, back = {0};
        for (size_t i = 0; i < size; i++) bytes[i] = (uint8_t)(i * 37 + size * 101);
        rv_str from = {(const char *)bytes, size};
        rv_base64_write(&text, from);
        assert_true(rv_base64_read(rv_buf_str(&text), &back));
        assert_true(rv_str_eq(from, rv_buf_str(&back)));
        rv_buf_deinit(&text);
        rv_buf_deinit(&back);
    }
    for (size_t i = 0; i < RV_COUNT(bad); i++) {
        rv_buf out = {0};
        if (rv_base64_read(rv_str_of(bad[i]), &out)) fail_msg("read: %s", bad[i]);
        rv_buf_deinit(&out);
    }
    rv_buf text = {0};
    rv_base64_write(&text, RV_STR("foobar")); /* RFC 4648, section 10 */
    assert_string_equal(text.at, "Zm9vYmFy");
    rv_buf_deinit(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256__gives_the_published_digests),
        cmocka_unit_test(sha256__in_pieces_equals_the_whole),
        cmocka_unit_test(sha256__works_in_many_threads_at_once),
        cmocka_unit_test(hmac__gives_the_published_digests),
        cmocka_unit_test(digest__has_one_text_only),
        cmocka_unit_test(hash64__is_xxh3),
        cmocka_unit_test(rng__is_splitmix64),
        cmocka_unit_test(rng__below_reaches_every_value_evenly),
        cmocka_unit_test(random__bytes_differ_each_time),
        cmocka_unit_test(utf8__agrees_with_decoding_by_code_points),
        cmocka_unit_test(utf8__columns_are_those_of_a_terminal),
        cmocka_unit_test(duration__is_read_as_written_in_workflows),
        cmocka_unit_test(size__is_read_with_its_unit),
        cmocka_unit_test(words__for_people_are_short),
        cmocka_unit_test(time__equals_libc_from_year_0_to_9999),
        cmocka_unit_test(nearest__names_what_was_probably_meant),
        cmocka_unit_test(base64__reads_back_what_it_wrote_and_refuses_the_rest),
        cmocka_unit_test(identifier__follows_its_rule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
