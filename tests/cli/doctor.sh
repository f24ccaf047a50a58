#!/bin/sh
# doctor says what this machine has, and never that a promise holds which nothing here keeps.
. "$(dirname "$0")/lib.sh"

# cgroup_is WORD TEXT: what the finding about groups says, as JSON; `means` is there when it is weak, and names the promise
cgroup_is() {
    python3 - "$1" "$2" <<'END'
import json, sys
finding = next(f for f in json.load(open('out'))['findings'] if f['name'] == 'cgroup v2')
has_exception = 'P8' in finding.get('means', '')
is_right = finding['word'] == sys.argv[1] and sys.argv[2] in finding['value'] and has_exception == (sys.argv[1] == 'weak')
sys.exit(0 if is_right else str(finding))
END
}

# can_make_groups: below the group of this shell, in the hierarchy at $1
can_make_groups() {
    own=$1$(sed -n 's/^0:://p' /proc/self/cgroup)
    [ -w "$own/cgroup.procs" ] && mkdir "$own/doctor-test-$$" 2>/dev/null || return 1
    [ -e "$own/doctor-test-$$/cgroup.kill" ]
    found=$?
    rmdir "$own/doctor-test-$$"
    return $found
}

fresh doctor
claim "doctor ends well on a machine that the tests run on" exits 0 "$reeve" doctor --json
mounted=$(awk '{ for (i = 7; i < NF; i++) if ($i == "-" && $(i + 1) == "cgroup2") { print $5; exit } }' /proc/self/mountinfo)
case $mounted in
/sys/fs/cgroup | /sys/fs/cgroup/unified)
    if can_make_groups "$mounted"; then
        claim "doctor finds that attempts get groups of their own" cgroup_is good "$mounted"
    else
        claim "doctor finds that no groups can be made, and says what P8 lacks" cgroup_is weak group
    fi
    ;;
*) claim "doctor finds no unified hierarchy, and says what P8 lacks" cgroup_is weak "no unified hierarchy" ;;
esac
export REEVE_CGROUPS=off
claim "doctor looks again without groups" exits 0 "$reeve" doctor --json
claim "doctor says that they are off, and what P8 lacks" cgroup_is weak "REEVE_CGROUPS=off"
claim "doctor explains it to people" exits 0 "$reeve" doctor
claim "doctor names the exception of P8" out_has "P8 has an exception"
finish
