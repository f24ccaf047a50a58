/* owner.h: who owns a store: the owner lock, what its file says, the owner's socket. */
#ifndef RV_OWNER_H
#define RV_OWNER_H

#include "base/json.h"
#include "exec/exec.h"

typedef struct rv_owner {
    int64_t pid, since_ms;  /* of the engine */
    int64_t keeper;         /* pid of its keeper, which is its parent; 0: it has none */
    char boot_id[64], command[256], socket[108];
    char cgroup[RV_EXEC_CGROUP_SIZE]; /* path of the cgroup of its attempts; "": they have none */
} rv_owner;

/* Take STORE/owner.lock. reads_only: also on a medium that cannot be written. Waits up to wait_ms for one that is dying. CONFLICT:
 * *ret_owner tells who has it; STORE_IO. */
RV_MUST_USE rv_status rv_owner_lock(const char *store_dir, int64_t wait_ms, bool reads_only, int *ret_fd, rv_owner *ret_owner,
                                    rv_error *err);
/* Write who we are into the lock's file. */
RV_MUST_USE rv_status rv_owner_write(int fd, const rv_owner *owner, rv_error *err);
/* What the lock's file says; does not tell whether the owner lives. NOT_FOUND: nothing; the last owner ended well. CORRUPT: something
 * that cannot be understood (*ret is all zero then), so the last owner did not. */
RV_MUST_USE rv_status rv_owner_read(const char *store_dir, rv_owner *ret, rv_error *err);
/* Is its engine gone, while the lock may still be held: by its keeper, which ends what is left, or by a thread of its own
 * that the system does not let go yet? Or is its keeper gone, so that it is about to end? */
bool rv_owner_is_dying(const rv_owner *owner);
/* A path for the owner's socket: STORE/sock when it fits in sun_path, else a short one beneath $XDG_RUNTIME_DIR or /tmp. */
void rv_owner_socket_path(const char *store_dir, char ret[108]);
/* Make STORE with its folders, 0700. STORE_IO: err names the path and the cure. */
RV_MUST_USE rv_status rv_store_make(const char *store_dir, rv_error *err);
/* Whoever opens the database of STORE asks this first, under the lock: one of no bytes is made anew only where nothing else
 * tells of runs. STORE_IO: it was cut; err names the file and the cure. */
RV_MUST_USE rv_status rv_store_check_whole(const char *store_dir, rv_error *err);

#endif
