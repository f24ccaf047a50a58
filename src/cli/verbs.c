#include "cli/verbs.h"

#include "base/util.h"

#define STORE {"store", 0, "DIR", "the store; else $REEVE_STORE, else .reeve beside the workflow, else .reeve here or above", 0}
#define JSON {"json", 0, NULL, "print JSON, one document, as docs/json.md describes it", 0}
#define VAR {"var", 0, "NAME=VALUE", "a parameter's value; may be given several times", 0}
#define JOBS {"jobs", 'j', "N", "how many commands may run at once; by default what the file says, else one a processor", 0}
#define OUTPUT {"output", 0, "HOW", "live: as it comes; buffered: a node's whole output when it has ended; quiet: none", 0}
#define END {NULL, 0, NULL, NULL, 0}
#define EXAMPLES(...) (const rv_example[]){__VA_ARGS__, {NULL, NULL}}
#define OPTIONS(...) (const rv_option[]){__VA_ARGS__, END}
#define EXITS(...) (const rv_exit_text[]){__VA_ARGS__, {NULL, NULL}}
#define EXIT_LOOK EXITS({"0", "done"}, {"2", "bad usage"}, {"3", "no such store, run or node"}, {"75", "the store is unavailable"})
#define EXIT_DECIDE \
    EXITS({"0", "recorded, and on disk"}, {"2", "bad usage"}, {"3", "no such run, or nothing of that name is waiting"}, \
          {"4", "it was decided already, or the run has ended"}, {"75", "the store is unavailable"})
#define EXIT_RUN                                                                                                      \
    EXITS({"0", "every node that was to run succeeded"}, {"1", "a node or a handler failed, was denied or is unknown"}, \
          {"2", "bad file or usage; nothing was started"}, {"3", "no such run, or none to resume"},                   \
          {"4", "another process owns the store"}, {"75", "the store is unavailable"},                                \
          {"76", "only people are waited for (with --no-wait)"}, {"124", "the run's own timeout"},                    \
          {"128+N", "stopped by signal N; --resume goes on"})

const rv_verb rv_verbs[] = {
    {"run", "run a workflow, or go on with a run", "[FILE] [NODE]... [--var NAME=VALUE]... [--resume [RUN]] [options]",
     "Runs the nodes of FILE in parallel, each as soon as what it needs is done, and records every step in the store, so that a "
     "run can be stopped or killed at any moment and gone on with. Without FILE it takes reeve.yaml in this directory or the "
     "nearest parent.\n\n"
     "With NODE: these nodes and all that they need; nothing else is part of the run. Without: the file's `default` node, "
     "or all nodes if it has none; --all means all in any case, --changed those whose inputs changed and all that depend on them. In the "
     "directory of a project the names are the project's. The first word is FILE if it ends in .yaml, .yml or .json, or has a "
     "slash.\n\n"
     "On a terminal it shows a line for each running node and asks for approvals and inputs in place; elsewhere it prints plain "
     "lines. "
     "Ctrl-C stops what runs and leaves the run to be resumed; a second Ctrl-C exits at once.\n\n"
     "--resume alone goes on with this file's latest unfinished run. --resume RUN goes on with that one; if it failed, a child "
     "run is "
     "made that keeps what succeeded. The next word belongs to --resume only if it has no slash and no dot, so that "
     "`--resume flow.yaml` names a file. A run keeps the definition it began with; --edit makes a child run of the file as it is "
     "now.",
     OPTIONS({"file", 'f', "FILE", "the workflow file; the same as naming it", 0},
             {"all", 0, NULL, "all nodes, also where the file has a `default`", 0},
             {"changed", 0, NULL, "nodes whose inputs changed since the last commit, as git tells it, and all that depend on them", 0},
             {"since", 0, "REV", "with --changed: since this revision", 0},
             {"staged", 0, NULL, "like --changed, but only what is staged counts", 0}, VAR, JOBS,
             {"fail-fast", 0, NULL, "start nothing more after a failure; what runs may finish", 0},
             {"dry-run", 0, NULL, "print what would run, in order, what would be skipped and what the cache has; start nothing", 0},
             {"no-wait", 0, NULL, "end with 76 when only people are waited for, instead of waiting", 0},
             {"resume", 0, "RUN", "go on with a run: this file's latest unfinished one, or RUN", RV_OPTION_MAYBE},
             {"edit", 0, NULL, "with --resume: a child run of the file as it is now; what changed runs again", 0}, OUTPUT,
             {"json", 0, NULL, "print what happens as JSON lines, as docs/json.md describes them", 0}, STORE),
     EXAMPLES({"reeve run", "run reeve.yaml of this directory"},
              {"reeve run reeve.yaml --var who=Ada -j 4", "with a parameter, four at a time"},
              {"reeve run greet", "the node greet and what it needs"},
              {"reeve run --dry-run", "only say what would run"},
              {"reeve run --output quiet", "no output of the nodes, only the summary"},
              {"reeve run --json", "JSON lines for programs"}),
     EXIT_RUN, 0, 255, false, rv_verb_run},
    {"check", "say everything that is wrong with a workflow file", "[FILE] [--json]",
     "Reads FILE as `run` would and reports every problem at once, each as file:line:column: what; what to do. Nothing is "
     "started "
     "and no store is made.",
     OPTIONS(JSON),
     EXAMPLES({"reeve check", "check reeve.yaml of this directory"},
              {"reeve check reeve.yaml --json", "the problems as objects"}),
     EXITS({"0", "the file is good; there may be warnings"}, {"2", "it is not, or bad usage"}, {"3", "no such file"}), 0, 1,
     false, rv_verb_check},
    {"chaos", "live through a workflow with every kind of bad luck, simulated",
     "[FILE | --made-up] [--seed N] [--plays N | --for DURATION] [--var NAME=VALUE]...",
     "Plays FILE in a simulator: the real engine and the real store on a disk, a clock, processes and people that are made up, all from "
     "one seed. No command is run, no store is touched. In each play the engine dies at random instants, its power is cut, its disk "
     "fails, clocks jump, results come late or twice, people answer, or do not; each time it goes on from what the disk kept, until "
     "the run has ended. A ledger kept outside checks what docs/promises.md promises. The same seed plays the same, which is checked "
     "too.\n\n"
     "If a promise is broken the seed is printed, with the command that plays it again.",
     OPTIONS({"made-up", 0, NULL, "workflows that are made up, another for each seed", 0},
             {"seed", 0, "N", "the first seed; 1 by default. The plays after it have the numbers after it", 0},
             {"plays", 0, "N", "how many plays; 200 by default, without bound with --for", 0},
             {"for", 0, "DURATION", "end after this long, as in 30s or 10m", 0}, VAR,
             {"trace", 0, NULL, "print what happens, a line each: life, time, what", 0}, JSON),
     EXAMPLES({"reeve chaos --plays 20", "reeve.yaml of this directory"},
              {"reeve chaos --made-up --for 2s", "workflows that are made up"},
              {"reeve chaos --seed 7 --plays 1 --trace", "one play, told in full"}),
     EXITS({"0", "every promise was kept"}, {"1", "one was broken"}, {"2", "bad file or usage"}, {"3", "no such file"},
           {"75", "no scratch folder can be made"}, {"128+N", "stopped by signal N, after the play that went on; asked again: at once"}),
     0, 1, false, rv_verb_chaos},
    {"graph", "draw a workflow's graph", "[FILE] [--format text|dot|mermaid|json]",
     "text is a tree for the terminal, or layers when the graph is deep; dot is for Graphviz, mermaid for Markdown, json for "
     "programs.",
     OPTIONS({"format", 0, "FORMAT", "text, dot, mermaid or json; text by default", 0}),
     EXAMPLES({"reeve graph", "a tree of reeve.yaml"}, {"reeve graph reeve.yaml --format mermaid", "a diagram for a README"},
              {"reeve graph --format dot", "for Graphviz"}),
     EXITS({"0", "drawn"}, {"2", "bad file or usage"}, {"3", "no such file"}), 0, 1, false, rv_verb_graph},
    {"ls", "list runs, newest first", "[--limit N] [--status STATUS] [--json]",
     "One line a run: its id, workflow, status, when it began, how long it took and how many of its nodes are done.",
     OPTIONS(
         {"limit", 'n', "N", "at most N runs; 20 by default", 0},
         {"status", 0, "STATUS", "only runs in this status: accepted, running, waiting, interrupted, ok, error, timeout, cancelled", 0},
         JSON, STORE),
     EXAMPLES({"reeve ls", "the latest runs"}, {"reeve ls --status error --limit 5", "the last five that failed"}), EXIT_LOOK, 0,
     0, false, rv_verb_ls},
    {"show", "tell what happened in a run", "[RUN [NODE]] [--all] [--json | --html FILE]",
     "The run's nodes with their states and times, where failures come from, the critical path and how parallel it was. RUN is "
     "an id, a "
     "part of one, or `latest`, which is meant without it. Children of controllers are folded into their controller's row, but for those "
     "that failed or go on; --all has every one. With NODE: that node, its tries, its result, its artifacts, and all that is beneath it. "
     "--html writes one file that needs nothing else.",
     OPTIONS({"all", 0, NULL, "every node, children of controllers too", 0},
             {"html", 0, "FILE", "write a report with the graph, a Gantt chart and the failures; - is standard output", 0}, JSON,
             STORE),
     EXAMPLES({"reeve show", "the latest run"}, {"reeve show latest greet", "one node of it"},
              {"reeve show latest --json", "the same for programs"},
              {"reeve show latest --html report.html", "a page to keep or send"}),
     EXIT_LOOK, 0, 2, false, rv_verb_show},
    {"why", "say what a node waits for, or why it is as it is", "[-f FILE | --run RUN] NODE [--json]",
     "Of a node that waits: what it needs and what that waits for, the tag or the slot that is taken and by whom, the budget or the quota "
     "that is used up, the question and the command that answers it, the time, the event, what is open inside of it. Of one that was "
     "skipped, cancelled or failed: the root and its error. RUN is the latest unless it is named.\n\n"
     "With -f: what the cache would say if FILE was run now: hit or miss, what the node's key is made of, and what of it has changed "
     "since its last entry.",
     OPTIONS({"file", 'f', "FILE", "ask about this workflow file, not about a run", 0},
             VAR, {"run", 0, "RUN", "the run; the latest by default", 0}, JSON, STORE),
     EXAMPLES({"reeve why greet", "node greet of the latest run"}, {"reeve why --run latest greet --json", "the same for programs"}),
     EXIT_LOOK, 1, 1, false, rv_verb_why},
    {"logs", "print what nodes wrote", "RUN [NODE] [-f] [--stream 1|2] [--attempt N]",
     "With NODE: the bytes of its last attempt as they were written; of a controller (foreach, loop …) the lines of all beneath it. "
     "Without: the lines of all nodes in the order in which they came, each "
     "with its node. -f goes on while the run lives. Of a node that was kept from an earlier run, the words are those of that run, "
     "which is said.",
     OPTIONS({"follow", 'f', NULL, "go on until the run has ended", 0},
             {"stream", 0, "N", "only standard output (1) or standard error (2)", 0},
             {"attempt", 0, "N", "this attempt of the node instead of the last; 1 is the first", 0}, STORE),
     EXAMPLES({"reeve logs latest", "all nodes of the latest run"}, {"reeve logs latest greet", "one node, byte by byte"},
              {"reeve logs latest greet --stream 2", "only its standard error"}),
     EXIT_LOOK, 1, 2, false, rv_verb_logs},
    {"events", "print a run's journal", "[RUN] [-f] [--json]",
     "Every event of the run in order: what came in and what was decided from it.",
     OPTIONS({"follow", 'f', NULL, "go on until the run has ended", 0},
             {"json", 0, NULL, "one JSON object a line, as docs/json.md describes them", 0}, STORE),
     EXAMPLES({"reeve events latest", "for reading"}, {"reeve events latest --json", "for programs"}), EXIT_LOOK, 0, 1, false,
     rv_verb_events},
    {"approve", "say yes to what a run asks", "RUN KEY [--comment TEXT]\nRUN --add DIMENSION=AMOUNT...\nRUN --quota QUOTA=NUMBER...",
     "KEY is what `run` and `show` print beside the question: the node's name. For an at-most-once node whose outcome is unknown "
     "it means "
     "that the work was done; --again runs it once more. A run that its budget has paused goes on when --add gives it enough: usd, tokens, "
     "time (10m), attempts, nodes. --quota sets a quota of the run: concurrent, attempts, depth, nodes, or `none` for no limit. "
     "Recorded on disk when the command returns.",
     OPTIONS({"comment", 'm', "TEXT", "kept with the decision", 0},
             {"again", 0, NULL, "for an unknown outcome: run the node again", 0},
             {"add", 0, "DIMENSION=AMOUNT", "give the run's budget so much more; may be given several times", 0},
             {"quota", 0, "QUOTA=NUMBER", "set a quota of the run; may be given several times", 0}, JSON, STORE),
     EXAMPLES({"reeve approve latest review --comment 'looks good'", "approve node review of the latest run"},
              {"reeve approve latest --add usd=5", "five dollars more"},
              {"reeve approve latest --quota concurrent=8", "eight attempts at a time"}), EXIT_DECIDE, 1, 2,
     false, rv_verb_approve},
    {"reject", "say no to what a run asks", "RUN KEY [--comment TEXT]",
     "The node fails with kind rejected, unless its file says on_reject: continue. For an unknown outcome it means that the work "
     "was not done.",
     OPTIONS({"comment", 'm', "TEXT", "kept with the decision", 0}, JSON, STORE),
     EXAMPLES({"reeve reject latest review --comment 'not yet'", "reject node review of the latest run"}), EXIT_DECIDE, 2, 2,
     false, rv_verb_reject},
    {"answer", "answer a question of a run", "RUN KEY VALUE",
     "VALUE is taken as JSON if it is JSON (a number, true, \"text\", an object), else as plain text.", OPTIONS(JSON, STORE),
     EXAMPLES({"reeve answer latest size 12", "a number"}), EXIT_DECIDE, 3, 3, false, rv_verb_answer},
    {"submit", "give nodes to the run, from within a running node", "FILE [--key NAME]",
     "FILE (- for standard input) has `nodes`, or is a whole workflow. They become nodes of the run, checked whole: one that is wrong "
     "refuses all. `needs` and `after` may also name nodes that the run has. A node that is run again gives the same under the same key "
     "without doubling it; what it does not give again is called off as far as it has not started. On disk when the command returns.",
     OPTIONS({"key", 'k', "NAME", "its name among what this node submits; else its number", 0}, JSON),
     EXAMPLES({"reeve submit more.yaml", "more nodes; their ids are printed"},
              {"plan | reeve submit - --key plan", "what another program wrote"}),
     EXITS({"0", "the nodes are the run's"}, {"2", "bad usage, or a problem with the nodes"}, {"3", "no such file"},
           {"4", "the key was given with other nodes"}, {"75", "the engine cannot be reached"}),
     1, 1, false, rv_verb_submit},
    {"signal", "send an event to a run", "RUN NAME [VALUE]",
     "Every node that waits for it (wait: {event: NAME}) goes on, with VALUE as its result; when none waits yet, it is kept for the "
     "first that will. VALUE is taken as JSON if it is JSON, else as plain text. Recorded on disk when the command returns.",
     OPTIONS(JSON, STORE), EXAMPLES({"reeve signal latest deployed '{\"version\": 7}'", "what waits for `deployed` goes on"}),
     EXIT_DECIDE, 2, 3, false, rv_verb_signal},
    {"steer", "give a node a directive for its next turn", "RUN NODE TEXT",
     "The command that runs, and each later attempt of its node, finds it in the file $REEVE_STEER: one JSON object a line, with `text`. "
     "Nothing else follows from it. Recorded on disk when the command returns.",
     OPTIONS(JSON, STORE), EXAMPLES({"reeve steer latest draft 'shorter, please'", "for node draft of the latest run"}), EXIT_DECIDE, 3, 3,
     false, rv_verb_steer},
    {"cancel", "end a run for good", "RUN",
     "Stops what runs (TERM, then KILL after the grace) and cancels the rest. The run cannot be resumed; Ctrl-C in `reeve run` "
     "is for that.",
     OPTIONS(JSON, STORE), EXAMPLES({"reeve cancel latest", "cancel the latest run"}), EXIT_DECIDE, 1, 1, false, rv_verb_cancel},
    {"shell", "open a shell where a node ran", "RUN NODE [--var NAME=VALUE]... [-- COMMAND...]",
     "Starts $SHELL, or COMMAND, in the node's directory and with its environment, values of parameters and results filled in as "
     "they are "
     "recorded. Secret parameters were never stored: give them again with --var.",
     OPTIONS(VAR, STORE),
     EXAMPLES({"reeve shell latest greet -- env", "the environment of node greet"},
              {"reeve shell latest greet -- pwd", "its directory"}),
     EXITS({"0", "as the shell or COMMAND ended"}, {"2", "bad usage, or a secret is missing"}, {"3", "no such run or node"},
           {"127", "the command was not found"}),
     2, 255, false, rv_verb_shell},
    {"verify", "prove that a run's record is sound", "[RUN | --all] [--json]",
     "Checks the journal's checksums, that replaying it gives the state that is stored, that the rows agree with it, that the "
     "promises "
     "held, and that its artifacts are whole.",
     OPTIONS({"all", 0, NULL, "every run of the store, the oldest first; with --json a line each", 0}, JSON, STORE),
     EXAMPLES({"reeve verify latest", "check the latest run"}, {"reeve verify --all", "check every run"}),
     EXITS({"0", "everything holds"}, {"1", "something does not"}, {"2", "bad usage"}, {"3", "no such store or run"},
           {"75", "the store is unavailable"}),
     0, 1, false, rv_verb_verify},
    {"each", "run a command for each line of a list, durably", "[-j N] [--resume] [options] [--] COMMAND [{}]...",
     "Reads items from standard input, a line each, and runs COMMAND for each with {} replaced by the item (or the item as last "
     "argument "
     "when there is no {}). It is a run like any other: it survives being killed, and --resume with the same command and list "
     "goes on "
     "with what is not done or failed.",
     OPTIONS(JOBS, {"null", '0', NULL, "items end with a NUL byte instead of a newline", 0},
             {"resume", 0, NULL, "go on with the last run of the same command and list", 0},
             {"fail-fast", 0, NULL, "start nothing more after a failure; what runs may finish", 0},
             {"retries", 0, "N", "try a failed item up to N more times; 0 by default", 0},
             {"timeout", 0, "DURATION", "stop an attempt after this long, as in 30s or 10m", 0}, OUTPUT,
             {"json", 0, NULL, "print what happens as JSON lines, as docs/json.md describes them", 0}, STORE),
     EXAMPLES({"printf '%s\\n' a b c | reeve each -j2 -- echo item {}", "three items, two at a time"},
              {"ls | reeve each wc -c", "the item is the last argument"}),
     EXIT_RUN, 1, 255, true, rv_verb_each},
    {"kernel", "the kernel alone, for a program that carries out what runs", "",
     "Reads JSON lines from standard input and answers each with one on standard output: events go in, with the time at which they "
     "happened, effects come out, and the journal's row to keep before they are carried out. It starts nothing, opens no store and reads "
     "no clock. One process holds one run. docs/kernel-protocol.md has every line; include/reeve.h has the same as C.",
     OPTIONS(END),
     EXAMPLES({"reeve kernel < events.jsonl > effects.jsonl", "a run that was recorded as events"}),
     EXITS({"0", "the input has ended; refused lines were answered as such"}, {"2", "bad usage"},
           {"75", "standard input cannot be read, or no memory"}),
     0, 0, false, rv_verb_kernel},
    {"schema", "print the JSON Schema of workflow files", "", "For editors that complete and check YAML.", OPTIONS(END),
     EXAMPLES({"reeve schema", "print it"}), EXITS({"0", "printed"}, {"2", "bad usage"}), 0, 0, false, rv_verb_schema},
    {"sql", "ask the store in SQL, read only", "'SELECT ...' [--json | --csv] [--limit N]",
     "Tables: run, task, node, attempt, artifact, blocker, workflow; docs/schema.md describes their columns.",
     OPTIONS(JSON, {"csv", 0, NULL, "comma-separated values with a header (RFC 4180)", 0},
             {"limit", 'n', "N", "at most N rows; 1000 by default, 0 for all", 0}, STORE),
     EXAMPLES({"reeve sql 'select id, status from run'", "a table"},
              {"reeve sql \"select node, exit_status from attempt where state = 'error'\" --csv", "for a spreadsheet"}),
     EXITS({"0", "answered"}, {"1", "the statement would write"}, {"2", "bad SQL or usage"}, {"3", "no such store"},
           {"75", "the store is unavailable"}),
     1, 1, false, rv_verb_sql},
    {"cache", "say what the cache holds, and clean it",
     "info | clean [--stale] [--max-age D] [--max-size S] [--dry-run] | clear [--dry-run]",
     "info counts what is kept. clean removes what at least one of its options takes, each entry once, under the first of them in this "
     "order: --stale, entries that cannot be used any more; --max-age, those that were used last strictly longer ago; --max-size, of "
     "what is left those used longest ago, until the sizes of the rest come to at most this. clear removes all. What no entry needs any "
     "more goes from the disk; artifacts stay. It may be done while runs go on: they only miss what was removed.",
     OPTIONS({"stale", 0, NULL, "entries that cannot be used: of another version, damaged, or with a file that is gone", 0},
             {"max-age", 0, "DURATION", "entries that were not used for longer than this, as in 12h or 30d", 0},
             {"max-size", 0, "SIZE", "until at most this is left, as in 500MB or 2GiB; oldest use first", 0},
             {"dry-run", 0, NULL, "say what would be removed, and remove nothing", 0}, JSON, STORE),
     EXAMPLES({"reeve cache info", "how much is kept"}, {"reeve cache clean --max-age 30d --max-size 2GiB", "keep it small"},
              {"reeve cache clear", "forget everything"}),
     EXITS({"0", "done"}, {"2", "bad usage, also clean without an option"}, {"3", "no such store"},
           {"4", "it is being cleaned just now"}, {"75", "the store is unavailable"}),
     1, 1, false, rv_verb_cache},
    {"init", "write a small workflow to begin with", "[FILE] [--template NAME]",
     "Writes FILE, reeve.yaml by default: a working example with comments. It never overwrites a file. Templates: example, which is meant "
     "without --template; fanout, the same work for each item of a list; generate-and-filter, many candidates of which those stay that "
     "pass a test; verify, work that independent checks vote on; tournament, several ways and a judge; loop-until-good, again until a "
     "condition holds; classify-and-route, one of several branches.",
     OPTIONS({"template", 0, "NAME", "example, fanout, generate-and-filter, verify, tournament, loop-until-good or classify-and-route", 0}),
     EXAMPLES({"reeve init first.yaml", "then: reeve run first.yaml"},
              {"reeve init cup.yaml --template tournament", "another one"}),
     EXITS({"0", "written"}, {"2", "bad usage"}, {"4", "the file exists already"}, {"75", "it cannot be written"}), 0, 1, false,
     rv_verb_init},
    {"import", "make a workflow of another program's file", "FILE [NAME]... [--from KIND] [-o FILE]",
     "Reads a Makefile, a package.json, a turbo.json, a crontab or a workflow of Dagu and writes the workflow that does the same, on "
     "standard output or to the file that --output names. What does not carry over is said on standard error, each as file:line:column: "
     "what; what to do. NAMEs are what is wanted: targets, scripts, tasks or jobs; by default all of them. What they need comes with them. "
     "The kind is known by the file's name, or said with --from: make, npm, turbo, cron, dagu.\n\n"
     "The first target of a Makefile is what `reeve run FILE` does, `reeve run FILE NODE` does another one. Commands of the file are "
     "not run, unless --shell lets $(shell) of a Makefile be asked as make would. Write the workflow into the folder of FILE: its "
     "commands and paths mean that folder.",
     OPTIONS({"from", 0, "KIND", "what the file is: make, npm, turbo, cron or dagu", 0},
             {"output", 'o', "FILE", "write the workflow to FILE, which must not exist", 0},
             {"force", 0, NULL, "with --output: overwrite FILE", 0},
             {"shell", 0, NULL, "run what a Makefile asks of $(shell) while it is read", 0},
             {"system", 0, NULL, "the lines of a crontab name a user, as in /etc/crontab", 0},
             {"var", 0, "NAME=VALUE", "a variable of a Makefile, as on make's command line; may be given several times", 0}, JSON),
     EXAMPLES({"reeve import Makefile -o build.yaml", "then: reeve run build.yaml"},
              {"reeve import Makefile clean", "what `make clean` does"},
              {"reeve import package.json build test", "two scripts, and what they need"},
              {"reeve import crontab -o jobs.yaml", "the jobs, and the lines that cron needs to start them"}),
     EXITS({"0", "written; what did not carry over was said"}, {"2", "bad usage, or a file that cannot be read as what it is"},
           {"3", "no such file"}, {"4", "the output exists already"}, {"75", "it cannot be written"}),
     1, 255, false, rv_verb_import},
    {"doctor", "say what this machine can enforce", "[--json] [--store DIR]",
     "Looks at the kernel, the file system of the store, the speed of its disk, the libraries and the terminal, and says what "
     "promise is weaker here and why.",
     OPTIONS(JSON, STORE), EXAMPLES({"reeve doctor", "look at this machine"}),
     EXITS({"0", "everything needed is there"}, {"1", "something that Reeve needs is missing"}, {"2", "bad usage"}), 0, 0, false,
     rv_verb_doctor},
    {"version", "print the version", "[--json]", "", OPTIONS(JSON),
     EXAMPLES({"reeve version", "one line"}, {"reeve version --json", "for programs"}), EXITS({"0", "printed"}), 0, 0, false,
     rv_verb_version},
    {"completions", "print a completion script", "bash|zsh|fish",
     "For bash: add `source <(reeve completions bash)` to ~/.bashrc. For zsh: write it to a file _reeve in a directory of "
     "$fpath. For fish: "
     "write it to ~/.config/fish/completions/reeve.fish.",
     OPTIONS(END),
     EXAMPLES({"reeve completions bash", "print it"}, {"reeve completions zsh", "print it"},
              {"reeve completions fish", "print it"}),
     EXITS({"0", "printed"}, {"2", "no such shell"}), 1, 1, false, rv_verb_completions},
    {"help", "explain a verb", "[VERB] [--json]", "The same as `reeve VERB --help`; without VERB the list of them.",
     OPTIONS(JSON), EXAMPLES({"reeve help run", "all about run"}, {"reeve help --json", "the whole table, for programs"}),
     EXITS({"0", "printed"}, {"2", "no such verb"}), 0, 1, false, rv_verb_help},
};
const uint32_t rv_verb_count = RV_COUNT(rv_verbs);

RV_START const rv_verb *rv_verb_find(rv_str name)
{
    for (uint32_t i = 0; i < rv_verb_count; i++)
        if (rv_str_is(name, rv_verbs[i].name)) return &rv_verbs[i];
    return NULL;
}

const char *rv_verb_nearest(rv_str word)
{
    const char *names[RV_COUNT(rv_verbs)];
    for (uint32_t i = 0; i < rv_verb_count; i++) names[i] = rv_verbs[i].name;
    return rv_nearest(word, names, rv_verb_count);
}
