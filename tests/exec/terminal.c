/* Keys and processes: Ctrl-C reaches keeper and engine, and counts once; Ctrl-Z stops both and a shell sees its job
 * stop; `fg` continues both [W33, DESIGN 12 (2)]. And what a filter on clone3 changes: nothing that can be seen. */
#include "harness.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pty.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

typedef struct engine {
    rv_loop *loop;
    int keeper_fd, report_fd;
} engine;

static void report(const engine *e, char what, int number)
{
    char bytes[2] = {what, (char)('0' + number)};
    if (write(e->report_fd, bytes, 2) != 2)
        _exit(97);
}

static void on_keeper(void *user, int events)
{
    engine *e = user;
    uint8_t byte;
    (void)events;
    if (read(e->keeper_fd, &byte, 1) != 1)
        _exit(9);
    report(e, 'f', byte);
    if (byte == SIGTERM)
        _exit(3);
}

static void on_key(void *user, int number, bool is_from_terminal) { report(user, is_from_terminal ? 'k' : 'p', number); }

static void reeve_main(int report_fd)
{
    engine e = {.report_fd = report_fd};
    rv_watch *watch;
    const int number = SIGINT;
    if (rv_keeper_fork(&e.keeper_fd, NULL) != RV_OK || rv_loop_new(&e.loop, NULL) != RV_OK ||
        rv_watch_start(e.loop, e.keeper_fd, RV_LOOP_READ, on_keeper, &e, &watch, NULL) != RV_OK ||
        rv_loop_signals(e.loop, &number, 1, on_key, &e, NULL) != RV_OK)
        _exit(95);
    report(&e, 'r', 0);
    int32_t pid = getpid();
    if (write(report_fd, &pid, sizeof pid) != sizeof pid)
        _exit(97);
    rv_loop_run(e.loop);
}

static void read_whole(int fd, void *at, size_t size)
{
    for (size_t got = 0; got < size; got++) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        if (poll(&wait, 1, WAIT_MS_MAX) != 1 || read(fd, (char *)at + got, 1) != 1)
            fail_msg("waited in vain for the engine");
    }
}

static void expect(int fd, char what, int number)
{
    char bytes[2];
    read_whole(fd, bytes, 2);
    if (bytes[0] != what || bytes[1] != '0' + number)
        fail_msg("the engine heard %c %d, not %c %d", bytes[0], bytes[1] - '0', what, number);
}

/* Forks `reeve` as the foreground job of a terminal; the middle process is its shell, which tells how its job fares. */
static void shell_main(int report_fd, int shell_fd)
{
    signal(SIGTTOU, SIG_IGN);
    pid_t keeper = fork();
    if (keeper == 0) {
        setpgid(0, 0);
        tcsetpgrp(0, getpid());
        signal(SIGTTOU, SIG_DFL);
        alarm(2 * WAIT_MS_MAX / 1000);
        reeve_main(report_fd);
    }
    setpgid(keeper, keeper);
    for (int status; waitpid(keeper, &status, WUNTRACED | WCONTINUED) == keeper;) {
        char what = WIFSTOPPED(status) ? 's' : WIFCONTINUED(status) ? 'c' : 'e';
        char bytes[2] = {what, (char)('0' + (what == 's' ? WSTOPSIG(status) : what == 'e' ? WEXITSTATUS(status) : 0))};
        if (write(shell_fd, bytes, 2) != 2)
            _exit(97);
        if (what == 's')
            kill(-keeper, SIGCONT); /* fg */
        if (what == 'e')
            break;
    }
    _exit(0);
}

static void keys__reach_both_and_count_once(void **state)
{
    int report_fds[2], shell_fds[2], terminal;
    assert_int_equal(pipe2(report_fds, O_CLOEXEC), 0);
    assert_int_equal(pipe2(shell_fds, O_CLOEXEC), 0);
    pid_t shell = forkpty(&terminal, NULL, NULL, NULL);
    assert_true(shell >= 0);
    if (shell == 0)
        shell_main(report_fds[1], shell_fds[1]);
    expect(report_fds[0], 'r', 0);
    int32_t engine_pid;
    read_whole(report_fds[0], &engine_pid, sizeof engine_pid);
    rv_process process;
    assert_true(rv_process_read(engine_pid, &process));
    assert_int_equal(process.group, process.parent); /* the keeper's group: one job */
    assert_int_equal(write(terminal, "\003", 1), 1);
    expect(report_fds[0], 'k', SIGINT);
    assert_int_equal(write(terminal, "\032", 1), 1);
    expect(shell_fds[0], 's', SIGTSTP);
    expect(shell_fds[0], 'c', 0);
    assert_int_equal(write(terminal, "\003", 1), 1); /* the next thing it hears: Ctrl-C came once, and nothing was forwarded */
    expect(report_fds[0], 'k', SIGINT);
    assert_int_equal(kill(process.parent, SIGTERM), 0);
    expect(report_fds[0], 'f', SIGTERM);
    expect(shell_fds[0], 'e', 3);
    assert_int_equal(waitpid(shell, NULL, 0), shell);
    close(terminal);
}

/* Fails clone3 as an old container's filter does. */
static void forbid_clone3(void)
{
    struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {RV_COUNT(program), program};
    assert_int_equal(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    assert_int_equal(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter), 0);
}

static void on_usr1(int number) { (void)number; }

/* The last test of this program: the filter cannot be taken away. */
static void start__without_clone3_is_the_same(void **state)
{
    forbid_clone3();
    assert_int_equal(syscall(SYS_clone3, NULL, 0), -1);
    assert_int_equal(errno, ENOSYS);
    signal(SIGUSR1, on_usr1);
    signal(SIGHUP, SIG_IGN);
    bench b;
    bench_init(&b);
    const char *argv[] = {hostile_path(), "signals", NULL};
    rv_spawn spawn = spawn_of(&b, argv);
    for (int i = 0; i < 3; i++) {
        attempt a = {0};
        bench_start(&b, &a, &spawn);
        bench_wait(&b, &a, "a list of signals");
        assert_exit(&a, 0, -1, RV_STOP_NONE);
        assert_string_equal(a.out.at, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\nSigCgt:\t0000000000000000\n");
        attempt_deinit(&a);
    }
    sigset_t mask;
    assert_int_equal(sigprocmask(SIG_SETMASK, NULL, &mask), 0);
    assert_int_equal(sigismember(&mask, SIGTERM), 0); /* ours is as it was */
    attempt a = {0};
    const char *missing[] = {"./missing", NULL};
    spawn.argv = missing;
    bench_start(&b, &a, &spawn);
    bench_wait(&b, &a, "a missing command");
    assert_int_equal(a.exit.error, RV_DETAIL_START);
    attempt_deinit(&a);
    bench_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys__reach_both_and_count_once),
        cmocka_unit_test(start__without_clone3_is_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
