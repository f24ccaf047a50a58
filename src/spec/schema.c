/* schema.c: the JSON Schema of the workflow file and the key reference, both from the key tables. */
#include "spec/keys.h"
#include "spec/spec.h"
#include <stdio.h>

/* ---- JSON Schema (draft 2020-12) ---- */

static void write_type(rv_json_writer *w, const rv_type *type);

static void reference(rv_json_writer *w, const char *name)
{
    char text[80];
    (void)snprintf(text, sizeof text, "#/$defs/%s", name);
    rv_jw_kv_cstring(w, "$ref", text);
}

/* A plain YAML scalar is its own text, so an editor must let numbers and booleans pass where a string is wanted [W5]. */
static void any_scalar(rv_json_writer *w)
{
    static const char *const types[] = {"string", "number", "boolean", "null"};
    rv_jw_key(w, "type");
    rv_jw_array(w);
    for (size_t i = 0; i < RV_COUNT(types); i++) rv_jw_cstring(w, types[i]);
    rv_jw_array_end(w);
}

static void write_words(rv_json_writer *w, const char *const *words)
{
    rv_jw_key(w, "enum");
    rv_jw_array(w);
    for (uint32_t i = 0; words[i]; i++) rv_jw_cstring(w, words[i]);
    rv_jw_array_end(w);
}

static void write_range(rv_json_writer *w, const rv_type *type)
{
    rv_jw_kv_cstring(w, "type", "integer");
    rv_jw_kv_i64(w, "minimum", type->least);
    rv_jw_kv_i64(w, "maximum", type->most);
}

static void write_either(rv_json_writer *w, const rv_type *type)
{
    rv_jw_key(w, "anyOf");
    rv_jw_array(w);
    rv_jw_object(w);
    if (type->kind == RV_TYPE_CAP) rv_jw_kv_cstring(w, "const", "auto");
    else write_words(w, type->words);
    rv_jw_object_end(w);
    rv_jw_object(w);
    if (type->kind != RV_TYPE_WORDS) write_range(w, type);
    else {
        rv_jw_kv_cstring(w, "type", "array");
        rv_jw_key(w, "items");
        rv_jw_object(w);
        write_words(w, type->words);
        rv_jw_object_end(w);
    }
    rv_jw_object_end(w);
    rv_jw_array_end(w);
}

static void write_container(rv_json_writer *w, const rv_type *type)
{
    bool is_list = type->kind == RV_TYPE_LIST;
    rv_jw_kv_cstring(w, "type", is_list ? "array" : "object");
    if (type->least > 0) rv_jw_kv_i64(w, is_list ? "minItems" : "minProperties", type->least);
    if (!is_list && type->key->kind == RV_TYPE_IDENTIFIER) {
        rv_jw_key(w, "propertyNames");
        rv_jw_object(w);
        rv_jw_kv_cstring(w, "pattern", type->key->is_open ? "^([A-Za-z0-9][A-Za-z0-9_-]{0,63}:)?[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
                                                      : "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$");
        rv_jw_object_end(w);
    }
    rv_jw_key(w, is_list ? "items" : "additionalProperties");
    rv_jw_object(w);
    write_type(w, type->item);
    rv_jw_object_end(w);
}

/* A node's body; or a graph, or a name. */
static void write_body_or(rv_json_writer *w, bool is_graph)
{
    rv_jw_key(w, "anyOf");
    rv_jw_array(w);
    rv_jw_object(w);
    reference(w, rv_node_table.id);
    rv_jw_object_end(w);
    rv_jw_object(w);
    if (is_graph) {
        rv_jw_kv_cstring(w, "type", "object");
        rv_jw_kv_bool(w, "additionalProperties", false);
        rv_jw_key(w, "required");
        rv_jw_array(w);
        rv_jw_cstring(w, "nodes");
        rv_jw_array_end(w);
        rv_jw_key(w, "properties");
        rv_jw_object(w);
        rv_jw_key(w, "nodes");
        rv_jw_object(w);
        write_type(w, rv_file_table.keys[RV_FK_NODES].type);
        rv_jw_object_end(w);
        rv_jw_object_end(w);
    } else any_scalar(w);
    rv_jw_object_end(w);
    rv_jw_array_end(w);
}

/* A number, a name or a boolean, or an object that says more. */
static void write_or_object(rv_json_writer *w, const rv_type *type)
{
    rv_jw_key(w, "anyOf");
    rv_jw_array(w);
    rv_jw_object(w);
    if (type->kind == RV_TYPE_TAG_CAP) write_range(w, type);
    else if (type->kind == RV_TYPE_CACHE) rv_jw_kv_cstring(w, "type", "boolean");
    else any_scalar(w);
    rv_jw_object_end(w);
    rv_jw_object(w);
    reference(w, type->table->id);
    rv_jw_object_end(w);
    rv_jw_array_end(w);
}

static void write_one_or_list(rv_json_writer *w, const rv_type *type)
{
    rv_type list = *type;
    list.kind = RV_TYPE_LIST;
    rv_jw_key(w, "anyOf");
    rv_jw_array(w);
    rv_jw_object(w);
    write_type(w, type->item);
    rv_jw_object_end(w);
    rv_jw_object(w);
    write_container(w, &list);
    rv_jw_object_end(w);
    rv_jw_array_end(w);
}

static void write_projects(rv_json_writer *w, const rv_type *type)
{
    rv_jw_key(w, "anyOf");
    rv_jw_array(w);
    rv_jw_object(w);
    rv_jw_kv_cstring(w, "type", "array");
    rv_jw_kv_i64(w, "minItems", 1);
    rv_jw_key(w, "items");
    rv_jw_object(w);
    rv_jw_kv_cstring(w, "type", "string");
    rv_jw_object_end(w);
    rv_jw_object_end(w);
    rv_jw_object(w);
    rv_jw_kv_cstring(w, "type", "object");
    rv_jw_key(w, "additionalProperties");
    rv_jw_object(w);
    reference(w, type->table->id);
    rv_jw_object_end(w);
    rv_jw_object_end(w);
    rv_jw_array_end(w);
}

static void write_type(rv_json_writer *w, const rv_type *type)
{
    switch (type->kind) {
    case RV_TYPE_TEXT:
    case RV_TYPE_TEMPLATE:
    case RV_TYPE_EXPRESSION:
    case RV_TYPE_SCRIPT:
    case RV_TYPE_IDENTIFIER:
    case RV_TYPE_NODE:
    case RV_TYPE_VARIABLE:
    case RV_TYPE_PATTERN:
    case RV_TYPE_PATH: any_scalar(w); return;
    case RV_TYPE_STRING: rv_jw_kv_cstring(w, "type", "string"); return;
    case RV_TYPE_BOOLEAN: rv_jw_kv_cstring(w, "type", "boolean"); return;
    case RV_TYPE_INTEGER: write_range(w, type); return;
    case RV_TYPE_NUMBER: rv_jw_kv_cstring(w, "type", "number"); return;
    case RV_TYPE_MONEY:
        rv_jw_kv_cstring(w, "type", "number");
        rv_jw_kv_i64(w, "minimum", 0);
        return;
    case RV_TYPE_DURATION:
        rv_jw_kv_cstring(w, "type", "string");
        rv_jw_kv_cstring(w, "pattern", "^([0-9]+(ms|s|m|h|d))+$");
        return;
    case RV_TYPE_TIME:
        rv_jw_kv_cstring(w, "type", "string");
        rv_jw_kv_cstring(w, "format", "date-time");
        return;
    case RV_TYPE_WORD: write_words(w, type->words); return;
    case RV_TYPE_CAP:
    case RV_TYPE_RETRY_ON:
    case RV_TYPE_WORDS: write_either(w, type); return;
    case RV_TYPE_LIST:
    case RV_TYPE_MAP: write_container(w, type); return;
    case RV_TYPE_PROJECTS: write_projects(w, type); return;
    case RV_TYPE_OBJECT: reference(w, type->table->id); return;
    case RV_TYPE_TAG_CAP:
    case RV_TYPE_CACHE:
    case RV_TYPE_MUTEX: write_or_object(w, type); return;
    case RV_TYPE_MUTEXES: write_one_or_list(w, type); return;
    case RV_TYPE_NODE_BODY: reference(w, rv_node_table.id); return;
    case RV_TYPE_BODY_OR_NODES: write_body_or(w, true); return;
    case RV_TYPE_ENTRANT: write_body_or(w, false); return;
    case RV_TYPE_DEFINITION: rv_jw_kv_cstring(w, "$ref", "#"); return;
    case RV_TYPE_DEFAULTS: reference(w, "defaults"); return;
    case RV_TYPE_PARAM_VALUE:
    case RV_TYPE_DATA:
    case RV_TYPE_FILLED: return;
    case RV_TYPE_ITEMS:
        rv_jw_key(w, "type");
        rv_jw_array(w);
        rv_jw_cstring(w, "array");
        rv_jw_cstring(w, "string");
        rv_jw_array_end(w);
        return;
    case RV_TYPE_SCHEMA: reference(w, rv_schema_table.id); return;
    case RV_TYPE_SCHEMA_OR_BOOLEAN:
        rv_jw_key(w, "anyOf");
        rv_jw_array(w);
        rv_jw_object(w);
        rv_jw_kv_cstring(w, "type", "boolean");
        rv_jw_object_end(w);
        rv_jw_object(w);
        reference(w, rv_schema_table.id);
        rv_jw_object_end(w);
        rv_jw_array_end(w);
        return;
    }
    RV_UNREACHABLE();
}

/* Exactly one kind key. */
static void write_kinds(rv_json_writer *w, const rv_key_table *table)
{
    rv_jw_key(w, "oneOf");
    rv_jw_array(w);
    for (uint32_t i = 0; i < table->count; i++) {
        if (!(table->keys[i].flags & RV_KEY_KIND) || table->keys[i].type == NULL) continue;
        rv_jw_object(w);
        rv_jw_key(w, "required");
        rv_jw_array(w);
        rv_jw_cstring(w, table->keys[i].name);
        rv_jw_array_end(w);
        rv_jw_object_end(w);
    }
    rv_jw_array_end(w);
}

static void write_table(rv_json_writer *w, const rv_key_table *table, uint32_t flags)
{
    bool has_required = false;
    rv_jw_kv_cstring(w, "type", "object");
    rv_jw_kv_bool(w, "additionalProperties", false);
    rv_jw_key(w, "properties");
    rv_jw_object(w);
    for (uint32_t i = 0; i < table->count; i++) {
        const rv_key *key = &table->keys[i];
        if (key->type == NULL || (key->flags & flags) != flags) continue;
        has_required |= (key->flags & RV_KEY_REQUIRED) != 0;
        rv_jw_key(w, key->name);
        rv_jw_object(w);
        rv_jw_kv_cstring(w, "description", key->doc);
        write_type(w, key->type);
        rv_jw_object_end(w);
    }
    rv_jw_object_end(w);
    if (has_required) {
        rv_jw_key(w, "required");
        rv_jw_array(w);
        for (uint32_t i = 0; i < table->count; i++)
            if (table->keys[i].flags & RV_KEY_REQUIRED && table->keys[i].type) rv_jw_cstring(w, table->keys[i].name);
        rv_jw_array_end(w);
    }
    if (table == &rv_node_table && flags == 0) write_kinds(w, table);
}

void rv_spec_schema(rv_buf *out)
{
    rv_json_writer w;
    rv_json_writer_init(&w, out, 2);
    rv_jw_object(&w);
    rv_jw_kv_cstring(&w, "$schema", "https://json-schema.org/draft/2020-12/schema");
    rv_jw_kv_cstring(&w, "title", "Reeve workflow");
    write_table(&w, &rv_file_table, 0);
    rv_jw_key(&w, "$defs");
    rv_jw_object(&w);
    for (uint32_t i = 1; rv_key_tables[i]; i++) {
        rv_jw_key(&w, rv_key_tables[i]->id);
        rv_jw_object(&w);
        write_table(&w, rv_key_tables[i], 0);
        rv_jw_object_end(&w);
    }
    rv_jw_key(&w, "defaults");
    rv_jw_object(&w);
    write_table(&w, &rv_node_table, RV_KEY_DEFAULT);
    rv_jw_object_end(&w);
    rv_jw_object_end(&w);
    rv_jw_object_end(&w);
    rv_buf_byte(out, '\n');
}

/* ---- key reference ---- */

static void write_want(rv_buf *out, const rv_type *type)
{
    if (type->kind != RV_TYPE_WORD) {
        rv_buf_cstring(out, type->want);
        return;
    }
    for (uint32_t i = 0; type->words[i]; i++)
        rv_buf_printf(out, "%s`%s`", i == 0 ? "" : type->words[i + 1] ? ", " : " or ", type->words[i]);
}

static void write_kind_names(rv_buf *out, uint32_t kinds)
{
    const char *separator = "";
    for (uint32_t kind = 0; kind < RV_KIND_COUNT; kind++)
        if (kinds >> kind & 1) {
            rv_buf_printf(out, "%s`%s`", separator, rv_kind_name((rv_kind)kind));
            separator = ", ";
        }
}

static void write_row(rv_buf *out, const rv_key *key)
{
    rv_buf_printf(out, "| `%s` | ", key->name);
    write_want(out, key->type);
    rv_buf_printf(out, " | %s | %s", key->flags & RV_KEY_REQUIRED ? "required" : key->fallback ? key->fallback : "–", key->doc);
    if (key->kinds != RV_ON_ALL) {
        rv_buf_cstring(out, " Only for ");
        write_kind_names(out, key->kinds);
        rv_buf_byte(out, '.');
    }
    if (key->flags & RV_KEY_DEFAULT) rv_buf_cstring(out, " May stand in `defaults`.");
    if (key->type->may_be_file) rv_buf_cstring(out, " May be `file://PATH`.");
    rv_buf_cstring(out, " |\n");
}

void rv_keys_reference(rv_buf *out)
{
    for (uint32_t t = 0; rv_key_tables[t]; t++) {
        const rv_key_table *table = rv_key_tables[t];
        const char *separator = "";
        rv_buf_printf(out, "### %s\n\n| key | value | when left out | meaning |\n|---|---|---|---|\n", table->name);
        for (uint32_t i = 0; i < table->count; i++)
            if (table->keys[i].type) write_row(out, &table->keys[i]);
        rv_buf_byte(out, '\n');
        for (uint32_t i = 0; i < table->count; i++)
            if (table->keys[i].type == NULL) {
                rv_buf_printf(out, "%s`%s`",
                              *separator ? separator : "Known, but not supported by this version: ", table->keys[i].name);
                separator = ", ";
            }
        if (*separator) rv_buf_cstring(out, ".\n\n");
    }
}
