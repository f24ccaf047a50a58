#include "kernel/run_private.h"

/* Tournaments [K13]. When all entrants have settled, those that succeeded are paired, in order; each pair is judged by
 * `quorum` judges, each asked once, or twice with sides exchanged. A match is decided when all of its judges have
 * settled, and a round when all of its matches are.
 *
 *   elimination   e0 ─┐                          swiss    every round pairs all, by score, then by number, with
 *                     ├─ r1m0 ─┐                          nobody twice if it can be helped; an odd one, the last who
 *   e1 ───────────────┘        ├─ r2m0 ── winner          had no bye, gets a point. After the rounds the highest
 *   e2 ── bye ─────────────────┘                          score wins, then the lower number.
 *
 * The bracket is derived from MATCH facts and the entrants' outcomes; the places of judges say which rounds began. */

static rv_control *control_at(rv_run *run, uint32_t node) { return &run->controls.at[run->nodes[node].control - 1]; }

static uint32_t seats_of(const rv_control_def *def) { return def->quorum * (def->swap ? 2u : 1u); }

/* ---- what is derived ---- */

static void find_entrants(rv_run *run, rv_control *control)
{
    const rv_graph *graph = rv_run_graph(run, control->node);
    const rv_control_def *def = rv_run_control_def(run, control->node);
    uint32_t body = 0;
    for (uint32_t i = 0; i < def->entrant_count; i++) {
        const rv_entrant_def *entrant = &graph->entrants[def->entrant_first + i];
        uint32_t node = entrant->node != RV_NONE ? rv_run_at(run, run->nodes[control->node].place, entrant->node)
                                                 : run->places.at[control->places.at[body++]].base;
        rv_vec_push(&control->entrants, node);
        rv_vec_push(&control->score, 0);
        if (run->nodes[node].state == RV_NODE_SUCCEEDED || run->nodes[node].state == RV_NODE_PARTIAL) rv_vec_push(&control->alive, i);
    }
}

/* Whether there is a place for each entrant that is a body. */
static bool has_entrants(const rv_run *run, const rv_control *control)
{
    const rv_graph *graph = rv_run_graph(run, control->node);
    const rv_control_def *def = rv_run_control_def(run, control->node);
    uint32_t bodies = 0;
    for (uint32_t i = 0; i < def->entrant_count; i++) bodies += graph->entrants[def->entrant_first + i].node == RV_NONE;
    return bodies <= control->places.count;
}

static bool have_met(const rv_control *control, uint32_t a, uint32_t b)
{
    for (uint32_t i = 0; i < control->pairs.count; i++) {
        rv_pair pair = control->pairs.at[i];
        if ((pair.left == a && pair.right == b) || (pair.left == b && pair.right == a)) return true;
    }
    return false;
}

/* By score, then by number: an insertion sort over what is nearly sorted from the round before. */
static void sort_by_score(rv_control *control)
{
    uint32_t *alive = control->alive.at;
    for (uint32_t i = 1; i < control->alive.count; i++) {
        uint32_t entrant = alive[i], k = i;
        for (; k > 0; k--) {
            uint32_t other = alive[k - 1];
            bool is_behind = control->score.at[other] != control->score.at[entrant]
                ? control->score.at[other] < control->score.at[entrant] : other > entrant;
            if (!is_behind) break;
            alive[k] = other;
        }
        alive[k] = entrant;
    }
}

/* How often somebody was paired: who was left out of a round had a bye. */
static uint32_t played(const rv_control *control, uint32_t entrant)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < control->pairs.count; i++) count += control->pairs.at[i].left == entrant ||
        control->pairs.at[i].right == entrant;
    return count;
}

/* Pairs of `order`, each the first that is left with the next that he has not met; a dead end is gone back from, the latest
 * choice first. false: not within STEPS_MAX tries. */
#define STEPS_MAX 20000u
static bool pair_strangers(const rv_control *control, const uint32_t *order, uint32_t count, uint32_t *partner)
{
    uint32_t *first = rv_alloc(sizeof *first * (count / 2 + 1)), depth = 0, at = 0, candidate = 1;
    for (uint32_t i = 0; i < count; i++) partner[i] = RV_NONE;
    bool is_found = count == 0;
    for (uint32_t steps = 0; !is_found && steps < STEPS_MAX; steps++) {
        while (candidate < count && (partner[candidate] != RV_NONE || have_met(control, order[at], order[candidate]))) candidate++;
        if (candidate < count) {
            partner[at] = candidate;
            partner[candidate] = at;
            first[depth++] = at;
            while (at < count && partner[at] != RV_NONE) at++;
            candidate = at + 1;
            is_found = at == count;
        } else {
            if (depth == 0) break;
            at = first[--depth];
            candidate = partner[at];
            partner[at] = partner[candidate] = RV_NONE;
            candidate++;
        }
    }
    rv_free(first);
    return is_found;
}

/* Neighbours, whoever has met whom. */
static void pair_neighbours(uint32_t count, uint32_t *partner)
{
    for (uint32_t i = 0; i + 1 < count; i += 2) partner[i] = i + 1, partner[i + 1] = i;
}

static void pair_swiss(rv_control *control)
{
    uint32_t count = control->alive.count, bye = RV_NONE, round = control->rounds.count, left = 0;
    uint32_t *order = rv_alloc(sizeof *order * (count + 1)), *partner = rv_alloc(sizeof *partner * (count + 1));
    sort_by_score(control);
    if (count % 2) {
        bye = count - 1;
        while (bye > 0 && played(control, control->alive.at[bye]) < round) bye--; /* he had one already */
        control->score.at[control->alive.at[bye]]++;
    }
    for (uint32_t i = 0; i < count; i++)
        if (i != bye) order[left++] = control->alive.at[i];
    if (!pair_strangers(control, order, left, partner)) pair_neighbours(left, partner);
    rv_vec_push(&control->rounds, control->pairs.count);
    for (uint32_t i = 0; i < left; i++)
        if (partner[i] > i) rv_vec_push(&control->pairs, ((rv_pair){order[i], order[partner[i]]}));
    rv_free(order);
    rv_free(partner);
}

static void pair_elimination(rv_control *control)
{
    rv_vec_push(&control->rounds, control->pairs.count);
    for (uint32_t i = 0; i + 1 < control->alive.count; i += 2)
        rv_vec_push(&control->pairs, ((rv_pair){control->alive.at[i], control->alive.at[i + 1]}));
}

bool rv_bracket_judge(rv_run *run, uint32_t index, uint32_t ordinal)
{
    rv_control *control = &run->controls.at[index];
    uint32_t round = RV_MATCH_ROUND(ordinal);
    if (round == 0 || (round != control->rounds.count && round != control->rounds.count + 1)) return false;
    if (round == control->rounds.count + 1) {
        if (control->undecided || !has_entrants(run, control)) return false;
        if (control->entrants.count == 0) find_entrants(run, control);
        if (control->alive.count < 2) return false;
        if (rv_run_control_def(run, control->node)->max) pair_swiss(control);
        else pair_elimination(control);
        control->judged = control->places.count;
        control->undecided = control->pairs.count - control->rounds.at[round - 1];
        rv_vec_clear(&control->decided);
        for (uint32_t i = 0; i < control->undecided; i++) rv_vec_push(&control->decided, false);
    }
    return RV_MATCH_NUMBER(ordinal) < control->pairs.count - control->rounds.at[round - 1];
}

bool rv_bracket_match(rv_run *run, uint32_t index, const rv_match *match)
{
    rv_control *control = &run->controls.at[index];
    uint32_t round = RV_MATCH_ROUND(match->ordinal), number = RV_MATCH_NUMBER(match->ordinal);
    if (round == 0 || round != control->rounds.count || control->undecided == 0) return false;
    uint32_t first = control->rounds.at[round - 1], count = control->pairs.count - first;
    if (number >= count || control->decided.at[number]) return false;
    rv_pair pair = control->pairs.at[first + number];
    if (match->winner != pair.left && match->winner != pair.right) return false;
    rv_vec_push(&control->matches, *match);
    control->undecided--;
    control->decided.at[number] = true;
    control->score.at[match->winner]++;
    bool is_swiss = rv_run_control_def(run, control->node)->max != 0;
    if (is_swiss) return true;
    control->alive.at[2 * number] = match->winner; /* both places of the pair are his until the round is over */
    if (control->undecided) return true;
    uint32_t bye = control->alive.count % 2 ? control->alive.at[control->alive.count - 1] : RV_NONE;
    for (uint32_t i = 0; i < count; i++) control->alive.at[i] = control->alive.at[2 * i];
    control->alive.count = count;
    if (bye != RV_NONE) control->alive.at[control->alive.count++] = bye; /* where he stood there is room */
    return true;
}

uint32_t rv_run_bye(const rv_run *run, const rv_control *control, uint32_t round)
{
    uint32_t end = round < control->rounds.count ? control->rounds.at[round] : control->pairs.count, first = control->rounds.at[round - 1];
    bool is_swiss = rv_run_control_def(run, control->node)->max != 0;
    for (uint32_t e = control->entrants.count; e-- > 0;) {
        bool is_in = run->nodes[control->entrants.at[e]].state == RV_NODE_SUCCEEDED ||
            run->nodes[control->entrants.at[e]].state == RV_NODE_PARTIAL;
        for (uint32_t i = 0; i < control->matches.count && is_in && !is_swiss; i++) { /* who lost an earlier match is out */
            uint32_t at = control->matches.at[i].ordinal;
            if (RV_MATCH_ROUND(at) >= round || control->matches.at[i].winner == e) continue;
            rv_pair pair = control->pairs.at[control->rounds.at[RV_MATCH_ROUND(at) - 1] + RV_MATCH_NUMBER(at)];
            is_in = pair.left != e && pair.right != e;
        }
        for (uint32_t i = first; i < end && is_in; i++) is_in = control->pairs.at[i].left != e && control->pairs.at[i].right != e;
        if (is_in) return e;
    }
    return RV_NONE;
}

void rv_run_sides(const rv_run *run, uint32_t place_index, uint32_t *ret_left, uint32_t *ret_right)
{
    const rv_place *place = &run->places.at[place_index];
    const rv_control *control = &run->controls.at[run->nodes[place->parent].control - 1];
    rv_pair pair = control->pairs.at[control->rounds.at[RV_MATCH_ROUND(place->ordinal) - 1] + RV_MATCH_NUMBER(place->ordinal)];
    bool is_swapped = RV_MATCH_SWAPPED(place->ordinal);
    *ret_left = control->entrants.at[is_swapped ? pair.right : pair.left];
    *ret_right = control->entrants.at[is_swapped ? pair.left : pair.right];
}

/* ---- rounds ---- */

static void finish(rv_step *step, uint32_t node)
{
    rv_run *run = step->run;
    const rv_control *control = control_at(run, node);
    uint32_t best = RV_NONE;
    for (uint32_t i = 0; i < control->alive.count; i++) {
        uint32_t entrant = control->alive.at[i];
        bool is_better = best == RV_NONE || control->score.at[entrant] > control->score.at[best] ||
                         (control->score.at[entrant] == control->score.at[best] && entrant < best);
        if (is_better) best = entrant;
    }
    if (best == RV_NONE) {
        rv_step_error(step, node, RV_STR("none of its entrants succeeded"));
        rv_step_node(step, node, RV_CHANGE_FAIL, RV_DETAIL_CHILDREN_FAILED, node + 1);
        return;
    }
    rv_buf out = {0}, id = {0};
    uint32_t champion = control->entrants.at[best];
    rv_str value = rv_run_result(run, champion);
    rv_run_id(run, champion, &id);
    rv_buf_cstring(&out, "{\"winner\":");
    rv_json_quote(&out, rv_buf_str(&id));
    rv_buf_cstring(&out, ",\"value\":");
    rv_buf_str_add(&out, value.size ? value : RV_STR("{}"));
    rv_buf_printf(&out, ",\"rounds\":%u}", control->rounds.count);
    rv_step_result(step, node, rv_buf_str(&out));
    rv_buf_deinit(&out);
    rv_buf_deinit(&id);
}

static void next_round(rv_step *step, uint32_t node)
{
    rv_run *run = step->run;
    const rv_control_def *def = rv_run_control_def(run, node);
    rv_control *control = control_at(run, node);
    if (control->entrants.count == 0) find_entrants(run, control);
    uint32_t round = control->rounds.count + 1, matches = control->alive.count / 2;
    if (control->alive.count < 2 || (def->max && round > def->max)) {
        finish(step, node);
        return;
    }
    for (uint32_t match = 0; match < matches; match++)
        for (uint32_t judge = 0; judge < def->quorum; judge++)
            for (uint32_t swapped = 0; swapped <= def->swap; swapped++)
                rv_step_grow(step, node, def->scope_count - 1, RV_MATCH(round, match, judge, swapped), 1);
}

/* ---- a match ---- */

typedef enum vote { VOTE_NONE, VOTE_FIRST, VOTE_SECOND } vote;

/* What a judge said, as seen without exchanged sides: {winner: left | right}. */
static vote vote_of(rv_run *run, uint32_t place_index)
{
    const rv_place *place = &run->places.at[place_index];
    rv_arena arena = {0};
    rv_json *result = NULL;
    vote said = VOTE_NONE;
    rv_str text = rv_run_result(run, place->base);
    bool is_good = run->nodes[place->base].state == RV_NODE_SUCCEEDED || run->nodes[place->base].state == RV_NODE_PARTIAL;
    if (is_good && text.size && rv_json_parse(&arena, text, &result, NULL) == RV_OK) {
        const rv_json *winner = rv_json_get(result, RV_STR("winner"));
        if (winner && winner->kind == RV_JSON_STRING && rv_str_is(winner->text, "left")) said = VOTE_FIRST;
        if (winner && winner->kind == RV_JSON_STRING && rv_str_is(winner->text, "right")) said = VOTE_SECOND;
    }
    if (said != VOTE_NONE && RV_MATCH_SWAPPED(place->ordinal)) said = said == VOTE_FIRST ? VOTE_SECOND : VOTE_FIRST;
    rv_arena_deinit(&arena);
    return said;
}

/* The seed's draw for a match: the same whenever it is asked. */
static bool draw(const rv_run *run, uint32_t node, uint32_t ordinal)
{
    uint64_t state = run->rng ^ ((uint64_t)node << 32) ^ ordinal;
    return rv_rng_next(&state) & 1;
}

/* Of its settled places from the `from`-th on, the first node that was skipped for more than a condition, as a run does that winds
 * down; RV_NONE: none. An entrant that never began is not out, and a judge who was not asked has not named nobody. */
static uint32_t first_skipped(const rv_run *run, const rv_control *control, uint32_t from)
{
    for (uint32_t i = from; i < control->places.count; i++) {
        uint32_t place = control->places.at[i], ended;
        if (run->places.at[place].open == 0 && rv_place_outcome(run, place, &ended) == RV_NODE_SKIPPED) return ended;
    }
    return RV_NONE;
}

static void judges_failed(rv_step *step, uint32_t node, uint32_t place_index)
{
    rv_buf text = {0};
    uint32_t judge = step->run->places.at[place_index].base;
    bool is_alone = rv_run_control_def(step->run, node)->quorum == 1;
    rv_run_id(step->run, judge, &text);
    if (is_alone) rv_buf_cstring(&text, " named no winner; a judge writes winner=left or winner=right to $REEVE_OUTPUT");
    else rv_buf_cstring(&text, " and the other judges of its match gave neither side a majority");
    rv_step_error(step, node, rv_buf_str(&text));
    rv_buf_deinit(&text);
    rv_step_node(step, node, RV_CHANGE_FAIL, RV_DETAIL_JUDGE, node + 1);
}

/* More than half of the seats decide; all of them given and evenly split, the seed does. false: no decision. */
static bool decide(rv_step *step, uint32_t node, uint32_t first, uint32_t ordinal)
{
    rv_run *run = step->run;
    rv_control *control = control_at(run, node);
    uint32_t seats = seats_of(rv_run_control_def(run, node)), votes[3] = {0};
    rv_pair pair = control->pairs.at[control->rounds.at[RV_MATCH_ROUND(ordinal) - 1] + RV_MATCH_NUMBER(ordinal)];
    for (uint32_t i = 0; i < seats; i++) votes[vote_of(run, control->places.at[first + i])]++;
    bool is_split = votes[VOTE_FIRST] == votes[VOTE_SECOND] && votes[VOTE_NONE] == 0;
    bool is_first = is_split ? draw(run, node, ordinal) : 2 * votes[VOTE_FIRST] > seats;
    if (!is_split && 2 * RV_MAX(votes[VOTE_FIRST], votes[VOTE_SECOND]) <= seats) return false;
    rv_step_emit(step, &(rv_event){.type = RV_EVENT_MATCH, .node = node, .number = ordinal, .state = is_first ? pair.left
                                   : pair.right, .flags = is_split});
    return true;
}

static void tend_judge(rv_step *step, uint32_t node, uint32_t place_index)
{
    rv_run *run = step->run;
    rv_control *control = control_at(run, node);
    uint32_t ordinal = run->places.at[place_index].ordinal, seats = seats_of(rv_run_control_def(run, node));
    uint32_t first = control->judged + RV_MATCH_NUMBER(ordinal) * seats;
    bool is_late = RV_MATCH_ROUND(ordinal) != control->rounds.count || control->decided.at[RV_MATCH_NUMBER(ordinal)];
    if (is_late) return; /* another judge of its match, who settled in the same step, was looked at first */
    for (uint32_t i = 0; i < seats; i++)
        if (run->places.at[control->places.at[first + i]].open) return;
    if (!decide(step, node, first, RV_MATCH(RV_MATCH_ROUND(ordinal), RV_MATCH_NUMBER(ordinal), 0, 0))) {
        uint32_t skipped = first_skipped(run, control, control->judged);
        if (skipped != RV_NONE) rv_step_child_skipped(step, node, skipped);
        else judges_failed(step, node, place_index);
        for (uint32_t i = control_at(run, node)->judged; i < control_at(run, node)->places.count; i++)
            if (run->places.at[control_at(run, node)->places.at[i]].open) rv_step_call_off(step, control_at(run, node)->places.at[i]);
        return;
    }
    if (control_at(run, node)->undecided == 0) next_round(step, node);
}

/* ---- as a controller ---- */

void rv_step_tournament(rv_step *step, uint32_t node)
{
    rv_run *run = step->run;
    const rv_graph *graph = rv_run_graph(run, node);
    const rv_control_def *def = rv_run_control_def(run, node);
    rv_step_emit(step, &(rv_event){.type = RV_EVENT_CONTROL, .node = node, .number = def->entrant_count});
    rv_step_node(step, node, RV_CHANGE_PARK, RV_DETAIL_CHILDREN, 0);
    for (uint32_t i = 0; i < def->entrant_count; i++) {
        const rv_entrant_def *entrant = &graph->entrants[def->entrant_first + i];
        if (entrant->node == RV_NONE) rv_step_grow(step, node, entrant->scope - def->scope_first, i, 1);
    }
    if (control_at(run, node)->open == 0 && rv_run_tends(run, node)) next_round(step, node);
}

void rv_step_tend_tournament(rv_step *step, uint32_t node, uint32_t place)
{
    const rv_control *control = control_at(step->run, node);
    if (step->run->places.at[place].role == RV_SCOPE_JUDGE) {
        tend_judge(step, node, place);
    } else if (control->open == 0 && control->rounds.count == 0) { /* another entrant that settled in this step may have begun it */
        uint32_t skipped = first_skipped(step->run, control, 0);
        if (skipped != RV_NONE) rv_step_child_skipped(step, node, skipped);
        else next_round(step, node);
    }
}
