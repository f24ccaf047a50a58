/* submit.c: `reeve submit`: a running command gives nodes to its run [K20]. */
#include "cli/cli.h"
#include "cli/load.h"
#include "cli/verbs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static rv_status read_input(rv_buf *out, rv_error *err)
{
    char bytes[16384];
    for (ssize_t size; (size = read(STDIN_FILENO, bytes, sizeof bytes)) != 0;) {
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) return rv_error_set(err, RV_IO, "standard input: %s", strerror(errno));
        rv_buf_add(out, bytes, (size_t)size);
    }
    return RV_OK;
}

static rv_str member(const rv_json *object, const char *name)
{
    const rv_json *value = rv_json_get(object, rv_str_of(name));
    return value ? value->text : RV_STR("");
}

/* The problems that the owner told, as `reeve check` would say them. */
static int report_problems(const rv_args *args, const rv_json *problems, const rv_error *err)
{
    rv_buf out = {0};
    if (args->is_json) {
        rv_json_writer w;
        rv_buf list = {0};
        rv_json_write(&list, problems, false);
        rv_cli_json_begin(&w, &out);
        rv_jw_key(&w, "error");
        rv_jw_object(&w);
        rv_jw_kv_cstring(&w, "status", rv_status_name(RV_INVALID));
        rv_jw_kv_i64(&w, "exit", rv_status_exit(RV_INVALID));
        rv_jw_kv_cstring(&w, "text", err->text);
        rv_jw_object_end(&w);
        rv_jw_key(&w, "problems");
        rv_jw_raw(&w, rv_buf_str(&list));
        rv_buf_deinit(&list);
        rv_cli_json_end(&w);
        return rv_status_exit(RV_INVALID);
    }
    for (const rv_json *at = problems->child; at; at = at->next) {
        rv_buf_printf(&out, "%.*s:%.*s:%.*s: %.*s", RV_FMT(member(at, "file")), RV_FMT(member(at, "line")), RV_FMT(member(at, "column")),
                      RV_FMT(member(at, "what")));
        if (member(at, "cure").size) rv_buf_printf(&out, "; %.*s", RV_FMT(member(at, "cure")));
        rv_buf_byte(&out, '\n');
    }
    fwrite(out.at ? out.at : "", 1, out.size, stderr);
    fprintf(stderr, "reeve: %u problem%s; nothing was submitted\n", problems->count, problems->count == 1 ? "" : "s");
    rv_buf_deinit(&out);
    return rv_status_exit(RV_INVALID);
}

static int report(const rv_args *args, const rv_json *told)
{
    rv_buf out = {0};
    const rv_json *nodes = rv_json_get(told, RV_STR("nodes")), *is_new = rv_json_get(told, RV_STR("is_new"));
    bool was_new = is_new && is_new->kind == RV_JSON_TRUE;
    if (args->is_json) {
        rv_json_writer w;
        rv_cli_json_begin(&w, &out);
        rv_jw_kv_str(&w, "key", member(told, "key"));
        rv_jw_kv_bool(&w, "is_new", was_new);
        rv_jw_key(&w, "nodes");
        rv_jw_array(&w);
        for (const rv_json *node = nodes ? nodes->child : NULL; node; node = node->next) rv_jw_str(&w, node->text);
        rv_jw_array_end(&w);
        rv_cli_json_end(&w);
        return 0;
    }
    for (const rv_json *node = nodes ? nodes->child : NULL; node; node = node->next)
        rv_buf_printf(&out, "%.*s%s\n", RV_FMT(node->text), was_new ? "" : " (submitted before)");
    rv_ui_out(rv_buf_str(&out));
    rv_buf_deinit(&out);
    return 0;
}

int rv_verb_submit(const rv_args *args)
{
    rv_error err = {0};
    rv_buf source = {0};
    rv_arena arena = {0};
    const rv_json *told = NULL;
    const char *file = rv_args_word(args, 0), *key = rv_args_value(args, "key"), *socket = getenv("REEVE_SOCKET"),
               *token = getenv("REEVE_TOKEN");
    bool is_input = strcmp(file, "-") == 0;
    rv_status failed = is_input ? read_input(&source, &err) : rv_cli_read_file(file, &source, &err);
    if (failed == RV_OK && !(socket && socket[0] && token && token[0]))
        failed = rv_error_set(&err, RV_INVALID, "REEVE_SOCKET and REEVE_TOKEN are not set: only a node that runs can submit");
    rv_client_submission given = {.socket = socket, .token = token, .key = key ? key : "", .file = is_input ? "standard input" : file,
                                  .source = rv_buf_str(&source), .is_json = !is_input && rv_cli_is_json_file(file)};
    if (failed == RV_OK) failed = rv_client_submit(&given, &arena, &told, &err);
    int status = failed == RV_OK ? report(args, told) : told ? report_problems(args, told, &err) : rv_cli_fail(args, &err);
    rv_buf_deinit(&source);
    rv_arena_deinit(&arena);
    return status;
}
