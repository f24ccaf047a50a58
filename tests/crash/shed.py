#!/usr/bin/env python3
"""shed.py REEVE HOSTILE: engine and keeper are killed at once while a process lives that shed everything [P8, A12].

It has a session of its own, no environment, no descriptor and no living parent: only its cgroup says whose it is. The next
start ends it before it does anything else, and leaves alone what a node with `leave: true` left. Skipped where `reeve
doctor` finds no cgroups."""
import json
import os
import signal
import subprocess
import sys

from world import Script, World, is_alive, kill, need, stat_of, wait_for


def first_pid(path):
    """(pid, start ticks) of the first process that a file names."""
    with open(path) as file:
        pid = int(file.readline())
    return pid, stat_of(pid)[2]


def is_written(path):
    return os.path.exists(path) and os.path.getsize(path) > 0


class Shed:
    def __init__(self, reeve, hostile):
        self.reeve, self.hostile = os.path.abspath(reeve), os.path.abspath(hostile)

    def lacking(self):
        """Why there are no cgroups here, or None."""
        told = json.loads(subprocess.run([self.reeve, 'doctor', '--json'], capture_output=True, text=True, timeout=60).stdout)
        finding = next(f for f in told['findings'] if f['name'] == 'cgroup v2')
        return None if finding['word'] == 'good' else finding['value']

    def world(self):
        world = World(self.reeve, {})
        once = 'test -e began && exit 0; touch began; exec "$0" escape sec shed stay'
        nodes = {
            'leaving': {'run': [self.hostile, 'escape', 's', 'left'], 'leave': True},
            'shedding': {'run': ['sh', '-c', once, self.hostile]},
        }
        return World(self.reeve, {'reeve': 1, 'name': 'shed', 'nodes': nodes}, world.dir)

    def owner(self, world):
        with open(os.path.join(world.store, 'owner.lock')) as file:
            return json.load(file)

    def both_are_killed(self):
        lacking = self.lacking()
        if lacking:
            return lacking
        world = self.world()
        shed_path, left_path = os.path.join(world.dir, 'shed'), os.path.join(world.dir, 'left')
        launch = world.launch(False)
        wait_for(lambda: is_written(shed_path) and is_written(left_path), 'neither node has left a process')
        wait_for(lambda: ['succeeded'] in world.ask("select state from node where id = 'leaving'"), 'the leaving node has not ended')
        shed, left = first_pid(shed_path), first_pid(left_path)
        cgroup = self.owner(world)['cgroup']
        need(os.path.isdir(cgroup), f'there is no {cgroup}')
        keeper, engine = launch.pids()
        for pid in (keeper, engine):  # so that neither can do anything about the other's death
            os.kill(pid, signal.SIGSTOP)
        launch.kill('both')
        launch.end()
        need(is_alive(shed), 'it did not outlive engine and keeper: nothing is shown')
        try:
            again = world.launch(True)
            status = again.end()
            need(status == 0, f'the resume ended with {status}: {again.errors()}')
            need(not is_alive(shed), 'a process that shed everything outlived the next start')
            need(is_alive(left), 'what was left on purpose is gone')
            need(not os.path.exists(cgroup), f'{cgroup} is left')
        finally:
            kill(shed[0])
            kill(left[0])
        world.remove()
        return None


def main():
    shed, script = Shed(*sys.argv[1:3]), Script()
    script.case('what shed everything is ended by the next start, what was left on purpose lives on', shed.both_are_killed)
    script.end()


if __name__ == '__main__':
    main()
