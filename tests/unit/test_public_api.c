/* test_public_api.c: include/reeve.h as a program sees it: only the public header is used here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "reeve.h"
#include "folder.h"

#define LIMIT_MS 60000 /* generous: nothing here takes a second */

/* ------------------------------------------------------------- the scene */

typedef struct scene {
    reeve *engine;
    char dir[64], store[96], text[65536]; /* text: what was told, a line each */
    char asked[64], run_from_callback[REEVE_RUN_SIZE];
    reeve_status inner;                  /* of the call that a callback made */
    int running_seen;
} scene;

static void tell(scene *s, const char *what, const char *detail)
{
    size_t used = strlen(s->text);
    snprintf(s->text + used, sizeof s->text - used, "%s %s\n", what, detail);
}

static void on_started(void *user, const char *run, int is_resumed)
{
    scene *s = user;
    snprintf(s->run_from_callback, sizeof s->run_from_callback, "%s", run);
    tell(s, "run_started", is_resumed ? "resumed" : "new");
}

static void on_output(void *user, const char *run, const char *node, int stream, const char *bytes, size_t size)
{
    char line[256];
    (void)run;
    snprintf(line, sizeof line, "%s %d %.*s", node, stream, (int)(size - 1), bytes);
    tell(user, "output", line);
}

static void on_attempt_started(void *user, const char *run, const reeve_node *node)
{
    char line[256];
    (void)run;
    snprintf(line, sizeof line, "%s #%u", node->name, node->attempt);
    tell(user, "started", line);
}

static void on_attempt_ended(void *user, const char *run, const reeve_node *node, int will_retry, int64_t retry_in_ms)
{
    char line[256];
    (void)run;
    snprintf(line, sizeof line, "%s #%u %s%s", node->name, node->attempt, node->state, will_retry && retry_in_ms >= 0 ? " again" : "");
    tell(user, "attempt", line);
}

static void on_node_ended(void *user, const char *run, const reeve_node *node)
{
    scene *s = user;
    char line[256];
    reeve_run info = {.size = sizeof info};
    snprintf(line, sizeof line, "%s %s %s", node->name, node->kind, node->state);
    tell(s, "node", line);
    assert_int_equal(reeve_run_info(s->engine, run, &info, NULL), REEVE_OK);
    s->running_seen += strcmp(info.state, "running") == 0;
    s->inner = reeve_dispatch(s->engine, NULL);
}

static void on_opened(void *user, const char *run, const reeve_blocker *blocker)
{
    scene *s = user;
    (void)run;
    snprintf(s->asked, sizeof s->asked, "%s", blocker->key);
    tell(s, blocker->kind, blocker->payload);
}

static void on_closed(void *user, const char *run, const char *key, const char *decision, const char *by)
{
    char line[128];
    (void)run;
    snprintf(line, sizeof line, "%s %s by %s", key, decision, by);
    tell(user, "closed", line);
}

static void on_ended(void *user, const char *run, const char *state, int exit_status)
{
    char line[128];
    (void)run;
    snprintf(line, sizeof line, "%s %d", state, exit_status);
    tell(user, "run_ended", line);
}

static void scene_open(scene *s)
{
    reeve_options options = REEVE_OPTIONS_INIT;
    reeve_error error = {REEVE_OK, ""};
    options.slots = 2;
    options.grace_ms = 200;
    options.observer = (reeve_observer){.user = s, .run_started = on_started, .attempt_started = on_attempt_started, .output = on_output,
                                        .attempt_ended = on_attempt_ended, .node_ended = on_node_ended, .blocker_opened = on_opened,
                                        .blocker_closed = on_closed, .run_ended = on_ended};
    reeve_status status = reeve_open(s->store, &options, &s->engine, &error);
    if (status != REEVE_OK) fail_msg("%s", error.text);
}

static int setup(void **state)
{
    scene *s = calloc(1, sizeof *s);
    if (make_folder(s->dir, sizeof s->dir, "rv-public") != 0) return -1;
    snprintf(s->store, sizeof s->store, "%s/store", s->dir);
    scene_open(s);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    scene *s = *state;
    reeve_close(s->engine, NULL);
    int removed = remove_at(AT_FDCWD, s->dir); /* ours: …/rv-public-… */
    free(s);
    return removed;
}

static void submit(scene *s, const char *text, char *ret_run)
{
    reeve_workflow workflow = REEVE_WORKFLOW_INIT;
    reeve_error error = {REEVE_OK, ""};
    char *problems = NULL;
    workflow.text = text;
    workflow.directory = s->dir;
    if (reeve_submit(s->engine, &workflow, ret_run, &problems, &error) != REEVE_OK)
        fail_msg("%s: %s", error.text, problems ? problems : "");
    reeve_free(problems);
}

static void assert_told(const scene *s, const char *line)
{
    if (!strstr(s->text, line)) fail_msg("not told: %s\ntold:\n%s", line, s->text);
}

static void wait_for(scene *s, const char *run)
{
    reeve_error error = {REEVE_OK, ""};
    if (reeve_wait(s->engine, run, LIMIT_MS, &error) != REEVE_OK) fail_msg("%s\ntold:\n%s", error.text, s->text);
}

/* Work until a question is open. */
static void wait_asked(scene *s)
{
    for (int i = 0; !s->asked[0] && i < LIMIT_MS / 100; i++) (void)reeve_wait(s->engine, NULL, 100, NULL);
    if (!s->asked[0]) fail_msg("nothing was asked; told:\n%s", s->text);
}

/* ------------------------------------------------------------- claims */

static void public__version_of_header_and_library_agree(void **state)
{
    int major, minor, patch;
    (void)state;
    assert_string_equal(reeve_version(), REEVE_VERSION);
    assert_int_equal(sscanf(REEVE_VERSION, "%d.%d.%d", &major, &minor, &patch), 3);
    assert_int_equal(reeve_version_number(), major * 1000000 + minor * 1000 + patch);
    assert_int_equal(reeve_version_number(), REEVE_VERSION_NUMBER);
    assert_string_equal(reeve_status_name(REEVE_NOT_FOUND), "NOT_FOUND");
    assert_string_equal(reeve_status_name(REEVE_TIMEOUT), "TIMEOUT");
}

static void public__run_ends_and_everything_is_told(void **state)
{
    scene *s = *state;
    char run[REEVE_RUN_SIZE];
    reeve_run info = {.size = sizeof info};
    submit(s, "reeve: 1\nname: two\nnodes:\n"
              "  a: {shell: 'test \"$REEVE_EPOCH\" -gt 1 && echo yes', retry: {max_attempts: 2}}\n"
              "  b: {run: [echo, 'a was ${a.stdout}'], needs: [a]}\n", run);
    assert_string_equal(run, s->run_from_callback);
    assert_int_equal(reeve_run_info(s->engine, run, &info, NULL), REEVE_OK);
    assert_false(info.is_ended);
    assert_int_equal(info.exit_status, -1);
    wait_for(s, run);
    assert_told(s, "run_started new\n");
    assert_told(s, "attempt a #1 error again\n");
    assert_told(s, "output a 1 yes\n");
    assert_told(s, "node a shell succeeded\n");
    assert_told(s, "output b 1 a was yes\n");
    assert_told(s, "run_ended ok 0\n");
    assert_int_equal(s->inner, REEVE_INVALID); /* from a callback only reeve_run_info is answered */
    assert_true(s->running_seen > 0);
    assert_int_equal(reeve_run_info(s->engine, run, &info, NULL), REEVE_OK);
    assert_true(info.is_ended);
    assert_string_equal(info.state, "ok");
    assert_int_equal(info.exit_status, 0);
    assert_int_equal(info.node_count, 2);
    assert_int_equal(info.done_count, 2);
}

static void public__bad_workflow_gives_all_problems_and_writes_nothing(void **state)
{
    scene *s = *state;
    reeve_workflow workflow = REEVE_WORKFLOW_INIT;
    reeve_error error = {REEVE_OK, ""};
    char run[REEVE_RUN_SIZE] = "untouched", *problems = NULL, *rows = NULL;
    workflow.text = "reeve: 1\nnodes:\n  a: {rum: [true]}\n  b: {run: ['true'], needs: [c]}\n";
    workflow.name = "bad.yaml";
    workflow.directory = s->dir;
    assert_int_equal(reeve_submit(s->engine, &workflow, run, &problems, &error), REEVE_INVALID);
    assert_non_null(problems);
    assert_non_null(strstr(problems, "bad.yaml:3:"));
    assert_non_null(strstr(problems, "bad.yaml:4:"));
    assert_non_null(strstr(error.text, "bad.yaml"));
    assert_string_equal(run, "untouched");
    assert_int_equal(reeve_query(s->engine, "select count(*) as n from run", NULL, 0, 0, &rows, &error), REEVE_OK);
    assert_string_equal(rows, "{\"columns\":[\"n\"],\"rows\":[[0]],\"cut\":false}");
    reeve_free(rows);
    reeve_free(problems);
}

static void public__descriptor_and_timeout_are_enough_for_a_foreign_loop(void **state)
{
    scene *s = *state;
    char run[REEVE_RUN_SIZE];
    reeve_run info = {.size = sizeof info};
    submit(s, "reeve: 1\nnodes:\n  a: {shell: 'sleep 0.05; echo one'}\n  w: {wait: {for: 60ms}, needs: [a]}\n"
              "  b: {run: [echo, two], needs: [w]}\n"
              "  c: {run: [seq, '20000'], needs: [a]}\n", run);
    for (int i = 0; i < 100000 && !info.is_ended; i++) {
        struct pollfd fd = {.fd = reeve_fd(s->engine), .events = POLLIN};
        int64_t due_ms = reeve_timeout_ms(s->engine);
        /* Without an answer in a minute the descriptor does not say what it should. */
        int ready = poll(&fd, 1, (int)(due_ms < 0 || due_ms > LIMIT_MS ? LIMIT_MS : due_ms));
        if (ready == 0 && (due_ms < 0 || due_ms > LIMIT_MS)) fail_msg("the descriptor kept silent; told:\n%s", s->text);
        assert_int_equal(reeve_dispatch(s->engine, NULL), REEVE_OK);
        assert_int_equal(reeve_run_info(s->engine, run, &info, NULL), REEVE_OK);
    }
    assert_string_equal(info.state, "ok");
    assert_told(s, "output b 1 two\n");
}

static void public__approval_and_answer_are_taken_once(void **state)
{
    scene *s = *state;
    char run[REEVE_RUN_SIZE], *rows = NULL;
    submit(s, "reeve: 1\nnodes:\n  ok: {approve: {message: 'Go?'}}\n"
              "  n: {input: {question: 'How many?', schema: {type: integer}}, needs: [ok]}\n"
              "  t: {run: [echo, '${n.value} by ${ok.by}'], needs: [n, ok]}\n", run);
    wait_asked(s);
    assert_string_equal(s->asked, "ok");
    assert_told(s, "approval {\"message\":\"Go?\"}\n");
    assert_int_equal(reeve_decide(s->engine, run, "nobody", REEVE_APPROVE, "me", NULL, NULL), REEVE_NOT_FOUND);
    assert_int_equal(reeve_decide(s->engine, "no-run", "ok", REEVE_APPROVE, "me", NULL, NULL), REEVE_NOT_FOUND);
    s->asked[0] = 0;
    assert_int_equal(reeve_decide(s->engine, run, "ok", REEVE_APPROVE, "me", "fine", NULL), REEVE_OK);
    assert_int_equal(reeve_decide(s->engine, run, "ok", REEVE_REJECT, "me", NULL, NULL), REEVE_CONFLICT);
    wait_asked(s);
    assert_string_equal(s->asked, "n");
    assert_int_equal(reeve_answer(s->engine, run, "n", "\"many\"", "me", NULL), REEVE_INVALID);
    assert_int_equal(reeve_answer(s->engine, run, "n", "12", "me", NULL), REEVE_OK);
    wait_for(s, run);
    assert_told(s, "closed ok approved by me\n");
    assert_told(s, "output t 1 12 by me\n");
    const char *args[] = {run};
    const char *sql = "select count(*) from blocker where run = ?1 and state = 'resolved'";
    assert_int_equal(reeve_query(s->engine, sql, args, 1, 0, &rows, NULL), REEVE_OK);
    assert_non_null(strstr(rows, "[[2]]"));
    reeve_free(rows);
}

static void public__query_refuses_to_write(void **state)
{
    scene *s = *state;
    char *rows = NULL;
    reeve_error error = {REEVE_OK, ""};
    assert_int_equal(reeve_query(s->engine, "delete from meta", NULL, 0, 0, &rows, &error), REEVE_DENIED);
    assert_int_equal(error.status, REEVE_DENIED);
    assert_int_equal(reeve_query(s->engine, "selekt", NULL, 0, 0, &rows, NULL), REEVE_INVALID);
    assert_null(rows);
}

static void public__second_owner_is_a_conflict(void **state)
{
    scene *s = *state;
    reeve *other = NULL;
    reeve_error error = {REEVE_OK, ""};
    pid_t child = fork(); /* from another process: a store is open once in a process */
    if (child == 0) _exit(reeve_open(s->store, NULL, &other, &error) == REEVE_CONFLICT && strstr(error.text, "owned by process") ? 0 : 1);
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void public__engines_of_two_stores_live_side_by_side(void **state)
{
    scene *s = *state;
    char run[REEVE_RUN_SIZE], other_run[REEVE_RUN_SIZE];
    scene other = {.asked = ""};
    snprintf(other.dir, sizeof other.dir, "%s", s->dir);
    snprintf(other.store, sizeof other.store, "%s/other", s->dir);
    assert_int_equal(reeve_open(s->store, NULL, &other.engine, NULL), REEVE_CONFLICT);
    scene_open(&other);
    const char *text = "reeve: 1\nnodes:\n  a: {shell: 'sleep 0.05'}\n  b: {run: [echo, here], needs: [a]}\n";
    submit(s, text, run);
    submit(&other, text, other_run);
    wait_for(s, run); /* what the other engine's commands do meanwhile is not lost */
    wait_for(&other, other_run);
    assert_told(s, "output b 1 here\n");
    assert_told(&other, "output b 1 here\n");
    assert_int_equal(reeve_close(other.engine, NULL), REEVE_OK);
}

/* [K53] Two at once: the second finds the group's money reserved, and goes on when the first gives the rest of it back. */
static void public__runs_of_a_group_share_its_budget_while_both_go_on(void **state)
{
    scene *s = *state;
    char first[REEVE_RUN_SIZE], second[REEVE_RUN_SIZE], text[1024], gate[160];
    static const char file[] = "reeve: 1\nbudget: {usd: 1, group: team}\nnodes:\n"
                               "  %s: {shell: '%s; echo cost_usd=0.4 > $REEVE_OUTPUT', budget: {estimate: {usd: 0.6}}}\n";
    snprintf(gate, sizeof gate, "until [ -e %s/open ]; do sleep 0.01; done", s->dir);
    snprintf(text, sizeof text, file, "a", gate);
    submit(s, text, first);
    for (int i = 0; !strstr(s->text, "run_started") && i < LIMIT_MS / 10; i++) (void)reeve_wait(s->engine, NULL, 10, NULL);
    snprintf(text, sizeof text, file, "b", "true");
    submit(s, text, second);
    wait_asked(s);
    assert_told(s, "with the other runs of the group team: usd 0.40 left, usd 0.60 needed");
    snprintf(text, sizeof text, "%s/open", s->dir);
    FILE *open_file = fopen(text, "w");
    assert_non_null(open_file);
    fclose(open_file);
    wait_for(s, first);
    wait_for(s, second);
    assert_told(s, "closed budget there is enough by ");
    assert_told(s, "node b shell succeeded\n");
    snprintf(text, sizeof text, file, "c", "true");
    s->asked[0] = 0;
    submit(s, text, first);
    wait_asked(s);
    assert_int_equal(reeve_answer(s->engine, first, "budget", "{\"add\":{\"tokens\":1}}", "me", NULL), REEVE_CONFLICT);
    assert_int_equal(reeve_answer(s->engine, first, "budget", "{\"give\":1}", "me", NULL), REEVE_INVALID);
    assert_int_equal(reeve_answer(s->engine, first, "budget", "{\"quota\":{\"concurrent\":4}}", "me", NULL), REEVE_OK);
    assert_int_equal(reeve_answer(s->engine, first, "budget", "{\"add\":{\"usd\":0.5}}", "me", NULL), REEVE_OK);
    wait_for(s, first);
    assert_told(s, "node c shell succeeded\n");
}

static void public__children_of_the_program_are_left_alone(void **state)
{
    scene *s = *state;
    char run[REEVE_RUN_SIZE];
    int gate[2], status = -1;
    assert_int_equal(pipe(gate), 0);
    pid_t child = fork();
    if (child == 0) {
        char byte;
        close(gate[1]);
        _exit(read(gate[0], &byte, 1) == 1 ? 7 : 1);
    }
    close(gate[0]);
    submit(s, "reeve: 1\nnodes:\n  a: {shell: '(sleep 1000 &) ; echo left'}\n", run);
    wait_for(s, run);
    assert_int_equal(reeve_close(s->engine, NULL), REEVE_OK);
    assert_int_equal(write(gate[1], "x", 1), 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 7);
    assert_int_equal(waitpid(-1, &status, WNOHANG), -1); /* what `a` left behind was ended and reaped [P8] */
    close(gate[1]);
    scene_open(s);
}

/* In a child: begin a run that sleeps, and be killed once it does. */
static void die_with_a_sleeper(scene *s)
{
    char run[REEVE_RUN_SIZE], text[256];
    scene_open(s);
    snprintf(text, sizeof text, "reeve: 1\nnodes:\n  a: {shell: 'test -e %s/pid || { echo $$ >%s/pid; exec sleep 1000; }'}\n",
             s->dir, s->dir);
    submit(s, text, run);
    snprintf(text, sizeof text, "%s/pid", s->dir);
    FILE *file = NULL;
    for (int i = 0, pid = 0; pid == 0 && i < LIMIT_MS / 20; i++) {
        (void)reeve_wait(s->engine, run, 20, NULL);
        file = fopen(text, "r");
        if (file && fscanf(file, "%d", &pid) != 1) pid = 0;
        if (file) fclose(file);
    }
    raise(SIGKILL);
}

static void public__what_a_killed_program_left_is_ended_by_the_next_open(void **state)
{
    scene *s = *state;
    char path[96], run[REEVE_RUN_SIZE], *rows = NULL;
    int status = -1, pid = 0;
    assert_int_equal(reeve_close(s->engine, NULL), REEVE_OK);
    s->engine = NULL;
    pid_t child = fork();
    if (child == 0) die_with_a_sleeper(s);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    snprintf(path, sizeof path, "%s/pid", s->dir);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%d", &pid), 1);
    fclose(file);
    assert_int_equal(kill(pid, 0), 0); /* no keeper: it lives on … */
    scene_open(s);
    while (waitpid(-1, &status, WNOHANG) > 0) continue; /* this process is its subreaper by now, and may have to reap it */
    assert_int_equal(kill(pid, 0), -1); /* … until the store is opened */
    assert_int_equal(reeve_resume(s->engine, NULL, NULL, 0, run, NULL), REEVE_OK);
    wait_for(s, run);
    assert_told(s, "run_ended ok 0\n");
    const char *sql = "select count(*), max(epoch) > 1 from attempt where node = 'a'";
    assert_int_equal(reeve_query(s->engine, sql, NULL, 0, 0, &rows, NULL), REEVE_OK);
    assert_non_null(strstr(rows, "[[2,1]]"));
    reeve_free(rows);
}

static void public__wait_times_out_and_cancel_is_for_good(void **state)
{
    scene *s = *state;
    char run[REEVE_RUN_SIZE], again[REEVE_RUN_SIZE];
    submit(s, "reeve: 1\nnodes:\n  a: {run: [sleep, '1000']}\n", run);
    assert_int_equal(reeve_wait(s->engine, run, 0, NULL), REEVE_TIMEOUT);
    assert_int_equal(reeve_wait(s->engine, run, 20, NULL), REEVE_TIMEOUT);
    assert_int_equal(reeve_wait(s->engine, "no-run", 20, NULL), REEVE_NOT_FOUND);
    assert_int_equal(reeve_resume(s->engine, run, NULL, 0, again, NULL), REEVE_CONFLICT);
    assert_int_equal(reeve_cancel(s->engine, run, "me", NULL), REEVE_OK);
    wait_for(s, run);
    assert_told(s, "run_ended cancelled");
    assert_int_equal(reeve_cancel(s->engine, run, "me", NULL), REEVE_CONFLICT);
    assert_int_equal(reeve_resume(s->engine, run, NULL, 0, again, NULL), REEVE_CONFLICT);
}

static void public__interrupted_run_goes_on_in_the_next_engine(void **state)
{
    scene *s = *state;
    char run[REEVE_RUN_SIZE], again[REEVE_RUN_SIZE], *rows = NULL, text[512];
    snprintf(text, sizeof text, "reeve: 1\nnodes:\n  a: {shell: 'echo a >>%s/ledger'}\n"
             "  b: {shell: 'test -e %s/go || exec sleep 1000; echo b >>%s/ledger', needs: [a]}\n", s->dir, s->dir, s->dir);
    submit(s, text, run);
    for (int i = 0; !strstr(s->text, "node a shell succeeded") && i < LIMIT_MS / 20; i++) (void)reeve_wait(s->engine, run, 20, NULL);
    assert_told(s, "node a shell succeeded\n");
    assert_int_equal(reeve_interrupt(s->engine, NULL), REEVE_OK);
    wait_for(s, NULL);
    assert_told(s, "run_ended interrupted");
    assert_int_equal(reeve_close(s->engine, NULL), REEVE_OK);
    snprintf(text, sizeof text, "%s/go", s->dir);
    fclose(fopen(text, "w"));
    scene_open(s);
    assert_int_equal(reeve_resume(s->engine, NULL, NULL, 0, again, NULL), REEVE_OK);
    assert_string_equal(again, run);
    assert_told(s, "run_started resumed\n");
    wait_for(s, again);
    assert_told(s, "run_ended ok 0\n");
    char ledger[64] = "";
    snprintf(text, sizeof text, "%s/ledger", s->dir);
    FILE *file = fopen(text, "r");
    size_t size = fread(ledger, 1, sizeof ledger - 1, file);
    fclose(file);
    ledger[size] = 0;
    assert_string_equal(ledger, "a\nb\n"); /* a was not done again [P3] */
    assert_int_equal(reeve_query(s->engine, "select count(*) from attempt where node = 'a'", NULL, 0, 0, &rows, NULL), REEVE_OK);
    assert_non_null(strstr(rows, "[[1]]"));
    reeve_free(rows);
    assert_int_equal(reeve_resume(s->engine, NULL, NULL, 0, again, NULL), REEVE_NOT_FOUND);
}

static void public__failed_run_gets_a_child_that_keeps_what_succeeded(void **state)
{
    scene *s = *state;
    char run[REEVE_RUN_SIZE], child[REEVE_RUN_SIZE], text[512];
    snprintf(text, sizeof text, "reeve: 1\nnodes:\n  a: {run: [echo, kept]}\n  b: {shell: 'test -e %s/go', needs: [a]}\n", s->dir);
    submit(s, text, run);
    wait_for(s, run);
    assert_told(s, "run_ended error 1\n");
    snprintf(text, sizeof text, "%s/go", s->dir);
    fclose(fopen(text, "w"));
    s->text[0] = 0;
    assert_int_equal(reeve_resume(s->engine, run, NULL, 0, child, NULL), REEVE_OK);
    assert_string_not_equal(child, run);
    wait_for(s, child);
    assert_told(s, "run_ended ok 0\n");
    assert_null(strstr(s->text, "output a")); /* it was taken from the first run */
}

static void public__secret_is_given_again_on_resume(void **state)
{
    scene *s = *state;
    char run[REEVE_RUN_SIZE], again[REEVE_RUN_SIZE];
    reeve_var vars[] = {{"word", "hush-hush"}};
    reeve_workflow workflow = REEVE_WORKFLOW_INIT;
    reeve_error error = {REEVE_OK, ""};
    workflow.text = "reeve: 1\nparams: {word: {type: string, secret: true}}\nnodes:\n  ok: {approve: {message: 'Go?'}}\n"
                    "  t: {shell: 'echo \"$WORD ${#WORD}\"', env: {WORD: '${user.word}'}, needs: [ok]}\n";
    workflow.directory = s->dir;
    workflow.vars = vars;
    workflow.var_count = 1;
    assert_int_equal(reeve_submit(s->engine, &workflow, run, NULL, &error), REEVE_OK);
    wait_asked(s);
    assert_int_equal(reeve_close(s->engine, NULL), REEVE_OK);
    scene_open(s);
    assert_int_equal(reeve_resume(s->engine, run, NULL, 0, again, &error), REEVE_INVALID);
    assert_non_null(strstr(error.text, "word"));
    assert_int_equal(reeve_resume(s->engine, run, vars, 1, again, &error), REEVE_OK);
    assert_int_equal(reeve_decide(s->engine, run, "ok", REEVE_APPROVE, NULL, NULL, NULL), REEVE_OK);
    wait_for(s, run);
    assert_told(s, " 9\n");
    assert_null(strstr(s->text, "hush-hush"));
}

/* Told exactly this, and once, wherever, that the run has started: that comes with its sync. */
static void assert_told_exactly(scene *s, const char *want)
{
    static const char begun[] = "run_started new\n";
    char rest[2048];
    const char *at = strstr(s->text, begun);
    if (!at) fail_msg("not told: %stold:\n%s", begun, s->text);
    snprintf(rest, sizeof rest, "%.*s%s", (int)(at - s->text), s->text, strchr(at, '\n') + 1);
    assert_string_equal(rest, want);
}

/* [A20] One after the other, so that there is one order only: a hit, a second attempt, a failure, what it skips, what it makes run. */
static void a20__each_thing_is_told_once_and_in_the_order_of_the_journal(void **state)
{
    static const char ran[] = "started found #1\noutput found 1 said\nattempt found #1 ok\n";
    static const char hit[] = "output found 1 said\n"; /* whole, once; no attempt */
    static const char rest[] = "node found shell succeeded\n"
                               "started again #1\nattempt again #1 error again\nstarted again #2\noutput again 2 second\n"
                               "attempt again #2 ok\nnode again shell succeeded\n"
                               "started fails #1\nattempt fails #1 error\nnode fails run failed\nnode skipped run skipped\n"
                               "started after #1\nattempt after #1 ok\nnode after run succeeded\nrun_ended error 1\n";
    scene *s = *state;
    for (int round = 0; round < 2; round++) {
        char run[REEVE_RUN_SIZE], want[1024];
        s->text[0] = 0;
        submit(s, "reeve: 1\nnodes:\n"
                  "  found: {shell: 'echo said', cache: true, inputs: []}\n"
                  "  again: {shell: 'if rm tried 2>/dev/null; then echo second >&2; else touch tried; exit 1; fi',\n"
                  "          retry: {max_attempts: 2}, needs: [found]}\n"
                  "  fails: {run: ['false'], needs: [again]}\n"
                  "  skipped: {run: ['true'], needs: [fails]}\n"
                  "  after: {run: ['true'], after: [skipped]}\n", run);
        wait_for(s, run);
        snprintf(want, sizeof want, "%s%s", round == 0 ? ran : hit, rest);
        assert_told_exactly(s, want);
    }
}

/* [A20] Who is called off is told once, too: what runs with its attempt, what has not begun without. */
static void a20__what_is_cancelled_is_told_once(void **state)
{
    scene *s = *state;
    char run[REEVE_RUN_SIZE];
    submit(s, "reeve: 1\nnodes:\n  runs: {shell: 'echo up; exec sleep 600'}\n  waits: {run: ['true'], needs: [runs]}\n", run);
    for (int i = 0; !strstr(s->text, "output runs") && i < LIMIT_MS / 100; i++) (void)reeve_wait(s->engine, NULL, 100, NULL);
    assert_int_equal(reeve_cancel(s->engine, run, "me", NULL), REEVE_OK);
    wait_for(s, run);
    assert_told_exactly(s, "started runs #1\noutput runs 1 up\nattempt runs #1 cancelled\nnode runs shell cancelled\n"
                           "node waits run cancelled\nrun_ended cancelled 1\n");
}

static void assert_rows(scene *s, const char *sql, const char *want)
{
    char *rows = NULL;
    reeve_error error = {REEVE_OK, ""};
    if (reeve_query(s->engine, sql, NULL, 0, 0, &rows, &error) != REEVE_OK) fail_msg("%s", error.text);
    assert_string_equal(rows, want);
    reeve_free(rows);
}

/* [C10] Two runs of one engine do the same at the same time: each goes on when both are there, so neither found what the other keeps. */
static void c10__two_runs_that_keep_one_key_at_once_leave_one_whole_entry(void **state)
{
    static const char text[] = "reeve: 1\nnodes:\n"
                               "  a: {shell: 'touch here.$$; until [ $(ls here.* | wc -l) -ge 2 ]; do sleep 0.01; done; \n"
                               "              echo same > out; echo said',\n"
                               "      cache: true, inputs: [], outputs: [out], timeout: 1m}\n";
    scene *s = *state;
    char first[REEVE_RUN_SIZE], second[REEVE_RUN_SIZE], third[REEVE_RUN_SIZE], path[128], bytes[8] = "";
    submit(s, text, first);
    submit(s, text, second);
    wait_for(s, first);
    wait_for(s, second);
    assert_rows(s, "select state, detail, count(*) as n from node group by 1, 2",
                "{\"columns\":[\"state\",\"detail\",\"n\"],\"rows\":[[\"succeeded\",\"fresh\",2]],\"cut\":false}");
    assert_rows(s, "select count(*) as n from cache", "{\"columns\":[\"n\"],\"rows\":[[1]],\"cut\":false}");
    snprintf(path, sizeof path, "%s/out", s->dir);
    assert_int_equal(unlink(path), 0);
    s->text[0] = 0;
    submit(s, text, third);
    wait_for(s, third);
    assert_told_exactly(s, "output a 1 said\nnode a shell succeeded\nrun_ended ok 0\n");
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_non_null(fgets(bytes, sizeof bytes, file));
    assert_string_equal(bytes, "same\n");
    fclose(file);
}

#define CLAIM(name_) cmocka_unit_test_setup_teardown(name_, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(public__version_of_header_and_library_agree),
        CLAIM(public__run_ends_and_everything_is_told),
        CLAIM(a20__each_thing_is_told_once_and_in_the_order_of_the_journal),
        CLAIM(a20__what_is_cancelled_is_told_once),
        CLAIM(c10__two_runs_that_keep_one_key_at_once_leave_one_whole_entry),
        CLAIM(public__bad_workflow_gives_all_problems_and_writes_nothing),
        CLAIM(public__descriptor_and_timeout_are_enough_for_a_foreign_loop),
        CLAIM(public__approval_and_answer_are_taken_once),
        CLAIM(public__query_refuses_to_write),
        CLAIM(public__second_owner_is_a_conflict),
        CLAIM(public__engines_of_two_stores_live_side_by_side),
        CLAIM(public__runs_of_a_group_share_its_budget_while_both_go_on),
        CLAIM(public__children_of_the_program_are_left_alone),
        CLAIM(public__what_a_killed_program_left_is_ended_by_the_next_open),
        CLAIM(public__wait_times_out_and_cancel_is_for_good),
        CLAIM(public__interrupted_run_goes_on_in_the_next_engine),
        CLAIM(public__failed_run_gets_a_child_that_keeps_what_succeeded),
        CLAIM(public__secret_is_given_again_on_resume),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
