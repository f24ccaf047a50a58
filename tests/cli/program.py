"""What tests of the program share: claims that are counted, calls in an environment without surprises, files that are written.
The program is the first argument of each of them."""
import os
import subprocess
import sys

REEVE = os.path.abspath(sys.argv[1])
LIMIT_S = 180  # for anything that is waited for: far above what it takes
UNWANTED = ('REEVE_STORE', 'MAKEFLAGS', 'MAKELEVEL', 'MFLAGS', 'CC', 'CFLAGS')  # of whoever started the test
WANTED = {'LANG': 'C.UTF-8', 'NO_COLOR': '1', 'GIT_CONFIG_GLOBAL': '/dev/null', 'GIT_CONFIG_SYSTEM': '/dev/null'}
FAILED = []


def claim(text, holds, detail=''):
    """Print a TAP line; what does not hold is told with `detail`, and counted."""
    print(('ok ' if holds else 'not ok ') + text, flush=True)
    if not holds:
        FAILED.append(text)
        print('# ' + str(detail)[:3000].replace('\n', '\n# '), flush=True)


def end():
    """End the test: with 1 when a claim did not hold."""
    sys.exit(1 if FAILED else 0)


def environment(**more):
    kept = {k: v for k, v in os.environ.items() if k not in UNWANTED and not k.startswith('GIT_')}
    return {**kept, **WANTED, **more}


def call(folder, *words, env=None):
    """(exit status, output, errors) of a command in `folder`; `env`: variables that it has besides."""
    done = subprocess.run(words, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          errors='replace', timeout=LIMIT_S, env=environment(**(env or {})))
    return done.returncode, done.stdout, done.stderr


def reeve(folder, *words, env=None):
    return call(folder, REEVE, *words, env=env)


def write(folder, files):
    """Files by path beneath `folder`, folders as needed; what begins as a script may be run."""
    for name, text in files.items():
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'w') as file:
            file.write(text)
        if text.startswith('#!'):
            os.chmod(path, 0o755)
