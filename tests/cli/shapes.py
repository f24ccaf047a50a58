#!/usr/bin/env python3
"""Every --json shape is as docs/json.md says: each has "v": 1, and each member that the document's tables name is known there."""
import json, os, shutil, subprocess, sys, tempfile

import shape_tables

reeve, document = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
work = tempfile.mkdtemp(prefix="reeve-cli-")
os.chdir(work)
os.environ.update(LANG="C.UTF-8", NO_COLOR="1")
os.environ.pop("REEVE_STORE", None)
failures = 0

shapes = shape_tables.shapes_of(document)


def claim(text, holds, detail=""):
    global failures
    print(("ok " if holds else "not ok ") + text + ("" if holds else f"\n# {detail}"), flush=True)
    failures += not holds


def conforms(name, value):
    if name not in shapes:
        return f"no section {name}"
    return shape_tables.conforms(shapes[name], value) or ("" if value.get("v") == 1 else "v is not 1")


def once_each(members):
    """An object as a dict; a member that is there twice is an error, which Python's own reader lets pass."""
    if len(dict(members)) != len(members):
        raise ValueError("a member is there twice: " + " ".join(name for name, _ in members))
    return dict(members)


def check(name, *words, status=0, lines=False):
    end = subprocess.run([reeve, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    claim(f"{' '.join(words)}: exit status {status}", end.returncode == status, (end.returncode, end.stdout[-400:], end.stderr[-400:]))
    try:
        values = [json.loads(text, object_pairs_hook=once_each) for text in (end.stdout.splitlines() if lines else [end.stdout])]
    except ValueError as error:
        claim(f"{' '.join(words)}: JSON", False, error)
        return []
    for value in values:
        shape = f"{name} {value['type']}" if name == "run" else name
        wrong = conforms(shape, value)
        if wrong:
            claim(f"{shape}: as documented", False, f"{wrong}: {json.dumps(value)[:300]}")
            return values
    claim(f"{' '.join(words)}: {len(values)} as documented", bool(values))
    return values


open("good.yaml", "w").write('''reeve: 1
name: good
nodes:
  a: {shell: "echo out; echo file >$REEVE_ARTIFACTS/f.txt; echo k=1 >$REEVE_OUTPUT"}
  b: {run: [echo, "${a.k}"], needs: [a]}
  s: {run: [echo, no], when: "1 == 2"}
''')
open("bad.yaml", "w").write('''reeve: 1
name: bad
nodes:
  a: {shell: "echo oops; exit 3", retry: {max_attempts: 2, delay: 1ms, on: [3]}}
  b: {run: [echo, b], needs: [a]}
  w: {approve: {message: "ok?"}}
''')
open("grows.yaml", "w").write("""reeve: 1
name: grows
nodes:
  each: {foreach: {items: [1, 2], do: {nodes: {a: {run: ["true"]}, b: {run: ["true"], needs: [a]}}}}}
  best:
    tournament:
      entrants: [{run: ["true"]}, {run: ["true"]}, {run: ["true"]}]
      judge: {shell: 'echo winner=left > "$REEVE_OUTPUT"'}
      swap: true
  again: {loop: {body: {run: ["true"]}, max: 2}}
  sort: {classify: {by: {shell: 'echo branch=yes > "$REEVE_OUTPUT"'}, branches: {"yes": [next], "no": [no]}}}
  next: {run: ["true"], needs: [sort, again], revise: {target: again, when: "${run.id} == 'never'"}}
  no: {run: ["true"], needs: [sort]}
""")
open("wrong.yaml", "w").write("reeve: 1\nname: x\nnodes:\n  a: {rnu: [true]}\n")
check("version", "version", "--json")
check("help", "help", "--json")
check("doctor", "doctor", "--json")
check("check", "check", "good.yaml", "--json")
check("error", "check", "wrong.yaml", "--json", status=2)
check("error", "show", "--json", status=3)
open("Makefile", "w").write("a: b\n\techo $? > a\nb:\n\techo b > b\n")
check("import", "import", "Makefile", "--json")
check("import", "import", "Makefile", "--json", "-o", "imported.yaml")
check("error", "import", "Makefile", "nothing", "--json", status=2)
check("chaos", "chaos", "good.yaml", "--plays", "3", "--json")
check("plan", "run", "good.yaml", "--dry-run", "--json")
check("graph", "graph", "good.yaml", "--format", "json")
check("run", "run", "good.yaml", "--json", lines=True)
check("show", "show", "--json")
check("verify", "verify", "latest", "--json")
runs = [run["run"] for run in check("ls", "ls", "--json")[0]["runs"]]
verified = [value["run"] for value in check("verify", "verify", "--all", "--json", lines=True)]
claim("verify --all: each run once, the oldest first", verified == runs[::-1], (verified, runs))
check("check", "check", "grows.yaml", "--json")
check("plan", "run", "grows.yaml", "--dry-run", "--json")
check("graph", "graph", "grows.yaml", "--format", "json")
check("run", "run", "grows.yaml", "--json", lines=True)
check("show", "show", "--json")
check("show", "show", "latest", "best", "--json")
check("why", "why", "next", "--json")
check("why", "why", "no", "--json")
check("run", "run", "bad.yaml", "--json", "--no-wait", status=76, lines=True)
check("show", "show", "--json")
check("ls", "ls", "--json")
check("sql", "sql", "select id, state from node", "--json")
check("cache", "cache", "info", "--json")
check("cache", "cache", "clean", "--stale", "--json")
check("error", "cache", "clean", "--json", status=2)
check("events", "events", "latest", "--json", lines=True)
check("decision", "approve", "latest", "w", "--json")
check("error", "approve", "latest", "w", "--json", status=4)
check("run", "run", "bad.yaml", "--resume", "--json", status=1, lines=True)
open("kept.yaml", "w").write("""reeve: 1
name: kept
nodes:
  a: {run: [cat, kept.yaml], inputs: [kept.yaml], cache: true}
  b: {run: [cat, kept.yaml], needs: [a]}
""")
check("run", "run", "kept.yaml", "--json", lines=True)
check("forecast", "why", "-f", "kept.yaml", "a", "--json")
open("kept.yaml", "a").write("# changed\n")
check("forecast", "why", "-f", "kept.yaml", "a", "--json")
check("forecast", "why", "-f", "kept.yaml", "b", "--json")
check("error", "why", "-f", "kept.yaml", "c", "--json", status=3)
open("more.json", "w").write('{"nodes": {"n": {"run": ["true"]}}}')
open("gives.yaml", "w").write("""reeve: 1
name: gives
nodes:
  plan: {shell: '"$REEVE" submit more.json --json > told; "$REEVE" submit wrong.yaml --json > refused; test $? = 2', env: {REEVE: "%s"}}
""" % reeve)
check("run", "run", "gives.yaml", "--json", lines=True)
for name, shape in (("told", "submit"), ("refused", "error")):
    value = json.load(open(name))
    claim("submit --json: %s: as documented" % shape, not conforms(shape, value), (conforms(shape, value), value))
open("spends.yaml", "w").write("""reeve: 1
name: spends
budget: {usd: 1}
quota: {concurrent: 1}
nodes:
  a: {shell: "printf 'cost_usd=0.6\\ntokens_in=1\\ntokens_cached=2\\n' > $REEVE_OUTPUT; echo x > $REEVE_ARTIFACTS/x",
      trust: quarantined, isolation: none, budget: {estimate: {usd: 0.6}}}
  b: {run: ["true"], needs: [a], budget: {estimate: {usd: 0.6}}}
  c: {run: ["true"], needs: [b]}
""")
check("run", "run", "spends.yaml", "--json", "--no-wait", status=76, lines=True)
check("show", "show", "--json")
check("ls", "ls", "--json")
for node in "abc":
    check("why", "why", node, "--json")
check("decision", "approve", "latest", "--quota", "concurrent=2", "--json")
check("decision", "approve", "latest", "--add", "usd=1", "--json")
check("run", "run", "spends.yaml", "--resume", "--json", lines=True)
lines = subprocess.run([reeve, "events", "latest", "--json"], capture_output=True, text=True).stdout.splitlines()
claim("each line of events says its version once", lines and all(line.count('"v":') == 1 for line in lines), lines[:1])
os.chdir("/")
shutil.rmtree(work, ignore_errors=True)
sys.exit(1 if failures else 0)
