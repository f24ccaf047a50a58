/* The SQLite backend: one connection in exclusive WAL mode.
 *
 * Why one connection. SQLite up to 3.51.2 has a race between two connections when one resets the log while the other
 * checkpoints; with a single connection in the process, and the file locked against all others, it cannot happen.
 * locking_mode=EXCLUSIVE also keeps the log's index on the heap: no -shm file, no shared memory, no lock per commit.
 *
 * Barriers. synchronous=NORMAL: COMMIT appends to the log and does not sync: *written*. *Synced* is xSync of the log's
 * own file, found by SQLITE_FCNTL_JOURNAL_POINTER. A checkpoint syncs the log, copies pages, syncs the database; only
 * then may a later commit begin the log anew (and it syncs the new header). So at every moment what was synced is in
 * synced pages of one of the two files.
 *
 * Failures
 *  1. An error before COMMIT: rolled back; the log has no commit record: FAILED is certain.
 *  2. An error from COMMIT: the commit record may have reached the file although its write reported an error, and the
 *     next process would then find it valid. So the connection is given up without a checkpoint, opened again (which
 *     reads the log as that process would) and asked for the batch's id: DONE, FAILED, or, if it cannot be asked, UNKNOWN.
 *  3. An error of any sync, wherever SQLite does it: the front makes it final.
 *  4. Any other error of a checkpoint loses nothing: the log has everything. It is tried again when the log has grown. */
#include "store/sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/failpoint.h"

#define WAL_SIZE_MAX (16u << 20)
#define WAL_SIZE_IDLE (1u << 20) /* an idle store checkpoints a log above this */
#define WAL_SIZE_KEPT (1u << 20) /* of a store that is closed */
#define LOG_HEADER_SIZE 32       /* https://www.sqlite.org/fileformat2.html#walformat */

static pthread_mutex_t open_lock = PTHREAD_MUTEX_INITIALIZER;
static rv_sqlite *open_stores;

/* ---- errors and statements ---- */

rv_status rv_sqlite_error(const rv_sqlite *self, int code, const char *doing, rv_error *err) {
    const char *text = self->db ? sqlite3_errmsg(self->db) : sqlite3_errstr(code);
    int number = self->db ? sqlite3_system_errno(self->db) : 0;
    if (code == SQLITE_FULL || number == ENOSPC || number == EDQUOT)
        return rv_error_set(err, RV_STORE_FULL,
                            "%s: no space left on its disk while %s; nothing that was acknowledged is lost: free some "
                            "space there (or move the store), then resume",
                            self->file, doing);
    switch (code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return rv_error_set(err, RV_CORRUPT, "%s: not a Reeve store or damaged (%s, while %s); restore it from a backup",
                            self->file, text, doing);
    case SQLITE_NOMEM: return rv_error_set(err, RV_NO_MEMORY, "%s: out of memory while %s", self->file, doing);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return rv_error_set(err, RV_CONFLICT, "%s: another process has it open; end that one first", self->file);
    default: break;
    }
    bool has_errno = number && ((code & 0xff) == SQLITE_IOERR || (code & 0xff) == SQLITE_CANTOPEN || (code & 0xff) == SQLITE_READONLY);
    return rv_error_set(err, RV_STORE_IO, "%s: %s while %s%s%s (SQLite %d); check the disk and the permissions of %s", self->file,
                        text, doing, has_errno ? ": " : "", has_errno ? strerror(number) : "", code, self->path);
}

static void statement_sql(rv_buf *out, uint32_t statement) {
#define X(name_, text_) text_,
    static const char *const texts[] = {RV_STATEMENT_MAP(X)};
#undef X
    if (statement < RV_COUNT(texts))
        rv_buf_cstring(out, texts[statement]);
    else if (statement == RV_STATEMENT_HITS)
        rv_sqlite_hits_sql(out);
    else if (statement == RV_STATEMENT_RUN_UPDATE || statement == RV_STATEMENT_RUN_UPDATE_INDEXED)
        rv_sqlite_run_update_sql(out, statement == RV_STATEMENT_RUN_UPDATE_INDEXED);
    else
        rv_sqlite_upsert_sql(out, (rv_row_kind)(statement - RV_STATEMENT_ROW));
}

rv_status rv_sqlite_statement(rv_sqlite *self, uint32_t statement, sqlite3_stmt **ret, rv_error *err) {
    sqlite3_stmt **slot = &self->statements[statement];
    if (!*slot) {
        if (!self->db)
            return rv_error_set(err, RV_STORE_IO, "%s: the connection is lost; recover first", self->file);
        rv_buf sql = {0};
        statement_sql(&sql, statement);
        int code = sqlite3_prepare_v3(self->db, sql.at, (int)sql.size + 1, SQLITE_PREPARE_PERSISTENT, slot, NULL);
        rv_buf_deinit(&sql);
        if (code)
            return rv_sqlite_error(self, code, "preparing a statement", err);
    }
    *ret = *slot;
    return RV_OK;
}

rv_status rv_sqlite_run(rv_sqlite *self, sqlite3_stmt *statement, const char *doing, rv_error *err) {
    int code = sqlite3_step(statement);
    rv_status status = code == SQLITE_DONE || code == SQLITE_ROW ? RV_OK : rv_sqlite_error(self, code, doing, err);
    sqlite3_reset(statement);
    return status;
}

rv_status rv_sqlite_exec(rv_sqlite *self, const char *sql, rv_error *err) {
    int code = sqlite3_exec(self->db, sql, NULL, NULL, NULL);
    return code ? rv_sqlite_error(self, code, sql, err) : RV_OK;
}

rv_status rv_sqlite_number(rv_sqlite *self, const char *sql, int64_t *ret, rv_error *err) {
    sqlite3_stmt *statement;
    int code = sqlite3_prepare_v2(self->db, sql, -1, &statement, NULL);
    if (!code)
        code = sqlite3_step(statement);
    rv_status status = RV_OK;
    if (code == SQLITE_ROW)
        *ret = sqlite3_column_int64(statement, 0);
    else
        status = code == SQLITE_DONE ? RV_NOT_FOUND : rv_sqlite_error(self, code, "opening", err);
    sqlite3_finalize(statement);
    return status;
}

void rv_sqlite_bind_str(sqlite3_stmt *statement, int param, rv_str text) {
    RV_ASSERT(sqlite3_bind_text64(statement, param, text.size ? text.at : "", text.size, SQLITE_STATIC, SQLITE_UTF8) == SQLITE_OK);
}

/* ---- the connection ---- */

static void directory_sync(const char *path) {
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        (void)fsync(fd); /* some file systems cannot sync a directory, and then need not */
        close(fd);
    }
}

/* The log has nothing that the database has not: it is left where it is, with a header of zeros, which is that of no log. To make one anew
 * takes blocks and a name to sync, at each start. A database that is put back from a backup beside it meets an empty log. */
static void clear_log(rv_sqlite *self) {
    static const char zeros[LOG_HEADER_SIZE];
    sqlite3_file *log = NULL;
    sqlite3_int64 size = 0;
    int keep = 1;
    if (sqlite3_file_control(self->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log) || !log || !log->pMethods)
        return;
    if (log->pMethods->xWrite(log, zeros, LOG_HEADER_SIZE, 0) || log->pMethods->xFileSize(log, &size))
        return; /* a whole log, all of which the database has: the next one to come reads it, and loses nothing */
    if (self->is_log_inherited)
        directory_sync(self->path); /* nothing was written: and nobody looks at the name of a cleared log again */
    sqlite3_int64 kept = (sqlite3_int64)RV_MIN(WAL_SIZE_KEPT, self->wal_size_max / 4);
    /* Synced before it is cut: else a loss of power could leave the old header over a part of its log, and that part would be read over
     * what the database has of later pages. Uncut, all of it is read, which comes to what the database has. */
    if (size > kept && log->pMethods->xSync(log, SQLITE_SYNC_NORMAL | SQLITE_SYNC_DATAONLY) == SQLITE_OK)
        (void)log->pMethods->xTruncate(log, kept);
    (void)sqlite3_file_control(self->db, "main", SQLITE_FCNTL_PERSIST_WAL, &keep);
}

static void disconnect(rv_sqlite *self, bool checkpoints) {
    rv_sqlite_copies_abandon(self);
    for (uint32_t i = 0; i < RV_STATEMENT_COUNT; i++) {
        sqlite3_finalize(self->statements[i]);
        self->statements[i] = NULL;
    }
    if (self->db) {
        int pages = -1, copied = -2;
        if (checkpoints && sqlite3_wal_checkpoint_v2(self->db, "main", SQLITE_CHECKPOINT_PASSIVE, &pages, &copied) == SQLITE_OK &&
            pages == copied)
            clear_log(self);
        sqlite3_db_config(self->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        RV_ASSERT(sqlite3_close(self->db) == SQLITE_OK);
    }
    self->db = NULL;
    rv_sqlite_caches_clear(self);
}

static int wal_grew(void *user, sqlite3 *db, const char *database, int pages) {
    ((rv_sqlite *)user)->wal_pages = pages;
    return SQLITE_OK;
}

/* A text answer of a pragma that must be as asked for. It is given before what it tells of is committed: only the end of the
 * statement says whether that worked. */
static rv_status pragma_expect(rv_sqlite *self, const char *sql, const char *want, rv_error *err) {
    sqlite3_stmt *statement;
    int code = sqlite3_prepare_v2(self->db, sql, -1, &statement, NULL);
    if (!code)
        code = sqlite3_step(statement);
    rv_status status = RV_OK;
    if (code != SQLITE_ROW)
        status = rv_sqlite_error(self, code, "opening", err);
    else if (strcmp((const char *)sqlite3_column_text(statement, 0), want) != 0)
        status = rv_error_set(err, RV_STORE_IO, "%s: %s is refused (%s): is the file system read-only, or without locks?",
                              self->file, sql, (const char *)sqlite3_column_text(statement, 0));
    else if ((code = sqlite3_step(statement)) != SQLITE_DONE)
        status = rv_sqlite_error(self, code, "opening", err);
    sqlite3_finalize(statement);
    return status;
}

static rv_status settings(rv_sqlite *self, rv_error *err) {
    rv_status status;
    char page_size[64];
    sqlite3_extended_result_codes(self->db, 1);
    sqlite3_wal_hook(self->db, wal_grew, self);
    sqlite3_set_authorizer(self->db, rv_sqlite_authorize, &self->guard);
    sqlite3_db_config(self->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    (void)snprintf(page_size, sizeof page_size, "PRAGMA page_size = %d", RV_SQLITE_PAGE_SIZE);
    if ((status = pragma_expect(self, "PRAGMA locking_mode = EXCLUSIVE", "exclusive", err)))
        return status;
    /* EXTRA while a new database becomes one with a log: else the rollback journal of that one transaction could come
     * back after a power loss, and roll back to nothing. */
    if ((status = rv_sqlite_exec(self, page_size, err)) || (status = rv_sqlite_exec(self, "PRAGMA synchronous = EXTRA", err)))
        return status;
    if (!self->is_immutable && (status = pragma_expect(self, "PRAGMA journal_mode = WAL", "wal", err)))
        return status;
    return rv_sqlite_exec(self, self->read_only ? "PRAGMA query_only = 1; PRAGMA temp_store = MEMORY"
                                                : "PRAGMA synchronous = NORMAL; PRAGMA secure_delete = OFF; PRAGMA temp_store = MEMORY; "
                                                  "PRAGMA cache_size = -4000", err);
}

static int open_file(rv_sqlite *self) {
    int flags = SQLITE_OPEN_NOMUTEX | (self->is_immutable ? SQLITE_OPEN_READONLY | SQLITE_OPEN_URI : SQLITE_OPEN_READWRITE);
    if (!self->read_only)
        flags |= SQLITE_OPEN_CREATE;
    if (!self->is_immutable)
        return sqlite3_open_v2(self->copy_file ? self->copy_file : self->file, &self->db, flags, self->log_vfs.name);
    rv_buf uri = {0};
    rv_buf_cstring(&uri, "file:");
    for (const char *at = self->file; *at; at++) /* RFC 3986: what would end the path is escaped */
        if (*at == '?' || *at == '#' || *at == '%')
            rv_buf_printf(&uri, "%%%02X", (unsigned)*at);
        else
            rv_buf_byte(&uri, *at);
    rv_buf_cstring(&uri, "?immutable=1");
    int code = sqlite3_open_v2(uri.at, &self->db, flags, self->log_vfs.name);
    rv_buf_deinit(&uri);
    return code;
}

typedef enum log_state { LOG_NONE, LOG_CLEARED, LOG_FILLED } log_state;

/* FILLED: it has what the database may not have, or its name may not be on the disk yet. */
static log_state look_at_log(const rv_sqlite *self) {
    char header[LOG_HEADER_SIZE + 1], zeros[LOG_HEADER_SIZE + 1] = {0};
    rv_buf log = {0};
    rv_buf_printf(&log, "%s-wal", self->file);
    int fd = open(log.at, O_RDONLY | O_CLOEXEC);
    rv_buf_deinit(&log);
    if (fd < 0)
        return errno == ENOENT ? LOG_NONE : LOG_FILLED;
    /* More than a header: this is never what a process leaves that died before it wrote a first page. */
    ssize_t size = read(fd, header, sizeof header);
    close(fd);
    return size == (ssize_t)sizeof header && memcmp(header, zeros, LOG_HEADER_SIZE) == 0 ? LOG_CLEARED : LOG_FILLED;
}

static rv_status connect(rv_sqlite *self, rv_error *err) {
    RV_ASSERT(!self->db);
    self->is_log_inherited = look_at_log(self) == LOG_FILLED;
    int code = open_file(self);
    rv_status status = code ? rv_sqlite_error(self, code, "opening", err) : settings(self, err);
    self->wal_pages = self->checkpoint_pages_min = 0;
    if (status)
        disconnect(self, false);
    return status;
}

/* ---- the backend ---- */

static bool is_sync_error(int code) {
    return code == SQLITE_IOERR_FSYNC || code == SQLITE_IOERR_DIR_FSYNC;
}

static void rollback(rv_sqlite *self) {
    if (self->db && !sqlite3_get_autocommit(self->db))
        sqlite3_exec(self->db, "ROLLBACK", NULL, NULL, NULL); /* if this fails too, recover opens the database anew */
    rv_sqlite_caches_clear(self);
}

static rv_status last_batch(rv_sqlite *self, uint64_t *ret, rv_error *err) {
    sqlite3_stmt *statement;
    rv_status status = rv_sqlite_statement(self, RV_STATEMENT_BATCH_GET, &statement, err);
    if (status)
        return status;
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        *ret = (uint64_t)sqlite3_column_int64(statement, 0);
    else
        status = rv_sqlite_error(self, code, "reading the last batch", err);
    sqlite3_reset(statement);
    return status;
}

/* COMMIT said `failed`. What does the file say? (failure 2 above) */
static rv_status commit_resolve(rv_sqlite *self, uint64_t batch_id, rv_status failed, rv_error *err) {
    uint64_t last;
    rv_error why;
    disconnect(self, false);
    rv_status status = connect(self, &why);
    if (!status)
        status = last_batch(self, &last, &why);
    if (status) {
        if (self->db)
            disconnect(self, false);
        rv_error_context(err, "cannot tell whether the last write happened (%s)", why.text);
        if (err)
            err->status = RV_UNKNOWN;
        return RV_UNKNOWN;
    }
    return last >= batch_id ? RV_OK : failed;
}

static rv_status sqlite_transact(void *user, rv_item **items, uint32_t count, rv_error *err) {
    rv_sqlite *self = user;
    sqlite3_stmt *begin, *commit;
    rv_status status = rv_sqlite_statement(self, RV_STATEMENT_BEGIN, &begin, err);
    if (!status)
        status = rv_sqlite_statement(self, RV_STATEMENT_COMMIT, &commit, err);
    RV_FAIL_POINT(STORE_BEFORE_BEGIN);
    if (!status)
        status = rv_sqlite_run(self, begin, "beginning a transaction", err);
    if (!status)
        status = rv_sqlite_apply(self, items, count, err);
    if (status) {
        rollback(self);
        return status;
    }
    RV_FAIL_POINT(STORE_BEFORE_COMMIT);
    status = rv_sqlite_run(self, commit, "committing", err);
    RV_FAIL_POINT(STORE_AFTER_COMMIT);
    if (!status)
        return RV_OK;
    rollback(self);
    return commit_resolve(self, items[count - 1]->batch_id, status, err);
}

static rv_status sqlite_sync(void *user, rv_error *err) {
    rv_sqlite *self = user;
    sqlite3_file *log = NULL;
    if (!self->db)
        return rv_error_set(err, RV_STORE_IO, "%s: the connection is lost", self->file);
    int code = sqlite3_file_control(self->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
    RV_ASSERT(code == SQLITE_OK);
    if (!log || !log->pMethods)
        return RV_OK; /* nothing was ever written */
    code = log->pMethods->xSync(log, SQLITE_SYNC_NORMAL | SQLITE_SYNC_DATAONLY);
    if (code == SQLITE_OK && self->is_log_inherited)
        directory_sync(self->path); /* SQLite does it for a log that this connection made */
    self->is_log_inherited = false;
    if (code == SQLITE_OK)
        return RV_OK;
    return rv_error_set(err, RV_STORE_IO, "%s-wal: cannot be synced to the disk (%s)", self->file, sqlite3_errstr(code));
}

static rv_status sqlite_maintain(void *user, rv_leisure leisure, rv_error *err) {
    rv_sqlite *self = user;
    uint64_t size_max = leisure == RV_LEISURE_NONE ? self->wal_size_max : RV_MIN(self->wal_size_max, WAL_SIZE_IDLE);
    uint64_t size_min = leisure == RV_LEISURE_LEAVING ? RV_SQLITE_PAGE_SIZE : size_max;
    if (!self->db || (uint64_t)self->wal_pages * RV_SQLITE_PAGE_SIZE < size_min || self->wal_pages < self->checkpoint_pages_min ||
        self->copies)
        return RV_OK;
    int pages = 0, copied = 0;
    int code = sqlite3_wal_checkpoint_v2(self->db, "main", SQLITE_CHECKPOINT_PASSIVE, &pages, &copied);
    if (code == SQLITE_OK && pages == copied) {
        self->wal_pages = self->checkpoint_pages_min = 0;
        return RV_OK;
    }
    self->checkpoint_pages_min = self->wal_pages + (int)(size_max / RV_SQLITE_PAGE_SIZE); /* failure 4 */
    if (is_sync_error(code))
        return rv_sqlite_error(self, code, "syncing a checkpoint", err);
    rv_error why = {.text = "not all pages could be copied"};
    if (code)
        rv_sqlite_error(self, code, "copying the log into the database", &why);
    rv_log(RV_LOG_WARN, "the store's log of %d pages stays for now: %s", self->wal_pages, why.text);
    return RV_OK;
}

static rv_status sqlite_recover(void *user, rv_error *err) {
    rv_sqlite *self = user;
    uint64_t last;
    disconnect(self, false);
    rv_status status = connect(self, err);
    if (!status)
        status = last_batch(self, &last, err);
    return status;
}

static void registry_remove(rv_sqlite *self) {
    pthread_mutex_lock(&open_lock);
    for (rv_sqlite **at = &open_stores; *at; at = &(*at)->next_open)
        if (*at == self) {
            *at = self->next_open;
            break;
        }
    pthread_mutex_unlock(&open_lock);
}

static void sqlite_close(void *user, bool is_clean) {
    rv_sqlite *self = user;
    disconnect(self, is_clean && !self->read_only);
    rv_log_vfs_close(&self->log_vfs);
    registry_remove(self);
    rv_map_deinit(&self->name_places);
    rv_vec_deinit(&self->names);
    rv_arena_deinit(&self->name_arena);
    rv_buf_deinit(&self->workspace);
    rv_free(self->path);
    rv_free(self->file);
    rv_free(self->vfs);
    rv_free(self);
}

static const rv_backend sqlite_backend = {
    .transact = sqlite_transact, .sync = sqlite_sync, .maintain = sqlite_maintain, .recover = sqlite_recover, .read = rv_sqlite_read,
    .query_step = rv_sqlite_query_step, .query_copy = rv_sqlite_query_copy, .query_drop = rv_sqlite_query_drop, .close = sqlite_close,
};

/* ---- opening ---- */

static rv_status directory_make(const rv_sqlite *self, rv_error *err) {
    if (mkdir(self->path, 0700) == 0) {
        rv_buf parent = {0};
        rv_buf_printf(&parent, "%s/..", self->path);
        directory_sync(parent.at);
        rv_buf_deinit(&parent);
        return RV_OK;
    }
    struct stat info;
    if (errno == EEXIST && stat(self->path, &info) == 0 && S_ISDIR(info.st_mode))
        return RV_OK;
    return rv_error_set(err, RV_STORE_IO, "%s: cannot make the store's directory: %s; name another with --store", self->path,
                        errno == EEXIST ? "there is a file of that name" : strerror(errno));
}

/* One connection in this process: a second store on the same file is our error, not the world's. */
static void registry_add(rv_sqlite *self) {
    struct stat info;
    bool is_file = stat(self->file, &info) == 0;
    RV_ASSERT(is_file || self->vfs); /* a file of disk.c is in no file system: its path is what it is */
    self->device = is_file ? (uint64_t)info.st_dev : 0;
    self->inode = is_file ? (uint64_t)info.st_ino : rv_hash64(rv_str_of(self->file), 0);
    pthread_mutex_lock(&open_lock);
    for (const rv_sqlite *other = open_stores; other; other = other->next_open)
        RV_ASSERT(other->device != self->device || other->inode != self->inode);
    self->next_open = open_stores;
    open_stores = self;
    pthread_mutex_unlock(&open_lock);
}

/* A store that can only be read because of its permissions or its medium. */
static bool is_read_only_medium(const rv_sqlite *self) {
    return access(self->file, R_OK) == 0 && (access(self->file, W_OK) != 0 || access(self->path, W_OK) != 0);
}

static rv_status copy_file(const char *from, const char *to, rv_error *err) {
    char chunk[65536];
    ssize_t count = -1;
    int in = open(from, O_RDONLY | O_CLOEXEC), out = in >= 0 ? open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600) : -1;
    ssize_t written = 0;
    while (out >= 0 && written >= 0 && (count = read(in, chunk, sizeof chunk)) > 0)
        if ((written = write(out, chunk, (size_t)count)) != count) break;
    int error_number = written >= 0 && count > 0 ? ENOSPC : errno; /* a part was written: there is no more room */
    rv_status status = count == 0 ? RV_OK
                                  : rv_error_set(err, RV_STORE_IO, "%s: its copy %s, to be read from, cannot be written: %s", from, to,
                                                 strerror(error_number));
    if (in >= 0) close(in);
    if (out >= 0) close(out);
    return status;
}

/* SQLite reads a log only where it may write. Of a store on such a medium that has one a copy is read; it is removed once it is open. */
static rv_status copy_from_medium(rv_sqlite *self, rv_error *err) {
    const char *tmp = getenv("TMPDIR");
    rv_buf dir = {0}, file = {0}, log = {0}, log_copy = {0};
    rv_buf_printf(&dir, "%s/reeve-store-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    rv_status status = mkdtemp(dir.at) ? RV_OK : rv_error_set(err, RV_STORE_IO, "%s: cannot be made: %s", dir.at, strerror(errno));
    if (!status) {
        self->copy_dir = rv_cstring_dup(rv_buf_str(&dir));
        rv_buf_printf(&file, "%s/reeve.db", dir.at);
        rv_buf_printf(&log, "%s-wal", self->file);
        rv_buf_printf(&log_copy, "%s-wal", file.at);
        self->copy_file = rv_cstring_dup(rv_buf_str(&file));
        status = copy_file(self->file, file.at, err);
        if (!status) status = copy_file(log.at, log_copy.at, err);
    }
    rv_buf_deinit(&dir), rv_buf_deinit(&file), rv_buf_deinit(&log), rv_buf_deinit(&log_copy);
    return status;
}


/* A file of disk.c is in no file system: its VFS is asked. */
static bool has_database(const rv_sqlite *self) {
    sqlite3_vfs *vfs = self->vfs ? sqlite3_vfs_find(self->vfs) : NULL;
    int is_there = 0;
    if (access(self->file, F_OK) == 0)
        return true;
    return vfs && vfs->xAccess(vfs, self->file, SQLITE_ACCESS_EXISTS, &is_there) == SQLITE_OK && is_there;
}

/* Once it is open, or cannot be: what is read then is there until it is closed. */
static void remove_copy(rv_sqlite *self) {
    rv_buf log = {0};
    if (!self->copy_dir)
        return;
    if (self->copy_file) {
        rv_buf_printf(&log, "%s-wal", self->copy_file);
        (void)unlink(log.at);
        (void)unlink(self->copy_file);
    }
    (void)rmdir(self->copy_dir);
    rv_buf_deinit(&log);
    rv_free(self->copy_file);
    rv_free(self->copy_dir);
    self->copy_file = self->copy_dir = NULL;
}

static rv_status open_prepared(rv_sqlite *self, uint64_t *ret_last_batch, rv_error *err) {
    rv_status status = rv_log_vfs_open(&self->log_vfs, self->vfs, err);
    if (status)
        return status;
    bool is_new = !has_database(self);
    if (is_new && self->read_only)
        return rv_error_set(err, RV_NOT_FOUND, "%s: there is no store here", self->path);
    if (!self->read_only)
        status = directory_make(self, err);
    else if (is_read_only_medium(self) && look_at_log(self) != LOG_FILLED)
        self->is_immutable = true;
    else if (is_read_only_medium(self))
        status = copy_from_medium(self, err);
    if (!status && is_new && !self->vfs) /* a VFS of tests has no such names: there SQLite makes it */
        status = rv_sqlite_create(self, err);
    if (!status)
        status = connect(self, err);
    if (!status)
        status = rv_sqlite_migrate(self, err);
    if (!status && self->is_undated && !self->read_only)
        status = rv_sqlite_date(self, err);
    if (!status)
        status = last_batch(self, ret_last_batch, err);
    if (!status && is_new)
        directory_sync(self->path);
    remove_copy(self);
    return status;
}

rv_status rv_store_open_sqlite(const rv_store_config *config, rv_store **ret, rv_error *err) {
    rv_sqlite *self = rv_alloc(sizeof *self);
    rv_buf file = {0};
    rv_buf_printf(&file, "%s/reeve.db", config->path);
    self->path = rv_cstring_dup(rv_str_of(config->path));
    self->file = rv_cstring_dup(rv_buf_str(&file));
    self->vfs = config->vfs ? rv_cstring_dup(rv_str_of(config->vfs)) : NULL;
    self->read_only = config->read_only;
    self->wal_size_max = config->wal_size_max ? config->wal_size_max : WAL_SIZE_MAX;
    self->batch_stream = -1;
    rv_buf_deinit(&file);
    uint64_t last = 0;
    rv_status status = open_prepared(self, &last, err);
    if (status) {
        sqlite_close(self, false);
        return status;
    }
    registry_add(self);
    return rv_store_new(&sqlite_backend, self, config, last, ret, err);
}
