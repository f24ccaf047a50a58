#include "engine/inner.h"

#include "base/glob.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* What an attempt leaves behind: a result in $REEVE_OUTPUT, files in $REEVE_ARTIFACTS, declared outputs [W14, E30]. */

/* ---- $REEVE_OUTPUT: JSON, or lines of key=value ---- */

static bool fail(rv_attempt *attempt, rv_detail detail, const char *text)
{
    attempt->row.detail = detail;
    rv_buf_cstring(&attempt->error, text);
    return false;
}

typedef struct pair { rv_str key, value; } pair;
typedef RV_VEC(pair) pairs;

/* Split from the last line to the first: so the first that is met of a key is the one that counts. */
static bool split_lines(rv_str text, pairs *out)
{
    rv_map seen = {0};
    bool is_good = true;
    while (text.size && is_good) {
        size_t begin = text.size;
        if (text.at[begin - 1] == '\n') begin--;
        size_t end = begin;
        while (begin > 0 && text.at[begin - 1] != '\n') begin--;
        rv_str line = rv_str_cut(text, begin, end - begin);
        text.size = begin;
        if (line.size && line.at[line.size - 1] == '\r') line.size--;
        if (line.size == 0) continue;
        size_t equals = rv_str_find(line, 0, '=');
        is_good = equals != SIZE_MAX && equals > 0;
        if (!is_good) break;
        pair found = {rv_str_cut(line, 0, equals), rv_str_from(line, equals + 1)};
        if (rv_map_add(&seen, found.key, 0) == RV_NONE) rv_vec_push(out, found);
    }
    rv_map_deinit(&seen);
    return is_good;
}

/* A later line with the same key wins, as in a shell. */
static bool parse_lines(rv_attempt *attempt, rv_str text)
{
    rv_json_writer w;
    pairs found = {0};
    bool is_good = split_lines(text, &found);
    if (!is_good) fail(attempt, RV_DETAIL_SCHEMA, "$REEVE_OUTPUT is neither JSON nor lines of key=value");
    rv_json_writer_init(&w, &attempt->result, 0);
    if (is_good) rv_jw_object(&w);
    for (uint32_t i = found.count; i-- > 0 && is_good;) {
        rv_jw_key_str(&w, found.at[i].key);
        rv_jw_str(&w, found.at[i].value);
    }
    if (is_good) rv_jw_object_end(&w);
    rv_vec_deinit(&found);
    return is_good;
}

static bool fail_masked(rv_attempt *attempt, rv_detail detail, const char *text)
{
    rv_buf message = {0}, masked = {0};
    rv_buf_printf(&message, "$REEVE_OUTPUT: %s", text);
    rv_mask_whole(rv_attempt_mask(attempt), rv_buf_str(&message), &masked);
    fail(attempt, detail, masked.at);
    rv_buf_deinit(&message);
    rv_buf_deinit(&masked);
    return false;
}

/* It cannot hold a secret: the run has none, and the token, which has no character that needs an escape, is not in it. Most results:
 * making a mask of an attempt's own costs more than all else that is done with them. */
static bool holds_no_secret(const rv_attempt *attempt, rv_str text)
{
    if (attempt->job->spec->secrets.count || memchr(text.at, '\\', text.size)) return false;
    return !attempt->token[0] || !memmem(text.at, text.size, attempt->token, strlen(attempt->token));
}

static bool parse_result(rv_attempt *attempt, rv_str text)
{
    rv_arena arena = {0};
    rv_json *tree = NULL;
    rv_error error = {0};
    rv_buf masked = {0};
    size_t first = 0;
    bool is_good = true;
    while (first < text.size && strchr(" \t\r\n", text.at[first])) first++;
    if (first == text.size) return true; /* an empty file is no result */
    rv_status status = rv_json_parse(&arena, text, &tree, &error);
    if (status == RV_OK && holds_no_secret(attempt, text)) {
        rv_mask_json(NULL, text, &attempt->result);
    } else if (status == RV_OK) {
        rv_mask_json(rv_attempt_mask(attempt), text, &attempt->result);
        status = rv_json_parse(&arena, rv_buf_str(&attempt->result), &tree, &error); /* two keys may have become one */
        if (status != RV_OK) is_good = fail_masked(attempt, RV_DETAIL_SCHEMA, error.text);
    } else if (text.at[first] == '{' || text.at[first] == '[') {
        is_good = fail_masked(attempt, RV_DETAIL_SCHEMA, error.text);
    } else {
        rv_mask_whole(rv_attempt_mask(attempt), text, &masked);
        is_good = parse_lines(attempt, rv_buf_str(&masked));
    }
    if (is_good && attempt->result.size > RV_RESULT_SIZE_MAX) /* escapes and marks can make it longer than its file */
        is_good = fail_masked(attempt, RV_DETAIL_SCHEMA, "the result is over 1 MiB; write large things to $REEVE_ARTIFACTS");
    if (!is_good) rv_buf_clear(&attempt->result);
    rv_buf_deinit(&masked);
    rv_arena_deinit(&arena);
    return is_good;
}

static bool read_output(rv_attempt *attempt)
{
    struct stat info;
    rv_buf text = {0};
    int fd = open(attempt->dir->output, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) return errno == ENOENT ? true : fail(attempt, RV_DETAIL_OUTPUT_NOT_REGULAR, "$REEVE_OUTPUT is not a regular file");
    bool is_good = true;
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode))
        is_good = fail(attempt, RV_DETAIL_OUTPUT_NOT_REGULAR, "$REEVE_OUTPUT is not a regular file");
    else if ((uint64_t)info.st_size > RV_RESULT_SIZE_MAX)
        is_good =
            fail(attempt, RV_DETAIL_SCHEMA, "the result in $REEVE_OUTPUT is over 1 MiB; write large things to $REEVE_ARTIFACTS");
    if (is_good && info.st_size > 0) {
        char *at = rv_buf_extend(&text, (size_t)info.st_size);
        ssize_t size = read(fd, at, (size_t)info.st_size);
        text.size = size > 0 ? (size_t)size : 0;
        is_good = parse_result(attempt, rv_buf_str(&text));
    }
    close(fd);
    rv_buf_deinit(&text);
    return is_good;
}

/* ---- artifacts ---- */

static bool is_full(int error_number) { return error_number == ENOSPC || error_number == EDQUOT || error_number == EFBIG; }

/* ROOT/artifacts/RUN/NODE/NAME: the same bytes under the name that their maker gave them; what `${node.artifact.NAME}` means. */
bool rv_artifact_link(rv_job *job, uint32_t node, rv_digest digest, rv_str name)
{
    rv_engine *engine = job->engine;
    rv_buf blob = {0}, path = {0};
    rv_blob_path(engine->config.blobs, digest, &blob);
    rv_artifact_path(engine->config.root, rv_str_of(job->id), rv_job_node_id(job, node), name, &path);
    bool is_good = rv_parents_make(path.at, strlen(engine->config.root));
    if (is_good && link(blob.at, path.at) != 0) is_good = errno == EEXIST && unlink(path.at) == 0 && link(blob.at, path.at) == 0;
    rv_buf_deinit(&blob);
    rv_buf_deinit(&path);
    return is_good;
}

void rv_artifact_note(rv_buf *out, rv_str name, rv_digest digest, uint64_t size)
{
    rv_json_writer w;
    char text[RV_DIGEST_TEXT_SIZE + 1];
    rv_digest_text(digest, text);
    rv_json_writer_init(&w, out, 0);
    rv_jw_array(&w);
    rv_jw_str(&w, name);
    rv_jw_cstring(&w, text);
    rv_jw_u64(&w, size);
    rv_jw_array_end(&w);
    rv_buf_byte(out, '\n');
}

static bool store_artifact(rv_attempt *attempt, int fd, const rv_file_entry *entry)
{
    rv_digest digest;
    uint64_t size;
    rv_error error = {0};
    rv_buf message = {0};
    bool is_good = true;
    if (entry->is_refused) {
        rv_buf_printf(&message, "artifact %.*s is refused: %s", RV_FMT(entry->name), entry->reason);
        is_good = fail(attempt, RV_DETAIL_OUTPUT_PATH, message.at);
    } else if (rv_blob_put_file(attempt->job->engine->config.blobs, fd, entry->name.at, true, &digest, &size, &error) != RV_OK) {
        (void)rv_attempt_storage_failed(attempt, &error);
        is_good = fail(attempt, RV_DETAIL_CAPTURE, error.text);
    } else if (!rv_artifact_link(attempt->job, attempt->node, digest, entry->name)) {
        if (is_full(errno))
            rv_error_set(&error, RV_STORE_FULL, "no space left for artifact %.*s; make room, then resume", RV_FMT(entry->name));
        (void)rv_attempt_storage_failed(attempt, &error);
        is_good = fail(attempt, RV_DETAIL_CAPTURE, "cannot link an artifact into the store; check its space and permissions");
    } else {
        RV_FAIL_POINT(ARTIFACT_LINKED);
        rv_artifact_note(&attempt->artifacts, entry->name, digest, size);
    }
    rv_buf_deinit(&message);
    return is_good;
}

static bool collect_artifacts(rv_attempt *attempt)
{
    rv_file_entries entries = {0};
    rv_arena arena = {0};
    rv_error error = {0};
    bool is_good = true;
    int fd = open(attempt->dir->artifacts, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return fail(attempt, RV_DETAIL_OUTPUT_PATH, "$REEVE_ARTIFACTS is no longer a directory");
    if (rv_blob_scan(&arena, fd, &entries, &error) != RV_OK) is_good = fail(attempt, RV_DETAIL_CAPTURE, error.text);
    for (uint32_t i = 0; i < entries.count && is_good; i++) is_good = store_artifact(attempt, fd, &entries.at[i]);
    close(fd);
    rv_vec_deinit(&entries);
    rv_arena_deinit(&arena);
    return is_good;
}

void rv_artifact_rows(rv_job *job, uint32_t node, uint32_t epoch, rv_str lines, int64_t created_ms, rv_batch *batch)
{
    rv_arena arena = {0};
    rv_str rest = lines;
    while (rest.size) {
        size_t end = rv_str_find(rest, 0, '\n');
        rv_json *line = NULL;
        rv_status status = rv_json_parse(&arena, rv_str_cut(rest, 0, end), &line, NULL);
        RV_ASSERT(status == RV_OK);
        rest = rv_str_from(rest, end + 1);
        int64_t size = 0;
        bool is_number = rv_json_i64(rv_json_at(line, 2), &size);
        RV_ASSERT(is_number);
        rv_artifact_row row = {.run = rv_str_of(job->id),
                               .node = rv_job_node_id(job, node),
                               .name = rv_json_at(line, 0)->text,
                               .media_type = RV_STR("application/octet-stream"),
                               .digest = rv_json_at(line, 1)->text,
                               .epoch = epoch,
                               .size = (uint64_t)size,
                               .is_complete = true,
                               .created_ms = created_ms};
        rv_batch_artifact(batch, &row);
    }
    rv_arena_deinit(&arena);
}

/* ---- declared outputs and the schema ---- */

/* The path, from the run's directory, that an output without wildcards names; of another one size 0. */
static rv_str literal_output(rv_attempt *attempt, rv_str pattern)
{
    const rv_glob *glob = NULL;
    rv_status status = rv_glob_compile(pattern, RV_STR(""), &attempt->job->engine->scratch, &glob, NULL);
    return status == RV_OK ? rv_glob_literal(glob) : RV_STR("");
}

/* A declared literal output that was not produced fails the node [C13]. */
static bool check_outputs(rv_attempt *attempt, const rv_json *body)
{
    const rv_json *outputs = rv_json_get(body, RV_STR("outputs"));
    for (const rv_json *path = outputs ? outputs->child : NULL; path; path = path->next) {
        struct stat info;
        rv_buf full = {0};
        rv_str name = literal_output(attempt, path->text);
        if (name.size == 0) continue;
        rv_buf_printf(&full, "%s/%.*s", attempt->job->dir, RV_FMT(name));
        bool exists = lstat(full.at, &info) == 0;
        rv_buf_clear(&full);
        rv_buf_printf(&full, "declared output %.*s was not made", RV_FMT(path->text));
        if (!exists) fail(attempt, RV_DETAIL_OUTPUT_MISSING, full.at);
        rv_buf_deinit(&full);
        if (!exists) return false;
    }
    return true;
}

static bool check_schema(rv_attempt *attempt, const rv_json *body)
{
    rv_buf violations = {0};
    bool is_good = rv_result_fits(body, rv_buf_str(&attempt->result), &violations);
    if (!is_good) fail(attempt, RV_DETAIL_SCHEMA, violations.at);
    rv_buf_deinit(&violations);
    return is_good;
}

/* Most bodies say nothing of what the attempt has to leave; then there is no need to read them. */
static const rv_json *body_of(rv_attempt *attempt)
{
    static const char key[] = "\"outputs\":";
    const rv_run *run = attempt->job->run;
    const rv_node_def *def = rv_run_def(run, attempt->node);
    rv_str text = rv_graph_str(rv_run_graph(run, attempt->node), def->body);
    bool may_have_outputs = memmem(text.at, text.size, key, sizeof key - 1) != NULL;
    return may_have_outputs || (def->flags & RV_NODE_F_HAS_SCHEMA) ? rv_job_body(attempt->job, attempt->node) : NULL;
}

void rv_result_look(rv_attempt *attempt, rv_str given)
{
    rv_detail detail = attempt->row.detail;
    size_t error_size = attempt->error.size;
    if (attempt->result.size) return; /* it was read, and does not fit its schema */
    if (given.size) (void)parse_result(attempt, given);
    else if (attempt->dir && rv_slot_dir_look(attempt->dir)) (void)read_output(attempt);
    else return;
    attempt->row.detail = detail;
    if (attempt->error.size > error_size) attempt->error.at[attempt->error.size = error_size] = 0;
}

bool rv_result_collect(rv_attempt *attempt, rv_str given)
{
    const rv_json *body = body_of(attempt);
    bool is_touched = rv_slot_dir_look(attempt->dir);
    if (body && !check_outputs(attempt, body)) return false;
    if (given.size ? !parse_result(attempt, given) : is_touched && !read_output(attempt)) return false;
    if (body && !check_schema(attempt, body)) return false;
    return !is_touched || collect_artifacts(attempt);
}
