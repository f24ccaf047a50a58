/* fuzz_workflow_json.c: any bytes as a workflow in JSON. */
#include "workflow_laws.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    load_workflow(data, size, true);
    return 0;
}
