/* embed.c: Reeve inside a program.
 *
 *     cc embed.c -o embed $(pkg-config --cflags --libs reeve)
 *     ./embed STORE [--die]
 *
 * The program has a loop of its own, as programs have: here it polls the engine's descriptor beside a clock of its own
 * that ticks. It runs a small graph, answers the approval in it, carries one of its nodes out itself, which asks the gate before it
 * uses a tool and gives the run more nodes while it goes on, and asks the store in SQL what happened. With --die it kills itself when
 * the first node has ended; started again with the same STORE it goes on with the rest. */
#include <reeve.h>

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static const char workflow_text[] =
    "reeve: 1\n"
    "name: embedded\n"
    "params: {who: {type: string}}\n"
    "nodes:\n"
    "  greet:  {run: [echo, \"Hello, ${user.who}\"]}\n"
    "  think:  {shell: 'echo \"answer=42\" >\"$REEVE_OUTPUT\"', needs: [greet]}\n"
    "  review: {approve: {message: \"Is ${think.answer} right?\"}, needs: [think]}\n"
    "  tell:   {run: [echo, \"It is ${think.answer}, says ${review.by}\"], needs: [review]}\n"
    "  plan:   {run: [planner, \"${think.answer}\"], needs: [review], capabilities: [\"shelf.*\"]}\n";

/* What the planner has the run do when it knows the answer; `needs` may name what the run has. */
static const char more_text[] =
    "nodes:\n"
    "  each: {foreach: {items: [6, 9], do: {run: [echo, \"${item} of ${think.answer}\"]}}, needs: [think]}\n";

typedef struct program {
    int dies;              /* --die */
    int is_over;
    int exit_status;
    char asked[128];       /* the key of an approval that waits; "": none */
    uint32_t planning;     /* epoch of the attempt at `plan` that this program carries out; 0: none */
} program;

/* ---- what the engine tells; called from within reeve_dispatch ---- */

static void on_output(void *user, const char *run, const char *node, int stream, const char *bytes, size_t size)
{
    (void)user, (void)run, (void)stream;
    printf("%s: %.*s", node, (int)size, bytes);
}

static void on_node_ended(void *user, const char *run, const reeve_node *node)
{
    program *self = user;
    (void)run;
    printf("%s %s\n", node->name, node->state);
    fflush(stdout);
    if (self->dies) raise(SIGKILL);
}

/* A decision is not made from within a callback: it is noted, and made in the loop. */
static void on_blocker_opened(void *user, const char *run, const reeve_blocker *blocker)
{
    program *self = user;
    (void)run;
    printf("%s asks: %s\n", blocker->key, blocker->payload);
    snprintf(self->asked, sizeof self->asked, "%s", blocker->key);
}

/* Commands that are called `planner` are the program's; others are processes of the engine's. */
static int on_start(void *user, const reeve_spawn *attempt)
{
    program *self = user;
    if (strcmp(attempt->argv[0], "planner") != 0) return 0;
    self->planning = attempt->epoch;
    return 1;
}

static void on_run_ended(void *user, const char *run, const char *state, int exit_status)
{
    program *self = user;
    printf("run %s: %s\n", run, state);
    self->is_over = 1;
    self->exit_status = exit_status;
}

/* ---- the program ---- */

static int fail(const char *what, const reeve_error *error)
{
    fprintf(stderr, "embed: %s: %s\n", what, error->text);
    return 1;
}

/* Go on with what an earlier start of this program left unfinished; else begin. */
static reeve_status begin(reeve *engine, char *ret_run, reeve_error *error)
{
    reeve_var vars[] = {{"who", "world"}};
    reeve_workflow workflow = REEVE_WORKFLOW_INIT;
    char *problems = NULL;
    reeve_status status = reeve_resume(engine, NULL, NULL, 0, ret_run, error);
    if (status != REEVE_NOT_FOUND) {
        if (status == REEVE_OK) printf("going on with run %s\n", ret_run);
        return status;
    }
    workflow.text = workflow_text;
    workflow.name = "embedded.yaml";
    workflow.vars = vars;
    workflow.var_count = 1;
    status = reeve_submit(engine, &workflow, ret_run, &problems, error);
    if (problems) fprintf(stderr, "%s", problems);
    reeve_free(problems);
    return status;
}

/* May the planner use this tool? The workflow's capabilities decide, then what the program knows. Where somebody must permit it the
 * engine asks nobody and nothing waits: the program asks, here a rule of its own, and then the gate once more with that word. */
static reeve_status may_use(const program *self, reeve *engine, const char *run, const char *tool, int *ret, reeve_error *error)
{
    reeve_gate gate = {.size = sizeof gate};
    reeve_event request = REEVE_EVENT_INIT;
    request.node = "plan";
    request.epoch = self->planning;
    request.state = "tool";
    request.key = tool;
    request.value = "{\"permission\": \"ask\"}";
    reeve_status status = reeve_ask(engine, run, &request, &gate, error);
    if (status == REEVE_OK && strcmp(gate.answer, "gate") == 0) {
        request.value = strcmp(tool, "shelf.read") == 0 ? "{\"permission\": \"allow\"}" : "{\"permission\": \"deny\"}";
        status = reeve_ask(engine, run, &request, &gate, error);
    }
    if (status != REEVE_OK) return status;
    *ret = strcmp(gate.answer, "allow") == 0;
    printf("plan may%s use %s%s%s\n", *ret ? "" : " not", tool, *ret ? "" : ": ", gate.reason);
    return REEVE_OK;
}

static reeve_status plan(program *self, reeve *engine, const char *run, reeve_error *error)
{
    reeve_workflow nodes = REEVE_WORKFLOW_INIT;
    reeve_event done = REEVE_EVENT_INIT;
    static const char *const tools[] = {"shelf.read", "shelf.burn", "matches"};
    char *told = NULL;
    int may = 0;
    reeve_status status = REEVE_OK;
    for (int i = 0; status == REEVE_OK && i < 3; i++) status = may_use(self, engine, run, tools[i], &may, error); /* uses none */
    nodes.text = more_text;
    if (status == REEVE_OK) status = reeve_submit_nodes(engine, run, "plan", self->planning, NULL, &nodes, &told, NULL, error);
    if (status != REEVE_OK) return status;
    printf("planned: %s\n", told);
    reeve_free(told);
    done.node = "plan";
    done.epoch = self->planning;
    done.value = "{\"planned\": true}";
    self->planning = 0;
    return reeve_complete(engine, run, &done, error);
}

/* The program's own loop: one poll for everything. */
static reeve_status loop(program *self, reeve *engine, const char *run, reeve_error *error)
{
    reeve_status status = REEVE_OK;
    while (status == REEVE_OK && !self->is_over) {
        struct pollfd fds[] = {{.fd = reeve_fd(engine), .events = POLLIN}};
        int64_t tick_ms = 1000, due_ms = reeve_timeout_ms(engine);
        (void)poll(fds, 1, (int)(due_ms >= 0 && due_ms < tick_ms ? due_ms : tick_ms));
        status = reeve_dispatch(engine, error);
        if (status == REEVE_OK && self->asked[0]) {
            status = reeve_decide(engine, run, self->asked, REEVE_APPROVE, "embed", "looks right", error);
            self->asked[0] = 0;
        }
        if (status == REEVE_OK && self->planning) status = plan(self, engine, run, error);
    }
    return status;
}

int main(int argc, char **argv)
{
    program self = {.dies = argc > 2 && strcmp(argv[2], "--die") == 0};
    reeve_options options = REEVE_OPTIONS_INIT;
    reeve_error error;
    reeve *engine;
    char run[REEVE_RUN_SIZE], *rows = NULL;
    if (argc < 2) {
        fprintf(stderr, "usage: embed STORE [--die]\n");
        return 2;
    }
    options.observer.user = &self;
    options.observer.output = on_output;
    options.observer.node_ended = on_node_ended;
    options.observer.blocker_opened = on_blocker_opened;
    options.observer.run_ended = on_run_ended;
    if (reeve_open(argv[1], &options, &engine, &error) != REEVE_OK) return fail("opening the store", &error);
    reeve_executor executor = REEVE_EXECUTOR_INIT;
    executor.user = &self;
    executor.start = on_start;
    if (reeve_executor_register(engine, &executor, &error) != REEVE_OK) return fail("registering", &error);
    if (begin(engine, run, &error) != REEVE_OK) return fail("beginning", &error);
    if (loop(&self, engine, run, &error) != REEVE_OK) return fail("running", &error);

    const char *args[] = {run};
    if (reeve_query(engine, "select id, state, attempts from node where run = ?1 order by \"index\"", args, 1, 0, &rows,
                    &error) != REEVE_OK)
        return fail("asking", &error);
    printf("%s\n", rows);
    reeve_free(rows);
    if (reeve_close(engine, &error) != REEVE_OK) return fail("closing the store", &error);
    return self.exit_status;
}
