#!/usr/bin/env python3
"""compiled.py PROGRAM: the compiled form of a large workflow file is taken while the file is what it was, and never for another one."""
import ctypes
import glob
import json
import os
import subprocess
import sys
import tempfile
import time

REEVE = os.path.abspath(sys.argv[1])
NODES = 2000
EDITS = 40 if os.environ.get('REEVE_TEST_LONG') == '1' else 12
failures = 0


def claim(what, holds, detail=''):
    global failures
    print('%s %s' % ('ok' if holds else 'not ok', what))
    if not holds:
        failures += 1
        print('# ' + str(detail)[:2000])


def write(command, param=False):
    """A file of the same size for every command of the same length, with the same modification time."""
    nodes = {'n%05d' % i: {'run': ['echo', command]} for i in range(NODES)}
    file = {'reeve': 1, 'name': 'large', 'nodes': nodes}
    if param:
        file['params'] = {'who': {'type': 'string'}}
        file['nodes']['n00000'] = {'run': ['echo', '${user.who}']}
    with open('reeve.json', 'w') as out:
        json.dump(file, out)
    os.utime('reeve.json', (1700000000, 1700000000))


def plan(*options):
    done = subprocess.run([REEVE, 'run', 'reeve.json', '--dry-run', *options], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def planned():
    """What the last node is said to do."""
    status, out, err = plan()
    return out.split()[-1] if status == 0 else err


class Opened:
    """Counts who opens a file, as inotify tells it."""
    IN_OPEN = 0x20

    def __init__(self, path):
        libc = ctypes.CDLL(None, use_errno=True)
        self.fd = libc.inotify_init1(os.O_NONBLOCK)
        assert self.fd >= 0 and libc.inotify_add_watch(self.fd, path.encode(), self.IN_OPEN) >= 0

    def count(self):
        try:
            return len(os.read(self.fd, 65536)) // 16
        except BlockingIOError:
            return 0
        finally:
            os.close(self.fd)


def known():
    """Run until the file is known by its stamp: at the earliest when the clock of the file system has moved past it."""
    for _ in range(200):
        opened = Opened('reeve.json')
        planned()
        if opened.count() == 0:
            return True
    return False


def test_unchanged():
    write('first')
    claim('a large file is planned', (found := planned()) == 'first', found)
    claim('a file that is what it was is not opened again', known())
    claim('and planned as before', (found := planned()) == 'first', found)


def test_changed():
    for i in range(EDITS):
        command = 'c%04d' % i
        write(command)
        told = planned()
        if told != command:
            return claim('a file of the same size and modification time that was just written is read', False, told)
    claim('a file of the same size and modification time that was just written is read', True)
    known()
    write('other')
    claim('so is one that was known by its stamp', (found := planned()) == 'other', found)
    known()
    with open('new.json', 'w') as new, open('reeve.json') as old:
        new.write(old.read().replace('other', 'third'))
    os.utime('new.json', (1700000000, 1700000000))
    os.rename('new.json', 'reeve.json')
    claim('and one that was put in its place', (found := planned()) == 'third', found)


def test_problems():
    write('value', param=True)
    status, _, err = plan('--var', 'who=me')
    claim('values are resolved anew', status == 0, err)
    for _ in range(200):
        opened = Opened('reeve.json')
        plan('--var', 'who=me')
        if opened.count() == 0:
            break
    status, _, err = plan()
    claim('a value that is missing is a problem of a compiled file too', status == 2 and 'who' in err, (status, err))
    status, _, again = plan('--var', 'who=me', '--var', 'nobody=x')
    claim('and one too many', status == 2 and 'nobody' in again, (status, again))


def said_of(*command):
    done = subprocess.run([REEVE, *command], capture_output=True, text=True)
    return done.returncode, [line for line in done.stderr.splitlines() if not line.startswith('reeve: ')]


def test_first_problems():
    """A large file is let go while it is loaded; what is to be said of it is said as of one that is held, which `check` does."""
    nodes = {'n%05d' % i: {'run': ['echo', 'x']} for i in range(NODES)}
    nodes['n00500'] = {'run': ['echo', '${n0050.stdout}'], 'needs': ['n00499', 'nowhere'], 'retries': 3}
    nodes['n01500'] = {'run': 'echo'}
    good = {name: nodes['n00000'] for name in nodes}
    for name, file in (('wrong', {'reeve': 1, 'nodes': nodes}), ('without a version', {'nodes': good}), ('cut short', None)):
        with open('reeve.json', 'w') as out:
            out.write(json.dumps(file, indent=1) if file else json.dumps({'reeve': 1, 'nodes': nodes}, indent=1)[:-9])
        held, let_go = said_of('check', 'reeve.json'), said_of('run', 'reeve.json', '--dry-run')
        claim('a large file that is %s: every problem is told with its place' % name,
              held == let_go and len(held[1]) > 0 and all(line.startswith('reeve.json:') for line in held[1]), (held, let_go))
    write('piped')
    for text, told in (('{"reeve":1,', 0), ('{', 1)):  # the latter has something to be said of it, a warning
        with open('reeve.json') as file:
            piped = file.read().replace('{"reeve": 1,', text)
        os.mkfifo('fifo.json')
        ran = subprocess.Popen([REEVE, 'run', 'fifo.json', '--dry-run'], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        with open('fifo.json', 'w') as fifo:
            fifo.write(piped)
        out, err = ran.communicate(timeout=60)
        os.unlink('fifo.json')
        claim('what comes through a pipe cannot be read twice, and is held (problems told: %d)' % told,
              ran.returncode == 0 and out.split()[-1] == 'piped' and err.count('fifo.json:1:1') == told, (ran.returncode, out[-200:], err))


def test_damage():
    write('whole')
    known()
    for image in glob.glob('.reeve/compiled/*.img'):
        with open(image, 'r+b') as file:
            file.seek(os.path.getsize(image) // 2)
            file.write(b'\xff' * 64)
    claim('a damaged compiled form costs time, nothing else', (found := planned()) == 'whole', found)
    for image in glob.glob('.reeve/compiled/*.img'):
        os.unlink(image)
    claim('one that is gone, too', (found := planned()) == 'whole', found)
    with open('.reeve/compiled/stamps', 'r+b') as file:
        file.seek(40)
        file.write(b'\xff' * 100)
    claim('and damaged stamps', (found := planned()) == 'whole', found)


def forms():
    return sorted(glob.glob('.reeve/compiled/*.img'), key=os.path.getmtime)


def age(path, days):
    then = time.time() - days * 86400
    os.utime(path, (then, then))


def test_bounded():
    """Each edit leaves a form; aged files stand for those of long ago."""
    write('used')
    planned()
    kept = forms()[-1]
    for i in range(40):
        with open('.reeve/compiled/%064x.img' % i, 'wb') as file:
            file.truncate(1 << 20)
        age(file.name, 20 - i / 4)
    age(kept, 25)
    planned()
    claim('a form that is used counts as used now', time.time() - os.path.getmtime(kept) < 86400)
    for name, days in (('old.img', 31), ('dead.img.77.new', 2), ('alive.img.78.new', 0.5), ('other', 100)):
        open('.reeve/compiled/' + name, 'w').close()
        age('.reeve/compiled/' + name, days)
    write('more')
    claim('another form is written', planned() == 'more')
    left = [os.path.basename(path) for path in forms()]
    claim('32 forms stay, those that were used last', len(left) == 32 and os.path.basename(kept) in left and '%064x.img' % 39 in left, left)
    claim('and those used least recently go', '%064x.img' % 0 not in left and '%064x.img' % 9 not in left, left)
    names = os.listdir('.reeve/compiled')
    claim('what was not used for 30 days goes, and what a dead process began', not {'old.img', 'dead.img.77.new'} & set(names), names)
    claim('what is being written and other files stay', {'alive.img.78.new', 'other', 'stamps'} <= set(names), names)
    for path in forms()[:3]:
        os.truncate(path, 200 << 20)
        age(path, 29)
    write('still_more')
    planned()
    sizes = [os.path.getsize(path) for path in forms()]
    claim('the sum of their sizes is bounded, too', sum(sizes) <= 256 << 20 and len(sizes) >= 28, sizes)
    os.truncate('.reeve/compiled/%064x.img' % 39, 300 << 20)
    os.utime('.reeve/compiled/%064x.img' % 39, (time.time() + 60,) * 2)
    write('last')
    planned()
    claim('but the newest stays whatever its size', os.path.getsize(forms()[-1]) == 300 << 20 and len(forms()) == 1, forms())


with tempfile.TemporaryDirectory(prefix='reeve-compiled-') as work:
    os.chdir(work)
    os.mkdir('.reeve')
    os.environ.pop('REEVE_STORE', None)
    for test in (test_unchanged, test_changed, test_problems, test_first_problems, test_damage, test_bounded):
        test()
    os.chdir('/')
sys.exit(1 if failures else 0)
