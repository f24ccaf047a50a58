/* doctor.c: `reeve doctor`: what this machine can enforce, and which promise is weaker without it. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/verbs.h"
#include "exec/exec.h"

typedef enum finding_word { GOOD, WEAK, MISSING } finding_word; /* MISSING: Reeve cannot work here */
typedef struct finding { const char *name; finding_word word; rv_buf value; const char *means; } finding;
typedef struct examination { const rv_args *args; RV_VEC(finding) findings; rv_buf store; } examination;

static finding *add(examination *e, const char *name, finding_word word, const char *means)
{
    finding *f = rv_vec_add(&e->findings);
    f->name = name;
    f->word = word;
    f->means = word == GOOD ? NULL : means;
    return f;
}

/* ---- kernel ---- */

static void look_at_kernel(examination *e)
{
    struct utsname name;
    unsigned major = 0, minor = 0;
    bool is_known = uname(&name) == 0 && sscanf(name.release, "%u.%u", &major, &minor) == 2;
    bool is_new = is_known && (major > 5 || (major == 5 && minor >= 10));
    finding *f = add(e, "kernel", is_new ? GOOD : MISSING, "Reeve needs Linux 5.10 or later");
    rv_buf_printf(&f->value, "%s %s", is_known ? name.sysname : "unknown", is_known ? name.release : "");

    int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
    f = add(e, "pidfd", pidfd >= 0 ? GOOD : MISSING, "processes cannot be watched without races");
    rv_buf_cstring(&f->value, pidfd >= 0 ? "yes" : strerror(errno));
    if (pidfd >= 0) close(pidfd);

    int is_subreaper = 0;
    bool can = prctl(PR_GET_CHILD_SUBREAPER, &is_subreaper) == 0;
    f = add(e, "subreaper", can ? GOOD : MISSING, "orphans of attempts could not be found [P8]");
    rv_buf_cstring(&f->value, can ? "yes" : strerror(errno));

    struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_BENEATH};
    int fd = (int)syscall(SYS_openat2, AT_FDCWD, ".", &how, sizeof how);
    f = add(e, "openat2", fd >= 0 ? GOOD : MISSING, "artifacts could be read through links that lead out of their directory");
    rv_buf_cstring(&f->value, fd >= 0 ? "yes" : strerror(errno));
    if (fd >= 0) close(fd);
}

/* Whether attempts get groups of their own is found out by making one. */
static void look_at_cgroups(examination *e)
{
    static const char means[] =
        "P8 has an exception here: a process that sheds its group, its environment and its descriptors is found only when the last "
        "attempt alive at its birth has ended, and not after engine and keeper were both killed";
    char mark[48], path[RV_EXEC_CGROUP_SIZE];
    const char *why = NULL;
    snprintf(mark, sizeof mark, "doctor-%ld", (long)getpid());
    bool is_there = rv_exec_cgroup_path(mark, path, &why) && rv_exec_cgroup_try(mark, &why);
    finding *f = add(e, "cgroup v2", is_there ? GOOD : WEAK, means);
    if (is_there) rv_buf_printf(&f->value, "attempts run in groups of their own below %.*s", (int)(strrchr(path, '/') - path), path);
    else rv_buf_cstring(&f->value, why);
    f = add(e, "leave: true", GOOD, NULL);
    rv_buf_cstring(&f->value, "a node that says so may leave processes behind; that is not an orphan [P8]");
}

/* ---- store ---- */

static const struct { int64_t magic; const char *name; bool is_network; } file_systems[] = {
    {0xef53, "ext4", false},       {0x58465342, "xfs", false},    {0x9123683e, "btrfs", false}, {0x01021994, "tmpfs", false},
    {0x794c7630, "overlay", false}, {0x2fc12fc1, "zfs", false},    {0xf2f52010, "f2fs", false},  {0x6969, "nfs", true},
    {0xff534d42, "cifs", true},     {0xfe534d42, "smb2", true},    {0x01021997, "9p", true},     {0x65735546, "fuse", true},
};

static void look_at_file_system(examination *e, const char *dir)
{
    struct statfs fs;
    if (statfs(dir, &fs) != 0) {
        rv_buf_cstring(&add(e, "file system", WEAK, "the store's directory cannot be looked at")->value, strerror(errno));
        return;
    }
    size_t i = 0;
    while (i < RV_COUNT(file_systems) && file_systems[i].magic != (int64_t)fs.f_type) i++;
    bool is_known = i < RV_COUNT(file_systems), is_network = is_known && file_systems[i].is_network, is_memory = fs.f_type == 0x01021994;
    finding *f = add(e, "file system", is_network || is_memory ? WEAK : GOOD,
                     is_memory ? "it lives in memory: nothing survives power loss [P1]"
                               : "locks and syncs over a network are only as good as the server's: keep the store on a local disk");
    if (is_known) rv_buf_cstring(&f->value, file_systems[i].name);
    else rv_buf_printf(&f->value, "type %llx", (unsigned long long)fs.f_type);
    rv_buf_cstring(&f->value, ", ");
    rv_size_write(&f->value, (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize);
    rv_buf_cstring(&f->value, " free");
}

/* Median of nine writes of 4 KiB, each synced: what *synced* costs here. */
static void look_at_syncs(examination *e, const char *dir)
{
    rv_buf path = {0};
    static char block[4096];
    int64_t times[9];
    rv_buf_printf(&path, "%s/.doctor-%ld", dir, (long)getpid());
    int fd = open(path.at, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool is_good = fd >= 0;
    for (size_t i = 0; i < RV_COUNT(times) && is_good; i++) {
        struct timespec begin, end;
        clock_gettime(CLOCK_MONOTONIC, &begin);
        is_good = pwrite(fd, block, sizeof block, (off_t)(i * sizeof block)) == (ssize_t)sizeof block && fdatasync(fd) == 0;
        clock_gettime(CLOCK_MONOTONIC, &end);
        int64_t took = (end.tv_sec - begin.tv_sec) * 1000000 + (end.tv_nsec - begin.tv_nsec) / 1000;
        size_t at = i;
        for (; at > 0 && times[at - 1] > took; at--) times[at] = times[at - 1];
        times[at] = took;
    }
    finding *f = add(e, "sync", is_good ? GOOD : WEAK,
                     "the store's directory cannot be written: name another with --store or $REEVE_STORE");
    if (is_good) rv_buf_printf(&f->value, "%.2f ms for 4 KiB (median of 9)", (double)times[4] / 1000);
    else rv_buf_cstring(&f->value, strerror(errno));
    if (is_good && times[4] < 50)
        rv_buf_cstring(&f->value, "; so fast that the disk may not wait for its platters: P1 then ends at its cache");
    if (fd >= 0) {
        close(fd);
        unlink(path.at);
    }
    rv_buf_deinit(&path);
}

static void look_at_store(examination *e)
{
    rv_error err = {0};
    rv_buf existing = {0};
    const char *option = rv_args_value(e->args, "store");
    if (rv_store_locate(option, NULL, &e->store, &err) != RV_OK) {
        rv_buf_clear(&e->store);
        if (rv_cli_store_for(option, NULL, &e->store, &err)) return;
    }
    rv_buf_str_add(&existing, rv_buf_str(&e->store));
    while (access(existing.at, F_OK) != 0 && existing.size > 1) { /* not made yet: its nearest parent tells as much */
        char *slash = strrchr(existing.at, '/');
        existing.size = slash && slash > existing.at ? (size_t)(slash - existing.at) : 1;
        existing.at[existing.size] = 0;
    }
    struct stat stat_store;
    bool is_there = stat(e->store.at, &stat_store) == 0, is_private = !is_there || (stat_store.st_mode & 077) == 0;
    finding *f = add(e, "store", is_private ? GOOD : WEAK, "others may read it: chmod 700");
    rv_buf_printf(&f->value, "%s%s", e->store.at, is_there ? "" : " (not made yet)");
    look_at_file_system(e, existing.at);
    look_at_syncs(e, existing.at);
    rv_buf_deinit(&existing);
}

/* ---- libraries, terminal, limits ---- */

static void look_at_rest(examination *e)
{
    finding *f = add(e, "SQLite", GOOD, NULL);
    rv_buf_cstring(&f->value, RV_SQLITE_VERSION " at build time");
    f = add(e, "libuv", GOOD, NULL);
    rv_buf_cstring(&f->value, RV_UV_VERSION " at build time");
    long processors = sysconf(_SC_NPROCESSORS_ONLN), files = sysconf(_SC_OPEN_MAX);
    f = add(e, "processors", GOOD, NULL);
    rv_buf_printf(&f->value, "%ld online: -j is %ld unless it is given", processors, processors);
    f = add(e, "open files", files >= 256 ? GOOD : WEAK, "an attempt takes five descriptors: raise `ulimit -n` before a large -j");
    rv_buf_printf(&f->value, "%ld", files);
    const rv_ui *ui = rv_ui_get();
    uint32_t columns, rows;
    rv_ui_size(&columns, &rows);
    f = add(e, "terminal", GOOD, NULL);
    if (ui->is_terminal)
        rv_buf_printf(&f->value, "%u by %u, %s, %s", columns, rows, ui->has_color ? "colour" : "no colour",
                      ui->is_utf8 ? "UTF-8" : "ASCII");
    else rv_buf_cstring(&f->value, "standard output is none: plain lines");
}

/* ---- report ---- */

static void json(const examination *e, rv_buf *out)
{
    static const char *const words[] = {[GOOD] = "good", [WEAK] = "weak", [MISSING] = "missing"};
    rv_json_writer w;
    rv_cli_json_begin(&w, out);
    rv_jw_key(&w, "findings");
    rv_jw_array(&w);
    for (uint32_t i = 0; i < e->findings.count; i++) {
        const finding *f = &e->findings.at[i];
        rv_jw_object(&w);
        rv_jw_kv_cstring(&w, "name", f->name);
        rv_jw_kv_cstring(&w, "word", words[f->word]);
        rv_jw_kv_str(&w, "value", rv_buf_str(&f->value));
        if (f->means) rv_jw_kv_cstring(&w, "means", f->means);
        rv_jw_object_end(&w);
    }
    rv_jw_array_end(&w);
    rv_cli_json_end(&w);
}

static void text(const examination *e, rv_buf *out)
{
    static const rv_node_state looks[] = {[GOOD] = RV_NODE_SUCCEEDED, [WEAK] = RV_NODE_WAITING, [MISSING] = RV_NODE_FAILED};
    for (uint32_t i = 0; i < e->findings.count; i++) {
        const finding *f = &e->findings.at[i];
        const char *glyph = f->word == WEAK ? "!" : rv_ui_node_glyph(looks[f->word]);
        rv_ui_style(out, rv_ui_node_style(looks[f->word]), rv_str_of(glyph));
        rv_buf_printf(out, " %-12s %s\n", f->name, f->value.at ? f->value.at : "");
        if (f->means) {
            rv_ui_stylef(out, RV_STYLE_DIM, "  %-12s %s", "", f->means);
            rv_buf_byte(out, '\n');
        }
    }
}

int rv_verb_doctor(const rv_args *args)
{
    examination e = {.args = args};
    rv_buf out = {0};
    bool is_able = true;
    look_at_kernel(&e);
    look_at_cgroups(&e);
    look_at_store(&e);
    look_at_rest(&e);
    if (args->is_json) {
        json(&e, &out);
    } else {
        text(&e, &out);
        rv_ui_out(rv_buf_str(&out));
        rv_buf_deinit(&out);
    }
    for (uint32_t i = 0; i < e.findings.count; i++) {
        is_able &= e.findings.at[i].word != MISSING;
        rv_buf_deinit(&e.findings.at[i].value);
    }
    rv_vec_deinit(&e.findings);
    rv_buf_deinit(&e.store);
    return is_able ? 0 : 1;
}
