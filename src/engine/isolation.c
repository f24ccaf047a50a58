#include "engine/inner.h"

#include <sys/stat.h>
#include <unistd.h>

/* Where a command may write [K40, E14]: shared, as it is; none, into an empty directory of its own; read_only, into what it is given
 * for its results alone, held by bubblewrap. */

/* The program in a directory of PATH, in the scratch arena; NULL: it is in none. */
static const char *find_program(rv_arena *arena, const char *name)
{
    rv_str path = rv_str_of(getenv("PATH"));
    while (path.size) {
        size_t end = RV_MIN(rv_str_find(path, 0, ':'), path.size);
        const char *full = rv_arena_printf(arena, "%.*s/%s", RV_FMT(rv_str_cut(path, 0, end)), name).at;
        if (full[0] == '/' && access(full, X_OK) == 0) return full;
        path = rv_str_from(path, RV_MIN(end + 1, path.size));
    }
    return NULL;
}

static rv_status hold_read_only(rv_attempt *attempt, rv_command *command, const char *dir, rv_error *err)
{
    rv_arena *scratch = &attempt->job->engine->scratch;
    const char *bwrap = find_program(scratch, "bwrap"), *own = attempt->dir->path;
    if (!bwrap)
        return rv_error_set(err, RV_UNAVAILABLE, "isolation read_only needs bubblewrap (bwrap): install it, or set another isolation");
    const char *const prefix[] = {bwrap, "--ro-bind", "/", "/", "--dev-bind", "/dev", "/dev", "--proc", "/proc",
                                  "--bind", own, own, "--chdir", dir, "--"};
    uint32_t count = 0;
    while (command->argv.at[count]) count++;
    const char **argv = rv_alloc(sizeof *argv * (RV_COUNT(prefix) + count + 1));
    memcpy(argv, prefix, sizeof prefix);
    memcpy(argv + RV_COUNT(prefix), command->argv.at, sizeof *argv * (count + 1));
    rv_vec_clear(&command->argv);
    for (uint32_t i = 0; i < RV_COUNT(prefix) + count + 1; i++) rv_vec_push(&command->argv, argv[i]);
    rv_free(argv);
    return RV_OK;
}

rv_status rv_isolate(rv_attempt *attempt, rv_command *command, const char **dir, rv_error *err)
{
    rv_isolation isolation = rv_node_isolation(rv_run_def(attempt->job->run, attempt->node));
    if (isolation == RV_ISOLATION_READ_ONLY) return hold_read_only(attempt, command, *dir, err);
    if (isolation != RV_ISOLATION_NONE) return RV_OK;
    *dir = rv_arena_printf(&attempt->job->engine->scratch, "%s/work", attempt->dir->path).at;
    if (mkdir(*dir, 0700) != 0) return rv_error_set(err, RV_UNAVAILABLE, "cannot make %s: %s", *dir, strerror(errno));
    return RV_OK;
}
