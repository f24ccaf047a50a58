/* import_make_recipe.c: a recipe as one script that does what make does: each line in a shell of its own, until one fails. */
#include <string.h>

#include "cli/import_make.h"

typedef struct recipe_line { rv_str text; bool ignores_errors; } recipe_line;
typedef RV_VEC(recipe_line) recipe_lines;

static rv_str shell_flags(rv_make *make)
{
    rv_str flags = rv_make_expanded(make, RV_STR("$(.SHELLFLAGS)"), true);
    return rv_str_is(flags, "-c") ? RV_STR("") : flags;
}

rv_str rv_make_shell_name(rv_make *make)
{
    static const char *const known[] = {"sh", "bash", "dash", "ash", "zsh", "ksh", "mksh"};
    rv_str path = rv_make_expanded(make, RV_STR("$(SHELL)"), true), word, last = RV_STR("sh");
    while (rv_make_word(&path, &word)) last = word;
    size_t slash = last.size;
    while (slash > 0 && last.at[slash - 1] != '/') slash--;
    rv_str name = rv_str_from(last, slash);
    for (size_t i = 0; i < RV_COUNT(known); i++)
        if (rv_str_is(name, known[i])) return i == 0 ? RV_STR("") : name;
    rv_make_var *var = rv_make_find(make, RV_STR("SHELL"));
    rv_import_note(make->import, var ? var->place : (rv_import_place){0}, "write the recipes for sh, or call it in them",
                   "SHELL is `%.*s`, which is no shell that is known: the scripts are run by sh", RV_FMT(name));
    return RV_STR("");
}

/* ---- lines ---- */

/* The end of what a shell would print: the index after its mark. */
static size_t end_of_mark(rv_str text, size_t at)
{
    uint32_t depth = 0;
    for (; at < text.size; at++) {
        if (text.at[at] == RV_MAKE_SHELL_MARK) depth++;
        else if (text.at[at] == RV_MAKE_SHELL_END && --depth == 0) return at + 1;
    }
    return text.size;
}

/* The number of the variable that holds what `command` prints; a new one where there is none. */
static uint32_t variable_of(rv_make *make, rv_str command, rv_import_strs *shells)
{
    rv_buf text = {0};
    for (size_t i = 0; i < command.size; i++)
        if (command.at[i] != RV_MAKE_SHELL_END) rv_buf_byte(&text, command.at[i] == RV_MAKE_SHELL_MARK ? '$' : command.at[i]);
    uint32_t number = 0;
    while (number < shells->count && !rv_str_eq(shells->at[number], rv_buf_str(&text))) number++;
    if (number == shells->count) rv_vec_push(shells, rv_arena_str(&make->import->arena, rv_buf_str(&text)));
    rv_buf_deinit(&text);
    return number + 1;
}

/* The recipe's text, $(shell …) being variables that the script sets at its beginning: there the command runs where make runs it. Within
 * single quotes these are closed around it. */
static rv_str final_text(rv_make *make, rv_str text, rv_import_strs *shells)
{
    if (!rv_make_depends_on_shell(text)) return text;
    rv_buf out = {0};
    char quote = 0;
    for (size_t i = 0; i < text.size; i++) {
        char c = text.at[i];
        if (c == RV_MAKE_SHELL_MARK) {
            size_t end = end_of_mark(text, i);
            rv_str command = rv_str_cut(text, i + 1, end - i - 1);
            uint32_t number = variable_of(make, command, shells);
            rv_buf_printf(&out, quote == '\'' ? "'\"${shell_%u}\"'" : "${shell_%u}", number);
            i = end - 1;
            continue;
        }
        rv_buf_byte(&out, c);
        if (c == '\\' && quote != '\'' && i + 1 < text.size && text.at[i + 1] != RV_MAKE_SHELL_MARK) rv_buf_byte(&out, text.at[++i]);
        else if (quote == 0 && (c == '\'' || c == '"')) quote = c;
        else if (c == quote) quote = 0;
    }
    rv_import_note(make->import, make->place, "see that this is the same; --shell puts in what the command prints now",
                   "what $(shell) prints is asked by the script, each time it runs, and no more by make before it");
    rv_str copy = rv_arena_str(&make->import->arena, rv_buf_str(&out));
    rv_buf_deinit(&out);
    return copy;
}

/* Take the @, - and + from the front. */
static rv_str without_prefix(rv_str text, bool *ret_ignores)
{
    while (text.size > 0 && strchr("@+- \t", text.at[0])) {
        *ret_ignores |= text.at[0] == '-';
        text = rv_str_from(text, 1);
    }
    while (text.size > 0 && strchr(" \t\n", text.at[text.size - 1])) text.size--;
    return text;
}

/* Divide what a line has become at the ends of its lines; one that ends with a backslash goes on. */
static void add_lines(rv_make *make, rv_str text, recipe_lines *lines, rv_import_strs *shells)
{
    while (text.size > 0) {
        size_t end = 0, slashes = 0;
        for (; end < text.size; end++) {
            if (text.at[end] == '\n' && slashes % 2 == 0) break;
            slashes = text.at[end] == '\\' ? slashes + 1 : 0;
        }
        bool ignores = make->ignores_errors;
        rv_str line = rv_str_cut(text, 0, end);
        bool is_first = lines->count == 0 || !make->is_one_shell;
        if (is_first) line = without_prefix(line, &ignores);
        if (line.size) rv_vec_push(lines, ((recipe_line){final_text(make, line, shells), ignores}));
        text = rv_str_from(text, end + 1);
    }
}

/* ---- the script ---- */

static bool is_name(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c >= '0' && c <= '9'); }

/* Does the line, run in the script's own shell, change nothing for those after it, and may ` || exit` follow it? */
static bool is_simple(rv_str line)
{
    static const char *const state[] = {"cd", "export", "set", "unset", "exec", "exit", ".", "source", "eval", "umask", "trap", "read",
                                        "shift", "ulimit", "alias", "return", "pushd", "popd", "wait", "if",
                                        "for", "while", "until", "case"};
    bool is_word = true;
    for (size_t i = 0; i < line.size; i++) {
        char c = line.at[i];
        char before = i > 0 ? line.at[i - 1] : 0;
        if ((strchr(";#`(){\\\n", c) && !(c == '{' && before == '$')) || (c == '&' && before != '>')) return false;
        if (!is_word) {
            is_word = strchr(" \t|&", c) != NULL;
            continue;
        }
        size_t end = i;
        while (end < line.size && (is_name(line.at[end]) || line.at[end] == '.')) end++;
        rv_str word = rv_str_cut(line, i, end - i);
        if (end < line.size && line.at[end] == '=') return false;
        for (size_t k = 0; k < RV_COUNT(state); k++)
            if (rv_str_is(word, state[k]) && (end == line.size || strchr(" \t", line.at[end]))) return false;
        is_word = strchr(" \t|&", c) != NULL;
    }
    return true;
}

static void add_line(rv_make *make, const recipe_line *line, bool is_last, bool is_alone, rv_str flags, rv_buf *out)
{
    const char *then = line->ignores_errors ? " || :" : is_last ? "" : " || exit";
    rv_str text = line->text;
    if (flags.size) {
        rv_str name = rv_make_shell_name(make);
        rv_buf_printf(out, "%.*s %.*s ", RV_FMT(name.size ? name : RV_STR("sh")), RV_FMT(flags));
        rv_import_shell_word(out, text);
        rv_buf_printf(out, "%s\n", then);
    } else if (text.at[0] == '#' && rv_str_find(text, 0, '\n') == SIZE_MAX) {
        rv_buf_printf(out, "%.*s\n", RV_FMT(text));
    } else if ((is_alone && !then[0]) || is_simple(text)) {
        rv_buf_printf(out, "%.*s%s\n", RV_FMT(text), then);
    } else {
        rv_buf_printf(out, "(\n%.*s\n)%s\n", RV_FMT(text), then);
    }
}

static void one_shell(const recipe_lines *lines, rv_str flags, rv_str shell, rv_buf *out)
{
    rv_buf all = {0};
    for (uint32_t i = 0; i < lines->count; i++) rv_buf_printf(&all, "%s%.*s", i ? "\n" : "", RV_FMT(lines->at[i].text));
    if (flags.size) {
        rv_buf_printf(out, "%.*s %.*s ", RV_FMT(shell.size ? shell : RV_STR("sh")), RV_FMT(flags));
        rv_import_shell_word(out, rv_buf_str(&all));
    } else {
        rv_buf_str_add(out, rv_buf_str(&all));
    }
    if (lines->count && lines->at[0].ignores_errors) rv_buf_cstring(out, flags.size ? " || :" : "\n:");
    rv_buf_deinit(&all);
}

/* Variables of the target, the oldest first. */
static void push_locals(rv_make *make, const rv_make_target *target)
{
    rv_make_indices found = {0};
    for (uint32_t at = target->local; at; at = make->locals.at[at - 1].next) rv_vec_push(&found, at - 1);
    for (uint32_t i = found.count; i > 0; i--) {
        const rv_make_local *local = &make->locals.at[found.at[i - 1]];
        rv_vec_push(&make->now, ((rv_import_pair){local->name, local->value}));
    }
    rv_vec_deinit(&found);
}

rv_str rv_make_script(rv_make *make, const rv_make_target *target, const rv_make_autos *autos)
{
    if (target->recipe == 0) return RV_STR("");
    rv_make_recipe recipe = make->recipes.at[target->recipe - 1];
    recipe_lines lines = {0};
    rv_import_strs shells = {0};
    rv_buf out = {0};
    bool is_own = target->recipe >= make->builtin_recipe;
    make->autos = autos;
    push_locals(make, target);
    make->place = is_own ? target->place : recipe.place;
    rv_str flags = shell_flags(make);
    for (uint32_t i = recipe.first; i < recipe.first + recipe.count && !make->is_over; i++) {
        if (!is_own) make->place = make->lines.at[i].place;
        if (memmem(make->lines.at[i].text.at ? make->lines.at[i].text.at : "", make->lines.at[i].text.size, "$(MAKE)", 7))
            rv_import_note(make->import, make->place, "import that Makefile too, and join the two",
                           "this line runs make: what it does is one node");
        rv_str text = rv_make_expanded(make, make->lines.at[i].text, false);
        add_lines(make, text, &lines, &shells);
    }
    for (uint32_t i = 0; i < shells.count; i++)
        rv_buf_printf(&out, "%sshell_%u=%s$%.*s%s\n", flags.size ? "export " : "", i + 1, flags.size ? "\"" : "", RV_FMT(shells.at[i]),
                      flags.size ? "\"" : "");
    if (make->is_one_shell) one_shell(&lines, flags, rv_make_shell_name(make), &out);
    else
        for (uint32_t i = 0; i < lines.count; i++) add_line(make, &lines.at[i], i + 1 == lines.count, lines.count == 1, flags, &out);
    make->autos = NULL;
    make->now.count = 0;
    rv_str script = rv_arena_str(&make->import->arena, rv_make_trim(rv_buf_str(&out)));
    rv_vec_deinit(&lines);
    rv_vec_deinit(&shells);
    rv_buf_deinit(&out);
    return script;
}
