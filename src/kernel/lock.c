#include "kernel/lock.h"

void rv_locks_deinit(rv_locks *locks)
{
    rv_vec_deinit(&locks->locks);
    rv_map_deinit(&locks->by_identity);
    rv_vec_deinit(&locks->links);
    rv_vec_deinit(&locks->requests);
    rv_vec_deinit(&locks->granted);
    rv_arena_deinit(&locks->arena);
}

uint32_t rv_lock_named(rv_locks *locks, rv_str identity)
{
    rv_str kept = rv_arena_str(&locks->arena, identity);
    uint32_t known = rv_map_add(&locks->by_identity, kept, locks->locks.count);
    if (known != RV_NONE) return known;
    rv_vec_push(&locks->locks, ((rv_lock){.identity = kept}));
    return locks->locks.count - 1;
}

/* ---- rows ---- */

static void append(rv_locks *locks, uint32_t index, uint8_t row)
{
    rv_lock_link *link = &locks->links.at[index];
    rv_lock *lock = &locks->locks.at[link->lock];
    link->row = row;
    link->before = lock->last[row];
    link->after = 0;
    if (link->before) locks->links.at[link->before - 1].after = index + 1;
    else lock->first[row] = index + 1;
    lock->last[row] = index + 1;
}

static void take_out(rv_locks *locks, uint32_t index)
{
    const rv_lock_link *link = &locks->links.at[index];
    rv_lock *lock = &locks->locks.at[link->lock];
    if (link->before) locks->links.at[link->before - 1].after = link->after;
    else lock->first[link->row] = link->after;
    if (link->after) locks->links.at[link->after - 1].before = link->before;
    else lock->last[link->row] = link->before;
}

static uint64_t ticket_of(const rv_locks *locks, uint32_t link_plus_one)
{
    return link_plus_one ? locks->requests.at[locks->links.at[link_plus_one - 1].request].ticket : UINT64_MAX;
}

/* ---- granting ---- */

/* Whether a claim that waits could be held now, as far as its lock is concerned. */
static bool may_hold(const rv_locks *locks, uint32_t index)
{
    const rv_lock_link *link = &locks->links.at[index];
    const rv_lock *lock = &locks->locks.at[link->lock];
    uint64_t ticket = locks->requests.at[link->request].ticket;
    bool is_behind_exclusive = ticket_of(locks, lock->first[RV_LOCK_WAITS_EXCLUSIVE]) < ticket;
    if (link->row == RV_LOCK_WAITS_SHARED) return !is_behind_exclusive && !(lock->first[RV_LOCK_HELD] && lock->is_exclusive);
    return !is_behind_exclusive && !lock->first[RV_LOCK_HELD] && ticket_of(locks, lock->first[RV_LOCK_WAITS_SHARED]) > ticket;
}

static bool grant(rv_locks *locks, uint32_t index)
{
    rv_lock_request *request = &locks->requests.at[index];
    for (uint32_t i = request->first; i < request->first + request->count; i++)
        if (!may_hold(locks, i)) return false;
    for (uint32_t i = request->first; i < request->first + request->count; i++) {
        bool is_exclusive = locks->links.at[i].row == RV_LOCK_WAITS_EXCLUSIVE;
        take_out(locks, i);
        append(locks, i, RV_LOCK_HELD);
        locks->locks.at[locks->links.at[i].lock].is_exclusive = is_exclusive;
    }
    request->is_granted = true;
    return true;
}

/* Something of this lock was given back or is not waited for any more: grant what could go by that. A grant makes nobody else on the
 * same lock any more compatible, so what is looked at here is looked at once. */
static void reconsider(rv_locks *locks, uint32_t lock_index, bool was_exclusive)
{
    const rv_lock *lock = &locks->locks.at[lock_index];
    uint32_t exclusive = lock->first[RV_LOCK_WAITS_EXCLUSIVE], shared = lock->first[RV_LOCK_WAITS_SHARED];
    uint64_t bound = ticket_of(locks, exclusive);
    if (exclusive && bound < ticket_of(locks, shared)) {
        uint32_t request = locks->links.at[exclusive - 1].request;
        if (grant(locks, request)) rv_vec_push(&locks->granted, request);
        return;
    }
    if (!was_exclusive) return; /* to a shared claim nothing has changed */
    for (uint32_t at = shared, next; at && ticket_of(locks, at) < bound; at = next) {
        uint32_t request = locks->links.at[at - 1].request;
        next = locks->links.at[at - 1].after;
        if (grant(locks, request)) rv_vec_push(&locks->granted, request);
    }
}

/* ---- asking ---- */

static uint32_t request_new(rv_locks *locks, uint32_t count)
{
    if (locks->free[count]) {
        uint32_t index = locks->free[count] - 1;
        locks->free[count] = locks->requests.at[index].next_free;
        return index;
    }
    rv_vec_push(&locks->requests, ((rv_lock_request){.first = locks->links.count, .count = count}));
    for (uint32_t i = 0; i < count; i++) rv_vec_push(&locks->links, ((rv_lock_link){0}));
    return locks->requests.count - 1;
}

uint32_t rv_lock_ask(rv_locks *locks, const rv_lock_claim *claims, uint32_t count, uint64_t owner)
{
    RV_ASSERT(count >= 1 && count <= RV_LOCK_CLAIMS_MAX);
    uint32_t index = request_new(locks, count);
    rv_lock_request *request = &locks->requests.at[index];
    request->ticket = ++locks->ticket_last;
    request->owner = owner;
    request->is_granted = false;
    for (uint32_t i = 0; i < count; i++) {
        rv_lock_link *link = &locks->links.at[request->first + i];
        link->request = index;
        link->lock = claims[i].lock;
        append(locks, request->first + i, claims[i].is_exclusive ? RV_LOCK_WAITS_EXCLUSIVE : RV_LOCK_WAITS_SHARED);
    }
    (void)grant(locks, index);
    return index;
}

void rv_lock_release(rv_locks *locks, uint32_t index)
{
    rv_lock_request *request = &locks->requests.at[index];
    uint32_t first = request->first, count = request->count;
    RV_ASSERT(request->ticket != 0);
    for (uint32_t i = 0; request->is_granted && i < locks->granted.count; i++) { /* nobody took it up yet: a short list */
        if (locks->granted.at[i] != index) continue;
        memmove(&locks->granted.at[i], &locks->granted.at[i + 1], sizeof(uint32_t) * (locks->granted.count - i - 1));
        locks->granted.count--;
        break;
    }
    bool was_exclusive[RV_LOCK_CLAIMS_MAX]; /* known before the first grant changes a lock */
    for (uint32_t i = 0; i < count; i++) {
        const rv_lock_link *link = &locks->links.at[first + i];
        was_exclusive[i] = request->is_granted ? locks->locks.at[link->lock].is_exclusive : link->row == RV_LOCK_WAITS_EXCLUSIVE;
        take_out(locks, first + i);
    }
    request->ticket = 0;
    request->is_granted = false;
    for (uint32_t i = 0; i < count; i++) reconsider(locks, locks->links.at[first + i].lock, was_exclusive[i]);
    request->next_free = locks->free[count];
    locks->free[count] = index + 1;
}

uint32_t rv_lock_blocker(const rv_locks *locks, uint32_t index, uint32_t *ret_lock)
{
    const rv_lock_request *request = &locks->requests.at[index];
    if (request->is_granted) return RV_NONE;
    uint32_t i = request->first;
    while (may_hold(locks, i)) i++;
    RV_ASSERT(i < request->first + request->count); /* what could hold everything was granted */
    const rv_lock *lock = &locks->locks.at[locks->links.at[i].lock];
    *ret_lock = locks->links.at[i].lock;
    bool shares = locks->links.at[i].row == RV_LOCK_WAITS_SHARED;
    bool is_held = lock->first[RV_LOCK_HELD] && (lock->is_exclusive || !shares);
    uint32_t exclusive = lock->first[RV_LOCK_WAITS_EXCLUSIVE], shared = lock->first[RV_LOCK_WAITS_SHARED];
    uint32_t earlier = shares || ticket_of(locks, exclusive) < ticket_of(locks, shared) ? exclusive : shared;
    return locks->links.at[(is_held ? lock->first[RV_LOCK_HELD] : earlier) - 1].request;
}

/* ---- proof ---- */

/* Of two claims on one lock: could both be held? */
static bool agree(const rv_lock_link *a, bool a_exclusive, const rv_lock_link *b, bool b_exclusive)
{
    return a->lock != b->lock || (!a_exclusive && !b_exclusive);
}

static bool is_exclusive(const rv_locks *locks, const rv_lock_link *link)
{
    return link->row == RV_LOCK_HELD ? locks->locks.at[link->lock].is_exclusive : link->row == RV_LOCK_WAITS_EXCLUSIVE;
}

/* Whether the two conflict on some lock. */
static bool conflict(const rv_locks *locks, const rv_lock_request *a, const rv_lock_request *b)
{
    for (uint32_t i = a->first; i < a->first + a->count; i++)
        for (uint32_t k = b->first; k < b->first + b->count; k++) {
            const rv_lock_link *x = &locks->links.at[i], *y = &locks->links.at[k];
            if (!agree(x, is_exclusive(locks, x), y, is_exclusive(locks, y))) return true;
        }
    return false;
}

const char *rv_locks_check(const rv_locks *locks)
{
    for (uint32_t i = 0; i < locks->requests.count; i++) {
        const rv_lock_request *a = &locks->requests.at[i];
        bool is_blocked = false;
        if (a->ticket == 0) continue;
        for (uint32_t k = 0; k < locks->requests.count; k++) {
            const rv_lock_request *b = &locks->requests.at[k];
            if (k == i || b->ticket == 0 || !conflict(locks, a, b)) continue;
            if (a->is_granted && b->is_granted) return "two that conflict hold the same lock";
            is_blocked |= b->is_granted || b->ticket < a->ticket;
        }
        if (!a->is_granted && !is_blocked) return "a request waits for nobody";
    }
    return NULL;
}
