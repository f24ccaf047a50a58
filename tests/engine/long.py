"""What takes long: ten thousand nodes, output beyond the cap, grace periods, a disk that fills up at every size."""
import os
import signal

import failure
import verified
from harness import CASES, Flow, case, main, need, same, shell

CASES.clear()  # those of the modules are their own


def engine_of(live):
    keeper = live.process.pid
    with open(f'/proc/{keeper}/task/{keeper}/children') as file:
        return int(file.read().split()[0])


def peak_kb(pid):
    with open(f'/proc/{pid}/status') as file:
        return next(int(line.split()[1]) for line in file if line.startswith('VmHWM'))


@case('10,000 nodes at -j2: each runs once, memory stays bounded, priority nodes are not starved')
def wide(flow):
    count = 10000
    nodes = {f'n{i:05}': {'run': ['sh', '-c', 'echo "$REEVE_NODE" >> "$DIR/ledger"']} for i in range(count)}
    nodes['first'] = {**nodes['n00000'], 'needs': ['n00100'], 'priority': 9}
    nodes['tagged'] = {**nodes['n00000'], 'needs': ['n00100'], 'priority': 8, 'tags': ['t']}
    live = flow.start({'concurrency': {'tags': {'t': 1}}, 'nodes': {**nodes,
        'last': flow.held(after=[f'n{count - 1:05}', 'first', 'tagged'])}}, '-j', '2')
    live.expect('attempt_started', node='last')  # read what it says, so that it never waits for us
    held = flow.hub.next()
    peak = peak_kb(engine_of(live))
    held.end()
    live.end(0)
    order = flow.read('ledger').decode().split()
    same((len(order), len(set(order))), (count + 2, count + 2), 'lines of the ledger')
    for name in ('first', 'tagged'):
        behind = order.index(name) - order.index('n00100')
        need(behind <= 200, f'{name} began {behind} starts after it was ready')
    need(peak < 60000, f'the engine had {peak} KB')
    same(flow.ask('select state, count(*) from attempt group by state'), [('ok', count + 3)], 'attempts')


@case('starts ahead never pass -j: of 2,000 short nodes no more than that live at once')
def ahead(flow):
    script = 'echo "B $REEVE_NODE" >> "$DIR/ledger"; echo "E $REEVE_NODE" >> "$DIR/ledger"'
    flow.run({'nodes': {f'n{i}': shell(script) for i in range(2000)}}, '-j', '3')
    alive = most = 0
    for line in flow.read('ledger').decode().splitlines():
        alive += 1 if line[0] == 'B' else -1
        most = max(most, alive)
    same((alive, most <= 3), (0, True), f'at once at most {most}')


@case('output beyond 64 MiB keeps head and tail; the cut is marked with how much it left out [E32]')
def capture_cap(flow):
    size, line = 200 << 20, b'0123456789abcdef' * 4
    run = flow.run({'nodes': {'a': shell(f'printf HEAD; yes {line.decode()} | head -c {size}; printf TAIL; echo done >&2')}}, '--output',
        'quiet').run
    same(flow.one('select stdout_size from attempt'), size + 8, 'bytes produced')
    kept = flow.call('logs', run, 'a', '--stream', '1').stdout
    need(64 << 20 <= len(kept) < (64 << 20) + 4096, f'{len(kept)} bytes are kept')
    need(kept.startswith(b'HEAD0123') and kept.rstrip(b'\n').endswith(b'TAIL'), (kept[:20], kept[-20:]))
    same(flow.call('logs', run, 'a', '--stream', '2').stdout, b'done\n', 'the other stream')
    need(os.path.getsize(flow.path('store', 'logs', run + '.log')) < 70 << 20, 'the file of the log')


@case('a command that does not die of TERM is killed after the grace [A10]')
def kill_group(flow):
    live = flow.start({'nodes': {'a': {'run': [flow.held()['run'][0], 'stubborn'], 'timeout': '100ms'}}})
    flow.hub.next().wait_gone()
    done = live.end(1)
    same(done.node('a')['detail'], 'timeout', 'a')
    same(flow.one('select signal from attempt'), signal.SIGKILL, 'the signal')


@case('a disk that is full at any of 40 sizes: 75, nothing that was said is lost, nothing recorded runs again [P1, P3]')
def full_at_any_size(flow):
    failures = 0
    for step in range(40):
        part = Flow(flow.reeve, flow.node_program)
        try:
            failures += failure.fails_and_goes_on(part, {'nodes': failure.noisy(part, 60)}, (16 << 10) + step * (14 << 10), 60)
            part.verify_all()
        finally:
            part.close()
    need(failures >= 10, f'the disk was full {failures} times')


@case('invariants of a wide run are looked at now and then, and verify says how often')
def looked_at_now_and_then(flow):
    nodes = {f'n{i}': {'wait': {'until': '2001-01-01T00:00:00Z'}} for i in range(26000)}
    nodes.update({f's{i}': shell('true', needs=[f's{i - 1}'] if i else []) for i in range(400)})
    run = flow.run({'nodes': nodes}).run
    detail = verified.checks(flow, run, 0)['promises']['detail']
    need('row and the last' in detail, detail)


if __name__ == '__main__':
    main()
