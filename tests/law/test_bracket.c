/* test_bracket.c: tournaments beyond the usual [K13]: what a judge may say, who is out and who was never asked, quotas, swiss rounds to
 * the end of all pairs, and facts that no bracket can have. */
#include "world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

/* `count` entrants and a judge; `more` goes into the tournament. */
static world *cup(uint32_t count, const char *more)
{
    rv_buf text = {0};
    rv_buf_cstring(&text, "  bad: {run: [x]}\n  t: {tournament: {judge: {run: [j]}, entrants: [");
    for (uint32_t i = 0; i < count; i++) rv_buf_printf(&text, "%s{run: [x]}", i ? ", " : "");
    rv_buf_printf(&text, "]%s}}\n", more);
    world *w = world_of(text.at);
    rv_buf_deinit(&text);
    return w;
}

static const rv_control *bracket(world *w) { return &w->d->run->controls.at[0]; }

static void all_enter(world *w, uint32_t count)
{
    char id[24];
    for (uint32_t i = 0; i < count; i++) {
        snprintf(id, sizeof id, "t/e%u", i);
        drive_ok(w->d, id);
    }
}

static void wins(world *w, const char *judge, const char *side)
{
    char value[40];
    snprintf(value, sizeof value, "{\"winner\":\"%s\"}", side);
    world_gives(w, judge, value);
}

/* ---- what judges say ---- */

static void k13__only_left_or_right_names_a_winner(void **state)
{
    static const char *const nobody[] = {"{\"winner\":\"e0\"}", "{\"winner\":7}", "{\"w\":\"left\"}", "no JSON", "[]", ""};
    for (size_t i = 0; i < RV_COUNT(nobody); i++) {
        world *w = cup(2, "");
        all_enter(w, 2);
        world_gives(w, "t/r1m0", nobody[i]);
        world_expect(w, "t", "failed judge");
        world_expect_error(w, "t", "t/r1m0 named no winner");
        world_end(w);
    }
}

static void k13__a_partial_entrant_plays_and_a_partial_judge_counts(void **state)
{
    world *w = cup(3, "");
    drive_admit(w->d, "t/e0");
    assert_int_equal(drive_complete(w->d, "t/e0", RV_ATTEMPT_PARTIAL, RV_DETAIL_NONE, 0), RV_ANSWER_TAKEN);
    drive_ok(w->d, "t/e1");
    drive_admit(w->d, "t/e2");
    assert_int_equal(drive_complete(w->d, "t/e2", RV_ATTEMPT_PARTIAL, RV_DETAIL_NONE, 0), RV_ANSWER_TAKEN);
    assert_int_equal(rv_run_bye(w->d->run, bracket(w), 1), 2);
    drive_admit(w->d, "t/r1m0");
    rv_event event = {.type = RV_EVENT_COMPLETED, .node = world_index(w, "t/r1m0"), .epoch = w->d->run->nodes[world_index(w,
        "t/r1m0")].epoch,
                      .state = RV_ATTEMPT_PARTIAL, .value = RV_STR("{\"winner\":\"left\"}"), .exit_status = 0, .signal = -1};
    assert_int_equal(drive_step(w->d, &event), RV_ANSWER_TAKEN);
    wins(w, "t/r2m0", "left");
    world_expect_result(w, "t", "{\"winner\":\"t/e0\",\"value\":{},\"rounds\":2}");
    world_end(w);
}

static void k13__a_judge_sees_both_sides_and_who_they_are(void **state)
{
    world *w = world_of("  t: {tournament: {entrants: [{run: [a]}, {run: [b]}, {run: [c]}], swap: true, judge: "
                        "{set: {winner: \"\\\"right\\\"\", n: \"${left.n}\", m: \"${right.n}\", who: \"${left.id}\", them: "
                            "\"${right.id}\"}}}}\n");
    world_gives(w, "t/e0", "{\"n\":1}");
    world_gives(w, "t/e1", "{\"n\":2}");
    world_gives(w, "t/e2", "{\"n\":3}");
    world_expect_result(w, "t/r1m0", "{\"m\":2,\"n\":1,\"them\":\"t/e1\",\"who\":\"t/e0\",\"winner\":\"right\"}");
    world_expect_result(w, "t/r1m0s", "{\"m\":1,\"n\":2,\"them\":\"t/e0\",\"who\":\"t/e1\",\"winner\":\"right\"}");
    assert_int_equal(bracket(w)->matches.at[0].is_drawn, 1);
    world_expect(w, "t", "succeeded");
    world_end(w);
}

static void k13__nodes_alone_may_enter_and_a_tournament_may_begin_when_all_have_settled(void **state)
{
    world *w = world_of("  a: {run: [x]}\n  b: {run: [x]}\n  t: {tournament: {entrants: [a, b], judge: {run: [j]}}}\n");
    drive_ok(w->d, "b");
    world_expect(w, "t", "pending");
    drive_ok(w->d, "a");
    wins(w, "t/r1m0", "right");
    world_expect_result(w, "t", "{\"winner\":\"b\",\"value\":{},\"rounds\":1}");
    world_end(w);
    w = world_of("  a: {run: [x]}\n  b: {run: [x]}\n  t: {tournament: {entrants: [a, b], judge: {run: [j]}}}\n");
    drive_fail(w->d, "a", 1);
    drive_fail(w->d, "b", 1);
    world_expect(w, "t", "failed children");
    world_expect_error(w, "t", "none of its entrants succeeded");
    world_end(w);
}

/* ---- who was never asked ---- */

static void k5__entrants_that_never_began_are_not_out_the_tournament_is_skipped_with_them(void **state)
{
    for (int late = 0; late < 2; late++) { /* the last of them to settle may be one that ran */
        world *w = cup(3, "");
        drive_ok(w->d, "t/e0");
        drive_signal(w->d, RV_EVENT_FAIL_FAST);
        drive_admit(w->d, "t/e2");
        if (!late) drive_complete(w->d, "t/e2", RV_ATTEMPT_OK, RV_DETAIL_NONE, 0);
        drive_fail(w->d, "bad", 1);
        if (late) drive_complete(w->d, "t/e2", RV_ATTEMPT_OK, RV_DETAIL_NONE, 0);
        world_expect(w, "t/e1", "skipped fail_fast");
        world_expect(w, "t", "skipped fail_fast");
        assert_false(world_has(w, "t/r1m0"));
        world_end(w);
    }
}

static void k5__judges_who_were_not_asked_have_not_named_nobody(void **state)
{
    world *w = cup(2, ", quorum: 3");
    all_enter(w, 2);
    drive_signal(w->d, RV_EVENT_FAIL_FAST);
    drive_admit(w->d, "t/r1m0j2");
    drive_fail(w->d, "bad", 1);
    world_expect(w, "t/r1m0", "skipped fail_fast");
    world_expect(w, "t", "waiting children");
    assert_int_equal(drive_complete_value(w->d, "t/r1m0j2", "{\"winner\":\"left\"}", ""), RV_ANSWER_TAKEN);
    world_expect(w, "t", "skipped fail_fast");
    world_end(w);
    w = cup(4, ""); /* the other match is under way */
    all_enter(w, 4);
    drive_signal(w->d, RV_EVENT_FAIL_FAST);
    drive_admit(w->d, "t/r1m1");
    drive_fail(w->d, "bad", 1);
    world_expect(w, "t", "skipped fail_fast");
    assert_true(drive_has_effect(w->d, RV_EFFECT_STOP, "t/r1m1"));
    drive_complete(w->d, "t/r1m1", RV_ATTEMPT_OK, RV_DETAIL_NONE, 0);
    assert_int_equal(w->d->run->status, RV_RUN_ERROR);
    world_end(w);
}

static void k13__a_judge_who_says_nothing_ends_it_while_others_are_still_asked(void **state)
{
    world *w = cup(4, ", quorum: 2");
    all_enter(w, 4);
    drive_admit(w->d, "t/r1m1j1");
    wins(w, "t/r1m0", "left");
    drive_ok(w->d, "t/r1m0j1");
    world_expect(w, "t", "failed judge");
    world_expect_error(w, "t", "gave neither side a majority");
    world_expect(w, "t/r1m1", "cancelled superseded");
    assert_true(drive_has_effect(w->d, RV_EFFECT_STOP, "t/r1m1j1"));
    drive_complete(w->d, "t/r1m1j1", RV_ATTEMPT_OK, RV_DETAIL_NONE, 0);
    world_end(w);
}

/* ---- quotas ---- */

static void k31__a_quota_of_nodes_denies_entrants_and_judges(void **state)
{
    world *w = world_of("  go: {run: [x]}\n  t: {needs: [go], tournament: {entrants: [{run: [a]}, {run: [b]}], judge: {run: [j]}}}\n");
    drive_quota(w->d, RV_QUOTA_NODES, 2);
    drive_ok(w->d, "go");
    world_expect(w, "t", "denied denied");
    world_end(w);
    w = cup(4, ", quorum: 2");
    drive_quota(w->d, RV_QUOTA_NODES, 7); /* bad, t, four entrants, one judge */
    all_enter(w, 4);
    world_expect(w, "t", "denied denied");
    world_expect(w, "t/r1m0", "cancelled superseded");
    assert_false(world_has(w, "t/r1m0j1"));
    world_end(w);
}

/* ---- swiss ---- */

/* Every round pairs everybody who is in it once, an odd one aside, and nobody meets himself. */
static void expect_rounds_are_whole(const rv_control *control)
{
    uint32_t in = control->alive.count;
    for (uint32_t round = 0; round < control->rounds.count; round++) {
        uint32_t begin = control->rounds.at[round], end = round + 1 < control->rounds.count ? control->rounds.at[round + 1] :
            control->pairs.count;
        uint64_t seen = 0;
        assert_int_equal(end - begin, in / 2);
        for (uint32_t i = begin; i < end; i++) {
            uint64_t both = (uint64_t)1 << control->pairs.at[i].left | (uint64_t)1 << control->pairs.at[i].right;
            assert_int_equal(__builtin_popcountll(both), 2);
            assert_int_equal(seen & both, 0);
            seen |= both;
        }
    }
}

static uint32_t times_met(const rv_control *control, uint32_t a, uint32_t b)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < control->pairs.count; i++) {
        rv_pair pair = control->pairs.at[i];
        count += (pair.left == a && pair.right == b) || (pair.left == b && pair.right == a);
    }
    return count;
}

/* Entrants that settle at once, judges whom a seed tells what to say. */
static world *swiss(uint32_t count, uint32_t rounds, uint64_t seed)
{
    char more[40];
    snprintf(more, sizeof more, ", swiss: %u", rounds);
    world *w = cup(count, more);
    w->d->is_quick = true;
    all_enter(w, count);
    for (uint32_t round = 1; round <= rounds; round++)
        for (uint32_t match = 0; match < count / 2; match++) {
            char id[32];
            snprintf(id, sizeof id, "t/r%um%u", round, match);
            wins(w, id, rv_rng_below(&seed, 2) ? "left" : "right");
        }
    return w;
}

static void k13__swiss_goes_on_when_all_have_met_and_when_all_have_had_a_bye(void **state)
{
    static const struct { uint32_t entrants, rounds; } cups[] = {{2, 3}, {3, 7}, {4, 7}, {5, 9}, {6, 5}};
    for (size_t i = 0; i < RV_COUNT(cups); i++) {
        world *w = swiss(cups[i].entrants, cups[i].rounds, i + 1);
        world_expect(w, "t", "succeeded");
        assert_int_equal(bracket(w)->rounds.count, cups[i].rounds);
        expect_rounds_are_whole(bracket(w));
        world_end(w);
    }
    world *w = swiss(3, 3, 9);
    for (uint32_t a = 0; a < 3; a++)
        for (uint32_t b = 0; b < a; b++) assert_int_equal(times_met(bracket(w), a, b), 1);
    world_end(w);
}

/* So many that the search for strangers is cut off somewhere: then neighbours meet again, and every round is whole all the same. */
static void k13__swiss_of_many_over_all_rounds_is_paired_in_bounded_time(void **state)
{
    for (uint64_t seed = 1; seed <= 4; seed++) {
        world *w = swiss(24, 23, seed);
        world_expect(w, "t", "succeeded");
        expect_rounds_are_whole(bracket(w));
        world_end(w);
    }
}

static void k13__the_lower_number_wins_an_even_swiss(void **state)
{
    world *w = cup(4, ", swiss: 2");
    all_enter(w, 4);
    wins(w, "t/r1m0", "right"); /* e1 */
    wins(w, "t/r1m1", "right"); /* e3 */
    const rv_pair first = bracket(w)->pairs.at[2];
    assert_true(first.left == 1 && first.right == 3);
    wins(w, "t/r2m1", "left");
    wins(w, "t/r2m0", "left"); /* e1 has 2, e3 1 */
    world_expect_result(w, "t", "{\"winner\":\"t/e1\",\"value\":{},\"rounds\":2}");
    world_end(w);
    w = cup(4, ", swiss: 2");
    all_enter(w, 4);
    wins(w, "t/r1m0", "right");
    wins(w, "t/r1m1", "right");
    wins(w, "t/r2m0", "right"); /* e3 has 2 */
    wins(w, "t/r2m1", "left");
    world_expect_result(w, "t", "{\"winner\":\"t/e3\",\"value\":{},\"rounds\":2}");
    world_end(w);
    w = cup(3, ", swiss: 3"); /* each has a bye and a victory */
    all_enter(w, 3);
    wins(w, "t/r1m0", "right"); /* e1 beats e0, e2 has the bye */
    for (uint32_t round = 2; round <= 3; round++) {
        char id[24];
        rv_pair pair = bracket(w)->pairs.at[round - 1];
        snprintf(id, sizeof id, "t/r%um0", round);
        wins(w, id, (pair.left == 2) == (pair.right == 0 || pair.left == 0) ? "left" : "right");
    }
    world_expect(w, "t", "succeeded");
    for (uint32_t e = 0, best = 0; e < 3; e++) {
        char said[60];
        if (bracket(w)->score.at[e] > bracket(w)->score.at[best]) best = e;
        snprintf(said, sizeof said, "{\"winner\":\"t/e%u\",\"value\":{},\"rounds\":3}", best);
        if (e == 2) world_expect_result(w, "t", said);
    }
    world_end(w);
}

static void k13__byes_are_told_of_every_round(void **state)
{
    world *w = cup(7, "");
    drive_fail(w->d, "t/e6", 1);
    drive_fail(w->d, "t/e0", 1);
    for (uint32_t i = 1; i < 6; i++) {
        char id[24];
        snprintf(id, sizeof id, "t/e%u", i);
        drive_ok(w->d, id);
    }
    wins(w, "t/r1m0", "left");  /* e1 against e2 */
    wins(w, "t/r1m1", "right"); /* e3 against e4; e5 has the bye */
    wins(w, "t/r2m0", "right"); /* e1 against e4 */
    wins(w, "t/r3m0", "left");
    assert_int_equal(rv_run_bye(w->d->run, bracket(w), 1), 5);
    assert_int_equal(rv_run_bye(w->d->run, bracket(w), 2), 5);
    assert_int_equal(rv_run_bye(w->d->run, bracket(w), 3), RV_NONE);
    world_expect_result(w, "t", "{\"winner\":\"t/e4\",\"value\":{},\"rounds\":3}");
    world_end(w);
    w = swiss(5, 3, 2);
    for (uint32_t round = 1, seen = 0; round <= 3; round++) {
        uint32_t bye = rv_run_bye(w->d->run, bracket(w), round);
        assert_true(bye < 5 && !(seen >> bye & 1)); /* another one each time */
        seen |= 1u << bye;
    }
    world_end(w);
}

/* ---- facts that no bracket has ---- */

static void refused(world *w, rv_event fact)
{
    rv_buf before = {0}, after = {0};
    rv_error error;
    fact.node = world_index(w, "t");
    rv_run_encode(w->d->run, &before);
    if (rv_run_apply(w->d->run, &fact, NULL, &error) != RV_CORRUPT) fail_msg("%s of %#x was applied", rv_event_name(fact.type),
        fact.number);
    rv_run_encode(w->d->run, &after);
    assert_true(rv_str_eq(rv_buf_str(&before), rv_buf_str(&after)));
    rv_buf_deinit(&before);
    rv_buf_deinit(&after);
}

#define MATCH(round_, match_, winner_) ((rv_event){.type = RV_EVENT_MATCH, .number = RV_MATCH(round_, match_, 0, 0), .state = (winner_)})
/* Of a tournament with so many entrants: the judge's scope stands behind theirs. */
#define JUDGE(entrants_, round_, match_) ((rv_event){.type = RV_EVENT_GREW, .state = (entrants_), .number = RV_MATCH(round_, match_, 0, \
    0), .flags = 1})

static void k62__a_match_or_a_judge_that_no_bracket_has_is_damage(void **state)
{
    world *w = cup(4, "");
    refused(w, MATCH(1, 0, 0)); /* before a round */
    refused(w, MATCH(0, 0, 0));
    all_enter(w, 4);
    refused(w, JUDGE(4, 3, 0)); /* a round beyond the next */
    refused(w, JUDGE(4, 0, 0));
    refused(w, JUDGE(4, 2, 0)); /* the next, while this one has undecided matches */
    refused(w, JUDGE(4, 1, 2)); /* a match too many */
    refused(w, MATCH(0, 0, 0));
    refused(w, MATCH(2, 0, 0));
    refused(w, MATCH(1, 2, 0));
    refused(w, MATCH(1, 0, 2)); /* he plays in the other one */
    wins(w, "t/r1m0", "left");
    refused(w, MATCH(1, 0, 0)); /* again */
    wins(w, "t/r1m1", "right");
    wins(w, "t/r2m0", "right");
    world_expect(w, "t", "succeeded");
    refused(w, MATCH(2, 0, 3)); /* it is over */
    refused(w, JUDGE(4, 3, 0));
    world_end(w);
    w = world_of("  t: {run: [x]}\n");
    refused(w, MATCH(1, 0, 0));
    refused(w, JUDGE(4, 1, 0));
    world_end(w);
}

/* Between the last match of a round and what follows from it: no fact of that round is taken any more. */
static void k62__between_a_round_and_the_next_no_match_is_decided(void **state)
{
    world *w = cup(2, "");
    all_enter(w, 2);
    rv_event last = MATCH(1, 0, 1);
    last.node = world_index(w, "t");
    rv_run *run = rv_run_new(&w->spec->graph);
    for (uint32_t i = 0; i < w->d->rows.count; i++)
        assert_int_equal(rv_run_replay(run, (rv_str){w->d->journal.at + w->d->rows.at[i].at, w->d->rows.at[i].size},
                                       w->d->rows.at[i].event_count, NULL), RV_OK);
    assert_int_equal(rv_run_apply(run, &last, NULL, NULL), RV_OK);
    assert_int_equal(rv_run_apply(run, &last, NULL, NULL), RV_CORRUPT);
    rv_run *early = rv_run_new(&w->spec->graph); /* nobody has entered, and judges are asked */
    rv_event facts[] = {{.type = RV_EVENT_LOAD, .key = RV_STR("r"), .value = RV_STR("{}")},
                        {.type = RV_EVENT_RUN_STATE, .state = RV_RUN_RUNNING},
                        {.type = RV_EVENT_CONTROL, .node = last.node, .number = 2},
                        {.type = RV_EVENT_NODE_STATE, .node = last.node, .state = RV_NODE_WAITING, .detail = RV_DETAIL_CHILDREN}};
    for (size_t i = 0; i < RV_COUNT(facts); i++) assert_int_equal(rv_run_apply(early, &facts[i], NULL, NULL), RV_OK);
    rv_event judge = JUDGE(2, 1, 0);
    judge.node = last.node;
    assert_int_equal(rv_run_apply(early, &judge, NULL, NULL), RV_CORRUPT);
    rv_run_free(early);
    last = JUDGE(2, 2, 0); /* one is left: there is no further round */
    last.node = world_index(w, "t");
    assert_int_equal(rv_run_apply(run, &last, NULL, NULL), RV_CORRUPT);
    rv_run_free(run);
    world_end(w);
}

int main(void)
{
#define T(fn_) cmocka_unit_test(fn_)
    const struct CMUnitTest tests[] = {
        T(k13__only_left_or_right_names_a_winner), T(k13__a_partial_entrant_plays_and_a_partial_judge_counts),
        T(k13__a_judge_sees_both_sides_and_who_they_are), T(k13__nodes_alone_may_enter_and_a_tournament_may_begin_when_all_have_settled),
        T(k5__entrants_that_never_began_are_not_out_the_tournament_is_skipped_with_them),
        T(k5__judges_who_were_not_asked_have_not_named_nobody),
        T(k13__a_judge_who_says_nothing_ends_it_while_others_are_still_asked), T(k31__a_quota_of_nodes_denies_entrants_and_judges),
        T(k13__swiss_goes_on_when_all_have_met_and_when_all_have_had_a_bye),
        T(k13__swiss_of_many_over_all_rounds_is_paired_in_bounded_time), T(k13__the_lower_number_wins_an_even_swiss),
        T(k13__byes_are_told_of_every_round), T(k62__a_match_or_a_judge_that_no_bracket_has_is_damage),
        T(k62__between_a_round_and_the_next_no_match_is_decided),
    };
    return cmocka_run_group_tests_name("bracket", tests, NULL, NULL);
}
