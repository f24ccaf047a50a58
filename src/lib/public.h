/* public.h: what the parts of include/reeve.h share: the engine's calls (public.c) and the kernel's (kernel.h). */
#ifndef RV_PUBLIC_H
#define RV_PUBLIC_H

#include "base/mem.h"
#include "reeve.h"
#include "spec/spec.h"

#include <stdio.h>

/* Copy an error out (NULL: nowhere); returns its status. */
reeve_status rv_public_give(const rv_error *from, reeve_error *error);
/* Load a workflow as reeve_submit says. ret_problems: NULL, or the problems as text, which the host frees; NULL when there are none.
 * INVALID: err counts the problems; *ret is untouched. */
RV_MUST_USE rv_status rv_public_load(const reeve_workflow *workflow, const char *directory, const char *const *environ,
                                     const char *const *reducers, rv_spec **ret, char **ret_problems, rv_error *err);

#endif
