/* load.h: what the steps of loading share. The steps, in order, each one a file:
 *
 *   doc_*.c    bytes → document tree
 *   check.c    every value against the key tables; collects references
 *   projects.c the files of projects, and what names mean in them
 *   nodes.c    nodes → drafts, in scopes: the file's, handlers, then bodies in the order of their owners
 *   include.c  workflows within workflows, and the values of their params
 *   edges.c    needs and after → predecessors; order; cycles
 *   revise.c   back-edges: what lies between
 *   refs.c     each reference: is it there, may it stand here
 *   ancestors.c … is it an ancestor's
 *   cached.c   what a cached node may be; paths.c: what nodes make and read
 *   write.c    normal form; build.c: the graph's arrays as it goes; body.c: bodies within bodies
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
#define RV_PART_VALUES_MAX 4000000u   /* values of all files that a workflow includes: a file is as often there as it is named */

typedef struct rv_reference {
    rv_str path;     /* between `${` and `}` or `:-`; OF, ENTRANT, BRANCH: a node's name */
    uint32_t node;   /* that names it; RV_NONE: none */
    uint32_t scope;  /* where it stands */
    uint32_t value;  /* whose text it stands in */
    uint32_t within; /* its offset there */
    uint32_t file;   /* index in files, where it stands */
    uint8_t use;     /* rv_use */
    bool has_default;
} rv_reference;

typedef struct rv_draft { /* a node before it is in the graph */
    uint32_t key;         /* the value that is its name; of a nameless body: what stands for it in messages */
    uint32_t body;
    uint32_t scope;       /* index in scopes */
    uint32_t scope_first, scope_count; /* a controller's own */
    uint32_t revise;      /* index + 1 in revises; 0: none */
    uint32_t project;     /* index in files of the project that it, or the node around it, is of; 0: of none */
    uint8_t kind, handler;
    uint16_t flags;       /* rv_node_flag */
    uint16_t side_flags;  /* TOURNAMENT: what its judge reads of the entrants */
    bool has_successor, is_revised /* a back-edge may run it again */;
} rv_draft;

typedef struct rv_scope_draft { /* rv_scope_def before it is in the graph */
    uint32_t first, count, owner;
    uint32_t file;        /* index in files: whose params and defaults hold */
    uint32_t level;       /* of containers at which its bodies stand in the normal form */
    uint32_t ordinal;     /* ENTRANT: which one of the list */
    uint8_t role;
    bool is_named, is_closed;
} rv_scope_draft;

typedef struct rv_file_draft { /* the workflow, or one within it */
    uint32_t keys[RV_FK_COUNT];     /* values of the top level; RV_NONE: absent */
    uint32_t defaults[RV_NK_COUNT]; /* values of `defaults`; RV_NONE: absent */
    uint32_t owner;                 /* node that includes it; RV_NONE: none */
    rv_str path;                    /* size 0: it stands in another one's text */
    rv_digest digest;               /* of its text */
    rv_str name, dir;               /* of a project, dir also of what is included in it: from the root */
    bool is_project;                /* what it does not say the first file's `defaults` and `env` say */
} rv_file_draft;

typedef struct rv_project {
    rv_str name, dir;
    uint32_t file;              /* index in files; 0: it stands in the normal form */
    uint32_t tags, default_node; /* values; RV_NONE: absent */
} rv_project;
typedef struct rv_tagged {
    uint32_t project; /* index in projects */
    uint32_t next;    /* the next one with this tag; RV_NONE: none */
    uint32_t last;    /* of the first one: the last one */
} rv_tagged;
typedef RV_VEC(uint32_t) rv_node_list;
typedef struct rv_rename { uint32_t value, at, size; rv_str text; } rv_rename; /* a name in a text becomes `text` */

typedef struct rv_reviser { uint32_t node, map; } rv_reviser;
typedef struct rv_revise_draft { uint32_t node, target, member_first, member_count; } rv_revise_draft; /* members: of revise_nodes */

typedef struct rv_content {
    rv_str path;
    rv_digest digest;
} rv_content; /* a file that was read for file:// */

typedef struct rv_loader {
    const rv_spec_input *input;
    rv_problems *problems;
    rv_doc doc;
    rv_arena arena;
    RV_VEC(rv_file_draft) files;     /* 0: the workflow itself */
    RV_VEC(rv_draft) nodes;          /* the file's, handlers, bodies */
    RV_VEC(rv_scope_draft) scopes;   /* 0: the file's, 1: handlers */
    uint32_t plain_count, top_count; /* the file's; and handlers */
    uint32_t def_count;              /* and bodies; the rest are externals: known by name only, of the file's scope */
    RV_VEC(rv_project) projects;
    rv_map project_names;            /* name → index of projects */
    rv_map tag_first;                /* tag → index of tagged */
    RV_VEC(rv_tagged) tagged;
    RV_VEC(rv_rename) renames;       /* of each value in order */
    uint32_t project;                /* index in files, of the nodes that are collected */
    bool has_digest;                 /* the first file has its own: something is included */
    uint32_t *listed;                /* of a node: how many of its predecessors `needs` and `after` gave; only with projects */
    uint32_t part_values;            /* of the files that are included */
    uint32_t run_params;             /* value of input->params; RV_NONE: none */
    rv_map names, scoped;            /* the file's nodes; those of other named scopes: see rv_loader_find */
    RV_VEC(rv_reference) references;
    RV_VEC(rv_reviser) revising;     /* nodes with a `revise` */
    RV_VEC(rv_revise_draft) revises; /* those whose target is an ancestor */
    RV_VEC(uint32_t) revise_nodes;
    RV_VEC(uint32_t) schemas;        /* JSON Schemas that are still to be checked */
    RV_VEC(rv_content) contents;
    RV_VEC(rv_str) env_names;    /* that ${env.K} names */
    RV_VEC(uint32_t) env_needed; /* of each: the offset of the first reference without default; RV_NONE: all have one */
    rv_map env_map;
    rv_map members; /* of large maps: the map's number and a key → the key's value; see rv_loader_member */
    uint32_t *pred_begin, *order, *position; /* order: topological */
    RV_VEC(uint32_t) pred;
    bool is_acyclic;
    /* where check.c is */
    uint32_t node;       /* RV_NONE: outside of nodes */
    uint32_t scope, file;
    uint32_t param_type; /* index of its word while a param is checked or written */
    uint32_t hints_left; /* nearest names of large sets are looked up this often */
} rv_loader;

/* ---- steps. Each lists its problems. ---- */
void rv_loader_check(rv_loader *loader);
void rv_loader_link(rv_loader *loader);
void rv_loader_revise(rv_loader *loader);
void rv_loader_resolve(rv_loader *loader);
/* Only without errors. LIMIT: the normal form is too large (listed). */
RV_MUST_USE rv_status rv_loader_write(rv_loader *loader, rv_spec *spec);

/* ---- parts of the first step ---- */
/* A value against its type; `name` is what messages call it. References in it are collected for l->node in l->scope. */
void rv_check_value(rv_loader *loader, uint32_t value, const rv_type *type, rv_str name);
/* The keys of an object; found[i] becomes the value of key i of the table, or RV_NONE. */
void rv_check_keys(rv_loader *loader, uint32_t map, const rv_key_table *table, uint32_t *found);
/* Is it a map? Listed if not. */
bool rv_check_is_map(rv_loader *loader, uint32_t value, const rv_type *type, rv_str name);
/* The keys of a file but for its nodes; files.at[file].keys is filled, `root` must be a map. */
void rv_check_file(rv_loader *loader, uint32_t root, uint32_t file);
/* Index of a key in its table; what is unknown, unsupported or there twice is listed (once) and left out: RV_NONE. */
uint32_t rv_check_known_key(rv_loader *loader, uint32_t key, const rv_key_table *table);
/* JSON Schemas that wait for their turn. */
void rv_check_schemas(rv_loader *loader);
/* Refuse what belongs to a run, in a workflow that is a part of one; `what` is what messages call that one. */
void rv_check_part(rv_loader *loader, uint32_t file, const char *what);
/* What a node says of the cache [C1], with what `defaults` say. */
typedef struct rv_cache_view {
    bool is_on;
    uint32_t cause;                  /* the value that turned it on; RV_NONE: it is not on */
    uint32_t deps, env_host, inputs; /* values; RV_NONE: absent. Of a node that is not cached env_host and inputs hold, too */
} rv_cache_view;
/* Only for a body that is a map. */
void rv_loader_cache(const rv_loader *loader, uint32_t node, rv_cache_view *ret);
/* Mark a node that is cached; what it cannot be beside is listed. */
void rv_loader_cached(rv_loader *loader, uint32_t node);
/* A reference whose value is another one in each run, in what a cached node is known by, is listed. */
void rv_loader_fleeting(rv_loader *loader, const rv_reference *reference);
/* Cached nodes that say nothing of their inputs are warned of. */
void rv_loader_inputless(rv_loader *loader);
/* Whether a pattern is one path as it stands: no wildcards, no `.` in front of a name, nothing to escape. Most are. */
bool rv_path_is_plain(rv_str text);
/* Outputs of two nodes are listed; inputs that a node makes which the reader does not wait for are warned of. */
void rv_loader_paths(rv_loader *loader);
/* A quota that the file alone exceeds is listed [K31]. */
void rv_loader_quota(rv_loader *loader);
/* All nodes, also those of bodies. */
void rv_loader_nodes(rv_loader *loader);
/* A new scope at the end. */
uint32_t rv_loader_scope(rv_loader *loader, rv_scope_role role, uint32_t owner, uint32_t file, uint32_t level);
/* The nodes of a map as drafts of `scope`, which was the last to be added and gets names. */
void rv_loader_collect(rv_loader *loader, uint32_t map, uint32_t scope);
/* Read what `projects` names; their files are checked, their nodes get their names. */
void rv_loader_projects(rv_loader *loader);
/* Is this PROJECT:NODE of a project that there is? */
bool rv_loader_is_composite(const rv_loader *loader, rv_str name);
/* What a name means that stands in a node of `project` (index in files) and is looked up in the file's scope: the node or RV_NONE. */
uint32_t rv_loader_find_from(const rv_loader *loader, uint32_t project, rv_str name);
/* A node's name in `needs` and the like of a node of the file: checked, and replaced by the whole name. */
void rv_loader_name_node(rv_loader *loader, uint32_t value, const rv_type *type);
/* A selector (`^:x`) where one node is named: the problem with its cure. */
void rv_loader_selector_fail(rv_loader *loader, uint32_t value, rv_str text);
/* Whether `name` selects of several projects: `^:x`, `^~:x`, `[tag]:x`, `[tag]~:x`. */
bool rv_is_selector(rv_str name);
/* The nodes that it selects for `node`; none: listed at `value`. */
void rv_loader_select(rv_loader *loader, uint32_t node, uint32_t value, rv_str name, rv_node_list *out);
/* Put the whole names into texts that read nodes of a project by shorter ones. */
void rv_loader_rename(rv_loader *loader);
/* The workflow that `node` includes: `map` is the value of its `workflow` key. */
void rv_loader_include(rv_loader *loader, uint32_t node, uint32_t map);
/* A file beneath the workflow's directory, read into the arena and noted in `contents`. An error is listed at `value`. */
bool rv_loader_read(rv_loader *loader, uint32_t value, rv_str path, const char *cure, rv_str *ret);

/* ---- small things that several steps use ---- */
static inline uint32_t rv_loader_body(const rv_loader *loader, uint32_t node) { return loader->nodes.at[node].body; }
/* A node's own name; empty: it has none. */
static inline rv_str rv_loader_own_name(const rv_loader *loader, uint32_t node)
{
    const rv_draft *draft = &loader->nodes.at[node];
    return loader->scopes.at[draft->scope].is_named ? rv_doc_text(&loader->doc, draft->key) : RV_STR("");
}
/* What messages call it: the same, or its way through the file, such as `each.do.build`, in the arena. */
rv_str rv_loader_name(rv_loader *loader, uint32_t node);
/* The node of this name in a scope, or RV_NONE. */
uint32_t rv_loader_find(const rv_loader *loader, uint32_t scope, rv_str name);
static inline const rv_file_draft *rv_loader_file(const rv_loader *loader, uint32_t node)
{
    uint32_t file = loader->scopes.at[loader->nodes.at[node].scope].file;
    return &loader->files.at[file ? file : loader->nodes.at[node].project];
}
/* The value of a key in the `defaults` that hold for a node; below: those under a project's, the first file's. RV_NONE: absent. */
static inline uint32_t rv_loader_default_of(const rv_loader *loader, uint32_t node, rv_node_key key, bool below)
{
    const rv_file_draft *file = rv_loader_file(loader, node);
    if (below) return file->is_project ? loader->files.at[0].defaults[key] : RV_NONE;
    return file->defaults[key];
}
/* The upper one that is there. */
static inline uint32_t rv_loader_default(const rv_loader *loader, uint32_t node, rv_node_key key)
{
    uint32_t value = rv_loader_default_of(loader, node, key, false);
    return value == RV_NONE ? rv_loader_default_of(loader, node, key, true) : value;
}
/* Whether these are nodes for a run that has one of this id. */
static inline bool rv_loader_exists(const rv_loader *loader, rv_str id)
{
    return loader->input->exists && loader->input->exists(loader->input->exists_user, id);
}
/* The value of a node's kind key. */
uint32_t rv_loader_kind_value(const rv_loader *loader, uint32_t node);
/* Attempts that a node's `retry` allows, its own or from defaults. */
int64_t rv_loader_attempts(const rv_loader *loader, uint32_t node);
static inline bool rv_loader_is_process(const rv_loader *loader, uint32_t node) { return RV_ON_PROCESS >> loader->nodes.at[node].kind & 1; }
/* List an error at `within` bytes into the text of `value`. */
#define rv_loader_error(loader_, value_, within_, cure_, ...) \
    rv_doc_problem(&(loader_)->doc, rv_doc_offset(&(loader_)->doc, (value_), (within_)), false, (cure_), __VA_ARGS__)
#define rv_loader_warning(loader_, value_, within_, cure_, ...) \
    rv_doc_problem(&(loader_)->doc, rv_doc_offset(&(loader_)->doc, (value_), (within_)), true, (cure_), __VA_ARGS__)
/* "did you mean `x`?", or `otherwise`; the text lives in the loader's arena. `nearest` may be NULL. */
rv_str rv_loader_hint(rv_loader *loader, const char *nearest, const char *otherwise);
/* The same for a node's name in a scope, while hints are left. */
rv_str rv_loader_node_hint(rv_loader *loader, uint32_t scope, rv_str name, const char *otherwise);

/* ---- ancestors (ancestors.c) ---- */
typedef struct rv_question { uint32_t reference, from, to; } rv_question; /* is `from` an ancestor of `to`, in one scope? */
/* Answer all; `no` is called, in any order, for those that are not. Reorders `questions`. Only for a graph without cycles. */
typedef void rv_not_an_ancestor_fn(rv_loader *loader, const rv_question *question);
void rv_loader_ancestors(rv_loader *loader, rv_question *questions, uint32_t count, rv_not_an_ancestor_fn *no);
/* Value of a node's key, from its body or, where the key applies to its kind, from `defaults`; RV_NONE: absent. */
uint32_t rv_loader_value(const rv_loader *loader, uint32_t node, rv_node_key key);

/* The value of a key of `map` (which need not be a map), or RV_NONE. A large map is indexed when it is first asked. */
uint32_t rv_loader_member(rv_loader *loader, uint32_t map, rv_str key);

/* Scalars whose type was checked. false: not one. */
RV_MUST_USE bool rv_doc_i64(const rv_doc *doc, uint32_t value, int64_t *ret);
RV_MUST_USE bool rv_doc_ms(const rv_doc *doc, uint32_t value, int64_t *ret);
#define RV_MONEY_MAX INT64_C(1000000000) /* dollars */
/* Dollars → micro-dollars, exactly. false: more than six decimals, below 0 or above RV_MONEY_MAX. */
RV_MUST_USE bool rv_doc_micro(const rv_doc *doc, uint32_t value, int64_t *ret);
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
    RV_SECTION_MUTEXES,
    RV_SECTION_CLAIM_SETS,
    RV_SECTION_CLAIMS,
    RV_SECTION_BUDGETS,
    RV_SECTION_SCOPES,
    RV_SECTION_CONTROLS,
    RV_SECTION_ENTRANTS,
    RV_SECTION_BRANCHES,
    RV_SECTION_BRANCH_NODES,
    RV_SECTION_REVISES,
    RV_SECTION_REVISE_NODES,
    RV_SECTION_EXTERNALS,
    RV_SECTION_STRINGS,
    RV_SECTION_COUNT
};
typedef struct rv_image {
    char magic[8];
    uint32_t format, header_size;
    uint64_t size, checksum; /* of the whole; XXH3 of what follows `checksum` */
    rv_digest digest;
    uint32_t plain_count, top_count, concurrency, budget;
    int64_t timeout_ms;
    rv_quota_def quota;
    rv_slice name, default_node, only, projects, definition, params, env, contents; /* of strings; definition is its beginning */
    rv_image_section sections[RV_SECTION_COUNT];
} rv_image;
#define RV_IMAGE_MAGIC "reevegr"
extern const uint8_t rv_section_item_size[RV_SECTION_COUNT];
/* Let *graph point into the image. */
void rv_image_graph(const rv_image *image, rv_graph *graph);
/* Set the checksum once the image is complete. */
void rv_image_seal(rv_image *image);

#endif
