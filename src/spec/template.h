/* template.h: the scanner behind rv_render and rv_template_references. */
#ifndef RV_TEMPLATE_H
#define RV_TEMPLATE_H

#include "spec/spec.h"

typedef struct rv_template_part {
    bool is_reference, has_default;
    size_t offset; /* where it begins in the template */
    rv_str path;   /* reference: between `${` and `}` or `:-` */
    rv_str text;   /* literal: its bytes; reference: the default */
} rv_template_part;

/* The part that begins at *at < text.size, moving *at past it. RV_INVALID: a `${` without end, or a path that is none; *at
 * unchanged, err says what. Pure. */
RV_MUST_USE rv_status rv_template_next(rv_str text, size_t *at, rv_template_part *ret, rv_error *err);
/* One or more words of [A-Za-z0-9_-] with single dots between them. */
bool rv_is_reference_path(rv_str path);

#endif
