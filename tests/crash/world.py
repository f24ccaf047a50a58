"""What the crash tests share: to start reeve, to kill it, to ask its store, to see who is alive, to say what was proved.

A launch is marked by an environment variable of its own, which keeper, engine and attempts all carry; by it everything
that a launch left behind is found. Everything is waited for with a deadline, never for a fixed time."""
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from rows import rows_of  # noqa: E402

MARK = 'REEVE_CRASH_LAUNCH'
DEADLINE_S = 60
KILLED = {'engine': 128 + signal.SIGKILL, 'keeper': -signal.SIGKILL, 'both': -signal.SIGKILL}


class Broken(Exception):
    """A promise does not hold."""


def need(claim, text):
    if not claim:
        raise Broken(text)


class Script:
    """Counts and prints cases as `ok N - claim`."""

    def __init__(self):
        self.count = self.failed = 0

    def case(self, claim, fn, *args):
        self.count += 1
        try:
            skipped = fn(*args)
            print(f'ok {self.count} - {claim}' + (f' # SKIP {skipped}' if skipped else ''), flush=True)
        except Broken as broken:
            self.failed += 1
            Launch.end_all()
            print(f'# {broken}\nnot ok {self.count} - {claim}', flush=True)

    def end(self):
        print(f'1..{self.count}')
        sys.exit(1 if self.failed else 0)


# ---- processes ----

def stat_of(pid):
    """(state, parent, start ticks), or None when it is gone."""
    try:
        with open(f'/proc/{pid}/stat') as file:
            fields = file.read().rsplit(')', 1)[1].split()
        return fields[0], int(fields[1]), int(fields[19])
    except (OSError, IndexError):
        return None


def carriers(entry):
    """{(pid, start ticks): executable} of the living processes with this NAME=VALUE in their environment."""
    found, wanted = {}, entry.encode()
    for name in os.listdir('/proc'):
        if not name.isdigit():
            continue
        try:
            with open(f'/proc/{name}/environ', 'rb') as file:
                if wanted not in file.read().split(b'\0'):
                    continue
            stat = stat_of(name)
            if stat and stat[0] not in 'ZX':
                found[(int(name), stat[2])] = os.readlink(f'/proc/{name}/exe')
        except OSError:
            continue
    return found


def is_alive(process):
    stat = stat_of(process[0])
    return stat is not None and stat[0] not in 'ZX' and stat[2] == process[1]


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def wait_for(claim, what, seconds=DEADLINE_S):
    until = time.monotonic() + seconds
    while not claim():
        need(time.monotonic() < until, f'{what}: not within {seconds} s')
        time.sleep(0.002)


# ---- reeve ----

class World:
    """A folder with a workflow, a store and a ledger."""

    def __init__(self, reeve, workflow, path=None):
        self.reeve = os.path.abspath(reeve)
        self.dir = path or tempfile.mkdtemp(prefix='reeve-crash-')
        self.store = os.path.join(self.dir, 'store')
        self.ledger = os.path.join(self.dir, 'ledger')
        self.file = os.path.join(self.dir, 'flow.json')
        self.launches = 0
        with open(self.file, 'w') as file:
            json.dump(workflow, file, indent=1)

    def remove(self):
        shutil.rmtree(self.dir, ignore_errors=True)

    def env(self, **more):
        kept = {k: v for k, v in os.environ.items() if not k.startswith('REEVE_') and k != 'MAKEFLAGS'}
        return {**kept, 'LEDGER': self.ledger, **more}

    def call(self, *words, ok=(0,)):
        done = subprocess.run([self.reeve, *words, '--store', self.store], env=self.env(), capture_output=True, text=True,
                              timeout=DEADLINE_S)
        need(done.returncode in ok, f'`reeve {" ".join(words)}` ended with {done.returncode}: {done.stderr}{done.stdout}')
        return done

    def ask(self, sql):
        """Rows as lists."""
        rows = rows_of(self.store, sql)
        return [list(row) for row in rows] if rows is not None else self.asked(sql)

    def asked(self, sql):
        """The same by the program, and through whoever owns the store."""
        return json.loads(self.call('sql', sql, '--json', '-n', '0').stdout)['rows']

    def verify(self, run):
        self.call('verify', run)

    def has_store(self):
        return os.path.exists(os.path.join(self.store, 'reeve.db'))

    def lines(self):
        """The ledger: (what, node, epoch, number, value)."""
        if not os.path.exists(self.ledger):
            return []
        with open(self.ledger) as file:
            text = file.read()
        need(text == '' or text.endswith('\n'), 'the ledger has a torn line')
        found = [line.split() for line in text.splitlines()]
        need(all(len(line) == 5 for line in found), 'the ledger has a bad line')
        return [(what, node, int(epoch), int(number), int(value)) for what, node, epoch, number, value in found]

    def launch(self, resume, fail_point=None, words=(), before=None):
        return Launch(self, resume, fail_point, words, before)


class Launch:
    """One `reeve run`, from its start to the death of its engine and keeper."""
    last = None

    @classmethod
    def end_all(cls):
        """Of a launch that broke a promise nothing is left running; its folder stays, to be looked at."""
        if cls.last and not cls.last.is_over():
            cls.last.kill('both')
        for pid, _ in cls.last.rest() if cls.last else []:
            kill(pid)

    def __init__(self, world, resume, fail_point, words, before):
        world.launches += 1
        self.world = world
        self.entry = f'{MARK}={world.dir}/{world.launches}'
        self.path = os.path.join(world.dir, 'out')
        Launch.last = self
        command = [world.reeve, 'run', '-f', world.file, '--json', '-j', '4', '--store', world.store]
        command += [*(['--resume'] if resume else []), *words]
        armed = {'REEVE_FAIL_POINT': fail_point} if fail_point else {}
        env = world.env(**{MARK: self.entry.split('=', 1)[1]}, **armed)
        with open(self.path, 'wb') as out, open(self.path + '.err', 'wb') as err:
            self.process = subprocess.Popen(command, env=env, cwd=world.dir, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                            start_new_session=True, preexec_fn=before)
        self.pidfd = os.pidfd_open(self.process.pid)

    def pids(self):
        """(keeper, engine); engine None when there is none."""
        keeper = self.process.pid
        try:
            with open(f'/proc/{keeper}/task/{keeper}/children') as file:
                children = file.read().split()
        except OSError:
            children = []
        return keeper, int(children[0]) if children else None

    def kill(self, who):
        keeper, engine = self.pids()
        if who in ('keeper', 'both') or not engine:
            kill(keeper)
        if who in ('engine', 'both') and engine:
            kill(engine)

    def ask_to_stop(self, number):
        """As a service manager does: one signal to the process that it knows."""
        try:
            os.kill(self.process.pid, number)
        except ProcessLookupError:
            pass

    def is_over(self):
        return self.process.poll() is not None

    def wait(self, seconds):
        """Until it is over, or for so long."""
        select.select([self.pidfd], [], [], seconds)

    def events(self):
        """What it said; a line that was cut by its death is left out."""
        with open(self.path, errors='replace') as file:
            text = file.read()
        return [json.loads(line) for line in text.split('\n')[:-1]]

    def is_announced(self):
        with open(self.path, 'rb') as file:
            return b'"run_started"' in file.read(4096)

    def errors(self):
        with open(self.path + '.err', errors='replace') as file:
            return file.read()

    def rest(self):
        return carriers(self.entry)

    def reeves(self):
        return [process for process, exe in self.rest().items() if exe.split(' ')[0] == self.world.reeve]

    def end(self):
        """Wait until keeper and engine are gone. Exit status as subprocess says it."""
        try:
            status = self.process.wait(timeout=DEADLINE_S)
        except subprocess.TimeoutExpired:
            raise Broken(f'reeve neither ended nor died: {self.errors()}') from None
        os.close(self.pidfd)
        if status < 0:  # the keeper: its engine follows
            wait_for(lambda: not self.reeves(), 'an engine outlived its keeper')
        return status


def seed_of(environment):
    seed = int(environment.get('SEED') or time.time_ns() % 1000000)
    print(f'# seed {seed} (SEED={seed} repeats it)', flush=True)
    return seed
