/* grown.h: runs of workflow files in the hands of a test. */
#ifndef RV_GROWN_H
#define RV_GROWN_H

#include "drive.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "spec/spec.h"

typedef struct world { rv_spec *spec; drive *d; } world;

static inline world world_of(const char *nodes)
{
    world w = {0};
    rv_problems problems = {0};
    rv_buf text = {0}, said = {0};
    rv_buf_printf(&text, "reeve: 1\nname: t\nparams: {list: {type: array, default: [1, 2, 3]}}\nnodes:\n%s", nodes);
    rv_spec_input input = {.source = rv_buf_str(&text), .file = "t.yaml"};
    rv_status status = rv_spec_load(&input, &w.spec, &problems);
    rv_problems_text(&said, &problems, rv_buf_str(&text), false, false);
    if (status != RV_OK) fail_msg("%s", said.at);
    rv_problems_deinit(&problems);
    rv_buf_deinit(&text);
    rv_buf_deinit(&said);
    w.d = drive_new_graph(&w.spec->graph);
    return w;
}

static inline void world_end(world *w)
{
    drive_free(w->d);
    rv_spec_free(w->spec);
}

/* Admit and complete with this result. */
static inline void gives(world *w, const char *node, const char *value)
{
    assert_int_equal(drive_admit(w->d, node), RV_ANSWER_TAKEN);
    assert_int_equal(drive_complete_value(w->d, node, value, ""), RV_ANSWER_TAKEN);
}

static inline void assert_result(world *w, const char *node, const char *json)
{
    rv_str result = rv_run_result(w->d->run, rv_run_find(w->d->run, rv_str_of(node)));
    if (!rv_str_is(result, json)) fail_msg("%s gave %.*s, not %s", node, RV_FMT(result), json);
}

static inline void assert_says(world *w, const char *node, const char *text) { assert_string_equal(drive_says(w->d, node), text); }

static inline bool exists(world *w, const char *node) { return rv_run_find(w->d->run, rv_str_of(node)) != RV_NONE; }

#endif
