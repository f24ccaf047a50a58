/* SIGKILL: a process writes the script through a store with its thread and says each batch that was acknowledged; it is
 * killed after a random number of them, and its successor goes on. What was acknowledged is there, as a prefix.
 *
 *   kill_test [ROUNDS] */
#include "workload.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS_PER_STORE 20u

static uint32_t round_count = 12;

/* Eight in flight, so that death meets queues, transactions and syncs; each acknowledged number goes to `fd`. Never returns. */
static void writer(const char *path, int fd) {
    rv_error err;
    rv_store *store;
    uint64_t n, id;
    rv_store_config config = {.path = path, .sync_delay_ms = 1, .wal_size_max = 128 << 10};
    if (rv_store_open_sqlite(&config, &store, &err) || rv_store_last_batch(store, &id, &err))
        _exit(1);
    n = id; /* the script's numbers are the ids */
    for (uint32_t in_flight = 0;;) {
        while (in_flight < 8) {
            n++;
            rv_store_submit(store, workload_batch(n), n, n % 5 == 0, NULL);
            in_flight++;
        }
        rv_store_result result = result_next(store);
        if (result.outcome != RV_OUTCOME_DONE)
            _exit(2);
        if (result.is_synced_notice)
            continue;
        in_flight--;
        if (write(fd, &result.batch_id, sizeof result.batch_id) != sizeof result.batch_id)
            _exit(3);
    }
}

/* One writer that is killed, and its successor, which looks at everything. *acknowledged: the last batch that anybody heard of. */
static void die_once(const char *path, uint32_t round, uint64_t *seed, uint64_t *acknowledged) {
    int fds[2], status;
    uint64_t id;
    rv_error err;
    rv_store *store;
    rv_store_config config = {.path = path};
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(fds[0]);
        writer(path, fds[1]);
    }
    close(fds[1]);
    for (uint32_t left = rv_rng_below(seed, 120); left > 0 && read(fds[0], &id, sizeof id) == sizeof id; left--)
        *acknowledged = id;
    assert_int_equal(kill(pid, SIGKILL), 0);
    while (read(fds[0], &id, sizeof id) == sizeof id) /* what it said before it died counts too */
        *acknowledged = id;
    close(fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_ok(rv_store_open_sqlite(&config, &store, &err), &err);
    uint64_t n = workload_check(store);
    if (n < *acknowledged)
        fail_msg("round %u: %llu of %llu acknowledged batches survived", round, (unsigned long long)n, (unsigned long long)*acknowledged);
    assert_ok(rv_store_close(store, &err), &err);
    if (round % 4 == 0)
        database_check(path);
}

/* Everything stored is looked at after each death, so a store is left for a new one before that takes longer than the deaths. */
static void kill__what_was_acknowledged_survives_the_death_of_the_process(void **state) {
    char folder[256], path[300];
    uint64_t seed = (uint64_t)getpid() * 2654435761u, total = 0;
    print_message("seed %llu\n", (unsigned long long)seed);
    for (uint32_t round = 0; round < round_count;) {
        uint64_t acknowledged = 0;
        folder_make(folder, sizeof folder);
        (void)snprintf(path, sizeof path, "%s/s", folder);
        for (uint32_t i = 0; i < ROUNDS_PER_STORE && round < round_count; i++, round++)
            die_once(path, round, &seed, &acknowledged);
        folder_remove(folder);
        total += acknowledged;
    }
    print_message("%u deaths, %llu batches acknowledged\n", round_count, (unsigned long long)total);
    assert_true(total > round_count);
}

int main(int argc, char **argv) {
    if (argc > 1)
        round_count = (uint32_t)atoi(argv[1]);
    const struct CMUnitTest tests[] = {cmocka_unit_test(kill__what_was_acknowledged_survives_the_death_of_the_process)};
    return cmocka_run_group_tests_name("kill", tests, NULL, NULL);
}
