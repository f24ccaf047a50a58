/* help.c: the verb table as text, and as the JSON from which the man pages are made. */
#include <stdio.h>

#include "cli/cli.h"
#include "cli/verbs.h"

#define HELP_COLUMNS 96u

/* Append `text` wrapped at HELP_COLUMNS, each line indented; paragraphs are divided by empty lines. */
static void wrap(rv_buf *out, rv_str text, uint32_t indent)
{
    size_t at = 0;
    uint32_t column = 0;
    while (at < text.size) {
        if (text.at[at] == '\n') {
            rv_buf_byte(out, '\n');
            column = 0;
            at++;
            continue;
        }
        if (text.at[at] == ' ') {
            at++;
            continue;
        }
        size_t end = at;
        while (end < text.size && text.at[end] != ' ' && text.at[end] != '\n') end++;
        rv_str word = rv_str_cut(text, at, end - at);
        uint32_t width = (uint32_t)rv_utf8_columns(word);
        if (column > indent && column + 1 + width > HELP_COLUMNS) {
            rv_buf_byte(out, '\n');
            column = 0;
        }
        if (column == 0)
            for (; column < indent; column++) rv_buf_byte(out, ' ');
        else rv_buf_byte(out, ' '), column++;
        rv_buf_str_add(out, word);
        column += width;
        at = end;
    }
    rv_buf_byte(out, '\n');
}

static void heading(rv_buf *out, const char *text)
{
    rv_buf_byte(out, '\n');
    rv_ui_style(out, RV_STYLE_BOLD, rv_str_of(text));
    rv_buf_byte(out, '\n');
}

static void option_label(rv_buf *out, const rv_option *option)
{
    if (option->letter) rv_buf_printf(out, "-%c, ", option->letter);
    rv_buf_printf(out, "--%s", option->name);
    if (!option->arg) return;
    rv_buf_printf(out, option->flags & RV_OPTION_MAYBE ? " [%s]" : " %s", option->arg);
}

static void options_text(rv_buf *out, const rv_option *options)
{
    static const rv_option help = {"help", 'h', NULL, "print this", 0};
    uint32_t width = 0;
    rv_buf label = {0};
    for (const rv_option *o = options; o->name; o++) {
        rv_buf_clear(&label);
        option_label(&label, o);
        width = RV_MAX(width, (uint32_t)label.size);
    }
    width = RV_MAX(width, (uint32_t)sizeof "-h, --help" - 1);
    for (const rv_option *o = options;; o++) {
        const rv_option *shown = o->name ? o : &help;
        rv_buf_clear(&label);
        option_label(&label, shown);
        rv_buf_printf(out, "  %-*s  ", (int)width, label.at);
        rv_buf text = {0};
        wrap(&text, rv_str_of(shown->text), width + 4);
        size_t skip = RV_MIN((size_t)width + 4, text.size);
        rv_buf_add(out, text.at + skip, text.size - skip);
        rv_buf_deinit(&text);
        if (!o->name) break;
    }
    rv_buf_deinit(&label);
}

static void verb_text(rv_buf *out, const rv_verb *verb)
{
    rv_ui_stylef(out, RV_STYLE_BOLD, "reeve %s", verb->name);
    rv_buf_printf(out, ": %s\n", verb->summary);
    heading(out, "Usage");
    rv_buf_printf(out, "  reeve %s%s%s\n", verb->name, verb->usage[0] ? " " : "", verb->usage);
    if (verb->description[0]) {
        rv_buf_byte(out, '\n');
        wrap(out, rv_str_of(verb->description), 2);
    }
    heading(out, "Options");
    options_text(out, verb->options);
    heading(out, "Examples");
    for (const rv_example *e = verb->examples; e->command; e++) {
        rv_buf_printf(out, "  %s\n", e->command);
        rv_buf_cstring(out, "      ");
        rv_ui_style(out, RV_STYLE_DIM, rv_str_of(e->text));
        rv_buf_byte(out, '\n');
    }
    heading(out, "Exit status");
    for (const rv_exit_text *e = verb->exits; e->status; e++) rv_buf_printf(out, "  %-5s  %s\n", e->status, e->text);
}

static void overview_text(rv_buf *out)
{
    static const struct { const char *title, *verbs; } groups[] = {
        {"Run", " init check graph run each "},
        {"Look", " ls show logs events sql "},
        {"Decide", " approve reject answer cancel "},
        {"Find out", " shell verify doctor "},
        {"Help", " schema completions version help "},
    };
    rv_ui_style(out, RV_STYLE_BOLD, RV_STR("reeve"));
    rv_buf_cstring(out, " runs graphs of work: in parallel, recorded step by step, resumable after any crash.\n");
    for (size_t g = 0; g < RV_COUNT(groups); g++) {
        heading(out, groups[g].title);
        for (uint32_t i = 0; i < rv_verb_count; i++) {
            char word[32];
            snprintf(word, sizeof word, " %s ", rv_verbs[i].name);
            if (strstr(groups[g].verbs, word)) rv_buf_printf(out, "  %-12s %s\n", rv_verbs[i].name, rv_verbs[i].summary);
        }
    }
    rv_buf_cstring(out, "\nBegin with `reeve init`, then `reeve run`. `reeve VERB --help` explains a verb.\n");
}

void rv_help_text(rv_buf *out, const rv_verb *verb)
{
    if (verb) verb_text(out, verb);
    else overview_text(out);
}

/* ---- as JSON ---- */

static void verb_json(rv_json_writer *w, const rv_verb *verb)
{
    rv_jw_object(w);
    rv_jw_kv_cstring(w, "name", verb->name);
    rv_jw_kv_cstring(w, "summary", verb->summary);
    rv_jw_kv_cstring(w, "usage", verb->usage);
    rv_jw_kv_cstring(w, "description", verb->description);
    rv_jw_key(w, "options");
    rv_jw_array(w);
    rv_buf flag = {0};
    for (const rv_option *o = verb->options; o->name; o++) {
        rv_buf_clear(&flag);
        if (o->letter) rv_buf_printf(&flag, "-%c, ", o->letter);
        rv_buf_printf(&flag, "--%s", o->name);
        rv_jw_object(w);
        rv_jw_kv_str(w, "flag", rv_buf_str(&flag));
        rv_jw_kv_cstring(w, "arg", o->arg);
        rv_jw_kv_cstring(w, "text", o->text);
        rv_jw_object_end(w);
    }
    rv_buf_deinit(&flag);
    rv_jw_array_end(w);
    rv_jw_key(w, "examples");
    rv_jw_array(w);
    for (const rv_example *e = verb->examples; e->command; e++) {
        rv_jw_object(w);
        rv_jw_kv_cstring(w, "command", e->command);
        rv_jw_kv_cstring(w, "text", e->text);
        rv_jw_object_end(w);
    }
    rv_jw_array_end(w);
    rv_jw_key(w, "exit");
    rv_jw_array(w);
    for (const rv_exit_text *e = verb->exits; e->status; e++) {
        rv_jw_object(w);
        rv_jw_kv_cstring(w, "status", e->status);
        rv_jw_kv_cstring(w, "text", e->text);
        rv_jw_object_end(w);
    }
    rv_jw_array_end(w);
    rv_jw_object_end(w);
}

int rv_verb_help(const rv_args *args)
{
    const char *word = rv_args_word(args, 0);
    const rv_verb *verb = word ? rv_verb_find(rv_str_of(word)) : NULL;
    if (word && !verb) {
        const char *nearest = rv_verb_nearest(rv_str_of(word));
        if (nearest) return rv_cli_failf(args, RV_INVALID, "there is no verb `%s`; did you mean `%s`?", word, nearest);
        return rv_cli_failf(args, RV_INVALID, "there is no verb `%s`; `reeve help` lists them", word);
    }
    rv_buf out = {0};
    if (!args->is_json) {
        rv_help_text(&out, verb);
        rv_ui_out(rv_buf_str(&out));
        rv_buf_deinit(&out);
        return 0;
    }
    rv_json_writer w;
    rv_cli_json_begin(&w, &out);
    rv_jw_key(&w, "verbs");
    rv_jw_array(&w);
    for (uint32_t i = 0; i < rv_verb_count; i++)
        if (!verb || verb == &rv_verbs[i]) verb_json(&w, &rv_verbs[i]);
    rv_jw_array_end(&w);
    rv_cli_json_end(&w);
    return 0;
}
