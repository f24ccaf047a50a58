#!/usr/bin/env python3
"""same_journal.py REEVE EMBEDDED AGENT: the same workflow through `reeve run`, libreeve and `reeve kernel` gives the same journal under the
same completions, clock and ids.

A run is made with `reeve run`, and one with libreeve; of each the inputs are taken from its journal, as docs/journal.md has it, and
given to `reeve kernel` at the same times. Every event that comes out has the same bytes, in the same order. What may differ: where
rows begin, and so the facts `clock`, which only tell a row's second time. The two runs are then compared with each other:
they differ in ids, seed, times and pids, and in nothing else."""
import base64, json, os, shutil, subprocess, sys, tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from rows import rows_of  # noqa: E402
from journal_rows import events_of, varint
from kernel_host import Kernel

reeve, embedded, AGENT = (os.path.abspath(word) for word in sys.argv[1:4])
work = tempfile.mkdtemp(prefix="reeve-journal-")
os.chdir(work)
os.environ.pop("REEVE_STORE", None)
failures = 0

WORKFLOW = {"reeve": 1, "name": "same", "params": {"who": {"type": "string", "default": "Ada"}},
            "nodes": {"a": {"run": [AGENT, "told", '{"k":"v","n":[1,2.5,null,true,"\u00fc \\"q\\""]}']},
                      "flaky": {"run": [AGENT, "x", "", "3"], "needs": ["a"], "retry": {"max_attempts": 2, "on": [3]}},
                      "fails": {"run": [AGENT, "no", "", "7"], "needs": ["flaky"]},
                      "after": {"run": [AGENT, "never", ""], "needs": ["fails"]},
                      "missing": {"run": [AGENT, "${a.z}", ""], "needs": ["flaky"], "after": ["fails"]},
                      "calc": {"set": {"sum": "${a.k} == 'v'"}, "needs": ["a"], "after": ["missing"]},
                      "cond": {"run": [AGENT, "${calc.sum}", ""], "needs": ["calc"], "when": "${flaky.stdout} == 'x'"},
                      "skipped": {"run": [AGENT, "never", ""], "needs": ["cond"], "when": "${a.k} == 'w'"},
                      "all": {"reduce": {"reducer": "concat", "of": ["a", "cond"]}, "needs": ["a", "cond"], "after": ["skipped"]},
                      "last": {"run": [AGENT, "${all.value} ${user.who}", ""], "needs": ["all"]}},
            "on": {"failure": {"run": [AGENT, "handled", ""]}}}
ASKING = {"reeve": 1, "name": "asking",
          "nodes": {"q": {"input": {"question": "How many?", "schema": {"type": "integer"}}},
                    "r": {"approve": {"message": "${q.value}, really?"}, "needs": ["q"]},
                    "w": {"wait": {"for": "20ms"}, "needs": ["r"]},
                    "z": {"run": [AGENT, "${r.by}", ""], "needs": ["w"]}}}

# Every kind that holds other nodes, and what a run can be given while it runs. `plan` is a command: it submits, signals and steers.
# Never are two nodes ready at a time: which of them ends first would be the processes' affair.
PLAN = os.path.join(work, "plan")
open(PLAN, "w").write('#!/bin/sh\n%s submit "$1" && %s signal "$REEVE_RUN" go \'{"n":1}\' --store "$STORE" >/dev/null && '
                      '%s steer "$REEVE_RUN" reads "mind the gap" --store "$STORE" >/dev/null\n' % ((reeve,) * 3))
os.chmod(PLAN, 0o755)
MORE = {"params": {"town": {"default": "Oslo"}},
        "nodes": {"more": {"run": [AGENT, "${list.stdout} ${user.town}", ""], "needs": ["own"]},
                  "own": {"foreach": {"items": ["m", "n"], "max_parallel": 1, "do": {"run": [AGENT, "${item}", ""]}},
                          "needs": ["list"], "after": ["reads"]}}}
GROWN = {"reeve": 1, "name": "grown",
         "nodes": {"list": {"run": [AGENT, '["x","y","z"]', ""]},
                   "each": {"needs": ["list"], "foreach": {"items": "${list.stdout}", "max_parallel": 1, "join": "all_settled", "do": {
                       "nodes": {
                       "one": {"run": [AGENT, "${item}", '{"v":"${item}"}']},
                       "two": {"run": [AGENT, "${one.v}${index}", ""], "needs": ["one"], "when": "${index} != 1"}}}}},
                   "race": {"needs": ["each"], "foreach": {
                       "items": [1, 2, 3], "max_parallel": 1, "join": "any", "do": {"run": [AGENT, "${item}", ""]}}},
                   "bad": {"needs": ["race"], "foreach": {"items": [4, 5], "max_parallel": 1, "do": {"run": [AGENT, "no", "", "${item}"]}}},
                   "sort": {"after": ["bad"], "classify": {"by": {"run": [AGENT, "", '{"branch":"left"}']},
                                                            "branches": {"left": ["l"], "right": ["r"]}}},
                   "l": {"run": [AGENT, "${sort.branch}", ""], "needs": ["sort"]}, "r": {"run": [AGENT, "never", ""], "needs": ["sort"]},
                   "try": {"needs": ["l"], "loop": {
                       "max": 3, "until": "${iteration} >= 2", "body": {"run": [AGENT, "${iteration}", '{"n":1}']}}},
                   "cup": {"needs": ["try"], "tournament": {"entrants": ["l", "list", {"run": [AGENT, "c", '{"w":3}']}],
                                                            "judge": {"run": [AGENT, "${left.stdout}", '{"winner":"right"}']}}},
                   "sub": {"needs": ["cup"], "workflow": {"params": {"who": "${cup.winner}"}, "definition": {
                       "params": {"who": {"type": "string"}}, "result": {"said": "${a.stdout}"},
                       "nodes": {"a": {"run": [AGENT, "I am ${user.who}", ""]}}}}},
                   "draft": {"needs": ["sub"], "run": [AGENT, "${sub.said} ${feedback.n:-none}", '{"n":1}']},
                   "check": {"needs": ["draft"], "run": [AGENT, "${draft.n}", '{"n":2}'],
                             "revise": {"target": "draft", "when": "${check.n} == 2", "max": 2, "at_max": "fail"}},
                   "plan": {"run": [PLAN, "more.json"], "after": ["check"]},
                   "hear": {"wait": {"event": "go"}, "needs": ["plan"]},
                   "reads": {"run": [AGENT, "${hear.n}", ""], "needs": ["hear"]}}}
# What an attempt of a program's asks the gate for: a command cannot.
GATED = {"reeve": 1, "name": "gated", "quota": {"writes": {"max": 1, "per": "1h"}},
         "nodes": {"a": {"run": [AGENT, 'ask tool git {"permission":"ask"}|tool git {"rate":{"max":1,"window_ms":60000}}|tool rm {}|'
                                        'memory_write m {}|memory_write n {}|artifact_read x {"is_audited":false}', ""],
                         "capabilities": ["git"]},
                   "b": {"run": [AGENT, 'ask tool git {"rate":{"max":1,"window_ms":60000}}|memory_write m {}', ""], "needs": ["a"]}}}
# Judges who see their sides exchanged say the same side: each match is split, and the seed draws.
DRAWN = {"reeve": 1, "name": "drawn",
         "nodes": {"cup": {"tournament": {"entrants": [{"run": [AGENT, str(n), ""]} for n in range(5)], "swap": True,
                                          "judge": {"run": [AGENT, "${left.stdout} ${right.stdout}", '{"winner":"left"}']}}},
                   "swiss": {"needs": ["cup"], "tournament": {"entrants": [{"run": [AGENT, str(n), ""]} for n in range(5)], "swiss": 3,
                                                              "judge": {"run": [AGENT, "", '{"winner":"left"}']}}}}}


def claim(text, holds, detail=""):
    global failures
    print(("ok " if holds else "not ok ") + text + ("" if holds else "\n# " + str(detail)), flush=True)
    failures += not holds


def call(*words, status=0):
    end = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert end.returncode == status, (words, end.returncode, end.stdout[-600:], end.stderr[-600:])
    return end.stdout


def rows_in(store, query):
    """Of a store that is closed, and so has nothing in its log."""
    found = rows_of(store, query, has_bytes=True)
    assert found is not None, store
    return found


def latest(store):
    return rows_in(store, "select id from run order by created_ms desc limit 1")[0][0]


def journal(store, run):
    """Rows as `reeve kernel` gives them, without `values`."""
    found = rows_in(store, "select first_seq, event_count, wall_ms, engine_ms, body from journal where stream = 'run/%s' "
                           "order by first_seq" % run)
    return [{"first_seq": seq, "event_count": count, "now": {"wall_ms": wall, "engine_ms": engine},
             "body": base64.b64encode(body).decode()} for seq, count, wall, engine, body in found]


def events(rows):
    """(name, is input, fields, bytes, time) of all rows; clocks are times, not events."""
    for row in rows:
        now = row["now"]
        for name, is_input, fields, data in events_of(base64.b64decode(row["body"])):
            if name == "clock":
                now = {"wall_ms": fields["seed"], "engine_ms": fields["due_ms"]}
            else:
                yield name, is_input, fields, data, now


def outputs_of(store, run):
    """What each attempt printed on stdout, by its node's index and its epoch: the engine has it in its log, read by docs/logs.md alone."""
    with open(os.path.join(store, "logs", run + ".log"), "rb") as file:
        data = file.read()
    assert data.startswith(b"\x89RVLOG\n\0\1\0\0\0"), data[:24]
    found, at = {}, 24
    while at < len(data):
        size = int.from_bytes(data[at:at + 4], "little")
        body = data[at + 8:at + 8 + size]
        node, inside = varint(body, 0)
        epoch, inside = varint(body, inside)
        flags, inside = body[inside], inside + 1
        for _ in "wall", "back":
            _, inside = varint(body, inside)
        assert flags in (1, 2), "nothing is cut"
        if flags == 1:
            found[node, epoch] = found.get((node, epoch), "") + body[inside:].decode()
        at += size + 12
    return found


WHO = os.environ["USER"] = "ada"  # by whom `reeve signal` says it is
LOST = {"was_started": 1, "stopped": 2, "never_started": 4}


def node_of(fields, kernel):
    """The node that an event is of: they are numbered as they come to be, so what is known of them is asked when one is new."""
    if fields["node"] > len(kernel.nodes):
        kernel.nodes = kernel.state()["nodes"]
    return kernel.nodes[fields["node"] - 1]


def members_of(name, fields, words, kernel):
    """An input as a host gives it. words: the same event as JSON, for its names."""
    text = {key: value.decode() for key, value in fields.items() if isinstance(value, bytes)}
    given = {key: fields[key] for key in ("epoch", "pid", "pid_start", "exit_status", "signal") if key in fields}
    if "node" in fields:
        given["node"] = node_of(fields, kernel)["node"]
    given.update({key: words[key] for key in ("state", "detail") if key in words})
    if name == "lost":
        given.update({flag: True for flag, bit in LOST.items() if fields["flags"] & bit})
    if name == "decided":
        value = json.loads(text["value"])
        given.update(key=text["key"], by=value["by"], digest=text["text"])
    elif name == "submit":
        given.update(key=text["key"], value=json.loads(text["value"]))
    elif name == "ask":
        value = json.loads(text["value"])
        given.update(key=text["key"], value={key: value[key] for key in value if key not in ("recent", "oldest_ms")})  # the kernel counts
    elif name == "answer":
        given.update(key=text["key"], by=text["text"], value=json.loads(text["value"])["value"])
    else:
        given.update({key: text[key] for key in ("output", "text") if text.get(key)})
        given.update({"key": text["key"]} if name in ("signal", "steer") else {})
        given.update({"value": json.loads(text["value"])} if text.get("value") else {})
    return given


def through_kernel(workflow, rows, outputs):
    """The events that `reeve kernel` gives for the inputs of these rows."""
    flat = list(events(rows))
    load = flat[0]
    out = []
    with Kernel(reeve) as kernel:
        kernel.nodes = []

        def give(now, event):
            answer = kernel.ask(now=now, event=event)
            out.extend([answer["journal"]] if "journal" in answer else [])

        give(load[4], {"type": "load", "run": load[2]["key"].decode(), "seed": load[2]["seed"], "workflow": workflow})
        named = [event for row in rows for event in kernel.ask(journal=row)["events"] if event["type"] != "clock"]
        for (name, is_input, fields, data, now), words in list(zip(flat, named))[1:]:
            if not is_input:
                continue
            given = members_of(name, fields, words, kernel)
            if name == "completed" and node_of(fields, kernel)["kind"] == "reduce":
                continue  # Reeve's own reducers are carried out within the step that asked for them
            if name == "completed" and words["state"] == "error" and words.get("detail") == "value":
                continue  # likewise an attempt that a missing value made impossible
            if name == "completed":
                given.setdefault("output", outputs.get((fields["node"] - 1, fields["epoch"]), ""))
            give(now, {"type": name, **given})
    return list(events(out))


def first_difference(ours, theirs):
    for index, (a, b) in enumerate(zip(ours, theirs)):
        if a[3] != b[3]:
            return "event %d: %s %s, the kernel: %s %s" % (index, a[0], a[2], b[0], b[2])
    return "" if len(ours) == len(theirs) else "%d events, the kernel: %d; next: %s" % (len(ours), len(theirs),
                                                                                    (ours + theirs)[min(len(ours), len(theirs))][:3])


def essence(flat):
    """What two runs with the same completions have in common: all but ids, seed, pids and times."""
    return [(name, {key: value for key, value in fields.items()
                    if key not in ("pid", "pid_start", "seed", "due_ms") and not (name == "load" and key == "key")})
            for name, _, fields, _, _ in flat]


def three_ways(file, workflow, is_whole):
    """The file with `reeve run`, with libreeve, and with an executor of a program's; each against `reeve kernel`, then with each other."""
    flats = []
    for how, extra in (("reeve run", None), ("libreeve", []), ("libreeve with an executor of the program's", [WHO])):
        store = os.environ["STORE"] = os.path.join(work, "%s.%d" % (file, len(flats)))
        if extra is None:
            call(reeve, "run", file, "-j", "1", "--store", store, "--output", "quiet", status=1)
            run = latest(store)
        else:
            run = call(embedded, store, file, *extra).strip()
        rows = journal(store, run)
        ours, theirs = list(events(rows)), through_kernel(workflow, rows, outputs_of(store, run))
        wrong = first_difference(ours, theirs)
        whole = len(ours) > 60 and is_whole({event[0] for event in ours})
        claim("%s: %s: %d events, byte for byte those of `reeve kernel`" % (file, how, len(ours)), whole and not wrong, wrong)
        call(reeve, "verify", run, "--store", store)
        flats.append(essence(ours))
    for a, b, text in ((0, 1, "reeve run and libreeve: the same journal but for ids, seed, pids and times"),
                       (1, 2, "commands and an executor that gives the same: the same journal")):
        differs = next((pair for pair in zip(flats[a], flats[b]) if pair[0] != pair[1]), "lengths")
        claim("%s: %s" % (file, text), flats[a] == flats[b], differs)


try:
    json.dump(WORKFLOW, open("flow.json", "w"))
    json.dump(ASKING, open("asking.json", "w"))
    json.dump(GROWN, open("grown.json", "w"))
    json.dump(DRAWN, open("drawn.json", "w"))
    json.dump(MORE, open("more.json", "w"))
    three_ways("flow.json", WORKFLOW, lambda names: "attempt_state" in names)
    three_ways("grown.json", GROWN, lambda names: {"grew", "match", "revised", "submit", "signal", "signal_kept", "steer"} <= names)
    call(reeve, "run", "asking.json", "--store", "two", "--no-wait", "--output", "quiet", status=76)
    call(reeve, "answer", "latest", "q", "25", "--store", "two")
    call(reeve, "run", "asking.json", "--store", "two", "--resume", "--no-wait", "--output", "quiet", status=76)
    call(reeve, "approve", "latest", "r", "--store", "two")
    call(reeve, "run", "asking.json", "--store", "two", "--resume", "--output", "quiet")
    rows = journal("two", latest("two"))
    ours, theirs = list(events(rows)), through_kernel(ASKING, rows, {})
    wrong = first_difference(ours, theirs)
    claim("questions, decisions for what was shown, a wait and two resumes: %d events, the same" % len(ours),
          not wrong and len(ours) > 20, wrong)

    json.dump(GATED, open("gated.json", "w"))
    run = call(embedded, "gates", "gated.json", WHO).strip()
    rows = journal("gates", run)
    ours, theirs = list(events(rows)), through_kernel(GATED, rows, {})
    wrong = first_difference(ours, theirs)
    claim("what attempts ask the gate for, through libreeve: %d events, the same" % len(ours),
          not wrong and [event[0] for event in ours].count("ask") == 8 and "gate" in {event[0] for event in ours}, wrong)
    call(reeve, "verify", run, "--store", "gates")

    call(reeve, "run", "drawn.json", "-j", "1", "--store", "four", "--output", "quiet")
    rows = journal("four", latest("four"))
    ours, theirs = list(events(rows)), through_kernel(DRAWN, rows, outputs_of("four", latest("four")))
    wrong = first_difference(ours, theirs)
    claim("matches that the seed draws: %d events, the same" % len(ours),
          not wrong and any(event[0] == "match" and event[2]["flags"] for event in ours), wrong)
finally:
    os.chdir("/")
    shutil.rmtree(work, ignore_errors=True)
sys.exit(1 if failures else 0)
