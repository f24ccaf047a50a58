/* template.c: `${path}` and `${path:-default}` in a text [W10, W11]. One scanner serves checking and rendering. */
#include "kernel/template.h"

static bool is_path_byte(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') || byte == '_' ||
           byte == '-';
}

bool rv_is_reference_path(rv_str path)
{
    bool wants_byte = true, is_first = true; /* the first name may be PROJECT:NODE */
    for (size_t i = 0; i < path.size; i++) {
        bool divides = path.at[i] == '.' || (path.at[i] == ':' && is_first);
        if (is_path_byte(path.at[i])) wants_byte = false;
        else if (divides && !wants_byte) wants_byte = true, is_first = false;
        else return false;
    }
    return !wants_byte;
}

rv_status rv_template_next(rv_str text, size_t *at, rv_template_part *ret, rv_error *err)
{
    size_t begin = *at, dollar = begin;
    RV_ASSERT(begin < text.size);
    for (;; dollar++) { /* find `${`; a `$` before anything else is a letter */
        dollar = rv_str_find(text, dollar, '$');
        if (dollar == SIZE_MAX) dollar = text.size;
        if (dollar == text.size || (dollar + 1 < text.size && text.at[dollar + 1] == '{')) break;
        if (dollar + 2 < text.size && text.at[dollar + 1] == '$' && text.at[dollar + 2] == '{') break;
    }
    *ret = (rv_template_part){.offset = begin};
    if (dollar > begin) {
        ret->text = rv_str_cut(text, begin, dollar - begin);
        *at = dollar;
        return RV_OK;
    }
    if (text.at[begin + 1] == '$') { /* `$${` is a literal `${` */
        ret->text = rv_str_cut(text, begin + 1, 2);
        *at = begin + 3;
        return RV_OK;
    }
    size_t close = rv_str_find(text, begin + 2, '}');
    if (close == SIZE_MAX) return rv_error_set(err, RV_INVALID, "`${` without its `}`");
    rv_str inside = rv_str_cut(text, begin + 2, close - begin - 2);
    ret->is_reference = true;
    ret->path = inside;
    for (size_t i = 0; i + 1 < inside.size && !ret->has_default; i++)
        if (inside.at[i] == ':' && inside.at[i + 1] == '-') {
            ret->path = rv_str_cut(inside, 0, i);
            ret->text = rv_str_from(inside, i + 2);
            ret->has_default = true;
        }
    if (!rv_is_reference_path(ret->path))
        return rv_error_set(err, RV_INVALID, "`${%.*s}` is not a reference", (int)RV_MIN(inside.size, (size_t)80), inside.at);
    *at = close + 1;
    return RV_OK;
}

rv_status rv_template_references(rv_str template_, rv_reference_fn *ref, void *user, size_t *ret_error_offset, rv_error *err)
{
    for (size_t at = 0; at < template_.size;) {
        rv_template_part part;
        size_t begin = at;
        rv_status status = rv_template_next(template_, &at, &part, err);
        if (status != RV_OK) {
            if (ret_error_offset) *ret_error_offset = begin;
            return status;
        }
        if (part.is_reference && ref) ref(user, part.path, part.has_default, part.offset);
    }
    return RV_OK;
}

rv_status rv_render(rv_str template_, rv_resolve_fn *resolve, void *user, bool null_is_error, rv_buf *out, rv_error *err)
{
    for (size_t at = 0; at < template_.size;) {
        rv_template_part part;
        rv_status status = rv_template_next(template_, &at, &part, err);
        if (status != RV_OK) return status;
        if (!part.is_reference) {
            rv_buf_str_add(out, part.text);
            continue;
        }
        rv_error detail = {0};
        size_t size = out->size;
        rv_value_kind kind = resolve(user, part.path, out, &detail);
        if (kind == RV_VALUE_TEXT) continue;
        RV_ASSERT(out->size == size);
        if (part.has_default) rv_buf_str_add(out, part.text);
        else if (kind == RV_VALUE_MISSING)
            return rv_error_set(err, RV_INVALID, "`${%.*s}`: %s", RV_FMT(part.path),
                                detail.text[0] ? detail.text : "there is no such value");
        else if (null_is_error)
            return rv_error_set(err, RV_INVALID, "`${%.*s}` is null; give a default with `${%.*s:-…}`", RV_FMT(part.path),
                                RV_FMT(part.path));
    }
    return RV_OK;
}
