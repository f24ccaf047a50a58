#include "kernel/admit.h"

void rv_admit_init(rv_admit *admit, rv_arena *arena, const rv_graph *graph, uint32_t cap)
{
    RV_ASSERT(cap >= 1);
    admit->cap = cap;
    admit->used = 0;
    admit->tag_count = graph->tag_count;
    admit->tag_used = rv_arena_new(arena, uint32_t, graph->tag_count + 1);
}

uint32_t rv_admit_blocker(const rv_admit *admit, const rv_graph *graph, uint32_t class_index)
{
    const rv_class_def *class_def = &graph->classes[class_index];
    for (uint32_t i = class_def->first; i < class_def->first + class_def->count; i++) {
        uint32_t tag = graph->class_tags[i];
        if (graph->tags[tag].cap && admit->tag_used[tag] >= graph->tags[tag].cap) return tag;
    }
    return RV_NONE;
}

bool rv_admit_fits(const rv_admit *admit, const rv_graph *graph, uint32_t class_index)
{
    return admit->used < admit->cap && rv_admit_blocker(admit, graph, class_index) == RV_NONE;
}

uint32_t rv_admit_next(const rv_admit *admit, const rv_run *run)
{
    const rv_graph *graph = run->graph;
    uint32_t best_node = RV_NONE, best_position = RV_NONE;
    if (run->ready_count == 0 || admit->used >= admit->cap) return RV_NONE;
    for (uint32_t c = 0; c < graph->class_count; c++) {
        uint32_t position, node = rv_run_ready_next(run, c, 0, &position);
        if (node == RV_NONE || position >= best_position || !rv_admit_fits(admit, graph, c)) continue;
        best_node = node;
        best_position = position;
    }
    return best_node;
}

void rv_admit_take(rv_admit *admit, const rv_graph *graph, uint32_t class_index)
{
    const rv_class_def *class_def = &graph->classes[class_index];
    RV_ASSERT(rv_admit_fits(admit, graph, class_index));
    admit->used++;
    for (uint32_t i = class_def->first; i < class_def->first + class_def->count; i++) admit->tag_used[graph->class_tags[i]]++;
}

void rv_admit_give(rv_admit *admit, const rv_graph *graph, uint32_t class_index)
{
    const rv_class_def *class_def = &graph->classes[class_index];
    RV_ASSERT(admit->used > 0);
    admit->used--;
    for (uint32_t i = class_def->first; i < class_def->first + class_def->count; i++) {
        RV_ASSERT(admit->tag_used[graph->class_tags[i]] > 0);
        admit->tag_used[graph->class_tags[i]]--;
    }
}
