/* kernel.h: the kernel for hosts [K70]: what the parts of reeve_kernel_* share, and what its JSON lines use beside the public calls.
 *
 *  (1) A step is a host's event and what follows from it at once, in one journal row: reducers of Reeve's own, starts that a
 *      missing value makes impossible, and, when it has slots, admissions.
 *  (2) What an event would be refused for is found before the run is touched; so a refusal changes nothing.
 *  (3) Outputs and artifacts are not in the run's state. Those that a template reads are kept beside it, and travel in the
 *      row's `values`; so a replay renders the same.
 *  (4) What a step returns lives in `scratch` until the next one has returned. */
#ifndef RV_KERNEL_HOST_H
#define RV_KERNEL_HOST_H

#include "engine/asked.h"
#include "engine/describe.h"
#include "kernel/admit.h"
#include "lib/public.h"
#include "spec/submission.h"

#define RV_KERNEL_NO_DIRECTORY "/dev/null" /* no directory: nothing is beneath it */

/* What is kept of a node's latest attempt for templates. */
typedef struct rv_side {
    uint32_t node;
    rv_str streams[2];         /* standard output, standard error; in the kernel's arena */
    rv_json *artifacts;        /* object: name → path; NULL: none */
    bool is_new;               /* not in a row yet */
} rv_side;

/* One attempt to start, or one reduce to carry out, described when its effect came up. */
typedef struct rv_described { reeve_spawn spawn; const char *reducer, *inputs; } rv_described;

struct reeve_kernel {
    rv_spec *spec;             /* owned */
    const rv_graph *graph;
    rv_run *run;
    rv_compiler compiler;      /* of what its nodes submit */
    rv_out out;                /* of this step */
    rv_values values;
    rv_buf load_value;
    const char *run_id;        /* "": not loaded */
    rv_mask *mask;             /* secrets */
    rv_arena arena, scratch;   /* of the kernel's life; of this step */
    rv_arena scratch_before;   /* of the step before: its texts may be given to this one */
    const char **reducers;     /* of the host; NULL-terminated */
    rv_admission admission;
    rv_admit admit;
    uint32_t slots;            /* 0: the host admits */
    bool fail_fast;
    RV_VEC(uint8_t) has_slot;  /* has_slot[node] */
    RV_VEC(uint32_t) side_of;  /* side_of[node]: index + 1 in sides; 0: none */
    RV_VEC(rv_side) sides;
    RV_VEC(uint32_t) sides_new; /* indices in sides, of this step */
    rv_asked_list asked;       /* what was allowed: for rates [K31, K32] */
    rv_now now;                /* of the latest step */
    uint64_t last_seq;
    bool has_stepped;          /* took an event of the host's in this life */
    RV_VEC(rv_described) described; /* by index in out.effects; spawn.run NULL: nothing to do */
    RV_VEC(reeve_effect) effects;
    RV_VEC(reeve_node) changes;
    RV_VEC(uint32_t) seen;     /* seen[node]: last_seq of the step that told of it */
    rv_buf bytes;              /* rv_run_encode */
};

/* ---- kernel.c ---- */
/* Make a kernel of a spec, which is taken. reducers: as in reeve_kernel_options; copied. */
reeve_kernel *rv_kernel_of_take(rv_spec *spec, const char *const *reducers, uint32_t slots, bool fail_fast);
/* Check the names of a host's reducers. INVALID: not an identifier, or one of Reeve's own. */
RV_MUST_USE rv_status rv_kernel_check_reducers(const char *const *reducers, rv_error *err);
/* The parsed body of a node, in `scratch`. */
const rv_json *rv_kernel_body(reeve_kernel *kernel, uint32_t node);
/* The id of a node, NUL-terminated, in `scratch`; NULL for RV_NONE. */
const char *rv_kernel_id(reeve_kernel *kernel, uint32_t node);
/* NUL-terminated copy in `scratch`; "" when empty. */
const char *rv_kernel_text(reeve_kernel *kernel, rv_str text);
reeve_node rv_kernel_node_of(reeve_kernel *kernel, uint32_t node);

/* ---- kernel_event.c ---- */
/* The kernel's event for the host's, at that time (engine ms); its texts live in `scratch`. INVALID, LIMIT, NOT_FOUND, CONFLICT as
 * reeve_kernel_step; the run is not touched. */
RV_MUST_USE rv_status rv_kernel_event(reeve_kernel *kernel, const reeve_event *event, int64_t now_ms, rv_event *ret,
                                       rv_error *err);
/* Keep what templates will read of the completion, which was taken. */
void rv_kernel_keep_side(reeve_kernel *kernel, uint32_t node, const reeve_event *event);
/* The sides that are new as JSON (size 0: none), appended; and taking them back. CORRUPT: not of this workflow, or not such JSON. */
void rv_kernel_sides_write(reeve_kernel *kernel, rv_buf *out);
RV_MUST_USE rv_status rv_kernel_sides_read(reeve_kernel *kernel, rv_str json, rv_error *err);

/* ---- kernel_effect.c ---- */
/* What follows at once from the effects of the step: describe attempts, carry out reducers of Reeve's own, admit. */
void rv_kernel_follow(reeve_kernel *kernel);
/* Fill ret->effects from what was described. */
void rv_kernel_effects(reeve_kernel *kernel, reeve_step *ret);
/* Count slots anew from what runs, after a replay. */
void rv_kernel_count_slots(reeve_kernel *kernel);
/* The effect `park` of a node that waits; texts live in `scratch`. */
reeve_effect rv_kernel_park(reeve_kernel *kernel, uint32_t node);
/* What people are shown for a node that waits, and its digest; both in `scratch`. */
void rv_kernel_question(reeve_kernel *kernel, uint32_t node, const char **ret_payload, const char **ret_digest);

#endif
