/* history.h: reading a run's journal through a client: events as JSON, and the checks of `reeve verify`. */
#ifndef RV_HISTORY_H
#define RV_HISTORY_H

#include "lib/client.h"

/* As rv_client_events and rv_client_verify, which are these. */
rv_status rv_history_events(rv_client *client, rv_str run, uint64_t after_seq, rv_client_event_fn *event, void *user, rv_error *err);
rv_status rv_history_verify(rv_client *client, rv_str run, rv_buf *out, rv_error *err);

#endif
