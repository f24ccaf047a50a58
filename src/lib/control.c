#include "lib/control.h"

#include "lib/queries.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* A connection's requests are carried out one after the other: the next one when the answer to the last is sent. What
 * is answered late (a decision waits for its sync, a watch for news) keeps its connection until then. Who does not read
 * its answers is not read from either, so that neither buffer grows. A client that misbehaves loses its connection,
 * nobody else's.
 *
 * client_close never frees: every entry from the loop or the engine ends with settle, which does. */

typedef struct client {
    rv_control *control;
    int fd;
    rv_watch *watch;
    rv_buf in, out;
    size_t in_searched;        /* bytes of `in` that hold no end of a line */
    size_t sent;
    bool is_busy;              /* a late answer is under way */
    bool is_closed;            /* gone, but a late answer may still hold it */
    bool is_eof;               /* it says nothing more, but may listen yet */
    bool is_inside;            /* in an entry that will settle it */
    bool is_watching;
    rv_cache_tally tally;      /* of a cache that is being cleaned */
    rv_buf told;               /* what an answer to a submission adds: its members, or problems */
    char run[64];
    uint64_t after_seq, log_size;
} client;

struct rv_control {
    rv_engine *engine;
    rv_queries *queries;
    rv_loop *loop;
    int fd;
    char path[108];
    rv_watch *watch;
    RV_VEC(client *) clients;
};

static void client_free(client *c)
{
    rv_control *control = c->control;
    for (uint32_t i = 0; i < control->clients.count; i++)
        if (control->clients.at[i] == c) control->clients.at[i] = control->clients.at[--control->clients.count];
    rv_buf_deinit(&c->in);
    rv_buf_deinit(&c->out);
    rv_buf_deinit(&c->told);
    rv_free(c);
}

static void client_close(client *c)
{
    if (c->fd >= 0) {
        rv_watch_end(c->watch);
        close(c->fd);
        rv_queries_forget(c->control->queries, c);
    }
    c->fd = -1;
    c->watch = NULL;
    c->is_closed = true;
    c->is_watching = false;
}

static void client_send(client *c)
{
    while (c->fd >= 0 && c->sent < c->out.size) {
        ssize_t size = send(c->fd, c->out.at + c->sent, c->out.size - c->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (size < 0) { client_close(c); return; }
        c->sent += (size_t)size;
    }
    rv_buf_clear(&c->out);
    c->sent = 0;
}

static void settle(client *c);

/* ---- answers ---- */

static void answer_error(client *c, rv_status status, const char *text)
{
    rv_json_writer w;
    rv_json_writer_init(&w, &c->out, 0);
    rv_jw_object(&w);
    rv_jw_kv_i64(&w, "v", 1);
    rv_jw_key(&w, "error");
    rv_jw_object(&w);
    rv_jw_kv_cstring(&w, "status", rv_status_name(status));
    rv_jw_kv_cstring(&w, "text", text);
    rv_jw_object_end(&w);
    if (c->told.size) {
        rv_jw_key(&w, "problems");
        rv_jw_raw(&w, rv_buf_str(&c->told));
    }
    rv_jw_object_end(&w);
    rv_buf_byte(&c->out, '\n');
    client_send(c);
}

static void answer_ok(client *c)
{
    if (c->told.size) rv_buf_printf(&c->out, "{\"v\":1,\"ok\":true,\"submitted\":%s}\n", c->told.at);
    else rv_buf_cstring(&c->out, "{\"v\":1,\"ok\":true}\n");
    client_send(c);
}

static void on_done(void *user, rv_status status, const rv_error *err)
{
    client *c = user;
    c->is_busy = false;
    if (c->is_closed) rv_buf_clear(&c->out);
    else if (status == RV_OK) answer_ok(c);
    else answer_error(c, status, err ? err->text : rv_status_text(status));
    rv_buf_clear(&c->told);
    if (!c->is_inside) settle(c);
}

/* ---- requests ---- */

static rv_str text_of(const rv_json *request, const char *key)
{
    const rv_json *value = rv_json_get(request, rv_str_of(key));
    return value && value->kind == RV_JSON_STRING ? value->text : (rv_str){NULL, 0};
}

static int64_t number_of(const rv_json *request, const char *key, int64_t otherwise)
{
    const rv_json *value = rv_json_get(request, rv_str_of(key));
    int64_t number;
    return value && rv_json_i64(value, &number) ? number : otherwise;
}

static void on_answer(void *user, rv_status status, rv_str answer, const rv_error *err)
{
    client *c = user;
    if (status != RV_OK) {
        on_done(c, status, err);
        return;
    }
    c->is_busy = false;
    if (!c->is_closed) {
        rv_buf_str_add(&c->out, answer);
        client_send(c);
    }
    settle(c);
}

static void op_query(client *c, const rv_json *request)
{
    rv_str args[32];
    uint32_t count = 0;
    const rv_json *list = rv_json_get(request, RV_STR("args"));
    for (const rv_json *arg = list ? list->child : NULL; arg && count < RV_COUNT(args); arg = arg->next) args[count++] = arg->text;
    int64_t max = number_of(request, "max", 0);
    c->is_busy = true;
    rv_queries_ask(c->control->queries, text_of(request, "sql"), args, count, max > 0 ? (uint64_t)max : 0, on_answer, c);
}

static void op_decide(client *c, const rv_json *request)
{
    int64_t decision = number_of(request, "decision", -1);
    if (decision < RV_DECISION_APPROVE || decision > RV_DECISION_AGAIN) {
        answer_error(c, RV_INVALID, "decision is not one of 0..4");
        return;
    }
    c->is_busy = true;
    rv_engine_decide_shown(c->control->engine, text_of(request, "run"), text_of(request, "key"), text_of(request, "digest"),
                           (rv_decision)decision, text_of(request, "by"), text_of(request, "comment"), on_done, c);
}

static void op_answer(client *c, const rv_json *request)
{
    rv_buf value = {0};
    const rv_json *given = rv_json_get(request, RV_STR("value"));
    if (!given) {
        answer_error(c, RV_INVALID, "no value");
        return;
    }
    rv_json_write(&value, given, false);
    c->is_busy = true;
    rv_engine_answer(c->control->engine, text_of(request, "run"), text_of(request, "key"), rv_buf_str(&value),
                     text_of(request, "by"), on_done, c);
    rv_buf_deinit(&value);
}

static void op_signal(client *c, const rv_json *request)
{
    rv_buf value = {0};
    const rv_json *given = rv_json_get(request, RV_STR("value"));
    if (given) rv_json_write(&value, given, false);
    c->is_busy = true;
    rv_engine_signal(c->control->engine, text_of(request, "run"), text_of(request, "name"), rv_buf_str(&value), text_of(request, "by"),
                     on_done, c);
    rv_buf_deinit(&value);
}

static void op_steer(client *c, const rv_json *request)
{
    c->is_busy = true;
    rv_engine_steer(c->control->engine, text_of(request, "run"), text_of(request, "key"), text_of(request, "text"), text_of(request, "by"),
                    on_done, c);
}

static void op_submit(client *c, const rv_json *request)
{
    char file[256];
    rv_str name = text_of(request, "file");
    const rv_json *is_json = rv_json_get(request, RV_STR("is_json"));
    snprintf(file, sizeof file, "%.*s", RV_FMT(name.size ? name : RV_STR("submission")));
    rv_submit_nodes given = {.token = text_of(request, "token"), .key = text_of(request, "key"), .source = text_of(request, "text"),
                             .file = file, .is_json = is_json && is_json->kind == RV_JSON_TRUE};
    c->is_busy = true;
    rv_engine_submit_nodes(c->control->engine, &given, &c->told, on_done, c);
}

void rv_cache_tally_write(rv_json_writer *w, const rv_cache_tally *tally)
{
    rv_jw_object(w);
    rv_jw_kv_i64(w, "entries", (int64_t)tally->entries);
    rv_jw_kv_i64(w, "bytes", (int64_t)RV_MIN(tally->bytes, (uint64_t)INT64_MAX));
    rv_jw_key(w, "removed");
    rv_jw_object(w);
    for (int mode = 0; mode < RV_CACHE_MODE_COUNT; mode++) {
        rv_jw_key(w, rv_cache_mode_name((rv_cache_mode)mode));
        rv_jw_object(w);
        rv_jw_kv_i64(w, "entries", (int64_t)tally->removed[mode].entries);
        rv_jw_kv_i64(w, "bytes", (int64_t)RV_MIN(tally->removed[mode].bytes, (uint64_t)INT64_MAX));
        rv_jw_object_end(w);
    }
    rv_jw_object_end(w);
    rv_jw_kv_i64(w, "blobs", (int64_t)tally->blobs);
    rv_jw_kv_i64(w, "blob_bytes", (int64_t)tally->blob_bytes);
    rv_jw_object_end(w);
}

static void on_cleaned(void *user, rv_status status, const rv_error *err)
{
    client *c = user;
    rv_json_writer w;
    if (status != RV_OK || c->is_closed) {
        on_done(c, status, err);
        return;
    }
    c->is_busy = false;
    rv_buf_cstring(&c->out, "{\"v\":1,\"ok\":true,\"cache\":");
    rv_json_writer_init(&w, &c->out, 0);
    rv_cache_tally_write(&w, &c->tally);
    rv_buf_cstring(&c->out, "}\n");
    client_send(c);
    if (!c->is_inside) settle(c);
}

static bool is_true(const rv_json *request, const char *key)
{
    const rv_json *value = rv_json_get(request, rv_str_of(key));
    return value && value->kind == RV_JSON_TRUE;
}

static void op_cache(client *c, const rv_json *request)
{
    rv_cache_wish wish = {.stale = is_true(request, "stale"), .all = is_true(request, "all"), .dry_run = is_true(request, "dry_run"),
                          .now_ms = rv_loop_wall_ms(c->control->loop)};
    int64_t age_ms = number_of(request, "age_ms", -1), size = number_of(request, "size", -1);
    if (age_ms >= 0) wish.has_age = true, wish.age_ms_max = age_ms;
    if (size >= 0) wish.has_size = true, wish.size_max = (uint64_t)size;
    c->is_busy = true;
    rv_engine_cache_clean(c->control->engine, &wish, &c->tally, on_cleaned, c);
}

static void op_cancel(client *c, const rv_json *request)
{
    c->is_busy = true;
    rv_engine_cancel(c->control->engine, text_of(request, "run"), text_of(request, "by"), on_done, c);
}

/* Answer a watch if there is news. */
static bool watch_answer(client *c)
{
    rv_job *job = rv_engine_job(c->control->engine, rv_str_of(c->run));
    uint64_t seq = job ? rv_job_last_seq(job) : 0, log = job ? rv_job_log_size(job) : 0;
    bool has_ended = !job || rv_run_state_is_terminal(rv_job_state(job)) || rv_job_state(job) == RV_RUN_INTERRUPTED;
    if (!has_ended && seq <= c->after_seq && log <= c->log_size) return false;
    rv_buf_printf(&c->out, "{\"v\":1,\"ok\":true,\"seq\":%llu,\"log\":%llu,\"live\":%s}\n", (unsigned long long)seq,
                  (unsigned long long)log, has_ended ? "false" : "true");
    c->is_watching = false;
    client_send(c);
    return true;
}

static void op_watch(client *c, const rv_json *request)
{
    snprintf(c->run, sizeof c->run, "%.*s", RV_FMT(text_of(request, "run")));
    c->after_seq = (uint64_t)number_of(request, "seq", 0);
    c->log_size = (uint64_t)number_of(request, "log", 0);
    c->is_watching = true;
    (void)watch_answer(c);
}

static void op_ping(client *c, const rv_json *request) { (void)request; answer_ok(c); }

static const struct { const char *name; void (*fn)(client *c, const rv_json *request); } ops[] = {
    {"ping", op_ping}, {"query", op_query}, {"decide", op_decide}, {"answer", op_answer}, {"cancel", op_cancel}, {"watch", op_watch},
    {"signal", op_signal}, {"submit", op_submit},
    {"steer", op_steer}, {"cache", op_cache},
};

static void take_request(client *c, rv_str line)
{
    rv_arena arena = {0};
    rv_json *request = NULL;
    rv_error error = {0};
    if (rv_json_parse(&arena, line, &request, &error) != RV_OK) {
        answer_error(c, RV_INVALID, error.text);
    } else if (number_of(request, "v", 0) != 1) {
        answer_error(c, RV_UNSUPPORTED, "the owner speaks version 1 of this protocol");
    } else {
        rv_str op = text_of(request, "op");
        size_t i = 0;
        while (i < RV_COUNT(ops) && !rv_str_is(op, ops[i].name)) i++;
        if (i < RV_COUNT(ops)) ops[i].fn(c, request);
        else answer_error(c, RV_INVALID, "unknown op");
    }
    rv_arena_deinit(&arena);
}

/* Carry out what was asked, as far as each answer can be sent. true: a request is left that has to wait. */
static bool serve(client *c)
{
    while (!c->is_closed) {
        size_t end = rv_str_find(rv_buf_str(&c->in), c->in_searched, '\n');
        c->in_searched = end == SIZE_MAX ? c->in.size : end;
        if (end == SIZE_MAX) return false;
        if (c->is_busy || c->is_watching || c->out.size) return true;
        rv_buf line = {0};
        rv_buf_add(&line, c->in.at, end);
        memmove(c->in.at, c->in.at + end + 1, c->in.size - end - 1);
        c->in.size -= end + 1;
        c->in_searched = 0;
        take_request(c, rv_buf_str(&line));
        rv_buf_deinit(&line);
    }
    return false;
}

/* The end of every entry: go on with what waits, listen for what can come next, or let go. */
static void settle(client *c)
{
    c->is_inside = true;
    bool has_request = serve(c);
    c->is_inside = false;
    bool is_idle = !c->is_busy && !has_request && c->out.size == 0; /* who only watches and hung up is gone */
    if (!c->is_closed && c->is_eof && is_idle) client_close(c);
    int events = (has_request || c->is_eof ? 0 : RV_LOOP_READ) | (c->out.size ? RV_LOOP_WRITE : 0);
    if (!c->is_closed) rv_watch_change(c->watch, events ? events : RV_LOOP_HANGUP);
    if (c->is_closed && !c->is_busy) client_free(c);
}

/* It has not only said its last word, it does not listen either: its process died, or it closed the connection. */
static bool has_hung_up(const client *c)
{
    struct pollfd poll_of = {.fd = c->fd};
    return poll(&poll_of, 1, 0) > 0 && poll_of.revents & POLLHUP;
}

static void client_receive(client *c)
{
    char bytes[16384];
    ssize_t size = recv(c->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (size > 0) rv_buf_add(&c->in, bytes, (size_t)size);
    else if (size == 0 && has_hung_up(c)) client_close(c);
    else if (size == 0) c->is_eof = true;
    else if (errno != EAGAIN && errno != EINTR) client_close(c);
    if (c->in.size > RV_CONTROL_REQUEST_MAX) client_close(c);
}

static void on_client(void *user, int events)
{
    client *c = user;
    if (events & RV_LOOP_WRITE) client_send(c);
    if (!c->is_closed && (events & RV_LOOP_HANGUP) && has_hung_up(c)) client_close(c);
    if (!c->is_closed && (events & RV_LOOP_READ)) client_receive(c);
    settle(c);
}

static void on_connect(void *user, int events)
{
    rv_control *control = user;
    struct ucred peer;
    socklen_t size = sizeof peer;
    rv_error error;
    (void)events;
    int fd = accept4(control->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) return;
    bool is_ours = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && (peer.uid == geteuid() || peer.uid == 0);
    if (!is_ours || control->clients.count >= RV_CONTROL_CLIENTS_MAX) {
        close(fd);
        return;
    }
    client *c = rv_alloc(sizeof *c);
    c->control = control;
    c->fd = fd;
    rv_vec_push(&control->clients, c);
    if (rv_watch_start(control->loop, fd, RV_LOOP_READ, on_client, c, &c->watch, &error) != RV_OK) {
        client_close(c);
        client_free(c);
    }
}

void rv_control_notify(rv_control *control)
{
    if (!control) return;
    for (uint32_t i = control->clients.count; i-- > 0;)
        if (control->clients.at[i]->is_watching && watch_answer(control->clients.at[i])) settle(control->clients.at[i]);
}

rv_status rv_control_open(rv_engine *engine, rv_store *store, rv_loop *loop, const char *path, rv_control **ret, rv_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    rv_control *control = rv_alloc(sizeof *control);
    *control = (rv_control){.engine = engine, .loop = loop, .fd = -1};
    snprintf(control->path, sizeof control->path, "%s", path);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    unlink(path);
    control->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mode_t mask = umask(0177);
    int bound = control->fd >= 0 ? bind(control->fd, (struct sockaddr *)&address, sizeof address) : -1;
    int saved = errno;
    umask(mask);
    if (bound != 0 || listen(control->fd, (int)RV_CONTROL_CLIENTS_MAX) != 0) {
        if (control->fd >= 0) close(control->fd);
        rv_free(control);
        return rv_error_set(err, RV_STORE_IO, "cannot listen on %s: %s", path, strerror(saved));
    }
    rv_status status = rv_queries_open(loop, store, &control->queries, err);
    if (status == RV_OK) status = rv_watch_start(loop, control->fd, RV_LOOP_READ, on_connect, control, &control->watch, err);
    if (status != RV_OK) {
        rv_control_close(control);
        return status;
    }
    *ret = control;
    return RV_OK;
}

void rv_control_close(rv_control *control)
{
    if (!control) return;
    for (uint32_t i = control->clients.count; i-- > 0;) {
        client *c = control->clients.at[i];
        client_send(c);
    }
    for (uint32_t i = control->clients.count; i-- > 0;) {
        client_close(control->clients.at[i]);
        client_free(control->clients.at[i]);
    }
    rv_queries_close(control->queries);
    rv_watch_end(control->watch);
    if (control->fd >= 0) close(control->fd);
    unlink(control->path);
    rv_vec_deinit(&control->clients);
    rv_free(control);
}
