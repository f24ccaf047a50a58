#!/usr/bin/env python3
"""hit.py REEVE: what is seen of a node that comes from the cache is what is seen of one that runs [C12, A20]."""
import json
import os
import subprocess
import sys
import tempfile

REEVE = os.path.abspath(sys.argv[1])
failures = 0

ENDS = r'''reeve: 1
nodes:
  out: {shell: "printf 'one\ntwo'", cache: {inputs: []}}
  err: {shell: "printf alone >&2", cache: {inputs: []}, needs: [out]}
'''

EACH = '''reeve: 1
nodes:
  each: {foreach: {items: [x, y], do: {run: [echo, "${item}"], cache: {inputs: []}}}}
  last: {run: [echo, last], cache: {inputs: []}}
'''


def claim(text, holds, detail=''):
    global failures
    print(('ok ' if holds else 'not ok ') + text, flush=True)
    if not holds:
        failures += 1
        print('# ' + str(detail)[:3000].replace('\n', '\n# '), flush=True)


def run(flow, *words):
    """In a folder and a store of its own; twice: what the run printed, and what the hit printed."""
    environment = {k: v for k, v in os.environ.items() if k not in ('REEVE_STORE', 'MAKEFLAGS')}
    environment.update({'LANG': 'C.UTF-8', 'NO_COLOR': '1'})
    with tempfile.TemporaryDirectory(prefix='reeve-hit-') as folder:
        with open(os.path.join(folder, 'reeve.yaml'), 'w') as file:
            file.write(flow)
        done = [subprocess.run([REEVE, 'run', *words], cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True, timeout=120, env=environment) for _ in range(2)]
    claim(' '.join(('both end well:', *words)), all(one.returncode == 0 for one in done), done)
    return [one.stdout for one in done]


def shown(text):
    """By node, since two streams of one have no order."""
    return sorted(line for line in text.splitlines() if ' │ ' in line)


for how in ('live', 'buffered'):
    first, second = run(ENDS, '--output', how)
    claim(f'{how}: a run shows lines without a newline at their end', shown(first) == ['err │ alone', 'out │ one', 'out │ two'], first)
    claim(f'{how}: so does a hit', shown(second) == shown(first) and 'from the cache' in second, second)

for text, which in zip(run(EACH, '--json'), ('run', 'hit')):
    events = [json.loads(line) for line in text.splitlines()]
    ended = [event['node'] for event in events if event['type'] == 'node_ended']
    claim(f'{which}: each node is told of once', sorted(ended) == ['each', 'each[0]', 'each[1]', 'last'], ended)
    claim(f'{which}: children are told of before what waits for them',
          ended.index('each') > max(ended.index('each[0]'), ended.index('each[1]')), ended)
sys.exit(1 if failures else 0)
