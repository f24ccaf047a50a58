#!/usr/bin/env python3
"""read_only.py REEVE: a store on a medium that cannot be written is read: with its log, and without one. Who may only read one that
is owned, or may not even read it, is told so."""
import json
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile

REEVE = os.path.abspath(sys.argv[1])
ENV = {**{k: v for k, v in os.environ.items() if not k.startswith('REEVE_')}, 'TZ': 'UTC'}
READ_ONLY = 'mount --bind .reeve .reeve && mount -o remount,bind,ro .reeve || exit 99; export TMPDIR="$PWD/tmp"; '
ASK = ('"$0" show --json > show; echo $? > status; "$0" sql --json "select id, state from node order by id" > rows; '
       '"$0" sql --json "select name from run" > names; '
       '"$0" logs latest a > logs; '
       '"$0" run flow.json > out 2> err; echo $? >> status')


def read(folder, name):
    with open(os.path.join(folder, name)) as file:
        return file.read()


def leave_log(folder):
    """As a process that was killed leaves it: with what it had written."""
    script = ('import os, sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.execute("update run_data set name = \'from the log\'"); '
              'db.commit(); os._exit(0)')
    subprocess.run([sys.executable, '-c', script, os.path.join(folder, '.reeve', 'reeve.db')], check=True)
    os.remove(os.path.join(folder, '.reeve', 'reeve.db-shm'))


def claim(number, name, folder, has_log):
    shown = subprocess.run(['unshare', '-rm', 'sh', '-c', READ_ONLY + ASK, REEVE], cwd=folder, env=ENV, stdin=subprocess.DEVNULL,
                           capture_output=True, text=True)
    if shown.returncode == 99 or 'unshare' in shown.stderr:
        print(f'ok {number} - {name} # SKIP no mounts may be made here: {shown.stderr.strip()}')
        return True
    wanted = [('a log', os.path.exists(os.path.join(folder, '.reeve', 'reeve.db-wal')), has_log),
              ('rows', json.loads(read(folder, 'rows'))['rows'], [['a', 'succeeded'], ['b', 'failed']]),
              ('the name of the run', json.loads(read(folder, 'names'))['rows'], [['from the log']]),
              ('what a wrote', read(folder, 'logs'), 'said\n'), ('statuses', read(folder, 'status').split(), ['0', '75']),
              ('what a run says', 'Read-only file system' in read(folder, 'err'), True),
              ('what is left of it', os.listdir(os.path.join(folder, 'tmp')), [])]
    wrong = [f'{what}: {got!r} instead of {want!r}' for what, got, want in wanted if got != want]
    print(*('# ' + line for line in wrong + ([shown.stderr] if wrong else [])), sep='\n', end='\n' if wrong else '')
    print(('not ok' if wrong else 'ok'), number, '-', name)
    return not wrong


def as_other(reeve, folder, *words):
    """Run it as a user who has no rights but those of everybody; who is not root stays himself, without rights to his socket."""
    other = {'user': 65534, 'group': 65534, 'extra_groups': []} if os.geteuid() == 0 else {}
    done = subprocess.run([reeve, *words], cwd=folder, env=ENV, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
                          **other)
    return done.returncode, done.stdout, done.stderr


def beside_owner(number, folder):
    """Everybody may read the store, and nobody but its user the socket."""
    name = 'who may read a store, but not ask its owner, is told who owns it and what to do'
    store, reeve = os.path.join(folder, '.reeve'), os.path.join(folder, 'reeve')
    shutil.copy(REEVE, reeve)
    os.chmod(folder, 0o755)
    with open(os.path.join(folder, 'waits.json'), 'w') as file:
        json.dump({'reeve': 1, 'nodes': {'p': {'approve': {'message': 'go?'}}}}, file)
    owner = subprocess.Popen([REEVE, 'run', 'waits.json', '--json'], cwd=folder, env=ENV, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    try:
        return ask_beside(number, name, folder, store, reeve, owner)
    finally:
        owner.kill()
        owner.wait()


def ask_beside(number, name, folder, store, reeve, owner):
    while b'blocker_opened' not in owner.stdout.readline():
        pass
    for path, _, files in os.walk(store):
        os.chmod(path, 0o755)
        for one in files:
            os.chmod(os.path.join(path, one), 0o644 if one != 'sock' else 0o600 if os.geteuid() == 0 else 0)
    wrong = []
    for words in (['ls'], ['show'], ['logs', 'latest', 'p'], ['sql', 'select 1']):
        status, out, err = as_other(reeve, folder, *words)
        if (status, out) != (75, '') or f'{store} is owned by process ' not in err or 'ask as that user, or when it has ended' not in err:
            wrong.append((words, status, out, err))
    os.chmod(os.path.join(store, 'sock'), 0o600)
    owner.terminate()
    owner.communicate()
    status, out, err = as_other(reeve, folder, 'sql', '--csv', "select count(*) from run")
    if (status, out.split()[-1:]) != (0, ['2']):
        wrong.append(('when it has ended', status, out, err))
    os.chmod(store, 0 if os.geteuid() else 0o700)
    status, out, err = as_other(reeve, folder, 'ls')
    if status != 75 or f'{store} cannot be read: Permission denied; ask as the user whose it is' not in err:
        wrong.append(('of a store that may not be read', status, out, err))
    os.chmod(store, 0o700)
    print(*(f'# {line}' for line in wrong), sep='\n', end='\n' if wrong else '')
    print('not ok' if wrong else 'ok', number, '-', name)
    return not wrong


def open_place():
    """Where every user may look up a file that he may read."""
    place = os.path.realpath(tempfile.gettempdir())
    parents = [place]
    while parents[-1] != '/':
        parents.append(os.path.dirname(parents[-1]))
    return place if all(os.stat(parent).st_mode & stat.S_IXOTH for parent in parents) else '/tmp'


def main():
    folder = tempfile.mkdtemp(prefix='reeve-read-only-', dir=open_place())
    try:
        os.mkdir(os.path.join(folder, 'tmp'))
        with open(os.path.join(folder, 'flow.json'), 'w') as file:
            json.dump({'reeve': 1, 'nodes': {'a': {'shell': 'echo said'}, 'b': {'run': ['false'], 'needs': ['a']}}}, file)
        subprocess.run([REEVE, 'run', 'flow.json'], cwd=folder, env=ENV, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        leave_log(folder)
        is_good = claim(1, 'a store on a read-only medium is read from a copy where it has a log', folder, True)
        db = sqlite3.connect(os.path.join(folder, '.reeve', 'reeve.db'))
        db.execute('pragma wal_checkpoint(truncate)')
        db.close()
        is_good = claim(2, 'and as it lies where it has none', folder, False) and is_good
        is_good = beside_owner(3, folder) and is_good
        print('1..3')
        return 0 if is_good else 1
    finally:
        shutil.rmtree(folder)


sys.exit(main())
