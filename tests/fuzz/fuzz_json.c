/* fuzz_json.c: any bytes: the reader ends; the tree and the reader agree; what is accepted survives being written. */
#include "base/json.h"
#include "base/util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads to the end with the pull reader alone; every token lies inside the text, and they never go back. */
static bool read_tokens(rv_str text)
{
    rv_json_reader reader;
    rv_json_reader_init(&reader, text);
    rv_buf decoded = {0};
    size_t last_offset = 0;
    rv_json_token token;
    do {
        token = rv_json_next(&reader);
        RV_ASSERT(reader.offset <= text.size);
        RV_ASSERT(reader.depth <= RV_JSON_DEPTH_MAX);
        if (token != RV_JSON_T_ERROR) RV_ASSERT(reader.offset >= last_offset);
        last_offset = reader.offset;
        if (token == RV_JSON_T_STRING || token == RV_JSON_T_KEY) {
            rv_buf_clear(&decoded);
            rv_json_unescape(&decoded, reader.text);
            RV_ASSERT(rv_utf8_valid(rv_buf_str(&decoded)) == decoded.size);
        }
    } while (token != RV_JSON_T_END && token != RV_JSON_T_ERROR);
    rv_buf_deinit(&decoded);
    return token == RV_JSON_T_END;
}

static void check_numbers(rv_arena *arena, const rv_json *tree)
{
    int64_t integer;
    double number;
    rv_buf text = {0};
    rv_json_writer w;
    rv_json_writer_init(&w, &text, 0);
    if (rv_json_i64(tree, &integer)) {
        rv_jw_i64(&w, integer);
    } else if (rv_json_double(tree, &number)) {
        rv_jw_double(&w, number);
        rv_json *again;
        double back;
        RV_ASSERT(rv_json_parse(arena, rv_buf_str(&text), &again, NULL) == RV_OK);
        RV_ASSERT(rv_json_double(again, &back));
        RV_ASSERT(back == number);
    }
    rv_buf_deinit(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rv_str text = {(const char *)data, size};
    rv_arena arena = {0};
    rv_json *tree, *again;
    rv_error err;
    bool accepted = read_tokens(text);
    if (rv_json_parse(&arena, text, &tree, &err) == RV_OK) {
        RV_ASSERT(accepted);
        RV_ASSERT(rv_utf8_valid(text) == size);
        for (int canonical = 0; canonical < 2; canonical++) {
            rv_buf written = {0}, twice = {0};
            rv_json_write(&written, tree, canonical);
            RV_ASSERT(rv_json_parse(&arena, rv_buf_str(&written), &again, &err) == RV_OK);
            RV_ASSERT(rv_json_equal(tree, again));
            RV_ASSERT(rv_json_equal(again, tree));
            rv_json_write(&twice, again, canonical);
            RV_ASSERT(rv_str_eq(rv_buf_str(&written), rv_buf_str(&twice)));
            rv_buf_deinit(&written);
            rv_buf_deinit(&twice);
        }
        check_numbers(&arena, tree);
    } else {
        RV_ASSERT(!accepted || strstr(err.text, "twice") != NULL);
    }
    rv_arena_deinit(&arena);
    return 0;
}
