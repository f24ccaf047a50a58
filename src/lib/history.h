/* history.h: reading a run's journal through a client: events as JSON, and the checks of `reeve verify`. */
#ifndef RV_HISTORY_H
#define RV_HISTORY_H

#include "lib/client.h"

/* A run as its journal tells it: read so far, and the state that this makes. */
typedef struct rv_history rv_history;
/* client is borrowed. NOT_FOUND: no such run; CORRUPT: its pinned workflow does not load. Nothing of the journal is read yet. */
RV_MUST_USE rv_status rv_history_open(rv_client *client, rv_str run, rv_history **ret, rv_error *err);
/* Read what the journal has beyond what was read before, apply it, and call `event` (NULL: nobody) for each event, in
 * order: as one JSON object {"seq","at","type",…} (docs/json.md). Returns the callback's first status that is not RV_OK; the event
 * that it was given counts as read. CORRUPT: a row cannot be read. */
RV_MUST_USE rv_status rv_history_read(rv_history *history, rv_client_event_fn *event, void *user, rv_error *err);
/* The state; the history's own, to look at. NULL: a recorded fact was not possible, and ret_broken says which (see rv_client_verify). */
struct rv_run *rv_history_run(rv_history *history, rv_error *ret_broken);
/* The definition that the run has pinned, without values. */
const struct rv_spec *rv_history_spec(const rv_history *history);
void rv_history_close(rv_history *history); /* NULL is legal */

/* As rv_client_verify, which is this. */
rv_status rv_history_verify(rv_client *client, rv_str run, rv_buf *out, rv_error *err);

#endif
