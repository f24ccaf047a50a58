/* What the database says of a migration that was applied: the same words from the program that applies one and from the
 * build tool that lays out a new store. */
#include <stdio.h>

#include "store/sqlite.h"

int64_t rv_migration_checksum(const rv_migration *migration) { return (int64_t)rv_hash64(migration->sql, migration->id); }

void rv_migration_record_sql(const rv_migration *migration, int64_t now_ms, char *out) {
    int size = snprintf(out, RV_MIGRATION_RECORD_SIZE,
                        "INSERT INTO migration (id, name, checksum, applied_ms) VALUES (%u, '%s', %lld, %lld); "
                        "PRAGMA user_version = %u; PRAGMA application_id = %d",
                        migration->id, migration->name, (long long)rv_migration_checksum(migration), (long long)now_ms, migration->id,
                        RV_SQLITE_APPLICATION_ID);
    RV_ASSERT(size > 0 && size < RV_MIGRATION_RECORD_SIZE);
}
