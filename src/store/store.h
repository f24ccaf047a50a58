/* store.h: the durability contract. Backends: sqlite (store/sqlite.c), memory (store/memory.c).
 *
 *  (1) One writer. A store is open in one process at a time; its owner holds the store's owner lock.
 *  (2) The only write is a batch: an ordered list of typed writes, applied in one transaction.
 *  (3) A write may carry a precondition. One that fails rejects its group as a whole, before anything of the group is
 *      applied, and no other group of the batch: that batch is DONE, and its result says which groups were rejected.
 *      A precondition sees what earlier batches, earlier groups and earlier writes of its own group leave.
 *  (4) Barrier *written*: the batch survives the death of every process. Barrier *synced*: it survives power
 *      loss. Batches are written in the order of submission, and a synced batch implies all before it.
 *  (5) Three outcomes: DONE, FAILED (nothing of it happened), UNKNOWN (read back by rv_store_batch_exists
 *      before anything else is done).
 *  (6) After FAILED or UNKNOWN the store refuses further batches (they come back FAILED) until rv_store_recover.
 *  (7) A sync that fails is never retried: every wait for it comes back with the error and the process must end.
 *  (8) submit never waits for a sync: a batch goes to the store's thread, or, when it is small and nothing is at work, into
 *      the log at once. Results are delivered by rv_store_dispatch on the caller's thread, in order, each exactly once.
 *      Reads block, see every batch submitted before them, and never see part of one.
 *  (9) Numbers that identify (seq, epoch) are 64 bits or less and are stored exactly; bytes are stored as bytes. */
#ifndef RV_STORE_H
#define RV_STORE_H

#include "kernel/event.h"
#include "kernel/model.h"
#include <stdatomic.h>

typedef struct rv_store rv_store;

#define RV_STORE_NODE_INDEX_MAX (1u << 20) /* node indices are below it: RV_NODES_MAX and room for the handlers */

typedef enum rv_outcome { RV_OUTCOME_DONE, RV_OUTCOME_FAILED, RV_OUTCOME_UNKNOWN } rv_outcome;

/* ---- batches: built by the engine, taken by submit; strings are copied into the batch ---- */
typedef struct rv_batch rv_batch;

#define RV_WRITE_MAP(X)                                                                        \
    X(APPEND, "append")       /* journal row; precondition: first_seq follows the stream's last */ \
    X(WORKFLOW, "workflow")   /* insert when absent */                                         \
    X(TASK, "task")           /* upsert; precondition: stored version == version - 1 */        \
    X(RUN, "run")             /* upsert */                                                     \
    X(RUN_NEW, "run_new")     /* insert; precondition: no run with this id */                  \
    X(NODE, "node")           /* upsert by (run, index) */                                     \
    X(ATTEMPT, "attempt")     /* upsert by (run, node_index, epoch) */                         \
    X(ARTIFACT, "artifact")   /* upsert by (run, node, name) */                                \
    X(BLOCKER, "blocker")     /* upsert by (run, key) */                                       \
    X(SNAPSHOT, "snapshot")   /* state of a stream at a seq */                                 \
    X(META, "meta")           /* upsert key → value */                                        \
    X(CACHE, "cache")         /* insert under a new id; an entry of the same key goes */       \
    X(CACHE_DROP, "cache_drop") /* delete where key and id are these; else nothing */

/* An empty batch; submit takes it, else free it (NULL is legal). Whatever is added later asserts that it was not submitted. */
rv_batch *rv_batch_new(size_t size_hint); /* bytes that it will have, about; 0: not known */
void rv_batch_free(rv_batch *batch);
size_t rv_batch_size(const rv_batch *batch);   /* bytes held */
uint32_t rv_batch_count(const rv_batch *batch); /* writes */
/* Start a group: the writes after it stand or fall together when a precondition fails. A batch begins in group 0.
 * Returns the group's number, at most 63; rv_store_result says which groups were rejected. */
uint32_t rv_batch_group(rv_batch *batch);
/* One journal row of `stream` ("run/ID"): events [first_seq..first_seq+event_count) packed in `body`, at `now`. The store
 * adds the checksum: rv_hash64 over (version, first_seq, event_count, now), then stream, then body, each seeded with the
 * one before, the first with the checksum of the stream's row before (0 for its first row). */
void rv_batch_append(rv_batch *batch, rv_str stream, uint64_t first_seq, uint32_t event_count, rv_now now, rv_str body);
void rv_batch_workflow(rv_batch *batch, const rv_workflow_row *row);
void rv_batch_task(rv_batch *batch, const rv_task_row *row);
void rv_batch_run(rv_batch *batch, const rv_run_row *row);
void rv_batch_run_new(rv_batch *batch, const rv_run_row *row);
void rv_batch_node(rv_batch *batch, const rv_node_row *row);
void rv_batch_attempt(rv_batch *batch, const rv_attempt_row *row);
void rv_batch_artifact(rv_batch *batch, const rv_artifact_row *row);
void rv_batch_blocker(rv_batch *batch, const rv_blocker_row *row);
void rv_batch_snapshot(rv_batch *batch, rv_str stream, uint64_t seq, rv_str body);
void rv_batch_meta(rv_batch *batch, rv_str key, rv_str value);
void rv_batch_cache(rv_batch *batch, const rv_cache_row *row); /* its id is 0, its key of 32 bytes */
/* Drop the entry of this id, if it still has this key. */
void rv_batch_cache_drop(rv_batch *batch, uint64_t id, rv_str key);

/* ---- writing ---- */
typedef struct rv_store_result {
    uint64_t batch_id;         /* as given to submit */
    void *user;                /* as given to submit */
    rv_outcome outcome;
    bool is_synced_notice;     /* false: the batch is written (or not); true: it is now synced (or the sync failed) */
    uint64_t rejected_groups;  /* bit g: group g (0..63) failed its precondition */
    rv_error error;            /* for FAILED and UNKNOWN */
} rv_store_result;

/* Queue `batch` (taken). batch_id: strictly increasing (also over those that failed, and over those stored already:
 * rv_store_last_batch), 1 to INT64_MAX, the caller's; the store records it in the transaction.
 * wants_sync: if it is written, a second result with is_synced_notice comes when it is synced. Others are synced in the
 * background, grouped, at most sync_delay_ms after they were written. Never blocks on the disk. An empty batch is legal.
 * submit and dispatch are one thread's; reads, queries, flush and recover may be called from any thread. */
void rv_store_submit(rv_store *store, rv_batch *batch, uint64_t batch_id, bool wants_sync, void *user);
/* A descriptor that polls readable while results wait; -1: results are there as soon as submit, or pump, returns. Submit may write
 * a small batch itself: that result is there when it returns, and does not make the descriptor readable. So dispatch after a submit. */
int rv_store_fd(rv_store *store);
/* Take up to `max` results. Does not block. */
uint32_t rv_store_dispatch(rv_store *store, rv_store_result *ret_results, uint32_t max);
/* Of a store that is pumped: what its thread would do next. A transaction of the batches that are queued; if there are none and `syncs`,
 * one sync, with its notices. false: there was nothing to do. In between the owner sees each state that a thread leaves behind:
 * submitted, written, synced. Reads, flush, recover and close do what is queued first, as ever. */
bool rv_store_pump(rv_store *store, bool syncs);
/* Block until every batch submitted so far is written and, if `synced`, synced. The results still come by dispatch. */
RV_MUST_USE rv_status rv_store_flush(rv_store *store, bool synced, rv_error *err);
/* After FAILED or UNKNOWN: what is still queued comes back FAILED; the connection is made anew and, if it can be read,
 * the store takes batches again. Any failure: it still refuses; call again when the cause is gone. After a failed sync it
 * always fails (7). With nothing failed it is harmless. */
RV_MUST_USE rv_status rv_store_recover(rv_store *store, rv_error *err);

/* ---- reading: each blocks; strings live in `arena` ---- */
/* Was this batch written? The store keeps the last id alone: ids rise and are written in order, so all up to it were
 * written, but for those that came back FAILED. So ask about an UNKNOWN one before the next submit. */
RV_MUST_USE rv_status rv_store_batch_exists(rv_store *store, uint64_t batch_id, bool *ret, rv_error *err);
RV_MUST_USE rv_status rv_store_last_batch(rv_store *store, uint64_t *ret_batch_id, rv_error *err); /* 0: none */
RV_MUST_USE rv_status rv_store_meta(rv_store *store, rv_arena *arena, rv_str key, rv_str *ret_value, rv_error *err); /* NOT_FOUND */
/* Whether a workflow's row is there, without its body. A batch that waits does not count. */
RV_MUST_USE rv_status rv_store_workflow_has(rv_store *store, rv_str workspace, rv_str hash, bool *ret, rv_error *err);
RV_MUST_USE rv_status rv_store_workflow(rv_store *store, rv_arena *arena, rv_str hash, rv_workflow_row *ret, rv_error *err);
RV_MUST_USE rv_status rv_store_run(rv_store *store, rv_arena *arena, rv_str id, rv_run_row *ret, rv_error *err);
RV_MUST_USE rv_status rv_store_task(rv_store *store, rv_arena *arena, rv_str id, rv_task_row *ret, rv_error *err);
/* Runs, newest first (by when they were first stored; a run's row is written before, or with, the first row that names
 * it). limit 0: all. file: only runs of this file (empty: all); unfinished: only those not in a terminal state. */
typedef struct rv_run_filter { rv_str file, name, workflow_hash, budget_group; bool unfinished; uint32_t limit; } rv_run_filter;
typedef RV_VEC(rv_run_row) rv_run_rows;
RV_MUST_USE rv_status rv_store_runs(rv_store *store, rv_arena *arena, const rv_run_filter *filter, rv_run_rows *ret_add, rv_error *err);
typedef RV_VEC(rv_attempt_row) rv_attempt_rows;
/* Attempts of `run` that are not in a terminal state, by node index and epoch: what recovery must look for. */
RV_MUST_USE rv_status rv_store_attempts_open(rv_store *store, rv_arena *arena, rv_str run, rv_attempt_rows *ret_add, rv_error *err);
/* The cache's entry under a key of 32 bytes, without made_of; NOT_FOUND. When nothing is at work in the store the caller's thread reads
 * it: a few microseconds. */
RV_MUST_USE rv_status rv_store_cache(rv_store *store, rv_arena *arena, rv_str key, rv_cache_row *ret, rv_error *err);
/* The latest entry of an owner, with made_of; NOT_FOUND. */
RV_MUST_USE rv_status rv_store_cache_last(rv_store *store, rv_arena *arena, uint64_t owner, rv_cache_row *ret, rv_error *err);
typedef RV_VEC(rv_cache_row) rv_cache_rows;
/* At most `limit` (≥ 1) entries with an id above after_id, in its order, without made_of. */
RV_MUST_USE rv_status rv_store_cache_scan(rv_store *store, rv_arena *arena, uint64_t after_id, uint32_t limit, rv_cache_rows *ret_add,
                                          rv_error *err);
/* Latest snapshot of `stream`, NOT_FOUND if none. */
RV_MUST_USE rv_status rv_store_snapshot(rv_store *store, rv_arena *arena, rv_str stream, uint64_t *ret_seq, rv_str *ret_body,
                                        rv_error *err);
typedef struct rv_journal_row {
    uint64_t first_seq;
    uint32_t event_count, version;
    rv_now now;
    rv_str body;
    uint64_t checksum;
} rv_journal_row;
/* Call `row` for each journal row of `stream` with last seq > after_seq, in order, checksums verified against the
 * chain (RV_CORRUPT names stream and seq). Stops early when `row` returns other than RV_OK, and returns that. The
 * callback runs on the store's thread while the caller waits, and must not call the store; the row's body is its own until
 * it returns. An unknown stream has no rows. */
typedef rv_status rv_journal_fn(void *user, const rv_journal_row *row);
RV_MUST_USE rv_status rv_store_journal(rv_store *store, rv_str stream, uint64_t after_seq, rv_journal_fn *row, void *user, rv_error *err);

/* ---- SQL over the documented schema (docs/schema.md), read only. Memory backend: RV_UNSUPPORTED ----
 * `args` are bound to ?1.. as text; there must be one for each parameter. Rows come as JSON lines into `out`: first an
 * array of column names, then an array a row; blobs as {"base64":"…"}. Cut after row_max rows with *ret_is_cut set (0: no
 * limit), and at 256 MiB of whole rows. On failure `out` is as it was. A query sees one moment of the store. One that is slow while
 * batches wait does not hold them up: it begins again on a copy in memory, on the caller's thread.
 * DENIED: a writing statement, ATTACH, PRAGMA (but those that tell of tables and indexes), functions with side effects.
 * INVALID: not SQL, no statement, several statements, another number of arguments. TIMEOUT: it took over query_ms_max.
 * LIMIT: a value over 64 MiB, a first row over 256 MiB, or over 1 GiB of memory for what the query keeps at once.
 * UNAVAILABLE: slow, and the store is too busy and too large (512 MiB) to be copied. STORE_IO, CORRUPT: cannot be read. */
RV_MUST_USE rv_status rv_store_query(rv_store *store, rv_str sql, const rv_str *args, uint32_t arg_count,
                                     uint64_t row_max, rv_buf *out, bool *ret_is_cut, rv_error *err);
/* The same, ended with UNAVAILABLE soon after another thread has set *stop (NULL: nobody does). */
RV_MUST_USE rv_status rv_store_query_until(rv_store *store, rv_str sql, const rv_str *args, uint32_t arg_count, uint64_t row_max,
                                           const _Atomic bool *stop, rv_buf *out, bool *ret_is_cut, rv_error *err);

/* ---- life ---- */
typedef struct rv_store_config {
    const char *path;        /* directory of the store; the database is PATH/reeve.db. Made (0700) when absent */
    uint32_t sync_delay_ms;  /* background sync at most this long after a write; 50 by default (0 → 50) */
    bool read_only;          /* never migrate, never write; submit comes back FAILED */
    const char *vfs;         /* SQLite VFS name for fault injection; NULL: the system's */
    bool is_single_threaded; /* no thread of its own: submit does the work at once (simulator); no background sync: what
                                was not wanted synced is synced by the next that is, by flush or by close */
    bool is_pumped;          /* no thread of its own either, but submit only queues: rv_store_pump does the work (simulator) */
    uint32_t query_ms_max;   /* a query that takes longer is ended; 0 → 30 s */
    uint64_t query_memory_max; /* bytes; a query that keeps more at once is ended (LIMIT); 0 → 1 GiB */
    uint64_t wal_size_max;   /* bytes; past it the write-ahead log is checkpointed also while batches wait; 0 → 16 MiB */
} rv_store_config;
/* Open, making or migrating the schema (each migration checked by its checksum).
 * STORE_IO, STORE_FULL: cannot be opened, err says path and cure; CORRUPT: not a Reeve store or damaged; UNSUPPORTED:
 * made by a newer version (or, read-only, by an older one); CONFLICT: another process has it open; NOT_FOUND: read-only,
 * and there is none. The caller already holds the owner lock. One store of a path at a time in a process (asserted). */
RV_MUST_USE rv_status rv_store_open_sqlite(const rv_store_config *config, rv_store **ret, rv_error *err);
RV_MUST_USE rv_status rv_store_open_memory(rv_store **ret, rv_error *err);
/* Say that a close comes soon, so that the store's thread begins with what it does (sync what is written, empty the log) while the caller
 * puts other things away. Changes nothing that a caller sees: the store goes on to take batches. Nothing to do without a thread. */
void rv_store_leave(rv_store *store);
/* Write and sync what is queued, then close. NULL is legal. Undelivered results are lost. The store is gone also when an
 * error is returned: that of a sync, after which the last batches may not survive a power loss. */
rv_status rv_store_close(rv_store *store, rv_error *err);

#endif
