/* memo.c: the records of a workflow, as they lie in the file:
 *
 *   [header][record × nodes][file × files][ref × refs][text]
 *
 * A record is at its node's index; entry 0: none. Refs are indexes of files: a record's inputs, then its outputs. A file's path is in the
 * text, NUL-terminated. The text begins with the names of variables, each NUL-terminated. */
#include "blob/file.h"
#include "engine/memo.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC UINT64_C(0x314f4d454d565252) /* "RRVMEMO1" */
#define NODE_FILES_MAX 65536u
#define FILES_MAX (1u << 22)
#define AHEAD_FILES_MIN 256u /* from so many on a thread looks at them */
#define EARLY_MS 100         /* a run that begins later than this finds nothing of what was seen before it */

typedef struct header {
    uint64_t magic, checksum;
    uint64_t values, hosts;    /* hashes: rv_memo_of.values; names and values of variables */
    rv_digest workflow;
    uint64_t text_size;
    uint32_t node_count, file_count, ref_count, host_count;
} header;
_Static_assert(sizeof(header) == 88, "the header is what stands in the file");

typedef struct record {
    rv_digest key, outcome;
    uint64_t entry, preds;
    int64_t duration_ms;
    int32_t exit_status;
    uint32_t ref_first, ref_count, unused;
} record;
_Static_assert(sizeof(record) == 104, "a record is what stands in the file");

typedef struct file { rv_mark mark; uint64_t path; /* where in the text */ } file;
_Static_assert(sizeof(file) == 48, "a file is what stands in the file");

/* One set of records: read-only in the map, or growing in memory. */
typedef struct part {
    RV_VEC(record) records;    /* by node in the map, else as they come */
    RV_VEC(file) files;
    RV_VEC(uint32_t) refs;
    rv_buf text;
} part;

typedef enum mark_state { MARK_UNKNOWN, MARK_SAME, MARK_OTHER } mark_state;

/* A thread that looks at all files of the map, in their order, while others are at work: a look is a system call, and is most of what a
 * hit costs. What it saw, and what who asks saw himself, is written down with the moment of the look, so that neither looks at what the
 * other has seen. It holds in that moment and in the next, while time alone has passed. */
typedef struct ahead {
    pthread_t thread;
    bool has_begun, is_running, is_early;
    int fd;                    /* of the directory; `own_fd` or the tree's */
    int own_fd;                /* its own, where it began before there was a tree; else -1 */
    int64_t began_ms;          /* early: on the monotonic clock */
    uint64_t unrest, moment0;  /* of the tree, when it began; early: when the run did, and the moment before */
    atomic_bool is_over;       /* asks it to end */
    atomic_bool has_looked;    /* it has come to the end of the files */
    _Atomic uint32_t moment;   /* that is now, from moment0 on */
    _Atomic uint32_t *found;   /* by file: a mark_state in the lowest two bits, above them the moment */
} ahead;
struct rv_memo {
    char *root;
    rv_memo_of of;
    uint64_t values; bool is_accepted;
    void *map; size_t map_size; /* NULL: no file */
    const header *head;
    const record *records;
    const file *files;
    const uint32_t *refs;
    const char *text;
    uint64_t *seen;            /* by file of the map: the tree's generation in which it had its mark */
    ahead ahead;
    uint8_t *is_gone;          /* by node: its record does not hold any more */
    part fresh;
    uint32_t *fresh_of;        /* by node: index + 1 */
    rv_map fresh_files;        /* path → index */
    rv_arena arena;            /* keys of fresh_files; names of variables */
    RV_VEC(rv_str) hosts;
};

/* ---- variables ---- */

static rv_str value_of(const rv_memo *memo, rv_str name)
{
    for (const char *const *at = memo->of.environ; at && *at; at++)
        if (strncmp(*at, name.at, name.size) == 0 && (*at)[name.size] == '=') return rv_str_of(*at + name.size + 1);
    return (rv_str){NULL, 0};
}

static void host_add(rv_memo *memo, rv_str name)
{
    for (uint32_t i = 0; i < memo->hosts.count; i++)
        if (rv_str_eq(memo->hosts.at[i], name)) return;
    rv_vec_push(&memo->hosts, rv_arena_str(&memo->arena, name));
}

static uint64_t hosts_hash(const rv_memo *memo)
{
    uint64_t hash = 0;
    for (uint32_t i = 0; i < memo->hosts.count; i++) {
        rv_str value = value_of(memo, memo->hosts.at[i]);
        hash = rv_hash64(value, rv_hash64(memo->hosts.at[i], hash) + (value.at != NULL));
    }
    return hash;
}

/* ---- the file ---- */

static void path_of(const rv_memo *memo, const char *suffix, rv_buf *out)
{
    uint64_t name;
    memcpy(&name, memo->of.workflow.bytes, sizeof name);
    rv_buf_printf(out, "%s/known/%016llx%s", memo->root, (unsigned long long)name, suffix);
}

static uint64_t checksum_of(const void *map, size_t size)
{
    size_t skipped = offsetof(header, values);
    return rv_hash64((rv_str){(const char *)map + skipped, size - skipped}, MAGIC);
}

static bool is_whole(const rv_memo *memo, const header *head, size_t size)
{
    if (head->magic != MAGIC || head->node_count != memo->of.node_count) return false;
    if (memcmp(head->workflow.bytes, memo->of.workflow.bytes, sizeof head->workflow.bytes) != 0) return false;
    uint64_t sum = sizeof *head + (uint64_t)head->node_count * sizeof(record) + (uint64_t)head->file_count * sizeof(file) +
                   (uint64_t)head->ref_count * sizeof(uint32_t) + head->text_size;
    return head->text_size > 0 && sum == size && checksum_of(head, size) == head->checksum && ((const char *)head)[size - 1] == 0;
}

/* The names of variables at the beginning of the text, and whether they have the values that they had. */
static bool take_hosts(rv_memo *memo)
{
    const char *at = memo->text, *end = memo->text + memo->head->text_size;
    for (uint32_t i = 0; i < memo->head->host_count; i++) {
        if (at >= end) return false;
        host_add(memo, rv_str_of(at));
        at += strlen(at) + 1;
    }
    return hosts_hash(memo) == memo->head->hosts;
}

static void forget_map(rv_memo *memo)
{
    if (memo->map) munmap(memo->map, memo->map_size);
    memo->map = NULL, memo->head = NULL;
}

static void read_map(rv_memo *memo)
{
    struct stat info;
    rv_buf path = {0};
    path_of(memo, "", &path);
    int fd = open(path.at, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    rv_buf_deinit(&path);
    bool is_file = fd >= 0 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size > (off_t)sizeof(header);
    size_t size = is_file ? (size_t)info.st_size : 0;
    void *map = is_file ? mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0) : MAP_FAILED;
    if (fd >= 0) close(fd);
    if (map == MAP_FAILED) return;
    memo->map = map, memo->map_size = size, memo->head = map;
    if (!is_whole(memo, memo->head, size)) { forget_map(memo); return; }
    memo->records = (const record *)(memo->head + 1);
    memo->files = (const file *)(memo->records + memo->head->node_count);
    memo->refs = (const uint32_t *)(memo->files + memo->head->file_count);
    memo->text = (const char *)(memo->refs + memo->head->ref_count);
    if (take_hosts(memo)) {
        memo->seen = rv_alloc(sizeof *memo->seen * (memo->head->file_count + 1));
        memo->is_gone = rv_alloc(memo->of.node_count + 1);
        return;
    }
    rv_vec_clear(&memo->hosts);
    forget_map(memo);
}

rv_memo *rv_memo_open(const rv_memo_of *of)
{
    rv_memo *memo = rv_alloc(sizeof *memo);
    memo->of = *of;
    memo->root = rv_cstring_dup(rv_str_of(of->root));
    memo->ahead.own_fd = -1;
    read_map(memo);
    return memo;
}

bool rv_memo_is_of(const rv_memo *memo, const rv_digest *workflow, uint32_t node_count)
{
    return memcmp(memo->of.workflow.bytes, workflow->bytes, sizeof workflow->bytes) == 0 && memo->of.node_count == node_count;
}

/* ---- looking ahead ---- */

/* What was seen of a file and holds in this moment. */
static mark_state seen_in(const ahead *a, uint32_t index, uint32_t moment)
{
    uint32_t found = atomic_load_explicit(&a->found[index], memory_order_relaxed);
    return moment - (found >> 2) <= 1 ? (mark_state)(found & 3) : MARK_UNKNOWN;
}

static void write_down(const ahead *a, uint32_t index, uint32_t moment, bool is_same)
{
    atomic_store_explicit(&a->found[index], moment << 2 | (is_same ? MARK_SAME : MARK_OTHER), memory_order_relaxed);
}

static void *look_ahead(void *user)
{
    rv_memo *memo = user;
    ahead *a = &memo->ahead;
    for (uint32_t i = 0; i < memo->head->file_count && !atomic_load_explicit(&a->is_over, memory_order_relaxed); i++) {
        uint32_t moment = atomic_load_explicit(&a->moment, memory_order_relaxed);
        if (seen_in(a, i, moment) || memo->files[i].path >= memo->head->text_size) continue;
        write_down(a, i, moment, rv_tree_has_mark(a->fd, memo->text + memo->files[i].path, &memo->files[i].mark));
    }
    atomic_store_explicit(&a->has_looked, !atomic_load_explicit(&a->is_over, memory_order_relaxed), memory_order_relaxed);
    return NULL;
}

bool rv_memo_has_looked(const rv_memo *memo) { return atomic_load_explicit(&memo->ahead.has_looked, memory_order_relaxed); }

bool rv_memo_is_looking(const rv_memo *memo) { return memo->ahead.is_running && !rv_memo_has_looked(memo); }

static void begin_ahead(rv_memo *memo, int fd)
{
    ahead *a = &memo->ahead;
    sigset_t all, before;
    a->has_begun = true;
    a->fd = fd;
    a->found = rv_alloc(sizeof *a->found * memo->head->file_count);
    sigfillset(&all); /* signals are the loop's */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    a->is_running = pthread_create(&a->thread, NULL, look_ahead, memo) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void end_ahead(rv_memo *memo)
{
    ahead *a = &memo->ahead;
    atomic_store_explicit(&a->is_over, true, memory_order_relaxed);
    if (a->is_running) pthread_join(a->thread, NULL);
    if (a->own_fd >= 0) close(a->own_fd);
    rv_free((void *)a->found);
    *a = (ahead){.own_fd = -1};
}

static bool has_many(const rv_memo *memo) { return memo->head && memo->head->file_count >= AHEAD_FILES_MIN; }

void rv_memo_look_early(rv_memo *memo, const char *dir, int64_t mono_ms)
{
    ahead *a = &memo->ahead;
    if (!has_many(memo)) return;
    a->own_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (a->own_fd < 0) return;
    a->is_early = true;
    a->began_ms = mono_ms;
    begin_ahead(memo, a->own_fd);
}

static bool is_same_directory(int a, int b)
{
    struct stat of_a, of_b;
    return fstat(a, &of_a) == 0 && fstat(b, &of_b) == 0 && of_a.st_dev == of_b.st_dev && of_a.st_ino == of_b.st_ino;
}

void rv_memo_look_ahead(rv_memo *memo, const rv_tree *tree, int64_t mono_ms)
{
    ahead *a = &memo->ahead;
    bool is_taken_over = a->is_early && mono_ms - a->began_ms < EARLY_MS && is_same_directory(a->fd, rv_tree_fd(tree));
    if (a->is_early && !is_taken_over) end_ahead(memo);
    if (!has_many(memo) || (a->has_begun && !a->is_early)) return;
    a->is_early = false;
    a->unrest = rv_tree_unrest(tree);
    a->moment0 = rv_tree_now(tree) - is_taken_over;
    atomic_store_explicit(&a->moment, is_taken_over, memory_order_relaxed);
    if (!a->has_begun) begin_ahead(memo, rv_tree_fd(tree));
}

void rv_memo_accept(rv_memo *memo, uint64_t values)
{
    memo->values = values;
    memo->is_accepted = true;
    if (!memo->head || memo->head->values == values) return;
    end_ahead(memo);
    rv_vec_clear(&memo->hosts);
    forget_map(memo);
}

/* ---- finding ---- */

static bool has_mark(const rv_memo *memo, uint32_t index, const rv_tree *tree, bool is_calm, uint32_t moment)
{
    const ahead *a = &memo->ahead;
    mark_state seen = is_calm ? seen_in(a, index, moment) : MARK_UNKNOWN;
    if (seen) return seen == MARK_SAME;
    bool is_same = rv_tree_has_mark(rv_tree_fd(tree), memo->text + memo->files[index].path, &memo->files[index].mark);
    if (is_calm) write_down(a, index, moment, is_same);
    return is_same;
}

/* Whether what the thread saw may hold, and in which moment; once files may have changed it looks for nothing. */
static bool is_calm(rv_memo *memo, const rv_tree *tree, uint32_t *ret_moment)
{
    ahead *a = &memo->ahead;
    if (!a->is_running) return false;
    *ret_moment = (uint32_t)(rv_tree_now(tree) - a->moment0);
    atomic_store_explicit(&a->moment, *ret_moment, memory_order_relaxed);
    if (a->unrest == rv_tree_unrest(tree)) return true;
    atomic_store_explicit(&a->is_over, true, memory_order_relaxed);
    return false;
}

static bool has_marks(rv_memo *memo, const record *given, const rv_tree *tree)
{
    uint32_t moment = 0;
    bool is_seen_ahead = is_calm(memo, tree, &moment);
    const header *head = memo->head;
    if (given->ref_first > head->ref_count || given->ref_count > head->ref_count - given->ref_first) return false;
    uint64_t generation = rv_tree_generation(tree);
    for (uint32_t i = 0; i < given->ref_count; i++) {
        uint32_t index = memo->refs[given->ref_first + i];
        if (index >= head->file_count || memo->files[index].path >= head->text_size) return false;
        if (memo->seen[index] == generation) continue;
        if (!has_mark(memo, index, tree, is_seen_ahead, moment)) return false;
        memo->seen[index] = generation;
    }
    return true;
}

bool rv_memo_find(rv_memo *memo, uint32_t node, uint64_t preds, const rv_tree *tree, rv_memo_hit *ret)
{
    if (!memo->is_accepted || !memo->head || node >= memo->of.node_count) return false;
    if (memo->is_gone[node] || memo->records[node].entry == 0) return false;
    const record *found = &memo->records[node];
    if (found->preds != preds || !has_marks(memo, found, tree)) {
        memo->is_gone[node] = 1;
        return false;
    }
    *ret = (rv_memo_hit){.key = found->key, .outcome = found->outcome, .entry = found->entry, .duration_ms = found->duration_ms,
                         .exit_status = found->exit_status};
    return true;
}

/* ---- noting ---- */

static bool add_file(rv_memo *memo, rv_tree *tree, const rv_tree_file *given)
{
    rv_mark mark;
    if (given->kind != RV_TREE_FILE || !rv_tree_mark_of(tree, given->path, given->mode, &given->digest, &mark)) return false;
    uint32_t index = rv_map_get(&memo->fresh_files, given->path);
    bool is_known = index != RV_NONE && memcmp(&memo->fresh.files.at[index].mark, &mark, sizeof mark) == 0;
    if (!is_known) {
        if (memo->fresh.files.count >= FILES_MAX) return false;
        index = memo->fresh.files.count;
        rv_vec_push(&memo->fresh.files, ((file){mark, memo->fresh.text.size}));
        rv_buf_add(&memo->fresh.text, given->path.at, given->path.size + 1);
        (void)rv_map_add(&memo->fresh_files, rv_arena_str(&memo->arena, given->path), index); /* the first mark of a path stays findable */
    }
    rv_vec_push(&memo->fresh.refs, index);
    return true;
}

void rv_memo_note(rv_memo *memo, uint32_t node, uint64_t preds, const rv_memo_hit *hit, rv_tree *tree, const rv_memo_files *files,
                  const rv_str *hosts, uint32_t host_count)
{
    uint32_t first = memo->fresh.refs.count, count = files->input_count + files->output_count;
    if (node >= memo->of.node_count || files->input_count > NODE_FILES_MAX || files->output_count > NODE_FILES_MAX) return;
    bool is_good = true;
    for (uint32_t i = 0; i < files->input_count && is_good; i++) is_good = add_file(memo, tree, &files->inputs[i]);
    for (uint32_t i = 0; i < files->output_count && is_good; i++) is_good = add_file(memo, tree, &files->outputs[i]);
    if (!is_good) {
        memo->fresh.refs.count = first;
        return;
    }
    for (uint32_t i = 0; i < host_count; i++) host_add(memo, hosts[i]);
    if (!memo->fresh_of) memo->fresh_of = rv_alloc(sizeof *memo->fresh_of * (memo->of.node_count + 1));
    if (!memo->fresh_of[node]) {
        (void)rv_vec_add(&memo->fresh.records);
        memo->fresh_of[node] = memo->fresh.records.count;
    }
    memo->fresh.records.at[memo->fresh_of[node] - 1] = (record){
        .key = hit->key, .outcome = hit->outcome, .entry = hit->entry, .preds = preds, .duration_ms = hit->duration_ms,
        .exit_status = hit->exit_status, .ref_first = first, .ref_count = count};
}

/* ---- writing ---- */

/* A record with its files, from the map or from what is new, appended to what is written. moved: by its file, where it went + 1. */
static void move(part *out, uint32_t node, const record *from, const uint32_t *refs, const file *files, const char *text, uint32_t *moved)
{
    record *to = &out->records.at[node];
    *to = *from;
    to->ref_first = out->refs.count;
    for (uint32_t i = 0; i < from->ref_count; i++) {
        uint32_t index = refs[from->ref_first + i];
        if (!moved[index]) {
            const char *path = text + files[index].path;
            rv_vec_push(&out->files, ((file){files[index].mark, out->text.size}));
            rv_buf_add(&out->text, path, strlen(path) + 1);
            moved[index] = out->files.count;
        }
        rv_vec_push(&out->refs, moved[index] - 1);
    }
}

static bool is_sound(const rv_memo *memo, const record *given)
{
    const header *head = memo->head;
    if (given->entry == 0 || given->ref_first > head->ref_count || given->ref_count > head->ref_count - given->ref_first) return false;
    for (uint32_t i = 0; i < given->ref_count; i++) {
        uint32_t index = memo->refs[given->ref_first + i];
        if (index >= head->file_count || memo->files[index].path >= head->text_size) return false;
    }
    return true;
}

static void gather(const rv_memo *memo, part *out)
{
    uint32_t *from_map = memo->head ? rv_alloc(sizeof *from_map * (memo->head->file_count + 1)) : NULL;
    uint32_t *from_fresh = rv_alloc(sizeof *from_fresh * (memo->fresh.files.count + 1));
    for (uint32_t i = 0; i < memo->hosts.count; i++) {
        rv_buf_str_add(&out->text, memo->hosts.at[i]);
        rv_buf_byte(&out->text, 0);
    }
    for (uint32_t node = 0; node < memo->of.node_count; node++) {
        rv_vec_push(&out->records, (record){0});
        uint32_t fresh = memo->fresh_of ? memo->fresh_of[node] : 0;
        bool is_old = !fresh && memo->head && !memo->is_gone[node] && is_sound(memo, &memo->records[node]);
        if (fresh)
            move(out, node, &memo->fresh.records.at[fresh - 1], memo->fresh.refs.at, memo->fresh.files.at, memo->fresh.text.at, from_fresh);
        else if (is_old) move(out, node, &memo->records[node], memo->refs, memo->files, memo->text, from_map);
    }
    rv_free(from_map);
    rv_free(from_fresh);
}

/* ROOT/known has room for one more. */
static void make_room(const rv_memo *memo)
{
    char oldest[64];
    struct stat info;
    uint32_t count = 0;
    struct timespec least = {0};
    rv_buf path = {0};
    rv_buf_printf(&path, "%s/known", memo->root);
    DIR *dir = opendir(path.at);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        if (entry->d_name[0] == '.' || strlen(entry->d_name) >= sizeof oldest) continue;
        if (fstatat(dirfd(dir), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
        bool is_older = count == 0 || info.st_mtim.tv_sec < least.tv_sec ||
                        (info.st_mtim.tv_sec == least.tv_sec && info.st_mtim.tv_nsec < least.tv_nsec);
        count++;
        if (!is_older) continue;
        least = info.st_mtim;
        strcpy(oldest, entry->d_name);
    }
    if (count >= RV_MEMO_FILES_MAX) (void)unlinkat(dirfd(dir), oldest, 0);
    if (dir) closedir(dir);
    rv_buf_deinit(&path);
}

static bool write_file(const rv_memo *memo, const part *all, const char *path)
{
    rv_buf bytes = {0};
    header head = {.magic = MAGIC, .values = memo->values, .hosts = hosts_hash(memo), .workflow = memo->of.workflow,
                   .text_size = all->text.size, .node_count = all->records.count, .file_count = all->files.count,
                   .ref_count = all->refs.count, .host_count = memo->hosts.count};
    rv_buf_add(&bytes, &head, sizeof head);
    rv_buf_add(&bytes, all->records.at, sizeof(record) * all->records.count);
    rv_buf_add(&bytes, all->files.at, sizeof(file) * all->files.count);
    rv_buf_add(&bytes, all->refs.at, sizeof(uint32_t) * all->refs.count);
    rv_buf_str_add(&bytes, rv_buf_str(&all->text));
    ((header *)(void *)bytes.at)->checksum = checksum_of(bytes.at, bytes.size);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool is_good = fd >= 0 && rv_file_write(fd, rv_buf_str(&bytes), RV_FILE_APPEND);
    if (fd >= 0) close(fd);
    rv_buf_deinit(&bytes);
    return is_good;
}

static void part_deinit(part *given)
{
    rv_vec_deinit(&given->records);
    rv_vec_deinit(&given->files);
    rv_vec_deinit(&given->refs);
    rv_buf_deinit(&given->text);
}

static void save(const rv_memo *memo)
{
    part all = {0};
    rv_buf dir = {0}, path = {0}, written = {0};
    rv_buf_printf(&dir, "%s/known", memo->root);
    path_of(memo, "", &path);
    path_of(memo, ".new", &written);
    bool has_room = mkdir(dir.at, 0700) == 0 || errno == EEXIST;
    if (has_room && access(path.at, F_OK) != 0) make_room(memo);
    gather(memo, &all);
    if (!write_file(memo, &all, written.at) || rename(written.at, path.at) != 0)
        rv_log(RV_LOG_DEBUG, "%s: cannot be written: %s", path.at, strerror(errno));
    part_deinit(&all);
    rv_buf_deinit(&dir);
    rv_buf_deinit(&path);
    rv_buf_deinit(&written);
}

void rv_memo_close(rv_memo *memo, bool is_void)
{
    if (!memo) return;
    end_ahead(memo);
    rv_buf path = {0};
    path_of(memo, "", &path);
    if (is_void) (void)unlink(path.at);
    else if (memo->fresh.records.count) save(memo);
    rv_buf_deinit(&path);
    forget_map(memo);
    rv_free(memo->root);
    rv_free(memo->seen);
    rv_free(memo->is_gone);
    rv_free(memo->fresh_of);
    part_deinit(&memo->fresh);
    rv_map_deinit(&memo->fresh_files);
    rv_vec_deinit(&memo->hosts);
    rv_arena_deinit(&memo->arena);
    rv_free(memo);
}
