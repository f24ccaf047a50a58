/* import_dagu.h: private to the reader of Dagu's workflows: import_dagu.c has the file and the graph, import_dagu_step.c what a step
 * does. */
#ifndef RV_IMPORT_DAGU_H
#define RV_IMPORT_DAGU_H

#include "cli/import.h"
#include "cli/import_npm.h"
#include "spec/doc.h"

typedef struct rv_dagu_step {
    rv_str name, id;         /* as the file calls it (its id if it has one); the node's */
    uint32_t map;            /* its value in the document */
    uint32_t node, head;     /* indices of its node, and of the one that waits for other steps: itself, or its condition */
    bool may_be_skipped;
    rv_str output;           /* the variable that takes what it prints; size 0: none */
    bool goes_on_failed, goes_on_skipped;
} rv_dagu_step;

typedef struct rv_dagu {
    rv_import *import;
    rv_doc doc;
    RV_VEC(rv_dagu_step) steps;
    rv_map names;            /* names and ids of steps */
    rv_import_strs params;   /* names; positional ones are 1, 2 … */
    rv_import_pairs known;   /* variables of the file, with their values as they are written: references of ours in them */
    rv_str shell_name, set_flags;
} rv_dagu;

/* The value of a key under any of the spellings that Dagu had: `retry_policy` finds retryPolicy. RV_NONE: none. */
uint32_t rv_dagu_get(const rv_dagu *dagu, uint32_t map, const char *key);
rv_str rv_dagu_text(const rv_dagu *dagu, uint32_t value); /* of a scalar, in the arena; size 0 for others */
rv_import_place rv_dagu_place(rv_dagu *dagu, uint32_t value);
/* Say of each key of `map` that is not in the list (NULL ends it) that it did not carry over. */
void rv_dagu_unknown(rv_dagu *dagu, uint32_t map, const char *const *known, const char *what);
/* `env` of the file or a step, in the forms that Dagu takes, as variables of ours. */
void rv_dagu_env(rv_dagu *dagu, uint32_t value, rv_import_pairs *ret);
/* $NAME and ${NAME} in a value of the environment as references of ours. In the arena. */
rv_str rv_dagu_value(rv_dagu *dagu, rv_str text, rv_import_place place);
/* What a shell has to run for a condition to hold: status 0. `value`: a string, or a map with condition and expected. */
rv_str rv_dagu_condition(rv_dagu *dagu, uint32_t value);
/* Fill the node of a step, or of a handler: its script, its folder, its environment, its time, its retries. */
void rv_dagu_step_node(rv_dagu *dagu, uint32_t map, rv_str name, rv_import_node *node);

#endif
