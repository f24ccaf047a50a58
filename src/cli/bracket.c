/* bracket.c: a tournament's bracket, as it was drawn, for people and for programs.
 *
 * Who meets whom is in the run's state (pairs, rounds, matches); in an elimination pairs stand in order and a bye comes last, so
 * the tree can be drawn without crossings: a pair's winner stands between the two.
 *
 *     a ──┐
 *         ├─ a ──┐
 *     b ──┘      │
 *                ├─ c
 *     c ──────── c ──┘   (a bye)                                                                                    */
#include "cli/report.h"

#define SLOTS_DRAWN_MAX 64u /* more entrants are told round by round */

typedef struct bracket {
    const rv_report *r;
    const rv_control *control;
    uint32_t node;
    bool is_swiss;
} bracket;

static bracket bracket_of(const rv_report *r, uint32_t node)
{
    return (bracket){r, rv_report_control(r, node), node, rv_run_control_def(r->run, node)->max != 0};
}

bool rv_bracket_is_there(const rv_report *r, uint32_t node)
{
    if (rv_run_kind(r->run, node) != RV_KIND_TOURNAMENT) return false;
    const rv_control *control = rv_report_control(r, node);
    return control && control->entrants.count > 0;
}

static rv_str name_of(const bracket *b, uint32_t entrant) { return b->r->nodes[b->control->entrants.at[entrant]].name; }

static bool is_out(const bracket *b, uint32_t entrant)
{
    rv_node_state state = b->r->nodes[b->control->entrants.at[entrant]].facts.state;
    return state != RV_NODE_SUCCEEDED && state != RV_NODE_PARTIAL;
}

static const rv_pair *pairs_of(const bracket *b, uint32_t round, uint32_t *ret_count)
{
    uint32_t first = b->control->rounds.at[round - 1];
    *ret_count = (round < b->control->rounds.count ? b->control->rounds.at[round] : b->control->pairs.count) - first;
    return b->control->pairs.at + first;
}

/* NULL: it is not decided. */
static const rv_match *match_of(const bracket *b, uint32_t round, uint32_t number)
{
    for (uint32_t i = 0; i < b->control->matches.count; i++) {
        const rv_match *match = &b->control->matches.at[i];
        if (RV_MATCH_ROUND(match->ordinal) == round && RV_MATCH_NUMBER(match->ordinal) == number) return match;
    }
    return NULL;
}

uint32_t rv_bracket_winner(const rv_report *r, uint32_t node)
{
    if (!rv_bracket_is_there(r, node) || r->nodes[node].facts.state != RV_NODE_SUCCEEDED) return RV_NONE;
    bracket b = bracket_of(r, node);
    uint32_t best = RV_NONE;
    for (uint32_t i = 0; i < b.control->alive.count; i++) { /* most matches won; of equals the first */
        uint32_t entrant = b.control->alive.at[i], score = b.control->score.at[entrant];
        bool is_better = best == RV_NONE || score > b.control->score.at[best] || (score == b.control->score.at[best] && entrant < best);
        if (is_better) best = entrant;
    }
    return best;
}

/* ---- as a list ---- */

static void list_line(const bracket *b, rv_buf *out, uint32_t round, uint32_t number, rv_pair pair)
{
    const rv_match *match = match_of(b, round, number);
    if (!match) {
        rv_buf_printf(out, "%.*s against %.*s\n", RV_FMT(name_of(b, pair.left)), RV_FMT(name_of(b, pair.right)));
        return;
    }
    uint32_t loser = match->winner == pair.left ? pair.right : pair.left;
    rv_buf_printf(out, "%.*s beat %.*s%s\n", RV_FMT(name_of(b, match->winner)), RV_FMT(name_of(b, loser)),
                  match->is_drawn ? ", drawn by the seed" : "");
}

static void list(const bracket *b, uint32_t indent, rv_buf *out)
{
    for (uint32_t round = 1; round <= b->control->rounds.count; round++) {
        uint32_t count, bye = rv_run_bye(b->r->run, b->control, round);
        const rv_pair *pairs = pairs_of(b, round, &count);
        rv_buf_printf(out, "%*sround %u\n", (int)indent, "", round);
        for (uint32_t i = 0; i < count; i++) {
            rv_buf_printf(out, "%*s", (int)indent + 2, "");
            list_line(b, out, round, i, pairs[i]);
        }
        if (bye != RV_NONE) rv_buf_printf(out, "%*s%.*s had a bye\n", (int)indent + 2, "", RV_FMT(name_of(b, bye)));
    }
    if (!b->is_swiss) return;
    rv_buf_printf(out, "%*spoints\n", (int)indent, "");
    for (uint32_t e = 0; e < b->control->entrants.count; e++)
        if (!is_out(b, e)) rv_buf_printf(out, "%*s%.*s %u\n", (int)indent + 2, "", RV_FMT(name_of(b, e)), b->control->score.at[e]);
}

/* ---- as a tree ---- */

typedef struct slot { uint32_t entrant /* RV_NONE: not known yet */, row; bool is_drawn; } slot;
typedef struct canvas {
    const bracket *b;
    rv_arena *arena;
    const char *line, *upper, *lower, *join, *bar;
    rv_buf *rows; uint32_t row_count;
} canvas;

static void add_label(const canvas *c, rv_buf *out, const slot *s)
{
    if (s->entrant == RV_NONE) rv_buf_byte(out, '?');
    else rv_buf_str_add(out, name_of(c->b, s->entrant));
    if (s->is_drawn) rv_buf_byte(out, '*');
}

static uint32_t label_columns(const canvas *c, const slot *s)
{
    return s->entrant == RV_NONE ? 1 : (uint32_t)name_of(c->b, s->entrant).size + s->is_drawn; /* ids are ASCII */
}

static void line_to(const canvas *c, rv_buf *row, uint32_t column)
{
    rv_buf_byte(row, ' ');
    while (rv_ui_columns(rv_buf_str(row)) < column) rv_buf_cstring(row, c->line);
}

/* One round: labels, the lines from them, and what joins them; the winners' slots are put into `next`. */
static uint32_t draw_round(canvas *c, uint32_t round, const slot *slots, uint32_t count, uint32_t left, uint32_t right, slot *next)
{
    uint32_t next_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        rv_buf *row = &c->rows[slots[i].row];
        rv_ui_pad(row, 0, left);
        add_label(c, row, &slots[i]);
        bool is_bye = i + 1 == count && count % 2;
        line_to(c, row, is_bye ? right + 2 : right);
        if (!is_bye) rv_buf_cstring(row, i % 2 ? c->lower : c->upper);
        else rv_buf_byte(row, ' ');
        if (is_bye) next[next_count++] = (slot){slots[i].entrant, slots[i].row, false};
        if (i % 2 == 0) continue;
        uint32_t middle = (slots[i - 1].row + slots[i].row) / 2;
        const rv_match *match = match_of(c->b, round, i / 2);
        for (uint32_t k = slots[i - 1].row + 1; k < slots[i].row; k++) {
            rv_ui_pad(&c->rows[k], 0, right);
            if (k != middle) rv_buf_cstring(&c->rows[k], c->bar);
            else rv_buf_printf(&c->rows[k], "%s%s ", c->join, c->line);
        }
        next[next_count++] = (slot){match ? match->winner : RV_NONE, middle, match && match->is_drawn};
    }
    return next_count;
}

static uint32_t first_slots(const bracket *b, slot *slots)
{
    uint32_t count, bye = rv_run_bye(b->r->run, b->control, 1), used = 0;
    const rv_pair *pairs = pairs_of(b, 1, &count);
    for (uint32_t i = 0; i < count; i++) {
        slots[used] = (slot){pairs[i].left, 2 * used, false}, used++;
        slots[used] = (slot){pairs[i].right, 2 * used, false}, used++;
    }
    if (bye != RV_NONE) slots[used] = (slot){bye, 2 * used, false}, used++;
    return used;
}

/* false: it is wider than `columns`. */
static bool draw(canvas *c, uint32_t columns)
{
    slot *slots = rv_arena_new(c->arena, slot, c->b->control->entrants.count + 1);
    slot *next = rv_arena_new(c->arena, slot, c->b->control->entrants.count + 1);
    uint32_t count = first_slots(c->b, slots), left = 0;
    c->row_count = count ? 2 * count - 1 : 0;
    c->rows = rv_arena_new(c->arena, rv_buf, c->row_count + 1);
    for (uint32_t round = 1; count > 0; round++) {
        uint32_t width = 0;
        for (uint32_t i = 0; i < count; i++) width = RV_MAX(width, label_columns(c, &slots[i]));
        if (left + width > columns) return false;
        bool is_last = count == 1 || round > c->b->control->rounds.count;
        for (uint32_t i = 0; i < count && is_last; i++) {
            rv_ui_pad(&c->rows[slots[i].row], 0, left);
            add_label(c, &c->rows[slots[i].row], &slots[i]);
        }
        if (is_last) break;
        uint32_t right = left + width + 3;
        count = draw_round(c, round, slots, count, left, right, next);
        slot *spare = slots;
        slots = next, next = spare;
        left = right + 3;
    }
    return true;
}

static void tree_or_list(const bracket *b, uint32_t indent, uint32_t columns, bool is_utf8, rv_buf *out)
{
    rv_arena arena = {0};
    canvas c = {.b = b, .arena = &arena, .line = "-", .upper = "+", .lower = "+", .join = "+", .bar = "|"};
    bool is_drawn = false, has_draw = false;
    if (is_utf8) c.line = "─", c.upper = "┐", c.lower = "┘", c.join = "├", c.bar = "│";
    if (b->control->entrants.count <= SLOTS_DRAWN_MAX && !b->is_swiss && b->control->rounds.count)
        is_drawn = draw(&c, columns > indent ? columns - indent : 0);
    for (uint32_t i = 0; i < c.row_count; i++) {
        if (is_drawn) rv_buf_printf(out, "%*s%.*s\n", (int)indent, "", RV_FMT(rv_buf_str(&c.rows[i])));
        rv_buf_deinit(&c.rows[i]);
    }
    for (uint32_t i = 0; i < b->control->matches.count; i++) has_draw |= b->control->matches.at[i].is_drawn;
    if (is_drawn && has_draw) rv_buf_printf(out, "%*s* the judges were split: the seed decided\n", (int)indent, "");
    if (!is_drawn) list(b, indent, out);
    rv_arena_deinit(&arena);
}

void rv_bracket_text(const rv_report *r, uint32_t node, uint32_t indent, uint32_t columns, bool is_utf8, rv_buf *out)
{
    bracket b = bracket_of(r, node);
    tree_or_list(&b, indent, columns, is_utf8, out);
    for (uint32_t e = 0; e < b.control->entrants.count; e++) {
        if (!is_out(&b, e)) continue;
        rv_node_state state = r->nodes[b.control->entrants.at[e]].facts.state;
        rv_buf_printf(out, "%*s%.*s took no part: %s\n", (int)indent, "", RV_FMT(name_of(&b, e)), rv_node_state_name(state));
    }
}

/* ---- for programs ---- */

static void json_round(const bracket *b, rv_json_writer *w, uint32_t round)
{
    uint32_t count, bye = rv_run_bye(b->r->run, b->control, round);
    const rv_pair *pairs = pairs_of(b, round, &count);
    rv_jw_object(w);
    rv_jw_kv_i64(w, "round", round);
    if (bye != RV_NONE) rv_jw_kv_str(w, "bye", name_of(b, bye));
    rv_jw_key(w, "matches");
    rv_jw_array(w);
    for (uint32_t i = 0; i < count; i++) {
        const rv_match *match = match_of(b, round, i);
        rv_jw_object(w);
        rv_jw_kv_str(w, "left", name_of(b, pairs[i].left));
        rv_jw_kv_str(w, "right", name_of(b, pairs[i].right));
        if (match) rv_jw_kv_str(w, "winner", name_of(b, match->winner));
        if (match) rv_jw_kv_bool(w, "is_drawn", match->is_drawn != 0);
        rv_jw_object_end(w);
    }
    rv_jw_array_end(w);
    rv_jw_object_end(w);
}

void rv_bracket_json(const rv_report *r, uint32_t node, rv_json_writer *w)
{
    bracket b = bracket_of(r, node);
    uint32_t winner = rv_bracket_winner(r, node);
    rv_jw_object(w);
    rv_jw_kv_cstring(w, "system", b.is_swiss ? "swiss" : "elimination");
    rv_jw_key(w, "entrants");
    rv_jw_array(w);
    for (uint32_t e = 0; e < b.control->entrants.count; e++) {
        rv_jw_object(w);
        rv_jw_kv_str(w, "node", name_of(&b, e));
        rv_jw_kv_bool(w, "took_part", !is_out(&b, e));
        rv_jw_kv_i64(w, "won", b.control->score.at[e]);
        rv_jw_object_end(w);
    }
    rv_jw_array_end(w);
    rv_jw_key(w, "rounds");
    rv_jw_array(w);
    for (uint32_t round = 1; round <= b.control->rounds.count; round++) json_round(&b, w, round);
    rv_jw_array_end(w);
    if (winner != RV_NONE) rv_jw_kv_str(w, "winner", name_of(&b, winner));
    rv_jw_object_end(w);
}
