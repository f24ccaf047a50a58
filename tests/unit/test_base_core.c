/* test_base_core.c: statuses, errors, slices, the log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/json.h"
#include "base/util.h"

static void status__every_row_has_its_own_name_and_a_text(void **state)
{
    for (int i = 0; i <= RV_TIMEOUT; i++) {
        assert_true(strlen(rv_status_text((rv_status)i)) > 0);
        assert_in_range(rv_status_http((rv_status)i), 200, 599);
        for (int j = 0; j < i; j++) assert_string_not_equal(rv_status_name((rv_status)i), rv_status_name((rv_status)j));
    }
    assert_string_equal(rv_status_name(RV_NOT_FOUND), "NOT_FOUND");
    assert_int_equal(rv_status_exit(RV_CONFLICT), 4);
    assert_int_equal(rv_status_http(RV_OK), 200);
}

static void status__a_number_from_outside_the_list_is_named_too(void **state)
{
    assert_string_equal(rv_status_name((rv_status)9999), "UNLISTED");
    assert_int_equal(rv_status_http((rv_status)9999), 500);
}

static void error__set_keeps_text_and_status_and_null_is_ignored(void **state)
{
    rv_error err;
    assert_int_equal(rv_error_set(&err, RV_IO, "file %s: %d", "a", 7), RV_IO);
    assert_string_equal(err.text, "file a: 7");
    assert_int_equal(err.status, RV_IO);
    assert_int_equal(rv_error_set(NULL, RV_LIMIT, "x"), RV_LIMIT);
    assert_int_equal(rv_error_context(NULL, "x"), RV_INVALID);
}

static void error__context_goes_before_and_keeps_the_status(void **state)
{
    rv_error err;
    rv_error_set(&err, RV_STORE_FULL, "no space");
    assert_int_equal(rv_error_context(&err, "run %d", 12), RV_STORE_FULL);
    assert_string_equal(err.text, "run 12: no space");
    rv_error_set(&err, err.status, "again: %s", err.text); /* its own text as an argument */
    assert_string_equal(err.text, "again: run 12: no space");
}

static void error__long_text_is_cut_at_a_character(void **state)
{
    rv_error err;
    char text[2 * RV_ERROR_TEXT_MAX];
    for (size_t lead = 0; lead < 4; lead++) { /* cut after every byte of a three-byte character */
        size_t size = lead;
        memset(text, 'a', lead);
        while (size + 3 < sizeof text) {
            memcpy(text + size, "\xe2\x82\xac", 3);
            size += 3;
        }
        text[size] = 0;
        rv_error_set(&err, RV_IO, "%s", text);
        size_t kept = strlen(err.text);
        assert_in_range(kept, RV_ERROR_TEXT_MAX - 4, RV_ERROR_TEXT_MAX - 1);
        assert_int_equal(rv_utf8_valid(rv_str_of(err.text)), kept);
        rv_error_context(&err, "where");
        assert_int_equal(rv_utf8_valid(rv_str_of(err.text)), strlen(err.text));
        assert_memory_equal(err.text, "where: ", 7);
    }
}

static void str__pieces_never_leave_the_whole(void **state)
{
    rv_str text = RV_STR("lease");
    assert_true(rv_str_eq(rv_str_from(text, 2), RV_STR("ase")));
    assert_int_equal(rv_str_from(text, 5).size, 0);
    assert_int_equal(rv_str_from(text, 99).size, 0);
    assert_true(rv_str_is(rv_str_cut(text, 1, 2), "ea"));
    assert_true(rv_str_is(rv_str_cut(text, 3, 99), "se"));
    assert_true(rv_str_starts(text, RV_STR("le")) && !rv_str_starts(text, RV_STR("leases")));
    assert_true(rv_str_ends(text, RV_STR("ase")) && !rv_str_ends(text, RV_STR("base")));
    assert_true(rv_str_starts(text, (rv_str){0}) && rv_str_ends((rv_str){0}, (rv_str){0}));
    assert_int_equal(rv_str_find(text, 0, 'e'), 1);
    assert_int_equal(rv_str_find(text, 2, 'e'), 4);
    assert_int_equal(rv_str_find(text, 5, 'e'), SIZE_MAX);
    assert_int_equal(rv_str_find((rv_str){0}, 0, 'e'), SIZE_MAX);
}

static void str__order_is_by_unsigned_bytes_then_size(void **state)
{
    static const char *const rising[] = {"", "a", "a\x01", "aa", "b", "b\x7f", "b\x80", "b\xff"};
    for (size_t i = 0; i < RV_COUNT(rising); i++)
        for (size_t j = 0; j < RV_COUNT(rising); j++) {
            int order = rv_str_cmp(rv_str_of(rising[i]), rv_str_of(rising[j]));
            assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
        }
    assert_int_equal(rv_str_cmp((rv_str){0}, (rv_str){0}), 0);
}

/* What a child writes to stderr while it does `act`; *ret_wait is how it ended. */
static void run_child(void (*act)(void), char *ret_text, size_t size, int *ret_wait)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dup2(ends[1], STDERR_FILENO);
        act();
        _exit(0);
    }
    close(ends[1]);
    size_t used = 0;
    for (ssize_t got; used + 1 < size && (got = read(ends[0], ret_text + used, size - 1 - used)) > 0;) used += (size_t)got;
    ret_text[used] = 0;
    close(ends[0]);
    assert_int_equal(waitpid(pid, ret_wait, 0), pid);
}

static void log_some(void)
{
    rv_log(RV_LOG_DEBUG, "not shown");
    rv_log(RV_LOG_WARN, "slow: %d\n\x1b[2J", 3);
    rv_log_set(RV_LOG_ERROR, true);
    rv_log(RV_LOG_WARN, "not shown");
    rv_log(RV_LOG_ERROR, "a \"b\"\n");
}

static void log__is_one_line_and_hands_no_control_byte_to_the_terminal(void **state)
{
    char text[512];
    int ended;
    run_child(log_some, text, sizeof text, &ended);
    assert_string_equal(text, "reeve: warning: slow: 3\\n\\x1b[2J\n{\"level\":\"error\",\"message\":\"a \\\"b\\\"\\n\"}\n");
}

static void fail_assertion(void) { RV_ASSERT(1 + 1 == 3); }
static void ask_for_too_much(void) { rv_free(rv_realloc(NULL, SIZE_MAX / 2)); }

static void assert__a_false_condition_is_named_and_aborts(void **state)
{
    char text[512];
    int ended;
    run_child(fail_assertion, text, sizeof text, &ended);
    assert_true(WIFSIGNALED(ended) && WTERMSIG(ended) == SIGABRT);
    assert_non_null(strstr(text, "test_base_core.c:"));
    assert_non_null(strstr(text, ": 1 + 1 == 3\n"));
}

static void alloc__without_memory_says_so_and_aborts(void **state)
{
    char text[4096];
    int ended;
    setenv("ASAN_OPTIONS", "allocator_may_return_null=1", 1);
    run_child(ask_for_too_much, text, sizeof text, &ended);
    assert_true(WIFSIGNALED(ended) || WEXITSTATUS(ended) != 0);
    assert_true(strstr(text, "reeve: out of memory") != NULL || strstr(text, "AddressSanitizer") != NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(status__every_row_has_its_own_name_and_a_text),
        cmocka_unit_test(status__a_number_from_outside_the_list_is_named_too),
        cmocka_unit_test(error__set_keeps_text_and_status_and_null_is_ignored),
        cmocka_unit_test(error__context_goes_before_and_keeps_the_status),
        cmocka_unit_test(error__long_text_is_cut_at_a_character),
        cmocka_unit_test(str__pieces_never_leave_the_whole),
        cmocka_unit_test(str__order_is_by_unsigned_bytes_then_size),
        cmocka_unit_test(log__is_one_line_and_hands_no_control_byte_to_the_terminal),
        cmocka_unit_test(assert__a_false_condition_is_named_and_aborts),
        cmocka_unit_test(alloc__without_memory_says_so_and_aborts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
