#include "engine/inner.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define RV_WORKTREE_DIR "worktree"         /* in the attempt's scratch directory */
#define RV_WORKTREE_PATCH "worktree.patch" /* its artifact */
#define RV_WORKTREE_FAILED RV_WORKTREE_DIR ".failed" /* beside it: why the command could not be started */

/* Where a command may write [K40, E14]: shared, as it is; none, into an empty directory of its own; read_only, into what it is given
 * for its results alone, held by bubblewrap; worktree, into a git worktree of its own. */

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

/* Let another program start the command. */
static void put_before(rv_command *command, const char *const *prefix, uint32_t prefix_count)
{
    uint32_t count = 0;
    while (command->argv.at[count]) count++;
    const char **argv = rv_alloc(sizeof *argv * (prefix_count + count + 1));
    memcpy(argv, prefix, sizeof *argv * prefix_count);
    memcpy(argv + prefix_count, command->argv.at, sizeof *argv * (count + 1));
    rv_vec_clear(&command->argv);
    for (uint32_t i = 0; i < prefix_count + count + 1; i++) rv_vec_push(&command->argv, argv[i]);
    command->held = prefix_count;
    rv_free(argv);
}

static rv_status hold_read_only(rv_attempt *attempt, rv_command *command, const char *dir, rv_error *err)
{
    rv_arena *scratch = &attempt->job->engine->scratch;
    const char *bwrap = find_program(scratch, "bwrap"), *own = attempt->dir->path;
    if (!bwrap)
        return rv_error_set(err, RV_UNAVAILABLE, "isolation read_only needs bubblewrap (bwrap): install it, or set another isolation");
    const char *const prefix[] = {bwrap, "--ro-bind", "/", "/", "--dev-bind", "/dev", "/dev", "--proc", "/proc",
                                  "--bind", own, own, "--chdir", dir, "--"};
    put_before(command, prefix, RV_COUNT(prefix));
    return RV_OK;
}

/* ---- worktree ----
 *
 * git may take long, and the engine waits for nobody: so the attempt itself makes its worktree, of the commit that is checked out where it
 * starts, runs the command in the same directory of it, and keeps what differs then as a patch. What an attempt that was stopped leaves is
 * taken away with its scratch directory: the files, and the entry that git keeps of them (`.git` in the worktree names it, and it names
 * `.git`), also after a death of the engine. */
static const char worktree_script[] = /* its own variables begin with `_`: what the command is given by name stays as it is */
    "unset _tries; _tree=$1; shift\n"
    "unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_PREFIX GIT_OBJECT_DIRECTORY GIT_COMMON_DIR\n"
    "fail() { printf '%s' \"$1\" >\"$_tree.failed\"; cd / && git -C \"$_tree\" worktree remove --force \"$_tree\" 2>/dev/null; exit 1; }\n"
    "_base=$(git rev-parse --verify --quiet 'HEAD^{commit}') && _prefix=$(git rev-parse --show-prefix) ||\n"
    "  fail 'isolation worktree: nothing is committed in the git repository here'\n"
    "while ! _told=$(git -c core.hooksPath=/dev/null worktree add --quiet --detach \"$_tree\" \"$_base\" 2>&1); do\n"
    "  [ \"$_tries\" ] || printf '%s\\n' \"$_told\" >&2\n"
    "  case $_told in */commondir*) ;; *) exit 1;; esac\n" /* git reads all entries, also one that another git is just making */
    "  [ $((_tries += 1)) -lt 30 ] || exit 1\n"
    "  sleep 0.1\n"
    "done\n"
    "[ ! \"$_told\" ] || printf '%s\\n' \"$_told\" >&2\n"
    "cd \"$_tree/$_prefix\" 2>/dev/null || fail \"isolation worktree: directory $_prefix is not in the commit that is checked out\"\n"
    "case $1 in */*)\n"
    "  [ -e \"$1\" ] || fail \"command $1: no such file in the worktree; what is not committed is not there\"\n"
    "  [ -f \"$1\" ] && [ -x \"$1\" ] || fail \"command $1: it may not be executed (permission denied)\";;\n"
    "esac\n"
    "(exec \"$@\"); _status=$?\n" /* exec: a program, as everywhere, never a word of the shell */
    "_patch=\"$REEVE_ARTIFACTS/" RV_WORKTREE_PATCH "\"\n"
    "if [ $_status -eq 0 ]; then\n"
    "  cd \"$_tree\" && git add -A && git diff --cached --binary --no-ext-diff --no-textconv --no-color --src-prefix=a/ \\\n"
    "    --dst-prefix=b/ \"$_base\" >\"$_patch\" || { echo 'isolation worktree: what was changed cannot be kept' >&2; _status=1; }\n"
    "  [ -s \"$_patch\" ] || rm -f \"$_patch\"\n"
    "fi\n"
    "cd / && git -C \"$_tree\" worktree remove --force \"$_tree\"\n"
    "[ $_status -gt 128 ] && kill -$((_status - 128)) $$\n"
    "exit $_status\n";

static bool is_in_repository(rv_arena *arena, const char *dir)
{
    char *path = realpath(dir, NULL);
    bool is_found = false;
    for (size_t size = path ? strlen(path) : 0; size > 0 && !is_found; size--) {
        if (size < strlen(path) && path[size] != '/') continue;
        is_found = access(rv_arena_printf(arena, "%.*s/.git", (int)size, path).at, F_OK) == 0;
    }
    free(path);
    return is_found;
}

static rv_status give_worktree(rv_attempt *attempt, rv_command *command, const char *dir, rv_error *err)
{
    rv_arena *scratch = &attempt->job->engine->scratch;
    if (!find_program(scratch, "git"))
        return rv_error_set(err, RV_UNAVAILABLE, "isolation worktree needs git: install it, or set another isolation");
    if (!is_in_repository(scratch, dir))
        return rv_error_set(err, RV_UNAVAILABLE, "isolation worktree needs a git repository, and %s is in none: `git init` and commit "
                            "there, or set another isolation", dir);
    const char *const prefix[] = {"/bin/sh", "-c", worktree_script, "worktree",
                                  rv_arena_printf(scratch, "%s/" RV_WORKTREE_DIR, attempt->dir->path).at};
    put_before(command, prefix, RV_COUNT(prefix));
    command->held_moves = true;
    return RV_OK;
}

/* The text of a small file without its newline, in the arena; size 0: there is none. */
static rv_str line_of(rv_arena *arena, const char *path)
{
    char bytes[4096];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t size = fd < 0 ? -1 : read(fd, bytes, sizeof bytes);
    if (fd >= 0) close(fd);
    while (size > 0 && bytes[size - 1] == '\n') size--;
    return size > 0 && size < (ssize_t)sizeof bytes ? rv_arena_str(arena, (rv_str){bytes, (size_t)size}) : (rv_str){NULL, 0};
}

void rv_worktree_forget(const char *slot_dir)
{
    rv_arena arena = {0};
    const rv_str is_link = RV_STR("gitdir: ");
    const char *link = rv_arena_printf(&arena, "%s/" RV_WORKTREE_DIR "/.git", slot_dir).at;
    rv_str told = line_of(&arena, link);
    const char *entry = rv_str_starts(told, is_link) ? rv_arena_cstring(&arena, rv_str_from(told, is_link.size)) : "";
    if (strstr(entry, "/worktrees/")) {
        const char *back = rv_arena_printf(&arena, "%s/gitdir", entry).at;
        if (rv_str_is(line_of(&arena, back), link)) rv_tree_remove(entry);
    }
    rv_arena_deinit(&arena);
}

bool rv_worktree_failure(const rv_attempt *attempt, rv_buf *ret_text)
{
    rv_arena arena = {0};
    bool is_worktree = rv_node_isolation(rv_run_def(attempt->job->run, attempt->node)) == RV_ISOLATION_WORKTREE;
    rv_str text = {NULL, 0};
    if (is_worktree && attempt->dir) text = line_of(&arena, rv_arena_printf(&arena, "%s/" RV_WORKTREE_FAILED, attempt->dir->path).at);
    rv_buf_str_add(ret_text, text);
    rv_arena_deinit(&arena);
    return text.size > 0;
}

/* ---- all of them ---- */

rv_status rv_isolate(rv_attempt *attempt, rv_command *command, const char **dir, rv_error *err)
{
    rv_isolation isolation = rv_node_isolation(rv_run_def(attempt->job->run, attempt->node));
    bool is_held = isolation == RV_ISOLATION_READ_ONLY || isolation == RV_ISOLATION_WORKTREE;
    if (is_held && attempt->job->engine->config.executes_nothing) return RV_OK;
    if (isolation == RV_ISOLATION_READ_ONLY) return hold_read_only(attempt, command, *dir, err);
    if (isolation == RV_ISOLATION_WORKTREE) return give_worktree(attempt, command, *dir, err);
    if (isolation != RV_ISOLATION_NONE) return RV_OK;
    *dir = rv_arena_printf(&attempt->job->engine->scratch, "%s/work", attempt->dir->path).at;
    if (mkdir(*dir, 0700) != 0) return rv_error_set(err, RV_UNAVAILABLE, "cannot make %s: %s", *dir, strerror(errno));
    return RV_OK;
}
