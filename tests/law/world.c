#include "world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

world *world_of(const char *nodes)
{
    world *w = rv_alloc(sizeof *w);
    rv_problems problems = {0};
    rv_buf text = {0}, said = {0};
    rv_buf_printf(&text, "reeve: 1\nname: t\nparams: {list: {type: array, default: [1, 2, 3]}, city: {default: Rome}}\nnodes:\n%s", nodes);
    rv_spec_input input = {.source = rv_buf_str(&text), .file = "t.yaml"};
    rv_status status = rv_spec_load(&input, &w->spec, &problems);
    rv_problems_text(&said, &problems, rv_buf_str(&text), false, false);
    if (status != RV_OK) fail_msg("%s", said.at);
    rv_problems_deinit(&problems);
    rv_buf_deinit(&text);
    rv_buf_deinit(&said);
    w->compiler.graph = &w->spec->graph;
    w->d = drive_new_graph(&w->spec->graph);
    rv_compiler_serve(&w->compiler, w->d->run);
    drive_compile(w->d, w->d->run->compile, w->d->run->compile_user);
    return w;
}

void world_end(world *w)
{
    drive_free(w->d);
    rv_compiler_deinit(&w->compiler);
    rv_spec_free(w->spec);
    rv_free(w);
}

void world_gives(world *w, const char *node, const char *value)
{
    assert_int_equal(drive_admit(w->d, node), RV_ANSWER_TAKEN);
    assert_int_equal(drive_complete_value(w->d, node, value, ""), RV_ANSWER_TAKEN);
}

void world_fails(world *w, const char *node, const char *text)
{
    assert_int_equal(drive_admit(w->d, node), RV_ANSWER_TAKEN);
    uint32_t index = world_index(w, node);
    rv_event event = {.type = RV_EVENT_COMPLETED, .node = index, .epoch = w->d->run->nodes[index].epoch, .state = RV_ATTEMPT_ERROR,
                      .detail = RV_DETAIL_EXIT, .exit_status = 3, .signal = -1, .text = rv_str_of(text)};
    assert_int_equal(drive_step(w->d, &event), RV_ANSWER_TAKEN);
}

uint32_t world_index(world *w, const char *node)
{
    uint32_t index = rv_run_find(w->d->run, rv_str_of(node));
    if (index == RV_NONE) fail_msg("there is no node %s", node);
    return index;
}

bool world_has(world *w, const char *node) { return rv_run_find(w->d->run, rv_str_of(node)) != RV_NONE; }

void world_expect_result(world *w, const char *node, const char *json)
{
    rv_str result = rv_run_result(w->d->run, world_index(w, node));
    if (!rv_str_is(result, json)) fail_msg("%s gave %.*s, not %s", node, RV_FMT(result), json);
}

void world_expect_error(world *w, const char *node, const char *part)
{
    rv_str text = rv_run_error(w->d->run, world_index(w, node));
    if (!memmem(text.at, text.size, part, strlen(part))) fail_msg("%s said '%.*s', not '%s'", node, RV_FMT(text), part);
}

void world_expect(world *w, const char *node, const char *says)
{
    const char *said = drive_says(w->d, node);
    if (strcmp(said, says) != 0) fail_msg("%s is '%s', not '%s'", node, said, says);
}

rv_answer world_submit_said(world *w, const char *node, const char *key, const char *text, rv_buf *said)
{
    uint32_t index = world_index(w, node);
    const rv_spec *spec = NULL;
    rv_problems problems = {0};
    rv_status status = rv_compiler_load(&w->compiler, w->d->run, index, rv_str_of(key), rv_str_of(text), "more.yaml", false, &spec,
                                        &problems);
    rv_problems_text(said, &problems, rv_str_of(text), false, false);
    rv_problems_deinit(&problems);
    if (status != RV_OK) return RV_ANSWER_NOT_FOUND;
    char digest[RV_DIGEST_TEXT_SIZE + 1];
    rv_buf load_value = {0};
    if (spec->user.size > 2) rv_buf_printf(&load_value, "{\"user\":%s}", spec->user.at);
    rv_digest_text(spec->graph.digest, digest);
    rv_event event = {.type = RV_EVENT_SUBMIT, .node = index, .epoch = w->d->run->nodes[index].epoch, .key = rv_str_of(key),
                      .value = spec->graph.definition, .output = rv_buf_str(&load_value), .text = rv_str_of(digest), .graph = &spec->graph};
    rv_answer answer = drive_step(w->d, &event);
    rv_buf_deinit(&load_value);
    return answer;
}

rv_answer world_submit(world *w, const char *node, const char *key, const char *text)
{
    rv_buf said = {0};
    rv_answer answer = world_submit_said(w, node, key, text, &said);
    if (answer == RV_ANSWER_NOT_FOUND) print_message("%s", said.at);
    rv_buf_deinit(&said);
    return answer;
}

void world_crash(world *w, uint64_t *seed)
{
    drive *d = w->d;
    drive_crash(d);
    for (uint32_t node = 0; node < d->run->node_count; node++)
        if (d->run->nodes[node].state == RV_NODE_RUNNING)
            (void)drive_step(d, &(rv_event){.type = RV_EVENT_LOST, .node = node, .epoch = d->run->nodes[node].epoch,
                                            .flags = rv_rng_below(seed, 2) ? RV_LOST_NEVER_STARTED : RV_LOST_WAS_STARTED});
    (void)drive_signal(d, RV_EVENT_RESUME);
}
