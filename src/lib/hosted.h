/* hosted.h: an executor over the engine's own: it offers each attempt to those that a program registered, and starts a process
 * for what none of them takes. To the engine it is an executor as any (exec.h); results go the way of commands, through
 * $REEVE_OUTPUT and $REEVE_ARTIFACTS, so that they are masked, checked and kept alike. */
#ifndef RV_HOSTED_H
#define RV_HOSTED_H

#include "engine/engine.h"
#include "reeve.h"

/* Make it over `inner`, which is taken. callback_depth: raised while a program's function is called; must outlive it. */
rv_exec *rv_hosted_new_take(rv_loop *loop, rv_exec *inner, int *callback_depth);
/* What its attempts belong to; before the first attempt. */
void rv_hosted_bind(rv_exec *exec, rv_engine *engine);
void rv_hosted_add(rv_exec *exec, const reeve_executor *executor); /* copied; asked after those before */
/* An attempt that was taken has ended. NOT_FOUND: no such run or node; CONFLICT: nobody carries out that epoch of it any more, nothing
 * changed; INVALID, LIMIT: the event is malformed, nothing changed. */
RV_MUST_USE rv_status rv_hosted_complete(rv_exec *exec, rv_str run, const reeve_event *completed, rv_error *err);
/* Bytes that it wrote. Errors as rv_hosted_complete. */
RV_MUST_USE rv_status rv_hosted_output(rv_exec *exec, rv_str run, rv_str node, uint32_t epoch, int stream, rv_str bytes, rv_error *err);

#endif
