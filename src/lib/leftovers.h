/* leftovers.h: end what a dead engine left running, before its store is used. */
#ifndef RV_LEFTOVERS_H
#define RV_LEFTOVERS_H

#include "store/store.h"

/* The mark that names the store for good, by which processes of a dead engine are known; from its leash, opened or stat'ed. */
struct stat;
void rv_leash_mark(const struct stat *leash, char ret[80]);

/* End every process of an engine that died on the store STORE_DIR; the owner lock is the caller's, and owner.lock still says what
 * the last owner wrote. Blocks until they are gone. Nothing is done after an owner that ended well.
 * TIMEOUT: some would not die in 10 s; STORE_IO: the leash or the store cannot be read. */
RV_MUST_USE rv_status rv_leftovers_kill(const char *store_dir, rv_store *store, rv_error *err);

#endif
