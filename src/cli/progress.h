/* progress.h: what `run` and `each` show while a run goes on: an observer of the engine with three faces.
 *
 *   plain  lines: `node │ text` as it comes, one line a node that ended
 *   live   the same on a terminal, but output stays in a region at the bottom: a line each running node, the count, a question
 *   json   one JSON object a line for each thing that happens (docs/json.md)
 *
 *  (1) What is written goes through `out` and is flushed at the latest 20 ms later; the timer is set only while something waits.
 *  (2) The region is redrawn at most ten times a second, and once a second while a node runs; never when nothing changes.
 *  (3) A node costs four bytes here; line buffers belong to slots, of which there are as many as nodes run at once.
 *  (4) Nothing is written before the run is announced, which its id being on disk allows; what happened earlier is held until then.
 *  (6) Of a controller with more than RV_CHILDREN_TOLD_MAX children those that went well have no line each; ten lines count them.
 *  (5) A reader who is slow holds nothing up (out.h): once WAITING_SIZE_MAX waits for it, lines of nodes are left out until half of
 *      that is read, and their number is said; they are in the log. What happened, and JSON lines, are never left out. */
#ifndef RV_PROGRESS_H
#define RV_PROGRESS_H

#include "cli/options.h"
#include "cli/ui.h"
#include "lib/host.h"

typedef enum rv_output_mode { RV_OUTPUT_LIVE, RV_OUTPUT_BUFFERED, RV_OUTPUT_QUIET } rv_output_mode;
typedef enum rv_face { RV_FACE_PLAIN, RV_FACE_LIVE, RV_FACE_JSON } rv_face;

#define RV_FAILURES_SHOWN_MAX 10u /* failed nodes whose last lines are kept */
#define RV_CHILDREN_TOLD_MAX 50u
#define RV_TAIL_LINES_MAX 20u
#define RV_LINE_SIZE_MAX 8192u    /* a longer line is cut into several */
#define RV_HELD_SIZE_MAX (1u << 20) /* buffered output of one node; the rest is in its log */

typedef struct rv_slot {
    bool is_used;
    uint32_t node, number;
    int64_t begun_mono_ms;
    rv_buf line[2];   /* what came after the last newline of standard output, standard error */
    rv_buf last;      /* last whole line, for the region */
    rv_buf tail;      /* last lines, for the end */
    rv_buf held;      /* buffered mode: prefixed lines */
    uint64_t held_cut; /* bytes that were too many for `held` */
} rv_slot;
typedef struct rv_failure { uint32_t node, number; rv_node_state state; rv_buf why, tail; } rv_failure;
typedef struct rv_question { rv_buf key, kind, payload; uint32_t node; bool is_sent; } rv_question;

typedef struct rv_wide { uint32_t node, told; } rv_wide; /* a controller of many children: how many have been told to have ended */

typedef struct rv_progress {
    const rv_args *args;
    const char *store_dir;   /* absolute */
    rv_output_mode mode;
    rv_face face;
    bool no_wait;
    rv_host *host;           /* set once it is open */
    rv_job *job;
    rv_buf out;              /* what waits to be written */
    rv_timer *timer;
    bool is_timer_set, is_dirty; /* the region has to be redrawn */
    bool is_behind;          /* too much waits for its reader: lines of nodes are left out */
    uint64_t lines_left_out; /* since the last note on them */
    int64_t drawn_mono_ms, begun_mono_ms;
    uint32_t region_lines;   /* lines of the region that stand on the terminal now */
    RV_VEC(rv_slot) slots;
    uint32_t used_slots;
    uint32_t *slot_of, slot_of_count; /* node → slot + 1, as far as the run has grown */
    uint32_t ended_nodes, spared; /* spared: of those, what a kept controller made needless */
    RV_VEC(rv_failure) failures;
    uint32_t failure_count;  /* all of them */
    RV_VEC(rv_wide) wide;    /* controllers whose children are counted instead of being told one by one */
    RV_VEC(rv_question) questions; /* open ones, oldest first */
    struct rv_ask *ask;      /* the question being typed at; NULL: none can be asked here */
    int signal;              /* that asked to stop; 0: none */
    bool is_announced;       /* its first line is written, or about to be */
    bool is_ended, gave_up;  /* run_ended came; ended by no_wait */
    rv_run_state state;      /* once is_ended */
} rv_progress;

/* The face follows --json, --output and the terminal. args and store_dir are borrowed. */
void rv_progress_init(rv_progress *progress, const rv_args *args, const char *store_dir);
/* The host is open: from now on timers and standard input may be watched. */
void rv_progress_open(rv_progress *progress, rv_host *host);
/* Write what waits, take the region away, give the terminal back. Before rv_host_close. */
void rv_progress_close(rv_progress *progress);
void rv_progress_deinit(rv_progress *progress);
rv_observer rv_progress_observer(rv_progress *progress);
void rv_progress_signalled(void *progress, int signal);
/* Standard output cannot be written: when its reader has gone, that is the signal PIPE. */
void rv_progress_out_failed(void *progress);

/* ---- between the files of progress ---- */
/* Something was added to out, or the region changed: flush or redraw soon. */
void rv_progress_touch(rv_progress *progress);
void rv_progress_flush(rv_progress *progress);
/* The run's first line, before all that is held. */
void rv_progress_announce(rv_progress *progress, rv_str line);
/* Append how many lines of nodes were left out since the last time; nothing when none was. */
void rv_progress_left_out(rv_progress *progress);
/* ` --store DIR` when the lines to paste need it to find this store from here; else nothing. */
void rv_progress_store_words(const rv_progress *progress, rv_buf *out);

/* progress_live.c: append the region's lines; returns how many. */
uint32_t rv_region_write(rv_progress *progress, rv_buf *out);
/* progress_json.c */
rv_observer rv_progress_json_observer(void);
/* ask.c: take a question, show how to answer it or ask it in place; forget one that was answered. */
void rv_ask_opened(rv_progress *progress, const rv_blocker_view *view);
void rv_ask_closed(rv_progress *progress, rv_str key);
uint32_t rv_ask_region(rv_progress *progress, rv_buf *out, uint32_t columns);
void rv_ask_end(rv_progress *progress);
/* summary.c: the end of a run, for people. */
void rv_summary_write(rv_progress *progress, rv_buf *out);
/* The command that goes on with the run. */
void rv_summary_go_on(const rv_progress *progress, rv_buf *out);

#endif
