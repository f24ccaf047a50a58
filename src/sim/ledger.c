#include "sim/inner.h"

/* What is promised, and how it is checked without asking the engine. `told`: the engine gave it out, as written; `durable`: the disk
 * has synced the log since.
 *
 *  P1  a run whose id was given out is found after every life; a decision, a cancel that was acknowledged is in its journal
 *  P2  an outcome that was told stays what it was, in the store too; so does the end of the run
 *  P3  a node whose outcome was told is not started again (after a loss of power: whose outcome was durable). Failures told of a node
 *      are at most max_attempts. A node that may happen at most once begins at most once, but for those who said "again"
 *  P4  epochs of a node rise from start to start
 *  P5  a node starts when every hard predecessor's outcome was told (durable, for at most once); no more at once than slots and caps,
 *      and one of a node
 *      (what has a budget of money is as careful as what happens at most once: its start, hence its reservation, survives a loss of power)
 *  K20 what was submitted and acknowledged is in the run, once, under the ids that were told (giver.c, audit.c)
 *  C12 what a hit gives is what a good attempt of the same command gave, files and result; it starts nothing (files.c)
 *  K31 no more at once than the quota; K33 what is quarantined does not begin where it can write
 *  K53 what runs of a group have taken is known to those that come after them (money.c)
 *  K50 what is spent is what attempts reported, once; nothing is reserved beyond a limit (money.c); what was added is in the journal
 *  K5  the run ends (world.c); engine time never goes back (audit.c); whole-state invariants after each call of the loop */

rv_sim_entry *rv_sim_entry_of(rv_sim_world *w, rv_str name)
{
    rv_sim_ledger *ledger = &w->ledger;
    uint32_t at = rv_map_get(&ledger->names, name);
    if (at != RV_NONE) return &ledger->entries.at[at];
    rv_sim_entry *entry = rv_vec_add(&ledger->entries);
    entry->name = rv_arena_str(&ledger->arena, name);
    RV_ASSERT(rv_map_add(&ledger->names, entry->name, ledger->entries.count - 1) == RV_NONE);
    return entry;
}

void rv_sim_ledger_deinit(rv_sim_ledger *ledger)
{
    rv_map_deinit(&ledger->names);
    rv_vec_deinit(&ledger->entries);
    rv_vec_deinit(&ledger->reports);
    rv_vec_deinit(&ledger->given);
    rv_arena_deinit(&ledger->arena);
    *ledger = (rv_sim_ledger){0};
}

void rv_sim_ledger_begin(rv_sim_world *w, const char *run)
{
    rv_sim_ledger_deinit(&w->ledger);
    (void)snprintf(w->ledger.run, sizeof w->ledger.run, "%s", run);
}

static bool is_once(const rv_run *run, uint32_t node) { return rv_run_policy(run, node)->delivery == RV_DELIVERY_AT_MOST_ONCE; }

/* Whether the run, or the node, has a budget of money: then a start is one that must not be forgotten. */
static bool spends_money(const rv_run *run, uint32_t node)
{
    uint32_t own = rv_run_def(run, node)->budget;
    const rv_budget_def *budget = own ? &rv_run_graph(run, node)->budgets[own - 1] : NULL;
    uint32_t all = run->limits.limits | (budget ? budget->limits | budget->estimates : 0);
    return all >> RV_DIMENSION_USD & 1;
}

/* ---- an attempt begins ---- */

static void check_told(rv_sim_world *w, uint32_t node, uint32_t before, const char *what)
{
    const rv_run *run = w->job->run;
    const rv_sim_entry *entry = rv_sim_entry_of(w, rv_sim_id(w, run, before));
    if (!entry->is_told)
        rv_sim_break(w, "P5: %.*s started before the outcome of %s%.*s was written", RV_FMT(rv_sim_id(w, run, node)), what,
                     RV_FMT(entry->name));
    else if ((is_once(run, node) || spends_money(run, node)) && !entry->is_told_durable)
        rv_sim_break(w, "P5: %.*s, which may happen once or spends money, started before the outcome of %s%.*s was synced",
                     RV_FMT(rv_sim_id(w, run, node)), what, RV_FMT(entry->name));
}

/* A predecessor of `at`, which is `node` or what it stands in: its latest instance, or one before it when `at` was let go before the
 * back-edge was taken. */
static void check_pred(rv_sim_world *w, uint32_t node, uint32_t at, uint32_t entry)
{
    const rv_run *run = w->job->run;
    const rv_place *home = &run->places.at[rv_run_home(run, run->nodes[at].place)];
    uint32_t def = RV_EDGE_NODE(entry), told = RV_NONE;
    uint32_t pred = entry & RV_EDGE_EXTERNAL ? run->submissions.at[home->origin].externals.at[def]
                                             : home->base + def - run->graphs.at[home->graph]->scopes[home->scope].first;
    for (;; pred = run->nodes[pred].next - 1) {
        if (rv_sim_entry_of(w, rv_sim_id(w, run, pred))->is_told) told = pred;
        if (!run->nodes[pred].next) break;
    }
    bool may_be_older = told != RV_NONE && run->nodes[at].place < run->nodes[pred].place;
    check_told(w, node, may_be_older ? told : pred, "");
}

static void check_preds(rv_sim_world *w, uint32_t node, uint32_t at)
{
    const rv_run *run = w->job->run;
    const rv_graph *graph = rv_run_graph(run, at);
    uint32_t def = run->nodes[at].def;
    for (uint32_t e = graph->pred_begin[def]; e < graph->pred_begin[def + 1]; e++) {
        bool gates = (graph->pred[e] & RV_EDGE_SOFT) || graph->nodes[def].dep_policy != RV_DEP_OPTIONAL;
        if (gates) check_pred(w, node, at, graph->pred[e]);
    }
}

/* What its place waits for: the iteration before, both sides of a match, what is done again. */
static void check_place(rv_sim_world *w, uint32_t node, uint32_t index)
{
    const rv_run *run = w->job->run;
    const rv_place *place = &run->places.at[index], *home = &run->places.at[rv_run_home(run, index)];
    for (uint32_t other = 0; place->role == RV_SCOPE_REVISION && other < place->base; other++) {
        uint32_t next = run->nodes[other].next;
        if (next > place->base && next <= place->base + place->count) check_told(w, node, other, "what it repeats, ");
    }
    for (uint32_t i = 0; home->role == RV_SCOPE_ITERATION && i < run->places.count; i++) {
        const rv_place *other = &run->places.at[i];
        if (other->role == RV_SCOPE_ITERATION && other->parent == home->parent && other->ordinal + 1 == home->ordinal)
            check_told(w, node, other->base, "the iteration before, ");
    }
    if (home->role == RV_SCOPE_JUDGE) {
        uint32_t left, right;
        rv_run_sides(run, rv_run_home(run, index), &left, &right);
        check_told(w, node, left, "the entrant ");
        check_told(w, node, right, "the entrant ");
    }
}

static void check_order(rv_sim_world *w, uint32_t node)
{
    const rv_run *run = w->job->run;
    for (uint32_t at = node; at != RV_NONE; at = rv_run_place(run, at)->parent) { /* and of all that it stands in */
        check_preds(w, node, at);
        check_place(w, node, run->nodes[at].place);
    }
    for (uint32_t other = 0; rv_run_is_handler(run, node) && other < run->node_count; other++)
        if (!rv_run_is_handler(run, other)) check_told(w, node, other, "");
}

static void check_caps(rv_sim_world *w)
{
    const rv_run *run = w->job->run;
    uint32_t all = 0;
    for (uint32_t i = 0; i < w->ledger.entries.count; i++) {
        all += w->ledger.entries.at[i].live;
        if (w->ledger.entries.at[i].live > 1) rv_sim_break(w, "two attempts of %.*s run at once", RV_FMT(w->ledger.entries.at[i].name));
    }
    if (all > w->slots) rv_sim_break(w, "%u attempts run at once in %u slots", all, w->slots);
    int64_t quota = run->limits.quota[RV_QUOTA_CONCURRENT];
    if ((run->limits.quotas >> RV_QUOTA_CONCURRENT & 1) && all > quota)
        rv_sim_break(w, "K31: %u attempts run at once, the quota is %lld", all, (long long)quota);
    for (uint32_t tag = 0; tag < run->tags.count; tag++) {
        uint32_t used = 0;
        for (uint32_t node = 0; node < run->node_count; node++) {
            const rv_run_class *class = &run->classes.at[rv_run_class_of(run, node)];
            for (uint32_t i = class->first; i < class->first + class->count; i++)
                if (run->class_tags.at[i] == tag) used += rv_sim_entry_of(w, rv_sim_id(w, run, node))->live;
        }
        if (run->tags.at[tag].cap && used > run->tags.at[tag].cap)
            rv_sim_break(w, "%u attempts with tag %.*s run at once, %u may", used, RV_FMT(run->tags.at[tag].name), run->tags.at[tag].cap);
    }
}

/* Whether two nodes claim a mutex of the same name that they cannot both hold. */
static bool clash(const rv_run *run, uint32_t a, uint32_t b)
{
    const rv_graph *of_a = rv_run_graph(run, a), *of_b = rv_run_graph(run, b);
    uint32_t sets[] = {rv_node_claims(rv_run_def(run, a)), rv_node_claims(rv_run_def(run, b))};
    for (uint32_t i = 0; sets[0] && i < of_a->claim_sets[sets[0] - 1].count; i++)
        for (uint32_t k = 0; sets[1] && k < of_b->claim_sets[sets[1] - 1].count; k++) {
            uint32_t x = of_a->claims[of_a->claim_sets[sets[0] - 1].first + i], y = of_b->claims[of_b->claim_sets[sets[1] - 1].first + k];
            bool is_same = rv_str_eq(rv_graph_str(of_a, of_a->mutexes[RV_CLAIM_MUTEX(x)].name),
                                     rv_graph_str(of_b, of_b->mutexes[RV_CLAIM_MUTEX(y)].name));
            if (is_same && (RV_CLAIM_IS_EXCLUSIVE(x) || RV_CLAIM_IS_EXCLUSIVE(y))) return true;
        }
    return false;
}

/* Of those that run, also of those that were called off and have not ended, no two hold one mutex against each other [A5, A6]. */
static void check_mutexes(rv_sim_world *w, uint32_t started)
{
    const rv_admit *admit = &w->job->admit;
    for (uint32_t i = 0; i < w->ledger.entries.count; i++) {
        const rv_sim_entry *entry = &w->ledger.entries.at[i];
        uint32_t node = entry->live ? rv_run_find(w->job->run, entry->name) : RV_NONE;
        if (node != RV_NONE && node != started && clash(w->job->run, node, started))
            rv_sim_break(w, "A5: %.*s was started while %.*s held its mutex", RV_FMT(rv_sim_id(w, w->job->run, started)),
                         RV_FMT(entry->name));
    }
    for (uint32_t i = 0; i < admit->bids.count; i++)
        if (admit->bids.at[i].phase == RV_BID_QUEUED) {
            w->result->counts[RV_SIM_MUTEX_WAITS]++;
            break;
        }
}

void rv_sim_ledger_start(rv_sim_world *w, rv_str name, uint32_t epoch)
{
    uint32_t node = rv_run_find(w->job->run, name);
    rv_sim_entry *entry = rv_sim_entry_of(w, name);
    w->result->counts[RV_SIM_STARTS]++;
    entry->starts++;
    if (entry->is_told)
        rv_sim_break(w, "P3: %.*s was started again, although its outcome (%s) was written", RV_FMT(name),
                     rv_node_state_name(entry->state));
    if (epoch <= entry->started_epoch)
        rv_sim_break(w, "P4: %.*s was started under epoch %u after %u", RV_FMT(name), epoch, entry->started_epoch);
    entry->started_epoch = entry->recorded_epoch = epoch;
    entry->is_start_durable = rv_disk_is_log_durable(w->disk) || is_once(w->job->run, node) || spends_money(w->job->run, node);
    bool may_again = rv_run_policy(w->job->run, node)->on_unknown == RV_ON_UNKNOWN_RETRY;
    if (is_once(w->job->run, node) && !may_again && entry->starts > 1 + entry->agains)
        rv_sim_break(w, "P3: %.*s may happen once, and began %u times; %u times somebody said again", RV_FMT(name), entry->starts,
                     entry->agains);
    rv_isolation isolation = rv_node_isolation(rv_run_def(w->job->run, node));
    if (rv_run_is_quarantined(w->job->run, node) && isolation != RV_ISOLATION_NONE && isolation != RV_ISOLATION_READ_ONLY)
        rv_sim_break(w, "K33: %.*s is quarantined and began where it can write", RV_FMT(name));
    check_order(w, node);
    check_caps(w);
    check_mutexes(w, node);
}

/* ---- told, synced, lost ---- */

void rv_sim_ledger_told(rv_sim_world *w, const rv_node_view *view)
{
    rv_sim_entry *entry = rv_sim_entry_of(w, view->name);
    if (!rv_node_state_is_terminal(view->state)) rv_sim_break(w, "%.*s was told as ended and is not", RV_FMT(view->name));
    if (entry->is_told && entry->state != view->state)
        rv_sim_break(w, "P2: %.*s ended %s and then %s", RV_FMT(view->name), rv_node_state_name(entry->state),
                     rv_node_state_name(view->state));
    entry->is_told = true;
    entry->is_told_durable = rv_disk_is_log_durable(w->disk);
    entry->state = view->state;
    entry->detail = view->detail;
}

void rv_sim_ledger_synced(rv_sim_world *w)
{
    if (w->is_dead) return;
    for (uint32_t i = 0; i < w->ledger.entries.count; i++) {
        w->ledger.entries.at[i].is_told_durable = w->ledger.entries.at[i].is_told;
        w->ledger.entries.at[i].is_start_durable = w->ledger.entries.at[i].started_epoch > 0;
    }
    w->ledger.durable_seq = w->ledger.told_seq;
}

void rv_sim_ledger_lost(rv_sim_world *w)
{
    for (uint32_t i = 0; i < w->ledger.entries.count; i++) {
        rv_sim_entry *entry = &w->ledger.entries.at[i];
        if (!entry->is_told_durable) entry->is_told = false;
        if (!entry->is_start_durable) entry->recorded_epoch = 0;
    }
}

void rv_sim_ledger_step(rv_sim_world *w)
{
    const char *broken = rv_run_check(w->job->run);
    if (broken) rv_sim_break(w, "an invariant of the run's state: %s", broken);
    if (!w->engine->flying) w->ledger.told_seq = RV_MAX(w->ledger.told_seq, w->job->last_seq);
    if (rv_disk_is_log_durable(w->disk)) w->ledger.durable_seq = RV_MAX(w->ledger.durable_seq, w->ledger.told_seq);
}

/* ---- what is found after a life ---- */

static void found_node(rv_sim_world *w, const rv_run *run, uint32_t node)
{
    const rv_node_run *at = &run->nodes[node];
    rv_str name = rv_sim_id(w, run, node);
    rv_sim_entry *entry = rv_sim_entry_of(w, name);
    bool is_terminal = rv_node_state_is_terminal((rv_node_state)at->state);
    if (entry->is_told && (at->state != entry->state || at->detail != entry->detail))
        rv_sim_break(w, "P2: the outcome of %.*s was told as %s %s; the journal says %s %s", RV_FMT(name), rv_node_state_name(entry->state),
                     rv_detail_name(entry->detail), rv_node_state_name((rv_node_state)at->state), rv_detail_name((rv_detail)at->detail));
    if (at->failures > rv_run_policy(run, node)->max_attempts)
        rv_sim_break(w, "P3: %.*s failed %u times of %u", RV_FMT(name), at->failures, rv_run_policy(run, node)->max_attempts);
    if (at->epoch < entry->recorded_epoch)
        rv_sim_break(w, "P4: %.*s was started under epoch %u; the journal knows of %u", RV_FMT(name), entry->recorded_epoch, at->epoch);
    entry->is_told = is_terminal;
    entry->is_hit = at->state == RV_NODE_SUCCEEDED && at->detail == RV_DETAIL_CACHE;
    entry->state = (rv_node_state)at->state;
    entry->detail = (rv_detail)at->detail;
}

void rv_sim_ledger_found(rv_sim_world *w, const rv_run *run, uint64_t last_seq)
{
    rv_sim_ledger *ledger = &w->ledger;
    if (!run) {
        if (ledger->is_acknowledged) rv_sim_break(w, "P1: run %s was acknowledged and is not in the store", ledger->run);
        else rv_sim_ledger_begin(w, "");
        return;
    }
    if (last_seq < ledger->durable_seq)
        rv_sim_break(w, "the journal ends at event %llu; up to %llu it was synced", (unsigned long long)last_seq,
                     (unsigned long long)ledger->durable_seq);
    for (uint32_t node = 0; node < run->node_count && !rv_sim_is_broken(w); node++) found_node(w, run, node);
    bool is_over = rv_run_state_is_terminal((rv_run_state)run->status);
    if (ledger->is_over && run->status != ledger->outcome)
        rv_sim_break(w, "P2: the run was told as %s; the journal says %s", rv_run_state_name(ledger->outcome),
                     rv_run_state_name((rv_run_state)run->status));
    ledger->is_violated = run->violation.path != 0;
    if (is_over) {
        w->result->counts[RV_SIM_GROWN] += run->node_count - run->places.at[0].count - run->places.at[1].count;
        ledger->is_over = true;
        ledger->outcome = (rv_run_state)run->status;
    }
    ledger->told_seq = last_seq;
}
