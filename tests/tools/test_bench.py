"""bench/run judges what it is given: good, slow, failing and missing programs. argv: bench/run, the floors' folder.

The stand-ins for Reeve are scripts; the sizes are small. No time is asserted but the ratio of a program that sleeps
to a floor that does not. Prints one TAP line a case."""
import os
import sys
import tempfile

import inside

FLOORS = sys.argv[2]
run = inside.load(sys.argv[1])


def bench(script, only, *options):
    with tempfile.TemporaryDirectory() as folder:
        program = os.path.join(folder, 'reeve')
        if script is not None:
            with open(program, 'w') as file:
                file.write('#!/bin/sh\n' + script)
            os.chmod(program, 0o755)
        status, said = inside.run(run, '--reeve', program, '--floors', FLOORS, '--work', folder, '--scale', '5000', '--rounds', '1',
                                  '--only', only, *options)
        return status, said, os.listdir(folder)


def main():
    results = []
    status, said, left = bench(None, 'chain,start,size')
    good = status == 0 and '| reeve | not built |' in said and 'not judged' in said
    results.append(('a_missing_program_is_reported_not_fatal', good, said))
    results.append(('nothing_is_left_behind', left == [], str(left)))
    status, said, _ = bench('echo no such node; exit 3\n', 'wide')
    results.append(('a_failing_program_is_shown_with_its_output', 'failed (exit status 3): no such node' in said and status == 0, said))
    results.append(('a_failing_program_wins_nothing', 'faster than ninja | not measured | not judged' in said, said))
    status, said, _ = bench('sleep 0.5\n', 'wide', '--strict')
    results.append(('a_slow_program_breaks_its_claim', status == 1 and 'the floor |' in said and 'does not hold' in said, said))
    status, said, _ = bench('[ "$1 $3" = "run --dry-run" ] && [ -f "$2" ] && [ -d "$5" ]\n', 'load,kernel,grow')
    good = status == 0 and 'load JSON, first: under 100 MB' in said and 'failed' not in said
    results.append(('load_gives_the_program_its_files', good, said))
    good = status == 0 and 'kernel: at least 1 million with it |' in said and 'foreach of 100,000 items under 2 s | 0' in said
    results.append(('figures_of_the_kernel_and_of_growth_are_judged', good and 'not measured' not in said, said))
    for number, (name, good, said) in enumerate(results, 1):
        print('%sok %d - bench__%s' % ('' if good else 'not ', number, name))
        if not good:
            print(''.join('# %s\n' % line for line in said.split('\n')))
    print('1..%d' % len(results))
    sys.exit(0 if all(good for _, good, _ in results) else 1)


main()
