/* From clone to execve.
 *
 * fork(2) copies the page tables of the engine, which costs up to milliseconds once it has grown. vfork(2) shares the
 * memory, but its caller waits until the child has executed, and most of a short attempt's life is execve. The child
 * here shares the memory (CLONE_VM) *and* runs beside the engine, in a room of its own: a stack, a copy of all that it
 * reads, and a word for what went wrong. The room is the child's from clone until its leader was seen to end.
 *
 *     engine ── clone3 ── goes on ─────────────────── pidfd: ended ── rv_spawn_failure ── room is free
 *     child        └ setpgid, signals, descriptors, chdir, execve
 *
 * (1) The child writes nothing but its room, and makes system calls by hand: libc's wrappers write errno, which is the
 *     calling thread's. It takes no lock and allocates nothing. On machines for which that is not written here it uses
 *     libc's, and the engine waits (CLONE_VFORK).
 * (2) No signal handler of the engine may run in it: CLONE_CLEAR_SIGHAND resets them in the same step. Where clone3 is
 *     not to be had (an old container's filter), all signals are blocked around clone and the child resets them itself.
 * (3) Ignored signals stay ignored through both clone and execve: they are reset one by one, the mask is emptied.
 * (4) What failed is (errno, step) in the room, and the child then ends: it is read once the child has ended.
 * (5) After execve it has 0, 1, 2, the leash and, when given, the two of the jobserver; nothing else. Until then it
 *     holds copies of the engine's descriptors, also of ones that the engine closes meanwhile: an epoll registration
 *     can outlive its close by that long, hence one-shot registrations and generations in exec.c. No write end of
 *     another attempt's pipes is among them, since the engine closes those before it starts the next.
 * (6) The child is born in the cgroup that it is given (CLONE_INTO_CGROUP), so that nothing of it was ever elsewhere. When
 *     that is refused it is started without.
 *
 * The start time needs no look at /proc: the kernel took it between two readings of CLOCK_BOOTTIME, before and after
 * clone. Only when a tick passed between them /proc is asked. */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "exec/inner.h"

#define STACK_SIZE ((size_t)16 << 10)
#define GUARD_SIZE ((size_t)64 << 10) /* a multiple of every page size in use */
#define SIGNAL_SET_SIZE 8             /* bytes of the kernel's signal set */
#define NO_SANITIZER __attribute__((no_sanitize("address", "undefined", "thread")))

struct rv_spawner {
    bool has_clone3;
    uint64_t ignored; /* bit n-1: signal n is ignored here, and must be reset there */
};

struct rv_spawn_room {
    char *stack;     /* guard, then STACK_SIZE bytes */
    char *copies;    /* what the plan points to */
    size_t copies_size;
    rv_spawn_plan plan;
    uint64_t reset;  /* bit n-1: signal n is to be reset */
    volatile int error;
    volatile rv_spawn_step step;
};

/* ---- system calls by hand: the result, or -errno; keeps (1) --------------------- */

#if defined(__x86_64__)
#define BY_HAND 1
NO_SANITIZER static inline long call4(long number, long a, long b, long c, long d)
{
    long result;
    register long d_register __asm__("r10") = d;
    __asm__ volatile("syscall" : "=a"(result) : "0"(number), "D"(a), "S"(b), "d"(c), "r"(d_register) : "rcx", "r11", "memory");
    return result;
}
/* clone3(2) with a function for the child, which libc does not have. The child never comes back. */
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
#elif defined(__aarch64__)
#define BY_HAND 1
NO_SANITIZER static inline long call4(long number, long a, long b, long c, long d)
{
    register long number_register __asm__("x8") = number;
    register long a_register __asm__("x0") = a;
    register long b_register __asm__("x1") = b;
    register long c_register __asm__("x2") = c;
    register long d_register __asm__("x3") = d;
    __asm__ volatile("svc #0"
                     : "+r"(a_register)
                     : "r"(number_register), "r"(b_register), "r"(c_register), "r"(d_register)
                     : "memory", "cc");
    return a_register;
}
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
#else
#define BY_HAND 0
static long call4(long number, long a, long b, long c, long d)
{
    long result = syscall(number, a, b, c, d);
    return result < 0 ? -errno : result;
}
#endif

#define CLONE_FLAGS (CLONE_VM | CLONE_PIDFD | (BY_HAND ? 0 : CLONE_VFORK))

/* ---- the child's side ------------------------------------------------------------ */

NO_SANITIZER static void reset_signals(uint64_t reset)
{
    unsigned long action[8] = {0}; /* the kernel's struct sigaction, at most: SIG_DFL, no flags */
    for (int number = 1; reset; number++, reset >>= 1)
        if (reset & 1)
            (void)call4(SYS_rt_sigaction, number, (long)action, 0, SIGNAL_SET_SIZE);
    uint64_t none = 0;
    (void)call4(SYS_rt_sigprocmask, SIG_SETMASK, (long)&none, 0, SIGNAL_SET_SIZE);
}

/* keeps (5); 0 or -errno. One pass over the table marks all that is open, execve closes it; what dup3 makes is not marked. */
NO_SANITIZER static long set_descriptors(const rv_spawn_plan *plan)
{
    long failed = call4(SYS_close_range, 3, (long)~0u, CLOSE_RANGE_CLOEXEC, 0);
    for (int i = 0; i < 3 && failed >= 0; i++)
        failed = call4(SYS_dup3, plan->fds[i], i, 0, 0);
    if (failed >= 0)
        failed = call4(SYS_dup3, plan->leash_fd, RV_EXEC_FD_LEASH, 0, 0);
    if (plan->jobs_fds[0] >= 0) {
        if (failed >= 0)
            failed = call4(SYS_dup3, plan->jobs_fds[0], RV_EXEC_FD_JOBS_R, 0, 0);
        if (failed >= 0)
            failed = call4(SYS_dup3, plan->jobs_fds[1], RV_EXEC_FD_JOBS_W, 0, 0);
    }
    return failed < 0 ? failed : 0;
}

NO_SANITIZER static void fail(rv_spawn_room *room, rv_spawn_step step, long failed)
{
    room->step = step;
    room->error = (int)-failed;
    for (;;)
        (void)call4(SYS_exit_group, 127, 0, 0, 0);
}

NO_SANITIZER static int child_main(void *user)
{
    rv_spawn_room *room = user;
    const rv_spawn_plan *plan = &room->plan;
    while (!plan->path) /* see rv_spawner_try */
        (void)call4(SYS_exit_group, 0, 0, 0, 0);
    long failed = call4(SYS_setpgid, 0, 0, 0, 0);
    if (failed < 0)
        fail(room, RV_SPAWN_GROUP, failed);
    reset_signals(room->reset);
    failed = set_descriptors(plan);
    if (failed < 0)
        fail(room, RV_SPAWN_DESCRIPTORS, failed);
    failed = call4(SYS_chdir, (long)plan->dir, 0, 0, 0);
    if (failed < 0)
        fail(room, RV_SPAWN_DIR, failed);
    failed = call4(SYS_execve, (long)plan->path, (long)plan->argv, (long)plan->envp, 0);
    fail(room, RV_SPAWN_EXEC, failed);
    return 0;
}

/* ---- rooms ------------------------------------------------------------------------- */

rv_spawn_room *rv_spawn_room_new(void)
{
    char *stack = mmap(NULL, GUARD_SIZE + STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (stack == MAP_FAILED)
        return NULL;
    if (mprotect(stack, GUARD_SIZE, PROT_NONE) != 0) {
        munmap(stack, GUARD_SIZE + STACK_SIZE);
        return NULL;
    }
    rv_spawn_room *room = rv_alloc(sizeof *room);
    room->stack = stack;
    return room;
}

void rv_spawn_room_free(rv_spawn_room *room)
{
    if (!room)
        return;
    munmap(room->stack, GUARD_SIZE + STACK_SIZE);
    rv_free(room->copies);
    rv_free(room);
}

int rv_spawn_failure(const rv_spawn_room *room, rv_spawn_step *ret_step)
{
    *ret_step = room->step;
    return room->error;
}

const rv_spawn_plan *rv_spawn_room_plan(const rv_spawn_room *room) { return &room->plan; }

static size_t list_size(const char *const *list, size_t *ret_count)
{
    size_t size = 0, count = 0;
    for (; list[count]; count++)
        size += strlen(list[count]) + 1;
    *ret_count = count;
    return size + (count + 1) * sizeof *list;
}

static char *copy_text(const char *text, char **at)
{
    size_t size = strlen(text) + 1;
    char *copy = memcpy(*at, text, size);
    *at += size;
    return copy;
}

/* The pointers go to `pointers`, the bytes to *at. */
static const char *const *copy_list(const char *const *list, size_t count, const char ***pointers, char **at)
{
    const char **copy = *pointers;
    for (size_t i = 0; i < count; i++)
        copy[i] = copy_text(list[i], at);
    copy[count] = NULL;
    *pointers += count + 1;
    return copy;
}

/* The caller's memory is borrowed for the call, and the child reads after it. */
static void room_fill(rv_spawn_room *room, const rv_spawn_plan *plan)
{
    size_t argc, envc;
    size_t size = list_size(plan->argv, &argc) + list_size(plan->envp, &envc) + strlen(plan->path) + strlen(plan->dir) + 2;
    if (size > room->copies_size) {
        rv_free(room->copies);
        room->copies_size = size + size / 2;
        room->copies = rv_alloc(room->copies_size);
    }
    const char **pointers = (const char **)(void *)room->copies;
    char *at = room->copies + (argc + envc + 2) * sizeof *pointers;
    room->plan = *plan;
    room->plan.argv = copy_list(plan->argv, argc, &pointers, &at);
    room->plan.envp = copy_list(plan->envp, envc, &pointers, &at);
    room->plan.path = copy_text(plan->path, &at);
    room->plan.dir = copy_text(plan->dir, &at);
    room->error = 0;
    room->step = RV_SPAWN_CLONE;
}

/* ---- the engine's side -------------------------------------------------------------- */

rv_spawner *rv_spawner_new(void)
{
    rv_spawner *spawner = rv_alloc(sizeof *spawner);
    spawner->has_clone3 = BY_HAND;
    for (int number = 1; number <= 64; number++) {
        unsigned long action[8] = {0}; /* the kernel's own: libc hides 32 and 33, which make leaves ignored */
        if (syscall(SYS_rt_sigaction, number, NULL, action, SIGNAL_SET_SIZE) == 0 && (void (*)(int))action[0] == SIG_IGN)
            spawner->ignored |= (uint64_t)1 << (number - 1);
    }
    /* It may come to be ignored after this. */
    spawner->ignored |= (uint64_t)1 << (SIGPIPE - 1);
    return spawner;
}

void rv_spawner_free(rv_spawner *spawner) { rv_free(spawner); }

/* keeps (2). The pid, or -errno: ENOSYS, EPERM and EINVAL mean that this kernel or its filter has no clone3. */
static long start_clone3(const rv_spawner *spawner, rv_spawn_room *room, int cgroup_fd, int *pidfd)
{
#if BY_HAND
    struct clone_args args = {
        .flags = CLONE_FLAGS | CLONE_CLEAR_SIGHAND | (cgroup_fd < 0 ? 0 : CLONE_INTO_CGROUP),
        .pidfd = (uint64_t)(uintptr_t)pidfd,
        .exit_signal = SIGCHLD,
        .stack = (uint64_t)(uintptr_t)(room->stack + GUARD_SIZE),
        .stack_size = STACK_SIZE,
        .cgroup = cgroup_fd < 0 ? 0 : (uint64_t)cgroup_fd,
    };
    room->reset = spawner->ignored;
    return clone3_call(&args, child_main, room);
#else
    (void)spawner, (void)room, (void)cgroup_fd, (void)pidfd;
    return -ENOSYS;
#endif
}

static long start_clone(rv_spawn_room *room, int *pidfd)
{
    sigset_t all, before;
    sigfillset(&all);
    room->reset = ~(uint64_t)0;
    pthread_sigmask(SIG_SETMASK, &all, &before);
    long pid = clone(child_main, room->stack + GUARD_SIZE + STACK_SIZE, CLONE_FLAGS | SIGCHLD, room, pidfd);
    if (pid < 0)
        pid = -errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return pid;
}

static uint64_t ticks_now(void)
{
    struct timespec at;
    RV_ASSERT(clock_gettime(CLOCK_BOOTTIME, &at) == 0);
    return rv_ticks_of((int64_t)at.tv_sec * 1000000000 + at.tv_nsec);
}

bool rv_spawner_try(rv_spawner *spawner, int cgroup_fd)
{
    rv_spawn_room *room = spawner->has_clone3 ? rv_spawn_room_new() : NULL;
    if (!room)
        return false;
    int pidfd = -1, status = -1;
    long pid = start_clone3(spawner, room, cgroup_fd, &pidfd);
    while (pid > 0 && waitpid((pid_t)pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (pid > 0)
        close(pidfd);
    rv_spawn_room_free(room);
    return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int rv_spawner_start(rv_spawner *spawner, rv_spawn_room *room, const rv_spawn_plan *plan, rv_spawned *ret)
{
    int pidfd = -1;
    long pid = -ENOSYS;
    room_fill(room, plan);
    uint64_t start_ticks = ticks_now();
    if (spawner->has_clone3 && plan->cgroup_fd >= 0)
        pid = start_clone3(spawner, room, plan->cgroup_fd, &pidfd);
    bool is_in_cgroup = pid > 0;
    if (spawner->has_clone3 && pid < 0) { /* refused: whatever was wrong with it, it is asked again without the cgroup */
        pid = start_clone3(spawner, room, -1, &pidfd);
        spawner->has_clone3 = pid != -ENOSYS && pid != -EPERM && pid != -EINVAL;
    }
    if (!spawner->has_clone3 && pid < 0)
        pid = start_clone(room, &pidfd);
    if (pid < 0)
        return (int)-pid;
    rv_process process;
    /* Nobody else reaps our children: the entry is there also when it has ended already. */
    if (start_ticks != ticks_now() && rv_process_read((pid_t)pid, &process))
        start_ticks = process.start_ticks;
    *ret = (rv_spawned){.pid = (pid_t)pid, .is_in_cgroup = is_in_cgroup, .pidfd = pidfd, .start_ticks = start_ticks};
    return 0;
}
