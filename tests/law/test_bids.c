/* test_bids.c: what admission [A1–A7] keeps beside the stories of test_admission.c: places, bids and locks of a run that comes and goes,
 * grows, or goes on after a death; and the checkers of admission and of locks, each sentence of which is provoked. */
#include "world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "admitting.h"

/* ---- places, bids, tags ---- */

static void a1__a_place_that_a_run_left_is_taken_by_the_next_one(void **state)
{
    rv_admission all = {0};
    drive *d = drive_new("a");
    rv_admit admits[3] = {0};
    for (uint32_t i = 0; i < 3; i++) rv_admit_open(&admits[i], &all, d->run, 1, RV_STR("/root"));
    rv_admit_close(&admits[1]);
    assert_null(rv_admission_check(&all)); /* an empty place is none of its business */
    rv_admit_close(&admits[1]);            /* what is closed is legal to close */
    rv_admit_open(&admits[1], &all, d->run, 1, RV_STR("/root"));
    assert_int_equal(admits[1].number, 1);
    assert_int_equal(all.runs.count, 3);
    for (uint32_t i = 0; i < 3; i++) rv_admit_close(&admits[i]);
    rv_admission_deinit(&all);
    drive_free(d);
}

static void a2__nodes_may_bid_in_any_order(void **state)
{
    fixture f = fixture_of("a: $m; b: $n; c: $o %priority=9", 3);
    for (uint32_t i = 0; i < 3; i++) {
        uint32_t node = rv_admit_next(f.admit);
        assert_int_equal(node, i == 0 ? 2 : i - 1);
        rv_admit_take(f.admit, node);
        assert_true(rv_admit_claim(f.admit, node));
    }
    assert_null(rv_admission_check(f.all));
    fixture_end(&f);
}

static void go_in_order(const char *graph)
{
    for (uint32_t gone = 3; gone <= 6; gone++) { /* 6: none */
        fixture f = fixture_of(graph, 4);
        for (uint32_t node = 0; node < 6; node++) {
            rv_admit_take(f.admit, node);
            assert_int_equal(rv_admit_claim(f.admit, node), node < 3);
        }
        for (uint32_t node = 3; node-- > 0;) rv_admit_end(f.admit, node, true);
        for (uint32_t node = 3; node < 6; node++) assert_int_equal(rv_admit_phase(f.admit, node), RV_BID_GRANTED);
        assert_null(rv_admission_check(f.all));
        if (gone < 6) rv_admit_end(f.admit, gone, false);
        assert_null(rv_admission_check(f.all));
        for (uint32_t node = 6; node-- > 3;) { /* z got its mutex first */
            if (node == gone) continue;
            assert_int_equal(rv_admit_next(f.admit), node);
            rv_admit_take(f.admit, node);
            assert_true(rv_admit_claim(f.admit, node));
        }
        assert_int_equal(f.admit->granted_count, 0);
        fixture_end(&f);
    }
}

/* Whoever of them is called off before; of one class, and of three that have caps of their own. */
static void a4__those_that_are_granted_go_in_the_order_of_their_grants(void **state)
{
    go_in_order("a: $m; b: $n; c: $o; x: $m; y: $n; z: $o");
    go_in_order("a: $m; b: $n; c: $o; x: $m @p; y: $n @q; z: $o @r; %cap=p/4; %cap=q/4; %cap=r/4");
    go_in_order("a: $m; b: $n; c: $o; x: $m @r; y: $n @q; z: $o @p; %cap=p/4; %cap=q/4; %cap=r/4");
}

/* What the machine does not give is waited for without a slot; a node with such a tag and no mutex has a bid, and asks for no lock. */
static void a7__a_tag_of_the_machines_that_is_used_up_holds_its_nodes_until_it_is_cleared(void **state)
{
    world *w = world_of("  a: {run: [x], tags: [net]}\n  b: {run: [x]}\nconcurrency: {tags: {net: {max: 2, scope: host}}}\n");
    rv_admission all = {0};
    rv_admit admit;
    rv_admit_open(&admit, &all, w->d->run, 4, RV_STR("/root"));
    uint32_t a = world_index(w, "a"), b = world_index(w, "b"), class_index = rv_run_class_of(w->d->run, a);
    rv_admit_block(&admit, 0);
    assert_int_equal(rv_admit_blocker(&admit, class_index), 0);
    assert_int_equal(rv_admit_next(&admit), b);
    all.tags.at[admit.tags.at[0]].is_blocked = false;
    assert_int_equal(rv_admit_blocker(&admit, class_index), RV_NONE);
    assert_int_equal(rv_admit_next(&admit), a);
    rv_admit_take(&admit, a);
    assert_true(rv_admit_claim(&admit, a));
    assert_int_equal(admit.bids.at[0].request, 0);
    assert_null(rv_admission_check(&all));
    rv_admit_close(&admit);
    rv_admission_deinit(&all);
    world_end(w);
}

/* ---- mutexes ---- */

static rv_mutex_def *mutex_of(const drive *d) { return (rv_mutex_def *)(uintptr_t)&d->graph->mutexes[0]; }

/* Two runs that name a mutex `m`, of the given roots and projects: whether the second may hold it beside the first. */
static bool are_apart(rv_mutex_scope scope, const char *root, const char *other, bool has_other_project)
{
    rv_admission all = {0};
    drive *d[2] = {drive_new("a: $m"), drive_new("a: $m")};
    rv_admit admits[2];
    const char *const roots[] = {root, other};
    bool is_held = false;
    for (uint32_t i = 0; i < 2; i++) {
        mutex_of(d[i])->scope = scope;
        if (i == 1 && has_other_project) mutex_of(d[i])->project = d[i]->graph->nodes[0].name;
        rv_admit_open(&admits[i], &all, d[i]->run, 1, rv_str_of(roots[i]));
        rv_admit_take(&admits[i], 0);
        is_held = rv_admit_claim(&admits[i], 0);
    }
    for (uint32_t i = 0; i < 2; i++) rv_admit_close(&admits[i]);
    for (uint32_t i = 0; i < 2; i++) drive_free(d[i]);
    rv_admission_deinit(&all);
    return is_held;
}

static void a5__the_scope_of_a_mutex_says_who_shares_it(void **state)
{
    assert_false(are_apart(RV_MUTEX_ROOT, "/one", "/one", true));
    assert_true(are_apart(RV_MUTEX_ROOT, "/one", "/two", false));
    assert_false(are_apart(RV_MUTEX_PROJECT, "/one", "/one", false));
    assert_true(are_apart(RV_MUTEX_PROJECT, "/one", "/one", true)); /* a lock's identity includes the project */
    assert_true(are_apart(RV_MUTEX_PROJECT, "/one", "/two", false));
    assert_false(are_apart(RV_MUTEX_HOST, "/one", "/two", true));
}

static void a5__what_is_submitted_shares_the_mutexes_of_its_run(void **state)
{
    world *w = world_of("  plan: {run: [x]}\n  a: {shell: x, mutex: db}\n");
    rv_admission all = {0};
    rv_admit admit;
    rv_admit_open(&admit, &all, w->d->run, 4, RV_STR("/root"));
    uint32_t a = world_index(w, "a"), holder_node;
    assert_int_equal(drive_admit(w->d, "plan"), RV_ANSWER_TAKEN);
    assert_int_equal(world_submit(w, "plan", "1", "nodes: {lone: {run: [x], mutex: own}, more: {run: [x], mutex: db}}\n"),
                     RV_ANSWER_TAKEN);
    uint32_t more = world_index(w, "more"), lone = world_index(w, "lone");
    rv_admit_take(&admit, a);
    assert_true(rv_admit_claim(&admit, a));
    rv_admit_take(&admit, lone);
    assert_true(rv_admit_claim(&admit, lone)); /* its own, of another graph */
    rv_admit_take(&admit, more);
    assert_false(rv_admit_claim(&admit, more));
    const rv_admit *holder;
    rv_str mutex;
    assert_true(rv_admit_waits_for(&admit, more, &holder, &holder_node, &mutex));
    assert_true(holder == &admit && holder_node == a && rv_str_is(mutex, "db"));
    assert_null(rv_admission_check(&all));
    rv_admit_close(&admit);
    rv_admission_deinit(&all);
    world_end(w);
}

static void a5__only_what_is_a_command_claims_a_mutex(void **state)
{
    rv_node_def def = {.kind = RV_KIND_SHELL, .aux = 3};
    assert_int_equal(rv_node_claims(&def), 3);
    def.kind = RV_KIND_RUN;
    assert_int_equal(rv_node_claims(&def), 3);
    def.kind = RV_KIND_APPROVE; /* there it is its gate */
    assert_int_equal(rv_node_claims(&def), 0);
}

/* ---- after a death ---- */

static void a6__what_runs_after_a_death_takes_what_it_has_as_far_as_it_fits(void **state)
{
    fixture f = fixture_of("a: $m; b: $m; c: $n; d; e", 2);
    for (const char *name = "abcde"; *name; name++) drive_admit(f.d, (char[2]){*name, 0});
    assert_true(rv_admit_restore(f.admit, 3));
    assert_true(rv_admit_restore(f.admit, 0));
    assert_int_equal(rv_admit_phase(f.admit, 0), RV_BID_HOLDING);
    assert_false(rv_admit_restore(f.admit, 4)); /* both slots are taken */
    assert_false(rv_admit_restore(f.admit, 1)); /* so is its mutex */
    assert_int_equal(rv_admit_phase(f.admit, 1), RV_BID_QUEUED);
    assert_false(rv_admit_restore(f.admit, 2)); /* its mutex is free, but there is no slot */
    assert_int_equal(rv_admit_phase(f.admit, 2), RV_BID_OUTSIDE);
    assert_null(rv_admission_check(f.all));
    rv_admit_end(f.admit, 3, true);
    rv_admit_end(f.admit, 4, false); /* it had none */
    assert_int_equal(f.admit->used, 1);
    fixture_end(&f);
}

static void a6__a_mutex_is_not_held_beside_another_after_a_death_though_there_is_a_slot(void **state)
{
    fixture f = fixture_of("a: $m; b: $m", 3);
    drive_admit(f.d, "a");
    drive_admit(f.d, "b");
    assert_true(rv_admit_restore(f.admit, 0));
    assert_false(rv_admit_restore(f.admit, 1));
    assert_int_equal(rv_admit_phase(f.admit, 1), RV_BID_QUEUED);
    fixture_end(&f);
}

/* ---- the checkers ---- */

typedef struct breakage { void (*spoil)(fixture *f); const char *text; } breakage;
enum { HOLDS, WAITS, LOOKS, GRANTED, REST }; /* nodes of the state that is spoilt */

#define BID(node_) f->admit->bids.at[f->admit->bid_of.at[node_] - 1]
#define REQUEST(node_) f->all->locks.requests.at[BID(node_).request - 1]
#define SPOIL(name_, ...) static void name_(fixture *f) { __VA_ARGS__; }
SPOIL(bid_unknown, f->admit->bid_of.at[WAITS] = 0)
SPOIL(in_queue_too, f->d->run->nodes[WAITS].is_aside = false)
SPOIL(slots_without_mutex, BID(WAITS).phase = RV_BID_ADMITTED)
SPOIL(no_request, BID(HOLDS).request = 0)
SPOIL(phase_of_a_holder, BID(WAITS).phase = RV_BID_HOLDING)
SPOIL(grant_left, rv_vec_push(&f->all->locks.granted, 0))
SPOIL(beyond_its_cap, f->admit->cap = 1)
SPOIL(miscounted, f->admit->staged++)
SPOIL(granted_miscounted, f->admit->granted_count++)
SPOIL(slots_lost, f->all->used++)
SPOIL(both_hold, REQUEST(WAITS).is_granted = true)
SPOIL(waits_for_nobody, REQUEST(HOLDS).is_granted = false, REQUEST(WAITS).ticket = 0)

static const breakage breakages[] = {
    {bid_unknown, "a bid that its node does not know"},
    {in_queue_too, "a node with a bid stands in a ready queue"},
    {slots_without_mutex, "a node has slots and waits for a mutex"},
    {no_request, "a bid without its request, or with one that it does not need"},
    {phase_of_a_holder, "a bid's phase disagrees with its request"},
    {grant_left, "a grant that nobody took up"},
    {beyond_its_cap, "a run has more slots than its cap"},
    {miscounted, "bids are counted wrong"},
    {granted_miscounted, "the rows of granted nodes are not those that are granted"},
    {slots_lost, "the slots of the runs are not those of the engine"},
    {both_hold, "two that conflict hold the same lock"},
    {waits_for_nobody, "a request waits for nobody"},
};

/* One of each phase: HOLDS has $m, WAITS for it, LOOKS has its slot, GRANTED got $n while it waited and has its slot again. */
static fixture spoilable(void)
{
    fixture f = fixture_of("holds: $m; waits: $m; looks: $o; granted: $n; rest: $n", 3);
    for (uint32_t node = HOLDS; node <= WAITS; node++) {
        rv_admit_take(f.admit, node);
        assert_int_equal(rv_admit_claim(f.admit, node), node == HOLDS);
    }
    rv_admit_take(f.admit, REST);
    assert_true(rv_admit_claim(f.admit, REST));
    rv_admit_take(f.admit, GRANTED);
    assert_false(rv_admit_claim(f.admit, GRANTED));
    rv_admit_end(f.admit, REST, true);
    rv_admit_take(f.admit, GRANTED);
    rv_admit_take(f.admit, LOOKS);
    return f;
}

static void a6__each_sentence_of_the_checkers_is_said(void **state)
{
    for (size_t i = 0; i < RV_COUNT(breakages); i++) {
        fixture f = spoilable();
        assert_null(rv_admission_check(f.all));
        fixture kept = f;
        breakages[i].spoil(&kept);
        const char *said = rv_admission_check(f.all);
        if (!said || strcmp(said, breakages[i].text) != 0)
            fail_msg("breakage %zu: '%s' was said instead of '%s'", i, said ? said : "nothing", breakages[i].text);
        drive_free(f.d); /* what is broken cannot be given back in order */
        f.admit->bids.count = 0;
        f.admit->used = f.all->used = 0;
        rv_admit_close(f.admit);
        rv_admission_deinit(f.all);
        rv_free(f.admit);
        rv_free(f.all);
    }
}

/* A node that was called off in the run and not yet here has a bid that is no error. */
static void a6__a_bid_outlives_its_node_until_its_end_is_told(void **state)
{
    fixture f = spoilable();
    drive_signal(f.d, RV_EVENT_CANCEL);
    assert_null(rv_admission_check(f.all));
    for (uint32_t node = 0; node <= REST; node++) rv_admit_end(f.admit, node, false);
    assert_int_equal(f.all->used, 0);
    fixture_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a1__a_place_that_a_run_left_is_taken_by_the_next_one),
        cmocka_unit_test(a2__nodes_may_bid_in_any_order),
        cmocka_unit_test(a4__those_that_are_granted_go_in_the_order_of_their_grants),
        cmocka_unit_test(a7__a_tag_of_the_machines_that_is_used_up_holds_its_nodes_until_it_is_cleared),
        cmocka_unit_test(a5__the_scope_of_a_mutex_says_who_shares_it),
        cmocka_unit_test(a5__what_is_submitted_shares_the_mutexes_of_its_run),
        cmocka_unit_test(a5__only_what_is_a_command_claims_a_mutex),
        cmocka_unit_test(a6__what_runs_after_a_death_takes_what_it_has_as_far_as_it_fits),
        cmocka_unit_test(a6__a_mutex_is_not_held_beside_another_after_a_death_though_there_is_a_slot),
        cmocka_unit_test(a6__each_sentence_of_the_checkers_is_said),
        cmocka_unit_test(a6__a_bid_outlives_its_node_until_its_end_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
