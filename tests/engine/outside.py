"""What comes to a run from outside while it goes on: events that nodes wait for [K16, K60]."""
import json
import os

from harness import Wire, argv_to, case, main, need, same, shell, wait_for


def waiting(flow, node):
    return wait_for(lambda: flow.ask(f"select 1 from node where id = '{node}' and state = 'waiting' and detail = 'event'"), f'{node} waits')


@case('a signal ends every wait for its event, and what comes with it is their result [K16]')
def signal_live(flow):
    live = flow.start({'nodes': {'w': {'wait': {'event': 'go'}}, 'v': {'wait': {'event': 'go'}}, 'other': {'wait': {'event': 'stop'}},
        'end': {'needs': ['w'], 'run': argv_to(flow.path('got'), '${w.version}', '${w.text}')}}})
    run = live.started()
    for node in ('w', 'v', 'other'):
        waiting(flow, node)
    same(json.loads(flow.call('signal', run, 'go', '{"version": 7, "text": "a $(b)"}', '--json').text)['decision'], 'signalled', 'said')
    live.expect('node_ended', node='end')
    same(flow.read('got'), b'7\0a $(b)\0', 'the result')
    same(flow.ask("select id, state from node where id in ('v', 'other') order by id"), [('other', 'waiting'), ('v', 'succeeded')], 'nodes')
    flow.tell('signal', run=run, name='stop')
    live.end(0)
    same([e['text'] != '' for e in flow.journal(run, 'signal')], [True, True], 'who')
    flow.call('signal', run, 'go', status=4)


@case('a signal before the wait is kept for the first that begins, and is one signal [K60]')
def signal_early(flow):
    live = flow.start({'nodes': {'hold': flow.held(), 'w': {'needs': ['hold'], 'wait': {'event': 'go'}},
        'x': {'needs': ['w'], 'wait': {'event': 'go'}}, 'end': {'needs': ['x'], 'run': argv_to(flow.path('got'), '${w.n}', '${x.n}')}}})
    run = live.started()
    held = flow.hub.next()
    flow.tell('signal', run=run, name='go', value={'n': 1})
    held.end()
    waiting(flow, 'x')
    flow.tell('signal', run=run, name='go', value={'n': 2})
    live.end(0)
    same(flow.read('got'), b'1\0002\0', 'results')


@case('a signal survives the engine that took it, also one that comes while nothing drives the run [K60]')
def signal_killed(flow):
    workflow = {'nodes': {'hold': flow.held(), 'w': {'needs': ['hold'], 'wait': {'event': 'go'}},
                          'v': {'needs': ['w'], 'wait': {'event': 'on'}}, 'x': {'needs': ['v'], 'wait': {'event': 'end'}},
                          'end': {'needs': ['x'], 'run': argv_to(flow.path('got'), '${w.n}', '${v.n}', '${x.n}')}}}
    live = flow.start(workflow)
    run = live.started()
    flow.hub.next()
    flow.tell('signal', run=run, name='go', value={'n': 1})
    live.kill_engine()
    flow.call('signal', run, 'on', '{"n": 2}')  # nobody drives it: the store is opened
    live = flow.start(workflow, '--resume', run)
    flow.hub.next().end()
    waiting(flow, 'x')
    live.kill_engine()
    flow.call('signal', run, 'end', '{"n": 3}')
    need(flow.one("select state from node where id = 'x'") == 'succeeded', 'it had begun to wait')
    flow.start(workflow, '--resume', run).end(0)
    same(flow.read('got'), b'1\0002\0003\0', 'results')


@case('a signal that is none, or for no run, is refused')
def signal_refused(flow):
    live = flow.start({'nodes': {'hold': flow.held(), 'w': {'wait': {'event': 'go'}}}})
    run = live.started()
    held = flow.hub.next()
    wire = Wire(flow)
    same(wire.say('signal', run=run, name='no such', by='x'), 'INVALID', 'a name')
    same(wire.say('signal', run=run, by='x'), 'INVALID', 'no name')
    same(wire.say('signal', run='nobody', name='go', by='x'), 'NOT_FOUND', 'a run')
    same(wire.say('signal', run=run, name='go', by='x'), 'OK', 'somebody waits for it')
    wire.close()
    held.end()
    live.end(0)


@case('a secret of the run that comes with a signal is recorded as ***, and whoever watches is told [E31, P9]')
def signal_secret(flow):
    live = flow.start({'params': {'token': {'secret': True}}, 'nodes': {'w': {'wait': {'event': 'go'}},
        'end': {'needs': ['w'], 'run': argv_to(flow.path('got'), '${w.note}')}}}, '--var', 'token=very-secret-word')
    run = live.started()
    flow.tell('signal', run=run, name='go', value={'note': 'say very-secret-word'})
    need('secret' in live.expect('note')['text'], 'nobody is told')
    live.end(0)
    same(flow.read('got'), b'say ***\0', 'the result')
    need('very-secret' not in flow.call('events', run, '--json').text, 'the journal has it')


@case('a directive reaches the command that runs, and the attempts to come, also after a death [K61]')
def steered(flow):
    os.mkfifo(flow.path('tick'))
    workflow = {'nodes': {'a': shell('read -r _ < tick; n=0; while IFS= read -r l; do echo "$l"; n=$((n + 1)); done '
        '< "$REEVE_STEER" > new; mv new got; [ $n = 2 ] || read -r _ < tick')}}
    live = flow.start(workflow)
    run = live.started()
    live.expect('attempt_started', node='a')
    flow.call('steer', run, 'a', 'shorter')
    with open(flow.path('tick'), 'w') as tick:
        tick.write('\n')
    wait_for(lambda: os.path.exists(flow.path('got')), 'it reads')
    same(flow.read('got'), b'{"text":"shorter"}\n', 'while it runs')
    live.kill_engine()
    flow.call('steer', run, 'a', 'and "bolder"')  # nobody drives it
    live = flow.start(workflow, '--resume', run)
    live.expect('attempt_started', node='a')
    with open(flow.path('tick'), 'w') as tick:
        tick.write('\n')
    live.end(0)
    same([json.loads(line)['text'] for line in flow.read('got').decode().splitlines()], ['shorter', 'and "bolder"'], 'directives')
    flow.call('steer', run, 'a', 'late', status=4)
    flow.call('steer', run, 'nobody', 'x', status=4)


main(one_store=True)
