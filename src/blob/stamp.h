/* stamp.h: the stat cache [C3]: what a file's content hashed to when its stamp (size, times, inode) was this.
 *
 *  (1) A stamp is trusted only if the clock by which the file system stamps files had moved past it before the file was read:
 *      then whoever writes to it later leaves another stamp. (The racy-git problem: git's Documentation/technical/racy-git.txt.)
 *      Where times are whole seconds two seconds must have passed.
 *  (2) It is one flat file, ROOT/stamps, read by mapping it: 100,000 stamps are there in a few milliseconds and are no memory of
 *      the process. What is new is kept beside it, and both are written anew by rename. Damaged, cut, or of another version: empty.
 *  (3) Losing it costs rereading, nothing else. It is never synced.
 *
 * One thread at a time. */
#ifndef RV_STAMP_H
#define RV_STAMP_H

#include "base/util.h"
#include <sys/stat.h>

typedef struct rv_stamps rv_stamps;
#define RV_STAMPS_MAX (1u << 21) /* what is kept; beyond it the older ones are forgotten */

/* ROOT/stamps; read with the first question. Never fails: what cannot be read is empty. */
rv_stamps *rv_stamps_open(const char *root);
/* Write what is new, if anything is. A failure is said in the log of the process (debug), and costs rereading. */
void rv_stamps_save(rv_stamps *stamps);
void rv_stamps_close(rv_stamps *stamps); /* without saving; NULL is legal */
uint32_t rv_stamps_count(rv_stamps *stamps);

/* A name for a path beneath a root: a hash, never 0. Pure. */
uint64_t rv_stamp_name(uint64_t root_seed, rv_str path);
/* The hash of a file whose stamp is `now`; false: not known, or not of this stamp. */
bool rv_stamps_find(rv_stamps *stamps, uint64_t name, const struct stat *now, rv_digest *ret);
/* Keep it, if (1) holds: read_ns was taken by rv_stamp_clock before the first byte was read, and `now` is the stamp after the last. */
void rv_stamps_note(rv_stamps *stamps, uint64_t name, const struct stat *now, int64_t read_ns, rv_digest digest);
/* Nanoseconds since 1970 by the clock that stamps files (CLOCK_REALTIME_COARSE). */
int64_t rv_stamp_clock(void);
/* What rv_stamp_clock says from now on, 0: the clock. For who lets files be old or new by his own will: a simulator, whose story must not
 * depend on when it is told. Of the process; no thread looks up stamps meanwhile. */
void rv_stamp_clock_fix(int64_t ns);
/* What of a look at a file tells whether it is still the same; no padding. Pure. */
typedef struct rv_mark { uint64_t size, inode; int64_t mtime_ns, ctime_ns; uint64_t mode; } rv_mark;
void rv_stamp_mark(const struct stat *info, rv_mark *ret);
/* Whether two looks at a file saw the same stamp. Pure. */
bool rv_stamp_same(const struct stat *a, const struct stat *b);

#endif
