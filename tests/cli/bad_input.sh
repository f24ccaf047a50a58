#!/bin/sh
# What a new user gets wrong is answered with what was wrong and what to do, never with a crash or a store left behind [W6, W32].
. "$(dirname "$0")/lib.sh"

fresh empty
: >empty.yaml
claim "an empty file is exit 2" exits 2 "$reeve" run empty.yaml
claim "an empty file is named" err_has empty.yaml
claim "an empty file leaves no store" [ ! -e .reeve ]

fresh directory
mkdir flow.yaml
claim "a directory is exit 2" exits 2 "$reeve" run flow.yaml
claim "a directory is called one" err_has "is a directory"

fresh missing
claim "a missing file is exit 3" exits 3 "$reeve" run nowhere.yaml
claim "a missing file is named" err_has nowhere.yaml
claim "run without any file is exit 3" exits 3 "$reeve" run
claim "run without any file says how to begin" err_has "reeve init"

fresh cycle
printf 'reeve: 1\nname: x\nnodes:\n' >cycle.yaml
for edge in a:c b:a c:b; do echo "  ${edge%:*}: {run: [true], needs: [${edge#*:}]}" >>cycle.yaml; done
claim "a cycle is exit 2" exits 2 "$reeve" check cycle.yaml
claim "a cycle is called one" err_has cycle
claim "a cycle leaves no store" [ ! -e .reeve ]

fresh misspelt
printf 'reeve: 1\nname: x\nnodes:\n  a: {run: [true], need: [b]}\n  b: {rnu: [true]}\n' >wrong.yaml
claim "misspelt keys are exit 2" exits 2 "$reeve" run wrong.yaml
claim "the nearest key is named" err_has needs
claim "every problem is reported at once" err_has "wrong.yaml:5:"
claim "check --json gives them as objects" exits 2 "$reeve" check wrong.yaml --json
claim "objects have a version" out_has '"v":1'
claim "objects have problems" out_has '"problems":['

fresh command
printf 'reeve: 1\nname: x\nnodes:\n  a: {run: [no-such-command-here]}\n  b: {run: [echo, fine]}\n' >c.yaml
claim "a missing command fails the node" exits 1 "$reeve" run c.yaml
claim "the missing command is named" out_has no-such-command-here
claim "independent work goes on" out_has "b │ fine"
claim "a failure ends with what to paste" out_has "reeve logs"

fresh silence
printf 'reeve: 1\nname: x\nnodes:\n  a: {run: [nosuchcommand]}\n  b: {run: [echo, said]}\n' >x.yaml
claim "a run whose node cannot start is exit 1" exits 1 "$reeve" run x.yaml
claim "logs of a node that wrote nothing is exit 0" exits 0 "$reeve" logs latest a
claim "it prints nothing" [ ! -s out ]
claim "but says so, and where to look" err_has "a wrote nothing; \`reeve show "
"$reeve" logs latest b >out 2>err
claim "of one that wrote something nothing is said" [ ! -s err -a "$(cat out)" = said ]
"$reeve" logs latest b --stream 1 >out 2>err
claim "nor of the stream that it wrote to" [ ! -s err -a -s out ]
"$reeve" logs latest b --stream 2 >out 2>err
claim "of the other one it is" err_has "b wrote nothing to standard error"
claim "writing with sql is refused like any writing" exits 1 "$reeve" sql "delete from run"
claim "and says that it may only read" err_has "the query may only read: cannot modify run"

fresh left
printf 'reeve: 1\nname: x\nnodes:\n  a: {run: [sleep, 1000]}\n' >x.yaml
"$reeve" run x.yaml >/dev/null 2>&1 </dev/null &
keeper=$!
is_running() { "$reeve" ls >out 2>err; has out running; }
claim "a run goes on" until_true 30 is_running
claim "while somebody drives it nothing is said of it" [ ! -s err ]
read -r engine </proc/$keeper/task/$keeper/children
kill -9 "$engine"
wait $keeper 2>/dev/null
claim "ls of a run that an engine left is exit 0" exits 0 "$reeve" ls
claim "it says that nobody drives it, and what does" err_has "no process drives the run that is \`running\`; \`reeve run --resume "
printf 'reeve: 1\nname: y\nnodes:\n  p: {approve: {message: go?}}\n' >y.yaml
"$reeve" run y.yaml --no-wait >/dev/null 2>&1
claim "a run that waits is found by that word" exits 0 "$reeve" ls --status waiting
claim "and it alone" [ "$(grep -c waiting out)" -eq 1 -a "$(grep -c running out)" -eq 0 ]

fresh usage
claim "a missing word is exit 2" exits 2 "$reeve" approve
claim "the usage is one line" [ "$(wc -l <err)" -eq 1 ]
claim "and says where its other forms are" err_has "RUN KEY [--comment TEXT]; \`reeve approve --help\` has the other forms"
claim "a word too many is exit 2" exits 2 "$reeve" schema x
claim "a usage without words has none" err_has "usage: reeve schema"
claim "a misspelt verb is exit 2" exits 2 "$reeve" rnu
claim "the nearest verb is named" err_has "reeve run"
claim "a misspelt option is exit 2" exits 2 "$reeve" run --fail-fats
claim "the nearest option is named" err_has "--fail-fast"
claim "an error with --json is an object" exits 3 "$reeve" show nothing --json
claim "the object names the status" out_has '"status":"NOT_FOUND"'
claim "an impossible -j is exit 2" exits 2 "$reeve" run -j 0
echo mine >reeve.yaml
claim "init over a file is exit 4" exits 4 "$reeve" init
claim "init does not overwrite" has reeve.yaml mine

fresh permission
"$reeve" init >/dev/null
if [ "$(id -u)" -eq 0 ]; then
    : >not-a-directory
    claim "a store that cannot be made is exit 75" exits 75 "$reeve" run --store not-a-directory/store
else
    mkdir locked && chmod 500 locked
    claim "a store that cannot be made is exit 75" exits 75 "$reeve" run --store locked/store
    chmod 700 locked
fi
claim "the store's path is named" err_has /store

fresh values
printf 'reeve: 1\nname: x\nparams: {who: {type: string}}\nnodes:\n  a: {run: [echo, "${user.who}"]}\n' >v.yaml
claim "a missing parameter is exit 2" exits 2 "$reeve" run v.yaml
claim "the missing parameter is named" err_has who
claim "a parameter is given with --var" exits 0 "$reeve" run v.yaml --var who=Ada
claim "and reaches the command" out_has Ada
claim "--var without a value is exit 2" exits 2 "$reeve" run v.yaml --var who

small() { printf 'reeve: 1\nname: small\nnodes: {a: {set: {k: 1}}}\n' >reeve.yaml; }
asks() { eval "\"\$reeve\" $1"; }

fresh cut
small
"$reeve" run >/dev/null
: >.reeve/reeve.db
for verb in run ls "show latest" "sql 'select 1'" "run --resume" verify; do
    claim "a store whose database was cut to nothing is exit 75 for $verb" exits 75 asks "$verb"
    claim "the file is named for $verb" err_has .reeve/reeve.db
    claim "so is what to do, for $verb" err_has "bring the file back"
done
claim "it is left as it is" [ -e .reeve/reeve.db -a ! -s .reeve/reeve.db ]
rm .reeve/reeve.db
claim "without it a new run begins anew" exits 0 "$reeve" run
mkdir new && : >new/reeve.db
claim "a store that was never used may begin with an empty file" exits 0 "$reeve" run --store new

fresh dangling
small
"$reeve" run >/dev/null
mkdir disk && mv .reeve/reeve.db disk/ && ln -s ../disk/reeve.db .reeve/reeve.db && mv disk away
claim "a store whose database is a link that leads nowhere is exit 75" exits 75 "$reeve" run
claim "it says where it leads, and what to do" err_has "is a link to ../disk/reeve.db, where there is nothing; bring that back"
claim "the link is left as it is" [ -L .reeve/reeve.db -a ! -e .reeve/reeve.db ]
claim "where it only reads there is no store" exits 3 "$reeve" ls
mv away disk
claim "with what it leads to nothing is lost" exits 0 "$reeve" sql "select count(*) from run"
claim "the run is there" out_has 1
claim "and a run goes there" exits 0 "$reeve" run
claim "through the link" [ -L .reeve/reeve.db -a -s disk/reeve.db ]

fresh compiled
{ echo 'reeve: 1'; echo 'nodes:'; i=0; while [ $i -lt 3000 ]; do echo "  n$i: {run: [echo, node, $i]}"; i=$((i + 1)); done; } >large.yaml
mkdir .reeve && : >.reeve/compiled
claim "a compiled form that cannot be kept is no error" exits 0 "$reeve" run large.yaml --dry-run
claim "but it is said" err_has "the compiled form of"
rm .reeve/compiled
claim "where it can be kept it is no error either" exits 0 "$reeve" run large.yaml --dry-run
claim "and nothing is said" [ ! -s err ]

fresh nothing
claim "ls without a store is exit 3" exits 3 "$reeve" ls
small
claim "--resume without a store is exit 3" exits 3 "$reeve" run --resume
finish
