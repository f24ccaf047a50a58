/* import_turbo.c: a turbo.json: its tasks for each package of the workspaces, flattened into one workflow. A package without a task's
 * script
 * is passed through, as by turbo. */
#include <stdio.h>
#include <string.h>

#include "base/glob.h"
#include "cli/import.h"
#include "cli/import_npm.h"
#include "spec/doc.h"

#define PACKAGES_MAX 2000u
#define TASKS_MAX 200u

typedef struct package {
    rv_str folder, name; /* folder: relative; size 0: the root */
    rv_doc doc;
    rv_buf source;
    uint32_t scripts;    /* value; RV_NONE: none */
    RV_VEC(uint32_t) depends; /* packages */
} package;
typedef struct task { rv_str name; uint32_t value, key; } task; /* of all packages, or `package#task` */

typedef struct turbo {
    rv_import *import;
    rv_doc doc;
    rv_problems ignored;
    RV_VEC(package *) packages;
    rv_map package_map;
    RV_VEC(task) tasks;      /* as the file has them */
    RV_VEC(rv_str) names;    /* of tasks without a package */
    rv_map task_map, name_map;
    rv_map outputs;          /* files that tasks make → pair */
    bool *is_needed;         /* of each pair: package * names.count + name */
    uint32_t *node;          /* of each pair: index of its node, or RV_NONE */
} turbo;

static uint32_t pair_of(const turbo *t, uint32_t pack, uint32_t name) { return pack * t->names.count + name; }
static const package *package_of(const turbo *t, uint32_t pair) { return t->packages.at[pair / t->names.count]; }
static rv_str name_of(const turbo *t, uint32_t pair) { return t->names.at[pair % t->names.count]; }
static rv_import_place place_of(turbo *t, uint32_t value) { return rv_import_place_of(&t->doc, value); }
static rv_str text_of(const turbo *t, uint32_t value) { return rv_arena_str(&t->import->arena, rv_doc_text(&t->doc, value)); }

/* ---- packages ---- */

static bool add_package(turbo *t, rv_str folder)
{
    rv_import *import = t->import;
    package *p = rv_alloc(sizeof *p);
    rv_str path = rv_arena_printf(&import->arena, "%.*s%spackage.json", RV_FMT(folder), folder.size ? "/" : "");
    p->folder = rv_arena_str(&import->arena, folder);
    p->scripts = RV_NONE;
    rv_spec_input input = {.file = rv_arena_cstring(&import->arena, path), .is_json = true};
    bool is_read = import->host->read(import->host->user, path, &p->source);
    input.source = rv_buf_str(&p->source);
    if (!is_read || rv_doc_read(&p->doc, &input, &t->ignored) != RV_OK) {
        if (is_read) rv_import_note(import, (rv_import_place){.file = path}, "correct it", "the package is left out: it is no JSON");
        rv_doc_deinit(&p->doc);
        rv_buf_deinit(&p->source);
        rv_free(p);
        return is_read;
    }
    uint32_t name = rv_doc_get(&p->doc, 0, "name"), scripts = rv_doc_get(&p->doc, 0, "scripts");
    p->name = name == RV_NONE ? p->folder : rv_arena_str(&import->arena, rv_doc_text(&p->doc, name));
    if (scripts != RV_NONE && rv_doc_kind_of(&p->doc, scripts) == RV_DOC_MAP) p->scripts = scripts;
    rv_map_add(&t->package_map, p->name, t->packages.count);
    rv_vec_push(&t->packages, p);
    return true;
}

static void read_workspaces(turbo *t)
{
    rv_import *import = t->import;
    bool is_folder;
    if (!add_package(t, RV_STR("")) || t->packages.count == 0) {
        rv_import_fail(import, (rv_import_place){0}, "name the turbo.json of a root",
                       "there is no package.json beside it that can be read");
        return;
    }
    rv_doc *doc = &t->packages.at[0]->doc;
    uint32_t list = rv_doc_get(doc, 0, "workspaces");
    if (list != RV_NONE && rv_doc_kind_of(doc, list) == RV_DOC_MAP) list = rv_doc_get(doc, list, "packages");
    if (list == RV_NONE || rv_doc_kind_of(doc, list) != RV_DOC_LIST) {
        if (import->host->is_there(import->host->user, RV_STR("pnpm-workspace.yaml"), &is_folder))
            rv_import_note(import, (rv_import_place){0}, "name them as `workspaces` of package.json too",
                           "packages of pnpm-workspace.yaml are not read");
        return;
    }
    for (uint32_t at = list + 1; at < rv_doc_next(doc, list); at = rv_doc_next(doc, at)) {
        rv_str pattern = rv_doc_text(doc, at);
        if (pattern.size == 0 || pattern.at[0] == '!' || rv_str_find(pattern, 0, ' ') != SIZE_MAX) continue;
        rv_buf found = {0};
        while (pattern.size > 0 && pattern.at[pattern.size - 1] == '/') pattern.size--;
        import->host->glob(import->host->user, rv_arena_printf(&import->arena, "%.*s/package.json", RV_FMT(pattern)), &found);
        rv_str rest = rv_arena_str(&import->arena, rv_buf_str(&found));
        rv_buf_deinit(&found);
        while (rest.size > 0 && t->packages.count < PACKAGES_MAX) {
            size_t end = RV_MIN(rv_str_find(rest, 0, ' '), rest.size), slash = end;
            while (slash > 0 && rest.at[slash - 1] != '/') slash--;
            if (slash > 1) add_package(t, rv_str_cut(rest, 0, slash - 1));
            rest = rv_str_from(rest, end + 1);
        }
    }
}

static void link_packages(turbo *t)
{
    static const char *const keys[] = {"dependencies", "devDependencies", "optionalDependencies", "peerDependencies"};
    for (uint32_t p = 0; p < t->packages.count; p++) {
        package *one = t->packages.at[p];
        for (size_t k = 0; k < RV_COUNT(keys); k++) {
            uint32_t map = rv_doc_get(&one->doc, 0, keys[k]);
            if (map == RV_NONE || rv_doc_kind_of(&one->doc, map) != RV_DOC_MAP) continue;
            for (uint32_t at = map + 1; at < rv_doc_next(&one->doc, map); at = rv_doc_next(&one->doc, at + 1)) {
                uint32_t other = rv_map_get(&t->package_map, rv_doc_text(&one->doc, at));
                if (other != RV_NONE && other != p) rv_vec_push(&one->depends, other);
            }
        }
    }
}

/* ---- tasks ---- */

static void read_tasks(turbo *t)
{
    uint32_t map = rv_doc_get(&t->doc, 0, "tasks");
    if (map == RV_NONE) map = rv_doc_get(&t->doc, 0, "pipeline");
    if (map == RV_NONE || rv_doc_kind_of(&t->doc, map) != RV_DOC_MAP || rv_doc_size(&t->doc, map) == 0) {
        rv_import_fail(t->import, (rv_import_place){0}, "name a turbo.json that has some", "there are no `tasks`");
        return;
    }
    for (uint32_t at = map + 1; at < rv_doc_next(&t->doc, map); at = rv_doc_next(&t->doc, at + 1)) {
        rv_str full = text_of(t, at), name = full;
        size_t hash = rv_str_find(full, 0, '#');
        if (hash != SIZE_MAX) name = rv_str_from(full, hash + 1);
        if (rv_map_add(&t->task_map, full, t->tasks.count) == RV_NONE) rv_vec_push(&t->tasks, ((task){full, at + 1, at}));
        if (rv_map_add(&t->name_map, name, t->names.count) == RV_NONE) rv_vec_push(&t->names, name);
    }
    if (t->names.count > TASKS_MAX) rv_import_fail(t->import, (rv_import_place){0}, "divide it", "there are more than %u tasks", TASKS_MAX);
}

/* The definition of a task of a package: its own, else that for all. RV_NONE: none. */
static uint32_t definition(const turbo *t, uint32_t pair)
{
    const package *p = package_of(t, pair);
    rv_str own = rv_arena_printf(&t->import->arena, "%.*s#%.*s", RV_FMT(p->folder.size ? p->name : RV_STR("//")), RV_FMT(name_of(t, pair)));
    uint32_t index = rv_map_get(&t->task_map, own);
    if (index == RV_NONE && p->folder.size == 0) {
        own = rv_arena_printf(&t->import->arena, "%.*s#%.*s", RV_FMT(p->name), RV_FMT(name_of(t, pair)));
        index = rv_map_get(&t->task_map, own);
        if (index == RV_NONE && t->packages.count > 1) return RV_NONE; /* tasks of the root are named as such */
    }
    if (index == RV_NONE) index = rv_map_get(&t->task_map, name_of(t, pair));
    return index == RV_NONE ? RV_NONE : t->tasks.at[index].value;
}

static uint32_t script_of(const turbo *t, uint32_t pair)
{
    const package *p = package_of(t, pair);
    char name[256];
    rv_str text = name_of(t, pair);
    if (p->scripts == RV_NONE || text.size >= sizeof name || definition(t, pair) == RV_NONE) return RV_NONE;
    snprintf(name, sizeof name, "%.*s", RV_FMT(text));
    return rv_doc_get(&p->doc, p->scripts, name);
}

static bool is_true(const turbo *t, uint32_t map, const char *key)
{
    uint32_t value = map == RV_NONE ? RV_NONE : rv_doc_get(&t->doc, map, key);
    return value != RV_NONE && rv_doc_kind_of(&t->doc, value) == RV_DOC_TRUE;
}

/* The pairs that a pair depends on, appended. */
static void dependencies(turbo *t, uint32_t pair, rv_import_indices *ret)
{
    uint32_t map = definition(t, pair), list = map == RV_NONE ? RV_NONE : rv_doc_get(&t->doc, map,
                                                                                     "dependsOn"), own = pair / t->names.count;
    if (list == RV_NONE || rv_doc_kind_of(&t->doc, list) != RV_DOC_LIST) return;
    for (uint32_t at = list + 1; at < rv_doc_next(&t->doc, list); at = rv_doc_next(&t->doc, at)) {
        rv_str text = rv_doc_text(&t->doc, at);
        bool is_above = text.size > 0 && text.at[0] == '^';
        size_t hash = rv_str_find(text, 0, '#');
        rv_str pack = hash == SIZE_MAX ? (rv_str){0} : rv_str_cut(text, 0, hash);
        uint32_t name = rv_map_get(&t->name_map, is_above ? rv_str_from(text, 1) : hash == SIZE_MAX ? text : rv_str_from(text, hash + 1));
        uint32_t other = pack.size == 0 ? own : rv_str_is(pack, "//") ? 0 : rv_map_get(&t->package_map, pack);
        if (text.size > 0 && text.at[0] == '$') {
            rv_import_note(t->import, place_of(t, at), "name it in `env`", "`%.*s` among dependsOn is not carried over", RV_FMT(text));
        } else if (name == RV_NONE || other == RV_NONE) {
            rv_import_note(t->import, place_of(t, at), "correct it", "`%.*s` names no task that is here", RV_FMT(text));
        } else if (!is_above) {
            rv_vec_push(ret, pair_of(t, other, name));
        } else {
            const package *p = t->packages.at[own];
            for (uint32_t i = 0; i < p->depends.count; i++) rv_vec_push(ret, pair_of(t, p->depends.at[i], name));
        }
    }
}

/* Mark what is wanted, and all that it needs. */
static void need(turbo *t)
{
    rv_import_indices open = {0};
    for (uint32_t pair = 0; pair < t->packages.count * t->names.count; pair++) {
        uint32_t map = definition(t, pair);
        if (!rv_import_wants(t->import, name_of(t, pair)) || script_of(t, pair) == RV_NONE) continue;
        if (is_true(t, map, "persistent")) {
            rv_import_note(t->import, place_of(t, map), "start it yourself, beside the run", "`%.*s` never ends: it is left out",
                           RV_FMT(name_of(t, pair)));
            continue;
        }
        rv_vec_push(&open, pair);
    }
    while (open.count > 0) {
        uint32_t pair = rv_vec_pop(&open);
        if (t->is_needed[pair]) continue;
        t->is_needed[pair] = true;
        dependencies(t, pair, &open);
    }
    rv_vec_deinit(&open);
}

/* ---- nodes ---- */

/* A pattern of a package as one of the root. */
static rv_str rooted(turbo *t, const package *p, rv_str pattern)
{
    return rv_arena_printf(&t->import->arena, "%.*s%s%.*s", RV_FMT(p->folder), p->folder.size ? "/" : "", RV_FMT(pattern));
}

/* Is it a pattern that a workflow file can have? */
static bool is_pattern(rv_str text)
{
    rv_arena arena = {0};
    const rv_glob *glob = NULL;
    rv_glob_problem problem;
    bool is_good = text.size > 0 && text.at[0] != '/' && rv_str_find(text, 0, '$') == SIZE_MAX && memmem(text.at, text.size, "..",
                                                                                                         2) == NULL;
    is_good = is_good && rv_glob_compile(text, RV_STR(""), &arena, &glob, &problem) == RV_OK;
    rv_arena_deinit(&arena);
    return is_good;
}

static void add_patterns(turbo *t, const package *p, uint32_t list, bool is_rooted, rv_import_strs *ret)
{
    if (list == RV_NONE || rv_doc_kind_of(&t->doc, list) != RV_DOC_LIST) return;
    for (uint32_t at = list + 1; at < rv_doc_next(&t->doc, list); at = rv_doc_next(&t->doc, at)) {
        rv_str text = text_of(t, at);
        if (is_pattern(text)) rv_vec_push(ret, is_rooted ? rooted(t, p, text) : text);
        else if (!rv_str_is(text, "$TURBO_DEFAULT$"))
            rv_import_note(t->import, place_of(t, at), "write patterns that name what is meant", "the pattern `%.*s` is not carried over",
                           RV_FMT(text));
    }
}

/* Is `name`, a file or a folder of the package, what a task makes? *ret_is_mixed: the folder has what it makes, and other files. */
static bool is_made(const rv_import_strs *outputs, rv_str name, bool *ret_is_mixed)
{
    static const char *const made[] = {"node_modules", "dist", "build", "out", "coverage"};
    for (size_t i = 0; i < RV_COUNT(made); i++)
        if (rv_str_is(name, made[i])) return true;
    for (uint32_t i = 0; i < outputs->count; i++) {
        rv_str output = outputs->at[i], rest = rv_str_from(output, name.size);
        if (rv_str_eq(output, name)) return true;
        if (!rv_str_starts(output, name) || rest.at[0] != '/') continue;
        if (rv_str_is(rest, "/**") || rv_str_is(rest, "/") || rv_str_is(rest, "/**/*")) return true;
        *ret_is_mixed = true;
    }
    return false;
}

/* All files of the package, but for what is made: what is there now says which. `outputs`: relative to the package. false: they cannot be
 * told from what the task makes. */
static bool default_inputs(turbo *t, const package *p, const rv_import_strs *outputs, rv_import_strs *ret)
{
    rv_buf found = {0};
    rv_import *import = t->import;
    bool is_folder, is_mixed = false;
    import->host->glob(import->host->user, rooted(t, p, RV_STR("*")), &found);
    rv_str rest = rv_arena_str(&import->arena, rv_buf_str(&found));
    rv_buf_deinit(&found);
    while (rest.size > 0) {
        size_t end = RV_MIN(rv_str_find(rest, 0, ' '), rest.size);
        rv_str path = rv_str_cut(rest, 0, end), name = rv_str_from(path, p->folder.size ? p->folder.size + 1 : 0);
        rest = rv_str_from(rest, end + 1);
        bool is_left_out = !import->host->is_there(import->host->user, path, &is_folder) || is_made(outputs, name, &is_mixed);
        for (uint32_t i = 1; i < t->packages.count && p->folder.size == 0 && !is_left_out; i++)
            is_left_out = rv_str_starts(t->packages.at[i]->folder, name); /* of the root: not the packages */
        if (!is_left_out) rv_vec_push(ret, is_folder ? rv_arena_printf(&import->arena, "%.*s/**", RV_FMT(path)) : path);
    }
    return !is_mixed;
}

/* What those make that a node needs: from the root, through packages without a script. */
static void made_before(turbo *t, uint32_t pair, rv_import_strs *ret)
{
    rv_import_indices open = {0};
    size_t pairs = (size_t)t->packages.count * t->names.count;
    bool *seen = rv_alloc(pairs);
    t->import->text_size += pairs / 64; /* for each of very many it is too much */
    dependencies(t, pair, &open);
    while (open.count > 0) {
        uint32_t other = rv_vec_pop(&open), map = definition(t, other);
        if (seen[other]) continue;
        seen[other] = true;
        if (script_of(t, other) == RV_NONE) dependencies(t, other, &open);
        else add_patterns(t, package_of(t, other), rv_doc_get(&t->doc, map, "outputs"), true, ret);
    }
    rv_free(seen);
    rv_vec_deinit(&open);
}

static void add_names(turbo *t, uint32_t list, rv_import_strs *ret)
{
    if (list == RV_NONE || rv_doc_kind_of(&t->doc, list) != RV_DOC_LIST) return;
    for (uint32_t at = list + 1; at < rv_doc_next(&t->doc, list); at = rv_doc_next(&t->doc, at)) {
        rv_str name = text_of(t, at);
        if (rv_import_is_variable(name)) rv_vec_push(ret, name);
        else rv_import_note(t->import, place_of(t, at), "name each variable", "`%.*s` is not carried over", RV_FMT(name));
    }
}

/* The task's own patterns, else all files of the package. false: it cannot be kept. */
static bool own_inputs(turbo *t, const package *p, uint32_t map, rv_str name, rv_import_strs *ret)
{
    uint32_t inputs = rv_doc_get(&t->doc, map, "inputs");
    bool has_default = inputs == RV_NONE, is_good = true;
    rv_import_strs outputs = {0};
    add_patterns(t, p, inputs, true, ret);
    for (uint32_t at = inputs == RV_NONE ? 1 : inputs + 1; inputs != RV_NONE &&
         at < rv_doc_next(&t->doc, inputs); at = rv_doc_next(&t->doc, at))
        has_default |= rv_str_is(rv_doc_text(&t->doc, at), "$TURBO_DEFAULT$");
    if (!has_default) return true;
    add_patterns(t, p, rv_doc_get(&t->doc, map, "outputs"), false, &outputs);
    is_good = default_inputs(t, p, &outputs, ret);
    if (is_good)
        rv_import_note(t->import, place_of(t, map), "see that nothing is missing and nothing of it is made by the task",
                       "turbo takes all files that git knows as inputs of `%.*s`; taken are those that are there", RV_FMT(name));
    else
        rv_import_note(t->import, place_of(t, map), "name its `inputs`, without what it makes",
                       "`%.*s` makes files in a folder that has others, too: it is not kept in the cache", RV_FMT(name));
    rv_vec_deinit(&outputs);
    return is_good;
}

/* Two nodes cannot make one file: it stays that of the first. */
static void own_outputs(turbo *t, uint32_t pair, uint32_t map, rv_import_node *node)
{
    rv_import_strs all = {0};
    uint32_t list = rv_doc_get(&t->doc, map, "outputs");
    add_patterns(t, package_of(t, pair), list, true, &all);
    for (uint32_t i = 0; i < all.count; i++) {
        const rv_glob *glob = NULL;
        rv_glob_problem problem;
        if (rv_glob_compile(all.at[i], RV_STR(""), &t->import->arena, &glob, &problem) != RV_OK) continue;
        rv_str literal = rv_glob_literal(glob);
        if (literal.size && rv_map_add(&t->outputs, literal, pair) != RV_NONE)
            rv_import_note(t->import, place_of(t, list), "see which of them is meant",
                           "`%.*s` is made by two tasks, or named twice: left out here",
                           RV_FMT(literal));
        else rv_vec_push(&node->outputs, all.at[i]);
    }
    rv_vec_deinit(&all);
}

static void keep_in_cache(turbo *t, uint32_t pair, uint32_t map, rv_import_node *node)
{
    const package *p = package_of(t, pair);
    static const char *const keys[] = {"env", "passThroughEnv"}, *const global[] = {"globalEnv", "globalPassThroughEnv"};
    uint32_t cache = rv_doc_get(&t->doc, map, "cache");
    bool is_off = cache != RV_NONE && rv_doc_kind_of(&t->doc, cache) == RV_DOC_FALSE;
    if (is_off) return; /* turbo asks for no outputs of what it does not keep */
    own_outputs(t, pair, map, node);
    if (!own_inputs(t, p, map, name_of(t, pair), &node->inputs)) {
        node->inputs.count = node->outputs.count = 0;
        return;
    }
    add_patterns(t, t->packages.at[0], rv_doc_get(&t->doc, 0, "globalDependencies"), true, &node->inputs);
    made_before(t, pair, &node->inputs);
    for (size_t i = 0; i < RV_COUNT(keys); i++) {
        add_names(t, rv_doc_get(&t->doc, map, keys[i]), &node->env_host);
        add_names(t, rv_doc_get(&t->doc, 0, global[i]), &node->env_host);
    }
    node->is_cached = true;
}

static void make_node(turbo *t, uint32_t pair)
{
    rv_import *import = t->import;
    const package *p = package_of(t, pair);
    uint32_t map = definition(t, pair), value = script_of(t, pair);
    rv_str id = rv_import_id(import, rv_arena_printf(&import->arena, "%.*s_%.*s", RV_FMT(p->name.size ? p->name : RV_STR("root")),
                                                     RV_FMT(name_of(t, pair))));
    rv_import_node *node = rv_import_add(import, id);
    t->node[pair] = import->nodes.count - 1;
    if (value == RV_NONE) return;
    rv_buf bin = {0};
    rv_buf_cstring(&bin, "node_modules/.bin");
    if (p->folder.size) {
        rv_buf_cstring(&bin, ":");
        for (size_t i = 0; i <= p->folder.size; i++)
            if (i == p->folder.size || p->folder.at[i] == '/') rv_buf_cstring(&bin, "../");
        rv_buf_cstring(&bin, "node_modules/.bin");
    }
    rv_import_place place = rv_import_place_of((rv_doc *)&p->doc, value);
    place.file = rooted(t, p, RV_STR("package.json"));
    place.part = pair / t->names.count + 1;
    rv_import_npm_script(import, (rv_doc *)&p->doc, name_of(t, pair), rv_arena_str(&import->arena, rv_doc_text(&p->doc, value)), place,
                         bin.at, node);
    if (node->shell.size == 0) node->shell = RV_STR(":");
    rv_vec_push(&node->raw_env, ((rv_import_pair){RV_STR("PATH"), rv_arena_printf(&import->arena, "%s:${env.PATH}", bin.at)}));
    rv_buf_deinit(&bin);
    node->dir = p->folder;
    keep_in_cache(t, pair, map, node);
}

static void tell_rest(turbo *t)
{
    static const char *const keys[] = {"$schema", "tasks", "pipeline", "globalDependencies", "globalEnv", "globalPassThroughEnv"};
    static const char *const of_task[] = {"dependsOn", "inputs", "outputs", "cache", "env", "passThroughEnv", "persistent", "outputLogs",
                                          "outputMode", "description"};
    for (uint32_t at = 1; at < rv_doc_next(&t->doc, 0); at = rv_doc_next(&t->doc, at + 1)) {
        bool is_known = false;
        for (size_t i = 0; i < RV_COUNT(keys) && !is_known; i++) is_known = rv_str_is(rv_doc_text(&t->doc, at), keys[i]);
        if (!is_known) rv_import_note(t->import, place_of(t, at), "", "`%.*s` is not carried over", RV_FMT(rv_doc_text(&t->doc, at)));
    }
    for (uint32_t i = 0; i < t->tasks.count; i++) {
        uint32_t map = t->tasks.at[i].value;
        if (rv_doc_kind_of(&t->doc, map) != RV_DOC_MAP) continue;
        for (uint32_t at = map + 1; at < rv_doc_next(&t->doc, map); at = rv_doc_next(&t->doc, at + 1)) {
            bool is_known = false;
            for (size_t k = 0; k < RV_COUNT(of_task) && !is_known; k++) is_known = rv_str_is(rv_doc_text(&t->doc, at), of_task[k]);
            if (!is_known)
                rv_import_note(t->import, place_of(t, at), "", "`%.*s` of `%.*s` is not carried over", RV_FMT(rv_doc_text(&t->doc, at)),
                               RV_FMT(t->tasks.at[i].name));
        }
    }
}

static void make_nodes(turbo *t)
{
    rv_import *import = t->import;
    uint32_t count = t->packages.count * t->names.count;
    rv_import_indices needs = {0};
    t->is_needed = rv_alloc(count);
    t->node = rv_arena_new(&import->arena, uint32_t, count);
    memset(t->node, 0xff, sizeof *t->node * count);
    need(t);
    for (uint32_t pair = 0; pair < count && import->text_size <= RV_IMPORT_TEXT_MAX; pair++) {
        if (!t->is_needed[pair]) continue;
        rv_vec_clear(&needs);
        dependencies(t, pair, &needs);
        bool persists = is_true(t, definition(t, pair), "persistent");
        if (!persists && (script_of(t, pair) != RV_NONE || needs.count)) make_node(t, pair);
    }
    for (uint32_t pair = 0; pair < count; pair++) {
        if (t->node[pair] == RV_NONE) continue;
        rv_vec_clear(&needs);
        dependencies(t, pair, &needs);
        rv_import_node *node = &import->nodes.at[t->node[pair]];
        for (uint32_t i = 0; i < needs.count; i++) {
            uint32_t other = t->node[needs.at[i]];
            bool is_there = other == RV_NONE || other == t->node[pair];
            for (uint32_t k = 0; k < node->needs.count && !is_there; k++) is_there = rv_str_eq(node->needs.at[k],
                                                                                               import->nodes.at[other].id);
            if (!is_there) rv_vec_push(&node->needs, import->nodes.at[other].id);
        }
    }
    rv_vec_deinit(&needs);
    rv_free(t->is_needed);
    if (import->text_size > RV_IMPORT_TEXT_MAX)
        rv_import_fail(import, (rv_import_place){0}, "import some of the tasks, by naming them",
                       "there are too many tasks in too many packages");
    uint32_t in_cycle = rv_import_cycle(import);
    if (in_cycle != RV_NONE)
        rv_import_fail(import, (rv_import_place){0}, "see dependsOn and the dependencies of the packages", "`%.*s` comes to need itself",
                       RV_FMT(import->nodes.at[in_cycle].id));
    for (uint32_t i = 0; i < import->wanted_count; i++)
        if (rv_map_get(&t->name_map, rv_str_of(import->wanted[i])) == RV_NONE)
            rv_import_fail(import, (rv_import_place){0}, "name a task", "there is no task `%s`", import->wanted[i]);
    if (import->nodes.count == 0) rv_import_fail(import, (rv_import_place){0}, "see the scripts of the packages",
                                                 "no package has a script for a task");
}

bool rv_import_turbo(rv_import *import)
{
    turbo t = {.import = import};
    rv_spec_input input = {.source = import->source, .file = rv_arena_cstring(&import->arena, import->file), .is_json = true};
    if (rv_doc_read(&t.doc, &input, import->problems) == RV_OK) {
        if (rv_doc_kind_of(&t.doc, 0) != RV_DOC_MAP) rv_import_fail(import, (rv_import_place){0}, "name a turbo.json", "it is no map");
        else {
            read_tasks(&t);
            read_workspaces(&t);
        }
        if (import->problems->error_count == 0) {
            link_packages(&t);
            if (t.packages.at[0]->name.size <= 200) import->name = t.packages.at[0]->name;
            make_nodes(&t);
            tell_rest(&t);
        }
    }
    for (uint32_t i = 0; i < t.packages.count; i++) {
        rv_doc_deinit(&t.packages.at[i]->doc);
        rv_buf_deinit(&t.packages.at[i]->source);
        rv_vec_deinit(&t.packages.at[i]->depends);
        rv_free(t.packages.at[i]);
    }
    rv_vec_deinit(&t.packages);
    rv_vec_deinit(&t.tasks);
    rv_vec_deinit(&t.names);
    rv_map_deinit(&t.package_map);
    rv_map_deinit(&t.task_map);
    rv_map_deinit(&t.name_map);
    rv_map_deinit(&t.outputs);
    rv_problems_deinit(&t.ignored);
    rv_doc_deinit(&t.doc);
    return import->problems->error_count == 0;
}
