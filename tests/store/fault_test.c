/* Disks that fail: every n-th operation of a scripted workload, one after the other, fails in every way, once or from then
 * on. Whatever happens, nothing acknowledged is lost, nothing happens twice, and each failure says what and where.
 *
 *   fault_test [long]     without `long`: every n for the first three, then steps (the order is seeded and printed). An n to which a
 *                         way does not apply is the next one to which it does: it is tried once. `long` is every operation in every way
 *                         that differs: failing once, it fails with EIO's error whatever else would have failed too. */
#include "fault_vfs.h"
#include "store/backend.h"
#include "workload.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BATCHES = 40 };
static bool is_long;

typedef struct attempted {
    char folder[256], path[300];
    rv_store *store;
    uint64_t done;        /* of the script: acknowledged as written */
    uint64_t synced;      /* acknowledged as synced */
    uint64_t batch_id;
    uint32_t failures, reopens;
    bool is_dead;         /* a sync failed: the process would end */
    const char *what;
} attempted;

static void error_is_clear(const attempted *a, const rv_error *err) {
    if (err->status == RV_OK || strlen(err->text) < 20 || !strstr(err->text, a->path))
        fail_msg("%s: not a clear error: %s: %s", a->what, rv_status_name(err->status), err->text);
    if (err->status == RV_STORE_FULL && !strstr(err->text, "free some space"))
        fail_msg("%s: does not say how to cure it: %s", a->what, err->text);
}

static void store_reopen(attempted *a) {
    rv_error err;
    rv_store_config config = {.path = a->path, .vfs = FAULT_VFS, .is_single_threaded = true, .wal_size_max = 96 << 10};
    if (a->store)
        (void)rv_store_close(a->store, NULL); /* with a dead disk it may say so; what counts is what is read back */
    a->store = NULL;
    a->is_dead = false;
    rv_status status = rv_store_open_sqlite(&config, &a->store, &err);
    if (status) {
        error_is_clear(a, &err);
        a->failures++;
        fault_vfs_disarm(); /* the operator mends the disk */
        assert_ok(rv_store_open_sqlite(&config, &a->store, &err), &err);
    }
    assert_ok(rv_store_last_batch(a->store, &a->batch_id, &err), &err);
    a->reopens++;
}

/* After FAILED or UNKNOWN: the store refuses until it is recovered; recovering may fail as long as the disk does. */
static void recover(attempted *a) {
    rv_error err;
    rv_store_submit(a->store, workload_batch(a->done + 1), ++a->batch_id, false, NULL);
    assert_int_equal(result_next(a->store).outcome, RV_OUTCOME_FAILED); /* (6) */
    while (rv_store_recover(a->store, &err)) {
        error_is_clear(a, &err);
        if (a->is_dead) {
            fault_vfs_disarm();
            store_reopen(a);
            return;
        }
        fault_vfs_disarm();
    }
    assert_false(a->is_dead); /* (7): a store whose sync failed does not recover */
}

/* Submit one batch; deal with what comes back as the engine does. */
static void batch_try(attempted *a, bool wants_sync) {
    rv_error err;
    uint64_t id = ++a->batch_id;
    rv_store_submit(a->store, workload_batch(a->done + 1), id, wants_sync, NULL);
    rv_store_result result = result_next(a->store), notice;
    assert_int_equal(result.batch_id, id);
    if (result.outcome == RV_OUTCOME_DONE) {
        assert_int_equal(result.rejected_groups, 0);
        a->done++;
        if (!wants_sync)
            return;
        notice = result_next(a->store);
        assert_true(notice.is_synced_notice);
        if (notice.outcome == RV_OUTCOME_DONE) {
            a->synced = a->done;
            return;
        }
        error_is_clear(a, &notice.error);
        a->is_dead = true;
        a->failures++;
        recover(a);
        return;
    }
    a->failures++;
    error_is_clear(a, &result.error);
    a->is_dead = strstr(result.error.text, "the process must end") != NULL;
    recover(a);
    bool exists;
    if (rv_store_batch_exists(a->store, id, &exists, &err)) {
        fault_vfs_disarm();
        assert_ok(rv_store_batch_exists(a->store, id, &exists, &err), &err);
    }
    if (result.outcome == RV_OUTCOME_FAILED)
        assert_false(exists); /* FAILED means that nothing of it happened */
    a->done += exists;
}

/* The whole script with one armed fault; returns the number of operations. */
static uint64_t script_run(fault kind, uint64_t at, bool is_sticky, uint64_t *ret_hits) {
    char what[160];
    (void)snprintf(what, sizeof what, "%s at operation %llu%s", fault_names[kind], (unsigned long long)at, is_sticky ? " and after" : "");
    attempted a = {.what = what};
    folder_make_fast(a.folder, sizeof a.folder);
    (void)snprintf(a.path, sizeof a.path, "%s/s", a.folder);
    fault_vfs_arm(kind, at, is_sticky);
    store_reopen(&a);
    while (a.done < BATCHES) {
        uint64_t n = a.done + 1;
        batch_try(&a, n % 4 == 0);
        if (n == BATCHES / 2 && a.done == n)
            store_reopen(&a);
        if (a.failures > 3)
            fault_vfs_disarm(); /* in the end somebody mends the disk */
        if (a.failures > 20)
            fail_msg("%s: no progress", what);
    }
    rv_error err;
    if (rv_store_flush(a.store, true, &err)) {
        error_is_clear(&a, &err);
        a.failures++;
    }
    uint64_t count = fault_vfs_count();
    *ret_hits = fault_vfs_hits();
    fault_vfs_disarm();
    store_reopen(&a);
    assert_int_equal(workload_check(a.store), BATCHES);
    assert_ok(rv_store_close(a.store, &err), &err);
    database_check(a.path);
    folder_remove(a.folder);
    fault_vfs_forget();
    return count;
}

/* Failing once, an operation gives the same error under all of these; EIO has every operation. */
static bool fails_once_as_with_eio(fault kind) {
    return kind == FAULT_EIO_BUT_SYNC || kind == FAULT_WRITE_EIO || kind == FAULT_READ_EIO || kind == FAULT_SYNC || kind == FAULT_OPEN;
}

static void faults__nothing_acknowledged_is_lost_whatever_fails_when(void **state) {
    uint64_t hits, runs = 0, failed = 0, seed = is_long ? 1 : 20261121;
    uint64_t count = script_run(FAULT_NONE, 0, false, &hits);
    print_message("%llu operations, seed %llu\n", (unsigned long long)count, (unsigned long long)seed);
    assert_true(count > 300);
    for (fault kind = FAULT_EIO; kind < FAULT_COUNT; kind++)
        for (int is_sticky = 0; is_sticky < 2; is_sticky++) {
            uint64_t at = is_long && !is_sticky && fails_once_as_with_eio(kind) ? count : 0;
            while (at < count) {
                script_run(kind, at, is_sticky, &hits);
                runs++;
                failed += hits > 0;
                if (hits == 0)
                    break; /* no operation from here on can fail so */
                at = fault_vfs_struck() + 1; /* from any number before, the same one would have failed */
                if (!is_long && at > 3)
                    at += rv_rng_below(&seed, kind == FAULT_EIO ? 160 : 1000);
            }
        }
    print_message("%llu runs, %llu with a failure\n", (unsigned long long)runs, (unsigned long long)failed);
    assert_true(failed * 2 > runs);
}

static void faults__without_any_the_script_succeeds_and_needs_no_shared_memory(void **state) {
    uint64_t hits;
    script_run(FAULT_NONE, 0, false, &hits);
    assert_int_equal(hits, 0);
}

/* ---- single statements of the contract, with a thread ---- */

typedef struct threaded { char folder[256], path[300]; rv_store *store; } threaded;

static void threaded_open_sized(threaded *t, uint32_t sync_delay_ms, uint64_t wal_size_max) {
    rv_error err;
    folder_make_fast(t->folder, sizeof t->folder);
    (void)snprintf(t->path, sizeof t->path, "%s/s", t->folder);
    fault_vfs_arm(FAULT_NONE, 0, false);
    rv_store_config config = {.path = t->path, .vfs = FAULT_VFS, .sync_delay_ms = sync_delay_ms, .wal_size_max = wal_size_max};
    assert_ok(rv_store_open_sqlite(&config, &t->store, &err), &err);
}

static void threaded_open(threaded *t, uint32_t sync_delay_ms) { threaded_open_sized(t, sync_delay_ms, 256 << 10); }

static void threaded_close(threaded *t) {
    fault_vfs_disarm();
    (void)rv_store_close(t->store, NULL);
    folder_remove(t->folder);
    fault_vfs_forget();
}

static void faults__all_batches_of_a_failed_transaction_fail_and_the_store_refuses_until_recovered(void **state) {
    threaded t;
    rv_error err;
    threaded_open(&t, 3600000);
    submit_done(t.store, workload_batch(1), 1);
    fault_vfs_arm(FAULT_WRITE_EIO, 0, true);
    for (uint64_t id = 2; id <= 20; id++)
        rv_store_submit(t.store, workload_batch(id), id, id % 2, NULL);
    for (uint64_t id = 2; id <= 20; id++) { /* no synced notice for what was not written */
        rv_store_result result = result_next(t.store);
        assert_int_equal(result.batch_id, id);
        assert_int_equal(result.outcome, RV_OUTCOME_FAILED);
        assert_status(result.error.status, RV_STORE_IO);
        assert_false(result.is_synced_notice);
    }
    assert_status(rv_store_flush(t.store, false, &err), RV_STORE_IO);
    fault_vfs_disarm();
    assert_int_equal(submit_wait(t.store, workload_batch(2), 21).outcome, RV_OUTCOME_FAILED); /* the disk is well, but (6) */
    assert_ok(rv_store_recover(t.store, &err), &err);
    submit_done(t.store, workload_batch(2), 22);
    assert_int_equal(workload_check(t.store), 2);
    threaded_close(&t);
}

static void faults__a_failed_sync_is_final(void **state) {
    threaded t;
    rv_error err;
    threaded_open(&t, 3600000);
    submit_done(t.store, workload_batch(1), 1);
    fault_vfs_arm(FAULT_SYNC, 0, false); /* once: a second sync would succeed, and mean nothing */
    rv_store_submit(t.store, workload_batch(2), 2, true, NULL);
    assert_int_equal(result_next(t.store).outcome, RV_OUTCOME_DONE);
    rv_store_result notice = result_next(t.store);
    assert_true(notice.is_synced_notice);
    assert_int_equal(notice.outcome, RV_OUTCOME_FAILED);
    assert_non_null(strstr(notice.error.text, "the process must end"));
    uint64_t count = fault_vfs_count();
    assert_status(rv_store_flush(t.store, true, &err), RV_STORE_IO);
    assert_status(rv_store_recover(t.store, &err), RV_STORE_IO);
    assert_int_equal(submit_wait(t.store, workload_batch(3), 3).outcome, RV_OUTCOME_FAILED);
    assert_int_equal(fault_vfs_count(), count); /* nothing was tried again */
    threaded_close(&t);
}

static void faults__a_failed_sync_in_the_background_is_final_too(void **state) {
    threaded t;
    rv_error err;
    threaded_open(&t, 1);
    fault_vfs_arm(FAULT_SYNC, 0, false);
    uint64_t id = 0;
    rv_store_result result;
    do { /* ends when the sync that nobody waits for has failed */
        id++;
        result = submit_wait(t.store, workload_batch(id), id);
    } while (result.outcome == RV_OUTCOME_DONE);
    assert_non_null(strstr(result.error.text, "the process must end"));
    assert_status(rv_store_recover(t.store, &err), RV_STORE_IO);
    threaded_close(&t);
}

static uint64_t size_of(const threaded *t, const char *name) {
    char path[400];
    struct stat info;
    (void)snprintf(path, sizeof path, "%s/%s", t->path, name);
    return stat(path, &info) == 0 ? (uint64_t)info.st_size : 0;
}

static void log__stays_bounded_under_load_and_is_copied_when_idle(void **state) {
    threaded t;
    threaded_open(&t, 1);
    uint64_t id = 0, log_size_max = 0, database_size = size_of(&t, "reeve.db");
    while (id < 1500) {
        id++;
        submit_done(t.store, workload_batch(id), id);
        log_size_max = RV_MAX(log_size_max, size_of(&t, "reeve.db-wal"));
    }
    assert_in_range(log_size_max, 200 << 10, 1 << 20); /* 256 KiB, and what came while it was copied; of the many that were written */
    assert_true(size_of(&t, "reeve.db") > database_size + (1 << 20));
    assert_int_equal(workload_check(t.store), id);
    threaded_close(&t);
    rv_error err;
    folder_make_fast(t.folder, sizeof t.folder);
    rv_store_config config = {.path = t.path, .sync_delay_ms = 1};
    (void)snprintf(t.path, sizeof t.path, "%s/s", t.folder);
    assert_ok(rv_store_open_sqlite(&config, &t.store, &err), &err);
    database_size = size_of(&t, "reeve.db");
    for (id = 1; id <= 400; id++) /* over 1 MiB of log, under the bound of 16 */
        submit_done(t.store, workload_batch(id), id);
    assert_true(size_of(&t, "reeve.db-wal") > 1 << 20);
    for (int64_t end_ms = rv_store_mono_ms() + WAIT_MS_MAX; size_of(&t, "reeve.db") <= database_size;)
        assert_true(rv_store_mono_ms() < end_ms);
    threaded_close(&t);
}

/* Of what the disk was asked to sync: the log's commit, and then the database, once each. */
static void log__is_copied_on_a_leave_before_the_close_and_synced_no_second_time(void **state) {
    threaded t;
    threaded_open_sized(&t, 3600000, 0); /* what a close keeps of a log is not cut: that would want a sync of its own */
    rv_error err;
    for (uint64_t id = 1; id <= 4; id++)
        submit_done(t.store, workload_batch(id), id);
    uint64_t database_size = size_of(&t, "reeve.db");
    fault_vfs_arm(FAULT_NONE, 0, false);
    rv_store_leave(t.store);
    for (int64_t end_ms = rv_store_mono_ms() + WAIT_MS_MAX; fault_vfs_syncs() < 2;)
        assert_true(rv_store_mono_ms() < end_ms);
    assert_ok(rv_store_flush(t.store, true, &err), &err); /* and so the copy has ended */
    assert_true(size_of(&t, "reeve.db") > database_size);
    assert_int_equal(fault_vfs_syncs(), 2);
    threaded_close(&t);
    assert_int_equal(fault_vfs_syncs(), 2);
}

static void faults__a_full_disk_says_so(void **state) {
    threaded t;
    threaded_open(&t, 3600000);
    fault_vfs_arm(FAULT_FULL, 0, true);
    rv_store_result result = submit_wait(t.store, workload_batch(1), 1);
    assert_int_equal(result.outcome, RV_OUTCOME_FAILED);
    assert_status(result.error.status, RV_STORE_FULL);
    assert_non_null(strstr(result.error.text, t.path));
    threaded_close(&t);
}

static void faults__a_commit_that_can_not_be_read_back_is_unknown(void **state) {
    threaded t;
    rv_error err;
    uint32_t unknown = 0;
    for (uint64_t at = 0; at < 40; at++) {
        threaded_open(&t, 1);
        submit_done(t.store, workload_batch(1), 1);
        fault_vfs_arm(FAULT_EIO_BUT_SYNC, at, true);
        rv_store_result result = submit_wait(t.store, workload_batch(2), 2);
        /* The time of the background sync passes; that there is no connection then is no failed sync. */
        for (int64_t end_ms = rv_store_mono_ms() + 3; result.outcome == RV_OUTCOME_UNKNOWN && rv_store_mono_ms() < end_ms;)
            assert_true(rv_store_flush(t.store, false, &err) != RV_OK);
        fault_vfs_disarm();
        if (result.outcome != RV_OUTCOME_DONE)
            assert_ok(rv_store_recover(t.store, &err), &err);
        bool exists;
        assert_ok(rv_store_batch_exists(t.store, 2, &exists, &err), &err);
        if (result.outcome == RV_OUTCOME_UNKNOWN)
            unknown++;
        else
            assert_int_equal(exists, result.outcome == RV_OUTCOME_DONE);
        assert_int_equal(workload_check(t.store), exists ? 2 : 1);
        threaded_close(&t);
    }
    assert_true(unknown > 0);
}

int main(int argc, char **argv) {
    is_long = argc > 1 && strcmp(argv[1], "long") == 0;
    fault_vfs_register();
    rv_log_set(RV_LOG_ERROR, false); /* the warnings about checkpoints are wanted, but not here */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(faults__without_any_the_script_succeeds_and_needs_no_shared_memory),
        cmocka_unit_test(faults__all_batches_of_a_failed_transaction_fail_and_the_store_refuses_until_recovered),
        cmocka_unit_test(faults__a_failed_sync_is_final),
        cmocka_unit_test(faults__a_failed_sync_in_the_background_is_final_too),
        cmocka_unit_test(log__stays_bounded_under_load_and_is_copied_when_idle),
        cmocka_unit_test(log__is_copied_on_a_leave_before_the_close_and_synced_no_second_time),
        cmocka_unit_test(faults__a_full_disk_says_so),
        cmocka_unit_test(faults__a_commit_that_can_not_be_read_back_is_unknown),
        cmocka_unit_test(faults__nothing_acknowledged_is_lost_whatever_fails_when),
    };
    return cmocka_run_group_tests_name("fault", tests, NULL, NULL);
}
