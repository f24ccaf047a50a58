#include "kernel/run_private.h"

/* What comes in order, which is nearly everything, is appended to a row and taken from its front: no comparison but one.
 * What comes out of order goes into a binary heap. The first of the two fronts is the first of the queue. */

static bool before(rv_ready_item a, rv_ready_item b) { return a.priority != b.priority ? a.priority > b.priority : a.node < b.node; }

static void heap_push(rv_ready_queue *q, rv_ready_item item)
{
    rv_vec_push(&q->heap, item);
    uint32_t at = q->heap.count - 1;
    while (at > 0 && before(item, q->heap.at[(at - 1) / 2])) {
        q->heap.at[at] = q->heap.at[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    q->heap.at[at] = item;
}

static void heap_pop(rv_ready_queue *q)
{
    rv_ready_item item = rv_vec_pop(&q->heap);
    uint32_t at = 0, count = q->heap.count;
    if (count == 0) return;
    for (uint32_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && before(q->heap.at[child + 1], q->heap.at[child])) child++;
        if (!before(q->heap.at[child], item)) break;
        q->heap.at[at] = q->heap.at[child];
    }
    q->heap.at[at] = item;
}

static const rv_ready_item *front(const rv_ready_queue *q)
{
    const rv_ready_item *row = q->row_begin < q->row.count ? &q->row.at[q->row_begin] : NULL;
    if (q->heap.count == 0) return row;
    RV_ASSERT(row != NULL); /* each item of the heap goes before the row's last one, which so is the last to be dropped */
    return before(q->heap.at[0], *row) ? &q->heap.at[0] : row;
}

static void drop_front(rv_ready_queue *q)
{
    if (q->heap.count && front(q) == &q->heap.at[0]) {
        heap_pop(q);
        return;
    }
    if (++q->row_begin < q->row.count) return;
    q->row_begin = 0;
    rv_vec_clear(&q->row);
}

void rv_ready_add(rv_run *run, uint32_t node)
{
    rv_ready_queue *q = &run->classes.at[rv_run_class_of(run, node)].ready;
    rv_ready_item item = {rv_run_def(run, node)->priority, node};
    if (q->row_begin < q->row.count && before(item, q->row.at[q->row.count - 1])) {
        heap_push(q, item);
        return;
    }
    if (q->row.count == q->row.capacity && q->row_begin > q->row.count / 2) { /* room at the front instead of growing */
        memmove(q->row.at, q->row.at + q->row_begin, sizeof *q->row.at * (q->row.count - q->row_begin));
        q->row.count -= q->row_begin;
        q->row_begin = 0;
    }
    rv_vec_push(&q->row, item);
}

void rv_ready_settle(rv_run *run, uint32_t class_index)
{
    rv_ready_queue *q = &run->classes.at[class_index].ready;
    const rv_ready_item *first;
    while ((first = front(q)) && (run->nodes[first->node].state != RV_NODE_READY || run->nodes[first->node].is_aside)) drop_front(q);
}

void rv_run_set_aside(rv_run *run, uint32_t node)
{
    RV_ASSERT(run->nodes[node].state == RV_NODE_READY);
    run->nodes[node].is_aside = true;
    rv_ready_settle(run, rv_run_class_of(run, node));
}

uint32_t rv_run_ready_first(const rv_run *run, uint32_t class_index)
{
    RV_ASSERT(class_index < run->classes.count);
    const rv_ready_item *first = front(&run->classes.at[class_index].ready);
    return first ? first->node : RV_NONE;
}

bool rv_run_goes_before(const rv_run *run, uint32_t a, uint32_t b)
{
    return before((rv_ready_item){rv_run_def(run, a)->priority, a}, (rv_ready_item){rv_run_def(run, b)->priority, b});
}
