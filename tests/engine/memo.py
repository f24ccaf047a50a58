"""What an unchanged node had from the cache is remembered, and never trusted further than it holds [C3, C11]."""
import glob
import os
import shutil
import signal
import sqlite3
import time

from harness import DEADLINE_S, Broken, case, is_long, main, same, wait_for
from together import Step, Together
from work import Work

together = Together(stays=True)  # what is remembered is of one definition
UNCHANGED = 3  # runs, until a node is one that is remembered: run, found, remembered


def forget_entries(flow):
    """Behind the engine's back: what is found from now on was remembered."""
    with sqlite3.connect(os.path.join(flow.store, 'reeve.db')) as db:
        db.execute('delete from cache_data')
    db.close()
    same(flow.ask('select * from cache'), [], 'entries')


def state_of(pid):
    """Of a process: T stopped, Z and X over, as /proc has it."""
    try:
        with open(f'/proc/{pid}/stat') as file:
            return file.read().rsplit(')', 1)[1].split()[0]
    except OSError:
        return 'X'


def chain(work, write, prefix='', **more):
    """in → (a) → mid → (b) → out, each with the prefix before its name."""
    write(prefix + 'in', 'one\n')
    return {prefix + 'a': work.node(f'read x < {prefix}in && umask 137 && echo $x > {prefix}mid', prefix + 'a', inputs=[prefix + 'in'],
                                    outputs=[prefix + 'mid'], **more),
            prefix + 'b': work.node(f'read x < {prefix}mid && printf "%s\\n" $x $x > {prefix}out', prefix + 'b', needs=[prefix + 'a'],
                                    inputs=[prefix + 'mid'], outputs=[prefix + 'out'], env_host=['SEEN'])}


def known(flow):
    return set(glob.glob(os.path.join(flow.store, 'known', '*')))


def settled(work, nodes):
    """The steps until all of them are remembered."""
    same((yield nodes), sorted(nodes), 'the first run')
    same((yield nodes), [], 'the second run')
    same((yield nodes), [], 'the third run')
    same(work.hits(), sorted(nodes), 'hits of the third')


@together.case('of an unchanged node the cache is not asked again: it is found though nobody has its entry any more')
def remembered(work):
    before = known(work.flow)
    nodes = chain(work, work.write)
    yield from settled(work, nodes)
    same(len(known(work.flow) - before), 1, 'files of what is known')
    for _ in range(5):
        same((yield nodes), [], 'unchanged')
    same(work.entries(), 2, 'entries')
    forget_entries(work.flow)
    same((yield nodes), [], 'what ran')
    same(work.hits(), ['a', 'b'], 'hits')
    same([e['node'] for e in work.mine(work.flow.journal(work.done.run, 'cached'))], ['a', 'b'], 'the journal')
    same(work.ask('state, detail', 'node', key='id'), [('a', 'succeeded', 'cache'), ('b', 'succeeded', 'cache')], 'rows')


@together.case('an input that changed is seen: content, mode, a rewrite of the same size, its absence; what follows is seen too [C1]')
def inputs(work):
    nodes = {**chain(work, work.write, 'c'), **chain(work, work.write, 'm')}
    yield from settled(work, nodes)
    work.write('cin', 'two\n')
    os.chmod(work.path('min'), 0o755)
    same((yield nodes), ['ca', 'cb', 'ma'], 'another content, and another mode: what that one gives is the same')
    same(work.read('cout'), b'two\ntwo\n', 'what came of it')
    for _ in range(2):
        same((yield nodes), [], 'unchanged')
    work.write('cin', 'one\n')
    os.chmod(work.path('min'), 0o644)
    same((yield nodes), [], 'as at first: found, and put back')
    same(work.read('cout'), b'one\none\n', 'what was put back')
    same((yield nodes), [], 'and once more')
    os.remove(work.path('min'))
    yield Step(nodes, fails=True)
    same([(name, work.done.node(name)['state']) for name in nodes],
         [('ca', 'succeeded'), ('cb', 'succeeded'), ('ma', 'failed'), ('mb', 'skipped')], 'without its input it runs, and fails')


@together.case('an output that is gone, changed or of another mode is put back [C12]')
def outputs(work):
    nodes = {**chain(work, work.write, 'x'), **chain(work, work.write, 'y')}
    yield from settled(work, nodes)

    def now(path):
        return work.read(path), os.stat(work.path(path)).st_mode

    for turn, (what, spoil) in enumerate((('gone', os.remove), ('changed', lambda path: open(path, 'w').write('spoilt')),
                                          ('of the same size', lambda path: open(path, 'r+').write('x')),
                                          ('of another mode', lambda path: os.chmod(path, 0o777)))):
        spoilt = ('xmid', 'yout') if turn % 2 else ('xout', 'ymid')  # of the other two each was put back before
        before = {path: now(path) for path in ('xmid', 'xout', 'ymid', 'yout')}
        for path in spoilt:
            spoil(work.path(path))
        same((yield nodes), [], f'{spoilt} are {what}: what ran')
        same({path: now(path) for path in before}, before, f'{spoilt} were {what}')
    same((yield nodes), [], 'and once more')


@together.case('a literal that names a directory, or a link to one, means what is in it: a file more is seen, also beside a single one')
def directories(work):
    os.mkdir(work.path('dir'))
    work.write('dir/only', 'one')
    os.symlink('dir', work.path('link'))
    nodes = {name: {**work.node(f'for x in {given}/*; do echo ${{x##*/}}; done > out-{name}', name, outputs=[f'out-{name}']),
                    'inputs': [path]}
             for name, given, path in (('a', 'dir', work.folder + '/dir'), ('b', 'link', work.folder + '/link'),
                                       ('c', 'dir', f'./{work.folder}/dir'))}
    yield from settled(work, nodes)
    work.write('dir/second', 'two')
    same((yield nodes), ['a', 'b', 'c'], 'a file more')
    same(work.read('out-b'), b'only\nsecond\n', 'what came of it')


@together.case('what a node reads of others, prints or leaves besides files is looked up each time, and never remembered')
def not_remembered(work):
    nodes = {'print': work.node('echo said', 'print'),
             'result': work.node('printf "{\\"n\\":1}" > "$REEVE_OUTPUT"', 'result'),
             'reads': work.node('test "$N" = said', 'reads', needs=['print'], env={'N': '${print.stdout}'}),
             'glob': work.node(': > g1', 'glob', inputs=['*.txt'], outputs=['g1']),
             'quiet': work.node(': > q', 'quiet', outputs=['q'])}
    work.write('a.txt', 'a')
    yield from settled(work, nodes)
    same(''.join(e['text'] for e in work.done.of('output', node='print', stream=1)), 'said\n', 'its output')
    same(work.entries(), 5, 'entries')
    work.write('b.txt', 'b')
    same((yield nodes), ['glob'], 'a file more that a pattern means')
    for _ in range(4):
        same((yield nodes), [], 'unchanged')
    forget_entries(work.flow)
    same((yield nodes), ['glob', 'print', 'reads', 'result'], 'what is not remembered')


class Chain(Work):
    """A chain that is remembered; the cases that look at it go on one after another, from where the one before has left it."""

    def __init__(self, flow):
        super().__init__(flow)
        self.nodes = chain(self, flow.write)
        self.nodes['a']['env'] = {'V': '${user.v}'}
        same([self.again() for _ in range(3)], [['a', 'b'], [], []], 'what ran at first')
        same(self.hits(), ['a', 'b'], 'hits of the third run')

    def again(self, value='v', **more):
        """What ran."""
        return self.run(self.nodes, words=('--var', f'v={value}'), params={'v': {'type': 'string', 'default': 'v'}}, **more)

    def unchanged(self, what, count=1):
        for _ in range(count):
            same(self.again(), [], what)


def chain_case(claim):
    return case(claim, of=None if is_long() else Chain, alone=True)


@chain_case('another value, variable of the caller or definition is seen, and what was before is found again [C1]')
def values(flow, work=None):
    work = work or Chain(flow)
    same(work.again('other'), ['a'], 'another param')
    work.unchanged('the first param')
    same(work.again(env={'SEEN': '1'}), ['b'], 'a variable that a key has seen')
    work.unchanged('without it')
    work.nodes['b']['shell'] += ' # more'
    same(work.again(), ['b'], 'another definition')
    work.unchanged('the same again')


@chain_case('what is known is a file that may be damaged, cut, of others, or gone: it is asked again, and nothing else')
def damaged(flow, work=None):
    work = work or Chain(flow)
    path = max(known(flow), key=lambda path: os.stat(path).st_mtime_ns)  # of this definition
    os.remove(path)
    os.mkdir(path)
    work.unchanged('a directory in its place')
    os.rmdir(path)
    work.unchanged('nothing in its place')
    whole = open(path, 'rb').read()
    spoilt = bytearray(whole)
    spoilt[len(spoilt) // 2] ^= 1
    more = (('short', whole[:40]), ('more', whole + b'x')) if is_long() else ()
    for what, bytes_ in (('damaged', bytes(spoilt)), ('cut', whole[:-1]), ('empty', b''), *more):
        with open(path, 'wb') as file:
            file.write(bytes_)
        work.unchanged(f'{what}: what ran')
        same(work.hits(), ['a', 'b'], f'{what}: hits')
        same(len(open(path, 'rb').read()), len(whole), f'{what}: it is written anew')


@chain_case('entries that were dropped are not remembered: `reeve cache clear` makes all run [C15]')
def dropped(flow, work=None):
    work = work or Chain(flow)
    flow.call('cache', 'clear')
    same(work.again(), ['a', 'b'], 'what ran')
    work.unchanged('and then', 2)
    forget_entries(flow)
    work.unchanged('it is remembered anew')


@chain_case('what is known is of one store: of a new one in its place nothing is')
def another_store(flow, work=None):
    work = work or Chain(flow)
    for name in ('reeve.db', 'reeve.db-wal'):
        if os.path.exists(os.path.join(flow.store, name)):
            os.remove(os.path.join(flow.store, name))
    for folder in ('logs', 'artifacts'):
        shutil.rmtree(os.path.join(flow.store, folder))
    same(work.again(), ['a', 'b'], 'what ran')
    work.unchanged('and then', 2)


@case('of many files, which are looked at ahead, each change is seen, also one that a node of the same run makes [C1, C3]')
def ahead(flow):
    work = Work(flow)
    names = [f'f{i}' for i in range(300)]
    for name in names:
        flow.write(name, name)
    nodes = {'writes': flow.held(),
             'many': work.node('cat f* > all', 'many', inputs=names, outputs=['all'], needs=['writes'], cache={'deps': 'files'}),
             'one': work.node('cat f299 all > out', 'one', inputs=['f299', 'all'], outputs=['out'], needs=['many'])}

    def ran(given):
        live = flow.start({'nodes': work.seen(nodes)}, env={'LEDGER': work.ledger})
        held = flow.hub.next()
        flow.write('f7', given)
        os.utime(flow.path('f7'), (10**9, 10**9))
        held.end()
        live.end(0)
        return work.ran()

    same([ran('first') for _ in range(UNCHANGED)], [['many', 'one'], [], []], 'at first, and written anew with what it had')
    for given in ('other', 'third') if is_long() else ('other',):
        same(ran(given), ['many', 'one'], 'what a node of this run has changed, in time and size as before')
        same(given in flow.read('all').decode(), True, 'what came of it')
    same([ran(given) for _ in range(2)], [[], []], 'unchanged')
    os.remove(flow.path('all'))
    same(ran(given), [], 'an output of many that is gone')
    same(flow.read('out'), b'f299' + flow.read('all'), 'it is put back')
    flow.write('f299', 'last')
    same(ran(given), ['many', 'one'], 'the last of them')
    same(flow.read('out'), b'last' + flow.read('all'), 'what came of it then')


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


class Stopped(Work):
    """Twenty nodes behind one another, of many files, that are remembered; the last reads one of its own."""

    def __init__(self, flow):
        super().__init__(flow)
        inputs, names = [f'f{i}' for i in range(300)], [f'n{i:02}' for i in range(20)]
        for name in (*inputs, 'in'):
            flow.write(name, 'first')
        self.nodes = {name: {'run': [flow.node_program, 'note', f'{name}.out'], 'cache': True, 'inputs': inputs,
                             'outputs': [f'{name}.out'], 'needs': [before] if before else []}
                      for before, name in zip([None, *names], names)}
        self.last = names[-1]
        self.nodes[self.last].update(self.node(f'cat in > {self.last}.out', self.last, inputs=['in']))
        del self.nodes[self.last]['run']
        for _ in range(UNCHANGED):
            self.run(self.nodes)

    def change_while_stopped(self, point, given):
        live, engine = stop_before_a_hit(self.flow, self.seen(self.nodes), {'LEDGER': self.ledger}, point)
        self.flow.write('in', given)
        until = time.monotonic() + 0.3
        wait_for(lambda: time.monotonic() > until, 'a stall that is longer than a look holds')
        os.kill(engine, signal.SIGCONT)
        done = live.end(0)
        same([e['node'] for e in done.of('node_ended', detail='fresh')], [self.last], 'what ran')
        same(self.flow.read(f'{self.last}.out').decode(), given, 'what came of it')
        self.run(self.nodes)
        same(self.hits(), sorted(self.nodes), 'hits of the next run')


def stopped_case(claim):
    return case(claim, of=None if is_long() else Stopped)


@stopped_case(
    'what was seen ahead does not outlive a stall: an input that changes while the engine is stopped is seen by a node behind [C3]')
def stalled(flow, work=None):
    (work or Stopped(flow)).change_while_stopped('cache.looked', 'second')


@stopped_case('nor does what was seen while the store was being opened [C3]')
def stalled_early(flow, work=None):
    (work or Stopped(flow)).change_while_stopped('host.looked', 'third')


@case('who changes a file and then says something is heard in that order: an input is seen, an output is put back [C3, C12]')
def told(flow):
    work = Work(flow)
    names = [f'f{i}' for i in range(300)]
    for name in names:
        flow.write(name, name)
    flow.write('in', 'first')
    nodes = {'a': work.node('cat in f* > oa', 'a', inputs=['in', *names], outputs=['oa']),
             'p': {'approve': {'message': 'go?'}, 'needs': ['a']},
             'b': work.node('cat in > ob', 'b', inputs=['in'], outputs=['ob'], needs=['p']),
             'c': work.node('printf whole > oc', 'c', inputs=['f0'], outputs=['oc'], needs=['p'])}

    def run(change=None):
        live = flow.start({'nodes': work.seen(nodes)}, env={'LEDGER': work.ledger})
        name = live.started()
        live.expect('blocker_opened')
        if change:
            change()
        flow.tell('decide', run=name, key='p', decision=0)
        return live.end(0)

    for _ in range(UNCHANGED):
        run()
    done = run(lambda: os.remove(flow.path('oc')))
    same((done.node('c')['detail'], flow.read('oc')), ('cache', b'whole'), 'an output that was gone before the word')
    done = run(lambda: flow.write('oc', 'spoilt'))
    same((done.node('c')['detail'], flow.read('oc')), ('cache', b'whole'), 'one that was spoilt')
    for text in ('second', 'other!'):
        run(lambda given=text: flow.write('in', given))
        same(flow.read('ob').decode(), text, 'what came of an input that was written before the word')


if __name__ == '__main__':
    main(one_store=not is_long())
