#!/usr/bin/env python3
"""test_examples.py REEVE LIBRARY ROOT [K/N | CASE…]: every example does what its README says, and the demo's claims hold. K/N: of the
cases each Nth, from the Kth on; so they share processors.

With REEVE_TEST_LONG=1 Reeve is built whole, the demo has its own size, and what is tried with many files, rounds or templates is tried
with all; else one layer is built, beside the archives of the others beneath $REEVE_TEST_LAYERS, logs are short, and what is linked with
megabytes of archives has no symbols and is linked by `gold`, if there is one: a third of the time. $REEVE_TEST_SANITIZE names the
sanitizers that LIBRARY was built with (or `none`): what is linked with it is compiled with them, too.

Results are checked against computations of another kind: awk over the log, Python's own gunzip of what was packed, the ledger."""
import gzip
import hashlib
import json
import os
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
from rows import rows_of  # noqa: E402

REEVE, LIBRARY, ROOT = (os.path.abspath(word) for word in sys.argv[1:4])
EXAMPLES = os.path.join(ROOT, 'examples')
IS_LONG = os.environ.get('REEVE_TEST_LONG') == '1'
LIMIT_S = 180
SANITIZERS = os.environ.get('REEVE_TEST_SANITIZE', 'none')
LINKING = [] if IS_LONG or SANITIZERS != 'none' else ['-s', *(['-fuse-ld=gold'] if shutil.which('ld.gold') else [])]


def call(*words, cwd=None, stdin=None, env=None):
    """(exit status, output, errors) of a command."""
    done = subprocess.run(words, cwd=cwd, input=stdin, text=True, errors='replace', timeout=LIMIT_S,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(os.environ, **(env or {})))
    return done.returncode, done.stdout, done.stderr


def must(status, *words, **how):
    """The output of a command that must end with `status`."""
    found, out, err = call(*words, **how)
    assert found == status, '%s: status %d, not %d\n%s%s' % (' '.join(words), found, status, out, err)
    return out


def sql(folder, query):
    rows = rows_of(os.path.join(folder, '.reeve'), query)
    if rows is not None:
        return [list(row) for row in rows]
    return json.loads(must(0, REEVE, 'sql', query, '--json', '--limit', '0', cwd=folder))['rows']


def copy(folder, name):
    to = os.path.join(folder, name)
    made = shutil.ignore_patterns('.reeve', 'out', 'store', 'packed', 'published', 'reeve.json')
    shutil.copytree(os.path.join(EXAMPLES, name), to, ignore=made)
    return to


def read(*path):
    with open(os.path.join(*path)) as file:
        return file.read()


def compile_as_the_library(folder):
    """Put a `cc` that adds the library's sanitizers first in $PATH."""
    path = os.path.join(folder, 'cc')
    with open(path, 'w') as file:
        file.write('#!/bin/sh\nexec %s "$@" -fsanitize=%s\n' % (shutil.which('cc'), SANITIZERS))
    os.chmod(path, 0o755)
    os.environ['PATH'] = folder + os.pathsep + os.environ['PATH']


# ---- log-report ----

ORACLE = r'''
{ n++; b += $6; status[$5]++; path[$4]++; if ($5 >= 500) e++; if ($7 >= 1000) s++ }
END {
    printf "requests %d\nbytes %.0f\nerrors %d\nslower than a second %d\n\n", n, b, e, s
    for (k in status) printf "status %s %d\n", k, status[k] | "sort"
    close("sort"); print ""
    for (k in path) printf "path %s %d\n", k, path[k] | "sort -k3,3nr -k2,2 | head -3"
}'''


def most_at_once(spans):
    """The greatest number of spans [begin, end) that overlap."""
    marks = sorted([(end, -1) for begin, end in spans] + [(begin, 1) for begin, end in spans])
    now = most = 0
    for _, step in marks:
        now += step
        most = max(most, now)
    return most


def log_report__report_equals_an_independent_count(folder):
    here = copy(folder, 'log-report')
    lines = '--var', 'lines=%d' % (120000 if IS_LONG else 4000)
    out = must(0, REEVE, 'run', '-j', '8', *lines, '--var', 'top=3', '--var', 'alarm_percent=1', cwd=here)
    assert 'ALARM' in out, out
    run = sql(here, 'select id from run')[0][0]
    artifacts = os.path.join(here, '.reeve', 'artifacts', run)
    expected = must(0, 'awk', ORACLE, os.path.join(artifacts, 'generate', 'log'), env={'LC_ALL': 'C'})
    assert read(artifacts, 'report', 'report') == expected, read(artifacts, 'report', 'report') + '\n---\n' + expected
    states = dict(sql(here, 'select id, state from node'))
    assert set(states.values()) == {'succeeded'}, states
    spans = sql(here, "select started_ms, ended_ms from attempt where node like 'count_%'")
    assert len(spans) == 12 and most_at_once([tuple(map(int, s)) for s in spans]) <= 4, spans
    must(0, REEVE, 'verify', cwd=here)
    if IS_LONG:  # fewer failed than raises it
        out = must(0, REEVE, 'run', *lines, cwd=here)
        nodes = {n['node']: n['state'] for n in shown(here)['nodes']}
        assert nodes.pop('alarm') == 'skipped' and set(nodes.values()) == {'succeeded'} and 'ALARM' not in out, (nodes, out)
    must(2, REEVE, 'run', '--var', 'lines=many', cwd=here)


# ---- release ----

TOKEN = ('--var', 'token=s3cret-t0ken')


def wait_for_question(child, key):
    """Read what a run says (text that is read no other way before) until it asks the question; what it said."""
    said, end = b'', time.monotonic() + LIMIT_S
    while '⏸ {} '.format(key).encode() not in said:
        ready = select.select([child.stdout], [], [], max(0, end - time.monotonic()))[0]
        more = os.read(child.stdout.fileno(), 65536) if ready else b''
        assert more, '%s was never asked: %s' % (key, said.decode(errors='replace'))
        said += more
    return said.decode(errors='replace')


def release__people_are_waited_for_and_the_secret_is_kept(folder):
    here = copy(folder, 'release')
    child = subprocess.Popen([REEVE, 'run', *TOKEN, '--no-wait'], cwd=here, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             stdin=subprocess.DEVNULL, text=True)
    try:
        out = wait_for_question(child, 'audience')  # it has a deadline and a default: --no-wait waits for that
        must(2, REEVE, 'answer', 'latest', 'audience', '101', cwd=here)
        must(0, REEVE, 'answer', 'latest', 'audience', '25', cwd=here)
        out += child.communicate(timeout=LIMIT_S)[0]
    finally:
        child.kill()
        child.wait()
    assert child.returncode == 76, out
    must(2, REEVE, 'run', '--resume', '--no-wait', cwd=here)
    out = must(76, REEVE, 'run', '--resume', *TOKEN, '--no-wait', cwd=here)
    assert 'for 25 percent?' in out + must(0, REEVE, 'show', cwd=here), out
    must(0, REEVE, 'approve', 'latest', 'review', '--comment', 'ship it', cwd=here)
    must(4, REEVE, 'reject', 'latest', 'review', cwd=here)
    out = must(0, REEVE, 'run', '--resume', *TOKEN, cwd=here)
    published = sorted(os.listdir(os.path.join(here, 'published')))
    assert published == ['1.4.0.tgz', 'announced', 'log'], published
    assert read(here, 'published', 'announced') == '1.4.0 for 25 percent\n'
    assert must(0, 'tar', 'tzf', os.path.join(here, 'published', '1.4.0.tgz')) == 'reeve.yaml\nserver\n'
    tries = sql(here, "select count(*) from attempt where node = 'upload'")
    assert int(tries[0][0]) >= 1, tries
    assert call('grep', '-r', '-l', TOKEN[1].split('=')[1], os.path.join(here, '.reeve'))[0] == 1, 'the secret is in the store'
    must(0, REEVE, 'verify', cwd=here)


def release__failed_upload_is_withdrawn(folder):
    here = copy(folder, 'release')
    child = subprocess.Popen([REEVE, 'run', *TOKEN, '--var', 'outages=9', '--var', 'channel=beta'], cwd=here, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True)
    try:
        out = wait_for_question(child, 'review')  # the question before it passed its deadline: its default was taken
        must(0, REEVE, 'approve', 'latest', 'review', cwd=here)
        out += child.communicate(timeout=LIMIT_S)[0]
    finally:
        child.kill()
        child.wait()
    assert child.returncode == 1, out
    assert os.listdir(os.path.join(here, 'published')) == ['log'], os.listdir(os.path.join(here, 'published'))
    attempts = sql(here, "select state, exit_status from attempt where node = 'upload' order by epoch")
    assert [(s, int(e)) for s, e in attempts] == [('error', 75)] * 4, attempts
    states = dict(sql(here, 'select id, state from node'))
    assert (states['announce'], states['on.failure'], states['on.exit']) == ('skipped', 'succeeded', 'succeeded'), states
    assert sql(here, "select result from node where id = 'audience'") == [['{"value":10}']]
    assert 'the token was ***' in out and TOKEN[1].split('=')[1] not in out, out
    must(0, REEVE, 'verify', cwd=here)


# ---- build-reeve ----

def build_reeve(folder, layers, *words):
    """Reeve is built in `folder`, these layers of it file by file, and tried."""
    out = os.path.join(folder, 'out')
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, 'reeve.json'), 'w') as file:
        file.write(must(0, os.path.join(EXAMPLES, 'build-reeve', 'generate'), '--out', out, *words,
                        env={'CFLAGS': '-O0', 'LDFLAGS': ' '.join(LINKING)}))
    must(0, REEVE, 'run', 'reeve.json', '--output', 'quiet', cwd=folder)
    assert must(0, os.path.join(out, 'reeve'), 'version') == must(0, REEVE, 'version')
    assert 'hello, world' in must(0, REEVE, 'logs', 'latest', 'try', cwd=folder)
    sources = sum(len([n for n in names if n.endswith('.c')])
                  for layer in layers for _, _, names in os.walk(os.path.join(ROOT, 'src', layer)))
    objects = len([n for n in os.listdir(out) if n.endswith('.o')])
    # An embedder is a program of its own and has no object here; what it writes has one.
    assert objects == sources, '%d objects of %d sources' % (objects, sources)


def build_reeve__built_program_runs_a_workflow(folder):
    all_layers = [name for name in os.listdir(os.path.join(ROOT, 'src')) if os.path.isdir(os.path.join(ROOT, 'src', name))]
    layers = all_layers if IS_LONG else ['loop']
    archive = '{0}=' + os.path.join(os.environ.get('REEVE_TEST_LAYERS', ''), '{0}', 'librv_{0}.a')
    build_reeve(os.path.join(folder, 'by-file'), layers, *[word for name in all_layers if name not in layers
                                                           for word in ('--have', archive.format(name))])
    if IS_LONG:
        build_reeve(os.path.join(folder, 'with-library'), ['cli', 'sim'], '--library', LIBRARY)


# ---- budget ----

def budget__pauses_and_goes_on_with_more(folder):
    here = copy(folder, 'budget')
    out = must(76, REEVE, 'run', '--no-wait', cwd=here)
    assert 'reeve approve' in out and '--add' in out, out
    states = dict(sql(here, 'select id, state from node'))
    assert (states['drafts[1]'], states['drafts[2]']) == ('succeeded', 'waiting'), states
    must(2, REEVE, 'approve', 'latest', '--add', 'usd', cwd=here)
    must(0, REEVE, 'approve', 'latest', '--add', 'usd=1', cwd=here)
    must(0, REEVE, 'run', '--resume', cwd=here)
    bill = json.loads(sql(here, "select result from node where id = 'bill'")[0][0])
    assert [draft['cost_usd'] for draft in bill['drafts']] == [0.8] * 3, bill
    events = [json.loads(line) for line in must(0, REEVE, 'events', 'latest', '--json', cwd=here).splitlines()]
    spent = sum(e['cost'] for e in events if e.get('type') == 'spent')
    assert spent == 2600000, spent
    must(0, REEVE, 'verify', cwd=here)


# ---- import ----

def made(here):
    """Every file beneath out/ with its bytes."""
    found = {}
    for folder, _, names in os.walk(os.path.join(here, 'out')):
        for name in names:
            with open(os.path.join(folder, name), 'rb') as file:
                found[os.path.relpath(os.path.join(folder, name), here)] = file.read()
    return found


def import__what_make_makes_first_and_again(folder):
    plain = {k: v for k, v in os.environ.items() if k not in ('MAKEFLAGS', 'MAKELEVEL', 'MFLAGS', 'CC')}
    here = copy(folder, 'import')
    there = shutil.copytree(here, os.path.join(folder, 'by-make'))

    def make(*words):
        done = subprocess.run(['make', '-s', *words], cwd=there, env=plain, stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT_S)
        assert done.returncode == 0, done.stderr
    status, _, err = call(REEVE, 'import', 'Makefile', '-o', 'build.yaml', cwd=here)
    assert status == 0 and 'Makefile:36:1: warning: what the compiler says of headers' in err, err
    must(0, REEVE, 'run', 'build.yaml', cwd=here)
    if IS_LONG:  # what make does first is there in what it does at last, too
        make()
        assert made(here) == made(there), sorted(made(here))
    assert 'out/count' in made(here), sorted(made(here))
    status, _, err = call(REEVE, 'import', 'Makefile', '-o', 'build.yaml', '--force', cwd=here)
    assert status == 0 and not err, err
    must(0, REEVE, 'run', 'build.yaml', cwd=here)
    out = must(0, REEVE, 'run', 'build.yaml', '--json', cwd=here)
    started = [json.loads(line)['node'] for line in out.splitlines() if '"attempt_started"' in line]
    assert started == ['out'], 'only the folder is looked at when nothing has changed, not %s' % started
    for project in (here, there):
        with open(os.path.join(project, 'src', 'words.h'), 'a') as file:
            file.write('#define WORDS_LEAST 2\n')
        path = os.path.join(project, 'src', 'main.c')
        text = read(path).replace('i < count; i++', 'i < count && words[i].count >= WORDS_LEAST; i++')
        with open(path, 'w') as file:
            file.write(text)
        with open(os.path.join(project, 'tests', 'reeve.expected'), 'w') as file:
            file.write('4 the\n2 was\n2 work\n')
        with open(os.path.join(project, 'tests', 'short.expected'), 'w') as file:
            file.write('3 a\n2 b\n')
    must(0, REEVE, 'run', 'build.yaml', cwd=here)
    make()
    assert made(here) == made(there), sorted(k for k in made(here) if made(here)[k] != made(there).get(k))
    must(0, REEVE, 'run', 'build.yaml', 'clean', cwd=here)
    assert not made(here)


# ---- each ----

def each__done_items_are_not_done_again(folder):
    here = copy(folder, 'each')
    blob = os.path.join(ROOT, 'src', 'blob')
    sources = [os.path.join(blob, name) for name in sorted(os.listdir(blob)) if name.endswith('.c')][:None if IS_LONG else 4]
    late = os.path.join(folder, 'late.txt')
    items = '\n'.join(sources + [late]) + '\n'
    must(1, REEVE, 'each', '-j', '2', '--', './pack', '{}', cwd=here, stdin=items)
    with open(late, 'w') as file:
        file.write('here after all\n')
    must(0, REEVE, 'each', '-j', '2', '--resume', '--', './pack', '{}', cwd=here, stdin=items)
    assert sorted(read(here, 'packed', 'ledger').split()) == sorted(sources + [late])  # each one once
    for source in sources + [late]:
        packed = os.path.join(here, 'packed', source.replace('/', '_') + '.gz')
        with gzip.open(packed, 'rt') as file:
            assert file.read() == read(source), source
    must(0, REEVE, 'each', '-j', '2', '--resume', '--', './pack', '{}', cwd=here, stdin=items)
    assert len(read(here, 'packed', 'ledger').split()) == len(sources) + 1


# ---- host: the kernel alone, in Python and in C ----

HOSTED = {'research', 'draft', 'count', 'longest', 'review', 'publish'}


def host_goes_on(folder, *words):
    status, out, err = call(*words, '--die', cwd=folder)
    assert status == -9 and 'published' not in out, (status, out, err)
    out = must(0, *words, cwd=folder)
    assert 'going on after event' in out and out.count('published: All about llamas') == 1, out
    assert 'asked: ' in out and 'of 6 words?' in out, out
    assert {line.split()[0] for line in out.split('\n') if line.endswith(' succeeded')} == HOSTED, out
    again = must(0, *words, cwd=folder)  # it has ended: nothing is done again
    assert 'published' not in again and 'publish succeeded' in again, again


def host__python_drives_the_kernel_and_goes_on_after_sigkill(folder):
    here = copy(folder, 'host')
    host_goes_on(here, os.path.join(here, 'host.py'), 'journal', '--reeve', REEVE)
    rows = [json.loads(line) for line in read(here, 'journal').split('\n') if line]
    assert all(a['first_seq'] + a['event_count'] == b['first_seq'] for a, b in zip(rows, rows[1:])), 'a gap in the journal'


def host__c_drives_the_kernel_and_goes_on_after_sigkill(folder):
    here = copy(folder, 'host')
    libraries = ['-lcrypto', '-luv', '-lxxhash', '-lsqlite3', '-lyaml', '-pthread']
    must(0, 'cc', '-std=gnu99', '-Wall', '-Wextra', '-Werror', '-I', os.path.join(ROOT, 'include'), *LINKING, 'host.c',
         '-o', 'host', LIBRARY, *libraries, cwd=here)
    host_goes_on(here, './host', 'journal', 'flow.yaml')


# ---- embed, against what is installed ----

def embed__killed_program_goes_on(folder):
    build, prefix = os.path.join(folder, 'build'), os.path.join(folder, 'usr')
    os.mkdir(build)
    os.symlink(REEVE, os.path.join(build, 'reeve'))
    os.symlink(LIBRARY, os.path.join(build, 'libreeve.a'))
    must(0, os.path.join(ROOT, 'tools', 'install'), build, '', prefix)
    env = {'PKG_CONFIG_PATH': os.path.join(prefix, 'lib', 'pkgconfig')}
    line = 'cc -std=c99 -D_GNU_SOURCE -Wall -Wextra -Werror "$@" -o embed $(pkg-config --cflags --libs reeve)'
    must(0, 'sh', '-c', line, 'sh', *LINKING, os.path.join(EXAMPLES, 'embed', 'embed.c'), cwd=folder, env=env)
    if shutil.which('c++'):
        with open(os.path.join(folder, 'header.cc'), 'w') as file:
            file.write('#include <reeve.h>\nreeve_options o = REEVE_OPTIONS_INIT; reeve_workflow w = REEVE_WORKFLOW_INIT;\n')
        must(0, 'sh', '-c', 'c++ -Wall -Wextra -Werror -fsyntax-only $(pkg-config --cflags reeve) header.cc', cwd=folder, env=env)
    status, out, err = call('./embed', 'store', '--die', cwd=folder)
    assert status == -9 and 'greet succeeded' in out, (status, out, err)
    out = must(0, './embed', 'store', cwd=folder)
    assert 'going on with run' in out and 'greet: Hello' not in out and 'It is 42, says embed' in out, out
    assert '["greet","succeeded",1]' in out.replace(' ', '') and 'each[1]: 9 of 42' in out and '"is_new":true' in out, out
    said = [line for line in out.splitlines() if line.startswith('plan may')]
    wanted = ['plan may use shelf.read', 'plan may not use shelf.burn', 'plan may not use matches']
    assert [line.split(':')[0] for line in said] == wanted, said
    gates = must(0, REEVE, 'sql', '--store', 'store', '--csv', 'select count(*) from blocker', cwd=folder)
    assert gates.split() == ['count(*)', '1'], gates  # of the approval; the gate opens none
    must(0, REEVE, 'verify', '--store', 'store', cwd=folder)


# ---- the demo ----

# ---- kinds that hold other nodes ----

def result(here, node):
    return json.loads(sql(here, "select result from node where id = '%s'" % node)[0][0])


def shown(here):
    return json.loads(must(0, REEVE, 'show', '--json', cwd=here))


def smallest__the_winner_is_the_smallest_file(folder):
    here = copy(folder, 'smallest')
    must(0, REEVE, 'run', '--var', 'dir=' + os.path.join(ROOT, 'src', 'loop'), cwd=here)
    run = shown(here)
    packed = {a['node']: a['size'] for a in run['artifacts'] if a['name'] == 'packed'}
    bracket = [n for n in run['nodes'] if n['node'] == 'smallest'][0]['bracket']
    took_part = [e['node'] for e in bracket['entrants'] if e['took_part']]
    assert {'smallest/e0', 'smallest/e1', 'smallest/e2'} <= set(took_part), took_part
    assert bracket['winner'] == min(took_part, key=lambda node: packed[node]) == result(here, 'smallest')['winner'], (bracket, packed)
    matches = [m for r in bracket['rounds'] for m in r['matches']]
    assert len(matches) == len(took_part) - 1, matches
    for match in matches:
        assert packed[match['winner']] == min(packed[match['left']], packed[match['right']]), match


def triage__each_kind_of_file_goes_its_way(folder):
    here = copy(folder, 'triage')
    text = b'some words\nand more\n'
    files = {'text': text, 'packed': gzip.compress(text), 'script': b'#!/bin/sh\necho hello\n', 'binary': bytes(range(256))}
    ways = {'text': 'words', 'packed': 'unpack', 'script': 'syntax', 'binary': None}
    for kind, content in files.items():
        with open(os.path.join(here, 'it'), 'wb') as file:
            file.write(content)
        must(0, REEVE, 'run', '--var', 'file=it', cwd=here)
        found = sql(here, "select id, state, result from node where run = (select id from run order by created_ms desc, id desc limit 1)")
        for way in ('words', 'unpack', 'syntax'):
            state = {node: state for node, state, _ in found}[way]
            assert state == ('succeeded' if way == ways[kind] else 'skipped'), (kind, found)
        rows = {node: row for node, _, row in found}
        assert json.loads(rows['digest'])['sha256'] == hashlib.sha256(content).hexdigest(), kind
        if kind == 'text':
            assert json.loads(rows['words'])['words'] == str(len(content.split())), rows['words']
        if kind == 'packed':
            assert json.loads(rows['unpack'])['bytes'] == str(len(text)), rows['unpack']


def page_rank(edges, limit):
    """The ranks, computed another way: with lists, in double precision."""
    names = sorted({name for edge in edges for name in edge})
    rank = {name: 1 / len(names) for name in names}
    out = {name: [to for start, to in edges if start == name] for name in names}
    for rounds in range(1, 201):
        loose = sum(rank[name] for name in names if not out[name])
        after = {name: (0.15 + 0.85 * loose) / len(names) for name in names}
        for name in names:
            for to in out[name]:
                after[to] += 0.85 * rank[name] / len(out[name])
        change = sum(abs(after[name] - rank[name]) for name in names)
        rank = after
        if change < limit:
            return rank, rounds
    return rank, 200


def rank__the_loop_ends_at_the_ranks_of_another_computation(folder):
    here = copy(folder, 'rank')
    source = os.path.join(ROOT, 'src', 'kernel')
    off = 0.001 if IS_LONG else 0.02
    must(0, REEVE, 'run', '--var', 'dir=' + source, '--var', 'off=%g' % off, cwd=here)
    edges = set()
    for name in os.listdir(source):
        if name.endswith(('.c', '.h')):
            edges |= {(name, line.split('"')[1]) for line in read(source, name).split('\n') if line.startswith('#include "')}
    ranks, rounds = page_rank(sorted(edges), off)
    found = result(here, 'rank')
    assert found['iterations'] == rounds and not found['exhausted'], (found, rounds)
    for line in found['value']['ranks'].split('\n'):
        name, rank = line.split()
        assert abs(ranks[name] - float(rank)) < 1e-6, (name, rank, ranks[name])
    best = max(ranks, key=lambda name: ranks[name])
    assert found['value']['ranks'].startswith(best + ' '), (best, found)


def sources__sums_equal_an_independent_count(folder):
    here = copy(folder, 'sources')
    source = os.path.join(ROOT, 'src', 'loop')
    must(0, REEVE, 'run', '--var', 'dir=' + source, cwd=here)
    texts = [read(source, name) for name in os.listdir(source) if name.endswith(('.c', '.h'))]
    wanted = {'files': len(texts), 'lines': sum(text.count('\n') for text in texts),
              'includes': sum(line.startswith('#include') for text in texts for line in text.split('\n'))}
    assert {key: int(value) for key, value in result(here, 'total').items()} == wanted, (result(here, 'total'), wanted)
    roles = [n.get('role') for n in shown(here)['nodes']]
    assert roles.count('item') == len(texts) and roles.count('workflow') == 2 * len(texts), roles


# ---- templates ----

def template(here, name, *words):
    must(0, REEVE, 'init', name + '.yaml', '--template', name, cwd=here)
    if IS_LONG:
        must(0, REEVE, 'check', name + '.yaml', cwd=here)
    must(0, REEVE, 'run', name + '.yaml', *words, cwd=here)


def templates__each_runs_and_gives_what_it_says(folder):
    must(0, REEVE, 'init', '--template', 'fanout', cwd=folder)
    before = read(folder, 'reeve.yaml')
    status, _, err = call(REEVE, 'init', '--template', 'verify', cwd=folder)
    assert status == 4 and 'exists already' in err and read(folder, 'reeve.yaml') == before, 'a file was overwritten'
    must(0, REEVE, 'check', cwd=folder)
    must(0, REEVE, 'run', cwd=folder)
    said = must(0, REEVE, 'logs', 'latest', 'report', cwd=folder)
    assert 'in 1 files' in said and said.startswith('%d lines' % before.count('\n')), said
    many = 12 if IS_LONG else 5
    template(folder, 'generate-and-filter', *([] if IS_LONG else ['--var', 'many=%d' % many]))
    primes = [n for n in range(7, 6 * many + 2, 6) if all(n % d for d in range(2, n))]
    words = must(0, REEVE, 'logs', 'latest', 'keep', cwd=folder).split()
    assert words[0] == str(len(primes)) and len(primes) < many and [int(word) for word in words[3:]] == primes, words
    template(folder, 'verify')
    assert result(folder, 'verdict') == {'value': 'yes'}
    template(folder, 'tournament')
    sizes = {a['node']: a['size'] for a in shown(folder)['artifacts'] if a['name'] == 'packed'}
    assert sizes[result(folder, 'smallest')['winner']] == min(sizes.values()), sizes
    template(folder, 'loop-until-good', '--var', 'number=10')
    assert abs(result(folder, 'improve')['value']['x'] ** 2 - 10) < 1e-8
    template(folder, 'classify-and-route')
    assert result(folder, 'sort') == {'branch': 'bug'}
    template(folder, 'example')
    status, _, err = call(REEVE, 'init', 'other.yaml', '--template', 'nothing', cwd=folder)
    assert status == 2 and 'loop-until-good' in err and not os.path.exists(os.path.join(folder, 'other.yaml')), err
    must(0, REEVE, 'verify', '--all', cwd=folder)


def demo__every_claim_holds(folder):
    page = os.path.join(folder, 'page.html')
    out = must(0, os.path.join(ROOT, 'tools', 'demo'), '--reeve', REEVE, '--report', page,
               *([] if IS_LONG else ['--lines', '4000', '--pieces', '12']), env={'TMPDIR': folder})
    assert 'Every claim was checked' in out and '✗' not in out, out
    assert os.listdir(folder) == ['page.html'], os.listdir(folder)


def main():
    cases = [log_report__report_equals_an_independent_count, release__people_are_waited_for_and_the_secret_is_kept,
             release__failed_upload_is_withdrawn, build_reeve__built_program_runs_a_workflow,
             budget__pauses_and_goes_on_with_more, import__what_make_makes_first_and_again, each__done_items_are_not_done_again,
             host__python_drives_the_kernel_and_goes_on_after_sigkill, host__c_drives_the_kernel_and_goes_on_after_sigkill,
             embed__killed_program_goes_on, smallest__the_winner_is_the_smallest_file, triage__each_kind_of_file_goes_its_way,
             rank__the_loop_ends_at_the_ranks_of_another_computation, sources__sums_equal_an_independent_count,
             templates__each_runs_and_gives_what_it_says, demo__every_claim_holds]
    part = re.fullmatch(r'(\d+)/(\d+)', sys.argv[4]) if len(sys.argv) == 5 else None
    if part:
        cases = cases[int(part[1]) - 1::int(part[2])]
    elif sys.argv[4:]:
        cases = [case for case in cases if any(word in case.__name__ for word in sys.argv[4:])]
    os.environ.pop('REEVE_STORE', None)
    compilers = tempfile.mkdtemp(prefix='rv-example-')
    if SANITIZERS != 'none':
        compile_as_the_library(compilers)
    failed = 0
    for number, case in enumerate(cases, 1):
        folder = tempfile.mkdtemp(prefix='rv-example-')
        try:
            case(folder)
            print('ok %d %s' % (number, case.__name__), flush=True)
        except (AssertionError, OSError, ValueError, subprocess.SubprocessError) as problem:
            failed += 1
            print('not ok %d %s\n# %s' % (number, case.__name__, str(problem).replace('\n', '\n# ')), flush=True)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(compilers, ignore_errors=True)
    sys.exit(1 if failed else 0)


if __name__ == '__main__':
    main()
