/* report TOP FILE…: a table of the TOP stems that occur most: stem, count, documents. On stderr: how long the files are. */
#include "csv/csv.h"
#include "index/index.h"
#include "load/load.h"
#include "stats/stats.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* By count, the greatest first, then by stem. */
static int order(const void *left, const void *right)
{
    const term *a = ((const map_entry *)left)->value, *b = ((const map_entry *)right)->value;
    return a->count != b->count ? (a->count < b->count ? 1 : -1) : str_order(a->stem, b->stem);
}

/* The table; the index cannot be asked any more afterwards. */
static void table(text_index *index, size_t top)
{
    csv_row(stdout, (str[]){str_of("stem"), str_of("count"), str_of("documents")}, 3);
    qsort(index->terms.entries, index->terms.count, sizeof *index->terms.entries, order);
    for (size_t i = 0; i < top && i < index->terms.count; i++) {
        const term *row = index->terms.entries[i].value;
        char count[16], documents[24];
        snprintf(count, sizeof count, "%u", row->count);
        snprintf(documents, sizeof documents, "%zu", row->documents.count);
        csv_row(stdout, (str[]){row->stem, str_of(count), str_of(documents)}, 3);
    }
}

static void lengths(const text_index *index, arena *memory)
{
    vec words = {0};
    for (size_t i = 0; i < index->count; i++)
        vec_push(&words, memory, index->documents[i].words);
    stats found = stats_of(words.at, words.count);
    fprintf(stderr, "%zu documents, %llu words: %u to %u, median %u\n", index->count, (unsigned long long)found.sum, found.least,
            found.most, found.median);
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fputs("usage: report TOP FILE...\n", stderr);
        return 2;
    }
    arena memory = {0};
    text_index index = {0};
    for (int i = 2; i < argc; i++) {
        str text;
        if (!load_file(&memory, argv[i], &text)) {
            fprintf(stderr, "report: %s: %s\n", argv[i], strerror(errno));
            return 2;
        }
        index_add(&index, str_of(argv[i]), text);
    }
    lengths(&index, &memory);
    table(&index, strtoul(argv[1], NULL, 10));
    index_drop(&index);
    arena_drop(&memory);
    return fflush(stdout) == 0 ? 0 : 2;
}
