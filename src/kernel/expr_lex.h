/* expr_lex.h: the words of expressions (expr.h): tokens, string literals, exact numbers. Private to expr.c. Pure. */
#ifndef RV_EXPR_LEX_H
#define RV_EXPR_LEX_H

#include "base/json.h"

typedef enum rv_expr_token_kind {
    RV_EXPR_END, RV_EXPR_OR, RV_EXPR_AND, RV_EXPR_NOT, RV_EXPR_COMPARE, RV_EXPR_OPEN, RV_EXPR_CLOSE, RV_EXPR_COMMA,
    RV_EXPR_STRING, RV_EXPR_NUMBER, RV_EXPR_CONSTANT, RV_EXPR_REFERENCE, RV_EXPR_CALL,
} rv_expr_token_kind;
typedef enum rv_expr_op { RV_EXPR_EQ, RV_EXPR_NE, RV_EXPR_LT, RV_EXPR_LE, RV_EXPR_GT, RV_EXPR_GE, RV_EXPR_IN } rv_expr_op;
typedef enum rv_expr_constant { RV_EXPR_FALSE, RV_EXPR_TRUE, RV_EXPR_NULL } rv_expr_constant;
#define RV_EXPR_CONSTANTS 3
typedef enum rv_expr_function { RV_EXPR_CONTAINS, RV_EXPR_STARTSWITH } rv_expr_function;
#define RV_EXPR_FUNCTIONS 2
extern const char *const rv_expr_constant_names[RV_EXPR_CONSTANTS];
extern const char *const rv_expr_function_names[RV_EXPR_FUNCTIONS];

typedef struct rv_expr_token {
    rv_expr_token_kind kind;
    uint8_t detail;       /* COMPARE: rv_expr_op; CONSTANT: rv_expr_constant; CALL: rv_expr_function */
    size_t offset, end;   /* in the text; CALL: up to and including its parenthesis */
    rv_str text;          /* STRING: between the quotes, as written; NUMBER: digits; REFERENCE: path */
    rv_str default_text;  /* REFERENCE with has_default: what follows `:-` */
    bool has_default;
} rv_expr_token;

typedef struct rv_expr_lexer {
    rv_str text;         /* valid UTF-8; the caller's */
    size_t at;           /* reading position */
    rv_error *err;       /* may be NULL */
    size_t error_offset; /* written with every error */
} rv_expr_lexer;

/* Set the lexer's error at `offset`, and RV_INVALID. An expression. */
#define rv_expr_fail(lexer_, offset_, ...) \
    ((lexer_)->error_offset = (offset_), rv_error_set((lexer_)->err, RV_INVALID, __VA_ARGS__))

/* Read the next token; END at the end, also when asked again. RV_INVALID: error_offset and err say where and what;
 * the reading position is then of no use. O(size of the token). */
RV_MUST_USE rv_status rv_expr_lex(rv_expr_lexer *lexer, rv_expr_token *ret);
/* Source bytes [offset, end) for a message: cut to 48 bytes, between characters. */
rv_str rv_expr_quote(const rv_expr_lexer *lexer, size_t offset, size_t end);
/* The text of a STRING token: escapes and `$${` replaced; in the arena. */
rv_str rv_expr_string(rv_arena *arena, rv_str raw);
/* Is the whole of `text` a number of RFC 8259? */
bool rv_expr_is_number(rv_str text);
/* <0, 0, >0: two numbers of RFC 8259 by value, exactly, whatever their size. O(digits). */
int rv_expr_number_compare(rv_str a, rv_str b);

#endif
