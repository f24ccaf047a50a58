/* Writing batches: SQL made from the descriptions of rows, names turned into numbers, rows bound where they lie. */
#include "store/sqlite.h"

enum {
    NAMES_MAX = 4096,
    HITS_AT_ONCE = 8, /* rows of one statement */
    HIT_PARAMS = 4,   /* key, id, kind, ended_ms */
};

/* How each kind of row is written: verb, table, and for tables with an integer key the name of that column. */
static const struct upsert { const char *verb, *table, *key; } upserts[RV_ROW_COUNT] = {
    [RV_ROW_JOURNAL] = {"INSERT", "journal_data", "key"},
    [RV_ROW_WORKFLOW] = {"INSERT OR IGNORE", "workflow", NULL},
    [RV_ROW_TASK] = {"INSERT OR REPLACE", "task", NULL},
    [RV_ROW_RUN] = {"INSERT", "run_data", "key"},
    [RV_ROW_NODE] = {"INSERT OR REPLACE", "node_data", "key"},
    [RV_ROW_ATTEMPT] = {"INSERT OR REPLACE", "attempt_data", "node_key"},
    [RV_ROW_ARTIFACT] = {"INSERT OR REPLACE", "artifact", NULL},
    [RV_ROW_BLOCKER] = {"INSERT OR REPLACE", "blocker", NULL},
    [RV_ROW_SNAPSHOT] = {"INSERT OR REPLACE", "snapshot_data", "stream"},
    [RV_ROW_META] = {"INSERT OR REPLACE", "meta", NULL},
    [RV_ROW_CACHE] = {"INSERT OR REPLACE", "cache_data", "place"},
};

/* Parameter 1 is the integer key where there is one; then the columns that are not packed into it, in order. A whole row
 * replaces a whole row: with one key and no index SQLite overwrites it in place. */
void rv_sqlite_upsert_sql(rv_buf *out, rv_row_kind kind) {
    const rv_row_type *type = &rv_row_types[kind];
    uint32_t params = 0;
    rv_buf_printf(out, "%s INTO %s (", upserts[kind].verb, upserts[kind].table);
    if (upserts[kind].key) {
        rv_buf_cstring(out, upserts[kind].key);
        params++;
    }
    for (uint32_t i = 0; i < type->column_count; i++)
        if (!(type->columns[i].flags & RV_COLUMN_PACKED))
            rv_buf_printf(out, "%s\"%s\"", params++ ? ", " : "", type->columns[i].name);
    rv_buf_cstring(out, ") VALUES (");
    for (uint32_t i = 0; i < params; i++)
        rv_buf_printf(out, "%s?%u", i ? ", " : "", i + 1);
    rv_buf_cstring(out, ")");
}

/* Parameters 1 and 2 are state and detail of all, then come HIT_PARAMS of each. */
void rv_sqlite_hits_sql(rv_buf *out) {
    rv_buf_cstring(out, "INSERT OR REPLACE INTO node_data (state, detail, key, id, kind, ended_ms, root, attempts, epoch, error, result, "
                        "ready_ms, started_ms, due_ms, log_last) VALUES ");
    for (int i = 0; i < HITS_AT_ONCE; i++) {
        int param = 3 + i * HIT_PARAMS;
        rv_buf_printf(out, "%s(?1, ?2, ?%d, ?%d, ?%d, ?%d, '', 0, 0, '', '', 0, 0, 0, -1)", i ? ", " : "", param, param + 1, param + 2,
                      param + 3);
    }
}

static bool is_indexed(const rv_column *column) {
    return strcmp(column->name, "status") == 0 || strcmp(column->name, "file") == 0 || strcmp(column->name, "budget_group") == 0;
}

/* Parameters as in the insert. The columns of the indexes are written apart, and only when they differ, so that the
 * many updates of counters do not touch the index's page. */
void rv_sqlite_run_update_sql(rv_buf *out, bool indexed) {
    const rv_row_type *type = &rv_row_types[RV_ROW_RUN];
    uint32_t param = 1;
    const char *separator = "";
    rv_buf where = {0};
    rv_buf_cstring(out, "UPDATE run_data SET ");
    for (uint32_t i = 0; i < type->column_count; i++) {
        if (type->columns[i].flags & RV_COLUMN_PACKED)
            continue;
        param++;
        if (is_indexed(&type->columns[i]) != indexed)
            continue;
        rv_buf_printf(out, "%s\"%s\" = ?%u", separator, type->columns[i].name, param);
        rv_buf_printf(&where, "%s\"%s\" <> ?%u", *separator ? " OR " : "", type->columns[i].name, param);
        separator = ", ";
    }
    rv_buf_cstring(out, " WHERE key = ?1");
    if (indexed)
        rv_buf_printf(out, " AND (%s)", where.at);
    rv_buf_deinit(&where);
}

/* ---- names ---- */

void rv_sqlite_caches_clear(rv_sqlite *self) {
    rv_map_deinit(&self->name_places);
    rv_vec_clear(&self->names);
    rv_arena_clear(&self->name_arena);
    rv_buf_clear(&self->workspace);
    self->batch_stream = -1;
}

static rv_status name_find(rv_sqlite *self, rv_str text, int64_t *ret_key, rv_error *err) {
    sqlite3_stmt *get;
    rv_status status = rv_sqlite_statement(self, RV_STATEMENT_NAME_GET, &get, err);
    if (status)
        return status;
    rv_sqlite_bind_str(get, 1, text);
    int code = sqlite3_step(get);
    *ret_key = code == SQLITE_ROW ? sqlite3_column_int64(get, 0) : 0;
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        status = rv_sqlite_error(self, code, "looking up a name", err);
    sqlite3_reset(get);
    return status;
}

/* *ret_place: index in self->names, RV_NONE when it has no number and `add` is false. Places move when names are forgotten,
 * which happens at the beginning of a transaction only. */
rv_status rv_sqlite_name(rv_sqlite *self, rv_str text, bool add, uint32_t *ret_place, rv_error *err) {
    uint32_t place = rv_map_get(&self->name_places, text);
    if (place != RV_NONE) {
        *ret_place = place;
        return RV_OK;
    }
    int64_t key;
    rv_status status = name_find(self, text, &key, err);
    if (!status && !key && add) {
        sqlite3_stmt *insert;
        if (!(status = rv_sqlite_statement(self, RV_STATEMENT_NAME_ADD, &insert, err))) {
            rv_sqlite_bind_str(insert, 1, text);
            status = rv_sqlite_run(self, insert, "adding a name", err);
            key = sqlite3_last_insert_rowid(self->db);
        }
    }
    if (status)
        return status;
    *ret_place = RV_NONE;
    if (key) {
        *ret_place = self->names.count;
        rv_vec_push(&self->names, ((rv_name){.key = key}));
        rv_map_add(&self->name_places, rv_arena_str(&self->name_arena, text), *ret_place);
    }
    return RV_OK;
}

/* Where the stream ends: its next seq and the checksum of its last row. */
static rv_status stream_end(rv_sqlite *self, rv_name *name, rv_error *err) {
    sqlite3_stmt *end;
    if (name->has_end)
        return RV_OK;
    rv_status status = rv_sqlite_statement(self, RV_STATEMENT_STREAM_END, &end, err);
    if (status)
        return status;
    sqlite3_bind_int64(end, 1, name->key);
    int code = sqlite3_step(end);
    name->next_seq = code == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(end, 0) : 1;
    name->checksum = code == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(end, 1) : 0;
    name->has_end = code == SQLITE_ROW || code == SQLITE_DONE;
    if (!name->has_end)
        status = rv_sqlite_error(self, code, "looking up the end of a stream", err);
    sqlite3_reset(end);
    return status;
}

/* ---- preconditions ---- */

static rv_status stored_next_seq(void *user, rv_str stream, uint64_t *ret, rv_error *err) {
    rv_sqlite *self = user;
    uint32_t place;
    rv_status status = rv_sqlite_name(self, stream, false, &place, err);
    if (!status && place != RV_NONE)
        status = stream_end(self, &self->names.at[place], err);
    if (!status)
        *ret = place == RV_NONE ? 1 : self->names.at[place].next_seq;
    return status;
}

static rv_status stored_task_version(void *user, rv_str task, uint32_t *ret, rv_error *err) {
    sqlite3_stmt *get;
    rv_status status = rv_sqlite_statement(user, RV_STATEMENT_TASK_VERSION, &get, err);
    if (status)
        return status;
    rv_sqlite_bind_str(get, 1, task);
    int code = sqlite3_step(get);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        status = rv_sqlite_error(user, code, "looking up a task", err);
    *ret = code == SQLITE_ROW ? (uint32_t)sqlite3_column_int64(get, 0) : 0;
    sqlite3_reset(get);
    return status;
}

static rv_status stored_run_exists(void *user, rv_str run, bool *ret, rv_error *err) {
    rv_sqlite *self = user;
    sqlite3_stmt *get;
    uint32_t place;
    *ret = false;
    rv_status status = rv_sqlite_name(self, run, false, &place, err);
    if (status || place == RV_NONE)
        return status;
    if ((status = rv_sqlite_statement(self, RV_STATEMENT_RUN_EXISTS, &get, err)))
        return status;
    sqlite3_bind_int64(get, 1, self->names.at[place].key);
    int code = sqlite3_step(get);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        status = rv_sqlite_error(self, code, "looking up a run", err);
    *ret = code == SQLITE_ROW;
    sqlite3_reset(get);
    return status;
}

/* ---- rows ---- */

/* Bind the columns of `row` that are not in the integer key, the first one to `param`, as far as the statement has any. */
static void bind_row(sqlite3_stmt *statement, int param, const rv_row_type *type, const void *row, bool words_as_text) {
    int param_count = sqlite3_bind_parameter_count(statement);
    for (uint32_t i = 0; i < type->column_count && param <= param_count; i++) {
        const rv_column *column = &type->columns[i];
        int code;
        if (column->flags & RV_COLUMN_PACKED)
            continue;
        if (column->type == RV_COLUMN_STR) {
            const rv_str *text = rv_column_str(column, row);
            const char *at = text->size ? text->at : "";
            code = column->flags & RV_COLUMN_BYTES ? sqlite3_bind_blob64(statement, param, at, text->size, SQLITE_STATIC)
                                                   : sqlite3_bind_text64(statement, param, at, text->size, SQLITE_STATIC, SQLITE_UTF8);
        } else {
            int64_t value = rv_column_i64(column, row);
            RV_ASSERT(!column->words || value < column->word_count);
            code = column->words && words_as_text ? sqlite3_bind_text(statement, param, column->words[value], -1, SQLITE_STATIC)
                                                  : sqlite3_bind_int64(statement, param, value);
        }
        RV_ASSERT(code == SQLITE_OK || code == SQLITE_TOOBIG || code == SQLITE_NOMEM); /* TOOBIG leaves a NULL: refused by the table */
        param++;
    }
}

/* Write a row under the number of `name` and, for nodes, an index; key 0: the table has no integer key. */
static rv_status row_write(rv_sqlite *self, uint32_t statement, rv_row_kind kind, int64_t key, const void *row, rv_error *err) {
    sqlite3_stmt *write;
    rv_status status = rv_sqlite_statement(self, statement, &write, err);
    if (status)
        return status;
    if (key)
        sqlite3_bind_int64(write, 1, key);
    bind_row(write, key ? 2 : 1, &rv_row_types[kind], row, !key);
    return rv_sqlite_run(self, write, "writing a row", err);
}

static rv_status upsert(rv_sqlite *self, rv_row_kind kind, int64_t key, const void *row, rv_error *err) {
    return row_write(self, RV_STATEMENT_ROW + (uint32_t)kind, kind, key, row, err);
}

static rv_status key_of(rv_sqlite *self, rv_str name, int64_t *ret, rv_error *err) {
    uint32_t place;
    rv_status status = rv_sqlite_name(self, name, true, &place, err);
    if (!status)
        *ret = self->names.at[place].key;
    return status;
}

static rv_status append(rv_sqlite *self, rv_append_row *row, uint64_t batch_id, bool *ret_is_recorded, int64_t *ret_stream,
                        rv_error *err) {
    uint32_t place;
    rv_status status = rv_sqlite_name(self, row->stream, true, &place, err);
    if (!status)
        status = stream_end(self, &self->names.at[place], err);
    if (status)
        return status;
    rv_name *name = &self->names.at[place];
    row->checksum = rv_journal_checksum(row, name->checksum);
    row->batch = batch_id;
    name->checksum = row->checksum;
    name->next_seq = row->first_seq + row->event_count;
    *ret_stream = name->key;
    *ret_is_recorded |= name->key == self->batch_stream;
    RV_ASSERT(row->first_seq < UINT64_C(1) << RV_SQLITE_SEQ_BITS);
    return upsert(self, RV_ROW_JOURNAL, (name->key << RV_SQLITE_SEQ_BITS) + (int64_t)row->first_seq, row, err);
}

static rv_status workspace_add(rv_sqlite *self, rv_str workspace, int64_t created_ms, rv_error *err) {
    sqlite3_stmt *insert;
    if (self->workspace.at && rv_str_eq(rv_buf_str(&self->workspace), workspace))
        return RV_OK;
    rv_status status = rv_sqlite_statement(self, RV_STATEMENT_WORKSPACE_ADD, &insert, err);
    if (status)
        return status;
    rv_sqlite_bind_str(insert, 1, workspace);
    sqlite3_bind_int64(insert, 2, created_ms);
    if ((status = rv_sqlite_run(self, insert, "adding a workspace", err)))
        return status;
    rv_buf_clear(&self->workspace);
    rv_buf_str_add(&self->workspace, workspace);
    return RV_OK;
}

static rv_status run_write(rv_sqlite *self, const rv_run_row *row, rv_error *err) {
    int64_t key;
    rv_status status = workspace_add(self, row->workspace, row->created_ms, err);
    if (!status)
        status = key_of(self, row->id, &key, err);
    if (!status)
        status = row_write(self, RV_STATEMENT_RUN_UPDATE, RV_ROW_RUN, key, row, err);
    if (status)
        return status;
    if (sqlite3_changes(self->db) == 0)
        return upsert(self, RV_ROW_RUN, key, row, err);
    return row_write(self, RV_STATEMENT_RUN_UPDATE_INDEXED, RV_ROW_RUN, key, row, err);
}

static rv_status node_key(rv_sqlite *self, rv_str run, uint32_t index, int64_t *ret, rv_error *err) {
    int64_t key;
    RV_ASSERT(index < RV_STORE_NODE_INDEX_MAX);
    rv_status status = key_of(self, run, &key, err);
    if (!status)
        *ret = key * (int64_t)RV_STORE_NODE_INDEX_MAX + index;
    return status;
}

static rv_status snapshot_write(rv_sqlite *self, rv_snapshot_row *row, rv_error *err) {
    int64_t key;
    row->checksum = rv_snapshot_checksum(row);
    rv_status status = key_of(self, row->stream, &key, err);
    return status ? status : upsert(self, RV_ROW_SNAPSHOT, key, row, err);
}

int64_t rv_sqlite_cache_place(rv_str key) {
    int64_t place;
    RV_ASSERT(key.size == RV_CACHE_KEY_SIZE);
    memcpy(&place, key.at, sizeof place);
    return place ? place : 1; /* 0 would mean that the table has no such column */
}

static rv_status cache_drop(rv_sqlite *self, const rv_cache_row *row, rv_error *err) {
    sqlite3_stmt *drop;
    rv_status status = rv_sqlite_statement(self, RV_STATEMENT_CACHE_DROP, &drop, err);
    if (status)
        return status;
    sqlite3_bind_int64(drop, 1, (int64_t)row->id);
    sqlite3_bind_blob64(drop, 2, row->key.at, row->key.size, SQLITE_STATIC);
    return rv_sqlite_run(self, drop, "dropping an entry of the cache", err);
}

/* State of applying one transaction. */
typedef struct applying {
    rv_sqlite *self;
    uint64_t batch_id;
    bool is_recorded; /* the batch appended to the stream that batch_data names */
    int64_t stream;   /* the last one that the batch appended to */
} applying;

static rv_status record_apply(applying *to, const rv_record *record, rv_error *err) {
    rv_sqlite *self = to->self;
    void *row = rv_record_row(record);
    const rv_node_row *node = row;
    const rv_attempt_row *attempt = row;
    int64_t key;
    rv_status status = RV_OK;
    switch ((rv_write_kind)record->kind) {
    case RV_WRITE_APPEND: return append(self, row, to->batch_id, &to->is_recorded, &to->stream, err);
    case RV_WRITE_RUN:
    case RV_WRITE_RUN_NEW: return run_write(self, row, err);
    case RV_WRITE_NODE:
        status = node_key(self, node->run, node->index, &key, err);
        return status ? status : upsert(self, RV_ROW_NODE, key, row, err);
    case RV_WRITE_ATTEMPT:
        status = node_key(self, attempt->run, attempt->node_index, &key, err);
        return status ? status : upsert(self, RV_ROW_ATTEMPT, key, row, err);
    case RV_WRITE_WORKFLOW:
        status = workspace_add(self, ((const rv_workflow_row *)row)->workspace, ((const rv_workflow_row *)row)->created_ms, err);
        return status ? status : upsert(self, RV_ROW_WORKFLOW, 0, row, err);
    case RV_WRITE_TASK:
        status = workspace_add(self, ((const rv_task_row *)row)->workspace, ((const rv_task_row *)row)->accepted_ms, err);
        return status ? status : upsert(self, RV_ROW_TASK, 0, row, err);
    case RV_WRITE_SNAPSHOT: return snapshot_write(self, row, err);
    case RV_WRITE_ARTIFACT: return upsert(self, RV_ROW_ARTIFACT, 0, row, err);
    case RV_WRITE_BLOCKER: return upsert(self, RV_ROW_BLOCKER, 0, row, err);
    case RV_WRITE_META: return upsert(self, RV_ROW_META, 0, row, err);
    case RV_WRITE_CACHE: return upsert(self, RV_ROW_CACHE, rv_sqlite_cache_place(((const rv_cache_row *)row)->key), row, err);
    case RV_WRITE_CACHE_DROP: return cache_drop(self, row, err);
    case RV_WRITE_COUNT: break;
    }
    RV_UNREACHABLE();
}

/* A node that the cache settled and that left nothing but files. Of an up-to-date run all are, and their rows differ in little: some
 * written by one statement take half of what they take one by one, which is bound, begun and ended each time. */
static bool is_hit(const rv_record *record) {
    const rv_node_row *row = rv_record_row(record);
    if (record->kind != RV_WRITE_NODE || row->state != RV_NODE_SUCCEEDED || row->detail != RV_DETAIL_CACHE)
        return false;
    bool is_begun = row->attempts || row->epoch || row->ready_ms || row->started_ms || row->due_ms;
    return !is_begun && row->root.size == 0 && row->error.size == 0 && row->result.size == 0 && row->log_last == UINT64_MAX;
}

static rv_status hits_write(rv_sqlite *self, const rv_batch *batch, const rv_record *record, rv_error *err) {
    sqlite3_stmt *write;
    rv_status status = rv_sqlite_statement(self, RV_STATEMENT_HITS, &write, err);
    if (status)
        return status;
    sqlite3_bind_int64(write, 1, RV_NODE_SUCCEEDED);
    sqlite3_bind_int64(write, 2, RV_DETAIL_CACHE);
    for (int i = 0; i < HITS_AT_ONCE && !status; i++, record = rv_batch_next(batch, record)) {
        const rv_node_row *row = rv_record_row(record);
        int64_t key;
        if ((status = node_key(self, row->run, row->index, &key, err)))
            return status;
        sqlite3_bind_int64(write, 3 + i * HIT_PARAMS, key);
        rv_sqlite_bind_str(write, 4 + i * HIT_PARAMS, row->id);
        sqlite3_bind_int64(write, 5 + i * HIT_PARAMS, row->kind);
        sqlite3_bind_int64(write, 6 + i * HIT_PARAMS, row->ended_ms);
    }
    return rv_sqlite_run(self, write, "writing rows", err);
}

/* Apply `*at`, or the hits that stand there, before `end`; *at: what comes next. */
static rv_status apply_next(applying *to, const rv_batch *batch, const rv_record **at, const rv_record *end, rv_error *err) {
    const rv_record *record = *at, *next = record;
    int hits = 0;
    for (; hits < HITS_AT_ONCE && next != end && is_hit(next); hits++)
        next = rv_batch_next(batch, next);
    bool are_hits = hits == HITS_AT_ONCE;
    *at = are_hits ? next : rv_batch_next(batch, record);
    return are_hits ? hits_write(to->self, batch, record, err) : record_apply(to, record, err);
}

static rv_status batch_apply(applying *to, rv_item *item, rv_error *err) {
    rv_stored stored = {to->self, stored_next_seq, stored_task_version, stored_run_exists};
    const rv_record *record = rv_batch_first(item->batch), *end;
    rv_status status = RV_OK;
    *to = (applying){.self = to->self, .batch_id = item->batch_id};
    while (record && !status) {
        bool holds = false;
        status = rv_group_check(item->batch, record, &stored, &holds, &end, err);
        if (!status && !holds)
            item->rejected_groups |= UINT64_C(1) << record->group;
        while (record != end && !status)
            if (holds)
                status = apply_next(to, item->batch, &record, end, err);
            else
                record = rv_batch_next(item->batch, record);
    }
    return status;
}

/* The last batch's id: see batch_data in schema/0001_base.sql. */
static rv_status batch_record(applying *last, rv_error *err) {
    sqlite3_stmt *set;
    if (last->is_recorded)
        return RV_OK;
    rv_status status = rv_sqlite_statement(last->self, RV_STATEMENT_BATCH_SET, &set, err);
    if (status)
        return status;
    sqlite3_bind_int64(set, 1, (int64_t)last->batch_id);
    sqlite3_bind_int64(set, 2, last->stream);
    last->self->batch_stream = last->stream;
    return rv_sqlite_run(last->self, set, "recording the batch", err);
}

rv_status rv_sqlite_apply(rv_sqlite *self, rv_item **items, uint32_t count, rv_error *err) {
    applying to = {.self = self};
    rv_status status = RV_OK;
    if (self->names.count > NAMES_MAX)
        rv_sqlite_caches_clear(self);
    for (uint32_t i = 0; i < count && !status; i++)
        status = batch_apply(&to, items[i], err);
    return status ? status : batch_record(&to, err);
}
