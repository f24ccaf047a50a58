/* hash.c: SHA-256 and HMAC through OpenSSL, XXH3 for tables. The only file that includes xxhash.h. */
#include "base/util.h"

#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>
#include <stdatomic.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/* OpenSSL's own rounds, called directly: behind EVP the same rounds cost a search through providers and the reading of
 * openssl.cnf at the first hash of a process (5 ms and 100 pages of memory when measured), for nothing that a plain digest uses.
 * The calls cannot fail; what they return is 1. */
rv_digest rv_sha256(rv_str bytes)
{
    rv_digest digest;
    SHA256_CTX context;
    SHA256_Init(&context);
    SHA256_Update(&context, bytes.at, bytes.size);
    SHA256_Final(digest.bytes, &context);
    return digest;
}

struct rv_sha256_stream {
    SHA256_CTX context;
};

rv_sha256_stream *rv_sha256_new(void)
{
    rv_sha256_stream *stream = rv_alloc(sizeof *stream);
    SHA256_Init(&stream->context);
    return stream;
}

void rv_sha256_add(rv_sha256_stream *stream, rv_str bytes) { SHA256_Update(&stream->context, bytes.at, bytes.size); }

rv_digest rv_sha256_end_take(rv_sha256_stream *stream)
{
    rv_digest digest;
    SHA256_Final(digest.bytes, &stream->context);
    rv_free(stream);
    return digest;
}

/* RFC 2104: H(key ^ opad, H(key ^ ipad, text)); a key longer than a block is its digest. */
rv_digest rv_hmac_sha256(rv_str key, rv_str bytes)
{
    rv_digest digest = {{0}};
    unsigned char inner[SHA256_CBLOCK], outer[SHA256_CBLOCK];
    if (key.size > SHA256_CBLOCK) {
        digest = rv_sha256(key);
        key = (rv_str){(const char *)digest.bytes, sizeof digest.bytes};
    }
    for (size_t i = 0; i < SHA256_CBLOCK; i++) {
        unsigned char byte = i < key.size ? (unsigned char)key.at[i] : 0;
        inner[i] = byte ^ 0x36;
        outer[i] = byte ^ 0x5c;
    }
    SHA256_CTX context;
    SHA256_Init(&context);
    SHA256_Update(&context, inner, sizeof inner);
    SHA256_Update(&context, bytes.at, bytes.size);
    SHA256_Final(digest.bytes, &context);
    SHA256_Init(&context);
    SHA256_Update(&context, outer, sizeof outer);
    SHA256_Update(&context, digest.bytes, sizeof digest.bytes);
    SHA256_Final(digest.bytes, &context);
    return digest;
}

void rv_digest_text(rv_digest digest, char ret_text[RV_DIGEST_TEXT_SIZE + 1])
{
#define ROW(h_) h_ "0" h_ "1" h_ "2" h_ "3" h_ "4" h_ "5" h_ "6" h_ "7" h_ "8" h_ "9" h_ "a" h_ "b" h_ "c" h_ "d" h_ "e" h_ "f"
    static const char pairs[] = ROW("0") ROW("1") ROW("2") ROW("3") ROW("4") ROW("5") ROW("6") ROW("7") ROW("8") ROW("9") ROW("a")
        ROW("b") ROW("c") ROW("d") ROW("e") ROW("f");
#undef ROW
    memcpy(ret_text, "sha256:", 7);
    for (size_t i = 0; i < sizeof digest.bytes; i++) memcpy(&ret_text[7 + 2 * i], &pairs[2 * digest.bytes[i]], 2);
    ret_text[RV_DIGEST_TEXT_SIZE] = 0;
}

/* Only the digits that rv_digest_text writes: one digest has one text. */
static int hex_value(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool rv_digest_parse(rv_str text, rv_digest *ret)
{
    rv_digest digest;
    if (text.size != RV_DIGEST_TEXT_SIZE || !rv_str_starts(text, RV_STR("sha256:"))) return false;
    for (size_t i = 0; i < sizeof digest.bytes; i++) {
        int high = hex_value(text.at[7 + 2 * i]), low = hex_value(text.at[8 + 2 * i]);
        if (high < 0 || low < 0) return false;
        digest.bytes[i] = (uint8_t)(high << 4 | low);
    }
    *ret = digest;
    return true;
}

uint64_t rv_hash64(rv_str bytes, uint64_t seed) { return XXH3_64bits_withSeed(bytes.at, bytes.size, seed); }

uint64_t rv_hash_seed(void)
{
    static _Atomic uint64_t shared_seed; /* 0: not drawn yet */
    uint64_t seed = atomic_load_explicit(&shared_seed, memory_order_relaxed);
    if (seed) return seed;
    uint64_t drawn;
    rv_random_bytes(&drawn, sizeof drawn);
    drawn |= 1;
    return atomic_compare_exchange_strong(&shared_seed, &seed, drawn) ? drawn : seed;
}
