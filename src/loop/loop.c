/* loop.c: loop.h's functions, handed to the loop that is meant. */
#include "loop/ops.h"

void rv_loop_free(rv_loop *loop)
{
    if (loop) loop->ops->free(loop);
}

void rv_loop_run(rv_loop *loop) { loop->ops->run(loop); }
void rv_loop_stop(rv_loop *loop) { loop->ops->stop(loop); }
bool rv_loop_step(rv_loop *loop, int64_t wait_ms) { return loop->ops->step(loop, wait_ms); }
int rv_loop_fd(rv_loop *loop) { return loop->ops->fd(loop); }
int64_t rv_loop_timeout_ms(rv_loop *loop) { return loop->ops->timeout_ms(loop); }
int64_t rv_loop_wall_ms(rv_loop *loop) { return loop->ops->wall_ms(loop); }
int64_t rv_loop_mono_us(rv_loop *loop) { return loop->ops->mono_us(loop); }
int64_t rv_loop_mono_ms(rv_loop *loop) { return loop->ops->mono_us(loop) / 1000; }

rv_status rv_watch_start(rv_loop *loop, int fd, int events, rv_watch_fn *fn, void *user, rv_watch **ret, rv_error *err)
{
    RV_ASSERT(fd >= 0);
    RV_ASSERT(fn != NULL);
    return loop->ops->watch_start(loop, fd, events, fn, user, ret, err);
}

void rv_watch_change(rv_watch *watch, int events) { watch->loop->ops->watch_change(watch, events); }

void rv_watch_end(rv_watch *watch)
{
    if (watch) watch->loop->ops->watch_end(watch);
}

rv_timer *rv_timer_new(rv_loop *loop, rv_loop_fn *fn, void *user)
{
    RV_ASSERT(fn != NULL);
    return loop->ops->timer_new(loop, fn, user);
}

void rv_timer_set(rv_timer *timer, int64_t due_mono_ms) { timer->loop->ops->timer_set(timer, due_mono_ms); }
void rv_timer_clear(rv_timer *timer) { timer->loop->ops->timer_clear(timer); }

void rv_timer_free(rv_timer *timer)
{
    if (timer) timer->loop->ops->timer_free(timer);
}

void rv_loop_set_turn(rv_loop *loop, rv_loop_fn *fn, void *user) { loop->ops->set_turn(loop, fn, user); }
void rv_loop_wake(rv_loop *loop) { loop->ops->wake(loop); }

rv_status rv_loop_signals(rv_loop *loop, const int *signals, uint32_t count, rv_signal_fn *fn, void *user, rv_error *err)
{
    RV_ASSERT(fn != NULL);
    return loop->ops->signals(loop, signals, count, fn, user, err);
}
