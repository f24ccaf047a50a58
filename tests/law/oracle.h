/* oracle.h: a random story (a graph and the fate of every attempt, every question, every unknown outcome), told as a
 * graph text for the kernel and computed here by plain recursion: no queue, no counters, no journal. What both say
 * about the end of each node must be the same, whatever the order in which things happened. */
#ifndef RV_ORACLE_H
#define RV_ORACLE_H

#include "kernel/event.h"

#define STORY_NODES_MAX 44
#define STORY_FATES_MAX 6
#define STORY_PREDS_MAX 4

typedef enum fate_kind {
    FATE_OK, FATE_CACHED, FATE_PARTIAL, FATE_DENIED, FATE_EXIT, FATE_SIGNAL, FATE_TIMEOUT, FATE_UNAVAILABLE, FATE_START, FATE_SCHEMA,
    FATE_LOST /* it had started */, FATE_VOID /* it had not */
} fate_kind;

typedef struct fate {
    fate_kind kind;
    int32_t exit_status;       /* EXIT */
    int number;                /* result {"n": number}; -1: no result */
    bool has_output;           /* stdout is "out" */
} fate;

enum person { PERSON_YES, PERSON_NO, PERSON_SILENT };

enum leaf { LEAF_STATE, LEAF_NUMBER, LEAF_DEFAULTED, LEAF_CODE, LEAF_OUTPUT, LEAF_AND, LEAF_OR, LEAF_NOT };
typedef struct condition { /* of story_node.conditions; 0 is the root */
    enum leaf leaf;
    uint32_t node, left, right;
    int comparison;            /* 0 ==, 1 !=, 2 <, 3 >= */
    int number;                /* what is compared with; STATE: rv_node_state */
} condition;

typedef struct story_node {
    uint32_t place;            /* index in the graph */
    rv_kind kind;
    rv_dep_policy dep_policy;
    rv_handler handler;
    uint32_t preds[STORY_PREDS_MAX], pred_count;
    bool is_soft[STORY_PREDS_MAX];
    condition conditions[4];
    uint32_t condition_count;  /* 0: no `when` */
    uint32_t max_attempts, lost_max;
    int64_t delay_ms;
    uint8_t retry_on;          /* rv_retry_on */
    int retry_exit;            /* one status more; -1: none */
    bool is_at_most_once;
    int on_unknown;
    fate fates[STORY_FATES_MAX];
    uint32_t fate_count;       /* the last one repeats */
    rv_decision decisions[STORY_FATES_MAX]; /* of unknown outcomes, in turn; the last one repeats */
    enum person person;        /* APPROVE, INPUT */
    bool continues_rejected;
    uint32_t set_from;         /* SET: n = ${set_from.n}, RV_NONE: n = set_number */
    bool set_has_default;
    int set_number;
} story_node;

typedef struct story {
    story_node nodes[STORY_NODES_MAX]; /* in an order in which predecessors come first; the handlers last */
    uint32_t count, plain_count;
} story;

typedef struct ending {
    bool is_known;
    rv_node_state state;
    rv_detail detail;
    uint32_t root;             /* story index + 1 */
    int32_t exit_status;
    bool has_result, has_number, has_output; /* has_number: its result has a field n, and that is not null */
    int number;
} ending;

/* Make up a story. Everything follows from *seed. */
void story_make(story *s, uint64_t *seed);
/* Its graph as text, appended; node i is called n<i>, handlers by their names. */
void story_text(const story *s, rv_buf *out);
const char *story_name(const story *s, uint32_t index, char ret_text[16]);
/* What becomes of each node, and of the run. */
rv_run_state story_end(const story *s, ending ret_endings[STORY_NODES_MAX]);

#endif
