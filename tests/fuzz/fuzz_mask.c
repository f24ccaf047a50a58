/* fuzz_mask.c: "SECRET\nSECRET\n…\n\nTEXT": streamed in pieces of every small size, the result is that of the whole text, and it
 * is the search's of every secret at every place. */
#include "base/util.h"
#include "blob/blob.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SECRETS_MAX = 16, TEXT_SIZE_MAX = 4096 };

static void search(const rv_str *secrets, uint32_t count, rv_str text, rv_buf *out)
{
    uint8_t *mark = rv_alloc(text.size + 1); /* 1: covered, 2: entered from the byte before */
    for (uint32_t s = 0; s < count; s++)
        for (size_t at = 0; secrets[s].size >= 4 && at + secrets[s].size <= text.size; at++)
            for (size_t i = 0; rv_str_starts(rv_str_from(text, at), secrets[s]) && i < secrets[s].size; i++)
                mark[at + i] |= i ? 3 : 1;
    for (size_t i = 0; i < text.size; i++) {
        if (!mark[i]) rv_buf_byte(out, text.at[i]);
        else if (!(mark[i] & 2)) rv_buf_cstring(out, "***");
    }
    rv_free(mark);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rv_str text = {(const char *)data, RV_MIN(size, (size_t)TEXT_SIZE_MAX)}, secrets[SECRETS_MAX] = {0};
    uint32_t count = 0;
    while (text.size > 0 && text.at[0] != '\n' && count < SECRETS_MAX) {
        size_t line_end = rv_str_find(text, 0, '\n');
        secrets[count] = rv_str_cut(text, 0, line_end);
        text = rv_str_from(text, line_end == SIZE_MAX ? text.size : line_end + 1);
        count++;
    }
    rv_mask *mask = rv_mask_new(secrets, count);
    rv_buf expected = {0}, out = {0};
    search(secrets, count, text, &expected);
    for (size_t piece = 1; piece < 9; piece++) {
        rv_mask_stream stream = {0};
        rv_buf_clear(&out);
        for (size_t at = 0; at < text.size; at += piece) rv_mask_feed(mask, &stream, rv_str_cut(text, at, piece), &out);
        rv_mask_end(mask, &stream, &out);
        RV_ASSERT(rv_str_eq(rv_buf_str(&out), rv_buf_str(&expected)));
    }
    rv_buf_clear(&out);
    rv_mask_whole(mask, text, &out);
    RV_ASSERT(rv_str_eq(rv_buf_str(&out), rv_buf_str(&expected)));
    rv_mask_free(mask);
    rv_buf_deinit(&expected);
    rv_buf_deinit(&out);
    return 0;
}
