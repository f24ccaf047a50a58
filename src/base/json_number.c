/* json_number.c: numbers as exact decimals, integers and doubles; free of the locale.
 *
 * libc's strtod and printf write what the host's locale says for a decimal point. Reading therefore goes through
 * strtod_l with a locale of our own, and of what printf writes only the digits and the exponent are taken. */
#include "base/json_private.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define POINT_MAX ((int64_t)100000000000000000) /* 10^17 */
#define EXPONENT_MAX (5 * POINT_MAX) /* what is cut here is cut at POINT_MAX again; ten times it still fits 64 bits */

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static size_t digits_at(const char *at, const char *end)
{
    const char *begin = at;
    while (at < end && is_digit(*at)) at++;
    return (size_t)(at - begin);
}

static char digit_at(const rv_decimal *decimal, size_t index)
{
    size_t at = decimal->first + index;
    return at < decimal->whole_size ? decimal->whole[at] : decimal->fraction[at - decimal->whole_size];
}

/* What follows the digits: an exponent or nothing. */
static bool read_exponent(const char *at, const char *end, int64_t *ret)
{
    *ret = 0;
    if (at == end) return true;
    if (*at != 'e' && *at != 'E') return false;
    at++;
    bool is_negative = at < end && *at == '-';
    if (at < end && (*at == '+' || *at == '-')) at++;
    if (at == end || digits_at(at, end) != (size_t)(end - at)) return false;
    int64_t value = 0;
    for (; at < end; at++) value = RV_MIN(value * 10 + (*at - '0'), EXPONENT_MAX);
    *ret = is_negative ? -value : value;
    return true;
}

static void strip_zeros(rv_decimal *decimal, size_t digit_count)
{
    decimal->first = 0;
    decimal->count = digit_count;
    while (decimal->count > 0 && digit_at(decimal, decimal->count - 1) == '0') decimal->count--;
    while (decimal->first < decimal->count && digit_at(decimal, 0) == '0') decimal->first++;
    decimal->count -= decimal->first;
    decimal->point = RV_MIN(RV_MAX(decimal->point - (int64_t)decimal->first, -POINT_MAX), POINT_MAX);
    if (decimal->count == 0) {
        decimal->is_negative = false;
        decimal->point = 0;
    }
}

bool rv_decimal_read(rv_str number, rv_decimal *ret)
{
    if (number.size == 0) return false;
    const char *at = number.at, *end = at + number.size;
    rv_decimal decimal = {.is_negative = *at == '-'};
    if (*at == '-') at++;
    decimal.whole = at;
    decimal.whole_size = digits_at(at, end);
    if (decimal.whole_size == 0) return false;
    at += decimal.whole_size;
    size_t fraction_size = 0;
    decimal.fraction = at;
    if (at < end && *at == '.') {
        decimal.fraction = ++at;
        fraction_size = digits_at(at, end);
        if (fraction_size == 0) return false;
        at += fraction_size;
    }
    if (!read_exponent(at, end, &decimal.point)) return false;
    decimal.point += (int64_t)decimal.whole_size;
    strip_zeros(&decimal, decimal.whole_size + fraction_size);
    *ret = decimal;
    return true;
}

bool rv_decimal_equal(const rv_decimal *a, const rv_decimal *b)
{
    if (a->is_negative != b->is_negative || a->count != b->count || a->point != b->point) return false;
    for (size_t i = 0; i < a->count; i++)
        if (digit_at(a, i) != digit_at(b, i)) return false;
    return true;
}

bool rv_decimal_i64(const rv_decimal *decimal, int64_t *ret)
{
    if (decimal->point > 19 || decimal->point < (int64_t)decimal->count) return false;
    uint64_t magnitude = 0; /* at most 19 digits: fits */
    for (size_t i = 0; i < (size_t)decimal->point; i++)
        magnitude = magnitude * 10 + (i < decimal->count ? (uint64_t)(digit_at(decimal, i) - '0') : 0);
    if (magnitude > (uint64_t)INT64_MAX + decimal->is_negative) return false;
    *ret = (int64_t)(decimal->is_negative ? 0 - magnitude : magnitude);
    return true;
}

void rv_decimal_write(rv_buf *out, const rv_decimal *decimal)
{
    int64_t count = (int64_t)decimal->count, point = decimal->point;
    if (decimal->is_negative) rv_buf_byte(out, '-');
    if (count == 0) {
        rv_buf_byte(out, '0');
        return;
    }
    bool is_plain = point > -6 && point <= 21;
    int64_t exponent = point - 1;
    if (!is_plain) point = 1;
    if (point <= 0) rv_buf_cstring(out, "0.");
    for (int64_t i = point; i < 0; i++) rv_buf_byte(out, '0');
    for (int64_t i = 0; i < RV_MAX(count, point); i++) {
        if (i == point && i > 0) rv_buf_byte(out, '.');
        rv_buf_byte(out, i < count ? digit_at(decimal, (size_t)i) : '0');
    }
    if (!is_plain) {
        rv_buf_cstring(out, exponent < 0 ? "e" : "e+");
        rv_buf_i64(out, exponent);
    }
}

/* ---- doubles --------------------------------------------------------------- */

static pthread_once_t locale_once = PTHREAD_ONCE_INIT;
static locale_t c_locale;

static void make_locale(void)
{
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    RV_ASSERT(c_locale != (locale_t)0);
}

static double read_by_libc(const char *text)
{
    pthread_once(&locale_once, make_locale);
    return strtod_l(text, NULL, c_locale);
}

/* At most 15 digits and a power of ten that a double holds exactly: one correctly rounded operation (Clinger, How to
 * Read Floating Point Numbers Accurately, 1990). */
static bool read_exactly(const rv_decimal *decimal, double *ret)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (decimal->count > 15) return false;
    int64_t exponent = decimal->point - (int64_t)decimal->count;
    if (exponent < -22 || exponent > 22) return false;
    int64_t digits = 0;
    for (size_t i = 0; i < decimal->count; i++) digits = digits * 10 + (digit_at(decimal, i) - '0');
    double value = (double)digits;
    value = exponent < 0 ? value / powers[-exponent] : value * powers[exponent];
    *ret = decimal->is_negative ? -value : value;
    return true;
}

bool rv_double_read(rv_str number, double *ret)
{
    rv_decimal decimal;
    if (!rv_decimal_read(number, &decimal)) return false;
    if (decimal.count == 0) {
        *ret = number.at[0] == '-' ? -0.0 : 0.0;
        return true;
    }
    if (read_exactly(&decimal, ret)) return true;
    char short_text[128];
    char *text = number.size < sizeof short_text ? short_text : rv_alloc(number.size + 1);
    memcpy(text, number.at, number.size);
    text[number.size] = 0;
    double value = read_by_libc(text);
    if (text != short_text) rv_free(text);
    if (!isfinite(value)) return false;
    *ret = value;
    return true;
}

/* `value` rounded to `precision` digits, as `d…d e±x` without a point; then moved by `step` units of its last digit. */
static void round_to(char text[40], double value, int precision, int step)
{
    char printed[40], digits[24];
    snprintf(printed, sizeof printed, "%.*e", precision - 1, value);
    int count = 0, exponent = 0;
    const char *at = printed;
    for (; *at && *at != 'e'; at++)
        if (is_digit(*at) && count < precision) digits[count++] = *at;
    if (*at == 'e') exponent = atoi(at + 1);
    uint64_t number = 0; /* at most 17 digits */
    for (int i = 0; i < count; i++) number = number * 10 + (uint64_t)(digits[i] - '0');
    number += (uint64_t)(int64_t)step;
    snprintf(text, 40, "%llue%d", (unsigned long long)number, exponent - (count - 1));
}

/* Fewer digits are contained in more: 15 are exact whenever 15 or less suffice, except for subnormal numbers, which
 * have less precision and are tried from 1 digit on. The nearest text of a length may fail where a neighbour does
 * not, next to powers of two, where the gap below is half of the gap above. 17 always suffice. */
static void find_shortest(char text[40], double magnitude)
{
    static const int steps[] = {0, 1, -1};
    for (int precision = magnitude < DBL_MIN ? 1 : 15; precision <= 17; precision++) {
        for (size_t i = 0; i < RV_COUNT(steps); i++) {
            round_to(text, magnitude, precision, steps[i]);
            if (read_by_libc(text) == magnitude) return;
        }
    }
    RV_UNREACHABLE();
}

void rv_double_write(rv_buf *out, double value)
{
    RV_ASSERT(isfinite(value));
    char text[40];
    find_shortest(text, fabs(value));
    rv_decimal decimal;
    RV_ASSERT(rv_decimal_read(rv_str_of(text), &decimal));
    if (signbit(value)) rv_buf_byte(out, '-');
    rv_decimal_write(out, &decimal);
}
