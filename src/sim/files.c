#include "sim/inner.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "blob/stamp.h"

/* The files of a run, and the oracle of the cache. Every attempt writes a number of its own into what it makes, and every change of the
 * inputs one into them. So it is known of a hit whose work it gives: there must have been one good attempt of the same command, trusted
 * alike, with the inputs as they are now, that gave this result and wrote this number into each of the files that stand there now
 * [C4, C10–C14]. Files are changed, blobs are damaged and lost behind the engine's back. */

#define MADE "made "

void rv_sim_work(const rv_sim_world *w, rv_buf *out) { rv_buf_printf(out, "%s/work", w->config->root); }

/* ---- stamps ----
 * Whether a file that an engine has read is read again depends on the clock that stamps files [C3]: one that was changed as late as it was
 * read is not trusted. That would be another story each time, so a life either trusts no stamp, or every one; then nothing is changed
 * before that clock has moved. */

void rv_sim_files_life(rv_sim_world *w)
{
    bool trusts = rv_sim_one_in(w, 3);
    w->has_stamps |= trusts;
    rv_stamp_clock_fix(trusts ? INT64_MAX : 1);
}

void rv_sim_files_end(void) { rv_stamp_clock_fix(0); }

void rv_sim_files_change(const rv_sim_world *w)
{
    struct timespec first, now, short_while = {.tv_nsec = 200000};
    if (!w->has_stamps) return;
    (void)clock_gettime(CLOCK_REALTIME_COARSE, &first);
    do {
        (void)nanosleep(&short_while, NULL);
        (void)clock_gettime(CLOCK_REALTIME_COARSE, &now);
    } while (now.tv_sec == first.tv_sec && now.tv_nsec == first.tv_nsec);
}

/* ---- inputs ---- */

static void change_inputs(rv_sim_world *w)
{
    rv_sim_files_change(w);
    static const char *const names[] = {"in/a", "in/b"};
    rv_buf path = {0}, text = {0};
    rv_buf_printf(&text, "input %u", ++w->inputs_version);
    for (size_t i = 0; i < RV_COUNT(names); i++) {
        rv_buf_clear(&path);
        rv_sim_work(w, &path);
        rv_buf_printf(&path, "/%s", names[i]);
        rv_sim_write_file(path.at, rv_buf_str(&text));
    }
    rv_buf_deinit(&path);
    rv_buf_deinit(&text);
}

void rv_sim_files_begin(rv_sim_world *w)
{
    rv_buf path = {0};
    rv_sim_work(w, &path);
    (void)mkdir(path.at, 0700);
    rv_buf_cstring(&path, "/in");
    (void)mkdir(path.at, 0700);
    rv_buf_deinit(&path);
    change_inputs(w);
}

/* ---- trouble ---- */

static void on_change(rv_sim_world *w, int64_t number, const char *text)
{
    change_inputs(w);
    w->result->counts[RV_SIM_INPUTS]++;
    rv_sim_tell(w, "inputs %u", w->inputs_version);
}

void rv_sim_inputs_soon(rv_sim_world *w) { rv_sim_later(w, rv_sim_below(w, 400), on_change, 0, NULL); }

typedef struct chosen { rv_sim_world *w; uint64_t from, least, size; rv_digest digest; bool is_there; } chosen;

static uint64_t head_of(rv_digest digest)
{
    uint64_t head;
    memcpy(&head, digest.bytes, sizeof head);
    return head;
}

/* The one that comes next behind a point: which that is does not depend on the order in which they are told. */
static void choose(void *user, rv_digest digest, uint64_t size, uint64_t links)
{
    chosen *c = user;
    rv_buf bytes = {0};
    uint64_t distance = head_of(digest) - c->from;
    bool is_next = size < 24 && (!c->is_there || distance < c->least);
    bool is_read = is_next && rv_blob_read(c->w->blobs, digest, 24, &bytes, NULL) == RV_OK;
    if (is_read && rv_str_starts(rv_buf_str(&bytes), RV_STR(MADE)))
        c->digest = digest, c->least = distance, c->size = size, c->is_there = true;
    rv_buf_deinit(&bytes);
}

/* What an attempt made is damaged, cut short or gone: a miss, never an error, and never given to anybody [C11]. */
static void damage(rv_sim_world *w)
{
    static const char *const bytes[] = {"xxxxxxxxxxxxxxxxxxxxxxxx", "made 999999999", ""};
    chosen c = {.w = w, .from = rv_rng_next(&w->rng)};
    rv_buf path = {0};
    for (uint32_t first = 0; first < 256; first++) rv_blobs_list(w->blobs, first, choose, &c);
    uint32_t how = rv_sim_below(w, RV_COUNT(bytes) + 1);
    if (!c.is_there) return;
    rv_blob_path(w->blobs, c.digest, &path);
    (void)unlink(path.at); /* the blob may be a file of somebody else, too */
    if (how < RV_COUNT(bytes)) rv_sim_write_file(path.at, how == 0 ? rv_str_cut(rv_str_of(bytes[0]), 0, c.size) : rv_str_of(bytes[how]));
    w->result->counts[RV_SIM_DAMAGED]++;
    rv_sim_tell(w, "damage %u", how);
    rv_buf_deinit(&path);
}

void rv_sim_files_trouble(rv_sim_world *w)
{
    rv_buf path = {0};
    if (rv_sim_one_in(w, 8)) on_change(w, 0, NULL);
    if (rv_sim_one_in(w, 6)) damage(w);
    rv_sim_work(w, &path);
    rv_buf_cstring(&path, "/out");
    if (rv_sim_one_in(w, 2)) {
        rv_sim_files_change(w);
        rv_sim_clear(path.at); /* outputs are put back where they are gone */
    }
    rv_buf_deinit(&path);
}

/* ---- what was made ---- */

/* Whether it declares some that are there. Of a user's own workflow none are. */
static bool reads_inputs(const rv_json *body)
{
    const rv_json *inputs = rv_json_get(body, RV_STR("inputs"));
    for (const rv_json *path = inputs ? inputs->child : NULL; path; path = path->next)
        if (rv_str_is(path->text, "in/a") || rv_str_is(path->text, "in/*")) return true;
    return false;
}

static rv_str canonical(rv_str json, rv_arena *arena)
{
    rv_json *tree = NULL;
    rv_buf text = {0};
    if (json.size == 0 || rv_json_parse(arena, json, &tree, NULL) != RV_OK) return (rv_str){NULL, 0};
    rv_json_write(&text, tree, true);
    rv_str made = rv_arena_str(arena, rv_buf_str(&text));
    rv_buf_deinit(&text);
    return made;
}

/* Equal work shares an entry, whatever else is said of the node, and however its inputs are named. What it makes by name is known; of a
 * command with values in it is not known what it came to be. */
static rv_sim_work_id work_of(const rv_json *body)
{
    static const char *const keys[] = {"run", "shell", "env"};
    rv_sim_work_id id = {0};
    rv_buf text = {0};
    const rv_json *outputs = rv_json_get(body, RV_STR("outputs"));
    if (outputs) rv_json_write(&text, outputs, true);
    id.outputs = rv_hash64(rv_buf_str(&text), 1);
    rv_buf_clear(&text);
    for (size_t i = 0; i < RV_COUNT(keys); i++) {
        const rv_json *value = rv_json_get(body, rv_str_of(keys[i]));
        rv_buf_byte(&text, (char)('0' + i));
        if (value) rv_json_write(&text, value, true);
    }
    bool has_values = rv_str_find(rv_buf_str(&text), 0, '$') != SIZE_MAX;
    id.command = has_values ? 0 : rv_hash64(rv_buf_str(&text), 1) | 1;
    rv_buf_deinit(&text);
    return id;
}

static bool may_be_equal(rv_sim_work_id a, rv_sim_work_id b)
{
    return a.outputs == b.outputs && (a.command == b.command || a.command == 0 || b.command == 0);
}

rv_sim_made rv_sim_making(rv_sim_world *w, uint32_t node, const rv_json *body)
{
    const rv_run *run = w->job->run;
    return (rv_sim_made){.is_cached = rv_run_def(run, node)->flags & RV_NODE_F_CACHED, .is_quarantined = rv_run_is_quarantined(run, node),
                         .reads_inputs = reads_inputs(body), .work = work_of(body), .inputs = w->inputs_version,
                         .number = ++w->made_last, .node = node};
}

void rv_sim_made_text(const rv_sim_made *made, rv_buf *out) { rv_buf_printf(out, MADE "%u", made->number); }

/* ---- hits ---- */

/* Every file that it declares by name stands there with one number. false: one does not. *ret: 0: it declares none. */
static bool stands(rv_sim_world *w, const rv_json *body, uint32_t *ret)
{
    const rv_json *outputs = rv_json_get(body, RV_STR("outputs"));
    bool is_good = true;
    *ret = 0;
    for (const rv_json *path = outputs ? outputs->child : NULL; path && is_good; path = path->next) {
        rv_buf name = {0};
        char bytes[24] = {0};
        unsigned number = 0;
        if (rv_str_find(path->text, 0, '*') != SIZE_MAX) continue;
        rv_sim_work(w, &name);
        rv_buf_printf(&name, "/%.*s", RV_FMT(path->text));
        int fd = open(name.at, O_RDONLY | O_CLOEXEC);
        ssize_t size = fd < 0 ? -1 : read(fd, bytes, sizeof bytes - 1);
        if (fd >= 0) close(fd);
        is_good = size > 0 && sscanf(bytes, MADE "%u", &number) == 1 && number && (*ret == 0 || *ret == number);
        *ret = number;
        rv_buf_deinit(&name);
    }
    return is_good;
}

void rv_sim_made_note(rv_sim_world *w, rv_sim_made made, rv_str result)
{
    rv_arena arena = {0};
    rv_json *body = NULL;
    bool has_changed = made.reads_inputs && made.inputs != w->inputs_version; /* meanwhile: it is kept by nobody [C4] */
    rv_str text = rv_graph_str(rv_run_graph(w->job->run, made.node), rv_run_def(w->job->run, made.node)->body);
    if (!made.is_cached || has_changed || rv_json_parse(&arena, text, &body, NULL) != RV_OK) return;
    if (stands(w, body, &made.number)) { /* a file that it did not make, and that stands there from before, is its output, too */
        made.result = canonical(result, &w->made_arena);
        rv_vec_push(&w->made, made);
    }
    rv_arena_deinit(&arena);
}

typedef struct hit { uint32_t node; rv_json *body; rv_sim_work_id work; } hit;
typedef RV_VEC(hit) hits;

/* Items of a foreach make one file under one name: of hits that came at once the last one's stands there. */
static bool is_alone(const hits *all, const hit *of)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < all->count; i++) count += may_be_equal(all->at[i].work, of->work);
    return count == 1;
}

static void check_hit(rv_sim_world *w, const hits *all, const hit *of, rv_arena *arena)
{
    const rv_run *run = w->job->run;
    rv_str result = canonical(rv_run_result(run, of->node), arena), name = rv_sim_id(w, run, of->node);
    uint32_t number = 0;
    bool is_known = false, is_there = stands(w, of->body, &number), is_last = is_alone(all, of);
    for (uint32_t i = 0; i < w->made.count && !is_known; i++) {
        const rv_sim_made *made = &w->made.at[i];
        is_known = may_be_equal(made->work, of->work) && made->is_quarantined == rv_run_is_quarantined(run, of->node) &&
                   (!made->reads_inputs || made->inputs == w->inputs_version) && rv_str_eq(made->result, result) &&
                   (!is_last || made->number == number);
    }
    if (!(rv_run_def(run, of->node)->flags & RV_NODE_F_CACHED)) rv_sim_break(w, "C1: %.*s is not cached, and was a hit", RV_FMT(name));
    if (!is_there) rv_sim_break(w, "C12: %.*s was a hit, and its outputs are not there", RV_FMT(name));
    else if (!is_known)
        rv_sim_break(w, "C12: %.*s was a hit, and nobody made with these inputs what it gave (file %u, result %.*s)", RV_FMT(name), number,
                     RV_FMT(result));
    if (rv_sim_entry_of(w, name)->live) rv_sim_break(w, "A3: %.*s was a hit while it runs", RV_FMT(name));
}

void rv_sim_hits(rv_sim_world *w)
{
    const rv_run *run = w->job->run;
    rv_arena arena = {0};
    hits all = {0};
    for (uint32_t node = 0; node < run->node_count; node++) {
        const rv_node_run *at = &run->nodes[node];
        if (at->state != RV_NODE_SUCCEEDED || at->detail != RV_DETAIL_CACHE) continue;
        rv_sim_entry *entry = rv_sim_entry_of(w, rv_sim_id(w, run, node));
        if (entry->is_hit) continue;
        entry->is_hit = true;
        w->result->counts[RV_SIM_HITS]++;
        rv_sim_tell(w, "hit %.*s", RV_FMT(entry->name));
        hit found = {.node = node};
        rv_str text = rv_graph_str(rv_run_graph(run, node), rv_run_def(run, node)->body);
        RV_ASSERT(rv_json_parse(&arena, text, &found.body, NULL) == RV_OK);
        found.work = work_of(found.body);
        rv_vec_push(&all, found);
    }
    for (uint32_t i = 0; i < all.count; i++) check_hit(w, &all, &all.at[i], &arena);
    rv_vec_deinit(&all);
    rv_arena_deinit(&arena);
}
