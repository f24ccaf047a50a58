/* The simulator's disk, and the pumped store on it: each state between submitted and synced is seen, and a loss of power
 * takes what was not synced and nothing else.
 *
 *   disk_test [long]     without `long` fewer deaths, and a fault at every fifth operation of making a store */
#include "fixture.h"
#include "workload.h"

#include "store/disk.h"

#include <stdio.h>

enum { BATCHES = 12, DEATHS = 45, DEATHS_LONG = 600 };
static bool is_long;

typedef struct world {
    char folder[256];
    uint64_t seed;
    rv_disk *disk;
    rv_store *store;
    uint64_t told_written, told_synced;
    bool has_died;
} world;

static void world_init(world *w, uint64_t seed) {
    *w = (world){.seed = seed};
    folder_make_fast(w->folder, sizeof w->folder);
    w->disk = rv_disk_new(&w->seed);
}

static rv_status world_open(world *w, rv_error *err) {
    rv_store_config config = {.path = w->folder, .vfs = rv_disk_vfs(w->disk), .is_pumped = true, .wal_size_max = 64 << 10};
    return rv_store_open_sqlite(&config, &w->store, err);
}

static void world_deinit(world *w) {
    rv_error err;
    assert_ok(rv_store_close(w->store, &err), &err);
    rv_disk_free(w->disk);
    folder_remove(w->folder);
}

static void take_results(world *w) {
    rv_store_result result;
    while (rv_store_dispatch(w->store, &result, 1)) {
        if (result.outcome != RV_OUTCOME_DONE || w->has_died)
            continue;
        if (result.is_synced_notice)
            w->told_synced = result.batch_id;
        else
            w->told_written = result.batch_id;
    }
}

static void pumped__written_comes_with_one_pump_and_synced_with_the_next(void **state) {
    world w;
    rv_error err;
    world_init(&w, 1);
    assert_ok(world_open(&w, &err), &err);
    rv_store_submit(w.store, workload_batch(1), 1, true, NULL);
    rv_store_submit(w.store, workload_batch(2), 2, false, NULL);
    take_results(&w);
    assert_int_equal(w.told_written, 0);
    assert_true(rv_store_pump(w.store, false));
    take_results(&w);
    assert_int_equal(w.told_written, 2);
    assert_int_equal(w.told_synced, 0);
    assert_false(rv_store_pump(w.store, false));
    assert_true(rv_store_pump(w.store, true));
    take_results(&w);
    assert_int_equal(w.told_synced, 1);
    assert_false(rv_store_pump(w.store, true));
    rv_store_submit(w.store, workload_batch(3), 3, false, NULL);
    assert_int_equal(workload_check(w.store), 3); /* a read sees what is only queued */
    world_deinit(&w);
}

static void pumped__sync_that_fails_is_told_to_all_who_wait_and_is_final(void **state) {
    world w;
    rv_error err;
    rv_store_result result;
    world_init(&w, 1);
    assert_ok(world_open(&w, &err), &err);
    for (uint64_t id = 1; id <= 2; id++) { /* the first is so large that its log is copied, and synced for that */
        rv_store_submit(w.store, workload_batch(id), id, true, NULL);
        assert_true(rv_store_pump(w.store, false));
        assert_int_equal(rv_store_dispatch(w.store, &result, 1), 1);
    }
    rv_disk_arm(w.disk, RV_DISK_FAULT_SYNC, 0, false);
    assert_true(rv_store_pump(w.store, true));
    assert_int_equal(rv_disk_hits(w.disk), 1);
    for (uint64_t id = 1; id <= 2; id++) {
        assert_int_equal(rv_store_dispatch(w.store, &result, 1), 1);
        assert_true(result.batch_id == id && result.is_synced_notice && result.outcome == RV_OUTCOME_FAILED);
    }
    assert_false(rv_store_pump(w.store, true));
    assert_int_equal(rv_store_flush(w.store, true, &err), result.error.status);
    assert_int_not_equal(rv_store_close(w.store, &err), RV_OK);
    rv_disk_revive(w.disk, false);
    assert_ok(world_open(&w, &err), &err);
    assert_int_equal(workload_check(w.store), 2);
    world_deinit(&w);
}

static void on_death(void *user) { ((world *)user)->has_died = true; }

/* Write on until the disk dies at a random operation. */
static void live(world *w, uint64_t first) {
    rv_error err;
    rv_disk_die_at(w->disk, rv_rng_below(&w->seed, 220), on_death, w);
    if (world_open(w, &err)) {
        assert_true(w->has_died);
        w->store = NULL;
        return;
    }
    for (uint64_t id = first; id < first + BATCHES && !w->has_died; id++) {
        rv_store_submit(w->store, workload_batch(id), id, rv_rng_below(&w->seed, 3) == 0, NULL);
        for (uint32_t pumps = rv_rng_below(&w->seed, 3); pumps > 0; pumps--)
            rv_store_pump(w->store, rv_rng_below(&w->seed, 2));
        take_results(w);
    }
    rv_disk_die(w->disk);
    w->has_died = true;
    (void)rv_store_close(w->store, &err);
    w->store = NULL;
}

static void disk__death_keeps_what_was_written_and_power_loss_what_was_synced(void **state) {
    uint64_t lost = 0, kept_more = 0;
    for (uint64_t seed = 1; seed <= (is_long ? DEATHS_LONG : DEATHS); seed++) {
        world w;
        rv_error err;
        world_init(&w, seed);
        for (uint64_t first = 1; first < 3 * BATCHES;) {
            bool has_lost_power = rv_rng_below(&w.seed, 2);
            w.has_died = false;
            live(&w, first);
            rv_disk_revive(w.disk, has_lost_power);
            assert_ok(world_open(&w, &err), &err);
            uint64_t last, n = workload_check(w.store), promised = has_lost_power ? w.told_synced : w.told_written;
            if (n < promised)
                fail_msg("seed %llu: %llu batches are there, %llu were promised", (unsigned long long)seed, (unsigned long long)n,
                         (unsigned long long)promised);
            lost += has_lost_power && n < w.told_written;
            kept_more += has_lost_power && n > w.told_synced;
            assert_ok(rv_store_last_batch(w.store, &last, &err), &err);
            assert_int_equal(last, n);
            assert_ok(rv_store_close(w.store, &err), &err);
            w.told_written = w.told_synced = n; /* close means synced */
            first = n + 1;
            if (!rv_rng_below(&w.seed, 4))
                break;
        }
        assert_ok(world_open(&w, &err), &err);
        world_deinit(&w);
    }
    print_message("%llu losses took what was only written, %llu left more than was promised\n", (unsigned long long)lost,
                  (unsigned long long)kept_more);
    assert_true(lost > 10 && kept_more > 10); /* a disk that loses nothing, or everything, proves nothing */
}

/* A new database becomes one with a log in a transaction of its own. If the sync of that fails the store must not go on without one. */
static void disk__fault_at_any_operation_of_making_a_store_leaves_none_or_a_durable_one(void **state) {
    uint64_t failed = 0, opened = 0;
    for (uint64_t fault = RV_DISK_FAULT_EIO; fault < RV_DISK_FAULT_COUNT; fault++)
        for (uint64_t at = is_long ? 0 : fault % 5; at < 400; at += is_long ? 1 : 5) {
            world w;
            rv_error err;
            world_init(&w, at);
            rv_disk_arm(w.disk, (rv_disk_fault)fault, at, false);
            rv_status status = world_open(&w, &err);
            bool was_hit = rv_disk_hits(w.disk) > 0;
            if (status == RV_OK) {
                rv_store_submit(w.store, workload_batch(1), 1, true, NULL);
                while (rv_store_pump(w.store, true))
                    take_results(&w);
                rv_disk_die(w.disk);
                (void)rv_store_close(w.store, &err);
            }
            failed += status != RV_OK;
            opened += status == RV_OK && was_hit;
            rv_disk_revive(w.disk, true);
            assert_ok(world_open(&w, &err), &err);
            if (workload_check(w.store) < w.told_synced)
                fail_msg("%s at operation %llu: the store opened, and lost what it had synced", rv_disk_fault_name((rv_disk_fault)fault),
                         (unsigned long long)at);
            world_deinit(&w);
            if (!was_hit)
                break;
        }
    assert_true(failed > 20);
    print_message("%llu faults refused the store, %llu were got over\n", (unsigned long long)failed, (unsigned long long)opened);
}

static void disk__same_seed_same_operations(void **state) {
    uint64_t hashes[2];
    for (int i = 0; i < 2; i++) {
        world w;
        rv_error err;
        world_init(&w, 77);
        live(&w, 1);
        rv_disk_revive(w.disk, true);
        assert_ok(world_open(&w, &err), &err);
        hashes[i] = rv_disk_hash(w.disk);
        world_deinit(&w);
    }
    assert_true(hashes[0] == hashes[1]);
}

static void disk__copy_is_whole_and_durable(void **state) {
    world w;
    rv_error err;
    world_init(&w, 5);
    assert_ok(world_open(&w, &err), &err);
    rv_store_submit(w.store, workload_batch(1), 1, false, NULL);
    assert_ok(rv_store_close(w.store, &err), &err);
    rv_disk *copy = rv_disk_new(&w.seed), *original = w.disk;
    rv_disk_copy(copy, original);
    rv_disk_free(original);
    w.disk = copy;
    rv_disk_revive(copy, true);
    assert_ok(world_open(&w, &err), &err);
    assert_int_equal(workload_check(w.store), 1);
    world_deinit(&w);
}

int main(int argc, char **argv) {
    is_long = argc > 1 && strcmp(argv[1], "long") == 0;
    rv_log_set(RV_LOG_ERROR, false); /* a dead disk cannot be checkpointed, and each time that is said */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pumped__written_comes_with_one_pump_and_synced_with_the_next),
        cmocka_unit_test(pumped__sync_that_fails_is_told_to_all_who_wait_and_is_final),
        cmocka_unit_test(disk__death_keeps_what_was_written_and_power_loss_what_was_synced),
        cmocka_unit_test(disk__fault_at_any_operation_of_making_a_store_leaves_none_or_a_durable_one),
        cmocka_unit_test(disk__same_seed_same_operations),
        cmocka_unit_test(disk__copy_is_whole_and_durable),
    };
    return cmocka_run_group_tests_name("disk", tests, NULL, NULL);
}
