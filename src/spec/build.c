/* build.c: the file in normal form, and the arrays of the graph as it is written. */
#include "spec/write.h"
#include <stdio.h>
#include <stdlib.h>

/* ---- policies ---- */

static int64_t ms_or_zero(const rv_doc *doc, uint32_t value)
{
    int64_t ms = 0;
    if (value != RV_NONE) RV_ASSERT(rv_doc_ms(doc, value, &ms));
    return ms;
}

static void retry_on(rv_policy *policy, const rv_doc *doc, uint32_t list)
{
    static const struct {
        const char *word;
        uint8_t bit;
    } words[] = {{"signal", RV_RETRY_ON_SIGNAL}, {"timeout", RV_RETRY_ON_TIMEOUT}, {"unavailable", RV_RETRY_ON_UNAVAILABLE}};
    policy->retry_on = 0;
    for (uint32_t item = list + 1, end = rv_doc_next(doc, list); item < end; item++) {
        int64_t status;
        if (rv_doc_i64(doc, item, &status)) {
            policy->retry_exit[status >> 6] |= (uint64_t)1 << (status & 63);
            continue;
        }
        for (size_t i = 0; i < RV_COUNT(words); i++)
            if (rv_str_is(rv_doc_text(doc, item), words[i].word)) policy->retry_on |= words[i].bit;
    }
}

static void take_retry(rv_policy *policy, const rv_doc *doc, uint32_t map)
{
    if (map == RV_NONE) return;
    for (uint32_t key = map + 1, end = rv_doc_next(doc, map); key < end; key = rv_doc_next(doc, key + 1)) {
        rv_str name = rv_doc_text(doc, key);
        int64_t number = 0;
        if (rv_str_is(name, "backoff")) policy->backoff = rv_str_is(rv_doc_text(doc, key + 1), "exponential");
        else if (rv_str_is(name, "delay")) policy->delay_ms = ms_or_zero(doc, key + 1);
        else if (rv_str_is(name, "delay_max")) policy->delay_ms_max = ms_or_zero(doc, key + 1);
        else if (rv_str_is(name, "jitter")) policy->jitter = rv_doc_kind_of(doc, key + 1) == RV_DOC_TRUE;
        else if (rv_str_is(name, "on")) {
            memset(policy->retry_exit, 0, sizeof policy->retry_exit);
            retry_on(policy, doc, key + 1);
        } else {
            RV_ASSERT(rv_doc_i64(doc, key + 1, &number));
            if (rv_str_is(name, "lost_max")) policy->lost_max = (uint32_t)number;
            else policy->max_attempts = (uint32_t)number;
        }
    }
}

uint8_t rv_writer_word(const rv_doc *doc, uint32_t value, const rv_type *type)
{
    return value == RV_NONE ? 0 : (uint8_t)rv_word_find(type->words, rv_doc_text(doc, value));
}

static uint8_t word_of(const rv_doc *doc, uint32_t value, rv_node_key key)
{
    return rv_writer_word(doc, value, rv_node_table.keys[key].type);
}

uint32_t rv_writer_policy(rv_writer *w, const rv_file_draft *file, const uint32_t *values, uint64_t own, bool is_process)
{
    const uint64_t keys = (uint64_t)1 << RV_NK_TIMEOUT | (uint64_t)1 << RV_NK_TIMEOUT_TOTAL | (uint64_t)1 << RV_NK_RETRY |
                          (uint64_t)1 << RV_NK_DELIVERY | (uint64_t)1 << RV_NK_ON_UNKNOWN;
    const rv_doc *doc = &w->loader->doc;
    if (!(own & keys) && w->plain_policy[is_process] != RV_NONE) return w->plain_policy[is_process];
    rv_policy policy = {
        .max_attempts = 1, .lost_max = 3, .retry_on = RV_RETRY_ON_ANY_EXIT | RV_RETRY_ON_SIGNAL | RV_RETRY_ON_UNAVAILABLE};
    if (is_process) {
        policy.timeout_ms = ms_or_zero(doc, values[RV_NK_TIMEOUT]);
        policy.timeout_total_ms = ms_or_zero(doc, values[RV_NK_TIMEOUT_TOTAL]);
        policy.delivery = word_of(doc, values[RV_NK_DELIVERY], RV_NK_DELIVERY);
        policy.on_unknown = word_of(doc, values[RV_NK_ON_UNKNOWN], RV_NK_ON_UNKNOWN);
        if (file->is_project) take_retry(&policy, doc, w->loader->files.at[0].defaults[RV_NK_RETRY]);
        take_retry(&policy, doc, file->defaults[RV_NK_RETRY]);
        if (own >> RV_NK_RETRY & 1) take_retry(&policy, doc, values[RV_NK_RETRY]);
    }
    rv_str bytes = rv_arena_str(&w->loader->arena, (rv_str){(const char *)&policy, sizeof policy});
    uint32_t known = rv_map_add(&w->policy_map, bytes, w->policies.count);
    if (known == RV_NONE) {
        known = w->policies.count;
        rv_vec_push(&w->policies, policy);
    }
    if (!(own & keys)) w->plain_policy[is_process] = known;
    return known;
}

/* ---- tags ---- */

static uint32_t tag_of(rv_writer *w, rv_str name, uint32_t cap, bool is_host)
{
    uint32_t known = rv_map_add(&w->tag_map, name, w->tags.count);
    if (known != RV_NONE) return known;
    rv_vec_push(&w->tags, ((rv_tag_def){rv_writer_extra(w, name), cap, is_host}));
    return w->tags.count - 1;
}

/* The tags of a list (RV_NONE: none) among those of the class that begins at `first`, in order. */
static void add_tags(rv_writer *w, uint32_t list, uint32_t first)
{
    const rv_doc *doc = &w->loader->doc;
    for (uint32_t item = list + 1; list != RV_NONE && item < rv_doc_next(doc, list); item++) {
        uint32_t tag = tag_of(w, rv_doc_text(doc, item), 0, false), at = first;
        while (at < w->class_tags.count && w->class_tags.at[at] < tag) at++;
        if (at < w->class_tags.count && w->class_tags.at[at] == tag) continue;
        rv_vec_push(&w->class_tags, tag);
        memmove(w->class_tags.at + at + 1, w->class_tags.at + at, sizeof(uint32_t) * (w->class_tags.count - 1 - at));
        w->class_tags.at[at] = tag;
    }
}

uint32_t rv_writer_class(rv_writer *w, uint32_t list, uint32_t more, bool is_staged)
{
    uint32_t first = w->class_tags.count;
    add_tags(w, list, first);
    add_tags(w, more, first);
    if (w->class_tags.count == first && !is_staged) return 0;
    uint32_t count = w->class_tags.count - first;
    rv_vec_push(&w->class_tags, is_staged); /* for the comparison only */
    rv_str bytes = rv_arena_str(&w->loader->arena, (rv_str){(const char *)(w->class_tags.at + first), sizeof(uint32_t) * (count + 1)});
    w->class_tags.count--;
    uint32_t known = rv_map_add(&w->class_map, bytes, w->classes.count);
    if (known != RV_NONE) {
        w->class_tags.count = first;
        return known;
    }
    rv_vec_push(&w->classes, ((rv_class_def){first, count, is_staged}));
    return w->classes.count - 1;
}

static void start_classes(rv_writer *w)
{
    const rv_doc *doc = &w->loader->doc;
    uint32_t concurrency = w->loader->files.at[0].keys[RV_FK_CONCURRENCY];
    uint32_t caps = concurrency == RV_NONE ? RV_NONE : rv_doc_get(doc, concurrency, "tags");
    rv_vec_push(&w->classes, ((rv_class_def){0, 0, false}));
    for (uint32_t key = caps + 1; caps != RV_NONE && key < rv_doc_next(doc, caps); key = rv_doc_next(doc, key + 1)) {
        int64_t cap = 0;
        bool is_map = rv_doc_kind_of(doc, key + 1) == RV_DOC_MAP;
        uint32_t max = is_map ? rv_doc_get(doc, key + 1, "max") : key + 1, scope = is_map ? rv_doc_get(doc, key + 1, "scope") : RV_NONE;
        RV_ASSERT(rv_doc_i64(doc, max, &cap));
        (void)tag_of(w, rv_doc_text(doc, key), (uint32_t)cap, scope != RV_NONE && rv_str_is(rv_doc_text(doc, scope), "host"));
    }
}

/* ---- gates ---- */

/* An answer that stands in the file must be one that a person could give. `json` is the default in normal form. */
static void check_fallback(rv_writer *w, uint32_t value, uint32_t schema, rv_str json)
{
    rv_buf text = {0}, violations = {0};
    rv_json *schema_tree = NULL, *tree = NULL;
    rv_writer_data(w, &text, schema);
    rv_status status = rv_json_parse(&w->loader->arena, rv_buf_str(&text), &schema_tree, NULL);
    if (status == RV_OK) status = rv_json_parse(&w->loader->arena, json, &tree, NULL);
    RV_ASSERT(status == RV_OK); /* both are of our own writing */
    if (!rv_schema_check(schema_tree, tree, &violations)) {
        rv_str first = rv_str_cut(rv_buf_str(&violations), 0, rv_str_find(rv_buf_str(&violations), 0, '\n'));
        rv_loader_error(w->loader, value, 0, RV_STR("correct the default or the schema"), "the default does not satisfy the schema: %.*s",
                        RV_FMT(first));
    }
    rv_buf_deinit(&text);
    rv_buf_deinit(&violations);
}

uint32_t rv_writer_gate(rv_writer *w, rv_kind kind, uint32_t map)
{
    const rv_doc *doc = &w->loader->doc;
    rv_gate_def gate = {.ms = 0};
    uint32_t value;
    if (kind == RV_KIND_WAIT) {
        gate.is_until = (value = rv_doc_get(doc, map, "until")) != RV_NONE;
        if (gate.is_until) RV_ASSERT(rv_instant_parse(rv_doc_text(doc, value), &gate.ms));
        else if ((value = rv_doc_get(doc, map, "event")) != RV_NONE) gate.event = rv_writer_extra(w, rv_doc_text(doc, value));
        else gate.ms = ms_or_zero(doc, rv_doc_get(doc, map, "for"));
    } else gate.ms = ms_or_zero(doc, rv_doc_get(doc, map, "deadline"));
    if (kind == RV_KIND_APPROVE && (value = rv_doc_get(doc, map, "on_reject")) != RV_NONE)
        gate.on_reject_continue = rv_str_is(rv_doc_text(doc, value), "continue");
    if (kind == RV_KIND_INPUT && (value = rv_doc_get(doc, map, "default")) != RV_NONE) {
        rv_buf json = {0};
        rv_writer_data(w, &json, value);
        uint32_t schema = rv_doc_get(doc, map, "schema");
        if (schema != RV_NONE) check_fallback(w, value, schema, rv_buf_str(&json));
        gate.fallback = rv_writer_extra(w, rv_buf_str(&json));
        rv_buf_deinit(&json);
    }
    rv_vec_push(&w->gates, gate);
    return w->gates.count - 1;
}

/* ---- the file ---- */

static void write_handlers(rv_writer *w)
{
    static const rv_handler sorted[] = {RV_HANDLER_CANCEL, RV_HANDLER_EXIT, RV_HANDLER_FAILURE, RV_HANDLER_SUCCESS};
    rv_loader *l = w->loader;
    bool is_first = true;
    rv_buf_byte(&w->image, '{');
    for (size_t i = 0; i < RV_COUNT(sorted); i++)
        for (uint32_t node = l->plain_count; node < l->top_count; node++) {
            if (l->nodes.at[node].handler != sorted[i]) continue;
            char name[32];
            int size = snprintf(name, sizeof name, "on.%s", rv_handler_name(sorted[i]));
            rv_buf_printf(&w->image, "%s\"%s\":", is_first ? "" : ",", rv_handler_name(sorted[i]));
            is_first = false;
            rv_writer_node(w, node, rv_writer_extra(w, (rv_str){name, (size_t)size}));
        }
    rv_buf_byte(&w->image, '}');
}

static int by_name(const void *a, const void *b)
{
    const rv_project *x = a, *y = b;
    return rv_str_cmp(x->name, y->name);
}

/* What is kept of projects: their nodes are among the others. */
static void write_projects(rv_writer *w)
{
    rv_loader *l = w->loader;
    rv_json_writer json;
    rv_project *sorted = rv_arena_new(&l->arena, rv_project, l->projects.count + 1);
    if (l->projects.count) memcpy(sorted, l->projects.at, sizeof *sorted * l->projects.count);
    qsort(sorted, l->projects.count, sizeof *sorted, by_name);
    rv_json_writer_init(&json, &w->image, 0);
    rv_jw_object(&json);
    for (uint32_t i = 0; i < l->projects.count; i++) {
        rv_jw_key_str(&json, sorted[i].name);
        rv_jw_object(&json);
        if (sorted[i].default_node != RV_NONE) rv_jw_kv_str(&json, "default", rv_doc_text(&l->doc, sorted[i].default_node));
        rv_jw_kv_str(&json, "dir", sorted[i].dir);
        uint32_t tags = sorted[i].tags;
        if (tags != RV_NONE) {
            rv_jw_key(&json, "tags");
            rv_jw_array(&json);
            for (uint32_t item = tags + 1; item < rv_doc_next(&l->doc, tags); item++) rv_jw_str(&json, rv_doc_text(&l->doc, item));
            rv_jw_array_end(&json);
        }
        rv_jw_object_end(&json);
    }
    rv_jw_object_end(&json);
}

static bool write_definition(rv_writer *w, rv_image *header)
{
    rv_loader *l = w->loader;
    bool is_first = true;
    rv_buf_byte(&w->image, '{');
    for (uint32_t i = 0; i < RV_FK_COUNT; i++) {
        uint32_t value = l->files.at[0].keys[i];
        bool is_always = i == RV_FK_REEVE || (i == RV_FK_NODES && l->projects.count > 0);
        if (i == RV_FK_DEFAULTS || i == RV_FK_ENV || i == RV_FK_TAGS || (value == RV_NONE && !is_always)) continue;
        if (!is_first) rv_buf_byte(&w->image, ',');
        is_first = false;
        rv_buf_printf(&w->image, "\"%s\":", rv_file_table.keys[i].name);
        size_t begin = w->image.size;
        if (i == RV_FK_NODES) {
            if (!rv_writer_nodes(w, 0)) return false;
        } else if (i == RV_FK_ON) write_handlers(w);
        else if (i == RV_FK_PROJECTS) write_projects(w);
        else if (i == RV_FK_DEFAULT) header->default_node = rv_writer_text(w, rv_doc_text(&l->doc, value));
        else if (i == RV_FK_NAME) header->name = rv_writer_text(w, rv_doc_text(&l->doc, value));
        else if (i == RV_FK_REEVE) rv_buf_byte(&w->image, '1');
        else rv_writer_value(w, value, rv_file_table.keys[i].type);
        rv_slice text = {(uint32_t)(begin - w->strings), (uint32_t)(w->image.size - begin)};
        if (i == RV_FK_PARAMS) header->params = text;
        if (i == RV_FK_ONLY) header->only = text;
        if (i == RV_FK_PROJECTS) header->projects = text;
    }
    rv_buf_byte(&w->image, '}');
    return true;
}

/* What is needed to resolve values anew, and to see that file:// contents are still the same. */
static void write_extras(rv_writer *w, rv_image *header)
{
    rv_loader *l = w->loader;
    rv_buf out = {0};
    rv_json_writer json;
    rv_json_writer_init(&json, &out, 0);
    rv_jw_array(&json);
    for (uint32_t i = 0; i < l->env_names.count; i++) {
        rv_jw_array(&json);
        rv_jw_str(&json, l->env_names.at[i]);
        rv_jw_bool(&json, l->env_needed.at[i] != RV_NONE);
        rv_jw_array_end(&json);
    }
    rv_jw_array_end(&json);
    header->env = rv_writer_extra(w, rv_buf_str(&out));
    rv_buf_clear(&out);
    rv_json_writer_init(&json, &out, 0);
    rv_jw_array(&json);
    for (uint32_t i = 0; i < l->contents.count; i++) {
        char digest[RV_DIGEST_TEXT_SIZE + 1];
        rv_digest_text(l->contents.at[i].digest, digest);
        rv_jw_array(&json);
        rv_jw_str(&json, l->contents.at[i].path);
        rv_jw_cstring(&json, digest);
        rv_jw_array_end(&json);
    }
    rv_jw_array_end(&json);
    header->contents = rv_writer_extra(w, rv_buf_str(&out));
    rv_buf_deinit(&out);
    if (header->name.size > 0) return;
    rv_str file = rv_str_of(l->input->file ? l->input->file : "workflow");
    while (rv_str_find(file, 0, '/') != SIZE_MAX) file = rv_str_from(file, rv_str_find(file, 0, '/') + 1);
    static const char *const endings[] = {".yaml", ".yml", ".json"};
    for (size_t i = 0; i < RV_COUNT(endings); i++)
        if (rv_str_ends(file, rv_str_of(endings[i])))
            header->name = rv_writer_extra(w, rv_str_cut(file, 0, file.size - strlen(endings[i])));
}

/* ---- sections ---- */

static void *section_at(rv_writer *w, const rv_image *header, uint32_t section)
{
    return w->image.at + header->sections[section].offset;
}

/* Room for `count` items at the end of the image. */
static void add_section(rv_writer *w, rv_image *header, uint32_t section, uint64_t count, const void *items)
{
    size_t pad = -w->image.size & 15, size = (size_t)count * rv_section_item_size[section];
    memset(rv_buf_extend(&w->image, pad), 0, pad);
    header->sections[section] = (rv_image_section){w->image.size, count};
    char *at = rv_buf_extend(&w->image, size);
    if (items && size) memcpy(at, items, size);
    else memset(at, 0, size);
}

static void fill_edges(rv_writer *w, const rv_image *header)
{
    const rv_loader *l = w->loader;
    uint32_t *begin = section_at(w, header, RV_SECTION_SUCC_BEGIN), *succ = section_at(w, header, RV_SECTION_SUCC),
             *pred = section_at(w, header, RV_SECTION_PRED), count = l->def_count;
    memcpy(section_at(w, header, RV_SECTION_PRED_BEGIN), l->pred_begin, sizeof(uint32_t) * (count + 1));
    uint32_t *next = rv_alloc(sizeof(uint32_t) * (count + 2));
    for (uint32_t i = 0; i < l->pred.count; i++) {
        uint32_t node = RV_EDGE_NODE(l->pred.at[i]);
        bool is_external = node >= count;
        pred[i] = is_external ? (l->pred.at[i] & RV_EDGE_SOFT) | RV_EDGE_EXTERNAL | (node - count) : l->pred.at[i];
        if (!is_external) next[node + 1]++;
    }
    for (uint32_t node = 0; node < count; node++) next[node + 1] += next[node];
    memcpy(begin, next, sizeof(uint32_t) * (count + 1));
    for (uint32_t node = 0; node < count; node++)
        for (uint32_t i = l->pred_begin[node]; i < l->pred_begin[node + 1]; i++)
            if (RV_EDGE_NODE(l->pred.at[i]) < count) succ[next[RV_EDGE_NODE(l->pred.at[i])]++] = node | (l->pred.at[i] & RV_EDGE_SOFT);
    rv_free(next);
}

/* Edges between nodes of this graph. */
static uint32_t inner_edges(const rv_loader *l)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < l->pred.count; i++) count += RV_EDGE_NODE(l->pred.at[i]) < l->def_count;
    return count;
}

/* By priority, then index: a merge sort over indices, which is stable; the usual case needs no pass at all. */
static void fill_order(rv_writer *w, const rv_image *header)
{
    const rv_node_def *nodes = section_at(w, header, RV_SECTION_NODES);
    uint32_t *order = section_at(w, header, RV_SECTION_ORDER), *position = section_at(w, header, RV_SECTION_POSITION);
    uint32_t count = w->loader->plain_count, all = w->loader->def_count;
    bool is_sorted = true;
    for (uint32_t i = 0; i < all; i++) order[i] = i;
    for (uint32_t i = 1; i < count; i++) is_sorted &= nodes[i].priority <= nodes[i - 1].priority;
    uint32_t *other = is_sorted ? NULL : rv_alloc(sizeof(uint32_t) * count);
    for (uint32_t width = 1; !is_sorted && width < count; width *= 2) {
        for (uint32_t begin = 0; begin < count; begin += 2 * width) {
            uint32_t middle = RV_MIN(begin + width, count), end = RV_MIN(begin + 2 * width, count), a = begin, b = middle;
            for (uint32_t out = begin; out < end; out++)
                other[out] =
                    a < middle && (b >= end || nodes[order[a]].priority >= nodes[order[b]].priority) ? order[a++] : order[b++];
        }
        memcpy(order, other, sizeof(uint32_t) * count);
    }
    rv_free(other);
    for (uint32_t i = 0; i < all; i++) position[order[i]] = i;
}

static void fill_scopes(rv_writer *w, const rv_image *header)
{
    rv_scope_def *scopes = section_at(w, header, RV_SECTION_SCOPES);
    for (uint32_t i = 0; i < w->loader->scopes.count; i++) {
        const rv_scope_draft *scope = &w->loader->scopes.at[i];
        scopes[i] = (rv_scope_def){scope->first, scope->count, scope->owner, scope->role, scope->is_named, scope->is_closed, 0};
    }
}

static void settle(rv_slice *slice, uint32_t definition_size)
{
    if (slice->at & RV_SLICE_EXTRA) slice->at = (slice->at & ~RV_SLICE_EXTRA) + definition_size;
}

/* The definition's size is known now: slices of `extra` become slices of the strings. */
static void settle_all(rv_writer *w, rv_image *header)
{
    uint32_t size = header->definition.size;
    rv_node_def *nodes = section_at(w, header, RV_SECTION_NODES);
    for (uint32_t i = 0; i < w->loader->def_count; i++) {
        settle(&nodes[i].name, size);
        settle(&nodes[i].when, size);
    }
    for (uint32_t i = 0; i < w->set_items.count; i++) {
        settle(&w->set_items.at[i].key, size);
        settle(&w->set_items.at[i].expression, size);
    }
    for (uint32_t i = 0; i < w->gates.count; i++) settle(&w->gates.at[i].fallback, size), settle(&w->gates.at[i].event, size);
    for (uint32_t i = 0; i < w->tags.count; i++) settle(&w->tags.at[i].name, size);
    for (uint32_t i = 0; i < w->mutexes.count; i++) settle(&w->mutexes.at[i].name, size), settle(&w->mutexes.at[i].project, size);
    for (uint32_t i = 0; i < w->budgets.count; i++) settle(&w->budgets.at[i].group, size);
    for (uint32_t i = 0; i < w->controls.count; i++)
        settle(&w->controls.at[i].items, size), settle(&w->controls.at[i].until, size), settle(&w->controls.at[i].params, size);
    for (uint32_t i = 0; i < w->externals.count; i++) settle(&w->externals.at[i].name, size);
    for (uint32_t i = 0; i < w->branches.count; i++) settle(&w->branches.at[i].label, size);
    for (uint32_t i = 0; i < w->revises.count; i++) settle(&w->revises.at[i].when, size);
    settle(&header->name, size);
    settle(&header->default_node, size);
    settle(&header->env, size);
    settle(&header->contents, size);
}

static bool assemble(rv_writer *w, rv_image *header)
{
    rv_loader *l = w->loader;
    uint32_t count = l->def_count;
    /* Room for all of it at once, if there is any: what is not touched costs nothing, and a large buffer is dear to move. */
    size_t arrays = count * (sizeof(rv_node_def) + 4 * sizeof(uint32_t)) + (size_t)l->pred.count * 2 * sizeof(uint32_t);
    rv_status ignored = rv_buf_reserve(&w->image, sizeof *header + arrays + l->doc.source.size * 2);
    (void)ignored;
    memset(rv_buf_extend(&w->image, sizeof *header), 0, sizeof *header);
    add_section(w, header, RV_SECTION_NODES, count, NULL);
    w->nodes = header->sections[RV_SECTION_NODES].offset;
    add_section(w, header, RV_SECTION_PRED_BEGIN, count + 1u, NULL);
    add_section(w, header, RV_SECTION_PRED, l->pred.count, NULL);
    add_section(w, header, RV_SECTION_SUCC_BEGIN, count + 1u, NULL);
    add_section(w, header, RV_SECTION_SUCC, inner_edges(l), NULL);
    add_section(w, header, RV_SECTION_ORDER, count, NULL);
    add_section(w, header, RV_SECTION_POSITION, count, NULL);
    fill_edges(w, header);
    w->strings = w->image.size;
    if (!write_definition(w, header)) return false;
    header->definition = (rv_slice){0, (uint32_t)(w->image.size - w->strings)};
    header->digest = rv_sha256((rv_str){w->image.at + w->strings, header->definition.size});
    write_extras(w, header);
    for (uint32_t i = l->def_count; i < l->nodes.count; i++)
        rv_vec_push(&w->externals,
                    ((rv_external_def){.name = rv_writer_extra(w, rv_loader_own_name(l, i)), .flags = l->nodes.at[i].flags}));
    rv_buf_str_add(&w->image, rv_buf_str(&w->extra));
    header->sections[RV_SECTION_STRINGS] = (rv_image_section){w->strings, w->image.size - w->strings};
    settle_all(w, header);
    fill_order(w, header);
    add_section(w, header, RV_SECTION_POLICIES, w->policies.count, w->policies.at);
    add_section(w, header, RV_SECTION_GATES, w->gates.count, w->gates.at);
    add_section(w, header, RV_SECTION_SET_ITEMS, w->set_items.count, w->set_items.at);
    add_section(w, header, RV_SECTION_CLASSES, w->classes.count, w->classes.at);
    add_section(w, header, RV_SECTION_CLASS_TAGS, w->class_tags.count, w->class_tags.at);
    add_section(w, header, RV_SECTION_TAGS, w->tags.count, w->tags.at);
    add_section(w, header, RV_SECTION_MUTEXES, w->mutexes.count, w->mutexes.at);
    add_section(w, header, RV_SECTION_CLAIM_SETS, w->claim_sets.count, w->claim_sets.at);
    add_section(w, header, RV_SECTION_CLAIMS, w->claims.count, w->claims.at);
    add_section(w, header, RV_SECTION_BUDGETS, w->budgets.count, w->budgets.at);
    add_section(w, header, RV_SECTION_SCOPES, l->scopes.count, NULL);
    fill_scopes(w, header);
    add_section(w, header, RV_SECTION_CONTROLS, w->controls.count, w->controls.at);
    add_section(w, header, RV_SECTION_ENTRANTS, w->entrants.count, w->entrants.at);
    add_section(w, header, RV_SECTION_BRANCHES, w->branches.count, w->branches.at);
    add_section(w, header, RV_SECTION_BRANCH_NODES, w->branch_nodes.count, w->branch_nodes.at);
    add_section(w, header, RV_SECTION_REVISES, w->revises.count, w->revises.at);
    add_section(w, header, RV_SECTION_REVISE_NODES, l->revise_nodes.count, l->revise_nodes.at);
    add_section(w, header, RV_SECTION_EXTERNALS, w->externals.count, w->externals.at);
    return true;
}

static void writer_deinit(rv_writer *w)
{
    rv_buf_deinit(&w->extra);
    rv_buf_deinit(&w->base_env);
    rv_vec_deinit(&w->keys);
    rv_vec_deinit(&w->set_items);
    rv_vec_deinit(&w->policies);
    rv_vec_deinit(&w->gates);
    rv_vec_deinit(&w->controls);
    rv_vec_deinit(&w->entrants);
    rv_vec_deinit(&w->branches);
    rv_vec_deinit(&w->branch_nodes);
    rv_vec_deinit(&w->revises);
    rv_vec_deinit(&w->externals);
    rv_vec_deinit(&w->parts);
    rv_vec_deinit(&w->classes);
    rv_vec_deinit(&w->class_tags);
    rv_vec_deinit(&w->tags);
    rv_vec_deinit(&w->mutexes);
    rv_vec_deinit(&w->claim_sets);
    rv_vec_deinit(&w->claims);
    rv_vec_deinit(&w->budgets);
    rv_map_deinit(&w->policy_map);
    rv_map_deinit(&w->class_map);
    rv_map_deinit(&w->tag_map);
    rv_map_deinit(&w->mutex_map);
    rv_map_deinit(&w->claim_map);
}

/* Whether the file's nodes may go from the doc, each once it is written: nothing that is written later stands among them then. Names of
 * externals and nodes of projects do. */
static bool can_release(const rv_loader *l)
{
    return l->input->spent && l->doc.parts.count == 0 && l->projects.count == 0 && l->nodes.count == l->def_count;
}

rv_status rv_loader_write(rv_loader *l, rv_spec *spec)
{
    rv_writer w = {.loader = l, .releases = can_release(l), .plain_policy = {RV_NONE, RV_NONE}};
    rv_image header = {
        .magic = RV_IMAGE_MAGIC, .format = RV_GRAPH_FORMAT, .header_size = sizeof header, .plain_count = l->plain_count,
        .top_count = l->top_count};
    uint32_t concurrency = l->files.at[0].keys[RV_FK_CONCURRENCY],
             cap = concurrency == RV_NONE ? RV_NONE : rv_doc_get(&l->doc, concurrency, "default");
    int64_t number = 0;
    if (cap != RV_NONE && rv_doc_i64(&l->doc, cap, &number)) header.concurrency = (uint32_t)number;
    header.timeout_ms = ms_or_zero(&l->doc, l->files.at[0].keys[RV_FK_TIMEOUT]);
    header.budget = rv_writer_budget(&w, l->files.at[0].keys[RV_FK_BUDGET], RV_AT_LIMIT_PAUSE);
    rv_writer_quota(&w, l->files.at[0].keys[RV_FK_QUOTA], &header.quota);
    for (uint32_t i = 0; i < l->revises.count; i++) rv_vec_push(&w.revises, (rv_revise_def){0});
    start_classes(&w);
    bool is_done = assemble(&w, &header);
    if (is_done) {
        header.size = w.image.size;
        memcpy(w.image.at, &header, sizeof header);
        rv_image_seal((rv_image *)w.image.at);
        spec->image = w.image.at;
        spec->image_size = w.image.size;
        rv_image_graph(spec->image, &spec->graph);
    } else rv_buf_deinit(&w.image);
    writer_deinit(&w);
    return is_done ? RV_OK : RV_LIMIT;
}
