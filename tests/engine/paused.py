"""The time that an interrupt leaves out [K52], and stores that an earlier version wrote."""
import ctypes
import os
import signal
import sqlite3
import struct
import tarfile

from harness import case, main, need, same, shell

NIGHT_MS = 10 * 3600 * 1000


def interrupt(flow, live):
    live.process.send_signal(signal.SIGINT)
    return live.end(128 + signal.SIGINT)


def pass_time(flow, ms):
    """As if so much time had passed: the store's high-water mark is where the next engine's time begins."""
    with sqlite3.connect(flow.path('store', 'reeve.db')) as store:
        text, = store.execute("select value from meta where key = 'engine_ms'").fetchone()
        store.execute("update meta set value = ? where key = 'engine_ms'", (str(int(text) + ms),))
    store.close()


def stamp_rows(store, stream, version):
    """As if another version had written the whole journal: docs/schema.md says how its rows are chained."""
    xxh3 = ctypes.CDLL('libxxhash.so.0').XXH3_64bits_withSeed
    xxh3.argtypes, xxh3.restype = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint64], ctypes.c_uint64
    chain = 0
    for *head, body in store.execute('select first_seq, event_count, wall_ms, engine_ms, body from journal_data '
                                          'order by first_seq').fetchall():
        for part in (struct.pack('<5q', version, *head), stream.encode(), body):
            chain = xxh3(part, len(part), chain)
        signed = chain - (1 << 64) if chain >> 63 else chain
        store.execute('update journal_data set version = ?, checksum = ? where first_seq = ?', (version, signed, head[0]))


@case('a run that was stopped over night has as much of its timeout left as before [K52]')
def run_timeout(flow):
    workflow = {'timeout': '1h', 'nodes': {'a': flow.held(), 'b': shell('true', needs=['a'])}}
    live = flow.start(workflow)
    run = live.started()
    flow.hub.next()
    interrupt(flow, live)
    pass_time(flow, NIGHT_MS)
    live = flow.start(workflow, '--resume', run)
    flow.hub.next().end()
    same(live.end(0).node('b')['state'], 'succeeded', 'what was left')
    due = [e['due_ms'] for e in flow.journal(run, 'node_timer') if e['flags'] == 2 and 'due_ms' in e]
    need(due[0] > 0 > due[1] > -3600_000 and due[2] > due[0] + NIGHT_MS / 2, f'the timers of the run: {due}')


@case('timeout_total goes on where Ctrl-C held it: it neither runs over night nor begins anew [K52]')
def node_total(flow):
    workflow = {'nodes': {'a': flow.held(timeout_total='1h')}}
    live = flow.start(workflow)
    run = live.started()
    for _ in range(2):
        flow.hub.next()
        interrupt(flow, live)
        pass_time(flow, NIGHT_MS)
        live = flow.start(workflow, '--resume', run)
    flow.hub.next().end()
    live.end(0)
    left = [-e['due_ms'] for e in flow.events_of(run, 'a', 'node_timer') if e['flags'] == 1 and e.get('due_ms', 0) < 0]
    need(len(left) == 2 and 3600_000 > left[0] > left[1] > 0, f'what was left: {left}')


@case('a store that journal version 1 was written to verifies, and its interrupted run goes on')
def version_1(flow):
    with tarfile.open(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'data', 'journal_v1.tar.xz')) as old:
        old.extractall(flow.dir)
    ended, open_ = (flow.one(f"select id from run where status = '{status}'") for status in ('ok', 'interrupted'))
    need('rows of an earlier version' in flow.call('verify', ended).text, 'it is not said what was not decided again')
    flow.call('run', '--resume', open_, env={'GO': '1'})
    same(flow.one(f"select status from run where id = '{open_}'"), 'ok', 'the run')
    same(flow.ask(f"select distinct version from journal where stream = 'run/{open_}' order by 1"), [(1,), (2,)], 'its rows')


@case('a store that a later version wrote to is refused, and says why')
def version_later(flow):
    flow.verifies = False
    workflow = {'nodes': {'a': flow.held()}}
    live = flow.start(workflow)
    run = live.started()
    flow.hub.next()
    interrupt(flow, live)
    with sqlite3.connect(flow.path('store', 'reeve.db')) as store:
        stamp_rows(store, f'run/{run}', 99)
    store.close()
    for words in (['run', '--resume', run], ['verify', run]):
        need(b'later version' in flow.call(*words, status=2).stderr, f'{words[0]} does not say why')


if __name__ == '__main__':
    main()
