"""Cases that take their steps together: what each of them wants to be run next is one run. Such a case is a generator: it yields the
nodes of its next run and is given what of them ran. Its files are in a folder of its own, its nodes are told from others by a prefix
that it never sees. In check-long each of them is alone."""
import collections
import json
import os
import re

from harness import Broken, Done, case, chosen_cases, is_long, need, same
from work import LEDGER, Work

Step = collections.namedtuple('Step', 'nodes env words fails held', defaults=({}, (), False, None))
Step.__doc__ = """A run that is wanted with variables of the caller, or more words, or of which nodes are to fail; `held`: the one that is
held when it is over. A variable that counts for everybody, such as PATH, is for a last step that no other case has."""


NAMING = {'needs', 'branches', 'target', 'entrants'}  # what of a node has names of nodes


def renamed(value, names, prefix, is_naming=False):
    """What a node says, where those names are meant with the prefix before them."""
    if isinstance(value, dict):
        return {key: renamed(item, names, prefix, is_naming or key in NAMING) for key, item in value.items()}
    if isinstance(value, list):
        return [renamed(item, names, prefix, is_naming) for item in value]
    return prefix + value if is_naming and isinstance(value, str) and value in names else value


class Part(Work):
    """What a case has of what is common."""

    def __init__(self, flow, name):
        self.flow, self.folder, self.prefix = flow, name, name + '__'
        os.mkdir(flow.path(name))
        self.ledger = flow.path(f'ledger-{name}')  # $LEDGER is the same for all: a case that runs has no other variables
        self.ran_before, self.done = 0, None

    def path(self, *names):
        return self.flow.path(self.folder, *names)

    def write(self, name, text):
        return self.flow.write(os.path.join(self.folder, name), text)

    def read(self, name):
        return self.flow.read(os.path.join(self.folder, name))

    def beneath(self, paths):
        """Paths and patterns from the workflow's folder, of those from the case's."""
        return [f'{self.folder}/{path}' for path in paths]

    def say(self, name):
        """Shell words that write into the ledger."""
        return LEDGER.format(name).replace('$LEDGER', '$LEDGER-' + self.folder)

    def node(self, script, name='x', **more):
        for key in more.keys() & {'inputs', 'outputs'}:
            more[key] = self.beneath(more[key])
        node = {'shell': self.say(name) + script, 'cache': True, 'inputs': [], 'dir': self.folder, **more}
        return {key: value for key, value in node.items() if value is not None}

    def named(self, nodes):
        """With the prefix, also where one means another; $DIR is the case's folder."""
        names = '|'.join(re.escape(name) for name in nodes)
        text = re.sub(r'\$\{(?=(?:%s)\.)' % names, '${' + self.prefix, json.dumps(self.seen(nodes)))
        text = text.replace('$DIR/', f'$DIR/{self.folder}/')
        return {self.prefix + name: renamed(node, nodes, self.prefix) for name, node in json.loads(text).items()}

    def strip(self, value):
        """Without the prefix."""
        return json.loads(json.dumps(value).replace(self.prefix, ''))

    def mine(self, events):
        """Those of its nodes, and those that are of no node."""
        return [self.strip(event) if 'node' in event else event for event in events
                if event.get('node', self.prefix).startswith(self.prefix)]

    def notes(self):
        """Those of its nodes and files."""
        return [event['text'] for event in self.done.of('note') if event['text'].startswith((self.prefix, self.folder + '/'))]

    def ask(self, columns, table, key='node'):
        """Rows of its nodes in the last run, in the order of nodes, whose name is the first column."""
        sql = f"select {key}, {columns} from {table} where run = '{self.done.run}' order by {key}"
        rows = self.once(sql, lambda: self.flow.ask(sql))
        return [tuple(self.strip(row)) for row in rows if row[0].startswith(self.prefix)]

    def once(self, key, answer):
        """Its answer, for all cases of this step."""
        if key not in self.flow.answers:
            self.flow.answers[key] = answer()
        return self.flow.answers[key]

    def entries(self):
        """How many the cache has of its nodes."""
        return sum(row[0].startswith(self.prefix) for row in self.flow.ask('select node from cache'))


def advance(proof, ran, ended):
    """Its next step; None: it has ended."""
    try:
        step = proof.send(ran)
        return step if isinstance(step, Step) else Step(step)
    except StopIteration:
        pass
    except Exception as wrong:
        ended[proof] = wrong
    return None


class Together:
    """stays: the nodes of a case that has ended are in the runs of the others, as they were in its last. part: what a case is given."""

    def __init__(self, stays=False, part=Part):
        self.stays, self.part = stays, part
        self.proofs = {}  # generator functions by what is registered for them
        self.of = lambda flow: self.drive(flow, [self.proofs[c[1]] for c in chosen_cases() if c[1] in self.proofs])

    def case(self, claim):
        """Register generator function fn(part) as the proof of `claim`."""
        def add(fn):
            def proof(flow, ended=None):
                wrong = (ended or self.drive(flow, [fn]))[fn]
                if wrong:
                    raise wrong
            proof.__name__ = fn.__name__
            self.proofs[proof] = fn
            return case(claim, of=None if is_long() else self.of)(proof)
        return add

    def run(self, flow, steps, workflow, words, env):
        """steps: [(part, step)]. A run of what they want."""
        return flow.run(workflow, *words, env=env, status=(0, 1))

    def run_step(self, flow, parts, steps):
        """One run of what all of them want."""
        nodes, env, words = {}, {'LEDGER': flow.path('ledger')}, []
        for proof, step in steps.items():
            nodes.update(parts[proof].named(step.nodes))
            for name, value in step.env.items():
                need(env.setdefault(name, value) == value, f'two cases want another {name}')
            words += [word for word in step.words if word not in words]
        flow.answers = {}
        done = self.run(flow, [(parts[proof], step) for proof, step in steps.items()], {'nodes': nodes}, words, env)
        if done.status in (0, 1):
            same(done.status, int(bool(done.of('node_ended', state='failed'))), 'exit status')
        for proof in steps:
            parts[proof].done = Done(done.status, parts[proof].mine(done.events), done.errors)

    def drive(self, flow, fns):
        """Step by step, as long as one of them goes on. How each ended."""
        parts, ended, steps, last, by_fn = {}, {}, {}, {}, {}
        for fn in fns:
            part = self.part(flow, fn.__name__)
            proof = by_fn[fn] = fn(part)
            parts[proof] = part
            steps[proof] = advance(proof, None, ended)
        while steps := {proof: step for proof, step in steps.items() if step}:
            last.update(steps)
            try:
                self.run_step(flow, parts, last if self.stays else steps)
            except Broken as wrong:
                ended.update(dict.fromkeys(steps, Broken('the run broke that it shares with the first that failed so')))
                ended[next(iter(steps))] = wrong
                break
            for proof, step in list(steps.items()):
                failed = sorted(event['node'] for event in parts[proof].done.of('node_ended', state='failed'))
                if bool(failed) == step.fails:
                    steps[proof] = advance(proof, parts[proof].ran(), ended)
                else:
                    steps[proof], ended[proof] = None, Broken(f'what failed: {failed}')
        return {fn: ended.get(proof) for fn, proof in by_fn.items()}
