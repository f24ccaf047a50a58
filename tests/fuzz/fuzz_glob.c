/* fuzz_glob.c: any bytes as a pattern, its base and a path, a newline between them: what compiles keeps its laws. */
#include "base/glob.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_path(rv_str text)
{
    for (size_t at = 0; at <= text.size;) {
        size_t end = RV_MIN(rv_str_find(text, at, '/'), text.size);
        rv_str name = rv_str_cut(text, at, end - at);
        if (name.size == 0 || rv_str_is(name, ".") || rv_str_is(name, "..")) return false;
        at = end + 1;
    }
    return true;
}

static void look(const rv_glob *glob, rv_str path)
{
    bool fits = rv_glob_match(glob, path);
    rv_str prefix = rv_glob_prefix(glob), literal = rv_glob_literal(glob);
    RV_ASSERT(!literal.at || (is_path(literal) && fits == rv_str_eq(literal, path)));
    RV_ASSERT(prefix.size == 0 || is_path(prefix));
    if (!fits) return;
    RV_ASSERT(prefix.size == 0 || (rv_str_starts(path, prefix) && path.at[prefix.size] == '/'));
    RV_ASSERT(rv_glob_may_hold(glob, (rv_str){0}));
    for (size_t i = 0; i < path.size; i++)
        if (path.at[i] == '/') RV_ASSERT(rv_glob_may_hold(glob, (rv_str){path.at, i}));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rv_str all = {(const char *)data, size};
    size_t first = RV_MIN(rv_str_find(all, 0, '\n'), size), second = RV_MIN(rv_str_find(all, first + 1, '\n'), size);
    rv_str pattern = rv_str_cut(all, 0, first), base = rv_str_from(all, first + 1), path = rv_str_from(all, second + 1);
    if (first < size && second > first) base = rv_str_cut(base, 0, second - first - 1);
    if (base.size > RV_GLOB_SIZE_MAX || !is_path(base)) base = (rv_str){0};
    rv_arena arena = {0};
    const rv_glob *glob = NULL;
    rv_glob_problem problem = {.at = SIZE_MAX};
    if (rv_glob_compile(pattern, base, &arena, &glob, &problem) == RV_OK) {
        if (is_path(path)) look(glob, path);
    } else {
        RV_ASSERT(!glob && problem.at <= pattern.size && problem.what && problem.cure);
    }
    rv_buf escaped = {0};
    if (path.size && path.size < 1000 && is_path(path) && !memchr(path.at, 0, path.size)) {
        rv_glob_escape(&escaped, path);
        if (rv_glob_compile(rv_buf_str(&escaped), (rv_str){0}, &arena, &glob, NULL) == RV_OK) RV_ASSERT(rv_glob_match(glob, path));
    }
    rv_buf_deinit(&escaped);
    rv_arena_deinit(&arena);
    return 0;
}
