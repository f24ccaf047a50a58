/* Build tool: embed OUT.c FILE.sql …: the migrations as one table of rv_migration, in the order given, which must be that
 * of their numbers: NNNN_name.sql, from 0001 without a gap. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fail(const char *what, const char *file)
{
    fprintf(stderr, "embed: %s: %s\n", file, what);
    exit(1);
}

/* The bytes of `file` as the elements of a C array; returns how many. */
static size_t bytes_write(FILE *out, const char *file)
{
    FILE *in = fopen(file, "rb");
    size_t size = 0;
    int byte;
    if (!in) fail("cannot be read", file);
    while ((byte = fgetc(in)) != EOF) fprintf(out, "%d,%s", byte, ++size % 24 ? "" : "\n");
    if (ferror(in)) fail("cannot be read", file);
    fclose(in);
    return size;
}

int main(int argc, char **argv)
{
    if (argc < 3) fail("usage: embed OUT.c FILE.sql …", "arguments");
    FILE *out = fopen(argv[1], "wb");
    size_t sizes[10000];
    if (!out || argc > 10000) fail("cannot be written", argv[1]);
    fprintf(out, "/* Made by embed.c from schema/NNNN_name.sql. */\n#include \"store/sqlite.h\"\n");
    for (int i = 2; i < argc; i++) {
        fprintf(out, "static const unsigned char sql_%d[] = {\n", i - 1);
        sizes[i] = bytes_write(out, argv[i]);
        fprintf(out, "0};\n");
    }
    fprintf(out, "const rv_migration rv_migrations[] = {\n");
    for (int i = 2; i < argc; i++) {
        const char *name = strrchr(argv[i], '/') ? strrchr(argv[i], '/') + 1 : argv[i];
        const char *dot = strstr(name, ".sql");
        if (!dot || strspn(name, "0123456789") != 4 || name[4] != '_' || atoi(name) != i - 1)
            fail("is not named as the next NNNN_name.sql", name);
        fprintf(out, "    {%d, \"%.*s\", {(const char *)sql_%d, %zu}},\n", i - 1, (int)(dot - name - 5), name + 5, i - 1, sizes[i]);
    }
    fprintf(out, "};\nconst uint32_t rv_migration_count = %d;\n", argc - 2);
    if (fclose(out)) fail("cannot be written", argv[1]);
    return 0;
}
