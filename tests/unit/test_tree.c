/* test_tree.c: a workspace's files: what patterns mean, stamps that may be trusted, files put back and nothing else [C1, C3, C12]. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "blob/tree.h"
#include "folder.h"

/* ---- the scene: BASE/top with its store in BASE/top/.reeve, and BASE/outside ---- */

static char base[64], work[96], store[128], outside[96];
static rv_blobs *blobs;
static rv_stamps *stamps;
static rv_tree *tree;
static rv_arena arena;

#define assert_ok(status_, err_)                                            \
    do {                                                                    \
        rv_status status__ = (status_);                                     \
        if (status__) fail_msg("%s: %s", rv_status_name(status__), (err_)->text); \
    } while (0)

static void command(const char *fmt, ...) RV_PRINTF(1, 2);
static void command(const char *fmt, ...)
{
    char text[1024];
    int size = snprintf(text, sizeof text, "cd %s && ", work);
    va_list args;
    va_start(args, fmt);
    vsnprintf(text + size, sizeof text - (size_t)size, fmt, args);
    va_end(args);
    if (system(text) != 0) fail_msg("%s", text);
}

static int setup(void **state)
{
    rv_error err;
    snprintf(base, sizeof base, "/tmp/rv-tree-XXXXXX"); /* not beneath what root alone may enter: nobody works here, too */
    if (!mkdtemp(base)) return -1;
    snprintf(work, sizeof work, "%s/top", base);
    snprintf(store, sizeof store, "%s/top/.reeve", base);
    snprintf(outside, sizeof outside, "%s/outside", base);
    if (mkdir(work, 0777) != 0 || mkdir(outside, 0777) != 0) return -1;
    assert_ok(rv_blobs_open(store, &blobs, &err), &err);
    stamps = rv_stamps_open(store);
    assert_ok(rv_tree_open(work, store, blobs, stamps, &tree, &err), &err);
    return 0;
}

static int teardown(void **state)
{
    rv_tree_close(tree);
    rv_stamps_close(stamps);
    rv_blobs_close(blobs);
    rv_arena_deinit(&arena);
    return remove_at(AT_FDCWD, base); /* ours: …/rv-tree-… */
}

/* "kind path" of what patterns mean, a space between two. */
static const char *meant(bool keeps, const char *first, const char *second)
{
    static const char letters[] = "-flD?";
    rv_error err = {0};
    rv_str patterns[] = {rv_str_of(first), rv_str_of(second)};
    rv_tree_files files = {0};
    rv_buf out = {0};
    rv_status status = rv_tree_take(tree, patterns, second ? 2 : 1, keeps, &arena, &files, &err);
    if (status) rv_buf_printf(&out, "%s: %s", rv_status_name(status), err.text);
    for (uint32_t i = 0; i < files.count; i++)
        rv_buf_printf(&out, "%s%c %s", i ? " " : "", letters[files.at[i].kind], files.at[i].path.at);
    const char *text = rv_arena_cstring(&arena, rv_buf_str(&out));
    rv_buf_deinit(&out);
    rv_vec_deinit(&files);
    return text;
}

static rv_tree_file look(const char *path)
{
    rv_error err;
    rv_tree_file file = {.path = rv_str_of(path)};
    assert_ok(rv_tree_look(tree, &arena, &file, &err), &err);
    return file;
}

/* Wait until the clock that stamps files has moved: what is written before is told apart from what is written after. */
static void tick(void)
{
    int64_t before = rv_stamp_clock();
    while (rv_stamp_clock() == before) nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

/* ---- patterns ---- */

static void patterns__mean_files_and_links_sorted_each_once(void **state)
{
    command("mkdir -p src/deep .git .hidden && touch src/b.c src/a.c src/deep/c.c src/x.h .git/HEAD .hidden/f && ln -s b.c src/link.c");
    assert_string_equal(meant(false, "src/*.c", "src/a.c"), "f src/a.c f src/b.c l src/link.c");
    assert_string_equal(meant(false, "**/*.c", NULL), "f src/a.c f src/b.c f src/deep/c.c l src/link.c");
    assert_string_equal(meant(false, "src", "src/x.h"), "f src/a.c f src/b.c f src/deep/c.c l src/link.c f src/x.h");
    assert_string_equal(meant(false, "/src/./deep/../x.h", NULL), "f src/x.h");
    assert_string_equal(meant(false, "src/{a,b}.c", NULL), "f src/a.c f src/b.c");
}

static void patterns__a_literal_is_there_without_a_file_and_a_wildcard_is_not(void **state)
{
    assert_string_equal(meant(false, "no/such", "*.none"), "- no/such");
    assert_string_equal(meant(false, "no/such/*", NULL), "");
}

static void patterns__never_reach_into_the_store_or_git(void **state)
{
    char other[128];
    rv_error err;
    rv_tree *with_other;
    command("mkdir -p .git sub/.git mine && touch .git/a sub/.git/b sub/c mine/reeve.db d");
    assert_string_equal(meant(false, "**", NULL), "f d f mine/reeve.db f sub/c");
    snprintf(other, sizeof other, "%s/mine", work); /* a store of another name */
    assert_ok(rv_tree_open(work, other, blobs, stamps, &with_other, &err), &err);
    rv_str all = RV_STR("**");
    rv_tree_files files = {0};
    assert_ok(rv_tree_take(with_other, &all, 1, false, &arena, &files, &err), &err);
    assert_int_equal(files.count, 2);
    assert_string_equal(files.at[1].path.at, "sub/c");
    rv_vec_deinit(&files);
    rv_tree_close(with_other);
}

static void patterns__a_link_to_a_directory_is_entered_only_where_a_literal_input_names_it(void **state)
{
    command("mkdir -p real && touch real/f && ln -s real alias && ln -s ../outside out && touch ../outside/secret");
    assert_string_equal(meant(false, "**", NULL), "l alias l out f real/f");
    assert_string_equal(meant(false, "alias", NULL), "l alias f alias/f");
    assert_string_equal(meant(false, "out", "alias/*"), "f alias/f l out f out/secret");
    assert_string_equal(meant(true, "alias", NULL), "l alias"); /* an output is the link itself */
    command("rm real/f && ln -s . real/self && ln -s nowhere dangling");
    assert_string_equal(meant(false, "alias", "dangling"), "l alias l alias/self l dangling");
    command("rm real/self");
    assert_string_equal(meant(false, "alias", NULL), "l alias"); /* an empty one has nothing */
}

static void patterns__a_literal_lists_directories_that_are_empty_and_keeps_all(void **state)
{
    command("mkdir -p out/empty out/full && touch out/full/f");
    assert_string_equal(meant(true, "out", NULL), "D out D out/empty D out/full f out/full/f");
    assert_string_equal(meant(true, "out/*", NULL), "");
    assert_string_equal(meant(false, "out", NULL), "D out/empty f out/full/f"); /* `ls` of it sees them, too */
}

static void patterns__directories_that_are_assumed_are_listed_as_those_on_the_disk(void **state)
{
    static const char *const dirs[] = {"out", "out/empty", "out/full"};
    for (size_t i = 0; i < RV_COUNT(dirs); i++)
        rv_tree_assume(tree, &(rv_tree_file){.path = rv_str_of(dirs[i]), .kind = RV_TREE_DIR, .mode = 0755});
    rv_tree_assume(tree, &(rv_tree_file){.path = RV_STR("out/full/f"), .kind = RV_TREE_FILE, .mode = 0644, .digest = {{1}}});
    assert_string_equal(meant(false, "out", NULL), "D out/empty f out/full/f");
    assert_string_equal(meant(false, "out/empty", NULL), "D out/empty");
    assert_string_equal(meant(false, "out/**", NULL), "f out/full/f");
}

static void patterns__a_bad_one_is_named(void **state)
{
    assert_true(rv_str_starts(rv_str_of(meant(false, "a/[b", NULL)), RV_STR("INVALID: a/[b: ")));
}

/* ---- looking ---- */

static void look__the_digest_is_that_of_the_bytes(void **state)
{
    command("printf hello > f && head -c 700000 /dev/zero > large && chmod 754 f");
    rv_digest want = rv_sha256(RV_STR("hello"));
    rv_tree_file file = look("f");
    assert_memory_equal(file.digest.bytes, want.bytes, 32);
    assert_int_equal(file.mode, 0754);
    assert_int_equal(file.size, 5);
    char *zeros = rv_alloc(700000);
    want = rv_sha256((rv_str){zeros, 700000});
    rv_free(zeros);
    assert_memory_equal(look("large").digest.bytes, want.bytes, 32);
}

static void look__a_link_is_where_it_leads_and_what_is_there(void **state)
{
    command("echo one > a && cp a b && ln -s a link");
    rv_digest first = look("link").digest;
    command("ln -sfn b link"); /* the same bytes elsewhere */
    rv_digest second = look("link").digest;
    command("echo two > b");
    rv_digest third = look("link").digest;
    assert_memory_not_equal(first.bytes, second.bytes, 32);
    assert_memory_not_equal(second.bytes, third.bytes, 32);
}

/* ---- stamps ---- */

static void stamps__what_is_unchanged_is_not_read_again(void **state)
{
    command("echo one > f");
    tick();
    rv_digest before = look("f").digest;
    command("chmod 000 f && chmod 644 f"); /* another ctime: not trusted */
    struct stat info;
    rv_digest found;
    assert_int_equal(fstatat(AT_FDCWD, rv_arena_printf(&arena, "%s/f", work).at, &info, 0), 0);
    uint64_t name = 7;
    assert_false(rv_stamps_find(stamps, name, &info, &found));
    tick(); /* the times of a file that somebody looked at may be ahead of the clock's last tick */
    rv_stamps_note(stamps, name, &info, rv_stamp_clock() + 1, before);
    assert_true(rv_stamps_find(stamps, name, &info, &found));
    assert_memory_equal(found.bytes, before.bytes, 32);
    info.st_ino++;
    assert_false(rv_stamps_find(stamps, name, &info, &found));
}

static void stamps__one_within_the_clocks_granularity_is_not_trusted(void **state)
{
    struct stat info = {.st_size = 3, .st_ino = 5};
    rv_digest digest = {{1}}, found;
    info.st_mtim = info.st_ctim = (struct timespec){100, 500};
    rv_stamps_note(stamps, 1, &info, 100 * INT64_C(1000000000) + 500, digest); /* read in the same tick */
    assert_false(rv_stamps_find(stamps, 1, &info, &found));
    rv_stamps_note(stamps, 1, &info, 100 * INT64_C(1000000000) + 501, digest);
    assert_true(rv_stamps_find(stamps, 1, &info, &found));
    info.st_mtim = info.st_ctim = (struct timespec){100, 0}; /* a file system that counts seconds */
    rv_stamps_note(stamps, 2, &info, 102 * INT64_C(1000000000), digest);
    assert_false(rv_stamps_find(stamps, 2, &info, &found));
    rv_stamps_note(stamps, 2, &info, 102 * INT64_C(1000000000) + 1, digest);
    assert_true(rv_stamps_find(stamps, 2, &info, &found));
}

/* Two writes of the same size, as fast as they come: the second must be seen whenever the first was looked at in between. */
static void stamps__a_file_rewritten_at_once_is_seen(void **state)
{
    char path[128];
    snprintf(path, sizeof path, "%s/f", work);
    for (int round = 0; round < 300; round++) {
        char text[16];
        int fd = open(path, O_WRONLY | O_CREAT, 0666);
        snprintf(text, sizeof text, "%08d", round);
        assert_int_equal(pwrite(fd, text, 8, 0), 8);
        rv_digest want = rv_sha256((rv_str){text, 8});
        assert_memory_equal(look("f").digest.bytes, want.bytes, 32);
        text[0] = 'x';
        assert_int_equal(pwrite(fd, text, 8, 0), 8);
        want = rv_sha256((rv_str){text, 8});
        assert_memory_equal(look("f").digest.bytes, want.bytes, 32);
        close(fd);
    }
}

static void note_many(uint32_t first, uint32_t count)
{
    for (uint32_t i = first; i < first + count; i++) {
        struct stat info = {.st_size = i, .st_ino = i, .st_mtim = {1, i + 1}, .st_ctim = {1, i + 1}};
        rv_digest digest = {{(uint8_t)i, (uint8_t)(i >> 8)}};
        rv_stamps_note(stamps, rv_stamp_name(9, (rv_str){(const char *)&i, sizeof i}), &info, INT64_MAX, digest);
    }
}

static uint32_t count_known(uint32_t count)
{
    uint32_t known = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct stat info = {.st_size = i, .st_ino = i, .st_mtim = {1, i + 1}, .st_ctim = {1, i + 1}};
        rv_digest found;
        bool is_known = rv_stamps_find(stamps, rv_stamp_name(9, (rv_str){(const char *)&i, sizeof i}), &info, &found);
        if (is_known) assert_int_equal(found.bytes[0] | found.bytes[1] << 8, i & 0xffff);
        known += is_known;
    }
    return known;
}

static void reopen_stamps(void)
{
    rv_stamps_close(stamps);
    stamps = rv_stamps_open(store);
}

static void stamps__are_there_after_a_save_old_and_new_ones(void **state)
{
    note_many(0, 1000);
    rv_stamps_save(stamps);
    reopen_stamps();
    assert_int_equal(count_known(1000), 1000);
    note_many(500, 1000);
    assert_int_equal(rv_stamps_count(stamps), 1500);
    assert_int_equal(count_known(1500), 1500);
    rv_stamps_save(stamps);
    reopen_stamps();
    assert_int_equal(count_known(1500), 1500);
    assert_int_equal(rv_stamps_count(stamps), 1500);
}

static void stamps__a_damaged_file_is_empty(void **state)
{
    char path[160];
    snprintf(path, sizeof path, "%s/stamps", store);
    note_many(0, 300);
    rv_stamps_save(stamps);
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    for (off_t at = 0; at < info.st_size; at += at < 64 ? 1 : 977) {
        int fd = open(path, O_RDWR);
        char byte;
        assert_int_equal(pread(fd, &byte, 1, at), 1);
        byte ^= 0x20;
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
        reopen_stamps();
        assert_int_equal(rv_stamps_count(stamps), 0);
        byte ^= 0x20;
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
        close(fd);
    }
    for (off_t size = info.st_size - 1; size > 0; size /= 2) {
        assert_int_equal(truncate(path, size), 0);
        reopen_stamps();
        assert_int_equal(rv_stamps_count(stamps), 0);
    }
}

/* ---- putting back ---- */

static rv_tree_files take(const char *pattern)
{
    rv_error err;
    rv_str text = rv_str_of(pattern);
    rv_tree_files files = {0};
    assert_ok(rv_tree_take(tree, &text, 1, true, &arena, &files, &err), &err);
    return files;
}

static rv_status restore(const rv_tree_files *files, uint32_t *ret_written, rv_error *err)
{
    for (uint32_t i = 0; i < files->count; i++) assert_null(rv_tree_refusal(tree, &files->at[i]));
    return rv_tree_restore(tree, files->at, files->count, ret_written, err);
}

static void restore__gives_back_every_file_byte_by_byte_and_mode_by_mode(void **state)
{
    rv_error err;
    uint32_t written;
    command("mkdir -p out/a/b out/empty && chmod 711 out/empty && printf one > out/x && printf '' > out/a/none && "
            "head -c 600000 /dev/urandom > out/a/b/large && chmod 751 out/a/b/large && chmod 400 out/x && ln -s x out/link && "
            "ln -s ../../nowhere out/a/dangling && chmod 500 out/a/b && chmod 750 out && cp -a out ../outside/copy");
    rv_tree_files files = take("out");
    command("chmod -R u+w out && rm -rf out");
    assert_ok(restore(&files, &written, &err), &err);
    assert_int_equal(written, files.count);
    command("diff -r --no-dereference out ../outside/copy && (cd out && find . -printf '%%m %%y %%p\\n' | sort) > ../list1 && "
            "(cd ../outside/copy && find . -printf '%%m %%y %%p\\n' | sort) > ../list2 && cmp ../list1 ../list2 && "
            "test $(stat -c %%a out/empty) = 711 && test \"$(readlink out/a/dangling)\" = ../../nowhere");
    rv_vec_deinit(&files);
}

static void restore__what_is_equal_is_left_alone(void **state)
{
    rv_error err;
    uint32_t written;
    struct stat before, after;
    char path[128];
    snprintf(path, sizeof path, "%s/out/x", work);
    command("mkdir out && echo one > out/x && echo two > out/y && touch -d '2020-01-01' out/x");
    rv_tree_files files = take("out");
    command("echo other > out/y");
    assert_int_equal(stat(path, &before), 0);
    assert_ok(restore(&files, &written, &err), &err);
    assert_int_equal(written, 1);
    assert_int_equal(stat(path, &after), 0);
    assert_true(before.st_ino == after.st_ino && before.st_mtim.tv_sec == after.st_mtim.tv_sec);
    command("test $(cat out/y) = two && chmod 600 out/x");
    assert_ok(restore(&files, &written, &err), &err); /* the mode alone */
    assert_int_equal(written, 0);
    command("test $(stat -c %%a out/x) = 644");
    rv_vec_deinit(&files);
}

/* As somebody whom modes bind: root becomes nobody for a while. */
static void become(uid_t user)
{
    if (getuid() == 0) assert_int_equal(seteuid(user), 0);
}

static void restore__writes_into_directories_that_are_read_only_and_leaves_them_so(void **state)
{
    rv_error err;
    command("mkdir -p out/a/b && echo one > out/a/x && echo two > out/a/b/y && echo three > out/a/b/z && "
            "chmod 444 out/a/x && chmod 555 out/a/b && chmod 500 out/a");
    rv_tree_files files = take("out");
    command("chmod u+w out/a out/a/b && rm out/a/x && echo other > out/a/b/y && rm out/a/b/z && chmod 555 out/a/b && chmod 500 out/a && "
            "if [ $(id -u) = 0 ]; then chown -R 65534 ..; fi");
    become(65534);
    assert_ok(restore(&files, NULL, &err), &err);
    become(0);
    command("test $(cat out/a/x out/a/b/y out/a/b/z | tr '\\n' .) = one.two.three. && test $(stat -c %%a out/a) = 500 && "
            "test $(stat -c %%a out/a/b) = 555 && test -z \"$(ls -A .reeve/stage)\"");
    command("chmod 700 out/a && chmod 600 out/a/x"); /* the modes alone */
    become(65534);
    assert_ok(restore(&files, NULL, &err), &err);
    become(0);
    command("test $(stat -c %%a out/a) = 500 && test $(stat -c %%a out/a/x) = 444");
    rv_vec_deinit(&files);
}

static void restore__a_mode_is_what_it_was_whatever_the_umask(void **state)
{
    rv_error err;
    command("mkdir out && for m in 644 600 755 666 400 777 640; do echo $m > out/$m && chmod $m out/$m; done && "
            "mkdir out/d && chmod 777 out/d");
    rv_tree_files files = take("out");
    for (int mask = 0; mask <= 077; mask += 077) {
        command("rm -rf out");
        umask((mode_t)mask);
        assert_ok(restore(&files, NULL, &err), &err);
        umask(022);
        command("for f in out/[467]*; do test $(cat $f) = $(stat -c %%a $f) || exit 1; done && test $(stat -c %%a out/d) = 777");
    }
    rv_vec_deinit(&files);
}

static void restore__setgid_of_a_directory_is_that_of_where_it_is_made(void **state)
{
    rv_error err;
    command("mkdir -p in && chmod 2755 in && mkdir in/out && touch in/out/f && test $(stat -c %%a in/out) = 2755");
    rv_tree_files files = take("in/out");
    assert_int_equal(files.at[0].mode, 0755);
    command("chmod 2700 in/out"); /* what is there keeps it, */
    assert_ok(restore(&files, NULL, &err), &err);
    command("test $(stat -c %%a in/out) = 2755 && rm -rf in/out");
    assert_ok(restore(&files, NULL, &err), &err); /* what is made inherits it */
    command("test $(stat -c %%a in/out) = 2755 && chmod g-s in && rm -rf in/out");
    assert_ok(restore(&files, NULL, &err), &err);
    command("test $(stat -c %%a in/out) = 755");
    rv_vec_deinit(&files);
}

static void restore__what_is_beside_the_outputs_stays(void **state)
{
    rv_error err;
    command("mkdir out && echo one > out/x");
    rv_tree_files files = take("out");
    command("rm out/x && echo mine > out/stale && mkdir out/more && touch out/more/f");
    assert_ok(restore(&files, NULL, &err), &err);
    command("test $(cat out/x) = one && test $(cat out/stale) = mine && test -f out/more/f");
    rv_vec_deinit(&files);
}

static rv_digest stored(const char *text)
{
    rv_digest digest;
    rv_error err;
    assert_ok(rv_blob_put(blobs, rv_str_of(text), &digest, &err), &err);
    return digest;
}

static rv_tree_file file_of(const char *path, const char *text)
{
    return (rv_tree_file){.path = rv_str_of(path), .kind = RV_TREE_FILE, .mode = 0644, .size = strlen(text), .digest = stored(text)};
}

static void restore__a_manifest_that_leads_elsewhere_is_refused(void **state)
{
    static const char *const paths[] = {"", "/etc/x", "../x", "a/../../x", "a//b", "a/./b", "a/", "./a", "..", ".",
                                        ".reeve/x", ".git/hooks/x", "sub/.git/config", ".reeve"};
    for (size_t i = 0; i < RV_COUNT(paths); i++) {
        rv_tree_file file = file_of(paths[i], "x");
        if (!rv_tree_refusal(tree, &file)) fail_msg("%s", paths[i]);
    }
    rv_tree_file file = file_of("a", "x");
    file.path = (rv_str){"a\0b", 3};
    assert_non_null(rv_tree_refusal(tree, &file));
    file = file_of("a", "x");
    for (uint32_t bit = 01000; bit; bit <<= 1) { /* setuid, setgid, sticky, and what is no mode at all */
        file.mode = 0644 | bit;
        assert_non_null(rv_tree_refusal(tree, &file));
    }
    file = file_of("a", "x");
    file.kind = RV_TREE_OTHER;
    assert_non_null(rv_tree_refusal(tree, &file));
    file.kind = RV_TREE_ABSENT;
    assert_non_null(rv_tree_refusal(tree, &file));
    static const char *const out[] = {"", "/etc", "..", "../../x", "b/../../../x", "../a/../../x"};
    for (size_t i = 0; i < RV_COUNT(out); i++) {
        rv_tree_file link = {.path = RV_STR("l"), .kind = RV_TREE_LINK, .link = rv_str_of(out[i])};
        if (!rv_tree_refusal(tree, &link)) fail_msg("%s", out[i]);
    }
    rv_tree_file link = {.path = RV_STR("a/b/l"), .kind = RV_TREE_LINK, .link = RV_STR("../../x")};
    assert_null(rv_tree_refusal(tree, &link));
    link.link = (rv_str){"a\0b", 3};
    assert_non_null(rv_tree_refusal(tree, &link));
}

static void restore__no_link_in_the_way_is_followed(void **state)
{
    rv_error err;
    rv_tree_file inside[] = {file_of("dir/f", "x"), file_of("dir/sub/f", "x")};
    command("ln -s ../outside dir");
    for (size_t i = 0; i < RV_COUNT(inside); i++) {
        assert_int_equal(rv_tree_restore(tree, &inside[i], 1, NULL, &err), RV_DENIED);
        command("test -z \"$(ls -A ../outside)\"");
    }
    command("rm dir && mkdir real && ln -s real dir"); /* inside is no better */
    assert_int_equal(rv_tree_restore(tree, &inside[0], 1, NULL, &err), RV_DENIED);
    command("test -z \"$(ls -A real)\"");
    rv_tree_file last = file_of("link", "x");
    command("echo keep > ../outside/kept && ln -s ../outside/kept link"); /* the last name is replaced, not followed */
    assert_ok(rv_tree_restore(tree, &last, 1, NULL, &err), &err);
    command("test $(cat ../outside/kept) = keep && test ! -L link && test $(cat link) = x");
}

static void restore__a_mode_is_not_changed_through_a_link(void **state)
{
    rv_error err;
    rv_tree_file file = file_of("dir/f", "x");
    command("printf x > ../outside/f && chmod 600 ../outside/f && ln -s ../outside dir");
    assert_int_equal(rv_tree_restore(tree, &file, 1, NULL, &err), RV_DENIED);
    command("test $(stat -c %%a ../outside/f) = 600");
}

static void restore__what_is_in_the_way_is_said_and_stays(void **state)
{
    rv_error err;
    command("mkdir -p place/full && touch place/full/f && mkdir empty && echo file > file");
    rv_tree_file files[] = {file_of("place", "x"), file_of("file/f", "x"), file_of("empty", "x")};
    for (size_t i = 0; i < RV_COUNT(files); i++) assert_int_equal(rv_tree_restore(tree, &files[i], 1, NULL, &err), RV_DENIED);
    command("test -f place/full/f && test -d empty && test $(cat file) = file && test -z \"$(ls -A .reeve/stage)\"");
    rv_tree_file dir = {.path = RV_STR("file"), .kind = RV_TREE_DIR, .mode = 0755};
    assert_int_equal(rv_tree_restore(tree, &dir, 1, NULL, &err), RV_DENIED);
}

static void restore__a_damaged_blob_changes_nothing_and_goes(void **state)
{
    rv_error err;
    rv_buf path = {0};
    rv_tree_file files[] = {file_of("a", "one"), file_of("b", "two")};
    rv_blob_path(blobs, files[1].digest, &path);
    assert_int_equal(chmod(path.at, 0600), 0);
    int fd = open(path.at, O_WRONLY);
    assert_int_equal(pwrite(fd, "TWO", 3, 0), 3); /* the same size */
    close(fd);
    assert_int_equal(rv_tree_restore(tree, files, 2, NULL, &err), RV_CORRUPT);
    command("test ! -e a && test ! -e b && test -z \"$(ls -A .reeve/stage)\"");
    assert_false(rv_blob_has(blobs, files[1].digest, 3)); /* so that it is stored anew */
    assert_int_equal(rv_tree_restore(tree, files, 2, NULL, &err), RV_NOT_FOUND);
    command("test ! -e a && test ! -e b");
    (void)stored("two");
    assert_ok(rv_tree_restore(tree, files, 2, NULL, &err), &err);
    rv_buf_deinit(&path);
}

static void restore__a_damaged_blob_behind_directories_and_modes_changes_nothing(void **state)
{
    rv_error err;
    command("mkdir -p out/a out/b && echo one > out/a/x && echo two > out/b/y && echo three > out/b/z && ln -s x out/a/link && "
            "chmod 500 out/b");
    rv_tree_files files = take("out");
    rv_digest last = rv_sha256(RV_STR("three\n"));
    assert_true(rv_blob_remove(blobs, last));
    command("chmod 700 out/b && rm -rf out/a && echo other > out/b/y && rm out/b/z && chmod 510 out/b && touch -d '2020-01-01' out/b/y");
    assert_int_equal(restore(&files, NULL, &err), RV_NOT_FOUND);
    command("test $(ls -A out) = b && test $(stat -c %%a out/b) = 510 && test $(cat out/b/y) = other && test $(ls -A out/b) = y && "
            "test -z \"$(ls -A .reeve/stage)\"");
    command("chmod 700 out/b && rm -rf out");
    assert_int_equal(restore(&files, NULL, &err), RV_NOT_FOUND);
    command("test ! -e out && test -z \"$(ls -A .reeve/stage)\"");
    rv_vec_deinit(&files);
}

static void restore__a_size_that_lies_is_damage(void **state)
{
    rv_error err;
    rv_tree_file file = file_of("a", "four");
    file.size = 3;
    assert_int_equal(rv_tree_restore(tree, &file, 1, NULL, &err), RV_CORRUPT);
    file = file_of("a", "four");
    file.size = UINT64_MAX;
    assert_int_equal(rv_tree_restore(tree, &file, 1, NULL, &err), RV_CORRUPT);
    command("test ! -e a");
}

static void keep__a_link_in_the_way_is_refused(void **state)
{
    command("mkdir real && echo x > real/f && ln -s real dir");
    assert_true(rv_str_starts(rv_str_of(meant(true, "dir/f", NULL)), RV_STR("DENIED: dir/f")));
    assert_string_equal(meant(false, "dir/f", NULL), "f dir/f"); /* who only reads follows it, as a command does */
}

static rv_digest seen(const char *path)
{
    rv_error err;
    rv_tree_file file = {.path = rv_str_of(path)};
    assert_ok(rv_tree_look(tree, &arena, &file, &err), &err);
    return file.digest;
}

static void assert_same(rv_digest a, rv_digest b, bool is_same)
{
    assert_int_equal(memcmp(a.bytes, b.bytes, sizeof a.bytes) == 0, is_same);
}

/* A file is seen once in a moment, anew in the next one, and anew at once where one was put back. */
static void c3__looks_of_one_moment_see_a_file_once(void **state)
{
    rv_error err;
    rv_tree_files files = {0};
    rv_str patterns[] = {RV_STR("a")};
    command("printf one > a");
    assert_ok(rv_tree_take(tree, patterns, 1, true, &arena, &files, &err), &err);
    rv_digest one = seen("a");
    command("printf two > a");
    assert_same(seen("a"), one, false); /* moment 0: nothing is held */
    rv_tree_moment(tree, 1, 0);
    rv_digest two = seen("a");
    command("printf three > a");
    assert_same(seen("a"), two, true);
    rv_tree_moment(tree, 1, 0);
    assert_same(seen("a"), two, true);
    uint64_t unrest = rv_tree_unrest(tree);
    rv_tree_moment(tree, 2, 0);
    assert_same(seen("a"), two, false);
    assert_true(rv_tree_unrest(tree) == unrest && rv_tree_now(tree) == 2); /* time alone has passed */
    rv_tree_moment(tree, 2, 1);
    assert_true(rv_tree_unrest(tree) != unrest);
    unrest = rv_tree_unrest(tree);
    assert_ok(rv_tree_restore(tree, files.at, files.count, NULL, &err), &err);
    assert_same(seen("a"), one, true);
    assert_true(rv_tree_unrest(tree) != unrest);
    unrest = rv_tree_unrest(tree);
    rv_tree_moment(tree, 3, 1);
    command("chmod 600 a");
    rv_tree_file now = {.path = RV_STR("a")};
    assert_ok(rv_tree_look(tree, &arena, &now, &err), &err);
    assert_int_equal(now.mode, 0600);
    assert_ok(rv_tree_restore(tree, files.at, files.count, NULL, &err), &err); /* the mode alone */
    assert_ok(rv_tree_look(tree, &arena, &now, &err), &err);
    assert_int_equal(now.mode, files.at[0].mode);
    assert_true(rv_tree_unrest(tree) != unrest);
    rv_vec_deinit(&files);
}

#define T(name_) cmocka_unit_test_setup_teardown(name_, setup, teardown)

int main(void)
{
    umask(022);
    const struct CMUnitTest tests[] = {
        T(c3__looks_of_one_moment_see_a_file_once),
        T(patterns__mean_files_and_links_sorted_each_once),
        T(patterns__a_literal_is_there_without_a_file_and_a_wildcard_is_not),
        T(patterns__never_reach_into_the_store_or_git),
        T(patterns__a_link_to_a_directory_is_entered_only_where_a_literal_input_names_it),
        T(patterns__a_literal_lists_directories_that_are_empty_and_keeps_all),
        T(patterns__directories_that_are_assumed_are_listed_as_those_on_the_disk),
        T(patterns__a_bad_one_is_named),
        T(look__the_digest_is_that_of_the_bytes),
        T(look__a_link_is_where_it_leads_and_what_is_there),
        T(stamps__what_is_unchanged_is_not_read_again),
        T(stamps__one_within_the_clocks_granularity_is_not_trusted),
        T(stamps__a_file_rewritten_at_once_is_seen),
        T(stamps__are_there_after_a_save_old_and_new_ones),
        T(stamps__a_damaged_file_is_empty),
        T(restore__gives_back_every_file_byte_by_byte_and_mode_by_mode),
        T(restore__what_is_equal_is_left_alone),
        T(restore__writes_into_directories_that_are_read_only_and_leaves_them_so),
        T(restore__a_mode_is_what_it_was_whatever_the_umask),
        T(restore__setgid_of_a_directory_is_that_of_where_it_is_made),
        T(restore__what_is_beside_the_outputs_stays),
        T(restore__a_damaged_blob_behind_directories_and_modes_changes_nothing),
        T(restore__a_manifest_that_leads_elsewhere_is_refused),
        T(restore__no_link_in_the_way_is_followed),
        T(restore__a_mode_is_not_changed_through_a_link),
        T(restore__what_is_in_the_way_is_said_and_stays),
        T(restore__a_damaged_blob_changes_nothing_and_goes),
        T(restore__a_size_that_lies_is_damage),
        T(keep__a_link_in_the_way_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
