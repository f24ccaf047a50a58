/* select.h: which nodes of a workflow a run is of [W21, W30]. */
#ifndef RV_SELECT_H
#define RV_SELECT_H

#include "cli/changed.h"
#include "cli/load.h"

/* The words of `run`: FILE, if the first one is it or -f names it, and the REFs. Words are borrowed. */
typedef struct rv_select {
    const char *file; /* NULL: not named */
    RV_VEC(const char *) refs;
    bool is_all, is_changed;
    rv_changed changed; /* with is_changed */
} rv_select; /* {0} */

/* INVALID: FILE is named twice, or what excludes each other was given. */
RV_MUST_USE rv_status rv_select_read(rv_select *select, const rv_args *args, rv_error *err);
/* Let load->spec be the part that is meant; all of it: unchanged. *ret_count: how many nodes were asked for; 0: nothing changed, and
 * load is unchanged. NOT_FOUND: no such node; those of rv_changed_nodes: load unchanged. */
RV_MUST_USE rv_status rv_select_apply(const rv_select *select, rv_load *load, uint32_t *ret_count, rv_error *err);
/* The part of load->spec that a run of `only` (JSON list of nodes; size 0: no part) is of. NOT_FOUND: a node is gone; load unchanged. */
RV_MUST_USE rv_status rv_select_again(rv_str only, rv_load *load, rv_error *err);
/* The same of a spec that was loaded from `input`: *spec is freed and becomes its part. */
RV_MUST_USE rv_status rv_select_part(rv_str only, rv_spec **spec, const rv_spec_input *input, rv_error *err);
/* The one node that a REF means for somebody who stands in the directory `stood` (from the root; size 0: there). RV_NONE: none, or
 * several. */
uint32_t rv_select_node(const rv_graph *graph, rv_str stood, rv_str word);
void rv_select_deinit(rv_select *select);

#endif
