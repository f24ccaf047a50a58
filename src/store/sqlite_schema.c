/* Migrations: applied in order, each in a transaction of its own, none ever changed afterwards. */
#include "store/sqlite.h"

#include <stdio.h>
#include <time.h>

static int64_t checksum_of(const rv_migration *migration) { return (int64_t)rv_hash64(migration->sql, migration->id); }

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
    for (uint32_t i = 0; i < version; i++) {
        char sql[96];
        int64_t checksum = 0;
        (void)snprintf(sql, sizeof sql, "SELECT checksum FROM migration WHERE id = %u", rv_migrations[i].id);
        rv_status status = rv_sqlite_number(self, sql, &checksum, err);
        if (status == RV_NOT_FOUND || (!status && checksum != checksum_of(&rv_migrations[i])))
            return rv_error_set(err, RV_CORRUPT,
                                "%s: its migration %u (%s) is not the one that this version applied; it was made by a build "
                                "that was never released, or altered",
                                self->file, rv_migrations[i].id, rv_migrations[i].name);
        if (status)
            return status;
    }
    return RV_OK;
}

static rv_status record(rv_sqlite *self, const rv_migration *migration, rv_error *err) {
    struct timespec now;
    RV_ASSERT(clock_gettime(CLOCK_REALTIME, &now) == 0);
    char sql[256];
    (void)snprintf(sql, sizeof sql,
                   "INSERT INTO migration (id, name, checksum, applied_ms) VALUES (%u, '%s', %lld, %lld); "
                   "PRAGMA user_version = %u; PRAGMA application_id = %d",
                   migration->id, migration->name, (long long)checksum_of(migration),
                   (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000, migration->id, RV_SQLITE_APPLICATION_ID);
    return rv_sqlite_exec(self, sql, err);
}

static rv_status apply(rv_sqlite *self, const rv_migration *migration, rv_error *err) {
    rv_status status = rv_sqlite_exec(self, "BEGIN IMMEDIATE", err);
    if (!status) {
        int code = sqlite3_exec(self->db, migration->sql.at, NULL, NULL, NULL);
        if (code)
            status = rv_sqlite_error(self, code, "making its tables", err);
    }
    if (!status)
        status = record(self, migration, err);
    if (!status)
        status = rv_sqlite_exec(self, "COMMIT", err);
    if (status && !sqlite3_get_autocommit(self->db))
        sqlite3_exec(self->db, "ROLLBACK", NULL, NULL, NULL);
    return status ? rv_error_context(err, "migration %u (%s)", migration->id, migration->name) : RV_OK;
}

rv_status rv_sqlite_migrate(rv_sqlite *self, rv_error *err) {
    uint32_t version = 0;
    rv_status status = identify(self, &version, err);
    if (!status)
        status = verify(self, version, err);
    if (!status && self->read_only && version < rv_migration_count)
        return rv_error_set(err, RV_UNSUPPORTED,
                            "%s: made by an older version of Reeve; open it once for writing to bring it up to date", self->file);
    for (uint32_t i = version; i < rv_migration_count && !status; i++)
        status = apply(self, &rv_migrations[i], err);
    return status;
}
