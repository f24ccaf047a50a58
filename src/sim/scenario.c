#include "sim/inner.h"

/* Workflows made up. A new kind of node is one function and one row of `leaves`, or of `holders` when it holds other nodes. Names are
 * n0, n1 …, each once in the file; references go to predecessors of the node or of one around it, which have settled when it looks. */

#define SCOPE_NODES_MAX 40
#define PREDS_MAX 6
#define NAMES_MAX 400 /* in the whole text */
#define DEPTH_MAX 3   /* bodies within bodies */
#define TIMES_MAX 24  /* instances that one definition may come to, about */

typedef struct scenario scenario;

/* What a body may read that nodes elsewhere may not. */
typedef enum offer { WORD_NONE, WORD_ITEM, WORD_ITERATION, WORD_SIDES, WORD_PARAM } offer;

typedef struct made_node made_node;
struct made_node {
    uint32_t name;
    bool is_process;
    const char *const *fields; uint32_t field_count;   /* of its result, when it is no process */
    const made_node *preds[PREDS_MAX]; uint32_t pred_count; /* hard and soft, beside it */
    bool is_soft[PREDS_MAX];
    uint64_t self, before;                             /* its bit; that, and those of what it waits for beside it */
    const made_node *owner;                            /* what it stands in, as far as it may look */
    offer word;                                         /* that its body gives */
    bool is_outside;                                    /* a node of the run that is submitted to: waited for, and no more */
};

/* Nodes beside each other: the file's, or those of a body. */
typedef struct scope {
    made_node nodes[SCOPE_NODES_MAX]; uint32_t count;
    const made_node *owner;
    offer word;
    uint32_t first;                                     /* of `nodes`: those before it are outside */
    uint64_t repeated[SCOPE_NODES_MAX]; uint32_t repeated_count; /* by each back-edge */
    uint32_t promised[SCOPE_NODES_MAX], promised_count;          /* names that stand in a branch and are to be made */
    const made_node *promised_to;
} scope;

struct scenario {
    uint64_t rng;
    rv_buf *out;
    scope *scope;
    uint32_t names; /* given out, those of this text from names_first on */
    uint32_t names_first;
    uint32_t indent, depth, times;
    const char *dir;                /* for files that are named; NULL: there are none */
    uint32_t files;
    bool has_money;                 /* nodes have budgets */
    bool hears_why[NAMES_MAX];      /* by name from names_first on: ${feedback} is there */
};

static uint32_t below(scenario *s, uint32_t bound) { return rv_rng_below(&s->rng, bound); }
static bool one_in(scenario *s, uint32_t n) { return below(s, n) == 0; }
static const char *word_of(scenario *s, const char *const *words, uint32_t count) { return words[below(s, count)]; }
#define WORD(s_, ...) word_of(s_, (const char *const[]){__VA_ARGS__}, RV_COUNT(((const char *const[]){__VA_ARGS__})))
#define SET_FIELDS(node_, ...)                         \
    do {                                               \
        static const char *const fields_[] = {__VA_ARGS__}; \
        (node_)->fields = fields_;                     \
        (node_)->field_count = RV_COUNT(fields_);      \
    } while (0)

/* A line of the file. */
static RV_PRINTF(2, 3) void line(scenario *s, const char *fmt, ...)
{
    va_list args;
    rv_buf_printf(s->out, "%*s", (int)s->indent, "");
    va_start(args, fmt);
    rv_buf_vprintf(s->out, fmt, args);
    va_end(args);
    rv_buf_byte(s->out, '\n');
}

/* ---- references ---- */

/* What only the node's body gives. */
static bool word_reference(scenario *s, const made_node *node, rv_buf *out)
{
    switch (node->word) {
    case WORD_NONE: return false;
    case WORD_ITEM: rv_buf_cstring(out, WORD(s, "${item}", "${index}", "${item.n:-0}")); return true;
    case WORD_ITERATION: rv_buf_cstring(out, node->is_process && one_in(s, 2) ? "${previous.n:-0}" : "${iteration}"); return true;
    case WORD_SIDES: rv_buf_cstring(out, WORD(s, "${left.id}", "${right.id}", "${left.state}")); return true;
    case WORD_PARAM: rv_buf_cstring(out, "${user.p}"); return true;
    }
    return false;
}

/* A reference to a field of a predecessor, of it or of what it stands in; false: it has none. */
static bool reference(scenario *s, const made_node *node, bool may_read_output, rv_buf *out)
{
    if (one_in(s, 2) && word_reference(s, node, out)) return true;
    while (node->owner && (node->pred_count == 0 || one_in(s, 4))) node = node->owner;
    if (node->pred_count == 0) return false;
    const made_node *pred = node->preds[below(s, node->pred_count)];
    const char *field = WORD(s, "state", "state", "n", "n", "exit_code", "stdout");
    if (pred->is_outside) { /* of its result there is what the run has kept */
        rv_buf_printf(out, one_in(s, 2) ? "${n%u.state}" : "${n%u.n:-1}", pred->name);
        return true;
    }
    if (!pred->is_process) field = pred->field_count && one_in(s, 2) ? word_of(s, pred->fields, pred->field_count) : "state";
    if (!may_read_output && strcmp(field, "stdout") == 0) field = "state";
    rv_buf_printf(out, "${n%u.%s%s}", pred->name, field, one_in(s, 3) ? ":-1" : "");
    return true;
}

static void condition(scenario *s, const made_node *node, rv_buf *out, uint32_t depth)
{
    rv_buf left = {0};
    if (depth < 2 && one_in(s, 3)) {
        rv_buf_cstring(out, one_in(s, 4) ? "!(" : "(");
        condition(s, node, out, depth + 1);
        rv_buf_cstring(out, one_in(s, 2) ? ") && (" : ") || (");
        condition(s, node, out, depth + 1);
        rv_buf_byte(out, ')');
        return;
    }
    bool has = reference(s, node, true, &left);
    rv_buf_printf(out, "%s %s %s", has ? left.at : "1", WORD(s, "==", "!=", "==", "!=", "<", ">="),
                  WORD(s, "\\\"succeeded\\\"", "\\\"failed\\\"", "\\\"skipped\\\"", "1", "0", "3"));
    rv_buf_deinit(&left);
}

static void edges(scenario *s, made_node *node)
{
    uint32_t soft = 0;
    for (uint32_t i = 0; i < node->pred_count; i++) soft += node->is_soft[i];
    for (int is_soft = 0; is_soft <= 1; is_soft++) {
        if (is_soft ? soft == 0 : soft == node->pred_count) continue;
        rv_buf_printf(s->out, "%*s%s: [", (int)s->indent, "", is_soft ? "after" : "needs");
        const char *comma = "";
        for (uint32_t i = 0; i < node->pred_count; i++) {
            if (node->is_soft[i] != is_soft) continue;
            rv_buf_printf(s->out, "%sn%u", comma, node->preds[i]->name);
            comma = ", ";
        }
        rv_buf_cstring(s->out, "]\n");
    }
    if (node->pred_count == soft || !one_in(s, 2)) return;
    const char *policy = WORD(s, "all_success", "accept_partial", "all_terminal", "all_terminal", "optional");
    line(s, "dep_policy: %s", policy);
    if (strcmp(policy, "optional") != 0) return;
    node->before = node->self; /* what is optional is not waited for, and no back-edge leads over it */
    for (uint32_t i = 0; i < node->pred_count; i++)
        if (node->is_soft[i]) node->before |= node->preds[i]->before;
}

static void when(scenario *s, const made_node *node)
{
    rv_buf text = {0};
    if (!one_in(s, 4) || (node->pred_count == 0 && node->word == WORD_NONE)) return;
    condition(s, node, &text, 0);
    line(s, "when: \"%s\"", text.at);
    rv_buf_deinit(&text);
}

/* ---- leaves ---- */

/* Why a node is done again is there to be read where a back-edge leads over it, or where a result that violates its schema is tried
 * again: what stands for it in the text is replaced when that is known. */
#define FEEDBACK "@why n%u@"

static void hears_why(scenario *s, uint32_t name)
{
    if (name - s->names_first < NAMES_MAX) s->hears_why[name - s->names_first] = true;
}

static void replace_feedback(scenario *s, size_t from)
{
    rv_buf out = {0};
    for (size_t i = from; i < s->out->size; i++) {
        unsigned name = 0;
        int size = 0;
        if (s->out->at[i] == '@' && sscanf(s->out->at + i, FEEDBACK "%n", &name, &size) == 1 && size > 0) {
            bool has_it = name - s->names_first < NAMES_MAX && s->hears_why[name - s->names_first];
            rv_buf_cstring(&out, has_it ? "${feedback}" : "nothing");
            i += (size_t)size - 1;
        } else {
            rv_buf_byte(&out, s->out->at[i]);
        }
    }
    s->out->size = from;
    rv_buf_str_add(s->out, rv_buf_str(&out));
    rv_buf_deinit(&out);
}

/* How many attempts it may have. */
static uint32_t retry(scenario *s)
{
    uint32_t attempts = 1 + below(s, 4);
    line(s, "retry: {max_attempts: %u, lost_max: %u, delay: %ums, backoff: %s, jitter: %s%s}", attempts, below(s, 4),
         one_in(s, 3) ? 0 : below(s, 400), WORD(s, "fixed", "exponential"), WORD(s, "true", "false"),
         WORD(s, "", ", on: [signal, timeout]", ", on: [1, 2, unavailable]", ", on: [timeout, 3]", ", delay_max: 300ms"));
    return attempts;
}

/* Money and tokens that a node may spend, with all that is beneath it; or what it is expected to. */
static void node_budget(scenario *s, bool is_process)
{
    if (!s->has_money || !one_in(s, 3)) return;
    const char *at_limit = WORD(s, "", "", ", at_limit: stop", ", at_limit: warn");
    if (is_process && one_in(s, 2)) line(s, "budget: {estimate: {usd: 0.%u, tokens: %u}}", below(s, 10), below(s, 300));
    else if (one_in(s, 4)) line(s, "budget: {attempts: %u%s}", 1 + below(s, 8), at_limit);
    else if (one_in(s, 6)) line(s, "budget: {time: %ums%s}", 50 + below(s, 2000), at_limit);
    else if (one_in(s, 6) && !is_process) line(s, "budget: {nodes: %u%s}", 1 + below(s, 8), at_limit);
    else line(s, "budget: {usd: %u.%u, tokens: %u%s}", below(s, 3), below(s, 100), 100 + below(s, 2000), at_limit);
}

/* Where it may write. true: in a worktree, where it has no outputs, and nothing of it is cached. */
static bool isolate(scenario *s, bool is_cached)
{
    if (!one_in(s, 8)) return false;
    bool is_worktree = !is_cached && one_in(s, 3);
    line(s, "isolation: %s", is_worktree ? "worktree" : WORD(s, "none", "read_only"));
    return is_worktree;
}

/* Whether it is trusted: what is quarantined and can write is denied. */
static void trust(scenario *s)
{
    if (one_in(s, 30)) line(s, "trust: quarantined");
}

/* Its work is looked for before it is done: many have the same command, and the same inputs. */
static void cache_keys(scenario *s)
{
    line(s, "cache: {inputs: [%s]%s}", WORD(s, "", "", "", "in/a", "in/a, in/b", "\"in/*\"", "in/none"),
         WORD(s, "", "", ", deps: values", ", deps: files", ", env_host: [USER]"));
}

static void process_keys(scenario *s, const made_node *node)
{
    uint32_t attempts = 1;
    bool is_cached = one_in(s, 3);
    if (is_cached) cache_keys(s);
    if (one_in(s, 5)) line(s, "mutex: %s", WORD(s, "m0", "[m0, m1]", "{name: m0, mode: shared}", "[m2, {name: m1, mode: shared}]"));
    if (!is_cached && one_in(s, 6)) line(s, "delivery: at_most_once"), line(s, "on_unknown: %s", WORD(s, "ask", "ask", "fail", "retry"));
    else if (one_in(s, 2)) attempts = retry(s);
    node_budget(s, true);
    bool is_apart = isolate(s, is_cached);
    trust(s);
    if (one_in(s, 4)) line(s, "timeout: %ums", 1 + below(s, 300));
    if (one_in(s, 8)) line(s, "timeout_total: %ums", 1 + below(s, 900));
    if (one_in(s, 5)) {
        line(s, "output_schema: {type: object, properties: {n: {type: integer, maximum: 5}}, required: [n]}");
        if (attempts > 1) hears_why(s, node->name);
    }
    if (is_apart) return;
    if (is_cached ? !one_in(s, 3) : one_in(s, 10)) line(s, "outputs: [out/%u.txt]", node->name);
    else if (one_in(s, 8)) line(s, "outputs: [\"any/*.txt\"]"); /* who else makes some is at odds with it */
    if (!is_cached && one_in(s, 20)) line(s, "leave: true");
}

static void run_node(scenario *s, made_node *node)
{
    rv_buf value = {0};
    node->is_process = true;
    bool has = one_in(s, 3) && reference(s, node, true, &value);
    line(s, "run: [work, \"%s\"]", has ? value.at : "1");
    rv_buf_deinit(&value);
    process_keys(s, node);
}

static void shell_node(scenario *s, made_node *node)
{
    rv_buf value = {0};
    node->is_process = true;
    line(s, "shell: work");
    if (one_in(s, 3) && reference(s, node, true, &value)) line(s, "env: {VALUE: \"%s\"}", value.at);
    else if (one_in(s, 2)) line(s, "env: {VALUE: \"" FEEDBACK "\"}", node->name);
    rv_buf_deinit(&value);
    process_keys(s, node);
}

static void approve_node(scenario *s, made_node *node)
{
    rv_buf value = {0};
    bool has = reference(s, node, false, &value);
    line(s, "approve: {message: \"Go on with %s?\"%s%s}", has ? value.at : "it",
         WORD(s, "", ", on_reject: continue", ", on_reject: fail"), WORD(s, "", "", ", deadline: 120ms", ", deadline: 5s"));
    SET_FIELDS(node, "decision", "by");
    rv_buf_deinit(&value);
}

static void input_node(scenario *s, made_node *node)
{
    line(s, "input: {question: How many?%s%s}", WORD(s, "", ", schema: {type: integer}", ", schema: {type: [string, number]}"),
         WORD(s, "", ", deadline: 80ms", ", deadline: 80ms, default: 2", ", deadline: 3s, default: 2"));
    SET_FIELDS(node, "value");
}

static void wait_node(scenario *s, made_node *node)
{
    if (one_in(s, 3)) line(s, "wait: {event: e%u}", below(s, 3));
    else if (one_in(s, 6)) line(s, "wait: {until: \"2026-09-21T15:40:00Z\"}");
    else line(s, "wait: {for: %ums}", below(s, 600));
}

static void set_node(scenario *s, made_node *node)
{
    rv_buf value = {0};
    bool has = reference(s, node, true, &value);
    line(s, "set: {n: \"%s\", m: \"%u\"}", has ? value.at : "4", below(s, 9));
    SET_FIELDS(node, "n", "m");
    rv_buf_deinit(&value);
}

static void reduce_node(scenario *s, made_node *node)
{
    if (node->pred_count == 0 || node->is_soft[0] || node->preds[0]->is_outside) {
        set_node(s, node);
        return;
    }
    line(s, "reduce: {reducer: %s, of: [n%u]}", WORD(s, "concat", "count", "dedupe_lines", "first", "majority", "merge_json_arrays"),
         node->preds[0]->name);
    SET_FIELDS(node, "value");
}

typedef void make_fn(scenario *s, made_node *node);
static make_fn *const leaves[] = {run_node,     shell_node, shell_node, shell_node, run_node,  run_node,
                                  approve_node, input_node, wait_node,  set_node,   reduce_node};

/* ---- holders ---- */

static void make_kind(scenario *s, made_node *node);
static void make_nodes(scenario *s, scope *in, uint32_t count);

/* Tags and the like, of any node. */
static void common(scenario *s)
{
    if (one_in(s, 3)) line(s, "tags: [%s]", WORD(s, "t0", "t1", "t2", "t0, t1"));
    if (one_in(s, 5)) line(s, "priority: %u", below(s, 4));
}

/* One node's body beneath `key`; how the node may be spoken of. */
static made_node body(scenario *s, const made_node *owner, const char *key, offer word)
{
    made_node node = {.name = s->names++, .owner = owner, .word = word};
    line(s, "%s", key);
    s->indent += 2;
    make_kind(s, &node);
    when(s, &node);
    if (!one_in(s, 3)) common(s);
    s->indent -= 2;
    return node;
}

/* One that runs something, which gives what it is to give. */
static void process_body(scenario *s, const made_node *owner, const char *key, offer word)
{
    made_node node = {.name = s->names++, .owner = owner, .word = word};
    line(s, "%s", key);
    s->indent += 2;
    leaves[below(s, 6)](s, &node);
    s->indent -= 2;
}

static void graph_body(scenario *s, const made_node *owner, offer word)
{
    scope *in = rv_alloc(sizeof *in), *outer = s->scope;
    *in = (scope){.owner = owner, .word = word};
    line(s, "nodes:");
    s->indent += 2;
    make_nodes(s, in, 1 + below(s, 4));
    s->indent -= 2;
    s->scope = outer;
    rv_free(in);
}

static void foreach_node(scenario *s, made_node *node)
{
    static const char *const lists[] = {"[]", "[a]", "[a, b]", "[1, 2, 3]", "[{n: 1}, {n: 2}, x, null]"};
    uint32_t count = below(s, RV_COUNT(lists)), times = s->times;
    const made_node *pred = node->pred_count ? node->preds[below(s, node->pred_count)] : NULL;
    line(s, "foreach:");
    s->indent += 2;
    if (pred && pred->is_process && one_in(s, 2))
        line(s, "items: \"${n%u.%s}\"", pred->name, WORD(s, "list", "list:-[]", "stdout"));
    else line(s, "items: %s", lists[count]);
    if (one_in(s, 2)) line(s, "max_parallel: %u", 1 + below(s, 3));
    if (!one_in(s, 3)) line(s, "join: %s", WORD(s, "all", "any", "race", "all_settled"));
    s->times *= 3;
    if (one_in(s, 2)) {
        (void)body(s, node, "do:", WORD_ITEM);
    } else {
        line(s, "do:");
        s->indent += 2;
        graph_body(s, node, WORD_ITEM);
        s->indent -= 2;
    }
    s->times = times;
    s->indent -= 2;
    SET_FIELDS(node, "results", "failed", "results.0", "failed.0");
}

static void loop_node(scenario *s, made_node *node)
{
    uint32_t times = s->times, max = 1 + below(s, 4);
    line(s, "loop:");
    s->indent += 2;
    s->times *= max;
    made_node made = body(s, node, "body:", WORD_ITERATION);
    s->times = times;
    line(s, "max: %u", max);
    if (made.is_process && one_in(s, 2)) line(s, "until: \"${previous.n:-0} %s %u\"", WORD(s, ">=", "==", "<"), below(s, 5));
    else if (one_in(s, 3)) line(s, "until: \"${iteration} == %u\"", 1 + below(s, 4));
    s->indent -= 2;
    SET_FIELDS(node, "value", "iterations", "exhausted");
}

/* Its branches are names of nodes that are made later. */
static void classify_node(scenario *s, made_node *node)
{
    scope *in = s->scope;
    uint32_t first = s->names, count = 1 + below(s, 3);
    bool has_room = node->before && in->promised_count == 0 && in->count + count + 1 < SCOPE_NODES_MAX;
    if (!has_room) {
        loop_node(s, node);
        return;
    }
    s->names += count;
    line(s, "classify:");
    s->indent += 2;
    if (one_in(s, 6)) line(s, "by: {set: {branch: \"\\\"%s\\\"\"}}", WORD(s, "b0", "b1", "nowhere"));
    else process_body(s, node, "by:", WORD_NONE);
    rv_buf_printf(s->out, "%*sbranches: {b0: [n%u]", (int)s->indent, "", first);
    for (uint32_t i = 1; i < count; i++) rv_buf_printf(s->out, ", b%u: [n%u]", i, first + i);
    if (count > 1 && one_in(s, 2)) rv_buf_printf(s->out, ", b%u: [n%u, n%u]", count, first, first + 1);
    rv_buf_cstring(s->out, "}\n");
    s->indent -= 2;
    for (uint32_t i = 0; i < count; i++) in->promised[in->promised_count++] = first + count - 1 - i;
    in->promised_to = node;
    SET_FIELDS(node, "branch");
}

static void tournament_node(scenario *s, made_node *node)
{
    uint32_t times = s->times, count = 2 + below(s, 4), named = 0;
    line(s, "tournament:");
    s->indent += 2;
    line(s, "entrants:");
    s->indent += 2;
    for (uint32_t i = 0; i < node->pred_count; i++) { /* one that is only waited for as an entrant has no other edge */
        if (!one_in(s, 2) || node->preds[i]->is_outside) continue;
        line(s, "- n%u", node->preds[i]->name);
        named++;
        if (!node->is_soft[i]) continue;
        node->is_soft[i] = node->is_soft[node->pred_count - 1];
        node->preds[i--] = node->preds[--node->pred_count];
    }
    for (uint32_t i = named; i < RV_MAX(count, named + 1); i++) (void)body(s, node, "-", WORD_NONE);
    s->indent -= 2;
    s->times *= 4;
    if (one_in(s, 8)) line(s, "judge: {set: {winner: \"\\\"%s\\\"\"}}", WORD(s, "left", "right", "nobody"));
    else process_body(s, node, "judge:", WORD_SIDES);
    s->times = times;
    if (one_in(s, 3)) line(s, "quorum: %u", 1 + 2 * below(s, 2));
    if (one_in(s, 3)) line(s, "swap: true");
    if (one_in(s, 3)) line(s, "swiss: %u", 1 + below(s, 3));
    s->indent -= 2;
    SET_FIELDS(node, "winner", "value", "rounds");
}

static void definition(scenario *s)
{
    static const made_node nothing = {.word = WORD_PARAM};
    line(s, "params: {p: {default: one}}");
    if (one_in(s, 3)) line(s, "result: {p: \"${user.p}\"}");
    graph_body(s, &nothing, WORD_PARAM);
}

/* Another file, beside the first one. */
static void definition_file(scenario *s)
{
    rv_buf text = {0}, path = {0}, *out = s->out;
    uint32_t indent = s->indent;
    line(s, "file: part%u.yaml", s->files);
    rv_buf_printf(&path, "%s/part%u.yaml", s->dir, s->files++);
    s->out = &text, s->indent = 0;
    line(s, "reeve: 1");
    definition(s);
    replace_feedback(s, 0);
    s->out = out, s->indent = indent;
    rv_sim_write_file(path.at, rv_buf_str(&text));
    rv_buf_deinit(&text);
    rv_buf_deinit(&path);
}

static void workflow_node(scenario *s, made_node *node)
{
    rv_buf value = {0};
    bool has = reference(s, node, false, &value);
    line(s, "workflow:");
    s->indent += 2;
    if (one_in(s, 2)) line(s, "params: {p: \"%s\"}", has ? value.at : "2");
    rv_buf_deinit(&value);
    if (s->dir && one_in(s, 2)) {
        definition_file(s);
    } else {
        line(s, "definition:");
        s->indent += 2;
        definition(s);
        s->indent -= 2;
    }
    s->indent -= 2;
}

static make_fn *const holders[] = {foreach_node, foreach_node, loop_node, classify_node, tournament_node, workflow_node};

static void make_kind(scenario *s, made_node *node)
{
    bool may_hold = s->depth < DEPTH_MAX && s->times < TIMES_MAX && s->names < NAMES_MAX;
    if (!may_hold || !one_in(s, 5)) {
        leaves[below(s, RV_COUNT(leaves))](s, node);
        return;
    }
    s->depth++;
    holders[below(s, RV_COUNT(holders))](s, node);
    s->depth--;
    node_budget(s, false);
    trust(s);
}

/* ---- back-edges ---- */

static bool lies_well(const scope *in, uint64_t members)
{
    for (uint32_t i = 0; i < in->repeated_count; i++) {
        uint64_t common = in->repeated[i] & members;
        if (common != 0 && common != members && common != in->repeated[i]) return false;
    }
    return true;
}

static void revise(scenario *s, const made_node *node)
{
    scope *in = s->scope;
    uint32_t self = (uint32_t)(node - in->nodes), target = below(s, self + 1);
    uint64_t members = 0;
    if (target == self || target < in->first || !(node->before >> target & 1) || s->times * 2 > TIMES_MAX) return;
    for (uint32_t i = target; i <= self; i++)
        if ((node->before >> i & 1) && (in->nodes[i].before >> target & 1)) members |= 1ull << i;
    if (!lies_well(in, members)) return;
    in->repeated[in->repeated_count++] = members;
    for (uint32_t i = target; i <= self; i++)
        if (members >> i & 1) hears_why(s, in->nodes[i].name);
    line(s, "revise: {target: n%u, when: \"${n%u.%s} %s\", max: %u%s}", in->nodes[target].name, node->name,
         node->is_process ? WORD(s, "n:-1", "n:-0", "exit_code") : "state", node->is_process ? WORD(s, "< 3", "== 0", "!= 2")
         : WORD(s, "== \\\"succeeded\\\"", "!= \\\"failed\\\""), 1 + below(s, 3), WORD(s, "", ", at_max: ask", ", at_max: fail"));
}

/* ---- the file ---- */

static void add_pred(scope *in, made_node *node, const made_node *pred, bool is_soft)
{
    for (uint32_t k = 0; k < node->pred_count; k++)
        if (node->preds[k] == pred) return;
    node->is_soft[node->pred_count] = is_soft;
    node->preds[node->pred_count++] = pred;
    node->before |= pred->before;
}

static void make_preds(scenario *s, scope *in, made_node *node)
{
    uint32_t wanted = RV_MIN(below(s, PREDS_MAX - 1), in->count);
    for (uint32_t i = 0; i < wanted; i++) {
        uint32_t span = one_in(s, 3) ? in->count : RV_MIN(in->count, 5), pred = in->count - 1 - below(s, span);
        add_pred(in, node, &in->nodes[pred], one_in(s, 5));
    }
}

static void make_node(scenario *s, scope *in)
{
    made_node *node = &in->nodes[in->count];
    bool is_full = in->count + in->promised_count + 1 >= SCOPE_NODES_MAX;
    bool is_promised = in->promised_count > 0 && (is_full || one_in(s, 2));
    RV_ASSERT(in->count < SCOPE_NODES_MAX);
    uint32_t name = is_promised ? in->promised[--in->promised_count] : s->names++;
    *node = (made_node){.name = name, .self = 1ull << in->count, .before = 1ull << in->count, .owner = in->owner, .word = in->word};
    if (is_promised) add_pred(in, node, in->promised_to, false);
    make_preds(s, in, node);
    s->scope = in;
    line(s, "n%u:", node->name);
    s->indent += 2;
    make_kind(s, node);
    s->scope = in;
    edges(s, node);
    when(s, node);
    common(s);
    if (one_in(s, 8)) revise(s, node);
    s->indent -= 2;
    in->count++;
}

static void make_nodes(scenario *s, scope *in, uint32_t count)
{
    while (in->count < count || in->promised_count > 0) make_node(s, in);
}

static void make_handlers(scenario *s)
{
    static const char *const names[] = {"success", "failure", "cancel", "exit"};
    bool has_any = false;
    for (size_t i = 0; i < RV_COUNT(names); i++) {
        if (!one_in(s, 3)) continue;
        if (!has_any) rv_buf_cstring(s->out, "on:\n");
        has_any = true;
        rv_buf_printf(s->out, "  %s: {shell: tell%s}\n", names[i], WORD(s, "", ", timeout: 50ms", ", retry: {max_attempts: 2}"));
    }
}

/* What the whole run may spend. */
static void run_budget(scenario *s)
{
    uint32_t kind = below(s, 4);
    rv_buf_cstring(s->out, "budget: {");
    if (kind != 0) rv_buf_printf(s->out, "usd: %u.%02u, ", below(s, 6), below(s, 100));
    if (kind != 1) rv_buf_printf(s->out, "tokens: %u, ", below(s, 6000));
    if (one_in(s, 4)) rv_buf_printf(s->out, "time: %ums, ", 20 + below(s, 3000));
    if (one_in(s, 4)) rv_buf_printf(s->out, "attempts: %u, ", below(s, 30));
    if (one_in(s, 6)) rv_buf_printf(s->out, "nodes: %u, ", below(s, 20));
    if (one_in(s, 3)) rv_buf_cstring(s->out, "group: shared, ");
    rv_buf_printf(s->out, "at_limit: %s}\n", WORD(s, "pause", "pause", "pause", "stop", "warn"));
}

static void run_quota(scenario *s, uint32_t count)
{
    rv_buf_cstring(s->out, "quota: {");
    if (one_in(s, 2)) rv_buf_printf(s->out, "concurrent: %u, ", one_in(s, 20) ? 0 : 1 + below(s, 3));
    if (one_in(s, 2)) rv_buf_printf(s->out, "attempts: %u, ", 1 + below(s, 40));
    if (one_in(s, 3)) rv_buf_printf(s->out, "depth: %u, ", below(s, 4));
    rv_buf_printf(s->out, "nodes: %u}\n", count + (one_in(s, 2) ? 1000 : below(s, 30)));
}

void rv_sim_scenario(uint64_t seed, const char *dir, rv_buf *out)
{
    scenario s = {.rng = seed ^ 0x5ce2a210ull, .out = out, .indent = 2, .times = 1, .dir = dir};
    uint32_t count = 1 + below(&s, one_in(&s, 4) ? SCOPE_NODES_MAX - 8 : 12);
    size_t from = out->size;
    scope *file = rv_alloc(sizeof *file);
    *file = (scope){0};
    rv_buf_printf(out, "reeve: 1\nname: made-up-%llu\n", (unsigned long long)seed);
    rv_buf_printf(out, "concurrency: {tags: {t0: 1, t1: 2, t2: 3}}\n");
    if (one_in(&s, 10)) rv_buf_printf(out, "timeout: %ums\n", 1 + below(&s, 3000));
    s.has_money = one_in(&s, 2);
    if (s.has_money && !one_in(&s, 4)) run_budget(&s);
    rv_buf_cstring(out, "nodes:\n");
    make_nodes(&s, file, count);
    make_handlers(&s);
    if (one_in(&s, 4)) run_quota(&s, file->count + 4); /* and as many handlers */
    replace_feedback(&s, from);
    rv_free(file);
}

/* ---- what a running node submits ---- */

/* Something that is wrong with it, at a node of the name *ret. */
static void spoil(scenario *s, uint32_t taken, uint32_t *ret)
{
    *ret = s->names++;
    switch (below(s, taken == RV_NONE ? 2 : 3)) {
    case 0: line(s, "n%u: {run: [work], needs: [nowhere]}", *ret); break;
    case 1: line(s, "n%u: {run: [work], needs: [n%u]}", *ret, *ret); break;
    default: line(s, "n%u: {run: [work]}", *ret = taken); break;
    }
}

void rv_sim_submission(uint64_t seed, const rv_sim_giver *giver, rv_buf *out, uint32_t *ret_bad)
{
    scenario s = {.rng = seed, .out = out, .indent = 2, .times = 3, .depth = 1, .names = giver->first_name,
                  .names_first = giver->first_name, .has_money = giver->has_money};
    scope *in = rv_alloc(sizeof *in);
    *in = (scope){0};
    size_t from = out->size;
    for (uint32_t i = 0; i < giver->beside_count && in->count < PREDS_MAX; i++) {
        uint64_t bit = 1ull << in->count;
        in->nodes[in->count++] = (made_node){.name = giver->beside[i], .is_outside = true, .self = bit, .before = bit};
    }
    in->first = in->count;
    if (one_in(&s, 3)) rv_buf_cstring(out, "reeve: 1\n");
    rv_buf_cstring(out, "nodes:\n");
    make_nodes(&s, in, in->first + 1 + below(&s, 4));
    *ret_bad = RV_NONE;
    if (giver->is_bad) spoil(&s, giver->beside_count ? giver->beside[0] : RV_NONE, ret_bad);
    replace_feedback(&s, from);
    rv_free(in);
}
