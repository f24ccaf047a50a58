"""A store whose owner died: what its file says, and that a cancel then really ends the run."""
import os
import re
import signal

from harness import case, main, need, same, wait_for, is_alive


def die_together(live):
    """Engine and keeper die, neither sees the other go: what they ran lives on."""
    keeper = live.process.pid
    with open(f'/proc/{keeper}/task/{keeper}/children') as file:
        engine = int(file.read().split()[0])
    os.kill(engine, signal.SIGSTOP)
    os.kill(keeper, signal.SIGKILL)
    os.kill(engine, signal.SIGKILL)
    live.end(-signal.SIGKILL)
    wait_for(lambda: not is_alive(engine), 'the end of the engine')


def cancelled(flow, run):
    same(flow.ask('select status from run'), [('cancelled',)], 'the run')
    same(flow.ask("select count(*) from attempt where state in ('starting', 'running')"), [(0,)], 'open attempts')
    same(flow.ask("select count(*) from blocker where state = 'open'"), [(0,)], 'open questions')
    same({state for state, in flow.ask('select state from node')}, {'cancelled'}, 'nodes')
    flow.call('cancel', run, status=4)


@case('cancel of a run whose engine was killed ends what it left running, and the run')
def leftovers(flow):
    live = flow.start({'nodes': {'a': flow.held(), 'b': flow.held(needs=['a'])}, 'on': {'cancel': flow.held()}})
    run = live.started()
    live.expect('attempt_started', node='a')
    a = flow.hub.next()
    die_together(live)
    need(is_alive(a.pid), 'the node should have outlived its engine')
    flow.call('cancel', 'latest')
    need(not is_alive(a.pid), 'the node lives on')
    cancelled(flow, run)


@case('cancel of a run whose engine was killed asks nobody about what may have happened once')
def unknown(flow):
    live = flow.start({'nodes': {'a': flow.held(delivery='at_most_once'), 'b': flow.held(needs=['a'])}})
    run = live.started()
    live.expect('attempt_started', node='a')
    flow.hub.next()
    live.kill_engine()
    flow.call('cancel', run)
    cancelled(flow, run)


@case('leftovers are ended also when the owner\'s file cannot be understood')
def garbled(flow):
    live = flow.start({'nodes': {'a': flow.held(), 'b': {'approve': {'message': '?'}}}})
    live.started()
    live.expect('attempt_started', node='a')
    a = flow.hub.next()
    die_together(live)
    with open(flow.path('store', 'owner.lock'), 'r+') as file:
        file.truncate(20)
    flow.call('cancel', 'latest')
    need(not is_alive(a.pid), 'the node lives on')


def waits(pid):
    """How often it has gone to sleep by itself: a start that waits for the lock does so every 10 ms."""
    with open(f'/proc/{pid}/status') as file:
        return int(re.search(r'^voluntary_ctxt_switches:\s+(\d+)', file.read(), re.M)[1])


def children(pid):
    with open(f'/proc/{pid}/task/{pid}/children') as file:
        return [int(word) for word in file.read().split()]


@case('a start that meets an engine which dies for its keeper waits for the end of it')
def keeper_alone(flow):
    workflow = {'nodes': {'a': flow.held()}}
    live = flow.start(workflow)
    run = live.started()
    a = flow.hub.next()
    engine, = children(live.process.pid)
    os.kill(engine, signal.SIGSTOP)  # it has not seen the death of its keeper yet
    live.process.kill()
    second = flow.start(workflow, '--resume', run)
    starter, = wait_for(lambda: children(second.process.pid), 'the second engine')
    before = waits(starter)
    # a living owner is not waited for as long as this
    wait_for(lambda: second.process.poll() is not None or waits(starter) > before + 60, 'the second start, which waits')
    os.kill(engine, signal.SIGCONT)
    need(second.process.poll() is None, 'the second start gave up')
    a.wait_gone()
    flow.hub.next().end()
    second.end(0)
    live.end(-signal.SIGKILL)


@case('an owner whose file is long is found')
def long_file(flow):
    top = flow.dir
    flow.dir = os.path.join(top, '\1' * 150)
    os.mkdir(flow.dir)
    live = flow.start({'nodes': {'ok': {'approve': {'message': '?'}}}})
    run = live.started()
    live.expect('blocker_opened')
    need(os.path.getsize(os.path.join(top, 'store', 'owner.lock')) > 1024, 'the file is not long')
    flow.call('approve', run, 'ok')
    live.end(0)
    flow.dir = top


if __name__ == '__main__':
    main(one_store=True)
