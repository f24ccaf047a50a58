#!/usr/bin/env python3
"""What cannot be written is said [P9]: each verb under a closed standard output and under a full one; and what is closed is
not mistaken for the store, which would be opened in its place."""
import json, os, shutil, subprocess, sys, tempfile

CLOSED, FULL = ">&-", ">/dev/full"
LIMIT = 60
reeve = os.path.abspath(sys.argv[1])
work = tempfile.mkdtemp(prefix="reeve-cli-")
os.chdir(work)
os.environ.update(LANG="C.UTF-8", NO_COLOR="1", SHELL="/bin/sh")
os.environ.pop("REEVE_STORE", None)
failures = 0


def claim(text, holds, detail=""):
    global failures
    print(("ok " if holds else "not ok ") + text + ("" if holds else f"\n# {detail!r}"), flush=True)
    failures += not holds


def call(words, redirect="", stdin=b""):
    """`redirect` as a shell has it: what is to be full, or which descriptors are to be closed."""
    if redirect and redirect != FULL:
        return call_closed(words, [{"<&-": 0, ">&-": 1, "2>&-": 2}[word] for word in redirect.split()], stdin)
    with open("/dev/full", "wb") as full:
        return subprocess.run([reeve, *words], input=stdin, stdout=full if redirect else subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=LIMIT)


def call_closed(words, closed, stdin):
    """The program has none of the descriptors `closed`. What it says fits into a pipe, as does what it reads."""
    (in_read, in_write), (err_read, err_write) = os.pipe(), os.pipe()
    os.write(in_write, stdin)
    os.close(in_write)
    place = {0: in_read, 1: err_write, 2: err_write}
    actions = [(os.POSIX_SPAWN_CLOSE, number) if number in closed else (os.POSIX_SPAWN_DUP2, place[number], number) for number in range(3)]
    pid = os.posix_spawn(reeve, [reeve, *words], os.environ, file_actions=actions)
    os.close(in_read)
    os.close(err_write)
    with os.fdopen(err_read, "rb") as err:
        said = err.read()
    return subprocess.CompletedProcess(words, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), None, said)


def waiting():
    """A new run that waits for what ask.yaml asks."""
    done = call(["run", "ask.yaml", "--no-wait", "--json"])
    return json.loads(done.stdout.splitlines()[0])["run"]


open("Makefile", "w").write("all:\n\techo made\n")
open("flow.yaml", "w").write("reeve: 1\nname: flow\nnodes:\n  a: {shell: 'echo out; echo file >\"$REEVE_ARTIFACTS/file\"'}\n")
ASKED = ["approve", "reject", "answer"]  # each is tried twice: every try has a question of its own
open("ask.yaml", "w").write("reeve: 1\nname: ask\nnodes:\n  later: {run: [echo], needs: [approve0]}\n" + "".join(
    f"  {verb}{n}: " + ("{input: {question: '?'}}\n" if verb == "answer" else "{approve: {message: '?', on_reject: continue}}\n")
    for verb in ASKED for n in range(2)))
ran = json.loads(call(["run", "flow.yaml", "--json"]).stdout.splitlines()[0])["run"]
asking = waiting()
made = 0


def words_of(verb):
    """Words for a verb, which then has something to say."""
    global made
    made += 1
    own = {"run": ["flow.yaml"], "each": ["--", "echo", "item", "{}"], "check": ["flow.yaml"], "graph": ["flow.yaml"],
           "init": [f"made{made}.yaml"], "logs": [ran, "a"], "show": [ran], "events": [ran], "verify": [ran],
           "sql": ["select 1"], "completions": ["bash"], "chaos": ["flow.yaml", "--plays", "1"], "why": ["--run", ran, "a"],
           "import": ["Makefile"], "cache": ["info"]}
    if verb in own:
        return own[verb]
    if verb == "cancel":
        return [waiting()]
    words = {"approve": [], "reject": [], "answer": ["text"], "steer": ["later", "text"], "signal": ["go"]}
    if verb in ASKED:
        return [asking, verb + str(made % 2), *words[verb]]
    if verb in words:
        return [asking, *words[verb]]
    return []


verbs = [verb["name"] for verb in json.loads(call(["help", "--json"]).stdout)["verbs"]]
silent = {"shell", "submit"}  # the one becomes another program, which says what it says; the other needs a node around it
for verb in verbs:
    if verb in silent:
        continue
    for redirect, why in ((CLOSED, b"closed"), (FULL, b"No space left")):
        done = call([verb, *words_of(verb)], redirect, {"each": b"one\ntwo\n", "kernel": b'{"v":1,"state":true}\n'}.get(verb, b""))
        said = b"standard output" in done.stderr and why in done.stderr
        claim(f"{verb} {redirect}: exit 75 and a word about it", done.returncode == 75 and said, done)
for words in (["--version"], ["--help"], ["run", "--help"], ["ls", "--json"], ["show", "nothing", "--json"]):
    done = call(words, CLOSED)
    claim(f"{' '.join(words)} >&-: exit 75", done.returncode == 75 and b"closed" in done.stderr, done)
claim("at least twenty verbs were tried", len(verbs) >= 20, verbs)

REDIRECTIONS = ">&-", "<&- >&-", "<&- >&- 2>&-", "2>&-"
for redirect in REDIRECTIONS:
    done = call(["run", "flow.yaml"], redirect)
    claim(f"run {redirect}: exit status", done.returncode == (0 if redirect == "2>&-" else 75), done)
runs = json.loads(call(["ls", "--json", "--limit", str(len(REDIRECTIONS))]).stdout)["runs"]
held = {found["run"]: found for found in map(json.loads, call(["verify", "--all", "--json"]).stdout.splitlines())}
for redirect, run in zip(REDIRECTIONS, reversed(runs)):
    claim(f"run {redirect}: the run itself is ok", run["status"] == "ok" and run["name"] == "flow", run)
    claim(f"run {redirect}: nothing was written into the store", held[run["run"]]["ok"], held[run["run"]])

os.chdir("/")
shutil.rmtree(work, ignore_errors=True)
sys.exit(1 if failures else 0)
