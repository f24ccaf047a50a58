"""What an unchanged node had from the cache is remembered, and never trusted further than it holds [C3, C11]."""
import glob
import os
import shutil
import signal
import sqlite3
import time

from harness import DEADLINE_S, Broken, case, main, same, wait_for
from work import Work


def forget_entries(flow):
    """Behind the engine's back: what is found from now on was remembered."""
    with sqlite3.connect(os.path.join(flow.store, 'reeve.db')) as db:
        same(db.execute('delete from cache_data').rowcount > 0, True, 'entries')
    db.close()


def state_of(pid):
    """Of a process: T stopped, Z and X over, as /proc has it."""
    try:
        with open(f'/proc/{pid}/stat') as file:
            return file.read().rsplit(')', 1)[1].split()[0]
    except OSError:
        return 'X'


class Chain(Work):
    """in → (a) → mid → (b) → out, settled three times: run, found, remembered."""

    def __init__(self, flow, **more):
        super().__init__(flow)
        flow.write('in', 'one\n')
        self.nodes = {'a': self.node('cat in > mid && chmod 640 mid', 'a', inputs=['in'], outputs=['mid'], env={'V': '${user.v}'}, **more),
                      'b': self.node('cat mid mid > out', 'b', needs=['a'], inputs=['mid'], outputs=['out'], env_host=['SEEN'])}
        same(self.again(), ['a', 'b'], 'the first run')
        same(self.again(), [], 'the second run')
        same(self.again(), [], 'the third run')
        same(self.hits(), ['a', 'b'], 'hits of the third')

    def again(self, value='v', **more):
        """What ran."""
        more.setdefault('params', {'v': {'type': 'string', 'default': 'v'}})
        return self.run(self.nodes, words=('--var', f'v={value}'), **more)

    def known(self):
        return glob.glob(os.path.join(self.flow.store, 'known', '*'))



@case('of an unchanged node the cache is not asked again: it is found though nobody has its entry any more')
def remembered(flow):
    work = Chain(flow)
    same(len(work.known()), 1, 'files of what is known')
    forget_entries(flow)
    same(work.again(), [], 'what ran')
    same(work.hits(), ['a', 'b'], 'hits')
    same([e['node'] for e in flow.journal(work.done.run, 'cached')], ['a', 'b'], 'the journal')
    same(flow.ask(f"select id, state, detail from node where run = '{work.done.run}' order by id"),
         [('a', 'succeeded', 'cache'), ('b', 'succeeded', 'cache')], 'rows')


@case('an input that changed is seen: content, mode, a rewrite of the same size, its absence; what follows is seen too [C1]')
def inputs(flow):
    work = Chain(flow)
    flow.write('in', 'two\n')
    same(work.again(), ['a', 'b'], 'another content')
    same(open(flow.path('out')).read(), 'two\ntwo\n', 'what came of it')
    for _ in range(2):
        same(work.again(), [], 'unchanged')
    os.chmod(flow.path('in'), 0o755)
    same(work.again(), ['a'], 'another mode: what it gives is the same')
    for _ in range(2):
        same(work.again(), [], 'unchanged again')
    flow.write('in', 'one\n')
    os.chmod(flow.path('in'), 0o644)
    same(work.again(), [], 'as at first: found, and put back')
    same(open(flow.path('out')).read(), 'one\none\n', 'what was put back')
    os.remove(flow.path('in'))
    work.again(status=1)
    same(work.done.node('a')['state'], 'failed', 'without its input it runs, and fails')


@case('an output that is gone, changed or of another mode is put back [C12]')
def outputs(flow):
    work = Chain(flow)
    for what, spoil in (('gone', os.remove), ('changed', lambda path: open(path, 'w').write('spoilt')),
                        ('of the same size', lambda path: open(path, 'r+').write('x')),
                        ('of another mode', lambda path: os.chmod(path, 0o777))):
        for name in ('mid', 'out'):
            before = open(flow.path(name)).read(), os.stat(flow.path(name)).st_mode
            spoil(flow.path(name))
            same(work.again(), [], f'{name} is {what}: what ran')
            same((open(flow.path(name)).read(), os.stat(flow.path(name)).st_mode), before, f'{name} was {what}')
        same(work.again(), [], 'and once more')


@case('another value, variable of the caller or definition is seen, and what was before is found again [C1]')
def values(flow):
    work = Chain(flow)
    same(work.again('other'), ['a'], 'another param')
    same(work.again(), [], 'the first param')
    same(work.run(work.nodes, env={'SEEN': '1'}, words=('--var', 'v=v'), params={'v': {'type': 'string', 'default': 'v'}}), ['b'],
         'a variable that a key has seen')
    same(work.again(), [], 'without it')
    work.nodes['b']['shell'] += ' # more'
    same(work.again(), ['b'], 'another definition')
    same(work.again(), [], 'the same again')


@case('entries that were dropped are not remembered: `reeve cache clear` makes all run [C15]')
def dropped(flow):
    work = Chain(flow)
    flow.call('cache', 'clear', status=0)
    same(work.again(), ['a', 'b'], 'what ran')
    for _ in range(2):
        same(work.again(), [], 'and then')
    forget_entries(flow)
    same(work.again(), [], 'it is remembered anew')


@case('what is known is a file that may be damaged, cut, of others, or gone: it is asked again, and nothing else')
def damaged(flow):
    work = Chain(flow)
    path, = work.known()
    whole = open(path, 'rb').read()
    spoilt = bytearray(whole)
    spoilt[len(spoilt) // 2] ^= 1
    for what, bytes_ in (('damaged', bytes(spoilt)), ('cut', whole[:-1]), ('short', whole[:40]), ('empty', b''), ('more', whole + b'x')):
        with open(path, 'wb') as file:
            file.write(bytes_)
        same(work.again(), [], f'{what}: what ran')
        same(work.hits(), ['a', 'b'], f'{what}: hits')
    same(len(open(path, 'rb').read()), len(whole), 'it is written anew')
    os.remove(path)
    os.mkdir(path)
    same(work.again(), [], 'a directory in its place')


@case('a literal that names a directory, or a link to one, means what is in it: a file more is seen, also beside a single one')
def directories(flow):
    work = Work(flow)
    os.mkdir(flow.path('dir'))
    flow.write('dir/only', 'one')
    os.symlink('dir', flow.path('link'))
    nodes = {name: work.node(f'ls {given}/ > out-{name}', name, inputs=[given], outputs=[f'out-{name}'])
             for name, given in (('a', 'dir'), ('b', 'link'), ('c', './dir'))}
    same(work.run(nodes), ['a', 'b', 'c'], 'the first run')
    for _ in range(2):
        same(work.run(nodes), [], 'the next')
    flow.write('dir/second', 'two')
    same(work.run(nodes), ['a', 'b', 'c'], 'a file more')
    same(open(flow.path('out-b')).read(), 'only\nsecond\n', 'what came of it')


@case('of many files, which are looked at ahead, each change is seen, also one that a node of the same run makes [C1, C3]')
def ahead(flow):
    work = Work(flow)
    names = [f'f{i}' for i in range(400)]
    for name in names:
        flow.write(name, name)
    nodes = {'writes': {'shell': 'cat given > f7; touch -d @1000000000 f7'},
             'many': work.node('cat f* > all', 'many', inputs=names, outputs=['all'], needs=['writes'], cache={'deps': 'files'}),
             'one': work.node('cat f399 all > out', 'one', inputs=['f399', 'all'], outputs=['out'], needs=['many'])}
    flow.write('given', 'first')
    same(work.run(nodes), ['many', 'one'], 'the first run')
    for _ in range(3):
        same(work.run(nodes), [], 'written anew, with what it had')
    for given in ('other', 'third'):
        flow.write('given', given)
        same(work.run(nodes), ['many', 'one'], 'what a node of this run has changed, in time and size as before')
        same(given in flow.read('all').decode(), True, 'what came of it')
    for _ in range(3):
        same(work.run(nodes), [], 'unchanged')
    flow.write('f399', 'last')
    same(work.run(nodes), ['many', 'one'], 'the last of them')
    for _ in range(2):
        same(work.run(nodes), [], 'unchanged again')
    os.remove(flow.path('all'))
    same(work.run(nodes), [], 'an output of many that is gone')
    same(flow.read('out').decode(), 'last' + flow.read('all').decode(), 'it is put back')


def stop_before_a_hit(flow, nodes, env, point='cache.looked'):
    """A run whose engine stopped at a node that it has not asked of, when all was looked at ahead, and that engine's pid."""
    until = time.monotonic() + DEADLINE_S
    while time.monotonic() < until:
        live = flow.start({'nodes': nodes}, env={**env, 'REEVE_FAIL_POINT': f'{point}:1:stopped'})
        with open(f'/proc/{live.process.pid}/task/{live.process.pid}/children') as children:
            engine = int(wait_for(lambda: os.pread(children.fileno(), 100, 0).split(), 'an engine')[0])
        if wait_for(lambda: state_of(engine) in 'TZX' and state_of(engine), 'it stops or ends') == 'T':
            return live, engine
        live.end(0)  # it was through before the other thread was
    raise Broken('no run is stopped')


def changed_while_stopped(flow, point):
    work = Work(flow)
    inputs, names = [f'f{i}' for i in range(300)], [f'n{i:02}' for i in range(20)]
    for name in (*inputs, 'in'):
        flow.write(name, 'first')
    nodes = {name: {**work.node(f'cat in > {name}.out', name, inputs=['in'] if name == names[-1] else inputs, outputs=[f'{name}.out']),
                    'needs': [before] if before else [], 'env_host': ['LEDGER']} for before, name in zip([None, *names], names)}
    env = {'LEDGER': work.ledger}
    for _ in range(3):
        flow.run({'nodes': nodes}, env=env)
    live, engine = stop_before_a_hit(flow, nodes, env, point)
    flow.write('in', 'second')
    until = time.monotonic() + 0.3
    wait_for(lambda: time.monotonic() > until, 'a stall that is longer than a look holds')
    os.kill(engine, signal.SIGCONT)
    done = live.end(0)
    same([e['node'] for e in done.of('node_ended', detail='fresh')], names[-1:], 'what ran')
    same(flow.read(f'{names[-1]}.out').decode(), 'second', 'what came of it')


@case('what was seen ahead does not outlive a stall: an input that changes while the engine is stopped is seen by a node behind [C3]')
def stalled(flow):
    changed_while_stopped(flow, 'cache.looked')


@case('nor does what was seen while the store was being opened [C3]')
def stalled_early(flow):
    changed_while_stopped(flow, 'host.looked')


@case('who changes a file and then says something is heard in that order: an input is seen, an output is put back [C3, C12]')
def told(flow):
    work = Work(flow)
    names = [f'f{i}' for i in range(300)]
    for name in names:
        flow.write(name, name)
    flow.write('in', 'first')
    nodes = {'a': work.node('cat in f* > oa', 'a', inputs=['in', *names], outputs=['oa']),
             'p': {'approve': {'message': 'go?'}, 'needs': ['a']},
             'b': work.node('cat in > ob', 'b', inputs=['in'], outputs=['ob'], needs=['p'])}
    nodes = {name: {**node, 'env_host': ['LEDGER']} if node.get('cache') else node for name, node in nodes.items()}

    def run(change=None):
        live = flow.start({'nodes': nodes}, env={'LEDGER': work.ledger})
        name = live.started()
        live.expect('blocker_opened')
        if change:
            change()
        flow.call('approve', name, 'p')
        return live.end(0)

    for _ in range(3):
        run()
    for text in ('second', 'other!'):
        run(lambda given=text: flow.write('in', given))
        same(flow.read('ob').decode(), text, 'what came of an input that was written before the word')
    for _ in range(3):
        run()
    done = run(lambda: os.remove(flow.path('ob')))
    same((done.node('b')['detail'], flow.read('ob').decode()), ('cache', 'other!'), 'an output that was gone before the word')
    done = run(lambda: flow.write('ob', 'spoilt'))
    same((done.node('b')['detail'], flow.read('ob').decode()), ('cache', 'other!'), 'one that was spoilt')


@case('what is known is of one store: of a new one in its place nothing is')
def another_store(flow):
    work = Chain(flow)
    for name in ('reeve.db', 'reeve.db-wal'):
        if os.path.exists(os.path.join(flow.store, name)):
            os.remove(os.path.join(flow.store, name))
    for folder in ('logs', 'artifacts'):
        shutil.rmtree(os.path.join(flow.store, folder))
    same(work.again(), ['a', 'b'], 'what ran')
    for _ in range(2):
        same(work.again(), [], 'and then')


@case('what a node reads of others, prints or leaves besides files is looked up each time, and never remembered')
def not_remembered(flow):
    work = Work(flow)
    nodes = {'print': work.node('echo said', 'print'),
             'result': work.node('printf "{\\"n\\":1}" > "$REEVE_OUTPUT"', 'result'),
             'reads': work.node('test "$N" = said', 'reads', needs=['print'], env={'N': '${print.stdout}'}),
             'glob': work.node('touch g1', 'glob', inputs=['*.txt'], outputs=['g1']),
             'quiet': work.node('touch q', 'quiet', outputs=['q'])}
    flow.write('a.txt', 'a')
    same(work.run(nodes), ['glob', 'print', 'quiet', 'reads', 'result'], 'the first run')
    for _ in range(2):
        same(work.run(nodes), [], 'the next')
    same(''.join(e['text'] for e in work.done.of('output', node='print', stream=1)), 'said\n', 'its output')
    flow.write('b.txt', 'b')
    same(work.run(nodes), ['glob'], 'a file more that a pattern means')
    forget_entries(flow)
    same(work.run(nodes), ['glob', 'print', 'reads', 'result'], 'what is not remembered')


if __name__ == '__main__':
    main()
