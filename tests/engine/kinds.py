"""Every kind that holds other nodes, through `reeve run`: foreach, loop, classify, tournament, workflow, nested in each other, and
after an engine that was killed in the middle [K1, K11-K15, K62]. Each run is verified."""
import json
import os
import re
import signal

from harness import case, main, need, same, shell


def out(*pairs):
    """Shell words that write a result."""
    return 'printf "%s\\n" ' + ' '.join(f'"{pair}"' for pair in pairs) + ' > "$REEVE_OUTPUT"'


def result(flow, run, node):
    return json.loads(flow.one(f"select result from node where run = '{run}' and id = '{node}'"))


def states(flow, run):
    return dict(flow.ask(f"select id, state from node where run = '{run}'"))


def shown(flow, run, *words):
    return json.loads(flow.call('show', run, *words, '--json').text)


def ids(done):
    return sorted(e['node'] for e in done.of('node_ended'))


def ran(flow):
    try:
        names = flow.read('ran').decode().split()
    except FileNotFoundError:
        names = []
    flow.write('ran', '')
    return names


# ---- foreach ----

@case('a foreach does its body for each item, in ids of their own, and its results stand in the order of the items [K15, K1]')
def foreach_all(flow):
    done = flow.run({'nodes': {
        'list': shell("printf 'b\\na\\nc\\n'"),
        'each': {'needs': ['list'], 'foreach': {'items': '${list.stdout}', 'max_parallel': 2, 'do': shell(
            'sleep 0.0$REEVE_EPOCH; ' + out('up=$(echo "$I" | tr a-z A-Z)', 'at=$AT'), env={'I': '${item}', 'AT': '${index}'})}},
        'last': shell('printf %s "$ALL" > "$DIR/all"', needs=['each'], env={'ALL': '${each.results}'})}})
    same(ids(done), ['each', 'each[0]', 'each[1]', 'each[2]', 'last', 'list'], 'who ended')
    same(json.loads(flow.read('all')), [{'up': 'B', 'at': '0'}, {'up': 'A', 'at': '1'}, {'up': 'C', 'at': '2'}], 'what the next one read')
    node = [n for n in shown(flow, done.run)['nodes'] if n['node'] == 'each[1]'][0]
    same((node['parent'], node['role'], node['ordinal']), ('each', 'item', 1), 'the child in show')


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


@case('join any is content with one success, race with the first end, all_settled with every end; the rest is called off [K15]')
def foreach_joins(flow):
    def each(join, script):
        return {'nodes': {'each': {'foreach': {'items': ['bad', 'good', 'late'], 'join': join, 'do': shell(script, env={'I': '${item}'})}}}}
    # "late" goes on until somebody stops it
    script = 'case $I in bad) exit 3;; good) ' + out('x=1') + ';; late) while :; do sleep 1; done;; esac'
    any_ = flow.run(each('any', script), '-j', '3', status=(0, 1))
    same(result(flow, any_.run, 'each')['results'][1], {'x': '1'}, 'any')
    same(states(flow, any_.run)['each[2]'], 'cancelled', 'the rest of any')
    race = flow.run(each('race', 'case $I in good) ' + out('x=1') + ';; *) while :; do sleep 1; done;; esac'), '-j', '3')
    same((states(flow, race.run)['each'], states(flow, race.run)['each[0]']), ('succeeded', 'cancelled'), 'race')
    lost = flow.run(each('race', 'case $I in bad) exit 3;; *) while :; do sleep 1; done;; esac'), '-j', '3', status=1)
    same((states(flow, lost.run)['each'], states(flow, lost.run)['each[1]']), ('failed', 'cancelled'), 'a race that is lost')
    settled = flow.run(each('all_settled', 'test $I != bad && ' + out('x=$I')), status=(0, 1))
    same(states(flow, settled.run)['each'], 'succeeded', 'all_settled')
    found = result(flow, settled.run, 'each')
    same((found['results'][0], found['failed']), (None, [0]), 'what all_settled tells')


@case('a foreach of which an item fails fails, and names it as the root [K15]')
def foreach_fails(flow):
    done = flow.run({'nodes': {'each': {'foreach': {'items': [0, 1], 'do': shell('exit $I', env={'I': '${item}'})}},
                               'next': shell('true', needs=['each'])}}, status=1)
    rows = dict((i, (s, r)) for i, s, r in flow.ask('select id, state, root from node'))
    same((rows['each'][0], rows['each'][1], rows['next']), ('failed', 'each[1]', ('skipped', 'each[1]')), 'states and roots')
    failed = shown(flow, done.run)['failed']
    same([(f['node'], f['caused']) for f in failed], [('each[1]', 2)], 'where it failed')


@case('a foreach over a graph does all of it for each item, and an empty list is no work [K15]')
def foreach_graph(flow):
    done = flow.run({'nodes': {
        'each': {'foreach': {'items': [2, 3], 'do': {'nodes': {
            'square': shell(out('n=$((I * I))'), env={'I': '${item}'}),
            'more': shell(out('n=$((N + 1))'), needs=['square'], env={'N': '${square.n}'})}}}},
        'none': {'foreach': {'items': [], 'do': shell('exit 1')}}}})
    same(ids(done), ['each', 'each[0].more', 'each[0].square', 'each[1].more', 'each[1].square', 'none'], 'who ended')
    same(result(flow, done.run, 'each')['results'], [{'more': {'n': '5'}}, {'more': {'n': '10'}}], 'results')
    same(result(flow, done.run, 'none')['results'], [], 'nothing')


@case('artifacts of children are found under their composite ids, and two of one name do not meet')
def foreach_artifacts(flow):
    done = flow.run({'nodes': {
        't': {'tournament': {'entrants': [shell('echo one > "$REEVE_ARTIFACTS/page"'), shell('echo two > "$REEVE_ARTIFACTS/page"')],
                             'judge': shell('cat "$L" "$R" > "$DIR/seen"; ' + out('winner=right'),
                                            env={'L': '${left.artifact.page}', 'R': '${right.artifact.page}'})}}}})
    same(flow.read('seen'), b'one\ntwo\n', 'what the judge saw')
    folder = flow.path('store', 'artifacts', done.run)
    same(sorted(os.listdir(folder)), ['t%2Fe0', 't%2Fe1'], 'one folder for each, none within another')


# ---- loop ----

@case('a loop goes on until its condition holds, reads what came before, and says how often it ran [K11]')
def loop_until(flow):
    done = flow.run({'nodes': {
        'try': {'loop': {'max': 9, 'until': '${previous.n} == "3"', 'body': shell(
            'echo $REEVE_NODE >> "$DIR/ran"; ' + out('n=$((P + 1))'), env={'P': '${previous.n:-0}'})}},
        'last': shell('echo "$V $I $E" > "$DIR/last"', needs=['try'],
                      env={'V': '${try.value.n}', 'I': '${try.iterations}', 'E': '${try.exhausted}'})}})
    same(ran(flow), ['try#1', 'try#2', 'try#3'], 'who ran')
    same(flow.read('last'), b'3 3 false\n', 'what the next one read')
    same(shown(flow, done.run)['nodes'][0]['summary'], '3 iterations', 'in show')


@case('a loop ends at `continue: false`, at its maximum as exhausted, and fails with the iteration that fails [K11]')
def loop_ends(flow):
    done = flow.run({'nodes': {
        'stop': {'loop': {'max': 9, 'body': shell('echo \'{"continue": false, "x": 1}\' > "$REEVE_OUTPUT"')}},
        'max': {'loop': {'max': 2, 'until': 'false', 'body': shell('true')}}}})
    same(result(flow, done.run, 'stop')['iterations'], 1, 'continue: false')
    same((result(flow, done.run, 'max')['iterations'], result(flow, done.run, 'max')['exhausted']), (2, True), 'its maximum')
    bad = flow.run({'nodes': {'bad': {'loop': {'max': 9, 'body': shell('test $N -lt 3', env={'N': '${iteration}'})}}}}, status=1)
    rows = dict((i, (s, r)) for i, s, r in flow.ask(f"select id, state, root from node where run = '{bad.run}'"))
    same((rows['bad'], rows['bad#3'][0]), (('failed', 'bad#3'), 'failed'), 'an iteration that fails')


# ---- classify ----

@case('a classify prunes the branches that were not taken, but for what they share, and an unknown label fails it [K12]')
def classify(flow):
    def sort(label):
        return {'nodes': {
            'sort': {'classify': {'by': shell(out(f'branch={label}')), 'branches': {'bug': ['fix', 'both'], 'wish': ['note', 'both']}}},
            'fix': shell('true', needs=['sort']), 'note': shell('true', needs=['sort']), 'both': shell('true', needs=['sort']),
            'after': shell('true', needs=['note'])}}
    done = flow.run(sort('bug'))
    found = {i: (s, d) for i, s, d in flow.ask('select id, state, detail from node')}
    same((found['fix'][0], found['both'][0], found['note']), ('succeeded', 'succeeded', ('skipped', 'pruned')), 'the branches')
    same(found['after'][0], 'skipped', 'what is below a pruned one')
    same(result(flow, done.run, 'sort'), {'branch': 'bug'}, 'its result')
    bad = flow.run(sort('noise'), status=1)
    found = {i: s for i, s in flow.ask(f"select id, state from node where run = '{bad.run}'")}
    same((found['sort'], found['fix'], found['note']), ('failed', 'skipped', 'skipped'), 'an unknown label')
    need('noise' in bad.node('sort')['error'], 'the label is named')


# ---- tournament ----

def entrants(*scores):
    return [shell(out(f'score={score}')) for score in scores]


JUDGE = shell('if [ "$L" -gt "$R" ]; then w=left; else w=right; fi; ' + out('winner=$w'), env={'L': '${left.score}', 'R': '${right.score}'})


@case('a tournament of five gives byes to the last, judges each pair once, and the best wins; show has its bracket [K13]')
def tournament(flow):
    done = flow.run({'nodes': {'best': {'tournament': {'entrants': entrants(3, 9, 5, 1, 7), 'judge': JUDGE}}}}, '-j', '4')
    found = result(flow, done.run, 'best')
    same((found['winner'], found['value'], found['rounds']), ('best/e1', {'score': '9'}, 3), 'its result')
    bracket = shown(flow, done.run)['nodes'][0]['bracket']
    same([(r.get('bye'), [(m['left'], m['right'], m['winner']) for m in r['matches']]) for r in bracket['rounds']],
         [('best/e4', [('best/e0', 'best/e1', 'best/e1'), ('best/e2', 'best/e3', 'best/e2')]),
          ('best/e4', [('best/e1', 'best/e2', 'best/e1')]), (None, [('best/e1', 'best/e4', 'best/e1')])], 'the bracket')
    text = flow.call('show', done.run).text
    need('Bracket of best' in text and '5 entrants, 3 rounds; best/e1 won' in text, text)
    drawn = [line for line in text.split('Bracket of best\n')[1].split('\n\n')[0].split('\n') if 'best/' in line]
    words = [[word for word in line.split() if word.startswith('best/')] for line in drawn]
    same(words[0], ['best/e0'], 'the first line')
    same(words[-1][:3], ['best/e4'] * 3, 'who had byes goes through the rounds')
    page = flow.call('show', done.run, '--html', '-').text
    need('<h2>Bracket of best</h2>' in page and '<h2>Inside</h2>' in page and page.count('best/r3m0') >= 1, 'the page has them too')


def drawn(flow, run):
    """The page's graph: box texts by their titles' names, and the paths by their class."""
    page = flow.call('show', run, '--html', '-').text
    svg = re.search(r'<svg [^>]*aria-label="graph">.*?</svg>', page, re.S).group(0)
    boxes = re.findall(r'<g class="node([^"]*)"><title>([^<]*)</title>.*?<text[^>]*>([^<]*)</text></g></a>', svg)
    return [text for _, _, text in boxes], {text: title for _, title, text in boxes}, svg


@case('the page draws what grew: items, iterations, brackets, sub-workflows, revisions, submissions; the rest of many is one box')
def drawn_whole(flow):
    entrant = shell(out('score=1'))
    fails = shell('[ "$I" != 25 ]', env={'I': '${item}'})
    flow.write('n.yaml', 'nodes:\n  s1: {run: ["true"]}\n  s2: {run: ["true"], needs: [s1, each]}\n')
    done = flow.run({'nodes': {
        'each': {'foreach': {'items': ['a', 'b'], 'do': {'nodes': {'get': shell('true'), 'put': shell('true', needs=['get'])}}}},
        'many': {'foreach': {'items': list(range(30)), 'join': 'all_settled', 'do': fails}},
        'draft': {'loop': {'body': shell('true'), 'max': 2}, 'needs': ['each']},
        'best': {'tournament': {'entrants': [entrant] * 3, 'judge': shell(out('winner=left'))}},
        'part': {'workflow': {'definition': {'nodes': {'p': {'run': ['true']}}}}},
        'plan': shell(f'"{flow.reeve}" submit n.yaml'),
        'check': shell(out('ok=$E'), env={'E': '${attempt.key}'}, needs=['draft'],
                       revise={'target': 'draft', 'when': "${check.ok} != '0'", 'max': 1})}}, '-j', '4', status=1)
    texts, titles, svg = drawn(flow, done.run)
    same(len(texts), len(set(texts)), 'each once')
    for name in ('each[1].put', 'draft#2', 'best/e2', 'best/r1m0', 'best/r2m0', 'part.p', 's2', 'draft~1', 'draft~1#2', 'check~1',
                 'many[0]', 'many[29]'):
        need(name in texts, f'{name} is not drawn: {texts}')
    fold = [text for text in texts if text.endswith(' more')]
    drawn_of_many = [text for text in texts if text.startswith('many[')]
    need('many[25]' in drawn_of_many and 's-failed"><title>many[25]: failed' in svg, 'what failed is drawn')
    same(fold, [f'{30 - len(drawn_of_many)} more'], 'the rest is folded')
    need(titles[fold[0]].startswith(f'{30 - len(drawn_of_many)} more of many: '), titles[fold[0]])
    need('class="edge inner"' in svg, 'edges to what grew')
    nothing = {'set': {'x': '1'}}
    nodes = {'a': {'foreach': {'items': list(range(3)), 'do': {'nodes': {f'n{i}': nothing for i in range(60)}}}},
             **{f'f{i}': nothing for i in range(300)}}
    done = flow.run({'nodes': nodes})
    texts, _, _ = drawn(flow, done.run)
    need(301 <= len(texts) <= 401 and any(text.endswith(' more') for text in texts), f'{len(texts)} boxes of 481 nodes')


@case('a quorum of judges decides by majority, exchanged sides are seen exchanged, and an even split is drawn by the seed [K13]')
def tournament_quorum(flow):
    always_left = shell('echo $REEVE_NODE >> "$DIR/ran"; ' + out('winner=left'))
    done = flow.run({'nodes': {
        'majority': {'tournament': {'quorum': 3, 'entrants': entrants(1, 2), 'judge': shell(
            'case $REEVE_NODE in *j2) w=left;; *) w=right;; esac; ' + out('winner=$w'))}},
        'split': {'tournament': {'swap': True, 'entrants': entrants(1, 2), 'judge': always_left}}}}, '-j', '4')
    same(result(flow, done.run, 'majority')['winner'], 'majority/e1', 'two of three')
    same(sorted(ran(flow)), ['split/r1m0', 'split/r1m0s'], 'each pair twice')
    nodes = {n['node']: n for n in shown(flow, done.run)['nodes']}
    match = nodes['split']['bracket']['rounds'][0]['matches'][0]
    need(match['is_drawn'], 'who always says left says nothing of two exchanged sides')
    need(nodes['split/r1m0s']['is_swapped'] and not nodes['split/r1m0']['is_swapped'], 'sides')
    need('the seed decided' in flow.call('show', done.run).text, 'the text says that it was drawn')


@case('a swiss tournament pairs by points, nobody twice while it can be avoided, and the one with most points wins [K13]')
def tournament_swiss(flow):
    done = flow.run({'nodes': {'best': {'tournament': {'swiss': 3, 'entrants': entrants(3, 9, 5, 1), 'judge': JUDGE}}}}, '-j', '4')
    bracket = shown(flow, done.run)['nodes'][0]['bracket']
    pairs = [tuple(sorted((m['left'], m['right']))) for r in bracket['rounds'] for m in r['matches']]
    same((bracket['system'], len(bracket['rounds']), len(pairs), len(set(pairs))), ('swiss', 3, 6, 6), 'everyone met everyone')
    same({e['node']: e['won'] for e in bracket['entrants']}, {'best/e0': 1, 'best/e1': 3, 'best/e2': 2, 'best/e3': 0}, 'points')
    same(bracket['winner'], 'best/e1', 'the winner')


@case('an entrant that fails takes no part, nodes beside a tournament can enter it, and a judge who names nobody fails it [K13]')
def tournament_failures(flow):
    done = flow.run({'nodes': {'draft': shell(out('score=4')), 'best': {'tournament': {
        'entrants': ['draft', shell('exit 1'), shell(out('score=2'))], 'judge': JUDGE}}}}, '-j', '4', status=(0, 1))
    same(result(flow, done.run, 'best')['winner'], 'draft', 'the winner')
    took = {e['node']: e['took_part'] for e in shown(flow, done.run)['nodes'][1]['bracket']['entrants']}
    same(took, {'draft': True, 'best/e1': False, 'best/e2': True}, 'who took part')
    bad = flow.run({'nodes': {'best': {'tournament': {'entrants': entrants(1, 2), 'judge': shell('true')}}}}, status=1)
    need('named no winner' in bad.node('best')['error'], bad.node('best'))


# ---- sub-workflow ----

SUB = {'reeve': 1, 'params': {'n': {'type': 'integer'}}, 'result': {'square': '${square.v}', 'n': '${user.n}'},
       'nodes': {'square': shell(out('v=$((N * N))'), env={'N': '${user.n}'}), 'log': shell('true', needs=['square'])}}


@case('a workflow in a node has params of its own, gives what its result says, and its nodes stand beneath the node [K1]')
def workflow(flow):
    flow.write('sub.json', json.dumps(SUB))
    done = flow.run({'nodes': {'part': {'workflow': {'file': 'sub.json', 'params': {'n': 6}}},
                               'last': shell('echo "$S" > "$DIR/last"', needs=['part'], env={'S': '${part.square}'})}})
    same(ids(done), ['last', 'part', 'part.log', 'part.square'], 'who ended')
    same((flow.read('last'), result(flow, done.run, 'part')), (b'36\n', {'square': '36', 'n': 6}), 'its result')


@case('kinds nest: a foreach in a loop, a workflow in a foreach, a tournament of loops; ids say where each stands [K1]')
def nested(flow):
    flow.write('sub.json', json.dumps(SUB))
    done = flow.run({'nodes': {
        'rounds': {'loop': {'max': 2, 'body': {'foreach': {'items': [1, 2], 'do': shell('true')}}}},
        'parts': {'foreach': {'items': [3, 4], 'do': {'workflow': {'file': 'sub.json', 'params': {'n': '${item}'}}}}},
        'best': {'tournament': {'entrants': [{'loop': {'max': 2, 'body': shell(out('score=1'))}}, {'loop': {'max': 1,
            'body': shell(out('score=8'))}}], 'judge': shell('[ "$L" -lt "$R" ]; ' + out('winner=right'),
                                                         env={'L': '${left.value.score}', 'R': '${right.value.score}'})}}}}, '-j', '4')
    found = set(states(flow, done.run))
    need({'rounds#1', 'rounds#2[1]', 'parts[0].square', 'parts[1].log', 'best/e0#2', 'best/e1#1', 'best/r1m0'} <= found, found)
    same(result(flow, done.run, 'parts')['results'], [{'square': '9', 'n': 3}, {'square': '16', 'n': 4}], 'results')
    same(result(flow, done.run, 'best')['winner'], 'best/e1', 'the best loop')
    nodes = {n['node']: n for n in shown(flow, done.run)['nodes']}
    same((nodes['rounds#2[1]']['parent'], nodes['best/e0#2']['role']), ('rounds#2', 'iteration'), 'parents')


# ---- going back ----

@case('a node that revises does everything from its target again, under ids of their own, and what comes after reads the latest [K17]')
def revise(flow):
    done = flow.run({'nodes': {
        'draft': shell('echo $REEVE_NODE >> "$DIR/ran"; ' + out('n=$(wc -l < "$DIR/ran")')),
        'review': shell('test "$N" -ge 3 && ' + out('ok=yes') + ' || ' + out('ok=no'), needs=['draft'], env={'N': '${draft.n}'},
                        revise={'target': 'draft', 'when': '${review.ok} == "no"'}),
        'last': shell('echo "$N" > "$DIR/last"', needs=['review'], env={'N': '${draft.n}'})}})
    same((ran(flow), flow.read('last')), (['draft', 'draft~1', 'draft~2'], b'3\n'), 'who ran, and what was read')
    found = shown(flow, done.run)
    same([(n['node'], n['ordinal']) for n in found['nodes'] if n.get('role') == 'revision'],
         [('draft~1', 1), ('review~1', 1), ('draft~2', 2), ('review~2', 2)], 'in show')
    same(found['critical_path'], ['draft', 'review', 'draft~1', 'review~1', 'draft~2', 'review~2', 'last'], 'the critical path')


# ---- after a death ----

def blocked(script, **more):
    """In the first life it blocks until it is killed, in the second it does its work and says so."""
    env = {'NODE': '', **more.pop('env', {})}
    return shell('test -e "$DIR/go" || exec "$PROGRAM"; echo $REEVE_NODE >> "$DIR/ran"; ' + script, env=env, **more)


def die_and_resume(flow, workflow, before, held, after):
    """Kill the engine when `held` runs, resume: exactly `after` runs in the second life."""
    live = flow.start(workflow, '-j', '1', env={'PROGRAM': flow.node_program})
    run = live.started()
    same(flow.hub.next().node, held, 'who runs when the engine dies')
    live.kill_engine()
    first = {i: s for i, s in flow.ask(f"select id, state from node where run = '{run}'") if s == 'succeeded'}
    same(sorted(first), sorted(before), 'what was done before')
    ran(flow)
    flow.write('go', '')
    done = flow.run(workflow, '--resume', run, env={'PROGRAM': flow.node_program})
    same(sorted(ran(flow)), sorted(after), 'what ran after')
    return done, run


@case('a foreach whose engine was killed goes on with the items that were not done [K62]')
def dead_foreach(flow):
    flow.held()
    one = 'case $I in 0|1) ;; *) test -e "$DIR/go" || exec "$PROGRAM";; esac; echo $REEVE_NODE >> "$DIR/ran"; ' + out('x=$I')
    each = {'nodes': {'each': {'foreach': {'items': [0, 1, 2, 3], 'do': shell(one, env={'I': '${item}'})}}}}
    done, run = die_and_resume(flow, each, ['each[0]', 'each[1]'], 'each[2]', ['each[2]', 'each[3]'])
    same(result(flow, run, 'each')['results'], [{'x': str(i)} for i in range(4)], 'its results')


@case('a loop whose engine was killed goes on with the same iteration, and its previous is still there [K62]')
def dead_loop(flow):
    flow.held()
    body = shell('test $N -ne 3 || test -e "$DIR/go" || exec "$PROGRAM"; echo $REEVE_NODE >> "$DIR/ran"; ' + out('sum=$((P + N))'),
                 env={'N': '${iteration}', 'P': '${previous.sum:-0}'})
    done, run = die_and_resume(flow, {'nodes': {'sum': {'loop': {'max': 4, 'body': body}}}}, ['sum#1', 'sum#2'], 'sum#3',
                               ['sum#3', 'sum#4'])
    same(result(flow, run, 'sum')['value'], {'sum': '10'}, 'its value')


@case('a classify whose engine was killed in a branch keeps what it pruned [K62]')
def dead_classify(flow):
    flow.held()
    done, run = die_and_resume(flow, {'nodes': {
        'sort': {'classify': {'by': shell('echo $REEVE_NODE >> "$DIR/ran"; ' + out('branch=a')), 'branches': {'a': ['x'], 'b': ['y']}}},
        'x': blocked('true', needs=['sort']), 'y': blocked('true', needs=['sort'])}}, ['sort', 'sort.by'], 'x', ['x'])
    same(states(flow, run)['y'], 'skipped', 'the other branch')


@case('a tournament whose engine was killed keeps its pairs and its matches, and judges the rest [K62]')
def dead_tournament(flow):
    flow.held()
    judge = shell('case $REEVE_NODE in *r2*) test -e "$DIR/go" || exec "$PROGRAM";; esac; echo $REEVE_NODE >> "$DIR/ran"; '
                  + JUDGE['shell'], env=JUDGE['env'])
    done, run = die_and_resume(flow, {'nodes': {'best': {'tournament': {'entrants': entrants(3, 9, 5, 1, 7), 'judge': judge}}}},
                               [f'best/e{i}' for i in range(5)] + ['best/r1m0', 'best/r1m1'], 'best/r2m0', ['best/r2m0', 'best/r3m0'])
    same(result(flow, run, 'best')['winner'], 'best/e1', 'the winner')
    grew = [e for e in flow.journal(run, 'match')]
    same(len(grew), 4, 'matches, each decided once')


@case('a sub-workflow in a foreach whose engine was killed goes on inside, with its params [K62]')
def dead_workflow(flow):
    flow.held()
    part = {'params': {'n': {'type': 'integer'}}, 'result': {'v': '${two.v}'}, 'nodes': {
        'one': shell('echo $REEVE_NODE >> "$DIR/ran"'), 'two': blocked(out('v=$((N * N))'), needs=['one'], env={'N': '${user.n}'})}}
    body = {'workflow': {'definition': part, 'params': {'n': '${item}'}}}
    each = {'nodes': {'each': {'foreach': {'items': [3, 4], 'max_parallel': 1, 'do': body}}}}
    done, run = die_and_resume(flow, each, ['each[0].one'], 'each[0].two', ['each[0].two', 'each[1].one', 'each[1].two'])
    same(result(flow, run, 'each')['results'], [{'v': '9'}, {'v': '16'}], 'its results')


# ---- children of failed runs, people, and looking while it runs ----

@case('--fail-fast starts no more items of a foreach of which one has failed, and what it leaves is done by a resume [K5, R1]')
def fail_fast_items(flow):
    nodes = {'each': {'foreach': {'items': [0, 1, 2, 3, 4, 5], 'max_parallel': 1, 'do': shell(
        'echo $I >> "$DIR/ran"; test $I != 2 || test -e "$DIR/good"', env={'I': '${item}'})}}}
    first = flow.run({'nodes': nodes}, '--fail-fast', status=1).run
    same(flow.read('ran').split(), [b'0', b'1', b'2'], 'what ran')
    need('6 items: 2 ok, 1 failed, 3 never begun' in flow.call('show', first).text, flow.call('show', first).text)
    flow.write('good', '')
    flow.run({'nodes': nodes}, '--resume', first)
    same(flow.read('ran').split(), [b'0', b'1', b'2', b'2', b'3', b'4', b'5'], 'what ran in both')


@case('an expression that cannot be evaluated says which it is, and that a line gives a string [K11, W14]')
def bad_expressions(flow):
    flow.run({'nodes': {
        'loop': {'loop': {'max': 3, 'until': '${previous.n} >= 2', 'body': shell(out('n=1'))}},
        'list': shell(out('n=1')),
        'each': {'foreach': {'items': [1], 'do': {**shell('true'), 'when': '${list.n} > ${item}'}}, 'needs': ['list']}}}, status=1)
    errors = dict(flow.ask("select id, error from node where state = 'failed'"))
    for node, text in (('loop', '`${previous.n} >= 2`: '), ('each[0]', '`${list.n} > ${item}`: ')):
        need(errors[node].startswith(text) and 'a line key=value gives a string' in errors[node], errors)


@case('a question inside a foreach is asked by its id, --no-wait ends with 76 for it, and answers before a resume count [K60]')
def questions(flow):
    flow_ = {'nodes': {'each': {'foreach': {'items': ['a', 'b'], 'do': {'approve': {'message': 'Publish ${item}?'}}}},
                       'last': shell('true', needs=['each'])}}
    run = flow.run(flow_, '--no-wait', status=76).run
    blockers = {b['key']: b['payload'] for b in shown(flow, run)['blockers']}
    same({k: p['message'] for k, p in blockers.items()}, {'each[0]': 'Publish a?', 'each[1]': 'Publish b?'}, 'what is asked')
    flow.call('approve', run, 'each[0]')
    flow.call('approve', run, 'each[1]')
    flow.run(flow_, '--resume', run)
    same(states(flow, run)['last'], 'succeeded', 'the end')


@case('show, logs and events follow a run that grows while it goes on, through its owner')
def looking(flow):
    live = flow.start({'nodes': {'each': {'foreach': {'items': [1, 2, 3], 'max_parallel': 1, 'do': flow.held()}}}}, '-j', '1')
    run = live.started()
    for index in range(3):
        held = flow.hub.next()
        live.expect('attempt_started', node=f'each[{index}]')
        nodes = {n['node']: n for n in shown(flow, run)['nodes']}
        same((nodes[f'each[{index}]']['state'], nodes['each']['children']), ('running', index + 1), 'in show')
        held.end(0, f'words of {index}')
    live.end(0)
    same(flow.call('logs', run, 'each').text.split('\n')[:3], [f'each[{i}] \u2502 words of {i}' if '\u2502' in flow.call('logs', run).text
                                                               else f'each[{i}] | words of {i}' for i in range(3)], 'logs of a controller')
    named = {e.get('node') for e in flow.journal(run, 'node_state')}
    need({'each', 'each[0]', 'each[2]'} <= named, named)


@case('a shell in a child has what the child had: its item, its iteration, the sides that its judge compared')
def shells(flow):
    run = flow.run({'nodes': {
        'each': {'foreach': {'items': ['a', 'b'], 'do': shell('true', env={'I': '${item}', 'AT': '${index}'})}},
        'try': {'loop': {'max': 2, 'body': shell(out('n=$N'), env={'N': '${iteration}', 'P': '${previous.n:-none}'})}},
        'best': {'tournament': {'entrants': entrants(3, 9), 'judge': JUDGE}}}}).run

    def printed(node, words):
        return flow.call('shell', '--store', flow.store, run, node, '--', 'sh', '-c', f'echo {words}').text.strip()
    same(printed('each[1]', '$I $AT'), 'b 1', 'an item')
    same((printed('try#1', '$N $P'), printed('try#2', '$N $P')), ('1 none', '2 1'), 'an iteration')
    same(printed('best/r1m0', '$L $R'), '3 9', 'a judge')


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
    main()
