#include "fixture.h"

#include <ftw.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void folder_make(char *ret_path, size_t size) {
    const char *parent = getenv("TMPDIR");
    (void)snprintf(ret_path, size, "%s/reeve-store-XXXXXX", parent && *parent ? parent : "/tmp");
    assert_non_null(mkdtemp(ret_path));
}

void folder_make_fast(char *ret_path, size_t size) {
    (void)snprintf(ret_path, size, "/dev/shm/reeve-store-XXXXXX");
    if (!mkdtemp(ret_path))
        folder_make(ret_path, size);
}

static int entry_remove(const char *path, const struct stat *info, int type, struct FTW *at) { return remove(path); }

void folder_remove(const char *path) { nftw(path, entry_remove, 8, FTW_DEPTH | FTW_PHYS); }

static rv_str text(rv_arena *arena, const char *what, uint64_t number) {
    return rv_arena_printf(arena, "%s %llu \xc3\xa4 'quoted'", what, (unsigned long long)number);
}

rv_now sample_now(uint64_t number) { return (rv_now){1790000000000 + (int64_t)number * 7, (int64_t)number * 3}; }

rv_run_row sample_run(rv_arena *arena, rv_str id, uint64_t n) {
    return (rv_run_row){
        .workspace = RV_STR("default"), .id = id, .task = text(arena, "task", n), .workflow_hash = text(arena, "hash", n % 3),
        .name = text(arena, "name", n % 2), .number = (uint32_t)n, .status = (rv_run_state)(n % RV_RUN_STATE_COUNT),
        .interaction = (rv_interaction)(n % RV_INTERACTION_COUNT), .file = text(arena, "/file", n % 4), .dir = text(arena, "/dir", n),
        .params = RV_STR("{\"a\":1}"), .secrets = RV_STR("{}"), .env = text(arena, "env", n), .resumed_from = text(arena, "from", n),
        .forked_from = {NULL, 0}, .created_ms = (int64_t)n, .started_ms = (int64_t)n + 1, .ended_ms = (int64_t)n + 2, .exit_status = -1,
        .nodes_total = UINT32_MAX, .nodes_succeeded = 1, .nodes_failed = 2, .nodes_skipped = 3, .nodes_cancelled = 4, .last_seq = n * 11,
        .budget_group = n % 3 ? text(arena, "group", n % 3) : (rv_str){NULL, 0}, .cost_micro = (int64_t)n * 250000,
        .tokens = (int64_t)n + 3, .tokens_cached = 1, .reserved_micro = 1ll << 60, .reserved_tokens = 2, .counted_ms = (int64_t)n,
        .counted_attempts = n, .counted_nodes = 5};
}

rv_task_row sample_task(rv_arena *arena, rv_str id, uint32_t version, uint64_t n) {
    return (rv_task_row){
        .workspace = RV_STR("default"), .id = id, .workflow_hash = text(arena, "hash", n), .name = text(arena, "name", n),
        .params = RV_STR("{}"), .state = (rv_task_state)(n % RV_TASK_STATE_COUNT), .version = version, .priority = -(int32_t)n,
        .target_run = text(arena, "run", n), .accepted_ms = (int64_t)n, .dispatched_ms = INT64_MAX, .settled_ms = INT64_MIN};
}

rv_node_row sample_node(rv_arena *arena, rv_str run, uint32_t index, uint64_t n) {
    return (rv_node_row){
        .run = run, .id = rv_arena_printf(arena, "node-%u", index), .index = index, .kind = (rv_kind)(n % RV_KIND_COUNT),
        .state = (rv_node_state)(n % RV_NODE_STATE_COUNT), .detail = (rv_detail)(n % RV_DETAIL_COUNT), .root = text(arena, "root", n),
        .attempts = (uint32_t)n, .epoch = UINT32_MAX, .error = {NULL, 0}, .result = text(arena, "result", n), .ready_ms = 1,
        .started_ms = 2, .ended_ms = 3, .due_ms = (int64_t)n};
}

rv_attempt_row sample_attempt(rv_arena *arena, rv_str run, uint32_t index, uint32_t epoch, uint64_t n) {
    return (rv_attempt_row){.run = run,
                            .node = rv_arena_printf(arena, "node-%u", index),
                            .node_index = index,
                            .number = (uint32_t)n,
                            .epoch = epoch,
                            .state = (rv_attempt_state)(n % RV_ATTEMPT_STATE_COUNT),
                            .detail = (rv_detail)(n % RV_DETAIL_COUNT),
                            .error_source = RV_STR("task"),
                            .error = text(arena, "error", n),
                            .exit_status = -1,
                            .signal = 9,
                            .pid = 12345,
                            .pid_start_ticks = (int64_t)n,
                            .started_ms = 1,
                            .ended_ms = 2,
                            .stdout_size = UINT64_MAX,
                            .stderr_size = 1ull << 63,
                            .log_last = UINT64_MAX,
                            .user_us = n,
                            .system_us = 5,
                            .rss_max = 6,
                            .cost_micro = (int64_t)n * 1500000,
                            .tokens_in = n,
                            .tokens_out = 7,
                            .tokens_cached = 8};
}

rv_artifact_row sample_artifact(rv_arena *arena, rv_str run, rv_str node, uint64_t n) {
    return (rv_artifact_row){.run = run, .node = node, .name = text(arena, "name", n % 2), .media_type = RV_STR("text/plain"),
                             .digest = text(arena, "sha256:", n), .epoch = (uint32_t)n, .size = n, .is_complete = n % 2 == 0,
                             .created_ms = (int64_t)n};
}

rv_blocker_row sample_blocker(rv_arena *arena, rv_str run, rv_str key, uint64_t n) {
    return (rv_blocker_row){.run = run,
                            .node = text(arena, "node", n),
                            .kind = RV_STR("approval"),
                            .revision = 1,
                            .key = key,
                            .payload = RV_STR("{}"),
                            .digest = text(arena, "sha256:", n),
                            .state = (rv_blocker_state)(n % RV_BLOCKER_STATE_COUNT),
                            .decision = {NULL, 0},
                            .by = text(arena, "by", n),
                            .comment = {NULL, 0},
                            .answer = RV_STR("null"),
                            .opened_ms = 1,
                            .resolved_ms = 2,
                            .deadline_ms = 3};
}

rv_cache_row sample_cache(rv_arena *arena, uint64_t key, uint64_t n) {
    char *bytes = rv_arena_alloc(arena, 32);
    memcpy(bytes, &key, sizeof key);
    memcpy(bytes + 24, &key, sizeof key);
    bytes[16] = (char)0xff;
    return (rv_cache_row){.key = {bytes, 32}, .node = text(arena, "node", n), .owner = UINT64_MAX - key % 3, .size = n << 32 | n,
                          .created_ms = (int64_t)n, .manifest = text(arena, "manifest", n), .made_of = text(arena, "made of", n)};
}

rv_workflow_row sample_workflow(rv_arena *arena, rv_str hash, uint64_t n) {
    return (rv_workflow_row){.workspace = RV_STR("default"), .hash = hash, .name = text(arena, "name", n), .body = text(arena, "body", n),
                             .created_ms = (int64_t)n};
}

bool fixture_pumps;

rv_store_result result_next(rv_store *store) {
    rv_store_result result;
    while (rv_store_dispatch(store, &result, 1) == 0) {
        if (fixture_pumps && rv_store_pump(store, true))
            continue;
        struct pollfd fd = {.fd = rv_store_fd(store), .events = POLLIN};
        assert_true(fd.fd >= 0); /* without a descriptor the result must be there at once */
        assert_int_equal(poll(&fd, 1, WAIT_MS_MAX), 1);
    }
    return result;
}

rv_store_result submit_wait(rv_store *store, rv_batch *batch, uint64_t batch_id) {
    rv_store_submit(store, batch, batch_id, false, NULL);
    rv_store_result result = result_next(store);
    assert_int_equal(result.batch_id, batch_id);
    assert_false(result.is_synced_notice);
    return result;
}

void submit_done(rv_store *store, rv_batch *batch, uint64_t batch_id) {
    rv_store_result result = submit_wait(store, batch, batch_id);
    if (result.outcome != RV_OUTCOME_DONE)
        fail_msg("batch %llu: %s", (unsigned long long)batch_id, result.error.text);
    assert_int_equal(result.rejected_groups, 0);
}
