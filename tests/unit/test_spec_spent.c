/* A source that is spent while it is loaded. That all else is as of one that stays, spec_help.h looks at in every test of loading. */
#include "spec_help.h"
#include <sys/mman.h>

/* Pages of at[0..size), which begins at one, that have memory. */
static size_t resident_pages(char *at, size_t size)
{
    size_t pages = (size + 4095) / 4096, count = 0;
    unsigned char *resident = rv_alloc(pages);
    assert_int_equal(mincore(at, size, resident), 0);
    for (size_t i = 0; i < pages; i++) count += resident[i] & 1;
    rv_free(resident);
    return count;
}

static void spent__memory_of_the_source_is_given_back(void **state)
{
    for (int is_json = 0; is_json < 2; is_json++) {
        rv_buf text = {0};
        rv_buf_cstring(&text, is_json ? "{\"reeve\":1,\"nodes\":{\"n\":{\"run\":[\"true\"]}" : "reeve: 1\nnodes:\n  n: {run: [true]}\n");
        for (uint32_t i = 0; text.size < (is_json ? 6u << 20 : 1u << 20); i++)
            rv_buf_printf(&text, is_json ? ",\n  \"n%u\": {\"run\": [\"true\", \"%u\"]}" : "  n%u: {run: [true, \"%u\"]}\n", i, i);
        if (is_json) rv_buf_cstring(&text, "}}");
        size_t size = text.size;
        char *source = aligned_alloc(4096, (size + 4095) / 4096 * 4096);
        memcpy(source, text.at, size);
        assert_int_equal(resident_pages(source, size), (size + 4095) / 4096);
        rv_spec_input input = {.source = {source, size}, .spent = source, .is_json = is_json};
        rv_problems problems = {.is_silent = true};
        rv_spec *spec = NULL;
        assert_int_equal(rv_spec_load(&input, &spec, &problems), RV_OK);
        assert_in_range(resident_pages(source, size), 0, 1); /* the last one is not whole */
        rv_spec_free(spec);
        rv_problems_deinit(&problems);
        rv_buf_deinit(&text);
        free(source);
    }
}

static void spent__texts_that_are_nearly_alike_stay_apart(void **state)
{
    rv_buf text = {0};
    rv_buf_cstring(&text, "{\"reeve\": 1, \"nodes\": {\"n\": {\"run\": [\"echo\"");
    for (uint32_t size = 0; size < 70; size++)
        for (uint32_t other = 0; other <= size; other++) { /* one byte is another one; the first text has none */
            rv_buf_cstring(&text, ", \"");
            for (uint32_t i = 0; i < size; i++) rv_buf_byte(&text, i + 1 == other ? 'b' : 'a');
            rv_buf_byte(&text, '"');
        }
    rv_buf_cstring(&text, "]}}}");
    loaded l = load_json(text.at); /* compares */
    assert_non_null(l.spec);
    loaded_free(&l);
    rv_buf_deinit(&text);
}

static void spent__problems_are_counted_and_not_listed(void **state)
{
    char source[] = "{\"nodes\": {\"a\": {\"run\": [\"true\"], \"needs\": [\"b\"], \"retries\": 1}}}";
    rv_spec_input input = {.source = rv_str_of(source), .spent = source, .is_json = true};
    rv_problems problems = {.is_silent = true};
    rv_spec *spec = NULL;
    assert_int_equal(rv_spec_load(&input, &spec, &problems), RV_INVALID);
    assert_null(spec);
    assert_int_equal(problems.list.count, 0);
    assert_int_equal(problems.error_count, 2);
    assert_int_equal(problems.unsaid_count, 3); /* and the warning that it says no version */
    rv_problems_deinit(&problems);
    assert_false(problems.is_silent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spent__memory_of_the_source_is_given_back),
        cmocka_unit_test(spent__texts_that_are_nearly_alike_stay_apart),
        cmocka_unit_test(spent__problems_are_counted_and_not_listed),
    };
    return cmocka_run_group_tests_name("spec spent", tests, NULL, NULL);
}
