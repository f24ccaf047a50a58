/* queries.h: people's queries, on a few threads of their own: the loop goes on while one takes its time.
 *
 * All calls come from the loop's thread. At most RV_QUERIES_THREADS_MAX run at once, the others wait their turn. */
#ifndef RV_QUERIES_H
#define RV_QUERIES_H

#include "loop/loop.h"
#include "store/store.h"

#define RV_QUERIES_THREADS_MAX 4u

typedef struct rv_queries rv_queries;
/* OK: `answer` is the protocol's answer to the query (docs/control.md), one line with its end; borrowed. Else err tells. */
typedef void rv_queries_fn(void *user, rv_status status, rv_str answer, const rv_error *err);

/* On parts that outlive it. IO: the system gives no descriptor. */
RV_MUST_USE rv_status rv_queries_open(rv_loop *loop, rv_store *store, rv_queries **ret, rv_error *err);
/* End those that run, forget those that wait, join the threads: the store may close then. Nothing is called back from here
 * on. NULL is legal. Blocks for as long as SQLite takes for its next few instructions. */
void rv_queries_close(rv_queries *queries);
/* Run `sql` (copied, as are its args) as rv_store_query does. `done` is called once, later, from within the loop. */
void rv_queries_ask(rv_queries *queries, rv_str sql, const rv_str *args, uint32_t arg_count, uint64_t row_max, rv_queries_fn *done,
                    void *user);
/* Nobody waits for what was asked with this `user`: what runs ends soon, what waits when its turn comes. `done` is called as ever, with
 * UNAVAILABLE where there was no answer yet. */
void rv_queries_forget(rv_queries *queries, const void *user);

#endif
