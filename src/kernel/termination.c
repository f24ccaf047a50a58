#include "kernel/termination.h"

#define X(name_, word_, state_, detail_) {word_, RV_ATTEMPT_##state_, RV_DETAIL_##detail_},
static const struct { const char *word; rv_attempt_state state; rv_detail detail; } terminations[] = {RV_TERMINATION_MAP(X)};
#undef X

rv_termination rv_termination_find(rv_str word)
{
    for (uint32_t i = 0; i < RV_TERMINATION_COUNT; i++)
        if (rv_str_is(word, terminations[i].word)) return (rv_termination)i;
    return RV_TERMINATION_COUNT;
}

rv_attempt_state rv_termination_state(rv_termination termination) { return terminations[termination].state; }
rv_detail rv_termination_detail(rv_termination termination) { return terminations[termination].detail; }
