#include "cli/load.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define COMPILED_SOURCE_MIN (64u * 1024) /* a smaller file is parsed faster than its image is verified */

int rv_load_report(const rv_args *args, const rv_problems *problems, rv_str source, const char *file)
{
    rv_buf out = {0};
    if (args->is_json) {
        if (problems->error_count == 0) return 0;
        rv_json_writer w;
        rv_cli_json_begin(&w, &out);
        rv_jw_key(&w, "error");
        rv_jw_object(&w);
        rv_jw_kv_cstring(&w, "status", rv_status_name(RV_INVALID));
        rv_jw_kv_i64(&w, "exit", rv_status_exit(RV_INVALID));
        rv_buf text = {0};
        rv_buf_printf(&text, "%s: %u problem%s", file, problems->error_count, problems->error_count == 1 ? "" : "s");
        rv_jw_kv_str(&w, "text", rv_buf_str(&text));
        rv_buf_deinit(&text);
        rv_jw_object_end(&w);
        rv_jw_key(&w, "problems");
        rv_problems_json(&w, problems);
        rv_cli_json_end(&w);
        return rv_status_exit(RV_INVALID);
    }
    bool is_terminal = isatty(STDERR_FILENO);
    const char *no_color = getenv("NO_COLOR");
    rv_problems_text(&out, problems, source, is_terminal, is_terminal && !(no_color && no_color[0]));
    fwrite(out.at ? out.at : "", 1, out.size, stderr);
    if (problems->error_count > 0)
        fprintf(stderr, "reeve: %s: %u problem%s; nothing was started\n", file, problems->error_count,
                problems->error_count == 1 ? "" : "s");
    rv_buf_deinit(&out);
    return problems->error_count ? rv_status_exit(RV_INVALID) : 0;
}

/* Is the directory `dir` a project of the root file `path`? */
static bool is_project_of(const char *path, rv_str dir)
{
    rv_buf source = {0};
    rv_error ignored;
    bool is_one = access(path, R_OK) == 0 && rv_cli_read_file(path, &source, &ignored) == RV_OK &&
                  rv_spec_has_project(rv_buf_str(&source), false, dir);
    rv_buf_deinit(&source);
    return is_one;
}

rv_status rv_load_find(rv_load *load, const char *word, rv_error *err)
{
    static const char name[] = "/reeve.yaml";
    rv_status status = rv_cli_find_file(word, &load->path, err);
    rv_str file = rv_buf_str(&load->path);
    if (status != RV_OK || !rv_str_ends(file, RV_STR("/reeve.yaml"))) return status;
    size_t dir_size = file.size - strlen(name), end = dir_size;
    rv_buf root = {0};
    while (end > 0) {
        do end--;
        while (end > 0 && file.at[end] != '/');
        rv_buf_clear(&root);
        rv_buf_add(&root, file.at, end);
        rv_buf_cstring(&root, name);
        rv_str below = rv_str_cut(file, end + 1, dir_size - end - 1);
        if (!is_project_of(root.at, below)) continue;
        rv_buf_str_add(&load->stood, below);
        rv_buf_clear(&load->path);
        rv_buf_str_add(&load->path, rv_buf_str(&root));
        break;
    }
    rv_buf_deinit(&root);
    return RV_OK;
}

static void compiled_path(const rv_load *load, const char *compiled_dir, rv_buf *out)
{
    char digest[RV_DIGEST_TEXT_SIZE + 1];
    rv_digest_text(rv_sha256(rv_buf_str(&load->source)), digest);
    rv_buf_printf(out, "%s/%s.img", compiled_dir, digest + 7);
}

static bool load_compiled(rv_load *load, const rv_spec_input *input, const char *compiled_dir, rv_status *ret)
{
    if (!compiled_dir || load->source.size < COMPILED_SOURCE_MIN) return false;
    rv_buf path = {0};
    rv_error err;
    compiled_path(load, compiled_dir, &path);
    rv_status status = access(path.at, R_OK) == 0 ? rv_spec_map(path.at, input, &load->spec, &load->problems, &err) : RV_NOT_FOUND;
    rv_buf_deinit(&path);
    if (status == RV_NOT_FOUND || status == RV_CORRUPT) return false;
    load->is_kept = true;
    *ret = status;
    return true;
}

rv_spec_input rv_load_input(const rv_load *load)
{
    return (rv_spec_input){.source = rv_buf_str(&load->source),
                           .file = load->file,
                           .dir = load->dir.at,
                           .is_json = rv_cli_is_json_file(load->path.at),
                           .vars = load->vars,
                           .var_count = load->var_count,
                           .environ = (const char *const *)environ,
                           .skip_values = load->skip_values};
}

rv_status rv_load_file(rv_load *load, const rv_args *args, const char *word, bool skip_values, const char *compiled_dir, int *ret_exit)
{
    rv_error err = {0};
    rv_status status = RV_OK;
    load->skip_values = skip_values;
    if (load->path.size == 0) status = rv_load_find(load, word, &err);
    if (status == RV_OK) status = rv_cli_read_file(load->path.at, &load->source, &err);
    if (status == RV_OK && !skip_values) status = rv_cli_vars(args, &load->arena, &load->vars, &load->var_count, &err);
    if (status) {
        /* A file that cannot be used is a bad file [W32]; one that is not there is not found. */
        if (status == RV_DENIED || status == RV_IO) err.status = RV_INVALID;
        *ret_exit = rv_cli_fail(args, &err);
        return status;
    }
    rv_buf_add(&load->dir, load->path.at, RV_MAX((size_t)(strrchr(load->path.at, '/') - load->path.at), (size_t)1));
    load->file = word && load->stood.size == 0 ? word : load->path.at;
    rv_spec_input input = rv_load_input(load);
    if (!load_compiled(load, &input, compiled_dir, &status)) status = rv_spec_load(&input, &load->spec, &load->problems);
    *ret_exit = load->problems.list.count ? rv_load_report(args, &load->problems, rv_buf_str(&load->source), input.file) : 0;
    if (status && *ret_exit == 0) *ret_exit = rv_status_exit(status);
    return status;
}

void rv_load_keep(rv_load *load, const char *compiled_dir)
{
    if (load->is_kept || load->source.size < COMPILED_SOURCE_MIN || !load->spec || load->spec->graph.projects.size)
        return; /* whether there are more projects by now a compiled form cannot tell */
    rv_buf path = {0};
    rv_error err = {0};
    load->is_kept = true;
    mkdir(compiled_dir, 0700);
    compiled_path(load, compiled_dir, &path);
    if (rv_spec_save(load->spec, path.at, &err) != RV_OK)
        rv_log(RV_LOG_WARN, "the compiled form of %s is not kept, so loading it again takes as long: %s", load->path.at, err.text);
    rv_buf_deinit(&path);
}

void rv_load_deinit(rv_load *load)
{
    rv_spec_free(load->spec);
    rv_problems_deinit(&load->problems);
    rv_buf_deinit(&load->path);
    rv_buf_deinit(&load->dir);
    rv_buf_deinit(&load->stood);
    rv_buf_deinit(&load->source);
    rv_arena_deinit(&load->arena);
    *load = (rv_load){0};
}
