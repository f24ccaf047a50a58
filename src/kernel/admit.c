#include "kernel/admit.h"
#include "kernel/gate.h"

void rv_admit_init(rv_admit *admit, uint32_t cap)
{
    RV_ASSERT(cap >= 1);
    *admit = (rv_admit){.cap = cap};
}

void rv_admit_deinit(rv_admit *admit) { rv_vec_deinit(&admit->tag_used); }

static uint32_t used_of(const rv_admit *admit, uint32_t tag) { return tag < admit->tag_used.count ? admit->tag_used.at[tag] : 0; }

uint32_t rv_admit_blocker(const rv_admit *admit, const rv_run *run, uint32_t class_index)
{
    const rv_run_class *class = &run->classes.at[class_index];
    for (uint32_t i = class->first; i < class->first + class->count; i++) {
        uint32_t tag = run->class_tags.at[i];
        if (run->tags.at[tag].cap && used_of(admit, tag) >= run->tags.at[tag].cap) return tag;
    }
    return RV_NONE;
}

bool rv_admit_fits(const rv_admit *admit, const rv_run *run, uint32_t class_index)
{
    return admit->used < admit->cap && rv_admit_blocker(admit, run, class_index) == RV_NONE;
}

uint32_t rv_admit_next(const rv_admit *admit, const rv_run *run)
{
    uint32_t best = RV_NONE;
    if (run->ready_count == 0 || admit->used >= admit->cap || rv_run_is_held_back(run)) return RV_NONE;
    for (uint32_t c = 0; c < run->classes.count; c++) {
        uint32_t node = rv_run_ready_first(run, c);
        if (node == RV_NONE || (best != RV_NONE && !rv_run_goes_before(run, node, best)) || !rv_admit_fits(admit, run, c)) continue;
        best = node;
    }
    return best;
}

void rv_admit_take(rv_admit *admit, const rv_run *run, uint32_t class_index)
{
    const rv_run_class *class = &run->classes.at[class_index];
    RV_ASSERT(rv_admit_fits(admit, run, class_index));
    while (admit->tag_used.count < run->tags.count) rv_vec_push(&admit->tag_used, 0);
    admit->used++;
    for (uint32_t i = class->first; i < class->first + class->count; i++) admit->tag_used.at[run->class_tags.at[i]]++;
}

void rv_admit_give(rv_admit *admit, const rv_run *run, uint32_t class_index)
{
    const rv_run_class *class = &run->classes.at[class_index];
    RV_ASSERT(admit->used > 0);
    admit->used--;
    for (uint32_t i = class->first; i < class->first + class->count; i++) {
        RV_ASSERT(used_of(admit, run->class_tags.at[i]) > 0);
        admit->tag_used.at[run->class_tags.at[i]]--;
    }
}
