/* driver.c: runs a fuzz target without a fuzzer: over every file of the folders given, and over seeded mutations.
 *
 *   fuzz_X DIR… [--mutations N] [--seed S]
 *
 * Each file is run as it is and N times changed by a few edits that are known to find things (flip, cut, repeat,
 * splice with another file, numbers at their limits). A target that crashes does so here; before each input its
 * file, the seed and the number of the mutation are kept in a line that is printed when a signal ends the process,
 * so that `--seed S` shows it again. Prints how many inputs it ran; exit status 1 when there was none. */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INPUT_SIZE_MAX ((size_t)1 << 20)
#define EDITS_MAX 6u

typedef struct input {
    char *path;
    const char *name; /* the end of path: a seed means the same wherever the corpus lies */
    char *bytes;
    size_t size;
} input;

typedef RV_VEC(input) input_list;

static char where[4096]; /* what is running, for on_crash */
static size_t where_size;

static void on_crash(int signal_number)
{
    if (write(STDERR_FILENO, where, where_size) < 0) _exit(125);
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static void die(const char *what, const char *name)
{
    fprintf(stderr, "fuzz: %s %s: %s\n", what, name, strerror(errno));
    exit(2);
}

/* ---- the corpus ---- */

static void read_input(input_list *inputs, const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file) die("cannot open", path);
    char *bytes = rv_alloc(INPUT_SIZE_MAX);
    size_t size = fread(bytes, 1, INPUT_SIZE_MAX, file);
    if (ferror(file)) die("cannot read", path);
    fclose(file);
    bytes = rv_realloc(bytes, size);
    char *copy = rv_cstring_dup(rv_str_of(path));
    rv_vec_push(inputs, ((input){copy, strrchr(copy, '/') + 1, bytes, size}));
}

static int by_path(const void *a, const void *b) { return strcmp(((const input *)a)->path, ((const input *)b)->path); }

/* Files in the order of their names, so that a seed means the same on every machine. */
static void read_folder(input_list *inputs, const char *folder)
{
    DIR *dir = opendir(folder);
    if (!dir) die("cannot open", folder);
    uint32_t first = inputs->count;
    rv_buf path = {0};
    for (struct dirent *entry; (entry = readdir(dir));) {
        rv_buf_clear(&path);
        rv_buf_printf(&path, "%s/%s", folder, entry->d_name);
        struct stat info;
        if (stat(path.at, &info) == 0 && S_ISREG(info.st_mode)) read_input(inputs, path.at);
    }
    closedir(dir);
    rv_buf_deinit(&path);
    if (inputs->count > first) qsort(inputs->at + first, inputs->count - first, sizeof inputs->at[0], by_path);
}

/* ---- mutation ---- */

/* Replace `gone` bytes at `at` by `size` others; `bytes` may point into the buffer. */
static void replace(rv_buf *buf, size_t at, size_t gone, const char *bytes, size_t size)
{
    rv_buf result = {0};
    rv_buf_add(&result, buf->at, at);
    rv_buf_add(&result, bytes, size);
    rv_buf_add(&result, buf->at + at + gone, buf->size - at - gone);
    rv_buf_deinit(buf);
    *buf = result;
}

static size_t place(uint64_t *rng, size_t size) { return rv_rng_below(rng, (uint32_t)size + 1); }

static void edit(rv_buf *buf, const input_list *inputs, uint64_t *rng)
{
    static const char *const words[] = {"0", "-1", "1e999", "9223372036854775808", "18446744073709551616", "\"", "\\", "{", "}",
        "[", "]", ",", ":", "\n",
                                        "\xff", "\xc0\x80", "\xed\xa0\x80", "\\ud800", "null", "${", "}}", "'", "&a", "*a",
                                        "- ", "  ", "\t", "#", "|", "%"};
    size_t at = place(rng, buf->size), rest = buf->size - at;
    size_t piece = rv_rng_below(rng, rv_rng_below(rng, 4) ? 8 : 512);
    piece = RV_MIN(piece, rest);
    const input *other = &inputs->at[rv_rng_below(rng, inputs->count)];
    size_t other_at = place(rng, other->size);
    const char *word = words[rv_rng_below(rng, RV_COUNT(words))];
    char byte = (char)rv_rng_below(rng, 256);
    switch (rv_rng_below(rng, 8)) {
    case 0: /* flip one bit */
        if (rest > 0) buf->at[at] = (char)(buf->at[at] ^ 1 << rv_rng_below(rng, 8));
        break;
    case 1: replace(buf, at, RV_MIN(rest, (size_t)1), &byte, 1); break;
    case 2: replace(buf, at, piece, "", 0); break;                                                     /* drop */
    case 3: replace(buf, at, 0, buf->at + at, piece); break;                                           /* repeat */
    case 4: replace(buf, at, 0, word, strlen(word)); break;                                            /* insert */
    case 5: replace(buf, at, piece, word, strlen(word)); break;                                        /* overwrite */
    case 6: replace(buf, at, rest, other->bytes + other_at, other->size - other_at); break;            /* splice */
    default: replace(buf, at, rv_rng_below(rng, 4) ? 0 : rest, buf->at, RV_MIN(piece, buf->size)); break; /* its own head */
    }
}

/* ---- running ---- */

/* In memory of exactly its size, so that a sanitizer sees the first byte past it. */
static void run(const char *bytes, size_t size)
{
    uint8_t *exact = rv_alloc(size);
    if (size) memcpy(exact, bytes, size);
    LLVMFuzzerTestOneInput(exact, size);
    rv_free(exact);
}

static void say_where(const input *from, uint64_t seed, uint64_t mutation)
{
    int size = snprintf(where, sizeof where, "fuzz: crashed on %s, --seed %llu, mutation %llu\n", from->path, (unsigned long long)seed,
                        (unsigned long long)mutation);
    where_size = RV_MIN((size_t)size, sizeof where - 1);
}

static uint64_t run_input(const input_list *inputs, uint32_t index, uint64_t seed, uint64_t mutations)
{
    const input *from = &inputs->at[index];
    say_where(from, seed, 0);
    run(from->bytes, from->size);
    for (uint64_t i = 1; i <= mutations; i++) {
        uint64_t rng = rv_hash64(rv_str_of(from->name), seed) + i * 0x9e3779b97f4a7c15ull; /* each can be made again alone */
        rv_buf buf = {0};
        rv_buf_add(&buf, from->bytes, from->size);
        for (uint32_t left = 1 + rv_rng_below(&rng, EDITS_MAX); left > 0 && buf.size < INPUT_SIZE_MAX; left--) edit(&buf, inputs, &rng);
        say_where(from, seed, i);
        run(buf.at, buf.size);
        rv_buf_deinit(&buf);
    }
    return mutations + 1;
}

static uint64_t number_of(const char *text)
{
    char *end;
    errno = 0;
    uint64_t number = text ? strtoull(text, &end, 10) : 0;
    if (!text || !*text || *end || errno) {
        fprintf(stderr, "fuzz: not a number: %s\n", text ? text : "(nothing)");
        exit(2);
    }
    return number;
}

int main(int argc, char **argv)
{
    static const int crashes[] = {SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGALRM};
    input_list inputs = {0};
    uint64_t mutations = 0, seed = 1, count = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--mutations") == 0) mutations = number_of(argv[++i]);
        else if (strcmp(argv[i], "--seed") == 0) seed = number_of(argv[++i]);
        else read_folder(&inputs, argv[i]);
    }
    for (size_t i = 0; i < RV_COUNT(crashes); i++) signal(crashes[i], on_crash);
    for (uint32_t i = 0; i < inputs.count; i++) {
        alarm(60); /* an input that hangs is named too */
        count += run_input(&inputs, i, seed, mutations);
    }
    printf("%llu inputs from %u files, seed %llu\n", (unsigned long long)count, inputs.count, (unsigned long long)seed);
    for (uint32_t i = 0; i < inputs.count; i++) {
        rv_free(inputs.at[i].path);
        rv_free(inputs.at[i].bytes);
    }
    rv_vec_deinit(&inputs);
    return count > 0 ? 0 : 1;
}
