/* Queries of people: read-only SQL over the documented schema, on one moment of the store, without holding up commits.
 *
 * First the query runs on the store's own connection. If batches wait and its slice is over, it is given up: SQLite cannot
 * suspend a statement in the middle of an aggregate, and one that is stepped between transactions would see half of one
 * batch and half of the next (8). Then the database is copied into memory with the backup interface, some pages at a
 * time between transactions (pages that change meanwhile are copied again, by SQLite), and the query runs on the copy,
 * on the thread of whoever asked. */
#include "store/sqlite.h"

enum {
    SLICE_MS = 10,             /* of the store's thread, once a batch waits */
    COPY_PAGES = 256,          /* between two looks at the clock */
    PROGRESS_OPS = 200,        /* SQLite's instructions between two looks at the clock and at the memory */
    VALUE_SIZE_MAX = 64 << 20, /* bytes of one value or row within SQLite; each instruction can make one */
    COPY_SIZE_MAX = 512 << 20, /* bytes; a busy store above this answers UNAVAILABLE to slow queries */
    OUT_SIZE_MAX = 256 << 20,  /* bytes of rows; cut before the row that is over it */
};

struct rv_sqlite_copy {
    rv_sqlite_copy *next;
    sqlite3 *db;
    sqlite3_backup *backup; /* NULL: complete, or abandoned */
    bool is_abandoned;
    rv_sqlite_guard guard;
};

/* ---- what a query may do ---- */

static bool is_one_of(const char *word, const char *const *words, size_t count) {
    for (size_t i = 0; i < count && word; i++)
        if (sqlite3_stricmp(word, words[i]) == 0)
            return true;
    return false;
}

static bool may(int action, const char *a, const char *b) {
    static const char *const pragmas[] = {"table_info", "table_xinfo", "table_list", "index_list", "index_info", "index_xinfo",
                                          "foreign_key_list", "function_list", "compile_options"};
    static const char *const functions[] = {"load_extension", "fts3_tokenizer", "readfile", "writefile", "edit", "sqlite_log"};
    switch (action) {
    case SQLITE_SELECT:
    case SQLITE_READ:
    case SQLITE_RECURSIVE: return true;
    case SQLITE_PRAGMA: return is_one_of(a, pragmas, RV_COUNT(pragmas));
    case SQLITE_FUNCTION: return !is_one_of(b, functions, RV_COUNT(functions));
    /* Asked when a table-valued pragma describes its columns. To really write there SQLite itself refuses. */
    case SQLITE_UPDATE: return strcmp(a, "sqlite_master") == 0;
    default: return false; /* SQLite's actions are not our enum, and new ones are refused */
    }
}

int rv_sqlite_authorize(void *user, int action, const char *a, const char *b, const char *database, const char *trigger) {
    rv_sqlite_guard *guard = user;
    if (!guard->is_on || may(action, a, b))
        return SQLITE_OK;
    guard->was_denied = true;
    return SQLITE_DENY;
}

/* ---- rows as JSON ---- */

/* Bytes that the value takes as JSON, at least. */
static size_t value_size(sqlite3_stmt *statement, int column) {
    int type = sqlite3_column_type(statement, column);
    if (type != SQLITE_TEXT && type != SQLITE_BLOB)
        return 1;
    (void)sqlite3_column_blob(statement, column);
    size_t size = (size_t)sqlite3_column_bytes(statement, column);
    return type == SQLITE_TEXT ? size : size / 3 * 4;
}

static void value_write(rv_json_writer *w, sqlite3_stmt *statement, int column) {
    rv_buf text = {0};
    const char *bytes;
    switch (sqlite3_column_type(statement, column)) {
    case SQLITE_INTEGER: rv_jw_i64(w, sqlite3_column_int64(statement, column)); break;
    case SQLITE_FLOAT: rv_jw_double(w, sqlite3_column_double(statement, column)); break;
    case SQLITE_TEXT:
        bytes = sqlite3_column_blob(statement, column);
        rv_jw_str(w, (rv_str){bytes, (size_t)sqlite3_column_bytes(statement, column)});
        break;
    case SQLITE_BLOB:
        bytes = sqlite3_column_blob(statement, column);
        rv_base64_write(&text, (rv_str){bytes, (size_t)sqlite3_column_bytes(statement, column)});
        rv_jw_object(w);
        rv_jw_kv_str(w, "base64", rv_buf_str(&text));
        rv_jw_object_end(w);
        rv_buf_deinit(&text);
        break;
    default: rv_jw_null(w); break;
    }
}

/* false: it would go beyond size_max, and may be there in part. */
static bool row_write(rv_buf *out, sqlite3_stmt *statement, bool is_header, size_t size_max) {
    rv_json_writer w;
    int count = sqlite3_column_count(statement);
    rv_json_writer_init(&w, out, 0);
    rv_jw_array(&w);
    for (int i = 0; i < count; i++) {
        if (out->size + (is_header ? 0 : value_size(statement, i)) > size_max)
            return false;
        if (is_header)
            rv_jw_cstring(&w, sqlite3_column_name(statement, i));
        else
            value_write(&w, statement, i);
    }
    rv_jw_array_end(&w);
    rv_buf_byte(out, '\n');
    return true;
}

/* ---- running ---- */

typedef struct running {
    rv_query *query;
    sqlite3 *db;
    rv_sqlite_guard *guard;
    bool is_direct;
    int64_t slice_end_ms;
    int64_t memory_max; /* bytes of SQLite's in the process */
    bool is_late, is_yielding, is_stopped, is_too_large; /* why it was interrupted */
} running;

static bool is_stopped(const rv_query *query) { return query->stop && atomic_load_explicit(query->stop, memory_order_relaxed); }

static rv_status stopped(rv_error *err) { return rv_error_set(err, RV_UNAVAILABLE, "the query was ended: the store is being closed"); }

/* Called by SQLite every PROGRESS_OPS; other than 0 interrupts. */
static int progress(void *user) {
    running *run = user;
    int64_t now_ms = rv_store_mono_ms();
    run->is_late = now_ms >= run->query->deadline_ms;
    run->is_stopped = is_stopped(run->query);
    run->is_too_large = sqlite3_memory_used() > run->memory_max;
    run->is_yielding =
        run->is_direct && atomic_load_explicit(run->query->waiting, memory_order_relaxed) > 0 && now_ms >= run->slice_end_ms;
    return run->is_late || run->is_yielding || run->is_stopped || run->is_too_large;
}

static rv_status query_error(const running *run, int code, rv_error *err) {
    bool would_write = strncmp(sqlite3_errmsg(run->db), "cannot modify ", 14) == 0; /* a view; nobody is asked whether he may */
    if ((code & 0xff) == SQLITE_AUTH || run->guard->was_denied || would_write)
        return rv_error_set(err, RV_DENIED, "the query may only read: %s", sqlite3_errmsg(run->db));
    if (run->is_late)
        return rv_error_set(err, RV_TIMEOUT, "the query was ended: it took longer than it may");
    if (run->is_stopped)
        return stopped(err);
    if (run->is_too_large)
        return rv_error_set(err, RV_LIMIT, "the query was ended: it keeps more than %lld MiB at once",
                            (long long)run->query->memory_max >> 20);
    switch (code & 0xff) {
    case SQLITE_TOOBIG:
        return rv_error_set(err, RV_LIMIT, "a value of the query is over %d MiB; ask for a part of it with substr()", VALUE_SIZE_MAX >> 20);
    case SQLITE_CORRUPT: return rv_error_set(err, RV_CORRUPT, "the store is damaged: %s", sqlite3_errmsg(run->db));
    case SQLITE_IOERR: return rv_error_set(err, RV_STORE_IO, "the store cannot be read: %s", sqlite3_errmsg(run->db));
    case SQLITE_NOMEM: return rv_error_set(err, RV_NO_MEMORY, "the query needs more memory than there is");
    default: return rv_error_set(err, RV_INVALID, "the query cannot be run: %s", sqlite3_errmsg(run->db));
    }
}

/* Exactly one statement, that only reads, with its arguments bound. */
static rv_status query_prepare(running *run, sqlite3_stmt **ret, rv_error *err) {
    const rv_query *query = run->query;
    const char *end = query->sql.at + query->sql.size, *tail = query->sql.at;
    if (query->sql.size > INT32_MAX / 2)
        return rv_error_set(err, RV_LIMIT, "the query is too long");
    int code = SQLITE_OK;
    sqlite3_stmt *more = NULL;
    while (!*ret && tail < end && !code)
        code = sqlite3_prepare_v2(run->db, tail, (int)(end - tail), ret, &tail);
    if (code)
        return query_error(run, code, err);
    if (!*ret)
        return rv_error_set(err, RV_INVALID, "the query is empty");
    while (!more && tail < end && !code)
        code = sqlite3_prepare_v2(run->db, tail, (int)(end - tail), &more, &tail);
    sqlite3_finalize(more);
    if (code || more)
        return rv_error_set(err, RV_INVALID, "one statement at a time: there is more after the first");
    if (!sqlite3_stmt_readonly(*ret))
        return rv_error_set(err, RV_DENIED, "the query may only read");
    int count = sqlite3_bind_parameter_count(*ret);
    if ((uint32_t)count != query->arg_count)
        return rv_error_set(err, RV_INVALID, "the query has %d parameters, but %u arguments were given", count, query->arg_count);
    for (int i = 0; i < count; i++)
        rv_sqlite_bind_str(*ret, i + 1, query->args[i]);
    return RV_OK;
}

static rv_status query_rows(running *run, sqlite3_stmt *statement, rv_error *err) {
    rv_query *query = run->query;
    size_t begin = query->out->size;
    uint64_t rows = 0;
    int code;
    (void)row_write(query->out, statement, true, SIZE_MAX);
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        size_t row = query->out->size;
        query->is_cut = (query->row_max && rows == query->row_max) || !row_write(query->out, statement, false, begin + OUT_SIZE_MAX);
        if (query->is_cut) {
            query->out->at[query->out->size = row] = 0;
            if (rows)
                return RV_OK;
            query->is_cut = false;
            query->out->at[query->out->size = begin] = 0;
            return rv_error_set(err, RV_LIMIT, "a row of the query is over %d MiB; ask for less of it", OUT_SIZE_MAX >> 20);
        }
        if (++rows % 64 == 0 && progress(run))
            code = SQLITE_INTERRUPT;
        if (code == SQLITE_INTERRUPT)
            break;
    }
    if (code == SQLITE_DONE)
        return RV_OK;
    query->out->at[query->out->size = begin] = 0;
    bool is_given_up = run->is_late || run->is_stopped || run->is_too_large;
    return run->is_yielding && !is_given_up ? RV_UNAVAILABLE : query_error(run, code, err);
}

/* RV_UNAVAILABLE, err untouched: given up because batches wait (is_direct only). */
static rv_status query_run(rv_query *query, sqlite3 *db, rv_sqlite_guard *guard, bool is_direct) {
    running run = {.query = query, .db = db, .guard = guard, .is_direct = is_direct, .slice_end_ms = rv_store_mono_ms() + SLICE_MS};
    sqlite3_stmt *statement = NULL;
    run.memory_max = sqlite3_memory_used() + query->memory_max; /* that SQLite may have in the process */
    int value_size_max = sqlite3_limit(db, SQLITE_LIMIT_LENGTH, VALUE_SIZE_MAX);
    *guard = (rv_sqlite_guard){.is_on = true};
    sqlite3_progress_handler(db, PROGRESS_OPS, progress, &run);
    rv_status status = query_prepare(&run, &statement, query->err);
    if (!status)
        status = query_rows(&run, statement, query->err);
    sqlite3_finalize(statement);
    sqlite3_progress_handler(db, 0, NULL, NULL);
    sqlite3_limit(db, SQLITE_LIMIT_LENGTH, value_size_max);
    guard->is_on = false;
    return status;
}

/* ---- the copy ---- */

static void copy_unlink(rv_sqlite *self, const rv_sqlite_copy *copy) {
    for (rv_sqlite_copy **at = &self->copies; *at; at = &(*at)->next)
        if (*at == copy) {
            *at = copy->next;
            return;
        }
}

static rv_status copy_begin(rv_sqlite *self, rv_query *query) {
    int64_t pages = 0;
    rv_status status = rv_sqlite_number(self, "PRAGMA page_count", &pages, query->err);
    if (status)
        return status;
    if (pages * RV_SQLITE_PAGE_SIZE > COPY_SIZE_MAX)
        return rv_error_set(query->err, RV_UNAVAILABLE,
                            "the query is slow, and the store is busy and too large (%lld MiB) to be copied for it; "
                            "ask again when less is running",
                            (long long)(pages * RV_SQLITE_PAGE_SIZE >> 20));
    rv_sqlite_copy *copy = rv_alloc(sizeof *copy);
    query->copy = copy;
    if (sqlite3_open_v2(":memory:", &copy->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) == SQLITE_OK)
        copy->backup = sqlite3_backup_init(copy->db, "main", self->db, "main");
    if (!copy->backup)
        return rv_error_set(query->err, RV_NO_MEMORY, "the query is slow, and there is no memory for a copy of the store");
    copy->next = self->copies;
    self->copies = copy;
    query->stage = RV_QUERY_COPYING;
    return RV_OK;
}

static rv_status copy_step(rv_sqlite *self, rv_query *query) {
    rv_sqlite_copy *copy = query->copy;
    if (copy->is_abandoned)
        return rv_error_set(query->err, RV_UNAVAILABLE, "the store was opened again while the query waited; ask again");
    int64_t end_ms = rv_store_mono_ms() + SLICE_MS;
    int code = SQLITE_OK;
    while (code == SQLITE_OK && rv_store_mono_ms() < end_ms)
        code = sqlite3_backup_step(copy->backup, COPY_PAGES);
    bool is_late = rv_store_mono_ms() >= query->deadline_ms;
    if (code == SQLITE_OK && !is_late && !is_stopped(query))
        return RV_OK;
    bool is_ended = code == SQLITE_OK && is_stopped(query);
    copy_unlink(self, copy);
    int finish = sqlite3_backup_finish(copy->backup);
    copy->backup = NULL;
    if (code == SQLITE_DONE && finish == SQLITE_OK) {
        sqlite3_set_authorizer(copy->db, rv_sqlite_authorize, &copy->guard);
        query->stage = RV_QUERY_READY;
        return RV_OK;
    }
    if (is_ended)
        return stopped(query->err);
    if (is_late)
        return rv_error_set(query->err, RV_TIMEOUT, "the query was ended: copying the store for it took too long");
    return rv_sqlite_error(self, code == SQLITE_DONE ? finish : code, "copying it for a query", query->err);
}

void rv_sqlite_copies_abandon(rv_sqlite *self) {
    for (rv_sqlite_copy *copy = self->copies; copy; copy = copy->next) {
        sqlite3_backup_finish(copy->backup);
        copy->backup = NULL;
        copy->is_abandoned = true;
    }
    self->copies = NULL;
}

rv_status rv_sqlite_query_step(void *user, rv_query *query) {
    rv_sqlite *self = user;
    if (!self->db)
        return rv_error_set(query->err, RV_STORE_IO, "%s: the connection is lost; recover first", self->file);
    if (query->stage == RV_QUERY_COPYING)
        return copy_step(self, query);
    RV_ASSERT(query->stage == RV_QUERY_DIRECT);
    rv_status status = query_run(query, self->db, &self->guard, true);
    if (status == RV_UNAVAILABLE)
        return copy_begin(self, query);
    query->stage = RV_QUERY_ENDED;
    return status;
}

rv_status rv_sqlite_query_copy(rv_query *query) {
    rv_sqlite_copy *copy = query->copy;
    RV_ASSERT(query->stage == RV_QUERY_READY);
    query->stage = RV_QUERY_ENDED;
    return query_run(query, copy->db, &copy->guard, false);
}

void rv_sqlite_query_drop(rv_query *query) {
    rv_sqlite_copy *copy = query->copy;
    if (!copy)
        return;
    RV_ASSERT(!copy->backup);
    RV_ASSERT(sqlite3_close(copy->db) == SQLITE_OK);
    rv_free(copy);
    query->copy = NULL;
}
