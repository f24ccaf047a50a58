/* random.c: seeded numbers for what must be repeatable, the system's generator for what must not be guessed. */
#include "base/util.h"

#include <errno.h>
#include <sys/random.h>

/* splitmix64: Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, OOPSLA 2014. */
uint64_t rv_rng_next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15ull;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

/* Lemire: Fast Random Integer Generation in an Interval, ACM TOMACS 2019: the high half of a product, and a new draw
 * for the few low halves that would favour small results. */
uint32_t rv_rng_below(uint64_t *state, uint32_t bound)
{
    RV_ASSERT(bound >= 1);
    uint32_t unfair = (0 - bound) % bound; /* 2^32 mod bound */
    for (;;) {
        uint64_t product = (rv_rng_next(state) >> 32) * bound;
        if ((uint32_t)product >= unfair) return (uint32_t)(product >> 32);
    }
}

void rv_random_bytes(void *ret_bytes, size_t size)
{
    char *at = ret_bytes;
    while (size > 0) {
        ssize_t got = getrandom(at, size, 0);
        if (got < 0 && errno == EINTR) continue;
        RV_ASSERT(got > 0); /* guessable tokens would be worse than none */
        at += got;
        size -= (size_t)got;
    }
}
