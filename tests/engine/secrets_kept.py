"""Secrets are given to who names them and stored nowhere [E31]; output is captured up to a cap, and the cut is marked [E32]."""
import json
import os
import sys

from harness import case, main, need, same, shell

PLAIN = 'S3cr3t-value-0042'
HARD = 'pä"ss\\w€rd\n$(x)'
NUMBER = '987654321'


def secret(*names):
    return {name: {'type': 'string', 'secret': True} for name in names}


def stored(flow):
    """Every byte of the store, file by file."""
    for folder, _, names in os.walk(flow.store):
        for name in names:
            path = os.path.join(folder, name)
            if os.path.isfile(path):
                with open(path, 'rb') as file:
                    yield path, file.read()


def spellings(value):
    """As bytes, and as JSON would write them."""
    return {value.encode(), json.dumps(value)[1:-1].encode(), json.dumps(value, ensure_ascii=False)[1:-1].encode()}


def need_absent(flow, done, *values):
    said = json.dumps(done.events) + done.errors
    for value in values:
        for spelling in spellings(value):
            for path, data in stored(flow):
                need(spelling not in data, f'{path} has {value!r}')
            need(spelling.decode() not in said, f'{value!r} was printed')


@case('a secret reaches the command that names it, and no file of the store has it: journal, rows, logs, results, errors [E31]')
def nowhere(flow):
    script = 'printf "%s" "$S" > "$DIR/got"; echo "out $S end"; echo "err $S" >&2'
    flow.write('hard.json', json.dumps({'k': HARD, HARD: [1, HARD + HARD]}) + '\n')
    flow.write('raw.json', json.dumps({'k': HARD}, ensure_ascii=False) + '\n')
    copy = 'IFS= read -r text < "$DIR/%s.json" && printf "%%s" "$text" > "$REEVE_OUTPUT"'  # no definition may have a secret in it
    done = flow.run({'params': secret('plain', 'hard', 'number'), 'nodes': {
        'a': shell(script + '; printf "k=%s\\nj=x%sx\\n" "$S" "$S" > "$REEVE_OUTPUT"', env={'S': '${user.plain}'}),
        'hard': shell('echo "$S"; ' + copy % 'hard', env={'S': '${user.hard}'}),
        'raw': shell(copy % 'raw', env={'S': '${user.hard}'}),
        'number': shell('printf \'{"n":%s,"m":[-%s5]}\' "$S" "$S" > "$REEVE_OUTPUT"', env={'S': '${user.number}'}),
        'bad': shell('printf \'{"%s\' "$S" > "$REEVE_OUTPUT"', env={'S': '${user.plain}'}),
        'schema': shell('printf \'{"%s":"%s"}\' "$S" "$S" > "$REEVE_OUTPUT"', env={'S': '${user.plain}'}, output_schema={'type': 'object',
        'additionalProperties': False}),
        'none': shell('test -z "$S"'),
        'next': shell('echo "$A $B"; exit 1', needs=['a'], env={'A': '${a.k}', 'B': '${a.stdout}'})}},
        '--var', 'plain=' + PLAIN, '--var', 'hard=' + HARD, '--var', 'number=' + NUMBER, status=1)
    same(flow.read('got'), PLAIN.encode(), 'what the command got')
    need_absent(flow, done, PLAIN, HARD, NUMBER)
    results = {name: json.loads(result) for name, result in flow.ask("select id, result from node where result <> ''")}
    same(results['a'], {'k': '***', 'j': 'x***x'}, 'a')
    same(results['hard'], {'k': '***', '***': [1, '******']}, 'hard')
    same(results['raw'], {'k': '***'}, 'raw')
    same(results['number'], {'n': '***', 'm': ['-***5']}, 'number')
    same(flow.one("select state from node where id = 'none'"), 'succeeded', 'a node that does not name it')


NOTE = 'it held a secret of the run, which is recorded as ***'


@case('a secret in a comment or an answer is masked before it is journaled, and the answer says so [E31]')
def said(flow):
    number = {'input': {'question': '?', 'schema': {'type': 'integer'}}}
    workflow = {'params': secret('plain', 'number'), 'nodes': {
        'ok': {'approve': {'message': '?'}}, 'q': {'input': {'question': '?'}}, 'n': number, 'free': {'approve': {'message': '?'}},
        'got': {'needs': ['ok', 'q', 'n'], 'run': ['sh', '-c', 'printf "%s|" "$@"', 'sh', '${ok.comment}', '${q.value.k}', '${n.value}']}}}
    given = ('--var', 'plain=' + PLAIN, '--var', 'number=' + NUMBER)
    for is_live in (True, False):
        if is_live:
            live = flow.start(workflow, *given)
            run = live.started()
            for _ in range(4):
                live.expect('blocker_opened')
        else:
            run = flow.run(workflow, *given, '--no-wait', status=76).run
        # without an engine only what equals a secret is known: a whole string, or a word of it
        comment, answer = ('x' + PLAIN, {'k': 'a' + PLAIN}) if is_live else ('no ' + PLAIN + ' here', {'k': PLAIN, PLAIN: [1]})
        need(NOTE in flow.call('approve', run, 'ok', '--comment', comment).text, 'approve does not say so')
        same(json.loads(flow.call('answer', run, 'q', json.dumps(answer), '--json').text)['note'], NOTE, 'answer --json')
        need(NOTE in flow.call('answer', run, 'n', NUMBER).text, 'answer does not say so')
        if is_live:
            flow.tell('decide', run=run, key='free', decision=0, comment='nothing')
        else:
            need('***' not in flow.call('approve', run, 'free', '--comment', 'nothing').text, 'a word that is none is masked')
        done = live.end(0) if is_live else flow.run(None, '--resume', run, *given)
        same(done.text('got'), 'x***|a***|***|' if is_live else 'no *** here|***|***|', 'what others get')
        same(flow.one(f"select answer from blocker where key = 'free' and run = '{run}'").count('note'), 0, 'its note')
        need_absent(flow, done, PLAIN, NUMBER)
        if is_live:
            same(len(done.of('note')), 3, 'notes to who watches')


@case('a keyed hash stands for it in the run row: the same value gives the same one, another store another [E31]')
def hashes(flow):
    workflow = {'params': secret('s'), 'nodes': {'a': flow.does(env={'S': '${user.s}'})}}
    flow.run(workflow, '--var', 's=' + PLAIN)
    flow.run(workflow, '--var', 's=' + PLAIN)
    flow.run(workflow, '--var', 's=' + PLAIN + 'x')
    rows = [json.loads(text)['s'] for text, in flow.ask('select secrets from run order by created_ms, id')]
    same((len(set(rows)), rows.count(rows[0]) + rows.count(rows[1]) > 2), (2, True), 'hashes')
    first, flow.store = set(rows), flow.path('store2')
    flow.run(workflow, '--var', 's=' + PLAIN)
    need(json.loads(flow.one('select secrets from run'))['s'] not in first, 'the hash is not keyed')
    flow.verify_all()


@case('a secret is masked across chunks, split writes and streams, byte by byte [E31]')
def chunks(flow):
    program = '''
import os, sys
s = os.environb[b"S"]
for i in range(len(s)):
    os.write(1, s[i:i + 1])
    os.write(2, s[i:i + 1])
os.write(1, b"|" + s[:-1] + b"|" + s * 3 + b"|")
for size in (4095, 4096, 16383, 16384, 65535, 65536):
    os.write(1, b"." * (size - 5) + s)
os.write(1, s[:4])
'''
    done = flow.run({'params': secret('s'), 'nodes': {
        'a': {'run': [sys.executable, '-S', '-E', '-c', program], 'env': {'S': '${user.s}'}}}}, '--var', 's=' + PLAIN)
    need_absent(flow, done, PLAIN)
    out = ''.join(e['text'] for e in done.of('output', node='a', stream=1))
    need(out.startswith('***|' + PLAIN[:-1] + '|***'), out[:60])
    same(out.count('***'), 1 + 3 + 6, 'masks')
    need(out.endswith('.***' + PLAIN[:4]), out[-30:])


@case('an output that ends as a secret begins is whole: in the live view, in the log, and in what conditions read [E31, W13]')
def held_back(flow):
    done = flow.run({'params': secret('s'), 'nodes': {'a': flow.does('say', PLAIN[:6]), 'b': flow.does(needs=['a'],
        when='${a.stdout} == "%s"' % PLAIN[:6]),
                                                      'token': shell('printf "%.20s" "$REEVE_TOKEN"'), 'c': flow.does(needs=['token'],
                                                      when='${token.stdout} != ""')}}, '--var', 's=' + PLAIN)
    same(done.text('a'), PLAIN[:6], 'the live view')
    same(flow.call('logs', done.run, 'a').text, PLAIN[:6], 'the log')
    same([done.node(name)['state'] for name in 'bc'], ['succeeded', 'succeeded'], 'the conditions')


@case('resume takes a secret again; missing it is exit 2 and names it; the pinned run has none of it [E31]')
def resumed(flow):
    workflow = {'params': secret('s'), 'nodes': {'hold': flow.held(), 'a': shell('printf "%s" "$S" > "$DIR/got"', needs=['hold'],
        env={'S': '${user.s}'})}}
    live = flow.start(workflow, '--var', 's=' + PLAIN)
    run = live.started()
    flow.hub.next()
    live.kill_engine()
    done = flow.run(workflow, '--resume', run, status=2)
    need('s' in done.errors + json.dumps(done.events), done.errors)
    live = flow.start(workflow, '--resume', run, '--var', 's=' + PLAIN)
    flow.hub.next().end()
    done = live.end(0)
    same(flow.read('got'), PLAIN.encode(), 'what the command got')
    need_absent(flow, done, PLAIN)


@case('an error of starting, an artifact path and a question do not show a secret [E31]')
def edges(flow):
    done = flow.run({'params': secret('s'), 'nodes': {'a': shell('echo "$S" > "$REEVE_OUTPUT.x" 2>/dev/null; printf "v=%s" "$S" > '
        '"$REEVE_OUTPUT"', env={'S': '${user.s}'}),
                                                      'start': {'needs': ['a'], 'run': ['no-such-${a.v}']}, 'ask': {'needs': ['a'],
                                                      'approve': {'message': 'v is ${a.v}?', 'deadline': '30ms'}}}}, '--var',
                                                      's=' + PLAIN, status=1)
    need_absent(flow, done, PLAIN)


@case('output is kept byte for byte: NUL, invalid UTF-8, no line ends [E32]')
def bytes_kept(flow):
    data = bytes(range(256)) * 300 + b'\xff\x00' + b'x' * 30000
    flow.write('data', data)
    run = flow.run({'nodes': {'a': {'run': ['cat', 'data']}, 'b': shell('exec cat data >&2')}}).run
    same(flow.call('logs', run, 'a', '--stream', '1').stdout, data, 'standard output')
    same(flow.call('logs', run, 'b', '--stream', '2').stdout, data, 'standard error')
    same(flow.ask('select stdout_size, stderr_size from attempt order by node'), [(len(data), 0), (0, len(data))], 'sizes')


if __name__ == '__main__':
    main(one_store=True)
