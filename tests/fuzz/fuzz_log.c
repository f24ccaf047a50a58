/* fuzz_log.c: any bytes as a log file: readers end, recovery leaves a log that reads to its end, and takes more.
 *
 * An input that begins with 'F' is a list of frame bodies instead, {size u8, bytes}, which get true sizes and checks: so the
 * fields inside are reached, which a checksum would otherwise guard. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "blob/blob.h"
#include "blob/log_frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RUN RV_STR("fuzz")

static char root[256], dir[sizeof root + 8], path[sizeof dir + 16];

static void clean_up(void)
{
    (void)unlink(path);
    (void)rmdir(dir);
    (void)rmdir(root);
}

static void set_up(void)
{
    if (path[0]) return;
    const char *base = getenv("TMPDIR");
    (void)snprintf(root, sizeof root, "%s/rv-fuzz-log-XXXXXX", base ? base : "/tmp");
    RV_ASSERT(mkdtemp(root) != NULL);
    (void)snprintf(dir, sizeof dir, "%s/logs", root);
    (void)snprintf(path, sizeof path, "%s/fuzz.log", dir);
    RV_ASSERT(mkdir(dir, 0700) == 0);
    atexit(clean_up);
}

static void write_bytes(rv_str bytes)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    RV_ASSERT(fd >= 0);
    RV_ASSERT(write(fd, bytes.at, bytes.size) == (ssize_t)bytes.size);
    close(fd);
}

static void frames_of(rv_str list, rv_buf *out)
{
    rv_log_header_write(out, 1000);
    while (list.size > 0) {
        rv_str body = rv_str_cut(list, 1, (uint8_t)list.at[0]);
        size_t begin = out->size;
        (void)rv_buf_extend(out, 8);
        rv_buf_str_add(out, body);
        rv_frame_seal(out, begin, begin);
        list = rv_str_from(list, 1 + body.size);
    }
}

static rv_status see(void *user, uint32_t node, uint32_t epoch, int stream, int64_t wall_ms, uint64_t cut_before, rv_str bytes)
{
    (void)node, (void)epoch, (void)wall_ms, (void)cut_before;
    RV_ASSERT(stream == 1 || stream == 2);
    RV_ASSERT(bytes.size <= RV_FRAME_SIZE_MAX);
    ++*(uint32_t *)user;
    return RV_OK;
}

static rv_status see_chained(void *user, int stream, int64_t wall_ms, uint64_t cut_before, rv_str bytes)
{
    return see(user, 0, 0, stream, wall_ms, cut_before, bytes);
}

static void check_file(void)
{
    uint32_t before = 0, after = 0, chained = 0;
    uint64_t offset = 0, last = 0;
    rv_log_writer *log = NULL;
    rv_status scanned = rv_log_scan(root, RUN, &offset, see, &before, NULL);
    for (uint64_t at = RV_LOG_HEADER_SIZE; at < 200; at += 22) /* whatever offset is asked for: 22 is a corpus frame's size */
        (void)!rv_log_read(root, RUN, at, 0, see_chained, &chained, NULL);
    rv_status opened = rv_log_open(root, RUN, &log, NULL);
    if (opened != RV_OK) {
        RV_ASSERT(before == 0 && scanned == opened); /* the header is bad, for both */
        return;
    }
    rv_log_attempt *attempt = rv_log_attempt_new(log, 1, 1, 100, NULL);
    RV_ASSERT(rv_log_add(attempt, 1, 5, RV_STR("more"), NULL, NULL) == RV_OK);
    RV_ASSERT(rv_log_attempt_end(attempt, &last, NULL, NULL, NULL) == RV_OK);
    uint64_t torn_size = rv_log_torn_size(log);
    rv_log_close(log);
    chained = 0;
    RV_ASSERT(rv_log_read(root, RUN, last, 0, see_chained, &chained, NULL) == RV_OK);
    RV_ASSERT(chained == 1);
    offset = 0;
    rv_status again = rv_log_scan(root, RUN, &offset, see, &after, NULL);
    /* Damage before a whole last frame stays and is reported; else all that could be read before can be, and the new frame. */
    if (scanned == RV_OK || torn_size > 0) RV_ASSERT(again == RV_OK && after == before + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rv_str bytes = {(const char *)data, size};
    rv_buf built = {0};
    set_up();
    if (size > 0 && data[0] == 'F') {
        frames_of(rv_str_from(bytes, 1), &built);
        bytes = rv_buf_str(&built);
    }
    write_bytes(bytes);
    check_file();
    rv_buf_deinit(&built);
    return 0;
}
