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
    rv_map assumed_dirs; /* those with something assumed in them */
    rv_arena assumed_arena;
    struct rv_glance *glances; /* RV_GLANCES of them, one place for each name; NULL: none yet */
    uint64_t moment;   /* that is now; 0: nothing holds */
    uint64_t generation; /* raised with each moment and with each file that is put back */
    uint64_t unrest, told_unrest; /* rv_tree_unrest; as it was told last */
};

/* What a file was when it was looked at in this generation. */
typedef struct rv_glance { uint64_t name, generation, size; uint32_t mode; rv_digest digest; } rv_glance;
#define RV_GLANCES 4096u

#define RV_TREE_BUFFER_SIZE (256u << 10)

/* Add all that is beneath the directory `dir` (size 0: the root), or what of it `glob` matches when it is not NULL: only their paths
 * and kinds are set. Directories, `dir` itself among them unless it is the root: none, those that are empty, or all. A `dir` that is not
 * there, or is no directory, has nothing. LIMIT, IO as rv_tree_take. */
typedef enum rv_walk_dirs { RV_WALK_NO_DIRS, RV_WALK_EMPTY_DIRS, RV_WALK_DIRS } rv_walk_dirs;
RV_MUST_USE rv_status rv_tree_walk(rv_tree *tree, rv_str dir, const rv_glob *glob, rv_walk_dirs dirs, rv_arena *arena,
                                   rv_tree_files *ret_add, rv_error *err);

#endif
