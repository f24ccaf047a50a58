"""Runs scripts of a package.json one after the other as npm does: pre and post scripts, sh -c, programs of node_modules/.bin, its
variables; and run-s, run-p, npm-run-all. What `reeve import` makes of them is compared with it.

The commands are one script of the shell, and each script of the package is a file beside it: they call each other often."""
import json
import os
import tempfile

COMMAND = '''#!/bin/sh
me=${0##*/} scripts=${0%/*}/scripts
if [ "$me" = npm ] && [ "$1" = run ]; then shift; elif [ "$me" = npm ]; then set -- "$1"; fi
for name; do
    case $name in -*) continue ;; esac
    [ -f "$scripts/$name" ] || { echo "npm_like: no script $name" >&2; exit 1; }
    for full in "pre$name" "$name" "post$name"; do
        [ ! -f "$scripts/$full" ] || npm_lifecycle_event=$full sh "$scripts/$full" || exit
    done
done
'''


def npm_run(folder, script, call):
    """Run a script of `folder`/package.json with call(folder, words…, env=…); what that returns."""
    with open(os.path.join(folder, 'package.json')) as file:
        package = json.load(file)
    with tempfile.TemporaryDirectory() as work:
        os.mkdir(os.path.join(work, 'scripts'))
        for name, text in package['scripts'].items():
            with open(os.path.join(work, 'scripts', name), 'w') as file:
                file.write(text + '\n')
        for name in 'npm', 'run-s', 'run-p', 'npm-run-all':
            with open(os.path.join(work, name), 'w') as file:
                file.write(COMMAND)
            os.chmod(os.path.join(work, name), 0o755)
        path = os.pathsep.join([os.path.join(folder, 'node_modules', '.bin'), work, os.environ['PATH']])
        variables = {'npm_package_config_' + key: value for key, value in package.get('config', {}).items()}
        variables.update(PATH=path, npm_package_name=package['name'], npm_package_version=package['version'])
        return call(folder, os.path.join(work, 'npm'), 'run', script, env=variables)
