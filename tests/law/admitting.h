/* admitting.h: one run and the admission of an engine around it, for tests of kernel/admit.h. */
#ifndef RV_ADMITTING_H
#define RV_ADMITTING_H

#include "drive.h"
#include "kernel/admit.h"

typedef struct fixture { drive *d; rv_admission *all; rv_admit *admit; } fixture;

/* A loaded run of `text` (graph_text.h) with `cap` slots and the root /root. End it with fixture_end. */
static inline fixture fixture_of(const char *text, uint32_t cap)
{
    fixture f = {.d = drive_new(text), .all = rv_alloc(sizeof *f.all), .admit = rv_alloc(sizeof *f.admit)};
    rv_admit_open(f.admit, f.all, f.d->run, cap, RV_STR("/root"));
    return f;
}

/* What was taken is given back; the replay of the run is compared with it (drive_free). */
static inline void fixture_end(fixture *f)
{
    rv_admit_close(f->admit);
    rv_admission_deinit(f->all);
    rv_free(f->admit);
    rv_free(f->all);
    drive_free(f->d);
}

#endif
