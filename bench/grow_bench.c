/* grow_bench [TIMES [SCALE]]: what controllers cost an engine, durably: a tournament of 1,024 entrants and a foreach of 100,000 items,
 * with an executor in this process that answers at once, so that nothing is measured but Reeve: kernel, journal, rows, store on disk.
 * Each TIMES times, in a fresh store beneath $TMPDIR; median, least and most are printed beside what is claimed: under 2 s each. SCALE
 * divides the sizes, to try the program itself. */
#include "reeve.h"

#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SLOTS 64
#define TIMES_MAX 99

typedef struct attempt { char node[64]; uint32_t epoch; } attempt;
typedef struct bench { reeve *engine; attempt *open; size_t count, capacity; uint64_t done; } bench;

static void check(reeve_status status, const reeve_error *error, const char *what)
{
    if (status == REEVE_OK) return;
    fprintf(stderr, "grow_bench: %s: %s\n", what, error->text);
    exit(1);
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int start(void *user, const struct reeve_spawn *spawn)
{
    bench *b = user;
    if (b->count == b->capacity) {
        b->capacity = b->capacity ? 2 * b->capacity : 256;
        b->open = realloc(b->open, b->capacity * sizeof *b->open);
        if (!b->open) abort();
    }
    attempt *a = &b->open[b->count++];
    snprintf(a->node, sizeof a->node, "%s", spawn->node);
    a->epoch = spawn->epoch;
    return 1;
}

/* Entrants and judges answer alike: the side named is the one that only a judge's result is read for. */
static void answer_all(bench *b, const char *run)
{
    reeve_error error;
    for (size_t i = 0; i < b->count; i++) {
        reeve_event event = REEVE_EVENT_INIT;
        event.type = "completed";
        event.node = b->open[i].node;
        event.epoch = b->open[i].epoch;
        event.exit_status = 0;
        event.value = "{\"winner\":\"left\"}";
        check(reeve_complete(b->engine, run, &event, &error), &error, "complete");
    }
    b->done += b->count;
    b->count = 0;
}

static char *tournament_text(int scale)
{
    size_t size = 0;
    char *text = NULL;
    FILE *out = open_memstream(&text, &size);
    if (!out) abort();
    fputs("reeve: 1\nname: tournament\nnodes:\n  t:\n    tournament:\n      entrants:\n", out);
    for (int i = 0; i < (scale > 512 ? 2 : 1024 / scale); i++) fputs("        - {run: [answer]}\n", out);
    fputs("      judge: {run: [judge]}\n", out);
    fclose(out);
    return text;
}

static char *foreach_text(int scale)
{
    size_t size = 0;
    char *text = NULL;
    FILE *out = open_memstream(&text, &size);
    if (!out) abort();
    fputs("{\"reeve\":1,\"name\":\"foreach\",\"nodes\":{\"each\":{\"foreach\":{\"do\":{\"run\":[\"work\"]},\"items\":[0", out);
    for (int i = 1; i < 100000 / scale; i++) fprintf(out, ",%d", i);
    fputs("]}}}}", out);
    fclose(out);
    return text;
}

static double run_once(const char *text, const char *name, uint64_t *ret_attempts)
{
    char directory[256], store[300], run[REEVE_RUN_SIZE], command[300];
    reeve_error error;
    bench b = {0};
    reeve_options options = REEVE_OPTIONS_INIT;
    reeve_executor executor = REEVE_EXECUTOR_INIT;
    reeve_workflow workflow = REEVE_WORKFLOW_INIT;
    reeve_run info = {.size = sizeof info};
    const char *root = getenv("TMPDIR");
    snprintf(directory, sizeof directory, "%s/reeve-grow-XXXXXX", root && root[0] ? root : "/tmp");
    if (!mkdtemp(directory)) abort();
    snprintf(store, sizeof store, "%s/store", directory);
    options.slots = SLOTS;
    check(reeve_open(store, &options, &b.engine, &error), &error, "open");
    executor.user = &b;
    executor.start = start;
    check(reeve_executor_register(b.engine, &executor, &error), &error, "executor");
    workflow.text = text;
    workflow.name = name;
    workflow.directory = directory;
    double begin = seconds();
    check(reeve_submit(b.engine, &workflow, run, NULL, &error), &error, "submit");
    do {
        struct pollfd ready = {.fd = reeve_fd(b.engine), .events = POLLIN};
        check(reeve_dispatch(b.engine, &error), &error, "dispatch");
        bool was_idle = b.count == 0;
        answer_all(&b, run);
        check(reeve_run_info(b.engine, run, &info, &error), &error, "info");
        if (was_idle && !info.is_ended) (void)poll(&ready, 1, (int)reeve_timeout_ms(b.engine));
    } while (!info.is_ended);
    check(reeve_wait(b.engine, run, -1, &error), &error, "wait");
    double took = seconds() - begin;
    if (info.exit_status != 0) check(REEVE_INVALID, &(reeve_error){.text = "the run did not end well"}, name);
    check(reeve_close(b.engine, &error), &error, "close");
    free(b.open);
    snprintf(command, sizeof command, "rm -rf '%s'", directory); /* ours: …/reeve-grow-… */
    if (system(command) != 0) fprintf(stderr, "grow_bench: %s was left behind\n", directory);
    *ret_attempts = b.done;
    return took;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void measure(const char *what, const char *name, char *text, int times)
{
    double took[TIMES_MAX];
    uint64_t attempts = 0;
    for (int i = 0; i < times; i++) took[i] = run_once(text, name, &attempts);
    qsort(took, (size_t)times, sizeof *took, compare);
    double median = took[times / 2];
    printf("%s: %.3f s (%.3f to %.3f, %d times), %llu attempts, %.0f a second; under 2 s: %s\n", what, median, took[0], took[times - 1],
           times, (unsigned long long)attempts, (double)attempts / median, median < 2 ? "holds" : "DOES NOT HOLD");
    free(text);
}

int main(int argc, char **argv)
{
    int times = argc > 1 ? atoi(argv[1]) : 5, scale = argc > 2 ? atoi(argv[2]) : 1;
    if (times < 1 || times > TIMES_MAX || scale < 1) {
        fprintf(stderr, "usage: grow_bench [TIMES [SCALE]], 1 to %d times\n", TIMES_MAX);
        return 2;
    }
    measure("tournament of 1,024 entrants", "tournament.yaml", tournament_text(scale), times);
    measure("foreach of 100,000 items", "foreach.json", foreach_text(scale), times);
    return 0;
}
