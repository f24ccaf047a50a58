#include "engine/inner.h"

/* Money and tokens: what an attempt says that it has spent, and what people add to a budget [K42, K50]. */

#define CHANGES_MAX 8u /* that one answer makes */
#define DIGITS_MAX 17 /* of a number that is kept; what follows them is rounded up */

/* A JSON number, dollars or a count, times 10^places, rounded up: spend is never counted too low. false: below 0, or no number. */
static bool scaled(rv_str text, int places, int64_t *ret)
{
    int64_t value = 0;
    int digits = 0, exponent = 0, shift = 0;
    bool has_point = false, is_cut = false;
    size_t i = 0;
    for (; i < text.size && text.at[i] != 'e' && text.at[i] != 'E'; i++) {
        if (text.at[i] == '.' && !has_point && i > 0) { has_point = true; continue; }
        if (text.at[i] < '0' || text.at[i] > '9') return false;
        if (digits < DIGITS_MAX) value = value * 10 + (text.at[i] - '0'), digits += value > 0, shift -= has_point;
        else is_cut |= text.at[i] != '0', shift += !has_point;
    }
    if (i == 0) return false;
    bool is_small = ++i < text.size && text.at[i] == '-';
    if (i < text.size && (text.at[i] == '-' || text.at[i] == '+')) i++;
    for (; i < text.size; i++) {
        if (text.at[i] < '0' || text.at[i] > '9') return false;
        exponent = RV_MIN(exponent * 10 + (text.at[i] - '0'), 1000);
    }
    shift += places + (is_small ? -exponent : exponent);
    value += is_cut;
    for (; shift > 0 && value < RV_AMOUNT_MAX / 10; shift--) value *= 10;
    if (shift > 0 && value > 0) value = RV_AMOUNT_MAX;
    for (; shift < 0 && value > 0; shift++) value = value / 10 + (value % 10 != 0);
    *ret = RV_MIN(value, RV_AMOUNT_MAX);
    return true;
}

/* What an attempt reports stays in its result; numbers may be strings, as lines of key=value give them. */
static bool take(rv_attempt *attempt, const rv_json *result, const char *key, int places, int64_t *ret)
{
    const rv_json *value = rv_json_get(result, rv_str_of(key));
    bool is_text = value && (value->kind == RV_JSON_NUMBER || value->kind == RV_JSON_STRING);
    if (!value) return false;
    if (is_text && scaled(value->text, places, ret)) return true;
    rv_buf text = {0};
    rv_str name = rv_job_node_id(attempt->job, attempt->node);
    rv_buf_printf(&text, "%.*s: `%s` is not a number from 0 on, and counts for nothing", RV_FMT(name), key);
    rv_engine_notice(attempt->job->engine, (rv_notice){.type = NOTICE_NOTE, .job = attempt->job}, rv_buf_str(&text), RV_STR(""));
    rv_buf_deinit(&text);
    return false;
}

void rv_usage_take(rv_attempt *attempt)
{
    rv_arena arena = {0};
    rv_json *result = NULL;
    int64_t in = 0, out = 0, cached = 0;
    rv_str text = rv_buf_str(&attempt->result);
    bool may_say = text.at && text.size && (memmem(text.at, text.size, "\"cost_usd\"", 10) || memmem(text.at, text.size, "\"tokens_", 8));
    if (may_say && rv_json_parse(&arena, text, &result, NULL) == RV_OK && result->kind == RV_JSON_OBJECT) {
        attempt->has_usage |= take(attempt, result, "cost_usd", 6, &attempt->cost);
        attempt->has_usage |= take(attempt, result, "tokens_in", 0, &in);
        attempt->has_usage |= take(attempt, result, "tokens_out", 0, &out);
        attempt->has_usage |= take(attempt, result, "tokens_cached", 0, &cached);
    }
    attempt->tokens_in = (uint64_t)in;
    attempt->tokens_out = (uint64_t)out;
    attempt->tokens_cached = (uint64_t)cached;
    rv_arena_deinit(&arena);
}

void rv_usage_tell(rv_attempt *attempt)
{
    rv_event usage = {.type = RV_EVENT_USAGE, .node = attempt->node, .epoch = attempt->epoch, .flags = RV_USAGE_FINAL,
                      .cost = attempt->cost, .tokens_in = attempt->tokens_in, .tokens_out = attempt->tokens_out,
                      .tokens_cached = attempt->tokens_cached};
    if (attempt->has_usage) rv_engine_step(attempt->job, &usage, false);
}

/* ---- more of a budget ---- */

static rv_status amount_of(const rv_run *run, const rv_json *item, rv_event *ret, rv_error *err)
{
    *ret = (rv_event){.type = RV_EVENT_BUDGET, .node = RV_NONE, .state = RV_DIMENSION_COUNT};
    for (uint32_t d = 0; d < RV_DIMENSION_COUNT; d++)
        if (rv_str_is(item->key, rv_dimension_name((rv_dimension)d))) ret->state = d;
    if (ret->state == RV_DIMENSION_COUNT)
        return rv_error_set(err, RV_INVALID, "`%.*s` is no dimension of a budget: usd, tokens, time, attempts, nodes", RV_FMT(item->key));
    if (!(run->limits.limits >> ret->state & 1))
        return rv_error_set(err, RV_CONFLICT, "the run has no budget of %.*s that could be added to", RV_FMT(item->key));
    bool is_text = item->kind == RV_JSON_STRING || item->kind == RV_JSON_NUMBER;
    bool is_time = ret->state == RV_DIMENSION_TIME && item->kind == RV_JSON_STRING;
    bool is_good = is_time ? rv_duration_parse(item->text, &ret->amount)
                           : is_text && scaled(item->text, ret->state == RV_DIMENSION_USD ? 6 : 0, &ret->amount);
    if (!is_good) return rv_error_set(err, RV_INVALID, "`%.*s` wants an amount such as usd=5, tokens=1000 or time=10m", RV_FMT(item->key));
    return RV_OK;
}

static rv_status quota_of(const rv_json *item, rv_event *ret, rv_error *err)
{
    *ret = (rv_event){.type = RV_EVENT_QUOTA, .node = RV_NONE, .state = RV_QUOTA_COUNT, .amount = -1};
    for (uint32_t q = 0; q < RV_QUOTA_COUNT; q++)
        if (rv_str_is(item->key, rv_quota_name((rv_quota)q))) ret->state = q;
    if (ret->state == RV_QUOTA_COUNT)
        return rv_error_set(err, RV_INVALID, "`%.*s` is no quota: concurrent, attempts, depth, nodes, writes", RV_FMT(item->key));
    bool is_text = item->kind == RV_JSON_STRING || item->kind == RV_JSON_NUMBER;
    bool is_good = is_text && (rv_str_is(item->text, "none") || scaled(item->text, 0, &ret->amount));
    return is_good ? RV_OK : rv_error_set(err, RV_INVALID, "`%.*s` wants a number such as concurrent=4, or `none`", RV_FMT(item->key));
}

/* One event for each member of {"add":{…}} or of {"quota":{…}}. */
static rv_status events_of(rv_job *job, const rv_json *value, rv_event *events, uint32_t *ret_count, rv_error *err)
{
    const rv_json *add = rv_json_get(value, RV_STR("add")), *quota = rv_json_get(value, RV_STR("quota")), *given = add ? add : quota;
    rv_status status = RV_OK;
    if (!given || (add && quota) || given->kind != RV_JSON_OBJECT || !given->child || given->count > CHANGES_MAX)
        return rv_error_set(err, RV_INVALID, "a budget wants {\"add\":{\"usd\":5}} or {\"quota\":{\"concurrent\":4}}");
    for (const rv_json *item = given->child; item && status == RV_OK; item = item->next, ++*ret_count)
        status = add ? amount_of(job->run, item, &events[*ret_count], err) : quota_of(item, &events[*ret_count], err);
    return status;
}

rv_status rv_usage_more(rv_job *job, rv_str value_json, rv_str by, rv_answer *ret, rv_error *err)
{
    rv_arena arena = {0};
    rv_json *value = NULL;
    rv_event events[CHANGES_MAX];
    uint32_t count = 0;
    rv_status status = rv_json_parse(&arena, value_json, &value, err);
    if (status == RV_OK) status = events_of(job, value, events, &count, err);
    for (uint32_t i = 0; i < count && status == RV_OK; i++) {
        events[i].text = by;
        *ret = rv_engine_step(job, &events[i], true);
    }
    rv_arena_deinit(&arena);
    return status;
}
