/* The loop of the real world, on libuv.
 *
 * (1) A watch is a uv_poll handle. The descriptor's flags stay as they were: libuv makes it non-blocking, and a
 *     terminal shares that flag with everybody who has it open, so it is put back.
 * (2) The turn is a uv_prepare handle: it runs once in each iteration, after timers, before the wait.
 * (3) Handles die in two steps (uv_close, then a call from the loop); the memory is freed in the second, and
 *     rv_loop_free runs the loop until all of them have had it.
 * (4) Signals go through handlers of our own and a pipe, since libuv's do not say who sent them. A handler works
 *     whatever the masks of other threads are; a signalfd needs the signal blocked in each one. */
#include "loop/ops.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "base/mem.h"

typedef struct real_loop real_loop;

typedef struct real_watch {
    rv_watch base; /* first */
    uv_poll_t poll;
    rv_watch_fn *fn;
    void *user;
} real_watch;

typedef struct real_timer {
    rv_timer base; /* first */
    uv_timer_t timer;
    rv_loop_fn *fn;
    void *user;
} real_timer;

#define SIGNAL_COUNT 65 /* numbers 1..64 */
#define STEP_ITERATIONS_MAX 64 /* of one step: who has a loop of his own gets his turn */

typedef struct signal_slot {
    rv_signal_fn *fn; /* NULL: not taken */
    void *user;
    struct sigaction before;
} signal_slot;

struct real_loop {
    rv_loop base; /* first */
    uv_loop_t uv;
    uv_prepare_t prepare;
    uv_async_t async;
    rv_loop_fn *turn;
    void *turn_user;
    uint32_t watch_count, timer_count;
    uint64_t call_count; /* of watches, timers and wakes: an iteration that adds none had nothing to do */
    bool is_settled;     /* the last step ended with such an iteration */
    rv_watch *signal_watch; /* NULL: no signals are taken */
    int signal_read_fd;
    signal_slot signals[SIGNAL_COUNT];
};

static real_loop *of(rv_loop *loop) { return (real_loop *)loop; }
static void watch_end(rv_watch *watch);
static real_watch *of_watch(rv_watch *watch) { return (real_watch *)watch; }
static real_timer *of_timer(rv_timer *timer) { return (real_timer *)timer; }

/* Written by the handlers; a process has one set of signals, hence one loop that takes them. -1: none does. */
static volatile int signal_write_fd = -1;

static void run_turn(uv_prepare_t *prepare)
{
    real_loop *loop = prepare->data;
    if (loop->turn)
        loop->turn(loop->turn_user);
}

/* The iteration that follows a wake is what was asked for. */
static void on_wake(uv_async_t *async) { ((real_loop *)async->data)->call_count++; }

static const rv_loop_ops real_ops;

rv_status rv_loop_new(rv_loop **ret, rv_error *err)
{
    real_loop *loop = rv_alloc(sizeof *loop);
    loop->base.ops = &real_ops;
    int failed = uv_loop_init(&loop->uv);
    if (failed) {
        rv_free(loop);
        return rv_error_set(err, RV_UNAVAILABLE, "cannot make an event loop: %s", uv_strerror(failed));
    }
    failed = uv_async_init(&loop->uv, &loop->async, on_wake);
    if (failed) {
        RV_ASSERT(uv_loop_close(&loop->uv) == 0);
        rv_free(loop);
        return rv_error_set(err, RV_UNAVAILABLE, "cannot make a wake-up for the event loop: %s", uv_strerror(failed));
    }
    loop->async.data = loop;
    RV_ASSERT(uv_prepare_init(&loop->uv, &loop->prepare) == 0);
    loop->prepare.data = loop;
    RV_ASSERT(uv_prepare_start(&loop->prepare, run_turn) == 0);
    loop->signal_read_fd = -1;
    *ret = &loop->base;
    return RV_OK;
}

static void signals_give_back(real_loop *loop)
{
    if (!loop->signal_watch)
        return;
    for (int i = 1; i < SIGNAL_COUNT; i++)
        if (loop->signals[i].fn)
            RV_ASSERT(sigaction(i, &loop->signals[i].before, NULL) == 0);
    watch_end(loop->signal_watch);
    close(signal_write_fd);
    close(loop->signal_read_fd);
    signal_write_fd = -1;
}

static void loop_free(rv_loop *base)
{
    real_loop *loop = of(base);
    signals_give_back(loop);
    RV_ASSERT(loop->watch_count == 0);
    RV_ASSERT(loop->timer_count == 0);
    uv_close((uv_handle_t *)&loop->prepare, NULL);
    uv_close((uv_handle_t *)&loop->async, NULL);
    /* keeps (3): nothing but closing handles is left, so that this cannot wait */
    while (uv_run(&loop->uv, UV_RUN_NOWAIT) != 0)
        ;
    RV_ASSERT(uv_loop_close(&loop->uv) == 0);
    rv_free(loop);
}

static void loop_run(rv_loop *loop) { uv_run(&of(loop)->uv, UV_RUN_DEFAULT); }
static void loop_stop(rv_loop *loop) { uv_stop(&of(loop)->uv); }

/* Until nothing was called any more: what a call or a turn starts to watch, the kernel is told of by the iteration after it. */
static bool settle(real_loop *loop)
{
    for (int i = 0; i < STEP_ITERATIONS_MAX; i++) {
        uint64_t before = loop->call_count;
        uv_run(&loop->uv, UV_RUN_NOWAIT);
        if (loop->call_count == before) return true;
    }
    return false;
}

static int64_t loop_timeout_ms(rv_loop *base);

static bool loop_step(rv_loop *base, int64_t wait_ms)
{
    real_loop *loop = of(base);
    uint64_t before = loop->call_count;
    loop->is_settled = settle(loop);
    if (wait_ms == 0 || loop->call_count != before) return loop->is_settled;
    int64_t due_ms = loop_timeout_ms(base);
    bool is_bounded = wait_ms > 0 && (due_ms < 0 || wait_ms < due_ms);
    struct pollfd fd = {.fd = uv_backend_fd(&loop->uv), .events = POLLIN};
    (void)poll(&fd, 1, (int)RV_MIN(is_bounded ? wait_ms : due_ms, INT_MAX));
    loop->is_settled = settle(loop);
    return loop->is_settled;
}

static int loop_fd(rv_loop *loop) { return uv_backend_fd(&of(loop)->uv); }

static int64_t loop_timeout_ms(rv_loop *base)
{
    real_loop *loop = of(base);
    if (!loop->is_settled) return 0;
    uv_update_time(&loop->uv);
    return uv_backend_timeout(&loop->uv);
}

static void loop_wake(rv_loop *loop) { uv_async_send(&of(loop)->async); }

static int64_t clock_us(clockid_t clock)
{
    struct timespec at;
    RV_ASSERT(clock_gettime(clock, &at) == 0);
    return (int64_t)at.tv_sec * 1000000 + at.tv_nsec / 1000;
}

static int64_t loop_wall_ms(rv_loop *loop) { return clock_us(CLOCK_REALTIME) / 1000; }
static int64_t loop_mono_us(rv_loop *loop) { return clock_us(CLOCK_MONOTONIC); }

static void loop_set_turn(rv_loop *loop, rv_loop_fn *fn, void *user)
{
    of(loop)->turn = fn;
    of(loop)->turn_user = user;
}

/* ---- watches --------------------------------------------------------------- */

static void on_poll(uv_poll_t *poll, int status, int uv_events)
{
    real_watch *watch = poll->data;
    int events = 0;
    /* An error is something to read: the owner learns from read(2) or write(2) which. */
    if (status < 0)
        events = RV_LOOP_READ | RV_LOOP_WRITE | RV_LOOP_HANGUP;
    if (uv_events & (UV_READABLE | UV_DISCONNECT))
        events |= RV_LOOP_READ;
    if (uv_events & UV_WRITABLE)
        events |= RV_LOOP_WRITE;
    if (uv_events & UV_PRIORITIZED)
        events |= RV_LOOP_HANGUP;
    of(watch->base.loop)->call_count++;
    watch->fn(watch->user, events);
}

/* A hangup comes whatever is asked for, but libuv has to be asked for something: for urgent data, which local sockets have not. */
static int to_uv(int events)
{
    return ((events & RV_LOOP_READ) ? UV_READABLE : 0) | ((events & RV_LOOP_WRITE) ? UV_WRITABLE : 0) |
           ((events & RV_LOOP_HANGUP) ? UV_PRIORITIZED : 0);
}

static void watch_change(rv_watch *watch, int events);

static rv_status watch_start(rv_loop *base, int fd, int events, rv_watch_fn *fn, void *user, rv_watch **ret, rv_error *err)
{
    real_loop *loop = of(base);
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0)
        return rv_error_set(err, RV_INVALID, "cannot watch descriptor %d: %s", fd, strerror(errno));
    real_watch *watch = rv_alloc(sizeof *watch);
    int failed = uv_poll_init(&loop->uv, &watch->poll, fd);
    if (failed) {
        rv_free(watch);
        return rv_error_set(err, failed == UV_EPERM ? RV_UNSUPPORTED : RV_UNAVAILABLE, "cannot watch descriptor %d: %s", fd,
                            uv_strerror(failed));
    }
    if (!(flags & O_NONBLOCK))
        (void)fcntl(fd, F_SETFL, flags); /* keeps (1) */
    watch->poll.data = watch;
    watch->base.loop = base;
    watch->fn = fn;
    watch->user = user;
    loop->watch_count++;
    watch_change(&watch->base, events);
    *ret = &watch->base;
    return RV_OK;
}

static void watch_change(rv_watch *watch, int events)
{
    uv_poll_t *poll = &of_watch(watch)->poll;
    int failed = events ? uv_poll_start(poll, to_uv(events), on_poll) : uv_poll_stop(poll);
    RV_ASSERT(failed == 0);
}

static void free_watch(uv_handle_t *handle) { rv_free(handle->data); }

static void watch_end(rv_watch *watch)
{
    real_loop *loop = of(watch->loop);
    RV_ASSERT(loop->watch_count > 0);
    loop->watch_count--;
    uv_close((uv_handle_t *)&of_watch(watch)->poll, free_watch);
}

/* ---- timers ---------------------------------------------------------------- */

static void on_timer(uv_timer_t *handle)
{
    real_timer *timer = handle->data;
    of(timer->base.loop)->call_count++;
    timer->fn(timer->user);
}

static rv_timer *timer_new(rv_loop *loop, rv_loop_fn *fn, void *user)
{
    real_timer *timer = rv_alloc(sizeof *timer);
    RV_ASSERT(uv_timer_init(&of(loop)->uv, &timer->timer) == 0);
    timer->timer.data = timer;
    timer->base.loop = loop;
    timer->fn = fn;
    timer->user = user;
    of(loop)->timer_count++;
    return &timer->base;
}

static void timer_set(rv_timer *timer, int64_t due_mono_ms)
{
    /* libuv adds the delay to its own idea of now, which may lag; the sum is then due_mono_ms exactly. Both are
     * CLOCK_MONOTONIC in ms. */
    int64_t uv_now_ms = (int64_t)uv_now(&of(timer->loop)->uv);
    uint64_t delay_ms = due_mono_ms > uv_now_ms ? (uint64_t)(due_mono_ms - uv_now_ms) : 0;
    RV_ASSERT(uv_timer_start(&of_timer(timer)->timer, on_timer, delay_ms, 0) == 0);
}

static void timer_clear(rv_timer *timer) { RV_ASSERT(uv_timer_stop(&of_timer(timer)->timer) == 0); }

static void free_timer(uv_handle_t *handle) { rv_free(handle->data); }

static void timer_free(rv_timer *timer)
{
    real_loop *loop = of(timer->loop);
    RV_ASSERT(loop->timer_count > 0);
    loop->timer_count--;
    uv_close((uv_handle_t *)&of_timer(timer)->timer, free_timer);
}

/* ---- signals --------------------------------------------------------------- */

typedef struct signal_note {
    uint8_t number, is_from_terminal;
} signal_note;

/* Async-signal-safe. A full pipe holds 32,768 notes that nobody took: one more says nothing new. */
static void on_signal(int number, siginfo_t *info, void *context)
{
    (void)context;
    int saved = errno;
    signal_note note = {(uint8_t)number, info->si_code == SI_KERNEL};
    ssize_t written = write(signal_write_fd, &note, sizeof note);
    (void)written;
    errno = saved;
}

static void on_signal_pipe(void *user, int events)
{
    real_loop *loop = user;
    signal_note notes[64];
    (void)events;
    ssize_t size = read(loop->signal_read_fd, notes, sizeof notes);
    for (ssize_t i = 0; i < size / (ssize_t)sizeof *notes; i++) {
        const signal_slot *slot = &loop->signals[notes[i].number];
        slot->fn(slot->user, notes[i].number, notes[i].is_from_terminal);
    }
}

static rv_status signals_open(real_loop *loop, rv_error *err)
{
    if (signal_write_fd >= 0)
        return rv_error_set(err, RV_CONFLICT, "another loop of this process takes its signals");
    int fds[2];
    if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) != 0)
        return rv_error_set(err, RV_UNAVAILABLE, "cannot make a pipe for signals: %s", strerror(errno));
    rv_status status = watch_start(&loop->base, fds[0], RV_LOOP_READ, on_signal_pipe, loop, &loop->signal_watch, err);
    if (status != RV_OK) {
        close(fds[0]);
        close(fds[1]);
        return status;
    }
    loop->signal_read_fd = fds[0];
    signal_write_fd = fds[1];
    return RV_OK;
}

static rv_status loop_signals(rv_loop *base, const int *signals, uint32_t count, rv_signal_fn *fn, void *user, rv_error *err)
{
    real_loop *loop = of(base);
    if (!loop->signal_watch) {
        rv_status status = signals_open(loop, err);
        if (status != RV_OK)
            return status;
    }
    for (uint32_t i = 0; i < count; i++) {
        RV_ASSERT(signals[i] > 0);
        RV_ASSERT(signals[i] < SIGNAL_COUNT);
        signal_slot *slot = &loop->signals[signals[i]];
        struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
        sigfillset(&action.sa_mask);
        struct sigaction before;
        if (sigaction(signals[i], &action, &before) != 0)
            return rv_error_set(err, RV_INVALID, "signal %d cannot be taken: %s", signals[i], strerror(errno));
        if (!slot->fn)
            slot->before = before;
        slot->fn = fn;
        slot->user = user;
    }
    return RV_OK;
}

static const rv_loop_ops real_ops = {
    .free = loop_free, .run = loop_run, .stop = loop_stop, .step = loop_step, .fd = loop_fd, .timeout_ms = loop_timeout_ms,
    .wall_ms = loop_wall_ms, .mono_us = loop_mono_us, .watch_start = watch_start, .watch_change = watch_change, .watch_end = watch_end,
    .timer_new = timer_new, .timer_set = timer_set, .timer_clear = timer_clear, .timer_free = timer_free, .set_turn = loop_set_turn,
    .wake = loop_wake, .signals = loop_signals,
};
