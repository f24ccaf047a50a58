#include "engine/trespass.h"
#include "engine/inner.h"

typedef struct reader { uint32_t node, next; /* index + 1 in readers */ } reader;

struct rv_trespass {
    rv_map made;               /* path → node */
    rv_map read;               /* path → the first of its readers */
    RV_VEC(reader) readers;
    rv_arena arena;
};

void rv_trespass_free(rv_trespass *t)
{
    if (!t) return;
    rv_map_deinit(&t->made);
    rv_map_deinit(&t->read);
    rv_vec_deinit(&t->readers);
    rv_arena_deinit(&t->arena);
    rv_free(t);
}

bool rv_trespass_is_watched(rv_job *job)
{
    for (; job->graphs_watched < job->run->graphs.count; job->graphs_watched++) {
        const rv_graph *graph = job->run->graphs.at[job->graphs_watched];
        for (uint32_t i = 0; i < graph->node_count && !job->trespass; i++)
            if (graph->nodes[i].flags & RV_NODE_F_AT_ODDS) job->trespass = rv_alloc(sizeof *job->trespass);
    }
    return job->trespass != NULL;
}

/* Two instances of what the file says once: each iteration and revision makes its files anew. */
static bool is_same_def(const rv_run *run, uint32_t a, uint32_t b)
{
    return run->nodes[a].def == run->nodes[b].def && rv_run_place(run, a)->graph == rv_run_place(run, b)->graph;
}

/* Whether `node` waited for `other`, over edges of both kinds, in its own graph and those around it. */
static bool is_after(const rv_run *run, uint32_t node, uint32_t other)
{
    RV_VEC(uint32_t) pending = {0};
    bool *is_seen = rv_alloc(run->node_count), found = false;
    rv_vec_push(&pending, node);
    while (pending.count && !found) {
        uint32_t at = rv_vec_pop(&pending), def = run->nodes[at].def, parent = rv_run_place(run, at)->parent;
        const rv_graph *graph = rv_run_graph(run, at);
        if (is_seen[at]) continue;
        is_seen[at] = true;
        found = at == other;
        if (parent != RV_NONE) rv_vec_push(&pending, parent);
        for (uint32_t e = graph->pred_begin[def]; e < graph->pred_begin[def + 1]; e++)
            rv_vec_push(&pending, rv_run_pred(run, run->nodes[at].place, graph->pred[e]));
    }
    rv_vec_deinit(&pending);
    rv_free(is_seen);
    return found;
}

static void violate(rv_job *job, uint32_t node, uint32_t other, rv_violation_kind kind, rv_str path)
{
    rv_event event = {.type = RV_EVENT_VIOLATION, .node = node, .state = kind, .root = other + 1, .key = path};
    if (job->run->violation.path == 0) rv_engine_step(job, &event, true);
}

void rv_trespass_unseen(rv_job *job, uint32_t node, const char *why)
{
    rv_buf text = {0};
    rv_buf_printf(&text, "what %.*s made cannot be seen, nor whether another node made it too: %s", RV_FMT(rv_job_node_id(job, node)), why);
    rv_engine_notice(job->engine, (rv_notice){.type = NOTICE_NOTE, .job = job}, rv_buf_str(&text), RV_STR(""));
    rv_buf_deinit(&text);
}

void rv_trespass_read(rv_job *job, uint32_t node, rv_str path)
{
    rv_trespass *t = job->trespass;
    uint32_t known = rv_map_get(&t->read, path);
    for (uint32_t at = known == RV_NONE ? 0 : known + 1; at; at = t->readers.at[at - 1].next)
        if (t->readers.at[at - 1].node == node) return;
    rv_vec_push(&t->readers, ((reader){.node = node}));
    if (known == RV_NONE) {
        (void)rv_map_add(&t->read, rv_arena_str(&t->arena, path), t->readers.count - 1);
        return;
    }
    t->readers.at[t->readers.count - 1].next = t->readers.at[known].next; /* behind the first */
    t->readers.at[known].next = t->readers.count;
}

void rv_trespass_made(rv_job *job, uint32_t node, rv_str path)
{
    rv_trespass *t = job->trespass;
    const rv_run *run = job->run;
    uint32_t maker = rv_map_get(&t->made, path), first = rv_map_get(&t->read, path);
    if (maker == RV_NONE) (void)rv_map_add(&t->made, rv_arena_str(&t->arena, path), node);
    else if (maker != node && !is_same_def(run, maker, node)) violate(job, node, maker, RV_VIOLATION_OVERLAP, path);
    for (uint32_t at = first == RV_NONE ? 0 : first + 1; at; at = t->readers.at[at - 1].next) {
        uint32_t other = t->readers.at[at - 1].node;
        if (other != node && !is_same_def(run, other, node) && is_after(run, node, other))
            violate(job, node, other, RV_VIOLATION_CYCLE, path);
    }
}
