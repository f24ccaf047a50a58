#!/bin/sh
# Approvals and answers: without a terminal, from a second one, and with --no-wait across processes [W32].
. "$(dirname "$0")/lib.sh"

cat >flow.yaml <<'END'
reeve: 1
name: flow
nodes:
  draft: {shell: "echo once >>ledger; echo draft"}
  review: {approve: {message: "Publish it?", show: ["${draft.stdout}"]}, needs: [draft]}
  publish: {run: [sh, -c, "echo published >>ledger"], needs: [review]}
END
lines() { [ "$(grep -c "$1" ledger)" -eq "$2" ]; }

claim "--no-wait ends with 76 when people are waited for" exits 76 "$reeve" run flow.yaml --no-wait
claim "and says how to answer" out_has "reeve approve"
claim "ls calls it waiting" sh -c "'$reeve' ls | grep -q waiting"
claim "what nobody asked is exit 3" exits 3 "$reeve" approve latest nothing
claim "the error names what waits" err_has review
claim "approve works when nothing runs" exits 0 "$reeve" approve latest review --comment "good"
claim "it cannot be decided twice" exits 4 "$reeve" reject latest review
claim "--resume goes on to the end" exits 0 "$reeve" run flow.yaml --resume
claim "what was done is not done again" lines once 1
claim "what waited was done" lines published 1
sum='select pow(2, 10) + sqrt(16) + ln(1) + atan2(0, 1)'
claim "SQL has the functions of mathematics" sh -c "'$reeve' sql '$sum' --csv | grep -q '^1028'"
claim "the decision is kept" sh -c "'$reeve' sql \"select decision || ' ' || comment from blocker\" --csv | grep -q 'good'"
claim "a second --resume has nothing to do and exits as the run did" exits 0 "$reeve" run flow.yaml --resume
claim "and says so" err_has "nothing to resume"
claim "verify finds the record sound" exits 0 "$reeve" verify latest

rm -f ledger
"$reeve" run flow.yaml >out1 2>&1 &
pid=$!
claim "without a terminal the run says how to answer and waits" until_true 20 grep -q "reeve approve" out1
claim "a second run of the store is exit 4" exits 4 "$reeve" run flow.yaml
claim "it says who owns it" err_has "$(basename "$reeve")"
claim "a rejection from a second terminal is taken" exits 0 "$reeve" reject latest review --comment no
wait "$pid"
claim "a rejection fails the run" [ $? -eq 1 ]
claim "and nothing was published" sh -c '! grep -q published ledger'

cat >ask.yaml <<'END'
reeve: 1
name: ask
nodes:
  size: {input: {question: "How many?", schema: {type: integer}}}
END
claim "an input is waited for" exits 76 "$reeve" run ask.yaml --no-wait
claim "an answer that does not fit is exit 2" exits 2 "$reeve" answer latest size many
claim "approve is not for inputs" exits 2 "$reeve" approve latest size
claim "an answer that fits is taken" exits 0 "$reeve" answer latest size 12
claim "and the run goes on" exits 0 "$reeve" run ask.yaml --resume
claim "cancel ends a run for good" sh -c "'$reeve' run ask.yaml --no-wait >/dev/null; '$reeve' cancel latest >/dev/null"
claim "a cancelled run cannot be resumed" exits 4 "$reeve" run --resume latest

cat >kept.yaml <<'END'
reeve: 1
name: kept
params: {x: {type: string, default: one}, count: {type: integer, default: 1}, token: {type: string, secret: true}}
nodes:
  a: {run: [echo, "${user.x}"]}
  size: {input: {question: "How many?", schema: {type: integer}}, needs: [a]}
END
claim "a run with parameters waits" exits 76 "$reeve" run kept.yaml --no-wait --var token=t
claim "the hint to go on asks for the secret ones again" out_has "--var token="
id=$("$reeve" sql "select id from run order by created_ms desc limit 1" --csv | tail -n 1 | tr -d '\r')
claim "--resume with a parameter that is none is exit 2" exits 2 "$reeve" run --resume "$id" --no-wait --var token=t --var nope=1
claim "and names it" err_has nope
claim "--resume with another value is exit 2" exits 2 "$reeve" run --resume "$id" --no-wait --var token=t --var x=two
claim "and says that the run keeps its values, and what makes new ones" err_has "--edit"
claim "--resume with the same values goes on" exits 76 "$reeve" run --resume "$id" --no-wait --var token=t --var x=one --var count=1
claim "--edit makes a child with new values" exits 76 "$reeve" run --resume "$id" --edit --no-wait --var token=t --var x=two

cat >early.yaml <<'END'
reeve: 1
name: early
params: {token: {type: string, secret: true}}
nodes:
  gate: {approve: {message: "Begin?"}}
  size: {input: {question: "How many?", schema: {type: integer}}, needs: [gate]}
END
claim "a question that has not opened" exits 76 "$reeve" run early.yaml --no-wait --var token=t
claim "cannot be answered with what does not fit" exits 2 "$reeve" answer latest size many
claim "is answered all the same" exits 0 "$reeve" answer latest size 12
claim "the hint to go on asks for the secret parameter" out_has "--var token="
claim "a node that is no input takes no answer" exits 2 "$reeve" answer latest gate 12
claim "what is no node is not found" exits 3 "$reeve" answer latest nothing 12
claim "once the way is free" exits 0 "$reeve" approve latest gate
claim "the answer is there already" exits 0 "$reeve" run early.yaml --resume --no-wait --var token=t
finish
