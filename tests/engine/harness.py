"""What the engine tests share: a folder with a store, runs of the built program in it, a hub that decides when nodes
end, and cases that print `ok N - claim`.

Everything is waited for with a deadline, never for a fixed time. After each case every run that it made is verified
(`reeve verify`: journal, replay, deciding again, rows, artifacts), so that each case proves that too. Where a test says
main(one_store=True) its cases have a folder each and one store together, in which each sees its own runs alone; then
what they made is verified as a whole, as the last case."""
import json
import os
import resource
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from rows import rows_of  # noqa: E402

DEADLINE_S = 60
CASES = []


class Broken(Exception):
    """A promise does not hold."""


class Skipped(Exception):
    """A case cannot be tried here; its text says why."""


def need(claim, text):
    if not claim:
        raise Broken(text)


def same(got, wanted, what):
    if got != wanted:
        raise Broken(f'{what}: {got!r} instead of {wanted!r}')


def case(claim, of=None, alone=False):
    """Register fn(flow) as the proof of `claim`; with `of`, fn(flow, done) looks at its part of what of(flow) did, once for all such
    cases. `alone`: it has a store of its own, also where the cases of a test share one."""
    def add(fn):
        CASES.append((claim, fn, of, alone))
        return fn
    return add


def chosen_cases():
    """Those that the command line asks for: all, or those of which it has a word of the claim or the name, with those that look at the
    same run before them: what they do belongs to it."""
    words = sys.argv[3:]
    named = [not words or any(word in c[0] or word == c[1].__name__ for word in words) for c in CASES]
    return [c for i, c in enumerate(CASES)
            if named[i] or c[2] and any(named[j] and other[2] is c[2] for j, other in enumerate(CASES) if j > i)]


def wait_for(claim, what):
    """For what no descriptor tells: look again until it holds. Its value."""
    until = time.monotonic() + DEADLINE_S
    while True:
        value = claim()
        if value:
            return value
        need(time.monotonic() < until, f'{what}: not within {DEADLINE_S} s')
        time.sleep(0.002)


def is_long():
    """In check-long more of the same is tried."""
    return os.environ.get('REEVE_TEST_LONG') == '1'


def is_alive(pid):
    try:
        with open(f'/proc/{pid}/stat') as file:
            return file.read().rsplit(')', 1)[1].split()[0] not in 'ZX'
    except OSError:
        return False


# ---- nodes that a test holds in its hand ----

class Held:
    """A running node.c; its connection is open as long as it lives."""

    def __init__(self, connection):
        self.connection = connection
        self.connection.settimeout(DEADLINE_S)
        text = b''
        while not text.endswith(b'\n'):
            piece = connection.recv(256)
            need(piece, 'a node went away before it said who it is')
            text += piece
        self.node, epoch, pid = text.decode().split()
        self.epoch, self.pid = int(epoch), int(pid)

    def environ(self):
        """What it was given as its environment."""
        with open(f'/proc/{self.pid}/environ', 'rb') as file:
            return dict(os.fsdecode(word).split('=', 1) for word in file.read().split(b'\0') if word)

    def end(self, status=0, text=''):
        """Let it end, and wait until its process has closed what it had open."""
        self.connection.sendall(f'{status} {text}\n'.encode())
        self.wait_gone()

    def wait_gone(self):
        try:
            need(self.connection.recv(1) == b'', 'a node spoke out of turn')
        except ConnectionResetError:
            pass
        except socket.timeout:
            raise Broken(f'{self.node} does not end') from None
        self.connection.close()


class Hub:
    def __init__(self, path):
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(path)
        self.socket.listen(256)
        self.all = []  # a connection that nobody keeps would be closed

    def next(self):
        """The next node that begins."""
        self.socket.settimeout(DEADLINE_S)
        try:
            self.all.append(Held(self.socket.accept()[0]))
            return self.all[-1]
        except socket.timeout:
            raise Broken('no node begins') from None

    def take(self, count):
        return {held.node: held for held in (self.next() for _ in range(count))}

    def has_more(self):
        """Has another one begun by now?"""
        with selectors.DefaultSelector() as selector:
            selector.register(self.socket, selectors.EVENT_READ)
            return bool(selector.select(0))


# ---- runs ----

class Done:
    """A `reeve run --json` that has ended."""

    def __init__(self, status, events, errors):
        self.status, self.events, self.errors = status, events, errors
        started = [e for e in events if e.get('type') == 'run_started']
        self.run = started[0]['run'] if started else None

    def of(self, type_, **fields):
        return [e for e in self.events if e.get('type') == type_ and all(e.get(k) == v for k, v in fields.items())]

    def node(self, name):
        """Its node_ended, which comes exactly once."""
        found = self.of('node_ended', node=name)
        need(len(found) == 1, f'{name} ended {len(found)} times')
        return found[0]

    def text(self, name):
        return ''.join(e['text'] for e in self.of('output', node=name))


class Live:
    """A `reeve run --json` that goes on."""

    def __init__(self, process):
        self.process = process
        self.buffer = b''
        self.events = []
        self.read = 0  # how many of them a test has been given
        self.selector = selectors.DefaultSelector()
        self.selector.register(process.stdout, selectors.EVENT_READ)

    def more(self):
        """Read what comes next; False: it has closed its output. The limit is for silence: ten thousand nodes take their time."""
        need(self.selector.select(DEADLINE_S), f'nothing more is said for {DEADLINE_S} s; so far {self.events[-5:]}')
        piece = os.read(self.process.stdout.fileno(), 1 << 16)
        *lines, self.buffer = (self.buffer + piece).split(b'\n')
        self.events += [json.loads(line) for line in lines]
        return bool(piece)

    def expect(self, type_, **fields):
        """The next event like this, after those that were expected before."""
        while True:
            while self.read < len(self.events):
                event = self.events[self.read]
                self.read += 1
                if event.get('type') == type_ and all(event.get(k) == v for k, v in fields.items()):
                    return event
            need(self.more(), f'it ended and never said {type_} {fields}: {self.events}')

    def started(self):
        return self.expect('run_started')['run']

    def kill_engine(self):
        """SIGKILL to the engine; its keeper sweeps up and ends."""
        keeper = self.process.pid
        with open(f'/proc/{keeper}/task/{keeper}/children') as file:
            os.kill(int(file.read().split()[0]), signal.SIGKILL)
        return self.end(128 + signal.SIGKILL)

    def end(self, *statuses):
        while self.more():
            pass
        status = self.process.wait(timeout=DEADLINE_S)
        errors = self.process.stderr.read().decode(errors='replace')
        self.process.stdout.close()
        self.process.stderr.close()
        need(status in statuses, f'ended with {status} instead of {statuses}: {errors}{self.events[-3:]}')
        return Done(status, self.events, errors)


class Flow:
    """A folder with a store in it; or with a link to `store`, which others used before: rows of their runs are not seen."""

    def __init__(self, reeve, node, store=None):
        self.reeve, self.node_program = reeve, node
        self.dir = tempfile.mkdtemp(prefix='reeve-engine-')
        self.store = store or self.path('store')
        self.hub = None
        self.lives = []
        self.verifies = True
        self.hidden = ''
        if store:
            os.symlink(store, self.path('store'))
        if store and os.path.exists(store):
            self.hidden = ', '.join(f"'{run}'" for run, in self.ask('select id from run'))

    def leave_memory(self):
        """Move to a folder outside of /dev: a command that may only read has a /dev of its own, without what is in /dev/shm."""
        shutil.rmtree(self.dir)
        self.dir = tempfile.mkdtemp(prefix='reeve-engine-', dir='/tmp')
        self.store = self.path('store')

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def write(self, name, text):
        with open(self.path(name), 'wb') as file:
            file.write(text if isinstance(text, bytes) else text.encode())
        return self.path(name)

    def read(self, name):
        with open(self.path(name), 'rb') as file:
            return file.read()

    def env(self, more):
        kept = {k: v for k, v in os.environ.items() if not k.startswith('REEVE_') and k not in ('MAKEFLAGS', 'MAKELEVEL')}
        hub = {'HUB': self.hub.path} if self.hub else {}
        return {**kept, 'DIR': self.dir, **hub, **(more or {})}

    def held(self, **more):
        """A node that ends when the test says so; $HUB is made with the first."""
        if not self.hub:
            self.hub = Hub(self.path('hub'))
        return {'run': [self.node_program], **more}

    def note(self, results=0, **more):
        """A node that appends its name to the file `ledger`, after so many results of some 64 bytes."""
        return {'run': [self.node_program, 'note', self.path('ledger'), str(results)], **more}

    def does(self, *steps, **more):
        """A node that does a few things (node.c says which), for half of what a shell takes."""
        return does(*steps, **more)

    def command(self, workflow, words):
        name = 'flow.json'
        if workflow is not None:
            self.write(name, json.dumps({'reeve': 1, **workflow}))
        return [self.reeve, 'run', '-f', self.path(name), '--json', '--store', self.store, *words]

    def start(self, workflow, *words, env=None, before=None):
        process = subprocess.Popen(self.command(workflow, words), cwd=self.dir, env=self.env(env), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=before)
        self.lives.append(Live(process))
        return self.lives[-1]

    def run(self, workflow, *words, status=0, env=None, before=None):
        statuses = status if isinstance(status, tuple) else (status,)
        return self.start(workflow, *words, env=env, before=before).end(*statuses)

    def call(self, *words, status=0, env=None, limit_s=DEADLINE_S):
        """Another verb of the program."""
        done = subprocess.run([self.reeve, *words, '--store', self.store], cwd=self.dir, env=self.env(env), stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=limit_s)
        text = done.stdout.decode(errors='replace')
        need(done.returncode == status, f'`reeve {" ".join(words)}` ended with {done.returncode}: '
                                        f'{done.stderr.decode(errors="replace")}{text}')
        done.text, done.errors = text, done.stderr.decode(errors='replace')
        return done

    def ask(self, sql):
        """Rows, as tuples."""
        sql = self.without_hidden(sql)
        rows = rows_of(self.store, sql)
        if rows is None:
            rows = self.ask_owner(sql)
        return rows if rows is not None else [tuple(row) for row in json.loads(self.call('sql', sql, '--json', '-n', '0').text)['rows']]

    def without_hidden(self, sql):
        """A table's name is what is left of it."""
        keys = {'run': 'id', 'node': 'run', 'attempt': 'run', 'blocker': 'run', 'artifact': 'run'}
        left = [f'{table} as (select * from main.{table} where {key} not in ({self.hidden}))'
                for table, key in keys.items() if table in sql]
        if not self.hidden or not left:
            return sql
        return 'with ' + ', '.join(left) + (', ' + sql[5:] if sql.startswith('with ') else ' ' + sql)

    def ask_owner(self, sql):
        """Rows from whoever drives a run of the store, as `reeve sql` asks for them; None: nobody does, or not within reach."""
        try:
            wire = Wire(self)
        except OSError:
            return None
        answer = wire.ask('query', sql=sql)
        wire.close()
        if not answer or 'error' in answer:
            return None
        return [tuple(json.loads(line)) for line in answer['lines'].split('\n')[1:-1]]

    def tell(self, op, status='OK', **fields):
        """A word of a person to who drives the run, without the program that says it: `decide`, `answer`, `cancel`, `signal`, `steer`."""
        wire = Wire(self)
        same(wire.say(op, by='somebody', **fields), status, f'{op} {fields}')
        wire.close()

    def one(self, sql):
        rows = self.ask(sql)
        need(len(rows) == 1, f'{sql}: {rows}')
        return rows[0] if len(rows[0]) > 1 else rows[0][0]

    def journal(self, run, type_=None):
        events = [json.loads(line) for line in self.call('events', run, '--json').text.splitlines()]
        return [e for e in events if type_ in (None, e['type'])]

    def follow(self, run):
        """What the journal of a run that goes on says, as it comes: `reeve events -f`, whose events are expected."""
        command = [self.reeve, 'events', run, '-f', '--json', '--store', self.store]
        process = subprocess.Popen(command, cwd=self.dir, env=self.env(None), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        self.lives.append(Live(process))
        return self.lives[-1]

    def events_of(self, run, name, type_):
        return [e for e in self.journal(run, type_) if e.get('node') == name]

    def verify_all(self):
        if not os.path.exists(os.path.join(self.store, 'reeve.db')):
            return
        self.call('verify', '--all', limit_s=10 * DEADLINE_S)  # it decides all of it again

    def close(self):
        for live in self.lives:
            if live.process.poll() is None:
                live.process.kill()
                live.process.wait()
        if self.hub:
            self.hub.socket.close()
        shutil.rmtree(self.dir, ignore_errors=True)


# ---- the owner's socket ----

class Wire:
    """A raw client of the owner's socket."""

    def __init__(self, flow):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(os.path.join(flow.store, 'sock'))
        self.socket.settimeout(DEADLINE_S)
        self.buffer = b''

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else json.dumps(data).encode() + b'\n')

    def line(self):
        """The next answer; None: the owner closed the connection."""
        while b'\n' not in self.buffer:
            try:
                piece = self.socket.recv(1 << 16)
            except (ConnectionResetError, BrokenPipeError):
                return None
            if not piece:
                return None
            self.buffer += piece
        line, self.buffer = self.buffer.split(b'\n', 1)
        return json.loads(line)

    def ask(self, op, **fields):
        try:
            self.send({'v': 1, 'op': op, **fields})
        except (ConnectionResetError, BrokenPipeError):
            return None
        return self.line()

    def say(self, op, **fields):
        """OK, or the name of the status that it was refused with."""
        answer = self.ask(op, **fields)
        return answer['error']['status'] if 'error' in answer else 'OK'

    def close(self):
        self.socket.close()


# ---- shell words that several tests use ----

def shell(script, **more):
    return {'shell': script, **more}


def does(*steps, **more):
    """Flow.does, where there is no flow yet."""
    return {'run': [os.path.abspath(sys.argv[2]), 'do', *map(str, steps)], **more}


def argv_to(path, *words):
    """A node that writes its arguments to `path`, each ended by NUL."""
    return does('args', path, *words)['run']


def limit_file_size(size):
    """For preexec_fn: writes beyond `size` bytes of a file fail, as on a full disk."""
    def apply():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    return apply


class Story:
    """A flow, and what was done in it for one case, or once for all that share it."""

    def __init__(self, programs, of, store):
        self.flow = Flow(*programs, store)
        self.wrong, self.given = None, []
        if of:
            try:
                self.given = [of(self.flow)]
            except Exception as wrong:  # of each that looks at it
                self.wrong = wrong

    def prove(self, fn):
        if self.wrong:
            raise self.wrong
        fn(self.flow, *self.given)


def proved(number, claim, prove):
    """Print what becomes of a case. Has it not failed?"""
    began = time.monotonic()
    try:
        prove()
        print(f'ok {number} - {claim} # {(time.monotonic() - began) * 1000:.0f} ms', flush=True)
    except Skipped as why:
        print(f'ok {number} - {claim} # SKIP {why}', flush=True)
    except Exception as wrong:  # a case that breaks in any way is a failure, and the next one goes on
        if not isinstance(wrong, Broken):
            traceback.print_exc(limit=-2, file=sys.stdout)
        print(f'# {str(wrong)[:1500]}\nnot ok {number} - {claim}', flush=True)
        return False
    return True


def prove_all(chosen, programs, common):
    """Prove the cases; how many failed."""
    stories, failed = {}, 0
    for count, (claim, fn, of, alone) in enumerate(chosen, 1):
        key = of or fn
        is_last = not any(key is other[2] for other in chosen[count:])

        def prove():
            if key not in stories:
                stories[key] = Story(programs, of, None if alone else common)
            story = stories[key]
            story.prove(fn)
            if is_last and story.flow.verifies and (alone or not common):
                story.flow.verify_all()
        failed += not proved(count, claim, prove)
        if is_last and key in stories:
            stories.pop(key).flow.close()
    return failed


def main(one_store=False):
    programs = [os.path.abspath(word) for word in sys.argv[1:3]]
    chosen = chosen_cases()
    count = len(chosen)
    if not one_store:
        failed = prove_all(chosen, programs, None)
    else:
        whole = Flow(*programs)
        failed = prove_all(chosen, programs, whole.store)
        count += 1
        failed += not proved(count, 'what these cases did verifies: journals, replays, what was decided, rows, artifacts', whole.verify_all)
        whole.close()
    print(f'1..{count}')
    sys.exit(1 if failed or not chosen else 0)
