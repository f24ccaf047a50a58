/* import.h: private to `reeve import`: what the readers of other programs' files give, what they may ask of the machine, and
 * how it is written as a workflow. The readers touch nothing but what rv_import_host gives them, so that tests and the fuzzer can hold
 * them alone. */
#ifndef RV_IMPORT_H
#define RV_IMPORT_H

#include "spec/spec.h"

#define RV_IMPORT_TEXT_MAX (64u << 20) /* bytes that one import may make in all: what a file says may double and double */

/* What a reader may ask. Paths are relative to the folder of the file that is imported. */
typedef struct rv_import_host {
    void *user;
    bool (*read)(void *user, rv_str path, rv_buf *out);      /* append a whole file; false: it cannot be read */
    bool (*is_there)(void *user, rv_str path, bool *ret_is_folder);
    void (*glob)(void *user, rv_str pattern, rv_buf *out);   /* append the paths that match, sorted, a space between */
    const char *(*env)(void *user, rv_str name);             /* NULL: not set */
    bool (*shell)(void *user, rv_str command, rv_buf *out);  /* what a command prints; NULL: commands are not run */
} rv_import_host;

typedef struct rv_import_place {
    rv_str file;           /* size 0: the file that is imported */
    uint32_t part;         /* 0: that file; else what it includes, counted from 1 */
    uint32_t line, column; /* from 1; 0: the whole file */
} rv_import_place;

typedef struct rv_import_pair { rv_str name, value; } rv_import_pair;
typedef RV_VEC(rv_str) rv_import_strs;
typedef RV_VEC(uint32_t) rv_import_indices;
typedef RV_VEC(rv_import_pair) rv_import_pairs;

typedef struct rv_import_node {
    rv_str id;
    const char *handler;       /* NULL: a node; else the key of `on` that it stands at */
    rv_str note;               /* a comment above it; size 0: none */
    rv_str shell, shell_name;  /* size 0: no command: it is done as soon as what it needs is */
    rv_str dir, raw_dir;       /* size 0: the workflow's; the second with references */
    rv_import_strs run;        /* instead of shell: a command and its arguments */
    rv_import_strs needs, after, inputs, outputs, env_host;
    rv_import_pairs env;       /* plain text: what would be a reference is escaped in writing, but for `raw_env` */
    rv_import_pairs raw_env;   /* values with references */
    rv_import_pairs more;      /* keys whose values are YAML in flow style already */
    bool is_cached, is_by_files; /* kept in the cache; by its files alone, whatever those before it print */
} rv_import_node;

typedef struct rv_import {
    /* set by the caller */
    const rv_import_host *host;
    rv_problems *problems;       /* what did not carry over (warnings), what makes the file useless (errors) */
    rv_str file;                 /* its name for messages */
    rv_str source;
    rv_str folder;               /* that the file lies in, absolute */
    const char *const *wanted;   /* names of what is to be imported; none: all, or what the file itself begins with */
    uint32_t wanted_count;
    const rv_import_pair *vars;  /* variables that win over those of the file */
    uint32_t var_count;
    rv_str output;               /* the file that is written, as it was named; size 0: standard output */
    bool is_system;              /* cron: the lines name a user */
    /* what the reader found */
    rv_str name, default_node;
    rv_import_pairs env, raw_env, more;
    RV_VEC(rv_import_node) nodes;
    rv_arena arena;
    rv_map ids;
    size_t text_size;            /* what was made so far, against RV_IMPORT_TEXT_MAX */
} rv_import;

/* Free what it holds; problems and source are the caller's. */
void rv_import_deinit(rv_import *import);
/* Report what did not carry over; `cure` may be "". The second: the file cannot be imported at all. */
void rv_import_note(rv_import *import, rv_import_place place, const char *cure, const char *fmt, ...) RV_PRINTF(4, 5);
void rv_import_fail(rv_import *import, rv_import_place place, const char *cure, const char *fmt, ...) RV_PRINTF(4, 5);
/* Is `name` among what is wanted? True for all when nothing is named. */
bool rv_import_wants(const rv_import *import, rv_str name);
/* A new node's id made of `name`: other characters become `_`, a collision gets a number. In the arena. */
rv_str rv_import_id(rv_import *import, rv_str name);
/* A new node; valid until the next one is added. */
rv_import_node *rv_import_add(rv_import *import, rv_str id);
/* A node that comes to need itself, over both kinds of edges, or RV_NONE. Linear in nodes and edges. */
uint32_t rv_import_cycle(const rv_import *import);
/* Text as one word of sh: as it is, or in single quotes. */
void rv_import_shell_word(rv_buf *out, rv_str word);
/* May it be the name of a variable of the environment that a shell can read? */
bool rv_import_is_variable(rv_str name);
/* Variables of the environment that a script reads and does not set itself, appended once each to `ret`; in the arena. */
void rv_import_variables(rv_import *import, rv_str script, rv_import_strs *ret);
/* A string as YAML in flow style: plain where it is safe, else in double quotes. */
void rv_import_yaml_word(rv_buf *out, rv_str text);
/* Append text to a value in which references are looked for, so that it has none: `${` is written `$${`. */
void rv_import_text(rv_buf *out, rv_str text);
/* Append the workflow as YAML. */
void rv_import_write(const rv_import *import, rv_buf *out);

/* ---- the readers: each fills `import` from `source`. false: there is an error in `problems`. ---- */
bool rv_import_make(rv_import *import);
bool rv_import_npm(rv_import *import);
bool rv_import_cron(rv_import *import);
bool rv_import_dagu(rv_import *import);
bool rv_import_turbo(rv_import *import);

#endif
