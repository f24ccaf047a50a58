/* Build tool: image OUT.c: the database of a new store, as the migrations make it, without its zeros. Applying them takes
 * SQLite ten milliseconds, since each ALTER reads the whole schema again; writing what they come to takes none. */
#include <stdio.h>
#include <stdlib.h>

#include "store/sqlite.h"

enum { GAP_MIN = 24 /* zeros in a row that are worth a run of their own */ };

static void must(int code, sqlite3 *db) {
    if (code == SQLITE_OK)
        return;
    fprintf(stderr, "image: %s\n", db ? sqlite3_errmsg(db) : sqlite3_errstr(code));
    exit(1);
}

static unsigned char *lay_out(sqlite3_int64 *ret_size) {
    sqlite3 *db;
    char sql[RV_MIGRATION_RECORD_SIZE];
    must(sqlite3_open(":memory:", &db), NULL);
    (void)snprintf(sql, sizeof sql, "PRAGMA page_size = %d", RV_SQLITE_PAGE_SIZE);
    must(sqlite3_exec(db, sql, NULL, NULL, NULL), db);
    for (uint32_t i = 0; i < rv_migration_count; i++) {
        must(sqlite3_exec(db, rv_migrations[i].sql.at, NULL, NULL, NULL), db);
        rv_migration_record_sql(&rv_migrations[i], 0, sql);
        must(sqlite3_exec(db, sql, NULL, NULL, NULL), db);
    }
    must(sqlite3_exec(db, "VACUUM", NULL, NULL, NULL), db);
    unsigned char *image = sqlite3_serialize(db, "main", ret_size, 0);
    must(image ? SQLITE_OK : SQLITE_NOMEM, NULL);
    must(sqlite3_close(db), db);
    image[18] = image[19] = 2; /* file format 1.3: the database has a log */
    return image;
}

int main(int argc, char **argv) {
    sqlite3_int64 size = 0;
    unsigned char *image = lay_out(&size);
    FILE *out = argc == 2 ? fopen(argv[1], "wb") : NULL;
    if (!out) {
        fprintf(stderr, "image: usage: image OUT.c\n");
        return 1;
    }
    fprintf(out, "/* Made by image.c from the migrations. */\n#include \"store/sqlite.h\"\n");
    fprintf(out, "const uint32_t rv_store_image_size = %lld;\nconst rv_store_span rv_store_image[] = {\n", (long long)size);
    for (sqlite3_int64 at = 0, end; at < size; at = end) {
        while (at < size && !image[at]) at++;
        sqlite3_int64 zeros = 0;
        for (end = at; end < size && zeros < GAP_MIN; end++) zeros = image[end] ? 0 : zeros + 1;
        end -= zeros;
        if (end <= at)
            break;
        fprintf(out, "    {%lld, %lld, (const unsigned char[]){", (long long)at, (long long)(end - at));
        for (sqlite3_int64 i = at; i < end; i++) fprintf(out, "%d,%s", image[i], (i - at) % 32 == 31 ? "\n" : "");
        fprintf(out, "}},\n");
    }
    fprintf(out, "    {0, 0, 0}};\n");
    sqlite3_free(image);
    bool is_written = !ferror(out);
    return fclose(out) == 0 && is_written ? 0 : 1;
}
