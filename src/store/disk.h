/* disk.h: a disk in memory, for the simulator: an SQLite VFS that loses, tears and refuses what real disks do, as a seed says.
 *
 *  (1) What processes see (content) and what a loss of power leaves (durable) are two things. A write changes the content; a sync
 *      makes the file's content durable, and its name.
 *  (2) rv_disk_die: from then on nothing that is called has an effect, and everything fails: to what runs on the disk the moment
 *      is the last one. rv_disk_revive makes of it the disk that the next process finds: after the death of a process all that was
 *      written; after a loss of power what is durable and, of each later change, all, nothing, or some sectors, as the seed says.
 *  (3) No promises: no atomic writes, no safe appends, sectors of 512 bytes.
 *
 * One thread. */
#ifndef RV_STORE_DISK_H
#define RV_STORE_DISK_H

#include "base/mem.h"
#include "base/util.h"

typedef struct rv_disk rv_disk;

#define RV_DISK_FAULT_MAP(X)                                                                  \
    X(NONE, "none")                                                                           \
    X(EIO, "i/o error")                   /* any operation */                                 \
    X(FULL, "disk full")                  /* writes */                                        \
    X(SHORT, "disk full within a write")  /* the first half is written */                     \
    X(LATE, "write error after the fact") /* the write reports an error and has happened */   \
    X(SYNC, "sync failure")               /* syncs; nothing became durable */                 \
    X(OPEN, "open failure")
#define X(name_, text_) RV_DISK_FAULT_##name_,
typedef enum rv_disk_fault { RV_DISK_FAULT_MAP(X) RV_DISK_FAULT_COUNT } rv_disk_fault;
#undef X
const char *rv_disk_fault_name(rv_disk_fault fault); /* never NULL */

/* An empty disk; its VFS is registered until rv_disk_free. seed: borrowed, for what survives and how writes are torn; SQLite's own
 * random numbers begin anew with it. */
rv_disk *rv_disk_new(uint64_t *seed);
void rv_disk_free(rv_disk *disk); /* every file must be closed; NULL is legal */
const char *rv_disk_vfs(const rv_disk *disk); /* for rv_store_config.vfs; the disk's */
/* Make `to`, which is empty, hold what `from` holds, all of it durable. */
void rv_disk_copy(rv_disk *to, const rv_disk *from);

/* Fail operation number `at` (from 0, counted from here) and, if sticky, all after it; of those that `fault` is about. NONE disarms. */
void rv_disk_arm(rv_disk *disk, rv_disk_fault fault, uint64_t at, bool is_sticky);
uint64_t rv_disk_hits(const rv_disk *disk); /* failures since then */
/* Die at operation number `at`, counted from here: before it, after it or, a write, with a part of it done, as the seed says. `died` is
 * called first. NULL: do not. */
void rv_disk_die_at(rv_disk *disk, uint64_t at, void (*died)(void *user), void *user);
void rv_disk_die(rv_disk *disk);
void rv_disk_revive(rv_disk *disk, bool has_lost_power);
/* Call `fn` after each sync that succeeded, of a file whose name ends in `-wal`: what is in the log is then durable. */
void rv_disk_on_sync(rv_disk *disk, void (*fn)(void *user), void *user);
/* Is everything that was written to files whose name ends in `-wal` durable? */
bool rv_disk_is_log_durable(const rv_disk *disk);
/* What befell it so far. */
typedef struct rv_disk_tally {
    uint64_t faults[RV_DISK_FAULT_COUNT];
    uint64_t lost;             /* changes that were not synced, and went with the power */
    uint64_t torn;             /* writes of which a part was left, by a loss of power or by a death within */
    uint64_t unknown;          /* writes to a `-wal` that reported an error and happened: what they commit is then unknown */
} rv_disk_tally;
rv_disk_tally rv_disk_tally_of(const rv_disk *disk);
/* Of every operation and its outcome, in order: the same story, the same number. */
uint64_t rv_disk_hash(const rv_disk *disk);
uint64_t rv_disk_count(const rv_disk *disk); /* operations in all */

#endif
