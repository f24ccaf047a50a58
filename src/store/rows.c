#include "store/rows.h"

#define X(name_, text_, ...) text_,
static const char *const kind_words[] = {RV_KIND_MAP(X)};
static const char *const node_state_words[] = {RV_NODE_STATE_MAP(X)};
static const char *const detail_words[] = {RV_DETAIL_MAP(X)};
static const char *const attempt_state_words[] = {RV_ATTEMPT_STATE_MAP(X)};
static const char *const run_state_words[] = {RV_RUN_STATE_MAP(X)};
static const char *const task_state_words[] = {RV_TASK_STATE_MAP(X)};
static const char *const interaction_words[] = {RV_INTERACTION_MAP(X)};
static const char *const blocker_state_words[] = {RV_BLOCKER_STATE_MAP(X)};
#undef X

/* The type of a field, from the struct itself, so that the description cannot disagree with it. Enums are unsigned. */
#define TYPE_OF(struct_, field_)                                                                       \
    _Generic(((struct_ *)0)->field_, rv_str: RV_COLUMN_STR, int32_t: RV_COLUMN_I32, uint32_t: RV_COLUMN_U32, \
             int64_t: RV_COLUMN_I64, uint64_t: RV_COLUMN_U64, bool: RV_COLUMN_BOOL)
#define FLAGGED(struct_, field_, flags_) {#field_, NULL, offsetof(struct_, field_), 0, TYPE_OF(struct_, field_), flags_}
#define PLAIN(struct_, field_) FLAGGED(struct_, field_, 0)
#define KEY(struct_, field_) FLAGGED(struct_, field_, RV_COLUMN_KEY)
#define PACKED(struct_, field_) FLAGGED(struct_, field_, RV_COLUMN_KEY | RV_COLUMN_PACKED)
#define WORD(struct_, field_, words_) {#field_, words_, offsetof(struct_, field_), RV_COUNT(words_), TYPE_OF(struct_, field_), 0}

#define R rv_append_row
static const rv_column journal_columns[] = {
    PACKED(R, stream), PACKED(R, first_seq), PLAIN(R, event_count), PLAIN(R, version), PLAIN(R, wall_ms), PLAIN(R, engine_ms),
    FLAGGED(R, body, RV_COLUMN_BYTES), PLAIN(R, checksum), PLAIN(R, batch),
};
#undef R
#define R rv_workflow_row
static const rv_column workflow_columns[] = {
    KEY(R, workspace), KEY(R, hash), PLAIN(R, name), PLAIN(R, body), PLAIN(R, created_ms),
};
#undef R
#define R rv_task_row
static const rv_column task_columns[] = {
    PLAIN(R, workspace), KEY(R, id), PLAIN(R, workflow_hash), PLAIN(R, name), PLAIN(R, params), WORD(R, state, task_state_words),
    PLAIN(R, version), PLAIN(R, priority), PLAIN(R, target_run), PLAIN(R, accepted_ms), PLAIN(R, dispatched_ms), PLAIN(R, settled_ms),
};
#undef R
#define R rv_run_row
static const rv_column run_columns[] = {
    PLAIN(R, workspace), PACKED(R, id), PLAIN(R, task), PLAIN(R, workflow_hash), PLAIN(R, name), PLAIN(R, number),
    WORD(R, status, run_state_words), WORD(R, interaction, interaction_words), PLAIN(R, file), PLAIN(R, dir), PLAIN(R, params),
    PLAIN(R, secrets), PLAIN(R, env), PLAIN(R, resumed_from), PLAIN(R, forked_from), PLAIN(R, created_ms), PLAIN(R, started_ms),
    PLAIN(R, ended_ms), PLAIN(R, exit_status), PLAIN(R, nodes_total), PLAIN(R, nodes_succeeded), PLAIN(R, nodes_failed),
    PLAIN(R, nodes_skipped), PLAIN(R, nodes_cancelled), PLAIN(R, last_seq), PLAIN(R, budget_group), PLAIN(R, cost_micro),
    PLAIN(R, tokens), PLAIN(R, tokens_cached), PLAIN(R, reserved_micro), PLAIN(R, reserved_tokens), PLAIN(R, counted_ms),
    PLAIN(R, counted_attempts), PLAIN(R, counted_nodes),
};
#undef R
#define R rv_node_row
static const rv_column node_columns[] = {
    PACKED(R, run), PLAIN(R, id), PACKED(R, index), WORD(R, kind, kind_words), WORD(R, state, node_state_words),
    WORD(R, detail, detail_words), PLAIN(R, root), PLAIN(R, attempts), PLAIN(R, epoch), PLAIN(R, error), PLAIN(R, result),
    PLAIN(R, ready_ms), PLAIN(R, started_ms), PLAIN(R, ended_ms), PLAIN(R, due_ms), PLAIN(R, log_last),
};
#undef R
#define R rv_attempt_row
static const rv_column attempt_columns[] = {
    PACKED(R, run), PLAIN(R, node), PACKED(R, node_index), PLAIN(R, number), KEY(R, epoch), WORD(R, state, attempt_state_words),
    WORD(R, detail, detail_words), PLAIN(R, error_source), PLAIN(R, error), PLAIN(R, exit_status), PLAIN(R, signal), PLAIN(R, pid),
    PLAIN(R, pid_start_ticks), PLAIN(R, started_ms), PLAIN(R, ended_ms), PLAIN(R, stdout_size), PLAIN(R, stderr_size),
    PLAIN(R, log_last), PLAIN(R, user_us), PLAIN(R, system_us), PLAIN(R, rss_max), PLAIN(R, cost_micro), PLAIN(R, tokens_in),
    PLAIN(R, tokens_out), PLAIN(R, tokens_cached),
};
#undef R
#define R rv_artifact_row
static const rv_column artifact_columns[] = {
    KEY(R, run), KEY(R, node), KEY(R, name), PLAIN(R, media_type), PLAIN(R, digest), PLAIN(R, epoch), PLAIN(R, size),
    PLAIN(R, is_complete), PLAIN(R, created_ms),
};
#undef R
#define R rv_blocker_row
static const rv_column blocker_columns[] = {
    KEY(R, run), PLAIN(R, node), PLAIN(R, kind), PLAIN(R, revision), KEY(R, key), PLAIN(R, payload), PLAIN(R, digest),
    WORD(R, state, blocker_state_words), PLAIN(R, decision), PLAIN(R, by), PLAIN(R, comment), PLAIN(R, answer),
    PLAIN(R, opened_ms), PLAIN(R, resolved_ms), PLAIN(R, deadline_ms),
};
#undef R
#define R rv_snapshot_row
static const rv_column snapshot_columns[] = {
    PACKED(R, stream), PLAIN(R, seq), FLAGGED(R, body, RV_COLUMN_BYTES), PLAIN(R, checksum),
};
#undef R
#define R rv_meta_row
static const rv_column meta_columns[] = {KEY(R, key), PLAIN(R, value)};
#undef R
#define R rv_cache_row
static const rv_column cache_columns[] = {
    FLAGGED(R, id, RV_COLUMN_PACKED), FLAGGED(R, key, RV_COLUMN_KEY | RV_COLUMN_BYTES), PLAIN(R, node), PLAIN(R, owner),
    PLAIN(R, size), PLAIN(R, created_ms), FLAGGED(R, manifest, RV_COLUMN_BYTES), FLAGGED(R, made_of, RV_COLUMN_BYTES),
};
#undef R

/* A struct whose size changes must be described again: these break the build until it is. */
_Static_assert(sizeof(rv_workflow_row) == 4 * 16 + 8, "describe the new field of rv_workflow_row above and in a migration");
_Static_assert(sizeof(rv_task_row) == 6 * 16 + 16 + 3 * 8, "describe the new field of rv_task_row above and in a migration");
_Static_assert(sizeof(rv_run_row) == 13 * 16 + 16 + 3 * 8 + 6 * 4 + 9 * 8,
               "describe the new field of rv_run_row above and in a migration");
_Static_assert(sizeof(rv_node_row) == 2 * 16 + 16 + 16 + 8 + 2 * 16 + 5 * 8,
               "describe the new field of rv_node_row above and in a migration");
_Static_assert(sizeof(rv_attempt_row) == 2 * 16 + 24 + 2 * 16 + 8 + 14 * 8,
               "describe the new field of rv_attempt_row above and in a migration");

_Static_assert(sizeof(rv_cache_row) == 4 * 16 + 4 * 8, "describe the new field of rv_cache_row above and in a migration");

#define X(name_, table_, struct_) [RV_ROW_##name_] = {#table_, table_##_columns, RV_COUNT(table_##_columns), sizeof(struct_)},
const rv_row_type rv_row_types[RV_ROW_COUNT] = {RV_ROW_TYPE_MAP(X)};
#undef X

rv_row_kind rv_write_row(rv_write_kind kind) {
    switch (kind) {
    case RV_WRITE_APPEND: return RV_ROW_JOURNAL;
    case RV_WRITE_WORKFLOW: return RV_ROW_WORKFLOW;
    case RV_WRITE_TASK: return RV_ROW_TASK;
    case RV_WRITE_RUN: return RV_ROW_RUN;
    case RV_WRITE_RUN_NEW: return RV_ROW_RUN;
    case RV_WRITE_NODE: return RV_ROW_NODE;
    case RV_WRITE_ATTEMPT: return RV_ROW_ATTEMPT;
    case RV_WRITE_ARTIFACT: return RV_ROW_ARTIFACT;
    case RV_WRITE_BLOCKER: return RV_ROW_BLOCKER;
    case RV_WRITE_SNAPSHOT: return RV_ROW_SNAPSHOT;
    case RV_WRITE_META: return RV_ROW_META;
    case RV_WRITE_CACHE:
    case RV_WRITE_CACHE_DROP: return RV_ROW_CACHE;
    case RV_WRITE_COUNT: break;
    }
    RV_UNREACHABLE();
}

int64_t rv_column_i64(const rv_column *column, const void *row) {
    const char *at = (const char *)row + column->offset;
    int32_t i32;
    uint32_t u32;
    int64_t i64;
    switch ((rv_column_type)column->type) {
    case RV_COLUMN_I32: memcpy(&i32, at, sizeof i32); return i32;
    case RV_COLUMN_U32: memcpy(&u32, at, sizeof u32); return u32;
    case RV_COLUMN_I64:
    case RV_COLUMN_U64: memcpy(&i64, at, sizeof i64); return i64;
    case RV_COLUMN_BOOL: return *(const bool *)at;
    case RV_COLUMN_STR: break;
    }
    RV_UNREACHABLE();
}

bool rv_column_set_i64(const rv_column *column, void *row, int64_t value) {
    char *at = (char *)row + column->offset;
    int32_t i32 = (int32_t)value;
    uint32_t u32 = (uint32_t)value;
    switch ((rv_column_type)column->type) {
    case RV_COLUMN_I32: memcpy(at, &i32, sizeof i32); return i32 == value;
    case RV_COLUMN_U32:
        memcpy(at, &u32, sizeof u32);
        return u32 == value && (!column->words || u32 < column->word_count);
    case RV_COLUMN_I64:
    case RV_COLUMN_U64: memcpy(at, &value, sizeof value); return true;
    case RV_COLUMN_BOOL: *(bool *)at = value != 0; return value == 0 || value == 1;
    case RV_COLUMN_STR: break;
    }
    RV_UNREACHABLE();
}

bool rv_column_word(const rv_column *column, rv_str word, int64_t *ret) {
    for (uint32_t i = 0; i < column->word_count; i++)
        if (rv_str_is(word, column->words[i])) {
            *ret = i;
            return true;
        }
    return false;
}

void rv_row_copy(const rv_row_type *type, rv_arena *arena, const void *row, void *ret_row) {
    memcpy(ret_row, row, type->size);
    for (uint32_t i = 0; i < type->column_count; i++) {
        if (type->columns[i].type != RV_COLUMN_STR)
            continue;
        rv_str *text = (rv_str *)(void *)((char *)ret_row + type->columns[i].offset);
        *text = rv_arena_str(arena, *text);
    }
}

void *rv_row_dup(const rv_row_type *type, const void *row) {
    size_t size = type->size;
    for (uint32_t i = 0; i < type->column_count; i++)
        if (type->columns[i].type == RV_COLUMN_STR)
            size += rv_column_str(&type->columns[i], row)->size;
    char *copy = rv_alloc(size), *text = copy + type->size;
    memcpy(copy, row, type->size);
    for (uint32_t i = 0; i < type->column_count; i++) {
        if (type->columns[i].type != RV_COLUMN_STR)
            continue;
        rv_str *to = (rv_str *)(void *)(copy + type->columns[i].offset);
        if (to->size)
            memcpy(text, to->at, to->size);
        to->at = text;
        text += to->size;
    }
    return copy;
}

uint64_t rv_journal_checksum(const rv_append_row *row, uint64_t previous) {
    uint64_t head[5] = {row->version, row->first_seq, row->event_count, (uint64_t)row->wall_ms, (uint64_t)row->engine_ms};
    uint64_t sum = rv_hash64((rv_str){(const char *)head, sizeof head}, previous);
    sum = rv_hash64(row->stream, sum);
    return rv_hash64(row->body, sum);
}

uint64_t rv_snapshot_checksum(const rv_snapshot_row *row) {
    return rv_hash64(row->body, rv_hash64(row->stream, row->seq));
}
