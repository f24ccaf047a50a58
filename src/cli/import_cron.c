/* import_cron.c: a crontab, of a user or of the system: a node for each job. The schedule stays with cron: the line to write there is
 * said for each job. */
#include <string.h>

#include "base/util.h"
#include "cli/import.h"

#define JOBS_MAX 10000u

typedef struct cron {
    rv_import *import;
    rv_import_place place;
    rv_str shell_name, comment;
    rv_import_pairs env; /* what is set above a job holds for it */
} cron;

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

static rv_str trim(rv_str text)
{
    while (text.size > 0 && is_blank(text.at[0])) text = rv_str_from(text, 1);
    while (text.size > 0 && (is_blank(text.at[text.size - 1]) || text.at[text.size - 1] == '\r')) text.size--;
    return text;
}

static bool take_word(rv_str *rest, rv_str *ret)
{
    size_t begin = 0, end;
    while (begin < rest->size && is_blank(rest->at[begin])) begin++;
    for (end = begin; end < rest->size && !is_blank(rest->at[end]); end++) {}
    *ret = rv_str_cut(*rest, begin, end - begin);
    *rest = rv_str_from(*rest, end);
    return ret->size > 0;
}

/* One of the five fields: numbers, names, lists, ranges and steps. */
static bool is_field(rv_str word)
{
    for (size_t i = 0; i < word.size; i++)
        if (!strchr("0123456789*/,-~?#LWabcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", word.at[i])) return false;
    return word.size > 0 && (strchr("0123456789*?~", word.at[0]) || word.size >= 3);
}

static bool is_at_word(rv_str word)
{
    static const char *const words[] = {"@reboot", "@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"};
    for (size_t i = 0; i < RV_COUNT(words); i++)
        if (rv_str_is(word, words[i])) return true;
    return false;
}

/* NAME = value, either side possibly in quotes. */
static bool assignment(cron *c, rv_str line)
{
    size_t equals = rv_str_find(line, 0, '=');
    rv_str name = equals == SIZE_MAX ? (rv_str){0} : trim(rv_str_cut(line, 0, equals)), value;
    if (name.size >= 2 && strchr("'\"", name.at[0]) && name.at[name.size - 1] == name.at[0]) name = rv_str_cut(name, 1, name.size - 2);
    if (!rv_import_is_variable(name)) return false;
    value = trim(rv_str_from(line, equals + 1));
    if (value.size >= 2 && strchr("'\"", value.at[0]) && value.at[value.size - 1] == value.at[0]) value = rv_str_cut(value, 1,
                                                                                                                     value.size - 2);
    if (rv_str_is(name, "SHELL")) {
        size_t slash = value.size;
        while (slash > 0 && value.at[slash - 1] != '/') slash--;
        c->shell_name = rv_str_from(value, slash);
        if (rv_str_is(c->shell_name, "sh") || c->shell_name.size > 200) c->shell_name = (rv_str){0};
    } else if (rv_str_is(name, "MAILTO") || rv_str_is(name, "MAILFROM")) {
        rv_import_note(c->import, c->place, "keep it in the crontab: cron mails what `reeve run` prints; or write `on: {failure: …}`",
                       "`%.*s` is cron's: Reeve sends no mail", RV_FMT(name));
    } else if (rv_str_is(name, "CRON_TZ") || rv_str_is(name, "RANDOM_DELAY") || rv_str_is(name, "START_HOURS_RANGE")) {
        rv_import_note(c->import, c->place, "keep it in the crontab", "`%.*s` belongs to the schedule, which stays with cron",
                       RV_FMT(name));
    } else {
        uint32_t at = 0;
        while (at < c->env.count && !rv_str_eq(c->env.at[at].name, name)) at++;
        rv_import_pair pair = {rv_arena_str(&c->import->arena, name), rv_arena_str(&c->import->arena, value)};
        if (at < c->env.count) c->env.at[at] = pair;
        else rv_vec_push(&c->env, pair);
    }
    return true;
}

/* The command up to the first % that has no backslash; what follows is its input, further ones being line ends. */
static rv_str script_of(cron *c, rv_str text)
{
    rv_buf command = {0}, input = {0}, *to = &command;
    for (size_t i = 0; i < text.size; i++) {
        if (text.at[i] == '\\' && i + 1 < text.size && text.at[i + 1] == '%') rv_buf_byte(to, text.at[++i]);
        else if (text.at[i] == '%' && to == &command) to = &input;
        else rv_buf_byte(to, text.at[i] == '%' ? '\n' : text.at[i]);
    }
    if (to == &input) {
        rv_buf all = {0};
        rv_buf_printf(&all, "{\n%.*s\n} <<'END_OF_INPUT'\n%.*s\nEND_OF_INPUT", RV_FMT(trim(rv_buf_str(&command))),
                      RV_FMT(rv_buf_str(&input)));
        rv_buf_deinit(&command);
        command = all;
    }
    rv_str script = rv_arena_str(&c->import->arena, trim(rv_buf_str(&command)));
    rv_buf_deinit(&command);
    rv_buf_deinit(&input);
    return script;
}

/* A name for the job: the program that it runs, without folder and ending, behind what only prepares it. */
static rv_str name_of(rv_str command)
{
    rv_str rest = command, word, name = RV_STR("job");
    while (take_word(&rest, &word)) {
        if (rv_str_is(word, "cd") || rv_str_is(word, "[") || rv_str_is(word, "test")) {
            char *and = memmem(rest.at ? rest.at : "", rest.size, "&&", 2), *or = memmem(rest.at ? rest.at : "", rest.size, "||", 2);
            char *at = and && (!or || and < or) ? and : or;
            if (!at) break;
            rest = rv_str_from(rest, (size_t)(at - rest.at) + 2);
            continue;
        }
        if (rv_str_find(word, 0, '=') != SIZE_MAX || strchr("(!{", word.at[0]) || rv_str_is(word, "nice") ||
            rv_str_is(word, "exec")) continue;
        size_t slash = word.size;
        while (slash > 0 && word.at[slash - 1] != '/') slash--;
        word = rv_str_from(word, slash);
        size_t dot = rv_str_find(word, 1, '.');
        name = dot == SIZE_MAX ? word : rv_str_cut(word, 0, dot);
        break;
    }
    return name;
}

static void tell_schedule(cron *c, rv_str when, rv_str user, rv_str id)
{
    rv_import *import = c->import;
    rv_buf line = {0}, file = {0};
    rv_import_shell_word(&file, import->output.size ? import->output : RV_STR("jobs.yaml"));
    rv_buf_printf(&line, "keep cron, with this line: %.*s %.*s%scd ", RV_FMT(when), RV_FMT(user), user.size ? " " : "");
    rv_import_shell_word(&line, import->folder);
    rv_buf_printf(&line, " && reeve run %s %.*s", file.at, RV_FMT(id));
    rv_buf_printf(&line, " --store .reeve-%.*s --output quiet", RV_FMT(id));
    rv_import_note(import, c->place, line.at, "`%.*s` is started by cron at `%.*s`: schedules are not supported by this version",
                   RV_FMT(id),
                   RV_FMT(when));
    rv_buf_deinit(&line);
    rv_buf_deinit(&file);
}

static bool job(cron *c, rv_str line)
{
    rv_import *import = c->import;
    rv_str rest = line, word, user = {0};
    if (!take_word(&rest, &word)) return false;
    if (word.at[0] == '@' ? !is_at_word(word) : !is_field(word)) return false;
    for (int i = 1; i < 5 && word.at[0] != '@'; i++) {
        rv_str field;
        if (!take_word(&rest, &field) || !is_field(field)) return false;
        word.size = (size_t)(field.at + field.size - word.at);
    }
    if (import->is_system && !take_word(&rest, &user)) return false;
    rest = trim(rest);
    if (rest.size == 0) return false;
    rv_str script = script_of(c, rest);
    if (script.size == 0) return false;
    rv_str id = rv_import_id(import, name_of(script));
    if (!rv_import_wants(import, id)) return true;
    rv_import_node *node = rv_import_add(import, id);
    node->note = c->comment;
    node->shell = script;
    node->shell_name = c->shell_name;
    for (uint32_t i = 0; i < c->env.count; i++) {
        if (rv_str_is(c->env.at[i].name, "HOME")) node->dir = c->env.at[i].value;
        rv_vec_push(&node->env, c->env.at[i]);
    }
    if (user.size)
        rv_import_note(import, c->place, "leave the user in cron's line; a node runs as who starts `reeve`", "`%.*s` runs as `%.*s` there",
                       RV_FMT(id), RV_FMT(user));
    tell_schedule(c, word, user, id);
    return true;
}

static void read_lines(cron *c)
{
    rv_import *import = c->import;
    for (rv_str rest = import->source; rest.size > 0;) {
        size_t end = rv_str_find(rest, 0, '\n');
        rv_str raw = rv_str_cut(rest, 0, end == SIZE_MAX ? rest.size : end), line = trim(raw);
        rest = end == SIZE_MAX ? (rv_str){0} : rv_str_from(rest, end + 1);
        c->place.line++;
        c->place.column = line.size ? (uint32_t)(line.at - raw.at) + 1 : 1;
        if (line.size == 0) c->comment = (rv_str){0};
        else if (line.at[0] == '#') c->comment = trim(rv_str_from(line, 1));
        else if (import->nodes.count == JOBS_MAX) {
            rv_import_fail(import, c->place, "divide it", "there are more than %u jobs", JOBS_MAX);
            return;
        } else {
            if (!job(c, line) && !assignment(c, line))
                rv_import_fail(import, c->place,
                               import->is_system ? "write five fields, a user and a command"
                                   : "write five fields and a command; with a user: --system",
                               "neither a job nor a variable");
            c->comment = (rv_str){0};
        }
    }
}

bool rv_import_cron(rv_import *import)
{
    cron c = {.import = import};
    rv_str source = import->source;
    size_t valid = rv_utf8_valid(source);
    if (valid < source.size || memchr(source.at ? source.at : "", 0, source.size))
        rv_import_fail(import, (rv_import_place){0}, "save it as plain UTF-8 text", "the file is no text");
    else read_lines(&c);
    if (import->problems->error_count == 0 && import->nodes.count == 0)
        rv_import_fail(import, (rv_import_place){0}, "name a job by the name that its node would have", import->wanted_count
                       ? "there is no such job" : "there are no jobs");
    rv_vec_push(&import->more, ((rv_import_pair){RV_STR("defaults"), RV_STR("{dir: \"${env.HOME}\"}")}));
    rv_vec_deinit(&c.env);
    return import->problems->error_count == 0;
}
