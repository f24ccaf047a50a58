/* fuzz_yaml.c: any bytes as a workflow in YAML. */
#include "workflow_laws.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    load_workflow(data, size, false);
    return 0;
}
