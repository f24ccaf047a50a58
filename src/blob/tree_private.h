/* tree_private.h: what tree.c, walk.c and restore.c share. Private to blob/. */
#ifndef RV_TREE_PRIVATE_H
#define RV_TREE_PRIVATE_H

#include "base/glob.h"
#include "blob/tree.h"
#include "blob/file.h"

#include <sys/types.h>

struct rv_tree {
    int fd;            /* of the root */
    int stage_fd;      /* STORE/stage; -1: not opened yet */
    char *store;       /* absolute */
    rv_str store_path; /* of the store from the root; size 0: it is not beneath it */
    dev_t store_device;
    ino_t store_inode;
    uint64_t seed;     /* names of stamps */
    uint64_t stage_number;
    rv_blobs *blobs;
    rv_stamps *stamps;
    char *buffer;      /* RV_TREE_BUFFER_SIZE bytes */
    rv_tree_files assumed; /* instead of what is on the disk; paths in assumed_arena */
    rv_map by_assumed; /* path → index of it */
    rv_arena assumed_arena;
};

#define RV_TREE_BUFFER_SIZE (256u << 10)

/* Add all that is beneath the directory `dir` (size 0: the root), or what of it `glob` matches when it is not NULL: only their paths
 * and kinds are set. A `dir` that is not there, or is no directory, has nothing. LIMIT, IO as rv_tree_take. */
RV_MUST_USE rv_status rv_tree_walk(rv_tree *tree, rv_str dir, const rv_glob *glob, bool with_dirs, rv_arena *arena,
                                   rv_tree_files *ret_add, rv_error *err);

#endif
