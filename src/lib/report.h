/* report.h: what an executor says of an attempt (`completed` of include/reeve.h), read the same way for the kernel alone and for
 * the engine [K42]. */
#ifndef RV_REPORT_H
#define RV_REPORT_H

#include "base/json.h"
#include "kernel/event.h"
#include "reeve.h"

/* Parse a value: good JSON of at most 1 MiB (size 0: none, *ret is left alone). INVALID, LIMIT. */
RV_MUST_USE rv_status rv_report_value(rv_arena *arena, rv_str json, rv_json **ret, rv_error *err);
/* *ret becomes the result with what is reported (turns, tokens, cost, continue, branch, winner) laid over it, in the arena, when
 * something is. value: the parsed result; NULL: none. INVALID: it is no object, so that there is no place for them; LIMIT. */
RV_MUST_USE rv_status rv_report_result(rv_arena *arena, const reeve_event *event, const rv_json *value, rv_str *ret, rv_error *err);
/* State and detail of the attempt, from termination, state, detail, exit status and signal. INVALID: there is no such word. */
RV_MUST_USE rv_status rv_report_termination(const reeve_event *event, rv_event *ret, rv_error *err);

#endif
