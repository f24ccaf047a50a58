/* A VFS around another one, for the sake of the write-ahead log; every other file is the other one's own.
 *
 *  1. SQLite writes each frame of a commit as two writes, one of 24 bytes and one of a page. Here they are gathered, and written as one
 *     when the frame that commits is whole: six pages cost one system call, not twelve. Nothing of a transaction is looked for in
 *     the log by another process before that frame is there, and SQLite itself reads through here. So COMMIT returns as it did, with all
 *     of it in the system's page cache; an error of the write is the error of the last frame, and a part that was written of
 *     several frames is what a part that was written of them one by one is: frames without a commit.
 *  2. SQLite syncs the log before it copies it into the database, also when each of its bytes was synced by the commit that wrote them, and
 *     the disk is then asked to empty its cache again. Here a log that did not change since a sync that succeeded is not synced.
 *  3. SQLite syncs the directory of any log that it may make. Where one is already, it is asked to open it and not to make it; whether
 *     its name needs a sync is known to sqlite.c (is_log_inherited).
 *
 * The format of a frame: https://www.sqlite.org/fileformat2.html#walformat. */
#include "store/sqlite.h"

#include <stdio.h>

enum { FRAME_HEADER_SIZE = 24, GATHERED_MAX = 1 << 16 };

typedef struct log_file {
    sqlite3_file base;
    sqlite3_file *real;      /* behind this struct, within what SQLite gave us */
    rv_buf gathered;
    sqlite3_int64 offset;    /* of the first gathered byte */
    sqlite3_int64 end;       /* of the last write */
    bool is_commit;          /* the frame whose header came last ends a transaction */
    bool is_synced;          /* nothing was changed since a sync that succeeded */
} log_file;

static log_file *of(sqlite3_file *file) { return (log_file *)(void *)file; }

/* What was gathered is written, or refused: then it is forgotten, as SQLite is told. */
static int flush(log_file *log) {
    if (!log->gathered.size)
        return SQLITE_OK;
    log->is_synced = false;
    int code = log->real->pMethods->xWrite(log->real, log->gathered.at, (int)log->gathered.size, log->offset);
    rv_buf_clear(&log->gathered);
    return code;
}

static int log_close(sqlite3_file *file) {
    log_file *log = of(file);
    rv_buf_deinit(&log->gathered); /* frames of a transaction that was never committed */
    return log->real->pMethods->xClose(log->real);
}

static int log_read(sqlite3_file *file, void *to, int size, sqlite3_int64 offset) {
    int code = flush(of(file));
    return code ? code : of(file)->real->pMethods->xRead(of(file)->real, to, size, offset);
}

/* Only what follows on the last write may wait for more. What SQLite writes elsewhere it does not go on with: a page of this transaction
 * that changed again, and the checksums of the frames behind such a one, which come after the frame that commits. */
static int log_write(sqlite3_file *file, const void *from, int size, sqlite3_int64 offset) {
    log_file *log = of(file);
    const unsigned char *bytes = from;
    bool goes_on = offset == log->end, is_header = size == FRAME_HEADER_SIZE;
    log->end = offset + size;
    if (is_header)
        log->is_commit = bytes[4] || bytes[5] || bytes[6] || bytes[7]; /* the size of the database after it */
    int code = goes_on && log->gathered.size + (size_t)size <= GATHERED_MAX ? SQLITE_OK : flush(log);
    if (code)
        return code;
    if (!log->gathered.size)
        log->offset = offset;
    rv_buf_add(&log->gathered, from, (size_t)size);
    bool may_wait = goes_on && (is_header || (size == RV_SQLITE_PAGE_SIZE && !log->is_commit));
    return may_wait ? SQLITE_OK : flush(log);
}

static int log_truncate(sqlite3_file *file, sqlite3_int64 size) {
    int code = flush(of(file));
    of(file)->is_synced = false;
    return code ? code : of(file)->real->pMethods->xTruncate(of(file)->real, size);
}

static int log_sync(sqlite3_file *file, int flags) {
    log_file *log = of(file);
    int code = flush(log);
    if (code || log->is_synced)
        return code;
    code = log->real->pMethods->xSync(log->real, flags);
    log->is_synced = code == SQLITE_OK;
    return code;
}

static int log_size(sqlite3_file *file, sqlite3_int64 *size) {
    int code = flush(of(file));
    return code ? code : of(file)->real->pMethods->xFileSize(of(file)->real, size);
}

static int log_lock(sqlite3_file *file, int level) { return of(file)->real->pMethods->xLock(of(file)->real, level); }
static int log_unlock(sqlite3_file *file, int level) { return of(file)->real->pMethods->xUnlock(of(file)->real, level); }
static int log_reserved(sqlite3_file *file, int *ret) { return of(file)->real->pMethods->xCheckReservedLock(of(file)->real, ret); }
static int log_control(sqlite3_file *file, int op, void *arg) { return of(file)->real->pMethods->xFileControl(of(file)->real, op, arg); }
static int log_sector(sqlite3_file *file) { return of(file)->real->pMethods->xSectorSize(of(file)->real); }
static int log_traits(sqlite3_file *file) { return of(file)->real->pMethods->xDeviceCharacteristics(of(file)->real); }

static const sqlite3_io_methods log_methods = {
    .iVersion = 1, .xClose = log_close, .xRead = log_read, .xWrite = log_write, .xTruncate = log_truncate, .xSync = log_sync,
    .xFileSize = log_size, .xLock = log_lock, .xUnlock = log_unlock, .xCheckReservedLock = log_reserved, .xFileControl = log_control,
    .xSectorSize = log_sector, .xDeviceCharacteristics = log_traits,
};

#define ROOM ((int)((sizeof(log_file) + 15) & ~(size_t)15))

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *ret_flags) {
    sqlite3_vfs *real = ((rv_log_vfs *)(void *)vfs)->real;
    int is_there = 0;
    if (!(flags & SQLITE_OPEN_WAL))
        return real->xOpen(real, name, file, flags, ret_flags);
    log_file *log = of(file);
    *log = (log_file){.real = (sqlite3_file *)(void *)((char *)file + ROOM)};
    if (real->xAccess(real, name, SQLITE_ACCESS_EXISTS, &is_there) == SQLITE_OK && is_there)
        flags &= ~SQLITE_OPEN_CREATE;
    int code = real->xOpen(real, name, log->real, flags, ret_flags);
    log->base.pMethods = log->real->pMethods ? &log_methods : NULL; /* SQLite closes what has methods */
    return code;
}

rv_status rv_log_vfs_open(rv_log_vfs *self, const char *name, rv_error *err) {
    self->real = sqlite3_vfs_find(name);
    if (!self->real)
        return rv_error_set(err, RV_INVALID, "SQLite has no VFS of the name %s", name ? name : "(default)");
    (void)snprintf(self->name, sizeof self->name, "reeve-%p", (void *)self);
    self->vfs = *self->real;
    self->vfs.pNext = NULL;
    self->vfs.zName = self->name;
    self->vfs.szOsFile += ROOM;
    self->vfs.xOpen = vfs_open;
    RV_ASSERT(sqlite3_vfs_register(&self->vfs, 0) == SQLITE_OK);
    return RV_OK;
}

void rv_log_vfs_close(rv_log_vfs *self) {
    if (self->real)
        RV_ASSERT(sqlite3_vfs_unregister(&self->vfs) == SQLITE_OK);
    self->real = NULL;
}
