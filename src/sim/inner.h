/* inner.h: what the files of sim/ share, and nobody else includes.
 *
 *   world.c     lives: open, run, die, open again
 *   trouble.c   what befalls a life, and when
 *   executor.c  attempts that nobody executes
 *   files.c     inputs, outputs, and what a hit of the cache must give
 *   people.c    answers and decisions, events, directives, more of a budget
 *   giver.c     what running attempts submit
 *   ledger.c    what was promised to whom, and is it kept
 *   audit.c     what the store says: journal, replay, rows
 *   money.c     what the journal says was reserved and spent, counted again
 *   scenario.c  workflows made up */
#ifndef RV_SIM_INNER_H
#define RV_SIM_INNER_H

#include "engine/inner.h"
#include "sim/sim.h"
#include "store/disk.h"

/* ---- ledger: by name of node, outside of the engine ---- */
typedef struct rv_sim_entry {
    rv_str name;
    uint32_t started_epoch;   /* highest that an attempt was started under; 0: none */
    uint32_t recorded_epoch;  /* that the journal knows of at least */
    bool is_start_durable;    /* the latest start's admission is in the synced log */
    uint32_t starts;          /* processes that really began */
    uint32_t agains;          /* "again" said by people, or allowed by its policy */
    bool is_told, is_told_durable; /* its outcome was written, synced */
    bool is_hit;              /* the cache settled it, which was looked at */
    rv_node_state state;      /* that outcome */
    rv_detail detail;
    uint32_t stopped_epoch;   /* of the latest attempt that was told to stop, by an interrupt or a cancel, before it had ended */
    uint32_t decided;         /* decisions and answers of it that were acknowledged */
    uint32_t steered;         /* directives likewise */
    uint32_t live;            /* attempts that run now */
    char token[65];           /* of the latest attempt */
    uint32_t given;           /* submissions of that attempt that were taken without a key of their own */
} rv_sim_entry;

/* What an attempt said that it spent, in a result that can be read. */
typedef struct rv_sim_report {
    uint32_t entry, epoch;
    int64_t cost, tokens, cached;
} rv_sim_report;

/* What a command is and what it makes by name; command 0: it has values in it, and is not known. */
typedef struct rv_sim_work_id { uint64_t command, outputs; } rv_sim_work_id;

/* What an attempt makes. */
typedef struct rv_sim_made {
    bool is_cached, is_quarantined, reads_inputs;
    rv_sim_work_id work;
    uint32_t inputs;          /* their number when it began */
    uint32_t number;          /* that it writes into its files */
    uint32_t node;            /* of its run */
    rv_str result;            /* canonical; size 0: none */
} rv_sim_made;

/* What a node submits under a key. */
typedef struct rv_sim_given {
    uint32_t entry;
    char key[24];
    bool is_named;            /* the key is its own; else its number */
    rv_str source;
    uint32_t epoch;           /* of the latest attempt that gave it */
    bool is_taken, is_acknowledged;
    rv_str ids;               /* JSON, as told; size 0: never */
} rv_sim_given;

typedef struct rv_sim_world rv_sim_world;

typedef struct rv_sim_ledger {
    rv_arena arena;
    rv_map names;
    RV_VEC(rv_sim_entry) entries;
    char run[64];             /* id of the run that is meant; empty: none yet */
    bool is_acknowledged;     /* its id was given out */
    bool is_over, is_end_told; /* its end was found or given out; given out, hence synced */
    rv_run_state outcome;     /* that end */
    bool is_violated;         /* its nodes are at odds: no child goes on from it [A8] */
    bool is_cancelled;        /* its cancel was acknowledged */
    uint32_t signalled;       /* events from outside that were acknowledged */
    int64_t added[RV_DIMENSION_COUNT]; /* to the budget, likewise */
    int64_t taken[RV_DIMENSION_COUNT]; /* of its budget's group, as its journal has it: spent and reserved; 0 without one */
    RV_VEC(rv_sim_report) reports;
    RV_VEC(rv_sim_given) given;
    uint32_t given_last;      /* texts made up for submissions */
    uint64_t durable_seq;     /* of the journal: what a sync has covered */
    uint64_t told_seq;        /* what was told as written */
    uint64_t audited_seq;     /* how far an audit has counted */
    uint64_t last_engine_ms;
} rv_sim_ledger;

/* ---- one life's plan ---- */
typedef enum rv_sim_fate { RV_SIM_FATE_NONE, RV_SIM_FATE_DIE_DISK, RV_SIM_FATE_DIE_POINT, RV_SIM_FATE_DIE_TIME, RV_SIM_FATE_DISK_FAULT,
                           RV_SIM_FATE_INTERRUPT } rv_sim_fate;

struct rv_sim_world {
    const rv_sim_config *config;
    rv_sim_result *result;
    uint64_t rng, rng_loop, rng_engine, rng_disk;
    uint32_t life;
    int64_t wall_ms, mono_ms; /* where the next life begins */
    uint32_t slots;
    bool calm;                /* no trouble in this life */
    /* of this life */
    rv_loop *loop;
    rv_store *store;
    rv_exec *exec;
    rv_blobs *blobs;
    rv_engine *engine;
    rv_job *job;
    bool is_dead;             /* nothing that happens now has happened */
    bool has_failed;          /* the engine said that its store failed */
    bool is_interrupted, is_direct;
    bool has_signal;          /* an event from outside is on its way */
    rv_sim_fate fate;
    bool has_fault;           /* a fault of the disk is armed */
    RV_VEC(struct rv_sim_errand *) errands;
    RV_VEC(struct rv_sim_telling *) tellings; /* what is to be told to who submits */
    int64_t due_last_ms;      /* of the attempt whose end was heard last */
    uint64_t log_size;        /* of the run's log at the moment of death */
    /* of all lives */
    rv_disk *disk;
    rv_sim_ledger ledger;
    char parent[64];          /* the failed run that the present one goes on from; empty: none */
    int64_t past[RV_DIMENSION_COUNT]; /* taken by the runs before this one, all of one group */
    bool is_again;            /* it is the second run of the workflow from its beginning */
    uint32_t life_first;      /* of this run */
    bool has_stamps;          /* what files were like is known of some: none is changed in the tick of the clock in which it was seen */
    uint32_t inputs_version, made_last; /* numbers given out: of inputs, of what attempts make */
    RV_VEC(rv_sim_made) made; /* by good attempts of cached nodes; texts in made_arena */
    rv_arena made_arena;
    rv_arena arena;
    rv_buf line;
    uint32_t broken_count;
};

/* A node's id, for as long as the life. */
static inline rv_str rv_sim_id(rv_sim_world *w, const rv_run *run, uint32_t node) { return rv_run_id_in(run, node, &w->arena); }
static inline uint32_t rv_sim_below(rv_sim_world *w, uint32_t bound) { return rv_rng_below(&w->rng, bound); }
static inline bool rv_sim_one_in(rv_sim_world *w, uint32_t n) { return rv_rng_below(&w->rng, n) == 0; }

/* Tell the story: into the hash, and to whom reads it. */
void rv_sim_tell(rv_sim_world *w, const char *fmt, ...) RV_PRINTF(2, 3);
/* A promise is broken: the first one is kept, and the life ends. */
void rv_sim_break(rv_sim_world *w, const char *fmt, ...) RV_PRINTF(2, 3);
static inline bool rv_sim_is_broken(const rv_sim_world *w) { return w->result->broken[0] != 0; }

/* Call `fn(w, number, text)` after delay_ms of this life, if it lives so long. `text` is copied. */
typedef void rv_sim_errand_fn(rv_sim_world *w, int64_t number, const char *text);
void rv_sim_later(rv_sim_world *w, int64_t delay_ms, rv_sim_errand_fn *fn, int64_t number, const char *text);
void rv_sim_errands_clear(rv_sim_world *w);

/* The process dies here: disk, executor and everybody who listens take nothing any more. */
void rv_sim_die(rv_sim_world *w, rv_sim_count cause, const char *how);

/* ---- trouble.c ---- */
void rv_sim_plan(rv_sim_world *w);      /* before anything of a life is opened */
void rv_sim_plan_run(rv_sim_world *w);  /* once its run is driven */
/* After each life: what befell the disk is counted. */
void rv_sim_count_faults(rv_sim_world *w, bool has_disk_failed);

/* ---- executor.c ---- */
rv_exec *rv_sim_exec_new(rv_sim_world *w);
/* Make the file, or replace what is in it. What does not work leaves a file that is shorter. */
void rv_sim_write_file(const char *path, rv_str bytes);

/* ---- files.c ---- */
/* Append the folder of the runs. */
void rv_sim_work(const rv_sim_world *w, rv_buf *out);
void rv_sim_files_begin(rv_sim_world *w);   /* before the first life */
void rv_sim_files_life(rv_sim_world *w);    /* before anything of a life is opened: whether it may trust what files are like */
void rv_sim_files_change(const rv_sim_world *w); /* before a file is changed that an engine may have looked at */
void rv_sim_files_end(void);                /* after the last one */
void rv_sim_files_trouble(rv_sim_world *w); /* once the blobs of a life are open, before its run is driven */
void rv_sim_inputs_soon(rv_sim_world *w);   /* somebody changes the inputs of the run */
/* What an attempt of `node` that begins now is going to make; what is in its files, appended; it has ended well: it may be found again. */
rv_sim_made rv_sim_making(rv_sim_world *w, uint32_t node, const rv_json *body);
void rv_sim_made_text(const rv_sim_made *made, rv_buf *out);
void rv_sim_made_note(rv_sim_world *w, rv_sim_made made, rv_str result);
/* After each call of the loop: hits that are new are looked at. */
void rv_sim_hits(rv_sim_world *w);

/* ---- giver.c ---- */
/* An attempt has begun, which may submit nodes while it runs. */
void rv_sim_gives(rv_sim_world *w, rv_str name, rv_str token);
/* The answers of this life that nobody took. */
void rv_sim_tellings_clear(rv_sim_world *w);

/* ---- people.c ---- */
void rv_sim_asked(rv_sim_world *w, const rv_blocker_view *view);
void rv_sim_cancel_soon(rv_sim_world *w);
void rv_sim_answer_early(rv_sim_world *w);
/* When a node waits for an event from outside and none is on its way, somebody sends it in a while. */
void rv_sim_signal_awaited(rv_sim_world *w);
/* Events that perhaps nobody waits for, or not yet. */
void rv_sim_signal_early(rv_sim_world *w);
/* Somebody adds to the run's budget, if it has one, before he is asked. */
void rv_sim_add_early(rv_sim_world *w);
void rv_sim_steer(rv_sim_world *w);
void rv_sim_preempt_soon(rv_sim_world *w);
/* Give the engine a result that came before, or one of an attempt that is over: it must change nothing. */
void rv_sim_duplicate(rv_sim_world *w);

/* ---- ledger.c ---- */
rv_sim_entry *rv_sim_entry_of(rv_sim_world *w, rv_str name);
void rv_sim_ledger_begin(rv_sim_world *w, const char *run); /* another run is meant from here on */
void rv_sim_ledger_deinit(rv_sim_ledger *ledger);
/* An attempt is about to be started. */
void rv_sim_ledger_start(rv_sim_world *w, rv_str name, uint32_t epoch);
void rv_sim_ledger_told(rv_sim_world *w, const rv_node_view *view);
void rv_sim_ledger_synced(rv_sim_world *w);
/* After each call of the loop. */
void rv_sim_ledger_step(rv_sim_world *w);
/* What was found in the store after a life: `run` is the replayed state, last_seq the journal's end. */
void rv_sim_ledger_found(rv_sim_world *w, const rv_run *run, uint64_t last_seq);
void rv_sim_ledger_lost(rv_sim_world *w); /* after a loss of power: what was only told is not any more */

/* ---- audit.c ---- */
/* `run` is the replayed state, NULL: broken, or the run is not there; last_seq: the journal's end. */
typedef void rv_sim_look_fn(void *user, const rv_run *run, uint64_t last_seq);
/* Read the run's journal: its chain, each fact replayed, each decision decided again, invariants after each row, the rows that people
 * query. `look` is called once, at the end. */
void rv_sim_audit(rv_sim_world *w, const rv_spec *spec, rv_sim_look_fn *look, void *user);

/* ---- money.c ---- */
/* The journal's reservations and spend, counted from nothing but its events. */
typedef struct rv_sim_money {
    rv_sim_world *world;
    const rv_run *run;        /* as it is before each event */
    uint8_t limits, at_limit; /* of the run */
    int64_t limit[RV_DIMENSION_COUNT], spent[RV_DIMENSION_COUNT], reserved[RV_HELD_COUNT], added[RV_DIMENSION_COUNT];
    int64_t elsewhere[RV_DIMENSION_COUNT]; /* what it was told of other runs */
    bool has_group;
    RV_VEC(int64_t) held;     /* by node, RV_HELD_COUNT each; below 0: nothing is reserved for it */
    uint32_t node, epoch;     /* of the completion whose facts follow; RV_NONE: of none */
    bool may_be_all;          /* that was perhaps spent to the last of its reservation */
    uint32_t settled;         /* how often it was */
    bool is_preempted;
} rv_sim_money;
void rv_sim_money_begin(rv_sim_money *money, rv_sim_world *w, const rv_run *run);
/* The next event of the journal, before it is applied to `run`; NULL: the end. */
void rv_sim_money_take(rv_sim_money *money, const rv_event *event);
void rv_sim_money_deinit(rv_sim_money *money);

/* ---- scenario.c ---- */
/* Who submits: what stands beside it, by number; the first name that is free. */
typedef struct rv_sim_giver {
    const uint32_t *beside; uint32_t beside_count;
    uint32_t first_name;
    bool has_money, is_bad;
} rv_sim_giver;
/* Nodes made up from `seed`, as YAML, appended; of a bad giver they are refused, for the node n*ret_bad (else RV_NONE). */
void rv_sim_submission(uint64_t seed, const rv_sim_giver *giver, rv_buf *out, uint32_t *ret_bad);

#endif
