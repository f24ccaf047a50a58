/* import.c: `reeve import`: another program's file as a workflow. What kind it is, what the readers may ask of this machine, what is
 * said and written; import_*.c are the readers. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/import.h"
#include "cli/verbs.h"
#include "spec/doc.h"

#define SHELL_TEXT_MAX (4u << 20) /* bytes that a command of $(shell) may print */

typedef enum kind { MAKE, NPM, CRON, DAGU, TURBO, KIND_COUNT } kind;
static const struct kind_row {
    const char *name;
    bool (*read)(rv_import *import);
} kinds[] = {{"make", rv_import_make}, {"npm", rv_import_npm}, {"cron", rv_import_cron}, {"dagu", rv_import_dagu},
             {"turbo", rv_import_turbo}};
_Static_assert(RV_COUNT(kinds) == KIND_COUNT, "one row a kind");

/* ---- what readers may ask of this machine; the current directory is that of the file ---- */

static bool host_read(void *user, rv_str path, rv_buf *out)
{
    (void)user;
    char *name = rv_cstring_dup(path);
    struct stat stat_;
    rv_error ignored;
    bool is_read = stat(name, &stat_) == 0 && S_ISREG(stat_.st_mode) && rv_cli_read_file(name, out, &ignored) == RV_OK;
    rv_free(name);
    return is_read;
}

static bool host_is_there(void *user, rv_str path, bool *ret_is_folder)
{
    (void)user;
    char *name = rv_cstring_dup(path);
    struct stat stat_;
    bool is_there = stat(name, &stat_) == 0;
    *ret_is_folder = is_there && S_ISDIR(stat_.st_mode);
    rv_free(name);
    return is_there;
}

static void host_glob(void *user, rv_str pattern, rv_buf *out)
{
    (void)user;
    char *text = rv_cstring_dup(pattern);
    glob_t found = {0};
    if (glob(text, 0, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc; i++) rv_buf_printf(out, "%s%s", i ? " " : "", found.gl_pathv[i]);
    globfree(&found);
    rv_free(text);
}

static const char *host_env(void *user, rv_str name)
{
    (void)user;
    char *text = rv_cstring_dup(name);
    const char *value = getenv(text);
    rv_free(text);
    return value;
}

static bool host_shell(void *user, rv_str command, rv_buf *out)
{
    (void)user;
    char *text = rv_cstring_dup(command);
    FILE *pipe = popen(text, "r");
    rv_free(text);
    if (!pipe) return false;
    char block[4096];
    for (size_t got; (got = fread(block, 1, sizeof block, pipe)) > 0;)
        if (out->size < SHELL_TEXT_MAX) rv_buf_add(out, block, got);
    pclose(pipe);
    return true;
}

/* ---- which kind ---- */

static rv_str base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return rv_str_of(slash ? slash + 1 : path);
}

static kind kind_of_file(const char *path, rv_str source)
{
    rv_str name = base_name(path);
    if (rv_str_is(name, "Makefile") || rv_str_is(name, "makefile") || rv_str_is(name, "GNUmakefile") || rv_str_ends(name, RV_STR(".mk")) ||
        rv_str_starts(name, RV_STR("Makefile.")))
        return MAKE;
    if (rv_str_is(name, "package.json")) return NPM;
    if (rv_str_is(name, "turbo.json")) return TURBO;
    if (rv_str_is(name, "crontab") || rv_str_ends(name, RV_STR(".cron")) || rv_str_ends(name, RV_STR(".crontab")) ||
        strncmp(path, "/etc/cron.d/", 12) == 0)
        return CRON;
    bool is_yaml = rv_str_ends(name, RV_STR(".yaml")) || rv_str_ends(name, RV_STR(".yml"));
    if (is_yaml && (rv_str_starts(name, RV_STR("dagu.")) || rv_str_starts(source, RV_STR("steps:")) ||
                    memmem(source.at ? source.at : "", source.size, "\nsteps:", 7)))
        return DAGU;
    if (rv_str_ends(name, RV_STR(".json")) && memmem(source.at ? source.at : "", source.size, "\"scripts\"", 9)) return NPM;
    return KIND_COUNT;
}

static int no_kind(const rv_args *args, const char *file, const char *from)
{
    rv_buf names = {0};
    for (uint32_t i = 0; i < KIND_COUNT; i++) rv_buf_printf(&names, "%s%s", i ? ", " : "", kinds[i].name);
    int status = from ? rv_cli_failf(args, RV_INVALID, "--from %s is not known; it is one of %s", from, names.at)
                      : rv_cli_failf(args, RV_INVALID, "%s: its name does not say what it is; say it with --from: %s", file, names.at);
    rv_buf_deinit(&names);
    return status;
}

/* ---- what comes out ---- */

typedef struct job {
    const rv_args *args;
    const char *file;
    rv_buf output;      /* absolute; size 0: standard output */
    rv_import import;
    rv_problems problems;
    rv_buf text;
    kind kind;
} job;

static void print_problems(const rv_problems *problems, rv_str source)
{
    rv_buf out = {0};
    bool is_terminal = isatty(STDERR_FILENO);
    const char *no_color = getenv("NO_COLOR");
    rv_problems_text(&out, problems, source, is_terminal, is_terminal && !(no_color && no_color[0]));
    fwrite(out.at ? out.at : "", 1, out.size, stderr);
    rv_buf_deinit(&out);
}

static int refuse(job *j, const char *file, const rv_problems *problems, rv_str source)
{
    rv_buf text = {0};
    rv_buf_printf(&text, "%s: %u problem%s; nothing was written", file, problems->error_count, problems->error_count == 1 ? "" : "s");
    if (j->args->is_json) {
        rv_buf out = {0};
        rv_json_writer w;
        rv_cli_json_begin(&w, &out);
        rv_jw_key(&w, "error");
        rv_jw_object(&w);
        rv_jw_kv_cstring(&w, "status", rv_status_name(RV_INVALID));
        rv_jw_kv_i64(&w, "exit", rv_status_exit(RV_INVALID));
        rv_jw_kv_str(&w, "text", rv_buf_str(&text));
        rv_jw_object_end(&w);
        rv_jw_key(&w, "problems");
        rv_problems_json(&w, problems);
        rv_cli_json_end(&w);
    } else {
        print_problems(problems, source);
        fprintf(stderr, "reeve: %s\n", text.at);
    }
    rv_buf_deinit(&text);
    return rv_status_exit(RV_INVALID);
}

/* What was written has to be a workflow: read it as `run` would. */
static int check(job *j)
{
    rv_problems problems = {0};
    rv_spec *spec = NULL;
    rv_spec_input input = {.source = rv_buf_str(&j->text), .file = "the workflow that it becomes", .dir = ".", .skip_values = true};
    int status = 0;
    if (rv_spec_load(&input, &spec, &problems) != RV_OK) {
        rv_problems_sort(&problems);
        print_problems(&j->problems, j->import.source);
        status = refuse(j, j->file, &problems, input.source);
    }
    rv_spec_free(spec);
    rv_problems_deinit(&problems);
    return status;
}

static int save(job *j)
{
    rv_error err;
    const char *path = j->output.at;
    if (rv_args_has(j->args, "force")) {
        if (rv_cli_write_file(path, rv_buf_str(&j->text), &err) != RV_OK) return rv_cli_fail(j->args, &err);
        return 0;
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0 && errno == EEXIST)
        return rv_cli_failf(j->args, RV_CONFLICT, "%s exists already and is left as it is; name another file, or say --force", path);
    if (fd < 0) return rv_cli_failf(j->args, RV_IO, "%s: cannot be made: %s", path, strerror(errno));
    close(fd);
    if (rv_cli_write_file(path, rv_buf_str(&j->text), &err) == RV_OK) return 0;
    unlink(path);
    return rv_cli_fail(j->args, &err);
}

static void tell(const job *j)
{
    const char *output = rv_args_value(j->args, "output");
    uint32_t count = j->problems.list.count, nodes = j->import.nodes.count;
    rv_buf out = {0};
    if (j->args->is_json) {
        rv_json_writer w;
        rv_cli_json_begin(&w, &out);
        rv_jw_kv_bool(&w, "ok", true);
        rv_jw_kv_cstring(&w, "from", kinds[j->kind].name);
        rv_jw_kv_cstring(&w, "file", j->file);
        if (j->output.size) rv_jw_kv_str(&w, "output", rv_buf_str(&j->output));
        else rv_jw_kv_str(&w, "workflow", rv_buf_str(&j->text));
        rv_jw_kv_i64(&w, "nodes", nodes);
        rv_jw_key(&w, "problems");
        rv_problems_json(&w, &j->problems);
        rv_cli_json_end(&w);
        return;
    }
    print_problems(&j->problems, j->import.source);
    if (!j->output.size) {
        rv_ui_out(rv_buf_str(&j->text));
        return;
    }
    rv_buf_printf(&out, "Wrote %s: %u node%s", output, nodes, nodes == 1 ? "" : "s");
    if (count) rv_buf_printf(&out, "; %u remark%s above", count, count == 1 ? "" : "s");
    rv_buf_cstring(&out, ". Now: reeve run ");
    rv_ui_shell_word(&out, rv_str_of(output));
    rv_buf_byte(&out, '\n');
    rv_ui_out(rv_buf_str(&out));
    rv_buf_deinit(&out);
}

/* Paths in the file mean its folder: go there, having made the name of the output absolute. */
static rv_status enter_folder(job *j, rv_error *err)
{
    const char *output = rv_args_value(j->args, "output"), *slash = strrchr(j->file, '/');
    char here[PATH_MAX];
    if (!getcwd(here, sizeof here)) return rv_error_set(err, RV_IO, "the current directory cannot be named: %s", strerror(errno));
    if (output) rv_buf_printf(&j->output, "%s%s%s", output[0] == '/' ? "" : here, output[0] == '/' ? "" : "/", output);
    j->import.folder = rv_arena_str(&j->import.arena, rv_str_of(here));
    if (!slash) return RV_OK;
    char *folder = rv_cstring_dup((rv_str){j->file, RV_MAX((size_t)(slash - j->file), (size_t)1)});
    int result = chdir(folder);
    rv_free(folder);
    if (result != 0) return rv_error_set(err, RV_IO, "%s: its folder cannot be entered: %s", j->file, strerror(errno));
    char there[PATH_MAX], *end = j->output.size ? strrchr(j->output.at, '/') : NULL;
    if (!getcwd(there, sizeof there)) return rv_error_set(err, RV_IO, "%s: its folder cannot be named: %s", j->file, strerror(errno));
    j->import.folder = rv_arena_str(&j->import.arena, rv_str_of(there));
    if (end) {
        char *target = rv_cstring_dup((rv_str){j->output.at, RV_MAX((size_t)(end - j->output.at), (size_t)1)});
        char *real = realpath(target, NULL);
        if (real && strcmp(real, there) != 0)
            rv_cli_note("%s is not in the folder of %s: its commands and paths mean that folder; write it there", output, j->file);
        free(real);
        rv_free(target);
    }
    return RV_OK;
}

static int carry_out(job *j)
{
    static rv_import_host host = {NULL, host_read, host_is_there, host_glob, host_env, NULL};
    const rv_args *args = j->args;
    rv_import *import = &j->import;
    rv_param_value *vars = NULL;
    rv_buf source = {0};
    rv_error err = {0};
    const char *from = rv_args_value(args, "from");
    int status = 0;
    if (rv_cli_read_file(j->file, &source, &err) != RV_OK || rv_cli_vars(args, &import->arena, &vars, &import->var_count, &err) != RV_OK) {
        if (err.status == RV_DENIED || err.status == RV_IO) err.status = RV_INVALID;
        status = rv_cli_fail(args, &err);
        rv_buf_deinit(&source);
        return status;
    }
    rv_import_pair *pairs = rv_arena_new(&import->arena, rv_import_pair, import->var_count + 1);
    for (uint32_t i = 0; i < import->var_count; i++) pairs[i] = (rv_import_pair){vars[i].name, vars[i].value};
    host.shell = rv_args_has(args, "shell") ? host_shell : NULL;
    import->host = &host;
    import->problems = &j->problems;
    import->file = strcmp(j->file, "-") == 0 ? RV_STR("standard input") : rv_str_of(j->file);
    import->source = rv_buf_str(&source);
    import->vars = pairs;
    import->wanted = args->words.at + 1;
    import->wanted_count = args->words.count - 1;
    import->output = rv_str_of(rv_args_value(args, "output"));
    import->is_system = rv_args_has(args, "system") || strcmp(j->file, "/etc/crontab") == 0 || strncmp(j->file, "/etc/cron.d/", 12) == 0;
    for (j->kind = 0; from && j->kind < KIND_COUNT && strcmp(kinds[j->kind].name, from) != 0; j->kind++) {}
    if (!from) j->kind = kind_of_file(j->file, import->source);
    if (j->kind == KIND_COUNT) status = no_kind(args, j->file, from);
    else if (enter_folder(j, &err) != RV_OK) status = rv_cli_fail(args, &err);
    else if (!kinds[j->kind].read(import)) status = refuse(j, j->file, &j->problems, import->source);
    else {
        rv_problems_sort(&j->problems);
        rv_import_write(import, &j->text);
        status = check(j);
        if (status == 0 && j->output.size) status = save(j);
        if (status == 0) tell(j);
    }
    import->source = (rv_str){0};
    rv_buf_deinit(&source);
    return status;
}

int rv_verb_import(const rv_args *args)
{
    job j = {.args = args, .file = rv_args_word(args, 0)};
    int status = carry_out(&j);
    rv_import_deinit(&j.import);
    rv_problems_deinit(&j.problems);
    rv_buf_deinit(&j.text);
    rv_buf_deinit(&j.output);
    return status;
}
