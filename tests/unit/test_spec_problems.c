/* Every rule about what a workflow file may not contain: the claim, the file, and the exact diagnostics [W6]. */
#include "spec_help.h"

typedef struct wrong {
    const char *claim, *source, *expected;
    bool is_json;
} wrong;

#define N "reeve: 1\nnodes:\n"
static const wrong table[] = {
    /* reading */
    {"W5 an empty file is said to be empty", "", "flow.yaml:1:1: the file is empty; `reeve init` writes an example\n"},
    {"W5 a file of comments is empty", "# nothing\n", "flow.yaml:1:1: the file is empty; `reeve init` writes an example\n"},
    {"W5 an empty JSON file is said to be empty", " \n", "flow.json:1:1: the file is empty; `reeve init` writes an example\n",
     true},
    {"W5 a tab as indentation is named", "nodes:\n\ta: {run: [x]}\n",
     "flow.yaml:2:1: a tab where YAML wants indentation; indent with spaces\n"},
    {"W5 text that is not UTF-8 is refused at its byte", "nodes:\n  \xc3\xa4: \xff\n",
     "flow.yaml:2:6: the text is not UTF-8 here; save the file as UTF-8\n"},
    {"W5 a list is no workflow", "- a\n", "flow.yaml:1:1: a workflow wants a map with `nodes`, not a list\n"},
    {"W5 a second document is refused", "reeve: 1\nnodes: {a: {run: [x]}}\n---\nb: 1\n",
     "flow.yaml:3:1: a second document; one file is one workflow: move it to a file of its own\n"},
    {"W5 duplicate keys are errors", N "  a: {run: [x]}\n  a: {run: [y]}\n",
     "flow.yaml:4:3: duplicate key `a`, first on line 3; remove or rename one of them\n"},
    {"W5 duplicate keys are errors in JSON", "{\"reeve\":1,\"nodes\":{\"a\":{\"run\":[\"x\"],\"run\":[\"y\"]}}}",
     "flow.json:1:38: duplicate key `run`, first on line 1; remove or rename one of them\n", true},
    {"W5 an alias inside of its own anchor is refused", "a: &a [*a]\n",
     "flow.yaml:1:8: an alias inside of its own anchor; remove it\n"},
    {"W5 an alias without anchor is refused", "a: *b\n",
     "flow.yaml:1:4: an alias of an anchor that is not defined; define it with & before it is used\n"},
    {"W5 merge keys are refused by name", N "  a: {run: [x], <<: {leave: true}}\n",
     "flow.yaml:3:17: merge keys are not part of YAML 1.2; use `defaults`, or write the keys out\n"},
    {"W5 other tags than str are refused", N "  a: {run: [!foo x]}\n",
     "flow.yaml:3:13: tags other than !!str are not used in workflow files; remove the tag\n"},
    {"W5 a list as a key is refused", "? [a]\n: b\n", "flow.yaml:1:3: a list or a map as a key; use a plain name as the key\n"},
    /* keys and types */
    {"W1 a missing version warns only", "nodes: {}\n",
     "flow.yaml:1:1: warning: the file does not say which version of the format it is in; add `reeve: 1`\n"
     "flow.yaml:1:8: there are no nodes; add one, such as `hello: {run: [echo, hello]}`\n"},
    {"W1 a higher version is an error", "reeve: 2\nnodes: {a: {run: [x]}}\n",
     "flow.yaml:1:8: format version 2 is newer than this program, which knows 1; install a newer reeve\n"},
    {"W7 a file without nodes is an error", "reeve: 1\n",
     "flow.yaml:1:1: the file has no `nodes`; add `nodes`: a map from node to its body\n"},
    {"W5 an unknown key gives the nearest", N "  a: {run: [x], need: [b]}\n",
     "flow.yaml:3:17: unknown key `need` in a node; did you mean `needs`?\n"},
    {"W5 a key of an inner map says where it belongs", N "  a: {for: 10m}\n",
     "flow.yaml:3:3: node `a` does nothing; give it one of run, shell, approve, input, wait, set, reduce, foreach, loop, classify, "
     "tournament, workflow\n"
     "flow.yaml:3:7: unknown key `for` in a node; it belongs inside of `wait`\n"},
    {"W5 a node's key at the top says where it belongs", "reeve: 1\nretry: {}\nnodes: {a: {run: [x]}}\n",
     "flow.yaml:2:1: unknown key `retry` in the file; it belongs to a node, or into `defaults`\n"},
    {"W2b a known kind that is not carried out is refused at its position", N "  a: {agent: writer}\n",
     "flow.yaml:3:7: `agent` is not supported by this version; remove it\n"},
    {"W2b a known key that is not carried out is refused at its position",
     "reeve: 1\nwebhook: here\nnodes: {a: {run: [x], hooks: true, model: m}}\n",
     "flow.yaml:2:1: `webhook` is not supported by this version; remove it\n"
     "flow.yaml:3:23: `hooks` is not supported by this version; remove it\n"
     "flow.yaml:3:36: `model` is not supported by this version; remove it\n"},
    {"A5 a mutex is named once", N "  a: {run: [x], mutex: [m, {name: m, mode: shared}]}\n",
     "flow.yaml:3:28: `mutex` names `m` twice; remove one of them\n"},
    {"A5 a mutex has a name, and a mode of two", N "  a: {run: [x], mutex: {mode: both}}\n",
     "flow.yaml:3:24: `mutex` has no `name`; add `name`: a name\n"
     "flow.yaml:3:31: `mode` wants exclusive or shared, not `both`\n"},
    {"K50 money is dollars with at most six decimals", "reeve: 1\nbudget: {usd: 0.0000001}\nnodes: {a: {run: [x]}}\n",
     "flow.yaml:2:15: `usd` wants dollars such as 5 or 0.25, not `0.0000001`; at least 0, at most a billion, at most six decimals\n"},
    {"K54 a node's budget does not pause", N "  a: {run: [x], budget: {usd: 1, at_limit: pause}}\n",
     "flow.yaml:3:44: `at_limit` wants stop or warn, not `pause`\n"},
    {"K50 a budget is of what spends", N "  a: {wait: {for: 1s}, budget: {usd: 1}}\n",
     "flow.yaml:3:24: `budget` does not apply to `wait`; remove it\n"},
    {"K31 a quota that the graph alone exceeds is refused", "reeve: 1\nquota: {nodes: 1}\nnodes: {a: {run: [x]}, b: {run: [x]}}\n",
     "flow.yaml:2:16: the file alone has 2 nodes and handlers, its quota allows 1; raise the quota\n"},
    {"K40 dir and an own directory exclude each other", N "  a: {run: [x], dir: d, isolation: none}\n",
     "flow.yaml:3:22: `dir` and `isolation: none` both say where it starts; remove one of them\n"},
    {"K40 what is made in a worktree is no output", N "  a: {run: [x], role: implement, outputs: [o]}\n",
     "flow.yaml:3:43: `outputs` are looked for where the run is; what a node makes in its worktree is in its artifact worktree.patch; "
     "remove it\n"},
    {"K31 writes have a window", "reeve: 1\nquota: {writes: {max: 1}}\nnodes: {a: {run: [x]}}\n",
     "flow.yaml:2:17: `writes` has no `per`; add `per`: a duration such as 250ms, 30s, 10m, 2h or 1d\n"},
    {"K53 a group has a name", "reeve: 1\nbudget: {usd: 1, group: a b}\nnodes: {a: {run: [x]}}\n",
     "flow.yaml:2:25: `a b` is not a name; use A-Z a-z 0-9 _ -, a letter or digit first, at most 64\n"},
    {"W2b a workflow by name is refused", N "  a: {workflow: release}\n",
     "flow.yaml:3:17: `workflow: release` would be one of a service's registry, which is not supported by this version; name its file: "
     "{file: release.yaml}\n"},
    {"W2b a path alone is no workflow either", N "  a: {workflow: part/b.yaml}\n",
     "flow.yaml:3:17: `workflow: part/b.yaml` would be one of a service's registry, which is not supported by this version; name its "
     "file: {file: part/b.yaml}\n"},
    {"W2 a node is one thing only", N "  a: {run: [x], shell: y}\n",
     "flow.yaml:3:17: node `a` is `run` and `shell`: it can be one thing only; make two nodes of it\n"},
    {"W2 a node must be something", N "  a: {needs: []}\n",
     "flow.yaml:3:3: node `a` does nothing; give it one of run, shell, approve, input, wait, set, reduce, foreach, loop, classify, "
     "tournament, workflow\n"},
    {"W2 run is a list", N "  a: {run: make}\n",
     "flow.yaml:3:12: `run` wants a list of strings: the command and its arguments, not a string; put it in brackets\n"},
    {"W2 run is not empty", N "  a: {run: []}\n", "flow.yaml:3:12: `run` is empty; give one at least\n"},
    {"W3 a key that does not apply to the kind is refused", N "  a: {approve: {message: m}, timeout: 1m}\n",
     "flow.yaml:3:30: `timeout` does not apply to `approve`; use the `deadline` of its own map, or remove it\n"},
    {"W4 a bare number is no duration", N "  a: {run: [x], timeout: 10}\n",
     "flow.yaml:3:26: `timeout` wants a duration such as 250ms, 30s, 10m, 2h or 1d, not `10`; add a unit: ms, s, m, h or d\n"},
    {"W4 a name is an identifier", N "  a b: {run: [x]}\n",
     "flow.yaml:3:3: `a b` is not a name; use A-Z a-z 0-9 _ -, a letter or digit first, at most 64\n"},
    {"W5 yes is no boolean", N "  a: {run: [x], leave: yes}\n",
     "flow.yaml:3:24: `leave` wants true or false, not `yes`; write true\n"},
    {"W5 off is no boolean", N "  a: {run: [x], leave: off}\n",
     "flow.yaml:3:24: `leave` wants true or false, not `off`; write false\n"},
    {"W5 in JSON a number is no string", "{\"reeve\":1,\"nodes\":{\"a\":{\"run\":[\"x\",5]}}}",
     "flow.json:1:37: `run` wants a string, not a number; put it in quotes\n", true},
    {"W5 a number of YAML alone is no data", N "  a: {run: [x], metadata: {n: 0x1F}}\n",
     "flow.yaml:3:31: `0x1F` is a number in YAML only; write it as JSON would, or put it in quotes\n"},
    {"W3a at most once excludes a second attempt", N "  a: {run: [x], delivery: at_most_once, retry: {max_attempts: 2}}\n",
     "flow.yaml:3:27: node `a` may run at most once, but has 2 attempts; set retry: {max_attempts: 1} or leave out "
     "at_most_once\n"},
    {"W3a at most once excludes a second attempt from defaults",
     "reeve: 1\ndefaults: {retry: {max_attempts: 2}}\nnodes: {a: {run: [x], delivery: at_most_once}}\n",
     "flow.yaml:3:33: node `a` may run at most once, but has 2 attempts; set retry: {max_attempts: 1} or leave out "
     "at_most_once\n"},
    {"W3a an exit status is from 1 to 255", N "  a: {run: [x], retry: {on: [0, signl]}}\n",
     "flow.yaml:3:30: `on` wants an exit status from 1 to 255, signal, timeout or unavailable, not `0`\n"
     "flow.yaml:3:33: `on` wants an exit status from 1 to 255, signal, timeout or unavailable, not `signl`\n"},
    {"W3 defaults hold no edges", "reeve: 1\ndefaults: {needs: [a]}\nnodes: {a: {run: [x]}}\n",
     "flow.yaml:2:12: `needs` cannot stand in `defaults`; give it to the nodes\n"},
    {"W2a a wait has one of for and until", N "  a: {wait: {for: 1s, until: 2030-01-01T00:00:00Z}}\n  b: {wait: {}}\n",
     "flow.yaml:3:13: `wait` has several of `for`, `until` and `event`; give one of them\n"
     "flow.yaml:4:13: `wait` has none of `for`, `until` and `event`; give one of them\n"},
    {"W2a a time has its zone", N "  a: {wait: {until: 2030-01-01}}\n",
     "flow.yaml:3:21: `until` wants a time such as 2026-01-31T09:00:00Z, not `2030-01-01`; give date, time and zone\n"},
    /* references between nodes */
    {"W7 an unresolved reference gives the nearest node", N "  build: {run: [x]}\n  b: {run: [x], needs: [biuld]}\n",
     "flow.yaml:4:25: `needs` of `b` names `biuld`, which is no node; did you mean `build`?\n"},
    {"W7 a node cannot need itself", N "  a: {run: [x], needs: [a]}\n",
     "flow.yaml:3:25: `a` names itself in `needs`; remove it\n"},
    {"W7 a node is needed once", N "  a: {run: [x]}\n  b: {run: [x], needs: [a, a]}\n",
     "flow.yaml:4:28: `a` stands twice in `needs`; remove one\n"},
    {"W7 needs and after have no node in common", N "  a: {run: [x]}\n  b: {run: [x], needs: [a], after: [a]}\n",
     "flow.yaml:4:37: `a` is in `needs` and in `after` of `b`; keep it in `needs`, which orders too\n"},
    {"W7 all nodes of a cycle are named in order",
     N "  a: {run: [x], needs: [c]}\n  b: {run: [x], after: [a]}\n  c: {run: [x], needs: [b]}\n  d: {run: [x], needs: [a]}\n",
     "flow.yaml:3:3: nodes wait for each other: a -> c -> b -> a (each waits for the next); remove one of these from `needs` or "
     "`after`\n"},
    {"W7 two cycles are two problems",
     N "  a: {run: [x], needs: [b]}\n  b: {run: [x], needs: [a]}\n  c: {run: [x], needs: [d, a]}\n  d: {run: [x], needs: [c]}\n",
     "flow.yaml:3:3: nodes wait for each other: a -> b -> a (each waits for the next); remove one of these from `needs` or "
     "`after`\n"
     "flow.yaml:5:3: nodes wait for each other: c -> d -> c (each waits for the next); remove one of these from `needs` or "
     "`after`\n"},
    {"W7 two nodes do not make one file", N "  a: {run: [x], outputs: [out/x]}\n  b: {run: [x], dir: out, outputs: [./out//x]}\n",
     "flow.yaml:4:37: `./out//x` is an output of `a` already; let one node make it\n"},
    {"W11 an output path takes no references", N "  a: {run: [x], outputs: [\"o/${run.id}\"]}\n",
     "flow.yaml:3:30: `outputs` takes no references; write the path out\n"},
    {"C13 an output stays beneath the root", N "  a: {run: [x], outputs: [../x, 'o/', a**b]}\n",
     "flow.yaml:3:27: `outputs` names `..` leads out of the root; name something beneath it\n"
     "flow.yaml:3:35: `outputs` names a `/` at the end; write `/**` for all beneath a directory\n"
     "flow.yaml:3:40: `outputs` names `**` beside something else; it stands for whole components: write `*`, or `**/*`\n"},
    /* the cache */
    {"C1 cache is true, false or a map", N "  a: {run: [x], inputs: [], cache: yes}\n  b: {run: [x], cache: [x]}\n"
       "  c: {run: [x], cache: {dep: all}}\n",
     "flow.yaml:3:36: `cache` wants true, false or a map such as {inputs: [src/**]}, not `yes`; write true\n"
     "flow.yaml:4:24: `cache` wants true, false or a map such as {inputs: [src/**]}, not a list\n"
     "flow.yaml:5:17: warning: the cached `c` names no inputs: a file that changed would not be noticed; name them in `inputs`, or write "
     "inputs: [] for none\n"
     "flow.yaml:5:25: unknown key `dep` in `cache`; did you mean `deps`?\n"},
    {"C1 what counts of dependencies is a word", N "  a: {run: [x], inputs: [], cache: {deps: none}}\n",
     "flow.yaml:3:43: `deps` wants all, values or files, not `none`\n"},
    {"C1 inputs and env_host stand in one place", N "  a: {run: [x], inputs: [a], env_host: [E], cache: {inputs: [b], env_host: [F]}}\n",
     "flow.yaml:3:53: `inputs` of `a` stands in `cache` and beside it; keep one of them\n"
     "flow.yaml:3:66: `env_host` of `a` stands in `cache` and beside it; keep one of them\n"},
    {"C1 what runs no command is not cached",
     N "  a: {set: {k: '1'}, cache: true}\n  b: {foreach: {items: [1], do: {run: [x]}}, cache: true, inputs: []}\n",
     "flow.yaml:3:22: `cache` does not apply to `set`; remove it: it runs no command whose work could be kept\n"
     "flow.yaml:4:46: `cache` does not apply to `foreach`; give it to the `run` and `shell` nodes within it\n"
     "flow.yaml:4:59: `inputs` does not apply to `foreach`; give it to the `run` and `shell` nodes within it\n"},
    {"C1 what must happen is not cached",
     N "  a: {run: [x], inputs: [], cache: true, delivery: at_most_once}\n  b: {run: [x], inputs: [], cache: true, leave: true}\n"
       "  c: {run: [x], inputs: [], cache: true, isolation: worktree}\n  d: {run: [x], inputs: [], cache: true, role: implement}\n"
       "on: {exit: {run: [x], inputs: [], cache: true}}\n",
     "flow.yaml:3:29: `a` cannot be cached: `at_most_once` is for what has an effect outside, and a hit has none; remove `cache`, or "
     "`delivery` where running it twice does no harm\n"
     "flow.yaml:4:29: `b` cannot be cached: with `leave` it starts something that stays, and a hit starts nothing; remove one of them\n"
     "flow.yaml:5:29: `c` cannot be cached: in a worktree it sees a commit, not the files that `inputs` name; remove `cache`, or let it "
     "run in the directory itself\n"
     "flow.yaml:6:29: `d` cannot be cached: in a worktree it sees a commit, not the files that `inputs` name; remove `cache`, or let it "
     "run in the directory itself\n"
     "flow.yaml:7:35: `exit` cannot be cached: a handler runs each time; remove `cache`\n"},
    {"C1 a default that does not fit is refused at the node",
     "reeve: 1\ndefaults: {cache: {inputs: []}}\nnodes:\n  a: {run: [x], delivery: at_most_once}\n"
     "  b: {run: [x], leave: true, cache: false}\n"
     "on: {exit: {run: [x]}}\n",
     "flow.yaml:4:3: `a` cannot be cached: `at_most_once` is for what has an effect outside, and a hit has none; give it cache: false\n"},
    {"W7 a cached action has nothing that changes with each run",
     "reeve: 1\nenv: {R: \"${run.id}\"}\nnodes:\n  a: {run: [x, \"${run.id}\"], inputs: [], cache: true}\n"
     "  b: {shell: x, env: {A: \"${attempt.key}\"}, dir: \"${attempt.epoch}\", inputs: [], cache: true}\n"
     "  c: {run: [x, \"${run.id}\"], when: '${run.id} == \"r\"'}\n",
     "flow.yaml:2:11: `${run.id}` is another one each time, so the cached `a` would never be found again; take it out, or do not cache the "
     "node: it has `$REEVE_RUN` and `$REEVE_ATTEMPT`\n"
     "flow.yaml:4:17: `${run.id}` is another one each time, so the cached `a` would never be found again; take it out, or do not cache the "
     "node: it has `$REEVE_RUN` and `$REEVE_ATTEMPT`\n"
     "flow.yaml:5:27: `${attempt.key}` is another one each time, so the cached `b` would never be found again; take it out, or do not "
     "cache the node: it has `$REEVE_RUN` and `$REEVE_ATTEMPT`\n"
     "flow.yaml:5:51: `${attempt.epoch}` is another one each time, so the cached `b` would never be found again; take it out, or do not "
     "cache the node: it has `$REEVE_RUN` and `$REEVE_ATTEMPT`\n"},
    {"C1 a cached node without inputs is warned of",
     N "  a: {run: [x], cache: true}\n  b: {run: [x], cache: {inputs: []}}\n  z: {run: [x], need: []}\n",
     "flow.yaml:3:17: warning: the cached `a` names no inputs: a file that changed would not be noticed; name them in `inputs`, or write "
     "inputs: [] for none\n"
     "flow.yaml:5:17: unknown key `need` in a node; did you mean `needs`?\n"},
    {"C1 nodes that are cached by default are warned of once",
     "reeve: 1\ndefaults: {cache: true}\nnodes:\n  a: {run: [x]}\n  b: {run: [x]}\n  c: {run: [x], inputs: [c]}\n"
     "  z: {run: [x], need: []}\n",
     "flow.yaml:2:12: warning: 3 nodes are cached without inputs, first `a`: a file that changed would not be noticed; name them in "
     "`inputs` of the nodes, or write inputs: [] for none\n"
     "flow.yaml:7:17: unknown key `need` in a node; did you mean `needs`?\n"},
    {"W7 an input that a node makes which is not waited for is warned of",
     N "  a: {run: [x], outputs: [out/a.o]}\n  b: {run: [x], inputs: [out/*.o], outputs: [out/b.o], needs: [c]}\n"
       "  c: {run: [x], inputs: [./out/a.o], needs: [a]}\n  d: {run: [x], inputs: [/out/a.o]}\n"
       "  e: {run: [x], inputs: [src/**, '**/*.c']}\n"
       "  z: {run: [x], need: []}\n",
     "flow.yaml:4:26: warning: `out/b.o` is an output of `b` itself, which would thus change what it depends on; name its inputs more "
     "narrowly\n"
     "flow.yaml:6:26: warning: `out/a.o` is made by `a`, which `d` does not wait for; add `a` to its `needs`\n"
     "flow.yaml:8:17: unknown key `need` in a node; did you mean `needs`?\n"},
    {"W7 an input of a body is waited for by what is around it",
     N "  a: {run: [x], outputs: [a.o]}\n  b: {foreach: {items: [1], do: {run: [x], inputs: ['*.o']}}}\n"
       "  c: {foreach: {items: [1], do: {run: [x], inputs: [a.o]}}, needs: [a]}\n  z: {run: [x], need: []}\n",
     "flow.yaml:4:54: warning: `a.o` is made by `a`, which `b.do` does not wait for; add `a` to its `needs`\n"
     "flow.yaml:6:17: unknown key `need` in a node; did you mean `needs`?\n"},
    {"K14 an unknown reducer gives the nearest", N "  a: {run: [x]}\n  b: {reduce: {reducer: concatt, of: [a]}, needs: [a]}\n",
     "flow.yaml:4:25: `reducer` wants concat, count, dedupe_lines, first, majority or merge_json_arrays, not `concatt`; did you "
     "mean `concat`?\n"},
    {"K14 a reducer reads ancestors only", N "  a: {run: [x]}\n  b: {reduce: {reducer: concat, of: [a]}}\n",
     "flow.yaml:4:38: `b` reads `a`, which need not have ended by then; add `a` to its `needs`\n"},
    /* values */
    {"W7 a value of a node that is no ancestor", N "  a: {run: [x]}\n  b: {run: [x, \"${a.stdout}\"]}\n",
     "flow.yaml:4:17: `b` reads `a`, which need not have ended by then; add `a` to its `needs`\n"},
    {"W7 a condition on a node that is no ancestor", N "  a: {run: [x]}\n  b: {run: [x], when: '${a.ok} == true'}\n",
     "flow.yaml:4:24: `b` reads `a`, which need not have ended by then; add `a` to its `needs`\n"},
    {"W7 a value of a node that there is not", N "  bild: {run: [x, \"${build.stdout}\"]}\n",
     "flow.yaml:3:20: `build.stdout`: there is no node `build`; did you mean `bild`?\n"},
    {"W7 a node cannot read itself", N "  a: {run: [x, \"${a.stdout}\"]}\n", "flow.yaml:3:17: `a` reads itself; remove it\n"},
    {"W7 an output that the kind does not have",
     N "  a: {approve: {message: m}}\n  b: {run: [x, \"${a.choice}\", \"${a.stdout}\"], needs: [a]}\n",
     "flow.yaml:4:17: `${a.choice}`: `a` has no output `choice`; an approval has decision, by, comment, state, error\n"
     "flow.yaml:4:32: `${a.stdout}`: a node of kind `approve` runs no command; an approval has decision, by, comment, state, "
     "error\n"},
    {"W7 an output that the schema excludes",
     N "  a: {run: [x], output_schema: {properties: {v: {}}, additionalProperties: false}}\n  b: {run: [x, \"${a.v}\", "
       "\"${a.w}\"], needs: [a]}\n",
     "flow.yaml:4:27: `${a.w}`: `a` has no output `w`; its output_schema allows no others than its properties\n"},
    {"W7 a param that is not declared", "reeve: 1\nparams: {topic: {}}\nnodes: {a: {run: [x, \"${user.topik}\"]}}\n",
     "flow.yaml:3:23: `${user.topik}`: there is no such param; did you mean `topic`?\n"},
    {"W7 a secret in argv",
     "reeve: 1\nparams: {k: {secret: true}}\nnodes: {a: {run: [x, \"${user.k}\"], env: {K: \"${user.k}\"}}}\n",
     "flow.yaml:3:23: the secret `k` in an argument, where every process can read it; pass it through `env`\n"},
    {"W7 a secret in a condition", "reeve: 1\nparams: {k: {secret: true}}\nnodes: {a: {run: [x], when: '${user.k} == \"a\"'}}\n",
     "flow.yaml:3:30: the secret `k` in a condition; pass it through `env`\n"},
    {"E31 a secret has no default", "reeve: 1\nparams: {k: {secret: true, default: abc}}\nnodes: {a: {run: [x]}}\n",
     "flow.yaml:2:37: a secret in the file; remove the default and give the value with --var\n"},
    {"W10 the shell's way to write a variable is corrected", N "  a: {run: [echo, \"${HOME}\"]}\n",
     "flow.yaml:3:20: `HOME`: there is no node `HOME`; the environment is ${env.HOME}; `$${` is a literal `${`\n"},
    {"W10 a reference without its end", N "  a: {run: [echo, \"x ${a\"]}\n",
     "flow.yaml:3:22: `${` without its `}`; write `${node.field}`, or `$${` for a literal `${`\n"},
    {"W10 an item is there in a foreach only", N "  a: {run: [echo, \"${item}\"]}\n",
     "flow.yaml:3:20: `${item}`: there is no `item` here; `item` and `index` are there in a foreach's `do`\n"},
    {"W10 a condition has no attempt", N "  a: {run: [x], when: '${attempt.epoch} == 1'}\n",
     "flow.yaml:3:24: `${attempt.epoch}`: there is no attempt here; use it in argv, env or dir\n"},
    {"W13 an expression cannot read files", N "  a: {run: [x]}\n  b: {set: {e: '${a.stderr}'}, needs: [a]}\n",
     "flow.yaml:4:17: `${a.stderr}`: an expression cannot read `stderr`; let the node write it to $REEVE_OUTPUT\n"},
    {"W13 a condition is parsed", N "  a: {run: [x], when: '1 =='}\n", NULL},
    {"W11 nothing is replaced in a script", N "  a: {run: [x]}\n  b: {shell: 'echo ${a.stdout}', needs: [a], leave: no}\n",
     "flow.yaml:4:20: warning: `${a.stdout}` is not replaced in a script; pass it through `env` and use the variable\n"
     "flow.yaml:4:53: `leave` wants true or false, not `no`; write false\n"},
    /* bodies */
    {"W2a a foreach has items and do", N "  a: {foreach: {max_parallel: 0}}\n",
     "flow.yaml:3:16: `foreach` has no `do`; add `do`: a node's body such as {run: [make, test]}, or {nodes: {…}}\n"
     "flow.yaml:3:16: `foreach` has no `items`; add `items`: a list, or a string that is one reference such as "
     "\"${fetch.files}\"\n"
     "flow.yaml:3:31: `max_parallel` wants a whole number of at least 1, not `0`\n"},
    {"W2a items are a list or one reference", N "  a: {foreach: {items: \"x ${user.l}\", do: {run: [x]}}}\n  b: {foreach: {items: 3, "
                                                "do: {run: [x]}}}\n",
     "flow.yaml:3:25: `items` wants a list, or a string that is one reference such as \"${fetch.files}\", not `x ${user.l}`; put it in "
     "brackets, or write one reference and nothing around it\n"
     "flow.yaml:4:24: `items` wants a list, or a string that is one reference such as \"${fetch.files}\", not a number; put it in "
     "brackets\n"},
    {"W7 items come from an ancestor", N "  a: {run: [x]}\n  b: {foreach: {items: [1, {k: \"${a.v}\"}], do: {run: [x]}}}\n",
     "flow.yaml:4:33: `b` reads `a`, which need not have ended by then; add `a` to its `needs`\n"},
    {"W7 a loop of 0 is an error", N "  a: {loop: {body: {run: [x]}, max: 0}}\n",
     "flow.yaml:3:37: `max` wants a whole number of at least 1, not `0`\n"},
    {"W7 a loop has a maximum", N "  a: {loop: {body: {run: [x]}}}\n",
     "flow.yaml:3:13: `loop` has no `max`; add `max`: a whole number of at least 1\n"},
    {"W7 a tournament of one is an error", N "  a: {run: [x]}\n  b: {tournament: {entrants: [a], judge: {run: [x]}}}\n",
     "flow.yaml:4:30: `entrants` has 1; 2 are the least; give more\n"},
    {"W7 an entrant is a node beside the tournament",
     N "  alpha: {run: [x]}\n  b: {tournament: {entrants: [alfa, {run: [x]}, b], judge: {run: [x]}}}\n",
     "flow.yaml:4:31: `entrants` of `b` names `alfa`, which is no node beside it; did you mean `alpha`?\n"
     "flow.yaml:4:49: `b` names itself in `entrants`; remove it\n"},
    {"W7 an entrant enters once, and is waited for",
     N "  a: {run: [x]}\n  c: {run: [x]}\n  b: {tournament: {entrants: [a, a, c], judge: {run: [x]}}, after: [c]}\n",
     "flow.yaml:5:34: `a` stands twice in `entrants`; remove one\n"
     "flow.yaml:5:37: `c` is in `entrants` and in `after` of `b`; take it out of `after`: an entrant is waited for\n"},
    {"W7 an implicit edge can close a cycle", N "  a: {run: [x], needs: [b]}\n  b: {tournament: {entrants: [a, {run: [x]}], judge: "
                                                "{run: [x]}}}\n",
     "flow.yaml:3:3: nodes wait for each other: a -> b -> a (each waits for the next); remove one of these from `needs` or `after`\n"},
    {"K13 an even quorum is warned of", N "  b: {tournament: {entrants: [{run: [x]}, {run: [y]}], judge: {run: [x]}, quorum: 2}, need: "
                                          "[]}\n",
     "flow.yaml:3:83: warning: 2 judges of a match can be of two minds; make it odd\n"
     "flow.yaml:3:87: unknown key `need` in a node; did you mean `needs`?\n"},
    {"W7 a branch depends on its classifier",
     N "  a: {run: [x]}\n  c: {classify: {by: {run: [x]}, branches: {l: [a, d, c, f]}}}\n  d: {run: [x], needs: [e]}\n  e: {run: [x], "
       "needs: [c]}\n",
     "flow.yaml:4:49: `a` is a branch of `c`, but does not depend on it; add `c` to its `needs`\n"
     "flow.yaml:4:55: `c` names itself in `branches`; remove it\n"
     "flow.yaml:4:58: `branches` of `c` names `f`, which is no node beside it; name a node that stands beside the classify\n"},
    {"W7 a back-edge goes to an ancestor",
     N "  a: {run: [x]}\n  b: {run: [x], revise: {target: a, when: 'true'}}\n  c: {run: [x], needs: [b], revise: {target: c, when: "
       "'true'}}\n"
       "  d: {run: [x], revise: {target: bb, when: 'true', max: 0}}\n",
     "flow.yaml:4:34: `a` is no ancestor of `b`; name a node that it waits for, directly or not; what is optional is not waited for\n"
     "flow.yaml:5:46: `c` names itself as `target`; use a `loop`, or name an ancestor\n"
     "flow.yaml:6:34: `target` of `d` names `bb`, which is no node beside it; did you mean `b`?\n"
     "flow.yaml:6:57: `max` wants a whole number of at least 1, not `0`\n"},
    {"K17 back-edges that cross are refused",
     N "  a: {run: [x]}\n  b: {run: [x], needs: [a]}\n  c: {run: [x], needs: [b], revise: {target: a, when: 'true'}}\n"
       "  d: {run: [x], needs: [c], revise: {target: b, when: 'true'}}\n",
     "flow.yaml:6:37: the revisions of `d` (from `b`) and of `c` (from `a`) cross; let one lie within the other, or let them lie "
     "apart\n"},
    {"K17 back-edges that share one node cross",
     N "  a: {run: [x]}\n  b: {run: [x], needs: [a], revise: {target: a, when: 'true'}}\n  c: {run: [x], needs: [b]}\n"
       "  d: {run: [x], needs: [c], revise: {target: b, when: 'true'}}\n",
     "flow.yaml:4:37: the revisions of `b` (from `a`) and of `d` (from `b`) cross; let one lie within the other, or let them lie "
     "apart\n"},
    {"W2a a body of one node has no edges", N "  a: {run: [x]}\n  b: {loop: {max: 1, body: {run: [x], needs: [a], after: []}}, needs: "
                                              "[a]}\n",
     "flow.yaml:4:39: a body of one node has no `needs`; remove it: its owner's edges hold\n"
     "flow.yaml:4:51: a body of one node has no `after`; remove it: its owner's edges hold\n"},
    {"W2a edges stay in their scope",
     N "  a: {run: [x]}\n  b: {foreach: {items: [1], do: {nodes: {c: {run: [x], needs: [a]}, d: {run: [x], needs: [d, c, cc]}}}}}\n",
     "flow.yaml:4:64: `needs` of `b.do.c` names `a`, which is no node; add the node or remove the name\n"
     "flow.yaml:4:91: `d` names itself in `needs`; remove it\n"
     "flow.yaml:4:97: `needs` of `b.do.d` names `cc`, which is no node; did you mean `c`?\n"},
    {"W7 a cycle in a body is a cycle",
     N "  b: {foreach: {items: [1], do: {nodes: {c: {run: [x], needs: [d]}, d: {run: [x], needs: [c]}}}}}\n",
     "flow.yaml:3:42: nodes wait for each other: b.do.c -> b.do.d -> b.do.c (each waits for the next); remove one of these from "
     "`needs` or `after`\n"},
    {"W7 a body reads what its owner may read, not more",
     N "  a: {run: [x]}\n  b: {foreach: {items: [1], do: {run: [x, \"${a.v}\", \"${b.results}\"]}}}\n",
     "flow.yaml:4:44: `b` reads in its bodies `a`, which need not have ended by then; add `a` to the `needs`\n"
     "flow.yaml:4:54: `b.do` reads `b`, which it is a part of; remove it\n"},
    {"W10 words of a body are there in it alone",
     N "  a: {loop: {max: 2, body: {run: [\"${item}\", \"${index.x}\", \"${iteration.x}\", \"${previous}\"]}, until: '${left.v}'}}\n"
       "  b: {run: [\"${feedback}\", \"${previous.v}\"]}\n",
     "flow.yaml:3:36: `${item}`: there is no `item` here; `item` and `index` are there in a foreach's `do`\n"
     "flow.yaml:3:47: `${index.x}`: there is no `index` here; `item` and `index` are there in a foreach's `do`\n"
     "flow.yaml:3:61: `${iteration.x}`: `iteration` has no fields; remove what follows it\n"
     "flow.yaml:3:79: `${previous}` names no value of the node; write ${NODE.FIELD}, such as .stdout or .state\n"
     "flow.yaml:3:103: `${left.v}`: there is no `left` here; `left` and `right` are there in a tournament's `judge`\n"
     "flow.yaml:4:14: `${feedback}`: there is no `feedback` here; it is there where `revise` may run a node again, and with "
     "output_schema and retries\n"
     "flow.yaml:4:29: `${previous.v}`: there is no `previous` here; `iteration` and `previous` are there in a loop's `body` and "
     "`until`\n"},
    {"W10 a field that the previous iteration cannot have",
     N "  a: {loop: {max: 2, body: {set: {n: '${previous.m:-1}', k: '${previous.n:-0}'}}}}\n",
     "flow.yaml:3:39: `${previous.m}`: `a.body` has no output `m`; a `set` has its own keys, state, error\n"},
    {"W13 the kernel holds no files of entrants",
     N "  a: {tournament: {entrants: [{run: [x]}, {run: [y]}], judge: {set: {winner: '${left.stderr}'}}}}\n",
     "flow.yaml:3:79: `${left.stderr}`: an expression cannot read `stderr`; let the node write it to $REEVE_OUTPUT\n"},
    {"W10a a foreach has its own outputs", N "  a: {foreach: {items: [1], do: {run: [x]}}}\n  b: {run: [x, \"${a.value}\", "
                                             "\"${a.stdout}\"], needs: [a]}\n",
     "flow.yaml:4:17: `${a.value}`: `a` has no output `value`; a foreach has results, failed, state, error\n"
     "flow.yaml:4:31: `${a.stdout}`: a node of kind `foreach` runs no command; a foreach has results, failed, state, error\n"},
    {"W10a waiting for a time gives nothing", N "  a: {wait: {for: 1s}}\n  b: {run: [x, \"${a.value}\"], needs: [a]}\n",
     "flow.yaml:4:17: `${a.value}`: `a` has no output `value`; a wait for a time has state, error\n"},
    {"W7 a secret as a param of a sub-workflow",
     "reeve: 1\nparams: {k: {secret: true}}\nnodes:\n  a: {workflow: {definition: {params: {p: {}}, nodes: {n: {run: [x]}}}, params: {p: "
     "\"${user.k}\"}}}\n",
     "flow.yaml:4:86: the secret `k` in a value, which is stored; pass it through `env`\n"},
    {"W10a a sub-workflow sees its own params and nodes only",
     "reeve: 1\nparams: {k: {}}\nnodes:\n  o: {run: [x]}\n  a: {workflow: {definition: {nodes: {n: {run: [\"${user.k}\", "
     "\"${o.v}\"]}}}}, needs: [o]}\n",
     "flow.yaml:5:50: `${user.k}`: there is no such param; declare it under `params`\n"
     "flow.yaml:5:63: `o.v`: there is no node `o`; values are those of user, env, run, attempt and of nodes\n"},
    {"W7 a result reads nodes of its workflow", "reeve: 1\nresult: {v: '${b.x}', w: '${a.stderr}'}\nnodes: {a: {run: [x]}}\n",
     "flow.yaml:2:14: `b.x`: there is no node `b`; values are those of user, env, run, attempt and of nodes\n"
     "flow.yaml:2:27: `${a.stderr}`: an expression cannot read `stderr`; let the node write it to $REEVE_OUTPUT\n"},
    {"W7 two bodies do not make one file", N "  a: {tournament: {entrants: [{run: [x], outputs: [o]}, {run: [y], outputs: [o]}], judge: "
                                             "{run: [x]}}}\n",
     "flow.yaml:3:78: `o` is an output of `a.entrants[0]` already; let one node make it\n"},
    {"W7 items that make one file are warned of",
     N "  a: {foreach: {items: [1], do: {run: [x], outputs: [o], dir: \"${item}\"}}, need: []}\n",
     "flow.yaml:3:54: warning: each item makes the same file, `o`; leave it out, and let a node behind the foreach make one of all\n"
     "flow.yaml:3:76: unknown key `need` in a node; did you mean `needs`?\n"},
    {"W1a a handler is no controller and revises nothing",
     N "  a: {run: [x]}\non: {exit: {loop: {body: {run: [x]}, max: 1}}, failure: {run: [x], revise: {target: a, when: 'true'}}}\n",
     "flow.yaml:4:6: a handler cannot be `loop`; make it `run` or `shell`\n"
     "flow.yaml:4:68: `revise` in a handler is not supported by this version; remove it\n"},
    {"W2 a body is a node", N "  a: {foreach: {items: [1], do: {need: []}}}\n  b: {loop: {body: x, max: 1}}\n",
     "flow.yaml:3:29: node `a.do` does nothing; give it one of run, shell, approve, input, wait, set, reduce, foreach, loop, classify, "
     "tournament, "
     "workflow\n"
     "flow.yaml:3:34: unknown key `need` in a node; did you mean `needs`?\n"
     "flow.yaml:4:20: `b.body` wants a map such as {run: [make, test]}, not a string\n"},
    {"W7 a graph of items has nodes", N "  a: {foreach: {items: [1], do: {nodes: {}}}}\n",
     "flow.yaml:3:41: there are no nodes; add one, such as `hello: {run: [echo, hello]}`\n"},
    /* handlers, schemas */
    {"W1 a handler has no edges", N "  a: {run: [x]}\non: {failure: {run: [x], needs: [a]}}\n",
     "flow.yaml:4:26: a handler has no `needs`; remove it: handlers run when the graph has ended\n"},
    {"W1 a handler runs a command", N "  a: {run: [x]}\non: {exit: {wait: {for: 1s}}}\n",
     "flow.yaml:4:6: a handler cannot be `wait`; make it `run` or `shell`\n"},
    {"W14 a schema is of the subset", N "  a: {run: [x], output_schema: {properties: {v: {pattern: a}}, requierd: [v]}}\n",
     "flow.yaml:3:50: `pattern` is not supported by this version; remove it\n"
     "flow.yaml:3:64: unknown key `requierd` in a JSON Schema; did you mean `required`?\n"},
    {"W2 a default answer satisfies its schema",
     N "  a: {input: {question: q, default: {n: [1, x]}, schema: {properties: {n: {items: {type: integer}}}}}}\n",
     "flow.yaml:3:37: the default does not satisfy the schema: /n/1: wants \"integer\", is string; correct the default or the schema\n"},
    {"A7 a cap is a number, or a map with one",
     "reeve: 1\nconcurrency: {default: 0, tags: {net: {max: 2, scope: hosts}, disk: []}}\nnodes: {a: {run: [x]}}\n",
     "flow.yaml:2:24: `default` wants auto or a whole number of at least 1, not `0`\n"
     "flow.yaml:2:55: `scope` wants root or host, not `hosts`; did you mean `host`?\n"
     "flow.yaml:2:69: `disk` wants a whole number of at least 1, or a map such as {max: 2, scope: host}, not a list\n"},
};

static void wrong_file(void **state)
{
    const wrong *w = *state;
    loaded l = w->is_json ? load_json(w->source) : load_yaml(w->source);
    assert_null(l.spec);
    if (w->expected) assert_str(rv_buf_str(&l.text), w->expected);
    else assert_true(l.problems.error_count > 0);
    loaded_free(&l);
}

static void problems__caret_stands_under_the_column(void **state)
{
    const char *source = "reeve: 1\nnodes:\n  \xc3\xa4\xe4\xb8\xad: {run: [x]}\n";
    loaded l = load_yaml(source);
    rv_buf text = {0};
    rv_problems_text(&text, &l.problems, rv_str_of(source), true, false);
    assert_str(rv_buf_str(&text),
               "flow.yaml:3:3: `\xc3\xa4\xe4\xb8\xad` is not a name; use A-Z a-z 0-9 _ -, a letter or digit first, at most 64\n"
               "      \xc3\xa4\xe4\xb8\xad: {run: [x]}\n      ^\n");
    rv_buf_deinit(&text);
    loaded_free(&l);
}

static void problems__columns_count_characters_not_bytes(void **state)
{
    loaded l = load_yaml("reeve: 1\nnodes: {a: {run: [\"\xc3\xa4\xc3\xb6\xc3\xbc\", \"${b.x}\"]}}\n");
    assert_str(rv_buf_str(&l.text),
               "flow.yaml:2:27: `b.x`: there is no node `b`; values are those of user, env, run, attempt and of nodes\n");
    loaded_free(&l);
}

static void problems__json_names_what_and_cure(void **state)
{
    loaded l = load_yaml("nodes: {a: {run: [x], need: []}}\n");
    rv_buf text = {0};
    rv_json_writer w;
    rv_json_writer_init(&w, &text, 0);
    rv_problems_json(&w, &l.problems);
    assert_str(rv_buf_str(&text), "[{\"file\":\"flow.yaml\",\"line\":1,\"column\":1,\"severity\":\"warning\",\"what\":\"the file "
                                  "does not say which version of the "
                                  "format it is in\",\"cure\":\"add `reeve: "
                                  "1`\"},{\"file\":\"flow.yaml\",\"line\":1,\"column\":23,\"severity\":\"error\",\"what\":"
                                  "\"unknown key `need` in a node\",\"cure\":\"did you mean `needs`?\"}]");
    rv_buf_deinit(&text);
    loaded_free(&l);
}

static void problems__depth_64_is_the_most(void **state)
{
    for (int depth = 60; depth <= 66; depth++) {
        rv_buf source = {0};
        rv_buf_cstring(&source, "{\"reeve\":1,\"nodes\":{\"a\":{\"run\":[\"x\"],\"metadata\":");
        for (int i = 3; i < depth; i++) rv_buf_byte(&source, '[');
        for (int i = 3; i < depth; i++) rv_buf_byte(&source, ']');
        rv_buf_cstring(&source, "}}}");
        for (int is_json = 0; is_json < 2; is_json++) {
            loaded l = is_json ? load_json(source.at) : load_yaml(source.at);
            assert_int_equal(l.spec != NULL, depth <= 64);
            loaded_free(&l);
        }
        rv_buf_deinit(&source);
    }
}

static void problems__an_alias_bomb_is_refused(void **state)
{
    rv_buf source = {0};
    rv_buf_cstring(&source, "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for (int i = 1; i < 12; i++) {
        rv_buf_printf(&source, "a%d: &a%d [", i, i);
        for (int k = 0; k < 10; k++) rv_buf_printf(&source, "%s*a%d", k ? "," : "", i - 1);
        rv_buf_cstring(&source, "]\n");
    }
    loaded l = load_yaml(source.at);
    assert_null(l.spec);
    assert_non_null(strstr(l.text.at, "the aliases of this file expand to more than 1,000,000 values"));
    loaded_free(&l);
    rv_buf_deinit(&source);
}

static void problems__list_ends_at_its_maximum(void **state)
{
    rv_buf source = {0};
    rv_buf_cstring(&source, "reeve: 1\nnodes:\n");
    for (int i = 0; i < 10100; i++) rv_buf_printf(&source, "  n%d: {rum: [x]}\n", i);
    loaded l = load_yaml(source.at);
    assert_null(l.spec);
    assert_int_equal(l.problems.error_count, 20200);
    assert_int_equal(l.problems.list.count, 10001);
    assert_non_null(strstr(l.text.at, "there are more problems than are listed"));
    loaded_free(&l);
    rv_buf_deinit(&source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(problems__caret_stands_under_the_column), cmocka_unit_test(problems__columns_count_characters_not_bytes),
        cmocka_unit_test(problems__json_names_what_and_cure),      cmocka_unit_test(problems__depth_64_is_the_most),
        cmocka_unit_test(problems__an_alias_bomb_is_refused),      cmocka_unit_test(problems__list_ends_at_its_maximum),
    };
    struct CMUnitTest wrongs[RV_COUNT(table)];
    for (size_t i = 0; i < RV_COUNT(table); i++)
        wrongs[i] =
            (struct CMUnitTest){.name = table[i].claim, .test_func = wrong_file, .initial_state = (void *)(uintptr_t)&table[i]};
    int failed = _cmocka_run_group_tests("wrong files", wrongs, RV_COUNT(wrongs), NULL, NULL);
    return failed + cmocka_run_group_tests_name("problems", tests, NULL, NULL);
}
