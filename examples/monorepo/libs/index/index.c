#include "index/index.h"

#include "stem/stem.h"
#include "stop/stop.h"
#include "token/token.h"

#include <string.h>

static document *document_new(text_index *into, str name)
{
    if (into->count == into->room) {
        size_t room = into->room ? 2 * into->room : 16;
        document *more = arena_take(&into->memory, room * sizeof *more);
        if (into->count > 0)
            memcpy(more, into->documents, into->count * sizeof *more);
        into->documents = more;
        into->room = room;
    }
    document *made = &into->documents[into->count++];
    *made = (document){.name = str_keep(&into->memory, name)};
    return made;
}

static void term_count(text_index *into, str stem, uint32_t number)
{
    void **place = map_at(&into->terms, &into->memory, stem);
    if (!*place) {
        term *made = arena_take(&into->memory, sizeof *made);
        made->stem = str_keep(&into->memory, stem);
        *place = made;
    }
    term *found = *place;
    found->count++;
    if (found->documents.count == 0 || found->documents.at[found->documents.count - 1] != number)
        vec_push(&found->documents, &into->memory, number);
}

void index_add(text_index *into, str name, str text)
{
    uint32_t number = (uint32_t)into->count;
    document *made = document_new(into, name);
    arena words = {0};
    str rest = text, word;
    while (token_next(&rest, &words, &word)) {
        made->words++;
        if (!stop_has(word))
            term_count(into, stem_of(word), number);
    }
    arena_drop(&words);
}

const term *index_find(const text_index *from, str word)
{
    return stop_has(word) ? NULL : map_get(&from->terms, stem_of(word));
}

vec index_all(const text_index *from, arena *memory)
{
    vec all = {0};
    for (uint32_t number = 0; number < from->count; number++)
        vec_push(&all, memory, number);
    return all;
}

void index_drop(text_index *gone)
{
    arena_drop(&gone->memory);
    *gone = (text_index){0};
}
