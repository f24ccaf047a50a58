#!/usr/bin/env python3
"""host.py JOURNAL [--reeve PROGRAM] [--die]: a host of Reeve's kernel in Python.

It drives `reeve kernel` over JSON lines (docs/kernel-protocol.md) and carries everything out itself: commands as processes,
agents as functions below, a reducer, the approval. The journal is a file of rows, each on the disk before its effects are
carried out; started again with the same file it goes on with what remained. --die kills it when the first draft is wanted."""
import argparse, json, os, queue, signal, subprocess, threading, time

HERE = os.path.dirname(os.path.abspath(__file__))


# ---- the agents: (arguments, what was wrong before) → members of `completed` ----

def search(words, feedback):
    return {"value": {"facts": "%s hum" % words[0]}, "output": "found: %s hum" % words[0], "tokens_in": 12, "tokens_out": 4}


def write(words, feedback):
    value = {"title": "All about %s" % words[0].split()[0]} if feedback else {"titel": "mistyped"}
    return {"value": value, "output": "%s, and sleep a lot\n" % words[0], "cost_usd": 0.01}


def publish(words, feedback):
    print("published: %s (%s)" % (words[0], words[1]), flush=True)
    return {"value": {"published": True}}


AGENTS = {"search": search, "write": write, "publish": publish}


def longest(inputs):
    return max((json.dumps(i["value"]) if not isinstance(i["value"], str) else i["value"] for i in inputs), key=len)


# ---- the host ----

class Host:
    def __init__(self, given):
        self.given, self.events, self.due_ms, self.ended = given, queue.Queue(), 0, None
        self.running = {}  # (node, epoch) → process
        self.kernel = subprocess.Popen([given.reeve, "kernel"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        with open(os.path.join(HERE, "flow.yaml")) as file:
            self.workflow = {"workflow": file.read(), "name": "flow.yaml", "slots": 2, "reducers": ["longest"]}
        self.rows = [json.loads(line) for line in open(given.journal)] if os.path.exists(given.journal) else []
        self.journal = open(given.journal, "a")
        # A clock that never goes back, also not from one life to the next.
        self.clock0_ms = max([row["now"]["engine_ms"] + 1 for row in self.rows], default=0) - time.monotonic_ns() // 1000000

    def engine_ms(self):
        return self.clock0_ms + time.monotonic_ns() // 1000000

    def ask(self, **line):
        self.kernel.stdin.write(json.dumps({"v": 1, **line}) + "\n")
        self.kernel.stdin.flush()
        answer = json.loads(self.kernel.stdout.readline())
        if "error" in answer:
            raise SystemExit("host.py: %s" % json.dumps(answer))
        return answer

    def give(self, kind, **members):
        """One event: keep the row, and only then carry out the effects."""
        now = {"wall_ms": time.time_ns() // 1000000, "engine_ms": self.engine_ms()}
        answer = self.ask(now=now, event={"type": kind, **members})
        if "journal" in answer:
            self.journal.write(json.dumps(answer["journal"]) + "\n")
            self.journal.flush()
            os.fsync(self.journal.fileno())
        for effect in answer["effects"]:
            getattr(self, "on_" + effect["type"])(effect)

    # ---- effects ----

    def on_spawn(self, effect):
        for attempt in effect["nodes"]:
            if self.given.die and attempt["argv"][:2] == ["agent", "write"]:
                os.kill(os.getpid(), signal.SIGKILL)
            self.give("started", node=attempt["node"], epoch=attempt["epoch"])
            threading.Thread(target=self.carry_out, args=(attempt,), daemon=True).start()

    def on_reduce(self, effect):
        self.events.put(("completed", {"node": effect["node"], "epoch": effect["epoch"], "value": {"value": longest(effect["inputs"])}}))

    def on_park(self, effect):
        if effect["detail"] == "approval":
            print("asked: %s" % effect["payload"]["message"], flush=True)
            self.events.put(("decided", {"node": effect["node"], "state": "approve", "by": "host.py", "digest": effect["digest"]}))

    def on_stop(self, effect):
        process = self.running.get((effect["node"], effect["epoch"]))
        if process:
            process.terminate()

    def on_arm_timer(self, effect):
        self.due_ms = effect["due_ms"]

    def on_run_ended(self, effect):
        self.ended = effect["state"]

    def on_resumed(self, effect):
        pass

    def on_note(self, effect):
        print("note: %s" % effect["text"], flush=True)

    # ---- attempts, each on a thread of its own ----

    def carry_out(self, attempt):
        done = {"node": attempt["node"], "epoch": attempt["epoch"]}
        try:
            if attempt["argv"][0] == "agent":
                done.update(AGENTS[attempt["argv"][1]](attempt["argv"][2:], attempt.get("feedback")))
            else:
                done.update(self.run_process(attempt))
        except Exception as error:
            done.update(termination="error", detail="start", text=str(error))
        self.events.put(("completed", done))

    def run_process(self, attempt):
        limit_s = attempt["timeout_ms"] / 1000 if "timeout_ms" in attempt else None
        process = subprocess.Popen(attempt["argv"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=attempt.get("dir"),
                                   env={**os.environ, **attempt.get("env", {})})
        self.running[attempt["node"], attempt["epoch"]] = process
        try:
            out, err = process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return {"termination": "timeout"}
        ended = {"exit_status": process.returncode} if process.returncode >= 0 else {"signal": -process.returncode}
        return {**ended, "output": out.decode(errors="replace"), "error_output": err.decode(errors="replace")}

    # ---- the loop ----

    def begin(self):
        if not self.rows:
            self.give("load", run="hosted-1", seed=1, **self.workflow)
            return
        state = self.ask(replay={**self.workflow, "rows": self.rows})["replayed"]
        print("going on after event %d" % state["last_seq"], flush=True)
        if state["state"] not in ("running", "interrupted"):
            self.ended = state["state"]
            return
        self.due_ms = state.get("due_ms", 0)
        self.give("resume")
        for node in state["nodes"]:
            if node["state"] == "running":  # nobody carries it out any more
                self.give("lost", node=node["node"], epoch=node["epoch"], was_started=True, text="the host died")
            else:  # people are asked anew
                self.on_park(node["waits"])

    def run(self):
        self.begin()
        while not self.ended:
            wait_s = max(self.due_ms - self.engine_ms(), 0) / 1000 if self.due_ms else None
            try:
                kind, members = self.events.get(timeout=wait_s)
                self.give(kind, **members)
            except queue.Empty:
                self.give("tick")
        for node in self.ask(state=True)["state"]["nodes"]:
            print("%s %s" % (node["node"], node["state"]), flush=True)
        self.kernel.stdin.close()
        return 0 if self.ended == "ok" else 1


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("journal")
    options.add_argument("--reeve", default="reeve")
    options.add_argument("--die", action="store_true")
    raise SystemExit(Host(options.parse_args()).run())
