#include "csv/csv.h"

static bool must_quote(str cell)
{
    for (size_t i = 0; i < cell.size; i++)
        if (cell.at[i] == '"' || cell.at[i] == ',' || cell.at[i] == '\n' || cell.at[i] == '\r')
            return true;
    return false;
}

static void quote(FILE *to, str cell)
{
    putc('"', to);
    for (size_t i = 0; i < cell.size; i++) {
        if (cell.at[i] == '"')
            putc('"', to);
        putc(cell.at[i], to);
    }
    putc('"', to);
}

void csv_row(FILE *to, const str *cells, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            putc(',', to);
        if (must_quote(cells[i]))
            quote(to, cells[i]);
        else
            fwrite(cells[i].at, 1, cells[i].size, to);
    }
    putc('\n', to);
}
