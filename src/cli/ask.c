/* ask.c: questions of a run, asked in place on a terminal, told elsewhere.
 *
 * In place: the terminal hands over single bytes without echo (signals stay), the line is edited here and drawn in the region, so that
 * nothing that ends meanwhile tears it. Standard input is watched by the loop only while a question is open. A question that is
 * answered from elsewhere leaves the region, and what was typed with it. */
#include <errno.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "cli/answer.h"
#include "cli/cli.h"
#include "cli/progress.h"

#define TYPED_SIZE_MAX 4096u

typedef struct rv_ask {
    rv_watch *watch;
    struct termios before;
    rv_buf typed;
    rv_buf complaint; /* about the last answer */
} rv_ask;

static struct termios terminal_before;
static bool is_terminal_changed;

/* Also at exit: a second Ctrl-C ends the program wherever it is. */
static void give_terminal_back(void)
{
    if (is_terminal_changed) tcsetattr(STDIN_FILENO, TCSANOW, &terminal_before);
    is_terminal_changed = false;
}

static bool take_terminal(void)
{
    static bool is_registered;
    if (tcgetattr(STDIN_FILENO, &terminal_before) != 0) return false;
    struct termios now = terminal_before;
    now.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    now.c_cc[VMIN] = 1;
    now.c_cc[VTIME] = 0;
    if (tcsetattr(STDIN_FILENO, TCSANOW, &now) != 0) return false;
    is_terminal_changed = true;
    if (!is_registered) atexit(give_terminal_back);
    is_registered = true;
    return true;
}

/* ---- sending an answer ---- */

typedef struct sent_answer { rv_progress *progress; rv_buf key; } sent_answer;

static void on_sent(void *user, rv_status status, const rv_error *err)
{
    sent_answer *sent = user;
    rv_progress *p = sent->progress;
    bool was_elsewhere = status == RV_CONFLICT || status == RV_NOT_FOUND;
    if (was_elsewhere) {
        rv_ask_closed(p, rv_buf_str(&sent->key));
    } else if (status) {
        for (uint32_t i = 0; i < p->questions.count; i++) p->questions.at[i].is_sent = false;
        if (p->ask) {
            rv_buf_clear(&p->ask->complaint);
            rv_buf_cstring(&p->ask->complaint, err && err->text[0] ? err->text : rv_status_text(status));
        }
    }
    rv_buf_deinit(&sent->key);
    rv_free(sent);
    rv_progress_touch(p);
}

static void send_line(rv_progress *p, rv_question *question, rv_str line)
{
    rv_ask *ask = p->ask;
    rv_engine *engine = rv_host_engine(p->host);
    rv_str kind = rv_buf_str(&question->kind), run = rv_job_id(p->job), comment = {0}, by = rv_str_of(rv_cli_user());
    rv_decision decision = RV_DECISION_APPROVE;
    rv_buf value = {0};
    rv_error err = {0};
    bool is_budget = rv_str_is(kind, "budget"), is_input = rv_answer_choices(kind)[0] == 0 || is_budget;
    rv_buf_clear(&ask->complaint);
    if (is_budget && rv_answer_add(line, &value, &err)) {
        rv_buf_cstring(&ask->complaint, err.text);
    } else if (is_input && !is_budget && rv_answer_value(rv_buf_str(&question->payload), line, &value, &err)) {
        rv_buf_cstring(&ask->complaint, err.text);
    } else if (!is_input && !rv_answer_decision(kind, line, &decision, &comment)) {
        rv_buf_printf(&ask->complaint, "please type %s", rv_answer_choices(kind));
    } else {
        sent_answer *sent = rv_alloc(sizeof *sent);
        sent->progress = p;
        rv_buf_str_add(&sent->key, rv_buf_str(&question->key));
        question->is_sent = true;
        if (is_input) rv_engine_answer(engine, run, rv_buf_str(&sent->key), rv_buf_str(&value), by, on_sent, sent);
        else rv_engine_decide(engine, run, rv_buf_str(&sent->key), decision, by, comment, on_sent, sent);
    }
    rv_buf_deinit(&value);
}

/* ---- typing ---- */

static void erase_character(rv_buf *typed)
{
    while (typed->size > 0) {
        char byte = typed->at[--typed->size];
        if (((unsigned char)byte & 0xc0) != 0x80) break; /* not a continuation byte of UTF-8 */
    }
}

static void typed_byte(rv_progress *p, char byte)
{
    rv_ask *ask = p->ask;
    rv_question *question = p->questions.count ? &p->questions.at[0] : NULL;
    if (!question || question->is_sent) return;
    if (byte == '\n' || byte == '\r') {
        rv_buf line = ask->typed;
        ask->typed = (rv_buf){0};
        send_line(p, question, rv_buf_str(&line));
        rv_buf_deinit(&line);
    } else if (byte == 0x7f || byte == '\b') {
        erase_character(&ask->typed);
    } else if (byte == 0x15) { /* Ctrl-U */
        rv_buf_clear(&ask->typed);
    } else if ((unsigned char)byte >= 0x20 && ask->typed.size < TYPED_SIZE_MAX) {
        rv_buf_byte(&ask->typed, byte);
    }
}

static void stop_asking(rv_progress *p)
{
    if (!p->ask) return;
    rv_watch_end(p->ask->watch);
    give_terminal_back();
    rv_buf_deinit(&p->ask->typed);
    rv_buf_deinit(&p->ask->complaint);
    rv_free(p->ask);
    p->ask = NULL;
}

static void on_input(void *user, int events)
{
    rv_progress *p = user;
    char bytes[512];
    ssize_t got = read(STDIN_FILENO, bytes, sizeof bytes);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
    if (got <= 0) {
        stop_asking(p); /* the terminal is gone; the run waits for an answer from elsewhere */
        return;
    }
    for (ssize_t i = 0; i < got && p->ask; i++) {
        if (bytes[i] == '\033') break; /* arrow keys and the like: the rest of the burst belongs to them */
        typed_byte(p, bytes[i]);
    }
    rv_progress_touch(p);
}

static void start_asking(rv_progress *p)
{
    if (p->ask || p->face != RV_FACE_LIVE || p->no_wait || p->signal || !isatty(STDIN_FILENO)) return;
    if (tcgetpgrp(STDIN_FILENO) != getpgrp()) return; /* in the background a read would stop us */
    if (!take_terminal()) return;
    p->ask = rv_alloc(sizeof *p->ask);
    rv_error err;
    if (rv_watch_start(rv_host_loop(p->host), STDIN_FILENO, RV_LOOP_READ, on_input, p, &p->ask->watch, &err)) stop_asking(p);
}

/* ---- opened, closed ---- */

/* Where nobody can be asked in place: what is asked, and the lines to paste. */
static void tell(rv_progress *p, const rv_question *question)
{
    rv_str key = rv_buf_str(&question->key), kind = rv_buf_str(&question->kind), run = rv_job_id(p->job);
    rv_ui_style(&p->out, RV_STYLE_YELLOW, rv_str_of(rv_ui_node_glyph(RV_NODE_WAITING)));
    bool is_input = rv_answer_choices(kind)[0] == 0, is_unknown = rv_str_is(kind, "unknown_outcome"),
         is_budget = rv_str_is(kind, "budget");
    rv_buf_printf(&p->out, " %.*s  waits for %s\n", RV_FMT(key),
                  is_input     ? "an answer"
                  : is_budget  ? "more"
                  : is_unknown ? "a word on its outcome"
                               : "an approval");
    rv_answer_prompt(&p->out, kind, rv_buf_str(&question->payload), 4);
    rv_buf store = {0};
    rv_progress_store_words(p, &store);
    const char *store_words = store.size ? store.at : "";
    rv_buf word = {0};
    rv_ui_shell_word(&word, key); /* each[3] is a pattern to a shell */
    rv_buf_cstring(&p->out, "    ");
    rv_answer_command(&p->out, run, key, kind, rv_buf_str(&question->payload), rv_buf_str(&store));
    rv_buf_byte(&p->out, '\n');
    if (!is_input && !is_budget) {
        rv_buf_printf(&p->out, "    reeve reject %.*s %s%s\n", RV_FMT(run), word.at, store_words);
        if (is_unknown) rv_buf_printf(&p->out, "    reeve approve %.*s %s --again%s\n", RV_FMT(run), word.at, store_words);
    }
    rv_buf_deinit(&word);
    rv_buf_deinit(&store);
}

void rv_ask_opened(rv_progress *p, const rv_blocker_view *view)
{
    for (uint32_t i = 0; i < p->questions.count; i++)
        if (rv_str_eq(rv_buf_str(&p->questions.at[i].key), view->key)) return;
    rv_question *question = rv_vec_add(&p->questions);
    rv_buf_str_add(&question->key, view->key);
    rv_buf_str_add(&question->kind, view->kind);
    rv_buf_str_add(&question->payload, view->payload);
    question->node = view->node;
    if (p->face == RV_FACE_JSON) return;
    start_asking(p);
    if (!p->ask) tell(p, question);
}

void rv_ask_closed(rv_progress *p, rv_str key)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < p->questions.count; i++) {
        rv_question *question = &p->questions.at[i];
        if (!rv_str_eq(rv_buf_str(&question->key), key)) {
            p->questions.at[kept++] = *question;
            continue;
        }
        if (i == 0 && p->ask) {
            rv_buf_clear(&p->ask->typed);
            rv_buf_clear(&p->ask->complaint);
        }
        rv_buf_deinit(&question->key);
        rv_buf_deinit(&question->kind);
        rv_buf_deinit(&question->payload);
    }
    p->questions.count = kept;
    if (kept == 0) stop_asking(p);
}

uint32_t rv_ask_region(rv_progress *p, rv_buf *out, uint32_t columns)
{
    if (!p->ask || p->questions.count == 0) return 0;
    const rv_question *question = &p->questions.at[0];
    rv_str key = rv_buf_str(&question->key), kind = rv_buf_str(&question->kind);
    rv_buf prompt = {0};
    rv_answer_prompt(&prompt, kind, rv_buf_str(&question->payload), 2);
    uint32_t lines = 0, terminal_columns, rows;
    rv_ui_size(&terminal_columns, &rows);
    rv_ui_stylef(out, RV_STYLE_YELLOW, "%s %.*s", rv_ui_node_glyph(RV_NODE_WAITING), RV_FMT(key));
    if (p->questions.count > 1) rv_ui_stylef(out, RV_STYLE_DIM, "  and %u more after it", p->questions.count - 1);
    rv_buf_byte(out, '\n');
    lines++;
    rv_str text = rv_buf_str(&prompt);
    for (size_t at = 0; at < text.size && lines + 4 < rows / 2;) {
        size_t end = rv_str_find(text, at, '\n');
        rv_str line = rv_str_cut(text, at, (end == SIZE_MAX ? text.size : end) - at);
        rv_ui_plain(out, line, columns - 1);
        rv_buf_byte(out, '\n');
        lines++;
        at += line.size + 1;
    }
    rv_buf_deinit(&prompt);
    if (p->ask->complaint.size) {
        rv_buf_cstring(out, "  ");
        rv_buf complaint = {0};
        rv_ui_plain(&complaint, rv_buf_str(&p->ask->complaint), columns - 4);
        rv_ui_style(out, RV_STYLE_RED, rv_buf_str(&complaint));
        rv_buf_deinit(&complaint);
        rv_buf_byte(out, '\n');
        lines++;
    }
    const char *choices = rv_answer_choices(kind);
    if (choices[0] && p->ask->typed.size == 0) rv_ui_stylef(out, RV_STYLE_DIM, "  %s", choices), rv_buf_byte(out, '\n'), lines++;
    rv_buf_cstring(out, question->is_sent ? "  sent " : "  > ");
    rv_str typed = rv_buf_str(&p->ask->typed);
    size_t room = columns > 8 ? columns - 8 : 1;
    rv_ui_plain(out, typed.size > room ? rv_str_from(typed, typed.size - room) : typed, 0);
    return lines + 1;
}

void rv_ask_end(rv_progress *p)
{
    stop_asking(p);
    if (!p->is_ended) return;
    while (p->questions.count) {
        rv_question *question = &rv_vec_pop(&p->questions);
        rv_buf_deinit(&question->key);
        rv_buf_deinit(&question->kind);
        rv_buf_deinit(&question->payload);
    }
}
