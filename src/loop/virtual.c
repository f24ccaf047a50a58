/* The loop of the simulator: one thread, no waiting, every order drawn from a seed.
 *
 *      ┌─► turn ─► woken? ──► watches that are ready ──► timers that are due, one or several ─┐
 *      │                                                 none: the clock moves to the next   │
 *      └──────────────────────────────────────────────────────────────────────────────────┘
 *
 * Timers are a plain array: a simulated run has a few dozen. */
#include "loop/ops.h"

#include <poll.h>

#include "base/mem.h"
#include "base/util.h"

#define MORE_IN 3 /* one in so many times another due timer is called before the turn */

typedef struct virtual_watch {
    rv_watch base; /* first */
    int fd, events;
    bool has_ended;
    rv_watch_fn *fn;
    void *user;
} virtual_watch;

typedef struct virtual_timer {
    rv_timer base; /* first */
    int64_t due_ms;
    bool is_set;
    rv_loop_fn *fn;
    void *user;
} virtual_timer;

typedef struct virtual_loop {
    rv_loop base; /* first */
    int64_t wall_ms, mono_ms;
    uint64_t *seed;
    rv_loop_fn *turn, *after;
    void *turn_user, *after_user;
    RV_VEC(virtual_timer *) timers;
    RV_VEC(virtual_watch *) watches; /* ended ones are freed between calls */
    bool is_woken, is_stopped;
} virtual_loop;

static const rv_loop_ops virtual_ops;

static virtual_loop *of(rv_loop *loop)
{
    RV_ASSERT(loop->ops == &virtual_ops);
    return (virtual_loop *)loop;
}
static virtual_watch *of_watch(rv_watch *watch) { return (virtual_watch *)watch; }
static virtual_timer *of_timer(rv_timer *timer) { return (virtual_timer *)timer; }

rv_loop *rv_loop_new_virtual(int64_t wall_ms, int64_t mono_ms, uint64_t *seed)
{
    virtual_loop *loop = rv_alloc(sizeof *loop);
    loop->base.ops = &virtual_ops;
    loop->wall_ms = wall_ms;
    loop->mono_ms = mono_ms;
    loop->seed = seed;
    return &loop->base;
}

void rv_loop_jump(rv_loop *base, int64_t wall_ms, int64_t mono_ms)
{
    virtual_loop *loop = of(base);
    RV_ASSERT(mono_ms >= 0);
    loop->wall_ms += wall_ms;
    loop->mono_ms += mono_ms;
}

void rv_loop_set_after(rv_loop *base, rv_loop_fn *fn, void *user)
{
    virtual_loop *loop = of(base);
    loop->after = fn;
    loop->after_user = user;
}

static void drop_ended(virtual_loop *loop)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < loop->watches.count; i++) {
        virtual_watch *watch = loop->watches.at[i];
        if (watch->has_ended) rv_free(watch);
        else loop->watches.at[kept++] = watch;
    }
    loop->watches.count = kept;
}

static void loop_free(rv_loop *base)
{
    virtual_loop *loop = of(base);
    drop_ended(loop);
    RV_ASSERT(loop->watches.count == 0);
    RV_ASSERT(loop->timers.count == 0);
    rv_vec_deinit(&loop->timers);
    rv_vec_deinit(&loop->watches);
    rv_free(loop);
}

/* ---- going round ---- */

static void called(virtual_loop *loop)
{
    if (loop->after) loop->after(loop->after_user);
}

static bool call_watches(virtual_loop *loop)
{
    bool has_called = false;
    for (uint32_t i = 0; i < loop->watches.count && !loop->is_stopped; i++) {
        virtual_watch *watch = loop->watches.at[i];
        struct pollfd fd = {.fd = watch->fd, .events = (short)((watch->events & RV_LOOP_READ ? POLLIN : 0) |
                                                              (watch->events & RV_LOOP_WRITE ? POLLOUT : 0))};
        if (watch->has_ended || !watch->events || poll(&fd, 1, 0) <= 0) continue;
        int events = (fd.revents & ~POLLOUT ? RV_LOOP_READ : 0) | (fd.revents & ~POLLIN ? RV_LOOP_WRITE : 0);
        watch->fn(watch->user, watch->events == RV_LOOP_HANGUP && fd.revents & POLLHUP ? RV_LOOP_HANGUP : events);
        called(loop);
        has_called = true;
    }
    drop_ended(loop);
    return has_called;
}

/* The earliest timer; of several one that the seed draws. NULL: none is set. */
static virtual_timer *earliest(virtual_loop *loop)
{
    virtual_timer *found = NULL;
    uint32_t same = 0;
    for (uint32_t i = 0; i < loop->timers.count; i++) {
        virtual_timer *timer = loop->timers.at[i];
        if (!timer->is_set || (found && RV_MAX(timer->due_ms, loop->mono_ms) > RV_MAX(found->due_ms, loop->mono_ms))) continue;
        bool is_same = found && RV_MAX(timer->due_ms, loop->mono_ms) == RV_MAX(found->due_ms, loop->mono_ms);
        same = is_same ? same + 1 : 1;
        if (!is_same || rv_rng_below(loop->seed, same) == 0) found = timer;
    }
    return found;
}

static void call_timer(virtual_loop *loop, virtual_timer *timer)
{
    timer->is_set = false;
    timer->fn(timer->user);
    called(loop);
}

static void move_clock(virtual_loop *loop, int64_t due_ms)
{
    if (due_ms <= loop->mono_ms) return;
    loop->wall_ms += due_ms - loop->mono_ms;
    loop->mono_ms = due_ms;
}

/* Once round. until_mono_ms: the clock does not move past it. false: nothing is left to do until then. */
static bool go_round(virtual_loop *loop, int64_t until_mono_ms)
{
    if (loop->turn) {
        loop->turn(loop->turn_user);
        called(loop);
    }
    if (loop->is_stopped) return false;
    bool has_called = call_watches(loop) || loop->is_woken;
    loop->is_woken = false;
    virtual_timer *timer = loop->is_stopped ? NULL : earliest(loop);
    if (timer && timer->due_ms > (has_called ? loop->mono_ms : until_mono_ms)) timer = NULL;
    if (timer) move_clock(loop, timer->due_ms);
    while (timer && timer->due_ms <= loop->mono_ms && !loop->is_stopped) {
        call_timer(loop, timer);
        has_called = true;
        timer = rv_rng_below(loop->seed, MORE_IN) == 0 ? earliest(loop) : NULL;
    }
    return has_called && !loop->is_stopped;
}

static void loop_run(rv_loop *base)
{
    virtual_loop *loop = of(base);
    loop->is_stopped = false;
    while (go_round(loop, INT64_MAX)) {}
}

static void loop_stop(rv_loop *loop) { of(loop)->is_stopped = true; }

static bool loop_step(rv_loop *base, int64_t wait_ms)
{
    virtual_loop *loop = of(base);
    int64_t until_ms = wait_ms < 0 || loop->mono_ms > INT64_MAX - wait_ms ? INT64_MAX : loop->mono_ms + wait_ms;
    loop->is_stopped = false;
    (void)go_round(loop, until_ms);
    while (go_round(loop, loop->mono_ms)) {}
    return true;
}

static int loop_fd(rv_loop *loop) { return -1; }

static int64_t loop_timeout_ms(rv_loop *base)
{
    virtual_loop *loop = of(base);
    const virtual_timer *timer = earliest(loop);
    if (loop->is_woken) return 0;
    return timer ? RV_MAX(timer->due_ms - loop->mono_ms, 0) : -1;
}

static int64_t loop_wall_ms(rv_loop *loop) { return of(loop)->wall_ms; }
static int64_t loop_mono_us(rv_loop *loop) { return of(loop)->mono_ms * 1000; }

/* ---- watches and timers ---- */

static rv_status watch_start(rv_loop *base, int fd, int events, rv_watch_fn *fn, void *user, rv_watch **ret, rv_error *err)
{
    virtual_watch *watch = rv_alloc(sizeof *watch);
    *watch = (virtual_watch){.base = {base}, .fd = fd, .events = events, .fn = fn, .user = user};
    rv_vec_push(&of(base)->watches, watch);
    *ret = &watch->base;
    return RV_OK;
}

static void watch_change(rv_watch *watch, int events) { of_watch(watch)->events = events; }
static void watch_end(rv_watch *watch) { of_watch(watch)->has_ended = true; }

static rv_timer *timer_new(rv_loop *base, rv_loop_fn *fn, void *user)
{
    virtual_timer *timer = rv_alloc(sizeof *timer);
    *timer = (virtual_timer){.base = {base}, .fn = fn, .user = user};
    rv_vec_push(&of(base)->timers, timer);
    return &timer->base;
}

static void timer_set(rv_timer *timer, int64_t due_mono_ms)
{
    of_timer(timer)->due_ms = due_mono_ms;
    of_timer(timer)->is_set = true;
}

static void timer_clear(rv_timer *timer) { of_timer(timer)->is_set = false; }

static void timer_free(rv_timer *timer)
{
    virtual_loop *loop = of(timer->loop);
    uint32_t at = 0;
    while (at < loop->timers.count && &loop->timers.at[at]->base != timer) at++;
    RV_ASSERT(at < loop->timers.count);
    loop->timers.at[at] = loop->timers.at[--loop->timers.count];
    rv_free(timer);
}

static void loop_set_turn(rv_loop *loop, rv_loop_fn *fn, void *user)
{
    of(loop)->turn = fn;
    of(loop)->turn_user = user;
}

static void loop_wake(rv_loop *loop) { of(loop)->is_woken = true; }

static rv_status loop_signals(rv_loop *loop, const int *signals, uint32_t count, rv_signal_fn *fn, void *user, rv_error *err)
{
    return rv_error_set(err, RV_UNSUPPORTED, "a virtual loop takes no signals");
}

static const rv_loop_ops virtual_ops = {
    .free = loop_free, .run = loop_run, .stop = loop_stop, .step = loop_step, .fd = loop_fd, .timeout_ms = loop_timeout_ms,
    .wall_ms = loop_wall_ms, .mono_us = loop_mono_us, .watch_start = watch_start, .watch_change = watch_change, .watch_end = watch_end,
    .timer_new = timer_new, .timer_set = timer_set, .timer_clear = timer_clear, .timer_free = timer_free, .set_turn = loop_set_turn,
    .wake = loop_wake, .signals = loop_signals,
};
