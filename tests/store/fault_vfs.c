#include "fault_vfs.h"

#include "base/util.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>

#define X(name_, text_) text_,
const char *const fault_names[FAULT_COUNT] = {FAULT_MAP(X)};
#undef X

/* ---- the model: what is on the platter, and what is on its way ---- */

typedef struct change {
    int64_t offset; /* of a write */
    int64_t size;   /* of a truncation when bytes is NULL */
    char *bytes;
} change;

typedef struct file_model {
    char *path;
    rv_buf durable;
    bool exists, exists_durably;
    RV_VEC(change) pending; /* since the last sync */
} file_model;

/* What is armed and counted: a test arms while the store's own thread may be syncing. */
static pthread_mutex_t armed_lock = PTHREAD_MUTEX_INITIALIZER;

static struct {
    RV_VEC(file_model *) files;
    fault kind;
    uint64_t at, count, hits, struck, syncs;
    bool is_sticky;
    fault_operation_fn *watch;
    void *watch_user;
    sqlite3_vfs *real, vfs;
} all;

static file_model *model_of(const char *path) {
    for (uint32_t i = 0; i < all.files.count; i++)
        if (strcmp(all.files.at[i]->path, path) == 0)
            return all.files.at[i];
    file_model *file = rv_alloc(sizeof *file);
    file->path = rv_cstring_dup(rv_str_of(path));
    rv_vec_push(&all.files, file);
    return file;
}

static void pending_clear(file_model *file) {
    for (uint32_t i = 0; i < file->pending.count; i++)
        rv_free(file->pending.at[i].bytes);
    rv_vec_clear(&file->pending);
}

void fault_vfs_forget(void) {
    for (uint32_t i = 0; i < all.files.count; i++) {
        pending_clear(all.files.at[i]);
        rv_vec_deinit(&all.files.at[i]->pending);
        rv_buf_deinit(&all.files.at[i]->durable);
        rv_free(all.files.at[i]->path);
        rv_free(all.files.at[i]);
    }
    rv_vec_deinit(&all.files);
}

static void change_apply(rv_buf *content, const change *made, int64_t from, int64_t to) {
    if (!made->bytes) {
        if ((int64_t)content->size > made->size)
            content->size = (size_t)made->size;
        return;
    }
    int64_t end = made->offset + to;
    if ((int64_t)content->size < end) {
        size_t more = (size_t)end - content->size;
        memset(rv_buf_extend(content, more), 0, more);
    }
    memcpy(content->at + made->offset + from, made->bytes + from, (size_t)(to - from));
}

static void model_change(file_model *file, int64_t offset, const void *bytes, int64_t size) {
    change *made = rv_vec_add(&file->pending);
    made->offset = offset;
    made->size = size;
    if (!bytes)
        return;
    made->bytes = rv_alloc((size_t)size);
    memcpy(made->bytes, bytes, (size_t)size);
}

static void model_sync(file_model *file) {
    for (uint32_t i = 0; i < file->pending.count; i++)
        change_apply(&file->durable, &file->pending.at[i], 0, file->pending.at[i].size);
    pending_clear(file);
    file->exists_durably = true;
}

/* A random part of a write survives: all, nothing, or a prefix or suffix of whole sectors. */
static void change_survive(rv_buf *content, const change *made, uint64_t *seed) {
    uint32_t what = rv_rng_below(seed, 4);
    int64_t cut = RV_MIN(made->size, (int64_t)(rv_rng_below(seed, (uint32_t)(made->size / 512 + 1)) * 512));
    if (what == 0)
        return;
    if (what == 1 || !made->bytes)
        change_apply(content, made, 0, made->size);
    else
        change_apply(content, made, what == 2 ? 0 : cut, what == 2 ? cut : made->size);
}

void fault_vfs_survivors(const char *to, fault_loss loss, uint64_t *seed) {
    for (uint32_t i = 0; i < all.files.count; i++) {
        const file_model *file = all.files.at[i];
        bool exists = loss == FAULT_LOSS_ALL ? file->exists_durably : loss == FAULT_LOSS_NONE ? file->exists
                      : file->exists == file->exists_durably ? file->exists : rv_rng_below(seed, 2);
        if (!exists)
            continue;
        rv_buf content = {0};
        rv_buf_add(&content, file->durable.at ? file->durable.at : "", file->durable.size);
        for (uint32_t k = 0; k < file->pending.count; k++) {
            const change *made = &file->pending.at[k];
            if (loss == FAULT_LOSS_NONE)
                change_apply(&content, made, 0, made->size);
            else if (loss == FAULT_LOSS_SOME)
                change_survive(&content, made, seed);
        }
        char path[512];
        (void)snprintf(path, sizeof path, "%s%s", to, strrchr(file->path, '/'));
        FILE *out = fopen(path, "wb");
        RV_ASSERT(out && fwrite(content.at, 1, content.size, out) == content.size && fclose(out) == 0);
        rv_buf_deinit(&content);
    }
}

/* ---- failing ---- */

typedef enum operation { OP_OPEN, OP_READ, OP_WRITE, OP_TRUNCATE, OP_SYNC, OP_DELETE, OP_ACCESS } operation;

static bool applies(fault kind, operation op) {
    switch (kind) {
    case FAULT_NONE: return false;
    case FAULT_EIO: return true;
    case FAULT_EIO_BUT_SYNC: return op != OP_SYNC;
    case FAULT_WRITE_EIO: return op == OP_WRITE || op == OP_TRUNCATE;
    case FAULT_READ_EIO: return op == OP_READ;
    case FAULT_FULL:
    case FAULT_SHORT:
    case FAULT_LATE: return op == OP_WRITE;
    case FAULT_SYNC: return op == OP_SYNC;
    case FAULT_OPEN: return op == OP_OPEN;
    case FAULT_COUNT: break;
    }
    RV_UNREACHABLE();
}

/* Count the operation. How it fails, NONE: it does not. */
static fault fails(operation op) {
    if (all.watch && op != OP_READ && op != OP_ACCESS)
        all.watch(all.watch_user, all.count);
    pthread_mutex_lock(&armed_lock);
    all.syncs += op == OP_SYNC;
    bool hit = all.count++ >= all.at && applies(all.kind, op) && (all.is_sticky || all.hits == 0);
    fault kind = hit ? all.kind : FAULT_NONE;
    if (hit && all.hits == 0) all.struck = all.count - 1;
    all.hits += hit;
    pthread_mutex_unlock(&armed_lock);
    return kind;
}

void fault_vfs_arm(fault kind, uint64_t at, bool is_sticky) {
    pthread_mutex_lock(&armed_lock);
    all.kind = kind;
    all.at = at;
    all.is_sticky = is_sticky;
    all.count = all.hits = all.syncs = 0;
    all.struck = UINT64_MAX;
    pthread_mutex_unlock(&armed_lock);
}

void fault_vfs_disarm(void) {
    pthread_mutex_lock(&armed_lock);
    all.kind = FAULT_NONE;
    pthread_mutex_unlock(&armed_lock);
}

static uint64_t locked(const uint64_t *number) {
    pthread_mutex_lock(&armed_lock);
    uint64_t value = *number;
    pthread_mutex_unlock(&armed_lock);
    return value;
}

uint64_t fault_vfs_count(void) { return locked(&all.count); }
uint64_t fault_vfs_hits(void) { return locked(&all.hits); }
uint64_t fault_vfs_struck(void) { return locked(&all.struck); }
uint64_t fault_vfs_syncs(void) { return locked(&all.syncs); }

void fault_vfs_watch(fault_operation_fn *fn, void *user) {
    all.watch = fn;
    all.watch_user = user;
}

/* ---- files ---- */

typedef struct fault_file {
    sqlite3_file base;
    sqlite3_file *real; /* right behind this struct */
    file_model *model;
} fault_file;

static fault_file *of(sqlite3_file *file) { return (fault_file *)(void *)file; }
static sqlite3_file *real_of(sqlite3_file *file) { return of(file)->real; }

static int file_close(sqlite3_file *file) { return real_of(file)->pMethods->xClose(real_of(file)); }

static int file_read(sqlite3_file *file, void *bytes, int size, sqlite3_int64 offset) {
    if (fails(OP_READ))
        return SQLITE_IOERR_READ;
    return real_of(file)->pMethods->xRead(real_of(file), bytes, size, offset);
}

static int file_write(sqlite3_file *file, const void *bytes, int size, sqlite3_int64 offset) {
    fault how = fails(OP_WRITE);
    if (how != FAULT_NONE && how != FAULT_LATE && how != FAULT_SHORT)
        return how == FAULT_FULL ? SQLITE_FULL : SQLITE_IOERR_WRITE;
    if (how == FAULT_SHORT)
        size /= 2;
    model_change(of(file)->model, offset, bytes, size);
    int code = real_of(file)->pMethods->xWrite(real_of(file), bytes, size, offset);
    return how == FAULT_NONE ? code : how == FAULT_SHORT ? SQLITE_FULL : SQLITE_IOERR_WRITE;
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size) {
    if (fails(OP_TRUNCATE))
        return SQLITE_IOERR_TRUNCATE;
    model_change(of(file)->model, 0, NULL, size);
    return real_of(file)->pMethods->xTruncate(real_of(file), size);
}

static int file_sync(sqlite3_file *file, int flags) {
    if (fails(OP_SYNC))
        return SQLITE_IOERR_FSYNC;
    model_sync(of(file)->model);
    return SQLITE_OK;
}

static int file_size(sqlite3_file *file, sqlite3_int64 *size) { return real_of(file)->pMethods->xFileSize(real_of(file), size); }
static int file_lock(sqlite3_file *file, int level) { return real_of(file)->pMethods->xLock(real_of(file), level); }
static int file_unlock(sqlite3_file *file, int level) { return real_of(file)->pMethods->xUnlock(real_of(file), level); }
static int file_reserved(sqlite3_file *file, int *out) { return real_of(file)->pMethods->xCheckReservedLock(real_of(file), out); }
static int file_control(sqlite3_file *file, int op, void *arg) { return real_of(file)->pMethods->xFileControl(real_of(file), op, arg); }
static int file_sector(sqlite3_file *file) { return 512; }
static int file_traits(sqlite3_file *file) { return 0; } /* promises nothing: no atomic writes, no safe appends */

static const sqlite3_io_methods methods = {
    1, file_close, file_read, file_write, file_truncate, file_sync, file_size, file_lock, file_unlock, file_reserved, file_control,
    file_sector, file_traits, NULL, NULL, NULL, NULL, NULL, NULL,
};

static int vfs_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *out_flags) {
    fault_file *made = of(file);
    memset(made, 0, sizeof *made);
    if (fails(OP_OPEN))
        return SQLITE_CANTOPEN;
    made->real = (sqlite3_file *)(void *)(made + 1);
    int code = all.real->xOpen(all.real, path, made->real, flags, out_flags);
    if (code)
        return code;
    made->model = model_of(path ? path : "/temporary");
    if (!made->model->exists) {
        pending_clear(made->model);
        rv_buf_clear(&made->model->durable);
        made->model->exists = true;
    }
    made->base.pMethods = &methods;
    return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *path, int sync_directory) {
    if (fails(OP_DELETE))
        return SQLITE_IOERR_DELETE;
    int code = all.real->xDelete(all.real, path, 0);
    if (code == SQLITE_OK) {
        file_model *file = model_of(path);
        file->exists = false;
        if (sync_directory)
            file->exists_durably = false;
    }
    return code;
}

static int vfs_access(sqlite3_vfs *vfs, const char *path, int flags, int *out) {
    if (fails(OP_ACCESS))
        return SQLITE_IOERR_ACCESS;
    return all.real->xAccess(all.real, path, flags, out);
}

void fault_vfs_register(void) {
    all.real = sqlite3_vfs_find(NULL);
    all.vfs = *all.real;
    all.vfs.zName = FAULT_VFS;
    all.vfs.pNext = NULL;
    all.vfs.szOsFile = (int)sizeof(fault_file) + all.real->szOsFile;
    all.vfs.xOpen = vfs_open;
    all.vfs.xDelete = vfs_delete;
    all.vfs.xAccess = vfs_access;
    RV_ASSERT(sqlite3_vfs_register(&all.vfs, 0) == SQLITE_OK);
}
