"""The owner's socket: who may speak, what nonsense costs, and that only the one who talks it pays [W30, W32]."""
import json
import os
import socket
import stat

from harness import Wire, case, main, need, same, shell, wait_for


def parked(flow):
    """A run that waits for a person, and so answers for as long as the test likes."""
    live = flow.start({'nodes': {'ok': {'approve': {'message': '?'}}}})
    run = live.started()
    live.expect('blocker_opened')
    return live, run


def finish(flow, live, run):
    flow.tell('decide', run=run, key='ok', decision=0)
    live.end(0)


def owner(flow):
    """One run that several cases speak to: it waits for two people."""
    live = flow.start({'nodes': {name: {'approve': {'message': '?'}} for name in ('one', 'ok')}})
    run = live.started()
    live.expect('blocker_opened', key='one')
    live.expect('blocker_opened', key='ok')
    return live, run


@case('the socket and the store are for their owner alone: 0600 and 0700', of=owner)
def modes(flow, _):
    same(stat.S_IMODE(os.stat(flow.path('store', 'sock')).st_mode), 0o600, 'the socket')
    for name in ('store', 'store/logs', 'store/blobs', 'store/artifacts'):
        same(stat.S_IMODE(os.stat(flow.path(name)).st_mode), 0o700, name)
    same(stat.S_IMODE(os.stat(flow.path('store', 'key')).st_mode), 0o600, 'the key')


@case('nonsense is answered with an error, and the connection goes on', of=owner)
def nonsense(flow, _):
    wire = Wire(flow)
    for line, status in ((b'garbage\n', 'INVALID'), (b'\n', 'INVALID'), (b'[1]\n', 'UNSUPPORTED'), (b'{"v":2,"op":"ping"}\n',
        'UNSUPPORTED'), (b'{"op":"ping"}\n', 'UNSUPPORTED'),
                         (b'{"v":1}\n', 'INVALID'), (b'{"v":1,"op":"rm"}\n', 'INVALID'), (b'{"v":1,"op":7}\n', 'INVALID'),
                         (b'\x00\xff\xfe\n', 'INVALID'), (b'[' * 100 + b'\n', 'INVALID'),
                         (b'{"v":1,"op":"query","sql":"delete from run"}\n', 'DENIED'), (b'{"v":1,"op":"query","sql":7}\n', 'INVALID'),
                         (b'{"v":1,"op":"decide"}\n', 'INVALID'),
                         (b'{"v":1,"op":"answer","run":{},"key":[],"value":1}\n', 'NOT_FOUND'), (b'{"v":1,"op":"cancel"}\n', 'NOT_FOUND')):
        wire.send(line)
        answer = wire.line()
        need(answer and 'error' in answer, f'{line!r}: {answer}')
        same(answer['error']['status'], status, f'{line!r}')
    same(wire.ask('ping'), {'v': 1, 'ok': True}, 'ping')
    wire.close()


@case('a request in many pieces is one request', of=owner)
def pieces(flow, _):
    wire = Wire(flow)
    for byte in b'{"v":1,"op":"ping"}\n':
        wire.send(bytes([byte]))
    same(wire.line(), {'v': 1, 'ok': True}, 'ping')
    wire.close()


@case('a line over 4 MiB costs its connection, and nobody else', of=owner)
def huge(flow, _):
    wire, other = Wire(flow), Wire(flow)
    same(other.ask('ping'), {'v': 1, 'ok': True}, 'ping')
    try:
        for _ in range(80):
            wire.send(b'x' * 65536)
        same(wire.line(), None, 'the answer')
    except (BrokenPipeError, ConnectionResetError):
        pass
    same(other.ask('ping'), {'v': 1, 'ok': True}, 'ping')
    other.close()


@case('a reader that does not read holds up itself alone, and does not fill the memory of the owner', of=owner)
def slow(flow, its):
    live, _ = its
    wire, other = Wire(flow), Wire(flow)
    wire.socket.settimeout(0.2)
    big = "with recursive c(x) as (select 1 union all select x + 1 from c where x < 1000) select hex(zeroblob(500)) from c"
    sent = 0
    try:
        for _ in range(300):  # about 300 MB of answers, if they were all made
            wire.send({'v': 1, 'op': 'query', 'sql': big})
            sent += 1
    except socket.timeout:
        pass
    same(other.ask('ping'), {'v': 1, 'ok': True}, 'ping')
    with open(f'/proc/{live.process.pid}/task/{live.process.pid}/children') as file:
        engine = file.read().split()[0]
    with open(f'/proc/{engine}/status') as file:
        rss = next(int(line.split()[1]) for line in file if line.startswith('VmRSS'))
    need(rss < 150000, f'the owner has {rss} KB after {sent} requests')
    wire.socket.settimeout(60)
    for _ in range(min(sent, 4)):
        same(len(wire.line()['lines'].split('\n')), 1002, 'lines of an answer')
    wire.close()
    other.close()


@case('a second run on an owned store ends with 4 and says who owns it; show, events and logs go through its socket', of=owner)
def second_run(flow, its):
    _, run = its
    second = flow.start(None)
    done = second.end(4)
    text = done.errors + json.dumps(done.events)
    need(str(flow.one('select count(*) from run')) == '1' and 'owned by process' in text, text)
    for verb in ('show', 'events', 'logs', 'verify'):
        flow.call(verb, run)


@case('requests that come in one piece are answered one after the other, in order', of=owner)
def pipelined(flow, its):
    _, run = its
    wire = Wire(flow)
    wire.send(b''.join(json.dumps({'v': 1, 'op': 'query', 'sql': f'select {i}'}).encode() + b'\n' for i in range(200)))
    for i in range(200):
        same(wire.line()['lines'].split('\n')[1], f'[{i}]', 'an answer')
    wire.send(b''.join(json.dumps(request).encode() + b'\n' for request in (
        {'v': 1, 'op': 'decide', 'run': run, 'key': 'one', 'by': 'x', 'decision': 0},
        {'v': 1, 'op': 'decide', 'run': run, 'key': 'one', 'by': 'x', 'decision': 1})))
    same(wire.line(), {'v': 1, 'ok': True}, 'the first decision')
    same(wire.line()['error']['status'], 'CONFLICT', 'the second decision')
    wire.close()


@case('who half-closes after a request still gets its answer; with the run its socket goes', of=owner)
def half_closed(flow, its):
    live, run = its
    wire = Wire(flow)
    wire.send({'v': 1, 'op': 'decide', 'run': run, 'key': 'ok', 'by': 'x', 'decision': 0})
    wire.socket.shutdown(socket.SHUT_WR)
    same(wire.line(), {'v': 1, 'ok': True}, 'the answer')
    same(wire.line(), None, 'the end')
    live.end(0)
    need(not os.path.exists(flow.path('store', 'sock')), 'the socket is left')


@case('one hundred connections: each that is held is served, the rest is refused, and room comes back')
def many(flow):
    live, run = parked(flow)
    wires = [Wire(flow) for _ in range(100)]
    served = 0
    for wire in wires:
        try:
            served += wire.ask('ping') is not None
        except (BrokenPipeError, ConnectionResetError):
            pass
    same(served, 64, 'connections that are served')
    for wire in wires:
        wire.close()

    def again():
        try:
            return Wire(flow).ask('ping')
        except (BrokenPipeError, ConnectionResetError):
            return None
    wait_for(again, 'room')
    finish(flow, live, run)


@case('a client that vanishes while its decision is pending changes nothing: it is recorded once')
def vanishes(flow):
    live = flow.start({'nodes': {**{f'q{i}': {'approve': {'message': '?'}} for i in range(30)}, 'hold': flow.held()}})
    run = live.started()
    live.expect('blocker_opened')
    for i in range(30):
        wire = Wire(flow)
        wire.send({'v': 1, 'op': 'decide', 'run': run, 'key': f'q{i}', 'by': 'x', 'decision': 0})
        wire.close()
    for i in range(30):
        live.expect('node_ended')
    flow.hub.next().end()
    live.end(0)
    same(len(flow.journal(run, 'decided')), 30, 'decisions')


@case('a query sees a run as it goes on, reads only, and a watch is answered when something happens')
def looking(flow):
    live = flow.start({'nodes': {'a': flow.held(), 'b': flow.held(needs=['a'])}})
    run = live.started()
    a = flow.hub.next()
    live.expect('attempt_started', node='a')
    same(wait_for(lambda: flow.ask("select state from node where id = 'a'"), 'a row of a'), [('running',)], 'the state')
    wire = Wire(flow)
    now = wire.ask('watch', run=run, seq=0, log=0)
    need(now['live'] and now['seq'] > 0, now)
    now = wire.ask('watch', run=run, seq=0, log=0)
    wire.send({'v': 1, 'op': 'watch', 'run': run, 'seq': now['seq'] + 1, 'log': 0})
    a.end()
    need(wire.line()['seq'] > now['seq'], 'a watch')
    flow.hub.next().end()
    live.end(0)
    need(wire.line() is None, 'the owner is gone')


@case('a store path too long for a socket address works: its socket is elsewhere', alone=True)
def long_path(flow):
    flow.store = flow.path(*(['d' * 60] * 3), 'store')
    os.makedirs(os.path.dirname(flow.store))
    live, run = parked(flow)
    flow.call('approve', run, 'ok')
    live.end(0)


if __name__ == '__main__':
    main(one_store=True)
