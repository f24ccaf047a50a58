/* log_tail.h: the last bytes of a long output: pieces {stream, time, bytes} in a ring that forgets its oldest. Private to blob/. */
#ifndef RV_BLOB_LOG_TAIL_H
#define RV_BLOB_LOG_TAIL_H

#include "base/mem.h"

#define RV_TAIL_PIECES_MAX (1u << 18) /* a tail of more pieces forgets its oldest ones before its bytes are full */

typedef struct rv_tail_piece { int64_t wall_ms; uint64_t size; int stream; } rv_tail_piece;
typedef struct rv_tail {
    char *at;                                  /* ring of bytes; grows to size_max when it must */
    size_t begin, size, capacity;
    rv_tail_piece *pieces;                     /* ring of pieces, likewise */
    uint32_t piece_begin, piece_count, piece_capacity;
    uint64_t cut[3];                           /* by stream: bytes forgotten */
} rv_tail; /* {0} is empty and owns nothing */

void rv_tail_deinit(rv_tail *tail); /* {0} again */
/* Keep `bytes`, forget what is then beyond the last size_max. Neighbours of one stream and time become one piece. */
void rv_tail_add(rv_tail *tail, int stream, int64_t wall_ms, rv_str bytes, size_t size_max);
/* Take the oldest at most size_max bytes of the oldest piece; false: empty. *ret_bytes is valid until the next add. */
bool rv_tail_take(rv_tail *tail, size_t size_max, rv_tail_piece *ret, rv_str *ret_bytes);

#endif
