/* Attempts: how they start, what they say, how they end [A9, A10, E32]. */
#include "harness.h"

#include <sys/resource.h>
#include <sys/stat.h>

static void attempt__exit_status_is_that_of_the_command(void **state)
{
    bench b;
    bench_init(&b);
    for (int status = 0; status < 256; status += 51) {
        attempt a = {0};
        char script[32];
        snprintf(script, sizeof script, "exit %d", status);
        bench_shell(&b, &a, script);
        assert_exit(&a, status, -1, RV_STOP_NONE);
        assert_int_equal(a.exit.error, RV_DETAIL_NONE);
        assert_true(a.exit.ended_ms >= a.exit.started_ms);
        assert_true(a.exit.rss_max > 0);
        attempt_deinit(&a);
    }
    assert_int_equal(rv_exec_live(b.exec), 0);
    assert_false(has_children());
    bench_deinit(&b);
}

static void attempt__signal_that_ended_the_command_is_told(void **state)
{
    bench b;
    bench_init(&b);
    const int signals[] = {SIGKILL, SIGSEGV, SIGTERM, SIGPIPE, SIGHUP};
    for (size_t i = 0; i < RV_COUNT(signals); i++) {
        attempt a = {0};
        char script[32];
        snprintf(script, sizeof script, "kill -%d $$", signals[i]);
        bench_shell(&b, &a, script);
        assert_exit(&a, -1, signals[i], RV_STOP_NONE);
        attempt_deinit(&a);
    }
    bench_deinit(&b);
}

static void attempt__output_comes_by_bytes_on_both_streams(void **state)
{
    bench b;
    bench_init(&b);
    attempt a = {0};
    bench_shell(&b, &a, "printf 'a\\0b\\377\\n'; printf 'err\\0' >&2; exit 3");
    assert_exit(&a, 3, -1, RV_STOP_NONE);
    assert_int_equal(a.out.size, 5);
    assert_memory_equal(a.out.at, "a\0b\377\n", 5);
    assert_int_equal(a.err.size, 4);
    assert_memory_equal(a.err.at, "err\0", 4);
    attempt_deinit(&a);
    bench_deinit(&b);
}

static void attempt__megabytes_on_both_streams_arrive_whole(void **state)
{
    bench b;
    bench_init(&b);
    attempt a = {0};
    bench_shell(&b, &a,
                "perl -e '$s = join \"\", map chr($_ & 255), 0..65535; "
                "for (1..64) { syswrite STDOUT, $s; syswrite STDERR, $s } '");
    assert_exit(&a, 0, -1, RV_STOP_NONE);
    assert_int_equal(a.out.size, (size_t)4 << 20);
    assert_int_equal(a.err.size, (size_t)4 << 20);
    for (size_t i = 0; i < a.out.size; i++)
        if ((uint8_t)a.out.at[i] != (uint8_t)(i & 255) || a.out.at[i] != a.err.at[i])
            fail_msg("byte %zu differs", i);
    attempt_deinit(&a);
    bench_deinit(&b);
}

static void attempt__output_is_given_while_it_runs(void **state)
{
    bench b;
    bench_init(&b);
    attempt a = {0};
    const char *argv[] = {"sh", "-c", "echo first; exec sleep 1000", NULL};
    rv_spawn spawn = spawn_of(&b, argv);
    bench_start(&b, &a, &spawn);
    bench_wait_output(&b, &a, 6, "first line of a running command");
    assert_int_equal(a.ended_count, 0);
    rv_exec_stop(a.proc, RV_STOP_CANCEL, -1);
    bench_wait(&b, &a, "the end after a stop");
    assert_exit(&a, -1, SIGTERM, RV_STOP_CANCEL);
    attempt_deinit(&a);
    bench_deinit(&b);
}

static void attempt__timeout_stops_it(void **state)
{
    bench b;
    bench_init(&b);
    attempt a = {0};
    const char *argv[] = {"sleep", "1000", NULL};
    rv_spawn spawn = spawn_of(&b, argv);
    spawn.timeout_ms = 100;
    int64_t began_ms = now_ms();
    bench_start(&b, &a, &spawn);
    bench_wait(&b, &a, "a timeout");
    assert_exit(&a, -1, SIGTERM, RV_STOP_TIMEOUT);
    assert_true(now_ms() - began_ms >= 100);
    print_message("  timeout of 100 ms: %lld ms\n", (long long)(now_ms() - began_ms));
    attempt_deinit(&a);
    bench_deinit(&b);
}

static void attempt__missing_command_is_a_start_error_naming_command_and_path(void **state)
{
    bench b;
    bench_init(&b);
    attempt a = {0};
    const char *argv[] = {"no-such-command-here", NULL};
    rv_spawn spawn = spawn_of(&b, argv);
    bench_start(&b, &a, &spawn);
    assert_int_equal(a.pid, 0);
    bench_wait(&b, &a, "the end of what never started");
    assert_exit(&a, -1, -1, RV_STOP_NONE);
    assert_int_equal(a.exit.error, RV_DETAIL_START);
    assert_non_null(strstr(a.exit.error_text, "no-such-command-here"));
    assert_non_null(strstr(a.exit.error_text, "PATH=/usr/local/bin:/usr/bin:/bin"));
    assert_false(has_children());
    attempt_deinit(&a);
    bench_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attempt__exit_status_is_that_of_the_command),
        cmocka_unit_test(attempt__signal_that_ended_the_command_is_told),
        cmocka_unit_test(attempt__output_comes_by_bytes_on_both_streams),
        cmocka_unit_test(attempt__megabytes_on_both_streams_arrive_whole),
        cmocka_unit_test(attempt__output_is_given_while_it_runs),
        cmocka_unit_test(attempt__timeout_stops_it),
        cmocka_unit_test(attempt__missing_command_is_a_start_error_naming_command_and_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
