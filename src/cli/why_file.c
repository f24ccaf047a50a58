/* why_file.c: `reeve why -f FILE NODE`: what the cache would say of a node if the file was run now: what its key is made of, hit or miss,
 * what has changed since its last entry [C16]. */
#include <unistd.h>

#include "cli/load.h"
#include "cli/select.h"
#include "cli/ui.h"
#include "cli/verbs.h"
#include "engine/forecast.h"
#include "lib/client.h"

extern char **environ;

typedef struct asked {
    const rv_args *args;
    rv_load load;
    rv_buf store;
    rv_arena arena;
    rv_client *client;
    rv_cache *cache;
    rv_blobs *blobs;
    rv_forecast *forecast;
    uint32_t node;
    rv_differences parts, changes; /* what the key is made of; what of it is not as in the last entry */
    bool has_last;             /* there is one */
} asked;

static const char *const change_words[] = {[RV_MADE_OF_ADDED] = "is new", [RV_MADE_OF_REMOVED] = "is gone",
                                           [RV_MADE_OF_CHANGED] = "changed"};
static const char *const will_words[] = {[RV_FORECAST_RUN] = "run", [RV_FORECAST_HIT] = "hit", [RV_FORECAST_SKIP] = "skip",
                                         [RV_FORECAST_AFTER] = "after"};

static rv_status find_node(asked *a, rv_str name, rv_error *err)
{
    a->node = rv_select_node(&a->load.spec->graph, rv_buf_str(&a->load.stood), name);
    if (a->node != RV_NONE) return RV_OK;
    return rv_error_set(err, RV_NOT_FOUND, "%s has no node `%.*s`; `reeve graph` shows them", a->load.path.at, RV_FMT(name));
}

static rv_status look(asked *a, rv_error *err)
{
    rv_forecast_config config = {.spec = a->load.spec, .file = a->load.path.at, .dir = a->load.dir.at};
    rv_status status = access(a->store.at, F_OK) == 0 ? rv_client_open(a->store.at, &a->client, err)
                                                      : rv_error_set(err, RV_NOT_FOUND, "there is no store at %s yet: nothing was run",
                                                                     a->store.at);
    if (status == RV_OK) status = rv_client_cache_open(a->client, (const char *const *)environ, &a->cache, &a->blobs, err);
    config.cache = a->cache;
    if (status == RV_OK) status = rv_forecast_make(&config, &a->forecast, err);
    if (status != RV_OK || !rv_forecast_of(a->forecast, a->node)->is_cached) return status;
    rv_error ignored;
    (void)!rv_forecast_parts(a->forecast, a->node, &a->arena, &a->parts, &ignored);
    a->has_last = rv_forecast_changes(a->forecast, a->node, &a->arena, &a->changes, &ignored) == RV_OK;
    return RV_OK;
}

/* One line: what would become of it. */
static void write_verdict(const asked *a, rv_buf *out)
{
    const rv_forecast_node *at = rv_forecast_of(a->forecast, a->node);
    if (!at->is_cached) {
        rv_buf_cstring(out, "is not cached: it runs each time");
    } else if (at->word == RV_FORECAST_HIT) {
        rv_buf_cstring(out, "would be taken from the cache; it took ");
        rv_duration_write(out, at->saved_ms);
    } else if (at->word == RV_FORECAST_AFTER) {
        rv_buf_printf(out, "depends on what %.*s gives, which would run first",
                      RV_FMT(at->because == RV_NONE ? RV_STR("a node before it") : rv_graph_name(&a->load.spec->graph, at->because)));
    } else if (at->word == RV_FORECAST_SKIP) {
        rv_buf_cstring(out, "would be skipped");
    } else {
        rv_buf_printf(out, "would run: %s", rv_cache_reason_name(at->reason));
        if (at->text.size) rv_buf_printf(out, " (%.*s)", RV_FMT(at->text));
        else if (!a->has_last) rv_buf_cstring(out, ", it has not been kept before");
    }
}

static void tell(const asked *a)
{
    rv_buf out = {0};
    rv_ui_style(&out, RV_STYLE_BOLD, rv_graph_name(&a->load.spec->graph, a->node));
    rv_buf_cstring(&out, "  ");
    write_verdict(a, &out);
    rv_buf_byte(&out, '\n');
    for (uint32_t i = 0; i < a->changes.count; i++) {
        const rv_difference *d = &a->changes.at[i];
        rv_buf_printf(&out, "  %s%s%.*s %s since its last entry\n", rv_made_of_name(d->kind), d->name.size ? " " : "", RV_FMT(d->name),
                      change_words[d->change]);
    }
    if (a->parts.count) rv_buf_cstring(&out, "  its key is made of:\n");
    for (uint32_t i = 0; i < a->parts.count; i++) {
        const rv_difference *d = &a->parts.at[i];
        rv_buf_printf(&out, "    %s%s%.*s\n", rv_made_of_name(d->kind), d->name.size ? " " : "", RV_FMT(d->name));
    }
    rv_ui_out(rv_buf_str(&out));
    rv_buf_deinit(&out);
}

static void json_list(rv_json_writer *w, const char *key, const rv_differences *list, bool with_change)
{
    static const char *const words[] = {[RV_MADE_OF_ADDED] = "added", [RV_MADE_OF_REMOVED] = "removed", [RV_MADE_OF_CHANGED] = "changed"};
    rv_jw_key(w, key);
    rv_jw_array(w);
    for (uint32_t i = 0; i < list->count; i++) {
        rv_jw_object(w);
        rv_jw_kv_cstring(w, "kind", rv_made_of_name(list->at[i].kind));
        if (list->at[i].name.size) rv_jw_kv_str(w, "name", list->at[i].name);
        if (with_change) rv_jw_kv_cstring(w, "change", words[list->at[i].change]);
        rv_jw_object_end(w);
    }
    rv_jw_array_end(w);
}

static void tell_json(const asked *a)
{
    const rv_forecast_node *at = rv_forecast_of(a->forecast, a->node);
    rv_buf out = {0}, text = {0};
    rv_json_writer w;
    write_verdict(a, &text);
    rv_cli_json_begin(&w, &out);
    rv_jw_kv_str(&w, "node", rv_graph_name(&a->load.spec->graph, a->node));
    rv_jw_kv_bool(&w, "is_cached", at->is_cached);
    rv_jw_kv_cstring(&w, "will", will_words[at->word]);
    if (at->is_cached && at->word == RV_FORECAST_RUN) rv_jw_kv_cstring(&w, "reason", rv_cache_reason_name(at->reason));
    rv_jw_kv_str(&w, "text", rv_buf_str(&text));
    json_list(&w, "changed", &a->changes, true);
    json_list(&w, "made_of", &a->parts, false);
    rv_cli_json_end(&w);
    rv_buf_deinit(&text);
}

int rv_why_file(const rv_args *args)
{
    asked a = {.args = args};
    rv_error err = {0};
    int exit_status = 0;
    const char *file = rv_args_value(args, "file");
    rv_status failed = rv_load_find(&a.load, file, &err);
    if (failed == RV_OK) failed = rv_cli_store_for(rv_args_value(args, "store"), a.load.path.at, &a.store, &err);
    bool is_loaded = failed == RV_OK && rv_load_file(&a.load, args, file, false, NULL, &exit_status) == RV_OK;
    if (is_loaded) failed = find_node(&a, rv_str_of(rv_args_word(args, 0)), &err);
    if (is_loaded && failed == RV_OK) failed = look(&a, &err);
    if (is_loaded && failed == RV_OK) {
        if (args->is_json) tell_json(&a);
        else tell(&a);
    }
    if (failed != RV_OK) exit_status = rv_cli_fail(args, &err);
    rv_forecast_free(a.forecast);
    rv_cache_close(a.cache);
    rv_blobs_close(a.blobs);
    rv_client_close(a.client);
    rv_vec_deinit(&a.parts);
    rv_vec_deinit(&a.changes);
    rv_arena_deinit(&a.arena);
    rv_buf_deinit(&a.store);
    rv_load_deinit(&a.load);
    return exit_status;
}
