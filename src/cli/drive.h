/* drive.h: what `run` and `each` have in common: open the host, begin a run, show it, end with its status. */
#ifndef RV_DRIVE_H
#define RV_DRIVE_H

#include "cli/cli.h"
#include "cli/progress.h"

typedef struct rv_drive rv_drive;
struct rv_drive {
    const rv_args *args;
    const char *store_dir;  /* absolute; made when absent */
    int keeper_fd;          /* from rv_keeper_fork */
    uint32_t slots;         /* -j; 0: the file's or the machine's */
    bool fail_fast, no_wait;
    /* Submit or resume. With RV_OK and *ret_job NULL there is nothing to do and `status_early` is the exit status. */
    rv_status (*begin)(rv_drive *drive, rv_host *host, rv_job **ret_job, rv_error *err);
    void *user;
    const rv_graph *graph;  /* of the run that `begin` submits, and its directory; NULL: it is not known yet */
    const char *dir;
    int status_early;
};
/* Returns the exit status [W32]. */
int rv_drive_run(rv_drive *drive);
/* Check --output; the number of --jobs. */
RV_MUST_USE rv_status rv_drive_options(rv_drive *drive, rv_error *err);
/* Leave the keeper behind in the process that was started and go on in a child (exec/keeper.h), into `drive->keeper_fd`. Once, before
 * anything is loaded. Its errors are rv_keeper_fork's. */
RV_MUST_USE rv_status rv_drive_fork(rv_drive *drive, rv_error *err);

/* ---- resume.c: what a run that is in the store becomes when it is gone on with ---- */
typedef struct rv_resume {
    const rv_args *args;
    const char *word;       /* of --resume; NULL: the latest unfinished run of `file` or `workflow_hash` */
    const char *file;       /* absolute, or NULL */
    rv_str workflow_hash;   /* for `each`: instead of the file */
    bool with_failed;       /* `each`: without a word a failed run is gone on with, too */
    bool edit;              /* the child run takes the file as it is now */
    bool fail_fast;
    int status_early;       /* exit status when there is nothing to do */
} rv_resume;
/* NOT_FOUND: no such run, or none at all. CONFLICT: it was cancelled. INVALID: a secret is missing (named). Says on standard
 * error what differs. */
RV_MUST_USE rv_status rv_resume_begin(rv_resume *resume, rv_host *host, rv_job **ret_job, rv_error *err);

#endif
