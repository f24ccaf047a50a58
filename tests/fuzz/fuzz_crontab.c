/* fuzz_crontab.c: any bytes as a crontab: reading it ends, and what it becomes is a workflow that loads. */
#include "import_laws.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    import_and_load(rv_import_cron, (rv_str){(const char *)data, size}, NULL);
    return 0;
}
