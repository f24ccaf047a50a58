/* The schema against its sources: the row structs, the lists of words, docs/schema.md; and databases that are not ours.
 *
 *   schema_test PATH_OF_docs/schema.md */
#include "fixture.h"
#include "store/sqlite.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *manual_path;

typedef struct world { char folder[256], path[300], file[340]; rv_store *store; rv_arena arena; } world;

static int setup(void **state) {
    world *w = rv_alloc(sizeof *w);
    rv_error err;
    folder_make(w->folder, sizeof w->folder);
    (void)snprintf(w->path, sizeof w->path, "%s/store", w->folder);
    (void)snprintf(w->file, sizeof w->file, "%s/reeve.db", w->path);
    rv_store_config config = {.path = w->path};
    assert_ok(rv_store_open_sqlite(&config, &w->store, &err), &err);
    *state = w;
    return 0;
}

static int teardown(void **state) {
    world *w = *state;
    (void)rv_store_close(w->store, NULL);
    folder_remove(w->folder);
    rv_arena_deinit(&w->arena);
    rv_free(w);
    return 0;
}

/* The rows of a query as text, without the header. */
static rv_str ask(world *w, const char *sql) {
    rv_error err;
    rv_buf out = {0};
    bool is_cut;
    assert_ok(rv_store_query(w->store, rv_str_of(sql), NULL, 0, 0, &out, &is_cut, &err), &err);
    rv_str all = rv_arena_str(&w->arena, rv_buf_str(&out));
    rv_buf_deinit(&out);
    return rv_str_from(all, rv_str_find(all, 0, '\n') + 1);
}

/* Change the closed database by hand; returns SQLite's result. */
static int by_hand(world *w, const char *sql) {
    sqlite3 *db;
    assert_int_equal(sqlite3_open(w->file, &db), SQLITE_OK);
    int code = sqlite3_exec(db, sql, NULL, NULL, NULL);
    sqlite3_close(db);
    return code;
}

/* What a connection of anybody's reads in the closed database, each column followed by '|'. */
static rv_str read_by_hand(world *w, const char *sql) {
    sqlite3 *db;
    sqlite3_stmt *statement;
    rv_buf out = {0};
    assert_int_equal(sqlite3_open(w->file, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    while (sqlite3_step(statement) == SQLITE_ROW)
        for (int i = 0; i < sqlite3_column_count(statement); i++) {
            const char *text = (const char *)sqlite3_column_text(statement, i);
            rv_buf_printf(&out, "%s|", text ? text : "");
        }
    assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    rv_str all = rv_arena_str(&w->arena, rv_buf_str(&out));
    rv_buf_deinit(&out);
    return all;
}

static void close_store(world *w) {
    rv_error err;
    assert_ok(rv_store_close(w->store, &err), &err);
    w->store = NULL;
}

static rv_status open_again(world *w, bool read_only, rv_error *err) {
    rv_store_config config = {.path = w->path, .read_only = read_only};
    return rv_store_open_sqlite(&config, &w->store, err);
}

/* ---- names ---- */

static void schema__columns_are_the_fields_of_the_structs(void **state) {
    world *w = *state;
    for (uint32_t kind = 0; kind < RV_ROW_COUNT; kind++) {
        const rv_row_type *type = &rv_row_types[kind];
        rv_buf want = {0};
        char sql[200];
        for (uint32_t i = 0; i < type->column_count; i++) {
            const char *name = type->columns[i].name, *money = strstr(name, "_micro"); /* people see it in dollars */
            if (money) rv_buf_printf(&want, "[\"%.*s_usd\"]\n", (int)(money - name), name);
            else rv_buf_printf(&want, "[\"%s\"]\n", name);
        }
        (void)snprintf(sql, sizeof sql, "SELECT name FROM pragma_table_info('%s')", type->table);
        rv_str got = ask(w, sql);
        if (!rv_str_eq(got, rv_buf_str(&want)))
            fail_msg("%s has columns\n%.*sbut its struct has\n%s", type->table, RV_FMT(got), want.at);
        rv_buf_deinit(&want);
    }
}

/* Such rows are written some at a time: here two rows and one of another kind between them, then more than one statement writes. */
static void schema__rows_of_hits_say_what_rows_of_any_node_say(void **state) {
    enum { COUNT = 37, REPLACED = 5 };
    world *w = *state;
    rv_batch *batch = rv_batch_new(0);
    rv_node_row hit = {.run = RV_STR("R"), .kind = RV_KIND_SHELL, .state = RV_NODE_SUCCEEDED, .detail = RV_DETAIL_CACHE,
                       .log_last = UINT64_MAX};
    rv_node_row before = sample_node(&w->arena, RV_STR("R"), REPLACED, 7);
    rv_batch_node(batch, &before);
    for (uint32_t i = 0; i < COUNT; i++) {
        hit.index = (i * 5) % COUNT; /* not in their order */
        hit.id = rv_arena_printf(&w->arena, "n%u", hit.index);
        hit.ended_ms = 1790000000000 + hit.index;
        hit.log_last = i == 2 ? 0 : UINT64_MAX; /* it wrote something: a row as any other */
        hit.run = i < 20 ? RV_STR("R") : RV_STR("S");
        rv_batch_node(batch, &hit);
    }
    submit_done(w->store, batch, 1);
    assert_str(ask(w, "SELECT kind, state, detail, root, attempts, epoch, error, result, ready_ms, started_ms, due_ms, log_last, count(*) "
                      "FROM node GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 ORDER BY log_last"),
               "[\"shell\",\"succeeded\",\"cache\",\"\",0,0,\"\",\"\",0,0,0,-1,36]\n"
               "[\"shell\",\"succeeded\",\"cache\",\"\",0,0,\"\",\"\",0,0,0,0,1]\n");
    assert_str(ask(w, "SELECT count(*), sum(id = 'n' || \"index\"), sum(ended_ms = 1790000000000 + \"index\"), sum(run = 'R') FROM node"),
               "[37,37,37,20]\n");
}

/* One row for each word of every list, written by the store and read as people read it. */
static void schema__words_are_those_of_the_lists(void **state) {
    world *w = *state;
    for (uint32_t n = 0; n < RV_DETAIL_COUNT; n++) {
        rv_batch *batch = rv_batch_new(0);
        rv_run_row run = sample_run(&w->arena, RV_STR("R"), n);
        rv_task_row task = sample_task(&w->arena, rv_arena_printf(&w->arena, "T%u", n), 1, n);
        rv_node_row node = sample_node(&w->arena, RV_STR("R"), 3, n);
        rv_attempt_row attempt = sample_attempt(&w->arena, RV_STR("R"), 3, 1, n);
        rv_blocker_row blocker = sample_blocker(&w->arena, RV_STR("R"), RV_STR("k"), n);
        rv_batch_run(batch, &run);
        rv_batch_task(batch, &task);
        rv_batch_node(batch, &node);
        rv_batch_attempt(batch, &attempt);
        rv_batch_blocker(batch, &blocker);
        submit_done(w->store, batch, n + 1);
        char want[400];
        (void)snprintf(want, sizeof want, "[\"%s\",\"%s\",\"%s\",\"%s\",\"%s\",\"%s\",\"%s\",\"%s\",\"%s\"]\n",
                       rv_run_state_name(run.status), rv_interaction_name(run.interaction), rv_task_state_name(task.state),
                       rv_kind_name(node.kind), rv_node_state_name(node.state), rv_detail_name(node.detail),
                       rv_attempt_state_name(attempt.state), rv_detail_name(attempt.detail),
                       rv_blocker_state_name(blocker.state));
        rv_str got = ask(w, "SELECT r.status, r.interaction, (SELECT state FROM task ORDER BY rowid DESC LIMIT 1), n.kind, "
                            "n.state, n.detail, a.state, "
                            "a.detail, b.state FROM run r, node n, attempt a, blocker b");
        if (!rv_str_is(got, want))
            fail_msg("%.*s instead of %s", RV_FMT(got), want);
    }
}

static void schema__a_word_outside_its_list_is_refused(void **state) {
    world *w = *state;
    schema__words_are_those_of_the_lists(state);
    close_store(w);
    char sql[200];
    static const struct { const char *table, *column; int count;
    } numbered[] = {{"run_data", "status", RV_RUN_STATE_COUNT}, {"run_data", "interaction", RV_INTERACTION_COUNT},
                    {"node_data", "kind", RV_KIND_COUNT},       {"node_data", "state", RV_NODE_STATE_COUNT},
                    {"node_data", "detail", RV_DETAIL_COUNT},   {"attempt_data", "state", RV_ATTEMPT_STATE_COUNT},
                    {"attempt_data", "detail", RV_DETAIL_COUNT}};
    for (uint32_t i = 0; i < RV_COUNT(numbered); i++)
        for (int value = -1; value <= numbered[i].count; value++) {
            (void)snprintf(sql, sizeof sql, "UPDATE %s SET %s = %d", numbered[i].table, numbered[i].column, value);
            assert_int_equal(by_hand(w, sql), value < 0 || value == numbered[i].count ? SQLITE_CONSTRAINT : SQLITE_OK);
        }
    assert_int_equal(by_hand(w, "UPDATE task SET state = 'bored'"), SQLITE_CONSTRAINT);
    assert_int_equal(by_hand(w, "UPDATE blocker SET state = 'bored'"), SQLITE_CONSTRAINT);
    assert_int_equal(by_hand(w, "UPDATE node_data SET attempts = 'many'"), SQLITE_CONSTRAINT); /* STRICT */
}

/* ---- the manual ---- */

static rv_str manual_read(rv_arena *arena) {
    FILE *in = fopen(manual_path, "rb");
    assert_non_null(in);
    char *text = rv_arena_alloc(arena, 1 << 20);
    size_t size = fread(text, 1, (1 << 20) - 1, in);
    (void)fclose(in);
    return (rv_str){text, size};
}

static void manual__names_every_table_and_column(void **state) {
    world *w = *state;
    rv_str manual = manual_read(&w->arena);
    rv_str rows = ask(w, "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%'");
    uint32_t tables = 0;
    for (rv_str line; rows.size; rows = rv_str_from(rows, line.size + 1), tables++) {
        line = rv_str_cut(rows, 0, rv_str_find(rows, 0, '\n'));
        rv_str name = rv_str_cut(line, 2, line.size - 4); /* ["name"] */
        char heading[100], sql[200];
        (void)snprintf(heading, sizeof heading, "\n## %.*s\n", RV_FMT(name));
        const char *section = strstr(manual.at, heading), *inner = strstr(manual.at, "\n## Behind the views");
        if (!section) { /* a table behind a view: one line of the last section */
            (void)snprintf(heading, sizeof heading, "\n| %.*s |", RV_FMT(name));
            if (!inner || !strstr(inner, heading))
                fail_msg("the manual does not name table %.*s", RV_FMT(name));
            continue;
        }
        const char *end = strstr(section + 1, "\n## ");
        (void)snprintf(sql, sizeof sql, "SELECT name FROM pragma_table_info('%.*s')", RV_FMT(name));
        rv_str columns = ask(w, sql);
        for (rv_str column; columns.size; columns = rv_str_from(columns, column.size + 1)) {
            column = rv_str_cut(columns, 0, rv_str_find(columns, 0, '\n'));
            rv_str word = rv_str_cut(column, 2, column.size - 4);
            bool found = false;
            for (const char *at = section; (at = strstr(at, "\n| ")) && at < end && !found; at++) {
                rv_str cell = {at + 2, rv_str_find((rv_str){at + 2, 400}, 1, '|')}; /* " a, b, c " */
                char list[420], wanted[80];
                (void)snprintf(list, sizeof list, ",%.*s,", RV_FMT(cell));
                for (char *c = list; *c; c++)
                    if (*c == ' ')
                        memmove(c, c + 1, strlen(c)), c--;
                (void)snprintf(wanted, sizeof wanted, ",%.*s,", RV_FMT(word));
                found = strstr(list, wanted) != NULL;
            }
            if (!found)
                fail_msg("the manual does not name column %.*s.%.*s", RV_FMT(name), RV_FMT(word));
        }
    }
    assert_true(tables > 15);
}

static void manual__its_queries_run(void **state) {
    world *w = *state;
    rv_str manual = manual_read(&w->arena);
    uint32_t queries = 0;
    for (const char *at = manual.at; (at = strstr(at, "```sql\n")); queries++) {
        at += 7;
        const char *end = strstr(at, "```");
        (void)ask(w, rv_arena_cstring(&w->arena, (rv_str){at, (size_t)(end - at)}));
        at = end;
    }
    assert_true(queries >= 12);
}

static void manual__says_the_truth_about_searches_by_key(void **state) {
    world *w = *state;
    static const char *const queries[] = {"SELECT * FROM node WHERE run = 'R'", "SELECT * FROM attempt WHERE run = 'R'",
                                          "SELECT * FROM journal WHERE stream = 'run/R'", "SELECT * FROM run WHERE id = 'R'"};
    for (uint32_t i = 0; i < RV_COUNT(queries); i++) {
        char sql[200];
        (void)snprintf(sql, sizeof sql, "EXPLAIN QUERY PLAN %s", queries[i]);
        rv_str plan = ask(w, sql);
        if (strstr(rv_arena_cstring(&w->arena, plan), "SCAN"))
            fail_msg("%s: %.*s", queries[i], RV_FMT(plan));
    }
}

/* ---- databases that are not ours ---- */

static void open_refused(world *w, rv_status want, const char *says) {
    rv_error err;
    w->store = NULL;
    rv_status status = open_again(w, false, &err);
    assert_status(status, want);
    if (!strstr(err.text, says) || !strstr(err.text, w->path))
        fail_msg("says: %s", err.text);
}

static void open__a_changed_migration_is_an_error(void **state) {
    world *w = *state;
    close_store(w);
    assert_int_equal(by_hand(w, "UPDATE migration SET checksum = checksum + 1"), SQLITE_OK);
    open_refused(w, RV_CORRUPT, "migration 1");
    assert_int_equal(by_hand(w, "DELETE FROM migration"), SQLITE_OK);
    open_refused(w, RV_CORRUPT, "migration 1");
}

static void open__a_newer_store_is_unsupported_and_left_alone(void **state) {
    world *w = *state;
    rv_error err;
    close_store(w);
    assert_int_equal(by_hand(w, "PRAGMA user_version = 1000"), SQLITE_OK);
    open_refused(w, RV_UNSUPPORTED, "newer");
    char sql[60];
    (void)snprintf(sql, sizeof sql, "PRAGMA user_version = %u", rv_migration_count);
    assert_int_equal(by_hand(w, sql), SQLITE_OK);
    assert_ok(open_again(w, false, &err), &err);
}

/* A store as the second migration left it, with a run, a node, an attempt and journals: later ones keep them; nothing has spent
 * anything, and the cache settled no node. */
static void open__an_older_store_is_brought_up_to_date_with_its_rows(void **state) {
    world *w = *state;
    rv_error err;
    char sql[300];
    close_store(w);
    assert_int_equal(unlink(w->file), 0);
    for (uint32_t i = 0; i < 2; i++) {
        const rv_migration *m = &rv_migrations[i];
        assert_int_equal(by_hand(w, rv_arena_cstring(&w->arena, m->sql)), SQLITE_OK);
        (void)snprintf(sql, sizeof sql,
                       "INSERT INTO migration VALUES (%u, '%s', %lld, 1); PRAGMA user_version = %u; PRAGMA application_id = %d", m->id,
                       m->name, (long long)rv_hash64(m->sql, m->id), m->id, RV_SQLITE_APPLICATION_ID);
        assert_int_equal(by_hand(w, sql), SQLITE_OK);
    }
    assert_int_equal(by_hand(w, "INSERT INTO name VALUES (1, 'R');"
                                "INSERT INTO run_data VALUES (1, 'default', 'T', 'h', 'n', 1, 3, 2, '', '', '{}', '{}', '{}', '', '', "
                                "5, 6, 7, 0, 1, 1, 0, 0, 0, 9);"
                                "INSERT INTO node_data VALUES (1 << 20, 'a', 0, 4, 9, '', 1, 1, '', '', 5, 6, 7, 0);"
                                "INSERT INTO attempt_data VALUES (1 << 20, 1, 'a', 1, 3, 0, '', '', 0, -1, 0, 0, 6, 7, 0, 0, -1, 0, 0, 0)"),
                     SQLITE_OK);
    assert_int_equal(by_hand(w, "INSERT INTO name VALUES (2, 'run/R'), (3, 'run/S');"
                                "INSERT INTO journal_data VALUES (3, 1, 2, 1, 10, 20, x'5a', 7, 4), (2, 4, 1, 1, 11, 21, x'4142', 8, 5), "
                                "(2, 1, 3, 1, 9, 19, x'', 6, 3); UPDATE batch_data SET last_id = 1, stream = 2"),
                     SQLITE_OK);
    assert_status(open_again(w, true, &err), RV_UNSUPPORTED);
    assert_ok(open_again(w, false, &err), &err);
    assert_str(ask(w, "SELECT id, status, last_seq, cost_usd, tokens, budget_group FROM run"), "[\"R\",\"ok\",9,0,0,\"\"]\n");
    assert_str(ask(w, "SELECT run, node, state, cost_usd, tokens_in FROM attempt"), "[\"R\",\"a\",\"ok\",0,0]\n");
    assert_str(ask(w, "SELECT id, state, log_last FROM node"), "[\"a\",\"succeeded\",-1]\n");
    assert_str(ask(w, "SELECT first_seq, event_count, wall_ms, engine_ms, hex(body), checksum, batch FROM journal "
                      "WHERE stream = 'run/R' ORDER BY first_seq"),
               "[1,3,9,19,\"\",6,3]\n[4,1,11,21,\"4142\",8,5]\n");
    assert_str(ask(w, "SELECT stream, first_seq, hex(body) FROM journal WHERE stream <> 'run/R'"), "[\"run/S\",1,\"5A\"]\n");
    assert_str(ask(w, "SELECT last_id FROM batch"), "[5]\n");
    char last[32];
    (void)snprintf(last, sizeof last, "[%u]\n", rv_migration_count);
    assert_str(ask(w, "SELECT max(id) FROM migration"), last);
}

/* A new store is laid out by the build; one that SQLite makes, as where a file of no bytes was left, applies every migration. */
static void open__a_new_store_is_what_the_migrations_make(void **state) {
    world *w = *state;
    rv_error err;
    static const char *const questions[] = {
        "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name", "SELECT id, name, checksum FROM migration ORDER BY id",
        "SELECT * FROM batch_data", "SELECT count(*) FROM migration WHERE applied_ms < 1700000000000", "PRAGMA user_version",
        "PRAGMA application_id", "PRAGMA page_size", "PRAGMA journal_mode", "PRAGMA encoding", "PRAGMA integrity_check"};
    rv_str laid_out[RV_COUNT(questions)];
    close_store(w);
    for (uint32_t i = 0; i < RV_COUNT(questions); i++) {
        laid_out[i] = read_by_hand(w, questions[i]);
        assert_true(laid_out[i].size > 0);
    }
    FILE *out = fopen(w->file, "wb");
    assert_int_equal(fclose(out), 0);
    assert_ok(open_again(w, false, &err), &err);
    close_store(w);
    for (uint32_t i = 0; i < RV_COUNT(questions); i++) {
        rv_str made = read_by_hand(w, questions[i]);
        if (!rv_str_eq(made, laid_out[i]))
            fail_msg("%s\nlaid out: %.*s\nby migrations: %.*s", questions[i], RV_FMT(laid_out[i]), RV_FMT(made));
    }
}

/* Its maker died before it could say when it was. */
static void open__a_store_without_a_date_gets_the_one_of_who_comes(void **state) {
    world *w = *state;
    rv_error err;
    close_store(w);
    assert_int_equal(by_hand(w, "UPDATE migration SET applied_ms = 0"), SQLITE_OK);
    assert_ok(open_again(w, true, &err), &err);
    close_store(w);
    assert_ok(open_again(w, false, &err), &err);
    assert_str(ask(w, "SELECT count(*) FROM migration WHERE applied_ms < 1700000000000"), "[0]\n");
}

/* A limit on the size of files stands for a full disk; what a maker left that died half-way is no hindrance. */
static void open__a_store_that_cannot_be_made_leaves_nothing_and_is_made_later(void **state) {
    world *w = *state;
    rv_error err;
    char unnamed[400];
    struct rlimit before, small;
    close_store(w);
    assert_int_equal(unlink(w->file), 0);
    (void)snprintf(unnamed, sizeof unnamed, "%s.new", w->file);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = (struct rlimit){.rlim_cur = 10000, .rlim_max = before.rlim_max};
    void (*action)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    open_refused(w, RV_STORE_IO, "too large");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, action);
    assert_int_equal(access(w->file, F_OK), -1);
    assert_int_equal(access(unnamed, F_OK), -1);
    FILE *out = fopen(unnamed, "wb");
    for (int i = 0; i < 90000; i++)
        (void)fputc(i & 0xff, out);
    assert_int_equal(fclose(out), 0);
    assert_ok(open_again(w, false, &err), &err);
    assert_int_equal(access(unnamed, F_OK), -1);
    close_store(w);
    assert_str(read_by_hand(w, "PRAGMA integrity_check"), "ok|");
}

/* Whoever comes first makes it; the others find it, open it after each other or say who has it. */
static void open__many_processes_make_one_store(void **state) {
    world *w = *state;
    rv_error err;
    pid_t pids[4];
    for (int round = 0; round < 3; round++) {
        int go[2];
        close_store(w);
        assert_int_equal(unlink(w->file), 0);
        assert_int_equal(pipe(go), 0);
        for (uint32_t i = 0; i < RV_COUNT(pids); i++)
            if ((pids[i] = fork()) == 0) {
                char byte;
                close(go[1]);
                if (read(go[0], &byte, 1) != 0)
                    _exit(2);
                rv_status status = open_again(w, false, &err);
                if (!status)
                    status = rv_store_close(w->store, &err);
                _exit(status && status != RV_CONFLICT);
            }
        close(go[0]), close(go[1]); /* the end of the pipe is the word to go */
        for (uint32_t i = 0; i < RV_COUNT(pids); i++) {
            int status;
            assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
            assert_int_equal(status, 0);
        }
        assert_ok(open_again(w, false, &err), &err);
        char last[32];
        (void)snprintf(last, sizeof last, "[%u]\n", rv_migration_count);
        assert_str(ask(w, "SELECT max(id) FROM migration"), last);
        close_store(w);
        assert_str(read_by_hand(w, "PRAGMA integrity_check"), "ok|");
        assert_ok(open_again(w, false, &err), &err);
    }
}

static void open__a_link_in_the_place_of_a_new_store_is_not_followed(void **state) {
    world *w = *state;
    rv_error err;
    char path[300], file[340], link[340], other[300], text[8] = {0};
    (void)snprintf(path, sizeof path, "%s/linked", w->folder);
    (void)snprintf(file, sizeof file, "%s/reeve.db", path);
    (void)snprintf(link, sizeof link, "%s/reeve.db.new", path);
    (void)snprintf(other, sizeof other, "%s/other", w->folder);
    FILE *out = fopen(other, "w");
    assert_true(out && fputs("others", out) >= 0 && fclose(out) == 0);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(symlink(other, link), 0);
    rv_store *store;
    rv_store_config config = {.path = path};
    assert_ok(rv_store_open_sqlite(&config, &store, &err), &err);
    assert_ok(rv_store_close(store, &err), &err);
    FILE *in = fopen(other, "r");
    assert_true(in && fread(text, 1, sizeof text - 1, in) == 6 && fclose(in) == 0);
    assert_string_equal(text, "others");
    struct stat info;
    assert_true(lstat(file, &info) == 0 && S_ISREG(info.st_mode));
    assert_int_not_equal(lstat(link, &info), 0);
}

static void open__what_is_no_store_is_corrupt(void **state) {
    world *w = *state;
    close_store(w);
    assert_int_equal(unlink(w->file), 0);
    assert_int_equal(by_hand(w, "CREATE TABLE other (x)"), SQLITE_OK);
    open_refused(w, RV_CORRUPT, "not a Reeve store");
    FILE *out = fopen(w->file, "wb");
    for (int i = 0; i < 5000; i++)
        assert_true(fputc(i * 7 & 0xff, out) != EOF);
    assert_int_equal(fclose(out), 0);
    open_refused(w, RV_CORRUPT, "not a Reeve store");
}

static void open__a_file_in_the_place_of_the_folder_is_said(void **state) {
    world *w = *state;
    close_store(w);
    (void)snprintf(w->path, sizeof w->path, "%s/file", w->folder);
    FILE *out = fopen(w->path, "wb");
    assert_int_equal(fclose(out), 0);
    open_refused(w, RV_STORE_IO, "file of that name");
    (void)snprintf(w->path, sizeof w->path, "%s/no/such/parent", w->folder);
    open_refused(w, RV_STORE_IO, "No such file");
}

static void open__another_process_is_kept_out(void **state) {
    world *w = *state;
    rv_error err;
    close_store(w);
    int ready[2], over[2];
    char byte = 0;
    assert_true(pipe(ready) == 0 && pipe(over) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        if (open_again(w, false, &err) || write(ready[1], &byte, 1) != 1)
            _exit(1);
        _exit(read(over[0], &byte, 1) == 1 ? 0 : 1);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    open_refused(w, RV_CONFLICT, "another process");
    assert_int_equal(write(over[1], &byte, 1), 1);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_ok(open_again(w, false, &err), &err);
    for (int i = 0; i < 2; i++)
        close(ready[i]), close(over[i]);
}

static void open__read_only_reads_and_refuses_to_write(void **state) {
    world *w = *state;
    rv_error err;
    rv_str value;
    rv_batch *batch = rv_batch_new(0);
    rv_batch_meta(batch, RV_STR("k"), RV_STR("v"));
    submit_done(w->store, batch, 1);
    close_store(w);
    assert_ok(open_again(w, true, &err), &err);
    assert_ok(rv_store_meta(w->store, &w->arena, RV_STR("k"), &value, &err), &err);
    assert_str(value, "v");
    rv_store_result result = submit_wait(w->store, rv_batch_new(0), 2);
    assert_int_equal(result.outcome, RV_OUTCOME_FAILED);
    assert_status(result.error.status, RV_DENIED);
    assert_ok(rv_store_recover(w->store, &err), &err);
    assert_int_equal(submit_wait(w->store, rv_batch_new(0), 3).outcome, RV_OUTCOME_FAILED);
    close_store(w);
    (void)snprintf(w->path, sizeof w->path, "%s/nowhere", w->folder);
    assert_status(open_again(w, true, &err), RV_NOT_FOUND);
    assert_int_equal(access(w->path, F_OK), -1); /* and nothing was made */
}

static void open__the_folder_is_private_and_holds_no_shared_memory(void **state) {
    world *w = *state;
    struct stat info;
    char shared[400];
    assert_int_equal(stat(w->path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
    (void)snprintf(shared, sizeof shared, "%s-shm", w->file);
    assert_int_equal(access(shared, F_OK), -1);
}

static void copy_by_hand(const char *from, const char *to) {
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    int byte;
    assert_true(in && out);
    while ((byte = fgetc(in)) != EOF)
        (void)fputc(byte, out);
    assert_int_equal(fclose(in), 0);
    assert_int_equal(fclose(out), 0);
}

static void set_meta(world *w, uint64_t batch_id, const char *value) {
    rv_batch *batch = rv_batch_new(0);
    rv_batch_meta(batch, RV_STR("k"), rv_str_of(value));
    submit_done(w->store, batch, batch_id);
}

/* A batch that does not fit into SQLite's cache is written to the log before its end, and pages of it twice; SQLite then writes the
 * checksums of its frames anew, behind the last frame. It is written when it is said to be: the process that wrote it may die at once. */
static void written__a_batch_larger_than_the_cache_outlives_its_process(void **state) {
    enum { ROWS = 40000 };
    world *w = *state;
    rv_error err;
    close_store(w);
    pid_t pid = fork();
    if (pid == 0) {
        rv_store_config config = {.path = w->path, .sync_delay_ms = 3600000};
        if (rv_store_open_sqlite(&config, &w->store, &err))
            _exit(1);
        rv_batch *batch = rv_batch_new(0);
        for (uint32_t i = 0; i < ROWS; i++) {
            uint32_t index = i * 7919u % ROWS; /* a prime: each once, far from the one before */
            rv_node_row node = sample_node(&w->arena, RV_STR("R"), index, index);
            rv_batch_node(batch, &node);
        }
        submit_done(w->store, batch, 1);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_ok(open_again(w, false, &err), &err);
    assert_str(ask(w, "SELECT count(*), (SELECT last_id FROM batch) FROM node"), "[40000,1]\n");
    close_store(w);
    assert_str(read_by_hand(w, "PRAGMA integrity_check"), "ok|");
    assert_ok(open_again(w, false, &err), &err);
}

/* The log of a closed store keeps its blocks and its name. It says nothing to whoever comes: not beside a backup of the database, and not
 * beside the one that it was of when it is written anew. */
static void close__the_log_stays_and_says_nothing(void **state) {
    world *w = *state;
    rv_error err;
    rv_str value;
    struct stat info;
    char log[400], backup[400];
    (void)snprintf(log, sizeof log, "%s-wal", w->file);
    (void)snprintf(backup, sizeof backup, "%s/backup", w->folder);
    set_meta(w, 1, "first");
    close_store(w);
    copy_by_hand(w->file, backup);
    assert_ok(open_again(w, false, &err), &err);
    for (uint64_t id = 2; id < 200; id++) {
        rv_batch *batch = rv_batch_new(0);
        rv_node_row node = sample_node(&w->arena, RV_STR("R"), (uint32_t)id, id);
        rv_batch_node(batch, &node);
        submit_done(w->store, batch, id);
    }
    set_meta(w, 200, "second");
    close_store(w);
    assert_int_equal(stat(log, &info), 0);
    assert_in_range(info.st_size, 1000, 1 << 20);
    copy_by_hand(backup, w->file);
    assert_str(read_by_hand(w, "PRAGMA integrity_check"), "ok|"); /* removes the log, as any program that ends with it does */
    assert_str(read_by_hand(w, "SELECT value FROM meta WHERE key = 'k'"), "first|");
    assert_ok(open_again(w, false, &err), &err);
    set_meta(w, 2, "other");
    close_store(w);
    assert_int_equal(stat(log, &info), 0);
    copy_by_hand(backup, w->file);
    assert_ok(open_again(w, false, &err), &err);
    assert_ok(rv_store_meta(w->store, &w->arena, RV_STR("k"), &value, &err), &err);
    assert_str(value, "first");
    set_meta(w, 2, "third");
    close_store(w);
    assert_str(read_by_hand(w, "PRAGMA integrity_check"), "ok|");
    assert_str(read_by_hand(w, "SELECT value FROM meta WHERE key = 'k'"), "third|");
    assert_ok(open_again(w, false, &err), &err);
}

/* ---- damage ---- */

static rv_status count_row(void *user, const rv_journal_row *row) {
    ++*(uint32_t *)user;
    return RV_OK;
}

static void damage_found(world *w, const char *sql, const char *says, uint32_t rows_before) {
    rv_error err;
    uint32_t rows = 0;
    close_store(w);
    assert_int_equal(by_hand(w, sql), SQLITE_OK);
    assert_ok(open_again(w, false, &err), &err);
    assert_status(rv_store_journal(w->store, RV_STR("run/R"), 0, count_row, &rows, &err), RV_CORRUPT);
    if (!strstr(err.text, says) || !strstr(err.text, "run/R"))
        fail_msg("says: %s", err.text);
    assert_int_equal(rows, rows_before);
}

static void journal__damage_is_found_and_named(void **state) {
    world *w = *state;
    rv_error err;
    uint64_t seq;
    rv_str body;
    for (uint64_t i = 1; i <= 9; i++) {
        rv_batch *batch = rv_batch_new(0);
        rv_batch_append(batch, RV_STR("run/R"), i * 2 - 1, 2, sample_now(i), RV_STR("body"));
        rv_batch_snapshot(batch, RV_STR("run/R"), i * 2, RV_STR("state"));
        submit_done(w->store, batch, i);
    }
    damage_found(w, "UPDATE journal_data SET wall_ms = wall_ms + 1 WHERE first_seq = 17", "17", 8);
    damage_found(w, "UPDATE journal_data SET body = x'626f647a' WHERE first_seq = 13", "13", 6);
    damage_found(w, "UPDATE journal_data SET checksum = 1 WHERE first_seq = 9", "9", 4);
    damage_found(w, "DELETE FROM journal_data WHERE first_seq = 5", "gap", 2);
    damage_found(w, "UPDATE journal_data SET event_count = 1 WHERE first_seq = 1", "1", 0);
    close_store(w);
    assert_int_equal(by_hand(w, "UPDATE snapshot_data SET body = x'7374617461'"), SQLITE_OK);
    assert_ok(open_again(w, false, &err), &err);
    assert_status(rv_store_snapshot(w->store, &w->arena, RV_STR("run/R"), &seq, &body, &err), RV_CORRUPT);
}

int main(int argc, char **argv) {
    manual_path = argc > 1 ? argv[1] : "docs/schema.md";
#define T(name_) cmocka_unit_test_setup_teardown(name_, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(schema__columns_are_the_fields_of_the_structs),
        T(schema__rows_of_hits_say_what_rows_of_any_node_say),
        T(schema__words_are_those_of_the_lists),
        T(schema__a_word_outside_its_list_is_refused),
        T(manual__names_every_table_and_column),
        T(manual__its_queries_run),
        T(manual__says_the_truth_about_searches_by_key),
        T(open__a_changed_migration_is_an_error),
        T(open__a_newer_store_is_unsupported_and_left_alone),
        T(open__an_older_store_is_brought_up_to_date_with_its_rows),
        T(open__a_new_store_is_what_the_migrations_make),
        T(open__a_store_without_a_date_gets_the_one_of_who_comes),
        T(open__a_store_that_cannot_be_made_leaves_nothing_and_is_made_later),
        T(open__many_processes_make_one_store),
        T(open__a_link_in_the_place_of_a_new_store_is_not_followed),
        T(open__what_is_no_store_is_corrupt),
        T(open__a_file_in_the_place_of_the_folder_is_said),
        T(open__another_process_is_kept_out),
        T(open__read_only_reads_and_refuses_to_write),
        T(open__the_folder_is_private_and_holds_no_shared_memory),
        T(written__a_batch_larger_than_the_cache_outlives_its_process),
        T(close__the_log_stays_and_says_nothing),
        T(journal__damage_is_found_and_named),
    };
    return cmocka_run_group_tests_name("schema", tests, NULL, NULL);
}
