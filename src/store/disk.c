/* Files are few and small: a list of them, each one its content, its durable content and the changes that lie between. */
#include "store/disk.h"

#include <sqlite3.h>
#include <stdio.h>

#define SECTOR_SIZE 512

typedef struct change {
    int64_t offset; /* of a write */
    int64_t size;   /* of a truncation when bytes is NULL */
    char *bytes;
} change;

typedef struct disk_file {
    char *path;
    bool is_log;
    bool exists, exists_durably;
    rv_buf content, durable;
    RV_VEC(change) pending; /* since the last sync: durable and these make content */
} disk_file;

typedef enum operation { OP_OPEN, OP_READ, OP_WRITE, OP_TRUNCATE, OP_SYNC, OP_DELETE, OP_ACCESS } operation;

struct rv_disk {
    uint64_t *seed;
    char name[40];
    sqlite3_vfs vfs;
    RV_VEC(disk_file *) files;
    uint32_t open_count;
    bool is_dead;
    rv_disk_fault fault;
    bool is_sticky;
    uint64_t fault_at, fault_base, hits;
    uint64_t count, hash;
    rv_disk_tally tally;
    void (*died)(void *user);
    void *died_user;
    uint64_t death_at; /* of count */
    void (*synced)(void *user);
    void *synced_user;
};

typedef struct open_file {
    sqlite3_file base; /* first */
    rv_disk *disk;
    disk_file *file;
} open_file;

static open_file *of(sqlite3_file *file) { return (open_file *)(void *)file; }

const char *rv_disk_fault_name(rv_disk_fault fault)
{
#define X(name_, text_) text_,
    static const char *const names[] = {RV_DISK_FAULT_MAP(X)};
#undef X
    RV_ASSERT(fault < RV_DISK_FAULT_COUNT);
    return names[fault];
}

/* ---- contents ---- */

static void change_apply(rv_buf *content, const change *made, int64_t from, int64_t to)
{
    if (!made->bytes) {
        if ((int64_t)content->size > made->size) content->size = (size_t)made->size;
        return;
    }
    size_t end = (size_t)(made->offset + to);
    if (content->size < end) {
        size_t more = end - content->size;
        memset(rv_buf_extend(content, more), 0, more);
    }
    if (to > from) memcpy(content->at + made->offset + from, made->bytes + from, (size_t)(to - from));
}

static void change_make(disk_file *file, int64_t offset, const void *bytes, int64_t size)
{
    change *made = rv_vec_add(&file->pending);
    *made = (change){.offset = offset, .size = size};
    if (bytes) {
        made->bytes = rv_alloc((size_t)RV_MAX(size, 1));
        memcpy(made->bytes, bytes, (size_t)size);
    }
    change_apply(&file->content, made, 0, size);
}

static void pending_clear(disk_file *file)
{
    for (uint32_t i = 0; i < file->pending.count; i++) rv_free(file->pending.at[i].bytes);
    rv_vec_clear(&file->pending);
}

static void content_set(rv_buf *to, const rv_buf *from)
{
    rv_buf_clear(to);
    rv_buf_add(to, from->at ? from->at : "", from->size);
}

static void make_durable(disk_file *file)
{
    for (uint32_t i = 0; i < file->pending.count; i++) change_apply(&file->durable, &file->pending.at[i], 0, file->pending.at[i].size);
    pending_clear(file);
    file->exists_durably = true;
}

/* What a loss of power leaves of a change: all of it, nothing, or a prefix or suffix of whole sectors. */
static void change_survive(rv_disk *disk, rv_buf *content, const change *made)
{
    uint64_t *seed = disk->seed;
    uint32_t what = rv_rng_below(seed, 4);
    int64_t cut = RV_MIN(made->size, (int64_t)rv_rng_below(seed, (uint32_t)(made->size / SECTOR_SIZE + 1)) * SECTOR_SIZE);
    disk->tally.lost += what == 0;
    disk->tally.torn += what > 1 && made->bytes && cut > 0 && cut < made->size;
    if (what == 0) return;
    if (what == 1 || !made->bytes) change_apply(content, made, 0, made->size);
    else change_apply(content, made, what == 2 ? 0 : cut, what == 2 ? cut : made->size);
}

static void lose_power(rv_disk *disk, disk_file *file)
{
    uint32_t how = rv_rng_below(disk->seed, 4); /* everything unsynced is gone, all of it stays, or each as it comes */
    if (how == 0) disk->tally.lost += file->pending.count;
    for (uint32_t i = 0; i < file->pending.count && how > 0; i++) {
        if (how == 1) change_apply(&file->durable, &file->pending.at[i], 0, file->pending.at[i].size);
        else change_survive(disk, &file->durable, &file->pending.at[i]);
    }
    pending_clear(file);
    content_set(&file->content, &file->durable);
    if (file->exists != file->exists_durably) file->exists = rv_rng_below(disk->seed, 2);
    file->exists_durably = file->exists;
}

static disk_file *file_of(rv_disk *disk, const char *path)
{
    for (uint32_t i = 0; i < disk->files.count; i++)
        if (strcmp(disk->files.at[i]->path, path) == 0) return disk->files.at[i];
    disk_file *file = rv_alloc(sizeof *file);
    file->path = rv_cstring_dup(rv_str_of(path));
    file->is_log = rv_str_ends(rv_str_of(path), RV_STR("-wal"));
    rv_vec_push(&disk->files, file);
    return file;
}

/* ---- failing ---- */

static bool applies(rv_disk_fault fault, operation op)
{
    switch (fault) {
    case RV_DISK_FAULT_NONE: return false;
    case RV_DISK_FAULT_EIO: return true;
    case RV_DISK_FAULT_FULL:
    case RV_DISK_FAULT_SHORT:
    case RV_DISK_FAULT_LATE: return op == OP_WRITE;
    case RV_DISK_FAULT_SYNC: return op == OP_SYNC;
    case RV_DISK_FAULT_OPEN: return op == OP_OPEN;
    case RV_DISK_FAULT_COUNT: break;
    }
    RV_UNREACHABLE();
}

static void note(rv_disk *disk, uint64_t what) { disk->hash = rv_hash64((rv_str){(const char *)&what, sizeof what}, disk->hash); }

/* Count the operation; how it fails, NONE: it does not. An operation on a dead disk fails, and is nobody's. */
static rv_disk_fault begin(rv_disk *disk, operation op, int64_t offset, int64_t size)
{
    if (disk->is_dead) return RV_DISK_FAULT_EIO;
    note(disk, (uint64_t)op << 56 ^ (uint64_t)size << 40 ^ (uint64_t)offset);
    uint64_t number = disk->count++;
    if (disk->died && number >= disk->death_at) {
        uint32_t when = rv_rng_below(disk->seed, 3);
        if (when == 0 || (when == 1 && op != OP_WRITE)) {
            rv_disk_die(disk);
            return RV_DISK_FAULT_EIO;
        }
        disk->tally.torn += when == 1;
        if (when == 1) return RV_DISK_FAULT_SHORT; /* the caller dies with a part of it done */
    }
    bool hits = number - disk->fault_base >= disk->fault_at && applies(disk->fault, op) && (disk->is_sticky || disk->hits == 0);
    disk->hits += hits;
    disk->tally.faults[disk->fault] += hits;
    if (hits) note(disk, disk->fault);
    return hits ? disk->fault : RV_DISK_FAULT_NONE;
}

/* The operation is done; was it the last one? */
static bool end(rv_disk *disk)
{
    bool is_last = disk->died && disk->count > disk->death_at;
    if (is_last) rv_disk_die(disk);
    return is_last;
}

void rv_disk_arm(rv_disk *disk, rv_disk_fault fault, uint64_t at, bool is_sticky)
{
    disk->fault = fault;
    disk->fault_at = at;
    disk->fault_base = disk->count;
    disk->is_sticky = is_sticky;
    disk->hits = 0;
}

uint64_t rv_disk_hits(const rv_disk *disk) { return disk->hits; }

void rv_disk_die_at(rv_disk *disk, uint64_t at, void (*died)(void *user), void *user)
{
    disk->died = died;
    disk->died_user = user;
    disk->death_at = disk->count + at;
}

void rv_disk_die(rv_disk *disk)
{
    if (disk->is_dead) return;
    disk->is_dead = true;
    if (disk->died) disk->died(disk->died_user);
    disk->died = NULL;
}

void rv_disk_revive(rv_disk *disk, bool has_lost_power)
{
    RV_ASSERT(disk->open_count == 0);
    for (uint32_t i = 0; i < disk->files.count && has_lost_power; i++) lose_power(disk, disk->files.at[i]);
    disk->is_dead = false;
    disk->died = NULL;
    rv_disk_arm(disk, RV_DISK_FAULT_NONE, 0, false);
}

void rv_disk_on_sync(rv_disk *disk, void (*fn)(void *user), void *user)
{
    disk->synced = fn;
    disk->synced_user = user;
}

bool rv_disk_is_log_durable(const rv_disk *disk)
{
    for (uint32_t i = 0; i < disk->files.count; i++)
        if (disk->files.at[i]->is_log && disk->files.at[i]->pending.count) return false;
    return true;
}

uint64_t rv_disk_hash(const rv_disk *disk) { return disk->hash; }
uint64_t rv_disk_count(const rv_disk *disk) { return disk->count; }
rv_disk_tally rv_disk_tally_of(const rv_disk *disk) { return disk->tally; }

/* ---- sqlite3_io_methods ---- */

static int file_close(sqlite3_file *file)
{
    of(file)->disk->open_count--;
    return SQLITE_OK;
}

static int file_read(sqlite3_file *file, void *bytes, int size, sqlite3_int64 offset)
{
    rv_disk *disk = of(file)->disk;
    const rv_buf *content = &of(file)->file->content;
    if (begin(disk, OP_READ, offset, size)) return SQLITE_IOERR_READ;
    size_t there = offset < (int64_t)content->size ? RV_MIN((size_t)size, content->size - (size_t)offset) : 0;
    if (there) memcpy(bytes, content->at + offset, there);
    memset((char *)bytes + there, 0, (size_t)size - there);
    if (end(disk)) return SQLITE_IOERR_READ;
    return there == (size_t)size ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

static int file_write(sqlite3_file *file, const void *bytes, int size, sqlite3_int64 offset)
{
    rv_disk *disk = of(file)->disk;
    rv_disk_fault how = begin(disk, OP_WRITE, offset, size);
    if (how == RV_DISK_FAULT_FULL) return SQLITE_FULL;
    if (how != RV_DISK_FAULT_NONE && how != RV_DISK_FAULT_SHORT && how != RV_DISK_FAULT_LATE) return SQLITE_IOERR_WRITE;
    disk->tally.unknown += how == RV_DISK_FAULT_LATE && of(file)->file->is_log;
    change_make(of(file)->file, offset, bytes, how == RV_DISK_FAULT_SHORT ? size / 2 : size);
    if (end(disk)) return SQLITE_IOERR_WRITE;
    return how == RV_DISK_FAULT_NONE ? SQLITE_OK : how == RV_DISK_FAULT_SHORT ? SQLITE_FULL : SQLITE_IOERR_WRITE;
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    rv_disk *disk = of(file)->disk;
    if (begin(disk, OP_TRUNCATE, 0, size)) return SQLITE_IOERR_TRUNCATE;
    change_make(of(file)->file, 0, NULL, size);
    return end(disk) ? SQLITE_IOERR_TRUNCATE : SQLITE_OK;
}

static int file_sync(sqlite3_file *file, int flags)
{
    rv_disk *disk = of(file)->disk;
    if (begin(disk, OP_SYNC, 0, 0)) return SQLITE_IOERR_FSYNC;
    make_durable(of(file)->file);
    if (disk->synced && of(file)->file->is_log) disk->synced(disk->synced_user);
    return end(disk) ? SQLITE_IOERR_FSYNC : SQLITE_OK;
}

static int file_size(sqlite3_file *file, sqlite3_int64 *size)
{
    *size = (sqlite3_int64)of(file)->file->content.size;
    return SQLITE_OK;
}

static int file_lock(sqlite3_file *file, int level) { return SQLITE_OK; }
static int file_reserved(sqlite3_file *file, int *out)
{
    *out = 0;
    return SQLITE_OK;
}
static int file_control(sqlite3_file *file, int op, void *arg) { return SQLITE_NOTFOUND; }
static int file_sector(sqlite3_file *file) { return SECTOR_SIZE; }
static int file_traits(sqlite3_file *file) { return 0; } /* keeps (3) */

static const sqlite3_io_methods methods = {
    .iVersion = 1, .xClose = file_close, .xRead = file_read, .xWrite = file_write, .xTruncate = file_truncate, .xSync = file_sync,
    .xFileSize = file_size, .xLock = file_lock, .xUnlock = file_lock, .xCheckReservedLock = file_reserved, .xFileControl = file_control,
    .xSectorSize = file_sector, .xDeviceCharacteristics = file_traits,
};

/* ---- sqlite3_vfs ---- */

static int vfs_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *out_flags)
{
    rv_disk *disk = vfs->pAppData;
    memset(of(file), 0, sizeof *of(file));
    if (begin(disk, OP_OPEN, 0, 0)) return SQLITE_CANTOPEN;
    disk_file *found = file_of(disk, path ? path : "/temporary");
    if (!found->exists && !(flags & SQLITE_OPEN_CREATE)) return SQLITE_CANTOPEN;
    if (!found->exists) {
        pending_clear(found);
        rv_buf_clear(&found->content);
        rv_buf_clear(&found->durable);
        found->exists = true;
    }
    if (end(disk)) return SQLITE_CANTOPEN;
    of(file)->base.pMethods = &methods;
    of(file)->disk = disk;
    of(file)->file = found;
    disk->open_count++;
    if (out_flags) *out_flags = flags;
    return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *path, int sync_directory)
{
    rv_disk *disk = vfs->pAppData;
    if (begin(disk, OP_DELETE, 0, sync_directory)) return SQLITE_IOERR_DELETE;
    disk_file *file = file_of(disk, path);
    if (!file->exists) return SQLITE_IOERR_DELETE_NOENT;
    file->exists = false;
    if (sync_directory) file->exists_durably = false;
    return end(disk) ? SQLITE_IOERR_DELETE : SQLITE_OK;
}

static int vfs_access(sqlite3_vfs *vfs, const char *path, int flags, int *out)
{
    rv_disk *disk = vfs->pAppData;
    if (begin(disk, OP_ACCESS, 0, flags)) return SQLITE_IOERR_ACCESS;
    const disk_file *file = file_of(disk, path);
    *out = file->exists && (flags != SQLITE_ACCESS_EXISTS || file->content.size > 0);
    return end(disk) ? SQLITE_IOERR_ACCESS : SQLITE_OK;
}

static int vfs_path(sqlite3_vfs *vfs, const char *path, int size, char *out)
{
    (void)snprintf(out, (size_t)size, "%s", path);
    return SQLITE_OK;
}

static int vfs_random(sqlite3_vfs *vfs, int size, char *out)
{
    memset(out, 0, (size_t)size);
    return size;
}

static int vfs_sleep(sqlite3_vfs *vfs, int us) { return us; }

static int vfs_time(sqlite3_vfs *vfs, double *days)
{
    *days = 2461374.5; /* 2026-11-29, as a Julian day */
    return SQLITE_OK;
}

rv_disk *rv_disk_new(uint64_t *seed)
{
    static uint32_t number;
    rv_disk *disk = rv_alloc(sizeof *disk);
    disk->seed = seed;
    sqlite3_test_control(SQLITE_TESTCTRL_PRNG_SEED, 1 + (int)(*seed & 0xffffff), NULL); /* SQLite salts its log with random numbers */
    (void)snprintf(disk->name, sizeof disk->name, "reeve-disk-%u", number++);
    disk->vfs = (sqlite3_vfs){.iVersion = 1, .szOsFile = (int)sizeof(open_file), .mxPathname = 1024, .zName = disk->name, .pAppData = disk,
                              .xOpen = vfs_open, .xDelete = vfs_delete, .xAccess = vfs_access, .xFullPathname = vfs_path,
                              .xRandomness = vfs_random, .xSleep = vfs_sleep, .xCurrentTime = vfs_time};
    RV_ASSERT(sqlite3_vfs_register(&disk->vfs, 0) == SQLITE_OK);
    return disk;
}

void rv_disk_free(rv_disk *disk)
{
    if (!disk) return;
    RV_ASSERT(disk->open_count == 0);
    RV_ASSERT(sqlite3_vfs_unregister(&disk->vfs) == SQLITE_OK);
    for (uint32_t i = 0; i < disk->files.count; i++) {
        disk_file *file = disk->files.at[i];
        pending_clear(file);
        rv_vec_deinit(&file->pending);
        rv_buf_deinit(&file->content), rv_buf_deinit(&file->durable);
        rv_free(file->path);
        rv_free(file);
    }
    rv_vec_deinit(&disk->files);
    rv_free(disk);
}

const char *rv_disk_vfs(const rv_disk *disk) { return disk->name; }

void rv_disk_copy(rv_disk *to, const rv_disk *from)
{
    RV_ASSERT(to->files.count == 0);
    for (uint32_t i = 0; i < from->files.count; i++) {
        const disk_file *source = from->files.at[i];
        if (!source->exists) continue;
        disk_file *file = file_of(to, source->path);
        content_set(&file->content, &source->content);
        content_set(&file->durable, &source->content);
        file->exists = file->exists_durably = true;
    }
}
