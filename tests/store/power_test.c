/* Power loss: before each single operation that changes a file, what a loss at that moment would leave is made, opened
 * and judged: everything acknowledged as synced is there, what is there is a prefix of the script, the journals' chains
 * hold, SQLite finds the database whole, and the script goes on from there.
 *
 *   power_test [long]     without `long` every moment meets one way of losing, with it each meets all, with four seeds */
#include "fault_vfs.h"
#include "workload.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { BATCHES = 60 };
static bool is_long;

typedef struct powered {
    char folder[256], path[300];
    uint64_t submitted, synced, images, survived_more, seed;
} powered;

static void image_judge(powered *p, uint64_t number, fault_loss loss) {
    char path[330];
    rv_error err;
    rv_store *store;
    uint64_t seed = p->seed + number * 7 + loss;
    (void)snprintf(path, sizeof path, "%s/image", p->folder);
    assert_int_equal(mkdir(path, 0700), 0);
    fault_vfs_survivors(path, loss, &seed);
    rv_store_config config = {.path = path, .is_single_threaded = true};
    rv_status status = rv_store_open_sqlite(&config, &store, &err);
    if (status)
        fail_msg("operation %llu, loss %d: %s", (unsigned long long)number, (int)loss, err.text);
    uint64_t n = workload_check(store), last;
    if (n < p->synced || n > p->submitted)
        fail_msg("operation %llu, loss %d: %llu batches survive, of %llu synced and %llu submitted", (unsigned long long)number,
                 (int)loss, (unsigned long long)n, (unsigned long long)p->synced, (unsigned long long)p->submitted);
    p->images++;
    p->survived_more += n > p->synced;
    assert_ok(rv_store_last_batch(store, &last, &err), &err);
    assert_int_equal(last, n);
    submit_done(store, workload_batch(n + 1), n + 1);
    assert_int_equal(workload_check(store), n + 1);
    assert_ok(rv_store_close(store, &err), &err);
    database_check(path);
    folder_remove(path);
}

static void before_operation(void *user, uint64_t number) {
    powered *p = user;
    if (!is_long) {
        image_judge(p, number, (fault_loss)(number % FAULT_LOSS_COUNT));
        return;
    }
    image_judge(p, number, FAULT_LOSS_ALL);
    image_judge(p, number, FAULT_LOSS_NONE);
    for (uint32_t i = 0; i < 4; i++) {
        p->seed++;
        image_judge(p, number, FAULT_LOSS_SOME);
    }
}

static void power__what_was_synced_survives_a_loss_at_any_operation(void **state) {
    powered p = {.seed = 20261121};
    rv_error err;
    rv_store *store;
    print_message("seed %llu\n", (unsigned long long)p.seed);
    folder_make_fast(p.folder, sizeof p.folder);
    (void)snprintf(p.path, sizeof p.path, "%s/s", p.folder);
    rv_store_config config = {.path = p.path, .vfs = FAULT_VFS, .is_single_threaded = true, .wal_size_max = 64 << 10};
    fault_vfs_arm(FAULT_NONE, 0, false);
    fault_vfs_watch(before_operation, &p);
    for (uint32_t opened = 0; opened < 2; opened++) { /* the second time on what the first left, closing included */
        assert_ok(rv_store_open_sqlite(&config, &store, &err), &err);
        while (p.submitted < BATCHES / 2 * (opened + 1)) {
            bool wants_sync = ++p.submitted % 4 == 0;
            rv_store_submit(store, workload_batch(p.submitted), p.submitted, wants_sync, NULL);
            assert_int_equal(result_next(store).outcome, RV_OUTCOME_DONE);
            if (!wants_sync)
                continue;
            rv_store_result notice = result_next(store);
            assert_true(notice.is_synced_notice && notice.outcome == RV_OUTCOME_DONE);
            p.synced = p.submitted;
        }
        assert_ok(rv_store_close(store, &err), &err);
        p.synced = p.submitted; /* close means synced */
    }
    fault_vfs_watch(NULL, NULL);
    print_message("%llu images, %llu with more than was promised\n", (unsigned long long)p.images, (unsigned long long)p.survived_more);
    assert_true(p.images > 300);
    assert_true(p.survived_more > 0); /* the model does keep unsynced writes at times */
    folder_remove(p.folder);
    fault_vfs_forget();
}

int main(int argc, char **argv) {
    is_long = argc > 1 && strcmp(argv[1], "long") == 0;
    fault_vfs_register();
    const struct CMUnitTest tests[] = {cmocka_unit_test(power__what_was_synced_survives_a_loss_at_any_operation)};
    return cmocka_run_group_tests_name("power", tests, NULL, NULL);
}
