#include "sim/inner.h"

/* Reservations and spend [K50–K54], from the journal's events alone: what starts, reserves within the limit; what ends, gives its
 * reservation back, once, and has spent what its attempt said, no more and no less; in the end the run's purse says the same. */

void rv_sim_money_begin(rv_sim_money *money, rv_sim_world *w, const rv_run *run)
{
    const rv_graph *graph = run->graph;
    *money = (rv_sim_money){.world = w, .run = run, .node = RV_NONE};
    if (graph->budget == 0) return;
    const rv_budget_def *budget = &graph->budgets[graph->budget - 1];
    money->limits = budget->limits;
    money->at_limit = budget->at_limit;
    money->has_group = budget->group.size > 0;
    memcpy(money->limit, budget->limit, sizeof money->limit);
}

void rv_sim_money_deinit(rv_sim_money *money) { rv_vec_deinit(&money->held); }

/* What is reserved for a node; held[0] is below 0 when it is nothing. */
static int64_t *held_of(rv_sim_money *money, uint32_t node)
{
    while (money->held.count < (node + 1) * RV_HELD_COUNT) rv_vec_push(&money->held, INT64_C(-1));
    return &money->held.at[node * RV_HELD_COUNT];
}

static rv_str id(const rv_sim_money *money, uint32_t node) { return rv_sim_id(money->world, money->run, node); }

static const rv_sim_report *report_of(const rv_sim_money *money, uint32_t node, uint32_t epoch)
{
    const rv_sim_ledger *ledger = &money->world->ledger;
    uint32_t entry = (uint32_t)(rv_sim_entry_of(money->world, id(money, node)) - ledger->entries.at);
    for (uint32_t i = 0; i < ledger->reports.count; i++)
        if (ledger->reports.at[i].entry == entry && ledger->reports.at[i].epoch == epoch) return &ledger->reports.at[i];
    return NULL;
}

/* Nothing may be reserved beyond a limit that is more than a warning. */
static void check_limits(rv_sim_money *money, uint32_t node, const char *what)
{
    for (uint32_t d = 0; d < RV_DIMENSION_COUNT; d++) {
        int64_t taken = money->spent[d] + (d < RV_HELD_COUNT ? money->reserved[d] : 0) + money->elsewhere[d];
        bool is_limited = money->limits >> d & 1 && money->at_limit != RV_AT_LIMIT_WARN && d != RV_DIMENSION_TIME;
        if (is_limited && taken > money->limit[d])
            rv_sim_break(money->world, "K50: %s for %.*s: %lld of %s are taken, the limit is %lld", what, RV_FMT(id(money, node)),
                         (long long)taken, rv_dimension_name((rv_dimension)d), (long long)money->limit[d]);
    }
}

/* Before it starts something a run knows what those before it have taken of their common budget [K53]. */
static void check_group(rv_sim_money *money)
{
    for (uint32_t d = 0; d < RV_DIMENSION_COUNT && money->has_group; d++)
        if ((money->limits >> d & 1) && d != RV_DIMENSION_TIME && money->elsewhere[d] != money->world->past[d])
            rv_sim_break(money->world, "K53: the run was told of %lld %s of its group, the others have taken %lld",
                         (long long)money->elsewhere[d], rv_dimension_name((rv_dimension)d), (long long)money->world->past[d]);
}

static void take_reservation(rv_sim_money *money, const rv_event *event)
{
    check_group(money);
    int64_t *held = held_of(money, event->node);
    const int64_t amounts[RV_HELD_COUNT] = {event->cost, event->amount};
    bool is_raise = event->type == RV_EVENT_RAISED;
    if ((held[0] >= 0) != is_raise)
        rv_sim_break(money->world, "K50: a reservation of %.*s is %s", RV_FMT(id(money, event->node)),
                     is_raise ? "raised, and there is none" : "made twice");
    for (uint32_t d = 0; d < RV_HELD_COUNT; d++) {
        held[d] = (is_raise ? held[d] : 0) + amounts[d];
        money->reserved[d] += amounts[d];
    }
    if (!is_raise) {
        money->spent[RV_DIMENSION_ATTEMPTS]++;
        money->spent[RV_DIMENSION_NODES] += money->run->nodes[event->node].number == 0;
    }
    check_limits(money, event->node, is_raise ? "a raised reservation" : "a reservation");
}

/* What it says that was spent is what the attempt reported. */
static void check_report(rv_sim_money *money, const rv_event *event)
{
    const rv_sim_report *report = report_of(money, event->node, money->epoch);
    if (money->may_be_all) return;
    int64_t cost = report ? report->cost : 0, tokens = report ? report->tokens : 0, cached = report ? report->cached : 0;
    bool is_same = event->cost == cost && event->amount == tokens && (int64_t)event->tokens_cached == cached;
    if (!is_same)
        rv_sim_break(money->world, "K42: %.*s said it spent %lld micro-dollars, %lld tokens and %lld cached under epoch %u; "
                     "the journal says %lld, %lld, %lld", RV_FMT(id(money, event->node)), (long long)cost, (long long)tokens,
                     (long long)cached, money->epoch, (long long)event->cost, (long long)event->amount, (long long)event->tokens_cached);
}

static void take_spend(rv_sim_money *money, const rv_event *event)
{
    int64_t *held = held_of(money, event->node);
    const int64_t amounts[RV_HELD_COUNT] = {event->cost, event->amount};
    if (held[0] < 0 && money->is_preempted) return;
    if (!money->is_preempted && (event->node != money->node || money->settled++))
        rv_sim_break(money->world, "K50: %.*s is settled twice, or without an end of its attempt", RV_FMT(id(money, event->node)));
    for (uint32_t d = 0; d < RV_HELD_COUNT; d++) {
        money->reserved[d] -= RV_MAX(held[d], 0);
        money->spent[d] += amounts[d];
        held[d] = -1;
    }
    if (!rv_sim_is_broken(money->world) && !money->is_preempted) check_report(money, event);
}

/* Another input, or the end: was the end of an attempt before it settled? */
static void end_of_input(rv_sim_money *money)
{
    if (money->node == RV_NONE) return;
    const rv_sim_report *report = money->may_be_all ? NULL : report_of(money, money->node, money->epoch);
    bool has_spent = report && (report->cost || report->tokens || report->cached);
    if (money->settled == 0 && !money->is_preempted && (has_spent || held_of(money, money->node)[0] >= 0))
        rv_sim_break(money->world, "K50: the attempt of %.*s under epoch %u has ended and is not settled", RV_FMT(id(money, money->node)),
                     money->epoch);
    money->node = RV_NONE;
}

static void take_limit(rv_sim_money *money, const rv_event *event)
{
    uint32_t d = event->state;
    if (d < RV_DIMENSION_COUNT && event->flags == RV_BUDGET_ELSEWHERE) money->elsewhere[d] = event->amount;
    if (d >= RV_DIMENSION_COUNT || event->flags) return;
    money->limit[d] = RV_MAX(money->limit[d] + event->amount, 0);
    money->added[d] += event->amount;
}

static void take_input(rv_sim_money *money, const rv_event *event)
{
    uint32_t node = event->node;
    bool ends = event->type == RV_EVENT_COMPLETED || event->type == RV_EVENT_LOST;
    end_of_input(money);
    money->is_preempted |= event->type == RV_EVENT_PREEMPT; /* it ends every attempt at once */
    if (event->type == RV_EVENT_BUDGET) take_limit(money, event);
    if (!ends || node >= money->run->node_count || money->run->nodes[node].epoch != event->epoch) return;
    money->node = node;
    money->epoch = event->epoch;
    /* One that was lost, or stopped and may happen once, may have spent all that was reserved for it. */
    money->may_be_all = event->type == RV_EVENT_LOST || (event->state == RV_ATTEMPT_CANCELLED &&
                                                         rv_run_policy(money->run, node)->delivery == RV_DELIVERY_AT_MOST_ONCE);
    money->settled = 0;
}

/* The purse of the run says what was counted here. */
static void compare_purse(rv_sim_money *money)
{
    const rv_purse *purse = &money->run->purse;
    for (uint32_t d = 0; d < RV_DIMENSION_COUNT && rv_run_is_counted(money->run); d++) {
        bool is_same = purse->spent[d] == money->spent[d] && (d >= RV_HELD_COUNT || purse->reserved[d] == money->reserved[d]);
        if (d != RV_DIMENSION_TIME && !is_same)
            rv_sim_break(money->world, "K50: the run has %lld %s spent, the journal %lld", (long long)purse->spent[d],
                         rv_dimension_name((rv_dimension)d), (long long)money->spent[d]);
    }
    for (uint32_t d = 0; d < RV_DIMENSION_COUNT; d++)
        if (money->world->ledger.added[d] > money->added[d])
            rv_sim_break(money->world, "P1: %lld %s were added to the budget and acknowledged, the journal has %lld",
                         (long long)money->world->ledger.added[d], rv_dimension_name((rv_dimension)d), (long long)money->added[d]);
}

void rv_sim_money_take(rv_sim_money *money, const rv_event *event)
{
    if (!event) {
        end_of_input(money);
        compare_purse(money);
        for (uint32_t d = 0; d < RV_DIMENSION_COUNT && money->has_group; d++)
            money->world->ledger.taken[d] = money->spent[d] + (d < RV_HELD_COUNT ? money->reserved[d] : 0);
    } else if (rv_event_is_input(event->type)) {
        take_input(money, event);
    } else if (event->type == RV_EVENT_RESERVED || event->type == RV_EVENT_RAISED) {
        take_reservation(money, event);
    } else if (event->type == RV_EVENT_SPENT) {
        take_spend(money, event);
    }
}
