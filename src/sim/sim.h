/* sim.h: the deterministic simulator: the real engine, kernel, loader and store (SQLite) on a disk, a clock, an executor and people
 * that are made up, on one thread, from one seed. The same seed and the same workflow give the same story, byte for byte.
 *
 * A play is one run of one workflow, at times with a child that goes on from its failure, or run once more with what its cache has,
 * lived through in several lives of the engine. Lives end orderly, by death at any operation of the disk or at any named fail point, by a
 * loss of power, or because the disk failed them. After each the store is opened again from what the disk kept, its journal is audited,
 * and the run goes on, until it has
 * ended. What was promised is checked against a ledger that the made-up executor, people and observer keep outside of the engine
 * (ledger.c says what).
 *
 * No command of the workflow is executed. Folders of the engine (logs, scratch, blobs) and the run's own files are real, beneath `root`. */
#ifndef RV_SIM_H
#define RV_SIM_H

#include "base/failpoint.h"
#include "spec/spec.h"

typedef struct rv_sim_config {
    rv_str source;           /* the workflow's text */
    const char *file, *dir;  /* its name for messages; the folder of its file:// references, absolute */
    bool is_json;
    const rv_param_value *vars; uint32_t var_count;
    const char *const *environ; /* for ${env.K}; NULL-terminated */
    const char *root;        /* an existing folder of our own, absolute; what is in it is removed before each play */
    bool may_submit;         /* commands submit nodes that are made up */
    uint32_t lives_max;      /* lives with trouble; the ones after them have none. 0: 12 */
    rv_buf *trace;           /* what happens, a line each, for people; NULL: nobody reads it */
} rv_sim_config;

/* What happened, in numbers: what befell it, what people and nodes did, what came of it. */
#define RV_SIM_COUNT_MAP(X)                                                      \
    X(LIVES, "lives")                                                            \
    X(DEATHS, "deaths")              /* of the process, in all; of these: */     \
    X(DEATHS_DISK, "within the disk")                                            \
    X(DEATHS_POINT, "at a fail point")                                           \
    X(DEATHS_TIME, "at any time")                                                \
    X(POWER_LOSSES, "power losses")                                              \
    X(LOST_WRITES, "lost writes")    /* written, not synced, and gone with the power */ \
    X(TORN_WRITES, "torn writes")                                                \
    X(DISK_FAULTS, "disk faults")    /* lives in which the disk failed; how often: */ \
    X(FAULTS_EIO, "i/o errors")                                                  \
    X(FAULTS_FULL, "writes to a full disk")                                      \
    X(FAULTS_SHORT, "half writes to a full disk")                                \
    X(FAULTS_LATE, "write errors after the fact")                                \
    X(FAULTS_SYNC, "sync failures")                                              \
    X(FAULTS_OPEN, "open failures")                                              \
    X(UNKNOWNS, "commits of unknown outcome")                                    \
    X(INTERRUPTS, "interrupts")                                                  \
    X(JUMPS, "clock jumps")          /* of the wall's */                         \
    X(PAUSES, "pauses")              /* nothing went on for a while, and much is due at once */ \
    X(STARTS, "attempts")                                                        \
    X(REFUSED_STARTS, "attempts without a process")                              \
    X(DUPLICATES, "duplicate results")                                           \
    X(LATE_RESULTS, "late results")                                              \
    X(REORDERED, "results out of order")                                         \
    X(DECISIONS, "decisions")                                                    \
    X(CANCELS, "cancels")                                                        \
    X(PREEMPTS, "preemptions")                                                   \
    X(CHILDREN, "child runs")                                                    \
    X(EVENTS, "events from outside")                                             \
    X(STEERS, "directives")                                                      \
    X(SUBMISSIONS, "submissions")    /* taken as new */                          \
    X(REPEATS, "submissions repeated")                                           \
    X(REFUSALS, "submissions refused")                                           \
    X(SUPERSEDED, "submitted nodes superseded")                                  \
    X(BUDGET_PAUSES, "budget pauses")                                            \
    X(RAISES, "budgets raised")                                                  \
    X(BUDGET_STOPS, "budget stops")                                              \
    X(WARNINGS, "budget warnings")                                               \
    X(OVERSPENT, "nodes over their budgets")                                     \
    X(SHARED, "budgets shared")      /* what others have taken was told */       \
    X(DENIALS, "starts denied")                                                  \
    X(MUTEX_WAITS, "waits for a mutex") /* seen when something started */        \
    X(HITS, "hits of the cache")                                                 \
    X(INPUTS, "changed inputs")                                                  \
    X(DAMAGED, "damaged outputs in the cache")                                   \
    X(AGAIN, "runs anew")            /* of the same workflow, with the same cache */ \
    X(VIOLATIONS, "nodes at odds")                                               \
    X(GROWN, "nodes that grew")                                                  \
    X(ROWS, "journal rows")
#define X(name_, text_) RV_SIM_##name_,
typedef enum rv_sim_count { RV_SIM_COUNT_MAP(X) RV_SIM_COUNT_COUNT } rv_sim_count;
#undef X
const char *rv_sim_count_name(rv_sim_count count); /* never NULL */

typedef struct rv_sim_result {
    uint64_t hash;          /* of the whole story */
    rv_run_state outcome;   /* of the run */
    uint64_t counts[RV_SIM_COUNT_COUNT];
    uint32_t died_at[RV_FAIL_POINT_COUNT]; /* of the deaths at fail points */
    char broken[512];       /* the promise that was broken first, and by whom; empty: none */
} rv_sim_result;

/* Play `seed`. INVALID: the workflow does not load; `problems` says why. Else RV_OK, also when a promise was broken. */
RV_MUST_USE rv_status rv_sim_play(const rv_sim_config *config, uint64_t seed, rv_sim_result *ret, rv_problems *problems);

/* Remove everything in a config's `root`. */
void rv_sim_clear(const char *root);

/* Whether a simulated engine can die at that point: all but those of processes and of the host. */
bool rv_sim_has_point(rv_fail_point point);

/* A workflow made up from `seed`, as YAML, appended: all kinds, edges, policies, retries, times, conditions, handlers, budgets, quotas.
 * dir: an existing folder for files that it includes; NULL: it includes none. */
void rv_sim_scenario(uint64_t seed, const char *dir, rv_buf *out);

#endif
