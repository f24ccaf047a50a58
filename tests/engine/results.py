"""What a command leaves behind: results, artifacts, declared outputs [W14, E30, C13]; and reducers over it [K14]."""
import json
import os
import re
import subprocess

from harness import case, main, need, same, shell


def result(flow, node='a'):
    text = flow.one(f"select result from node where id = '{node}'")
    return json.loads(text) if text else None


def give(text, **more):
    """A node whose $REEVE_OUTPUT has this text."""
    return {'run': ['sh', '-c', 'printf "%s" "$1" > "$REEVE_OUTPUT"', 'sh', text], **more}


def refused(done, name, detail, *words):
    end = done.node(name)
    same((end['state'], end['detail']), ('failed', detail), name)
    for word in words:
        need(word in end['error'], f'{word!r} is not in {end["error"]!r}')
    return end


@case('a result is JSON of any kind, or key=value lines of which a later one wins, or nothing [W14]')
def good_results(flow):
    texts = {'object': ('{"a": [1, 2.50, "x"], "b": {}}', {'a': [1, 2.5, 'x'], 'b': {}}), 'number': ('17', 17), 'string': ('"a b"',
        'a b'), 'true': ('true', True),
             'array': (' [1]\n', [1]), 'lines': ('a=1\nb=x=y\n\na=2\r\nc=\n', {'b': 'x=y', 'a': '2', 'c': ''}), 'one': ('k=v',
             {'k': 'v'}), 'blank': (' \n\t\n', None), 'empty': ('', None),
             'long': ('\n'.join(f'k{i % 7}={i}' for i in range(100)), {f'k{i % 7}': str(i) for i in range(100)}), 'utf8': ('k=ü\n',
             {'k': 'ü'})}
    flow.run({'nodes': {name: give(text) for name, (text, _) in texts.items()}})
    for name, (_, wanted) in texts.items():
        same(result(flow, name), wanted, name)


@case('a result of many thousand lines is read in time proportional to it [W14]')
def many_lines(flow):
    flow.run({'nodes': {'a': shell('seq -f "k%.0f=1" 60000 > "$REEVE_OUTPUT"', timeout='20s')}})
    same(len(result(flow)), 60000, 'keys')


@case('a malformed result fails with kind schema and says what is wrong; it is tried again with that as feedback [W14]')
def bad_results(flow):
    texts = {'cut': '{"a": 1', 'twice': '{"a":1,"a":2}', 'words': 'just words', 'nokey': '=x\n', 'deep': '[' * 80 + ']' * 80,
        'two': '[1] [2]'}
    done = flow.run({'nodes': {**{name: give(text) for name, text in texts.items()},
                               'again': shell('if [ -z "$REEVE_FEEDBACK" ]; then printf "{" > "$REEVE_OUTPUT"; else printf "%s" '
                                              '"$REEVE_FEEDBACK" > "$DIR/feedback"; fi', retry={'max_attempts': 2})}}, status=1)
    for name in texts:
        refused(done, name, 'schema', '$REEVE_OUTPUT')
    same(done.node('again')['state'], 'succeeded', 'again')
    need(b'$REEVE_OUTPUT' in flow.read('feedback'), 'the feedback')


@case('a result of 1 MiB is taken; a byte more is refused with what to do instead [W14]')
def result_limit(flow):
    fill = 'printf \'"\' > "$REEVE_OUTPUT"; head -c %d /dev/zero | tr "\\0" x >> "$REEVE_OUTPUT"; printf \'"\' >> "$REEVE_OUTPUT"'
    done = flow.run({'nodes': {'fits': shell(fill % ((1 << 20) - 2)), 'over': shell(fill % ((1 << 20) - 1))}}, status=1)
    same(len(result(flow, 'fits')), (1 << 20) - 2, 'size')
    refused(done, 'over', 'schema', '1 MiB', '$REEVE_ARTIFACTS')


@case('a scratch directory is kept for the next run as it was made; what anybody left there, or changed, is not [W14, W15]', alone=True)
def kept_scratch(flow):
    look = {'nodes': {'a': shell('ls -A "$(dirname "$REEVE_OUTPUT")" "$REEVE_ARTIFACTS" | tr "\\n" " "; stat -c %a-%F "$REEVE_ARTIFACTS"')}}
    tmp = os.path.join(flow.store, 'tmp')
    clean = f'{tmp}/s0: artifacts  {tmp}/s0/artifacts: 700-directory\n'

    def seen():
        done = flow.run(look)
        return ''.join(event['text'] for event in done.of('output', node='a', stream=1))

    same([seen(), seen()], [clean, clean], 'two runs')
    same(os.listdir(tmp), ['s0'], 'what is kept')
    kept = os.stat(os.path.join(tmp, 's0')).st_ino
    same(seen(), clean, 'a third')
    same(os.stat(os.path.join(tmp, 's0')).st_ino, kept, 'the directory itself')
    messes = ('echo {} > output', 'echo x > artifacts/x', 'chmod 755 .', 'chmod 711 artifacts', 'rmdir artifacts',
              'rm -r artifacts && ln -s .. artifacts', 'mkdir -p work/deep worktree', 'cd .. && rm -r s7 && ln -s .. s7',
              'cd .. && rm -r s8 && echo x > s8', 'echo x > ../other')
    for number, mess in enumerate(messes):
        folder = os.path.join(tmp, f's{number}')
        os.makedirs(os.path.join(folder, 'artifacts'), mode=0o700, exist_ok=True)
        os.chmod(folder, 0o700)
        subprocess.run(['sh', '-ec', mess], cwd=folder, check=True)
    done = flow.run({'nodes': {f'a{i}': look['nodes']['a'] for i in range(8)}}, '-j8')
    for i in range(8):
        text = ''.join(event['text'] for event in done.of('output', node=f'a{i}', stream=1))
        same(re.sub('/s[0-9]', '/s0', text), clean, 'what a node finds where there was a mess')
    for name in os.listdir(tmp):
        folder = os.path.join(tmp, name)
        modes = [os.lstat(path).st_mode for path in (folder, os.path.join(folder, 'artifacts'))]
        same((modes, os.listdir(folder), os.listdir(os.path.join(folder, 'artifacts'))), ([0o40700] * 2, ['artifacts'], []), name)
    flow.run({'nodes': {'a': shell('echo x > "$REEVE_ARTIFACTS/x"; chmod 500 "$(dirname "$REEVE_OUTPUT")"')}})
    same(seen(), clean, 'what a node left')


@case('output_schema is checked; a violation is tried again with the violation as REEVE_FEEDBACK, and fails in the end [W14, W3a]')
def schema(flow):
    body = {'output_schema': {'type': 'object', 'required': ['title'], 'properties': {'title': {'type': 'string', 'minLength': 3}}},
        'retry': {'max_attempts': 3}}
    learns = ('echo "${REEVE_FEEDBACK-none}" >> "$DIR/said"; '
              'case $REEVE_EPOCH in 1) ;; 2) printf \'{"title":7}\' > "$REEVE_OUTPUT" ;; *) printf \'{"title":"good"}\' > '
              '"$REEVE_OUTPUT" ;; esac')
    done = flow.run({'nodes': {'a': shell(learns, **body)}})
    said = flow.read('said').decode()
    same(said.split('\n')[0], 'none', 'feedback of the first attempt')
    need('title' in said and 'string' in said, said)
    same(result(flow), {'title': 'good'}, 'the result')
    states = flow.ask('select number, state, detail from attempt order by number')
    same(states, [(1, 'error', 'schema'), (2, 'error', 'schema'), (3, 'ok', '')], 'attempts')
    never = flow.run({'nodes': {'b': give('{"title":""}', **body)}}, status=1)
    same(refused(never, 'b', 'schema', 'title')['attempt'], 3, 'attempts')
    need(not flow.one("select result from node where id = 'b'"), 'a refused result was kept')


@case('$REEVE_OUTPUT that is not a regular file is refused and not tried again: link, directory, pipe [W14, A9]')
def not_regular(flow):
    makes = {'link': 'ln -s /etc/passwd', 'dir': 'mkdir', 'fifo': 'mkfifo', 'dangling': 'ln -s /nowhere'}
    nodes = {name: shell(f'{command} "$REEVE_OUTPUT"', retry={'max_attempts': 2}) for name, command in makes.items()}
    nodes['after'] = give('k=v', after=list(makes))
    done = flow.run({'nodes': nodes}, '-j', '1', status=1)
    for name in makes:
        same(refused(done, name, 'output_not_regular')['attempt'], 1, name)
    same(result(flow, 'after'), {'k': 'v'}, 'the next one in the same folder')


@case('artifacts that are links, pipes or escape are refused by name, whole, and not tried again [E30]')
def bad_artifacts(flow):
    makes = {'link': 'ln -s /etc/passwd "$REEVE_ARTIFACTS/x"', 'up': 'ln -s ../../../key "$REEVE_ARTIFACTS/x"',
        'fifo': 'mkfifo "$REEVE_ARTIFACTS/x"',
             'dirlink': 'ln -s /etc "$REEVE_ARTIFACTS/x"', 'within': 'mkdir "$REEVE_ARTIFACTS/d"; ln -s /etc/passwd "$REEVE_ARTIFACTS/d/x"',
             'self': 'rm -r "$REEVE_ARTIFACTS"; ln -s /etc "$REEVE_ARTIFACTS"',
             'file': 'rm -r "$REEVE_ARTIFACTS"; echo > "$REEVE_ARTIFACTS"'}
    nodes = {name: shell(command, retry={'max_attempts': 2}) for name, command in makes.items()}
    nodes['after'] = shell('echo fine > "$REEVE_ARTIFACTS/x"', after=list(makes))
    done = flow.run({'nodes': nodes}, '-j', '1', status=1)
    for name in makes:
        same(refused(done, name, 'output_path')['attempt'], 1, name)
    same(flow.ask('select node, name, size from artifact'), [('after', 'x', 5)], 'artifacts')
    need(os.path.exists('/etc/passwd'), 'what a link led to was removed')


@case('an artifact is its own copy: equal bytes are stored once, a later change of the file changes nothing')
def copies(flow):
    done = flow.run({'nodes': {'a': shell('echo same > "$REEVE_ARTIFACTS/x"; chmod 0400 "$REEVE_ARTIFACTS/x"; echo same > '
                                          '"$REEVE_ARTIFACTS/y"; : > "$REEVE_ARTIFACTS/empty"; echo k > "$REEVE_ARTIFACTS/-odd '
                                          'name;\'\\"$"'),
                               'b': {'needs': ['a'], 'run': ['cat', '${a.artifact.x}', '${a.artifact.y}']}}})
    same(done.text('b'), 'same\nsame\n', 'what b read')
    rows = dict(flow.ask('select name, digest from artifact'))
    same(sorted(rows), ['-odd name;\'"$', 'empty', 'x', 'y'], 'names')
    same(rows['x'], rows['y'], 'digests')


@case('nothing of one attempt is left for the next one in the same folder')
def no_leftovers(flow):
    flow.run({'nodes': {'a': shell('echo k=1 > "$REEVE_OUTPUT"; echo x > "$REEVE_ARTIFACTS/x"; mkdir "$REEVE_ARTIFACTS/d"; chmod 0 '
                                   '"$REEVE_ARTIFACTS/d"'),
                        'b': shell('test ! -e "$REEVE_OUTPUT" && test -z "$(ls -A "$REEVE_ARTIFACTS")"', needs=['a']),
                        'c': shell('exit 3', needs=['b']), 'd': shell('echo x > "$REEVE_OUTPUT"; exit 3', needs=['b']),
                        'e': shell('test ! -e "$REEVE_OUTPUT" && test -z "$(ls -A "$REEVE_ARTIFACTS")"', after=['c', 'd'])}}, '-j', '1',
                        status=1)
    same(flow.ask("select id, state from node where id in ('b', 'e')"), [('b', 'succeeded'), ('e', 'succeeded')], 'states')
    same(flow.ask("select result from node where id in ('c', 'd', 'e')"), [('',), ('',), ('',)], 'results')


@case('a declared output that was not made fails with output_missing, is not tried again, and its dependents are skipped [C13, W3a]')
def output_missing(flow):
    done = flow.run({'nodes': {'a': shell('true', outputs=['made/x'], retry={'max_attempts': 3}), 'b': shell('true', needs=['a']),
                               'c': shell('mkdir -p out && echo > out/y', outputs=['out/y'])}}, status=1)
    same(refused(done, 'a', 'output_missing', 'made/x')['attempt'], 1, 'attempts')
    end = done.node('b')
    same((end['state'], end['detail'], end['root']), ('skipped', 'upstream', 'a'), 'b')
    same(done.node('c')['state'], 'succeeded', 'c')


@case('a failed attempt gives no result, whatever it wrote [W14]')
def failed_gives_nothing(flow):
    done = flow.run({'nodes': {'a': shell('echo k=1 > "$REEVE_OUTPUT"; echo x > "$REEVE_ARTIFACTS/x"; exit 1'),
                               'b': shell('printf "%s" "[$K]" > "$DIR/k"', needs=['a'], dep_policy='all_terminal', env={'K': '${a.k}'})}},
                               status=1)
    same(done.node('b')['state'], 'succeeded', 'b')
    same(flow.read('k'), b'[]', 'the value')
    same(flow.ask('select count(*) from artifact'), [(0,)], 'artifacts')


# ---- reducers ----

def reduce(reducer, *of, **more):
    return {'reduce': {'reducer': reducer, 'of': list(of)}, 'needs': list(of), **more}


@case('a reduction that is over its limit reads no more of its inputs [K14]')
def reduce_stops(flow):
    big = "head -c %d /dev/zero | tr '\\0' x"
    flow.run({'nodes': {'a': shell(big % 700000), 'b': shell(big % 700000), 'unreadable': shell(big % 1100000),
                        'r': reduce('concat', 'a', 'b', 'unreadable')}}, status=1)
    same(flow.one("select error from node where id = 'r'"), 'the reduced value is over 1 MiB', 'why it failed')


@case('every reducer gives what its twin in Python gives [K14]')
def reducers(flow):
    texts = {'a': 'one\ntwo\n', 'b': 'two\n\nthree', 'c': '', 'd': 'one\ntwo\n'}
    values = {'v': [1, {'k': 2}], 'w': [], 'x': [[3], 1]}
    nodes = {name: {'run': ['printf', '%s', text]} for name, text in texts.items()}
    nodes |= {name: give(json.dumps(value)) for name, value in values.items()}
    nodes['said'] = {'run': ['printf', '%s', '[9, "ü"]\n']}
    nodes |= {'concat': reduce('concat', 'b', 'a', 'c', 'd'), 'lines': reduce('dedupe_lines', *texts),
        'merge': reduce('merge_json_arrays', 'v', 'w', 'x', 'said'),
              'count': reduce('count', *texts, *values), 'first': reduce('first', 'x', 'a'), 'text': reduce('first', 'a', 'x'),
              'most': reduce('majority', 'b', 'd', 'a', 'c'), 'tie': reduce('majority', 'b', 'v', 'w')}
    flow.run({'nodes': nodes})
    stripped = {name: text.rstrip('\n') for name, text in texts.items()}
    lines = list(dict.fromkeys(line for text in stripped.values() for line in text.split('\n') if line))
    wanted = {'concat': '\n'.join(stripped[n] for n in ('b', 'a', 'c', 'd')), 'lines': lines,
        'merge': values['v'] + values['w'] + values['x'] + [9, 'ü'], 'count': 7,
              'first': values['x'], 'text': 'one\ntwo', 'most': 'one\ntwo', 'tie': 'two\n\nthree'}
    for name, value in wanted.items():
        same(result(flow, name), {'value': value}, name)


@case('a majority takes equal values as one, however they are written, and is linear in its inputs [K14]')
def majority(flow):
    same_value = ['{"a":1,"b":[2]}', '{"b":[2.0],"a":1e0}', ' {"b" : [2], "a": 1} ']
    nodes = {f's{i}': give(text) for i, text in enumerate(same_value)} | {f't{i}': give('{"a":2}') for i in range(2)}
    flow.run({'name': 'few', 'nodes': {**nodes, 'most': reduce('majority', 't0', 's0', 't1', 's1', 's2')}})
    same(result(flow, 'most'), {'value': {'a': 1, 'b': [2]}}, 'the most')
    # comparing each with each would take minutes
    many = {f'm{i}': {'set': {'v': f'{i}'}} for i in range(20000)} | {f'n{i}': {'set': {'v': '7'}} for i in range(2)}
    flow.run({'name': 'many', 'nodes': {**many, 'mode': reduce('majority', *many)}})
    same(result(flow, 'mode'), {'value': {'v': 7}}, 'the mode of many')


@case('a reducer takes what succeeded; over nothing it gives the neutral value [K14]')
def reduce_partly(flow):
    policy = {'dep_policy': 'all_terminal'}
    nodes = {'a': shell('echo a; exit 1'), 'b': shell('echo b'), 'off': shell('echo off', when='false'),
             **{name: reduce(name, 'a', 'b', 'off', **policy) for name in ('concat', 'count', 'first', 'majority', 'dedupe_lines')},
             **{'no' + name: reduce(name, 'a', 'off', **policy) for name in ('concat', 'count', 'first', 'majority', 'dedupe_lines',
             'merge_json_arrays')}}
    flow.run({'nodes': nodes}, status=1)
    some = {'concat': 'b', 'count': 1, 'first': 'b', 'majority': 'b', 'dedupe_lines': ['b']}
    none = {'concat': '', 'count': 0, 'first': None, 'majority': None, 'dedupe_lines': [], 'merge_json_arrays': []}
    for name, value in some.items():
        same(result(flow, name), {'value': value}, name)
    for name, value in none.items():
        same(result(flow, 'no' + name), {'value': value}, 'no' + name)


@case('a reducer that cannot fails with kind reducer and says which input; its dependents are skipped [K14, A9]')
def reduce_fails(flow):
    done = flow.run({'nodes': {'a': give('{"k":1}'), 'b': shell('echo not json'), 'big': shell('head -c 1100000 /dev/zero | tr "\\0" x'),
                               'ma': reduce('merge_json_arrays', 'a'), 'mb': reduce('merge_json_arrays', 'b'), 'mc': reduce('concat',
                               'big'),
                               'after': shell('true', needs=['ma'])}}, status=1)
    refused(done, 'ma', 'reducer', 'a', 'array')
    refused(done, 'mb', 'reducer')
    refused(done, 'mc', 'reducer', '1 MiB')
    same(done.node('after')['root'], 'ma', 'the root')


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
