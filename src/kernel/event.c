#include "kernel/event.h"

/* Everything here is driven by RV_EVENT_MAP and RV_FIELD_MAP: no event type has code of its own. */

typedef struct type_info {
    const char *name;
    uint32_t fields;
    bool is_input;
} type_info;

#define X(name_, number_, text_, class_, fields_) [number_] = {text_, (fields_), (class_) == 'I'},
static const type_info types[RV_EVENT_TYPE_MAX] = {RV_EVENT_MAP(X)};
#undef X
#define X(name_, text_) text_,
static const char *const effect_names[] = {RV_EFFECT_MAP(X)};
static const char *const gate_names[] = {RV_GATE_MAP(X)};
static const char *const verb_names[] = {RV_GATE_VERB_MAP(X)};
#undef X
_Static_assert(RV_FIELD_COUNT <= 32, "fields are bits of a uint32_t");

const char *rv_event_name(rv_event_type type) { return (uint32_t)type < RV_EVENT_TYPE_MAX ? types[type].name : NULL; }
uint32_t rv_event_fields(rv_event_type type) { return (uint32_t)type < RV_EVENT_TYPE_MAX ? types[type].fields : 0; }
bool rv_event_is_input(rv_event_type type) { return (uint32_t)type < RV_EVENT_TYPE_MAX && types[type].is_input; }
const char *rv_effect_name(rv_effect_type type) { RV_ASSERT((uint32_t)type < RV_EFFECT_COUNT); return effect_names[type]; }

/* ---- encoding: 'u' varint, 'i' zigzag varint, 's' size and bytes ----
 * An event is written a few million times a second: room for the largest is made once, then bytes are put one after
 * the other. */

#define NUMBER_SIZE_MAX 10u
#define HEAD_SIZE_MAX ((RV_FIELD_COUNT + 1) * NUMBER_SIZE_MAX) /* type, numbers, sizes of strings */
#define SPEND_FIELDS (RV_F_AMOUNT | RV_F_COST | RV_F_TOKENS_IN | RV_F_TOKENS_OUT | RV_F_TOKENS_CACHED)
#define STRING_FIELDS (RV_F_KEY | RV_F_VALUE | RV_F_OUTPUT | RV_F_TEXT)

static inline char *put_u(char *at, uint64_t value)
{
    for (; value >= 0x80; value >>= 7) *at++ = (char)(value | 0x80);
    *at++ = (char)value;
    return at;
}

static inline char *put_i(char *at, int64_t value) { return put_u(at, ((uint64_t)value << 1) ^ (uint64_t)(value >> 63)); }

static inline char *put_s(char *at, rv_str value)
{
    at = put_u(at, value.size);
    if (value.size) memcpy(at, value.at, value.size);
    return at + value.size;
}

static char *put_strings(char *at, const rv_event *event, uint32_t fields)
{
    if (fields & RV_F_KEY) at = put_s(at, event->key);
    if (fields & RV_F_VALUE) at = put_s(at, event->value);
    if (fields & RV_F_OUTPUT) at = put_s(at, event->output);
    if (fields & RV_F_TEXT) at = put_s(at, event->text);
    return at;
}

static char *put_spend(char *at, const rv_event *event, uint32_t fields)
{
    if (fields & RV_F_AMOUNT) at = put_i(at, event->amount);
    if (fields & RV_F_COST) at = put_i(at, event->cost);
    if (fields & RV_F_TOKENS_IN) at = put_u(at, event->tokens_in);
    if (fields & RV_F_TOKENS_OUT) at = put_u(at, event->tokens_out);
    if (fields & RV_F_TOKENS_CACHED) at = put_u(at, event->tokens_cached);
    return at;
}

void rv_event_write(rv_buf *out, const rv_event *event)
{
    uint32_t fields = rv_event_fields(event->type);
    RV_ASSERT(rv_event_name(event->type) != NULL);
    size_t size_max = HEAD_SIZE_MAX;
    if (fields & STRING_FIELDS) size_max += event->key.size + event->value.size + event->output.size + event->text.size;
    char *at = rv_buf_extend(out, size_max);
    at = put_u(at, (uint64_t)event->type);
    if (fields & RV_F_NODE) at = put_u(at, (uint32_t)(event->node + 1)); /* RV_NONE becomes 0 */
    if (fields & RV_F_EPOCH) at = put_u(at, event->epoch);
    if (fields & RV_F_NUMBER) at = put_u(at, event->number);
    if (fields & RV_F_STATE) at = put_u(at, event->state);
    if (fields & RV_F_DETAIL) at = put_u(at, event->detail);
    if (fields & RV_F_ROOT) at = put_u(at, event->root);
    if (fields & RV_F_EXIT_STATUS) at = put_i(at, event->exit_status);
    if (fields & RV_F_SIGNAL) at = put_i(at, event->signal);
    if (fields & RV_F_DUE) at = put_i(at, event->due_ms);
    if (fields & RV_F_PID) at = put_u(at, event->pid);
    if (fields & RV_F_PID_START) at = put_u(at, event->pid_start);
    if (fields & RV_F_SEED) at = put_u(at, event->seed);
    if (fields & RV_F_FLAGS) at = put_u(at, event->flags);
    if (fields & STRING_FIELDS) at = put_strings(at, event, fields);
    if (fields & SPEND_FIELDS) at = put_spend(at, event, fields);
    out->size = (size_t)(at - out->at);
    *at = 0; /* the spare byte of a buf */
}

/* ---- decoding ---- */

static bool read_u32(const char **at, const char *end, uint32_t *ret)
{
    uint64_t value;
    if (!rv_varint_read(at, end, &value) || value > UINT32_MAX) return false;
    *ret = (uint32_t)value;
    return true;
}

static bool read_i32(const char **at, const char *end, int32_t *ret)
{
    int64_t value;
    if (!rv_varint_read_signed(at, end, &value) || value < INT32_MIN || value > INT32_MAX) return false;
    *ret = (int32_t)value;
    return true;
}

static bool read_str(const char **at, const char *end, rv_str *ret)
{
    uint64_t size;
    if (!rv_varint_read(at, end, &size) || size > (uint64_t)(end - *at)) return false;
    *ret = (rv_str){*at, (size_t)size};
    *at += size;
    return true;
}

static bool read_spend(const char **at, const char *end, uint32_t fields, rv_event *ret)
{
    if ((fields & RV_F_AMOUNT) && !rv_varint_read_signed(at, end, &ret->amount)) return false;
    if ((fields & RV_F_COST) && !rv_varint_read_signed(at, end, &ret->cost)) return false;
    if ((fields & RV_F_TOKENS_IN) && !rv_varint_read(at, end, &ret->tokens_in)) return false;
    if ((fields & RV_F_TOKENS_OUT) && !rv_varint_read(at, end, &ret->tokens_out)) return false;
    return !(fields & RV_F_TOKENS_CACHED) || rv_varint_read(at, end, &ret->tokens_cached);
}

static bool read_fields(const char **at, const char *end, uint32_t fields, rv_event *ret)
{
    uint32_t node_plus_one = 0;
    ret->node = RV_NONE;
    if ((fields & RV_F_NODE) && !read_u32(at, end, &node_plus_one)) return false;
    if (fields & RV_F_NODE) ret->node = node_plus_one - 1;
    if ((fields & RV_F_EPOCH) && !read_u32(at, end, &ret->epoch)) return false;
    if ((fields & RV_F_NUMBER) && !read_u32(at, end, &ret->number)) return false;
    if ((fields & RV_F_STATE) && !read_u32(at, end, &ret->state)) return false;
    if ((fields & RV_F_DETAIL) && !read_u32(at, end, &ret->detail)) return false;
    if ((fields & RV_F_ROOT) && !read_u32(at, end, &ret->root)) return false;
    if ((fields & RV_F_EXIT_STATUS) && !read_i32(at, end, &ret->exit_status)) return false;
    if ((fields & RV_F_SIGNAL) && !read_i32(at, end, &ret->signal)) return false;
    if ((fields & RV_F_DUE) && !rv_varint_read_signed(at, end, &ret->due_ms)) return false;
    if ((fields & RV_F_PID) && !rv_varint_read(at, end, &ret->pid)) return false;
    if ((fields & RV_F_PID_START) && !rv_varint_read(at, end, &ret->pid_start)) return false;
    if ((fields & RV_F_SEED) && !rv_varint_read(at, end, &ret->seed)) return false;
    if ((fields & RV_F_FLAGS) && !read_u32(at, end, &ret->flags)) return false;
    if ((fields & RV_F_KEY) && !read_str(at, end, &ret->key)) return false;
    if ((fields & RV_F_VALUE) && !read_str(at, end, &ret->value)) return false;
    if ((fields & RV_F_OUTPUT) && !read_str(at, end, &ret->output)) return false;
    if ((fields & RV_F_TEXT) && !read_str(at, end, &ret->text)) return false;
    if ((fields & SPEND_FIELDS) && !read_spend(at, end, fields, ret)) return false;
    return ret->detail < RV_DETAIL_COUNT;
}

rv_status rv_event_read(const char **at, const char *end, rv_event *ret, rv_error *err)
{
    uint64_t type;
    rv_zero(ret, sizeof *ret);
    if (!rv_varint_read(at, end, &type)) return rv_error_set(err, RV_CORRUPT, "journal event cut short");
    if (type >= RV_EVENT_TYPE_MAX || types[type].name == NULL)
        return rv_error_set(err, RV_CORRUPT, "journal event of unknown type %llu", (unsigned long long)type);
    ret->type = (rv_event_type)type;
    if (!read_fields(at, end, types[type].fields, ret))
        return rv_error_set(err, RV_CORRUPT, "journal event %s is cut short or has a field out of range", types[type].name);
    return RV_OK;
}

const char *rv_violation_name(rv_violation_kind kind)
{
#define X(name_, text_) text_,
    static const char *const names[] = {RV_VIOLATION_MAP(X)};
#undef X
    RV_ASSERT(kind < RV_VIOLATION_COUNT);
    return names[kind];
}

const char *rv_gate_name(rv_gate_kind kind)
{
    RV_ASSERT(kind < RV_GATE_COUNT);
    return gate_names[kind];
}

/* ---- JSON ---- */

/* The word of `state` depends on the event's type. NULL: write the number. */
static const char *state_word(const rv_event *event)
{
    static const char *const decisions[] = {"approve", "reject", "done", "failed", "again"};
    static const char *const phases[] = {"graph", "handlers", "exit", "over"};
    uint32_t state = event->state;
    if (event->type == RV_EVENT_COMPLETED || event->type == RV_EVENT_ATTEMPT_STATE)
        return state < RV_ATTEMPT_STATE_COUNT ? rv_attempt_state_name((rv_attempt_state)state) : NULL;
    if (event->type == RV_EVENT_RUN_STATE) return state < RV_RUN_STATE_COUNT ? rv_run_state_name((rv_run_state)state) : NULL;
    if (event->type == RV_EVENT_DECIDED) return state < RV_COUNT(decisions) ? decisions[state] : NULL;
    if (event->type == RV_EVENT_BUDGET || event->type == RV_EVENT_WARNED)
        return state < RV_DIMENSION_COUNT ? rv_dimension_name((rv_dimension)state) : NULL;
    if (event->type == RV_EVENT_QUOTA) return state < RV_QUOTA_COUNT ? rv_quota_name((rv_quota)state) : NULL;
    if (event->type == RV_EVENT_ASK) return state < RV_GATE_VERB_COUNT ? verb_names[state] : NULL;
    if (event->type == RV_EVENT_GATE) return state < RV_GATE_COUNT ? gate_names[state] : NULL;
    if (event->type == RV_EVENT_VIOLATION) return state < RV_VIOLATION_COUNT ? rv_violation_name((rv_violation_kind)state) : NULL;
    if (event->type == RV_EVENT_PHASE) return state < RV_COUNT(phases) ? phases[state] : NULL;
    if (event->type == RV_EVENT_GREW || event->type == RV_EVENT_MATCH) return NULL; /* a scope, an entrant */
    return state < RV_NODE_STATE_COUNT ? rv_node_state_name((rv_node_state)state) : NULL;
}

rv_event_type rv_event_find(rv_str name)
{
    for (uint32_t type = 0; type < RV_EVENT_TYPE_MAX; type++)
        if (types[type].name && rv_str_is(name, types[type].name)) return (rv_event_type)type;
    return RV_EVENT_TYPE_MAX;
}

uint32_t rv_event_state_find(rv_event_type type, rv_str word)
{
    for (rv_event event = {.type = type};; event.state++) {
        const char *name = state_word(&event);
        if (!name || rv_str_is(word, name)) return name ? event.state : RV_NONE;
    }
}

uint32_t rv_event_detail_find(rv_str word)
{
    for (uint32_t detail = 0; detail < RV_DETAIL_COUNT; detail++)
        if (rv_str_is(word, rv_detail_name((rv_detail)detail))) return detail;
    return RV_NONE;
}

typedef struct json_ids { rv_event_id_fn *fn; void *user; } json_ids;

static void json_node(rv_json_writer *w, const char *key, uint32_t node, json_ids ids)
{
    rv_str id = ids.fn ? ids.fn(ids.user, node) : (rv_str){0};
    if (id.size) rv_jw_kv_str(w, key, id);
    else rv_jw_kv_i64(w, key, node);
}

static void json_words(rv_json_writer *w, const rv_event *event, uint32_t fields, json_ids ids)
{
    if ((fields & RV_F_NODE) && event->node != RV_NONE) json_node(w, "node", event->node, ids);
    if (fields & RV_F_STATE) {
        const char *word = state_word(event);
        if (word) rv_jw_kv_cstring(w, "state", word);
        else rv_jw_kv_i64(w, "state", event->state);
    }
    if ((fields & RV_F_DETAIL) && event->detail != RV_DETAIL_NONE) rv_jw_kv_cstring(w, "detail", rv_detail_name((rv_detail)event->detail));
    if ((fields & RV_F_ROOT) && event->root != 0) json_node(w, "root", event->root - 1, ids);
}

static void json_numbers(rv_json_writer *w, const rv_event *event, uint32_t fields)
{
    if (fields & RV_F_EPOCH) rv_jw_kv_i64(w, "epoch", event->epoch);
    if (fields & RV_F_NUMBER) rv_jw_kv_i64(w, "number", event->number);
    if ((fields & RV_F_EXIT_STATUS) && event->exit_status >= 0) rv_jw_kv_i64(w, "exit_status", event->exit_status);
    if ((fields & RV_F_SIGNAL) && event->signal > 0) rv_jw_kv_i64(w, "signal", event->signal);
    if ((fields & RV_F_DUE) && event->due_ms) rv_jw_kv_i64(w, "due_ms", event->due_ms);
    if ((fields & RV_F_PID) && event->pid) rv_jw_kv_i64(w, "pid", (int64_t)event->pid);
    if (fields & RV_F_FLAGS) rv_jw_kv_i64(w, "flags", event->flags);
    if (fields & RV_F_AMOUNT) rv_jw_kv_i64(w, "amount", event->amount);
    if (fields & RV_F_COST) rv_jw_kv_i64(w, "cost", event->cost);
    if (fields & RV_F_TOKENS_IN) rv_jw_kv_i64(w, "tokens_in", (int64_t)event->tokens_in);
    if (fields & RV_F_TOKENS_OUT) rv_jw_kv_i64(w, "tokens_out", (int64_t)event->tokens_out);
    if (fields & RV_F_TOKENS_CACHED) rv_jw_kv_i64(w, "tokens_cached", (int64_t)event->tokens_cached);
}

void rv_event_json(rv_json_writer *w, const rv_event *event, rv_event_id_fn *id, void *user)
{
    uint32_t fields = rv_event_fields(event->type);
    rv_jw_object(w);
    rv_jw_kv_cstring(w, "type", rv_event_name(event->type));
    json_words(w, event, fields, (json_ids){id, user});
    json_numbers(w, event, fields);
    if ((fields & RV_F_KEY) && event->key.size) rv_jw_kv_str(w, "key", event->key);
    if ((fields & RV_F_VALUE) && event->value.size) {
        rv_jw_key(w, "value");
        rv_jw_raw(w, event->value);
    }
    if ((fields & RV_F_OUTPUT) && event->output.size) rv_jw_kv_str(w, "output", event->output);
    if ((fields & RV_F_TEXT) && event->text.size) rv_jw_kv_str(w, "text", event->text);
    rv_jw_object_end(w);
}
