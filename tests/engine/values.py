"""What a command is given: values of params, of the environment, of other nodes [W10-W12, W15]."""
import json
import os

from harness import argv_to, case, main, need, same, shell

HOSTILE = ['$(touch pwned)', '`touch pwned`', '"; touch pwned; "', "'; touch pwned; '", 'a\nb\n', '${user.x}', '$${user.x}', '$HOME',
           '*', '-n', '', ' two  blanks ', '\\', '%s%n', 'ü€😀', '\x7f\x1b[31m', '&& touch pwned', '${run.id:-x}', '${', '}']


def args(flow, name):
    """What argv_to wrote."""
    return flow.read(name).decode('utf-8', 'surrogateescape').split('\0')[:-1]


def flow_has(flow, name):
    return os.path.exists(flow.path(name))


def strings(names):
    return {name: {'type': 'string'} for name in names}


def hostile(flow):
    """A run that is given every hostile value, and hands each to a command in both ways."""
    names = [f'p{i}' for i in range(len(HOSTILE))]
    words = [word for name, value in zip(names, HOSTILE) for word in ('--var', f'{name}={value}')]
    script = ('i=0; while [ $i -lt %d ]; do eval "printf \'%%s\\\\0\' \\"\\$V$i\\""; i=$((i + 1)); done > "$DIR/variables"; '
              'printf "%%s" \'${user.p0}\' > "$DIR/verbatim"') % len(names)
    return flow.run({'params': strings(names), 'nodes': {
        'argv': {'run': argv_to(flow.path('arguments'), *('${user.%s}' % name for name in names))},
        'env': shell(script, env={f'V{i}': '${user.%s}' % name for i, name in enumerate(names)})}}, *words)


@case('hostile values of params reach argv byte for byte and never a shell [W11]', of=hostile)
def hostile_argv(flow, _):
    same(args(flow, 'arguments'), HOSTILE, 'arguments')
    need(not flow_has(flow, 'pwned'), 'a value was executed')


@case('hostile values reach a script through env, byte for byte, and its text is passed as it stands [W11]', of=hostile)
def hostile_env(flow, _):
    same(args(flow, 'variables'), HOSTILE, 'variables')
    same(flow.read('verbatim'), b'${user.p0}', 'the script')
    need(not flow_has(flow, 'pwned'), 'a value was executed')


@case('a value that contains ${…} is not looked at again, wherever it comes from [W11]')
def one_pass(flow):
    flow.run({'params': strings('xy'), 'nodes': {
        'a': shell('printf \'{"k":"${user.x} ${b.stdout}"}\' > "$REEVE_OUTPUT"; printf \'${a.k}\''),
        'b': {'needs': ['a'], 'run': argv_to(flow.path('got'), '${user.y}|${a.k}|${a.stdout}|${a.nothing:-$}')}}},
        '--var', 'x=1', '--var', 'y=${user.x}')
    same(args(flow, 'got'), ['${user.x}|${user.x} ${b.stdout}|${a.k}|$'], 'arguments')


@case('params of every type, their parts, env of the caller, defaults and $${ [W10]')
def params(flow):
    flow.run({'params': {'n': {'type': 'number'}, 'i': {'type': 'integer', 'default': 7}, 'b': {'type': 'boolean', 'default': True},
                         'o': {'type': 'object', 'default': {'k': {'l': [1, 'two', None]}}}, 'l': {'type': 'array', 'default': ['x',
                         {'y': 'z'}]},
                         's': {'type': 'string', 'default': 'städte'}},
              'nodes': {'a': {'run': argv_to(flow.path('got'), '${user.n}', '${user.i}', '${user.b}', '${user.o.k.l.1}', '${user.o.k}',
              '${user.l.1.y}',
                                             '${user.s}', '${env.CALLER}', '${user.o.k.l.2:-nil}', '${user.o.absent:-d}', '$${user.s}',
                                             '${user.s:-no}', 'a${user.i}b${user.i}')}}},
             '--var', 'n=1.50', env={'CALLER': 'from outside'})
    same(args(flow, 'got'), ['1.5', '7', 'true', 'two', '{"l":[1,"two",null]}', 'z', 'städte', 'from outside', 'nil', 'd', '${user.s}',
        'städte', 'a7b7'], 'arguments')


@case('a required param, an undeclared one and an unset variable are refused before there is a run [W10]', alone=True)
def load_errors(flow):
    flow.run({'params': strings('x'), 'nodes': {'a': {'run': ['true', '${user.x}']}}}, status=2)
    flow.run({'params': {'x': {'default': 'd'}}, 'nodes': {'a': {'run': ['true', '${user.y}']}}}, status=2)
    flow.run({'nodes': {'a': {'run': ['true', '${env.SURELY_NOT_SET}']}}}, status=2)
    need(not flow_has(flow, 'store/reeve.db'), 'a store was made')


def of_others(flow):
    """A run in which nodes ask for much of what others have, and for what they do not have."""
    good = ('printf \'{"f":{"g":["zero",{"h":1e3}]},"t":true,"s":"a b"}\' > "$REEVE_OUTPUT"; '
            'printf "one\\ntwo\\n\\n\\n"; printf "err\\n" >&2; printf bytes > "$REEVE_ARTIFACTS/data.txt"; mkdir "$REEVE_ARTIFACTS/d"; '
            'printf deep > "$REEVE_ARTIFACTS/d/e"')
    fields = {'good': shell(good), 'bad': shell('echo said; echo why >&2; exit 7'),
              'look': {'needs': ['good', 'bad'], 'dep_policy': 'all_terminal', 'run': argv_to(
                  flow.path('look'), '${good.f.g.0}', '${good.f.g.1.h}', '${good.f}', '${good.t}', '${good.s}', '${good.stdout}',
                  '${good.stderr}', '${good.exit_code}', '${good.state}', '${good.error:-none}', '${bad.state}', '${bad.exit_code}',
                  '${bad.error}', '${bad.stdout}', '${bad.stderr}', '${bad.f:-nothing}')},
              'cat': {'needs': ['good'], 'run': ['cat', '${good.artifact.data.txt}']},
              'gone': {'needs': ['good'], 'run': ['cat', '${good.artifact.gone}']},
              'field': flow.does(needs=['good'], env={'X': '${good.z}'}, retry={'max_attempts': 3})}
    own = {'own': {'run': ['sh', '-c', 'printf "%s %s %s %s %s %s\\n" "$@" "$REEVE_RUN" "$REEVE_EPOCH" "$REEVE_NODE" >> "$DIR/own"; '
                                       '[ "$${REEVE_ATTEMPT##*/}" = 2 ]', 'sh', '${run.id}', '${attempt.epoch}', '${attempt.key}'],
                   'retry': {'max_attempts': 2}}}
    nulls = {'off': shell('echo x', when='1 == 2'),
             'null_env': shell('printf "[%s][%s][%s]" "$A" "$B" "$C" > "$DIR/null"', needs=['off'], env={
                 'A': '${off.k}', 'B': '${off.stdout}', 'C': '${off.k:-dflt}'}),
             'null_fine': {'needs': ['off'], 'run': argv_to(flow.path('fine'), '${off.stdout:-none}', '${off.state}')},
             'null_bad': {'needs': ['off'], 'run': ['echo', '${off.stdout}'], 'retry': {'max_attempts': 3}}}
    nul = {'nul': shell('printf "x\\0y"; printf \'{"k":"x\\\\u0000y"}\' > "$REEVE_OUTPUT"'),
           'nul_argv': {'needs': ['nul'], 'run': ['echo', '${nul.stdout}']}, 'nul_json': {'needs': ['nul'], 'run': ['echo', '${nul.k}']},
           'nul_env': flow.does(needs=['nul'], env={'X': '${nul.stdout}'}), 'nul_dir': flow.does(needs=['nul'], dir='${nul.k}')}
    os.mkdir(flow.path('sub dir'))
    folders = {'dir': shell('echo "name=sub dir" > "$REEVE_OUTPUT"; pwd'), 'dir_sub': shell('pwd', needs=['dir'], dir='${dir.name}'),
               'dir_gone': shell('pwd', dir='gone'), 'dir_root': shell('pwd', dir='/')}
    return flow.run({'nodes': {**fields, **own, **nulls, **nul, **folders}}, status=1)


@case('fields, lists, stdout without its last newlines, stderr, exit_code, state, error and artifacts of nodes [W10]', of=of_others)
def of_nodes(flow, done):
    got = args(flow, 'look')
    same(got, ['zero', '1e3', '{"g":["zero",{"h":1e3}]}', 'true', 'a b', 'one\ntwo', 'err', '0', 'succeeded', 'none', 'failed', '7',
        'exit status 7', 'said', 'why', 'nothing'], 'arguments')


@case('an artifact is a path to the bytes as they were, also in a folder of its own [W10, E30]', of=of_others)
def artifact_paths(flow, done):
    same(done.text('cat'), 'bytes', 'the artifact')
    rows = flow.ask('select name, size, is_complete from artifact order by name')
    same(rows, [('d/e', 4, 1), ('data.txt', 5, 1)], 'rows')


@case('a value of an artifact that was not made fails the node, naming both [W12]', of=of_others)
def missing_artifact(flow, done):
    error = done.node('gone')
    same(error['detail'], 'value', 'detail')
    need('node gone' in error['error'] and 'good.artifact.gone' in error['error'], error)


@case('run.id, attempt.epoch and attempt.key are those of this attempt; the key differs for each [W10]', of=of_others)
def identity(flow, done):
    lines = [line.split() for line in flow.read('own').decode().splitlines()]
    same([int(line[1]) for line in lines], [epoch for epoch, in flow.ask("select epoch from attempt where node = 'own' order by number")],
         'epochs')
    same((len(lines), len({line[2] for line in lines})), (2, 2), 'different keys')
    for line in lines:
        same([line[0], line[1], line[5]], [done.run, line[4], 'own'], 'a line')
        same(line[3], done.run, 'REEVE_RUN')


@case('a value of a skipped node is null: empty in env, the default where there is one, a failure in argv that names both [W12]',
      of=of_others)
def nulls(flow, done):
    same(flow.read('null'), b'[][][dflt]', 'variables')
    same(args(flow, 'fine'), ['none', 'skipped'], 'arguments')
    end = done.node('null_bad')
    same((end['state'], end['detail'], end['attempt']), ('failed', 'value', 1), 'bad')
    need('null_bad' in end['error'] and 'off.stdout' in end['error'], end)


@case('a field that a result does not have fails the node, naming both; it is not tried again [W12]', of=of_others)
def missing_field(flow, done):
    end = done.node('field')
    same((end['detail'], end['attempt']), ('value', 1), 'its end')
    need('field' in end['error'] and 'good.z' in end['error'], end)


@case('a NUL byte in a value is refused in argv and env, and says what to do instead', of=of_others)
def nul(flow, done):
    for name in ('argv', 'json', 'env', 'dir'):
        end = done.node('nul_' + name)
        same((end['state'], end['detail']), ('failed', 'value'), name)
        need('NUL' in end['error'] and 'file' in end['error'], end)


@case('dir is relative to the workflow, takes values, and one that is not there fails the start', of=of_others)
def directory(flow, done):
    same([done.text(name) for name in ('dir', 'dir_sub', 'dir_root')], [flow.dir + '\n', flow.path('sub dir') + '\n', '/\n'], 'directories')
    same(done.node('dir_gone')['detail'], 'start', 'one that is not there')


def large(flow):
    """A run whose nodes write much, and read what others wrote."""
    limit = 1 << 20
    return flow.run({'nodes': {
        'a': flow.does('fill', limit), 'b': flow.does('fill', limit + 1),
        'fits': {'needs': ['a'], 'set': {'has': 'contains(${a.stdout}, "xxx")'}},
        'over': {'needs': ['b'], 'run': ['echo', '${b.stdout}']},
        'default': {'needs': ['b'], 'run': ['echo', '${b.stdout:-a default hides nothing}']},
        'decided': flow.does('fill', limit + 1, 'say', 'end', retry={'max_attempts': 2}),
        'decides': flow.does(needs=['decided'], dep_policy='all_terminal',
                             when='${decided.state} == "failed" || contains(${decided.stdout}, "end")'),
        'argument': {'needs': ['a'], 'run': ['true', '${a.stdout}'], 'retry': {'max_attempts': 3}}}}, '--output', 'quiet', status=1)


@case('a stdout of 1 MiB is a value, one byte more is refused with what to do instead', of=large)
def output_limit(flow, done):
    same(flow.one("select result from node where id = 'fits'"), '{"has":true}', 'what reads 1 MiB')
    for name in ('over', 'default'):
        need('REEVE_ARTIFACTS' in done.node(name)['error'], done.node(name))
        same(done.node(name)['detail'], 'value', name)


@case('a condition never decides on a part of an output: one over 1 MiB that an expression reads fails its node', of=large)
def expression_limit(flow, done):
    end = done.node('decided')
    same((end['state'], end['detail'], end['attempt']), ('failed', 'value', 1), 'who wrote it')
    need('1 MiB' in end['error'] and 'REEVE_ARTIFACTS' in end['error'], end)
    same(done.node('decides')['state'], 'succeeded', 'who reads it')


@case('a value too long for one argument fails the start and is not tried again', of=large)
def argument_limit(flow, done):
    end = done.node('argument')
    same((end['state'], end['detail'], end['attempt']), ('failed', 'start', 1), 'its end')


@case('a node inherits the caller, then env of the file, then defaults.env, then its own; REEVE_ variables are its own [W15]')
def environment(flow):
    flow.run({'env': {'A': 'file', 'B': 'file', 'C': 'file', 'REEVE_NODE': 'forged'},
        'defaults': {'env': {'B': 'defaults', 'C': 'defaults'}},
              'nodes': {'a': shell('env -0 > "$DIR/got"', env={'C': 'node', 'D': ''})}}, env={'A': 'caller', 'Z': 'caller',
              'REEVE_TOKEN': 'forged', 'REEVE_FEEDBACK': 'forged'})
    got = dict(entry.split('=', 1) for entry in args(flow, 'got'))
    same([got[k] for k in 'ABCDZ'], ['file', 'defaults', 'node', '', 'caller'], 'variables')
    same(got['REEVE_NODE'], 'a', 'REEVE_NODE')
    need(got['REEVE_TOKEN'] != 'forged' and len(got['REEVE_TOKEN']) == 64, 'REEVE_TOKEN')
    need('REEVE_FEEDBACK' not in got, 'feedback on a first attempt')
    for name in ('REEVE_RUN', 'REEVE_ATTEMPT', 'REEVE_EPOCH', 'REEVE_OUTPUT', 'REEVE_ARTIFACTS', 'REEVE_SOCKET', 'REEVE_STORE_MARK',
        'TRACEPARENT'):
        need(got.get(name), f'{name} is not there')
    same(os.path.dirname(got['REEVE_SOCKET']), flow.store, 'REEVE_SOCKET')
    names = [entry.split('=', 1)[0] for entry in args(flow, 'got')]
    same(len(names), len(set(names)), 'variables that come twice')


@case('a cached node is given PATH, HOME, LANG, TMPDIR, what env_host names, env, and the variables of Reeve [W15]')
def cached_environment(flow):
    caller = {'HOME': '/h', 'LANG': 'C.UTF-8', 'TMPDIR': '/tmp', 'GIVEN': 'caller', 'OVER': 'caller', 'SECRET': 'caller', 'LC_ALL': 'C'}
    flow.run({'env': {'F': 'file'}, 'defaults': {'cache': {'inputs': [], 'env_host': ['GIVEN', 'OVER', 'ABSENT']}}, 'nodes': {
        'a': shell('env -0 > "$OUT"', env={'OUT': flow.path('a'), 'OVER': 'node'}),
        'b': shell('env -0 > "$OUT"', env={'OUT': flow.path('b')}, cache=False, needs=['a']),
        'c': {'needs': ['b'],
              'foreach': {'items': [1], 'do': shell('env -0 > "$OUT"', env={'OUT': flow.path('c')}, env_host=['SECRET'])}}}}, env=caller)

    def variables(name):
        return dict(entry.split('=', 1) for entry in args(flow, name))

    def outer(name):
        got = variables(name)
        of_others = {'PWD', 'OLDPWD', 'SHLVL', '_', 'DIR', 'TRACEPARENT', 'MAKEFLAGS'}
        return sorted(name for name in set(got) - of_others if not name.startswith('REEVE_'))

    same(outer('a'), ['F', 'GIVEN', 'HOME', 'LANG', 'OUT', 'OVER', 'PATH', 'TMPDIR'], 'variables of a')
    same([variables('a')[k] for k in ('F', 'GIVEN', 'HOME', 'OVER')], ['file', 'caller', '/h', 'node'], 'their values')
    for name in ('REEVE_RUN', 'REEVE_NODE', 'REEVE_ATTEMPT', 'REEVE_EPOCH', 'REEVE_OUTPUT', 'REEVE_ARTIFACTS', 'REEVE_SOCKET',
                 'REEVE_TOKEN', 'TRACEPARENT'):
        need(variables('a').get(name), f'{name} is not there')
    need('SECRET' in variables('b') and 'LC_ALL' in variables('b'), 'what is not cached inherits')
    same(outer('c'), ['F', 'HOME', 'LANG', 'OUT', 'PATH', 'SECRET', 'TMPDIR'], 'variables of an item')


@case('a token is new for each attempt, and neither logs nor results show it [W15]')
def tokens(flow):
    done = flow.run({'nodes': {'a': shell('echo "$REEVE_TOKEN"; printf "t=%s" "$REEVE_TOKEN" > "$REEVE_OUTPUT"; echo "$REEVE_TOKEN" >> '
                                          '"$DIR/tokens"; test "$REEVE_EPOCH" = 2', retry={'max_attempts': 2})}})
    tokens = flow.read('tokens').decode().split()
    same(len(set(tokens)), 2, 'tokens')
    same(done.text('a'), '***\n***\n', 'the output')
    same(json.loads(flow.one('select result from node')), {'t': '***'}, 'the result')
    for folder, _, names in os.walk(flow.store):
        for name in names:
            if name == 'sock':
                continue
            with open(os.path.join(folder, name), 'rb') as file:
                data = file.read()
            need(not any(token.encode() in data for token in tokens), f'{name} has a token')


@case('`set` and `when` read the same values as templates, typed, and never as text that is pasted in [W13]')
def expressions(flow):
    flow.run({'params': {'evil': {'type': 'string'}}, 'nodes': {
        'a': shell('printf \'{"n":3,"s":"x","l":[1,2]}\' > "$REEVE_OUTPUT"; printf "out\\n\\n"'),
        's': {'needs': ['a'], 'set': {'big': '${a.n} > 2', 'same': '${a.stdout} == "out"', 'code': '${a.exit_code}', 'list': '${a.l}',
        'evil': '${user.evil}', 'is': '${user.evil} == "x"'}},
        'yes': shell('true', needs=['s'], when='${s.big} && !${s.is}'),
        'got': {'needs': ['s'], 'run': argv_to(flow.path('got'), '${s.big}', '${s.same}', '${s.code}', '${s.list}', '${s.evil}',
        '${s.is}')}}},
        '--var', 'evil=" || true || "')
    same(args(flow, 'got'), ['true', 'true', '0', '[1,2]', '" || true || "', 'false'], 'values')


if __name__ == '__main__':
    main(one_store=True)
