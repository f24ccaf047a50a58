"""Mutexes through the built program [A4, A5, A6, A11]: who holds one keeps others out, whoever they are, and nobody waits for nothing."""
import contextlib
import json
import os
import random
import subprocess

from harness import Skipped, case, is_alive, main, need, same, shell, wait_for


def reason(flow, node):
    found = json.loads(flow.call('why', node, '--json').text)['reasons'][0]
    return found['kind'], found['because_of']


@case('of those that need an exclusive mutex one runs at a time; others take the slots meanwhile; `why` names the holder [A4, A5]')
def exclusive(flow):
    live = flow.start({'nodes': {'a': flow.held(mutex='db'), 'b': flow.held(mutex='db'), 'c': flow.held(mutex={'name': 'db'}),
                                 'x': flow.held(), 'y': flow.held()}}, '-j', '2')
    live.started()
    first = flow.hub.take(2)
    same(sorted(first), ['a', 'x'], 'who begins')  # b and c gave their slots back
    live.expect('attempt_started', node='a')
    same(reason(flow, 'b'), ('mutex', ['a']), 'why b waits')
    need('the mutex db is held by: a' in flow.call('why', 'c').text, 'why c waits, as text')
    first['x'].end()
    second = flow.hub.next()
    same(second.node, 'y', 'who takes the slot')
    need(not flow.hub.has_more(), 'somebody began beside the holder')
    first['a'].end()
    third = flow.hub.next()
    same(third.node, 'b', 'in the order of their tickets')
    third.end()
    last = flow.hub.next()
    same(last.node, 'c', 'the last one')
    second.end()
    last.end()
    live.end(0)


@case('those that share a mutex run at the same time, and whoever wants it alone comes up before those that ask later [A4, A5]')
def shared(flow):
    share, alone = {'name': 'db', 'mode': 'shared'}, {'name': 'db', 'mode': 'exclusive'}
    live = flow.start({'nodes': {'r1': flow.held(mutex=share), 'r2': flow.held(mutex=[share]), 'w': flow.held(mutex=alone),
                                 'r3': flow.held(mutex=share)}}, '-j', '4')
    running = flow.hub.take(2)
    same(sorted(running), ['r1', 'r2'], 'who share')
    need(not flow.hub.has_more(), 'a reader overtook the writer that waits')
    running['r1'].end()
    need(not flow.hub.has_more(), 'the writer began beside a reader')
    running['r2'].end()
    writer = flow.hub.next()
    same(writer.node, 'w', 'the writer')
    writer.end()
    flow.hub.next().end()
    live.end(0)


@case('several mutexes are taken together or not at all: no deadlock [A5]')
def several(flow):
    live = flow.start({'nodes': {'ab': flow.held(mutex=['a', 'b']), 'bc': flow.held(mutex=['b', 'c']), 'ca': flow.held(mutex=['c', 'a']),
                                 'c': flow.held(mutex='c')}}, '-j', '4')
    first = flow.hub.next()
    same(first.node, 'ab', 'the first')
    need(not flow.hub.has_more(), 'who waits for b holds c back from nobody but those behind him')
    for wanted in ['bc', 'ca', 'c']:
        first.end()
        first = flow.hub.next()
        same(first.node, wanted, 'in the order of their tickets')
    first.end()
    live.end(0)


@case('a failed attempt gives its mutex back, and takes it anew when it is tried again [A6]')
def retried(flow):
    live = flow.start({'nodes': {'a': flow.held(mutex='m', retry={'max_attempts': 2}), 'b': flow.held(mutex='m')}}, '-j', '2')
    first = flow.hub.next()
    same(first.node, 'a', 'the first')
    first.end(1)
    second = flow.hub.next()
    same(second.node, 'b', 'who waited comes before who tries again')
    second.end()
    flow.hub.next().end()
    live.end(0)


@case('whoever is called off while it waits for a mutex is cancelled(run), and holds nobody up [A11]')
def cancelled(flow):
    live = flow.start({'nodes': {'a': flow.held(mutex='m'), 'b': flow.held(mutex='m'), 'c': flow.does(needs=['b'])}}, '-j', '2')
    run = live.started()
    held = flow.hub.next()
    live.expect('attempt_started', node='a')
    flow.tell('cancel', run=run)
    held.wait_gone()
    done = live.end(1, 130, 143)
    same([(done.node(n)['state'], done.node(n)['detail']) for n in 'abc'],
         [('cancelled', 'signalled'), ('cancelled', 'run'), ('cancelled', 'upstream_cancelled')], 'how they ended')


@case('an interrupt while nodes wait for a mutex leaves them to the resume, which takes it anew')
def interrupted(flow):
    live = flow.start({'nodes': {f'n{i}': flow.held(mutex='m') for i in range(4)}}, '-j', '3')
    live.started()
    flow.hub.next()
    live.expect('attempt_started', node='n0')
    live.kill_engine()
    again = flow.start(None, '--resume')
    for i in range(4):
        held = flow.hub.next()
        need(not flow.hub.has_more(), 'two at a time')
        held.end()
    again.end(0)


@case('a mutex holds among the children of a foreach, and tags and mutexes are obeyed together')
def children(flow):
    live = flow.start({'concurrency': {'tags': {'net': 2}}, 'nodes': {
        'each': {'foreach': {'items': list(range(6)), 'do': flow.held(mutex='m', tags=['net'])}},
        'x': flow.held(tags=['net']), 'y': flow.held(tags=['net'])}}, '-j', '8')
    kept = {}
    for _ in range(8):
        held = flow.hub.next()
        need(held.node in 'xy' or not any(n.startswith('each') for n in kept), f'two hold the mutex: {sorted(kept)}, {held.node}')
        kept[held.node] = held
        need(len(kept) <= 2, f'three have the tag: {sorted(kept)}')
        if len(kept) == 2:  # x stays as long as it may
            kept.pop(next(n for n in sorted(kept) if n != 'x')).end()
    for held in kept.values():
        held.end()
    live.end(0)


@case('what is wrong with a mutex is said at its place [W6]')
def wrong(flow):
    def problems(*values):
        done = flow.run({'nodes': {f'n{i}': shell('true', mutex=value) for i, value in enumerate(values)}}, status=2)
        return [problem['what'] + '; ' + problem.get('cure', '') for problem in done.events[0]['problems']]
    said = problems({'name': 'a b'}, {'mode': 'shared'}, {'name': 'x', 'mode': 'both'}, [f'm{i}' for i in range(17)]) + problems(['x', 'x'])
    wanted = ['is not a name', 'has no `name`', 'exclusive', '16 are the most', '`mutex` names `x` twice']
    same([text in problem for text, problem in zip(wanted, said)], [True] * 5, f'problems: {said}')


# ---- the machine's [A7]: two checkouts are two stores ----

@contextlib.contextmanager
def checkouts(flow, workflow, *words, count=2):
    """The same workflow in several checkouts at once, each with a store of its own."""
    env = {'REEVE_HOST_LOCKS': flow.path('locks')}
    lives = []
    for i in range(count):
        there = Checkout(flow, i)
        lives.append(there.start(None if i else workflow, *words, env=env))  # written once: the others read it already
    yield lives
    for live in lives:
        flow.lives.append(live)


class Checkout:
    def __init__(self, flow, number):
        self.flow, self.dir = flow, flow.path(f'checkout-{number}')
        os.mkdir(self.dir)

    def start(self, workflow, *words, env):
        kept = self.flow.store
        self.flow.store = os.path.join(self.dir, 'store')
        os.makedirs(self.flow.store, exist_ok=True)
        try:
            return self.flow.start(workflow, *words, env=env)
        finally:
            self.flow.store = kept


@case('a mutex of the machine is held by one checkout at a time; `why` in the other one names who; its slot is free meanwhile [A7]')
def machine_mutex(flow):
    nodes = {'test': flow.held(mutex={'name': 'suite', 'scope': 'host'}), 'other': flow.held()}
    env = {'REEVE_HOST_LOCKS': flow.path('locks')}
    with checkouts(flow, {'nodes': nodes}, '-j', '1') as lives:
        first = flow.hub.take(2)  # one tests, the other has bounced and does the other node
        same(sorted(first), ['other', 'test'], 'who begins')
        need(not flow.hub.has_more(), 'two test at once')
        for live in lives:
            live.started()
        waits = [i for i in (0, 1) if 'of this machine is held by: test of run' in why_in(flow, i, env)]
        same(len(waits), 1, 'who waits, as `why` says it')
        first['other'].end()
        need(not flow.hub.has_more(), 'the second test began beside the first')
        first['test'].end()
        for held in flow.hub.take(2).values():
            held.end()
        for live in lives:
            live.end(0)


def parent(pid):
    with open(f'/proc/{pid}/stat') as file:
        return int(file.read().rsplit(')', 1)[1].split()[1])


def why_in(flow, number, env):
    done = subprocess.run([flow.reeve, 'why', 'test', '--store', flow.path(f'checkout-{number}/store')], env=flow.env(env),
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    return done.stdout.decode()


@case('a cap of the machine holds over checkouts, and a killed holder frees its place at once [A7]')
def machine_cap(flow):
    flow_ = {'concurrency': {'tags': {'suite': {'max': 2, 'scope': 'host'}}},
             'nodes': {f't{i}': flow.held(tags=['suite']) for i in range(3)}}
    with checkouts(flow, flow_, '-j', '3', count=3) as lives:
        running = [flow.hub.next() for _ in range(2)]
        need(not flow.hub.has_more(), 'three at once')
        for i in range(5):
            running.pop(i % 2).end()
            running.append(flow.hub.next())
            need(not flow.hub.has_more(), 'three at once')
        keeper = parent(parent(running[0].pid))
        killed = next(live for live in lives if live.process.pid == keeper)
        killed.kill_engine()
        lives.remove(killed)
        ended = 5
        while any(live.process.poll() is None for live in lives):
            while flow.hub.has_more():
                running.append(flow.hub.next())
            running = [held for held in running if is_alive(held.pid)]
            need(len(running) <= 2, 'three at once')
            if running:
                running.pop(0).end()
                ended += 1
            wait_for(lambda: running or flow.hub.has_more() or all(live.process.poll() is not None for live in lives), 'the next one')
        need(ended <= 9, 'too many')
        for live in lives:
            live.end(0)


@case('a cap of the machine is full or not, whichever of its places are taken, and however many it has [A7]')
def machine_holes(flow):
    seed = int(os.environ.get('SEED', random.randrange(1 << 30)))
    print(f'# seed {seed}', flush=True)
    rng = random.Random(seed)
    flow_ = {'concurrency': {'tags': {'few': {'max': 5, 'scope': 'host'}, 'many': {'max': 1000000, 'scope': 'host'}}},
             'nodes': {f't{i}': flow.held(tags=['few', 'many']) for i in range(8)}}
    with checkouts(flow, flow_, '-j', '8', count=2) as lives:
        running, left = [flow.hub.next() for _ in range(5)], 16 - 5
        while running:
            need(not flow.hub.has_more(), f'more than five at once, {left} left')
            running.pop(rng.randrange(len(running))).end()
            if left:
                running.append(flow.hub.next())
                left -= 1
        for live in lives:
            live.end(0)


@contextlib.contextmanager
def full_disk(path):
    """A file system at `path` on which nothing can be written."""
    os.mkdir(path, 0o700)
    if subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=4k,mode=700', 'reeve-test', path], capture_output=True).returncode:
        raise Skipped('a file system cannot be mounted here')
    try:
        with contextlib.suppress(OSError), open(os.path.join(path, 'full'), 'wb', 0) as file:
            while True:
                file.write(b'x' * 4096)
        yield
    finally:
        subprocess.run(['umount', '-l', path], check=True)


@case('who waits for a mutex of the machine hears of its release also where no byte can be written [A7]')
def machine_full(flow):
    with full_disk(flow.path('locks')):
        nodes = {'test': flow.held(mutex={'name': 'suite', 'scope': 'host'}), 'other': flow.held()}
        with checkouts(flow, {'nodes': nodes}, '-j', '2') as lives:
            begun = [flow.hub.next() for _ in range(3)]
            same(sorted(held.node for held in begun), ['other', 'other', 'test'], 'who begins')
            next(held for held in begun if held.node == 'test').end()  # both engines go on: neither closes the lock's file
            begun.append(flow.hub.next())
            same(begun[-1].node, 'test', 'who heard of it')
            for held in begun:
                if held.node == 'other' or held is begun[-1]:
                    held.end()
            for live in lives:
                live.end(0)


@case('a directory for the locks of the machine that others could write is refused, and the attempt says so')
def machine_unsafe(flow):
    os.mkdir(flow.path('locks'))
    os.chmod(flow.path('locks'), 0o777)
    done = flow.run({'nodes': {'a': shell('true', mutex={'name': 'm', 'scope': 'host'})}}, status=1,
                    env={'REEVE_HOST_LOCKS': flow.path('locks')})
    same(done.node('a')['detail'], 'unavailable', 'the kind')
    need('REEVE_HOST_LOCKS' in json.dumps(done.events), 'the cure')


main(one_store=True)
