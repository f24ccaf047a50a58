/* budget.h: what a run has spent, what is reserved, and what its limits leave [K50–K54].
 *
 * Money and tokens are reserved before they are spent: an attempt that starts takes a reservation, its end gives it back and
 * adds what was really spent. Both are facts (RESERVED, SPENT), so a replay counts the same.
 *
 *     purses   the run ◄── its controller ◄── … ◄── the node      a start must fit into each one that has limits;
 *                                                                  what is spent counts in all of them [K52]
 *
 * A start fits a limit when spent + reserved + wanted ≤ limit: exactly at the limit is not over it. What it wants: of money
 * and tokens what the node's own limit leaves, else its stated estimate, else, in a run that pauses, the fair share of what
 * remains, else nothing; one attempt; one node, if it is the first attempt. Time is not reserved: what has passed is looked at.
 * Attempts, nodes and time are those of nodes that need a slot. Handlers are not held up by a budget, as they are not by the
 * run's timeout, and take no reservation; what they report is spent.
 *
 *  (1) what is reserved in a purse is what its open attempts hold; (2) only a running node holds something;
 *  (3) but for `warn`, spent + reserved ≤ limit + beyond, where `beyond` is what attempts spent above their reservations, and
 *      what was above a limit when the limit was lowered. */
#ifndef RV_BUDGET_H
#define RV_BUDGET_H

#include "base/json.h"
#include "kernel/model.h"

#define RV_AMOUNT_MAX (INT64_C(1) << 60) /* of any dimension; sums stop there */
#define RV_HELD_COUNT 2u                 /* the dimensions that are reserved: USD, TOKENS */
_Static_assert(RV_DIMENSION_USD == 0 && RV_DIMENSION_TOKENS == 1, "what is reserved comes first");

struct rv_run;

/* All stored. */
typedef struct rv_purse {
    int64_t spent[RV_DIMENSION_COUNT];
    int64_t reserved[RV_HELD_COUNT];
    int64_t beyond[RV_DIMENSION_COUNT]; /* see (3) */
    int64_t cached;            /* tokens that were read from a provider's cache: counted apart */
    int64_t since_ms;          /* engine ms since which something of it runs; while `live` is not 0 */
    uint32_t live;             /* attempts of it in flight that are counted */
    uint8_t warned;            /* bits 1 << rv_dimension: said already */
} rv_purse;

/* Of a node that has started or spent something, and of the controllers above it. All stored. */
typedef struct rv_account {
    uint32_t node;
    bool is_open;              /* its attempt is in flight and counted */
    int64_t held[RV_HELD_COUNT];     /* reserved for it */
    int64_t reported[RV_HELD_COUNT], reported_cached; /* what it said so far */
    rv_purse purse;            /* and of its children */
} rv_account;

/* The run's limits: from its file, changed by BUDGET and QUOTA inputs. All stored. */
typedef struct rv_limits {
    int64_t limit[RV_DIMENSION_COUNT], elsewhere[RV_DIMENSION_COUNT]; /* elsewhere: in other runs of its group [K53] */
    int64_t quota[RV_QUOTA_COUNT];
    int64_t window_ms;
    uint32_t crowd;            /* attempts that ran when CONCURRENT was lowered beneath them */
    uint8_t limits, quotas;    /* bits: which are set */
    uint8_t at_limit;          /* rv_at_limit */
} rv_limits;

/* A limit that a start does not fit. */
typedef struct rv_shortage {
    uint32_t owner;            /* whose limit: a node; RV_NONE: the run's */
    rv_dimension dimension;
    rv_at_limit at_limit;
    int64_t wanted, left;      /* left: below 0 when it is over already */
} rv_shortage;

/* Whether starts of this run are counted: it or a node of it has a budget, or its attempts have a quota. O(1). */
bool rv_run_is_counted(const struct rv_run *run);
/* What a start of `node` now would reserve and count, by dimension. Pure. O(1). */
void rv_budget_wants(const struct rv_run *run, uint32_t node, int64_t ret_wants[RV_DIMENSION_COUNT]);
/* Whether so much more fits into the purses of `node`, its controllers and the run, at engine_ms; else *ret says the first one that
 * it does not fit, innermost first. Limits that only warn fit anything. Pure. O(depth). */
bool rv_budget_fits(const struct rv_run *run, uint32_t node, const int64_t wants[RV_DIMENSION_COUNT], int64_t engine_ms, rv_shortage *ret);
/* Whether the own limits of `node` are passed, or (`exactly`) have nothing left, and it was not told only to warn [K54]. Pure. */
bool rv_budget_is_over(const struct rv_run *run, uint32_t node, bool exactly);
/* What the run, or (node not RV_NONE) a node with its children, has spent: zeros where nothing was counted. Pure. */
rv_purse rv_run_purse(const struct rv_run *run, uint32_t node);
/* What a limit says for people: "usd 0.50", "time 90000 ms". Appended. */
void rv_budget_words(rv_dimension dimension, int64_t amount, rv_buf *out);
/* The snapshot of the headroom [K51]: {"usd":{"used":…,"reserved":…,"max":…,"remaining":…},…,"running":…,"concurrent":{…}}: micro-dollars
 * as dollars, time in ms; dimensions without a limit are absent. false: there is no budget and no quota, nothing was written. */
bool rv_run_headroom(const struct rv_run *run, int64_t engine_ms, rv_json_writer *w);

#endif
