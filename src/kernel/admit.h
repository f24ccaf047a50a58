/* admit.h: what may run now [A1–A6]. A second pure machine, over all runs of an engine. Its slots and holds are not journaled: after a
 * restart they are rebuilt from what runs.
 *
 * A node needs a slot under the global cap and one under each tag of its class, and all mutexes that it claims. The walk goes over the
 * classes' ready queues in order of admission; a class whose caps are full does not stop the others. Most nodes are admitted in one
 * phase: they take their slots and start. A *staged* one, which has a mutex or may be found in the cache, has a bid:
 *
 *                 take                claim: all mutexes are free                 end
 *     ready queue ────► ADMITTED ─────────────────────────────────────► HOLDING ────► gone: holds, then slots are given back
 *                 slots │  ▲ (looks into the cache; a hit: leave)        │      ▲
 *      claim: not free  ▼  │ take, before all others                     │outside
 *                      QUEUED ──► GRANTED ◄───────── retry ── OUTSIDE ◄──┘ (the machine's lock is not free: slots are given back)
 *                 a ticket   its holds are reserved, slots are not free yet
 *
 * A tag's count is the engine's, over all runs; the cap that a node must fit is its own run's. */
#ifndef RV_ADMIT_H
#define RV_ADMIT_H

#include "kernel/lock.h"
#include "kernel/run.h"

typedef struct rv_admit_tag {
    rv_str name;
    uint32_t used;
    bool is_blocked;           /* its cap is the machine's, and is used up: nothing with it fits until somebody clears this */
} rv_admit_tag;

typedef struct rv_admission {  /* of an engine */
    uint32_t cap, used;        /* slots, of all runs; cap 0: no bound but the runs' own */
    RV_VEC(rv_admit_tag) tags; /* names in the arena */
    rv_map by_tag;
    rv_locks locks;
    RV_VEC(struct rv_admit *) runs; /* NULL: a free place */
    rv_arena arena;
} rv_admission; /* {0} */
void rv_admission_deinit(rv_admission *all); /* its runs are closed */

#define RV_BID_PHASE_MAP(X)                                     \
    X(NONE, "")                                                 \
    X(ADMITTED, "admitted")  /* has its slots */                \
    X(QUEUED, "queued")      /* waits for mutexes */            \
    X(GRANTED, "granted")    /* has its mutexes, needs slots */ \
    X(HOLDING, "holding")    /* has both */                     \
    X(OUTSIDE, "outside")    /* has its mutexes here; the machine's are held by another engine */
#define X(name_, text_) RV_BID_##name_,
typedef enum rv_bid_phase { RV_BID_PHASE_MAP(X) RV_BID_PHASE_COUNT } rv_bid_phase;
#undef X

typedef struct rv_bid {
    uint32_t node;
    uint32_t request;          /* index + 1 in the locks' requests; 0: none yet, or it needs none */
    uint32_t phase;            /* rv_bid_phase; NONE: a free place */
    uint32_t next_free;        /* index + 1 in bids */
    uint32_t before, after;    /* GRANTED: its neighbours in the row of its class, index + 1 in bids; 0: none */
    uint64_t grant;            /* GRANTED: its number */
} rv_bid;

typedef struct rv_granted_row { uint32_t first, last; } rv_granted_row; /* index + 1 in bids; 0: it is empty */

typedef struct rv_admit {      /* of a run */
    rv_admission *all;
    rv_run *run;
    uint32_t number;           /* index in all->runs */
    uint32_t cap, used;        /* of this run's own */
    rv_str root;               /* borrowed: what its mutexes of scope root belong to */
    RV_VEC(uint32_t) tags;     /* of the run's tags: index in all->tags; as far as they were looked at */
    RV_VEC(uint32_t) locks;    /* of the graphs' mutexes: index in all->locks + 1; 0: not looked at */
    RV_VEC(uint32_t) lock_base; /* of each graph: its mutex m is locks[lock_base[graph] + m] */
    RV_VEC(rv_bid) bids; uint32_t free_bid; /* index + 1 */
    RV_VEC(uint32_t) bid_of;   /* by node, as far as it was needed: index + 1 in bids */
    RV_VEC(rv_granted_row) granted; /* by class: its nodes in GRANTED, in the order of their grants; as far as it was needed */
    uint32_t granted_count; uint64_t grant_last;
    uint32_t staged;           /* bids that are not HOLDING */
} rv_admit;

/* cap ≥ 1: attempts of this run at a time. all, run and root outlive it. */
void rv_admit_open(rv_admit *admit, rv_admission *all, rv_run *run, uint32_t cap, rv_str root);
/* Give back what its bids have; who waits for it is granted. Slots of nodes that are not staged were given back before, or `all` ends
 * too. {0} is legal. */
void rv_admit_close(rv_admit *admit);
/* Whether a node of `class_index` may have its slots now. Pure. O(tags of the class). */
bool rv_admit_fits(rv_admit *admit, uint32_t class_index);
/* The tag (index in the run's) whose cap keeps a node of this class from starting, or RV_NONE when it is the global cap or none. */
uint32_t rv_admit_blocker(rv_admit *admit, uint32_t class_index);
/* The node that goes next: the first that has its mutexes and fits, else the first ready one over all classes whose caps permit; RV_NONE:
 * none may go now. O(classes). */
uint32_t rv_admit_next(rv_admit *admit);
/* Nothing with this tag (of the run's) fits until its is_blocked is cleared. */
void rv_admit_block(rv_admit *admit, uint32_t tag);
/* Whether a node is admitted in two phases. Pure. */
static inline bool rv_admit_is_staged(const rv_run *run, uint32_t node)
{
    return run->classes.at[rv_run_class_of(run, node)].is_staged;
}
/* Take the slots of a node; they must fit. A staged one leaves its ready queue and is ADMITTED. */
void rv_admit_take(rv_admit *admit, uint32_t node);
/* An ADMITTED node is to start: take its mutexes. true: it is HOLDING, start it. false: it is QUEUED and its slots are given back. */
RV_MUST_USE bool rv_admit_claim(rv_admit *admit, uint32_t node);
/* A HOLDING node cannot have the machine's lock: give the slots back, keep what it holds here. Then again: it is GRANTED. */
void rv_admit_outside(rv_admit *admit, uint32_t node);
void rv_admit_retry(rv_admit *admit, uint32_t node);
/* The end of what a node had: its mutexes are given back, then its slots [A6]; in whatever phase it is. has_slots: of a node that is not
 * staged; what a staged one has its bid knows. */
void rv_admit_end(rv_admit *admit, uint32_t node, bool has_slots);
/* After a restart: `node` runs already. It takes what it has, slots only as far as they fit; false: it took no slots. */
RV_MUST_USE bool rv_admit_restore(rv_admit *admit, uint32_t node);
/* Where a node is. Pure. */
rv_bid_phase rv_admit_phase(const rv_admit *admit, uint32_t node);
/* Of a QUEUED node: the run and node that holds what it waits for, or that waits for it before it, and the mutex's name (borrowed). false:
 * it waits for no mutex. */
RV_MUST_USE bool rv_admit_waits_for(const rv_admit *admit, uint32_t node, const rv_admit **ret_holder, uint32_t *ret_node,
                                    rv_str *ret_mutex);
/* Every invariant, the slow way. NULL: all hold; else static text. */
const char *rv_admission_check(const rv_admission *all);

#endif
