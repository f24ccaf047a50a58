/* mask.c: secrets found in a stream of bytes: an Aho–Corasick automaton (CACM 18(6), 1975) with sparse edges.
 *
 * What is masked: every byte of every occurrence of every secret, overlapping ones included. Occurrences that share a
 * byte are one run; each run becomes one `***`. Only the exact bytes of a secret are known: not its base64, its URL
 * encoding, or what a terminal makes of its line ends.
 *
 *  (1) A state's depth is the size of the longest suffix of what came that begins some secret. Bytes before that
 *      suffix cannot belong to an occurrence that is still to come: they are judged, and leave at once.
 *  (2) So the stream holds exactly `depth` bytes between calls, and nothing at the root.
 *
 * held: u32 state, then for each held byte the byte and its mark. Memory: 16 bytes a byte of secrets. Tested against
 * a search of the whole text for every split of it (tests/unit/test_mask.c). */
#include "blob/blob.h"

#define SECRET_SIZE_MIN 4
#define COMPACT_SIZE 4096 /* judged pairs may take this much, or half of the buffer, before held ones are moved to the front */
#define HELD_HEAD_SIZE sizeof(uint32_t)

enum mark { MARK_PLAIN, MARK_FIRST, MARK_MORE }; /* FIRST: begins a run; MORE: in the run of the byte before */

typedef struct mask_node {
    uint32_t child, next; /* first child, next sibling; 0: none (the root is nobody's child) */
    uint32_t fail;        /* the longest proper suffix that is a node */
    uint32_t depth;
    uint32_t match_size;  /* of the longest secret that ends here; 0: none */
    uint8_t byte;
} mask_node;

struct rv_mask {
    RV_VEC(mask_node) nodes; /* 0 is the root */
    uint32_t root[256];      /* its children by byte; 0: none */
};

/* ---------------------------------------------------------------- building */

static uint32_t child_of(const rv_mask *mask, uint32_t node, uint8_t byte)
{
    if (node == 0) return mask->root[byte];
    uint32_t child = mask->nodes.at[node].child;
    while (child && mask->nodes.at[child].byte != byte) child = mask->nodes.at[child].next;
    return child;
}

static uint32_t add_child(rv_mask *mask, uint32_t parent, uint8_t byte)
{
    uint32_t index = mask->nodes.count;
    mask_node *node = rv_vec_add(&mask->nodes);
    node->byte = byte;
    node->depth = mask->nodes.at[parent].depth + 1;
    node->next = mask->nodes.at[parent].child;
    mask->nodes.at[parent].child = index;
    if (parent == 0) mask->root[byte] = index;
    return index;
}

static void add_secret(rv_mask *mask, rv_str secret)
{
    uint32_t node = 0;
    for (size_t i = 0; i < secret.size; i++) {
        uint32_t child = child_of(mask, node, (uint8_t)secret.at[i]);
        node = child ? child : add_child(mask, node, (uint8_t)secret.at[i]);
    }
    mask->nodes.at[node].match_size = (uint32_t)secret.size;
}

static uint32_t step(const rv_mask *mask, uint32_t node, uint8_t byte)
{
    for (;;) {
        uint32_t child = child_of(mask, node, byte);
        if (child || node == 0) return child;
        node = mask->nodes.at[node].fail;
    }
}

/* Breadth first, so that the suffix of a node, which is shorter, is complete before the node. */
static void link_suffixes(rv_mask *mask)
{
    uint32_t count = mask->nodes.count, head = 0, tail = 0;
    uint32_t *queue = rv_alloc(count * sizeof *queue);
    queue[tail++] = 0;
    while (head < tail) {
        uint32_t parent = queue[head++];
        for (uint32_t child = mask->nodes.at[parent].child; child; child = mask->nodes.at[child].next) {
            mask_node *node = &mask->nodes.at[child];
            node->fail = parent == 0 ? 0 : step(mask, mask->nodes.at[parent].fail, node->byte);
            if (!node->match_size) node->match_size = mask->nodes.at[node->fail].match_size;
            queue[tail++] = child;
        }
    }
    RV_ASSERT(tail == count);
    rv_free(queue);
}

rv_mask *rv_mask_new(const rv_str *secrets, uint32_t count)
{
    rv_mask *mask = NULL;
    for (uint32_t i = 0; i < count; i++) {
        if (secrets[i].size < SECRET_SIZE_MIN) continue;
        RV_ASSERT(secrets[i].size < UINT32_MAX / 64);
        if (!mask) {
            mask = rv_alloc(sizeof *mask);
            (void)rv_vec_add(&mask->nodes);
        }
        add_secret(mask, secrets[i]);
    }
    if (mask) link_suffixes(mask);
    return mask;
}

void rv_mask_free(rv_mask *mask)
{
    if (!mask) return;
    memset(mask->root, 0, sizeof mask->root);
    rv_vec_deinit(&mask->nodes);
    rv_free(mask);
}

/* --------------------------------------------------------------- streaming */

/* What is held during a call: pairs of byte and mark, the judged ones in front of `from` already gone. */
typedef struct hold {
    rv_buf *buf;
    size_t from;
    uint32_t state;
} hold;

static size_t hold_count(const hold *h) { return h->buf->size < h->from ? 0 : (h->buf->size - h->from) / 2; }

static void hold_open(hold *h, rv_buf *buf)
{
    *h = (hold){.buf = buf, .from = HELD_HEAD_SIZE};
    if (buf->size) memcpy(&h->state, buf->at, HELD_HEAD_SIZE);
}

/* Judge the first `count` held bytes: out they go, by their marks. */
static void hold_release(hold *h, size_t count, rv_buf *out)
{
    const char *pair = count ? h->buf->at + h->from : NULL;
    for (size_t i = 0; i < count; i++, pair += 2) {
        if (pair[1] == MARK_PLAIN) rv_buf_byte(out, pair[0]);
        else if (pair[1] == MARK_FIRST) rv_buf_cstring(out, "***");
    }
    h->from += 2 * count;
}

/* Drop the judged pairs in front, keep the state for the next call. */
static void hold_compact(hold *h)
{
    size_t size = 2 * hold_count(h);
    if (size == 0) {
        rv_buf_clear(h->buf);
    } else {
        memmove(h->buf->at + HELD_HEAD_SIZE, h->buf->at + h->from, size);
        h->buf->size = HELD_HEAD_SIZE + size;
        memcpy(h->buf->at, &h->state, HELD_HEAD_SIZE);
    }
    h->from = HELD_HEAD_SIZE;
}

/* An occurrence of `size` bytes ends with the last held byte. */
static void hold_mark(hold *h, size_t size)
{
    RV_ASSERT(size <= hold_count(h)); /* (2): a secret is no longer than the depth of the node it ends at */
    char *mark = h->buf->at + h->buf->size - 2 * size + 1;
    if (*mark == MARK_PLAIN) *mark = MARK_FIRST;
    for (size_t i = 1; i < size; i++) mark[2 * i] = MARK_MORE;
}

static void hold_byte(const rv_mask *mask, hold *h, char byte, rv_buf *out)
{
    h->state = step(mask, h->state, (uint8_t)byte);
    if (h->buf->size == 0) (void)rv_buf_extend(h->buf, HELD_HEAD_SIZE);
    char pair[2] = {byte, MARK_PLAIN};
    rv_buf_add(h->buf, pair, sizeof pair);
    const mask_node *node = &mask->nodes.at[h->state];
    if (node->match_size) hold_mark(h, node->match_size);
    hold_release(h, hold_count(h) - node->depth, out); /* keeps (1), (2) */
    if (node->depth == 0 || h->from > RV_MAX(COMPACT_SIZE, h->buf->size / 2)) hold_compact(h);
}

void rv_mask_feed(const rv_mask *mask, rv_mask_stream *stream, rv_str bytes, rv_buf *out)
{
    if (!mask) {
        rv_buf_str_add(out, bytes);
        return;
    }
    hold h;
    hold_open(&h, &stream->held);
    for (size_t at = 0; at < bytes.size;) {
        if (h.state != 0) {
            hold_byte(mask, &h, bytes.at[at++], out);
            continue;
        }
        size_t begin = at; /* at the root nothing is held: what begins no secret passes by */
        while (at < bytes.size && !mask->root[(uint8_t)bytes.at[at]]) at++;
        rv_buf_add(out, bytes.at + begin, at - begin);
        if (at < bytes.size) hold_byte(mask, &h, bytes.at[at++], out);
    }
    hold_compact(&h);
    RV_ASSERT((h.state == 0) == (stream->held.size == 0));
}

void rv_mask_end(const rv_mask *mask, rv_mask_stream *stream, rv_buf *out)
{
    hold h;
    hold_open(&h, &stream->held);
    RV_ASSERT(mask || hold_count(&h) == 0);
    hold_release(&h, hold_count(&h), out);
    if (stream->held.at) memset(stream->held.at, 0, stream->held.capacity); /* perhaps most of a secret */
    rv_buf_deinit(&stream->held);
}

void rv_mask_whole(const rv_mask *mask, rv_str bytes, rv_buf *out)
{
    rv_mask_stream stream = {0};
    rv_mask_feed(mask, &stream, bytes, out);
    rv_mask_end(mask, &stream, out);
}
