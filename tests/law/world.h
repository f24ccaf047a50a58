/* world.h: a run of a workflow as users write it, in the hands of a test: the file's nodes loaded by the real loader, a drive (drive.h)
 * for the run, and a compiler for what its nodes submit. What is unexpected fails the test with the words of the loader. */
#ifndef RV_WORLD_H
#define RV_WORLD_H

#include "drive.h"
#include "kernel/run_private.h"
#include "spec/spec.h"
#include "spec/submission.h"

typedef struct world { rv_spec *spec; rv_compiler compiler; drive *d; } world;

/* `nodes`: what stands beneath `nodes:` in YAML, with `on:` behind it where there are handlers. The file has the params `list`
 * ([1, 2, 3]) and `city` (Rome); LOAD is given (drive.h). Free it with world_end, which checks the replay. */
world *world_of(const char *nodes);
void world_end(world *w);

/* Admit and complete ok with this result (not read by the kernel before somebody asks: it may be no JSON). */
void world_gives(world *w, const char *node, const char *value);
/* Admit and complete as an exit with status 3 and this error text. */
void world_fails(world *w, const char *node, const char *text);
void world_expect_result(world *w, const char *node, const char *json);
void world_expect_error(world *w, const char *node, const char *part); /* its error text contains `part` */
void world_expect(world *w, const char *node, const char *says);       /* drive_says */
bool world_has(world *w, const char *node);
uint32_t world_index(world *w, const char *node);

/* As an engine submits [K20]: loaded, then stepped with what was loaded. NOT_FOUND: the loader refused it, and its words are in `said`. */
rv_answer world_submit_said(world *w, const char *node, const char *key, const char *text, rv_buf *said);
rv_answer world_submit(world *w, const char *node, const char *key, const char *text);

/* Everything in memory is gone; what ran is lost, started or not as *seed draws; the run goes on. */
void world_crash(world *w, uint64_t *seed);

#endif
