/* trespass.h: nodes of a run that are at odds about a file [A8]: two that made the same one, or one that made what a node that it
 * depends on had read as its input. Kept in mind only in runs in which loading could not rule it out (RV_NODE_F_AT_ODDS): outputs with
 * wildcards, an input that a node makes which is not waited for. Each path of the run's files is then known once. */
#ifndef RV_TRESPASS_H
#define RV_TRESPASS_H

#include "base/mem.h"
#include "base/util.h"

struct rv_job;
typedef struct rv_trespass rv_trespass;
/* Whether files have to be kept in mind for this run. O(1) but for the first time and after the run grew. */
bool rv_trespass_is_watched(struct rv_job *job);
/* `node` has read `path` (relative to the root) as one of its inputs. */
void rv_trespass_read(struct rv_job *job, uint32_t node, rv_str path);
/* `node` has made it. What it is at odds with is stepped at once. */
void rv_trespass_made(struct rv_job *job, uint32_t node, rv_str path);
/* What `node` made cannot be looked at: whoever watches the run is told, with `why`. */
void rv_trespass_unseen(struct rv_job *job, uint32_t node, const char *why);
void rv_trespass_free(rv_trespass *trespass); /* NULL is legal */

#endif
