/* test_base_glob.c: patterns of paths: what they mean, against a matcher that tries everything, and what they may not be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/glob.h"
#include "base/util.h"

static const rv_glob *compiled_in(rv_arena *arena, const char *pattern, const char *base)
{
    const rv_glob *glob = NULL;
    rv_glob_problem problem = {0};
    if (rv_glob_compile(rv_str_of(pattern), rv_str_of(base), arena, &glob, &problem) != RV_OK)
        fail_msg("`%s`: %s at %zu", pattern, problem.what, problem.at);
    return glob;
}

static bool matches_in(const char *pattern, const char *base, const char *path)
{
    rv_arena arena = {0};
    bool found = rv_glob_match(compiled_in(&arena, pattern, base), rv_str_of(path));
    rv_arena_deinit(&arena);
    return found;
}
static bool matches(const char *pattern, const char *path) { return matches_in(pattern, "", path); }

static void star__is_any_part_of_one_name(void **state)
{
    assert_true(matches("*.c", "main.c"));
    assert_true(matches("src/*", "src/main.c"));
    assert_true(matches("a*b*c", "axxbxbc"));
    assert_false(matches("*.c", "src/main.c"));
    assert_false(matches("src/*", "src/a/b"));
    assert_false(matches("a*b*c", "axxbxb"));
    (void)state;
}

static void question_mark__is_one_character_also_of_several_bytes(void **state)
{
    assert_true(matches("?", "a"));
    assert_true(matches("?", "\xc3\xa4"));
    assert_true(matches("??", "\xc3\xff")); /* bytes that are no UTF-8 count one by one */
    assert_true(matches("[\xc3\xa0-\xc3\xbf]x", "\xc3\xa4x"));
    assert_false(matches("?", "ab"));
    assert_false(matches("?", "\xc3\xff"));
    assert_false(matches("a?b", "a/b"));
    (void)state;
}

static void set__is_one_of_its_characters_or_none_of_them(void **state)
{
    assert_true(matches("[abc]", "b"));
    assert_true(matches("[a-cx]", "x"));
    assert_true(matches("[!a-c]", "d"));
    assert_true(matches("[^a-c]", "d"));
    assert_true(matches("[]a]", "]"));
    assert_true(matches("[a-]", "-"));
    assert_true(matches("[\\]]", "]"));
    assert_true(matches("[{,}]", ","));
    assert_true(matches("[*]", "*"));
    assert_false(matches("[*]", "x"));
    assert_false(matches("[!a-c]", "b"));
    assert_false(matches("x[!a]y", "x/y"));
    (void)state;
}

static void braces__are_a_choice_of_paths_too_and_nest(void **state)
{
    assert_true(matches("*.{c,h}", "a.h"));
    assert_true(matches("{src,lib/x}/*.c", "lib/x/a.c"));
    assert_true(matches("{a,b{c,d/e}}", "bd/e"));
    assert_true(matches("a{,b}", "a"));
    assert_true(matches("x{a,b}{1,2}y", "xb1y"));
    assert_true(matches("a,b", "a,b"));
    assert_false(matches("*.{c,h}", "a.ch"));
    assert_false(matches("{a,b{c,d/e}}", "b"));
    (void)state;
}

static void double_star__is_any_number_of_components(void **state)
{
    assert_true(matches("**/*.c", "a.c"));
    assert_true(matches("**/*.c", "x/y/a.c"));
    assert_true(matches("src/**", "src/a/b"));
    assert_true(matches("**", "a"));
    assert_true(matches("a/**/b/**/c", "a/b/x/y/c"));
    assert_true(matches("{src/**,lib}/x", "src/x"));
    assert_false(matches("src/**", "src"));
    assert_false(matches("src/**", "srcs/a"));
    assert_false(matches("a/**/b/**/c", "a/x/y/c"));
    (void)state;
}

static void hidden_name__needs_a_literal_dot_or_a_double_star(void **state)
{
    assert_false(matches("*", ".env"));
    assert_false(matches("?env", ".env"));
    assert_false(matches("[.]env", ".env"));
    assert_false(matches("**/*", "src/.env"));
    assert_true(matches(".*", ".env"));
    assert_true(matches("{.,}env", ".env"));
    assert_true(matches("a*", "a.b"));
    assert_true(matches("src/**", "src/.env"));
    assert_true(matches("**/x", ".cache/x"));
    (void)state;
}

static void double_star__never_goes_through_git_or_the_store(void **state)
{
    assert_false(matches("**", ".git/config"));
    assert_false(matches("**", ".git"));
    assert_false(matches("**/x", "a/.reeve/b/x"));
    assert_true(matches("**/.git/config", "a/.git/config"));
    assert_true(matches(".git/HEAD", ".git/HEAD"));
    assert_true(matches("**/.g*/**/c", ".gx/.git/c")); /* the first one that fits is not the one that leads on */
    assert_true(matches("**", ".gitignore"));
    (void)state;
}

static void backslash__makes_a_character_itself(void **state)
{
    assert_true(matches("\\*", "*"));
    assert_true(matches("a\\{b", "a{b"));
    assert_true(matches("\\!x", "!x"));
    assert_true(matches("\\\\", "\\"));
    assert_false(matches("\\*", "x"));
    (void)state;
}

static void slash_in_front__begins_at_the_root_else_at_the_base(void **state)
{
    assert_true(matches_in("/x", "libs/a", "x"));
    assert_true(matches_in("x", "libs/a", "libs/a/x"));
    assert_true(matches_in("../b/./*.h", "libs/a", "libs/b/x.h"));
    assert_true(matches_in("x", "li*s", "li*s/x"));
    assert_true(matches("./x//y", "x/y"));
    assert_true(matches_in("{/x,y}", "p", "x"));
    assert_true(matches_in("{/x,y}", "p", "p/y"));
    assert_false(matches_in("x", "li*s", "libs/x"));
    assert_false(matches_in("/x", "libs/a", "libs/a/x"));
    (void)state;
}

/* ---- what a walk needs ---- */

static void assert_prefix(const char *pattern, const char *base, const char *prefix)
{
    rv_arena arena = {0};
    rv_str found = rv_glob_prefix(compiled_in(&arena, pattern, base));
    if (!rv_str_is(found, prefix)) fail_msg("prefix of `%s` is `%.*s`, not `%s`", pattern, RV_FMT(found), prefix);
    rv_arena_deinit(&arena);
}

static void prefix__is_the_deepest_directory_around_all_matches(void **state)
{
    assert_prefix("a/b/*.c", "", "a/b");
    assert_prefix("a/b/c", "", "a/b");
    assert_prefix("a/*/c", "", "a");
    assert_prefix("a/**", "", "a");
    assert_prefix("**", "", "");
    assert_prefix("x", "", "");
    assert_prefix("a/{b,c}/d", "", "a");
    assert_prefix("{a,a/b}/c", "", "a");
    assert_prefix("*.c", "libs/a", "libs/a");
    assert_prefix("../b/*.c", "libs/a", "libs/b");
    assert_prefix("/x/*", "libs/a", "x");
    (void)state;
}

static bool may_hold(const char *pattern, const char *dir)
{
    rv_arena arena = {0};
    bool may = rv_glob_may_hold(compiled_in(&arena, pattern, ""), rv_str_of(dir));
    rv_arena_deinit(&arena);
    return may;
}

static void may_hold__prunes_what_no_match_is_beneath(void **state)
{
    assert_true(may_hold("a/*/c", ""));
    assert_true(may_hold("a/*/c", "a"));
    assert_true(may_hold("a/*/c", "a/x"));
    assert_true(may_hold("**/x", "p/q/r"));
    assert_true(may_hold("{a,b/c}/x", "b/c"));
    assert_false(may_hold("a/*/c", "b"));
    assert_false(may_hold("a/*/c", "a/x/c"));
    assert_false(may_hold("a/*/c", "a/.x"));
    assert_false(may_hold("**", ".git"));
    assert_false(may_hold("**", "a/.reeve/b"));
    (void)state;
}

static void literal__is_the_one_path_that_a_pattern_without_wildcards_means(void **state)
{
    rv_arena arena = {0};
    assert_true(rv_str_is(rv_glob_literal(compiled_in(&arena, "./a/../b\\*c", "p/q")), "p/q/b*c"));
    assert_true(rv_str_is(rv_glob_literal(compiled_in(&arena, "/a", "p")), "a"));
    assert_null(rv_glob_literal(compiled_in(&arena, "a*", "")).at);
    assert_null(rv_glob_literal(compiled_in(&arena, "{a,b}", "")).at);
    assert_null(rv_glob_literal(compiled_in(&arena, "a/**", "")).at);
    rv_arena_deinit(&arena);
    (void)state;
}

static void escape__makes_a_pattern_that_means_the_text_itself(void **state)
{
    uint64_t seed = 7;
    static const char letters[] = "a*?[]{},\\!^-.b";
    for (int round = 0; round < 2000; round++) {
        rv_buf text = {0}, pattern = {0};
        rv_arena arena = {0};
        rv_buf_byte(&text, 'x');
        for (uint32_t i = rv_rng_below(&seed, 8); i > 0; i--) rv_buf_byte(&text, letters[rv_rng_below(&seed, sizeof letters - 1)]);
        rv_str name = rv_str_from(rv_buf_str(&text), rv_rng_below(&seed, 2));
        if (name.size > 0 && !rv_str_is(name, ".") && !rv_str_is(name, "..")) {
            rv_glob_escape(&pattern, name);
            assert_true(rv_str_eq(rv_glob_literal(compiled_in(&arena, pattern.at, "")), name));
        }
        rv_arena_deinit(&arena);
        rv_buf_deinit(&text);
        rv_buf_deinit(&pattern);
    }
    (void)state;
}

/* ---- what is no pattern ---- */

static void assert_refused(rv_str pattern, const char *base, rv_status status, size_t at, const char *what)
{
    rv_arena arena = {0};
    const rv_glob *glob = NULL;
    rv_glob_problem problem = {0};
    rv_status found = rv_glob_compile(pattern, rv_str_of(base), &arena, &glob, &problem);
    if (found != status) fail_msg("`%.*s` gave %s, not %s", RV_FMT(pattern), rv_status_name(found), rv_status_name(status));
    assert_null(glob);
    assert_int_equal(rv_glob_compile(pattern, rv_str_of(base), &arena, &glob, NULL), status);
    if (!strstr(problem.what, what) || problem.at != at)
        fail_msg("`%.*s`: `%s` at %zu, not `%s` at %zu", RV_FMT(pattern), problem.what, problem.at, what, at);
    rv_arena_deinit(&arena);
}

static void refused__says_what_and_at_which_byte(void **state)
{
    static const struct { const char *pattern, *base; size_t at; const char *what; } cases[] = {
        {"", "", 0, "empty"}, {"!a", "", 0, "exclusions"}, {"a**", "", 1, "beside something else"}, {"a/**b/c", "", 2, "beside"},
        {"***", "", 0, "two stars"}, {"a[b", "", 1, "without its `]`"}, {"[]", "", 0, "without its `]`"}, {"[b-a]", "", 1, "backwards"},
        {"[a/b]", "", 2, "a `/` cannot"}, {"[[:alpha:]]", "", 1, "named classes"}, {"a\\", "", 1, "nothing behind"},
        {"\\/", "", 1, "a `/` cannot"}, {"{a,b", "", 0, "without its `}`"}, {"a}", "", 1, "without its `{`"}, {"{a}", "", 0, "alone"},
        {"x${user.y}", "", 2, "alone"}, {"{1..3}", "", 0, "alone"}, {"..", "", 0, "out of the root"},
        {"a/../../b", "", 5, "out of the root"},
        {"/../x", "p", 1, "out of the root"}, {"{a,../../..}/x", "p", 6, "out of the root"}, {"*/../a", "", 2, "behind a wildcard"},
        {"a/", "", 1, "at the end"}, {"{a/,b}", "", 2, "at the end"}, {"/", "", 0, "directory itself"}, {".", "p", 0, "directory itself"},
        {"a/..", "p", 3, "directory itself"}, {"{,a}", "p", 0, "directory itself"}, {"[", "", 0, "without"}, {"[\\", "", 1, "nothing"},
    };
    for (size_t i = 0; i < RV_COUNT(cases); i++)
        assert_refused(rv_str_of(cases[i].pattern), cases[i].base, RV_INVALID, cases[i].at, cases[i].what);
    assert_refused((rv_str){"a\0b", 3}, "", RV_INVALID, 1, "NUL");
    assert_refused((rv_str){"[\0]", 3}, "", RV_INVALID, 1, "NUL");
    (void)state;
}

static void bounds__are_limits_and_hold_exactly(void **state)
{
    rv_buf text = {0};
    rv_arena arena = {0};
    for (size_t i = 0; i < RV_GLOB_SIZE_MAX; i++) rv_buf_byte(&text, 'a');
    assert_true(rv_glob_match(compiled_in(&arena, text.at, ""), rv_buf_str(&text)));
    rv_buf_byte(&text, 'a');
    assert_refused(rv_buf_str(&text), "", RV_LIMIT, RV_GLOB_SIZE_MAX, "4,096");
    rv_buf_clear(&text);
    for (size_t i = 0; i < RV_GLOB_COMPONENTS_MAX; i++) rv_buf_cstring(&text, "*/");
    text.at[--text.size] = 0;
    (void)compiled_in(&arena, text.at, "");
    assert_refused(rv_buf_str(&text), "p", RV_LIMIT, 2 * (RV_GLOB_COMPONENTS_MAX - 1), "63 components");
    rv_buf_clear(&text);
    for (int i = 0; i < 8; i++) rv_buf_cstring(&text, "{a,b}");
    assert_true(rv_glob_match(compiled_in(&arena, text.at, ""), RV_STR("abababab")));
    rv_buf_cstring(&text, "{a,b}");
    assert_refused(rv_buf_str(&text), "", RV_LIMIT, 40, "256 alternatives");
    assert_refused(RV_STR("{a,{a,{a,{a,{a,{a,{a,{a,{a,b}}}}}}}}}"), "", RV_LIMIT, 24, "8 deep");
    (void)compiled_in(&arena, "{a,{a,{a,{a,{a,{a,{a,{a,b}}}}}}}}", "");
    rv_buf_deinit(&text);
    rv_arena_deinit(&arena);
    (void)state;
}

static void stars__do_not_blow_up(void **state) /* a matcher that goes back over every star would not end here */
{
    rv_buf pattern = {0}, path = {0};
    rv_arena arena = {0};
    for (int i = 0; i < 500; i++) rv_buf_cstring(&pattern, "a*");
    rv_buf_cstring(&pattern, "b");
    for (int i = 0; i < 3000; i++) rv_buf_byte(&path, 'a');
    assert_false(rv_glob_match(compiled_in(&arena, pattern.at, ""), rv_buf_str(&path)));
    rv_buf_clear(&pattern);
    rv_buf_clear(&path);
    for (int i = 0; i < 31; i++) rv_buf_cstring(&pattern, "**/a/");
    rv_buf_cstring(&pattern, "b");
    for (int i = 0; i < 1500; i++) rv_buf_cstring(&path, i ? "/a" : "a");
    assert_false(rv_glob_match(compiled_in(&arena, pattern.at, ""), rv_buf_str(&path)));
    rv_buf_deinit(&pattern);
    rv_buf_deinit(&path);
    rv_arena_deinit(&arena);
    (void)state;
}

/* ---- the matcher that tries everything ---- */

#define DOUBLE '\1' /* `**`; two stars that only meet when braces are replaced are two */

static bool slow_name(const char *p, const char *p_end, const char *n, const char *n_end)
{
    if (p == p_end) return n == n_end;
    if (*p == '*') return slow_name(p + 1, p_end, n, n_end) || (n < n_end && slow_name(p, p_end, n + 1, n_end));
    return n < n_end && (*p == '?' || *p == *n) && slow_name(p + 1, p_end, n + 1, n_end);
}

static bool is_forbidden(const char *n, const char *n_end)
{
    rv_str name = {n, (size_t)(n_end - n)};
    return rv_str_is(name, ".git") || rv_str_is(name, ".reeve");
}

static const char *name_end(const char *at)
{
    while (*at && *at != '/') at++;
    return at;
}

static bool slow_path(const char *p, const char *n)
{
    while (*p == '/') p++;
    if (*p == 0) return *n == 0;
    const char *p_end = name_end(p), *n_end = name_end(n), *n_next = *n_end ? n_end + 1 : n_end;
    const char *p_next = p_end;
    while (*p_next == '/') p_next++;
    if (*p == DOUBLE) {
        if (*p_next && slow_path(p_next, n)) return true;
        if (*n == 0 || is_forbidden(n, n_end)) return false;
        return slow_path(p, n_next) || (!*p_next && !*n_next);
    }
    if (*n == 0 || (*n == '.' && *p != '.')) return false;
    return slow_name(p, p_end, n, n_end) && slow_path(p_end, n_next);
}

/* As slow_path; each `x/..` of the pattern is cut out before. */
static bool slow_plain(const char *p, const char *path)
{
    char text[64] = "";
    for (const char *at = p; *at; at = name_end(at) + (*name_end(at) != 0)) {
        int size = (int)(name_end(at) - at);
        char *last = strrchr(text, '/');
        if (size == 2 && at[0] == '.' && at[1] == '.') *(last ? last : text) = 0;
        else if (size > 0 && !(size == 1 && *at == '.')) sprintf(text + strlen(text), "/%.*s", size, at);
    }
    return slow_path(text, path);
}

/* The first braces of `p` are replaced by each of their alternatives in turn. */
static bool slow(const char *p, const char *path)
{
    const char *open = strchr(p, '{');
    if (!open) return slow_plain(p, path);
    char text[64];
    const char *close = open, *begin = open + 1;
    for (int depth = 0; close == open || depth > 0; close++) depth += (*close == '{') - (*close == '}');
    int depth = 0;
    for (const char *at = open + 1; at < close; at++) {
        if (*at == '{') depth++;
        if (*at == '}' && at + 1 < close) depth--;
        if (at + 1 < close && (*at != ',' || depth > 0)) continue;
        snprintf(text, sizeof text, "%.*s%.*s%s", (int)(open - p), p, (int)(at - begin), begin, close);
        if (slow(text, path)) return true;
        begin = at + 1;
    }
    return false;
}

static bool slow_match(const char *pattern, const char *path)
{
    char text[64];
    snprintf(text, sizeof text, "%s", pattern);
    for (char *at; (at = strstr(text, "**"));) {
        *at = DOUBLE;
        memmove(at + 1, at + 2, strlen(at + 2) + 1);
    }
    return slow(text, path);
}

/* The words over `letters` of 1 to `size` letters, the `number`-th; false: there is none. */
static bool word_of(uint64_t number, const char *letters, size_t size, char *ret)
{
    uint64_t base = strlen(letters), all = base;
    for (size_t length = 1; length <= size; length++, all *= base) {
        if (number >= all) {
            number -= all;
            continue;
        }
        for (size_t i = 0; i < length; i++, number /= base) ret[i] = letters[number % base];
        ret[length] = 0;
        return true;
    }
    return false;
}

static bool is_path(const char *text)
{
    for (const char *at = text;; at = name_end(at) + 1) {
        size_t size = (size_t)(name_end(at) - at);
        if (size == 0 || (size == 1 && *at == '.') || (size == 2 && at[0] == '.' && at[1] == '.')) return false;
        if (!at[size]) return true;
    }
}

typedef struct paths { char text[2000][16]; size_t count; } paths;

static void make_paths(paths *all, const char *letters, size_t size)
{
    for (uint64_t i = 0; word_of(i, letters, size, all->text[all->count]); i++)
        if (is_path(all->text[all->count])) assert_true(++all->count < RV_COUNT(all->text) - 3);
    static const char *const more[] = {".git", ".git/a", "a/.git/a"};
    for (size_t i = 0; i < RV_COUNT(more); i++) strcpy(all->text[all->count++], more[i]);
}

/* Each pattern of up to `size` letters with each path: the same answer; a directory above a match may hold one, the prefix is above it. */
static void compare(const char *letters, size_t size, const paths *all)
{
    char pattern[16];
    uint64_t compiled = 0, matched = 0;
    for (uint64_t i = 0; word_of(i, letters, size, pattern); i++) {
        rv_arena arena = {0};
        const rv_glob *glob;
        bool is_one = rv_glob_compile(rv_str_of(pattern), (rv_str){0}, &arena, &glob, NULL) == RV_OK;
        for (size_t k = 0; is_one && k < all->count; k++) {
            const char *path = all->text[k];
            bool fits = rv_glob_match(glob, rv_str_of(path));
            if (fits != slow_match(pattern, path)) fail_msg("`%s` and `%s`: %d", pattern, path, fits);
            for (size_t cut = 0; fits && path[cut]; cut++)
                if (cut == 0 || path[cut] == '/') assert_true(rv_glob_may_hold(glob, (rv_str){path, cut}));
            rv_str prefix = rv_glob_prefix(glob);
            if (fits && prefix.size) assert_true(rv_str_starts(rv_str_of(path), prefix) && path[prefix.size] == '/');
            if (rv_glob_literal(glob).at) assert_true(fits == rv_str_is(rv_glob_literal(glob), path));
            matched += fits;
        }
        compiled += is_one;
        rv_arena_deinit(&arena);
    }
    print_message("`%s`: %llu patterns, %llu matches\n", letters, (unsigned long long)compiled, (unsigned long long)matched);
    assert_true(compiled > 500 && matched > 1000);
}

static void every_small_pattern_and_path__is_as_the_matcher_that_tries_everything_says(void **state)
{
    static paths all, few;
    make_paths(&all, "ab./", 5);
    make_paths(&few, "a./", 4);
    compare("a*?/", 6, &all);
    compare("a.*/", 6, &few);
    compare("a*{,}/", 6, &few);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(star__is_any_part_of_one_name),
        cmocka_unit_test(question_mark__is_one_character_also_of_several_bytes),
        cmocka_unit_test(set__is_one_of_its_characters_or_none_of_them),
        cmocka_unit_test(braces__are_a_choice_of_paths_too_and_nest),
        cmocka_unit_test(double_star__is_any_number_of_components),
        cmocka_unit_test(hidden_name__needs_a_literal_dot_or_a_double_star),
        cmocka_unit_test(double_star__never_goes_through_git_or_the_store),
        cmocka_unit_test(backslash__makes_a_character_itself),
        cmocka_unit_test(slash_in_front__begins_at_the_root_else_at_the_base),
        cmocka_unit_test(prefix__is_the_deepest_directory_around_all_matches),
        cmocka_unit_test(may_hold__prunes_what_no_match_is_beneath),
        cmocka_unit_test(literal__is_the_one_path_that_a_pattern_without_wildcards_means),
        cmocka_unit_test(escape__makes_a_pattern_that_means_the_text_itself),
        cmocka_unit_test(refused__says_what_and_at_which_byte),
        cmocka_unit_test(bounds__are_limits_and_hold_exactly),
        cmocka_unit_test(stars__do_not_blow_up),
        cmocka_unit_test(every_small_pattern_and_path__is_as_the_matcher_that_tries_everything_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
