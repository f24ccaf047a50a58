#!/usr/bin/env python3
"""projects.py REEVE: one root, many projects [W20], and which nodes of them a run is of [W21]."""
import json
import os
import tempfile
import time

from program import call, claim, end, reeve, write


def planned(folder, *words):
    """Nodes that would run, in order; a text when it fails."""
    status, out, err = reeve(folder, 'run', '--dry-run', '--json', *words)
    return [node['node'] for node in json.loads(out)['plan'] if '[' not in node['node']] if status == 0 and out else f'{status}: {out}{err}'


def bodies(folder):
    """Name → body in the normal form of the latest run."""
    status, out, err = reeve(folder, 'sql', 'select body from workflow order by created_ms desc limit 1', '--json')
    return json.loads(json.loads(out)['rows'][0][0])


ROOT = '''reeve: 1
projects: [libs/*, app]
env: {E: root, F: root}
defaults: {retry: {max_attempts: 2, delay: 10ms}, env: {G: root}}
nodes:
  all: {run: [echo, all], needs: ["^:build", "[lib]:test"]}
'''
CORE = '''reeve: 1
tags: [lib]
default: build
nodes:
  build: {shell: 'pwd > "$OUT"', env: {OUT: where}, inputs: ["src/*.c"], outputs: [where], tags: [own]}
  test: {run: [echo, "${build.exit_code}"], needs: [build], dir: /app}
'''
UTIL = '''reeve: 1
tags: [lib]
env: {F: util}
defaults: {env: {H: util}, retry: {delay: 20ms}}
nodes:
  build: {shell: 'echo "$E $F $G $H"', needs: ["core:build"], inputs: [../core/where, /x], mutex: {name: m, scope: project}}
  test:
    needs: [build, "core:build"]
    when: '${build.state} == "succeeded"'
    foreach: {items: [1], do: {run: [echo, "${build.stdout}", "${core:build.exit_code}"]}}
'''
APP = '''reeve: 1
default: run
nodes:
  build: {shell: file://build.sh, needs: ["[lib]:build"]}
  run: {run: [echo, "${build.stdout}${util:build.exit_code}"], needs: [build, "util:build"]}
  late: {run: [echo], after: ["root:all", "^~:build"]}
'''
FILES = {'reeve.yaml': ROOT, 'libs/core/reeve.yaml': CORE, 'libs/util/reeve.yaml': UTIL, 'libs/none/README': '', 'app/reeve.yaml': APP,
         'app/build.sh': 'cat build.sh\n', 'app/deep/x': '', 'x': ''}

with tempfile.TemporaryDirectory() as folder:
    write(folder, FILES)
    status, out, err = reeve(folder, 'run', '--all')
    claim('all nodes of all projects run, each in its project\'s directory', status == 0, out + err)
    with open(os.path.join(folder, 'libs/core/where')) as file:
        where = file.read().strip()
    claim('a node without `dir` starts in its project', where == os.path.realpath(os.path.join(folder, 'libs/core')), where)
    claim('`env` and `defaults` of the root, then of the project, hold key by key', 'util:build │ root util root util' in out, out)
    claim('file:// is beneath the project', 'app:build │ cat build.sh' in out, out)
    form = bodies(folder)
    nodes = form['nodes']
    claim('the normal form is one flat workflow, nodes in the order of the root, then of the projects by directory',
          list(nodes) == ['all', 'core:build', 'core:test', 'util:build', 'util:test', 'app:build', 'app:run', 'app:late'], list(nodes))
    claim('`^:` is every project, `[tag]:` those with the tag, each node once', nodes['all']['needs'] ==
          ['core:build', 'util:build', 'app:build', 'core:test', 'util:test'], nodes['all'])
    claim('`^~:` is every other one, `root:` the root\'s own', nodes['app:late']['after'] == ['all', 'core:build', 'util:build'], nodes)
    claim('`x` is from the project, `/x` from the root, in inputs, outputs and dir',
          (nodes['core:build']['inputs'], nodes['core:build']['outputs'], nodes['core:test']['dir'], nodes['util:build']['inputs']) ==
          (['/libs/core/src/*.c'], ['/libs/core/where'], 'app', ['/libs/util/../core/where', '/x']), nodes)
    claim('a name without a project is one of the same project, in templates and conditions too', nodes['util:test']['when'] ==
          '${util:build.state} == "succeeded"' and nodes['util:test']['foreach']['do']['run'][1] == '${util:build.stdout}', nodes)
    claim('a project\'s tags are its nodes\' too, also of bodies', (nodes['core:build']['tags'], nodes['core:test']['tags'],
          nodes['util:test']['foreach']['do']['tags']) == (['own', 'lib'], ['lib'], ['lib']), nodes)
    status, out, err = reeve(folder, 'show', 'latest', 'app:build')
    claim('`show` and `logs` take whole names', status == 0 and 'app:build' in out and
          reeve(folder, 'logs', 'latest', 'app:build')[1] == 'cat build.sh\n', out + err)
    status, out, err = reeve(folder, 'why', 'core:build')
    claim('`why` takes whole names', status == 0 and 'core:build' in out, out + err)
    claim('the promises hold', reeve(folder, 'verify', 'latest')[0] == 0)
    status, out, err = reeve(folder, 'graph', '--format', 'json')
    claim('`graph` has the projects\' nodes', status == 0 and 'util:test' in out, out + err)

    core, deep = os.path.join(folder, 'libs/core'), os.path.join(folder, 'app/deep')
    claim('in a project `run` means its `default`, and the root is found from beneath it', (found := planned(deep)) ==
          ['core:build', 'util:build', 'app:build', 'app:run'], found)
    claim('a name means one of the project one stands in', (found := planned(core, 'test')) == ['core:build', 'core:test'], found)
    looks = {'why': ['why', 'build'], 'why -f': ['why', '-f', 'reeve.yaml', 'build'], 'show': ['show', 'latest', 'build'],
             'why of one that is found': ['why', '^~:late'], 'why of the root\'s': ['why', 'root:all']}
    wants = {'why': 'core:build', 'why -f': 'core:build', 'show': 'core:build', 'why of one that is found': 'app:late',
             'why of the root\'s': 'all'}
    for name, words in looks.items():
        status, out, err = reeve(core, *words)
        claim(f'`{name}` takes a name for one of the project one stands in, as `run` does', status == 0 and wants[name] in out, out + err)
    found = reeve(deep, 'logs', 'latest', 'build')
    claim('... also from beneath it, and `logs`', found[1] == 'cat build.sh\n', found)
    claim('a word that means none or several of them is told', reeve(core, 'why', 'late')[0] == 3 and reeve(core, 'why', '^:build')[0] == 3)
    claim('a whole name means what it says', (found := planned(core, 'util:build')) == ['core:build', 'util:build'], found)
    claim('a project without a `default` runs all of its nodes', (found := planned(os.path.join(folder, 'libs/util'))) ==
          ['core:build', 'util:build', 'util:test'], found)
    claim('selectors are words of the command line', (found := planned(core, '[lib]~:test')) ==
          ['core:build', 'util:build', 'util:test'] and planned(core, '^:build') == ['core:build', 'util:build', 'app:build'] and
          planned(core, 'root:all')[-1] == 'all', found)
    claim('--all is every node of the root, also from within a project', len(found := planned(core, '--all')) == 8, found)
    claim('a project\'s file by name means the root, too', (found := planned(folder, 'libs/core/reeve.yaml')) == ['core:build'], found)
    claim('at the root without a `default` everything runs', len(found := planned(folder)) == 8, found)
    status, out, err = reeve(core, 'run', 'buld')
    claim('an unknown name is said', status == 3 and 'no node `buld`' in err, err)
    status, out, err = reeve(core, 'run', '^:nope')
    claim('a selector of nothing is said', status == 3 and 'no project has such a node' in err, err)

with tempfile.TemporaryDirectory() as folder:
    longest = 'n' * 64
    write(folder, {'reeve.yaml': f'reeve: 1\nprojects: [p]\nnodes:\n  top: {{run: [echo, "${{{longest}:{longest}.stdout}}"], '
                                 f'needs: ["{longest}:{longest}"], when: \'${{{longest}:{longest}.stdout:-x}} == "said"\'}}\n',
                   'p/reeve.yaml': f'reeve: 1\nname: {longest}\nnodes: {{{longest}: {{run: [echo, said]}}}}\n'})
    status, out, err = reeve(folder, 'run')
    claim('the longest names are read at run time, too', status == 0 and 'top │ said' in out, out + err)

with tempfile.TemporaryDirectory() as folder:
    write(folder, {'reeve.yaml': 'reeve: 1\nprojects: [a, b, c, gone, d*]\nnodes:\n'
                                 '  x: {run: [echo], needs: ["a:nope", "q:x", "^:nope", "[no]:x"]}\n'
                                 '  r: {reduce: {of: ["^:x"], reducer: concat}}\n',
                   'a/reeve.yaml': 'reeve: 1\nparams: {p: {}}\nnodes:\n  x: {rum: [echo], outputs: [../../y]}\n  "y:z": {run: [x]}\n',
                   'b/reeve.yaml': 'reeve: 1\nname: a\ndefault: q\nnodes: {x: {run: [echo, "${w.k}"], needs: ["^:x"]}}\n',
                   'c/reeve.yaml': 'reeve: 1\ndefault: q\nnodes: {x: {run: [echo, "${w.k}"], needs: ["^:x"]}, '
                                   'w: {workflow: {file: f}}}\n'})
    status, out, err = reeve(folder, 'check')
    for text in ['gone/reeve.yaml', 'reeve.yaml:2:27: warning: `d*` names no directory with a reeve.yaml',
                 'reeve.yaml:4:29: `needs` of `x` names `a:nope`, which is no node', 'reeve.yaml:4:39: `q:x`: there is no project `q`',
                 'reeve.yaml:4:46: `^:nope`: no project has a node `nope`',
                 'reeve.yaml:4:56: `[no]:x`: no project with this tag has a node `x`',
                 'reeve.yaml:5:22: `^:x` stands for several nodes, which only `needs` and `after` take',
                 'a/reeve.yaml:2:1: `params` of a project is not supported by this version',
                 'a/reeve.yaml:4:7: unknown key `rum` in a node',
                 'a/reeve.yaml:4:33: `outputs` names `..` leads out of the root', 'a/reeve.yaml:5:4: `y:z` is not a name',
                 'b/reeve.yaml:2:7: the projects in `a` and `b` are both called `a`',
                 'c/reeve.yaml:2:10: `default` names `q`, which is no node of the project',
                 'c/reeve.yaml:3:26: `c:x` reads `c:w`, which need not have ended by then; add `c:w` to its `needs`',
                 'c/reeve.yaml:3:45: `c:x` names itself in `needs`',
                 'c/reeve.yaml:3:74: `c/f`: No such file or directory']:
        claim(f'every problem at once, in its own file: {text}', status == 2 and text in err, err)

with tempfile.TemporaryDirectory() as folder:
    write(folder, {'reeve.yaml': 'reeve: 1\nnodes:\n  a: {run: [echo], needs: ["b:x"]}\n  "c:d": {run: [echo]}\n'
                                 '  b: {run: [echo], after: ["^:x"]}\n'})
    status, out, err = reeve(folder, 'check')
    claim('without projects there are no whole names', '`b:x`: there is no project `b`; add `projects` to the root' in err and
          '`c:d` is not a name' in err and '`^:x` selects nodes of projects, and this file has none' in err, err)



def git(folder, *words):
    known = ['-c', 'user.name=n', '-c', 'user.email=e@example.org', '-c', 'init.defaultBranch=main', '-c', 'maintenance.auto=false']
    status, out, err = call(folder, 'git', *known, *words)
    assert status == 0, err
    return out.strip()


with tempfile.TemporaryDirectory() as folder:
    write(folder, {'reeve.yaml': 'reeve: 1\nprojects: [p, q]\n', '.gitignore': '.reeve\n',
                   'flows/shared.yaml': 'reeve: 1\nparams: {who: {}}\nnodes:\n  n: {shell: \'echo "$WHO" >> made\', '
                                        'env: {WHO: "${user.who}"}, inputs: [in], outputs: [made]}\n',
                   'p/reeve.yaml': 'reeve: 1\nnodes:\n  w: {workflow: {file: /flows/shared.yaml, params: {who: p}}}\n'
                                   '  x: {run: [echo], inputs: []}\n',
                   'q/reeve.yaml': 'reeve: 1\nnodes:\n  w: {workflow: {file: own.yaml}}\n  x: {run: [echo], inputs: []}\n',
                   'q/own.yaml': 'reeve: 1\nnodes:\n  n: {shell: pwd > here}\n', 'other': ''})
    for words in ('--all', 'p:w'):
        status, out, err = reeve(os.path.join(folder, 'p'), 'run', words)
        claim(f'a sub-workflow of a project runs: {words}', status == 0, out + err)
    with open(os.path.join(folder, 'p/made')) as made, open(os.path.join(folder, 'q/here')) as here:
        claim('its commands start in the project', made.read() == 'p\np\n' and here.read().strip().endswith('/q'))
    git(folder, 'init', '-q')
    git(folder, 'add', '-A')
    git(folder, 'commit', '-q', '-m', 'first')
    write(folder, {'other': 'changed'})
    claim('a file of the root changes no sub-workflow of a project', 'nothing to run' in reeve(folder, 'run', '--changed')[2])
    write(folder, {'flows/shared.yaml': 'reeve: 1\nparams: {who: {}}\nnodes: {n: {run: [echo]}}\n'})
    claim('but one that is included does', sorted(found := planned(folder, '--changed')) == ['p:w', 'p:w.n', 'q:w', 'q:w.n'], found)

with tempfile.TemporaryDirectory() as outer:
    folder = os.path.join(outer, 'repository/tree')  # the root need not be the repository's
    write(folder, {'reeve.yaml': 'reeve: 1\nprojects: [a, b, b/c]\nnodes:\n  own: {run: [echo], inputs: [own.txt, "b/*.x"]}\n'
                                 '  rest: {run: [echo]}\n',
                   'a/reeve.yaml': 'reeve: 1\nnodes:\n  lib: {run: [echo], inputs: ["src/**"]}\n  doc: {run: [echo], inputs: []}\n'
                                   '  base: {run: [echo], inputs: []}\n  test: {run: [echo], needs: [lib, base], inputs: [t]}\n',
                   'b/reeve.yaml': 'reeve: 1\nnodes:\n  use: {run: [echo], needs: ["a:test"]}\n'
                                   '  soft: {run: [echo], after: [use], inputs: []}\n',
                   'b/c/reeve.yaml': 'reeve: 1\nnodes:\n  deep: {run: [echo]}\n',
                   'a/src/x.c': '', 'a/src/y.c': '', 'a/t': '', 'own.txt': '', 'b/f': '', 'b/c/g': '', 'a/other': ''})
    status, out, err = reeve(folder, 'run', '--changed')
    claim('--changed outside of a repository says so', status == 2 and 'is in no git repository' in err, err)
    repository = os.path.dirname(folder)
    git(repository, 'init', '-q')
    with open(os.path.join(repository, '.gitignore'), 'w') as file:
        file.write('.reeve\nignored\n')
    status, out, err = reeve(folder, 'run', '--changed')
    claim('--changed without a commit says so', status == 2 and 'has no commit yet' in err, err)
    git(repository, 'add', '-A')
    claim('--staged counts against nothing where there is no commit', len(found := planned(folder, '--staged')) == 9, found)
    git(repository, 'commit', '-q', '-m', 'first')
    first = git(repository, 'rev-parse', 'HEAD')
    status, out, err = reeve(folder, 'run', '--changed')
    claim('nothing changed is said, and is no failure', status == 0 and 'nothing to run' in err and not out, out + err)

    def change(name, text='changed\n'):
        write(folder, {name: text})

    def all_of(*words):
        found = planned(folder, *words)
        return sorted(found) if isinstance(found, list) else found

    change('ignored')
    change('a/other')
    claim('a file that is nobody\'s input changes nothing', 'nothing to run' in reeve(folder, 'run', '--changed')[2])
    change('a/src/x.c')
    claim('--changed is what reads a changed file, its hard dependents, and what those need', (found := all_of('--changed')) ==
          ['a:base', 'a:lib', 'a:test', 'b:use'], found)
    claim('--staged sees only what is staged', 'nothing to run' in reeve(folder, 'run', '--staged')[2])
    git(repository, 'add', 'tree/a/src/x.c')
    claim('what is staged counts', (found := all_of('--staged')) == ['a:base', 'a:lib', 'a:test', 'b:use'], found)
    git(repository, 'add', '-A')
    git(repository, 'commit', '-q', '-m', 'second')
    claim('--since is against that revision', (found := all_of('--changed', '--since', first)) == ['a:base', 'a:lib', 'a:test', 'b:use'],
          found)
    inside = planned(os.path.join(folder, 'b/c'), '--changed', '--since', 'HEAD~1')
    claim('from within a project, too', sorted(inside) == found, inside)
    change('b/c/new file')
    claim('an untracked file counts; a node without inputs has those of its project, not those of one within it',
          (found := all_of('--changed')) == ['c:deep'], found)
    change('b/q.x')
    claim('a pattern of the root reaches into projects', (found := all_of('--changed')) ==
          ['a:base', 'a:lib', 'a:test', 'b:use', 'c:deep', 'own'], found)
    git(repository, 'add', '-A')
    git(repository, 'commit', '-q', '-m', 'third')
    os.unlink(os.path.join(folder, 'a/src/y.c'))
    os.rename(os.path.join(folder, 'own.txt'), os.path.join(folder, 'renamed'))
    claim('a file that is gone counts, and so does one that was moved away; the root\'s other files are its own nodes\'',
          (found := all_of('--changed')) == ['a:base', 'a:lib', 'a:test', 'b:use', 'own', 'rest'], found)
    git(repository, 'add', '-A')
    git(repository, 'commit', '-q', '-m', 'fourth')
    with open(os.path.join(folder, 'a/reeve.yaml'), 'a') as file:
        file.write('# more\n')
    claim('a project\'s reeve.yaml is an input of all of its nodes',
          (found := all_of('--changed')) == ['a:base', 'a:doc', 'a:lib', 'a:test', 'b:use'], found)
    with open(os.path.join(folder, 'reeve.yaml'), 'a') as file:
        file.write('# more\n')
    claim('the root\'s file is an input of every node', len(found := planned(folder, '--changed')) == 9, found)
    status, out, err = reeve(folder, 'run', '--changed', '--since', 'nope')
    claim('an unknown revision is said', status == 2 and '--since nope: the repository has no such revision' in err, err)
    status, out, err = reeve(folder, 'run', '--changed', '--since=--output=x')
    claim('a revision is no option of git', status == 2 and 'no such revision' in err and not os.path.exists(folder + '/x'), err)
    for words in (['own', '--changed'], ['own', '--staged'], ['--all', '--changed'], ['--changed', '--staged'], ['own', '--all'],
                  ['--since', 'HEAD'], ['--changed', '--resume']):
        status, out, err = reeve(folder, 'run', *words)
        claim(f'a usage error: {" ".join(words)}', status == 2 and ('exclude each other' in err or 'goes with --changed' in err), err)

with tempfile.TemporaryDirectory() as folder:
    def many(count):
        files = {'reeve.yaml': 'reeve: 1\nprojects: ["p*"]\nnodes: {all: {run: ["true"], needs: ["^:n0"]}}\n'}
        for p in range(count):
            nodes = ''.join(f'  n{i}: {{run: ["true"], needs: [{f"n{i - 1}" if i else ""}]}}\n' for i in range(50))
            files[f'p{p}/reeve.yaml'] = 'reeve: 1\ntags: [t]\nnodes:\n' + nodes
        write(folder, files)
        before = time.monotonic()
        status, out, err = reeve(folder, 'check')
        return status, out, time.monotonic() - before
    status, out, took = many(200)
    claim('10,000 nodes over 200 projects load', status == 0 and '10001 nodes, 10000 edges' in out, out)
    print(f'# figure: 10,000 nodes over 200 projects in {took:.2f} s')

end()
