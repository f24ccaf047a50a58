#include "lib/kernel.h"

#include <stdio.h>
#include <stdlib.h>

/* Life, steps, replay and queries of the kernel for hosts. kernel.h says how it is held. */

#define TIME_MS_MAX ((INT64_C(1) << 53) - 1)

/* ---- what the parts share ---- */

const rv_json *rv_kernel_body(reeve_kernel *kernel, uint32_t node)
{
    rv_json *body = NULL;
    rv_error error = {0};
    rv_str text = rv_graph_str(rv_run_graph(kernel->run, node), rv_run_def(kernel->run, node)->body);
    rv_status status = rv_json_parse(&kernel->scratch, text, &body, &error);
    RV_ASSERT(status == RV_OK); /* the normal form is of our own writing */
    return body;
}

const char *rv_kernel_text(reeve_kernel *kernel, rv_str text) { return text.size ? rv_arena_cstring(&kernel->scratch, text) : ""; }

const char *rv_kernel_id(reeve_kernel *kernel, uint32_t node)
{
    return node == RV_NONE ? NULL : rv_kernel_text(kernel, rv_run_id_in(kernel->run, node, &kernel->scratch));
}

reeve_node rv_kernel_node_of(reeve_kernel *kernel, uint32_t index)
{
    const rv_node_run *node = &kernel->run->nodes[index];
    return (reeve_node){.name = rv_kernel_id(kernel, index), .kind = rv_kind_name(rv_run_kind(kernel->run, index)),
                        .state = rv_node_state_name((rv_node_state)node->state), .detail = rv_detail_name((rv_detail)node->detail),
                        .error = node->state == RV_NODE_SUCCEEDED ? "" : rv_kernel_text(kernel, rv_run_error(kernel->run, index)),
                        .root = node->root ? rv_kernel_id(kernel, node->root - 1) : "", .attempt = node->number, .epoch = node->epoch,
                        .exit_status = node->exit_status, .signal = -1};
}

/* ---- life ---- */

static rv_status give_output(void *user, uint32_t node, int stream, rv_buf *out, rv_error *err)
{
    const reeve_kernel *kernel = user;
    uint32_t side = node < kernel->side_of.count ? kernel->side_of.at[node] : 0;
    rv_str text = side ? kernel->sides.at[side - 1].streams[stream - 1] : rv_run_output(kernel->run, node);
    if (text.size > RV_VALUE_SIZE_MAX) return rv_error_set(err, RV_LIMIT, "an output is over 1 MiB");
    rv_buf_str_add(out, text);
    return RV_OK;
}

static bool give_artifact(void *user, uint32_t node, rv_str name, rv_buf *out)
{
    const reeve_kernel *kernel = user;
    uint32_t side = node < kernel->side_of.count ? kernel->side_of.at[node] : 0;
    const rv_json *path = side ? rv_json_get(kernel->sides.at[side - 1].artifacts, name) : NULL;
    if (path) rv_buf_str_add(out, path->text);
    return path != NULL;
}

static void take_secrets(reeve_kernel *kernel)
{
    rv_str *values = rv_arena_new(&kernel->arena, rv_str, kernel->spec->secrets.count);
    for (uint32_t i = 0; i < kernel->spec->secrets.count; i++) values[i] = kernel->spec->secrets.at[i].value;
    if (kernel->spec->secrets.count) kernel->mask = rv_mask_new(values, kernel->spec->secrets.count);
}

static const char **copy_names(rv_arena *arena, const char *const *names)
{
    uint32_t count = 0;
    while (names && names[count]) count++;
    const char **copy = rv_arena_new(arena, const char *, count + 1);
    for (uint32_t i = 0; i < count; i++) copy[i] = rv_arena_cstring(arena, rv_str_of(names[i]));
    return copy;
}

reeve_kernel *rv_kernel_of_take(rv_spec *spec, const char *const *reducers, uint32_t slots, bool fail_fast)
{
    reeve_kernel *kernel = rv_alloc(sizeof *kernel);
    kernel->spec = spec;
    kernel->graph = &spec->graph;
    kernel->run = rv_run_new(kernel->graph);
    kernel->run_id = "";
    kernel->slots = slots;
    kernel->fail_fast = fail_fast;
    kernel->reducers = copy_names(&kernel->arena, reducers);
    kernel->compiler = (rv_compiler){.graph = kernel->graph, .reducers = kernel->reducers};
    rv_compiler_serve(&kernel->compiler, kernel->run);
    rv_buf_printf(&kernel->load_value, "{\"user\":%s,\"env\":%s}", spec->user.size ? spec->user.at : "{}",
                  spec->env.size ? spec->env.at : "{}");
    kernel->values = (rv_values){.run = kernel->run, .spec = spec, .load_value = &kernel->load_value, .run_id = kernel->run_id,
                                 .output = give_output, .artifact = give_artifact, .user = kernel};
    take_secrets(kernel);
    rv_admit_open(&kernel->admit, &kernel->admission, kernel->run, RV_MAX(slots, 1), RV_STR(""));
    return kernel;
}

reeve_status reeve_kernel_new(const reeve_workflow *workflow, const reeve_kernel_options *options, reeve_kernel **ret, char **ret_problems,
                              reeve_error *error)
{
    rv_error err = {0};
    rv_spec *spec = NULL;
    reeve_workflow given = REEVE_WORKFLOW_INIT;
    reeve_kernel_options chosen = REEVE_KERNEL_OPTIONS_INIT;
    if (ret_problems) *ret_problems = NULL;
    memcpy(&given, workflow, RV_MIN(workflow->size, sizeof given));
    if (options) memcpy(&chosen, options, RV_MIN(options->size, sizeof chosen));
    rv_status status = given.text ? rv_kernel_check_reducers(chosen.reducers, &err)
                                  : rv_error_set(&err, RV_INVALID, "there is no text in the workflow");
    if (status == RV_OK && given.directory && given.directory[0] != '/')
        status = rv_error_set(&err, RV_INVALID, "the workflow's directory is not absolute");
    if (status == RV_OK)
        status = rv_public_load(&given, given.directory ? given.directory : RV_KERNEL_NO_DIRECTORY, chosen.environ, chosen.reducers, &spec,
                                ret_problems, &err);
    if (status != RV_OK) return rv_public_give(&err, error);
    *ret = rv_kernel_of_take(spec, chosen.reducers, chosen.slots, given.fail_fast != 0);
    return REEVE_OK;
}

void reeve_kernel_free(reeve_kernel *kernel)
{
    if (!kernel) return;
    rv_admit_close(&kernel->admit);
    rv_admission_deinit(&kernel->admission);
    rv_run_free(kernel->run);
    rv_compiler_deinit(&kernel->compiler);
    rv_out_deinit(&kernel->out);
    rv_buf_deinit(&kernel->load_value);
    rv_buf_deinit(&kernel->bytes);
    rv_mask_free(kernel->mask);
    rv_vec_deinit(&kernel->has_slot);
    rv_vec_deinit(&kernel->side_of);
    rv_vec_deinit(&kernel->sides);
    rv_vec_deinit(&kernel->sides_new);
    rv_vec_deinit(&kernel->described);
    rv_vec_deinit(&kernel->effects);
    rv_vec_deinit(&kernel->changes);
    rv_vec_deinit(&kernel->seen);
    rv_asked_deinit(&kernel->asked);
    rv_spec_free(kernel->spec);
    rv_arena_deinit(&kernel->scratch);
    rv_arena_deinit(&kernel->scratch_before);
    rv_arena_deinit(&kernel->arena);
    rv_free(kernel);
}

rv_status rv_kernel_check_reducers(const char *const *reducers, rv_error *err)
{
    for (; reducers && *reducers; reducers++) {
        if (!rv_is_identifier(rv_str_of(*reducers)))
            return rv_error_set(err, RV_INVALID, "reducer `%s`: a name is 1 to 64 of [A-Za-z0-9_-], the first one alphanumeric", *reducers);
        if (rv_reducer_is_own(rv_str_of(*reducers)))
            return rv_error_set(err, RV_INVALID, "reducer `%s` is Reeve's own; give yours another name", *reducers);
    }
    return RV_OK;
}

/* ---- a step ---- */

static rv_status check_now(const reeve_kernel *kernel, reeve_now now, rv_error *err)
{
    bool is_sound = now.wall_ms >= 0 && now.wall_ms <= TIME_MS_MAX && now.engine_ms >= 0 && now.engine_ms <= TIME_MS_MAX;
    if (!is_sound) return rv_error_set(err, RV_INVALID, "`now`: wall_ms and engine_ms are milliseconds from 0 to 2^53-1");
    if (now.engine_ms < kernel->now.engine_ms)
        return rv_error_set(err, RV_INVALID, "`now`: engine_ms went back from %lld to %lld", (long long)kernel->now.engine_ms,
                            (long long)now.engine_ms);
    return RV_OK;
}

static void clear_step(reeve_kernel *kernel)
{
    rv_arena before = kernel->scratch_before;
    kernel->scratch_before = kernel->scratch;
    kernel->scratch = before;
    rv_out_clear(&kernel->out);
    rv_arena_clear(&kernel->scratch);
    rv_vec_clear(&kernel->described);
    rv_vec_clear(&kernel->effects);
    rv_vec_clear(&kernel->changes);
    rv_vec_clear(&kernel->sides_new);
}

static rv_status refusal(reeve_kernel *kernel, rv_answer answer, const rv_event *event, rv_error *err)
{
    const char *name = rv_event_name(event->type);
    if (answer == RV_ANSWER_NOT_FOUND) return rv_error_set(err, RV_NOT_FOUND, "%s: no such node in this run", name);
    if ((rv_event_fields(event->type) & RV_F_NODE) && event->node < kernel->run->node_count)
        return rv_error_set(err, RV_CONFLICT, "%s: not possible now: node %s is %s, the run is %s", name, rv_kernel_id(kernel, event->node),
                            rv_node_state_name((rv_node_state)kernel->run->nodes[event->node].state),
                            rv_run_state_name((rv_run_state)kernel->run->status));
    return rv_error_set(err, RV_CONFLICT, "%s: not possible now: the run is %s%s", name,
                        rv_run_state_name((rv_run_state)kernel->run->status), kernel->run_id[0] ? "" : " and has not been loaded");
}

static void collect_changes(reeve_kernel *kernel, reeve_step *ret)
{
    while (kernel->seen.count < kernel->run->node_count) rv_vec_push(&kernel->seen, 0);
    for (uint32_t i = 0; i < kernel->out.changed.count; i++) {
        uint32_t node = kernel->out.changed.at[i];
        if (kernel->seen.at[node] == (uint32_t)kernel->last_seq) continue;
        kernel->seen.at[node] = (uint32_t)kernel->last_seq;
        rv_vec_push(&kernel->changes, rv_kernel_node_of(kernel, node));
    }
    ret->nodes = kernel->changes.at;
    ret->node_count = kernel->changes.count;
}

static void collect(reeve_kernel *kernel, rv_now now, bool is_stale, reeve_step *ret)
{
    rv_buf values = {0};
    *ret = (reeve_step){.is_stale = is_stale};
    if (kernel->out.event_count) {
        ret->row = (reeve_row){.first_seq = kernel->last_seq + 1, .event_count = kernel->out.event_count,
                               .now = {now.wall_ms, now.engine_ms}, .body = kernel->out.journal.at, .body_size = kernel->out.journal.size};
        kernel->last_seq += kernel->out.event_count;
        kernel->now = now;
        kernel->has_stepped = true;
    }
    collect_changes(kernel, ret);
    rv_kernel_effects(kernel, ret);
    rv_kernel_sides_write(kernel, &values);
    if (values.size) ret->row.values = rv_kernel_text(kernel, rv_buf_str(&values));
    rv_buf_deinit(&values);
}

static rv_status step(reeve_kernel *kernel, const reeve_event *event, reeve_now given, reeve_step *ret, rv_error *err)
{
    rv_event input;
    rv_now now = {given.wall_ms, given.engine_ms};
    clear_step(kernel);
    rv_status status = check_now(kernel, given, err);
    if (status == RV_OK) status = rv_kernel_event(kernel, event, now.engine_ms, &input, err);
    if (status == RV_OK && rv_run_reserve(kernel->run, &kernel->out, &input) != RV_OK)
        status = rv_error_set(err, RV_NO_MEMORY, "no memory for the next step");
    if (status != RV_OK) return status;
    rv_answer answer = rv_run_step(kernel->run, &input, now, &kernel->out);
    if (answer == RV_ANSWER_NOT_FOUND || answer == RV_ANSWER_ILLEGAL) return refusal(kernel, answer, &input, err);
    if (answer == RV_ANSWER_TAKEN) {
        if (input.type == RV_EVENT_LOAD) kernel->run_id = kernel->values.run_id = rv_arena_cstring(&kernel->arena, input.key);
        if (input.type == RV_EVENT_COMPLETED) rv_kernel_keep_side(kernel, input.node, event);
        if (input.type == RV_EVENT_ASK && kernel->out.event_count == 1) /* no answer was recorded: a plain allow */
            rv_asked_keep(&kernel->asked, (rv_gate_verb)input.state, input.key, now.engine_ms);
        kernel->out.last_now = now;
        rv_kernel_follow(kernel);
    }
    collect(kernel, now, answer == RV_ANSWER_STALE, ret);
    return RV_OK;
}

reeve_status reeve_kernel_step(reeve_kernel *kernel, const reeve_event *event, reeve_now now, reeve_step *ret, reeve_error *error)
{
    rv_error err = {0};
    reeve_event given = REEVE_EVENT_INIT;
    memcpy(&given, event, RV_MIN(event->size, sizeof given));
    return step(kernel, &given, now, ret, &err) == RV_OK ? REEVE_OK : rv_public_give(&err, error);
}

/* ---- replay ---- */

/* Values are JSON wherever they are read; a row that comes from outside is not taken at its word. */
static rv_status check_values(reeve_kernel *kernel, rv_str body, uint32_t event_count, rv_error *err)
{
    const char *at = body.at, *end = body.at + body.size;
    rv_status status = RV_OK;
    for (uint32_t i = 0; i < event_count && status == RV_OK; i++) {
        rv_event event;
        rv_json *value = NULL;
        status = rv_event_read(&at, end, &event, err);
        if (status == RV_OK && event.value.size && rv_json_parse(&kernel->scratch, event.value, &value, NULL) != RV_OK)
            status = rv_error_set(err, RV_CORRUPT, "the value of %s is no JSON", rv_event_name(event.type));
    }
    return status;
}

static rv_status replay_row(reeve_kernel *kernel, const reeve_row *row, rv_error *err)
{
    rv_str body = {row->body, row->body_size};
    if (row->first_seq != kernel->last_seq + 1 || row->event_count == 0)
        return rv_error_set(err, RV_CORRUPT, "row of event %llu does not follow event %llu", (unsigned long long)row->first_seq,
                            (unsigned long long)kernel->last_seq);
    rv_status status = check_values(kernel, body, row->event_count, err);
    if (status == RV_OK) status = rv_run_replay(kernel->run, body, row->event_count, err);
    if (status == RV_OK && row->values) status = rv_kernel_sides_read(kernel, rv_str_of(row->values), err);
    if (status != RV_OK) return rv_error_context(err, "row of event %llu", (unsigned long long)row->first_seq);
    rv_asked_replay(&kernel->asked, body, row->event_count, row->now.engine_ms);
    kernel->last_seq += row->event_count;
    kernel->now = (rv_now){row->now.wall_ms, RV_MAX(row->now.engine_ms, kernel->now.engine_ms)};
    return RV_OK;
}

reeve_status reeve_kernel_replay(reeve_kernel *kernel, const reeve_row *rows, size_t row_count, reeve_error *error)
{
    rv_error err = {0};
    rv_status status = RV_OK;
    if (kernel->has_stepped) status = rv_error_set(&err, RV_CONFLICT, "the kernel has taken events already; replay into a new one");
    clear_step(kernel);
    for (size_t i = 0; i < row_count && status == RV_OK; i++) status = replay_row(kernel, &rows[i], &err);
    const char *broken = status == RV_OK ? rv_run_check(kernel->run) : NULL;
    if (broken) status = rv_error_set(&err, RV_CORRUPT, "the rows break an invariant: %s", broken);
    if (status != RV_OK) return rv_public_give(&err, error);
    if (kernel->run->run_id.size && !kernel->run_id[0]) {
        kernel->run_id = kernel->values.run_id = rv_arena_cstring(&kernel->arena, kernel->run->run_id);
        rv_buf_clear(&kernel->load_value); /* what was recorded holds for good [W12] */
        rv_buf_str_add(&kernel->load_value, kernel->run->load_value);
    }
    rv_kernel_count_slots(kernel);
    return REEVE_OK;
}

/* ---- asking ---- */

void reeve_kernel_state(reeve_kernel *kernel, reeve_kernel_info *ret)
{
    const rv_run *run = kernel->run;
    reeve_kernel_info info = {.size = ret->size, .run = kernel->run_id, .state = rv_run_state_name((rv_run_state)run->status),
                              .is_ended = rv_run_state_is_terminal((rv_run_state)run->status), .due_ms = rv_run_due_ms(run),
                              .last_seq = kernel->last_seq, .node_count = kernel->run->node_count,
                              .pending_count = run->counts[RV_NODE_PENDING], .ready_count = run->counts[RV_NODE_READY],
                              .running_count = run->counts[RV_NODE_RUNNING], .waiting_count = run->counts[RV_NODE_WAITING],
                              .failed_count = run->counts[RV_NODE_FAILED] + run->counts[RV_NODE_DENIED]};
    for (uint32_t state = 0; state < RV_NODE_STATE_COUNT; state++)
        if (rv_node_state_is_terminal((rv_node_state)state)) info.done_count += run->counts[state];
    memcpy(ret, &info, RV_MIN(ret->size, sizeof info));
}

reeve_status reeve_kernel_node(reeve_kernel *kernel, uint32_t index, reeve_node *ret, const char **ret_result)
{
    if (index >= kernel->run->node_count) return REEVE_NOT_FOUND;
    *ret = rv_kernel_node_of(kernel, index);
    rv_str result = rv_run_result(kernel->run, index);
    if (ret_result) *ret_result = result.size ? rv_kernel_text(kernel, result) : NULL;
    return REEVE_OK;
}

reeve_status reeve_kernel_waiting(reeve_kernel *kernel, uint32_t index, reeve_effect *ret)
{
    if (index >= kernel->run->node_count || kernel->run->nodes[index].state != RV_NODE_WAITING) return REEVE_NOT_FOUND;
    *ret = rv_kernel_park(kernel, index);
    return REEVE_OK;
}

uint32_t reeve_kernel_find(reeve_kernel *kernel, const char *node) { return rv_run_find(kernel->run, rv_str_of(node)); }

static int order_of_admission(const void *a, const void *b)
{
    const rv_ready_item *x = a, *y = b;
    if (x->priority != y->priority) return x->priority > y->priority ? -1 : 1;
    return x->node < y->node ? -1 : x->node > y->node;
}

size_t reeve_kernel_ready(reeve_kernel *kernel, const char **ret_names, size_t name_max)
{
    RV_VEC(rv_ready_item) found = {0};
    for (uint32_t node = 0; node < kernel->run->node_count && found.count < kernel->run->ready_count; node++)
        if (kernel->run->nodes[node].state == RV_NODE_READY)
            rv_vec_push(&found, ((rv_ready_item){rv_run_def(kernel->run, node)->priority, node}));
    if (found.count) qsort(found.at, found.count, sizeof *found.at, order_of_admission);
    size_t count = RV_MIN((size_t)found.count, name_max);
    for (size_t i = 0; i < count; i++) ret_names[i] = rv_kernel_id(kernel, found.at[i].node);
    rv_vec_deinit(&found);
    return count;
}

const void *reeve_kernel_encode(reeve_kernel *kernel, size_t *ret_size)
{
    rv_buf_clear(&kernel->bytes);
    rv_run_encode(kernel->run, &kernel->bytes);
    *ret_size = kernel->bytes.size;
    return kernel->bytes.at;
}
