/* expr_lex.c: one token at a time, no state but the position.
 *
 * The words that people bring from other languages (and, =, None …) are answered with what to write here. */
#include "kernel/expr_lex.h"

#include "base/util.h"

#define QUOTE_MAX 48 /* bytes of source quoted in a message */

const char *const rv_expr_constant_names[RV_EXPR_CONSTANTS] = {
    [RV_EXPR_FALSE] = "false", [RV_EXPR_TRUE] = "true", [RV_EXPR_NULL] = "null"};
const char *const rv_expr_function_names[RV_EXPR_FUNCTIONS] = {
    [RV_EXPR_CONTAINS] = "contains", [RV_EXPR_STARTSWITH] = "startswith"};

rv_str rv_expr_quote(const rv_expr_lexer *lexer, size_t offset, size_t end)
{
    rv_str source = rv_str_cut(lexer->text, offset, end - offset);
    if (source.size > QUOTE_MAX) {
        source.size = QUOTE_MAX;
        source.size = rv_utf8_valid(source);
    }
    return source;
}

/* ---------------------------------------------------------------- tokens */

static bool is_space(char byte) { return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r'; }
static bool is_digit(char byte) { return byte >= '0' && byte <= '9'; }
static bool is_word(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || is_digit(byte) || byte == '_';
}

/* The byte `ahead` of the reading position, 0 past the end. */
static char peek(const rv_expr_lexer *lexer, size_t ahead)
{
    return ahead < lexer->text.size - lexer->at ? lexer->text.at[lexer->at + ahead] : 0;
}

static int hex_value(char byte)
{
    if (is_digit(byte)) return byte - '0';
    if (byte >= 'a' && byte <= 'f') return byte - 'a' + 10;
    if (byte >= 'A' && byte <= 'F') return byte - 'A' + 10;
    return -1;
}

static bool hex4(rv_str text, size_t at, uint32_t *ret)
{
    if (at + 4 > text.size) return false;
    *ret = 0;
    for (size_t i = 0; i < 4; i++) {
        int digit = hex_value(text.at[at + i]);
        if (digit < 0) return false;
        *ret = *ret << 4 | (uint32_t)digit;
    }
    return true;
}

/* Bytes of the escape at `at` (a backslash) within `text`, or 0 if there is no such escape. A surrogate pair is one. */
static size_t escape_size(rv_str text, size_t at, uint32_t *ret_code)
{
    static const char names[] = "\"'\\/bfnrt", bytes[] = "\"'\\/\b\f\n\r\t";
    uint32_t low;
    if (at + 1 >= text.size) return 0;
    const char *name = memchr(names, text.at[at + 1], sizeof names - 1);
    if (name) {
        *ret_code = (uint8_t)bytes[name - names];
        return 2;
    }
    if (text.at[at + 1] != 'u' || !hex4(text, at + 2, ret_code)) return 0;
    if (*ret_code < 0xD800 || *ret_code > 0xDFFF) return 6;
    if (*ret_code > 0xDBFF || at + 12 > text.size || text.at[at + 6] != '\\' || text.at[at + 7] != 'u') return 0;
    if (!hex4(text, at + 8, &low) || low < 0xDC00 || low > 0xDFFF) return 0;
    *ret_code = 0x10000 + ((*ret_code - 0xD800) << 10) + (low - 0xDC00);
    return 12;
}

static size_t utf8_write(char *at, uint32_t code)
{
    if (code < 0x80) return at[0] = (char)code, 1;
    if (code < 0x800) return at[0] = (char)(0xC0 | code >> 6), at[1] = (char)(0x80 | (code & 63)), 2;
    if (code < 0x10000) {
        at[0] = (char)(0xE0 | code >> 12), at[1] = (char)(0x80 | (code >> 6 & 63)), at[2] = (char)(0x80 | (code & 63));
        return 3;
    }
    at[0] = (char)(0xF0 | code >> 18), at[1] = (char)(0x80 | (code >> 12 & 63));
    at[2] = (char)(0x80 | (code >> 6 & 63)), at[3] = (char)(0x80 | (code & 63));
    return 4;
}

/* The literal's text with escapes and `$${` replaced; what the lexer let through is well formed. Never grows. */
rv_str rv_expr_string(rv_arena *arena, rv_str raw)
{
    char *out = rv_arena_alloc(arena, raw.size + 1);
    size_t size = 0;
    for (size_t at = 0; at < raw.size;) {
        uint32_t code = 0;
        if (raw.at[at] == '\\') {
            at += escape_size(raw, at, &code);
            size += utf8_write(out + size, code);
        } else if (rv_str_starts(rv_str_from(raw, at), RV_STR("$${"))) {
            memcpy(out + size, "${", 2);
            size += 2, at += 3;
        } else {
            out[size++] = raw.at[at++];
        }
    }
    RV_ASSERT(size <= raw.size);
    return (rv_str){out, size};
}

static rv_status lex_string(rv_expr_lexer *lexer, rv_expr_token *token)
{
    char quote_byte = peek(lexer, 0);
    size_t at = lexer->at + 1;
    uint32_t code;
    token->kind = RV_EXPR_STRING;
    for (;;) {
        if (at >= lexer->text.size) return rv_expr_fail(lexer, lexer->at, "the string has no closing %c", quote_byte);
        char byte = lexer->text.at[at];
        if (byte == quote_byte) break;
        if ((uint8_t)byte < 0x20 && byte != '\t' && byte != '\n')
            return rv_expr_fail(lexer, at, "a control character in a string; write it as \\u%04x", (unsigned)(uint8_t)byte);
        rv_str rest = rv_str_from(lexer->text, at);
        if (rv_str_starts(rest, RV_STR("$${"))) {
            at += 3;
        } else if (rv_str_starts(rest, RV_STR("${"))) {
            return rv_expr_fail(lexer, at,
                                "a reference inside quotes is not replaced; write it without quotes (a literal ${ is $${)");
        } else if (byte == '\\') {
            size_t size = escape_size(lexer->text, at, &code);
            if (!size)
                return rv_expr_fail(lexer, at, "unknown escape in a string; there are \\\" \\' \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX");
            at += size;
        } else {
            at++;
        }
    }
    token->text = rv_str_cut(lexer->text, lexer->at + 1, at - lexer->at - 1);
    token->end = lexer->at = at + 1;
    return RV_OK;
}

/* Move *at over digits; whether there was one. */
static bool skip_digits(rv_str text, size_t *at)
{
    size_t begin = *at;
    while (*at < text.size && is_digit(text.at[*at])) ++*at;
    return *at > begin;
}

/* Move *at over `byte`, if it is there. */
static bool skip_byte(rv_str text, size_t *at, char byte)
{
    bool is_there = *at < text.size && text.at[*at] == byte;
    if (is_there) ++*at;
    return is_there;
}

/* RFC 8259 number: -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)? Its size at the start of `text`, 0 if there is none. */
static size_t number_size(rv_str text)
{
    size_t at = 0;
    skip_byte(text, &at, '-');
    if (!skip_byte(text, &at, '0') && !skip_digits(text, &at)) return 0;
    if (skip_byte(text, &at, '.') && !skip_digits(text, &at)) return 0;
    if (skip_byte(text, &at, 'e') || skip_byte(text, &at, 'E')) {
        if (!skip_byte(text, &at, '-')) skip_byte(text, &at, '+');
        if (!skip_digits(text, &at)) return 0;
    }
    return at;
}

static rv_status lex_number(rv_expr_lexer *lexer, rv_expr_token *token)
{
    size_t size = number_size(rv_str_from(lexer->text, lexer->at));
    if (!size || is_word(peek(lexer, size)) || peek(lexer, size) == '.')
        return rv_expr_fail(lexer, lexer->at, "not a number; expected one as in JSON: 7, -1.5, 2e3 (text goes in quotes)");
    token->kind = RV_EXPR_NUMBER;
    token->text = rv_str_cut(lexer->text, lexer->at, size);
    token->end = lexer->at += size;
    return RV_OK;
}

static rv_status lex_reference(rv_expr_lexer *lexer, rv_expr_token *token)
{
    if (peek(lexer, 1) != '{') return rv_expr_fail(lexer, lexer->at, "a reference is written ${name}; expected { after $");
    size_t begin = lexer->at + 2, end = rv_str_find(lexer->text, begin, '}');
    if (end == SIZE_MAX) return rv_expr_fail(lexer, lexer->at, "the reference has no closing }");
    rv_str inside = rv_str_cut(lexer->text, begin, end - begin);
    token->kind = RV_EXPR_REFERENCE;
    token->text = inside;
    for (size_t i = 0; i + 1 < inside.size && !token->has_default; i++) {
        if (inside.at[i] != ':' || inside.at[i + 1] != '-') continue;
        token->has_default = true;
        token->text = rv_str_cut(inside, 0, i);
        token->default_text = rv_str_from(inside, i + 2);
    }
    for (size_t i = 0; i + 1 < inside.size; i++)
        if (rv_str_starts(rv_str_from(inside, i), RV_STR("${")))
            return rv_expr_fail(lexer, begin + i, "references do not nest; expected } before ${");
    for (size_t i = 0; i < token->text.size; i++) {
        char byte = token->text.at[i];
        if ((uint8_t)byte <= ' ' || byte == 0x7F || memchr("${\"'", byte, 4))
            return rv_expr_fail(lexer, begin + i, "unexpected character in a reference; expected a name as in ${node.field}");
    }
    if (token->text.size == 0) return rv_expr_fail(lexer, begin, "the reference is empty; expected a name as in ${node.field}");
    token->end = lexer->at = end + 1;
    return RV_OK;
}

/* Words that people try, and what to write. */
static const struct { const char *word, *instead; } word_hints[] = {
    {"and", "&&"}, {"or", "||"}, {"not", "!"}, {"AND", "&&"}, {"OR", "||"}, {"NOT", "!"},
    {"True", "true"}, {"TRUE", "true"}, {"False", "false"}, {"FALSE", "false"},
    {"None", "null"}, {"NULL", "null"}, {"Null", "null"}, {"nil", "null"}, {"undefined", "null"}, {"IN", "in"},
};

static rv_status lex_unknown_word(rv_expr_lexer *lexer, rv_str word, bool is_call)
{
    for (size_t i = 0; i < RV_COUNT(word_hints); i++)
        if (rv_str_is(word, word_hints[i].word))
            return rv_expr_fail(lexer, lexer->at, "unknown word '%.*s'; write %s", RV_FMT(word), word_hints[i].instead);
    rv_str shown = rv_expr_quote(lexer, lexer->at, lexer->at + word.size);
    if (!is_call)
        return rv_expr_fail(lexer, lexer->at, "unknown word '%.*s'; a value is written ${%.*s}, text goes in quotes", RV_FMT(shown),
                            RV_FMT(shown));
    const char *nearest = rv_nearest(word, rv_expr_function_names, RV_EXPR_FUNCTIONS);
    if (nearest) return rv_expr_fail(lexer, lexer->at, "unknown function '%.*s'; did you mean %s()?", RV_FMT(shown), nearest);
    return rv_expr_fail(lexer, lexer->at, "unknown function '%.*s'; there are contains() and startswith()", RV_FMT(shown));
}

static rv_status lex_word(rv_expr_lexer *lexer, rv_expr_token *token)
{
    size_t size = 0, space = 0;
    while (is_word(peek(lexer, size))) size++;
    rv_str word = rv_str_cut(lexer->text, lexer->at, size);
    while (is_space(peek(lexer, size + space))) space++;
    bool is_call = peek(lexer, size + space) == '(';

    for (uint8_t i = 0; i < RV_EXPR_CONSTANTS; i++)
        if (rv_str_is(word, rv_expr_constant_names[i])) token->kind = RV_EXPR_CONSTANT, token->detail = i;
    if (rv_str_is(word, "in")) token->kind = RV_EXPR_COMPARE, token->detail = RV_EXPR_IN;
    for (uint8_t i = 0; i < RV_EXPR_FUNCTIONS && is_call; i++)
        if (rv_str_is(word, rv_expr_function_names[i])) token->kind = RV_EXPR_CALL, token->detail = i;
    if (token->kind == RV_EXPR_END) return lex_unknown_word(lexer, word, is_call);
    token->end = lexer->at += size + (token->kind == RV_EXPR_CALL ? space + 1 : 0);
    return RV_OK;
}

static const struct { const char *text; rv_expr_token_kind kind; uint8_t detail; } symbols[] = { /* the longer first */
    {"||", RV_EXPR_OR, 0},
    {"&&", RV_EXPR_AND, 0},
    {"==", RV_EXPR_COMPARE, RV_EXPR_EQ},
    {"!=", RV_EXPR_COMPARE, RV_EXPR_NE},
    {"<=", RV_EXPR_COMPARE, RV_EXPR_LE},
    {">=", RV_EXPR_COMPARE, RV_EXPR_GE},
    {"<", RV_EXPR_COMPARE, RV_EXPR_LT},
    {">", RV_EXPR_COMPARE, RV_EXPR_GT},
    {"!", RV_EXPR_NOT, 0},
    {"(", RV_EXPR_OPEN, 0},
    {")", RV_EXPR_CLOSE, 0},
    {",", RV_EXPR_COMMA, 0},
};

static rv_status lex_symbol(rv_expr_lexer *lexer, rv_expr_token *token)
{
    rv_str rest = rv_str_from(lexer->text, lexer->at);
    for (size_t i = 0; i < RV_COUNT(symbols); i++) {
        rv_str symbol = rv_str_of(symbols[i].text);
        if (!rv_str_starts(rest, symbol)) continue;
        token->kind = symbols[i].kind;
        token->detail = symbols[i].detail;
        token->end = lexer->at += symbol.size;
        return RV_OK;
    }
    switch (rest.at[0]) {
    case '=': return rv_expr_fail(lexer, lexer->at, "unexpected '='; write == to compare");
    case '&': return rv_expr_fail(lexer, lexer->at, "unexpected '&'; write &&");
    case '|': return rv_expr_fail(lexer, lexer->at, "unexpected '|'; write ||");
    case '+': case '-': case '*': case '/': case '%':
        return rv_expr_fail(lexer, lexer->at, "unexpected '%c'; there is no arithmetic in expressions", rest.at[0]);
    }
    size_t size = 1;
    while (size < rest.size && ((uint8_t)rest.at[size] & 0xC0) == 0x80) size++; /* a whole character */
    if ((uint8_t)rest.at[0] < 0x20 || rest.at[0] == 0x7F) return rv_expr_fail(lexer, lexer->at, "unexpected control character");
    return rv_expr_fail(lexer, lexer->at, "unexpected '%.*s'", (int)size, rest.at);
}

rv_status rv_expr_lex(rv_expr_lexer *lexer, rv_expr_token *ret)
{
    while (is_space(peek(lexer, 0))) lexer->at++;
    *ret = (rv_expr_token){.kind = RV_EXPR_END, .offset = lexer->at, .end = lexer->at};
    if (lexer->at >= lexer->text.size) return RV_OK;
    char byte = lexer->text.at[lexer->at];
    if (byte == '"' || byte == '\'') return lex_string(lexer, ret);
    if (is_digit(byte) || (byte == '-' && is_digit(peek(lexer, 1)))) return lex_number(lexer, ret);
    if (byte == '$') return lex_reference(lexer, ret);
    if (is_word(byte)) return lex_word(lexer, ret);
    return lex_symbol(lexer, ret);
}

/* --------------------------------------------------------------- numbers */

typedef struct decimal {
    bool is_negative;
    rv_str digits;    /* with at most one point in it; leading zeros and point skipped. Empty: zero */
    int64_t exponent; /* value = 0.DIGITS × 10^exponent */
} decimal;

#define EXPONENT_MAX (INT64_MAX / 4)

/* The part from `e` on, with its sign; saturates far beyond what digits in memory can make up for. */
static int64_t exponent_of(rv_str text)
{
    size_t at = 1;
    int64_t exponent = 0;
    bool is_negative = skip_byte(text, &at, '-');
    if (!is_negative) skip_byte(text, &at, '+');
    for (; at < text.size && exponent < EXPONENT_MAX / 10; at++) exponent = exponent * 10 + (text.at[at] - '0');
    if (at < text.size) exponent = EXPONENT_MAX;
    return is_negative ? -exponent : exponent;
}

static decimal decimal_of(rv_str text)
{
    decimal r = {0};
    size_t at = 0, point = SIZE_MAX, first = SIZE_MAX;
    r.is_negative = skip_byte(text, &at, '-');
    for (; at < text.size && (is_digit(text.at[at]) || text.at[at] == '.'); at++) {
        if (text.at[at] == '.') point = at;
        else if (text.at[at] != '0' && first == SIZE_MAX) first = at;
    }
    if (first == SIZE_MAX) return (decimal){0}; /* -0 is 0 */
    if (point == SIZE_MAX) point = at;
    r.digits = rv_str_cut(text, first, at - first);
    r.exponent = at < text.size ? exponent_of(rv_str_from(text, at)) : 0;
    r.exponent += first < point ? (int64_t)(point - first) : -(int64_t)(first - point - 1);
    return r;
}

/* The next digit of `digits` from *at on, 0 past the end. */
static int decimal_digit(rv_str digits, size_t *at)
{
    if (*at < digits.size && digits.at[*at] == '.') ++*at;
    return *at < digits.size ? digits.at[(*at)++] - '0' : 0;
}

static int decimal_compare_magnitude(const decimal *a, const decimal *b)
{
    if (!a->digits.size || !b->digits.size) return (a->digits.size != 0) - (b->digits.size != 0);
    if (a->exponent != b->exponent) return a->exponent < b->exponent ? -1 : 1;
    size_t at_a = 0, at_b = 0;
    while (at_a < a->digits.size || at_b < b->digits.size) {
        int digit_a = decimal_digit(a->digits, &at_a), digit_b = decimal_digit(b->digits, &at_b);
        if (digit_a != digit_b) return digit_a < digit_b ? -1 : 1;
    }
    return 0;
}

bool rv_expr_is_number(rv_str text) { return text.size && number_size(text) == text.size; }

int rv_expr_number_compare(rv_str text_a, rv_str text_b)
{
    decimal a = decimal_of(text_a), b = decimal_of(text_b);
    if (a.is_negative != b.is_negative) return a.is_negative ? -1 : 1;
    int order = decimal_compare_magnitude(&a, &b);
    return a.is_negative ? -order : order;
}
