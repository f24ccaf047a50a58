/* fault_vfs.h: a SQLite VFS over the system's that fails on demand and knows what a power loss would leave.
 *
 * Each call that touches a file is an operation, numbered from 0 since the last fault_vfs_arm. It has no shared-memory
 * methods, so a store that opened through it proves that it needs none (locking_mode=EXCLUSIVE). Syncs are not passed
 * on to the disk: what is synced is what the model says. Arming and counting are safe from any thread; one thread at a
 * time uses the files. */
#ifndef TESTS_STORE_FAULT_VFS_H
#define TESTS_STORE_FAULT_VFS_H

#include "base/mem.h"

#define FAULT_VFS "fault"

#define FAULT_MAP(X)                                                                         \
    X(NONE, "none")                                                                          \
    X(EIO, "EIO on anything")                                                                \
    X(EIO_BUT_SYNC, "EIO on anything but sync")                                              \
    X(WRITE_EIO, "EIO on write or truncate")                                                 \
    X(READ_EIO, "EIO on read")                                                               \
    X(FULL, "ENOSPC on write")                                                               \
    X(SHORT, "half a write, then ENOSPC")                                                    \
    X(LATE, "a write that reports EIO and happened")                                         \
    X(SYNC, "a failing fsync")                                                               \
    X(OPEN, "a failing open")
#define X(name_, text_) FAULT_##name_,
typedef enum fault { FAULT_MAP(X) FAULT_COUNT } fault;
#undef X
extern const char *const fault_names[FAULT_COUNT];

void fault_vfs_register(void);
/* The first operation from number `at` on to which `kind` applies fails; is_sticky: all after it too. Counting restarts. */
void fault_vfs_arm(fault kind, uint64_t at, bool is_sticky);
void fault_vfs_disarm(void); /* the disk is well again; counting goes on */
uint64_t fault_vfs_count(void);  /* operations since armed */
uint64_t fault_vfs_hits(void);   /* failures since armed */
uint64_t fault_vfs_struck(void); /* the number of the operation that failed first since then; UINT64_MAX: none */
uint64_t fault_vfs_syncs(void);  /* of them, the syncs */

/* ---- power loss ---- */
typedef void fault_operation_fn(void *user, uint64_t number);
/* Call `fn` before each operation that changes something. NULL: no more. */
void fault_vfs_watch(fault_operation_fn *fn, void *user);
typedef enum fault_loss {
    FAULT_LOSS_ALL,    /* nothing survives that was not synced */
    FAULT_LOSS_NONE,   /* everything survives */
    FAULT_LOSS_SOME,   /* a random part of the unsynced writes survives, some torn at sectors of 512 bytes */
    FAULT_LOSS_COUNT,
} fault_loss;
/* Write what a power loss now would leave into the existing folder `to`. */
void fault_vfs_survivors(const char *to, fault_loss loss, uint64_t *seed);
/* Forget all files. */
void fault_vfs_forget(void);

#endif
