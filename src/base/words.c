/* words.c: durations, sizes, times and names, as people write and read them. */
#include "base/util.h"

typedef struct unit {
    const char *name;
    uint64_t factor;
} unit;

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

/* Digits, then a unit of the table, at *at in `text`. false: not of that form, or over 64 bits. */
static bool read_quantity(rv_str text, size_t *at, const unit *units, size_t unit_count, size_t *ret_unit, uint64_t *ret)
{
    size_t begin = *at, i = begin;
    uint64_t number = 0;
    for (; i < text.size && is_digit(text.at[i]); i++)
        if (__builtin_mul_overflow(number, 10u, &number) || __builtin_add_overflow(number, (unsigned)(text.at[i] - '0'), &number))
            return false;
    if (i == begin) return false;
    size_t name_at = i;
    while (i < text.size && is_letter(text.at[i])) i++;
    rv_str name = rv_str_cut(text, name_at, i - name_at);
    for (size_t k = 0; k < unit_count; k++) {
        if (!rv_str_is(name, units[k].name)) continue;
        *at = i;
        *ret_unit = k;
        return !__builtin_mul_overflow(number, units[k].factor, ret);
    }
    return false;
}

bool rv_duration_parse(rv_str text, int64_t *ret_ms)
{
    static const unit units[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};
    uint64_t sum = 0;
    size_t at = 0, first_allowed = 0;
    while (at < text.size) {
        size_t unit_index;
        uint64_t part;
        if (!read_quantity(text, &at, units, RV_COUNT(units), &unit_index, &part)) return false;
        if (unit_index < first_allowed) return false; /* units fall, and each comes once */
        first_allowed = unit_index + 1;
        if (__builtin_add_overflow(sum, part, &sum) || sum > INT64_MAX) return false;
    }
    if (first_allowed == 0) return false;
    *ret_ms = (int64_t)sum;
    return true;
}

bool rv_size_parse(rv_str text, uint64_t *ret_size)
{
    static const unit units[] = {
        {"B", 1}, {"KiB", 1ull << 10}, {"MiB", 1ull << 20}, {"GiB", 1ull << 30}, {"TiB", 1ull << 40},
        {"KB", 1000}, {"MB", 1000000}, {"GB", 1000000000}, {"TB", 1000000000000},
    };
    size_t at = 0, unit_index;
    uint64_t size;
    if (!read_quantity(text, &at, units, RV_COUNT(units), &unit_index, &size) || at != text.size) return false;
    *ret_size = size;
    return true;
}

void rv_duration_write(rv_buf *out, int64_t ms)
{
    uint64_t left = ms < 0 ? 0 - (uint64_t)ms : (uint64_t)ms;
    if (ms < 0) rv_buf_byte(out, '-');
    unsigned long long seconds = left / 1000, minutes = seconds / 60, hours = minutes / 60;
    if (left < 1000) rv_buf_printf(out, "%llums", (unsigned long long)left);
    else if (seconds < 60) rv_buf_printf(out, "%llu.%llus", seconds, (unsigned long long)(left % 1000 / 100));
    else if (minutes < 60) rv_buf_printf(out, "%llum%02llus", minutes, seconds % 60);
    else if (hours < 24) rv_buf_printf(out, "%lluh%02llum", hours, minutes % 60);
    else rv_buf_printf(out, "%llud%02lluh", hours / 24, hours % 24);
}

void rv_size_write(rv_buf *out, uint64_t size)
{
    static const char *const names[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    if (size < 1024) {
        rv_buf_printf(out, "%llu B", (unsigned long long)size);
        return;
    }
    unsigned power = 0;
    while (power + 1 < RV_COUNT(names) && size >> (10 * (power + 2))) power++;
    unsigned shift = 10 * (power + 1);
    unsigned long long tenths = ((size >> (shift - 10)) % 1024) * 10 / 1024;
    rv_buf_printf(out, "%llu.%llu %s", (unsigned long long)(size >> shift), tenths, names[power]);
}

/* Days since 1970-01-01 to a date of the proleptic Gregorian calendar: eras of 400 years, years that begin in March
 * (H. Hinnant, chrono-Compatible Low-Level Date Algorithms, civil_from_days). */
static void date_of(int64_t days, int64_t *ret_year, int *ret_month, int *ret_day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t march_month = (5 * day_of_year + 2) / 153;
    *ret_day = (int)(day_of_year - (153 * march_month + 2) / 5 + 1);
    *ret_month = (int)(march_month < 10 ? march_month + 3 : march_month - 9);
    *ret_year = year_of_era + era * 400 + (*ret_month <= 2);
}

void rv_time_write(rv_buf *out, int64_t wall_ms)
{
    int64_t days = wall_ms / 86400000, ms = wall_ms % 86400000, year;
    if (ms < 0) {
        ms += 86400000;
        days--;
    }
    int month, day, rest = (int)ms;
    date_of(days, &year, &month, &day);
    rv_buf_printf(out, "%04lld-%02d-%02dT%02d:%02d:%02d.%03dZ", (long long)year, month, day, rest / 3600000, rest / 60000 % 60,
                  rest / 1000 % 60, rest % 1000);
}

/* ---- names ------------------------------------------------------------------- */

#define NEAREST_SIZE_MAX 64

/* Edits from a to b: insert, delete, replace, exchange two neighbours (optimal string alignment); three rows. */
static size_t edit_distance(rv_str a, rv_str b)
{
    size_t rows[3][NEAREST_SIZE_MAX + 1];
    for (size_t j = 0; j <= b.size; j++) rows[0][j] = j;
    for (size_t i = 1; i <= a.size; i++) {
        size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *above_two = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b.size; j++) {
            bool same = a.at[i - 1] == b.at[j - 1];
            row[j] = RV_MIN(RV_MIN(above[j], row[j - 1]) + 1, above[j - 1] + !same);
            bool crossed = i > 1 && j > 1 && a.at[i - 1] == b.at[j - 2] && a.at[i - 2] == b.at[j - 1];
            if (crossed) row[j] = RV_MIN(row[j], above_two[j - 2] + 1);
        }
    }
    return rows[a.size % 3][b.size];
}

const char *rv_nearest(rv_str word, const char *const *candidates, size_t count)
{
    if (word.size == 0 || word.size > NEAREST_SIZE_MAX) return NULL;
    const char *best = NULL;
    size_t best_distance = RV_MAX((size_t)2, word.size / 3) + 1;
    best_distance = RV_MIN(best_distance, word.size); /* something of the word must remain */
    for (size_t i = 0; i < count; i++) {
        rv_str candidate = rv_str_of(candidates[i]);
        if (candidate.size > NEAREST_SIZE_MAX) continue;
        size_t distance = edit_distance(word, candidate);
        if (distance >= best_distance) continue;
        best = candidates[i];
        best_distance = distance;
    }
    return best;
}

bool rv_is_identifier(rv_str text)
{
    if (text.size < 1 || text.size > 64) return false;
    if (!is_letter(text.at[0]) && !is_digit(text.at[0])) return false;
    for (size_t i = 1; i < text.size; i++)
        if (!is_letter(text.at[i]) && !is_digit(text.at[i]) && text.at[i] != '_' && text.at[i] != '-') return false;
    return true;
}
