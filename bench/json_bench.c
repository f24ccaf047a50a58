/* json_bench.c: MB/s of the JSON reader, tree and writer, ns of rv_map and rv_arena; best of several rounds.
 *
 *   json_bench [FILE.json]   without a file: made texts, plain, indented, rich in escapes and in UTF-8 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/json.h"
#include "base/util.h"

#define ROUNDS 7
#define TEXT_SIZE ((size_t)8 << 20)

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static volatile uint64_t sink; /* keeps results alive */

static void read_tokens(rv_str text)
{
    rv_json_reader reader;
    rv_json_reader_init(&reader, text);
    uint64_t count = 0;
    rv_json_token token;
    do {
        token = rv_json_next(&reader);
        count++;
    } while (token > RV_JSON_T_END);
    if (token == RV_JSON_T_ERROR) {
        fprintf(stderr, "json_bench: byte %zu: %s\n", reader.offset, reader.error);
        exit(1);
    }
    sink += count;
}

static rv_arena arena; /* kept, so that a round measures parsing and not the system's pages */
static rv_buf written;

static rv_json *parse(rv_str text)
{
    rv_json *tree;
    rv_error err;
    rv_arena_clear(&arena);
    if (rv_json_parse(&arena, text, &tree, &err) != RV_OK) {
        fprintf(stderr, "json_bench: %s\n", err.text);
        exit(1);
    }
    return tree;
}

static void measure(const char *name, rv_str text)
{
    double best[4] = {1e9, 1e9, 1e9, 1e9};
    for (int round = 0; round < ROUNDS; round++) {
        double times[5];
        times[0] = seconds();
        read_tokens(text);
        times[1] = seconds();
        rv_json *tree = parse(text);
        times[2] = seconds();
        rv_buf_clear(&written);
        rv_json_write(&written, tree, false);
        times[3] = seconds();
        sink += rv_utf8_valid(text);
        times[4] = seconds();
        for (size_t i = 0; i < RV_COUNT(best); i++) best[i] = RV_MIN(best[i], times[i + 1] - times[i]);
    }
    double megabytes = (double)text.size / 1e6;
    printf("%-10s %6.1f MB   reader %6.0f MB/s   tree %6.0f MB/s   writer %6.0f MB/s   utf8 %6.0f MB/s\n", name, megabytes,
        megabytes / best[0],
           megabytes / best[1], (double)written.size / 1e6 / best[2], megabytes / best[3]);
}

/* A workflow of many nodes: what most of our texts look like. */
static void make_text(rv_buf *text, const char *title, bool indented)
{
    rv_json_writer w;
    rv_json_writer_init(&w, text, indented ? 2 : 0);
    rv_jw_object(&w);
    rv_jw_kv_cstring(&w, "name", "layered");
    rv_jw_key(&w, "nodes");
    rv_jw_array(&w);
    for (uint32_t i = 0; text->size < TEXT_SIZE; i++) {
        char id[32];
        snprintf(id, sizeof id, "node-%u", i);
        rv_jw_object(&w);
        rv_jw_kv_cstring(&w, "id", id);
        rv_jw_kv_cstring(&w, "title", title);
        rv_jw_kv_i64(&w, "timeout_ms", 1000 + i % 977);
        rv_jw_kv_bool(&w, "cache", i % 3 == 0);
        rv_jw_key(&w, "needs");
        rv_jw_array(&w);
        for (uint32_t k = 1; k <= 3 && k <= i; k++) {
            snprintf(id, sizeof id, "node-%u", i - k);
            rv_jw_cstring(&w, id);
        }
        rv_jw_array_end(&w);
        rv_jw_object_end(&w);
    }
    rv_jw_array_end(&w);
    rv_jw_object_end(&w);
}

static void measure_made(const char *name, const char *title, bool indented)
{
    rv_buf text = {0};
    make_text(&text, title, indented);
    measure(name, rv_buf_str(&text));
    rv_buf_deinit(&text);
}

static void measure_map(uint32_t count)
{
    char(*keys)[16] = rv_alloc(sizeof *keys * count);
    for (uint32_t i = 0; i < count; i++) snprintf(keys[i], sizeof keys[i], "node-%u", i);
    double add = 1e9, get = 1e9;
    for (int round = 0; round < ROUNDS; round++) {
        rv_map map = {0};
        double begin = seconds();
        for (uint32_t i = 0; i < count; i++) rv_map_add(&map, rv_str_of(keys[i]), i);
        double middle = seconds();
        uint64_t rng = 1;
        for (uint32_t i = 0; i < count; i++) sink += rv_map_get(&map, rv_str_of(keys[rv_rng_below(&rng, count)]));
        double end = seconds();
        add = RV_MIN(add, middle - begin);
        get = RV_MIN(get, end - middle);
        rv_map_deinit(&map);
    }
    printf("map        %7u keys   add %5.1f ns   get at random %5.1f ns\n", count, add / count * 1e9, get / count * 1e9);
    rv_free(keys);
}

static void measure_arena(void)
{
    enum { COUNT = 1000000 };
    double best = 1e9;
    for (int round = 0; round < ROUNDS; round++) {
        rv_arena_clear(&arena);
        double begin = seconds();
        for (int i = 0; i < COUNT; i++) sink += (uintptr_t)rv_arena_alloc(&arena, 48);
        double end = seconds();
        best = RV_MIN(best, end - begin);
    }
    printf("arena      48 bytes   %.1f ns\n", best / COUNT * 1e9);
}

static void measure_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        exit(1);
    }
    rv_buf text = {0};
    char piece[65536];
    for (size_t size; (size = fread(piece, 1, sizeof piece, file)) > 0;) rv_buf_add(&text, piece, size);
    fclose(file);
    measure("file", rv_buf_str(&text));
    rv_buf_deinit(&text);
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        measure_file(argv[1]);
    } else {
        measure_made("plain", "Fetch the day's orders from the archive and check that all of them have a customer", false);
        measure_made("indented", "Fetch the day's orders from the archive", true);
        measure_made("escapes", "a\tb\n\"c\"\\d", false);
        measure_made("utf-8",
            "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe3\x81\xae\xe3\x83\x86\xe3\x82\xad\xe3\x82\xb9\xe3\x83\x88 caf\xc3\xa9",
            false);
        measure_map(1000);
        measure_map(100000);
        measure_map(1000000);
        measure_arena();
    }
    rv_arena_deinit(&arena);
    rv_buf_deinit(&written);
    return 0;
}
