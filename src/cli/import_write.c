/* import_write.c: what was read of another program's file, as a workflow in YAML; names, notes and words that the readers share. */
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "cli/import.h"
#include "spec/doc.h"

#define FLOW_COLUMNS_MAX 110u /* a list that would be longer stands in lines of its own */

void rv_import_deinit(rv_import *import)
{
    for (uint32_t i = 0; i < import->nodes.count; i++) {
        rv_import_node *node = &import->nodes.at[i];
        rv_vec_deinit(&node->run);
        rv_vec_deinit(&node->needs);
        rv_vec_deinit(&node->after);
        rv_vec_deinit(&node->inputs);
        rv_vec_deinit(&node->outputs);
        rv_vec_deinit(&node->env_host);
        rv_vec_deinit(&node->env);
        rv_vec_deinit(&node->raw_env);
        rv_vec_deinit(&node->more);
    }
    rv_vec_deinit(&import->nodes);
    rv_vec_deinit(&import->env);
    rv_vec_deinit(&import->raw_env);
    rv_vec_deinit(&import->more);
    rv_map_deinit(&import->ids);
    rv_arena_deinit(&import->arena);
}

/* ---- what is said ---- */

static void say(rv_import *import, rv_import_place place, bool is_warning, const char *cure, const char *fmt, va_list args)
{
    rv_buf what = {0};
    rv_buf_vprintf(&what, fmt, args);
    rv_problem problem = {.is_warning = is_warning, .file = place.file.size ? place.file : import->file, .line = place.line,
                          .column = place.column, .part = place.part, .what = rv_buf_str(&what), .cure = rv_str_of(cure)};
    /* the same once: a text may be expanded many times at one place */
    uint32_t count = import->problems->list.count;
    for (uint32_t back = 1; back <= 16 && back <= count; back++) {
        const rv_problem *other = &import->problems->list.at[count - back];
        if (other->line == problem.line && other->part == problem.part && rv_str_eq(other->what, problem.what)) {
            rv_buf_deinit(&what);
            return;
        }
    }
    rv_problem_add(import->problems, &problem);
    rv_buf_deinit(&what);
}

void rv_import_note(rv_import *import, rv_import_place place, const char *cure, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    say(import, place, true, cure, fmt, args);
    va_end(args);
}

void rv_import_fail(rv_import *import, rv_import_place place, const char *cure, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    say(import, place, false, cure, fmt, args);
    va_end(args);
}

/* ---- names ---- */

bool rv_import_wants(const rv_import *import, rv_str name)
{
    for (uint32_t i = 0; i < import->wanted_count; i++)
        if (rv_str_is(name, import->wanted[i])) return true;
    return import->wanted_count == 0;
}

static bool is_word_byte(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; }

rv_str rv_import_id(rv_import *import, rv_str name)
{
    rv_buf text = {0};
    for (size_t i = 0; i < name.size && text.size < 56; i++) {
        char c = name.at[i];
        if (text.size == 0 && !(is_word_byte(c) && c != '_')) continue;
        if (is_word_byte(c) || c == '-') rv_buf_byte(&text, c);
        else if (text.at[text.size - 1] != '_') rv_buf_byte(&text, '_');
    }
    while (text.size > 0 && text.at[text.size - 1] == '_') text.size--;
    if (text.size == 0) rv_buf_cstring(&text, "node");
    size_t base = text.size;
    for (uint32_t number = 2;; number++) {
        rv_str id = rv_arena_str(&import->arena, rv_buf_str(&text));
        if (rv_map_add(&import->ids, id, import->ids.count) == RV_NONE) {
            rv_buf_deinit(&text);
            return id;
        }
        text.size = base;
        rv_buf_printf(&text, "_%u", number);
    }
}

rv_import_node *rv_import_add(rv_import *import, rv_str id)
{
    rv_import_node *node = rv_vec_add(&import->nodes);
    node->id = id;
    return node;
}

uint32_t rv_import_cycle(const rv_import *import)
{
    uint32_t count = import->nodes.count, edges = 0, taken = 0, found = RV_NONE;
    rv_map index = {0};
    RV_VEC(uint32_t) ready = {0};
    for (uint32_t i = 0; i < count; i++) {
        rv_map_add(&index, import->nodes.at[i].id, i);
        edges += import->nodes.at[i].needs.count + import->nodes.at[i].after.count;
    }
    uint32_t *waits = rv_alloc(sizeof *waits * (count + 1)), *begin = rv_alloc(sizeof *begin * (count + 2));
    uint32_t *to = rv_alloc(sizeof *to * (edges + 1u));
    for (int pass = 0; pass < 2; pass++) { /* successors: counted, then placed */
        for (uint32_t i = 0; i < count; i++) {
            const rv_import_node *node = &import->nodes.at[i];
            for (uint32_t k = 0; k < node->needs.count + node->after.count; k++) {
                uint32_t from = rv_map_get(&index, k < node->needs.count ? node->needs.at[k] : node->after.at[k - node->needs.count]);
                if (from == RV_NONE) continue;
                if (pass == 0) begin[from + 2]++, waits[i]++;
                else to[begin[from + 1]++] = i;
            }
        }
        for (uint32_t i = 2; pass == 0 && i <= count; i++) begin[i] += begin[i - 1];
    }
    for (uint32_t i = 0; i < count; i++)
        if (waits[i] == 0) rv_vec_push(&ready, i);
    for (; taken < ready.count; taken++)
        for (uint32_t k = begin[ready.at[taken]]; k < begin[ready.at[taken] + 1]; k++)
            if (--waits[to[k]] == 0) rv_vec_push(&ready, to[k]);
    for (uint32_t i = 0; i < count && found == RV_NONE; i++)
        if (waits[i] > 0) found = i;
    rv_free(waits);
    rv_free(begin);
    rv_free(to);
    rv_vec_deinit(&ready);
    rv_map_deinit(&index);
    return found;
}

/* ---- words of sh ---- */

void rv_import_shell_word(rv_buf *out, rv_str word)
{
    bool is_plain = word.size > 0;
    for (size_t i = 0; i < word.size && is_plain; i++)
        is_plain = is_word_byte(word.at[i]) || strchr("@%+=:,./-", word.at[i]) != NULL;
    if (is_plain) {
        rv_buf_str_add(out, word);
        return;
    }
    rv_buf_byte(out, '\'');
    for (size_t i = 0; i < word.size; i++)
        if (word.at[i] == '\'') rv_buf_cstring(out, "'\\''");
        else rv_buf_byte(out, word.at[i]);
    rv_buf_byte(out, '\'');
}

/* Does the script set `name` itself: NAME=, for NAME, read NAME? */
static bool is_set_in(rv_str script, rv_str name)
{
    for (size_t i = 0; i + name.size <= script.size; i++) {
        if (memcmp(script.at + i, name.at, name.size) != 0) continue;
        bool begins = i == 0 || !(is_word_byte(script.at[i - 1]) || strchr("${", script.at[i - 1]));
        rv_str before = rv_str_cut(script, 0, i);
        size_t after = i + name.size;
        if (!begins || (after < script.size && is_word_byte(script.at[after]))) continue;
        if (after < script.size && script.at[after] == '=') return true;
        if (rv_str_ends(before, RV_STR("for ")) || rv_str_ends(before, RV_STR("read ")) || rv_str_ends(before, RV_STR("read -r ")))
            return true;
    }
    return false;
}

bool rv_import_is_variable(rv_str name)
{
    bool is_good = name.size > 0 && name.size <= 200 && !(name.at[0] >= '0' && name.at[0] <= '9');
    for (size_t i = 0; i < name.size && is_good; i++) is_good = is_word_byte(name.at[i]);
    return is_good;
}

void rv_import_variables(rv_import *import, rv_str script, rv_import_strs *ret)
{
    static const char *const given[] = {"PATH", "HOME", "LANG", "TMPDIR", "PWD", "OLDPWD", "IFS", "PPID", "OPTARG", "OPTIND"};
    for (size_t at = 0; at + 1 < script.size && ret->count < 64; at++) {
        if (script.at[at] != '$') continue;
        if (script.at[at + 1] == '$') {
            at++;
            continue;
        }
        size_t begin = at + 1 + (script.at[at + 1] == '{'), end = begin;
        while (end < script.size && is_word_byte(script.at[end])) end++;
        rv_str name = rv_str_cut(script, begin, end - begin);
        bool is_known = !rv_import_is_variable(name) || is_set_in(script, name);
        for (size_t i = 0; i < RV_COUNT(given) && !is_known; i++) is_known = rv_str_is(name, given[i]);
        for (uint32_t i = 0; i < ret->count && !is_known; i++) is_known = rv_str_eq(ret->at[i], name);
        if (!is_known) rv_vec_push(ret, rv_arena_str(&import->arena, name));
    }
}

/* ---- YAML ---- */

/* A character that a quoted or literal scalar of YAML shows as it is: printable, and no line break of another kind. */
static bool is_printable(uint32_t c)
{
    return c == '\t' || (c >= 0x20 && c < 0x7f) || (c >= 0xa0 && c != 0x2028 && c != 0x2029 && c != 0xfeff && c < 0xfffe) || c >= 0x10000;
}

/* The character at text[*at], moved past; texts are valid UTF-8. */
static uint32_t character(rv_str text, size_t *at)
{
    unsigned char first = (unsigned char)text.at[(*at)++];
    uint32_t more = first < 0xc0 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
    uint32_t value = more == 0 ? first : first & (0x3fu >> more);
    for (; more > 0 && *at < text.size; more--) value = value << 6 | ((unsigned char)text.at[(*at)++] & 0x3f);
    return value;
}

static void quote(rv_buf *out, rv_str text)
{
    rv_buf_byte(out, '"');
    for (size_t at = 0; at < text.size;) {
        size_t begin = at;
        uint32_t c = character(text, &at);
        if (c == '"' || c == '\\') rv_buf_printf(out, "\\%c", (char)c);
        else if (c == '\n') rv_buf_cstring(out, "\\n");
        else if (c == '\t') rv_buf_cstring(out, "\\t");
        else if (!is_printable(c) && c < 0x10000) rv_buf_printf(out, "\\u%04x", c);
        else rv_buf_str_add(out, rv_str_cut(text, begin, at - begin));
    }
    rv_buf_byte(out, '"');
}

/* May it stand plain, also within [ ] and { }? */
static bool is_plain(rv_str text)
{
    if (text.size == 0 || text.size > 200 || text.at[0] == ' ' || text.at[text.size - 1] == ' ') return false;
    if (strchr("-?:,[]{}#&*!|>'\"%@`=~<", text.at[0]) || rv_str_is(text, "null") || rv_str_is(text, "Null")) return false;
    for (size_t i = 0; i < text.size; i++) {
        char c = text.at[i];
        if ((unsigned char)c < 0x20 || (unsigned char)c >= 0x7f || strchr(",[]{}#\"\\", c)) return false;
        if (c == ':' && (i + 1 == text.size || text.at[i + 1] == ' ')) return false;
    }
    return text.at[text.size - 1] != ':';
}

void rv_import_yaml_word(rv_buf *out, rv_str text)
{
    if (is_plain(text)) rv_buf_str_add(out, text);
    else quote(out, text);
}

static bool fits_literal(rv_str text)
{
    if (text.size == 0 || text.at[text.size - 1] == '\n') return false;
    for (size_t at = 0; at < text.size;) {
        uint32_t c = character(text, &at);
        if (c != '\n' && !is_printable(c)) return false;
    }
    return true;
}

/* A script: in lines of its own, as it is, where YAML can show it so. */
static void write_script(rv_buf *out, const char *indent, const char *key, rv_str text)
{
    rv_buf named = {0};
    rv_buf_printf(out, "%s%s: ", indent, key);
    if (rv_str_starts(text, RV_STR("file://"))) { /* a script, and not the name of one */
        rv_buf_printf(&named, ":\n%.*s", RV_FMT(text));
        text = rv_buf_str(&named);
    }
    while (text.size > 0 && text.at[text.size - 1] == '\n') text.size--;
    bool is_short = text.size < 100 && rv_str_find(text, 0, '\n') == SIZE_MAX;
    if (!fits_literal(text) || (is_short && is_plain(text))) {
        rv_import_yaml_word(out, text);
        rv_buf_byte(out, '\n');
        rv_buf_deinit(&named);
        return;
    }
    bool begins_with_blank = text.at[0] == ' ' || text.at[0] == '\t' || text.at[0] == '\n';
    rv_buf_printf(out, "|%s-\n", begins_with_blank ? "2" : "");
    while (text.size > 0) {
        size_t end = rv_str_find(text, 0, '\n');
        rv_str line = rv_str_cut(text, 0, end == SIZE_MAX ? text.size : end);
        if (line.size > 0) rv_buf_printf(out, "%s  ", indent);
        rv_buf_str_add(out, line);
        rv_buf_byte(out, '\n');
        text = end == SIZE_MAX ? (rv_str){0} : rv_str_from(text, end + 1);
    }
    rv_buf_deinit(&named);
}

static void write_list(rv_buf *out, const char *indent, const char *key, const rv_import_strs *list)
{
    if (list->count == 0) return;
    rv_buf_printf(out, "%s%s: ", indent, key);
    size_t begin = out->size;
    rv_buf_byte(out, '[');
    for (uint32_t i = 0; i < list->count && out->size - begin < FLOW_COLUMNS_MAX; i++) {
        if (i) rv_buf_cstring(out, ", ");
        rv_import_yaml_word(out, list->at[i]);
    }
    rv_buf_cstring(out, "]\n");
    if (out->size - begin <= FLOW_COLUMNS_MAX) return;
    out->size = begin - 1;
    rv_buf_byte(out, '\n');
    for (uint32_t i = 0; i < list->count; i++) {
        rv_buf_printf(out, "%s  - ", indent);
        rv_import_yaml_word(out, list->at[i]);
        rv_buf_byte(out, '\n');
    }
}

void rv_import_text(rv_buf *out, rv_str text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.at[i] == '$' && i + 1 < text.size && text.at[i + 1] == '{') rv_buf_byte(out, '$');
        rv_buf_byte(out, text.at[i]);
    }
}

static void write_value(rv_buf *out, rv_str text, bool has_references)
{
    rv_buf escaped = {0};
    if (has_references) rv_buf_str_add(&escaped, text);
    else rv_import_text(&escaped, text);
    rv_import_yaml_word(out, rv_buf_str(&escaped));
    rv_buf_deinit(&escaped);
}

static void write_env(rv_buf *out, const char *indent, const rv_import_pairs *plain, const rv_import_pairs *raw)
{
    if (plain->count + raw->count == 0) return;
    rv_map last = {0}; /* where a name is set twice the later one counts */
    uint32_t count = raw->count + plain->count;
    for (uint32_t i = count; i > 0; i--) rv_map_add(&last, i > raw->count ? plain->at[i - 1 - raw->count].name : raw->at[i - 1].name, i);
    rv_buf_printf(out, "%senv:\n", indent);
    for (uint32_t i = 0; i < count; i++) {
        const rv_import_pair *pair = i < raw->count ? &raw->at[i] : &plain->at[i - raw->count];
        if (rv_map_get(&last, pair->name) != i + 1) continue;
        rv_buf_printf(out, "%s  %.*s: ", indent, RV_FMT(pair->name));
        write_value(out, pair->value, i < raw->count);
        rv_buf_byte(out, '\n');
    }
    rv_map_deinit(&last);
}

static void write_comment(rv_buf *out, const char *indent, rv_str text)
{
    if (text.size == 0) return;
    rv_buf_printf(out, "%s# ", indent);
    for (size_t at = 0; at < text.size;) {
        size_t begin = at;
        if (is_printable(character(text, &at))) rv_buf_str_add(out, rv_str_cut(text, begin, at - begin));
        else rv_buf_byte(out, ' ');
    }
    rv_buf_byte(out, '\n');
}

static void write_node(rv_buf *out, const char *indent, const rv_import_node *node)
{
    char inner[16];
    snprintf(inner, sizeof inner, "%s  ", indent);
    write_comment(out, indent, node->note);
    rv_buf_printf(out, "%s%.*s:\n", indent, node->handler ? (int)strlen(node->handler) : (int)node->id.size,
                  node->handler ? node->handler : node->id.at);
    if (node->run.count) write_list(out, inner, "run", &node->run);
    else if (node->shell.size) write_script(out, inner, "shell", node->shell);
    else rv_buf_printf(out, "%sset: {done: \"true\"}\n", inner);
    if (node->shell_name.size) {
        rv_buf_printf(out, "%sshell_name: ", inner);
        rv_import_yaml_word(out, node->shell_name);
        rv_buf_byte(out, '\n');
    }
    if (node->dir.size + node->raw_dir.size) {
        rv_buf_printf(out, "%sdir: ", inner);
        write_value(out, node->raw_dir.size ? node->raw_dir : node->dir, node->raw_dir.size > 0);
        rv_buf_byte(out, '\n');
    }
    write_list(out, inner, "needs", &node->needs);
    write_list(out, inner, "after", &node->after);
    write_list(out, inner, "inputs", &node->inputs);
    write_list(out, inner, "outputs", &node->outputs);
    write_env(out, inner, &node->env, &node->raw_env);
    write_list(out, inner, "env_host", &node->env_host);
    for (uint32_t i = 0; i < node->more.count; i++)
        rv_buf_printf(out, "%s%.*s: %.*s\n", inner, RV_FMT(node->more.at[i].name), RV_FMT(node->more.at[i].value));
    if (node->is_cached) rv_buf_printf(out, node->is_by_files ? "%scache: {deps: files}\n" : "%scache: true\n", inner);
}

static void write_name(rv_buf *out, const char *key, rv_str name)
{
    if (name.size == 0) return;
    rv_buf_printf(out, "%s: ", key);
    rv_import_yaml_word(out, name);
    rv_buf_byte(out, '\n');
}

void rv_import_write(const rv_import *import, rv_buf *out)
{
    bool has_handlers = false;
    size_t slash = import->file.size;
    while (slash > 0 && import->file.at[slash - 1] != '/') slash--;
    rv_buf comment = {0};
    rv_buf_printf(&comment, "Made from %.*s by `reeve import`; yours from here on.", RV_FMT(rv_str_from(import->file, slash)));
    write_comment(out, "", rv_buf_str(&comment));
    rv_buf_deinit(&comment);
    rv_buf_cstring(out, "reeve: 1\n");
    write_name(out, "name", import->name);
    write_name(out, "default", import->default_node);
    for (uint32_t i = 0; i < import->more.count; i++)
        rv_buf_printf(out, "%.*s: %.*s\n", RV_FMT(import->more.at[i].name), RV_FMT(import->more.at[i].value));
    write_env(out, "", &import->env, &import->raw_env);
    rv_buf_cstring(out, "nodes:\n");
    for (uint32_t i = 0; i < import->nodes.count; i++) {
        if (import->nodes.at[i].handler) has_handlers = true;
        else write_node(out, "  ", &import->nodes.at[i]);
    }
    if (!has_handlers) return;
    rv_buf_cstring(out, "on:\n");
    for (uint32_t i = 0; i < import->nodes.count; i++)
        if (import->nodes.at[i].handler) write_node(out, "  ", &import->nodes.at[i]);
}
