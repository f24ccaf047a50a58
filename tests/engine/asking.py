"""Queries through the owner's socket: however long they take and however much they ask for, the run goes on."""
import os
import signal

from harness import Wire, case, main, need, same

ENDLESS = 'with recursive c(x) as (select 1 union all select x + 1 from c) select count(*) from c'


def parked(flow):
    live = flow.start({'nodes': {'ok': {'approve': {'message': '?'}}}})
    run = live.started()
    live.expect('blocker_opened')
    return live, run


def ask_endlessly(flow, count):
    wires = [Wire(flow) for _ in range(count)]
    for wire in wires:
        wire.send({'v': 1, 'op': 'query', 'sql': ENDLESS})
    return wires


@case('queries without an end hold up no decision, and end with the run')
def endless(flow):
    live, run = parked(flow)
    wires = ask_endlessly(flow, 10)
    other = Wire(flow)
    same(other.ask('ping'), {'v': 1, 'ok': True}, 'ping')
    same(other.say('decide', run=run, key='ok', by='x', decision=0), 'OK', 'the decision')
    live.end(0)
    for wire in wires:
        same(wire.line(), None, 'an answer')  # a query that had been waited for would say TIMEOUT


@case('queries without an end do not hold up an interrupt')
def interrupted(flow):
    live, run = parked(flow)
    wires = ask_endlessly(flow, 2)
    same(Wire(flow).ask('ping'), {'v': 1, 'ok': True}, 'ping')
    os.kill(live.process.pid, signal.SIGINT)
    live.end(130)
    for wire in wires:
        same(wire.line(), None, 'an answer')


@case('who hangs up while his query runs costs nothing')
def hangs_up(flow):
    live, run = parked(flow)
    for wire in ask_endlessly(flow, 3):
        wire.close()
    same(Wire(flow).say('decide', run=run, key='ok', by='x', decision=0), 'OK', 'the decision')
    live.end(0)


@case('what asks for too much memory is refused with LIMIT, and the owner lives')
def too_large(flow):
    live, run = parked(flow)
    wire = Wire(flow)
    same(wire.say('query', sql='select zeroblob(700000000)'), 'LIMIT', 'one value')  # a whole query: tests/store/query_test.c
    answer = wire.ask('query', sql='select length(zeroblob(60000000))')
    need(answer['lines'].endswith('\n[60000000]\n'), answer)
    same(wire.say('decide', run=run, key='ok', by='x', decision=0), 'OK', 'the decision')
    live.end(0)


@case('a decision on what is no longer shown is refused')
def seen(flow):
    live, run = parked(flow)
    wire = Wire(flow)
    digest = flow.one('select digest from blocker')
    same(wire.say('decide', run=run, key='ok', by='x', decision=0, digest='sha256:' + 64 * '0'), 'CONFLICT', 'another digest')
    same(wire.say('decide', run=run, key='ok', by='x', decision=0, digest=digest), 'OK', 'its digest')
    live.end(0)


if __name__ == '__main__':
    main(one_store=True)
