#!/bin/sh
# Every verb explains itself, and every example of its help works as it stands there, and stands in docs/cli.md ($2).
manual=$(cd "$(dirname "$2")" && pwd)/$(basename "$2")
. "$(dirname "$0")/lib.sh"
PATH=$(dirname "$reeve"):$PATH
export PATH

"$reeve" help --json >table.json || exit 1
python3 - table.json >list <<'END'
import json, sys
for verb in json.load(open(sys.argv[1]))["verbs"]:
    assert verb["summary"] and verb["exit"], verb["name"]
    print(verb["name"], "", sep="\t")
    for example in verb["examples"]:
        print(verb["name"], example["command"], sep="\t")
END

# What an example may expect to find: a workflow; for some verbs a run of it, or one that waits for somebody.
prepare() {
    "$reeve" init >/dev/null || return 1
    case $1 in
    ls | show | why | logs | events | verify | sql | cache | shell) "$reeve" run --output quiet >/dev/null ;;
    approve | reject | cancel)
        printf 'reeve: 1\nname: release\nbudget: {usd: 1}\nnodes:\n  review: {approve: {message: "Publish?"}}\n' >release.yaml
        "$reeve" run release.yaml --no-wait >/dev/null
        [ $? -eq 76 ]
        ;;
    signal)
        printf 'reeve: 1\nname: wait\nnodes:\n  w: {wait: {event: deployed}}\n' >wait.yaml
        "$reeve" run wait.yaml --no-wait >/dev/null
        [ $? -eq 76 ]
        ;;
    steer)
        printf 'reeve: 1\nname: post\nnodes:\n  ok: {approve: {message: "Go?"}}\n  draft: {run: [echo, draft], needs: [ok]}\n' >post.yaml
        "$reeve" run post.yaml --no-wait >/dev/null
        [ $? -eq 76 ]
        ;;
    submit) # its examples are of a node that runs
        printf 'nodes:\n  more: {run: [echo, more]}\n' >more.yaml
        printf '#!/bin/sh\ncat more.yaml\n' >plan
        chmod +x plan
        PATH=.:$PATH
        ;;
    kernel)
        {
            printf '{"v":1,"now":{"wall_ms":1,"engine_ms":1},'
            printf '"event":{"type":"load","run":"r","workflow":{"nodes":{"a":{"run":["true"]}}}}}\n'
        } >events.jsonl
        ;;
    import)
        printf 'app: app.in\n\tcp app.in app\nclean:\n\trm -f app\n' >Makefile
        echo 1 >app.in
        echo '0 4 * * * echo job' >crontab
        printf '{"scripts": {"build": "echo build", "test": "npm run build && echo test"}}\n' >package.json
        ;;
    answer)
        printf 'reeve: 1\nname: ask\nnodes:\n  size: {input: {question: "How many?", schema: {type: integer}}}\n' >ask.yaml
        "$reeve" run ask.yaml --no-wait >/dev/null
        [ $? -eq 76 ]
        ;;
    esac
}

number=0
while IFS="$(printf '\t')" read -r verb command; do
    number=$((number + 1))
    fresh "e$number"
    if [ -z "$command" ]; then
        claim "$verb --help explains it" exits 0 "$reeve" "$verb" --help
        claim "$verb --help names its usage" out_has "reeve $verb"
    else
        prepare "$verb" || echo "# preparing for $verb failed"
        if [ "$verb" = submit ]; then
            printf 'reeve: 1\nname: grow\nnodes:\n  giver: {shell: "%s"}\n' "$command" >grow.yaml
            claim "example: $command" exits 0 "$reeve" run grow.yaml
        else
            claim "example: $command" exits 0 sh -c "$command"
        fi
        claim "the manual has it: $command" grep -qF -- "\`$command\`" "$manual"
    fi
done <"$work/list"
finish
