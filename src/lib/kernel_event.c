#include "lib/kernel.h"

#include "kernel/gate.h"
#include "lib/report.h"

#include <stdio.h>

/* From a host's event to the kernel's: words become numbers, what an executor reports becomes a result, what people say
 * becomes what the journal keeps of it. Types that are not named here are copied field by field, as their row in
 * RV_EVENT_MAP has it. */

#define AMOUNT_MAX ((INT64_C(1) << 53) - 1)
#define COST_USD_MAX 1e9
#define ARTIFACTS_MAX 4096u
#define SEED_MAX (UINT64_MAX >> 1) /* so that every reader of the journal has it exactly */

_Static_assert((int)REEVE_LOST_WAS_STARTED == (int)RV_LOST_WAS_STARTED && (int)REEVE_LOST_STOPPED == (int)RV_LOST_STOPPED &&
                   (int)REEVE_LOST_NEVER_STARTED == (int)RV_LOST_NEVER_STARTED, "the public bits of `lost` are its bits");
_Static_assert((int)REEVE_RESUME_AFTER_DEATH == (int)RV_RESUME_AFTER_DEATH && (int)REEVE_CANCEL_UNDRIVEN == (int)RV_CANCEL_UNDRIVEN,
               "likewise of `resume` and `cancel`");
_Static_assert((int)REEVE_BUDGET_SET == (int)RV_BUDGET_SET && (int)REEVE_BUDGET_ELSEWHERE == (int)RV_BUDGET_ELSEWHERE &&
                   (int)REEVE_USAGE_FINAL == (int)RV_USAGE_FINAL, "likewise of `budget` and `usage`");

/* ---- texts ---- */

static rv_status check_text(rv_str text, const char *what, rv_error *err)
{
    if (rv_utf8_valid(text) != text.size) return rv_error_set(err, RV_INVALID, "`%s` is not UTF-8", what);
    if (text.size > RV_RESULT_SIZE_MAX) return rv_error_set(err, RV_LIMIT, "`%s` is over 1 MiB", what);
    return RV_OK;
}

static rv_str masked(reeve_kernel *kernel, rv_str text)
{
    rv_buf out = {0};
    if (!kernel->mask || text.size == 0) return text;
    rv_mask_whole(kernel->mask, text, &out);
    rv_str copy = rv_arena_str(&kernel->scratch, rv_buf_str(&out));
    rv_buf_deinit(&out);
    return copy;
}

static rv_status mask_result(reeve_kernel *kernel, rv_str *result, rv_error *err)
{
    rv_buf out = {0};
    rv_json *tree = NULL;
    if (!kernel->mask || result->size == 0) return RV_OK;
    rv_mask_json(kernel->mask, *result, &out);
    *result = rv_arena_str(&kernel->scratch, rv_buf_str(&out));
    rv_buf_deinit(&out);
    return rv_report_value(&kernel->scratch, *result, &tree, err); /* two keys may have become one, marks can make it longer */
}

/* ---- completed ---- */

/* What `reeve run` would say of it, where the host says nothing. */
static void take_error_text(reeve_kernel *kernel, const reeve_event *event, rv_event *ret)
{
    rv_arena *scratch = &kernel->scratch;
    const char *why = event->termination ? event->termination : rv_detail_name((rv_detail)ret->detail);
    if (event->text) {
        ret->text = masked(kernel, rv_str_of(event->text));
        return;
    }
    if (ret->state == RV_ATTEMPT_TIMEOUT) ret->text = RV_STR("took longer than its timeout");
    if (ret->state != RV_ATTEMPT_ERROR) return;
    if (ret->signal > 0) ret->text = rv_arena_printf(scratch, "ended by signal %d (%s)", ret->signal, strsignal(ret->signal));
    else if (ret->exit_status > 0) ret->text = rv_arena_printf(scratch, "exit status %d", ret->exit_status);
    else ret->text = rv_arena_printf(scratch, "ended with %s", why);
}

static rv_str trimmed(rv_str text)
{
    while (text.size && text.at[text.size - 1] == '\n') text.size--; /* as `$(…)` gives it */
    return text;
}

static rv_status check_outputs(const reeve_kernel *kernel, const reeve_event *event, uint32_t node, rv_str output, rv_error *err)
{
    bool is_read = rv_run_def(kernel->run, node)->flags & (RV_NODE_F_EXPR_OUTPUT | RV_NODE_F_READS_OUTPUT);
    bool is_over = output.size > RV_VALUE_SIZE_MAX || (event->error_output && strlen(event->error_output) > RV_VALUE_SIZE_MAX);
    if (is_read && is_over)
        return rv_error_set(err, RV_LIMIT, "an output that is read is over 1 MiB; give it as an artifact and pass the path");
    return RV_OK;
}

/* Names are told apart, so that they are keys of an object. */
static rv_status check_artifacts(const reeve_event *event, rv_error *err)
{
    rv_map seen = {0};
    rv_status status = RV_OK;
    if (event->artifact_count > ARTIFACTS_MAX) return rv_error_set(err, RV_LIMIT, "over %u artifacts", ARTIFACTS_MAX);
    for (size_t i = 0; i < event->artifact_count && status == RV_OK; i++) {
        rv_str name = rv_str_of(event->artifacts[i].name), path = rv_str_of(event->artifacts[i].value);
        status = check_text(name, "artifacts", err);
        if (status == RV_OK) status = check_text(path, "artifacts", err);
        if (status == RV_OK && rv_map_add(&seen, name, 0) != RV_NONE)
            status = rv_error_set(err, RV_INVALID, "artifact `%s` is given twice", event->artifacts[i].name);
    }
    rv_map_deinit(&seen);
    return status;
}

static rv_status take_completed(reeve_kernel *kernel, const reeve_event *event, rv_event *ret, rv_error *err)
{
    rv_json *value = NULL;
    rv_buf violations = {0};
    rv_str output = {event->output, event->output_size ? event->output_size : event->output ? strlen(event->output) : 0};
    rv_status status = rv_report_termination(event, ret, err);
    if (status == RV_OK) status = rv_report_value(&kernel->scratch, ret->value, &value, err);
    if (status == RV_OK) status = rv_report_result(&kernel->scratch, event, value, &ret->value, err);
    if (status == RV_OK) status = mask_result(kernel, &ret->value, err);
    if (status == RV_OK) status = check_outputs(kernel, event, ret->node, output, err);
    if (status == RV_OK) status = check_artifacts(event, err);
    if (status != RV_OK) return status;
    ret->output = (rv_str){NULL, 0};
    if (rv_run_def(kernel->run, ret->node)->flags & RV_NODE_F_EXPR_OUTPUT) ret->output = masked(kernel, trimmed(output));
    take_error_text(kernel, event, ret);
    bool is_result = ret->state == RV_ATTEMPT_OK || ret->state == RV_ATTEMPT_PARTIAL;
    if (!is_result) ret->value = (rv_str){NULL, 0};
    if (ret->state == RV_ATTEMPT_OK && !rv_result_fits(rv_kernel_body(kernel, ret->node), ret->value, &violations)) {
        ret->state = RV_ATTEMPT_ERROR;
        ret->detail = RV_DETAIL_SCHEMA;
        ret->value = (rv_str){NULL, 0};
        ret->text = rv_arena_str(&kernel->scratch, rv_buf_str(&violations));
    }
    rv_buf_deinit(&violations);
    return RV_OK;
}

/* ---- people ---- */

/* What was said held a secret: that stands in the result beside it, as in the engine [P9]. */
static rv_str with_note(reeve_kernel *kernel, rv_buf *result, bool was_masked)
{
    if (was_masked) {
        result->size--;
        rv_buf_cstring(result, ",\"note\":\"it held a secret of the run, which is recorded as ***\"}");
    }
    return rv_arena_str(&kernel->scratch, rv_buf_str(result));
}

static rv_status take_answer(reeve_kernel *kernel, const reeve_event *event, rv_event *ret, rv_error *err)
{
    rv_buf value = {0};
    rv_json *given = NULL, *kept = NULL;
    rv_str said = ret->value;
    if (said.size == 0) return rv_error_set(err, RV_INVALID, "answer: `value` is missing");
    rv_status status = rv_report_value(&kernel->scratch, said, &given, err);
    if (status == RV_OK) status = rv_question_answer(rv_kernel_body(kernel, ret->node), said, &value, err);
    if (status == RV_OK) status = mask_result(kernel, &said, err);
    if (status == RV_OK) status = rv_report_value(&kernel->scratch, said, &kept, err);
    bool was_masked = status == RV_OK && !rv_json_equal(given, kept);
    if (was_masked) {
        rv_buf_clear(&value);
        rv_buf_printf(&value, "{\"value\":%.*s}", RV_FMT(said));
    }
    if (status == RV_OK) ret->value = with_note(kernel, &value, was_masked);
    ret->text = rv_str_of(event->by);
    rv_buf_deinit(&value);
    return status;
}

static rv_status take_decided(reeve_kernel *kernel, const reeve_event *event, rv_event *ret, rv_error *err)
{
    rv_buf value = {0};
    const char *payload, *digest = NULL;
    const rv_node_run *node = &kernel->run->nodes[ret->node];
    bool is_asked = node->detail == RV_DETAIL_APPROVAL || node->detail == RV_DETAIL_UNKNOWN_OUTCOME;
    if (!event->state) return rv_error_set(err, RV_INVALID, "decided: `state` is missing: approve, reject, done, failed or again");
    if (node->state == RV_NODE_WAITING && is_asked) rv_kernel_question(kernel, ret->node, &payload, &digest);
    if (event->digest && digest && strcmp(event->digest, digest) != 0)
        return rv_error_set(err, RV_CONFLICT, "node %s shows something else now than what was decided on; look again",
                            rv_kernel_id(kernel, ret->node));
    rv_str comment = masked(kernel, rv_str_of(event->comment));
    rv_question_decision((rv_decision)ret->state, rv_str_of(event->by), comment, &value);
    ret->value = with_note(kernel, &value, !rv_str_eq(comment, rv_str_of(event->comment)));
    ret->text = rv_str_of(digest);
    rv_buf_deinit(&value);
    return RV_OK;
}

/* What the host says of the request, and how often it was allowed lately, which only we know. */
static rv_status take_ask(reeve_kernel *kernel, int64_t now_ms, rv_event *ret, rv_error *err)
{
    rv_status status = rv_asked_complete(&kernel->asked, kernel->run, now_ms, &kernel->scratch, ret, err);
    if (status == RV_OK) status = mask_result(kernel, &ret->value, err);
    ret->key = masked(kernel, ret->key);
    return status == RV_OK ? rv_asked_check(kernel->run, ret, err) : status;
}

/* ---- any event ---- */

static rv_status take_load(reeve_kernel *kernel, rv_event *ret, rv_error *err)
{
    if (ret->key.size >= REEVE_RUN_SIZE || !rv_is_identifier(ret->key))
        return rv_error_set(err, RV_INVALID, "load: the run's id is 1 to 63 of [A-Za-z0-9_-], the first one alphanumeric");
    if (ret->seed > SEED_MAX) return rv_error_set(err, RV_INVALID, "load: `seed` is below 2^63");
    ret->value = rv_buf_str(&kernel->load_value);
    ret->flags = kernel->fail_fast ? RV_LOAD_FAIL_FAST : 0;
    return RV_OK;
}

static rv_status take_signal(reeve_kernel *kernel, rv_event *ret, rv_error *err)
{
    rv_json *value = NULL;
    if (!rv_is_identifier(ret->key))
        return rv_error_set(err, RV_INVALID, "signal: `key` is the event's name: 1 to 64 of [A-Za-z0-9_-], the first one alphanumeric");
    rv_status status = rv_report_value(&kernel->scratch, ret->value, &value, err);
    return status == RV_OK ? mask_result(kernel, &ret->value, err) : status;
}

/* What a host submits is checked as a file is, against the run; what the kernel gets is its normal form and what it has of its own. */
static rv_status take_submit(reeve_kernel *kernel, rv_event *ret, rv_error *err)
{
    rv_problems problems = {0};
    const rv_spec *spec = NULL;
    char digest[RV_DIGEST_TEXT_SIZE + 1];
    if (!rv_is_identifier(ret->key))
        return rv_error_set(err, RV_INVALID, "submit: `key` is 1 to 64 of [A-Za-z0-9_-], the first one alphanumeric");
    rv_str source = ret->value.size ? ret->value : RV_STR("{}");
    rv_status status = rv_compiler_load(&kernel->compiler, kernel->run, ret->node, ret->key, source, "value", true, &spec, &problems);
    if (status != RV_OK) {
        const rv_problem *first = problems.list.count ? &problems.list.at[0] : NULL;
        rv_error_set(err, RV_INVALID, "submit: %.*s%s%.*s", RV_FMT(first ? first->what : RV_STR("it does not load")),
                     first && first->cure.size ? "; " : "", RV_FMT(first ? first->cure : RV_STR("")));
        rv_problems_deinit(&problems);
        return RV_INVALID;
    }
    rv_problems_deinit(&problems);
    if (!rv_str_eq(masked(kernel, spec->graph.definition), spec->graph.definition)) {
        rv_compiler_drop(&kernel->compiler, spec);
        return rv_error_set(err, RV_INVALID, "submit: it holds a secret of the run, which would be recorded");
    }
    rv_buf load_value = {0};
    if (spec->user.size > 2) rv_buf_printf(&load_value, "{\"user\":%s}", spec->user.at);
    rv_digest_text(spec->graph.digest, digest);
    ret->value = spec->graph.definition;
    ret->output = rv_arena_str(&kernel->scratch, rv_buf_str(&load_value));
    ret->text = rv_arena_str(&kernel->scratch, rv_str_of(digest));
    ret->graph = &spec->graph;
    rv_buf_deinit(&load_value);
    return RV_OK;
}

/* The node that an event names: by its id, or by its question's key, which is its id. */
static rv_status take_node(reeve_kernel *kernel, const reeve_event *event, rv_event *ret, rv_error *err)
{
    const char *name = event->node ? event->node : event->key;
    if (!name) return rv_error_set(err, RV_INVALID, "%s: `node` is missing", event->type);
    ret->node = rv_run_find(kernel->run, rv_str_of(name));
    return ret->node == RV_NONE ? rv_error_set(err, RV_NOT_FOUND, "%s: this run has no node `%s`", event->type, name) : RV_OK;
}

static rv_status check_amounts(const reeve_event *event, rv_error *err)
{
    bool is_sound = event->amount >= -1 && event->amount <= AMOUNT_MAX && event->tokens_in <= AMOUNT_MAX &&
                    event->tokens_out <= AMOUNT_MAX && event->tokens_cached <= AMOUNT_MAX;
    if (is_sound) return RV_OK;
    return rv_error_set(err, RV_INVALID, "%s: amounts and tokens are from 0 to 2^53-1; an amount of -1: no limit", event->type);
}

static rv_status check_texts(const rv_event *event, rv_error *err)
{
    rv_status status = check_text(event->key, "key", err);
    if (status == RV_OK) status = check_text(event->value, "value", err);
    return status == RV_OK ? check_text(event->text, "text", err) : status;
}

rv_status rv_kernel_event(reeve_kernel *kernel, const reeve_event *event, int64_t now_ms, rv_event *ret, rv_error *err)
{
    rv_event_type type = event->type ? rv_event_find(rv_str_of(event->type)) : RV_EVENT_TYPE_MAX;
    rv_json *value = NULL;
    if (!rv_event_is_input(type))
        return rv_error_set(err, RV_INVALID, "there is no event `%s`; docs/kernel-protocol.md lists them", event->type ? event->type : "");
    uint32_t fields = rv_event_fields(type);
    *ret = (rv_event){.type = type, .node = RV_NONE, .epoch = event->epoch, .flags = event->flags, .exit_status = event->exit_status,
                      .signal = event->signal, .pid = event->pid, .pid_start = event->pid_start, .seed = event->seed,
                      .key = rv_str_of(event->key), .value = rv_str_of(event->value), .text = rv_str_of(event->text)};
    ret->amount = event->amount;
    ret->cost = event->cost_usd > 0 ? (int64_t)(RV_MIN(event->cost_usd, COST_USD_MAX) * 1e6 + 0.5) : 0;
    ret->tokens_in = (uint64_t)RV_MAX(event->tokens_in, 0);
    ret->tokens_out = (uint64_t)RV_MAX(event->tokens_out, 0);
    ret->tokens_cached = (uint64_t)RV_MAX(event->tokens_cached, 0);
    ret->output = (rv_str){event->output, event->output_size ? event->output_size : event->output ? strlen(event->output) : 0};
    rv_status status = check_texts(ret, err);
    if (status == RV_OK) status = check_amounts(event, err);
    if (status == RV_OK && (fields & RV_F_NODE)) status = take_node(kernel, event, ret, err);
    if (status != RV_OK) return status;
    if (type == RV_EVENT_ANSWER || type == RV_EVENT_DECIDED)
        ret->key = ret->key.size ? ret->key : rv_run_id_in(kernel->run, ret->node, &kernel->scratch);
    if (type == RV_EVENT_COMPLETED) return take_completed(kernel, event, ret, err);
    if ((fields & RV_F_STATE) && event->state) {
        ret->state = rv_event_state_find(type, rv_str_of(event->state));
        if (ret->state == RV_NONE) return rv_error_set(err, RV_INVALID, "%s: there is no state `%s`", event->type, event->state);
    }
    if ((fields & RV_F_DETAIL) && event->detail) {
        ret->detail = rv_event_detail_find(rv_str_of(event->detail));
        if (ret->detail == RV_NONE) return rv_error_set(err, RV_INVALID, "%s: there is no detail `%s`", event->type, event->detail);
    }
    if (type == RV_EVENT_LOAD) return take_load(kernel, ret, err);
    if (type == RV_EVENT_ANSWER) return take_answer(kernel, event, ret, err);
    if (type == RV_EVENT_DECIDED) return take_decided(kernel, event, ret, err);
    if (type == RV_EVENT_STEER) ret->text = masked(kernel, ret->text);
    if (type == RV_EVENT_ASK) return take_ask(kernel, now_ms, ret, err);
    if (type == RV_EVENT_SUBMIT) return take_submit(kernel, ret, err);
    if (type == RV_EVENT_SIGNAL) return take_signal(kernel, ret, err);
    return rv_report_value(&kernel->scratch, ret->value, &value, err);
}

/* ---- what templates read and the run does not hold ---- */

static rv_side *side_of(reeve_kernel *kernel, uint32_t node)
{
    while (kernel->side_of.count < kernel->run->node_count) rv_vec_push(&kernel->side_of, 0);
    if (!kernel->side_of.at[node]) {
        rv_vec_push(&kernel->sides, ((rv_side){.node = node}));
        kernel->side_of.at[node] = kernel->sides.count;
    }
    return &kernel->sides.at[kernel->side_of.at[node] - 1];
}

/* Text as JSON can carry it: so a replay has the same. */
static rv_str kept_text(reeve_kernel *kernel, rv_str text)
{
    rv_buf quoted = {0}, out = {0};
    rv_json_quote(&quoted, masked(kernel, text));
    rv_json_unescape(&out, rv_str_cut(rv_buf_str(&quoted), 1, quoted.size - 2));
    rv_str copy = rv_arena_str(&kernel->arena, rv_buf_str(&out));
    rv_buf_deinit(&quoted);
    rv_buf_deinit(&out);
    return copy;
}

static rv_json *artifacts_of(reeve_kernel *kernel, const reeve_event *event)
{
    rv_json *object = rv_arena_new(&kernel->arena, rv_json, 1), **next = &object->child;
    object->kind = RV_JSON_OBJECT;
    for (size_t i = 0; i < event->artifact_count; i++, object->count++) {
        rv_json *path = rv_arena_new(&kernel->arena, rv_json, 1);
        path->kind = RV_JSON_STRING;
        path->key = kept_text(kernel, rv_str_of(event->artifacts[i].name));
        path->text = kept_text(kernel, rv_str_of(event->artifacts[i].value));
        *next = path;
        next = &path->next;
    }
    return object;
}

void rv_kernel_keep_side(reeve_kernel *kernel, uint32_t node, const reeve_event *event)
{
    bool is_read = rv_run_def(kernel->run, node)->flags & RV_NODE_F_READS_OUTPUT;
    rv_str output = {event->output, event->output_size ? event->output_size : event->output ? strlen(event->output) : 0};
    bool is_known = node < kernel->side_of.count && kernel->side_of.at[node];
    if (!is_known && !event->artifact_count && !(is_read && (output.size || event->error_output))) return;
    rv_side *side = side_of(kernel, node);
    side->streams[0] = is_read ? kept_text(kernel, output) : (rv_str){NULL, 0};
    side->streams[1] = is_read ? kept_text(kernel, rv_str_of(event->error_output)) : (rv_str){NULL, 0};
    side->artifacts = event->artifact_count ? artifacts_of(kernel, event) : NULL;
    rv_vec_push(&kernel->sides_new, kernel->side_of.at[node] - 1);
}

void rv_kernel_sides_write(reeve_kernel *kernel, rv_buf *out)
{
    rv_json_writer w;
    if (kernel->sides_new.count == 0) return;
    rv_json_writer_init(&w, out, 0);
    rv_jw_array(&w);
    for (uint32_t i = 0; i < kernel->sides_new.count; i++) {
        const rv_side *side = &kernel->sides.at[kernel->sides_new.at[i]];
        rv_jw_object(&w);
        rv_jw_kv_str(&w, "node", rv_run_id_in(kernel->run, side->node, &kernel->scratch));
        if (side->streams[0].size) rv_jw_kv_str(&w, "output", side->streams[0]);
        if (side->streams[1].size) rv_jw_kv_str(&w, "error_output", side->streams[1]);
        if (side->artifacts) {
            rv_buf text = {0};
            rv_json_write(&text, side->artifacts, false);
            rv_jw_key(&w, "artifacts");
            rv_jw_raw(&w, rv_buf_str(&text));
            rv_buf_deinit(&text);
        }
        rv_jw_object_end(&w);
    }
    rv_jw_array_end(&w);
}

static bool is_text(const rv_json *value) { return !value || value->kind == RV_JSON_STRING; }

rv_status rv_kernel_sides_read(reeve_kernel *kernel, rv_str json, rv_error *err)
{
    rv_json *list = NULL;
    rv_status status = rv_json_parse(&kernel->arena, rv_arena_str(&kernel->arena, json), &list, err);
    if (status != RV_OK || list->kind != RV_JSON_ARRAY) return rv_error_set(err, RV_CORRUPT, "`values` is not what a step returned");
    for (const rv_json *item = list->child; item; item = item->next) {
        const rv_json *name = rv_json_get(item, RV_STR("node")), *output = rv_json_get(item, RV_STR("output")),
                      *error_output = rv_json_get(item, RV_STR("error_output")), *artifacts = rv_json_get(item, RV_STR("artifacts"));
        uint32_t node = name && is_text(name) ? rv_run_find(kernel->run, name->text) : RV_NONE;
        bool is_sound = node != RV_NONE && is_text(output) && is_text(error_output) && (!artifacts || artifacts->kind == RV_JSON_OBJECT);
        for (const rv_json *path = is_sound && artifacts ? artifacts->child : NULL; path; path = path->next) is_sound &= is_text(path);
        if (!is_sound) return rv_error_set(err, RV_CORRUPT, "`values` is not what a step of this workflow returned");
        rv_side *side = side_of(kernel, node);
        side->streams[0] = output ? output->text : (rv_str){NULL, 0};
        side->streams[1] = error_output ? error_output->text : (rv_str){NULL, 0};
        side->artifacts = (rv_json *)(uintptr_t)artifacts;
    }
    return RV_OK;
}
