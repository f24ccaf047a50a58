/* lines_private.h: what the reading and the writing half of the JSON lines share. */
#ifndef RV_LINES_PRIVATE_H
#define RV_LINES_PRIVATE_H

#include "lib/kernel.h"
#include "lib/lines.h"

struct rv_lines {
    reeve_kernel *kernel;      /* NULL: not loaded */
    rv_arena arena;            /* of this line */
    rv_problems problems;      /* of the workflow of this line */
};

/* ---- lines_event.c: reading ---- */
/* The event of a line; its texts live in `arena`. INVALID: err names the member. Those of rv_lines_load_members are let pass. */
RV_MUST_USE rv_status rv_lines_event(rv_arena *arena, const rv_json *object, reeve_event *ret, rv_error *err);
RV_MUST_USE rv_status rv_lines_now(const rv_json *now, reeve_now *ret, rv_error *err);
/* Whether every member of `object` is one of `names` (NULL-terminated). INVALID: err names the first that is not, with the nearest. */
RV_MUST_USE rv_status rv_lines_members(const rv_json *object, const char *const *names, const char *what, rv_error *err);
/* Make lines->kernel from {"workflow":…, …}. INVALID: a bad workflow, whose problems are in lines->problems, or a bad member; there is
 * still no kernel. */
RV_MUST_USE rv_status rv_lines_load(rv_lines *lines, const rv_json *object, rv_error *err);
/* The row of {"first_seq":…,"body":…}; texts and bytes live in `arena`. INVALID: err names the member. */
RV_MUST_USE rv_status rv_lines_row(rv_arena *arena, const rv_json *object, reeve_row *ret, rv_error *err);
extern const char *const rv_lines_load_members[]; /* of a load and of a replay, NULL-terminated */

/* ---- lines_answer.c: writing ---- */
void rv_lines_step(rv_json_writer *w, reeve_kernel *kernel, const reeve_step *step);
typedef enum rv_lines_nodes { RV_LINES_ALL, RV_LINES_OPEN /* running or waiting */, RV_LINES_NAMED } rv_lines_nodes;
/* {"run":…,"state":…,"nodes":[…]}; names: of RV_LINES_NAMED, an array of ids. NOT_FOUND: no such node; `w` may have been appended to. */
RV_MUST_USE rv_status rv_lines_write_state(rv_json_writer *w, reeve_kernel *kernel, rv_lines_nodes which, const rv_json *names,
                                           rv_error *err);
/* {"events":[…]} of a row. CORRUPT: it is damaged; `w` may have been appended to. */
RV_MUST_USE rv_status rv_lines_write_events(rv_json_writer *w, reeve_kernel *kernel, const reeve_row *row, rv_error *err);

#endif
