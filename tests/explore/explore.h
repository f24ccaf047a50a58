/* explore.h: every state that a run of one graph can come to, and every step between them, through the real kernel.
 *
 * From the accepted run on, each move of moves.h is stepped in each state, breadth first. Two states are one when their
 * encodings (rv_run_encode) are equal after what has no meaning of its own was made equal: an epoch is only ever
 * compared with others for equality and for being the greatest, so it is renamed to its attempt's number (that of a submission to
 * the number of the attempt that gave it last, or 0 when that is not the latest); times count from now; kept values stand in the order
 * of their nodes; and once handlers run, of the graph's nodes only their states are looked at: how they came to them nothing asks any more.
 *
 * Checked at each step: rv_run_check; a terminal node keeps every stored field; epochs rise and each spawn and reduce
 * comes with a new one; each wait that begins or ends is said once; each stop is for something that runs; the timer asked
 * for is not later than the earliest due time; the step's journal applied to the state before gives the state after, byte
 * for byte; a move that is refused changes no byte; moves that must or must not be taken are or are not.
 * At each state: it is thrown away and replayed from the whole journal that led to it, byte for byte, and what an engine
 * says after a crash is stepped on that replay. A run that is over takes nothing. In the end: from every state an end can
 * be reached by ordinary progress; at every end the same inputs, given to one run without a break, gave the same bytes;
 * and where order does not matter the oracle of tests/law says the same of every node. */
#ifndef RV_EXPLORE_H
#define RV_EXPLORE_H

#include "moves.h"

typedef struct explore_bounds {
    uint32_t groups;           /* bits of move_group */
    uint32_t attempts_max;     /* at each node */
    const move_submission *submissions; uint32_t submission_count;
    rv_run_compile_fn *compile; void *compile_user; /* of submissions; NULL: none */
    uint32_t states_max;       /* of one graph; more end the program: the bounds were chosen wrongly */
    bool is_literal;           /* states are one only when their own encodings are, nothing renamed */
} explore_bounds;

typedef struct explore_figures {
    uint64_t graphs, states, steps, refused, replays, ends, compared; /* compared: ends that the oracle was asked about */
    uint64_t states_most;      /* of one graph */
    uint64_t steps_by_type[RV_EVENT_TYPE_MAX];          /* taken */
    bool pairs_seen[RV_NODE_STATE_COUNT][RV_NODE_STATE_COUNT]; /* node states before and after a step */
    bool outcomes_seen[RV_RUN_STATE_COUNT];
} explore_figures;

/* Says of a run that is over what is wrong with how it ended; NULL: nothing. *ret_was_asked: whether it could judge. */
typedef const char *(*explore_oracle)(const rv_run *run, const void *user, bool *ret_was_asked);

/* Explore one graph; its figures are added. What does not hold ends the program with the graph and the way to it.
 * oracle: asked at each end, with `user`; NULL: there is none. */
void explore_graph(const rv_graph *graph, const explore_bounds *bounds, explore_oracle oracle, const void *user, explore_figures *figures);
/* The renamed encodings of all states of `graph`, sorted and each once, as one digest: equal for equal sets of states. */
uint64_t explore_digest(const rv_graph *graph, const explore_bounds *bounds);
/* One line: what was explored, and how much of it. */
void explore_print(const char *what, const explore_figures *figures, double seconds);

#endif
