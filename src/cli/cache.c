/* cache.c: `reeve cache info | clean | clear`. */
#include <time.h>

#include "cli/cli.h"
#include "cli/verbs.h"
#include "lib/control.h"

static int64_t wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* INVALID: no such word, no mode where one must be, or a value that is none. */
static rv_status read_wish(const rv_args *args, rv_cache_wish *ret, rv_error *err)
{
    const char *what = rv_args_word(args, 0), *age = rv_args_value(args, "max-age"), *size = rv_args_value(args, "max-size");
    bool is_clean = strcmp(what, "clean") == 0, is_clear = strcmp(what, "clear") == 0, is_info = strcmp(what, "info") == 0;
    if (!is_clean && !is_clear && !is_info)
        return rv_error_set(err, RV_INVALID, "`reeve cache %s` is not known; there are info, clean and clear", what);
    bool has_mode = rv_args_has(args, "stale") || age || size;
    if (!is_clean && has_mode)
        return rv_error_set(err, RV_INVALID, "--stale, --max-age and --max-size are for `reeve cache clean`");
    if (is_clean && !has_mode)
        return rv_error_set(err, RV_INVALID,
                            "what is to be cleaned? --stale, --max-age D or --max-size S; `reeve cache clear` removes all");
    *ret = (rv_cache_wish){.stale = rv_args_has(args, "stale"), .all = is_clear, .has_age = age, .has_size = size,
                           .dry_run = is_info || rv_args_has(args, "dry-run"), .now_ms = wall_ms()};
    if (age && !rv_duration_parse(rv_str_of(age), &ret->age_ms_max))
        return rv_error_set(err, RV_INVALID, "--max-age %s is no duration; write it as 12h or 30d", age);
    if (size && !rv_size_parse(rv_str_of(size), &ret->size_max))
        return rv_error_set(err, RV_INVALID, "--max-size %s is no size; write it as 500MB or 2GiB", size);
    return RV_OK;
}

static void count(rv_buf *out, uint64_t number, const char *one, const char *many)
{
    rv_buf_u64(out, number);
    rv_buf_printf(out, " %s", number == 1 ? one : many);
}

static void add_size(rv_buf *out, uint64_t size)
{
    rv_buf_cstring(out, ", ");
    rv_size_write(out, size);
    rv_buf_byte(out, '\n');
}

static void write_people(rv_buf *out, const rv_cache_wish *wish, const rv_cache_tally *tally, bool is_info)
{
    static const char *const why[] = {"cannot be used", "not used for so long", "over the size", ""};
    const char *verb = is_info ? "in the cache" : wish->dry_run ? "would be removed" : "removed";
    uint64_t entries = 0, bytes = 0;
    for (int mode = 0; mode < RV_CACHE_MODE_COUNT; mode++) entries += tally->removed[mode].entries, bytes += tally->removed[mode].bytes;
    count(out, is_info ? tally->entries : entries, "entry ", "entries ");
    rv_buf_cstring(out, verb);
    add_size(out, is_info ? tally->bytes : bytes);
    for (int mode = 0; mode < RV_CACHE_ALL; mode++) {
        if (tally->removed[mode].entries == 0) continue;
        rv_buf_cstring(out, "  ");
        count(out, tally->removed[mode].entries, why[mode], why[mode]);
        add_size(out, tally->removed[mode].bytes);
    }
    if (tally->blobs == 0) return;
    count(out, tally->blobs, "blob ", "blobs ");
    rv_buf_cstring(out, is_info ? "that no entry needs; `reeve cache clean --stale` removes them" : verb);
    add_size(out, tally->blob_bytes);
}

int rv_verb_cache(const rv_args *args)
{
    rv_cache_wish wish;
    rv_cache_tally tally = {0};
    rv_session session = {0};
    rv_error err = {0};
    rv_buf out = {0};
    rv_json_writer w;
    bool is_info = strcmp(rv_args_word(args, 0), "info") == 0;
    rv_status status = read_wish(args, &wish, &err);
    if (status == RV_OK) status = rv_session_open(args, false, NULL, &session, &err);
    if (status == RV_OK) status = rv_client_cache(session.client, &wish, &tally, &err);
    rv_session_close(&session);
    if (status != RV_OK) return rv_cli_fail(args, &err);
    if (args->is_json) {
        rv_cli_json_begin(&w, &out);
        rv_jw_kv_bool(&w, "dry_run", wish.dry_run);
        rv_jw_key(&w, "cache");
        rv_cache_tally_write(&w, &tally);
        rv_cli_json_end(&w);
        return 0;
    }
    write_people(&out, &wish, &tally, is_info);
    rv_ui_out(rv_buf_str(&out));
    rv_buf_deinit(&out);
    return 0;
}
