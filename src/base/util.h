/* util.h: hashes, seeded random numbers, UTF-8, words of time and size, nearest-name hints. */
#ifndef RV_UTIL_H
#define RV_UTIL_H

#include "base/mem.h"

/* ---- content identity: SHA-256 (FIPS 180-4, through OpenSSL's EVP) ---- */
typedef struct rv_digest { uint8_t bytes[32]; } rv_digest;
#define RV_DIGEST_TEXT_SIZE (7 + 64) /* "sha256:" and 64 hex digits */
rv_digest rv_sha256(rv_str bytes);
typedef struct rv_sha256_stream rv_sha256_stream;
rv_sha256_stream *rv_sha256_new(void);
void rv_sha256_add(rv_sha256_stream *stream, rv_str bytes);
rv_digest rv_sha256_end_take(rv_sha256_stream *stream);
rv_digest rv_hmac_sha256(rv_str key, rv_str bytes); /* RFC 2104 */
void rv_digest_text(rv_digest digest, char ret_text[RV_DIGEST_TEXT_SIZE + 1]); /* "sha256:…", NUL-terminated */
RV_MUST_USE bool rv_digest_parse(rv_str text, rv_digest *ret);
/* ---- checks and tables, never identity: XXH3, 64 bits ---- */
uint64_t rv_hash64(rv_str bytes, uint64_t seed);
/* A seed for tables in memory: random, the same for the life of the process. Never stored. Any thread. */
uint64_t rv_hash_seed(void);

/* ---- random: splitmix64, state is the caller's and part of what is stored ---- */
uint64_t rv_rng_next(uint64_t *state);
uint32_t rv_rng_below(uint64_t *state, uint32_t bound); /* bound ≥ 1; unbiased */
/* Bytes from the system's generator (getrandom). Not for the kernel. */
void rv_random_bytes(void *ret_bytes, size_t size);

/* ---- UTF-8 ---- */
/* Length of the longest valid prefix of `bytes` (RFC 3629: no surrogates, no overlong forms). */
size_t rv_utf8_valid(rv_str bytes);
/* Columns that `text` takes on a terminal (wcwidth-like: combining 0, wide 2; invalid bytes 1 each). */
size_t rv_utf8_columns(rv_str text);

/* ---- words ---- */
/* "250ms 30s 10m 2h 1d", and a sum of them in falling units ("1h30m"); a bare number is refused. */
RV_MUST_USE bool rv_duration_parse(rv_str text, int64_t *ret_ms);
/* "64KiB 2GiB 100B"; KB, MB, GB are powers of ten. */
RV_MUST_USE bool rv_size_parse(rv_str text, uint64_t *ret_size);
void rv_duration_write(rv_buf *out, int64_t ms);   /* for people: "412ms", "3.2s", "4m05s", "2h07m" */
void rv_size_write(rv_buf *out, uint64_t size);    /* for people: "512 B", "1.4 MiB" */
void rv_time_write(rv_buf *out, int64_t wall_ms);  /* UTC, RFC 3339: "2026-01-31T09:08:07.123Z" */
/* The candidate nearest to `word` by edit distance (≤ 2, or a third of its size), or NULL. */
const char *rv_nearest(rv_str word, const char *const *candidates, size_t count);
/* W4: [A-Za-z0-9_-], first alphanumeric, 1 to 64 bytes. */
bool rv_is_identifier(rv_str text);

/* ---- bytes as text: RFC 4648, section 4, with padding and without line ends ---- */
void rv_base64_write(rv_buf *out, rv_str bytes); /* appended */
/* Append what `text` stands for. false: it is no such text; `out` may have been appended to. */
RV_MUST_USE bool rv_base64_read(rv_str text, rv_buf *out);

/* ---- diagnostics log: one line to stderr, once, at the top ---- */
typedef enum rv_log_level { RV_LOG_DEBUG, RV_LOG_INFO, RV_LOG_WARN, RV_LOG_ERROR } rv_log_level;
void rv_log_set(rv_log_level least, bool as_json);
void rv_log(rv_log_level level, const char *fmt, ...) RV_PRINTF(2, 3);

#endif
