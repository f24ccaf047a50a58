/* graph_text.h: graphs for tests, in a line of text.
 *
 *   a; b: a; c: a ~b [all_terminal] when ${a.state} == "succeeded"          a ──► b
 *                                                                            ├──► c   (c after b, softly)
 * A statement ends with `;`. `NAME` or `NAME: parts`, where a part is one of
 *   x            hard edge from x              ~x          soft edge from x
 *   [policy]     dep_policy                    !kind       shell (default), run, approve, input, wait, set, reduce
 *   @tag         a tag                         %word=v     a setting, see below
 *   $mutex       an exclusive mutex            $mutex~     a shared one
 *   `k=expr`     a field of a set              when …      the condition, up to the end of the statement
 * Settings: priority attempts delay delay_max lost_max timeout total for until deadline (numbers, ms);
 * on=exit,75,signal,timeout,unavailable,none  backoff=exponential  jitter=1  delivery=at_most_once  unknown=ask|fail|retry
 * default=JSON  reject=continue  event=NAME.
 * Budgets: limit.DIMENSION=n  estimate.usd=n  at_limit=stop|warn (usd in micro-dollars); trust=quarantined  role= isolation=
 * Of the whole graph: `%timeout=ms`, `%cap=TAG/N`, `%limit=DIMENSION/N`, `%at_limit=pause|stop|warn`, `%quota=NAME/N`.
 * `f: !foreach %items=JSON` has a body of one nameless shell node: its instances are f[0], f[1] …
 * Handlers: `on.success`, `on.failure`, `on.cancel`, `on.exit`; they stand behind all others.
 * What expressions read is kept (RV_NODE_F_KEEP_RESULT, _EXPR_OUTPUT), as the workflow loader does it. */
#ifndef RV_GRAPH_TEXT_H
#define RV_GRAPH_TEXT_H

#include "kernel/model.h"

/* A valid graph; a text that is not one ends the program with a message. Free it with rv_graph_text_free. */
const rv_graph *rv_graph_text(const char *text);
void rv_graph_text_free(const rv_graph *graph); /* NULL is legal */
/* The index of `name`, which must exist. Linear. */
uint32_t rv_graph_text_node(const rv_graph *graph, const char *name);
/* A graph of plain arrays for sizes that no text is written for: `node_count` shell nodes, node n with hard edges from
 * preds[n * per_node .. + per_node), entries RV_NONE left out. No names. Free it likewise. */
const rv_graph *rv_graph_plain(uint32_t node_count, const uint32_t *preds, uint32_t per_node);

#endif
