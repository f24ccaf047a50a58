/* lock.h: mutexes over all runs of an engine [A4, A5]: who holds what, who waits in which order. Pure.
 *
 * A *request* claims several locks at once, each shared or exclusive, and gets all of them or none: nobody who waits holds
 * anything, so there is no deadlock. It takes a ticket. It is granted when it is compatible with what is held and with every request
 * with an earlier ticket that still waits: so nobody is overtaken by what he conflicts with, and nobody starves.
 *
 *     lock "db"    held by  #3 (shared), #5 (shared)
 *                  waiting  exclusive: #6, #9     shared: #7, #8      #7 and #8 wait for #6, which waits for #3 and #5
 *
 * Each lock has two rows of waiting claims in ticket order, so that both questions are about the first of a row: an exclusive claim
 * goes when it is the first of both rows and nothing is held; a shared one when no exclusive one is before it or holds. A
 * release costs O(claims of the request + requests that are granted by it). */
#ifndef RV_LOCK_H
#define RV_LOCK_H

#include "base/base.h"
#include "base/util.h"
#include "kernel/model.h"

#define RV_LOCK_CLAIMS_MAX RV_CLAIMS_MAX
typedef struct rv_lock_claim { uint32_t lock; bool is_exclusive; } rv_lock_claim;

/* A claim of a request: in one row of its lock. */
typedef struct rv_lock_link {
    uint32_t request, lock;
    uint32_t before, after;    /* in its row: index + 1 in links; 0: none */
    uint8_t row;               /* rv_lock_row */
} rv_lock_link;

enum rv_lock_row { RV_LOCK_HELD, RV_LOCK_WAITS_SHARED, RV_LOCK_WAITS_EXCLUSIVE, RV_LOCK_ROWS };

typedef struct rv_lock {
    rv_str identity;           /* in the arena */
    uint32_t first[RV_LOCK_ROWS], last[RV_LOCK_ROWS]; /* index + 1 in links */
    bool is_exclusive;         /* what is held is held by one alone */
} rv_lock;

typedef struct rv_lock_request {
    uint64_t ticket;           /* 0: a free place */
    uint64_t owner;            /* the asker's own number for it */
    uint32_t first, count;     /* of links */
    uint32_t next_free;        /* index + 1 in requests */
    bool is_granted;
} rv_lock_request;

typedef struct rv_locks {
    RV_VEC(rv_lock) locks;
    rv_map by_identity;
    RV_VEC(rv_lock_link) links;
    RV_VEC(rv_lock_request) requests;
    uint32_t free[RV_LOCK_CLAIMS_MAX + 1]; /* by the number of links: index + 1 in requests */
    RV_VEC(uint32_t) granted;  /* requests that got theirs while they waited, in that order, until somebody takes them up */
    uint64_t ticket_last;
    rv_arena arena;
} rv_locks; /* {0} */

void rv_locks_deinit(rv_locks *locks); /* {0} is legal; then it is undefined */
/* The lock of that name (copied), made if there is none. */
uint32_t rv_lock_named(rv_locks *locks, rv_str identity);
/* Ask for all claims at once: claims[0..count), 1 ≤ count ≤ RV_LOCK_CLAIMS_MAX, each lock once. Returns the request; it is granted or
 * waits (is_granted). Granted here and now it does not come up in `granted`. */
uint32_t rv_lock_ask(rv_locks *locks, const rv_lock_claim *claims, uint32_t count, uint64_t owner);
/* Give back what it holds, or no longer wait. Who may go by that is granted, and appended to `granted`; the request is free for reuse. */
void rv_lock_release(rv_locks *locks, uint32_t request);
/* Why a request waits: *ret_lock is the first of its locks that it cannot have; returns the request that holds that lock or, where
 * nobody does, the earlier one that waits for it. RV_NONE: it is granted. */
uint32_t rv_lock_blocker(const rv_locks *locks, uint32_t request, uint32_t *ret_lock);
/* Every invariant, the slow way. NULL: all hold; else static text. */
const char *rv_locks_check(const rv_locks *locks);

#endif
