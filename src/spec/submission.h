/* submission.h: nodes that a running node gives [K20]: checked as a workflow file is, whole, against the run that gets them; and
 * compiled again from their normal form when the run's journal is replayed. */
#ifndef RV_SUBMISSION_H
#define RV_SUBMISSION_H

#include "kernel/run.h"
#include "spec/spec.h"

/* What compiles the submissions of one run; keeps what it made, which the run points to. */
typedef struct rv_compiler {
    const rv_graph *graph;     /* the run's own; borrowed */
    const char *dir;           /* absolute: file:// is resolved beneath it; NULL: nowhere. Borrowed */
    const char *const *environ; /* for ${env.K}; NULL-terminated; NULL: none. Borrowed */
    const char *const *reducers; /* of the host; NULL: none. Borrowed */
    bool has_any_reducer;      /* they were known when they were submitted */
    bool has_params;           /* params were looked up */
    rv_str params;             /* of the run, in normal form; in `arena` */
    rv_arena arena;
    RV_VEC(rv_spec *) specs;
} rv_compiler; /* {.graph = …} */
/* Let `run`, a run of compiler->graph, compile with it. It has to outlive the run. */
void rv_compiler_serve(rv_compiler *compiler, rv_run *run);
void rv_compiler_deinit(rv_compiler *compiler);

/* Check what `submitter` gives under `key`: a map with `nodes`, or a whole workflow, in YAML or JSON; `file` is its name in messages.
 * RV_OK: *ret is kept by the compiler, with its values. RV_INVALID: every problem is in `problems`; *ret untouched. The nodes that the
 * same submitter has given under this key before count as not there. */
RV_MUST_USE rv_status rv_compiler_load(rv_compiler *compiler, rv_run *run, uint32_t submitter, rv_str key, rv_str source, const char *file,
                                       bool is_json, const rv_spec **ret, rv_problems *problems);

/* Free what was loaded and is not the run's. */
void rv_compiler_drop(rv_compiler *compiler, const rv_spec *spec);

#endif
