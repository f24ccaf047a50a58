#!/usr/bin/env python3
"""Every --json shape is as docs/json.md says: each has "v": 1, and each member that the document's tables name is known there."""
import json, os, re, shutil, subprocess, sys, tempfile

reeve, document = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
work = tempfile.mkdtemp(prefix="reeve-cli-")
os.chdir(work)
os.environ.update(LANG="C.UTF-8", NO_COLOR="1")
os.environ.pop("REEVE_STORE", None)
failures = 0

# A section `## name` of the document has tables whose first column are members: `a`, `a[].b`, `a.b`.
shapes, section = {}, None
for line in open(document, encoding="utf-8"):
    heading = re.match(r"## `?([^`\n]+)`?", line)
    if heading:
        section = shapes.setdefault(heading.group(1).strip(), {})
    row = re.match(r"\| `([^`]+)` \| ([^|]+) \|", line)
    if row and section is not None:
        section[row.group(1)] = row.group(2).strip()


def claim(text, holds, detail=""):
    global failures
    print(("ok " if holds else "not ok ") + text + ("" if holds else f"\n# {detail}"), flush=True)
    failures += not holds


def members(value, path=""):
    if isinstance(value, dict):
        for key, inner in value.items():
            name = f"{path}.{key}" if path else key
            yield name, inner
            yield from members(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from members(inner, path + "[]")


KINDS = {"number": (int, float), "string": str, "bool": bool, "array": list, "object": dict, "any": object}


def conforms(name, value):
    shape = shapes.get(name)
    if shape is None:
        return f"no section {name}"
    seen = set()
    for member, inner in members(value):
        open_ended = [m for m in shape if m == "*" and member not in shape or m.endswith(".*") and member.startswith(m[:-1])]
        inside_any = [m for m, kind in shape.items()
                      if re.split(r"[ ,]", kind)[0] == "any" and (member.startswith(m + ".") or member.startswith(m + "["))]
        if open_ended or inside_any:
            continue
        if member not in shape:
            return f"{member} is not documented"
        seen.add(member)
        kind = re.split(r"[ ,]", shape[member])[0]
        if not isinstance(inner, KINDS[kind]) or (kind == "number" and isinstance(inner, bool)):
            return f"{member} is {inner!r}, not a {kind}"
    for member, kind in shape.items():
        if "optional" not in kind and "." not in member and "[" not in member and member not in seen:
            return f"{member} is missing"
    return "" if value.get("v") == 1 else "v is not 1"


def check(name, *words, status=0, lines=False):
    end = subprocess.run([reeve, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    claim(f"{' '.join(words)}: exit status {status}", end.returncode == status, (end.returncode, end.stdout[-400:], end.stderr[-400:]))
    try:
        values = [json.loads(line) for line in end.stdout.splitlines()] if lines else [json.loads(end.stdout)]
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
open("wrong.yaml", "w").write("reeve: 1\nname: x\nnodes:\n  a: {rnu: [true]}\n")
check("version", "version", "--json")
check("help", "help", "--json")
check("doctor", "doctor", "--json")
check("check", "check", "good.yaml", "--json")
check("error", "check", "wrong.yaml", "--json", status=2)
check("error", "show", "--json", status=3)
check("chaos", "chaos", "good.yaml", "--plays", "3", "--json")
check("plan", "run", "good.yaml", "--dry-run", "--json")
check("graph", "graph", "good.yaml", "--format", "json")
check("run", "run", "good.yaml", "--json", lines=True)
check("show", "show", "--json")
check("verify", "verify", "latest", "--json")
check("run", "run", "bad.yaml", "--json", "--no-wait", status=76, lines=True)
check("show", "show", "--json")
check("ls", "ls", "--json")
check("sql", "sql", "select id, state from node", "--json")
check("events", "events", "latest", "--json", lines=True)
check("decision", "approve", "latest", "w", "--json")
check("error", "approve", "latest", "w", "--json", status=4)
check("run", "run", "bad.yaml", "--resume", "--json", status=1, lines=True)
os.chdir("/")
shutil.rmtree(work, ignore_errors=True)
sys.exit(1 if failures else 0)
