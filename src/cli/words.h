/* words.h: states as sentences, the same in `run`, `show` and the report. */
#ifndef RV_WORDS_H
#define RV_WORDS_H

#include "kernel/model.h"

/* What is known of how a node ended, or of what it waits for. */
typedef struct rv_outcome_facts {
    rv_node_state state;
    rv_str detail;      /* rv_detail's text */
    rv_str root, error; /* empty: none */
    int64_t exit_status, signal; /* -1: none */
} rv_outcome_facts;
/* Append why the node is in its state: "exit status 2", "timed out", "because build failed"; nothing when there is nothing to say. */
void rv_words_why(rv_buf *out, const rv_outcome_facts *facts);
/* "SIGTERM" for 15; "signal 99" for what has no name. */
void rv_words_signal(rv_buf *out, int64_t signal);
/* "3 succeeded · 1 failed · 2 skipped", zeros left out; styled. spared: of the cancelled ones, those that are told as not done again. */
void rv_words_counts(rv_buf *out, const uint32_t counts[RV_NODE_STATE_COUNT], uint32_t spared);

#endif
