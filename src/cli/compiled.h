/* compiled.h: the folder of compiled forms, STORE/compiled: which of them stay.
 *
 * A form is found by the hash of its source, so each edit of a large file leaves one that nobody may ever ask for again. What its file's
 * time says is when it was used last, within a day. Losing one costs reading its source again. Who has one mapped keeps it: a mapping
 * outlives its name. */
#ifndef RV_COMPILED_H
#define RV_COMPILED_H

#include <stdbool.h>

#define RV_COMPILED_FORMS_MAX 32u               /* that stay */
#define RV_COMPILED_BYTES_MAX (256u << 20)      /* of all of them, but for the newest, which stays whatever its size */
#define RV_COMPILED_AGE_MAX_S (30 * 86400)      /* unused for longer: it goes */
#define RV_COMPILED_UNFINISHED_MAX_S 86400      /* what somebody began to write and did not rename since */

/* Whether there is a form that can be read at `path`; it counts as used now. */
bool rv_compiled_use(const char *path);
/* One was added to `dir`: remove those that are too old, then, those used least recently first, what is more than the limits. Nothing else
 * in the folder is touched; a failure leaves more than that. */
void rv_compiled_clean(const char *dir);

#endif
