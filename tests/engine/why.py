"""`reeve why` names what a node waits for, whether the run is alive or not, and the root of what did not run."""
import json

from harness import case, main, need, same, shell, wait_for


def why(flow, node, *words):
    return json.loads(flow.call('why', node, '--json', *words).text)


def first(flow, node, *words):
    found = why(flow, node, *words)['reasons'][0]
    return found['kind'], found['because_of']


@case('a pending node waits for its predecessors, and what these wait for is told too, through the owner of a run that is alive')
def predecessors(flow):
    live = flow.start({'nodes': {'a': flow.held(), 'b': flow.held(needs=['a']), 'c': flow.does(needs=['b']),
                                 'on': flow.does(needs=['c'])}}, '-j', '2')
    live.started()
    held = flow.hub.next()
    live.expect('attempt_started', node='a')
    found = why(flow, 'c')
    same([(r['node'], r['kind'], r['because_of'], r['depth']) for r in found['reasons']],
         [('c', 'predecessor', ['b'], 0), ('b', 'predecessor', ['a'], 1), ('a', 'running', [], 2)], 'the chain')
    need('waits for b' in flow.call('why', 'c').text, 'as text')
    held.end()
    flow.hub.next().end()
    live.end(0)
    same(first(flow, 'c'), ('outcome', []), 'afterwards')


@case('a ready node waits for a slot or for a tag, and who holds it is named')
def caps(flow):
    live = flow.start({'concurrency': {'default': 4, 'tags': {'net': 1}}, 'nodes': {
        'a': flow.held(tags=['net']), 'b': flow.held(tags=['net'])}})
    live.started()
    held = flow.hub.next()
    other = 'b' if held.node == 'a' else 'a'
    live.expect('attempt_started', node=held.node)
    same(first(flow, other), ('tag', [held.node]), 'a tag')
    need('net' in flow.call('why', other).text, 'the tag is named')
    held.end()
    flow.hub.next().end()
    live.end(0)
    live = flow.start({'nodes': {'a': flow.held(), 'b': flow.held(tags=['some'])}}, '-j', '1')
    live.started()
    held = flow.hub.next()
    live.expect('attempt_started', node='a')
    same(first(flow, 'b'), ('slot', ['a']), 'a slot')
    held.end()
    flow.hub.next().end()
    live.end(0)


@case('a question is told with the command that answers it, also where it stands inside of a foreach, and nobody drives the run')
def people(flow):
    flow_ = {'nodes': {'each': {'foreach': {'items': ['a', 'b'], 'do': {'approve': {'message': 'Publish ${item}?'}}}},
                       'size': {'input': {'question': 'How many?'}}, 'last': shell('true', needs=['each', 'size'])}}
    run = flow.run(flow_, '--no-wait', status=76).run
    found = why(flow, 'last')['reasons']
    kinds = {r['node']: r for r in found if r['kind'] != 'run'}
    same({n: r['kind'] for n, r in kinds.items()}, {'last': 'predecessor', 'each': 'children', 'size': 'person', 'each[0]': 'person',
                                                    'each[1]': 'person'}, 'all the way')
    need('Publish a?' in kinds['each[0]']['text'] and kinds['each[0]']['command'].startswith(f"reeve approve {run} 'each[0]'"), kinds)
    need(kinds['size']['command'].startswith(f'reeve answer {run} size VALUE'), kinds)
    same([r['command'].split(' --store')[0] for r in found if r['kind'] == 'run'], [f'reeve run --resume {run}'], 'nobody drives it')


@case('a pause is told with its end, and an event by its name')
def times(flow):
    live = flow.start({'nodes': {'pause': {'wait': {'for': '1h'}}, 'news': {'wait': {'event': 'deployed'}}, 'go': flow.held()}})
    run = live.started()
    held = flow.hub.next()
    live.expect('attempt_started', node='go')
    pause, news = (why(flow, node)['reasons'][0] for node in ('pause', 'news'))
    same((pause['kind'], news['kind']), ('timer', 'event'), 'kinds')
    need(', in 59m' in pause['text'] or ', in 1h' in pause['text'], pause)
    need('deployed' in news['command'], news)
    flow.tell('cancel', run=run)
    held.wait_gone()
    live.end(1, 130, 143)


@case('a pause before another attempt is told with its end and with what made it one; show tells it too')
def again(flow):
    live = flow.start({'nodes': {'flaky': flow.does('exit', 7, retry={'max_attempts': 3, 'delay': '1h'}), 'go': flow.held()}})
    run = live.started()
    held = flow.hub.next()
    live.expect('attempt_ended', node='flaky')
    wait_for(lambda: flow.one("select state from node where id = 'flaky'") == 'waiting', 'the pause is recorded')
    found = why(flow, 'flaky')['reasons'][0]
    same(found['kind'], 'timer', 'its kind')
    need('waits for attempt 2 after exit status 7' in found['text'] and (', in 59m' in found['text'] or ', in 1h' in found['text']), found)
    need('waits for attempt 2 after exit status 7' in flow.call('show', 'latest').text, 'show')
    flow.tell('cancel', run=run)
    held.wait_gone()
    live.end(1, 130, 143)


@case('what did not run names the root and its error; a false condition and a pruned branch say so')
def ended(flow):
    flow.run({'nodes': {
        'bad': flow.does('exit', 7), 'below': shell('true', needs=['bad']), 'deeper': shell('true', needs=['below']),
        'not': shell('true', when='1 == 2'),
        'sort': {'classify': {'by': flow.does('put', '@REEVE_OUTPUT', 'branch=a'), 'branches': {'a': ['x'], 'b': ['y']}}},
        'x': flow.does(needs=['sort']), 'y': shell('true', needs=['sort'])}}, status=1)
    found = why(flow, 'deeper')['reasons']
    same([(r['node'], r['kind'], r['because_of']) for r in found], [('deeper', 'root', ['bad']), ('bad', 'outcome', [])], 'the root')
    need('exit status 7' in found[1]['text'] and found[1]['command'].startswith('reeve logs'), found)
    for node, word in (('not', '1 == 2'), ('y', 'branch was not taken')):
        text = why(flow, node)['reasons'][0]['text']
        need(word in text, text)
    flow.call('why', 'nobody', status=3)


@case('a pause of the budget is told to whoever waits because of it, with the command that lifts it [K50]')
def budgets(flow):
    spends = flow.does('put', '@REEVE_OUTPUT', 'cost_usd=0.9', budget={'estimate': {'usd': 0.6}})
    live = flow.start({'budget': {'usd': 1, 'tokens': 5},
                       'nodes': {'a': spends, 'b': {**spends, 'needs': ['a']}, 'c': flow.does(needs=['a'])}}, '-j', '1')
    run = live.started()
    live.expect('blocker_opened')
    reasons = why(flow, 'b')['reasons']
    command = f"reeve approve {run} --add usd=1"
    same((reasons[0]['kind'], reasons[0]['command'].split(' --store')[0]), ('budget', command), 'who waits for it')
    need('usd 0.10 left, usd 0.60 needed' in reasons[0]['text'], reasons)
    reasons = why(flow, 'c')['reasons']
    same([(r['node'], r['kind'], r['because_of'], r['command'].split(' --store')[0]) for r in reasons],
         [('c', 'budget', ['b'], command), ('b', 'budget', [], command)], 'who stands behind it')
    need(command in flow.call('show').text, 'show')
    flow.tell('answer', run=run, key='budget', value={'add': {'usd': 1}})
    live.end(0)


@case('a quota that is used up is told with who uses it, and can be raised [K31]')
def quotas(flow):
    live = flow.start({'quota': {'concurrent': 1}, 'nodes': {'a': flow.held(), 'b': flow.held()}}, '-j', '4')
    run = live.started()
    held = flow.hub.next()
    live.expect('attempt_started', node=held.node)
    reason = why(flow, 'b' if held.node == 'a' else 'a')['reasons'][0]
    same((reason['kind'], reason['because_of'], reason['command'].split(' --store')[0]),
         ('quota', [held.node], f'reeve approve {run} --quota concurrent=2'), 'the reason')
    flow.call('approve', run, '--quota', 'concurrency=2', status=2)  # no quota of this name
    flow.call('approve', run, '--quota', 'concurrent=many', status=2)
    flow.call('approve', run, '--quota', 'concurrent=2')
    flow.hub.next().end()
    held.end()
    live.end(0)


@case('of a file: what the key is made of, hit or miss, and what has changed since the last entry: file, variable, command [C16]')
def of_a_file(flow):
    flow.write('in.txt', 'one')
    nodes = {'a': shell('cat in.txt', cache=True, inputs=['in.txt'], env={'WORD': 'x'}),
             'b': shell('echo b', cache=True, inputs=[], needs=['a']), 'c': flow.does()}

    def ask(node, **changes):
        flow.write('flow.json', json.dumps({'reeve': 1, 'nodes': {**nodes, **changes}}))
        found = json.loads(flow.call('why', '-f', flow.path('flow.json'), node, '--json').text)
        return found['will'], found.get('reason'), [(d['kind'], d.get('name'), d['change']) for d in found['changed']], found

    flow.run({'nodes': nodes})
    will, _, changed, found = ask('a')
    same((will, changed), ('hit', []), 'as it was')
    made_of = [(d['kind'], d.get('name')) for d in found['made_of']]
    need(('input', 'in.txt') in made_of and ('variable', 'WORD') in made_of and ('variable of the caller', 'PATH') in made_of, made_of)
    same(ask('c')[3]['is_cached'], False, 'what is not cached')
    flow.write('in.txt', 'two')
    same(ask('a')[:3], ('run', 'no_entry', [('input', 'in.txt', 'changed')]), 'a file')
    same(ask('b')[0], 'after', 'what waits for it')
    flow.write('in.txt', 'one')
    same(ask('a', a={**nodes['a'], 'env': {'WORD': 'y'}})[:3], ('run', 'no_entry', [('variable', 'WORD', 'changed')]), 'a variable')
    same(ask('a', a={**nodes['a'], 'shell': 'cat ./in.txt'})[:3], ('run', 'no_entry', [('command', None, 'changed')]), 'the command')
    flow.call('why', '-f', flow.path('flow.json'), 'nobody', status=3)


if __name__ == '__main__':
    main(one_store=True)
