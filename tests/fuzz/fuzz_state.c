/* fuzz_state.c: the first byte names a graph, the rest is an encoded state behind its version and the graph's digest. It
 * is refused, or it passes every invariant and can be used. */
#include "fuzz_run.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) return 0;
    const rv_graph *graph = fuzz_graph(data[0]);
    rv_run *run = rv_run_new(graph);
    rv_buf state = {0};
    rv_error err = {0};
    rv_buf_varint(&state, 1);
    rv_buf_add(&state, graph->digest.bytes, sizeof graph->digest.bytes);
    rv_buf_add(&state, data + 1, size - 1);
    rv_status status = rv_run_decode(run, rv_buf_str(&state), &err);
    RV_ASSERT(status == RV_OK || (status == RV_CORRUPT && err.text[0] != 0));
    if (status == RV_OK) {
        RV_ASSERT(rv_run_check(run) == NULL);
        fuzz_use(run);
    }
    rv_run_free(run);
    rv_buf_deinit(&state);
    return 0;
}
