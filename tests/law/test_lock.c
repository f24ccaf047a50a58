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

/* ---- every state of few requests ----
 * Two mutexes, at most LIVE_MAX requests that live, each for one of them or both, shared or exclusive: from no request on every ask and
 * every release is made in every state that they lead to, breadth first. A state is what of each request, in ticket order, is asked and
 * whether it is granted; the real one is made anew along the way to it. */

#define LIVE_MAX 4u
#define KINDS 8u /* of requests: x, X, y, Y, and the four of both */

typedef struct place { uint32_t parent, code; uint8_t move; } place; /* move: below KINDS an ask, then the release of that request */

static model_request request_of(uint32_t kind)
{
    if (kind < 4) return (model_request){.claims = {{kind / 2, kind % 2}}, .count = 1};
    return (model_request){.claims = {{0, kind & 1}, {1, kind >> 1 & 1}}, .count = 2};
}

static uint32_t kind_of(const model_request *r)
{
    if (r->count == 1) return r->claims[0].lock * 2 + (r->claims[0].is_exclusive ? 1 : 0);
    return 4u + (r->claims[0].is_exclusive ? 1 : 0) + (r->claims[1].is_exclusive ? 2 : 0);
}

static uint32_t code_of(const model *m)
{
    uint32_t code = 1; /* the leading bit tells how many there are */
    for (uint32_t i = 0; i < m->requests.count; i++) code = code << 4 | kind_of(&m->requests.at[i]) << 1 | m->requests.at[i].is_granted;
    return code;
}

static void move_both(model *m, rv_locks *locks, uint32_t move)
{
    uint32_t before = locks->granted.count, granted = 0;
    if (move < KINDS) {
        model_request r = request_of(move);
        r.real = rv_lock_ask(locks, r.claims, r.count, move);
        rv_vec_push(&m->requests, r);
        (void)settle(m);
    } else {
        uint32_t at = move - KINDS;
        rv_lock_release(locks, m->requests.at[at].real);
        memmove(&m->requests.at[at], &m->requests.at[at + 1], sizeof m->requests.at[0] * (m->requests.count - at - 1));
        m->requests.count--;
        granted = settle(m);
    }
    assert_int_equal(locks->granted.count - before, granted);
    rv_vec_clear(&locks->granted);
}

static void a4__every_state_of_few_requests_agrees_with_the_obvious_model(void **state)
{
    static uint8_t seen[1u << (4 * LIVE_MAX + 1)];
    RV_VEC(place) places = {0};
    uint64_t steps = 0;
    rv_vec_push(&places, ((place){.code = 1}));
    seen[1] = 1;
    for (uint32_t p = 0; p < places.count; p++)
        for (uint32_t move = 0; move < KINDS + LIVE_MAX; move++) {
            uint32_t way[64], count = 0, live = (31u - (uint32_t)__builtin_clz(places.at[p].code)) / 4;
            if (move < KINDS ? live == LIVE_MAX : move - KINDS >= live) continue;
            model m = {0};
            rv_locks locks = {0};
            (void)rv_lock_named(&locks, RV_STR("x")), (void)rv_lock_named(&locks, RV_STR("y"));
            for (uint32_t at = p; at != 0 && count < RV_COUNT(way); at = places.at[at].parent) way[count++] = places.at[at].move;
            while (count-- > 0) move_both(&m, &locks, way[count]);
            assert_int_equal(code_of(&m), places.at[p].code);
            move_both(&m, &locks, move);
            compare(&m, &locks, 0);
            steps++;
            if (!seen[code_of(&m)]++) rv_vec_push(&places, ((place){p, code_of(&m), (uint8_t)move}));
            rv_vec_deinit(&m.requests);
            rv_locks_deinit(&locks);
        }
    assert_true(places.count > 4096); /* as many as there are lists of four requests, at least */
    print_message("# figure: mutexes: %u states of up to %u requests for two of them, %llu steps\n", places.count, LIVE_MAX,
                  (unsigned long long)steps);
    rv_vec_deinit(&places);
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
        cmocka_unit_test(a4__every_state_of_few_requests_agrees_with_the_obvious_model),
        cmocka_unit_test(a5__only_shared_with_shared_is_compatible),
        cmocka_unit_test(a4__who_shares_does_not_overtake_an_exclusive_one_that_waits),
        cmocka_unit_test(a5__several_are_taken_together_or_not_at_all),
        cmocka_unit_test(a4__many_waiters_cost_what_they_take),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
