/* glob.h: patterns of paths, as they stand in `inputs`, `outputs` and `projects` of a workflow file [W7, W20].
 *
 *   *        any characters of one name, none too; never `/`
 *   ?        one character (of UTF-8; a byte that is none counts as one)
 *   [a-z_]   one of these characters; [!…] or [^…]: one that is not; `]` first in it is itself
 *   {a,b/c}  either; nested at most RV_GLOB_DEPTH_MAX deep, RV_GLOB_ALTERNATIVES_MAX in all; one alternative alone is refused.
 *            Two stars that meet only when braces are replaced are two `*`
 *   **       a whole component: any number of components. At the end at least one: behind `src/`, all beneath src, not src
 *   \x       the character x itself
 *   /x       from the root; `x` from the directory `base`; `.` and `..` are resolved by text, and `..` never leaves the root
 *
 * Names that begin with `.` are matched only by a component that begins with a literal `.`, as in the shell; `**` is the exception:
 * it goes through hidden names too (src/.env is beneath src: an input that was silently left out would be a wrong hit), but
 * never through `.git` or `.reeve`, at any depth. A pattern that begins with `!` is refused: it would be taken for an exclusion.
 *
 * A path is relative to the root, `/` between its names, no `.`, no `..`, no empty name. A match costs at most
 * alternatives × components of both × size of a name squared, whatever the pattern; nothing recurses. Pure: no file is looked at. */
#ifndef RV_GLOB_H
#define RV_GLOB_H

#include "base/mem.h"

#define RV_GLOB_SIZE_MAX 4096        /* bytes of a pattern, and of its base */
#define RV_GLOB_ALTERNATIVES_MAX 256 /* of all braces, multiplied */
#define RV_GLOB_DEPTH_MAX 8          /* braces within braces */
#define RV_GLOB_COMPONENTS_MAX 63    /* of one alternative, base included */

typedef struct rv_glob rv_glob; /* lives in the arena that it was compiled into; never changes: any thread may match */

typedef struct rv_glob_problem {
    size_t at;              /* byte of the pattern, 0..size */
    const char *what, *cure; /* constant text; cure may be "" */
} rv_glob_problem;

/* Compile `pattern`, which is borrowed for the call.
 *
 * base         directory that a pattern without a leading `/` begins in, as a path from the root ("" is the root); taken literally
 * arena        owns *ret
 * ret          written on RV_OK only
 * ret_problem  written on the others only; NULL: not wanted
 *
 * RV_INVALID  no such pattern;  RV_LIMIT  over one of the bounds above. Linear in the pattern times its alternatives. */
RV_MUST_USE rv_status rv_glob_compile(rv_str pattern, rv_str base, rv_arena *arena, const rv_glob **ret, rv_glob_problem *ret_problem);

/* Whether `path` (from the root, see above; not empty) is one that the pattern means. */
bool rv_glob_match(const rv_glob *glob, rv_str path);

/* The deepest directory, as a path from the root ("" is the root), beneath which every match lies: where a walk begins. Of a literal
 * it is the directory around it. Lives as long as the glob. */
rv_str rv_glob_prefix(const rv_glob *glob);

/* Whether something beneath the directory `dir` (a path from the root; "" is the root) may match: false prunes a walk. Never false when
 * something does. */
bool rv_glob_may_hold(const rv_glob *glob, rv_str dir);

/* The one path that the pattern means, when it has no wildcard and no alternatives (escapes and dots resolved), else {NULL, 0}. Lives as
 * long as the glob. */
rv_str rv_glob_literal(const rv_glob *glob);

/* Append `text` with each character that a pattern reads otherwise behind a `\`, so that it is a pattern that means itself. */
void rv_glob_escape(rv_buf *out, rv_str text);

#endif
