#include "engine/inner.h"
#include "engine/cache_part.h"

#include <stdlib.h>
#include <unistd.h>

/* Cleaning the cache beside runs that go on [C15]. It goes in steps of a few milliseconds, each from a timer of the loop:
 *
 *     SCAN ──► choose ──► NOTE (blobs that stay) ──► DROP (entries, with the engine's batches) ──► SWEEP (blobs, one of 256 folders
 *     a step) ──► done
 *
 *  (1) The store's thread reads at most STEP_ENTRIES entries, or drops STEP_DROPS, at a time: a few milliseconds.
 *  (2) A blob goes only when no entry names it, none that a run is about to write either, and no artifact: what was stored since the
 *      scan is looked at again before each folder. All of it is on one thread with those who store. What is new has an id above those
 *      that stay, but not above those that went: the store gives the highest ones again once they are free.
 *  (3) Killed at any moment it leaves entries that are whole, and blobs that nobody needs: the next one takes those. */

#define STEP_ENTRIES 128u
#define STEP_DROPS 512u
#define STEP_NOTES 4096u
#define FOLDERS 256u

typedef struct entry {
    uint64_t id, size;
    int64_t used_ms;
    rv_digest key;
    uint32_t blob_first, blob_count; /* of blobs */
    uint8_t why;                     /* rv_cache_mode; COUNT: it stays */
} entry;

/* Digests, open addressed: they are hashes already. */
typedef struct digest_set { rv_digest *at; uint32_t capacity, count; } digest_set;

struct rv_cleaner {
    rv_engine *engine;
    rv_cache_wish wish;
    rv_cache_tally tally, *ret;
    rv_engine_done_fn *done;
    void *user;
    rv_timer *timer;
    enum { SCAN, NOTE, DROP, SWEEP, ENDED } phase;
    RV_VEC(entry) entries;
    RV_VEC(rv_digest) blobs;
    digest_set kept;                 /* blobs that stay */
    uint64_t last_id;                /* of what was scanned */
    uint32_t next_note, next_drop, folder;
    bool is_dropping;                /* a batch with drops is under way */
    rv_error error;
};

/* ---- sets ---- */

static rv_digest *place_of(const digest_set *set, rv_digest digest)
{
    static const rv_digest none;
    uint64_t at;
    memcpy(&at, digest.bytes, sizeof at);
    for (at &= set->capacity - 1;; at = (at + 1) & (set->capacity - 1)) {
        bool is_free = memcmp(set->at[at].bytes, none.bytes, sizeof none.bytes) == 0;
        if (is_free || memcmp(set->at[at].bytes, digest.bytes, sizeof digest.bytes) == 0) return &set->at[at];
    }
}

static bool is_in(const digest_set *set, rv_digest digest)
{
    return set->count && memcmp(place_of(set, digest)->bytes, digest.bytes, sizeof digest.bytes) == 0;
}

static void put_in(digest_set *set, rv_digest digest)
{
    if ((set->count + 1) * 2 > set->capacity) {
        digest_set grown = {.capacity = RV_MAX(set->capacity * 2, 64u)};
        grown.at = rv_alloc(grown.capacity * sizeof *grown.at);
        for (uint32_t i = 0; i < set->capacity; i++) *place_of(&grown, set->at[i]) = set->at[i];
        grown.count = set->count;
        rv_free(set->at);
        *set = grown;
    }
    rv_digest *place = place_of(set, digest);
    set->count += memcmp(place->bytes, digest.bytes, sizeof digest.bytes) != 0;
    *place = digest;
}

/* ---- scanning ---- */

typedef struct blob_walk { rv_cleaner *cleaner; bool is_whole; } blob_walk;

static bool take_blob(void *user, rv_digest digest, uint64_t size)
{
    blob_walk *walk = user;
    rv_cleaner *c = walk->cleaner;
    rv_vec_push(&c->blobs, digest);
    if (c->wish.stale && !rv_blob_has(c->engine->config.blobs, digest, size)) walk->is_whole = false;
    return true;
}

static void take_entry(rv_cleaner *c, rv_arena *arena, const rv_cache_row *row)
{
    rv_manifest m;
    blob_walk walk = {c, true};
    entry e = {.id = row->id, .size = row->size, .blob_first = c->blobs.count, .why = RV_CACHE_MODE_COUNT,
               .used_ms = rv_used_ms(c->engine->cache, row->id, row->created_ms)};
    memcpy(e.key.bytes, row->key.at, sizeof e.key.bytes);
    bool is_good = rv_manifest_read(arena, row->manifest, &m) == RV_OK && rv_manifest_blobs(&m, take_blob, &walk);
    e.blob_count = c->blobs.count - e.blob_first;
    if (c->wish.stale && (!is_good || !walk.is_whole)) e.why = RV_CACHE_STALE;
    c->tally.entries++;
    c->tally.bytes += row->size;
    rv_vec_push(&c->entries, e);
}

/* Read what comes next. false: there is no more, or it failed (c->error). */
static bool scan_step(rv_cleaner *c, void (*take)(rv_cleaner *c, rv_arena *arena, const rv_cache_row *row))
{
    rv_arena arena = {0};
    rv_cache_rows rows = {0};
    if (rv_store_cache_scan(c->engine->config.store, &arena, c->last_id, STEP_ENTRIES, &rows, &c->error) != RV_OK) c->phase = ENDED;
    for (uint32_t i = 0; i < rows.count; i++) {
        take(c, &arena, &rows.at[i]);
        c->last_id = rows.at[i].id;
    }
    bool has_more = rows.count == STEP_ENTRIES;
    rv_vec_deinit(&rows);
    rv_arena_deinit(&arena);
    return has_more;
}

/* ---- choosing: each entry under the first mode that takes it; oldest use first ---- */

static int by_use(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    if (x->used_ms != y->used_ms) return x->used_ms < y->used_ms ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static void choose(rv_cleaner *c)
{
    const rv_cache_wish *wish = &c->wish;
    uint64_t left = 0;
    if (c->entries.count > 1) qsort(c->entries.at, c->entries.count, sizeof c->entries.at[0], by_use);
    for (uint32_t i = 0; i < c->entries.count; i++) {
        entry *e = &c->entries.at[i];
        if (wish->all) e->why = RV_CACHE_ALL;
        bool is_old = wish->has_age && wish->now_ms - e->used_ms > wish->age_ms_max;
        if (e->why == RV_CACHE_MODE_COUNT && is_old) e->why = RV_CACHE_AGE;
        if (e->why == RV_CACHE_MODE_COUNT) left += e->size;
    }
    for (uint32_t i = 0; i < c->entries.count && wish->has_size && left > wish->size_max; i++) {
        entry *e = &c->entries.at[i];
        if (e->why != RV_CACHE_MODE_COUNT) continue;
        e->why = RV_CACHE_SIZE;
        left -= e->size;
    }
    if (!wish->dry_run) c->last_id = 0;
}

/* What was chosen is counted, the blobs of what stays are noted: some of them at a time. */
static void note_step(rv_cleaner *c)
{
    uint32_t end = RV_MIN(c->entries.count, c->next_note + STEP_NOTES);
    for (; c->next_note < end; c->next_note++) {
        const entry *e = &c->entries.at[c->next_note];
        if (e->why == RV_CACHE_MODE_COUNT && !c->wish.dry_run) c->last_id = RV_MAX(c->last_id, e->id); /* keeps (2) */
        for (uint32_t k = 0; k < e->blob_count && e->why == RV_CACHE_MODE_COUNT; k++) put_in(&c->kept, c->blobs.at[e->blob_first + k]);
        if (e->why == RV_CACHE_MODE_COUNT) continue;
        c->tally.removed[e->why].entries++;
        c->tally.removed[e->why].bytes += e->size;
    }
    if (end == c->entries.count) c->phase = DROP;
}

/* ---- dropping ---- */

static void step(void *user);

static void on_dropped(void *user, rv_status status, const rv_error *err)
{
    rv_cleaner *c = user;
    c->is_dropping = false;
    if (status != RV_OK) c->error = *err, c->phase = ENDED;
    step(c);
}

void rv_cleaner_collect(rv_cleaner *c, rv_batch *batch, rv_flight *flight)
{
    if (!c || c->phase != DROP || c->is_dropping) return;
    uint32_t dropped = 0;
    for (; c->next_drop < c->entries.count && dropped < STEP_DROPS; c->next_drop++) {
        const entry *e = &c->entries.at[c->next_drop];
        if (e->why == RV_CACHE_MODE_COUNT) continue;
        rv_batch_cache_drop(batch, e->id, (rv_str){(const char *)e->key.bytes, sizeof e->key.bytes});
        dropped++;
    }
    if (dropped) rv_cache_memo_drop(c->engine->cache, batch);
    c->is_dropping = true;
    rv_vec_push(&flight->done, ((rv_done_item){on_dropped, c}));
}

bool rv_cleaner_wants_batch(const rv_cleaner *c) { return c && c->phase == DROP && !c->is_dropping; }

/* ---- sweeping ---- */

/* An entry that was stored since: it stays, with its blobs. */
static bool keep_blob(void *user, rv_digest digest, uint64_t size)
{
    put_in(&((rv_cleaner *)user)->kept, digest);
    return true;
}

static void keep_entry(rv_cleaner *c, rv_arena *arena, const rv_cache_row *row)
{
    rv_manifest m;
    if (rv_manifest_read(arena, row->manifest, &m) == RV_OK) (void)rv_manifest_blobs(&m, keep_blob, c);
}

/* Those that a run will write with its next batch. */
static void keep_pending(rv_cleaner *c)
{
    rv_arena arena = {0};
    const rv_cache *cache = c->engine->cache;
    for (uint32_t i = 0; i < cache->runs.count; i++)
        for (uint32_t k = 0; k < cache->runs.at[i]->slots.count; k++) {
            const rv_cache_slot *slot = &cache->runs.at[i]->slots.at[k];
            rv_cache_row row = {.manifest = rv_buf_str(&slot->manifest)};
            if (slot->state == SLOT_KEPT) keep_entry(c, &arena, &row);
        }
    rv_arena_deinit(&arena);
}

typedef struct orphan { rv_digest digest; uint64_t size; bool is_artifact; } orphan;
typedef struct folder { rv_cleaner *cleaner; RV_VEC(orphan) orphans; } folder;

static void see_blob(void *user, rv_digest digest, uint64_t size, uint64_t links)
{
    folder *f = user;
    bool is_artifact = links > 1;
    if (!is_artifact && !is_in(&f->cleaner->kept, digest)) rv_vec_push(&f->orphans, ((orphan){digest, size, false}));
}

/* An artifact whose link somebody removed is one all the same. */
static bool ask_for_artifacts(rv_cleaner *c, folder *f)
{
    rv_buf list = {0}, lines = {0};
    rv_json_writer w;
    char text[RV_DIGEST_TEXT_SIZE + 1];
    bool is_cut = false;
    rv_json_writer_init(&w, &list, 0);
    rv_jw_array(&w);
    for (uint32_t i = 0; i < f->orphans.count; i++) {
        rv_digest_text(f->orphans.at[i].digest, text);
        rv_jw_cstring(&w, text);
    }
    rv_jw_array_end(&w);
    rv_str arg = rv_buf_str(&list);
    rv_status status = rv_store_query(c->engine->config.store, RV_STR("SELECT DISTINCT digest FROM artifact WHERE digest IN "
                                      "(SELECT value FROM json_each(?1))"), &arg, 1, 0, &lines, &is_cut, &c->error);
    for (uint32_t i = 0; i < f->orphans.count && status == RV_OK; i++) {
        rv_digest_text(f->orphans.at[i].digest, text);
        f->orphans.at[i].is_artifact = memmem(lines.at, lines.size, text, RV_DIGEST_TEXT_SIZE) != NULL;
    }
    rv_buf_deinit(&list);
    rv_buf_deinit(&lines);
    return status == RV_OK;
}

/* keeps (2) */
static void sweep_step(rv_cleaner *c)
{
    folder f = {.cleaner = c};
    while (scan_step(c, keep_entry) && c->phase == SWEEP) {}
    keep_pending(c);
    rv_blobs_list(c->engine->config.blobs, c->folder, see_blob, &f);
    if (f.orphans.count && !ask_for_artifacts(c, &f)) c->phase = ENDED;
    for (uint32_t i = 0; i < f.orphans.count && c->phase == SWEEP; i++) {
        const orphan *o = &f.orphans.at[i];
        if (o->is_artifact || (!c->wish.dry_run && !rv_blob_remove(c->engine->config.blobs, o->digest))) continue;
        c->tally.blobs++;
        c->tally.blob_bytes += o->size;
    }
    rv_vec_deinit(&f.orphans);
    if (++c->folder == FOLDERS) c->phase = ENDED;
}

/* ---- the steps ---- */

void rv_cleaner_free(rv_cleaner *c)
{
    if (!c) return;
    rv_timer_free(c->timer);
    rv_vec_deinit(&c->entries);
    rv_vec_deinit(&c->blobs);
    rv_free(c->kept.at);
    rv_free(c);
}

static void end(rv_cleaner *c)
{
    bool is_good = c->error.status == RV_OK;
    rv_engine_done_fn *done = c->done;
    void *user = c->user;
    rv_error error = c->error;
    if (is_good) *c->ret = c->tally;
    c->engine->cleaner = NULL;
    rv_cleaner_free(c);
    done(user, error.status, is_good ? NULL : &error);
}

static void drop_step(rv_cleaner *c)
{
    while (c->next_drop < c->entries.count && c->entries.at[c->next_drop].why == RV_CACHE_MODE_COUNT) c->next_drop++;
    if (c->next_drop == c->entries.count || c->wish.dry_run) c->phase = SWEEP;
    else if (!c->is_dropping) rv_engine_urgent(c->engine);
}

static void step(void *user)
{
    rv_cleaner *c = user;
    if (c->phase == SCAN && !scan_step(c, take_entry) && c->phase == SCAN) {
        choose(c);
        c->phase = NOTE;
    } else if (c->phase == NOTE) {
        note_step(c);
    } else if (c->phase == SWEEP) {
        sweep_step(c);
    }
    if (c->phase == DROP) drop_step(c);
    if (c->phase == ENDED) end(c);
    else if (c->phase != DROP) rv_timer_set(c->timer, rv_loop_mono_ms(c->engine->config.loop));
}

void rv_engine_cache_clean(rv_engine *engine, const rv_cache_wish *wish, rv_cache_tally *ret, rv_engine_done_fn *done, void *user)
{
    rv_error error;
    if (engine->cleaner) {
        rv_error_set(&error, RV_CONFLICT, "the cache is being cleaned already; wait for that");
        done(user, error.status, &error);
        return;
    }
    RV_ASSERT(engine->config.blobs);
    rv_cache_of(engine);
    rv_cleaner *c = rv_alloc(sizeof *c);
    *c = (rv_cleaner){.engine = engine, .wish = *wish, .ret = ret, .done = done, .user = user};
    c->timer = rv_timer_new(engine->config.loop, step, c);
    engine->cleaner = c;
    rv_timer_set(c->timer, rv_loop_mono_ms(engine->config.loop));
}
