/* backend.h: what a backend does for the front (private to src/store).
 *
 * The front (store.c) owns the queue, the thread, the results and the rules (4)–(8); a backend is a blocking object
 * that one thread at a time uses: it applies batches in a transaction, syncs, reads. */
#ifndef RV_STORE_BACKEND_H
#define RV_STORE_BACKEND_H

#include "store/batch.h"
#include <stdatomic.h>

/* A batch in the queue. The front frees it. */
typedef struct rv_item {
    struct rv_item *next;
    rv_batch *batch; /* NULL: a call (store.c) */
    uint64_t batch_id;
    void *user;
    uint64_t rejected_groups; /* written by transact */
    bool wants_sync;
} rv_item;

typedef enum rv_read_kind {
    RV_READ_LAST_BATCH, RV_READ_META, RV_READ_WORKFLOW, RV_READ_WORKFLOW_HAS, RV_READ_RUN, RV_READ_TASK, RV_READ_RUNS,
    RV_READ_ATTEMPTS_OPEN, RV_READ_SNAPSHOT, RV_READ_JOURNAL, RV_READ_CACHE, RV_READ_CACHE_LAST, RV_READ_CACHE_SCAN,
} rv_read_kind;

/* One read: what is asked and where the answer goes; kinds use the fields that they need. */
typedef struct rv_read {
    rv_read_kind kind;
    rv_arena *arena;
    rv_str key;                  /* meta key, hash, id, run, stream */
    rv_str workspace;            /* WORKFLOW_HAS */
    const rv_run_filter *filter; /* RUNS */
    uint64_t after_seq;          /* JOURNAL; CACHE_SCAN: id; CACHE_LAST: the owner */
    uint32_t limit;              /* CACHE_SCAN */
    rv_journal_fn *row;          /* JOURNAL */
    void *user;
    void *ret_row;               /* WORKFLOW, RUN, TASK, CACHE, CACHE_LAST: the row; RUNS, ATTEMPTS_OPEN, CACHE_SCAN: the vec */
    uint64_t ret_number;         /* LAST_BATCH, SNAPSHOT; WORKFLOW_HAS: 1 or 0 */
    rv_str ret_bytes;            /* META, SNAPSHOT */
    rv_error *err;
} rv_read;

/* A query, in steps. DIRECT runs it on the store's connection for as long as no batch waits; when one does it is given up
 * and the database is copied into memory, a slice at a time; READY runs it on that copy, on the caller's thread. So a
 * query sees one moment, and never holds up a commit. */
typedef enum rv_query_stage { RV_QUERY_DIRECT, RV_QUERY_COPYING, RV_QUERY_READY, RV_QUERY_ENDED } rv_query_stage;
typedef struct rv_query {
    rv_str sql;
    const rv_str *args;
    uint32_t arg_count;
    uint64_t row_max;
    rv_buf *out;
    bool is_cut;
    rv_error *err;
    int64_t deadline_ms;                /* monotonic; past it RV_TIMEOUT */
    int64_t memory_max;                 /* bytes that it may keep at once; past it RV_LIMIT */
    const _Atomic uint32_t *waiting;    /* batches and reads that wait */
    const _Atomic bool *stop;           /* once set: end with RV_UNAVAILABLE; NULL: never */
    rv_query_stage stage;
    void *copy;                         /* the backend's */
} rv_query;

typedef enum rv_leisure {
    RV_LEISURE_NONE,    /* after a transaction: more may wait */
    RV_LEISURE_IDLE,    /* nothing waits */
    RV_LEISURE_LEAVING, /* and nothing is expected: what a close would do may be done now */
} rv_leisure;

typedef struct rv_backend {
    /* Apply `count` batches in their order in one transaction; each one's rejected_groups is set.
     * RV_OK: written. RV_UNKNOWN: it may be written or not. Any other: nothing of it is. */
    rv_status (*transact)(void *self, rv_item **items, uint32_t count, rv_error *err);
    /* Make what is written survive power loss. Once it failed it is never called again. */
    rv_status (*sync)(void *self, rv_error *err);
    /* Housekeeping. An error is one of syncing. */
    rv_status (*maintain)(void *self, rv_leisure leisure, rv_error *err);
    rv_status (*recover)(void *self, rv_error *err);
    rv_status (*read)(void *self, rv_read *read);
    /* One stage, or one slice of COPYING; sets query->stage. NULL: no queries. */
    rv_status (*query_step)(void *self, rv_query *query);
    rv_status (*query_copy)(rv_query *query); /* READY, any thread; releases the copy */
    void (*query_drop)(rv_query *query);      /* releases the copy, if any */
    /* is_clean: nothing failed; else the files are left as they are. */
    void (*close)(void *self, bool is_clean);
} rv_backend;

/* Monotonic milliseconds, for the times of syncs and queries. Never stored. */
int64_t rv_store_mono_ms(void);

/* Make a store around `self` (taken, also on failure: closed then). Of `config`: is_single_threaded, read_only and times. */
RV_MUST_USE rv_status rv_store_new(const rv_backend *backend, void *self, const rv_store_config *config, uint64_t last_batch,
                                   rv_store **ret, rv_error *err);

#endif
