/* changed.c: which nodes changed: git names files, `inputs` name the files of nodes.
 *
 * A node that says nothing of its inputs has those of its project's directory, but for those of projects within it. A changed reeve.yaml is
 * a change of all nodes of its project; the root's file says what holds for all, so it is one of every node. A file that is included is one
 * of every `workflow` node: which of them has it the graph does not say. */
#include "cli/changed.h"

#include "base/glob.h"
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- git ---- */

static void read_all(int fd, rv_buf *out)
{
    for (;;) {
        char *at = rv_buf_extend(out, 65536);
        ssize_t size = read(fd, at, 65536);
        out->size -= 65536 - (size > 0 ? (size_t)size : 0);
        if (size == 0 || (size < 0 && errno != EINTR)) break;
    }
    if (out->at) out->at[out->size] = 0;
}

/* Run `git -C dir words…`; standard output is appended to `out`. *ret_exit: its exit status, 128 + N for a signal. IO: it cannot be
 * started. */
static rv_status git(const char *dir, const char *const *words, rv_buf *out, int *ret_exit, rv_error *err)
{
    const char *argv[24] = {"git", "-C", dir};
    size_t count = 3;
    int fds[2], status = 0;
    pid_t pid = 0;
    for (; *words; words++) {
        RV_ASSERT(count + 1 < RV_COUNT(argv));
        argv[count++] = *words;
    }
    if (pipe2(fds, O_CLOEXEC) != 0) return rv_error_set(err, RV_IO, "git: no pipe to be had: %s", strerror(errno));
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    int failed = posix_spawnp(&pid, "git", &actions, NULL, (char *const *)(uintptr_t)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(fds[1]);
    if (failed == 0) read_all(fds[0], out);
    close(fds[0]);
    if (failed == ENOENT) return rv_error_set(err, RV_INVALID, "git is not installed; --changed and --staged ask it what changed");
    if (failed) return rv_error_set(err, RV_IO, "git cannot be started: %s", strerror(failed));
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
    *ret_exit = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return RV_OK;
}

#define GIT(dir_, out_, exit_, err_, ...) git((dir_), (const char *const[]){__VA_ARGS__, NULL}, (out_), (exit_), (err_))

/* Is there a repository, and in it the revision that is compared with? */
static rv_status check_repository(const char *dir, const rv_changed *changed, rv_error *err)
{
    rv_buf ignored = {0};
    int exit_status = 0;
    rv_status status = GIT(dir, &ignored, &exit_status, err, "rev-parse", "--is-inside-work-tree");
    if (status == RV_OK && (exit_status || !rv_str_starts(rv_buf_str(&ignored), RV_STR("true"))))
        status = rv_error_set(err, RV_INVALID, "%s is in no git repository; --changed and --staged need one", dir);
    if (status == RV_OK && !changed->is_staged) {
        rv_buf revision = {0};
        rv_buf_printf(&revision, "%s^{commit}", changed->since ? changed->since : "HEAD");
        status = GIT(dir, &ignored, &exit_status, err, "rev-parse", "--verify", "--quiet", "--end-of-options", revision.at);
        if (status == RV_OK && exit_status)
            status = changed->since ? rv_error_set(err, RV_INVALID, "--since %s: the repository has no such revision", changed->since)
                                    : rv_error_set(err, RV_INVALID, "the repository of %s has no commit yet; run without --changed", dir);
        rv_buf_deinit(&revision);
    }
    rv_buf_deinit(&ignored);
    return status;
}

/* Paths from `dir`, a NUL behind each. */
static rv_status changed_files(const char *dir, const rv_changed *changed, rv_buf *out, rv_error *err)
{
    int exit_status = 0;
    rv_buf revision = {0};
    rv_status status = check_repository(dir, changed, err);
    rv_buf_printf(&revision, "%s", changed->since ? changed->since : "HEAD");
    if (status == RV_OK && changed->is_staged)
        status = GIT(dir, out, &exit_status, err, "diff", "--cached", "--name-only", "-z", "--no-renames", "--no-ext-diff", "--relative",
                     "--");
    else if (status == RV_OK)
        status = GIT(dir, out, &exit_status, err, "diff", "--name-only", "-z", "--no-renames", "--no-ext-diff", "--relative",
                     "--end-of-options", revision.at, "--");
    if (status == RV_OK && exit_status == 0 && !changed->is_staged)
        status = GIT(dir, out, &exit_status, err, "ls-files", "-z", "--others", "--exclude-standard");
    if (status == RV_OK && exit_status)
        status = rv_error_set(err, RV_INVALID, "git in %s could not tell what changed (exit status %d); try `git status` there", dir,
                              exit_status);
    rv_buf_deinit(&revision);
    return status;
}

/* ---- nodes ---- */

typedef struct finder {
    const rv_graph *graph;
    rv_arena arena;
    RV_VEC(rv_str) files;     /* that changed */
    rv_map file_names;
    rv_map dirs, names;       /* of projects: directory, name → number, from 1; 0 is the root */
    uint8_t *is_touched;      /* of each: a file of it changed */
    uint8_t *is_redefined;    /* of each: its reeve.yaml changed */
    bool is_all;              /* the root's file changed */
    bool is_included;         /* a file changed that is included */
    RV_VEC(uint8_t) matches;  /* of each pattern: 1 some file, 0 none */
    rv_map patterns;          /* text → index of matches */
} finder;

static void take_projects(finder *f)
{
    rv_json *tree = NULL;
    rv_str text = rv_graph_str(f->graph, f->graph->projects);
    uint32_t count = 0;
    if (text.size && rv_json_parse(&f->arena, text, &tree, NULL) == RV_OK) count = tree->count;
    f->is_touched = rv_arena_alloc(&f->arena, count + 1u);
    f->is_redefined = rv_arena_alloc(&f->arena, count + 1u);
    uint32_t number = 1;
    for (const rv_json *project = tree ? tree->child : NULL; project; project = project->next, number++) {
        const rv_json *dir = rv_json_get(project, RV_STR("dir"));
        (void)rv_map_add(&f->names, project->key, number);
        if (dir) (void)rv_map_add(&f->dirs, dir->text, number);
    }
}

/* The project whose directory is the innermost one around the file. */
static uint32_t project_of(const finder *f, rv_str file)
{
    for (size_t end = file.size; end > 0; end--) {
        if (file.at[end - 1] != '/') continue;
        uint32_t number = rv_map_get(&f->dirs, rv_str_cut(file, 0, end - 1));
        if (number != RV_NONE) return number;
    }
    return 0;
}

static void take_files(finder *f, rv_str list, rv_str root_file)
{
    for (size_t at = 0; at < list.size;) {
        size_t end = RV_MIN(rv_str_find(list, at, 0), list.size);
        rv_str file = rv_str_cut(list, at, end - at);
        at = end + 1;
        if (file.size == 0 || rv_map_add(&f->file_names, file, 0) != RV_NONE) continue;
        rv_vec_push(&f->files, file);
        uint32_t number = project_of(f, file);
        f->is_touched[number] = 1;
        if (number && rv_str_ends(file, RV_STR("/reeve.yaml")) && rv_map_get(&f->dirs, rv_str_cut(file, 0, file.size - 11)) == number)
            f->is_redefined[number] = 1;
        f->is_all |= rv_str_eq(file, root_file);
    }
}

static bool pattern_matches(finder *f, rv_str pattern)
{
    const rv_glob *glob = NULL;
    uint32_t known = rv_map_get(&f->patterns, pattern);
    if (known != RV_NONE) return f->matches.at[known];
    bool is_one = rv_glob_compile(pattern, RV_STR(""), &f->arena, &glob, NULL) == RV_OK, matches = false;
    rv_str literal = is_one ? rv_glob_literal(glob) : RV_STR("");
    if (literal.size) matches = rv_map_get(&f->file_names, literal) != RV_NONE;
    for (uint32_t i = 0; is_one && literal.size == 0 && i < f->files.count && !matches; i++) matches = rv_glob_match(glob, f->files.at[i]);
    known = f->matches.count;
    rv_vec_push(&f->matches, matches);
    (void)rv_map_add(&f->patterns, rv_arena_str(&f->arena, pattern), known);
    return matches;
}

static bool is_changed(finder *f, uint32_t node)
{
    static const char key[] = "\"inputs\":";
    rv_str name = rv_graph_name(f->graph, node), body = rv_graph_str(f->graph, f->graph->nodes[node].body);
    size_t colon = rv_str_find(name, 0, ':');
    uint32_t number = colon == SIZE_MAX ? 0 : rv_map_get(&f->names, rv_str_cut(name, 0, colon));
    if (f->is_all || (number != RV_NONE && f->is_redefined[number])) return true;
    if (f->is_included && f->graph->nodes[node].kind == RV_KIND_WORKFLOW) return true;
    rv_json *tree = NULL;
    rv_arena arena = {0};
    if (memmem(body.at, body.size, key, sizeof key - 1) && rv_json_parse(&arena, body, &tree, NULL) != RV_OK) tree = NULL;
    const rv_json *inputs = tree ? rv_json_get(tree, RV_STR("inputs")) : NULL;
    bool changed = !inputs && number != RV_NONE && f->is_touched[number];
    for (const rv_json *item = inputs ? inputs->child : NULL; item && !changed; item = item->next) changed = pattern_matches(f, item->text);
    rv_arena_deinit(&arena);
    return changed;
}

/* Everything that depends on what is named. */
static void add_dependents(const rv_graph *graph, uint8_t *named, uint32_t *count)
{
    RV_VEC(uint32_t) open = {0};
    for (uint32_t node = 0; node < graph->plain_count; node++)
        if (named[node]) rv_vec_push(&open, node);
    while (open.count > 0) {
        uint32_t node = rv_vec_pop(&open);
        for (uint32_t i = graph->succ_begin[node]; i < graph->succ_begin[node + 1]; i++) {
            uint32_t other = RV_EDGE_NODE(graph->succ[i]);
            if (graph->succ[i] & RV_EDGE_SOFT || named[other]) continue;
            named[other] = 1;
            ++*count;
            rv_vec_push(&open, other);
        }
    }
    rv_vec_deinit(&open);
}

rv_status rv_changed_nodes(const rv_changed *changed, const rv_load *load, uint8_t *named, uint32_t *ret_count, rv_error *err)
{
    finder f = {.graph = &load->spec->graph};
    rv_buf list = {0};
    uint32_t count = 0;
    rv_status status = changed_files(load->dir.at, changed, &list, err);
    if (status == RV_OK) {
        rv_str path = rv_buf_str(&load->path);
        size_t name = path.size;
        while (name > 0 && path.at[name - 1] != '/') name--;
        take_projects(&f);
        take_files(&f, rv_buf_str(&list), rv_str_from(path, name));
        f.is_included = rv_spec_includes(load->spec, f.files.at, f.files.count) > 0;
        for (uint32_t node = 0; node < f.graph->plain_count; node++)
            if (is_changed(&f, node)) named[node] = 1, count++;
        add_dependents(f.graph, named, &count);
        *ret_count = count;
    }
    rv_buf_deinit(&list);
    rv_vec_deinit(&f.files);
    rv_vec_deinit(&f.matches);
    rv_map_deinit(&f.file_names);
    rv_map_deinit(&f.dirs);
    rv_map_deinit(&f.names);
    rv_map_deinit(&f.patterns);
    rv_arena_deinit(&f.arena);
    return status;
}
