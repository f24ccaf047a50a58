/* import_make_rule.c: rules of Makefiles: explicit, static pattern, pattern and suffix rules, grouped targets, special targets. */
#include <string.h>

#include "cli/import_make.h"

/* Those of make's own rules that programs in C and C++ lean on. */
const char rv_make_builtin_rules[] = "%.o: %.c\n\t$(COMPILE.c) $(OUTPUT_OPTION) $<\n"
                                     "%.o: %.cc\n\t$(COMPILE.cc) $(OUTPUT_OPTION) $<\n"
                                     "%.o: %.cpp\n\t$(COMPILE.cpp) $(OUTPUT_OPTION) $<\n"
                                     "%.o: %.C\n\t$(COMPILE.C) $(OUTPUT_OPTION) $<\n"
                                     "%: %.o\n\t$(LINK.o) $^ $(LOADLIBES) $(LDLIBS) -o $@\n"
                                     "%: %.c\n\t$(LINK.c) $^ $(LOADLIBES) $(LDLIBS) -o $@\n"
                                     "%: %.cc\n\t$(LINK.cc) $^ $(LOADLIBES) $(LDLIBS) -o $@\n"
                                     "%: %.cpp\n\t$(LINK.cpp) $^ $(LOADLIBES) $(LDLIBS) -o $@\n";

static rv_str without_dot(rv_str name)
{
    while (name.size > 2 && name.at[0] == '.' && name.at[1] == '/') {
        name = rv_str_from(name, 2);
        while (name.size > 1 && name.at[0] == '/') name = rv_str_from(name, 1);
    }
    return name;
}

uint32_t rv_make_target_of(rv_make *make, rv_str name)
{
    name = without_dot(name);
    uint32_t index = rv_map_get(&make->target_map, name);
    if (index != RV_NONE) return index;
    index = make->targets.count;
    rv_make_target *target = rv_vec_add(&make->targets);
    target->name = rv_arena_str(&make->import->arena, name);
    target->leader = index;
    target->node = RV_NONE;
    target->place = make->place;
    rv_map_add(&make->target_map, target->name, index);
    return index;
}

void rv_make_follow(rv_make *make, uint32_t index, uint32_t leader)
{
    if (index == leader || make->targets.at[index].leader != index || make->targets.at[index].followers) return;
    if (make->targets.at[leader].leader != leader) return;
    make->targets.at[index].leader = leader;
    make->targets.at[index].next_follower = make->targets.at[leader].followers;
    make->targets.at[leader].followers = index + 1;
}

/* Words of `text` into two lists, divided by `|`; words that only a shell gives are left out. */
static void prerequisites(rv_make *make, rv_str text, rv_import_strs *hard, rv_import_strs *order_only)
{
    rv_str word;
    rv_import_strs *to = hard;
    while (rv_make_word(&text, &word)) {
        if (rv_make_depends_on_shell(word))
            rv_import_note(make->import, make->place, "import with --shell, which runs the command now, as make does",
                           "prerequisites that a shell prints are left out");
        else if (rv_str_is(word, "|")) to = order_only;
        else if (rv_str_is(word, ".WAIT"))
            rv_import_note(make->import, make->place, "give the later ones a prerequisite", "`.WAIT` is not carried over");
        else if (rv_str_ends(word, RV_STR(")")) && rv_str_find(word, 0, '(') != SIZE_MAX)
            rv_import_note(make->import, make->place, "name the archive itself", "`%.*s`, a member of an archive, is left out",
                           RV_FMT(word));
        else rv_vec_push(to, word);
    }
}

static void add_all(rv_import_strs *to, const rv_import_strs *from)
{
    for (uint32_t i = 0; i < from->count; i++) rv_vec_push(to, from->at[i]);
}

/* .PHONY and the like. false: an ordinary target. */
static bool special(rv_make *make, rv_str name, const rv_import_strs *prereqs)
{
    static const char *const ignored[] = {".SUFFIXES", ".PRECIOUS", ".INTERMEDIATE", ".SECONDARY", ".DELETE_ON_ERROR", ".SILENT", ".POSIX",
                                          ".LOW_RESOLUTION_TIME", ".NOTINTERMEDIATE"};
    if (name.size < 2 || name.at[0] != '.' || name.at[1] < 'A' || name.at[1] > 'Z') return false;
    if (rv_str_is(name, ".PHONY")) {
        for (uint32_t i = 0; i < prereqs->count; i++) {
            uint32_t index = rv_make_target_of(make, prereqs->at[i]);
            make->targets.at[index].is_phony = true;
        }
        return true;
    }
    for (size_t i = 0; i < RV_COUNT(ignored); i++)
        if (rv_str_is(name, ignored[i])) return true;
    if (rv_str_is(name, ".ONESHELL")) make->is_one_shell = true;
    else if (rv_str_is(name, ".NOTPARALLEL")) make->is_not_parallel = true;
    else if (rv_str_is(name, ".EXPORT_ALL_VARIABLES")) make->exports_all = true;
    else if (rv_str_is(name, ".IGNORE") && prereqs->count == 0) make->ignores_errors = true;
    else if (rv_str_is(name, ".SECONDEXPANSION") || rv_str_is(name, ".DEFAULT") || rv_str_is(name, ".IGNORE"))
        rv_import_note(make->import, make->place, "write out what depends on it", "`%.*s` is not carried over", RV_FMT(name));
    else return false;
    return true;
}

/* .c.o: as %.o: %.c. */
static bool is_suffix_rule(rv_str name)
{
    size_t dot = name.size > 1 && name.at[0] == '.' ? rv_str_find(name, 1, '.') : SIZE_MAX;
    return dot != SIZE_MAX && dot > 1 && dot + 1 < name.size && rv_str_find(name, dot + 1, '.') == SIZE_MAX &&
           rv_str_find(name, 0, '/') == SIZE_MAX;
}

static void suffix_rule(rv_make *make, rv_str name)
{
    size_t dot = rv_str_find(name, 1, '.');
    rv_make_pattern *pattern = rv_vec_add(&make->patterns);
    rv_vec_push(&pattern->targets, rv_arena_printf(&make->import->arena, "%%%.*s", RV_FMT(rv_str_from(name, dot))));
    rv_vec_push(&pattern->prereqs, rv_arena_printf(&make->import->arena, "%%%.*s", RV_FMT(rv_str_cut(name, 0, dot))));
    rv_vec_push(&make->current, (make->patterns.count - 1) | RV_MAKE_PATTERN_BIT);
}

static void explicit_rule(rv_make *make, rv_str name, const rv_import_strs *hard, const rv_import_strs *order_only, bool is_double)
{
    uint32_t index = rv_make_target_of(make, name);
    rv_make_target *target = &make->targets.at[index];
    if (!target->is_rule) target->place = make->place;
    target->is_rule = true;
    target->is_double |= is_double;
    add_all(&target->prereqs, hard);
    add_all(&target->order_only, order_only);
    rv_vec_push(&make->current, index);
    if (make->goal.size == 0 && !make->is_builtin && (target->name.at[0] != '.' || rv_str_find(target->name, 0, '/') != SIZE_MAX))
        make->goal = target->name;
}

static void pattern_rule(rv_make *make, const rv_import_strs *targets, const rv_import_strs *hard, const rv_import_strs *order_only)
{
    rv_make_pattern *pattern = rv_vec_add(&make->patterns);
    add_all(&pattern->targets, targets);
    add_all(&pattern->prereqs, hard);
    add_all(&pattern->order_only, order_only);
    rv_vec_push(&make->current, (make->patterns.count - 1) | RV_MAKE_PATTERN_BIT);
}

/* TARGETS: PATTERN: PREREQUISITES, for each target with the stem that it has. */
static void static_pattern(rv_make *make, const rv_import_strs *targets, rv_str pattern, rv_str right)
{
    rv_import_strs hard = {0}, order_only = {0};
    prerequisites(make, right, &hard, &order_only);
    pattern = rv_make_trim(pattern);
    for (uint32_t t = 0; t < targets->count; t++) {
        rv_str stem;
        rv_import_strs filled[2] = {{0}, {0}};
        if (!rv_make_match(pattern, targets->at[t], &stem)) {
            rv_import_note(make->import, make->place, "correct the pattern", "`%.*s` does not fit the pattern `%.*s`",
                           RV_FMT(targets->at[t]), RV_FMT(pattern));
            continue;
        }
        for (uint32_t i = 0; i < hard.count + order_only.count; i++) {
            bool is_hard = i < hard.count;
            rv_buf one = {0};
            rv_make_fill(&one, is_hard ? hard.at[i] : order_only.at[i - hard.count], stem);
            make->import->text_size += one.size;
            rv_vec_push(&filled[is_hard ? 0 : 1], rv_arena_str(&make->import->arena, rv_buf_str(&one)));
            rv_buf_deinit(&one);
        }
        explicit_rule(make, targets->at[t], &filled[0], &filled[1], false);
        rv_make_target *target = &make->targets.at[make->current.at[make->current.count - 1]];
        target->stem = stem;
        target->is_pattern_made = true;
        rv_vec_deinit(&filled[0]);
        rv_vec_deinit(&filled[1]);
        if (make->import->text_size > RV_IMPORT_TEXT_MAX) break;
    }
    rv_vec_deinit(&hard);
    rv_vec_deinit(&order_only);
}

/* TARGETS: NAME = VALUE. false: it is none. */
static bool local_variable(rv_make *make, rv_str left, rv_str right)
{
    rv_str rest = rv_make_trim(right), word, after;
    for (after = rest; rv_make_word(&after, &word);) {
        if (!rv_str_is(word, "export") && !rv_str_is(word, "override") && !rv_str_is(word, "private")) break;
        rest = rv_make_trim(after);
    }
    size_t equals = rv_make_find_outside(rest, 0, "=:");
    if (equals == SIZE_MAX || equals == 0) return false;
    size_t end = equals;
    char op = '=';
    if (rest.at[equals] == ':') {
        while (equals < rest.size && rest.at[equals] == ':') equals++;
        if (equals >= rest.size || rest.at[equals] != '=') return false;
        op = ':';
    } else if (strchr("+?!", rest.at[equals - 1])) {
        op = rest.at[--end];
    }
    rv_str name = rv_make_expanded(make, rv_str_cut(rest, 0, end), true), value = rv_make_trim(rv_str_from(rest, equals + 1));
    if (name.size == 0 || rv_make_find_outside(name, 0, " \t|") != SIZE_MAX) return false;
    rv_str targets = rv_make_expanded(make, left, true);
    if (op == ':') { /* expanded now: what is left of dollars is text */
        rv_buf text = {0};
        rv_str now = rv_make_expanded(make, value, true);
        for (size_t i = 0; i < now.size; i++) {
            if (now.at[i] == '$') rv_buf_byte(&text, '$');
            rv_buf_byte(&text, now.at[i]);
        }
        value = rv_arena_str(&make->import->arena, rv_buf_str(&text));
        rv_buf_deinit(&text);
    } else if (op == '+') {
        value = rv_arena_printf(&make->import->arena, "$(%.*s) %.*s", RV_FMT(name), RV_FMT(value));
    } else if (op == '!') {
        value = rv_arena_printf(&make->import->arena, "$(shell %.*s)", RV_FMT(value));
    } else if (op == '?' && rv_make_find(make, name)) {
        return true;
    }
    while (rv_make_word(&targets, &word)) {
        if (rv_str_find(word, 0, '%') != SIZE_MAX) {
            rv_import_note(make->import, make->place, "set it for each target", "a variable for a pattern, `%.*s`, is not carried over",
                           RV_FMT(word));
            continue;
        }
        uint32_t index = rv_make_target_of(make, word);
        rv_make_target *target = &make->targets.at[index];
        rv_vec_push(&make->locals, ((rv_make_local){name, rv_arena_str(&make->import->arena, value), target->local}));
        target->local = make->locals.count;
        rv_import_note(make->import, make->place, "set it for those too, where their recipes use it",
                       "`%.*s` holds for the recipe of `%.*s` alone; make hands it to its prerequisites as well", RV_FMT(name),
                       RV_FMT(word));
    }
    return true;
}

/* One recipe for all of them: the first is the node. */
static void group(rv_make *make)
{
    for (uint32_t i = 1; i < make->current.count; i++)
        if (!(make->current.at[i] & RV_MAKE_PATTERN_BIT)) rv_make_follow(make, make->current.at[i], make->current.at[0]);
}

static void targets_and_prerequisites(rv_make *make, rv_str left, rv_str right, bool is_double, bool is_grouped)
{
    rv_import_strs targets = {0}, hard = {0}, order_only = {0}, patterns = {0};
    rv_str word;
    while (rv_make_word(&left, &word)) {
        if (rv_make_depends_on_shell(word))
            rv_import_note(make->import, make->place, "import with --shell, which runs the command now, as make does",
                           "targets that a shell prints are left out");
        else if (rv_str_find(word, 0, '(') != SIZE_MAX)
            rv_import_note(make->import, make->place, "name the archive itself", "`%.*s`, a member of an archive, is left out",
                           RV_FMT(word));
        else rv_vec_push(&targets, word);
    }
    size_t colon = rv_str_find(right, 0, ':');
    if (colon != SIZE_MAX && rv_str_find(rv_str_cut(right, 0, colon), 0, '%') != SIZE_MAX) {
        static_pattern(make, &targets, rv_str_cut(right, 0, colon), rv_str_from(right, colon + 1));
    } else {
        prerequisites(make, right, &hard, &order_only);
        for (uint32_t i = 0; i < targets.count; i++) {
            make->import->text_size += 16 * ((size_t)hard.count + order_only.count); /* many times many is bounded */
            if (make->import->text_size > RV_IMPORT_TEXT_MAX) break;
            if (special(make, targets.at[i], &hard)) continue;
            if (rv_str_find(targets.at[i], 0, '%') != SIZE_MAX) rv_vec_push(&patterns, targets.at[i]);
            else if (is_suffix_rule(targets.at[i]) && hard.count == 0) suffix_rule(make, targets.at[i]);
            else explicit_rule(make, targets.at[i], &hard, &order_only, is_double);
        }
        if (patterns.count) pattern_rule(make, &patterns, &hard, &order_only);
        if (is_grouped) group(make);
    }
    rv_vec_deinit(&targets);
    rv_vec_deinit(&patterns);
    rv_vec_deinit(&hard);
    rv_vec_deinit(&order_only);
}

void rv_make_rule(rv_make *make, rv_str line, rv_str after)
{
    size_t colon = rv_make_find_outside(line, 0, ":");
    make->has_rule = false;
    if (colon == SIZE_MAX) {
        rv_str text = rv_make_expanded(make, line, true);
        if (text.size == 0) return; /* what it did was all that it is for, as of $(eval) */
        bool is_rule = rv_str_find(text, 0, ':') != SIZE_MAX && rv_str_find(text, 0, '$') == SIZE_MAX;
        if (is_rule) rv_make_rule(make, text, after);
        else rv_import_fail(make->import, make->place, "begin the lines of recipes with a tab; write a rule as `target: prerequisites`",
                            "neither a rule nor a variable");
        return;
    }
    rv_str left = rv_make_trim(rv_str_cut(line, 0, colon)), right = rv_str_from(line, colon + 1);
    bool is_double = right.size > 0 && right.at[0] == ':', is_grouped = left.size > 1 && left.at[left.size - 1] == '&';
    if (is_double) right = rv_str_from(right, 1);
    if (is_grouped) left.size--;
    if (local_variable(make, left, right)) return;
    make->current.count = 0;
    make->recipe = 0;
    targets_and_prerequisites(make, rv_make_expanded(make, left, true), rv_make_expanded(make, right, true), is_double, is_grouped);
    make->has_rule = true;
    if (after.at) rv_make_recipe_line(make, after);
}

/* The first line of a recipe: it is that of all targets of the rule. */
static void begin_recipe(rv_make *make)
{
    rv_vec_push(&make->recipes, ((rv_make_recipe){.first = make->lines.count, .place = make->place}));
    make->recipe = make->recipes.count;
    for (uint32_t i = 0; i < make->current.count; i++) {
        uint32_t index = make->current.at[i];
        if (index & RV_MAKE_PATTERN_BIT) {
            make->patterns.at[index & ~RV_MAKE_PATTERN_BIT].recipe = make->recipe;
            continue;
        }
        rv_make_target *target = &make->targets.at[index];
        if (target->recipe)
            rv_import_note(make->import, make->place, target->is_double ? "write one rule of them" : "remove one of them",
                           target->is_double ? "`%.*s` has several rules with `::`; the last recipe is taken"
                                             : "`%.*s` has two recipes; the last one is taken, as by make",
                           RV_FMT(target->name));
        target->recipe = make->recipe;
    }
}

void rv_make_recipe_line(rv_make *make, rv_str text)
{
    if (make->recipe == 0) begin_recipe(make);
    rv_vec_push(&make->lines, ((rv_make_line){text, make->place}));
    make->recipes.at[make->recipe - 1].count++;
}
