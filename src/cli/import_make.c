/* import_make.c: the lines of a Makefile: variables, conditionals, includes; what is left are rules and recipes. */
#include <string.h>

#include "cli/import_make.h"
#include "base/util.h"

typedef struct reader {
    rv_make *make;
    rv_str rest;          /* lines that are still to come */
    rv_import_place place; /* of the line that was taken */
    uint32_t next_line;
    uint32_t condition_base; /* conditions that were open before this text */
    rv_buf logical;       /* the line, its continuations joined */
} reader;

/* ---- lines ---- */

static rv_str physical_line(reader *r)
{
    size_t end = rv_str_find(r->rest, 0, '\n');
    rv_str line = rv_str_cut(r->rest, 0, end == SIZE_MAX ? r->rest.size : end);
    r->rest = end == SIZE_MAX ? (rv_str){0} : rv_str_from(r->rest, end + 1);
    r->next_line++;
    if (line.size > 0 && line.at[line.size - 1] == '\r') line.size--;
    return line;
}

static bool goes_on(rv_str line)
{
    size_t count = 0;
    while (count < line.size && line.at[line.size - 1 - count] == '\\') count++;
    return count % 2 == 1;
}

/* The next logical line into r->logical. In a recipe continuations stay as they are, but for the tab of the next line; elsewhere
 * they become one blank. false: the end. */
static bool take_line(reader *r, bool may_be_recipe, bool *ret_is_recipe)
{
    if (r->rest.size == 0) return false;
    r->place.line = r->next_line;
    rv_str line = physical_line(r);
    *ret_is_recipe = may_be_recipe && line.size > 0 && line.at[0] == '\t';
    rv_buf_clear(&r->logical);
    while (goes_on(line) && r->rest.size > 0) {
        if (*ret_is_recipe) {
            rv_buf_str_add(&r->logical, line);
            rv_buf_byte(&r->logical, '\n');
            line = physical_line(r);
            if (line.size > 0 && line.at[0] == '\t') line = rv_str_from(line, 1);
        } else {
            line.size--;
            while (line.size > 0 && strchr(" \t", line.at[line.size - 1])) line.size--;
            rv_buf_str_add(&r->logical, line);
            rv_buf_byte(&r->logical, ' ');
            line = physical_line(r);
            while (line.size > 0 && strchr(" \t", line.at[0])) line = rv_str_from(line, 1);
        }
    }
    rv_buf_str_add(&r->logical, line);
    return true;
}

/* The line without its comment, `\#` being a plain one. In the arena. */
static rv_str without_comment(rv_make *make, rv_str line)
{
    rv_buf out = {0};
    for (size_t at = 0; at < line.size;) {
        size_t hash = rv_make_find_outside(line, at, "#");
        rv_buf_str_add(&out, rv_str_cut(line, at, hash == SIZE_MAX ? line.size - at : hash - at));
        if (hash == SIZE_MAX || hash == at || line.at[hash - 1] != '\\') break;
        out.at[out.size - 1] = '#';
        at = hash + 1;
    }
    rv_str text = rv_arena_str(&make->import->arena, rv_buf_str(&out));
    rv_buf_deinit(&out);
    return text;
}

static bool is_at_word(rv_str line, const char *word, rv_str *ret_rest)
{
    rv_str w = rv_str_of(word);
    if (!rv_str_starts(line, w) || (line.size > w.size && !strchr(" \t(\"'", line.at[w.size]))) return false;
    *ret_rest = rv_make_trim(rv_str_from(line, w.size));
    return true;
}

/* ---- conditionals ---- */

static bool is_read(const rv_make *make)
{
    if (make->conditions.count == 0) return true;
    const rv_make_condition *top = &make->conditions.at[make->conditions.count - 1];
    return top->is_taken && top->is_outer_taken;
}

static bool operands(rv_make *make, rv_str text, rv_str ret[2])
{
    if (text.size >= 2 && text.at[0] == '(' && text.at[text.size - 1] == ')') {
        rv_str inner = rv_str_cut(text, 1, text.size - 2);
        size_t comma = rv_make_find_outside(inner, 0, ",");
        if (comma == SIZE_MAX) return false;
        ret[0] = rv_make_expanded(make, rv_str_cut(inner, 0, comma), true);
        ret[1] = rv_make_expanded(make, rv_str_from(inner, comma + 1), true);
        return true;
    }
    for (int i = 0; i < 2; i++) {
        if (text.size < 2 || !strchr("'\"", text.at[0])) return false;
        size_t end = rv_str_find(text, 1, text.at[0]);
        if (end == SIZE_MAX) return false;
        ret[i] = rv_make_expanded(make, rv_str_cut(text, 1, end - 1), false);
        text = rv_make_trim(rv_str_from(text, end + 1));
    }
    return true;
}

/* Does the condition hold? */
static bool holds(rv_make *make, rv_str line)
{
    rv_str rest, sides[2];
    bool is_not = rv_str_starts(line, RV_STR("ifn"));
    if (is_at_word(line, "ifdef", &rest) || is_at_word(line, "ifndef", &rest)) {
        rv_make_var *var = rv_make_find(make, rv_make_expanded(make, rest, true));
        return (var && var->value.size > 0) != is_not;
    }
    if (!is_at_word(line, "ifeq", &rest) && !is_at_word(line, "ifneq", &rest)) return false;
    if (!operands(make, rest, sides)) {
        rv_import_fail(make->import, make->place, "write ifeq (a,b)", "a condition that is not understood");
        return false;
    }
    if (rv_make_depends_on_shell(sides[0]) || rv_make_depends_on_shell(sides[1])) {
        rv_import_note(make->import, make->place, "import with --shell, which runs the command now, as make does",
                       "this condition depends on what a shell prints; taken as false");
        return false;
    }
    return rv_str_eq(sides[0], sides[1]) != is_not;
}

static bool is_if(rv_str line)
{
    rv_str rest;
    return is_at_word(line, "ifeq", &rest) || is_at_word(line, "ifneq", &rest) || is_at_word(line, "ifdef", &rest) ||
           is_at_word(line, "ifndef", &rest);
}

/* Was the line one of a conditional? */
static bool conditional(reader *r, rv_str line)
{
    rv_make *make = r->make;
    rv_str rest;
    if (is_if(line)) {
        bool is_outer = is_read(make), is_taken = is_outer && holds(make, line);
        rv_vec_push(&make->conditions, ((rv_make_condition){is_taken, is_taken, is_outer, make->place.line}));
        return true;
    }
    bool is_else = is_at_word(line, "else", &rest), is_end = is_at_word(line, "endif", &rest);
    if (!is_else && !is_end) return false;
    if (make->conditions.count == r->condition_base) {
        rv_import_fail(make->import, make->place, "remove it", "%s without a condition before it", is_else ? "else" : "endif");
        return true;
    }
    rv_make_condition *top = &make->conditions.at[make->conditions.count - 1];
    if (is_end) {
        make->conditions.count--;
    } else {
        bool may = !top->was_taken && top->is_outer_taken;
        bool is_taken = may && (!is_if(rest) || holds(make, rest));
        top = &make->conditions.at[make->conditions.count - 1];
        top->is_taken = is_taken;
        top->was_taken |= is_taken;
    }
    return true;
}

/* ---- variables ---- */

/* Is it `NAME op VALUE`? Which op, and where the parts are. */
static bool assignment(rv_str line, rv_str *ret_name, char *ret_op, rv_str *ret_value)
{
    size_t at = rv_make_find_outside(line, 0, "=:");
    if (at == SIZE_MAX || at == 0) return false;
    size_t name_end = at;
    *ret_op = '=';
    if (line.at[at] == ':') {
        while (at < line.size && line.at[at] == ':') at++;
        if (at >= line.size || line.at[at] != '=' || at - name_end > 3) return false;
        *ret_op = ':';
    } else if (strchr("+?!", line.at[at - 1])) {
        *ret_op = line.at[--name_end];
    }
    *ret_name = rv_make_trim(rv_str_cut(line, 0, name_end));
    *ret_value = rv_str_from(line, at + 1);
    while (ret_value->size > 0 && strchr(" \t", ret_value->at[0])) *ret_value = rv_str_from(*ret_value, 1);
    return ret_name->size > 0 && rv_make_find_outside(*ret_name, 0, " \t") == SIZE_MAX;
}

static void export_names(rv_make *make, rv_str names, bool is_exported)
{
    rv_str name, expanded = rv_make_expanded(make, names, true);
    if (expanded.size == 0 && is_exported) make->exports_all = true;
    while (rv_make_word(&expanded, &name)) {
        rv_make_var *var = rv_make_find(make, name);
        if (!var && is_exported) rv_make_define(make, name, ':', RV_STR(""), RV_MAKE_FILE);
        var = rv_make_find(make, name);
        if (var) var->is_exported = is_exported;
        if (!is_exported)
            rv_import_note(make->import, make->place, "write `unset` in the script where it matters",
                           "`unexport %.*s` is not carried over: a node has what `reeve` was started with", RV_FMT(name));
    }
}

/* `export`, `override`, `private` before an assignment, then the assignment. false: it is none. */
static bool variable_line(rv_make *make, rv_str line)
{
    rv_str rest, name, value;
    bool is_exported = false, is_override = false;
    char op;
    for (;;) {
        if (is_at_word(line, "export", &rest) && !rv_str_starts(rest, RV_STR("="))) {
            is_exported = true;
            if (!assignment(rest, &name, &op, &value)) {
                export_names(make, rest, true);
                return true;
            }
        } else if (is_at_word(line, "override", &rest)) {
            is_override = true;
        } else if (!is_at_word(line, "private", &rest)) {
            break;
        }
        line = rest;
    }
    if (is_at_word(line, "unexport", &rest)) {
        export_names(make, rest, false);
        return true;
    }
    if (!assignment(line, &name, &op, &value)) return false;
    name = rv_make_expanded(make, name, true);
    if (rv_str_is(name, ".RECIPEPREFIX"))
        rv_import_fail(make->import, make->place, "begin the lines of recipes with a tab", ".RECIPEPREFIX is not understood");
    rv_make_define(make, name, op, value, is_override ? RV_MAKE_COMMAND : RV_MAKE_FILE);
    rv_make_var *var = rv_make_find(make, name);
    if (var && is_exported) var->is_exported = true;
    return true;
}

/* define NAME … endef: a variable of several lines. */
static void define(reader *r, rv_str head)
{
    rv_make *make = r->make;
    rv_str name, value, rest;
    char op = '=';
    rv_import_place begin = make->place;
    if (!assignment(head, &name, &op, &value)) name = rv_make_trim(head);
    name = rv_make_expanded(make, name, true);
    rv_buf body = {0};
    for (uint32_t depth = 1; r->rest.size > 0;) {
        rv_str line = physical_line(r), bare = rv_make_trim(line);
        if (is_at_word(bare, "define", &rest)) depth++;
        if (is_at_word(bare, "endef", &rest) && --depth == 0) {
            if (is_read(make)) rv_make_define(make, name, op, rv_buf_str(&body), RV_MAKE_FILE);
            rv_buf_deinit(&body);
            return;
        }
        if (body.size) rv_buf_byte(&body, '\n');
        rv_buf_str_add(&body, line);
    }
    rv_import_fail(make->import, begin, "end it with endef", "define %.*s has no end", RV_FMT(name));
    rv_buf_deinit(&body);
}

/* ---- includes ---- */

static void include_file(rv_make *make, rv_str path, bool may_be_missing, bool *is_told)
{
    rv_import *import = make->import;
    rv_buf text = {0};
    rv_import_place place = make->place;
    if (make->include_depth >= RV_MAKE_INCLUDE_DEPTH_MAX || make->include_count >= RV_MAKE_INCLUDES_MAX) {
        rv_import_fail(import, place, "see whether files include each other", "too many files are included");
        return;
    }
    if (!import->host->read(import->host->user, path, &text)) {
        if (!may_be_missing)
            rv_import_fail(import, place, "make it first; files that make itself makes to include them are not made by an import",
                           "%.*s cannot be read", RV_FMT(path));
        else if (rv_str_ends(path, RV_STR(".d")) && !*is_told)
            rv_import_note(import, place, "build once and import again: then headers are among the inputs",
                           "what the compiler says of headers, in files such as `%.*s`, is not there yet", RV_FMT(path));
        *is_told |= may_be_missing && rv_str_ends(path, RV_STR(".d"));
        rv_buf_deinit(&text);
        return;
    }
    import->text_size += text.size;
    make->include_count++;
    make->include_depth++;
    size_t slash = import->file.size;
    while (slash > 0 && import->file.at[slash - 1] != '/') slash--;
    rv_str name = rv_arena_printf(&import->arena, "%.*s%.*s", path.at[0] == '/' ? 0 : (int)slash, import->file.at, RV_FMT(path));
    rv_make_read(make, rv_arena_str(&import->arena, rv_buf_str(&text)),
                 (rv_import_place){.file = name, .part = make->include_count, .line = 1, .column = 1});
    make->include_depth--;
    make->place = place;
    rv_buf_deinit(&text);
}

static bool include(rv_make *make, rv_str line)
{
    rv_str rest, word;
    bool is_told = false; /* one remark a line is enough */
    bool may_be_missing = is_at_word(line, "-include", &rest) || is_at_word(line, "sinclude", &rest);
    if (!may_be_missing && !is_at_word(line, "include", &rest)) return false;
    make->has_rule = false;
    rv_str files = rv_make_expanded(make, rest, true);
    while (rv_make_word(&files, &word) && !make->is_over) {
        if (rv_str_find(word, 0, '*') == SIZE_MAX) {
            include_file(make, word, may_be_missing, &is_told);
            continue;
        }
        rv_buf found = {0};
        make->import->host->glob(make->import->host->user, word, &found);
        rv_str list = rv_arena_str(&make->import->arena, rv_buf_str(&found)), one;
        rv_buf_deinit(&found);
        while (rv_make_word(&list, &one)) include_file(make, one, may_be_missing, &is_told);
    }
    return true;
}

/* ---- one line ---- */

static bool directive(reader *r, rv_str line)
{
    rv_make *make = r->make;
    rv_str rest;
    if (is_at_word(line, "define", &rest)) {
        define(r, rest);
        return true;
    }
    if (include(make, line)) return true;
    if (is_at_word(line, "undefine", &rest)) {
        rv_make_define(make, rv_make_expanded(make, rest, true), ':', RV_STR(""), RV_MAKE_FILE);
        return true;
    }
    if (is_at_word(line, "vpath", &rest) || is_at_word(line, "load", &rest)) {
        rv_import_note(make->import, make->place, "name the files with their folders", "`%.*s` is not carried over",
                       line.at[0] == 'v' ? 5 : 4, line.at);
        return true;
    }
    return variable_line(make, line);
}

static void read_line(reader *r, bool is_recipe)
{
    rv_make *make = r->make;
    rv_str raw = rv_arena_str(&make->import->arena, rv_buf_str(&r->logical));
    make->place = r->place;
    make->place.column = 1;
    if (is_recipe) {
        if (!is_read(make)) return;
        make->place.column = 2;
        rv_make_recipe_line(make, rv_str_from(raw, 1));
        return;
    }
    rv_str line = rv_make_trim(without_comment(make, raw));
    if (line.size == 0) return;
    size_t indent = 0;
    while (indent < raw.size && strchr(" \t", raw.at[indent])) indent++;
    make->place.column = (uint32_t)indent + 1;
    if (conditional(r, line)) return;
    if (!is_read(make)) {
        rv_str rest;
        if (is_at_word(line, "define", &rest)) define(r, rest);
        return;
    }
    rv_str full = without_comment(make, rv_str_from(raw, indent)); /* the blanks at the end of a value count */
    if (directive(r, full)) {
        make->has_rule = false;
        return;
    }
    size_t semicolon = rv_make_find_outside(raw, 0, ";#");
    bool has_after = semicolon != SIZE_MAX && raw.at[semicolon] == ';';
    rv_make_rule(make, has_after ? rv_make_trim(without_comment(make, rv_str_cut(raw, 0, semicolon))) : line,
                 has_after ? rv_str_from(raw, semicolon + 1) : (rv_str){0});
}

void rv_make_read(rv_make *make, rv_str text, rv_import_place place)
{
    reader r = {.make = make, .rest = text, .place = place, .next_line = RV_MAX(place.line, 1u), .condition_base = make->conditions.count};
    bool is_recipe = false, had_rule = make->has_rule;
    make->has_rule = false;
    size_t valid = rv_utf8_valid(text);
    bool has_control = memchr(text.at ? text.at : "", 0, text.size) || rv_str_find(text, 0, '\x01') != SIZE_MAX ||
                       rv_str_find(text, 0, '\x02') != SIZE_MAX;
    if (valid < text.size || (has_control && make->depth == 0)) {
        for (size_t i = 0; i < (valid < text.size ? valid : 0); i++) r.next_line += text.at[i] == '\n';
        place.line = r.next_line;
        rv_import_fail(make->import, place, "save the file as plain UTF-8 text",
                       valid < text.size ? "the text is not UTF-8 here" : "a NUL or another control character");
        return;
    }
    while (!make->is_over && take_line(&r, make->has_rule, &is_recipe)) read_line(&r, is_recipe);
    if (make->conditions.count > r.condition_base) {
        make->place.line = make->conditions.at[make->conditions.count - 1].line;
        rv_import_fail(make->import, make->place, "end it with endif", "a condition has no end");
        make->conditions.count = r.condition_base;
    }
    make->has_rule = had_rule;
    rv_buf_deinit(&r.logical);
}

static void deinit(rv_make *make)
{
    for (uint32_t i = 0; i < make->targets.count; i++) {
        rv_vec_deinit(&make->targets.at[i].prereqs);
        rv_vec_deinit(&make->targets.at[i].order_only);
        rv_vec_deinit(&make->targets.at[i].needs);
    }
    for (uint32_t i = 0; i < make->patterns.count; i++) {
        rv_vec_deinit(&make->patterns.at[i].targets);
        rv_vec_deinit(&make->patterns.at[i].prereqs);
        rv_vec_deinit(&make->patterns.at[i].order_only);
    }
    rv_vec_deinit(&make->vars);
    rv_map_deinit(&make->var_map);
    rv_vec_deinit(&make->targets);
    rv_map_deinit(&make->target_map);
    rv_vec_deinit(&make->patterns);
    rv_vec_deinit(&make->recipes);
    rv_vec_deinit(&make->lines);
    rv_vec_deinit(&make->locals);
    rv_vec_deinit(&make->conditions);
    rv_vec_deinit(&make->now);
    rv_vec_deinit(&make->current);
}

bool rv_import_make(rv_import *import)
{
    rv_make make = {.import = import};
    for (uint32_t i = 0; i < import->var_count; i++)
        rv_make_define(&make, import->vars[i].name, '=', import->vars[i].value, RV_MAKE_COMMAND);
    rv_make_read(&make, import->source, (rv_import_place){.line = 1, .column = 1});
    if (import->problems->error_count == 0) {
        make.place = (rv_import_place){0};
        make.is_builtin = true;
        make.builtin_recipe = make.recipes.count + 1;
        rv_make_read(&make, rv_str_of(rv_make_builtin_rules), make.place);
        rv_make_graph(&make);
    }
    deinit(&make);
    return import->problems->error_count == 0;
}
