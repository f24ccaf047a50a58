#!/usr/bin/env python3
"""crash.py REEVE NODE POINTS KILLS: kill an engine again and again, resume it, and hold what happened against the record.

A story is one run of one graph. Its engine is killed at fail points and at random moments (the engine, its keeper, or both;
now and then while it stops because it was asked to),
then resumed, until the run is done; then the next story begins, until every fail point killed one (from 500 KILLS on, all
three ways) and there were KILLS kills. Few of them meet a point at one of its first passages only, many at later ones, too.
What is held [P1-P5, P8]:

  after each death   an id that was printed is in the store; an exit status that was printed has its final row; every
                     outcome that was printed is recorded; the journal verifies; where a keeper or an engine is left to
                     clean up nothing of the launch is alive
  after each resume  nothing of an earlier launch is alive once the run is announced
  at the end         every node succeeded, once; what was recorded at a kill never ran again; an epoch runs once and epochs
                     rise; nothing of an epoch is written once a later one began; a node begins after all that it needs
                     ended; a failure that was recorded is one of max_attempts; what it printed is in the log; nothing is alive"""
import os
import random
import signal
import sys
import time

from graph import LAYERS, Graph
from world import KILLED, Broken, Script, World, carriers, is_alive, need, seed_of, wait_for

# Passed once a launch (engine.synced: when it begins and when it ends), or only by a run that is resumed; all others are passed often.
NEW = ['store.before_name', 'store.after_name']  # passed where there is no store yet; killed at the first, there is none either
ONCE = {*NEW, 'host.locked', 'host.looked', 'host.keeper_armed', 'host.store_open', 'host.leftovers_killed', 'host.owner_written',
        'host.closing', 'host.closed', 'resume.replayed', 'resume.stepped', 'run.started', 'run.over', 'run.end_synced', 'engine.synced'}
CLOSE = ['host.closing', 'host.closed']  # passed when the run has ended, and when it was asked to stop
LINE = 'a line of output\n'
ASKED = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
STOPPED = [128 + number for number in ASKED]
TRIES_MAX = 12
WALK_MIN = 500     # from so many kills on every fail point is met
SMALL = 3          # layers
RANDOM_MIN = 6     # kills at random moments, however many the fail points were
LAUNCHES_MAX = 400 # of a story


class Story:
    def __init__(self, tools, rng, counts, layers=LAYERS):
        self.rng, self.counts = rng, counts
        self.world = World(tools.reeve, {})
        self.graph = Graph(os.path.abspath(tools.node), self.world.ledger, rng.randrange(1 << 30), layers)
        self.world = World(tools.reeve, self.graph.workflow(), self.world.dir)
        self.run = None           # its id, once it was printed
        self.is_over = False      # done, as recorded
        self.mark = None          # REEVE_STORE_MARK=…
        self.left = {}            # what a launch without keeper and engine left behind
        self.recorded = {}        # node: lines in the ledger when it was first seen as recorded
        self.has_run = False      # something is to be resumed

    def at(self):
        return f'{self.world.dir}, launch {self.world.launches}'

    def passages(self, nodes):
        """Of a fail point, to be killed at, if one in so many `nodes` that are left passes it: one that is not reached means that the
        story is told to its end."""
        left = len(self.graph.nodes) - len(self.recorded)
        return [passage for passage in [1, 2, 3, 5, 8, 13, 30] if passage <= max(left // nodes, 1)]

    # ---- one launch ----

    def launch(self, fail_point=None, who='engine', after_s=None, asked_s=None):
        """Begin or go on; be asked to stop at `asked_s`; die at `fail_point` or `after_s`, or reach the end. True: it was killed."""
        armed = f'{fail_point}:{who}' if fail_point else None
        launch = self.world.launch(self.has_run, armed)
        started = time.monotonic()
        acts = [(asked_s, lambda: launch.ask_to_stop(self.rng.choice(ASKED))), (after_s, lambda: launch.kill(who))]
        acts = sorted([act for act in acts if act[0] is not None], key=lambda act: act[0])
        is_checked = False
        while not launch.is_over():
            if not is_checked and launch.is_announced():
                self.check_left(launch)
                is_checked = True
            now_s = time.monotonic() - started
            if acts and now_s > acts[0][0]:
                acts.pop(0)[1]()
            launch.wait(0.001 if not is_checked else max(acts[0][0] - now_s, 0) if acts else 1)
        return self.died(launch, who)

    def check_left(self, launch):
        self.counts['resumes'] += self.has_run
        alive = [process for process in self.left if is_alive(process)]
        need(not alive, f'{len(alive)} processes of a dead engine are alive after the run went on: {alive}')
        self.left = {}

    def died(self, launch, who):
        status = launch.end()
        rest = launch.rest()
        self.counts['interrupts'] += status in STOPPED
        if status in STOPPED or status == KILLED['engine'] or (status < 0 and who == 'keeper'):
            need(not rest, f'ended with {status}, {who} killed, and left were {rest}')
        self.left.update(rest)
        if status == 4:
            need(self.counts['conflicts'] < 1000, 'a dead owner is taken for a living one')
            self.counts['conflicts'] += 1
            time.sleep(0.01)
            return False
        is_early = -status in ASKED and not launch.is_announced()  # it was no keeper yet
        need(is_early or status in (0, 3, *KILLED.values(), *STOPPED), f'ended with {status}: {launch.errors()}')
        self.check_said(launch, status)
        self.counts['kills'] += status in KILLED.values()
        if status in KILLED.values():
            self.counts[who] += 1
        return status in KILLED.values()

    def check_said(self, launch, status):
        """What was printed is recorded."""
        events = launch.events()
        started = [e for e in events if e.get('type') == 'run_started']
        if started:
            need(self.run in (None, started[0]['run']), f"run {self.run} was resumed as {started[0]['run']}")
            self.run = started[0]['run']
        if not self.world.has_store():
            need(not self.run, 'the store is gone')
            return
        if self.rng.random() < 0.25 and status in KILLED.values() and self.has_run:
            return  # the next launch meets the store as the kill left it
        rows = self.world.ask('select id, status, exit_status from run')
        need(len(rows) <= 1, f'{len(rows)} runs: {rows}')
        need(not self.run or [row[0] for row in rows] == [self.run], f'run {self.run} was acknowledged, stored is {rows}')
        need(self.has_run <= bool(rows), 'a run that was stored is gone')
        self.has_run = bool(rows)
        if not rows:
            return
        need(status != 3, 'a stored run was not found')
        self.take_recorded(events)
        said = [e for e in events if e.get('type') == 'run_ended']
        self.is_over = rows[0][1] == 'ok'
        need(not said or said[0]['status'] == rows[0][1], f'{said} was printed, {rows} is recorded')
        need(status != 0 or self.is_over, f'exit status 0 was given, {rows} is recorded')
        self.world.verify(rows[0][0])

    def take_recorded(self, events):
        size = len(self.world.lines())
        states = dict(self.world.ask('select id, state from node'))
        for event in events:
            if event.get('type') == 'node_ended':
                need(states.get(event['node']) == event['state'], f"{event} was printed, {states.get(event['node'])} is recorded")
        for node, state in states.items():
            need(state not in ('failed', 'denied', 'skipped', 'cancelled'), f'{node} is {state}')
            if state == 'succeeded':
                self.recorded.setdefault(node, size)
        need(all(states.get(node) == 'succeeded' for node in self.recorded), 'a recorded outcome is gone')

    # ---- the end ----

    def finish(self):
        while not self.is_over:
            self.launch()
        lines = self.world.lines()
        run = self.world.ask('select id, status, nodes_total, nodes_succeeded from run')[0]
        nodes = dict(self.world.ask('select id, state from node'))
        need(run[1:] == ['ok', len(self.graph.nodes), len(self.graph.nodes)], f'the run says {run}')
        need(set(nodes) == set(self.graph.nodes) and set(nodes.values()) == {'succeeded'}, f'the nodes say {nodes}')
        self.check_attempts(lines)
        self.check_ledger(lines)
        self.check_order(lines)
        self.check_logs(run[0])
        wait_for(lambda: not carriers(self.mark_entry()), 'processes of the store are alive at the end')
        self.world.remove()

    def mark_entry(self):
        info = os.stat(os.path.join(self.world.store, 'leash'))
        return f'REEVE_STORE_MARK={info.st_dev:x}-{info.st_ino:x}'

    def check_logs(self, run):
        for node in self.rng.sample(sorted(self.graph.prints), 5):
            said = self.world.call('logs', run, node).stdout
            need(said == LINE * self.graph.prints[node], f'{node} wrote {self.graph.prints[node]} lines, its log says {said[:200]}')

    def check_attempts(self, lines):
        rows = self.world.ask('select node, epoch, state, stdout_size from attempt order by node, epoch')
        states, sizes = {}, {}
        for node, epoch, state, size in rows:
            sizes[(node, epoch)] = size
            states.setdefault(node, {})[epoch] = state
            self.counts[state] = self.counts.get(state, 0) + 1
        begun = {(node, epoch) for what, node, epoch, _, _ in lines if what == 'S'}
        ended = {(node, epoch): value for what, node, epoch, _, value in lines if what == 'E'}
        for node in self.graph.commands:
            of = states.get(node, {})
            good = [epoch for epoch, state in of.items() if state == 'ok']
            need(len(good) == 1, f'{node} has the attempts {of}')
            need(max(of) == good[0], f'{node} was tried again after its success: {of}')
            need((node, good[0]) in begun and ended.get((node, good[0])) == 0, f'{node}/{good[0]} is recorded as ok, and never ended so')
            need(node not in self.graph.prints or sizes[(node, good[0])] == self.graph.prints[node] * len(LINE), f'output of {node} is cut')
            failed = [epoch for epoch, state in of.items() if state == 'error']
            need(len(failed) <= (node in self.graph.fails_first), f'{node} has the attempts {of}')
            for epoch in failed:
                need(ended.get((node, epoch)) == 7, f'{node}/{epoch} is recorded as failed, and never ended so')
        unknown = [(node, epoch) for node, epoch in begun if epoch > max(states.get(node, {0: ''}))]
        need(not unknown, f'epochs that nobody recorded: {unknown}')

    def check_ledger(self, lines):
        last, seen = {}, set()
        for place, (what, node, epoch, number, value) in enumerate(lines):
            if what == 'S':
                need(place < self.recorded.get(node, len(lines)), f'{node}/{epoch} began although its outcome was recorded')
                need((node, epoch) not in seen, f'{node}/{epoch} began twice')
                need(epoch > last.get(node, 0), f'{node}/{epoch} began after {last.get(node)}')
                last[node] = epoch
                seen.add((node, epoch))
            need(epoch == last.get(node), f'{node}/{epoch} wrote after {last.get(node)} began')

    def check_order(self, lines):
        ended = set()
        for what, node, epoch, _, value in lines:
            if what == 'E' and value == 0:
                ended.add(node)
            if what == 'S':
                missing = [name for name in self.graph.needs[node] if name in self.graph.commands and name not in ended]
                need(not missing, f'{node}/{epoch} began before {missing} ended')


class Tools:
    def __init__(self, reeve, node, points):
        self.reeve, self.node = reeve, node
        with os.popen(points) as file:
            self.points = [point for point in file.read().split() if not point.startswith('cache.')]  # tests/engine/cache.py walks those


class Loop:
    def __init__(self, tools, kills, rng):
        self.tools, self.kills_wanted, self.rng = tools, kills, rng
        names = ['kills', 'resumes', 'stories', 'conflicts', 'interrupts', 'engine', 'keeper', 'both', 'ok', 'error', 'lost', 'void']
        self.counts = dict.fromkeys(names, 0)
        self.story = None
        self.layers = LAYERS if kills >= WALK_MIN else SMALL  # of the next story's graph
        self.length_s = 0.5

    def guarded(self, fn, *args):
        try:
            return fn(*args)
        except Broken as broken:
            at, self.story = self.story.at() if self.story else 'no story', None
            raise Broken(f'{broken} ({at})') from None

    def next_story(self):
        if self.story:
            self.story.finish()
        self.story = Story(self.tools, self.rng, self.counts, self.layers)
        self.counts['stories'] += 1

    def who(self):
        return self.rng.choice(['engine', 'engine', 'keeper', 'both'])

    def undisturbed(self):
        """How long it takes, so that kills can be spread over it."""
        self.next_story()
        started = time.monotonic()
        self.story.launch()
        self.length_s = (time.monotonic() - started) * LAYERS / self.layers
        need(self.story.is_over, 'it did not end')

    def reach(self, point, who, is_asked=False):
        """Have the engine killed at `point`, in a launch that is asked to stop or in one that is not; at which passage is drawn,
        and drawn smaller when it was not reached."""
        for tries in range(TRIES_MAX):
            needs_run = point.startswith('resume.')
            if self.story.is_over or (point in NEW and tries) or (needs_run and not self.story.has_run):
                self.next_story()
            if needs_run and not self.story.has_run:
                self.story.launch(after_s=self.length_s / 4)
            passage = 1 if point in ONCE or tries > 2 else self.rng.choice(self.story.passages(10 if self.kills_wanted >= WALK_MIN else 60))
            if self.story.launch(f'{point}:{passage}', who, asked_s=self.rng.random() * self.length_s / 4 if is_asked else None):
                return
        raise Broken(f'the fail point {point} was never passed')

    def points(self):
        """Fail points, as (point, is asked to stop), in three parts: where a store is made, on the way, at the end of a run, where
        `run.over` is first, for then the run is not over yet. Of the two points that are also passed by a launch that is asked to
        stop, one is met so, on the way."""
        asked, closing = self.rng.sample(CLOSE, 2)
        ends = ['run.over', 'run.end_synced', closing]
        way = [(point, point == asked) for point in self.tools.points if point not in [*NEW, *ends]]
        self.rng.shuffle(way)
        return [(point, False) for point in NEW], way, [(point, False) for point in ends]

    def walk(self):
        """Every one, all three ways. The stories are few, since a whole one takes long: half of the way lies before an end."""
        new, way, ends = self.points()
        half = len(way) // 2
        for point, is_asked in [*new, *way[:half], *ends[:2], *way[half:], *ends[2:]]:
            for who in ['engine', 'keeper', 'both']:
                self.reach(point, who, is_asked)
        self.end_story()

    def both(self):
        """As many points as leave room for kills at random moments, and those in the same story, since half of what a story costs is
        that it is told to its end. Where a store is made and where a run ends are met in small ones."""
        new, way, ends = self.points()
        for point, is_asked in [*new, *ends]:
            self.reach(point, self.who(), is_asked)
        self.layers = LAYERS
        self.next_story()
        for point, is_asked in way[:self.kills_wanted - RANDOM_MIN - self.counts['kills']]:
            self.reach(point, self.who(), is_asked)
        self.random_kills([0.02, 0.05, 0.2])
        self.end_story()

    def at_random(self):
        self.random_kills([0.05, 0.2, 0.5])
        self.end_story()

    def end_story(self):
        self.story.finish()
        self.story = None

    def random_kills(self, shares):
        """Kills after up to such shares of the time that a run takes."""
        wanted = max(self.kills_wanted, self.counts['kills'] + RANDOM_MIN)
        while self.counts['kills'] < wanted:
            if not self.story or self.story.is_over:
                self.next_story()
            share = self.rng.choice(shares)
            after_s = self.rng.random() * self.length_s * share
            asked_s = after_s - self.rng.random() * 0.2 if self.rng.random() < 0.15 else None
            self.story.launch(who=self.who(), after_s=after_s, asked_s=asked_s)
            need(self.story.world.launches < LAUNCHES_MAX, 'the run makes no progress')


def main():
    tools = Tools(*sys.argv[1:4])
    kills = int(sys.argv[4])
    rng = random.Random(seed_of(os.environ))
    started = time.monotonic()
    loop, script = Loop(tools, kills, rng), Script()
    script.case('a run that nobody disturbs is recorded as it happened', loop.guarded, loop.undisturbed)
    if kills >= WALK_MIN:
        claim = f'killed at each of {len(tools.points)} fail points it goes on, and nothing recorded runs again'
        script.case(claim, loop.guarded, loop.walk)
        script.case('killed at random moments it goes on, and nothing recorded runs again', loop.guarded, loop.at_random)
    else:
        claim = f'killed at some of {len(tools.points)} fail points and at random moments it goes on, and nothing recorded runs again'
        script.case(claim, loop.guarded, loop.both)
    print('# ' + ', '.join(f'{count} {name}' for name, count in loop.counts.items()) + f', {time.monotonic() - started:.1f} s')
    script.end()


if __name__ == '__main__':
    main()
