/* small.c: verbs of a few lines: version, schema, init. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/templates.h"
#include "cli/verbs.h"

#ifndef RV_VERSION
#error "the build defines RV_VERSION"
#endif

RV_START int rv_verb_version(const rv_args *args)
{
    rv_buf out = {0};
    if (!args->is_json) {
        rv_ui_out(RV_STR("reeve " RV_VERSION "\n"));
        return 0;
    }
    rv_json_writer w;
    rv_cli_json_begin(&w, &out);
    rv_jw_kv_cstring(&w, "name", "reeve");
    rv_jw_kv_cstring(&w, "version", RV_VERSION);
    rv_jw_kv_i64(&w, "workflow_format", 1);
    rv_jw_kv_i64(&w, "journal_version", RV_JOURNAL_VERSION);
    rv_cli_json_end(&w);
    return 0;
}

int rv_verb_schema(const rv_args *args)
{
    (void)args;
    rv_buf out = {0};
    rv_spec_schema(&out);
    if (out.size == 0 || out.at[out.size - 1] != '\n') rv_buf_byte(&out, '\n');
    rv_ui_out(rv_buf_str(&out));
    rv_buf_deinit(&out);
    return 0;
}

static const rv_template *template_of(const char *name)
{
    for (uint32_t i = 0; name && i < rv_template_count; i++)
        if (strcmp(rv_templates[i].name, name) == 0) return &rv_templates[i];
    return name ? NULL : &rv_templates[0];
}

static int no_template(const rv_args *args, const char *name)
{
    rv_buf names = {0};
    for (uint32_t i = 0; i < rv_template_count; i++) rv_buf_printf(&names, "%s%s", i ? ", " : "", rv_templates[i].name);
    int status = rv_cli_failf(args, RV_INVALID, "there is no template `%s`; there are %s", name, names.at);
    rv_buf_deinit(&names);
    return status;
}

int rv_verb_init(const rv_args *args)
{
    const char *path = rv_args_word(args, 0) ? rv_args_word(args, 0) : "reeve.yaml", *name = rv_args_value(args, "template");
    const rv_template *template = template_of(name);
    if (!template) return no_template(args, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0 && errno == EEXIST)
        return rv_cli_failf(args, RV_CONFLICT, "%s exists already and is left as it is; name another file: reeve init OTHER.yaml", path);
    if (fd < 0) return rv_cli_failf(args, RV_IO, "%s: cannot be made: %s", path, strerror(errno));
    ssize_t written = write(fd, template->text.at, template->text.size);
    int error = written == (ssize_t)template->text.size ? 0 : written < 0 ? errno : ENOSPC;
    if (close(fd) != 0 && !error) error = errno;
    if (error) {
        unlink(path);
        return rv_cli_failf(args, RV_IO, "%s: cannot be written: %s", path, strerror(error));
    }
    rv_buf out = {0};
    rv_buf_cstring(&out, "Wrote ");
    rv_buf_cstring(&out, path);
    rv_buf_cstring(&out, ". Now: reeve run");
    if (strcmp(path, "reeve.yaml") != 0) {
        rv_buf_byte(&out, ' ');
        rv_ui_shell_word(&out, rv_str_of(path));
    }
    rv_buf_byte(&out, '\n');
    rv_ui_out(rv_buf_str(&out));
    rv_buf_deinit(&out);
    return 0;
}
