#!/usr/bin/env python3
"""disk.py REEVE NODE: a store whose disk is full, or whose files may not grow, stops with 75 and a clear message; with room
it goes on, and nothing that was recorded runs again. The disk is a small tmpfs in a mount namespace of the test's own."""
import json
import os
import resource
import signal
import subprocess
import sys

from world import KILLED, Script, World, need

NODES = 120
INSIDE = '--inside'


class Disk:
    def __init__(self, reeve, node):
        self.reeve, self.node = reeve, os.path.abspath(node)
        self.can_mount = sys.argv[-1] == INSIDE

    def world(self, words, count=NODES):
        world = World(self.reeve, {})
        program = [self.node, world.ledger]
        retry = {'max_attempts': 1000000, 'on': [10]}  # the node itself finds no room
        nodes = {f'n{i}': {'run': [*program, *words], 'retry': retry, 'needs': [f'n{i - 4}'] if i >= 4 else []} for i in range(count)}
        os.mkdir(world.store)
        return World(self.reeve, {'reeve': 1, 'name': 'disk', 'nodes': nodes}, world.dir)

    def mount(self, world, size, *more):
        subprocess.run(['mount', '-t', 'tmpfs', '-o', ','.join([f'size={size}', *more]), 'none', world.store], check=True)

    def fill(self, world):
        """Leave no byte."""
        with open(os.path.join(world.store, 'ballast'), 'wb', buffering=0) as file:
            try:
                while file.write(b'x' * 4096):
                    pass
            except OSError:
                pass

    def check_full(self, launch, words):
        status, errors = launch.end(), launch.errors()
        said = errors + ''.join(json.dumps(event) for event in launch.events() if 'type' not in event)
        need(status == 75, f'a full disk ended with {status}: {said}')
        need(any(word in said for word in words), f'the message does not say what is wrong: {said}')
        need(not launch.rest(), 'processes are alive after the store failed')

    def recorded(self, world):
        return {node for node, in world.ask("select id from node where state = 'succeeded'")}

    def go_on(self, world, before, lines_before):
        launch = world.launch(True)
        status = launch.end()
        need(status == 0, f'with room it ended with {status}: {launch.errors()}')
        again = {node for what, node, *_ in world.lines()[lines_before:] if what == 'S'} & before
        need(not again, f'{again} had been recorded, and ran again')
        run, = world.ask('select id, status, nodes_succeeded from run')
        need(run[1:] == ['ok', NODES], f'the run says {run}')
        world.verify(run[0])

    def fills_up(self, words):
        """The run itself fills the disk; then there is a larger one."""
        if not self.can_mount:
            return 'needs a mount namespace'
        world = self.world(words)
        self.mount(world, '600k')
        try:
            self.check_full(world.launch(False), ['space', 'full'])
            need(world.lines(), 'nothing ran at all')
            self.mount_larger(world)
            before, lines = self.recorded(world), len(world.lines())
            self.go_on(world, before, lines)
        finally:
            subprocess.run(['umount', '-l', world.store], check=False)
        world.remove()

    def mount_larger(self, world):
        subprocess.run(['mount', '-o', 'remount,size=64m', world.store], check=True)

    def is_full(self):
        """No byte is left before anything begins; then there is room."""
        if not self.can_mount:
            return 'needs a mount namespace'
        world = self.world([], 12)
        self.mount(world, '200k')
        try:
            self.fill(world)
            self.check_full(world.launch(False), ['space', 'full', 'room'])
            need(not world.lines(), 'something ran')
            self.mount_larger(world)
            need(world.launch(False).end() == 0, 'with room it does not run')
        finally:
            subprocess.run(['umount', '-l', world.store], check=False)
        world.remove()

    def empty_size(self):
        """Of the largest file that a store has before its first run is recorded."""
        world = self.world([])  # of the same workflow: its row is in there
        launch = world.launch(False, 'run.started:1:both')
        need(launch.end() in KILLED.values(), 'was not killed')
        size = max(os.path.getsize(os.path.join(world.store, name)) for name in os.listdir(world.store))
        world.remove()
        return size

    def is_limited(self, words, room):
        """Files may not grow beyond those of an empty store and `room` more; then they may."""
        world, size = self.world(words), self.empty_size() + room

        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

        self.check_full(world.launch(False, before=limit), ['disk I/O error', 'File too large', 'space', 'full', 'limit'])
        before, lines = (self.recorded(world) if world.has_store() else set()), len(world.lines())
        self.go_on(world, before, lines)
        world.remove()


def main():
    disk, script = Disk(*sys.argv[1:3]), Script()
    script.case('a disk without a free byte is told, and the run begins when there is room', disk.is_full)
    script.case('a disk that the journal fills up ends the run with 75, and it goes on with room', disk.fills_up, ['result', '1'])
    script.case('a disk that artifacts fill up ends the run with 75, and it goes on with room', disk.fills_up, ['bulk', '20000'])
    script.case('a limit on the size of files ends the run with 75, and it goes on without', disk.is_limited, ['result', '1'], 80000)
    if os.environ.get('REEVE_TEST_LONG') == '1':
        script.case('a disk that output fills up ends the run with 75, and it goes on with room', disk.fills_up, ['print', '2000'])
        script.case('a limit on the size of files stops output with 75, and it goes on without', disk.is_limited, ['print', '2000'],
                    700000)
    script.end()


def enter_namespace():
    """Again, in a namespace where mounts are ours and go away with us; False: that cannot be had."""
    words = ['unshare', '--mount'] if os.getuid() == 0 else ['unshare', '--user', '--map-root-user', '--mount']
    probe = [*words, 'sh', '-c', 'mount -t tmpfs none /mnt']
    if INSIDE not in sys.argv and subprocess.run(probe, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0:
        os.execvp(words[0], [*words, sys.executable, *sys.argv, INSIDE])


if __name__ == '__main__':
    try:
        enter_namespace()
    except FileNotFoundError:
        pass
    main()
