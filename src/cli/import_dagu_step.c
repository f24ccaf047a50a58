/* import_dagu_step.c: what a step of Dagu does, as a node. */
#include <stdio.h>
#include <string.h>

#include "cli/import_dagu.h"

static bool is_word_byte(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; }

/* ---- values ---- */

/* As text of ours: `${` would be a reference. */
static void add_text(rv_str text, rv_buf *out)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.at[i] == '{' && out->size && out->at[out->size - 1] == '$') rv_buf_byte(out, '$');
        rv_buf_byte(out, text.at[i]);
    }
}

/* What a name stands for, as text and references of ours. In the arena. */
static rv_str meaning_of(rv_dagu *d, rv_str name)
{
    for (uint32_t i = d->known.count; i > 0; i--)
        if (rv_str_eq(d->known.at[i - 1].name, name)) return d->known.at[i - 1].value;
    for (uint32_t i = 0; i < d->params.count; i++)
        if (rv_str_eq(d->params.at[i], name))
            return rv_arena_printf(&d->import->arena, "${user.%s%.*s}", name.at[0] >= '0' && name.at[0] <= '9' ? "p" : "", RV_FMT(name));
    return rv_arena_printf(&d->import->arena, "${env.%.*s:-}", RV_FMT(name));
}

/* The size of a reference at the beginning of `text`, $NAME or ${NAME}; 0: there is none. */
static size_t reference_size(rv_str text, rv_str *ret_name)
{
    bool has_brace = text.size > 1 && text.at[1] == '{';
    size_t begin = 1 + has_brace, end = begin;
    if (text.size == 0 || text.at[0] != '$') return 0;
    while (end < text.size && is_word_byte(text.at[end])) end++;
    if (end == begin || (has_brace && (end == text.size || text.at[end] != '}'))) return 0;
    *ret_name = rv_str_cut(text, begin, end - begin);
    return end + has_brace;
}

/* What Dagu takes as text although it has a dollar: \$ without its backslash, and '$NAME' in quotes; other backslashes, as they stand. The
 * size of what it was; 0: none. */
static size_t add_literal(rv_str text, rv_buf *out)
{
    rv_str name;
    size_t count = 0;
    while (count < text.size && text.at[count] == '\\') count++;
    if (count > 0) {
        bool is_literal = count % 2 == 1 && count < text.size && text.at[count] == '$';
        add_text(rv_str_cut(text, 0, count - is_literal), out);
        if (is_literal) rv_buf_byte(out, '$');
        return count + is_literal;
    }
    size_t size = text.at[0] == '\'' ? reference_size(rv_str_from(text, 1), &name) : 0;
    if (size == 0 || size + 1 >= text.size || text.at[size + 1] != '\'') return 0;
    add_text(rv_str_cut(text, 0, size + 2), out);
    return size + 2;
}

rv_str rv_dagu_value(rv_dagu *d, rv_str text, rv_import_place place)
{
    rv_buf out = {0};
    rv_str name;
    bool asks_shell = false, has_dollar_before = false;
    for (size_t at = 0; at < text.size && d->import->text_size < RV_IMPORT_TEXT_MAX;) {
        rv_str rest = rv_str_from(text, at);
        size_t size = add_literal(rest, &out);
        if (size == 0 && (size = reference_size(rest, &name)) > 0) {
            rv_str meaning = meaning_of(d, name);
            bool is_after_dollar = out.size && out.at[out.size - 1] == '$' && rv_str_starts(meaning, RV_STR("${"));
            if (is_after_dollar) add_text(rv_str_cut(rest, 0, size), &out); /* `$${` is no reference */
            else if (rv_str_starts(meaning, RV_STR("{"))) add_text(RV_STR("{"), &out), meaning = rv_str_from(meaning, 1);
            if (!is_after_dollar) rv_buf_str_add(&out, meaning), d->import->text_size += meaning.size;
            has_dollar_before |= is_after_dollar;
        }
        asks_shell |= size == 0 && (rest.at[0] == '`' || rv_str_starts(rest, RV_STR("$(")));
        if (size == 0) add_text(rv_str_cut(rest, 0, 1), &out);
        at += size ? size : 1;
    }
    if (asks_shell)
        rv_import_note(d->import, place, "set it in the scripts that read it", "a value that a command gives is kept as text");
    if (has_dollar_before)
        rv_import_note(d->import, place, "write the value that it is to have",
                       "a variable with a dollar before it, as in `$$NAME`, is kept as text");
    d->import->text_size += out.size;
    rv_str copy = rv_arena_str(&d->import->arena, rv_buf_str(&out));
    rv_buf_deinit(&out);
    return copy;
}

static void add_variable(rv_dagu *d, rv_str name, rv_str value, rv_import_place place, rv_import_pairs *ret)
{
    if (!rv_import_is_variable(name)) {
        rv_import_note(d->import, place, "rename it", "`%.*s` is no name of a variable: left out", RV_FMT(name));
        return;
    }
    rv_import_pair pair = {name, rv_dagu_value(d, value, place)};
    for (uint32_t i = 0; i < ret->count; i++)
        if (rv_str_eq(ret->at[i].name, name)) {
            ret->at[i] = pair;
            return;
        }
    rv_vec_push(ret, pair);
}

void rv_dagu_env(rv_dagu *d, uint32_t value, rv_import_pairs *ret)
{
    if (value == RV_NONE || rv_doc_is_scalar(&d->doc, value)) return;
    bool is_list = rv_doc_kind_of(&d->doc, value) == RV_DOC_LIST;
    uint32_t end = rv_doc_next(&d->doc, value);
    for (uint32_t at = value + 1; at < end;) {
        rv_import_place place = rv_dagu_place(d, at);
        if (rv_doc_kind_of(&d->doc, at) == RV_DOC_MAP) { /* an item of a list; its pairs come next */
            at++;
            continue;
        }
        rv_str text = rv_dagu_text(d, at);
        size_t equals = rv_str_find(text, 0, '=');
        bool is_pair = at + 1 < end && !(is_list && equals != SIZE_MAX && rv_doc_kind_of(&d->doc, at) == RV_DOC_STRING);
        if (is_list && equals != SIZE_MAX) {
            add_variable(d, rv_str_cut(text, 0, equals), rv_str_from(text, equals + 1), place, ret);
            at = rv_doc_next(&d->doc, at);
        } else if (is_pair && rv_doc_is_scalar(&d->doc, at)) {
            add_variable(d, text, rv_dagu_text(d, at + 1), place, ret);
            at = rv_doc_next(&d->doc, at + 1);
        } else {
            at = rv_doc_next(&d->doc, at);
        }
    }
}

/* ---- conditions ---- */

rv_str rv_dagu_condition(rv_dagu *d, uint32_t value)
{
    rv_arena *arena = &d->import->arena;
    bool is_map = rv_doc_kind_of(&d->doc, value) == RV_DOC_MAP;
    uint32_t at = is_map ? rv_dagu_get(d, value, "condition") : value, expected = is_map ? rv_dagu_get(d, value, "expected") : RV_NONE;
    uint32_t negate = is_map ? rv_dagu_get(d, value, "negate") : RV_NONE;
    if (at == RV_NONE && is_map) at = rv_dagu_get(d, value, "command");
    if (at == RV_NONE || !rv_doc_is_scalar(&d->doc, at) || rv_dagu_text(d, at).size == 0) {
        rv_import_note(d->import, rv_dagu_place(d, value), "write `when`", "a condition of a form that is not known is left out");
        return RV_STR("");
    }
    rv_str text = rv_dagu_text(d, at);
    const char *not = negate != RV_NONE && rv_doc_kind_of(&d->doc, negate) == RV_DOC_TRUE ? "! " : "";
    if (expected == RV_NONE) return rv_arena_printf(arena, "%s(\n%.*s\n)", not, RV_FMT(text));
    rv_str wanted = rv_dagu_text(d, expected);
    bool is_regex = rv_str_starts(wanted, RV_STR("re:"));
    rv_buf quoted = {0};
    rv_import_shell_word(&quoted, is_regex ? rv_str_from(wanted, 3) : wanted);
    rv_buf escaped = {0}; /* within double quotes variables and commands are replaced, as by Dagu */
    for (size_t i = 0; i < text.size; i++) {
        if (text.at[i] == '"' || (text.at[i] == '\\' && i + 1 < text.size && text.at[i + 1] == '"')) rv_buf_byte(&escaped, '\\');
        rv_buf_byte(&escaped, text.at[i]);
    }
    rv_str script = is_regex ? rv_arena_printf(arena, "%sprintf '%%s\\n' \"%.*s\" | grep -Eq -e %.*s", not, RV_FMT(rv_buf_str(&escaped)),
                                               RV_FMT(rv_buf_str(&quoted)))
                             : rv_arena_printf(arena, "%s[ \"%.*s\" = %.*s ]", not, RV_FMT(rv_buf_str(&escaped)),
                                               RV_FMT(rv_buf_str(&quoted)));
    rv_buf_deinit(&quoted);
    rv_buf_deinit(&escaped);
    return script;
}

/* ---- commands ---- */

static rv_str shell_of(rv_dagu *d, uint32_t map, rv_str *ret_flags)
{
    uint32_t value = rv_dagu_get(d, map, "shell");
    *ret_flags = d->set_flags;
    if (value == RV_NONE) return d->shell_name;
    rv_buf words = {0};
    if (rv_doc_is_scalar(&d->doc, value)) rv_buf_str_add(&words, rv_dagu_text(d, value));
    for (uint32_t at = value + 1; rv_doc_kind_of(&d->doc, value) == RV_DOC_LIST && at < rv_doc_next(&d->doc, value); at++)
        rv_buf_printf(&words, "%s%.*s", words.size ? " " : "", RV_FMT(rv_dagu_text(d, at)));
    rv_str text = rv_arena_str(&d->import->arena, rv_buf_str(&words));
    rv_buf_deinit(&words);
    size_t space = rv_str_find(text, 0, ' ');
    rv_str name = rv_str_cut(text, 0, space == SIZE_MAX ? text.size : space);
    *ret_flags = space == SIZE_MAX ? RV_STR("") : rv_str_from(text, space + 1);
    size_t slash = name.size;
    while (slash > 0 && name.at[slash - 1] != '/') slash--;
    name = rv_str_from(name, slash);
    return rv_str_is(name, "sh") || name.size > 200 ? RV_STR("") : name;
}

static bool is_shell(rv_str command)
{
    static const char *const names[] = {"sh", "bash", "dash", "zsh", "ksh", "/bin/sh", "/bin/bash", "/usr/bin/bash", "/bin/zsh"};
    for (size_t i = 0; i < RV_COUNT(names); i++)
        if (rv_str_is(command, names[i])) return true;
    return command.size == 0;
}

/* The command, or several, one after the other while they succeed. */
static rv_str command_text(rv_dagu *d, uint32_t value)
{
    if (rv_doc_is_scalar(&d->doc, value)) return rv_dagu_text(d, value);
    if (rv_doc_kind_of(&d->doc, value) != RV_DOC_LIST) return RV_STR("");
    rv_buf all = {0};
    uint32_t count = 0, end = rv_doc_next(&d->doc, value);
    bool has_blank = false;
    for (uint32_t at = value + 1; at < end; at = rv_doc_next(&d->doc, at)) has_blank |= rv_str_find(rv_dagu_text(d, at), 0,
                                                                                                    ' ') != SIZE_MAX;
    for (uint32_t at = value + 1; at < end; at = rv_doc_next(&d->doc, at), count++) {
        if (has_blank) rv_buf_printf(&all, "%s(\n%.*s\n)", count ? " || exit\n" : "", RV_FMT(rv_dagu_text(d, at)));
        else {
            if (count) rv_buf_byte(&all, ' ');
            rv_import_shell_word(&all, rv_dagu_text(d, at));
        }
    }
    rv_import_note(d->import, rv_dagu_place(d, value), "see which of the two it was",
                   has_blank ? "a list of commands: taken as one after the other"
                       : "a list of words: taken as one command with its arguments");
    rv_str text = rv_arena_str(&d->import->arena, rv_buf_str(&all));
    rv_buf_deinit(&all);
    return text;
}

static rv_str with_arguments(rv_dagu *d, uint32_t map, rv_str command)
{
    uint32_t args = rv_dagu_get(d, map, "args");
    if (args == RV_NONE || command.size == 0) return command;
    if (rv_doc_is_scalar(&d->doc, args)) return rv_arena_printf(&d->import->arena, "%.*s %.*s", RV_FMT(command),
                                                                RV_FMT(rv_dagu_text(d, args)));
    rv_buf all = {0};
    rv_buf_str_add(&all, command);
    for (uint32_t at = args + 1; at < rv_doc_next(&d->doc, args); at = rv_doc_next(&d->doc, at)) {
        rv_buf_byte(&all, ' ');
        rv_import_shell_word(&all, rv_dagu_text(d, at));
    }
    rv_str text = rv_arena_str(&d->import->arena, rv_buf_str(&all));
    rv_buf_deinit(&all);
    return text;
}

/* A step of a kind that a shell cannot do: a node that says so, and fails. */
static rv_str placeholder(rv_dagu *d, uint32_t value, rv_str name, const char *what)
{
    rv_import_note(d->import, rv_dagu_place(d, value), "write a command in its place",
                   "the step `%.*s` %s, which is not carried over: its node fails",
                   RV_FMT(name), what);
    rv_buf quoted = {0}, text = {0};
    rv_buf_printf(&text, "step %.*s %s: write a command in its place", RV_FMT(name), what);
    rv_import_shell_word(&quoted, rv_buf_str(&text));
    rv_str script = rv_arena_printf(&d->import->arena, "echo %.*s >&2\nexit 1", RV_FMT(rv_buf_str(&quoted)));
    rv_buf_deinit(&quoted);
    rv_buf_deinit(&text);
    return script;
}

static rv_str other_kind(rv_dagu *d, uint32_t map, rv_str name)
{
    static const struct { const char *key, *what; } rows[] = {
        {"executor", "has an executor"}, {"type", "has a type"}, {"action", "calls an action"}, {"call", "calls another workflow"},
        {"parallel", "runs for each item of a list"}, {"container", "runs in a container"}, {"llm", "asks a model"}, {"agent",
                                                                                                                      "is an agent"},
        {"approval", "asks for an approval"}, {"routes", "is a router"},
    };
    for (size_t i = 0; i < RV_COUNT(rows); i++) {
        uint32_t value = rv_dagu_get(d, map, rows[i].key);
        if (value == RV_NONE) continue;
        rv_str word = rv_dagu_text(d, value);
        if (rv_str_is(word, "shell") || rv_str_is(word, "command")) continue;
        return placeholder(d, value, name, rows[i].what);
    }
    return RV_STR("");
}

static rv_str script_of(rv_dagu *d, uint32_t map, rv_str name, rv_str *ret_shell)
{
    rv_str other = other_kind(d, map, name), flags;
    if (other.size) return other;
    uint32_t command_at = rv_dagu_get(d, map, "command"), script_at = rv_dagu_get(d, map, "script");
    if (command_at == RV_NONE) command_at = rv_dagu_get(d, map, "run");
    if (command_at == RV_NONE) command_at = rv_dagu_get(d, map, "exec");
    if (command_at == RV_NONE && script_at == RV_NONE) return placeholder(d, map, name, "has no command");
    rv_str command = command_at == RV_NONE ? RV_STR("") : with_arguments(d, map, command_text(d, command_at)), text = command;
    *ret_shell = shell_of(d, map, &flags);
    if (script_at != RV_NONE && is_shell(command)) {
        text = rv_dagu_text(d, script_at);
        size_t slash = command.size;
        while (slash > 0 && command.at[slash - 1] != '/') slash--;
        if (command.size) *ret_shell = rv_str_is(rv_str_from(command, slash), "sh") ? RV_STR("") : rv_str_from(command, slash);
    } else if (script_at != RV_NONE) {
        text = rv_arena_printf(&d->import->arena, "%.*s <<'END_OF_SCRIPT'\n%.*s\nEND_OF_SCRIPT", RV_FMT(command),
                               RV_FMT(rv_dagu_text(d, script_at)));
    }
    if (flags.size && flags.at[0] == '-') text = rv_arena_printf(&d->import->arena, "set %.*s\n%.*s", RV_FMT(flags), RV_FMT(text));
    return text.size ? text : RV_STR(":");
}

/* Redirections, positional parameters, and what is in front of the script. */
static rv_str prepared(rv_dagu *d, uint32_t map, rv_str script)
{
    rv_buf out = {0};
    bool has_number = false;
    for (size_t i = 0; i + 1 < script.size; i++)
        has_number |= script.at[i] == '$' && (strchr("123456789@*", script.at[i + 1]) || (script.at[i + 1] == '{' && i + 2 < script.size &&
                                                                                       strchr("123456789", script.at[i + 2])));
    if (has_number && d->params.count) {
        rv_buf_cstring(&out, "set --");
        for (uint32_t i = 0; i < d->params.count; i++)
            rv_buf_printf(&out, " \"$%s%.*s\"", d->params.at[i].at[0] <= '9' ? "p" : "", RV_FMT(d->params.at[i]));
        rv_buf_byte(&out, '\n');
    }
    static const char *const streams[][2] = {{"stdout", "exec >"}, {"stderr", "exec 2>"}};
    for (size_t i = 0; i < RV_COUNT(streams); i++) {
        uint32_t value = rv_dagu_get(d, map, streams[i][0]);
        if (value != RV_NONE && rv_dagu_text(d, value).size)
            rv_buf_printf(&out, "%s\"%.*s\"\n", streams[i][1], RV_FMT(rv_dagu_text(d, value)));
    }
    rv_buf_str_add(&out, script);
    rv_str text = rv_arena_str(&d->import->arena, rv_buf_str(&out));
    rv_buf_deinit(&out);
    return text;
}

/* ---- time and retries ---- */

static int64_t number_of(const rv_dagu *d, uint32_t value, int64_t otherwise)
{
    int64_t number = 0;
    rv_str text = value == RV_NONE ? (rv_str){0} : rv_dagu_text(d, value);
    for (size_t i = 0; i < text.size; i++) {
        if (text.at[i] < '0' || text.at[i] > '9' || number > 10000000) return otherwise;
        number = number * 10 + (text.at[i] - '0');
    }
    return text.size ? number : otherwise;
}

static void retries(rv_dagu *d, uint32_t map, rv_import_node *node)
{
    uint32_t policy = rv_dagu_get(d, map, "retry_policy"), codes, backoff;
    if (policy == RV_NONE || rv_doc_kind_of(&d->doc, policy) != RV_DOC_MAP) return;
    rv_buf out = {0};
    int64_t interval = number_of(d, rv_dagu_get(d, policy, "interval_sec"),
                                 0), most = number_of(d, rv_dagu_get(d, policy, "max_interval_sec"), 0);
    int64_t limit = number_of(d, rv_dagu_get(d, policy, "limit"), 0);
    rv_buf_printf(&out, "{max_attempts: %lld", (long long)limit + 1);
    if (interval) rv_buf_printf(&out, ", delay: %llds", (long long)RV_MIN(interval, 86400));
    backoff = rv_dagu_get(d, policy, "backoff");
    if (backoff != RV_NONE && rv_doc_kind_of(&d->doc, backoff) != RV_DOC_FALSE) rv_buf_cstring(&out, ", backoff: exponential");
    if (most) rv_buf_printf(&out, ", delay_max: %llds", (long long)RV_MIN(most, 86400));
    codes = rv_dagu_get(d, policy, "exit_code");
    if (codes != RV_NONE && rv_doc_kind_of(&d->doc, codes) == RV_DOC_LIST && rv_doc_size(&d->doc, codes) > 0) {
        bool is_first = true;
        rv_buf_cstring(&out, ", on: [");
        for (uint32_t at = codes + 1; at < rv_doc_next(&d->doc, codes); at = rv_doc_next(&d->doc, at)) {
            int64_t code = number_of(d, at, 0);
            if (code < 1 || code > 255) continue;
            rv_buf_printf(&out, "%s%lld", is_first ? "" : ", ", (long long)code);
            is_first = false;
        }
        rv_buf_byte(&out, ']');
    }
    rv_buf_byte(&out, '}');
    rv_vec_push(&node->more, ((rv_import_pair){RV_STR("retry"), rv_arena_str(&d->import->arena, rv_buf_str(&out))}));
    rv_buf_deinit(&out);
}

/* What may fail without harm: a mark of success, or exit statuses that count as one. */
static rv_str forgiving(rv_dagu *d, uint32_t map, rv_str script)
{
    uint32_t go_on = rv_dagu_get(d, map, "continue_on"), codes = RV_NONE, mark = RV_NONE;
    if (go_on == RV_NONE || rv_doc_kind_of(&d->doc, go_on) != RV_DOC_MAP) return script;
    codes = rv_dagu_get(d, go_on, "exit_code");
    mark = rv_dagu_get(d, go_on, "mark_success");
    if (rv_dagu_get(d, go_on, "output") != RV_NONE)
        rv_import_note(d->import, rv_dagu_place(d, go_on), "look for it in the script", "continue_on.output is not carried over");
    bool is_marked = mark != RV_NONE && rv_doc_kind_of(&d->doc, mark) == RV_DOC_TRUE;
    if (codes == RV_NONE) return is_marked ? rv_arena_printf(&d->import->arena, "(\n%.*s\n) || :", RV_FMT(script)) : script;
    rv_buf out = {0};
    rv_buf_printf(&out, "(\n%.*s\n) || { status=$?; case $status in ", RV_FMT(script));
    bool is_list = rv_doc_kind_of(&d->doc, codes) == RV_DOC_LIST, is_first = true;
    for (uint32_t at = is_list ? codes + 1 : codes; at < rv_doc_next(&d->doc, codes); at = rv_doc_next(&d->doc, at)) {
        rv_buf_printf(&out, "%s%lld", is_first ? "" : "|", (long long)number_of(d, at, 0));
        is_first = false;
    }
    rv_buf_printf(&out, "%s) ;; *) exit $status ;; esac; }", is_first ? "0" : "");
    if (!is_marked)
        rv_import_note(d->import, rv_dagu_place(d, codes), "", "a step that ends with a status of continue_on.exit_code counts as done");
    rv_str text = rv_arena_str(&d->import->arena, rv_buf_str(&out));
    rv_buf_deinit(&out);
    return text;
}

/* ${step.output.x} and the like: a shell would refuse them. */
static void refuse_references(rv_dagu *d, uint32_t map, rv_str script)
{
    for (size_t i = 0; i + 2 < script.size; i++) {
        if (script.at[i] != '$' || script.at[i + 1] != '{') continue;
        size_t end = i + 2;
        while (end < script.size && (is_word_byte(script.at[end]) || script.at[end] == '-')) end++;
        if (end > i + 2 && end < script.size && script.at[end] == '.')
            rv_import_note(d->import, rv_dagu_place(d, map), "hand it over in `env`: {X: \"${node.field}\"}, and read $X",
                           "`%.*s…}` in the script is Dagu's, and no shell's", RV_FMT(rv_str_cut(script, i, end - i)));
    }
}

void rv_dagu_step_node(rv_dagu *d, uint32_t map, rv_str name, rv_import_node *node)
{
    static const char *const known[] = {
        "name", "id", "description", "command", "run", "exec", "script", "args", "shell", "depends", "env", "output", "dir", "working_dir",
        "timeout_sec", "retry_policy", "continue_on", "preconditions", "precondition", "stdout", "stderr", "executor", "type", "action",
        "call",
        "parallel", "container", "llm", "agent", "approval", "routes", "params", "with", "config", NULL};
    uint32_t dir = rv_dagu_get(d, map, "working_dir"), description = rv_dagu_get(d, map, "description");
    if (dir == RV_NONE) dir = rv_dagu_get(d, map, "dir");
    rv_str script = script_of(d, map, name, &node->shell_name);
    refuse_references(d, map, script);
    node->shell = forgiving(d, map, prepared(d, map, script));
    if (description != RV_NONE) node->note = rv_dagu_text(d, description);
    if (dir != RV_NONE) node->raw_dir = rv_dagu_value(d, rv_dagu_text(d, dir), rv_dagu_place(d, dir));
    rv_dagu_env(d, rv_dagu_get(d, map, "env"), &node->raw_env);
    int64_t timeout = number_of(d, rv_dagu_get(d, map, "timeout_sec"), 0);
    if (timeout > 0)
        rv_vec_push(&node->more, ((rv_import_pair){RV_STR("timeout"), rv_arena_printf(&d->import->arena, "%llds", (long long)timeout)}));
    retries(d, map, node);
    rv_dagu_unknown(d, map, known, "of a step");
}
