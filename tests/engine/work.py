"""Nodes that are cached, and what of them ran."""
import os

LEDGER = 'echo {} >> "$LEDGER"; '


class Work:
    """A folder of nodes that write into a ledger when they run."""

    def __init__(self, flow):
        self.flow = flow
        self.ledger = flow.path('ledger')
        self.ran_before = 0

    def node(self, script, name='x', **more):
        more.setdefault('inputs', [])
        return {'shell': LEDGER.format(name) + script, 'cache': True, **more}

    def seen(self, nodes):
        """With the ledger for those that are cached, which see of the caller's environment what they name."""
        return {name: {**node, 'env_host': [*node.get('env_host', []), 'LEDGER']} if node.get('cache') else node
                for name, node in nodes.items()}

    def ran(self):
        """What ran since this was asked last, by its name in the ledger, in order of name."""
        lines = open(self.ledger).read().split() if os.path.exists(self.ledger) else []
        ran, self.ran_before = lines[self.ran_before:], len(lines)
        return sorted(ran)

    def run(self, nodes, env=None, words=(), status=0, **more):
        """Run; what ran."""
        env = {'LEDGER': self.ledger, **(env or {})}
        self.done = self.flow.run({'nodes': self.seen(nodes), **more}, *words, env=env, status=status)
        return self.ran()

    def hits(self):
        return sorted(e['node'] for e in self.done.of('node_ended') if e['detail'] == 'cache')
