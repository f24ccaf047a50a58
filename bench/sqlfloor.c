/* sqlfloor FILE SYNC ROWS ROWS_PER_COMMIT PAYLOAD: what SQLite needs to record ROWS rows of PAYLOAD bytes.
 *
 * SYNC is FULL (each commit is on disk), NORMAL (each commit is in the write-ahead log: survives the process, not
 * power loss) or OFF. One exclusive connection, WAL, one table with one index: the least that a durable runner
 * writes. FILE is made anew. Prints one line; `seconds=` is what bench/run reads. */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PAYLOAD_SIZE_MAX 65536

static double now_s(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void die(sqlite3 *db, const char *what)
{
    fprintf(stderr, "sqlfloor: %s: %s\n", what, sqlite3_errmsg(db));
    exit(1);
}

static void execute(sqlite3 *db, const char *sql)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        die(db, sql);
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
        die(db, sql);
    return statement;
}

static void step(sqlite3 *db, sqlite3_stmt *statement)
{
    if (sqlite3_step(statement) != SQLITE_DONE)
        die(db, "step");
    sqlite3_reset(statement);
}

static void remove_database(const char *path)
{
    char name[4096];
    static const char *const endings[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        snprintf(name, sizeof name, "%s%s", path, endings[i]);
        unlink(name);
    }
}

static sqlite3 *open_database(const char *path, const char *sync)
{
    sqlite3 *db = NULL;
    char pragma[64];
    remove_database(path);
    if (sqlite3_open(path, &db) != SQLITE_OK)
        die(db, path);
    snprintf(pragma, sizeof pragma, "PRAGMA synchronous=%s", sync);
    execute(db, "PRAGMA journal_mode=WAL");
    execute(db, pragma);
    execute(db, "PRAGMA locking_mode=EXCLUSIVE");
    execute(db, "CREATE TABLE jobs (id INTEGER PRIMARY KEY, state INT, run_at INT, payload BLOB)");
    execute(db, "CREATE INDEX jobs_next ON jobs (state, run_at, id)");
    return db;
}

static void insert_all(sqlite3 *db, int row_count, int rows_per_commit, int payload_size)
{
    static char payload[PAYLOAD_SIZE_MAX];
    sqlite3_stmt *insert = prepare(db, "INSERT INTO jobs (state, run_at, payload) VALUES (0, ?, ?)");
    sqlite3_stmt *begin = prepare(db, "BEGIN IMMEDIATE");
    sqlite3_stmt *commit = prepare(db, "COMMIT");
    memset(payload, 'x', sizeof payload);
    for (int row = 0; row < row_count;) {
        step(db, begin);
        for (int i = 0; i < rows_per_commit && row < row_count; i++, row++) {
            sqlite3_bind_int64(insert, 1, row);
            sqlite3_bind_blob(insert, 2, payload, payload_size, SQLITE_STATIC);
            step(db, insert);
        }
        step(db, commit);
    }
    sqlite3_finalize(insert);
    sqlite3_finalize(begin);
    sqlite3_finalize(commit);
}

int main(int argc, char **argv)
{
    int row_count = argc == 6 ? atoi(argv[3]) : 0;
    int rows_per_commit = argc == 6 ? atoi(argv[4]) : 0;
    int payload_size = argc == 6 ? atoi(argv[5]) : -1;
    if (row_count < 1 || rows_per_commit < 1 || payload_size < 0 || payload_size > PAYLOAD_SIZE_MAX) {
        fprintf(stderr, "usage: sqlfloor FILE FULL|NORMAL|OFF ROWS ROWS_PER_COMMIT PAYLOAD   (PAYLOAD at most %d bytes)\n",
                PAYLOAD_SIZE_MAX);
        return 2;
    }
    sqlite3 *db = open_database(argv[1], argv[2]);
    double began_s = now_s();
    insert_all(db, row_count, rows_per_commit, payload_size);
    double seconds = now_s() - began_s;
    sqlite3_close(db);
    remove_database(argv[1]);
    printf("insert sync=%s rows=%d rows_per_commit=%d payload=%d seconds=%.4f per_row_us=%.1f\n", argv[2], row_count, rows_per_commit,
           payload_size, seconds, seconds / row_count * 1e6);
    return 0;
}
