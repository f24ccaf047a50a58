/* test_kernel_admit.c: slots under the global cap and under each tag's cap [A1, A2, A6], order of admission [K3], against a
 * model that looks at every ready node in order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "admitting.h"

static uint32_t class_of(const fixture *f, uint32_t node) { return f->d->graph->nodes[node].class_index; }

/* The name of the next node, which then takes its slots and runs; "" when none may go. */
static const char *admit_next(fixture *f)
{
    static char name[80];
    uint32_t node = rv_admit_next(f->admit);
    if (node == RV_NONE) return "";
    rv_admit_take(f->admit, node);
    snprintf(name, sizeof name, "%.*s", RV_FMT(rv_graph_name(f->d->graph, node)));
    assert_int_equal(drive_admit(f->d, name), RV_ANSWER_TAKEN);
    return name;
}

static void end_one(fixture *f, const char *name)
{
    rv_admit_end(f->admit, rv_graph_text_node(f->d->graph, name), true);
    assert_int_equal(drive_complete(f->d, name, RV_ATTEMPT_OK, RV_DETAIL_NONE, 0), RV_ANSWER_TAKEN);
}

static void a1__the_global_cap_holds(void **state)
{
    fixture f = fixture_of("a; b; c", 2);
    assert_string_equal(admit_next(&f), "a");
    assert_string_equal(admit_next(&f), "b");
    assert_string_equal(admit_next(&f), "");
    end_one(&f, "b");
    assert_string_equal(admit_next(&f), "c");
    assert_string_equal(admit_next(&f), "");
    fixture_end(&f);
}

static void a1__nothing_fits_under_a_cap_that_is_used_up(void **state)
{
    fixture f = fixture_of("a; b", 1);
    assert_true(rv_admit_fits(f.admit, 0));
    admit_next(&f);
    assert_false(rv_admit_fits(f.admit, 0));
    assert_int_equal(rv_admit_blocker(f.admit, 0), RV_NONE); /* no tag is to blame */
    fixture_end(&f);
}

static void a1__a_node_needs_a_slot_under_each_of_its_tags(void **state)
{
    fixture f = fixture_of("a: @net; b: @net @disk; c: @disk; %cap=net/1; %cap=disk/1", 10);
    assert_string_equal(admit_next(&f), "a");
    assert_string_equal(admit_next(&f), "c");
    assert_string_equal(admit_next(&f), "");
    end_one(&f, "a");
    assert_string_equal(admit_next(&f), ""); /* disk is still taken */
    end_one(&f, "c");
    assert_string_equal(admit_next(&f), "b");
    fixture_end(&f);
}

static void a1__a_tag_without_a_cap_does_not_hold_anything_back(void **state)
{
    fixture f = fixture_of("a: @free; b: @free; c: @free", 10);
    for (int i = 0; i < 3; i++) assert_string_not_equal(admit_next(&f), "");
    fixture_end(&f);
}

static void a2__a_blocked_node_does_not_stop_those_behind_it(void **state)
{
    fixture f = fixture_of("a: @net %priority=9; b: @net %priority=9; c; e: @disk; %cap=net/1", 10);
    assert_string_equal(admit_next(&f), "a");
    assert_string_equal(admit_next(&f), "c");
    assert_string_equal(admit_next(&f), "e");
    assert_string_equal(admit_next(&f), "");
    fixture_end(&f);
}

static void a2__the_blocking_tag_is_named(void **state)
{
    fixture f = fixture_of("a: @net; b: @net; %cap=net/1", 10);
    uint32_t class_index = class_of(&f, 0);
    assert_int_equal(rv_admit_blocker(f.admit, class_index), RV_NONE);
    admit_next(&f);
    uint32_t tag = rv_admit_blocker(f.admit, class_index);
    assert_true(rv_str_is(f.d->run->tags.at[tag].name, "net"));
    fixture_end(&f);
}

/* [K3] Priority, then index; handlers and nodes that become ready later take their place in the same order. */
static void k3__admission_follows_priority_then_index(void **state)
{
    fixture f = fixture_of("low: %priority=-1; a; b: %priority=2; c: %priority=2 @x; late: a %priority=1", 1);
    static const char *const expected[] = {"b", "c", "a", "late", "low"};
    for (size_t i = 0; i < RV_COUNT(expected); i++) {
        assert_string_equal(admit_next(&f), expected[i]);
        end_one(&f, expected[i]);
    }
    assert_int_equal(f.d->run->status, RV_RUN_OK);
    fixture_end(&f);
}

/* ---- against the model ---- */

typedef struct model { uint32_t used, tag_used[4], caps[4], cap; } model;

static bool model_fits(const model *m, const rv_graph *graph, uint32_t node)
{
    const rv_class_def *tags = &graph->classes[graph->nodes[node].class_index];
    for (uint32_t i = 0; i < tags->count; i++) {
        uint32_t tag = graph->class_tags[tags->first + i];
        if (graph->tags[tag].cap && m->tag_used[tag] >= graph->tags[tag].cap) return false;
    }
    return m->used < m->cap;
}

static uint32_t model_next(const model *m, const drive *d)
{
    uint32_t best = RV_NONE;
    for (uint32_t node = 0; node < d->graph->node_count; node++) {
        if (d->run->nodes[node].state != RV_NODE_READY || !model_fits(m, d->graph, node)) continue;
        if (best == RV_NONE || d->graph->nodes[node].priority > d->graph->nodes[best].priority) best = node;
    }
    return best;
}

static void model_count(model *m, const rv_graph *graph, uint32_t node, uint32_t by)
{
    const rv_class_def *tags = &graph->classes[graph->nodes[node].class_index];
    m->used += by;
    for (uint32_t i = 0; i < tags->count; i++) m->tag_used[graph->class_tags[tags->first + i]] += by;
}

static void random_graph_text(uint64_t *seed, rv_buf *out)
{
    uint32_t count = 2 + rv_rng_below(seed, 40);
    for (uint32_t n = 0; n < count; n++) {
        rv_buf_printf(out, "n%u: %%priority=%d", n, (int)rv_rng_below(seed, 4) - 1);
        for (uint32_t t = 0; t < 4; t++)
            if (rv_rng_below(seed, 4) == 0) rv_buf_printf(out, " @t%u", t);
        if (n && rv_rng_below(seed, 2)) rv_buf_printf(out, " n%u", rv_rng_below(seed, n));
        rv_buf_cstring(out, "; ");
    }
    for (uint32_t t = 0; t < 4; t++) rv_buf_printf(out, "%%cap=t%u/%u; ", t, rv_rng_below(seed, 4));
}

static void live(fixture *f, model *m, uint64_t *seed)
{
    drive *d = f->d;
    while (!rv_run_state_is_terminal((rv_run_state)d->run->status)) {
        uint32_t node = rv_admit_next(f->admit);
        assert_int_equal(node, model_next(m, d));
        if (node != RV_NONE && rv_rng_below(seed, 4)) {
            rv_admit_take(f->admit, node);
            model_count(m, d->graph, node, 1);
            drive_step(d, &(rv_event){.type = RV_EVENT_ADMITTED, .node = node});
            continue;
        }
        node = rv_rng_below(seed, d->graph->node_count);
        if (d->run->nodes[node].state != RV_NODE_RUNNING) continue;
        rv_admit_end(f->admit, node, true);
        model_count(m, d->graph, node, UINT32_MAX);
        drive_step(d, &(rv_event){.type = RV_EVENT_COMPLETED, .node = node, .epoch = d->run->nodes[node].epoch, .state = RV_ATTEMPT_OK});
    }
}

static void a2__every_choice_is_the_one_of_a_model_that_looks_at_all_nodes(void **state)
{
    const char *given = getenv("RV_SEED");
    uint64_t first = given ? strtoull(given, NULL, 0) : 1, last = given ? first : 600;
    print_message("seeds %llu to %llu\n", (unsigned long long)first, (unsigned long long)last);
    for (uint64_t round = first; round <= last; round++) {
        uint64_t seed = round;
        rv_buf text = {0};
        random_graph_text(&seed, &text);
        model m = {.cap = 1 + rv_rng_below(&seed, 8)};
        fixture f = fixture_of(text.at, m.cap);
        f.d->seed = round;
        f.d->is_quick = true;
        live(&f, &m, &seed);
        assert_int_equal(f.admit->used, 0);
        for (uint32_t t = 0; t < f.all->tags.count; t++) assert_int_equal(f.all->tags.at[t].used, 0);
        fixture_end(&f);
        rv_buf_deinit(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a1__the_global_cap_holds),
        cmocka_unit_test(a1__nothing_fits_under_a_cap_that_is_used_up),
        cmocka_unit_test(a1__a_node_needs_a_slot_under_each_of_its_tags),
        cmocka_unit_test(a1__a_tag_without_a_cap_does_not_hold_anything_back),
        cmocka_unit_test(a2__a_blocked_node_does_not_stop_those_behind_it),
        cmocka_unit_test(a2__the_blocking_tag_is_named),
        cmocka_unit_test(k3__admission_follows_priority_then_index),
        cmocka_unit_test(a2__every_choice_is_the_one_of_a_model_that_looks_at_all_nodes),
    };
    return cmocka_run_group_tests_name("kernel_admit", tests, NULL, NULL);
}
