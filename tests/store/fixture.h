/* fixture.h: what the store's tests share: a folder of their own, rows to write, results to wait for. */
#ifndef TESTS_STORE_FIXTURE_H
#define TESTS_STORE_FIXTURE_H

#include "store/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#define WAIT_MS_MAX 60000 /* how long a test waits for what must come */

/* A fresh folder under $TMPDIR; removed with what it holds by folder_remove. */
void folder_make(char *ret_path, size_t size);
void folder_remove(const char *path);

/* The same in memory where there is such a place: for thousands of stores whose disk is a model anyway. */
void folder_make_fast(char *ret_path, size_t size);

/* Rows with every field set, from a number; strings in `arena`. */
rv_run_row sample_run(rv_arena *arena, rv_str id, uint64_t number);
rv_task_row sample_task(rv_arena *arena, rv_str id, uint32_t version, uint64_t number);
rv_node_row sample_node(rv_arena *arena, rv_str run, uint32_t index, uint64_t number);
rv_attempt_row sample_attempt(rv_arena *arena, rv_str run, uint32_t index, uint32_t epoch, uint64_t number);
rv_artifact_row sample_artifact(rv_arena *arena, rv_str run, rv_str node, uint64_t number);
rv_blocker_row sample_blocker(rv_arena *arena, rv_str run, rv_str key, uint64_t number);
rv_cache_row sample_cache(rv_arena *arena, uint64_t key, uint64_t number);
rv_workflow_row sample_workflow(rv_arena *arena, rv_str hash, uint64_t number);
rv_now sample_now(uint64_t number);

/* Whether result_next pumps the store itself. */
extern bool fixture_pumps;
/* Wait for the next result; fails the test after WAIT_MS_MAX. */
rv_store_result result_next(rv_store *store);
/* Submit and wait for the written result, which is returned. */
rv_store_result submit_wait(rv_store *store, rv_batch *batch, uint64_t batch_id);
void submit_done(rv_store *store, rv_batch *batch, uint64_t batch_id); /* and it must be DONE, nothing rejected */

#define assert_ok(status_, err_)                                                \
    do {                                                                        \
        rv_status status__ = (status_);                                         \
        if (status__)                                                           \
            fail_msg("%s: %s", rv_status_name(status__), (err_)->text);         \
    } while (0)
#define assert_status(status_, want_) assert_string_equal(rv_status_name(status_), rv_status_name(want_))
#define assert_str(str_, text_) assert_true(rv_str_is((str_), (text_)))

#endif
