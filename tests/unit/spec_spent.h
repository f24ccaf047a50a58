/* spec_spent.h: what is loaded from a source that is spent is what is loaded from one that stays. */
#ifndef SPEC_SPENT_H
#define SPEC_SPENT_H

#include "spec/spec.h"

/* Load `input` once more, spending a copy of its source: the status, the image to the byte and the number of problems are those of the
 * load that had `status`, `spec` and `problems`. */
static inline void check_spent(const rv_spec_input *input, rv_status status, const rv_spec *spec, const rv_problems *problems)
{
    rv_spec_input again = *input;
    rv_problems silent = {.is_silent = true};
    rv_spec *other = NULL;
    char *copy = rv_alloc(input->source.size + 1);
    if (input->source.size) memcpy(copy, input->source.at, input->source.size);
    again.source.at = again.spent = copy;
    again.spent_digest = rv_sha256(input->source);
    RV_ASSERT(rv_spec_load(&again, &other, &silent) == status);
    RV_ASSERT(silent.list.count == 0 && silent.error_count == problems->error_count);
    RV_ASSERT((silent.unsaid_count == 0) == (problems->list.count == 0));
    RV_ASSERT((other == NULL) == (spec == NULL));
    if (spec) RV_ASSERT(other->image_size == spec->image_size && memcmp(other->image, spec->image, spec->image_size) == 0);
    if (spec) RV_ASSERT(rv_str_eq(rv_buf_str(&other->user), rv_buf_str(&spec->user)));
    if (spec) RV_ASSERT(rv_str_eq(rv_buf_str(&other->env), rv_buf_str(&spec->env)));
    rv_spec_free(other);
    rv_problems_deinit(&silent);
    rv_free(copy);
}

#endif
