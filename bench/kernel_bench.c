/* kernel_bench.c: what a node costs the kernel: bytes a node in a large graph, completions a second in a wide one, with
 * and without the journal; best of several rounds. One core, no store, no processes.
 *
 *   kernel_bench [NODES]   1,000,000 by default; exit status 1 when a target of docs/spec/02 is missed */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "graph_text.h"
#include "kernel/admit.h"
#include "kernel/run.h"

#define ROUNDS 5
#define EDGES_A_NODE 3u
#define TURN 64u /* inputs that share a turn, as when completions arrive while a commit is in flight */

#define BYTES_A_NODE_MAX 200.0
#define BARE_A_SECOND_MIN 5e6
#define JOURNALED_A_SECOND_MIN 1e6

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void step(rv_run *run, rv_out *out, const rv_event *event)
{
    rv_now now = {.wall_ms = 1700000000000, .engine_ms = 1000};
    if (rv_run_reserve(run, out, event) != RV_OK || rv_run_step(run, event, now, out) != RV_ANSWER_TAKEN) {
        fprintf(stderr, "kernel_bench: a step was refused\n");
        exit(1);
    }
}

/* The journal of a turn is taken away at its end. */
static void turn_end(rv_out *out, uint32_t count, uint64_t *bytes)
{
    if (count % TURN) return;
    *bytes += out->journal.size;
    rv_out_clear(out);
}

/* ---- bytes ---- */

static size_t graph_size(const rv_graph *graph)
{
    size_t per_node = sizeof *graph->nodes + 4 * sizeof(uint32_t); /* definition, two list beginnings, order, position */
    return graph->node_count * per_node + 2 * (size_t)graph->edge_count * sizeof(uint32_t);
}

static bool measure_bytes(uint32_t node_count)
{
    uint64_t seed = 1;
    uint32_t *preds = rv_alloc((size_t)node_count * EDGES_A_NODE * sizeof *preds);
    for (uint32_t n = 0; n < node_count; n++)
        for (uint32_t i = 0; i < EDGES_A_NODE; i++) {
            uint32_t span = n < 1000 ? n : 1000; /* within a window, each edge in its own third of it */
            preds[n * EDGES_A_NODE + i] = span < EDGES_A_NODE ? RV_NONE
                : n - 1 - (rv_rng_below(&seed, span / EDGES_A_NODE) * EDGES_A_NODE + i);
        }
    const rv_graph *graph = rv_graph_plain(node_count, preds, EDGES_A_NODE);
    rv_run *run = rv_run_new(graph);
    rv_out out = {.leaves_out_journal = true};
    uint64_t bytes = 0;
    uint32_t done = 0;
    step(run, &out, &(rv_event){.type = RV_EVENT_LOAD, .value = RV_STR("{}")});
    double begin = seconds();
    for (uint32_t node; (node = rv_run_ready_first(run, 0)) != RV_NONE; done++) {
        step(run, &out, &(rv_event){.type = RV_EVENT_ADMITTED, .node = node});
        step(run, &out, &(rv_event){.type = RV_EVENT_COMPLETED, .node = node, .epoch = run->nodes[node].epoch, .state = RV_ATTEMPT_OK});
        turn_end(&out, done, &bytes);
    }
    double per_second = done / (seconds() - begin);
    double graph_a_node = (double)graph_size(graph) / node_count;
    size_t run_size = run->arena.total_size + run->node_capacity * sizeof *run->nodes + run->timers.capacity * sizeof *run->timers.at;
    double run_a_node = (double)run_size / node_count;
    printf("%u nodes, %u edges: %.1f bytes a node (graph %.1f, run %.1f; at most %.0f); run through at %.2f million nodes a second\n",
           node_count, graph->edge_count, graph_a_node + run_a_node, graph_a_node, run_a_node, BYTES_A_NODE_MAX, per_second / 1e6);
    bool is_ok = graph_a_node + run_a_node < BYTES_A_NODE_MAX && run->status == RV_RUN_OK;
    rv_out_deinit(&out);
    rv_run_free(run);
    rv_graph_text_free(graph);
    rv_free(preds);
    return is_ok;
}

/* ---- completions ---- */

typedef struct rates { double admissions, completions, cycles; uint64_t bytes; } rates;

/* Every node admitted, then every node completed. */
static void measure_phases(const rv_graph *graph, bool is_bare, rates *best)
{
    rv_run *run = rv_run_new(graph);
    rv_out out = {.leaves_out_journal = is_bare};
    uint64_t bytes = 0;
    step(run, &out, &(rv_event){.type = RV_EVENT_LOAD, .value = RV_STR("{}")});
    rv_out_clear(&out);
    double begin = seconds();
    for (uint32_t node = 0; node < graph->node_count; node++) {
        step(run, &out, &(rv_event){.type = RV_EVENT_ADMITTED, .node = node});
        turn_end(&out, node, &bytes);
    }
    double between = seconds();
    bytes = 0;
    for (uint32_t node = 0; node < graph->node_count; node++) {
        step(run, &out, &(rv_event){.type = RV_EVENT_COMPLETED, .node = node, .epoch = run->nodes[node].epoch, .state = RV_ATTEMPT_OK});
        turn_end(&out, node, &bytes);
    }
    double end = seconds();
    best->admissions = RV_MAX(best->admissions, graph->node_count / (between - begin));
    best->completions = RV_MAX(best->completions, graph->node_count / (end - between));
    best->bytes = bytes + out.journal.size;
    rv_out_deinit(&out);
    rv_run_free(run);
}

/* As an engine does it: choose, take slots, admit, start, complete, give back, with so many at once. */
static void measure_cycles(const rv_graph *graph, bool is_bare, rates *best)
{
    rv_run *run = rv_run_new(graph);
    rv_out out = {.leaves_out_journal = is_bare};
    rv_admission all = {0};
    rv_admit admit;
    uint64_t bytes = 0;
    uint32_t node, running[TURN];
    rv_admit_open(&admit, &all, run, TURN, RV_STR("/root"));
    step(run, &out, &(rv_event){.type = RV_EVENT_LOAD, .value = RV_STR("{}")});
    double begin = seconds();
    while (run->status == RV_RUN_RUNNING) {
        uint32_t count = 0;
        for (; (node = rv_admit_next(&admit)) != RV_NONE; running[count++] = node) {
            rv_admit_take(&admit, node);
            step(run, &out, &(rv_event){.type = RV_EVENT_ADMITTED, .node = node});
        }
        for (uint32_t i = 0; i < count; i++)
            step(run, &out, &(rv_event){.type = RV_EVENT_STARTED, .node = running[i], .epoch = run->nodes[running[i]].epoch,
                                        .pid = 12345 + i, .pid_start = 987654321});
        for (uint32_t i = 0; i < count; i++) {
            rv_admit_end(&admit, running[i], true);
            step(run, &out, &(rv_event){.type = RV_EVENT_COMPLETED, .node = running[i], .epoch = run->nodes[running[i]].epoch,
                                        .state = RV_ATTEMPT_OK});
        }
        turn_end(&out, 0, &bytes);
    }
    best->cycles = RV_MAX(best->cycles, graph->node_count / (seconds() - begin));
    rv_out_deinit(&out);
    rv_admit_close(&admit);
    rv_admission_deinit(&all);
    rv_run_free(run);
}

static rates measure_wide(const rv_graph *graph, bool is_bare)
{
    rates best = {0};
    for (int round = 0; round < ROUNDS; round++) {
        measure_phases(graph, is_bare, &best);
        measure_cycles(graph, is_bare, &best);
    }
    printf("%-16s %6.2f million completions a second (at least %.0f), %6.2f admissions, %6.2f whole cycles (admit, start, complete)",
           is_bare ? "without journal:" : "with journal:", best.completions / 1e6,
           (is_bare ? BARE_A_SECOND_MIN : JOURNALED_A_SECOND_MIN) / 1e6,
           best.admissions / 1e6, best.cycles / 1e6);
    if (!is_bare) printf("; %.1f bytes a completion", (double)best.bytes / graph->node_count);
    printf("\n");
    return best;
}

int main(int argc, char **argv)
{
    uint32_t node_count = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : RV_NODES_MAX;
    if (node_count < 1000 || node_count > RV_NODES_MAX) {
        fprintf(stderr, "kernel_bench: NODES is a number from 1000 to %u\n", RV_NODES_MAX);
        return 2;
    }
    bool is_ok = measure_bytes(node_count);
    const rv_graph *wide = rv_graph_plain(node_count, NULL, 0);
    is_ok &= measure_wide(wide, true).completions >= BARE_A_SECOND_MIN;
    is_ok &= measure_wide(wide, false).completions >= JOURNALED_A_SECOND_MIN;
    rv_graph_text_free(wide);
    return is_ok ? 0 : 1;
}
