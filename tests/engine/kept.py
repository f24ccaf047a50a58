"""What a child run keeps of controllers and of what stands beneath them [R1]: of one that failed what was done, of one that succeeded
everything, with the words and the artifacts of the run that did it."""
import json
import os
import signal

from harness import case, main, need, same, shell


def counted(flow, script=None, gives=None, **more):
    """A node that says in `ran` that it ran; it fails as long as a file `bad:ID` is there, and says nothing while `mute:ID` is. Then it
    `gives` its result, or does what a script says."""
    if script is None:
        begin = ('note', flow.path('ran'), 'tell', 'words of ', 'if', flow.path('bad'), 3, 'if', flow.path('mute'), 0)
        return flow.does(*begin, *(('put', '@REEVE_OUTPUT', gives) if gives else ()), **more)
    return shell('echo "$REEVE_NODE" >> "$DIR/ran"; echo "words of $REEVE_NODE"; id=$REEVE_NODE; '
                 'while [ "$id" != "${id#*/}" ]; do id=${id%%/*}_${id#*/}; done; '
                 '! [ -e "$DIR/bad:$id" ] || exit 3; ! [ -e "$DIR/mute:$id" ] || exit 0; ' + script, **more)


def result(*pairs):
    return "printf '%s\\n' " + ' '.join(f'"{pair}"' for pair in pairs) + ' > "$REEVE_OUTPUT"'


def ran(flow):
    names = sorted(flow.read('ran').decode().split()) if os.path.exists(flow.path('ran')) else []
    flow.write('ran', '')
    return names


def bad(flow, *ids):
    for name in ids:
        flow.write('bad:' + name, '')


def mend(flow):
    for name in os.listdir(flow.dir):
        if name.startswith(('bad:', 'mute:')):
            os.unlink(flow.path(name))


def value(flow, run, node):
    return json.loads(flow.one(f"select result from node where run = '{run}' and id = '{node}'"))


def details(flow, run):
    return {i: (s, d) for i, s, d in flow.ask(f"select id, state, detail from node where run = '{run}'")}


def goes_on(flow, before, failing, again, after=None, words=()):
    """Run `before` until `failing` fail, mend, go on with `after`: exactly `again` run. Returns both runs."""
    bad(flow, *failing)
    first = flow.run({'nodes': before}, status=1).run
    ran(flow)
    mend(flow)
    second = flow.run({'nodes': after or before}, '--resume', first, *words).run
    same(ran(flow), sorted(again), 'what ran in the child')
    return first, second


def judge(flow):
    script = '[ "$L" -lt "$R" ] && ' + result('winner=right') + ' || ' + result('winner=left')
    return counted(flow, script, env={'L': '${left.score}', 'R': '${right.score}'})


class Failed:
    """A run in which a controller of each kind failed, and its child, in which nothing does; `ran`: what ran in the child."""

    def __init__(self, flow):
        item = counted(flow, 'echo $I > "$REEVE_ARTIFACTS/f"; ' + result('up=$I$I'), env={'I': '${item}'})
        part = {'params': {'n': {}}, 'nodes': {'p': counted(flow, gives='v=1'), 'q': counted(flow, needs=['p'], env={'V': '${p.v}'}),
                                               'r': counted(flow, needs=['q'])}}
        graph = {'nodes': {'a': counted(flow), 'sub': {'workflow': {'definition': part, 'params': {'n': '${item}'}}, 'needs': ['a']}}}
        sums = counted(flow, result('sum=$((P + N))'), env={'N': '${iteration}', 'P': '${previous.sum:-0}'})
        nodes = {'each': {'foreach': {'items': ['a', 'b', 'c'], 'do': item}},
                 'last': shell('echo "$R" > "$DIR/last"', needs=['each'], env={'R': '${each.results}'}),
                 'graphs': {'foreach': {'items': ['x', 'y'], 'do': graph}},
                 'sum': {'loop': {'max': 4, 'body': sums}},
                 'best': {'tournament': {'entrants': [counted(flow, gives=f'score={n}') for n in (3, 9, 5, 1)], 'judge': judge(flow)}},
                 'sort': {'classify': {'by': counted(flow, 'read -r l < "$DIR/label"; ' + result('$l')),
                                       'branches': {'a': ['x'], 'b': ['y']}}},
                 'x': counted(flow, needs=['sort']), 'y': counted(flow, needs=['sort'])}
        flow.write('mute:best_r1m1', '')
        flow.write('label', 'branch=c\n')
        bad(flow, 'each[1]', 'graphs[1].sub.q', 'sum#3')
        self.first = flow.run({'nodes': nodes}, '-j', '1', status=1).run
        ran(flow)
        mend(flow)
        flow.write('label', 'branch=a\n')
        self.second = flow.run({'nodes': nodes}, '--resume', self.first).run
        self.ran = ran(flow)

    def again(self, name):
        return [node for node in self.ran if node.startswith(name)]


@case('of a failed foreach the items that were done are kept, with results, words and artifacts, and only the others are done again',
      of=Failed)
def foreach(flow, failed):
    second = failed.second
    same(failed.again('each'), ['each[1]'], 'what ran in the child')
    same(json.loads(flow.read('last')), [{'up': 'aa'}, {'up': 'bb'}, {'up': 'cc'}], 'what was read of it')
    same(details(flow, second)['each[2]'], ('succeeded', 'replay'), 'an item that was kept')
    done = flow.call('logs', second, 'each[2]')
    same(done.text, 'words of each[2]\n', 'its words')
    need(failed.first in done.errors, done.errors)
    same(flow.ask(f"select node, name from artifact where run = '{second}' order by node"), [(f'each[{i}]', 'f') for i in range(3)],
         'artifacts')
    same(flow.read(f'store/artifacts/{second}/each[2]/f'), b'c\n', 'its file')


@case('in a foreach over a graph and in a sub-workflow the nodes that were done are kept, as far as what they wait for is', of=Failed)
def graphs(flow, failed):
    same(failed.again('graphs'), ['graphs[1].sub.q', 'graphs[1].sub.r'], 'what ran in the child')
    found = details(flow, failed.second)
    same({found[f'graphs{i}'] for i in ('[0].a', '[0].sub', '[0].sub.q', '[1].a', '[1].sub.p')}, {('succeeded', 'replay')}, 'kept')
    same((found['graphs[1].sub'], found['graphs']), (('succeeded', 'fresh'), ('succeeded', 'fresh')), 'what went on')


@case('of a failed loop the iterations before the one that failed are kept, with their results', of=Failed)
def loop(flow, failed):
    same(failed.again('sum'), ['sum#3', 'sum#4'], 'what ran in the child')
    same(value(flow, failed.second, 'sum')['value'], {'sum': '10'}, 'its value')


@case('of a failed tournament entrants and judges who named a winner are kept; one who named none is asked again', of=Failed)
def tournament(flow, failed):
    same(failed.again('best'), ['best/r1m1', 'best/r2m0'], 'what ran in the child')
    same(value(flow, failed.second, 'best')['winner'], 'best/e1', 'the winner')


@case('a classifier whose label was no good is asked again', of=Failed)
def classify(flow, failed):
    same((failed.again('sort'), failed.again('x'), failed.again('y')), (['sort.by'], ['x'], []), 'what ran in the child')
    same(len(failed.ran), 9, f'all that ran in the child: {failed.ran}')


@case('an item whose value has changed is done again, one that stands where it stood is kept, also with another bound')
def items(flow):
    def each(items, bound):
        return {'each': {'foreach': {'items': items, 'max_parallel': bound, 'do': counted(flow, env={'I': '${item}'})}}}
    goes_on(flow, each(['a', 'b', 'c'], 3), ['each[2]'], ['each[1]', 'each[2]', 'each[3]'], each(['a', 'x', 'c', 'd'], 1), ['--edit'])


class Whole:
    """A run in which all but the last node succeeded, and its child, in which that one runs alone."""

    def __init__(self, flow):
        item = counted(flow, gives='n=1')
        item['run'] += ['put', '@REEVE_ARTIFACTS/f', 'x']
        self.nodes = {
            'each': {'foreach': {'items': ['a', 'b'], 'do': item}},
            'best': {'tournament': {'entrants': [counted(flow, gives=f'score={n}') for n in (3, 9, 5)], 'judge': judge(flow)}},
            'sort': {'classify': {'by': counted(flow, gives='branch=a'), 'branches': {'a': ['x'], 'b': ['y']}}},
            'x': counted(flow, needs=['sort']), 'y': counted(flow, needs=['sort']),
            'settled': {'foreach': {'items': ['a', 'b', 'c'], 'join': 'all_settled', 'do': counted(flow)}},
            'any': {'foreach': {'items': ['a', 'b'], 'join': 'any', 'max_parallel': 1, 'do': counted(flow)}},
            'swapped': {'tournament': {'entrants': [counted(flow, gives=f'n={n}') for n in range(4)], 'swap': True,
                                       'judge': counted(flow, gives='winner=left')}},
            'draft': counted(flow, 'echo $N > "$REEVE_ARTIFACTS/f"; ' + result('n=$N'), env={'N': '${feedback.n:-0}'}),
            'review': counted(flow, result('n=$((N + 1))'), needs=['draft'], env={'N': '${draft.n}'},
                              revise={'target': 'draft', 'when': '${review.n} < "3"'}),
            'last': counted(flow, 'read -r f < "$F"; echo "$N $S $f" > "$DIR/last"',
                            needs=['each', 'best', 'x', 'settled', 'any', 'swapped', 'draft', 'review'],
                            env={'N': '${review.n}', 'S': '${draft.stdout}', 'F': '${draft.artifact.f}'})}
        flow.write('bad:settled[1]', '')
        self.first, self.second = goes_on(flow, self.nodes, ['last'], ['last'])


@case('a controller that succeeded is kept with all that is beneath it: shown as kept, with the words and artifacts of its run', of=Whole)
def whole(flow, was):
    first, nodes = was.first, was.nodes
    third = flow.run({'nodes': {**nodes, 'more': counted(flow, 'exit 1')}}, '--resume', first, '--edit', status=1).run
    for run in (was.second, third):
        found = details(flow, run)
        kept = [i for i, state in found.items() if state == ('succeeded', 'replay') and i.startswith(('each', 'best', 'sort', 'x', 'y'))]
        same(sorted(kept), sorted(['each', 'each[0]', 'each[1]', 'best', 'best/e0', 'best/e1', 'best/e2', 'best/r1m0', 'best/r2m0', 'sort',
                                   'sort.by', 'x']), 'what was kept')
        same(value(flow, run, 'best'), value(flow, first, 'best'), 'a result')
        same(flow.call('logs', run, 'best/r2m0').text, 'words of best/r2m0\n', 'words of a child')
        same(flow.call('logs', run, 'each').text.count('words of each['), 2, 'words beneath a controller')
        same(flow.ask(f"select node from artifact where run = '{run}' and node like 'each%' and name = 'f' order by node"),
             [('each[0]',), ('each[1]',)], 'files')
        need('best/e1' in flow.call('show', run).text.split('Bracket of best')[1], 'the bracket')


@case('what a kept controller could bear is not done again: items that failed, those that came too late, a draw of the seed', of=Whole)
def borne(flow, was):
    first, second = was.first, was.second
    controllers = ('settled', 'any', 'swapped')
    for name in controllers:
        same(value(flow, second, name), value(flow, first, name), name)
    same(details(flow, second)['settled'], ('succeeded', 'replay'), 'its controller')
    text = flow.call('show', second, '--all').text
    for name in controllers:
        need(f'not done again: {name} was kept' in text, text)
        row = next(line for line in text.splitlines() if line.split()[1:2] == [name])
        need(f'kept as a whole; what was in it: reeve show {first}' in row, row)
        same({line.split()[0] for line in text.splitlines() if f'not done again: {name} was' in line}, {'↷'}, 'no sign of a failure')
    spared = sum(state == ('cancelled', 'superseded') for state in details(flow, second).values())
    counts = next(line for line in text.splitlines() if line.startswith('  nodes'))
    need(f'{spared} not done again' in counts and 'cancelled' not in counts, counts)
    need('settled[' not in text.split('Critical path')[1], 'what did nothing held nothing up')
    same(flow.call('logs', second, 'settled[1]').text, 'words of settled[1]\n', 'the words of the one that failed')


@case('of a node that was revised the latest is kept, with its result, its words and its artifacts', of=Whole)
def revised(flow, was):
    same(flow.read('last'), b'3 words of draft~2 2\n', 'what was read')
    same(flow.call('logs', was.second, 'draft').text, 'words of draft~2\n', 'its words')


@case('a child run that died goes on and still does nothing again that was kept')
def died(flow):
    nodes = {'each': {'foreach': {'items': ['a', 'b', 'c'], 'do': counted(flow, gives='n=1')}},
             'sum': {'set': {'v': '1 == 1'}, 'needs': ['each']},
             'kept': counted(flow, needs=['sum']), 'hold': {**flow.held(), 'needs': ['kept']}, 'last': counted(flow, needs=['hold'])}
    live = flow.start({'nodes': nodes})
    first = live.started()
    flow.hub.next().end(1)
    live.end(1)
    ran(flow)
    live = flow.start({'nodes': nodes}, '--resume', first)
    second = live.started()
    flow.hub.next()
    live.kill_engine()
    live = flow.start({'nodes': nodes}, '--resume', second)
    flow.hub.next().end(0)
    live.end(0)
    same(ran(flow), ['last'], 'what ran after')


@case('a child that may happen at most once, and was begun in the parent without an end, is asked about [P3]')
def unknown(flow):
    nodes = {'each': {'foreach': {'items': ['a', 'b'], 'max_parallel': 1, 'do': {**flow.held(), 'delivery': 'at_most_once'}}}}
    live = flow.start({'nodes': nodes})
    first = live.started()
    flow.hub.next().end(0)
    flow.hub.next()
    live.process.send_signal(signal.SIGINT)
    live.end(128 + signal.SIGINT)
    child = flow.run({'nodes': nodes}, '--resume', first, '--edit', '--no-wait', status=76).run
    need(child != first and not flow.hub.has_more(), 'it ran again')
    same(details(flow, child), {'each': ('waiting', 'children'), 'each[0]': ('succeeded', 'replay'),
                                'each[1]': ('waiting', 'unknown_outcome')}, 'who is asked about')
    flow.call('approve', child, 'each[1]')
    flow.run({'nodes': nodes}, '--resume', child)
    need(not flow.hub.has_more(), 'it ran again')


if __name__ == '__main__':
    main(one_store=True)
