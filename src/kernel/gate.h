/* gate.h: one gate for every request of a run [K30–K34]. It looks at the state and answers; it changes nothing. */
#ifndef RV_GATE_H
#define RV_GATE_H

#include "kernel/budget.h"
#include "kernel/event.h"
#include "kernel/run.h"

/* The stages of a tool call, in the order in which they are passed; the first that refuses is the last that is looked at [K32]. */
#define RV_TOOL_STAGE_MAP(X) \
    X(CAPABILITY, "capability") X(CONSTRAINT, "constraint") X(PERMISSION, "permission") X(VETO, "veto") X(RATE, "rate") \
    X(SANDBOX, "sandbox") X(AUDIT, "audit")
#define X(name_, text_) RV_TOOL_STAGE_##name_,
typedef enum rv_tool_stage { RV_TOOL_STAGE_MAP(X) RV_TOOL_STAGE_COUNT } rv_tool_stage;
#undef X

typedef enum rv_permission { RV_PERMISSION_ALLOW, RV_PERMISSION_DENY, RV_PERMISSION_ASK } rv_permission;

/* What is known of a request. Fields of other verbs are not read. Strings are borrowed. */
typedef struct rv_gate_request {
    rv_gate_verb verb;
    uint32_t node;             /* who asks; SPAWN: what is to start */
    rv_now now;
    uint32_t count, depth;     /* SUBMIT: nodes that would be added, and how deep: 1 beneath a node of the file */
    uint32_t recent;           /* TOOL, MEMORY_WRITE: calls of it within the window that ends now */
    int64_t oldest_ms;         /* of those the first: engine ms */
    /* TOOL */
    rv_str tool;
    const rv_str *capabilities; uint32_t capability_count; /* a tool's name, a prefix that ends with `*` */
    rv_str constraint;         /* why its arguments are not allowed; size 0: they are */
    rv_permission permission;
    rv_str veto;               /* why somebody forbids this call; size 0: nobody does */
    uint32_t rate_max;         /* calls within window_ms; 0: no limit */
    int64_t window_ms;
    bool writes, is_sandboxed; /* it can write outside; a sandbox that would hold it is there */
    bool is_audited;           /* its record can be written */
} rv_gate_request;

typedef struct rv_gate_answer {
    rv_gate_kind kind;
    const char *stage;         /* static; NULL for ALLOW */
    char reason[160];          /* for people; empty for ALLOW */
    int64_t retry_after_ms;    /* RATE_LIMITED */
    bool is_budget;            /* it is a shortage that answers */
    rv_shortage shortage;
} rv_gate_answer;

/* Adjudicate. Pure. SPAWN in the order of [K31a]: trust, quota, slot, budget. O(depth + capabilities). */
rv_gate_answer rv_gate(const rv_run *run, const rv_gate_request *request);
/* The same for `count` nodes that `node` would add: a controller or a submitter beneath itself, one whose back-edge is taken beside
 * itself (`beside`), no deeper than it stands. */
rv_gate_answer rv_gate_growth(const rv_run *run, uint32_t node, uint32_t count, bool beside);
/* Whether an ASK can be answered: its verb is of those that attempts ask for, its key is there, its value is an object of members that are
 * known, each of its type: constraint, veto (text), permission (allow, deny, ask), rate ({max, window_ms}), writes, is_sandboxed,
 * is_audited (booleans; left out: it is), recent, oldest_ms (see rv_gate_request). Pure. */
bool rv_ask_is_sound(const rv_run *run, const rv_event *input);
/* Whether nothing may be admitted now, whatever it is: a budget pause, or the quota of concurrent attempts is used up (and not 0: that
 * denies). What frees it is an input. O(1). */
bool rv_run_is_held_back(const rv_run *run);
/* Whether what `node` gives is marked [K33]: it, or a controller or submitter above it, is quarantined. O(depth). */
bool rv_run_is_quarantined(const rv_run *run, uint32_t node);

#endif
