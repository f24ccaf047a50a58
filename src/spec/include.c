/* include.c: a workflow within a workflow [W10a, W16]: its text is read as a part of the document, its nodes become a scope that sees
 * nothing of what is around it, and what `params` gives is checked against what it declares. */
#include "spec/write.h"

/* ---- the file ---- */

/* A path without `.` and empty parts, in the arena. */
static rv_str plain_path(rv_loader *l, rv_str path)
{
    rv_buf out = {0};
    for (size_t at = 0; at < path.size;) {
        size_t end = RV_MIN(rv_str_find(path, at, '/'), path.size);
        rv_str part = rv_str_cut(path, at, end - at);
        at = end + 1;
        if (part.size == 0 || rv_str_is(part, ".")) continue;
        if (out.size) rv_buf_byte(&out, '/');
        rv_buf_str_add(&out, part);
    }
    rv_str text = rv_arena_str(&l->arena, rv_buf_str(&out));
    rv_buf_deinit(&out);
    return text;
}

static uint32_t file_around(const rv_loader *l, uint32_t node) { return l->scopes.at[l->nodes.at[node].scope].file; }

/* Does a file on the way here have this path or this text? Then it would include itself for ever. */
static bool is_endless(rv_loader *l, uint32_t node, uint32_t value, rv_str path, const rv_digest *digest)
{
    uint32_t chain[RV_DOC_DEPTH_MAX], count = 0;
    bool is_found = false;
    for (uint32_t at = node; at != RV_NONE && !is_found;) {
        const rv_file_draft *file = &l->files.at[file_around(l, at)];
        chain[count++] = file_around(l, at);
        if (file->path.size > 0) is_found = rv_str_eq(file->path, path);
        if (file->path.size > 0 || file->owner == RV_NONE) is_found |= memcmp(&file->digest, digest, sizeof *digest) == 0;
        at = file->owner;
    }
    if (!is_found) return false;
    rv_buf text = {0};
    while (count-- > 0) {
        const rv_file_draft *file = &l->files.at[chain[count]];
        if (file->path.size || file->owner == RV_NONE) rv_buf_printf(&text, "%.*s -> ", RV_FMT(file->path.size ? file->path : l->doc.file));
    }
    rv_loader_error(l, value, 0, RV_STR("let one of them not include the next"), "a workflow includes itself: %.*s%.*s",
                    RV_FMT(rv_buf_str(&text)), RV_FMT(path));
    rv_buf_deinit(&text);
    return true;
}

/* The path from the root of a file that is named in the project, or beneath the directory, that `dir` is; /x is from the root. */
static rv_str path_from(rv_loader *l, rv_str dir, rv_str text)
{
    rv_str path = plain_path(l, text);
    if (dir.size == 0 || path.size == 0 || text.at[0] == '/') return path;
    return plain_path(l, rv_arena_printf(&l->arena, "%.*s/%.*s", RV_FMT(dir), RV_FMT(path)));
}

/* Read the file that `value` names; *ret_root becomes the root of its text. */
static bool read_workflow(rv_loader *l, uint32_t node, uint32_t value, rv_file_draft *file, uint32_t *ret_root)
{
    rv_str path = path_from(l, file->dir, rv_doc_text(&l->doc, value)), text;
    if (path.size == 0) { /* `.`; that there is none was said by check.c */
        if (rv_doc_text(&l->doc, value).size && rv_doc_text(&l->doc, value).at[0] == '.')
            rv_loader_error(l, value, 0, RV_STR("name a workflow file in it"), "`%.*s` is the workflow's own directory",
                            RV_FMT(rv_doc_text(&l->doc, value)));
        return false;
    }
    if (!rv_loader_read(l, value, path, "name a workflow file beneath the directory of the workflow that is run", &text)) return false;
    file->path = path;
    file->digest = l->contents.at[l->contents.count - 1].digest;
    if (!l->has_digest) l->files.at[0].digest = l->input->spent ? l->input->spent_digest : rv_sha256(l->input->source);
    l->has_digest = true;
    if (is_endless(l, node, value, path, &file->digest)) return false;
    rv_doc *part = rv_doc_part(&l->doc, text.size);
    if (part == NULL) {
        rv_loader_error(l, value, 0, RV_STR("split the workflow"), "the files are more than 256 MiB or more than 65,535");
        return false;
    }
    rv_spec_input input = {.source = text, .file = rv_arena_cstring(&l->arena, path), .is_json = rv_str_ends(path, RV_STR(".json"))};
    if (rv_doc_read(part, &input, l->problems) != RV_OK) return false;
    if (part->values.count > RV_PART_VALUES_MAX - l->part_values) {
        rv_loader_error(l, value, 0, RV_STR("include less, or use fewer aliases"), "the files that are included hold more than %u values",
                        RV_PART_VALUES_MAX);
        return false;
    }
    l->part_values += part->values.count;
    *ret_root = rv_doc_append(&l->doc, part);
    return true;
}

/* ---- params ---- */

static bool is_dynamic(const rv_loader *l, uint32_t value)
{
    rv_str text = rv_doc_text(&l->doc, value);
    return rv_doc_kind_of(&l->doc, value) == RV_DOC_STRING && rv_str_find(text, 0, '$') != SIZE_MAX;
}

/* Does a value in the file have the type that the param names? */
static bool has_type(const rv_loader *l, uint32_t value, rv_str type)
{
    rv_doc_kind kind = rv_doc_kind_of(&l->doc, value);
    int64_t number;
    if (rv_str_is(type, "string")) return kind == RV_DOC_STRING;
    if (rv_str_is(type, "number")) return kind == RV_DOC_NUMBER;
    if (rv_str_is(type, "integer")) return rv_doc_i64(&l->doc, value, &number);
    if (rv_str_is(type, "boolean")) return kind == RV_DOC_TRUE || kind == RV_DOC_FALSE;
    if (rv_str_is(type, "array")) return kind == RV_DOC_LIST;
    return kind == RV_DOC_MAP || !rv_str_is(type, "object");
}

static bool is_allowed(rv_loader *l, uint32_t value, uint32_t list, bool is_text)
{
    rv_writer w = {.loader = l};
    rv_buf own = {0}, other = {0};
    bool is_found = false;
    if (is_text) rv_json_quote(&own, rv_doc_text(&l->doc, value));
    else rv_writer_data(&w, &own, value);
    for (uint32_t item = list + 1, end = rv_doc_next(&l->doc, list); item < end && !is_found; item = rv_doc_next(&l->doc, item)) {
        rv_buf_clear(&other);
        if (is_text) rv_json_quote(&other, rv_doc_text(&l->doc, item));
        else rv_writer_data(&w, &other, item);
        is_found = rv_str_eq(rv_buf_str(&own), rv_buf_str(&other));
    }
    rv_buf_deinit(&own);
    rv_buf_deinit(&other);
    rv_vec_deinit(&w.keys);
    return is_found;
}

/* One param that the sub-workflow declares, and what it is given. */
static void check_param(rv_loader *l, uint32_t map, uint32_t given, uint32_t key)
{
    rv_str name = rv_doc_text(&l->doc, key);
    uint32_t param = key + 1, type = rv_doc_get(&l->doc, param, "type"), list = rv_doc_get(&l->doc, param, "enum"),
             value = given == RV_NONE ? RV_NONE : rv_loader_member(l, given, name);
    rv_str kind = type == RV_NONE ? RV_STR("string") : rv_doc_text(&l->doc, type);
    bool is_given = value != RV_NONE;
    if (!is_given) value = rv_doc_get(&l->doc, param, "default");
    if (value == RV_NONE)
        rv_loader_error(l, given == RV_NONE ? map : given, 0, rv_arena_printf(&l->arena, "add `%.*s` to `params`", RV_FMT(name)),
                        "the sub-workflow's param `%.*s` has no value", RV_FMT(name));
    else if (is_given && is_dynamic(l, value)) return; /* known when it starts */
    else if (is_given && !has_type(l, value, kind))
        rv_loader_error(l, value, 0,
                        rv_str_of(rv_str_is(kind, "string") && rv_doc_is_scalar(&l->doc, value) ? "put it in quotes" : "correct it"),
                        "the sub-workflow's param `%.*s` is of type %.*s", RV_FMT(name), RV_FMT(kind));
    else if (list != RV_NONE && !is_allowed(l, value, list, rv_str_is(kind, "string")))
        rv_loader_error(l, value, 0, RV_STR("give one of its `enum`"), "the %s of the sub-workflow's param `%.*s` is not allowed",
                        is_given ? "value" : "default", RV_FMT(name));
}

static void check_params(rv_loader *l, uint32_t map, uint32_t params)
{
    uint32_t given = rv_doc_get(&l->doc, map, "params");
    if (params != RV_NONE && rv_doc_kind_of(&l->doc, params) != RV_DOC_MAP) return;
    for (uint32_t key = params + 1; params != RV_NONE && key < rv_doc_next(&l->doc, params); key = rv_doc_next(&l->doc, key + 1))
        if (rv_doc_kind_of(&l->doc, key + 1) == RV_DOC_MAP) check_param(l, map, given, key);
    if (given == RV_NONE || rv_doc_kind_of(&l->doc, given) != RV_DOC_MAP) return;
    for (uint32_t key = given + 1, end = rv_doc_next(&l->doc, given); key < end; key = rv_doc_next(&l->doc, key + 1))
        if (params == RV_NONE || rv_loader_member(l, params, rv_doc_text(&l->doc, key)) == RV_NONE)
            rv_loader_error(l, key, 0, RV_STR("declare it under the sub-workflow's `params`, or remove it"),
                            "the sub-workflow has no param `%.*s`", RV_FMT(rv_doc_text(&l->doc, key)));
}

/* ---- */

void rv_loader_include(rv_loader *l, uint32_t node, uint32_t map)
{
    static const rv_type type = {RV_TYPE_DEFINITION, "a workflow: a map with `nodes`"};
    const rv_file_draft *project = &l->files.at[l->nodes.at[node].project]; /* its directory is that of the nodes, its tags are theirs */
    rv_file_draft file = {.owner = node, .dir = project->dir};
    uint32_t tags = project->is_project ? project->keys[RV_FK_TAGS] : RV_NONE;
    uint32_t path = rv_doc_get(&l->doc, map, "file"), root = rv_doc_get(&l->doc, map, "definition"),
             level = l->scopes.at[l->nodes.at[node].scope].level;
    if ((path == RV_NONE) == (root == RV_NONE)) return; /* said by check.c */
    if (path != RV_NONE && !read_workflow(l, node, path, &file, &root)) return;
    if (!rv_check_is_map(l, root, &type, RV_STR("definition"))) return;
    if (level + 1 + rv_doc_levels(&l->doc, root) > RV_DOC_DEPTH_MAX) {
        rv_loader_error(l, path == RV_NONE ? root : path, 0, RV_STR("flatten it"), "with this workflow in it, nested deeper than %d levels",
                        RV_DOC_DEPTH_MAX);
        return;
    }
    memset(file.keys, 0xff, sizeof file.keys);
    memset(file.defaults, 0xff, sizeof file.defaults);
    rv_vec_push(&l->files, file);
    uint32_t index = l->files.count - 1, scope = rv_loader_scope(l, RV_SCOPE_WORKFLOW, node, index, level + 4);
    l->scope = scope;
    rv_check_file(l, root, index);
    rv_check_part(l, index, "an included workflow");
    l->files.at[index].keys[RV_FK_TAGS] = tags;
    check_params(l, map, l->files.at[index].keys[RV_FK_PARAMS]);
    rv_loader_collect(l, l->files.at[index].keys[RV_FK_NODES], scope);
}
