#include "cli/out.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "cli/ui.h"

#define WRITE_SIZE_MAX (64u * 1024) /* so that what waits is known while a large piece is written */

/* Static: a thread that is left behind in its write still refers to it. */
static struct out {
    bool is_open, is_ending;   /* is_ending: under lock */
    bool is_direct;            /* what never waits for a reader is written at once, without the thread */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t has_more;
    rv_buf pending;            /* under lock: what the thread has not taken yet */
    atomic_size_t waiting;
    atomic_bool is_awaited;    /* rv_out_drain wants to hear of it */
    atomic_int error;
    int event_fd;              /* nothing waits any more and that is awaited, or a write failed */
    rv_watch *watch;
    rv_loop_fn *failed;
    void *user;
} out = {.lock = PTHREAD_MUTEX_INITIALIZER, .has_more = PTHREAD_COND_INITIALIZER, .event_fd = -1};

/* Bytes written, or -errno. Waits where the descriptor is one that does not. */
RV_START static ssize_t write_some(rv_str text)
{
    for (;;) {
        ssize_t written = write(STDOUT_FILENO, text.at, RV_MIN(text.size, (size_t)WRITE_SIZE_MAX));
        if (written >= 0) return written;
        if (errno == EAGAIN) poll(&(struct pollfd){.fd = STDOUT_FILENO, .events = POLLOUT}, 1, -1);
        else if (errno != EINTR) return -errno;
    }
}

/* ---- the thread ---- */

/* All of `text`; false: a write failed. */
static bool write_all(rv_str text)
{
    while (text.size > 0) {
        ssize_t written = write_some(text);
        if (written < 0) {
            atomic_store(&out.error, (int)-written);
            return false;
        }
        text = rv_str_from(text, (size_t)written);
        atomic_fetch_sub(&out.waiting, (size_t)written);
    }
    return true;
}

static void *write_on(void *user)
{
    rv_buf taken = {0};
    bool is_ending = false;
    for (bool is_sound = true; is_sound && !is_ending;) {
        pthread_mutex_lock(&out.lock);
        while (out.pending.size == 0 && !out.is_ending) pthread_cond_wait(&out.has_more, &out.lock);
        is_ending = out.is_ending;
        rv_buf empty = taken;
        taken = out.pending;
        out.pending = empty;
        pthread_mutex_unlock(&out.lock);
        is_sound = write_all(rv_buf_str(&taken));
        rv_buf_clear(&taken);
        /* The loop is woken for what it waits for alone: two wake-ups a line would cost short nodes more than the line does. */
        if (!is_sound || (atomic_load(&out.is_awaited) && rv_out_waiting() == 0)) eventfd_write(out.event_fd, 1);
    }
    rv_buf_deinit(&taken);
    return user;
}

/* A file, or /dev/null. */
static bool never_waits(int fd)
{
    struct stat info;
    if (fstat(fd, &info) != 0) return false;
    return S_ISREG(info.st_mode) || (S_ISCHR(info.st_mode) && info.st_rdev == makedev(1, 3));
}

static rv_status start_thread(rv_error *err)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the loop's */
    int error = pthread_create(&out.thread, NULL, write_on, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error ? rv_error_set(err, RV_IO, "no thread for standard output: %s", strerror(error)) : RV_OK;
}

/* ---- the loop's side ---- */

static void on_event(void *user, int events)
{
    eventfd_t count;
    eventfd_read(out.event_fd, &count);
    rv_loop_fn *failed = out.failed;
    if (!rv_out_error() || !failed) return;
    out.failed = NULL;
    failed(out.user);
}

rv_status rv_out_begin(rv_loop *loop, rv_loop_fn *failed, void *user, rv_error *err)
{
    RV_ASSERT(!out.is_open);
    out.failed = failed;
    out.user = user;
    out.event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (out.event_fd < 0) return rv_error_set(err, RV_IO, "no descriptor for standard output: %s", strerror(errno));
    rv_status status = rv_watch_start(loop, out.event_fd, RV_LOOP_READ, on_event, NULL, &out.watch, err);
    out.is_direct = never_waits(STDOUT_FILENO);
    if (status == RV_OK && !out.is_direct) status = start_thread(err);
    out.is_open = status == RV_OK;
    if (out.is_open) return RV_OK;
    rv_watch_end(out.watch);
    close(out.event_fd);
    return status;
}

size_t rv_out_waiting(void) { return rv_out_error() ? 0 : atomic_load(&out.waiting); }
int rv_out_error(void) { return atomic_load(&out.error); }
const char *rv_out_error_text(int error) { return error == EBADF ? "it is closed" : strerror(error); }

void rv_out_drain(rv_loop *loop, const int *is_given_up)
{
    atomic_store(&out.is_awaited, true); /* then look: either the thread sees it, or nothing waits here */
    while (out.is_open && rv_out_waiting() > 0 && !*is_given_up) rv_loop_step(loop, -1);
    atomic_store(&out.is_awaited, false);
}

void rv_out_end(void)
{
    if (!out.is_open) return;
    out.is_open = false;
    rv_watch_end(out.watch);
    if (out.is_direct) {
        close(out.event_fd);
        return;
    }
    if (rv_out_waiting() > 0) { /* it may be held in its write for as long as the reader likes */
        pthread_detach(out.thread);
        return;
    }
    pthread_mutex_lock(&out.lock);
    out.is_ending = true;
    pthread_cond_signal(&out.has_more);
    pthread_mutex_unlock(&out.lock);
    pthread_join(out.thread, NULL);
    close(out.event_fd);
    rv_buf_deinit(&out.pending);
}

static void add(rv_str text)
{
    if (text.size == 0 || rv_out_error()) return;
    if (out.is_direct) {
        atomic_fetch_add(&out.waiting, text.size);
        if (!write_all(text)) eventfd_write(out.event_fd, 1);
        return;
    }
    pthread_mutex_lock(&out.lock);
    atomic_fetch_add(&out.waiting, text.size);
    rv_buf_str_add(&out.pending, text);
    pthread_cond_signal(&out.has_more);
    pthread_mutex_unlock(&out.lock);
}

RV_START void rv_ui_out(rv_str text)
{
    if (out.is_open) {
        add(text);
        return;
    }
    while (text.size > 0) {
        ssize_t written = write_some(text);
        if (written == -EPIPE) exit(128 + SIGPIPE);
        if (written < 0) {
            fprintf(stderr, "reeve: standard output cannot be written: %s\n", rv_out_error_text((int)-written));
            exit(rv_status_exit(RV_IO));
        }
        text = rv_str_from(text, (size_t)written);
    }
}
