/* template.h: texts with references: `${path}`, `${path:-default}`; `$${` is a literal `${` [W10, W11]. Pure. */
#ifndef RV_TEMPLATE_H
#define RV_TEMPLATE_H

#include "base/mem.h"

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

/* ---- values at start [W10–W14] ----
 * One pass; `$${` is a literal `${`; what a value contains is not scanned again. The resolver is asked for each
 * reference: path is the text between `${` and `}` without a default part. */
typedef enum rv_value_kind { RV_VALUE_MISSING, RV_VALUE_NULL, RV_VALUE_TEXT } rv_value_kind;
/* TEXT: appended to `out`, strings plain, other JSON compact; else `out` is as it was. MISSING: err may say why. */
typedef rv_value_kind rv_resolve_fn(void *user, rv_str path, rv_buf *out, rv_error *err);
/* Append the rendered template to `out`. A missing value without a default fails; null_is_error (argv): so does null, which is else
 * empty text. RV_INVALID: err names the reference and what is missing; `out` may have been appended to. */
RV_MUST_USE rv_status rv_render(rv_str template_, rv_resolve_fn *resolve, void *user, bool null_is_error, rv_buf *out, rv_error *err);
/* Call `ref` for each reference in a template. */
typedef void rv_reference_fn(void *user, rv_str path, bool has_default, size_t offset);
RV_MUST_USE rv_status rv_template_references(rv_str template_, rv_reference_fn *ref, void *user, size_t *ret_error_offset, rv_error *err);

#endif
