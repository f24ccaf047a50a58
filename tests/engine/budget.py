"""Budgets and quotas through the built program: what attempts report, what becomes of a run at its limit [K31, K50-K54]."""
import json
import os
import pty
import select
import shutil
import subprocess

from harness import DEADLINE_S, case, does, is_long, main, need, same, shell, wait_for


def spending(usd, status=0, **more):
    """A command that says what it spent, and ends with `status`."""
    return does('put', '@REEVE_OUTPUT', f'cost_usd={usd}', 'exit', status, **more)


def spent(flow, run):
    return sum(event['cost'] for event in flow.journal(run, 'spent'))


def charged(flow, run, *nodes):
    """What the attempts of these nodes said, in micro-dollars."""
    names = ', '.join(f"'{node}'" for node in nodes)
    return round(1e6 * flow.one(f"select sum(cost_usd) from attempt where run = '{run}' and node in ({names})"))


PAUSING = {'budget': {'usd': 1}, 'nodes': {'a': spending('0.6', budget={'estimate': {'usd': 0.6}}),
                                           'b': spending('0.5', needs=['a'], budget={'estimate': {'usd': 0.5}}),
                                           'c': {'needs': ['b'], 'set': {'after': '1'}}}}


def given_more(flow):
    """A run that paused and went on."""
    live = flow.start({**PAUSING, 'timeout': '1h'})
    run = live.started()
    same(live.expect('blocker_opened')['key'], 'budget', 'what is asked')
    flow.call('approve', run, '--add', 'tokens=5', status=4)  # it has no budget of these
    flow.call('approve', run, 'budget', status=2)             # a yes is not enough
    flow.call('approve', run, '--add', 'usd=0.1')
    done = live.end(0)
    done.journal = flow.journal(run)
    return done


@case('a run whose budget does not do pauses, and goes on when somebody gives it more [K50]', of=given_more)
def pauses(flow, done):
    run = done.run
    same(done.node('c')['state'], 'succeeded', 'what comes after it')
    same(sum(event['cost'] for event in done.journal if event['type'] == 'spent'), 1100000, 'micro-dollars')
    shown = json.loads(flow.call('show', run, '--json').text)
    same([shown['spent_micro_usd'], [node.get('spent_micro_usd') for node in shown['nodes']]], [1100000, [600000, 500000, None]], 'shown')
    need('usd 1.10' in flow.call('show', run).text, 'show says nothing of it')


@case('a pause of the budget does not use up the run\'s timeout [K52]', of=given_more)
def timeouts(flow, done):
    held = [e.get('due_ms', 0) for e in done.journal if e['type'] == 'node_timer']  # until the pause, in it, after it
    need(held[0] > 0 > held[1] > -3600001, held)
    need(held[2] > held[0], 'it goes on')


@case('with --no-wait a pause ends the run with 76; what is added meanwhile counts at its resume [W32]')
def without_waiting(flow):
    run = flow.run(PAUSING, '--no-wait', status=76).run
    flow.call('approve', run, '--add', 'usd=1')
    done = flow.run(PAUSING, '--resume', run)
    same(done.node('b')['state'], 'succeeded', 'what waited')


@case('a pause survives the death of its engine')
def death(flow):
    live = flow.start(PAUSING)
    run = live.started()
    live.expect('blocker_opened')
    live.kill_engine()
    live = flow.start(PAUSING, '--resume', run)
    live.expect('blocker_opened')
    flow.tell('answer', run=run, key='budget', value={'add': {'usd': 1}})
    live.end(0)
    same((spent(flow, run), charged(flow, run, 'a', 'b')), (1100000, 1100000), 'micro-dollars')


@case('a run that is told to stop skips the rest and ends with 77 [K50]')
def stops(flow):
    done = flow.run({'budget': {'usd': 1, 'at_limit': 'stop'},
                     'nodes': {'a': spending('1.1'), 'b': shell('true', needs=['a'])}, 'on': {'failure': {'run': ['true']}}}, status=77)
    same(flow.one("select state, detail from node where id = 'b'"), ('skipped', 'over_budget'), 'the rest')
    same(flow.one('select status, exit_status from run'), ('over_budget', 77), 'the run')
    same(done.node('on.failure')['state'], 'succeeded', 'its handler')


@case('a run that is only warned goes on')
def warns(flow):
    done = flow.run({'budget': {'usd': 1, 'at_limit': 'warn'}, 'nodes': {'a': spending('1.1'), 'b': spending('3', needs=['a'])}})
    same(len(flow.journal(done.run, 'warned')), 1, 'warnings')


def without_limit(flow):
    """A run without a budget, of nodes that report what they spend."""
    odd = {'o1': spending('free'), 'o2': spending('-3'), 'o3': spending('2.5e-1')}
    return flow.run({'nodes': {
        'exhausted': spending('0.5', 1, budget={'usd': 0.5}, retry={'max_attempts': 5}),
        'beyond': spending('0.50000001', budget={'usd': 0.5}), 'below': shell('true', needs=['beyond']), **odd,
        'looks': {'needs': ['beyond'], 'dep_policy': 'all_terminal', 'set': {'value': '${beyond.cost_usd}'}},
        'unmade': spending('0.11', outputs=['not-made']), 'unfit': spending('0.23', output_schema={'type': 'object', 'required': ['n']}),
        'denied': shell('true', trust='quarantined'), 'after': shell('true', needs=['denied']),
        'apart': {'run': ['true'], 'trust': 'quarantined', 'isolation': 'none'}}}, status=1)


def told_kernel(flow, done):
    """What the kernel heard of each attempt that spent, in micro-dollars: no two of `without_limit` spend alike."""
    return [event['cost'] for event in flow.journal(done.run, 'spent')]


def ended(done, *nodes):
    return [(done.node(node)['state'], done.node(node)['detail']) for node in nodes]


@case('what fails reports its spend as well, and an exhausted node is not tried again [K54]', of=without_limit)
def exhausted(flow, done):
    same(flow.one("select attempts from node where id = 'exhausted'"), 1, 'attempts')
    same(charged(flow, done.run, 'exhausted'), 500000, 'micro-dollars')
    same(told_kernel(flow, done).count(500000), 1, 'in the journal')


@case('a node that spent more than its own budget fails, and its result is discarded [K54]', of=without_limit)
def beyond(flow, done):
    same(ended(done, 'beyond', 'below'), [('failed', 'over_budget'), ('skipped', 'upstream')], 'the nodes')
    same(flow.one("select result from node where id = 'looks'"), '{"value":null}', 'what others get of it')


@case('what is no amount is said and counts for nothing [P9]', of=without_limit)
def odd_amounts(flow, done):
    same(charged(flow, done.run, 'o1', 'o2', 'o3'), 250000, 'micro-dollars')
    costs = told_kernel(flow, done)
    same((len([cost for cost in costs if cost]), costs.count(250000)), (5, 1), f'in the journal: {costs}')
    same(sorted(note['text'].split(':')[0] for note in done.of('note')), ['o1', 'o2'], 'notes')


@case('an attempt that failed for its outputs or its schema has spent what it said, too [K42]', of=without_limit)
def spent_in_vain(flow, done):
    same(ended(done, 'unmade', 'unfit'), [('failed', 'output_missing'), ('failed', 'schema')], 'nodes')
    same(charged(flow, done.run, 'unmade', 'unfit'), 340000, 'micro-dollars')
    same([told_kernel(flow, done).count(cost) for cost in (110000, 230000)], [1, 1], 'in the journal')


@case('a quarantined command is denied an isolation that can write; what depends on it is skipped [K33, K34]', of=without_limit)
def quarantine(flow, done):
    same(ended(done, 'denied', 'after', 'apart'), [('denied', 'denied'), ('skipped', 'upstream'), ('succeeded', 'fresh')], 'nodes')


@case('quotas: one attempt at a time, so many in all, so many nodes [K31]')
def quotas(flow):
    live = flow.start({'quota': {'concurrent': 1, 'attempts': 2}, 'nodes': {name: flow.held() for name in 'abc'}})
    for _ in range(2):
        held = flow.hub.next()
        need(not flow.hub.has_more(), 'two at a time')
        held.end()
    live.end(1)
    same(flow.ask("select id, state, detail from node where state = 'denied'"), [('c', 'denied', 'denied')], 'the third')
    flow.run({'quota': {'nodes': 3}, 'nodes': {'f': {'foreach': {'items': [1, 2, 3], 'do': does()}}}}, status=1)
    need('denied at stage growth' in flow.one("select error from node where id = 'f'"), 'why it was denied')


@case('an isolated command starts in an empty directory; one that may only read can write nothing but its results [K40]', alone=True)
def isolation(flow):
    flow.leave_memory()
    flow.write('seen', 'here\n')
    look = 'for f in * .*; do case $f in .|..|"*") ;; *) echo "$f" ;; esac; done; echo looked; '
    nodes = {'none': shell(look + ': > left; echo x > "$REEVE_ARTIFACTS/x"', isolation='none'),
             'again': shell(look, isolation='none', needs=['none'])}

    def nothing_there(done):
        same([done.text(name) for name in ('none', 'again')], ['looked\n', 'looked\n'], 'what was there')
        need(not os.path.exists(flow.path('left')), 'it was here')
    if not shutil.which('bwrap'):
        nothing_there(flow.run({'nodes': {**nodes, 'a': shell('true', role='verify')}}, status=1))
        need('bubblewrap' in flow.one("select error from node where id = 'a'"), 'what is missing')
        return
    if subprocess.run(['bwrap', '--ro-bind', '/', '/', 'true'], capture_output=True).returncode != 0:
        nothing_there(flow.run({'nodes': nodes}))
        return  # it is there, but this machine lets nobody use it
    script = 'read -r word < seen && [ "$word" = here ] && echo n=1 > "$REEVE_OUTPUT" && echo x > "$REEVE_ARTIFACTS/x" && ! (: > made)'
    nothing_there(flow.run({'nodes': {**nodes, 'a': shell(script, role='verify')}}))
    same(flow.one("select result from node where id = 'a'"), '{"n":"1"}', 'its result')
    need(not os.path.exists(flow.path('made')), 'it wrote')


def in_group(usd, reserved, group='team'):
    return {'budget': {'usd': 1, 'group': group}, 'nodes': {'a': spending(usd, budget={'estimate': {'usd': reserved}})}}


@case('runs of a group share its limit: what one spent is gone for the next, who may be given more [K53]')
def group(flow):
    flow.run(in_group('0.7', 0.7))
    flow.run(in_group('0.3', 0.3))  # exactly at the limit
    flow.run(in_group('1', 1, 'others'))
    done = flow.run(in_group('0.4', 0.4), '--no-wait', status=76)
    need('with the other runs of the group team: usd 0.00 left, usd 0.40 needed' in done.of('blocker_opened')[0]['payload']['message'],
         done.of('blocker_opened'))
    flow.call('approve', done.run, '--add', 'usd=0.5')
    flow.run(in_group('0.4', 0.4), '--resume', done.run)
    same(flow.ask("select budget_group, count(*), round(sum(cost_usd), 6) from run group by budget_group order by 1"),
         [('others', 1, 1.0), ('team', 3, 1.4)], 'spent')
    flow.run(in_group('0', 0.1), '--no-wait', status=76)  # what was added was for that run alone


@case('what a killed run had reserved stays reserved for its group until it is cancelled, and is charged then [K53]')
def group_death(flow):
    live = flow.start({'budget': {'usd': 1, 'group': 'dying'}, 'nodes': {'a': {**flow.held(), 'budget': {'estimate': {'usd': 0.8}}}}})
    run = live.started()
    flow.hub.next()
    wait_for(lambda: flow.one('select state from attempt') == 'running', 'its start is recorded')
    live.kill_engine()
    same(flow.one('select reserved_usd from run'), 0.8, 'reserved')
    flow.run(in_group('0.2', 0.2, 'dying'))
    second = flow.run(in_group('0.1', 0.1, 'dying'), '--no-wait', status=76).run
    flow.call('cancel', run)
    same(flow.ask(f"select cost_usd, reserved_usd from run where id = '{run}'"), [(0.8, 0.0)], 'charged')
    flow.run(in_group('0.1', 0.1, 'dying'), '--resume', second, '--no-wait', status=76)
    flow.call('cancel', second)


@case('SQL, ls and show say what attempts reported and runs were charged [K52]')
def told(flow):
    script = ('printf "cost_usd=0.25\\ntokens_in=%s\\ntokens_out=2\\ntokens_cached=7\\n" $((100 * REEVE_EPOCH)) >> "$REEVE_OUTPUT"; '
              '[ $REEVE_EPOCH = 2 ]')
    done = flow.run({'nodes': {'a': shell(script, retry={'max_attempts': 2}), 'b': {'run': ['true'], 'needs': ['a']}}})
    same(flow.ask('select node, number, cost_usd, tokens_in, tokens_out, tokens_cached from attempt order by epoch'),
         [('a', 1, 0.25, 100, 2, 7), ('a', 2, 0.25, 200, 2, 7), ('b', 1, 0.0, 0, 0, 0)], 'attempts')
    same(flow.one('select cost_usd, tokens, tokens_cached, reserved_usd, reserved_tokens, counted_attempts from run'),
         (0.5, 304, 14, 0.0, 0, 0), 'the run')
    row = json.loads(flow.call('ls', '--json').text)['runs'][0]
    same([row['spent_micro_usd'], row['spent_tokens'], row['tokens_cached']], [500000, 304, 14], 'ls')
    shown = flow.call('show', done.run, 'a').text
    need('spent     usd 0.50, tokens 304' in shown, shown)


class Terminal:
    """The program on a terminal of its own."""

    def __init__(self, command, env):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(command[0], command, {**env, 'TERM': 'xterm', 'NO_COLOR': '1'})
        self.seen = ''

    def expect(self, text):
        while text not in self.seen:
            ready, _, _ = select.select([self.fd], [], [], DEADLINE_S)
            need(ready, f'{text!r} does not come: {self.seen!r}')
            try:
                piece = os.read(self.fd, 4096)
            except OSError:  # the other end is closed
                piece = b''
            need(piece, f'{text!r} did not come: {self.seen!r}')
            self.seen += piece.decode(errors='replace')
        self.seen = self.seen.split(text, 1)[1]

    def type(self, text):
        os.write(self.fd, text.encode())

    def end(self, status):
        try:
            while os.read(self.fd, 4096):
                pass
        except OSError:
            pass
        _, ended = os.waitpid(self.pid, 0)
        os.close(self.fd)
        same(os.waitstatus_to_exitcode(ended), status, 'exit status')


@case('on a terminal a run that pauses at its budget asks in place; what is no amount is said, and it asks again [K50]')
def asked_in_place(flow):
    command = [word for word in flow.command(PAUSING, []) if word != '--json']
    terminal = Terminal(command, flow.env({'LANG': 'C.UTF-8'}))
    terminal.expect('usd 0.40 left, usd 0.50 needed')
    terminal.expect('how much more, such as usd=5')
    terminal.type('yes\r')
    terminal.expect('`yes` is not DIMENSION=AMOUNT')
    terminal.type('usd=0.1\r')
    terminal.end(0)
    same(flow.one('select status, cost_usd from run'), ('ok', 1.1), 'the run')
    same(flow.one('select decision from blocker'), 'there is enough', 'what was recorded')


@case('what a quarantined node gives is marked in show, its page, events, logs, artifacts and why [K33]')
def quarantine_is_shown(flow):
    flow.run({'nodes': {'a': shell('echo hi; echo x > "$REEVE_ARTIFACTS/x"', trust='quarantined', isolation='none'),
                        'b': does('say', 'ho\n')}})
    lines = flow.call('show').text.splitlines()
    same([[n for n in 'ab' if f' {n} ' in line] for line in lines if '(quarantined)' in line], [['a']], 'the table')
    need('shell  succeeded (quarantined)' in flow.call('show', 'latest', 'a').text, 'show a')
    need('quarantined' not in flow.call('show', 'latest', 'b').text, 'show b')
    page = flow.call('show', '--html', '-').text
    same(page.count('(quarantined)'), 1, 'the page')
    marked = [(e['type'], e['node']) for e in flow.journal('latest') if e.get('is_quarantined')]
    need(('completed', 'a') in marked and not [e for e in marked if e[1] != 'a'], marked)
    same(sorted(flow.call('logs', 'latest').text.splitlines()), ['a (quarantined) │ hi', 'b │ ho'], 'lines of all')
    same(flow.call('logs', 'latest', 'a').text, 'hi\n', 'bytes of one')
    shown = json.loads(flow.call('show', '--json').text)
    same([artifact.get('is_quarantined') for artifact in shown['artifacts']], [True], 'artifacts')
    need('(quarantined)' in flow.call('why', 'a').text, 'why')
    same(json.loads(flow.call('why', 'a', '--json').text)['reasons'][0]['is_quarantined'], True, 'why --json')


@case('a command finds what is left of its run in $REEVE_BUDGET, its own reservation taken; without a bound it is not there [K51]')
def headroom(flow):
    look = 'printf %s "$REEVE_BUDGET" > "$REEVE_ARTIFACTS/$REEVE_NODE"; echo cost_usd=0.25 > "$REEVE_OUTPUT"'
    done = flow.run({'budget': {'usd': 2, 'attempts': 9}, 'quota': {'attempts': 5},
                     'nodes': {'a': shell(look, budget={'estimate': {'usd': 1}}), 'b': shell(look, needs=['a'], budget={'usd': 0.5})}},
                    env={'REEVE_BUDGET': 'of somebody else'})
    told = [json.loads(flow.read(f'store/artifacts/{done.run}/{name}/{name}')) for name in 'ab']
    same([one['usd'] for one in told], [{'used': 0, 'reserved': 1, 'max': 2, 'remaining': 1},
                                        {'used': 0.25, 'reserved': 0.5, 'max': 2, 'remaining': 1.25}], 'dollars')
    same([one['attempts']['remaining'] for one in told], [8, 7], 'attempts')
    same((told[1]['quota'], told[1]['running']), ({'attempts': {'used': 2, 'max': 5, 'remaining': 3}}, 1), 'the rest')
    flow.run({'nodes': {'a': shell('[ -z "${REEVE_BUDGET+set}" ]')}}, env={'REEVE_BUDGET': 'of somebody else'})


def git(flow, *words):
    identity = {'GIT_AUTHOR_NAME': 'n', 'GIT_AUTHOR_EMAIL': 'e', 'GIT_COMMITTER_NAME': 'n', 'GIT_COMMITTER_EMAIL': 'e'}
    env = {**flow.env(identity), 'GIT_CONFIG_GLOBAL': '/dev/null'}
    quiet = ['-c', 'maintenance.auto=false', '-c', 'gc.auto=0']  # no process that looks whether there is something to tidy up
    done = subprocess.run(['git', *quiet, *words], cwd=flow.dir, env=env, capture_output=True, text=True)
    need(done.returncode == 0, done.stderr)
    return done.stdout


def worktrees(flow):
    """How many git has beside the first, and how many folders of them there are."""
    known = flow.path('.git', 'worktrees')
    tmp = flow.path('store', 'tmp')
    folders = [name for name in os.listdir(tmp) if 'worktree' in os.listdir(os.path.join(tmp, name))]
    return len(os.listdir(known)) if os.path.exists(known) else 0, len(folders)


def repository(flow):
    git(flow, 'init', '--quiet', '--template=', '.')
    flow.write('.gitignore', 'store\nflow.json\nhub\n')
    flow.write('f', 'one\n')
    os.mkdir(flow.path('folder'))
    flow.write('folder/file', '')
    git(flow, 'add', '-A')
    git(flow, 'commit', '--quiet', '-m', 'first')


@case('an implementer has a git worktree of its own; what it changed is a patch, and nothing is left of it [K40, E14]', of=repository)
def worktree(flow, _):
    flow.write('f', 'not committed\n')
    work = 'read -r l < f; echo "$l"; echo two >> f; echo new > n; git status --short; echo k=1 > "$REEVE_OUTPUT"'
    done = flow.run({'nodes': {'a': shell(work, role='implement'), 'same': {'run': ['true'], 'isolation': 'worktree'},
                               'b': shell('read -r word _ < "$P" && [ "$word" = diff ]', needs=['a'],
                                          env={'P': '${a.artifact.worktree.patch}'}),
                               'signal': does('raise', 9, isolation='worktree'), 'status': does('exit', 7, isolation='worktree'),
                               'late': {'run': ['sleep', '1000'], 'isolation': 'worktree', 'timeout': '300ms'}}}, status=1)
    same(done.text('a'), 'one\n M f\n?? n\n', 'what it saw')
    same(flow.read('f'), b'not committed\n', 'where the run is')
    same(flow.one(f"select result from node where run = '{done.run}' and id = 'a'"), '{"k":"1"}', 'its result')
    same(flow.ask(f"select node, name from artifact where run = '{done.run}'"), [('a', 'worktree.patch')], 'patches')
    flow.write('f', 'one\n')
    git(flow, 'apply', flow.path('store', 'artifacts', done.run, 'a', 'worktree.patch'))
    same((flow.read('f'), flow.read('n')), (b'one\ntwo\n', b'new\n'), 'the patch')
    for name in ('same', 'b'):
        same(done.node(name)['state'], 'succeeded', f'{name}: {done.node(name)} {done.text(name)}')
    same([(done.node(n)['detail'], done.node(n).get('signal'), done.node(n).get('exit_status')) for n in ('signal', 'status', 'late')],
         [('signal', 9, None), ('exit', None, 7), ('timeout', done.node('late').get('signal'), None)], 'how they ended')
    same((worktrees(flow), len(git(flow, 'worktree', 'list').splitlines())), ((0, 0), 1), 'worktrees')


@case('a worktree is made also while another git makes one: that git reads what is not written yet is no failure [K40]', of=repository)
def worktree_beside(flow, _):
    other = flow.path('.git', 'worktrees', 'other')
    os.makedirs(other)
    for name, text in (('gitdir', flow.path('other', '.git') + '\n'), ('HEAD', 'ref: refs/heads/other\n'), ('commondir', '')):
        flow.write(os.path.join(other, name), text)  # as git makes it: it writes the last one later
    own = dict.fromkeys(['tries', 'told', 'tree', 'base', 'prefix', 'status', 'patch'], 'its')  # names that the script could take
    live = flow.start({'nodes': {'a': shell('echo $tries $told $tree $base $prefix $status $patch', isolation='worktree', env=own)}})
    need('/commondir' in live.expect('output', node='a')['text'], 'git reads it')
    shutil.rmtree(other)
    need(live.end(0).text('a').endswith('its its its its its its its\n'), 'it ran, with what it was given')
    same(worktrees(flow), (0, 0), 'worktrees')


@case('after a death of the engine its worktrees are taken away, with what git knows of them [E14]', of=repository)
def worktree_death(flow, _):
    flow_ = {'nodes': {'a': {**flow.held(), 'isolation': 'worktree'}}}
    live = flow.start(flow_)
    run = live.started()
    flow.hub.next()
    same(worktrees(flow), (1, 1), 'worktrees')
    live.kill_engine()
    live = flow.start(flow_, '--resume', run)
    flow.hub.next().end()
    live.end(0)
    same(worktrees(flow), (0, 0), 'worktrees')


@case('a worktree outside of a repository, or where nothing is committed, is an error that says so')
def worktree_nowhere(flow):
    flow_ = {'nodes': {'a': shell('true', role='implement')}}
    done = flow.run(flow_, status=1)
    need('needs a git repository, and ' in done.node('a')['error'], done.node('a')['error'])
    same(done.node('a')['detail'], 'start', 'its kind')
    git(flow, 'init', '--quiet', '--template=', '.')
    done = flow.run(flow_, status=1)
    need('nothing is committed' in done.node('a')['error'], done.node('a')['error'])
    same(done.node('a')['detail'], 'start', 'its kind')


@case('a program that is not there is said alike under every isolation, once, whatever the retries say [K40, A9]', of=repository)
def missing_program(flow, _):
    flow.write('here-only', '#!/bin/sh\n')
    os.chmod(flow.path('here-only'), 0o755)
    again = {'retry': {'max_attempts': 3}}
    kinds = [kind for kind in ('shared', 'none', 'read_only', 'worktree') if kind != 'read_only' or shutil.which('bwrap')]
    nodes = {}
    for kind in kinds:
        nodes[kind] = {'run': ['no-such-program'], 'isolation': kind, **again}
        if kind != 'worktree' or is_long():  # where it is started there, `left`, `data` and `builtin` say
            nodes[kind + '-folder'] = {'run': ['./folder'], 'isolation': kind, **again}
            nodes[kind + '-path'] = {'run': ['./no-such-program'], 'isolation': kind, **again}
    nodes['left'] = {'run': ['./here-only'], 'isolation': 'worktree', **again}
    nodes['data'] = {'run': ['./f'], 'isolation': 'worktree', **again}
    nodes['builtin'] = {'run': ['export', 'A=b'], 'isolation': 'worktree', **again}
    done = flow.run({'nodes': nodes}, status=1)
    attempts = dict(flow.ask(f"select node, count(*) from attempt where run = '{done.run}' group by node"))
    for name in nodes:
        same((done.node(name)['detail'], attempts[name]), ('start', 1), name)
        need(done.node(name)['error'].startswith('command ' + nodes[name]['run'][0] + ': '), done.node(name)['error'])
    texts = {done.node(kind)['error'] for kind in kinds}
    same(len(texts), 1, texts)
    need('what is not committed is not there' in done.node('left')['error'], done.node('left')['error'])
    need('may not be executed' in done.node('data')['error'], done.node('data')['error'])
    same(worktrees(flow), (0, 0), 'worktrees')


if __name__ == '__main__':
    main(one_store=True)
