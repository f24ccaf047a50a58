"""A host for tests: `reeve kernel` as a child process, its lines as calls, every answer held to docs/kernel-protocol.md."""
import json, os, subprocess

import shape_tables

DOCUMENT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "kernel-protocol.md")
SHAPES = shape_tables.shapes_of(DOCUMENT)


class Refused(Exception):
    """An answer with `error`."""

    def __init__(self, answer):
        super().__init__("%s: %s" % (answer["error"]["status"], answer["error"]["text"]))
        self.answer, self.status, self.text = answer, answer["error"]["status"], answer["error"]["text"]


def wrong_in(section, value):
    shape = SHAPES.get(section)
    return "no section " + section if shape is None else shape_tables.conforms(shape, value)


def undocumented(answer):
    """What of an answer the document does not say, or an empty string."""
    for member, section in (("state", "state"), ("replayed", "state")):
        if member in answer:
            return wrong_in(section, answer[member]) or next(filter(None, (wrong_in("node", n) for n in answer[member]["nodes"])), "")
    if "events" in answer:
        return ""
    found = [wrong_in("error" if "error" in answer else "answer", answer)]
    found += [wrong_in("effect " + effect["type"], effect) for effect in answer.get("effects", [])]
    found += [wrong_in("node", node) for node in answer.get("nodes", [])]
    found += [wrong_in("node", node) for effect in answer.get("effects", []) if effect["type"] == "run_ended" for node in effect["nodes"]]
    found += [wrong_in("row", answer["journal"])] if "journal" in answer else []
    return next(filter(None, found), "")


class Kernel:
    def __init__(self, reeve):
        self.process = subprocess.Popen([reeve, "kernel"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.now, self.rows, self.effects = 1000000, [], []

    def line(self, text):
        """The answer to a line, as it is."""
        self.process.stdin.write(text.encode() + b"\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        assert answer["v"] == 1 and not undocumented(answer), undocumented(answer)
        return answer

    def ask(self, **members):
        answer = self.line(json.dumps({"v": 1, **members}))
        if "error" in answer:
            raise Refused(answer)
        return answer

    def event(self, kind, now=None, **members):
        """Give an event; remembers the row and the effects of its answer."""
        self.now = self.now + 1 if now is None else now
        answer = self.ask(now={"wall_ms": self.now, "engine_ms": self.now}, event={"type": kind, **members})
        self.rows += [answer["journal"]] if "journal" in answer else []
        self.effects = answer["effects"]
        return answer

    def load(self, workflow, run="r1", **members):
        return self.event("load", run=run, workflow=workflow, **members)

    def state(self, *nodes):
        return self.ask(state={"nodes": list(nodes)} if nodes else True)["state"]

    def node(self, name):
        return self.state(name)["nodes"][0]

    def spawned(self):
        """Descriptors that the latest answer handed out, by node."""
        return {d["node"]: d for effect in self.effects if effect["type"] == "spawn" for d in effect["nodes"]}

    def effect(self, kind):
        return next((effect for effect in self.effects if effect["type"] == kind), None)

    def end(self):
        self.process.stdin.close()
        self.process.stdout.close()
        return self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()
