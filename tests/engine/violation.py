"""Nodes that are at odds about a file [A8]: seen when it happens, told with both nodes and the path; what finished stays finished."""
import json
import os

from harness import case, main, need, same, shell


def violation(flow, run):
    return [json.loads(line) for line in flow.call('events', run, '--json').text.splitlines() if '"violation"' in line]


@case('two nodes whose patterns both cover what they made are at odds: the rest is skipped(violation), exit status 1, both are named [A8]')
def overlap(flow):
    done = flow.run({'nodes': {
        'a': shell('mkdir -p out; echo a > out/x.txt', outputs=['out/x*']),
        'b': shell('echo b > out/x.txt', outputs=['out/*.txt'], needs=['a']),
        'c': shell('true', needs=['b']), 'd': shell('true', needs=['a', 'b'])},
        'on': {'failure': shell('echo told > told')}}, '-j', '1', status=1)
    same([(done.node(n)['state'], done.node(n)['detail']) for n in 'abcd'],
         [('succeeded', 'fresh'), ('succeeded', 'fresh'), ('skipped', 'violation'), ('skipped', 'violation')], 'how they ended')
    found = [e for e in violation(flow, done.run) if e['type'] == 'violation']
    same([(e['node'], e['state'], e['key']) for e in found], [('b', 'overlap', 'out/x.txt')], 'the record')
    need(flow.read('told'), 'the failure handler')
    need('`a` and `b` both made out/x.txt' in flow.call('show', done.run).text, 'show')
    flow.call('verify', done.run)


@case('a node that makes what one before it had read as its input is a circle [A8]')
def cycle(flow):
    flow.write('gen.txt', 'old\n')
    done = flow.run({'nodes': {
        'reads': shell('cat gen.txt > seen.txt', inputs=['gen.txt'], outputs=['seen.txt'], cache=True),
        'makes': shell('echo new > gen.txt', outputs=['gen.txt'], needs=['reads']),
        'last': shell('true', needs=['makes'])}}, status=1)
    same([(done.node(n)['state'], done.node(n)['detail']) for n in ('reads', 'makes', 'last')],
         [('succeeded', 'fresh'), ('succeeded', 'fresh'), ('skipped', 'violation')], 'how they ended')
    need('are a circle' in flow.call('show', done.run).text, 'show')


@case('a hit makes files too, and files of one node in its own iterations are nobody else\'s [A8]')
def hits(flow):
    nodes = {'a': shell('mkdir -p out; echo a > out/x.txt', outputs=['out/x*'], inputs=[], cache=True)}
    flow.run({'nodes': nodes})
    done = flow.run({'nodes': {**nodes, 'b': shell('echo b > out/x.txt', outputs=['out/*.txt'], needs=['a']),
                               'c': shell('true', needs=['b'])}}, status=1)
    same([(done.node(n)['state'], done.node(n)['detail']) for n in 'abc'],
         [('succeeded', 'cache'), ('succeeded', 'fresh'), ('skipped', 'violation')], 'how they ended')
    flow.run({'nodes': {'again': {'loop': {'body': shell('mkdir -p out; date > out/y.txt', outputs=['out/y*']), 'max': 3}}}})


@case('after a violation a run goes on with the mended file alone, as its summary offers, and keeps what is the same [A8]')
def mended(flow):
    nodes = {'a': shell('mkdir -p out; echo a > out/x.txt', outputs=['out/x*']),
             'b': shell('echo b > out/x.txt', outputs=['out/*.txt'], needs=['a']), 'c': shell('true', needs=['b'])}
    flow.write('flow.json', json.dumps({'reeve': 1, 'nodes': nodes}))
    text = flow.call('run', '-f', flow.path('flow.json'), status=1).text
    offers = [line.split() for line in text.splitlines() if '--resume' in line]
    need(len(offers) == 1 and '--edit' in offers[0] and 'mended;' in offers[0], f'{offers}')
    run = offers[0][offers[0].index('--resume') + 1]
    for words in ([], ['--edit']):  # as it stands it would only do the rest, over the file of both
        errors = flow.call('run', '--resume', run, *words, status=4).stderr.decode()
        need('`a` and `b` both made out/x.txt' in errors and '--edit' in errors, errors)
    nodes['b'] = shell('echo b > out/y.txt', outputs=['out/y*'], needs=['a'])
    flow.write('flow.json', json.dumps({'reeve': 1, 'nodes': nodes}))
    text = flow.call('run', '--resume', run, '--edit').text
    need('a  kept' in text and 'b  kept' not in text, text)


@case('where what a node made cannot be looked at, that is said: who is at odds with whom is not known then [A8]')
def unseen(flow):
    os.mkdir(flow.path('work'))
    nodes = {'a': shell('touch o1; mv "$DIR/work" "$DIR/gone"', outputs=['o*']), 'b': shell('true', outputs=['*1'])}
    flow.write('work/flow.json', json.dumps({'reeve': 1, 'nodes': nodes}))
    done = flow.call('run', '-f', flow.path('work/flow.json'), '--json', '-j', '1', status=1)  # b cannot start there
    told = [json.loads(line) for line in done.text.splitlines()]
    notes = [e['text'] for e in told if e.get('type') == 'note']
    need(any('what a made cannot be seen' in text and 'No such file' in text for text in notes), f'notes: {notes}')


main()
