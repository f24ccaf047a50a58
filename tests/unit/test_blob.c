/* test_blob.c: bytes come back as they were or not at all; nothing outside an artifacts directory is read [E30]. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "blob/blob.h"
#include "folder.h"

/* ------------------------------------------------------------- the scene */

static char base[64], root[96], work[96];
static int work_fd;
static rv_blobs *blobs;

static int setup(void **state)
{
    (void)state;
    rv_error err;
    if (make_folder(base, sizeof base, "rv-blob") != 0) return -1;
    chmod(base, 0755);
    snprintf(root, sizeof root, "%s/root", base);
    snprintf(work, sizeof work, "%s/room", base);
    if (mkdir(work, 0777) != 0) return -1;
    work_fd = open(work, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    blobs = NULL;
    return rv_blobs_open(root, &blobs, &err) == RV_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    rv_blobs_close(blobs);
    close(work_fd);
    return remove_at(AT_FDCWD, base); /* ours: …/rv-blob-… */
}

static void write_at(const char *name, rv_str bytes)
{
    int fd = openat(work_fd, name, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (fd < 0) fail_msg("%s", name);
    assert_int_equal(write(fd, bytes.at, bytes.size), bytes.size);
    close(fd);
}

static char *path_of(rv_digest digest)
{
    static rv_buf path;
    rv_buf_clear(&path);
    rv_blob_path(blobs, digest, &path);
    return path.at;
}

static rv_status read_back(rv_digest digest, rv_buf *out) { return rv_blob_read(blobs, digest, 1 << 20, out, NULL); }

/* Files under temporary names in ROOT/blobs. */
static uint32_t temporary_count(void)
{
    char dir[128];
    uint32_t count = 0;
    snprintf(dir, sizeof dir, "%s/blobs", root);
    DIR *stream = opendir(dir);
    assert_non_null(stream);
    for (struct dirent *entry; (entry = readdir(stream));) count += strncmp(entry->d_name, ".new-", 5) == 0;
    closedir(stream);
    return count;
}

/* -------------------------------------------------------------------- put */

static void blob__comes_back_by_its_digest(void **state)
{
    (void)state;
    const rv_str cases[] = {RV_STR(""), RV_STR("hello\n"), RV_STR("\0\xff\n")};
    for (size_t i = 0; i < RV_COUNT(cases); i++) {
        rv_digest digest;
        rv_buf out = {0};
        rv_buf_cstring(&out, "before ");
        assert_int_equal(rv_blob_put(blobs, cases[i], &digest, NULL), RV_OK);
        assert_memory_equal(&digest, &(rv_digest[]){rv_sha256(cases[i])}, sizeof digest);
        assert_int_equal(read_back(digest, &out), RV_OK);
        assert_true(rv_str_eq(rv_str_from(rv_buf_str(&out), 7), cases[i]));
        rv_buf_deinit(&out);
    }
    char expected[200];
    snprintf(expected, sizeof expected, "%s/blobs/58/91b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03", root);
    rv_digest hello = rv_sha256(RV_STR("hello\n"));
    assert_string_equal(path_of(hello), expected);
    struct stat found;
    assert_int_equal(stat(expected, &found), 0);
    assert_int_equal(found.st_mode & 0777, 0400);
    assert_int_equal(temporary_count(), 0);
}

static void blob__that_is_there_is_not_written_again(void **state)
{
    (void)state;
    rv_digest digest;
    uint64_t size;
    struct stat before, after;
    assert_int_equal(rv_blob_put(blobs, RV_STR("same"), &digest, NULL), RV_OK);
    assert_int_equal(stat(path_of(digest), &before), 0);
    write_at("file", RV_STR("same"));
    assert_int_equal(rv_blob_put(blobs, RV_STR("same"), &digest, NULL), RV_OK);
    assert_int_equal(rv_blob_put_file(blobs, work_fd, "file", true, &digest, &size, NULL), RV_OK);
    assert_int_equal(size, 4);
    assert_int_equal(stat(path_of(digest), &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_int_equal(temporary_count(), 0);
}

static void blob__that_was_cut_short_is_refused_by_read_and_repaired_by_put(void **state)
{
    (void)state;
    rv_digest digest;
    rv_error err;
    rv_buf out = {0};
    assert_int_equal(rv_blob_put(blobs, RV_STR("twelve bytes"), &digest, NULL), RV_OK);
    assert_int_equal(chmod(path_of(digest), 0600), 0);
    assert_int_equal(truncate(path_of(digest), 5), 0);
    rv_buf_cstring(&out, "kept");
    assert_int_equal(rv_blob_read(blobs, digest, 100, &out, &err), RV_CORRUPT);
    assert_string_equal(out.at, "kept");
    assert_non_null(strstr(err.text, path_of(digest)));
    assert_int_equal(rv_blob_put(blobs, RV_STR("twelve bytes"), &digest, NULL), RV_OK);
    assert_int_equal(read_back(digest, &out), RV_OK);
    assert_string_equal(out.at, "kepttwelve bytes");
    rv_buf_deinit(&out);
}

static void blob__read_says_what_is_wrong(void **state)
{
    (void)state;
    rv_digest digest;
    rv_buf out = {0};
    assert_int_equal(read_back(rv_sha256(RV_STR("never stored")), &out), RV_NOT_FOUND);
    assert_int_equal(rv_blob_put(blobs, RV_STR("twelve bytes"), &digest, NULL), RV_OK);
    assert_int_equal(rv_blob_read(blobs, digest, 11, &out, NULL), RV_LIMIT);
    assert_int_equal(rv_blob_read(blobs, digest, 12, &out, NULL), RV_OK);
    assert_int_equal(chmod(path_of(digest), 0600), 0);
    int fd = open(path_of(digest), O_WRONLY);
    assert_int_equal(pwrite(fd, "X", 1, 3), 1);
    close(fd);
    assert_int_equal(read_back(digest, &out), RV_CORRUPT);
    assert_int_equal(unlink(path_of(digest)), 0);
    assert_int_equal(mkdir(path_of(digest), 0700), 0);
    assert_int_equal(read_back(digest, &out), RV_CORRUPT);
    rv_buf_deinit(&out);
}

static void blob__a_failed_write_leaves_nothing_behind(void **state)
{
    (void)state;
    struct rlimit limit, small;
    rv_buf block = {0};
    rv_digest digest = {{7}}, untouched = digest;
    rv_error err;
    memset(rv_buf_extend(&block, 1 << 20), 'x', 1 << 20);
    write_at("large", rv_buf_str(&block));
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    small = limit;
    small.rlim_cur = 4096;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_int_equal(rv_blob_put(blobs, rv_buf_str(&block), &digest, &err), RV_STORE_FULL);
    assert_int_equal(rv_blob_put_file(blobs, work_fd, "large", true, &digest, NULL, &err), RV_STORE_FULL);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_memory_equal(&digest, &untouched, sizeof digest);
    assert_int_equal(temporary_count(), 0);
    assert_int_equal(read_back(rv_sha256(rv_buf_str(&block)), &(rv_buf){0}), RV_NOT_FOUND);
    uint64_t size = 0;
    assert_int_equal(rv_blob_put_file(blobs, work_fd, "large", true, &digest, &size, &err), RV_OK);
    assert_int_equal(size, 1 << 20);
    rv_buf out = {0};
    assert_int_equal(read_back(digest, &out), RV_OK);
    assert_true(rv_str_eq(rv_buf_str(&out), rv_buf_str(&block)));
    rv_buf_deinit(&out);
    rv_buf_deinit(&block);
}

static void blob__open_removes_what_a_dead_writer_left_and_nothing_of_a_living_one(void **state)
{
    (void)state;
    char dead[160], living[160];
    snprintf(dead, sizeof dead, "%s/blobs/.new-00000000000000aa", root);
    snprintf(living, sizeof living, "%s/blobs/.new-00000000000000bb", root);
    int dead_fd = open(dead, O_CREAT | O_WRONLY, 0400), living_fd = open(living, O_CREAT | O_WRONLY, 0400);
    assert_true(dead_fd >= 0 && living_fd >= 0);
    close(dead_fd);
    assert_int_equal(flock(living_fd, LOCK_EX), 0);
    rv_blobs *second = NULL;
    assert_int_equal(rv_blobs_open(root, &second, NULL), RV_OK);
    rv_blobs_close(second);
    assert_int_equal(access(dead, F_OK), -1);
    assert_int_equal(access(living, F_OK), 0);
    close(living_fd);
    rv_blobs_close(NULL);
}

static void blob__open_names_a_root_that_cannot_be(void **state)
{
    (void)state;
    rv_blobs *other = NULL;
    rv_error err;
    write_at("file", RV_STR("x"));
    char path[160];
    snprintf(path, sizeof path, "%s/file", work);
    assert_int_equal(rv_blobs_open(path, &other, &err), RV_STORE_IO);
    assert_non_null(strstr(err.text, path));
    snprintf(path, sizeof path, "%s/no/parent", work);
    assert_int_equal(rv_blobs_open(path, &other, &err), RV_STORE_IO);
    assert_null(other);
}

/* ------------------------------------------------------------------ hostile */

/* A directory as an attempt that means harm would leave it. */
static void make_hostile(void)
{
    assert_int_equal(mkdirat(work_fd, "sub", 0777), 0);
    assert_int_equal(mkdirat(work_fd, "empty", 0777), 0);
    write_at("plain", RV_STR("plain bytes"));
    write_at("sub/inner", RV_STR("inner"));
    write_at("with space", RV_STR("12"));
    write_at("new\nline", RV_STR("x"));
    write_at("latin\xe9", RV_STR("x"));
    write_at("unreadable", RV_STR("x"));
    assert_int_equal(fchmodat(work_fd, "unreadable", 0, 0), 0);
    assert_int_equal(symlinkat("/etc/passwd", work_fd, "link-out"), 0);
    assert_int_equal(symlinkat("../../etc", work_fd, "link-up"), 0);
    assert_int_equal(symlinkat("plain", work_fd, "link-in"), 0);
    assert_int_equal(symlinkat("link-loop", work_fd, "link-loop"), 0);
    assert_int_equal(symlinkat("sub", work_fd, "link-dir"), 0);
    assert_int_equal(mkfifoat(work_fd, "fifo", 0666), 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s/socket", work);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    close(fd);
}

/* Root reads everything: become somebody else for file access. */
static void drop(void)
{
    if (geteuid() == 0) assert_int_equal(seteuid(65534), 0);
}
static void restore(void)
{
    if (getuid() == 0) assert_int_equal(seteuid(0), 0);
}

static void blob__put_file_refuses_what_leads_out_or_is_no_file(void **state)
{
    (void)state;
    static const struct { const char *name; rv_status status; const char *part; } cases[] = {
        {"plain", RV_OK, ""},
        {"sub/inner", RV_OK, ""},
        {"./sub/./inner", RV_OK, ""},
        {"new\nline", RV_OK, ""},
        {"link-out", RV_DENIED, "symbolic link"},
        {"link-in", RV_DENIED, "symbolic link"},
        {"link-loop", RV_DENIED, "symbolic link"},
        {"link-dir/inner", RV_DENIED, "symbolic link"},
        {"link-up/passwd", RV_DENIED, "symbolic link"},
        {"/etc/passwd", RV_DENIED, "must stay beneath"},
        {"../room/plain", RV_DENIED, "must stay beneath"},
        {"sub/../plain", RV_DENIED, "must stay beneath"},
        {"sub/..", RV_DENIED, "must stay beneath"},
        {"", RV_DENIED, "must stay beneath"},
        {"fifo", RV_DENIED, "not a regular file"},
        {"socket", RV_DENIED, "not a regular file"},
        {"sub", RV_DENIED, "not a regular file"},
        {".", RV_DENIED, "not a regular file"},
        {"nothing", RV_NOT_FOUND, "no such file"},
        {"plain/x", RV_NOT_FOUND, "no such file"},
    };
    make_hostile();
    for (size_t i = 0; i < RV_COUNT(cases); i++) {
        rv_digest digest = {{1}}, untouched = digest;
        rv_error err = {0};
        rv_status status = rv_blob_put_file(blobs, work_fd, cases[i].name, false, &digest, NULL, &err);
        if (status != cases[i].status || !strstr(err.text, cases[i].part))
            fail_msg("'%s': %s: %s", cases[i].name, rv_status_name(status), err.text);
        if (status != RV_OK) assert_memory_equal(&digest, &untouched, sizeof digest);
    }
    assert_int_equal(temporary_count(), 0);
    rv_digest digest;
    rv_error err = {0};
    drop();
    rv_status status = rv_blob_put_file(blobs, work_fd, "unreadable", false, &digest, NULL, &err);
    restore();
    assert_int_equal(status, RV_DENIED);
    assert_non_null(strstr(err.text, "no permission"));
}

static void print_entries(const rv_file_entries *entries, rv_buf *out)
{
    for (uint32_t i = 0; i < entries->count; i++) {
        const rv_file_entry *entry = &entries->at[i];
        assert_true(entry->is_refused == (entry->reason != NULL));
        if (entry->is_refused) rv_buf_printf(out, "%.*s: %s\n", RV_FMT(entry->name), entry->reason);
        else rv_buf_printf(out, "%.*s %llu\n", RV_FMT(entry->name), (unsigned long long)entry->size);
    }
}

static void scan__lists_files_sorted_and_refuses_the_rest_with_reasons(void **state)
{
    (void)state;
    rv_arena arena = {0};
    rv_file_entries entries = {0};
    rv_buf out = {0};
    make_hostile();
    drop();
    rv_status status = rv_blob_scan(&arena, work_fd, &entries, NULL);
    restore();
    assert_int_equal(status, RV_OK);
    print_entries(&entries, &out);
    assert_string_equal(out.at, "fifo: a fifo\n"
                                "latin\xe9: its name is not valid UTF-8\n"
                                "link-dir: a symbolic link\n"
                                "link-in: a symbolic link\n"
                                "link-loop: a symbolic link\n"
                                "link-out: a symbolic link\n"
                                "link-up: a symbolic link\n"
                                "new\nline: its name has control characters\n"
                                "plain 11\n"
                                "socket: a socket\n"
                                "sub/inner 5\n"
                                "unreadable: no permission to read it\n"
                                "with space 2\n");
    rv_buf_deinit(&out);
    rv_vec_deinit(&entries);
    rv_arena_deinit(&arena);
}

static void scan__a_device_is_refused_unopened(void **state)
{
    (void)state;
    rv_arena arena = {0};
    rv_file_entries entries = {0};
    if (mknodat(work_fd, "device", S_IFCHR | 0666, 0x0103) != 0) skip(); /* needs privilege */
    rv_digest digest;
    assert_int_equal(rv_blob_scan(&arena, work_fd, &entries, NULL), RV_OK);
    assert_int_equal(entries.count, 1);
    assert_string_equal(entries.at[0].reason, "a device");
    assert_int_equal(rv_blob_put_file(blobs, work_fd, "device", false, &digest, NULL, NULL), RV_DENIED);
    rv_vec_deinit(&entries);
    rv_arena_deinit(&arena);
}

static void scan__an_unreadable_directory_is_one_refused_entry(void **state)
{
    (void)state;
    rv_arena arena = {0};
    rv_file_entries entries = {0};
    assert_int_equal(mkdirat(work_fd, "closed", 0777), 0);
    write_at("closed/file", RV_STR("x"));
    assert_int_equal(fchmodat(work_fd, "closed", 0, 0), 0);
    drop();
    rv_status status = rv_blob_scan(&arena, work_fd, &entries, NULL);
    restore();
    assert_int_equal(status, RV_OK);
    assert_int_equal(entries.count, 1);
    assert_true(rv_str_is(entries.at[0].name, "closed"));
    assert_string_equal(entries.at[0].reason, "no permission to read it");
    rv_vec_deinit(&entries);
    rv_arena_deinit(&arena);
}

static void scan__a_deep_tree_neither_recurses_nor_hides_anything(void **state)
{
    (void)state;
    rv_arena arena = {0};
    rv_file_entries entries = {0};
    int fd = dup(work_fd);
    for (uint32_t depth = 0; depth < 3000; depth++) { /* 3 bytes a level: past PATH_MAX */
        assert_int_equal(mkdirat(fd, "dd", 0777), 0);
        int next = openat(fd, "dd", O_RDONLY | O_DIRECTORY);
        assert_true(next >= 0);
        close(fd);
        fd = next;
        if (depth == 999) close(openat(fd, "file", O_CREAT | O_WRONLY, 0666));
    }
    close(fd);
    assert_int_equal(rv_blob_scan(&arena, work_fd, &entries, NULL), RV_OK);
    assert_int_equal(entries.count, 2);
    rv_str first = entries.at[0].name, second = entries.at[1].name;
    assert_true(entries.at[0].is_refused && !entries.at[1].is_refused);
    assert_string_equal(entries.at[0].reason, "its name is too long");
    assert_true(first.size > 4000 && rv_str_ends(second, RV_STR("/dd/file")) && second.size == 3 * 1000 + 4);
    rv_vec_deinit(&entries);
    rv_arena_deinit(&arena);
}

static void scan__ends_at_ten_thousand_entries(void **state)
{
    (void)state;
    rv_arena arena = {0};
    rv_file_entries entries = {0};
    rv_error err;
    char name[32];
    for (uint32_t i = 0; i < 9990; i++) {
        snprintf(name, sizeof name, "f%u", i);
        int fd = openat(work_fd, name, O_CREAT | O_WRONLY, 0666);
        assert_true(fd >= 0);
        close(fd);
    }
    for (uint32_t i = 0; i < 10; i++) { /* directories count too */
        snprintf(name, sizeof name, "d%u", i);
        assert_int_equal(mkdirat(work_fd, name, 0777), 0);
    }
    assert_int_equal(rv_blob_scan(&arena, work_fd, &entries, &err), RV_OK);
    assert_int_equal(entries.count, 9990);
    write_at("d3/one-more", RV_STR(""));
    assert_int_equal(rv_blob_scan(&arena, work_fd, &entries, &err), RV_LIMIT);
    assert_int_equal(entries.count, 9990);
    rv_vec_deinit(&entries);
    rv_arena_deinit(&arena);
}

/* ------------------------------------------------------------- artifact paths */

static void artifact_path_of(const char *node, const char *name, rv_buf *out)
{
    rv_buf_clear(out);
    rv_artifact_path("/s", RV_STR("r1"), rv_str_of(node), rv_str_of(name), out);
}

static void artifact_path__of_a_composite_id_is_one_file_name_and_no_other_ids(void **state)
{
    (void)state;
    static const char *const nodes[] = {"t", "t/e2", "t%2Fe2", "each[3]", "each[3].build", "try#2", "t/r1m0j2s", "draft~1"};
    rv_buf path = {0}, other = {0};
    artifact_path_of("t/e2", "page.html", &path);
    assert_string_equal(path.at, "/s/artifacts/r1/t%2Fe2/page.html");
    artifact_path_of("t", "e2/page.html", &other);
    assert_string_equal(other.at, "/s/artifacts/r1/t/e2/page.html");
    artifact_path_of("plain", "", &path);
    assert_string_equal(path.at, "/s/artifacts/r1/plain");
    for (size_t a = 0; a < RV_COUNT(nodes); a++) {
        artifact_path_of(nodes[a], "x", &path);
        uint32_t slashes = 0;
        for (size_t i = 0; i < path.size; i++) slashes += path.at[i] == '/';
        assert_int_equal(slashes, 5);
        for (size_t b = 0; b < a; b++) {
            artifact_path_of(nodes[b], "x", &other);
            assert_string_not_equal(path.at, other.at);
        }
    }
    rv_buf_deinit(&path);
    rv_buf_deinit(&other);
}

static void artifact_path__of_a_long_id_fits_a_file_name(void **state)
{
    (void)state;
    char one[1024], two[1024];
    rv_buf path = {0}, other = {0};
    memset(one, 'a', sizeof one);
    one[sizeof one - 1] = 0;
    memcpy(two, one, sizeof two);
    two[sizeof two - 2] = 'b'; /* differs at its end only */
    artifact_path_of(one, "x", &path);
    artifact_path_of(two, "x", &other);
    assert_true(path.size - strlen("/s/artifacts/r1/") - 2 <= 255);
    assert_string_not_equal(path.at, other.at);
    rv_buf_deinit(&path);
    rv_buf_deinit(&other);
}

#define BLOB_TEST(name_) cmocka_unit_test_setup_teardown(name_, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BLOB_TEST(blob__comes_back_by_its_digest),
        BLOB_TEST(blob__that_is_there_is_not_written_again),
        BLOB_TEST(blob__that_was_cut_short_is_refused_by_read_and_repaired_by_put),
        BLOB_TEST(blob__read_says_what_is_wrong),
        BLOB_TEST(blob__a_failed_write_leaves_nothing_behind),
        BLOB_TEST(blob__open_removes_what_a_dead_writer_left_and_nothing_of_a_living_one),
        BLOB_TEST(blob__open_names_a_root_that_cannot_be),
        BLOB_TEST(blob__put_file_refuses_what_leads_out_or_is_no_file),
        BLOB_TEST(scan__lists_files_sorted_and_refuses_the_rest_with_reasons),
        BLOB_TEST(scan__a_device_is_refused_unopened),
        BLOB_TEST(scan__an_unreadable_directory_is_one_refused_entry),
        BLOB_TEST(scan__a_deep_tree_neither_recurses_nor_hides_anything),
        BLOB_TEST(scan__ends_at_ten_thousand_entries),
        cmocka_unit_test(artifact_path__of_a_composite_id_is_one_file_name_and_no_other_ids),
        cmocka_unit_test(artifact_path__of_a_long_id_fits_a_file_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
