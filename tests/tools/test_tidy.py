"""Each rule of tools/tidy refuses a small tree that breaks it, and only that tree. Prints one TAP line a case.

tools/tidy is a module here, and each case one call of its main: a Python a case would take ten seconds."""
import os
import shutil
import subprocess
import sys
import tempfile

import inside

program = inside.load(sys.argv[1])
HEADER = '/* x.h: what it is for. */\n#ifndef RV_X_H\n#define RV_X_H\n\n%s\n#endif\n'
LATER = 'TO' + 'DO'
MACHINE = '/ro' + 'ot/thing'

# name, files, what the output must say; None: the tree is accepted.
CASES = [
    ('layers__the_arrows_of_the_design_are_accepted',
     {'src/kernel/a.c': '#include "kernel/a.h"\n#include "base/base.h"\n',
      'src/store/a.c': '#include "kernel/model.h"\n#include "loop/loop.h"\n',
      'src/cli/a.c': '#include "engine/engine.h"\n#include "lib/host.h"\n'}, None),
    ('layers__the_kernel_does_not_see_the_store', {'src/kernel/a.c': '#include "store/store.h"\n'},
     'src/kernel/a.c:1: kernel may not include'),
    ('layers__base_sees_nothing', {'src/base/a.c': '\n#include "kernel/model.h"\n'}, 'src/base/a.c:2: base may not include'),
    ('layers__a_seam_is_one_header_not_its_folder', {'src/store/a.c': '#include "kernel/graph.h"\n'},
     'store may not include "kernel/graph.h"'),
    ('layers__store_and_exec_never_meet', {'src/exec/a.c': '#include "store/store.h"\n'}, 'exec may not include'),
    ('layers__nothing_includes_cli', {'src/engine/a.c': '#include "cli/ui.h"\n'}, 'engine may not include'),
    ('layers__lib_does_not_see_the_api', {'src/lib/a.c': '#include "api/http.h"\n'}, 'lib may not include'),
    ('layers__an_include_in_a_comment_is_none', {'src/base/a.c': '/*\n#include "cli/ui.h"\n*/\n'}, None),
    ('layers__an_unknown_layer_is_refused', {'src/misc/a.c': '\n'}, "layer 'misc' is not in the table"),
    ('layers__an_include_beside_comments_is_one', {'src/base/a.c': 'int a;\n/* x */ # /* * */ include /* y */ "cli/ui.h"\n'},
     'src/base/a.c:2: base may not include'),
    ('layers__no_climbing_include', {'src/base/a.c': '#include "../kernel/model.h"\n'}, 'by its path from src/'),
    ('layers__sqlite_belongs_to_the_store', {'src/engine/a.c': '#include <sqlite3.h>\n'}, 'engine may not include <sqlite3.h>'),
    ('contracts__a_bare_prototype_is_refused', {'src/base/x.h': HEADER % 'int rv_x_count(void);\n'}, 'x.h:5: rv_x_count has no contract'),
    ('contracts__a_prototype_over_two_lines_is_seen', {'src/base/x.h': HEADER % 'int rv_x_count(int a,\n               int b);\n'},
     'rv_x_count has no contract'),
    ('contracts__a_macro_before_it_hides_nothing', {'src/base/x.h': HEADER % 'RV_MUST_USE int rv_x_count(int a) RV_PRINTF(1, 2);\n'},
     'rv_x_count has no contract'),
    ('contracts__above_behind_and_group_are_accepted',
     {'src/base/x.h': HEADER % '/* Pure. */\nint rv_a(void);\nint rv_b(void);\n\nint rv_c(void); /* 0 when empty */\n'}, None),
    ('contracts__a_comment_of_another_group_does_not_count',
     {'src/base/x.h': HEADER % '/* Pure. */\nint rv_a(void);\n\nint rv_b(void);\n'}, 'x.h:8: rv_b has no contract'),
    ('contracts__the_public_header_is_checked_too', {'include/reeve.h': HEADER % 'int reeve_open(void);\n'}, 'reeve_open has no contract'),
    ('contracts__types_and_inline_bodies_need_none',
     {'src/base/x.h': HEADER % 'typedef void rv_fn(void *user);\ntypedef struct rv_x { int a; } rv_x;\n'
      'static inline int rv_x_a(rv_x x) { return x.a; }\n'}, None),
    ('contracts__a_header_opens_with_a_comment', {'src/base/x.h': '#define RV_X 1\n'}, 'a header opens with a comment'),
    ('names__an_exported_function_has_the_prefix', {'src/base/a.c': 'int count(void)\n{\n    return 1;\n}\n'},
     'count is exported without rv_'),
    ('names__a_static_has_none', {'src/base/a.c': 'static int rv_count(void)\n{\n    return 1;\n}\n'}, 'rv_count is static'),
    ('names__main_is_main', {'src/cli/a.c': 'int main(void)\n{\n    return 0;\n}\n'}, None),
    ('sizes__a_function_of_70_lines_is_accepted', {'src/base/a.c': 'int rv_f(void)\n{\n' + '\n' * 67 + '}\n'}, None),
    ('sizes__a_function_of_71_lines_is_refused', {'src/base/a.c': 'int rv_f(void)\n{\n' + '\n' * 68 + '}\n'}, 'a.c:1: rv_f has 71 lines'),
    ('sizes__a_file_of_801_lines_is_refused', {'src/base/a.c': '\n' * 801}, 'the file has 801 lines'),
    ('sizes__the_baseline_lets_what_is_there_be',
     {'src/base/a.c': 'int rv_f(void)\n{\n' + '\n' * 78 + '}\n', 'tools/tidy.baseline': '81 src/base/a.c:rv_f  # a table\n'}, None),
    ('sizes__what_is_in_the_baseline_may_not_grow',
     {'src/base/a.c': 'int rv_f(void)\n{\n' + '\n' * 79 + '}\n', 'tools/tidy.baseline': '81 src/base/a.c:rv_f  # a table\n'},
      'grew from 81 to 82'),
    ('sizes__a_brace_in_a_string_or_comment_is_text',
     {'src/base/a.c':
      "int rv_f(void)\n{\n    char c = '{'; /* } */\n    return c + \"}\"[0];\n}\n" + '\n' * 80 + 'int rv_g(void)\n{\n    return 1;\n}\n'},
      None),
    ('lines__140_columns_are_accepted', {'src/base/a.c': '/* ' + 'x' * 134 + ' */\n'}, None),
    ('lines__141_columns_are_refused', {'src/base/a.c': '/* ' + 'x' * 135 + ' */\n'}, 'a.c:1: 141 columns'),
    ('lines__trailing_blanks_are_refused', {'src/base/a.c': 'int x; \n'}, 'blanks at the end'),
    ('lines__a_tab_is_refused', {'src/base/a.c': '\tint x;\n'}, 'a tab'),
    ('lines__work_left_for_later_is_refused', {'src/base/a.c': '/* %s: more */\n' % LATER}, LATER + ': do it'),
    ('lines__scripts_are_checked', {'tools/a.py': '# %s\n' % LATER}, 'tools/a.py:1'),
    ('comments__a_statement_in_a_comment_is_code', {'src/base/a.c': '/* count = count + 1; */\n'}, 'this comment is code'),
    ('comments__a_call_behind_slashes_is_code', {'src/base/a.c': '// rv_count(3);\n'}, 'this comment is code'),
    ('comments__a_block_of_statements_is_code', {'src/base/a.c': '/*\n   if (a) {\n     b();\n   }\n*/\n'}, 'this comment is code'),
    ('comments__switched_off_code_is_refused', {'src/base/a.c': '#if 0\nint x;\n#endif\n'}, 'switched off'),
    ('comments__prose_that_names_code_is_prose', {'src/base/a.c': '/* rv_count() counts; the caller frees. */\n/* keeps (4) */\n'}, None),
    ('paths__the_path_of_a_machine_is_refused', {'docs/a.md': 'see %s\n' % MACHINE}, "docs/a.md:1: the path of somebody's machine"),
    ('paths__a_document_names_files_that_exist', {'docs/a.md': 'in `tests/gone.c`\n'}, 'docs/a.md:1: tests/gone.c does not exist'),
    ('paths__a_pattern_in_a_document_is_no_file', {'docs/a.md': 'in `tests/a.c`, `src/x/NNNN_*.sql`\n', 'tests/a.c': '\n'}, None),
    ('paths__a_path_with_such_a_folder_inside_is_fine', {'docs/a.md': 'see $HOME%s and out%s\n' % (MACHINE, MACHINE)}, None),
]


def tidy(files, *options):
    with tempfile.TemporaryDirectory() as root:
        for path, text in files.items():
            os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
            with open(os.path.join(root, path), 'w') as file:
                file.write(text)
        program.problems.clear()
        status, said = inside.run(program, '--root', root, *options)
        baseline = os.path.join(root, 'tools/tidy.baseline')
        return status, said, open(baseline).read() if os.path.exists(baseline) else ''


def archive(folder, layer, source):
    """build/src/LAYER/librv_LAYER.a of one file."""
    where = os.path.join(folder, 'src', layer)
    os.makedirs(where)
    with open(os.path.join(where, 'a.c'), 'w') as file:
        file.write(source)
    subprocess.run(['cc', '-O1', '-c', 'a.c'], cwd=where, check=True)
    subprocess.run(['ar', 'cr', 'librv_%s.a' % layer, 'a.o'], cwd=where, check=True)


def purity(kernel, base):
    """What tidy says of a tree whose kernel is compiled from `kernel`; `base` is the folder of that layer's archive."""
    with tempfile.TemporaryDirectory() as build:
        archive(build, 'kernel', kernel)
        shutil.copytree(base, os.path.join(build, 'src', 'base'))
        return tidy({'src/base/a.c': '\n'}, '--objects', build)


def main():
    results = []
    for name, files, says in CASES:
        status, output, _ = tidy(files)
        good = status == 0 if says is None else status == 1 and says in output
        results.append((name, good, output))

    status, output, baseline = tidy({'src/base/a.c': 'int rv_f(void)\n{\n' + '\n' * 78 + '}\n',
                                     'tools/tidy.baseline': '# why\n90 src/base/a.c:rv_f  # a table\n99 src/gone.c:rv_g\n'}, '--ratchet')
    lowered = '# why\n81 src/base/a.c:rv_f  # a table\n'
    results.append(('sizes__ratchet_lowers_and_forgets', status == 0 and baseline == lowered, baseline + output))

    below = tempfile.TemporaryDirectory()
    where = os.path.join(below.name, 'src', 'base')
    archive(below.name, 'base', 'void *malloc(unsigned long);\nvoid *rv_alloc(int n) { return malloc(n); } void rv_random_bytes(void) {}\n')
    status, output, _ = purity('void *rv_alloc(int);'
                               'int rv_f(char *a, char *b, int n) { __builtin_memcpy(a, b, n); return !rv_alloc(n); }', where)
    results.append(('purity__base_and_bytes_are_accepted', status == 0, output))
    status, output, _ = purity('long time(long *); void *malloc(unsigned long); void rv_store_commit(void); void rv_random_bytes(void);'
                               'long rv_f(void) { return time(0); } void *rv_g(void) { return malloc(9); }'
                               'void rv_h(void) { rv_store_commit(); } void rv_i(void) { rv_random_bytes(); }', where)
    for name, says in [('purity__a_clock_is_refused', 'references time'), ('purity__malloc_is_refused', 'references malloc'),
                       ('purity__a_function_of_another_layer_is_refused', 'rv_store_commit, which neither'),
                       ('purity__the_systems_random_numbers_are_refused', 'rv_random_bytes, which asks the system')]:
        results.append((name, status == 1 and says in output, output))
    results.append(('purity__nothing_else_is_refused', output.count('references') == 4, output))

    for number, (name, good, output) in enumerate(results, 1):
        print('%sok %d - %s' % ('' if good else 'not ', number, name))
        if not good:
            print(''.join('# %s\n' % line for line in output.split('\n')))
    print('1..%d' % len(results))
    sys.exit(0 if all(good for _, good, _ in results) else 1)


main()
