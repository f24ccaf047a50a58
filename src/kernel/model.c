#include "kernel/model.h"

/* One table a list; the lists in model.h are the only source. */

#define X(name_, text_, ...) text_,
static const char *const kind_names[] = {RV_KIND_MAP(X)};
static const char *const dep_policy_names[] = {RV_DEP_POLICY_MAP(X)};
static const char *const node_state_names[] = {RV_NODE_STATE_MAP(X)};
static const char *const detail_names[] = {RV_DETAIL_MAP(X)};
static const char *const attempt_state_names[] = {RV_ATTEMPT_STATE_MAP(X)};
static const char *const run_state_names[] = {RV_RUN_STATE_MAP(X)};
static const char *const task_state_names[] = {RV_TASK_STATE_MAP(X)};
static const char *const interaction_names[] = {RV_INTERACTION_MAP(X)};
static const char *const blocker_state_names[] = {RV_BLOCKER_STATE_MAP(X)};
static const char *const handler_names[] = {RV_HANDLER_MAP(X)};
static const char *const scope_role_names[] = {RV_SCOPE_MAP(X)};
static const char *const join_names[] = {RV_JOIN_MAP(X)};
static const char *const dimension_names[] = {RV_DIMENSION_MAP(X)};
static const char *const at_limit_names[] = {RV_AT_LIMIT_MAP(X)};
static const char *const quota_names[] = {RV_QUOTA_MAP(X)};
static const char *const isolation_names[] = {RV_ISOLATION_MAP(X)};
static const char *const inherit_names[] = {RV_INHERIT_MAP(X)};
static const char *const role_names[] = {RV_ROLE_MAP(X)};
#undef X
#define X(name_, text_, third_) third_,
static const bool kind_needs_slot[] = {RV_KIND_MAP(X)};
static const char detail_groups[] = {RV_DETAIL_MAP(X)};
static const bool attempt_is_terminal[] = {RV_ATTEMPT_STATE_MAP(X)};
static const bool run_is_terminal[] = {RV_RUN_STATE_MAP(X)};
#undef X
#define X(name_, text_, isolation_, inherit_) {RV_ISOLATION_##isolation_, RV_INHERIT_##inherit_},
static const struct { rv_isolation isolation; rv_inherit inherit; } roles[] = {RV_ROLE_MAP(X)};
#undef X

_Static_assert(RV_COUNT(detail_names) == RV_DETAIL_COUNT, "one text a detail");
_Static_assert(RV_DETAIL_COUNT <= 256, "a detail fits a byte");
_Static_assert(RV_NODE_SUCCEEDED == 4, "the states from SUCCEEDED on are the terminal ones");
_Static_assert(RV_KIND_WORKFLOW + 1 == RV_KIND_COUNT, "the kinds from FOREACH on are the controllers");
_Static_assert(sizeof(rv_node_def) == 64, "stored layout: raise RV_GRAPH_FORMAT when it changes");

#define LOOK_UP(table_, index_) (RV_ASSERT((size_t)(index_) < RV_COUNT(table_)), (table_)[index_])

const char *rv_kind_name(rv_kind kind) { return LOOK_UP(kind_names, kind); }
bool rv_kind_is_controller(rv_kind kind) { return kind >= RV_KIND_FOREACH; }
bool rv_kind_needs_slot(rv_kind kind) { return LOOK_UP(kind_needs_slot, kind); }
const char *rv_dep_policy_name(rv_dep_policy policy) { return LOOK_UP(dep_policy_names, policy); }
const char *rv_node_state_name(rv_node_state state) { return LOOK_UP(node_state_names, state); }
const char *rv_detail_name(rv_detail detail) { return LOOK_UP(detail_names, detail); }
char rv_detail_group(rv_detail detail) { return LOOK_UP(detail_groups, detail); }
const char *rv_attempt_state_name(rv_attempt_state state) { return LOOK_UP(attempt_state_names, state); }
bool rv_attempt_state_is_terminal(rv_attempt_state state) { return LOOK_UP(attempt_is_terminal, state); }
const char *rv_run_state_name(rv_run_state state) { return LOOK_UP(run_state_names, state); }
bool rv_run_state_is_terminal(rv_run_state state) { return LOOK_UP(run_is_terminal, state); }
const char *rv_task_state_name(rv_task_state state) { return LOOK_UP(task_state_names, state); }
const char *rv_interaction_name(rv_interaction interaction) { return LOOK_UP(interaction_names, interaction); }
const char *rv_blocker_state_name(rv_blocker_state state) { return LOOK_UP(blocker_state_names, state); }
const char *rv_handler_name(rv_handler handler) { return LOOK_UP(handler_names, handler); }
const char *rv_scope_role_name(rv_scope_role role) { return LOOK_UP(scope_role_names, role); }
const char *rv_join_name(rv_join join) { return LOOK_UP(join_names, join); }
const char *rv_dimension_name(rv_dimension dimension) { return LOOK_UP(dimension_names, dimension); }
const char *rv_at_limit_name(rv_at_limit at_limit) { return LOOK_UP(at_limit_names, at_limit); }
const char *rv_quota_name(rv_quota quota) { return LOOK_UP(quota_names, quota); }
const char *rv_isolation_name(rv_isolation isolation) { return LOOK_UP(isolation_names, isolation); }
const char *rv_inherit_name(rv_inherit inherit) { return LOOK_UP(inherit_names, inherit); }
const char *rv_role_name(rv_role role) { return LOOK_UP(role_names, role); }

rv_isolation rv_node_isolation(const rv_node_def *node)
{
    RV_ASSERT(node->role < RV_COUNT(roles));
    return node->isolation == RV_ISOLATION_DEFAULT ? roles[node->role].isolation : (rv_isolation)node->isolation;
}

rv_inherit rv_node_inherit(const rv_node_def *node)
{
    RV_ASSERT(node->role < RV_COUNT(roles));
    return node->inherit == RV_INHERIT_DEFAULT ? roles[node->role].inherit : (rv_inherit)node->inherit;
}

uint32_t rv_node_claims(const rv_node_def *node) { return node->kind == RV_KIND_RUN || node->kind == RV_KIND_SHELL ? node->aux : 0; }
