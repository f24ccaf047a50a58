"""tools/man writes pages that mandoc accepts, and --check sees what is stale. argv: tools/man, help.json.

Prints one TAP line a case."""
import os
import subprocess
import sys
import tempfile

import inside

HELP = sys.argv[2]
program = inside.load(sys.argv[1])


def man(folder, *options):
    return inside.run(program, '--help-json', HELP, *options, folder)


def main():
    results = []
    with tempfile.TemporaryDirectory() as folder:
        results.append(('check_reports_missing_pages', man(folder, '--check')[0] == 1))
        man(folder)
        results.append(('a_page_a_verb_and_one_for_all', sorted(os.listdir(folder)) == ['reeve-run.1', 'reeve-version.1', 'reeve.1']))
        status, said = man(folder, '--check')
        results.append(('mandoc_accepts_what_is_written: ' + said.replace('\n', ' '), status == 0))
        page = os.path.join(folder, 'reeve-run.1')
        with open(page) as file:
            text = file.read()
        plain = subprocess.run(['mandoc', '-Tascii', page], capture_output=True, text=True).stdout
        plain = ''.join(c for i, c in enumerate(plain) if c != '\b' and plain[i + 1:i + 2] != '\b')
        results.append(('options_show_both_names_and_the_argument', '-j, --jobs N' in plain))
        usage = '[FILE] [--var NAME=VALUE]... [--resume [RUN]] [options]'
        results.append(('the_synopsis_keeps_its_brackets', usage in ' '.join(plain.split())))
        results.append(('a_command_is_shown_as_typed', ".hidden 'x' \\" in plain and 'reeve each -j8 -- ./job {} <list' in plain))
        with open(page, 'w') as file:
            file.write('.Dd January 1, 2020\n' + text.split('\n', 1)[1])
        results.append(('a_date_alone_is_not_stale', man(folder, '--check')[0] == 0))
        man(folder)
        with open(page) as file:
            results.append(('an_unchanged_page_keeps_its_date', file.readline() == '.Dd January 1, 2020\n'))
        with open(page, 'a') as file:
            file.write('more\n')
        with open(os.path.join(folder, 'reeve-gone.1'), 'w') as file:
            file.write('.Dd January 1, 2020\n')
        status, said = man(folder, '--check')
        results.append(('a_changed_page_is_stale', status == 1 and 'reeve-run.1 is stale' in said))
        results.append(('a_page_without_a_verb_is_left_over', 'reeve-gone.1 has no verb' in said))
        man(folder)
        results.append(('writing_mends_both', man(folder, '--check')[0] == 0))
    for number, (name, good) in enumerate(results, 1):
        print('%sok %d - man__%s' % ('' if good else 'not ', number, name))
    print('1..%d' % len(results))
    sys.exit(0 if all(good for _, good in results) else 1)


main()
