"""Queries through the owner's socket: however long they take and however much they ask for, the run goes on."""
import os
import signal
import socket

from harness import Wire, case, main, need, same

ENDLESS = 'with recursive c(x) as (select 1 union all select x + 1 from c) select count(*) from c'


def parked(flow):
    """A run that waits for some people."""
    live = flow.start({'nodes': {name: {'approve': {'message': '?'}} for name in ('one', 'two', 'three', 'ok')}})
    run = live.started()
    for _ in range(4):
        live.expect('blocker_opened')
    return live, run


def ask_endlessly(flow, count):
    wires = [Wire(flow) for _ in range(count)]
    for wire in wires:
        wire.send({'v': 1, 'op': 'query', 'sql': ENDLESS})
    return wires


@case('what asks for too much memory is refused with LIMIT, and the owner lives', of=parked)
def too_large(flow, its):
    _, run = its
    wire = Wire(flow)
    same(wire.say('query', sql='select zeroblob(700000000)'), 'LIMIT', 'one value')  # a whole query: tests/store/query_test.c
    answer = wire.ask('query', sql='select length(zeroblob(60000000))')
    need(answer['lines'].endswith('\n[60000000]\n'), answer)
    same(wire.say('decide', run=run, key='two', by='x', decision=0), 'OK', 'the decision')


@case('a decision on what is no longer shown is refused', of=parked)
def seen(flow, its):
    _, run = its
    wire = Wire(flow)
    digest = flow.one("select digest from blocker where key = 'three'")
    same(wire.say('decide', run=run, key='three', by='x', decision=0, digest='sha256:' + 64 * '0'), 'CONFLICT', 'another digest')
    same(wire.say('decide', run=run, key='three', by='x', decision=0, digest=digest), 'OK', 'its digest')


@case('who hangs up while his query runs costs nothing: it ends, and those behind it are answered', of=parked)
def hangs_up(flow, its):
    _, run = its
    for wire in ask_endlessly(flow, 12):  # four at a time, each of half a minute, if nobody ended them
        wire.close()
    wires, other = ask_endlessly(flow, 12), Wire(flow)
    for i, wire in enumerate(wires):  # neither is read any more: one said that it says no more, one has more to ask
        if i % 2:
            wire.socket.shutdown(socket.SHUT_WR)
        else:
            wire.send({'v': 1, 'op': 'query', 'sql': ENDLESS})
    same(other.ask('ping'), {'v': 1, 'ok': True}, 'ping')  # that was heard
    for wire in wires:
        wire.close()
    same(Wire(flow).say('decide', run=run, key='one', by='x', decision=0), 'OK', 'the decision')
    need(Wire(flow).ask('query', sql='select 1')['lines'].endswith('\n[1]\n'), 'the query behind them')


@case('queries without an end hold up no decision, and end with the run', of=parked)
def endless(flow, its):
    live, run = its
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


if __name__ == '__main__':
    main(one_store=True)
