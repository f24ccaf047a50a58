#include "engine/inner.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* GNU make's jobserver (make manual, "POSIX Jobserver Interaction"): a pipe with a token a slot. An attempt takes one
 * for itself; what make, ninja or cargo below it take on top comes out of the same pipe, so -j holds for all together.
 * The pipe itself stays blocking, as clients expect; we use descriptions of our own (reopened through /proc) that do
 * not block. Tokens that die with a killed child are put back when nothing runs.
 *
 * Mostly the attempt that follows takes what the one before gave back, in the same turn: such a token stays in our hand
 * and touches the pipe only when the turn ends without anybody having taken it. */

static void put_tokens(rv_engine *engine, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (write(engine->jobs_own[1], "+", 1) != 1) return; /* a pipe holds 4096 at least; beyond that there is no need */
}

static void on_token(void *user, int events)
{
    rv_engine *engine = user;
    (void)events;
    rv_watch_end(engine->jobs_watch);
    engine->jobs_watch = NULL;
    for (uint32_t i = 0; i < engine->jobs.count; i++) rv_attempt_start_ahead(engine->jobs.at[i]);
}

static int reopen(int fd, int flags)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return open(path, flags | O_NONBLOCK | O_CLOEXEC);
}

void rv_jobserver_open(rv_engine *engine)
{
    engine->jobs_own[0] = engine->jobs_own[1] = -1;
    if (pipe2(engine->jobs_fds, O_CLOEXEC) != 0) {
        engine->jobs_fds[0] = engine->jobs_fds[1] = -1;
        return;
    }
    engine->jobs_own[0] = reopen(engine->jobs_fds[0], O_RDONLY);
    engine->jobs_own[1] = reopen(engine->jobs_fds[1], O_WRONLY);
    if (engine->jobs_own[0] < 0 || engine->jobs_own[1] < 0) rv_jobserver_close(engine); /* no /proc: do without */
}

void rv_jobserver_close(rv_engine *engine)
{
    rv_watch_end(engine->jobs_watch);
    engine->jobs_watch = NULL;
    for (int i = 0; i < 2; i++) {
        if (engine->jobs_fds[i] >= 0) close(engine->jobs_fds[i]);
        if (engine->jobs_own[i] >= 0) close(engine->jobs_own[i]);
        engine->jobs_fds[i] = engine->jobs_own[i] = -1;
    }
}

/* Nothing of ours runs: make the pipe hold a token a slot again. */
static void refill(rv_engine *engine)
{
    char bytes[256];
    int held = 0;
    if (ioctl(engine->jobs_own[0], FIONREAD, &held) != 0 || held + (int)engine->jobs_kept == (int)engine->slots) return;
    engine->jobs_kept = 0;
    while (read(engine->jobs_own[0], bytes, sizeof bytes) > 0) {}
    put_tokens(engine, engine->slots);
}

bool rv_jobserver_take(rv_engine *engine, rv_attempt *attempt)
{
    char token;
    rv_error error;
    if (engine->jobs_own[0] < 0 || attempt->jobs_token) return true;
    if (engine->jobs_lent == 0) refill(engine);
    bool is_kept = engine->jobs_kept > 0;
    if (is_kept || read(engine->jobs_own[0], &token, 1) == 1) {
        engine->jobs_kept -= is_kept;
        attempt->jobs_token = 1;
        engine->jobs_lent++;
        return true;
    }
    if (engine->jobs_lent == 0) return true; /* cannot be: then rather run than wait for ever */
    if (!engine->jobs_watch && rv_watch_start(engine->config.loop, engine->jobs_own[0], RV_LOOP_READ, on_token, engine,
                                              &engine->jobs_watch, &error) != RV_OK)
        return true;
    return false;
}

void rv_jobserver_give(rv_engine *engine, rv_attempt *attempt)
{
    if (!attempt->jobs_token) return;
    attempt->jobs_token = 0;
    engine->jobs_lent--;
    engine->jobs_kept++;
}

void rv_jobserver_settle(rv_engine *engine)
{
    if (engine->jobs_kept) put_tokens(engine, engine->jobs_kept);
    engine->jobs_kept = 0;
}
