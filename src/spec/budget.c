#include "spec/write.h"

/* budget, quota: from the file's words to the graph's numbers; and what about them only the whole file can tell. */

/* ---- money ---- */

/* Digits, perhaps a point and up to six more: no rounding ever. */
bool rv_doc_micro(const rv_doc *doc, uint32_t value, int64_t *ret)
{
    rv_str text = rv_doc_text(doc, value);
    int64_t micro = 0, unit = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.at[i] == '.' && unit == 0 && i > 0) {
            unit = 1000000;
            continue;
        }
        if (text.at[i] < '0' || text.at[i] > '9' || unit == 1 || micro > RV_MONEY_MAX * 10) return false;
        micro = micro * 10 + (text.at[i] - '0');
        unit /= 10;
    }
    if (text.size == 0 || text.at[text.size - 1] == '.') return false;
    micro *= unit ? unit : 1000000;
    *ret = micro;
    return micro <= RV_MONEY_MAX * 1000000;
}

/* ---- the graph's numbers ---- */

static rv_dimension dimension_of(rv_str key)
{
    for (uint32_t d = 0; d < RV_DIMENSION_COUNT; d++)
        if (rv_str_is(key, rv_dimension_name((rv_dimension)d))) return (rv_dimension)d;
    return RV_DIMENSION_COUNT;
}

static int64_t amount_of(const rv_doc *doc, uint32_t value, rv_dimension dimension)
{
    int64_t amount = 0;
    bool is_sound = dimension == RV_DIMENSION_USD ? rv_doc_micro(doc, value, &amount)
                    : dimension == RV_DIMENSION_TIME ? rv_doc_ms(doc, value, &amount) : rv_doc_i64(doc, value, &amount);
    RV_ASSERT(is_sound); /* it was checked against its type */
    return amount;
}

static void take_amounts(const rv_doc *doc, uint32_t map, int64_t *amounts, uint8_t *set)
{
    for (uint32_t key = map + 1, end = rv_doc_next(doc, map); key < end; key = rv_doc_next(doc, key + 1)) {
        rv_dimension dimension = dimension_of(rv_doc_text(doc, key));
        if (dimension == RV_DIMENSION_COUNT) continue;
        amounts[dimension] = amount_of(doc, key + 1, dimension);
        *set |= (uint8_t)(1u << dimension);
    }
}

uint32_t rv_writer_budget(rv_writer *w, uint32_t map, rv_at_limit fallback)
{
    const rv_doc *doc = &w->loader->doc;
    rv_budget_def budget = {.at_limit = (uint8_t)fallback};
    if (map == RV_NONE) return 0;
    uint32_t estimate = rv_doc_get(doc, map, "estimate"), at_limit = rv_doc_get(doc, map, "at_limit");
    uint32_t group = rv_doc_get(doc, map, "group");
    if (group != RV_NONE) budget.group = rv_writer_extra(w, rv_doc_text(doc, group));
    take_amounts(doc, map, budget.limit, &budget.limits);
    if (estimate != RV_NONE) take_amounts(doc, estimate, budget.estimate, &budget.estimates);
    for (uint32_t i = 0; i < RV_AT_LIMIT_COUNT && at_limit != RV_NONE; i++)
        if (rv_str_is(rv_doc_text(doc, at_limit), rv_at_limit_name((rv_at_limit)i))) budget.at_limit = (uint8_t)i;
    rv_vec_push(&w->budgets, budget);
    return w->budgets.count;
}

void rv_writer_quota(rv_writer *w, uint32_t map, rv_quota_def *ret)
{
    const rv_doc *doc = &w->loader->doc;
    for (uint32_t q = 0; q < RV_QUOTA_COUNT && map != RV_NONE; q++) {
        uint32_t value = rv_doc_get(doc, map, rv_quota_name((rv_quota)q));
        if (value == RV_NONE) continue;
        bool is_window = q == RV_QUOTA_WRITES;
        if (is_window) RV_ASSERT(rv_doc_ms(doc, rv_doc_get(doc, value, "per"), &ret->window_ms));
        RV_ASSERT(rv_doc_i64(doc, is_window ? rv_doc_get(doc, value, "max") : value, &ret->limit[q]));
        ret->limits |= (uint8_t)(1u << q);
    }
}

/* ---- what the whole file tells ---- */

void rv_loader_quota(rv_loader *l)
{
    uint32_t quota = l->files.at[0].keys[RV_FK_QUOTA];
    uint32_t value = quota == RV_NONE || rv_doc_kind_of(&l->doc, quota) != RV_DOC_MAP ? RV_NONE : rv_doc_get(&l->doc, quota, "nodes");
    int64_t most = 0;
    if (value == RV_NONE || !rv_doc_i64(&l->doc, value, &most) || l->top_count <= most) return;
    rv_loader_error(l, value, 0, RV_STR("raise the quota"), "the file alone has %u nodes and handlers, its quota allows %lld", l->top_count,
                    (long long)most);
}
