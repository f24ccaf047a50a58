/* cache_part.h: a run's part in the cache of its engine. */
#ifndef RV_CACHE_PART_H
#define RV_CACHE_PART_H

#include "engine/cache_private.h"
#include "engine/memo.h"

typedef enum rv_cache_slot_state { SLOT_FREE, SLOT_MISSED, SLOT_KEPT, SLOT_SETTLED } rv_cache_slot_state;

/* What is in mind of a node: MISSED: looked up, not found; KEPT: its entry waits for the batch; SETTLED: a hit, whose rows do. */
typedef struct rv_cache_slot {
    rv_cache_slot_state state;
    rv_digest key, inputs;     /* inputs: of its files when it was looked up */
    rv_buf made_of, manifest;  /* of the entry to be written */
    uint64_t size;             /* of its blobs */
    int64_t created_ms;
    rv_buf result, artifacts;  /* of a hit; artifacts as in rv_attempt */
    uint64_t log_last;
} rv_cache_slot;

typedef struct rv_cache_counts { uint32_t hits, misses; int64_t saved_ms; } rv_cache_counts;

typedef struct rv_cache_part {
    rv_cache *cache;
    rv_job *job;
    rv_cache_subject subject;
    RV_VEC(rv_cache_slot) slots;
    RV_VEC(uint32_t) slots_free;
    RV_VEC(uint32_t) slot_of;  /* by node: index + 1; 0 none */
    RV_VEC(rv_digest) outcomes; /* by node; zeros: not known */
    rv_cache_counts counts;
    rv_memo *memo;             /* NULL: this run has none */
} rv_cache_part;

/* Made at the first call; NULL: this run has none (nobody drives it). */
rv_cache_part *rv_cache_part_of(rv_job *job);
/* NULL: nothing is in mind. Borrowed until the next node is looked up. */
rv_cache_slot *rv_cache_slot_of(rv_cache_part *part, uint32_t node);
void rv_cache_slot_give(rv_cache_part *part, uint32_t node);

/* Count a hit: an entry that was used, what its node gave, how long it took when it was run. */
void rv_cache_hit_note(rv_cache_part *part, uint32_t node, uint64_t entry, int64_t duration_ms, rv_digest outcome);

/* cache_memo.c: hits that need no lookup (memo.h) */
/* Read what is known of the run's workflow into part->memo. None for a run with secrets, a store that has no text of its own yet, and
 * where entries were dropped under this engine. Never fails. */
void rv_cache_memo_open(rv_cache_part *part);
/* Write what is new, or remove it where entries were dropped meanwhile; a failure is said in the log of the process and costs asking
 * again. */
void rv_cache_memo_close(rv_cache_part *part);
/* true: `node` has the hit that it had, and is noted; *ret as of rv_cache_try. After part->subject.tree was told of the moment. */
RV_MUST_USE bool rv_cache_memo_find(rv_job *job, uint32_t node, rv_cache_hit *ret);
/* Keep a hit, whose key was the last that was made, if it may be. */
void rv_cache_memo_note(rv_job *job, uint32_t node, rv_digest key, uint64_t id, const rv_manifest *m);

/* outcome.c: what settled nodes gave, as keys see it */
void rv_cache_outcomes_open(rv_cache_part *part); /* fills part->subject */
void rv_cache_outcome_note(rv_cache_part *part, uint32_t node, rv_digest outcome);
/* Hashes of what an attempt of this store wrote: stdout, stderr. false: it cannot be read. */
bool rv_cache_log_digests(rv_job *job, rv_str run, uint64_t log_last, rv_digest ret[2]);
/* Whether the key of a node of this run may depend on what `node` gives. */
bool rv_cache_is_awaited(const rv_job *job, uint32_t node);

#endif
