/* artifact.c: where an artifact of a node lies under the name that its maker gave it. */
#include "blob/blob.h"

#include <errno.h>
#include <sys/stat.h>

#define COMPONENT_SIZE_MAX 200u /* of the 255 bytes that a file name may have */

/* Composite ids (`t/e2`, `each[3].build`) as one file name, no two the same: `/` and `%` are written as %2F and %25, and what is
 * too long ends in %- and a hash of the whole, which no shorter one has. */
static void add_component(rv_buf *out, rv_str node)
{
    size_t begin = out->size;
    for (size_t i = 0; i < node.size; i++) {
        if (node.at[i] == '/') rv_buf_cstring(out, "%2F");
        else if (node.at[i] == '%') rv_buf_cstring(out, "%25");
        else rv_buf_byte(out, node.at[i]);
    }
    if (out->size - begin <= COMPONENT_SIZE_MAX) return;
    char digest[RV_DIGEST_TEXT_SIZE + 1];
    rv_digest_text(rv_sha256(node), digest);
    out->size = begin + COMPONENT_SIZE_MAX - 34;
    rv_buf_printf(out, "%%-%.32s", digest + 7);
}

void rv_artifact_path(const char *root, rv_str run, rv_str node, rv_str name, rv_buf *out)
{
    rv_buf_printf(out, "%s/artifacts/%.*s/", root, RV_FMT(run));
    add_component(out, node);
    if (name.size) rv_buf_printf(out, "/%.*s", RV_FMT(name));
}

bool rv_parents_make(const char *path, size_t root_size)
{
    rv_buf part = {0};
    bool is_good = true;
    int error = 0;
    for (size_t i = root_size + 1; path[i] && is_good; i++) {
        if (path[i] != '/') continue;
        rv_buf_clear(&part);
        rv_buf_add(&part, path, i);
        is_good = mkdir(part.at, 0700) == 0 || errno == EEXIST;
        error = errno;
    }
    rv_buf_deinit(&part);
    if (!is_good) errno = error;
    return is_good;
}
