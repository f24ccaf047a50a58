/* What is to be said of many numbers. */
#ifndef STATS_H
#define STATS_H
#include <stddef.h>
#include <stdint.h>

typedef struct { uint32_t least, median, most; uint64_t sum; } stats;

/* Of numbers[0..count), which are put in order; all zero of none. Of an even count the median is the lower one. */
stats stats_of(uint32_t *numbers, size_t count);

#endif
