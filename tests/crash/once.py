#!/usr/bin/env python3
"""once.py REEVE NODE POINTS [long]: what may happen at most once is never run again unasked, wherever the engine dies [P3].

    before ─► once (at most once) ─► behind

The engine (or engine and keeper) is killed at each passage of each fail point. The run is gone on with: either the outcome
of `once` was recorded, or it had not begun, or somebody is asked; each way to answer does what it says, also when the
engine that asks is killed again. And what a launch printed before everything of it was killed holds afterwards [P1]."""
import os
import random
import sys

from crash import Tools
from world import KILLED, Script, World, need, seed_of, wait_for

PASSAGES_MAX = 24
AGAIN = ['resume.stepped', 'engine.after_submit', 'engine.written', 'engine.synced', 'host.closing']
ANSWERS = {
    # answer: verb, exit status of the run then, state of `once`, begins of `once` that it adds
    'done': (['approve'], 0, 'succeeded', 0),
    'failed': (['reject'], 1, 'failed', 0),
    'again': (['approve', '--again'], 0, 'succeeded', 1),
}


class Once:
    def __init__(self, tools, rng):
        self.tools, self.rng = tools, rng
        self.asked = self.launched = self.recorded = self.not_begun = 0
        self.answers = []

    def world(self, before_ms=0):
        world = World(self.tools.reeve, {})
        program = [os.path.abspath(self.tools.node), world.ledger]
        nodes = {
            'before': {'run': [*program, 'result', '1', 'sleep', str(before_ms)]},
            'once': {'run': [*program, 'same', '${before.k}', '1', 'artifact', 'bytes', 'print', '1', 'sleep', '2'], 'needs': ['before'],
                     'delivery': 'at_most_once'},
            'behind': {'run': program, 'needs': ['once'], 'dep_policy': 'all_terminal'},
        }
        return World(self.tools.reeve, {'reeve': 1, 'name': 'once', 'nodes': nodes}, world.dir)

    def begun(self, world):
        return sum(what == 'S' and node == 'once' for what, node, *_ in world.lines())

    def go_on(self, world, fail_point=None):
        launch = world.launch(True, fail_point, ['--no-wait'])
        status = launch.end()
        need(status in (0, 1, 3, 76, *KILLED.values()), f'ended with {status}: {launch.errors()}')
        return status

    def at(self, point, passage, who):
        """Kill it there. False: it was not passed so often."""
        world = self.world()
        where = f'{point}:{passage}:{who}'
        launch = world.launch(False, where, ['--no-wait'])
        status = launch.end()
        self.launched += 1
        if status == 0:
            world.remove()
            return False
        need(status in KILLED.values(), f'{where}: ended with {status}: {launch.errors()}')
        self.gone_on(world, where)
        world.remove()
        return True

    def at_each(self, point, passage, ways):
        return all([self.at(point, passage, who) for who in ways or [self.rng.choice(['engine', 'both'])]])

    def gone_on(self, world, where):
        if self.rng.random() < 0.3:
            self.go_on(world, self.rng.choice(AGAIN) + '::both')
        begun = self.begun(world)
        before = dict(world.ask('select id, state from node')) if world.has_store() and self.rng.random() < 0.5 else None
        status = self.go_on(world)
        if status == 3:
            need(begun == 0 and self.begun(world) == 0, f'{where}: it began, and there is no run')
            self.not_begun += 1
            return
        need(status in (0, 76), f'{where}: ended with {status}')
        need(self.begun(world) <= 1, f'{where}: it was run again')
        if status == 0:
            need(self.begun(world) == 1, f'{where}: it counts as done and never ran')
            need(begun == 0 or before is None or before.get('once') == 'succeeded',
                 f'{where}: it had begun, nothing was recorded, nobody was asked')
            self.recorded += begun == 1
            self.not_begun += begun == 0
            return
        need(before is None or before.get('once') != 'succeeded', f'{where}: its outcome was recorded, and somebody is asked')
        self.asked += 1
        self.answer(world, where)

    def answer(self, world, where):
        rows = world.ask("select run, key, kind, state from blocker where state = 'open'")
        need([row[2] for row in rows] == ['unknown_outcome'], f'{where}: waits for {rows}')
        answer = self.answers.pop() if self.answers else None
        if not answer:
            self.answers = self.rng.sample(sorted(ANSWERS), len(ANSWERS))
            answer = self.answers.pop()
        verb, wanted, state, more = ANSWERS[answer]
        if self.rng.random() < 0.3:
            need(self.go_on(world, 'resume.stepped::both') in KILLED.values(), f'{where}: was not killed')
            need(self.go_on(world) == 76, f'{where}: does not ask again')
        begun = self.begun(world)
        world.call(verb[0], rows[0][0], rows[0][1], *verb[1:])
        status = self.go_on(world)
        need(status == wanted, f'{where}: answered `{answer}`, ended with {status}')
        need(self.begun(world) == begun + more, f'{where}: answered `{answer}`, began {self.begun(world)} times after {begun}')
        need(dict(world.ask('select id, state from node'))['once'] == state, f'{where}: answered `{answer}`')
        world.verify(rows[0][0])

    def walk(self, ways, passages_max):
        for point in self.tools.points:
            if not point.startswith('resume.'):
                passage = 1
                while passage <= passages_max and self.at_each(point, passage, ways):
                    passage += 1
                need(passage > 1, f'the fail point {point} was never passed')
        need(self.asked and self.recorded and self.not_begun, 'one of the three cases never came')

    def printed(self):
        """The id and the exit status that were printed, after the death of all processes."""
        world = self.world(300)
        launch = world.launch(False)
        wait_for(launch.is_announced, 'no run was announced')
        launch.kill('both')
        need(launch.end() in KILLED.values(), 'was not killed')
        said = launch.events()
        rows = world.ask('select id, status from run')
        need(rows == [[said[0]['run'], 'running']], f'{said} was printed, {rows} is stored')
        launch = world.launch(True, 'host.closing::both')
        need(launch.end() in KILLED.values(), 'was not killed')
        said = launch.events()
        need((said[0]['type'], said[-1]['type']) == ('run_started', 'run_ended') and said[-1]['exit_status'] == 0, f'it said {said}')
        rows = world.ask('select id, status, exit_status from run')
        need(rows == [[said[0]['run'], 'ok', 0]], f'{said[-1]} was printed, {rows} is stored')
        need(self.go_on(world) == 0, 'an ended run is not told as such')
        world.remove()


def main():
    tools = Tools(*sys.argv[1:4])
    once = Once(tools, random.Random(seed_of(os.environ)))
    script = Script()
    passages_max, ways = (PASSAGES_MAX, ['engine', 'both']) if sys.argv[4:] == ['long'] else (1, None)
    script.case('an id and an exit status that were printed hold after the death of all processes', once.printed)
    script.case('at most once, killed at each fail point, is never run again unasked', once.walk, ways, passages_max)
    print(f'# {once.launched} launches; {once.asked} asked, {once.recorded} were recorded, {once.not_begun} had not begun')
    script.end()


if __name__ == '__main__':
    main()
