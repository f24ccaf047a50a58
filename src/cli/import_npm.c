/* import_npm.c: the scripts of a package.json: each a node, with its pre and post scripts and the scripts that it runs as edges. */
#include <stdio.h>
#include <string.h>

#include "cli/import.h"
#include "cli/import_npm.h"

#define SCRIPTS_MAX 1000u

typedef struct script {
    rv_str name, text;       /* text: what is left of it as a command; size 0: it is nothing but other scripts */
    uint32_t value;          /* its value in the document */
    uint32_t before, after;  /* index + 1 of its pre and post scripts */
    uint32_t refs, ref_count; /* of npm.refs: the scripts that it runs first */
    uint32_t node;           /* index of its node, or RV_NONE */
    rv_import_indices edges; /* scripts that it waits for, over both kinds */
    bool is_wanted;
} script;
typedef struct ref { uint32_t script, group; } ref; /* those of one group run at the same time, groups one after the other */

typedef struct npm {
    rv_import *import;
    rv_doc doc;
    RV_VEC(script) scripts;
    RV_VEC(ref) refs;
    rv_map map;
} npm;

rv_import_place rv_import_place_of(rv_doc *doc, uint32_t value)
{
    rv_import_place place = {0};
    rv_doc_position(doc, rv_doc_begins(doc, value), &place.line, &place.column);
    return place;
}

/* ---- references: a script that only runs other scripts ---- */

/* The next word of a command: quotes taken off. false: there is none, or it is more than a plain word. */
static bool next_word(rv_str *rest, rv_str *ret)
{
    size_t begin = 0, end;
    while (begin < rest->size && rest->at[begin] == ' ') begin++;
    if (begin == rest->size) return false;
    char quote = rest->at[begin];
    if (quote == '\'' || quote == '"') {
        end = rv_str_find(*rest, begin + 1, quote);
        if (end == SIZE_MAX) return false;
        *ret = rv_str_cut(*rest, begin + 1, end - begin - 1);
        *rest = rv_str_from(*rest, end + 1);
        return true;
    }
    for (end = begin; end < rest->size && rest->at[end] != ' '; end++) {}
    *ret = rv_str_cut(*rest, begin, end - begin);
    *rest = rv_str_from(*rest, end);
    return true;
}

static bool add_ref(npm *n, rv_str name, uint32_t group)
{
    uint32_t index = rv_map_get(&n->map, name);
    if (index == RV_NONE) return false;
    rv_vec_push(&n->refs, ((ref){index, group}));
    return true;
}

/* `build:*` of npm-run-all: any script of that form, a star not reaching over a colon, two stars over all. */
static bool fits(rv_str pattern, rv_str name)
{
    size_t star = rv_str_find(pattern, 0, '*');
    if (star == SIZE_MAX) return rv_str_eq(pattern, name);
    rv_str prefix = rv_str_cut(pattern, 0, star), rest = rv_str_from(pattern, star);
    if (!rv_str_starts(name, prefix)) return false;
    name = rv_str_from(name, prefix.size);
    return name.size > 0 && (rv_str_is(rest, "**") || (rv_str_is(rest, "*") && rv_str_find(name, 0, ':') == SIZE_MAX));
}

static bool add_fitting(npm *n, rv_str pattern, uint32_t *group, bool is_serial)
{
    bool is_any = false;
    for (uint32_t i = 0; i < n->scripts.count; i++) {
        if (!fits(pattern, n->scripts.at[i].name)) continue;
        if (is_serial) ++*group;
        is_any = add_ref(n, n->scripts.at[i].name, *group);
    }
    return is_any;
}

/* run-s, run-p, npm-run-all: names and patterns, groups of both kinds. */
static bool run_all(npm *n, rv_str command, rv_str rest, uint32_t *group)
{
    rv_str word;
    bool is_serial = !rv_str_is(command, "run-p");
    ++*group;
    while (next_word(&rest, &word)) {
        bool is_parallel = rv_str_is(word, "-p") || rv_str_is(word, "--parallel");
        bool is_sequence = rv_str_is(word, "-s") || rv_str_is(word, "--serial") || rv_str_is(word, "--sequential");
        if (is_parallel || is_sequence) {
            is_serial = is_sequence;
            ++*group;
        } else if (word.at[0] == '-' || !add_fitting(n, word, group, is_serial)) {
            return false;
        }
    }
    return true;
}

/* npm run X, npm test, yarn X, pnpm X, without arguments for X. */
static bool run_one(npm *n, rv_str command, rv_str rest, uint32_t *group)
{
    rv_str word, more;
    if (!next_word(&rest, &word)) return false;
    bool is_run = rv_str_is(word, "run") || rv_str_is(word, "run-script");
    if (rv_str_is(command, "npm") && !is_run && !rv_str_is(word, "test") && !rv_str_is(word, "start")) return false;
    if (is_run && !next_word(&rest, &word)) return false;
    while (rv_str_is(word, "-s") || rv_str_is(word, "--silent"))
        if (!next_word(&rest, &word)) return false;
    if (next_word(&rest, &more)) return false;
    return add_ref(n, word, ++*group);
}

static bool has_any(rv_str text, const char *bytes)
{
    for (size_t i = 0; i < text.size; i++)
        if (strchr(bytes, text.at[i])) return true;
    return false;
}

static bool has_single_and(rv_str text)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.at[i] == '&' && (i == 0 || text.at[i - 1] != '&') && (i + 1 == text.size || text.at[i + 1] != '&')) return true;
    return false;
}

/* The scripts that a script runs before all else, joined by &&, are appended to refs. Returns what is left of it: all, where it runs none
 * or where the rest may run although one of them failed. */
static rv_str references(npm *n, rv_str text)
{
    uint32_t group = 0, before = n->refs.count;
    rv_str rest = text;
    while (rest.size > 0) {
        char *and = memmem(rest.at, rest.size, "&&", 2);
        size_t size = and ? (size_t)(and - rest.at) : rest.size;
        rv_str part = rv_str_cut(rest, 0, size), after = part, command;
        uint32_t refs = n->refs.count, groups = group;
        bool is_plain = !has_any(part, "&|;<>()$`\\\n#{}") && next_word(&after, &command);
        bool is_all = is_plain && (rv_str_is(command, "run-s") || rv_str_is(command, "run-p") || rv_str_is(command, "npm-run-all"));
        bool is_one = is_plain && (rv_str_is(command, "npm") || rv_str_is(command, "yarn") || rv_str_is(command, "pnpm"));
        if (!(is_all && run_all(n, command, after, &group)) && !(is_one && run_one(n, command, after, &group))) {
            n->refs.count = refs;
            group = groups;
            break;
        }
        rest = rv_str_from(rest, size + 2);
    }
    while (rest.size > 0 && rest.at[0] == ' ') rest = rv_str_from(rest, 1);
    bool may_go_on = has_any(rest, ";\n") || has_single_and(rest) || (rest.size && memmem(rest.at, rest.size, "||", 2));
    if (group == 0 || may_go_on) {
        n->refs.count = before;
        return text;
    }
    return rest;
}

/* ---- scripts ---- */

static bool is_lifecycle(rv_str name)
{
    static const char *const names[] = {"preinstall", "install", "postinstall", "prepublish", "preprepare", "prepare", "postprepare",
                                        "prepublishOnly", "prepack", "postpack", "publish", "postpublish", "preversion", "version",
                                        "postversion", "dependencies"};
    for (size_t i = 0; i < RV_COUNT(names); i++)
        if (rv_str_is(name, names[i])) return true;
    return false;
}

static uint32_t script_named(npm *n, const char *before, rv_str name)
{
    rv_str full = rv_arena_printf(&n->import->arena, "%s%.*s", before, RV_FMT(name));
    uint32_t index = rv_map_get(&n->map, full);
    return index == RV_NONE ? 0 : index + 1;
}

static void read_scripts(npm *n, uint32_t map)
{
    rv_import *import = n->import;
    for (uint32_t key = map + 1; key < rv_doc_next(&n->doc, map); key = rv_doc_next(&n->doc, key + 1)) {
        if (rv_doc_kind_of(&n->doc, key + 1) != RV_DOC_STRING) {
            rv_import_note(import, rv_import_place_of(&n->doc, key), "write a string", "the script `%.*s` is no text, and is left out",
                           RV_FMT(rv_doc_text(&n->doc, key)));
            continue;
        }
        script s = {.name = rv_arena_str(&import->arena, rv_doc_text(&n->doc, key)), .value = key, .node = RV_NONE};
        s.text = rv_arena_str(&import->arena, rv_doc_text(&n->doc, key + 1));
        if (rv_map_add(&n->map, s.name, n->scripts.count) == RV_NONE) rv_vec_push(&n->scripts, s);
    }
    for (uint32_t i = 0; i < n->scripts.count; i++) {
        script *s = &n->scripts.at[i];
        s->before = script_named(n, "pre", s->name);
        s->after = script_named(n, "post", s->name);
        s->refs = n->refs.count;
        s->text = references(n, s->text);
        s->ref_count = n->refs.count - s->refs;
    }
}

/* All that is wanted, and what it is made of. */
static void want(npm *n)
{
    RV_VEC(uint32_t) open = {0};
    for (uint32_t i = 0; i < n->scripts.count; i++) {
        bool is_named = n->import->wanted_count && rv_import_wants(n->import, n->scripts.at[i].name);
        if (is_named || (n->import->wanted_count == 0 && !is_lifecycle(n->scripts.at[i].name))) rv_vec_push(&open, i);
    }
    while (open.count > 0) {
        uint32_t index = rv_vec_pop(&open);
        script *s = &n->scripts.at[index];
        if (s->is_wanted) continue;
        s->is_wanted = true;
        if (s->before) rv_vec_push(&open, s->before - 1);
        if (s->after) rv_vec_push(&open, s->after - 1);
        for (uint32_t r = 0; r < s->ref_count; r++) rv_vec_push(&open, n->refs.at[s->refs + r].script);
    }
    rv_vec_deinit(&open);
}

/* ---- edges ---- */

/* Do the edges lead from `from` to `to`? Depth first, with a stack; what it takes is counted, since there may be very many. */
static bool reaches(const npm *n, uint32_t from, uint32_t to)
{
    rv_import_indices open = {0};
    bool *seen = rv_alloc(n->scripts.count), is_found = false;
    rv_vec_push(&open, from);
    while (open.count > 0 && !is_found) {
        const rv_import_indices *edges = &n->scripts.at[rv_vec_pop(&open)].edges;
        n->import->text_size += 1 + edges->count;
        for (uint32_t i = 0; i < edges->count && !is_found; i++) {
            is_found = edges->at[i] == to || n->import->text_size > RV_IMPORT_TEXT_MAX;
            if (seen[edges->at[i]]) continue;
            seen[edges->at[i]] = true;
            rv_vec_push(&open, edges->at[i]);
        }
    }
    rv_free(seen);
    rv_vec_deinit(&open);
    return is_found;
}

static bool has(const rv_import_strs *list, rv_str id)
{
    for (uint32_t i = 0; i < list->count; i++)
        if (rv_str_eq(list->at[i], id)) return true;
    return false;
}

/* `from` begins when `to` has ended. false: that would be a cycle. */
static bool edge(npm *n, uint32_t from, uint32_t to, bool is_soft)
{
    rv_import *import = n->import;
    rv_import_node *node = &import->nodes.at[n->scripts.at[from].node];
    rv_str id = import->nodes.at[n->scripts.at[to].node].id;
    if (has(&node->needs, id) || (is_soft && has(&node->after, id))) return true;
    if (from == to || reaches(n, to, from)) return false;
    rv_vec_push(&n->scripts.at[from].edges, to);
    if (is_soft) rv_vec_push(&node->after, id);
    else rv_vec_push(&node->needs, id);
    return true;
}

/* What runs last, and first, when the script is run by name. */
static uint32_t last_of(const npm *n, uint32_t index) { return n->scripts.at[index].after ? n->scripts.at[index].after - 1 : index; }

/* What of a script runs first is to wait for `earlier`: its pre script, else the scripts that it runs first, else itself. */
static bool wait_for(npm *n, uint32_t index, uint32_t earlier, bool skips_pre, bool is_soft)
{
    bool *seen = rv_alloc(n->scripts.count), is_good = true;
    RV_VEC(uint32_t) open = {0};
    rv_vec_push(&open, index);
    while (open.count > 0) {
        uint32_t at = rv_vec_pop(&open);
        const script *s = &n->scripts.at[at];
        if (seen[at]) continue;
        seen[at] = true;
        if (s->before && !(skips_pre && at == index)) rv_vec_push(&open, s->before - 1);
        else if (s->ref_count == 0) is_good &= edge(n, at, earlier, is_soft);
        else
            for (uint32_t r = s->refs; r < s->refs + s->ref_count && n->refs.at[r].group == n->refs.at[s->refs].group; r++)
                rv_vec_push(&open, n->refs.at[r].script);
    }
    rv_vec_deinit(&open);
    rv_free(seen);
    return is_good;
}

static void begins_after(npm *n, uint32_t index, uint32_t earlier, bool skips_pre, rv_import_place place)
{
    bool is_soft = n->import->wanted_count == 0;
    if (!wait_for(n, index, last_of(n, earlier), skips_pre, is_soft))
        rv_import_note(n->import, place, "write the order by hand", "`%.*s` after `%.*s` would be a cycle with the rest: left out",
                       RV_FMT(n->scripts.at[index].name), RV_FMT(n->scripts.at[earlier].name));
    else if (is_soft)
        rv_import_note(n->import, place, "name one script after the file to have it as npm has it: the edges are `needs` then",
                       "`%.*s` waits for `%.*s` where both run, and goes on when that fails", RV_FMT(n->scripts.at[index].name),
                       RV_FMT(n->scripts.at[earlier].name));
}

static void link_script(npm *n, uint32_t index)
{
    script *s = &n->scripts.at[index];
    rv_import_place place = rv_import_place_of(&n->doc, s->value);
    if (s->before) edge(n, index, last_of(n, s->before - 1), false);
    if (s->before && s->ref_count) begins_after(n, index, s->before - 1, true, place);
    if (s->after) edge(n, s->after - 1, index, false);
    for (uint32_t r = 0; r < s->ref_count && n->import->text_size <= RV_IMPORT_TEXT_MAX; r++) {
        ref *here = &n->refs.at[s->refs + r];
        if (!edge(n, index, last_of(n, here->script), false))
            rv_import_note(n->import, place, "write the order by hand", "`%.*s` runs itself through `%.*s`: left out", RV_FMT(s->name),
                           RV_FMT(n->scripts.at[here->script].name));
        for (uint32_t k = 0; k < s->ref_count; k++)
            if (n->refs.at[s->refs + k].group + 1 == here->group)
                begins_after(n, here->script, n->refs.at[s->refs + k].script, false, place);
    }
}

/* ---- nodes ---- */

static bool has_word(rv_str text, const char *word)
{
    size_t size = strlen(word);
    for (size_t i = 0; i + size <= text.size; i++)
        if (memcmp(text.at + i, word, size) == 0 && (i == 0 || strchr(" ;&|(", text.at[i - 1])) &&
            (i + size == text.size || strchr(" ;&|)", text.at[i + size])))
            return true;
    return false;
}

/* The variables that npm gives to scripts, where this one reads them. */
static void npm_variables(rv_import *import, rv_doc *doc, rv_str script_name, rv_str text, rv_import_place place, rv_import_node *node)
{
    rv_import_strs names = {0};
    rv_import_variables(import, text, &names);
    for (uint32_t i = 0; i < names.count; i++) {
        rv_str name = names.at[i], value = {0};
        if (rv_str_is(name, "npm_lifecycle_event")) value = script_name;
        else if (rv_str_starts(name, RV_STR("npm_package_"))) {
            char key[128];
            rv_str rest = rv_str_from(name, strlen("npm_package_"));
            bool is_config = rv_str_starts(rest, RV_STR("config_"));
            if (is_config) rest = rv_str_from(rest, strlen("config_"));
            snprintf(key, sizeof key, "%.*s", (int)RV_MIN(rest.size, sizeof key - 1), rest.at);
            uint32_t map = is_config ? rv_doc_get(doc, 0, "config") : 0, found = map == RV_NONE ? RV_NONE : rv_doc_get(doc, map, key);
            if (found != RV_NONE && rv_doc_is_scalar(doc, found)) value = rv_arena_str(&import->arena, rv_doc_text(doc, found));
        } else if (!rv_str_starts(name, RV_STR("npm_")) && !rv_str_is(name, "INIT_CWD")) {
            continue;
        }
        if (value.size) rv_vec_push(&node->env, ((rv_import_pair){name, value}));
        else rv_import_note(import, place, "set it in `env`", "`%.*s`, which npm gives to scripts, is not set", RV_FMT(name));
    }
    rv_vec_deinit(&names);
}

void rv_import_npm_script(rv_import *import, rv_doc *doc, rv_str name, rv_str text, rv_import_place place, const char *bin,
                          rv_import_node *node)
{
    node->shell = text;
    if (has_word(text, "cd") || has_word(text, "pushd"))
        node->shell = rv_arena_printf(&import->arena, "PATH=\"$PWD/%s:$PATH\"\n%.*s", bin, RV_FMT(text));
    npm_variables(import, doc, name, text, place, node);
    if (has_word(text, "npm") || has_word(text, "yarn") || has_word(text, "pnpm") || has_word(text, "npm-run-all") ||
        has_word(text, "run-s") || has_word(text, "run-p"))
        rv_import_note(import, place, "", "`%.*s` goes on to use the package manager, which has to be there", RV_FMT(name));
}

static void make_nodes(npm *n)
{
    rv_import *import = n->import;
    uint32_t left_out = RV_NONE;
    for (uint32_t i = 0; i < n->scripts.count; i++) {
        script *s = &n->scripts.at[i];
        if (!s->is_wanted) {
            if (left_out == RV_NONE && import->wanted_count == 0) left_out = i;
            continue;
        }
        rv_import_node *node = rv_import_add(import, rv_import_id(import, s->name));
        s->node = import->nodes.count - 1;
        if (s->ref_count == 0 || s->text.size)
            rv_import_npm_script(import, &n->doc, s->name, s->text, rv_import_place_of(&n->doc, s->value), "node_modules/.bin", node);
    }
    if (left_out != RV_NONE)
        rv_import_note(import, rv_import_place_of(&n->doc, n->scripts.at[left_out].value), "name it after the file if you want it",
                       "`%.*s` is run by npm at its own time, and left out", RV_FMT(n->scripts.at[left_out].name));
    for (uint32_t i = 0; i < n->scripts.count && import->text_size <= RV_IMPORT_TEXT_MAX; i++)
        if (n->scripts.at[i].is_wanted) link_script(n, i);
}

static void choose_default(npm *n)
{
    static const char *const names[] = {"build", "test"};
    for (size_t i = 0; i < RV_COUNT(names) && n->import->wanted_count == 0 && n->import->default_node.size == 0; i++) {
        uint32_t index = rv_map_get(&n->map, rv_str_of(names[i]));
        if (index != RV_NONE && n->scripts.at[index].node != RV_NONE)
            n->import->default_node = n->import->nodes.at[n->scripts.at[last_of(n, index)].node].id;
    }
}

static void refuse_unknown(npm *n)
{
    for (uint32_t i = 0; i < n->import->wanted_count; i++)
        if (rv_map_get(&n->map, rv_str_of(n->import->wanted[i])) == RV_NONE)
            rv_import_fail(n->import, (rv_import_place){0}, "name one of `scripts`", "there is no script `%s`", n->import->wanted[i]);
}

bool rv_import_npm(rv_import *import)
{
    npm n = {.import = import};
    rv_spec_input input = {.source = import->source, .file = rv_arena_cstring(&import->arena, import->file), .is_json = true};
    uint32_t scripts = RV_NONE, name, workspaces;
    if (rv_doc_read(&n.doc, &input, import->problems) == RV_OK) {
        scripts = rv_doc_get(&n.doc, 0, "scripts");
        name = rv_doc_get(&n.doc, 0, "name");
        workspaces = rv_doc_get(&n.doc, 0, "workspaces");
        if (name != RV_NONE && rv_doc_text(&n.doc, name).size) import->name = rv_arena_str(&import->arena, rv_doc_text(&n.doc, name));
        if (workspaces != RV_NONE)
            rv_import_note(import, rv_import_place_of(&n.doc, workspaces), "import the package.json of each, or turbo.json",
                           "`workspaces` are packages of their own");
        if (scripts == RV_NONE || rv_doc_kind_of(&n.doc, scripts) != RV_DOC_MAP || rv_doc_size(&n.doc, scripts) == 0)
            rv_import_fail(import, (rv_import_place){0}, "name a package.json that has some", "there are no `scripts`");
        else if (rv_doc_size(&n.doc, scripts) > SCRIPTS_MAX)
            rv_import_fail(import, (rv_import_place){0}, "import a part of it", "there are more than %u scripts", SCRIPTS_MAX);
        else read_scripts(&n, scripts);
        refuse_unknown(&n);
    }
    if (import->problems->error_count == 0) {
        want(&n);
        rv_vec_push(&import->raw_env, ((rv_import_pair){RV_STR("PATH"), RV_STR("node_modules/.bin:${env.PATH}")}));
        make_nodes(&n);
        choose_default(&n);
        if (import->nodes.count == 0) rv_import_fail(import, (rv_import_place){0}, "name a script", "no script is left to import");
        if (import->text_size > RV_IMPORT_TEXT_MAX)
            rv_import_fail(import, (rv_import_place){0}, "import some of them, by naming them", "the scripts run each other too often");
    }
    for (uint32_t i = 0; i < n.scripts.count; i++) rv_vec_deinit(&n.scripts.at[i].edges);
    rv_vec_deinit(&n.scripts);
    rv_vec_deinit(&n.refs);
    rv_map_deinit(&n.map);
    rv_doc_deinit(&n.doc);
    return import->problems->error_count == 0;
}
