/* asked.h: what attempts ask the gate for, tools and what others see [K30–K32], as the kernel's event; and what was allowed lately, which
 * rates are counted from and which is in no state of a run. Shared by the engine and by the kernel for hosts (lib/kernel.h). */
#ifndef RV_ASKED_H
#define RV_ASKED_H

#include "kernel/gate.h"

#define RV_ASKED_MAX 65536u /* calls that are remembered; of more the older half is forgotten */

/* A call that the gate has allowed. */
typedef struct rv_asked { int64_t at_ms; rv_gate_verb verb; char *key; } rv_asked;
typedef RV_VEC(rv_asked) rv_asked_list; /* {0}; in the order of time */

/* Forget all. */
void rv_asked_deinit(rv_asked_list *list);
/* Remember that it was allowed at this time (engine ms); `key` is copied. */
void rv_asked_keep(rv_asked_list *list, rv_gate_verb verb, rv_str key, int64_t at_ms);
/* Remember what a row of the journal allowed. body: its event_count packed events; at_ms: its time (engine ms). */
void rv_asked_replay(rv_asked_list *list, rv_str body, uint32_t event_count, int64_t at_ms);
/* Complete the value of an ASK whose verb and key are set: what is known of the request (JSON object, size 0: nothing), and how often the
 * same was allowed in the window that ends at now_ms. The new text is in the arena.
 * INVALID, LIMIT: err says what is wrong with it; ask->value is untouched. */
RV_MUST_USE rv_status rv_asked_complete(const rv_asked_list *list, const rv_run *run, int64_t now_ms, rv_arena *arena, rv_event *ask,
                                        rv_error *err);
/* Whether what is in `ask` now, perhaps masked, can be answered. INVALID: err says what is asked for. */
RV_MUST_USE rv_status rv_asked_check(const rv_run *run, const rv_event *ask, rv_error *err);
/* The GATE fact among the packed events of a step, for its stage and reason; false: there is none, it was allowed. */
bool rv_asked_answer(rv_str events, rv_event *ret);

#endif
