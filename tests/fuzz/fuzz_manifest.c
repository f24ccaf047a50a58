/* fuzz_manifest.c: any bytes as an entry of the cache: what is read is what is written again, and leads nowhere.
 *
 * An input that begins with 'M' is a body, which gets a true head and sum: so the fields inside are reached, which the sum would else
 * guard. One that begins with 'D' is two lists of what keys were made of, the first of the size that its second byte says. */
#include <stdlib.h>

#include "engine/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void build(rv_str body, rv_buf *out)
{
    rv_buf_cstring(out, "RVM\x01");
    rv_buf_str_add(out, body);
    uint64_t sum = rv_hash64(rv_buf_str(out), 0);
    for (int i = 0; i < 8; i++) rv_buf_byte(out, (char)(sum >> 8 * i));
}

static bool see_blob(void *user, rv_digest digest, uint64_t size)
{
    ++*(uint32_t *)user;
    return true;
}

static void check_manifest(rv_str bytes)
{
    rv_arena arena = {0};
    rv_buf once = {0}, twice = {0};
    rv_manifest first, second;
    uint32_t blobs = 0;
    if (rv_manifest_read(&arena, bytes, &first) == RV_OK) {
        RV_ASSERT(rv_manifest_blobs(&first, see_blob, &blobs) && blobs <= bytes.size / 32);
        for (uint32_t i = 0; i < first.file_count; i++) {
            rv_str path = first.files[i].path;
            RV_ASSERT(path.at + path.size < bytes.at + bytes.size && path.at[path.size] == 0);
            if (!rv_tree_refusal_of_path(path)) RV_ASSERT(path.size > 0 && path.at[0] != '/' && !strstr(path.at, "/../"));
        }
        rv_manifest_write(&once, &first);
        RV_ASSERT(rv_manifest_read(&arena, rv_buf_str(&once), &second) == RV_OK);
        rv_manifest_write(&twice, &second);
        RV_ASSERT(rv_str_eq(rv_buf_str(&once), rv_buf_str(&twice)));
    }
    rv_buf_deinit(&once);
    rv_buf_deinit(&twice);
    rv_arena_deinit(&arena);
}

static void check_made_of(rv_str both)
{
    rv_differences there = {0}, back = {0};
    rv_str before = rv_str_cut(both, 1, both.size ? (uint8_t)both.at[0] : 0), now = rv_str_from(both, 1 + before.size);
    bool is_good = rv_made_of_compare(before, now, &there);
    RV_ASSERT(is_good == rv_made_of_compare(now, before, &back));
    for (uint32_t i = 0; i < there.count; i++) RV_ASSERT(there.at[i].kind < RV_MADE_OF_COUNT && there.at[i].name.size < both.size);
    rv_vec_clear(&there);
    if (is_good) RV_ASSERT(rv_made_of_compare(now, now, &there) && (there.count == 0 || back.count > 0));
    rv_vec_deinit(&there);
    rv_vec_deinit(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rv_str bytes = {(const char *)data, size};
    rv_buf built = {0};
    if (size > 0 && data[0] == 'D') {
        check_made_of(rv_str_from(bytes, 1));
        return 0;
    }
    if (size > 0 && data[0] == 'M') {
        build(rv_str_from(bytes, 1), &built);
        bytes = rv_buf_str(&built);
    }
    char *copy = rv_alloc(bytes.size + 1); /* so that a read past its end is seen */
    if (bytes.size) memcpy(copy, bytes.at, bytes.size);
    check_manifest((rv_str){copy, bytes.size});
    rv_free(copy);
    rv_buf_deinit(&built);
    return 0;
}
