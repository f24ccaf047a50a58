/* The virtual loop: time moves only when nothing is left to do, and everything follows from the seed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/util.h"
#include "loop/loop.h"

#define TIMERS 12

typedef struct world {
    rv_loop *loop;
    rv_timer *timers[TIMERS];
    rv_buf said;
    uint32_t turns, calls, wakes_left;
} world;
typedef struct named { world *w; char name; } named;

static void on_timer(void *user)
{
    named *n = user;
    rv_buf_printf(&n->w->said, "%c%lld ", n->name, (long long)rv_loop_mono_ms(n->w->loop));
}

static void on_turn(void *user)
{
    world *w = user;
    w->turns++;
    if (w->wakes_left && w->wakes_left--) rv_loop_wake(w->loop);
}

static void on_after(void *user) { ((world *)user)->calls++; }

static void virtual__clock_moves_to_the_next_timer_at_once(void **state)
{
    uint64_t seed = 1;
    world w = {.loop = rv_loop_new_virtual(1700000000000, 500, &seed)};
    named a = {&w, 'a'}, b = {&w, 'b'};
    rv_timer *first = rv_timer_new(w.loop, on_timer, &a), *second = rv_timer_new(w.loop, on_timer, &b);
    rv_timer_set(first, 100500);
    rv_timer_set(second, 700);
    rv_loop_run(w.loop);
    assert_string_equal(w.said.at, "b700 a100500 ");
    assert_int_equal(rv_loop_wall_ms(w.loop), 1700000000000 + 100000);
    assert_int_equal(rv_loop_mono_us(w.loop), 100500000);
    rv_timer_set(first, 200000);
    rv_timer_clear(first);
    rv_loop_run(w.loop); /* nothing can ever happen: it returns */
    assert_int_equal(rv_loop_mono_ms(w.loop), 100500);
    assert_int_equal(rv_loop_timeout_ms(w.loop), -1);
    rv_timer_free(first);
    rv_timer_free(second);
    rv_loop_free(w.loop);
    rv_buf_deinit(&w.said);
}

static void virtual__jumps_make_due_what_was_missed_and_leave_wall_and_mono_apart(void **state)
{
    uint64_t seed = 1;
    world w = {.loop = rv_loop_new_virtual(1000, 0, &seed)};
    named a = {&w, 'a'};
    rv_timer *timer = rv_timer_new(w.loop, on_timer, &a);
    rv_timer_set(timer, 50);
    rv_loop_jump(w.loop, -600, 0);
    assert_int_equal(rv_loop_wall_ms(w.loop), 400);
    assert_int_equal(rv_loop_timeout_ms(w.loop), 50);
    rv_loop_jump(w.loop, 0, 80);
    rv_loop_run(w.loop);
    assert_string_equal(w.said.at, "a80 ");
    rv_timer_free(timer);
    rv_loop_free(w.loop);
    rv_buf_deinit(&w.said);
}

static void virtual__turn_runs_before_time_moves_and_again_when_woken(void **state)
{
    uint64_t seed = 1;
    world w = {.loop = rv_loop_new_virtual(0, 0, &seed), .wakes_left = 5};
    named a = {&w, 'a'};
    rv_timer *timer = rv_timer_new(w.loop, on_timer, &a);
    rv_timer_set(timer, 10);
    rv_loop_set_turn(w.loop, on_turn, &w);
    rv_loop_set_after(w.loop, on_after, &w);
    assert_true(rv_loop_step(w.loop, 5));
    assert_int_equal(w.said.size, 0);
    assert_true(w.turns >= 6);
    rv_loop_run(w.loop);
    assert_string_equal(w.said.at, "a10 ");
    assert_true(w.calls == w.turns + 1);
    rv_loop_set_turn(w.loop, NULL, NULL);
    rv_timer_free(timer);
    rv_loop_free(w.loop);
    rv_buf_deinit(&w.said);
}

/* What many timers of one moment said, in order. */
static void order_of(uint64_t seed, rv_buf *ret)
{
    world w = {.loop = rv_loop_new_virtual(0, 0, &seed)};
    named names[TIMERS];
    for (uint32_t i = 0; i < TIMERS; i++) {
        names[i] = (named){&w, (char)('a' + i)};
        w.timers[i] = rv_timer_new(w.loop, on_timer, &names[i]);
        rv_timer_set(w.timers[i], 7);
    }
    rv_loop_run(w.loop);
    for (uint32_t i = 0; i < TIMERS; i++) rv_timer_free(w.timers[i]);
    rv_loop_free(w.loop);
    *ret = w.said;
}

static void virtual__same_seed_same_order_another_seed_another(void **state)
{
    uint32_t different = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        rv_buf first = {0}, again = {0}, other = {0};
        order_of(seed, &first);
        order_of(seed, &again);
        order_of(seed + 1000, &other);
        assert_string_equal(first.at, again.at);
        assert_int_equal(first.size, TIMERS * 3);
        different += strcmp(first.at, other.at) != 0;
        rv_buf_deinit(&first), rv_buf_deinit(&again), rv_buf_deinit(&other);
    }
    assert_int_equal(different, 20);
}

typedef struct reader { world *w; int fd; rv_watch *watch; } reader;

static void on_readable(void *user, int events)
{
    reader *r = user;
    char byte;
    assert_true(events & RV_LOOP_READ);
    assert_int_equal(read(r->fd, &byte, 1), 1);
    rv_buf_printf(&r->w->said, "read %c ", byte);
    if (byte != 'z') return;
    rv_watch_end(r->watch);
    r->watch = NULL;
}

static void on_signal(void *user, int signal, bool is_from_terminal) { fail_msg("signal %d", signal); }

static void virtual__descriptors_are_seen_before_time_moves(void **state)
{
    uint64_t seed = 1;
    int fds[2];
    rv_error err;
    world w = {.loop = rv_loop_new_virtual(0, 0, &seed)};
    named a = {&w, 'a'};
    assert_int_equal(pipe(fds), 0);
    reader r = {.w = &w, .fd = fds[0]};
    rv_timer *timer = rv_timer_new(w.loop, on_timer, &a);
    rv_timer_set(timer, 10);
    assert_int_equal(rv_watch_start(w.loop, fds[0], RV_LOOP_READ, on_readable, &r, &r.watch, &err), RV_OK);
    assert_int_equal(write(fds[1], "xz", 2), 2);
    rv_loop_run(w.loop);
    assert_string_equal(w.said.at, "read x read z a10 ");
    assert_int_equal(rv_loop_signals(w.loop, NULL, 0, on_signal, NULL, &err), RV_UNSUPPORTED);
    assert_int_equal(rv_loop_fd(w.loop), -1);
    rv_timer_free(timer);
    rv_loop_free(w.loop);
    close(fds[0]), close(fds[1]);
    rv_buf_deinit(&w.said);
}

static void on_hangup(void *user, int events)
{
    reader *r = user;
    assert_int_equal(events, RV_LOOP_HANGUP);
    rv_buf_cstring(&r->w->said, "gone ");
    rv_watch_end(r->watch);
}

static void on_close(void *user)
{
    reader *r = user;
    rv_buf_cstring(&r->w->said, "close ");
    close(r->fd);
}

static void virtual__a_hangup_is_told_where_nothing_is_read(void **state)
{
    uint64_t seed = 1;
    int fds[2];
    rv_error err;
    world w = {.loop = rv_loop_new_virtual(0, 0, &seed)};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_int_equal(write(fds[1], "x", 1), 1);
    assert_int_equal(shutdown(fds[1], SHUT_WR), 0); /* it still reads */
    reader r = {.w = &w, .fd = fds[1]};
    rv_timer *timer = rv_timer_new(w.loop, on_close, &r);
    rv_timer_set(timer, 10);
    assert_int_equal(rv_watch_start(w.loop, fds[0], RV_LOOP_HANGUP, on_hangup, &r, &r.watch, &err), RV_OK);
    rv_loop_run(w.loop);
    assert_string_equal(w.said.at, "close gone ");
    rv_timer_free(timer);
    rv_loop_free(w.loop);
    close(fds[0]);
    rv_buf_deinit(&w.said);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(virtual__clock_moves_to_the_next_timer_at_once),
        cmocka_unit_test(virtual__jumps_make_due_what_was_missed_and_leave_wall_and_mono_apart),
        cmocka_unit_test(virtual__turn_runs_before_time_moves_and_again_when_woken),
        cmocka_unit_test(virtual__same_seed_same_order_another_seed_another),
        cmocka_unit_test(virtual__descriptors_are_seen_before_time_moves),
        cmocka_unit_test(virtual__a_hangup_is_told_where_nothing_is_read),
    };
    return cmocka_run_group_tests_name("loop_virtual", tests, NULL, NULL);
}
