/* projects.c: one root, many projects [W20]: the files that `projects` names, and what names mean in them.
 *
 * A project's file is read as a part of the document, so that positions stay its own. Its nodes become the root's, in the file's scope and
 * under whole names, PROJECT:NODE; each knows its project, whose `defaults`, `env`, `tags` and directory hold for it. A name
 * without a project means one of the same project; `root:NODE` is one of the root's own. What the normal form has are whole names, so it
 * is one flat workflow in which nothing of this is left but a map of what the projects were. */
#include "spec/load.h"
#include "base/glob.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROJECTS_MAX 50000u
static const char root_name[] = "root";

/* ---- names ---- */

/* Divide `a:b` into identifiers. false: it is no such name. */
static bool divide(rv_str text, rv_str *ret_project, rv_str *ret_node)
{
    size_t colon = rv_str_find(text, 0, ':');
    if (colon == SIZE_MAX) return false;
    *ret_project = rv_str_cut(text, 0, colon);
    *ret_node = rv_str_from(text, colon + 1);
    return rv_is_identifier(*ret_project) && rv_is_identifier(*ret_node);
}

static bool has_projects(const rv_loader *l) { return l->files.at[0].keys[RV_FK_PROJECTS] != RV_NONE; }

bool rv_loader_is_composite(const rv_loader *l, rv_str name)
{
    rv_str project, node;
    if (!has_projects(l) || !divide(name, &project, &node)) return false;
    if (rv_str_is(project, root_name) || rv_map_get(&l->project_names, project) != RV_NONE) return true;
    uint32_t map = l->files.at[0].keys[RV_FK_PROJECTS]; /* in the normal form nodes may be checked before it */
    if (rv_doc_kind_of(&l->doc, map) != RV_DOC_MAP) return false;
    return rv_loader_member((rv_loader *)(uintptr_t)l, map, project) != RV_NONE;
}

uint32_t rv_loader_find_from(const rv_loader *l, uint32_t project, rv_str name)
{
    char whole[RV_NAME_MAX];
    rv_str first, rest, own = l->files.at[project].name;
    if (divide(name, &first, &rest)) return rv_loader_find(l, 0, has_projects(l) && rv_str_is(first, root_name) ? rest : name);
    if (project == 0 || own.size + 1 + name.size > sizeof whole) return rv_loader_find(l, 0, name);
    memcpy(whole, own.at, own.size);
    whole[own.size] = ':';
    memcpy(whole + own.size + 1, name.at, name.size);
    return rv_loader_find(l, 0, (rv_str){whole, own.size + 1 + name.size});
}

/* The tag of `[tag]`, size 0 for `^`; whether the node's own project is left out; the node. false: it is no selector. */
static bool divide_selector(rv_str text, rv_str *ret_tag, bool *ret_others, rv_str *ret_node)
{
    size_t at = 1;
    *ret_tag = RV_STR("");
    if (text.size == 0 || (text.at[0] != '^' && text.at[0] != '[')) return false;
    if (text.at[0] == '[') {
        size_t close = rv_str_find(text, 1, ']');
        if (close == SIZE_MAX) return false;
        *ret_tag = rv_str_cut(text, 1, close - 1);
        if (!rv_is_identifier(*ret_tag)) return false;
        at = close + 1;
    }
    *ret_others = at < text.size && text.at[at] == '~';
    at += *ret_others;
    if (at >= text.size || text.at[at] != ':') return false;
    *ret_node = rv_str_from(text, at + 1);
    return rv_is_identifier(*ret_node);
}

bool rv_is_selector(rv_str name)
{
    rv_str tag, node;
    bool others;
    return divide_selector(name, &tag, &others, &node);
}

void rv_loader_selector_fail(rv_loader *l, uint32_t value, rv_str text)
{
    rv_loader_error(l, value, 0, RV_STR("name one node, or several one by one"),
                    "`%.*s` stands for several nodes, which only `needs` and `after` take", RV_FMT(text));
}

void rv_loader_name_node(rv_loader *l, uint32_t value, const rv_type *type)
{
    rv_str text = rv_doc_text(&l->doc, value), project, node;
    bool is_of_file = l->node == RV_NONE, is_top = !is_of_file && l->scope == 0;
    uint32_t file = is_top ? l->nodes.at[l->node].project : 0;
    if (rv_is_identifier(text)) {
        if (file) rv_doc_replace(&l->doc, value, rv_arena_printf(&l->arena, "%.*s:%.*s", RV_FMT(l->files.at[file].name), RV_FMT(text)));
    } else if (rv_is_selector(text) && type->is_open && !is_of_file) {
        if (!has_projects(l) || !is_top)
            rv_loader_error(l, value, 0, RV_STR("name the node"), has_projects(l) ? "`%.*s` within a body, which sees its own nodes only"
                            : "`%.*s` selects nodes of projects, and this file has none", RV_FMT(text));
    } else if (rv_is_selector(text)) {
        rv_loader_selector_fail(l, value, text);
    } else if (!divide(text, &project, &node)) {
        rv_loader_error(l, value, 0, RV_STR("use A-Z a-z 0-9 _ -, a letter or digit first, at most 64"), "`%.*s` is not a name",
                        (int)RV_MIN(text.size, (size_t)80), text.at);
    } else if (has_projects(l) && rv_str_is(project, root_name)) {
        rv_doc_replace(&l->doc, value, rv_arena_str(&l->arena, node));
    } else if (!is_of_file && !rv_loader_is_composite(l, text)) {
        rv_loader_error(l, value, 0, rv_str_of(has_projects(l) ? "name one of `projects`" : "add `projects` to the root"),
                        "`%.*s`: there is no project `%.*s`", RV_FMT(text), RV_FMT(project));
    }
}

static void select_one(const rv_loader *l, const rv_project *project, uint32_t node, bool others, rv_str name, rv_node_list *out)
{
    if (others && project->file == l->nodes.at[node].project) return;
    uint32_t found = rv_loader_find_from(l, project->file, name);
    if (found != RV_NONE) rv_vec_push(out, found);
}

void rv_loader_select(rv_loader *l, uint32_t node, uint32_t value, rv_str text, rv_node_list *out)
{
    rv_str tag, name;
    bool others = false;
    if (!has_projects(l) || !divide_selector(text, &tag, &others, &name)) return; /* said by check.c */
    if (tag.size == 0)
        for (uint32_t i = 0; i < l->projects.count; i++) select_one(l, &l->projects.at[i], node, others, name, out);
    else
        for (uint32_t i = rv_map_get(&l->tag_first, tag); i != RV_NONE; i = l->tagged.at[i].next)
            select_one(l, &l->projects.at[l->tagged.at[i].project], node, others, name, out);
    if (out->count == 0)
        rv_loader_error(l, value, 0, RV_STR("correct it or remove it"), tag.size ? "`%.*s`: no project with this tag has a node `%.*s`"
                        : "`%.*s`: no project has a node `%.*s`", RV_FMT(text), RV_FMT(name));
}

/* ---- texts that read by less than the whole name ---- */

void rv_loader_rename(rv_loader *l)
{
    rv_buf out = {0};
    for (uint32_t i = 0; i < l->renames.count;) {
        uint32_t value = l->renames.at[i].value;
        rv_str text = rv_doc_text(&l->doc, value);
        size_t done = 0;
        rv_buf_clear(&out);
        for (; i < l->renames.count && l->renames.at[i].value == value; i++) {
            const rv_rename *r = &l->renames.at[i];
            RV_ASSERT(r->at >= done && r->at + r->size <= text.size);
            rv_buf_str_add(&out, rv_str_cut(text, done, r->at - done));
            rv_buf_str_add(&out, r->text);
            done = r->at + r->size;
        }
        rv_buf_str_add(&out, rv_str_from(text, done));
        rv_doc_replace(&l->doc, value, rv_arena_str(&l->arena, rv_buf_str(&out)));
    }
    rv_buf_deinit(&out);
}

/* ---- one project ---- */

static void take_tags(rv_loader *l, uint32_t index, uint32_t list)
{
    if (list == RV_NONE || rv_doc_kind_of(&l->doc, list) != RV_DOC_LIST) return;
    for (uint32_t item = list + 1; item < rv_doc_next(&l->doc, list); item = rv_doc_next(&l->doc, item)) {
        uint32_t own = l->tagged.count, first = rv_map_add(&l->tag_first, rv_doc_text(&l->doc, item), own);
        if (first != RV_NONE) { /* behind the last one, so that the order is that of the projects */
            l->tagged.at[l->tagged.at[first].last].next = own;
            l->tagged.at[first].last = own;
        }
        rv_vec_push(&l->tagged, ((rv_tagged){index, RV_NONE, own}));
    }
}

static void add_project(rv_loader *l, uint32_t value, rv_project project)
{
    uint32_t known = rv_map_get(&l->project_names, project.name);
    if (!rv_is_identifier(project.name) || rv_str_is(project.name, root_name))
        rv_loader_error(l, value, 0, RV_STR("give its reeve.yaml a `name`: A-Z a-z 0-9 _ -, at most 64, not `root`"),
                        "the project in `%.*s` would be called `%.*s`", RV_FMT(project.dir), RV_FMT(project.name));
    else if (known != RV_NONE)
        rv_loader_error(l, value, 0, RV_STR("give one of them a `name`"), "the projects in `%.*s` and `%.*s` are both called `%.*s`",
                        RV_FMT(l->projects.at[known].dir), RV_FMT(project.dir), RV_FMT(project.name));
    else {
        (void)rv_map_add(&l->project_names, project.name, l->projects.count);
        rv_vec_push(&l->projects, project);
        take_tags(l, l->projects.count - 1, project.tags);
    }
}

/* What belongs to the root, or to a run. */
static void refuse_keys(rv_loader *l, uint32_t file)
{
    const uint64_t allowed = UINT64_C(1) << RV_FK_DEFAULT | UINT64_C(1) << RV_FK_DEFAULTS | UINT64_C(1) << RV_FK_DESCRIPTION |
                             UINT64_C(1) << RV_FK_ENV | UINT64_C(1) << RV_FK_NAME | UINT64_C(1) << RV_FK_NODES |
                             UINT64_C(1) << RV_FK_REEVE | UINT64_C(1) << RV_FK_TAGS;
    const uint32_t *keys = l->files.at[file].keys;
    for (uint32_t i = 0; i < RV_FK_COUNT; i++)
        if (keys[i] != RV_NONE && !(allowed >> i & 1))
            rv_loader_error(l, keys[i] - 1, 0, RV_STR("move it to the root"), "`%s` of a project is not supported by this version",
                            rv_file_table.keys[i].name);
}

/* Its nodes get their whole names. */
static void name_nodes(rv_loader *l, uint32_t map, rv_str project)
{
    if (map == RV_NONE || rv_doc_kind_of(&l->doc, map) != RV_DOC_MAP) return;
    for (uint32_t key = map + 1, end = rv_doc_next(&l->doc, map); key < end; key = rv_doc_next(&l->doc, key + 1)) {
        rv_str name = rv_doc_text(&l->doc, key);
        rv_doc_replace(&l->doc, key, rv_arena_printf(&l->arena, "%.*s:%.*s", RV_FMT(project), RV_FMT(name)));
    }
}

static void read_project(rv_loader *l, uint32_t value, rv_str dir)
{
    static const rv_type type = {RV_TYPE_OBJECT, "a map with `nodes`"};
    rv_str path = rv_arena_printf(&l->arena, "%.*s/reeve.yaml", RV_FMT(dir)), text;
    if (!rv_loader_read(l, value, path, "write one, or leave the directory out", &text)) return;
    rv_doc *part = rv_doc_part(&l->doc, text.size);
    if (part == NULL) {
        rv_loader_error(l, value, 0, RV_STR("split the workflow"), "the files are more than 256 MiB or more than 65,535");
        return;
    }
    rv_spec_input input = {.source = text, .file = rv_arena_cstring(&l->arena, path)};
    if (rv_doc_read(part, &input, l->problems) != RV_OK) return;
    uint32_t root = rv_doc_append(&l->doc, part), file = l->files.count;
    if (!rv_check_is_map(l, root, &type, RV_STR("a project"))) return;
    rv_file_draft draft = {.owner = RV_NONE, .path = path, .dir = dir, .is_project = true};
    memset(draft.keys, 0xff, sizeof draft.keys);
    memset(draft.defaults, 0xff, sizeof draft.defaults);
    rv_vec_push(&l->files, draft);
    rv_check_file(l, root, file);
    refuse_keys(l, file);
    const uint32_t *keys = l->files.at[file].keys;
    size_t slash = dir.size;
    while (slash > 0 && dir.at[slash - 1] != '/') slash--;
    bool has_name = keys[RV_FK_NAME] != RV_NONE && rv_doc_is_scalar(&l->doc, keys[RV_FK_NAME]);
    rv_str name = has_name ? rv_doc_text(&l->doc, keys[RV_FK_NAME]) : rv_str_from(dir, slash);
    l->files.at[file].name = name;
    add_project(l, has_name ? keys[RV_FK_NAME] : value, (rv_project){name, dir, file, keys[RV_FK_TAGS], keys[RV_FK_DEFAULT]});
    name_nodes(l, keys[RV_FK_NODES], name);
}

/* ---- directories ---- */

typedef struct finder {
    rv_loader *loader;
    RV_VEC(rv_str) found; /* of the pattern at hand */
    RV_VEC(rv_str) open;  /* directories that are still to be read */
    rv_map known;         /* of all patterns */
} finder;

static int by_path(const void *a, const void *b) { return rv_str_cmp(*(const rv_str *)a, *(const rv_str *)b); }

static int open_beneath(const rv_loader *l, rv_str dir)
{
    rv_buf path = {0};
    rv_buf_printf(&path, "%s/%.*s", l->input->dir, RV_FMT(dir));
    int fd = open(path.at, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    rv_buf_deinit(&path);
    return fd;
}

/* A directory that the pattern means, and that has a file, is a project. Links are not followed. */
static void look_into(finder *f, const rv_glob *glob, rv_str dir)
{
    rv_loader *l = f->loader;
    int fd = open_beneath(l, dir);
    if (fd < 0) return;
    bool is_one = dir.size > 0 && rv_glob_match(glob, dir) && faccessat(fd, "reeve.yaml", F_OK, 0) == 0;
    if (is_one && rv_map_add(&f->known, dir, 0) == RV_NONE) rv_vec_push(&f->found, dir);
    DIR *handle = rv_glob_may_hold(glob, dir) ? fdopendir(fd) : NULL;
    if (!handle) {
        (void)close(fd);
        return;
    }
    for (const struct dirent *entry; (entry = readdir(handle));) {
        struct stat info;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        bool may_be = entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN;
        if (!may_be || fstatat(fd, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISDIR(info.st_mode)) continue;
        rv_str below = rv_arena_printf(&l->arena, "%.*s%s%s", RV_FMT(dir), dir.size ? "/" : "", entry->d_name);
        if (rv_glob_match(glob, below) || rv_glob_may_hold(glob, below)) rv_vec_push(&f->open, below);
    }
    (void)closedir(handle);
}

static void find_projects(finder *f, uint32_t value)
{
    rv_loader *l = f->loader;
    const rv_glob *glob = NULL;
    if (!rv_doc_is_scalar(&l->doc, value) || rv_glob_compile(rv_doc_text(&l->doc, value), RV_STR(""), &l->arena, &glob, NULL) != RV_OK)
        return; /* said by check.c */
    rv_vec_clear(&f->found);
    rv_str literal = rv_glob_literal(glob);
    if (literal.size) {
        if (rv_map_add(&f->known, literal, 0) == RV_NONE) rv_vec_push(&f->found, literal);
    } else {
        rv_vec_push(&f->open, rv_glob_prefix(glob));
        while (f->open.count > 0) look_into(f, glob, rv_vec_pop(&f->open));
        if (f->found.count == 0)
            rv_loader_warning(l, value, 0, RV_STR("correct it or remove it"), "`%.*s` names no directory with a reeve.yaml",
                              RV_FMT(rv_doc_text(&l->doc, value)));
    }
    if (f->found.count > 1) qsort(f->found.at, f->found.count, sizeof *f->found.at, by_path);
    for (uint32_t i = 0; i < f->found.count && l->projects.count < PROJECTS_MAX; i++) read_project(l, value, f->found.at[i]);
    if (l->projects.count >= PROJECTS_MAX)
        rv_loader_error(l, value, 0, RV_STR("split the root"), "more than %u projects", PROJECTS_MAX);
}

/* In the normal form they are a map. */
static void take_map(rv_loader *l, uint32_t map)
{
    for (uint32_t key = map + 1, end = rv_doc_next(&l->doc, map); key < end; key = rv_doc_next(&l->doc, key + 1)) {
        uint32_t dir = rv_doc_kind_of(&l->doc, key + 1) == RV_DOC_MAP ? rv_doc_get(&l->doc, key + 1, "dir") : RV_NONE;
        if (dir == RV_NONE || !rv_doc_is_scalar(&l->doc, dir)) continue; /* said by check.c */
        add_project(l, key, (rv_project){rv_doc_text(&l->doc, key), rv_doc_text(&l->doc, dir), 0, rv_doc_get(&l->doc, key + 1, "tags"),
                                         rv_doc_get(&l->doc, key + 1, "default")});
    }
}

/* `default` of a project names a node of it. */
static void check_default(rv_loader *l, const rv_project *project)
{
    if (project->file == 0 || project->default_node == RV_NONE || !rv_doc_is_scalar(&l->doc, project->default_node)) return;
    rv_str name = rv_doc_text(&l->doc, project->default_node);
    rv_str whole = rv_arena_printf(&l->arena, "%.*s:%.*s", RV_FMT(project->name), RV_FMT(name));
    uint32_t nodes = l->files.at[project->file].keys[RV_FK_NODES];
    if (rv_is_identifier(name) && nodes != RV_NONE && rv_loader_member(l, nodes, whole) == RV_NONE)
        rv_loader_error(l, project->default_node, 0, RV_STR("name one of its nodes"),
                        "`default` names `%.*s`, which is no node of the project", RV_FMT(name));
}

void rv_loader_projects(rv_loader *l)
{
    finder f = {.loader = l};
    uint32_t value = l->files.at[0].keys[RV_FK_PROJECTS];
    if (value == RV_NONE) return;
    if (rv_doc_kind_of(&l->doc, value) == RV_DOC_MAP) take_map(l, value);
    if (rv_doc_kind_of(&l->doc, value) != RV_DOC_LIST) return;
    if (!l->input->dir) rv_loader_error(l, value, 0, RV_STR("give it one"), "this workflow has no directory, so it has no projects");
    else
        for (uint32_t item = value + 1, end = rv_doc_next(&l->doc, value); item < end; item = rv_doc_next(&l->doc, item))
            find_projects(&f, item);
    for (uint32_t i = 0; i < l->projects.count; i++) check_default(l, &l->projects.at[i]);
    rv_vec_deinit(&f.found);
    rv_vec_deinit(&f.open);
    rv_map_deinit(&f.known);
    l->file = 0;
}

/* ---- is a directory a project? ---- */

bool rv_spec_has_project(rv_str source, bool is_json, rv_str dir)
{
    rv_problems problems = {0};
    rv_doc doc = {0};
    rv_arena arena = {0};
    bool is_found = false;
    rv_spec_input input = {.source = source, .file = "root", .is_json = is_json};
    if (source.size && memmem(source.at, source.size, "projects", 8) && rv_doc_read(&doc, &input, &problems) == RV_OK) {
        uint32_t list = rv_doc_kind_of(&doc, 0) == RV_DOC_MAP ? rv_doc_get(&doc, 0, "projects") : RV_NONE;
        bool is_list = list != RV_NONE && rv_doc_kind_of(&doc, list) == RV_DOC_LIST;
        for (uint32_t item = list + 1; is_list && item < rv_doc_next(&doc, list) && !is_found; item = rv_doc_next(&doc, item)) {
            const rv_glob *glob;
            if (!rv_doc_is_scalar(&doc, item)) continue;
            is_found = rv_glob_compile(rv_doc_text(&doc, item), RV_STR(""), &arena, &glob, NULL) == RV_OK && rv_glob_match(glob, dir);
        }
    }
    rv_doc_deinit(&doc);
    rv_arena_deinit(&arena);
    rv_problems_deinit(&problems);
    return is_found;
}
