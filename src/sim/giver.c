#include "sim/inner.h"

/* Nodes that running attempts submit [K20]. An attempt gives again, mostly, what the attempts before it gave, under the same keys; at times
 * something else, nothing, or what must be refused. What is refused changes nothing and names the node; what is given again is not
 * doubled and has the same ids. */

#define BESIDE_MAX 3

/* An answer that is on its way. */
typedef struct rv_sim_telling {
    rv_sim_world *w;
    uint32_t given;        /* index in ledger.given */
    rv_status status;
    rv_error error;
    bool is_over;
    rv_buf told;
} rv_sim_telling;

void rv_sim_tellings_clear(rv_sim_world *w)
{
    for (uint32_t i = 0; i < w->tellings.count; i++) {
        rv_buf_deinit(&w->tellings.at[i]->told);
        rv_free(w->tellings.at[i]);
    }
    rv_vec_clear(&w->tellings);
}

static rv_sim_telling *telling_new(rv_sim_world *w, uint32_t given)
{
    rv_sim_telling *telling = rv_alloc(sizeof *telling);
    *telling = (rv_sim_telling){.w = w, .given = given};
    rv_vec_push(&w->tellings, telling);
    return telling;
}

/* ---- what is there to be named ---- */

/* The number of a node's name, when it stands beside `submitter` and is called n and a number; RV_NONE: it is not. */
static uint32_t number_beside(rv_sim_world *w, uint32_t submitter, uint32_t node)
{
    const rv_run *run = w->job->run;
    uint32_t place = run->nodes[submitter].place, number;
    int size = 0;
    char name[16];
    rv_str text = rv_graph_str(rv_run_graph(run, node), rv_run_def(run, node)->name);
    if (run->nodes[node].place != place || text.size >= sizeof name || rv_run_is_handler(run, node)) return RV_NONE;
    (void)snprintf(name, sizeof name, "%.*s", RV_FMT(text));
    return sscanf(name, "n%u%n", &number, &size) == 1 && (size_t)size == text.size ? number : RV_NONE;
}

static uint32_t find_beside(rv_sim_world *w, uint32_t submitter, uint32_t ret[BESIDE_MAX])
{
    uint32_t count = 0;
    for (uint32_t tries = rv_sim_below(w, 2 * BESIDE_MAX); tries > 0 && count < BESIDE_MAX; tries--) {
        uint32_t number = number_beside(w, submitter, rv_sim_below(w, w->job->run->node_count));
        bool is_new = number != RV_NONE;
        for (uint32_t i = 0; i < count; i++) is_new &= ret[i] != number;
        if (is_new) ret[count++] = number;
    }
    return count;
}

static rv_str make_source(rv_sim_world *w, uint32_t submitter, bool is_bad, uint32_t *ret_bad)
{
    rv_buf text = {0};
    uint32_t beside[BESIDE_MAX];
    rv_sim_giver giver = {.beside = beside, .beside_count = find_beside(w, submitter, beside), .is_bad = is_bad,
                          .first_name = 1000 + 100 * w->ledger.given_last++, .has_money = rv_run_is_counted(w->job->run)};
    rv_sim_submission(rv_rng_next(&w->rng), &giver, &text, ret_bad);
    rv_str source = rv_arena_str(&w->ledger.arena, rv_buf_str(&text));
    rv_buf_deinit(&text);
    return source;
}

/* ---- giving ---- */

static rv_sim_given *given_of(rv_sim_world *w, uint32_t entry, const char *key)
{
    for (uint32_t i = 0; i < w->ledger.given.count; i++)
        if (w->ledger.given.at[i].entry == entry && strcmp(w->ledger.given.at[i].key, key) == 0) return &w->ledger.given.at[i];
    return NULL;
}

static void on_told(void *user, rv_status status, const rv_error *err)
{
    rv_sim_telling *telling = user;
    rv_sim_world *w = telling->w;
    telling->status = status;
    telling->is_over = true;
    if (err) telling->error = *err;
    if (w->is_dead) return;
    rv_sim_tell(w, "submission %s %.*s", rv_status_name(status), RV_FMT(rv_buf_str(&telling->told)));
    if (status == RV_OK && telling->given != RV_NONE) w->ledger.given.at[telling->given].is_acknowledged = true;
}

/* Give `source`; what must be refused changes nothing. *ret: what was told so far. */
static rv_sim_telling *give(rv_sim_world *w, const rv_sim_entry *entry, uint32_t given, const char *token, const char *key, rv_str source)
{
    rv_buf before = {0}, after = {0};
    rv_sim_telling *telling = telling_new(w, given);
    rv_submit_nodes nodes = {.token = rv_str_of(token), .key = rv_str_of(key), .source = source, .file = "more.yaml"};
    rv_sim_tell(w, "submit by %.*s key %s: %zu bytes", RV_FMT(entry->name), key, source.size);
    rv_run_encode(w->job->run, &before);
    rv_engine_submit_nodes(w->engine, &nodes, &telling->told, on_told, telling);
    rv_run_encode(w->job->run, &after);
    bool is_refused = telling->is_over && telling->status != RV_OK;
    w->result->counts[RV_SIM_REFUSALS] += is_refused;
    if (is_refused && !rv_str_eq(rv_buf_str(&before), rv_buf_str(&after)))
        rv_sim_break(w, "K20: a submission of %.*s was refused and changed the run", RV_FMT(entry->name));
    rv_buf_deinit(&before);
    rv_buf_deinit(&after);
    return telling;
}

static void expect_refusal(rv_sim_world *w, const rv_sim_entry *entry, const rv_sim_telling *telling, rv_status status, const char *why)
{
    if (!telling->is_over || telling->status != status)
        rv_sim_break(w, "K20: a submission of %.*s, %s, should be answered %s and was %s: %s", RV_FMT(entry->name), why,
                     rv_status_name(status), telling->is_over ? rv_status_name(telling->status) : "taken", telling->error.text);
}

static void give_bad(rv_sim_world *w, const rv_sim_entry *entry, uint32_t submitter)
{
    uint32_t bad;
    char name[24];
    rv_str source = make_source(w, submitter, true, &bad);
    const rv_sim_telling *telling = give(w, entry, RV_NONE, entry->token, "bad", source);
    (void)snprintf(name, sizeof name, "n%u", bad);
    expect_refusal(w, entry, telling, RV_INVALID, "which is no workflow");
    if (!strstr(telling->error.text, name))
        rv_sim_break(w, "K20: a submission was refused for %s, and not by its name: %s", name, telling->error.text);
}

static void give_without_right(rv_sim_world *w, const rv_sim_entry *entry)
{
    static const char token[65] = "0000000000000000000000000000000000000000000000000000000000000000";
    expect_refusal(w, entry, give(w, entry, RV_NONE, token, "", RV_STR("nodes: {stray: {run: [work]}}")), RV_DENIED,
                   "with a token that nobody has,");
}

/* Whether the run may refuse to grow. */
static bool has_growth_quota(const rv_run *run) { return run->limits.quotas & (1u << RV_QUOTA_NODES | 1u << RV_QUOTA_DEPTH); }

/* The ids are those that were told before. */
static void compare_ids(rv_sim_world *w, rv_sim_given *given, const rv_sim_telling *telling, bool was_known)
{
    rv_arena arena = {0};
    rv_json *told = NULL;
    rv_buf ids = {0};
    bool is_parsed = rv_json_parse(&arena, rv_buf_str(&telling->told), &told, NULL) == RV_OK;
    const rv_json *is_new = is_parsed ? rv_json_get(told, RV_STR("is_new")) : NULL;
    const rv_json *nodes = is_parsed ? rv_json_get(told, RV_STR("nodes")) : NULL;
    if (nodes) rv_json_write(&ids, nodes, false);
    if (!is_new || !nodes || (is_new->kind == RV_JSON_TRUE) == was_known)
        rv_sim_break(w, "K20: a submission was told as %.*s; it was %s", RV_FMT(rv_buf_str(&telling->told)), was_known ? "there" : "new");
    if (was_known && given->ids.size && !rv_str_eq(given->ids, rv_buf_str(&ids)))
        rv_sim_break(w, "K20: what was submitted again has other ids: %.*s, and before %.*s", RV_FMT(rv_buf_str(&ids)), RV_FMT(given->ids));
    given->ids = rv_arena_str(&w->ledger.arena, rv_buf_str(&ids));
    rv_buf_deinit(&ids);
    rv_arena_deinit(&arena);
}

static void give_good(rv_sim_world *w, rv_sim_entry *entry, uint32_t submitter, rv_sim_given *given, rv_str source)
{
    const rv_run *run = w->job->run;
    bool was_known = rv_run_submission(run, submitter, rv_str_of(given->key)) != RV_NONE;
    bool is_same = was_known && rv_str_eq(given->source, source);
    uint32_t index = (uint32_t)(given - w->ledger.given.at);
    const rv_sim_telling *telling = give(w, entry, index, entry->token, given->is_named ? given->key : "", source);
    if (was_known && !is_same) {
        expect_refusal(w, entry, telling, RV_CONFLICT, "other nodes under a key that is taken,");
        return;
    }
    if (telling->is_over && telling->status == RV_DENIED && !was_known && has_growth_quota(run)) return;
    if (telling->is_over) {
        rv_sim_break(w, "K20: nodes that %.*s may submit are refused: %s: %s\n%.*s", RV_FMT(entry->name), rv_status_name(telling->status),
                     telling->error.text, RV_FMT(source));
        return;
    }
    w->result->counts[was_known ? RV_SIM_REPEATS : RV_SIM_SUBMISSIONS]++;
    entry->given += !given->is_named;
    given->epoch = entry->started_epoch;
    given->source = source;
    given->is_taken = true;
    if (!was_known) given->is_acknowledged = false;
    compare_ids(w, given, telling, was_known);
}

/* What an attempt before gave and this one did not yet; NULL: nothing. */
static rv_sim_given *given_before(rv_sim_world *w, uint32_t entry, uint32_t epoch)
{
    for (uint32_t i = 0; i < w->ledger.given.count; i++) {
        rv_sim_given *given = &w->ledger.given.at[i];
        if (given->entry == entry && given->epoch != epoch && given->is_taken) return given;
    }
    return NULL;
}

static rv_sim_given *given_new(rv_sim_world *w, rv_sim_entry *entry)
{
    uint32_t index = (uint32_t)(entry - w->ledger.entries.at);
    rv_sim_given made = {.entry = index, .is_named = rv_sim_one_in(w, 3)};
    if (made.is_named) (void)snprintf(made.key, sizeof made.key, "k%u", w->ledger.given_last);
    else (void)snprintf(made.key, sizeof made.key, "%u", entry->given + 1);
    rv_sim_given *known = given_of(w, index, made.key);
    if (known) return known;
    rv_vec_push(&w->ledger.given, made);
    return &w->ledger.given.at[w->ledger.given.count - 1];
}

static void give_something(rv_sim_world *w, int64_t epoch, const char *name)
{
    rv_sim_entry *entry = rv_sim_entry_of(w, rv_str_of(name));
    uint32_t node = rv_run_find(w->job->run, rv_str_of(name)), bad;
    bool is_running = entry->live && entry->started_epoch == epoch && w->job->run->nodes[node].state == RV_NODE_RUNNING;
    if (!is_running || w->job->run->nodes[node].epoch != epoch) return;
    if (rv_sim_one_in(w, 12)) give_without_right(w, entry);
    else if (rv_sim_one_in(w, 5)) give_bad(w, entry, node);
    rv_sim_given *given = rv_sim_one_in(w, 12) ? NULL : given_before(w, (uint32_t)(entry - w->ledger.entries.at), entry->started_epoch);
    if (given && !given->is_named) /* its number is what it is by now */
        given = given_of(w, given->entry, rv_arena_printf(&w->arena, "%u", entry->given + 1).at);
    bool is_again = given && given->source.size && !rv_sim_one_in(w, 12);
    if (!given) given = given_new(w, entry);
    give_good(w, entry, node, given, is_again ? given->source : make_source(w, node, false, &bad));
}

void rv_sim_gives(rv_sim_world *w, rv_str name, rv_str token)
{
    rv_sim_entry *entry = rv_sim_entry_of(w, name);
    char text[256];
    (void)snprintf(entry->token, sizeof entry->token, "%.*s", RV_FMT(token));
    (void)snprintf(text, sizeof text, "%.*s", RV_FMT(name));
    entry->given = 0;
    uint32_t node = rv_run_find(w->job->run, name), again = 0;
    bool may = w->config->may_submit && name.size < sizeof text && !rv_run_is_handler(w->job->run, node) && w->job->run->node_count < 300;
    for (uint32_t i = 0; i < w->ledger.given.count; i++)
        again += w->ledger.given.at[i].entry == (uint32_t)(entry - w->ledger.entries.at) && w->ledger.given.at[i].is_taken;
    uint32_t count = !may ? 0 : again ? again + rv_sim_one_in(w, 8) : rv_sim_one_in(w, 12) ? 1 + rv_sim_below(w, 2) : 0;
    for (uint32_t i = 0; i < count; i++) rv_sim_later(w, rv_sim_below(w, 40), give_something, entry->started_epoch, text);
}
