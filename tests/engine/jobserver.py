"""GNU make below an attempt shares its slots [A1]: never more recipes and attempts at once than -j."""
import shutil

from harness import case, main, need, same, shell

MAKEFILE = '''
TARGETS := $(addprefix $(NAME),1 2 3 4 5 6)
all: $(TARGETS)
$(TARGETS): export REEVE_NODE = $@
$(TARGETS):
\t@$(NODE)
.PHONY: all $(TARGETS)
'''


def make(flow, name, **more):
    flow.write('Makefile', MAKEFILE)
    program = flow.held()['run'][0]
    return shell(f'exec make --no-print-directory -f "$DIR/Makefile" NAME={name} NODE={program} all', **more)


def drive(flow, total, cap, at_least):
    """Let all recipes through; never more than `cap` at once, and at some time at_least."""
    running, most = [], 0
    for done in range(total):
        want = 1
        while len(running) < want or flow.hub.has_more():
            running.append(flow.hub.next())
        most = max(most, len(running))
        need(len(running) <= cap, f'{len(running)} at once: {[held.node for held in running]}')
        if most < at_least and done < total - at_least:
            while len(running) < at_least:
                running.append(flow.hub.next())
            most = at_least
        running.pop(0).end()
    same(most, at_least, 'recipes at once, at most')


@case('make -j under -j2 runs two recipes at a time, never three')
def alone(flow):
    live = flow.start({'nodes': {'m': make(flow, 'm')}}, '-j', '2')
    drive(flow, 6, 2, 2)
    live.end(0)


@case('two makes and a command under -j3 share three slots')
def shared(flow):
    live = flow.start({'nodes': {'m': make(flow, 'm'), 'n': make(flow, 'n'), 'c': flow.held()}}, '-j', '3')
    drive(flow, 13, 3, 3)
    live.end(0)


@case('a make that is killed takes no slot with it: after it as many run as before')
def killed(flow):
    live = flow.start({'nodes': {'m': make(flow, 'm', timeout='2s'), 'n': make(flow, 'n', after=['m'])}}, '-j', '3')
    flow.hub.take(3)
    live.expect('node_ended', node='m')
    drive(flow, 6, 3, 3)
    live.end(1)


@case('a make that is killed beside others stops nobody: as many as before run, and never more')
def killed_beside(flow):
    nodes = {'m': make(flow, 'm', timeout='400ms'), **{f'c{i}': flow.held() for i in range(8)}}
    live = flow.start({'nodes': nodes}, '-j', '4')
    running = {held.node: held for held in (flow.hub.next() for _ in range(4))}
    live.expect('node_ended', node='m')
    running = {name: held for name, held in running.items() if name[0] == 'c'}
    left = 8
    most = 0
    while left:
        while len(running) < 1 or flow.hub.has_more():
            held = flow.hub.next()
            running[held.node] = held
        need(len(running) <= 4, f'{sorted(running)} at once')
        most = max(most, len(running))
        if left <= 4 and left > 1 and most < 4:
            while len(running) < left:
                held = flow.hub.next()
                running[held.node] = held
            most = 4
        running.pop(sorted(running)[0]).end()
        left -= 1
    live.end(1)
    same(most, 4, 'attempts at once after the kill')


if __name__ == '__main__':
    if not shutil.which('make'):
        print('ok 1 - all of it # SKIP no GNU make')
    else:
        main()
