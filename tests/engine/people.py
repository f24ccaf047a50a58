"""What people are asked and what they say: approvals, inputs, waits [K16, K60, P7]."""
import json
import signal

from harness import Wire, argv_to, case, main, need, same, shell, wait_for


def row(flow, key):
    return flow.one(f"select state, decision, by, comment, answer, kind from blocker where key = '{key}'")


VALUES = [12, 'text', '', [1, {'k': 'v'}], {'a': None}, True, None, 'ü ${user.x} "q"', 12345678901234567890]


class Spoken:
    """A live run that asks people for much, and hears them: `opened`, what was shown; `race`, what 20 at once were answered;
    `refused`, what was said of answers that do not fit."""

    def __init__(self, flow):
        soon = {'message': '?', 'deadline': '50ms'}
        nodes = {
            'a': flow.does('put', '@REEVE_OUTPUT', 'title=A "b"'),
            'ok': {'needs': ['a'], 'approve': {'message': 'Publish ${a.title}?', 'show': ['${a.title}', 'plain']}},
            'after': {'needs': ['ok'], 'run': argv_to(flow.path('after'), '${ok.decision}', '${ok.by}', '${ok.comment:-none}')},
            'no': {'approve': {'message': '?'}}, 'go': {'approve': {'message': '?', 'on_reject': 'continue'}},
            'after_go': {'needs': ['go'], 'run': argv_to(flow.path('after_go'), '${go.decision}')},
            'look': {'needs': ['no'], 'dep_policy': 'all_terminal', 'run': argv_to(flow.path('look'), '${no.state}', '${no.error:-none}',
                                                                                  '${no.decision:-none}')},
            'many': {'approve': {'message': 'go?', 'on_reject': 'continue'}},
            **{f'q{i}': {'input': {'question': f'number {i}?'}} for i in range(len(VALUES))},
            'number': {'input': {'question': 'how many?', 'schema': {'type': 'integer', 'minimum': 1, 'maximum': 9}}},
            'late': {'approve': soon}, 'late_q': {'input': {'question': '?', 'deadline': '50ms'}},
            'late_d': {'input': {'question': '?', 'deadline': '50ms', 'default': {'k': [1]}}},
            'got_late': {'needs': ['late_d'], 'run': argv_to(flow.path('late'), '${late_d.value.k.0}')}}
        live = flow.start({'nodes': nodes})
        self.run = live.started()
        asked = [name for name, body in nodes.items() if 'approve' in body or 'input' in body]
        self.opened = {event['key']: event for event in (live.expect('blocker_opened') for _ in asked)}
        flow.call('approve', self.run, 'ok', '--comment', 'fine $(x) ${a.title}')
        flow.call('reject', self.run, 'no', '--comment', 'too early')
        flow.tell('decide', run=self.run, key='go', decision=1)
        self.decide_at_once(flow)
        for i, value in enumerate(VALUES):
            if i == 0 or value in ('', None, *VALUES[-2:]):  # what could be taken for another as a program's argument
                flow.call('answer', self.run, f'q{i}', json.dumps(value))
            else:
                flow.tell('answer', run=self.run, key=f'q{i}', value=value)
        self.answer_wrongly(flow)
        flow.tell('answer', run=self.run, key='number', value=3)
        self.done = live.end(1)
        self.journal = flow.journal(self.run)

    def decide_at_once(self, flow):
        wires = [Wire(flow) for _ in range(20)]
        for i, wire in enumerate(wires):
            wire.send({'v': 1, 'op': 'decide', 'run': self.run, 'key': 'many', 'by': f'p{i}', 'decision': i % 2})
        self.race = [wire.line() for wire in wires]
        for wire in wires:
            wire.close()

    def answer_wrongly(self, flow):
        self.refused = [flow.call('answer', self.run, 'number', '"x"', status=2).errors]
        wire = Wire(flow)
        self.refused.append(flow.call('answer', self.run, 'number', 'null', status=2).errors)
        for wrong in (0, 10, 1.5, None):
            said = wire.ask('answer', run=self.run, key='number', value=wrong, by='x')['error']
            same(said['status'], 'INVALID', f'an answer {wrong}')
            self.refused.append(said['text'])
        wire.close()
        self.state_then = flow.one("select state from blocker where key = 'number'")

    def of_journal(self, type_, node):
        return [event for event in self.journal if event['type'] == type_ and event.get('node') == node]


@case('an approval answered while the run is live goes on, and its result says who and why [K16]', of=Spoken)
def approve(flow, spoken):
    same(spoken.opened['ok']['payload'], {'message': 'Publish A "b"?', 'show': ['A "b"', 'plain']}, 'what is shown')
    decision, by, comment = flow.read('after').decode().split('\0')[:-1]
    same((decision, comment), ('approved', 'fine $(x) ${a.title}'), 'the result')
    need(by, 'nobody is named')
    got = row(flow, 'ok')
    same((got[0], got[1], got[2], got[3]), ('resolved', 'approved', by, comment), 'the row')


@case('of many decisions at once exactly one wins [P7]', of=Spoken)
def race(flow, spoken):
    same(sum('ok' in answer for answer in spoken.race), 1, 'winners')
    same({answer['error']['status'] for answer in spoken.race if 'error' in answer}, {'CONFLICT'}, 'the others')
    winner = next(i for i, answer in enumerate(spoken.race) if 'ok' in answer)
    same(row(flow, 'many')[2], f'p{winner}', 'who decided')
    same(len(spoken.of_journal('decided', 'many')), 1, 'decisions')


@case('a rejection fails the node with its comment, or with on_reject: continue is a result [K16]', of=Spoken)
def reject(flow, spoken):
    no = spoken.done.node('no')
    same((no['state'], no['detail']), ('failed', 'rejected'), 'no')
    same(row(flow, 'no')[3], 'too early', 'the comment')
    same(flow.read('after_go'), b'rejected\0', 'the result')
    same(flow.read('look').split(b'\0')[0], b'failed', 'the state')


@case('an input takes JSON of any kind, as it is [K16]', of=Spoken)
def inputs(flow, spoken):
    got = {name: json.loads(result)['value'] for name, result in flow.ask("select id, result from node where id like 'q%'")}
    same(got, {f'q{i}': value for i, value in enumerate(VALUES)}, 'values')


@case('an answer that its schema refuses changes nothing, and says why; the right one is taken [K16]', of=Spoken)
def input_schema(flow, spoken):
    for said in spoken.refused:
        need('does not fit' in said, said)
    same(spoken.state_then, 'open', 'the blocker, after six of them')
    same(len(spoken.of_journal('answer', 'number')), 1, 'answers in the journal')


@case('a deadline fails an approval and an input, or gives the input its default; the question is called off [K16]', of=Spoken)
def deadlines(flow, spoken):
    done = spoken.done
    same([done.node(name)['detail'] for name in ('late', 'late_q')], ['deadline', 'deadline'], 'details')
    same(done.node('late_d')['state'], 'succeeded', 'the one with a default')
    same(flow.read('late'), b'1\0', 'the default')
    same({state for state, in flow.ask("select state from blocker where key in ('late', 'late_q')")}, {'superseded'}, 'blockers')


@case('a decision in the journal carries the digest of what was shown, also after a resume [P7]')
def digest(flow):
    workflow = {'nodes': {'ok': {'approve': {'message': 'go?', 'show': ['x']}}, 'two': {'approve': {'message': 'two?'}}}}
    live = flow.start(workflow)
    run = live.started()
    shown = {e['key']: e['digest'] for e in (live.expect('blocker_opened'), live.expect('blocker_opened'))}
    same(shown, dict(flow.ask('select key, digest from blocker')), 'digests')
    flow.tell('decide', run=run, key='ok', decision=0)
    live.process.send_signal(signal.SIGINT)
    live.end(128 + signal.SIGINT)
    live = flow.start(workflow, '--resume', run)
    same(live.expect('blocker_opened', key='two')['digest'], shown['two'], 'what is shown again')
    flow.tell('decide', run=run, key='two', decision=0)
    live.end(0)
    same({e['node']: e['text'] for e in flow.journal(run, 'decided')}, {'ok': shown['ok'], 'two': shown['two']}, 'the decided digests')


@case('a second decision is a conflict, one on what does not wait too, an unknown name is not found [P7]')
def refusals(flow):
    live = flow.start({'nodes': {'ok': {'approve': {'message': 'go?'}}, 'later': {'needs': ['hold'], 'approve': {'message': 'later?'}},
        'hold': flow.held(), 'in': {'input': {'question': '?'}}}})
    run = live.started()
    live.expect('blocker_opened')
    wire = Wire(flow)
    same(wire.say('answer', run=run, key='ok', value=1, by='x'), 'CONFLICT', 'an answer to an approval')
    same(wire.say('decide', run=run, key='in', decision=0, by='x'), 'CONFLICT', 'an approval of an input')
    same(wire.say('decide', run=run, key='ok', decision=0, by='x'), 'OK', 'an approval')
    same(wire.say('decide', run=run, key='ok', decision=1, by='x'), 'CONFLICT', 'a rejection after it')
    flow.call('approve', run, 'ok', status=4)
    for key, wanted in {'later': 'CONFLICT', 'hold': 'CONFLICT', 'nobody': 'NOT_FOUND', 'in@7': 'CONFLICT', 'in~x': 'NOT_FOUND',
        '': 'NOT_FOUND', 'ok': 'CONFLICT'}.items():
        same(wire.say('decide', run=run, key=key, decision=0, by='x'), wanted, f'a decision on {key!r}')
    same(wire.say('decide', run='no-such-run', key='ok', decision=0, by='x'), 'NOT_FOUND', 'another run')
    same(wire.say('decide', run=run, key='in', decision=9, by='x'), 'INVALID', 'no such decision')
    same(wire.say('answer', run=run, key='in', by='x'), 'INVALID', 'no value')
    flow.call('approve', 'no-such-run', 'ok', status=3)
    same(wire.say('cancel', run=run, by='x'), 'OK', 'a cancel')
    live.end(1)
    flow.call('approve', run, 'ok', status=4)


@case('an answer that comes before the wait begins is kept, checked by the schema, and consumed once [K60]')
def early(flow):
    live = flow.start({'nodes': {'hold': flow.held(), 'q': {'needs': ['hold'], 'input': {'question': '?', 'schema': {'type': 'integer'}}},
        'got': {'needs': ['q'], 'run': argv_to(flow.path('got'), '${q.value}')}}})
    run = live.started()
    held = flow.hub.next()
    wire = Wire(flow)
    for value, wanted in (('no number', 'INVALID'), (5, 'OK'), (6, 'CONFLICT')):
        same(wire.say('answer', run=run, key='q', value=value, by='me'), wanted, f'the answer {value}')
    held.end()
    done = live.end(0)
    same(done.of('blocker_opened'), [], 'blockers')
    same(flow.read('got'), b'5\0', 'the value')


@case('an early answer survives the death of the engine [K60, P1]')
def early_survives(flow):
    workflow = {'nodes': {'hold': flow.held(), 'q': {'needs': ['hold'], 'input': {'question': '?'}}, 'got': {'needs': ['q'],
        'run': argv_to(flow.path('got'), '${q.value}')}}}
    live = flow.start(workflow)
    run = live.started()
    flow.hub.next()
    same(Wire(flow).say('answer', run=run, key='q', value='kept', by='me'), 'OK', 'the answer')
    live.kill_engine()
    live = flow.start(workflow, '--resume', run)
    flow.hub.next().end()
    live.end(0)
    same(flow.read('got'), b'kept\0', 'the value')


@case('with --no-wait the run ends with 76; people answer when nobody drives it, and resume goes on [K60]')
def undriven(flow):
    workflow = {'nodes': {'ok': {'approve': {'message': '?'}}, 'q': {'input': {'question': '?', 'schema': {'type': 'integer'}}},
        'r': {'needs': ['ok'], 'reduce': {'reducer': 'count', 'of': ['ok']}},
                          's': {'needs': ['q'], 'set': {'v': '${q.value} == 7'}}, 'after': {'needs': ['r', 's'],
                          'run': argv_to(flow.path('got'), '${ok.decision}', '${q.value}', '${r.value}', '${s.v}')}}}
    run = flow.run(workflow, '--no-wait', status=76).run
    flow.call('answer', run, 'q', '"x"', status=2)
    flow.call('approve', run, 'ok')
    flow.call('approve', run, 'ok', status=4)
    flow.call('answer', run, 'q', '7')
    flow.call('answer', run, 'q', '8', status=4)
    flow.run(workflow, '--resume', run)
    same(flow.read('got'), b'approved\x007\x001\x00true\0', 'values')


@case('--no-wait waits for an input that has a deadline and a default: it goes on by itself [W32]')
def no_wait_default(flow):
    soon = {'input': {'question': '?', 'deadline': '50ms', 'default': 'yes'}}
    done = flow.run({'nodes': {'d': soon, 'got': {'needs': ['d'], 'run': argv_to(flow.path('got'), '${d.value}')}}}, '--no-wait')
    same(flow.read('got'), b'yes\0', 'the default')
    same(done.node('got')['state'], 'succeeded', 'what needs it')
    # a person is waited for too: what goes on by itself is done first
    person = {'approve': {'message': '?'}}
    run = flow.run({'nodes': {'d': soon, 'after': flow.does(needs=['d']), 'ok': person}}, '--no-wait', status=76).run
    same(flow.one(f"select state from node where id = 'after' and run = '{run}'"), 'succeeded', 'what needs it')
    # without a default somebody has to answer
    flow.run({'nodes': {'q': {'input': {'question': '?', 'deadline': '1h'}}}}, '--no-wait', status=76)


@case('a decision that ends the graph of an undriven run leaves its handlers to resume')
def undriven_end(flow):
    workflow = {'nodes': {'ok': {'approve': {'message': '?'}}}, 'on': {'success': shell('echo ran >> "$DIR/ran"')}}
    run = flow.run(workflow, '--no-wait', status=76).run
    flow.call('approve', run, 'ok')
    flow.run(workflow, '--resume', run)
    same(flow.read('ran'), b'ran\n', 'the handler')


@case('a deadline goes on over an interrupt: it does not begin anew [K16]')
def deadline_resume(flow):
    workflow = {'nodes': {'q': {'input': {'question': '?', 'deadline': '1s', 'default': 1}}}}
    live = flow.start(workflow)
    run = live.started()
    live.expect('blocker_opened')
    live.process.send_signal(signal.SIGINT)
    live.end(128 + signal.SIGINT)
    due = flow.one('select deadline_ms from blocker')
    live = flow.start(workflow, '--resume', run)
    still_due = live.expect('blocker_opened')['deadline_ms']
    live.end(0)
    need(abs(still_due - due) <= 10, f'due {still_due - due} ms later than before')  # two clocks, each rounded
    ended = flow.one('select ended_ms from node')
    need(ended >= due - 10, f'ended {due - ended} ms before it was due')


@case('wait pauses without a slot, also until a time that has passed [K16]')
def wait(flow):
    live = flow.start({'nodes': {'long': {'wait': {'for': '1h'}}, 'a': {'wait': {'for': '120ms'}}, 'b': flow.held(),
                                 'c': {'wait': {'until': '2001-01-01T00:00:00Z'}}, 'd': flow.does(needs=['a', 'c'])}}, '-j', '1')
    run = live.started()
    held = flow.hub.next()  # beside `long`, which is ready before it
    live.expect('node_ended', node='a')  # beside `b`, which has the only slot
    held.end()
    live.expect('node_ended', node='d')
    flow.tell('cancel', run=run)
    same(live.end(1).node('c')['state'], 'succeeded', 'the one whose time has passed')
    started = flow.one("select (select started_ms from node where id = 'd') - (select created_ms from run)")
    need(started >= 118, f'd began after {started} ms')


@case('what is open is shown again after a resume, with the same key and the same text [P7]')
def reopened(flow):
    workflow = {'nodes': {'a': {'run': ['date', '+%s%N']}, 'ok': {'needs': ['a'], 'approve': {'message': 'at ${a.stdout}?'}}}}
    live = flow.start(workflow)
    run = live.started()
    first = live.expect('blocker_opened')
    live.kill_engine()
    live = flow.start(workflow, '--resume', run)
    again = live.expect('blocker_opened')
    same([again[k] for k in ('key', 'payload', 'digest')], [first[k] for k in ('key', 'payload', 'digest')], 'what is shown')
    flow.tell('decide', run=run, key=again['key'], decision=0)
    live.end(0)


@case('whoever is asked when a revision may not go on says yes or no by the key that is shown [K17]')
def revised_at_max(flow):
    review = flow.does('put', '@REEVE_OUTPUT', '{"ok":false}', needs=['draft'],
                       revise={'target': 'draft', 'when': '${review.ok} == false', 'max': 2, 'at_max': 'ask'})
    workflow = {'nodes': {'draft': flow.does(), 'review': review, 'after': {'needs': ['review'], 'set': {'x': '1'}}}}
    live = flow.start(workflow)
    run = live.started()
    flow.call('approve', run, live.expect('blocker_opened')['key'])
    live.end(0)
    same(flow.one(f"select state from node where id = 'after' and run = '{run}'"), 'succeeded', 'what needs it')
    run = flow.run(workflow, '--no-wait', status=76).run
    key = flow.one(f"select key from blocker where run = '{run}'")
    flow.call('reject', run, key)
    flow.call('reject', run, key, status=4)
    flow.run(workflow, '--resume', run, status=1)
    same(flow.one(f"select state from node where id = 'after' and run = '{run}'"), 'skipped', 'what needs it')


@case('the second question of a node is ID@2, and never the one of its second revision, ID~2 [K1, K60]')
def question_keys(flow):
    nodes = {'pay': {**flow.held(), 'delivery': 'at_most_once'},
             'draft': flow.does(), 'check': {'approve': {'message': 'good?', 'on_reject': 'continue'}, 'needs': ['draft'],
                                               'revise': {'target': 'draft', 'when': '${check.decision} == "rejected"'}}}
    live = flow.start({'nodes': nodes})
    run = live.started()
    flow.hub.next()
    for key in ('pay', 'pay@2'):
        live.process.send_signal(signal.SIGINT)
        live.end(128 + signal.SIGINT)
        stopped = flow.run({'nodes': nodes}, '--resume', run, '--no-wait', status=76)
        need(key in [b['key'] for b in stopped.of('blocker_opened')], f'{key} is asked: {stopped.of("blocker_opened")}')
        flow.call('approve', run, key, '--again')
        live = flow.start({'nodes': nodes}, '--resume', run)
        flow.hub.next().end(0) if key == 'pay@2' else flow.hub.next()
    for decision, key in ((1, 'check'), (1, 'check~1'), (0, 'check~2')):
        wait_for(lambda: flow.ask(f"select key from blocker where key = '{key}' and state = 'open'"), f'{key} is asked')
        flow.tell('decide', 'NOT_FOUND', run=run, key='check~3', decision=0)
        flow.tell('decide', run=run, key=key, decision=decision)
    live.end(0)
    same(flow.ask('select key, node from blocker order by key'), [('check', 'check'), ('check~1', 'check~1'), ('check~2', 'check~2'),
                                                                  ('pay', 'pay'), ('pay@2', 'pay')], 'questions')


@case('a result that people are asked about is not followed by another attempt, and nobody says so [K17]')
def no_attempt_follows(flow):
    nodes = {'a': flow.does('put', '@REEVE_OUTPUT', 'ok=false'), 'b': flow.does('put', '@REEVE_OUTPUT', 'ok=no', needs=['a'], revise={
        'target': 'a', 'when': '${b.ok} == "no"', 'max': 1, 'at_max': 'ask'})}
    done = flow.run({'nodes': nodes}, '--no-wait', status=76)
    same([e['will_retry'] for e in done.of('attempt_ended')], [False] * 4, 'in JSON')
    said = flow.call('run', flow.path('flow.json'), '--no-wait', status=76)
    need('b~1' in said.text and 'follows' not in said.text, said.text)


if __name__ == '__main__':
    main(one_store=True)
