/* store_bench [ROUNDS]: what the store costs over SQLite itself, in one run.
 *
 *   floor    SQLite alone, inline, as cheap as it gets: the same tables and rows, prepared statements, one COMMIT a batch
 *   inline   the store without its thread
 *   thread   the store with its thread, one batch at a time: submit, poll the descriptor, dispatch, as a chain of nodes does
 *   stream   the same with 64 batches in flight
 *   synced   as thread, each batch wanted synced
 * A batch of N nodes is one journal row, N node rows and N attempt rows. Written, not synced, but for the last case. */
#include "store/store.h"

#include <poll.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define BATCHES_MAX 4000

static double now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void report(const char *what, uint32_t nodes, double *latencies, uint32_t count, double total_us) {
    qsort(latencies, count, sizeof *latencies, by_value);
    printf("%-8s %4u nodes a batch: %8.0f batches/s %9.0f nodes/s   p50 %7.1f us   p99 %7.1f us\n", what, nodes, count / total_us * 1e6,
           (double)count * nodes / total_us * 1e6, latencies[count / 2], latencies[count * 99 / 100]);
}

static void fail(const char *what) {
    fprintf(stderr, "store_bench: %s\n", what);
    exit(1);
}

/* ---- the floor ---- */

static const char *const floor_sql[] = {
    "INSERT INTO journal_data VALUES (1, ?1, 4, 1, 1790000000000, 100000, ?2, 1234567890123456789, ?3)",
    "INSERT OR REPLACE INTO node_data VALUES (?1, ?2, 0, 4, 10, '', 1, 1, '', '', 1790000000000, 1790000000000, 1790000000000, "
    "0)",
    "INSERT OR REPLACE INTO attempt_data VALUES (?1, 1, ?2, 1, 3, 0, '', '', 0, -1, 123456, 12345678, 1790000000000, "
    "1790000000000, 0, 0, -1, 100, "
    "100, 100000)",
    "BEGIN IMMEDIATE",
    "COMMIT",
};

static void step(sqlite3_stmt *statement) {
    if (sqlite3_step(statement) != SQLITE_DONE)
        fail("the floor's SQLite failed");
    sqlite3_reset(statement);
}

static uint32_t floor_run(const char *folder, uint32_t nodes, uint32_t batches, double *latencies) {
    char path[300], name[32], body[4096] = {0};
    sqlite3 *db;
    sqlite3_stmt *statements[RV_COUNT(floor_sql)];
    (void)snprintf(path, sizeof path, "%s/reeve.db", folder);
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) ||
        sqlite3_exec(
            db,
            "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=0; "
            "PRAGMA secure_delete=OFF",
            NULL, NULL, NULL))
        fail("the floor's database cannot be opened");
    for (size_t i = 0; i < RV_COUNT(floor_sql); i++)
        if (sqlite3_prepare_v3(db, floor_sql[i], -1, SQLITE_PREPARE_PERSISTENT, &statements[i], NULL))
            fail(sqlite3_errmsg(db));
    for (uint32_t i = 0; i < batches; i++) {
        double begin = now_us();
        step(statements[3]);
        sqlite3_bind_int64(statements[0], 1, (int64_t)i * 4 + 1);
        sqlite3_bind_blob(statements[0], 2, body, (int)RV_MIN(nodes * 40, sizeof body), SQLITE_STATIC);
        sqlite3_bind_int64(statements[0], 3, i);
        step(statements[0]);
        for (uint32_t node = 0; node < nodes; node++) {
            uint32_t index = i * nodes + node;
            int size = snprintf(name, sizeof name, "node-%u", index);
            for (int row = 1; row <= 2; row++) {
                sqlite3_bind_int64(statements[row], 1, (1 << 20) + (int64_t)index);
                sqlite3_bind_text(statements[row], 2, name, size, SQLITE_STATIC);
                step(statements[row]);
            }
        }
        step(statements[4]);
        latencies[i] = now_us() - begin;
    }
    for (size_t i = 0; i < RV_COUNT(floor_sql); i++)
        sqlite3_finalize(statements[i]);
    sqlite3_close(db);
    return batches;
}

/* ---- the store ---- */

static rv_batch *batch_make(uint32_t i, uint32_t nodes) {
    static char body[4096];
    char name[32];
    rv_batch *batch = rv_batch_new(0);
    rv_now now = {1790000000000 + i, 100000 + i};
    rv_batch_append(batch, RV_STR("run/01J8ZQ4Y7M3K5N6P8R9S0T1V2W"), (uint64_t)i * 4 + 1, 4, now,
                    (rv_str){body, RV_MIN(nodes * 40, sizeof body)});
    for (uint32_t node = 0; node < nodes; node++) {
        uint32_t index = i * nodes + node;
        rv_str id = {name, (size_t)snprintf(name, sizeof name, "node-%u", index)}, run = RV_STR("01J8ZQ4Y7M3K5N6P8R9S0T1V2W");
        rv_batch_node(batch, &(rv_node_row){.run = run,
                                            .id = id,
                                            .index = index,
                                            .state = RV_NODE_SUCCEEDED,
                                            .detail = RV_DETAIL_FRESH,
                                            .attempts = 1,
                                            .epoch = 1,
                                            .ready_ms = now.wall_ms,
                                            .started_ms = now.wall_ms,
                                            .ended_ms = now.wall_ms});
        rv_batch_attempt(batch, &(rv_attempt_row){.run = run,
                                                  .node = id,
                                                  .node_index = index,
                                                  .number = 1,
                                                  .epoch = 1,
                                                  .state = RV_ATTEMPT_OK,
                                                  .signal = -1,
                                                  .pid = 123456,
                                                  .pid_start_ticks = 12345678,
                                                  .started_ms = now.wall_ms,
                                                  .ended_ms = now.wall_ms,
                                                  .log_last = UINT64_MAX,
                                                  .user_us = 100,
                                                  .system_us = 100,
                                                  .rss_max = 100000});
    }
    return batch;
}

/* Take results until `count` have come; returns when the last one came. Notices count like the written. */
static void results_wait(rv_store *store, uint32_t count) {
    rv_store_result results[64];
    while (count) {
        uint32_t taken = rv_store_dispatch(store, results, RV_MIN(count, 64));
        for (uint32_t i = 0; i < taken; i++)
            if (results[i].outcome != RV_OUTCOME_DONE)
                fail(results[i].error.text);
        count -= taken;
        struct pollfd fd = {.fd = rv_store_fd(store), .events = POLLIN};
        if (count && fd.fd >= 0 && poll(&fd, 1, -1) < 0)
            fail("poll");
    }
}

static void store_run(rv_store *store, uint32_t nodes, uint32_t batches, bool synced, uint32_t in_flight_max, double *latencies) {
    uint32_t in_flight = 0;
    for (uint32_t i = 0; i < batches; i++) {
        double begin = now_us();
        rv_store_submit(store, batch_make(i, nodes), i + 1, synced, NULL);
        if (++in_flight < in_flight_max)
            continue;
        results_wait(store, synced ? 2 : 1);
        in_flight--;
        latencies[i] = now_us() - begin;
    }
    results_wait(store, in_flight * (synced ? 2 : 1));
}

/* ---- */

static void measure(const char *what, const char *parent, uint32_t nodes, uint32_t batches) {
    static double latencies[BATCHES_MAX];
    static uint32_t serial;
    char folder[256];
    rv_error err;
    rv_store *store;
    rv_store_config config = {.path = folder, .is_single_threaded = strcmp(what, "floor") == 0 || strcmp(what, "inline") == 0};
    (void)snprintf(folder, sizeof folder, "%s/%u", parent, serial++);
    memset(latencies, 0, sizeof latencies);
    if (rv_store_open_sqlite(&config, &store, &err))
        fail(err.text);
    double begin = now_us();
    if (strcmp(what, "floor") == 0) {
        (void)rv_store_close(store, NULL); /* its tables are what the floor writes to */
        begin = now_us();
        floor_run(folder, nodes, batches, latencies);
        report(what, nodes, latencies, batches, now_us() - begin);
        return;
    }
    store_run(store, nodes, batches, strcmp(what, "synced") == 0, strcmp(what, "stream") == 0 ? 64 : 1, latencies);
    report(what, nodes, latencies, batches, now_us() - begin);
    (void)rv_store_close(store, NULL);
}

int main(int argc, char **argv) {
    static const char *const cases[] = {"floor", "inline", "thread", "stream", "synced"};
    static const uint32_t sizes[] = {1, 10, 100};
    uint32_t rounds = argc > 1 ? (uint32_t)atoi(argv[1]) : 3;
    char folder[] = "/tmp/store-bench-XXXXXX", command[64];
    if (!mkdtemp(folder))
        fail("no folder");
    for (uint32_t round = 0; round < rounds; round++)
        for (size_t size = 0; size < RV_COUNT(sizes); size++)
            for (size_t i = 0; i < RV_COUNT(cases); i++)
                measure(cases[i], folder, sizes[size], RV_MIN(BATCHES_MAX, 100000 / sizes[size]));
    (void)snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command) != 0;
}
