/* base.c: statuses, errors, slices, the assertion hook. */
#include "base/base.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/util.h"

typedef struct status_row {
    const char *name, *text;
    int http, exit;
} status_row;

static const status_row status_rows[] = {
#define X(name_, text_, http_, exit_) {#name_, text_, http_, exit_},
    RV_STATUS_MAP(X)
#undef X
};

static const status_row status_row_none = {"UNLISTED", "unlisted status", 500, 75};

/* A status read from a file or a socket may be out of range: that is the world's failure, not ours. */
static const status_row *row_of(rv_status status)
{
    return (size_t)status < RV_COUNT(status_rows) ? &status_rows[status] : &status_row_none;
}

const char *rv_status_name(rv_status status) { return row_of(status)->name; }
const char *rv_status_text(rv_status status) { return row_of(status)->text; }
int rv_status_http(rv_status status) { return row_of(status)->http; }
int rv_status_exit(rv_status status) { return row_of(status)->exit; }

void rv_assert_fail(const char *file, int line, const char *condition)
{
    fprintf(stderr, "reeve: assertion failed: %s:%d: %s\n", file, line, condition);
    abort();
}

/* A text that was cut may end inside a character; drop what is left of it. */
static void trim_to_character(char *text, int wanted_size)
{
    size_t size = strlen(text);
    if (wanted_size < 0 || (size_t)wanted_size == size) return;
    size_t lead = size;
    while (lead > 0 && size - lead < 3 && ((unsigned char)text[lead - 1] & 0xc0) == 0x80) lead--;
    if (lead > 0 && (unsigned char)text[lead - 1] >= 0xc0) {
        lead--;
        if (rv_utf8_valid((rv_str){text + lead, size - lead}) == 0) text[lead] = 0;
    }
}

rv_status rv_error_set(rv_error *err, rv_status status, const char *fmt, ...)
{
    if (!err) return status;
    char text[RV_ERROR_TEXT_MAX]; /* apart, because an argument may point into err->text */
    va_list args;
    va_start(args, fmt);
    int wanted_size = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    trim_to_character(text, wanted_size);
    memcpy(err->text, text, strlen(text) + 1);
    err->status = status;
    return status;
}

rv_status rv_error_context(rv_error *err, const char *fmt, ...)
{
    if (!err) return RV_INVALID;
    char context[RV_ERROR_TEXT_MAX], text[RV_ERROR_TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    int context_size = vsnprintf(context, sizeof context, fmt, args);
    va_end(args);
    trim_to_character(context, context_size);
    size_t used = strlen(context), old_size = strlen(err->text);
    memcpy(text, context, used);
    for (const char *glue = ": "; *glue && used + 1 < sizeof text; glue++) text[used++] = *glue;
    size_t kept = RV_MIN(old_size, sizeof text - 1 - used);
    memcpy(text + used, err->text, kept);
    text[used + kept] = 0;
    if (kept < old_size) trim_to_character(text, (int)sizeof text);
    memcpy(err->text, text, used + kept + 1);
    return err->status;
}

int rv_str_cmp(rv_str a, rv_str b)
{
    size_t shared = RV_MIN(a.size, b.size);
    int order = shared ? memcmp(a.at, b.at, shared) : 0;
    if (order != 0) return order;
    return a.size < b.size ? -1 : a.size > b.size;
}

size_t rv_str_find(rv_str a, size_t from, char byte)
{
    if (from >= a.size) return SIZE_MAX;
    const char *hit = memchr(a.at + from, byte, a.size - from);
    return hit ? (size_t)(hit - a.at) : SIZE_MAX;
}
