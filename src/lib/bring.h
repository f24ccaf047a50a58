/* bring.h: files that a program names as artifacts of an attempt, copied to where the attempt's command would have written them. */
#ifndef RV_BRING_H
#define RV_BRING_H

#include "base/base.h"
#include "reeve.h"

/* Copy artifacts[0..artifact_count), name and path each, into `dir`, the attempt's $REEVE_ARTIFACTS (NULL: it has none). A copy,
 * since the program's file may change. INVALID: a name that leads elsewhere, twice the same, no regular file; NOT_FOUND, IO,
 * STORE_FULL: as reading and writing. After a failure what was copied is gone again. Blocks on the disk. */
RV_MUST_USE rv_status rv_bring_artifacts(const char *dir, const reeve_var *artifacts, size_t artifact_count, rv_error *err);

#endif
