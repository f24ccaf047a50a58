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


@case('hostile values of params reach argv byte for byte and never a shell [W11]')
def hostile_argv(flow):
    names = [f'p{i}' for i in range(len(HOSTILE))]
    words = [word for name, value in zip(names, HOSTILE) for word in ('--var', f'{name}={value}')]
    flow.run({'params': strings(names), 'nodes': {'a': {'run': argv_to(flow.path('got'), *('${user.%s}' % name for name in names))}}},
        *words)
    same(args(flow, 'got'), HOSTILE, 'arguments')
    need(not flow_has(flow, 'pwned'), 'a value was executed')


@case('hostile values reach a script through env, byte for byte, and its text is passed as it stands [W11]')
def hostile_env(flow):
    names = [f'p{i}' for i in range(len(HOSTILE))]
    words = [word for name, value in zip(names, HOSTILE) for word in ('--var', f'{name}={value}')]
    script = ('for i in $(seq 0 %d); do eval "printf \'%%s\\\\0\' \\"\\$V$i\\""; done > "$DIR/got"; '
              'printf "%%s" \'${user.p0}\' > "$DIR/verbatim"') % (len(names) - 1)
    flow.run({'params': strings(names),
        'nodes': {'a': shell(script, env={f'V{i}': '${user.%s}' % name for i, name in enumerate(names)})}}, *words)
    same(args(flow, 'got'), HOSTILE, 'variables')
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


@case('fields, lists, stdout without its last newlines, stderr, exit_code, state, error and artifacts of nodes [W10]')
def of_nodes(flow):
    good = ('printf \'{"f":{"g":["zero",{"h":1e3}]},"t":true,"s":"a b"}\' > "$REEVE_OUTPUT"; '
            'printf "one\\ntwo\\n\\n\\n"; printf "err\\n" >&2; printf bytes > "$REEVE_ARTIFACTS/data.txt"; mkdir "$REEVE_ARTIFACTS/d"; '
            'printf deep > "$REEVE_ARTIFACTS/d/e"')
    flow.run({'nodes': {'good': shell(good), 'bad': shell('echo said; echo why >&2; exit 7'),
                        'look': {'needs': ['good', 'bad'], 'dep_policy': 'all_terminal', 'run': argv_to(
                            flow.path('got'), '${good.f.g.0}', '${good.f.g.1.h}', '${good.f}', '${good.t}', '${good.s}', '${good.stdout}',
                            '${good.stderr}', '${good.exit_code}',
                            '${good.state}', '${good.error:-none}', '${bad.state}', '${bad.exit_code}', '${bad.error}', '${bad.stdout}',
                            '${bad.stderr}', '${bad.f:-nothing}')},
                        'cat': {'needs': ['good'], 'run': ['cat', '${good.artifact.data.txt}']}}}, status=1)
    got = args(flow, 'got')
    same(got, ['zero', '1e3', '{"g":["zero",{"h":1e3}]}', 'true', 'a b', 'one\ntwo', 'err', '0', 'succeeded', 'none', 'failed', '7',
        'exit status 7', 'said', 'why', 'nothing'], 'arguments')


@case('an artifact is a path to the bytes as they were, also in a folder of its own [W10, E30]')
def artifact_paths(flow):
    done = flow.run({'nodes': {'a': shell('printf bytes > "$REEVE_ARTIFACTS/data.txt"; mkdir "$REEVE_ARTIFACTS/d"; printf deep > '
                                          '"$REEVE_ARTIFACTS/d/e"'),
                               'b': {'needs': ['a'], 'run': ['cat', '${a.artifact.data.txt}']}}})
    same(done.text('b'), 'bytes', 'the artifact')
    rows = flow.ask('select name, size, is_complete from artifact order by name')
    same(rows, [('d/e', 4, 1), ('data.txt', 5, 1)], 'rows')


@case('a value of an artifact that was not made fails the node, naming both [W12]')
def missing_artifact(flow):
    done = flow.run({'nodes': {'a': shell('true'), 'b': {'needs': ['a'], 'run': ['cat', '${a.artifact.gone}']}}}, status=1)
    error = done.node('b')
    same(error['detail'], 'value', 'detail')
    need('b' in error['error'] and 'a.artifact.gone' in error['error'], error)


@case('run.id, attempt.epoch and attempt.key are those of this attempt; the key differs for each [W10]')
def identity(flow):
    done = flow.run({'nodes': {'a': {'run': ['sh', '-c', 'printf "%s %s %s %s %s %s\\n" "$@" "$REEVE_RUN" "$REEVE_EPOCH" "$REEVE_NODE" '
                                                         '>> "$DIR/got"; test "$REEVE_EPOCH" = 2', 'sh',
                                             '${run.id}', '${attempt.epoch}', '${attempt.key}'], 'retry': {'max_attempts': 2}}}})
    lines = [line.split() for line in flow.read('got').decode().splitlines()]
    same([line[1] for line in lines], ['1', '2'], 'epochs')
    same(len({line[2] for line in lines}), 2, 'different keys')
    for line in lines:
        same([line[0], line[1], line[5]], [done.run, line[4], 'a'], 'a line')
        same(line[3], done.run, 'REEVE_RUN')


@case('a value of a skipped node is null: empty in env, the default where there is one, a failure in argv that names both [W12]')
def nulls(flow):
    done = flow.run({'nodes': {
        'a': shell('echo x', when='1 == 2'),
        'env': shell('printf "[%s][%s][%s]" "$A" "$B" "$C" > "$DIR/got"', needs=['a'], env={'A': '${a.k}', 'B': '${a.stdout}',
        'C': '${a.k:-dflt}'}),
        'fine': {'needs': ['a'], 'run': argv_to(flow.path('fine'), '${a.stdout:-none}', '${a.state}')},
        'bad': {'needs': ['a'], 'run': ['echo', '${a.stdout}'], 'retry': {'max_attempts': 3}}}}, status=1)
    same(flow.read('got'), b'[][][dflt]', 'variables')
    same(args(flow, 'fine'), ['none', 'skipped'], 'arguments')
    end = done.node('bad')
    same((end['state'], end['detail'], end['attempt']), ('failed', 'value', 1), 'bad')
    need('bad' in end['error'] and 'a.stdout' in end['error'], end)


@case('a field that a result does not have fails the node, naming both; it is not tried again [W12]')
def missing_field(flow):
    done = flow.run({'nodes': {'a': shell('echo k=1 > "$REEVE_OUTPUT"'), 'b': shell('true', needs=['a'], env={'X': '${a.z}'},
        retry={'max_attempts': 3})}}, status=1)
    end = done.node('b')
    same((end['detail'], end['attempt']), ('value', 1), 'b')
    need('b' in end['error'] and 'a.z' in end['error'], end)


@case('a NUL byte in a value is refused in argv and env, and says what to do instead')
def nul(flow):
    done = flow.run({'nodes': {'a': shell('printf "x\\0y"; printf \'{"k":"x\\\\u0000y"}\' > "$REEVE_OUTPUT"'),
                               'argv': {'needs': ['a'], 'run': ['echo', '${a.stdout}']}, 'json': {'needs': ['a'], 'run': ['echo',
                               '${a.k}']},
                               'env': shell('true', needs=['a'], env={'X': '${a.stdout}'}), 'dir': shell('true', needs=['a'],
                               dir='${a.k}')}}, status=1)
    for name in ('argv', 'json', 'env', 'dir'):
        end = done.node(name)
        same((end['state'], end['detail']), ('failed', 'value'), name)
        need('NUL' in end['error'] and 'file' in end['error'], end)


@case('a stdout of 1 MiB is a value, one byte more is refused with what to do instead')
def output_limit(flow):
    limit = 1 << 20
    done = flow.run({'nodes': {'a': shell(f'head -c {limit} /dev/zero | tr "\\0" x'),
        'b': shell(f'head -c {limit + 1} /dev/zero | tr "\\0" x'),
                               'c': {'reduce': {'reducer': 'first', 'of': ['a']}, 'needs': ['a']},
                               'fits': {'needs': ['a'], 'reduce': {'reducer': 'dedupe_lines', 'of': ['a']}},
                               'over': {'needs': ['b'], 'run': ['echo', '${b.stdout}']},
                               'default': {'needs': ['b'], 'run': ['echo', '${b.stdout:-a default hides nothing}']}}}, status=1)
    for name in ('over', 'default'):
        need('REEVE_ARTIFACTS' in done.node(name)['error'], done.node(name))
        same(done.node(name)['detail'], 'value', name)


@case('a condition never decides on a part of an output: one over 1 MiB that an expression reads fails its node')
def expression_limit(flow):
    done = flow.run({'nodes': {'a': shell('head -c 1048577 /dev/zero | tr "\\0" x; printf end', retry={'max_attempts': 2}),
                               'b': shell('true', needs=['a'], dep_policy='all_terminal',
                                          when='${a.state} == "failed" || contains(${a.stdout}, "end")')}}, status=1)
    end = done.node('a')
    same((end['state'], end['detail'], end['attempt']), ('failed', 'value', 1), 'a')
    need('1 MiB' in end['error'] and 'REEVE_ARTIFACTS' in end['error'], end)
    same(done.node('b')['state'], 'succeeded', 'b')


@case('a value too long for one argument fails the start and is not tried again')
def argument_limit(flow):
    done = flow.run({'nodes': {'a': shell('head -c 300000 /dev/zero | tr "\\0" x'), 'b': {'needs': ['a'], 'run': ['true', '${a.stdout}'],
        'retry': {'max_attempts': 3}}}}, status=1)
    end = done.node('b')
    same((end['state'], end['detail'], end['attempt']), ('failed', 'start', 1), 'b')


@case('dir is relative to the workflow, takes values, and one that is not there fails the start')
def directory(flow):
    os.mkdir(flow.path('sub dir'))
    done = flow.run({'nodes': {'a': shell('echo "name=sub dir" > "$REEVE_OUTPUT"; pwd'), 'b': shell('pwd', needs=['a'], dir='${a.name}'),
        'c': shell('pwd', dir='gone'),
                               'd': shell('pwd', dir='/')}}, status=1)
    same([done.text('a'), done.text('b'), done.text('d')], [flow.dir + '\n', flow.path('sub dir') + '\n', '/\n'], 'directories')
    same(done.node('c')['detail'], 'start', 'c')


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
