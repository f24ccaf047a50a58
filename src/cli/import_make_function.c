/* import_make_function.c: $(function …) of Makefiles. */
#include <stdlib.h>
#include <string.h>

#include "cli/import_make.h"

#define ARGUMENTS_MAX 64u

typedef struct call {
    const rv_str *args; /* expanded, but for those that are `raw` */
    uint32_t count;
    rv_buf *out;
    size_t begin;       /* of what this call appends */
} call;
typedef void function(rv_make *make, const call *c);

static void word_out(const call *c, rv_str word)
{
    if (c->out->size > c->begin) rv_buf_byte(c->out, ' ');
    rv_buf_str_add(c->out, word);
}

/* ---- texts ---- */

static void replace(rv_buf *out, rv_str text, rv_str from, rv_str to)
{
    for (size_t i = 0; i < text.size;) {
        if (from.size && rv_str_starts(rv_str_from(text, i), from)) {
            rv_buf_str_add(out, to);
            i += from.size;
        } else {
            rv_buf_byte(out, text.at[i++]);
        }
    }
    if (from.size == 0) rv_buf_str_add(out, to);
}

static void subst(rv_make *make, const call *c)
{
    size_t most = c->args[0].size ? c->args[2].size / c->args[0].size * c->args[1].size : 0;
    if (most > RV_IMPORT_TEXT_MAX) make->import->text_size = RV_IMPORT_TEXT_MAX; /* the next expansion says so */
    else replace(c->out, c->args[2], c->args[0], c->args[1]);
}

static void patsubst(rv_make *make, const call *c)
{
    rv_str rest = c->args[2], word, stem;
    while (rv_make_word(&rest, &word) && c->out->size < RV_IMPORT_TEXT_MAX) {
        rv_buf one = {0};
        if (rv_make_match(rv_make_trim(c->args[0]), word, &stem)) rv_make_fill(&one, rv_make_trim(c->args[1]), stem);
        else rv_buf_str_add(&one, word);
        word_out(c, rv_buf_str(&one));
        rv_buf_deinit(&one);
    }
}

static void strip(rv_make *make, const call *c)
{
    rv_str rest = c->args[0], word;
    while (rv_make_word(&rest, &word)) word_out(c, word);
}

static void findstring(rv_make *make, const call *c)
{
    if (c->args[0].size == 0 || memmem(c->args[1].at ? c->args[1].at : "", c->args[1].size, c->args[0].at, c->args[0].size))
        rv_buf_str_add(c->out, c->args[0]);
}

static void filtered(rv_make *make, const call *c, bool keeps)
{
    rv_str rest = c->args[1], word, pattern, stem;
    while (rv_make_word(&rest, &word) && make->import->text_size <= RV_IMPORT_TEXT_MAX) {
        make->import->text_size += c->args[0].size / 64; /* many words against many patterns are bounded, too */
        rv_str patterns = c->args[0];
        bool matches = false;
        while (!matches && rv_make_word(&patterns, &pattern)) matches = rv_make_match(pattern, word, &stem);
        if (matches == keeps) word_out(c, word);
    }
}
static void filter(rv_make *make, const call *c) { filtered(make, c, true); }
static void filter_out(rv_make *make, const call *c) { filtered(make, c, false); }

static int by_bytes(const void *a, const void *b) { return rv_str_cmp(*(const rv_str *)a, *(const rv_str *)b); }

static void sort(rv_make *make, const call *c)
{
    rv_import_strs words = {0};
    rv_str rest = c->args[0], word;
    while (rv_make_word(&rest, &word)) rv_vec_push(&words, word);
    if (words.count) qsort(words.at, words.count, sizeof *words.at, by_bytes);
    for (uint32_t i = 0; i < words.count; i++)
        if (i == 0 || !rv_str_eq(words.at[i], words.at[i - 1])) word_out(c, words.at[i]);
    rv_vec_deinit(&words);
}

/* ---- words by number ---- */

static uint32_t number_of(rv_str text)
{
    uint32_t value = 0;
    text = rv_make_trim(text);
    for (size_t i = 0; i < text.size && text.at[i] >= '0' && text.at[i] <= '9' && value < 100000000; i++)
        value = value * 10 + (uint32_t)(text.at[i] - '0');
    return value;
}

static void words_between(const call *c, rv_str text, uint32_t first, uint32_t last)
{
    rv_str word;
    for (uint32_t number = 1; number <= last && rv_make_word(&text, &word); number++)
        if (number >= first) word_out(c, word);
}
static void nth_word(rv_make *make, const call *c) { words_between(c, c->args[1], number_of(c->args[0]), number_of(c->args[0])); }
static void wordlist(rv_make *make, const call *c) { words_between(c, c->args[2], number_of(c->args[0]), number_of(c->args[1])); }
static void firstword(rv_make *make, const call *c) { words_between(c, c->args[0], 1, 1); }

static void word_count(rv_make *make, const call *c)
{
    uint32_t count = 0;
    rv_str rest = c->args[0], word;
    while (rv_make_word(&rest, &word)) count++;
    rv_buf_u64(c->out, count);
}

static void lastword(rv_make *make, const call *c)
{
    rv_str rest = c->args[0], word, last = {0};
    while (rv_make_word(&rest, &word)) last = word;
    rv_buf_str_add(c->out, last);
}

/* ---- names of files ---- */

static size_t name_at(rv_str path)
{
    size_t slash = path.size;
    while (slash > 0 && path.at[slash - 1] != '/') slash--;
    return slash;
}

static size_t suffix_at(rv_str path)
{
    for (size_t i = path.size; i > name_at(path); i--)
        if (path.at[i - 1] == '.') return i - 1;
    return path.size;
}

static void dir(rv_make *make, const call *c)
{
    rv_str rest = c->args[0], word;
    while (rv_make_word(&rest, &word)) word_out(c, name_at(word) ? rv_str_cut(word, 0, name_at(word)) : RV_STR("./"));
}

static void notdir(rv_make *make, const call *c)
{
    rv_str rest = c->args[0], word;
    while (rv_make_word(&rest, &word)) word_out(c, rv_str_from(word, name_at(word)));
}

static void suffix(rv_make *make, const call *c)
{
    rv_str rest = c->args[0], word;
    while (rv_make_word(&rest, &word))
        if (suffix_at(word) < word.size) word_out(c, rv_str_from(word, suffix_at(word)));
}

static void basename_of(rv_make *make, const call *c)
{
    rv_str rest = c->args[0], word;
    while (rv_make_word(&rest, &word)) word_out(c, rv_str_cut(word, 0, suffix_at(word)));
}

static void added(const call *c, rv_str before, rv_str text, rv_str after)
{
    rv_str word;
    while (rv_make_word(&text, &word) && c->out->size < RV_IMPORT_TEXT_MAX) {
        word_out(c, before);
        rv_buf_str_add(c->out, word);
        rv_buf_str_add(c->out, after);
    }
}
static void addsuffix(rv_make *make, const call *c) { added(c, RV_STR(""), c->args[1], c->args[0]); }
static void addprefix(rv_make *make, const call *c)
{
    bool is_empty = c->args[0].size == 0;
    added(c, is_empty ? RV_STR("") : c->args[0], c->args[1], RV_STR(""));
}

static void join(rv_make *make, const call *c)
{
    rv_str a = c->args[0], b = c->args[1], left, right;
    for (;;) {
        bool has_left = rv_make_word(&a, &left), has_right = rv_make_word(&b, &right);
        if (!has_left && !has_right) return;
        word_out(c, left);
        rv_buf_str_add(c->out, right);
    }
}

static void wildcard(rv_make *make, const call *c)
{
    const rv_import_host *host = make->import->host;
    rv_str rest = c->args[0], pattern;
    bool is_folder;
    while (rv_make_word(&rest, &pattern)) {
        rv_buf found = {0};
        bool is_plain = rv_str_find(pattern, 0, '*') == SIZE_MAX && rv_str_find(pattern, 0, '?') == SIZE_MAX &&
                        rv_str_find(pattern, 0, '[') == SIZE_MAX;
        if (!is_plain) host->glob(host->user, pattern, &found);
        else if (host->is_there(host->user, pattern, &is_folder)) rv_buf_str_add(&found, pattern);
        if (found.size) word_out(c, rv_buf_str(&found));
        rv_buf_deinit(&found);
    }
}

/* abspath and realpath: relative to the folder of the Makefile the names mean the same, and move with it. */
static void same_path(rv_make *make, const call *c)
{
    rv_import_note(make->import, make->place, "", "the absolute paths of `$(abspath)` and `$(realpath)` have become relative ones");
    strip(make, c);
}

/* ---- conditions and the rest: their arguments come raw ---- */

static void arg(rv_make *make, rv_str text, rv_buf *out) { rv_make_expand(make, rv_make_trim(text), out); }

static bool is_true(rv_make *make, rv_str text)
{
    rv_str value = rv_make_expanded(make, text, true);
    if (rv_make_depends_on_shell(value))
        rv_import_note(make->import, make->place, "import with --shell, or write the condition into the script",
                       "a condition depends on what a shell prints; taken as true");
    return value.size > 0;
}

static void if_(rv_make *make, const call *c)
{
    if (is_true(make, c->args[0])) arg(make, c->args[1], c->out);
    else if (c->count > 2) rv_make_expand(make, c->args[2], c->out);
}

static void or_(rv_make *make, const call *c)
{
    for (uint32_t i = 0; i < c->count; i++) {
        rv_str value = rv_make_expanded(make, c->args[i], true);
        if (value.size == 0) continue;
        rv_buf_str_add(c->out, value);
        return;
    }
}

static void and_(rv_make *make, const call *c)
{
    rv_str value = {0};
    for (uint32_t i = 0; i < c->count; i++) {
        value = rv_make_expanded(make, c->args[i], true);
        if (value.size == 0) return;
    }
    rv_buf_str_add(c->out, value);
}

static void foreach(rv_make *make, const call *c)
{
    rv_str name = rv_make_expanded(make, c->args[0], true), rest = rv_make_expanded(make, c->args[1], true), word;
    uint32_t before = make->now.count;
    for (bool is_first = true; rv_make_word(&rest, &word) && !make->is_over; is_first = false) {
        if (!is_first) rv_buf_byte(c->out, ' ');
        rv_buf literal = {0}; /* its value is text: a dollar in it is one */
        replace(&literal, word, RV_STR("$"), RV_STR("$$"));
        rv_vec_push(&make->now, ((rv_import_pair){name, rv_arena_str(&make->import->arena, rv_buf_str(&literal))}));
        rv_buf_deinit(&literal);
        rv_make_expand(make, c->args[2], c->out);
        make->now.count = before;
    }
}

static void call_(rv_make *make, const call *c)
{
    rv_import_pair before[10];
    memcpy(before, make->call, sizeof before);
    rv_str name = rv_make_trim(c->args[0]);
    for (uint32_t i = 0; i < 10; i++) make->call[i].value = i < c->count ? c->args[i] : RV_STR("");
    rv_make_var *var = rv_make_find(make, name);
    if (var && !var->is_open) {
        rv_make_expand(make, var->value, c->out); /* it may call itself: the depth is bounded */
    } else if (!var) {
        rv_buf inner = {0};
        for (uint32_t i = 0; i < c->count; i++) rv_buf_printf(&inner, "%s%.*s", i == 0 ? "" : i == 1 ? " " : ",", RV_FMT(c->args[i]));
        rv_make_function(make, rv_buf_str(&inner), c->out);
        rv_buf_deinit(&inner);
    }
    memcpy(make->call, before, sizeof before);
}

static void value(rv_make *make, const call *c)
{
    rv_make_var *var = rv_make_find(make, rv_make_trim(c->args[0]));
    if (var) rv_buf_str_add(c->out, var->value);
}

static void origin(rv_make *make, const call *c)
{
    static const char *const words[] = {"default", "environment", "file", "command line"};
    rv_make_var *var = rv_make_find(make, rv_make_trim(c->args[0]));
    rv_buf_cstring(c->out, var ? words[var->origin] : "undefined");
}

static void flavor(rv_make *make, const call *c)
{
    rv_make_var *var = rv_make_find(make, rv_make_trim(c->args[0]));
    rv_buf_cstring(c->out, !var ? "undefined" : var->is_recursive ? "recursive" : "simple");
}

static void error_(rv_make *make, const call *c)
{
    rv_import_fail(make->import, make->place, "see why: the condition around it holds here", "the Makefile stops with $(error): %.*s",
                   (int)RV_MIN(c->args[0].size, (size_t)300), c->args[0].at ? c->args[0].at : "");
}

static void said(rv_make *make, const call *c)
{
    rv_import_note(make->import, make->place, "", "what $(info) and $(warning) say while make reads is not said: %.*s",
                   (int)RV_MIN(c->args[0].size, (size_t)100), c->args[0].at ? c->args[0].at : "");
}

static void eval(rv_make *make, const call *c)
{
    rv_import_place place = make->place;
    if (make->autos) {
        rv_import_note(make->import, place, "define it outside of the recipe", "$(eval) in a recipe is not carried over");
        return;
    }
    rv_make_read(make, rv_arena_str(&make->import->arena, c->args[0]), place);
    make->place = place;
}

static void shell(rv_make *make, const call *c)
{
    const rv_import_host *host = make->import->host;
    rv_buf out = {0};
    if (host->shell && host->shell(host->user, c->args[0], &out)) {
        while (out.size > 0 && out.at[out.size - 1] == '\n') out.size--;
        for (size_t i = 0; i < out.size; i++)
            if (out.at[i] == '\n' || (unsigned char)out.at[i] < ' ') out.at[i] = ' ';
        out.size = rv_utf8_valid(rv_buf_str(&out));
        rv_buf_str_add(c->out, rv_buf_str(&out));
    } else {
        rv_buf_byte(c->out, RV_MAKE_SHELL_MARK);
        rv_buf_printf(c->out, "(%.*s)\x02", RV_FMT(c->args[0]));
    }
    rv_buf_deinit(&out);
}

static void refused(rv_make *make, const call *c)
{
    rv_import_note(make->import, make->place, "write the file in a recipe", "$(file) and $(guile) are not carried over");
}

static const struct row {
    const char *name;
    uint32_t least, most; /* arguments; beyond most commas are text */
    bool is_raw, needs_text; /* its arguments are not expanded before; they must be known now */
    function *run;
} rows[] = {
    {"subst", 3, 3, false, true, subst}, {"patsubst", 3, 3, false, true, patsubst}, {"strip", 1, 1, false, false, strip},
    {"findstring", 2, 2, false, true, findstring}, {"filter", 2, 2, false, true, filter}, {"filter-out", 2, 2, false, true, filter_out},
    {"sort", 1, 1, false, true, sort}, {"word", 2, 2, false, true, nth_word}, {"wordlist", 3, 3, false, true, wordlist},
    {"words", 1, 1, false, true, word_count}, {"firstword", 1, 1, false, true, firstword}, {"lastword", 1, 1, false, true, lastword},
    {"dir", 1, 1, false, true, dir}, {"notdir", 1, 1, false, true, notdir}, {"suffix", 1, 1, false, true, suffix},
    {"basename", 1, 1, false, true, basename_of}, {"addsuffix", 2, 2, false, true, addsuffix}, {"addprefix", 2, 2, false, true, addprefix},
    {"join", 2, 2, false, true, join}, {"wildcard", 1, 1, false, true, wildcard}, {"abspath", 1, 1, false, true, same_path},
    {"realpath", 1, 1, false, true, same_path}, {"if", 2, 3, true, false, if_}, {"or", 1, 0, true, false, or_},
    {"and", 1, 0, true, false, and_}, {"foreach", 3, 3, true, false, foreach}, {"call", 1, 0, false, false, call_},
    {"value", 1, 1, false, true, value}, {"origin", 1, 1, false, true, origin}, {"flavor", 1, 1, false, true, flavor},
    {"error", 1, 1, false, false, error_}, {"warning", 1, 1, false, false, said}, {"info", 1, 1, false, false, said},
    {"eval", 1, 1, false, true, eval}, {"shell", 1, 1, false, false, shell}, {"file", 1, 2, false, false, refused},
    {"guile", 1, 1, false, false, refused},
};

/* Divide at commas that are not within brackets; what is beyond `most` stays one. */
static uint32_t divide(rv_str text, uint32_t most, rv_str args[ARGUMENTS_MAX])
{
    uint32_t count = 0, depth = 0;
    size_t begin = 0;
    if (most == 0) most = ARGUMENTS_MAX;
    for (size_t i = 0; i < text.size; i++) {
        char c = text.at[i];
        if (c == '(' || c == '{') depth++;
        else if ((c == ')' || c == '}') && depth > 0) depth--;
        else if (c == ',' && depth == 0 && count + 1 < most) {
            args[count++] = rv_str_cut(text, begin, i - begin);
            begin = i + 1;
        }
    }
    args[count++] = rv_str_from(text, begin);
    return count;
}

static const struct row *row_of(rv_str inner, size_t *ret_size)
{
    size_t size = 0;
    while (size < inner.size && ((inner.at[size] >= 'a' && inner.at[size] <= 'z') || inner.at[size] == '-')) size++;
    if (size == 0 || size >= inner.size || !strchr(" \t\n", inner.at[size])) return NULL;
    *ret_size = size;
    for (size_t i = 0; i < RV_COUNT(rows); i++)
        if (rv_str_is(rv_str_cut(inner, 0, size), rows[i].name)) return &rows[i];
    return NULL;
}

bool rv_make_function(rv_make *make, rv_str inner, rv_buf *out)
{
    size_t size = 0;
    const struct row *row = row_of(inner, &size);
    if (!row) return false;
    while (size < inner.size && strchr(" \t\n", inner.at[size])) size++;
    rv_str args[ARGUMENTS_MAX] = {{0}};
    uint32_t count = divide(rv_str_from(inner, size), row->most, args);
    if (count < row->least) {
        rv_import_fail(make->import, make->place, "give it the rest", "$(%s) has %u argument%s, and needs %u", row->name, count,
                       count == 1 ? "" : "s", row->least);
        return true;
    }
    for (uint32_t i = 0; i < count && !row->is_raw; i++) {
        args[i] = rv_make_expanded(make, args[i], false);
        if (row->needs_text && rv_make_depends_on_shell(args[i])) {
            rv_import_note(make->import, make->place, "import with --shell, which runs the commands now, as make does",
                           "$(%s) works on what a shell prints, which is not known", row->name);
            return true;
        }
    }
    if (!make->is_over) row->run(make, &(call){args, count, out, out->size});
    return true;
}
