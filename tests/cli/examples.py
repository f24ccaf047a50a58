#!/usr/bin/env python3
"""examples.py REEVE MANUAL: every verb explains itself, and every example of its help works as it stands there, and stands in MANUAL.

What an example expects to find is prepared once for its verb; each example has a copy of its own, but those that only read. Of what
explains itself check has a third, drawn by SEED, and check-long all; in check what is told how long or how often to work has a tenth of
that. What needs no shell is started without one."""
import json
import os
import random
import re
import shutil
import sys
import tempfile
import time

from program import REEVE, call, claim, end, write

IS_LONG = os.environ.get('REEVE_TEST_LONG') == '1'
SEED = int(os.environ.get('SEED') or time.time_ns() % 1000000)
PLAIN = re.compile(r'reeve[\w ./:@,+-]*')
READERS = {'ls', 'show', 'why', 'logs', 'events', 'verify', 'sql'}
WAITS = {  # what waits for somebody
    'approve': 'name: release\nbudget: {usd: 1}\nnodes:\n  review: {approve: {message: "Publish?"}}\n',
    'signal': 'name: wait\nnodes:\n  w: {wait: {event: deployed}}\n',
    'steer': 'name: post\nnodes:\n  ok: {approve: {message: "Go?"}}\n  draft: {run: [echo, draft], needs: [ok]}\n',
    'answer': 'name: ask\nnodes:\n  size: {input: {question: "How many?", schema: {type: integer}}}\n'}
WAITS['reject'] = WAITS['cancel'] = WAITS['approve']
FILES = {
    'submit': {'more.yaml': 'nodes:\n  more: {run: [echo, more]}\n', 'plan': '#!/bin/sh\ncat more.yaml\n'},
    'kernel': {'events.jsonl': '{"v":1,"now":{"wall_ms":1,"engine_ms":1},'
                               '"event":{"type":"load","run":"r","workflow":{"nodes":{"a":{"run":["true"]}}}}}\n'},
    'import': {'Makefile': 'app: app.in\n\tcp app.in app\nclean:\n\trm -f app\n', 'app.in': '1\n', 'crontab': '0 4 * * * echo job\n',
               'package.json': '{"scripts": {"build": "echo build", "test": "npm run build && echo test"}}\n'}}
PATH = {'PATH': os.pathsep.join(['.', os.path.dirname(REEVE), os.environ['PATH']])}


def must(status, folder, *words):
    found, out, err = call(folder, REEVE, *words)
    assert found == status, '%s: status %d\n%s%s' % (' '.join(words), found, out, err)
    return out


class Prepared:
    """Folders with what examples expect to find: a workflow; for some verbs a run of it, or one that waits for somebody."""

    def __init__(self, work):
        self.work, self.count, self.made = work, 0, {}
        self.begun = os.path.join(work, 'begun')
        os.mkdir(self.begun)
        must(0, self.begun, 'init')

    def make(self, key, verb):
        folder = self.made[key] = os.path.join(self.work, 'for-%d' % len(self.made))
        shutil.copytree(self.begun, folder)
        write(folder, FILES.get(verb, {}))
        if key in WAITS.values():
            write(folder, {'waits.yaml': 'reeve: 1\n' + key})
            must(76, folder, 'run', 'waits.yaml', '--no-wait')
        elif key == 'ran':
            must(0, folder, 'run', '--output', 'quiet')

    def folder(self, verb):
        key = 'ran' if verb in READERS | {'cache', 'shell'} else WAITS.get(verb, verb)
        if key not in self.made:
            self.make(key, verb)
        if verb in READERS:
            return self.made[key]
        self.count += 1
        return shutil.copytree(self.made[key], os.path.join(self.work, 'own-%d' % self.count))


def example(prepared, verb, command, manual):
    folder = prepared.folder(verb)
    if verb == 'submit':  # its examples are of a node that runs
        write(folder, {'grow.yaml': 'reeve: 1\nname: grow\nnodes:\n  giver: {shell: "%s"}\n' % command})
        done = call(folder, REEVE, 'run', 'grow.yaml', env=PATH)
    else:
        tried = command if IS_LONG else re.sub(r'(--plays \d+)0\b', r'\1', re.sub(r'(--for \d+)s', r'\g<1>00ms', command))
        words = tried.split(' ') if PLAIN.fullmatch(tried) else ['sh', '-c', tried]
        done = call(folder, *words, env=PATH)
    claim('example: ' + command, done[0] == 0, done)
    claim('the manual has it: ' + command, '`%s`' % command in manual)


def main():
    with open(sys.argv[2]) as file:
        manual = file.read()
    with tempfile.TemporaryDirectory(prefix='rv-examples-') as work:
        verbs = json.loads(must(0, work, 'help', '--json'))['verbs']
        explained = verbs if IS_LONG else random.Random(SEED).sample(verbs, len(verbs) // 3)
        print('# verbs that explain themselves are drawn by SEED=%d' % SEED)
        for verb in explained:
            status, out, err = call(work, REEVE, verb['name'], '--help')
            claim('%s --help explains it' % verb['name'], status == 0, err)
            claim('%s --help names its usage' % verb['name'], 'reeve ' + verb['name'] in out, out)
        prepared = Prepared(work)
        for verb in verbs:
            claim('%s has a summary and tells its exit status' % verb['name'], verb['summary'] and verb['exit'], verb)
            for each in verb['examples']:
                example(prepared, verb['name'], each['command'], manual)
    end()


if __name__ == '__main__':
    main()
