# lib.sh: what the script tests of the program share. Usage: . lib.sh; each test prints `ok` or `not ok` with its claim.
# $1 is the program. Every script works in a directory of its own, removed at the end.
set -u
reeve=$1
case $reeve in /*) ;; *) reeve=$PWD/$reeve ;; esac
export LANG=C.UTF-8 NO_COLOR=1
unset REEVE_STORE LC_ALL LC_CTYPE
work=$(mktemp -d "${TMPDIR:-/tmp}/reeve-cli-XXXXXX")
trap 'cd /; rm -rf "$work"' EXIT
cd "$work" || exit 1
failures=0

# claim TEXT COMMAND…: the command must succeed
claim() {
    text=$1
    shift
    if "$@"; then
        printf 'ok %s\n' "$text"
    else
        printf 'not ok %s\n' "$text"
        failures=$((failures + 1))
    fi
}

# exits STATUS COMMAND…: run it, keep its output in out and err, compare its exit status
exits() {
    wanted=$1
    shift
    "$@" >out 2>err </dev/null
    got=$?
    [ "$got" -eq "$wanted" ] && return 0
    echo "# exit status $got instead of $wanted: $*"
    sed 's/^/# out: /' out | head -20
    sed 's/^/# err: /' err | head -20
    return 1
}

# has FILE TEXT: a line of it has the text; without a process
has() {
    while IFS= read -r line || [ "$line" ]; do
        case $line in *"$2"*) return 0 ;; esac
    done <"$1"
    return 1
}

out_has() { has out "$1" || { echo "# out lacks: $1"; sed 's/^/# out: /' out | head -20; return 1; }; }
err_has() { has err "$1" || { echo "# err lacks: $1"; sed 's/^/# err: /' err | head -20; return 1; }; }

# fresh NAME: an empty directory to stand in
fresh() { mkdir "$work/$1" && cd "$work/$1" || exit 1; }

# until_true SECONDS COMMAND…: wait for what will happen, looking often; false when it does not
until_true() {
    tries=$(($1 * 20))
    shift
    while [ "$tries" -gt 0 ]; do
        "$@" && return 0
        sleep 0.05
        tries=$((tries - 1))
    done
    return 1
}

finish() {
    [ "$failures" -eq 0 ] || { echo "# $failures failed"; exit 1; }
    exit 0
}
