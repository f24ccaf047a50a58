/* verbs.h: the one table of what `reeve` can do. Its help, `help --json` (from which the man pages are made) and the shell
 * completions are written from it; main dispatches by it. */
#ifndef RV_VERBS_H
#define RV_VERBS_H

#include "cli/options.h"

extern const rv_verb rv_verbs[];
extern const uint32_t rv_verb_count;
/* The verb of that name, or NULL. */
const rv_verb *rv_verb_find(rv_str name);
/* The nearest verb to a word that is none, or NULL. */
const char *rv_verb_nearest(rv_str word);

/* Append the help of one verb, or (NULL) the overview of all. */
void rv_help_text(rv_buf *out, const rv_verb *verb);

/* The functions of the table: each does what its row says, prints, and returns the exit status. */
int rv_verb_run(const rv_args *args);
int rv_verb_chaos(const rv_args *args);
int rv_verb_check(const rv_args *args);
int rv_verb_graph(const rv_args *args);
int rv_verb_ls(const rv_args *args);
int rv_verb_show(const rv_args *args);
int rv_verb_why(const rv_args *args);
int rv_why_file(const rv_args *args); /* the same about a file: why_file.c */
int rv_verb_logs(const rv_args *args);
int rv_verb_events(const rv_args *args);
int rv_verb_approve(const rv_args *args);
int rv_verb_reject(const rv_args *args);
int rv_verb_answer(const rv_args *args);
int rv_verb_submit(const rv_args *args);
int rv_verb_steer(const rv_args *args);
int rv_verb_signal(const rv_args *args);
int rv_verb_cancel(const rv_args *args);
int rv_verb_shell(const rv_args *args);
int rv_verb_verify(const rv_args *args);
int rv_verb_each(const rv_args *args);
int rv_verb_kernel(const rv_args *args);
int rv_verb_schema(const rv_args *args);
int rv_verb_sql(const rv_args *args);
int rv_verb_cache(const rv_args *args);
int rv_verb_init(const rv_args *args);
int rv_verb_import(const rv_args *args);
int rv_verb_doctor(const rv_args *args);
int rv_verb_version(const rv_args *args);
int rv_verb_completions(const rv_args *args);
int rv_verb_help(const rv_args *args);

#endif
