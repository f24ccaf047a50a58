/* hash.c: SHA-256 and HMAC through OpenSSL, XXH3 for tables. The only file that includes xxhash.h. */
#include "base/util.h"

#include <limits.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <stdatomic.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/* EVP_MD_fetch searches the providers and costs more than hashing a short text: it is done once a process, and each
 * thread keeps one context for whole-text hashes (freed when the thread ends). */
static pthread_once_t sha256_once = PTHREAD_ONCE_INIT;
static EVP_MD *sha256;
static pthread_key_t context_key;

static void free_context(void *context) { EVP_MD_CTX_free(context); }

static void fetch_sha256(void)
{
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    RV_ASSERT(sha256 != NULL);
    RV_ASSERT(pthread_key_create(&context_key, free_context) == 0);
}

static EVP_MD_CTX *context_new(void)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    RV_ASSERT(context != NULL);
    return context;
}

static EVP_MD_CTX *context_of_thread(void)
{
    pthread_once(&sha256_once, fetch_sha256);
    EVP_MD_CTX *context = pthread_getspecific(context_key);
    if (!context) {
        context = context_new();
        RV_ASSERT(pthread_setspecific(context_key, context) == 0);
    }
    return context;
}

rv_digest rv_sha256(rv_str bytes)
{
    rv_digest digest;
    EVP_MD_CTX *context = context_of_thread();
    RV_ASSERT(EVP_DigestInit_ex2(context, sha256, NULL) == 1);
    RV_ASSERT(EVP_DigestUpdate(context, bytes.at, bytes.size) == 1);
    RV_ASSERT(EVP_DigestFinal_ex(context, digest.bytes, NULL) == 1);
    return digest;
}

struct rv_sha256_stream {
    EVP_MD_CTX *context;
};

rv_sha256_stream *rv_sha256_new(void)
{
    pthread_once(&sha256_once, fetch_sha256);
    rv_sha256_stream *stream = rv_alloc(sizeof *stream);
    stream->context = context_new();
    RV_ASSERT(EVP_DigestInit_ex2(stream->context, sha256, NULL) == 1);
    return stream;
}

void rv_sha256_add(rv_sha256_stream *stream, rv_str bytes)
{
    RV_ASSERT(EVP_DigestUpdate(stream->context, bytes.at, bytes.size) == 1);
}

rv_digest rv_sha256_end_take(rv_sha256_stream *stream)
{
    rv_digest digest;
    RV_ASSERT(EVP_DigestFinal_ex(stream->context, digest.bytes, NULL) == 1);
    EVP_MD_CTX_free(stream->context);
    rv_free(stream);
    return digest;
}

rv_digest rv_hmac_sha256(rv_str key, rv_str bytes)
{
    rv_digest digest;
    RV_ASSERT(key.size <= INT_MAX);
    pthread_once(&sha256_once, fetch_sha256);
    const char *key_bytes = key.at ? key.at : ""; /* HMAC takes a NULL key for "the key of the call before" */
    RV_ASSERT(HMAC(sha256, key_bytes, (int)key.size, (const unsigned char *)bytes.at, bytes.size, digest.bytes, NULL) != NULL);
    return digest;
}

void rv_digest_text(rv_digest digest, char ret_text[RV_DIGEST_TEXT_SIZE + 1])
{
    static const char hex[] = "0123456789abcdef";
    memcpy(ret_text, "sha256:", 7);
    for (size_t i = 0; i < sizeof digest.bytes; i++) {
        ret_text[7 + 2 * i] = hex[digest.bytes[i] >> 4];
        ret_text[8 + 2 * i] = hex[digest.bytes[i] & 15];
    }
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
