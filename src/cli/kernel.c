/* kernel.c: `reeve kernel`: lib/lines.h on standard input and output. */
#include <errno.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/verbs.h"
#include "lib/lines.h"

#define READ_SIZE (64u * 1024)

typedef struct feed {
    rv_lines *lines;
    rv_buf in, out;
    size_t begin, searched; /* of the line that is not complete; up to where no newline was found */
    bool is_skipping;       /* the rest of a line that was too long */
} feed;

static void refuse_long(feed *f)
{
    f->is_skipping = true;
    rv_buf_printf(&f->out, "{\"v\":%d,\"error\":{\"status\":\"LIMIT\",\"text\":\"a line is over 512 MiB; replay in several lines\"}}\n",
                  RV_LINES_VERSION);
}

/* Take every complete line; at the end of the input also what has no newline. */
static void take_lines(feed *f, bool is_end)
{
    for (;;) {
        size_t end = rv_str_find(rv_buf_str(&f->in), f->searched, '\n');
        if (end == SIZE_MAX && is_end && f->begin < f->in.size) end = f->in.size;
        if (end == SIZE_MAX) break;
        if (!f->is_skipping) rv_lines_take(f->lines, rv_str_cut(rv_buf_str(&f->in), f->begin, end - f->begin), &f->out);
        f->is_skipping = false;
        f->begin = f->searched = RV_MIN(end + 1, f->in.size);
    }
    f->searched = f->in.size;
    if (f->in.size - f->begin > RV_LINE_SIZE_MAX && !f->is_skipping) refuse_long(f);
    if (f->is_skipping) f->begin = f->in.size;
    if (f->begin == 0) return;
    memmove(f->in.at, f->in.at + f->begin, f->in.size - f->begin);
    f->in.size -= f->begin;
    f->searched -= f->begin;
    f->begin = 0;
}

static rv_status read_more(feed *f, bool *ret_is_end, rv_error *err)
{
    rv_status status = rv_buf_reserve(&f->in, READ_SIZE);
    if (status != RV_OK) return rv_error_set(err, status, "no memory for a line");
    ssize_t got = read(STDIN_FILENO, f->in.at + f->in.size, READ_SIZE);
    if (got < 0 && errno == EINTR) return RV_OK;
    if (got < 0) return rv_error_set(err, RV_IO, "standard input cannot be read: %s", strerror(errno));
    rv_buf_extend(&f->in, (size_t)got);
    *ret_is_end = got == 0;
    return RV_OK;
}

int rv_verb_kernel(const rv_args *args)
{
    feed f = {.lines = rv_lines_new()};
    rv_error err = {0};
    rv_status status = RV_OK;
    for (bool is_end = false; !is_end && status == RV_OK;) {
        status = read_more(&f, &is_end, &err);
        if (status == RV_OK) take_lines(&f, is_end);
        rv_ui_out(rv_buf_str(&f.out));
        rv_buf_clear(&f.out);
    }
    rv_lines_free(f.lines);
    rv_buf_deinit(&f.in);
    rv_buf_deinit(&f.out);
    return status == RV_OK ? 0 : rv_cli_fail(args, &err);
}
