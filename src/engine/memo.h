/* memo.h: what an unchanged node had from the cache the last time, so that it need not be asked again.
 *
 * A key is a function of the workflow, the values that the run was given, the caller's environment, what the predecessors gave, and what
 * is in the inputs. Of a hit whose node reads nothing else, and that left nothing but files, a record says what all of that was: while it
 * still is, and the files that the hit would put back are there, the key, the entry and the outcome are what they were.
 *
 *  (1) A record holds only while each of its files, inputs and outputs, has the mark that it had (stamp.h says when a mark is trusted).
 *  (2) All records go when the definition, the values, a variable that a key has seen, or the directory is another, and when an entry
 *      of the cache was dropped. Each goes when a predecessor gave something else, or its node's trust is another.
 *  (3) It is one flat file for a workflow, ROOT/known/HASH, read by mapping it, written anew by rename, never synced. Numbers are the
 *      machine's own. Damaged, cut, of another version: empty. Losing it costs asking the cache again, nothing else.
 *
 * One thread at a time; blocks on the disk. */
#ifndef RV_MEMO_H
#define RV_MEMO_H

#include "blob/tree.h"

#define RV_MEMO_FILES_MAX 16u /* workflows whose records a store keeps; the one that was written least recently goes */

typedef struct rv_memo rv_memo;
typedef struct rv_memo_of {
    const char *root;            /* of the store */
    rv_digest workflow;          /* its definition */
    const char *const *environ;  /* NULL-terminated; borrowed */
    uint32_t node_count;         /* of the definition */
} rv_memo_of;

/* What a hit was. */
typedef struct rv_memo_hit {
    rv_digest key, outcome;
    uint64_t entry;              /* id */
    int64_t duration_ms;
    int32_t exit_status;
} rv_memo_hit;

/* Read what there is; nothing of it is found before rv_memo_accept. Never fails. root: borrowed for the call, environ until close. */
rv_memo *rv_memo_open(const rv_memo_of *of);
bool rv_memo_is_of(const rv_memo *memo, const rv_digest *workflow, uint32_t node_count);
/* Once. values: a hash of what else holds for all nodes alike (2). What was kept under another one goes. */
void rv_memo_accept(rv_memo *memo, uint64_t values);
/* Write what is new, if anything is. NULL is legal. is_void: entries were dropped meanwhile: what was read is removed instead. */
void rv_memo_close(rv_memo *memo, bool is_void);

/* Once, with the first look: from now on a thread of the memo looks at the files, so that who asks finds them looked at. The tree is not
 * closed before the memo. */
void rv_memo_look_ahead(rv_memo *memo, const rv_tree *tree, int64_t mono_ms);
/* Before that, while its run is being made ready: begin to look beneath `dir`. Only where nobody else may write there for the store:
 * the owner lock is held, and no attempt is left of whoever had it before. What is seen holds when the run begins within a moment of
 * 100 ms, beneath the same directory, and then no longer than that moment. Never fails: where nothing can be looked at
 * nothing is seen. mono_ms: now, on the clock of rv_loop_mono_ms, in both. */
void rv_memo_look_early(rv_memo *memo, const char *dir, int64_t mono_ms);
/* Whether that thread has looked at all of them; whether it has begun and has not. */
bool rv_memo_has_looked(const rv_memo *memo);
bool rv_memo_is_looking(const rv_memo *memo);
/* Whether `node` would have the hit that it had: preds is a hash of what its predecessors gave and of its trust. Looks at its files. */
RV_MUST_USE bool rv_memo_find(rv_memo *memo, uint32_t node, uint64_t preds, const rv_tree *tree, rv_memo_hit *ret);
/* Keep a hit that was just found by asking: hosts are the variables of the caller that its key has seen, inputs and outputs its files as
 * they were found. Not kept where one of them is no regular file or has no mark that can be trusted, nor past 65,536 files. */
typedef struct rv_memo_files { const rv_tree_file *inputs, *outputs; uint32_t input_count, output_count; } rv_memo_files;
void rv_memo_note(rv_memo *memo, uint32_t node, uint64_t preds, const rv_memo_hit *hit, rv_tree *tree, const rv_memo_files *files,
                  const rv_str *hosts, uint32_t host_count);

#endif
