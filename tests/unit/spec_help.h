/* spec_help.h: load a workflow that stands in a test. */
#ifndef SPEC_HELP_H
#define SPEC_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "spec_spent.h"

typedef struct loaded {
    rv_spec *spec; /* NULL: it was refused */
    rv_problems problems;
    rv_buf text; /* the problems as text, without carets */
} loaded;

static inline rv_spec_input input_of(const char *source, bool is_json)
{
    return (rv_spec_input){.source = rv_str_of(source), .file = is_json ? "flow.json" : "flow.yaml", .is_json = is_json};
}

static inline loaded load_input(const rv_spec_input *input)
{
    loaded l = {0};
    rv_status status = rv_spec_load(input, &l.spec, &l.problems);
    check_spent(input, status, l.spec, &l.problems);
    assert_true((status == RV_OK) == (l.spec != NULL));
    assert_true((status == RV_OK) == (l.problems.error_count == 0));
    rv_problems_text(&l.text, &l.problems, input->source, false, false);
    return l;
}
static inline loaded load_yaml(const char *source)
{
    rv_spec_input input = input_of(source, false);
    return load_input(&input);
}
static inline loaded load_json(const char *source)
{
    rv_spec_input input = input_of(source, true);
    return load_input(&input);
}
static inline void loaded_free(loaded *l)
{
    rv_spec_free(l->spec);
    rv_problems_deinit(&l->problems);
    rv_buf_deinit(&l->text);
}
/* Load what must be right. */
static inline loaded load_good(const char *source)
{
    loaded l = load_yaml(source);
    if (l.spec == NULL) print_error("%s", l.text.at);
    assert_non_null(l.spec);
    return l;
}
static inline uint32_t node_named(const rv_graph *graph, const char *name)
{
    for (uint32_t i = 0; i < graph->node_count; i++)
        if (rv_str_is(rv_graph_name(graph, i), name)) return i;
    fail_msg("no node %s", name);
    return RV_NONE;
}
static inline void assert_str(rv_str actual, const char *expected)
{
    if (!rv_str_is(actual, expected)) fail_msg("is      %.*s\nand not %s", RV_FMT(actual), expected);
}

/* The normal form is itself a workflow file, and its own normal form. */
static inline void assert_idempotent(const rv_graph *graph)
{
    rv_spec_input again = {.source = graph->definition, .file = "flow.json", .is_json = true, .skip_values = true};
    loaded l = load_input(&again);
    if (l.spec == NULL) print_error("%s", l.text.at);
    assert_non_null(l.spec);
    if (!rv_str_eq(l.spec->graph.definition, graph->definition))
        fail_msg("%.*s\nbecomes\n%.*s", RV_FMT(graph->definition), RV_FMT(l.spec->graph.definition));
    assert_memory_equal(&l.spec->graph.digest, &graph->digest, sizeof graph->digest);
    assert_int_equal(l.spec->graph.policy_count, graph->policy_count);
    assert_int_equal(l.problems.list.count, 0);
    loaded_free(&l);
}

#endif
