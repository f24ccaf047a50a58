/* client.h: how a verb reaches a store, whoever owns it.
 *
 * The owner of a store (a `reeve run`) listens on a 0600 unix socket from the start. A client first asks the owner
 * (docs/control.md has the protocol, JSON lines); when nobody owns the store it takes the owner lock and opens the
 * store itself. An owner that does not answer within a second is reported (UNAVAILABLE), never waited for. */
#ifndef RV_CLIENT_H
#define RV_CLIENT_H

#include "base/json.h"
#include "kernel/event.h"

typedef struct rv_client rv_client;

/* Find the store directory: `option` (--store) if not NULL, else $REEVE_STORE, else `.reeve` beside `file` (a workflow's path, may be
 * NULL), else `.reeve` in this directory or the nearest parent that has one. Appends to `out`. NOT_FOUND: err says where it looked. */
RV_MUST_USE rv_status rv_store_locate(const char *option, const char *file, rv_buf *out, rv_error *err);

/* Open for reading and for deciding. NOT_FOUND: no store there. UNAVAILABLE: owned by a process that does not answer, or only
 * another user. STORE_IO: it may not be read. */
RV_MUST_USE rv_status rv_client_open(const char *store_dir, rv_client **ret, rv_error *err);
void rv_client_close(rv_client *client); /* NULL is legal */
const char *rv_client_store(const rv_client *client);    /* absolute directory */
bool rv_client_is_remote(const rv_client *client);       /* an owner answers for us */

/* SQL over the documented schema, read only; args are text. The answer is a tree in `arena`: {"columns":[…],"rows":[[…],…],"cut":bool}. */
RV_MUST_USE rv_status rv_client_query(rv_client *client, rv_arena *arena, const char *sql, const rv_str *args, uint32_t arg_count,
                                      uint64_t row_max, const rv_json **ret, rv_error *err);
/* The full id of the run that `word` names: an id, a unique part of one (at least 3 characters), `latest` or NULL (the newest).
 * Appends to `out`. NOT_FOUND, or INVALID when several match (err lists them). */
RV_MUST_USE rv_status rv_client_find_run(rv_client *client, const char *word, rv_buf *out, rv_error *err);

/* A person's word on a blocker (key: the node's name, or NODE~revision). comment, value_json may be empty.
 * digest: of what the person saw, or empty. NOT_FOUND: no such run or no such open blocker; CONFLICT: it was decided already, or
 * shows something else now. Synced on return. */
RV_MUST_USE rv_status rv_client_decide(rv_client *client, rv_str run, rv_str key, rv_str digest, rv_decision decision, rv_str by,
                                       rv_str comment, rv_error *err);
RV_MUST_USE rv_status rv_client_answer(rv_client *client, rv_str run, rv_str key, rv_str value_json, rv_str by, rv_error *err);
/* An event from outside for the waits of a run, with what comes with it (JSON; size 0: nothing). INVALID: no name, or not JSON;
 * CONFLICT: the run has ended, or keeps as many as it may. Synced on return. */
RV_MUST_USE rv_status rv_client_signal(rv_client *client, rv_str run, rv_str name, rv_str value_json, rv_str by, rv_error *err);
/* A directive for the next turn of a node: errors as rv_engine_steer. Synced on return. */
RV_MUST_USE rv_status rv_client_steer(rv_client *client, rv_str run, rv_str node, rv_str text, rv_str by, rv_error *err);
/* From within a running node: give its run the nodes in `source` [K20]. socket, token: REEVE_SOCKET, REEVE_TOKEN. ret_told, in the
 * arena: {"key","is_new","nodes":[ids]}; of INVALID the array of problems, or NULL. Errors as rv_engine_submit_nodes; UNAVAILABLE:
 * nobody answers there. Synced on return. */
typedef struct rv_client_submission { const char *socket, *token, *key, *file; rv_str source; bool is_json; } rv_client_submission;
RV_MUST_USE rv_status rv_client_submit(const rv_client_submission *given, rv_arena *arena, const rv_json **ret_told, rv_error *err);
/* Terminal cancel of a run. CONFLICT: it has ended. Synced on return. */
RV_MUST_USE rv_status rv_client_cancel(rv_client *client, rv_str run, rv_str by, rv_error *err);
/* The store's cache, to forecast what a run would do; blobs go with it and are closed after it. Where another process owns the store it is
 * asked for each entry. NOT_FOUND: no store. */
struct rv_cache;
struct rv_blobs;
RV_MUST_USE rv_status rv_client_cache_open(rv_client *client, const char *const *environ, struct rv_cache **ret,
                                           struct rv_blobs **ret_blobs, rv_error *err);
/* Clean the cache, or count it: as rv_engine_cache_clean. CONFLICT: somebody cleans it just now. Synced on return. */
struct rv_cache_wish;
struct rv_cache_tally;
RV_MUST_USE rv_status rv_client_cache(rv_client *client, const struct rv_cache_wish *wish, struct rv_cache_tally *ret, rv_error *err);
/* Wait until the run's journal is beyond `after_seq`, or its log beyond log_size bytes, or it ended, or (not remote) return at once.
 * ret_is_live: an engine drives this run now. */
typedef struct rv_watch_state { uint64_t last_seq, log_size; bool is_live; } rv_watch_state;
RV_MUST_USE rv_status rv_client_watch(rv_client *client, rv_str run, uint64_t after_seq, uint64_t log_size, rv_watch_state *ret,
                                      rv_error *err);
typedef rv_status rv_client_event_fn(void *user, uint64_t seq, rv_str json); /* of rv_history_read (history.h) */
/* Check a run: journal checksums and chain, replay of facts = replay by deciding again, rows = rows rebuilt, promises P2–P5 over the
 * history, blobs of its artifacts. One JSON object into `out`: {"run","ok":bool,"checks":[{"name","ok","detail"}]}. */
RV_MUST_USE rv_status rv_client_verify(rv_client *client, rv_str run, rv_buf *out, rv_error *err);

#endif
