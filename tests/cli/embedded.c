/* embedded.c STORE FILE: run a workflow through libreeve. Commands whose first word is `agent` are carried out by an executor of this
 * program, which gives what the command of the same words would: so a run here has the journal of one through `reeve run`.
 * `agent OUTPUT RESULT STATUS` prints OUTPUT, has RESULT and ends with STATUS. Prints the run's id. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reeve.h"

typedef struct work { char node[64], output[64], result[128]; uint32_t epoch; int status; } work;
typedef struct program { work works[32]; size_t count; int takes; } program;

static int on_start(void *user, const reeve_spawn *attempt)
{
    program *self = user;
    if (!self->takes || !strstr(attempt->argv[0], "agent")) return 0;
    work *w = &self->works[self->count++];
    snprintf(w->node, sizeof w->node, "%s", attempt->node);
    snprintf(w->output, sizeof w->output, "%s", attempt->argv[1]);
    snprintf(w->result, sizeof w->result, "%s", attempt->argv[2]);
    w->epoch = attempt->epoch;
    w->status = attempt->argv[3] ? atoi(attempt->argv[3]) : 0;
    if (attempt->number > 1) w->status = 0; /* better the second time */
    return 1;
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
        reeve_status status = reeve_complete(engine, run, &done, error);
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
    program self = {.takes = argc > 3};
    reeve_options options = REEVE_OPTIONS_INIT;
    reeve_executor executor = REEVE_EXECUTOR_INIT;
    reeve_workflow workflow = REEVE_WORKFLOW_INIT;
    reeve_error error = {REEVE_OK, "usage: embedded STORE FILE [AGENTS]"};
    reeve *engine;
    char run[REEVE_RUN_SIZE];
    FILE *file = argc > 2 ? fopen(argv[2], "r") : NULL;
    if (!file) return fail("opening", &error);
    workflow.text_size = fread(text, 1, sizeof text - 1, file);
    fclose(file);
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
