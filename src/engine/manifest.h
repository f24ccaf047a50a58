/* manifest.h: what an entry of the cache says [C10], and its bytes (docs/cache.md). Pure. */
#ifndef RV_MANIFEST_H
#define RV_MANIFEST_H

#include "engine/cache.h"

#define RV_MANIFEST_REVISION 1u
#define RV_MANIFEST_INLINE_MAX 1024u /* bytes of an output that stand in the manifest; longer ones are blobs */

/* What was written to stdout or stderr. */
typedef struct rv_manifest_text {
    uint64_t size;
    rv_str bytes;     /* where is_blob is false: all of it */
    rv_digest digest; /* of the blob */
    bool is_blob;
} rv_manifest_text;

typedef struct rv_manifest {
    rv_digest outcome;         /* what dependents know it by */
    int32_t exit_status;
    int64_t duration_ms;
    rv_str result;             /* JSON; size 0: none */
    rv_manifest_text text[2];  /* stdout, stderr */
    const rv_tree_file *files; uint32_t file_count;
    const rv_cache_named *artifacts; uint32_t artifact_count;
} rv_manifest;

/* Append its bytes. */
void rv_manifest_write(rv_buf *out, const rv_manifest *manifest);
/* Read them; nothing is trusted, but what is returned must still pass rv_tree_refusal. Texts point into `bytes`, arrays are in the arena.
 * UNSUPPORTED: of another revision or hash; CORRUPT: damaged. *ret is untouched then. */
RV_MUST_USE rv_status rv_manifest_read(rv_arena *arena, rv_str bytes, rv_manifest *ret);
/* Sum of the blobs that it names. */
uint64_t rv_manifest_blob_size(const rv_manifest *manifest);
/* Call `fn` for each blob that it names; stops at the first that is not taken, and returns false. */
typedef bool rv_manifest_blob_fn(void *user, rv_digest digest, uint64_t size);
bool rv_manifest_blobs(const rv_manifest *manifest, rv_manifest_blob_fn *fn, void *user);

#endif
