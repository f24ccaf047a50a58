/* host.c: a host of Reeve's kernel in C.
 *
 *     cc host.c -o host $(pkg-config --cflags --libs reeve)
 *     ./host JOURNAL FLOW [--die]
 *
 * It has the kernel alone, reeve_kernel_* of libreeve: no engine, no store. Commands are processes that it starts, commands whose first
 * word is `agent` are functions below, the approval is its own, and so is a reducer. Each row of the journal is on the disk before
 * the effects that came with it are carried out; started again with the same JOURNAL it goes on with what remained. --die kills
 * it when the first draft is wanted. One attempt at a time, to stay short; host.py carries out several at once. */
#include <reeve.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define JOBS_MAX 16
#define TEXT_MAX 4096

/* Something to be said to the kernel: what an effect asked for, copied, since a step's answer is borrowed. */
typedef struct job {
    enum { JOB_ATTEMPT, JOB_REDUCE, JOB_DECIDE } what;
    char node[64], argv[6][256], variable[256], feedback[256], inputs[TEXT_MAX], digest[128];
    uint32_t epoch;
    int argc;
} job;

typedef struct host {
    reeve_kernel *kernel;
    FILE *journal;
    job jobs[JOBS_MAX];
    int job_count, dies;
    int64_t engine0_ms, due_ms;
    char ended[32];
} host;

static void die_of(const char *what, const char *why)
{
    fprintf(stderr, "host: %s: %s\n", what, why);
    exit(2);
}

static int64_t clock_ms(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- the journal: rows as they are, each on the disk when this returns ---- */

typedef struct row_head { uint64_t first_seq; int64_t wall_ms, engine_ms; uint64_t body_size, values_size; uint32_t event_count; } row_head;

static void keep_row(host *self, const reeve_row *row)
{
    row_head head = {row->first_seq, row->now.wall_ms, row->now.engine_ms, row->body_size,
                     row->values ? strlen(row->values) + 1 : 0, row->event_count};
    if (!row->body) return;
    int is_kept = fwrite(&head, sizeof head, 1, self->journal) == 1 && fwrite(row->body, row->body_size, 1, self->journal) == 1 &&
                  (!row->values || fwrite(row->values, head.values_size, 1, self->journal) == 1) && fflush(self->journal) == 0 &&
                  fsync(fileno(self->journal)) == 0;
    if (!is_kept) die_of("journal", "it cannot be written");
}

/* A row that was cut by a death was never acted upon: it is as if it had not been. The file is cut where it begins. */
static int read_row(FILE *file, reeve_row *ret)
{
    row_head head;
    if (fread(&head, sizeof head, 1, file) != 1) return 0;
    char *body = malloc(head.body_size), *values = head.values_size ? malloc(head.values_size) : NULL;
    *ret = (reeve_row){head.first_seq, head.event_count, {head.wall_ms, head.engine_ms}, body, head.body_size, values};
    if (fread(body, head.body_size, 1, file) == 1 && (!values || fread(values, head.values_size, 1, file) == 1)) return 1;
    free(body), free(values);
    return 0;
}

/* ---- events and effects ---- */

static void take_spawn(host *self, const reeve_spawn *attempt)
{
    job *j = &self->jobs[self->job_count++];
    *j = (job){.what = JOB_ATTEMPT, .epoch = attempt->epoch};
    snprintf(j->node, sizeof j->node, "%s", attempt->node);
    for (j->argc = 0; attempt->argv[j->argc] && j->argc < 5; j->argc++)
        snprintf(j->argv[j->argc], sizeof j->argv[0], "%s", attempt->argv[j->argc]);
    if (attempt->env[0]) snprintf(j->variable, sizeof j->variable, "%s", attempt->env[0]);
    if (attempt->feedback) snprintf(j->feedback, sizeof j->feedback, "%s", attempt->feedback);
    if (self->dies && strcmp(j->node, "draft") == 0) raise(SIGKILL);
}

static void take_effect(host *self, const reeve_effect *effect)
{
    if (self->job_count + (int)effect->spawn_count >= JOBS_MAX) die_of("jobs", "more at once than this example holds");
    if (strcmp(effect->type, "spawn") == 0)
        for (size_t i = 0; i < effect->spawn_count; i++) take_spawn(self, &effect->spawns[i]);
    if (strcmp(effect->type, "reduce") == 0) {
        job *j = &self->jobs[self->job_count++];
        *j = (job){.what = JOB_REDUCE, .epoch = effect->epoch};
        snprintf(j->node, sizeof j->node, "%s", effect->node);
        snprintf(j->inputs, sizeof j->inputs, "%s", effect->inputs);
    }
    if (strcmp(effect->type, "park") == 0 && strcmp(effect->detail, "approval") == 0) {
        job *j = &self->jobs[self->job_count++];
        *j = (job){.what = JOB_DECIDE};
        snprintf(j->node, sizeof j->node, "%s", effect->node);
        snprintf(j->digest, sizeof j->digest, "%s", effect->digest);
        printf("asked: %s\n", effect->payload);
    }
    if (strcmp(effect->type, "arm_timer") == 0) self->due_ms = effect->due_ms;
    if (strcmp(effect->type, "run_ended") == 0) snprintf(self->ended, sizeof self->ended, "%s", effect->state);
    if (strcmp(effect->type, "note") == 0) printf("note: %s\n", effect->text);
}

/* One event: keep the row, and only then carry out the effects. */
static void give(host *self, const reeve_event *event)
{
    reeve_step step;
    reeve_error error;
    reeve_now now = {clock_ms(CLOCK_REALTIME), self->engine0_ms + clock_ms(CLOCK_MONOTONIC)};
    if (reeve_kernel_step(self->kernel, event, now, &step, &error) != REEVE_OK) die_of(event->type, error.text);
    keep_row(self, &step.row);
    for (size_t i = 0; i < step.effect_count; i++) take_effect(self, &step.effects[i]);
    fflush(stdout);
}

static reeve_event event_of(const char *type, const char *node, uint32_t epoch)
{
    reeve_event event = REEVE_EVENT_INIT;
    event.type = type;
    event.node = node;
    event.epoch = epoch;
    return event;
}

/* ---- carrying out ---- */

static void run_agent(const job *j, reeve_event *done, char *value, char *output)
{
    const char *name = j->argv[1], *first = j->argv[2];
    if (strcmp(name, "search") == 0) {
        snprintf(value, TEXT_MAX, "{\"facts\":\"%s hum\"}", first);
        snprintf(output, TEXT_MAX, "found: %s hum", first);
        done->tokens_in = 12;
        done->tokens_out = 4;
    } else if (strcmp(name, "write") == 0) {
        snprintf(value, TEXT_MAX, "{\"%s\":\"All about %.*s\"}", j->feedback[0] ? "title" : "titel", (int)strcspn(first, " "), first);
        snprintf(output, TEXT_MAX, "%s, and sleep a lot\n", first);
        done->cost_usd = 0.01;
    } else {
        printf("published: %s (%s)\n", first, j->argv[3]);
        snprintf(value, TEXT_MAX, "{\"published\":true}");
    }
}

static void run_process(job *j, reeve_event *done, char *output)
{
    int fds[2], status;
    char *argv[7] = {j->argv[0], j->argv[1], j->argv[2], j->argv[3], j->argv[4], NULL, NULL};
    if (pipe(fds) != 0) die_of("pipe", "none to be had");
    argv[j->argc] = NULL;
    pid_t pid = fork();
    if (pid == 0) {
        if (j->variable[0]) putenv(j->variable);
        dup2(fds[1], STDOUT_FILENO);
        close(fds[0]), close(fds[1]);
        execvp(argv[0], argv);
        _exit(127);
    }
    close(fds[1]);
    size_t size = 0;
    for (ssize_t got; size < TEXT_MAX - 1 && (got = read(fds[0], output + size, TEXT_MAX - 1 - size)) > 0;) size += (size_t)got;
    output[size] = 0;
    close(fds[0]);
    if (pid < 0 || waitpid(pid, &status, 0) != pid) die_of("process", "it could not be started");
    if (WIFEXITED(status)) done->exit_status = WEXITSTATUS(status);
    else done->signal = WTERMSIG(status);
}

static void carry_out(host *self, job *j)
{
    static char value[TEXT_MAX + 32], output[TEXT_MAX];
    value[0] = output[0] = 0;
    reeve_event started = event_of("started", j->node, j->epoch), done = event_of("completed", j->node, j->epoch);
    if (j->what == JOB_DECIDE) {
        done = event_of("decided", j->node, 0);
        done.state = "approve";
        done.by = "host.c";
        done.digest = j->digest;
    } else if (j->what == JOB_REDUCE) { /* longest: here, of all that it was given */
        snprintf(value, sizeof value, "{\"value\":%s}", j->inputs);
    } else {
        give(self, &started);
        if (strcmp(j->argv[0], "agent") == 0) run_agent(j, &done, value, output);
        else run_process(j, &done, output);
    }
    done.value = value[0] ? value : NULL;
    done.output = output;
    give(self, &done);
}

/* ---- life ---- */

static void replay(host *self, const char *path)
{
    reeve_row row;
    reeve_error error;
    long whole = 0;
    int64_t last_ms = 0;
    for (; read_row(self->journal, &row); whole = ftell(self->journal)) {
        if (reeve_kernel_replay(self->kernel, &row, 1, &error) != REEVE_OK) die_of("replay", error.text);
        last_ms = row.now.engine_ms;
        free((void *)row.body), free((void *)row.values);
    }
    if (truncate(path, whole) != 0 || fseek(self->journal, whole, SEEK_SET) != 0) die_of("journal", "it cannot be cut");
    self->engine0_ms = last_ms + 1 - clock_ms(CLOCK_MONOTONIC); /* a clock that never goes back, also not from one life to the next */
}

/* What was handed out is lost with the host that had it; people are asked anew. */
static void go_on(host *self, const reeve_kernel_info *info)
{
    reeve_event resume = event_of("resume", NULL, 0);
    printf("going on after event %llu\n", (unsigned long long)info->last_seq);
    self->due_ms = info->due_ms;
    give(self, &resume);
    for (uint32_t i = 0; i < info->node_count; i++) {
        reeve_node node;
        reeve_effect park;
        reeve_kernel_node(self->kernel, i, &node, NULL);
        reeve_event lost = event_of("lost", node.name, node.epoch);
        lost.flags = REEVE_LOST_WAS_STARTED;
        lost.text = "the host died";
        if (strcmp(node.state, "running") == 0) give(self, &lost);
        else if (reeve_kernel_waiting(self->kernel, i, &park) == REEVE_OK) take_effect(self, &park);
    }
}

static void begin(host *self, const char *journal, const char *flow)
{
    static char text[65536];
    static const char *const reducers[] = {"longest", NULL};
    reeve_workflow workflow = REEVE_WORKFLOW_INIT;
    reeve_kernel_options options = REEVE_KERNEL_OPTIONS_INIT;
    reeve_kernel_info info = {.size = sizeof info};
    reeve_error error;
    char *problems = NULL;
    FILE *file = fopen(flow, "r");
    if (!file) die_of(flow, "cannot be opened");
    workflow.text_size = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    workflow.text = text;
    options.slots = 2;
    options.reducers = reducers;
    if (reeve_kernel_new(&workflow, &options, &self->kernel, &problems, &error) != REEVE_OK) die_of(flow, problems ? problems : error.text);
    self->journal = fopen(journal, "a+b");
    if (!self->journal) die_of(journal, "cannot be opened");
    rewind(self->journal);
    replay(self, journal);
    reeve_kernel_state(self->kernel, &info);
    if (info.is_ended) snprintf(self->ended, sizeof self->ended, "%s", info.state);
    else if (info.last_seq) go_on(self, &info);
    else {
        reeve_event load = event_of("load", NULL, 0);
        load.key = "hosted-1";
        load.seed = 1;
        give(self, &load);
    }
}

int main(int argc, char **argv)
{
    host self = {.dies = argc > 3 && strcmp(argv[3], "--die") == 0};
    if (argc < 3) die_of("usage", "host JOURNAL FLOW [--die]");
    begin(&self, argv[1], argv[2]);
    while (!self.ended[0]) {
        if (self.job_count) {
            job next = self.jobs[0];
            memmove(&self.jobs[0], &self.jobs[1], (size_t)--self.job_count * sizeof next);
            carry_out(&self, &next);
        } else { /* nothing to do before a time has come */
            int64_t wait_ms = self.due_ms - (self.engine0_ms + clock_ms(CLOCK_MONOTONIC));
            reeve_event tick = event_of("tick", NULL, 0);
            struct timespec pause = {wait_ms / 1000, wait_ms % 1000 * 1000000};
            if (!self.due_ms) die_of("loop", "nothing is wanted any more, and the run has not ended");
            if (wait_ms > 0) nanosleep(&pause, NULL);
            give(&self, &tick);
        }
    }
    reeve_node node;
    for (uint32_t i = 0; reeve_kernel_node(self.kernel, i, &node, NULL) == REEVE_OK; i++) printf("%s %s\n", node.name, node.state);
    reeve_kernel_free(self.kernel);
    fclose(self.journal);
    return strcmp(self.ended, "ok") == 0 ? 0 : 1;
}
