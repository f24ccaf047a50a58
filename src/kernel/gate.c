#include "kernel/run_private.h"

#include <stdarg.h>

static RV_PRINTF(4, 5) rv_gate_answer answer(rv_gate_kind kind, const char *stage, int64_t retry_after_ms, const char *format, ...)
{
    rv_gate_answer made = {.kind = kind, .stage = stage, .retry_after_ms = retry_after_ms};
    rv_buf text = {0};
    va_list args;
    va_start(args, format);
    rv_buf_vprintf(&text, format, args);
    va_end(args);
    size_t size = RV_MIN(text.size, sizeof made.reason - 1);
    memcpy(made.reason, text.at, size);
    rv_buf_deinit(&text);
    return made;
}

static const rv_gate_answer ALLOWED = {.kind = RV_GATE_ALLOW};

bool rv_run_is_quarantined(const rv_run *run, uint32_t node)
{
    for (; node != RV_NONE; node = rv_run_above(run, node))
        if (rv_run_def(run, node)->flags & RV_NODE_F_QUARANTINED) return true;
    return false;
}

static bool has_quota(const rv_run *run, rv_quota quota) { return run->limits.quotas >> quota & 1; }

bool rv_run_is_held_back(const rv_run *run)
{
    if (run->paused) return true;
    return has_quota(run, RV_QUOTA_CONCURRENT) && run->limits.quota[RV_QUOTA_CONCURRENT] > 0 &&
           run->running >= run->limits.quota[RV_QUOTA_CONCURRENT];
}

/* ---- spawn ---- */

static rv_gate_answer gate_trust(const rv_run *run, const rv_gate_request *request)
{
    rv_isolation isolation = rv_node_isolation(rv_run_def(run, request->node));
    bool can_write = isolation == RV_ISOLATION_SHARED || isolation == RV_ISOLATION_WORKTREE;
    if (!can_write || !rv_run_is_quarantined(run, request->node)) return ALLOWED;
    return answer(RV_GATE_DENY, "trust", 0, "a quarantined node may not write: its isolation is %s; set it to read_only or none",
                  rv_isolation_name(isolation));
}

static rv_gate_answer gate_quota(const rv_run *run, const rv_gate_request *request)
{
    long long attempts = run->limits.quota[RV_QUOTA_ATTEMPTS], concurrent = run->limits.quota[RV_QUOTA_CONCURRENT];
    bool is_held = !rv_run_is_handler(run, request->node);
    if (has_quota(run, RV_QUOTA_ATTEMPTS) && is_held && run->purse.spent[RV_DIMENSION_ATTEMPTS] >= attempts)
        return answer(RV_GATE_DENY, "quota", 0, "the quota of %lld attempts in all is used up", attempts);
    if (has_quota(run, RV_QUOTA_CONCURRENT) && concurrent == 0)
        return answer(RV_GATE_DENY, "quota", 0, "the quota of concurrent attempts is 0");
    return ALLOWED;
}

static rv_gate_answer gate_slot(const rv_run *run, const rv_gate_request *request)
{
    (void)request;
    if (!rv_run_is_held_back(run)) return ALLOWED;
    if (run->paused) return answer(RV_GATE_DEFER, "budget", 0, "the run is paused: its budget does not do");
    return answer(RV_GATE_DEFER, "quota", 0, "the quota of %lld concurrent attempts is in use",
                  (long long)run->limits.quota[RV_QUOTA_CONCURRENT]);
}

static rv_gate_answer gate_budget(const rv_run *run, const rv_gate_request *request)
{
    int64_t wants[RV_DIMENSION_COUNT];
    rv_shortage shortage;
    if (!rv_run_is_counted(run) || rv_run_is_handler(run, request->node)) return ALLOWED;
    rv_budget_wants(run, request->node, wants);
    if (rv_budget_fits(run, request->node, wants, request->now.engine_ms, &shortage)) return ALLOWED;
    rv_buf wanted = {0}, left = {0};
    rv_budget_words(shortage.dimension, shortage.wanted, &wanted);
    rv_budget_words(shortage.dimension, shortage.left, &left);
    rv_gate_kind kind = shortage.owner == RV_NONE && shortage.at_limit == RV_AT_LIMIT_PAUSE ? RV_GATE_ASK : RV_GATE_DENY;
    rv_gate_answer made = answer(kind, "budget", 0, "the budget of %s has %s left, the next attempt needs %s",
                                 shortage.owner == RV_NONE ? "the run" : shortage.owner == request->node ? "the node" : "its controller",
                                 left.at, wanted.at);
    made.is_budget = true;
    made.shortage = shortage;
    rv_buf_deinit(&wanted);
    rv_buf_deinit(&left);
    return made;
}

/* ---- growth ---- */

static rv_gate_answer gate_growth(const rv_run *run, const rv_gate_request *request)
{
    long long nodes = run->limits.quota[RV_QUOTA_NODES], depth = run->limits.quota[RV_QUOTA_DEPTH];
    if (has_quota(run, RV_QUOTA_DEPTH) && request->depth > depth)
        return answer(RV_GATE_DENY, "depth", 0, "nodes may stand %lld deep beneath those of the file, these would be %u deep", depth,
                      request->depth);
    if (has_quota(run, RV_QUOTA_NODES) && (uint64_t)run->node_count + request->count > (uint64_t)nodes)
        return answer(RV_GATE_DENY, "growth", 0, "the run may have %lld nodes, it has %u and would grow by %u", nodes, run->node_count,
                      request->count);
    return ALLOWED;
}

/* ---- rates ---- */

/* A window that is full opens again when the oldest call in it has left it. */
static rv_gate_answer rate_of(const char *stage, uint32_t recent, int64_t max, int64_t window_ms, int64_t oldest_ms, int64_t engine_ms)
{
    if (recent < max) return ALLOWED;
    if (max == 0) return answer(RV_GATE_DENY, stage, 0, "a limit of 0 allows none");
    int64_t retry_after_ms = RV_MAX(rv_time_after(oldest_ms, window_ms) - engine_ms, 1);
    return answer(RV_GATE_RATE_LIMITED, stage, retry_after_ms, "%lld within %lld ms are allowed", (long long)max, (long long)window_ms);
}

static rv_gate_answer gate_write(const rv_run *run, const rv_gate_request *request)
{
    const rv_limits *limits = &run->limits;
    if (!has_quota(run, RV_QUOTA_WRITES)) return ALLOWED;
    return rate_of("rate", request->recent, limits->quota[RV_QUOTA_WRITES], limits->window_ms, request->oldest_ms, request->now.engine_ms);
}

/* ---- tools [K32] ---- */

static bool names(rv_str capability, rv_str tool)
{
    bool is_prefix = capability.size && capability.at[capability.size - 1] == '*';
    if (!is_prefix) return rv_str_eq(capability, tool);
    return rv_str_starts(tool, rv_str_cut(capability, 0, capability.size - 1));
}

static rv_gate_answer tool_capability(const rv_run *run, const rv_gate_request *request)
{
    (void)run;
    for (uint32_t i = 0; i < request->capability_count; i++)
        if (names(request->capabilities[i], request->tool)) return ALLOWED;
    return answer(RV_GATE_DENY, "capability", 0, "%.*s is not among the node's capabilities", RV_FMT(rv_str_cut(request->tool, 0, 64)));
}

static rv_gate_answer tool_constraint(const rv_run *run, const rv_gate_request *request)
{
    (void)run;
    if (request->constraint.size == 0) return ALLOWED;
    return answer(RV_GATE_DENY, "constraint", 0, "%.*s", RV_FMT(request->constraint));
}

static rv_gate_answer tool_permission(const rv_run *run, const rv_gate_request *request)
{
    (void)run;
    if (request->permission == RV_PERMISSION_ALLOW) return ALLOWED;
    if (request->permission == RV_PERMISSION_DENY) return answer(RV_GATE_DENY, "permission", 0, "it is not permitted");
    return answer(RV_GATE_ASK, "permission", 0, "somebody must permit it");
}

static rv_gate_answer tool_veto(const rv_run *run, const rv_gate_request *request)
{
    (void)run;
    return request->veto.size == 0 ? ALLOWED : answer(RV_GATE_DENY, "veto", 0, "%.*s", RV_FMT(request->veto));
}

static rv_gate_answer tool_rate(const rv_run *run, const rv_gate_request *request)
{
    (void)run;
    if (request->rate_max == 0) return ALLOWED;
    return rate_of("rate", request->recent, request->rate_max, request->window_ms, request->oldest_ms, request->now.engine_ms);
}

/* What can write needs a sandbox that holds it where its node may not write. */
static rv_gate_answer tool_sandbox(const rv_run *run, const rv_gate_request *request)
{
    rv_isolation isolation = rv_node_isolation(rv_run_def(run, request->node));
    bool may_write = !rv_run_is_quarantined(run, request->node) && (isolation == RV_ISOLATION_SHARED || isolation == RV_ISOLATION_WORKTREE);
    if (!request->writes || may_write || request->is_sandboxed) return ALLOWED;
    return answer(RV_GATE_DENY, "sandbox", 0, "it can write, its node may not, and no sandbox would hold it");
}

static rv_gate_answer tool_audit(const rv_run *run, const rv_gate_request *request)
{
    (void)run;
    return request->is_audited ? ALLOWED : answer(RV_GATE_DENY, "audit", 0, "its record cannot be written");
}

/* ---- one gate ---- */

typedef rv_gate_answer stage_fn(const rv_run *run, const rv_gate_request *request);

#define STAGES_MAX RV_TOOL_STAGE_COUNT
static stage_fn *const pipelines[RV_GATE_VERB_COUNT][STAGES_MAX] = {
    [RV_GATE_VERB_SPAWN] = {gate_trust, gate_quota, gate_slot, gate_budget},
    [RV_GATE_VERB_SUBMIT] = {gate_growth},
    [RV_GATE_VERB_TOOL] = {
        [RV_TOOL_STAGE_CAPABILITY] = tool_capability, [RV_TOOL_STAGE_CONSTRAINT] = tool_constraint,
        [RV_TOOL_STAGE_PERMISSION] = tool_permission, [RV_TOOL_STAGE_VETO] = tool_veto, [RV_TOOL_STAGE_RATE] = tool_rate,
        [RV_TOOL_STAGE_SANDBOX] = tool_sandbox, [RV_TOOL_STAGE_AUDIT] = tool_audit},
    [RV_GATE_VERB_MEMORY_WRITE] = {gate_write},
};

rv_gate_answer rv_gate(const rv_run *run, const rv_gate_request *request)
{
    RV_ASSERT(request->verb < RV_GATE_VERB_COUNT && request->node < run->node_count);
    for (uint32_t i = 0; i < STAGES_MAX && pipelines[request->verb][i]; i++) {
        rv_gate_answer made = pipelines[request->verb][i](run, request);
        if (made.kind != RV_GATE_ALLOW) return made;
    }
    return ALLOWED;
}

rv_gate_answer rv_gate_growth(const rv_run *run, uint32_t node, uint32_t count, bool beside)
{
    rv_gate_request request = {.verb = RV_GATE_VERB_SUBMIT, .node = node, .count = count, .depth = !beside};
    for (uint32_t at = rv_run_above(run, node); at != RV_NONE; at = rv_run_above(run, at)) request.depth++;
    return rv_gate(run, &request);
}
