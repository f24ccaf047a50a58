/* report.h: all that is known of a run, read from the store once: for `show` as text, JSON and HTML. */
#ifndef RV_REPORT_H
#define RV_REPORT_H

#include "cli/cli.h"
#include "cli/words.h"
#include "kernel/run.h"
#include "lib/history.h"

typedef struct rv_report_node {
    rv_str name, kind;       /* kind: its text */
    rv_outcome_facts facts;  /* exit status and signal of its last attempt */
    uint32_t attempts;
    int64_t ready_ms, started_ms, ended_ms;
    uint64_t log_last;       /* of its last attempt that wrote, or of what the cache gave; UINT64_MAX: none */
    uint32_t parent;         /* the controller whose child it is; RV_NONE: none */
    uint32_t depth;          /* how many controllers are around it */
    bool has_row;            /* something of it is stored: it has begun or ended */
    rv_str note;             /* CLASSIFY: the branch that was taken; LOOP: "1" when its maximum ended it */
} rv_report_node;
typedef struct rv_report_attempt {
    uint32_t node, number, epoch;
    rv_str state;
    rv_outcome_facts facts;
    int64_t started_ms, ended_ms;
    uint64_t stdout_size, stderr_size, user_us, system_us, rss_max, log_last;
} rv_report_attempt;
typedef struct rv_report_blocker {
    rv_str key, kind, payload, state, decision, by, comment;
    int64_t opened_ms, resolved_ms;
} rv_report_blocker;
typedef struct rv_report_artifact { rv_str node, name, digest, media_type; uint64_t size; } rv_report_artifact;

typedef struct rv_report {
    rv_arena *arena;
    rv_str id, name, status, interaction, workflow, file, dir, resumed_from;
    int64_t created_ms, started_ms, ended_ms, now_ms;
    int64_t exit_status;     /* -1: not ended */
    bool is_live;            /* a process drives it now */
    rv_history *history;
    const rv_spec *spec;     /* its definition, without values */
    rv_run *run;             /* its state as the journal tells it: places, controllers, matches; to look at */
    rv_run *run_bare;        /* the same as `run` when the journal cannot be replayed: the file's own nodes alone; else NULL */
    rv_error broken;         /* why it cannot; text empty: it can */
    rv_report_node *nodes; uint32_t node_count; /* nodes[i] is node i of the run: the file's own, handlers, then children */
    uint32_t *order;         /* all nodes, each controller followed by its children: order[0..node_count) */
    int64_t *place_ended_ms; /* of each place of the run: when its last node ended; 0: none of it has */
    rv_report_attempt *attempts; uint32_t attempt_count; /* by start */
    rv_report_blocker *blockers; uint32_t blocker_count;
    rv_report_artifact *artifacts; uint32_t artifact_count;
    uint32_t counts[RV_NODE_STATE_COUNT]; /* children too, handlers left out */
    uint32_t spared;          /* of the cancelled ones, those that a kept controller made needless */
    /* derived */
    int64_t wall_ms, busy_ms; /* of the run; of all attempts together */
    uint32_t peak;            /* most attempts at one time */
    uint32_t *path; uint32_t path_count; /* critical path, first to last; controllers are left out, their children stand for them */
    uint32_t *caused;        /* of each node: how many ended as they did because of it */
} rv_report;

/* Read it. The session stays open as long as the report is used (texts live in its arena). */
RV_MUST_USE rv_status rv_report_read(rv_session *session, rv_report *ret, rv_error *err);
void rv_report_deinit(rv_report *report);
/* How long a node or run took, or has run by now; -1: it has not started. */
int64_t rv_report_took_ms(const rv_report *report, int64_t started_ms, int64_t ended_ms);
/* The last lines (at most lines_max, at most 64 KiB) that a node's last attempt wrote. Nothing when there is no log. */
void rv_report_tail(const rv_report *report, rv_session *session, uint32_t node, uint32_t lines_max, rv_buf *out);
/* The node failed or was denied, and by its own doing. */
bool rv_report_is_root(const rv_report *report, uint32_t node);

/* The node of that id, or RV_NONE. */
uint32_t rv_report_find(const rv_report *report, rv_str id);
/* The one node that a word of the command line means: an id, or in a project's directory what `run` would take it for. RV_NONE: none. */
uint32_t rv_report_named(const rv_report *report, rv_str word);
/* Itself or the innermost controller around it that was kept from the run before, when it did not run here; RV_NONE: it was not kept. */
uint32_t rv_report_keeper(const rv_report *report, uint32_t node);
/* Whether it was called off because the controller around it was kept as a whole from the run before [R1]: nothing went wrong with it. */
bool rv_report_is_spared(const rv_report *report, uint32_t node);
/* The state whose sign and colour it has: SKIPPED where it was spared. */
rv_node_state rv_report_look(const rv_report *report, uint32_t node);
/* Whether `node` is `owner` or somewhere beneath it. */
bool rv_report_is_within(const rv_report *report, uint32_t node, uint32_t owner);

/* ---- report_tree.c: children and what follows from them ---- */
/* Fill order, place_ended_ms and the critical path. Once, by rv_report_read. */
void rv_report_arrange(rv_report *report);
/* The controller's entry once it has begun; NULL: it has not, or is none. */
const rv_control *rv_report_control(const rv_report *report, uint32_t node);
/* How long the critical path stayed at its step i: who submits goes on beside those that he gave, which is not counted twice. */
int64_t rv_report_path_ms(const rv_report *report, uint32_t i);
/* The instance that an entry of a node's `pred` means: that of those which are done again that had ended when the node began. */
uint32_t rv_report_pred(const rv_report *report, uint32_t node, uint32_t entry);
/* How a place stands, by its nodes: FAILED if any failed or was denied, else RUNNING, WAITING, READY or PENDING while any is open, else
 * CANCELLED, SKIPPED (all of them), PARTIAL or SUCCEEDED. */
rv_node_state rv_report_place_state(const rv_report *report, uint32_t place);
/* Append what a controller has come to: "12 items: 10 succeeded, 1 failed"; nothing for other nodes, and before it begins. */
void rv_report_controller_words(const rv_report *report, uint32_t node, rv_buf *out);
/* Of a node that waits for its next attempt: append "waits for attempt 2 after exit status 1"; false: it does not, nothing is appended. */
bool rv_report_pause_words(const rv_report *report, uint32_t node, rv_buf *out);
/* Why a node is in its state and, of a controller, what it has come to. Nothing when there is nothing to say. */
void rv_report_words(const rv_report *report, uint32_t node, rv_buf *out);

/* ---- bracket.c: tournaments ---- */
/* Whether it has a bracket: a tournament whose first round has been drawn. */
bool rv_bracket_is_there(const rv_report *report, uint32_t node);
/* Of a tournament that has succeeded: the entrant, by number, that won; RV_NONE: not known. */
uint32_t rv_bracket_winner(const rv_report *report, uint32_t node);
/* Draw it as text, at most `columns` wide (wider ones as a list of rounds), each line indented by `indent`. */
void rv_bracket_text(const rv_report *report, uint32_t node, uint32_t indent, uint32_t columns, bool is_utf8, rv_buf *out);
/* The object `bracket` of docs/json.md. */
void rv_bracket_json(const rv_report *report, uint32_t node, rv_json_writer *w);

/* Behind what a quarantined node is or gives, wherever it is shown [K33]. */
#define RV_QUARANTINE_MARK " (quarantined)"

/* show_json.c: written to standard output. `only`: that node and what is beneath it; RV_NONE: all. */
void rv_report_json(const rv_report *report, uint32_t only);
/* show_html.c: the whole page. */
void rv_report_html(const rv_report *report, rv_session *session, rv_buf *out);
/* html_graph.c: two SVG drawings. */
void rv_html_graph(const rv_report *report, rv_buf *out);
void rv_html_gantt(const rv_report *report, rv_buf *out);
/* Text for HTML: & < > " ' escaped, bytes that are not UTF-8 and control bytes replaced. */
void rv_html_text(rv_buf *out, rv_str text);

#endif
