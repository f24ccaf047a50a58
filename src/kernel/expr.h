/* expr.h: conditions and `set` expressions over values [W13]. Pure: no allocation but from the arena given.
 *
 *   or    = and  ( "||" and )*            values are JSON; references ${…} are evaluated as values, never spliced
 *   and   = not  ( "&&" not )*            && || ! need booleans; anything else there is an error that names it
 *   not   = "!" not | cmp
 *   cmp   = term ( ("=="|"!="|"<"|"<="|">"|">="|"in") term )?
 *   term  = "(" or ")" | string | number | true | false | null | ${path} | ${path:-text} | name "(" args ")"
 *   name  = contains(haystack, needle) | startswith(text, prefix)
 *
 * == and != compare any two values; numbers by value. < <= > >= need two numbers or two strings (by bytes).
 * `x in y`: y an array (member) or string (substring); contains(y, x) is the same.
 * && and || do not look at their right side once the left one decides: nothing there is resolved, no kind is checked.
 * A default replaces what is missing or null; `text` is a value when it is a JSON number, true, false or null.
 * Strings stand in " or '; docs/expressions.md is the manual. Evaluated with an explicit stack; nesting ≤ 64. */
#ifndef RV_EXPR_H
#define RV_EXPR_H

#include "base/json.h"

/* Look `path` up. Returns a JSON value in the arena, or NULL for missing (an error unless it has a default). */
typedef const rv_json *rv_expr_resolve_fn(void *user, rv_arena *arena, rv_str path);
/* Syntax check; `ref` (may be NULL) is called for each reference with its offset, in order, also for those before an
 * error. RV_INVALID: err says what was expected, *ret_offset (may be NULL) at which byte. O(size of text). */
typedef void rv_expr_ref_fn(void *user, rv_str path, bool has_default, size_t offset);
RV_MUST_USE rv_status rv_expr_check(rv_str text, rv_expr_ref_fn *ref, void *user, size_t *ret_offset, rv_error *err);
/* *ret lives in the arena, is a constant, or is what the resolver returned; `text` may go. Any kind of value: a condition
 * must see to it that it is a boolean. RV_INVALID: a missing reference, a type error; err names the offset, the operand's
 * source and its kind, never its value (it may be a secret); *ret untouched. O(size of text + of the values compared). */
RV_MUST_USE rv_status rv_expr_eval(rv_arena *arena, rv_str text, rv_expr_resolve_fn *resolve, void *user, const rv_json **ret,
                                   rv_error *err);

#endif
