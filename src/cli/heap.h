/* heap.h: pages for what the program is about to allocate. A new page is a fault, 0.1 to 0.5 us on a machine and 5 to 15 us on a
 * virtual one, and a verb that opens a store touches more than a hundred; filled at once they cost less than half of that. Only the
 * program does this: what the heap of another one looks like is no business of the library's. */
#ifndef RV_HEAP_H
#define RV_HEAP_H

#include <stdint.h>

/* From now on there is one heap for all threads, and it keeps what is freed; its next 480 KiB are filled. Once, before threads are started
 * and behind a fork, whose child would copy them. What has no room or is not supported is left out. */
void rv_heap_fill(void);
/* A run of so many nodes is about to begin in this process: make room for what it will have in memory, by a thread that nobody waits for.
 * A hint, once; nothing for a small one, at most 8 MB. */
void rv_heap_expect(uint32_t node_count);

#endif
