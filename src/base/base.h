/* base.h: what every file may use: slices, statuses, errors, assertions.
 *
 * The world fails: return a status. We fail: assert. Never mix the two. */
#ifndef RV_BASE_H
#define RV_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define RV_MUST_USE __attribute__((warn_unused_result))
#define RV_PRINTF(fmt_, args_) __attribute__((format(printf, fmt_, args_)))
#define RV_NORETURN __attribute__((noreturn))
#define RV_START __attribute__((hot)) /* code of every start: it stands together in the program, so that few pages are touched */
#define RV_COUNT(array_) (sizeof(array_) / sizeof((array_)[0]))
/* An argument of these two is evaluated twice: no calls with effects in them. */
#define RV_MIN(a_, b_) ((a_) < (b_) ? (a_) : (b_))
#define RV_MAX(a_, b_) ((a_) > (b_) ? (a_) : (b_))
#define RV_NONE UINT32_MAX /* "no such index" */

/* The assertion hook: prints `file:line: condition`, then aborts. Assertions stay on in release builds. */
RV_NORETURN void rv_assert_fail(const char *file, int line, const char *condition);
#define RV_ASSERT(cond_) ((cond_) ? (void)0 : rv_assert_fail(__FILE__, __LINE__, #cond_))
#define RV_UNREACHABLE() rv_assert_fail(__FILE__, __LINE__, "unreachable")

/* ---- statuses ---------------------------------------------------------- */

#define RV_STATUS_MAP(X) /* name, text, http, exit */                   \
    X(OK, "ok", 200, 0)                                                 \
    X(INVALID, "invalid input", 400, 2)                                 \
    X(DENIED, "not permitted", 403, 1)                                  \
    X(NOT_FOUND, "no such object", 404, 3)                              \
    X(CONFLICT, "state has moved on", 409, 4)                           \
    X(LIMIT, "a stated limit is exceeded", 413, 2)                      \
    X(UNSUPPORTED, "not supported by this version", 501, 2)             \
    X(NO_MEMORY, "out of memory", 503, 75)                              \
    X(IO, "input/output failed", 500, 75)                               \
    X(STORE_IO, "storage failed", 503, 75)                              \
    X(STORE_FULL, "storage is full", 507, 75)                           \
    X(UNKNOWN, "the outcome of a write is not known", 503, 75)          \
    X(CORRUPT, "stored data is damaged", 500, 75)                       \
    X(UNAVAILABLE, "not available just now", 503, 75)                   \
    X(TIMEOUT, "took too long", 504, 124)

typedef enum rv_status {
#define X(name_, text_, http_, exit_) RV_##name_,
    RV_STATUS_MAP(X)
#undef X
} rv_status;

/* Name ("NOT_FOUND"), text, HTTP status and process exit status of `status`. Never NULL. Pure. */
const char *rv_status_name(rv_status status);
const char *rv_status_text(rv_status status);
int rv_status_http(rv_status status);
int rv_status_exit(rv_status status);

#define RV_ERROR_TEXT_MAX 1024
typedef struct rv_error {
    rv_status status;
    char text[RV_ERROR_TEXT_MAX]; /* NUL-terminated; names the object, what was wrong, what to do; cut at the maximum */
} rv_error;

/* Set *err (NULL: ignored) and return `status`, so that `return rv_error_set(err, RV_IO, "…")` reads well. */
rv_status rv_error_set(rv_error *err, rv_status status, const char *fmt, ...) RV_PRINTF(3, 4);
/* Put `context: ` before the text; keeps the status and returns it. Once per layer.
 * NULL: nothing to do; returns RV_INVALID, so who accepts a NULL err keeps the status himself. */
rv_status rv_error_context(rv_error *err, const char *fmt, ...) RV_PRINTF(2, 3);

/* ---- slices: bytes that somebody else owns; not NUL-terminated ---------- */

typedef struct rv_str {
    const char *at; /* may be NULL when size is 0 */
    size_t size;    /* bytes */
} rv_str;

#define RV_STR(literal_) ((rv_str){(literal_), sizeof(literal_) - 1})
#define RV_FMT(str_) (int)(str_).size, (str_).at /* for "%.*s" */
static inline rv_str rv_str_of(const char *cstring) { return (rv_str){cstring, cstring ? strlen(cstring) : 0}; }
static inline bool rv_str_eq(rv_str a, rv_str b) { return a.size == b.size && (a.size == 0 || memcmp(a.at, b.at, a.size) == 0); }
static inline bool rv_str_is(rv_str a, const char *cstring) { return rv_str_eq(a, rv_str_of(cstring)); }
static inline bool rv_str_starts(rv_str a, rv_str prefix)
{
    return a.size >= prefix.size && rv_str_eq((rv_str){a.at, prefix.size}, prefix);
}
static inline bool rv_str_ends(rv_str a, rv_str suffix)
{
    return a.size >= suffix.size && (suffix.size == 0 || memcmp(a.at + a.size - suffix.size, suffix.at, suffix.size) == 0);
}
/* What is left of `a` after its first `offset` bytes; and at most `size` bytes of that. Past the end: empty. */
static inline rv_str rv_str_from(rv_str a, size_t offset)
{
    return offset >= a.size ? (rv_str){NULL, 0} : (rv_str){a.at + offset, a.size - offset};
}
static inline rv_str rv_str_cut(rv_str a, size_t offset, size_t size)
{
    rv_str rest = rv_str_from(a, offset);
    return (rv_str){rest.at, RV_MIN(rest.size, size)};
}
/* <0, 0, >0 by bytes, then by size. Pure. */
int rv_str_cmp(rv_str a, rv_str b);
/* Index of the first `byte` at or after `from`, or SIZE_MAX. Pure. */
size_t rv_str_find(rv_str a, size_t from, char byte);

/* ---- time: comes in as a parameter, never read below loop/ ------------- */

typedef struct rv_now {
    int64_t wall_ms;   /* ms since the Unix epoch; may jump */
    int64_t engine_ms; /* ms; begins at the wall clock or the stored high-water mark, whichever is later; never goes back */
} rv_now;

#endif
