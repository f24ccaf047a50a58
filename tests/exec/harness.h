/* harness.h: one loop, one executor, attempts and what came of them. Every wait is for an event; a test that waits for
 * more than WAIT_MS_MAX is ended with the line at which it stood. */
#ifndef RV_TESTS_EXEC_HARNESS_H
#define RV_TESTS_EXEC_HARNESS_H

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>
/* after setjmp.h, stdarg.h, stdint.h */
#include <cmocka.h>

#include "base/mem.h"
#include "exec/exec.h"
#include "exec/inner.h"

#define WAIT_MS_MAX 60000

typedef struct bench {
    rv_loop *loop;
    rv_exec *exec;
    int leash_fd;
    char dir[64];        /* a directory of this test alone */
    char leash_path[96];
    char cgroup[RV_EXEC_CGROUP_SIZE]; /* of the executor's attempts; "": they have none */
    rv_timer *watchdog;
    const char *waiting_for;
} bench;

/* One attempt. Zero it, give it to bench_start. */
typedef struct attempt {
    bench *bench;
    rv_proc *proc;
    rv_exit exit;
    rv_buf out, err;
    uint32_t ended_count;
    int64_t pid;
    uint64_t start_ticks;
    uint32_t stop_after; /* stop it as soon as so many bytes of stdout came; 0: never */
    int64_t stop_grace_ms;
} attempt;

/* With cgroups where they are to be had. */
void bench_init(bench *b);
/* Without, wherever it runs. */
void bench_init_without_cgroups(bench *b);
/* Another executor in place of the bench's own. */
void bench_exec(bench *b, const rv_exec_config *config);
/* Skips the test, and prints why, where there are no cgroups. */
void need_cgroups(void);
void bench_deinit(bench *b);
/* A spawn of `argv` with a short environment, in the test's directory. */
rv_spawn spawn_of(bench *b, const char *const *argv);
void bench_start(bench *b, attempt *a, const rv_spawn *spawn);
/* Run the loop until the attempt ended. */
void bench_wait(bench *b, attempt *a, const char *what);
/* Run the loop until stdout of the attempt has `size` bytes. */
void bench_wait_output(bench *b, attempt *a, size_t size, const char *what);
/* Start `sh -c script`, wait, return the attempt's exit. */
void bench_shell(bench *b, attempt *a, const char *script);
void attempt_deinit(attempt *a);
/* Fails the test with the exit in full when it is not as given. */
void assert_exit(const attempt *a, int32_t exit_status, int32_t signal, rv_stop_reason stopped);
/* true when a process of this pid exists and is no zombie. */
bool is_alive(pid_t pid);
/* The pids in the file `name` of the test's directory, one a line; returns how many. */
uint32_t read_pids(const bench *b, const char *name, pid_t *pids, uint32_t count_max);
/* Children of this process that nobody reaped, or that live: must be none at the end of every test. */
bool has_children(void);
/* Descriptors open in this process. */
uint32_t count_descriptors(void);
int64_t now_ms(void);
/* In check-long: as many rounds as a claim about many of them deserves. */
bool is_long(void);
/* The directory `path` with the files in it; it has no others. What is not there is no failure. */
void remove_dir(const char *path);
/* The path of a program built beside the tests. */
const char *hostile_path(void);

#endif
