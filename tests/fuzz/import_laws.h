/* import_laws.h: what holds of every file that is imported, for the fuzz targets and the unit tests: a reader that has no errors gives a
 * workflow that loads, and one that has some gives nothing. The machine that readers ask is made up: a few files, no commands. */
#ifndef IMPORT_LAWS_H
#define IMPORT_LAWS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/import.h"

static const struct made_up_file { const char *path, *text; } made_up_files[] = {
    {"a.c", "int a;\n"}, {"b.c", "int b;\n"}, {"src/main.c", "int main;\n"}, {"conf.mk", "X = conf\nall: conf\nconf:\n\ttouch conf\n"},
    {"self.mk", "include self.mk\n"},
    {"package.json", "{\"name\": \"p\", \"workspaces\": [\"packages/*\"], \"scripts\": {\"build\": \"echo b\"}}"},
    {"packages/lib/package.json", "{\"name\": \"lib\", \"scripts\": {\"build\": \"cd x && tsc $npm_package_name\", \"test\": \"t\"}}"},
    {"packages/app/package.json",
     "{\"name\": \"app\", \"dependencies\": {\"lib\": \"*\"}, \"scripts\": {\"build\": \"b\", \"dev\": \"d\"}}"},
};

static inline bool made_up_read(void *user, rv_str path, rv_buf *out)
{
    (void)user;
    for (size_t i = 0; i < RV_COUNT(made_up_files); i++)
        if (rv_str_is(path, made_up_files[i].path)) return rv_buf_cstring(out, made_up_files[i].text), true;
    return false;
}

static inline bool made_up_is_there(void *user, rv_str path, bool *ret_is_folder)
{
    rv_buf text = {0};
    *ret_is_folder = rv_str_is(path, "src");
    bool is_there = *ret_is_folder || made_up_read(user, path, &text);
    rv_buf_deinit(&text);
    return is_there;
}

/* Every file that the pattern means, whose star stands for no slash. */
static inline void made_up_glob(void *user, rv_str pattern, rv_buf *out)
{
    (void)user;
    size_t star = rv_str_find(pattern, 0, '*');
    for (size_t i = 0; i < RV_COUNT(made_up_files) && star != SIZE_MAX; i++) {
        rv_str path = rv_str_of(made_up_files[i].path), suffix = rv_str_from(pattern, star + 1);
        if (path.size < star + suffix.size || !rv_str_starts(path, rv_str_cut(pattern, 0, star)) || !rv_str_ends(path, suffix)) continue;
        if (rv_str_find(rv_str_cut(path, star, path.size - star - suffix.size), 0, '/') != SIZE_MAX) continue;
        rv_buf_printf(out, "%s%s", out->size ? " " : "", made_up_files[i].path);
    }
}

static inline const char *made_up_env(void *user, rv_str name)
{
    (void)user;
    return rv_str_is(name, "PATH") ? "/usr/bin:/bin" : rv_str_is(name, "HOME") ? "/home" : NULL;
}

static const rv_import_host made_up_host = {NULL, made_up_read, made_up_is_there, made_up_glob, made_up_env, NULL};

/* Import `source`; what it becomes must load. `said` (NULL: nobody listens) gets the workflow, then what was said. */
static inline bool import_and_load(bool (*reader)(rv_import *), rv_str source, rv_buf *said)
{
    rv_problems problems = {0}, wrong = {0};
    rv_import import = {.host = &made_up_host, .problems = &problems, .file = RV_STR("file"), .source = source, .folder = RV_STR("/there")};
    rv_buf text = {0}, why = {0};
    bool is_read = reader(&import);
    RV_ASSERT(is_read == (problems.error_count == 0));
    if (is_read) {
        rv_spec *spec = NULL;
        rv_import_write(&import, &text);
        rv_spec_input input = {.source = rv_buf_str(&text), .file = "written", .dir = "/nowhere", .skip_values = true};
        if (rv_spec_load(&input, &spec, &wrong) != RV_OK) {
            rv_problems_text(&why, &wrong, rv_buf_str(&text), false, false);
            fprintf(stderr, "%s\n%s", text.at, why.at);
        }
        RV_ASSERT(spec != NULL);
        rv_spec_free(spec);
    }
    if (said) {
        rv_buf_str_add(said, rv_buf_str(&text));
        rv_problems_text(said, &problems, source, false, false);
    }
    rv_import_deinit(&import);
    rv_problems_deinit(&problems);
    rv_problems_deinit(&wrong);
    rv_buf_deinit(&text);
    rv_buf_deinit(&why);
    return is_read;
}

#endif
