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

/* Something that is still to be written: see body.c. */
typedef struct rv_part {
    uint8_t kind, record;
    uint32_t node;  /* or a scope */
    uint32_t value; /* of the doc; KEY: is it the first; NODES: how many are written */
    const rv_type *type;
    const char *text;
    uint64_t left;  /* keys of the node */
} rv_part;

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
    RV_VEC(rv_mutex_def) mutexes;
    RV_VEC(rv_claim_set) claim_sets;
    RV_VEC(uint32_t) claims;
    RV_VEC(rv_budget_def) budgets;
    RV_VEC(rv_control_def) controls;
    RV_VEC(rv_entrant_def) entrants;
    RV_VEC(rv_branch_def) branches;
    RV_VEC(uint32_t) branch_nodes;
    RV_VEC(rv_revise_def) revises;
    RV_VEC(rv_external_def) externals;
    RV_VEC(rv_part) parts; /* a stack */
    uint32_t file;         /* index of the file whose nodes are written: what follows is of it */
    rv_map policy_map, class_map, tag_map, mutex_map, claim_map;
    uint32_t plain_policy[2]; /* of nodes that say nothing about it: [0] no process, [1] process; RV_NONE: not made yet */
    rv_str project;        /* its name; size 0: of none */
    rv_str base;           /* directory, from the root, of the project whose node is written */
    bool releases;         /* what is written of the doc is not read again: see can_release */
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
/* An object of several layers, later ones win, key by key; RV_NONE: absent. */
void rv_writer_object_merged(rv_writer *writer, const uint32_t *layers, uint32_t layer_count, const rv_key_table *table);
/* Push the keys of a map, sorted, on w->keys; returns where they begin. The caller pops them. */
uint32_t rv_writer_keys(rv_writer *writer, uint32_t map);
/* Anything, as canonical JSON, into `out`. */
void rv_writer_data(rv_writer *writer, rv_buf *out, uint32_t value);

/* ---- body.c ---- */
/* Write the nodes of a scope, and everything within them, as a map; fills their defs. false: the normal form is too large (listed). */
RV_MUST_USE bool rv_writer_nodes(rv_writer *writer, uint32_t scope);
/* Write the body of one node that is no controller. */
void rv_writer_node(rv_writer *writer, uint32_t node, rv_slice name);

/* ---- mutex.c ---- */
/* Index + 1 of the set of claims that `value`, of `mutex`, is; RV_NONE: 0. Two claims on one mutex are listed as an error. */
uint32_t rv_writer_claims(rv_writer *writer, uint32_t value);

/* ---- budget.c ---- */
/* Index + 1 of a new budget; `map` is the value of `budget`, RV_NONE: 0. fallback: where it has no `at_limit`. */
uint32_t rv_writer_budget(rv_writer *writer, uint32_t map, rv_at_limit fallback);
/* The quota: `map` is its value, RV_NONE: none. */
void rv_writer_quota(rv_writer *writer, uint32_t map, rv_quota_def *ret);

/* ---- control.c ---- */
/* Fill what the node's own key says of a controller; its scopes, items, params and result are there already. */
void rv_writer_control(rv_writer *writer, uint32_t node, rv_control_def *control);
/* Fill the back-edge of a node: `map` is its `revise`. */
void rv_writer_revise(rv_writer *writer, uint32_t node, uint32_t map);

/* ---- build.c ---- */
/* Index of the node's policy. values: of its keys; own: bits of those that are not from defaults. */
uint32_t rv_writer_policy(rv_writer *writer, const rv_file_draft *file, const uint32_t *values, uint64_t own, bool is_process);
/* Index of the class of a list of tags (RV_NONE: no tags) whose nodes are admitted in two phases, or in one. */
uint32_t rv_writer_class(rv_writer *writer, uint32_t list, uint32_t more, bool is_staged);
/* Index of a new gate; `map` is the value of the kind's key. */
uint32_t rv_writer_gate(rv_writer *writer, rv_kind kind, uint32_t map);
/* Number of a word in its type; RV_NONE: 0. */
uint8_t rv_writer_word(const rv_doc *doc, uint32_t value, const rv_type *type);

#endif
