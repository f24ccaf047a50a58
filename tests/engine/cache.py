"""The cache: what is found again and what is not, and that a hit is a run in all but its process [C1-C14]."""
import json
import os
import random
import shutil
import stat

from harness import case, is_long, main, need, same, shell
from together import Step, Together
from work import Work

together = Together()


def tree(root):
    """Every file, link and directory beneath: what it is, its mode, what is in it."""
    found = {}
    for base, dirs, files in os.walk(root):
        for name in dirs + files:
            path = os.path.join(base, name)
            info = os.lstat(path)
            what = os.readlink(path) if stat.S_ISLNK(info.st_mode) else open(path, 'rb').read() if stat.S_ISREG(info.st_mode) else None
            found[os.path.relpath(path, root)] = (stat.S_IFMT(info.st_mode), stat.S_IMODE(info.st_mode), what)
    return found


@together.case('what was done before is not done again: no process, no attempt, state succeeded(cache) [A3, C10]')
def second_run(work):
    work.write('in', 'one')
    nodes = {'a': work.node('cat in > out', 'a', inputs=['in'], outputs=['out']),
             'b': work.node('wc -c < out > size', 'b', needs=['a'], inputs=['out'], outputs=['size'])}
    same((yield nodes), ['a', 'b'], 'the first run')
    same([row[0] for row in work.ask('epoch', 'attempt')], ['a', 'b'], 'attempts of the first run')
    same((yield nodes), [], 'the second run')
    same(work.hits(), ['a', 'b'], 'hits')
    same(work.ask('epoch', 'attempt'), [], 'attempts')
    same(work.done.of('attempt_started'), [], 'attempts that are told')
    same([e['node'] for e in work.mine(work.flow.journal(work.done.run, 'cached'))], ['a', 'b'], 'the journal')


@together.case('outputs that are gone or changed are put back, byte by byte and mode by mode; equal ones keep their mtime [C12]')
def put_back(work):
    nodes = {'a': work.node('mkdir -p out/deep out/empty; echo one > out/x; echo two > out/deep/y; chmod 750 out/deep/y; chmod 400 out/x; '
                            'ln -s deep/y out/link; head -c 400000 /dev/urandom > out/large', 'a', outputs=['out'])}
    yield nodes
    before = tree(work.path('out'))
    kept = os.stat(work.path('out/large')).st_mtime_ns
    os.remove(work.path('out/x'))
    os.rmdir(work.path('out/empty'))
    os.remove(work.path('out/link'))
    work.write('out/deep/y', 'spoilt')
    same((yield nodes), [], 'what ran')
    same(tree(work.path('out')), before, 'the tree')
    same(os.stat(work.path('out/large')).st_mtime_ns, kept, 'mtime of what was equal')
    shutil.rmtree(work.path('out'))
    same((yield nodes), [], 'what ran then')
    same(tree(work.path('out')), before, 'the whole tree')


@together.case(
    'directories that are outputs get their modes back; what lies beside the outputs stays, as it does when the command runs [C12]')
def directories(work):
    script = 'mkdir -p lib/deep bin; echo 1 > lib/deep/a; echo 2 > lib/b; echo 3 > bin/c; chmod 2711 lib; chmod 555 lib/deep; chmod 700 bin'
    nodes = {'dir': work.node(script, 'dir', outputs=['lib', 'bin/*'])}

    def spoil():
        os.chmod(work.path('lib/deep'), 0o755)
        os.remove(work.path('lib/deep/a'))
        work.write('lib/stale', 'mine')
        work.write('bin/stale', 'mine')

    yield nodes
    before = tree(work.path())
    spoil()
    same((yield nodes), [], 'what ran')
    lib, bin_ = tree(work.path('lib')), tree(work.path('bin'))
    same((lib.pop('stale')[2], bin_.pop('stale')[2]), (b'mine', b'mine'), 'what lies beside')
    same(lib, {name[4:]: what for name, what in before.items() if name.startswith('lib/')}, 'lib')
    same(stat.S_IMODE(os.stat(work.path('lib')).st_mode), 0o2711, 'lib itself')
    os.chmod(work.path('bin'), 0o777)
    same((yield nodes), [], 'what ran then')
    same(stat.S_IMODE(os.stat(work.path('bin')).st_mode), 0o777, 'bin, which is no output itself')
    spoil()
    nodes['dir']['shell'] += ' '
    same((yield nodes), ['dir'], 'with another command')
    same((work.read('lib/stale'), work.read('bin/stale')), (b'mine', b'mine'), 'what lies beside when the command runs')


@together.case('a hit gives what the run gave: stdout, stderr, result, artifacts, to people, templates and conditions [C12]')
def replay(work):
    script = ('echo out; echo err >&2; printf "%s" "{\\"n\\":7}" > "$REEVE_OUTPUT"; '
              'echo art > "$REEVE_ARTIFACTS/f"; head -c 5000 /dev/zero | tr "\\0" z')
    nodes = {'a': work.node(script, 'a'),
             'read': {'run': ['sh', '-c', 'echo "$1 $2" | cut -c1-20; cat "$3"', 'sh', '${a.n}', '${a.stdout}', '${a.artifact.f}'],
                      'needs': ['a']},
             'if': {**shell('echo yes'), 'needs': ['a', 'small'], 'when': '${a.n} == 7 && ${small.stdout} == "small"'},
             'small': work.node('echo small', 'small')}
    same((yield nodes), ['a', 'small'], 'the first run')
    first = work.done
    same((yield nodes), [], 'the second run')
    second = work.done
    same(second.text('read'), first.text('read'), 'what templates were given')
    same(second.node('if')['state'], 'succeeded', 'the condition')
    for stream, begin in ((1, 'out\nzzz'), (2, 'err\n')):
        texts = [''.join(e['text'] for e in done.of('output', node='a', stream=stream)) for done in (first, second)]
        same(texts[1], texts[0], f'output on stream {stream}')
        need(texts[0].startswith(begin), f'stream {stream} of the first: {texts[0][:20]}')
        for done in (first, second) if is_long() else (second,):
            logged = work.flow.call('logs', done.run, work.prefix + 'a', '--stream', str(stream)).text
            same(logged, texts[0], f'`reeve logs --stream {stream}`')
    flow, node = work.flow, work.prefix + 'a'
    rows = flow.ask(f"select run, result from node where id = '{node}' order by started_ms")
    same({row[1] for row in rows}, {'{"n":7}'}, 'results')
    rows = flow.ask(f"select run, name, digest, size from artifact where node = '{node}'")
    same(len({row[1:] for row in rows}), 1, 'artifacts')
    same({row[0] for row in rows}, {first.run, second.run}, 'runs with artifacts')


def states_of(work, nodes, lines):
    """Of each node: was it run? The ledger has a line for each that was."""
    ran = {name: work.done.node(name)['detail'] == 'fresh' for name in nodes}
    same(len(lines), sum(ran.values()), f'lines of the ledger, of {ran}')
    return ran


@together.case('each part of the key makes another one: command, shell, directory, outputs, isolation, schema, variables [C1]')
def key_of_node(work):
    os.mkdir(work.path('sub'))
    base = work.node('[ -d o ] || mkdir o; : > o/out; printf "{}" > "$REEVE_OUTPUT"', env={'V': '1'}, env_host=['SEEN', 'GONE'], dir=None)
    base['shell'] = 'cd "$DIR2"; ' + base['shell']
    base['env']['DIR2'] = work.path()
    same((yield {'a': base}), ['x'], 'the first run')
    of_node = {
        'unchanged': ({}, False),
        'another command': ({'shell': base['shell'] + ' '}, True),
        'another shell': ({'shell_name': 'bash'}, True),
        'another directory': ({'dir': work.folder + '/sub'}, True),
        'an output': ({'outputs': work.beneath(['o/out'])}, True),
        'another isolation': ({'isolation': 'none'}, True),
        'a schema of the result': ({'output_schema': {'type': 'object'}}, True),
        'a variable with another value': ({'env': {**base['env'], 'V': '2'}}, True),
        'a variable more': ({'env': {**base['env'], 'W': ''}}, True),
        'a timeout, a priority, retries': ({'timeout': '50s', 'priority': 3, 'retry': {'max_attempts': 2}}, False),
        'inputs: none is no list of them': ({'inputs': []}, False),
    }
    nodes = {f'n{i}': {**base, **change} for i, (change, _) in enumerate(of_node.values())}
    ran = states_of(work, nodes, (yield Step(nodes, words=['-j1'])))
    same(dict(zip(of_node, ran.values())), {what: runs for what, (_, runs) in of_node.items()}, 'what made it run again')
    same((yield {'a': {**base, 'outputs': work.beneath(['o/out', 'o/*'])}}), ['x'], 'other outputs')
    for what, env, runs in (('a named variable of the caller', {'SEEN': '1'}, True),
                            ('another value of it', {'SEEN': '2'}, True),
                            ('an empty one is not an absent one', {'SEEN': ''}, True),
                            ('the same again, beside one that nobody named', {'SEEN': '1', 'OTHER': '1'}, False),
                            ('PATH', {'PATH': os.environ['PATH'] + ':/nowhere'}, True)):
        same((yield Step({'a': base}, env)), ['x'] if runs else [], what)


@together.case('equal work of another name shares an entry; two nodes of one run too [C1]')
def names_do_not_count(work):
    same((yield {'a': work.node('echo same')}), ['x'], 'the first')
    same((yield {'b': work.node('echo same')}), [], 'another name')
    same((yield {'c': work.node('echo other'), 'd': work.node('echo other', needs=['c'])}), ['x', 'x'], 'with a predecessor')


@together.case('inputs count by path, content and mode, whatever their times [C1, C3]')
def inputs(work):
    files = ('a.c', 'b.c', 'deep/c.c', 'x.h')

    def path(what, name):
        return work.path(what, name)

    def write(name, text):
        return lambda what: work.write(os.path.join(what, name), text)

    def to_link(what):
        os.remove(path(what, 'config'))
        os.symlink('x.h', path(what, 'config'))

    # of each the changes in turn, in a folder of its own: all of a turn are seen by one run
    folders = {
        'time': [(lambda what: os.utime(path(what, 'a.c'), (1, 1)), False), (write('x.h', 'no input'), False)],
        'content': [(write('a.c', 'A.c'), True), (write('a.c', 'a.c'), False), (lambda what: os.chmod(path(what, 'a.c'), 0o755), True)],
        'count': [(write('deep/d.c', ''), True), (lambda what: os.remove(path(what, 'deep/d.c')), False),
                  (lambda what: os.rename(path(what, 'b.c'), path(what, 'B.c')), True)],
        'literal': [(write('config', ''), True), (to_link, True), (write('x.h', 'what the link leads to'), True)],
    }
    nodes = {}
    for what in folders:
        os.makedirs(work.path(what, 'deep'))
        for name in files:
            work.write(os.path.join(what, name), name)
        nodes[what] = work.node(': ' + what, inputs=[f'{what}/**/*.c', f'{what}/config'])
    same(states_of(work, nodes, (yield nodes)), dict.fromkeys(folders, True), 'the first run')
    for turn in range(3):
        wanted = {what: turn < len(steps) and steps[turn][1] for what, steps in folders.items()}
        for what, steps in folders.items():
            if turn < len(steps):
                steps[turn][0](what)
        same(states_of(work, nodes, (yield nodes)), wanted, f'who saw a change of turn {turn}')


@together.case('a file that is rewritten at once with the same size is seen: stamps within the clock are not trusted [C3]')
def racy(work):
    rounds, files = (12, 8) if is_long() else (4, 4)
    nodes = {f'n{k}': work.node(f': {k}', inputs=[f'f{k}']) for k in range(files)}
    for i in range(rounds):
        for k in range(files):
            work.write(f'f{k}', f'{i:04}')
        same(len((yield nodes)), files, f'round {i}')


@together.case('what a predecessor gave counts: stdout, stderr, result, artifacts; as `deps` says [C1]')
def predecessors(work):
    asked = {'all-reads': True, 'values-reads': True, 'values': False, 'files': False}  # does what changed count?

    def graph(given):
        nodes = {'a': shell(given)}
        for name in asked:
            reads = '${a.k:-none}' if name.endswith('reads') else 'nothing'
            nodes[name] = {'run': ['sh', '-c', work.say(name) + 'echo "$1"', 'sh', reads], 'needs': ['a'], 'inputs': [],
                           'cache': {'deps': name.split('-')[0]}}
        return nodes

    result = 'echo k=1 > "$REEVE_OUTPUT"; '
    first = result + 'echo one'
    others = {'stdout': result + 'echo two', 'stderr': first + '; echo e >&2', 'result': 'echo k=1 > "$REEVE_OUTPUT"; echo l=2 >> '
              '"$REEVE_OUTPUT"; echo one', 'artifact': first + '; echo x > "$REEVE_ARTIFACTS/x"'}
    same((yield graph(first)), sorted(asked), 'the first run')
    same((yield graph(first)), [], 'the second')
    for what, given in others.items():
        same((yield graph(given)), sorted(name for name, counts in asked.items() if counts), what)


@together.case('a predecessor that was found counts as the run that it stands for [C1]')
def found_predecessor(work):
    def nodes(text):
        return {'a': work.node(f'echo {text}; echo k=v > "$REEVE_OUTPUT"; echo x > "$REEVE_ARTIFACTS/f"', 'a'),
                'b': work.node('true', 'b', needs=['a']), 'c': work.node('true', 'c', needs=['b'])}
    same((yield nodes('one')), ['a', 'b', 'c'], 'the first run')
    same((yield nodes('one')), [], 'the second')
    same((yield nodes('two')), ['a', 'b'], 'another output: b depends on it, and c on what b gave, which is the same')
    same((yield nodes('one')), [], 'the first again')


@together.case('an artifact that a command is given counts by its content, not by its path [C1]')
def artifact_path(work):
    def nodes(text):
        return {'a': shell(f'echo {text} > "$REEVE_ARTIFACTS/f"'),
                'b': {'run': ['sh', '-c', work.say('b') + 'cat "$1"', 'sh', '${a.artifact.f}'], 'needs': ['a'], 'inputs': [],
                      'cache': {'deps': 'files'}}}
    same((yield nodes('one')), ['b'], 'the first run')
    same((yield nodes('one')), [], 'the second')
    same((yield nodes('two')), ['b'], 'another content')


@together.case('what failed, was cut off or left nothing that was declared is not stored [C10, C13]')
def not_stored(work):
    nodes = {'a': work.node('test -e ok', outputs=['ok'], env={'D': work.path()}), 'missing': work.node('true', outputs=['never'])}
    yield Step(nodes, fails=True)
    same(work.done.node('a')['detail'], 'exit', 'without its output')
    same(work.done.node('missing')['detail'], 'output_missing', 'a missing output')
    work.write('ok', '')
    yield Step(nodes, fails=True)
    same(work.done.node('a')['detail'], 'fresh', 'after a failure')
    same(work.done.node('missing')['detail'], 'output_missing', 'a missing output again')
    same(work.entries(), 1, 'entries')


@together.case('inputs that change while it runs: it stays good, is not stored, and it is said [C4]')
def changed_meanwhile(work):
    work.write('in', 'one')
    node = {'a': work.node('echo two > in', inputs=['in'])}
    same((yield node), ['x'], 'the first run')
    need(any('inputs changed' in text for text in work.notes()), f'notes: {work.notes()}')
    same(work.entries(), 0, 'entries')
    same((yield node), ['x'], 'the second run: `two` was never looked at before')
    same((yield node), [], 'the third')


@together.case('an entry that cannot be used is a miss, never an error: damaged, cut, gone, of another size [C11]')
def corrupt(work):
    def make_folder(path):
        os.remove(path)
        os.mkdir(path)
    spoil = {
        'damaged': lambda path: open(path, 'r+b').write(b'x'),
        'cut': lambda path: os.truncate(path, 10),
        'longer': lambda path: open(path, 'ab').write(b'x'),
        'gone': os.remove,
        'folder': make_folder,
    }
    nodes = {what: work.node(f'printf "%3000s" {what} > {what}.out; echo {what}', what, outputs=[what + '.out']) for what in spoil}

    def outputs():
        return [work.read(what + '.out') for what in spoil]

    def take_away(*names):
        for what in names:
            os.remove(work.path(what + '.out'))

    same((yield nodes), sorted(spoil), 'the first run')
    wanted = outputs()
    same([text.strip().decode() for text in wanted], list(spoil), 'what came of it')
    blobs = {}
    for base, _, names in os.walk(work.flow.path('store/blobs')):
        blobs.update((open(os.path.join(base, name), 'rb').read(), os.path.join(base, name)) for name in names)
    for (what, how), content in zip(spoil.items(), wanted):
        os.chmod(blobs[content], 0o600)
        how(blobs[content])
    take_away(*spoil)
    same((yield nodes), sorted(spoil), 'what was spoilt')
    same(outputs(), wanted, 'what came of it then')
    os.rmdir(blobs[wanted[-1]])
    take_away(*spoil)
    need(set((yield nodes)) <= {'folder'}, 'after that all are found but the one that had a folder in its way')
    same(outputs(), wanted, 'the outputs after that')
    take_away(*spoil)
    same((yield nodes), [], 'after all of it')
    same(outputs(), wanted, 'the outputs after all of it')


@together.case('an entry of a quarantined node is not found by a trusted one, nor the other way [C14]')
def trust(work):
    plain = work.node('echo x', isolation='none', dir=None)
    marked = {**plain, 'trust': 'quarantined'}
    same((yield {'a': marked}), ['x'], 'quarantined')
    same((yield {'a': plain}), ['x'], 'trusted')
    same((yield {'a': marked}), [], 'quarantined again')
    same((yield {'a': plain}), [], 'trusted again')


@together.case('items, iterations and nodes of a sub-workflow are found like others [C1]')
def inside(work):
    body = work.node('echo "$I"', 'x', env={'I': '${item}'}, env_host=['LEDGER'])
    each = {'each': {'foreach': {'items': ['1', '2', '3'], 'do': body}}}
    same((yield each), ['x'] * 3, 'the first run')
    same((yield each), [], 'the second')
    each['each']['foreach']['items'] = ['3', '4', '1']
    same((yield each), ['x'], 'one new item')


@together.case('an output whose place cannot be written makes the node run, and it is said why [C12]')
def in_the_way(work):
    nodes = {'folder': work.node('rm -rf out; echo x > out', 'folder', outputs=['out']),
             'link': work.node('mkdir -p d; echo x > d/out', 'link', outputs=['d/out'])}
    yield nodes
    os.remove(work.path('out'))
    os.makedirs(work.path('out/full'))
    outside = work.path('outside')
    os.mkdir(outside)
    shutil.rmtree(work.path('d'))
    os.symlink(outside, work.path('d'))
    same((yield nodes), ['folder', 'link'], 'with a directory in the way, and a link')
    for path in work.beneath(['out', 'd/out']):
        need(any(text.startswith(path + ' cannot be put back: ') for text in work.notes()), work.notes())
    same(os.listdir(outside), ['out'], 'what the command itself wrote')


@together.case('what a command sees through a link counts with its mode, and an empty directory beneath one that is an input counts [C1]')
def through_links(work):
    for name in ('real', 'bin', 'dir'):
        os.mkdir(work.path(name))
    work.write('real/tool', '#!/bin/sh\necho tool\n')
    os.chmod(work.path('real/tool'), 0o755)
    os.symlink('../real/tool', work.path('bin/tool'))
    nodes = {name: {'shell': script, 'dir': work.folder, 'inputs': work.beneath([given]), 'cache': True}
             for name, script, given in (('runs', './bin/tool', 'bin/*'), ('lists', 'ls -R dir', 'dir'))}

    def details():
        return [(work.done.node(name)['state'], work.done.node(name)['detail']) for name in nodes]

    fresh, hit = ('succeeded', 'fresh'), ('succeeded', 'cache')
    yield nodes
    same(details(), [fresh, fresh], 'first')
    yield nodes
    same(details(), [hit, hit], 'again')
    os.mkdir(work.path('dir/empty'))
    yield nodes
    same(details(), [hit, fresh], 'an empty directory')
    os.chmod(work.path('real/tool'), 0o644)
    yield Step(nodes, fails=True)
    same(details(), [('failed', 'exit'), hit], 'the bits of the file behind the link')


def plan(flow, work, nodes):
    """What `--dry-run` says of each node: will and why."""
    flow.write('flow.json', json.dumps({'reeve': 1, 'nodes': work.seen(nodes)}))
    done = flow.call('run', '-f', flow.path('flow.json'), '--dry-run', '--json', env={'LEDGER': work.ledger})
    return {node['node']: (node['will'], node.get('why', '')) for node in json.loads(done.text)['plan']}


@case('`--dry-run` predicts each node: hit, run, and why: what has changed since its last entry, or after whom [C16, C17]', alone=True)
def forecast(flow):
    work = Work(flow)
    flow.write('in', 'one')
    nodes = {'a': work.node('cat in > out; echo said', 'a', inputs=['in'], outputs=['out']),
             'b': work.node('cat out', 'b', needs=['a'], inputs=['out*', 'lib']), 'c': work.node('true', 'c', env={'V': '1'})}
    same(plan(flow, work, nodes), {'a': ('run', ''), 'b': ('run', ''), 'c': ('run', '')}, 'without a store')
    work.run(nodes)
    same({will for will, _ in plan(flow, work, nodes).values()}, {'hit'}, 'after a run')
    os.remove(flow.path('out'))
    same({will for will, _ in plan(flow, work, nodes).values()}, {'hit'}, 'what would be put back counts')
    need(not os.path.exists(flow.path('out')), 'a plan puts nothing back')
    nodes['c']['env'] = {'V': '2', 'W': '3'}
    flow.write('in', 'two')
    told = plan(flow, work, nodes)
    same(told['a'], ('run', 'input in changed'), 'a')
    same(told['b'], ('run', 'after a has run'), 'b')
    same(told['c'], ('run', 'variable V changed, variable W is new'), 'c')
    flow.write('in', 'one')
    flow.write('lib', '')
    nodes['c']['env'] = {}
    told = plan(flow, work, nodes)
    same((told['a'][0], told['b']), ('hit', ('run', 'input lib changed')), 'b alone')
    same(told['c'], ('run', 'variable V is gone'), 'c')


@case(
    '`--dry-run` and `why -f` predict beside a run that owns the store as they do without one, and change nothing of it [C16, C17]')
def forecast_beside(flow):
    work = Work(flow)
    flow.write('in', 'one')
    nodes = {'a': work.node('cat in > out; echo said', 'a', inputs=['in'], outputs=['out']),
             'b': work.node('cat out', 'b', needs=['a'], inputs=['out']), 'c': work.node('true', 'c', env={'V': '1'})}
    work.run(nodes)
    live = flow.start({'nodes': {'h': flow.held()}})
    held = flow.hub.next()
    kept = [os.stat(flow.path('store', name)).st_mtime_ns for name in ('stamps', 'used') if os.path.exists(flow.path('store', name))]
    same({will for will, _ in plan(flow, work, nodes).values()}, {'hit'}, 'after a run')
    nodes['c']['env'] = {'V': '2'}
    flow.write('in', 'two')
    told = plan(flow, work, nodes)
    same(told, {'a': ('run', 'input in changed'), 'b': ('run', 'after a has run'), 'c': ('run', 'variable V changed')}, 'after changes')
    text = flow.call('why', '-f', flow.path('flow.json'), 'c', env={'LEDGER': work.ledger}).text
    need('would run: no_entry' in text and 'variable V changed since its last entry' in text, text)
    same([os.stat(flow.path('store', name)).st_mtime_ns for name in ('stamps', 'used') if os.path.exists(flow.path('store', name))], kept,
         'what the owner will write')
    held.end()
    live.end(0)


@case('a run that was interrupted finds what it did, also as a predecessor whose output is only in the log [C12]')
def resumed(flow):
    work = Work(flow)
    nodes = {'a': shell('echo given'), 'b': flow.held(needs=['a']), 'c': work.node('echo c', 'c', needs=['a', 'b'])}
    env = {'LEDGER': work.ledger}
    live = flow.start({'nodes': work.seen(nodes)}, env=env)
    flow.hub.next()
    live.kill_engine()
    again = flow.start(None, '--resume', env=env)
    flow.hub.next().end()
    again.end(0)
    same(open(work.ledger).read(), 'c\n', 'what ran')
    whole = flow.start({'nodes': work.seen(nodes)}, env=env)
    flow.hub.next().end()
    whole.end(0)
    same(open(work.ledger).read(), 'c\n', 'a run that knows what `a` gave from its attempt')


@case('two nodes with one key at the same time: both are good, and one entry is left [C10]')
def one_key(flow):
    nodes = {f'same{i}': flow.held(cache=True, inputs=[], env_host=['HUB']) for i in range(4)}
    live = flow.start({'nodes': nodes}, '-j4')
    all_ = flow.hub.take(4).values()
    for held in all_:
        held.connection.sendall(b'0 words\n')
    for held in all_:
        held.wait_gone()
    done = live.end(0)
    same({e['state'] for e in done.of('node_ended')}, {'succeeded'}, 'states')
    same(flow.one("select count(*) from cache where node like 'same_'"), 1, 'entries')
    done = flow.run({'nodes': nodes})
    same((done.of('attempt_started'), {done.text(name) for name in nodes}), ([], {'words'}), 'again')


@case('a secret is in no entry, and changes no key [C1, E31]')
def secrets(flow):
    work = Work(flow)
    node = {'a': work.node('echo "got $S"; echo "s=$S" > "$REEVE_OUTPUT"', env={'S': '${user.token}'})}
    params = {'token': {'secret': True}}
    same(work.run(node, words=['--var', 'token=hunter2hunter2'], params=params), ['x'], 'the first run')
    same(work.run(node, words=['--var', 'token=swordfish9999'], params=params), [], 'another secret')
    need('***' in work.done.text('a'), work.done.text('a'))
    for base, _, names in os.walk(flow.store):
        for name in names:
            with open(os.path.join(base, name), 'rb') as file:
                need(b'hunter2hunter2' not in file.read(), f'the secret is in {name}')


def random_nodes(rng, work, count):
    """Commands that read what others wrote and write files of all kinds."""
    nodes = {}
    for i in range(count):
        needs = rng.sample(sorted(nodes), min(len(nodes), rng.randrange(3)))
        script = [f'mkdir -p o{i}/d']
        reads = [f'{n.replace("n", "o")}/**' for n in needs if rng.random() < 0.7]
        for k in range(rng.randrange(4)):
            name = f'o{i}/{"d/" if rng.random() < 0.4 else ""}f{k}'
            script.append(rng.choice([f'echo {rng.random()} > {name}', f': > {name}', f'head -c {rng.randrange(300000)} /dev/zero > {name}',
                                      f'ls -R o* | wc -l > {name}', f'ln -sfn f{rng.randrange(4)} {name}']))
            if rng.random() < 0.5 and 'ln' not in script[-1]:
                script.append(f'chmod {rng.choice(["755", "400", "640", "711"])} {name}')
        if rng.random() < 0.3:
            script.append(f'mkdir -p o{i}/empty')
        if rng.random() < 0.5:
            script.append(f'chmod {rng.choice(["500", "750", "711"])} o{i}/d')
        for text in (f'echo out {rng.random()}', 'echo err >&2', f'echo "k={rng.random()}" > "$REEVE_OUTPUT"',
                     f'echo {rng.random()} > "$REEVE_ARTIFACTS/a"'):
            if rng.random() < 0.4:
                script.append(text)
        outputs = rng.choice([[f'o{i}'], [f'o{i}/**'], [f'o{i}/f*', f'o{i}/d/*']])
        nodes[f'n{i}'] = work.node('; '.join(script), f'n{i}', needs=needs, inputs=reads, outputs=outputs)
        nodes[f'n{i}']['shell'] = f'[ ! -e o{i} ] || rm -rf o{i}; ' + nodes[f'n{i}']['shell']
    return nodes


@case('of random nodes a hit equals the run: every file, mode and byte, output, result and artifact [C12]')
def property_of_hits(flow):
    seed = int(os.environ.get('SEED', random.randrange(1 << 30)))
    print(f'# seed {seed}', flush=True)
    rng = random.Random(seed)
    for round_ in range(8 if is_long() else 1):
        work = Work(flow)
        work.ledger = flow.path(f'ledger{round_}')
        count = 14 if is_long() else 6
        nodes = random_nodes(rng, work, count)

        def state():
            files = {}
            for i in range(count):
                declared = nodes[f'n{i}']['outputs']
                for path, what in tree(flow.path(f'o{i}')).items():
                    is_dir = stat.S_ISDIR(what[0])
                    if declared == [f'o{i}'] or not is_dir and (
                            declared[0] == f'o{i}/**' or path.split('/')[-1].startswith('f')):
                        files[f'o{i}/{path}'] = what
            rows = flow.ask(f"select id, result from node where run = '{work.done.run}' order by id")
            made = flow.ask(f"select node, name, digest, size from artifact where run = '{work.done.run}' order by node, name")
            said = {(n, s): ''.join(e['text'] for e in work.done.of('output', node=n, stream=s)) for n in nodes for s in (1, 2)}
            if is_long():
                same({(n, s): flow.call('logs', work.done.run, n, '--stream', str(s)).text for n, s in said}, said, 'logs')
            return files, rows, made, said
        same(len(work.run(nodes)), count, 'the first run')
        before = state()
        for i in range(count):
            if rng.random() < 0.8:
                shutil.rmtree(flow.path(f'o{i}'))
        predicted = plan(flow, work, nodes)
        same(work.run(nodes), [], f'what ran; predicted {predicted}')
        for what, was, now in zip(('files', 'results', 'artifacts', 'output'), before, state()):
            same(now, was, what)
        same({will for will, _ in predicted.values()}, {'hit'}, 'predictions')


@case('killed at each step of storing and putting back it goes on, and what it finds is whole [C10, C12]')
def killed(flow):
    work = Work(flow)
    script = '[ -d k{0} ] || mkdir k{0}; echo {1} {0} > k{0}/a; printf "%{2}s" {1} > k{0}/b; echo said {0}'
    sizes = (300000, 3000, 300000, 300000) if is_long() else (300000, 3000)  # large ones are staged
    count = len(sizes)
    env = {'LEDGER': work.ledger}
    keeping = ('blob.before_rename', 'blob.after_rename'), ('cache.kept', 'store.before_commit', 'store.after_commit')
    restoring = ('cache.staged', 'cache.made'), ('cache.placed', 'cache.settled')
    # in check one death comes after another before it goes on to its end
    deaths = [what for points in (*keeping, *restoring) for what in (
        [[f'{point}:{passage}'] for point in points for passage in (1, 2, 3)] if is_long() else [[f'{point}:1' for point in points]])]
    for what in deaths:
        keeps = any(what[0].split(':')[0] in points for points in keeping)
        for i in range(count):
            shutil.rmtree(flow.path(f'k{i}'), ignore_errors=True)
            if keeps:
                os.mkdir(flow.path(f'k{i}'))
        if keeps:  # of what nobody has kept yet
            said = what[0]
            nodes = {f'k{i}': work.node(script.format(i, said, size), f'k{i}', outputs=[f'k{i}']) for i, size in enumerate(sizes)}
        for point in what:
            dying = flow.start({'nodes': work.seen(nodes)}, '-j1', env={**env, 'REEVE_FAIL_POINT': point}).end(137)
        resumes = dying.run and what[-1].startswith('cache.')  # one that nobody was told of need not be there
        if resumes:
            flow.run(None, '--resume', dying.run, env=env)
        if not resumes or is_long():
            flow.run({'nodes': work.seen(nodes)}, env=env)
        for i, size in enumerate(sizes):
            same(sorted(tree(flow.path(f'k{i}'))), ['a', 'b'], f'{what} k{i}')
            same(flow.read(f'k{i}/a').decode(), f'{said} {i}\n', f'{what} k{i}/a')
            need(flow.read(f'k{i}/b').decode() == said.rjust(size), f'{what} k{i}/b')
        same(os.listdir(flow.path('store/stage')) if os.path.isdir(flow.path('store/stage')) else [], [], 'what is staged')
        same([n for n in os.listdir(flow.dir) if n.startswith('.reeve-stage')], [], 'what is beside')
    flow.call('cache', 'clean', '--stale')
    same(flow.run({'nodes': work.seen(nodes)}, env=env).of('attempt_started'), [], 'after all of it everything is found')


if __name__ == '__main__':
    main(one_store=not is_long())
