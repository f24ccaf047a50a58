"""`reeve verify` finds what does not fit: a run's row, a log's frame."""
import contextlib
import json
import sqlite3

from harness import case, main, need, same, shell


def checks(flow, run, status):
    return {c['name']: c for c in json.loads(flow.call('verify', run, '--json', status=status).text)['checks']}


def change(flow, sql):
    store = sqlite3.connect(flow.path('store', 'reeve.db'))
    store.execute(sql)
    store.commit()
    store.close()


@contextlib.contextmanager
def changed(flow, run, column, value):
    """As long as it is changed: afterwards it holds again, as the end of the test says."""
    where = f"from run_data where key = (select key from name where text = '{run}')"
    before = flow.one(f'select {column} {where}')
    need(before != value, f'{column} is {value}')
    for what in (value, before):
        change(flow, f"update run_data set {column} = {what} where key = (select key {where})")
        if what == value:
            yield


def runs(flow):
    """Three that have ended."""
    nodes = {'a': flow.does('say', 'one\n'), 'two': shell('echo two >&2'), 'b': flow.does('exit', 3), 'c': flow.does(needs=['b'])}
    alone = {'a': {'set': {'x': '1'}}}
    return [flow.run({'nodes': alone}).run, flow.run({'nodes': nodes}, status=1).run, flow.run({'nodes': alone}).run]


@case('a whole run verifies, its log and its row too', of=runs)
def whole(flow, ended):
    found = checks(flow, ended[1], 0)
    need(all(c['ok'] for c in found.values()) and {'run', 'log'} <= set(found), found)
    need(found['log']['detail'].startswith('2 frames'), found['log'])
    need('every invariant after each of them' in found['promises']['detail'], found['promises'])


@case('a run\'s row that tells another status, or other counts, is found', of=runs)
def row(flow, ended):
    for column, value in (('status', 4), ('nodes_succeeded', 7), ('nodes_failed', 1), ('nodes_cancelled', 1)):
        with changed(flow, ended[0], column, value):
            found = checks(flow, ended[0], 1)
            same([name for name, c in found.items() if not c['ok']], ['run'], column)


@case('of several runs the one that does not hold is told, and the others are looked at all the same', of=runs)
def all_of_them(flow, ended):
    flow.call('verify', '--all')
    with changed(flow, ended[1], 'nodes_failed', 7):
        found = [json.loads(line) for line in flow.call('verify', '--all', '--json', status=1).text.splitlines()]
    same([(f['run'], f['ok']) for f in found], [(ended[0], True), (ended[1], False), (ended[2], True)], 'what is found')
    need('leave latest out' in flow.call('verify', '--all', 'latest', status=2).errors, 'both are given')


@case('a damaged frame of the log is found', of=runs)
def log(flow, ended):
    path = f'store/logs/{ended[1]}.log'
    data = flow.read(path)
    at = data.index(b'two')
    flow.write(path, data[:at] + b'T' + data[at + 1:])
    same([name for name, c in checks(flow, ended[1], 1).items() if not c['ok']], ['log'], 'what is wrong')
    flow.write(path, data)


@case('a run\'s row that tells an end which the journal does not know is found')
def row_open(flow):
    run = flow.run({'nodes': {'ok': {'approve': {'message': '?'}}}}, '--no-wait', status=76).run
    with changed(flow, run, 'status', 3):
        same([name for name, c in checks(flow, run, 1).items() if not c['ok']], ['run'], 'what is wrong')


if __name__ == '__main__':
    main(one_store=True)
