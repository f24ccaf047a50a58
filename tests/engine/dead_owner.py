"""A store whose owner died: what its file says, and that a cancel then really ends the run."""
import os
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
    main()
