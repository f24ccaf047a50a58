/* cache.h: work that was done before is not done again [C1–C17]. docs/cache.md tells the formats.
 *
 * An engine has one cache, opened with the first cached node; each of its runs a part in it. For a cached node that has its slots:
 *
 *     rv_cache_try ── hit ──► the CACHED event (nothing ran: no attempt, no epoch)
 *          └── miss ──► mutexes, start … ── success ──► rv_cache_keep ──► rv_cache_collect (with the batch of its outcome)
 *                                       └─ anything else ──► rv_cache_forget
 *
 *  (1) What cannot be used is a miss with a reason, never an error [C11]. What cannot be stored is said and changes nothing else.
 *  (2) A hit is observably equal to a run: files, modes, output in the log and to who watches, result, artifacts [C12].
 *  (3) Keys do not know names of nodes or runs: equal work shares an entry.
 *  (4) Nothing of a secret enters a key or an entry: texts are masked before.
 *
 * The loop's thread; blocks on the disk for as long as files that have changed are read. */
#ifndef RV_CACHE_H
#define RV_CACHE_H

#include "blob/tree.h"
#include "engine/describe.h"
#include "store/store.h"

/* ---- how a lookup ended ---- */
#define RV_CACHE_REASON_MAP(X) /* name, text */           \
    X(HIT, "hit")                                         \
    X(NO_ENTRY, "no_entry")                               \
    X(SCHEMA_MISMATCH, "schema_mismatch") /* another revision or hash of the format */ \
    X(CORRUPT, "corrupt")                 /* the entry, or a blob of it, is damaged or gone */ \
    X(NO_KEY, "no_key")                   /* a value or an input cannot be read: it is not stored either */ \
    X(NOT_RESTORED, "not_restored")       /* an output's place cannot be written */
#define X(name_, text_) RV_CACHE_##name_,
typedef enum rv_cache_reason { RV_CACHE_REASON_MAP(X) RV_CACHE_REASON_COUNT } rv_cache_reason;
#undef X
const char *rv_cache_reason_name(rv_cache_reason reason);

/* What the event of a hit needs. Texts live until the next call into the cache. */
typedef struct rv_cache_hit {
    char key[RV_DIGEST_TEXT_SIZE + 1]; /* "sha256:…" */
    int32_t exit_status;
    rv_str result;             /* JSON; size 0: none */
    rv_str output;             /* stdout without newlines at its end; only where an expression reads it */
    int64_t saved_ms;          /* how long it took when it was run */
    const rv_tree_file *files; uint32_t file_count; /* its outputs */
} rv_cache_hit;

struct rv_job;
/* Look `node` (READY) up. HIT: its files are in place, its output is logged and shown, and *ret is written; step the event, rows follow
 * with the next batch (rv_cache_collect). Else: run it; what NO_KEY and NOT_RESTORED mean is in err. A node that is not cached is NO_KEY
 * with an empty err. May be called again for the same node. */
rv_cache_reason rv_cache_try(struct rv_job *job, uint32_t node, rv_cache_hit *ret, rv_error *err);
/* A run begins: what is remembered of its cached nodes is looked at from now on, so that they find it looked at. Others: nothing. */
void rv_cache_begin(struct rv_job *job);
/* A miss will not be kept after all: it failed, was cancelled, is given back. Nothing for others. */
void rv_cache_forget(struct rv_job *job, uint32_t node);
struct rv_attempt;
/* An attempt ended: whether it was good or not, take note of what it gave, since the keys of those that need it depend on it. Of a cached
 * node that was good: check that its inputs are as they were [C4], take its outputs; its entry goes with the next batch. What prevents
 * that is told to who watches, and the attempt stays good. After its log has ended and its result was collected. */
void rv_cache_keep(struct rv_attempt *attempt, bool is_good);
/* In a run whose files are kept in mind (trespass.h): tell what a good attempt made. */
void rv_cache_tell_outputs(struct rv_attempt *attempt);
/* Rows of a node that has settled: its new entry, or the artifacts of its hit. Once; nothing for others. */
void rv_cache_collect(struct rv_job *job, uint32_t node, rv_batch *batch);
/* Of a node that the cache settled in this turn: where its output ends in the log, and its result (JSON). Of others both stay as they
 * are. */
void rv_cache_shown(struct rv_job *job, uint32_t node, uint64_t *ret_log_last, rv_str *ret_result);
void rv_cache_job_free(struct rv_job *job);

/* ---- the cache of a store ---- */
typedef struct rv_cache rv_cache;
/* Where entries come from when another process owns the store. As rv_store_cache and rv_store_cache_last. */
typedef struct rv_cache_source {
    rv_status (*by_key)(void *user, rv_arena *arena, rv_str key, rv_cache_row *ret, rv_error *err);
    rv_status (*by_owner)(void *user, rv_arena *arena, uint64_t owner, rv_cache_row *ret, rv_error *err);
    void *user;
} rv_cache_source;
typedef struct rv_cache_config {
    const char *root;          /* absolute directory of the store */
    rv_store *store;
    rv_blobs *blobs;
    const char *const *environ; /* what keys may depend on; NULL-terminated */
    const rv_cache_source *source; /* instead of the store; then nothing is written. NULL: the store */
} rv_cache_config;
/* Never fails. What belongs to `config` is borrowed until close. */
rv_cache *rv_cache_open(const rv_cache_config *config);
/* Writes stamps and times of use. NULL is legal. */
void rv_cache_close(rv_cache *cache);

/* ---- keys, also of nodes that nobody drives (`--dry-run`, `why`) ---- */
typedef struct rv_cache_subject {
    const rv_values *values;   /* what templates name; `artifact` of it is not called */
    const rv_mask *mask;       /* secrets; NULL: none */
    rv_tree *tree;             /* the run's directory */
    /* What a settled predecessor gave, as one hash (rv_cache_outcome). false: nobody knows: no key. */
    bool (*outcome)(void *user, uint32_t node, rv_digest *ret);
    /* The hash of an artifact of a node. false: there is none. */
    bool (*artifact)(void *user, uint32_t node, rv_str name, rv_digest *ret);
    void *user;
} rv_cache_subject;
/* Open the directory of a run as a subject's tree. */
RV_MUST_USE rv_status rv_cache_tree(rv_cache *cache, const char *dir, rv_tree **ret, rv_error *err);
/* The key of a cached node whose predecessors have settled. ret_inputs: of the part that its files make; may be NULL. INVALID: a value is
 * missing; IO, LIMIT, DENIED: an input cannot be read; NOT_FOUND: it is not known what a predecessor gave. */
RV_MUST_USE rv_status rv_cache_key(rv_cache *cache, const rv_cache_subject *subject, uint32_t node, rv_digest *ret, rv_digest *ret_inputs,
                                   rv_error *err);
/* What the last key was made of, for rv_made_of_compare: appended. Once, before the run is stepped. */
void rv_cache_made_of(rv_cache *cache, rv_buf *out);
/* The latest entry of an owner, with made_of: from where the cache has its entries. NOT_FOUND; STORE_IO. */
RV_MUST_USE rv_status rv_cache_last(rv_cache *cache, rv_arena *arena, uint64_t owner, rv_cache_row *ret, rv_error *err);
/* A number for a node of a workflow: its entries have it as their owner. file: of the workflow, else its name. Pure. */
uint64_t rv_cache_owner(rv_str file, rv_str node);

/* What a node gave: state; hashes of stdout, stderr, result; artifacts. Pure. */
typedef struct rv_cache_named { rv_str name; rv_digest digest; uint64_t size; } rv_cache_named;
rv_digest rv_cache_outcome(rv_str state, rv_digest out, rv_digest err, rv_str result, const rv_cache_named *artifacts, uint32_t count);

/* ---- what has changed [C16] ---- */
#define RV_MADE_OF_VERSION 1 /* its first byte */
#define RV_MADE_OF_MAP(X) /* name, text; kept in entries: new ones go at the end */ \
    X(FORMAT, "format")                                                             \
    X(COMMAND, "command")                                                           \
    X(DIRECTORY, "directory")                                                       \
    X(OUTPUTS, "outputs")                                                           \
    X(INPUT, "input")                                                               \
    X(HOST, "variable of the caller")                                               \
    X(ENV, "variable")                                                              \
    X(PREDECESSOR, "predecessor")                                                   \
    X(TRUST, "trust")
#define X(name_, text_) RV_MADE_OF_##name_,
typedef enum rv_made_of_kind { RV_MADE_OF_MAP(X) RV_MADE_OF_COUNT } rv_made_of_kind;
#undef X
const char *rv_made_of_name(rv_made_of_kind kind);
typedef enum rv_made_of_change { RV_MADE_OF_ADDED, RV_MADE_OF_REMOVED, RV_MADE_OF_CHANGED } rv_made_of_change;
typedef struct rv_difference {
    rv_made_of_kind kind;
    rv_made_of_change change;
    rv_str name; /* borrowed; size 0: the only one of its kind */
} rv_difference;
typedef RV_VEC(rv_difference) rv_differences;
/* Append what differs between two of them, in the order of `now`, then what is gone. false: one of them is damaged; ret_add may have been
 * appended to. Pure. */
RV_MUST_USE bool rv_made_of_compare(rv_str before, rv_str now, rv_differences *ret_add);

/* ---- prediction [C17], and who only asks ---- */
typedef struct rv_cache_found {
    uint64_t id;
    rv_digest outcome;
    rv_str result, output;     /* in the arena; output: stdout without newlines at its end, size 0 where it is over 1 MiB */
    int32_t exit_status;
    int64_t created_ms, duration_ms;
    const rv_cache_named *artifacts; uint32_t artifact_count;
    const rv_tree_file *files; uint32_t file_count; /* until the next entry is found */
} rv_cache_found;
/* Whether a key would hit: the entry is read and its blobs are looked for; nothing is restored. */
rv_cache_reason rv_cache_find(rv_cache *cache, rv_digest key, rv_arena *arena, rv_cache_found *ret);

#endif
