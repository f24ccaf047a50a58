#include "lib/client.h"

#include "engine/cache.h"
#include "engine/engine.h"
#include "lib/control.h"
#include "lib/history.h"
#include "lib/leftovers.h"
#include "lib/owner.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

/* Reach a store: through its owner when one answers, else by becoming its owner for as long as the client is open. */

struct rv_client {
    char *dir;
    int fd;                /* to the owner; -1: we own it */
    rv_buf in;
    size_t in_searched;    /* bytes of it that hold no end of a line */
    int lock_fd;
    rv_store *store;
    rv_cache_source source; /* of entries of the owner's cache */
};

/* ---- finding the store ---- */

static bool is_dir(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static void beside(const char *file, rv_buf *out)
{
    const char *slash = strrchr(file, '/');
    if (slash) rv_buf_add(out, file, (size_t)(slash - file) + 1);
    rv_buf_cstring(out, ".reeve");
}

rv_status rv_store_locate(const char *option, const char *file, rv_buf *out, rv_error *err)
{
    const char *variable = getenv("REEVE_STORE");
    char here[4096];
    if (option || (variable && variable[0])) {
        rv_buf_cstring(out, option ? option : variable);
        return RV_OK;
    }
    if (file) {
        beside(file, out);
        return RV_OK;
    }
    if (!getcwd(here, sizeof here)) return rv_error_set(err, RV_IO, "cannot tell the current directory: %s", strerror(errno));
    for (char *end = here + strlen(here);;) {
        rv_buf path = {0};
        rv_buf_printf(&path, "%.*s/.reeve", (int)(end - here), here);
        bool found = is_dir(path.at);
        if (found) rv_buf_str_add(out, rv_buf_str(&path));
        rv_buf_deinit(&path);
        if (found) return RV_OK;
        if (end == here) break;
        while (end > here && *--end != '/') {}
    }
    return rv_error_set(err, RV_NOT_FOUND,
                        "no store: neither --store nor $REEVE_STORE is given, and there is no .reeve in %s or above it", here);
}

/* ---- the owner's socket ---- */

/* UNAVAILABLE: it takes no connections; DENIED: none of ours. */
static rv_status connect_owner(rv_client *client, const rv_owner *owner, rv_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval patience = {.tv_sec = 1};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", owner->socket);
    client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (client->fd < 0) return rv_error_set(err, RV_IO, "cannot make a socket: %s", strerror(errno));
    setsockopt(client->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(client->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (connect(client->fd, (struct sockaddr *)&address, sizeof address) == 0) return RV_OK;
    int number = errno;
    close(client->fd);
    client->fd = -1;
    if (number == EACCES || number == EPERM)
        return rv_error_set(err, RV_DENIED, "the store %s is owned by process %lld (%s), which answers its own user only; ask as that "
                            "user, or when it has ended", client->dir, (long long)owner->pid, owner->command);
    return rv_error_set(err, RV_UNAVAILABLE, "process %lld (%s) owns the store but does not answer on %s: %s",
                        (long long)owner->pid, owner->command, owner->socket, strerror(number));
}

static rv_status send_all(rv_client *client, rv_str bytes, rv_error *err)
{
    while (bytes.size) {
        ssize_t size = send(client->fd, bytes.at, bytes.size, MSG_NOSIGNAL);
        if (size < 0 && errno == EINTR) continue;
        if (size <= 0) return rv_error_set(err, RV_UNAVAILABLE, "the owner of the store closed the connection");
        bytes = rv_str_from(bytes, (size_t)size);
    }
    return RV_OK;
}

static rv_status receive_line(rv_client *client, bool waits, rv_buf *out, rv_error *err)
{
    char bytes[16384];
    for (;;) {
        size_t end = rv_str_find(rv_buf_str(&client->in), client->in_searched, '\n');
        client->in_searched = end == SIZE_MAX ? client->in.size : 0;
        if (end != SIZE_MAX) {
            rv_buf_add(out, client->in.at, end);
            memmove(client->in.at, client->in.at + end + 1, client->in.size - end - 1);
            client->in.size -= end + 1;
            return RV_OK;
        }
        ssize_t size = recv(client->fd, bytes, sizeof bytes, 0);
        if (size > 0) rv_buf_add(&client->in, bytes, (size_t)size);
        else if (size < 0 && (errno == EINTR || ((errno == EAGAIN || errno == EWOULDBLOCK) && waits))) continue;
        else if (size < 0) return rv_error_set(err, RV_UNAVAILABLE, "the owner of the store does not answer within a second");
        else return rv_error_set(err, RV_UNAVAILABLE, "the owner of the store closed the connection");
    }
}

static rv_status status_by_name(rv_str name)
{
#define X(name_, text_, http_, exit_) if (rv_str_is(name, #name_)) return RV_##name_;
    RV_STATUS_MAP(X)
#undef X
    return RV_UNAVAILABLE;
}

/* Send a request, parse its answer into `arena`. waits: the owner may take its time. */
static rv_status call(rv_client *client, rv_arena *arena, rv_buf *request, bool waits, rv_json **ret, rv_error *err)
{
    rv_buf line = {0};
    rv_buf_byte(request, '\n');
    rv_status status = send_all(client, rv_buf_str(request), err);
    if (status == RV_OK) status = receive_line(client, waits, &line, err);
    if (status == RV_OK) status = rv_json_parse(arena, rv_arena_str(arena, rv_buf_str(&line)), ret, err);
    rv_buf_deinit(&line);
    if (status != RV_OK) return status;
    const rv_json *error = rv_json_get(*ret, RV_STR("error"));
    if (!error) return RV_OK;
    const rv_json *name = rv_json_get(error, RV_STR("status")), *text = rv_json_get(error, RV_STR("text"));
    return rv_error_set(err, name ? status_by_name(name->text) : RV_UNAVAILABLE, "%.*s", RV_FMT(text ? text->text : RV_STR("")));
}

static void begin(rv_json_writer *w, rv_buf *request, const char *op)
{
    rv_json_writer_init(w, request, 0);
    rv_jw_object(w);
    rv_jw_kv_i64(w, "v", 1);
    rv_jw_kv_cstring(w, "op", op);
}

/* ---- opening ---- */

static rv_status open_own(rv_client *client, rv_error *err)
{
    bool is_to_be_read = (fcntl(client->lock_fd, F_GETFL) & O_ACCMODE) == O_RDONLY; /* rv_owner_lock could get no more */
    rv_store_config config = {.path = client->dir, .read_only = is_to_be_read};
    rv_status status = rv_store_check_whole(client->dir, err);
    return status == RV_OK ? rv_store_open_sqlite(&config, &client->store, err) : status;
}

/* A socket takes connections for as long as anything of its owner is there; only an answer says that it is alive.
 * TIMEOUT: no word within a second; else as connect_owner. Unless OK the connection is closed. */
static rv_status ask_owner(rv_client *client, const rv_owner *owner, rv_error *err)
{
    rv_buf answer = {0};
    rv_status status = connect_owner(client, owner, err);
    if (status != RV_OK) return status;
    struct pollfd wait = {.fd = client->fd, .events = POLLIN};
    status = send_all(client, RV_STR("{\"v\":1,\"op\":\"ping\"}\n"), err);
    if (status == RV_OK && poll(&wait, 1, 1000) == 0) status = RV_TIMEOUT;
    if (status == RV_OK) status = receive_line(client, false, &answer, err);
    rv_buf_deinit(&answer);
    if (status == RV_OK) return RV_OK;
    close(client->fd);
    client->fd = -1;
    rv_buf_clear(&client->in);
    client->in_searched = 0;
    return status;
}

rv_status rv_client_open(const char *store_dir, rv_client **ret, rv_error *err)
{
    rv_owner owner = {0};
    struct stat info;
    rv_buf database = {0};
    rv_buf_printf(&database, "%s/reeve.db", store_dir);
    int number = stat(database.at, &info) == 0 ? 0 : errno;
    rv_buf_deinit(&database);
    if (number == EACCES)
        return rv_error_set(err, RV_STORE_IO, "the store %s cannot be read: %s; ask as the user whose it is", store_dir, strerror(number));
    if (number)
        return rv_error_set(err, RV_NOT_FOUND, "no store at %s; `reeve run` makes one, --store and $REEVE_STORE choose another",
                            store_dir);
    char *full = realpath(store_dir, NULL);
    rv_client *client = rv_alloc(sizeof *client);
    client->dir = rv_cstring_dup(rv_str_of(full ? full : store_dir));
    free(full);
    client->fd = client->lock_fd = -1;
    rv_status status = RV_CONFLICT;
    bool is_dying = false, is_silent = false;
    /* An owner may end, or another client be quick, meanwhile; one that dies is waited for, since it will not answer. */
    for (int try = 0; try < (is_dying ? 500 : 50) && status == RV_CONFLICT; try++) {
        status = rv_owner_lock(client->dir, 0, true, &client->lock_fd, &owner, err);
        if (status == RV_OK) status = open_own(client, err);
        else if (status == RV_CONFLICT && (is_dying = rv_owner_is_dying(&owner))) usleep(20000);
        else if (status == RV_CONFLICT && is_silent) break;
        else if (status == RV_CONFLICT && owner.socket[0]) {
            rv_status answered = ask_owner(client, &owner, err);
            is_silent = answered == RV_TIMEOUT;
            if (answered == RV_OK) status = RV_OK;
            else if (answered == RV_DENIED) status = err->status = RV_UNAVAILABLE;
            else if (!is_silent) usleep(20000);
        } else if (status == RV_CONFLICT) {
            usleep(20000);
        }
    }
    if (status == RV_CONFLICT)
        status = rv_error_set(err, RV_UNAVAILABLE, "the store %s is owned by process %lld (%s), which does not answer%s", client->dir,
                              (long long)owner.pid, owner.command, is_silent ? " within a second" : "");
    if (status != RV_OK) {
        rv_client_close(client);
        return status;
    }
    *ret = client;
    return RV_OK;
}

void rv_client_close(rv_client *client)
{
    rv_error ignored;
    if (!client) return;
    if (client->store) rv_store_close(client->store, &ignored);
    if (client->fd >= 0) close(client->fd);
    if (client->lock_fd >= 0) close(client->lock_fd);
    rv_buf_deinit(&client->in);
    rv_free(client->dir);
    rv_free(client);
}

const char *rv_client_store(const rv_client *client) { return client->dir; }
bool rv_client_is_remote(const rv_client *client) { return client->fd >= 0; }

/* ---- reading ---- */

/* The store's answer is JSON lines: column names, then a row a line. Make it one tree. */
static rv_status tree_of_lines(rv_arena *arena, rv_str lines, bool is_cut, const rv_json **ret, rv_error *err)
{
    rv_buf text = {0};
    rv_json *tree = NULL;
    size_t end = rv_str_find(lines, 0, '\n');
    rv_buf_cstring(&text, "{\"columns\":");
    rv_buf_str_add(&text, end == SIZE_MAX ? lines : rv_str_cut(lines, 0, end));
    rv_buf_cstring(&text, ",\"rows\":[");
    rv_str rest = end == SIZE_MAX ? (rv_str){NULL, 0} : rv_str_from(lines, end + 1);
    bool is_first = true;
    while (rest.size) {
        size_t line_end = rv_str_find(rest, 0, '\n');
        rv_str line = line_end == SIZE_MAX ? rest : rv_str_cut(rest, 0, line_end);
        rest = line_end == SIZE_MAX ? (rv_str){NULL, 0} : rv_str_from(rest, line_end + 1);
        if (!line.size) continue;
        if (!is_first) rv_buf_byte(&text, ',');
        rv_buf_str_add(&text, line);
        is_first = false;
    }
    rv_buf_printf(&text, "],\"cut\":%s}", is_cut ? "true" : "false");
    rv_status status = rv_json_parse(arena, rv_arena_str(arena, rv_buf_str(&text)), &tree, err);
    rv_buf_deinit(&text);
    if (status == RV_OK) *ret = tree;
    return status;
}

static rv_status query_owner(rv_client *client, rv_arena *arena, const char *sql, const rv_str *args, uint32_t arg_count,
                             uint64_t row_max, rv_str *ret_lines, bool *ret_is_cut, rv_error *err)
{
    rv_buf request = {0};
    rv_json_writer w;
    rv_json *answer = NULL;
    begin(&w, &request, "query");
    rv_jw_kv_cstring(&w, "sql", sql);
    rv_jw_kv_i64(&w, "max", (int64_t)row_max);
    rv_jw_key(&w, "args");
    rv_jw_array(&w);
    for (uint32_t i = 0; i < arg_count; i++) rv_jw_str(&w, args[i]);
    rv_jw_array_end(&w);
    rv_jw_object_end(&w);
    rv_status status = call(client, arena, &request, true, &answer, err);
    rv_buf_deinit(&request);
    if (status != RV_OK) return status;
    const rv_json *lines = rv_json_get(answer, RV_STR("lines")), *cut = rv_json_get(answer, RV_STR("cut"));
    if (!lines) return rv_error_set(err, RV_CORRUPT, "the owner's answer has no lines");
    *ret_lines = lines->text;
    *ret_is_cut = cut && cut->kind == RV_JSON_TRUE;
    return RV_OK;
}

rv_status rv_client_query(rv_client *client, rv_arena *arena, const char *sql, const rv_str *args, uint32_t arg_count,
                          uint64_t row_max, const rv_json **ret, rv_error *err)
{
    rv_str lines = {0};
    rv_buf own = {0};
    bool is_cut = false;
    rv_status status;
    if (client->fd >= 0) {
        status = query_owner(client, arena, sql, args, arg_count, row_max, &lines, &is_cut, err);
    } else {
        status = rv_store_query(client->store, rv_str_of(sql), args, arg_count, row_max, &own, &is_cut, err);
        lines = rv_buf_str(&own);
    }
    if (status == RV_OK) status = tree_of_lines(arena, lines, is_cut, ret, err);
    rv_buf_deinit(&own);
    return status;
}

static rv_status several(const rv_json *rows, const char *word, rv_error *err)
{
    rv_buf list = {0};
    for (const rv_json *row = rows->child; row; row = row->next) rv_buf_printf(&list, " %.*s", RV_FMT(row->child->text));
    rv_error_set(err, RV_INVALID, "%s names several runs:%s; give more of the id", word, list.at);
    rv_buf_deinit(&list);
    return RV_INVALID;
}

rv_status rv_client_find_run(rv_client *client, const char *word, rv_buf *out, rv_error *err)
{
    rv_arena arena = {0};
    const rv_json *table = NULL;
    bool is_latest = !word || strcmp(word, "latest") == 0;
    rv_str arg = rv_str_of(word ? word : "");
    if (!is_latest && arg.size < 3)
        return rv_error_set(err, RV_INVALID, "%s is too short to name a run; give at least 3 characters of its id, or `latest`",
                            word);
    const char *sql = is_latest ? "SELECT id FROM run ORDER BY created_ms DESC, id DESC LIMIT 1"
                                : "SELECT id FROM run WHERE instr(id, ?1) > 0 ORDER BY id = ?1 DESC, created_ms DESC LIMIT 8";
    rv_status status = rv_client_query(client, &arena, sql, &arg, is_latest ? 0 : 1, 8, &table, err);
    if (status == RV_OK) {
        const rv_json *rows = rv_json_get(table, RV_STR("rows"));
        const rv_json *first = rows->child ? rows->child->child : NULL;
        bool is_exact = first && rv_str_eq(first->text, arg);
        if (!first)
            status = rv_error_set(err, RV_NOT_FOUND,
                                  is_latest ? "the store %s has no run yet" : "no run %2$s in %1$s; `reeve ls` lists them",
                                  client->dir, word);
        else if (!is_latest && rows->count > 1 && !is_exact) status = several(rows, word, err);
        else rv_buf_str_add(out, first->text);
    }
    rv_arena_deinit(&arena);
    return status;
}

/* ---- people's words, when nobody drives the run ---- */

typedef struct undriven { rv_loop *loop; rv_status status; rv_error *err; bool is_done; } undriven;

static void on_done(void *user, rv_status status, const rv_error *err)
{
    undriven *u = user;
    u->status = status;
    u->is_done = true;
    if (err && u->err) *u->err = *err;
    rv_loop_stop(u->loop);
}

static void on_failed(void *user, const rv_error *err) { on_done(user, err->status, err); }

static rv_status load_pinned(rv_store *store, rv_str run, rv_spec **ret, rv_error *err)
{
    rv_arena arena = {0};
    rv_run_row row;
    rv_workflow_row workflow;
    rv_problems problems = {0};
    rv_status status = rv_store_run(store, &arena, run, &row, err);
    if (status == RV_OK) status = rv_store_workflow(store, &arena, row.workflow_hash, &workflow, err);
    if (status == RV_OK) {
        rv_spec_input input = {.source = workflow.body, .file = "the pinned workflow", .dir = "/", .is_json = true, .skip_values = true,
                               .has_any_reducer = true};
        status = rv_spec_load(&input, ret, &problems);
        if (status != RV_OK) rv_error_set(err, RV_CORRUPT, "the pinned workflow of run %.*s does not load", RV_FMT(run));
    }
    rv_problems_deinit(&problems);
    rv_arena_deinit(&arena);
    return status == RV_INVALID ? RV_CORRUPT : status;
}

typedef struct word {
    enum { WORD_DECIDE, WORD_ANSWER, WORD_CANCEL, WORD_SIGNAL, WORD_STEER } type;
    rv_str run, key, by, text, digest;
    rv_decision decision;
} word;

static void say(rv_engine *engine, const word *said, undriven *u)
{
    switch (said->type) {
    case WORD_DECIDE:
        rv_engine_decide_shown(engine, said->run, said->key, said->digest, said->decision, said->by, said->text, on_done, u);
        break;
    case WORD_ANSWER: rv_engine_answer(engine, said->run, said->key, said->text, said->by, on_done, u); break;
    case WORD_CANCEL: rv_engine_cancel(engine, said->run, said->by, on_done, u); break;
    case WORD_STEER: rv_engine_steer(engine, said->run, said->key, said->text, said->by, on_done, u); break;
    case WORD_SIGNAL: rv_engine_signal(engine, said->run, said->key, said->text, said->by, on_done, u); break;
    }
}

static rv_status say_undriven(rv_client *client, const word *said, rv_error *err)
{
    undriven u = {.err = err, .status = RV_UNAVAILABLE};
    rv_engine *engine = NULL;
    rv_spec *spec = NULL;
    rv_job *job = NULL;
    rv_status status = rv_loop_new(&u.loop, err);
    if (status != RV_OK) return status;
    rv_engine_config config = {.loop = u.loop, .store = client->store, .root = client->dir, .failed = on_failed, .failed_user = &u};
    status = rv_engine_new(&config, &engine, err);
    if (status == RV_OK) status = load_pinned(client->store, said->run, &spec, err);
    if (status == RV_OK && said->type == WORD_CANCEL) status = rv_leftovers_kill(client->dir, client->store, err);
    if (status == RV_OK) status = rv_engine_load(engine, said->run, spec, &job, err);
    if (status == RV_OK) {
        say(engine, said, &u);
        if (!u.is_done) rv_loop_run(u.loop);
        status = u.status;
    } else {
        rv_spec_free(spec);
    }
    rv_engine_free(engine);
    rv_loop_free(u.loop);
    return status;
}

static rv_status say_owner(rv_client *client, const word *said, rv_error *err)
{
    static const char *const ops[] = {"decide", "answer", "cancel", "signal", "steer"};
    rv_buf request = {0};
    rv_arena arena = {0};
    rv_json_writer w;
    rv_json *answer;
    begin(&w, &request, ops[said->type]);
    rv_jw_kv_str(&w, "run", said->run);
    rv_jw_kv_str(&w, said->type == WORD_SIGNAL ? "name" : "key", said->key);
    rv_jw_kv_str(&w, "by", said->by);
    if (said->type == WORD_STEER) rv_jw_kv_str(&w, "text", said->text);
    if (said->type == WORD_DECIDE) {
        rv_jw_kv_i64(&w, "decision", said->decision);
        rv_jw_kv_str(&w, "comment", said->text);
        if (said->digest.size) rv_jw_kv_str(&w, "digest", said->digest);
    }
    if (said->type == WORD_ANSWER || (said->type == WORD_SIGNAL && said->text.size)) {
        rv_jw_key(&w, "value");
        rv_jw_raw(&w, said->text);
    }
    rv_jw_object_end(&w);
    rv_status status = call(client, &arena, &request, true, &answer, err);
    rv_buf_deinit(&request);
    rv_arena_deinit(&arena);
    return status;
}

static rv_status say_word(rv_client *client, const word *said, rv_error *err)
{
    if (client->fd < 0) return say_undriven(client, said, err);
    return say_owner(client, said, err);
}

rv_status rv_client_decide(rv_client *client, rv_str run, rv_str key, rv_str digest, rv_decision decision, rv_str by, rv_str comment,
                           rv_error *err)
{
    word said = {.type = WORD_DECIDE, .run = run, .key = key, .by = by, .text = comment, .digest = digest, .decision = decision};
    return say_word(client, &said, err);
}

rv_status rv_client_answer(rv_client *client, rv_str run, rv_str key, rv_str value_json, rv_str by, rv_error *err)
{
    rv_arena arena = {0};
    rv_json *value;
    rv_status status = rv_json_parse(&arena, value_json, &value, err);
    rv_arena_deinit(&arena);
    if (status != RV_OK) return rv_error_context(err, "the answer is not JSON");
    return say_word(client, &(word){.type = WORD_ANSWER, .run = run, .key = key, .by = by, .text = value_json}, err);
}

rv_status rv_client_signal(rv_client *client, rv_str run, rv_str name, rv_str value_json, rv_str by, rv_error *err)
{
    rv_arena arena = {0};
    rv_json *value;
    rv_status status = value_json.size ? rv_json_parse(&arena, value_json, &value, err) : RV_OK;
    rv_arena_deinit(&arena);
    if (status != RV_OK) return rv_error_context(err, "what comes with the event is not JSON");
    return say_word(client, &(word){.type = WORD_SIGNAL, .run = run, .key = name, .by = by, .text = value_json}, err);
}

rv_status rv_client_steer(rv_client *client, rv_str run, rv_str node, rv_str text, rv_str by, rv_error *err)
{
    return say_word(client, &(word){.type = WORD_STEER, .run = run, .key = node, .by = by, .text = text}, err);
}

rv_status rv_client_submit(const rv_client_submission *given, rv_arena *arena, const rv_json **ret_told, rv_error *err)
{
    rv_client client = {.fd = -1};
    rv_owner owner = {0};
    rv_buf request = {0};
    rv_json *answer = NULL;
    rv_json_writer w;
    snprintf(owner.socket, sizeof owner.socket, "%s", given->socket);
    rv_status status = connect_owner(&client, &owner, err);
    if (status != RV_OK) return rv_error_set(err, status, "nobody answers on %s ($REEVE_SOCKET)", given->socket);
    begin(&w, &request, "submit");
    rv_jw_kv_cstring(&w, "token", given->token);
    rv_jw_kv_cstring(&w, "key", given->key);
    rv_jw_kv_cstring(&w, "file", given->file);
    rv_jw_kv_bool(&w, "is_json", given->is_json);
    rv_jw_kv_str(&w, "text", given->source);
    rv_jw_object_end(&w);
    if (request.size >= RV_CONTROL_REQUEST_MAX) status = rv_error_set(err, RV_LIMIT, "%s is over 4 MiB", given->file);
    if (status == RV_OK) status = call(&client, arena, &request, true, &answer, err);
    *ret_told = answer ? rv_json_get(answer, status == RV_OK ? RV_STR("submitted") : RV_STR("problems")) : NULL;
    rv_buf_deinit(&request);
    rv_buf_deinit(&client.in);
    close(client.fd);
    return status;
}

rv_status rv_client_cancel(rv_client *client, rv_str run, rv_str by, rv_error *err)
{
    return say_word(client, &(word){.type = WORD_CANCEL, .run = run, .by = by}, err);
}

/* ---- the cache ---- */

static rv_status clean_here(rv_client *client, const rv_cache_wish *wish, rv_cache_tally *ret, rv_error *err)
{
    undriven u = {.err = err, .status = RV_UNAVAILABLE};
    rv_engine *engine = NULL;
    rv_blobs *blobs = NULL;
    rv_status status = rv_loop_new(&u.loop, err);
    if (status != RV_OK) return status;
    status = rv_blobs_open(client->dir, &blobs, err);
    rv_engine_config config = {.loop = u.loop, .store = client->store, .root = client->dir, .blobs = blobs, .failed = on_failed,
                               .failed_user = &u};
    if (status == RV_OK) status = rv_engine_new(&config, &engine, err);
    if (status == RV_OK) {
        rv_engine_cache_clean(engine, wish, ret, on_done, &u);
        if (!u.is_done) rv_loop_run(u.loop);
        status = u.status;
    }
    rv_engine_free(engine);
    rv_blobs_close(blobs);
    rv_loop_free(u.loop);
    return status;
}

static bool read_count(const rv_json *object, const char *key, uint64_t *ret)
{
    const rv_json *value = rv_json_get(object, rv_str_of(key));
    int64_t number;
    bool is_good = value && rv_json_i64(value, &number) && number >= 0;
    if (is_good) *ret = (uint64_t)number;
    return is_good;
}

static bool read_tally(const rv_json *cache, rv_cache_tally *ret)
{
    bool is_good = read_count(cache, "entries", &ret->entries) && read_count(cache, "bytes", &ret->bytes) &&
                   read_count(cache, "blobs", &ret->blobs) && read_count(cache, "blob_bytes", &ret->blob_bytes);
    const rv_json *removed = rv_json_get(cache, RV_STR("removed"));
    for (int mode = 0; mode < RV_CACHE_MODE_COUNT && is_good; mode++) {
        const rv_json *of = rv_json_get(removed, rv_str_of(rv_cache_mode_name((rv_cache_mode)mode)));
        is_good = read_count(of, "entries", &ret->removed[mode].entries) && read_count(of, "bytes", &ret->removed[mode].bytes);
    }
    return is_good;
}

static rv_status clean_owner(rv_client *client, const rv_cache_wish *wish, rv_cache_tally *ret, rv_error *err)
{
    rv_buf request = {0};
    rv_arena arena = {0};
    rv_json_writer w;
    rv_json *answer = NULL;
    begin(&w, &request, "cache");
    rv_jw_kv_bool(&w, "stale", wish->stale);
    rv_jw_kv_bool(&w, "all", wish->all);
    rv_jw_kv_bool(&w, "dry_run", wish->dry_run);
    if (wish->has_age) rv_jw_kv_i64(&w, "age_ms", wish->age_ms_max);
    if (wish->has_size) rv_jw_kv_i64(&w, "size", (int64_t)RV_MIN(wish->size_max, (uint64_t)INT64_MAX));
    rv_jw_object_end(&w);
    rv_status status = call(client, &arena, &request, true, &answer, err);
    if (status == RV_OK && !read_tally(rv_json_get(answer, RV_STR("cache")), ret))
        status = rv_error_set(err, RV_CORRUPT, "the owner's answer does not count the cache");
    rv_buf_deinit(&request);
    rv_arena_deinit(&arena);
    return status;
}

/* ---- the owner's cache, entry by entry ---- */

#define ENTRY_SQL "SELECT id, created_ms, manifest, made_of FROM cache_data WHERE "

static rv_str blob_of(rv_arena *arena, const rv_json *value)
{
    rv_buf bytes = {0};
    const rv_json *text = rv_json_get(value, RV_STR("base64"));
    bool is_read = text && rv_base64_read(text->text, &bytes);
    rv_str copy = is_read ? rv_arena_str(arena, rv_buf_str(&bytes)) : (rv_str){NULL, 0};
    rv_buf_deinit(&bytes);
    return copy;
}

static rv_status owners_entry(rv_client *client, rv_arena *arena, const char *sql, const rv_str *args, uint32_t count, rv_cache_row *ret,
                              rv_error *err)
{
    const rv_json *tree = NULL;
    int64_t id = 0, created_ms = 0;
    rv_status status = rv_client_query(client, arena, sql, args, count, 1, &tree, err);
    if (status != RV_OK) return status;
    const rv_json *rows = rv_json_get(tree, RV_STR("rows")), *row = rows ? rows->child : NULL;
    if (!row) return rv_error_set(err, RV_NOT_FOUND, "the cache has no such entry");
    if (!rv_json_i64(rv_json_at(row, 0), &id) || !rv_json_i64(rv_json_at(row, 1), &created_ms))
        return rv_error_set(err, RV_CORRUPT, "the owner's answer is no entry of the cache");
    *ret = (rv_cache_row){.id = (uint64_t)id, .created_ms = created_ms, .manifest = blob_of(arena, rv_json_at(row, 2)),
                          .made_of = blob_of(arena, rv_json_at(row, 3))};
    return RV_OK;
}

static rv_status owners_by_key(void *user, rv_arena *arena, rv_str key, rv_cache_row *ret, rv_error *err)
{
    int64_t place;
    char number[24], *hex = rv_arena_alloc(arena, 2 * key.size + 1);
    RV_ASSERT(key.size >= sizeof place);
    memcpy(&place, key.at, sizeof place); /* as the store makes it of a key */
    (void)snprintf(number, sizeof number, "%lld", (long long)(place ? place : 1));
    for (size_t i = 0; i < key.size; i++) (void)snprintf(hex + 2 * i, 3, "%02X", (unsigned)(uint8_t)key.at[i]);
    rv_str args[] = {rv_str_of(number), {hex, 2 * key.size}};
    return owners_entry(user, arena, ENTRY_SQL "place = CAST(?1 AS INTEGER) AND hex(key) = ?2", args, 2, ret, err);
}

static rv_status owners_by_owner(void *user, rv_arena *arena, uint64_t owner, rv_cache_row *ret, rv_error *err)
{
    char number[24];
    (void)snprintf(number, sizeof number, "%lld", (long long)owner);
    rv_str arg = rv_str_of(number);
    return owners_entry(user, arena, ENTRY_SQL "owner = CAST(?1 AS INTEGER) ORDER BY id DESC", &arg, 1, ret, err);
}

rv_status rv_client_cache_open(rv_client *client, const char *const *variables, rv_cache **ret, rv_blobs **ret_blobs, rv_error *err)
{
    rv_status status = rv_blobs_open(client->dir, ret_blobs, err);
    if (status != RV_OK) return status;
    client->source = (rv_cache_source){owners_by_key, owners_by_owner, client};
    *ret = rv_cache_open(&(rv_cache_config){.root = client->dir, .store = client->store, .blobs = *ret_blobs, .environ = variables,
                                            .source = client->fd >= 0 ? &client->source : NULL});
    return RV_OK;
}

rv_status rv_client_cache(rv_client *client, const rv_cache_wish *wish, rv_cache_tally *ret, rv_error *err)
{
    return client->fd < 0 ? clean_here(client, wish, ret, err) : clean_owner(client, wish, ret, err);
}

/* ---- following ---- */

rv_status rv_client_watch(rv_client *client, rv_str run, uint64_t after_seq, uint64_t log_size, rv_watch_state *ret, rv_error *err)
{
    rv_buf request = {0};
    rv_arena arena = {0};
    rv_json_writer w;
    rv_json *answer = NULL;
    int64_t seq = 0, log = 0;
    *ret = (rv_watch_state){.last_seq = after_seq, .log_size = log_size};
    if (client->fd < 0) return RV_OK;
    begin(&w, &request, "watch");
    rv_jw_kv_str(&w, "run", run);
    rv_jw_kv_i64(&w, "seq", (int64_t)after_seq);
    rv_jw_kv_i64(&w, "log", (int64_t)log_size);
    rv_jw_object_end(&w);
    rv_status status = call(client, &arena, &request, true, &answer, err);
    if (status == RV_OK) {
        const rv_json *live = rv_json_get(answer, RV_STR("live")), *seq_value = rv_json_get(answer, RV_STR("seq")),
                      *log_value = rv_json_get(answer, RV_STR("log"));
        bool is_whole = live && seq_value && log_value && rv_json_i64(seq_value, &seq) && rv_json_i64(log_value, &log);
        if (!is_whole) status = rv_error_set(err, RV_CORRUPT, "the owner's answer is not a watch state");
        else *ret = (rv_watch_state){(uint64_t)seq, (uint64_t)log, live->kind == RV_JSON_TRUE};
    }
    rv_buf_deinit(&request);
    rv_arena_deinit(&arena);
    return status;
}

rv_status rv_client_verify(rv_client *client, rv_str run, rv_buf *out, rv_error *err) { return rv_history_verify(client, run, out, err); }
