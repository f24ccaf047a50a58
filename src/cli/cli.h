/* cli.h: what verbs share: how they speak of errors, how they reach a store, how they read its rows. */
#ifndef RV_CLI_H
#define RV_CLI_H

#include "base/json.h"
#include "cli/options.h"
#include "cli/ui.h"
#include "lib/client.h"
#include "spec/spec.h"

#define RV_JSON_SHAPE_VERSION 1 /* "v" of every --json shape; docs/json.md */

/* ---- errors: `reeve: what; what to do` on standard error, or with --json one object on standard output:
 * {"v":1,"error":{"status":"NOT_FOUND","exit":3,"text":"…"}}. Each returns the exit status. ---- */
int rv_cli_fail(const rv_args *args, const rv_error *err);
int rv_cli_failf(const rv_args *args, rv_status status, const char *fmt, ...) RV_PRINTF(3, 4);
/* A remark that changes nothing, on standard error. */
void rv_cli_note(const char *fmt, ...) RV_PRINTF(1, 2);

/* Begin a --json document: `{"v":1`, open for more keys. rv_cli_json_end closes it and writes it to standard output. */
void rv_cli_json_begin(rv_json_writer *w, rv_buf *out);
void rv_cli_json_end(rv_json_writer *w);

/* ---- files ---- */
/* The whole of a file appended to `out`. NOT_FOUND, DENIED, INVALID (a directory), LIMIT (over 256 MiB), IO; err names the path and what
 * to do. "-" reads standard input. */
RV_MUST_USE rv_status rv_cli_read_file(const char *path, rv_buf *out, rv_error *err);
/* Write a whole file, through a temporary name beside it. IO: err names the path; the old file is as it was. */
RV_MUST_USE rv_status rv_cli_write_file(const char *path, rv_str bytes, rv_error *err);
/* The workflow that a verb means: `word` if not NULL, else reeve.yaml in this directory or the nearest parent [W30]. Appends an
 * absolute path. NOT_FOUND: err says where it looked. */
RV_MUST_USE rv_status rv_cli_find_file(const char *word, rv_buf *out, rv_error *err);
/* The store that a run of the workflow at `file` (absolute; NULL: none, this directory) uses: --store, $REEVE_STORE, or `.reeve` beside
 * it. Appends an absolute path; nothing is opened or made. `option` may be NULL. */
RV_MUST_USE rv_status rv_cli_store_for(const char *option, const char *file, rv_buf *out, rv_error *err);
bool rv_cli_is_json_file(const char *path); /* by its extension */

/* ---- a store, for verbs that look or decide ---- */
typedef struct rv_session {
    rv_client *client;
    rv_buf run;      /* the full id of the run that the words mean; NUL-terminated */
    rv_arena arena;  /* what queries return */
} rv_session; /* {0} */
/* Open the store that --store, $REEVE_STORE or this directory mean, and find the run named `run_word` (NULL: none wanted). */
RV_MUST_USE rv_status rv_session_open(const rv_args *args, bool wants_run, const char *run_word, rv_session *ret, rv_error *err);
void rv_session_close(rv_session *session);
/* ` --store DIR`, shell-quoted, when the verb was given --store; for lines to paste. */
void rv_cli_store_option(const rv_args *args, rv_buf *out);

/* Rows of a query, one after the other; texts live in the session's arena. */
#define RV_ROW_CELLS_MAX 40
typedef struct rv_rows { const rv_json *columns, *next; uint32_t count; bool is_cut; } rv_rows;
typedef struct rv_row { const rv_json *cells[RV_ROW_CELLS_MAX]; uint32_t count; } rv_row;
/* args: texts bound to ?1 ….  row_max 0: no limit. */
RV_MUST_USE rv_status rv_session_query(rv_session *session, const char *sql, const rv_str *args, uint32_t arg_count, uint64_t row_max,
                                       rv_rows *ret, rv_error *err);
bool rv_rows_next(rv_rows *rows, rv_row *ret); /* false: no more */
rv_str rv_row_str(const rv_row *row, uint32_t column);   /* text of a cell; empty when null */
int64_t rv_row_i64(const rv_row *row, uint32_t column);  /* 0 when null or not an integer */

/* ---- words of the model, the other way round ---- */
rv_node_state rv_cli_node_state(rv_str text); /* PENDING when unknown */

/* `value` of a parameter as --var would give it: strings plain, the rest as JSON. Copied into the arena. */
rv_str rv_cli_json_as_text(rv_arena *arena, const rv_json *value);
/* Split `--var k=v`. INVALID: no `=` or no name. */
RV_MUST_USE rv_status rv_cli_vars(const rv_args *args, rv_arena *arena, rv_param_value **ret, uint32_t *ret_count, rv_error *err);
/* ` --var NAME=…` for each secret parameter of a definition, as JSON: they are never stored, so who resumes a run gives them again. */
void rv_cli_secret_words(rv_str definition, rv_buf *out);
/* Who decides: $USER, else the number of the user. NUL-terminated, static. */
const char *rv_cli_user(void);

extern char **environ;

#endif
