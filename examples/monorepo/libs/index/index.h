/* Which documents have which words. */
#ifndef INDEX_H
#define INDEX_H
#include "map/map.h"
#include "vec/vec.h"

typedef struct { str stem; uint32_t count; vec documents; } term;  /* documents by number, ascending */
typedef struct { str name; uint32_t words; } document;

typedef struct {
    arena memory;
    map terms;            /* stem → term */
    document *documents;  /* documents[0..count), as they came */
    size_t count, room;
} text_index;             /* all zero is an empty one */

/* Take in a document; its name and words are copied. */
void index_add(text_index *into, str name, str text);

/* The term of a word in lower case, in any of its forms; NULL: no document has it, or it is a stop word. */
const term *index_find(const text_index *from, str word);

/* The numbers of all documents, in `memory`. */
vec index_all(const text_index *from, arena *memory);

void index_drop(text_index *gone);

#endif
