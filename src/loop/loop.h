/* loop.h: the outside world's clock, descriptors, timers and wake-ups. The real one is libuv (loop/real.c); the
 * virtual one (simulator) has the same face. One thread owns a loop; only rv_loop_wake may be called from others. */
#ifndef RV_LOOP_H
#define RV_LOOP_H

#include "base/base.h"

typedef struct rv_loop rv_loop;
typedef struct rv_watch rv_watch; /* a descriptor being watched */
typedef struct rv_timer rv_timer;

/* RV_LOOP_HANGUP: nobody is at the other end any more. It is for a socket that is not to be read now; else to read tells. */
enum { RV_LOOP_READ = 1, RV_LOOP_WRITE = 2, RV_LOOP_HANGUP = 4 };
typedef void rv_watch_fn(void *user, int events);
typedef void rv_loop_fn(void *user);
typedef void rv_signal_fn(void *user, int signal, bool is_from_terminal);

/* Make a loop. IO: the system gives no descriptor for it. */
RV_MUST_USE rv_status rv_loop_new(rv_loop **ret, rv_error *err);
void rv_loop_free(rv_loop *loop); /* NULL is legal; all watches and timers must be gone */
/* Run until rv_loop_stop. Calls back only from within. */
void rv_loop_run(rv_loop *loop);
void rv_loop_stop(rv_loop *loop);

/* For a host with a loop of its own. rv_loop_step: do what is due, waiting for it at most wait_ms (0: not at all, < 0: until
 * there is something), then go through a turn; false: there is more to do at once. rv_loop_fd polls readable when a step has
 * something to do; rv_loop_timeout_ms: after so long it has anyway (-1: not before the descriptor says so). Both hold from
 * one step to the next. The loop's thread; not from within a call. */
bool rv_loop_step(rv_loop *loop, int64_t wait_ms);
int rv_loop_fd(rv_loop *loop);
int64_t rv_loop_timeout_ms(rv_loop *loop);

/* Wall ms, and monotonic ms and us that leave out the time in which the machine slept (CLOCK_MONOTONIC). */
int64_t rv_loop_wall_ms(rv_loop *loop);
int64_t rv_loop_mono_ms(rv_loop *loop);
int64_t rv_loop_mono_us(rv_loop *loop);

/* Watch `fd` (not taken) for `events`. The watch ends with rv_watch_end, which must come before close(fd); no call
 * comes after it, also for events that were already collected. */
RV_MUST_USE rv_status rv_watch_start(rv_loop *loop, int fd, int events, rv_watch_fn *fn, void *user, rv_watch **ret, rv_error *err);
void rv_watch_change(rv_watch *watch, int events);
void rv_watch_end(rv_watch *watch); /* NULL is legal */

/* One-shot timer at mono `due_ms`; it may be set again at any time, also from its own call. */
rv_timer *rv_timer_new(rv_loop *loop, rv_loop_fn *fn, void *user);
void rv_timer_set(rv_timer *timer, int64_t due_mono_ms);
void rv_timer_clear(rv_timer *timer);
void rv_timer_free(rv_timer *timer); /* NULL is legal */

/* Call `fn` once before the loop next waits for events, however often it was asked for: the end of a turn. */
void rv_loop_set_turn(rv_loop *loop, rv_loop_fn *fn, void *user);
/* Make a waiting loop go through a turn. Any thread; async-signal-safe. */
void rv_loop_wake(rv_loop *loop);
/* Take signals as events. is_from_terminal: the kernel sent it (a key), not a process. */
RV_MUST_USE rv_status rv_loop_signals(rv_loop *loop, const int *signals, uint32_t count, rv_signal_fn *fn, void *user, rv_error *err);

/* ---- the virtual loop: the same face, no time of its own (virtual.c tells how it goes) ----
 * When nothing is left to do now, its clock moves at once to the earliest timer. Timers that are due together come in an order
 * drawn from *seed, and one or several of them before the next turn: everything that happens follows from the seed and from what
 * its callers do. rv_loop_run also returns when nothing is left that could ever happen, neither a timer nor a watch: what would wait
 * for ever outside. It has no descriptor (rv_loop_fd: -1) and takes no signals (UNSUPPORTED); watches are polled, without waiting,
 * whenever the clock is about to move. wall_ms, mono_ms: where the clocks begin. seed: borrowed for the life of the loop. */
rv_loop *rv_loop_new_virtual(int64_t wall_ms, int64_t mono_ms, uint64_t *seed);
/* Move the clocks: wall by wall_ms (any sign: somebody set it, or the machine slept), mono by mono_ms ≥ 0 (the process was stopped:
 * what became due meanwhile is due now). A virtual loop's only. */
void rv_loop_jump(rv_loop *loop, int64_t wall_ms, int64_t mono_ms);
/* Call `fn` after each call that a virtual loop made: of a timer, a watch or a turn. */
void rv_loop_set_after(rv_loop *loop, rv_loop_fn *fn, void *user);

#endif
