#include "lib/queries.h"

#include "base/json.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* A question goes from the loop to `asked`, from there to a thread, from there to `answered`, and back to the loop, which
 * an eventfd tells. Each is owned by the place where it is. Threads are made when all there are have something to do. */

typedef struct question {
    struct question *next;
    rv_arena arena; /* what was asked */
    rv_str sql;
    rv_str *args;
    uint32_t arg_count;
    uint64_t row_max;
    rv_buf answer;
    rv_status status;
    rv_error error;
    rv_queries_fn *done;
    void *user;
    _Atomic bool is_over; /* nobody waits for it any more; written under lock */
} question;

typedef struct line { question *head, **tail; } line;

struct rv_queries {
    rv_store *store;
    int event_fd;
    rv_watch *watch;
    pthread_mutex_t lock;
    pthread_cond_t more;
    pthread_t threads[RV_QUERIES_THREADS_MAX];
    uint32_t thread_count; /* the loop's */
    /* under lock */
    line asked, answered;
    uint32_t asked_count, idle_count, running_count;
    question *running[RV_QUERIES_THREADS_MAX];
    bool is_stopping;
};

static void put(line *in, question *q)
{
    q->next = NULL;
    *in->tail = q;
    in->tail = &q->next;
}

static question *take(line *from)
{
    question *q = from->head;
    if (q) from->head = q->next;
    if (!from->head) from->tail = &from->head;
    return q;
}

static void question_free(question *q)
{
    rv_arena_deinit(&q->arena);
    rv_buf_deinit(&q->answer);
    rv_free(q);
}

/* ---- on a thread ---- */

static void find_answer(rv_queries *queries, question *q)
{
    rv_buf lines = {0};
    bool is_cut = false;
    q->status = rv_store_query_until(queries->store, q->sql, q->args, q->arg_count, q->row_max, &q->is_over, &lines, &is_cut, &q->error);
    if (q->status == RV_OK) {
        rv_buf_printf(&q->answer, "{\"v\":1,\"ok\":true,\"cut\":%s,\"lines\":", is_cut ? "true" : "false");
        rv_json_quote(&q->answer, rv_buf_str(&lines));
        rv_buf_cstring(&q->answer, "}\n");
    }
    rv_buf_deinit(&lines);
}

static void *thread_main(void *user)
{
    rv_queries *queries = user;
    pthread_mutex_lock(&queries->lock);
    while (!queries->is_stopping) {
        question *q = take(&queries->asked);
        if (!q) {
            queries->idle_count++;
            pthread_cond_wait(&queries->more, &queries->lock);
            queries->idle_count--;
            continue;
        }
        queries->asked_count--;
        queries->running[queries->running_count++] = q;
        pthread_mutex_unlock(&queries->lock);
        find_answer(queries, q);
        pthread_mutex_lock(&queries->lock);
        for (uint32_t i = 0; i < queries->running_count; i++)
            if (queries->running[i] == q) queries->running[i--] = queries->running[--queries->running_count];
        put(&queries->answered, q);
        (void)eventfd_write(queries->event_fd, 1);
    }
    pthread_mutex_unlock(&queries->lock);
    return NULL;
}

/* ---- on the loop's thread ---- */

static void on_answers(void *user, int events)
{
    rv_queries *queries = user;
    eventfd_t count;
    (void)events;
    (void)eventfd_read(queries->event_fd, &count);
    for (;;) {
        pthread_mutex_lock(&queries->lock);
        question *q = take(&queries->answered);
        pthread_mutex_unlock(&queries->lock);
        if (!q) return;
        q->done(q->user, q->status, rv_buf_str(&q->answer), &q->error);
        question_free(q);
    }
}

/* Signals are the main thread's. */
static int start_thread(rv_queries *queries)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&queries->threads[queries->thread_count], NULL, thread_main, queries);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error == 0) queries->thread_count++;
    return error;
}

void rv_queries_ask(rv_queries *queries, rv_str sql, const rv_str *args, uint32_t arg_count, uint64_t row_max, rv_queries_fn *done,
                    void *user)
{
    question *q = rv_alloc(sizeof *q);
    q->sql = rv_arena_str(&q->arena, sql);
    q->args = rv_arena_new(&q->arena, rv_str, arg_count + 1);
    for (uint32_t i = 0; i < arg_count; i++) q->args[i] = rv_arena_str(&q->arena, args[i]);
    q->arg_count = arg_count;
    q->row_max = row_max;
    q->done = done;
    q->user = user;
    pthread_mutex_lock(&queries->lock);
    bool is_short = queries->asked_count >= queries->idle_count && queries->thread_count < RV_QUERIES_THREADS_MAX;
    pthread_mutex_unlock(&queries->lock);
    int error = is_short ? start_thread(queries) : 0;
    pthread_mutex_lock(&queries->lock);
    if (queries->thread_count) {
        put(&queries->asked, q);
        queries->asked_count++;
    } else {
        q->status = rv_error_set(&q->error, RV_UNAVAILABLE, "no thread can be started for the query: %s", strerror(error));
        put(&queries->answered, q);
        (void)eventfd_write(queries->event_fd, 1);
    }
    pthread_cond_signal(&queries->more);
    pthread_mutex_unlock(&queries->lock);
}

void rv_queries_forget(rv_queries *queries, const void *user)
{
    pthread_mutex_lock(&queries->lock);
    for (question *q = queries->asked.head; q; q = q->next) if (q->user == user) q->is_over = true;
    for (uint32_t i = 0; i < queries->running_count; i++) if (queries->running[i]->user == user) queries->running[i]->is_over = true;
    pthread_mutex_unlock(&queries->lock);
}

/* ---- life ---- */

rv_status rv_queries_open(rv_loop *loop, rv_store *store, rv_queries **ret, rv_error *err)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0) return rv_error_set(err, RV_IO, "cannot make an eventfd: %s", strerror(errno));
    rv_queries *queries = rv_alloc(sizeof *queries);
    queries->store = store;
    queries->event_fd = fd;
    queries->asked.tail = &queries->asked.head;
    queries->answered.tail = &queries->answered.head;
    pthread_mutex_init(&queries->lock, NULL);
    pthread_cond_init(&queries->more, NULL);
    rv_status status = rv_watch_start(loop, fd, RV_LOOP_READ, on_answers, queries, &queries->watch, err);
    if (status == RV_OK) *ret = queries;
    else rv_queries_close(queries);
    return status;
}

void rv_queries_close(rv_queries *queries)
{
    question *q;
    if (!queries) return;
    pthread_mutex_lock(&queries->lock);
    queries->is_stopping = true;
    for (uint32_t i = 0; i < queries->running_count; i++) queries->running[i]->is_over = true;
    pthread_cond_broadcast(&queries->more);
    pthread_mutex_unlock(&queries->lock);
    for (uint32_t i = 0; i < queries->thread_count; i++) pthread_join(queries->threads[i], NULL);
    while ((q = take(&queries->asked))) question_free(q);
    while ((q = take(&queries->answered))) question_free(q);
    rv_watch_end(queries->watch);
    close(queries->event_fd);
    pthread_cond_destroy(&queries->more);
    pthread_mutex_destroy(&queries->lock);
    rv_free(queries);
}
