#!/usr/bin/env python3
"""hit.py REEVE: what is seen of a node that comes from the cache is what is seen of one that runs [C12, A20]."""
import json
import os
import subprocess
import tempfile

from program import LIMIT_S, REEVE, claim, end, environment

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


def run(flow, *words):
    """In a folder and a store of its own; twice: what the run printed, and what the hit printed."""
    with tempfile.TemporaryDirectory(prefix='reeve-hit-') as folder:
        with open(os.path.join(folder, 'reeve.yaml'), 'w') as file:
            file.write(flow)
        done = [subprocess.run([REEVE, 'run', *words], cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True, timeout=LIMIT_S, env=environment()) for _ in range(2)]
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
end()
