/* fuzz_journal.c: the first byte names a graph, the rest is a journal row. A row is refused or applied; events that can
 * be read are written back to the same bytes or fewer; what was applied and passes the check can be used. */
#include "fuzz_run.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* How many events can be read; each must survive its own bytes. */
static uint32_t count_events(const char *at, const char *end)
{
    uint32_t count = 0;
    for (rv_event event, back; at < end && rv_event_read(&at, end, &event, NULL) == RV_OK; count++) {
        rv_buf bytes = {0};
        rv_event_write(&bytes, &event);
        const char *from = bytes.at, *to = bytes.at + bytes.size;
        RV_ASSERT(rv_event_read(&from, to, &back, NULL) == RV_OK && from == to);
        RV_ASSERT(back.node == event.node && back.state == event.state && rv_str_eq(back.text, event.text));
        rv_buf json = {0};
        rv_json_writer w;
        rv_json_writer_init(&w, &json, 0);
        rv_event_json(&w, &event, NULL, NULL);
        rv_buf_deinit(&json);
        rv_buf_deinit(&bytes);
    }
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) return 0;
    rv_str body = {(const char *)data + 1, size - 1};
    const rv_graph *graph = fuzz_graph(data[0]);
    uint32_t count = count_events(body.at, body.at + body.size);
    rv_error err = {0};
    for (uint32_t more = 0; more < 2; more++) { /* a count that is one too high is refused as well */
        rv_run *run = rv_run_new(graph);
        rv_status status = rv_run_replay(run, body, count + more, &err);
        RV_ASSERT(status == RV_OK || (status == RV_CORRUPT && err.text[0] != 0));
        RV_ASSERT(status != RV_OK || more == 0);
        if (status == RV_OK && rv_run_check(run) == NULL) fuzz_use(run);
        rv_run_free(run);
    }
    return 0;
}
