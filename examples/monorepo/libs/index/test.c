#include "index/index.h"

#include <assert.h>

int main(void)
{
    text_index index = {0};
    index_add(&index, str_of("one"), str_of("The lake and the lakes."));
    index_add(&index, str_of("two"), str_of("A boat sails; boats are sailing on the LAKE."));
    assert(index.count == 2 && index.documents[0].words == 5 && str_equal(index.documents[1].name, str_of("two")));

    const term *lake = index_find(&index, str_of("lakes"));
    assert(lake && lake->count == 3 && lake->documents.count == 2 && lake->documents.at[1] == 1);
    const term *sail = index_find(&index, str_of("sailed"));
    assert(sail && sail->count == 2 && sail->documents.count == 1 && sail->documents.at[0] == 1);
    assert(!index_find(&index, str_of("the")) && !index_find(&index, str_of("ocean")));

    arena memory = {0};
    assert(index_all(&index, &memory).count == 2);
    arena_drop(&memory);
    index_drop(&index);
    assert(index.count == 0);
    return 0;
}
