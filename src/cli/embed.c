/* Build tool: embed OUT.c FILE.yaml …: the workflows that `reeve init` writes, as one table of rv_template in the order given. What
 * stands in the first line behind `# ` is what a template is for. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fail(const char *what, const char *file)
{
    fprintf(stderr, "embed: %s: %s\n", file, what);
    exit(1);
}

/* The bytes of `file` as the elements of a C array, its first line into `line`; returns how many. */
static size_t bytes_write(FILE *out, const char *file, char *line, size_t line_size)
{
    FILE *in = fopen(file, "rb");
    size_t size = 0;
    int byte;
    if (!in || !fgets(line, (int)line_size, in)) fail("cannot be read", file);
    if (strncmp(line, "# ", 2) != 0) fail("its first line does not say what it is for", file);
    line[strcspn(line, "\n")] = 0;
    if (strpbrk(line, "\"\\")) fail("its first line has a quote or a backslash", file);
    rewind(in);
    while ((byte = fgetc(in)) != EOF) fprintf(out, "%d,%s", byte, ++size % 24 ? "" : "\n");
    if (ferror(in)) fail("cannot be read", file);
    fclose(in);
    return size;
}

int main(int argc, char **argv)
{
    char lines[64][256];
    size_t sizes[64];
    if (argc < 3 || argc > 64) fail("usage: embed OUT.c FILE.yaml …", "arguments");
    FILE *out = fopen(argv[1], "wb");
    if (!out) fail("cannot be written", argv[1]);
    fprintf(out, "/* Made by embed.c from templates/NAME.yaml. */\n#include \"cli/templates.h\"\n");
    for (int i = 2; i < argc; i++) {
        fprintf(out, "static const unsigned char text_%d[] = {\n", i);
        sizes[i] = bytes_write(out, argv[i], lines[i], sizeof lines[i]);
        fprintf(out, "0};\n");
    }
    fprintf(out, "const rv_template rv_templates[] = {\n");
    for (int i = 2; i < argc; i++) {
        const char *name = strrchr(argv[i], '/') ? strrchr(argv[i], '/') + 1 : argv[i];
        const char *dot = strstr(name, ".yaml");
        if (!dot) fail("is not named NAME.yaml", name);
        fprintf(out, "    {\"%.*s\", \"%s\", {(const char *)text_%d, %zu}},\n", (int)(dot - name), name, lines[i] + 2, i, sizes[i]);
    }
    fprintf(out, "};\nconst uint32_t rv_template_count = %d;\n", argc - 2);
    if (fclose(out)) fail("cannot be written", argv[1]);
    return 0;
}
