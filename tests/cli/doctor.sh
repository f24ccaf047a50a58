#!/bin/sh
# doctor says what this machine has, and never that a promise holds which nothing here keeps.
. "$(dirname "$0")/lib.sh"

# cgroup_is WORD: what the finding about groups says, as JSON
cgroup_is() {
    python3 - "$1" <<'END'
import json, sys
finding = next(f for f in json.load(open('out'))['findings'] if f['name'] == 'cgroup v2')
is_right = sys.argv[1] in finding['value'] and finding['word'] == 'weak' and 'P8' in finding['means']
sys.exit(0 if is_right else str(finding))
END
}

fresh doctor
claim "doctor ends well on a machine that the tests run on" exits 0 "$reeve" doctor --json
mounted=$(awk '{ for (i = 7; i < NF; i++) if ($i == "-" && $(i + 1) == "cgroup2") { print $5; exit } }' /proc/self/mountinfo)
case $mounted in
/sys/fs/cgroup | /sys/fs/cgroup/unified)
    claim "doctor finds the groups at $mounted, and claims no more for P8 with them" cgroup_is "$mounted"
    ;;
*) claim "doctor finds no unified hierarchy, and says what P8 lacks" cgroup_is "no unified hierarchy" ;;
esac
claim "doctor explains it to people" exits 0 "$reeve" doctor
claim "doctor names the exception of P8" out_has "P8 has an exception"
finish
