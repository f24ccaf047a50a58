/* pinned.h: the definition of a run that is in the store, with the values that were recorded for it [W12, W34, E31]. */
#ifndef RV_PINNED_H
#define RV_PINNED_H

#include "spec/spec.h"
#include "store/store.h"

typedef struct rv_pinned {
    const rv_param_value *vars; uint32_t var_count; /* where secret params are found; others keep their recorded values */
    const char *const *environ;                     /* behind the recorded ${env.K}; NULL-terminated */
    const char *const *reducers;                    /* of the host; NULL-terminated; NULL: none */
} rv_pinned;

/* Load the definition of `row`. *ret is written on RV_OK only; free it with rv_spec_free. `arena` must outlive it no longer
 * than the call. INVALID: a secret is missing (err names it), or the definition does not load; NOT_FOUND, CORRUPT, STORE_IO. */
RV_MUST_USE rv_status rv_pinned_load(const rv_pinned *pinned, rv_store *store, const rv_run_row *row, rv_arena *arena,
                                     rv_spec **ret, rv_error *err);

#endif
