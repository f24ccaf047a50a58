/* test_gate.c: one gate for every request [K30–K34]: quotas, trust, tools; roles [K40]. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "drive.h"
#include "kernel/gate.h"
#include "spec/spec.h"

/* ---- quotas [K31] ---- */

static void k31__a_full_quota_of_concurrent_attempts_defers_until_one_ends(void **state)
{
    drive *d = drive_new("%quota=concurrent/1; a; b");
    rv_admission all = {0};
    rv_admit admit;
    rv_admit_open(&admit, &all, d->run, 8, RV_STR("/root"));
    assert_int_equal(rv_admit_next(&admit), 0);
    drive_admit(d, "a");
    assert_int_equal(rv_admit_next(&admit), RV_NONE); /* not offered again until something frees */
    assert_int_equal(drive_admit(d, "b"), RV_ANSWER_TAKEN);   /* who offers it all the same is told why not */
    assert_string_equal(drive_says(d, "b"), "ready");
    drive_complete(d, "a", RV_ATTEMPT_OK, RV_DETAIL_NONE, 0);
    assert_int_equal(rv_admit_next(&admit), 1);
    drive_ok(d, "b");
    assert_int_equal(d->run->status, RV_RUN_OK);
    rv_admit_close(&admit);
    rv_admission_deinit(&all);
    drive_free(d);
}

static void k31__a_quota_of_no_concurrent_attempts_denies(void **state)
{
    drive *d = drive_new("%quota=concurrent/0; a; b: a");
    drive_admit(d, "a");
    assert_string_equal(drive_says(d, "a"), "denied denied");
    assert_string_equal(drive_says(d, "b"), "skipped upstream root=a"); /* [K34] */
    rv_str why = rv_run_error(d->run, 0);
    assert_true(rv_str_eq(why, RV_STR("denied at stage quota: the quota of concurrent attempts is 0")));
    assert_int_equal(d->run->status, RV_RUN_ERROR);
    drive_free(d);
}

static void k31__a_quota_of_attempts_denies_what_comes_after_them(void **state)
{
    drive *d = drive_new("%quota=attempts/2; a; b; c; on.exit");
    drive_ok(d, "a");
    drive_ok(d, "b");
    drive_admit(d, "c");
    assert_string_equal(drive_says(d, "c"), "denied denied");
    drive_ok(d, "on.exit"); /* handlers are not held up */
    drive_free(d);
}

/* Trust, caps, the cache, then quota and reservation, then the mutex: who is refused has given nothing away. */
static void k31a__a_hit_spends_no_quota_and_a_refusal_gives_its_slot_back(void **state)
{
    drive *d = drive_new("%quota=attempts/1; a: $m; b: $m; q: %trust=quarantined; c");
    rv_admission all = {0};
    rv_admit admit;
    rv_admit_open(&admit, &all, d->run, 1, RV_STR("/root"));
    rv_admit_take(&admit, 0); /* it has its slot, and is found in the cache: no mutex, no quota */
    rv_admit_end(&admit, 0, false);
    rv_event hit = {.type = RV_EVENT_CACHED, .node = 0, .key = RV_STR("sha256:00")};
    assert_int_equal(drive_step(d, &hit), RV_ANSWER_TAKEN);
    assert_int_equal(d->run->purse.spent[RV_DIMENSION_ATTEMPTS], 0);
    rv_admit_take(&admit, 1);
    assert_true(rv_admit_claim(&admit, 1));
    drive_ok(d, "b"); /* the one that the quota allows */
    rv_admit_end(&admit, 1, true);
    drive_admit(d, "q"); /* trust is looked at before the quota, which is used up */
    assert_true(rv_str_starts(rv_run_error(d->run, 2), RV_STR("denied at stage trust")));
    assert_int_equal(rv_admit_next(&admit), 3);
    rv_admit_take(&admit, 3);
    drive_admit(d, "c");
    assert_string_equal(drive_says(d, "c"), "denied denied");
    rv_admit_end(&admit, 3, true);
    assert_int_equal(all.used, 0);
    rv_admit_close(&admit);
    rv_admission_deinit(&all);
    drive_free(d);
}

static void k31__quotas_can_be_changed_while_the_run_goes_on(void **state)
{
    drive *d = drive_new("a; b; c");
    drive_admit(d, "a");
    drive_admit(d, "b");
    assert_int_equal(drive_quota(d, RV_QUOTA_CONCURRENT, 1), RV_ANSWER_TAKEN); /* what runs goes on */
    assert_true(rv_run_is_held_back(d->run));
    drive_complete(d, "a", RV_ATTEMPT_OK, RV_DETAIL_NONE, 0);
    assert_true(rv_run_is_held_back(d->run));
    drive_complete(d, "b", RV_ATTEMPT_OK, RV_DETAIL_NONE, 0);
    assert_false(rv_run_is_held_back(d->run));
    assert_int_equal(drive_quota(d, RV_QUOTA_CONCURRENT, -1), RV_ANSWER_TAKEN);
    assert_int_equal(drive_quota(d, RV_QUOTA_ATTEMPTS, 2), RV_ANSWER_TAKEN); /* those before count */
    drive_admit(d, "c");
    assert_string_equal(drive_says(d, "c"), "denied denied");
    drive_free(d);
}

static rv_gate_answer asked(drive *d, rv_gate_request request)
{
    request.now = d->now;
    return rv_gate(d->run, &request);
}

static void k31__growth_is_denied_beyond_the_quota_of_nodes_and_of_depth(void **state)
{
    drive *d = drive_new("%quota=nodes/5; %quota=depth/1; a; b");
    assert_int_equal(asked(d, (rv_gate_request){.verb = RV_GATE_VERB_SUBMIT, .count = 3, .depth = 1}).kind, RV_GATE_ALLOW);
    rv_gate_answer answer = asked(d, (rv_gate_request){.verb = RV_GATE_VERB_SUBMIT, .count = 4, .depth = 1});
    assert_int_equal(answer.kind, RV_GATE_DENY);
    assert_string_equal(answer.stage, "growth");
    answer = asked(d, (rv_gate_request){.verb = RV_GATE_VERB_SUBMIT, .count = 1, .depth = 2});
    assert_string_equal(answer.stage, "depth");
    drive_free(d);
}

static void k31__writes_are_limited_in_a_window(void **state)
{
    drive *d = drive_new("%quota=writes/2; a");
    assert_int_equal(asked(d, (rv_gate_request){.verb = RV_GATE_VERB_MEMORY_WRITE, .recent = 1}).kind, RV_GATE_ALLOW);
    rv_gate_answer answer = asked(d, (rv_gate_request){.verb = RV_GATE_VERB_MEMORY_WRITE, .recent = 2, .oldest_ms = 1000});
    assert_int_equal(answer.kind, RV_GATE_RATE_LIMITED);
    assert_true(answer.retry_after_ms >= 1);
    assert_int_equal(asked(d, (rv_gate_request){.verb = RV_GATE_VERB_MEMORY_READ, .recent = 9}).kind, RV_GATE_ALLOW);
    assert_int_equal(asked(d, (rv_gate_request){.verb = RV_GATE_VERB_ARTIFACT_READ, .recent = 9}).kind, RV_GATE_ALLOW);
    drive_quota(d, RV_QUOTA_WRITES, 0);
    assert_int_equal(asked(d, (rv_gate_request){.verb = RV_GATE_VERB_MEMORY_WRITE}).kind, RV_GATE_DENY);
    drive_free(d);
}

/* ---- trust [K33] and roles [K40] ---- */

static void k33__a_quarantined_node_is_denied_isolation_that_can_write(void **state)
{
    static const struct { const char *text, *says; } cases[] = {
        {"a: %trust=quarantined; b: a", "denied denied"},
        {"a: %trust=quarantined %isolation=shared; b: a", "denied denied"},
        {"a: %trust=quarantined %role=implement; b: a", "denied denied"},
        {"a: %trust=quarantined %isolation=none; b: a", "running"},
        {"a: %trust=quarantined %role=explore; b: a", "running"},
        {"a: %trust=quarantined %role=verify %isolation=worktree; b: a", "denied denied"},
    };
    for (size_t i = 0; i < RV_COUNT(cases); i++) {
        drive *d = drive_new(cases[i].text);
        drive_admit(d, "a");
        assert_string_equal(drive_says(d, "a"), cases[i].says);
        assert_true(rv_run_is_quarantined(d->run, 0));
        assert_false(rv_run_is_quarantined(d->run, 1));
        drive_free(d);
    }
}

/* [K21] */
static void k33__what_is_beneath_a_quarantined_controller_is_quarantined(void **state)
{
    drive *d = drive_new("f: !foreach %items=[1] %trust=quarantined");
    drive_admit(d, "f[0]");
    assert_true(rv_run_is_quarantined(d->run, drive_index(d, "f[0]")));
    assert_string_equal(drive_says(d, "f[0]"), "denied denied");
    drive_free(d);
}

static void k40__roles_give_isolation_and_inheritance_and_own_keys_win(void **state)
{
    static const struct { rv_role role; rv_isolation isolation; rv_inherit inherit; } cases[] = {
        {RV_ROLE_EXPLORE, RV_ISOLATION_READ_ONLY, RV_INHERIT_SYSTEM_ONLY}, {RV_ROLE_VERIFY, RV_ISOLATION_READ_ONLY, RV_INHERIT_NONE},
        {RV_ROLE_PLAN, RV_ISOLATION_SHARED, RV_INHERIT_FULL},              {RV_ROLE_IMPLEMENT, RV_ISOLATION_WORKTREE, RV_INHERIT_FULL},
        {RV_ROLE_CUSTOM, RV_ISOLATION_SHARED, RV_INHERIT_NONE},
    };
    assert_int_equal(RV_COUNT(cases), RV_ROLE_COUNT);
    for (size_t i = 0; i < RV_COUNT(cases); i++) {
        rv_node_def node = {.role = (uint8_t)cases[i].role};
        assert_int_equal(rv_node_isolation(&node), cases[i].isolation);
        assert_int_equal(rv_node_inherit(&node), cases[i].inherit);
        node.isolation = RV_ISOLATION_NONE;
        node.inherit = RV_INHERIT_FULL;
        assert_int_equal(rv_node_isolation(&node), RV_ISOLATION_NONE);
        assert_int_equal(rv_node_inherit(&node), RV_INHERIT_FULL);
    }
}

/* ---- tools [K32] ---- */

static const rv_str capabilities[] = {{"read", 4}, {"git.*", 5}};

static rv_gate_request good_call(void)
{
    return (rv_gate_request){.verb = RV_GATE_VERB_TOOL, .tool = RV_STR("git.push"), .capabilities = capabilities, .capability_count = 2,
                             .rate_max = 3, .window_ms = 1000, .recent = 2, .writes = true, .is_audited = true};
}

static void k32__a_tool_call_passes_seven_stages(void **state)
{
    drive *d = drive_new("a; q: %trust=quarantined %isolation=none");
    rv_gate_request call = good_call();
    assert_int_equal(asked(d, call).kind, RV_GATE_ALLOW);
    call.tool = RV_STR("read");
    assert_int_equal(asked(d, call).kind, RV_GATE_ALLOW);
    call.tool = RV_STR("reader");
    assert_string_equal(asked(d, call).stage, "capability");
    drive_free(d);
}

/* Whatever is wrong behind a stage that refuses is not looked at. */
static void k32__it_stops_at_the_first_refusal(void **state)
{
    drive *d = drive_new("a; q: %trust=quarantined %isolation=none");
    rv_gate_request call = good_call();
    static const char *const stages[] = {"audit", "sandbox", "rate", "veto", "permission", "constraint", "capability"};
    static const rv_gate_kind kinds[] = {RV_GATE_DENY, RV_GATE_DENY, RV_GATE_RATE_LIMITED, RV_GATE_DENY,
                                         RV_GATE_ASK,  RV_GATE_DENY, RV_GATE_DENY};
    for (size_t i = 0; i < RV_COUNT(stages); i++) {
        if (i == 0) call.is_audited = false;
        if (i == 1) call.node = 1;
        if (i == 2) call.recent = 3, call.oldest_ms = d->now.engine_ms - 400;
        if (i == 3) call.veto = RV_STR("not on Fridays");
        if (i == 4) call.permission = RV_PERMISSION_ASK;
        if (i == 5) call.constraint = RV_STR("the path is outside");
        if (i == 6) call.tool = RV_STR("rm");
        rv_gate_answer answer = asked(d, call);
        assert_int_equal(answer.kind, kinds[i]);
        assert_string_equal(answer.stage, stages[i]);
        assert_true(answer.reason[0] != 0);
        if (answer.kind == RV_GATE_RATE_LIMITED) assert_int_equal(answer.retry_after_ms, 600);
    }
    call = good_call();
    call.permission = RV_PERMISSION_DENY;
    assert_int_equal(asked(d, call).kind, RV_GATE_DENY);
    drive_free(d);
}

static void k32__a_sandbox_lets_a_node_that_may_not_write_call_what_writes(void **state)
{
    drive *d = drive_new("a: %isolation=read_only");
    rv_gate_request call = good_call();
    assert_string_equal(asked(d, call).stage, "sandbox");
    call.is_sandboxed = true;
    assert_int_equal(asked(d, call).kind, RV_GATE_ALLOW);
    call.is_sandboxed = call.writes = false;
    assert_int_equal(asked(d, call).kind, RV_GATE_ALLOW);
    drive_free(d);
}

/* [K30] */
static void k30__every_answer_but_a_plain_allow_is_an_event(void **state)
{
    static const struct { const char *text; rv_gate_kind kind; } cases[] = {
        {"%quota=concurrent/0; a", RV_GATE_DENY}, {"%limit=usd/1; a: %estimate.usd=2", RV_GATE_ASK},
        {"%limit=usd/1; %at_limit=stop; a: %estimate.usd=2", RV_GATE_DENY}, {"a", RV_GATE_ALLOW}};
    for (size_t i = 0; i < RV_COUNT(cases); i++) {
        drive *d = drive_new(cases[i].text);
        drive_admit(d, "a");
        rv_gate_kind found = RV_GATE_ALLOW;
        rv_event event;
        for (const char *at = d->journal.at, *end = at + d->journal.size; at < end;) {
            assert_int_equal(rv_event_read(&at, end, &event, NULL), RV_OK);
            if (event.type == RV_EVENT_GATE) found = (rv_gate_kind)event.state;
        }
        assert_int_equal(found, cases[i].kind);
        drive_free(d);
    }
}

/* ---- what attempts ask for [K30, K32] ---- */

static rv_answer asks(drive *d, rv_gate_verb verb, const char *key, const char *value)
{
    rv_event ask = {.type = RV_EVENT_ASK, .node = 0, .epoch = d->run->nodes[0].epoch, .state = verb, .key = rv_str_of(key),
                    .value = rv_str_of(value)};
    return drive_step(d, &ask);
}

/* The gate's answer to the step just made; its stage, when it is recorded. */
static rv_gate_kind answered(const drive *d, char *ret_stage)
{
    const char *at = d->out.journal.at + d->step_size, *end = d->out.journal.at + d->out.journal.size;
    rv_event event;
    *ret_stage = 0;
    while (at < end && rv_event_read(&at, end, &event, NULL) == RV_OK)
        if (event.type == RV_EVENT_GATE) snprintf(ret_stage, 32, "%.*s", RV_FMT(event.key));
    const rv_effect *last = &d->effects.at[d->effects.count - 1];
    assert_int_equal(last->type, RV_EFFECT_GATE);
    assert_int_equal(last->epoch, d->run->nodes[0].epoch);
    return (rv_gate_kind)last->state;
}

static void k30__a_running_attempt_asks_and_every_answer_but_an_allow_is_recorded(void **state)
{
    static const struct { rv_gate_verb verb; const char *value; rv_gate_kind kind; const char *stage; } cases[] = {
        {RV_GATE_VERB_TOOL, "", RV_GATE_ALLOW, ""},
        {RV_GATE_VERB_TOOL, "{\"permission\":\"allow\",\"is_audited\":true}", RV_GATE_ALLOW, ""},
        {RV_GATE_VERB_TOOL, "{\"permission\":\"deny\"}", RV_GATE_DENY, "permission"},
        {RV_GATE_VERB_TOOL, "{\"permission\":\"ask\",\"veto\":\"no\"}", RV_GATE_ASK, "permission"},
        {RV_GATE_VERB_TOOL, "{\"veto\":\"not on a Friday\"}", RV_GATE_DENY, "veto"},
        {RV_GATE_VERB_TOOL, "{\"constraint\":\"a path outside\",\"veto\":\"no\"}", RV_GATE_DENY, "constraint"},
        {RV_GATE_VERB_TOOL, "{\"rate\":{\"max\":2,\"window_ms\":100},\"recent\":1}", RV_GATE_ALLOW, ""},
        {RV_GATE_VERB_TOOL, "{\"rate\":{\"max\":2,\"window_ms\":100},\"recent\":2,\"oldest_ms\":960}", RV_GATE_RATE_LIMITED, "rate"},
        {RV_GATE_VERB_TOOL, "{\"writes\":true}", RV_GATE_DENY, "sandbox"},
        {RV_GATE_VERB_TOOL, "{\"writes\":true,\"is_sandboxed\":true}", RV_GATE_ALLOW, ""},
        {RV_GATE_VERB_TOOL, "{\"is_audited\":false}", RV_GATE_DENY, "audit"},
        {RV_GATE_VERB_MEMORY_WRITE, "{\"recent\":9}", RV_GATE_RATE_LIMITED, "rate"},
        {RV_GATE_VERB_MEMORY_READ, "{\"recent\":9}", RV_GATE_ALLOW, ""},
        {RV_GATE_VERB_ARTIFACT_READ, "{}", RV_GATE_ALLOW, ""},
    };
    for (size_t i = 0; i < RV_COUNT(cases); i++) {
        char stage[32];
        drive *d = drive_new("%quota=writes/9; a: %isolation=read_only; b: a");
        drive_admit(d, "a");
        assert_int_equal(asks(d, cases[i].verb, "git", cases[i].value), RV_ANSWER_TAKEN);
        assert_int_equal(answered(d, stage), cases[i].kind);
        assert_string_equal(stage, cases[i].stage);
        bool is_later = d->effects.at[d->effects.count - 1].due_ms > d->now.engine_ms;
        assert_int_equal(is_later, cases[i].kind == RV_GATE_RATE_LIMITED);
        assert_string_equal(drive_says(d, "a"), "running"); /* it goes on, and holds to the answer */
        drive_crash(d);
        drive_complete(d, "a", RV_ATTEMPT_OK, RV_DETAIL_NONE, 0);
        assert_int_equal(asks(d, cases[i].verb, "git", cases[i].value), RV_ANSWER_STALE);
        drive_ok(d, "b");
        drive_check_replay(d);
        drive_free(d);
    }
}

static void k30__what_cannot_be_asked_changes_nothing(void **state)
{
    static const char *const values[] = {"{", "[]", "{\"colour\":1}", "{\"permission\":\"maybe\"}", "{\"permission\":1}", "{\"veto\":1}",
        "{\"constraint\":true}", "{\"rate\":5}", "{\"rate\":{\"max\":1}}", "{\"rate\":{\"window_ms\":1}}",
        "{\"rate\":{\"max\":-1,\"window_ms\":1}}", "{\"rate\":{\"max\":1,\"window_ms\":\"x\"}}",
        "{\"rate\":{\"max\":1,\"window_ms\":1,\"per\":1}}", "{\"writes\":1}", "{\"is_sandboxed\":null}", "{\"is_audited\":\"yes\"}",
        "{\"recent\":-1}", "{\"recent\":4294967296}", "{\"recent\":0.5}", "{\"oldest_ms\":-1}"};
    drive *d = drive_new("a");
    drive_admit(d, "a");
    for (size_t i = 0; i < RV_COUNT(values); i++) assert_int_equal(asks(d, RV_GATE_VERB_TOOL, "git", values[i]), RV_ANSWER_ILLEGAL);
    assert_int_equal(asks(d, RV_GATE_VERB_TOOL, "", "{}"), RV_ANSWER_ILLEGAL);
    assert_int_equal(asks(d, RV_GATE_VERB_SPAWN, "git", "{}"), RV_ANSWER_ILLEGAL); /* these are decided without being asked for */
    assert_int_equal(asks(d, RV_GATE_VERB_SUBMIT, "git", "{}"), RV_ANSWER_ILLEGAL);
    assert_int_equal(asks(d, RV_GATE_VERB_COUNT, "git", "{}"), RV_ANSWER_ILLEGAL);
    assert_int_equal(asks(d, RV_GATE_VERB_MEMORY_WRITE, "k", "{\"recent\":9}"), RV_ANSWER_TAKEN); /* without a quota there is no limit */
    assert_int_equal(d->effects.at[d->effects.count - 1].state, RV_GATE_ALLOW);
    drive_free(d);
}

/* A node's own list, by name or by the beginning of one; without a list all. */
static void k32__a_tool_is_among_the_capabilities_of_its_node(void **state)
{
    static const struct { const char *node, *tool; rv_gate_kind kind; } cases[] = {
        {"a", "git", RV_GATE_ALLOW}, {"a", "fs.read", RV_GATE_ALLOW}, {"a", "gitk", RV_GATE_DENY}, {"b", "any", RV_GATE_ALLOW},
        {"c", "git", RV_GATE_DENY}};
    rv_problems problems = {0};
    rv_spec *spec = NULL;
    rv_spec_input input = {.file = "t.yaml", .source = RV_STR("reeve: 1\nnodes:\n  a: {run: [x], capabilities: [git, fs.*]}\n"
                                                              "  b: {run: [x]}\n  c: {run: [x], capabilities: []}\n")};
    assert_int_equal(rv_spec_load(&input, &spec, &problems), RV_OK);
    drive *d = drive_new_graph(&spec->graph);
    for (size_t i = 0; i < RV_COUNT(cases); i++) {
        if (drive_node(d, cases[i].node)->state == RV_NODE_READY) drive_admit(d, cases[i].node);
        rv_event ask = {.type = RV_EVENT_ASK, .node = drive_index(d, cases[i].node), .epoch = drive_node(d, cases[i].node)->epoch,
                        .state = RV_GATE_VERB_TOOL, .key = rv_str_of(cases[i].tool)};
        assert_int_equal(drive_step(d, &ask), RV_ANSWER_TAKEN);
        assert_int_equal(d->effects.at[d->effects.count - 1].state, cases[i].kind);
    }
    drive_free(d);
    rv_spec_free(spec);
    rv_problems_deinit(&problems);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(k31__a_full_quota_of_concurrent_attempts_defers_until_one_ends),
        cmocka_unit_test(k31__a_quota_of_no_concurrent_attempts_denies),
        cmocka_unit_test(k31__a_quota_of_attempts_denies_what_comes_after_them),
        cmocka_unit_test(k31a__a_hit_spends_no_quota_and_a_refusal_gives_its_slot_back),
        cmocka_unit_test(k31__quotas_can_be_changed_while_the_run_goes_on),
        cmocka_unit_test(k31__growth_is_denied_beyond_the_quota_of_nodes_and_of_depth),
        cmocka_unit_test(k31__writes_are_limited_in_a_window),
        cmocka_unit_test(k33__a_quarantined_node_is_denied_isolation_that_can_write),
        cmocka_unit_test(k33__what_is_beneath_a_quarantined_controller_is_quarantined),
        cmocka_unit_test(k40__roles_give_isolation_and_inheritance_and_own_keys_win),
        cmocka_unit_test(k32__a_tool_call_passes_seven_stages),
        cmocka_unit_test(k32__it_stops_at_the_first_refusal),
        cmocka_unit_test(k32__a_sandbox_lets_a_node_that_may_not_write_call_what_writes),
        cmocka_unit_test(k30__every_answer_but_a_plain_allow_is_an_event),
        cmocka_unit_test(k30__a_running_attempt_asks_and_every_answer_but_an_allow_is_recorded),
        cmocka_unit_test(k30__what_cannot_be_asked_changes_nothing),
        cmocka_unit_test(k32__a_tool_is_among_the_capabilities_of_its_node),
    };
    return cmocka_run_group_tests_name("gate", tests, NULL, NULL);
}
