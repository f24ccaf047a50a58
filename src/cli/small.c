/* small.c: verbs of a few lines: version, schema, init. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/verbs.h"

#ifndef RV_VERSION
#error "the build defines RV_VERSION"
#endif

int rv_verb_version(const rv_args *args)
{
    rv_buf out = {0};
    if (!args->is_json) {
        rv_ui_out(RV_STR("reeve " RV_VERSION "\n"));
        return 0;
    }
    rv_json_writer w;
    rv_cli_json_begin(&w, &out);
    rv_jw_kv_cstring(&w, "name", "reeve");
    rv_jw_kv_cstring(&w, "version", RV_VERSION);
    rv_jw_kv_i64(&w, "workflow_format", 1);
    rv_jw_kv_i64(&w, "journal_version", RV_JOURNAL_VERSION);
    rv_cli_json_end(&w);
    return 0;
}

int rv_verb_schema(const rv_args *args)
{
    (void)args;
    rv_buf out = {0};
    rv_spec_schema(&out);
    if (out.size == 0 || out.at[out.size - 1] != '\n') rv_buf_byte(&out, '\n');
    rv_ui_out(rv_buf_str(&out));
    rv_buf_deinit(&out);
    return 0;
}

static const char init_text[] =
    "# A small workflow. `reeve run` runs it, `reeve show` tells what happened.\n"
    "reeve: 1\n"
    "name: example\n"
    "\n"
    "params:                    # given with --var who=Ada\n"
    "  who: {type: string, default: world}\n"
    "\n"
    "nodes:\n"
    "  greet:                   # run: a command and its arguments, without a shell\n"
    "    run: [echo, \"Hello, ${user.who}.\"]\n"
    "\n"
    "  words:                   # shell: a script; values reach it through env, results leave through $REEVE_OUTPUT\n"
    "    env: {TEXT: one two three}\n"
    "    shell: |\n"
    "      set -- $TEXT\n"
    "      echo \"counting $# words\"\n"
    "      echo \"count=$#\" > \"$REEVE_OUTPUT\"\n"
    "\n"
    "  report:                  # starts when both are done\n"
    "    needs: [greet, words]\n"
    "    run: [echo, \"There are ${words.count} words.\"]\n";

int rv_verb_init(const rv_args *args)
{
    const char *path = rv_args_word(args, 0) ? rv_args_word(args, 0) : "reeve.yaml";
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0 && errno == EEXIST)
        return rv_cli_failf(args, RV_CONFLICT, "%s exists already and is left as it is; name another file: reeve init OTHER.yaml", path);
    if (fd < 0) return rv_cli_failf(args, RV_IO, "%s: cannot be made: %s", path, strerror(errno));
    ssize_t written = write(fd, init_text, sizeof init_text - 1);
    int error = written == (ssize_t)sizeof init_text - 1 ? 0 : written < 0 ? errno : ENOSPC;
    if (close(fd) != 0 && !error) error = errno;
    if (error) {
        unlink(path);
        return rv_cli_failf(args, RV_IO, "%s: cannot be written: %s", path, strerror(error));
    }
    rv_buf out = {0};
    rv_buf_cstring(&out, "Wrote ");
    rv_buf_cstring(&out, path);
    rv_buf_cstring(&out, ". Now: reeve run");
    if (strcmp(path, "reeve.yaml") != 0) {
        rv_buf_byte(&out, ' ');
        rv_ui_shell_word(&out, rv_str_of(path));
    }
    rv_buf_byte(&out, '\n');
    rv_ui_out(rv_buf_str(&out));
    rv_buf_deinit(&out);
    return 0;
}
