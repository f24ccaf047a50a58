#include "store/batch.h"

#define LARGE_SIZE ((size_t)1 << 20)

/* ---- building ---- */

rv_batch *rv_batch_new(size_t size_hint) {
    rv_batch *batch = rv_alloc(sizeof(rv_batch));
    size_t size = size_hint + size_hint / 4; /* growing step by step copies all of it each time */
    if (size < LARGE_SIZE) {
        if (size) (void)!rv_buf_reserve(&batch->bytes, size);
    } else if ((batch->bytes.at = rv_alloc_try(size))) {
        batch->bytes.capacity = size; /* used to its end, so its pages are filled at once (base/alloc.c) */
    }
    return batch;
}

void rv_batch_free(rv_batch *batch) {
    if (!batch)
        return;
    rv_buf_deinit(&batch->bytes);
    rv_free(batch);
}

size_t rv_batch_size(const rv_batch *batch) { return batch->bytes.size; }
uint32_t rv_batch_count(const rv_batch *batch) { return batch->count; }

uint32_t rv_batch_group(rv_batch *batch) {
    RV_ASSERT(batch->group + 1 < RV_BATCH_GROUPS_MAX);
    return ++batch->group;
}

static rv_str *field_str(const rv_column *column, char *row) { return (rv_str *)(void *)(row + column->offset); }

static size_t strings_size(const rv_row_type *type, const void *row) {
    size_t size = 0;
    for (uint32_t i = 0; i < type->column_count; i++)
        if (type->columns[i].type == RV_COLUMN_STR)
            size += rv_column_str(&type->columns[i], row)->size;
    return size;
}

static void write_row(rv_batch *batch, rv_write_kind kind, const void *row) {
    const rv_row_type *type = &rv_row_types[rv_write_row(kind)];
    size_t size = sizeof(rv_record) + type->size + strings_size(type, row);
    size = (size + 7) & ~(size_t)7;
    RV_ASSERT(!batch->is_sealed);
    RV_ASSERT(size <= UINT32_MAX);
    char *at = rv_buf_extend(&batch->bytes, size);
    rv_record head = {.size = (uint32_t)size, .kind = (uint8_t)kind, .group = (uint8_t)batch->group};
    memcpy(at, &head, sizeof head);
    memcpy(at + sizeof head, row, type->size);
    char *text = at + sizeof head + type->size;
    for (uint32_t i = 0; i < type->column_count; i++) {
        if (type->columns[i].type != RV_COLUMN_STR)
            continue;
        const rv_str *from = rv_column_str(&type->columns[i], row);
        rv_str *to = field_str(&type->columns[i], at + sizeof head);
        to->at = (const char *)(uintptr_t)(text - at);
        if (from->size)
            memcpy(text, from->at, from->size);
        text += from->size;
    }
    memset(text, 0, (size_t)(at + size - text));
    batch->count++;
}

void rv_batch_append(rv_batch *batch, rv_str stream, uint64_t first_seq, uint32_t event_count, rv_now now, rv_str body) {
    RV_ASSERT(stream.size > 0);
    RV_ASSERT(first_seq >= 1 && first_seq <= (uint64_t)INT64_MAX - UINT32_MAX);
    RV_ASSERT(event_count >= 1);
    rv_append_row row = {.stream = stream, .first_seq = first_seq, .event_count = event_count, .version = RV_JOURNAL_VERSION,
                         .wall_ms = now.wall_ms, .engine_ms = now.engine_ms, .body = body};
    write_row(batch, RV_WRITE_APPEND, &row);
}

void rv_batch_workflow(rv_batch *batch, const rv_workflow_row *row) { write_row(batch, RV_WRITE_WORKFLOW, row); }

void rv_batch_task(rv_batch *batch, const rv_task_row *row) {
    RV_ASSERT(row->version >= 1);
    write_row(batch, RV_WRITE_TASK, row);
}

void rv_batch_run(rv_batch *batch, const rv_run_row *row) { write_row(batch, RV_WRITE_RUN, row); }
void rv_batch_run_new(rv_batch *batch, const rv_run_row *row) { write_row(batch, RV_WRITE_RUN_NEW, row); }

void rv_batch_node(rv_batch *batch, const rv_node_row *row) {
    RV_ASSERT(row->index < RV_STORE_NODE_INDEX_MAX);
    write_row(batch, RV_WRITE_NODE, row);
}

void rv_batch_attempt(rv_batch *batch, const rv_attempt_row *row) {
    RV_ASSERT(row->node_index < RV_STORE_NODE_INDEX_MAX);
    write_row(batch, RV_WRITE_ATTEMPT, row);
}

void rv_batch_artifact(rv_batch *batch, const rv_artifact_row *row) { write_row(batch, RV_WRITE_ARTIFACT, row); }
void rv_batch_blocker(rv_batch *batch, const rv_blocker_row *row) { write_row(batch, RV_WRITE_BLOCKER, row); }

void rv_batch_snapshot(rv_batch *batch, rv_str stream, uint64_t seq, rv_str body) {
    rv_snapshot_row row = {.stream = stream, .seq = seq, .body = body};
    write_row(batch, RV_WRITE_SNAPSHOT, &row);
}

void rv_batch_meta(rv_batch *batch, rv_str key, rv_str value) {
    rv_meta_row row = {.key = key, .value = value};
    write_row(batch, RV_WRITE_META, &row);
}

void rv_batch_cache(rv_batch *batch, const rv_cache_row *row) {
    RV_ASSERT(row->id == 0 && row->key.size == RV_CACHE_KEY_SIZE);
    write_row(batch, RV_WRITE_CACHE, row);
}

void rv_batch_cache_drop(rv_batch *batch, uint64_t id, rv_str key) {
    RV_ASSERT(key.size == RV_CACHE_KEY_SIZE);
    write_row(batch, RV_WRITE_CACHE_DROP, &(rv_cache_row){.id = id, .key = key});
}

void rv_batch_seal(rv_batch *batch) {
    if (batch->is_sealed)
        return;
    batch->is_sealed = true;
    for (const rv_record *record = rv_batch_first(batch); record; record = rv_batch_next(batch, record)) {
        const rv_row_type *type = &rv_row_types[rv_write_row((rv_write_kind)record->kind)];
        for (uint32_t i = 0; i < type->column_count; i++) {
            if (type->columns[i].type != RV_COLUMN_STR)
                continue;
            rv_str *text = field_str(&type->columns[i], rv_record_row(record));
            text->at = (const char *)record + (uintptr_t)text->at;
        }
    }
}

/* ---- preconditions ---- */

/* What the writes of the group, looked at so far, would leave: by kind and key. A group has few of them. */
typedef struct planned {
    RV_VEC(struct planned_item { rv_write_kind kind; rv_str key; uint64_t value; }) items;
} planned;

static struct planned_item *planned_find(planned *plan, rv_write_kind kind, rv_str key) {
    for (uint32_t i = plan->items.count; i-- > 0;)
        if (plan->items.at[i].kind == kind && rv_str_eq(plan->items.at[i].key, key))
            return &plan->items.at[i];
    return NULL;
}

/* The value stored under (kind, key), seen through the plan; remembered there, so that it is read once. */
static rv_status planned_value(planned *plan, const rv_stored *stored, rv_write_kind kind, rv_str key, uint64_t **ret, rv_error *err) {
    struct planned_item *item = planned_find(plan, kind, key);
    if (!item) {
        uint64_t value = 0;
        uint32_t version = 0;
        bool exists = false;
        rv_status status;
        if (kind == RV_WRITE_APPEND) {
            status = stored->next_seq(stored->self, key, &value, err);
        } else if (kind == RV_WRITE_TASK) {
            status = stored->task_version(stored->self, key, &version, err);
            value = version;
        } else {
            status = stored->run_exists(stored->self, key, &exists, err);
            value = exists;
        }
        if (status)
            return status;
        item = rv_vec_add(&plan->items);
        *item = (struct planned_item){kind, key, value};
    }
    *ret = &item->value;
    return RV_OK;
}

/* Does the precondition of this write hold? If so note in the plan what it leaves. */
static rv_status record_check(planned *plan, const rv_stored *stored, const rv_record *record, bool *ret_holds, rv_error *err) {
    rv_write_kind kind = (rv_write_kind)record->kind;
    uint64_t *value = NULL;
    rv_status status;
    *ret_holds = true;
    if (kind == RV_WRITE_APPEND) {
        const rv_append_row *row = rv_record_row(record);
        if ((status = planned_value(plan, stored, kind, row->stream, &value, err)))
            return status;
        *ret_holds = row->first_seq == *value;
        *value = row->first_seq + row->event_count;
    } else if (kind == RV_WRITE_TASK) {
        const rv_task_row *row = rv_record_row(record);
        if ((status = planned_value(plan, stored, kind, row->id, &value, err)))
            return status;
        *ret_holds = *value == row->version - 1;
        *value = row->version;
    } else if (kind == RV_WRITE_RUN_NEW) {
        const rv_run_row *row = rv_record_row(record);
        if ((status = planned_value(plan, stored, kind, row->id, &value, err)))
            return status;
        *ret_holds = *value == 0;
        *value = 1;
    } else if (kind == RV_WRITE_RUN) {
        const rv_run_row *row = rv_record_row(record);
        struct planned_item *item = planned_find(plan, RV_WRITE_RUN_NEW, row->id);
        if (item)
            item->value = 1;
    }
    return RV_OK;
}

/* A RUN before a RUN_NEW of the same run in one group makes the latter fail; only then is the plan asked for it. */
static bool group_has_run_new(const rv_batch *batch, const rv_record *record) {
    for (uint8_t group = record->group; record && record->group == group; record = rv_batch_next(batch, record))
        if (record->kind == RV_WRITE_RUN_NEW)
            return true;
    return false;
}

rv_status rv_group_check(const rv_batch *batch, const rv_record *record, const rv_stored *stored, bool *ret_holds,
                         const rv_record **ret_end, rv_error *err) {
    planned plan = {0};
    uint8_t group = record->group;
    bool holds = true, tracks_runs = group_has_run_new(batch, record);
    rv_status status = RV_OK;
    for (; record && record->group == group; record = rv_batch_next(batch, record)) {
        if (!holds || status)
            continue;
        if (tracks_runs && record->kind == RV_WRITE_RUN) {
            uint64_t *value;
            const rv_run_row *row = rv_record_row(record);
            status = planned_value(&plan, stored, RV_WRITE_RUN_NEW, row->id, &value, err);
        }
        if (!status)
            status = record_check(&plan, stored, record, &holds, err);
    }
    rv_vec_deinit(&plan.items);
    *ret_holds = holds;
    *ret_end = record;
    return status;
}
