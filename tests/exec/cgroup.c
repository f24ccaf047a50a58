/* What cgroups add [P8, A10, A12]: what shed everything is still its attempt's. Skipped where there are none; what holds
 * without them is in orphan.c and keeper.c. */
#include "harness.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>
#include <sys/wait.h>

static void start(bench *b, attempt *a, const char *const *argv, bool leave)
{
    const char *envp[] = {"PATH=/usr/bin:/bin", "REEVE_ATTEMPT=01A", NULL};
    rv_spawn spawn = spawn_of(b, argv);
    spawn.envp = envp;
    spawn.mark = "01A";
    spawn.leave = leave;
    bench_start(b, a, &spawn);
}

/* Takes slot 0, and lives. */
static void start_other(bench *b, attempt *a)
{
    start(b, a, (const char *[]){hostile_path(), "deaf", NULL}, false);
    bench_wait_output(b, a, 6, "the other attempt");
}

static void assert_dead(const bench *b, uint32_t count_least)
{
    pid_t pids[256];
    uint32_t count = read_pids(b, "pids", pids, RV_COUNT(pids));
    assert_true(count >= count_least);
    for (uint32_t i = 0; i < count; i++)
        if (is_alive(pids[i]))
            fail_msg("pid %d (%u of %u) outlived its attempt", (int)pids[i], i, count);
}

/* Stopped by us it ends, and had nothing to do with what the first attempt left. */
static void end_other(bench *b, attempt *a)
{
    assert_int_equal(a->ended_count, 0);
    rv_exec_stop(a->proc, RV_STOP_CANCEL, 0);
    bench_wait(b, a, "the other attempt's end");
    assert_exit(a, -1, SIGKILL, RV_STOP_CANCEL);
    assert_int_equal(a->exit.killed, 0);
    attempt_deinit(a);
}

static void what_shed_everything_ends_with_its_own_attempt(bool shares_children)
{
    need_cgroups();
    bench b;
    bench_init(&b);
    bench_exec(&b, &(rv_exec_config){.loop = b.loop, .leash_fd = b.leash_fd, .cgroup = b.cgroup, .shares_children = shares_children});
    attempt other = {0}, a = {0};
    start_other(&b, &other);
    start(&b, &a, (const char *[]){hostile_path(), "escape", "sec", "pids", NULL}, false);
    bench_wait(&b, &a, "an attempt whose escapee shed everything");
    assert_exit(&a, 0, -1, RV_STOP_NONE);
    assert_dead(&b, 1);
    assert_int_equal(a.exit.killed, 1);
    end_other(&b, &other);
    attempt_deinit(&a);
    bench_deinit(&b);
    assert_false(has_children());
}

static void orphan__that_shed_everything_ends_with_its_own_attempt(void **state)
{
    what_shed_everything_ends_with_its_own_attempt(false);
}

static void orphan__that_shed_everything_is_known_to_a_host_with_children_too(void **state)
{
    what_shed_everything_ends_with_its_own_attempt(true);
}

static void orphan__bomb_beside_another_attempt_ends_with_its_own(void **state)
{
    need_cgroups();
    bench b;
    bench_init(&b);
    attempt other = {0}, a = {0};
    start_other(&b, &other);
    start(&b, &a, (const char *[]){"/usr/bin/env", "-i", hostile_path(), "bomb", "50", "pids", NULL}, false);
    bench_wait(&b, &a, "a fork bomb");
    assert_exit(&a, 0, -1, RV_STOP_NONE);
    assert_dead(&b, 50);
    end_other(&b, &other);
    attempt_deinit(&a);
    bench_deinit(&b);
    assert_false(has_children());
}

/* A command may divide its cgroup: what is below it is its attempt's as well, and is removed with it. */
static void orphan__in_a_cgroup_that_the_attempt_made_ends_with_it(void **state)
{
    need_cgroups();
    bench b;
    bench_init(&b);
    attempt other = {0}, a = {0};
    char script[4 * RV_EXEC_CGROUP_SIZE];
    start_other(&b, &other);
    snprintf(script, sizeof script, "mkdir -p %s/1/a/b && echo 0 >%s/1/a/b/cgroup.procs && exec %s escape sec pids", b.cgroup, b.cgroup,
             hostile_path());
    start(&b, &a, (const char *[]){"sh", "-c", script, NULL}, false);
    bench_wait(&b, &a, "an attempt with a cgroup of its own");
    assert_exit(&a, 0, -1, RV_STOP_NONE);
    assert_dead(&b, 1);
    end_other(&b, &other);
    attempt_deinit(&a);
    bench_deinit(&b);
    assert_int_not_equal(access(b.cgroup, F_OK), 0);
}

static uint32_t count_groups(const char *path)
{
    uint32_t count = 0;
    DIR *dir = opendir(path);
    assert_non_null(dir);
    for (const struct dirent *entry; (entry = readdir(dir));)
        count += entry->d_type == DT_DIR && entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

static void slots__keep_their_cgroups_until_the_executor_ends(void **state)
{
    need_cgroups();
    bench b;
    bench_init(&b);
    attempt other = {0};
    struct stat first, last;
    char path[RV_EXEC_CGROUP_SIZE + 8];
    snprintf(path, sizeof path, "%s/1", b.cgroup);
    assert_int_not_equal(access(b.cgroup, F_OK), 0); /* an executor that starts nothing makes nothing */
    start_other(&b, &other);
    for (int i = 0; i < 5; i++) {
        attempt a = {0};
        start(&b, &a, (const char *[]){"true", NULL}, false);
        bench_wait(&b, &a, "a short attempt");
        assert_exit(&a, 0, -1, RV_STOP_NONE);
        assert_int_equal(stat(path, i == 0 ? &first : &last), 0);
        attempt_deinit(&a);
    }
    assert_int_equal(first.st_ino, last.st_ino);
    assert_int_equal(count_groups(b.cgroup), 2);
    end_other(&b, &other);
    bench_deinit(&b);
    assert_int_not_equal(access(b.cgroup, F_OK), 0);
}

/* Linux from 6.14 on kills every child that is born in a cgroup that was killed once. */
static void slots__whose_attempts_left_something_are_used_again(void **state)
{
    need_cgroups();
    bench b;
    bench_init(&b);
    for (int i = 0; i < 4; i++) {
        attempt bad = {0}, good = {0};
        start(&b, &bad, (const char *[]){hostile_path(), "escape", i % 2 ? "sec" : "s", "pids", NULL}, false);
        bench_wait(&b, &bad, "an attempt with an escapee");
        assert_exit(&bad, 0, -1, RV_STOP_NONE);
        assert_dead(&b, (uint32_t)i + 1);
        start(&b, &good, (const char *[]){"grep", "-q", "/reeve.store.", "/proc/self/cgroup", NULL}, false);
        bench_wait(&b, &good, "the next attempt of its slot");
        assert_exit(&good, 0, -1, RV_STOP_NONE);
        attempt_deinit(&bad);
        attempt_deinit(&good);
    }
    bench_deinit(&b);
    assert_int_not_equal(access(b.cgroup, F_OK), 0);
}

/* The cgroup in the unified hierarchy that the attempt found itself in. */
static void group_of(bench *b, bool leave, char *ret, size_t size)
{
    attempt a = {0};
    start(b, &a, (const char *[]){"sed", "-n", "s/^0:://p", "/proc/self/cgroup", NULL}, leave);
    bench_wait(b, &a, "the name of a cgroup");
    assert_exit(&a, 0, -1, RV_STOP_NONE);
    snprintf(ret, size, "%.*s", RV_FMT(rv_buf_str(&a.out)));
    attempt_deinit(&a);
}

static void leave__starts_where_we_are(void **state)
{
    need_cgroups();
    bench b;
    bench_init(&b);
    char inside[RV_EXEC_CGROUP_SIZE], outside[RV_EXEC_CGROUP_SIZE];
    group_of(&b, false, inside, sizeof inside);
    group_of(&b, true, outside, sizeof outside);
    assert_non_null(strstr(inside, "/reeve.store."));
    assert_null(strstr(outside, "/reeve.store."));
    bench_deinit(&b);
}

/* An engine that is itself an attempt: what it leaves on purpose outlives the attempt that it is. */
static void leave__of_an_engine_within_an_attempt_starts_outside_of_both(void **state)
{
    need_cgroups();
    bench outer;
    bench_init(&outer);
    attempt a = {0};
    start_other(&outer, &a);
    char path[RV_EXEC_CGROUP_SIZE + 32], before[RV_EXEC_CGROUP_SIZE], inside[RV_EXEC_CGROUP_SIZE], outside[RV_EXEC_CGROUP_SIZE];
    group_of(&outer, true, before, sizeof before);
    snprintf(path, sizeof path, "%s/0/cgroup.procs", outer.cgroup);
    pid_t child = fork();
    if (child == 0) {
        int fd = open(path, O_WRONLY | O_CLOEXEC);
        if (fd < 0 || write(fd, "0", 1) != 1)
            _exit(98);
        bench inner;
        bench_init(&inner);
        group_of(&inner, false, inside, sizeof inside);
        group_of(&inner, true, outside, sizeof outside);
        bool is_nested = strncmp(inner.cgroup, outer.cgroup, strlen(outer.cgroup)) == 0 && strstr(inside, "/0/reeve.store.");
        bench_deinit(&inner);
        _exit(!is_nested ? 1 : strcmp(outside, before) != 0 ? 2 : 0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    end_other(&outer, &a);
    bench_deinit(&outer);
}

static void cgroup__that_is_refused_is_done_without(void **state)
{
    need_cgroups();
    char path[RV_EXEC_CGROUP_SIZE + 32];
    bench b;
    bench_init(&b);
    snprintf(path, sizeof path, "%s/no/such", b.cgroup);
    bench_exec(&b, &(rv_exec_config){.loop = b.loop, .leash_fd = b.leash_fd, .cgroup = path});
    attempt a = {0};
    bench_shell(&b, &a, "exit 3");
    assert_exit(&a, 3, -1, RV_STOP_NONE);
    attempt_deinit(&a);
    bench_deinit(&b);
}

/* The same of the cgroup that we are in ourselves: then there are none for attempts, but no attempt is lost by it. */
static void cgroup__of_ours_that_was_killed_before_we_came_loses_no_attempt(void **state)
{
    need_cgroups();
    bench outer;
    bench_init(&outer);
    char path[RV_EXEC_CGROUP_SIZE + 32];
    assert_int_equal(mkdir(outer.cgroup, 0755), 0);
    rv_cgroup_kill(outer.cgroup);
    snprintf(path, sizeof path, "%s/cgroup.procs", outer.cgroup);
    pid_t child = fork();
    if (child == 0) {
        int fd = open(path, O_WRONLY | O_CLOEXEC);
        if (fd < 0 || write(fd, "0", 1) != 1)
            _exit(98);
        bench b;
        bench_init(&b);
        attempt a = {0};
        bench_shell(&b, &a, "exit 3");
        bench_deinit(&b);
        _exit(a.exit.exit_status == 3 ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_true(rv_cgroup_remove(outer.cgroup, WAIT_MS_MAX));
    bench_deinit(&outer);
}

/* A system manager that tidies up removes what is empty. */
static void cgroup__that_somebody_removed_is_done_without(void **state)
{
    need_cgroups();
    char path[RV_EXEC_CGROUP_SIZE + 8], group[RV_EXEC_CGROUP_SIZE];
    bench b;
    bench_init(&b);
    group_of(&b, false, group, sizeof group);
    snprintf(path, sizeof path, "%s/0", b.cgroup);
    while (rmdir(path) != 0) /* some kernels count a dead process for a moment longer */
        assert_int_equal(errno, EBUSY);
    group_of(&b, false, group, sizeof group);
    assert_null(strstr(group, "/reeve.store."));
    attempt a = {0};
    start(&b, &a, (const char *[]){hostile_path(), "escape", "sec", "pids", NULL}, false);
    bench_wait(&b, &a, "an attempt whose slot has lost its cgroup");
    assert_dead(&b, 1);
    attempt_deinit(&a);
    bench_deinit(&b);
}

static void cgroup__off_says_why(void **state)
{
    char path[RV_EXEC_CGROUP_SIZE];
    const char *why = NULL;
    assert_int_equal(setenv("REEVE_CGROUPS", "off", 1), 0);
    assert_false(rv_exec_cgroup_path("mark", path, &why));
    assert_string_equal(path, "");
    assert_non_null(strstr(why, "REEVE_CGROUPS"));
    assert_int_equal(unsetenv("REEVE_CGROUPS"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(orphan__that_shed_everything_ends_with_its_own_attempt),
        cmocka_unit_test(orphan__that_shed_everything_is_known_to_a_host_with_children_too),
        cmocka_unit_test(orphan__bomb_beside_another_attempt_ends_with_its_own),
        cmocka_unit_test(orphan__in_a_cgroup_that_the_attempt_made_ends_with_it),
        cmocka_unit_test(slots__keep_their_cgroups_until_the_executor_ends),
        cmocka_unit_test(slots__whose_attempts_left_something_are_used_again),
        cmocka_unit_test(leave__starts_where_we_are),
        cmocka_unit_test(leave__of_an_engine_within_an_attempt_starts_outside_of_both),
        cmocka_unit_test(cgroup__that_is_refused_is_done_without),
        cmocka_unit_test(cgroup__that_somebody_removed_is_done_without),
        cmocka_unit_test(cgroup__of_ours_that_was_killed_before_we_came_loses_no_attempt),
        cmocka_unit_test(cgroup__off_says_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
