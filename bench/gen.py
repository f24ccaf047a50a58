#!/usr/bin/env python3
"""gen.py TOOL SHAPE COUNT DIR [--deps D] [--width W] [--seed S] [--make COMMAND [--uncached]]: the same seeded graph, written for one tool.

TOOL   reeve (reeve.json and reeve.yaml), ninja, make, just; turbo only with --make
SHAPE  wide     COUNT nodes, no edges
       chain    each node needs the one before it
       layered  layers of W nodes; each node has up to D dependencies, drawn from the layer before (three in four) or
                the one before that

Equal (SHAPE, COUNT, D, W, S) give equal graphs for every TOOL. Each node runs `true`; with --make (reeve, ninja, make) it makes the file
out/tN from those of the nodes it needs, by COMMAND with the file's name for {}: then a tool can tell what is up to date. Reeve's
nodes are cached, with --uncached they are not."""
import argparse
import json
import os
import random
import sys


def wide(count, options):
    return [[] for _ in range(count)]


def chain(count, options):
    return [[i - 1] if i else [] for i in range(count)]


def layered(count, options):
    """needs[i]: sorted indices of what node i needs."""
    rng = random.Random(options.seed)
    needs = []
    for node in range(count):
        layer = node // options.width
        chosen = set()
        for _ in range(options.deps if layer else 0):
            source = layer - 1 if layer == 1 or rng.random() < 0.75 else layer - 2
            chosen.add(source * options.width + rng.randrange(options.width))
        needs.append(sorted(chosen))
    return needs


def names(indices, prefix='t'):
    return ['%s%d' % (prefix, i) for i in indices]


def sinks(needs):
    """The nodes that nobody needs: what a tool with targets is asked for."""
    needed = {d for n in needs for d in n}
    return [i for i in range(len(needs)) if i not in needed]


def write_ninja(needs):
    text = ['rule r\n  command = true\n']
    text += ['build out/t%d: r %s\n' % (i, ' '.join(names(n, 'out/t'))) for i, n in enumerate(needs)]
    return {'build.ninja': ''.join(text)}


def write_make(needs):
    text = ['all: %s\n.PHONY: all %s\nMAKEFLAGS += -rR\n' % (' '.join(names(sinks(needs))), ' '.join(names(range(len(needs)))))]
    text += ['t%d: %s\n\t@true\n' % (i, ' '.join(names(n))) for i, n in enumerate(needs)]
    return {'Makefile': ''.join(text)}


def write_ninja_files(needs, command):
    text = ['rule r\n  command = %s\n' % command.replace('{}', '$out')]
    text += ['build out/t%d: r %s\n' % (i, ' '.join(names(n, 'out/t'))) for i, n in enumerate(needs)]
    return {'build.ninja': ''.join(text)}


def write_make_files(needs, command):
    text = ['MAKEFLAGS += -rR\nall: %s\n.PHONY: all\n' % ' '.join(names(sinks(needs), 'out/t'))]
    text += ['out/t%d: %s\n\t@%s\n' % (i, ' '.join(names(n, 'out/t')), command.replace('{}', '$@')) for i, n in enumerate(needs)]
    return {'Makefile': ''.join(text)}


def write_reeve_files(needs, command, is_cached):
    nodes = {}
    for i, n in enumerate(needs):
        node = nodes['t%d' % i] = {'run': command.replace('{}', 'out/t%d' % i).split(), 'outputs': ['out/t%d' % i]}
        if n:
            node['needs'] = names(n)
        if is_cached:
            node['cache'], node['inputs'] = True, names(n, 'out/t')
    return {'reeve.json': json.dumps({'reeve': 1, 'name': 'bench', 'nodes': nodes}, indent=1) + '\n'}


def write_turbo_files(needs, command):
    """Tasks of one package, each with a file of its own; the command is what `npm run` does (bench/npm_touch.c)."""
    tasks = {'t%d' % i: {'dependsOn': names(n), 'inputs': names(n, 'out/t'), 'outputs': ['out/t%d' % i]} for i, n in enumerate(needs)}
    tasks['all'] = {'dependsOn': names(sinks(needs)), 'inputs': [], 'outputs': []}
    package = {'name': 'root', 'private': True, 'packageManager': 'npm@11.19.1', 'scripts': {name: command for name in tasks}}
    lock = {'name': 'root', 'lockfileVersion': 3, 'requires': True, 'packages': {'': {'name': 'root'}}}
    return {'package.json': json.dumps(package, indent=1), 'package-lock.json': json.dumps(lock), '.gitignore': '.turbo\nnode_modules\n',
            'turbo.json': json.dumps({'$schema': 'https://turbo.build/schema.json', 'tasks': tasks}, indent=1)}


def write_just(needs):
    text = ['[parallel]\nall: %s\n' % ' '.join(names(sinks(needs)))]
    text += ['%st%d: %s\n\t@true\n' % ('[parallel]\n' if n else '', i, ' '.join(names(n))) for i, n in enumerate(needs)]
    return {'justfile': ''.join(text)}


def write_reeve(needs):
    nodes = {'t%d' % i: {'run': ['true'], 'needs': names(n)} if n else {'run': ['true']} for i, n in enumerate(needs)}
    text = ['reeve: 1\nname: bench\nnodes:\n']
    for name, node in nodes.items():
        more = ', needs: [%s]' % ', '.join(node['needs']) if 'needs' in node else ''
        text.append('  %s: {run: [true]%s}\n' % (name, more))
    return {'reeve.json': json.dumps({'reeve': 1, 'name': 'bench', 'nodes': nodes}, indent=1) + '\n', 'reeve.yaml': ''.join(text)}


SHAPES = {'wide': wide, 'chain': chain, 'layered': layered}
TOOLS = {'reeve': write_reeve, 'ninja': write_ninja, 'make': write_make, 'just': write_just}


def write(*words):
    """What the command line does that has these words; what is to be said of the graph."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument('tool', choices=sorted([*TOOLS, 'turbo']))
    options.add_argument('shape', choices=sorted(SHAPES))
    options.add_argument('count', type=int)
    options.add_argument('dir')
    options.add_argument('--deps', type=int, default=3, metavar='D')
    options.add_argument('--width', type=int, default=50, metavar='W')
    options.add_argument('--seed', type=int, default=1, metavar='S')
    options.add_argument('--make', metavar='COMMAND')
    options.add_argument('--uncached', action='store_true')
    given = options.parse_args(words)
    needs = SHAPES[given.shape](given.count, given)
    os.makedirs(given.dir, exist_ok=True)
    if not given.make:
        files = TOOLS[given.tool](needs)
    elif given.tool == 'reeve':
        files = write_reeve_files(needs, given.make, not given.uncached)
    else:
        files = {'ninja': write_ninja_files, 'make': write_make_files, 'turbo': write_turbo_files}[given.tool](needs, given.make)
    if given.make:
        os.makedirs(os.path.join(given.dir, 'out'), exist_ok=True)
    for name, text in files.items():
        with open(os.path.join(given.dir, name), 'w') as file:
            file.write(text)
    return '%s %s: %d nodes, %d edges, %d sinks' % (given.tool, given.shape, given.count, sum(map(len, needs)), len(sinks(needs)))


if __name__ == '__main__':
    print(write(*sys.argv[1:]))
