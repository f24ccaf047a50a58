"""How an attempt can fail [A9], and what is tried again, when, and how often [W3a]."""
import os
import shutil
import subprocess

from harness import Skipped, case, main, need, same, shell, wait_for


def attempts(flow, node='a'):
    return flow.ask(f"select number, state, detail, exit_status, signal from attempt where node = '{node}' order by number")


def counted(script):
    """A script that says in `said` that it ran."""
    return 'echo x >> "$DIR/said"; ' + script


@case('each kind of failure is recorded by its name, with exit status or signal, and a text for people [A9]')
def kinds(flow):
    flow.write('plain', 'not a program')
    done = flow.run({'nodes': {'exit': shell('exit 3'), 'signal': shell('kill -KILL $$'), 'timeout': shell('exec sleep 100',
        timeout='80ms'), 'start': {'run': ['surely-no-such-command']},
                               'startx': {'run': [flow.path('plain')]}, 'value': {'run': ['true', '${exit.nothing}'],
                               'after': ['exit']}}}, status=1)
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


@case('rejected and deadline are failures of what people were asked [A9, K16]')
def people_kinds(flow):
    live = flow.start({'nodes': {'no': {'approve': {'message': 'go?'}}, 'late': {'approve': {'message': 'go?', 'deadline': '60ms'}},
        'in': {'input': {'question': 'x?', 'deadline': '60ms'}},
                                 'after': shell('true', needs=['no'])}})
    run = live.started()
    live.expect('blocker_opened', key='no')
    flow.call('reject', run, 'no', '--comment', 'not now')
    done = live.end(1)
    same([done.node(name)['detail'] for name in ('no', 'late', 'in')], ['rejected', 'deadline', 'deadline'], 'details')
    same(done.node('after')['root'], 'no', 'the root')


@case('by default any exit status and a signal are tried again, up to max_attempts [W3a]')
def default_filter(flow):
    flow.run({'nodes': {'a': shell('case $REEVE_EPOCH in 1) exit 1 ;; 2) kill -TERM $$ ;; 3) exit 75 ;; esac', retry={'max_attempts': 4})}})
    same(attempts(flow), [(1, 'error', 'exit', 1, -1), (2, 'error', 'signal', -1, 15), (3, 'error', 'exit', 75, -1), (4, 'ok', '', 0,
        -1)], 'attempts')


@case('max_attempts counts failures; the last one is the outcome [W3a]')
def maximum(flow):
    done = flow.run({'nodes': {'a': shell(counted('exit 5'), retry={'max_attempts': 3})}}, status=1)
    same(flow.read('said'), b'x\n' * 3, 'runs')
    end = done.node('a')
    same((end['attempt'], end['exit_status']), (3, 5), 'the end')
    same([e['will_retry'] for e in done.of('attempt_ended', node='a')], [True, True, False], 'will_retry')


@case('retry.on limits what is tried again: statuses, signal, timeout [W3a]')
def filters(flow):
    retry = {'max_attempts': 3}
    done = flow.run({'nodes': {'status': shell('exit 4', retry={**retry, 'on': [4]}), 'other': shell('exit 5', retry={**retry, 'on': [4]}),
                               'signal': shell('kill -TERM $$', retry={**retry, 'on': ['signal']}), 'nosignal': shell('kill -TERM $$',
                               retry={**retry, 'on': [15]}),
                               'timeout': shell('exec sleep 100', timeout='30ms', retry={**retry, 'on': ['timeout']}),
                               'notimeout': shell('exec sleep 100', timeout='30ms', retry=retry),
                               'last': shell('test $REEVE_EPOCH -gt 2 || exit 255', after=[], retry={**retry, 'on': [255]})}}, status=1)
    same({name: done.node(name)['attempt'] for name in ('status', 'other', 'signal', 'nosignal', 'timeout', 'notimeout')},
         {'status': 3, 'other': 1, 'signal': 3, 'nosignal': 1, 'timeout': 3, 'notimeout': 1}, 'attempts')


@case('a missing command, a value and a missing output are never tried again [W3a, A9]')
def never(flow):
    retry = {'max_attempts': 5}
    done = flow.run({'nodes': {'start': {'run': ['surely-no-such-command'], 'retry': retry}, 'value': {'run': ['true', '${x.y}'],
        'after': ['x'], 'retry': retry}, 'x': shell('true'),
                               'missing': shell('true', outputs=['never'], retry=retry), 'dir': shell('true', dir='/surely/not/there',
                               retry=retry)}}, status=1)
    same({name: (done.node(name)['detail'], done.node(name)['attempt']) for name in ('start', 'value', 'missing', 'dir')},
         {'start': ('start', 1), 'value': ('value', 1), 'missing': ('output_missing', 1), 'dir': ('start', 1)}, 'ends')


@case('delays: fixed, exponential up to delay_max, and with jitter within half and all of it [W3a]')
def delays(flow):
    fixed = {'max_attempts': 4, 'delay': '30ms'}
    double = {'max_attempts': 5, 'delay': '10ms', 'backoff': 'exponential', 'delay_max': '25ms'}
    done = flow.run({'nodes': {'fixed': shell('exit 1', retry=fixed), 'double': shell('exit 1', retry=double), 'jitter': shell('exit 1',
        retry={**fixed, 'jitter': True})}}, status=1)
    ends = {name: [e.get('retry_in_ms', 0) for e in done.of('attempt_ended', node=name)] for name in ('fixed', 'double', 'jitter')}
    for name, bounds in {'fixed': [(0, 30)] * 3, 'double': [(0, 10), (0, 20), (0, 25), (0, 25)], 'jitter': [(0, 30)] * 3}.items():
        for got, (low, high) in zip(ends[name], bounds):
            need(low <= got <= high, f'{name}: {ends[name]}')
    starts = flow.ask("select node, started_ms, ended_ms from attempt order by node, number")
    for name, least in {'fixed': [30, 30, 30], 'double': [10, 20, 25, 25], 'jitter': [15, 15, 15]}.items():
        rows = [row[1:] for row in starts if row[0] == name]
        for (_, ended), (started, _), pause in zip(rows, rows[1:], least):
            need(started - ended >= pause - 2, f'{name}: {started - ended} ms instead of {pause}')
    due = flow.ask('select due_ms from node where due_ms > 0')
    same(due, [], 'due times of nodes that have ended')


@case('timeout_total bounds attempts and delays together, and the rest of the graph goes on [W3a]')
def timeout_total(flow):
    done = flow.run({'nodes': {'a': shell('exit 1', timeout_total='1s', retry={'max_attempts': 100000, 'delay': '10ms'}),
        'b': shell('exec sleep 100', timeout_total='60ms'),
                               'c': shell('exit 1', timeout_total='80ms', retry={'max_attempts': 2, 'delay': '1h'}), 'd': shell('true')}},
                               status=1)
    same({name: done.node(name)['detail'] for name in 'abcd'}, {'a': 'timeout', 'b': 'timeout', 'c': 'timeout', 'd': 'fresh'}, 'details')
    need(len(done.of('attempt_ended', node='a')) >= 2, 'a was tried once')


@case("the run's timeout ends it with 124; what ran is cancelled, what had not begun too")
def run_timeout(flow):
    done = flow.run({'timeout': '120ms', 'nodes': {'a': shell('exec sleep 100'), 'b': shell('true', needs=['a']), 'c': shell('true')}},
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
    for word, status, state, detail in (('approve', 0, 'succeeded', 'person'), ('reject', 1, 'failed', 'lost'), ('again', 0, 'succeeded',
        'fresh')):
        workflow = {'name': word, 'nodes': {'a': flow.held(delivery='at_most_once')}}
        live = flow.start(workflow)
        run = live.started()
        flow.hub.next()
        live.expect('attempt_started', node='a')
        live.kill_engine()
        live = flow.start(workflow, '--resume', run)
        live.expect('blocker_opened', key='a', kind='unknown_outcome')
        need(not flow.hub.has_more(), 'it ran again')
        flow.call(*(['approve', run, 'a', '--again'] if word == 'again' else [word, run, 'a']))
        if word == 'again':
            flow.hub.next().end()
        done = live.end(status)
        same((done.node('a')['state'], done.node('a')['detail']), (state, detail), word)


SAME_NUMBERS = r"""
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>
ssize_t getrandom(void *buffer, size_t size, unsigned flags)
{
    static int calls;
    if (size != 4 || calls++ >= 3) return syscall(SYS_getrandom, buffer, size, flags);
    memset(buffer, 0, size);
    return (ssize_t)size;
}
"""


@case('a run that draws the id of another one of its second gets an id of its own')
def same_id(flow):
    if not shutil.which('cc'):
        raise Skipped('no compiler')
    library = flow.path('numbers.so')
    subprocess.run(['cc', '-shared', '-fPIC', '-o', library, flow.write('numbers.c', SAME_NUMBERS)], check=True)
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
