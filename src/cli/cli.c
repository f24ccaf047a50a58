#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/heap.h"

#define FILE_SIZE_MAX (256u << 20) /* [W8] */

/* ---- errors ---- */

int rv_cli_fail(const rv_args *args, const rv_error *err)
{
    int status = rv_status_exit(err->status);
    if (!args || !args->is_json) {
        fprintf(stderr, "reeve: %s\n", err->text[0] ? err->text : rv_status_text(err->status));
        return status;
    }
    rv_buf out = {0};
    rv_json_writer w;
    rv_cli_json_begin(&w, &out);
    rv_jw_key(&w, "error");
    rv_jw_object(&w);
    rv_jw_kv_cstring(&w, "status", rv_status_name(err->status));
    rv_jw_kv_i64(&w, "exit", status);
    rv_jw_kv_cstring(&w, "text", err->text[0] ? err->text : rv_status_text(err->status));
    rv_jw_object_end(&w);
    rv_cli_json_end(&w);
    return status;
}

int rv_cli_failf(const rv_args *args, rv_status status, const char *fmt, ...)
{
    rv_error err = {.status = status};
    va_list list;
    va_start(list, fmt);
    vsnprintf(err.text, sizeof err.text, fmt, list);
    va_end(list);
    return rv_cli_fail(args, &err);
}

void rv_cli_note(const char *fmt, ...)
{
    va_list list;
    va_start(list, fmt);
    fputs("reeve: ", stderr);
    vfprintf(stderr, fmt, list);
    fputc('\n', stderr);
    va_end(list);
}

void rv_cli_json_begin(rv_json_writer *w, rv_buf *out)
{
    rv_json_writer_init(w, out, 0);
    rv_jw_object(w);
    rv_jw_kv_i64(w, "v", RV_JSON_SHAPE_VERSION);
}

void rv_cli_json_end(rv_json_writer *w)
{
    rv_jw_object_end(w);
    rv_buf_byte(w->out, '\n');
    rv_ui_out(rv_buf_str(w->out));
    rv_buf_deinit(w->out);
}

/* ---- files ---- */

static rv_status file_error(const char *path, int error, rv_error *err)
{
    if (error == ENOENT || error == ENOTDIR) return rv_error_set(err, RV_NOT_FOUND, "%s: no such file; check the path", path);
    if (error == EACCES || error == EPERM) return rv_error_set(err, RV_DENIED, "%s: no permission to read it; see `ls -l %s`", path, path);
    return rv_error_set(err, RV_IO, "%s: cannot be read: %s", path, strerror(error));
}

static rv_status read_all(int fd, const char *path, rv_buf *out, rv_error *err)
{
    size_t begin = out->size;
    for (;;) {
        rv_status status = rv_buf_reserve(out, 64 * 1024);
        if (status) return rv_error_set(err, status, "%s: out of memory while reading it", path);
        ssize_t got = read(fd, out->at + out->size, out->capacity - out->size - 1);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return file_error(path, errno, err);
        if (got == 0) return RV_OK;
        rv_buf_extend(out, (size_t)got);
        if (out->size - begin > FILE_SIZE_MAX)
            return rv_error_set(err, RV_LIMIT, "%s: larger than 256 MiB; split the work over several files", path);
    }
}

rv_status rv_cli_read_file(const char *path, rv_buf *out, rv_error *err)
{
    if (strcmp(path, "-") == 0) return read_all(STDIN_FILENO, "standard input", out, err);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) return file_error(path, errno, err);
    struct stat stat;
    rv_status status = RV_OK;
    if (fstat(fd, &stat) != 0) {
        status = file_error(path, errno, err);
    } else if (S_ISDIR(stat.st_mode)) {
        status = rv_error_set(err, RV_INVALID, "%s: is a directory; name the workflow file in it", path);
    } else {
        if (stat.st_size > 0 && stat.st_size <= FILE_SIZE_MAX) status = rv_buf_reserve(out, (size_t)stat.st_size + 64 * 1024 + 1);
        if (status == RV_OK) status = read_all(fd, path, out, err);
    }
    close(fd);
    return status;
}

rv_status rv_cli_write_file(const char *path, rv_str bytes, rv_error *err)
{
    rv_buf temporary = {0};
    rv_buf_printf(&temporary, "%s.%ld.tmp", path, (long)getpid());
    int fd = open(temporary.at, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    int error = fd < 0 ? errno : 0;
    for (size_t at = 0; fd >= 0 && !error && at < bytes.size;) {
        ssize_t written = write(fd, bytes.at + at, bytes.size - at);
        if (written < 0 && errno != EINTR) error = errno;
        if (written > 0) at += (size_t)written;
    }
    if (fd >= 0 && close(fd) != 0 && !error) error = errno;
    if (!error && rename(temporary.at, path) != 0) error = errno;
    if (error && fd >= 0) unlink(temporary.at);
    rv_buf_deinit(&temporary);
    return error ? rv_error_set(err, RV_IO, "%s: cannot be written: %s", path, strerror(error)) : RV_OK;
}

/* `path` made absolute against the working directory, without touching the file system otherwise. */
static rv_status absolute(const char *path, rv_buf *out, rv_error *err)
{
    if (path[0] == '/') return rv_buf_cstring(out, path), RV_OK;
    char here[PATH_MAX];
    if (!getcwd(here, sizeof here)) return rv_error_set(err, RV_IO, "the current directory cannot be named: %s", strerror(errno));
    while (path[0] == '.' && path[1] == '/') {
        path += 2;
        while (path[0] == '/') path++;
    }
    rv_buf_printf(out, "%s/%s", strcmp(here, "/") == 0 ? "" : here, path);
    return RV_OK;
}

rv_status rv_cli_find_file(const char *word, rv_buf *out, rv_error *err)
{
    if (word) {
        char *resolved = realpath(word, NULL);
        if (!resolved) return absolute(word, out, err); /* reading it says what is wrong */
        rv_buf_cstring(out, resolved);
        free(resolved);
        return RV_OK;
    }
    char here[PATH_MAX];
    if (!getcwd(here, sizeof here)) return rv_error_set(err, RV_IO, "the current directory cannot be named: %s", strerror(errno));
    for (char *end = here + strlen(here); end; end = strrchr(here, '/')) {
        *end = 0;
        size_t begin = out->size;
        rv_buf_printf(out, "%s/reeve.yaml", here);
        if (access(out->at + begin, F_OK) == 0) return RV_OK;
        out->size = begin;
    }
    return rv_error_set(err, RV_NOT_FOUND,
                        "there is no reeve.yaml in this directory or above it; name a file, or make one with `reeve init`");
}

rv_status rv_cli_store_for(const char *option, const char *file, rv_buf *out, rv_error *err)
{
    const char *from_environment = getenv("REEVE_STORE");
    if (option && option[0]) return absolute(option, out, err);
    if (from_environment && from_environment[0]) return absolute(from_environment, out, err);
    if (!file) return absolute(".reeve", out, err);
    const char *slash = strrchr(file, '/');
    RV_ASSERT(slash);
    rv_buf_add(out, file, (size_t)(slash - file));
    rv_buf_cstring(out, "/.reeve");
    return RV_OK;
}

bool rv_cli_is_json_file(const char *path)
{
    return rv_str_ends(rv_str_of(path), RV_STR(".json"));
}

/* ---- sessions ---- */

rv_status rv_session_open(const rv_args *args, bool wants_run, const char *run_word, rv_session *ret, rv_error *err)
{
    rv_buf store = {0};
    rv_heap_fill();
    rv_status status = rv_store_locate(rv_args_value(args, "store"), NULL, &store, err);
    if (status == RV_OK) status = rv_client_open(store.at, &ret->client, err);
    if (status == RV_OK && wants_run) status = rv_client_find_run(ret->client, run_word, &ret->run, err);
    rv_buf_deinit(&store);
    if (status) rv_session_close(ret);
    return status;
}

void rv_session_close(rv_session *session)
{
    rv_client_close(session->client);
    rv_buf_deinit(&session->run);
    rv_arena_deinit(&session->arena);
    *session = (rv_session){0};
}

void rv_cli_store_option(const rv_args *args, rv_buf *out)
{
    const char *store = rv_args_value(args, "store");
    if (!store) return;
    rv_buf_cstring(out, " --store ");
    rv_ui_shell_word(out, rv_str_of(store));
}

rv_status rv_session_query(rv_session *session, const char *sql, const rv_str *args, uint32_t arg_count, uint64_t row_max, rv_rows *ret,
                           rv_error *err)
{
    const rv_json *answer = NULL;
    rv_status status = rv_client_query(session->client, &session->arena, sql, args, arg_count, row_max, &answer, err);
    if (status) return status;
    const rv_json *rows = rv_json_get(answer, RV_STR("rows")), *cut = rv_json_get(answer, RV_STR("cut"));
    ret->columns = rv_json_get(answer, RV_STR("columns"));
    ret->next = rows ? rows->child : NULL;
    ret->count = rows ? rows->count : 0;
    ret->is_cut = cut && cut->kind == RV_JSON_TRUE;
    return RV_OK;
}

bool rv_rows_next(rv_rows *rows, rv_row *ret)
{
    if (!rows->next) return false;
    ret->count = 0;
    for (const rv_json *cell = rows->next->child; cell && ret->count < RV_ROW_CELLS_MAX; cell = cell->next) ret->cells[ret->count++] = cell;
    rows->next = rows->next->next;
    return true;
}

rv_str rv_row_str(const rv_row *row, uint32_t column)
{
    if (column >= row->count || row->cells[column]->kind == RV_JSON_NULL) return (rv_str){0};
    return row->cells[column]->text;
}

int64_t rv_row_i64(const rv_row *row, uint32_t column)
{
    int64_t value = 0;
    if (column >= row->count || !rv_json_i64(row->cells[column], &value)) return 0;
    return value;
}

/* ---- words and values ---- */

rv_node_state rv_cli_node_state(rv_str text)
{
    for (uint32_t i = 0; i < RV_NODE_STATE_COUNT; i++)
        if (rv_str_is(text, rv_node_state_name((rv_node_state)i))) return (rv_node_state)i;
    return RV_NODE_PENDING;
}

rv_str rv_cli_json_as_text(rv_arena *arena, const rv_json *value)
{
    if (value->kind == RV_JSON_STRING) return rv_arena_str(arena, value->text);
    rv_buf text = {0};
    rv_json_write(&text, value, false);
    rv_str copy = rv_arena_str(arena, rv_buf_str(&text));
    rv_buf_deinit(&text);
    return copy;
}

rv_status rv_cli_vars(const rv_args *args, rv_arena *arena, rv_param_value **ret, uint32_t *ret_count, rv_error *err)
{
    rv_param_value *vars = rv_arena_new(arena, rv_param_value, args->items.count + 1);
    uint32_t count = 0, index = 0;
    for (const char *text; (text = rv_args_next(args, "var", &index));) {
        rv_str word = rv_str_of(text);
        size_t equals = rv_str_find(word, 0, '=');
        if (equals == SIZE_MAX || equals == 0)
            return rv_error_set(err, RV_INVALID, "--var %s has no value; write it as --var name=value", text);
        vars[count++] = (rv_param_value){rv_str_cut(word, 0, equals), rv_str_from(word, equals + 1)};
    }
    *ret = vars;
    *ret_count = count;
    return RV_OK;
}

void rv_cli_secret_words(rv_str definition, rv_buf *out)
{
    rv_arena arena = {0};
    rv_json *root = NULL;
    rv_error ignored;
    const rv_json *params = NULL;
    if (rv_json_parse(&arena, definition, &root, &ignored) == RV_OK) params = rv_json_get(root, RV_STR("params"));
    for (const rv_json *param = params ? params->child : NULL; param; param = param->next) {
        const rv_json *is_secret = rv_json_get(param, RV_STR("secret"));
        if (!is_secret || is_secret->kind != RV_JSON_TRUE) continue;
        rv_buf_printf(out, " --var %.*s=%s", RV_FMT(param->key), rv_ui_get()->is_utf8 ? "…" : "...");
    }
    rv_arena_deinit(&arena);
}

const char *rv_cli_user(void)
{
    static char number[32];
    const char *name = getenv("USER");
    if (name && name[0]) return name;
    snprintf(number, sizeof number, "uid %u", (unsigned)getuid());
    return number;
}
