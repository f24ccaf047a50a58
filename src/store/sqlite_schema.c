/* Migrations: applied in order, each in a transaction of its own, none ever changed afterwards. */
#include "store/sqlite.h"

#include <stdio.h>
#include <time.h>

/* Is this database ours, and of a version that we know? *ret_version: migrations applied, 0 for a new one. */
static rv_status identify(rv_sqlite *self, uint32_t *ret_version, rv_error *err) {
    int64_t application = 0, version = 0, objects = 0;
    rv_status status = rv_sqlite_number(self, "PRAGMA application_id", &application, err);
    if (!status)
        status = rv_sqlite_number(self, "PRAGMA user_version", &version, err);
    if (!status)
        status = rv_sqlite_number(self, "SELECT count(*) FROM sqlite_schema", &objects, err);
    if (status)
        return status;
    bool is_empty = application == 0 && version == 0 && objects == 0;
    if (is_empty && self->read_only) /* whoever was about to make it died */
        return rv_error_set(err, RV_NOT_FOUND, "%s: there is no store here: its database is empty", self->path);
    if (is_empty) {
        *ret_version = 0;
        return RV_OK;
    }
    if (application != RV_SQLITE_APPLICATION_ID || version < 1)
        return rv_error_set(err, RV_CORRUPT, "%s: a database, but not a Reeve store; name another store", self->file);
    if (version > rv_migration_count)
        return rv_error_set(err, RV_UNSUPPORTED,
                            "%s: made by a newer version of Reeve (schema %lld, this one knows %u); use that version", self->file,
                            (long long)version, rv_migration_count);
    *ret_version = (uint32_t)version;
    return RV_OK;
}

/* What was applied must be what we have under the same number. */
static rv_status verify(rv_sqlite *self, uint32_t version, rv_error *err) {
    sqlite3_stmt *statement;
    int code = sqlite3_prepare_v2(self->db, "SELECT id, checksum, applied_ms FROM migration ORDER BY id", -1, &statement, NULL);
    uint32_t i = 0;
    while (!code && i < version && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        code = sqlite3_column_int64(statement, 0) == (int64_t)rv_migrations[i].id &&
                       sqlite3_column_int64(statement, 1) == rv_migration_checksum(&rv_migrations[i]) ? SQLITE_OK : SQLITE_DONE;
        if (!code) i++, self->is_undated = self->is_undated || sqlite3_column_int64(statement, 2) == 0;
    }
    rv_status status = RV_OK;
    if (code && code != SQLITE_DONE)
        status = rv_sqlite_error(self, code, "opening", err);
    else if (i < version)
        status = rv_error_set(err, RV_CORRUPT,
                              "%s: its migration %u (%s) is not the one that this version applied; it was made by a build "
                              "that was never released, or altered",
                              self->file, rv_migrations[i].id, rv_migrations[i].name);
    sqlite3_finalize(statement);
    return status;
}

static int64_t now_ms(void) {
    struct timespec now;
    RV_ASSERT(clock_gettime(CLOCK_REALTIME, &now) == 0);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static rv_status apply(rv_sqlite *self, const rv_migration *migration, rv_error *err) {
    rv_status status = rv_sqlite_exec(self, "BEGIN IMMEDIATE", err);
    if (!status) {
        int code = sqlite3_exec(self->db, migration->sql.at, NULL, NULL, NULL);
        if (code)
            status = rv_sqlite_error(self, code, "making its tables", err);
    }
    if (!status) {
        char sql[RV_MIGRATION_RECORD_SIZE];
        rv_migration_record_sql(migration, now_ms(), sql);
        status = rv_sqlite_exec(self, sql, err);
    }
    if (!status)
        status = rv_sqlite_exec(self, "COMMIT", err);
    if (status && !sqlite3_get_autocommit(self->db))
        sqlite3_exec(self->db, "ROLLBACK", NULL, NULL, NULL);
    return status ? rv_error_context(err, "migration %u (%s)", migration->id, migration->name) : RV_OK;
}

rv_status rv_sqlite_migrate(rv_sqlite *self, rv_error *err) {
    uint32_t version = 0;
    rv_status status = identify(self, &version, err);
    if (!status && version)
        status = verify(self, version, err);
    if (!status && self->read_only && version < rv_migration_count)
        return rv_error_set(err, RV_UNSUPPORTED,
                            "%s: made by an older version of Reeve; open it once for writing to bring it up to date", self->file);
    for (uint32_t i = version; i < rv_migration_count && !status; i++)
        status = apply(self, &rv_migrations[i], err);
    return status;
}

rv_status rv_sqlite_date(rv_sqlite *self, rv_error *err) {
    char sql[96];
    (void)snprintf(sql, sizeof sql, "UPDATE migration SET applied_ms = %lld WHERE applied_ms = 0", (long long)now_ms());
    return rv_sqlite_exec(self, sql, err);
}
