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
    if (select->refs.count == 0) return RV_OK;
    const char *first = select->refs.at[0];
    if (select->is_all) return rv_error_set(err, RV_INVALID, "%s and --all exclude each other; leave out one", first);
    if (rv_args_has(args, "resume"))
        return rv_error_set(err, RV_INVALID, "%s and --resume exclude each other: a run keeps the nodes that it began with", first);
    return RV_OK;
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

static uint32_t node_named(const rv_graph *graph, rv_str name)
{
    for (uint32_t node = 0; node < graph->plain_count; node++)
        if (rv_str_eq(rv_graph_name(graph, node), name)) return node;
    return RV_NONE;
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
    wanted w = wanted_new(&(*spec)->graph);
    for (const rv_json *item = status == RV_OK ? list->child : NULL; item && status == RV_OK; item = item->next) {
        uint32_t node = node_named(w.graph, item->text);
        if (node == RV_NONE) status = rv_error_set(err, RV_NOT_FOUND, "the run is of node `%.*s`, which is gone", RV_FMT(item->text));
        else add(&w, node);
    }
    if (status == RV_OK) status = cut_take(w, spec, input, err);
    else rv_free(w.named);
    rv_arena_deinit(&arena);
    return status;
}

rv_status rv_select_again(rv_str only, rv_load *load, rv_error *err)
{
    rv_spec_input input = rv_load_input(load);
    return rv_select_part(only, &load->spec, &input, err);
}

rv_status rv_select_apply(const rv_select *select, rv_load *load, rv_error *err)
{
    const rv_graph *graph = &load->spec->graph;
    rv_str fallback = rv_graph_str(graph, graph->default_node);
    rv_status status = RV_OK;
    if (select->is_all || (select->refs.count == 0 && fallback.size == 0)) return RV_OK;
    wanted w = wanted_new(graph);
    if (select->refs.count == 0) add(&w, node_named(graph, fallback)); /* that it is there loading has seen to */
    for (uint32_t i = 0; i < select->refs.count && status == RV_OK; i++) {
        rv_str word = rv_str_of(select->refs.at[i]);
        uint32_t node = node_named(graph, word);
        if (node == RV_NONE) status = no_such_node(graph, word, select->file ? select->file : load->path.at, err);
        else add(&w, node);
    }
    if (status != RV_OK) {
        rv_free(w.named);
        return status;
    }
    rv_spec_input input = rv_load_input(load);
    load->is_kept |= w.count < graph->plain_count;
    return cut_take(w, &load->spec, &input, err);
}
