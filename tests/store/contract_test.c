/* The contract of store.h, against every backend: memory, SQLite with its thread, without one, and pumped. */
#include "fixture.h"

#include "store/rows.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct backend { const char *name; bool is_memory, is_single_threaded, is_pumped; } backend;
static const backend backends[] = {
    {"memory", true, true, false}, {"sqlite", false, false, false}, {"sqlite inline", false, true, false},
    {"sqlite pumped", false, false, true}};

typedef struct world {
    const struct backend *on;
    char folder[256], path[300];
    rv_store *store;
    rv_arena arena;
    uint64_t batch_id;
} world;

static world *world_of(void **state) { return *state; }

static void world_open(world *w) {
    rv_error err;
    rv_store_config config = {.path = w->path, .is_single_threaded = w->on->is_single_threaded, .is_pumped = w->on->is_pumped,
                              .sync_delay_ms = 5};
    fixture_pumps = w->on->is_pumped;
    assert_ok(w->on->is_memory ? rv_store_open_memory(&w->store, &err) : rv_store_open_sqlite(&config, &w->store, &err), &err);
}

/* Nothing of memory survives a close: those tests go on with the same store there. */
static void world_reopen(world *w) {
    rv_error err;
    if (w->on->is_memory)
        return;
    assert_ok(rv_store_close(w->store, &err), &err);
    world_open(w);
}

static int world_setup(void **state) {
    world *w = rv_alloc(sizeof *w);
    w->on = *state;
    folder_make(w->folder, sizeof w->folder);
    (void)snprintf(w->path, sizeof w->path, "%s/store", w->folder);
    world_open(w);
    *state = w;
    return 0;
}

static int world_teardown(void **state) {
    world *w = *state;
    rv_error err;
    assert_ok(rv_store_close(w->store, &err), &err);
    folder_remove(w->folder);
    rv_arena_deinit(&w->arena);
    *state = (void *)(uintptr_t)w->on;
    rv_free(w);
    return 0;
}

static void row_equal(rv_row_kind kind, const void *a, const void *b) {
    const rv_row_type *type = &rv_row_types[kind];
    for (uint32_t i = 0; i < type->column_count; i++) {
        const rv_column *column = &type->columns[i];
        bool is_equal = column->type == RV_COLUMN_STR ? rv_str_eq(*rv_column_str(column, a), *rv_column_str(column, b))
                                                      : rv_column_i64(column, a) == rv_column_i64(column, b);
        if (!is_equal)
            fail_msg("%s.%s differs", type->table, column->name);
    }
}

static void append(rv_batch *batch, rv_str stream, uint64_t first_seq, uint32_t count, uint64_t n) {
    char body[64];
    int size = snprintf(body, sizeof body, "body\n %llu %c of events", (unsigned long long)n, 0);
    rv_batch_append(batch, stream, first_seq, count, sample_now(n), (rv_str){body, (size_t)size});
}

/* ---- rows ---- */

static void rows__what_is_written_is_read_back_field_by_field(void **state) {
    world *w = world_of(state);
    rv_error err;
    for (uint64_t n = 1; n <= 40; n++) { /* every word of every list is in there */
        rv_str run = rv_arena_printf(&w->arena, "R%llu", (unsigned long long)n),
               hash = rv_arena_printf(&w->arena, "sha256:%llu", (unsigned long long)n);
        rv_run_row in_run = sample_run(&w->arena, run, n), out_run;
        rv_task_row in_task = sample_task(&w->arena, run, 1, n), out_task;
        rv_workflow_row in_workflow = sample_workflow(&w->arena, hash, n), out_workflow;
        rv_batch *batch = rv_batch_new(0);
        rv_batch_run_new(batch, &in_run);
        rv_batch_task(batch, &in_task);
        rv_batch_workflow(batch, &in_workflow);
        assert_int_equal(rv_batch_count(batch), 3);
        submit_done(w->store, batch, ++w->batch_id);
        assert_ok(rv_store_run(w->store, &w->arena, run, &out_run, &err), &err);
        assert_ok(rv_store_task(w->store, &w->arena, run, &out_task, &err), &err);
        assert_ok(rv_store_workflow(w->store, &w->arena, hash, &out_workflow, &err), &err);
        row_equal(RV_ROW_RUN, &in_run, &out_run);
        row_equal(RV_ROW_TASK, &in_task, &out_task);
        row_equal(RV_ROW_WORKFLOW, &in_workflow, &out_workflow);
    }
}

static bool has_workflow(world *w, rv_str workspace, const char *hash) {
    bool has = false;
    rv_error err;
    assert_ok(rv_store_workflow_has(w->store, workspace, rv_str_of(hash), &has, &err), &err);
    return has;
}

static void rows__upserts_replace_and_a_workflow_is_kept_as_first_stored(void **state) {
    world *w = world_of(state);
    rv_error err;
    rv_run_row run = sample_run(&w->arena, RV_STR("R"), 1), out_run;
    rv_workflow_row first = sample_workflow(&w->arena, RV_STR("sha256:h"), 1),
                    second = sample_workflow(&w->arena, RV_STR("sha256:h"), 2), out;
    rv_batch *batch = rv_batch_new(0);
    rv_batch_run(batch, &run);
    rv_batch_workflow(batch, &first);
    rv_batch_meta(batch, RV_STR("key"), RV_STR("one"));
    submit_done(w->store, batch, ++w->batch_id);
    run = sample_run(&w->arena, RV_STR("R"), 6); /* another status, file, name … */
    batch = rv_batch_new(0);
    rv_batch_run(batch, &run);
    rv_batch_workflow(batch, &second);
    rv_batch_meta(batch, RV_STR("key"), RV_STR("two"));
    submit_done(w->store, batch, ++w->batch_id);
    world_reopen(w);
    rv_str value;
    assert_ok(rv_store_run(w->store, &w->arena, RV_STR("R"), &out_run, &err), &err);
    row_equal(RV_ROW_RUN, &run, &out_run);
    assert_ok(rv_store_workflow(w->store, &w->arena, RV_STR("sha256:h"), &out, &err), &err);
    row_equal(RV_ROW_WORKFLOW, &first, &out);
    assert_true(has_workflow(w, first.workspace, "sha256:h"));
    assert_false(has_workflow(w, first.workspace, "sha256:g"));
    assert_false(has_workflow(w, RV_STR("elsewhere"), "sha256:h"));
    assert_ok(rv_store_meta(w->store, &w->arena, RV_STR("key"), &value, &err), &err);
    assert_str(value, "two");
}

static void rows__what_is_absent_is_not_found(void **state) {
    world *w = world_of(state);
    rv_error err;
    rv_run_row run;
    rv_task_row task;
    rv_workflow_row workflow;
    rv_str value;
    uint64_t seq;
    assert_status(rv_store_run(w->store, &w->arena, RV_STR("R"), &run, &err), RV_NOT_FOUND);
    assert_status(rv_store_task(w->store, &w->arena, RV_STR("R"), &task, &err), RV_NOT_FOUND);
    assert_status(rv_store_workflow(w->store, &w->arena, RV_STR("R"), &workflow, &err), RV_NOT_FOUND);
    assert_status(rv_store_meta(w->store, &w->arena, RV_STR("R"), &value, &err), RV_NOT_FOUND);
    assert_status(rv_store_snapshot(w->store, &w->arena, RV_STR("R"), &seq, &value, &err), RV_NOT_FOUND);
    assert_non_null(strstr(err.text, "R"));
}

static void rows__bytes_and_large_values_come_back_exactly(void **state) {
    world *w = world_of(state);
    rv_error err;
    size_t size = 3u << 20;
    char *large = rv_arena_alloc(&w->arena, size);
    for (size_t i = 0; i < size; i++)
        large[i] = (char)(i * 31 + i / 256); /* every byte, NUL too */
    rv_batch *batch = rv_batch_new(0);
    rv_batch_snapshot(batch, RV_STR("run/R"), 9, (rv_str){large, size});
    rv_batch_meta(batch, RV_STR("empty"), (rv_str){NULL, 0});
    rv_batch_meta(batch, RV_STR("bytes"), (rv_str){large, 1000});
    assert_true(rv_batch_size(batch) > size);
    submit_done(w->store, batch, ++w->batch_id);
    world_reopen(w);
    rv_str body;
    uint64_t seq;
    assert_ok(rv_store_snapshot(w->store, &w->arena, RV_STR("run/R"), &seq, &body, &err), &err);
    assert_int_equal(seq, 9);
    assert_true(rv_str_eq(body, (rv_str){large, size}));
    assert_ok(rv_store_meta(w->store, &w->arena, RV_STR("empty"), &body, &err), &err);
    assert_int_equal(body.size, 0);
    assert_ok(rv_store_meta(w->store, &w->arena, RV_STR("bytes"), &body, &err), &err);
    assert_true(rv_str_eq(body, (rv_str){large, 1000}));
}

static void rows__the_latest_snapshot_of_a_stream_is_read(void **state) {
    world *w = world_of(state);
    rv_error err;
    for (uint64_t seq = 10; seq <= 30; seq += 10) {
        rv_batch *batch = rv_batch_new(0);
        rv_batch_snapshot(batch, RV_STR("run/R"), seq, rv_arena_printf(&w->arena, "state at %llu", (unsigned long long)seq));
        rv_batch_snapshot(batch, RV_STR("run/S"), 1, RV_STR("other"));
        submit_done(w->store, batch, ++w->batch_id);
    }
    uint64_t seq;
    rv_str body;
    assert_ok(rv_store_snapshot(w->store, &w->arena, RV_STR("run/R"), &seq, &body, &err), &err);
    assert_int_equal(seq, 30);
    assert_str(body, "state at 30");
}

/* ---- the cache ---- */

static void entry_write(world *w, uint64_t key, uint64_t n) {
    rv_batch *batch = rv_batch_new(0);
    rv_cache_row row = sample_cache(&w->arena, key, n);
    rv_batch_cache(batch, &row);
    submit_done(w->store, batch, ++w->batch_id);
}

static void cache__an_entry_is_found_by_its_whole_key(void **state) {
    world *w = world_of(state);
    rv_error err;
    rv_cache_row in = sample_cache(&w->arena, 7, 3), out;
    char other[32];
    assert_status(rv_store_cache(w->store, &w->arena, in.key, &out, &err), RV_NOT_FOUND);
    entry_write(w, 7, 3);
    world_reopen(w);
    assert_ok(rv_store_cache(w->store, &w->arena, in.key, &out, &err), &err);
    in.id = out.id;
    in.made_of = (rv_str){NULL, 0}; /* nobody who looks one up needs it */
    row_equal(RV_ROW_CACHE, &in, &out);
    memcpy(other, in.key.at, sizeof other);
    other[31] ^= 1; /* the same place, another key */
    assert_status(rv_store_cache(w->store, &w->arena, (rv_str){other, sizeof other}, &out, &err), RV_NOT_FOUND);
}

static void cache__a_second_entry_of_a_key_takes_the_place_of_the_first_under_a_new_id(void **state) {
    world *w = world_of(state);
    rv_error err;
    rv_cache_row first, second;
    rv_str key = sample_cache(&w->arena, 1, 0).key;
    entry_write(w, 1, 5);
    assert_ok(rv_store_cache(w->store, &w->arena, key, &first, &err), &err);
    entry_write(w, 1, 6);
    assert_ok(rv_store_cache(w->store, &w->arena, key, &second, &err), &err);
    assert_true(second.id > first.id && second.created_ms == 6);
    rv_batch *batch = rv_batch_new(0);
    rv_batch_cache_drop(batch, first.id, key); /* whoever saw the first cannot drop the second */
    submit_done(w->store, batch, ++w->batch_id);
    assert_ok(rv_store_cache(w->store, &w->arena, key, &second, &err), &err);
    batch = rv_batch_new(0);
    rv_batch_cache_drop(batch, second.id, key);
    submit_done(w->store, batch, ++w->batch_id);
    assert_status(rv_store_cache(w->store, &w->arena, key, &second, &err), RV_NOT_FOUND);
}

static void cache__the_latest_entry_of_an_owner_tells_what_it_was_made_of(void **state) {
    world *w = world_of(state);
    rv_error err;
    rv_cache_row row, want = sample_cache(&w->arena, 4, 9);
    assert_status(rv_store_cache_last(w->store, &w->arena, want.owner, &row, &err), RV_NOT_FOUND);
    entry_write(w, 1, 8);
    entry_write(w, 4, 9); /* the same owner */
    entry_write(w, 2, 10);
    assert_ok(rv_store_cache_last(w->store, &w->arena, want.owner, &row, &err), &err);
    want.id = row.id;
    row_equal(RV_ROW_CACHE, &want, &row);
}

static void cache__a_scan_goes_through_all_entries_in_steps(void **state) {
    world *w = world_of(state);
    rv_error err;
    rv_cache_rows rows = {0};
    uint64_t after = 0, seen = 0;
    for (uint64_t i = 1; i <= 7; i++)
        entry_write(w, i, i);
    for (;;) {
        rv_vec_clear(&rows);
        assert_ok(rv_store_cache_scan(w->store, &w->arena, after, 3, &rows, &err), &err);
        for (uint32_t i = 0; i < rows.count; i++) {
            assert_int_equal(rows.at[i].created_ms, ++seen);
            assert_true(rows.at[i].id > after);
            after = rows.at[i].id;
        }
        if (rows.count < 3)
            break;
    }
    assert_int_equal(seen, 7);
    rv_vec_deinit(&rows);
}

static void runs__come_newest_first_and_filtered(void **state) {
    world *w = world_of(state);
    rv_error err;
    rv_run_row rows[24];
    rv_batch *batch = rv_batch_new(0);
    for (uint32_t i = 0; i < RV_COUNT(rows); i++) {
        rows[i] = sample_run(&w->arena, rv_arena_printf(&w->arena, "R%u", i), i);
        rv_batch_run_new(batch, &rows[i]);
    }
    submit_done(w->store, batch, ++w->batch_id);
    batch = rv_batch_new(0); /* an update does not make a run newer; it may finish it or begin it again */
    rows[3].status = RV_RUN_RUNNING;
    rows[8].status = RV_RUN_OK;
    rv_batch_run(batch, &rows[3]);
    rv_batch_run(batch, &rows[8]);
    submit_done(w->store, batch, ++w->batch_id);
    world_reopen(w);
    for (uint32_t mask = 0; mask < 64; mask++) {
        rv_run_filter filter = {.unfinished = mask & 1, .limit = mask & 2 ? 2 : 0};
        filter.file = mask & 4 ? rows[5].file : (rv_str){0};
        filter.name = mask & 8 ? rows[5].name : (rv_str){0};
        filter.workflow_hash = mask & 16 ? rows[5].workflow_hash : (rv_str){0};
        filter.budget_group = mask & 32 ? rows[5].budget_group : (rv_str){0};
        rv_run_rows found = {0};
        assert_ok(rv_store_runs(w->store, &w->arena, &filter, &found, &err), &err);
        uint32_t at = 0;
        for (uint32_t i = RV_COUNT(rows); i-- > 0;) {
            bool wanted = (!filter.unfinished || rows[i].status < RV_RUN_OK) &&
                          (!filter.file.size || rv_str_eq(filter.file, rows[i].file)) &&
                          (!filter.name.size || rv_str_eq(filter.name, rows[i].name)) &&
                          (!filter.workflow_hash.size || rv_str_eq(filter.workflow_hash, rows[i].workflow_hash)) &&
                          (!filter.budget_group.size || rv_str_eq(filter.budget_group, rows[i].budget_group));
            if (!wanted || (filter.limit && at == filter.limit))
                continue;
            assert_true(at < found.count);
            row_equal(RV_ROW_RUN, &rows[i], &found.at[at++]);
        }
        assert_int_equal(at, found.count);
        rv_vec_deinit(&found);
    }
}

static void attempts__open_ones_are_found_in_order(void **state) {
    world *w = world_of(state);
    rv_error err;
    rv_batch *batch = rv_batch_new(0);
    static const struct { uint32_t index, epoch; rv_attempt_state state; } given[] = {
        {7, 2, RV_ATTEMPT_RUNNING}, {7, 1, RV_ATTEMPT_LOST}, {1000003, 1, RV_ATTEMPT_STARTING}, {0, 70000, RV_ATTEMPT_PENDING},
        {0, 1, RV_ATTEMPT_VOID}, {0, 69999, RV_ATTEMPT_RUNNING}, {5, 1, RV_ATTEMPT_OK}};
    for (uint32_t i = 0; i < RV_COUNT(given); i++) {
        rv_attempt_row row = sample_attempt(&w->arena, RV_STR("R"), given[i].index, given[i].epoch, i);
        row.state = given[i].state;
        rv_batch_attempt(batch, &row);
        row = sample_attempt(&w->arena, RV_STR("other"), given[i].index, given[i].epoch, i);
        rv_batch_attempt(batch, &row);
        rv_node_row node = sample_node(&w->arena, RV_STR("R"), given[i].index, i);
        rv_batch_node(batch, &node);
    }
    submit_done(w->store, batch, ++w->batch_id);
    world_reopen(w);
    rv_attempt_rows rows = {0};
    assert_ok(rv_store_attempts_open(w->store, &w->arena, RV_STR("R"), &rows, &err), &err);
    static const uint32_t wanted[] = {5, 3, 0, 2};
    assert_int_equal(rows.count, RV_COUNT(wanted));
    for (uint32_t i = 0; i < rows.count; i++) {
        rv_attempt_row want = sample_attempt(&w->arena, RV_STR("R"), given[wanted[i]].index, given[wanted[i]].epoch, wanted[i]);
        want.state = given[wanted[i]].state;
        row_equal(RV_ROW_ATTEMPT, &want, &rows.at[i]);
    }
    assert_ok(rv_store_attempts_open(w->store, &w->arena, RV_STR("nobody"), &rows, &err), &err);
    assert_int_equal(rows.count, RV_COUNT(wanted));
    rv_vec_deinit(&rows);
}

/* ---- journal ---- */

typedef struct seen { uint64_t first[128]; uint32_t count, stop_at; rv_now now; } seen;

static rv_status see(void *user, const rv_journal_row *row) {
    seen *to = user;
    if (to->stop_at && to->count == to->stop_at)
        return RV_CONFLICT;
    to->first[to->count++] = row->first_seq;
    to->now = row->now;
    assert_int_equal(row->version, RV_JOURNAL_VERSION);
    assert_true(row->body.size > 10 && memcmp(row->body.at, "body\n ", 6) == 0);
    return RV_OK;
}

static void journal__rows_come_in_order_from_any_seq(void **state) {
    world *w = world_of(state);
    rv_error err;
    uint64_t seq = 1, firsts[30], lasts[30];
    for (uint32_t i = 0; i < 30; i++) {
        rv_batch *batch = rv_batch_new(0);
        firsts[i] = seq;
        append(batch, RV_STR("run/R"), seq, 1 + i % 3, i);
        seq += 1 + i % 3;
        lasts[i] = seq - 1;
        if (i % 2)
            append(batch, RV_STR("run/S"), 1 + i / 2, 1, i);
        submit_done(w->store, batch, ++w->batch_id);
    }
    world_reopen(w);
    for (uint64_t after = 0; after < seq + 3; after++) {
        seen to = {0};
        assert_ok(rv_store_journal(w->store, RV_STR("run/R"), after, see, &to, &err), &err);
        uint32_t at = 0;
        for (uint32_t i = 0; i < 30; i++)
            if (lasts[i] > after)
                assert_int_equal(to.first[at++], firsts[i]);
        assert_int_equal(at, to.count);
        if (at)
            assert_int_equal(to.now.wall_ms, sample_now(29).wall_ms);
        if (at)
            assert_int_equal(to.now.engine_ms, sample_now(29).engine_ms);
    }
    seen none = {0}, some = {.stop_at = 4};
    assert_ok(rv_store_journal(w->store, RV_STR("run/none"), 0, see, &none, &err), &err);
    assert_int_equal(none.count, 0);
    assert_status(rv_store_journal(w->store, RV_STR("run/R"), 0, see, &some, &err), RV_CONFLICT);
    assert_int_equal(some.count, 4);
}

/* ---- preconditions (3) ---- */

static void groups__a_failed_precondition_rejects_its_group_and_no_other(void **state) {
    world *w = world_of(state);
    rv_error err;
    rv_run_row run = sample_run(&w->arena, RV_STR("R"), 1);
    rv_task_row task = sample_task(&w->arena, RV_STR("T"), 1, 1), again = sample_task(&w->arena, RV_STR("T"), 2, 2),
                late = sample_task(&w->arena, RV_STR("T"), 2, 3);
    rv_batch *batch = rv_batch_new(0);
    append(batch, RV_STR("run/R"), 1, 2, 1);
    append(batch, RV_STR("run/R"), 3, 1, 2); /* sees the one before it */
    rv_batch_run_new(batch, &run);
    rv_batch_task(batch, &task);
    assert_int_equal(rv_batch_group(batch), 1);
    rv_batch_meta(batch, RV_STR("in 1"), RV_STR("x")); /* an earlier write of a rejected group */
    append(batch, RV_STR("run/R"), 3, 1, 3);           /* does not follow 3 */
    rv_batch_meta(batch, RV_STR("in 1 too"), RV_STR("x"));
    assert_int_equal(rv_batch_group(batch), 2);
    rv_batch_run_new(batch, &run); /* is there already */
    assert_int_equal(rv_batch_group(batch), 3);
    rv_batch_task(batch, &again);
    rv_batch_meta(batch, RV_STR("in 3"), RV_STR("x"));
    assert_int_equal(rv_batch_group(batch), 4);
    rv_batch_task(batch, &late); /* version 2 again */
    assert_int_equal(rv_batch_group(batch), 5);
    append(batch, RV_STR("run/R"), 4, 1, 4);
    rv_store_result result = submit_wait(w->store, batch, ++w->batch_id);
    assert_int_equal(result.outcome, RV_OUTCOME_DONE);
    assert_int_equal(result.rejected_groups, 1u << 1 | 1u << 2 | 1u << 4);
    rv_str value;
    assert_status(rv_store_meta(w->store, &w->arena, RV_STR("in 1"), &value, &err), RV_NOT_FOUND);
    assert_status(rv_store_meta(w->store, &w->arena, RV_STR("in 1 too"), &value, &err), RV_NOT_FOUND);
    assert_ok(rv_store_meta(w->store, &w->arena, RV_STR("in 3"), &value, &err), &err);
    rv_task_row out;
    assert_ok(rv_store_task(w->store, &w->arena, RV_STR("T"), &out, &err), &err);
    row_equal(RV_ROW_TASK, &again, &out);
    seen to = {0};
    assert_ok(rv_store_journal(w->store, RV_STR("run/R"), 0, see, &to, &err), &err);
    assert_int_equal(to.count, 3);
    assert_int_equal(to.first[2], 4);
}

static void groups__a_batch_whose_every_group_is_rejected_is_done_and_recorded(void **state) {
    world *w = world_of(state);
    rv_error err;
    rv_batch *batch = rv_batch_new(0);
    append(batch, RV_STR("run/R"), 2, 1, 1);
    rv_store_result result = submit_wait(w->store, batch, 77);
    assert_int_equal(result.outcome, RV_OUTCOME_DONE);
    assert_int_equal(result.rejected_groups, 1);
    uint64_t last;
    assert_ok(rv_store_last_batch(w->store, &last, &err), &err);
    assert_int_equal(last, 77);
}

static void groups__the_last_of_64_groups_is_told_apart(void **state) {
    world *w = world_of(state);
    rv_batch *batch = rv_batch_new(0);
    for (uint32_t group = 0; group < 64; group++) {
        if (group)
            assert_int_equal(rv_batch_group(batch), group);
        append(batch, rv_arena_printf(&w->arena, "run/%u", group), group == 63 ? 2 : 1, 1, group);
    }
    assert_int_equal(submit_wait(w->store, batch, ++w->batch_id).rejected_groups, UINT64_C(1) << 63);
}

/* ---- batches (4, 5, 8) ---- */

static void batches__the_last_id_is_known_whatever_they_wrote(void **state) {
    world *w = world_of(state);
    rv_error err;
    uint64_t seq[3] = {1, 1, 1}, last = 0;
    uint64_t seed = 20261121;
    print_message("seed %llu\n", (unsigned long long)seed);
    assert_ok(rv_store_last_batch(w->store, &last, &err), &err);
    assert_int_equal(last, 0);
    for (uint32_t i = 0; i < 200; i++) {
        rv_batch *batch = rv_batch_new(0);
        uint32_t what = rv_rng_below(&seed, 6);
        for (uint32_t stream = 0; stream < 3; stream++)
            if (what & (1u << stream) && what < 5) /* 0: nothing; 5: a meta value only */
                append(batch, rv_arena_printf(&w->arena, "run/%u", stream), seq[stream]++, 1, i);
        if (what == 5)
            rv_batch_meta(batch, RV_STR("k"), RV_STR("v"));
        w->batch_id += 1 + rv_rng_below(&seed, 3);
        submit_done(w->store, batch, w->batch_id);
        if (rv_rng_below(&seed, 10) == 0)
            world_reopen(w);
        assert_ok(rv_store_last_batch(w->store, &last, &err), &err);
        assert_int_equal(last, w->batch_id);
        bool exists = false, next = true;
        assert_ok(rv_store_batch_exists(w->store, w->batch_id, &exists, &err), &err);
        assert_ok(rv_store_batch_exists(w->store, w->batch_id + 1, &next, &err), &err);
        assert_true(exists);
        assert_false(next);
    }
}

static void batches__results_come_in_order_each_once_and_synced_after_written(void **state) {
    world *w = world_of(state);
    enum { COUNT = 500 };
    uint32_t written = 0, synced = 0, wanted = 0;
    bool is_written[COUNT + 1] = {0};
    for (uint64_t i = 1; i <= COUNT; i++) {
        rv_batch *batch = rv_batch_new(0);
        append(batch, RV_STR("run/R"), i, 1, i);
        wanted += i % 7 == 0;
        rv_store_submit(w->store, batch, i, i % 7 == 0, &is_written[i]);
    }
    while (written < COUNT || synced < wanted) {
        rv_store_result result = result_next(w->store);
        assert_int_equal(result.outcome, RV_OUTCOME_DONE);
        assert_ptr_equal(result.user, &is_written[result.batch_id]);
        if (result.is_synced_notice) {
            assert_true(is_written[result.batch_id]);
            assert_int_equal(result.batch_id, (uint64_t)++synced * 7);
        } else {
            assert_int_equal(result.batch_id, ++written);
            is_written[result.batch_id] = true;
        }
    }
    rv_store_result none;
    assert_int_equal(rv_store_dispatch(w->store, &none, 1), 0);
    w->batch_id = COUNT;
}

static void batches__reads_see_every_batch_submitted_before_them(void **state) {
    world *w = world_of(state);
    rv_error err;
    for (uint64_t i = 1; i <= 200; i++) {
        char text[32];
        (void)snprintf(text, sizeof text, "%llu", (unsigned long long)i);
        rv_batch *batch = rv_batch_new(0);
        rv_batch_meta(batch, RV_STR("k"), rv_str_of(text));
        rv_store_submit(w->store, batch, i, false, NULL);
        rv_str value;
        assert_ok(rv_store_meta(w->store, &w->arena, RV_STR("k"), &value, &err), &err);
        assert_str(value, text);
    }
    for (uint64_t i = 1; i <= 200; i++)
        assert_int_equal(result_next(w->store).batch_id, i);
}

static void batches__flush_means_everything_submitted(void **state) {
    world *w = world_of(state);
    rv_error err;
    for (uint64_t i = 1; i <= 50; i++) {
        rv_batch *batch = rv_batch_new(0);
        append(batch, RV_STR("run/R"), i, 1, i);
        rv_store_submit(w->store, batch, i, i % 2, NULL);
    }
    assert_ok(rv_store_flush(w->store, true, &err), &err);
    rv_store_result results[200];
    assert_int_equal(rv_store_dispatch(w->store, results, 200), 75);
    assert_ok(rv_store_flush(w->store, false, &err), &err);
}

static void batches__what_was_queued_at_close_is_written(void **state) {
    world *w = world_of(state);
    rv_error err;
    for (uint64_t i = 1; i <= 300; i++) {
        rv_batch *batch = rv_batch_new(0);
        append(batch, RV_STR("run/R"), i, 1, i);
        rv_store_submit(w->store, batch, i, false, NULL);
    }
    world_reopen(w);
    uint64_t last;
    assert_ok(rv_store_last_batch(w->store, &last, &err), &err);
    assert_int_equal(last, 300);
}

static void batches__come_in_after_a_leave_as_before_it(void **state) {
    world *w = world_of(state);
    rv_error err;
    for (uint64_t i = 1; i <= 60; i++) {
        rv_batch *batch = rv_batch_new(0);
        append(batch, RV_STR("run/R"), i, 1, i);
        rv_store_submit(w->store, batch, i, i % 7 == 0, NULL);
        if (i % 20 == 0)
            rv_store_leave(w->store);
    }
    seen to = {0};
    assert_ok(rv_store_journal(w->store, RV_STR("run/R"), 0, see, &to, &err), &err);
    assert_int_equal(to.count, 60);
    rv_store_leave(w->store);
    world_reopen(w);
    to = (seen){0};
    assert_ok(rv_store_journal(w->store, RV_STR("run/R"), 0, see, &to, &err), &err);
    assert_int_equal(to.count, 60);
}

static void batches__recover_is_harmless_when_nothing_failed(void **state) {
    world *w = world_of(state);
    rv_error err;
    for (uint64_t i = 1; i <= 10; i++) {
        rv_batch *batch = rv_batch_new(0);
        append(batch, RV_STR("run/R"), i, 1, i);
        submit_done(w->store, batch, i);
        assert_ok(rv_store_recover(w->store, &err), &err);
    }
    seen to = {0};
    assert_ok(rv_store_journal(w->store, RV_STR("run/R"), 0, see, &to, &err), &err);
    assert_int_equal(to.count, 10);
}

/* ---- every test with every backend ---- */

#define TESTS(X) \
    X(rows__what_is_written_is_read_back_field_by_field) \
    X(rows__upserts_replace_and_a_workflow_is_kept_as_first_stored) \
    X(rows__what_is_absent_is_not_found) \
    X(rows__bytes_and_large_values_come_back_exactly) \
    X(rows__the_latest_snapshot_of_a_stream_is_read) \
    X(cache__an_entry_is_found_by_its_whole_key) \
    X(cache__a_second_entry_of_a_key_takes_the_place_of_the_first_under_a_new_id) \
    X(cache__the_latest_entry_of_an_owner_tells_what_it_was_made_of) \
    X(cache__a_scan_goes_through_all_entries_in_steps) \
    X(runs__come_newest_first_and_filtered) \
    X(attempts__open_ones_are_found_in_order) \
    X(journal__rows_come_in_order_from_any_seq) \
    X(groups__a_failed_precondition_rejects_its_group_and_no_other) \
    X(groups__a_batch_whose_every_group_is_rejected_is_done_and_recorded) \
    X(groups__the_last_of_64_groups_is_told_apart) \
    X(batches__the_last_id_is_known_whatever_they_wrote) \
    X(batches__results_come_in_order_each_once_and_synced_after_written) \
    X(batches__reads_see_every_batch_submitted_before_them) \
    X(batches__flush_means_everything_submitted) \
    X(batches__what_was_queued_at_close_is_written) \
    X(batches__come_in_after_a_leave_as_before_it) \
    X(batches__recover_is_harmless_when_nothing_failed)

int main(void) {
    static const struct { const char *name; CMUnitTestFunction run; } tests[] = {
#define X(name_) {#name_, name_},
        TESTS(X)
#undef X
    };
    struct CMUnitTest all[RV_COUNT(tests) * RV_COUNT(backends)];
    char names[RV_COUNT(all)][160];
    for (size_t i = 0; i < RV_COUNT(all); i++) {
        const backend *on = &backends[i / RV_COUNT(tests)];
        (void)snprintf(names[i], sizeof names[i], "%s: %s", on->name, tests[i % RV_COUNT(tests)].name);
        all[i] = (struct CMUnitTest){names[i], tests[i % RV_COUNT(tests)].run, world_setup, world_teardown, (void *)(uintptr_t)on};
    }
    return cmocka_run_group_tests_name("contract", all, NULL, NULL);
}
