/* import_make_graph.c: from the goals of a Makefile to what they need: implicit rules, files that are there, nodes. No recursion:
 * the walk has a stack of its own. */
#include <string.h>

#include "cli/import_make.h"

#define CHAIN_MAX 3u /* implicit rules one after the other */

typedef struct frame { uint32_t target, next; } frame; /* next: of its prerequisites, then of those that are order only */
typedef struct walk {
    rv_make *make;
    RV_VEC(frame) stack;
    rv_make_indices seen; /* of each node: the number of the node that has it among its needs; 0: none */
} walk;

static rv_make_target *target_at(rv_make *make, uint32_t index) { return &make->targets.at[index]; }

static bool is_there(rv_make *make, rv_str path)
{
    bool is_folder;
    return make->import->host->is_there(make->import->host->user, path, &is_folder);
}

/* ---- implicit rules ---- */

static bool can_be_made(rv_make *make, rv_str name, uint32_t depth);

static rv_str folder_of(rv_str name)
{
    size_t slash = name.size;
    while (slash > 0 && name.at[slash - 1] != '/') slash--;
    return rv_str_cut(name, 0, slash);
}

/* A pattern without a slash fits the name without its folder, which then stands before the prerequisites. */
static bool fits(rv_str pattern, rv_str name, rv_str *ret_folder, rv_str *ret_stem)
{
    *ret_folder = rv_str_find(pattern, 0, '/') == SIZE_MAX ? folder_of(name) : RV_STR("");
    return rv_make_match(pattern, rv_str_from(name, ret_folder->size), ret_stem) && ret_stem->size > 0;
}

static rv_str filled(rv_make *make, rv_str pattern, rv_str folder, rv_str stem)
{
    rv_buf out = {0};
    if (rv_str_find(pattern, 0, '%') != SIZE_MAX) rv_buf_str_add(&out, folder);
    rv_make_fill(&out, pattern, stem);
    rv_str copy = rv_arena_str(&make->import->arena, rv_buf_str(&out));
    make->import->text_size += copy.size;
    rv_buf_deinit(&out);
    return copy;
}

static bool ought_to_exist(rv_make *make, rv_str name, uint32_t depth)
{
    uint32_t index = rv_map_get(&make->target_map, name);
    if ((index != RV_NONE && target_at(make, index)->is_rule) || is_there(make, name)) return true;
    return depth > 0 && can_be_made(make, name, depth - 1);
}

/* The pattern that makes `name`: of those whose prerequisites can be had, that with the shortest stem, the first of them. RV_NONE: none.
 * `depth`: how many further patterns may be needed for a prerequisite. */
static uint32_t best_pattern(rv_make *make, rv_str name, uint32_t depth, rv_str *ret_folder, rv_str *ret_stem)
{
    uint32_t best = RV_NONE;
    make->import->text_size += make->patterns.count / 2; /* many patterns for many targets are bounded */
    for (uint32_t p = 0; p < make->patterns.count && make->import->text_size <= RV_IMPORT_TEXT_MAX; p++) {
        const rv_make_pattern *pattern = &make->patterns.at[p];
        if (pattern->recipe == 0) continue;
        for (uint32_t t = 0; t < pattern->targets.count; t++) {
            rv_str folder, stem;
            if (!fits(pattern->targets.at[t], name, &folder, &stem) || (best != RV_NONE && stem.size >= ret_stem->size)) continue;
            bool is_anything = pattern->targets.at[t].size == 1;
            bool is_good = !(is_anything && depth < CHAIN_MAX && rv_str_find(name, 0, '.') != SIZE_MAX);
            for (uint32_t i = 0; i < make->patterns.at[p].prereqs.count && is_good; i++)
                is_good = ought_to_exist(make, filled(make, make->patterns.at[p].prereqs.at[i], folder, stem), is_anything ? 0 : depth);
            pattern = &make->patterns.at[p];
            if (!is_good) continue;
            best = p;
            *ret_folder = folder;
            *ret_stem = stem;
        }
    }
    return best;
}

static bool can_be_made(rv_make *make, rv_str name, uint32_t depth)
{
    rv_str folder, stem;
    return best_pattern(make, name, depth, &folder, &stem) != RV_NONE;
}

/* Give a target without a recipe that of a pattern. */
static void apply_pattern(rv_make *make, uint32_t index)
{
    rv_str folder, stem = {0}, name = target_at(make, index)->name;
    uint32_t p = RV_NONE;
    for (uint32_t depth = 0; depth <= CHAIN_MAX && p == RV_NONE; depth += CHAIN_MAX) p = best_pattern(make, name, depth, &folder, &stem);
    if (p == RV_NONE) return;
    const rv_make_pattern *pattern = &make->patterns.at[p];
    rv_import_strs prereqs = {0};
    for (uint32_t i = 0; i < pattern->prereqs.count; i++) rv_vec_push(&prereqs, filled(make, pattern->prereqs.at[i], folder, stem));
    rv_make_target *target = target_at(make, index);
    for (uint32_t i = 0; i < target->prereqs.count; i++) rv_vec_push(&prereqs, target->prereqs.at[i]);
    rv_vec_deinit(&target->prereqs);
    target->prereqs.at = prereqs.at;
    target->prereqs.count = prereqs.count;
    target->prereqs.capacity = prereqs.capacity;
    for (uint32_t i = 0; i < pattern->order_only.count; i++)
        rv_vec_push(&target->order_only, filled(make, pattern->order_only.at[i], folder, stem));
    target->stem = folder.size ? rv_arena_printf(&make->import->arena, "%.*s%.*s", RV_FMT(folder), RV_FMT(stem)) : stem;
    target->recipe = pattern->recipe;
    target->is_rule = target->is_pattern_made = true;
    for (uint32_t t = 0; t < pattern->targets.count; t++) { /* the others that the same recipe makes */
        uint32_t other = rv_make_target_of(make, filled(make, make->patterns.at[p].targets.at[t], folder, stem));
        if (other == index || target_at(make, other)->recipe || target_at(make, other)->state != 0) continue;
        rv_make_follow(make, other, index);
        target_at(make, other)->is_rule = target_at(make, other)->is_pattern_made = true;
    }
}

/* ---- what a target becomes ---- */

static bool has_word(rv_str text, rv_str word)
{
    for (size_t i = 0; i + word.size <= text.size; i++) {
        if (memcmp(text.at + i, word.at, word.size) != 0) continue;
        bool begins = i == 0 || strchr(" \t\n=>'\"(/", text.at[i - 1]);
        bool ends = i + word.size == text.size || strchr(" \t\n;'\")/&|", text.at[i + word.size]);
        if (begins && ends) return true;
    }
    return false;
}

/* Does the recipe make the file of that name? A target whose recipe does not speak of it is taken for a name only. */
static bool is_file(rv_make *make, const rv_make_target *target, rv_str script)
{
    if (target->is_phony) return false;
    if (target->is_pattern_made || is_there(make, target->name) || has_word(script, target->name)) return true;
    for (uint32_t i = 0; target->recipe && i < make->recipes.at[target->recipe - 1].count; i++) {
        rv_str line = make->lines.at[make->recipes.at[target->recipe - 1].first + i].text;
        if (memmem(line.at ? line.at : "", line.size, "$@", 2)) return true;
    }
    if (rv_str_find(target->name, 0, '.') != SIZE_MAX || rv_str_find(target->name, 0, '/') != SIZE_MAX) return true;
    rv_import_note(make->import, target->place, "add `outputs` if it makes a file of that name",
                   "`%.*s` is not .PHONY, but its recipe does not name it: taken for a name only", RV_FMT(target->name));
    return false;
}

static bool makes_folder(rv_str name, rv_str script)
{
    return rv_str_ends(name, RV_STR("/")) || rv_str_starts(script, RV_STR("mkdir ")) || rv_str_starts(script, RV_STR("install -d "));
}

/* Is it a plain relative path, each part of it a name? */
static bool is_beneath(rv_str path)
{
    if (path.size == 0 || path.at[path.size - 1] == '/') return false;
    for (size_t at = 0; at < path.size;) {
        size_t end = RV_MIN(rv_str_find(path, at, '/'), path.size);
        rv_str part = rv_str_cut(path, at, end - at);
        if (part.size == 0 || rv_str_is(part, ".") || rv_str_is(part, "..")) return false;
        at = end + 1;
    }
    return true;
}

/* Would a pattern of a workflow file read the name as more than itself? */
static bool has_glob(rv_str path)
{
    if (path.at[0] == '!') return true;
    for (size_t i = 0; i < path.size; i++)
        if (strchr("*?[]{}\\$", path.at[i])) return true;
    return false;
}

static void add_needs(walk *w, rv_make_indices *to, uint32_t mark, const rv_make_target *prerequisite)
{
    for (uint32_t i = 0; i < (prerequisite->node == RV_NONE ? prerequisite->needs.count : 1); i++) {
        uint32_t node = prerequisite->node == RV_NONE ? prerequisite->needs.at[i] : prerequisite->node;
        while (w->seen.count <= node) rv_vec_push(&w->seen, 0);
        w->make->import->text_size++;
        if (w->seen.at[node] == mark || w->make->import->text_size > RV_IMPORT_TEXT_MAX) continue;
        w->seen.at[node] = mark;
        rv_vec_push(to, node);
    }
}

/* What one prerequisite says of the cache. false: whoever has it cannot be kept. */
static bool add_input(rv_make *make, const rv_make_target *prerequisite, rv_import_strs *inputs)
{
    bool is_folder = false;
    const rv_import_host *host = make->import->host;
    if (prerequisite->is_phony || prerequisite->is_always) return false;
    if (host->is_there(host->user, prerequisite->name, &is_folder) && is_folder) return false;
    if (has_glob(prerequisite->name)) return false;
    if (!is_beneath(prerequisite->name)) {
        if (!rv_str_starts(prerequisite->name, RV_STR("/usr/")))
            rv_import_note(make->import, prerequisite->place, "move it beneath, or delete `cache` where it counts",
                           "`%.*s` lies outside of the Makefile's folder: it is no input", RV_FMT(prerequisite->name));
        return true;
    }
    for (uint32_t i = 0; i < inputs->count && inputs->count < 64; i++)
        if (rv_str_eq(inputs->at[i], prerequisite->name)) return true;
    rv_vec_push(inputs, prerequisite->name);
    return true;
}

static rv_str joined(rv_make *make, const rv_import_strs *words, bool is_unique)
{
    rv_buf out = {0};
    rv_map seen = {0};
    for (uint32_t i = 0; i < words->count; i++) {
        if (is_unique && rv_map_add(&seen, words->at[i], i) != RV_NONE) continue;
        if (out.size) rv_buf_byte(&out, ' ');
        rv_buf_str_add(&out, words->at[i]);
    }
    make->import->text_size += out.size;
    rv_str text = rv_arena_str(&make->import->arena, rv_buf_str(&out));
    rv_buf_deinit(&out);
    rv_map_deinit(&seen);
    return text;
}

static rv_str script_of(rv_make *make, const rv_make_target *target)
{
    rv_make_autos autos = {.target = target->name, .stem = target->stem};
    autos.all = joined(make, &target->prereqs, true);
    autos.each = joined(make, &target->prereqs, false);
    autos.order_only = joined(make, &target->order_only, true);
    if (target->prereqs.count) autos.first = target->prereqs.at[0];
    return rv_make_script(make, target, &autos);
}

static void give_files(rv_make *make, uint32_t index, rv_import_node *node, rv_str script)
{
    rv_make_target *target = target_at(make, index);
    rv_import *import = make->import;
    bool is_kept = target->prereqs.count > 0, makes_file = is_file(make, target, script);
    rv_import_strs inputs = {0};
    if (!makes_file) {
        target->is_always = true;
        return;
    }
    for (uint32_t i = 0; i < target->prereqs.count; i++)
        is_kept &= add_input(make, target_at(make, rv_make_target_of(make, target->prereqs.at[i])), &inputs);
    target = target_at(make, index);
    bool is_folder = makes_folder(target->name, script);
    for (uint32_t t = index + 1; t && !is_folder; t = t == index + 1 ? target->followers : target_at(make, t - 1)->next_follower) {
        rv_str name = target_at(make, t - 1)->name;
        if (is_beneath(name) && !has_glob(name)) rv_vec_push(&node->outputs, name);
    }
    if (target->prereqs.count == 0) { /* make makes it only when it is not there */
        rv_buf text = {0};
        rv_buf_cstring(&text, "[ ! -e ");
        rv_import_shell_word(&text, target->name);
        rv_buf_printf(&text, " ] || exit 0\n%.*s", RV_FMT(script));
        node->shell = rv_arena_str(&import->arena, rv_buf_str(&text));
        rv_buf_deinit(&text);
    } else if (is_kept && node->outputs.count && inputs.count) {
        node->is_cached = node->is_by_files = true;
        for (uint32_t i = 0; i < inputs.count; i++) rv_vec_push(&node->inputs, inputs.at[i]);
        rv_import_variables(import, script, &node->env_host);
    }
    rv_vec_deinit(&inputs);
}

/* All its prerequisites are done: its node, or what stands for it. */
static void finish(walk *w, uint32_t index)
{
    rv_make *make = w->make;
    rv_make_target *target = target_at(make, index);
    rv_str script = script_of(make, target);
    rv_make_indices needs = {0};
    uint32_t mark = index + 1;
    for (uint32_t i = 0; i < target->prereqs.count + target->order_only.count; i++) {
        bool is_hard = i < target->prereqs.count;
        rv_str name = is_hard ? target->prereqs.at[i] : target->order_only.at[i - target->prereqs.count];
        uint32_t other = rv_make_target_of(make, name);
        target = target_at(make, index);
        if (target_at(make, other)->leader == index) continue;
        add_needs(w, &needs, mark, target_at(make, target_at(make, other)->leader));
        if (is_hard && target_at(make, other)->is_always) target->is_always = true;
    }
    bool is_source = !target->is_phony && is_there(make, target->name);
    if (script.size == 0 && (is_source || needs.count == 0)) {
        target->is_always |= target->is_phony || (target->is_rule && !is_source && !target->is_pattern_made && target->recipe == 0);
        target->needs.at = needs.at;
        target->needs.count = needs.count;
        target->needs.capacity = needs.capacity;
        return;
    }
    rv_import_node *node = rv_import_add(make->import, rv_import_id(make->import, target->name));
    target->node = make->import->nodes.count - 1;
    node->shell = script;
    for (uint32_t i = 0; i < needs.count; i++) rv_vec_push(&node->needs, make->import->nodes.at[needs.at[i]].id);
    rv_vec_deinit(&needs);
    if (script.size) {
        node->shell_name = rv_make_shell_name(make);
        give_files(make, index, node, script);
    } else {
        target->is_always = true;
    }
}

/* ---- the walk ---- */

static void enter(walk *w, uint32_t index)
{
    rv_make *make = w->make;
    rv_make_target *target = target_at(make, index);
    target->state = 1;
    if (target->recipe == 0 && !target->is_phony) apply_pattern(make, index);
    rv_vec_push(&w->stack, ((frame){index, 0}));
}

static void unmade(rv_make *make, const rv_make_target *target, rv_str needed_by)
{
    if (target->is_rule || target->is_phony || is_there(make, target->name)) return;
    rv_import_note(make->import, target->place, "write a rule for it, or make it first",
                   "nothing makes `%.*s`, which `%.*s` needs, and it is not there", RV_FMT(target->name), RV_FMT(needed_by));
}

static void visit(walk *w, uint32_t goal)
{
    rv_make *make = w->make;
    goal = target_at(make, goal)->leader;
    if (target_at(make, goal)->state == 0) enter(w, goal);
    while (w->stack.count > 0) {
        frame *top = &w->stack.at[w->stack.count - 1];
        rv_make_target *target = target_at(make, top->target);
        uint32_t hard = target->prereqs.count;
        if (top->next == hard + target->order_only.count || make->import->text_size > RV_IMPORT_TEXT_MAX) {
            uint32_t done = top->target;
            w->stack.count--;
            finish(w, done);
            target_at(make, done)->state = 2;
            continue;
        }
        rv_import_strs *list = top->next < hard ? &target->prereqs : &target->order_only;
        uint32_t at = top->next < hard ? top->next : top->next - hard;
        top->next++;
        rv_str name = target->name;
        make->place = target->place;
        uint32_t other = rv_make_target_of(make, list->at[at]), leader = target_at(make, other)->leader;
        list = top->next <= hard ? &target_at(make, top->target)->prereqs : &target_at(make, top->target)->order_only;
        list->at[at] = target_at(make, other)->name;
        if (target_at(make, leader)->state == 0) {
            enter(w, leader);
            unmade(make, target_at(make, leader), name);
        } else if (target_at(make, leader)->state == 1) {
            rv_import_note(make->import, target_at(make, top->target)->place, "remove it from the Makefile",
                           "`%.*s` needs itself through `%.*s`; that edge is left out, as make does", RV_FMT(target_at(make, leader)->name),
                           RV_FMT(name));
        }
    }
}

/* ---- the file's own keys ---- */

/* `value` with the `size` bytes at `begin` as a reference to the caller's PATH; the rest is text. */
static rv_str around_path(rv_import *import, rv_str value, size_t begin, size_t size)
{
    rv_buf out = {0};
    rv_import_text(&out, rv_str_cut(value, 0, begin));
    rv_buf_cstring(&out, "${env.PATH}");
    rv_import_text(&out, rv_str_from(value, begin + size));
    rv_str copy = rv_arena_str(&import->arena, rv_buf_str(&out));
    rv_buf_deinit(&out);
    return copy;
}

static void export_variables(rv_make *make)
{
    rv_import *import = make->import;
    const char *path = import->host->env(import->host->user, RV_STR("PATH"));
    for (uint32_t i = 0; i < make->vars.count; i++) {
        const rv_make_var *var = &make->vars.at[i];
        bool is_set = var->origin >= RV_MAKE_FILE;
        bool is_name = rv_import_is_variable(var->name);
        if (!is_name || !is_set || !(var->is_exported || var->was_env || make->exports_all || var->origin == RV_MAKE_COMMAND)) continue;
        if (rv_str_is(var->name, "SHELL") || rv_str_is(var->name, "MAKEFLAGS")) continue;
        make->place = var->place;
        rv_str name = var->name, value = rv_make_expanded(make, rv_arena_printf(&import->arena, "$(%.*s)", RV_FMT(name)), false);
        if (rv_make_depends_on_shell(value)) {
            rv_import_note(import, make->place, "set it in the scripts that read it, or import with --shell",
                           "`%.*s` is exported, and what a shell prints: not carried over", RV_FMT(name));
            continue;
        }
        char *found = path && path[0] && rv_str_is(name, "PATH") ? memmem(value.at, value.size, path, strlen(path)) : NULL;
        bool is_reference = found && (found == value.at || found[-1] != '$'); /* behind a `$` it would be none */
        if (is_reference) value = around_path(import, value, (size_t)(found - value.at), strlen(path));
        rv_vec_push(is_reference ? &import->raw_env : &import->env, ((rv_import_pair){name, value}));
    }
}

static bool start(walk *w, rv_str name)
{
    rv_make *make = w->make;
    uint32_t index = rv_map_get(&make->target_map, name);
    if (index == RV_NONE) index = rv_make_target_of(make, name);
    visit(w, index);
    rv_make_target *target = target_at(make, target_at(make, index)->leader);
    if (target->node != RV_NONE || target->is_rule) return true;
    rv_import_fail(make->import, (rv_import_place){0}, "name a target of the Makefile", "there is no target `%.*s`", RV_FMT(name));
    return false;
}

/* The goal of a `make` without a word is the node that `reeve run` without a word means, also where it has nothing to do. */
static void name_default(rv_make *make, rv_str goal)
{
    rv_import *import = make->import;
    uint32_t index = goal.size ? rv_map_get(&make->target_map, goal) : RV_NONE;
    if (index == RV_NONE || import->nodes.count == 0) return;
    uint32_t node = target_at(make, target_at(make, index)->leader)->node;
    import->default_node = node == RV_NONE ? rv_import_id(import, goal) : import->nodes.at[node].id;
    if (node == RV_NONE) rv_import_add(import, import->default_node);
}

/* What is named; else all targets, the goal first. */
static void walk_all(walk *w)
{
    rv_make *make = w->make;
    const rv_import *import = make->import;
    rv_str goals = rv_make_expanded(make, RV_STR("$(.DEFAULT_GOAL)"), true), goal = {0};
    for (uint32_t i = 0; i < import->wanted_count; i++)
        if (!start(w, rv_str_of(import->wanted[i]))) return;
    if (import->wanted_count) return;
    if (rv_make_word(&goals, &goal) && !start(w, goal)) return;
    for (uint32_t i = 0, count = make->targets.count; i < count; i++) {
        const rv_make_target *target = target_at(make, i);
        if (target->is_rule && target->state == 0 && target->leader == i && (target->recipe || target->is_phony)) visit(w, i);
    }
    name_default(make, goal);
}

void rv_make_graph(rv_make *make)
{
    walk w = {.make = make};
    walk_all(&w);
    rv_vec_deinit(&w.stack);
    rv_vec_deinit(&w.seen);
    if (make->is_not_parallel)
        rv_vec_push(&make->import->more, ((rv_import_pair){RV_STR("concurrency"), RV_STR("{default: 1}")}));
    export_variables(make);
    if (make->import->text_size > RV_IMPORT_TEXT_MAX)
        rv_import_fail(make->import, (rv_import_place){0}, "import parts of it, by naming goals", "this becomes more than 64 MiB");
    else if (make->import->nodes.count == 0 && make->import->problems->error_count == 0)
        rv_import_fail(make->import, (rv_import_place){0}, "name a goal that has a recipe",
                       "there is nothing to do: no target has a recipe");
}
