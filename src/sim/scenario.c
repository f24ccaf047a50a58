#include "sim/inner.h"

/* Workflows made up. A new kind of node is one function and one row of `kinds`. Names are n0, n1 …; references go to predecessors,
 * which have settled when the node looks. */

#define NODES_MAX 40
#define PREDS_MAX 4

typedef struct scenario scenario;
typedef struct made_node {
    bool is_process;
    uint32_t preds[PREDS_MAX], pred_count; /* hard and soft */
    bool is_soft[PREDS_MAX];
} made_node;
struct scenario {
    uint64_t rng;
    rv_buf *out;
    made_node nodes[NODES_MAX];
    uint32_t count;
};

static uint32_t below(scenario *s, uint32_t bound) { return rv_rng_below(&s->rng, bound); }
static bool one_in(scenario *s, uint32_t n) { return below(s, n) == 0; }
static const char *word_of(scenario *s, const char *const *words, uint32_t count) { return words[below(s, count)]; }
#define WORD(s_, ...) word_of(s_, (const char *const[]){__VA_ARGS__}, RV_COUNT(((const char *const[]){__VA_ARGS__})))

/* ---- references ---- */

/* A reference to a field of a predecessor; false: it has none. */
static bool reference(scenario *s, const made_node *node, bool may_read_output, rv_buf *out)
{
    if (node->pred_count == 0) return false;
    uint32_t pred = node->preds[below(s, node->pred_count)];
    const char *field = WORD(s, "state", "state", "n", "n", "exit_code", "stdout");
    bool is_of_process = strcmp(field, "state") != 0 && strcmp(field, "n") != 0;
    if ((is_of_process && !s->nodes[pred].is_process) || (!may_read_output && strcmp(field, "stdout") == 0)) field = "state";
    if (strcmp(field, "n") == 0 && !s->nodes[pred].is_process) field = "state";
    rv_buf_printf(out, "${n%u.%s%s}", pred, field, one_in(s, 3) ? ":-1" : "");
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
        rv_buf_cstring(s->out, is_soft ? "    after: [" : "    needs: [");
        const char *comma = "";
        for (uint32_t i = 0; i < node->pred_count; i++) {
            if (node->is_soft[i] != is_soft) continue;
            rv_buf_printf(s->out, "%sn%u", comma, node->preds[i]);
            comma = ", ";
        }
        rv_buf_cstring(s->out, "]\n");
    }
    if (node->pred_count > soft && one_in(s, 2))
        rv_buf_printf(s->out, "    dep_policy: %s\n", WORD(s, "all_success", "accept_partial", "all_terminal", "all_terminal", "optional"));
    if (node->pred_count == 0 || !one_in(s, 4)) return;
    rv_buf text = {0};
    condition(s, node, &text, 0);
    rv_buf_printf(s->out, "    when: \"%s\"\n", text.at);
    rv_buf_deinit(&text);
}

/* ---- kinds ---- */

static void retry(scenario *s)
{
    rv_buf_printf(s->out, "    retry: {max_attempts: %u, lost_max: %u, delay: %ums, backoff: %s, jitter: %s%s}\n", 1 + below(s, 4),
                  below(s, 4), one_in(s, 3) ? 0 : below(s, 400), WORD(s, "fixed", "exponential"), WORD(s, "true", "false"),
                  WORD(s, "", ", on: [signal, timeout]", ", on: [1, 2, unavailable]", ", on: [timeout, 3]", ", delay_max: 300ms"));
}

static void process_keys(scenario *s)
{
    if (one_in(s, 6)) rv_buf_printf(s->out, "    delivery: at_most_once\n    on_unknown: %s\n", WORD(s, "ask", "ask", "fail", "retry"));
    else if (one_in(s, 2)) retry(s);
    if (one_in(s, 4)) rv_buf_printf(s->out, "    timeout: %ums\n", 1 + below(s, 300));
    if (one_in(s, 8)) rv_buf_printf(s->out, "    timeout_total: %ums\n", 1 + below(s, 900));
    if (one_in(s, 5))
        rv_buf_cstring(s->out, "    output_schema: {type: object, properties: {n: {type: integer, maximum: 5}}, required: [n]}\n");
    if (one_in(s, 10)) rv_buf_printf(s->out, "    outputs: [out/%u.txt]\n", s->count);
    if (one_in(s, 20)) rv_buf_cstring(s->out, "    leave: true\n");
}

static void run_node(scenario *s, made_node *node)
{
    rv_buf value = {0};
    bool has = one_in(s, 3) && reference(s, node, true, &value);
    rv_buf_printf(s->out, "    run: [work, \"%s\"]\n", has ? value.at : "1");
    rv_buf_deinit(&value);
    node->is_process = true;
    process_keys(s);
}

static void shell_node(scenario *s, made_node *node)
{
    rv_buf value = {0};
    rv_buf_cstring(s->out, "    shell: work\n");
    if (one_in(s, 3) && reference(s, node, true, &value)) rv_buf_printf(s->out, "    env: {VALUE: \"%s\"}\n", value.at);
    rv_buf_deinit(&value);
    node->is_process = true;
    process_keys(s);
}

static void approve_node(scenario *s, made_node *node)
{
    rv_buf value = {0};
    bool has = reference(s, node, false, &value);
    rv_buf_printf(s->out, "    approve: {message: \"Go on with %s?\"%s%s}\n", has ? value.at : "it",
                  WORD(s, "", ", on_reject: continue", ", on_reject: fail"), WORD(s, "", "", ", deadline: 120ms", ", deadline: 5s"));
    rv_buf_deinit(&value);
}

static void input_node(scenario *s, made_node *node)
{
    rv_buf_printf(s->out, "    input: {question: How many?%s%s}\n",
                  WORD(s, "", ", schema: {type: integer}", ", schema: {type: [string, number]}"),
                  WORD(s, "", ", deadline: 80ms", ", deadline: 80ms, default: 2", ", deadline: 3s, default: 2"));
}

static void wait_node(scenario *s, made_node *node)
{
    if (one_in(s, 6)) rv_buf_cstring(s->out, "    wait: {until: \"2026-09-21T15:40:00Z\"}\n");
    else rv_buf_printf(s->out, "    wait: {for: %ums}\n", below(s, 600));
}

static void set_node(scenario *s, made_node *node)
{
    rv_buf value = {0};
    bool has = reference(s, node, true, &value);
    rv_buf_printf(s->out, "    set: {n: \"%s\", m: \"%u\"}\n", has ? value.at : "4", below(s, 9));
    rv_buf_deinit(&value);
}

static void reduce_node(scenario *s, made_node *node)
{
    if (node->pred_count == 0 || node->is_soft[0]) {
        set_node(s, node);
        return;
    }
    rv_buf_printf(s->out, "    reduce: {reducer: %s, of: [n%u]}\n", WORD(s, "concat", "count", "dedupe_lines", "first", "majority",
                  "merge_json_arrays"), node->preds[0]);
}

static void (*const kinds[])(scenario *s, made_node *node) = {run_node,     shell_node, shell_node, shell_node, run_node,  run_node,
                                                               approve_node, input_node, wait_node,  set_node,   reduce_node};

/* ---- the file ---- */

static void make_preds(scenario *s, made_node *node)
{
    uint32_t wanted = RV_MIN(below(s, PREDS_MAX + 1), s->count);
    for (uint32_t i = 0; i < wanted; i++) {
        uint32_t span = one_in(s, 3) ? s->count : RV_MIN(s->count, 5), pred = s->count - 1 - below(s, span);
        bool is_there = false;
        for (uint32_t k = 0; k < node->pred_count; k++) is_there |= node->preds[k] == pred;
        if (is_there) continue;
        node->is_soft[node->pred_count] = one_in(s, 5);
        node->preds[node->pred_count++] = pred;
    }
}

static void make_node(scenario *s)
{
    made_node *node = &s->nodes[s->count];
    *node = (made_node){0};
    make_preds(s, node);
    rv_buf_printf(s->out, "  n%u:\n", s->count);
    kinds[below(s, RV_COUNT(kinds))](s, node);
    edges(s, node);
    if (one_in(s, 3)) rv_buf_printf(s->out, "    tags: [%s]\n", WORD(s, "t0", "t1", "t2", "t0, t1"));
    if (one_in(s, 5)) rv_buf_printf(s->out, "    priority: %u\n", below(s, 4));
    s->count++;
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

void rv_sim_scenario(uint64_t seed, rv_buf *out)
{
    scenario s = {.rng = seed ^ 0x5ce2a210ull, .out = out};
    uint32_t count = 1 + below(&s, one_in(&s, 4) ? NODES_MAX - 1 : 12);
    rv_buf_printf(out, "reeve: 1\nname: made-up-%llu\n", (unsigned long long)seed);
    rv_buf_printf(out, "concurrency: {tags: {t0: 1, t1: 2, t2: 3}}\n");
    if (one_in(&s, 10)) rv_buf_printf(out, "timeout: %ums\n", 1 + below(&s, 3000));
    rv_buf_cstring(out, "nodes:\n");
    while (s.count < count) make_node(&s);
    make_handlers(&s);
}
