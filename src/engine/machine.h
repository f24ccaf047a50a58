/* machine.h: caps and mutexes that all of a user's engines on this machine share [A7].
 *
 * One small file each, in a directory of the user's, with locks on its bytes (open file description locks, fcntl(2)); they are the
 * kernel's, so a killed holder frees them at once:
 *
 *     mutex-NAME   byte 0: the mutex, read for shared, write for exclusive
 *                  byte 1: held for writing by an exclusive one that waits; who shares needs it for a moment, so that he cannot starve it
 *     tag-NAME     byte N: slot N of the cap; an engine uses as many as its own file says
 *     both         from byte 4096 on, 256 bytes each: who holds slot N, for people
 *
 * What one engine holds it holds once, however many of its nodes share it; that these agree is the admission's business (admit.h). A
 * release writes to the file, and who waits has the directory watched: nobody polls. Of a holder that died the kernel tells a moment
 * before it frees, so after each word it is tried again a few times.
 *
 * The directory: $REEVE_HOST_LOCKS, else /run/lock/reeve-UID where /run/lock can be written, else /tmp/reeve-UID; 0700. */
#ifndef RV_MACHINE_H
#define RV_MACHINE_H

#include "base/mem.h"
#include "base/util.h"

struct rv_engine;
struct rv_job;
typedef enum rv_machine_answer {
    RV_MACHINE_HAS,      /* it has what it needs of the machine, or needs nothing */
    RV_MACHINE_TAG,      /* a cap is used up: its tag is blocked until something is freed (rv_admit_tag) */
    RV_MACHINE_MUTEX,    /* a mutex is held elsewhere */
    RV_MACHINE_BROKEN,   /* the files cannot be used: err says why */
} rv_machine_answer;
/* Take all that `node`, which holds its mutexes here, needs of the machine, or nothing (HAS: it has all; else none of it). TAG, MUTEX:
 * what is not to be had is waited for from then on: who waits is admitted again (rv_admit_retry) when something may have been freed. */
rv_machine_answer rv_machine_take(struct rv_job *job, uint32_t node, rv_error *err);
/* Give back what a node has of the machine, if anything; also when it only waits. RV_NONE: all of the run's. */
void rv_machine_give(struct rv_job *job, uint32_t node);
void rv_machine_close(struct rv_engine *engine); /* gives all back */

/* Who holds a mutex or a slot of a cap, one line for each, appended to `out`; nothing: nobody does. environ: for REEVE_HOST_LOCKS. */
void rv_machine_holders(const char *const *environ, bool is_tag, rv_str name, rv_buf *out);

#endif
