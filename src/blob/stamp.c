/* stamp.c: an open-addressed table, as it lies in the file.
 *
 *   [header 32][slot 72][slot 72] …     capacity slots, a power of two, at most three quarters used; name 0: free
 *
 * Numbers are the machine's own: the file never leaves it. */
#include "blob/stamp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "blob/file.h"

#define MAGIC UINT64_C(0x31504d4154535652) /* "RVSTAMP1" */
#define CAPACITY_MIN 256u
#define NS_A_SECOND INT64_C(1000000000)

typedef struct slot {
    uint64_t name, size, inode;
    int64_t mtime_ns, ctime_ns;
    rv_digest digest;
} slot;
_Static_assert(sizeof(slot) == 72, "a slot is what stands in the file");

typedef struct header { uint64_t magic, capacity, count, checksum; } header;
_Static_assert(sizeof(header) == 32, "the header is what stands in the file");

typedef struct table { slot *slots; uint64_t capacity, count; } table;

struct rv_stamps {
    char *path, *path_new;
    void *map; /* the file; NULL: none */
    size_t map_size;
    table old; /* within map, read-only */
    table fresh;
    bool is_read; /* the file was looked for: with the first question */
};

/* ---- tables ---- */

/* Where `name` is, or the free slot where it would be. The table has a free slot. */
static slot *find(const table *in, uint64_t name)
{
    uint64_t at = name & (in->capacity - 1);
    while (in->slots[at].name && in->slots[at].name != name) at = (at + 1) & (in->capacity - 1);
    return &in->slots[at];
}

static void table_grow(table *in, uint64_t capacity)
{
    table grown = {.slots = rv_alloc(capacity * sizeof(slot)), .capacity = capacity, .count = in->count};
    for (uint64_t i = 0; i < in->capacity; i++)
        if (in->slots[i].name) *find(&grown, in->slots[i].name) = in->slots[i];
    rv_free(in->slots);
    *in = grown;
}

static void put(table *in, const slot *given)
{
    if ((in->count + 1) * 4 > in->capacity * 3) table_grow(in, RV_MAX(in->capacity * 2, CAPACITY_MIN));
    slot *at = find(in, given->name);
    in->count += at->name == 0;
    *at = *given;
}

/* ---- the file ---- */

static uint64_t checksum_of(const header *head, const slot *slots)
{
    return rv_hash64((rv_str){(const char *)slots, head->capacity * sizeof(slot)}, head->magic ^ head->capacity ^ (head->count << 1));
}

static bool is_whole(const header *head, size_t size)
{
    if (size < sizeof *head || head->magic != MAGIC) return false;
    bool is_power = head->capacity >= CAPACITY_MIN && (head->capacity & (head->capacity - 1)) == 0;
    if (!is_power || head->capacity > 4 * (uint64_t)RV_STAMPS_MAX || head->count * 4 > head->capacity * 3) return false;
    return size == sizeof *head + head->capacity * sizeof(slot) && checksum_of(head, (const slot *)(head + 1)) == head->checksum;
}

/* With the first question: a run of which all is remembered (engine/memo.h) has none, and the file has megabytes. */
static void map_file(rv_stamps *stamps)
{
    struct stat info;
    if (stamps->is_read) return;
    stamps->is_read = true;
    RV_AUTO_CLOSE int fd = open(stamps->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) || info.st_size < (off_t)sizeof(header)) return;
    size_t size = (size_t)info.st_size;
    void *map = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0); /* nobody writes to it in place: see save */
    if (map == MAP_FAILED) return;
    const header *head = map;
    if (!is_whole(head, size)) {
        munmap(map, size);
        return;
    }
    stamps->map = map, stamps->map_size = size;
    stamps->old = (table){.slots = (slot *)(void *)((char *)map + sizeof *head), .capacity = head->capacity, .count = head->count};
}

rv_stamps *rv_stamps_open(const char *root)
{
    rv_stamps *stamps = rv_alloc(sizeof *stamps);
    rv_buf path = {0};
    rv_buf_printf(&path, "%s/stamps", root);
    stamps->path = rv_cstring_dup(rv_buf_str(&path));
    rv_buf_cstring(&path, ".new");
    stamps->path_new = rv_cstring_dup(rv_buf_str(&path));
    rv_buf_deinit(&path);
    return stamps;
}

static bool write_file(const rv_stamps *stamps, const table *all)
{
    header head = {.magic = MAGIC, .capacity = all->capacity, .count = all->count};
    head.checksum = checksum_of(&head, all->slots);
    RV_AUTO_CLOSE int fd = open(stamps->path_new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    return fd >= 0 && rv_file_write(fd, (rv_str){(const char *)&head, sizeof head}, RV_FILE_APPEND) &&
           rv_file_write(fd, (rv_str){(const char *)all->slots, all->capacity * sizeof(slot)}, RV_FILE_APPEND) &&
           rename(stamps->path_new, stamps->path) == 0;
}

void rv_stamps_save(rv_stamps *stamps)
{
    table all = {0};
    if (stamps->fresh.count == 0) return;
    map_file(stamps);
    bool keeps_old = stamps->old.count + stamps->fresh.count <= RV_STAMPS_MAX;
    uint64_t capacity = CAPACITY_MIN, count = stamps->fresh.count + (keeps_old ? stamps->old.count : 0);
    while (count * 4 > capacity * 3) capacity *= 2;
    table_grow(&all, capacity);
    for (uint64_t i = 0; keeps_old && i < stamps->old.capacity; i++)
        if (stamps->old.slots[i].name) put(&all, &stamps->old.slots[i]);
    for (uint64_t i = 0; i < stamps->fresh.capacity; i++)
        if (stamps->fresh.slots[i].name) put(&all, &stamps->fresh.slots[i]);
    if (!write_file(stamps, &all)) rv_log(RV_LOG_DEBUG, "%s: cannot be written: %s", stamps->path, strerror(errno));
    rv_free(all.slots);
}

void rv_stamps_close(rv_stamps *stamps)
{
    if (!stamps) return;
    if (stamps->map) munmap(stamps->map, stamps->map_size);
    rv_free(stamps->fresh.slots);
    rv_free(stamps->path);
    rv_free(stamps->path_new);
    rv_free(stamps);
}

uint32_t rv_stamps_count(rv_stamps *stamps)
{
    uint64_t both = 0;
    map_file(stamps);
    for (uint64_t i = 0; i < stamps->fresh.capacity; i++) {
        uint64_t name = stamps->fresh.slots[i].name;
        both += name && stamps->old.capacity && find(&stamps->old, name)->name == name;
    }
    return (uint32_t)(stamps->old.count + stamps->fresh.count - both);
}

/* ---- stamps ---- */

uint64_t rv_stamp_name(uint64_t root_seed, rv_str path)
{
    uint64_t name = rv_hash64(path, root_seed);
    return name ? name : 1;
}

static int64_t ns_of(struct timespec time) { return (int64_t)time.tv_sec * NS_A_SECOND + time.tv_nsec; }

static int64_t fixed_ns;
void rv_stamp_clock_fix(int64_t ns) { fixed_ns = ns; }

int64_t rv_stamp_clock(void)
{
    struct timespec now;
    if (fixed_ns) return fixed_ns;
    int failed = clock_gettime(CLOCK_REALTIME_COARSE, &now);
    RV_ASSERT(failed == 0);
    return ns_of(now);
}

void rv_stamp_mark(const struct stat *info, rv_mark *ret)
{
    *ret = (rv_mark){.size = (uint64_t)info->st_size, .inode = (uint64_t)info->st_ino, .mtime_ns = ns_of(info->st_mtim),
                          .ctime_ns = ns_of(info->st_ctim), .mode = info->st_mode & 07777};
}

bool rv_stamp_same(const struct stat *a, const struct stat *b)
{
    return a->st_size == b->st_size && a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_mode == b->st_mode &&
           ns_of(a->st_mtim) == ns_of(b->st_mtim) && ns_of(a->st_ctim) == ns_of(b->st_ctim);
}

static bool is_of(const slot *at, uint64_t name, const struct stat *now)
{
    return at->name == name && at->size == (uint64_t)now->st_size && at->inode == (uint64_t)now->st_ino &&
           at->mtime_ns == ns_of(now->st_mtim) && at->ctime_ns == ns_of(now->st_ctim);
}

bool rv_stamps_find(rv_stamps *stamps, uint64_t name, const struct stat *now, rv_digest *ret)
{
    map_file(stamps);
    const slot *at = stamps->fresh.count ? find(&stamps->fresh, name) : NULL;
    if ((!at || at->name != name) && stamps->old.count) at = find(&stamps->old, name);
    if (!at || !is_of(at, name, now)) return false;
    *ret = at->digest;
    return true;
}

void rv_stamps_note(rv_stamps *stamps, uint64_t name, const struct stat *now, int64_t read_ns, rv_digest digest)
{
    int64_t latest_ns = RV_MAX(ns_of(now->st_mtim), ns_of(now->st_ctim));
    bool is_whole_seconds = now->st_mtim.tv_nsec == 0 && now->st_ctim.tv_nsec == 0;
    int64_t past_ns = is_whole_seconds ? latest_ns + 2 * NS_A_SECOND : latest_ns;
    if (read_ns <= past_ns) return; /* keeps (1) */
    slot given = {.name = name, .size = (uint64_t)now->st_size, .inode = (uint64_t)now->st_ino, .mtime_ns = ns_of(now->st_mtim),
                  .ctime_ns = ns_of(now->st_ctim), .digest = digest};
    if (stamps->fresh.count < RV_STAMPS_MAX) put(&stamps->fresh, &given);
}
