/* workload.h: a script of batches whose every prefix can be told: for faults, power loss and crashes. */
#ifndef TESTS_STORE_WORKLOAD_H
#define TESTS_STORE_WORKLOAD_H

#include "fixture.h"

/* The batch number `n` of the script, n ≥ 1; made again with the same content if it failed. */
rv_batch *workload_batch(uint64_t n);
/* How much of the script is in the store; fails the test if that is no prefix: a row too many, too few or with the wrong
 * content, a gap in a journal. */
uint64_t workload_check(rv_store *store);
/* SQLite's own opinion of the database in `folder`: fails the test unless it is "ok". The store must be closed. */
void database_check(const char *folder);

#endif
