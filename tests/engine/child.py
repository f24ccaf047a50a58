"""A child run keeps what its parent completed, node by node [R1]."""
import json
import signal

from harness import argv_to, case, main, need, same, shell


def counted(flow, script='', **more):
    """A node that says in `ran` that it ran."""
    if not script:
        return {'run': [flow.node_program, 'note', flow.path('ran')], **more}
    return shell('echo "$REEVE_NODE" >> "$DIR/ran"; ' + script, **more)


def ran(flow):
    """Who ran since it was asked last."""
    try:
        names = sorted(flow.read('ran').decode().split())
    except FileNotFoundError:
        names = []
    flow.write('ran', '')
    return names


def kept(done):
    return sorted(e['node'] for e in done.of('node_ended', detail='replay'))


def diamond(flow, **changes):
    nodes = {'a': counted(flow, 'echo out of a; echo k=1 > "$REEVE_OUTPUT"; echo bytes > "$REEVE_ARTIFACTS/f"'),
             'b': counted(flow, needs=['a']), 'c': counted(flow, needs=['a']),
             'd': counted(flow, '[ -e "$DIR/good" ]', needs=['b', 'c']),
             'e': counted(flow, 'read -r f < "$F"; printf "%s|%s|%s" "$S" "$K" "$f" > "$DIR/e"', needs=['d', 'a'],
                          env={'S': '${a.stdout}', 'K': '${a.k}', 'F': '${a.artifact.f}'})}
    for name, change in changes.items():
        nodes[name] = {**nodes[name], **change}
    return {'name': 'flow', 'nodes': nodes}


class Family:
    """A run that failed in `d`, its child that failed there too, and two grandchildren that did not; what ran in each."""

    def __init__(self, flow):
        self.runs, self.ran = [], []

        def add(workflow, *words, status=0):
            self.runs.append(flow.run(workflow, *words, status=status))
            self.ran.append(ran(flow))
            return self.runs[-1].run

        self.first = add(diamond(flow), status=1)
        self.second = add(diamond(flow), '--resume', self.first, status=1)
        flow.write('good', '')
        self.third = add(diamond(flow), '--resume', self.second)
        moved = diamond(flow)
        moved['nodes'] = {'new': flow.does(), **moved['nodes']}  # all stands in another place then
        self.fourth = add(moved, '--resume', self.second, '--edit')


@case('after a failure a child run keeps what succeeded; stdout, results and artifacts of kept nodes are read in it and in a grandchild '
      '[R1]', of=Family)
def keeps(flow, family):
    same(family.ran, [['a', 'b', 'c', 'd'], ['d'], ['d', 'e'], ['d', 'e']], 'what ran in the run, its child, and two grandchildren')
    same([kept(done) for done in family.runs], [[], *[['a', 'b', 'c']] * 3], 'what was kept')
    same(flow.read('e'), b'out of a|1|bytes', 'what e read')
    runs = [done.run for done in family.runs]
    same([flow.one(f"select resumed_from from run where id = '{run}'") for run in runs], ['', family.first, *[family.second] * 2],
         'resumed_from')
    same(len(set(runs)), 4, 'runs')


@case('what a kept node wrote and made is found in the child, and where it comes from is said [R1]', of=Family)
def kept_words(flow, family):
    first = family.first
    for run in (family.second, family.fourth):
        done = flow.call('logs', run, 'a')
        same(done.text, 'out of a\n', 'its words')
        need(first in done.errors and run in done.errors, f'where they come from: {done.errors}')
        same(flow.ask(f"select name, digest, size, epoch from artifact where run = '{run}' and node = 'a'"),
             [(*flow.one(f"select name, digest, size from artifact where run = '{first}'"), 0)], 'what it made')
        shown = json.loads(flow.call('show', run, '--json').text)
        need([a for a in shown['artifacts'] if (a['node'], a['name']) == ('a', 'f')], 'show does not list it')
    same(flow.call('logs', first, 'a').stderr, b'', 'nothing is said of what ran there')


@case('an edited node and all below it run again, the rest is kept [R1]', of=Family)
def edited(flow, family):
    done = flow.run(diamond(flow, b={'env': {'NEW': '1'}}), '--resume', family.first, '--edit')
    same((ran(flow), kept(done)), (['b', 'd', 'e'], ['a', 'c']), 'the child')
    done = flow.run(diamond(flow, a={'env': {'NEW': '1'}}), '--resume', family.first, '--edit')
    same((ran(flow), kept(done)), (['a', 'b', 'c', 'd', 'e'], []), 'the child of an edited root')


@case('a node that is new runs, one that went is gone, a renamed one is new [R1]', of=Family)
def reshaped(flow, family):
    nodes = diamond(flow)['nodes']
    nodes['cc'] = nodes.pop('c')
    nodes['new'] = counted(flow)
    nodes['d'] = counted(flow, needs=['b'])
    done = flow.run({'name': 'flow', 'nodes': nodes}, '--resume', family.first, '--edit')
    same((ran(flow), kept(done)), (['cc', 'd', 'e', 'new'], ['a', 'b']), 'the child')


@case('a child run with another secret runs again what reads it and what is below, and keeps the rest [R1, E31]')
def another_secret(flow):
    workflow = {'params': {'token': {'type': 'string', 'secret': True}}, 'nodes': {
        'plain': counted(flow), 'reads': counted(flow, env={'T': '${user.token}'}), 'below': counted(flow, needs=['reads']),
        'last': counted(flow, '[ -e "$DIR/good" ]', needs=['below', 'plain'])}}
    first = flow.run(workflow, '--var', 'token=one-secret', status=1).run
    ran(flow)
    second = flow.run(workflow, '--resume', first, '--edit', '--var', 'token=one-secret', status=1)
    same((ran(flow), kept(second)), (['last'], ['below', 'plain', 'reads']), 'the child with the same one')
    flow.write('good', '')
    third = flow.run(workflow, '--resume', first, '--edit', '--var', 'token=another-secret')
    same((ran(flow), kept(third)), (['below', 'last', 'reads'], ['plain']), 'the child with another one')


@case('with another param only what reads params runs again, and what is below it [R1]')
def other_param(flow):
    workflow = {'params': {'x': {'type': 'string'}}, 'nodes': {
        'free': counted(flow), 'reads': counted(flow, env={'X': '${user.x}'}), 'below': counted(flow, needs=['reads']),
        'end': counted(flow, '[ -e "$DIR/good" ]', needs=['free', 'below'])}}
    first = flow.run(workflow, '--var', 'x=1', status=1).run
    ran(flow)
    done = flow.run(workflow, '--resume', first, status=1)
    same((ran(flow), kept(done)), (['end'], ['below', 'free', 'reads']), 'the same value')
    flow.write('good', '')
    done = flow.run(workflow, '--resume', first, '--edit', '--var', 'x=2')
    same((ran(flow), kept(done)), (['below', 'end', 'reads'], ['free']), 'another value')


def asking(flow, text):
    return {'name': 'flow', 'nodes': {'a': flow.does('say', text + '\n'),
                                      'ok': {'needs': ['a'], 'approve': {'message': 'ship ${a.stdout}?'}},
                                      'q': {'input': {'question': 'q?'}},
                                      'end': counted(flow, '[ -e "$DIR/good" ]', needs=['ok', 'q'])}}


def asked(flow):
    """A run that was approved and answered, and failed after."""
    live = flow.start(asking(flow, 'one'))
    run = live.started()
    live.expect('blocker_opened')
    live.expect('blocker_opened')
    flow.tell('decide', run=run, key='ok', decision=0)
    flow.tell('answer', run=run, key='q', value=1)
    live.end(1)
    return run


@case('an approval is kept for the same digest, and by the first child only: it is used once [R1, P7]')
def approvals(flow):
    first = asked(flow)
    child = flow.run(asking(flow, 'one'), '--resume', first, status=1)
    same((kept(child), child.of('blocker_opened')), (['a', 'ok', 'q'], []), 'the first child')
    grandchild = flow.run(asking(flow, 'one'), '--resume', child.run, status=1)
    same((kept(grandchild), grandchild.of('blocker_opened')), (['a', 'ok', 'q'], []), 'its child')
    second = flow.run(asking(flow, 'one'), '--resume', first, '--no-wait', status=76)
    same((kept(second), sorted(e['key'] for e in second.of('blocker_opened'))), (['a'], ['ok', 'q']), 'the second child')


@case('an approval of what is shown otherwise now is asked anew; what is shown as before is kept [R1, P7]')
def shown_anew(flow):
    first = asked(flow)
    flow.write('good', '')
    live = flow.start(asking(flow, 'two'), '--resume', first, '--edit')
    run = live.started()
    same(live.expect('blocker_opened')['payload']['message'], 'ship two?', 'what is asked')
    flow.tell('decide', run=run, key='ok', decision=0)
    done = live.end(0)
    same(kept(done), ['q'], 'what is kept')


@case('set and reduce are computed again over what is kept; nodes that a condition left out stay out [R1]')
def computed(flow):
    workflow = {'nodes': {'a': counted(flow, 'echo k=7 > "$REEVE_OUTPUT"'), 'off': counted(flow, needs=['a'], when='false'),
        's': {'needs': ['a'], 'set': {'v': '${a.k}'}},
                          'r': {'needs': ['a', 's'], 'reduce': {'reducer': 'count', 'of': ['a', 's']}},
                          'end': {'needs': ['s', 'r', 'off'], 'run': ['sh', '-c', 'echo end >> "$DIR/ran"; test -e "$DIR/good" && '
                          'printf "%s %s" "$1" "$2" > "$DIR/got"', 'sh', '${s.v}', '${r.value}']}}}
    first = flow.run(workflow, status=1).run
    ran(flow)
    flow.write('good', '')
    done = flow.run(workflow, '--resume', first)
    same((ran(flow), kept(done)), (['end'], ['a']), 'the child')
    same(flow.read('got'), b'7 2', 'values')


@case('a child that is killed goes on where it was, and keeps nothing twice [R1, K62]')
def killed_child(flow):
    flow.write('good', '')
    workflow = {'nodes': {'a': counted(flow, 'echo out'), 'hold': flow.held(needs=['a']), 'end': {'needs': ['hold', 'a'],
        'run': argv_to(flow.path('got'), '${a.stdout}')}}}
    live = flow.start(workflow)
    first = live.started()
    flow.hub.next().end(1)
    live.end(1)
    live = flow.start(workflow, '--resume', first)
    child = live.started()
    flow.hub.next()
    live.kill_engine()
    live = flow.start(workflow, '--resume', child)
    flow.hub.next().end()
    live.end(0)
    same(ran(flow), ['a'], 'what ran')
    same(flow.read('got'), b'out\0', 'the value')
    same(len(flow.journal(child, 'adopt')), 1, 'adoptions')


@case('resuming what has succeeded, what is unknown, and what runs is refused [R1]')
def refused(flow):
    workflow = {'nodes': {'a': {'set': {'x': '1'}}}}
    run = flow.run(workflow).run
    flow.run(workflow, '--resume', 'no-such-run', status=3)
    live = flow.start({'nodes': {'hold': flow.held()}})
    live.started()
    held = flow.hub.next()
    flow.run(None, '--resume', run, status=4)
    held.end()
    live.end(0)


def paying(flow, **more):
    return {'name': 'flow', 'nodes': {'pay': {**flow.held(), 'delivery': 'at_most_once'}, 'after': counted(flow, needs=['pay'])}, **more}


def begun(flow):
    """A run that was stopped while `pay` ran."""
    live = flow.start(paying(flow))
    run = live.started()
    flow.hub.next()
    live.process.send_signal(signal.SIGINT)
    live.end(128 + signal.SIGINT)
    return run


@case('what may happen once and was begun is asked about, in the run and in a child of it: never run again silently [P3]', of=begun)
def once(flow, first):
    workflow = paying(flow)
    flow.run(workflow, '--resume', first, '--no-wait', status=76)
    child = flow.run(workflow, '--resume', first, '--edit', '--no-wait', status=76).run
    need(child != first and not flow.hub.has_more(), 'pay ran again')
    same(flow.one(f"select state || ' ' || detail from node where run = '{child}' and id = 'pay'"), 'waiting unknown_outcome', 'pay')
    flow.call('approve', child, 'pay')
    flow.run(workflow, '--resume', child)
    same((ran(flow), flow.hub.has_more()), (['after'], False), 'what ran')


@case('what may have happened is not begun in a child whose budget does not let it: it is asked about when it does [P3, K50]', of=begun)
def once_and_no_budget(flow, first):
    workflow = paying(flow, budget={'attempts': 0})
    child = flow.run(workflow, '--resume', first, '--edit', '--no-wait', status=76).run
    states = f"select state || ' ' || detail from node where run = '{child}' and id = 'pay'"
    same(flow.one(states), 'waiting budget', 'pay')
    flow.call('approve', child, '--add', 'attempts=1')
    flow.run(workflow, '--resume', child, '--no-wait', status=76)
    same((flow.one(states), flow.hub.has_more()), ('waiting unknown_outcome', False), 'pay')


@case('an approval is kept by the first child alone; a run that was gone on with is not resumed itself [P7]')
def used_once(flow):
    workflow = {'name': 'flow', 'nodes': {'ok': {'approve': {'message': 'Ship?'}},
                                          'ship': counted(flow, '[ -e "$DIR/good" ]', needs=['ok'])}}
    first = flow.run(workflow, '--no-wait', status=76).run
    flow.call('approve', first, 'ok')
    flow.run(workflow, '--resume', first, status=1)
    second = flow.run(workflow, '--resume', first, '--no-wait', status=1).run
    same(ran(flow), ['ship', 'ship'], 'the first child ships on the approval')
    third = flow.run(workflow, '--resume', first, '--no-wait', status=76).run
    need(third not in (first, second) and ran(flow) == [], 'the second child shipped on a used approval')
    unfinished = flow.run(workflow, '--no-wait', status=76).run
    flow.run(workflow, '--resume', unfinished, '--edit', '--no-wait', status=76)
    flow.run(workflow, '--resume', unfinished, '--no-wait', status=4)


if __name__ == '__main__':
    main(one_store=True)
