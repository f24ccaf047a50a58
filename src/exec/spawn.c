/* From clone to execve.
 *
 * fork(2) copies the page tables of the engine, which costs up to milliseconds once it has grown. The child here shares
 * the engine's memory (CLONE_VM) while the calling thread waits (CLONE_VFORK), on a stack of its own, and so everything
 * it does must be safe there:
 *
 * (1) It calls nothing but system calls, through syscall(2), and clock_gettime, and writes nothing but its own stack and
 *     `window`. It takes no lock and allocates nothing. errno of the calling thread is shared and overwritten.
 * (2) No signal handler of the engine may run in it: CLONE_CLEAR_SIGHAND resets them in the same step. Where clone3 is
 *     not to be had (an old container's filter), all signals are blocked around clone and the child resets them itself.
 * (3) Ignored signals stay ignored through both clone and execve: they are reset one by one, the mask is emptied.
 * (4) Errors come back as (errno, step) in `window`: when the parent goes on, the child has executed or ended.
 * (5) After close_range it has 0, 1, 2, the leash and, when given, the two of the jobserver; nothing else, so that when
 *     the parent goes on nobody but the child holds a write end.
 *
 * The start time needs no look at /proc: it is the clock at some point between two readings of CLOCK_BOOTTIME, one before
 * clone and one that the child makes first. Only when a tick passed between them /proc is asked. */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "exec/inner.h"

#define STACK_SIZE ((size_t)64 << 10)
#define GUARD_SIZE ((size_t)64 << 10) /* a multiple of every page size in use */
#define SIGNAL_SET_SIZE 8             /* bytes of the kernel's signal set */
#define NO_SANITIZER __attribute__((no_sanitize("address", "undefined", "thread")))

struct rv_spawner {
    char *stack; /* guard, then STACK_SIZE bytes */
    bool has_clone3;
    uint64_t ignored; /* bit n: signal n is ignored here and must be reset there; all of them without clone3 */
};

/* What parent and child share. */
typedef struct window {
    const rv_spawn_plan *plan;
    uint64_t reset;
    volatile int64_t born_ns; /* CLOCK_BOOTTIME in the child */
    volatile int error;
    volatile rv_spawn_step step;
} window;

static int64_t boottime_ns(void)
{
    struct timespec at;
    clock_gettime(CLOCK_BOOTTIME, &at);
    return (int64_t)at.tv_sec * 1000000000 + at.tv_nsec;
}

/* ---- the child's side -------------------------------------------------------- */

NO_SANITIZER static void reset_signals(uint64_t reset)
{
    unsigned long action[8] = {0}; /* the kernel's struct sigaction, at most: SIG_DFL, no flags */
    for (int number = 1; number <= 64; number++)
        if (reset >> (number - 1) & 1)
            syscall(SYS_rt_sigaction, number, action, NULL, SIGNAL_SET_SIZE);
    uint64_t none = 0;
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, SIGNAL_SET_SIZE);
}

/* keeps (5); 0 or -1 with errno */
NO_SANITIZER static int set_descriptors(const rv_spawn_plan *plan)
{
    for (int i = 0; i < 3; i++)
        if (syscall(SYS_dup3, plan->fds[i], i, 0) < 0)
            return -1;
    if (syscall(SYS_dup3, plan->leash_fd, RV_EXEC_FD_LEASH, 0) < 0)
        return -1;
    unsigned last = RV_EXEC_FD_LEASH;
    if (plan->jobs_fds[0] >= 0) {
        if (syscall(SYS_dup3, plan->jobs_fds[0], RV_EXEC_FD_JOBS_R, 0) < 0 || syscall(SYS_dup3, plan->jobs_fds[1], RV_EXEC_FD_JOBS_W, 0) < 0)
            return -1;
        last = RV_EXEC_FD_JOBS_W;
    }
    if (syscall(SYS_close_range, 3u, (unsigned)RV_EXEC_FD_LEASH - 1, 0u) < 0)
        return -1;
    return (int)syscall(SYS_close_range, last + 1, ~0u, 0u);
}

NO_SANITIZER static void fail(window *w, rv_spawn_step step)
{
    w->error = errno;
    w->step = step;
    for (;;)
        syscall(SYS_exit_group, 127);
}

NO_SANITIZER static int child_main(void *user)
{
    window *w = user;
    const rv_spawn_plan *plan = w->plan;
    w->born_ns = boottime_ns();
    if (syscall(SYS_setpgid, 0, 0) < 0)
        fail(w, RV_SPAWN_GROUP);
    reset_signals(w->reset);
    if (set_descriptors(plan) < 0)
        fail(w, RV_SPAWN_DESCRIPTORS);
    if (syscall(SYS_chdir, plan->dir) < 0)
        fail(w, RV_SPAWN_DIR);
    syscall(SYS_execve, plan->path, plan->argv, plan->envp);
    fail(w, RV_SPAWN_EXEC);
    return 0;
}

/* ---- the parent's side ------------------------------------------------------- */

/* clone3(2) with a function for the child, which libc does not have. The child never comes back. */
#if defined(__x86_64__)
static long clone3_call(struct clone_args *args, int (*fn)(void *), void *user)
{
    long result;
    register int (*fn_register)(void *) __asm__("r8") = fn;
    register void *user_register __asm__("r9") = user;
    __asm__ volatile("syscall\n\t"
                     "testq %%rax, %%rax\n\t"
                     "jnz 1f\n\t"
                     "xorl %%ebp, %%ebp\n\t"
                     "movq %%r9, %%rdi\n\t"
                     "callq *%%r8\n\t"
                     "ud2\n"
                     "1:"
                     : "=a"(result)
                     : "0"((long)SYS_clone3), "D"(args), "S"(sizeof *args), "r"(fn_register), "r"(user_register)
                     : "rcx", "r11", "memory", "cc");
    return result;
}
#define HAS_CLONE3_CALL 1
#elif defined(__aarch64__)
static long clone3_call(struct clone_args *args, int (*fn)(void *), void *user)
{
    register long number __asm__("x8") = SYS_clone3;
    register long result __asm__("x0") = (long)args;
    register long size __asm__("x1") = (long)sizeof *args;
    register long fn_register __asm__("x2") = (long)fn;
    register long user_register __asm__("x3") = (long)user;
    __asm__ volatile("svc #0\n\t"
                     "cbnz x0, 1f\n\t"
                     "mov x29, xzr\n\t"
                     "mov x0, x3\n\t"
                     "blr x2\n\t"
                     "brk #1\n"
                     "1:"
                     : "+r"(result)
                     : "r"(number), "r"(size), "r"(fn_register), "r"(user_register)
                     : "memory", "cc");
    return result;
}
#define HAS_CLONE3_CALL 1
#else
#define HAS_CLONE3_CALL 0
#endif

rv_status rv_spawner_new(rv_spawner **ret, rv_error *err)
{
    rv_spawner *spawner = rv_alloc(sizeof *spawner);
    spawner->stack = mmap(NULL, GUARD_SIZE + STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (spawner->stack == MAP_FAILED || mprotect(spawner->stack, GUARD_SIZE, PROT_NONE) != 0) {
        rv_free(spawner);
        return rv_error_set(err, RV_NO_MEMORY, "no memory for the stack of starting processes");
    }
    spawner->has_clone3 = HAS_CLONE3_CALL;
    for (int number = 1; number <= 64; number++) {
        struct sigaction action;
        if (sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN)
            spawner->ignored |= (uint64_t)1 << (number - 1);
    }
    /* It may come to be ignored after this. */
    spawner->ignored |= (uint64_t)1 << (SIGPIPE - 1);
    *ret = spawner;
    return RV_OK;
}

void rv_spawner_free(rv_spawner *spawner)
{
    if (!spawner)
        return;
    munmap(spawner->stack, GUARD_SIZE + STACK_SIZE);
    rv_free(spawner);
}

/* keeps (2); -1 with errno, ENOSYS and EPERM meaning that this kernel or its filter has no clone3 */
static pid_t start_clone3(rv_spawner *spawner, window *w, int *pidfd)
{
#if HAS_CLONE3_CALL
    struct clone_args args = {
        .flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD | CLONE_CLEAR_SIGHAND,
        .pidfd = (uint64_t)(uintptr_t)pidfd,
        .exit_signal = SIGCHLD,
        .stack = (uint64_t)(uintptr_t)(spawner->stack + GUARD_SIZE),
        .stack_size = STACK_SIZE,
    };
    w->reset = spawner->ignored;
    long result = clone3_call(&args, child_main, w);
    if (result < 0) {
        errno = (int)-result;
        return -1;
    }
    return (pid_t)result;
#else
    (void)spawner, (void)w, (void)pidfd;
    errno = ENOSYS;
    return -1;
#endif
}

static pid_t start_clone(rv_spawner *spawner, window *w, int *pidfd)
{
    sigset_t all, before;
    sigfillset(&all);
    w->reset = ~(uint64_t)0;
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t pid = clone(child_main, spawner->stack + GUARD_SIZE + STACK_SIZE, CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, w, pidfd);
    int error = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = error;
    return pid;
}

void rv_spawner_start(rv_spawner *spawner, const rv_spawn_plan *plan, rv_spawned *ret)
{
    window w = {.plan = plan};
    int pidfd = -1;
    pid_t pid = -1;
    int64_t before_ns = boottime_ns();
    if (spawner->has_clone3) {
        pid = start_clone3(spawner, &w, &pidfd);
        if (pid < 0 && (errno == ENOSYS || errno == EPERM || errno == EINVAL))
            spawner->has_clone3 = false;
    }
    if (pid < 0 && !spawner->has_clone3)
        pid = start_clone(spawner, &w, &pidfd);
    if (pid < 0) {
        *ret = (rv_spawned){.pidfd = -1, .error = errno, .step = RV_SPAWN_CLONE};
        return;
    }
    if (w.error) {
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            ;
        close(pidfd);
        *ret = (rv_spawned){.pidfd = -1, .error = w.error, .step = w.step};
        return;
    }
    uint64_t start_ticks = rv_ticks_of(before_ns);
    rv_process process;
    /* Nobody else reaps our children: the entry is there also when it has ended already. */
    if (start_ticks != rv_ticks_of(w.born_ns) && rv_process_read(pid, &process))
        start_ticks = process.start_ticks;
    *ret = (rv_spawned){.pid = pid, .pidfd = pidfd, .start_ticks = start_ticks};
}
