/* tree.h: the files of a workspace as the cache sees them: what patterns mean, what is in a file, files put back [C1, C12].
 *
 * A path is relative to the tree's root, `/` between its names, no `.`, no `..`, no empty name. Reading is what a command would do:
 * a link in the way of a path is followed. Writing follows none: whatever a manifest says, nothing is made, replaced or removed
 * outside of the root or in the store (openat2(2): RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS).
 *
 * Blocks on the disk. One thread at a time. */
#ifndef RV_TREE_H
#define RV_TREE_H

#include "blob/blob.h"
#include "blob/stamp.h"

#define RV_TREE_PATH_MAX 4095u  /* bytes of a path */
#define RV_TREE_FILES_MAX (1u << 20) /* of one set of patterns */

typedef enum rv_tree_kind { RV_TREE_ABSENT, RV_TREE_FILE, RV_TREE_LINK, RV_TREE_DIR, RV_TREE_OTHER } rv_tree_kind;

typedef struct rv_tree_file {
    rv_str path;      /* NUL-terminated past its size */
    rv_tree_kind kind;
    uint32_t mode;    /* FILE, DIR: permission bits (07777); else 0 */
    uint64_t size;    /* FILE */
    rv_digest digest; /* FILE: of its bytes. LINK: of where it leads and, where that is a file, of its bytes. Else zero */
    rv_str link;      /* LINK: where it leads */
} rv_tree_file;
typedef RV_VEC(rv_tree_file) rv_tree_files;

typedef struct rv_tree rv_tree;
/* Open the directory `dir`. store: absolute path of the store, which no walk enters and no path may lead into; blobs, stamps: borrowed
 * until close. IO: it is no directory that can be read. */
RV_MUST_USE rv_status rv_tree_open(const char *dir, const char *store, rv_blobs *blobs, rv_stamps *stamps, rv_tree **ret, rv_error *err);
void rv_tree_close(rv_tree *tree); /* NULL is legal */

/* What patterns mean (base/glob.h), looked at: files and links, sorted by bytes, each once. A literal is there also when nothing has its
 * name (ABSENT); one that names a directory stands for all beneath it, as does one that names a link to a directory, beside the link (but
 * not with keeps). Other links to directories are not entered. Nothing is read beneath
 * .git, .reeve and the store. A stamp that is known saves reading. Deterministic. Texts are in the arena.
 *
 * A directory that a literal names, and those beneath, are listed where they are empty (DIR). keeps: the bytes of each FILE are in the blob
 * store after (not synced), and such directories are all listed, with the bits 0777 of their modes; then no link is followed in the way of
 * a path either.
 *
 * INVALID: no pattern; LIMIT: too many files; IO: something cannot be read, or changes while it is read; DENIED (keeps): a link is
 * in the way, or it may not be read; STORE_IO, STORE_FULL (keeps). On failure ret_add has the count that it had. */
RV_MUST_USE rv_status rv_tree_take(rv_tree *tree, const rv_str *patterns, uint32_t count, bool keeps, rv_arena *arena,
                                   rv_tree_files *ret_add, rv_error *err);
/* The path that a pattern without wildcards means; size 0: it has some (or is none). In the arena or borrowed from `pattern`. */
rv_str rv_tree_literal(rv_str pattern, rv_arena *arena);
/* Looks of the same moment see each file once: from a call with another number on (0: never) what was seen before does not hold. Who
 * raises it does so whenever something may have written since: an attempt began or ended, time passed. Files put back are seen anew.
 * unrest: raised with it, but not where time alone has passed. */
void rv_tree_moment(rv_tree *tree, uint64_t moment, uint64_t unrest);
/* The moment that it was told of last. */
uint64_t rv_tree_now(const rv_tree *tree);
/* Another number with each unrest that it is told of and with each file that is put back: while it is the same, time alone has passed. */
uint64_t rv_tree_unrest(const rv_tree *tree);
/* The mark (stamp.h) of the regular file `path` (NUL-terminated past its size), if it has `mode` and a trusted stamp says that it has
 * `digest` now. false: it is another, or nobody knows. */
RV_MUST_USE bool rv_tree_mark_of(rv_tree *tree, rv_str path, uint32_t mode, const rv_digest *digest, rv_mark *ret);
/* Whether the regular file at `path` beneath the directory `fd` still has this mark. Any thread. */
bool rv_tree_has_mark(int fd, const char *path, const rv_mark *mark);
/* The tree's directory; borrowed. */
int rv_tree_fd(const rv_tree *tree);
/* Raised with each moment and with each file that is put back: what was seen under another number may have changed. */
uint64_t rv_tree_generation(const rv_tree *tree);
/* Look at one file: sets all but `path`, which is NUL-terminated. Errors as above. */
RV_MUST_USE rv_status rv_tree_look(rv_tree *tree, rv_arena *arena, rv_tree_file *file, rv_error *err);

/* For who only asks: from now on take and look find `file` as it is given, whatever is on the disk. Copied. */
void rv_tree_assume(rv_tree *tree, const rv_tree_file *file);
/* Whether a path has the form above, and leads not into .git or .reeve. NULL: yes, else constant text. Pure. */
const char *rv_tree_refusal_of_path(rv_str path);
/* Whether a file may be put back: a path of the form above that does not lead into the store, a kind that can be, no bits but those of
 * permission, a link that leads nowhere outside of the root. Text only; NULL: yes, else constant text. */
const char *rv_tree_refusal(const rv_tree *tree, const rv_tree_file *file);
/* Put files back, with their modes. What replaces something, and what is large, is staged in the store and renamed onto its place; a small
 * file whose place is free is made there. What is there and equal is left alone. Directories in the way of a path are made; those of
 * `files` get their modes last, and are opened for writing until then. Files are sorted by path. Each passed rv_tree_refusal.
 *
 * CORRUPT, NOT_FOUND  a blob is damaged (then it is removed, so that it can be stored anew) or not there; nothing was changed
 * DENIED, IO          a place cannot be written: a link or file where a directory must be, a directory where a file must be, no
 *                     permission, no space; nothing was changed, or some are put back and the others are as they were
 * ret_written: how many were not equal; may be NULL. */
RV_MUST_USE rv_status rv_tree_restore(rv_tree *tree, const rv_tree_file *files, uint32_t count, uint32_t *ret_written, rv_error *err);
#endif
