#!/usr/bin/env python3
"""test_monorepo.py REEVE ROOT: examples/monorepo is built once; then nothing is done twice, and what changed is.

What the tools print is compared with another computation, what ran with the store's tables and, where strace is to be had, with the
system calls of Reeve and of all that it starts. With REEVE_TEST_LONG=1 all of it is run; else seven libraries that the tools need are
built and not tested: a test is a third of a second of compiler and linker."""
import collections
import json
import os
import re
import shutil
import stat
import sys
import tempfile

from program import REEVE, call, claim, end

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
from rows import rows_of  # noqa: E402

ROOT = os.path.abspath(sys.argv[2])
IS_LONG = os.environ.get('REEVE_TEST_LONG') == '1'
ALL_NODES = 48
UNTRIED = set() if IS_LONG else {name + ':test' for name in ('str', 'vec', 'load', 'token', 'stem', 'stats', 'csv')}
NODES = ALL_NODES - len(UNTRIED)
WANTED = [] if IS_LONG else ['pack', 'corpus:report', '^:stress', 'mkset:test', 'stop:test', 'index:test', 'query:test']


def must(folder, *words):
    status, out, err = call(folder, *words)
    assert status == 0, '%s: status %d\n%s%s' % (' '.join(words), status, out, err)
    return out


def read(*path):
    with open(os.path.join(*path), 'rb') as file:
        return file.read().decode()


def change(path, old, new):
    text = read(path)
    assert text.count(old) == 1, '%s: %s' % (path, old)
    with open(path, 'w') as file:
        file.write(text.replace(old, new))


def tree(folder):
    """Every file beneath: its mode and what is in it."""
    found = {}
    for base, dirs, names in os.walk(folder):
        dirs[:] = [name for name in dirs if name not in ('.reeve', '.git')]
        for name in names:
            path = os.path.join(base, name)
            with open(path, 'rb') as file:
                found[os.path.relpath(path, folder)] = (stat.S_IMODE(os.lstat(path).st_mode), file.read())
    return found


# ---- what a run did ----

NO_LEAKS = {'ASAN_OPTIONS': os.environ.get('ASAN_OPTIONS', '') + ':detect_leaks=0'}  # LeakSanitizer cannot look at what is traced
TRACER = ['strace', '-f', '--seccomp-bpf', '-e', 'trace=execve,clone,clone3,vfork,fork']
Run = collections.namedtuple('Run', 'status ran hits states out programs')


def can_trace(folder):
    return bool(shutil.which('strace')) and call(folder, *TRACER, '-o', '/dev/null', 'true')[0] == 0


def started(trace):
    """(programs that were executed, processes that were made) of a trace by strace; a thread is no process."""
    programs = [line for line in trace.split('\n') if ' execve(' in line and ' = -1 ' not in line]
    made = [line for line in trace.split('\n') if re.search(r' (clone3?|v?fork)\(', line) and 'CLONE_THREAD' not in line]
    return programs, made


def rows(folder, query):
    found = rows_of(os.path.join(folder, '.reeve'), query)
    return found if found is not None else json.loads(must(folder, REEVE, 'sql', query, '--json', '--limit', '0'))['rows']


def run(folder, *words, is_traced=False):
    """Run; which nodes ran, which came from the cache, by the tables of the store alone."""
    trace = os.path.join(os.path.dirname(folder), 'trace')
    tracer = [*TRACER, '-o', trace] if is_traced else []
    status, out, err = call(folder, *tracer, REEVE, 'run', *words, env=NO_LEAKS if is_traced else None)
    nodes = rows(folder, 'select id, state, attempts, detail from node where run = '
                 '(select id from run order by created_ms desc, id desc limit 1)')
    ran = {node for node, _, attempts, _ in nodes if int(attempts) > 0}
    hits = {node for node, _, _, detail in nodes if detail == 'cache'}
    states = {node: state for node, state, _, _ in nodes}
    return Run(status, ran, hits, states, out + err, started(read(trace)) if is_traced else None)


def all_hits(text, folder, *words, is_traced=False):
    done = run(folder, *words, *WANTED, is_traced=is_traced)
    claim(text + ': every node is from the cache, and there is no attempt', done.status == 0 and not done.ran and
          len(done.hits) == NODES and set(done.states.values()) == {'succeeded'}, done)
    claim(text + ': it is said', 'nothing had to run: %d from the cache' % NODES in done.out, done.out)
    if is_traced:
        programs, made = done.programs
        claim(text + ': no program is executed but Reeve itself, no process made but its keeper', len(programs) == 1 and
              len(made) <= 1, '\n'.join(programs + made))


def planned(folder, *words):
    return json.loads(must(folder, REEVE, 'run', '--dry-run', '--json', *words))['plan']


def spans(folder, where):
    return [(int(begin), int(end)) for begin, end in rows(folder, 'select started_ms, ended_ms from attempt where ' + where)]


def most_at_once(times):
    """The greatest number of spans [begin, end) that overlap."""
    marks = sorted([(end, -1) for begin, end in times] + [(begin, 1) for begin, end in times])
    now = most = 0
    for _, step in marks:
        now += step
        most = max(most, now)
    return most


# ---- the tools, computed another way ----

def stem(word):
    for ending in ('ies', 'ing', 'ed', 'es', 's', 'y', 'e'):
        if word.endswith(ending) and len(word) >= len(ending) + 3:
            return word[:-len(ending)]
    return word


def words_of(folder):
    """Name of a text → the words in it."""
    texts = os.path.join(folder, 'corpus', 'texts')
    return {name: re.findall('[a-z]+', read(texts, name).lower()) for name in sorted(os.listdir(texts))}


def table(folder, top):
    """What the report of the texts has to be."""
    common = set(read(folder, 'libs', 'stop', 'words.txt').split('\n'))
    counts, documents = collections.Counter(), collections.defaultdict(set)
    for name, words in words_of(folder).items():
        for word in words:
            if word not in common:
                counts[stem(word)] += 1
                documents[stem(word)].add(name)
    rows = sorted(counts, key=lambda word: (-counts[word], word))[:top]
    return 'stem,count,documents\n' + ''.join('%s,%d,%d\n' % (word, counts[word], len(documents[word])) for word in rows)


def first_run(folder):
    done = run(folder, '-j', '4', *WANTED)
    claim('the first run compiles and tests all that is asked for', done.status == 0 and len(done.ran) == NODES and not done.hits and
          set(done.states.values()) == {'succeeded'}, done)
    projects = {node.split(':')[0] for node in done.ran if ':' in node}
    claim('it is at least twelve packages', len(projects) >= 12, projects)
    report = os.path.join(folder, 'corpus', 'out', 'words.csv')
    claim('the report is what another computation gives', read(report) == table(folder, 12), read(report) + table(folder, 12))
    lengths = sorted(len(words) for words in words_of(folder).values())
    said = '%d documents, %d words: %d to %d, median %d' % (
        len(lengths), sum(lengths), lengths[0], lengths[-1], lengths[(len(lengths) - 1) // 2])
    claim('and so is what it says of the texts', said in done.out, (said, done.out))
    names = [name for name, words in words_of(folder).items() if {'boat', 'boats'} & set(words) and 'lighthouse' not in words]
    found = must(os.path.join(folder, 'corpus', 'texts'), '../../apps/search/out/search', 'boat -lighthouse', *words_of(folder))
    claim('the search finds what another computation finds', names and found.split() == names, (names, found))
    packed = must(folder, 'tar', '--list', '--file=out/words.tar')
    claim('the tools are packed', sorted(packed.split()) == ['bin/report', 'bin/search'], packed)
    tests, stresses = spans(folder, "node like '%:test'"), spans(folder, "node like '%:stress'")
    claim('at most two tests ran at once, as their tag says', len(tests) == 16 - len(UNTRIED) and most_at_once(tests) <= 2, tests)
    claim('what fills memory was alone, as its mutex says', len(stresses) == 2 and most_at_once(stresses) == 1, stresses)


def second_run(folder, is_traced):
    all_hits('the second run', folder, is_traced=is_traced)
    for name in tree(folder):
        os.utime(os.path.join(folder, name))
    all_hits('every file touched and none changed', folder)


LINKED = {'stats:compile', 'stats:build', 'stats:test', 'report:build', 'report:test', 'corpus:report', 'pack'} - UNTRIED


def changed_library(folder, is_traced):
    source = os.path.join(folder, 'libs', 'stats', 'stats.c')
    original = read(source)
    change(source, 'static int order(', '/* The least comes first. */ static int order(')
    done = run(folder, *WANTED, is_traced=is_traced)
    claim('another comment compiles one file, and what it gives is the same: the rest is from the cache', done.status == 0 and
          done.ran == {'stats:compile'} and len(done.hits) == NODES - 1, done)
    if is_traced:
        programs, made = done.programs
        claim('strace sees what is started: one compiler', sum('/cc1"' in line for line in programs) == 1 and len(made) > 2,
              '\n'.join(programs + made))
    change(source, 'if (count == 0)', 'if (!numbers || count == 0)')
    plan = {row['node']: (row['will'], row['why']) for row in planned(folder, *WANTED)}
    will_run = {node for node, (will, _) in plan.items() if will == 'run'}
    claim('--dry-run says which will run, and names the file that changed', will_run == LINKED and len(plan) == NODES and
          'libs/stats/stats.c changed' in plan['stats:compile'][1], plan)
    done = run(folder, *WANTED)
    claim('a changed library: it and what is linked with it runs, the rest is from the cache', done.status == 0 and
          done.ran == LINKED and len(done.hits) == NODES - len(LINKED), (done.ran ^ LINKED, done))
    claim('the tools still say the same', read(folder, 'corpus', 'out', 'words.csv') == table(folder, 12))
    with open(source, 'w') as file:
        file.write(original)
    all_hits('taken back', folder)


def outputs_come_back(folder, is_traced):
    before = tree(folder)
    for base, dirs, _ in os.walk(folder):
        if 'out' in dirs and '.reeve' not in base:
            shutil.rmtree(os.path.join(base, 'out'))
    gone = len(before) - len(tree(folder))
    all_hits('with all outputs deleted', folder, is_traced=is_traced)
    claim('they are back, byte by byte and mode by mode', gone > 30 and tree(folder) == before, (gone, set(before) ^ set(tree(folder))))
    os.chmod(os.path.join(folder, 'apps', 'search', 'out', 'search'), 0o600)
    os.remove(os.path.join(folder, 'corpus', 'out', 'words.csv'))
    with open(os.path.join(folder, 'libs', 'str', 'out', 'libstr.a'), 'w') as file:
        file.write('spoilt\n')
    all_hits('with outputs spoilt', folder)
    claim('they are whole again', tree(folder) == before, set(before) ^ set(tree(folder)))


# What neither depends on the generator nor is needed by what does.
NOT_MKSET = {'arena:test', 'arena:stress', 'str:test', 'vec:test', 'map:test', 'map:stress', 'load:test', 'token:test', 'stem:test',
             'csv:test', 'stats:test'}


def changed_in_git(folder):
    def git(*words):
        return must(folder, 'git', '-c', 'user.name=a', '-c', 'user.email=a@b', '-c', 'maintenance.auto=false', *words)

    git('init', '--quiet')
    git('add', '--all')
    git('commit', '--quiet', '--message=all')
    status, out, err = call(folder, REEVE, 'run', '--changed')
    claim('--changed right after a commit: nothing to run', status == 0 and 'nothing to run' in out + err, out + err)
    tried = os.path.join(folder, 'gen', 'mkset', 'test')
    change(tried, '# Words come out', '# The words come out')
    done = run(folder, '--changed')
    claim('--changed after a change of a test: the test and what it needs, nothing else', done.status == 0 and
          done.ran == {'mkset:test'} and done.hits == {'mkset:build'}, done)
    change(tried, '# The words come out', '# Words come out')
    everything = set(all_nodes(folder))
    claim('`reeve run` at the root is everything', len(everything) == ALL_NODES, everything)
    change(os.path.join(folder, 'gen', 'mkset', 'mkset.c'), 'WORDS_MAX = 1000', 'WORDS_MAX = 1024')
    done = run(folder, '--changed')
    claim('--changed after a change of a generator: it, what depends on it, and what these need', done.status == 0 and
          done.ran | done.hits == everything - NOT_MKSET, done)
    claim('of those what reads the generator ran, and as it gave the same the rest is from the cache',
          done.ran == {'mkset:build', 'mkset:test', 'stop:generate'} and not done.hits & done.ran, done.ran)
    git('commit', '--quiet', '--all', '--message=generator')
    done = run(folder, '--changed', '--since', 'HEAD~1')
    claim('--since a commit: the same nodes, all from the cache', done.status == 0 and not done.ran and
          done.hits == everything - NOT_MKSET, done)


def all_nodes(folder, *words):
    return [row['node'] for row in planned(folder, *words)]


def parts(folder):
    wanted = {'arena:compile', 'arena:build', 'str:compile', 'str:build', 'mkset:build', 'stop:generate', 'stop:compile', 'stop:build',
              'stop:test'}
    found = set(all_nodes(os.path.join(folder, 'libs', 'stop')))
    claim('in a package `reeve run` is its default and what it needs', found == wanted, found ^ wanted)
    found = set(all_nodes(folder, '^:stress'))
    claim('`^:stress` is every package that has it', {n for n in found if n.endswith(':stress')} == {'arena:stress', 'map:stress'}, found)


def broken(folder):
    questions = os.path.join(folder, 'corpus', 'questions')
    change(questions, 'snow: mountain valley', 'snow: mountain')
    done = run(folder, *WANTED)
    claim('a test that fails: its words are shown, and nothing is packed', done.status == 1 and done.states['corpus:test'] == 'failed' and
          done.states['pack'] == 'skipped' and 'snow: mountain, but found: mountain valley' in done.out, done)
    claim('only it ran', done.ran == {'corpus:test'}, done.ran)
    change(questions, 'snow: mountain', 'snow: mountain valley')


def main():
    with tempfile.TemporaryDirectory(prefix='rv-monorepo-') as base:
        folder = os.path.join(base, 'monorepo')
        shutil.copytree(os.path.join(ROOT, 'examples', 'monorepo'), folder, ignore=shutil.ignore_patterns('.reeve', 'out'))
        is_traced = can_trace(base)
        print('# system calls are %s' % ('traced' if is_traced else 'not traced: no strace, or it may not'), flush=True)
        first_run(folder)
        second_run(folder, is_traced)
        changed_library(folder, is_traced)
        outputs_come_back(folder, is_traced)
        broken(folder)
        parts(folder)
        changed_in_git(folder)
        status, out, err = call(folder, REEVE, 'verify')
        claim('the promises hold', status == 0, out + err)
    end()


if __name__ == '__main__':
    main()
