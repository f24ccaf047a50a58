/* lines.h: the kernel as JSON lines, `reeve kernel` [K70]: one line in, one line out, versioned. docs/kernel-protocol.md is the
 * reference of every member. */
#ifndef RV_LINES_H
#define RV_LINES_H

#include "base/mem.h"

#define RV_LINES_VERSION 1
#define RV_LINE_SIZE_MAX (UINT64_C(512) << 20) /* bytes of a line */

typedef struct rv_lines rv_lines;
/* One machine, which has yet to be loaded. */
rv_lines *rv_lines_new(void);
void rv_lines_free(rv_lines *lines); /* NULL is legal */
/* Take one line (without its newline), append the answer, one line with its newline. What is malformed or refused gets an
 * {"v":1,"error":…} and changes nothing. A line of blanks gets no answer. */
void rv_lines_take(rv_lines *lines, rv_str line, rv_buf *out);
/* The state as bytes, for tests; size 0: not loaded. Borrowed until the next call. */
rv_str rv_lines_state(rv_lines *lines);

#endif
