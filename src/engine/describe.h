/* describe.h: what an effect tells the outside, and how what the outside says becomes an event. Shared by the engine,
 * which carries effects out itself, and by the machine of lib/machine.h, whose host does [K41, K70]: so that both
 * render the same values, ask the same questions and write the same journal. Nothing here reads a clock or writes
 * anything down; a file is read only by the callbacks of rv_values. */
#ifndef RV_DESCRIBE_H
#define RV_DESCRIBE_H

#include "blob/blob.h"
#include "kernel/run.h"
#include "spec/spec.h"

#define RV_VALUE_SIZE_MAX (UINT64_C(1) << 20) /* bytes of an output that a template or an expression reads */

/* ---- values: what ${…} stands for [W10–W12] ---- */

/* Where the values of one run come from. The bytes of outputs and artifacts are not in the run's state: who made this knows. */
typedef struct rv_values {
    rv_run *run;
    const rv_spec *spec;       /* its secrets */
    const rv_buf *load_value;  /* {"user":…,"env":…} */
    const char *run_id;
    /* The output of a node that has ended, appended to `out` as it was written. Not RV_OK: err says why it cannot be given; `out` may
     * have been appended to. */
    rv_status (*output)(void *user, uint32_t node, int stream, rv_buf *out, rv_error *err);
    /* The path of an artifact, appended to `out`; false: there is none. */
    bool (*artifact)(void *user, uint32_t node, rv_str name, rv_buf *out);
    void *user;
} rv_values;

typedef struct rv_value_scope {
    const rv_values *values;
    uint32_t node;             /* whose templates they are */
    uint32_t epoch;            /* of its attempt; 0: none */
    rv_error *refused;         /* NULL, or set when a value is there but cannot be given: no default stands for that */
} rv_value_scope;

/* An rv_resolve_fn; `user` is an rv_value_scope. */
rv_value_kind rv_value_resolve(void *user, rv_str path, rv_buf *out, rv_error *err);
/* rv_render with the scope's values. RV_INVALID: err names the node, the reference and what is missing. */
RV_MUST_USE rv_status rv_value_render(const rv_value_scope *scope, rv_str text, bool null_is_error, rv_buf *out, rv_error *err);
/* Render every string of a JSON tree (messages, payloads) into `w`. Errors as rv_value_render. */
RV_MUST_USE rv_status rv_value_render_json(const rv_value_scope *scope, const rv_json *value, rv_json_writer *w, rv_error *err);

/* ---- a command ---- */

/* Everything of a node's body that makes a command, rendered. Texts live in the arena that was given. */
typedef struct rv_command {
    RV_VEC(const char *) argv; /* NULL-terminated; a script is {SHELL, "-c", SCRIPT}, verbatim [W11] */
    RV_VEC(const char *) env;  /* NAME=VALUE, what the workflow sets; not NULL-terminated */
    const char *dir;           /* as the body has it; NULL: where the run starts its commands */
    uint32_t held;             /* > 0: argv[held] on is the command itself, which argv[0] starts [K40] … */
    bool held_moves;           /* … in another directory */
} rv_command; /* {0} */
void rv_command_deinit(rv_command *command);
/* RV_INVALID: a value is missing, null where it may not be, or has a NUL byte; err says which. */
RV_MUST_USE rv_status rv_command_make(const rv_value_scope *scope, const rv_json *body, rv_arena *arena, rv_command *ret, rv_error *err);

/* ---- questions ---- */

/* What people are shown for a node that waits for `reason` (approval, input, unknown outcome): a JSON object, appended to
 * `out`, with what `mask` knows masked. A value that cannot be given is told in its place. */
void rv_question_payload(const rv_value_scope *scope, const rv_json *body, rv_detail reason, const rv_mask *mask, rv_buf *out);
/* The result of a decision: {"decision":…,"by":…,"comment":…}, appended. */
void rv_question_decision(rv_decision decision, rv_str by, rv_str comment, rv_buf *out);
/* The result of an answer, {"value":…}, appended. INVALID: it is not JSON, or not what the input's schema wants; LIMIT: over 1 MiB;
 * `out` is then unchanged. */
RV_MUST_USE rv_status rv_question_answer(const rv_json *body, rv_str value_json, rv_buf *out, rv_error *err);

/* ---- results ---- */

/* Whether a result (JSON; size 0: none) is what the node's output_schema wants; else the violations, a line each, are in `out`. */
bool rv_result_fits(const rv_json *body, rv_str result, rv_buf *out);

/* ---- reducers [K14] ---- */

/* Whether Reeve itself has a reducer of this name. */
bool rv_reducer_is_own(rv_str name);
/* Reduce what the dependencies of `scope->node` gave with a reducer of Reeve's own; {"value":…} is appended to `out`. INVALID, LIMIT:
 * err says which input is not what the reducer needs, or that the value is over 1 MiB; `out` is then undefined. */
RV_MUST_USE rv_status rv_reduce(const rv_value_scope *scope, const rv_json *body, rv_buf *out, rv_error *err);
/* The inputs of a reducer that a host has: [{"node":…,"state":…,"value":…}], those that succeeded, in order, appended to `out`. A value is
 * the node's result, else its standard output as a string. Errors as rv_reduce. */
RV_MUST_USE rv_status rv_reduce_inputs(const rv_value_scope *scope, const rv_json *body, rv_buf *out, rv_error *err);

#endif
