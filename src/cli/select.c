#include "cli/select.h"

#include <string.h>

/* ---- words ---- */

/* [W30] */
static bool is_file_word(const char *word)
{
    rv_str text = rv_str_of(word);
    return rv_str_ends(text, RV_STR(".yaml")) || rv_str_ends(text, RV_STR(".yml")) || rv_str_ends(text, RV_STR(".json")) ||
           (strchr(word, '/') && !strchr(word, ':'));
}

/* What cannot stand together. */
static rv_status check_words(const rv_select *select, const rv_args *args, rv_error *err)
{
    const char *given[4], *exclude = "%s and %s exclude each other; leave out one";
    uint32_t count = 0;
    if (select->refs.count) given[count++] = select->refs.at[0];
    if (select->is_all) given[count++] = "--all";
    if (rv_args_has(args, "changed")) given[count++] = "--changed";
    if (select->changed.is_staged) given[count++] = "--staged";
    if (count > 1) return rv_error_set(err, RV_INVALID, exclude, given[0], given[1]);
    if (select->changed.since && !rv_args_has(args, "changed"))
        return rv_error_set(err, RV_INVALID, "--since goes with --changed: it is what the working tree is compared with");
    if (count && rv_args_has(args, "resume"))
        return rv_error_set(err, RV_INVALID, "%s and --resume exclude each other: a run keeps the nodes that it began with", given[0]);
    return RV_OK;
}

rv_status rv_select_read(rv_select *select, const rv_args *args, rv_error *err)
{
    const char *option = rv_args_value(args, "file");
    select->file = option;
    select->is_all = rv_args_has(args, "all");
    for (uint32_t i = 0; i < args->words.count; i++) {
        const char *word = args->words.at[i];
        if (i > 0 || !is_file_word(word)) rv_vec_push(&select->refs, word);
        else if (option) return rv_error_set(err, RV_INVALID, "the file is named twice: %s and %s; leave out one", word, option);
        else select->file = word;
    }
    select->changed = (rv_changed){.since = rv_args_value(args, "since"), .is_staged = rv_args_has(args, "staged")};
    select->is_changed = rv_args_has(args, "changed") || select->changed.is_staged;
    return check_words(select, args, err);
}

void rv_select_deinit(rv_select *select) { rv_vec_deinit(&select->refs); }

/* ---- the part ---- */

/* What is wanted of a graph: one byte a node. */
typedef struct wanted {
    const rv_graph *graph;
    uint8_t *named;
    uint32_t count;
} wanted;

static wanted wanted_new(const rv_graph *graph) { return (wanted){.graph = graph, .named = rv_alloc(graph->plain_count + 1u)}; }

static void add(wanted *w, uint32_t node)
{
    w->count += !w->named[node];
    w->named[node] = 1;
}

static rv_status no_such_node(const rv_graph *graph, rv_str word, const char *file, rv_error *err)
{
    const char **names = rv_alloc(sizeof *names * (graph->plain_count + 1u));
    rv_arena arena = {0};
    uint32_t count = RV_MIN(graph->plain_count, 10000u);
    for (uint32_t node = 0; node < count; node++) names[node] = rv_arena_cstring(&arena, rv_graph_name(graph, node));
    const char *nearest = rv_nearest(word, names, count);
    rv_status status = nearest ? rv_error_set(err, RV_NOT_FOUND, "%s has no node `%.*s`; did you mean `%s`?", file, RV_FMT(word), nearest)
                               : rv_error_set(err, RV_NOT_FOUND, "%s has no node `%.*s`; `reeve graph` shows those that it has", file,
                                              RV_FMT(word));
    rv_arena_deinit(&arena);
    rv_free(names);
    return status;
}

/* Let *spec become the part; `w` is freed. All nodes: unchanged. */
static rv_status cut_take(wanted w, rv_spec **spec, const rv_spec_input *input, rv_error *err)
{
    const rv_graph *graph = w.graph;
    rv_buf source = {0};
    rv_status status = RV_OK;
    if (w.count < graph->plain_count) {
        uint8_t *keep = rv_alloc(graph->plain_count + 1u);
        memcpy(keep, w.named, graph->plain_count);
        rv_spec_closure(graph, keep);
        rv_spec_cut(graph, keep, w.named, &source);
        rv_free(keep);
        rv_spec_input part = *input;
        rv_problems problems = {0};
        rv_spec *cut = NULL;
        part.source = rv_buf_str(&source);
        part.is_json = true;
        status = rv_spec_load(&part, &cut, &problems);
        if (status == RV_OK) {
            rv_spec_free(*spec);
            *spec = cut;
        } else {
            rv_buf text = {0};
            rv_problems_text(&text, &problems, part.source, false, false);
            rv_error_set(err, status, "the part of the workflow that was asked for does not hold without the rest: %s", text.at);
            rv_buf_deinit(&text);
        }
        rv_problems_deinit(&problems);
    }
    rv_buf_deinit(&source);
    rv_free(w.named);
    return status;
}

rv_status rv_select_part(rv_str only, rv_spec **spec, const rv_spec_input *input, rv_error *err)
{
    rv_arena arena = {0};
    rv_json *list = NULL;
    if (only.size == 0) return RV_OK;
    rv_status status = rv_json_parse(&arena, only, &list, err);
    rv_map names = {0};
    wanted w = wanted_new(&(*spec)->graph);
    for (uint32_t node = 0; node < w.graph->plain_count; node++) (void)rv_map_add(&names, rv_graph_name(w.graph, node), node);
    for (const rv_json *item = status == RV_OK ? list->child : NULL; item && status == RV_OK; item = item->next) {
        uint32_t node = rv_map_get(&names, item->text);
        if (node == RV_NONE) status = rv_error_set(err, RV_NOT_FOUND, "the run is of node `%.*s`, which is gone", RV_FMT(item->text));
        else add(&w, node);
    }
    if (status == RV_OK) status = cut_take(w, spec, input, err);
    else rv_free(w.named);
    rv_map_deinit(&names);
    rv_arena_deinit(&arena);
    return status;
}

rv_status rv_select_again(rv_str only, rv_load *load, rv_error *err)
{
    rv_spec_input input = rv_load_input(load);
    return rv_select_part(only, &load->spec, &input, err);
}

/* ---- projects ---- */

/* What a name means in the project that one stands in. */
typedef struct place {
    rv_arena arena;
    const rv_graph *graph;
    rv_map names;          /* of the graph's nodes, once somebody looks for one */
    const rv_json *projects; /* {dir, tags, default} by name; NULL: there are none */
    const rv_json *stood;  /* NULL: at the root */
} place;

static rv_str member_text(const rv_json *object, const char *key)
{
    const rv_json *value = rv_json_get(object, rv_str_of(key));
    return value ? value->text : RV_STR("");
}

static rv_status place_open(place *at, const rv_graph *graph, rv_str stood, rv_error *err)
{
    rv_json *tree = NULL;
    *at = (place){.graph = graph};
    rv_str text = rv_graph_str(graph, graph->projects);
    rv_status status = text.size ? rv_json_parse(&at->arena, text, &tree, err) : RV_OK;
    at->projects = tree;
    size_t longest = 0;
    for (const rv_json *project = tree ? tree->child : NULL; project && stood.size; project = project->next) {
        rv_str dir = member_text(project, "dir");
        bool is_around = rv_str_starts(stood, dir) && (stood.size == dir.size || stood.at[dir.size] == '/');
        if (is_around && dir.size > longest) at->stood = project, longest = dir.size;
    }
    return status;
}

static void place_close(place *at)
{
    rv_map_deinit(&at->names);
    rv_arena_deinit(&at->arena);
}

static uint32_t find_in(place *at, const rv_json *project, rv_str name)
{
    const rv_graph *graph = at->graph;
    rv_str whole = project ? rv_arena_printf(&at->arena, "%.*s:%.*s", RV_FMT(project->key), RV_FMT(name)) : name;
    if (at->names.count == 0 && rv_map_reserve(&at->names, graph->plain_count) == RV_OK)
        for (uint32_t node = 0; node < graph->plain_count; node++) (void)rv_map_add(&at->names, rv_graph_name(graph, node), node);
    return rv_map_get(&at->names, whole);
}

static bool has_tag(const rv_json *project, rv_str tag)
{
    const rv_json *tags = rv_json_get(project, RV_STR("tags"));
    for (const rv_json *item = tags ? tags->child : NULL; item; item = item->next)
        if (rv_str_eq(item->text, tag)) return true;
    return false;
}

/* `^:x`, `^~:x`, `[tag]:x`, `[tag]~:x`. false: it is none of them. */
static bool add_selected(place *at, wanted *w, rv_str word)
{
    size_t close = word.size && word.at[0] == '[' ? rv_str_find(word, 0, ']') : 0;
    rv_str tag = close == SIZE_MAX || close == 0 ? RV_STR("") : rv_str_cut(word, 1, close - 1);
    if (word.size == 0 || close == SIZE_MAX || (word.at[0] != '^' && tag.size == 0)) return false;
    rv_str rest = rv_str_from(word, close + 1);
    bool others = rv_str_starts(rest, RV_STR("~"));
    if (others) rest = rv_str_from(rest, 1);
    if (!rv_str_starts(rest, RV_STR(":"))) return false;
    rv_str name = rv_str_from(rest, 1);
    for (const rv_json *project = at->projects ? at->projects->child : NULL; project; project = project->next) {
        if ((others && project == at->stood) || (tag.size && !has_tag(project, tag))) continue;
        uint32_t node = find_in(at, project, name);
        if (node != RV_NONE) add(w, node);
    }
    return true;
}

/* What a whole name, one of the root's or one of the project one stands in means; RV_NONE: nothing. */
static uint32_t find_named(place *at, rv_str word)
{
    bool is_of_root = at->projects && rv_str_starts(word, RV_STR("root:")), is_whole = rv_str_find(word, 0, ':') != SIZE_MAX;
    return is_of_root ? find_in(at, NULL, rv_str_from(word, 5)) : find_in(at, is_whole ? NULL : at->stood, word);
}

/* A word of the command line. */
static rv_status add_word(place *at, wanted *w, rv_str word, const char *file, rv_error *err)
{
    uint32_t before = w->count;
    if (add_selected(at, w, word))
        return w->count > before ? RV_OK
                                 : rv_error_set(err, RV_NOT_FOUND,
                                                "`%.*s`: no project has such a node; `reeve graph` shows those that there are",
                                                RV_FMT(word));
    uint32_t node = find_named(at, word);
    if (node == RV_NONE) return no_such_node(at->graph, word, file, err);
    add(w, node);
    return RV_OK;
}

uint32_t rv_select_node(const rv_graph *graph, rv_str stood, rv_str word)
{
    place at;
    rv_error ignored;
    wanted w = wanted_new(graph);
    uint32_t node = RV_NONE;
    if (place_open(&at, graph, stood, &ignored) == RV_OK) {
        if (!add_selected(&at, &w, word)) node = find_named(&at, word);
        else if (w.count == 1)
            for (node = 0; !w.named[node];) node++;
    }
    place_close(&at);
    rv_free(w.named);
    return node;
}

/* Without words: the `default` of the project one stands in, or all of its nodes; at the root the file's. */
static void add_default(place *at, wanted *w)
{
    rv_str name = at->stood ? member_text(at->stood, "default") : rv_graph_str(at->graph, at->graph->default_node);
    rv_str prefix = at->stood ? rv_arena_printf(&at->arena, "%.*s:", RV_FMT(at->stood->key)) : RV_STR("");
    uint32_t node = name.size ? find_in(at, at->stood, name) : RV_NONE;
    if (node != RV_NONE) add(w, node);
    else
        for (node = 0; node < at->graph->plain_count; node++)
            if (rv_str_starts(rv_graph_name(at->graph, node), prefix)) add(w, node);
}

static rv_status find_wanted(const rv_select *select, const rv_load *load, wanted *w, rv_error *err)
{
    place at;
    if (select->is_changed) return rv_changed_nodes(&select->changed, load, w->named, &w->count, err);
    rv_status status = place_open(&at, w->graph, rv_buf_str(&load->stood), err);
    if (status == RV_OK && select->refs.count == 0) add_default(&at, w);
    for (uint32_t i = 0; i < select->refs.count && status == RV_OK; i++)
        status = add_word(&at, w, rv_str_of(select->refs.at[i]), load->file, err);
    place_close(&at);
    return status;
}

rv_status rv_select_apply(const rv_select *select, rv_load *load, uint32_t *ret_count, rv_error *err)
{
    const rv_graph *graph = &load->spec->graph;
    *ret_count = graph->plain_count;
    if (select->is_all) return RV_OK;
    wanted w = wanted_new(graph);
    rv_status status = find_wanted(select, load, &w, err);
    if (status == RV_OK) *ret_count = w.count;
    if (status != RV_OK || w.count == 0) {
        rv_free(w.named);
        return status;
    }
    rv_spec_input input = rv_load_input(load);
    load->is_kept |= w.count < graph->plain_count;
    return cut_take(w, &load->spec, &input, err);
}
