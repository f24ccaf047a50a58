/* import_make.h: private to the reader of Makefiles (import_make*.c), which follows GNU make 4.3.
 *
 *   import_make.c           lines → variables, rules, recipes; conditionals, includes
 *   import_make_rule.c      rules, targets, patterns
 *   import_make_text.c      $(…) in a text: variables and substitutions
 *   import_make_function.c  $(function …)
 *   import_make_graph.c     from the goals to what they need
 *   import_make_recipe.c    recipes → scripts */
#ifndef RV_IMPORT_MAKE_H
#define RV_IMPORT_MAKE_H

#include "cli/import.h"

#define RV_MAKE_DEPTH_MAX 100u /* of $( within $( within …, and of variables that name variables */
#define RV_MAKE_INCLUDE_DEPTH_MAX 32u
#define RV_MAKE_INCLUDES_MAX 1000u
/* Around `(command)` where a text depends on what a shell prints: that reaches a recipe only. No text of a file has these bytes. */
#define RV_MAKE_SHELL_MARK '\x01'
#define RV_MAKE_SHELL_END '\x02'

typedef enum rv_make_origin { RV_MAKE_DEFAULT, RV_MAKE_ENVIRONMENT, RV_MAKE_FILE, RV_MAKE_COMMAND } rv_make_origin;

typedef struct rv_make_var {
    rv_str name, value;
    rv_import_place place;
    uint8_t origin;       /* rv_make_origin */
    bool is_recursive;    /* `=`: expanded where it is used */
    bool is_exported, is_open /* being expanded */, was_env;
} rv_make_var;

typedef struct rv_make_line {
    rv_str text;          /* of a recipe, not expanded */
    rv_import_place place;
} rv_make_line;

typedef struct rv_make_recipe { uint32_t first, count; rv_import_place place; } rv_make_recipe; /* of lines */
typedef RV_VEC(uint32_t) rv_make_indices;

typedef struct rv_make_local { rv_str name, value; uint32_t next; } rv_make_local; /* next: index + 1 of the one before it */

typedef struct rv_make_target {
    rv_str name, stem;
    rv_import_strs prereqs, order_only;
    uint32_t recipe, local; /* index + 1; 0: none. Of the locals it is the last one */
    rv_import_place place;
    uint32_t leader;      /* of those that one recipe makes together: the one that is the node; itself else */
    uint32_t followers, next_follower; /* index + 1: the first of those that it leads; the next of those with the same leader */
    bool is_rule;         /* it stands left of a colon */
    bool is_phony, is_pattern_made, is_double, is_always /* remade each time, and what needs it too */;
    /* the walk */
    uint8_t state;        /* 0 new, 1 open, 2 done */
    uint32_t node;        /* index of its node, or RV_NONE */
    rv_make_indices needs; /* without a node: the nodes that stand for it */
} rv_make_target;

typedef struct rv_make_pattern { rv_import_strs targets, prereqs, order_only; uint32_t recipe; } rv_make_pattern;

typedef struct rv_make_autos { rv_str target, first, all, each, order_only, stem; } rv_make_autos;

typedef struct rv_make_condition { bool is_taken, was_taken, is_outer_taken; uint32_t line; } rv_make_condition;

typedef struct rv_make {
    rv_import *import;
    RV_VEC(rv_make_var) vars;
    rv_map var_map;
    RV_VEC(rv_make_target) targets;
    rv_map target_map;
    RV_VEC(rv_make_pattern) patterns;
    RV_VEC(rv_make_recipe) recipes;
    RV_VEC(rv_make_line) lines;        /* of all recipes */
    RV_VEC(rv_make_local) locals;      /* variables of targets */
    RV_VEC(rv_make_condition) conditions;
    RV_VEC(rv_import_pair) now;        /* the locals of the target whose recipe is expanded */
    rv_import_pair call[10];           /* $0 … $9 of the $(call) that is expanded */
    const rv_make_autos *autos;        /* NULL outside of recipes */
    rv_import_place place;             /* where the text that is expanded stands */
    rv_str goal;                       /* the first target */
    rv_make_indices current;           /* targets whose recipe lines come now; patterns with bit 31 */
    uint32_t recipe;                   /* index + 1 of theirs; 0: no line of it was seen */
    uint32_t builtin_recipe;           /* index + 1 of the first of make's own */
    uint32_t depth, include_depth, include_count;
    bool has_rule;                     /* lines with a tab belong to a recipe */
    bool is_one_shell, ignores_errors, is_not_parallel, exports_all, is_over, is_builtin /* make's own rules are read */;
} rv_make;

#define RV_MAKE_PATTERN_BIT 0x80000000u

/* Append `text` with what stands in $(…) replaced, as make would now. Problems are reported at make->place. */
void rv_make_expand(rv_make *make, rv_str text, rv_buf *out);
/* The same in the arena, blanks around it removed when is_trimmed. */
rv_str rv_make_expanded(rv_make *make, rv_str text, bool is_trimmed);
/* Append the value of a variable, expanded. */
void rv_make_value(rv_make *make, rv_str name, rv_buf *out);
/* The variable, also one of the environment or of make itself. NULL: it is not defined. Valid until one is defined. */
rv_make_var *rv_make_find(rv_make *make, rv_str name);
/* Define as `NAME op TEXT` does: '=' recursive, ':' at once, '+' appended, '?' if it is not defined, '!' what a shell prints. */
void rv_make_define(rv_make *make, rv_str name, char op, rv_str text, rv_make_origin origin);
/* Carry out `inner` of $(inner) if it begins with the name of a function. */
bool rv_make_function(rv_make *make, rv_str inner, rv_buf *out);
/* Read lines, as of a file at `place`. */
void rv_make_read(rv_make *make, rv_str text, rv_import_place place);
/* A rule, `line` being all before the recipe, not expanded; `after` what follows a semicolon (NULL at: nothing). */
void rv_make_rule(rv_make *make, rv_str line, rv_str after);
void rv_make_recipe_line(rv_make *make, rv_str text);
/* The target's record, made if it is new. Its index. */
uint32_t rv_make_target_of(rv_make *make, rv_str name);
/* One recipe makes both: `leader` is the node. */
void rv_make_follow(rv_make *make, uint32_t index, uint32_t leader);
/* From the goals on: nodes. */
void rv_make_graph(rv_make *make);
/* The script of the target's recipe, expanded with `autos`, in the arena; size 0: it has nothing to do. */
rv_str rv_make_script(rv_make *make, const rv_make_target *target, const rv_make_autos *autos);
/* The shell that SHELL names, size 0: sh. */
rv_str rv_make_shell_name(rv_make *make);
/* What has a recipe of make's own: %.o from %.c and the like; as Makefile text. */
extern const char rv_make_builtin_rules[];

/* ---- words ---- */
/* The next word of *rest (blanks divide), moved past. false: none is left. */
bool rv_make_word(rv_str *rest, rv_str *ret);
rv_str rv_make_trim(rv_str text);
/* Does `word` match `pattern` (one %)? *ret_stem: what the % stands for. Without %: only itself, and an empty stem. */
bool rv_make_match(rv_str pattern, rv_str word, rv_str *ret_stem);
/* `pattern` with its % replaced. */
void rv_make_fill(rv_buf *out, rv_str pattern, rv_str stem);
/* The first of `bytes` in `text` at or after `from` that is not within $(…) or ${…}; SIZE_MAX: none. */
size_t rv_make_find_outside(rv_str text, size_t from, const char *bytes);
bool rv_make_depends_on_shell(rv_str text); /* has it RV_MAKE_SHELL_MARK? */

#endif
