/* options.h: the arguments of a verb, read by the table that also makes its help, its completions and its man page. */
#ifndef RV_OPTIONS_H
#define RV_OPTIONS_H

#include "base/mem.h"

typedef struct rv_args rv_args;

enum rv_option_flag {
    RV_OPTION_MAYBE =
        1, /* the argument may be missing; a next word belongs to it only if it looks like a run: no '-' first, no '/', no '.' */
};
typedef struct rv_option {
    const char *name; /* without the two dashes; NULL ends a list */
    char letter;      /* 0: none */
    const char *arg;  /* how help names its argument; NULL: a flag */
    const char *text; /* one sentence, no full stop */
    uint8_t flags;    /* rv_option_flag */
} rv_option;

typedef struct rv_example { const char *command, *text; } rv_example; /* command NULL ends a list */
typedef struct rv_exit_text { const char *status, *text; } rv_exit_text; /* status NULL ends a list */

typedef struct rv_verb {
    const char *name, *summary;
    const char *usage;       /* what follows `reeve NAME`; may be several lines */
    const char *description; /* paragraphs divided by empty lines */
    const rv_option *options;
    const rv_example *examples;
    const rv_exit_text *exits;
    uint8_t words_min, words_max; /* how many positional words it takes; 255: any number */
    bool is_tail_command;    /* the first positional word ends the options: the rest is somebody else's command line */
    int (*run)(const rv_args *args); /* returns the exit status */
} rv_verb;

typedef struct rv_args_item { const rv_option *option; const char *value; } rv_args_item; /* value NULL: not given */
struct rv_args {
    const rv_verb *verb;
    RV_VEC(rv_args_item) items;
    RV_VEC(const char *) words; /* positional, in order; borrowed from argv */
    uint32_t words_before_dashes; /* how many of them came before `--` */
    bool is_json;               /* --json was given: errors are objects too */
    bool wants_help;            /* --help or -h: nothing else was checked */
};

/* Read argv[0..argc) (the words after the verb) by the table of `verb` into *ret (zeroed by the caller, which deinits it
 * in any case). `--name=value`, `--name value`, `-n value`, `-nvalue`, flags of one letter joined; `--` ends the options.
 * RV_INVALID: unknown option (err has the nearest one), missing or superfluous argument, wrong number of words. */
RV_MUST_USE rv_status rv_args_parse(const rv_verb *verb, int argc, char *const *argv, rv_args *ret, rv_error *err);
void rv_args_deinit(rv_args *args);

/* Was the option given? The name must be in the verb's table. */
bool rv_args_has(const rv_args *args, const char *name);
/* The last value given, or NULL: not given, or given without its optional argument. */
const char *rv_args_value(const rv_args *args, const char *name);
/* The next value at or after *index of a repeatable option, or NULL; moves *index beyond it. */
const char *rv_args_next(const rv_args *args, const char *name, uint32_t *index);
/* Positional word, or NULL. */
const char *rv_args_word(const rv_args *args, uint32_t index);
/* An unsigned number in [least, most]; `fallback` when the option is not given. RV_INVALID names option and range. */
RV_MUST_USE rv_status rv_args_number(const rv_args *args, const char *name, uint32_t least, uint32_t most, uint32_t fallback,
                                     uint32_t *ret, rv_error *err);

#endif
