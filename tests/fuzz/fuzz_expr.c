/* fuzz_expr.c: any bytes: check and eval agree about syntax, offsets lie inside, the same text gives the same value twice. */
#include "base/util.h"
#include "kernel/expr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A value for each path, by its first byte; upper case: missing. */
static const rv_json *resolve(void *user, rv_arena *arena, rv_str path)
{
    static const char *const values[] = {"true", "false", "null", "3", "-0.5e2", "\"text\"", "[1,\"a\",[true]]", "{\"k\":\"v\"}"};
    rv_json *value = NULL;
    (void)user;
    RV_ASSERT(path.size > 0);
    if (path.at[0] >= 'A' && path.at[0] <= 'Z') return NULL;
    RV_ASSERT(rv_json_parse(arena, rv_str_of(values[(uint8_t)path.at[0] % RV_COUNT(values)]), &value, NULL) == RV_OK);
    return value;
}

static void see_reference(void *user, rv_str path, bool has_default, size_t offset)
{
    const rv_str *text = user;
    (void)has_default;
    RV_ASSERT(path.at > text->at && path.at + path.size < text->at + text->size);
    RV_ASSERT(offset + 2 == (size_t)(path.at - text->at));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rv_str text = {(const char *)data, size};
    rv_arena arena = {0};
    rv_error err = {0};
    size_t offset = 0;
    const rv_json *value = NULL, *again = NULL;
    rv_status checked = rv_expr_check(text, see_reference, &text, &offset, &err);
    RV_ASSERT(offset <= size);
    RV_ASSERT(checked == RV_OK || (checked == RV_INVALID && err.text[0] != 0));
    rv_status status = rv_expr_eval(&arena, text, resolve, NULL, &value, &err);
    RV_ASSERT(status == RV_OK || status == RV_INVALID);
    RV_ASSERT(checked == RV_OK || status == RV_INVALID);
    RV_ASSERT((status == RV_OK) == (value != NULL));
    RV_ASSERT(rv_expr_eval(&arena, text, resolve, NULL, &again, &err) == status);
    if (value) {
        rv_buf written = {0};
        rv_json *parsed;
        RV_ASSERT(rv_json_equal(value, again));
        rv_json_write(&written, value, false);
        RV_ASSERT(rv_json_parse(&arena, rv_buf_str(&written), &parsed, NULL) == RV_OK); /* a value is always JSON */
        rv_buf_deinit(&written);
    }
    rv_arena_deinit(&arena);
    return 0;
}
