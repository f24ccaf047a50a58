/* load.h: a workflow file read for `run`, `check` and `graph`, its problems printed once. */
#ifndef RV_LOAD_H
#define RV_LOAD_H

#include <sys/stat.h>

#include "cli/cli.h"

typedef struct rv_load {
    rv_buf path;      /* absolute */
    rv_buf dir;       /* its directory, absolute */
    rv_buf stood;     /* of the project that one stands in, from that directory; size 0: in none */
    rv_buf source;    /* size 0: nobody had to read it (the file is known by its stamp), or it is a large one and was good */
    size_t source_size; /* of the file when it was read; 0: it was not */
    struct stat stamp; int64_t read_ns; /* of the file just before it was read; 0: it was not, or is no file */
    rv_digest digest; bool is_hashed;   /* of the source */
    rv_arena arena;   /* the --var values */
    rv_param_value *vars; uint32_t var_count;
    const char *file; /* how messages call it; borrowed */
    bool skip_values;
    rv_problems problems;
    rv_spec *spec;    /* NULL once somebody took it */
    bool is_kept;     /* it came from the compiled form, was kept as one, or is a part that is not worth it */
} rv_load; /* {0} */

/* Find the file that `word` means into load->path (NULL: reeve.yaml here or above); of a project's reeve.yaml the root's is meant, which is
 * in the nearest directory above that has it among its `projects` [W21]. NOT_FOUND, IO. */
RV_MUST_USE rv_status rv_load_find(rv_load *load, const char *word, rv_error *err);
/* Read and load the file that `word` means (NULL: reeve.yaml here or above).
 * skip_values: parameters and environment need not be there (`check`, `graph`).
 * compiled_dir: where compiled forms are; NULL: none are used. A file whose compiled form is there and whose stamp (size, times, inode; see
 * blob/stamp.h) is that of when it was read is not read again.
 * Every problem, also a warning, is printed: on standard error, or with --json (errors only) as one object on standard output.
 * *ret_exit is the exit status when the result is not RV_OK. */
RV_MUST_USE rv_status rv_load_file(rv_load *load, const rv_args *args, const char *word, bool skip_values, const char *compiled_dir,
                                   int *ret_exit);
/* What its file is loaded from. Borrows `load`. */
rv_spec_input rv_load_input(const rv_load *load);
/* Keep the compiled form of a large file in `compiled_dir` (made when absent), once, and let those go that nobody used for long
 * (compiled.h). A failure is no error, but is said [P9]: the next load is slower. */
void rv_load_keep(rv_load *load, const char *compiled_dir);
void rv_load_deinit(rv_load *load);
/* Print problems as rv_load_file does; returns the exit status. */
int rv_load_report(const rv_args *args, const rv_problems *problems, rv_str source, const char *file);

#endif
