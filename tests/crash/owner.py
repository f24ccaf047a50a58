#!/usr/bin/env python3
"""owner.py REEVE NODE DYING: who comes to a store whose owner is dying waits for it; who comes to a living one is told."""
import os
import subprocess
import sys

from world import Script, World, need, stat_of, wait_for


class Owner:
    def __init__(self, reeve, node, dying):
        self.reeve, self.node, self.dying = reeve, os.path.abspath(node), os.path.abspath(dying)

    def world(self, *words):
        world = World(self.reeve, {})
        nodes = {'only': {'run': [self.node, world.ledger, *words]}}
        return World(self.reeve, {'reeve': 1, 'name': 'owner', 'nodes': nodes}, world.dir)

    def dying_owner(self, world, *more, lives_ms=1500):
        command = [self.dying, os.path.join(world.store, 'owner.lock'), str(lives_ms), *more]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        need(process.stdout.readline() == 'owned\n', 'it does not own the store')
        wait_for(lambda: more or stat_of(process.pid)[0] == 'Z', 'its main thread has not ended')
        return process

    def is_waited_for(self):
        world = self.world()
        need(world.launch(False).end() == 0, 'the first run failed')
        for act in (lambda: world.asked('select id from run'), lambda: need(world.launch(False).end() == 0, 'a second run did not wait')):
            process = self.dying_owner(world)
            act()
            need(process.poll() is not None, 'it did not wait')
        process = self.dying_owner(world, '500')
        world.asked('select id from run')
        need(process.poll() is not None, 'it did not wait')
        process = self.dying_owner(world, '600000', lives_ms=600000)
        done = world.call('sql', 'select id from run', ok=(75,))
        need('does not answer' in done.stderr and process.poll() is None, f'a silent owner is not reported: {done.stderr}')
        process.kill()
        process.wait()
        world.remove()

    def is_told(self):
        world = self.world('sleep', '3000')
        launch = world.launch(False)
        wait_for(launch.is_announced, 'no run was announced')
        second = subprocess.run([self.reeve, 'run', world.file, '--store', world.store], env=world.env(), capture_output=True, text=True,
                                timeout=60)
        need(second.returncode == 4 and 'is owned by process' in second.stderr, f'ended with {second.returncode}: {second.stderr}')
        need(world.asked('select status from run') == [['running']], 'the owner does not answer')
        launch.kill('both')
        launch.end()
        world.remove()


def main():
    owner, script = Owner(*sys.argv[1:4]), Script()
    script.case('an owner whose last thread is not gone yet is waited for', owner.is_waited_for)
    script.case('a living owner is named and asked', owner.is_told)
    script.end()


if __name__ == '__main__':
    main()
