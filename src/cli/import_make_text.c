/* import_make_text.c: $(…) in texts of Makefiles: variables, substitution references; words and patterns. */
#include <string.h>

#include "cli/import_make.h"

/* ---- words and patterns ---- */

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

bool rv_make_word(rv_str *rest, rv_str *ret)
{
    size_t begin = 0, end, depth = 0;
    while (begin < rest->size && is_blank(rest->at[begin])) begin++;
    for (end = begin; end < rest->size && (depth > 0 || !is_blank(rest->at[end])); end++) {
        if (rest->at[end] == RV_MAKE_SHELL_MARK) depth++; /* what a shell would print is one word to us */
        else if (rest->at[end] == RV_MAKE_SHELL_END && depth > 0) depth--;
    }
    *ret = rv_str_cut(*rest, begin, end - begin);
    *rest = rv_str_from(*rest, end);
    return ret->size > 0;
}

rv_str rv_make_trim(rv_str text)
{
    while (text.size > 0 && is_blank(text.at[0])) text = rv_str_from(text, 1);
    while (text.size > 0 && is_blank(text.at[text.size - 1])) text.size--;
    return text;
}

bool rv_make_match(rv_str pattern, rv_str word, rv_str *ret_stem)
{
    size_t percent = rv_str_find(pattern, 0, '%');
    if (percent == SIZE_MAX) {
        *ret_stem = RV_STR("");
        return rv_str_eq(pattern, word);
    }
    rv_str prefix = rv_str_cut(pattern, 0, percent), suffix = rv_str_from(pattern, percent + 1);
    if (word.size < prefix.size + suffix.size || !rv_str_starts(word, prefix) || !rv_str_ends(word, suffix)) return false;
    *ret_stem = rv_str_cut(word, prefix.size, word.size - prefix.size - suffix.size);
    return true;
}

void rv_make_fill(rv_buf *out, rv_str pattern, rv_str stem)
{
    size_t percent = rv_str_find(pattern, 0, '%');
    rv_buf_str_add(out, rv_str_cut(pattern, 0, percent == SIZE_MAX ? pattern.size : percent));
    if (percent == SIZE_MAX) return;
    rv_buf_str_add(out, stem);
    rv_buf_str_add(out, rv_str_from(pattern, percent + 1));
}

bool rv_make_depends_on_shell(rv_str text) { return rv_str_find(text, 0, RV_MAKE_SHELL_MARK) != SIZE_MAX; }

/* Index of what closes the bracket at text[open], or SIZE_MAX; only brackets of the same kind count, as in make. */
static size_t closing(rv_str text, size_t open)
{
    char opens = text.at[open], closes = opens == '(' ? ')' : '}';
    uint32_t depth = 0;
    for (size_t i = open; i < text.size; i++) {
        if (text.at[i] == opens) depth++;
        else if (text.at[i] == closes && --depth == 0) return i;
    }
    return SIZE_MAX;
}

size_t rv_make_find_outside(rv_str text, size_t from, const char *bytes)
{
    for (size_t i = from; i < text.size; i++) {
        if (text.at[i] == '$' && i + 1 < text.size) {
            if (text.at[i + 1] == '(' || text.at[i + 1] == '{') {
                size_t end = closing(text, i + 1);
                if (end == SIZE_MAX) return SIZE_MAX;
                i = end;
            } else {
                i++;
            }
        } else if (strchr(bytes, text.at[i])) {
            return i;
        }
    }
    return SIZE_MAX;
}

/* ---- variables ---- */

static const char *default_of(rv_str name)
{
    static const char *const rows[][2] = {
        {"CC", "cc"}, {"CXX", "g++"}, {"CPP", "$(CC) -E"}, {"AR", "ar"}, {"ARFLAGS", "-rv"}, {"AS", "as"}, {"LD", "ld"}, {"RM", "rm -f"},
        {"MAKE", "make"}, {"MAKE_COMMAND", "make"}, {"SHELL", "/bin/sh"}, {".SHELLFLAGS", "-c"}, {"MAKE_VERSION", "4.3"},
        {"LEX", "lex"}, {"YACC", "yacc"}, {"INSTALL", "install"}, {".VARIABLES", ""}, {".FEATURES", "order-only target-specific"},
        {".RECIPEPREFIX", ""}, {"MAKEFLAGS", ""}, {"MFLAGS", ""}, {"MAKELEVEL", "0"}, {"SUFFIXES", ""},
        {"COMPILE.c", "$(CC) $(CFLAGS) $(CPPFLAGS) $(TARGET_ARCH) -c"}, {"LINK.o", "$(CC) $(LDFLAGS) $(TARGET_ARCH)"},
        {"LINK.c", "$(CC) $(CFLAGS) $(CPPFLAGS) $(LDFLAGS) $(TARGET_ARCH)"}, {"OUTPUT_OPTION", "-o $@"},
        {"COMPILE.cc", "$(CXX) $(CXXFLAGS) $(CPPFLAGS) $(TARGET_ARCH) -c"}, {"COMPILE.cpp", "$(COMPILE.cc)"},
        {"LINK.cc", "$(CXX) $(CXXFLAGS) $(CPPFLAGS) $(LDFLAGS) $(TARGET_ARCH)"}, {"LINK.cpp", "$(LINK.cc)"}, {"COMPILE.C", "$(COMPILE.cc)"},
    };
    for (size_t i = 0; i < RV_COUNT(rows); i++)
        if (rv_str_is(name, rows[i][0])) return rows[i][1];
    return NULL;
}

static rv_make_var *add(rv_make *make, rv_str name)
{
    rv_make_var *var = rv_vec_add(&make->vars);
    var->name = rv_arena_str(&make->import->arena, name);
    rv_map_add(&make->var_map, var->name, make->vars.count - 1);
    return var;
}

rv_make_var *rv_make_find(rv_make *make, rv_str name)
{
    uint32_t index = rv_map_get(&make->var_map, name);
    if (index != RV_NONE) return &make->vars.at[index];
    bool is_folder = rv_str_is(name, "CURDIR");
    bool is_own = rv_str_is(name, "SHELL") || rv_str_is(name, "MAKEFLAGS") || rv_str_is(name, "MAKELEVEL") || rv_str_is(name, "MFLAGS");
    const char *value = is_own || name.size > 200 ? NULL : make->import->host->env(make->import->host->user, name);
    bool is_env = value != NULL;
    if (!value) value = default_of(name);
    if (!value && !is_folder) return NULL;
    rv_make_var *var = add(make, name);
    var->value = is_folder ? make->import->folder : rv_arena_str(&make->import->arena, rv_str_of(value));
    var->origin = is_env || is_folder ? RV_MAKE_ENVIRONMENT : RV_MAKE_DEFAULT;
    var->is_recursive = !is_env && !is_folder;
    var->was_env = is_env && !is_folder;
    return var;
}

static rv_str joined(rv_make *make, rv_str a, rv_str b)
{
    return rv_arena_printf(&make->import->arena, "%.*s%s%.*s", RV_FMT(a), a.size && b.size ? " " : "", RV_FMT(b));
}

/* What `NAME != command` stands for: the shell's answer, in a recipe or now. */
static rv_str shell_text(rv_make *make, rv_str command)
{
    return rv_arena_printf(&make->import->arena, "$(shell %.*s)", RV_FMT(command));
}

void rv_make_define(rv_make *make, rv_str name, char op, rv_str text, rv_make_origin origin)
{
    rv_make_var *var = rv_make_find(make, name);
    if (var && (var->origin > origin || (op == '?' && var->origin != RV_MAKE_DEFAULT))) return;
    bool appends = op == '+' && var && var->origin != RV_MAKE_DEFAULT;
    bool is_recursive = op == '=' || op == '?' || (op == '+' && (!appends || var->is_recursive));
    rv_str value = op == '!' ? shell_text(make, text) : text;
    value = is_recursive ? rv_arena_str(&make->import->arena, value) : rv_make_expanded(make, value, false);
    var = rv_make_find(make, name);
    if (!var) var = add(make, name);
    if (appends) value = joined(make, var->value, value);
    make->import->text_size += value.size;
    var->value = value;
    var->is_recursive = is_recursive;
    var->origin = (uint8_t)origin;
    var->place = make->place;
}

/* `D` and `F` of an automatic variable: the folders, or the names, of its words. */
static void parts_of(rv_str words, bool is_folder, rv_buf *out)
{
    rv_str word;
    for (bool is_first = true; rv_make_word(&words, &word); is_first = false) {
        size_t slash = word.size;
        while (slash > 0 && word.at[slash - 1] != '/') slash--;
        if (!is_first) rv_buf_byte(out, ' ');
        if (!is_folder) rv_buf_str_add(out, rv_str_from(word, slash));
        else if (slash == 0) rv_buf_byte(out, '.');
        else rv_buf_str_add(out, rv_str_cut(word, 0, RV_MAX(slash - 1, (size_t)1)));
    }
}

static bool automatic(rv_make *make, rv_str name, rv_buf *out)
{
    const rv_make_autos *autos = make->autos;
    if (name.size == 0 || name.size > 2 || !strchr("@<^+?*|%", name.at[0])) return false;
    if (name.size == 2 && name.at[1] != 'D' && name.at[1] != 'F') return false;
    if (!autos) return true; /* outside of recipes they are empty */
    rv_str value = RV_STR("");
    switch (name.at[0]) {
    case '@': value = autos->target; break;
    case '<': value = autos->first; break;
    case '^': value = autos->all; break;
    case '+': value = autos->each; break;
    case '*': value = autos->stem; break;
    case '|': value = autos->order_only; break;
    case '?':
        value = autos->all;
        rv_import_note(make->import, make->place, "see that the recipe does with all of them",
                       "`$?`, the prerequisites that are newer, has become all of them");
        break;
    case '%':
        rv_import_note(make->import, make->place, "name the member", "`$%%`, a member of an archive, is not carried over");
        break;
    }
    if (name.size == 1) rv_buf_str_add(out, value);
    else parts_of(value, name.at[1] == 'D', out);
    return true;
}

static bool local(rv_make *make, rv_str name, rv_buf *out)
{
    for (uint32_t i = make->now.count; i > 0; i--) {
        if (!rv_str_eq(make->now.at[i - 1].name, name)) continue;
        rv_str value = make->now.at[i - 1].value;
        uint32_t count = make->now.count;
        make->now.count = i - 1; /* what it says of itself is what it was before */
        rv_make_expand(make, value, out);
        make->now.count = count;
        return true;
    }
    return false;
}

static bool special(rv_make *make, rv_str name, rv_buf *out)
{
    if (name.size == 1 && name.at[0] >= '0' && name.at[0] <= '9') {
        rv_buf_str_add(out, make->call[name.at[0] - '0'].value);
        return true;
    }
    if (rv_str_is(name, "MAKECMDGOALS")) {
        for (uint32_t i = 0; i < make->import->wanted_count; i++) rv_buf_printf(out, "%s%s", i ? " " : "", make->import->wanted[i]);
        return true;
    }
    if (rv_str_is(name, ".DEFAULT_GOAL") && rv_map_get(&make->var_map, name) == RV_NONE) {
        rv_buf_str_add(out, make->goal);
        return true;
    }
    return false;
}

void rv_make_value(rv_make *make, rv_str name, rv_buf *out)
{
    if (automatic(make, name, out) || local(make, name, out) || special(make, name, out)) return;
    rv_make_var *var = rv_make_find(make, name);
    if (!var) return;
    if (make->autos && var->origin == RV_MAKE_ENVIRONMENT)
        rv_import_note(make->import, make->place, "write it as a variable of the shell where each run is to read its own",
                       "`%.*s` comes from %s: the recipe has its value of now", RV_FMT(name),
                       rv_str_is(name, "CURDIR") ? "where the file lies" : "the environment");
    if (!var->is_recursive) {
        rv_buf_str_add(out, var->value);
        make->import->text_size += var->value.size;
        return;
    }
    if (var->is_open) {
        rv_import_fail(make->import, make->place, "define it with `:=`", "the variable `%.*s` names itself", RV_FMT(name));
        return;
    }
    uint32_t index = (uint32_t)(var - make->vars.at);
    var->is_open = true;
    rv_make_expand(make, var->value, out);
    make->vars.at[index].is_open = false;
}

/* $(NAME:a=b) and $(NAME:%.c=%.o) */
static bool substitution(rv_make *make, rv_str inner, rv_buf *out)
{
    size_t colon = rv_make_find_outside(inner, 0, ":"), equals = SIZE_MAX;
    if (colon != SIZE_MAX) equals = rv_make_find_outside(inner, colon + 1, "=");
    if (equals == SIZE_MAX) return false;
    rv_str name = rv_make_expanded(make, rv_str_cut(inner, 0, colon), true);
    rv_str from = rv_make_expanded(make, rv_str_cut(inner, colon + 1, equals - colon - 1), false);
    rv_str to = rv_make_expanded(make, rv_str_from(inner, equals + 1), false);
    bool is_suffix = rv_str_find(from, 0, '%') == SIZE_MAX;
    rv_buf value = {0};
    rv_make_value(make, name, &value);
    rv_str rest = rv_buf_str(&value), word, stem;
    if (is_suffix) from = rv_arena_printf(&make->import->arena, "%%%.*s", RV_FMT(from));
    if (is_suffix) to = rv_arena_printf(&make->import->arena, "%%%.*s", RV_FMT(to));
    for (bool is_first = true; rv_make_word(&rest, &word); is_first = false) {
        if (!is_first) rv_buf_byte(out, ' ');
        if (rv_make_match(from, word, &stem)) rv_make_fill(out, to, stem);
        else rv_buf_str_add(out, word);
    }
    rv_buf_deinit(&value);
    return true;
}

static void reference(rv_make *make, rv_str inner, rv_buf *out)
{
    if (rv_make_function(make, inner, out) || substitution(make, inner, out)) return;
    bool is_computed = rv_str_find(inner, 0, '$') != SIZE_MAX;
    rv_make_value(make, is_computed ? rv_make_expanded(make, inner, true) : inner, out);
}

/* Is there room for more text? Said once. */
static bool has_room(rv_make *make, size_t size)
{
    if (make->is_over) return false;
    make->import->text_size += size;
    make->is_over = make->import->text_size > RV_IMPORT_TEXT_MAX || make->depth >= RV_MAKE_DEPTH_MAX;
    if (make->is_over)
        rv_import_fail(make->import, make->place, "simplify it", "what stands here becomes larger than 64 MiB, or is nested deeper than %u",
                       RV_MAKE_DEPTH_MAX);
    return !make->is_over;
}

void rv_make_expand(rv_make *make, rv_str text, rv_buf *out)
{
    size_t before = out->size;
    if (!has_room(make, text.size)) return;
    make->depth++;
    for (size_t at = 0; at < text.size && !make->is_over;) {
        size_t dollar = rv_str_find(text, at, '$');
        rv_buf_str_add(out, rv_str_cut(text, at, dollar == SIZE_MAX ? text.size - at : dollar - at));
        if (dollar == SIZE_MAX || dollar + 1 == text.size) break;
        char next = text.at[dollar + 1];
        at = dollar + 2;
        if (next == '$') {
            rv_buf_byte(out, '$');
        } else if (next == '(' || next == '{') {
            size_t end = closing(text, dollar + 1);
            if (end == SIZE_MAX) {
                rv_import_fail(make->import, make->place, "close it", "a variable reference is not closed");
                break;
            }
            reference(make, rv_str_cut(text, dollar + 2, end - dollar - 2), out);
            at = end + 1;
        } else if (!is_blank(next)) {
            rv_make_value(make, rv_str_cut(text, dollar + 1, 1), out);
        }
    }
    make->depth--;
    if (out->size > before) has_room(make, out->size - before);
}

rv_str rv_make_expanded(rv_make *make, rv_str text, bool is_trimmed)
{
    rv_buf out = {0};
    rv_make_expand(make, text, &out);
    rv_str copy = rv_arena_str(&make->import->arena, is_trimmed ? rv_make_trim(rv_buf_str(&out)) : rv_buf_str(&out));
    rv_buf_deinit(&out);
    return copy;
}
