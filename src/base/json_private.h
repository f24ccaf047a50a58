/* json_private.h: what the parts of the JSON code share, and nobody else needs. */
#ifndef RV_JSON_PRIVATE_H
#define RV_JSON_PRIVATE_H

#include "base/json.h"

/* Decode the escapes of `raw`, which a reader has accepted, into ret_bytes[0..raw.size). Returns the size written;
 * it never grows: six bytes \uXXXX become at most three. */
size_t rv_json_decode(char *ret_bytes, rv_str raw);

/* A decimal number as digits in the text that it was read from:
 * value = ± 0.d[0]d[1]…d[count-1] × 10^point, without zeros at either end; zero has count 0 and point 0.
 * Equal values have equal decimals, whatever their notation. */
typedef struct rv_decimal {
    bool is_negative; /* false for zero */
    const char *whole, *fraction; /* digits before and after the point in the text */
    size_t whole_size, first, count; /* d[i] is digit first + i of whole and fraction taken together */
    int64_t point;
} rv_decimal;

/* `number` is a JSON number as the reader returns it; false when it is not one. A `point` beyond ±10^17 is
 * taken for that, so that exponents of any size are read and written back as equal values. */
RV_MUST_USE bool rv_decimal_read(rv_str number, rv_decimal *ret);
bool rv_decimal_equal(const rv_decimal *a, const rv_decimal *b);
RV_MUST_USE bool rv_decimal_i64(const rv_decimal *decimal, int64_t *ret); /* false: not an integer, or does not fit */
/* Append it without loss: plainly when it has at most 21 digits before the point and less than 6 zeros after it,
 * else with an exponent (the layout of ECMA-262, Number::toString). */
void rv_decimal_write(rv_buf *out, const rv_decimal *decimal);

/* Append the shortest text that reads back as `value`, which is finite. */
void rv_double_write(rv_buf *out, double value);
/* The double nearest to `number`, ties to even. false: beyond the range of doubles, or not a number. */
RV_MUST_USE bool rv_double_read(rv_str number, double *ret);

#endif
