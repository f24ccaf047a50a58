"""`reeve verify` finds what does not fit: a run's row, a log's frame."""
import json
import sqlite3

from harness import case, main, need, same, shell


def checks(flow, run, status):
    return {c['name']: c for c in json.loads(flow.call('verify', run, '--json', status=status).text)['checks']}


def change(flow, sql):
    flow.verifies = False
    store = sqlite3.connect(flow.path('store', 'reeve.db'))
    store.execute(sql)
    store.commit()
    store.close()


@case('a whole run verifies, its log and its row too')
def whole(flow):
    run = flow.run({'nodes': {'a': shell('echo one; echo two >&2'), 'b': shell('exit 3'), 'c': shell('true', needs=['b'])}}, status=1).run
    found = checks(flow, run, 0)
    need(all(c['ok'] for c in found.values()) and {'run', 'log'} <= set(found), found)
    need(found['log']['detail'].startswith('2 frames'), found['log'])
    need('every invariant after each of them' in found['promises']['detail'], found['promises'])


@case('a run\'s row that tells another status, or other counts, is found')
def row(flow):
    for column, value in (('status', 4), ('nodes_succeeded', 7), ('nodes_failed', 1), ('nodes_cancelled', 1)):
        run = flow.run({'nodes': {'a': shell('true')}}).run
        change(flow, f'update run_data set {column} = {value} where key = (select key from name where text = \'{run}\')')
        found = checks(flow, run, 1)
        same([name for name, c in found.items() if not c['ok']], ['run'], column)


@case('of several runs the one that does not hold is told, and the others are looked at all the same')
def all_of_them(flow):
    runs = [flow.run({'nodes': {'a': shell('true')}}).run for _ in range(3)]
    flow.call('verify', '--all')
    change(flow, f'update run_data set nodes_failed = 7 where key = (select key from name where text = \'{runs[1]}\')')
    found = [json.loads(line) for line in flow.call('verify', '--all', '--json', status=1).text.splitlines()]
    same([(f['run'], f['ok']) for f in found], [(runs[0], True), (runs[1], False), (runs[2], True)], 'what is found')
    need('leave latest out' in flow.call('verify', '--all', 'latest', status=2).errors, 'both are given')


@case('a run\'s row that tells an end which the journal does not know is found')
def row_open(flow):
    run = flow.run({'nodes': {'ok': {'approve': {'message': '?'}}}}, '--no-wait', status=76).run
    change(flow, 'update run_data set status = 3')
    same([name for name, c in checks(flow, run, 1).items() if not c['ok']], ['run'], 'what is wrong')


@case('a damaged frame of the log is found')
def log(flow):
    flow.verifies = False
    run = flow.run({'nodes': {'a': shell('echo something')}}).run
    path = f'store/logs/{run}.log'
    data = flow.read(path)
    at = data.index(b'something')
    flow.write(path, data[:at] + b'S' + data[at + 1:])
    same([name for name, c in checks(flow, run, 1).items() if not c['ok']], ['log'], 'what is wrong')


if __name__ == '__main__':
    main()
