/* batch.h: how a batch is laid out, and the rule of preconditions that both backends share (private to src/store).
 *
 *   bytes:  [head|struct|strings…|pad] [head|struct|strings…|pad] …     each record 8-aligned
 *
 * While a batch grows its strings are offsets within their record, since the buffer moves; sealing turns them into
 * pointers, once. After that a record's struct is used where it lies: nothing is decoded. */
#ifndef RV_STORE_BATCH_H
#define RV_STORE_BATCH_H

#include "store/rows.h"

#define RV_BATCH_GROUPS_MAX 64u

typedef struct rv_record {
    uint32_t size; /* of the whole record */
    uint8_t kind;  /* rv_write_kind */
    uint8_t group;
    uint16_t reserved;
} rv_record;
_Static_assert(sizeof(rv_record) == 8, "the struct after it must be 8-aligned");

struct rv_batch {
    rv_buf bytes;
    uint32_t count, group;
    bool is_sealed;
};

/* End its growth: strings become pointers. Idempotent. */
void rv_batch_seal(rv_batch *batch);
static inline const rv_record *rv_batch_first(const rv_batch *batch) {
    return batch->count ? (const rv_record *)(const void *)batch->bytes.at : NULL;
}
/* The record after `record`, or NULL. */
static inline const rv_record *rv_batch_next(const rv_batch *batch, const rv_record *record) {
    const char *at = (const char *)record + record->size;
    return at < batch->bytes.at + batch->bytes.size ? (const rv_record *)(const void *)at : NULL;
}
static inline void *rv_record_row(const rv_record *record) { return (void *)((char *)(uintptr_t)record + sizeof *record); }

/* What preconditions are compared with: what is stored now, including the batches applied before. A failure to read
 * ends the transaction. */
typedef struct rv_stored {
    void *self;
    rv_status (*next_seq)(void *self, rv_str stream, uint64_t *ret, rv_error *err);     /* 1: stream is empty */
    rv_status (*task_version)(void *self, rv_str task, uint32_t *ret, rv_error *err);   /* 0: none */
    rv_status (*run_exists)(void *self, rv_str run, bool *ret, rv_error *err);
} rv_stored;

/* Check the group that begins with `record` as a whole, before anything of it is applied, so that nothing ever has to
 * be rolled back for a precondition: a later write of the group sees what the earlier ones would leave.
 * *ret_holds: apply it; *ret_end: the first record after the group (NULL: none). */
RV_MUST_USE rv_status rv_group_check(const rv_batch *batch, const rv_record *record, const rv_stored *stored, bool *ret_holds,
                                     const rv_record **ret_end, rv_error *err);

#endif
