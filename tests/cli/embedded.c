/* embedded.c STORE FILE [BY]: run a workflow through libreeve. With BY commands whose first word is `agent` are carried out by an executor
 * of this program, which gives what the command of the same words would: so a run here has the journal of one through `reeve run`.
 * `agent OUTPUT RESULT STATUS` prints OUTPUT, has RESULT and ends with STATUS; `plan FILE` gives the run the nodes of FILE, the event `go`
 * and `reads` a directive, through the library's calls, as BY. An OUTPUT `ask STATE KEY VALUE|STATE KEY VALUE…` asks the gate so before the
 * attempt ends. Prints the run's id. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reeve.h"

typedef struct work { char node[64], output[256], result[128], plan[256]; uint32_t epoch; int status; } work;
typedef struct program { work works[32]; size_t count; int takes; const char *by; } program;

static int on_start(void *user, const reeve_spawn *attempt)
{
    program *self = user;
    int is_plan = strstr(attempt->argv[0], "/plan") != NULL;
    if (!self->takes || (!is_plan && !strstr(attempt->argv[0], "agent"))) return 0;
    work *w = &self->works[self->count++];
    memset(w, 0, sizeof *w);
    w->epoch = attempt->epoch;
    if (is_plan) {
        snprintf(w->node, sizeof w->node, "%s", attempt->node);
        snprintf(w->plan, sizeof w->plan, "%s", attempt->argv[1]);
        return 1;
    }
    snprintf(w->node, sizeof w->node, "%s", attempt->node);
    snprintf(w->output, sizeof w->output, "%s", attempt->argv[1]);
    snprintf(w->result, sizeof w->result, "%s", attempt->argv[2]);
    w->status = attempt->argv[3] ? atoi(attempt->argv[3]) : 0;
    if (attempt->number > 1) w->status = 0; /* better the second time */
    return 1;
}

static size_t read_file(const char *path, char *text, size_t size_max)
{
    FILE *file = fopen(path, "r");
    size_t size = file ? fread(text, 1, size_max, file) : 0;
    if (file) fclose(file);
    text[size] = 0;
    return size;
}

static reeve_status plan(const work *w, const program *self, reeve *engine, const char *run, reeve_error *error)
{
    static char text[65536];
    reeve_workflow nodes = REEVE_WORKFLOW_INIT;
    read_file(w->plan, text, sizeof text - 1);
    nodes.text = text;
    nodes.name = w->plan;
    reeve_status status = reeve_submit_nodes(engine, run, w->node, w->epoch, NULL, &nodes, NULL, NULL, error);
    if (status == REEVE_OK) status = reeve_signal(engine, run, "go", "{\"n\":1}", self->by, error);
    return status == REEVE_OK ? reeve_steer(engine, run, "reads", "mind the gap", self->by, error) : status;
}

/* Each request in its turn. */
static reeve_status ask_all(work *w, reeve *engine, const char *run, reeve_error *error)
{
    reeve_status status = REEVE_OK;
    for (char *at = w->output + 4, *next; status == REEVE_OK && at; at = next) {
        char state[32], key[32];
        int used = 0;
        reeve_gate gate = {.size = sizeof gate};
        reeve_event request = REEVE_EVENT_INIT;
        next = strchr(at, '|');
        if (next) *next++ = 0;
        if (sscanf(at, "%31s %31s %n", state, key, &used) != 2) return REEVE_INVALID;
        request.node = w->node, request.epoch = w->epoch, request.state = state, request.key = key, request.value = at + used;
        status = reeve_ask(engine, run, &request, &gate, error);
    }
    return status;
}

static reeve_status do_work(program *self, reeve *engine, const char *run, reeve_error *error)
{
    while (self->count) {
        work w = self->works[0];
        reeve_event done = REEVE_EVENT_INIT;
        memmove(&self->works[0], &self->works[1], --self->count * sizeof w);
        done.node = w.node;
        done.epoch = w.epoch;
        done.exit_status = w.status;
        done.output = w.output;
        done.value = w.result[0] ? w.result : NULL;
        reeve_status status = w.plan[0] ? plan(&w, self, engine, run, error) : REEVE_OK;
        if (strncmp(w.output, "ask ", 4) == 0) status = ask_all(&w, engine, run, error), done.output = NULL;
        if (status == REEVE_OK) status = reeve_complete(engine, run, &done, error);
        if (status != REEVE_OK) return status;
    }
    return REEVE_OK;
}

static int fail(const char *what, const reeve_error *error)
{
    fprintf(stderr, "embedded: %s: %s\n", what, error->text);
    return 1;
}

int main(int argc, char **argv)
{
    static char text[65536];
    program self = {.takes = argc > 3, .by = argc > 3 ? argv[3] : ""};
    reeve_options options = REEVE_OPTIONS_INIT;
    reeve_executor executor = REEVE_EXECUTOR_INIT;
    reeve_workflow workflow = REEVE_WORKFLOW_INIT;
    reeve_error error = {REEVE_OK, "usage: embedded STORE FILE [BY]"};
    reeve *engine;
    char run[REEVE_RUN_SIZE];
    workflow.text_size = argc > 2 ? read_file(argv[2], text, sizeof text - 1) : 0;
    if (workflow.text_size == 0) return fail("opening", &error);
    workflow.text = text;
    workflow.name = "flow.json";
    options.slots = 1;
    executor.user = &self;
    executor.start = on_start;
    if (reeve_open(argv[1], &options, &engine, &error) != REEVE_OK) return fail("opening", &error);
    if (reeve_executor_register(engine, &executor, &error) != REEVE_OK) return fail("registering", &error);
    if (reeve_submit(engine, &workflow, run, NULL, &error) != REEVE_OK) return fail("submitting", &error);
    for (reeve_status status = REEVE_TIMEOUT; status == REEVE_TIMEOUT;) {
        status = reeve_wait(engine, run, self.count ? 0 : 20, &error);
        if (status != REEVE_OK && status != REEVE_TIMEOUT) return fail("waiting", &error);
        if (do_work(&self, engine, run, &error) != REEVE_OK) return fail("completing", &error);
    }
    puts(run);
    return reeve_close(engine, &error) == REEVE_OK ? 0 : fail("closing", &error);
}
