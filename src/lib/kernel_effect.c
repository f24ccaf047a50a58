#include "lib/kernel.h"

#include "kernel/budget.h"
#include "lib/spawn_describe.h"

/* From the kernel's effects to what a host carries out: values filled in, the descriptor of each attempt [K41], and what needs no host. */

/* ---- attempts ---- */

static const char *key_of(reeve_kernel *kernel, uint32_t node, uint32_t epoch)
{
    return rv_arena_printf(&kernel->scratch, "%s/%s/%u", kernel->run_id, rv_kernel_id(kernel, node), epoch).at;
}

static const char *const *copy_list(reeve_kernel *kernel, const char *const *items, uint32_t count)
{
    const char **copy = rv_arena_new(&kernel->scratch, const char *, count + 1);
    if (count) memcpy(copy, items, count * sizeof *copy);
    return copy;
}

static rv_status describe(reeve_kernel *kernel, const rv_effect *effect, reeve_spawn *ret, rv_error *err)
{
    const rv_json *body = rv_kernel_body(kernel, effect->node);
    rv_value_scope scope = {.values = &kernel->values, .node = effect->node, .epoch = effect->epoch};
    rv_command command = {0};
    rv_status status = rv_command_make(&scope, body, &kernel->scratch, &command, err);
    rv_spawn_describe(kernel->run, effect->node, effect->number, body, &kernel->scratch, ret);
    ret->run = kernel->run_id;
    ret->epoch = effect->epoch;
    ret->key = key_of(kernel, effect->node, effect->epoch);
    ret->argv = copy_list(kernel, command.argv.at, command.argv.count);
    ret->env = copy_list(kernel, command.env.at, command.env.count);
    ret->dir = command.dir;
    rv_command_deinit(&command);
    return status;
}

static void step_own(reeve_kernel *kernel, const rv_event *event)
{
    rv_status status = rv_run_reserve(kernel->run, &kernel->out, event);
    RV_ASSERT(status == RV_OK);
    rv_answer answer = rv_run_step(kernel->run, event, kernel->out.last_now, &kernel->out);
    RV_ASSERT(answer == RV_ANSWER_TAKEN);
}

static rv_event completed_of(const rv_effect *effect, rv_status status, rv_detail detail, const rv_error *err)
{
    rv_event event = {.type = RV_EVENT_COMPLETED, .node = effect->node, .epoch = effect->epoch, .state = RV_ATTEMPT_OK,
                      .exit_status = 0, .signal = -1};
    if (status == RV_OK) return event;
    event.state = RV_ATTEMPT_ERROR;
    event.detail = detail;
    event.exit_status = -1;
    event.text = rv_str_of(err->text);
    return event;
}

static bool is_current(const reeve_kernel *kernel, const rv_effect *effect)
{
    const rv_node_run *node = &kernel->run->nodes[effect->node];
    return node->state == RV_NODE_RUNNING && node->epoch == effect->epoch;
}

/* A value that is missing fails the attempt before it starts, as in the engine [W12]. */
static void take_spawn(reeve_kernel *kernel, const rv_effect *effect, rv_described *ret)
{
    rv_error error = {0};
    if (!is_current(kernel, effect)) return; /* called off in the same step */
    rv_status status = describe(kernel, effect, &ret->spawn, &error);
    if (status == RV_OK) return;
    *ret = (rv_described){0};
    rv_event failed = completed_of(effect, status, RV_DETAIL_VALUE, &error);
    step_own(kernel, &failed);
}

/* Reeve's own reducers are carried out here; the host's get their inputs. */
static void take_reduce(reeve_kernel *kernel, const rv_effect *effect, rv_described *ret)
{
    rv_error error = {0};
    rv_buf out = {0};
    if (!is_current(kernel, effect)) return;
    const rv_json *body = rv_kernel_body(kernel, effect->node);
    rv_value_scope scope = {.values = &kernel->values, .node = effect->node, .epoch = effect->epoch};
    rv_str name = rv_json_get(rv_json_get(body, RV_STR("reduce")), RV_STR("reducer"))->text;
    bool is_own = rv_reducer_is_own(name);
    rv_status status = is_own ? rv_reduce(&scope, body, &out, &error) : rv_reduce_inputs(&scope, body, &out, &error);
    if (status == RV_OK && !is_own) {
        ret->reducer = rv_kernel_text(kernel, name);
        ret->inputs = rv_kernel_text(kernel, rv_buf_str(&out));
        ret->spawn.key = key_of(kernel, effect->node, effect->epoch);
    } else {
        rv_event event = completed_of(effect, status, RV_DETAIL_REDUCER, &error);
        if (status == RV_OK) event.value = rv_buf_str(&out);
        step_own(kernel, &event);
    }
    rv_buf_deinit(&out);
}

/* ---- slots ---- */

static void grow_slots(reeve_kernel *kernel)
{
    while (kernel->has_slot.count < kernel->run->node_count) rv_vec_push(&kernel->has_slot, 0);
}

static void give_slot(reeve_kernel *kernel, uint32_t node)
{
    rv_admit_end(&kernel->admit, node, kernel->has_slot.at[node]);
    kernel->has_slot.at[node] = 0;
}

/* What attempts had that ended in this step is free again; so is what was reserved for nodes that were called off while they waited. */
static void give_slots(reeve_kernel *kernel)
{
    for (uint32_t i = 0; i < kernel->out.changed.count; i++) {
        uint32_t node = kernel->out.changed.at[i];
        rv_node_state state = (rv_node_state)kernel->run->nodes[node].state;
        if (state != RV_NODE_RUNNING && (kernel->has_slot.at[node] || state != RV_NODE_READY)) give_slot(kernel, node);
    }
}

static void admit(reeve_kernel *kernel)
{
    uint32_t node;
    if (kernel->slots == 0) return;
    grow_slots(kernel);
    give_slots(kernel);
    bool is_open = kernel->run->status == RV_RUN_RUNNING && kernel->run->closing != RV_CLOSING_INTERRUPT;
    while (is_open && (node = rv_admit_next(&kernel->admit)) != RV_NONE) {
        rv_admit_take(&kernel->admit, node);
        if (rv_admit_is_staged(kernel->run, node) && !rv_admit_claim(&kernel->admit, node)) continue;
        kernel->has_slot.at[node] = 1;
        step_own(kernel, &(rv_event){.type = RV_EVENT_ADMITTED, .node = node});
        is_open = kernel->run->status == RV_RUN_RUNNING && kernel->run->closing != RV_CLOSING_INTERRUPT;
    }
}

void rv_kernel_count_slots(reeve_kernel *kernel)
{
    if (kernel->slots == 0) return;
    grow_slots(kernel);
    for (uint32_t node = 0; node < kernel->run->node_count; node++) give_slot(kernel, node);
    for (uint32_t node = 0; node < kernel->run->node_count; node++) {
        bool runs = kernel->run->nodes[node].state == RV_NODE_RUNNING && rv_kind_needs_slot(rv_run_kind(kernel->run, node));
        if (!runs) continue;
        kernel->has_slot.at[node] = rv_admit_restore(&kernel->admit, node); /* with fewer slots than before some run beyond them */
    }
}

void rv_kernel_follow(reeve_kernel *kernel)
{
    admit(kernel);
    while (kernel->described.count < kernel->out.effects.count) {
        rv_effect effect = kernel->out.effects.at[kernel->described.count];
        rv_described described = {0};
        if (effect.type == RV_EFFECT_SPAWN) take_spawn(kernel, &effect, &described);
        if (effect.type == RV_EFFECT_REDUCE) take_reduce(kernel, &effect, &described);
        rv_vec_push(&kernel->described, described);
        if (kernel->described.count == kernel->out.effects.count) admit(kernel);
    }
}

/* ---- effects ---- */

void rv_kernel_question(reeve_kernel *kernel, uint32_t node, const char **ret_payload, const char **ret_digest)
{
    char digest[RV_DIGEST_TEXT_SIZE + 1];
    rv_buf payload = {0};
    rv_value_scope scope = {.values = &kernel->values, .node = node};
    rv_question_payload(&scope, rv_kernel_body(kernel, node), (rv_detail)kernel->run->nodes[node].detail, kernel->mask, &payload);
    rv_digest_text(rv_sha256(rv_buf_str(&payload)), digest);
    *ret_payload = rv_kernel_text(kernel, rv_buf_str(&payload));
    *ret_digest = rv_kernel_text(kernel, rv_str_of(digest));
    rv_buf_deinit(&payload);
}

/* The text of the note that is next in the journal of this step. */
static const char *note_text(reeve_kernel *kernel, const char **at)
{
    const char *end = kernel->out.journal.at + kernel->out.journal.size;
    rv_event event;
    while (*at < end && rv_event_read(at, end, &event, NULL) == RV_OK)
        if (event.type == RV_EVENT_NOTE) return rv_kernel_text(kernel, event.text);
    return "";
}

/* Why the gate did not allow what was asked in this step: the stage and the reason that are recorded. */
static void gate_words(reeve_kernel *kernel, reeve_effect *effect)
{
    rv_event gate;
    if (!rv_asked_answer(rv_buf_str(&kernel->out.journal), &gate)) return;
    effect->key = rv_kernel_text(kernel, gate.key);
    effect->text = rv_kernel_text(kernel, gate.text);
}

static bool is_question(rv_detail reason)
{
    return reason == RV_DETAIL_APPROVAL || reason == RV_DETAIL_INPUT || reason == RV_DETAIL_UNKNOWN_OUTCOME;
}

reeve_effect rv_kernel_park(reeve_kernel *kernel, uint32_t index)
{
    const rv_node_run *node = &kernel->run->nodes[index];
    reeve_effect effect = {.type = rv_effect_name(RV_EFFECT_PARK), .node = rv_kernel_id(kernel, index), .epoch = node->epoch,
                           .number = node->number, .state = "", .detail = rv_detail_name((rv_detail)node->detail), .due_ms = node->due_ms};
    effect.key = effect.node;
    if (node->detail == RV_DETAIL_EVENT)
        effect.key = rv_kernel_text(kernel, rv_graph_str(rv_run_graph(kernel->run, index), rv_run_gate(kernel->run, index)->event));
    if (is_question((rv_detail)node->detail)) rv_kernel_question(kernel, index, &effect.payload, &effect.digest);
    return effect;
}

/* All attempts of the step are one effect, where the first of them came up. */
static void add_spawns(reeve_kernel *kernel)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < kernel->described.count; i++) count += kernel->described.at[i].spawn.run != NULL;
    reeve_spawn *spawns = rv_arena_new(&kernel->scratch, reeve_spawn, count);
    for (uint32_t i = 0, at = 0; i < kernel->described.count; i++)
        if (kernel->described.at[i].spawn.run) spawns[at++] = kernel->described.at[i].spawn;
    reeve_effect effect = {.type = rv_effect_name(RV_EFFECT_SPAWN), .state = "", .detail = "", .spawns = spawns, .spawn_count = count};
    rv_buf headroom = {0};
    rv_json_writer w;
    rv_json_writer_init(&w, &headroom, 0);
    if (rv_run_headroom(kernel->run, kernel->now.engine_ms, &w)) effect.budget = rv_kernel_text(kernel, rv_buf_str(&headroom)); /* [K51] */
    rv_buf_deinit(&headroom);
    rv_vec_push(&kernel->effects, effect);
}

/* The latest directive of the node. */
static const char *steer_text(reeve_kernel *kernel, uint32_t node)
{
    uint32_t index = kernel->run->steers.count - 1;
    while (kernel->run->steers.at[index].node != node) index--;
    return rv_kernel_text(kernel, rv_run_steer(kernel->run, index));
}

static void add_effect(reeve_kernel *kernel, uint32_t index, const char **notes_at)
{
    const rv_effect *from = &kernel->out.effects.at[index];
    const rv_described *described = &kernel->described.at[index];
    reeve_effect effect = {.type = rv_effect_name(from->type), .node = rv_kernel_id(kernel, from->node), .epoch = from->epoch,
                           .number = from->number, .state = "", .detail = rv_detail_name(from->detail), .due_ms = from->due_ms};
    if (from->type == RV_EFFECT_RUN_ENDED) effect.state = rv_run_state_name((rv_run_state)from->state);
    if (from->type == RV_EFFECT_STEER) effect.text = steer_text(kernel, from->node);
    if (from->type == RV_EFFECT_NOTE) effect.text = note_text(kernel, notes_at);
    if (from->type == RV_EFFECT_GATE) {
        effect.state = rv_gate_name((rv_gate_kind)from->state);
        if (from->state != RV_GATE_ALLOW) gate_words(kernel, &effect);
    }
    if (from->type == RV_EFFECT_REDUCE) {
        if (!described->reducer) return;
        effect.reducer = described->reducer;
        effect.inputs = described->inputs;
        effect.key = described->spawn.key;
    }
    bool waits = from->type == RV_EFFECT_PARK && kernel->run->nodes[from->node].state == RV_NODE_WAITING;
    if (waits) effect = rv_kernel_park(kernel, from->node);
    rv_vec_push(&kernel->effects, effect);
}

void rv_kernel_effects(reeve_kernel *kernel, reeve_step *ret)
{
    const char *notes_at = kernel->out.journal.at;
    bool has_spawns = false;
    for (uint32_t i = 0; i < kernel->out.effects.count; i++) {
        bool is_spawn = kernel->out.effects.at[i].type == RV_EFFECT_SPAWN;
        if (i >= kernel->described.count) rv_vec_push(&kernel->described, (rv_described){0}); /* of a step that was stale */
        if (!is_spawn) add_effect(kernel, i, &notes_at);
        else if (kernel->described.at[i].spawn.run && !has_spawns) add_spawns(kernel), has_spawns = true;
    }
    ret->effects = kernel->effects.at;
    ret->effect_count = kernel->effects.count;
}
