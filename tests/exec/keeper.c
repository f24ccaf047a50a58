/* Nobody dies alone [A12, P8, DESIGN 12]: SIGKILL to the engine, to the keeper, to both; signals and who sent them.
 *
 * The test forks a `reeve` of its own: keeper and engine, through the real interface, with hostile attempts. The engine
 * tells its pids and what it heard through a pipe. This process is a subreaper, so that what a dead keeper leaves comes
 * to it and not to init. */
#include "harness.h"

#include <errno.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define ESCAPEES 4 /* that are known by what they carry; with cgroups there is one more, which carries nothing */

enum { ARMED = 1, WITH_LEAVE = 2, ENDS_BY_ITSELF = 4, WITHOUT_CGROUPS = 8, IDLE = 16 };

static char mark[40]; /* of this process's stores: others may run the same tests now */

typedef struct reeve {
    bench *bench;       /* only dir and leash_path are used */
    pid_t keeper, engine;
    int report_fd;      /* lines from the engine */
    pid_t pids[16];     /* of attempts' leaders and escapees */
    uint32_t pid_count;
    rv_leftover recorded[8]; /* what the engine would have in its store */
    uint32_t recorded_count;
    uint32_t escapee_count;
} reeve;

/* ---- the engine's side --------------------------------------------------------- */

typedef struct engine {
    rv_loop *loop;
    rv_exec *exec;
    int keeper_fd, report_fd;
    uint32_t ready, wanted;
    bool ends_by_itself;
} engine;

static void report(engine *e, const char *what, int64_t a, int64_t b)
{
    char line[128];
    int size = snprintf(line, sizeof line, "%s %lld %lld\n", what, (long long)a, (long long)b);
    if (write(e->report_fd, line, (size_t)size) != size)
        _exit(97);
}

/* Another of the attempts is where the test wants it. */
static void one_ready(engine *e)
{
    if (++e->ready != e->wanted)
        return;
    report(e, "ready", getpid(), 0);
    if (e->ends_by_itself) {
        rv_exec_free(e->exec);
        _exit(7);
    }
}

static void on_engine_output(void *user, int stream, rv_str bytes)
{
    (void)stream, (void)bytes;
    one_ready(user);
}

/* None of them ends by itself but the one with `leave`. */
static void on_engine_ended(void *user, const rv_exit *exit)
{
    if (exit->exit_status != 0 || exit->killed)
        report(user, exit->error_text[0] ? exit->error_text : "ended", exit->exit_status, exit->killed);
    else
        one_ready(user);
}

static void on_keeper(void *user, int events)
{
    engine *e = user;
    uint8_t byte;
    (void)events;
    if (read(e->keeper_fd, &byte, 1) == 1) {
        report(e, "forwarded", byte, 0);
        return;
    }
    rv_exec_free(e->exec); /* the keeper is dead */
    report(e, "alone", 0, 0);
    _exit(9);
}

static void on_engine_signal(void *user, int number, bool is_from_terminal) { report(user, "signal", number, is_from_terminal); }

static void start_escapee(engine *e, const char *dir, const char *flags, bool leave)
{
    const char *argv[] = {hostile_path(), "escape", flags, leave ? "left" : "pids", leave ? NULL : "stay", NULL};
    char entry[32];
    snprintf(entry, sizeof entry, "REEVE_ATTEMPT=01%s%s", flags, leave ? "LEAVE" : "");
    char store_entry[64];
    snprintf(store_entry, sizeof store_entry, "REEVE_STORE_MARK=%s", mark);
    const char *envp[] = {"PATH=/usr/bin:/bin", store_entry, entry, NULL};
    rv_spawn spawn = {.argv = argv, .envp = envp, .dir = dir, .stdin_fd = -1,
                      .jobs_fds = {-1, -1}, .mark = entry + strlen("REEVE_ATTEMPT="),
                      .grace_ms = 1000, .leave = leave, .output = on_engine_output, .ended = on_engine_ended, .user = e};
    rv_proc *proc;
    int64_t pid;
    uint64_t start_ticks;
    if (rv_exec_start(e->exec, &spawn, &proc, &pid, &start_ticks, NULL) != RV_OK)
        _exit(96);
    if (!leave)
        report(e, "started", pid, (int64_t)start_ticks);
}

static void start_escapees(engine *e, const char *dir, bool with_leave, bool has_cgroup)
{
    if (with_leave)
        start_escapee(e, dir, "s", true);
    start_escapee(e, dir, "-", false);   /* in the group */
    start_escapee(e, dir, "s", false);   /* known by mark and leash */
    start_escapee(e, dir, "se", false);  /* known by the leash */
    start_escapee(e, dir, "sc", false);  /* known by the mark */
    if (has_cgroup)
        start_escapee(e, dir, "sec", false); /* known by its cgroup */
}

/* Never returns. ARMED: the engine owns a store; else the keeper knows its children alone. IDLE: it has no attempts. */
static void engine_main(const bench *b, int report_fd, int flags)
{
    bool with_leave = flags & WITH_LEAVE, has_cgroup = b->cgroup[0];
    engine e = {.report_fd = report_fd, .wanted = ESCAPEES + has_cgroup + with_leave, .ends_by_itself = flags & ENDS_BY_ITSELF};
    if (rv_keeper_fork(&e.keeper_fd, NULL) != RV_OK)
        _exit(95);
    int leash_fd = open(b->leash_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    char lock_path[128];
    snprintf(lock_path, sizeof lock_path, "%s/lock", b->dir);
    int lock_fd = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (leash_fd < 0 || lock_fd < 0 || flock(lock_fd, LOCK_EX | LOCK_NB) != 0)
        _exit(94);
    if ((flags & ARMED) && rv_keeper_arm(e.keeper_fd, lock_fd, b->leash_path, mark, b->cgroup, NULL) != RV_OK)
        _exit(93);
    rv_watch *watch;
    const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    if (rv_loop_new(&e.loop, NULL) != RV_OK ||
        rv_exec_new(&(rv_exec_config){.loop = e.loop, .leash_fd = leash_fd, .cgroup = b->cgroup}, &e.exec, NULL) != RV_OK ||
        rv_watch_start(e.loop, e.keeper_fd, RV_LOOP_READ, on_keeper, &e, &watch, NULL) != RV_OK ||
        rv_loop_signals(e.loop, signals, RV_COUNT(signals), on_engine_signal, &e, NULL) != RV_OK)
        _exit(92);
    report(&e, "engine", getpid(), getppid());
    if (flags & IDLE)
        report(&e, "ready", getpid(), 0);
    else
        start_escapees(&e, b->dir, with_leave, has_cgroup);
    rv_loop_run(e.loop);
    _exit(91);
}

/* ---- the test's side ------------------------------------------------------------- */

/* The next line of the engine's report begins with `word`; *ret_a and *ret_b are its numbers. false: end of file. */
static bool next_report(const reeve *r, char word[32], long long *ret_a, long long *ret_b)
{
    char line[128];
    size_t size = 0;
    while (size < sizeof line - 1) {
        struct pollfd wait = {.fd = r->report_fd, .events = POLLIN};
        if (poll(&wait, 1, WAIT_MS_MAX) != 1)
            fail_msg("waited in vain for the engine");
        if (read(r->report_fd, line + size, 1) != 1)
            return false;
        if (line[size++] == '\n')
            break;
    }
    line[size] = 0;
    return sscanf(line, "%31s %lld %lld", word, ret_a, ret_b) == 3;
}

static void expect_report(const reeve *r, const char *expected, long long a, long long b)
{
    char word[32];
    long long got_a, got_b;
    assert_true(next_report(r, word, &got_a, &got_b));
    if (strcmp(word, expected) != 0 || got_a != a || got_b != b)
        fail_msg("the engine said: %s %lld %lld", word, got_a, got_b);
}

static void reeve_start(reeve *r, bench *b, int flags)
{
    *r = (reeve){.bench = b};
    *b = (bench){0};
    snprintf(b->dir, sizeof b->dir, "/tmp/reeve-keeper-XXXXXX");
    assert_non_null(mkdtemp(b->dir));
    snprintf(b->leash_path, sizeof b->leash_path, "%s/leash", b->dir);
    const char *why;
    if (!(flags & WITHOUT_CGROUPS) && rv_exec_cgroup_try(mark, &why))
        (void)rv_exec_cgroup_path(mark, b->cgroup, &why);
    r->escapee_count = flags & IDLE ? 0 : ESCAPEES + (b->cgroup[0] != 0);
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    int fds[2];
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    r->keeper = fork();
    assert_true(r->keeper >= 0);
    if (r->keeper == 0) {
        setpgid(0, 0);
        alarm(2 * WAIT_MS_MAX / 1000); /* should the test die, then so does the keeper, and with it all of them */
        close(fds[0]);
        engine_main(b, fds[1], flags);
    }
    setpgid(r->keeper, r->keeper);
    close(fds[1]);
    r->report_fd = fds[0];
    for (;;) {
        char word[32];
        long long first, second;
        assert_true(next_report(r, word, &first, &second));
        if (!strcmp(word, "engine")) {
            r->engine = (pid_t)first;
            assert_int_equal(second, r->keeper);
        } else if (!strcmp(word, "started")) {
            r->recorded[r->recorded_count++] = (rv_leftover){first, (uint64_t)second};
            r->pids[r->pid_count++] = (pid_t)first;
        } else if (!strcmp(word, "ready")) {
            break;
        } else {
            fail_msg("the engine said: %s %lld %lld", word, first, second);
        }
    }
    r->pid_count += read_pids(b, "pids", r->pids + r->pid_count, 8);
    assert_int_equal(r->pid_count, 2 * r->escapee_count);
}

static int wait_for_keeper(const reeve *r)
{
    int status;
    assert_int_equal(waitpid(r->keeper, &status, 0), r->keeper);
    return status;
}

static void assert_nobody_alive(const reeve *r)
{
    for (uint32_t i = 0; i < r->pid_count; i++)
        if (is_alive(r->pids[i]))
            fail_msg("pid %d (%u of %u) is alive", (int)r->pids[i], i, r->pid_count);
    assert_false(is_alive(r->engine));
}

static void reeve_end(reeve *r)
{
    close(r->report_fd);
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
    remove_dir(r->bench->dir);
    assert_int_equal(access(r->bench->dir, F_OK), -1);
}

static bool cgroup_is_gone(const bench *b) { return !b->cgroup[0] || access(b->cgroup, F_OK) != 0; }

static bool lock_is_free(const bench *b)
{
    char path[128];
    snprintf(path, sizeof path, "%s/lock", b->dir);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    bool is_free = flock(fd, LOCK_EX | LOCK_NB) == 0;
    close(fd);
    return is_free;
}

static void keeper__kills_what_a_killed_engine_left(void **state)
{
    for (int is_armed = 1; is_armed >= 0; is_armed--) {
        bench b;
        reeve r;
        reeve_start(&r, &b, is_armed ? ARMED : WITHOUT_CGROUPS);
        assert_false(lock_is_free(&b));
        int64_t began_ms = now_ms();
        assert_int_equal(kill(r.engine, SIGKILL), 0);
        int status = wait_for_keeper(&r);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 128 + SIGKILL);
        assert_nobody_alive(&r);
        assert_true(lock_is_free(&b));
        assert_true(!is_armed || cgroup_is_gone(&b));
        print_message("  %s: %lld ms\n", is_armed ? "armed" : "not armed", (long long)(now_ms() - began_ms));
        reeve_end(&r);
    }
}

/* The lock is the keeper's too: it is not free before the last process is gone. */
static void keeper__holds_the_lock_until_all_are_dead(void **state)
{
    bench b;
    reeve r;
    reeve_start(&r, &b, ARMED);
    assert_int_equal(kill(r.keeper, SIGSTOP), 0);
    assert_int_equal(waitpid(r.keeper, NULL, WUNTRACED), r.keeper);
    struct pollfd death = {.fd = rv_pidfd_open(r.engine), .events = POLLIN};
    assert_int_equal(kill(r.engine, SIGKILL), 0);
    assert_int_equal(poll(&death, 1, WAIT_MS_MAX), 1);
    close(death.fd);
    assert_true(is_alive(r.pids[0]));
    assert_false(lock_is_free(&b));
    assert_int_equal(kill(r.keeper, SIGCONT), 0);
    (void)wait_for_keeper(&r);
    assert_nobody_alive(&r);
    assert_true(lock_is_free(&b));
    reeve_end(&r);
}

static void keeper__passes_the_engines_status_on(void **state)
{
    bench b;
    reeve r;
    reeve_start(&r, &b, ARMED | ENDS_BY_ITSELF);
    int status = wait_for_keeper(&r);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 7);
    assert_nobody_alive(&r);
    assert_true(cgroup_is_gone(&b));
    reeve_end(&r);
}

static void engine__sees_the_keepers_death_and_leaves_nobody(void **state)
{
    bench b;
    reeve r;
    reeve_start(&r, &b, ARMED);
    int64_t began_ms = now_ms();
    assert_int_equal(kill(r.keeper, SIGKILL), 0);
    (void)wait_for_keeper(&r);
    expect_report(&r, "alone", 0, 0);
    int status;
    assert_int_equal(waitpid(r.engine, &status, 0), r.engine); /* we are its reaper now */
    assert_int_equal(WEXITSTATUS(status), 9);
    assert_nobody_alive(&r);
    assert_true(cgroup_is_gone(&b));
    print_message("  %lld ms\n", (long long)(now_ms() - began_ms));
    reeve_end(&r);
}

static void kill_both(reeve *r)
{
    kill(r->keeper, SIGSTOP); /* so that neither can do anything about the other's death */
    kill(r->engine, SIGSTOP);
    assert_int_equal(kill(r->engine, SIGKILL), 0);
    assert_int_equal(kill(r->keeper, SIGKILL), 0);
    (void)wait_for_keeper(r);
    assert_int_equal(waitpid(r->engine, NULL, 0), r->engine);
    for (uint32_t i = 0; i < r->pid_count; i++)
        assert_true(is_alive(r->pids[i]));
}

static void leftovers__of_a_killed_engine_and_keeper_are_killed_by_the_next_start(void **state)
{
    bench b;
    reeve r;
    reeve_start(&r, &b, ARMED);
    kill_both(&r);
    char boot_id[64];
    rv_exec_boot_id(boot_id);
    assert_int_equal(strlen(boot_id), 36);
    int64_t began_ms = now_ms();
    uint32_t killed = 0;
    rv_error err;
    if (rv_exec_kill_leftovers(b.leash_path, mark, boot_id, b.cgroup, r.recorded, r.recorded_count, &killed, &err) != RV_OK)
        fail_msg("%s", err.text);
    assert_nobody_alive(&r);
    assert_int_equal(killed, r.pid_count);
    print_message("  killed %u: %lld ms\n", killed, (long long)(now_ms() - began_ms));
    assert_int_equal(rv_exec_kill_leftovers(b.leash_path, mark, boot_id, b.cgroup, r.recorded, r.recorded_count, &killed, &err), RV_OK);
    assert_int_equal(killed, 0);
    reeve_end(&r);
}

/* In a process within the cgroup at `group`, as the next start may be. Returns how many were killed. */
static int kill_leftovers_from(const bench *b, const char *group)
{
    pid_t child = fork();
    if (child == 0) {
        char path[RV_EXEC_CGROUP_SIZE + 64];
        snprintf(path, sizeof path, "%s/cgroup.procs", group);
        int fd = open(path, O_WRONLY | O_CLOEXEC);
        uint32_t killed = 0;
        if (fd < 0 || write(fd, "0", 1) != 1)
            _exit(98);
        if (rv_exec_kill_leftovers(NULL, mark, "", b->cgroup, NULL, 0, &killed, NULL) != RV_OK)
            _exit(99);
        _exit((int)killed);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFEXITED(status))
        fail_msg("who looked for them died of signal %d", WTERMSIG(status));
    return WEXITSTATUS(status);
}

static void leftovers__are_found_by_their_cgroup_whatever_they_shed(void **state)
{
    need_cgroups();
    bench b;
    reeve r;
    uint32_t killed = 0;
    reeve_start(&r, &b, ARMED);
    kill_both(&r);
    assert_int_equal(rv_exec_kill_leftovers(NULL, mark, "", NULL, NULL, 0, &killed, NULL), RV_OK); /* the name is enough */
    assert_int_equal(killed, r.pid_count);
    assert_nobody_alive(&r);
    assert_true(cgroup_is_gone(&b));
    reeve_end(&r);
}

static void leftovers__are_found_from_another_cgroup_by_what_the_dead_owner_wrote_down(void **state)
{
    need_cgroups();
    bench b;
    reeve r;
    char other[RV_EXEC_CGROUP_SIZE + 16];
    reeve_start(&r, &b, ARMED);
    snprintf(other, sizeof other, "%s.other", b.cgroup);
    assert_int_equal(mkdir(other, 0755), 0);
    kill_both(&r);
    assert_int_equal(kill_leftovers_from(&b, other), r.pid_count);
    assert_nobody_alive(&r);
    assert_true(cgroup_is_gone(&b));
    assert_int_equal(rmdir(other), 0);
    reeve_end(&r);
}

/* A command of a dead engine starts the next one: it is a leftover itself, and lives on. */
static void leftovers__do_not_include_who_looks_for_them(void **state)
{
    need_cgroups();
    bench b;
    reeve r;
    char slot[RV_EXEC_CGROUP_SIZE + 16];
    reeve_start(&r, &b, ARMED);
    kill_both(&r);
    snprintf(slot, sizeof slot, "%s/0", b.cgroup);
    assert_int_equal(kill_leftovers_from(&b, slot), r.pid_count);
    assert_nobody_alive(&r);
    uint32_t killed = 1;
    assert_int_equal(rv_exec_kill_leftovers(NULL, mark, "", b.cgroup, NULL, 0, &killed, NULL), RV_OK);
    assert_int_equal(killed, 0);
    assert_true(cgroup_is_gone(&b));
    reeve_end(&r);
}

static void leftovers__a_cgroup_of_another_name_is_not_touched(void **state)
{
    need_cgroups();
    bench b;
    reeve r;
    uint32_t killed = 1;
    reeve_start(&r, &b, ARMED);
    assert_int_equal(rv_exec_kill_leftovers(NULL, "another", "", b.cgroup, NULL, 0, &killed, NULL), RV_OK);
    assert_int_equal(killed, 0);
    for (uint32_t i = 0; i < r.pid_count; i++)
        assert_true(is_alive(r.pids[i]));
    assert_int_equal(kill(r.engine, SIGKILL), 0);
    (void)wait_for_keeper(&r);
    reeve_end(&r);
}

/* Each way to know them finds those that it can, and touches nobody else. */
static void leftovers__each_evidence_is_enough_alone(void **state)
{
    char boot_id[64];
    rv_exec_boot_id(boot_id);
    rv_error err;
    bench b;
    reeve r;
    uint32_t killed = 0;
    reeve_start(&r, &b, ARMED | WITHOUT_CGROUPS);
    kill_both(&r);
    rv_leftover wrong[8];
    for (uint32_t i = 0; i < r.recorded_count; i++)
        wrong[i] = (rv_leftover){r.recorded[i].pid, r.recorded[i].start_ticks + 1};
    assert_int_equal(rv_exec_kill_leftovers("/no/such/leash", "another", boot_id, NULL, wrong, r.recorded_count, &killed, &err), RV_OK);
    assert_int_equal(killed, 0); /* the pids are somebody else's now, for all we know */
    assert_int_equal(rv_exec_kill_leftovers(NULL, NULL, "another boot", NULL, r.recorded, r.recorded_count, &killed, &err), RV_OK);
    assert_int_equal(killed, 0);
    assert_int_equal(rv_exec_kill_leftovers(NULL, NULL, boot_id, NULL, r.recorded, r.recorded_count, &killed, &err), RV_OK);
    assert_int_equal(killed, ESCAPEES + 1); /* the leaders, and the one escapee that stayed in its group */
    assert_int_equal(rv_exec_kill_leftovers(NULL, mark, boot_id, NULL, NULL, 0, &killed, &err), RV_OK);
    assert_int_equal(killed, 2);
    assert_int_equal(rv_exec_kill_leftovers(b.leash_path, NULL, boot_id, NULL, NULL, 0, &killed, &err), RV_OK);
    assert_int_equal(killed, 1);
    assert_nobody_alive(&r);
    reeve_end(&r);
}

static void leave__is_spared_by_the_keeper_and_by_the_next_start(void **state)
{
    for (int both = 0; both < 2; both++) {
        bench b;
        reeve r;
        reeve_start(&r, &b, ARMED | WITH_LEAVE);
        pid_t left[2];
        assert_int_equal(read_pids(&b, "left", left, 2), 1);
        uint32_t killed;
        if (both) {
            kill_both(&r);
            assert_int_equal(rv_exec_kill_leftovers(b.leash_path, mark, "", b.cgroup, NULL, 0, &killed, NULL), RV_OK);
        } else {
            assert_int_equal(kill(r.engine, SIGKILL), 0);
            (void)wait_for_keeper(&r);
        }
        assert_nobody_alive(&r);
        assert_true(is_alive(left[0]));
        assert_int_equal(kill(left[0], SIGKILL), 0);
        assert_int_equal(waitpid(left[0], NULL, 0), left[0]);
        reeve_end(&r);
    }
}

static void signals__sent_to_the_keeper_are_forwarded(void **state)
{
    bench b;
    reeve r;
    reeve_start(&r, &b, ARMED | IDLE);
    const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    for (size_t i = 0; i < RV_COUNT(signals); i++) {
        assert_int_equal(kill(r.keeper, signals[i]), 0);
        expect_report(&r, "forwarded", signals[i], 0);
    }
    assert_int_equal(kill(r.engine, SIGINT), 0);
    expect_report(&r, "signal", SIGINT, 0);
    assert_int_equal(kill(r.engine, SIGKILL), 0);
    (void)wait_for_keeper(&r);
    reeve_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeper__kills_what_a_killed_engine_left),
        cmocka_unit_test(keeper__holds_the_lock_until_all_are_dead),
        cmocka_unit_test(keeper__passes_the_engines_status_on),
        cmocka_unit_test(engine__sees_the_keepers_death_and_leaves_nobody),
        cmocka_unit_test(leftovers__of_a_killed_engine_and_keeper_are_killed_by_the_next_start),
        cmocka_unit_test(leftovers__each_evidence_is_enough_alone),
        cmocka_unit_test(leftovers__are_found_by_their_cgroup_whatever_they_shed),
        cmocka_unit_test(leftovers__are_found_from_another_cgroup_by_what_the_dead_owner_wrote_down),
        cmocka_unit_test(leftovers__do_not_include_who_looks_for_them),
        cmocka_unit_test(leftovers__a_cgroup_of_another_name_is_not_touched),
        cmocka_unit_test(leave__is_spared_by_the_keeper_and_by_the_next_start),
        cmocka_unit_test(signals__sent_to_the_keeper_are_forwarded),
    };
    snprintf(mark, sizeof mark, "01KEEPER-TEST-%d", (int)getpid());
    return cmocka_run_group_tests(tests, NULL, NULL);
}
