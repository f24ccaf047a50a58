"""Cancel, interrupt and resume, and the handlers that run when a graph has ended [A10, A11, W1, W33]."""
import os
import signal

from harness import case, is_alive, is_long, main, need, same, shell


def ends(done, *names):
    return {name: (done.node(name)['state'], done.node(name)['detail']) for name in names}


def states(flow, node):
    return flow.ask(f"select number, state, detail from attempt where node = '{node}' order by number")


@case('cancel from a second client stops what runs, calls off the rest, and is final [A11]')
def cancel(flow):
    live = flow.start({'nodes': {'a': flow.held(), 'ready': flow.does(), 'after': flow.does(needs=['a']), 'soft': flow.does(after=['a']),
                                 'parked': {'approve': {'message': '?'}}}}, '-j', '1')
    run = live.started()
    a = flow.hub.next()
    flow.call('cancel', run)
    a.wait_gone()
    done = live.end(1)
    same(ends(done, 'a', 'ready', 'after', 'soft', 'parked'),
         {'a': ('cancelled', 'signalled'), 'ready': ('cancelled', 'run'), 'after': ('cancelled', 'upstream_cancelled'),
         'soft': ('cancelled', 'run'), 'parked': ('cancelled', 'run')}, 'ends')
    need(not is_alive(a.pid), 'its process lives')
    same(flow.one('select status, exit_status from run'), ('cancelled', 1), 'the run')
    same(states(flow, 'a'), [(1, 'cancelled', 'signalled')], 'attempts')
    flow.call('cancel', run, status=4)
    flow.run(None, '--resume', run, status=(1, 4))


@case('a cancelled run is cancelled for its person, and says by whom in the journal [A11]')
def cancel_by(flow):
    live = flow.start({'nodes': {'parked': {'approve': {'message': '?'}}}})
    run = live.started()
    live.expect('blocker_opened')
    flow.call('cancel', run)
    live.end(1)
    need(flow.journal(run, 'cancel')[0].get('text'), 'nobody is named')
    same(flow.one('select state from blocker'), 'superseded', 'the blocker')


@case('a run that nobody drives can be cancelled too, and is over then [A11]')
def cancel_undriven(flow):
    live = flow.start({'nodes': {'parked': {'approve': {'message': '?'}}, 'after': shell('true', needs=['parked'])},
        'on': {'cancel': shell('echo ran > "$DIR/ran"')}}, '--no-wait')
    run = live.end(76).run
    flow.call('cancel', run)
    same(flow.one('select status from run'), 'cancelled', 'the run')
    same(flow.ask('select id, state from node where id in (\'parked\', \'after\') order by id'), [('after', 'cancelled'), ('parked',
        'cancelled')], 'nodes')
    flow.call('cancel', run, status=4)


@case('TERM first, then KILL: a command that ignores TERM is gone after the grace, and so is what it left [A10]')
def stubborn(flow):
    live = flow.start({'nodes': {'a': {'run': [flow.held()['run'][0], 'stubborn']}}})
    run = live.started()
    a = flow.hub.next()
    flow.tell('cancel', run=run)
    a.wait_gone()
    live.end(1)
    same(flow.one('select signal from attempt'), signal.SIGKILL, 'the signal')


@case('INT, TERM and HUP interrupt: attempts are cancelled(signalled), nodes go back, 128+N; resume goes on [W33]')
def interrupt(flow):
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        workflow = {'name': f's{number}', 'nodes': {'a': flow.held(), 'b': flow.does(needs=['a']),
                                                    'done': {'run': [flow.node_program, 'note', flow.path('once')]}}}
        live = flow.start(workflow)
        run = live.started()
        a = flow.hub.next()
        live.expect('node_ended', node='done')
        live.process.send_signal(number)
        a.wait_gone()
        done = live.end(128 + number)
        same(done.of('run_ended')[0]['status'], 'interrupted', 'said')
        same(flow.one(f"select status, exit_status from run where id = '{run}'"), ('interrupted', -1), 'the run')
        need(flow.one(f"select state from node where run = '{run}' and id = 'a'") in ('pending', 'ready'), 'a did not go back')
        if number != signal.SIGHUP and not is_long():
            continue  # runs that INT and TERM stopped are gone on with in the cases below
        live = flow.start(workflow, '--resume', run)
        again = flow.hub.next()
        need(again.epoch > a.epoch, f'epoch {again.epoch} after {a.epoch}')
        again.end()
        done = live.end(0)
        same(flow.ask(f"select state from attempt where run = '{run}' and node = 'a' order by number"), [('cancelled',), ('ok',)],
            'attempts')
    same(flow.read('once'), b'done\n' * 3, 'what was done')


@case('an interrupt counts against nothing: max_attempts of failures are left, and no feedback comes of it [W33, W3a]')
def interrupt_counts_nothing(flow):
    workflow = {'nodes': {'a': flow.held(retry={'max_attempts': 2, 'lost_max': 0})}}
    live = flow.start(workflow)
    run = live.started()
    for _ in range(2):  # as often as it may fail
        a = flow.hub.next()
        live.expect('attempt_started', node='a')
        live.process.send_signal(signal.SIGTERM)
        a.wait_gone()
        live.end(128 + signal.SIGTERM)
        live = flow.start(workflow, '--resume', run)
    flow.hub.next().end(1)
    flow.hub.next().end(1)
    live.end(1)
    same([row[1] for row in states(flow, 'a')], ['cancelled'] * 2 + ['error'] * 2, 'attempts')


@case('an interrupt during a pause between attempts keeps the pause [W33]')
def interrupt_in_pause(flow):
    workflow = {'nodes': {'a': shell('test $REEVE_EPOCH -gt 1', retry={'max_attempts': 2, 'delay': '300ms'})}}
    live = flow.start(workflow)
    run = live.started()
    live.expect('attempt_ended', node='a')
    live.process.send_signal(signal.SIGINT)
    live.end(128 + signal.SIGINT)
    flow.run(workflow, '--resume', run)
    rows = flow.ask('select started_ms, ended_ms from attempt order by number')
    need(rows[1][0] - rows[0][1] >= 298, f'the pause was {rows[1][0] - rows[0][1]} ms')


@case('a second signal ends at once, and the next run goes on [W33]')
def twice(flow):
    workflow = {'nodes': {'a': {'run': [flow.held()['run'][0], 'stubborn']}}}
    live = flow.start(workflow)
    run = live.started()
    a = flow.hub.next()
    live.process.send_signal(signal.SIGINT)
    live.process.send_signal(signal.SIGTERM)
    live.end(128 + signal.SIGTERM)
    need(not is_alive(a.pid), 'the attempt lives')
    live = flow.start(workflow, '--resume', run)
    flow.hub.next().end()
    live.end(0)


# ---- handlers ----

SAY = 'echo "$REEVE_NODE $A" >> "$DIR/handlers"'


def handlers(value):
    return {'on': {what: shell(SAY, env={'A': value}) for what in ('success', 'failure', 'cancel', 'exit')}}


def said(flow):
    return flow.read('handlers').decode().split('\n')[:-1]


@case('on success, failure and cancel their handler runs once, then exit; they read every node [W1, W1a]')
def each_handler(flow):
    value = '${a.state} ${a.stdout:-nothing} ${b.state}'
    flow.run({'name': 'good', 'nodes': {'a': flow.does('say', 'out\n'), 'b': flow.does(needs=['a'])}, **handlers(value)})
    same(said(flow), ['on.success succeeded out succeeded', 'on.exit succeeded out succeeded'], 'on success')
    flow.write('handlers', '')
    flow.run({'name': 'bad', 'nodes': {'a': flow.does('say', 'why\n', 'exit', 1), 'b': flow.does(needs=['a'])}, **handlers(value)},
             status=1)
    same(said(flow), ['on.failure failed why skipped', 'on.exit failed why skipped'], 'on failure')
    flow.write('handlers', '')
    live = flow.start({'name': 'called', 'nodes': {'a': flow.held(), 'b': shell('true', needs=['a'])}, **handlers('${a.state} ${b.state}')})
    run = live.started()
    flow.hub.next()
    flow.tell('cancel', run=run)
    live.end(1)
    same(said(flow), ['on.cancel cancelled cancelled', 'on.exit cancelled cancelled'], 'on cancel')


@case("a handler's failure gives exit status 1; its retry and its environment are a node's [W1]")
def failing_handler(flow):
    done = flow.run({'env': {'F': 'file'}, 'nodes': {'a': flow.does()},
        'on': {'success': shell('echo "$F" >> "$DIR/f"; exit 3', retry={'max_attempts': 2}), 'exit': shell('echo exit >> "$DIR/f"')}},
        status=1)
    same(flow.read('f'), b'file\nfile\nexit\n', 'what ran')
    same(done.node('on.success')['detail'], 'exit', 'the handler')
    same(flow.one('select status, nodes_failed from run'), ('error', 0), 'the run')


@case('an interrupted handler runs again on resume, and the graph does not [W33]')
def interrupted_handler(flow):
    workflow = {'nodes': {'a': flow.note()}, 'on': {'success': flow.held()}}
    live = flow.start(workflow)
    run = live.started()
    held = flow.hub.next()
    live.process.send_signal(signal.SIGINT)
    held.wait_gone()
    live.end(128 + signal.SIGINT)
    live = flow.start(workflow, '--resume', run)
    flow.hub.next().end()
    live.end(0)
    same(flow.read('ledger'), b'a\n', 'the graph')


@case('cancel while a handler runs stops it, and the run is cancelled')
def cancel_in_handler(flow):
    live = flow.start({'nodes': {'a': flow.does()}, 'on': {'success': flow.held(), 'exit': flow.note()}})
    run = live.started()
    held = flow.hub.next()
    flow.tell('cancel', run=run)
    held.wait_gone()
    live.end(1)
    need(flow.one('select status from run') in ('cancelled', 'error'), 'the run goes on')


def ending_for_good(flow, timeout, node, **handlers):
    """A run that is being cancelled, or whose timeout has passed, while `node` runs."""
    outcome = 'failure' if timeout else 'cancel'
    workflow = {'nodes': {'a': node}, 'on': {outcome: handlers['first'], 'exit': handlers['last']}}
    live = flow.start({**workflow, 'timeout': '2s'} if timeout else workflow)  # long enough for `a` to begin on a busy machine
    run = live.started()
    held = flow.hub.next()
    if not timeout:
        flow.tell('cancel', run=run)
    return live, held, 'on.' + outcome


@case('a signal while a run is cancelled or past its timeout ends it: no handler begins any more [W33]')
def signal_in_ending(flow):
    for timeout in (False, True):
        stubborn = {'run': [flow.held()['run'][0], 'stubborn']}
        ran = {'first': shell('echo first >> "$DIR/ran"'), 'last': shell('echo last >> "$DIR/ran"')}
        live, held, handler = ending_for_good(flow, timeout, stubborn, **ran)
        journal = flow.follow(live.events[0]['run'])
        journal.expect('phase')  # the timeout, or the cancel
        live.process.send_signal(signal.SIGINT)
        journal.expect('interrupt')
        held.end()
        done = live.end(128 + signal.SIGINT)
        same(ends(done, handler, 'on.exit'), {handler: ('cancelled', 'signalled'), 'on.exit': ('cancelled', 'signalled')}, 'handlers')
        same(flow.one(f"select status from run where id = '{done.run}'"), 'timeout' if timeout else 'cancelled', 'the run')
        need(not os.path.exists(flow.path('ran')), 'a handler ran')


@case('a signal while a handler of such a run runs stops it, and the exit handler does not begin [W33]')
def signal_in_handler(flow):
    for timeout in (False, True):
        live, held, handler = ending_for_good(flow, timeout, flow.held(), first=flow.held(retry={'max_attempts': 5}),
                                              last=shell('echo last >> "$DIR/ran"'))
        held.wait_gone()
        second = flow.hub.next()
        same(second.node, handler, 'what runs')
        live.process.send_signal(signal.SIGINT)
        second.wait_gone()
        done = live.end(128 + signal.SIGINT)
        same(ends(done, handler, 'on.exit'), {handler: ('cancelled', 'signalled'), 'on.exit': ('cancelled', 'signalled')}, 'handlers')
        same(flow.one(f"select status from run where id = '{done.run}'"), 'timeout' if timeout else 'cancelled', 'the run')
        need(not os.path.exists(flow.path('ran')), 'the exit handler ran')


@case('a cancel handler is stopped when the grace is over, and the run ends cancelled [W1]')
def cancel_handler_grace(flow):
    live = flow.start({'nodes': {'a': flow.held()}, 'on': {'cancel': flow.held(timeout='1h'), 'exit': shell('echo last >> "$DIR/ran"')}})
    run = live.started()
    flow.hub.next()
    flow.tell('cancel', run=run)
    handler = flow.hub.next()
    same(handler.node, 'on.cancel', 'what runs')
    handler.wait_gone()  # nobody lets it end: the grace does
    done = live.end(1)
    same(ends(done, 'on.cancel', 'on.exit'), {'on.cancel': ('failed', 'timeout'), 'on.exit': ('succeeded', 'fresh')}, 'handlers')
    same(flow.one('select status from run'), 'cancelled', 'the run')
    same(flow.read('ran'), b'last\n', 'the exit handler')


if __name__ == '__main__':
    main(one_store=True)
