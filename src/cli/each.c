/* each.c: `reeve each`: a list on standard input becomes a workflow of one node an item, and runs like any other.
 *
 * Node i000001 … carries its item in metadata. The definition is a function of command, list and options alone, so its
 * hash finds the run again for --resume. */
#include <stdio.h>
#include <unistd.h>

#include "cli/drive.h"
#include "cli/verbs.h"

typedef struct each_verb {
    const rv_args *args;
    rv_buf items, definition, store;
    rv_buf dir;
    rv_spec *spec;
    rv_resume resume;
} each_verb;

/* Append text that the workflow file must not read a reference in: a value is data. */
static void add_literal(rv_buf *out, rv_str text)
{
    for (size_t i = 0; i < text.size; i++) {
        bool is_reference = text.at[i] == '$' && i + 1 < text.size && text.at[i + 1] == '{';
        rv_buf_cstring(out, is_reference ? "$" : "");
        rv_buf_byte(out, text.at[i]);
    }
}

/* An argument with each {} replaced by the item. */
static void add_argument(rv_buf *out, rv_str word, rv_str item, bool *ret_has_hole)
{
    size_t begin = 0;
    for (size_t i = 0; i + 1 < word.size; i++) {
        if (word.at[i] != '{' || word.at[i + 1] != '}') continue;
        rv_buf_str_add(out, rv_str_cut(word, begin, i - begin));
        rv_buf_str_add(out, item);
        *ret_has_hole = true;
        begin = i + 2;
        i++;
    }
    rv_buf_str_add(out, rv_str_from(word, begin));
}

static void add_node(rv_json_writer *w, const rv_args *args, rv_str item, uint64_t number)
{
    char name[32];
    bool has_hole = false;
    rv_buf word = {0}, literal = {0};
    snprintf(name, sizeof name, "i%06llu", (unsigned long long)number);
    rv_jw_key(w, name);
    rv_jw_object(w);
    rv_jw_key(w, "run");
    rv_jw_array(w);
    for (uint32_t i = 0; i < args->words.count; i++) {
        rv_buf_clear(&word);
        rv_buf_clear(&literal);
        add_argument(&word, rv_str_of(args->words.at[i]), item, &has_hole);
        add_literal(&literal, rv_buf_str(&word));
        rv_jw_str(w, rv_buf_str(&literal));
    }
    if (!has_hole) {
        rv_buf_clear(&literal);
        add_literal(&literal, item);
        rv_jw_str(w, rv_buf_str(&literal));
    }
    rv_jw_array_end(w);
    rv_jw_key(w, "metadata");
    rv_jw_object(w);
    rv_jw_kv_str(w, "item", item);
    rv_jw_object_end(w);
    rv_jw_object_end(w);
    rv_buf_deinit(&literal);
    rv_buf_deinit(&word);
}

static rv_status add_defaults(rv_json_writer *w, const rv_args *args, rv_error *err)
{
    uint32_t retries = 0;
    const char *timeout = rv_args_value(args, "timeout");
    int64_t timeout_ms = 0;
    rv_status status = rv_args_number(args, "retries", 0, 1000, 0, &retries, err);
    if (status) return status;
    if (timeout && !rv_duration_parse(rv_str_of(timeout), &timeout_ms))
        return rv_error_set(err, RV_INVALID, "--timeout is `%s`; give a duration such as 500ms, 30s or 10m", timeout);
    if (!timeout && retries == 0) return RV_OK;
    rv_jw_key(w, "defaults");
    rv_jw_object(w);
    if (timeout) rv_jw_kv_cstring(w, "timeout", timeout);
    if (retries) {
        rv_jw_key(w, "retry");
        rv_jw_object(w);
        rv_jw_kv_i64(w, "max_attempts", (int64_t)retries + 1);
        rv_jw_object_end(w);
    }
    rv_jw_object_end(w);
    return RV_OK;
}

static rv_status add_items(each_verb *each, rv_json_writer *w, rv_error *err)
{
    char separator = rv_args_has(each->args, "null") ? 0 : '\n';
    rv_str list = rv_buf_str(&each->items);
    uint64_t number = 0;
    for (size_t at = 0; at < list.size;) {
        size_t end = rv_str_find(list, at, separator);
        rv_str item = rv_str_cut(list, at, (end == SIZE_MAX ? list.size : end) - at);
        at += item.size + 1;
        if (item.size == 0) continue;
        number++;
        if (rv_utf8_valid(item) != item.size || rv_str_find(item, 0, 0) != SIZE_MAX)
            return rv_error_set(err, RV_INVALID, "item %llu is not UTF-8 text; give such names through a file and pass its lines' numbers",
                                (unsigned long long)number);
        if (number > RV_NODES_MAX) return rv_error_set(err, RV_LIMIT, "more than %u items; split the list", RV_NODES_MAX);
        add_node(w, each->args, item, number);
    }
    if (number == 0) return rv_error_set(err, RV_INVALID, "standard input has no items; give one a line");
    return RV_OK;
}

static rv_status build(each_verb *each, rv_error *err)
{
    rv_json_writer w;
    rv_status status = rv_cli_read_file("-", &each->items, err);
    if (status) return status;
    rv_json_writer_init(&w, &each->definition, 0);
    rv_jw_object(&w);
    rv_jw_kv_i64(&w, "reeve", 1);
    rv_jw_kv_cstring(&w, "name", "each");
    status = add_defaults(&w, each->args, err);
    if (status) return status;
    rv_jw_key(&w, "nodes");
    rv_jw_object(&w);
    status = add_items(each, &w, err);
    if (status) return status;
    rv_jw_object_end(&w);
    rv_jw_object_end(&w);

    char here[4096];
    if (!getcwd(here, sizeof here)) return rv_error_set(err, RV_IO, "the current directory cannot be named");
    rv_buf_cstring(&each->dir, here);
    rv_problems problems = {0};
    rv_spec_input input = {.source = rv_buf_str(&each->definition), .file = "the list", .dir = each->dir.at, .is_json = true,
                           .environ = (const char *const *)environ};
    status = rv_spec_load(&input, &each->spec, &problems);
    if (status) {
        rv_str what = problems.list.count ? problems.list.at[0].what : RV_STR("it is not a workflow");
        rv_error_set(err, status, "the list cannot be run: %.*s", RV_FMT(what));
    }
    rv_problems_deinit(&problems);
    return status;
}

static rv_status begin(rv_drive *drive, rv_host *host, rv_job **ret_job, rv_error *err)
{
    each_verb *each = drive->user;
    if (rv_args_has(each->args, "resume")) {
        char digest[RV_DIGEST_TEXT_SIZE + 1];
        rv_digest_text(each->spec->graph.digest, digest);
        each->resume = (rv_resume){
            .args = each->args, .workflow_hash = rv_str_of(digest), .with_failed = true, .fail_fast = drive->fail_fast};
        rv_status status = rv_resume_begin(&each->resume, host, ret_job, err);
        drive->status_early = each->resume.status_early;
        return status;
    }
    rv_submit submit = {.spec = each->spec, .file = "", .dir = each->dir.at, .fail_fast = drive->fail_fast};
    rv_status status = rv_engine_submit(rv_host_engine(host), &submit, ret_job, err);
    if (status == RV_OK) each->spec = NULL;
    return status;
}

int rv_verb_each(const rv_args *args)
{
    each_verb each = {.args = args};
    rv_drive drive = {.args = args, .user = &each, .keeper_fd = -1, .begin = begin};
    rv_error err = {0};
    rv_status failed = rv_drive_options(&drive, &err);
    /* Before anything is loaded, so that the keeper stays tiny. */
    if (failed == RV_OK) failed = rv_drive_fork(&drive, &err);
    if (failed == RV_OK) failed = rv_cli_store_for(rv_args_value(args, "store"), NULL, &each.store, &err);
    if (failed == RV_OK) failed = build(&each, &err);
    drive.store_dir = each.store.at;
    drive.fail_fast = rv_args_has(args, "fail-fast");
    int status = failed ? rv_cli_fail(args, &err) : rv_drive_run(&drive);
    rv_spec_free(each.spec);
    rv_buf *texts[] = {&each.items, &each.definition, &each.store, &each.dir};
    for (size_t i = 0; i < RV_COUNT(texts); i++) rv_buf_deinit(texts[i]);
    return status;
}
