#!/usr/bin/env python3
"""import.py REEVE: what `reeve import` writes does what the original does, and what did not carry over is said by line.

Makefiles are run by make itself in one folder and, imported, by Reeve in another: the folders must be the same after it, and so
must success and failure. Scripts of a package.json are compared with a small npm of our own (tests/cli/npm_like.py)."""
import json
import os
import random
import re
import shutil
import sys
import tempfile

from npm_like import npm_run
from program import REEVE, call, claim, end, write

IS_LONG = os.environ.get('REEVE_TEST_LONG') == '1'
RANDOM = 60 if IS_LONG else 1


def tree(folder):
    """Every file and folder with its content, but what Reeve itself leaves."""
    found = {}
    for here, folders, names in os.walk(folder):
        folders[:] = sorted(f for f in folders if f != '.reeve')
        for name in folders:
            found[os.path.relpath(os.path.join(here, name), folder) + '/'] = ''
        for name in names:
            path = os.path.join(here, name)
            if name != 'imported.yaml':
                with open(path, 'rb') as file:
                    found[os.path.relpath(path, folder)] = file.read()
    return found


def differences(a, b):
    return {k: (a.get(k), b.get(k)) for k in sorted(set(a) | set(b)) if a.get(k) != b.get(k)}


def imported(folder, file, *words):
    """Import and run: (exit status of the run or of what failed before, what import said on standard error, the workflow)."""
    status, out, err = call(folder, REEVE, 'import', file, *words, '-o', 'imported.yaml')
    if status != 0:
        return status, err, ''
    with open(os.path.join(folder, 'imported.yaml')) as yaml:
        text = yaml.read()
    status, out, ran = call(folder, REEVE, 'run', 'imported.yaml', '--output', 'quiet', '-j', '4')
    assert status in (0, 1), 'not a workflow, where 1 is a node that failed: ' + ran + text
    return status, err, text if status == 0 else text + out + ran


def by_both(files, *words, goals=()):
    """What make says and does in one folder, import and Reeve in another: ((status, output, errors), (status, errors, workflow), trees)."""
    with tempfile.TemporaryDirectory(prefix='rv-import-') as work:
        left, right = os.path.join(work, 'make'), os.path.join(work, 'reeve')
        for folder in (left, right):
            os.mkdir(folder)
            write(folder, files)
        made = call(left, 'make', '-k', '--no-print-directory', *[w for w in words if '=' in w], *goals)
        ran = imported(right, 'Makefile', *goals, *[x for w in words for x in (('--var', w) if '=' in w else (w,))])
        return made, ran, tree(left), tree(right)


def same_as_make(text, files, *words, goals=(), fails=False):
    made, ran, a, b = by_both(files, *words, goals=goals)
    wrong = differences(a, b)
    claim(text, (made[0] != 0) == fails and (ran[0] != 0) == fails and not wrong, (made, ran, wrong))
    return ran[1:]


def same_parts_as_make(parts, *words):
    """One Makefile of all parts, each with a goal of its own, run once by both: what each part makes is the same."""
    text = 'all: %s\n.PHONY: all %s\n' % (' '.join(parts), ' '.join(goal for goal, part in parts.items() if goal not in part[3]))
    files = {name: content for _, _, own, _ in parts.values() for name, content in own.items()}
    made, ran, a, b = by_both({'Makefile': text + '\n'.join(part[1] for part in parts.values()), **files}, *words)
    for what, _, _, names in parts.values():
        wrong = {name: (a.get(name), b.get(name)) for name in names if a.get(name) != b.get(name) or name not in a}
        claim(what, made[0] == 0 and ran[0] == 0 and not wrong, (made, ran, wrong))
    claim('of these nothing else is made', not differences(a, b), differences(a, b))


# ---- Makefiles that do what make does ----

C_PROJECT = {
    'Makefile': '''CC = cc
CFLAGS := -O1 -Wall
CFLAGS += -DNAME=\\"hello\\"
SRC := $(wildcard src/*.c)
OBJ := $(SRC:src/%.c=build/%.o)
ifeq ($(CC),clang)
CFLAGS += -no-such-option
else ifneq (,$(filter src/main.c,$(SRC)))
CFLAGS += -DMAIN
endif
-include $(OBJ:.o=.d)
include config.mk

.PHONY: all check
all: build/hello check
build/hello: $(OBJ) build/libutil.a
\t$(CC) -o $@ $^
build/%.o: src/%.c src/all.h | build
\t@echo compiling $<
\t$(CC) $(CFLAGS) -c $< -o $@
build/libutil.a: util.o
\t@rm -f $@
\tar rcs $@ $^ 2>/dev/null
build:
\tmkdir build
check: build/hello
\t./build/hello > build/said
\t-false
\tcd build && test -f said && pwd | sed 's,.*/,,' > where
\ttest -f Makefile && x=$$(cat build/said) && echo "got $$x $(LEVEL)" > build/got
clean:
\trm -rf build *.o
''',
    'config.mk': 'LEVEL = $(words $(SRC))/$(notdir $(firstword $(SRC)))\n',
    'src/all.h': 'int printf(const char *, ...); int twice(int); int util(void);\n',
    'src/main.c': '#include "all.h"\nint main(void){printf("%s %d\\n", NAME, twice(util()));return 0;}\n',
    'src/twice.c': 'int twice(int a);\nint twice(int a) { return 2 * a; }\n',
    'util.c': 'int util(void);\nint util(void) { return 21; }\n',
}


def makefiles():
    err, yaml = same_as_make('a C project with pattern rules, an include, conditions and built-in rules is built alike', C_PROJECT)
    claim('a folder that is order only comes first, and is made where it is missing', '[ ! -e build ] || exit 0' in yaml, yaml)
    claim('a target that the first does not need is there, and not run', 'default: all' in yaml and 'rm -rf build *.o' in yaml, yaml)
    same_as_make('another goal is what make does for it', dict(C_PROJECT, **{'x.o': ''}), goals=['clean'])
    same_as_make('each line has a shell of its own, and the first that fails ends the recipe', {
        'Makefile': 'all: a b\na:\n\tcd / ; x=1\n\techo "$$x" > a; false; echo more >> a\n\tfalse || echo or >> a\n'
                    'b:\n\techo one > b\n\ttest -f nowhere\n\techo two >> b\n'}, fails=True)
    same_as_make('one shell for all lines where the file says so', {
        'Makefile': '.ONESHELL:\nall:\n\tcd sub\n\tx=5\n\techo $$x > out\n', 'sub/keep': ''})
    same_as_make('another shell, and its flags', {
        'Makefile': 'SHELL := /bin/bash\n.SHELLFLAGS := -eu -o pipefail -c\nall: one two\none:\n\ta=(1 2 3); echo $${a[1]} > one\n'
                    "\techo it\\'s >> one\ntwo:\n\tfalse | true; echo reached > two\n"}, fails=True)
    same_as_make('with --shell its answer may be anything', {
        'Makefile': 'S := $(shell ls *.in)\nall: $(S:.in=.out)\n%.out: %.in\n\tcp $< $@\nifeq ($(shell echo 1),1)\nall: last\nendif\n'
                    'last:\n\techo $(words $(S)) > last\n', 'a.in': 'a', 'b.in': 'b'}, '--shell')
    same_parts_as_make(PARTS, 'G=7')


# Goal: what is claimed, its part of the Makefile, its files, what it makes.
PARTS = {
    'given': ('a variable given on the command line wins', r'''
G = 1
H := $(G)
given:
	echo $(G)$(H) > $@
''', {}, ['given']),
    'dash': ('what a dash begins may fail', r'''
dash:
	-exit 3
	@-test -f nowhere; false
	echo on > $@ # comment
''', {}, ['dash']),
    'chain': ('a chain of implicit rules, and a suffix rule', r'''
.SUFFIXES: .in .mid
chain: v.end w.mid
%.end: %.mid
	sed s/b/c/ $< > $@
.in.mid:
	sed s/a/b/ $< > $@
.PRECIOUS: %.mid v.mid
''', {'v.in': 'a\n', 'w.in': 'aa\n'}, ['v.end', 'v.mid', 'w.mid']),
    'exported': ('exported variables reach the commands', r'''
export GREETING = hello ${NAME}
NAME = $${x}
export PATH := $(CURDIR)/bin:$(PATH)
exported:
	echo "$$GREETING" > $@; tool >> $@
''', {'bin/tool': '#!/bin/sh\necho tool\n'}, ['exported']),
    'asked': ('the shell of $(shell) is asked where make asks it', r'''
V = $(shell cat VERSION)
asked:
	cd sub && echo "$(V)" '$(V)' $(V) > said
''', {'VERSION': '1 2\n', 'sub/keep': ''}, ['sub/said']),
    'functions': ('functions', r'''
L := b/x.c a/y.c a/y.c c.s
empty :=
space := $(empty) $(empty)
define twice
$(1)-$(1)-$(2)
endef
rev = $(foreach w,$(1),$(call twice,$(w),$(words $(1))))
functions:
	echo "$(sort $(L)) $(dir $(L)) $(notdir $(L)) $(basename $(L)) $(suffix $(L))" > $@
	echo "$(patsubst %.c,%.o,$(L)) $(L:.c=.d) $(subst .,_,$(L)) $(filter %.c,$(L)) $(filter-out %.c b%,$(L))" >> $@
	echo "$(addprefix p/,$(L)) $(addsuffix .bak,$(L)) $(join a b,1 2 3) $(word 2,$(L)) $(wordlist 2,3,$(L)) $(lastword $(L))" >> $@
	echo "$(call rev,m n) $(if $(filter x,$(L)),yes,no) $(or $(empty),second) $(and $(L),both) $(strip   a   b  )" >> $@
	echo "$(subst $(space),+,$(strip $(L))) $(findstring y.c,$(L)) $(origin L) $(flavor L) $(value rev)$(wildcard none*)" >> $@
''', {}, ['functions']),
    'variables': ('recursive, simple, conditional and appended variables', r'''
A = $(B)
B = early
C := $(B)
B = late
C ?= never
D ?= $(A)x
A += more
C += more
E = a\
   b
variables:
	echo "$(A)|$(C)|$(D)|$(E)|${B}|$B" > $@
''', {}, ['variables']),
    'own': ('variables of a target', r'''
X = base
own: a b
a: X := own
a: Y = $(X)!
b: X += more
a b:
	echo "$@ $(X) $(Y)" > $@
''', {}, ['a', 'b']),
    'static': ('static patterns, grouped targets and automatic variables', r'''
static: out/a.txt out/b.txt one
out/a.txt out/b.txt: out/%.txt: in/%.in common | out
	echo "$@ $< $^ $* $(@D) $(@F) $(<F) $(^D) $|" > $@
one two &: common common
	echo "$^ and $+" > one; cp one two
out: ; mkdir $@
''', {'in/a.in': '', 'in/b.in': '', 'common': 'c\n'}, ['out/a.txt', 'out/b.txt', 'one', 'two']),
    'evals': ('eval makes rules, define makes recipes', r'''
PROGS := p q
define rule
$(1).txt: $(1).in
	read -r line < $$<; echo "$$$$line" > $$@
	echo $(1) >> $$@
endef
define say
@echo begin $@ > $@
echo end >> $@
endef
evals: $(PROGS:=.txt) said
$(foreach p,$(PROGS),$(eval $(call rule,$(p))))
said:
	$(say)
''', {'p.in': '1\n', 'q.in': '2\n'}, ['p.txt', 'q.txt', 'said']),
    'continued': ('a continued line, tabs and dollars in a script', r'''
continued:
	for i in 1 2 3; do \
		echo "$$i	$${i}" >> $@; \
	done
	printf '%s\n' "$$HOME_NOT" '$$(x)' '${UNSET}' >> $@
''', {}, ['continued']),
    'comments': ('comments, semicolons, double meanings', r'''
# a comment \
that goes on
comments: x ; echo "all; $@" > comments # not here
x:;@echo \# > x
HASH = \#
x: # nothing
define unused
comments: nowhere
endef
''', {}, ['comments', 'x']),
}


def again():
    """A second run does what a second make does: nothing where nothing has changed, and what depends on it where something has."""
    work = tempfile.mkdtemp(prefix='rv-import-')
    try:
        left, right = os.path.join(work, 'make'), os.path.join(work, 'reeve')
        files = {'Makefile': 'all: out/sum out/b\nout/%: in/%\n\t@sort $< > $@; echo $@ >> ledger\n'
                             'out/sum: out/a out/b\n\tcat $^ > $@; echo $@ >> ledger\n', 'in/a': 'x\n', 'in/b': 'z\ny\n', 'out/keep': ''}
        for folder in (left, right):
            os.mkdir(folder)
            write(folder, files)
        call(left, 'make')
        status, err, yaml = imported(right, 'Makefile')
        for number, change in enumerate([{}, {'in/a': 'x2\n'}, *([{'in/b': '1\n'}] if IS_LONG else []), {}]):
            for folder in (left, right):
                if os.path.exists(os.path.join(folder, 'ledger')):
                    os.unlink(os.path.join(folder, 'ledger'))
                write(folder, change)
            ages = {'in/a': 1, 'in/b': 1, 'out/a': 2, 'out/b': 2, 'out/sum': 3}  # make goes by times, whatever their grain
            for name in ages:
                age = 10 ** 9 + (4 if name in change else ages[name])
                os.utime(os.path.join(left, name), (age, age))
            made = call(left, 'make')
            ran = call(right, REEVE, 'run', 'imported.yaml', '--output', 'quiet')
            a, b = tree(left), tree(right)
            for one in (a, b):
                one['ledger'] = sorted(one.get('ledger', b'').split())
            claim('make again, run again: the same is made anew (%d: %s)' % (number, ' '.join(change) or 'nothing has changed'),
                  ran[0] == 0 and not differences(a, b) and bool(b['ledger']) == bool(change), (made, ran, differences(a, b), yaml))
    finally:
        shutil.rmtree(work, ignore_errors=True)


# ---- random Makefiles ----

def random_makefile(rng):
    count = rng.randint(3, 12)
    lines, made = ['V%d %s v%d' % (i, rng.choice(['=', ':=', '?=', '+=']), i) for i in range(rng.randint(0, 4))], []
    files = {'s%d' % i: 'source %d\n' % i for i in range(3)}
    lines.append('.PHONY: all\nall: t%d t0' % (count - 1))
    for i in range(count):
        below = ['t%d' % k for k in range(i)] + ['s0', 's1', 's2']
        hard = rng.sample(below, rng.randint(0 if i == 0 else 1, min(3, len(below))))
        soft = [t for t in rng.sample(below, rng.randint(0, 1)) if t not in hard]
        lines.append('t%d: %s%s' % (i, ' '.join(hard), (' | ' + ' '.join(soft)) if soft else ''))
        lines.append('\t@cat /dev/null %s > $@' % rng.choice(['$^', '$(filter s%,$^)', '$(sort $^)', '$(wordlist 1,2,$^)']))
        for _ in range(rng.randint(0, 3)):
            lines.append('\t' + rng.choice(['echo $* $(V0)$(V%d) >> $@' % rng.randint(0, 4), 'x=$$((1 + %d)); echo "$$x" >> $@' % i,
                                            '-false', 'cd / && echo away', '@echo $(words $^) $(@F) $(<D) >> $@',
                                            'echo "$(subst t,T,$^)" >> $@',
                                            '(exit 1) || echo recovered >> $@', 'if test -f s0; then echo yes; else echo no; fi >> $@']))
        if rng.random() < 0.06:
            lines.append('\tfalse')
    files['Makefile'] = '\n'.join(lines) + '\n'
    return files


def random_makefiles():
    seed = int(os.environ.get('REEVE_TEST_SEED', '1'))
    for number in range(RANDOM):
        rng = random.Random(seed * 1000 + number)
        files = random_makefile(rng)
        work = tempfile.mkdtemp(prefix='rv-import-')
        try:
            left, right = os.path.join(work, 'make'), os.path.join(work, 'reeve')
            for folder in (left, right):
                os.mkdir(folder)
                write(folder, files)
            made = call(left, 'make', '-k', '--no-print-directory')
            status, err, yaml = imported(right, 'Makefile')
            wrong = differences(tree(left), tree(right))
            if (made[0] != 0) != (status != 0) or wrong:
                claim('random Makefile %d of seed %d is made alike' % (number, seed), False,
                      (made, status, err, wrong, files['Makefile'], yaml))
                return
        finally:
            shutil.rmtree(work, ignore_errors=True)
    claim('%d random Makefiles (REEVE_TEST_SEED=%d) are made alike by make and by Reeve' % (RANDOM, seed), True)


# ---- package.json ----

PACKAGE = {
    'package.json': json.dumps({'name': 'app', 'version': '1.2.3', 'config': {'port': '8080'}, 'scripts': {
        'prebuild': 'rm -rf dist && mkdir dist',
        'build': 'npm run build:js && npm run build:css',
        'build:js': 'cat src/*.js > dist/app.js; echo js >> order',
        'build:css': 'upper < src/a.css > dist/app.css && echo $npm_package_version $npm_package_config_port $npm_lifecycle_event '
                     '>> dist/app.css; echo css >> order',
        'postbuild': 'cp dist/app.js dist/copy.js; echo post >> order',
        'lint': 'cd src && upper < a.css > ../linted',
        'pretest': 'npm run build',
        'test': 'run-p lint size',
        'size': 'read -r line < src/b.js; echo ${#line} > size',
        'all': 'npm test && npm-run-all -s size -p lint && echo all >> order',
        'broken': 'npm run fail && npm run size',
        'fail': 'exit 3',
        'prepare': 'echo never > prepared'}}, indent=2),
    'node_modules/.bin/upper': '#!/bin/sh\nread -r line; echo "up: $line"\n', 'src/a.js': 'a\n', 'src/b.js': 'b\n', 'src/a.css': 'css\n'}


def npm():
    for script, fails in (('all', False), ('broken', True), *((('build', False), ('lint', False)) if IS_LONG else ())):  # `all` has them
        work = tempfile.mkdtemp(prefix='rv-import-')
        try:
            left, right = os.path.join(work, 'npm'), os.path.join(work, 'reeve')
            for folder in (left, right):
                os.mkdir(folder)
                write(folder, PACKAGE)
            ran = npm_run(left, script, call)
            status, err, yaml = imported(right, 'package.json', script)
            a, b = tree(left), tree(right)
            wrong = differences(a, b)
            claim('npm run %s: the same files, in the same order where it counts' % script,
                  (ran[0] != 0) == fails and (status != 0) == fails and not wrong, (ran, status, err, wrong, yaml))
        finally:
            shutil.rmtree(work, ignore_errors=True)


# ---- turbo.json ----

def package(name, needs=(), **scripts):
    return json.dumps({'name': name, 'version': '0.1.0', 'dependencies': {n: '*' for n in needs}, 'scripts': scripts})


TURBO = {
    'turbo.json': """{
  "globalDependencies": ["tsconfig.json"],
  "globalEnv": ["CI", "NEXT_*"],
  "ui": "tui",
  "tasks": {
    "build": {"dependsOn": ["^build", "codegen"], "outputs": ["dist/**", "!dist/cache/**"], "env": ["MODE"]},
    "codegen": {"inputs": ["src/schema.txt"], "outputs": ["src/gen.txt"]},
    "test": {"dependsOn": ["build"], "cache": false},
    "dev": {"cache": false, "persistent": true},
    "app#deploy": {"dependsOn": ["test", "lib#build"], "cache": false},
    "//#root": {"dependsOn": ["app#build"], "cache": false}
  }
}
""",
    'package.json': json.dumps({'name': 'top', 'workspaces': ['packages/*'], 'scripts': {'build': 'exit 9',
                                                                                      'root': 'echo root >> ledger'}}),
    'tsconfig.json': '{}\n',
    'packages/lib/package.json': package(
        'lib', build='mkdir -p dist && cat src/schema.txt src/gen.txt ../../tsconfig.json > dist/lib.txt && echo lib >> ../../ledger',
        codegen='shout < src/schema.txt > src/gen.txt; echo codegen >> ../../ledger', dev='sleep 1000'),
    'packages/cfg/package.json': package('cfg', ['lib']),
    'packages/app/package.json': package(
        'app', ['cfg'], build='mkdir -p dist && cat ../lib/dist/lib.txt src/main > dist/app.txt && echo app >> ../../ledger',
        test='grep -q LIB dist/app.txt && echo test >> ../../ledger',
        deploy='cp dist/app.txt ../../deployed'),
    'packages/lib/src/schema.txt': 'lib\n', 'packages/app/src/main': 'main\n', 'node_modules/.bin/shout': '#!/bin/sh\ntr a-z A-Z\n',
}


def turbo():
    work = tempfile.mkdtemp(prefix='rv-import-')
    try:
        write(work, TURBO)
        status, err, yaml = imported(work, 'turbo.json')
        claim('tasks of all packages run, each after those that it depends on', status == 0, (status, err, yaml))
        made = tree(work)
        order = made.get('ledger', b'').decode().split()
        claim('through a package that has no script for them', sorted(order) == ['app', 'codegen', 'lib', 'root', 'test'] and
              order.index('codegen') < order.index('lib') < order.index('app') < order.index('test') and
              order.index('app') < order.index('root'), (order, yaml))
        claim('with what the packages before have made', made.get('deployed') == b'lib\nLIB\n{}\nmain\n', made.get('deployed'))
        for wanted in ('turbo.json:3:23: warning: `NEXT_*`', 'turbo.json:4:3: warning: `ui`', 'turbo.json:9:12: warning: `dev` never ends',
                       'the pattern `!dist/cache/**`'):
            claim('said by line: ' + wanted, wanted in err, err)
        claim('a script of the root that is no task of it is not run', 'exit 9' not in yaml, yaml)
        status, out, err = call(work, REEVE, 'import', 'turbo.json', 'codegen')
        claim('a task that is named comes with what it needs', status == 0 and 'lib_codegen' in out and 'lib_build' not in out, out)
        status, out, err = call(work, REEVE, 'import', 'turbo.json', 'nothing')
        claim('a task that is not there is named', status == 2 and '`nothing`' in err, err)
    finally:
        shutil.rmtree(work, ignore_errors=True)


# ---- crontab ----

CRONTAB = """# m h  dom mon dow   command
SHELL=/bin/bash
GREETING = "hello there"
MAILTO=me@example.org
HOME=%s

# writes a file
*/5 * * * *   ./write.sh $GREETING > written
@daily a=(1 2); echo ${a[1]} > second
30 4 * * mon-fri cat > fed && echo '\\%%' >> fed%%line one%%line two
GREETING=later
@reboot echo $GREETING > later # a comment
"""


def cron():
    work = tempfile.mkdtemp(prefix='rv-import-')
    try:
        write(work, {'crontab': CRONTAB % work, 'write.sh': '#!/bin/sh\necho "$@"\n'})
        status, err, yaml = imported(work, 'crontab')
        made = tree(work)
        wanted = {'written': b'hello there\n', 'second': b'2\n', 'fed': b'line one\nline two\n%\n', 'later': b'later\n'}
        claim('each job does what cron would have it do: its shell, its variables, its input',
              status == 0 and all(made.get(k) == v for k, v in wanted.items()), (status, err, yaml, made))
        claim('the comment above a job stays', '# writes a file' in yaml, yaml)
        line = re.search(r'crontab:8:1: warning: `write` is started by cron at `\*/5 \* \* \* \*`.*keep cron, with this line: (.*)', err)
        claim('the schedule is said by line, with the line for cron', line is not None and line.group(1).startswith('*/5 * * * * cd ') and
              'reeve run' in line.group(1), err)
        pasted = re.sub(r'^(?:\S+ ){5}', '', line.group(1)) if line else 'false'
        file = re.search(r'reeve run (\S+)', pasted)
        if file and not os.path.exists(os.path.join(work, file.group(1))):
            call(work, REEVE, 'import', 'crontab', 'write', '-o', file.group(1))
        os.unlink(os.path.join(work, 'written'))
        done = call(work, 'sh', '-c', pasted, env={'PATH': os.path.dirname(REEVE) + os.pathsep + os.environ['PATH']})
        claim('that line runs the job, and only it', done[0] == 0 and os.path.exists(os.path.join(work, 'written')), (pasted, done))
        claim('mail stays with cron', 'crontab:4:1: warning: `MAILTO`' in err, err)
        write(work, {'system': '17 * * * * root cd / && run-parts /etc/cron.hourly\n', 'bad': '* * * *\n', 'none': '# nothing\n'})
        status, out, err = call(work, REEVE, 'import', 'system', '--from', 'cron', '--system')
        claim('the user of a system crontab is said', status == 0 and 'run-parts' in out and
              '`run-parts` runs as `root`' in err, (out, err))
        status, out, err = call(work, REEVE, 'import', 'bad', '--from', 'cron')
        claim('a line that is no job is refused at its place', status == 2 and 'bad:1:1: neither a job nor a variable' in err, err)
        claim('a crontab without jobs is refused', call(work, REEVE, 'import', 'none', '--from', 'cron')[0] == 2)
    finally:
        shutil.rmtree(work, ignore_errors=True)


# ---- dagu ----

DAGU = """name: etl
description: "a test: of it"
schedule: "0 2 * * *"
params: "DAY=2024-01-01 pos1"
env:
  - DATA: ${BASE}/data
  - OUT=${DATA}/out
tags: daily
maxActiveSteps: 2
timeoutSec: 600
preconditions:
  - condition: "$DAY"
    expected: "re:^20[0-9]+-"
handlerOn:
  success: {command: echo good > good}
  exit: {command: "echo over $COUNT > over"}
steps:
  - name: extract
    command: echo "rows $1 $2 $DAY"
    output: COUNT
  - name: flaky
    command: echo x >> tries; test $(wc -l < tries) -ge 3
    retryPolicy: {limit: 2, intervalSec: 0}
  - name: check it
    command: test -f nowhere
    depends: [extract]
    continueOn: {failure: true, markSuccess: true}
  - name: transform
    command: awk -f -
    script: |
      BEGIN { count = ENVIRON["COUNT"]; sub(/[\\n ]+$/, "", count)
              print "got", count, ENVIRON["MODE"], ENVIRON["PRICE"] > "got" }
    depends: extract
    env: {MODE: fast-$DAY, PRICE: '\$9 for \${DAY}'}
  - name: maybe
    command: echo ran > maybe
    preconditions:
      - condition: "`echo 1`"
        expected: "2"
    depends: [transform]
  - name: after maybe
    command: echo no > no
    depends: [maybe]
  - name: load
    script: |
      echo "load $OUT"
      exit 3
    depends: [check it, transform, flaky]
    continueOn: {exitCode: 3}
    stdout: load.log
    timeoutSec: 30
    mailOnError: true
"""


def dagu():
    work = tempfile.mkdtemp(prefix='rv-import-')
    try:
        write(work, {'dagu.yaml': DAGU})
        os.environ['BASE'] = '/base'
        status, err, yaml = imported(work, 'dagu.yaml')
        made = {k: v.decode() for k, v in tree(work).items() if k in ('got', 'load.log', 'good', 'over', 'maybe', 'no', 'tries')}
        wanted = {'got': 'got rows 2024-01-01 pos1 2024-01-01 fast-2024-01-01 $9 for ${DAY}\n', 'load.log': 'load /base/data/out\n',
                  'good': 'good\n', 'over': 'over rows 2024-01-01 pos1 2024-01-01\n', 'tries': 'x\n' * 3}
        claim('params, outputs, scripts, retries, conditions, handlers: done as the file says', status == 0 and made == wanted,
              (status, err, yaml, made))
        for line in ('dagu.yaml:3:11: warning: the schedule', 'dagu.yaml:8:1: warning: `tags`', 'dagu.yaml:52:5: warning: `mailOnError`'):
            claim('said by line: ' + line, line in err, err)
        status, out, err = call(work, REEVE, 'run', 'imported.yaml', '--var', 'DAY=tomorrow', '--json')
        claim('a condition of the file skips all of it',
              status == 0 and '"skipped"' in out and json.loads(out.splitlines()[-1]), (status, out[-500:], err))
        rows = [
            ('chain', 'steps:\n  - echo 1 > a\n'
             '  - [test -f a && echo 2 > b, test -f a && echo 3 > c]\n  - test -f b && test -f c && echo 4 > d\n', 0, 'd'),
            ('failure', 'type: graph\nsteps:\n  - {name: a, command: exit 3}\n'
             '  - {name: b, command: echo > b, depends: a}\n  - {name: c, command: echo > c}\n', 1, 'c'),
            ('goes on', 'steps:\n  - {name: a, command: exit 3, continueOn: failed}\n'
             '  - {name: b, command: echo > b, depends: [a]}\n', 1, 'b'),
            ('snake', 'type: graph\nsteps:\n  - {id: x, run: "exit 4", continue_on: {exit_code: [4]}}\n'
             '  - {id: y, run: "echo > y", depends: [x], working_dir: sub}\n', 0, 'sub/y'),
            ('shell', 'shell: bash -e\nsteps:\n  - name: a\n    script: |\n      false\n      echo > never\n', 1, 'sub/'),
        ]
        for name, text, expected, file in rows:
            folder = os.path.join(work, name)
            write(folder, {'dag.yaml': text, 'sub/keep': ''})
            status, err, yaml = imported(folder, 'dag.yaml')
            claim('dagu: %s' % name, status == expected and file in tree(folder) and 'never' not in tree(folder) and
                  (name != 'failure' or 'b' not in tree(folder)), (status, err, yaml, tree(folder)))
        folder = os.path.join(work, 'others')
        write(folder, {'dag.yaml': 'steps:\n  - name: fetch\n    executor: http\n    command: GET https://example.org\n'})
        status, err, yaml = imported(folder, 'dag.yaml')
        claim('a step of another kind is said, and its node fails',
              status == 1 and 'dag.yaml:3:15: warning: the step `fetch` has an executor' in err, err)
        for text, wrong in (('steps: 1\n', 'there are no `steps`'),
                            ('steps:\n  - {name: a, command: x, depends: b}\n', 'dag.yaml:2:36: there is no step `b`'),
                            ('steps:\n  - {name: a, command: x}\n  - {name: a, command: y}\n', 'dag.yaml:3:5: two steps are called `a`')):
            write(folder, {'dag.yaml': text})
            status, out, err = call(folder, REEVE, 'import', 'dag.yaml', '--from', 'dagu')
            claim('refused: ' + wrong, status == 2 and wrong in err, err)
    finally:
        shutil.rmtree(work, ignore_errors=True)


# ---- what is said ----

def said(files, file, *words):
    work = tempfile.mkdtemp(prefix='rv-import-')
    try:
        write(work, files)
        return call(work, REEVE, 'import', file, *words)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def reports():
    rows = [
        ('a: b\n\techo $? > a\nb:\n\ttouch b\n', '2:2: warning: `$?`'),
        ('a: lib.a(x.o)\n\ttouch a\n', '1:1: warning: `lib.a(x.o)`, a member'),
        ('vpath %.c src\na:\n\ttouch a\n', '1:1: warning: `vpath`'),
        ('$(info hello)\na:\n\ttouch a\n', '1:1: warning: what $(info)'),
        ('all: sub\nsub:\n\t$(MAKE) -C x\n', '3:2: warning: this line runs make'),
        ('a: missing\n\ttouch a\n', '1:1: warning: nothing makes `missing`'),
        ('a: b\n\ttouch a\nb: a\n\ttouch b\n', 'warning: `a` needs itself through `b`'),
        ('unexport X\na:\n\ttouch a\n', '1:1: warning: `unexport X`'),
        ('test:\n\techo hi\n', '1:1: warning: `test` is not .PHONY'),
        ('a::\n\techo 1 > a\na::\n\techo 2 > a\n', '4:2: warning: `a` has several rules'),
        ('F := $(patsubst %.c,%.o,$(shell ls))\na:\n\techo $(F) > a\n', '1:1: warning: $(patsubst) works on what a shell prints'),
        ('ifeq ($(shell uname),x)\nendif\na:\n\ttouch a\n', '1:1: warning: this condition depends on'),
        ('a:\n\techo $(HOME_SWEET) > a\n', '2:2: warning: `HOME_SWEET` comes from the environment'),
    ]
    os.environ['HOME_SWEET'] = 'here'
    for text, wanted in rows:
        status, out, err = said({'Makefile': text}, 'Makefile')
        claim('said by line: ' + wanted, status == 0 and 'Makefile:' in err and wanted in err, (status, err, out))
    wrong = [
        ('a:\n    touch a\n', '2:5: neither a rule nor a variable; begin the lines of recipes with a tab'),
        ('ifdef X\n', '1:1: a condition has no end'), ('endif\n', '1:1: endif without'), ('A = $(A)x\nb: $(A)\n', 'names itself'),
        ('include nowhere.mk\n', '1:1: nowhere.mk cannot be read'), ('include Makefile\n', 'too many files are included'),
        ('A = $(shell\nall: $(A)\n', 'a variable reference is not closed'),
        ('$(error stop here)\n', '1:1: the Makefile stops with $(error): stop here'),
        ('A = 1\n', 'there is nothing to do'), ('define X\n', '1:1: define X has no end'),
        ('a:\n\t\xff\n'.replace('\xff', '\udcff'), 'not UTF-8'),
        ('a:\n\techo \x01\n', 'control character'), ('a:\n\ttouch a\nA:=$(word 1)\n', '$(word) has 1 argument'),
        ('A=' + '$(' * 500 + 'x' + ')' * 500 + '\nall: $(A)\n', 'nested deeper'),
        ('A0=' + 'x' * 1000 + '\n' + ''.join('A%d=$(A%d)$(A%d)\n' % (i + 1, i, i) for i in range(60)) + 'all: $(A60)\n\ttrue\n', '64 MiB'),
    ]
    # Patterns that are tried for each target are bounded, too; what goes before them takes most of what there is.
    grown = 'A0=' + 'x' * 1000 + '\n' + ''.join('A%d=$(A%d)$(A%d)\n' % (i + 1, i, i) for i in range(11))
    grown += 'B:=$(A11)\nC:=$(A11)\nD:=$(A8)$(A7)\n'
    for count in 100, 1200:
        patterns = ''.join('%%.a%d: %%.b%d\n\tx\n' % (i, i) for i in range(count))
        wrong.append((grown + patterns + 'all: ' + ' '.join('x.a%d' % i for i in range(count)) + '\n\ttrue\n', '64 MiB'))
    status, out, err = said({'Makefile': wrong[-2][0]}, 'Makefile')
    claim('a hundred patterns for a hundred targets are not too many', status == 0, err[-500:])
    del wrong[-2]
    for text, wanted in wrong:
        work = tempfile.mkdtemp(prefix='rv-import-')
        with open(os.path.join(work, 'Makefile'), 'w', errors='surrogateescape') as file:
            file.write(text)
        status, out, err = call(work, REEVE, 'import', 'Makefile')
        shutil.rmtree(work)
        claim('refused: ' + wanted, status == 2 and wanted in err and 'nothing was written' in err and not out, (status, err[-500:]))


def many():
    """Scripts of which hundreds wait for hundreds: an answer in seconds, not never."""
    many = 300 if IS_LONG else 150
    work = tempfile.mkdtemp(prefix='rv-import-')
    try:
        scripts = {'%s%d' % (group, i): 'true' for group in 'abc' for i in range(many)}
        names = [' '.join('%s%d' % (group, i) for i in range(many)) for group in 'abc']
        scripts['all'] = 'npm-run-all -p %s -p %s -p %s' % tuple(names)
        scripts['row'] = 'run-s %s' % names[0]
        write(work, {'package.json': json.dumps({'scripts': scripts})})
        status, out, err = call(work, REEVE, 'import', 'package.json', 'row')
        claim('hundreds of scripts in a row are imported', status == 0 and out.count('needs: [a') == many - 1,
              (status, err[-300:], out[:300]))
        status, out, err = call(work, REEVE, 'import', 'package.json', 'all')
        claim('hundreds that wait for hundreds each end, too', status in (0, 2), (status, err[-300:]))
    finally:
        shutil.rmtree(work, ignore_errors=True)


def the_verb():
    work = tempfile.mkdtemp(prefix='rv-import-')
    try:
        write(work, {'Makefile': 'a:\n\techo a > a\n', 'other.txt': 'x:\n\techo x > x\n', 'sub/Makefile': 'b:\n\techo b > b\n'})
        claim('it writes on standard output', call(work, REEVE, 'import', 'Makefile')[1].startswith('# Made from Makefile'))
        claim('and into a file', call(work, REEVE, 'import', 'Makefile', '-o', 'w.yaml')[0] == 0 and
              os.path.exists(os.path.join(work, 'w.yaml')))
        status, _, err = call(work, REEVE, 'import', 'Makefile', '--output', 'w.yaml')
        claim('which it does not overwrite', status == 4 and '--force' in err, err)
        claim('unless it is told to', call(work, REEVE, 'import', 'Makefile', '--output', 'w.yaml', '--force')[0] == 0)
        status, _, err = call(work, REEVE, 'import', 'other.txt')
        claim('an unknown kind is asked for', status == 2 and '--from' in err, err)
        claim('--from says the kind', call(work, REEVE, 'import', 'other.txt', '--from', 'make')[0] == 0)
        claim('--from of no kind is refused', call(work, REEVE, 'import', 'Makefile', '--from', 'bake')[0] == 2)
        claim('a file that is not there is exit 3', call(work, REEVE, 'import', 'nowhere/Makefile')[0] == 3)
        status, _, err = call(work, REEVE, 'import', 'Makefile', 'zap')
        claim('a target that is not there is named', status == 2 and '`zap`' in err, err)
        status, _, err = call(work, REEVE, 'import', 'sub/Makefile', '-o', 'wrong.yaml')
        claim('a workflow in another folder than its Makefile is warned of',
              status == 0 and 'its commands and paths mean that folder' in err, err)
        done = json.loads(call(work, REEVE, 'import', 'Makefile', '--json')[1])
        claim('--json gives workflow and problems as objects', done['nodes'] == 1 and 'echo a' in done['workflow'] and
              all(set(p) >= {'line', 'column', 'what', 'cure'} for p in done['problems']), done)
        status, out, _ = call(work, REEVE, 'import', 'Makefile', 'zap', '--json')
        claim('so is an error', status == 2 and json.loads(out)['error']['status'] == 'INVALID', out)
    finally:
        shutil.rmtree(work, ignore_errors=True)


cases = [makefiles, again, random_makefiles, npm, turbo, cron, dagu, reports, many, the_verb]
for case in cases:
    if not sys.argv[2:] or case.__name__ in sys.argv[2:]:
        case()
end()
