/* load.h: what the steps of loading share. The steps, in order, each one a file:
 *
 *   doc_*.c    bytes → document tree
 *   check.c    every value against the key tables; collects names and references
 *   edges.c    needs and after → predecessors; order; cycles
 *   refs.c     each reference: is it there, may it stand here, is it an ancestor
 *   write.c    normal form, and the graph's arrays as it goes
 *   values.c   params and environment of this run
 *
 * A step adds problems and goes on; after refs.c any error ends the load. */
#ifndef RV_LOAD_H
#define RV_LOAD_H

#include "spec/doc.h"
#include "spec/keys.h"

#define RV_DEFINITION_MAX (512u << 20) /* bytes of the normal form */
#define RV_FILE_TEXT_MAX (4u << 20)    /* bytes of a file that file:// names */
#define RV_EDGES_MAX 16000000u

typedef struct rv_reference {
    rv_str path;     /* between `${` and `}` or `:-`; use OF: a node's name */
    uint32_t node;   /* that names it; RV_NONE: none */
    uint32_t value;  /* whose text it stands in */
    uint32_t within; /* its offset there */
    uint8_t use;     /* rv_use */
    bool has_default;
} rv_reference;

typedef struct rv_draft { /* a node before it is in the graph */
    uint32_t key;         /* the value that is its name; its body is the next one */
    uint8_t kind, handler;
    uint16_t flags; /* rv_node_flag */
} rv_draft;

typedef struct rv_content {
    rv_str path;
    rv_digest digest;
} rv_content; /* a file that was read for file:// */

typedef struct rv_loader {
    const rv_spec_input *input;
    rv_problems *problems;
    rv_doc doc;
    rv_arena arena;
    uint32_t file_keys[RV_FK_COUNT]; /* values of the top level; RV_NONE: absent */
    uint32_t defaults[RV_NK_COUNT];  /* values of `defaults`; RV_NONE: absent */
    RV_VEC(rv_draft) nodes;
    uint32_t plain_count;            /* the rest are handlers */
    rv_map names;                    /* plain nodes */
    RV_VEC(rv_reference) references; /* by node, in rising order; those of `env` and `defaults` come first */
    RV_VEC(uint32_t) schemas;        /* JSON Schemas that are still to be checked */
    RV_VEC(rv_content) contents;
    RV_VEC(rv_str) env_names;    /* that ${env.K} names */
    RV_VEC(uint32_t) env_needed; /* of each: the byte of the first reference without default; RV_NONE: all have one */
    rv_map env_map;
    rv_map members; /* of large maps: the map's number and a key → the key's value; see rv_loader_member */
    uint32_t *pred_begin, *order, *position; /* order: topological, plain nodes */
    RV_VEC(uint32_t) pred;
    bool is_acyclic;
    /* where check.c is */
    uint32_t node;       /* RV_NONE: outside of nodes */
    uint32_t param_type; /* index of its word while a param is checked or written */
    uint32_t hints_left; /* nearest names of large sets are looked up this often */
} rv_loader;

/* ---- steps. Each lists its problems. ---- */
void rv_loader_check(rv_loader *loader);
void rv_loader_link(rv_loader *loader);
void rv_loader_resolve(rv_loader *loader);
/* Only without errors. LIMIT: the normal form is too large (listed). */
RV_MUST_USE rv_status rv_loader_write(rv_loader *loader, rv_spec *spec);

/* ---- small things that several steps use ---- */
static inline uint32_t rv_loader_body(const rv_loader *loader, uint32_t node) { return loader->nodes.at[node].key + 1; }
static inline rv_str rv_loader_name(const rv_loader *loader, uint32_t node)
{
    return rv_doc_text(&loader->doc, loader->nodes.at[node].key);
}
/* List an error at `within` bytes into the text of `value`. */
#define rv_loader_error(loader_, value_, within_, cure_, ...) \
    rv_doc_problem(&(loader_)->doc, rv_doc_offset(&(loader_)->doc, (value_), (within_)), false, (cure_), __VA_ARGS__)
#define rv_loader_warning(loader_, value_, within_, cure_, ...) \
    rv_doc_problem(&(loader_)->doc, rv_doc_offset(&(loader_)->doc, (value_), (within_)), true, (cure_), __VA_ARGS__)
/* "did you mean `x`?", or `otherwise`; the text lives in the loader's arena. `nearest` may be NULL. */
rv_str rv_loader_hint(rv_loader *loader, const char *nearest, const char *otherwise);
/* The same for a node's name, while hints are left. */
rv_str rv_loader_node_hint(rv_loader *loader, rv_str name, const char *otherwise);
/* Value of a node's key, from its body or, where the key applies to its kind, from `defaults`; RV_NONE: absent. */
uint32_t rv_loader_value(const rv_loader *loader, uint32_t node, rv_node_key key);

/* The value of a key of `map` (which need not be a map), or RV_NONE. A large map is indexed when it is first asked. */
uint32_t rv_loader_member(rv_loader *loader, uint32_t map, rv_str key);

/* Scalars whose type was checked. false: not one. */
RV_MUST_USE bool rv_doc_i64(const rv_doc *doc, uint32_t value, int64_t *ret);
RV_MUST_USE bool rv_doc_ms(const rv_doc *doc, uint32_t value, int64_t *ret);
/* Index of the text of `value` in words, or RV_NONE. */
uint32_t rv_word_find(const char *const *words, rv_str text);
/* RFC 3339 date and time with zone → wall ms. Leap seconds are refused. */
RV_MUST_USE bool rv_instant_parse(rv_str text, int64_t *ret_ms);

/* Read `path` beneath the directory `dir`; no link or `..` leads out of it. Appends to `out`.
 * NOT_FOUND, DENIED (leads out, no permission), LIMIT (RV_FILE_TEXT_MAX), INVALID (not a file, not UTF-8), IO. */
RV_MUST_USE rv_status rv_file_beneath(const char *dir, rv_str path, rv_buf *out, rv_error *err);

/* ---- values of this run ---- */
/* Resolve params and environment into spec->user, env, secrets. `params` and `env` are texts of the image:
 * {"name":{"type":…}} and [["NAME",required]…]. `loader` (NULL: none) gives positions. */
void rv_values_resolve(rv_spec *spec, const rv_spec_input *input, rv_str params, rv_str env, rv_loader *loader,
                       rv_problems *problems);

/* ---- image (image.c) ---- */
typedef struct rv_image_section {
    uint64_t offset, count;
} rv_image_section;
enum {
    RV_SECTION_NODES,
    RV_SECTION_PRED_BEGIN,
    RV_SECTION_PRED,
    RV_SECTION_SUCC_BEGIN,
    RV_SECTION_SUCC,
    RV_SECTION_ORDER,
    RV_SECTION_POSITION,
    RV_SECTION_POLICIES,
    RV_SECTION_GATES,
    RV_SECTION_SET_ITEMS,
    RV_SECTION_CLASSES,
    RV_SECTION_CLASS_TAGS,
    RV_SECTION_TAGS,
    RV_SECTION_SCOPES,
    RV_SECTION_CONTROLS,
    RV_SECTION_ENTRANTS,
    RV_SECTION_BRANCHES,
    RV_SECTION_BRANCH_NODES,
    RV_SECTION_REVISES,
    RV_SECTION_REVISE_NODES,
    RV_SECTION_STRINGS,
    RV_SECTION_COUNT
};
typedef struct rv_image {
    char magic[8];
    uint32_t format, header_size;
    uint64_t size, checksum; /* of the whole; XXH3 of what follows `checksum` */
    rv_digest digest;
    uint32_t plain_count, top_count, concurrency, reserved;
    int64_t timeout_ms;
    rv_slice name, definition, params, env, contents; /* of strings; definition is its beginning */
    rv_image_section sections[RV_SECTION_COUNT];
} rv_image;
#define RV_IMAGE_MAGIC "reevegr"
extern const uint8_t rv_section_item_size[RV_SECTION_COUNT];
/* Let *graph point into the image. */
void rv_image_graph(const rv_image *image, rv_graph *graph);
/* Set the checksum once the image is complete. */
void rv_image_seal(rv_image *image);

#endif
