/* The readers of `reeve import`, each on texts that stand here, on a machine that is made up: what they write, what they say and where, and
 * that hostile files end in an error. Whatever is written is loaded as `reeve run` would. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "import_laws.h"

typedef bool reader(rv_import *import);

/* What `read` makes of `text`, then what it says; NUL-terminated. */
static rv_buf said_of(reader *read, const char *text, bool is_good)
{
    rv_buf said = {0};
    if (import_and_load(read, rv_str_of(text), &said) != is_good) fail_msg("%s\ngives\n%s", text, said.at ? said.at : "nothing");
    return said;
}

static void check_rows(reader *read, const char *const rows[][2], size_t count, bool is_good)
{
    for (size_t i = 0; i < count; i++) {
        rv_buf said = said_of(read, rows[i][0], is_good);
        if (!strstr(said.at, rows[i][1])) fail_msg("%s\ngives\n%s\nwithout\n%s", rows[i][0], said.at, rows[i][1]);
        rv_buf_deinit(&said);
    }
}

static void make__each_part_of_the_language_gives_its_script(void **state)
{
    static const char *const rows[][2] = {
        {"A = $(B)\nB = late\nC := $(B)\nB = later\nall:\n\techo $(A) $(C)\n", "shell: echo later late\n"},
        {"A = a\nA += b\nA ?= c\nall:\n\techo $(A)\n", "shell: echo a b\n"},
        {"all: a.o\n", "shell: cc    -c -o a.o a.c\n"},
        {"all: a.o b.o\n\tcc $^ -o $@\n", "needs: [a_o, b_o]\n    inputs: [a.o, b.o]\n    outputs: [all]\n    cache: {deps: files}\n"},
        {"x/%.o: src/%.c\n\tcc $< $* $(@D) $(@F)\nall: x/main.o\n", "shell: cc src/main.c main x main.o\n"},
        {"S := $(wildcard *.c)\nall:\n\techo $(S:.c=.o) $(words $(S))\n", "shell: echo a.o b.o 2\n"},
        {"all:\n\t@one\n\t-two\n\tcd x; three\n", "one || exit\n      two || :\n      (\n      cd x; three\n      )\n"},
        {"all: | d\n\ttouch $@\nd:\n\tmkdir $@\n", "needs: [d]\n"},
        {"d:\n\tmkdir d\n", "[ ! -e d ] || exit 0\n      mkdir d\n"},
        {"ifdef NONE\nall:; echo no\nelse ifeq ($(CC),cc)\nall:; echo cc\nelse\nall:; echo other\nendif\n", "shell: echo cc\n"},
        {"include conf.mk\n", "      touch conf\n    outputs: [conf]\n"},
        {"define two\necho $(1)\necho $(1)$(1)\nendef\nall:\n\t$(call two,x)\n", "echo x || exit\n      echo xx\n"},
        {"$(foreach n,p q,$(eval $(n): ; touch $(n)))\n", "  q:\n    shell: |-\n      [ ! -e q ] || exit 0\n      touch q\n"},
        {"V = $(shell cat v)\nall:\n\techo '$(V)' \"$(V)\"\n", "shell_1=$(cat v)\n      echo ''\"${shell_1}\"'' \"${shell_1}\"\n"},
        {"all: x\n\ttouch all\nx: FORCE\n\ttouch x\nFORCE:\n",
         "  x:\n    shell: touch x\n    outputs: [x]\n  all:\n    shell: touch all\n    needs: [x]\n"},
        {"export A = ${B}\nB = $${c}\nall:\n\tx\n", "env:\n  A: \"$${c}\"\n"},
        {"export PATH := $${a}:$(PATH):$${b}\nall:\n\tx\n", "env:\n  PATH: \"$${a}:${env.PATH}:$${b}\"\n"},
        {"export PATH := $$$(PATH)\nall:\n\tx\n", "env:\n  PATH: $/usr/bin:/bin\n"},
        {"all:\n\tfile://etc/passwd\n", "      :\n      file://etc/passwd\n"},
    };
    check_rows(rv_import_make, rows, RV_COUNT(rows), true);
}

static void make__what_does_not_carry_over_is_said_where_it_stands(void **state)
{
    static const char *const rows[][2] = {
        {"a: b\n\techo $? > a\nb:\n\ttouch b\n", "file:2:2: warning: `$?`"},
        {"# one \\\n two\nvpath %.c src\na:\n\ttouch a\n", "file:3:1: warning: `vpath`"},
        {"a:\n\ttouch a\n  unexport X\n", "file:3:3: warning: `unexport X`"},
        {"X = $(info hi)\n\n\na:\n\ttouch a $(X)\n", "file:5:2: warning: what $(info)"},
        {"a: none\n\ttouch a\n", "file:1:1: warning: nothing makes `none`, which `a` needs"},
        {"a: b\n\ttouch a\nb: a\n\ttouch b\n", "warning: `a` needs itself through `b`"},
        {"a: X := 1\na: b\n\techo $(X) > a\nb:\n\ttouch b\n", "file:1:1: warning: `X` holds for the recipe of `a` alone"},
    };
    check_rows(rv_import_make, rows, RV_COUNT(rows), true);
}

static void make__what_is_wrong_ends_it_with_its_place(void **state)
{
    static const char *const rows[][2] = {
        {"", "there is nothing to do"},
        {"a:\n    touch a\n", "file:2:5: neither a rule nor a variable"},
        {"ifeq (a,b\nendif\n", "file:1:1: a condition that is not understood"},
        {"ifdef X\n", "file:1:1: a condition has no end"},
        {"else\n", "file:1:1: else without a condition"},
        {"define X\n", "file:1:1: define X has no end"},
        {"A = $(A)\nb: $(A)\n", "the variable `A` names itself"},
        {"include self.mk\n", "self.mk:1:1: too many files are included"},
        {"include none.mk\n", "file:1:1: none.mk cannot be read"},
        {"a: $(b\n", "a variable reference is not closed"},
        {"f = $(call f,$(1)x)\na:\n\t$(call f,x)\n", "nested deeper than 100"},
        {"a:\n\t\xff\n", "file:2:1: the text is not UTF-8 here"},
        {"a:\n\techo \x01\n", "a NUL or another control character"},
    };
    check_rows(rv_import_make, rows, RV_COUNT(rows), false);
}

/* A = B B, B = C C …: sixty doublings of a kilobyte. */
static void make__text_that_doubles_and_doubles_is_bounded(void **state)
{
    rv_buf text = {0};
    rv_buf_cstring(&text, "A0 = ");
    for (int i = 0; i < 1000; i++) rv_buf_byte(&text, 'x');
    rv_buf_byte(&text, '\n');
    for (int i = 0; i < 60; i++) rv_buf_printf(&text, "A%d = $(A%d)$(A%d)\n", i + 1, i, i);
    rv_buf_cstring(&text, "all:\n\techo $(A60)\n");
    rv_buf said = said_of(rv_import_make, text.at, false);
    assert_non_null(strstr(said.at, "larger than 64 MiB"));
    rv_buf_deinit(&said);
    rv_buf_deinit(&text);
}

static void npm__scripts_become_nodes_and_edges(void **state)
{
    static const char *const rows[][2] = {
        {"{\"scripts\": {\"prea\": \"p\", \"a\": \"x\", \"posta\": \"q\"}}", "  posta:\n    shell: q\n    needs: [a]\n"},
        {"{\"scripts\": {\"a\": \"x\", \"b\": \"y\", \"all\": \"run-p a b\"}}", "  all:\n    set: {done: \"true\"}\n    needs: [a, b]\n"},
        {"{\"scripts\": {\"a\": \"x\", \"b\": \"npm run a && y z\"}}", "  b:\n    shell: y z\n    needs: [a]\n"},
        {"{\"scripts\": {\"a\": \"x\", \"b\": \"npm run a || y\"}}", "  b:\n    shell: npm run a || y\n"},
        {"{\"scripts\": {\"a:1\": \"x\", \"a:2\": \"y\", \"all\": \"run-s a:*\"}}", "  a_2:\n    shell: y\n    after: [a_1]\n"},
        {"{\"version\": \"3\", \"scripts\": {\"a\": \"x $npm_package_version\"}}", "    env:\n      npm_package_version: 3\n"},
        {"{\"scripts\": {\"a\": \"cd x && y\"}}", "      PATH=\"$PWD/node_modules/.bin:$PATH\"\n      cd x && y\n"},
        {"{\"scripts\": {\"a\": \"npm run b\", \"b\": \"npm run a\"}}", "warning: `b` runs itself through `a`"},
        {"{\n  \"scripts\": {\n    \"a\": 1, \"b\": \"x\"}}", "file:3:5: warning: the script `a` is no text"},
    };
    check_rows(rv_import_npm, rows, RV_COUNT(rows), true);
    static const char *const wrong[][2] = {{"{}", "there are no `scripts`"}, {"{\"scripts\": {\"a\": }}", "file:1:19:"}, {"[", "file:1:"}};
    check_rows(rv_import_npm, wrong, RV_COUNT(wrong), false);
}

static void cron__jobs_keep_their_words_and_their_schedule_is_said(void **state)
{
    static const char *const rows[][2] = {
        {"A=\"x y\"\n* * * * * /bin/a.sh z\n", "  a:\n    shell: /bin/a.sh z\n    env:\n      A: x y\n"},
        {"@daily cat%one%two\n", "      {\n      cat\n      } <<'END_OF_INPUT'\n      one\n      two\n      END_OF_INPUT\n"},
        {"@daily date +\\%s\n", "shell: date +%s\n"},
        {"\n\n*/5 1-3 * jan,feb mon  x --y\n",
         "file:3:1: warning: `x` is started by cron at `*/5 1-3 * jan,feb mon`: schedules are not supported by this version; "
         "keep cron, with this line: */5 1-3 * jan,feb mon cd /there && reeve run jobs.yaml x --store .reeve-x --output quiet"},
        {"# says\n@hourly x\n@hourly x\n", "  # says\n  x:\n    shell: x\n  x_2:\n"},
    };
    check_rows(rv_import_cron, rows, RV_COUNT(rows), true);
    static const char *const wrong[][2] = {{"* * * *\n", "file:1:1: neither a job nor a variable"}, {"# none\n", "there are no jobs"},
                                           {"a\n@daily x\n", "file:1:1: neither"}};
    check_rows(rv_import_cron, wrong, RV_COUNT(wrong), false);
}

static void dagu__steps_become_nodes(void **state)
{
    static const char *const rows[][2] = {
        {"steps:\n- {name: a b, command: x}\n- {name: c, command: y}\n", "  c:\n    shell: y\n    needs: [a_b]\n"},
        {"steps:\n- {name: a, command: x, output: V}\n- {name: c, command: 'y $V', depends: a}\n",
         "    env:\n      V: \"${a.stdout:-}\"\n"},
        {"steps:\n- {name: a, command: x, retryPolicy: {limit: 2, intervalSec: 3}}\n", "    retry: {max_attempts: 3, delay: 3s}\n"},
        {"type: graph\nsteps:\n- {name: a, run: x, continue_on: failed}\n- {name: b, run: y, depends: [a]}\n",
         "    shell: y\n    after: [a]\n"},
        {"params: A=1\nsteps:\n- {name: a, command: 'x $A', env: {B: \"$A-$HOME\"}}\n", "      B: \"${user.A}-${env.HOME:-}\"\n"},
        {"steps:\n- {name: a, command: x, env: {A: 'p\\$HOME \\${HOME} \\\\$B'}}\n", "      A: \"p$HOME $${HOME} \\\\\\\\${env.B:-}\"\n"},
        {"steps:\n- {name: a, command: x, env: {A: \"'$HOME' '${HOME}' '$HOME\"}}\n", "      A: \"'$HOME' '$${HOME}' '${env.HOME:-}\"\n"},
        {"steps:\n- {name: a, command: x, env: {A: 'p$$HOME q$${HOME} $$'}}\n", "      A: \"p$$HOME q$$${HOME} $$\"\n"},
        {"steps:\n- {name: a, command: x, env: {A: 'p$$HOME'}}\n",
         "file:2:31: warning: a variable with a dollar before it, as in `$$NAME`, is kept as text"},
        {"env: [V: v, B: '{b', C: $]\nsteps:\n- {name: a, command: x, env: {A: 'p$$V $$B $C{d ${a-b}'}}\n",
         "      A: \"p$v $${b $${d $${a-b}\"\n"},
        {"steps:\n- {name: a, command: x, preconditions: [{condition: $A, expected: b}]}\n",
         "      if [ \"$A\" = b ]; then echo met=yes; else"},
        {"steps:\n- {name: a, executor: http}\n", "file:2:23: warning: the step `a` has an executor, which is not carried over"},
        {"handlerOn: {failure: {command: x}}\nsteps: [y]\n", "on:\n  failure:\n    shell: x\n"},
        {"queue: q\nsteps: [y]\n", "file:1:1: warning: `queue` of the file is not carried over"},
    };
    check_rows(rv_import_dagu, rows, RV_COUNT(rows), true);
    static const char *const wrong[][2] = {{"steps: []\n", "there are no `steps`"}, {"a", "it is no map"},
                                           {"steps: [{name: [}]\n", "file:1:"},
                                           {"steps:\n- {name: a, command: x, depends: a}\n",
                                            "file:2:3: the step `a` comes to depend on itself"}};
    check_rows(rv_import_dagu, wrong, RV_COUNT(wrong), false);
}

static void turbo__tasks_run_in_each_package(void **state)
{
    static const char *const rows[][2] = {
        {"{\"tasks\": {\"build\": {\"dependsOn\": [\"^build\"], \"cache\": false}}}",
         "    shell: b\n    dir: packages/app\n    needs: [lib_build]\n"},
        {"{\"tasks\": {\"build\": {\"inputs\": [\"*.c\"], \"outputs\": [\"out/**\"], \"env\": [\"A\"]}}}",
         "    inputs: [packages/app/*.c]\n    outputs: [packages/app/out/**]\n"},
        {"{\"tasks\": {\"test\": {}, \"dev\": {\"persistent\": true}}}", "file:1:31: warning: `dev` never ends: it is left out"},
        {"{\"tasks\": {\"//#build\": {\"cache\": false}}}", "  p_build:\n    shell: echo b\n"},
    };
    check_rows(rv_import_turbo, rows, RV_COUNT(rows), true);
    static const char *const wrong[][2] = {{"{}", "there are no `tasks`"},
                                           {"{\"tasks\": {\"none\": {}}}", "no package has a script for a task"},
                                           {"{\"tasks\": {\"build\": {\"dependsOn\": [\"test\"]}, \"test\": {\"dependsOn\": [\"build\"]}}}",
                                            "comes to need itself"}};
    check_rows(rv_import_turbo, wrong, RV_COUNT(wrong), false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(make__each_part_of_the_language_gives_its_script),
        cmocka_unit_test(make__what_does_not_carry_over_is_said_where_it_stands),
        cmocka_unit_test(make__what_is_wrong_ends_it_with_its_place),
        cmocka_unit_test(make__text_that_doubles_and_doubles_is_bounded),
        cmocka_unit_test(npm__scripts_become_nodes_and_edges),
        cmocka_unit_test(cron__jobs_keep_their_words_and_their_schedule_is_said),
        cmocka_unit_test(dagu__steps_become_nodes),
        cmocka_unit_test(turbo__tasks_run_in_each_package),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
