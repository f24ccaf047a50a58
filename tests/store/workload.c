#include "workload.h"

#include "base/json.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

/* Batch n: a row of stream A with 1 + n % 3 events, every third a row of B; the run with its counter; node n % 7 and its
 * attempt n; the value n; every tenth a snapshot; every eighth a body larger than pages. */
enum { NODES = 7 };

static uint64_t a_end(uint64_t n) { /* events of A after n batches */
    uint64_t end = 0;
    for (uint64_t i = 1; i <= n; i++)
        end += 1 + i % 3;
    return end;
}

static rv_str body_of(rv_arena *arena, uint64_t n) {
    size_t size = n % 8 == 0 ? 9000 : 40 + n % 100;
    char *body = rv_arena_alloc(arena, size + 32);
    for (size_t i = 0; i < size; i++)
        body[i] = (char)(n * 131 + i * 7);
    return (rv_str){body, size};
}

rv_batch *workload_batch(uint64_t n) {
    rv_arena arena = {0};
    rv_batch *batch = rv_batch_new(0);
    rv_run_row run = sample_run(&arena, RV_STR("A"), 1);
    run.last_seq = n;
    run.status = n % 9 == 0 ? RV_RUN_INTERRUPTED : RV_RUN_RUNNING;
    rv_node_row node = sample_node(&arena, RV_STR("A"), (uint32_t)(n % NODES), n);
    rv_attempt_row attempt = sample_attempt(&arena, RV_STR("A"), (uint32_t)(n % NODES), (uint32_t)n, n);
    rv_batch_append(batch, RV_STR("run/A"), a_end(n - 1) + 1, (uint32_t)(1 + n % 3), sample_now(n), body_of(&arena, n));
    if (n % 3 == 0)
        rv_batch_append(batch, RV_STR("run/B"), n / 3, 1, sample_now(n), body_of(&arena, n + 1));
    rv_batch_run(batch, &run);
    rv_batch_node(batch, &node);
    rv_batch_attempt(batch, &attempt);
    rv_batch_meta(batch, RV_STR("n"), rv_arena_printf(&arena, "%llu", (unsigned long long)n));
    if (n % 10 == 0)
        rv_batch_snapshot(batch, RV_STR("run/A"), a_end(n), body_of(&arena, n * 8));
    rv_arena_deinit(&arena);
    return batch;
}

typedef struct counted { uint64_t rows, n_step; rv_arena arena; uint64_t last_seq; } counted;

static rv_status row_see(void *user, const rv_journal_row *row) {
    counted *to = user;
    uint64_t n = ++to->rows * to->n_step;
    rv_str body = body_of(&to->arena, to->n_step == 3 ? n + 1 : n);
    assert_true(rv_str_eq(body, row->body));
    to->last_seq = row->first_seq + row->event_count - 1;
    rv_arena_clear(&to->arena);
    return RV_OK;
}

static uint64_t journal_count(rv_store *store, rv_str stream, uint64_t n_step, uint64_t *ret_last) {
    rv_error err;
    counted to = {.n_step = n_step};
    assert_ok(rv_store_journal(store, stream, 0, row_see, &to, &err), &err);
    rv_arena_deinit(&to.arena);
    *ret_last = to.last_seq;
    return to.rows;
}

static void rows_check(rv_store *store, uint64_t n) {
    rv_error err;
    rv_buf want = {0}, got = {0};
    bool is_cut;
    rv_buf_cstring(&want, "[\"index\",\"attempts\"]\n");
    for (uint32_t index = 0; index < NODES; index++) {
        uint64_t last = n < index ? 0 : n - (n - index) % NODES; /* the last batch up to n that wrote this node */
        if (last)
            rv_buf_printf(&want, "[%u,%llu]\n", index, (unsigned long long)last);
    }
    assert_ok(rv_store_query(store, RV_STR("SELECT \"index\", attempts FROM node WHERE run = 'A' ORDER BY 1"), NULL, 0, 0, &got,
                             &is_cut, &err),
              &err);
    assert_string_equal(got.at, want.at);
    rv_buf_clear(&got);
    rv_buf_clear(&want);
    rv_buf_printf(&want, "[\"count(*)\",\"max(epoch)\"]\n[%llu,%llu]\n", (unsigned long long)n, (unsigned long long)n);
    assert_ok(rv_store_query(store, RV_STR("SELECT count(*), max(epoch) FROM attempt"), NULL, 0, 0, &got, &is_cut, &err), &err);
    assert_string_equal(got.at, want.at);
    rv_buf_deinit(&want);
    rv_buf_deinit(&got);
}

uint64_t workload_check(rv_store *store) {
    rv_error err;
    rv_arena arena = {0};
    rv_str value;
    uint64_t n = 0, last, seq;
    rv_run_row run;
    rv_status status = rv_store_meta(store, &arena, RV_STR("n"), &value, &err);
    if (status != RV_NOT_FOUND) {
        assert_ok(status, &err);
        n = strtoull(rv_arena_cstring(&arena, value), NULL, 10);
    }
    assert_int_equal(journal_count(store, RV_STR("run/A"), 1, &last), n);
    assert_int_equal(last, a_end(n));
    assert_int_equal(journal_count(store, RV_STR("run/B"), 3, &last), n / 3);
    if (n) {
        assert_ok(rv_store_run(store, &arena, RV_STR("A"), &run, &err), &err);
        assert_int_equal(run.last_seq, n);
        rows_check(store, n);
    }
    if (n >= 10) {
        assert_ok(rv_store_snapshot(store, &arena, RV_STR("run/A"), &seq, &value, &err), &err);
        assert_int_equal(seq, a_end(n / 10 * 10));
    }
    rv_arena_deinit(&arena);
    return n;
}

void database_check(const char *folder) {
    char path[512];
    sqlite3 *db;
    sqlite3_stmt *statement;
    (void)snprintf(path, sizeof path, "%s/reeve.db", folder);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(statement, 0), "ok");
    sqlite3_finalize(statement);
    sqlite3_close(db);
}
