"""Nodes that a running command gives to its run [K20, W15]: through `reeve submit` and through the owner's socket."""
import json
import os
import random
import re
import signal

from harness import Wire, case, is_long, main, need, same, shell, wait_for


def submits(flow, script, **more):
    """A node whose script may call $SUBMIT."""
    return shell(script, env={'SUBMIT': f'{flow.reeve} submit'}, **more)


def batch(flow, name, nodes, **more):
    return flow.write(name, json.dumps({**more, 'nodes': nodes}))


def log(flow, name, word='$REEVE_NODE', **more):
    """A node that appends a line to a file when it has run."""
    if word == '$REEVE_NODE':
        return {'run': [flow.node_program, 'note', flow.path(name)], **more}
    return shell(f'echo "{word}" >> {flow.path(name)}', **more)


def lines(flow, name):
    return sorted(flow.read(name).decode().split()) if os.path.exists(flow.path(name)) else []


@case('a running command gives nodes to its run, which ends when they have ended [K20]')
def gives(flow):
    batch(flow, 'more.json', {'last': log(flow, 'ran', needs=['first', 'fetch']), 'first': log(flow, 'ran', '$WORD', needs=['fetch'],
                                                                                          env={'WORD': '${fetch.word}'})})
    done = flow.run({'nodes': {'fetch': flow.does('put', '@REEVE_OUTPUT', 'word=seen'),
        'plan': submits(flow, 'exec $SUBMIT more.json', needs=['fetch']),
        'reads': {'needs': ['fetch'], 'run': ['true', '${fetch.word}']}}})
    same(done.text('plan'), 'last\nfirst\n', 'the ids are printed')
    same(lines(flow, 'ran'), ['last', 'seen'], 'what ran')
    same(flow.one(f"select nodes_total, nodes_succeeded from run where id = '{done.run}'"), (5, 5), 'counts')
    same(flow.one('select count(*) from workflow'), 2, 'definitions that are kept')


@case('in YAML, from standard input, as a whole workflow with params of its own, with bodies')
def whole(flow):
    flow.write('more.yaml', 'reeve: 1\nname: inner\nparams: {town: {default: Oslo}}\nnodes:\n'
               '  each: {foreach: {items: [x, y], do: {shell: \'echo "${ITEM}" >> "$DIR/ran"\', '
               'env: {ITEM: "${item}-${user.town}-${env.HOMEWARD:-none}"}}}}\n')
    flow.run({'nodes': {'plan': submits(flow, 'exec $SUBMIT - < more.yaml')}}, env={'HOMEWARD': 'yes'})
    same(lines(flow, 'ran'), ['x-Oslo-yes', 'y-Oslo-yes'], 'values')


@case('one bad node refuses all of them, is named with its place, and changes nothing [K20]')
def refused(flow):
    batch(flow, 'bad.json', {'good': log(flow, 'ran'), 'bad': log(flow, 'ran', needs=['nobody'])})
    batch(flow, 'taken.json', {'good': log(flow, 'ran'), 'plan': log(flow, 'ran')})
    done = flow.run({'nodes': {'plan': submits(flow, '$SUBMIT bad.json; echo $? > said; $SUBMIT taken.json; echo $? >> said; '
        '$SUBMIT missing.json; echo $? >> said; $SUBMIT bad.json --json >> said; echo $? >> said')}})
    first, second, third, as_json, fourth = flow.read('said').decode().splitlines()
    same((first, second, third, fourth), ('2', '2', '3', '2'), 'exit statuses')
    need('nobody' in json.loads(as_json)['problems'][0]['what'], as_json)
    errors = done.text('plan')
    need('names `nobody`' in errors and 'the run has a node `plan` already' in errors, errors)
    same(lines(flow, 'ran'), [], 'nothing ran')
    same(flow.journal(done.run, 'submit'), [], 'nothing is recorded')


@case('a node that is run again gives the same nodes again without doubling them [K20]')
def again(flow):
    batch(flow, 'one.json', {'a': log(flow, 'ran'), 'hold': flow.held(needs=['a'])})
    batch(flow, 'two.json', {'b': log(flow, 'ran', needs=['hold'])})
    workflow = {'nodes': {'plan': submits(flow, '$SUBMIT one.json && $SUBMIT two.json && [ $REEVE_EPOCH -gt 1 ]',
        retry={'max_attempts': 2})}}
    live = flow.start(workflow)
    run = live.started()
    held = flow.hub.next()
    wait_for(lambda: flow.ask("select 1 from node where id = 'plan' and state = 'succeeded'"), 'its second attempt')
    held.end()
    done = live.end(0)
    same(done.text('plan'), 'a\nhold\nb\na (submitted before)\nhold (submitted before)\nb (submitted before)\n', 'told')
    same(lines(flow, 'ran'), ['a', 'b'], 'each ran once')
    same(len(flow.journal(run, 'submit')), 4, 'submissions')


@case('another definition under a key is a conflict; what the last attempt does not give again is superseded [K20]')
def superseded(flow):
    batch(flow, 'one.json', {'a': log(flow, 'ran', needs=['hold'])})
    batch(flow, 'two.json', {'b': log(flow, 'ran', needs=['hold'])})
    batch(flow, 'other.json', {'c': log(flow, 'ran', needs=['hold'])})
    done_by = 'if [ $REEVE_ATTEMPT = "$REEVE_RUN/plan/1" ]; then $SUBMIT one.json --key x && $SUBMIT two.json --key y; exit 1; fi; '
    live = flow.start({'nodes': {'hold': flow.held(), 'plan': submits(flow, done_by +
        '$SUBMIT other.json --key x; echo $?; $SUBMIT one.json --key x',
        retry={'max_attempts': 2})}})
    run = live.started()
    held = flow.hub.next()
    wait_for(lambda: flow.ask("select 1 from node where id = 'plan' and state = 'succeeded'"), 'its second attempt')
    held.end()
    done = live.end(0)
    need('\n4\n' in done.text('plan'), done.text('plan'))
    same(flow.ask(f"select id, state, detail from node where run = '{run}' and id in ('a', 'b') order by id"),
         [('a', 'succeeded', 'fresh'), ('b', 'cancelled', 'superseded')], 'nodes')
    same(lines(flow, 'ran'), ['a'], 'what ran')


POINTS = ['engine.before_submit', 'engine.after_submit', 'engine.written', 'engine.performed', 'engine.synced', 'store.before_commit',
          'store.after_commit', 'store.before_sync', 'attempt.ended', 'attempt.stepped']
PASSAGES = (1, 2, 3, 4, 6, 8)


def deaths_to_try():
    """Where, and at which passage: all in the long form, else both sides of a submission and some that are drawn."""
    if is_long():
        return [(point, PASSAGES) for point in POINTS]
    seed = int(os.environ.get('SEED', random.randrange(1 << 30)))
    print(f'# seed {seed}', flush=True)
    rng = random.Random(seed)
    return [(point, [rng.choice(PASSAGES[:2])]) for point in POINTS[:2] + rng.sample(POINTS[2:], 4)]


@case('killed at any step, the run that is resumed has each submitted node once, and once done it does not run again [K20, K62]')
def killed(flow):
    batch(flow, 'one.json', {'a': log(flow, 'ran'), 'b': log(flow, 'ran', needs=['a'])})
    batch(flow, 'two.json', {'c': log(flow, 'ran', needs=['b', 'plan'])})
    workflow = {'nodes': {'plan': submits(flow, '$SUBMIT one.json && $SUBMIT two.json', retry={'lost_max': 1000})}}
    deaths = wanted = 0
    for point, passages in deaths_to_try():
        wanted += len(passages)
        for passage in passages:
            live = flow.start(workflow, env={'REEVE_FAIL_POINT': f'{point}:{passage}'})
            done = live.end(0, 128 + signal.SIGKILL)
            if done.status == 0:
                break  # it is not passed so often
            deaths += 1
            runs = [done.run] if done.run else [run for run, in flow.ask("select id from run where status <> 'ok'")]
            for run in runs:
                flow.run(workflow, '--resume', run)
    need(deaths >= wanted // 2, f'only {deaths} deaths of {wanted}')
    runs = [run for run, in flow.ask('select id from run')]
    for run in runs:
        same(sorted(flow.ask(f"select id, state from node where run = '{run}'")),
             [(name, 'succeeded') for name in ('a', 'b', 'c', 'plan')], f'nodes of {run}')
        same(sorted(flow.ask(f"select node, count(*) from attempt where run = '{run}' and state = 'ok' group by node")),
             [(name, 1) for name in ('a', 'b', 'c', 'plan')], f'attempts that did it in {run}')
    for run in runs if is_long() else runs[-1:]:  # that rows and journal say the same is verified of all
        ended = [e['node'] for e in flow.journal(run, 'node_state') if e.get('state') == 'succeeded']
        same(len(ended), 4, f'outcomes in {run}')


@case('a token is good for its own attempt, and until that ends [W15]')
def tokens(flow):
    batch(flow, 'one.json', {'a': log(flow, 'ran')})
    live = flow.start({'nodes': {'plan': shell('printf %s "$REEVE_TOKEN" > token'), 'hold': flow.held(needs=['plan'])}})
    live.started()
    held = flow.hub.next()
    wire = Wire(flow)
    text = flow.read('one.json').decode()
    for token in (flow.read('token').decode(), '', 'x', '0' * 64, '0' * 65):
        same(wire.say('submit', token=token, file='one.json', text=text, is_json=True), 'DENIED', token)
    wire.close()
    held.end()
    live.end(0)
    same(lines(flow, 'ran'), [], 'nothing ran')


@case('what is submitted outside of a node, or holds a secret of the run, is refused [E31]')
def secrets(flow):
    flow.write('more.json', '{"nodes": {"a": {"run": ["echo", "very-secret-word"]}}}')
    done = flow.run({'params': {'token': {'type': 'string', 'secret': True}}, 'nodes': {'plan': submits(flow,
        '$SUBMIT more.json 2>&-; echo $?; unset REEVE_TOKEN; $SUBMIT more.json 2>&-; echo $?')}}, '--var', 'token=very-secret-word')
    same(done.text('plan').splitlines(), ['2', '2'], 'exit statuses')
    need('very-secret' not in flow.call('events', done.run, '--json').text, 'the journal has it')


@case('the critical path goes through submitted nodes, back to what they waited for and to who gave them')
def critical_path(flow):
    batch(flow, 'more.json', {'a': log(flow, 'ran', needs=['fetch']), 'b': flow.held(needs=['a'])})
    live = flow.start({'nodes': {'fetch': flow.does(), 'plan': submits(flow, 'exec $SUBMIT more.json', needs=['fetch'])}}, '-j', '2')
    run = live.started()
    live.expect('node_ended', node='plan')  # before the last of what he gave
    flow.hub.next().end()
    live.end(0)
    shown = json.loads(flow.call('show', run, '--json').text)
    same(shown['critical_path'], ['fetch', 'plan', 'a', 'b'], 'the path')
    text = flow.call('show', run).text
    path = re.search(r'Critical path  ([\d.]+)(ms|s) of ([\d.]+)(ms|s)', text)  # under a minute, on any machine
    need(path, text)
    part, whole = (float(number) * {'ms': 1, 's': 1000}[unit] for number, unit in (path.group(1, 2), path.group(3, 4)))
    need(part <= whole + (2 if path[4] == 'ms' else 100), path[0])  # rounded; who submits goes on beside what he gave


@case('a child run runs a submitter again, since what it gave is not the child\'s [R1]')
def child(flow):
    batch(flow, 'one.json', {'a': log(flow, 'ran')})
    workflow = {'nodes': {'plan': submits(flow, 'exec $SUBMIT one.json'), 'kept': log(flow, 'ran'),
        'bad': shell(f'test -e {flow.path("good")}')}}
    first = flow.run(workflow, status=1).run
    flow.write('good', '')
    flow.run(workflow, '--resume', first)
    same(lines(flow, 'ran'), ['a', 'a', 'kept'], 'what ran')


@case('a cancelled run cancels what was submitted, and a submitter inside of a foreach names its nodes there [K1, K61]')
def cancelled(flow):
    batch(flow, 'one.json', {'deep': flow.held(), 'after': log(flow, 'ran', needs=['deep'])})
    body = {'nodes': {'plan': submits(flow, 'exec $SUBMIT one.json')}}
    live = flow.start({'nodes': {'each': {'foreach': {'items': [1, 2], 'do': body}}}})
    run = live.started()
    same(set(flow.hub.take(2)), {'each[0].deep', 'each[1].deep'}, 'ids')
    flow.tell('cancel', run=run)
    live.end(1)
    same(set(flow.ask(f"select id, state from node where run = '{run}' and id like '%.%e%'")) - {('each[0].plan', 'succeeded')},
         {(f'each[{i}].{name}', 'cancelled') for i in (0, 1) for name in ('deep', 'after')}, 'nodes')


main(one_store=True)
