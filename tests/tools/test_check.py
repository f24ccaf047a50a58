"""How tools/check counts what test programs print. Prints one TAP line a case."""
import contextlib
import importlib.machinery
import importlib.util
import io
import os
import sys
import tempfile

loader = importlib.machinery.SourceFileLoader('check', sys.argv[1])
check = importlib.util.module_from_spec(importlib.util.spec_from_loader('check', loader))
sys.dont_write_bytecode = True
loader.exec_module(check)

CMOCKA = '[==========] Running 3 test(s).\n[ RUN      ] a__b\n[       OK ] a__b\n[ RUN      ] c__d\n[  FAILED  ] c__d\n' \
         '[ RUN      ] e__f\n[  SKIPPED ] e__f\n[==========] 3 test(s) run.\n'
CMOCKA_END = '[  PASSED  ] 1 test(s).\n[  SKIPPED ] 1 test(s), listed below:\n[  SKIPPED ] e__f\n' \
             '[  FAILED  ] 1 test(s), listed below:\n[  FAILED  ] c__d\n\n 1 FAILED TEST(S)\n'

# name, result, stdout, stderr, (passed, failed, skipped)
CASES = [
    ('count__each_cmocka_case_once_although_the_end_lists_it_again', 'FAIL', CMOCKA, CMOCKA_END, (1, 1, 1)),
    ('count__a_silent_script_that_succeeds_is_one', 'OK', '', '', (1, 0, 0)),
    ('count__a_silent_script_that_fails_is_one', 'FAIL', 'no such file\n', '', (0, 1, 0)),
    ('count__tap_lines_of_a_script', 'FAIL', 'ok 1 - a\nok 2\nnot ok 3 - c\nok 4 - d # SKIP no clang\n1..4\n', '', (2, 1, 1)),
    ('count__a_program_that_dies_after_two_cases', 'FAIL',
     '[       OK ] a\n[       OK ] b\n[ RUN      ] c\n', 'Segmentation fault', (2, 1, 0)),
    ('count__a_leak_at_the_end_is_a_failure', 'FAIL', '[       OK ] a\n', 'ERROR: LeakSanitizer', (1, 1, 0)),
    ('count__a_timeout_is_a_failure', 'TIMEOUT', '[       OK ] a\n', '', (1, 1, 0)),
    ('count__prose_about_ok_is_no_case', 'OK', 'all ok 3 times\nlooks ok\n', '', (1, 0, 0)),
    ('count__a_skipped_program_passes_nothing', 'SKIP', '', '', (0, 0, 1)),
]
failures = 0
for number, (name, result, out, err, want) in enumerate(CASES, 1):
    passed, failed, skipped = check.count({'result': result, 'stdout': out, 'stderr': err})
    good = (passed, failed, len(skipped)) == want
    failures += not good
    print('%sok %d - %s' % ('' if good else 'not ', number, name))
    if not good:
        print('# got %s, want %s' % ((passed, failed, skipped), want))
figures = check.FIGURE.findall('[ RUN      ] a\n# figure: 7 states\n# a remark\nsaid: # figure: 8 states\n')
failures += figures != ['7 states']
print('%sok %d - report__shows_the_figures_of_a_test_and_no_other_line' % ('' if figures == ['7 states'] else 'not ', len(CASES) + 1))
with tempfile.TemporaryDirectory() as folder:
    check.RACE = os.path.join(folder, 'race')
    with open(check.RACE + '.123', 'w') as file:
        file.write('WARNING: ThreadSanitizer: data race\n')
    with contextlib.redirect_stdout(io.StringIO()) as said:
        counted = [check.report(build, {}, []) for build in ('tsan', 'opt')]
good = counted == [(0, 1), (0, 0)] and 'data race' in said.getvalue()
failures += not good
print('%sok %d - report__a_race_that_a_script_never_saw_is_a_failure' % ('' if good else 'not ', len(CASES) + 2))

# A build whose tests are shell scripts: what the queue makes of them.
def script(text, priority=0, timeout=60, is_parallel=True):
    return {'cmd': ['sh', '-c', text], 'env': {'ANSWER': '42'}, 'workdir': None, 'timeout': timeout, 'priority': priority,
            'is_parallel': is_parallel, 'folder': 'unit', 'suites': {'check'}}


with tempfile.TemporaryDirectory() as folder:
    check.ROOT, check.JOBS = folder, '2'
    os.makedirs(os.path.join(folder, 'build', 'opt', 'meson-logs'))
    tests = {'good': script('echo "ok 1 - $ANSWER"; pwd'), 'bad': script('echo no >&2; exit 3'), 'skipped': script('exit 77'),
             'hangs': script('sleep 1000 & echo "ok 1"; wait', timeout=0.2),
             'python': {**script(''), 'cmd': [sys.executable, os.path.join(folder, 'python.py'), 'word']},
             'alone': script('ls; echo x >>alone', is_parallel=False), 'last': script('cat alone', is_parallel=False)}
    with open(os.path.join(folder, 'python.py'), 'w') as file:
        file.write('import os, sys\nprint("ok 1", sys.argv[1], os.environ["ANSWER"], os.getcwd())\nsys.exit(3)\n')
    results, times = check.run_all('fast', [('opt', tests)])
    found = {record['name']: record for record in results['opt']}
    wanted = {'good': 'OK', 'bad': 'FAIL', 'skipped': 'SKIP', 'hangs': 'TIMEOUT', 'python': 'FAIL', 'alone': 'OK', 'last': 'OK'}
    folder_of_build = os.path.join(os.path.realpath(folder), 'build', 'opt')
    claims = [('run__every_test_of_the_queue_ends_as_it_does', {n: r['result'] for n, r in found.items()} == wanted),
              ('run__a_test_has_its_environment_and_stands_in_its_build', found['good']['stdout'] == 'ok 1 - 42\n%s\n' % folder_of_build),
              ('run__its_words_and_its_status_are_kept', (found['bad']['stderr'], found['bad']['returncode']) == ('no\n', 3)),
              ('run__a_python_script_is_told_and_ends_as_others_do', (found['python']['stdout'], found['python']['returncode']) ==
               ('ok 1 word 42 %s\n' % folder_of_build, 3)),
              ('run__what_bears_no_company_comes_last_one_by_one', [r['name'] for r in results['opt']][5:] == ['alone', 'last'] and
               found['last']['stdout'] == 'x\n'),
              ('run__what_a_test_took_of_the_processors_is_known', all(record['cpu'] > 0 for record in results['opt'])),
              ('run__a_log_of_all_is_left', 'hangs: TIMEOUT' in open(check.log_of('opt')).read())]
    queue = check.Queue('fast', [('opt', name, script('true', priority)) for name, priority in (('b', 0), ('c', 7), ('a', 0))], None)
    claims.append(('run__the_longest_begin_first', [name for _, name, _ in queue.left] == ['c', 'a', 'b']))
for number, (claim, good) in enumerate(claims, len(CASES) + 3):
    failures += not good
    print('%sok %d - %s' % ('' if good else 'not ', number, claim))
print('1..%d' % (len(CASES) + 2 + len(claims)))
sys.exit(1 if failures else 0)
