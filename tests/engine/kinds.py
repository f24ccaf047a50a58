"""Every kind that holds other nodes, through `reeve run`: foreach, loop, classify, tournament, workflow, nested in each other, and
after an engine that was killed in the middle [K1, K11-K15, K62]. Each run is verified. Bodies that need no process are `set`."""
import json
import os
import re
import signal

from harness import is_long, case, main, need, same, shell
from together import Part, Step, Together


def out(*pairs):
    """Shell words that write a result."""
    return 'printf "%s\\n" ' + ' '.join(f'"{pair}"' for pair in pairs) + ' > "$REEVE_OUTPUT"'


def gives(**texts):
    """A node that has this result, without a process."""
    return {'set': {name: f'"{text}"' for name, text in texts.items()}}


NOTHING = gives(x='1')


def shown(flow, run, *words):
    return json.loads(flow.call('show', run, *words, '--json').text)


def states(flow, run):
    return dict(flow.ask(f"select id, state from node where run = '{run}'"))


class Kind(Part):
    """What a case has of a run that it shares."""

    def show(self, *words):
        """What `reeve show` says of the whole run."""
        return self.once(words, lambda: self.flow.call('show', self.done.run, *words).text)

    def nodes(self):
        """What `show --json` says of its nodes, by name."""
        return {node['node']: node for node in self.mine(json.loads(self.show('--json'))['nodes'])}

    def result(self, node):
        return self.strip(json.loads(dict(self.ask('result', 'node', key='id'))[node]))

    def states(self):
        return dict(self.ask('state', 'node', key='id'))

    def ids(self):
        return sorted(e['node'] for e in self.done.of('node_ended'))


def lines(text):
    """What nodes wrote with `echo … >> ran`."""
    return text.decode().split()


together = Together(part=Kind)
ALL = ['-j', '12']  # who waits for somebody else of its foreach takes nobody's place


# ---- foreach ----

@together.case('a foreach does its body for each item, in ids of their own, and its results stand in the order of the items [K15, K1]')
def foreach_all(work):
    os.mkfifo(work.path('later'))  # the first item ends after the second
    wait = 'case $AT in 0) read x < "$DIR/later";; 1) echo > "$DIR/later";; esac; '
    yield Step({
        'list': shell("printf 'b\\na\\nc\\n'"),
        'each': {'needs': ['list'], 'foreach': {'items': '${list.stdout}', 'max_parallel': 2, 'do': shell(
            wait + out('is=<$I>', 'at=$AT'), env={'I': '${item}', 'AT': '${index}'})}},
        'last': shell('printf %s "$ALL" > "$DIR/all"', needs=['each'], env={'ALL': '${each.results}'})}, words=ALL)
    same(work.ids(), ['each', 'each[0]', 'each[1]', 'each[2]', 'last', 'list'], 'who ended')
    same(json.loads(work.read('all')), [{'is': '<b>', 'at': '0'}, {'is': '<a>', 'at': '1'}, {'is': '<c>', 'at': '2'}],
         'what the next one read')
    node = work.nodes()['each[1]']
    same((node['parent'], node['role'], node['ordinal']), ('each', 'item', 1), 'the child in show')


@together.case('join any is content with one success, race with the first end, all_settled with every end; the rest is called off [K15]')
def foreach_joins(work):
    os.mkfifo(work.path('never'))  # who reads from it goes on until somebody stops it

    def each(join, *cases):
        script = 'case $I in ' + ' '.join(cases) + ' *) read x < "$DIR/never";; esac'
        return {'foreach': {'items': ['bad', 'good', 'late'], 'join': join, 'do': shell(script, env={'I': '${item}'})}}
    bad, good, all_ = 'bad) exit 3;;', f'good) {out("x=1")};;', f'*) {out("x=$I")};;'
    yield Step({'any': each('any', bad, good), 'race': each('race', good), 'lost': each('race', bad),
                'settled': each('all_settled', bad, all_)}, words=ALL, fails=True)
    found = work.states()
    same(work.result('any')['results'][1], {'x': '1'}, 'any')
    same((found['any'], found['any[2]']), ('succeeded', 'cancelled'), 'the rest of any')
    same((found['race'], found['race[0]']), ('succeeded', 'cancelled'), 'race')
    same((found['lost'], found['lost[1]']), ('failed', 'cancelled'), 'a race that is lost')
    same(found['settled'], 'succeeded', 'all_settled')
    told = work.result('settled')
    same((told['results'][0], told['results'][2], told['failed']), (None, {'x': 'late'}, [0]), 'what all_settled tells')


@together.case('a foreach of which an item fails fails, and names it as the root [K15]')
def foreach_fails(work):
    yield Step({'each': {'foreach': {'items': [0, 1], 'do': shell('exit $I', env={'I': '${item}'})}},
                'next': {**NOTHING, 'needs': ['each']}}, fails=True)
    rows = {name: row for name, *row in work.ask('state, root', 'node', key='id')}
    same((rows['each'], rows['next']), (['failed', 'each[1]'], ['skipped', 'each[1]']), 'states and roots')
    failed = work.mine(json.loads(work.show('--json'))['failed'])
    same([(f['node'], f['caused']) for f in failed], [('each[1]', 2)], 'where it failed')


@together.case('a foreach over a graph does all of it for each item, and an empty list is no work [K15]')
def foreach_graph(work):
    yield {
        'each': {'foreach': {'items': [2, 3], 'do': {'nodes': {
            'square': shell(out('n=$((I * I))'), env={'I': '${item}'}),
            'more': shell(out('n=$((N + 1))'), needs=['square'], env={'N': '${square.n}'})}}}},
        'none': {'foreach': {'items': [], 'do': shell('exit 1')}}}
    same(work.ids(), ['each', 'each[0].more', 'each[0].square', 'each[1].more', 'each[1].square', 'none'], 'who ended')
    same(work.result('each')['results'], [{'more': {'n': '5'}}, {'more': {'n': '10'}}], 'results')
    same(work.result('none')['results'], [], 'nothing')


@together.case('artifacts of children are found under their composite ids, and two of one name do not meet')
def foreach_artifacts(work):
    yield {
        't': {'tournament': {'entrants': [shell('echo one > "$REEVE_ARTIFACTS/page"'), shell('echo two > "$REEVE_ARTIFACTS/page"')],
                             'judge': shell('read l < "$L"; read r < "$R"; echo "$l $r" > "$DIR/seen"; ' + out('winner=right'),
                                            env={'L': '${left.artifact.page}', 'R': '${right.artifact.page}'})}}}
    same(work.read('seen'), b'one two\n', 'what the judge saw')
    folders = os.listdir(work.flow.path('store', 'artifacts', work.done.run))
    same(sorted(name for name in folders if name.startswith(work.prefix)), [work.prefix + 't%2Fe0', work.prefix + 't%2Fe1'],
         'one folder for each, none within another')


# ---- loop ----

@together.case('a loop goes on until its condition holds, reads what came before, and says how often it ran [K11]')
def loop_until(work):
    yield {
        'try': {'loop': {'max': 9, 'until': '${previous.n} == "3"', 'body': shell(
            'echo $REEVE_NODE >> "$DIR/ran"; ' + out('n=$((P + 1))'), env={'P': '${previous.n:-0}'})}},
        'last': shell('echo "$V $I $E" > "$DIR/last"', needs=['try'],
                      env={'V': '${try.value.n}', 'I': '${try.iterations}', 'E': '${try.exhausted}'})}
    same(work.strip(lines(work.read('ran'))), ['try#1', 'try#2', 'try#3'], 'who ran')
    same(work.read('last'), b'3 3 false\n', 'what the next one read')
    same(work.nodes()['try']['summary'], '3 iterations', 'in show')


@together.case('a loop ends at `continue: false`, at its maximum as exhausted, and fails with the iteration that fails [K11]')
def loop_ends(work):
    yield Step({
        'stop': {'loop': {'max': 9, 'body': shell('echo \'{"continue": false, "x": 1}\' > "$REEVE_OUTPUT"')}},
        'max': {'loop': {'max': 2, 'until': 'false', 'body': NOTHING}},
        'bad': {'loop': {'max': 9, 'body': shell('test $N -lt 3', env={'N': '${iteration}'})}}}, fails=True)
    same(work.result('stop')['iterations'], 1, 'continue: false')
    same((work.result('max')['iterations'], work.result('max')['exhausted']), (2, True), 'its maximum')
    rows = {name: row for name, *row in work.ask('state, root', 'node', key='id')}
    same((rows['bad'], rows['bad#3'][0], 'bad#4' in rows), (['failed', 'bad#3'], 'failed', False), 'an iteration that fails')


# ---- classify ----

@together.case('a classify prunes the branches that were not taken, but for what they share, and an unknown label fails it [K12]')
def classify(work):
    def sort(by, prefix=''):
        fix, note, both, after, of = (prefix + name for name in ('fix', 'note', 'both', 'after', 'sort'))
        return {of: {'classify': {'by': by, 'branches': {'bug': [fix, both], 'wish': [note, both]}}},
                **{name: {**NOTHING, 'needs': [of]} for name in (fix, note, both)}, after: {**NOTHING, 'needs': [note]}}
    yield Step({**sort(shell(out('branch=bug'))), **sort(gives(branch='noise'), 'bad-')}, fails=True)
    found = {name: (state, detail) for name, state, detail in work.ask('state, detail', 'node', key='id')}
    same((found['fix'][0], found['both'][0], found['note']), ('succeeded', 'succeeded', ('skipped', 'pruned')), 'the branches')
    same(found['after'][0], 'skipped', 'what is below a pruned one')
    same(work.result('sort'), {'branch': 'bug'}, 'its result')
    same([found['bad-' + name][0] for name in ('sort', 'fix', 'note')], ['failed', 'skipped', 'skipped'], 'an unknown label')
    need('noise' in work.done.node('bad-sort')['error'], 'the label is named')


# ---- tournament ----

def entrants(*scores):
    return [gives(score=str(score)) for score in scores]


JUDGE = shell('if [ "$L" -gt "$R" ]; then w=left; else w=right; fi; ' + out('winner=$w'), env={'L': '${left.score}', 'R': '${right.score}'})


@together.case('a tournament of five gives byes to the last, judges each pair once, and the best wins; show has its bracket [K13]')
def tournament(work):
    yield {'best': {'tournament': {'entrants': [shell(out('score=3')), *entrants(9, 5, 1, 7)], 'judge': JUDGE}}}
    found = work.result('best')
    same((found['winner'], found['value'], found['rounds']), ('best/e1', {'score': '9'}, 3), 'its result')
    bracket = work.nodes()['best']['bracket']
    same([(r.get('bye'), [(m['left'], m['right'], m['winner']) for m in r['matches']]) for r in bracket['rounds']],
         [('best/e4', [('best/e0', 'best/e1', 'best/e1'), ('best/e2', 'best/e3', 'best/e2')]),
          ('best/e4', [('best/e1', 'best/e2', 'best/e1')]), (None, [('best/e1', 'best/e4', 'best/e1')])], 'the bracket')
    name = work.prefix + 'best'
    text = work.show()
    need(f'Bracket of {name}' in text and f'5 entrants, 3 rounds; {name}/e1 won' in text, text)
    drawn = [line for line in text.split(f'Bracket of {name}\n')[1].split('\n\n')[0].split('\n') if f'{name}/' in line]
    words = [[word for word in line.split() if word.startswith(f'{name}/')] for line in drawn]
    same(words[0], [f'{name}/e0'], 'the first line')
    same(words[-1][:3], [f'{name}/e4'] * 3, 'who had byes goes through the rounds')
    page = work.show('--html', '-')
    need(f'<h2>Bracket of {name}</h2>' in page and '<h2>Inside</h2>' in page and page.count(f'{name}/r3m0') >= 1, 'the page has them too')


def drawn(page):
    """The page's graph: box texts by their titles' names, and the paths by their class."""
    svg = re.search(r'<svg [^>]*aria-label="graph">.*?</svg>', page, re.S).group(0)
    boxes = re.findall(r'<g class="node([^"]*)"><title>([^<]*)</title>.*?<text[^>]*>([^<]*)</text></g></a>', svg)
    return [text for _, _, text in boxes], {text: title for _, title, text in boxes}, svg


@together.case('the page draws what grew: items, iterations, brackets, sub-workflows, revisions, submissions; the rest of many is one box')
def drawn_whole(work):
    # of many items one reads what is not there
    items = [{} if i == 25 else {'v': i} for i in range(30)]
    work.write('n.yaml', f'nodes:\n  {work.prefix}s1: {{set: {{x: "1"}}}}\n'
                         f'  {work.prefix}s2: {{set: {{x: "1"}}, needs: [{work.prefix}s1, {work.prefix}each]}}\n')
    yield Step({
        'each': {'foreach': {'items': ['a', 'b'], 'do': {'nodes': {'get': NOTHING, 'put': {**NOTHING, 'needs': ['get']}}}}},
        'many': {'foreach': {'items': items, 'join': 'all_settled', 'do': {'set': {'v': '${item.v}'}}}},
        'draft': {'loop': {'body': NOTHING, 'max': 2}, 'needs': ['each']},
        'best': {'tournament': {'entrants': entrants(1, 1, 1), 'judge': gives(winner='left')}},
        'part': {'workflow': {'definition': {'nodes': {'p': NOTHING}}}},
        'plan': shell(f'exec "{work.flow.reeve}" submit "$DIR/n.yaml"'),
        'check': shell(out('ok=$E'), env={'E': '${attempt.key}'}, needs=['draft'],
                       revise={'target': 'draft', 'when': "${check.ok} != '0'", 'max': 1})}, fails=True)
    texts, titles, svg = drawn(work.show('--html', '-'))
    texts = [text for text in texts if text.startswith(work.prefix) or text.endswith(' more')]
    same(len(texts), len(set(texts)), 'each once')
    for name in ('each[1].put', 'draft#2', 'best/e2', 'best/r1m0', 'best/r2m0', 'part.p', 's2', 'draft~1', 'draft~1#2', 'check~1',
                 'many[0]', 'many[29]'):
        need(work.prefix + name in texts, f'{name} is not drawn: {texts}')
    many = work.prefix + 'many'
    fold = [text for text in texts if text.endswith(' more') and f' more of {many}: ' in titles[text]]
    drawn_of_many = [text for text in texts if text.startswith(many + '[')]
    need(f'{many}[25]' in drawn_of_many and f's-failed"><title>{many}[25]: failed' in svg, 'what failed is drawn')
    same(fold, [f'{30 - len(drawn_of_many)} more'], 'the rest is folded')
    need(titles[fold[0]].startswith(f'{30 - len(drawn_of_many)} more of {many}: '), titles[fold[0]])
    need('class="edge inner"' in svg, 'edges to what grew')
    nodes = {'a': {'foreach': {'items': list(range(3)), 'do': {'nodes': {f'n{i}': NOTHING for i in range(60)}}}},
             **{f'f{i}': NOTHING for i in range(300)}}
    done = work.flow.run({'nodes': nodes})
    texts, _, _ = drawn(work.flow.call('show', done.run, '--html', '-').text)
    need(301 <= len(texts) <= 401 and any(text.endswith(' more') for text in texts), f'{len(texts)} boxes of 481 nodes')


@together.case('a quorum of judges decides by majority, exchanged sides are seen exchanged, and an even split is drawn by the seed [K13]')
def tournament_quorum(work):
    always_left = shell('echo $REEVE_NODE >> "$DIR/ran"; ' + out('winner=left'))
    yield {
        'majority': {'tournament': {'quorum': 3, 'entrants': entrants(1, 2), 'judge': shell(
            'case $REEVE_NODE in *j2) w=left;; *) w=right;; esac; ' + out('winner=$w'))}},
        'split': {'tournament': {'swap': True, 'entrants': entrants(1, 2), 'judge': always_left}}}
    same(work.result('majority')['winner'], 'majority/e1', 'two of three')
    same(work.strip(sorted(lines(work.read('ran')))), ['split/r1m0', 'split/r1m0s'], 'each pair twice')
    nodes = work.nodes()
    match = nodes['split']['bracket']['rounds'][0]['matches'][0]
    need(match['is_drawn'], 'who always says left says nothing of two exchanged sides')
    need(nodes['split/r1m0s']['is_swapped'] and not nodes['split/r1m0']['is_swapped'], 'sides')
    text = work.show().split(f'Bracket of {work.prefix}split\n')[1].split('\n\n')[0]
    need('the seed decided' in text, 'the text says that it was drawn')


@together.case('a swiss tournament pairs by points, nobody twice while it can be avoided, and the one with most points wins [K13]')
def tournament_swiss(work):
    yield {'best': {'tournament': {'swiss': 3, 'entrants': entrants(3, 9, 5, 1), 'judge': JUDGE}}}
    bracket = work.nodes()['best']['bracket']
    pairs = [tuple(sorted((m['left'], m['right']))) for r in bracket['rounds'] for m in r['matches']]
    same((bracket['system'], len(bracket['rounds']), len(pairs), len(set(pairs))), ('swiss', 3, 6, 6), 'everyone met everyone')
    same({e['node']: e['won'] for e in bracket['entrants']}, {'best/e0': 1, 'best/e1': 3, 'best/e2': 2, 'best/e3': 0}, 'points')
    same(bracket['winner'], 'best/e1', 'the winner')


@together.case('an entrant that fails takes no part, nodes beside a tournament can enter it, and a judge who names nobody fails it [K13]')
def tournament_failures(work):
    yield Step({'draft': gives(score='4'), 'best': {'tournament': {
        'entrants': ['draft', shell('exit 1'), gives(score='2')], 'judge': JUDGE}},
        'bad': {'tournament': {'entrants': entrants(1, 2), 'judge': shell('true')}}}, fails=True)
    same(work.result('best')['winner'], 'draft', 'the winner')
    took = {e['node']: e['took_part'] for e in work.nodes()['best']['bracket']['entrants']}
    same(took, {'draft': True, 'best/e1': False, 'best/e2': True}, 'who took part')
    bad = work.done.node('bad')
    same(bad['state'], 'failed', 'a judge who names nobody')
    need('named no winner' in bad['error'], bad)


# ---- sub-workflow ----

SUB = {'reeve': 1, 'params': {'n': {'type': 'integer'}}, 'result': {'square': '${square.v}', 'n': '${user.n}'},
       'nodes': {'square': shell(out('v=$((N * N))'), env={'N': '${user.n}'}), 'log': {**NOTHING, 'needs': ['square']}}}


@together.case('a workflow in a node has params of its own, gives what its result says, and its nodes stand beneath the node [K1]')
def workflow(work):
    work.write('sub.json', json.dumps(SUB))
    yield {'part': {'workflow': {'file': f'{work.folder}/sub.json', 'params': {'n': 6}}},
           'last': shell('echo "$S" > "$DIR/last"', needs=['part'], env={'S': '${part.square}'})}
    same(work.ids(), ['last', 'part', 'part.log', 'part.square'], 'who ended')
    same((work.read('last'), work.result('part')), (b'36\n', {'square': '36', 'n': 6}), 'its result')


@together.case('kinds nest: a foreach in a loop, a workflow in a foreach, a tournament of loops; ids say where each stands [K1]')
def nested(work):
    work.write('sub.json', json.dumps(SUB))
    yield {
        'rounds': {'loop': {'max': 2, 'body': {'foreach': {'items': [1, 2], 'do': NOTHING}}}},
        'parts': {'foreach': {'items': [3, 4], 'do': {'workflow': {'file': f'{work.folder}/sub.json', 'params': {'n': '${item}'}}}}},
        'best': {'tournament': {'entrants': [{'loop': {'max': 2, 'body': gives(score='1')}}, {'loop': {'max': 1,
            'body': gives(score='8')}}], 'judge': shell('[ "$L" -lt "$R" ]; ' + out('winner=right'),
                                                         env={'L': '${left.value.score}', 'R': '${right.value.score}'})}}}
    found = set(work.states())
    need({'rounds#1', 'rounds#2[1]', 'parts[0].square', 'parts[1].log', 'best/e0#2', 'best/e1#1', 'best/r1m0'} <= found, found)
    same(work.result('parts')['results'], [{'square': '9', 'n': 3}, {'square': '16', 'n': 4}], 'results')
    same(work.result('best')['winner'], 'best/e1', 'the best loop')
    nodes = work.nodes()
    same((nodes['rounds#2[1]']['parent'], nodes['best/e0#2']['role']), ('rounds#2', 'iteration'), 'parents')


@together.case('an expression that cannot be evaluated says which it is, and that a line gives a string [K11, W14]')
def bad_expressions(work):
    yield Step({
        'loop': {'loop': {'max': 3, 'until': '${previous.n} >= 2', 'body': shell(out('n=1'))}},
        'list': shell(out('n=1')),
        'each': {'foreach': {'items': [1], 'do': {**NOTHING, 'when': '${list.n} > ${item}'}}, 'needs': ['list']}}, fails=True)
    errors = dict(work.ask('error', 'node', key='id'))
    for node, text in (('loop', '`${previous.n} >= 2`: '), ('each[0]', '`${list.n} > ${item}`: ')):
        need(errors[node].startswith(text) and 'a line key=value gives a string' in errors[node], errors)


@together.case('a shell in a child has what the child had: its item, its iteration, the sides that its judge compared')
def shells(work):
    yield {
        'each': {'foreach': {'items': ['a', 'b'], 'do': shell('true', env={'I': '${item}', 'AT': '${index}'})}},
        'try': {'loop': {'max': 2, 'body': shell(out('n=$N'), env={'N': '${iteration}', 'P': '${previous.n:-none}'})}},
        'best': {'tournament': {'entrants': entrants(3, 9), 'judge': JUDGE}}}

    def printed(node, words):
        return work.flow.call('shell', '--store', work.flow.store, work.done.run, work.prefix + node, '--', 'sh', '-c',
                              f'echo {words}').text.strip()
    same(printed('each[1]', '$I $AT'), 'b 1', 'an item')
    same(printed('try#2', '$N $P'), '2 1', 'an iteration')
    if is_long():
        same(printed('try#1', '$N $P'), '1 none', 'the first iteration')
    same(printed('best/r1m0', '$L $R'), '3 9', 'a judge')


# ---- going back ----

@case('a node that revises does everything from its target again, under ids of their own, and what comes after reads the latest [K17]')
def revise(flow):
    done = flow.run({'nodes': {
        'draft': shell('echo $REEVE_NODE >> "$DIR/ran"; n=0; while read x; do n=$((n + 1)); done < "$DIR/ran"; ' + out('n=$n')),
        'review': shell('test "$N" -ge 3 && ' + out('ok=yes') + ' || ' + out('ok=no'), needs=['draft'], env={'N': '${draft.n}'},
                        revise={'target': 'draft', 'when': '${review.ok} == "no"'}),
        'last': shell('echo "$N" > "$DIR/last"', needs=['review'], env={'N': '${draft.n}'})}})
    same((lines(flow.read('ran')), flow.read('last')), (['draft', 'draft~1', 'draft~2'], b'3\n'), 'who ran, and what was read')
    found = shown(flow, done.run)
    same([(n['node'], n['ordinal']) for n in found['nodes'] if n.get('role') == 'revision'],
         [('draft~1', 1), ('review~1', 1), ('draft~2', 2), ('review~2', 2)], 'in show')
    same(found['critical_path'], ['draft', 'review', 'draft~1', 'review~1', 'draft~2', 'review~2', 'last'], 'the critical path')


# ---- after a death ----

class Deaths(Together):
    """Cases of two steps, whose engine is killed in the first, when of each the node runs that it holds; the second is a resume."""

    def __init__(self):
        super().__init__(part=Kind)
        self.killed = None

    def run(self, flow, steps, workflow, words, env):
        if any(step.held for _, step in steps):
            flow.held()
            live = flow.start(workflow, *words, env=env)
            self.killed = live.started()
            same(sorted(flow.hub.take(len(steps))), sorted(part.prefix + step.held for part, step in steps), 'who runs when it dies')
            return live.kill_engine()
        return flow.run(workflow, '--resume', self.killed, *words, env=env)


deaths = Deaths()
BLOCKS = 'test -e "$DIR/go" || exec "$PROGRAM"; '  # in the first life until it is killed
SAYS = 'echo $REEVE_NODE >> "$DIR/ran"; '


def two_lives(work, nodes, before, held, after):
    """`before` is done when `held` runs and the engine dies; `after` runs in the second life."""
    env = {'PROGRAM': work.flow.node_program}
    yield Step(nodes, env, ALL, held=held)
    same(sorted(name for name, state in work.states().items() if state == 'succeeded'), sorted(before), 'what was done before')
    work.write('ran', '')
    work.write('go', '')
    yield Step(nodes, env, ALL)
    same(sorted(work.strip(lines(work.read('ran')))), sorted(after), 'what ran after')


@deaths.case('a foreach whose engine was killed goes on with the items that were not done [K62]')
def dead_foreach(work):
    one = 'case $I in 0|1) ;; *) test -e "$DIR/go" || exec "$PROGRAM";; esac; ' + SAYS + out('x=$I')
    each = {'each': {'foreach': {'items': [0, 1, 2, 3], 'max_parallel': 1, 'do': shell(one, env={'I': '${item}'})}}}
    yield from two_lives(work, each, ['each[0]', 'each[1]'], 'each[2]', ['each[2]', 'each[3]'])
    same(work.result('each')['results'], [{'x': str(i)} for i in range(4)], 'its results')


@deaths.case('a loop whose engine was killed goes on with the same iteration, and its previous is still there [K62]')
def dead_loop(work):
    body = shell('test $N -ne 3 || ' + BLOCKS + SAYS + out('sum=$((P + N))'), env={'N': '${iteration}', 'P': '${previous.sum:-0}'})
    yield from two_lives(work, {'sum': {'loop': {'max': 4, 'body': body}}}, ['sum#1', 'sum#2'], 'sum#3', ['sum#3', 'sum#4'])
    same(work.result('sum')['value'], {'sum': '10'}, 'its value')


@deaths.case('a classify whose engine was killed in a branch keeps what it pruned [K62]')
def dead_classify(work):
    branch = shell(BLOCKS + SAYS, needs=['sort'])
    yield from two_lives(work, {'sort': {'classify': {'by': shell(SAYS + out('branch=a')), 'branches': {'a': ['x'], 'b': ['y']}}},
                                'x': branch, 'y': branch}, ['sort', 'sort.by'], 'x', ['x'])
    same(work.states()['y'], 'skipped', 'the other branch')


@deaths.case('a tournament whose engine was killed keeps its pairs and its matches, and judges the rest [K62]')
def dead_tournament(work):
    judge = shell('case $REEVE_NODE in *r2*) test -e "$DIR/go" || exec "$PROGRAM";; esac; ' + SAYS + JUDGE['shell'], env=JUDGE['env'])
    first = [shell(SAYS + out('score=3')), *entrants(9, 5, 1, 7)]
    yield from two_lives(work, {'best': {'tournament': {'entrants': first, 'judge': judge}}},
                         [f'best/e{i}' for i in range(5)] + ['best/r1m0', 'best/r1m1'], 'best/r2m0', ['best/r2m0', 'best/r3m0'])
    same(work.result('best')['winner'], 'best/e1', 'the winner')
    matches = [e for e in work.flow.journal(work.done.run, 'match') if work.prefix in json.dumps(e)]
    same(len(matches), 4, 'matches, each decided once')


@deaths.case('a sub-workflow in a foreach whose engine was killed goes on inside, with its params [K62]')
def dead_workflow(work):
    part = {'params': {'n': {'type': 'integer'}}, 'result': {'v': '${two.v}'}, 'nodes': {
        'one': shell(SAYS), 'two': shell(BLOCKS + SAYS + out('v=$((N * N))'), needs=['one'], env={'N': '${user.n}'})}}
    body = {'workflow': {'definition': part, 'params': {'n': '${item}'}}}
    yield from two_lives(work, {'each': {'foreach': {'items': [3, 4], 'max_parallel': 1, 'do': body}}},
                         ['each[0].one'], 'each[0].two', ['each[0].two', 'each[1].one', 'each[1].two'])
    same(work.result('each')['results'], [{'v': '9'}, {'v': '16'}], 'its results')


# ---- children of failed runs, people, and looking while it runs ----

@case('max_parallel bounds how many items run at a time, and the next begins when one has ended [K15]')
def foreach_bounded(flow):
    live = flow.start({'nodes': {'each': {'foreach': {'items': [1, 2, 3, 4, 5], 'max_parallel': 2, 'do': flow.held()}}}}, '-j', '8')
    now = flow.hub.take(2)
    same(sorted(now), ['each[0]', 'each[1]'], 'the first')
    for index in range(2, 5):
        need(not flow.hub.has_more(), 'a third runs')
        now.pop(sorted(now)[0]).end()
        held = flow.hub.next()
        same(held.node, f'each[{index}]', 'the next')
        now[held.node] = held
    for held in now.values():
        held.end()
    live.end(0)


@case('--fail-fast starts no more items of a foreach of which one has failed, and what it leaves is done by a resume [K5, R1]')
def fail_fast_items(flow):
    nodes = {'each': {'foreach': {'items': [0, 1, 2, 3, 4, 5], 'max_parallel': 1, 'do': shell(
        'echo $I >> "$DIR/ran"; test $I != 2 || test -e "$DIR/good"', env={'I': '${item}'})}}}
    first = flow.run({'nodes': nodes}, '--fail-fast', status=1).run
    same(flow.read('ran').split(), [b'0', b'1', b'2'], 'what ran')
    text = flow.call('show', first).text
    need('6 items: 2 ok, 1 failed, 3 never begun' in text, text)
    flow.write('good', '')
    flow.run({'nodes': nodes}, '--resume', first)
    same(flow.read('ran').split(), [b'0', b'1', b'2', b'2', b'3', b'4', b'5'], 'what ran in both')


@case('a question inside a foreach is asked by its id, --no-wait ends with 76 for it, and answers before a resume count [K60]')
def questions(flow):
    flow_ = {'nodes': {'each': {'foreach': {'items': ['a', 'b'], 'do': {'approve': {'message': 'Publish ${item}?'}}}},
                       'last': {**NOTHING, 'needs': ['each']}}}
    run = flow.run(flow_, '--no-wait', status=76).run
    blockers = {b['key']: b['payload'] for b in shown(flow, run)['blockers']}
    same({k: p['message'] for k, p in blockers.items()}, {'each[0]': 'Publish a?', 'each[1]': 'Publish b?'}, 'what is asked')
    flow.call('approve', run, 'each[0]')
    flow.call('approve', run, 'each[1]')
    flow.run(flow_, '--resume', run)
    same(states(flow, run)['last'], 'succeeded', 'the end')


@case('show, logs and events follow a run that grows while it goes on, through its owner')
def looking(flow):
    count = 3 if is_long() else 2
    live = flow.start({'nodes': {'each': {'foreach': {'items': list(range(count)), 'max_parallel': 1, 'do': flow.held()}}}}, '-j', '1')
    run = live.started()
    for index in range(count):
        held = flow.hub.next()
        live.expect('attempt_started', node=f'each[{index}]')
        nodes = {n['node']: n for n in shown(flow, run)['nodes']}
        same((nodes[f'each[{index}]']['state'], nodes['each']['children']), ('running', index + 1), 'in show')
        if index:
            logged = flow.call('logs', run, 'each').text
            same(logged.replace('\u2502', '|'), ''.join(f'each[{i}] | words of {i}\n' for i in range(index)), 'logs of a controller')
            named = {e.get('node') for e in flow.journal(run, 'node_state')}
            need({'each', 'each[0]', f'each[{index}]'} <= named, named)
        held.end(0, f'words of {index}')
    live.end(0)
    logged = flow.call('logs', run, 'each').text
    same(logged.replace('\u2502', '|'), ''.join(f'each[{i}] | words of {i}\n' for i in range(count)), 'logs of a controller')


@case('an interrupt in the middle of a foreach and a loop is gone on with [W33]')
def interrupted(flow):
    flow_ = {'nodes': {'each': {'foreach': {'items': [1, 2], 'max_parallel': 1, 'do': flow.held()}}}}
    live = flow.start(flow_, '-j', '1')
    run = live.started()
    flow.hub.next().end(0)
    held = flow.hub.next()
    live.expect('attempt_started', node='each[1]')
    live.process.send_signal(signal.SIGINT)
    held.wait_gone()
    live.end(128 + signal.SIGINT)
    again = flow.start(flow_, '--resume', run)
    held = flow.hub.next()
    same(held.node, 'each[1]', 'what goes on')
    held.end(0)
    again.end(0)


if __name__ == '__main__':
    main(one_store=not is_long())
