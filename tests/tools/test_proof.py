"""What tools/coverage leaves out and what it sees; what tools/mutants takes for a change. Prints one TAP line a case."""
import importlib.machinery
import importlib.util
import os
import sys
import tempfile

sys.dont_write_bytecode = True


def load(name, path):
    loader = importlib.machinery.SourceFileLoader(name, path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    loader.exec_module(module)
    return module


coverage, mutants = load('coverage', sys.argv[1]), load('mutants', sys.argv[2])
cases = []


def case(name, good, said=''):
    cases.append(good)
    print('%sok %d - %s' % ('' if good else 'not ', len(cases), name))
    if not good:
        print('# ' + str(said))


SOURCE = '''/* if (this) is a comment */
int f(int a, enum e b)
{
    RV_ASSERT(a > 0 && b < COUNT);
    RV_ASSERT(a < 9 || /* for good */
              b != ONE);
    if (a) { RV_ASSERT(a == 1); }
    switch (b) {
    case ONE: return a && b;
    case COUNT: RV_UNREACHABLE();
    }
    return 0;
}
'''
LINES = {4: (4, 2), 5: (4, 2), 6: (2, 1), 7: (4, 1), 8: (3, 2), 9: (4, 1)}
with tempfile.NamedTemporaryFile('w', suffix='.c') as file:
    file.write(SOURCE)
    file.flush()
    missing, total = coverage.missing_of(file.name, LINES)
    numbers = {number: untaken for number, untaken, _ in missing}
    case('coverage__an_assertion_does_not_count_on_any_of_its_lines', not {4, 5, 6} & set(numbers), numbers)
    case('coverage__an_assertion_that_shares_its_line_with_a_branch_is_told', numbers.get(7) == 1, numbers)
    case('coverage__a_switch_over_a_whole_enum_lacks_nothing', 8 not in numbers, numbers)
    case('coverage__any_other_branch_counts', numbers.get(9) == 1 and total == 5, (numbers, total))
    missing, _ = coverage.missing_of(file.name, {8: (4, 3)})
    case('coverage__a_case_that_no_test_reaches_counts', [m[1] for m in missing] == [1], missing)


def bug(old, new='x'):
    return mutants.Bug('name', 'what', 'file', old, new, [], 'here')


TEXT = 'one;\n    two;\n    three;\nif (one) two;\n'
case('mutants__a_change_of_lines_matches_whatever_their_indentation', bug('two;\nthree;', 'four;').plant(TEXT)
     == 'one;\n    four;\nif (one) two;\n')
case('mutants__a_change_that_occurs_nowhere_is_no_change', bug('five').plant(TEXT) is None)
case('mutants__a_change_that_occurs_twice_is_no_change', bug('two;').plant(TEXT) is None)
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, 'table.txt')

    def read(text):
        with open(path, 'w') as table:
            table.write(text)
        try:
            return mutants.read_table(path)
        except SystemExit as said:
            return str(said)

    good = read('# tests: law_a law_b\n# a remark\na_b: goes wrong\nsrc/kernel/x.c\n- old\n- older\n+\n\n'
                'c: too\nsrc/kernel/y.c\n- o\n+ n\n')
    case('mutants__a_table_reads_back', [(b.name, b.file, b.old, b.new, b.tests) for b in good] ==
         [('a_b', 'src/kernel/x.c', 'old\nolder', '', ['law_a', 'law_b']), ('c', 'src/kernel/y.c', 'o', 'n', ['law_a', 'law_b'])], good)
    case('mutants__a_bug_without_a_change_is_refused', 'no change' in read('a: wrong\nsrc/kernel/x.c\n'))
    case('mutants__a_line_that_is_nothing_is_refused', ':2:' in read('a: wrong\nsomething else\n'))
print('1..%d' % len(cases))
sys.exit(0 if all(cases) else 1)
