#include "csv/csv.h"

#include <assert.h>
#include <string.h>

int main(void)
{
    FILE *file = tmpfile();
    assert(file);
    str cells[] = {str_of("plain"), str_of("with, comma"), str_of("a \"word\""), str_of("")};
    csv_row(file, cells, 4);
    csv_row(file, cells, 1);
    char text[100] = "";
    rewind(file);
    size_t size = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    assert(size == strlen(text) && strcmp(text, "plain,\"with, comma\",\"a \"\"word\"\"\",\nplain\n") == 0);
    return 0;
}
