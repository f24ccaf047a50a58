/* libm.c: the mathematics that people's SQL may use (SQLite's `sin`, `pow`, …), from libm when one of them is first called.
 *
 * Nothing else in the program needs libm, and to load it costs each start ten page faults and as many system calls (docs/architecture.md,
 * "How it starts"). These definitions are found before libm's, so the program is not linked with it; they are in the program only, never
 * in libreeve.a, whose users have a libm of their own. */
#include <dlfcn.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/base.h"

static void *find(const char *name)
{
    void *libm = dlopen("libm.so.6", RTLD_LAZY); /* it stays: whoever comes next gets the same one */
    void *function = libm ? dlsym(libm, name) : NULL;
    if (function) return function;
    fprintf(stderr, "reeve: %s() of the C library's libm.so.6 cannot be loaded: %s\n", name, dlerror());
    abort();
}

/* Two threads may look for the same function at once; they find the same. */
#define FUNCTION(name_, parameters_, arguments_)                                                             \
    double name_ parameters_                                                                                 \
    {                                                                                                        \
        static void *_Atomic found;                                                                          \
        void *at = atomic_load_explicit(&found, memory_order_relaxed);                                       \
        if (!at) atomic_store_explicit(&found, at = find(#name_), memory_order_relaxed);                     \
        double(*function) parameters_;                                                                       \
        memcpy(&function, &at, sizeof function); /* POSIX: what dlsym finds may be a function */             \
        return function arguments_;                                                                          \
    }
#define FUNCTION1(name_) FUNCTION(name_, (double x), (x))
#define FUNCTION2(name_) FUNCTION(name_, (double x, double y), (x, y))

FUNCTION1(acos)
FUNCTION1(acosh)
FUNCTION1(asin)
FUNCTION1(asinh)
FUNCTION1(atan)
FUNCTION2(atan2)
FUNCTION1(atanh)
FUNCTION1(cos)
FUNCTION1(cosh)
FUNCTION1(exp)
FUNCTION2(fmod)
FUNCTION1(log)
FUNCTION2(pow)
FUNCTION1(sin)
FUNCTION1(sinh)
FUNCTION1(sqrt)
FUNCTION1(tan)
FUNCTION1(tanh)
FUNCTION1(trunc)
