/* Reads of the SQLite backend. The column lists come from the descriptions of rows; words may come back as their numbers
 * (from the tables behind the views) or as text. */
#include "store/sqlite.h"

#include <stdio.h>

/* "d"."a", "d"."b" … of all columns; `key_text`: what to select for the packed id, run or stream; `index`: for the index. */
static void select_list(rv_buf *out, rv_row_kind kind, const char *key_text, const char *index) {
    const rv_row_type *type = &rv_row_types[kind];
    uint32_t packed = 0;
    for (uint32_t i = 0; i < type->column_count; i++) {
        const rv_column *column = &type->columns[i];
        rv_buf_cstring(out, i ? ", " : "");
        if (!(column->flags & RV_COLUMN_PACKED))
            rv_buf_printf(out, "d.\"%s\"", column->name);
        else
            rv_buf_cstring(out, packed++ ? index : key_text);
    }
}

static rv_status damaged(const rv_sqlite *self, const rv_row_type *type, const rv_column *column, rv_error *err) {
    return rv_error_set(err, RV_CORRUPT, "%s: a row of %s has no valid %s; restore it from a backup", self->file, type->table,
                        column->name);
}

/* The statement's current row, whose columns are those of the type in order, as a struct with strings in `arena`. */
static rv_status row_read(const rv_sqlite *self, sqlite3_stmt *statement, rv_row_kind kind, rv_arena *arena, void *ret_row,
                          rv_error *err) {
    const rv_row_type *type = &rv_row_types[kind];
    for (uint32_t i = 0; i < type->column_count; i++) {
        const rv_column *column = &type->columns[i];
        int at = (int)i;
        bool is_text = sqlite3_column_type(statement, at) == SQLITE_TEXT;
        if (column->type == RV_COLUMN_STR || is_text) {
            const char *bytes = sqlite3_column_blob(statement, at);
            rv_str text = {bytes, (size_t)sqlite3_column_bytes(statement, at)};
            int64_t number;
            if (column->type == RV_COLUMN_STR)
                *(rv_str *)(void *)((char *)ret_row + column->offset) = rv_arena_str(arena, text);
            else if (!rv_column_word(column, text, &number) || !rv_column_set_i64(column, ret_row, number))
                return damaged(self, type, column, err);
        } else if (!rv_column_set_i64(column, ret_row, sqlite3_column_int64(statement, at))) {
            return damaged(self, type, column, err);
        }
    }
    return RV_OK;
}

static rv_status prepare(rv_sqlite *self, const rv_buf *sql, sqlite3_stmt **ret, rv_error *err) {
    if (!self->db)
        return rv_error_set(err, RV_STORE_IO, "%s: the connection is lost; recover first", self->file);
    int code = sqlite3_prepare_v2(self->db, sql->at, (int)sql->size + 1, ret, NULL);
    return code ? rv_sqlite_error(self, code, "preparing a read", err) : RV_OK;
}

static rv_status not_found(const rv_read *read, const char *what) {
    return rv_error_set(read->err, RV_NOT_FOUND, "the store has no %s %.*s", what, RV_FMT(read->key));
}

/* One row whose `where` names ?1. The result is written when it was read in full only. */
static rv_status read_one(rv_sqlite *self, rv_read *read, rv_row_kind kind, const char *key_text, const char *from) {
    const rv_row_type *type = &rv_row_types[kind];
    rv_buf sql = {0};
    sqlite3_stmt *statement = NULL;
    rv_buf_cstring(&sql, "SELECT ");
    select_list(&sql, kind, key_text, NULL);
    rv_buf_printf(&sql, " FROM %s", from);
    rv_status status = prepare(self, &sql, &statement, read->err);
    if (!status) {
        rv_sqlite_bind_str(statement, 1, read->key);
        int code = sqlite3_step(statement);
        if (code == SQLITE_ROW) {
            void *row = rv_arena_alloc(read->arena, type->size);
            if (!(status = row_read(self, statement, kind, read->arena, row, read->err)))
                memcpy(read->ret_row, row, type->size);
        } else {
            status = code == SQLITE_DONE ? not_found(read, type->table) : rv_sqlite_error(self, code, "reading", read->err);
        }
    }
    sqlite3_finalize(statement);
    rv_buf_deinit(&sql);
    return status;
}

static rv_status read_meta(rv_sqlite *self, rv_read *read) {
    sqlite3_stmt *get;
    rv_status status = rv_sqlite_statement(self, RV_STATEMENT_META_GET, &get, read->err);
    if (status)
        return status;
    rv_sqlite_bind_str(get, 1, read->key);
    int code = sqlite3_step(get);
    if (code == SQLITE_ROW) {
        const char *bytes = sqlite3_column_blob(get, 0);
        read->ret_bytes = rv_arena_str(read->arena, (rv_str){bytes, (size_t)sqlite3_column_bytes(get, 0)});
    } else {
        status = code == SQLITE_DONE ? not_found(read, "meta value") : rv_sqlite_error(self, code, "reading", read->err);
    }
    sqlite3_reset(get);
    return status;
}

static rv_status read_workflow_has(rv_sqlite *self, rv_read *read) {
    sqlite3_stmt *get;
    rv_status status = rv_sqlite_statement(self, RV_STATEMENT_WORKFLOW_HAS, &get, read->err);
    if (status)
        return status;
    rv_sqlite_bind_str(get, 1, read->key);
    rv_sqlite_bind_str(get, 2, read->workspace);
    int code = sqlite3_step(get);
    read->ret_number = code == SQLITE_ROW;
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        status = rv_sqlite_error(self, code, "reading", read->err);
    sqlite3_reset(get);
    return status;
}

/* All rows of `statement` (finalized) pushed to the vec at read->ret_row; on failure the vec is as it was. */
#define READ_ROWS(self_, read_, statement_, rows_, kind_, status_)                                              \
    do {                                                                                                        \
        uint32_t before_ = (rows_)->count;                                                                      \
        int code_;                                                                                              \
        while (!(status_) && (code_ = sqlite3_step(statement_)) != SQLITE_DONE) {                               \
            if (code_ != SQLITE_ROW)                                                                            \
                (status_) = rv_sqlite_error(self_, code_, "reading", (read_)->err);                             \
            else                                                                                                \
                (status_) = row_read(self_, statement_, kind_, (read_)->arena, rv_vec_add(rows_), (read_)->err); \
        }                                                                                                       \
        if (status_)                                                                                            \
            (rows_)->count = before_;                                                                           \
        sqlite3_finalize(statement_);                                                                           \
    } while (0)

/* Unfinished runs come from their index, however many finished ones there are; INDEXED BY, since the planner would rather
 * walk all runs in the order asked for. */
static void runs_sql(rv_buf *sql, const rv_run_filter *filter) {
    rv_buf_cstring(sql, "SELECT ");
    select_list(sql, RV_ROW_RUN, "n.text", NULL);
    rv_buf_printf(sql, " FROM run_data AS d %s JOIN name AS n ON n.key = d.key WHERE 1",
                  filter->unfinished ? "INDEXED BY run_unfinished" : "");
    _Static_assert(RV_RUN_OK == 3, "the index of unfinished runs says status < 3");
    if (filter->unfinished)
        rv_buf_cstring(sql, " AND d.status < 3");
    if (filter->file.size)
        rv_buf_cstring(sql, " AND d.file = ?1");
    if (filter->name.size)
        rv_buf_cstring(sql, " AND d.name = ?2");
    if (filter->workflow_hash.size)
        rv_buf_cstring(sql, " AND d.workflow_hash = ?3");
    if (filter->budget_group.size)
        rv_buf_cstring(sql, " AND d.budget_group <> '' AND d.budget_group = ?5"); /* the first half is what its index holds */
    rv_buf_cstring(sql, " ORDER BY d.key DESC LIMIT ?4");
}

static rv_status read_runs(rv_sqlite *self, rv_read *read) {
    rv_run_rows *rows = read->ret_row;
    const rv_run_filter *filter = read->filter;
    rv_buf sql = {0};
    sqlite3_stmt *statement = NULL;
    runs_sql(&sql, filter);
    rv_status status = prepare(self, &sql, &statement, read->err);
    if (!status) {
        rv_str texts[] = {filter->file, filter->name, filter->workflow_hash};
        for (int i = 0; i < 3; i++)
            if (texts[i].size)
                rv_sqlite_bind_str(statement, i + 1, texts[i]);
        if (filter->budget_group.size)
            rv_sqlite_bind_str(statement, 5, filter->budget_group);
        sqlite3_bind_int64(statement, 4, filter->limit ? (int64_t)filter->limit : -1);
    }
    READ_ROWS(self, read, statement, rows, RV_ROW_RUN, status);
    rv_buf_deinit(&sql);
    return status;
}

static rv_status read_attempts_open(rv_sqlite *self, rv_read *read) {
    rv_attempt_rows *rows = read->ret_row;
    rv_buf sql = {0};
    sqlite3_stmt *statement = NULL;
    _Static_assert(RV_ATTEMPT_OK == 3 && RV_ATTEMPT_RUNNING == 2, "attempts below 3 are open");
    rv_buf_cstring(&sql, "SELECT ");
    select_list(&sql, RV_ROW_ATTEMPT, "n.text", "d.node_key & 1048575");
    rv_buf_cstring(&sql, " FROM name AS n CROSS JOIN attempt_data AS d ON d.node_key >= n.key << 20 AND d.node_key < (n.key + 1) << 20"
                         " WHERE n.text = ?1 AND d.state < 3 ORDER BY d.node_key, d.epoch");
    rv_status status = prepare(self, &sql, &statement, read->err);
    if (!status)
        rv_sqlite_bind_str(statement, 1, read->key);
    READ_ROWS(self, read, statement, rows, RV_ROW_ATTEMPT, status);
    rv_buf_deinit(&sql);
    return status;
}

/* ---- the cache ---- */

/* Rows of a kept statement that is bound: the first into read->ret_row, or all into its vec. */
static rv_status cache_rows(rv_sqlite *self, rv_read *read, sqlite3_stmt *statement) {
    bool is_scan = read->kind == RV_READ_CACHE_SCAN;
    rv_cache_rows *rows = read->ret_row;
    uint32_t before = is_scan ? rows->count : 0, found = 0;
    rv_status status = RV_OK;
    int code = SQLITE_DONE;
    while (!status && (is_scan || !found) && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        rv_cache_row row = {0};
        status = row_read(self, statement, RV_ROW_CACHE, read->arena, &row, read->err);
        bool is_other = read->kind == RV_READ_CACHE && !rv_str_eq(row.key, read->key); /* another key in the same place */
        if (status || is_other)
            break;
        found++;
        if (is_scan)
            rv_vec_push(rows, row);
        else
            *(rv_cache_row *)read->ret_row = row;
    }
    if (!status && code != SQLITE_ROW && code != SQLITE_DONE)
        status = rv_sqlite_error(self, code, "reading the cache", read->err);
    sqlite3_reset(statement);
    if (status && is_scan)
        rows->count = before;
    if (!status && !is_scan && !found)
        status = rv_error_set(read->err, RV_NOT_FOUND, "the cache has no such entry");
    return status;
}

static rv_status read_cache(rv_sqlite *self, rv_read *read) {
    sqlite3_stmt *get;
    uint32_t statement = read->kind == RV_READ_CACHE ? RV_STATEMENT_CACHE_GET
                         : read->kind == RV_READ_CACHE_LAST ? RV_STATEMENT_CACHE_LAST : RV_STATEMENT_CACHE_SCAN;
    rv_status status = rv_sqlite_statement(self, statement, &get, read->err);
    if (status)
        return status;
    sqlite3_bind_int64(get, 1, read->kind == RV_READ_CACHE ? rv_sqlite_cache_place(read->key) : (int64_t)read->after_seq);
    if (read->kind == RV_READ_CACHE_SCAN)
        sqlite3_bind_int64(get, 2, (int64_t)read->limit);
    return cache_rows(self, read, get);
}

static rv_status read_snapshot(rv_sqlite *self, rv_read *read) {
    sqlite3_stmt *get;
    uint32_t place;
    rv_status status = rv_sqlite_name(self, read->key, false, &place, read->err);
    if (!status && place == RV_NONE)
        status = not_found(read, "snapshot of");
    if (!status)
        status = rv_sqlite_statement(self, RV_STATEMENT_SNAPSHOT_GET, &get, read->err);
    if (status)
        return status;
    sqlite3_bind_int64(get, 1, self->names.at[place].key);
    int code = sqlite3_step(get);
    if (code == SQLITE_ROW) {
        const char *bytes = sqlite3_column_blob(get, 1);
        rv_snapshot_row row = {read->key, (uint64_t)sqlite3_column_int64(get, 0), {bytes, (size_t)sqlite3_column_bytes(get, 1)}, 0};
        if (rv_snapshot_checksum(&row) != (uint64_t)sqlite3_column_int64(get, 2)) {
            status = rv_error_set(read->err, RV_CORRUPT, "%s: the snapshot of %.*s at %llu does not match its checksum", self->file,
                                  RV_FMT(read->key), (unsigned long long)row.seq);
        } else {
            read->ret_number = row.seq;
            read->ret_bytes = rv_arena_str(read->arena, row.body);
        }
    } else {
        status = code == SQLITE_DONE ? not_found(read, "snapshot of") : rv_sqlite_error(self, code, "reading", read->err);
    }
    sqlite3_reset(get);
    return status;
}

/* ---- journal ---- */

/* The chain so far: what the next row must continue. */
typedef struct chain {
    uint64_t next_seq; /* 0: not known yet, since reading began in the middle */
    uint64_t checksum;
} chain;

static rv_status chain_check(const rv_sqlite *self, chain *links, const rv_append_row *row, rv_error *err) {
    bool follows = links->next_seq == 0 || row->first_seq == links->next_seq;
    if (!follows || row->event_count == 0)
        return rv_error_set(err, RV_CORRUPT, "%s: the journal of %.*s has a gap: after seq %llu comes %llu", self->file,
                            RV_FMT(row->stream), (unsigned long long)links->next_seq - 1, (unsigned long long)row->first_seq);
    if (links->next_seq && rv_journal_checksum(row, links->checksum) != row->checksum)
        return rv_error_set(err, RV_CORRUPT, "%s: the journal of %.*s is damaged at seq %llu: its checksum does not match", self->file,
                            RV_FMT(row->stream), (unsigned long long)row->first_seq);
    links->next_seq = row->first_seq + row->event_count;
    links->checksum = row->checksum;
    return RV_OK;
}

/* Rows from the one before that which holds after_seq + 1: it is the chain's link, and is not given to the caller. */
#define JOURNAL_SQL                                                                                                   \
    "SELECT first_seq, event_count, version, wall_ms, engine_ms, body, checksum FROM journal_data "                   \
    "WHERE key < (?1 + 1) << 36 AND key >= coalesce((SELECT key FROM journal_data WHERE key >= ?1 << 36 AND "         \
    "key <= (?1 << 36) + ?2 ORDER BY key DESC LIMIT 1), ?1 << 36) "                                                   \
    "ORDER BY key"

static rv_append_row journal_row(sqlite3_stmt *statement, rv_str stream) {
    const char *body = sqlite3_column_blob(statement, 5);
    return (rv_append_row){.stream = stream,
                           .first_seq = (uint64_t)sqlite3_column_int64(statement, 0),
                           .event_count = (uint32_t)sqlite3_column_int64(statement, 1),
                           .version = (uint32_t)sqlite3_column_int64(statement, 2),
                           .wall_ms = sqlite3_column_int64(statement, 3),
                           .engine_ms = sqlite3_column_int64(statement, 4),
                           .body = {body, (size_t)sqlite3_column_bytes(statement, 5)},
                           .checksum = (uint64_t)sqlite3_column_int64(statement, 6)};
}

static rv_status journal_rows(rv_sqlite *self, rv_read *read, sqlite3_stmt *statement) {
    chain links = {0};
    rv_status status = RV_OK;
    int code;
    while (!status && (code = sqlite3_step(statement)) != SQLITE_DONE) {
        if (code != SQLITE_ROW)
            return rv_sqlite_error(self, code, "reading the journal", read->err);
        rv_append_row row = journal_row(statement, read->key);
        if (row.first_seq == 1)
            links.next_seq = 1; /* the stream's first row continues nothing: checksum 0 */
        if ((status = chain_check(self, &links, &row, read->err)))
            return status;
        if (row.first_seq + row.event_count - 1 <= read->after_seq)
            continue;
        rv_journal_row out = {row.first_seq, row.event_count, row.version, {row.wall_ms, row.engine_ms}, row.body, row.checksum};
        status = read->row(read->user, &out);
    }
    return status;
}

/* The link must be a row of its own: if the row that holds after_seq also holds after_seq + 1, the one before it is. */
static rv_status journal_start(rv_sqlite *self, int64_t stream, uint64_t after_seq, int64_t *ret_first, rv_error *err) {
    char sql[256];
    int64_t first = 1, last = 0;
    rv_status status = RV_OK;
    *ret_first = 1;
    uint64_t at_most = RV_MIN(after_seq, (UINT64_C(1) << RV_SQLITE_SEQ_BITS) - 1);
    long long begin = (long long)stream << RV_SQLITE_SEQ_BITS;
    (void)snprintf(sql, sizeof sql, "SELECT first_seq FROM journal_data WHERE key >= %lld AND key <= %lld ORDER BY key DESC LIMIT 1", begin,
                   begin + (long long)at_most);
    if ((status = rv_sqlite_number(self, sql, &first, err)))
        return status == RV_NOT_FOUND ? RV_OK : status;
    (void)snprintf(sql, sizeof sql, "SELECT first_seq + event_count - 1 FROM journal_data WHERE key = %lld", begin + (long long)first);
    if ((status = rv_sqlite_number(self, sql, &last, err)))
        return status == RV_NOT_FOUND ? RV_OK : status;
    *ret_first = (uint64_t)last > after_seq ? first - 1 : first;
    return RV_OK;
}

static rv_status read_journal(rv_sqlite *self, rv_read *read) {
    uint32_t place;
    int64_t first;
    sqlite3_stmt *statement;
    rv_buf sql = {0};
    rv_status status = self->db ? RV_OK : rv_error_set(read->err, RV_STORE_IO, "%s: the connection is lost; recover first", self->file);
    if (!status)
        status = rv_sqlite_name(self, read->key, false, &place, read->err);
    if (status || place == RV_NONE)
        return status;
    int64_t stream = self->names.at[place].key;
    if ((status = journal_start(self, stream, read->after_seq, &first, read->err)))
        return status;
    rv_buf_cstring(&sql, JOURNAL_SQL);
    status = prepare(self, &sql, &statement, read->err);
    rv_buf_deinit(&sql);
    if (status)
        return status;
    sqlite3_bind_int64(statement, 1, stream);
    sqlite3_bind_int64(statement, 2, first);
    status = journal_rows(self, read, statement);
    sqlite3_finalize(statement);
    return status;
}

/* ---- all ---- */

static rv_status read_last_batch(rv_sqlite *self, rv_read *read) {
    sqlite3_stmt *get;
    rv_status status = rv_sqlite_statement(self, RV_STATEMENT_BATCH_GET, &get, read->err);
    if (status)
        return status;
    int code = sqlite3_step(get);
    if (code == SQLITE_ROW)
        read->ret_number = (uint64_t)sqlite3_column_int64(get, 0);
    else
        status = rv_sqlite_error(self, code, "reading the last batch", read->err);
    sqlite3_reset(get);
    return status;
}

rv_status rv_sqlite_read(void *user, rv_read *read) {
    rv_sqlite *self = user;
    switch (read->kind) {
    case RV_READ_LAST_BATCH: return read_last_batch(self, read);
    case RV_READ_META: return read_meta(self, read);
    case RV_READ_WORKFLOW: return read_one(self, read, RV_ROW_WORKFLOW, NULL, "workflow AS d WHERE d.hash = ?1 ORDER BY d.rowid LIMIT 1");
    case RV_READ_WORKFLOW_HAS: return read_workflow_has(self, read);
    case RV_READ_RUN:
        return read_one(self, read, RV_ROW_RUN, "n.text", "name AS n JOIN run_data AS d ON d.key = n.key WHERE n.text = ?1");
    case RV_READ_TASK: return read_one(self, read, RV_ROW_TASK, NULL, "task AS d WHERE d.id = ?1");
    case RV_READ_RUNS: return read_runs(self, read);
    case RV_READ_ATTEMPTS_OPEN: return read_attempts_open(self, read);
    case RV_READ_SNAPSHOT: return read_snapshot(self, read);
    case RV_READ_JOURNAL: return read_journal(self, read);
    case RV_READ_CACHE:
    case RV_READ_CACHE_LAST:
    case RV_READ_CACHE_SCAN: return read_cache(self, read);
    }
    RV_UNREACHABLE();
}
