/* test_lock.c: mutexes [A4, A5] against the obvious model: a list of requests in ticket order; each time something changes, whoever is
 * compatible with all that is held and with all that waits before him is granted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/util.h"
#include "kernel/lock.h"

/* ---- the model ---- */

typedef struct model_request {
    rv_lock_claim claims[RV_LOCK_CLAIMS_MAX];
    uint32_t count, real;
    bool is_granted;
} model_request;
typedef struct model { RV_VEC(model_request) requests; /* in ticket order */ } model;

static bool clash(const model_request *a, const model_request *b)
{
    for (uint32_t i = 0; i < a->count; i++)
        for (uint32_t k = 0; k < b->count; k++)
            if (a->claims[i].lock == b->claims[k].lock && (a->claims[i].is_exclusive || b->claims[k].is_exclusive)) return true;
    return false;
}

/* Grant all that may be; returns how many were. */
static uint32_t settle(model *m)
{
    uint32_t granted = 0;
    for (uint32_t i = 0; i < m->requests.count; i++) {
        model_request *r = &m->requests.at[i];
        bool is_free = !r->is_granted;
        for (uint32_t k = 0; k < m->requests.count && is_free; k++) {
            const model_request *other = &m->requests.at[k];
            if (k != i && (other->is_granted || k < i) && clash(r, other)) is_free = false;
        }
        granted += is_free;
        r->is_granted |= is_free;
    }
    return granted;
}

/* ---- comparing ---- */

static void compare(const model *m, const rv_locks *locks, uint64_t seed)
{
    const char *broken = rv_locks_check(locks);
    if (broken) fail_msg("RV_SEED=%llu: %s", (unsigned long long)seed, broken);
    for (uint32_t i = 0; i < m->requests.count; i++) {
        const model_request *r = &m->requests.at[i];
        uint32_t lock = RV_NONE, by;
        if (locks->requests.at[r->real].is_granted != r->is_granted)
            fail_msg("RV_SEED=%llu: request %u is %s here and not in the model", (unsigned long long)seed, r->real,
                     r->is_granted ? "waiting" : "granted");
        by = rv_lock_blocker(locks, r->real, &lock);
        assert_int_equal(by == RV_NONE, r->is_granted);
        if (r->is_granted) continue;
        uint32_t at = 0;
        while (m->requests.at[at].real != by) at++; /* it is one that lives */
        assert_true(clash(r, &m->requests.at[at]) && (m->requests.at[at].is_granted || at < i));
    }
}

static void play(uint64_t seed)
{
    rv_locks locks = {0};
    model m = {0};
    uint64_t rng = seed;
    uint32_t lock_count = 1 + rv_rng_below(&rng, 5), steps = 5 + rv_rng_below(&rng, 60);
    char name[2] = "a";
    for (uint32_t i = 0; i < lock_count; i++) {
        name[0] = (char)('a' + i);
        assert_int_equal(rv_lock_named(&locks, rv_str_of(name)), i);
    }
    for (uint32_t step = 0; step < steps; step++) {
        if (m.requests.count == 0 || rv_rng_below(&rng, 2)) {
            model_request r = {0};
            for (uint32_t i = 0; i < lock_count; i++)
                if (r.count == 0 || rv_rng_below(&rng, 3) == 0)
                    r.claims[r.count++] = (rv_lock_claim){i, rv_rng_below(&rng, 2)};
            r.real = rv_lock_ask(&locks, r.claims, r.count, step);
            rv_vec_push(&m.requests, r);
            (void)settle(&m);
            assert_int_equal(locks.granted.count, 0); /* who gets it at once does not come up there */
        } else {
            uint32_t at = rv_rng_below(&rng, m.requests.count), before = locks.granted.count;
            rv_lock_release(&locks, m.requests.at[at].real);
            memmove(&m.requests.at[at], &m.requests.at[at + 1], sizeof m.requests.at[0] * (m.requests.count - at - 1));
            m.requests.count--;
            assert_int_equal(locks.granted.count - before, settle(&m));
            rv_vec_clear(&locks.granted);
        }
        compare(&m, &locks, seed);
    }
    while (m.requests.count) rv_lock_release(&locks, rv_vec_pop(&m.requests).real);
    for (uint32_t i = 0; i < lock_count; i++)
        for (uint32_t row = 0; row < RV_LOCK_ROWS; row++) assert_int_equal(locks.locks.at[i].first[row] | locks.locks.at[i].last[row], 0);
    rv_vec_deinit(&m.requests);
    rv_locks_deinit(&locks);
}

static void a4__locks_agree_with_the_obvious_model(void **state)
{
    const char *given = getenv("RV_SEED");
    uint64_t first = given ? strtoull(given, NULL, 10) : 1, count = given ? 1 : 10000;
    for (uint64_t seed = first; seed < first + count; seed++) play(seed);
    print_message("%llu stories\n", (unsigned long long)count);
}

static uint32_t ask(rv_locks *locks, uint32_t lock, bool is_exclusive)
{
    return rv_lock_ask(locks, &(rv_lock_claim){lock, is_exclusive}, 1, 0);
}

static void a5__only_shared_with_shared_is_compatible(void **state)
{
    rv_locks locks = {0};
    uint32_t db = rv_lock_named(&locks, RV_STR("db")), a = ask(&locks, db, false), b = ask(&locks, db, false), c = ask(&locks, db, true);
    assert_int_equal(rv_lock_named(&locks, RV_STR("db")), db);
    assert_true(locks.requests.at[a].is_granted && locks.requests.at[b].is_granted);
    assert_false(locks.requests.at[c].is_granted);
    rv_lock_release(&locks, a);
    assert_false(locks.requests.at[c].is_granted);
    rv_lock_release(&locks, b);
    assert_true(locks.requests.at[c].is_granted);
    assert_false(locks.requests.at[ask(&locks, db, false)].is_granted);
    assert_false(locks.requests.at[ask(&locks, db, true)].is_granted);
    rv_locks_deinit(&locks);
}

static void a4__who_shares_does_not_overtake_an_exclusive_one_that_waits(void **state)
{
    rv_locks locks = {0};
    uint32_t db = rv_lock_named(&locks, RV_STR("db")), a = ask(&locks, db, false), b = ask(&locks, db, true), c = ask(&locks, db, false);
    assert_false(locks.requests.at[c].is_granted); /* else the exclusive one might never come up */
    rv_lock_release(&locks, b);                    /* it was called off */
    assert_true(locks.requests.at[c].is_granted);
    rv_lock_release(&locks, a);
    rv_locks_deinit(&locks);
}

static void a5__several_are_taken_together_or_not_at_all(void **state)
{
    rv_locks locks = {0};
    uint32_t x = rv_lock_named(&locks, RV_STR("x")), y = rv_lock_named(&locks, RV_STR("y"));
    uint32_t a = ask(&locks, x, true);
    uint32_t both = rv_lock_ask(&locks, (rv_lock_claim[]){{x, true}, {y, true}}, 2, 0);
    assert_int_equal(locks.locks.at[y].first[RV_LOCK_HELD], 0); /* it waits for x and holds nothing of y */
    uint32_t after = ask(&locks, y, true);
    assert_false(locks.requests.at[after].is_granted); /* behind the one that waits for both: nobody starves */
    rv_lock_release(&locks, a);
    assert_true(locks.requests.at[both].is_granted);
    rv_lock_release(&locks, both);
    assert_true(locks.requests.at[after].is_granted);
    rv_locks_deinit(&locks);
}

/* 100,000 that wait for one lock, and for one each of many: a release looks at those that it grants. */
static void a4__many_waiters_cost_what_they_take(void **state)
{
    enum { COUNT = 100000 };
    rv_locks locks = {0};
    uint32_t db = rv_lock_named(&locks, RV_STR("db")), *requests = rv_alloc(sizeof *requests * COUNT);
    for (uint32_t i = 0; i < COUNT; i++) requests[i] = ask(&locks, db, i % 4 == 0);
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_true(locks.requests.at[requests[i]].is_granted);
        rv_lock_release(&locks, requests[i]);
        rv_vec_clear(&locks.granted);
    }
    assert_true(locks.requests.count == COUNT);
    assert_true(ask(&locks, db, true) < COUNT); /* places are used again */
    rv_free(requests);
    rv_locks_deinit(&locks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a4__locks_agree_with_the_obvious_model),
        cmocka_unit_test(a5__only_shared_with_shared_is_compatible),
        cmocka_unit_test(a4__who_shares_does_not_overtake_an_exclusive_one_that_waits),
        cmocka_unit_test(a5__several_are_taken_together_or_not_at_all),
        cmocka_unit_test(a4__many_waiters_cost_what_they_take),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
