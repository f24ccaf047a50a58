/* forecast.h: what the cache would do for a run that nobody begins [C16, C17]: the kernel is stepped in memory, as far as hits carry it.
 * Nothing is restored, written or started. The caller's thread; blocks as lookups do. */
#ifndef RV_FORECAST_H
#define RV_FORECAST_H

#include "engine/cache.h"

typedef enum rv_forecast_word {
    RV_FORECAST_RUN,   /* it would begin, or is no command */
    RV_FORECAST_HIT,
    RV_FORECAST_SKIP,  /* its condition is false, or what it needs is skipped */
    RV_FORECAST_AFTER, /* nobody can tell before `because` has run */
} rv_forecast_word;

typedef struct rv_forecast_node {
    rv_forecast_word word;
    bool is_cached;            /* it is looked up when it is its turn */
    rv_cache_reason reason;    /* of a cached RUN: why it is no hit */
    uint32_t because;          /* AFTER: a node that it waits for and that would run; else RV_NONE */
    rv_str text;               /* NO_KEY: what is missing; size 0: none */
    int64_t saved_ms;          /* HIT */
} rv_forecast_node;

typedef struct rv_forecast rv_forecast;
typedef struct rv_forecast_config {
    rv_cache *cache;
    const rv_spec *spec;       /* with its values */
    const char *file, *dir;    /* absolute; file may be "" */
    int64_t now_ms;
} rv_forecast_config;
/* IO: the directory cannot be read. What belongs to `config` is borrowed until free. */
RV_MUST_USE rv_status rv_forecast_make(const rv_forecast_config *config, rv_forecast **ret, rv_error *err);
void rv_forecast_free(rv_forecast *forecast); /* NULL is legal */
/* Of a node of the file. Texts are the forecast's. */
const rv_forecast_node *rv_forecast_of(const rv_forecast *forecast, uint32_t node);
/* Of a cached RUN: what has changed since the last entry of that node [C16]; texts are in the arena. NOT_FOUND: it has none; CORRUPT: that
 * one does not tell; errors of rv_cache_key. */
RV_MUST_USE rv_status rv_forecast_changes(rv_forecast *forecast, uint32_t node, rv_arena *arena, rv_differences *ret_add, rv_error *err);
/* What the key of a cached node is made of, each as ADDED. Errors of rv_cache_key. */
RV_MUST_USE rv_status rv_forecast_parts(rv_forecast *forecast, uint32_t node, rv_arena *arena, rv_differences *ret_add, rv_error *err);

#endif
