#include "kernel/admit.h"
#include "kernel/gate.h"

void rv_admission_deinit(rv_admission *all)
{
    rv_vec_deinit(&all->tags);
    rv_map_deinit(&all->by_tag);
    rv_locks_deinit(&all->locks);
    rv_vec_deinit(&all->runs);
    rv_arena_deinit(&all->arena);
}

void rv_admit_open(rv_admit *admit, rv_admission *all, rv_run *run, uint32_t cap, rv_str root)
{
    RV_ASSERT(cap >= 1);
    uint32_t number = 0;
    while (number < all->runs.count && all->runs.at[number]) number++;
    if (number == all->runs.count) rv_vec_push(&all->runs, NULL);
    all->runs.at[number] = admit;
    *admit = (rv_admit){.all = all, .run = run, .number = number, .cap = cap, .root = root};
}

/* ---- tags ---- */

/* Borrowed until another tag is looked at for the first time. */
static rv_admit_tag *tag_of(rv_admit *admit, uint32_t tag)
{
    rv_admission *all = admit->all;
    while (admit->tags.count <= tag) {
        rv_str name = admit->run->tags.at[admit->tags.count].name;
        uint32_t known = rv_map_get(&all->by_tag, name);
        if (known == RV_NONE) {
            known = all->tags.count;
            rv_vec_push(&all->tags, ((rv_admit_tag){.name = rv_arena_str(&all->arena, name)}));
            (void)rv_map_add(&all->by_tag, all->tags.at[known].name, known);
        }
        rv_vec_push(&admit->tags, known);
    }
    return &all->tags.at[admit->tags.at[tag]];
}

uint32_t rv_admit_blocker(rv_admit *admit, uint32_t class_index)
{
    const rv_run *run = admit->run;
    const rv_run_class *class = &run->classes.at[class_index];
    for (uint32_t i = class->first; i < class->first + class->count; i++) {
        uint32_t tag = run->class_tags.at[i], cap = run->tags.at[tag].cap;
        const rv_admit_tag *of = cap ? tag_of(admit, tag) : NULL;
        if (of && (of->used >= cap || of->is_blocked)) return tag;
    }
    return RV_NONE;
}

void rv_admit_block(rv_admit *admit, uint32_t tag) { tag_of(admit, tag)->is_blocked = true; }

static bool has_room(const rv_admit *admit)
{
    return admit->used < admit->cap && (admit->all->cap == 0 || admit->all->used < admit->all->cap);
}

bool rv_admit_fits(rv_admit *admit, uint32_t class_index)
{
    return has_room(admit) && rv_admit_blocker(admit, class_index) == RV_NONE;
}

/* by: 1 takes, -1 gives back. */
static void count_slots(rv_admit *admit, uint32_t node, int by)
{
    const rv_run_class *class = &admit->run->classes.at[rv_run_class_of(admit->run, node)];
    RV_ASSERT(by > 0 || (admit->used > 0 && admit->all->used > 0));
    admit->used += (uint32_t)by;
    admit->all->used += (uint32_t)by;
    for (uint32_t i = class->first; i < class->first + class->count; i++) {
        rv_admit_tag *tag = tag_of(admit, admit->run->class_tags.at[i]);
        RV_ASSERT(by > 0 || tag->used > 0);
        tag->used += (uint32_t)by;
    }
}

/* ---- bids ---- */

static rv_bid *bid_of(const rv_admit *admit, uint32_t node)
{
    uint32_t index = node < admit->bid_of.count ? admit->bid_of.at[node] : 0;
    return index ? &admit->bids.at[index - 1] : NULL;
}

static rv_bid *bid_new(rv_admit *admit, uint32_t node)
{
    uint32_t index = admit->free_bid;
    if (index) admit->free_bid = admit->bids.at[index - 1].next_free;
    else {
        rv_vec_push(&admit->bids, ((rv_bid){0}));
        index = admit->bids.count;
    }
    if (node >= admit->bid_of.count) {
        rv_vec_reserve(&admit->bid_of, admit->run->node_count);
        memset(&admit->bid_of.at[admit->bid_of.count], 0, sizeof(uint32_t) * (node + 1 - admit->bid_of.count));
        admit->bid_of.count = node + 1;
    }
    admit->bid_of.at[node] = index;
    admit->bids.at[index - 1] = (rv_bid){.node = node};
    return &admit->bids.at[index - 1];
}

static bool has_slots(uint32_t phase) { return phase == RV_BID_ADMITTED || phase == RV_BID_HOLDING; }

/* The row of a bid's class. */
static rv_granted_row *granted_row(rv_admit *admit, const rv_bid *bid)
{
    uint32_t class_index = rv_run_class_of(admit->run, bid->node);
    while (admit->granted.count <= class_index) rv_vec_push(&admit->granted, ((rv_granted_row){0}));
    return &admit->granted.at[class_index];
}

static void enter_granted(rv_admit *admit, rv_bid *bid)
{
    rv_granted_row *row = granted_row(admit, bid);
    uint32_t index = (uint32_t)(bid - admit->bids.at) + 1;
    *(row->last ? &admit->bids.at[row->last - 1].after : &row->first) = index;
    bid->before = row->last, bid->after = 0;
    bid->grant = ++admit->grant_last;
    row->last = index;
    admit->granted_count++;
}

static void leave_granted(rv_admit *admit, rv_bid *bid)
{
    rv_granted_row *row = granted_row(admit, bid);
    *(bid->before ? &admit->bids.at[bid->before - 1].after : &row->first) = bid->after;
    *(bid->after ? &admit->bids.at[bid->after - 1].before : &row->last) = bid->before;
    admit->granted_count--;
}

/* The one place that changes a phase; the slots are counted with it. */
static void become(rv_admit *admit, rv_bid *bid, rv_bid_phase phase)
{
    if (bid->phase == RV_BID_GRANTED) leave_granted(admit, bid);
    if (has_slots(bid->phase) != has_slots(phase)) count_slots(admit, bid->node, has_slots(phase) ? 1 : -1);
    bool was_open = bid->phase != RV_BID_NONE && bid->phase != RV_BID_HOLDING;
    bool is_open = phase != RV_BID_NONE && phase != RV_BID_HOLDING;
    admit->staged += (uint32_t)is_open - (uint32_t)was_open;
    bid->phase = phase;
    if (phase == RV_BID_GRANTED) enter_granted(admit, bid);
}

rv_bid_phase rv_admit_phase(const rv_admit *admit, uint32_t node)
{
    const rv_bid *bid = bid_of(admit, node);
    return bid ? (rv_bid_phase)bid->phase : RV_BID_NONE;
}

/* Who was granted what he waited for may take his slots next. */
static void take_up_grants(rv_admission *all)
{
    for (uint32_t i = 0; i < all->locks.granted.count; i++) {
        uint64_t owner = all->locks.requests.at[all->locks.granted.at[i]].owner;
        rv_admit *admit = all->runs.at[owner >> 32];
        rv_bid *bid = bid_of(admit, (uint32_t)owner);
        RV_ASSERT(bid && bid->phase == RV_BID_QUEUED);
        become(admit, bid, RV_BID_GRANTED);
    }
    rv_vec_clear(&all->locks.granted);
}

static void drop(rv_admit *admit, rv_bid *bid)
{
    uint32_t index = admit->bid_of.at[bid->node];
    if (bid->request) rv_lock_release(&admit->all->locks, bid->request - 1);
    become(admit, bid, RV_BID_NONE);
    admit->bid_of.at[bid->node] = 0;
    bid->next_free = admit->free_bid;
    admit->free_bid = index;
    take_up_grants(admit->all);
}

void rv_admit_close(rv_admit *admit)
{
    if (!admit->all) return;
    for (uint32_t i = 0; i < admit->bids.count; i++)
        if (admit->bids.at[i].phase != RV_BID_NONE) drop(admit, &admit->bids.at[i]);
    admit->all->used -= admit->used; /* of nodes that are not staged and have not ended */
    admit->all->runs.at[admit->number] = NULL;
    rv_vec_deinit(&admit->tags);
    rv_vec_deinit(&admit->locks);
    rv_vec_deinit(&admit->lock_base);
    rv_vec_deinit(&admit->bids);
    rv_vec_deinit(&admit->bid_of);
    rv_vec_deinit(&admit->granted);
    *admit = (rv_admit){0};
}

/* ---- mutexes ---- */

static uint32_t lock_of(rv_admit *admit, uint32_t graph_index, uint32_t mutex)
{
    while (admit->lock_base.count <= graph_index) {
        const rv_graph *graph = admit->run->graphs.at[admit->lock_base.count];
        rv_vec_push(&admit->lock_base, admit->locks.count);
        for (uint32_t i = 0; i < graph->mutex_count; i++) rv_vec_push(&admit->locks, 0);
    }
    uint32_t *known = &admit->locks.at[admit->lock_base.at[graph_index] + mutex];
    if (*known) return *known - 1;
    const rv_graph *graph = admit->run->graphs.at[graph_index];
    const rv_mutex_def *def = &graph->mutexes[mutex];
    rv_buf identity = {0};
    rv_buf_byte(&identity, "rph"[def->scope]);
    if (def->scope != RV_MUTEX_HOST) rv_buf_str_add(&identity, admit->root);
    rv_buf_byte(&identity, 0);
    if (def->scope == RV_MUTEX_PROJECT) rv_buf_str_add(&identity, rv_graph_str(graph, def->project));
    rv_buf_byte(&identity, 0);
    rv_buf_str_add(&identity, rv_graph_str(graph, def->name));
    *known = rv_lock_named(&admit->all->locks, rv_buf_str(&identity)) + 1;
    rv_buf_deinit(&identity);
    return *known - 1;
}

static void ask(rv_admit *admit, rv_bid *bid)
{
    const rv_graph *graph = rv_run_graph(admit->run, bid->node);
    uint32_t set = rv_node_claims(rv_run_def(admit->run, bid->node));
    rv_lock_claim claims[RV_LOCK_CLAIMS_MAX];
    if (set == 0) return;
    const rv_claim_set *of = &graph->claim_sets[set - 1];
    for (uint32_t i = 0; i < of->count; i++) {
        uint32_t claim = graph->claims[of->first + i];
        claims[i] = (rv_lock_claim){lock_of(admit, rv_run_place(admit->run, bid->node)->graph, RV_CLAIM_MUTEX(claim)),
                                    RV_CLAIM_IS_EXCLUSIVE(claim)};
    }
    bid->request = rv_lock_ask(&admit->all->locks, claims, of->count, (uint64_t)admit->number << 32 | bid->node) + 1;
}

static bool is_granted(const rv_admit *admit, const rv_bid *bid)
{
    return bid->request == 0 || admit->all->locks.requests.at[bid->request - 1].is_granted;
}

/* ---- from ready to the end ---- */

/* The first in order of those that have their mutexes and fit: of one class all fit or none does. */
static uint32_t next_granted(rv_admit *admit)
{
    const rv_bid *best = NULL;
    for (uint32_t c = 0; c < admit->granted.count; c++) {
        const rv_bid *bid = admit->granted.at[c].first ? &admit->bids.at[admit->granted.at[c].first - 1] : NULL;
        if (!bid || (best && bid->grant > best->grant) || !rv_admit_fits(admit, c)) continue;
        best = bid;
    }
    return best ? best->node : RV_NONE;
}

uint32_t rv_admit_next(rv_admit *admit)
{
    const rv_run *run = admit->run;
    uint32_t best = RV_NONE;
    if (run->ready_count == 0 || !has_room(admit) || rv_run_is_held_back(run)) return RV_NONE;
    if (admit->granted_count && (best = next_granted(admit)) != RV_NONE) return best;
    for (uint32_t c = 0; c < run->classes.count; c++) {
        uint32_t node = rv_run_ready_first(run, c);
        if (node == RV_NONE || (best != RV_NONE && !rv_run_goes_before(run, node, best)) || !rv_admit_fits(admit, c)) continue;
        best = node;
    }
    return best;
}

void rv_admit_take(rv_admit *admit, uint32_t node)
{
    RV_ASSERT(rv_admit_fits(admit, rv_run_class_of(admit->run, node)));
    if (!rv_admit_is_staged(admit->run, node)) {
        count_slots(admit, node, 1);
        return;
    }
    rv_bid *bid = bid_of(admit, node);
    RV_ASSERT(!bid || bid->phase == RV_BID_GRANTED);
    if (!bid) {
        bid = bid_new(admit, node);
        rv_run_set_aside(admit->run, node);
    }
    become(admit, bid, RV_BID_ADMITTED);
}

bool rv_admit_claim(rv_admit *admit, uint32_t node)
{
    rv_bid *bid = bid_of(admit, node);
    RV_ASSERT(bid && bid->phase == RV_BID_ADMITTED);
    if (bid->request == 0) ask(admit, bid);
    bool has_all = is_granted(admit, bid);
    become(admit, bid, has_all ? RV_BID_HOLDING : RV_BID_QUEUED);
    return has_all;
}

void rv_admit_outside(rv_admit *admit, uint32_t node)
{
    rv_bid *bid = bid_of(admit, node);
    RV_ASSERT(bid && bid->phase == RV_BID_HOLDING);
    become(admit, bid, RV_BID_OUTSIDE);
}

void rv_admit_retry(rv_admit *admit, uint32_t node)
{
    rv_bid *bid = bid_of(admit, node);
    RV_ASSERT(bid && bid->phase == RV_BID_OUTSIDE);
    become(admit, bid, RV_BID_GRANTED);
}

void rv_admit_end(rv_admit *admit, uint32_t node, bool has_its_slots)
{
    rv_bid *bid = bid_of(admit, node);
    if (bid) drop(admit, bid);
    else if (has_its_slots) count_slots(admit, node, -1);
}

bool rv_admit_restore(rv_admit *admit, uint32_t node)
{
    bool fits = rv_admit_fits(admit, rv_run_class_of(admit->run, node));
    if (!rv_admit_is_staged(admit->run, node)) {
        if (fits) count_slots(admit, node, 1);
        return fits;
    }
    rv_bid *bid = bid_new(admit, node);
    ask(admit, bid);
    become(admit, bid, fits && is_granted(admit, bid) ? RV_BID_HOLDING : is_granted(admit, bid) ? RV_BID_OUTSIDE : RV_BID_QUEUED);
    return bid->phase == RV_BID_HOLDING;
}

/* ---- for people ---- */

bool rv_admit_waits_for(const rv_admit *admit, uint32_t node, const rv_admit **ret_holder, uint32_t *ret_node, rv_str *ret_mutex)
{
    const rv_bid *bid = bid_of(admit, node);
    uint32_t lock;
    if (!bid || bid->phase != RV_BID_QUEUED) return false;
    uint32_t request = rv_lock_blocker(&admit->all->locks, bid->request - 1, &lock);
    RV_ASSERT(request != RV_NONE);
    uint64_t owner = admit->all->locks.requests.at[request].owner;
    rv_str identity = admit->all->locks.locks.at[lock].identity;
    size_t at = identity.size;
    while (identity.at[at - 1] != 0) at--;
    *ret_holder = admit->all->runs.at[owner >> 32];
    *ret_node = (uint32_t)owner;
    *ret_mutex = rv_str_from(identity, at);
    return true;
}

/* ---- proof ---- */

static const char *check_bid(const rv_admit *admit, const rv_bid *bid)
{
    if (bid->phase == RV_BID_NONE) return NULL;
    if (bid_of(admit, bid->node) != bid) return "a bid that its node does not know";
    bool has_claims = rv_node_claims(rv_run_def(admit->run, bid->node)), waits = bid->phase != RV_BID_HOLDING;
    const rv_node_run *node = &admit->run->nodes[bid->node];
    if (waits && node->state == RV_NODE_READY && !node->is_aside) return "a node with a bid stands in a ready queue";
    if (bid->phase == RV_BID_ADMITTED) return bid->request && !is_granted(admit, bid) ? "a node has slots and waits for a mutex" : NULL;
    if (has_claims != (bid->request != 0)) return "a bid without its request, or with one that it does not need";
    if (is_granted(admit, bid) != (bid->phase != RV_BID_QUEUED)) return "a bid's phase disagrees with its request";
    return NULL;
}

/* The rows of granted nodes: each in the order of its grants, and nobody else in them. */
static bool are_rows_good(const rv_admit *admit)
{
    uint32_t listed = 0, granted = 0;
    bool is_good = true;
    for (uint32_t c = 0; c < admit->granted.count; c++) {
        uint64_t grant = 0;
        for (uint32_t at = admit->granted.at[c].first; at; at = admit->bids.at[at - 1].after, listed++) {
            const rv_bid *bid = &admit->bids.at[at - 1];
            is_good &= (bid->phase == RV_BID_GRANTED) & (bid->grant > grant);
            grant = bid->grant;
        }
    }
    for (uint32_t i = 0; i < admit->bids.count; i++) granted += admit->bids.at[i].phase == RV_BID_GRANTED;
    return is_good & (listed == granted) & (granted == admit->granted_count);
}

const char *rv_admission_check(const rv_admission *all)
{
    uint32_t used = 0;
    const char *broken = rv_locks_check(&all->locks);
    if (all->locks.granted.count) broken = "a grant that nobody took up";
    for (uint32_t r = 0; r < all->runs.count && !broken; r++) {
        const rv_admit *admit = all->runs.at[r];
        uint32_t staged = 0;
        if (!admit) continue;
        used += admit->used;
        if (admit->used > admit->cap) broken = "a run has more slots than its cap";
        for (uint32_t i = 0; i < admit->bids.count && !broken; i++) {
            broken = check_bid(admit, &admit->bids.at[i]);
            staged += admit->bids.at[i].phase != RV_BID_NONE && admit->bids.at[i].phase != RV_BID_HOLDING;
        }
        if (!broken && staged != admit->staged) broken = "bids are counted wrong";
        if (!broken && !are_rows_good(admit)) broken = "the rows of granted nodes are not those that are granted";
    }
    if (!broken && used != all->used) broken = "the slots of the runs are not those of the engine";
    return broken;
}
