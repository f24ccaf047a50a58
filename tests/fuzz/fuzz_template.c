/* fuzz_template.c: any bytes as a template: listing and rendering agree about what is right; without values the
 * literals come out as they went in; a value is never scanned again. */
#include "spec/spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct seen {
    uint32_t references, defaults;
    rv_str text;
} seen;

static void see(void *user, rv_str path, bool has_default, size_t offset)
{
    seen *s = user;
    s->references++;
    s->defaults += has_default;
    RV_ASSERT(path.size > 0 && path.at == s->text.at + offset + 2);
}

static rv_value_kind answer(void *user, rv_str path, rv_buf *out, rv_error *err)
{
    seen *s = user;
    (void)err;
    s->references--;
    rv_buf_cstring(out, path.size % 2 ? "${a.b}" : "");
    return RV_VALUE_TEXT;
}

static rv_value_kind nothing(void *user, rv_str path, rv_buf *out, rv_error *err)
{
    (void)user, (void)path, (void)out, (void)err;
    return RV_VALUE_NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    seen s = {.text = {(const char *)data, size}};
    rv_buf out = {0};
    rv_error err = {0};
    size_t offset = 0;
    rv_status listed = rv_template_references(s.text, see, &s, &offset, &err);
    RV_ASSERT(listed == RV_OK || (listed == RV_INVALID && offset < size));
    uint32_t references = s.references;
    RV_ASSERT(rv_render(s.text, answer, &s, true, &out, &err) == listed);
    RV_ASSERT(s.references == 0);
    rv_buf_clear(&out);
    rv_status bare = rv_render(s.text, nothing, &s, true, &out, &err);
    RV_ASSERT(bare == (listed == RV_OK && references == s.defaults ? RV_OK : RV_INVALID));
    rv_buf_clear(&out);
    if (references == 0 && listed == RV_OK) {
        RV_ASSERT(rv_render(s.text, nothing, &s, false, &out, &err) == RV_OK);
        RV_ASSERT(out.size <= size);
    }
    rv_buf_deinit(&out);
    return 0;
}
