/* keys.h: the key tables: the one source of what a workflow file may contain [W1–W3].
 *
 * From them come the checks, the normal form, the JSON Schema (`reeve schema`) and the key reference of
 * docs/workflow.md. A key whose type is NULL is known but not carried out by this version: an error at its position
 * [W2b]. Every table is sorted by name, which is also the order of keys in the normal form.
 *
 * Types nest by constant tables, seven levels at most; the two that a file can nest as it likes (DATA, SCHEMA) are leaves here and
 * are walked by loops. Bodies within bodies wait in a list until it is their turn. So a walk that recurses over types never
 * recurses over input. */
#ifndef RV_KEYS_H
#define RV_KEYS_H

#include "kernel/model.h"

typedef enum rv_type_kind {
    RV_TYPE_TEXT,       /* a string, as it is */
    RV_TYPE_STRING,     /* the same, but a plain number or boolean is refused */
    RV_TYPE_TEMPLATE,   /* a string with ${…} */
    RV_TYPE_EXPRESSION, /* a condition or `set` expression */
    RV_TYPE_SCRIPT,     /* a shell script, verbatim */
    RV_TYPE_IDENTIFIER,
    RV_TYPE_NODE,       /* an identifier that names a node */
    RV_TYPE_VARIABLE,   /* name of an environment variable */
    RV_TYPE_PATH,       /* relative, no references */
    RV_TYPE_PATTERN,    /* of paths (base/glob.h), no references */
    RV_TYPE_BOOLEAN,
    RV_TYPE_INTEGER,    /* least..most */
    RV_TYPE_NUMBER,
    RV_TYPE_MONEY,      /* dollars: at least 0, at most six decimals */
    RV_TYPE_DURATION,   /* least..most ms */
    RV_TYPE_TIME,       /* RFC 3339 with a zone */
    RV_TYPE_WORD,       /* one of words */
    RV_TYPE_CAP,        /* auto or a number */
    RV_TYPE_RETRY_ON,   /* an exit status or one of words */
    RV_TYPE_TAG_CAP,    /* a number, or an object of table */
    RV_TYPE_MUTEX,      /* a name, or an object of table */
    RV_TYPE_MUTEXES,    /* one item, or a list of them; a list in the normal form */
    RV_TYPE_LIST,       /* of item; least: how many at least */
    RV_TYPE_MAP,        /* names of type key → item */
    RV_TYPE_OBJECT,     /* keys of table */
    RV_TYPE_NODE_BODY,  /* an object of rv_node_table with exactly one kind key */
    RV_TYPE_BODY_OR_NODES, /* such an object, or {nodes: {…}} */
    RV_TYPE_ENTRANT,    /* the name of a node, or such an object */
    RV_TYPE_DEFINITION, /* an object of rv_file_table, without what belongs to a run */
    RV_TYPE_DEFAULTS,   /* the keys of rv_node_table that have RV_KEY_DEFAULT */
    RV_TYPE_PARAM_VALUE, /* a value of the type that the param names */
    RV_TYPE_DATA,       /* anything */
    RV_TYPE_FILLED,     /* anything; strings in it are templates */
    RV_TYPE_ITEMS,      /* a list of such, or a string that is one reference */
    RV_TYPE_SCHEMA,     /* a JSON Schema of the subset */
    RV_TYPE_SCHEMA_OR_BOOLEAN,
    RV_TYPE_WORDS,      /* a word or a list of them */
    RV_TYPE_PROJECTS,   /* a list of item; or, in the normal form, a map from name to an object of table */
    RV_TYPE_CACHE,      /* true, false or an object of table */
} rv_type_kind;

typedef struct rv_type rv_type;
typedef struct rv_key_table rv_key_table;
struct rv_type {
    rv_type_kind kind;
    const char *want; /* for messages: "a duration such as 30s or 10m" */
    const rv_type *item, *key;
    const rv_key_table *table;
    const char *const *words; /* NULL-terminated */
    int64_t least, most;
    uint8_t use; /* TEMPLATE, EXPRESSION: rv_use */
    bool may_be_file; /* `file://path` stands for the content of a file [W16] */
    bool is_open;     /* WORD: the program around us may have registered others [K14]; IDENTIFIER: PROJECT:NODE too; NODE: selectors
                       * of several projects too [W20] */
};

/* Where a reference stands: decides what it may name. */
typedef enum rv_use {
    RV_USE_ARGV,
    RV_USE_ENV,
    RV_USE_DIR,
    RV_USE_MESSAGE,
    /* evaluated by the kernel: no files */
    RV_USE_WHEN,
    RV_USE_SET,
    RV_USE_FILL,   /* items of a foreach, params of a sub-workflow */
    RV_USE_UNTIL,  /* as in the iteration that follows */
    RV_USE_REVISE, /* the node's own values too */
    RV_USE_RESULT, /* of a workflow: when all its nodes have ended */
    /* names of nodes */
    RV_USE_OF,
    RV_USE_ENTRANT,
    RV_USE_BRANCH,
    RV_USE_INPUT, /* not written as a reference: a file among the node's inputs that another node makes */
} rv_use;
static inline bool rv_use_is_evaluated(rv_use use) { return use >= RV_USE_WHEN && use <= RV_USE_RESULT; }

enum {
    RV_KEY_DEFAULT = 1,  /* may stand in `defaults` */
    RV_KEY_REQUIRED = 2,
    RV_KEY_KIND = 4,     /* makes a node what it is: exactly one of them */
    RV_KEY_MERGED = 8,   /* a map: the node's keys are laid over those of `defaults` */
};

#define RV_ON_PROCESS (1u << RV_KIND_RUN | 1u << RV_KIND_SHELL) /* kinds that a key applies to */
#define RV_ON_SPENDING /* attempts, and what has attempts beneath it */ \
    (RV_ON_PROCESS | 1u << RV_KIND_FOREACH | 1u << RV_KIND_LOOP | 1u << RV_KIND_CLASSIFY | 1u << RV_KIND_TOURNAMENT | \
     1u << RV_KIND_WORKFLOW)
#define RV_ON_SHELL (1u << RV_KIND_SHELL)
#define RV_ON_ALL ((1u << RV_KIND_COUNT) - 1)

typedef struct rv_key {
    const char *name;
    const rv_type *type; /* NULL: not supported by this version */
    uint32_t flags;
    uint32_t kinds;      /* of nodes: bit n: applies to kind n; other tables: RV_ON_ALL */
    const char *fallback; /* what holds when it is left out, for the reference; NULL: nothing */
    const char *doc;
} rv_key;
struct rv_key_table {
    const char *id;    /* of its definition in the JSON Schema */
    const char *name;  /* of its section in the reference */
    const char *place; /* for messages: "a node", "`retry`" */
    const rv_key *keys;
    uint32_t count;
};

/* Index of `name` in the table, or RV_NONE. */
uint32_t rv_key_find(const rv_key_table *table, rv_str name);
/* The nearest key's name, or NULL. */
const char *rv_key_nearest(const rv_key_table *table, rv_str name);

/* rv_nearest, but stricter with short words: NULL rather than a word that has little in common. */
const char *rv_near(rv_str word, const char *const *candidates, size_t candidate_count);

/* Node keys by number: the order of rv_node_table. */
#define RV_NODE_KEY_MAP(X)                                                                                               \
    X(AFTER) X(AGENT) X(APPROVE) X(BUDGET) X(CACHE) X(CAPABILITIES) X(CLASSIFY) X(CRITERIA) X(DELIVERY) X(DEP_POLICY)    \
    X(DESCRIPTION) X(DIR) X(ENV) X(ENV_HOST) X(FOREACH) X(HOOKS) X(HTTP) X(INHERIT) X(INPUT) X(INPUTS) X(ISOLATION)      \
    X(LANE) X(LEAVE) X(LOOP) X(MAX_TURNS) X(METADATA) X(MODEL) X(MUTEX) X(NEEDS) X(ON_UNKNOWN) X(OPERATOR)               \
    X(OUTPUT_SCHEMA) X(OUTPUTS) X(PRIORITY) X(PROMPT) X(REDUCE) X(RETRY) X(REVISE) X(ROLE) X(RUN) X(SET) X(SHELL)        \
    X(SHELL_NAME) X(SYSTEM_PROMPT) X(TAGS) X(TIMEOUT) X(TIMEOUT_TOTAL) X(TOURNAMENT) X(TRUST) X(WAIT) X(WHEN) X(WORKFLOW)
#define X(name_) RV_NK_##name_,
typedef enum rv_node_key { RV_NODE_KEY_MAP(X) RV_NK_COUNT } rv_node_key;
#undef X
_Static_assert(RV_NK_COUNT <= 64, "the keys of a node are a 64-bit set");

#define RV_FILE_KEY_MAP(X)                                                                                           \
    X(AGENTS) X(BUDGET) X(CONCURRENCY) X(DEFAULT) X(DEFAULTS) X(DESCRIPTION) X(ENV) X(HOOKS) X(NAME) X(NODES) X(ON)  \
    X(ONLY) X(OPERATOR) X(PARAMS) X(PROJECTS) X(QUOTA) X(REEVE) X(RESULT) X(SCHEDULE) X(TAGS) X(TIMEOUT) X(WEBHOOK)
#define X(name_) RV_FK_##name_,
typedef enum rv_file_key { RV_FILE_KEY_MAP(X) RV_FK_COUNT } rv_file_key;
#undef X

extern const rv_key_table rv_file_table, rv_node_table, rv_retry_table, rv_param_table, rv_concurrency_table, rv_on_table;
extern const rv_key_table rv_project_table, rv_tag_cap_table, rv_mutex_table, rv_cache_table;
extern const rv_key_table rv_budget_table, rv_node_budget_table, rv_estimate_table, rv_quota_table, rv_writes_table;
extern const rv_key_table rv_approve_table, rv_input_table, rv_wait_table, rv_reduce_table, rv_schema_table;
extern const rv_key_table rv_foreach_table, rv_loop_table, rv_classify_table, rv_tournament_table, rv_workflow_table, rv_revise_table;
/* Every table, in the order of the reference; NULL-terminated. */
extern const rv_key_table *const rv_key_tables[];
/* Kind of a kind key of rv_node_table; RV_KIND_COUNT when this version does not carry it out. */
rv_kind rv_key_kind(rv_node_key key);

/* Markdown of all tables: the key reference of docs/workflow.md. */
void rv_keys_reference(rv_buf *out);

#endif
