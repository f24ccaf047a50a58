#!/usr/bin/env python3
"""kernel.py REEVE: the kernel for hosts through `reeve kernel` [K41, K42, K70, K71]: what goes in, what comes out, what is refused."""
import base64, os, re, sys, traceback

from kernel_host import DOCUMENT, SHAPES, Kernel, Refused

reeve = os.path.abspath(sys.argv[1])
failures = 0


def claim(text, body):
    """Run `body` with a kernel of its own; it asserts."""
    global failures
    try:
        with Kernel(reeve) as kernel:
            body(kernel)
        print("ok " + text, flush=True)
    except Exception:
        failures += 1
        print("not ok " + text + "\n# " + traceback.format_exc().replace("\n", "\n# "), flush=True)


def workflow(**nodes):
    return {"reeve": 1, "name": "t", "nodes": nodes}


def refusal(status, call, *words, **members):
    try:
        call(*words, **members)
    except Refused as refused:
        assert refused.status == status, refused
        return refused
    raise AssertionError("not refused: %s %s" % (words, members))


# ---- what comes out ----

FULL = {"reeve": 1, "name": "full", "params": {"who": {"type": "string"}, "token": {"type": "string", "secret": True}},
        "env": {"LANG": "C"}, "concurrency": {"tags": {"net": 2}},
        "nodes": {"a": {"run": ["true"], "priority": 5},
                  "b": {"shell": "echo \"$X\"", "needs": ["a"], "env": {"X": "${user.who}/${a.n}", "T": "${user.token}"}, "dir": "sub",
                        "tags": ["net"], "timeout": "10s", "timeout_total": "1m", "delivery": "at_most_once", "leave": True,
                        "outputs": ["out.txt"], "output_schema": {"type": "object", "required": ["k"]}}}}


def descriptor(kernel):
    kernel.load(FULL, vars={"who": "Ada", "token": "s3cret-t0ken"}, slots=1, seed=3)
    assert kernel.spawned() == {"a": {"run": "r1", "node": "a", "kind": "run", "epoch": 1, "number": 1, "key": "r1/a/1", "argv": ["true"],
                                      "env": {"LANG": "C"}}}, kernel.spawned()
    kernel.event("completed", node="a", epoch=1, value={"n": 7})
    assert kernel.spawned()["b"] == {
        "run": "r1", "node": "b", "kind": "shell", "epoch": 2, "number": 1, "key": "r1/b/2", "argv": ["sh", "-c", "echo \"$X\""],
        "env": {"LANG": "C", "X": "Ada/7", "T": "s3cret-t0ken"}, "dir": "sub", "timeout_ms": 10000, "deadline_ms": kernel.now + 60000,
        "at_most_once": True, "leave": True, "inputs": ["a"], "output_schema": {"type": "object", "required": ["k"]},
        "more": {"delivery": "at_most_once", "outputs": ["out.txt"], "tags": ["net"]}}, kernel.spawned()


def documented(kernel):
    journal = open(os.path.join(os.path.dirname(DOCUMENT), "journal.md"), encoding="utf-8").read()
    inputs = re.findall(r"(?m)^\| \d+ \| (\w+) \| input \|", journal)
    text = open(DOCUMENT, encoding="utf-8").read()
    missing = [name for name in inputs if "\n## event %s\n" % name not in text]
    assert len(inputs) >= 14 and not missing, missing
    effects = re.search(r"generated: effects -->\n(.*)\n", open(os.path.join(os.path.dirname(DOCUMENT), "kernel.md")).read()).group(1)
    missing = [name for name in re.findall(r"`(\w+)`", effects) if "effect " + name not in SHAPES]
    assert not missing, missing


def terminations(kernel):
    rows = re.findall(r"(?m)^\| (\w+) \| (ok|partial|timeout|cancelled|error) \| ([\w, ]*)\|$", open(DOCUMENT, encoding="utf-8").read())
    assert len(rows) == 7, rows
    settled = {"ok": "succeeded", "partial": "partial", "timeout": "failed", "error": "failed", "cancelled": "ready"}
    kernel.load(workflow(**{name: {"run": ["true"]} for name, _, _ in rows}), slots=20)
    for number, (name, state, _) in enumerate(rows):
        kernel.event("completed", node=name, epoch=number + 1, termination=name)
        found = kernel.node(name)
        if state == "cancelled":  # nobody had called the run off: it may be tried again, and is at once, for there are slots
            assert found["state"] == "running" and found["number"] == 2, found
        else:
            assert found["state"] == settled[state], (name, found)


def reports(kernel):
    kernel.load(workflow(a={"run": ["true"]}, b={"run": ["echo", "${a.branch}", "${a.cost_usd}", "${a.tokens_in}"], "needs": ["a"]}),
                slots=1)
    refusal("INVALID", kernel.event, "completed", node="a", epoch=1, value=[1], branch="left")
    kernel.event("completed", node="a", epoch=1, value={"k": 1, "branch": "old"}, branch="left", cost_usd=0.25, tokens_in=12, turns=3,
                 **{"continue": False}, winner="right", tokens_out=0, tokens_cached=4)
    assert kernel.spawned()["b"]["argv"] == ["echo", "left", "0.25", "12"], kernel.spawned()
    assert kernel.node("a")["result"] == {"k": 1, "turns": 3, "tokens_in": 12, "tokens_out": 0, "tokens_cached": 4, "cost_usd": 0.25,
                                          "continue": False, "branch": "left", "winner": "right"}


def schema(kernel):
    kernel.load(workflow(a={"run": ["true"], "output_schema": {"type": "object", "required": ["k"]}, "retry": {"max_attempts": 2}}),
                slots=1)
    kernel.event("completed", node="a", epoch=1, value={"n": 1})
    again = kernel.spawned()["a"]
    assert again["number"] == 2 and again["epoch"] == 2 and "`k`" in again["feedback"].replace('"', "`"), again
    kernel.event("completed", node="a", epoch=2, value={"k": 1})
    assert kernel.effect("run_ended")["state"] == "ok"


def outputs(kernel):
    kernel.load(workflow(a={"run": ["true"]},
                         b={"run": ["cat", "${a.stdout}", "${a.stderr}", "${a.artifact.f}", "${a.exit_code}"], "needs": ["a"]},
                         c={"run": ["true"], "needs": ["a"], "when": "${a.stdout} == 'yes'"}), slots=2)
    refusal("LIMIT", kernel.event, "completed", node="a", epoch=1, output="x" * ((1 << 20) + 1))
    kernel.event("completed", node="a", epoch=1, exit_status=0, output="yes\n\n", error_output="warn\n", artifacts={"f": "/tmp/f"})
    assert kernel.spawned()["b"]["argv"] == ["cat", "yes", "warn", "/tmp/f", "0"] and "c" in kernel.spawned(), kernel.spawned()


def missing_value(kernel):
    kernel.load(workflow(a={"run": ["true"]}, b={"run": ["echo", "${a.n}"], "needs": ["a"]}, c={"run": ["true"], "needs": ["b"]}), slots=1)
    kernel.event("completed", node="a", epoch=1, value={"m": 1})
    assert kernel.spawned() == {} and kernel.effect("run_ended")["state"] == "error", kernel.effects
    b, c = kernel.node("b"), kernel.node("c")
    assert b["state"] == "failed" and b["detail"] == "value" and "a.n" in b["error"], b
    assert c["state"] == "skipped" and c["root"] == "b", c


# ---- who admits ----

def host_admits(kernel):
    kernel.load(workflow(a={"run": ["true"]}, b={"run": ["true"], "priority": 9}, c={"run": ["true"], "needs": ["a"]}))
    assert kernel.effects == [] and kernel.state()["ready"] == ["b", "a"], kernel.state()
    kernel.event("admitted", node="a")
    assert list(kernel.spawned()) == ["a"] and kernel.state()["ready"] == ["b"]
    refusal("CONFLICT", kernel.event, "admitted", node="a")
    refusal("CONFLICT", kernel.event, "admitted", node="c")


def slots_and_tags(kernel):
    nodes = {"n%d" % i: {"run": ["true"], "tags": ["net"] if i < 3 else []} for i in range(6)}
    kernel.load({"reeve": 1, "name": "t", "concurrency": {"tags": {"net": 1}}, "nodes": nodes}, slots=3)
    assert list(kernel.spawned()) == ["n0", "n3", "n4"], kernel.spawned()
    kernel.event("completed", node="n3", epoch=2)
    assert list(kernel.spawned()) == ["n5"], kernel.spawned()
    kernel.event("completed", node="n0", epoch=1)
    assert list(kernel.spawned()) == ["n1"], kernel.spawned()


# ---- people, time ----

def questions(kernel):
    kernel.load(workflow(w={"input": {"question": "How many?", "schema": {"type": "integer"}}},
                         r={"approve": {"message": "${w.value}?"}, "needs": ["w"]},
                         t={"run": ["echo", "${r.decision}", "${r.by}"], "needs": ["r"]}), slots=1)
    park = kernel.effect("park")
    assert park["detail"] == "input" and park["key"] == "w" and park["payload"]["question"] == "How many?", park
    refusal("INVALID", kernel.event, "answer", node="w", value="many")
    kernel.event("answer", node="w", value=25, by="Ada")
    park = kernel.effect("park")
    assert park["payload"] == {"message": "25?"} and park["digest"].startswith("sha256:"), park
    refusal("CONFLICT", kernel.event, "decided", node="r", state="approve", digest="sha256:" + "0" * 64)
    refusal("CONFLICT", kernel.event, "decided", node="r", state="done")
    refusal("INVALID", kernel.event, "decided", node="r", state="perhaps")
    refusal("INVALID", kernel.event, "decided", node="r")
    kernel.event("decided", key="r", state="approve", by="Grace", digest=park["digest"])
    assert kernel.effects[0] == {"type": "resumed", "node": "r", "detail": "approval"}
    assert kernel.spawned()["t"]["argv"] == ["echo", "approved", "Grace"], kernel.spawned()
    assert kernel.event("decided", node="r", state="reject")["answer"] == "stale"


def timers(kernel):
    kernel.load(workflow(w={"wait": {"for": "5s"}}))
    due_ms = kernel.effect("arm_timer")["due_ms"]
    assert due_ms == kernel.now + 5000 == kernel.state()["due_ms"]
    kernel.event("tick")
    assert kernel.node("w")["state"] == "waiting"
    kernel.event("tick", now=due_ms)
    assert kernel.effect("run_ended")["state"] == "ok"
    refusal("INVALID", kernel.event, "tick", now=due_ms - 1)


def events_from_outside(kernel):
    kernel.load(workflow(w={"wait": {"event": "go"}}, v={"needs": ["w"], "wait": {"event": "go"}},
                         e={"needs": ["v"], "run": ["echo", "${w.n}", "${v.n}"]}))
    park = kernel.effect("park")
    assert park["detail"] == "event" and park["key"] == "go" and "payload" not in park, park
    refusal("INVALID", kernel.event, "signal", key="no name")
    refusal("INVALID", kernel.event, "signal", value=1)
    refusal("INVALID", kernel.event, "signal", key="go", node="w")
    kernel.event("signal", key="other", value={"n": 0})
    kernel.event("signal", key="go", value={"n": 1}, text="Ada")
    assert kernel.effects[0] == {"type": "resumed", "node": "w", "detail": "event"}, kernel.effects
    assert kernel.node("v")["state"] == "waiting"
    kernel.event("signal", key="go", value={"n": 2})
    assert kernel.node("v")["state"] == "succeeded"


INTERRUPTED = workflow(a={"run": ["true"]}, b={"run": ["true"], "needs": ["a"]})


def submissions(kernel):
    kernel.load(workflow(plan={"run": ["plan"]}, fetch={"run": ["fetch"]}), slots=2)
    more = {"nodes": {"b": {"run": ["b"], "needs": ["a", "fetch"]}, "a": {"run": ["a"]}}}
    refusal("INVALID", kernel.event, "submit", node="plan", epoch=1, key="k", value={"nodes": {"fetch": {"run": ["x"]}}})
    refusal("INVALID", kernel.event, "submit", node="plan", epoch=1, key="no key", value=more)
    kernel.event("submit", node="plan", epoch=1, key="k", value=more)
    assert kernel.node("a")["state"] == "ready" and kernel.node("b")["state"] == "pending"
    kernel.event("lost", node="plan", epoch=1, was_started=True)
    epoch = kernel.spawned()["plan"]["epoch"]
    refusal("CONFLICT", kernel.event, "submit", node="plan", epoch=epoch, key="k", value={"nodes": {"c": {"run": ["x"]}}})
    kernel.event("submit", node="plan", epoch=epoch, key="k", value=more)
    kernel.event("completed", node="plan", epoch=epoch)
    assert kernel.spawned()["a"]["argv"] == ["a"]
    assert kernel.event("submit", node="plan", epoch=epoch, key="l", value={"nodes": {"d": {"run": ["x"]}}})["answer"] == "stale"


def directives(kernel):
    kernel.load(workflow(a={"run": ["a"]}), slots=1)
    kernel.event("steer", node="a", text="shorter", key="Ada")
    steer = kernel.effect("steer")
    assert (steer["node"], steer["epoch"], steer["text"]) == ("a", 1, "shorter"), steer
    refusal("CONFLICT", kernel.event, "steer", node="a", key="Ada")


def interrupt(kernel):
    kernel.load(INTERRUPTED, slots=1)
    kernel.event("started", node="a", epoch=1, pid=77)
    kernel.event("interrupt", signal=15)
    assert kernel.effect("stop") == {"type": "stop", "node": "a", "epoch": 1, "detail": "signalled"}, kernel.effects
    kernel.event("completed", node="a", epoch=1, termination="user_abort")
    assert kernel.effect("run_ended")["state"] == "interrupted"
    kernel.event("resume")
    assert kernel.spawned()["a"]["epoch"] == 2
    with Kernel(reeve) as second:
        second.ask(replay={"workflow": INTERRUPTED, "slots": 1, "rows": kernel.rows[:1]})
        second.now = kernel.now
        second.event("resume", after_death=True)
        second.event("lost", node="a", epoch=1)
        assert second.spawned()["a"]["epoch"] > 65536, second.spawned()
    kernel.event("cancel", text="Ada")
    kernel.event("lost", node="a", epoch=2, stopped=True, never_started=True)
    assert kernel.effect("run_ended")["state"] == "cancelled"


# ---- reducers ----

def reducers(kernel):
    nodes = workflow(a={"run": ["true"]}, b={"run": ["true"]}, own={"reduce": {"reducer": "count", "of": ["a", "b"]}, "needs": ["a", "b"]},
                     sum={"reduce": {"reducer": "sum", "of": ["a", "b"]}, "needs": ["a", "b"]},
                     last={"run": ["echo", "${own.value}"], "needs": ["own"]})
    refused = refusal("INVALID", kernel.load, nodes)
    assert "reducer" in refused.answer["problems"][0]["what"], refused.answer
    refusal("INVALID", kernel.load, nodes, reducers=["count"])
    kernel.load(nodes, slots=2, reducers=["sum"])
    kernel.event("completed", node="a", epoch=1, value=4)
    kernel.event("completed", node="b", epoch=2, output="5\n")
    reduce = kernel.effect("reduce")
    assert kernel.node("own")["result"] == {"value": 2}
    assert reduce["reducer"] == "sum" and reduce["inputs"] == [{"node": "a", "state": "succeeded", "value": 4},
                                                             {"node": "b", "state": "succeeded", "value": "5"}], reduce
    kernel.event("completed", node="sum", epoch=reduce["epoch"], value={"value": 9})
    kernel.event("completed", node="last", epoch=kernel.node("last")["epoch"])
    assert kernel.effect("run_ended")["state"] == "ok"


# ---- refusals ----

MALFORMED = ['', '{', '[]', '1', '"v"', '{}', '{"v":1}', '{"v":2,"state":true}', '{"v":"1","state":true}', '{"v":1,"state":1}',
             '{"v":1,"state":true,"event":{"type":"tick"}}', '{"v":1,"state":{"nodes":[1]}}', '{"v":1,"nothing":1}',
             '{"v":1,"state":{"nodez":[]}}', '{"v":1,"event":{"type":"tick"}}', '{"v":1,"now":{},"event":{"type":"tick"}}',
             '{"v":1,"now":{"wall_ms":-1,"engine_ms":1},"event":{"type":"tick"}}',
             '{"v":1,"now":{"wall_ms":1,"engine_ms":9007199254740992},"event":{"type":"tick"}}', '{"v":1,"state":true}x', '\\u0000',
             '{"v":1,"v":1}', '{"v":1,"replay":{"rows":[]}}x',
             '{"v":1,"replay":{"rows":[{"first_seq":1,"event_count":1,"body":"A"}]}}', '{"v":1,"journal":{}}',
             '{"v":1,"journal":{"first_seq":1,"event_count":1,"body":"%"}}']
OF_A = {"type": "completed", "node": "a", "epoch": 1}
EVENTS = [{}, {"type": 1}, {"type": "nothing"}, {"type": "node_state", "node": "a"}, {"type": "completed"},
          {**OF_A, "node": "zz"}, {**OF_A, "node": "a\u0000"}, {**OF_A, "epoch": -1}, {**OF_A, "termination": "well"}, {**OF_A, "epohc": 1},
          {**OF_A, "state": "running"}, {**OF_A, "state": "lost"}, {**OF_A, "detail": "approval"}, {**OF_A, "detail": "what"},
          {**OF_A, "value": "x" * (1 << 20)}, {**OF_A, "cost_usd": -1}, {**OF_A, "continue": 1}, {**OF_A, "artifacts": {"f": 1}},
          {"type": "tick", "node": "a"}, {"type": "load", "run": "r2", "workflow": workflow(a={"run": ["true"]})},
          {"type": "admitted", "node": "a"}, {"type": "answer", "node": "a", "value": 1},
          {"type": "decided", "node": "a", "state": "approve"}, {"type": "resume", "signal": 1},
          {"type": "lost", "node": "a", "epoch": 1, "was_started": 1},
          {"type": "decided", "key": "zz", "state": "approve"}]


def refused_change_nothing(kernel):
    kernel.load(workflow(a={"run": ["true"]}, b={"run": ["true"], "needs": ["a"]}), slots=1)
    before = kernel.state()
    for text in MALFORMED[1:]:
        answer = kernel.line(text)
        assert "error" in answer and answer["error"]["text"], (text, answer)
        assert kernel.state() == before, text
    for event in EVENTS:
        try:
            kernel.event(event.get("type"), **{key: value for key, value in event.items() if key != "type"}) if event.get("type") else \
                kernel.ask(now={"wall_ms": kernel.now, "engine_ms": kernel.now}, event=event)
            raise AssertionError("taken: %s" % event)
        except Refused:
            assert kernel.state() == before, event
    assert "did you mean `epoch`" in refusal("INVALID", kernel.event, "completed", node="a", epohc=1).text


def nothing_loaded(kernel):
    refusal("CONFLICT", kernel.ask, state=True)
    refusal("CONFLICT", kernel.event, "tick")
    refusal("INVALID", kernel.event, "load", workflow=workflow(a={"run": ["true"]}))
    refusal("INVALID", kernel.event, "load", run="a b", workflow=workflow(a={"run": ["true"]}))
    refusal("CONFLICT", kernel.ask, state=True)
    refused = refusal("INVALID", kernel.load, workflow(a={"rnu": ["true"]}, b={"run": ["${user.x}"]}))
    assert len(refused.answer["problems"]) >= 2 and {"severity", "what", "cure"} <= set(refused.answer["problems"][0]), refused.answer
    refusal("INVALID", kernel.load, "reeve: 1\nnodes:\n  a: {run: [echo, file://secret]}\n  b: {shell: 'file://x'}\n")
    kernel.load("reeve: 1\nnodes:\n  a: {run: [echo, '${env.X}']}\n", env={"X": "from the host"}, slots=1)
    assert kernel.spawned()["a"]["argv"] == ["echo", "from the host"]


def stale(kernel):
    kernel.load(workflow(a={"run": ["false"], "retry": {"max_attempts": 2}}), slots=1)
    kernel.event("completed", node="a", epoch=1, exit_status=1)
    before = kernel.state()
    answer = kernel.event("completed", node="a", epoch=1, exit_status=0)
    assert answer["answer"] == "stale" and answer["effects"][0]["type"] == "note" and "nodes" not in answer, answer
    assert {**kernel.state(), "last_seq": 0} == {**before, "last_seq": 0}
    kernel.event("completed", node="a", epoch=2, exit_status=0)
    answer = kernel.event("completed", node="a", epoch=2, exit_status=0)
    assert answer == {"v": 1, "answer": "stale", "effects": []}, answer


# ---- the journal ----

REPLAYED = workflow(a={"run": ["true"]}, b={"run": ["echo", "${a.stdout}", "${a.k}", "${a.artifact.f}"], "needs": ["a"]},
                    r={"approve": {"message": "${a.stdout}?"}, "needs": ["a"]}, c={"run": ["echo", "${r.by}"], "needs": ["b", "r"]})


def replay(kernel):
    kernel.load(REPLAYED, slots=1, seed=5)
    kernel.event("started", node="a", epoch=1, pid=1)
    kernel.event("completed", node="a", epoch=1, value={"k": "v"}, output="told\n", artifacts={"f": "/x"})
    digest = kernel.effect("park")["digest"]
    kernel.event("started", node="b", epoch=2)
    before, rows = kernel.state(), kernel.rows
    for cut in (None, 2):  # at once, and in two lines
        with Kernel(reeve) as second:
            found = second.ask(replay={"workflow": REPLAYED, "slots": 1, "rows": rows[:cut]})["replayed"]
            if cut:
                found = second.ask(replay={"rows": rows[cut:]})["replayed"]
            assert [n["node"] for n in found["nodes"]] == ["b", "r"], found
            assert found["nodes"][1]["waits"]["payload"] == {"message": "told?"}, found
            assert found["last_seq"] == before["last_seq"] and second.state() == before, (second.state(), before)
            second.now = kernel.now
            second.event("resume")
            second.event("lost", node="b", epoch=2, was_started=True, text="the host is gone")
            assert "b" in second.spawned(), (second.effects, second.node("b"))
            again = second.spawned()["b"]
            assert again["epoch"] == 3 and again["argv"] == ["echo", "told", "v", "/x"], again
            refusal("CONFLICT", second.ask, replay={"rows": []})
            assert second.event("completed", node="b", epoch=2)["answer"] == "stale"
            second.event("completed", node="b", epoch=3)
            second.event("decided", node="r", state="approve", by="Ada", digest=digest)
            assert second.spawned()["c"]["argv"] == ["echo", "Ada"]


def damaged(kernel):
    kernel.load(REPLAYED, slots=1)
    kernel.event("completed", node="a", epoch=1)
    rows = kernel.rows
    body = bytearray(base64.b64decode(rows[1]["body"]))
    body[0] ^= 0x40
    for broken in (rows[1:], rows[:1] + rows[:1], rows[:1] + [{**rows[1], "body": base64.b64encode(bytes(body)).decode()}],
                   rows[:1] + [{**rows[1], "event_count": 99}]):
        with Kernel(reeve) as second:
            refusal("CORRUPT", second.ask, replay={"workflow": REPLAYED, "rows": broken})
            refusal("CONFLICT", second.ask, state=True)
            second.ask(replay={"workflow": REPLAYED, "rows": rows})
    with Kernel(reeve) as second:
        refusal("CORRUPT", second.ask, replay={"workflow": workflow(z={"run": ["true"]}), "rows": rows})


def events_of_a_row(kernel):
    row = kernel.load(workflow(a={"run": ["true"]}), slots=1)["journal"]
    events = kernel.ask(journal=row)["events"]
    assert [e["type"] for e in events] == ["load", "run_state", "node_state", "admitted", "attempt_state", "node_state"], events
    assert events[3]["node"] == "a"


def grown_nodes(kernel):
    flow = workflow(list={"run": ["list"]}, each={"needs": ["list"], "foreach": {"items": "${list.names}", "do": {"nodes": {
        "ok": {"approve": {"message": "${item}?"}}, "do": {"run": ["do", "${item}"], "needs": ["ok"]}}}}},
        try_={"needs": ["list"], "loop": {"max": 2, "body": {"wait": {"event": "go"}}}})
    kernel.load(flow, slots=2)
    kernel.event("completed", node="list", epoch=1, value={"names": ["x", "y"]})
    parked = [effect for effect in kernel.effects if effect["type"] == "park"]
    assert sorted(effect["node"] for effect in parked) == ["each[0].ok", "each[1].ok", "try_#1"], parked
    kernel.event("decided", node="each[0].ok", state="approve")
    assert kernel.spawned()["each[0].do"]["argv"] == ["do", "x"]
    named = [event for row in kernel.rows for event in kernel.ask(journal=row)["events"]]
    assert all(isinstance(event[member], str) for event in named for member in ("node", "root") if member in event), named
    assert {"each[0].do", "each[1].ok", "try_#1"} <= {event.get("node") for event in named}, named
    with Kernel(reeve) as second:
        replayed = second.ask(replay={"workflow": flow, "rows": kernel.rows})["replayed"]
        waits = {node["node"]: node.get("waits") for node in replayed["nodes"]}
        asked = [effect for effect in parked if effect["node"] == "each[1].ok"][0]
        assert waits["each[1].ok"] == asked and asked["payload"]["message"] == "y?", waits
        assert waits["try_#1"]["key"] == "go" and "each[0].do" in waits, waits
        second.ask(now={"wall_ms": kernel.now, "engine_ms": kernel.now}, event={"type": "decided", "key": "each[1].ok", "state": "approve",
                                                                               "digest": waits["each[1].ok"]["digest"]})


def secrets(kernel):
    kernel.load(FULL, vars={"who": "Ada", "token": "s3cret-t0ken"}, slots=1)
    kernel.event("completed", node="a", epoch=1, value={"n": "s3cret-t0ken!"}, output="s3cret-t0ken", text="no")
    assert kernel.spawned()["b"]["env"]["X"] == "Ada/***!", kernel.spawned()
    kernel.event("completed", node="b", epoch=2, exit_status=3, text="s3cret-t0ken is wrong")
    assert kernel.node("b")["error"] == "*** is wrong"
    for row in kernel.rows:
        assert b"s3cret" not in base64.b64decode(row["body"]) and "s3cret" not in str(row.get("values")), row
    asked = {**FULL, "nodes": {"q": {"input": {"question": "?"}}, "r": {"approve": {"message": "?"}},
                               "s": {"run": ["echo", "${q.value}", "${r.comment}"], "needs": ["q", "r"],
                                     "env": {"T": "${user.token}"}}}}
    with Kernel(reeve) as second:
        second.load(asked, vars={"who": "Ada", "token": "s3cret-t0ken"}, slots=1)
        second.event("answer", node="q", value=["s3cret-t0ken"])
        second.event("decided", node="r", state="approve", comment="it is s3cret-t0ken")
        assert second.spawned()["s"]["argv"] == ["echo", '["***"]', "it is ***"], second.spawned()
        assert "recorded as ***" in second.node("q")["result"]["note"] and "recorded as ***" in second.node("r")["result"]["note"]
        assert not any(b"s3cret" in base64.b64decode(row["body"]) for row in second.rows)
    with Kernel(reeve) as second:
        assert "token" in str(refusal("INVALID", second.ask, replay={"workflow": FULL, "vars": {"who": "Ada"}, "rows": kernel.rows}).answer)


def asking(kernel):
    flow = {**workflow(a={"run": ["x"], "capabilities": ["git", "fs.*"]}, b={"run": ["x"]}), "quota": {"writes": {"max": 2, "per": "1s"}}}
    kernel.load(flow, slots=2)

    def ask(what, key, node="a", now=None, **value):
        kernel.event("ask", now=now, node=node, epoch=kernel.node(node)["epoch"], state=what, key=key, value=value)
        return kernel.effect("gate")

    assert ask("tool", "fs.read")["state"] == "allow"
    refused = ask("tool", "curl")
    why = "curl is not among the node's capabilities"
    assert (refused["state"], refused["key"], refused["text"]) == ("deny", "capability", why), refused
    assert ask("tool", "curl", node="b")["state"] == "allow"
    assert ask("tool", "git", permission="ask")["state"] == "gate"
    rate = {"max": 1, "window_ms": 500}
    first = kernel.now + 1
    assert ask("tool", "git", node="b", rate=rate)["state"] == "allow"
    assert ask("tool", "git", rate=rate)["due_ms"] == first + 500  # of the whole run
    assert ask("tool", "git", now=first + 500, rate=rate)["state"] == "allow"
    writes = [ask("memory_write", "k")["state"] for _ in range(3)]
    assert writes == ["allow", "allow", "rate_limited"], writes
    events = [event for row in kernel.rows for event in kernel.ask(journal=row)["events"]]
    assert [(e["state"], e["key"]) for e in events if e["type"] == "gate"] == [
        ("deny", "capability"), ("gate", "permission"), ("rate_limited", "rate"), ("rate_limited", "rate")], events
    with Kernel(reeve) as second:
        second.ask(replay={"workflow": flow, "rows": kernel.rows})
        second.now = kernel.now
        second.event("ask", node="a", epoch=1, state="memory_write", key="k")
        assert second.effect("gate")["state"] == "rate_limited", "what was allowed counts after a replay"
        second.event("ask", now=kernel.now + 1000, node="a", epoch=1, state="memory_write", key="k")
        assert second.effect("gate")["state"] == "allow"
    refusal("INVALID", kernel.event, "ask", node="a", epoch=1, state="spawn", key="k")
    refusal("INVALID", kernel.event, "ask", node="a", epoch=1, state="tool", key="k", value={"recent": 0})
    refusal("INVALID", kernel.event, "ask", node="a", epoch=1, state="tool", key="k", value={"rate": {"max": 1}})
    refusal("INVALID", kernel.event, "ask", node="a", epoch=1, state="tool", key="k", value=[1])
    kernel.event("completed", node="a", epoch=1)
    assert kernel.event("ask", node="a", epoch=1, state="tool", key="git")["answer"] == "stale"


claim("an attempt asks before it uses a tool or writes memory; a refusal is recorded, rates count after a replay [K30, K32]", asking)
claim("a descriptor has what an executor needs, and absent fields are absent [K41]", descriptor)
claim("every event and every effect of the code is in the document [K71]", documented)
claim("each termination makes of the attempt what the document says [K42]", terminations)
claim("what an executor reports is part of the result", reports)
claim("a result that breaks its schema is tried again with what was wrong", schema)
claim("outputs and artifacts reach templates and conditions", outputs)
claim("a missing value fails the node before it is handed out", missing_value)
claim("without slots the host admits, in order", host_admits)
claim("with slots the kernel admits, by slots and tags", slots_and_tags)
claim("people are asked, and their word is for what was shown", questions)
claim("a running node submits nodes, and is not doubled when it is run again", submissions)
claim("a directive comes out for the attempt that runs", directives)
claim("a signal ends the waits for its event that have begun", events_from_outside)
claim("a timer is armed, and a clock that goes back is refused", timers)
claim("an interrupt stops, a resume goes on, a cancel ends", interrupt)
claim("reducers: Reeve's own are carried out, the host's come out, an unknown one is a problem", reducers)
claim("what is refused changes nothing [K70]", refused_change_nothing)
claim("without a run only a load or a replay is taken; problems come as objects", nothing_loaded)
claim("a late completion changes nothing and is stale", stale)
claim("a replay gives the same state, and only what remained is handed out [K62, K70]", replay)
claim("damaged rows are refused", damaged)
claim("a row can be read", events_of_a_row)
claim("nodes that grew are named by their ids, also in rows, and asked about anew after a replay", grown_nodes)
claim("secrets are in the environment of an attempt and nowhere else", secrets)
sys.exit(1 if failures else 0)
