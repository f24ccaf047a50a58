/* log.c: diagnostics: one message, one line, one write. */
#include "base/util.h"

#include <errno.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/json.h"

static _Atomic int least_level = RV_LOG_INFO;
static _Atomic bool is_json;

void rv_log_set(rv_log_level least, bool as_json)
{
    atomic_store(&least_level, (int)least);
    atomic_store(&is_json, as_json);
}

static const char *name_of(rv_log_level level)
{
    switch (level) {
    case RV_LOG_DEBUG: return "debug";
    case RV_LOG_INFO: return "info";
    case RV_LOG_WARN: return "warning";
    case RV_LOG_ERROR: return "error";
    }
    RV_UNREACHABLE();
}

/* A message may quote what strangers wrote: control bytes would break the line or drive the terminal. */
static void add_printable(rv_buf *line, rv_str message)
{
    for (size_t i = 0; i < message.size; i++) {
        unsigned char byte = (unsigned char)message.at[i];
        if (byte == '\n') rv_buf_cstring(line, "\\n");
        else if (byte == '\t') rv_buf_byte(line, '\t');
        else if (byte < 0x20 || byte == 0x7f) rv_buf_printf(line, "\\x%02x", byte);
        else rv_buf_byte(line, (char)byte);
    }
}

static void add_json(rv_buf *line, rv_log_level level, rv_str message)
{
    rv_json_writer w;
    rv_json_writer_init(&w, line, 0);
    rv_jw_object(&w);
    rv_jw_kv_cstring(&w, "level", name_of(level));
    rv_jw_kv_str(&w, "message", message);
    rv_jw_object_end(&w);
}

/* There is nobody to tell when stderr fails: what cannot be written is dropped. */
static void write_line(rv_str line)
{
    while (line.size > 0) {
        ssize_t written = write(STDERR_FILENO, line.at, line.size);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return;
        line = rv_str_from(line, (size_t)written);
    }
}

void rv_log(rv_log_level level, const char *fmt, ...)
{
    if ((int)level < atomic_load_explicit(&least_level, memory_order_relaxed)) return;
    int saved_errno = errno;
    rv_buf message = {0}, line = {0};
    va_list args;
    va_start(args, fmt);
    rv_buf_vprintf(&message, fmt, args);
    va_end(args);
    if (atomic_load_explicit(&is_json, memory_order_relaxed)) {
        add_json(&line, level, rv_buf_str(&message));
    } else {
        rv_buf_printf(&line, "reeve: %s: ", name_of(level));
        add_printable(&line, rv_buf_str(&message));
    }
    rv_buf_byte(&line, '\n');
    write_line(rv_buf_str(&line));
    rv_buf_deinit(&line);
    rv_buf_deinit(&message);
    errno = saved_errno;
}
