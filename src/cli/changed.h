/* changed.h: the nodes of a graph whose inputs changed, as git tells it [W21]. */
#ifndef RV_CHANGED_H
#define RV_CHANGED_H

#include "cli/load.h"

/* What `--changed`, `--since REV` and `--staged` ask for. */
typedef struct rv_changed {
    const char *since; /* NULL: HEAD */
    bool is_staged;    /* the index against HEAD; else the working tree, untracked files too, against `since` */
} rv_changed;

/* Set named[node] to 1 for the nodes of load->spec that changed, and for all that depend on them over hard edges; *ret_count: how many
 * those are.
 *
 * INVALID: no git, no repository, no such revision; git's own words are in err. IO: git cannot be started. */
RV_MUST_USE rv_status rv_changed_nodes(const rv_changed *changed, const rv_load *load, uint8_t *named, uint32_t *ret_count, rv_error *err);

#endif
