/* rows.h: the columns of every stored row, described once (private to src/store).
 *
 * A row struct of kernel/model.h is plain data: numbers, words (enums) and rv_str. Its description here drives the
 * encoding of batches, the binding and reading of SQL columns, the memory backend and the test that compares docs,
 * schema and structs. A column's name is the field's name; people see X_micro, millionths of a dollar, as X_usd, dollars. */
#ifndef RV_STORE_ROWS_H
#define RV_STORE_ROWS_H

#include "store/store.h"

/* Rows that only the store knows. */
typedef struct rv_append_row {
    rv_str stream;
    uint64_t first_seq;
    uint32_t event_count, version;
    int64_t wall_ms, engine_ms;
    rv_str body;
    uint64_t checksum; /* filled in when it is written */
    uint64_t batch;    /* likewise */
} rv_append_row;
typedef struct rv_snapshot_row { rv_str stream; uint64_t seq; rv_str body; uint64_t checksum; } rv_snapshot_row;
#define RV_CACHE_KEY_SIZE 32u
typedef struct rv_meta_row { rv_str key, value; } rv_meta_row;

/* Row types: name (also the table's), struct, and the writes that carry it. */
#define RV_ROW_TYPE_MAP(X)            \
    X(JOURNAL, journal, rv_append_row) \
    X(WORKFLOW, workflow, rv_workflow_row) \
    X(TASK, task, rv_task_row)        \
    X(RUN, run, rv_run_row)           \
    X(NODE, node, rv_node_row)        \
    X(ATTEMPT, attempt, rv_attempt_row) \
    X(ARTIFACT, artifact, rv_artifact_row) \
    X(BLOCKER, blocker, rv_blocker_row) \
    X(SNAPSHOT, snapshot, rv_snapshot_row) \
    X(META, meta, rv_meta_row) \
    X(CACHE, cache, rv_cache_row)
#define X(name_, table_, struct_) RV_ROW_##name_,
typedef enum rv_row_kind { RV_ROW_TYPE_MAP(X) RV_ROW_COUNT } rv_row_kind;
#undef X

#define X(name_, text_) RV_WRITE_##name_,
typedef enum rv_write_kind { RV_WRITE_MAP(X) RV_WRITE_COUNT } rv_write_kind;
#undef X

typedef enum rv_column_type {
    RV_COLUMN_STR,   /* text, or bytes where is_bytes is set */
    RV_COLUMN_I32, RV_COLUMN_U32, RV_COLUMN_I64,
    RV_COLUMN_U64,   /* stored as the int64 of the same bits: UINT64_MAX reads as -1 in SQL */
    RV_COLUMN_BOOL,
} rv_column_type;

enum rv_column_flag {
    RV_COLUMN_KEY = 1,    /* part of what identifies the row */
    RV_COLUMN_PACKED = 2, /* not a column of the SQLite table: part of its integer key (docs/schema.md) */
    RV_COLUMN_BYTES = 4,  /* a BLOB */
};

typedef struct rv_column {
    const char *name;
    const char *const *words; /* a word: words[0..word_count), type U32; else NULL */
    uint16_t offset;          /* in the row struct */
    uint16_t word_count;
    uint8_t type;             /* rv_column_type */
    uint8_t flags;            /* rv_column_flag */
} rv_column;

typedef struct rv_row_type {
    const char *table;
    const rv_column *columns;
    uint32_t column_count;
    uint32_t size; /* of the struct */
} rv_row_type;

extern const rv_row_type rv_row_types[RV_ROW_COUNT];
/* The row that a write carries. Pure. */
rv_row_kind rv_write_row(rv_write_kind kind);

/* The field of `row` that `column` describes. */
static inline const rv_str *rv_column_str(const rv_column *column, const void *row) {
    return (const rv_str *)(const void *)((const char *)row + column->offset);
}
/* Its value as SQL's integer; not for STR. Pure. */
int64_t rv_column_i64(const rv_column *column, const void *row);
/* Set a field from SQL's integer; false: out of range. */
RV_MUST_USE bool rv_column_set_i64(const rv_column *column, void *row, int64_t value);
/* The number of `word` in the column's list; false: not in it. Pure. */
RV_MUST_USE bool rv_column_word(const rv_column *column, rv_str word, int64_t *ret);
/* Copy `row` with its strings into `arena`. */
void rv_row_copy(const rv_row_type *type, rv_arena *arena, const void *row, void *ret_row);

/* A copy of `row` in one piece, strings included; rv_free it. */
void *rv_row_dup(const rv_row_type *type, const void *row);

/* The journal's chain: checksum of a row, from that of the row before (0 for a stream's first). Pure. */
uint64_t rv_journal_checksum(const rv_append_row *row, uint64_t previous);
uint64_t rv_snapshot_checksum(const rv_snapshot_row *row);

#endif
