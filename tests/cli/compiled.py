#!/usr/bin/env python3
"""compiled.py PROGRAM: the compiled form of a large workflow file is taken while the file is what it was, and never for another one."""
import ctypes
import glob
import json
import os
import subprocess
import sys
import tempfile

REEVE = os.path.abspath(sys.argv[1])
NODES = 2000
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
    claim('a large file is planned', planned() == 'first', planned())
    claim('a file that is what it was is not opened again', known())
    claim('and planned as before', planned() == 'first', planned())


def test_changed():
    for i in range(40):
        command = 'c%04d' % i
        write(command)
        told = planned()
        if told != command:
            return claim('a file of the same size and modification time that was just written is read', False, told)
    claim('a file of the same size and modification time that was just written is read', True)
    known()
    write('other')
    claim('so is one that was known by its stamp', planned() == 'other', planned())
    known()
    with open('new.json', 'w') as new, open('reeve.json') as old:
        new.write(old.read().replace('other', 'third'))
    os.utime('new.json', (1700000000, 1700000000))
    os.rename('new.json', 'reeve.json')
    claim('and one that was put in its place', planned() == 'third', planned())


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


def test_damage():
    write('whole')
    known()
    for image in glob.glob('.reeve/compiled/*.img'):
        with open(image, 'r+b') as file:
            file.seek(os.path.getsize(image) // 2)
            file.write(b'\xff' * 64)
    claim('a damaged compiled form costs time, nothing else', planned() == 'whole', planned())
    for image in glob.glob('.reeve/compiled/*.img'):
        os.unlink(image)
    claim('one that is gone, too', planned() == 'whole', planned())
    with open('.reeve/compiled/stamps', 'r+b') as file:
        file.seek(40)
        file.write(b'\xff' * 100)
    claim('and damaged stamps', planned() == 'whole', planned())


with tempfile.TemporaryDirectory(prefix='reeve-compiled-') as work:
    os.chdir(work)
    os.mkdir('.reeve')
    os.environ.pop('REEVE_STORE', None)
    for test in (test_unchanged, test_changed, test_problems, test_damage):
        test()
    os.chdir('/')
sys.exit(1 if failures else 0)
