/* spec.h: workflow files → normal form and graph, with every problem reported at once [W1–W8, W10–W16].
 *
 * Loading is: bytes → document tree with positions (YAML or JSON) → checked against the key tables → normal form
 * (canonical JSON, defaults merged into each node, durations in ms as "600000ms", itself a valid workflow file:
 * normalising it again changes nothing) → graph image. Values (params, env) are kept as references in the normal form. */
#ifndef RV_SPEC_H
#define RV_SPEC_H

#include "base/json.h"
#include "kernel/model.h"
#include "kernel/template.h"

/* ---- problems ---- */
typedef struct rv_problem {
    bool is_warning;
    rv_str file;
    uint32_t line, column;   /* from 1; column in characters; 0: about the whole file */
    uint32_t part;           /* 0: the workflow file itself; else a file that it includes, counted from 1 */
    rv_str what, cure;       /* cure may be empty */
} rv_problem;
typedef struct rv_problems {
    RV_VEC(rv_problem) list;
    rv_arena arena;
    uint32_t error_count;
    bool is_silent;        /* set before: what comes is counted only, warnings too, in unsaid_count */
    uint32_t unsaid_count;
} rv_problems; /* {0} */
void rv_problems_deinit(rv_problems *problems);
/* "file:line:column: what; cure", sorted by position, those of included files last; with `source` (of the workflow file) and colour:
 * the line and a caret under it. */
void rv_problems_text(rv_buf *out, const rv_problems *problems, rv_str source, bool with_caret, bool with_color);
void rv_problems_json(rv_json_writer *w, const rv_problems *problems); /* an array of objects */

/* ---- loading ---- */
typedef struct rv_param_value { rv_str name, value; } rv_param_value; /* text, as given with --var */
typedef bool rv_spec_exists_fn(void *user, rv_str id);
typedef struct rv_spec_input {
    rv_str source;             /* the file's bytes */
    char *spent;               /* source.at, of memory that is the loader's to give back while it reads, so that a large file is not held
                                * beside all that is made of it: nobody looks at it again. Problems must be silent, for they would have no
                                * positions; who has some loads again, with a source that stays. NULL: the source stays as it is */
    rv_digest spent_digest;    /* with `spent`: the source's, by which a file that includes itself is known */
    const char *file;          /* its name for messages */
    const char *dir;           /* absolute directory: file:// is resolved beneath it */
    bool is_json;              /* else YAML (JSON is YAML too, but the JSON reader is faster and strict) */
    const rv_param_value *vars; uint32_t var_count;
    const char *const *environ; /* for ${env.K}; NULL-terminated */
    bool skip_values;          /* `check`, `graph`: do not require params and environment to be there */
    const char *const *reducers; /* of the host, known beside Reeve's own [K14]; NULL-terminated; NULL: none */
    bool has_any_reducer;      /* a stored definition that is only looked at: its reducers were known when it was taken */
    /* Nodes that a running node submits [K20]: `{nodes: {…}}`, or a whole workflow without what belongs to a run (`on`, `timeout`,
     * `concurrency`, secret params). `exists` says whether the run had a node of this id before; such ids may stand in `needs` and
     * `after`, and become externals of the graph; a new node of such a name is refused. The normal form is loaded again
     * with an `exists` that answers the same. */
    rv_spec_exists_fn *exists; void *exists_user; /* NULL: this is a workflow of its own */
    rv_str params;             /* with `exists`: the run's params in normal form (size 0: none): what ${user.K} is, unless the nodes come
                                * with `params` of their own; then rv_spec.user has the values, else it is {} */
} rv_spec_input;

typedef struct rv_spec {
    rv_graph graph;
    void *image; size_t image_size; bool is_mapped; /* what graph points into */
    /* load-time values, resolved */
    rv_buf user;               /* JSON object: every param's value but the secret ones */
    rv_buf secret_names;       /* JSON array of secret params */
    rv_buf env;                /* JSON object: the ${env.K} that the file names */
    RV_VEC(rv_param_value) secrets; rv_arena arena; /* secret params' values, in memory only */
} rv_spec;

/* Read a workflow file into `out` (appended). NOT_FOUND, DENIED, LIMIT (256 MiB), INVALID (a directory), IO: err says
 * `path: what; what to do`. */
RV_MUST_USE rv_status rv_spec_read(const char *path, rv_buf *out, rv_error *err);

/* RV_OK: *ret is complete (warnings may be in `problems`). RV_INVALID: every problem is in `problems`; *ret untouched.
 * UNSUPPORTED counts as INVALID [W2b]. Linear in the file [W8]; no recursion on input. */
RV_MUST_USE rv_status rv_spec_load(const rv_spec_input *input, rv_spec **ret, rv_problems *problems);
void rv_spec_free(rv_spec *spec);

/* ---- compiled form: a graph image, found again by the hash of the source ----
 * Write to / map from `path`. An image is position independent, carries RV_GRAPH_FORMAT and a checksum; open verifies
 * bounds of every section and index before it is trusted. NOT_FOUND, CORRUPT: load from source instead.
 * After saving, the spec stands in the file's own pages, and the memory that it was built in is free: what pointed into its graph does
 * not any more. */
RV_MUST_USE rv_status rv_spec_save(rv_spec *spec, const char *path, rv_error *err);
/* Values (vars, environ) are resolved anew from `input`, whose source may be empty. */
RV_MUST_USE rv_status rv_spec_map(const char *path, const rv_spec_input *input, rv_spec **ret, rv_problems *problems, rv_error *err);

/* ---- projects [W20] ---- */
/* Whether the workflow file `source` of a root has `dir`, a path from it, among its `projects`. What is wrong with it is not told. */
bool rv_spec_has_project(rv_str source, bool is_json, rv_str dir);

/* How many of the files at paths[0..count), from the directory of the workflow, it was loaded with, by `file://` or `workflow.file`. */
uint32_t rv_spec_includes(const rv_spec *spec, const rv_str *paths, uint32_t count);

/* ---- a part of a workflow (cut.c) ---- */
/* keep[0..plain_count): 1 for nodes that are wanted. Adds what they cannot do without: hard predecessors, nodes whose values they read
 * (also over soft edges), entrants, and all that a back-edge of theirs does again. Linear in the graph and its bodies. */
void rv_spec_closure(const rv_graph *graph, uint8_t *keep);
/* The workflow of the nodes in `keep`, which is closed, as JSON that rv_spec_load takes (appended to `out`): soft edges and branches
 * to others are left out, `default` and `result` too; what handlers read of others is as of a node that was skipped: `${x.state}` is
 * skipped, else the default, else nothing. named[0..plain_count): the nodes that were asked for, which its `only` lists. The same nodes
 * of the same workflow give the same text. */
void rv_spec_cut(const rv_graph *graph, const uint8_t *keep, const uint8_t *named, rv_buf *out);

/* ---- JSON Schema: the stated subset (docs/workflow.md): type, enum, const, required, properties, additionalProperties (bool or schema),
 * items, minItems, maxItems, minLength, maxLength, minimum, maximum; no pattern ---- */
/* false: `out` names the first violations, one a line, with JSON pointers. */
bool rv_schema_check(const rv_json *schema, const rv_json *value, rv_buf *out);
/* The JSON Schema of the workflow file itself (`reeve schema`), generated from the key tables. */
void rv_spec_schema(rv_buf *out);

#endif
