#include "engine/machine.h"
#include "engine/inner.h"

#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define MUTEX_AT 0
#define TURN_AT 1
#define HOLDER_AT 4096
#define HOLDER_SIZE 256
#define TRIES_AFTER_A_WORD 4u /* 2, 8, 32, 128 ms */

typedef struct lock_file {
    char *name;                /* tag-… or mutex-… */
    int fd;
    uint32_t holders;          /* mutex: nodes of this engine that hold it */
    bool has_turn;             /* mutex: an exclusive one of ours waits */
    RV_VEC(uint64_t) own;      /* tag: bits of the slots that nodes of this engine have */
} lock_file;

typedef struct hold { rv_job *job; uint32_t node, file, slot; bool is_mutex; } hold;

typedef struct rv_machine {
    rv_engine *engine;
    char *dir;
    int notify_fd;             /* -1: nobody has waited yet */
    rv_watch *watch;
    rv_timer *timer;           /* for what a dead holder frees */
    uint32_t tries_left;
    int64_t pause_ms;
    RV_VEC(lock_file) files;
    RV_VEC(hold) holds;
    bool has_waiters;
} rv_machine;

/* ---- files ---- */

static const char *variable(const char *const *variables, const char *name)
{
    size_t size = strlen(name);
    for (; variables && *variables; variables++)
        if (strncmp(*variables, name, size) == 0 && (*variables)[size] == '=') return *variables + size + 1;
    return NULL;
}

static char *copy(const char *text) { return memcpy(rv_alloc(strlen(text) + 1), text, strlen(text) + 1); }

static char *directory(const char *const *variables)
{
    char path[64];
    const char *given = variable(variables, "REEVE_HOST_LOCKS");
    const char *parent = access("/run/lock", W_OK | X_OK) == 0 ? "/run/lock" : "/tmp";
    (void)snprintf(path, sizeof path, "%s/reeve-%u", parent, (unsigned)geteuid());
    return copy(given && given[0] ? given : path);
}

/* In /tmp anybody can make a directory of that name: it must be ours alone. */
static rv_status make_directory(const char *path, rv_error *err)
{
    struct stat info;
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return rv_error_set(err, RV_IO, "cannot make %s for the locks of this machine: %s; name another one with REEVE_HOST_LOCKS", path,
                            strerror(errno));
    bool is_ours = lstat(path, &info) == 0 && S_ISDIR(info.st_mode) && info.st_uid == geteuid() && (info.st_mode & 022) == 0;
    return is_ours ? RV_OK
                   : rv_error_set(err, RV_DENIED,
                                  "%s is not a directory that only this user can write; name another one with REEVE_HOST_LOCKS", path);
}

static rv_status machine_of(rv_engine *engine, rv_error *err)
{
    if (engine->machine) return RV_OK;
    char *dir = directory(engine->config.environ);
    rv_status status = make_directory(dir, err);
    if (status != RV_OK) {
        rv_free(dir);
        return status;
    }
    engine->machine = rv_alloc(sizeof *engine->machine);
    *engine->machine = (rv_machine){.engine = engine, .dir = dir, .notify_fd = -1};
    return RV_OK;
}

static rv_status file_of(rv_machine *machine, bool is_tag, rv_str name, uint32_t *ret, rv_error *err)
{
    char text[RV_IDENTIFIER_MAX + 8];
    (void)snprintf(text, sizeof text, "%s-%.*s", is_tag ? "tag" : "mutex", RV_FMT(name));
    for (*ret = 0; *ret < machine->files.count; ++*ret)
        if (strcmp(machine->files.at[*ret].name, text) == 0) return RV_OK;
    rv_buf path = {0};
    rv_buf_printf(&path, "%s/%s", machine->dir, text);
    int fd = open(path.at, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    rv_status status = fd >= 0 ? RV_OK : rv_error_set(err, RV_IO, "cannot open %s: %s", path.at, strerror(errno));
    rv_buf_deinit(&path);
    if (status == RV_OK) rv_vec_push(&machine->files, ((lock_file){.name = copy(text), .fd = fd}));
    return status;
}

/* type: F_RDLCK, F_WRLCK, F_UNLCK. */
static bool lock_byte(int fd, int type, off_t at)
{
    struct flock lock = {.l_type = (short)type, .l_whence = SEEK_SET, .l_start = at, .l_len = 1};
    return fcntl(fd, F_OFD_SETLK, &lock) == 0;
}

static void write_holder(const rv_job *job, uint32_t node, int fd, uint32_t slot)
{
    char text[HOLDER_SIZE] = {0};
    (void)snprintf(text, sizeof text, "%.*s of run %s in %s (process %d)\n", RV_FMT(rv_job_node_id(job, node)), job->id, job->dir,
                   (int)getpid());
    text[sizeof text - 1] = 0;
    (void)!pwrite(fd, text, sizeof text, HOLDER_AT + (off_t)slot * HOLDER_SIZE); /* for people; the lock is what counts */
}

/* ---- waiting ---- */

/* Something may have been freed: whoever waits is admitted again. */
static void try_again(rv_machine *machine)
{
    rv_engine *engine = machine->engine;
    for (uint32_t i = 0; i < engine->admission.tags.count; i++) engine->admission.tags.at[i].is_blocked = false;
    for (uint32_t i = 0; i < engine->jobs.count; i++) {
        rv_admit *admit = &engine->jobs.at[i]->admit;
        for (uint32_t b = 0; b < admit->bids.count; b++)
            if (admit->bids.at[b].phase == RV_BID_OUTSIDE) rv_admit_retry(admit, admit->bids.at[b].node);
    }
    machine->has_waiters = false; /* who fails again says so */
    rv_loop_wake(engine->config.loop);
}

static void on_timer(void *user)
{
    rv_machine *machine = user;
    if (!machine->has_waiters || machine->tries_left == 0) return;
    machine->tries_left--;
    machine->pause_ms *= 4;
    rv_timer_set(machine->timer, rv_loop_mono_ms(machine->engine->config.loop) + machine->pause_ms);
    try_again(machine);
}

static void on_word(void *user, int events)
{
    rv_machine *machine = user;
    char bytes[4096];
    while (read(machine->notify_fd, bytes, sizeof bytes) > 0) continue;
    machine->tries_left = TRIES_AFTER_A_WORD;
    machine->pause_ms = 2;
    rv_timer_set(machine->timer, rv_loop_mono_ms(machine->engine->config.loop) + machine->pause_ms);
    if (machine->has_waiters) try_again(machine);
}

/* Watch the directory. true: only now, so that something may have been freed unseen. */
static rv_status watch(rv_machine *machine, bool *ret_is_new, rv_error *err)
{
    rv_loop *loop = machine->engine->config.loop;
    *ret_is_new = machine->notify_fd < 0;
    if (!*ret_is_new) return RV_OK;
    int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (fd < 0 || inotify_add_watch(fd, machine->dir, IN_MODIFY | IN_ATTRIB | IN_CLOSE_WRITE) < 0) {
        rv_error_set(err, RV_IO, "cannot watch %s for locks that are freed: %s", machine->dir, strerror(errno));
        if (fd >= 0) close(fd);
        return RV_IO;
    }
    rv_status status = rv_watch_start(loop, fd, RV_LOOP_READ, on_word, machine, &machine->watch, err);
    if (status != RV_OK) {
        close(fd);
        return status;
    }
    machine->notify_fd = fd;
    machine->timer = rv_timer_new(loop, on_timer, machine);
    return RV_OK;
}

/* ---- taking ---- */

/* Whether nobody elsewhere holds the byte against us. */
static bool is_free(int fd, int type, off_t at)
{
    struct flock lock = {.l_type = (short)type, .l_whence = SEEK_SET, .l_start = at, .l_len = 1};
    return fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type == F_UNLCK;
}

/* Take it for one more node of ours. */
static bool take_mutex(lock_file *file, bool is_exclusive)
{
    bool passes = is_exclusive || file->has_turn || lock_byte(file->fd, F_RDLCK, TURN_AT); /* else one elsewhere waits to have it alone */
    bool has_it = passes && lock_byte(file->fd, is_exclusive ? F_WRLCK : F_RDLCK, MUTEX_AT);
    if (passes && (is_exclusive ? has_it && file->has_turn : !file->has_turn)) lock_byte(file->fd, F_UNLCK, TURN_AT);
    file->has_turn &= !(is_exclusive && has_it);
    file->holders += has_it;
    return has_it;
}

/* Look whether it can be taken. If not, an exclusive one stands in line: from then on nobody elsewhere that shares comes before it. */
static bool may_take_mutex(lock_file *file, bool is_exclusive)
{
    if (is_free(file->fd, is_exclusive ? F_WRLCK : F_RDLCK, MUTEX_AT)) return is_exclusive || is_free(file->fd, F_RDLCK, TURN_AT);
    if (is_exclusive && !file->has_turn) file->has_turn = lock_byte(file->fd, F_WRLCK, TURN_AT);
    return false;
}

/* The first slot from `slot` on that no node of ours has. */
static uint32_t not_ours(const lock_file *file, uint32_t slot)
{
    for (; slot / 64 < file->own.count; slot = (slot / 64 + 1) * 64) {
        uint64_t others = ~file->own.at[slot / 64] >> slot % 64;
        if (others) return slot + (uint32_t)__builtin_ctzll(others);
    }
    return slot;
}

static void set_own(lock_file *file, uint32_t slot, bool is_own)
{
    while (slot / 64 >= file->own.count) rv_vec_push(&file->own, 0);
    uint64_t bit = UINT64_C(1) << slot % 64;
    file->own.at[slot / 64] = is_own ? file->own.at[slot / 64] | bit : file->own.at[slot / 64] & ~bit;
}

/* A slot below `cap` that nobody has, of ours neither; RV_NONE: none. takes: it is taken. The kernel is asked about ranges, so that it is
 * asked as often as there are others that have some, however many slots there are: what it names ends the range, or begins it. */
static uint32_t find_slot(const lock_file *file, uint32_t cap, bool takes)
{
    uint32_t slot = not_ours(file, 0), end = cap;
    while (slot < cap) {
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = slot, .l_len = end - slot};
        if (fcntl(file->fd, F_OFD_GETLK, &lock) != 0) return RV_NONE;
        if (lock.l_type == F_UNLCK) {
            if (!takes || lock_byte(file->fd, F_WRLCK, (off_t)slot)) return slot;
            continue; /* somebody was quicker */
        }
        if (lock.l_start > (off_t)slot) {
            end = (uint32_t)RV_MIN(lock.l_start, (off_t)end);
            continue;
        }
        bool is_all = lock.l_len == 0 || lock.l_start + lock.l_len >= (off_t)cap;
        slot = is_all ? cap : not_ours(file, (uint32_t)(lock.l_start + lock.l_len));
        end = cap;
    }
    return RV_NONE;
}

static void keep(rv_job *job, uint32_t node, uint32_t index, uint32_t slot, bool is_mutex)
{
    rv_machine *machine = job->engine->machine;
    rv_vec_push(&machine->holds, ((hold){job, node, index, slot, is_mutex}));
    if (!is_mutex) set_own(&machine->files.at[index], slot, true);
    write_holder(job, node, machine->files.at[index].fd, slot);
}

static rv_machine_answer take_tags(rv_job *job, uint32_t node, bool takes, rv_error *err)
{
    const rv_run *run = job->run;
    const rv_run_class *class = &run->classes.at[rv_run_class_of(run, node)];
    for (uint32_t i = class->first; i < class->first + class->count; i++) {
        const rv_run_tag *tag = &run->tags.at[run->class_tags.at[i]];
        uint32_t index;
        if (!tag->is_host) continue;
        if (machine_of(job->engine, err) != RV_OK || file_of(job->engine->machine, true, tag->name, &index, err) != RV_OK)
            return RV_MACHINE_BROKEN;
        uint32_t slot = find_slot(&job->engine->machine->files.at[index], tag->cap, takes);
        if (slot == RV_NONE) {
            rv_admit_block(&job->admit, run->class_tags.at[i]);
            return RV_MACHINE_TAG;
        }
        if (takes) keep(job, node, index, slot, false);
    }
    return RV_MACHINE_HAS;
}

static rv_machine_answer take_mutexes(rv_job *job, uint32_t node, bool takes, rv_error *err)
{
    const rv_graph *graph = rv_run_graph(job->run, node);
    uint32_t set = rv_node_claims(rv_run_def(job->run, node));
    for (uint32_t i = 0; set && i < graph->claim_sets[set - 1].count; i++) {
        uint32_t claim = graph->claims[graph->claim_sets[set - 1].first + i], index;
        const rv_mutex_def *mutex = &graph->mutexes[RV_CLAIM_MUTEX(claim)];
        if (mutex->scope != RV_MUTEX_HOST) continue;
        if (machine_of(job->engine, err) != RV_OK ||
            file_of(job->engine->machine, false, rv_graph_str(graph, mutex->name), &index, err) != RV_OK)
            return RV_MACHINE_BROKEN;
        lock_file *file = &job->engine->machine->files.at[index];
        bool is_exclusive = RV_CLAIM_IS_EXCLUSIVE(claim);
        if (takes ? !take_mutex(file, is_exclusive) : !may_take_mutex(file, is_exclusive)) return RV_MACHINE_MUTEX;
        if (takes) keep(job, node, index, 0, true);
    }
    return RV_MACHINE_HAS;
}

/* Nobody holds it any more: who waits hears of the write, or, where there is no room for one, of the new time. */
static void tell_free(const lock_file *file, uint32_t slot)
{
    if (pwrite(file->fd, "", 1, HOLDER_AT + (off_t)slot * HOLDER_SIZE) == 1 || futimens(file->fd, NULL) == 0) return;
    rv_log(RV_LOG_WARN, "who waits for %s cannot be told that it is free: %s", file->name, strerror(errno));
}

static void give(rv_job *job, uint32_t node)
{
    rv_machine *machine = job->engine->machine;
    for (uint32_t i = machine->holds.count; i-- > 0;) {
        hold h = machine->holds.at[i];
        if (h.job != job || (node != RV_NONE && h.node != node)) continue;
        lock_file *file = &machine->files.at[h.file];
        machine->holds.at[i] = machine->holds.at[machine->holds.count - 1];
        machine->holds.count--;
        if (h.is_mutex && --file->holders > 0) continue;
        lock_byte(file->fd, F_UNLCK, h.is_mutex ? MUTEX_AT : (off_t)h.slot);
        if (!h.is_mutex) set_own(file, h.slot, false);
        tell_free(file, h.slot);
    }
}

rv_machine_answer rv_machine_take(rv_job *job, uint32_t node, rv_error *err)
{
    for (int round = 0;; round++) {
        bool is_new = false;
        rv_machine_answer answer = RV_MACHINE_HAS;
        for (int takes = 0; takes < 2 && answer == RV_MACHINE_HAS; takes++) { /* look first: what is held for a moment wakes others */
            answer = take_tags(job, node, takes, err);
            if (answer == RV_MACHINE_HAS) answer = take_mutexes(job, node, takes, err);
        }
        if (answer == RV_MACHINE_HAS || !job->engine->machine) return answer;
        give(job, node);
        if (answer == RV_MACHINE_BROKEN) return answer;
        if (watch(job->engine->machine, &is_new, err) != RV_OK) return RV_MACHINE_BROKEN;
        job->engine->machine->has_waiters = true;
        if (!is_new || round > 0) return answer;
        for (uint32_t i = 0; i < job->engine->admission.tags.count; i++) job->engine->admission.tags.at[i].is_blocked = false;
    }
}

static bool is_waited_for(const rv_engine *engine)
{
    for (uint32_t i = 0; i < engine->jobs.count; i++)
        if (engine->jobs.at[i]->admit.staged) return true;
    return false;
}

void rv_machine_give(rv_job *job, uint32_t node)
{
    rv_machine *machine = job->engine->machine;
    if (!machine) return;
    give(job, node);
    if (is_waited_for(job->engine)) return; /* else no exclusive one of ours waits any more */
    for (uint32_t i = 0; i < machine->files.count; i++) {
        if (machine->files.at[i].has_turn) lock_byte(machine->files.at[i].fd, F_UNLCK, TURN_AT);
        machine->files.at[i].has_turn = false;
    }
}

void rv_machine_close(rv_engine *engine)
{
    rv_machine *machine = engine->machine;
    if (!machine) return;
    for (uint32_t i = 0; i < machine->files.count; i++) {
        close(machine->files.at[i].fd);
        rv_vec_deinit(&machine->files.at[i].own);
        rv_free(machine->files.at[i].name);
    }
    rv_watch_end(machine->watch);
    rv_timer_free(machine->timer);
    if (machine->notify_fd >= 0) close(machine->notify_fd);
    rv_vec_deinit(&machine->files);
    rv_vec_deinit(&machine->holds);
    rv_free(machine->dir);
    rv_free(machine);
    engine->machine = NULL;
}

/* ---- for people ---- */

void rv_machine_holders(const char *const *variables, bool is_tag, rv_str name, rv_buf *out)
{
    rv_buf path = {0};
    char *dir = directory(variables), text[HOLDER_SIZE];
    rv_buf_printf(&path, "%s/%s-%.*s", dir, is_tag ? "tag" : "mutex", RV_FMT(name));
    int fd = open(path.at, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    for (off_t slot = 0; fd >= 0; slot++) {
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = slot, .l_len = 1};
        ssize_t size = pread(fd, text, sizeof text, HOLDER_AT + slot * HOLDER_SIZE);
        if (size <= 0 || (!is_tag && slot > 0)) break;
        bool is_held = fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
        if (is_held) rv_buf_add(out, text, strnlen(text, (size_t)size));
    }
    if (fd >= 0) close(fd);
    rv_buf_deinit(&path);
    rv_free(dir);
}
