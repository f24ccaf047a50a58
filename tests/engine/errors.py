"""How an attempt can fail [A9], and what is tried again, when, and how often [W3a]."""
import os

from harness import case, main, need, same, shell, wait_for


def attempts(flow, node='a'):
    return flow.ask(f"select number, state, detail, exit_status, signal from attempt where node = '{node}' order by number")


AGAIN = {'max_attempts': 3}
FIXED = {'max_attempts': 4, 'delay': '30ms'}
DOUBLE = {'max_attempts': 5, 'delay': '10ms', 'backoff': 'exponential', 'delay_max': '25ms'}


def failing(flow):
    """A run in which nodes fail in each way."""
    flow.write('plain', 'not a program')
    sleep = {'run': ['sleep', '100']}
    kinds = {'exit': flow.does('exit', 3), 'signal': flow.does('raise', 9), 'timeout': {**sleep, 'timeout': '80ms'},
             'start': {'run': ['surely-no-such-command']}, 'startx': {'run': [flow.path('plain')]},
             'value': {'run': ['true', '${exit.nothing}'], 'after': ['exit']}}
    default = {'any': shell('case ${REEVE_ATTEMPT##*/} in 1) exit 1 ;; 2) kill -TERM $$ ;; 3) exit 75 ;; esac', retry={'max_attempts': 4}),
               'most': shell('echo x >> "$DIR/said"; exit 5', retry=AGAIN)}
    filters = {'f_status': flow.does('exit', 4, retry={**AGAIN, 'on': [4]}), 'f_other': flow.does('exit', 5, retry={**AGAIN, 'on': [4]}),
               'f_last': flow.does('exit', 255, retry={**AGAIN, 'on': [255]}),
               'f_signal': flow.does('raise', 15, retry={**AGAIN, 'on': ['signal']}),
               'f_nosignal': flow.does('raise', 15, retry={**AGAIN, 'on': [15]}),
               'f_timeout': {**sleep, 'timeout': '30ms', 'retry': {**AGAIN, 'on': ['timeout']}},
               'f_notimeout': {**sleep, 'timeout': '30ms', 'retry': AGAIN}}
    never = {'n_start': {'run': ['surely-no-such-command'], 'retry': AGAIN},
             'n_value': {'run': ['true', '${x.y}'], 'after': ['x'], 'retry': AGAIN}, 'x': flow.does(),
             'n_missing': flow.does(outputs=['never'], retry=AGAIN), 'n_dir': flow.does(dir='/surely/not/there', retry=AGAIN)}
    delays = {'fixed': flow.does('exit', 1, retry=FIXED), 'double': flow.does('exit', 1, retry=DOUBLE),
              'jitter': flow.does('exit', 1, retry={**FIXED, 'jitter': True})}
    return flow.run({'nodes': {**kinds, **default, **filters, **never, **delays}}, '-j', '24', status=1)


@case('each kind of failure is recorded by its name, with exit status or signal, and a text for people [A9]', of=failing)
def kinds(flow, done):
    wanted = {'exit': ('exit', 3, None), 'signal': ('signal', None, 9), 'timeout': ('timeout', None, 15), 'start': ('start', None, None),
        'startx': ('start', None, None), 'value': ('value', None, None)}
    for name, (detail, status, signal) in wanted.items():
        end = done.node(name)
        same((end['state'], end['detail']), ('failed', detail), name)
        if name != 'timeout':
            same((end.get('exit_status'), end.get('signal')), (status, signal), name)
        need(end.get('error'), f'{name} has no text')
        row = flow.one(f"select state, detail, error from node where id = '{name}'")
        same(row[:2], ('failed', detail), f'row of {name}')
    need('surely-no-such-command' in done.node('start')['error'], done.node('start'))
    same(flow.one("select state, detail from attempt where node = 'timeout'"), ('timeout', 'timeout'), 'the attempt')


@case('by default any exit status and a signal are tried again, up to max_attempts [W3a]', of=failing)
def default_filter(flow, done):
    same(attempts(flow, 'any'), [(1, 'error', 'exit', 1, -1), (2, 'error', 'signal', -1, 15), (3, 'error', 'exit', 75, -1),
                                 (4, 'ok', '', 0, -1)], 'attempts')


@case('max_attempts counts failures; the last one is the outcome [W3a]', of=failing)
def maximum(flow, done):
    same(flow.read('said'), b'x\n' * 3, 'runs')
    end = done.node('most')
    same((end['attempt'], end['exit_status']), (3, 5), 'the end')
    same([e['will_retry'] for e in done.of('attempt_ended', node='most')], [True, True, False], 'will_retry')


@case('retry.on limits what is tried again: statuses, signal, timeout [W3a]', of=failing)
def filters(flow, done):
    same({name: done.node('f_' + name)['attempt'] for name in ('status', 'other', 'last', 'signal', 'nosignal', 'timeout', 'notimeout')},
         {'status': 3, 'other': 1, 'last': 3, 'signal': 3, 'nosignal': 1, 'timeout': 3, 'notimeout': 1}, 'attempts')


@case('a missing command, a value and a missing output are never tried again [W3a, A9]', of=failing)
def never(flow, done):
    ends = {name: done.node('n_' + name) for name in ('start', 'value', 'missing', 'dir')}
    same({name: (end['detail'], end['attempt']) for name, end in ends.items()},
         {'start': ('start', 1), 'value': ('value', 1), 'missing': ('output_missing', 1), 'dir': ('start', 1)}, 'ends')


@case('delays: fixed, exponential up to delay_max, and with jitter within half and all of it [W3a]', of=failing)
def delays(flow, done):
    ends = {name: [e.get('retry_in_ms', 0) for e in done.of('attempt_ended', node=name)] for name in ('fixed', 'double', 'jitter')}
    for name, bounds in {'fixed': [(0, 30)] * 3, 'double': [(0, 10), (0, 20), (0, 25), (0, 25)], 'jitter': [(0, 30)] * 3}.items():
        for got, (low, high) in zip(ends[name], bounds):
            need(low <= got <= high, f'{name}: {ends[name]}')
    starts = flow.ask("select node, started_ms, ended_ms from attempt order by node, number")
    for name, least in {'fixed': [30, 30, 30], 'double': [10, 20, 25, 25], 'jitter': [15, 15, 15]}.items():
        rows = [row[1:] for row in starts if row[0] == name]
        for (_, ended), (started, _), pause in zip(rows, rows[1:], least):
            need(started - ended >= pause - 2, f'{name}: {started - ended} ms instead of {pause}')
    same(flow.ask('select due_ms from node where due_ms > 0'), [], 'due times of nodes that have ended')


@case('rejected and deadline are failures of what people were asked [A9, K16]')
def people_kinds(flow):
    live = flow.start({'nodes': {'no': {'approve': {'message': 'go?'}}, 'late': {'approve': {'message': 'go?', 'deadline': '60ms'}},
        'in': {'input': {'question': 'x?', 'deadline': '60ms'}},
                                 'after': shell('true', needs=['no'])}})
    run = live.started()
    live.expect('blocker_opened', key='no')
    flow.tell('decide', run=run, key='no', decision=1, comment='not now')
    done = live.end(1)
    same([done.node(name)['detail'] for name in ('no', 'late', 'in')], ['rejected', 'deadline', 'deadline'], 'details')
    same(done.node('after')['root'], 'no', 'the root')


@case('timeout_total bounds attempts and delays together, and the rest of the graph goes on [W3a]')
def timeout_total(flow):
    done = flow.run({'nodes': {
        'a': flow.does('exit', 1, timeout_total='1s', retry={'max_attempts': 100000, 'delay': '100ms'}),
        'b': {'run': ['sleep', '100'], 'timeout_total': '60ms'},
        'c': flow.does('exit', 1, timeout_total='80ms', retry={'max_attempts': 2, 'delay': '1h'}), 'd': flow.does()}}, status=1)
    same({name: done.node(name)['detail'] for name in 'abcd'}, {'a': 'timeout', 'b': 'timeout', 'c': 'timeout', 'd': 'fresh'}, 'details')
    need(len(done.of('attempt_ended', node='a')) >= 2, 'a was tried once')


@case("the run's timeout ends it with 124; what ran is cancelled, what had not begun too")
def run_timeout(flow):
    done = flow.run({'timeout': '120ms', 'nodes': {'a': {'run': ['sleep', '100']}, 'b': flow.does(needs=['a']), 'c': flow.does()}},
        status=124)
    same((done.node('a')['state'], done.node('a')['detail']), ('cancelled', 'signalled'), 'a')
    same(done.node('b')['state'], 'cancelled', 'b')
    same(flow.one('select status, exit_status from run'), ('timeout', 124), 'the run')


@case('with --fail-fast nothing begins after a failure, and what runs may finish')
def fail_fast(flow):
    live = flow.start({'nodes': {'bad': flow.held(), 'runs': flow.held(), 'waits': flow.held(), 'after': shell('true', needs=['runs'])}},
        '-j', '2', '--fail-fast')
    held = flow.hub.take(2)
    held['bad'].end(1)
    live.expect('node_ended', node='bad')
    held['runs'].end()
    done = live.end(1)
    same({name: (done.node(name)['state'], done.node(name)['detail']) for name in ('bad', 'runs', 'waits', 'after')},
         {'bad': ('failed', 'exit'), 'runs': ('succeeded', 'fresh'), 'waits': ('skipped', 'fail_fast'), 'after': ('skipped',
         'fail_fast')}, 'ends')


@case('attempts lost to a crash are counted apart: after lost_max of them the node fails with kind lost [A9, W3a]')
def lost(flow):
    workflow = {'nodes': {'a': flow.held(retry={'lost_max': 1})}}
    for words in ([], ['--resume']):
        live = flow.start(workflow, *words)
        flow.hub.next()
        live.expect('attempt_started', node='a')  # and recorded: what dies before that is not known to have begun, and is not counted
        wait_for(lambda: int(flow.one("select pid from attempt where node = 'a' order by number desc limit 1")), 'its process is recorded')
        live.kill_engine()
    done = flow.run(workflow, '--resume', status=1)
    end = done.node('a')
    same((end['state'], end['detail']), ('failed', 'lost'), 'a')
    same([row[1] for row in attempts(flow)], ['lost', 'lost'], 'attempts')


@case('at most once: an attempt whose outcome nobody knows is not run again; a person says what happened [W3, P3]')
def at_most_once(flow):
    wanted = {'approve': ('succeeded', 'person'), 'reject': ('failed', 'lost'), 'again': ('succeeded', 'fresh')}
    workflow = {'nodes': {name: flow.held(delivery='at_most_once') for name in wanted}}
    live = flow.start(workflow, '-j', '3')
    run = live.started()
    flow.hub.take(3)
    for name in wanted:
        wait_for(lambda: flow.ask(f"select 1 from attempt where node = '{name}' and state = 'running'"), f'the start of {name} is recorded')
    live.kill_engine()
    live = flow.start(workflow, '--resume', run)
    live.expect('blocker_opened', kind='unknown_outcome')
    wait_for(lambda: flow.one("select count(*) from blocker where state = 'open'") == 3, 'all are asked about')
    need(not flow.hub.has_more(), 'one ran again')
    flow.tell('decide', run=run, key='approve', decision=2)
    flow.call('reject', run, 'reject')
    flow.tell('decide', run=run, key='again', decision=4)
    again = flow.hub.next()
    same(again.node, 'again', 'who runs again')
    again.end()
    done = live.end(1)
    for name, end in wanted.items():
        same((done.node(name)['state'], done.node(name)['detail']), end, name)
    need(not flow.hub.has_more(), 'another one ran again')


@case('a run that draws the id of another one of its second gets an id of its own')
def same_id(flow):
    library = os.path.join(os.path.dirname(flow.node_program), 'engine-numbers.so')
    env = {'LD_PRELOAD': library, 'ASAN_OPTIONS': os.environ.get('ASAN_OPTIONS', '') + ':verify_asan_link_order=0'}
    seconds = {}
    while not any(len(ids) > 1 for ids in seconds.values()):
        run = flow.run({'nodes': {'a': {'set': {'x': '1'}}}}, env=env).run
        seconds.setdefault(run[:-5], set()).add(run)
        need(len(seconds) < 100, 'no two runs of one second')
    need(all(second + '-0000' in ids for second, ids in seconds.items()), f'the numbers are not those of the test: {seconds}')
    same(flow.one('select count(distinct id), count(distinct task) from run'), (sum(map(len, seconds.values())),) * 2, 'runs and tasks')


if __name__ == '__main__':
    main(one_store=True)
