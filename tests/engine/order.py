"""Who may start, and when: caps, tags, priority, starts ahead of a slot [A1, A2, A6]."""
import random
import resource

from harness import case, main, need, same


def drive(flow, live, total, cap):
    """Let `total` held nodes through one by one; each time as many run as the cap allows, and never more."""
    running, ended, order = {}, 0, []
    rng = random.Random(total)
    while ended < total:
        want = min(cap, total - ended)
        while len(running) < want:
            held = flow.hub.next()
            running[held.node] = held
            order.append(held.node)
        need(not flow.hub.has_more(), f'more than {want} began: {sorted(running)}')
        running.pop(rng.choice(sorted(running))).end()
        ended += 1
    live.end(0)
    return order


@case('-j is never exceeded, and is reached [A1]')
def jobs(flow):
    live = flow.start({'concurrency': {'default': 7}, 'nodes': {f'n{i}': flow.held() for i in range(10)}}, '-j', '3')
    drive(flow, live, 10, 3)


@case('-j beyond what open files serve is cut to that, said, and reached')
def open_files(flow):
    def few_files():
        resource.setrlimit(resource.RLIMIT_NOFILE, (76, 76))
    live = flow.start({'nodes': {f'n{i}': flow.held() for i in range(10)}}, '-j', '50', before=few_files)
    running = [flow.hub.next() for _ in range(7)]  # (76 - 48) / 4
    for held in running[:3]:
        need(not flow.hub.has_more(), 'more than 7 began')
        held.end()
        flow.hub.next()
    for held in flow.hub.all[3:]:
        held.end()
    need('7 run at once' in live.end(0).errors, 'it is not said')


@case("concurrency.default holds where -j does not say otherwise [A1]")
def default(flow):
    live = flow.start({'concurrency': {'default': 4}, 'nodes': {f'n{i}': flow.held() for i in range(7)}})
    drive(flow, live, 7, 4)


@case('a tag cap is never exceeded; a node that it blocks does not stop those behind it [A1, A2]')
def tags(flow):
    nodes = {f'x{i}': flow.held(tags=['x']) for i in range(4)}
    nodes |= {f'y{i}': flow.held(tags=['y', 'both']) for i in range(4)}
    nodes |= {f'z{i}': flow.held() for i in range(4)}
    live = flow.start({'concurrency': {'tags': {'x': 1, 'y': 2}}, 'nodes': nodes}, '-j', '5')
    running, left = {}, {'x': 4, 'y': 4, 'z': 4}
    for _ in range(12):
        want = min(5, min(1, left['x']) + min(2, left['y']) + left['z'])
        while len(running) < want:
            held = flow.hub.next()
            running[held.node] = held
            for tag, most in (('x', 1), ('y', 2)):
                need(len([name for name in running if name[0] == tag]) <= most, f'over the cap of {tag}: {sorted(running)}')
        need(not flow.hub.has_more(), f'more than {want} began: {sorted(running)}')
        name = sorted(running)[-1]  # z first: so x and y stay blocked as long as they can
        running.pop(name).end()
        left[name[0]] -= 1
    live.end(0)


@case('a node with several tags needs room under each of them [A1]')
def several_tags(flow):
    live = flow.start({'concurrency': {'tags': {'a': 1, 'b': 1}}, 'nodes': {'ab1': flow.held(tags=['a', 'b']),
        'a1': flow.held(tags=['a']), 'b1': flow.held(tags=['b']), 'ab2': flow.held(tags=['a', 'b'])}}, '-j', '4')
    first = flow.hub.next()
    same(first.node, 'ab1', 'the first')
    need(not flow.hub.has_more(), 'a tag was exceeded')
    first.end()
    two = flow.hub.take(2)
    same(sorted(two), ['a1', 'b1'], 'the next two')
    two['a1'].end()
    two['b1'].end()
    last = flow.hub.next()
    same(last.node, 'ab2', 'the last')
    last.end()
    live.end(0)


@case('of ready nodes the one with the higher priority starts first, then the one that stands first in the file [A2]')
def priority(flow):
    rng = random.Random(4)
    nodes = {f'n{i}': flow.held(priority=rng.choice([-5, 0, 0, 3, 1000])) for i in range(10)}
    live = flow.start({'nodes': nodes}, '-j', '1')
    wanted = sorted(nodes, key=lambda name: (-nodes[name]['priority'], int(name[1:])))
    same(drive(flow, live, 10, 1), wanted, 'the order')


def ledger(flow):
    return [line.split() for line in flow.read('ledger').decode().splitlines()]


@case('a ready node of high priority passes what is not journaled yet, tagged or not: a stream of short nodes starves neither')
def not_starved(flow):
    """`gate` makes them ready while many short nodes are started ahead."""
    nodes = {'gate': flow.note(), 'plain': flow.note(needs=['gate'], priority=10),
             'tagged': flow.note(needs=['gate'], tags=['t'], priority=10)}
    nodes |= {f'n{i:03}': flow.note() for i in range(120)}
    flow.run({'concurrency': {'tags': {'t': 1}}, 'nodes': nodes}, '-j', '2')
    order = [words[0] for words in ledger(flow)]
    same(len(order), 123, 'starts')
    for name in ('plain', 'tagged'):
        place = order.index(name) - order.index('gate')
        need(place <= 100, f'`{name}` began as number {place} after it was ready')


@case('the end of an attempt gives back its slot and makes its dependents ready in one step [A6]')
def one_step(flow):
    live = flow.start({'nodes': {'a': flow.held(), 'b': flow.held(needs=['a'])}}, '-j', '1')
    a = flow.hub.next()
    a.end()
    b = flow.hub.next()
    b.end()
    done = live.end(0)
    events = flow.journal(done.run)
    for i, event in enumerate(events):
        if event['type'] == 'completed' and event['node'] == 'a':
            ready = [e for e in events[i:i + 6] if e['type'] == 'node_state' and e.get('node') == 'b']
            need(ready and ready[0]['state'] == 'ready', events[i:i + 6])


if __name__ == '__main__':
    main(one_store=True)
