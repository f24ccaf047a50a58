#include "spec/keys.h"
#include <string.h>

/* ---- words ---- */

#define WORD(name_, text_, ...) text_,
static const char *const dep_policies[] = {RV_DEP_POLICY_MAP(WORD) NULL};
static const char *const joins[] = {RV_JOIN_MAP(WORD) NULL};
#undef WORD
static const char *const deliveries[] = {"at_least_once", "at_most_once", NULL};
static const char *const unknowns[] = {"ask", "fail", "retry", NULL};
static const char *const backoffs[] = {"fixed", "exponential", NULL};
static const char *const rejections[] = {"fail", "continue", NULL};
static const char *const at_maxima[] = {"fail", "ask", NULL};
static const char *const run_at_limits[] = {"pause", "stop", "warn", NULL};
static const char *const node_at_limits[] = {"stop", "warn", NULL};
static const char *const cache_deps[] = {"all", "values", "files", NULL};
static const char *const trusts[] = {"trusted", "quarantined", NULL};
static const char *const isolations[] = {"none", "read_only", "shared", "worktree", NULL}; /* from NONE on */
static const char *const roles[] = {"custom", "explore", "verify", "plan", "implement", NULL};
static const char *const mutex_modes[] = {"exclusive", "shared", NULL};
#define WORD(name_, text_, ...) text_,
static const char *const mutex_scopes[] = {RV_MUTEX_SCOPE_MAP(WORD) NULL};
#undef WORD
static const char *const cap_scopes[] = {"root", "host", NULL};
static const char *const retried[] = {"signal", "timeout", "unavailable", NULL};
static const char *const param_types[] = {"string", "number", "integer", "boolean", "array", "object", NULL};
static const char *const reducers[] = {"concat", "count", "dedupe_lines", "first", "majority", "merge_json_arrays", NULL};
static const char *const schema_types[] = {"string", "number", "integer", "boolean", "array", "object", "null", NULL};

/* ---- types ---- */

#define MS_MAX (INT64_C(3650) * 24 * 3600 * 1000) /* ten years */

static const rv_type text = {RV_TYPE_TEXT, "a string"};
static const rv_type string = {RV_TYPE_STRING, "a string"};
static const rv_type workflow_name = {RV_TYPE_TEXT, "a name of at most 200 bytes", .least = 1, .most = 200};
static const rv_type shell_name = {RV_TYPE_TEXT, "the name of a shell", .least = 1, .most = 255};
static const rv_type argument = {RV_TYPE_TEMPLATE, "a string", .use = RV_USE_ARGV};
static const rv_type variable_value = {RV_TYPE_TEMPLATE, "a string", .use = RV_USE_ENV};
static const rv_type directory = {RV_TYPE_TEMPLATE, "a directory", .use = RV_USE_DIR, .least = 1};
static const rv_type message = {RV_TYPE_TEMPLATE, "a string", .use = RV_USE_MESSAGE, .may_be_file = true};
static const rv_type condition = {RV_TYPE_EXPRESSION, "a condition", .use = RV_USE_WHEN};
static const rv_type expression = {RV_TYPE_EXPRESSION, "an expression", .use = RV_USE_SET};
static const rv_type until = {RV_TYPE_EXPRESSION, "a condition", .use = RV_USE_UNTIL};
static const rv_type revise_when = {RV_TYPE_EXPRESSION, "a condition", .use = RV_USE_REVISE};
static const rv_type result_value = {RV_TYPE_EXPRESSION, "an expression", .use = RV_USE_RESULT};
static const rv_type script = {RV_TYPE_SCRIPT, "a shell script", .may_be_file = true};
static const rv_type identifier = {RV_TYPE_IDENTIFIER, "a name"};
static const rv_type node = {RV_TYPE_NODE, "a node's name"};
static const rv_type node_of = {RV_TYPE_NODE, "a node's name", .use = RV_USE_OF};
static const rv_type node_of_branch = {RV_TYPE_NODE, "a node's name", .use = RV_USE_BRANCH};
static const rv_type label = {RV_TYPE_TEXT, "a label of at most 200 bytes", .least = 1, .most = 200};
static const rv_type variable = {RV_TYPE_VARIABLE, "the name of an environment variable"};
static const rv_type path = {RV_TYPE_PATH, "a relative path"};
static const rv_type pattern = {RV_TYPE_PATTERN, "a path or a pattern such as src/**/*.c"};
static const rv_type boolean = {RV_TYPE_BOOLEAN, "true or false"};
static const rv_type priority = {RV_TYPE_INTEGER, "a whole number", .least = INT32_MIN, .most = INT32_MAX};
static const rv_type attempts = {RV_TYPE_INTEGER, "a whole number of at least 1", .least = 1, .most = 1000000000};
static const rv_type positive = {RV_TYPE_INTEGER, "a whole number of at least 1", .least = 1, .most = 1000000};
static const rv_type count = {RV_TYPE_INTEGER, "a whole number of at least 0", .least = 0, .most = 1000000000};
static const rv_type tag_max = {RV_TYPE_INTEGER, "a whole number of at least 1", .least = 1, .most = 1000000};
static const rv_type tag_cap = {RV_TYPE_TAG_CAP, "a whole number of at least 1, or a map such as {max: 2, scope: host}", .least = 1,
                                .most = 1000000, .table = &rv_tag_cap_table};
static const rv_type format_version = {RV_TYPE_INTEGER, "the number of the format, 1", .least = 1, .most = INT32_MAX};
static const rv_type number = {RV_TYPE_NUMBER, "a number"};
static const rv_type money = {RV_TYPE_MONEY, "dollars such as 5 or 0.25"};
static const rv_type amount = {RV_TYPE_INTEGER, "a whole number of at least 0", .least = 0, .most = INT64_C(1000000000000)};
static const rv_type duration = {RV_TYPE_DURATION, "a duration such as 250ms, 30s, 10m, 2h or 1d", .least = 1, .most = MS_MAX};
static const rv_type delay = {RV_TYPE_DURATION, "a duration such as 0s, 250ms, 30s or 10m", .least = 0, .most = MS_MAX};
static const rv_type instant = {RV_TYPE_TIME, "a time such as 2026-01-31T09:00:00Z"};
static const rv_type dep_policy = {RV_TYPE_WORD, NULL, .words = dep_policies};
static const rv_type join = {RV_TYPE_WORD, NULL, .words = joins};
static const rv_type at_max = {RV_TYPE_WORD, NULL, .words = at_maxima};
static const rv_type run_at_limit = {RV_TYPE_WORD, NULL, .words = run_at_limits};
static const rv_type node_at_limit = {RV_TYPE_WORD, NULL, .words = node_at_limits};
static const rv_type trust = {RV_TYPE_WORD, NULL, .words = trusts};
static const rv_type mutex_mode = {RV_TYPE_WORD, NULL, .words = mutex_modes};
static const rv_type mutex_scope = {RV_TYPE_WORD, NULL, .words = mutex_scopes};
static const rv_type cap_scope = {RV_TYPE_WORD, NULL, .words = cap_scopes};
static const rv_type mutex = {RV_TYPE_MUTEX, "a name, or a map such as {name: db, mode: shared}", .table = &rv_mutex_table};
static const rv_type mutexes = {RV_TYPE_MUTEXES, "a name, a map such as {name: db, mode: shared}, or a list of at most 16 of them", &mutex,
                                .least = 1, .most = 16};
static const rv_type isolation = {RV_TYPE_WORD, NULL, .words = isolations};
static const rv_type role = {RV_TYPE_WORD, NULL, .words = roles};
static const rv_type delivery = {RV_TYPE_WORD, NULL, .words = deliveries};
static const rv_type on_unknown = {RV_TYPE_WORD, NULL, .words = unknowns};
static const rv_type backoff = {RV_TYPE_WORD, NULL, .words = backoffs};
static const rv_type on_reject = {RV_TYPE_WORD, NULL, .words = rejections};
static const rv_type param_type = {RV_TYPE_WORD, NULL, .words = param_types};
static const rv_type reducer = {RV_TYPE_WORD, NULL, .words = reducers, .is_open = true};
static const rv_type schema_type = {RV_TYPE_WORDS, "a type or a list of types", .words = schema_types};
static const rv_type cap = {RV_TYPE_CAP, "auto or a whole number of at least 1", .least = 1, .most = 1000000};
static const rv_type retry_on_item = {RV_TYPE_RETRY_ON, "an exit status from 1 to 255, signal, timeout or unavailable",
                                      .words = retried, .least = 1, .most = 255};
static const rv_type param_value = {RV_TYPE_PARAM_VALUE, "a value of the param's type"};
static const rv_type data = {RV_TYPE_DATA, "any value"};
static const rv_type filled = {RV_TYPE_FILLED, "any value", .use = RV_USE_FILL};
static const rv_type items = {RV_TYPE_ITEMS, "a list, or a string that is one reference such as \"${fetch.files}\"", .use = RV_USE_FILL};
static const rv_type schema = {RV_TYPE_SCHEMA, "a JSON Schema (a map)"};
static const rv_type schema_or_boolean = {RV_TYPE_SCHEMA_OR_BOOLEAN, "true, false or a JSON Schema"};

static const rv_type arguments = {RV_TYPE_LIST, "a list of strings: the command and its arguments", &argument, .least = 1};
static const rv_type messages = {RV_TYPE_LIST, "a list of strings", &message};
static const rv_type selector = {RV_TYPE_NODE, "a node's name", .is_open = true};
static const rv_type node_name = {RV_TYPE_IDENTIFIER, "a name", .is_open = true};
static const rv_type nodes_list = {RV_TYPE_LIST, "a list of node names", &selector};
static const rv_type named_nodes = {RV_TYPE_LIST, "a list of node names", &node};
static const rv_type projects = {RV_TYPE_PROJECTS, "a list of directories and patterns such as libs/*", .table = &rv_project_table};
static const rv_type nodes_of = {RV_TYPE_LIST, "a list of node names", &node_of, .least = 1};
static const rv_type tags = {RV_TYPE_LIST, "a list of at most 64 tags", &identifier, .most = 64};
static const rv_type variables = {RV_TYPE_LIST, "a list of names of environment variables", &variable};
static const rv_type patterns = {RV_TYPE_LIST, "a list of paths and patterns", &pattern};
static const rv_type cache_dep = {RV_TYPE_WORD, NULL, .words = cache_deps};
static const rv_type cache = {RV_TYPE_CACHE, "true, false or a map such as {inputs: [src/**]}", .table = &rv_cache_table};
static const rv_type strings = {RV_TYPE_LIST, "a list of strings", &string};
static const rv_type retry_on = {RV_TYPE_LIST, "a list of exit statuses and of signal, timeout, unavailable", &retry_on_item};
static const rv_type param_values = {RV_TYPE_LIST, "a list of values of the param's type", &param_value, .least = 1};
static const rv_type data_list = {RV_TYPE_LIST, "a list", &data};
static const rv_type env = {RV_TYPE_MAP, "a map from variable to value", &variable_value, &variable};
static const rv_type capability = {RV_TYPE_TEXT, "a tool's name of at most 200 bytes", .least = 1, .most = 200};
static const rv_type capabilities = {RV_TYPE_LIST, "a list of at most 1000 tools", &capability, .most = 1000};
static const rv_type set = {RV_TYPE_MAP, "a map from name to expression", &expression, &identifier, .least = 1};
static const rv_type caps = {RV_TYPE_MAP, "a map from tag to cap", &tag_cap, &identifier};
static const rv_type schemas = {RV_TYPE_MAP, "a map from property to JSON Schema", &schema, &string};
static const rv_type retry = {RV_TYPE_OBJECT, "a map such as {max_attempts: 3, delay: 1s}", .table = &rv_retry_table};
static const rv_type approve = {RV_TYPE_OBJECT, "a map such as {message: \"Publish?\"}", .table = &rv_approve_table};
static const rv_type input = {RV_TYPE_OBJECT, "a map such as {question: \"Which one?\"}", .table = &rv_input_table};
static const rv_type wait = {RV_TYPE_OBJECT, "a map such as {for: 10m}", .table = &rv_wait_table};
static const rv_type reduce = {RV_TYPE_OBJECT, "a map such as {reducer: concat, of: [a, b]}", .table = &rv_reduce_table};
static const rv_type param = {RV_TYPE_OBJECT, "a map such as {type: string, default: x}", .table = &rv_param_table};
static const rv_type params = {RV_TYPE_MAP, "a map from param to its type", &param, &identifier};
static const rv_type concurrency = {RV_TYPE_OBJECT, "a map such as {default: 4, tags: {net: 2}}",
                                 .table = &rv_concurrency_table};
static const rv_type budget = {RV_TYPE_OBJECT, "a map such as {usd: 5, tokens: 1000000}", .table = &rv_budget_table};
static const rv_type node_budget = {RV_TYPE_OBJECT, "a map such as {usd: 0.5}", .table = &rv_node_budget_table};
static const rv_type estimate = {RV_TYPE_OBJECT, "a map such as {usd: 0.1}", .table = &rv_estimate_table};
static const rv_type writes = {RV_TYPE_OBJECT, "a map such as {max: 100, per: 1m}", .table = &rv_writes_table};
static const rv_type quota = {RV_TYPE_OBJECT, "a map such as {attempts: 100, nodes: 500}", .table = &rv_quota_table};
static const rv_type node_body = {RV_TYPE_NODE_BODY, "a map such as {run: [make, test]}"};
static const rv_type body_or_nodes = {RV_TYPE_BODY_OR_NODES, "a node's body such as {run: [make, test]}, or {nodes: {…}}"};
static const rv_type entrant = {RV_TYPE_ENTRANT, "a node's name or a body such as {run: [./try.sh]}", .use = RV_USE_ENTRANT};
static const rv_type entrants = {RV_TYPE_LIST, "a list of node names and bodies", &entrant, .least = 2};
static const rv_type branch = {RV_TYPE_LIST, "a list of node names", &node_of_branch};
static const rv_type branches = {RV_TYPE_MAP, "a map from label to nodes, such as {bug: [fix], idea: [plan]}", &branch, &label, .least = 1};
static const rv_type arguments_of_workflow = {RV_TYPE_MAP, "a map from param to value", &filled, &identifier};
static const rv_type definition = {RV_TYPE_DEFINITION, "a workflow: a map with `nodes`"};
static const rv_type results = {RV_TYPE_MAP, "a map from name to expression", &result_value, &identifier, .least = 1};
static const rv_type foreach = {RV_TYPE_OBJECT, "a map such as {items: [a, b], do: {run: [echo, \"${item}\"]}}",
                                 .table = &rv_foreach_table};
static const rv_type loop = {RV_TYPE_OBJECT, "a map such as {body: {run: [./try.sh]}, max: 5}", .table = &rv_loop_table};
static const rv_type classify = {RV_TYPE_OBJECT, "a map such as {by: {run: [./sort.sh]}, branches: {bug: [fix]}}",
                                 .table = &rv_classify_table};
static const rv_type tournament = {RV_TYPE_OBJECT, "a map such as {entrants: [a, b], judge: {run: [./judge.sh]}}",
                                 .table = &rv_tournament_table};
static const rv_type workflow = {RV_TYPE_OBJECT, "a map such as {file: part.yaml}", .table = &rv_workflow_table};
static const rv_type revise = {RV_TYPE_OBJECT, "a map such as {target: draft, when: \"${review.ok} == false\"}",
                                 .table = &rv_revise_table};
static const rv_type nodes = {RV_TYPE_MAP, "a map from node to its body", &node_body, &node_name};
static const rv_type handlers = {RV_TYPE_OBJECT, "a map such as {failure: {run: [./tell.sh]}}", .table = &rv_on_table};
static const rv_type defaults = {RV_TYPE_DEFAULTS, "a map such as {timeout: 10m}"};

/* ---- tables ---- */

#define KEY(name_, type_, doc_) {name_, type_, 0, RV_ON_ALL, NULL, doc_}
#define KEY_IF(name_, type_, fallback_, doc_) {name_, type_, 0, RV_ON_ALL, fallback_, doc_}
#define KEY_MUST(name_, type_, doc_) {name_, type_, RV_KEY_REQUIRED, RV_ON_ALL, NULL, doc_}
#define NOT_YET(name_) {name_, NULL, 0, RV_ON_ALL, NULL, NULL}
#define TABLE(variable_, keys_, id_, name_, place_) const rv_key_table variable_ = {id_, name_, place_, keys_, RV_COUNT(keys_)}

static const rv_key file_keys[] = {
    NOT_YET("agents"),
    KEY("budget", &budget, "What the run may spend; a start that does not fit pauses it, stops it or warns."),
    KEY("concurrency", &concurrency, "How many attempts run at a time: in all, and for each tag."),
    KEY_IF("default", &node, "all nodes", "The node that `reeve run` without a name means: it and all that it needs."),
    KEY("defaults", &defaults,
        "Keys that every node has unless it says otherwise. `cache`, `env` and `retry` are merged key by key; a key goes to the kinds it "
        "applies to."),
    KEY("description", &text, "What the workflow is for. Read by people only."),
    KEY("env", &env, "Environment of every node that runs a command; `defaults.env` and the node's own `env` are laid over it."),
    NOT_YET("hooks"),
    KEY_IF("name", &workflow_name, "the file's name without its ending", "What the workflow is called in lists."),
    KEY_MUST(
        "nodes", &nodes,
        "The work: names and what each of them does. Their order is the order in which they start when nothing else decides."),
    KEY("on", &handlers, "Nodes that run once when the graph has ended."),
    KEY("only", &named_nodes, "Of a run of a part, written by `reeve run NODE`: the nodes that were named. Kept as data."),
    NOT_YET("operator"),
    KEY("params", &params, "Values that a run is given with `--var name=value`."),
    KEY("projects", &projects,
        "Directories, each with a `reeve.yaml` of its own, whose nodes are PROJECT:NODE here. In the normal form: a map of what they are."),
    KEY("quota", &quota, "How much the run may do; what is beyond is denied, or waits for its turn."),
    KEY_IF("reeve", &format_version, "1, with a warning", "The version of this format: 1."),
    KEY("result", &results, "What the workflow's result is where another one includes it; kept as data else."),
    NOT_YET("schedule"),
    KEY("tags", &tags, "Tags of all nodes of this project, for `concurrency.tags` and for `[tag]:NODE`."),
    KEY_IF("timeout", &duration, "none", "The whole run's time; what is not over then is cancelled, exit status 124."),
    NOT_YET("webhook"),
};
_Static_assert(RV_COUNT(file_keys) == RV_FK_COUNT, "one row a key");
TABLE(rv_file_table, file_keys, "file", "The file", "the file");

#define NODE_KEY(name_, type_, flags_, kinds_, fallback_, doc_) {name_, type_, flags_, kinds_, fallback_, doc_}
#define KIND_KEY(name_, type_, doc_) {name_, type_, RV_KEY_KIND, RV_ON_ALL, NULL, doc_}
static const rv_key node_keys[] = {
    NODE_KEY("after", &nodes_list, 0, RV_ON_ALL, NULL, "Soft edges: this node waits until they have ended, however they ended."),
    KIND_KEY("agent", NULL, NULL),
    KIND_KEY("approve", &approve, "A person's yes or no. Result: `decision`, `by`, `comment`."),
    NODE_KEY("budget", &node_budget, 0, RV_ON_SPENDING, NULL,
             "What this node, and all that is beneath it, may spend; beyond that it fails, and its result is discarded."),
    NODE_KEY("cache", &cache, RV_KEY_DEFAULT | RV_KEY_MERGED, RV_ON_PROCESS, "false",
             "`true`: a success is kept and found again when nothing that it depends on has changed [C1]. A map says more, and is laid "
             "over the one of `defaults`."),
    NODE_KEY("capabilities", &capabilities, 0, RV_ON_PROCESS, "all",
             "Tools that a host may let it use [K32]: names, or beginnings of names with a `*` behind. A host asks before it uses one."),
    KIND_KEY("classify", &classify, "One of several branches, by the label that a command or a person gives. Result: `branch`."),
    NODE_KEY("criteria", &data, 0, RV_ON_ALL, NULL, "What makes the result good. Kept as data."),
    NODE_KEY("delivery", &delivery, RV_KEY_DEFAULT, RV_ON_PROCESS, "at_least_once",
             "`at_most_once`: never started again when it is not known whether it ran."),
    NODE_KEY("dep_policy", &dep_policy, RV_KEY_DEFAULT, RV_ON_ALL, "all_success",
             "Which outcomes of `needs` let this node start."),
    NODE_KEY("description", &text, 0, RV_ON_ALL, NULL, "What the node is for. Read by people only."),
    NODE_KEY("dir", &directory, RV_KEY_DEFAULT, RV_ON_PROCESS, "the workflow's directory",
             "Working directory, relative to the workflow's."),
    NODE_KEY("env", &env, RV_KEY_DEFAULT | RV_KEY_MERGED, RV_ON_PROCESS, NULL,
             "Environment variables; the only place where a secret may be used."),
    NODE_KEY("env_host", &variables, RV_KEY_DEFAULT, RV_ON_PROCESS, "none",
             "Variables of the caller that a cached node is given beside PATH, HOME, LANG and TMPDIR, and that it depends on. A node that "
             "is not cached inherits all in any case."),
    KIND_KEY("foreach", &foreach, "A body, or a graph, for each item of a list. Result: `results`, `failed`."),
    NOT_YET("hooks"),
    KIND_KEY("http", NULL, NULL),
    NOT_YET("inherit"),
    KIND_KEY("input", &input, "A person's answer. Result: `value`."),
    NODE_KEY("inputs", &patterns, 0, RV_ON_PROCESS, NULL,
             "Files that the node reads, from the workflow's directory; a cached node is done again when one of them changed."),
    NODE_KEY("isolation", &isolation, RV_KEY_DEFAULT, RV_ON_PROCESS, "the role's",
             "Where a command may write: `shared` anywhere, `none` into an empty directory of its own, in which it starts, "
             "`read_only` nowhere but its results (needs bubblewrap), `worktree` into a git worktree of its own, whose changes are kept as "
             "a patch."),
    NOT_YET("lane"),
    NODE_KEY("leave", &boolean, RV_KEY_DEFAULT, RV_ON_PROCESS, "false",
             "Processes that the command leaves behind are not killed."),
    KIND_KEY("loop", &loop, "A body again and again. Result: `value`, `iterations`, `exhausted`."),
    NOT_YET("max_turns"),
    NODE_KEY("metadata", &data, 0, RV_ON_ALL, NULL, "Your own data. Kept, never read."),
    NOT_YET("model"),
    NODE_KEY("mutex", &mutexes, 0, RV_ON_PROCESS, NULL,
             "Locks that an attempt holds while it runs: what needs the same one waits for it. It takes all of its locks at once."),
    NODE_KEY("needs", &nodes_list, 0, RV_ON_ALL, NULL, "Hard edges: nodes whose outcome this one depends on."),
    NODE_KEY("on_unknown", &on_unknown, RV_KEY_DEFAULT, RV_ON_PROCESS, "ask",
             "What happens to an at-most-once node of which it is not known whether it ran."),
    NOT_YET("operator"),
    NODE_KEY("output_schema", &schema, 0, RV_ON_PROCESS, NULL, "JSON Schema that the result must satisfy."),
    NODE_KEY("outputs", &patterns, 0, RV_ON_PROCESS, NULL,
             "From the workflow's directory, files that the node makes; one without wildcards that is missing afterwards fails it. No two "
             "nodes may name the same file."),
    NODE_KEY("priority", &priority, RV_KEY_DEFAULT, RV_ON_ALL, "0",
             "Of ready nodes the one with the higher number starts first."),
    NOT_YET("prompt"),
    KIND_KEY("reduce", &reduce, "Outputs of other nodes made into one value, without a process. Result: `value`."),
    NODE_KEY("retry", &retry, RV_KEY_DEFAULT | RV_KEY_MERGED, RV_ON_PROCESS, NULL,
             "How often, when and for what a failed attempt is tried again."),
    NODE_KEY("revise", &revise, 0, RV_ON_ALL, NULL,
             "A back-edge: after a success whose condition holds, everything from `target` to this node is done again."),
    NODE_KEY("role", &role, RV_KEY_DEFAULT, RV_ON_PROCESS, "custom",
             "What a node is there for; gives its isolation: explore and verify read_only, plan and custom shared, implement worktree."),
    KIND_KEY("run", &arguments, "A command and its arguments. No shell reads them."),
    KIND_KEY("set", &set, "Values computed from other values, without a process. Result: its own keys."),
    KIND_KEY("shell", &script, "A script for a shell. Nothing is substituted in it: values reach it through `env`."),
    NODE_KEY("shell_name", &shell_name, RV_KEY_DEFAULT, RV_ON_SHELL, "sh", "The shell that runs the script: sh, bash …"),
    NOT_YET("system_prompt"),
    NODE_KEY("tags", &tags, RV_KEY_DEFAULT, RV_ON_ALL, NULL, "Names that `concurrency.tags` can cap."),
    NODE_KEY("timeout", &duration, RV_KEY_DEFAULT, RV_ON_PROCESS, "none", "Time for one attempt."),
    NODE_KEY("timeout_total", &duration, RV_KEY_DEFAULT, RV_ON_PROCESS, "none",
             "Time for all attempts and the delays between them."),
    KIND_KEY("tournament", &tournament, "Entrants, and a judge that finds the best of them. Result: `winner`, `value`, `rounds`."),
    NODE_KEY("trust", &trust, RV_KEY_DEFAULT, RV_ON_SPENDING, "trusted",
             "A `quarantined` node, and all that is beneath it, is denied an isolation that can write."),
    KIND_KEY("wait", &wait, "A pause, a time or an event to wait for. Needs no process and holds no slot."),
    NODE_KEY("when", &condition, 0, RV_ON_ALL, NULL, "A condition; when it is false the node is skipped, which is no failure."),
    KIND_KEY("workflow", &workflow, "Another workflow file as one node. Result: the keys of its `result`, else of its last nodes."),
};
_Static_assert(RV_COUNT(node_keys) == RV_NK_COUNT, "one row a key");
TABLE(rv_node_table, node_keys, "node", "A node", "a node");

static const rv_key retry_keys[] = {
    KEY_IF("backoff", &backoff, "fixed", "`exponential` doubles the delay after each failure."),
    KEY_IF("delay", &delay, "0s", "Pause before the second attempt."),
    KEY_IF("delay_max", &duration, "none", "Longest pause."),
    KEY_IF("jitter", &boolean, "false", "Each pause is drawn between half of it and all of it."),
    KEY_IF("lost_max", &count, "3", "Attempts that may be lost to crashes; counted apart from failures."),
    KEY_IF("max_attempts", &attempts, "1", "Recorded failures that are allowed."),
    KEY_IF("on", &retry_on, "any exit status but 0, signal, unavailable", "What is tried again."),
};
TABLE(rv_retry_table, retry_keys, "retry", "retry", "`retry`");

static const rv_key project_keys[] = {
    KEY("default", &identifier, "The project's `default`."),
    KEY_MUST("dir", &text, "Its directory, from the root."),
    KEY("tags", &tags, "The project's `tags`, which its nodes have already."),
};
TABLE(rv_project_table, project_keys, "project", "projects.NAME", "a project");

static const rv_key cache_keys[] = {
    KEY_IF("deps", &cache_dep, "all",
           "What of the nodes in `needs` counts: `all` of what they gave, only `values` that the node reads, or `files`: nothing but the "
           "node's inputs."),
    KEY("env_host", &variables, "As `env_host` of the node."),
    KEY("inputs", &patterns, "As `inputs` of the node."),
};
TABLE(rv_cache_table, cache_keys, "cache", "cache", "`cache`");

static const rv_key param_keys[] = {
    KEY("default", &param_value, "Its value when none is given; without it the param is required."),
    KEY("description", &text, "What it is for."),
    KEY("enum", &param_values, "The values that are allowed."),
    KEY_IF("secret", &boolean, "false", "Masked wherever it would be printed, never stored; only in `env`."),
    KEY_IF("type", &param_type, "string", "Its type; arrays and objects are given as JSON."),
};
TABLE(rv_param_table, param_keys, "param", "params.NAME", "a param");

static const rv_key concurrency_keys[] = {
    KEY_IF("default", &cap, "auto", "Attempts at a time; `auto`: as many as there are processors. `-j` wins."),
    KEY("tags", &caps, "For a tag: how many of its nodes run at a time."),
};
TABLE(rv_concurrency_table, concurrency_keys, "concurrency", "concurrency", "`concurrency`");

static const rv_key tag_cap_keys[] = {
    KEY_MUST("max", &tag_max, "How many of its nodes run at a time."),
    KEY_IF("scope", &cap_scope, "root", "`host`: of all that Reeve runs on this machine for this user."),
};
TABLE(rv_tag_cap_table, tag_cap_keys, "tag_cap", "concurrency.tags", "a tag's cap");

static const rv_key mutex_keys[] = {
    KEY_IF("mode", &mutex_mode, "exclusive", "`shared`: others that share it may run at the same time."),
    KEY_MUST("name", &identifier, "Its name."),
    KEY_IF("scope", &mutex_scope, "root",
           "Among whom it is the same lock: the nodes of this root, of the project, all that Reeve runs on this machine for this user."),
};
TABLE(rv_mutex_table, mutex_keys, "mutex", "mutex", "`mutex`");

static const rv_key budget_keys[] = {
    KEY_IF("at_limit", &run_at_limit, "pause", "What happens when a start does not fit: `pause` asks for more, `stop` skips the rest."),
    KEY("attempts", &amount, "Attempts that are started, in all."),
    KEY("group", &identifier, "Runs of the store with the same group count together: what one spends or reserves, all have."),
    KEY("nodes", &amount, "Nodes that are started."),
    KEY("time", &duration, "Time in which something of it runs; what is paused or waiting does not count."),
    KEY("tokens", &amount, "Tokens, in and out, that attempts report."),
    KEY("usd", &money, "Dollars that attempts report."),
};
TABLE(rv_budget_table, budget_keys, "budget", "budget", "`budget`");

static const rv_key node_budget_keys[] = {
    KEY_IF("at_limit", &node_at_limit, "stop", "`stop`: beyond its limit it fails; `warn`: a note, and its result is kept."),
    KEY("attempts", &amount, "Attempts that are started, in all."),
    KEY("estimate", &estimate, "What an attempt is expected to spend: reserved before it starts, where there is no limit."),
    KEY("nodes", &amount, "Nodes that are started beneath it."),
    KEY("time", &duration, "Time in which something of it runs."),
    KEY("tokens", &amount, "Tokens, in and out."),
    KEY("usd", &money, "Dollars."),
};
TABLE(rv_node_budget_table, node_budget_keys, "node_budget", "budget of a node", "a node's `budget`");

static const rv_key estimate_keys[] = {
    KEY("tokens", &amount, "Tokens, in and out."),
    KEY("usd", &money, "Dollars."),
};
TABLE(rv_estimate_table, estimate_keys, "estimate", "budget.estimate", "`estimate`");

static const rv_key quota_keys[] = {
    KEY("attempts", &amount, "Attempts in all; a node beyond it is denied."),
    KEY("concurrent", &amount, "Attempts at a time; others wait. 0 denies all."),
    KEY("depth", &amount, "How deep controllers may stand within each other; what would go deeper is denied."),
    KEY("nodes", &amount, "Nodes of the run, with all that `foreach`, `loop` and others add; who would add more is denied."),
    KEY("writes", &writes, "Writes to memory that hosts ask for, in a window of time; more are told to come back."),
};
TABLE(rv_quota_table, quota_keys, "quota", "quota", "`quota`");

static const rv_key writes_keys[] = {
    KEY_MUST("max", &amount, "How many; 0 denies all."),
    KEY_MUST("per", &duration, "The window."),
};
TABLE(rv_writes_table, writes_keys, "writes", "quota.writes", "`writes`");

static const rv_key on_keys[] = {
    KEY("cancel", &node_body, "The run was cancelled."),
    KEY("exit", &node_body, "The run ended, whatever its outcome; after the others."),
    KEY("failure", &node_body, "A node failed."),
    KEY("success", &node_body, "Nothing failed."),
};
TABLE(rv_on_table, on_keys, "on", "on", "`on`");

static const rv_key approve_keys[] = {
    KEY_IF("deadline", &duration, "none", "Time for the answer; the node fails after it."),
    KEY_MUST("message", &message, "What is asked."),
    KEY_IF("on_reject", &on_reject, "fail", "`continue`: a no is a result, not a failure."),
    KEY("show", &messages, "What is shown with it; the approval is for exactly this."),
};
TABLE(rv_approve_table, approve_keys, "approve", "approve", "`approve`");

static const rv_key input_keys[] = {
    KEY_IF("deadline", &duration, "none", "Time for the answer; then the default, or the node fails."),
    KEY("default", &data, "The value when the deadline passes."),
    KEY_MUST("question", &message, "What is asked."),
    KEY("schema", &schema, "JSON Schema of the answer."),
};
TABLE(rv_input_table, input_keys, "input", "input", "`input`");

static const rv_key wait_keys[] = {
    KEY("event", &identifier, "The name of an event to wait for. Result: what comes with it."),
    KEY("for", &delay, "How long."),
    KEY("until", &instant, "Until when: RFC 3339, with its zone."),
};
TABLE(rv_wait_table, wait_keys, "wait", "wait", "`wait`");

static const rv_key reduce_keys[] = {
    KEY_MUST("of", &nodes_of, "The nodes whose outputs are taken, in this order."),
    KEY_MUST("reducer", &reducer, "How they become one value."),
};
TABLE(rv_reduce_table, reduce_keys, "reduce", "reduce", "`reduce`");

static const rv_key foreach_keys[] = {
    KEY_MUST("do", &body_or_nodes, "What is done for an item: one node's body, or a graph. `${item}` and `${index}` are its."),
    KEY_MUST("items", &items, "The list; strings in it may have references."),
    KEY_IF("join", &join, "all",
           "`all`: fails if any item fails; `any`: the first success, the rest is cancelled; `race`: the first to end decides; "
           "`all_settled`: never fails."),
    KEY_IF("max_parallel", &positive, "no bound", "Items at a time."),
};
TABLE(rv_foreach_table, foreach_keys, "foreach", "foreach", "`foreach`");

static const rv_key loop_keys[] = {
    KEY_MUST("body", &node_body, "What is done in an iteration. `${iteration}` and `${previous.FIELD}` are its."),
    KEY_MUST("max", &attempts, "Iterations at most."),
    KEY("until", &until, "A condition, looked at after each iteration, whose result is `${previous.FIELD}`; when it holds the loop ends."),
};
TABLE(rv_loop_table, loop_keys, "loop", "loop", "`loop`");

static const rv_key classify_keys[] = {
    KEY_MUST("branches", &branches, "For each label the nodes that are its branch; each depends on this node."),
    KEY_MUST("by", &node_body, "What gives the label: its result's `branch`; of an `input` its answer, of an `approve` its decision."),
};
TABLE(rv_classify_table, classify_keys, "classify", "classify", "`classify`");

static const rv_key tournament_keys[] = {
    KEY_MUST("entrants", &entrants, "What competes: names of nodes, which this one then waits for, and bodies."),
    KEY_MUST("judge", &node_body, "What decides a match: its result's `winner`. `${left.FIELD}` and `${right.FIELD}` are its."),
    KEY_IF("quorum", &positive, "1", "Judges of a match; the majority decides."),
    KEY_IF("swap", &boolean, "false", "Each pair is judged twice, with sides exchanged."),
    KEY_IF("swiss", &positive, "single elimination", "Rounds of a Swiss tournament."),
};
TABLE(rv_tournament_table, tournament_keys, "tournament", "tournament", "`tournament`");

static const rv_key workflow_keys[] = {
    KEY("definition", &definition, "The workflow itself; in normal form it stands here."),
    KEY("file", &path, "A workflow file beneath the directory of the workflow that is run."),
    KEY("params", &arguments_of_workflow, "Values of its params; strings in them may have references."),
};
TABLE(rv_workflow_table, workflow_keys, "workflow", "workflow", "`workflow`");

static const rv_key revise_keys[] = {
    KEY_IF("at_max", &at_max, "fail", "What happens when `when` still holds after `max` revisions: the node fails, or somebody is asked."),
    KEY_IF("max", &attempts, "5", "Revisions at most."),
    KEY_MUST("target", &node, "The ancestor that everything is done again from."),
    KEY_MUST("when", &revise_when, "A condition on this node's own values and those it may read."),
};
TABLE(rv_revise_table, revise_keys, "revise", "revise", "`revise`");

static const rv_key schema_keys[] = {
    KEY("$comment", &text, "Not checked."),
    NOT_YET("$defs"),
    NOT_YET("$ref"),
    KEY("$schema", &text, "Not checked."),
    KEY("additionalProperties", &schema_or_boolean, "What properties without an entry in `properties` must be."),
    NOT_YET("allOf"),
    NOT_YET("anyOf"),
    KEY("const", &data, "The one value."),
    NOT_YET("contains"),
    KEY("default", &data, "Not checked."),
    NOT_YET("dependentRequired"),
    NOT_YET("dependentSchemas"),
    KEY("description", &text, "Not checked."),
    NOT_YET("else"),
    KEY("enum", &data_list, "The values that are allowed."),
    KEY("examples", &data_list, "Not checked."),
    NOT_YET("exclusiveMaximum"),
    NOT_YET("exclusiveMinimum"),
    NOT_YET("format"),
    NOT_YET("if"),
    KEY("items", &schema, "What every item of an array must be."),
    KEY("maxItems", &count, "Items at most."),
    KEY("maxLength", &count, "Characters at most."),
    NOT_YET("maxProperties"),
    KEY("maximum", &number, "Greatest number."),
    KEY("minItems", &count, "Items at least."),
    KEY("minLength", &count, "Characters at least."),
    NOT_YET("minProperties"),
    KEY("minimum", &number, "Least number."),
    NOT_YET("multipleOf"),
    NOT_YET("not"),
    NOT_YET("oneOf"),
    NOT_YET("pattern"),
    NOT_YET("patternProperties"),
    NOT_YET("prefixItems"),
    KEY("properties", &schemas, "Schemas of the named properties."),
    NOT_YET("propertyNames"),
    KEY("required", &strings, "Properties that must be there."),
    NOT_YET("then"),
    KEY("title", &text, "Not checked."),
    KEY("type", &schema_type, "The type, or a list of types."),
    NOT_YET("unevaluatedItems"),
    NOT_YET("unevaluatedProperties"),
    NOT_YET("uniqueItems"),
};
TABLE(rv_schema_table, schema_keys, "schema", "JSON Schema", "a JSON Schema");

const rv_key_table *const rv_key_tables[] = {
    &rv_file_table,     &rv_node_table,    &rv_project_table, &rv_retry_table,       &rv_cache_table, &rv_approve_table,  &rv_input_table,
    &rv_wait_table,     &rv_reduce_table,  &rv_foreach_table,     &rv_loop_table,     &rv_classify_table,
    &rv_tournament_table, &rv_workflow_table, &rv_revise_table,   &rv_param_table,    &rv_concurrency_table,
    &rv_budget_table,   &rv_node_budget_table, &rv_estimate_table, &rv_quota_table, &rv_writes_table,
    &rv_tag_cap_table,  &rv_mutex_table,   &rv_on_table,         &rv_schema_table,  NULL,
};

/* ---- looking up ---- */

/* As rv_str_cmp, but a key's size need not be known: most differ in their first bytes. */
static int compare(const char *key, rv_str name)
{
    for (size_t i = 0; i < name.size; i++)
        if (key[i] != name.at[i] || key[i] == 0) return key[i] && (unsigned char)key[i] > (unsigned char)name.at[i] ? 1 : -1;
    return key[name.size] != 0;
}

uint32_t rv_key_find(const rv_key_table *table, rv_str name)
{
    uint32_t low = 0, high = table->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = compare(table->keys[middle].name, name);
        if (order == 0) return middle;
        if (order < 0) low = middle + 1;
        else high = middle;
    }
    return RV_NONE;
}

const char *rv_key_nearest(const rv_key_table *table, rv_str name)
{
    const char *names[64];
    RV_ASSERT(table->count <= RV_COUNT(names));
    for (uint32_t i = 0; i < table->count; i++) names[i] = table->keys[i].name;
    return rv_near(name, names, table->count);
}

/* Of a word of three letters two may differ by chance. */
const char *rv_near(rv_str word, const char *const *candidates, size_t candidate_count)
{
    const char *nearest = rv_nearest(word, candidates, candidate_count);
    return nearest && word.size <= 3 && word.at[0] != nearest[0] ? NULL : nearest;
}

rv_kind rv_key_kind(rv_node_key key)
{
    static const struct {
        rv_node_key key;
        rv_kind kind;
    } kinds[] = {
        {RV_NK_RUN, RV_KIND_RUN},   {RV_NK_SHELL, RV_KIND_SHELL}, {RV_NK_APPROVE, RV_KIND_APPROVE}, {RV_NK_INPUT, RV_KIND_INPUT},
        {RV_NK_WAIT, RV_KIND_WAIT}, {RV_NK_SET, RV_KIND_SET},     {RV_NK_REDUCE, RV_KIND_REDUCE},
        {RV_NK_FOREACH, RV_KIND_FOREACH}, {RV_NK_LOOP, RV_KIND_LOOP}, {RV_NK_CLASSIFY, RV_KIND_CLASSIFY},
        {RV_NK_TOURNAMENT, RV_KIND_TOURNAMENT}, {RV_NK_WORKFLOW, RV_KIND_WORKFLOW},
    };
    _Static_assert(RV_COUNT(kinds) == RV_KIND_COUNT, "one row a kind");
    for (size_t i = 0; i < RV_COUNT(kinds); i++)
        if (kinds[i].key == key) return kinds[i].kind;
    return RV_KIND_COUNT;
}
