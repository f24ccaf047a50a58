/* control.h: the owner's socket: JSON lines, one request, one answer (docs/control.md). 0600, peer credentials checked:
 * only the same user, or root. */
#ifndef RV_CONTROL_H
#define RV_CONTROL_H

#include "engine/engine.h"

#define RV_CONTROL_REQUEST_MAX (4u << 20) /* bytes of one request line */
#define RV_CONTROL_CLIENTS_MAX 64u

typedef struct rv_control rv_control;
/* Listen on `path` (a stale one is replaced: the owner lock is ours). STORE_IO. */
RV_MUST_USE rv_status rv_control_open(rv_engine *engine, rv_store *store, rv_loop *loop, const char *path, rv_control **ret, rv_error *err);
void rv_control_close(rv_control *control); /* NULL is legal */
/* A tally as the socket and `reeve cache --json` tell it: one object. */
void rv_cache_tally_write(rv_json_writer *w, const rv_cache_tally *tally);
/* Something happened: answer those who wait for it. */
void rv_control_notify(rv_control *control);

#endif
