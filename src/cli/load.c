#include "cli/load.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "blob/stamp.h"
#include "cli/compiled.h"

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
        fprintf(stderr, "reeve: %s: %u problem%s%s\n", file, problems->error_count,
                problems->error_count == 1 ? "" : "s", strcmp(args->verb->name, "run") == 0 ? "; nothing was started" : "");
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

/* ---- the source, and its compiled form ---- */

static uint64_t stamp_name(const rv_load *load) { return rv_stamp_name(RV_GRAPH_FORMAT, rv_buf_str(&load->path)); }

/* The digest of a large file whose stamp is the one that it had when it was read. false: it has to be read. */
static bool find_stamp(rv_load *load, const char *compiled_dir)
{
    struct stat now;
    if (stat(load->path.at, &now) != 0 || !S_ISREG(now.st_mode) || now.st_size < COMPILED_SOURCE_MIN) return false;
    rv_stamps *stamps = rv_stamps_open(compiled_dir);
    load->is_hashed = rv_stamps_find(stamps, stamp_name(load), &now, &load->digest);
    rv_stamps_close(stamps);
    return load->is_hashed;
}

/* So that the next load need not read the file to know it, if its compiled form is there. */
static void note_stamp(const rv_load *load, const char *compiled_dir)
{
    struct stat now;
    if (load->read_ns == 0 || stat(load->path.at, &now) != 0 || !rv_stamp_same(&load->stamp, &now)) return;
    rv_stamps *stamps = rv_stamps_open(compiled_dir);
    rv_stamps_note(stamps, stamp_name(load), &now, load->read_ns, load->digest);
    rv_stamps_save(stamps);
    rv_stamps_close(stamps);
}

static rv_status read_source(rv_load *load, rv_error *err)
{
    bool is_file = stat(load->path.at, &load->stamp) == 0 && S_ISREG(load->stamp.st_mode);
    load->read_ns = is_file ? rv_stamp_clock() : 0;
    load->is_hashed = false;
    rv_buf_clear(&load->source);
    rv_status status = rv_cli_read_file(load->path.at, &load->source, err);
    load->source_size = load->source.size;
    return status;
}

static rv_digest source_digest(rv_load *load)
{
    if (!load->is_hashed) load->digest = rv_sha256(rv_buf_str(&load->source));
    load->is_hashed = true;
    return load->digest;
}

static void compiled_path(rv_load *load, const char *compiled_dir, rv_buf *out)
{
    char digest[RV_DIGEST_TEXT_SIZE + 1];
    rv_digest_text(source_digest(load), digest);
    rv_buf_printf(out, "%s/%s.img", compiled_dir, digest + 7);
}

static bool map_compiled(rv_load *load, const char *compiled_dir, rv_status *ret)
{
    rv_buf path = {0};
    rv_error err;
    rv_spec_input input = rv_load_input(load);
    compiled_path(load, compiled_dir, &path);
    rv_status status = rv_compiled_use(path.at) ? rv_spec_map(path.at, &input, &load->spec, &load->problems, &err) : RV_NOT_FOUND;
    rv_buf_deinit(&path);
    if (status == RV_NOT_FOUND || status == RV_CORRUPT) return false;
    load->is_kept = true;
    *ret = status;
    return true;
}

static rv_status read_vars(rv_load *load, const rv_args *args, rv_error *err)
{
    return load->skip_values || load->vars ? RV_OK : rv_cli_vars(args, &load->arena, &load->vars, &load->var_count, err);
}

/* Load a large file without holding it beside what is made of it. Whatever is to be said of it is said by a second load, which has the file
 * at hand: as it is by then, if somebody has changed it meanwhile. */
static rv_status load_spending(rv_load *load, rv_status *ret_read, rv_error *err)
{
    rv_spec_input input = rv_load_input(load);
    input.spent = load->source.at;
    input.spent_digest = source_digest(load);
    load->problems.is_silent = true;
    rv_status status = rv_spec_load(&input, &load->spec, &load->problems);
    bool is_said = load->problems.unsaid_count == 0;
    rv_problems_deinit(&load->problems);
    rv_buf_deinit(&load->source);
    if (is_said) return status;
    rv_spec_free(load->spec);
    load->spec = NULL;
    if ((*ret_read = read_source(load, err)) != RV_OK) return *ret_read;
    input = rv_load_input(load);
    return rv_spec_load(&input, &load->spec, &load->problems);
}

/* *ret_read: whether the file and the values from the command line could be read. */
static rv_status load_spec(rv_load *load, const rv_args *args, const char *compiled_dir, rv_status *ret_read, rv_error *err)
{
    rv_status status = RV_OK;
    bool is_known = compiled_dir && find_stamp(load, compiled_dir);
    if (is_known && (*ret_read = read_vars(load, args, err)) == RV_OK && map_compiled(load, compiled_dir, &status)) {
        rv_error ignored; /* the source only shows where the problems are */
        if (load->problems.list.count && read_source(load, &ignored)) rv_buf_clear(&load->source), load->source_size = 0;
        return status;
    }
    if (*ret_read == RV_OK) *ret_read = read_source(load, err);
    if (*ret_read == RV_OK) *ret_read = read_vars(load, args, err);
    if (*ret_read) return *ret_read;
    if (compiled_dir && load->source.size >= COMPILED_SOURCE_MIN && map_compiled(load, compiled_dir, &status)) {
        note_stamp(load, compiled_dir);
        return status;
    }
    if (compiled_dir && load->read_ns && load->source.size >= COMPILED_SOURCE_MIN) return load_spending(load, ret_read, err);
    rv_spec_input input = rv_load_input(load);
    return rv_spec_load(&input, &load->spec, &load->problems);
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
    rv_status status = RV_OK, failed = RV_OK;
    load->skip_values = skip_values;
    if (load->path.size == 0) failed = rv_load_find(load, word, &err);
    if (failed == RV_OK) {
        rv_buf_add(&load->dir, load->path.at, RV_MAX((size_t)(strrchr(load->path.at, '/') - load->path.at), (size_t)1));
        load->file = word && load->stood.size == 0 ? word : load->path.at;
        status = load_spec(load, args, compiled_dir, &failed, &err);
    }
    if (failed) {
        /* A file that cannot be used is a bad file [W32]; one that is not there is not found. */
        if (failed == RV_DENIED || failed == RV_IO) err.status = RV_INVALID;
        *ret_exit = rv_cli_fail(args, &err);
        return failed;
    }
    *ret_exit = load->problems.list.count ? rv_load_report(args, &load->problems, rv_buf_str(&load->source), load->file) : 0;
    if (status && *ret_exit == 0) *ret_exit = rv_status_exit(status);
    return status;
}

void rv_load_keep(rv_load *load, const char *compiled_dir)
{
    if (load->is_kept || load->source_size < COMPILED_SOURCE_MIN || !load->spec || load->spec->graph.projects.size)
        return; /* whether there are more projects by now a compiled form cannot tell */
    rv_buf path = {0};
    rv_error err = {0};
    load->is_kept = true;
    mkdir(compiled_dir, 0700);
    compiled_path(load, compiled_dir, &path);
    if (rv_spec_save(load->spec, path.at, &err) == RV_OK) {
        note_stamp(load, compiled_dir);
        rv_compiled_clean(compiled_dir);
    } else
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
