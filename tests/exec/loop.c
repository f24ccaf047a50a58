/* The real loop: what its header promises. */
#include "harness.h"

#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

typedef struct scene {
    rv_loop *loop;
    rv_watch *watches[2];
    rv_timer *timers[3];
    int fds[2][2];
    char order[64];
    uint32_t turns, calls;
    int signal;
    bool is_from_terminal;
} scene;

static void scene_init(scene *s)
{
    *s = (scene){0};
    assert_int_equal(rv_loop_new(&s->loop, NULL), RV_OK);
}

static void note(scene *s, char what)
{
    size_t size = strlen(s->order);
    if (size < sizeof s->order - 1)
        s->order[size] = what;
}

static void on_timer_a(void *user)
{
    scene *s = user;
    note(s, 'a');
    if (++s->calls < 3)
        rv_timer_set(s->timers[0], rv_loop_mono_ms(s->loop)); /* from its own call */
}
static void on_timer_b(void *user) { note(user, 'b'); }
static void on_timer_stop(void *user)
{
    scene *s = user;
    note(s, 'x');
    rv_loop_stop(s->loop);
}

static void timer__calls_come_in_the_order_of_their_times(void **state)
{
    scene s;
    scene_init(&s);
    int64_t began_ms = rv_loop_mono_ms(s.loop);
    s.timers[0] = rv_timer_new(s.loop, on_timer_a, &s);
    s.timers[1] = rv_timer_new(s.loop, on_timer_b, &s);
    s.timers[2] = rv_timer_new(s.loop, on_timer_stop, &s);
    rv_timer_set(s.timers[2], began_ms + 40);
    rv_timer_set(s.timers[1], began_ms + 20);
    rv_timer_set(s.timers[0], began_ms - 5); /* in the past: at once */
    rv_loop_run(s.loop);
    assert_string_equal(s.order, "aaabx");
    assert_true(rv_loop_mono_ms(s.loop) - began_ms >= 40);
    rv_timer_set(s.timers[1], rv_loop_mono_ms(s.loop));
    rv_timer_clear(s.timers[1]);
    rv_timer_set(s.timers[2], rv_loop_mono_ms(s.loop) + 5);
    rv_loop_run(s.loop);
    assert_string_equal(s.order, "aaabxx"); /* a cleared one does not come */
    for (size_t i = 0; i < RV_COUNT(s.timers); i++)
        rv_timer_free(s.timers[i]);
    rv_timer_free(NULL);
    rv_loop_free(s.loop);
    rv_loop_free(NULL);
}

/* Both are readable when the loop looks; the first to be called ends the other's watch and closes its descriptor. */
static void on_first_readable(void *user, int events)
{
    scene *s = user;
    assert_int_equal(events, RV_LOOP_READ);
    s->calls++;
    for (int i = 0; i < 2; i++) {
        rv_watch_end(s->watches[i]);
        close(s->fds[i][0]);
    }
    rv_loop_stop(s->loop);
}

static void watch__no_call_comes_after_its_end(void **state)
{
    scene s;
    scene_init(&s);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pipe2(s.fds[i], O_CLOEXEC), 0);
        assert_int_equal(write(s.fds[i][1], "x", 1), 1);
        assert_int_equal(rv_watch_start(s.loop, s.fds[i][0], RV_LOOP_READ, on_first_readable, &s, &s.watches[i], NULL), RV_OK);
        assert_int_equal(fcntl(s.fds[i][0], F_GETFL) & O_NONBLOCK, 0); /* its flags are as they were */
    }
    rv_loop_run(s.loop);
    assert_int_equal(s.calls, 1);
    close(s.fds[0][1]);
    close(s.fds[1][1]);
    rv_watch_end(NULL);
    rv_loop_free(s.loop);
}

static void on_writable_then_readable(void *user, int events)
{
    scene *s = user;
    if (events & RV_LOOP_WRITE) {
        note(s, 'w');
        assert_int_equal(write(s->fds[0][1], "x", 1), 1);
        rv_watch_change(s->watches[1], 0);
    } else {
        note(s, 'r');
        rv_loop_stop(s->loop);
    }
}

static void watch__what_it_waits_for_can_change(void **state)
{
    scene s;
    scene_init(&s);
    assert_int_equal(pipe2(s.fds[0], O_CLOEXEC), 0);
    assert_int_equal(rv_watch_start(s.loop, s.fds[0][0], RV_LOOP_READ, on_writable_then_readable, &s, &s.watches[0], NULL), RV_OK);
    assert_int_equal(rv_watch_start(s.loop, s.fds[0][1], RV_LOOP_WRITE, on_writable_then_readable, &s, &s.watches[1], NULL), RV_OK);
    rv_loop_run(s.loop);
    assert_string_equal(s.order, "wr");
    for (int i = 0; i < 2; i++) {
        rv_watch_end(s.watches[i]);
        close(s.fds[0][i]);
    }
    rv_loop_free(s.loop);
}

static void on_hangup(void *user, int events)
{
    scene *s = user;
    assert_int_equal(events, RV_LOOP_HANGUP);
    note(s, 'h');
    rv_loop_stop(s->loop);
}

static void on_timer_close(void *user)
{
    scene *s = user;
    note(s, 'c');
    close(s->fds[0][1]);
}

static void watch__a_hangup_is_told_where_nothing_is_read_and_a_last_word_is_none(void **state)
{
    scene s;
    scene_init(&s);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, s.fds[0]), 0);
    assert_int_equal(write(s.fds[0][1], "x", 1), 1);
    assert_int_equal(shutdown(s.fds[0][1], SHUT_WR), 0); /* it still reads */
    assert_int_equal(rv_watch_start(s.loop, s.fds[0][0], RV_LOOP_HANGUP, on_hangup, &s, &s.watches[0], NULL), RV_OK);
    s.timers[0] = rv_timer_new(s.loop, on_timer_close, &s);
    rv_timer_set(s.timers[0], rv_loop_mono_ms(s.loop) + 10);
    rv_loop_run(s.loop);
    assert_string_equal(s.order, "ch");
    rv_watch_end(s.watches[0]);
    close(s.fds[0][0]);
    rv_timer_free(s.timers[0]);
    rv_loop_free(s.loop);
}

static void watch__regular_file_is_refused(void **state)
{
    scene s;
    scene_init(&s);
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    rv_error err;
    assert_int_equal(rv_watch_start(s.loop, fd, RV_LOOP_READ, on_first_readable, &s, &s.watches[0], &err), RV_UNSUPPORTED);
    close(fd);
    assert_int_equal(rv_watch_start(s.loop, fd, RV_LOOP_READ, on_first_readable, &s, &s.watches[0], &err), RV_INVALID);
    rv_loop_free(s.loop);
}

static void on_turn(void *user)
{
    scene *s = user;
    if (++s->turns == 2)
        rv_loop_stop(s->loop);
}

static void *wake(void *user)
{
    rv_loop_wake(((scene *)user)->loop);
    return NULL;
}

static void wake__from_another_thread_is_one_turn(void **state)
{
    scene s;
    scene_init(&s);
    rv_loop_set_turn(s.loop, on_turn, &s);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, wake, &s), 0);
    rv_loop_run(s.loop); /* the first turn comes before the first wait, the second after the wake */
    assert_int_equal(s.turns, 2);
    assert_int_equal(pthread_join(thread, NULL), 0);
    rv_loop_free(s.loop);
}

static void on_signal_note(void *user, int number, bool is_from_terminal)
{
    scene *s = user;
    s->signal = number;
    s->is_from_terminal = is_from_terminal;
    s->calls++;
    rv_loop_stop(s->loop);
}

static void signal__of_a_process_is_told_from_a_key(void **state)
{
    scene s, other;
    struct sigaction before, action; /* SIGINT may be ignored: a shell's background jobs begin so */
    assert_int_equal(sigaction(SIGINT, NULL, &before), 0);
    scene_init(&s);
    const int signals[] = {SIGINT, SIGUSR1};
    assert_int_equal(rv_loop_signals(s.loop, signals, 2, on_signal_note, &s, NULL), RV_OK);
    for (size_t i = 0; i < RV_COUNT(signals); i++) {
        assert_int_equal(kill(getpid(), signals[i]), 0);
        rv_loop_run(s.loop);
        assert_int_equal(s.signal, signals[i]);
        assert_false(s.is_from_terminal);
    }
    scene_init(&other); /* a process has one set of signals */
    assert_int_equal(rv_loop_signals(other.loop, signals, 1, on_signal_note, &other, NULL), RV_CONFLICT);
    rv_loop_free(other.loop);
    rv_loop_free(s.loop);
    assert_int_equal(sigaction(SIGINT, NULL, &action), 0);
    assert_true(action.sa_handler == before.sa_handler); /* given back */
}

static void loop__keeps_no_descriptor(void **state)
{
    uint32_t before = count_descriptors();
    for (int i = 0; i < 3; i++) {
        scene s;
        scene_init(&s);
        const int number = SIGUSR1;
        assert_int_equal(rv_loop_signals(s.loop, &number, 1, on_signal_note, &s, NULL), RV_OK);
        rv_loop_free(s.loop);
    }
    assert_int_equal(count_descriptors(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timer__calls_come_in_the_order_of_their_times),
        cmocka_unit_test(watch__no_call_comes_after_its_end),
        cmocka_unit_test(watch__what_it_waits_for_can_change),
        cmocka_unit_test(watch__a_hangup_is_told_where_nothing_is_read_and_a_last_word_is_none),
        cmocka_unit_test(watch__regular_file_is_refused),
        cmocka_unit_test(wake__from_another_thread_is_one_turn),
        cmocka_unit_test(signal__of_a_process_is_told_from_a_key),
        cmocka_unit_test(loop__keeps_no_descriptor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
