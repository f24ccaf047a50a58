/* Attempts: how they start, what they say, how they end [A9, A10, E32]. */
#include "harness.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

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

static void expect_start_error(bench *b, const rv_spawn *spawn, rv_detail error, const char *const *words)
{
    attempt a = {0};
    bench_start(b, &a, spawn);
    bench_wait(b, &a, "the end of what could not start");
    assert_exit(&a, -1, -1, RV_STOP_NONE);
    assert_int_equal(a.exit.error, error);
    for (; *words; words++)
        if (!strstr(a.exit.error_text, *words))
            fail_msg("\"%s\" does not say \"%s\"", a.exit.error_text, *words);
    assert_int_equal(rv_exec_live(b->exec), 0);
    assert_false(has_children());
    attempt_deinit(&a);
}

static void write_file(const bench *b, const char *name, const char *text, mode_t mode)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", b->dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static void start__what_cannot_be_executed_says_why(void **state)
{
    bench b;
    bench_init(&b);
    write_file(&b, "plain", "no program\n", 0644);
    write_file(&b, "no-interpreter", "#!/no/such/interpreter\n", 0755);
    write_file(&b, "no-format", "no program\n", 0755);
    char path_entry[128];
    snprintf(path_entry, sizeof path_entry, "PATH=%s", b.dir);
    const char *envp[] = {path_entry, NULL};
    const struct {
        const char *command, *words[4];
    } cases[] = {
        {"./plain", {"./plain", "permission", NULL}},
        {"plain", {"plain", "may not be executed", "PATH=", NULL}},
        {"no-interpreter", {"no-interpreter", "interpreter", NULL}},
        {"./no-format", {"./no-format", "not a program", NULL}},
        {"./missing", {"./missing", "no such file", b.dir, NULL}},
        {"./plain/below", {"./plain/below", NULL}},
        {"", {"not found", NULL}},
    };
    for (size_t i = 0; i < RV_COUNT(cases); i++) {
        const char *argv[] = {cases[i].command, NULL};
        rv_spawn spawn = spawn_of(&b, argv);
        spawn.envp = envp;
        expect_start_error(&b, &spawn, RV_DETAIL_START, cases[i].words);
    }
    bench_deinit(&b);
}

static void start__missing_directory_is_named(void **state)
{
    bench b;
    bench_init(&b);
    const char *commands[] = {"true", "/bin/true", "no-such-command"};
    for (size_t i = 0; i < RV_COUNT(commands); i++) {
        const char *argv[] = {commands[i], NULL};
        rv_spawn spawn = spawn_of(&b, argv);
        spawn.dir = "/no/such/directory";
        if (i == 2) /* a command that is not found by way of PATH comes first only when the directory is there */
            expect_start_error(&b, &spawn, RV_DETAIL_START, (const char *[]){"/no/such/directory", NULL});
        else
            expect_start_error(&b, &spawn, RV_DETAIL_START, (const char *[]){"working directory /no/such/directory", NULL});
    }
    bench_deinit(&b);
}

static void start__arguments_larger_than_the_system_takes_are_a_start_error(void **state)
{
    bench b;
    bench_init(&b);
    size_t size = (size_t)1 << 20; /* one string may have 128 KiB (MAX_ARG_STRLEN) */
    char *text = rv_alloc(size + 1);
    memset(text, 'a', size);
    const char *argv[] = {"true", text, NULL};
    rv_spawn spawn = spawn_of(&b, argv);
    expect_start_error(&b, &spawn, RV_DETAIL_START, (const char *[]){"arguments and environment", NULL});
    rv_free(text);
    bench_deinit(&b);
}

static void start__no_descriptors_left_is_unavailable(void **state)
{
    bench b;
    bench_init(&b);
    struct rlimit before, tight;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    tight = before;
    int lowest = dup(0); /* all numbers below are taken */
    close(lowest);
    tight.rlim_cur = (rlim_t)lowest + 1;
    const char *argv[] = {"true", NULL};
    rv_spawn spawn = spawn_of(&b, argv);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
    attempt a = {0};
    bench_start(&b, &a, &spawn);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    bench_wait(&b, &a, "the end of what could not start");
    assert_int_equal(a.exit.error, RV_DETAIL_UNAVAILABLE);
    attempt_deinit(&a);
    bench_shell(&b, &a, "exit 4"); /* and nothing is spoilt */
    assert_exit(&a, 4, -1, RV_STOP_NONE);
    attempt_deinit(&a);
    bench_deinit(&b);
}

/* In a process of its own, as a user whom the limit binds. Returns its exit status. */
static int start_beyond_the_process_limit(void)
{
    bench b;
    bench_init(&b);
    if (getuid() == 0 && (chown(b.dir, 65534, 65534) != 0 || setresuid(65534, 65534, 65534) != 0))
        return 10;
    struct rlimit tight = {1, 1};
    if (setrlimit(RLIMIT_NPROC, &tight) != 0)
        return 11;
    const char *argv[] = {"true", NULL};
    rv_spawn spawn = spawn_of(&b, argv);
    attempt a = {0};
    bench_start(&b, &a, &spawn);
    bench_wait(&b, &a, "the end of what could not start");
    bool is_right = a.exit.error == RV_DETAIL_UNAVAILABLE && strstr(a.exit.error_text, "true");
    if (!is_right)
        fprintf(stderr, "error %d: %s\n", (int)a.exit.error, a.exit.error_text);
    bench_deinit(&b);
    return is_right ? 0 : 12;
}

static void start__process_limit_is_unavailable(void **state)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(start_beyond_the_process_limit());
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* The path that was found is kept; when it has gone, the next directory of PATH has its turn. */
static void path__command_that_went_away_is_looked_up_again(void **state)
{
    bench b;
    bench_init(&b);
    char first[128], path_entry[256];
    snprintf(first, sizeof first, "%s/first", b.dir);
    assert_int_equal(mkdir(first, 0700), 0);
    write_file(&b, "first/tool", "#!/bin/sh\nexit 1\n", 0755);
    write_file(&b, "tool", "#!/bin/sh\nexit 2\n", 0755);
    snprintf(path_entry, sizeof path_entry, "PATH=/no/such:%s:%s", first, b.dir);
    const char *envp[] = {path_entry, NULL}, *argv[] = {"tool", NULL};
    rv_spawn spawn = spawn_of(&b, argv);
    spawn.envp = envp;
    for (int expected = 1; expected <= 2; expected++) {
        for (int i = 0; i < 2; i++) {
            attempt a = {0};
            bench_start(&b, &a, &spawn);
            bench_wait(&b, &a, "tool");
            assert_exit(&a, expected, -1, RV_STOP_NONE);
            attempt_deinit(&a);
        }
        char tool[160];
        snprintf(tool, sizeof tool, "%s/tool", first);
        if (expected == 1) {
            assert_int_equal(unlink(tool), 0);
            assert_int_equal(rmdir(first), 0);
        }
    }
    bench_deinit(&b);
}

static void path__relative_entries_are_taken_from_the_working_directory(void **state)
{
    bench b;
    bench_init(&b);
    write_file(&b, "tool", "#!/bin/sh\nexit 5\n", 0755);
    const char *const paths[] = {"PATH=.", "PATH=", "PATH=/no/such::/nor/this"};
    for (size_t i = 0; i < RV_COUNT(paths); i++) {
        const char *envp[] = {paths[i], NULL}, *argv[] = {"tool", NULL};
        rv_spawn spawn = spawn_of(&b, argv);
        spawn.envp = envp;
        attempt a = {0};
        bench_start(&b, &a, &spawn);
        bench_wait(&b, &a, "tool");
        assert_exit(&a, 5, -1, RV_STOP_NONE);
        attempt_deinit(&a);
    }
    bench_deinit(&b);
}

static void child__has_only_the_documented_descriptors(void **state)
{
    bench b;
    bench_init(&b);
    int spare[80]; /* some of the engine's own, not close-on-exec, beyond the documented numbers too */
    for (size_t i = 0; i < RV_COUNT(spare); i++)
        spare[i] = dup(b.leash_fd);
    int jobs[2];
    assert_int_equal(pipe(jobs), 0);
    for (int with_jobs = 0; with_jobs < 2; with_jobs++) {
        attempt a = {0};
        const char *argv[] = {hostile_path(), "descriptors", NULL};
        rv_spawn spawn = spawn_of(&b, argv);
        if (with_jobs) {
            spawn.jobs_fds[0] = jobs[0];
            spawn.jobs_fds[1] = jobs[1];
        }
        bench_start(&b, &a, &spawn);
        bench_wait(&b, &a, "a list of descriptors");
        assert_exit(&a, 0, -1, RV_STOP_NONE);
        assert_string_equal(a.out.at, with_jobs ? "0\n1\n2\n60\n61\n62\n" : "0\n1\n2\n60\n");
        attempt_deinit(&a);
    }
    for (size_t i = 0; i < RV_COUNT(spare); i++)
        close(spare[i]);
    close(jobs[0]);
    close(jobs[1]);
    bench_deinit(&b);
}

static void child__standard_input_is_empty_or_as_given(void **state)
{
    bench b;
    bench_init(&b);
    attempt a = {0};
    bench_shell(&b, &a, "cat; readlink /proc/self/fd/0; stat -L -c %i /proc/self/fd/60");
    char expected[64];
    struct stat leash;
    assert_int_equal(fstat(b.leash_fd, &leash), 0);
    snprintf(expected, sizeof expected, "/dev/null\n%llu\n", (unsigned long long)leash.st_ino);
    assert_string_equal(a.out.at, expected);
    attempt_deinit(&a);
    int fds[2];
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    assert_int_equal(write(fds[1], "given", 5), 5);
    close(fds[1]);
    const char *argv[] = {"cat", NULL};
    rv_spawn spawn = spawn_of(&b, argv);
    spawn.stdin_fd = fds[0];
    bench_start(&b, &a, &spawn);
    close(fds[0]); /* borrowed for the call alone */
    bench_wait(&b, &a, "cat");
    assert_string_equal(a.out.at, "given");
    attempt_deinit(&a);
    bench_deinit(&b);
}

static void on_usr1(int number) { (void)number; }

static void child__signals_are_default_and_unblocked(void **state)
{
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGUSR1, on_usr1);
    sigset_t blocked, before;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR2);
    sigaddset(&blocked, SIGTERM);
    sigprocmask(SIG_BLOCK, &blocked, &before);
    bench b;
    bench_init(&b);
    attempt a = {0};
    const char *argv[] = {hostile_path(), "signals", NULL};
    rv_spawn spawn = spawn_of(&b, argv);
    bench_start(&b, &a, &spawn);
    bench_wait(&b, &a, "a list of signals");
    assert_string_equal(a.out.at, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\nSigCgt:\t0000000000000000\n");
    attempt_deinit(&a);
    bench_deinit(&b);
    sigprocmask(SIG_SETMASK, &before, NULL);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGHUP, SIG_DFL);
    signal(SIGUSR1, SIG_DFL);
}

static void child__start_time_is_what_the_system_says(void **state)
{
    bench b;
    bench_init(&b);
    int rounds = is_long() ? 50 : 12;
    for (int i = 0; i < rounds; i++) {
        attempt a = {0};
        const char *argv[] = {hostile_path(), "deaf", NULL};
        rv_spawn spawn = spawn_of(&b, argv);
        bench_start(&b, &a, &spawn);
        rv_process process;
        assert_true(rv_process_read((pid_t)a.pid, &process));
        assert_int_equal(process.start_ticks, a.start_ticks);
        rv_exec_stop(a.proc, RV_STOP_CANCEL, 0);
        bench_wait(&b, &a, "a kill");
        assert_exit(&a, -1, SIGKILL, RV_STOP_CANCEL);
        attempt_deinit(&a);
    }
    bench_deinit(&b);
}

static void stop__ignored_term_becomes_kill_after_the_grace(void **state)
{
    bench b;
    bench_init(&b);
    attempt a = {.stop_after = 6, .stop_grace_ms = 150};
    const char *argv[] = {hostile_path(), "deaf", NULL};
    rv_spawn spawn = spawn_of(&b, argv);
    bench_start(&b, &a, &spawn);
    bench_wait_output(&b, &a, 6, "a deaf child");
    int64_t began_ms = now_ms();
    bench_wait(&b, &a, "its end");
    assert_exit(&a, -1, SIGKILL, RV_STOP_CANCEL);
    assert_true(now_ms() - began_ms >= 140); /* the grace was given */
    print_message("  grace of 150 ms: %lld ms\n", (long long)(now_ms() - began_ms));
    attempt_deinit(&a);
    bench_deinit(&b);
}

static void stop__first_reason_stays_and_a_second_stop_shortens_the_grace(void **state)
{
    bench b;
    bench_init(&b);
    attempt a = {0};
    const char *argv[] = {hostile_path(), "deaf", NULL};
    rv_spawn spawn = spawn_of(&b, argv);
    spawn.grace_ms = 3600000;
    bench_start(&b, &a, &spawn);
    bench_wait_output(&b, &a, 6, "a deaf child");
    rv_exec_stop(a.proc, RV_STOP_INTERRUPT, -1);
    rv_exec_stop(a.proc, RV_STOP_CANCEL, 0);
    bench_wait(&b, &a, "its end");
    assert_exit(&a, -1, SIGKILL, RV_STOP_INTERRUPT);
    attempt_deinit(&a);
    bench_deinit(&b);
}

/* The leader dies of TERM; what else is in its group still has the grace to clean up. */
static void stop__the_group_has_the_grace_that_its_leader_did_not_use(void **state)
{
    bench b;
    bench_init(&b);
    attempt a = {0};
    const char *argv[] = {"sh", "-c", "perl -e '$SIG{TERM} = sub { select undef, undef, undef, 0.1; "
                          "syswrite STDOUT, \"cleaned\\n\"; exit }; "
                          "syswrite STDOUT, \"ready\\n\"; sleep 1000 while 1' & wait", NULL};
    rv_spawn spawn = spawn_of(&b, argv);
    bench_start(&b, &a, &spawn);
    bench_wait_output(&b, &a, 6, "a child of the leader");
    rv_exec_stop(a.proc, RV_STOP_CANCEL, -1);
    bench_wait(&b, &a, "its end");
    assert_exit(&a, -1, SIGTERM, RV_STOP_CANCEL);
    assert_string_equal(a.out.at, "ready\ncleaned\n");
    assert_int_equal(a.exit.killed, 0);
    attempt_deinit(&a);
    bench_deinit(&b);
}

static void stop__reaches_a_stopped_child_and_one_that_left_its_group(void **state)
{
    bench b;
    bench_init(&b);
    const char *const modes[] = {"stopped", "stranger"};
    for (size_t i = 0; i < RV_COUNT(modes); i++) {
        attempt a = {0};
        const char *argv[] = {hostile_path(), modes[i], NULL};
        rv_spawn spawn = spawn_of(&b, argv);
        bench_start(&b, &a, &spawn);
        bench_wait_output(&b, &a, 6, modes[i]);
        rv_exec_stop(a.proc, RV_STOP_CANCEL, -1);
        bench_wait(&b, &a, modes[i]);
        assert_exit(&a, -1, SIGTERM, RV_STOP_CANCEL);
        attempt_deinit(&a);
    }
    bench_deinit(&b);
}

/* How many are open once all that was left for later is done: then no timer is set. */
static uint32_t count_descriptors_at_rest(bench *b)
{
    while (rv_loop_timeout_ms(b->loop) >= 0)
        (void)rv_loop_step(b->loop, 1000);
    return count_descriptors();
}

static void engine__keeps_no_descriptor_and_no_zombie_of_many_attempts(void **state)
{
    bench b;
    bench_init(&b);
    attempt warm[4] = {0}; /* as many as later: a slot keeps the descriptor of its cgroup */
    for (size_t k = 0; k < RV_COUNT(warm); k++) {
        rv_spawn spawn = spawn_of(&b, (const char *[]){"true", NULL});
        bench_start(&b, &warm[k], &spawn);
    }
    for (size_t k = 0; k < RV_COUNT(warm); k++) {
        bench_wait(&b, &warm[k], "the first attempts");
        attempt_deinit(&warm[k]);
    }
    uint32_t before = count_descriptors_at_rest(&b);
    int64_t began_ms = now_ms();
    int rounds = is_long() ? 250 : 20;
    for (int i = 0; i < rounds; i++) {
        attempt a[4] = {0};
        for (size_t k = 0; k < RV_COUNT(a); k++) {
            const char *argv[] = {k == 3 ? "no-such-command" : "true", NULL};
            rv_spawn spawn = spawn_of(&b, argv);
            spawn.timeout_ms = k == 2 ? 50000 : 0;
            bench_start(&b, &a[k], &spawn);
        }
        for (size_t k = 0; k < RV_COUNT(a); k++) {
            bench_wait(&b, &a[k], "one of many");
            assert_exit(&a[k], k == 3 ? -1 : 0, -1, RV_STOP_NONE);
            attempt_deinit(&a[k]);
        }
    }
    assert_int_equal(count_descriptors_at_rest(&b), before);
    assert_int_equal(rv_exec_live(b.exec), 0);
    assert_false(has_children());
    print_message("  %lld ms\n", (long long)(now_ms() - began_ms));
    bench_deinit(&b);
}

static void attempt__many_at_once_all_end(void **state)
{
    bench b;
    bench_init(&b);
    const uint32_t count = is_long() ? 100 : 70; /* more than the executor hears of at a time */
    attempt *a = rv_alloc(count * sizeof *a);
    for (uint32_t i = 0; i < count; i++) {
        const char *argv[] = {hostile_path(), "say", "x", "1", NULL};
        rv_spawn spawn = spawn_of(&b, argv);
        bench_start(&b, &a[i], &spawn);
    }
    assert_int_equal(rv_exec_live(b.exec), count);
    for (uint32_t i = 0; i < count; i++) {
        bench_wait(&b, &a[i], "one of many");
        assert_exit(&a[i], 1, -1, RV_STOP_NONE);
        assert_string_equal(a[i].out.at, "x\n");
        attempt_deinit(&a[i]);
    }
    rv_free(a);
    assert_false(has_children());
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
        cmocka_unit_test(start__what_cannot_be_executed_says_why),
        cmocka_unit_test(start__missing_directory_is_named),
        cmocka_unit_test(start__arguments_larger_than_the_system_takes_are_a_start_error),
        cmocka_unit_test(start__no_descriptors_left_is_unavailable),
        cmocka_unit_test(start__process_limit_is_unavailable),
        cmocka_unit_test(path__command_that_went_away_is_looked_up_again),
        cmocka_unit_test(path__relative_entries_are_taken_from_the_working_directory),
        cmocka_unit_test(child__has_only_the_documented_descriptors),
        cmocka_unit_test(child__standard_input_is_empty_or_as_given),
        cmocka_unit_test(child__signals_are_default_and_unblocked),
        cmocka_unit_test(child__start_time_is_what_the_system_says),
        cmocka_unit_test(stop__ignored_term_becomes_kill_after_the_grace),
        cmocka_unit_test(stop__first_reason_stays_and_a_second_stop_shortens_the_grace),
        cmocka_unit_test(stop__the_group_has_the_grace_that_its_leader_did_not_use),
        cmocka_unit_test(stop__reaches_a_stopped_child_and_one_that_left_its_group),
        cmocka_unit_test(engine__keeps_no_descriptor_and_no_zombie_of_many_attempts),
        cmocka_unit_test(attempt__many_at_once_all_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
