/* cache_private.h: what the parts of the cache share. */
#ifndef RV_CACHE_PRIVATE_H
#define RV_CACHE_PRIVATE_H

#include "engine/cache.h"
#include "engine/manifest.h"

typedef struct rv_key_host { rv_str name, value; bool is_set; } rv_key_host;
typedef struct rv_key_pred { uint32_t node; rv_digest outcome; } rv_key_pred;

/* What the last key was made of; room that is kept from one to the next. */
typedef struct rv_key_parts {
    rv_arena arena;
    const rv_run *run;         /* whose, for rv_cache_made_of */
    uint32_t node;
    const rv_mask *mask;
    const rv_json *body;
    rv_command command;
    rv_buf texts;              /* of the command, as they enter the key: masked */
    rv_tree_files files;
    RV_VEC(rv_key_host) host;  /* sorted by name */
    RV_VEC(rv_str) host_names;
    RV_VEC(rv_str) env;        /* NAME=VALUE, masked, sorted */
    RV_VEC(rv_key_pred) preds; /* sorted by outcome */
    rv_buf key, inputs;        /* the bytes that are hashed */
} rv_key_parts;

struct rv_cache {
    rv_cache_config config;
    rv_stamps *stamps;
    rv_key_parts parts;
    rv_arena arena;            /* of the last entry that was found */
    rv_buf text[2], buffer;
    /* when entries were used: ms by id, as it stands in ROOT/used */
    int64_t *used;
    uint64_t used_count;
    size_t used_map_size;      /* bytes; 0: it is in memory */
    bool is_used_dirty;
    bool is_unmarked;          /* the store has no text of its own yet (cache_memo.c) */
    uint32_t drops;            /* batches that dropped entries under this engine */
    RV_VEC(struct rv_cache_part *) runs; /* those that have entries which no batch has yet */
};

/* used.c: ROOT/used: when an entry was used last, to ten minutes, 8 bytes by id; written anew when the cache is closed. Lost, it costs the
 * order of cleaning and nothing else. */
void rv_used_open(rv_cache *cache);
void rv_used_save(rv_cache *cache);
void rv_used_close(rv_cache *cache);
void rv_used_note(rv_cache *cache, uint64_t id, int64_t now_ms);
/* When it was used last, at least created_ms. */
int64_t rv_used_ms(const rv_cache *cache, uint64_t id, int64_t created_ms);

/* A batch drops entries: what is remembered of hits (memo.h) is void from it on. */
void rv_cache_memo_drop(rv_cache *cache, rv_batch *batch);
/* A node is settled with this batch: give the store its text, if it has none. */
void rv_cache_memo_mark(rv_cache *cache, rv_batch *batch);

/* As rv_cache_find, with the whole manifest; in cache->arena, which is cleared before. has_all: each blob of it must be there; else what
 * is to be put back is found missing then. */
rv_cache_reason rv_cache_entry(rv_cache *cache, rv_digest key, bool has_all, uint64_t *ret_id, rv_manifest *ret);
void rv_key_parts_deinit(rv_key_parts *parts);
/* The hash of what a node's files are now: as ret_inputs of rv_cache_key. Leaves parts->files as they are found. */
RV_MUST_USE rv_status rv_cache_inputs(rv_cache *cache, rv_tree *tree, const rv_json *body, rv_digest *ret, rv_error *err);
/* The strings of an array in `arena`; *ret_count of them. */
const rv_str *rv_cache_patterns(const rv_json *array, rv_arena *arena, uint32_t *ret_count);

#endif
