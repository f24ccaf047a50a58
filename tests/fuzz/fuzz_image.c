/* fuzz_image.c: a compiled workflow, changed and sealed again, so that its checksum guards nothing: it is refused with a reason, or
 * whatever can be read through its graph lies inside of it.
 *
 * An input is a list of changes {u16 offset, u8 byte}, over the header first (what is past it wraps around the whole image); its
 * first byte names the workflow. An input that begins with 0xff is an image as it is. */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "spec/load.h"
#include "spec/spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static rv_spec *compiled(uint8_t which)
{
    static const char *const sources[] = {
        "reeve: 1\nname: small\nnodes:\n  a: {run: [echo, hi]}\n",
        "reeve: 1\nname: all\nparams: {p: {type: integer, default: 3}}\nconcurrency: {default: 4, tags: {net: 2}}\ntimeout: 1h\nnodes:\n"
        "  a: {shell: 'echo hi', env: {P: '${user.p}'}, tags: [net], retry: {max_attempts: 3, delay: 1s}}\n"
        "  b: {approve: {message: 'go?'}, needs: [a]}\n  c: {wait: {for: 1s}, after: [a]}\n"
        "  d: {set: {x: '${a.n}', y: '2'}, needs: [a, b]}\n  e: {reduce: {of: [a, d], reducer: count}, needs: [a, d]}\n"
        "  f: {input: {question: 'how many?', schema: {type: integer}, default: 1, deadline: 1h}, when: '${d.x} == 2', needs: [d]}\n"
        "on: {failure: {run: [echo, failed]}, exit: {shell: 'true'}}\n",
        "reeve: 1\nname: bodies\nparams: {l: {type: array, default: [1]}}\nnodes:\n"
        "  a: {foreach: {items: '${user.l}', do: {nodes: {x: {run: [x, '${item}']}, y: {run: [y], needs: [x]}}}}}\n"
        "  b: {loop: {body: {run: [x]}, max: 3, until: '${previous.ok} == true'}, needs: [a]}\n"
        "  c: {tournament: {entrants: [b, {run: [x]}], judge: {run: [j]}}}\n"
        "  d: {classify: {by: {run: [x]}, branches: {l: [e], m: []}}, needs: [c]}\n"
        "  e: {run: [x], needs: [d], revise: {target: d, when: '${e.ok} == false'}}\n"
        "  f: {workflow: {definition: {params: {p: {}}, nodes: {n: {wait: {event: v}}}, result: {r: '${n.v}'}}, params: {p: '${e.v}'}}, "
        "needs: [e]}\n",
    };
    static rv_spec *specs[RV_COUNT(sources)];
    size_t index = which % RV_COUNT(sources);
    rv_spec_input input = {.source = rv_str_of(sources[index]), .file = "fuzz.yaml", .skip_values = true};
    rv_problems problems = {0};
    if (specs[index]) return specs[index];
    rv_status status = rv_spec_load(&input, &specs[index], &problems);
    if (status != RV_OK) {
        rv_buf text = {0};
        rv_problems_text(&text, &problems, input.source, true, false);
        (void)fputs(text.at, stderr);
    }
    RV_ASSERT(status == RV_OK);
    rv_problems_deinit(&problems);
    return specs[index];
}

static void change(rv_str edits, rv_buf *image)
{
    for (size_t i = 0; i + 3 <= edits.size; i += 3) {
        size_t offset = (size_t)(uint8_t)edits.at[i] << 8 | (uint8_t)edits.at[i + 1];
        image->at[offset % image->size] = edits.at[i + 2];
    }
    if (image->size >= sizeof(rv_image)) {
        rv_image *head = (rv_image *)(void *)image->at; /* a buffer's memory is aligned for anything */
        uint64_t said = head->size;
        head->size = image->size; /* what is hashed is what there is */
        rv_image_seal(head);
        head->size = said;
    }
}

static volatile uint8_t seen; /* so that each byte is really read */

static void see(const rv_graph *graph, rv_slice slice)
{
    rv_str text = rv_graph_str(graph, slice);
    RV_ASSERT(slice.size == text.size && slice.at + text.size <= graph->strings.size);
    for (size_t i = 0; i < text.size; i++) seen = (uint8_t)text.at[i];
}

static void see_edges(const rv_graph *graph, const uint32_t *begin, const uint32_t *entries)
{
    uint32_t count = 0;
    for (uint32_t node = 0; node < graph->node_count; node++)
        for (uint32_t i = begin[node]; i < begin[node + 1]; i++, count++)
            RV_ASSERT(RV_EDGE_NODE(entries[i]) < (entries[i] & RV_EDGE_EXTERNAL ? graph->external_count : graph->node_count));
    RV_ASSERT(count <= graph->edge_count);
}

static void walk_control(const rv_graph *graph, const rv_control_def *control)
{
    see(graph, control->items);
    see(graph, control->until);
    see(graph, control->params);
    for (uint32_t i = 0; i < control->scope_count; i++) RV_ASSERT(graph->scopes[control->scope_first + i].first <= graph->node_count);
    for (uint32_t i = 0; i < control->result_count; i++) see(graph, graph->set_items[control->result_first + i].expression);
    for (uint32_t i = 0; i < control->entrant_count; i++) {
        const rv_entrant_def *entrant = &graph->entrants[control->entrant_first + i];
        RV_ASSERT(entrant->node < graph->node_count || entrant->scope < graph->scope_count);
    }
    for (uint32_t i = 0; i < control->branch_count; i++) {
        const rv_branch_def *branch = &graph->branches[control->branch_first + i];
        see(graph, branch->label);
        for (uint32_t k = 0; k < branch->count; k++) RV_ASSERT(graph->branch_nodes[branch->first + k] < graph->node_count);
    }
}

static void walk_revise(const rv_graph *graph, const rv_revise_def *revise)
{
    see(graph, revise->when);
    RV_ASSERT(revise->node < graph->node_count && revise->target < graph->node_count);
    const rv_scope_def *scope = &graph->scopes[graph->nodes[revise->node].scope];
    const uint32_t *members = graph->revise_nodes + revise->member_first;
    uint32_t ends = 0;
    for (uint32_t i = 0; i < revise->member_count; i++) { /* as the kernel makes a place of them */
        RV_ASSERT(members[i] - scope->first < scope->count && (i == 0 || members[i - 1] < members[i]));
        ends += members[i] == revise->node || members[i] == revise->target;
    }
    RV_ASSERT(ends == 2);
}

/* Everything that a run reads through a graph. */
static void walk(const rv_graph *graph)
{
    see(graph, graph->name);
    see_edges(graph, graph->pred_begin, graph->pred);
    see_edges(graph, graph->succ_begin, graph->succ);
    for (uint32_t node = 0; node < graph->node_count; node++) {
        const rv_node_def *def = &graph->nodes[node];
        RV_ASSERT(graph->position[graph->order[node]] == node);
        see(graph, def->name);
        see(graph, def->body);
        see(graph, def->when);
        RV_ASSERT(def->policy < graph->policy_count && def->class_index < graph->class_count);
        RV_ASSERT(rv_kind_name(def->kind) != NULL);
        const rv_class_def *class = &graph->classes[def->class_index];
        for (uint32_t i = 0; i < class->count; i++) see(graph, graph->tags[graph->class_tags[class->first + i]].name);
        for (uint32_t i = 0; def->kind == RV_KIND_SET && i < def->aux_count; i++) see(graph, graph->set_items[def->aux + i].expression);
        if (def->kind == RV_KIND_APPROVE || def->kind == RV_KIND_INPUT || def->kind == RV_KIND_WAIT)
            see(graph, graph->gates[def->aux].fallback), see(graph, graph->gates[def->aux].event);
        RV_ASSERT(node - graph->scopes[def->scope].first < graph->scopes[def->scope].count);
        if (rv_kind_is_controller(def->kind)) walk_control(graph, &graph->controls[def->aux]);
        if (def->revise) walk_revise(graph, &graph->revises[def->revise - 1]);
    }
    for (uint32_t i = 0; i < graph->external_count; i++) see(graph, graph->externals[i].name);
}

static void map(rv_str bytes)
{
    char path[64];
    rv_spec *spec = NULL;
    rv_problems problems = {0};
    rv_error err = {0};
    int fd = memfd_create("image", MFD_CLOEXEC);
    RV_ASSERT(fd >= 0 && write(fd, bytes.at, bytes.size) == (ssize_t)bytes.size);
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    rv_spec_input input = {.file = "fuzz.yaml", .skip_values = true};
    rv_status status = rv_spec_map(path, &input, &spec, &problems, &err);
    RV_ASSERT((status == RV_OK) == (spec != NULL));
    RV_ASSERT(status == RV_OK || err.text[0] != 0);
    if (spec) walk(&spec->graph);
    rv_spec_free(spec);
    rv_problems_deinit(&problems);
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rv_str input = {(const char *)data, size};
    if (size == 0) return 0;
    if (data[0] == 0xff) {
        map(rv_str_from(input, 1));
        return 0;
    }
    const rv_spec *spec = compiled(data[0]);
    rv_buf image = {0};
    rv_buf_add(&image, spec->image, spec->image_size);
    change(rv_str_from(input, 1), &image);
    map(rv_buf_str(&image));
    rv_buf_deinit(&image);
    return 0;
}
