/* Random batches, good and rejected ones, against the memory backend and SQLite at once: all that can be read is equal. */
#include "fixture.h"

#include "store/rows.h"

#include <stdio.h>

enum { ROUNDS = 40, BATCHES = 60, NAMES = 4, BEGUN = 2 /* runs that exist from the first batch on */ };

typedef struct script { /* what the writer believes, so that most preconditions hold */
    uint64_t seed, seq[NAMES], batch_id;
    uint32_t version[NAMES];
    rv_arena arena;
} script;

static rv_str name_of(script *s, const char *prefix, uint32_t i) { return rv_arena_printf(&s->arena, "%s%u", prefix, i); }

static void write_append(script *s, rv_batch *batch, uint32_t i, uint64_t n, bool is_wrong) {
    uint32_t count = 1 + rv_rng_below(&s->seed, 3);
    uint64_t first = s->seq[i] + 1 + (is_wrong ? 1 + rv_rng_below(&s->seed, 2) : 0);
    rv_batch_append(batch, name_of(s, "run/R", i), first, count, sample_now(n), name_of(s, "body", (uint32_t)n));
    if (!is_wrong)
        s->seq[i] += count;
}

/* One random write. A wrong one may make its group fail, and what the writer believes then is wrong too: more rejections. */
static void write_random(script *s, rv_batch *batch, uint64_t n) {
    uint32_t what = rv_rng_below(&s->seed, RV_WRITE_COUNT), i = rv_rng_below(&s->seed, NAMES);
    bool is_wrong = rv_rng_below(&s->seed, 12) == 0;
    rv_str run = name_of(s, "R", i);
    rv_run_row run_row = sample_run(&s->arena, run, n);
    rv_task_row task = sample_task(&s->arena, name_of(s, "T", i), s->version[i] + 1 + is_wrong, n);
    rv_str begun = name_of(s, "R", i % BEGUN);
    rv_node_row node = sample_node(&s->arena, begun, rv_rng_below(&s->seed, 50), n);
    rv_attempt_row attempt = sample_attempt(&s->arena, begun, rv_rng_below(&s->seed, 50), 1 + rv_rng_below(&s->seed, 3), n);
    rv_artifact_row artifact = sample_artifact(&s->arena, run, node.id, n);
    rv_blocker_row blocker = sample_blocker(&s->arena, run, node.id, n);
    rv_workflow_row workflow = sample_workflow(&s->arena, name_of(s, "sha256:", i), n);
    rv_cache_row entry = sample_cache(&s->arena, i + 1, n);
    switch ((rv_write_kind)what) {
    case RV_WRITE_APPEND: write_append(s, batch, i, n, is_wrong); break;
    case RV_WRITE_WORKFLOW: rv_batch_workflow(batch, &workflow); break;
    case RV_WRITE_TASK:
        rv_batch_task(batch, &task);
        s->version[i] += !is_wrong;
        break;
    case RV_WRITE_RUN: rv_batch_run(batch, &run_row); break;
    case RV_WRITE_RUN_NEW: rv_batch_run_new(batch, &run_row); break;
    case RV_WRITE_NODE: rv_batch_node(batch, &node); break;
    case RV_WRITE_ATTEMPT: rv_batch_attempt(batch, &attempt); break;
    case RV_WRITE_ARTIFACT: rv_batch_artifact(batch, &artifact); break;
    case RV_WRITE_BLOCKER: rv_batch_blocker(batch, &blocker); break;
    case RV_WRITE_SNAPSHOT: rv_batch_snapshot(batch, name_of(s, "run/R", i), n, name_of(s, "state", (uint32_t)n)); break;
    case RV_WRITE_META: rv_batch_meta(batch, name_of(s, "key", i), name_of(s, "value", (uint32_t)n)); break;
    case RV_WRITE_CACHE: rv_batch_cache(batch, &entry); break;
    case RV_WRITE_CACHE_DROP: rv_batch_cache_drop(batch, 1 + rv_rng_below(&s->seed, 6), entry.key); break;
    case RV_WRITE_COUNT: RV_UNREACHABLE();
    }
}

static rv_batch *batch_random(script *s) {
    rv_batch *batch = rv_batch_new(0);
    for (uint32_t i = 0; i < BEGUN && s->batch_id == 0; i++) {
        rv_run_row run = sample_run(&s->arena, name_of(s, "R", i), i);
        rv_batch_run_new(batch, &run);
    }
    s->batch_id++;
    rv_batch_group(batch);
    for (uint32_t left = rv_rng_below(&s->seed, 12); left > 0; left--) {
        write_random(s, batch, rv_rng_next(&s->seed) % 1000);
        if (rv_rng_below(&s->seed, 4) == 0)
            rv_batch_group(batch);
    }
    return batch;
}

/* ---- all that can be read, as text ---- */

static void row_dump(rv_buf *out, rv_row_kind kind, const void *row) {
    const rv_row_type *type = &rv_row_types[kind];
    for (uint32_t i = 0; i < type->column_count; i++) {
        const rv_column *column = &type->columns[i];
        if (column->type == RV_COLUMN_STR)
            rv_buf_printf(out, "%s=%.*s ", column->name, RV_FMT(*rv_column_str(column, row)));
        else
            rv_buf_printf(out, "%s=%lld ", column->name, (long long)rv_column_i64(column, row));
    }
    rv_buf_byte(out, '\n');
}

static rv_status journal_dump(void *user, const rv_journal_row *row) {
    rv_buf_printf(user, "journal %llu+%u v%u %lld %lld %.*s %016llx\n", (unsigned long long)row->first_seq, row->event_count,
                  row->version, (long long)row->now.wall_ms, (long long)row->now.engine_ms, RV_FMT(row->body),
                  (unsigned long long)row->checksum);
    return RV_OK;
}

static void name_dump(rv_store *store, script *s, uint32_t i, rv_buf *out) {
    rv_error err;
    rv_run_row run;
    rv_task_row task;
    rv_workflow_row workflow;
    rv_attempt_rows attempts = {0};
    rv_str value = {0};
    uint64_t seq = 0;
    if (!rv_store_run(store, &s->arena, name_of(s, "R", i), &run, &err))
        row_dump(out, RV_ROW_RUN, &run);
    if (!rv_store_task(store, &s->arena, name_of(s, "T", i), &task, &err))
        row_dump(out, RV_ROW_TASK, &task);
    if (!rv_store_workflow(store, &s->arena, name_of(s, "sha256:", i), &workflow, &err))
        row_dump(out, RV_ROW_WORKFLOW, &workflow);
    if (!rv_store_meta(store, &s->arena, name_of(s, "key", i), &value, &err))
        rv_buf_printf(out, "meta %.*s\n", RV_FMT(value));
    if (!rv_store_snapshot(store, &s->arena, name_of(s, "run/R", i), &seq, &value, &err))
        rv_buf_printf(out, "snapshot %llu %.*s\n", (unsigned long long)seq, RV_FMT(value));
    assert_ok(rv_store_attempts_open(store, &s->arena, name_of(s, "R", i), &attempts, &err), &err);
    for (uint32_t k = 0; k < attempts.count; k++)
        row_dump(out, RV_ROW_ATTEMPT, &attempts.at[k]);
    rv_vec_deinit(&attempts);
    for (uint64_t after = 0; after < 9; after += 4)
        assert_ok(rv_store_journal(store, name_of(s, "run/R", i), after, journal_dump, out, &err), &err);
}

static void cache_dump(rv_store *store, script *s, rv_buf *out) {
    rv_error err;
    rv_cache_rows rows = {0};
    rv_cache_row row;
    for (uint32_t i = 0; i < NAMES; i++)
        if (!rv_store_cache(store, &s->arena, sample_cache(&s->arena, i + 1, 0).key, &row, &err))
            row_dump(out, RV_ROW_CACHE, &row);
    for (uint64_t i = 0; i < 3; i++)
        if (!rv_store_cache_last(store, &s->arena, UINT64_MAX - i, &row, &err))
            row_dump(out, RV_ROW_CACHE, &row);
    assert_ok(rv_store_cache_scan(store, &s->arena, 1, 2, &rows, &err), &err);
    for (uint32_t i = 0; i < rows.count; i++)
        row_dump(out, RV_ROW_CACHE, &rows.at[i]);
    rv_vec_deinit(&rows);
}

static void store_dump(rv_store *store, script *s, rv_buf *out) {
    rv_error err;
    rv_run_rows runs = {0};
    rv_run_filter filters[] = {{.limit = 3}, {.unfinished = true}};
    uint64_t last;
    rv_buf_clear(out);
    for (uint32_t i = 0; i < NAMES; i++)
        name_dump(store, s, i, out);
    for (uint32_t i = 0; i < RV_COUNT(filters); i++)
        assert_ok(rv_store_runs(store, &s->arena, &filters[i], &runs, &err), &err);
    for (uint32_t i = 0; i < runs.count; i++)
        row_dump(out, RV_ROW_RUN, &runs.at[i]);
    rv_vec_deinit(&runs);
    cache_dump(store, s, out);
    assert_ok(rv_store_last_batch(store, &last, &err), &err);
    rv_buf_printf(out, "last %llu\n", (unsigned long long)last);
}

static void round_run(uint64_t seed, uint64_t *rejected) {
    char folder[256], path[300];
    rv_error err;
    script memory_script = {.seed = seed}, sqlite_script = {.seed = seed};
    rv_store *memory, *sqlite;
    rv_buf memory_text = {0}, sqlite_text = {0};
    folder_make_fast(folder, sizeof folder);
    (void)snprintf(path, sizeof path, "%s/s", folder);
    rv_store_config config = {.path = path, .is_single_threaded = seed % 2};
    assert_ok(rv_store_open_memory(&memory, &err), &err);
    assert_ok(rv_store_open_sqlite(&config, &sqlite, &err), &err);
    for (uint64_t id = 1; id <= BATCHES; id++) {
        rv_store_result a = submit_wait(memory, batch_random(&memory_script), id);
        rv_store_result b = submit_wait(sqlite, batch_random(&sqlite_script), id);
        assert_int_equal(a.outcome, RV_OUTCOME_DONE);
        if (b.outcome != RV_OUTCOME_DONE)
            fail_msg("%s", b.error.text);
        assert_int_equal(a.rejected_groups, b.rejected_groups);
        *rejected += a.rejected_groups != 0;
        if (id % 20 == 0) {
            store_dump(memory, &memory_script, &memory_text);
            store_dump(sqlite, &sqlite_script, &sqlite_text);
            assert_string_equal(memory_text.at, sqlite_text.at);
        }
        if (id % 30 == 0) {
            assert_ok(rv_store_close(sqlite, &err), &err);
            assert_ok(rv_store_open_sqlite(&config, &sqlite, &err), &err);
        }
    }
    assert_ok(rv_store_close(memory, &err), &err);
    assert_ok(rv_store_close(sqlite, &err), &err);
    rv_buf_deinit(&memory_text);
    rv_buf_deinit(&sqlite_text);
    rv_arena_deinit(&memory_script.arena);
    rv_arena_deinit(&sqlite_script.arena);
    folder_remove(folder);
}

static void twins__memory_and_sqlite_agree_on_everything_readable(void **state) {
    uint64_t seed, rejected = 0;
    rv_random_bytes(&seed, sizeof seed);
    for (uint32_t i = 0; i < ROUNDS; i++, seed++) {
        print_message("seed %llu\n", (unsigned long long)seed);
        round_run(seed, &rejected);
    }
    assert_true(rejected > ROUNDS && rejected < ROUNDS * BATCHES);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(twins__memory_and_sqlite_agree_on_everything_readable)};
    return cmocka_run_group_tests_name("twin", tests, NULL, NULL);
}
