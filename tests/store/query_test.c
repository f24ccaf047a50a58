/* Queries of people: what they may ask, how rows come back, and that nobody waits for them. */
#include "fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

typedef struct world { char folder[256], path[300]; rv_store *store; rv_buf out; } world;

static int setup(void **state) {
    world *w = rv_alloc(sizeof *w);
    rv_error err;
    folder_make(w->folder, sizeof w->folder);
    (void)snprintf(w->path, sizeof w->path, "%s/store", w->folder);
    rv_store_config config = {.path = w->path, .query_ms_max = 20000, .query_memory_max = 16 << 20, .wal_size_max = 1 << 20};
    assert_ok(rv_store_open_sqlite(&config, &w->store, &err), &err);
    *state = w;
    return 0;
}

static int teardown(void **state) {
    world *w = *state;
    rv_error err;
    assert_ok(rv_store_close(w->store, &err), &err);
    folder_remove(w->folder);
    rv_buf_deinit(&w->out);
    rv_free(w);
    return 0;
}

static rv_status ask(world *w, const char *sql, uint64_t row_max, bool *ret_is_cut, rv_error *err) {
    rv_buf_clear(&w->out);
    return rv_store_query(w->store, rv_str_of(sql), NULL, 0, row_max, &w->out, ret_is_cut, err);
}

static void query__rows_are_json_lines_under_a_header(void **state) {
    world *w = *state;
    rv_error err;
    bool is_cut = true;
    assert_ok(ask(w,
                  "SELECT 1 AS one, -2.5 AS \"a \"\"b\", NULL AS n, 'x\"\xc3\xa4' AS t, x'00ff10' AS b, x'' AS e, x'61' AS p, "
                  "x'6162' AS q; -- end",
                  0, &is_cut, &err),
              &err);
    assert_false(is_cut);
    assert_string_equal(
        w->out.at,
        "[\"one\",\"a \\\"b\",\"n\",\"t\",\"b\",\"e\",\"p\",\"q\"]\n"
        "[1,-2.5,null,\"x\\\"\xc3\xa4\",{\"base64\":\"AP8Q\"},{\"base64\":\"\"},{\"base64\":\"YQ==\"},{\"base64\":\"YWI=\"}]\n");
}

static void query__arguments_are_bound_as_text(void **state) {
    world *w = *state;
    rv_error err;
    bool is_cut;
    rv_str args[] = {RV_STR("'; DROP TABLE run; --"), RV_STR("7")};
    assert_ok(rv_store_query(w->store, RV_STR("SELECT ?1, ?2, typeof(?2)"), args, 2, 0, &w->out, &is_cut, &err), &err);
    assert_non_null(strstr(w->out.at, "[\"'; DROP TABLE run; --\",\"7\",\"text\"]\n"));
    assert_status(rv_store_query(w->store, RV_STR("SELECT ?1, ?2"), args, 1, 0, &w->out, &is_cut, &err), RV_INVALID);
}

static void query__rows_beyond_the_maximum_are_cut_and_said(void **state) {
    world *w = *state;
    rv_error err;
    bool is_cut = false;
    static const char sql[] = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT i FROM n";
    assert_ok(ask(w, sql, 3, &is_cut, &err), &err);
    assert_true(is_cut);
    assert_string_equal(w->out.at, "[\"i\"]\n[1]\n[2]\n[3]\n");
    assert_ok(ask(w, sql, 5, &is_cut, &err), &err);
    assert_false(is_cut);
}

static void query__what_is_not_reading_is_refused(void **state) {
    world *w = *state;
    rv_error err;
    bool is_cut;
    static const char *const denied[] = {"DELETE FROM task",
                                         "INSERT INTO meta VALUES ('a', 'b')",
                                         "UPDATE meta SET value = 'x'",
                                         "DROP TABLE meta",
                                         "CREATE TABLE x (y)",
                                         "CREATE TEMP TABLE x (y)",
                                         "CREATE TEMP VIEW v AS SELECT 1",
                                         "ATTACH '/tmp/reeve-test-attached.db' AS a",
                                         "DETACH main",
                                         "BEGIN",
                                         "COMMIT",
                                         "ROLLBACK",
                                         "SAVEPOINT s",
                                         "PRAGMA journal_mode = DELETE",
                                         "PRAGMA synchronous = OFF",
                                         "PRAGMA wal_checkpoint",
                                         "PRAGMA query_only = 0",
                                         "PRAGMA locking_mode = NORMAL",
                                         "VACUUM",
                                         "VACUUM INTO '/tmp/reeve-test-vacuum.db'",
                                         "REINDEX",
                                         "ANALYZE",
                                         "SELECT load_extension('x')",
                                         "SELECT fts3_tokenizer('x')",
                                         "EXPLAIN DELETE FROM task",
                                         "WITH x AS (SELECT 1) DELETE FROM meta",
                                         "SELECT * FROM pragma_journal_mode",
                                         "DELETE FROM meta RETURNING key",
                                         "DELETE FROM run" /* a view */};
    static const char *const invalid[] = {"",
                                          "  -- nothing\n",
                                          "SELEC 1",
                                          "SELECT nothing FROM run",
                                          "SELECT 1; SELECT 2",
                                          "SELECT 1; DELETE FROM run",
                                          "SELECT ?1",
                                          "SELECT 'open"};
    for (uint32_t i = 0; i < RV_COUNT(denied); i++) {
        rv_status status = ask(w, denied[i], 0, &is_cut, &err);
        if (status != RV_DENIED)
            fail_msg("%s: %s %s", denied[i], rv_status_name(status), err.text);
        assert_int_equal(w->out.size, 0);
    }
    for (uint32_t i = 0; i < RV_COUNT(invalid); i++)
        if (ask(w, invalid[i], 0, &is_cut, &err) != RV_INVALID)
            fail_msg("%s: %s", invalid[i], err.text);
    assert_ok(ask(w, "SELECT count(*) FROM pragma_table_info('run')", 0, &is_cut, &err), &err);
    assert_ok(ask(w, "PRAGMA table_info(run)", 0, &is_cut, &err), &err);
    rv_batch *batch = rv_batch_new(0); /* and writing still works */
    rv_batch_meta(batch, RV_STR("k"), RV_STR("v"));
    submit_done(w->store, batch, 1);
}

#define ENDLESS "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"

static void query__one_that_does_not_end_is_ended(void **state) {
    world *w = *state;
    rv_error err;
    bool is_cut;
    assert_ok(rv_store_close(w->store, &err), &err);
    rv_store_config config = {.path = w->path, .query_ms_max = 50};
    assert_ok(rv_store_open_sqlite(&config, &w->store, &err), &err);
    assert_status(ask(w, ENDLESS, 0, &is_cut, &err), RV_TIMEOUT);
    assert_int_equal(w->out.size, 0);
}

/* ---- while batches come ---- */

typedef struct asker { world *w; const char *sql; rv_buf out; rv_status status; rv_error err; _Atomic bool is_over; } asker;

static void *asker_main(void *user) {
    asker *a = user;
    bool is_cut;
    a->status = rv_store_query(a->w->store, rv_str_of(a->sql), NULL, 0, 0, &a->out, &is_cut, &a->err);
    atomic_store(&a->is_over, true);
    return NULL;
}

/* One node and one attempt in each batch. */
static rv_batch *pair(uint64_t n) {
    rv_arena arena = {0};
    rv_batch *batch = rv_batch_new(0);
    rv_node_row node = sample_node(&arena, RV_STR("R"), (uint32_t)n, n);
    rv_attempt_row attempt = sample_attempt(&arena, RV_STR("R"), (uint32_t)n, 1, n);
    rv_batch_node(batch, &node);
    rv_batch_attempt(batch, &attempt);
    rv_arena_deinit(&arena);
    return batch;
}

/* Submit one batch after the other for as long as the query takes; returns how many were acknowledged before it was over. */
static uint64_t batches_meanwhile(world *w, asker *a, uint64_t *id) {
    pthread_t thread;
    uint64_t before = 0;
    assert_int_equal(pthread_create(&thread, NULL, asker_main, a), 0);
    while (!atomic_load(&a->is_over)) {
        ++*id;
        submit_done(w->store, pair(*id), *id);
        before += !atomic_load(&a->is_over);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    return before;
}

static void query__a_slow_one_holds_up_no_batch(void **state) {
    world *w = *state;
    uint64_t id = 0;
    /* A second or so in a single step of SQLite: it cannot be held up, only be run elsewhere. */
    asker a = {.w = w, .sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500000) SELECT count(*) FROM n"};
    while (id < 300) {
        id++;
        submit_done(w->store, pair(id), id);
    }
    uint64_t before = batches_meanwhile(w, &a, &id);
    assert_ok(a.status, &a.err);
    assert_string_equal(a.out.at, "[\"count(*)\"]\n[1500000]\n");
    print_message("%llu batches were written while it ran\n", (unsigned long long)before);
    assert_true(before > 100); /* with the store's thread held there would be the one that was in flight */
    rv_buf_deinit(&a.out);
}

static void query__sees_whole_batches_of_one_moment(void **state) {
    world *w = *state;
    uint64_t id = 0;
    while (id < 500) {
        id++;
        submit_done(w->store, pair(id), id);
    }
    for (uint32_t i = 0; i < 5; i++) {
        asker a = {
            .w = w,
            .sql = "WITH RECURSIVE slow(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM slow WHERE i < 300000) SELECT "
                   "(SELECT count(*) FROM node) - (SELECT count(*) FROM slow) + 300000 - (SELECT count(*) FROM attempt) AS d"};
        batches_meanwhile(w, &a, &id);
        assert_ok(a.status, &a.err);
        assert_string_equal(a.out.at, "[\"d\"]\n[0]\n");
        rv_buf_deinit(&a.out);
    }
}

static void query__reads_of_several_threads_wait_for_each_other(void **state) {
    world *w = *state;
    enum { THREADS = 4 };
    asker askers[THREADS];
    pthread_t threads[THREADS];
    uint64_t id = 0;
    for (uint32_t i = 0; i < THREADS; i++) {
        askers[i] = (asker){
            .w = w,
            .sql =
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000) SELECT count(*) FROM n, meta"};
        assert_int_equal(pthread_create(&threads[i], NULL, asker_main, &askers[i]), 0);
    }
    for (id = 1; id <= 100; id++)
        submit_done(w->store, pair(id), id);
    for (uint32_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_ok(askers[i].status, &askers[i].err);
        rv_buf_deinit(&askers[i].out);
    }
}

/* As one value, as one row, as what is kept to tell rows apart, as a value that grows; what fits is given. */
static void query__what_keeps_too_much_memory_is_ended(void **state) {
    world *w = *state;
    rv_error err;
    bool is_cut;
    rv_buf wide = {0};
    rv_buf_cstring(&wide, "SELECT 1");
    for (int i = 0; i < 120; i++) rv_buf_cstring(&wide, ", zeroblob(250000) || zeroblob(250000)");
    const char *const greedy[] = {
        "SELECT zeroblob(700000000)",
        wide.at,
        "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 100000) SELECT count(*) FROM "
        "(SELECT DISTINCT printf('%.*c', 1000, 'x') || x FROM c)",
        "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 100000) "
        "SELECT group_concat(printf('%.*c', 1000, 'x')) FROM c",
    };
    for (size_t i = 0; i < RV_COUNT(greedy); i++) assert_status(ask(w, greedy[i], 0, &is_cut, &err), RV_LIMIT);
    rv_buf_deinit(&wide);
    assert_ok(ask(w, "SELECT length(zeroblob(8000000))", 0, &is_cut, &err), &err);
    assert_string_equal(w->out.at, "[\"length(zeroblob(8000000))\"]\n[8000000]\n");
}

static void query__memory_knows_no_sql(void **state) {
    rv_error err;
    rv_store *store;
    rv_buf out = {0};
    bool is_cut;
    assert_ok(rv_store_open_memory(&store, &err), &err);
    assert_status(rv_store_query(store, RV_STR("SELECT 1"), NULL, 0, 0, &out, &is_cut, &err), RV_UNSUPPORTED);
    assert_ok(rv_store_close(store, &err), &err);
}

int main(void) {
#define T(name_) cmocka_unit_test_setup_teardown(name_, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(query__rows_are_json_lines_under_a_header),
        T(query__arguments_are_bound_as_text),
        T(query__rows_beyond_the_maximum_are_cut_and_said),
        T(query__what_is_not_reading_is_refused),
        T(query__one_that_does_not_end_is_ended),
        T(query__what_keeps_too_much_memory_is_ended),
        T(query__a_slow_one_holds_up_no_batch),
        T(query__sees_whole_batches_of_one_moment),
        T(query__reads_of_several_threads_wait_for_each_other),
        cmocka_unit_test(query__memory_knows_no_sql),
    };
    return cmocka_run_group_tests_name("query", tests, NULL, NULL);
}
