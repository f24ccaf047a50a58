#!/usr/bin/env python3
"""planted.py ROOT [--check | NAME...]: the simulator finds bugs that are planted into engine, store and kernel, each alone.

The tree is copied once; for each bug one substitution is made, the program is built, and `reeve chaos --made-up` must break a
promise (or the program must die of an assertion). A substitution that no longer matches its source is a failure: the table
is kept alive. Prints for each how long it took, and what was broken. --check only sees whether each matches."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = os.path.abspath(sys.argv[1])
LIMIT_S = 120
BUGS = [
    # name, file, text, instead
    ('effects_are_performed_before_the_commit', 'src/engine/engine.c',
     '    RV_FAIL_POINT(ENGINE_BEFORE_SUBMIT);\n',
     '    for (uint32_t i = 0; i < flight->effects.count; i++) perform(flight->effects.at[i].job, &flight->effects.at[i].effect);\n'
     '    rv_vec_clear(&flight->effects);\n    RV_FAIL_POINT(ENGINE_BEFORE_SUBMIT);\n'),
    ('sync_is_skipped', 'src/store/store.c',
     'if (store->backend->sync(store->self, &why)) {', 'if (false && store->backend->sync(store->self, &why)) {'),
    ('failing_sync_is_ignored', 'src/store/sqlite.c',
     '    if (code == SQLITE_OK)\n        return RV_OK;\n    return rv_error_set(err, RV_STORE_IO, "%s-wal',
     '    if (code != SQLITE_NOMEM)\n        return RV_OK;\n    return rv_error_set(err, RV_STORE_IO, "%s-wal'),
    ('end_of_a_pragma_is_not_looked_at', 'src/store/sqlite.c',
     '(code = sqlite3_step(statement)) != SQLITE_DONE', '(code = SQLITE_DONE) != SQLITE_DONE'),
    ('stale_epoch_is_accepted', 'src/kernel/step.c', 'node->state == RV_NODE_RUNNING && node->epoch == input->epoch &&',
     'node->state == RV_NODE_RUNNING &&'),
    ('epoch_is_not_burnt', 'src/kernel/step.c', 'fact.epoch = step->run->epoch_last + 1;',
     'fact.epoch = step->run->nodes[node].epoch ? step->run->nodes[node].epoch : step->run->epoch_last + 1;'),
    ('one_attempt_too_many', 'src/kernel/retry.c', 'node->failures < policy->max_attempts', 'node->failures <= policy->max_attempts'),
    ('what_may_happen_once_starts_when_written', 'src/engine/job.c',
     'if (must_sync) rv_vec_push(&flight->synced_effects', 'if (must_sync && false) rv_vec_push(&flight->synced_effects'),
    ('lost_once_is_never_started', 'src/engine/job.c', 'if (ghost && ghost->row.pid) lost.flags |= RV_LOST_WAS_STARTED;',
     'lost.flags |= RV_LOST_NEVER_STARTED;'),
    ('end_of_a_run_is_told_when_written', 'src/engine/job.c',
     'case RV_EFFECT_RUN_ENDED: rv_vec_push(&flight->synced_effects', 'case RV_EFFECT_RUN_ENDED: rv_vec_push(&flight->effects'),
    ('people_are_told_before_the_sync', 'src/engine/engine.c',
     '    if (!flight->wants_sync) flight_done(engine, flight);\n',
     '    for (uint32_t i = 0; i < flight->done.count; i++) flight->done.at[i].fn(flight->done.at[i].user, RV_OK, NULL);\n'
     '    rv_vec_clear(&flight->done);\n    if (!flight->wants_sync) flight_done(engine, flight);\n'),
    ('caps_of_tags_are_forgotten', 'src/kernel/admit.c',
     'return has_room(admit) && rv_admit_blocker(admit, class_index) == RV_NONE;', 'return has_room(admit);'),
    ('node_rows_lag_behind', 'src/engine/rows.c', '        if (index == RV_NONE) continue;\n        collect_node(',
     '        if (index == RV_NONE || job->run->nodes[index].state == RV_NODE_FAILED) continue;\n        collect_node('),
    ('failed_commit_is_taken_for_done', 'src/store/sqlite.c', 'return last >= batch_id ? RV_OK : failed;', 'return RV_OK;'),
    ('clock_goes_back_at_a_resume', 'src/engine/job.c', 'if (event.type == RV_EVENT_CLOCK) to->engine_ms',
     'if (event.type == RV_EVENT_CLOCK && event.due_ms < 0) to->engine_ms'),
    ('interrupted_run_wants_ticks', 'src/kernel/timer.c', 'run->timers.count && run->status == RV_RUN_RUNNING ?', 'run->timers.count ?'),
    ('revision_of_a_question_starts_anew', 'src/engine/job.c', 'to->job->blocker_revision[event.node]++;',
     'to->job->blocker_revision[event.node] += 0;'),
    ('stopped_attempt_is_a_failure', 'src/engine/attempt.c',
     '        *ret_detail = RV_DETAIL_SIGNALLED;\n        return RV_ATTEMPT_CANCELLED;',
     '        *ret_detail = RV_DETAIL_EXIT;\n        return RV_ATTEMPT_ERROR;'),
]


def call(*words, cwd, limit=LIMIT_S):
    return subprocess.run(words, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors='replace', timeout=limit)


def plant(tree, path, text, instead):
    with open(os.path.join(tree, path)) as file:
        source = file.read()
    if source.count(text) != 1:
        return None
    with open(os.path.join(tree, path), 'w') as file:
        file.write(source.replace(text, instead))
    return source


def find(tree, name, path, text, instead):
    """(found, what was said)."""
    source = plant(tree, path, text, instead)
    if source is None:
        return False, '%s no longer has the text that is replaced, once: keep the table alive' % path
    try:
        built = call('ninja', '-C', 'build/planted', 'src/cli/reeve', cwd=tree, limit=600)
        if built.returncode != 0:
            return False, 'it does not build:\n' + built.stdout[-600:]
        done = call('build/planted/src/cli/reeve', 'chaos', '--made-up', '--for', '60s', cwd=tree)
        said = re.findall(r'^seed \d+: .*|^.*(?:died of its own fault|\.[ch]:\d+: ).*', done.stdout, re.M)
        return done.returncode != 0 and bool(said), (said or ['every promise was kept'])[-1]
    except subprocess.TimeoutExpired:
        return True, 'it hangs'
    finally:
        with open(os.path.join(tree, path), 'w') as file:
            file.write(source)


def check():
    unmatched = []
    for name, path, text, _ in BUGS:
        with open(os.path.join(ROOT, path)) as file:
            if file.read().count(text) != 1:
                unmatched.append('%s: %s no longer has the text that is replaced, once: keep the table alive' % (name, path))
    print('\n'.join(unmatched or ['# figure: %d bugs match their sources' % len(BUGS)]))
    sys.exit(1 if unmatched else 0)


def main():
    if sys.argv[2:] == ['--check']:
        check()
    tree = tempfile.mkdtemp(prefix='rv-planted-')
    bugs = [bug for bug in BUGS if len(sys.argv) < 3 or bug[0] in sys.argv[2:]]
    failures = 0
    try:
        for part in ('src', 'include', 'meson.build', 'meson_options.txt'):
            source = os.path.join(ROOT, part)
            (shutil.copytree if os.path.isdir(source) else shutil.copy)(source, os.path.join(tree, part))
        for part in ('bench', 'tests'):
            os.mkdir(os.path.join(tree, part))
            open(os.path.join(tree, part, 'meson.build'), 'w').close()
        made = call('meson', 'setup', 'build/planted', cwd=tree)
        assert made.returncode == 0, made.stdout
        for number, (name, path, text, instead) in enumerate(bugs, 1):
            began = time.monotonic()
            found, said = find(tree, name, path, text, instead)
            failures += not found
            print('%s %d - planted__%s is found' % ('ok' if found else 'not ok', number, name))
            print('# %.0f s: %s' % (time.monotonic() - began, said), flush=True)
    finally:
        shutil.rmtree(tree, ignore_errors=True)
    print('# figure: %d of %d planted bugs found' % (len(bugs) - failures, len(bugs)))
    sys.exit(1 if failures else 0)


if __name__ == '__main__':
    main()
