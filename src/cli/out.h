/* out.h: standard output while a run is driven: what rv_ui_out is given waits in memory and a thread writes it, so that a
 * reader who stands still (a pager, a stopped terminal) holds up neither timers nor signals. Verbs that only print do
 * without: there rv_ui_out writes at once. One at a time in a process. */
#ifndef RV_OUT_H
#define RV_OUT_H

#include "base/base.h"
#include "loop/loop.h"

/* From now on rv_ui_out only adds to what waits; a file, where no reader can stand still, is written at once. `failed` is called
 * once, by the loop, when a write failed; from then on what is given is dropped. IO: no descriptor or no thread for it;
 * rv_ui_out writes at once as before. */
RV_MUST_USE rv_status rv_out_begin(rv_loop *loop, rv_loop_fn *failed, void *user, rv_error *err);
/* Bytes that are not written yet; 0 after a failure. Never limited here: who gives what may be left out looks at this first. */
size_t rv_out_waiting(void);
/* errno of the write that failed; 0: none did. Any time, also after rv_out_end. */
int rv_out_error(void);
/* What is told of an errno that writing to standard output gave. */
const char *rv_out_error_text(int error);
/* Stay in the loop until nothing waits any more or *is_given_up is not 0, which a signal may set. */
void rv_out_drain(rv_loop *loop, const int *is_given_up);
/* Back to writing at once. What still waits is lost, and its thread is left to the end of the process. Before rv_loop_free. */
void rv_out_end(void);

#endif
