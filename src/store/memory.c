/* The memory backend: the same contract without a disk, for tests, the simulator and dry runs. Everything *written* is
 * *synced*. A table is a list of row copies in order of first insertion and a map from key to place. */
#include "store/backend.h"

#include <stdlib.h>

typedef struct memory_table {
    rv_map places; /* key → index in rows; keys are in `keys` */
    rv_arena keys;
    RV_VEC(void *) rows; /* each one piece */
} memory_table;

typedef struct stream {
    RV_VEC(rv_append_row) rows; /* strings are in the memory's arena: a journal only grows */
    uint64_t next_seq, checksum;
} stream;

typedef struct memory {
    memory_table tables[RV_ROW_COUNT]; /* JOURNAL is unused */
    rv_map stream_places;
    RV_VEC(stream) streams;
    rv_arena arena;
    rv_buf key;
    uint64_t last_batch;
} memory;

static void key_add(rv_buf *out, rv_str text) {
    rv_buf_varint(out, text.size);
    rv_buf_str_add(out, text);
}

/* The row's key columns as bytes: equal rows have equal keys and no others. In self->key. */
static rv_str key_of(memory *self, const rv_row_type *type, const void *row) {
    rv_buf_clear(&self->key);
    for (uint32_t i = 0; i < type->column_count; i++) {
        const rv_column *column = &type->columns[i];
        if (!(column->flags & RV_COLUMN_KEY))
            continue;
        if (column->type == RV_COLUMN_STR)
            key_add(&self->key, *rv_column_str(column, row));
        else
            rv_buf_varint_signed(&self->key, rv_column_i64(column, row));
    }
    return rv_buf_str(&self->key);
}

static rv_str key_of_text(memory *self, rv_str text) {
    rv_buf_clear(&self->key);
    key_add(&self->key, text);
    return rv_buf_str(&self->key);
}

static const void *table_get(const memory *self, rv_row_kind kind, rv_str key) {
    uint32_t place = rv_map_get(&self->tables[kind].places, key);
    return place == RV_NONE ? NULL : self->tables[kind].rows.at[place];
}

static void table_drop(memory *self, rv_row_kind kind, rv_str key) {
    uint32_t place = rv_map_get(&self->tables[kind].places, key);
    if (place == RV_NONE)
        return;
    rv_free(self->tables[kind].rows.at[place]);
    self->tables[kind].rows.at[place] = NULL;
}

static void table_put(memory *self, rv_row_kind kind, const void *row, bool only_when_absent) {
    memory_table *table = &self->tables[kind];
    const rv_row_type *type = &rv_row_types[kind];
    rv_str key = key_of(self, type, row);
    uint32_t place = rv_map_get(&table->places, key);
    if (place != RV_NONE && only_when_absent)
        return;
    if (place == RV_NONE) {
        place = table->rows.count;
        rv_map_add(&table->places, rv_arena_str(&table->keys, key), place);
        (void)rv_vec_add(&table->rows);
    }
    void *before = table->rows.at[place];
    table->rows.at[place] = rv_row_dup(type, row);
    rv_free(before);
}

static stream *stream_get(const memory *self, rv_str name) {
    uint32_t place = rv_map_get(&self->stream_places, name);
    return place == RV_NONE ? NULL : &self->streams.at[place];
}

static void stream_append(memory *self, const rv_append_row *row, uint64_t batch_id) {
    stream *to = stream_get(self, row->stream);
    if (!to) {
        rv_map_add(&self->stream_places, rv_arena_str(&self->arena, row->stream), self->streams.count);
        to = rv_vec_add(&self->streams);
    }
    rv_append_row copy;
    rv_row_copy(&rv_row_types[RV_ROW_JOURNAL], &self->arena, row, &copy);
    copy.checksum = to->checksum = rv_journal_checksum(row, to->checksum);
    copy.batch = batch_id;
    to->next_seq = row->first_seq + row->event_count;
    rv_vec_push(&to->rows, copy);
}

/* ---- preconditions ---- */

static rv_status stored_next_seq(void *self, rv_str name, uint64_t *ret, rv_error *err) {
    const stream *found = stream_get(self, name);
    *ret = found ? found->next_seq : 1;
    return RV_OK;
}

static rv_status stored_task_version(void *self, rv_str task, uint32_t *ret, rv_error *err) {
    const rv_task_row *row = table_get(self, RV_ROW_TASK, key_of_text(self, task));
    *ret = row ? row->version : 0;
    return RV_OK;
}

static rv_status stored_run_exists(void *self, rv_str run, bool *ret, rv_error *err) {
    *ret = table_get(self, RV_ROW_RUN, key_of_text(self, run)) != NULL;
    return RV_OK;
}

/* ---- the backend ---- */

static uint64_t cache_id_next(const memory *self) {
    const memory_table *table = &self->tables[RV_ROW_CACHE];
    uint64_t last = 0;
    for (uint32_t i = 0; i < table->rows.count; i++)
        if (table->rows.at[i])
            last = RV_MAX(last, ((const rv_cache_row *)table->rows.at[i])->id);
    return last + 1;
}

static void apply(memory *self, const rv_record *record, uint64_t batch_id) {
    rv_write_kind kind = (rv_write_kind)record->kind;
    const void *row = rv_record_row(record);
    if (kind == RV_WRITE_APPEND) {
        stream_append(self, row, batch_id);
    } else if (kind == RV_WRITE_SNAPSHOT) {
        rv_snapshot_row snapshot = *(const rv_snapshot_row *)row;
        snapshot.checksum = rv_snapshot_checksum(&snapshot);
        table_put(self, RV_ROW_SNAPSHOT, &snapshot, false);
    } else if (kind == RV_WRITE_CACHE) {
        rv_cache_row entry = *(const rv_cache_row *)row;
        entry.id = cache_id_next(self);
        table_put(self, RV_ROW_CACHE, &entry, false);
    } else if (kind == RV_WRITE_CACHE_DROP) {
        const rv_cache_row *entry = row, *there = table_get(self, RV_ROW_CACHE, key_of_text(self, entry->key));
        if (there && there->id == entry->id)
            table_drop(self, RV_ROW_CACHE, key_of_text(self, entry->key));
    } else {
        table_put(self, rv_write_row(kind), row, kind == RV_WRITE_WORKFLOW);
    }
}

static rv_status memory_transact(void *user, rv_item **items, uint32_t count, rv_error *err) {
    memory *self = user;
    rv_stored stored = {self, stored_next_seq, stored_task_version, stored_run_exists};
    for (uint32_t i = 0; i < count; i++) {
        const rv_record *record = rv_batch_first(items[i]->batch), *end;
        while (record) {
            bool holds;
            rv_status status = rv_group_check(items[i]->batch, record, &stored, &holds, &end, err);
            RV_ASSERT(status == RV_OK);
            if (!holds)
                items[i]->rejected_groups |= UINT64_C(1) << record->group;
            for (; record != end; record = rv_batch_next(items[i]->batch, record))
                if (holds)
                    apply(self, record, items[i]->batch_id);
        }
        self->last_batch = items[i]->batch_id;
    }
    return RV_OK;
}

static rv_status memory_sync(void *self, rv_error *err) { return RV_OK; }
static rv_status memory_maintain(void *self, rv_leisure leisure, rv_error *err) { return RV_OK; }
static rv_status memory_recover(void *self, rv_error *err) { return RV_OK; }

static rv_status not_found(const rv_read *read, const char *what) {
    return rv_error_set(read->err, RV_NOT_FOUND, "the store has no %s %.*s", what, RV_FMT(read->key));
}

static rv_status read_row(memory *self, rv_row_kind kind, rv_read *read) {
    const void *row = table_get(self, kind, key_of_text(self, read->key));
    if (!row)
        return not_found(read, rv_row_types[kind].table);
    rv_row_copy(&rv_row_types[kind], read->arena, row, read->ret_row);
    return RV_OK;
}

static rv_status read_workflow(memory *self, rv_read *read) {
    const memory_table *table = &self->tables[RV_ROW_WORKFLOW];
    for (uint32_t i = 0; i < table->rows.count; i++) {
        const rv_workflow_row *row = table->rows.at[i];
        if (!rv_str_eq(row->hash, read->key))
            continue;
        rv_row_copy(&rv_row_types[RV_ROW_WORKFLOW], read->arena, row, read->ret_row);
        return RV_OK;
    }
    return not_found(read, "workflow");
}

static rv_status read_workflow_has(memory *self, rv_read *read) {
    const memory_table *table = &self->tables[RV_ROW_WORKFLOW];
    read->ret_number = 0;
    for (uint32_t i = 0; i < table->rows.count; i++) {
        const rv_workflow_row *row = table->rows.at[i];
        read->ret_number |= rv_str_eq(row->hash, read->key) && rv_str_eq(row->workspace, read->workspace);
    }
    return RV_OK;
}

static rv_status read_meta(memory *self, rv_read *read) {
    const rv_meta_row *row = table_get(self, RV_ROW_META, key_of_text(self, read->key));
    if (!row)
        return not_found(read, "meta value");
    read->ret_bytes = rv_arena_str(read->arena, row->value);
    return RV_OK;
}

static rv_status read_snapshot(memory *self, rv_read *read) {
    const rv_snapshot_row *row = table_get(self, RV_ROW_SNAPSHOT, key_of_text(self, read->key));
    if (!row)
        return not_found(read, "snapshot of");
    read->ret_number = row->seq;
    read->ret_bytes = rv_arena_str(read->arena, row->body);
    return RV_OK;
}

static rv_status read_runs(memory *self, rv_read *read) {
    const rv_run_filter *filter = read->filter;
    rv_run_rows *rows = read->ret_row;
    const memory_table *table = &self->tables[RV_ROW_RUN];
    uint32_t left = filter->limit ? filter->limit : UINT32_MAX;
    for (uint32_t i = table->rows.count; i-- > 0 && left;) {
        const rv_run_row *row = table->rows.at[i];
        if ((filter->file.size && !rv_str_eq(filter->file, row->file)) || (filter->name.size && !rv_str_eq(filter->name, row->name)) ||
            (filter->workflow_hash.size && !rv_str_eq(filter->workflow_hash, row->workflow_hash)) ||
            (filter->budget_group.size && !rv_str_eq(filter->budget_group, row->budget_group)) ||
            (filter->unfinished && row->status >= RV_RUN_OK))
            continue;
        rv_run_row *copy = rv_vec_add(rows);
        rv_row_copy(&rv_row_types[RV_ROW_RUN], read->arena, row, copy);
        left--;
    }
    return RV_OK;
}

static int attempt_order(const void *a, const void *b) {
    const rv_attempt_row *x = a, *y = b;
    if (x->node_index != y->node_index)
        return x->node_index < y->node_index ? -1 : 1;
    return x->epoch < y->epoch ? -1 : x->epoch > y->epoch;
}

static rv_status read_attempts_open(memory *self, rv_read *read) {
    rv_attempt_rows *rows = read->ret_row;
    const memory_table *table = &self->tables[RV_ROW_ATTEMPT];
    uint32_t first = rows->count;
    for (uint32_t i = 0; i < table->rows.count; i++) {
        const rv_attempt_row *row = table->rows.at[i];
        if (row->state >= RV_ATTEMPT_OK || !rv_str_eq(row->run, read->key))
            continue;
        rv_attempt_row *copy = rv_vec_add(rows);
        rv_row_copy(&rv_row_types[RV_ROW_ATTEMPT], read->arena, row, copy);
    }
    if (rows->count > first)
        qsort(rows->at + first, rows->count - first, sizeof *rows->at, attempt_order);
    return RV_OK;
}

/* ---- the cache ---- */

static void cache_copy(const rv_read *read, const rv_cache_row *row, bool with_made_of, rv_cache_row *ret) {
    rv_cache_row shown = *row;
    if (!with_made_of)
        shown.made_of = (rv_str){NULL, 0};
    rv_row_copy(&rv_row_types[RV_ROW_CACHE], read->arena, &shown, ret);
}

static rv_status read_cache(memory *self, rv_read *read) {
    const rv_cache_row *row = table_get(self, RV_ROW_CACHE, key_of_text(self, read->key));
    if (!row)
        return rv_error_set(read->err, RV_NOT_FOUND, "the cache has no such entry");
    cache_copy(read, row, false, read->ret_row);
    return RV_OK;
}

static rv_status read_cache_last(memory *self, rv_read *read) {
    const memory_table *table = &self->tables[RV_ROW_CACHE];
    const rv_cache_row *last = NULL;
    for (uint32_t i = 0; i < table->rows.count; i++) {
        const rv_cache_row *row = table->rows.at[i];
        if (row && row->owner == read->after_seq && (!last || row->id > last->id))
            last = row;
    }
    if (!last)
        return rv_error_set(read->err, RV_NOT_FOUND, "the cache has no such entry");
    cache_copy(read, last, true, read->ret_row);
    return RV_OK;
}

static int entry_order(const void *a, const void *b) {
    const rv_cache_row *x = *(const rv_cache_row *const *)a, *y = *(const rv_cache_row *const *)b;
    return x->id < y->id ? -1 : x->id > y->id;
}

static rv_status read_cache_scan(memory *self, rv_read *read) {
    const memory_table *table = &self->tables[RV_ROW_CACHE];
    rv_cache_rows *rows = read->ret_row;
    RV_VEC(const rv_cache_row *) found = {0};
    for (uint32_t i = 0; i < table->rows.count; i++) {
        const rv_cache_row *row = table->rows.at[i];
        if (row && row->id > read->after_seq)
            rv_vec_push(&found, row);
    }
    if (found.count)
        qsort(found.at, found.count, sizeof *found.at, entry_order);
    for (uint32_t i = 0; i < found.count && i < read->limit; i++) {
        rv_cache_row *copy = rv_vec_add(rows);
        cache_copy(read, found.at[i], false, copy);
    }
    rv_vec_deinit(&found);
    return RV_OK;
}

static rv_status read_journal(memory *self, rv_read *read) {
    const stream *from = stream_get(self, read->key);
    rv_status status = RV_OK;
    for (uint32_t i = 0; from && i < from->rows.count && !status; i++) {
        const rv_append_row *row = &from->rows.at[i];
        if (row->first_seq + row->event_count - 1 <= read->after_seq)
            continue;
        rv_journal_row out = {row->first_seq, row->event_count, row->version, {row->wall_ms, row->engine_ms}, row->body, row->checksum};
        status = read->row(read->user, &out);
    }
    return status;
}

static rv_status memory_read(void *user, rv_read *read) {
    memory *self = user;
    switch (read->kind) {
    case RV_READ_LAST_BATCH: read->ret_number = self->last_batch; return RV_OK;
    case RV_READ_META: return read_meta(self, read);
    case RV_READ_WORKFLOW: return read_workflow(self, read);
    case RV_READ_WORKFLOW_HAS: return read_workflow_has(self, read);
    case RV_READ_RUN: return read_row(self, RV_ROW_RUN, read);
    case RV_READ_TASK: return read_row(self, RV_ROW_TASK, read);
    case RV_READ_RUNS: return read_runs(self, read);
    case RV_READ_ATTEMPTS_OPEN: return read_attempts_open(self, read);
    case RV_READ_SNAPSHOT: return read_snapshot(self, read);
    case RV_READ_JOURNAL: return read_journal(self, read);
    case RV_READ_CACHE: return read_cache(self, read);
    case RV_READ_CACHE_LAST: return read_cache_last(self, read);
    case RV_READ_CACHE_SCAN: return read_cache_scan(self, read);
    }
    RV_UNREACHABLE();
}

static void memory_close(void *user, bool is_clean) {
    memory *self = user;
    for (uint32_t kind = 0; kind < RV_ROW_COUNT; kind++) {
        memory_table *table = &self->tables[kind];
        for (uint32_t i = 0; i < table->rows.count; i++)
            rv_free(table->rows.at[i]);
        rv_vec_deinit(&table->rows);
        rv_map_deinit(&table->places);
        rv_arena_deinit(&table->keys);
    }
    for (uint32_t i = 0; i < self->streams.count; i++)
        rv_vec_deinit(&self->streams.at[i].rows);
    rv_vec_deinit(&self->streams);
    rv_map_deinit(&self->stream_places);
    rv_arena_deinit(&self->arena);
    rv_buf_deinit(&self->key);
    rv_free(self);
}

static const rv_backend memory_backend = {
    .transact = memory_transact, .sync = memory_sync, .maintain = memory_maintain, .recover = memory_recover, .read = memory_read,
    .close = memory_close,
};

rv_status rv_store_open_memory(rv_store **ret, rv_error *err) {
    rv_store_config config = {.is_single_threaded = true};
    return rv_store_new(&memory_backend, rv_alloc(sizeof(memory)), &config, 0, ret, err);
}
