/* test_kernel_event.c: the bytes of events: what is written reads back, what is cut or strange is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "kernel/termination.h"
#include "kernel/event.h"

/* ---- any event of a type, and nothing in fields that it does not have ---- */

static uint64_t any_u64(uint64_t *seed, uint64_t max)
{
    uint64_t value = rv_rng_next(seed) >> rv_rng_below(seed, 64);
    uint32_t edge = rv_rng_below(seed, 8);
    if (edge == 0) return max;
    if (edge == 1) return 0;
    return value & max; /* max is all ones */
}

static rv_str any_str(uint64_t *seed, char *bytes, size_t size_max)
{
    rv_str text = {bytes, rv_rng_below(seed, 3) == 0 ? 0 : rv_rng_below(seed, (uint32_t)size_max + 1)};
    for (size_t i = 0; i < text.size; i++) bytes[i] = (char)rv_rng_next(seed);
    return text;
}

static rv_event any_event(uint64_t *seed, rv_event_type type, char bytes[4][300])
{
    uint32_t fields = rv_event_fields(type);
    rv_event event = {.type = type, .node = RV_NONE};
    if (fields & RV_F_NODE) event.node = (uint32_t)any_u64(seed, UINT32_MAX);
    if (fields & RV_F_EPOCH) event.epoch = (uint32_t)any_u64(seed, UINT32_MAX);
    if (fields & RV_F_NUMBER) event.number = (uint32_t)any_u64(seed, UINT32_MAX);
    if (fields & RV_F_STATE) event.state = (uint32_t)any_u64(seed, UINT32_MAX);
    if (fields & RV_F_DETAIL) event.detail = rv_rng_below(seed, RV_DETAIL_COUNT);
    if (fields & RV_F_ROOT) event.root = (uint32_t)any_u64(seed, UINT32_MAX);
    if (fields & RV_F_EXIT_STATUS) event.exit_status = (int32_t)any_u64(seed, UINT32_MAX);
    if (fields & RV_F_SIGNAL) event.signal = (int32_t)any_u64(seed, UINT32_MAX);
    if (fields & RV_F_DUE) event.due_ms = (int64_t)any_u64(seed, UINT64_MAX);
    if (fields & RV_F_PID) event.pid = any_u64(seed, UINT64_MAX);
    if (fields & RV_F_PID_START) event.pid_start = any_u64(seed, UINT64_MAX);
    if (fields & RV_F_SEED) event.seed = any_u64(seed, UINT64_MAX);
    if (fields & RV_F_FLAGS) event.flags = (uint32_t)any_u64(seed, UINT32_MAX);
    if (fields & RV_F_KEY) event.key = any_str(seed, bytes[0], 64);
    if (fields & RV_F_VALUE) event.value = any_str(seed, bytes[1], 300);
    if (fields & RV_F_OUTPUT) event.output = any_str(seed, bytes[2], 200);
    if (fields & RV_F_TEXT) event.text = any_str(seed, bytes[3], 150);
    if (fields & RV_F_AMOUNT) event.amount = (int64_t)any_u64(seed, UINT64_MAX);
    if (fields & RV_F_COST) event.cost = (int64_t)any_u64(seed, UINT64_MAX);
    if (fields & RV_F_TOKENS_IN) event.tokens_in = any_u64(seed, UINT64_MAX);
    if (fields & RV_F_TOKENS_OUT) event.tokens_out = any_u64(seed, UINT64_MAX);
    if (fields & RV_F_TOKENS_CACHED) event.tokens_cached = any_u64(seed, UINT64_MAX);
    return event;
}

/* The format said in the slowest way: each field of the table in its order, varints bit by bit. */
static void slow_u(rv_buf *out, uint64_t value)
{
    for (; value > 127; value /= 128) rv_buf_byte(out, (char)(value % 128 + 128));
    rv_buf_byte(out, (char)value);
}
static void slow_i(rv_buf *out, int64_t value) { slow_u(out, value < 0 ? (uint64_t)(-(value + 1)) * 2 + 1 : (uint64_t)value * 2); }
static void slow_s(rv_buf *out, rv_str value) { slow_u(out, value.size); rv_buf_str_add(out, value); }

static void slow_write(rv_buf *out, const rv_event *event)
{
    uint32_t fields = rv_event_fields(event->type);
    slow_u(out, (uint64_t)event->type);
#define FIELD_u(name_, field_) slow_u(out, RV_FIELD_##name_ == RV_FIELD_NODE ? (uint32_t)(event->field_ + 1) : event->field_)
#define FIELD_i(name_, field_) slow_i(out, event->field_)
#define FIELD_s(name_, field_) slow_s(out, event->field_)
    if (fields & RV_F_NODE) FIELD_u(NODE, node);
    if (fields & RV_F_EPOCH) FIELD_u(EPOCH, epoch);
    if (fields & RV_F_NUMBER) FIELD_u(NUMBER, number);
    if (fields & RV_F_STATE) FIELD_u(STATE, state);
    if (fields & RV_F_DETAIL) FIELD_u(DETAIL, detail);
    if (fields & RV_F_ROOT) FIELD_u(ROOT, root);
    if (fields & RV_F_EXIT_STATUS) FIELD_i(EXIT_STATUS, exit_status);
    if (fields & RV_F_SIGNAL) FIELD_i(SIGNAL, signal);
    if (fields & RV_F_DUE) FIELD_i(DUE, due_ms);
    if (fields & RV_F_PID) FIELD_u(PID, pid);
    if (fields & RV_F_PID_START) FIELD_u(PID_START, pid_start);
    if (fields & RV_F_SEED) FIELD_u(SEED, seed);
    if (fields & RV_F_FLAGS) FIELD_u(FLAGS, flags);
    if (fields & RV_F_KEY) FIELD_s(KEY, key);
    if (fields & RV_F_VALUE) FIELD_s(VALUE, value);
    if (fields & RV_F_OUTPUT) FIELD_s(OUTPUT, output);
    if (fields & RV_F_TEXT) FIELD_s(TEXT, text);
    if (fields & RV_F_AMOUNT) FIELD_i(AMOUNT, amount);
    if (fields & RV_F_COST) FIELD_i(COST, cost);
    if (fields & RV_F_TOKENS_IN) FIELD_u(TOKENS_IN, tokens_in);
    if (fields & RV_F_TOKENS_OUT) FIELD_u(TOKENS_OUT, tokens_out);
    if (fields & RV_F_TOKENS_CACHED) FIELD_u(TOKENS_CACHED, tokens_cached);
}

static void expect_same(const rv_event *a, const rv_event *b)
{
    assert_int_equal(a->type, b->type);
#define SAME_u(field_) assert_int_equal(a->field_, b->field_)
#define SAME_i(field_) assert_int_equal(a->field_, b->field_)
#define SAME_s(field_) assert_true(rv_str_eq(a->field_, b->field_))
    SAME_u(node); SAME_u(epoch); SAME_u(number); SAME_u(state); SAME_u(detail); SAME_u(root); SAME_i(exit_status); SAME_i(signal);
    SAME_i(due_ms); SAME_u(pid); SAME_u(pid_start); SAME_u(seed); SAME_u(flags); SAME_s(key); SAME_s(value); SAME_s(output); SAME_s(text);
    SAME_i(amount); SAME_i(cost); SAME_u(tokens_in); SAME_u(tokens_out); SAME_u(tokens_cached);
}

static uint64_t seed_of_run(void)
{
    const char *given = getenv("RV_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 0) : 20260131;
    print_message("seed %llu\n", (unsigned long long)seed);
    return seed;
}

static void event__of_every_type_reads_back_and_is_what_the_table_says(void **state)
{
    uint64_t seed = seed_of_run();
    static char bytes[4][300];
    uint32_t types = 0;
    for (uint32_t type = 0; type < RV_EVENT_TYPE_MAX; type++) {
        if (!rv_event_name((rv_event_type)type)) continue;
        types++;
        for (int round = 0; round < 2000; round++) {
            rv_event event = any_event(&seed, (rv_event_type)type, bytes), back;
            rv_buf fast = {0}, slow = {0};
            rv_event_write(&fast, &event);
            slow_write(&slow, &event);
            assert_true(rv_str_eq(rv_buf_str(&fast), rv_buf_str(&slow)));
            const char *at = fast.at, *end = fast.at + fast.size;
            assert_int_equal(rv_event_read(&at, end, &back, NULL), RV_OK);
            assert_ptr_equal(at, end);
            expect_same(&event, &back);
            rv_buf_deinit(&fast);
            rv_buf_deinit(&slow);
        }
    }
    assert_true(types >= 25);
}

/* The copy has exactly as many bytes as are left: reading past them is seen by the address sanitizer. */
static void event__cut_short_anywhere_is_corrupt(void **state)
{
    uint64_t seed = seed_of_run();
    static char bytes[4][300];
    for (uint32_t type = 0; type < RV_EVENT_TYPE_MAX; type++)
        for (int round = 0; rv_event_name((rv_event_type)type) && round < 20; round++) {
            rv_event event = any_event(&seed, (rv_event_type)type, bytes), back;
            rv_buf out = {0};
            rv_event_write(&out, &event);
            for (size_t size = 0; size < out.size; size++) {
                char *copy = malloc(size ? size : 1);
                if (size) memcpy(copy, out.at, size);
                const char *at = copy;
                rv_error err = {0};
                assert_int_equal(rv_event_read(&at, copy + size, &back, &err), RV_CORRUPT);
                assert_true(err.text[0] != 0);
                free(copy);
            }
            rv_buf_deinit(&out);
        }
}

static rv_status read_bytes(const char *bytes, size_t size)
{
    rv_event event;
    const char *at = bytes;
    return rv_event_read(&at, bytes + size, &event, NULL);
}

static void event__of_an_unknown_type_is_corrupt(void **state)
{
    for (uint32_t type = 0; type < 300; type++) {
        if (rv_event_name((rv_event_type)type)) continue;
        rv_buf out = {0};
        rv_buf_varint(&out, type);
        for (int i = 0; i < 40; i++) rv_buf_byte(&out, 0);
        assert_int_equal(read_bytes(out.at, out.size), RV_CORRUPT);
        rv_buf_deinit(&out);
    }
}

static void event__with_a_field_out_of_range_is_corrupt(void **state)
{
    assert_int_equal(read_bytes("\x02\x05", 2), RV_OK);                                  /* admitted, node 4 */
    assert_int_equal(read_bytes("\x02\xff\xff\xff\xff\x0f", 6), RV_OK);                  /* the largest node */
    assert_int_equal(read_bytes("\x02\x80\x80\x80\x80\x10", 6), RV_CORRUPT);             /* 2^32 */
    assert_int_equal(read_bytes("\x02\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 11), RV_CORRUPT); /* over 64 bits */
    assert_int_equal(read_bytes("\x08\x81\x80\x80\x80\x20", 6), RV_CORRUPT);             /* interrupt, signal -(2^32+1) */
    assert_int_equal(read_bytes("\x08\x80\x80\x80\x80\x10", 6), RV_CORRUPT);             /* interrupt, signal 2^31 */
    char detail[] = {32, 1, RV_DETAIL_COUNT - 1, 0};                                     /* run_state: state, detail, root */
    assert_int_equal(read_bytes(detail, 4), RV_OK);
    detail[2] = RV_DETAIL_COUNT;
    assert_int_equal(read_bytes(detail, 4), RV_CORRUPT);
    assert_int_equal(read_bytes("\x27\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01xyz", 15), RV_CORRUPT); /* a text of 2^64-1 bytes */
}

static void event__numbers_of_types_are_what_journals_hold(void **state)
{
    static const struct { rv_event_type type; uint32_t number; const char *name; } stored[] = { /* never renumbered */
        {RV_EVENT_LOAD, 1, "load"}, {RV_EVENT_ADMITTED, 2, "admitted"}, {RV_EVENT_STARTED, 3, "started"},
        {RV_EVENT_COMPLETED, 4, "completed"}, {RV_EVENT_LOST, 5, "lost"}, {RV_EVENT_ANSWER, 6, "answer"},
        {RV_EVENT_DECIDED, 7, "decided"}, {RV_EVENT_INTERRUPT, 8, "interrupt"},
        {RV_EVENT_CANCEL, 9, "cancel"}, {RV_EVENT_PREEMPT, 10, "preempt"}, {RV_EVENT_TICK, 11, "tick"}, {RV_EVENT_RESUME, 12, "resume"},
        {RV_EVENT_FAIL_FAST, 13, "fail_fast"}, {RV_EVENT_ADOPT, 14, "adopt"}, {RV_EVENT_SIGNAL, 15, "signal"},
        {RV_EVENT_SUBMIT, 16, "submit"}, {RV_EVENT_STEER, 18, "steer"}, {RV_EVENT_ASK, 19, "ask"},
        {RV_EVENT_CACHED, 20, "cached"}, {RV_EVENT_VIOLATION, 21, "violation"},
        {RV_EVENT_RUN_STATE, 32, "run_state"},
        {RV_EVENT_NODE_STATE, 33, "node_state"},
        {RV_EVENT_NODE_TIMER, 34, "node_timer"}, {RV_EVENT_ATTEMPT_STATE, 35, "attempt_state"}, {RV_EVENT_RESULT, 36, "result"},
        {RV_EVENT_KEPT, 37, "kept"}, {RV_EVENT_NOTE, 38, "note"}, {RV_EVENT_ERROR_TEXT, 39, "error_text"}, {RV_EVENT_PHASE, 40, "phase"},
        {RV_EVENT_EXPIRED, 41, "expired"}, {RV_EVENT_CLOCK, 42, "clock"},
        {RV_EVENT_SIGNAL_KEPT, 48, "signal_kept"}, {RV_EVENT_SIGNAL_TAKEN, 49, "signal_taken"}, {RV_EVENT_SUBMITTED, 59, "submitted"}};
    for (size_t i = 0; i < RV_COUNT(stored); i++) {
        assert_int_equal(stored[i].type, stored[i].number);
        assert_string_equal(rv_event_name(stored[i].type), stored[i].name);
        assert_int_equal(rv_event_is_input(stored[i].type), stored[i].number < 32);
    }
    assert_null(rv_event_name(RV_EVENT_TYPE_MAX));
    assert_false(rv_event_is_input(RV_EVENT_TYPE_MAX));
    assert_int_equal(rv_event_fields((rv_event_type)31), 0);
}

static void event__as_json_is_one_object_with_names(void **state)
{
    rv_arena arena = {0};
    for (uint32_t type = 0; type < RV_EVENT_TYPE_MAX; type++) {
        if (!rv_event_name((rv_event_type)type)) continue;
        for (uint32_t number = 0; number < 20; number++) { /* also where a number has no word */
            rv_buf out = {0};
            rv_json_writer w;
            rv_json *parsed = NULL;
            rv_json_writer_init(&w, &out, 0);
            rv_event event = {.type = (rv_event_type)type, .node = number % 3 ? number : RV_NONE, .epoch = number, .number = number,
                              .state = number, .detail = number, .root = number, .exit_status = (int32_t)number - 1,
                              .signal = (int32_t)number, .due_ms = number, .pid = number, .flags = number, .key = RV_STR("k\"\xff"),
                              .value = RV_STR("{\"a\":[1]}"), .output = RV_STR("\n"), .text = RV_STR("it \"broke\"")};
            rv_event_json(&w, &event, NULL, NULL);
            assert_int_equal(rv_json_parse(&arena, rv_buf_str(&out), &parsed, NULL), RV_OK);
            assert_true(rv_str_is(rv_json_get(parsed, RV_STR("type"))->text, rv_event_name((rv_event_type)type)));
            rv_buf_deinit(&out);
        }
    }
    rv_arena_deinit(&arena);
}

static rv_str id_of(void *user, uint32_t node)
{
    const rv_str *ids = user;
    return node < 2 ? ids[node] : RV_STR("");
}

static void event__as_json_has_ids_and_numbers_where_there_is_none(void **state)
{
    rv_str ids[] = {RV_STR("fetch"), RV_STR("each[1]")};
    rv_buf out = {0};
    rv_json_writer w;
    rv_json_writer_init(&w, &out, 0);
    rv_jw_array(&w);
    for (uint32_t node = 0; node < 3; node++)
        rv_event_json(&w, &(rv_event){.type = RV_EVENT_NODE_STATE, .node = node, .state = RV_NODE_SKIPPED, .root = 1}, id_of, ids);
    rv_event_json(&w, &(rv_event){.type = RV_EVENT_MATCH, .node = 0, .number = 7, .state = 2}, id_of, ids);
    rv_jw_array_end(&w);
    assert_string_equal(out.at, "[{\"type\":\"node_state\",\"node\":\"fetch\",\"state\":\"skipped\",\"root\":\"fetch\"},"
                                "{\"type\":\"node_state\",\"node\":\"each[1]\",\"state\":\"skipped\",\"root\":\"fetch\"},"
                                "{\"type\":\"node_state\",\"node\":2,\"state\":\"skipped\",\"root\":\"fetch\"},"
                                "{\"type\":\"match\",\"node\":\"fetch\",\"state\":2,\"number\":7,\"flags\":0}]");
    rv_buf_deinit(&out);
}

/* The words that hosts write are those of the tables, and no others [K70]. */
static void event__words_are_found_and_others_are_not(void **state)
{
    uint32_t states = 0;
    for (uint32_t type = 0; type < RV_EVENT_TYPE_MAX; type++) {
        const char *name = rv_event_name((rv_event_type)type);
        if (!name) continue;
        assert_int_equal(rv_event_find(rv_str_of(name)), type);
        assert_int_equal(rv_event_state_find((rv_event_type)type, RV_STR("nonsense")), RV_NONE);
    }
    assert_int_equal(rv_event_find(RV_STR("nonsense")), RV_EVENT_TYPE_MAX);
    for (uint32_t at = 0; at < RV_NODE_STATE_COUNT; at++)
        states += rv_event_state_find(RV_EVENT_NODE_STATE, rv_str_of(rv_node_state_name((rv_node_state)at))) == at;
    assert_int_equal(states, RV_NODE_STATE_COUNT);
    for (uint32_t at = 0; at < RV_DETAIL_COUNT; at++) { /* two causes have one word: it means the first of them */
        const char *word = rv_detail_name((rv_detail)at);
        assert_string_equal(rv_detail_name((rv_detail)rv_event_detail_find(rv_str_of(word))), word);
    }
    assert_int_equal(rv_event_detail_find(RV_STR("nonsense")), RV_NONE);
}

static void termination__each_word_makes_its_state_and_others_are_none(void **state)
{
    static const struct { const char *word; rv_attempt_state state; rv_detail detail; } rows[] = { /* as [K42] has them */
        {"completed", RV_ATTEMPT_OK, RV_DETAIL_NONE}, {"max_turns", RV_ATTEMPT_PARTIAL, RV_DETAIL_NONE},
        {"token_budget", RV_ATTEMPT_PARTIAL, RV_DETAIL_NONE}, {"timeout", RV_ATTEMPT_TIMEOUT, RV_DETAIL_TIMEOUT},
        {"user_abort", RV_ATTEMPT_CANCELLED, RV_DETAIL_SIGNALLED}, {"error", RV_ATTEMPT_ERROR, RV_DETAIL_EXIT},
        {"milestone_exceeded", RV_ATTEMPT_ERROR, RV_DETAIL_EXIT},
    };
    assert_int_equal(RV_COUNT(rows), RV_TERMINATION_COUNT);
    for (size_t i = 0; i < RV_COUNT(rows); i++) {
        rv_termination found = rv_termination_find(rv_str_of(rows[i].word));
        assert_true(found < RV_TERMINATION_COUNT);
        assert_int_equal(rv_termination_state(found), rows[i].state);
        assert_int_equal(rv_termination_detail(found), rows[i].detail);
    }
    assert_int_equal(rv_termination_find(RV_STR("nonsense")), RV_TERMINATION_COUNT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(event__of_every_type_reads_back_and_is_what_the_table_says),
        cmocka_unit_test(event__cut_short_anywhere_is_corrupt),
        cmocka_unit_test(event__of_an_unknown_type_is_corrupt),
        cmocka_unit_test(event__with_a_field_out_of_range_is_corrupt),
        cmocka_unit_test(event__numbers_of_types_are_what_journals_hold),
        cmocka_unit_test(event__words_are_found_and_others_are_not),
        cmocka_unit_test(termination__each_word_makes_its_state_and_others_are_none),
        cmocka_unit_test(event__as_json_is_one_object_with_names),
        cmocka_unit_test(event__as_json_has_ids_and_numbers_where_there_is_none),
    };
    return cmocka_run_group_tests_name("kernel_event", tests, NULL, NULL);
}
