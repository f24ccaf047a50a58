/* report.h: all that is known of a run, read from the store once: for `show` as text, JSON and HTML. */
#ifndef RV_REPORT_H
#define RV_REPORT_H

#include "cli/cli.h"
#include "cli/words.h"

typedef struct rv_report_node {
    rv_str name, kind;       /* kind: its text */
    rv_outcome_facts facts;  /* exit status and signal of its last attempt */
    uint32_t attempts;
    int64_t ready_ms, started_ms, ended_ms;
    uint64_t log_last;       /* of its last attempt that wrote; UINT64_MAX: none */
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
    rv_spec *spec;           /* its definition, without values */
    rv_report_node *nodes; uint32_t node_count; /* nodes[i] is node i of the graph; handlers last */
    rv_report_attempt *attempts; uint32_t attempt_count; /* by start */
    rv_report_blocker *blockers; uint32_t blocker_count;
    rv_report_artifact *artifacts; uint32_t artifact_count;
    uint32_t counts[RV_NODE_STATE_COUNT]; /* of the graph's nodes, handlers left out */
    /* derived */
    int64_t wall_ms, busy_ms; /* of the run; of all attempts together */
    uint32_t peak;            /* most attempts at one time */
    uint32_t *path; uint32_t path_count; /* critical path, first to last */
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

/* show_json.c: written to standard output. */
void rv_report_json(const rv_report *report);
/* show_html.c: the whole page. */
void rv_report_html(const rv_report *report, rv_session *session, rv_buf *out);
/* html_graph.c: two SVG drawings. */
void rv_html_graph(const rv_report *report, rv_buf *out);
void rv_html_gantt(const rv_report *report, rv_buf *out);
/* Text for HTML: & < > " ' escaped, bytes that are not UTF-8 and control bytes replaced. */
void rv_html_text(rv_buf *out, rv_str text);

#endif
