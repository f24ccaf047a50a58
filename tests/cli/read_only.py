#!/usr/bin/env python3
"""read_only.py REEVE: a store on a medium that cannot be written is read: with its log, and without one."""
import json
import os
import shutil
import sqlite3
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


def main():
    folder = tempfile.mkdtemp(prefix='reeve-read-only-')
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
        print('1..2')
        return 0 if is_good else 1
    finally:
        shutil.rmtree(folder)


sys.exit(main())
