#include "query/query.h"

#include "token/token.h"

/* Documents with one of the words between `|`. */
static vec either(const text_index *index, str words, arena *memory)
{
    vec found = {0};
    str part, word;
    while (str_cut(&words, '|', &part)) {
        const term *has = token_next(&part, memory, &word) ? index_find(index, word) : NULL;
        if (has)
            found = vec_either(found, has->documents, memory);
    }
    return found;
}

vec query_answer(const text_index *index, str question, arena *memory)
{
    vec answer = index_all(index, memory);
    str part;
    while (str_cut(&question, ' ', &part)) {
        if (part.size == 0)
            continue;
        if (part.at[0] == '-')
            answer = vec_without(answer, either(index, (str){part.at + 1, part.size - 1}, memory), memory);
        else
            answer = vec_both(answer, either(index, part, memory), memory);
    }
    return answer;
}
