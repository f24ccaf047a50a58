/* completions.c: completion scripts for shells, written from the verb table. */
#include "cli/cli.h"
#include "cli/verbs.h"

/* What an argument is completed with, by the name that help gives it. */
static bool is_file_argument(const char *arg) { return strcmp(arg, "FILE") == 0; }
static bool is_directory_argument(const char *arg) { return strcmp(arg, "DIR") == 0; }

static const char *argument_words(const char *arg)
{
    static const struct { const char *arg, *words; } rows[] = {
        {"HOW", "live buffered quiet"},
        {"FORMAT", "text dot mermaid json"},
        {"STATUS", "accepted running waiting interrupted ok error timeout cancelled"},
        {"RUN", "latest"},
        {"NAME", "example fanout generate-and-filter verify tournament loop-until-good classify-and-route"},
    };
    for (size_t i = 0; i < RV_COUNT(rows); i++)
        if (strcmp(arg, rows[i].arg) == 0) return rows[i].words;
    return NULL;
}

/* Words that a verb's first positional argument may be, or NULL for files. */
static const char *first_words(const rv_verb *verb)
{
    if (strcmp(verb->name, "completions") == 0) return "bash zsh fish";
    if (strncmp(verb->usage, "RUN", 3) == 0 || strncmp(verb->usage, "[RUN", 4) == 0) return "latest";
    return NULL;
}

static void verb_names(rv_buf *out)
{
    for (uint32_t i = 0; i < rv_verb_count; i++) rv_buf_printf(out, "%s%s", i ? " " : "", rv_verbs[i].name);
}

static void bash_script(rv_buf *out)
{
    rv_buf_cstring(
        out,
        "# bash completion for reeve\n_reeve()\n{\n    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}"
        " verb=${COMP_WORDS[1]}\n    local options= words=\n    COMPREPLY=()\n"
        "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n        COMPREPLY=($(compgen -W '");
    verb_names(out);
    rv_buf_cstring(out, "' -- \"$word\"))\n        return\n    fi\n    case $verb in\n");
    for (uint32_t i = 0; i < rv_verb_count; i++) {
        rv_buf_printf(out, "    %s) options='--help", rv_verbs[i].name);
        for (const rv_option *o = rv_verbs[i].options; o->name; o++) rv_buf_printf(out, " --%s", o->name);
        rv_buf_cstring(out, "'");
        const char *words = strcmp(rv_verbs[i].name, "help") == 0 ? NULL : first_words(&rv_verbs[i]);
        if (words) rv_buf_printf(out, " words='%s'", words);
        rv_buf_cstring(out, " ;;\n");
    }
    rv_buf_cstring(out, "    esac\n    case $before in\n    --output) words='live buffered quiet' options= ;;\n"
                        "    --format) words='text dot mermaid json' options= ;;\n"
                        "    --status) words='accepted running waiting interrupted ok error timeout cancelled' options= ;;\n"
                        "    --resume) words=latest ;;\n"
                        "    --store) COMPREPLY=($(compgen -d -- \"$word\")); return ;;\n    esac\n"
                        "    case $word in\n    -*) COMPREPLY=($(compgen -W \"$options\" -- \"$word\")) ;;\n"
                        "    *) COMPREPLY=($(compgen -W \"$words\" -- \"$word\") $(compgen -f -- \"$word\")) ;;\n    esac\n}\n"
                        "complete -o filenames -F _reeve reeve\n");
}

/* Text inside single quotes of zsh's and fish's words. */
static void quoted(rv_buf *out, const char *text, bool escapes_colons)
{
    for (; *text; text++) {
        if (*text == '\'') rv_buf_cstring(out, "'\\''");
        else if (escapes_colons && strchr("[]:\\", *text)) rv_buf_printf(out, "\\%c", *text);
        else rv_buf_byte(out, *text);
    }
}

static void zsh_option(rv_buf *out, const rv_option *o)
{
    rv_buf_printf(out, "        '--%s[", o->name);
    quoted(out, o->text, true);
    rv_buf_byte(out, ']');
    if (o->arg) {
        rv_buf_printf(out, o->flags & RV_OPTION_MAYBE ? "::%s:" : ":%s:", o->arg);
        if (is_file_argument(o->arg)) rv_buf_cstring(out, "_files");
        else if (is_directory_argument(o->arg)) rv_buf_cstring(out, "_files -/");
        else if (argument_words(o->arg)) rv_buf_printf(out, "(%s)", argument_words(o->arg));
    }
    rv_buf_cstring(out, "' \\\n");
}

static void zsh_script(rv_buf *out)
{
    rv_buf_cstring(out, "#compdef reeve\n_reeve()\n{\n    local -a verbs\n    verbs=(\n");
    for (uint32_t i = 0; i < rv_verb_count; i++) {
        rv_buf_printf(out, "        '%s:", rv_verbs[i].name);
        quoted(out, rv_verbs[i].summary, true);
        rv_buf_cstring(out, "'\n");
    }
    rv_buf_cstring(out, "    )\n    if (( CURRENT == 2 )); then\n        _describe verb verbs\n        return\n    fi\n"
                        "    local verb=$words[2]\n    shift words\n    (( CURRENT-- ))\n    case $verb in\n");
    for (uint32_t i = 0; i < rv_verb_count; i++) {
        rv_buf_printf(out, "    %s)\n        _arguments \\\n", rv_verbs[i].name);
        for (const rv_option *o = rv_verbs[i].options; o->name; o++) zsh_option(out, o);
        const char *words = first_words(&rv_verbs[i]);
        if (words) rv_buf_printf(out, "        '*:argument:(%s)' ;;\n", words);
        else rv_buf_cstring(out, "        '*:file:_files' ;;\n");
    }
    rv_buf_cstring(out, "    esac\n}\n_reeve \"$@\"\n");
}

static void fish_script(rv_buf *out)
{
    rv_buf_cstring(out, "# fish completion for reeve\n");
    for (uint32_t i = 0; i < rv_verb_count; i++) {
        rv_buf_printf(out, "complete -c reeve -n __fish_use_subcommand -f -a %s -d '", rv_verbs[i].name);
        quoted(out, rv_verbs[i].summary, false);
        rv_buf_cstring(out, "'\n");
        for (const rv_option *o = rv_verbs[i].options; o->name; o++) {
            rv_buf_printf(out, "complete -c reeve -n '__fish_seen_subcommand_from %s' -l %s", rv_verbs[i].name, o->name);
            if (o->letter) rv_buf_printf(out, " -s %c", o->letter);
            if (o->arg && !(o->flags & RV_OPTION_MAYBE))
                rv_buf_cstring(out, is_file_argument(o->arg) || is_directory_argument(o->arg) ? " -r" : " -x");
            if (o->arg && argument_words(o->arg)) rv_buf_printf(out, " -a '%s'", argument_words(o->arg));
            rv_buf_cstring(out, " -d '");
            quoted(out, o->text, false);
            rv_buf_cstring(out, "'\n");
        }
        const char *words = first_words(&rv_verbs[i]);
        if (words) rv_buf_printf(out, "complete -c reeve -n '__fish_seen_subcommand_from %s' -f -a '%s'\n", rv_verbs[i].name, words);
    }
}

int rv_verb_completions(const rv_args *args)
{
    static const struct { const char *shell; void (*write)(rv_buf *out); } shells[] = {
        {"bash", bash_script},
        {"zsh", zsh_script},
        {"fish", fish_script},
    };
    const char *word = rv_args_word(args, 0);
    for (size_t i = 0; i < RV_COUNT(shells); i++) {
        if (strcmp(word, shells[i].shell) != 0) continue;
        rv_buf out = {0};
        shells[i].write(&out);
        rv_ui_out(rv_buf_str(&out));
        rv_buf_deinit(&out);
        return 0;
    }
    return rv_cli_failf(args, RV_INVALID, "no completions for `%s`; there are bash, zsh and fish", word);
}
