"""The graph of the crash loop: about 300 nodes in layers, every kind that needs nobody, wide and narrow places."""
import random

LAYERS, WIDTH = 10, 26
POLICY = {'lost_max': 1000000}


class Graph:
    def __init__(self, node, ledger, seed, layers=LAYERS):
        self.rng = random.Random(seed)
        self.program = [node, ledger]
        self.nodes = {}
        self.needs = {}     # name: hard predecessors
        self.after = {}     # name: soft ones
        self.commands = []
        self.fails_first = set()
        self.gives = {}     # name: k of its result
        self.artifacts = {} # name: text
        self.prints = {}    # name: lines on stdout
        self.layers = []
        for layer in range(layers):
            self.layers.append([self.command(layer, place) for place in range(WIDTH)])
            if layer:
                self.between(layer)
        self.finish()

    def add(self, name, body, needs):
        self.nodes[name] = {**body, **({'needs': needs} if needs else {})}
        self.needs[name] = needs

    def pick(self, layer):
        """Some of the layers before: mostly the last; a fan-in now and then."""
        if layer == 0:
            return []
        count = self.rng.choice([1, 1, 1, 2, 2, 3, 8])
        from_layer = self.layers[layer - 1] if self.rng.random() < 0.8 else self.layers[self.rng.randrange(layer)]
        return sorted(self.rng.sample(from_layer, min(count, len(from_layer))))

    def command(self, layer, place):
        name, rng = f'n{layer}-{place}', self.rng
        needs = self.pick(layer)
        words = []
        for need in needs:
            if need in self.gives:
                words += ['same', '${%s.k}' % need, str(self.gives[need])]
            if need in self.artifacts:
                words += ['file', '${%s.artifact.data}' % need, self.artifacts[need]]
        body = {}
        if rng.random() < 0.1:
            words += ['sleep', str(rng.randint(20, 50))]
        if rng.random() < 0.1:
            words += ['fail_first']
            body['retry'] = {'max_attempts': 2, 'delay': '3ms', **POLICY}
            self.fails_first.add(name)
        if rng.random() < 0.3:
            self.gives[name] = rng.randrange(1000)
            words += ['result', str(self.gives[name])]
        if rng.random() < 0.15:
            self.artifacts[name] = f'bytes of {name}' if rng.random() < 0.7 else 'the same bytes'
            words += ['artifact', self.artifacts[name]]
        if rng.random() < 0.3:
            self.prints[name] = rng.choice([1, 1, 1, 2000])
            words += ['print', str(self.prints[name])]
        if rng.random() < 0.04:
            words += ['linger']
        if rng.random() < 0.05:
            body['tags'] = ['narrow']
        if rng.random() < 0.05:
            body['priority'] = rng.randint(1, 5)
        self.add(name, {'run': [*self.program, *words], **body}, needs)
        self.commands.append(name)
        if layer > 1 and rng.random() < 0.1:
            soft = rng.choice(self.layers[layer - 2])
            if soft not in needs:
                self.nodes[name]['after'] = [soft]
                self.after[name] = [soft]
        return name

    def between(self, layer):
        """A set, a reduce, a wait, and commands that use them."""
        before, rng = self.layers[layer - 1], self.rng
        giver = next((name for name in before if name in self.gives), None)
        if giver:
            self.add(f'set{layer}', {'set': {'k': '${%s.k} == %d' % (giver, self.gives[giver])}}, [giver])
            self.user(f'use-set{layer}', ['same', '${set%d.k}' % layer, 'true'], [f'set{layer}'])
        of = sorted(rng.sample(before, 4))
        self.add(f'count{layer}', {'reduce': {'reducer': 'count', 'of': of}}, of)
        self.add(f'wait{layer}', {'wait': {'for': '10ms'}}, [rng.choice(before)])
        self.user(f'use-wait{layer}', [], [f'wait{layer}', f'count{layer}'])

    def user(self, name, words, needs):
        self.add(name, {'run': [*self.program, *words]}, needs)
        self.commands.append(name)

    def finish(self):
        sinks = set(self.nodes) - {need for needs in self.needs.values() for need in needs}
        self.user('last', ['print', '1'], sorted(sinks))

    def workflow(self):
        return {'reeve': 1, 'name': 'crash', 'defaults': {'retry': POLICY}, 'concurrency': {'tags': {'narrow': 1}}, 'nodes': self.nodes}
