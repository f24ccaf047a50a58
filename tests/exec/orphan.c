/* Nobody outlives an attempt [P8, A10, A12, E32], whatever it does to hide. Each test looks at the pids at the moment
 * when `ended` came, not later. */
#include "harness.h"

#include <errno.h>
#include <sys/wait.h>
#include <time.h>

static void start_hostile(bench *b, attempt *a, const char *const *arguments, const char *mark)
{
    const char *argv[8] = {hostile_path()};
    for (size_t i = 0; arguments[i]; i++)
        argv[i + 1] = arguments[i];
    char entry[64];
    snprintf(entry, sizeof entry, "REEVE_ATTEMPT=%s", mark);
    const char *envp[] = {"PATH=/usr/bin:/bin", entry, NULL};
    rv_spawn spawn = spawn_of(b, argv);
    spawn.envp = envp;
    spawn.mark = mark;
    bench_start(b, a, &spawn);
}

static void assert_all_dead(const bench *b, uint32_t count_least)
{
    static pid_t pids[8192];
    uint32_t count = read_pids(b, "pids", pids, RV_COUNT(pids));
    assert_true(count >= count_least);
    for (uint32_t i = 0; i < count; i++)
        if (is_alive(pids[i]))
            fail_msg("pid %d (%u of %u) outlived its attempt", (int)pids[i], i, count);
}

static void escapee_dies_with_its_attempt(const char *flags)
{
    bench b;
    bench_init(&b);
    attempt a = {0};
    int64_t began_ms = now_ms();
    start_hostile(&b, &a, (const char *[]){"escape", flags, "pids", NULL}, "01A");
    bench_wait(&b, &a, "an attempt with an escapee");
    assert_exit(&a, 0, -1, RV_STOP_NONE);
    assert_all_dead(&b, 1);
    assert_int_equal(a.exit.killed, 1);
    assert_false(has_children());
    print_message("  flags %s: %lld ms\n", flags, (long long)(now_ms() - began_ms));
    attempt_deinit(&a);
    bench_deinit(&b);
}

static void orphan__in_the_group_dies(void **state) { escapee_dies_with_its_attempt("-"); }
static void orphan__in_its_own_group_dies(void **state) { escapee_dies_with_its_attempt("g"); }
static void orphan__in_its_own_session_dies(void **state) { escapee_dies_with_its_attempt("s"); }
static void orphan__without_environment_holding_the_pipe_dies(void **state) { escapee_dies_with_its_attempt("sep"); }
static void orphan__that_shed_everything_dies(void **state) { escapee_dies_with_its_attempt("sec"); }

static void orphan__of_a_long_attempt_is_found_too(void **state)
{
    bench b;
    bench_init(&b);
    attempt a = {0};
    char script[256];
    snprintf(script, sizeof script, "sleep 0.2; %s escape sec pids", hostile_path());
    bench_shell(&b, &a, script);
    assert_exit(&a, 0, -1, RV_STOP_NONE);
    assert_all_dead(&b, 1);
    assert_false(has_children());
    attempt_deinit(&a);
    bench_deinit(&b);
}

static void orphan__that_holds_the_pipe_is_killed_not_waited_for(void **state)
{
    bench b;
    bench_init(&b);
    attempt a = {0};
    int64_t began_ms = now_ms();
    bench_shell(&b, &a, "echo before; sleep 1000 & exit 7");
    assert_exit(&a, 7, -1, RV_STOP_NONE);
    assert_int_equal(a.exit.killed, 1);
    assert_int_equal(a.out.size, 7);
    assert_false(has_children());
    print_message("  %lld ms\n", (long long)(now_ms() - began_ms));
    attempt_deinit(&a);
    bench_deinit(&b);
}

static void orphan__bomb_of_fifty_is_gone(void **state)
{
    bench b;
    bench_init(&b);
    attempt a = {0};
    int64_t began_ms = now_ms();
    start_hostile(&b, &a, (const char *[]){"bomb", "50", "pids", NULL}, "01A");
    bench_wait(&b, &a, "a fork bomb");
    assert_exit(&a, 0, -1, RV_STOP_NONE);
    assert_all_dead(&b, 50);
    assert_false(has_children());
    print_message("  killed %u, %lld ms\n", a.exit.killed, (long long)(now_ms() - began_ms));
    attempt_deinit(&a);
    bench_deinit(&b);
}

static void orphan__that_flees_from_process_to_process_is_caught(void **state)
{
    bench b;
    bench_init(&b);
    attempt a = {0};
    int64_t began_ms = now_ms();
    start_hostile(&b, &a, (const char *[]){"flee", is_long() ? "256" : "32", "pids", NULL}, "01A");
    bench_wait(&b, &a, "a fleeing daemon");
    assert_exit(&a, 0, -1, RV_STOP_NONE);
    assert_all_dead(&b, 5);
    assert_true(a.exit.killed > 0);
    assert_false(has_children());
    print_message("  killed %u, %lld ms\n", a.exit.killed, (long long)(now_ms() - began_ms));
    attempt_deinit(&a);
    bench_deinit(&b);
}

/* Without cgroups, both alive at its birth, nothing tells whose it is: it ends with the last of them, not with the first. */
static void stray__ends_with_the_last_attempt_alive_at_its_birth(void **state)
{
    bench b;
    bench_init_without_cgroups(&b);
    attempt first = {0}, second = {0};
    pid_t pids[4];
    start_hostile(&b, &second, (const char *[]){"deaf", NULL}, "01B");
    bench_wait_output(&b, &second, 6, "the other attempt");
    start_hostile(&b, &first, (const char *[]){"escape", "sec", "pids", NULL}, "01A");
    bench_wait(&b, &first, "the attempt with the escapee");
    assert_int_equal(read_pids(&b, "pids", pids, 4), 1);
    assert_true(is_alive(pids[0]));
    assert_int_equal(first.exit.killed, 0);
    rv_exec_stop(second.proc, RV_STOP_CANCEL, 0);
    bench_wait(&b, &second, "the other attempt's end");
    assert_exit(&second, -1, SIGKILL, RV_STOP_CANCEL);
    assert_false(is_alive(pids[0]));
    assert_int_equal(second.exit.killed, 1);
    assert_false(has_children());
    attempt_deinit(&first);
    attempt_deinit(&second);
    bench_deinit(&b);
}

static uint64_t ticks_now(void)
{
    struct timespec at;
    clock_gettime(CLOCK_BOOTTIME, &at);
    return rv_ticks_of((int64_t)at.tv_sec * 1000000000 + at.tv_nsec);
}

/* The other attempt began after its birth, so it cannot be of that one. */
static void stray__does_not_wait_for_an_attempt_that_began_later(void **state)
{
    bench b;
    bench_init_without_cgroups(&b);
    attempt first = {0}, later = {0};
    start_hostile(&b, &first, (const char *[]){"escape", "sec", "pids", "stay", NULL}, "01A");
    bench_wait_output(&b, &first, 6, "an escapee");
    uint64_t born_ticks = ticks_now();
    while (ticks_now() == born_ticks) /* at most 10 ms */
        ;
    start_hostile(&b, &later, (const char *[]){"deaf", NULL}, "01B");
    bench_wait_output(&b, &later, 6, "the later attempt");
    rv_exec_stop(first.proc, RV_STOP_CANCEL, 0);
    bench_wait(&b, &first, "the first attempt's end");
    assert_all_dead(&b, 1);
    assert_int_equal(later.ended_count, 0);
    rv_exec_stop(later.proc, RV_STOP_CANCEL, 0);
    bench_wait(&b, &later, "the later attempt's end");
    assert_int_equal(later.exit.killed, 0);
    attempt_deinit(&first);
    attempt_deinit(&later);
    bench_deinit(&b);
}

/* Mark, group and pipe tell them apart: the end of one attempt does not touch what another has orphaned. */
static void orphan__of_another_attempt_is_not_touched(void **state)
{
    const char *const flags[] = {"-", "s", "sep"};
    for (size_t i = 0; i < RV_COUNT(flags); i++) {
        bench b;
        bench_init(&b);
        attempt owner = {0}, other = {0};
        pid_t pids[4];
        start_hostile(&b, &owner, (const char *[]){"escape", flags[i], "pids", "stay", NULL}, "01A");
        bench_wait_output(&b, &owner, 6, "an escapee");
        start_hostile(&b, &other, (const char *[]){"descriptors", NULL}, "01B");
        bench_wait(&b, &other, "the other attempt");
        assert_int_equal(other.exit.killed, 0);
        assert_int_equal(read_pids(&b, "pids", pids, 4), 1);
        assert_true(is_alive(pids[0]));
        rv_exec_stop(owner.proc, RV_STOP_CANCEL, 0);
        bench_wait(&b, &owner, "the owner's end");
        assert_false(is_alive(pids[0]));
        attempt_deinit(&owner);
        attempt_deinit(&other);
        bench_deinit(&b);
    }
}

static void leave__what_the_leader_left_behind_lives_on(void **state)
{
    bench b;
    bench_init(&b);
    attempt a = {0}, next = {0};
    const char *argv[] = {hostile_path(), "escape", "s", "pids", NULL};
    rv_spawn spawn = spawn_of(&b, argv);
    spawn.leave = true;
    bench_start(&b, &a, &spawn);
    bench_wait(&b, &a, "an attempt that may leave processes");
    assert_exit(&a, 0, -1, RV_STOP_NONE);
    assert_int_equal(a.exit.killed, 0);
    pid_t pids[4];
    assert_int_equal(read_pids(&b, "pids", pids, 4), 1);
    assert_true(is_alive(pids[0]));
    bench_shell(&b, &next, "exit 0"); /* neither does the end of another attempt kill it … */
    assert_int_equal(next.exit.killed, 0);
    assert_true(is_alive(pids[0]));
    bench_deinit(&b); /* … nor that of the executor */
    assert_true(is_alive(pids[0]));
    assert_int_equal(kill(pids[0], SIGKILL), 0);
    assert_int_equal(waitpid(pids[0], NULL, 0), pids[0]);
    attempt_deinit(&a);
    attempt_deinit(&next);
}

static void leave__does_not_save_from_a_stop(void **state)
{
    bench b;
    bench_init(&b);
    attempt a = {0};
    const char *argv[] = {hostile_path(), "escape", "s", "pids", "stay", NULL};
    rv_spawn spawn = spawn_of(&b, argv);
    spawn.leave = true;
    bench_start(&b, &a, &spawn);
    bench_wait_output(&b, &a, 6, "an escapee");
    rv_exec_stop(a.proc, RV_STOP_CANCEL, 0);
    bench_wait(&b, &a, "the end");
    assert_all_dead(&b, 1);
    attempt_deinit(&a);
    bench_deinit(&b);
}

static void free__ends_what_is_running(void **state)
{
    bench b;
    bench_init(&b);
    attempt a[3] = {0};
    const char *const flags[] = {"-", "s", "sec"};
    for (size_t i = 0; i < RV_COUNT(a); i++) {
        start_hostile(&b, &a[i], (const char *[]){"escape", flags[i], "pids", "stay", NULL}, "01A");
        bench_wait_output(&b, &a[i], 6, "an escapee");
    }
    pid_t pids[8];
    uint32_t count = read_pids(&b, "pids", pids, 8);
    assert_int_equal(count, 3);
    bench_deinit(&b);
    for (uint32_t i = 0; i < count; i++)
        assert_false(is_alive(pids[i]));
    for (size_t i = 0; i < RV_COUNT(a); i++) {
        assert_int_equal(a[i].ended_count, 0);
        attempt_deinit(&a[i]);
    }
    assert_false(has_children());
}

static bool count_zombie(void *user, pid_t pid)
{
    rv_process process;
    if (rv_process_read(pid, &process) && process.state == 'Z' && process.parent == getpid())
        ++*(uint32_t *)user;
    return true;
}

static void orphan__that_ends_is_reaped_while_a_long_attempt_lives(void **state)
{
    bench b;
    bench_init(&b);
    attempt a = {0};
    uint32_t zombies = 0, count = is_long() ? 120 : 30;
    char count_text[16];
    snprintf(count_text, sizeof count_text, "%u", count);
    start_hostile(&b, &a, (const char *[]){"litter", count_text, NULL}, "01A");
    bench_wait_output(&b, &a, 6, "an attempt that litters");
    assert_int_equal(a.ended_count, 0);
    assert_true(rv_process_each(count_zombie, &zombies));
    print_message("  %u zombies of %u\n", zombies, count);
    assert_true(zombies < count / 3);
    rv_exec_stop(a.proc, RV_STOP_CANCEL, 0);
    bench_wait(&b, &a, "its end");
    assert_false(has_children());
    attempt_deinit(&a);
    bench_deinit(&b);
}

/* A host with children of its own keeps them, and their exit statuses. */
static void host__its_own_children_are_not_touched(void **state)
{
    bench b;
    bench_init(&b);
    bench_exec(&b, &(rv_exec_config){.loop = b.loop, .leash_fd = b.leash_fd, .cgroup = b.cgroup, .shares_children = true});
    attempt a = {0}, escaping = {0};
    const char *argv[] = {"sh", "-c", "echo ready; read line", NULL};
    int line[2];
    assert_int_equal(pipe2(line, O_CLOEXEC), 0);
    rv_spawn spawn = spawn_of(&b, argv);
    spawn.stdin_fd = line[0];
    bench_start(&b, &a, &spawn);
    bench_wait_output(&b, &a, 6, "an attempt");
    pid_t living = fork();
    if (living == 0)
        for (;;)
            pause();
    pid_t dead = fork();
    if (dead == 0)
        _exit(42);
    assert_int_equal(write(line[1], "\n", 1), 1);
    bench_wait(&b, &a, "the attempt's end");
    assert_exit(&a, 0, -1, RV_STOP_NONE);
    start_hostile(&b, &escaping, (const char *[]){"escape", "se", "pids", NULL}, "01A");
    bench_wait(&b, &escaping, "an attempt whose escapee holds its pipe");
    assert_all_dead(&b, 1);
    int status;
    assert_int_equal(waitpid(dead, &status, 0), dead);
    assert_int_equal(WEXITSTATUS(status), 42);
    assert_true(is_alive(living));
    kill(living, SIGKILL);
    assert_int_equal(waitpid(living, &status, 0), living);
    close(line[0]);
    close(line[1]);
    attempt_deinit(&a);
    attempt_deinit(&escaping);
    bench_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(orphan__in_the_group_dies),
        cmocka_unit_test(orphan__in_its_own_group_dies),
        cmocka_unit_test(orphan__in_its_own_session_dies),
        cmocka_unit_test(orphan__without_environment_holding_the_pipe_dies),
        cmocka_unit_test(orphan__that_shed_everything_dies),
        cmocka_unit_test(orphan__of_a_long_attempt_is_found_too),
        cmocka_unit_test(orphan__that_holds_the_pipe_is_killed_not_waited_for),
        cmocka_unit_test(orphan__bomb_of_fifty_is_gone),
        cmocka_unit_test(orphan__that_flees_from_process_to_process_is_caught),
        cmocka_unit_test(stray__ends_with_the_last_attempt_alive_at_its_birth),
        cmocka_unit_test(stray__does_not_wait_for_an_attempt_that_began_later),
        cmocka_unit_test(orphan__of_another_attempt_is_not_touched),
        cmocka_unit_test(leave__what_the_leader_left_behind_lives_on),
        cmocka_unit_test(leave__does_not_save_from_a_stop),
        cmocka_unit_test(orphan__that_ends_is_reaped_while_a_long_attempt_lives),
        cmocka_unit_test(free__ends_what_is_running),
        cmocka_unit_test(host__its_own_children_are_not_touched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
