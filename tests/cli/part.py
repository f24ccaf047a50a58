#!/usr/bin/env python3
"""part.py REEVE: `reeve run NODE…` and `default`: what is named and what it needs is the run, nothing else [W21, W30]."""
import json
import os
import tempfile

from program import claim, end, reeve

FLOW = '''reeve: 1
default: app
nodes:
  fetch: {run: [echo, fetched]}
  lint: {run: [echo, lint]}
  lib: {run: [echo, lib], needs: [fetch], after: [lint]}
  app: {run: [echo, "${lib.stdout}"], needs: [lib]}
  docs: {run: [echo, "${lint.stdout}"], after: [lint, app]}
  sort: {classify: {by: {shell: 'echo branch=one > "$REEVE_OUTPUT"'}, branches: {one: [first], two: [second]}}}
  first: {run: [echo, first], needs: [sort]}
  second: {run: [echo, second], needs: [sort]}
  one: {run: [echo, one]}
  best: {tournament: {entrants: [one, {run: [echo, two]}], judge: {shell: 'echo winner=left > "$REEVE_OUTPUT"'}}}
  sum: {reduce: {reducer: concat, of: [lint, one]}, after: [lint], needs: [one]}
on:
  exit:
    shell: 'echo "$A,$B,$C" > handler'
    env: {A: "${docs.state}", B: "${docs.stdout:-none}", C: "${app.state}"}
    when: '${lint.state} != "failed"'
'''


def write(folder, text):
    with open(os.path.join(folder, 'reeve.yaml'), 'w') as file:
        file.write(text)


def states(folder, run='latest'):
    """Of the file's nodes that are part of the run."""
    status, out, err = reeve(folder, 'show', run, '--json')
    return {node['node']: node['state'] for node in json.loads(out)['nodes'] if not set(node['node']) & set('./#[')}


def run_of(folder, *words):
    status, out, err = reeve(folder, 'run', *words)
    return (states(folder) if status == 0 else {}), out + err


with tempfile.TemporaryDirectory() as folder:
    write(folder, FLOW)
    got, text = run_of(folder)
    claim('without a name the run is `default` and what it needs, over hard edges alone', sorted(got) == ['app', 'fetch', 'lib'], text)
    with open(os.path.join(folder, 'handler')) as file:
        said = file.read()
    claim('a handler reads a node that is no part of the run as one that was skipped', said == 'skipped,none,succeeded\n', said)
    got, text = run_of(folder, 'lib', 'fetch')
    claim('what is named is the run, and what it needs', sorted(got) == ['fetch', 'lib'], text)
    got, text = run_of(folder, 'reeve.yaml', 'docs')
    claim('a node whose value is read over a soft edge is part of the run', sorted(got) == ['docs', 'lint'], text)
    claim('soft edges hold within it', text.index('lint │') < text.index('docs │'), text)
    got, text = run_of(folder, 'first')
    claim('a branch needs its classifier, not the other branches', sorted(got) == ['first', 'sort'], text)
    got, text = run_of(folder, 'best')
    claim('a tournament has its entrants', sorted(got) == ['best', 'one'], text)
    got, text = run_of(folder, 'sum')
    claim('a reduction has what it reduces', sorted(got) == ['lint', 'one', 'sum'], text)
    got, text = run_of(folder, '--all')
    claim('--all is every node', len(got) == 11, text)
    status, out, err = reeve(folder, 'run', 'ap')
    claim('a name that is none is said, with the nearest', status == 3 and 'has no node `ap`; did you mean `app`?' in err, err)
    status, out, err = reeve(folder, 'run', 'app', '--all')
    claim('names and --all exclude each other', status == 2 and 'exclude each other' in err, err)
    status, out, err = reeve(folder, 'run', '-f', 'reeve.yaml', 'app', '--resume')
    claim('a resume takes no names', status == 2 and 'keeps the nodes that it began with' in err, err)
    status, out, err = reeve(folder, 'run', 'first', '--dry-run', '--json')
    plan = [node['node'] for node in json.loads(out)['plan']]
    claim('--dry-run tells the part', set(plan) >= {'sort', 'first'} and 'app' not in plan, out)
    status, out, err = reeve(folder, 'verify', 'latest')
    claim('a run of a part holds its promises', status == 0, out + err)

with tempfile.TemporaryDirectory() as folder:
    broken = 'reeve: 1\nnodes:\n  a: {run: [echo, a]}\n  b: {shell: "test -e ok", needs: [a]}\n  c: {run: [echo, c]}\n'
    write(folder, broken)
    status, out, err = reeve(folder, 'run', 'b')
    claim('a part that failed is shown as such', status == 1 and sorted(states(folder)) == ['a', 'b'], out + err)
    open(os.path.join(folder, 'ok'), 'w').close()
    status, out, err = reeve(folder, 'run', '--resume', 'latest')
    claim('its resume is of the same part, and says of no change', status == 0 and sorted(states(folder)) == ['a', 'b'] and
          'has changed' not in err, out + err)
    write(folder, broken.replace('[echo, a]', '[echo, other]').replace('[echo, c]', '[echo, d]'))
    status, out, err = reeve(folder, 'run', '--resume', 'latest', '--edit')
    claim('--edit is of the same part of the file as it is now', status == 0 and sorted(states(folder)) == ['a', 'b'] and 'other' in out,
          out + err)
    write(folder, 'reeve: 1\ndefault: x\nnodes: {a: {run: [echo]}}\n')
    status, out, err = reeve(folder, 'check')
    claim('`default` names a node of the file', status == 2 and 'reeve.yaml:2:10: `default` names `x`, which is no node' in err, err)

end()
