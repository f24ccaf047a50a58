"""What a command leaves behind: results, artifacts, declared outputs [W14, E30, C13]; and reducers over it [K14]."""
import json
import os
import shutil

from harness import case, is_long, main, need, same, shell


def result(flow, node='a'):
    text = flow.one(f"select result from node where id = '{node}'")
    return json.loads(text) if text else None


def give(flow, text, **more):
    """A node whose $REEVE_OUTPUT has this text."""
    return flow.does('put', '@REEVE_OUTPUT', text, **more)


def leave(flow, makes):
    """Each held node, as it comes, leaves in its folder what makes[node](output, artifacts) does, and succeeds."""
    for _ in makes:
        held = flow.hub.next()
        given = held.environ()
        makes[held.node](given['REEVE_OUTPUT'], given['REEVE_ARTIFACTS'])
        held.end()


def make_file(path, text='x'):
    with open(path, 'w') as file:
        file.write(text)


def refused(done, name, detail, *words):
    end = done.node(name)
    same((end['state'], end['detail']), ('failed', detail), name)
    for word in words:
        need(word in end['error'], f'{word!r} is not in {end["error"]!r}')
    return end


GOOD = {'object': ('{"a": [1, 2.50, "x"], "b": {}}', {'a': [1, 2.5, 'x'], 'b': {}}), 'number': ('17', 17), 'string': ('"a b"', 'a b'),
        'true': ('true', True), 'array': (' [1]\n', [1]), 'lines': ('a=1\nb=x=y\n\na=2\r\nc=\n', {'b': 'x=y', 'a': '2', 'c': ''}),
        'one': ('k=v', {'k': 'v'}), 'blank': (' \n\t\n', None), 'empty': ('', None),
        'long': ('\n'.join(f'k{i % 7}={i}' for i in range(100)), {f'k{i % 7}': str(i) for i in range(100)}), 'utf8': ('k=ü\n', {'k': 'ü'})}
BAD = {'cut': '{"a": 1', 'twice': '{"a":1,"a":2}', 'words': 'just words', 'nokey': '=x\n', 'deep': '[' * 80 + ']' * 80, 'two': '[1] [2]'}
LINES = 60000 if is_long() else 30000


def left(flow):
    """A run whose nodes leave results, artifacts and outputs of every kind."""
    def fill(count):
        return flow.does('to', '@REEVE_OUTPUT', 'say', '"', 'fill', count, 'say', '"')
    nodes = {name: give(flow, text) for name, (text, _) in GOOD.items()} | {name: give(flow, text) for name, text in BAD.items()}
    nodes['many'] = shell(f'exec seq -f "k%.0f=1" {LINES} > "$REEVE_OUTPUT"', timeout='20s')
    nodes['again'] = shell('if [ -z "$REEVE_FEEDBACK" ]; then printf "{" > "$REEVE_OUTPUT"; else printf "%s" "$REEVE_FEEDBACK" '
                           '> "$DIR/feedback"; fi', retry={'max_attempts': 2})
    nodes |= {'fits': fill((1 << 20) - 2), 'over': fill((1 << 20) - 1)}
    title = {'output_schema': {'type': 'object', 'required': ['title'], 'properties': {'title': {'type': 'string', 'minLength': 3}}},
             'retry': {'max_attempts': 3}}
    learns = ('echo "${REEVE_FEEDBACK-none}" >> "$DIR/said"; '
              'case ${REEVE_ATTEMPT##*/} in 1) ;; 2) printf \'{"title":7}\' > "$REEVE_OUTPUT" ;; *) printf \'{"title":"good"}\' > '
              '"$REEVE_OUTPUT" ;; esac')
    nodes |= {'learns': shell(learns, **title), 'never': give(flow, '{"title":""}', **title)}
    nodes['copies'] = shell('echo same > "$REEVE_ARTIFACTS/x"; chmod 0400 "$REEVE_ARTIFACTS/x"; echo same > "$REEVE_ARTIFACTS/y"; '
                            ': > "$REEVE_ARTIFACTS/empty"; echo k > "$REEVE_ARTIFACTS/-odd name;\'\\"$"')
    nodes['reads'] = {'needs': ['copies'], 'run': ['cat', '${copies.artifact.x}', '${copies.artifact.y}']}
    nodes |= {'unmade': flow.does(outputs=['made/x'], retry={'max_attempts': 3}), 'below': shell('true', needs=['unmade']),
              'made': shell('mkdir -p out && echo > out/y', outputs=['out/y'])}
    nodes['failed'] = flow.does('put', '@REEVE_OUTPUT', 'k=1', 'put', '@REEVE_ARTIFACTS/x', 'x', 'exit', 1)
    nodes['asks'] = shell('printf "%s" "[$K]" > "$DIR/k"', needs=['failed'], dep_policy='all_terminal', env={'K': '${failed.k}'})
    return flow.run({'nodes': nodes}, status=1)


@case('a result is JSON of any kind, or key=value lines of which a later one wins, or nothing [W14]', of=left)
def good_results(flow, done):
    for name, (_, wanted) in GOOD.items():
        same(result(flow, name), wanted, name)


@case('a result of many thousand lines is read in time proportional to it [W14]', of=left)
def many_lines(flow, done):
    same(len(result(flow, 'many')), LINES, 'keys')


@case('a malformed result fails with kind schema and says what is wrong; it is tried again with that as feedback [W14]', of=left)
def bad_results(flow, done):
    for name in BAD:
        refused(done, name, 'schema', '$REEVE_OUTPUT')
    same(done.node('again')['state'], 'succeeded', 'again')
    need(b'$REEVE_OUTPUT' in flow.read('feedback'), 'the feedback')


@case('a result of 1 MiB is taken; a byte more is refused with what to do instead [W14]', of=left)
def result_limit(flow, done):
    same(len(result(flow, 'fits')), (1 << 20) - 2, 'size')
    refused(done, 'over', 'schema', '1 MiB', '$REEVE_ARTIFACTS')


@case('output_schema is checked; a violation is tried again with the violation as REEVE_FEEDBACK, and fails in the end [W14, W3a]', of=left)
def schema(flow, done):
    said = flow.read('said').decode()
    same(said.split('\n')[0], 'none', 'feedback of the first attempt')
    need('title' in said and 'string' in said, said)
    same(result(flow, 'learns'), {'title': 'good'}, 'the result')
    states = flow.ask("select number, state, detail from attempt where node = 'learns' order by number")
    same(states, [(1, 'error', 'schema'), (2, 'error', 'schema'), (3, 'ok', '')], 'attempts')
    same(refused(done, 'never', 'schema', 'title')['attempt'], 3, 'attempts')
    need(not flow.one("select result from node where id = 'never'"), 'a refused result was kept')


@case('an artifact is its own copy: equal bytes are stored once, a later change of the file changes nothing', of=left)
def copies(flow, done):
    same(done.text('reads'), 'same\nsame\n', 'what another one read')
    rows = dict(flow.ask("select name, digest from artifact where node = 'copies'"))
    same(sorted(rows), ['-odd name;\'"$', 'empty', 'x', 'y'], 'names')
    same(rows['x'], rows['y'], 'digests')


@case('a declared output that was not made fails with output_missing, is not tried again, and its dependents are skipped [C13, W3a]',
      of=left)
def output_missing(flow, done):
    same(refused(done, 'unmade', 'output_missing', 'made/x')['attempt'], 1, 'attempts')
    end = done.node('below')
    same((end['state'], end['detail'], end['root']), ('skipped', 'upstream', 'unmade'), 'below')
    same(done.node('made')['state'], 'succeeded', 'made')


@case('a failed attempt gives no result, whatever it wrote [W14]', of=left)
def failed_gives_nothing(flow, done):
    same(done.node('asks')['state'], 'succeeded', 'who asks for it')
    same(flow.read('k'), b'[]', 'the value')
    same(flow.ask("select count(*) from artifact where node = 'failed'"), [(0,)], 'artifacts')


def at_work(held):
    """The folder of a node that runs, and what is to be seen of it."""
    given = held.environ()
    folder, artifacts = os.path.dirname(given['REEVE_OUTPUT']), given['REEVE_ARTIFACTS']
    same(artifacts, os.path.join(folder, 'artifacts'), 'where its artifacts go')
    return folder, [os.listdir(folder), os.listdir(artifacts), os.lstat(folder).st_mode, os.lstat(artifacts).st_mode]


CLEAN = [['artifacts'], [], 0o40700, 0o40700]


def replace(path, make):
    shutil.rmtree(path)
    make(path)


MESSES = (
    lambda at: make_file(f'{at}/output', '{}'), lambda at: make_file(f'{at}/artifacts/x'), lambda at: os.chmod(at, 0o755),
    lambda at: os.chmod(f'{at}/artifacts', 0o711), lambda at: os.rmdir(f'{at}/artifacts'),
    lambda at: replace(f'{at}/artifacts', lambda path: os.symlink('..', path)),
    lambda at: (os.makedirs(os.path.join(at, 'work', 'deep')), os.mkdir(os.path.join(at, 'worktree'))),
    lambda at: replace(at, lambda path: os.symlink('..', path)),
    lambda at: replace(at, make_file), lambda at: make_file(os.path.join(os.path.dirname(at), 'other')))


@case('a scratch directory is kept for the next run as it was made; what anybody left there, or changed, is not [W14, W15]', alone=True)
def kept_scratch(flow):
    tmp = os.path.join(flow.store, 'tmp')
    spoils = shell('echo x > "$REEVE_ARTIFACTS/x"; chmod 500 "${REEVE_OUTPUT%/*}"', needs=['a'])
    numbers = []
    for nodes, kept in (({'a': flow.held()}, ['s0']), ({'a': flow.held(), 'spoils': spoils}, [])):
        live = flow.start({'nodes': nodes})
        held = flow.hub.next()
        same(at_work(held), (f'{tmp}/s0', CLEAN), 'what a node finds')
        numbers.append(os.stat(f'{tmp}/s0').st_ino)
        held.end()
        live.end(0)
        same(os.listdir(tmp), kept, 'what is kept')
    same(numbers[0], numbers[1], 'the directory itself')
    for number, mess in enumerate(MESSES, 1):
        folder = os.path.join(tmp, f's{number}')
        os.makedirs(os.path.join(folder, 'artifacts'), mode=0o700, exist_ok=True)
        os.chmod(folder, 0o700)
        mess(folder)
    live = flow.start({'nodes': {f'a{i}': flow.held() for i in range(9)}}, '-j9')
    begun = [flow.hub.next() for _ in range(9)]
    found = dict(at_work(held) for held in begun)
    same(found, {os.path.join(tmp, f's{i}'): CLEAN for i in range(9)}, 'what nodes find where there was a mess, or a node had left one')
    for held in begun:
        held.end()
    live.end(0)
    for name in os.listdir(tmp):
        folder = os.path.join(tmp, name)
        modes = [os.lstat(path).st_mode for path in (folder, os.path.join(folder, 'artifacts'))]
        same((modes, os.listdir(folder), os.listdir(os.path.join(folder, 'artifacts'))), ([0o40700] * 2, ['artifacts'], []), name)


@case('$REEVE_OUTPUT that is not a regular file is refused and not tried again: link, directory, pipe [W14, A9]')
def not_regular(flow):
    makes = {'link': lambda output, _: os.symlink('/etc/passwd', output), 'dir': lambda output, _: os.mkdir(output),
             'fifo': lambda output, _: os.mkfifo(output), 'dangling': lambda output, _: os.symlink('/nowhere', output)}
    nodes = {name: flow.held(retry={'max_attempts': 2}) for name in makes}
    live = flow.start({'nodes': {**nodes, 'after': give(flow, 'k=v', after=list(makes))}}, '-j', '1')
    leave(flow, makes)
    done = live.end(1)
    for name in makes:
        same(refused(done, name, 'output_not_regular')['attempt'], 1, name)
    same(result(flow, 'after'), {'k': 'v'}, 'the next one in the same folder')


@case('artifacts that are links, pipes or escape are refused by name, whole, and not tried again [E30]')
def bad_artifacts(flow):
    makes = {'link': lambda _, at: os.symlink('/etc/passwd', f'{at}/x'), 'up': lambda _, at: os.symlink('../../../key', f'{at}/x'),
             'fifo': lambda _, at: os.mkfifo(f'{at}/x'), 'dirlink': lambda _, at: os.symlink('/etc', f'{at}/x'),
             'within': lambda _, at: (os.mkdir(f'{at}/d'), os.symlink('/etc/passwd', f'{at}/d/x')),
             'self': lambda _, at: replace(at, lambda path: os.symlink('/etc', path)), 'file': lambda _, at: replace(at, make_file)}
    nodes = {name: flow.held(retry={'max_attempts': 2}) for name in makes}
    nodes['after'] = flow.does('put', '@REEVE_ARTIFACTS/x', 'fine\n', after=list(makes))
    live = flow.start({'nodes': nodes}, '-j', '1')
    leave(flow, makes)
    done = live.end(1)
    for name in makes:
        same(refused(done, name, 'output_path')['attempt'], 1, name)
    same(flow.ask('select node, name, size from artifact'), [('after', 'x', 5)], 'artifacts')
    need(os.path.exists('/etc/passwd') and os.path.exists(flow.path('store', 'key')), 'what a link led to was removed')


@case('nothing of one attempt is left for the next one in the same folder')
def no_leftovers(flow):
    nodes = {'a': flow.held(), 'b': flow.held(needs=['a']), 'c': flow.does('exit', 3, needs=['b']),
             'd': flow.does('put', '@REEVE_OUTPUT', 'x\n', 'exit', 3, needs=['b']), 'e': flow.held(after=['c', 'd'])}
    live = flow.start({'nodes': nodes}, '-j', '1')

    def spoil(output, artifacts):
        make_file(output, 'k=1\n')
        make_file(f'{artifacts}/x')
        os.mkdir(f'{artifacts}/d', 0)

    def look(output, artifacts):
        need(not os.path.lexists(output) and os.listdir(artifacts) == [], 'something is left')
    leave(flow, {'a': spoil, 'b': look, 'e': look})
    live.end(1)
    same(flow.ask("select id, state from node where id in ('b', 'e')"), [('b', 'succeeded'), ('e', 'succeeded')], 'states')
    same(flow.ask("select result from node where id in ('c', 'd', 'e')"), [('',), ('',), ('',)], 'results')


# ---- reducers ----

def reduce(reducer, *of, **more):
    return {'reduce': {'reducer': reducer, 'of': list(of)}, 'needs': list(of), **more}


TEXTS = {'a': 'one\ntwo\n', 'b': 'two\n\nthree', 'c': '', 'd': 'one\ntwo\n'}
VALUES = {'v': [1, {'k': 2}], 'w': [], 'x': [[3], 1]}
PARTLY = ('concat', 'count', 'first', 'majority', 'dedupe_lines')


def reductions(flow):
    """A run that reduces in every way what it can, and what it cannot."""
    nodes = {name: flow.does('say', text) for name, text in TEXTS.items()}
    nodes |= {name: give(flow, json.dumps(value)) for name, value in VALUES.items()}
    nodes['said'] = flow.does('say', '[9, "ü"]\n')
    nodes |= {'concat': reduce('concat', 'b', 'a', 'c', 'd'), 'lines': reduce('dedupe_lines', *TEXTS),
              'merge': reduce('merge_json_arrays', 'v', 'w', 'x', 'said'), 'count': reduce('count', *TEXTS, *VALUES),
              'first': reduce('first', 'x', 'a'), 'text': reduce('first', 'a', 'x'), 'most': reduce('majority', 'b', 'd', 'a', 'c'),
              'tie': reduce('majority', 'b', 'v', 'w')}
    same_value = ['{"a":1,"b":[2]}', '{"b":[2.0],"a":1e0}', ' {"b" : [2], "a": 1} ']
    nodes |= {f's{i}': give(flow, text) for i, text in enumerate(same_value)} | {f't{i}': give(flow, '{"a":2}') for i in range(2)}
    nodes['equal'] = reduce('majority', 't0', 's0', 't1', 's1', 's2')
    policy = {'dep_policy': 'all_terminal'}
    nodes |= {'fails': flow.does('say', 'a\n', 'exit', 1), 'says': flow.does('say', 'b\n'), 'off': shell('echo off', when='false'),
              **{'some_' + name: reduce(name, 'fails', 'says', 'off', **policy) for name in PARTLY},
              **{'none_' + name: reduce(name, 'fails', 'off', **policy) for name in (*PARTLY, 'merge_json_arrays')}}
    nodes |= {'object': give(flow, '{"k":1}'), 'big': flow.does('fill', 1100000), 'half': flow.does('fill', 700000),
              'bad_object': reduce('merge_json_arrays', 'object'), 'bad_text': reduce('merge_json_arrays', 'says'),
              'bad_big': reduce('concat', 'big'), 'after': shell('true', needs=['bad_object']),
              'over': reduce('concat', 'half', 'b', 'half2', 'big'), 'half2': flow.does('fill', 400000)}
    return flow.run({'nodes': nodes}, '--output', 'quiet', status=1)


@case('a reduction that is over its limit reads no more of its inputs [K14]', of=reductions)
def reduce_stops(flow, done):
    refused(done, 'bad_big', 'reducer', '1 MiB')
    error = flow.one("select error from node where id = 'over'")
    same(error, 'the reduced value is over 1 MiB', 'why it failed, though its last is unreadable')


@case('every reducer gives what its twin in Python gives [K14]', of=reductions)
def reducers(flow, done):
    stripped = {name: text.rstrip('\n') for name, text in TEXTS.items()}
    lines = list(dict.fromkeys(line for text in stripped.values() for line in text.split('\n') if line))
    wanted = {'concat': '\n'.join(stripped[n] for n in ('b', 'a', 'c', 'd')), 'lines': lines,
              'merge': VALUES['v'] + VALUES['w'] + VALUES['x'] + [9, 'ü'], 'count': 7, 'first': VALUES['x'], 'text': 'one\ntwo',
              'most': 'one\ntwo', 'tie': 'two\n\nthree'}
    for name, value in wanted.items():
        same(result(flow, name), {'value': value}, name)


@case('a majority takes equal values as one, however they are written, and thousands of inputs [K14]', of=reductions)
def majority(flow, done):
    same(result(flow, 'equal'), {'value': {'a': 1, 'b': [2]}}, 'the most')
    count = 20000 if is_long() else 5000
    many = {f'm{i}': {'set': {'v': f'{i}'}} for i in range(count)} | {f'n{i}': {'set': {'v': '7'}} for i in range(2)}
    flow.run({'name': 'many', 'nodes': {**many, 'mode': reduce('majority', *many)}})
    same(result(flow, 'mode'), {'value': {'v': 7}}, 'the mode of many')


@case('a reducer takes what succeeded; over nothing it gives the neutral value [K14]', of=reductions)
def reduce_partly(flow, done):
    some = {'concat': 'b', 'count': 1, 'first': 'b', 'majority': 'b', 'dedupe_lines': ['b']}
    none = {'concat': '', 'count': 0, 'first': None, 'majority': None, 'dedupe_lines': [], 'merge_json_arrays': []}
    for name, value in some.items():
        same(result(flow, 'some_' + name), {'value': value}, name)
    for name, value in none.items():
        same(result(flow, 'none_' + name), {'value': value}, 'of nothing: ' + name)


@case('a reducer that cannot fails with kind reducer and says which input; its dependents are skipped [K14, A9]', of=reductions)
def reduce_fails(flow, done):
    refused(done, 'bad_object', 'reducer', 'object', 'array')
    refused(done, 'bad_text', 'reducer', 'says')
    refused(done, 'bad_big', 'reducer', 'big', '1 MiB')
    same(done.node('after')['root'], 'bad_object', 'the root')


@case('a reducer uses no slot: it is performed while every slot is taken [K14]')
def reduce_without_slot(flow):
    live = flow.start({'nodes': {'hold': flow.held(), 'a': flow.held(), 'r': reduce('count', 'a')}}, '-j', '2')
    held = flow.hub.take(2)
    held['a'].end()
    live.expect('node_ended', node='r', state='succeeded')
    held['hold'].end()
    live.end(0)


if __name__ == '__main__':
    main(one_store=True)
