/* test_log.c: what was written is read back, per attempt and in order; a crash costs at most the frame it tore [E32]. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "blob/blob.h"
#include "blob/log_frame.h"
#include "blob/log_tail.h"
#include "folder.h"

#define RUN RV_STR("run-1")
#define SIZE_MAX_WIDE (1u << 20)

/* ------------------------------------------------------------- the scene */

static char root[64];

static int setup(void **state)
{
    (void)state;
    return make_folder(root, sizeof root, "rv-log");
}

static const char *log_path(void)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/logs/run-1.log", root);
    return path;
}

static int teardown(void **state)
{
    (void)state;
    return remove_at(AT_FDCWD, root);
}

static rv_log_writer *open_log(void)
{
    rv_log_writer *log = NULL;
    rv_error err = {0};
    if (rv_log_open(root, RUN, &log, &err) != RV_OK) fail_msg("%s", err.text);
    return log;
}

static void add(rv_log_attempt *attempt, int stream, int64_t wall_ms, const char *text)
{
    assert_int_equal(rv_log_add(attempt, stream, wall_ms, rv_str_of(text), NULL, NULL), RV_OK);
}

static uint64_t end(rv_log_attempt *attempt)
{
    uint64_t last = 0;
    assert_int_equal(rv_log_attempt_end(attempt, &last, NULL, NULL, NULL), RV_OK);
    return last;
}

static void read_file(rv_buf *out)
{
    FILE *file = fopen(log_path(), "rb");
    assert_non_null(file);
    rv_buf_clear(out);
    for (int byte; (byte = fgetc(file)) != EOF;) rv_buf_byte(out, (char)byte);
    fclose(file);
}

static void write_file(rv_str bytes)
{
    FILE *file = fopen(log_path(), "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes.at, 1, bytes.size, file), bytes.size);
    assert_int_equal(fclose(file), 0);
}

/* One line a frame: "stream@wall[+cut]:bytes|". */
static rv_status print_frame(void *user, int stream, int64_t wall_ms, uint64_t cut_before, rv_str bytes)
{
    rv_buf_printf(user, "%d@%lld", stream, (long long)wall_ms);
    if (cut_before) rv_buf_printf(user, "+%llu", (unsigned long long)cut_before);
    rv_buf_printf(user, ":%.*s|", RV_FMT(bytes));
    return RV_OK;
}

static rv_status print_scanned(void *user, uint32_t node, uint32_t epoch, int stream, int64_t wall_ms, uint64_t cut_before, rv_str bytes)
{
    rv_buf_printf(user, "n%ue%u ", node, epoch);
    return print_frame(user, stream, wall_ms, cut_before, bytes);
}

static const char *read_back(uint64_t last, int stream)
{
    static rv_buf out;
    rv_error err = {0};
    rv_buf_clear(&out);
    rv_buf_cstring(&out, "");
    rv_status status = rv_log_read(root, RUN, last, stream, print_frame, &out, &err);
    if (status != RV_OK) {
        rv_buf_clear(&out);
        rv_buf_printf(&out, "%s", rv_status_name(status));
    }
    return out.at ? out.at : "";
}

/* ------------------------------------------------------------------- basics */

static void log__without_output_makes_no_file_and_no_allocation(void **state)
{
    (void)state;
    rv_log_writer *log = open_log();
    rv_log_attempt *first = rv_log_attempt_new(log, 0, 1, SIZE_MAX_WIDE, NULL);
    assert_true(end(first) == RV_LOG_NONE);
    size_t used_before = mallinfo2().uordblks;
    for (uint32_t i = 0; i < 1000; i++) {
        rv_log_attempt *attempt = rv_log_attempt_new(log, i, 1, SIZE_MAX_WIDE, NULL);
        assert_ptr_equal(attempt, first);
        assert_true(end(attempt) == RV_LOG_NONE);
    }
    assert_int_equal(mallinfo2().uordblks, used_before);
    assert_int_equal(rv_log_sync(log, NULL), RV_OK);
    rv_log_close(log);
    assert_int_equal(access(log_path(), F_OK), -1);
    assert_string_equal(read_back(RV_LOG_NONE, 0), "");
    assert_string_equal(read_back(24, 0), "NOT_FOUND");
    uint64_t offset = 0;
    assert_int_equal(rv_log_scan(root, RUN, &offset, print_scanned, NULL, NULL), RV_OK);
    assert_int_equal(offset, 0);
    rv_log_close(NULL);
}

static void log__interleaved_attempts_are_read_back_each_for_itself(void **state)
{
    (void)state;
    rv_log_writer *log = open_log();
    rv_log_attempt *a = rv_log_attempt_new(log, 7, 1, SIZE_MAX_WIDE, NULL);
    rv_log_attempt *b = rv_log_attempt_new(log, 900000, 4000000000u, SIZE_MAX_WIDE, NULL);
    add(a, 1, 1000, "a1");
    add(b, 1, 1000, "b1");
    add(a, 2, 1001, "a2");
    add(b, 2, 990, "b2"); /* the wall clock jumped back */
    assert_int_equal(rv_log_flush(log, NULL), RV_OK);
    add(a, 1, 1002, "a3");
    uint64_t stdout_size = 0, stderr_size = 0, last_a = 0;
    assert_int_equal(rv_log_attempt_end(a, &last_a, &stdout_size, &stderr_size, NULL), RV_OK);
    assert_int_equal(stdout_size, 4);
    assert_int_equal(stderr_size, 2);
    add(b, 1, INT64_MAX, "b3");
    uint64_t last_b = end(b);
    rv_log_close(log);

    assert_string_equal(read_back(last_a, 0), "1@1000:a1|2@1001:a2|1@1002:a3|");
    assert_string_equal(read_back(last_a, 1), "1@1000:a1|1@1002:a3|");
    assert_string_equal(read_back(last_a, 2), "2@1001:a2|");
    assert_string_equal(read_back(last_b, 0), "1@1000:b1|2@990:b2|1@9223372036854775807:b3|");
    rv_buf all = {0};
    uint64_t offset = 0;
    assert_int_equal(rv_log_scan(root, RUN, &offset, print_scanned, &all, NULL), RV_OK);
    assert_string_equal(all.at, "n7e1 1@1000:a1|n900000e4000000000 1@1000:b1|n7e1 2@1001:a2|n900000e4000000000 2@990:b2|"
                                "n7e1 1@1002:a3|n900000e4000000000 1@9223372036854775807:b3|");
    rv_buf_deinit(&all);
}

static rv_status append_payload(void *user, int stream, int64_t wall_ms, uint64_t cut_before, rv_str bytes)
{
    (void)stream, (void)wall_ms;
    assert_int_equal(cut_before, 0);
    rv_buf_str_add(user, bytes);
    return RV_OK;
}

static void log__any_bytes_of_any_length_round_trip(void **state)
{
    (void)state;
    uint64_t rng = 5;
    rv_buf bytes = {0}, back = {0};
    char *at = rv_buf_extend(&bytes, 700001);
    for (size_t i = 0; i < bytes.size; i++) at[i] = (char)rv_rng_next(&rng);
    rv_log_writer *log = open_log();
    rv_log_attempt *attempt = rv_log_attempt_new(log, 0, 1, SIZE_MAX_WIDE * 2, NULL);
    rv_str text;
    assert_int_equal(rv_log_add(attempt, 1, 1, rv_buf_str(&bytes), &text, NULL), RV_OK);
    assert_true(rv_str_eq(text, rv_buf_str(&bytes)));
    uint64_t last = end(attempt);
    rv_log_close(log);
    assert_int_equal(rv_log_read(root, RUN, last, 1, append_payload, &back, NULL), RV_OK);
    assert_true(rv_str_eq(rv_buf_str(&bytes), rv_buf_str(&back)));
    rv_buf_deinit(&bytes);
    rv_buf_deinit(&back);
}

static void log__bytes_that_come_one_by_one_share_a_frame(void **state)
{
    (void)state;
    rv_log_writer *log = open_log();
    rv_log_attempt *a = rv_log_attempt_new(log, 0, 1, SIZE_MAX_WIDE, NULL);
    for (int i = 0; i < 5; i++) add(a, 1, 10, "x");
    add(a, 1, 11, "y");
    add(a, 2, 11, "z");
    uint64_t last = end(a);
    /* the pooled struct of an attempt that ended is not taken for its frame's owner */
    rv_log_attempt *b = rv_log_attempt_new(log, 1, 1, SIZE_MAX_WIDE, NULL);
    assert_ptr_equal(a, b);
    add(b, 2, 11, "b");
    uint64_t last_b = end(b);
    rv_log_close(log);
    assert_string_equal(read_back(last, 0), "1@10:xxxxx|1@11:y|2@11:z|");
    assert_string_equal(read_back(last_b, 0), "2@11:b|");
}

static void log__an_attempt_goes_on_after_the_log_was_opened_again(void **state)
{
    (void)state;
    uint64_t last[3];
    for (uint32_t i = 0; i < 3; i++) {
        rv_log_writer *log = open_log();
        assert_int_equal(rv_log_torn_size(log), 0);
        rv_log_attempt *attempt = rv_log_attempt_new(log, i, i + 1, SIZE_MAX_WIDE, NULL);
        add(attempt, 1, 100 - i, "one");
        add(attempt, 1, 200, "two");
        last[i] = end(attempt);
        assert_int_equal(rv_log_sync(log, NULL), RV_OK);
        rv_log_close(log);
    }
    for (uint32_t i = 0; i < 3; i++) {
        char expected[64];
        snprintf(expected, sizeof expected, "1@%u:one|1@200:two|", 100 - i);
        assert_string_equal(read_back(last[i], 0), expected);
    }
}

static void log__masks_across_chunks_before_it_cuts(void **state)
{
    (void)state;
    rv_mask *mask = rv_mask_new((rv_str[]){RV_STR("hunter22")}, 1);
    rv_log_writer *log = open_log();
    rv_log_attempt *attempt = rv_log_attempt_new(log, 0, 1, 12, mask);
    rv_str text;
    assert_int_equal(rv_log_add(attempt, 1, 1, RV_STR("a hunt"), &text, NULL), RV_OK);
    assert_true(rv_str_is(text, "a "));
    add(attempt, 2, 1, "er22"); /* another stream is another text */
    assert_int_equal(rv_log_add(attempt, 1, 2, RV_STR("er22 b hunter2"), &text, NULL), RV_OK);
    assert_true(rv_str_is(text, "*** b "));
    uint64_t stdout_size, last;
    assert_int_equal(rv_log_attempt_end(attempt, &last, &stdout_size, NULL, NULL), RV_OK);
    assert_int_equal(stdout_size, 20); /* as produced, before the mask */
    rv_log_close(log);
    /* "a ", "er22" fill the head of 6; of "*** b hunter2" the last 6 stay. */
    assert_string_equal(read_back(last, 0), "1@1:a |2@1:er22|1@2+7:unter2|");
    rv_mask_free(mask);
}

/* ---------------------------------------------------------- head and tail */

typedef struct capture { rv_buf text[3]; uint64_t cut[3], cut_at[3]; } capture;

static rv_status capture_frame(void *user, int stream, int64_t wall_ms, uint64_t cut_before, rv_str bytes)
{
    capture *c = user;
    (void)wall_ms;
    if (cut_before) {
        assert_int_equal(c->cut[stream], 0); /* one cut a stream */
        c->cut[stream] = cut_before;
        c->cut_at[stream] = c->text[stream].size;
    }
    rv_buf_str_add(&c->text[stream], bytes);
    return RV_OK;
}

static void capture_deinit(capture *c)
{
    for (int i = 0; i < 3; i++) rv_buf_deinit(&c->text[i]);
}

/* The twin: all bytes with their streams in one list; those before the first half and after the last half of size_max stay. */
static void expect_capture(const char *bytes, const uint8_t *streams, size_t size, size_t size_max, capture *ret)
{
    size_t head = size_max / 2, tail = size_max - head;
    for (size_t i = 0; i < size; i++) {
        uint8_t stream = streams[i];
        if (i < head || i + tail >= size) rv_buf_byte(&ret->text[stream], bytes[i]);
        else if (ret->cut[stream]++ == 0) ret->cut_at[stream] = ret->text[stream].size;
    }
}

static void log__keeps_head_and_tail_and_marks_the_cut_of_each_stream(void **state)
{
    (void)state;
    const char *given = getenv("REEVE_TEST_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 0) : 77, rng = seed;
    uint32_t cut_count = 0;
    print_message("seed %llu\n", (unsigned long long)seed);
    rv_log_writer *log = open_log();
    for (uint32_t round = 0; round < 1500; round++) {
        static char bytes[300000];
        static uint8_t streams[sizeof bytes];
        bool is_large = round % 100 == 0; /* so that the ring grows while it is wrapped */
        size_t size = rv_rng_below(&rng, is_large ? sizeof bytes : 300), size_max = rv_rng_below(&rng, is_large ? sizeof bytes : 200);
        rv_log_attempt *attempt = rv_log_attempt_new(log, round, 1, size_max, NULL);
        for (size_t at = 0; at < size;) {
            size_t part = rv_rng_below(&rng, is_large ? 30000 : 40);
            if (part > size - at) part = size - at;
            int stream = 1 + (int)rv_rng_below(&rng, 2);
            for (size_t i = at; i < at + part; i++) bytes[i] = (char)('a' + rv_rng_below(&rng, 26)), streams[i] = (uint8_t)stream;
            assert_int_equal(rv_log_add(attempt, stream, (int64_t)(at / 50), (rv_str){bytes + at, part}, NULL, NULL), RV_OK);
            at += part;
        }
        uint64_t last = end(attempt);
        assert_int_equal(rv_log_flush(log, NULL), RV_OK);
        capture expected = {0}, got = {0};
        expect_capture(bytes, streams, size, size_max, &expected);
        assert_int_equal(rv_log_read(root, RUN, last, 0, capture_frame, &got, NULL), RV_OK);
        for (int stream = 1; stream <= 2; stream++) {
            bool is_same = rv_str_eq(rv_buf_str(&expected.text[stream]), rv_buf_str(&got.text[stream])) &&
                           expected.cut[stream] == got.cut[stream] && expected.cut_at[stream] == got.cut_at[stream];
            if (!is_same)
                fail_msg("seed %llu round %u stream %d: %zu bytes of %zu, size_max %zu; cut %llu at %llu, expected %llu at %llu",
                         (unsigned long long)seed, round, stream, got.text[stream].size, expected.text[stream].size, size_max,
                         (unsigned long long)got.cut[stream], (unsigned long long)got.cut_at[stream],
                         (unsigned long long)expected.cut[stream], (unsigned long long)expected.cut_at[stream]);
            cut_count += expected.cut[stream] > 0;
        }
        capture_deinit(&expected);
        capture_deinit(&got);
    }
    rv_log_close(log);
    assert_true(cut_count > 500);
}

static void log__a_tail_of_too_many_pieces_forgets_its_oldest(void **state)
{
    (void)state;
    enum { EXTRA = 1000, LAST = 100000 };
    rv_tail tail = {0};
    rv_tail_piece piece;
    rv_str bytes;
    char last[LAST];
    memset(last, 'z', sizeof last);
    for (uint32_t i = 0; i < RV_TAIL_PIECES_MAX + EXTRA; i++) { /* no two neighbours can share a piece */
        char byte = (char)('a' + i % 26);
        rv_tail_add(&tail, 1 + (int)(i & 1), 5, (rv_str){&byte, 1}, 1 << 30);
    }
    rv_tail_add(&tail, 1, 6, (rv_str){last, sizeof last}, 1 << 30); /* grows a ring that is wrapped */
    assert_int_equal(tail.cut[1] + tail.cut[2], EXTRA + 1);
    for (uint32_t i = EXTRA + 1; i < RV_TAIL_PIECES_MAX + EXTRA; i++) {
        assert_true(rv_tail_take(&tail, 10, &piece, &bytes));
        assert_int_equal(bytes.size, 1);
        assert_int_equal(bytes.at[0], 'a' + i % 26);
        assert_int_equal(piece.stream, 1 + (i & 1));
    }
    uint64_t size = 0;
    while (rv_tail_take(&tail, 64 << 10, &piece, &bytes)) {
        assert_int_equal(piece.wall_ms, 6);
        assert_true(memcmp(bytes.at, last, bytes.size) == 0);
        size += bytes.size;
    }
    assert_int_equal(size, LAST);
    assert_int_equal(tail.size, 0);
    rv_tail_deinit(&tail);
}

/* ---------------------------------------------------------- crash, damage */

/* A small log of three attempts; *ret: the lasts. */
static void write_small(uint64_t last[3])
{
    rv_log_writer *log = open_log();
    rv_log_attempt *attempts[3];
    for (uint32_t i = 0; i < 3; i++) attempts[i] = rv_log_attempt_new(log, i, 1, 40, NULL);
    for (uint32_t round = 0; round < 4; round++)
        for (uint32_t i = 0; i < 3; i++)
            add(attempts[i], 1 + (int)(round & 1), 1000 + round, i == 2 ? "a longer piece of text\n" : "short\n");
    for (uint32_t i = 0; i < 3; i++) last[i] = end(attempts[i]);
    rv_log_close(log);
}

typedef struct borders { uint64_t at[64]; uint32_t count; } borders;

static rv_status count_frame(void *user, uint32_t node, uint32_t epoch, int stream, int64_t wall_ms, uint64_t cut_before, rv_str bytes)
{
    (void)node, (void)epoch, (void)stream, (void)wall_ms, (void)cut_before, (void)bytes;
    ++*(uint32_t *)user;
    return RV_OK;
}

static rv_status stop_at_once(void *user, uint32_t node, uint32_t epoch, int stream, int64_t wall_ms, uint64_t cut_before, rv_str bytes)
{
    (void)node, (void)epoch, (void)stream, (void)wall_ms, (void)cut_before, (void)bytes;
    return ++*(uint32_t *)user == 2 ? RV_TIMEOUT : RV_OK;
}

/* Where frames end, found by letting a scan accept one frame at a time. */
static void find_borders(borders *ret)
{
    ret->at[ret->count++] = RV_LOG_HEADER_SIZE;
    uint64_t offset = 0;
    for (rv_status status = RV_TIMEOUT; status == RV_TIMEOUT;) {
        uint32_t seen = 0;
        status = rv_log_scan(root, RUN, &offset, stop_at_once, &seen, NULL);
        assert_true(status == RV_OK || status == RV_TIMEOUT);
        if (seen > 0 && offset > ret->at[ret->count - 1]) ret->at[ret->count++] = offset;
    }
}

static void log__cut_at_any_byte_opens_cleanly_and_keeps_every_whole_frame(void **state)
{
    (void)state;
    uint64_t last[3];
    rv_buf whole = {0}, after = {0};
    borders frames = {0};
    write_small(last);
    read_file(&whole);
    find_borders(&frames);
    assert_true(frames.count > 12);
    assert_int_equal(frames.at[frames.count - 1], whole.size);

    for (size_t size = 0; size <= whole.size; size++) {
        uint32_t expected = 0, seen = 0;
        while (expected + 1 < frames.count && frames.at[expected + 1] <= size) expected++;
        uint64_t good = size < RV_LOG_HEADER_SIZE ? 0 : frames.at[expected], offset = 0;
        write_file(rv_str_cut(rv_buf_str(&whole), 0, size));

        /* a reader before recovery sees the whole frames too */
        assert_int_equal(rv_log_scan(root, RUN, &offset, count_frame, &seen, NULL), RV_OK);
        assert_int_equal(seen, expected);

        rv_log_writer *log = open_log();
        assert_int_equal(rv_log_torn_size(log), size - good);
        rv_log_attempt *attempt = rv_log_attempt_new(log, 9, 2, 40, NULL);
        add(attempt, 1, 5000, "after the crash");
        uint64_t last_after = end(attempt);
        rv_log_close(log);

        read_file(&after);
        assert_true(after.size > good && (good == 0 || memcmp(after.at, whole.at, good) == 0));
        assert_string_equal(read_back(last_after, 0), "1@5000:after the crash|");
        for (uint32_t i = 0; i < 3 && size > 0; i++)
            if (last[i] < good) assert_string_not_equal(read_back(last[i], 0), "CORRUPT");
        offset = 0, seen = 0;
        assert_int_equal(rv_log_scan(root, RUN, &offset, count_frame, &seen, NULL), RV_OK);
        assert_int_equal(seen, expected + 1);
    }
    rv_buf_deinit(&whole);
    rv_buf_deinit(&after);
}

static void log__zeros_or_noise_behind_the_last_frame_are_cut(void **state)
{
    (void)state;
    uint64_t last[3];
    rv_buf whole = {0}, torn = {0};
    write_small(last);
    read_file(&whole);
    for (uint32_t kind = 0; kind < 2; kind++) {
        rv_buf_clear(&torn);
        rv_buf_str_add(&torn, rv_buf_str(&whole));
        for (uint32_t i = 0; i < 5000; i++) rv_buf_byte(&torn, kind ? (char)(i * 31 + 7) : 0);
        write_file(rv_buf_str(&torn));
        rv_log_writer *log = open_log();
        assert_int_equal(rv_log_torn_size(log), 5000);
        rv_log_close(log);
        struct stat found;
        assert_int_equal(stat(log_path(), &found), 0);
        assert_int_equal(found.st_size, whole.size);
    }
    rv_buf_deinit(&whole);
    rv_buf_deinit(&torn);
}

static void log__a_changed_byte_is_found_or_changes_nothing(void **state)
{
    (void)state;
    uint64_t last[3];
    rv_buf whole = {0};
    char good[3][512];
    uint32_t found_count = 0;
    write_small(last);
    read_file(&whole);
    for (uint32_t i = 0; i < 3; i++) snprintf(good[i], sizeof good[i], "%s", read_back(last[i], 0));
    for (size_t at = 0; at < whole.size; at++) {
        const int changes[] = {1 << at % 8, 0xff}; /* one bit, all of them */
        for (uint32_t way = 0; way < RV_COUNT(changes); way++) {
            whole.at[at] = (char)(whole.at[at] ^ changes[way]);
            write_file(rv_buf_str(&whole));
            whole.at[at] = (char)(whole.at[at] ^ changes[way]);
            for (uint32_t i = 0; i < 3; i++) {
                const char *got = read_back(last[i], 0);
                bool is_refused = strcmp(got, "CORRUPT") == 0 || strcmp(got, "UNSUPPORTED") == 0;
                if (!is_refused && strcmp(got, good[i]) != 0) fail_msg("byte %zu changed by %d: %s", at, changes[way], got);
                found_count += is_refused;
            }
        }
    }
    assert_true(found_count >= whole.size * 2 - 2); /* each byte belongs to the header or to one attempt */
    rv_buf_deinit(&whole);
}

static void log__damage_within_is_said_and_not_taken_for_the_end(void **state)
{
    (void)state;
    uint64_t last[3], offset = 0;
    uint32_t seen = 0;
    rv_buf whole = {0};
    rv_error err = {0};
    write_small(last);
    read_file(&whole);
    whole.at[RV_LOG_HEADER_SIZE + 1] = 0x40; /* the first frame's size: now past the end of the file */
    write_file(rv_buf_str(&whole));
    assert_int_equal(rv_log_scan(root, RUN, &offset, count_frame, &seen, &err), RV_CORRUPT);
    assert_non_null(strstr(err.text, "offset 24 is damaged"));
    rv_log_writer *log = open_log(); /* its end is whole: nothing is cut */
    assert_int_equal(rv_log_torn_size(log), 0);
    rv_log_close(log);
    assert_string_equal(read_back(last[0], 0), "CORRUPT");
    assert_string_not_equal(read_back(last[1], 0), "CORRUPT"); /* its own frames are whole */
    rv_buf_deinit(&whole);
}

static void log__what_is_no_log_is_refused_and_left_alone(void **state)
{
    (void)state;
    uint64_t last[3], offset = 0;
    rv_log_writer *log = NULL;
    rv_error err = {0};
    write_small(last);
    write_file(RV_STR("this is somebody's text file, not a log at all\n"));
    assert_int_equal(rv_log_open(root, RUN, &log, &err), RV_CORRUPT);
    assert_non_null(strstr(err.text, "run-1.log: this is not a log"));
    assert_int_equal(rv_log_scan(root, RUN, &offset, count_frame, NULL, NULL), RV_CORRUPT);
    static const char *const names[] = {"", "../x", "a/b", ".hidden", "-x", "a b", "a\n"};
    for (size_t i = 0; i < RV_COUNT(names); i++) assert_int_equal(rv_log_open(root, rv_str_of(names[i]), &log, &err), RV_INVALID);
    rv_buf header = {0};
    rv_log_header_write(&header, 5);
    header.at[8] = 2; /* version */
    write_file(rv_buf_str(&header));
    assert_int_equal(rv_log_open(root, RUN, &log, &err), RV_UNSUPPORTED);
    assert_null(log);
    rv_buf_deinit(&header);
}

/* ------------------------------------------------------- failing writes */

static void log__a_failed_write_loses_nothing_and_is_made_again(void **state)
{
    (void)state;
    struct rlimit limit, small;
    rv_error err = {0};
    rv_buf block = {0};
    memset(rv_buf_extend(&block, 50000), 'x', 50000);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    small = limit;
    small.rlim_cur = 1000; /* a part of the first flush can be written: it must not stay in the way */
    rv_log_writer *log = open_log();
    rv_log_attempt *attempt = rv_log_attempt_new(log, 0, 1, SIZE_MAX_WIDE * 2, NULL);
    uint64_t taken = 0;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    rv_status status = RV_OK;
    while (status == RV_OK && taken < (4u << 20)) {
        status = rv_log_add(attempt, 1, 1, rv_buf_str(&block), NULL, &err);
        if (status == RV_OK) taken += block.size;
    }
    assert_int_equal(status, RV_STORE_FULL); /* a full buffer ends it, not the memory */
    assert_non_null(strstr(err.text, "run-1.log: cannot write"));
    assert_int_equal(rv_log_flush(log, &err), RV_STORE_FULL);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(rv_log_add(attempt, 1, 2, RV_STR("more"), NULL, NULL), RV_OK);
    uint64_t last, produced;
    assert_int_equal(rv_log_attempt_end(attempt, &last, &produced, NULL, NULL), RV_OK);
    rv_log_close(log);
    assert_int_equal(produced, taken + 4);
    rv_buf back = {0};
    assert_int_equal(rv_log_read(root, RUN, last, 0, append_payload, &back, NULL), RV_OK);
    assert_int_equal(back.size, taken + 4);
    rv_buf_deinit(&block);
    rv_buf_deinit(&back);
}

static bool write_calls(uint64_t *ret)
{
    char line[128];
    unsigned long long count;
    bool is_found = false;
    FILE *file = fopen("/proc/self/io", "r");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "syscw: %llu", &count) == 1) *ret = count, is_found = true;
    if (file) fclose(file);
    return is_found;
}

static void log__a_flush_is_one_write(void **state)
{
    (void)state;
    uint64_t before = 0, after = 0;
    if (!write_calls(&before)) skip();
    rv_log_writer *log = open_log();
    rv_log_attempt *attempt = rv_log_attempt_new(log, 0, 1, SIZE_MAX_WIDE, NULL);
    add(attempt, 1, 0, "the first write makes the file");
    assert_int_equal(rv_log_flush(log, NULL), RV_OK);
    assert_true(write_calls(&before));
    for (int i = 0; i < 1000; i++) add(attempt, 1, i, "some line of output\n");
    assert_int_equal(rv_log_flush(log, NULL), RV_OK);
    assert_int_equal(rv_log_flush(log, NULL), RV_OK); /* nothing to do */
    assert_true(write_calls(&after));
    assert_int_equal(after - before, 1);
    (void)end(attempt);
    rv_log_close(log);
}

/* ----------------------------------------------------------------- following */

enum { FOLLOW_COUNT = 3000 };

static void *write_on(void *user)
{
    rv_log_writer *log = user;
    rv_log_attempt *attempt = rv_log_attempt_new(log, 3, 1, 1 << 30, NULL);
    char text[400];
    memset(text, 'x', sizeof text);
    for (uint32_t i = 0; i < FOLLOW_COUNT; i++) {
        memcpy(text, &i, sizeof i);
        RV_ASSERT(rv_log_add(attempt, 1, i, (rv_str){text, 4 + i % 390}, NULL, NULL) == RV_OK);
        if (i % 7 == 0) RV_ASSERT(rv_log_flush(log, NULL) == RV_OK);
    }
    RV_ASSERT(rv_log_attempt_end(attempt, NULL, NULL, NULL, NULL) == RV_OK);
    RV_ASSERT(rv_log_flush(log, NULL) == RV_OK);
    return NULL;
}

static rv_status expect_next(void *user, uint32_t node, uint32_t epoch, int stream, int64_t wall_ms, uint64_t cut_before, rv_str bytes)
{
    uint32_t *next = user, index;
    (void)epoch, (void)stream, (void)wall_ms;
    assert_int_equal(node, 3);
    assert_int_equal(cut_before, 0);
    memcpy(&index, bytes.at, sizeof index);
    assert_int_equal(index, *next);
    assert_int_equal(bytes.size, 4 + index % 390);
    ++*next;
    return RV_OK;
}

static void log__a_scan_follows_a_file_that_grows(void **state)
{
    (void)state;
    pthread_t thread;
    uint32_t next = 0;
    uint64_t offset = 0;
    rv_log_writer *log = open_log();
    assert_int_equal(pthread_create(&thread, NULL, write_on, log), 0);
    while (next < FOLLOW_COUNT) {
        rv_error err = {0};
        if (rv_log_scan(root, RUN, &offset, expect_next, &next, &err) != RV_OK) fail_msg("%s", err.text);
        sched_yield();
    }
    pthread_join(thread, NULL);
    rv_log_close(log);
}

#define LOG_TEST(name_) cmocka_unit_test_setup_teardown(name_, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOG_TEST(log__without_output_makes_no_file_and_no_allocation),
        LOG_TEST(log__interleaved_attempts_are_read_back_each_for_itself),
        LOG_TEST(log__any_bytes_of_any_length_round_trip),
        LOG_TEST(log__bytes_that_come_one_by_one_share_a_frame),
        LOG_TEST(log__an_attempt_goes_on_after_the_log_was_opened_again),
        LOG_TEST(log__masks_across_chunks_before_it_cuts),
        LOG_TEST(log__keeps_head_and_tail_and_marks_the_cut_of_each_stream),
        LOG_TEST(log__a_tail_of_too_many_pieces_forgets_its_oldest),
        LOG_TEST(log__cut_at_any_byte_opens_cleanly_and_keeps_every_whole_frame),
        LOG_TEST(log__zeros_or_noise_behind_the_last_frame_are_cut),
        LOG_TEST(log__a_changed_byte_is_found_or_changes_nothing),
        LOG_TEST(log__damage_within_is_said_and_not_taken_for_the_end),
        LOG_TEST(log__what_is_no_log_is_refused_and_left_alone),
        LOG_TEST(log__a_failed_write_loses_nothing_and_is_made_again),
        LOG_TEST(log__a_flush_is_one_write),
        LOG_TEST(log__a_scan_follows_a_file_that_grows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
