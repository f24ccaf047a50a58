/* answer.h: what a person may say to a blocker, the same in place and from a second terminal. */
#ifndef RV_ANSWER_H
#define RV_ANSWER_H

#include "base/json.h"
#include "kernel/event.h"

/* The text a person gave as the JSON value that the question wants: as it is when it is JSON of the kind that the payload's schema
 * names, else as a JSON string; an empty text is the default. Appended to `out`.
 * INVALID: it does not fit the schema; err says how. */
RV_MUST_USE rv_status rv_answer_value(rv_str payload, rv_str text, rv_buf *out, rv_error *err);
/* What is given to a budget: "usd=5 tokens=1000", parts divided by spaces or commas, as the value that the engine takes:
 * {"add":{"usd":"5",…}}, appended. INVALID: no DIMENSION=AMOUNT; err says which part. */
RV_MUST_USE rv_status rv_answer_add(rv_str text, rv_buf *out, rv_error *err);
/* Likewise quotas: "concurrent=4" as {"quota":{"concurrent":"4"}}. */
RV_MUST_USE rv_status rv_answer_quota(rv_str text, rv_buf *out, rv_error *err);
/* Append what is asked, one line or more, each indented: the message or question, then what is to be shown. */
void rv_answer_prompt(rv_buf *out, rv_str kind, rv_str payload, uint32_t indent);
/* A word of yes or no for a blocker of that kind: "y", "yes", "n", "no"; "done", "failed", "again" for an unknown outcome.
 * false: none of them. What follows the word is the comment. */
RV_MUST_USE bool rv_answer_decision(rv_str kind, rv_str text, rv_decision *ret, rv_str *ret_comment);
/* Append the command that gives a blocker its answer, ready to paste: `reeve approve RUN KEY`, `reeve answer RUN KEY VALUE`, `reeve approve
 * RUN --add usd=5`; store: ` --store DIR`, or empty. */
void rv_answer_command(rv_buf *out, rv_str run, rv_str key, rv_str kind, rv_str payload, rv_str store);
/* The words that rv_answer_decision takes, for a prompt; empty for an input. */
const char *rv_answer_choices(rv_str kind);

#endif
