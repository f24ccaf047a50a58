#include "kernel/run_private.h"

/* Amounts are at most RV_AMOUNT_MAX each and saturate there, so that two of them can be added and compared. */
static int64_t sum(int64_t a, int64_t b) { return RV_MIN(a + b, RV_AMOUNT_MAX); }

static int64_t tokens_of(const rv_event *usage)
{
    uint64_t in = RV_MIN(usage->tokens_in, (uint64_t)RV_AMOUNT_MAX), out = RV_MIN(usage->tokens_out, (uint64_t)RV_AMOUNT_MAX);
    return sum((int64_t)in, (int64_t)out);
}

static bool is_amount(int64_t amount) { return amount >= 0 && amount <= RV_AMOUNT_MAX; }

static const rv_budget_def *own_budget(const rv_run *run, uint32_t node)
{
    uint32_t index = rv_run_def(run, node)->budget;
    return index ? &rv_run_graph(run, node)->budgets[index - 1] : NULL;
}

/* ---- life ---- */

void rv_limits_init(rv_run *run)
{
    const rv_graph *graph = run->graph;
    rv_limits *limits = &run->limits;
    limits->quotas = graph->quota.limits;
    limits->window_ms = graph->quota.window_ms;
    memcpy(limits->quota, graph->quota.limit, sizeof limits->quota);
    if (graph->budget == 0) return;
    const rv_budget_def *budget = &graph->budgets[graph->budget - 1];
    limits->limits = budget->limits;
    limits->at_limit = budget->at_limit;
    memcpy(limits->limit, budget->limit, sizeof limits->limit);
}

bool rv_run_is_counted(const rv_run *run)
{
    bool has_quota = run->limits.quotas & 1u << RV_QUOTA_ATTEMPTS;
    return run->graph->budget_count || run->limits.limits || has_quota;
}

rv_account *rv_account_of(rv_run *run, uint32_t node)
{
    if (run->nodes[node].account == 0) {
        rv_vec_push(&run->accounts, (rv_account){.node = node});
        run->nodes[node].account = run->accounts.count;
    }
    return &run->accounts.at[run->nodes[node].account - 1];
}

static const rv_account *account_at(const rv_run *run, uint32_t node)
{
    uint32_t index = run->nodes[node].account;
    return index ? &run->accounts.at[index - 1] : NULL;
}

rv_purse rv_run_purse(const rv_run *run, uint32_t node)
{
    if (node == RV_NONE) return run->purse;
    const rv_account *account = account_at(run, node);
    return account ? account->purse : (rv_purse){0};
}

/* ---- what a start wants, and whether it fits ---- */

/* What is left of the run's money or tokens, for each node that is neither over nor under way. */
static int64_t fair_share(const rv_run *run, uint32_t dimension)
{
    const rv_limits *limits = &run->limits;
    int64_t taken = sum(sum(run->purse.spent[dimension], run->purse.reserved[dimension]), limits->elsewhere[dimension]);
    int64_t left = RV_MAX(limits->limit[dimension] - taken, 0);
    uint32_t unsettled = run->counts[RV_NODE_PENDING] + run->counts[RV_NODE_READY] + run->counts[RV_NODE_WAITING];
    return left / RV_MAX(unsettled, 1u);
}

void rv_budget_wants(const rv_run *run, uint32_t node, int64_t ret_wants[RV_DIMENSION_COUNT])
{
    const rv_budget_def *own = own_budget(run, node);
    rv_purse purse = rv_run_purse(run, node);
    memset(ret_wants, 0, sizeof *ret_wants * RV_DIMENSION_COUNT);
    for (uint32_t d = 0; d < RV_HELD_COUNT; d++) {
        if (own && own->limits >> d & 1) ret_wants[d] = RV_MAX(own->limit[d] - sum(purse.spent[d], purse.reserved[d]), 0);
        else if (own && own->estimates >> d & 1) ret_wants[d] = own->estimate[d];
        else if (run->limits.limits >> d & 1 && run->limits.at_limit == RV_AT_LIMIT_PAUSE) ret_wants[d] = fair_share(run, d);
    }
    ret_wants[RV_DIMENSION_ATTEMPTS] = 1;
    ret_wants[RV_DIMENSION_NODES] = run->nodes[node].number == 0;
}

/* What has been taken of a dimension: spent, reserved, and the time of what still runs. */
static int64_t taken_of(const rv_purse *purse, uint32_t dimension, int64_t engine_ms)
{
    int64_t taken = purse->spent[dimension];
    if (dimension < RV_HELD_COUNT) taken = sum(taken, purse->reserved[dimension]);
    if (dimension == RV_DIMENSION_TIME && purse->live) taken = sum(taken, RV_MAX(engine_ms - purse->since_ms, 0));
    return taken;
}

/* The first dimension that so much more does not fit, or RV_DIMENSION_COUNT. */
static rv_dimension shortage_in(const rv_purse *purse, const int64_t *limit, const int64_t *elsewhere, uint32_t limits,
                                const int64_t *wants, int64_t engine_ms, int64_t *ret_left)
{
    for (uint32_t d = 0; d < RV_DIMENSION_COUNT; d++) {
        int64_t taken = taken_of(purse, d, engine_ms);
        if (elsewhere) taken = sum(taken, elsewhere[d]);
        *ret_left = limit[d] - taken;
        if (limits >> d & 1 && sum(taken, wants[d]) > limit[d]) return (rv_dimension)d;
    }
    return RV_DIMENSION_COUNT;
}

bool rv_budget_fits(const rv_run *run, uint32_t node, const int64_t wants[RV_DIMENSION_COUNT], int64_t engine_ms, rv_shortage *ret)
{
    const rv_limits *limits = &run->limits;
    rv_shortage found = {.owner = node};
    for (; found.owner != RV_NONE; found.owner = rv_run_place(run, found.owner)->parent) {
        const rv_budget_def *own = own_budget(run, found.owner);
        if (!own || own->at_limit == RV_AT_LIMIT_WARN) continue;
        rv_purse purse = rv_run_purse(run, found.owner);
        found.dimension = shortage_in(&purse, own->limit, NULL, own->limits, wants, engine_ms, &found.left);
        found.at_limit = (rv_at_limit)own->at_limit;
        if (found.dimension != RV_DIMENSION_COUNT) break;
    }
    if (found.owner == RV_NONE) {
        if (limits->at_limit == RV_AT_LIMIT_WARN) return true;
        found.dimension = shortage_in(&run->purse, limits->limit, limits->elsewhere, limits->limits, wants, engine_ms, &found.left);
        found.at_limit = (rv_at_limit)limits->at_limit;
        if (found.dimension == RV_DIMENSION_COUNT) return true;
    }
    found.wanted = wants[found.dimension];
    *ret = found;
    return false;
}

bool rv_budget_is_over(const rv_run *run, uint32_t node, bool exactly)
{
    const rv_budget_def *own = own_budget(run, node);
    const rv_account *account = account_at(run, node);
    if (!own || !account || own->at_limit == RV_AT_LIMIT_WARN) return false;
    for (uint32_t d = 0; d < RV_DIMENSION_COUNT; d++)
        if (own->limits >> d & 1 && account->purse.spent[d] + exactly > own->limit[d]) return true;
    return false;
}

/* ---- facts ---- */

static void open_in(rv_purse *purse, const rv_event *event, bool is_first)
{
    if (purse->live++ == 0) purse->since_ms = event->due_ms;
    purse->reserved[RV_DIMENSION_USD] = sum(purse->reserved[RV_DIMENSION_USD], event->cost);
    purse->reserved[RV_DIMENSION_TOKENS] = sum(purse->reserved[RV_DIMENSION_TOKENS], event->amount);
    purse->spent[RV_DIMENSION_ATTEMPTS] = sum(purse->spent[RV_DIMENSION_ATTEMPTS], 1);
    purse->spent[RV_DIMENSION_NODES] = sum(purse->spent[RV_DIMENSION_NODES], is_first);
}

static bool apply_reserved(rv_run *run, const rv_event *event)
{
    rv_account *account = rv_account_of(run, event->node);
    if (!is_amount(event->cost) || !is_amount(event->amount) || account->is_open || run->nodes[event->node].state != RV_NODE_READY)
        return false;
    account->is_open = true;
    account->held[RV_DIMENSION_USD] = event->cost;
    account->held[RV_DIMENSION_TOKENS] = event->amount;
    bool is_first = run->nodes[event->node].number == 0;
    for (uint32_t owner = event->node; owner != RV_NONE; owner = rv_run_place(run, owner)->parent)
        open_in(&rv_account_of(run, owner)->purse, event, is_first);
    open_in(&run->purse, event, is_first);
    return true;
}

static bool apply_raised(rv_run *run, const rv_event *event)
{
    const int64_t more[RV_HELD_COUNT] = {event->cost, event->amount};
    if (!is_amount(event->cost) || !is_amount(event->amount) || !rv_account_of(run, event->node)->is_open) return false;
    for (uint32_t d = 0; d < RV_HELD_COUNT; d++) {
        rv_account *account = rv_account_of(run, event->node);
        account->held[d] = sum(account->held[d], more[d]);
        run->purse.reserved[d] = sum(run->purse.reserved[d], more[d]);
        for (uint32_t owner = event->node; owner != RV_NONE; owner = rv_run_place(run, owner)->parent) {
            rv_purse *purse = &rv_account_of(run, owner)->purse;
            purse->reserved[d] = sum(purse->reserved[d], more[d]);
        }
    }
    return true;
}

/* held: what is given back. */
static void close_in(rv_purse *purse, const rv_event *event, const int64_t *held, bool was_open)
{
    const int64_t actual[RV_HELD_COUNT] = {event->cost, event->amount};
    for (uint32_t d = 0; d < RV_HELD_COUNT; d++) {
        purse->reserved[d] = RV_MAX(purse->reserved[d] - held[d], 0);
        purse->spent[d] = sum(purse->spent[d], actual[d]);
        purse->beyond[d] = sum(purse->beyond[d], RV_MAX(actual[d] - held[d], 0));
    }
    purse->cached = sum(purse->cached, (int64_t)event->tokens_cached);
    if (!was_open || --purse->live) return;
    purse->spent[RV_DIMENSION_TIME] = sum(purse->spent[RV_DIMENSION_TIME], RV_MAX(event->due_ms - purse->since_ms, 0));
    purse->since_ms = 0;
}

static bool apply_spent(rv_run *run, const rv_event *event)
{
    if (!is_amount(event->cost) || !is_amount(event->amount) || event->tokens_cached > (uint64_t)RV_AMOUNT_MAX) return false;
    rv_account before = *rv_account_of(run, event->node);
    for (uint32_t owner = event->node; owner != RV_NONE; owner = rv_run_place(run, owner)->parent)
        close_in(&rv_account_of(run, owner)->purse, event, before.held, before.is_open);
    close_in(&run->purse, event, before.held, before.is_open);
    rv_account *account = rv_account_of(run, event->node);
    account->is_open = false;
    memset(account->held, 0, sizeof account->held);
    memset(account->reported, 0, sizeof account->reported);
    account->reported_cached = 0;
    return true;
}

bool rv_usage_is_sound(const rv_event *input)
{
    return is_amount(input->cost) && input->tokens_in <= (uint64_t)RV_AMOUNT_MAX && input->tokens_out <= (uint64_t)RV_AMOUNT_MAX &&
           input->tokens_cached <= (uint64_t)RV_AMOUNT_MAX;
}

static bool apply_usage(rv_run *run, const rv_event *event)
{
    if (!rv_usage_is_sound(event)) return false;
    rv_account *account = rv_account_of(run, event->node);
    account->reported[RV_DIMENSION_USD] = event->cost;
    account->reported[RV_DIMENSION_TOKENS] = tokens_of(event);
    account->reported_cached = (int64_t)event->tokens_cached;
    return true;
}

static bool apply_warned(rv_run *run, const rv_event *event)
{
    if (event->state >= RV_DIMENSION_COUNT) return false;
    rv_purse *purse = event->node == RV_NONE ? &run->purse : &rv_account_of(run, event->node)->purse;
    purse->warned |= (uint8_t)(1u << event->state);
    return true;
}

/* ---- limits that change ---- */

/* What began before anything was counted counts as well. */
static void start_counting(rv_run *run)
{
    for (uint32_t node = 0; node < run->node_count; node++) {
        bool counts = rv_kind_needs_slot(rv_run_kind(run, node)) && !rv_run_is_handler(run, node);
        if (!counts) continue;
        run->purse.spent[RV_DIMENSION_ATTEMPTS] += run->nodes[node].number;
        run->purse.spent[RV_DIMENSION_NODES] += run->nodes[node].number > 0;
    }
}

bool rv_budget_is_sound(const rv_run *run, const rv_event *input)
{
    if (input->state >= RV_DIMENSION_COUNT || input->flags > (RV_BUDGET_SET | RV_BUDGET_ELSEWHERE)) return false;
    bool is_change = !(input->flags & (RV_BUDGET_SET | RV_BUDGET_ELSEWHERE));
    bool has_limit = run->limits.limits >> input->state & 1;
    if (is_change && !has_limit) return false; /* nothing to add to */
    if (!is_change) return is_amount(input->amount);
    return input->amount >= -RV_AMOUNT_MAX && input->amount <= RV_AMOUNT_MAX;
}

static bool apply_budget(rv_run *run, const rv_event *event)
{
    rv_limits *limits = &run->limits;
    uint32_t d = event->state;
    if (!rv_budget_is_sound(run, event)) return false;
    if (!rv_run_is_counted(run)) start_counting(run);
    if (event->flags & RV_BUDGET_ELSEWHERE) limits->elsewhere[d] = event->amount;
    else if (event->flags & RV_BUDGET_SET) limits->limit[d] = event->amount;
    else limits->limit[d] = RV_MAX(sum(limits->limit[d], event->amount), 0);
    if (!(event->flags & RV_BUDGET_ELSEWHERE)) limits->limits |= (uint8_t)(1u << d);
    int64_t taken = sum(taken_of(&run->purse, d, run->purse.since_ms), limits->elsewhere[d]);
    run->purse.beyond[d] = RV_MAX(run->purse.beyond[d], taken - limits->limit[d]); /* keeps (3) */
    return true;
}

static bool apply_quota(rv_run *run, const rv_event *event)
{
    rv_limits *limits = &run->limits;
    if (event->state >= RV_QUOTA_COUNT || event->amount < -1 || event->amount > RV_AMOUNT_MAX) return false;
    uint8_t bit = (uint8_t)(1u << event->state);
    bool was_counted = rv_run_is_counted(run);
    limits->quota[event->state] = RV_MAX(event->amount, 0);
    if (event->amount < 0) limits->quotas &= (uint8_t)~bit;
    else limits->quotas |= bit;
    if (event->state == RV_QUOTA_CONCURRENT) limits->crowd = run->running;
    if (!was_counted && rv_run_is_counted(run)) start_counting(run);
    return true;
}

bool rv_budget_apply(rv_run *run, const rv_event *event)
{
    if (event->type == RV_EVENT_BUDGET) return apply_budget(run, event);
    if (event->type == RV_EVENT_QUOTA) return apply_quota(run, event);
    if (event->type == RV_EVENT_USAGE) return apply_usage(run, event);
    if (event->type == RV_EVENT_RESERVED) return apply_reserved(run, event);
    if (event->type == RV_EVENT_RAISED) return apply_raised(run, event);
    if (event->type == RV_EVENT_SPENT) return apply_spent(run, event);
    RV_ASSERT(event->type == RV_EVENT_WARNED);
    return apply_warned(run, event);
}

/* ---- what is told ---- */

void rv_budget_words(rv_dimension dimension, int64_t amount, rv_buf *out)
{
    uint64_t size = (uint64_t)RV_MAX(amount, -amount);
    const char *sign = amount < 0 ? "-" : "";
    rv_buf_printf(out, "%s %s", rv_dimension_name(dimension), sign);
    if (dimension != RV_DIMENSION_USD) {
        rv_buf_printf(out, "%llu%s", (unsigned long long)size, dimension == RV_DIMENSION_TIME ? " ms" : "");
        return;
    }
    uint32_t micro = (uint32_t)(size % 1000000u);
    if (micro % 10000u) rv_buf_printf(out, "%llu.%06u", (unsigned long long)(size / 1000000u), micro);
    else rv_buf_printf(out, "%llu.%02u", (unsigned long long)(size / 1000000u), micro / 10000u);
}

/* Dollars as a JSON number, digit by digit: no rounding through a double. */
static void write_amount(rv_json_writer *w, const char *key, uint32_t dimension, int64_t amount)
{
    rv_buf text = {0};
    if (dimension != RV_DIMENSION_USD) {
        rv_jw_kv_i64(w, key, amount);
        return;
    }
    uint64_t size = (uint64_t)RV_MAX(amount, -amount);
    rv_buf_printf(&text, "%s%llu.%06u", amount < 0 ? "-" : "", (unsigned long long)(size / 1000000u), (uint32_t)(size % 1000000u));
    while (text.at[text.size - 1] == '0') text.size--;
    if (text.at[text.size - 1] == '.') text.size--;
    rv_jw_key(w, key);
    rv_jw_raw(w, rv_buf_str(&text));
    rv_buf_deinit(&text);
}

static void write_dimension(const rv_run *run, uint32_t d, int64_t engine_ms, rv_json_writer *w)
{
    int64_t taken = sum(taken_of(&run->purse, d, engine_ms), run->limits.elsewhere[d]);
    int64_t reserved = d < RV_HELD_COUNT ? run->purse.reserved[d] : 0;
    rv_jw_key(w, rv_dimension_name((rv_dimension)d));
    rv_jw_object(w);
    write_amount(w, "used", d, taken - reserved);
    write_amount(w, "reserved", d, reserved);
    write_amount(w, "max", d, run->limits.limit[d]);
    write_amount(w, "remaining", d, run->limits.limit[d] - taken);
    rv_jw_object_end(w);
}

bool rv_run_headroom(const rv_run *run, int64_t engine_ms, rv_json_writer *w)
{
    const rv_limits *limits = &run->limits;
    const int64_t used[RV_QUOTA_COUNT] = {[RV_QUOTA_CONCURRENT] = run->running,
                                          [RV_QUOTA_ATTEMPTS] = run->purse.spent[RV_DIMENSION_ATTEMPTS],
                                          [RV_QUOTA_NODES] = run->node_count};
    const uint32_t told = limits->quotas & (1u << RV_QUOTA_CONCURRENT | 1u << RV_QUOTA_ATTEMPTS | 1u << RV_QUOTA_NODES);
    if (!limits->limits && !told) return false;
    rv_jw_object(w);
    for (uint32_t d = 0; d < RV_DIMENSION_COUNT; d++)
        if (limits->limits >> d & 1) write_dimension(run, d, engine_ms, w);
    rv_jw_kv_i64(w, "running", run->running);
    rv_jw_key(w, "quota");
    rv_jw_object(w);
    for (uint32_t q = 0; q < RV_QUOTA_COUNT; q++) {
        if (!(told >> q & 1)) continue;
        rv_jw_key(w, rv_quota_name((rv_quota)q));
        rv_jw_object(w);
        rv_jw_kv_i64(w, "used", used[q]);
        rv_jw_kv_i64(w, "max", limits->quota[q]);
        rv_jw_kv_i64(w, "remaining", RV_MAX(limits->quota[q] - used[q], 0));
        rv_jw_object_end(w);
    }
    rv_jw_object_end(w);
    rv_jw_object_end(w);
    return true;
}
