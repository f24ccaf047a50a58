#include "token/token.h"

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool token_next(str *rest, arena *memory, str *ret_word)
{
    size_t begin = 0;
    while (begin < rest->size && !is_letter(rest->at[begin]))
        begin++;
    size_t end = begin;
    while (end < rest->size && is_letter(rest->at[end]))
        end++;
    if (end > begin) {
        char *word = arena_take(memory, end - begin);
        for (size_t i = begin; i < end; i++)
            word[i - begin] = (char)(rest->at[i] | ' ');  /* of ASCII letters: the lower case */
        *ret_word = (str){word, end - begin};
    }
    *rest = (str){rest->at + end, rest->size - end};
    return end > begin;
}
