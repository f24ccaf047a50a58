/* main.c: find the verb, read its arguments, run it. Nothing is opened here. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/verbs.h"

static int no_such_verb(const char *word)
{
    const char *nearest = rv_verb_nearest(rv_str_of(word));
    if (nearest) fprintf(stderr, "reeve: there is no verb `%s`; did you mean `reeve %s`?\n", word, nearest);
    else fprintf(stderr, "reeve: there is no verb `%s`; `reeve help` lists them\n", word);
    return rv_status_exit(RV_INVALID);
}

static void print_help(const rv_verb *verb)
{
    rv_buf out = {0};
    rv_help_text(&out, verb);
    rv_ui_out(rv_buf_str(&out));
    rv_buf_deinit(&out);
}

/* A standard descriptor that is closed would be given to the next file that is opened, and what is meant for a person would
 * be written into the store. Output that goes nowhere is an error when there is something to say [P9]. */
static void fill_standard(void)
{
    static const int flags[] = {[STDIN_FILENO] = O_RDONLY, [STDOUT_FILENO] = O_RDONLY, [STDERR_FILENO] = O_WRONLY};
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", flags[fd]) != fd) exit(rv_status_exit(RV_IO));
}

int main(int argc, char **argv)
{
    fill_standard();
    if (argc < 2) {
        rv_buf out = {0};
        rv_help_text(&out, NULL);
        fwrite(out.at, 1, out.size, stderr);
        rv_buf_deinit(&out);
        return rv_status_exit(RV_INVALID);
    }
    const char *word = argv[1];
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0) word = "version";
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) word = "help";
    const rv_verb *verb = rv_verb_find(rv_str_of(word));
    if (!verb) return no_such_verb(word);

    rv_args args = {0};
    rv_error err = {0};
    int status = 0;
    if (rv_args_parse(verb, argc - 2, argv + 2, &args, &err)) status = rv_cli_fail(&args, &err);
    else if (args.wants_help) print_help(verb);
    else status = verb->run(&args);
    rv_args_deinit(&args);
    return status;
}
