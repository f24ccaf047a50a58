#!/usr/bin/env python3
"""sim.py REEVE SECONDS ROOT: the simulator keeps every promise for so long, from seed 1 on, and on the examples' files.

What it found is mended, with a test of its own where the fault was; a seed that fails here prints the command that plays it again."""
import json
import os
import signal
import subprocess
import sys
import tempfile

REEVE, SECONDS, ROOT = os.path.abspath(sys.argv[1]), int(sys.argv[2]), os.path.abspath(sys.argv[3])
SHARE = 1 if SECONDS >= 60 else 2  # the fast set plays half of what is played beside the seeds
FILES = [
    (['examples/release/reeve.yaml', '--var', 'token=secret-token'], 20 // SHARE),
    (['examples/log-report/reeve.yaml'], 8 // SHARE),
    (['examples/chaos/reeve.yaml'], 40 // SHARE),
]
failures = 0


def claim(text, holds, detail=''):
    global failures
    print('%sok - %s%s' % ('' if holds else 'not ', text, '' if holds else '\n# ' + str(detail)), flush=True)
    failures += not holds


def chaos(*words):
    """(exit status, what --json says) of a call."""
    done = subprocess.run([REEVE, 'chaos', *words, '--json'], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=SECONDS * 4 + 600)
    try:
        return done.returncode, json.loads(done.stdout)
    except ValueError:
        return done.returncode, {'broken': done.stdout[-400:] + done.stderr[-800:]}


def kept(status, said):
    return status == 0 and said.get('ok') is True


def why(said):
    return '%s\n# again: %s' % (said.get('broken'), said.get('again'))


status, said = chaos('--made-up', '--seed', '1', '--for', '%ds' % SECONDS)
claim('sim__every_promise_is_kept_in_workflows_that_are_made_up', kept(status, said), why(said))
if kept(status, said):
    counts = said['counts']
    print('# figure: %d seeds in %.1f s, each twice with equal hashes: %d lives, %d deaths, %d power losses, %d disk faults, %d attempts'
          % (said['plays'], said['ms'] / 1000, counts['lives'], counts['deaths'], counts['power_losses'], counts['disk_faults'],
             counts['attempts']))
    print('# figure: ' + ', '.join('%d %s' % (count, name.replace('_', ' ')) for name, count in counts.items()))
    idle = [name for name, count in [*counts.items(), *said['deaths_at'].items()] if count == 0]
    if said['plays'] >= 600:  # fewer need not meet all of them
        claim('sim__every_kind_of_bad_luck_and_every_fail_point_was_met', not idle, idle)
first, second = (chaos('--made-up', '--seed', '1', '--plays', str(12 // SHARE)) for _ in range(2))
claim('sim__two_processes_tell_the_same_story', kept(*first) and first[1]['hash'] == second[1]['hash'], (first, second))
with tempfile.TemporaryDirectory() as folder:
    dying = subprocess.Popen([REEVE, 'chaos', '--made-up', '--for', '10m'], env={**os.environ, 'TMPDIR': folder},
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while dying.poll() is None and not any(os.listdir(os.path.join(folder, name)) for name in os.listdir(folder)):
        pass
    dying.send_signal(signal.SIGABRT)
    claim('sim__a_play_that_dies_leaves_no_folder_behind', dying.wait(60) == -signal.SIGABRT and not os.listdir(folder), os.listdir(folder))
    for number in signal.SIGINT, signal.SIGTERM, signal.SIGHUP:
        stopped = subprocess.Popen([REEVE, 'chaos', '--made-up', '--for', '10m', '--json'], env={**os.environ, 'TMPDIR': folder},
                                   stdout=subprocess.PIPE, text=True)
        while stopped.poll() is None and not any(os.listdir(os.path.join(folder, name)) for name in os.listdir(folder)):
            pass
        stopped.send_signal(number)
        said = json.loads(stopped.communicate(timeout=60)[0])
        claim('sim__%s_ends_it_after_the_play_that_goes_on_and_what_was_played_is_told' % number.name,
              stopped.returncode == 128 + number and said['plays'] >= 1 and said['ok'] and not os.listdir(folder),
              (stopped.returncode, said, os.listdir(folder)))
for words, plays in FILES:
    status, said = chaos(*words, '--plays', str(plays))
    claim('sim__every_promise_is_kept_in_%s' % words[0], kept(status, said), why(said))
sys.exit(1 if failures else 0)
