/* sqlite.h: what the files of the SQLite backend share (private to src/store): connection, statements, names. */
#ifndef RV_STORE_SQLITE_H
#define RV_STORE_SQLITE_H

#include "store/backend.h"
#include <sqlite3.h>

#define RV_SQLITE_APPLICATION_ID 0x52656576 /* "Reev" in the file's header */
#define RV_SQLITE_PAGE_SIZE 2048
#define RV_SQLITE_SEQ_BITS 36 /* of a journal row's key: its first seq; above them its stream (schema/0005_journal.sql) */

/* Embedded at build time from schema/NNNN_name.sql, in order. */
typedef struct rv_migration { uint32_t id; const char *name; rv_str sql; } rv_migration;
extern const rv_migration rv_migrations[];
extern const uint32_t rv_migration_count;

/* Of a new store's database the bytes that are not zero, by offset, the last with size 0; the file's size (image.c). */
typedef struct rv_store_span { uint32_t offset, size; const unsigned char *at; } rv_store_span;
extern const rv_store_span rv_store_image[];
extern const uint32_t rv_store_image_size;

/* Statements of fixed text; those that write rows are made from their descriptions and follow. */
#define RV_STATEMENT_MAP(X)                                                                                              \
    X(BEGIN, "BEGIN IMMEDIATE")                                                                                          \
    X(COMMIT, "COMMIT")                                                                                                  \
    X(NAME_GET, "SELECT key FROM name WHERE text = ?1")                                                                  \
    X(NAME_ADD, "INSERT INTO name (text) VALUES (?1)")                                                                   \
    X(WORKSPACE_ADD, "INSERT OR IGNORE INTO workspace (id, created_ms) VALUES (?1, ?2)")                                 \
    X(STREAM_END, "SELECT first_seq + event_count, checksum FROM journal_data WHERE key >= ?1 << 36 AND key < (?1 + 1) << 36 " \
                  "ORDER BY key DESC LIMIT 1")                                                                           \
    X(TASK_VERSION, "SELECT version FROM task WHERE id = ?1")                                                            \
    X(RUN_EXISTS, "SELECT 1 FROM run_data WHERE key = ?1")                                                               \
    X(BATCH_SET, "UPDATE batch_data SET last_id = ?1, stream = ?2")                                                      \
    X(BATCH_GET, "SELECT last_id FROM batch")                                                                            \
    X(WORKFLOW_HAS, "SELECT 1 FROM workflow WHERE hash = ?1 AND workspace = ?2")                                         \
    X(META_GET, "SELECT value FROM meta WHERE key = ?1")                                                                 \
    X(CACHE_DROP, "DELETE FROM cache_data WHERE id = ?1 AND key = ?2")                                                   \
    X(CACHE_GET, "SELECT id, key, node, owner, size, created_ms, manifest, x'' FROM cache_data WHERE place = ?1")       \
    X(CACHE_LAST, "SELECT id, key, node, owner, size, created_ms, manifest, made_of FROM cache_data WHERE owner = ?1 "    \
                  "ORDER BY id DESC LIMIT 1")                                                                            \
    X(CACHE_SCAN, "SELECT id, key, node, owner, size, created_ms, manifest, x'' FROM cache_data WHERE id > ?1 "         \
                  "ORDER BY id LIMIT ?2")                                                                                \
    X(SNAPSHOT_GET, "SELECT seq, body, checksum FROM snapshot_data WHERE stream = ?1")
#define X(name_, ...) RV_STATEMENT_##name_,
typedef enum rv_statement {
    RV_STATEMENT_MAP(X) RV_STATEMENT_RUN_UPDATE, RV_STATEMENT_RUN_UPDATE_INDEXED, RV_STATEMENT_HITS, RV_STATEMENT_ROW
} rv_statement;
#undef X
#define RV_STATEMENT_COUNT ((int)RV_STATEMENT_ROW + (int)RV_ROW_COUNT) /* ROW + kind: the upsert of that kind */

/* What is known of a name; what is known of a stream's end, once it was looked up. */
typedef struct rv_name {
    int64_t key;
    uint64_t next_seq, checksum;
    bool has_end;
} rv_name;

typedef struct rv_sqlite_copy rv_sqlite_copy;

/* A VFS that is registered while the store is open; see log_file.c. */
typedef struct rv_log_vfs {
    sqlite3_vfs vfs; /* first: what SQLite hands back */
    sqlite3_vfs *real;
    char name[32];
} rv_log_vfs;

/* The authorizer's: while is_on nothing passes but reading; was_denied tells why a statement failed. */
typedef struct rv_sqlite_guard { bool is_on, was_denied; } rv_sqlite_guard;

typedef struct rv_sqlite {
    /* stored: how it was opened */
    char *path, *file, *vfs;
    char *copy_dir, *copy_file; /* while it is opened: of a copy that is read instead; NULL: none */
    bool read_only, is_immutable;
    uint64_t wal_size_max;
    struct rv_sqlite *next_open; /* of the process: asserts that nobody opens a database twice */
    uint64_t device, inode;
    rv_log_vfs log_vfs;
    bool is_undated; /* a new store, which a build laid out and nobody has dated: see rv_sqlite_date */
    /* derived: the connection */
    sqlite3 *db; /* NULL: lost; recover makes it again */
    bool is_log_inherited; /* from another connection, which may not have synced its name: done with the first sync */
    sqlite3_stmt *statements[RV_STATEMENT_COUNT];
    rv_sqlite_guard guard;
    int wal_pages; /* in the log, as of the last commit */
    int checkpoint_pages_min; /* after a checkpoint that failed: not before the log has grown to this */
    rv_sqlite_copy *copies; /* unfinished ones */
    /* derived: caches of what the database holds; cleared when a transaction fails */
    rv_map name_places;
    RV_VEC(rv_name) names;
    rv_arena name_arena;
    int64_t batch_stream; /* batch_data.stream; -1: not known */
    rv_buf workspace;     /* the last one that was seen to exist */
} rv_sqlite;

/* Turn the connection's last error into ours: FULL, CORRUPT, NO_MEMORY, CONFLICT (locked) or STORE_IO; the text says the
 * path, what was being done and what helps. `code` is SQLite's extended result. */
rv_status rv_sqlite_error(const rv_sqlite *self, int code, const char *doing, rv_error *err);
/* The prepared statement, reset and ready to bind; made at first use. */
RV_MUST_USE rv_status rv_sqlite_statement(rv_sqlite *self, uint32_t statement, sqlite3_stmt **ret, rv_error *err);
/* Step once and reset. For statements without rows. */
RV_MUST_USE rv_status rv_sqlite_run(rv_sqlite *self, sqlite3_stmt *statement, const char *doing, rv_error *err);
RV_MUST_USE rv_status rv_sqlite_exec(rv_sqlite *self, const char *sql, rv_error *err);
/* First column of the first row as a number; RV_NOT_FOUND (err untouched) when there is no row. */
RV_MUST_USE rv_status rv_sqlite_number(rv_sqlite *self, const char *sql, int64_t *ret, rv_error *err);
void rv_sqlite_bind_str(sqlite3_stmt *statement, int param, rv_str text);

/* sqlite_schema.c: bring the connection's database to this build's schema. */
RV_MUST_USE rv_status rv_sqlite_migrate(rv_sqlite *self, rv_error *err);
/* The migrations of a new store were laid out by a build, which knows no date: they are of now. After an error they have none, and
 * whoever opens it next for writing dates them. */
RV_MUST_USE rv_status rv_sqlite_date(rv_sqlite *self, rv_error *err);

/* log_file.c: register a VFS around the one named `name` (NULL: the system's), which `self->name` then names, until it is closed.
 * RV_INVALID: there is none of that name, and nothing is registered. `self` is the caller's, and stays where it is while it is open. */
RV_MUST_USE rv_status rv_log_vfs_open(rv_log_vfs *self, const char *name, rv_error *err);
/* Every file that was opened through it is closed by then. One that was never opened, or is closed, is legal. */
void rv_log_vfs_close(rv_log_vfs *self);

/* migration.c: what stands in `migration` of one that was applied. */
#define RV_MIGRATION_RECORD_SIZE 256
int64_t rv_migration_checksum(const rv_migration *migration);
/* The statements that note, in the transaction that applied it, that it was applied at `now_ms`; NUL-terminated into `out`, of
 * RV_MIGRATION_RECORD_SIZE bytes. */
void rv_migration_record_sql(const rv_migration *migration, int64_t now_ms, char *out);

/* sqlite_create.c: make the database of a new store, with this build's schema and nothing else, at `self->file`; its directory exists.
 * Written and synced before it has its name; the directory is the caller's to sync. Whoever else makes it at the same time is waited
 * for. RV_STORE_FULL, RV_STORE_IO: there is none, and nothing half-made under its name, or the name is that of a link that leads nowhere,
 * which stays. Without a connection before and after. */
RV_MUST_USE rv_status rv_sqlite_create(rv_sqlite *self, rv_error *err);

/* sqlite_write.c */
void rv_sqlite_caches_clear(rv_sqlite *self);
void rv_sqlite_upsert_sql(rv_buf *out, rv_row_kind kind);
void rv_sqlite_run_update_sql(rv_buf *out, bool indexed);
/* Append the statement that writes several nodes which the cache settled. */
void rv_sqlite_hits_sql(rv_buf *out);
/* Where an entry with this key stands: 64 bits of it. Pure. */
int64_t rv_sqlite_cache_place(rv_str key);
RV_MUST_USE rv_status rv_sqlite_apply(rv_sqlite *self, rv_item **items, uint32_t count, rv_error *err);
/* The number of a name; 0 when it has none and `add` is false. */
RV_MUST_USE rv_status rv_sqlite_name(rv_sqlite *self, rv_str text, bool add, uint32_t *ret_place, rv_error *err);

/* sqlite_read.c, sqlite_query.c */
RV_MUST_USE rv_status rv_sqlite_read(void *self, rv_read *read);
RV_MUST_USE rv_status rv_sqlite_query_step(void *self, rv_query *query);
RV_MUST_USE rv_status rv_sqlite_query_copy(rv_query *query);
void rv_sqlite_query_drop(rv_query *query);
void rv_sqlite_copies_abandon(rv_sqlite *self); /* before the connection goes */
int rv_sqlite_authorize(void *guard, int action, const char *a, const char *b, const char *database, const char *trigger);

#endif
