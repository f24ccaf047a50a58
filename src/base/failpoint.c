#include "base/failpoint.h"

#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/util.h"

static const char *const names[] = {
#define X(symbol_, name_) name_,
    RV_FAIL_POINTS(X)
#undef X
};
_Static_assert(RV_COUNT(names) == RV_FAIL_POINT_COUNT, "a name for each point");

int rv_fail_point_armed = RV_FAIL_POINT_COUNT;
static _Atomic int64_t passages_left;
static bool kills_engine, stops_engine;
static void (*called)(void *user); /* instead of a signal; NULL: none */
static void *called_user;
static pid_t keeper_pid;

const char *rv_fail_point_name(rv_fail_point point)
{
    RV_ASSERT(point < RV_FAIL_POINT_COUNT);
    return names[point];
}

static rv_str take_part(rv_str *rest)
{
    size_t colon = rv_str_find(*rest, 0, ':');
    rv_str part = rv_str_cut(*rest, 0, colon);
    *rest = colon == SIZE_MAX ? (rv_str){NULL, 0} : rv_str_from(*rest, colon + 1);
    return part;
}

static bool take_number(rv_str text, int64_t *ret)
{
    *ret = text.size ? 0 : 1;
    for (size_t i = 0; i < text.size; i++) {
        if (text.at[i] < '0' || text.at[i] > '9' || i >= 9) return false;
        *ret = *ret * 10 + (text.at[i] - '0');
    }
    return *ret > 0;
}

rv_status rv_fail_point_arm(const char *text, pid_t keeper, rv_error *err)
{
    if (!text) return RV_OK;
    rv_str rest = rv_str_of(text);
    rv_str name = take_part(&rest), number = take_part(&rest), who = rest;
    int point = 0;
    int64_t passages;
    while (point < RV_FAIL_POINT_COUNT && !rv_str_is(name, names[point])) point++;
    if (point == RV_FAIL_POINT_COUNT) {
        const char *nearest = rv_nearest(name, names, RV_COUNT(names));
        return rv_error_set(err, RV_INVALID, "REEVE_FAIL_POINT=%s: there is no such point%s%s; unset it", text,
                            nearest ? "; the nearest is " : "", nearest ? nearest : "");
    }
    bool is_keeper = rv_str_is(who, "keeper"), is_both = rv_str_is(who, "both"), is_stop = rv_str_is(who, "stopped");
    bool is_known = who.size == 0 || is_keeper || is_both || is_stop || rv_str_is(who, "engine");
    if (!take_number(number, &passages) || !is_known)
        return rv_error_set(err, RV_INVALID, "REEVE_FAIL_POINT=%s: give NAME[:N[:WHO]], N from 1, WHO engine, keeper, both or stopped; "
                            "or unset it", text);
    called = NULL;
    passages_left = passages;
    kills_engine = !is_keeper && !is_stop;
    stops_engine = is_stop;
    keeper_pid = is_keeper || is_both ? keeper : 0;
    rv_fail_point_armed = point;
    return RV_OK;
}

void rv_fail_point_call(rv_fail_point point, int64_t passages, void (*fn)(void *user), void *user)
{
    called = fn;
    called_user = user;
    passages_left = passages;
    rv_fail_point_armed = point;
}

void rv_fail_point_pass(void)
{
    if (atomic_fetch_sub(&passages_left, 1) != 1) return;
    if (called) {
        called(called_user);
        return;
    }
    if (keeper_pid > 0) (void)kill(keeper_pid, SIGKILL);
    if (stops_engine) (void)kill(getpid(), SIGSTOP);
    while (kills_engine) (void)kill(getpid(), SIGKILL);
}
