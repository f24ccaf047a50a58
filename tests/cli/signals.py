#!/usr/bin/env python3
"""Ctrl-C once and twice, and a terminal that goes away [W33]: driven through a pseudo-terminal, as a person would."""
import os, pty, re, select, shutil, signal, subprocess, sys, tempfile, time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from rows import rows_of  # noqa: E402

reeve = os.path.abspath(sys.argv[1])
work = tempfile.mkdtemp(prefix="reeve-cli-")
os.chdir(work)
os.environ.update(LANG="C.UTF-8", TERM="xterm", NO_COLOR="1")
os.environ.pop("REEVE_STORE", None)
failures = 0
LIMIT = 30


def claim(text, holds, detail=""):
    global failures
    print(("ok " if holds else "not ok ") + text + ("" if holds else f"\n# {detail!r}"), flush=True)
    failures += not holds


class Terminal:
    def __init__(self, *words):
        self.text = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execv(reeve, [reeve, *words])

    def pump(self, seconds=0.1):
        if self.fd is None or not select.select([self.fd], [], [], seconds)[0]:
            return
        try:
            self.text += os.read(self.fd, 65536)
        except OSError:
            pass

    def until(self, condition):
        end = time.time() + LIMIT
        while time.time() < end:
            if condition():
                return True
            self.pump()
        return False

    def type(self, keys):
        os.write(self.fd, keys)

    def hang_up(self):
        os.close(self.fd)
        self.fd = None

    def press_until_gone(self):
        """Ctrl-C as often as an impatient person presses: the same press seen twice within 150 ms is one. Its status."""
        end = time.time() + LIMIT
        while time.time() < end:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            self.type(b"\x03")
            self.pump(0.02)
        return None

    def status(self):
        end = time.time() + LIMIT
        while time.time() < end:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            self.pump(0.05) if self.fd is not None else time.sleep(0.05)
        return None


def state_of_latest():
    """Of the run that was made last, as the store has it now that its process is gone."""
    query = "select status from run order by created_ms desc, id desc limit 1"
    rows = rows_of(".reeve", query)
    return rows[0][0] if rows else subprocess.run([reeve, "sql", query, "--csv"], stdout=subprocess.PIPE, text=True).stdout.split()[-1]


def is_alive(pid):
    try:
        os.kill(pid, 0)
        return True
    except ProcessLookupError:
        return False


def gone(pid):
    end = time.time() + LIMIT
    while time.time() < end:
        if not is_alive(pid):
            return True
        time.sleep(0.05)
    return False


def flow(name, trap=""):
    open(name, "w").write(f"""reeve: 1
name: {name.split('.')[0]}
nodes:
  before: {{shell: "echo once >>ledger-{name}"}}
  slow:
    needs: [before]
    shell: |
      {trap}
      if [ -e go-{name} ]; then exit 0; fi
      echo $$ >pid-{name}
      exec sleep 1000
""")


def node_runs(name):
    return os.path.exists(f"pid-{name}") and open(f"pid-{name}").read().endswith("\n")


def node_pid(name):
    return int(open(f"pid-{name}").read())


def resumes(name, what):
    open(f"go-{name}", "w").close()
    end = subprocess.run([reeve, "run", name, "--resume"], stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LIMIT)
    claim(f"{what}: --resume goes on to the end", end.returncode == 0, end.stdout)
    claim(f"{what}: what was done is not done again", open(f"ledger-{name}").read() == "once\n")


flow("once.yaml")
t = Terminal("run", "once.yaml")
claim("once: the node runs", t.until(lambda: node_runs("once.yaml")), t.text)
t.type(b"\x03")
claim("once: exit status is 130", t.status() == 130, t.text)
t.pump()
claim("once: it said that it stops", b"press again" in t.text, t.text)
claim("once: it says how to go on", b"--resume" in t.text, t.text)
claim("once: the node's process is gone", gone(node_pid("once.yaml")))
claim("once: the run is interrupted", state_of_latest() == "interrupted", state_of_latest())
resumes("once.yaml", "once")

flow("twice.yaml", "trap '' TERM")
t = Terminal("run", "twice.yaml")
claim("twice: the node runs", t.until(lambda: node_runs("twice.yaml")), t.text)
t.type(b"\x03")
claim("twice: it said that it stops", t.until(lambda: b"press again" in t.text), t.text)
claim("twice: exit status is 130", t.press_until_gone() == 130, t.text)
claim("twice: a process that ignores TERM is gone all the same", gone(node_pid("twice.yaml")))
resumes("twice.yaml", "twice")

flow("hangup.yaml")
t = Terminal("run", "hangup.yaml")
claim("hang-up: the node runs", t.until(lambda: node_runs("hangup.yaml")), t.text)
t.hang_up()
claim("hang-up: exit status is 129", t.status() == 129)
claim("hang-up: the node's process is gone", gone(node_pid("hangup.yaml")))
claim("hang-up: the run is interrupted", state_of_latest() == "interrupted", state_of_latest())
resumes("hangup.yaml", "hang-up")

open("ask.yaml", "w").write('reeve: 1\nname: ask\nnodes:\n'
                             '  review: {approve: {message: "Ship it?"}}\n  ship: {run: [echo, shipped], needs: [review]}\n')
t = Terminal("run", "ask.yaml")
claim("ask: the question is asked in place", t.until(lambda: b"Ship it?" in t.text), t.text)
t.type(b"maybe\r")
claim("ask: what is no answer is asked again", t.until(lambda: b"please type" in t.text), t.text)
t.type(b"y looks good\r")
claim("ask: yes goes on", t.status() == 0, t.text)
kept = subprocess.run([reeve, "sql", "select comment from blocker", "--csv"], stdout=subprocess.PIPE).stdout
claim("ask: the comment is kept", b"looks good" in kept, kept)

t = Terminal("run", "ask.yaml")
claim("elsewhere: the question is asked in place", t.until(lambda: b"Ship it?" in t.text), t.text)
taken = subprocess.run([reeve, "approve", "latest", "review"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
claim("elsewhere: a second terminal may answer it", taken.returncode == 0, taken.stdout)
claim("elsewhere: the first one takes that", t.status() == 0, t.text)

# ---- who reads the output, or does not ----

def exit_of(process):
    try:
        return process.wait(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        return None


def interrupt_until_gone(process):
    end = time.time() + LIMIT
    while time.time() < end:
        process.send_signal(signal.SIGINT)
        try:
            return process.wait(timeout=0.02)
        except subprocess.TimeoutExpired:
            pass
    process.kill()
    return None


def becomes(condition):
    end = time.time() + LIMIT
    while time.time() < end and not condition():
        time.sleep(0.02)
    return condition()


def has(path):
    return becomes(lambda: os.path.exists(path))


def read_lines(fd, word):
    """To the end: how many lines have `word`, and the others. There are megabytes: they are not kept."""
    count, others = 0, []
    with os.fdopen(fd, "rb", 1 << 16) as file:
        for line in file:
            if word in line:
                count += 1
            else:
                others.append(line)
    return count, b"".join(others)


open("loud.yaml", "w").write("""reeve: 1
name: loud
nodes:
  loud: {shell: "seq -f 'line %.0f of many lines that nobody reads' 20000; : >said; exec sleep 60", timeout: 1s}
  after: {shell: ": >after-loud; exec sleep 60", needs: [loud], dep_policy: all_terminal}
""")
out_read, out_write = os.pipe()
p = subprocess.Popen([reeve, "run", "loud.yaml"], stdin=subprocess.DEVNULL, stdout=out_write, stderr=subprocess.DEVNULL)
os.close(out_write)
claim("blocked: a node's timeout is served while nobody reads", has("after-loud"))
claim("blocked: two Ctrl-C end it at once", interrupt_until_gone(p) == 130)
os.close(out_read)

for name in ("said", "after-loud"):
    if os.path.exists(name):
        os.unlink(name)
out_read, out_write = os.pipe()
p = subprocess.Popen([reeve, "run", "loud.yaml"], stdin=subprocess.DEVNULL, stdout=out_write, stderr=subprocess.DEVNULL)
os.close(out_write)
claim("late reader: the run goes on", has("after-loud"))
p.send_signal(signal.SIGINT)
count, text = read_lines(out_read, "loud │ line ".encode())
claim("late reader: Ctrl-C is exit 130", exit_of(p) == 130)
claim("late reader: every line is there", count == 20000, (count, text[-300:]))
claim("late reader: so is the end", b"--resume" in text, text[-300:])

open("flood.yaml", "w").write("""reeve: 1
name: flood
nodes:
  flood: {shell: "yes 01234567890123456789012345678901234567890123456789012345678901234567890123456789 | head -n 180000"}
  last: {run: [touch, flooded], needs: [flood]}
""")
out_read, out_write = os.pipe()
p = subprocess.Popen([reeve, "run", "flood.yaml"], stdin=subprocess.DEVNULL, stdout=out_write, stderr=subprocess.DEVNULL)
os.close(out_write)
claim("flood: the run ends while nobody reads", has("flooded"))
count, text = read_lines(out_read, "│ 0123456789".encode())
claim("flood: exit status is 0", exit_of(p) == 0)
found = re.search(rb"! (\d+) lines left out.*reeve logs", text)
claim("flood: it is said how many lines were left out", found is not None, text[-300:])
claim("flood: that number is right", found and int(found[1]) + count == 180000, (found and found[0], count))
claim("flood: what happened is not left out", b"last" in text and b"2 succeeded" in text, text[-300:])

flow("closed.yaml")
open("closed.yaml", "a").write('  noise: {shell: "while :; do echo noise; sleep 0.05; done"}\n')
p = subprocess.Popen([reeve, "run", "closed.yaml"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
p.stdout.readline()
becomes(lambda: node_runs("closed.yaml"))
p.stdout.close()
claim("closed pipe: exit status is 141", exit_of(p) == 141)
said = p.stderr.read()
claim("closed pipe: it says how to go on", b"--resume" in said, said)
claim("closed pipe: the node's process is gone", gone(node_pid("closed.yaml")))
claim("closed pipe: the run is interrupted", state_of_latest() == "interrupted", state_of_latest())

open("full.yaml", "w").write("reeve: 1\nname: full\nnodes:\n  a: {run: [echo, a]}\n")
for words in (["sql", "select 1"], ["version"], ["ls", "--json"], ["run", "full.yaml"]):
    full = subprocess.run([reeve, *words], stdin=subprocess.DEVNULL, stdout=open("/dev/full", "w"), stderr=subprocess.PIPE)
    claim(f"full disk: `{words[0]}` is exit 75", full.returncode == 75, full)
    claim(f"full disk: `{words[0]}` says so", b"standard output" in full.stderr, full)
claim("full disk: the run itself is ok", state_of_latest() == "ok", state_of_latest())

os.chdir("/")
shutil.rmtree(work, ignore_errors=True)
sys.exit(1 if failures else 0)
