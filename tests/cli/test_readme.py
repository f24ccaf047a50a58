#!/usr/bin/env python3
"""test_readme.py REEVE FILE.md...: every command in a block marked console ends well, typed one after the other.

A line that begins with `$ ` is a command, with its here-document up to the mark; other lines show what it prints. The
blocks of a file run in one empty folder, in one shell, as a reader would type them. Every link that a file makes to
another file of the tree must lead somewhere."""
import os
import re
import shutil
import subprocess
import sys
import tempfile

REEVE = os.path.abspath(sys.argv[1])
LIMIT_S = 120


def commands(text):
    """Each command of the console blocks, whole."""
    for block in re.findall(r'^```console\n(.*?)^```$', text, re.M | re.S):
        lines = iter(block.split('\n'))
        for line in lines:
            if not line.startswith('$ '):
                continue
            command = [line[2:]]
            mark = re.search(r"<<'(\w+)'", line)
            while mark and command[-1] != mark.group(1):
                command.append(next(lines))
            yield '\n'.join(command)


def ledger_of(text):
    """What a block shows after `$ cat ledger`."""
    found = re.search(r'^\$ cat ledger\n((?:[a-z]+\n)+)', text, re.M)
    return found.group(1) if found else None


def run_all(listed, folder):
    """(number of the command that failed or None, what was printed)."""
    script = ['set -m']
    for number, command in enumerate(listed, 1):
        script.append('echo "@@ %d"' % number)
        script.append(command)
        if not command.rstrip().endswith('&'):
            script.append('status=$?; [ "$status" -eq 0 ] || { echo "@@ failed %d with $status"; exit 1; }' % number)
    env = dict(os.environ, PATH=os.path.dirname(REEVE) + os.pathsep + os.environ['PATH'])
    env.pop('REEVE_STORE', None)
    done = subprocess.run(['bash', '-c', '\n'.join(script)], cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors='replace', timeout=LIMIT_S)
    failed = re.search(r'^@@ failed (\d+)', done.stdout, re.M)
    return (int(failed.group(1)) if failed else None if done.returncode == 0 else len(listed)), done.stdout


def dead_links(path, text):
    here = os.path.dirname(os.path.abspath(path))
    links = re.findall(r'\]\(([^)#:]+)(?:#[^)]*)?\)', text)
    return sorted({link for link in links if not os.path.exists(os.path.join(here, link))})


def main():
    number = failures = 0
    for path in sys.argv[2:]:
        with open(path) as file:
            text = file.read()
        name, listed, folder = os.path.basename(path), list(commands(text)), tempfile.mkdtemp(prefix='rv-readme-')
        try:
            failed, out = run_all(listed, folder) if listed else (None, '')
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        checks = []
        if listed or path == sys.argv[2]:  # the first file must have some
            checks.append(('%s: %d commands end well' % (name, len(listed)), bool(listed) and failed is None,
                           'failed: %s\n%s' % (listed[failed - 1] if failed else 'there are none', out)))
        if ledger_of(text):
            checks.append(('%s: the ledger is as it says' % name, '\n' + ledger_of(text) + '@@' in out, out))
        checks.append(('%s: every link leads somewhere' % name, not dead_links(path, text), ', '.join(dead_links(path, text))))
        for what, holds, otherwise in checks:
            number += 1
            failures += not holds
            print('%s %d %s' % ('ok' if holds else 'not ok', number, what))
            if not holds:
                print('# ' + otherwise.strip().replace('\n', '\n# '))
    sys.exit(1 if failures else 0)


if __name__ == '__main__':
    main()
