/* The key tables: sorted, documented, and the same in the checks, the JSON Schema and the manual [W1–W3]. */
#include "spec_help.h"
#include "spec/keys.h"
#include <ctype.h>

#define X(name_) #name_,
static const char *const node_names[] = {RV_NODE_KEY_MAP(X)}, *const file_names[] = {RV_FILE_KEY_MAP(X)};
#undef X

static void assert_name(const char *number, const char *key)
{
    assert_int_equal(strlen(number), strlen(key));
    for (size_t i = 0; number[i]; i++) assert_int_equal(tolower((unsigned char)number[i]), key[i]);
}

static void tables__are_sorted_and_found(void **state)
{
    for (uint32_t t = 0; rv_key_tables[t]; t++) {
        const rv_key_table *table = rv_key_tables[t];
        for (uint32_t i = 0; i < table->count; i++) {
            if (i > 0) assert_true(strcmp(table->keys[i - 1].name, table->keys[i].name) < 0);
            assert_int_equal(rv_key_find(table, rv_str_of(table->keys[i].name)), i);
            assert_true(table->keys[i].type == NULL || (table->keys[i].doc && table->keys[i].doc[0]));
        }
        assert_int_equal(rv_key_find(table, RV_STR("")), RV_NONE);
        assert_int_equal(rv_key_find(table, RV_STR("zzz")), RV_NONE);
    }
}

/* Its slow twin: one by one. */
static void assert_found_as_it_is(const rv_key_table *table, rv_str name)
{
    uint32_t expected = RV_NONE;
    for (uint32_t i = 0; i < table->count && expected == RV_NONE; i++)
        if (rv_str_eq(name, rv_str_of(table->keys[i].name))) expected = i;
    assert_int_equal(rv_key_find(table, name), expected);
}

static void tables__names_near_a_key_are_not_taken_for_it(void **state)
{
    static const unsigned char bytes[] = {0, 1, '_', 'a', 'z', 0x80, 0xff};
    for (uint32_t t = 0; rv_key_tables[t]; t++)
        for (uint32_t i = 0; i < rv_key_tables[t]->count; i++) {
            char name[64];
            size_t size = strlen(rv_key_tables[t]->keys[i].name);
            assert_true(size < sizeof name);
            for (size_t at = 0; at <= size; at++)
                for (size_t b = 0; b < RV_COUNT(bytes); b++) {
                    memcpy(name, rv_key_tables[t]->keys[i].name, size);
                    assert_found_as_it_is(rv_key_tables[t], (rv_str){name, at});
                    name[at] = (char)bytes[b];
                    assert_found_as_it_is(rv_key_tables[t], (rv_str){name, RV_MAX(at + 1, size)});
                }
        }
}

static void tables__numbers_of_keys_are_their_rows(void **state)
{
    assert_int_equal(RV_COUNT(node_names), rv_node_table.count);
    assert_int_equal(RV_COUNT(file_names), rv_file_table.count);
    for (uint32_t i = 0; i < rv_node_table.count; i++) assert_name(node_names[i], rv_node_table.keys[i].name);
    for (uint32_t i = 0; i < rv_file_table.count; i++) assert_name(file_names[i], rv_file_table.keys[i].name);
}

static void tables__kind_keys_are_the_kinds(void **state)
{
    uint32_t kinds = 0;
    for (uint32_t i = 0; i < rv_node_table.count; i++) {
        const rv_key *key = &rv_node_table.keys[i];
        rv_kind kind = rv_key_kind((rv_node_key)i);
        if ((key->flags & RV_KEY_KIND) && key->type) assert_int_not_equal(kind, RV_KIND_COUNT);
        if (kind == RV_KIND_COUNT) continue;
        assert_true(key->flags & RV_KEY_KIND);
        assert_string_equal(rv_kind_name(kind), key->name);
        kinds++;
    }
    assert_int_equal(kinds, RV_KIND_COUNT);
}

/* [W2b] every known key that is not carried out is refused at its position, in the file and in a node. */
static void tables__every_key_that_is_not_carried_out_is_refused(void **state)
{
    uint32_t refused = 0;
    for (uint32_t i = 0; i < rv_node_table.count + rv_file_table.count; i++) {
        bool is_node = i < rv_node_table.count;
        const rv_key *key = is_node ? &rv_node_table.keys[i] : &rv_file_table.keys[i - rv_node_table.count];
        if (key->type) continue;
        char source[300], expected[300];
        (void)snprintf(source, sizeof source,
                       is_node ? "reeve: 1\nnodes: {a: {run: [x], %s: 1}}\n" : "reeve: 1\nnodes: {a: {run: [x]}}\n%s: 1\n",
                       key->name);
        (void)snprintf(expected, sizeof expected, "%s: `%s` is not supported by this version; remove it\n",
                       is_node ? "flow.yaml:2:23" : "flow.yaml:3:1", key->name);
        loaded l = load_yaml(source);
        assert_null(l.spec);
        assert_non_null(strstr(l.text.at, expected));
        loaded_free(&l);
        refused++;
    }
    assert_true(refused >= 10);
}

/* Every key refuses a value that no type takes, so that none is read without a check. */
static void tables__every_key_checks_its_type(void **state)
{
    uint32_t checked = 0;
    for (uint32_t i = 0; i < rv_node_table.count; i++) {
        const rv_key *key = &rv_node_table.keys[i];
        if (!key->type || key->type->kind == RV_TYPE_DATA) continue;
        bool is_map = key->type->kind == RV_TYPE_MAP || key->type->kind == RV_TYPE_OBJECT || key->type->kind == RV_TYPE_SCHEMA ||
                      key->type->kind == RV_TYPE_CACHE;
        char source[300];
        (void)snprintf(source, sizeof source, "reeve: 1\nnodes: {a: {%s%s: %s}}\n",
                       key->flags & RV_KEY_KIND ? ""
                       : i == RV_NK_SHELL_NAME  ? "shell: x, "
                                                : "run: [x], ",
                       key->name, is_map ? "[]" : key->type->kind == RV_TYPE_MUTEXES ? "[[]]" : "{}");
        loaded l = load_yaml(source);
        assert_null(l.spec);
        assert_non_null(strstr(l.text.at, key->name));
        assert_non_null(strstr(l.text.at, " wants "));
        loaded_free(&l);
        checked++;
    }
    assert_true(checked >= 20);
}

static void schema__is_json_with_every_supported_key(void **state)
{
    rv_buf text = {0};
    rv_arena arena = {0};
    rv_json *schema = NULL;
    rv_error err = {0};
    rv_spec_schema(&text);
    assert_int_equal(rv_json_parse(&arena, rv_buf_str(&text), &schema, &err), RV_OK);
    const rv_json *definitions = rv_json_get(schema, RV_STR("$defs"));
    for (uint32_t t = 0; rv_key_tables[t]; t++) {
        const rv_json *object = t == 0 ? schema : rv_json_get(definitions, rv_str_of(rv_key_tables[t]->id));
        const rv_json *properties = rv_json_get(object, RV_STR("properties"));
        assert_non_null(properties);
        for (uint32_t i = 0; i < rv_key_tables[t]->count; i++) {
            const rv_key *key = &rv_key_tables[t]->keys[i];
            assert_int_equal(rv_json_get(properties, rv_str_of(key->name)) != NULL, key->type != NULL);
        }
    }
    rv_arena_deinit(&arena);
    rv_buf_deinit(&text);
}

/* docs/workflow.md has the reference between two marks; REEVE_DOCS_WRITE=1 writes it there. */
static void manual__key_reference_is_that_of_the_tables(void **state)
{
    static const char begin[] = "<!-- keys: begin -->\n", end[] = "<!-- keys: end -->";
    const char *root = getenv("REEVE_SOURCE_ROOT");
    rv_buf page = {0}, reference = {0};
    rv_error err = {0};
    char path[1024];
    if (root == NULL) skip();
    (void)snprintf(path, sizeof path, "%s/docs/workflow.md", root);
    assert_int_equal(rv_spec_read(path, &page, &err), RV_OK);
    char *from = strstr(page.at, begin), *to = from ? strstr(from, end) : NULL;
    assert_non_null(to);
    from += sizeof begin - 1;
    rv_buf_byte(&reference, '\n');
    rv_keys_reference(&reference);
    if (getenv("REEVE_DOCS_WRITE")) {
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        assert_true(fwrite(page.at, 1, (size_t)(from - page.at), file) && fwrite(reference.at, 1, reference.size, file) &&
                    fwrite(to, 1, page.size - (size_t)(to - page.at), file));
        assert_int_equal(fclose(file), 0);
    } else if (!rv_str_eq((rv_str){from, (size_t)(to - from)}, rv_buf_str(&reference)))
        fail_msg("docs/workflow.md is not what the tables say; run this test with REEVE_DOCS_WRITE=1");
    rv_buf_deinit(&page);
    rv_buf_deinit(&reference);
}

/* The manual's examples load. */
static void manual__examples_are_right(void **state)
{
    static const uint32_t node_counts[] = {5, 12, 3, 2, 2};
    const char *root = getenv("REEVE_SOURCE_ROOT");
    rv_buf page = {0};
    rv_error err = {0};
    char path[1024];
    if (root == NULL) skip();
    (void)snprintf(path, sizeof path, "%s/docs/workflow.md", root);
    assert_int_equal(rv_spec_read(path, &page, &err), RV_OK);
    char *from = page.at;
    for (size_t i = 0; i < RV_COUNT(node_counts); i++) {
        from = strstr(from, "```yaml\n");
        char *to = from ? strstr(from, "\n```\n") : NULL;
        assert_non_null(to);
        to[1] = 0;
        loaded l = load_good(from + strlen("```yaml\n"));
        assert_int_equal(l.spec->graph.node_count, node_counts[i]);
        assert_int_equal(l.problems.list.count, 0);
        loaded_free(&l);
        from = to + 2;
    }
    assert_null(strstr(from, "```yaml\n"));
    rv_buf_deinit(&page);
}

#define T(name_) cmocka_unit_test(name_)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(tables__are_sorted_and_found),
        T(tables__names_near_a_key_are_not_taken_for_it),
        T(tables__numbers_of_keys_are_their_rows),
        T(tables__kind_keys_are_the_kinds),
        T(tables__every_key_that_is_not_carried_out_is_refused),
        T(tables__every_key_checks_its_type),
        T(schema__is_json_with_every_supported_key),
        T(manual__key_reference_is_that_of_the_tables),
        T(manual__examples_are_right),
    };
    return cmocka_run_group_tests_name("spec tables", tests, NULL, NULL);
}
