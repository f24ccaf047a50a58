#!/bin/sh
# each: a list becomes a run; items are data; it goes on where it stopped.
. "$(dirname "$0")/lib.sh"
eq() { [ "$1" = "$2" ] || { echo "# '$1' is not '$2'"; return 1; }; }

printf '%s\n' a 'b c' '$HOME' '${user.x}' "it's" '{}' >list
printf '%s\n' '[a]' '[b c]' '[$HOME]' '[${user.x}]' "[it's]" '[{}]' | sort >wanted
each() { "$reeve" each "$@" <list >out 2>err; }
claim "each item runs once" each -j2 -- sh -c 'printf "[%s]\n" "$1" >>got' x {}
claim "an item is data, whatever is in it" sh -c 'sort got | cmp - wanted'
claim "without {} the item is the last argument" sh -c "printf 'one\n' | '$reeve' each echo last >out && grep -q 'last one' out"
null() { printf 'a\nb\0c\0' | "$reeve" each -0 -- sh -c 'printf "%s" "$1" | wc -l' x {} >out 2>err && grep -q '2 succeeded' out; }
claim "-0 reads items that have newlines" null
claim "an empty list is exit 2" exits 2 "$reeve" each echo
claim "no command is exit 2" exits 2 "$reeve" each

fresh again
printf '%s\n' 1 2 3 4 5 6 >list
job='echo $1 >>ledger; [ $1 -ne 4 ] || [ -e fixed ]'
fails() { each -- sh -c "$job" x {}; [ $? -eq 1 ]; }
claim "a failure is exit 1" fails
claim "others ran all the same" eq "$(sort ledger | tr -d '\n')" 123456
touch fixed
claim "--resume goes on" each --resume -- sh -c "$job" x {}
claim "only what failed ran again" eq "$(sort ledger | tr -d '\n')" 1234456
finish
