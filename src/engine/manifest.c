#include "engine/manifest.h"

/* "RVM", revision, the hash's name, body, and last eight bytes of XXH3 over all before: a manifest that is damaged is told from one that
 * says something else. Texts have a NUL behind them, so that they can be given to the system as they lie. */

#define HASH_NAME "sha256"
static const char magic[3] = {'R', 'V', 'M'};

/* ---- writing ---- */

static void add_digest(rv_buf *out, rv_digest digest) { rv_buf_add(out, digest.bytes, sizeof digest.bytes); }

static void add_text(rv_buf *out, rv_str text)
{
    rv_buf_varint(out, text.size);
    rv_buf_str_add(out, text);
    rv_buf_byte(out, 0);
}

static void add_output(rv_buf *out, const rv_manifest_text *text)
{
    rv_buf_varint(out, text->size);
    rv_buf_byte(out, text->is_blob);
    if (text->is_blob) add_digest(out, text->digest);
    else rv_buf_str_add(out, text->bytes);
}

static void add_file(rv_buf *out, const rv_tree_file *file)
{
    add_text(out, file->path);
    rv_buf_byte(out, (char)file->kind);
    rv_buf_varint(out, file->mode);
    if (file->kind == RV_TREE_LINK) add_text(out, file->link);
    if (file->kind != RV_TREE_FILE) return;
    rv_buf_varint(out, file->size);
    add_digest(out, file->digest);
}

void rv_manifest_write(rv_buf *out, const rv_manifest *manifest)
{
    size_t begin = out->size;
    rv_buf_add(out, magic, sizeof magic);
    rv_buf_byte(out, RV_MANIFEST_REVISION);
    add_text(out, RV_STR(HASH_NAME));
    add_digest(out, manifest->outcome);
    rv_buf_varint_signed(out, manifest->exit_status);
    rv_buf_varint_signed(out, manifest->duration_ms);
    add_text(out, manifest->result);
    for (int i = 0; i < 2; i++) add_output(out, &manifest->text[i]);
    rv_buf_varint(out, manifest->file_count);
    for (uint32_t i = 0; i < manifest->file_count; i++) add_file(out, &manifest->files[i]);
    rv_buf_varint(out, manifest->artifact_count);
    for (uint32_t i = 0; i < manifest->artifact_count; i++) {
        add_text(out, manifest->artifacts[i].name);
        rv_buf_varint(out, manifest->artifacts[i].size);
        add_digest(out, manifest->artifacts[i].digest);
    }
    uint64_t sum = rv_hash64((rv_str){out->at + begin, out->size - begin}, 0);
    for (int i = 0; i < 8; i++) rv_buf_byte(out, (char)(sum >> 8 * i));
}

/* ---- reading: a cursor that, once it has met what cannot be, stays there ---- */

typedef struct cursor { const char *at, *end; bool is_bad; } cursor;

static uint64_t take_number(cursor *c)
{
    uint64_t value = 0;
    c->is_bad |= !rv_varint_read(&c->at, c->end, &value);
    return c->is_bad ? 0 : value;
}

static int64_t take_signed(cursor *c)
{
    int64_t value = 0;
    c->is_bad |= !rv_varint_read_signed(&c->at, c->end, &value);
    return c->is_bad ? 0 : value;
}

static rv_str take_bytes(cursor *c, uint64_t size)
{
    c->is_bad |= size > (uint64_t)(c->end - c->at);
    if (c->is_bad) return (rv_str){NULL, 0};
    rv_str bytes = {c->at, (size_t)size};
    c->at += size;
    return bytes;
}

static uint8_t take_byte(cursor *c)
{
    rv_str byte = take_bytes(c, 1);
    return byte.size ? (uint8_t)byte.at[0] : 0;
}

static rv_str take_text(cursor *c)
{
    rv_str text = take_bytes(c, take_number(c));
    c->is_bad |= take_byte(c) != 0 || (text.size && memchr(text.at, 0, text.size));
    return text;
}

static rv_digest take_digest(cursor *c)
{
    rv_digest digest = {{0}};
    rv_str bytes = take_bytes(c, sizeof digest.bytes);
    if (bytes.size) memcpy(digest.bytes, bytes.at, sizeof digest.bytes);
    return digest;
}

static rv_manifest_text take_output(cursor *c)
{
    rv_manifest_text text = {.size = take_number(c)};
    uint8_t is_blob = take_byte(c);
    c->is_bad |= is_blob > 1;
    text.is_blob = is_blob == 1;
    if (text.is_blob) text.digest = take_digest(c);
    else text.bytes = take_bytes(c, text.size);
    return text;
}

static rv_tree_file take_file(cursor *c)
{
    rv_tree_file file = {.path = take_text(c)};
    uint8_t kind = take_byte(c);
    uint64_t mode = take_number(c);
    c->is_bad |= kind > RV_TREE_OTHER || mode > UINT32_MAX;
    file.kind = (rv_tree_kind)kind;
    file.mode = (uint32_t)mode;
    if (file.kind == RV_TREE_LINK) file.link = take_text(c);
    if (file.kind != RV_TREE_FILE) return file;
    file.size = take_number(c);
    file.digest = take_digest(c);
    return file;
}

/* A count of items of which each takes at least `least` bytes: what does not fit into the rest is a lie. */
static uint32_t take_count(cursor *c, uint64_t least)
{
    uint64_t count = take_number(c);
    c->is_bad |= count > (uint64_t)(c->end - c->at) / least || count > UINT32_MAX;
    return c->is_bad ? 0 : (uint32_t)count;
}

static void take_files(cursor *c, rv_arena *arena, rv_manifest *m)
{
    uint32_t count = take_count(c, 4);
    rv_tree_file *files = count ? rv_arena_new(arena, rv_tree_file, count) : NULL;
    for (uint32_t i = 0; i < count && !c->is_bad; i++) {
        files[i] = take_file(c);
        c->is_bad |= i > 0 && rv_str_cmp(files[i - 1].path, files[i].path) >= 0; /* sorted, each once */
    }
    m->files = files, m->file_count = count;
}

static void take_artifacts(cursor *c, rv_arena *arena, rv_manifest *m)
{
    uint32_t count = take_count(c, 35);
    rv_cache_named *artifacts = count ? rv_arena_new(arena, rv_cache_named, count) : NULL;
    for (uint32_t i = 0; i < count && !c->is_bad; i++) {
        artifacts[i].name = take_text(c);
        artifacts[i].size = take_number(c);
        artifacts[i].digest = take_digest(c);
    }
    m->artifacts = artifacts, m->artifact_count = count;
}

static bool has_sum(rv_str bytes)
{
    uint64_t sum = 0;
    for (int i = 0; i < 8; i++) sum |= (uint64_t)(uint8_t)bytes.at[bytes.size - 8 + (size_t)i] << 8 * i;
    return rv_hash64((rv_str){bytes.at, bytes.size - 8}, 0) == sum;
}

rv_status rv_manifest_read(rv_arena *arena, rv_str bytes, rv_manifest *ret)
{
    rv_manifest m = {{{0}}};
    if (bytes.size < sizeof magic + 1 + 8 || memcmp(bytes.at, magic, sizeof magic) != 0) return RV_CORRUPT;
    if ((uint8_t)bytes.at[sizeof magic] != RV_MANIFEST_REVISION) return RV_UNSUPPORTED;
    if (!has_sum(bytes)) return RV_CORRUPT;
    cursor c = {.at = bytes.at + sizeof magic + 1, .end = bytes.at + bytes.size - 8};
    rv_str hash = take_text(&c);
    if (!c.is_bad && !rv_str_is(hash, HASH_NAME)) return RV_UNSUPPORTED;
    m.outcome = take_digest(&c);
    int64_t exit_status = take_signed(&c);
    c.is_bad |= exit_status < INT32_MIN || exit_status > INT32_MAX;
    m.exit_status = (int32_t)exit_status;
    m.duration_ms = take_signed(&c);
    m.result = take_text(&c);
    for (int i = 0; i < 2; i++) m.text[i] = take_output(&c);
    take_files(&c, arena, &m);
    take_artifacts(&c, arena, &m);
    if (c.is_bad || c.at != c.end) return RV_CORRUPT;
    *ret = m;
    return RV_OK;
}

/* ---- blobs ---- */

bool rv_manifest_blobs(const rv_manifest *manifest, rv_manifest_blob_fn *fn, void *user)
{
    for (int i = 0; i < 2; i++)
        if (manifest->text[i].is_blob && !fn(user, manifest->text[i].digest, manifest->text[i].size)) return false;
    for (uint32_t i = 0; i < manifest->file_count; i++)
        if (manifest->files[i].kind == RV_TREE_FILE && !fn(user, manifest->files[i].digest, manifest->files[i].size)) return false;
    for (uint32_t i = 0; i < manifest->artifact_count; i++)
        if (!fn(user, manifest->artifacts[i].digest, manifest->artifacts[i].size)) return false;
    return true;
}

static bool add_size(void *user, rv_digest digest, uint64_t size)
{
    uint64_t *sum = user;
    *sum = size > UINT64_MAX - *sum ? UINT64_MAX : *sum + size;
    return true;
}

uint64_t rv_manifest_blob_size(const rv_manifest *manifest)
{
    uint64_t sum = 0;
    bool all = rv_manifest_blobs(manifest, add_size, &sum);
    RV_ASSERT(all);
    return sum;
}
