#!/usr/bin/env python3
"""test_examples.py REEVE LIBRARY ROOT: every example does what its README says, and the demo's claims hold.

Results are checked against computations of another kind: awk over the log, gunzip of what was packed, the ledger."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

REEVE, LIBRARY, ROOT = (os.path.abspath(word) for word in sys.argv[1:4])
EXAMPLES = os.path.join(ROOT, 'examples')
LIMIT_S = 180


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
    return json.loads(must(0, REEVE, 'sql', query, '--json', '--limit', '0', cwd=folder))['rows']


def copy(folder, name):
    to = os.path.join(folder, name)
    made = shutil.ignore_patterns('.reeve', 'out', 'store', 'packed', 'published', 'reeve.json')
    shutil.copytree(os.path.join(EXAMPLES, name), to, ignore=made)
    return to


def read(*path):
    with open(os.path.join(*path)) as file:
        return file.read()


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
    must(0, REEVE, 'run', '-j', '8', '--var', 'lines=120000', '--var', 'top=3', cwd=here)
    run = sql(here, 'select id from run')[0][0]
    artifacts = os.path.join(here, '.reeve', 'artifacts', run)
    expected = must(0, 'awk', ORACLE, os.path.join(artifacts, 'generate', 'log'), env={'LC_ALL': 'C'})
    assert read(artifacts, 'report', 'report') == expected, read(artifacts, 'report', 'report') + '\n---\n' + expected
    states = dict(sql(here, 'select id, state from node'))
    assert states.pop('alarm') == 'skipped' and set(states.values()) == {'succeeded'}, states
    spans = sql(here, "select started_ms, ended_ms from attempt where node like 'count_%'")
    assert len(spans) == 12 and most_at_once([tuple(map(int, s)) for s in spans]) <= 4, spans
    must(0, REEVE, 'verify', cwd=here)
    out = must(0, REEVE, 'run', '--var', 'lines=5000', '--var', 'alarm_percent=1', cwd=here)
    assert 'ALARM' in out, out
    must(2, REEVE, 'run', '--var', 'lines=many', cwd=here)


# ---- release ----

TOKEN = ('--var', 'token=s3cret-t0ken')


def release__people_are_waited_for_and_the_secret_is_kept(folder):
    here = copy(folder, 'release')
    must(76, REEVE, 'run', *TOKEN, '--no-wait', cwd=here)
    must(2, REEVE, 'run', '--resume', '--no-wait', cwd=here)
    must(2, REEVE, 'answer', 'latest', 'audience', '101', cwd=here)
    must(0, REEVE, 'answer', 'latest', 'audience', '25', cwd=here)
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


def wait_for_question(here, key):
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        status, out, _ = call(REEVE, 'sql', "select count(*) from blocker where state = 'open' and key = '%s'" % key, '--json', cwd=here)
        if status == 0 and int(json.loads(out)['rows'][0][0]) == 1:
            return
        time.sleep(0.05)
    raise AssertionError('%s never asked' % key)


def release__failed_upload_is_withdrawn(folder):
    here = copy(folder, 'release')
    child = subprocess.Popen([REEVE, 'run', *TOKEN, '--var', 'outages=9', '--var', 'channel=beta'], cwd=here, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True)
    try:
        wait_for_question(here, 'review')  # the question before it passed its deadline: its default was taken
        must(0, REEVE, 'approve', 'latest', 'review', cwd=here)
        out = child.communicate(timeout=LIMIT_S)[0]
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

def build_reeve__built_program_runs_a_workflow(folder):
    out = os.path.join(folder, 'out')
    with open(os.path.join(folder, 'reeve.json'), 'w') as file:
        file.write(must(0, os.path.join(EXAMPLES, 'build-reeve', 'generate'), '--out', out))
    must(0, REEVE, 'run', 'reeve.json', '--output', 'quiet', cwd=folder)
    assert must(0, os.path.join(out, 'reeve'), 'version') == must(0, REEVE, 'version')
    assert 'hello, world' in must(0, REEVE, 'logs', 'latest', 'try', cwd=folder)
    sources = sum(len([n for n in names if n.endswith('.c')]) for _, _, names in os.walk(os.path.join(ROOT, 'src')))
    objects = len([n for n in os.listdir(out) if n.endswith('.o')])
    # The embedder is a program of its own and has no object here; what it writes, schema.c, has one.
    assert objects == sources - 1 + 1, '%d objects of %d sources' % (objects, sources)


# ---- each ----

def each__done_items_are_not_done_again(folder):
    here = copy(folder, 'each')
    base = os.path.join(ROOT, 'src', 'base')
    sources = [os.path.join(base, name) for name in sorted(os.listdir(base)) if name.endswith('.c')]
    late = os.path.join(folder, 'late.txt')
    items = '\n'.join(sources + [late]) + '\n'
    must(1, REEVE, 'each', '-j', '2', '--', './pack', '{}', cwd=here, stdin=items)
    with open(late, 'w') as file:
        file.write('here after all\n')
    must(0, REEVE, 'each', '-j', '2', '--resume', '--', './pack', '{}', cwd=here, stdin=items)
    assert sorted(read(here, 'packed', 'ledger').split()) == sorted(sources + [late])  # each one once
    for source in sources + [late]:
        packed = os.path.join(here, 'packed', source.replace('/', '_') + '.gz')
        assert must(0, 'gunzip', '--stdout', packed) == read(source)
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
    must(0, 'cc', '-std=gnu99', '-Wall', '-Wextra', '-Werror', '-I', os.path.join(ROOT, 'include'), 'host.c', '-o', 'host', LIBRARY,
         *libraries, cwd=here)
    host_goes_on(here, './host', 'journal', 'flow.yaml')


# ---- embed, against what is installed ----

def embed__killed_program_goes_on(folder):
    build, prefix = os.path.join(folder, 'build'), os.path.join(folder, 'usr')
    os.mkdir(build)
    os.symlink(REEVE, os.path.join(build, 'reeve'))
    os.symlink(LIBRARY, os.path.join(build, 'libreeve.a'))
    must(0, os.path.join(ROOT, 'tools', 'install'), build, '', prefix)
    env = {'PKG_CONFIG_PATH': os.path.join(prefix, 'lib', 'pkgconfig')}
    line = 'cc -std=c99 -D_GNU_SOURCE -Wall -Wextra -Werror "$1" -o embed $(pkg-config --cflags --libs reeve)'
    must(0, 'sh', '-c', line, 'sh', os.path.join(EXAMPLES, 'embed', 'embed.c'), cwd=folder, env=env)
    if shutil.which('c++'):
        with open(os.path.join(folder, 'header.cc'), 'w') as file:
            file.write('#include <reeve.h>\nreeve_options o = REEVE_OPTIONS_INIT; reeve_workflow w = REEVE_WORKFLOW_INIT;\n')
        must(0, 'sh', '-c', 'c++ -Wall -Wextra -Werror -fsyntax-only $(pkg-config --cflags reeve) header.cc', cwd=folder, env=env)
    status, out, err = call('./embed', 'store', '--die', cwd=folder)
    assert status == -9 and 'greet succeeded' in out, (status, out, err)
    out = must(0, './embed', 'store', cwd=folder)
    assert 'going on with run' in out and 'greet: Hello' not in out and 'It is 42, says embed' in out, out
    assert '["greet","succeeded",1]' in out.replace(' ', ''), out
    must(0, REEVE, 'verify', '--store', 'store', cwd=folder)


# ---- the demo ----

def demo__every_claim_holds(folder):
    page = os.path.join(folder, 'page.html')
    out = must(0, os.path.join(ROOT, 'tools', 'demo'), '--reeve', REEVE, '--report', page, env={'TMPDIR': folder})
    assert 'Every claim was checked' in out and '✗' not in out, out
    assert os.listdir(folder) == ['page.html'], os.listdir(folder)


def main():
    cases = [log_report__report_equals_an_independent_count, release__people_are_waited_for_and_the_secret_is_kept,
             release__failed_upload_is_withdrawn, build_reeve__built_program_runs_a_workflow, each__done_items_are_not_done_again,
             host__python_drives_the_kernel_and_goes_on_after_sigkill, host__c_drives_the_kernel_and_goes_on_after_sigkill,
             embed__killed_program_goes_on, demo__every_claim_holds]
    os.environ.pop('REEVE_STORE', None)
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
    sys.exit(1 if failed else 0)


if __name__ == '__main__':
    main()
