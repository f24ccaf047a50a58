/* Rows of a table, for other programs (RFC 4180, lines end with a newline alone). */
#ifndef CSV_H
#define CSV_H
#include "str/str.h"

#include <stdio.h>

/* Write cells[0..count), quoted where they must be. */
void csv_row(FILE *to, const str *cells, size_t count);

#endif
