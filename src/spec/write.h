/* write.h: the normal form, written straight into the graph's image.
 *
 * Normal form: canonical JSON. Keys are sorted by bytes, except that nodes keep the file's order, which is the order of
 * their start; `env` of the file and `defaults` are merged into each node and gone; durations are "600000ms"; times are UTC;
 * numbers that are integers are written plainly; file:// is replaced by what it names. It is itself a workflow file, and its
 * own normal form.
 *
 * image = header | sections of known size | strings = definition, then texts that are not in it | the other sections */
#ifndef RV_WRITE_H
#define RV_WRITE_H

#include "spec/load.h"

typedef struct rv_writer {
    rv_loader *loader;
    rv_buf image;
    size_t nodes, strings; /* where they begin in the image */
    rv_buf extra;          /* texts that do not stand letter by letter in the definition */
    RV_VEC(uint32_t) keys; /* scratch for sorting maps: a stack */
    RV_VEC(rv_set_item) set_items;
    RV_VEC(rv_policy) policies;
    RV_VEC(rv_gate_def) gates;
    RV_VEC(rv_class_def) classes;
    RV_VEC(uint32_t) class_tags;
    RV_VEC(rv_tag_def) tags;
    rv_map policy_map, class_map, tag_map;
    uint32_t plain_policy[2]; /* of nodes that say nothing about it: [0] no process, [1] process; RV_NONE: not made yet */
    rv_buf base_env;          /* normal form of the env that a node without its own has; size 0: none */
} rv_writer;

/* Bit set in rv_slice.at while the size of the definition is not known: the text is in `extra`. */
#define RV_SLICE_EXTRA 0x80000000u
rv_slice rv_writer_extra(rv_writer *writer, rv_str text);
/* Write `text` quoted; the slice of its bytes. */
rv_slice rv_writer_text(rv_writer *writer, rv_str text);
void rv_writer_value(rv_writer *writer, uint32_t value, const rv_type *type);
/* `env` of several layers, later ones win; RV_NONE: absent. */
void rv_writer_map_merged(rv_writer *writer, const uint32_t *layers, uint32_t layer_count, const rv_type *type);
void rv_writer_object_merged(rv_writer *writer, uint32_t below, uint32_t above, const rv_key_table *table);
/* Anything, as canonical JSON, into `out`. */
void rv_writer_data(rv_writer *writer, rv_buf *out, uint32_t value);

#endif
