/* test_base_memory.c: arena, buf, vec, map and bitset, each against a slow obvious twin under a printed seed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/util.h"

static uint64_t seed_of_run(void)
{
    const char *text = getenv("RV_SEED");
    uint64_t seed = text ? strtoull(text, NULL, 0) : 20260131;
    print_message("RV_SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

/* ---- arena ---- */

static bool is_zero(const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i]) return false;
    return true;
}

static void arena__pieces_are_zero_aligned_and_apart_also_after_clear(void **state)
{
    enum { PIECES = 400 };
    uint64_t rng = seed_of_run();
    rv_arena arena = {0};
    struct { char *at; size_t size; } pieces[PIECES];
    for (int round = 0; round < 8; round++) {
        for (size_t i = 0; i < PIECES; i++) {
            size_t size = rv_rng_below(&rng, 30) == 0 ? rv_rng_below(&rng, 200000) : rv_rng_below(&rng, 100);
            char *at = rv_arena_alloc(&arena, size);
            assert_non_null(at);
            assert_int_equal((uintptr_t)at % 16, 0);
            assert_true(is_zero(at, size));
            memset(at, (int)(i % 251) + 1, size);
            pieces[i].at = at;
            pieces[i].size = size;
        }
        for (size_t i = 0; i < PIECES; i++) /* nobody wrote into somebody else's */
            for (size_t k = 0; k < pieces[i].size; k++) assert_int_equal(pieces[i].at[k], (char)((i % 251) + 1));
        rv_arena_clear(&arena);
    }
    rv_arena_deinit(&arena);
    assert_int_equal(arena.total_size, 0);
}

static void arena__clear_keeps_one_block_and_reuses_it(void **state)
{
    rv_arena arena = {0};
    for (int i = 0; i < 1000; i++) rv_arena_alloc(&arena, 1000);
    rv_arena_clear(&arena);
    size_t kept = arena.total_size;
    assert_true(kept > 1000);
    for (size_t used = 0; used + 2000 < kept; used += 1008) rv_arena_alloc(&arena, 1000);
    assert_int_equal(arena.total_size, kept);
    rv_arena_deinit(&arena);
}

static void arena__copies_end_in_a_nul_where_promised(void **state)
{
    rv_arena arena = {0};
    assert_string_equal(rv_arena_cstring(&arena, RV_STR("reeve")), "reeve");
    assert_string_equal(rv_arena_cstring(&arena, (rv_str){0}), "");
    rv_str copy = rv_arena_str(&arena, RV_STR("a\0b"));
    assert_int_equal(copy.size, 3);
    assert_memory_equal(copy.at, "a\0b", 3);
    rv_str text = rv_arena_printf(&arena, "%d-%s", 12, "x");
    assert_string_equal(text.at, "12-x");
    assert_int_equal(text.size, 4);
    assert_non_null(rv_arena_alloc(&arena, 0));
    rv_arena_deinit(&arena);
}

/* ---- allocation failure ---- */

static void alloc__the_armed_fault_fails_one_allocation_only(void **state)
{
    rv_alloc_fail_after(2);
    void *a = rv_alloc_try(8), *b = rv_alloc_try(8), *c = rv_alloc_try(8), *d = rv_alloc_try(8);
    assert_non_null(a);
    assert_non_null(b);
    assert_null(c);
    assert_non_null(d);
    rv_alloc_fail_after(0);
    assert_null(rv_realloc_try(a, 16));
    a = rv_realloc_try(a, 16);
    assert_non_null(a);
    rv_alloc_fail_after(0);
    rv_alloc_fail_after(-1);
    void *e = rv_alloc_try(8);
    assert_non_null(e);
    rv_free(a), rv_free(b), rv_free(d), rv_free(e), rv_free(NULL);
}

static void buf__a_failed_reserve_changes_nothing(void **state)
{
    rv_buf buf = {0};
    rv_buf_cstring(&buf, "kept");
    rv_buf before = buf;
    rv_alloc_fail_after(0);
    assert_int_equal(rv_buf_reserve(&buf, 100000), RV_NO_MEMORY);
    rv_alloc_fail_after(-1);
    assert_memory_equal(&buf, &before, sizeof buf);
    assert_int_equal(rv_buf_reserve(&buf, SIZE_MAX), RV_NO_MEMORY);
    assert_int_equal(rv_buf_reserve(&buf, SIZE_MAX / 2), RV_NO_MEMORY);
    assert_memory_equal(&buf, &before, sizeof buf);
    assert_string_equal(buf.at, "kept");
    assert_int_equal(rv_buf_reserve(&buf, 100000), RV_OK);
    char *at = buf.at;
    for (int i = 0; i < 100000; i++) rv_buf_byte(&buf, 'x');
    assert_ptr_equal(buf.at, at); /* what was reserved was there */
    rv_buf_deinit(&buf);
}

static void map__a_failed_reserve_changes_nothing(void **state)
{
    rv_map map = {0};
    rv_map_add(&map, RV_STR("a"), 1);
    rv_map before = map;
    rv_alloc_fail_after(0);
    assert_int_equal(rv_map_reserve(&map, 1000), RV_NO_MEMORY);
    rv_alloc_fail_after(-1);
    assert_memory_equal(&map, &before, sizeof map);
    assert_int_equal(rv_map_get(&map, RV_STR("a")), 1);
    assert_int_equal(rv_map_reserve(&map, 1000), RV_OK);
    uint32_t capacity = map.capacity;
    char keys[999][8];
    for (uint32_t i = 0; i < 999; i++) {
        snprintf(keys[i], sizeof keys[i], "k%u", i);
        rv_map_add(&map, rv_str_of(keys[i]), i);
    }
    assert_int_equal(map.capacity, capacity);
    rv_map_deinit(&map);
}

/* ---- buf ---- */

static void buf__is_always_followed_by_a_nul(void **state)
{
    rv_buf buf = {0};
    for (int i = 0; i < 3000; i++) {
        rv_buf_byte(&buf, 'a');
        assert_int_equal(buf.at[buf.size], 0);
        assert_true(buf.size < buf.capacity);
    }
    rv_buf_clear(&buf);
    assert_string_equal(buf.at, "");
    rv_buf_deinit(&buf);
    rv_buf_clear(&buf);
    assert_null(rv_buf_str(&buf).at);
}

static void buf__printf_of_every_size_equals_libc(void **state)
{
    rv_buf buf = {0}, whole = {0};
    char text[300];
    for (int i = 0; i < 290; i++) {
        snprintf(text, sizeof text, "%0*d", i, 5);
        rv_buf_printf(&buf, "%0*d", i, 5);
        rv_buf_cstring(&whole, text);
        assert_int_equal(buf.size, whole.size);
        assert_string_equal(buf.at, whole.at);
    }
    rv_buf_deinit(&buf);
    rv_buf_deinit(&whole);
}

static void buf__decimals_equal_libc_to_the_limits(void **state)
{
    static const int64_t numbers[] = {0, 1, -1, 9, 10, -10, 99, 100, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN, INT64_MIN + 1};
    rv_buf buf = {0};
    char text[32];
    for (size_t i = 0; i < RV_COUNT(numbers); i++) {
        rv_buf_clear(&buf);
        rv_buf_i64(&buf, numbers[i]);
        snprintf(text, sizeof text, "%lld", (long long)numbers[i]);
        assert_string_equal(buf.at, text);
        rv_buf_clear(&buf);
        rv_buf_u64(&buf, (uint64_t)numbers[i]);
        snprintf(text, sizeof text, "%llu", (unsigned long long)numbers[i]);
        assert_string_equal(buf.at, text);
    }
    rv_buf_deinit(&buf);
}

static void check_varint(uint64_t value)
{
    rv_buf buf = {0};
    rv_buf_varint(&buf, value);
    rv_buf_varint_signed(&buf, (int64_t)value);
    const char *at = buf.at, *end = buf.at + buf.size;
    uint64_t back = ~value;
    int64_t back_signed = 0;
    assert_true(rv_varint_read(&at, end, &back));
    assert_true(back == value);
    size_t first_size = (size_t)(at - buf.at);
    assert_in_range(first_size, 1, 10);
    assert_true(rv_varint_read_signed(&at, end, &back_signed));
    assert_true(back_signed == (int64_t)value);
    assert_ptr_equal(at, end);
    for (size_t size = 0; size < first_size; size++) { /* cut short */
        at = buf.at;
        assert_false(rv_varint_read(&at, buf.at + size, &back));
        assert_ptr_equal(at, buf.at);
    }
    rv_buf_deinit(&buf);
}

static void varint__reads_back_what_was_written(void **state)
{
    uint64_t rng = seed_of_run();
    for (unsigned bit = 0; bit < 64; bit++)
        for (int64_t around = -2; around <= 2; around++) check_varint((1ull << bit) + (uint64_t)around);
    for (int i = 0; i < 20000; i++) check_varint(rv_rng_next(&rng) >> rv_rng_below(&rng, 64));
}

static void varint__more_than_64_bits_is_refused(void **state)
{
    uint64_t value = 7;
    const char over[] = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", endless[] = "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80";
    const char *at = over;
    assert_false(rv_varint_read(&at, over + sizeof over - 1, &value));
    at = endless;
    assert_false(rv_varint_read(&at, endless + sizeof endless - 1, &value));
    assert_ptr_equal(at, endless);
    assert_int_equal(value, 7);
}

/* ---- vec ---- */

static void vec__keeps_items_while_it_grows(void **state)
{
    RV_VEC(uint64_t) vec = {0};
    for (uint64_t i = 0; i < 10000; i++) rv_vec_push(&vec, i * i);
    for (uint64_t i = 0; i < 10000; i++) assert_true(vec.at[i] == i * i);
    assert_true(rv_vec_pop(&vec) == 9999ull * 9999);
    rv_vec_clear(&vec);
    assert_int_equal(*rv_vec_add(&vec), 0); /* zeroed although the place was used */
    assert_int_equal(vec.count, 1);
    rv_vec_reserve(&vec, 50000);
    assert_true(vec.capacity >= 50000);
    rv_vec_deinit(&vec);
    assert_null(vec.at);
}

/* ---- map ---- */

static void map__agrees_with_a_list_that_is_searched_from_its_front(void **state)
{
    enum { KEYS = 3000 };
    uint64_t rng = seed_of_run();
    static char keys[KEYS][24];
    static uint32_t sizes[KEYS], values[KEYS];
    uint32_t count = 0;
    rv_map map = {0};
    assert_int_equal(rv_map_get(&map, RV_STR("x")), RV_NONE);
    for (uint32_t step = 0; step < 6000 && count < KEYS; step++) {
        char *key = keys[count];
        uint32_t size = rv_rng_below(&rng, 6) == 0 ? rv_rng_below(&rng, 24) : rv_rng_below(&rng, 3);
        for (uint32_t i = 0; i < size; i++) key[i] = (char)rv_rng_below(&rng, 256); /* zero bytes too */
        uint32_t known = RV_NONE;
        for (uint32_t i = 0; i < count; i++)
            if (sizes[i] == size && memcmp(keys[i], key, size) == 0) known = values[i];
        rv_str text = {key, size};
        assert_int_equal(rv_map_get(&map, text), known);
        assert_int_equal(rv_map_add(&map, text, step), known);
        if (known != RV_NONE) continue;
        sizes[count] = size;
        values[count++] = step;
        assert_int_equal(map.count, count);
    }
    for (uint32_t i = 0; i < count; i++) assert_int_equal(rv_map_get(&map, (rv_str){keys[i], sizes[i]}), values[i]);
    rv_map_deinit(&map);
}

static void map__the_empty_key_is_a_key(void **state)
{
    rv_map map = {0};
    assert_int_equal(rv_map_add(&map, (rv_str){0}, 5), RV_NONE);
    assert_int_equal(rv_map_get(&map, RV_STR("")), 5);
    assert_int_equal(rv_map_add(&map, RV_STR(""), 6), 5);
    assert_int_equal(map.count, 1);
    rv_map_deinit(&map);
}

/* ---- bitset ---- */

static uint32_t naive_next(const bool *has, uint32_t capacity, uint32_t from)
{
    for (uint32_t i = from; i < capacity; i++)
        if (has[i]) return i;
    return RV_NONE;
}

static void compare_with_array(uint32_t capacity, uint64_t *rng, int steps)
{
    rv_arena arena = {0};
    rv_bitset set;
    rv_bitset_init(&set, &arena, capacity);
    bool *has = rv_alloc(capacity);
    uint32_t count = 0;
    for (int step = 0; step < steps; step++) {
        /* runs of adding, then of removing, so that it is now full, now nearly empty */
        uint32_t index = rv_rng_below(rng, capacity);
        bool adds = rv_rng_below(rng, 10) < ((step / 500) % 2 ? 1u : 9u);
        if (adds) rv_bitset_add(&set, index);
        else rv_bitset_remove(&set, index);
        count = count + (adds && !has[index]) - (!adds && has[index]);
        has[index] = adds;
        assert_int_equal(set.count, count);
        assert_int_equal(rv_bitset_has(&set, index), adds);
        uint32_t from = rv_rng_below(rng, capacity + 2);
        assert_int_equal(rv_bitset_next(&set, from), naive_next(has, capacity, from));
        assert_int_equal(rv_bitset_next(&set, 0), naive_next(has, capacity, 0));
    }
    rv_free(has);
    rv_arena_deinit(&arena);
}

static void bitset__agrees_with_an_array_of_booleans(void **state)
{
    static const uint32_t capacities[] = {1, 2, 63, 64, 65, 127, 128, 4095, 4096, 4097, 20000};
    uint64_t rng = seed_of_run();
    for (size_t i = 0; i < RV_COUNT(capacities); i++) compare_with_array(capacities[i], &rng, 3000);
}

static void bitset__finds_a_lone_index_from_afar(void **state)
{
    static const uint32_t lone[] = {0, 63, 64, 4095, 4096, 262143, 262144, 999999, 1000000};
    rv_arena arena = {0};
    rv_bitset set;
    rv_bitset_init(&set, &arena, 1000001);
    for (size_t i = 0; i < RV_COUNT(lone); i++) {
        assert_int_equal(rv_bitset_next(&set, 0), RV_NONE);
        rv_bitset_add(&set, lone[i]);
        rv_bitset_add(&set, lone[i]);
        assert_int_equal(set.count, 1);
        assert_int_equal(rv_bitset_next(&set, 0), lone[i]);
        assert_int_equal(rv_bitset_next(&set, lone[i]), lone[i]);
        assert_int_equal(rv_bitset_next(&set, lone[i] + 1), RV_NONE);
        rv_bitset_remove(&set, lone[i]);
        rv_bitset_remove(&set, lone[i]);
        assert_int_equal(set.count, 0);
    }
    assert_int_equal(rv_bitset_next(&set, UINT32_MAX), RV_NONE);
    rv_bitset_init(&set, &arena, 0);
    assert_int_equal(rv_bitset_next(&set, 0), RV_NONE);
    rv_arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arena__pieces_are_zero_aligned_and_apart_also_after_clear),
        cmocka_unit_test(arena__clear_keeps_one_block_and_reuses_it),
        cmocka_unit_test(arena__copies_end_in_a_nul_where_promised),
        cmocka_unit_test(alloc__the_armed_fault_fails_one_allocation_only),
        cmocka_unit_test(buf__a_failed_reserve_changes_nothing),
        cmocka_unit_test(map__a_failed_reserve_changes_nothing),
        cmocka_unit_test(buf__is_always_followed_by_a_nul),
        cmocka_unit_test(buf__printf_of_every_size_equals_libc),
        cmocka_unit_test(buf__decimals_equal_libc_to_the_limits),
        cmocka_unit_test(varint__reads_back_what_was_written),
        cmocka_unit_test(varint__more_than_64_bits_is_refused),
        cmocka_unit_test(vec__keeps_items_while_it_grows),
        cmocka_unit_test(map__agrees_with_a_list_that_is_searched_from_its_front),
        cmocka_unit_test(map__the_empty_key_is_a_key),
        cmocka_unit_test(bitset__agrees_with_an_array_of_booleans),
        cmocka_unit_test(bitset__finds_a_lone_index_from_afar),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
