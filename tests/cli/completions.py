"""The completion scripts, in their shells: bash, zsh and fish complete verbs, options, words and files. One TAP line a claim.

  completions.py REEVE"""
import json
import os
import pty
import random
import select
import shutil
import subprocess
import sys
import tempfile
import time

LIMIT_S = 60
IS_LONG = os.environ.get('REEVE_TEST_LONG') == '1'
ZSH_OPTIONS = 1000 if IS_LONG else 1  # of a verb: zsh takes 20 ms for each; the others have all
# compinit opens each of the thousand functions that zsh brings, to see what it completes: half a second. That of the first folder, ours,
# and what zsh does for every command are enough to find it; the other functions are loaded when they are called, as ever.
COMPINIT = 'compinit -u -D\n' if IS_LONG else \
    'autoload -Uz ${^fpath}/_*(N:t); all=($fpath); fpath=($fpath[1] ${(M)fpath:#*/Completion(|/Base)}); compinit -u -D; fpath=($all)\n'
SEED = int(os.environ.get('SEED') or time.time_ns() % 1000000)
reeve = os.path.abspath(sys.argv[1])
work = tempfile.mkdtemp(prefix='reeve-completions-')
env = {'PATH': os.path.dirname(reeve) + ':' + os.environ.get('PATH', '/usr/bin:/bin'), 'HOME': work, 'LANG': 'C.UTF-8', 'TERM': 'dumb'}
verbs = json.loads(subprocess.run([reeve, 'help', '--json'], check=True, stdout=subprocess.PIPE).stdout)['verbs']
failures = number = 0


def claim(text, shell, problem):
    """`problem` is a function that returns None, or what is wrong; without the shell there is nothing to claim."""
    global failures, number
    number += 1
    if shutil.which(shell) is None:
        print('ok %d - %s: %s # SKIP %s is not installed' % (number, shell, text, shell))
        return
    found = problem()
    failures += found is not None
    print('%sok %d - %s: %s' % ('not ' if found else '', number, shell, text))
    if found:
        print('# ' + str(found).replace('\n', '\n# '))
    sys.stdout.flush()


def script_of(shell):
    return subprocess.run([reeve, 'completions', shell], check=True, stdout=subprocess.PIPE, text=True).stdout


def options_of(verb):
    """Its long options, without the dashes."""
    return [word[2:] for option in verb['options'] for word in option['flag'].replace(',', ' ').split() if word.startswith('--')]


# What a line is completed to, as a list of words; the same in every shell.
WORDS = [
    (['compl'], ['completions']),
    (['run', '--dry'], ['--dry-run']),
    (['completions', 'z'], ['zsh']),
    (['graph', '--format', 'm'], ['mermaid']),
    (['run', '--output', 'b'], ['buffered']),
    (['ls', '--status', 'time'], ['timeout']),
    (['show', 'lat'], ['latest']),
    (['check', 'nightly'], ['nightly.yaml']),
    (['run', '--store', 'sto'], ['stores/']),
]


END = '----'  # of the answer to one line


def ask_all(command, lines):
    """What one shell answers to each of `lines`, as lists of lines; it reads them from its standard input."""
    done = subprocess.run(command, cwd=work, env=env, input=''.join(line + '\n' for line in lines), stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=LIMIT_S)
    return [[line for line in answer.split('\n') if line] for answer in done.stdout.split(END + '\n')]


def bash(lines):
    """What COMPREPLY holds for each list of words; whether names end with a slash is readline's part."""
    code = 'eval "$1"; while IFS= read -r line; do IFS="|" read -ra COMP_WORDS <<<"$line"; COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); ' \
           '[[ $line != *"|" ]] || COMP_WORDS[++COMP_CWORD]=""; COMPREPLY=(); _reeve; printf "%s\\n" "${COMPREPLY[@]}" "$2"; done'
    answers = ask_all(['bash', '--norc', '-c', code, 'bash', script_of('bash'), END], ['|'.join(['reeve'] + words) for words in lines])
    return [[line + '/' if os.path.isdir(os.path.join(work, line)) else line for line in answer] for answer in answers]


def fish(lines):
    code = 'source $argv[1]; while read -l line; complete -C $line; echo $argv[2]; end'
    answers = ask_all(['fish', '--no-config', '-c', code, os.path.join(work, 'reeve.fish'), END],
                      ['reeve ' + ' '.join(words) for words in lines])
    return [[line.split('\t')[0] for line in answer] for answer in answers]


class AtOnce:
    """A shell that is started once, for all that is asked of it."""

    def __init__(self, complete):
        self.complete, self.known = complete, {}

    def __call__(self, lines):
        if not self.known:
            every = [['']] + [[verb['name'], '--'] for verb in verbs] + [words for words, _ in WORDS]
            self.known = {tuple(words): answer for words, answer in zip(every, self.complete(every))}
        return [self.known[tuple(words)] for words in lines]


class Zsh:
    """An interactive zsh on a terminal of its own. A key writes what stands on the line, after completion, into a file."""

    def __init__(self):
        pid, self.terminal = pty.fork()
        if pid == 0:
            os.chdir(work)
            os.execvpe('zsh', ['zsh', '-f', '-i'], env)
        self.pid = pid
        self.said = ''
        self.seen = os.path.join(work, 'seen')
        self.type('zmodload -F zsh/files b:zf_mv\n')
        self.type("PS1=; unsetopt beep; setopt no_list_beep; LISTMAX=10000\n")
        self.type('fpath=(%s $fpath); autoload -Uz compinit; %s' % (work, COMPINIT))
        self.type("see() { print -r -- \"$BUFFER\" >seen.new; zf_mv seen.new seen; zle kill-whole-line }; zle -N see; bindkey '^[s' see\n")
        self.type('print ready >seen.new; zf_mv seen.new seen\n')
        self.wait()

    def type(self, text):
        os.write(self.terminal, text.encode())

    def wait(self):
        """What stood in the file, once it is there."""
        until = time.monotonic() + LIMIT_S
        while not os.path.exists(self.seen):
            if time.monotonic() > until:
                raise TimeoutError('zsh says nothing: ' + self.said[-2000:])
            if select.select([self.terminal], [], [], 0.01)[0]:
                self.said += os.read(self.terminal, 65536).decode(errors='replace')
        with open(self.seen) as file:
            text = file.read()
        os.unlink(self.seen)
        return text.rstrip('\n')

    def complete(self, line):
        self.type(line + '\t\033s')
        return self.wait()

    def end(self):
        os.close(self.terminal)
        os.waitpid(self.pid, 0)


def words_problem(complete):
    for (words, wanted), got in zip(WORDS, complete([words for words, _ in WORDS])):
        if got != wanted:
            return '%s: %s instead of %s' % (' '.join(words), got, wanted)


def options_problem(complete):
    for verb, words in zip(verbs, complete([[verb['name'], '--'] for verb in verbs])):
        names = {'--' + name for name in options_of(verb)}
        got = {word.rstrip('=') for word in words}
        if not names <= got:
            return '%s: lacks %s, has %s' % (verb['name'], sorted(names - got), sorted(got))


def verbs_problem(complete):
    got, wanted = set(complete([['']])[0]), {verb['name'] for verb in verbs}
    return None if got == wanted else '%s instead of %s' % (sorted(got), sorted(wanted))


def zsh_words(zsh):
    for words, wanted in WORDS:
        line = 'reeve ' + ' '.join(words)
        got = zsh.complete(line).split()
        if got != ['reeve'] + words[:-1] + wanted:
            return '%s: %s instead of %s' % (line, got, wanted)


def zsh_options(zsh):
    """All but its last letter are typed, unless that is itself an option or more than one begins so."""
    draw = random.Random(SEED)
    for verb in verbs if ZSH_OPTIONS > 1 else draw.sample(verbs, len(verbs) // 3):
        names = options_of(verb)
        alone = [name for name in names if not [other for other in names if other != name and other.startswith(name[:-1])]]
        for name in draw.sample(alone, min(ZSH_OPTIONS, len(alone))):
            line = 'reeve %s --%s' % (verb['name'], name[:-1])
            got = zsh.complete(line)
            if got.rstrip(' =') != 'reeve %s --%s' % (verb['name'], name):
                return '%s became %s' % (line, got)
    for word in ('_arguments:', 'compadd:', 'command not found', 'parse error', 'no matches found'):
        if word in zsh.said:
            return zsh.said[-2000:]


def zsh_verbs(zsh):
    for verb in verbs if ZSH_OPTIONS > 1 else random.Random(SEED).sample(verbs, len(verbs) // 3):
        name = verb['name']
        shortest = next(name[:size] for size in range(1, len(name) + 1)
                        if not [other for other in verbs if other is not verb and other['name'].startswith(name[:size])])
        got = zsh.complete('reeve ' + shortest)
        if got.split() != ['reeve', name]:
            return '%s became %s' % (shortest, got)


def main():
    open(os.path.join(work, 'nightly.yaml'), 'w').close()
    os.mkdir(os.path.join(work, 'stores'))
    for name, shell in (('reeve.fish', 'fish'), ('_reeve', 'zsh')):
        with open(os.path.join(work, name), 'w') as file:
            file.write(script_of(shell))
    for shell, complete in (('bash', AtOnce(bash)), ('fish', AtOnce(fish))):
        claim('every verb is offered', shell, lambda: verbs_problem(complete))
        claim('every option of every verb is offered', shell, lambda: options_problem(complete))
        claim('words, files and directories are completed', shell, lambda: words_problem(complete))
    zsh = Zsh() if shutil.which('zsh') else None
    print('# verbs and options are drawn by SEED=%d' % SEED)
    claim('every verb is completed', 'zsh', lambda: zsh_verbs(zsh))
    claim('options of every verb are completed', 'zsh', lambda: zsh_options(zsh))
    claim('words, files and directories are completed', 'zsh', lambda: zsh_words(zsh))
    if zsh:
        zsh.end()
    print('1..%d' % number)


try:
    main()
finally:
    shutil.rmtree(work, ignore_errors=True)
sys.exit(1 if failures else 0)
