#include "cli/options.h"

#include <errno.h>
#include <stdlib.h>

#include "base/util.h"

#define OPTIONS_MAX 32 /* options of one verb, for hints */

static const rv_option *option_by_name(const rv_verb *verb, rv_str name)
{
    for (const rv_option *o = verb->options; o && o->name; o++)
        if (rv_str_is(name, o->name)) return o;
    return NULL;
}

static const rv_option *option_by_letter(const rv_verb *verb, char letter)
{
    for (const rv_option *o = verb->options; o && o->name; o++)
        if (o->letter == letter) return o;
    return NULL;
}

static rv_status unknown_option(const rv_verb *verb, rv_str name, rv_error *err)
{
    const char *names[OPTIONS_MAX];
    size_t count = 0;
    for (const rv_option *o = verb->options; o && o->name && count < OPTIONS_MAX; o++) names[count++] = o->name;
    const char *nearest = rv_nearest(name, names, count);
    if (nearest)
        return rv_error_set(err, RV_INVALID, "`reeve %s` has no option --%.*s; did you mean --%s?", verb->name, RV_FMT(name), nearest);
    return rv_error_set(err, RV_INVALID, "`reeve %s` has no option --%.*s; `reeve %s --help` lists them", verb->name, RV_FMT(name),
                        verb->name);
}

static bool looks_like_run(const char *word)
{
    return word && word[0] && word[0] != '-' && !strchr(word, '/') && !strchr(word, '.');
}

static void add_item(rv_args *args, const rv_option *option, const char *value)
{
    rv_args_item item = {option, value};
    rv_vec_push(&args->items, item);
    if (strcmp(option->name, "json") == 0) args->is_json = true;
}

/* Take the argument of `option`: `joined` (what stood in the same word) or the next word. */
static rv_status take_argument(rv_args *args, const rv_option *option, const char *joined, int argc, char *const *argv, int *index,
                               rv_error *err)
{
    const char *next = *index + 1 < argc ? argv[*index + 1] : NULL;
    if (joined) {
        add_item(args, option, joined);
    } else if (option->flags & RV_OPTION_MAYBE) {
        if (looks_like_run(next)) *index += 1;
        else next = NULL;
        add_item(args, option, next);
    } else if (next) {
        *index += 1;
        add_item(args, option, next);
    } else {
        return rv_error_set(err, RV_INVALID, "--%s needs %s after it", option->name, option->arg);
    }
    return RV_OK;
}

static rv_status parse_long(rv_args *args, int argc, char *const *argv, int *index, rv_error *err)
{
    rv_str word = rv_str_of(argv[*index] + 2);
    size_t equals = rv_str_find(word, 0, '=');
    const char *joined = equals == SIZE_MAX ? NULL : word.at + equals + 1;
    rv_str name = equals == SIZE_MAX ? word : rv_str_cut(word, 0, equals);
    if (rv_str_is(name, "help")) return args->wants_help = true, RV_OK;
    const rv_option *option = option_by_name(args->verb, name);
    if (!option) return unknown_option(args->verb, name, err);
    if (option->arg) return take_argument(args, option, joined, argc, argv, index, err);
    if (joined) return rv_error_set(err, RV_INVALID, "--%s takes no value; leave out `=%s`", option->name, joined);
    add_item(args, option, NULL);
    return RV_OK;
}

static rv_status parse_letters(rv_args *args, int argc, char *const *argv, int *index, rv_error *err)
{
    for (const char *at = argv[*index] + 1; *at; at++) {
        if (*at == 'h') return args->wants_help = true, RV_OK;
        const rv_option *option = option_by_letter(args->verb, *at);
        if (!option)
            return rv_error_set(err, RV_INVALID, "`reeve %s` has no option -%c; `reeve %s --help` lists them", args->verb->name, *at,
                                args->verb->name);
        if (option->arg) return take_argument(args, option, at[1] ? at + 1 : NULL, argc, argv, index, err);
        add_item(args, option, NULL);
    }
    return RV_OK;
}

/* The first of the forms that a verb has; the others are in its help. */
static rv_status fail_usage(const rv_verb *verb, const char *what, rv_error *err)
{
    int size = (int)strcspn(verb->usage, "\n");
    const char *more = verb->usage[size] ? "; `reeve " : "", *help = verb->usage[size] ? " --help` has the other forms" : "";
    return rv_error_set(err, RV_INVALID, "%s; usage: reeve %s%s%.*s%s%s%s", what, verb->name, size ? " " : "", size, verb->usage, more,
                        *more ? verb->name : "", help);
}

RV_START static rv_status check_words(const rv_args *args, rv_error *err)
{
    const rv_verb *verb = args->verb;
    if (args->words.count < verb->words_min)
        return fail_usage(verb, "something is missing", err);
    if (verb->words_max == 255 || args->words.count <= verb->words_max) return RV_OK;
    rv_buf what = {0};
    rv_buf_printf(&what, "`%s` is one word too many", args->words.at[verb->words_max]);
    rv_status status = fail_usage(verb, what.at, err);
    rv_buf_deinit(&what);
    return status;
}

RV_START rv_status rv_args_parse(const rv_verb *verb, int argc, char *const *argv, rv_args *ret, rv_error *err)
{
    ret->verb = verb;
    bool only_words = false;
    for (int i = 0; i < argc && !ret->wants_help; i++) {
        const char *word = argv[i];
        rv_status status = RV_OK;
        if (only_words || word[0] != '-' || word[1] == 0) {
            rv_vec_push(&ret->words, word);
            if (!only_words) ret->words_before_dashes++;
            if (verb->is_tail_command) only_words = true;
        } else if (strcmp(word, "--") == 0) {
            only_words = true;
        } else if (word[1] == '-') {
            status = parse_long(ret, argc, argv, &i, err);
        } else {
            status = parse_letters(ret, argc, argv, &i, err);
        }
        if (status) {
            for (int k = i; k < argc; k++) ret->is_json |= strcmp(argv[k], "--json") == 0; /* an error is an object too */
            return status;
        }
    }
    return ret->wants_help ? RV_OK : check_words(ret, err);
}

RV_START void rv_args_deinit(rv_args *args)
{
    rv_vec_deinit(&args->items);
    rv_vec_deinit(&args->words);
}

bool rv_args_has(const rv_args *args, const char *name)
{
    RV_ASSERT(option_by_name(args->verb, rv_str_of(name)));
    for (uint32_t i = 0; i < args->items.count; i++)
        if (strcmp(args->items.at[i].option->name, name) == 0) return true;
    return false;
}

const char *rv_args_value(const rv_args *args, const char *name)
{
    RV_ASSERT(option_by_name(args->verb, rv_str_of(name)));
    for (uint32_t i = args->items.count; i > 0; i--)
        if (strcmp(args->items.at[i - 1].option->name, name) == 0) return args->items.at[i - 1].value;
    return NULL;
}

const char *rv_args_next(const rv_args *args, const char *name, uint32_t *index)
{
    RV_ASSERT(option_by_name(args->verb, rv_str_of(name)));
    while (*index < args->items.count) {
        const rv_args_item *item = &args->items.at[(*index)++];
        if (strcmp(item->option->name, name) == 0) return item->value;
    }
    return NULL;
}

const char *rv_args_word(const rv_args *args, uint32_t index)
{
    return index < args->words.count ? args->words.at[index] : NULL;
}

rv_status rv_args_number(const rv_args *args, const char *name, uint32_t least, uint32_t most, uint32_t fallback, uint32_t *ret,
                         rv_error *err)
{
    const char *text = rv_args_value(args, name);
    if (!text) return *ret = fallback, RV_OK;
    char *end = NULL;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    bool is_number = text[0] >= '0' && text[0] <= '9' && *end == 0 && errno == 0;
    if (!is_number || value < least || value > most)
        return rv_error_set(err, RV_INVALID, "--%s is `%s`; give a number from %u to %u", name, text, least, most);
    *ret = (uint32_t)value;
    return RV_OK;
}
