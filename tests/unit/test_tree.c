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

/* For what a shell says best. */
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

/* One step of a scene: what it is, and where, to the end of its text. */
static bool scene_step(const char *verb, const char *words)
{
    char first[128], second[128], path[256];
    int text = 0, count = sscanf(words, "%127s %n%127s", first, &text, second);
    snprintf(path, sizeof path, "%s/%s", work, first);
    if (strcmp(verb, "link") == 0) {
        snprintf(path, sizeof path, "%s/%s", work, second);
        return count == 2 && symlink(first, path) == 0;
    }
    if (strcmp(verb, "mode") == 0) {
        snprintf(path, sizeof path, "%s/%s", work, second);
        return count == 2 && chmod(path, (mode_t)strtoul(first, NULL, 8)) == 0;
    }
    if (strcmp(verb, "dir") == 0) {
        for (char *end = path + strlen(work) + 1; (end = strchr(end, '/')); *end++ = '/') {
            *end = 0;
            (void)mkdir(path, 0777);
        }
        return mkdir(path, 0777) == 0;
    }
    if (strcmp(verb, "gone") == 0) return unlink(path) == 0 || remove_at(AT_FDCWD, path) == 0;
    if (strcmp(verb, "old") == 0)
        return utimensat(AT_FDCWD, path, (struct timespec[]){{.tv_sec = 1577836800}, {.tv_sec = 1577836800}}, 0) == 0;
    FILE *file = strcmp(verb, "file") == 0 || strcmp(verb, "line") == 0 ? fopen(path, "w") : NULL;
    if (!file) return false;
    fprintf(file, "%s%s", words + text, *verb == 'l' ? "\n" : "");
    return fclose(file) == 0;
}

/* Make a scene of steps, a semicolon and a blank between two: `dir PATH` with those above it; `file PATH TEXT` and `line PATH TEXT`, which
 * ends; `link TARGET PATH`, `mode OCTAL PATH`, `gone PATH` with all beneath it, `old PATH`, last written in 2020. PATH is beneath top. */
static void scene(const char *steps)
{
    char step[256], verb[8];
    for (int words = 0; *steps; steps += *steps == ';' ? 2 : 0) {
        size_t size = strcspn(steps, ";");
        snprintf(step, sizeof step, "%.*s", (int)size, steps);
        if (size >= sizeof step || sscanf(step, "%7s %n", verb, &words) != 1 || !scene_step(verb, step + words)) fail_msg("%s", step);
        steps += size;
    }
}

static const char *at(const char *path) { return rv_arena_printf(&arena, "%s/%s", work, path).at; }

static mode_t mode_of(const char *path)
{
    struct stat info;
    if (lstat(at(path), &info) != 0) fail_msg("%s: %s", path, strerror(errno));
    return info.st_mode & 07777;
}

static bool is_there(const char *path) { return faccessat(AT_FDCWD, at(path), F_OK, AT_SYMLINK_NOFOLLOW) == 0; }

/* The file, or what the link leads to, has this text. */
static void assert_text(const char *path, const char *text)
{
    char found[64];
    FILE *file = fopen(at(path), "r");
    if (!file) fail_msg("%s: %s", path, strerror(errno));
    found[fread(found, 1, sizeof found - 1, file)] = 0;
    fclose(file);
    assert_string_equal(found, text);
}

/* The names in a directory, a blank behind each, in the order of the system. */
static const char *names_in(const char *path)
{
    rv_buf names = {0};
    DIR *dir = opendir(at(path));
    if (!dir) fail_msg("%s: %s", path, strerror(errno));
    for (const struct dirent *entry; (entry = readdir(dir));)
        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
            rv_buf_printf(&names, "%s ", entry->d_name);
    closedir(dir);
    const char *text = rv_arena_cstring(&arena, rv_buf_str(&names));
    rv_buf_deinit(&names);
    return text;
}

/* Nothing that was to be put back lies about. */
static void assert_nothing_staged(void)
{
    if (is_there(".reeve/stage")) assert_string_equal(names_in(".reeve/stage"), "");
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
    scene("dir src/deep; dir .git; dir .hidden; file src/b.c; file src/a.c; file src/deep/c.c; file src/x.h; file .git/HEAD; "
          "file .hidden/f; link b.c src/link.c");
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
    scene("dir .git; dir sub/.git; dir mine; file .git/a; file sub/.git/b; file sub/c; file mine/reeve.db; file d");
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
    scene("dir real; file real/f; link real alias; link ../outside out; file ../outside/secret");
    assert_string_equal(meant(false, "**", NULL), "l alias l out f real/f");
    assert_string_equal(meant(false, "alias", NULL), "l alias f alias/f");
    assert_string_equal(meant(false, "out", "alias/*"), "f alias/f l out f out/secret");
    assert_string_equal(meant(true, "alias", NULL), "l alias"); /* an output is the link itself */
    scene("gone real/f; link . real/self; link nowhere dangling");
    assert_string_equal(meant(false, "alias", "dangling"), "l alias l alias/self l dangling");
    scene("gone real/self");
    assert_string_equal(meant(false, "alias", NULL), "l alias"); /* an empty one has nothing */
}

static void patterns__a_literal_lists_directories_that_are_empty_and_keeps_all(void **state)
{
    scene("dir out/empty; dir out/full; file out/full/f");
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
    scene("file f hello; mode 754 f; file large");
    assert_int_equal(truncate(at("large"), 700000), 0);
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
    scene("line a one; line b one; link a link");
    rv_digest first = look("link").digest;
    scene("gone link; link b link"); /* the same bytes elsewhere */
    rv_digest second = look("link").digest;
    scene("line b two");
    rv_digest third = look("link").digest;
    assert_memory_not_equal(first.bytes, second.bytes, 32);
    assert_memory_not_equal(second.bytes, third.bytes, 32);
}

/* ---- stamps ---- */

static void stamps__what_is_unchanged_is_not_read_again(void **state)
{
    scene("line f one");
    tick();
    rv_digest before = look("f").digest;
    scene("mode 000 f; mode 644 f"); /* another ctime: not trusted */
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
    scene("gone out");
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
    scene("dir out; line out/x one; line out/y two; old out/x");
    rv_tree_files files = take("out");
    scene("line out/y other");
    assert_int_equal(stat(path, &before), 0);
    assert_ok(restore(&files, &written, &err), &err);
    assert_int_equal(written, 1);
    assert_int_equal(stat(path, &after), 0);
    assert_true(before.st_ino == after.st_ino && before.st_mtim.tv_sec == after.st_mtim.tv_sec);
    assert_text("out/y", "two\n");
    scene("mode 600 out/x");
    assert_ok(restore(&files, &written, &err), &err); /* the mode alone */
    assert_int_equal(written, 0);
    assert_int_equal(mode_of("out/x"), 0644);
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
    scene("dir out/a/b; line out/a/x one; line out/a/b/y two; line out/a/b/z three; mode 444 out/a/x; mode 555 out/a/b; mode 500 out/a");
    rv_tree_files files = take("out");
    scene("mode 700 out/a; mode 755 out/a/b; gone out/a/x; line out/a/b/y other; gone out/a/b/z; mode 555 out/a/b; mode 500 out/a");
    if (getuid() == 0) command("chown -R 65534 ..");
    become(65534);
    assert_ok(restore(&files, NULL, &err), &err);
    become(0);
    assert_text("out/a/x", "one\n");
    assert_text("out/a/b/y", "two\n");
    assert_text("out/a/b/z", "three\n");
    assert_int_equal(mode_of("out/a"), 0500);
    assert_int_equal(mode_of("out/a/b"), 0555);
    assert_nothing_staged();
    scene("mode 700 out/a; mode 600 out/a/x"); /* the modes alone */
    become(65534);
    assert_ok(restore(&files, NULL, &err), &err);
    become(0);
    assert_int_equal(mode_of("out/a"), 0500);
    assert_int_equal(mode_of("out/a/x"), 0444);
    rv_vec_deinit(&files);
}

static void restore__a_mode_is_what_it_was_whatever_the_umask(void **state)
{
    rv_error err;
    static const char *const names[] = {"out/644", "out/600", "out/755", "out/666", "out/400", "out/777", "out/640"};
    scene("dir out; line out/644 644; line out/600 600; line out/755 755; line out/666 666; line out/400 400; line out/777 777");
    scene("line out/640 640; mode 644 out/644; mode 600 out/600; mode 755 out/755; mode 666 out/666; mode 400 out/400; mode 777 out/777");
    scene("mode 640 out/640; dir out/d; mode 777 out/d");
    rv_tree_files files = take("out");
    for (int mask = 0; mask <= 077; mask += 077) {
        scene("gone out");
        umask((mode_t)mask);
        assert_ok(restore(&files, NULL, &err), &err);
        umask(022);
        for (size_t i = 0; i < RV_COUNT(names); i++) assert_int_equal(mode_of(names[i]), strtoul(names[i] + 4, NULL, 8));
        assert_text("out/400", "400\n");
        assert_int_equal(mode_of("out/d"), 0777);
    }
    rv_vec_deinit(&files);
}

static void restore__setgid_of_a_directory_is_that_of_where_it_is_made(void **state)
{
    rv_error err;
    scene("dir in; mode 2755 in; dir in/out; file in/out/f");
    assert_int_equal(mode_of("in/out"), 02755);
    rv_tree_files files = take("in/out");
    assert_int_equal(files.at[0].mode, 0755);
    scene("mode 2700 in/out"); /* what is there keeps it, */
    assert_ok(restore(&files, NULL, &err), &err);
    assert_int_equal(mode_of("in/out"), 02755);
    scene("gone in/out");
    assert_ok(restore(&files, NULL, &err), &err); /* what is made inherits it */
    assert_int_equal(mode_of("in/out"), 02755);
    scene("gone in/out; mode 755 in");
    assert_ok(restore(&files, NULL, &err), &err);
    assert_int_equal(mode_of("in/out"), 0755);
    rv_vec_deinit(&files);
}

static void restore__what_is_beside_the_outputs_stays(void **state)
{
    rv_error err;
    scene("dir out; line out/x one");
    rv_tree_files files = take("out");
    scene("gone out/x; line out/stale mine; dir out/more; file out/more/f");
    assert_ok(restore(&files, NULL, &err), &err);
    assert_text("out/x", "one\n");
    assert_text("out/stale", "mine\n");
    assert_true(is_there("out/more/f"));
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
    scene("link ../outside dir");
    for (size_t i = 0; i < RV_COUNT(inside); i++) {
        assert_int_equal(rv_tree_restore(tree, &inside[i], 1, NULL, &err), RV_DENIED);
        assert_string_equal(names_in("../outside"), "");
    }
    scene("gone dir; dir real; link real dir"); /* inside is no better */
    assert_int_equal(rv_tree_restore(tree, &inside[0], 1, NULL, &err), RV_DENIED);
    assert_string_equal(names_in("real"), "");
    rv_tree_file last = file_of("link", "x");
    scene("line ../outside/kept keep; link ../outside/kept link"); /* the last name is replaced, not followed */
    assert_ok(rv_tree_restore(tree, &last, 1, NULL, &err), &err);
    assert_text("../outside/kept", "keep\n");
    assert_int_equal(mode_of("link"), 0644); /* of a link it is 0777 */
    assert_text("link", "x");
}

static void restore__a_mode_is_not_changed_through_a_link(void **state)
{
    rv_error err;
    rv_tree_file file = file_of("dir/f", "x");
    scene("file ../outside/f x; mode 600 ../outside/f; link ../outside dir");
    assert_int_equal(rv_tree_restore(tree, &file, 1, NULL, &err), RV_DENIED);
    assert_int_equal(mode_of("../outside/f"), 0600);
}

static void restore__what_is_in_the_way_is_said_and_stays(void **state)
{
    rv_error err;
    scene("dir place/full; file place/full/f; dir empty; line file file");
    rv_tree_file files[] = {file_of("place", "x"), file_of("file/f", "x"), file_of("empty", "x")};
    for (size_t i = 0; i < RV_COUNT(files); i++) assert_int_equal(rv_tree_restore(tree, &files[i], 1, NULL, &err), RV_DENIED);
    assert_true(is_there("place/full/f"));
    assert_string_equal(names_in("empty"), "");
    assert_text("file", "file\n");
    assert_nothing_staged();
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
    assert_false(is_there("a") || is_there("b"));
    assert_nothing_staged();
    assert_false(rv_blob_has(blobs, files[1].digest, 3)); /* so that it is stored anew */
    assert_int_equal(rv_tree_restore(tree, files, 2, NULL, &err), RV_NOT_FOUND);
    assert_false(is_there("a") || is_there("b"));
    (void)stored("two");
    assert_ok(rv_tree_restore(tree, files, 2, NULL, &err), &err);
    rv_buf_deinit(&path);
}

static void restore__a_damaged_blob_behind_directories_and_modes_changes_nothing(void **state)
{
    rv_error err;
    scene("dir out/a; dir out/b; line out/a/x one; line out/b/y two; line out/b/z three; link x out/a/link; mode 500 out/b");
    rv_tree_files files = take("out");
    rv_digest last = rv_sha256(RV_STR("three\n"));
    assert_true(rv_blob_remove(blobs, last));
    scene("mode 700 out/b; gone out/a; line out/b/y other; gone out/b/z; mode 510 out/b; old out/b/y");
    assert_int_equal(restore(&files, NULL, &err), RV_NOT_FOUND);
    assert_string_equal(names_in("out"), "b ");
    assert_int_equal(mode_of("out/b"), 0510);
    assert_text("out/b/y", "other\n");
    assert_string_equal(names_in("out/b"), "y ");
    assert_nothing_staged();
    scene("gone out");
    assert_int_equal(restore(&files, NULL, &err), RV_NOT_FOUND);
    assert_false(is_there("out"));
    assert_nothing_staged();
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
    assert_false(is_there("a"));
}

static void keep__a_link_in_the_way_is_refused(void **state)
{
    scene("dir real; line real/f x; link real dir");
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
    scene("file a one");
    assert_ok(rv_tree_take(tree, patterns, 1, true, &arena, &files, &err), &err);
    rv_digest one = seen("a");
    scene("file a two");
    assert_same(seen("a"), one, false); /* moment 0: nothing is held */
    rv_tree_moment(tree, 1, 0);
    rv_digest two = seen("a");
    scene("file a three");
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
    scene("mode 600 a");
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
