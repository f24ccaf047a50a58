"""The store fails under a run: it ends with 75, and nothing that was acknowledged is lost [P1, P3]."""
import os

from harness import case, is_long, limit_file_size, main, need, same


COUNT = 120 if is_long() else 24
LINES = 4800  # of all results together, some 64 bytes each


def noisy(flow, count):
    """Nodes whose results fill the store; each says in the ledger that it ended."""
    return {f'n{i:03}': flow.note(results=LINES // count) for i in range(count)}


def fails_and_goes_on(flow, workflow, size, count):
    done = flow.run(workflow, '-j', '2', status=(0, 75), before=limit_file_size(size))
    if done.status == 0:
        return False
    text = done.errors + str(done.events[-1:])
    need('reeve' in text and len(text) > 20, f'nothing is said: {text!r}')
    ended = [e['node'] for e in done.of('node_ended') if e['state'] == 'succeeded']
    if not done.run:
        flow.run(workflow, '-j', '2')
        return True
    states = dict(flow.ask('select id, state from node'))
    for name in ended:
        same(states.get(name), 'succeeded', f'{name}, which was said to have ended')
    recorded = [name for name, state in states.items() if state == 'succeeded']
    need(recorded, 'nothing was recorded before the disk was full')
    flow.write('before', flow.read('ledger') if os.path.exists(flow.path('ledger')) else '')
    flow.run(workflow, '-j', '2', '--resume', done.run)
    after = flow.read('ledger')[len(flow.read('before')):].decode().split()
    again = set(recorded) & set(after)
    need(not again, f'recorded, and run again: {sorted(again)}')
    same(flow.one('select nodes_succeeded from run'), count, 'nodes')
    return True


@case('a disk that is full ends the run with 75 and a clear word; what was said stays, resume does the rest')
def full(flow):
    need(fails_and_goes_on(flow, {'nodes': noisy(flow, COUNT)}, 300 << 10, COUNT), 'the disk was never full')


@case('a full disk at the very beginning makes no run, or one that can be resumed')
def full_at_start(flow):
    flow.run({'nodes': {'a': {'set': {'x': '1'}}}}, status=75, before=limit_file_size(4096))
    flow.run({'nodes': {'a': {'set': {'x': '1'}}}})


@case('a log that cannot be written fails the run with 75, not the node in silence')
def full_log(flow):
    workflow = {'nodes': {'a': flow.does('fill', 1500000), 'b': flow.does('say', 'b\n', needs=['a'])}}
    done = flow.run(workflow, '--output', 'quiet', status=(75, 1), before=limit_file_size(1 << 19))
    run = done.run
    need(done.status == 75 or 'error' in str(done.node('a')), 'nothing is said')
    if done.status == 75:
        flow.run(workflow, '--output', 'quiet', '--resume', run)
        same(len(flow.call('logs', run, 'a', '--stream', '1').stdout), 1500000, 'the output')


@case('attempts that run when the store fails are stopped, and their nodes run again')
def stopped(flow):
    workflow = {'nodes': {**noisy(flow, COUNT), 'hold': flow.held(priority=9)}}
    live = flow.start(workflow, '-j', '2', before=limit_file_size(300 << 10))
    run = live.started()
    hold = flow.hub.next()
    hold.wait_gone()
    live.end(75)
    live = flow.start(workflow, '--resume', run, '-j', '2')
    flow.hub.next().end()
    live.end(0)


if __name__ == '__main__':
    main()
