/* The front of every store: queue, thread, group commit, barriers, results.
 *
 *   caller                          store's thread
 *   submit ──► queue ──────────────► all batches up to the next call: one transaction ──► results ──► eventfd
 *   read   ──► queue (a call) ─────► run between transactions                                         │
 *   dispatch ◄────────────────────────────────────────────────────────────────────────────────────────┘
 *
 * Invariants (numbers in brackets are the contract's, in store.h)
 *  A. The queue is first in, first out, of batches and calls alike: so a read sees every batch before it (8), recover
 *     refuses what was queued before it and flush means all of it.
 *  B. One thread at a time touches the backend and what belongs to it between new and close: whoever has `is_taken`, which
 *     is set and cleared under the lock. It is the store's thread, but for a small batch that comes when nothing is queued
 *     and nothing is at work: the caller writes it at once, which costs less than waking a thread twice. It never syncs
 *     there (8). Without a thread it is always the caller.
 *  C. `is_refusing` is set by the first transaction that does not end well and cleared by recover alone (6).
 *  D. `is_sync_failed` is never cleared (7); it refuses everything, recover too.
 *  E. The results of a transaction are delivered before its sync begins: *written* never waits for *synced*.
 * While a transaction or a sync is in flight further batches gather in the queue and become the next transaction. */
#include "store/backend.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/failpoint.h"

enum {
    TRANSACTION_BATCHES_MAX = 256,
    TRANSACTION_SIZE_MAX = 8 << 20, /* bytes of batches; a larger one goes alone */
    INLINE_SIZE_MAX = 4096, /* bytes of a batch that the caller may write itself */
    SYNC_DELAY_MS = 50,
    QUERY_MS_MAX = 30000,
    QUERY_MEMORY_MAX = 1 << 30,
};

typedef rv_status call_fn(rv_store *store, void *args, rv_error *err);
typedef struct waiting_call {
    rv_item item; /* batch is NULL; first, so that an item is its call */
    call_fn *fn;
    void *args;
    rv_error *err;
    rv_status status;
    bool is_done;
} waiting_call;

struct rv_store {
    const rv_backend *backend;
    void *self;
    bool has_thread, is_pumped, is_read_only;
    uint32_t sync_delay_ms, query_ms_max;
    int64_t query_memory_max;
    int event_fd; /* -1 without a thread */
    uint64_t last_batch; /* highest id submitted; the caller's thread */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t work, done;
    _Atomic uint32_t waiting; /* batches queued, reads under way: what a query makes room for */
    _Atomic bool is_leaving;  /* the caller closes it soon */
    /* under lock */
    rv_item *head, **tail;
    bool is_stopping, is_taken, was_sync_pending, thread_waits;
    bool is_inline;    /* the caller is writing: it need not be told of its own results */
    bool is_signalled; /* event_fd was written, or is about to be */
    RV_VEC(rv_store_result) results;
    uint32_t results_taken;
    /* whoever has is_taken */
    bool is_refusing, is_sync_failed, is_unsynced, is_maintained;
    bool has_left; /* as is_maintained, of what rv_store_leave asked for */
    rv_error failure;
    int64_t sync_due_ms;
    RV_VEC(rv_item *) unsynced; /* pumped: written, and somebody waits for their sync */
};

int64_t rv_store_mono_ms(void) {
    struct timespec now;
    RV_ASSERT(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- results ---- */

/* Deliver one result for each item. */
static void results_add(rv_store *store, rv_item *const *items, uint32_t count, rv_outcome outcome, bool is_notice, const rv_error *err) {
    pthread_mutex_lock(&store->lock);
    for (uint32_t i = 0; i < count; i++) {
        if (is_notice && !items[i]->wants_sync)
            continue;
        rv_store_result *result = rv_vec_add(&store->results);
        result->batch_id = items[i]->batch_id;
        result->user = items[i]->user;
        result->outcome = outcome;
        result->is_synced_notice = is_notice;
        result->rejected_groups = items[i]->rejected_groups;
        if (err)
            result->error = *err;
    }
    bool is_news = store->event_fd >= 0 && !store->is_signalled && !store->is_inline && store->results_taken < store->results.count;
    store->is_signalled |= is_news;
    pthread_mutex_unlock(&store->lock);
    if (is_news) {
        uint64_t one = 1;
        RV_ASSERT(write(store->event_fd, &one, sizeof one) == sizeof one);
    }
}

uint32_t rv_store_dispatch(rv_store *store, rv_store_result *ret_results, uint32_t max) {
    pthread_mutex_lock(&store->lock);
    uint32_t count = RV_MIN(max, store->results.count - store->results_taken);
    if (count)
        memcpy(ret_results, store->results.at + store->results_taken, count * sizeof *ret_results);
    store->results_taken += count;
    bool is_empty = store->results_taken == store->results.count;
    if (is_empty)
        store->results.count = store->results_taken = 0;
    /* Cleared under the lock: a result that comes after is signalled again. The write of a signal that was taken back here may
     * come later still: then a call that finds nothing clears it. */
    uint64_t pending;
    if (is_empty && store->event_fd >= 0 && (store->is_signalled || count == 0)) {
        if (read(store->event_fd, &pending, sizeof pending) < 0)
            RV_ASSERT(errno == EAGAIN);
        store->is_signalled = false;
    }
    pthread_mutex_unlock(&store->lock);
    return count;
}

int rv_store_fd(rv_store *store) { return store->event_fd; }

/* ---- on the store's thread ---- */

static rv_status failed_again(const rv_store *store, rv_error *err) {
    if (err)
        *err = store->failure;
    return store->failure.status;
}

static void sync_failed(rv_store *store, const rv_error *err) {
    store->is_sync_failed = true; /* keeps D */
    store->failure = *err;
    rv_error_context(&store->failure, "data that was written may not survive a power loss; the process must end and start again");
}

static void items_free(rv_item *const *items, uint32_t count);

/* Tell those who waited for a sync that was made later than their batch was written. */
static void notices_add(rv_store *store, const rv_error *err) {
    results_add(store, store->unsynced.at, store->unsynced.count, err ? RV_OUTCOME_FAILED : RV_OUTCOME_DONE, true, err);
    items_free(store->unsynced.at, store->unsynced.count);
    rv_vec_clear(&store->unsynced);
}

static rv_status store_sync(rv_store *store, rv_error *err) {
    if (store->is_sync_failed)
        return failed_again(store, err);
    if (!store->is_unsynced)
        return RV_OK;
    rv_error why = {0};
    RV_FAIL_POINT(STORE_BEFORE_SYNC);
    if (store->backend->sync(store->self, &why)) {
        sync_failed(store, &why);
        notices_add(store, &store->failure);
        return failed_again(store, err);
    }
    RV_FAIL_POINT(STORE_AFTER_SYNC);
    store->is_unsynced = false;
    notices_add(store, NULL);
    return RV_OK;
}

static void store_maintain(rv_store *store, rv_leisure leisure) {
    rv_error why = {0};
    if (!store->is_refusing && !store->is_sync_failed && store->backend->maintain(store->self, leisure, &why)) {
        sync_failed(store, &why);
        notices_add(store, &store->failure);
    }
}

static void items_free(rv_item *const *items, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        rv_batch_free(items[i]->batch);
        rv_free(items[i]);
    }
}

static void transact(rv_store *store, rv_item **items, uint32_t count, bool may_maintain) {
    rv_error why = {0};
    if (store->is_refusing || store->is_sync_failed) {
        results_add(store, items, count, RV_OUTCOME_FAILED, false, &store->failure);
        items_free(items, count);
        return;
    }
    rv_status status = store->backend->transact(store->self, items, count, &why);
    if (status) {
        store->is_refusing = true; /* keeps C */
        store->failure = why;
        results_add(store, items, count, status == RV_UNKNOWN ? RV_OUTCOME_UNKNOWN : RV_OUTCOME_FAILED, false, &why);
        items_free(items, count);
        return;
    }
    if (!store->is_unsynced)
        store->sync_due_ms = store->has_thread ? rv_store_mono_ms() + store->sync_delay_ms : 0;
    store->is_unsynced = true;
    store->is_maintained = false;
    results_add(store, items, count, RV_OUTCOME_DONE, false, NULL); /* keeps E */
    bool wants_sync = false;
    for (uint32_t i = 0; i < count; i++)
        wants_sync |= items[i]->wants_sync;
    if (store->is_pumped) {
        for (uint32_t i = 0; i < count; i++)
            rv_vec_push(&store->unsynced, items[i]);
        count = 0;
    } else if (wants_sync) {
        status = store_sync(store, &why);
        results_add(store, items, count, status ? RV_OUTCOME_FAILED : RV_OUTCOME_DONE, true, status ? &why : NULL);
    }
    items_free(items, count);
    if (may_maintain)
        store_maintain(store, RV_LEISURE_NONE);
}

static void call_perform(rv_store *store, waiting_call *call) {
    rv_status status = call->fn(store, call->args, call->err);
    pthread_mutex_lock(&store->lock);
    call->status = status;
    call->is_done = true;
    pthread_cond_broadcast(&store->done);
    pthread_mutex_unlock(&store->lock);
}

/* The longest run of batches at the front of `list` that fits a transaction, taken off it. */
static uint32_t gather(rv_item **list, rv_item **ret_items) {
    uint32_t count = 0;
    size_t size = 0;
    while (*list && (*list)->batch && count < TRANSACTION_BATCHES_MAX) {
        size += (*list)->batch->bytes.size;
        if (count && size > TRANSACTION_SIZE_MAX)
            break;
        ret_items[count++] = *list;
        *list = (*list)->next;
    }
    return count;
}

static void process(rv_store *store, rv_item *list) {
    rv_item *items[TRANSACTION_BATCHES_MAX];
    while (list) {
        if (!list->batch) {
            waiting_call *next = (waiting_call *)(void *)list;
            list = list->next;
            call_perform(store, next);
            continue;
        }
        uint32_t count = gather(&list, items);
        atomic_fetch_sub(&store->waiting, count);
        transact(store, items, count, true);
    }
}

/* Is there something for the background sync? Not while the store refuses: its connection may be lost, and that is no
 * failure of a disk to sync. What was written before stays unsynced until it has recovered. */
static bool is_sync_pending(const rv_store *store) {
    return store->is_unsynced && !store->is_sync_failed && !store->is_refusing;
}

/* Take the queue; wait for it, or for the time of the background sync. NULL: nothing came. */
static rv_item *queue_take(rv_store *store) {
    pthread_mutex_lock(&store->lock);
    while (store->is_taken || (!store->head && !store->is_stopping)) {
        if (store->is_taken) {
            store->thread_waits = true; /* the caller is writing; it signals when it has done */
            pthread_cond_wait(&store->work, &store->lock);
            store->thread_waits = false;
        } else if (is_sync_pending(store) && !store->is_leaving) {
            struct timespec due = {store->sync_due_ms / 1000, store->sync_due_ms % 1000 * 1000000};
            if (pthread_cond_timedwait(&store->work, &store->lock, &due) == ETIMEDOUT && !store->is_taken)
                break;
        } else if (!store->is_maintained || (store->is_leaving && !store->has_left) || is_sync_pending(store)) {
            break;
        } else {
            pthread_cond_wait(&store->work, &store->lock);
        }
    }
    store->is_taken = true;
    rv_item *list = store->head;
    store->head = NULL;
    store->tail = &store->head;
    pthread_mutex_unlock(&store->lock);
    return list;
}

/* What is to be done between transactions: the background sync when its time has come, then, idle, housekeeping. */
static void background(rv_store *store, bool is_idle) {
    bool is_due = (is_idle && store->is_leaving) || rv_store_mono_ms() >= store->sync_due_ms;
    if (is_sync_pending(store) && is_due && store_sync(store, NULL))
        return;
    if (is_idle && !is_sync_pending(store)) {
        bool is_leaving = store->is_leaving;
        if (!store->is_maintained || is_leaving != store->has_left)
            store_maintain(store, is_leaving ? RV_LEISURE_LEAVING : RV_LEISURE_IDLE);
        store->is_maintained = true;
        store->has_left = is_leaving;
    }
}

static void *store_main(void *user) {
    rv_store *store = user;
    for (;;) {
        rv_item *list = queue_take(store);
        pthread_mutex_lock(&store->lock);
        bool is_last = store->is_stopping && !list;
        pthread_mutex_unlock(&store->lock);
        if (is_last)
            return NULL;
        process(store, list);
        background(store, list == NULL);
        pthread_mutex_lock(&store->lock);
        store->is_taken = false;
        pthread_mutex_unlock(&store->lock);
    }
}

/* ---- on the caller's thread ---- */

/* What is queued, in a store without a thread. */
static void process_queued(rv_store *store) {
    rv_item *list = store->head;
    store->head = NULL;
    store->tail = &store->head;
    process(store, list);
}

bool rv_store_pump(rv_store *store, bool syncs) {
    RV_ASSERT(store->is_pumped);
    if (store->head) {
        process_queued(store);
        return true;
    }
    if (!syncs || !store->is_unsynced || store->is_sync_failed || store->is_refusing)
        return false;
    rv_status status = store_sync(store, NULL);
    if (!status)
        store_maintain(store, RV_LEISURE_IDLE);
    return true;
}

static void queue_add(rv_store *store, rv_item *item) {
    pthread_mutex_lock(&store->lock);
    *store->tail = item;
    store->tail = &item->next;
    pthread_mutex_unlock(&store->lock);
    pthread_cond_signal(&store->work); /* after the unlock: else the woken thread runs into the lock */
}

static rv_status call_run(rv_store *store, call_fn *fn, void *args, rv_error *err) {
    if (!store->has_thread) {
        process_queued(store);
        return fn(store, args, err);
    }
    waiting_call call = {.fn = fn, .args = args, .err = err};
    queue_add(store, &call.item);
    pthread_mutex_lock(&store->lock);
    while (!call.is_done)
        pthread_cond_wait(&store->done, &store->lock);
    pthread_mutex_unlock(&store->lock);
    return call.status;
}

/* Take the backend for the caller, if nothing is queued and nobody has it. */
static bool take(rv_store *store) {
    pthread_mutex_lock(&store->lock);
    bool is_free = !store->is_taken && !store->head && !store->is_stopping;
    if (is_free) {
        store->is_taken = store->is_inline = true;
        store->was_sync_pending = is_sync_pending(store);
    }
    pthread_mutex_unlock(&store->lock);
    return is_free;
}

/* Give it back. The store's thread is woken only when what it waits for has changed: the first write after a sync, or
 * something queued meanwhile. */
static void give(rv_store *store) {
    pthread_mutex_lock(&store->lock);
    store->is_taken = store->is_inline = false;
    bool has_news = store->thread_waits || store->head || is_sync_pending(store) != store->was_sync_pending;
    pthread_mutex_unlock(&store->lock);
    if (has_news)
        pthread_cond_signal(&store->work);
}

void rv_store_submit(rv_store *store, rv_batch *batch, uint64_t batch_id, bool wants_sync, void *user) {
    RV_ASSERT(batch_id > store->last_batch && batch_id <= INT64_MAX);
    store->last_batch = batch_id;
    rv_batch_seal(batch);
    rv_item *item = rv_alloc(sizeof *item);
    *item = (rv_item){.batch = batch, .batch_id = batch_id, .user = user, .wants_sync = wants_sync};
    if (!store->has_thread && !store->is_pumped) {
        transact(store, &item, 1, true);
    } else if (!wants_sync && batch->bytes.size <= INLINE_SIZE_MAX && take(store)) {
        transact(store, &item, 1, false);
        give(store);
    } else {
        atomic_fetch_add(&store->waiting, 1);
        queue_add(store, item);
    }
}

typedef struct flush_args { bool synced; } flush_args;
static rv_status flush_call(rv_store *store, void *args, rv_error *err) {
    if (store->is_refusing || store->is_sync_failed)
        return failed_again(store, err);
    return ((flush_args *)args)->synced ? store_sync(store, err) : RV_OK;
}

rv_status rv_store_flush(rv_store *store, bool synced, rv_error *err) {
    flush_args args = {synced};
    atomic_fetch_add(&store->waiting, 1);
    rv_status status = call_run(store, flush_call, &args, err);
    atomic_fetch_sub(&store->waiting, 1);
    return status;
}

static rv_status recover_call(rv_store *store, void *args, rv_error *err) {
    if (store->is_sync_failed)
        return failed_again(store, err);
    rv_status status = store->backend->recover(store->self, err);
    if (!status && !store->is_read_only)
        store->is_refusing = store->is_maintained = false;
    return status;
}

rv_status rv_store_recover(rv_store *store, rv_error *err) { return call_run(store, recover_call, NULL, err); }

/* ---- reads ---- */

static rv_status read_call(rv_store *store, void *args, rv_error *err) { return store->backend->read(store->self, args); }

static rv_status read_run(rv_store *store, rv_read *read) {
    atomic_fetch_add(&store->waiting, 1);
    rv_status status = call_run(store, read_call, read, read->err);
    atomic_fetch_sub(&store->waiting, 1);
    return status;
}

rv_status rv_store_last_batch(rv_store *store, uint64_t *ret_batch_id, rv_error *err) {
    rv_read read = {.kind = RV_READ_LAST_BATCH, .err = err};
    rv_status status = read_run(store, &read);
    if (!status)
        *ret_batch_id = read.ret_number;
    return status;
}

rv_status rv_store_batch_exists(rv_store *store, uint64_t batch_id, bool *ret, rv_error *err) {
    uint64_t last;
    rv_status status = rv_store_last_batch(store, &last, err);
    if (!status)
        *ret = batch_id <= last;
    return status;
}

/* The same for what costs less than waking a thread twice: by the caller when nothing is queued and nothing at work. */
static rv_status read_quick(rv_store *store, rv_read *read) {
    if (!store->has_thread || !take(store))
        return read_run(store, read);
    rv_status status = store->backend->read(store->self, read);
    give(store);
    return status;
}

rv_status rv_store_meta(rv_store *store, rv_arena *arena, rv_str key, rv_str *ret_value, rv_error *err) {
    rv_read read = {.kind = RV_READ_META, .arena = arena, .key = key, .err = err};
    rv_status status = read_quick(store, &read);
    if (!status)
        *ret_value = read.ret_bytes;
    return status;
}

rv_status rv_store_cache(rv_store *store, rv_arena *arena, rv_str key, rv_cache_row *ret, rv_error *err) {
    RV_ASSERT(key.size == RV_CACHE_KEY_SIZE);
    return read_quick(store, &(rv_read){.kind = RV_READ_CACHE, .arena = arena, .key = key, .ret_row = ret, .err = err});
}

rv_status rv_store_cache_last(rv_store *store, rv_arena *arena, uint64_t owner, rv_cache_row *ret, rv_error *err) {
    return read_quick(store, &(rv_read){.kind = RV_READ_CACHE_LAST, .arena = arena, .after_seq = owner, .ret_row = ret, .err = err});
}

rv_status rv_store_cache_scan(rv_store *store, rv_arena *arena, uint64_t after_id, uint32_t limit, rv_cache_rows *ret_add, rv_error *err) {
    RV_ASSERT(limit >= 1);
    return read_run(store, &(rv_read){.kind = RV_READ_CACHE_SCAN, .arena = arena, .after_seq = after_id, .limit = limit,
                                      .ret_row = ret_add, .err = err});
}

rv_status rv_store_workflow_has(rv_store *store, rv_str workspace, rv_str hash, bool *ret, rv_error *err) {
    rv_read read = {.kind = RV_READ_WORKFLOW_HAS, .key = hash, .workspace = workspace, .err = err};
    rv_status status = read_quick(store, &read);
    if (!status)
        *ret = read.ret_number != 0;
    return status;
}

rv_status rv_store_workflow(rv_store *store, rv_arena *arena, rv_str hash, rv_workflow_row *ret, rv_error *err) {
    return read_run(store, &(rv_read){.kind = RV_READ_WORKFLOW, .arena = arena, .key = hash, .ret_row = ret, .err = err});
}

rv_status rv_store_run(rv_store *store, rv_arena *arena, rv_str id, rv_run_row *ret, rv_error *err) {
    return read_run(store, &(rv_read){.kind = RV_READ_RUN, .arena = arena, .key = id, .ret_row = ret, .err = err});
}

rv_status rv_store_task(rv_store *store, rv_arena *arena, rv_str id, rv_task_row *ret, rv_error *err) {
    return read_run(store, &(rv_read){.kind = RV_READ_TASK, .arena = arena, .key = id, .ret_row = ret, .err = err});
}

rv_status rv_store_runs(rv_store *store, rv_arena *arena, const rv_run_filter *filter, rv_run_rows *ret_add, rv_error *err) {
    return read_run(store, &(rv_read){.kind = RV_READ_RUNS, .arena = arena, .filter = filter, .ret_row = ret_add, .err = err});
}

rv_status rv_store_attempts_open(rv_store *store, rv_arena *arena, rv_str run, rv_attempt_rows *ret_add, rv_error *err) {
    return read_run(store, &(rv_read){.kind = RV_READ_ATTEMPTS_OPEN, .arena = arena, .key = run, .ret_row = ret_add, .err = err});
}

rv_status rv_store_snapshot(rv_store *store, rv_arena *arena, rv_str stream, uint64_t *ret_seq, rv_str *ret_body, rv_error *err) {
    rv_read read = {.kind = RV_READ_SNAPSHOT, .arena = arena, .key = stream, .err = err};
    rv_status status = read_run(store, &read);
    if (!status) {
        *ret_seq = read.ret_number;
        *ret_body = read.ret_bytes;
    }
    return status;
}

rv_status rv_store_journal(rv_store *store, rv_str stream, uint64_t after_seq, rv_journal_fn *row, void *user, rv_error *err) {
    return read_run(
        store, &(rv_read){.kind = RV_READ_JOURNAL, .key = stream, .after_seq = after_seq, .row = row, .user = user, .err = err});
}

static rv_status query_call(rv_store *store, void *args, rv_error *err) { return store->backend->query_step(store->self, args); }

rv_status rv_store_query(rv_store *store, rv_str sql, const rv_str *args, uint32_t arg_count, uint64_t row_max, rv_buf *out,
                         bool *ret_is_cut, rv_error *err) {
    return rv_store_query_until(store, sql, args, arg_count, row_max, NULL, out, ret_is_cut, err);
}

rv_status rv_store_query_until(rv_store *store, rv_str sql, const rv_str *args, uint32_t arg_count, uint64_t row_max,
                               const _Atomic bool *stop, rv_buf *out, bool *ret_is_cut, rv_error *err) {
    if (!store->backend->query_step)
        return rv_error_set(err, RV_UNSUPPORTED, "this store keeps its rows in memory and knows no SQL");
    rv_query query = {.sql = sql, .args = args, .arg_count = arg_count, .row_max = row_max, .out = out, .err = err,
                      .deadline_ms = rv_store_mono_ms() + store->query_ms_max, .memory_max = store->query_memory_max,
                      .waiting = &store->waiting, .stop = stop};
    size_t size = out->size;
    rv_status status = RV_OK;
    while (!status && query.stage != RV_QUERY_READY && query.stage != RV_QUERY_ENDED)
        status = call_run(store, query_call, &query, err);
    if (!status && query.stage == RV_QUERY_READY)
        status = store->backend->query_copy(&query);
    store->backend->query_drop(&query);
    if (status && out->at)
        out->at[out->size = size] = 0;
    else if (!status)
        *ret_is_cut = query.is_cut;
    return status;
}

/* ---- life ---- */

static rv_status thread_start(rv_store *store, rv_error *err) {
    store->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (store->event_fd < 0)
        return rv_error_set(err, RV_STORE_IO, "the store cannot make an eventfd: %s", strerror(errno));
    /* Signals are the main thread's. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&store->thread, NULL, store_main, store);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error)
        return rv_error_set(err, RV_STORE_IO, "the store cannot start its thread: %s", strerror(error));
    return RV_OK;
}

static void store_free(rv_store *store, bool is_clean) {
    store->backend->close(store->self, is_clean);
    if (store->event_fd >= 0)
        close(store->event_fd);
    pthread_mutex_destroy(&store->lock);
    pthread_cond_destroy(&store->work);
    pthread_cond_destroy(&store->done);
    rv_vec_deinit(&store->results);
    items_free(store->unsynced.at, store->unsynced.count);
    rv_vec_deinit(&store->unsynced);
    rv_free(store);
}

rv_status rv_store_new(const rv_backend *backend, void *self, const rv_store_config *config, uint64_t last_batch, rv_store **ret,
                       rv_error *err) {
    rv_store *store = rv_alloc(sizeof *store);
    *store = (rv_store){.backend = backend, .self = self, .has_thread = !config->is_single_threaded && !config->is_pumped,
                        .is_pumped = config->is_pumped, .is_read_only = config->read_only,
                        .sync_delay_ms = config->sync_delay_ms ? config->sync_delay_ms : SYNC_DELAY_MS,
                        .query_ms_max = config->query_ms_max ? config->query_ms_max : QUERY_MS_MAX,
                        .query_memory_max = config->query_memory_max ? (int64_t)config->query_memory_max : QUERY_MEMORY_MAX,
                        .event_fd = -1, .last_batch = last_batch, .is_maintained = true};
    store->tail = &store->head;
    store->is_refusing = config->read_only;
    if (config->read_only)
        rv_error_set(&store->failure, RV_DENIED, "the store was opened for reading only");
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&store->lock, NULL);
    pthread_cond_init(&store->work, &monotonic);
    pthread_cond_init(&store->done, NULL);
    pthread_condattr_destroy(&monotonic);
    rv_status status = store->has_thread ? thread_start(store, err) : RV_OK;
    if (status) {
        store_free(store, true);
        return status;
    }
    *ret = store;
    return RV_OK;
}

void rv_store_leave(rv_store *store) {
    pthread_mutex_lock(&store->lock);
    store->is_leaving = true;
    pthread_mutex_unlock(&store->lock);
    pthread_cond_signal(&store->work);
}

rv_status rv_store_close(rv_store *store, rv_error *err) {
    if (!store)
        return RV_OK;
    if (store->has_thread) {
        pthread_mutex_lock(&store->lock);
        store->is_stopping = true;
        pthread_cond_signal(&store->work);
        pthread_mutex_unlock(&store->lock);
        RV_ASSERT(pthread_join(store->thread, NULL) == 0);
    } else {
        process_queued(store);
    }
    rv_status status = store_sync(store, err);
    store_free(store, !store->is_sync_failed && (!store->is_refusing || store->is_read_only));
    return status;
}
