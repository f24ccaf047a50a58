#include "harness.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

int64_t now_ms(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (int64_t)at.tv_sec * 1000 + at.tv_nsec / 1000000;
}

const char *hostile_path(void)
{
    const char *path = getenv("REEVE_TEST_HOSTILE");
    assert_non_null(path);
    return path;
}

bool is_long(void) { return getenv("REEVE_TEST_LONG") != NULL; }

static void on_watchdog(void *user)
{
    bench *b = user;
    fprintf(stderr, "waited %d ms in vain for: %s\n", WAIT_MS_MAX, b->waiting_for);
    abort();
}

void need_cgroups(void)
{
    const char *why;
    char mark[40];
    snprintf(mark, sizeof mark, "exec-test-%d", (int)getpid());
    if (rv_exec_cgroup_try(mark, &why))
        return;
    print_message("  skipped: %s\n", why);
    skip();
}

void bench_exec(bench *b, const rv_exec_config *config)
{
    rv_error err;
    rv_exec_free(b->exec);
    assert_int_equal(rv_exec_new(config, &b->exec, &err), RV_OK);
}

static void bench_open(bench *b, bool has_cgroups)
{
    *b = (bench){0};
    rv_error err;
    snprintf(b->dir, sizeof b->dir, "/tmp/reeve-exec-XXXXXX");
    assert_non_null(mkdtemp(b->dir));
    snprintf(b->leash_path, sizeof b->leash_path, "%s/leash", b->dir);
    b->leash_fd = open(b->leash_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(b->leash_fd >= 0);
    assert_int_equal(rv_loop_new(&b->loop, &err), RV_OK);
    if (has_cgroups)
        (void)rv_exec_cgroup_path(strrchr(b->dir, '/') + 1, b->cgroup, NULL);
    bench_exec(b, &(rv_exec_config){.loop = b->loop, .leash_fd = b->leash_fd, .cgroup = b->cgroup});
    b->watchdog = rv_timer_new(b->loop, on_watchdog, b);
}

void bench_init(bench *b) { bench_open(b, true); }
void bench_init_without_cgroups(bench *b) { bench_open(b, false); }

void remove_dir(const char *path)
{
    DIR *dir = opendir(path);
    const struct dirent *entry;
    while (dir && (entry = readdir(dir)))
        if (entry->d_name[0] != '.')
            (void)unlinkat(dirfd(dir), entry->d_name, 0);
    if (dir)
        closedir(dir);
    (void)rmdir(path);
}

void bench_deinit(bench *b)
{
    rv_timer_free(b->watchdog);
    rv_exec_free(b->exec);
    rv_loop_free(b->loop);
    close(b->leash_fd);
    remove_dir(b->dir);
}

static const char *const plain_environment[] = {"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C", "REEVE_ATTEMPT=01TEST-ATTEMPT-A", NULL};

rv_spawn spawn_of(bench *b, const char *const *argv)
{
    return (rv_spawn){.argv = argv, .envp = plain_environment, .dir = b->dir, .stdin_fd = -1, .jobs_fds = {-1, -1},
                      .mark = "01TEST-ATTEMPT-A", .grace_ms = 5000};
}

static void on_output(void *user, int stream, rv_str bytes)
{
    attempt *a = user;
    assert_int_equal(a->ended_count, 0);
    rv_buf_str_add(stream == 1 ? &a->out : &a->err, bytes);
    if (a->stop_after && a->out.size >= a->stop_after) {
        a->stop_after = 0;
        rv_exec_stop(a->proc, RV_STOP_CANCEL, a->stop_grace_ms);
    }
    rv_loop_stop(a->bench->loop);
}

static void on_ended(void *user, const rv_exit *exit)
{
    attempt *a = user;
    a->exit = *exit;
    a->ended_count++;
    rv_loop_stop(a->bench->loop);
}

void bench_start(bench *b, attempt *a, const rv_spawn *spawn)
{
    a->bench = b;
    rv_spawn full = *spawn;
    full.output = on_output;
    full.ended = on_ended;
    full.user = a;
    rv_error err;
    assert_int_equal(rv_exec_start(b->exec, &full, &a->proc, &a->pid, &a->start_ticks, &err), RV_OK);
    assert_int_equal(a->ended_count, 0); /* never from within the call */
}

void bench_wait_output(bench *b, attempt *a, size_t size, const char *what)
{
    b->waiting_for = what;
    rv_timer_set(b->watchdog, rv_loop_mono_ms(b->loop) + WAIT_MS_MAX);
    while (!a->ended_count && a->out.size < size)
        rv_loop_run(b->loop);
    rv_timer_clear(b->watchdog);
}

void bench_wait(bench *b, attempt *a, const char *what)
{
    bench_wait_output(b, a, SIZE_MAX, what);
    assert_int_equal(a->ended_count, 1);
}

void bench_shell(bench *b, attempt *a, const char *script)
{
    const char *argv[] = {"sh", "-c", script, NULL};
    rv_spawn spawn = spawn_of(b, argv);
    bench_start(b, a, &spawn);
    bench_wait(b, a, script);
}

void attempt_deinit(attempt *a)
{
    rv_buf_deinit(&a->out);
    rv_buf_deinit(&a->err);
    *a = (attempt){0};
}

void assert_exit(const attempt *a, int32_t exit_status, int32_t signal, rv_stop_reason stopped)
{
    const rv_exit *e = &a->exit;
    if (e->exit_status == exit_status && e->signal == signal && e->stopped == stopped)
        return;
    fail_msg("exit status %d signal %d stopped %d error %d (%s) killed %u; stdout: %.*s; stderr: %.*s", e->exit_status, e->signal,
             (int)e->stopped, (int)e->error, e->error_text, e->killed, RV_FMT(rv_buf_str(&a->out)), RV_FMT(rv_buf_str(&a->err)));
}

bool is_alive(pid_t pid)
{
    rv_process process;
    return rv_process_read(pid, &process) && process.state != 'Z' && process.state != 'X';
}

uint32_t read_pids(const bench *b, const char *name, pid_t *pids, uint32_t count_max)
{
    char path[160];
    snprintf(path, sizeof path, "%s/%s", b->dir, name);
    FILE *file = fopen(path, "r");
    uint32_t count = 0;
    int pid;
    while (file && count < count_max && fscanf(file, "%d", &pid) == 1)
        pids[count++] = pid;
    if (file)
        fclose(file);
    return count;
}

bool has_children(void)
{
    siginfo_t info;
    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 || errno != ECHILD;
}

uint32_t count_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    assert_non_null(dir);
    uint32_t count = 0;
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}
