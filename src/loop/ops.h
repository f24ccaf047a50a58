/* ops.h: what a loop is made of, for the files of loop/ only: the real one (real.c) and the virtual one (virtual.c). Each of
 * loop.h's functions is the member of the same name; the contracts are there. */
#ifndef RV_LOOP_OPS_H
#define RV_LOOP_OPS_H

#include "loop/loop.h"

typedef struct rv_loop_ops {
    void (*free)(rv_loop *loop);
    void (*run)(rv_loop *loop);
    void (*stop)(rv_loop *loop);
    bool (*step)(rv_loop *loop, int64_t wait_ms);
    int (*fd)(rv_loop *loop);
    int64_t (*timeout_ms)(rv_loop *loop);
    int64_t (*wall_ms)(rv_loop *loop);
    int64_t (*mono_us)(rv_loop *loop);
    rv_status (*watch_start)(rv_loop *loop, int fd, int events, rv_watch_fn *fn, void *user, rv_watch **ret, rv_error *err);
    void (*watch_change)(rv_watch *watch, int events);
    void (*watch_end)(rv_watch *watch);
    rv_timer *(*timer_new)(rv_loop *loop, rv_loop_fn *fn, void *user);
    void (*timer_set)(rv_timer *timer, int64_t due_mono_ms);
    void (*timer_clear)(rv_timer *timer);
    void (*timer_free)(rv_timer *timer);
    void (*set_turn)(rv_loop *loop, rv_loop_fn *fn, void *user);
    void (*wake)(rv_loop *loop);
    rv_status (*signals)(rv_loop *loop, const int *signals, uint32_t count, rv_signal_fn *fn, void *user, rv_error *err);
} rv_loop_ops;

struct rv_loop { const rv_loop_ops *ops; };
struct rv_watch { rv_loop *loop; };
struct rv_timer { rv_loop *loop; };

#endif
