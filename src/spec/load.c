#include "spec/load.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- reading files ---- */

static rv_status read_all(int fd, size_t size_max, rv_buf *out)
{
    size_t before = out->size;
    for (;;) {
        char *at = rv_buf_extend(out, 65536);
        ssize_t size = read(fd, at, 65536);
        out->size -= 65536 - (size > 0 ? (size_t)size : 0);
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) return RV_IO;
        if (size == 0) return RV_OK;
        if (out->size - before > size_max) return RV_LIMIT;
    }
}

static rv_status open_status(int number)
{
    return number == ENOENT || number == ENOTDIR ? RV_NOT_FOUND : number == EACCES || number == EPERM ? RV_DENIED : RV_IO;
}

rv_status rv_file_beneath(const char *dir, rv_str path, rv_buf *out, rv_error *err)
{
    char name[4096];
    if (path.size == 0 || path.size >= sizeof name || memchr(path.at, 0, path.size))
        return rv_error_set(err, RV_INVALID, "`file://` names no file");
    memcpy(name, path.at, path.size);
    name[path.size] = 0;
    int root = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0) return rv_error_set(err, open_status(errno), "%s: %s", dir, strerror(errno));
    struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    int fd = (int)syscall(SYS_openat2, root, name, &how, sizeof how), number = errno;
    (void)close(root);
    if (fd < 0 && number == EXDEV) return rv_error_set(err, RV_DENIED, "`%s` leads out of the workflow's directory", name);
    if (fd < 0) return rv_error_set(err, open_status(number), "`%s`: %s", name, strerror(number));
    struct stat stat;
    rv_status status =
        fstat(fd, &stat) == 0 && S_ISREG(stat.st_mode) ? RV_OK : rv_error_set(err, RV_INVALID, "`%s` is not a file", name);
    size_t before = out->size;
    if (status == RV_OK) {
        status = read_all(fd, RV_FILE_TEXT_MAX, out);
        rv_str text = {out->at + before, out->size - before};
        if (status == RV_LIMIT) (void)rv_error_set(err, status, "`%s` is larger than 4 MiB", name);
        else if (status != RV_OK) (void)rv_error_set(err, status, "`%s`: %s", name, strerror(errno));
        else if (rv_utf8_valid(text) != text.size) status = rv_error_set(err, RV_INVALID, "`%s` is not UTF-8", name);
    }
    (void)close(fd);
    return status;
}

rv_status rv_spec_read(const char *path, rv_buf *out, rv_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        int number = errno;
        if (number == ENOENT)
            return rv_error_set(err, RV_NOT_FOUND, "%s: there is no such file; `reeve init` writes an example", path);
        return rv_error_set(err, open_status(number), "%s: cannot be read: %s", path, strerror(number));
    }
    struct stat stat;
    if (fstat(fd, &stat) == 0 && S_ISDIR(stat.st_mode)) {
        (void)close(fd);
        return rv_error_set(err, RV_INVALID, "%s: is a directory; name the workflow file in it", path);
    }
    if (S_ISREG(stat.st_mode) && stat.st_size > 0 && stat.st_size <= RV_DOC_SOURCE_MAX &&
        rv_buf_reserve(out, (size_t)stat.st_size + 65536) != RV_OK) {
        (void)close(fd);
        return rv_error_set(err, RV_NO_MEMORY, "%s: no memory for %lld bytes", path, (long long)stat.st_size);
    }
    rv_status status = read_all(fd, RV_DOC_SOURCE_MAX, out);
    int number = errno;
    (void)close(fd);
    if (status == RV_LIMIT)
        return rv_error_set(err, RV_LIMIT, "%s: is larger than 256 MiB; split it into several workflows", path);
    if (status != RV_OK) return rv_error_set(err, status, "%s: cannot be read: %s", path, strerror(number));
    return RV_OK;
}

/* ---- loading ---- */

#define SMALL_MAP 16u /* pairs up to which a map is searched pair by pair */

/* 4 bytes of the map's number, then the key. */
static rv_str member_key(rv_arena *arena, uint32_t map, rv_str key)
{
    char *at = rv_arena_alloc(arena, sizeof map + key.size);
    memcpy(at, &map, sizeof map);
    if (key.size) memcpy(at + sizeof map, key.at, key.size);
    return (rv_str){at, sizeof map + key.size};
}

uint32_t rv_loader_member(rv_loader *l, uint32_t map, rv_str key)
{
    const rv_doc *doc = &l->doc;
    if (rv_doc_kind_of(doc, map) != RV_DOC_MAP) return RV_NONE;
    bool is_small = rv_doc_size(doc, map) <= SMALL_MAP;
    bool is_new = !is_small && rv_map_add(&l->members, member_key(&l->arena, map, RV_STR("")), map) == RV_NONE;
    for (uint32_t k = map + 1, end = rv_doc_next(doc, map); (is_small || is_new) && k < end; k = rv_doc_next(doc, k + 1)) {
        if (is_new) (void)rv_map_add(&l->members, member_key(&l->arena, map, rv_doc_text(doc, k)), k + 1);
        else if (rv_str_eq(rv_doc_text(doc, k), key)) return k + 1;
    }
    return is_small || key.size == 0 ? RV_NONE : rv_map_get(&l->members, member_key(&l->arena, map, key));
}

static void loader_deinit(rv_loader *l)
{
    rv_doc_deinit(&l->doc);
    rv_arena_deinit(&l->arena);
    rv_vec_deinit(&l->nodes);
    rv_vec_deinit(&l->files);
    rv_vec_deinit(&l->scopes);
    rv_vec_deinit(&l->revising);
    rv_vec_deinit(&l->revises);
    rv_vec_deinit(&l->revise_nodes);
    rv_map_deinit(&l->names);
    rv_map_deinit(&l->scoped);
    rv_vec_deinit(&l->references);
    rv_vec_deinit(&l->schemas);
    rv_vec_deinit(&l->contents);
    rv_vec_deinit(&l->env_names);
    rv_vec_deinit(&l->env_needed);
    rv_map_deinit(&l->env_map);
    rv_map_deinit(&l->members);
    rv_vec_deinit(&l->pred);
    rv_vec_deinit(&l->projects);
    rv_map_deinit(&l->project_names);
    rv_map_deinit(&l->tag_first);
    rv_vec_deinit(&l->tagged);
    rv_vec_deinit(&l->renames);
}

static rv_status run_steps(rv_loader *l, rv_spec *spec)
{
    uint32_t before = l->problems->error_count;
    RV_ASSERT(!l->input->spent || l->problems->is_silent); /* nothing has a position then */
    rv_status status = rv_doc_read(&l->doc, l->input, l->problems);
    if (status != RV_OK) return status;
    rv_loader_check(l);
    rv_loader_link(l);
    rv_loader_revise(l);
    rv_loader_resolve(l);
    if (l->problems->error_count > before) return RV_INVALID;
    rv_vec_deinit(&l->references); /* resolved; of a large file they are as much as its graph, which is made now */
    status = rv_loader_write(l, spec);
    if (status != RV_OK) return status;
    const rv_image *image = spec->image;
    rv_values_resolve(spec, l->input, rv_graph_str(&spec->graph, image->params), rv_graph_str(&spec->graph, image->env), l,
                      l->problems);
    return l->problems->error_count > before ? RV_INVALID : RV_OK;
}

rv_status rv_spec_load(const rv_spec_input *input, rv_spec **ret, rv_problems *problems)
{
    rv_loader loader = {.input = input, .problems = problems};
    rv_spec *spec = rv_alloc(sizeof *spec);
    rv_status status = run_steps(&loader, spec);
    rv_problems_sort(problems);
    loader_deinit(&loader);
    if (status == RV_OK) *ret = spec;
    else rv_spec_free(spec);
    return status == RV_OK || status == RV_NO_MEMORY ? status : RV_INVALID;
}
