#!/usr/bin/env python3
"""npm_like.py run SCRIPT | test: runs scripts of ./package.json one after the other as npm does: pre and post scripts, sh -c, programs of
node_modules/.bin, its variables; and run-s, run-p, npm-run-all. What `reeve import` makes of them is compared with it."""
import json
import os
import subprocess
import sys
import tempfile

ME = os.path.abspath(__file__)


def run(package, name, environment):
    scripts = package['scripts']
    for full in ('pre' + name, name, 'post' + name):
        if full not in scripts:
            if full == name:
                sys.exit('npm_like: no script ' + name)
            continue
        variables = dict(environment, npm_lifecycle_event=full, npm_package_name=package['name'], npm_package_version=package['version'])
        variables.update({'npm_package_config_' + k: v for k, v in package.get('config', {}).items()})
        status = subprocess.run(['sh', '-c', scripts[full]], env=variables).returncode
        if status:
            sys.exit(status)


def main():
    with open('package.json') as file:
        package = json.load(file)
    words = [w for w in sys.argv[1:] if not w.startswith('-')]
    with tempfile.TemporaryDirectory() as folder:
        for name, verb in (('npm', ''), ('run-s', 'run-s'), ('run-p', 'run-p'), ('npm-run-all', 'run-s')):
            with open(os.path.join(folder, name), 'w') as file:
                file.write('#!/bin/sh\nexec %s %s %s "$@"\n' % (sys.executable, ME, verb))
            os.chmod(os.path.join(folder, name), 0o755)
        path = os.pathsep.join([os.path.abspath('node_modules/.bin'), folder, os.environ['PATH']])
        names = words[1:] if words[0] in ('run', 'run-s', 'run-p') else words[:1]
        for name in names:
            run(package, name, dict(os.environ, PATH=path))


if __name__ == '__main__':
    main()
