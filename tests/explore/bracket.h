/* bracket.h: how controllers must have ended, computed from nothing but their children's outcomes and answers, by ids [K1]. */
#ifndef RV_BRACKET_H
#define RV_BRACKET_H

#include "kernel/run.h"

/* An explore_oracle: each foreach, loop, classify and tournament of elimination of a run that is over and was not
 * cut short: what it says is what its children say, computed again by the obvious way. */
const char *bracket_check(const rv_run *run, const void *user, bool *ret_was_asked);

#endif
