"""`reeve cache`: cleaning removes exactly what an oracle says, beside runs too, and never what is needed [C15]."""
import contextlib
import json
import os
import random
import select
import shutil
import sqlite3
import struct
import time

from harness import Wire, case, is_long, main, need, same, shell

DAY_MS = 86400000


def node(text, **more):
    return {'shell': text, 'cache': True, 'inputs': [], **more}


def note(flow, path, **more):
    """A node that writes its name into `path`, which it makes."""
    return {'run': [flow.node_program, 'note', path], 'cache': True, 'inputs': [], 'outputs': [path], **more}


def empty(flow):
    """As if nothing had been kept yet, where cases share a store."""
    if not os.path.exists(flow.path('store/reeve.db')):
        return
    with database(flow) as db:
        db.execute('DELETE FROM cache_data')
    for name in ('blobs', 'used'):
        path = flow.path('store', name)
        shutil.rmtree(path) if os.path.isdir(path) else os.path.exists(path) and os.remove(path)


def fill(flow, count):
    """`count` entries, each with an output of its own, and no others."""
    empty(flow)
    flow.run({'nodes': {f'n{i}': note(flow, f'o{i}') for i in range(count)}})


def blobs(flow):
    return sorted(os.path.basename(base) + name for base, _, names in os.walk(flow.path('store/blobs')) for name in names)


def entries(flow):
    return {id_: (size, created) for id_, size, created in flow.ask('select id, size, created_ms from cache')}


def set_used(flow, used):
    """When entries were used last; while nobody runs."""
    top = max(used, default=0)
    with open(flow.path('store/used'), 'wb') as file:
        file.write(struct.pack(f'<{top + 1}q', *(used.get(i, 0) for i in range(top + 1))))


def clean(flow, *words):
    return json.loads(flow.call('cache', 'clean', *words, '--json').text)['cache']


@contextlib.contextmanager
def database(flow):
    """By hand, while nobody runs."""
    with contextlib.closing(sqlite3.connect(flow.path('store/reeve.db'))) as db:
        yield db
        db.commit()


def many(flow, count):
    """So many entries more: those there are again, under other keys."""
    with database(flow) as db:
        rows = db.execute('SELECT node, owner, size, manifest, made_of FROM cache_data').fetchall()
        now = db.execute('SELECT max(created_ms) FROM cache_data').fetchone()[0]
        for i in range(count):
            key = struct.pack('<Q', i + 1) + b'\0' * 24
            name, owner, size, manifest, made_of = rows[i % len(rows)]
            row = (i + 1, key, name, owner, size, now - (i % 40) * DAY_MS - 1000, manifest, made_of)
            db.execute('INSERT INTO cache_data (place, key, node, owner, size, created_ms, manifest, made_of) '
                       'VALUES (?, ?, ?, ?, ?, ?, ?, ?)', row)


class Oracle:
    """What is left, and why each other one goes, the slow way."""

    def __init__(self, items, now, stale, age, size):
        self.left, self.removed = dict(items), {'stale': [], 'age': [], 'size': []}
        for id_ in list(self.left):
            if id_ in stale:
                self.take('stale', id_)
        for id_ in list(self.left):
            if age is not None and now - self.left[id_][1] > age:
                self.take('age', id_)
        while size is not None and sum(s for s, _ in self.left.values()) > size:
            self.take('size', min(self.left, key=lambda i: (self.left[i][1], i)))

    def take(self, why, id_):
        self.removed[why].append(self.left.pop(id_)[0])


@case('clean removes exactly the set that the slow way finds, each entry once under the first mode; dry-run says the same before [C15]')
def oracle(flow):
    seed = int(os.environ.get('SEED', random.randrange(1 << 30)))
    print(f'# seed {seed}', flush=True)
    rng = random.Random(seed)
    for _ in range(12 if is_long() else 1):
        fill(flow, 40 if is_long() else 8)
        many(flow, 24)
        now = int(flow.one("select cast(strftime('%s', 'now') as integer) * 1000"))
        items = entries(flow)
        with database(flow) as db:
            for i in items:
                aged = now - rng.randrange(0, 40) * DAY_MS - 7000
                db.execute('UPDATE cache_data SET created_ms = ? WHERE id = ?', (aged, i))
                items[i] = (items[i][0], aged)
        lied = {i: rng.choice([0, now - rng.randrange(0, 30) * DAY_MS - 6000]) for i in items}
        set_used(flow, lied)
        state = {i: (size, max(created, lied[i])) for i, (size, created) in items.items()}
        age = rng.choice([None, 10 * DAY_MS, 20 * DAY_MS])
        size = rng.choice([None, sum(s for s, _ in state.values()) // 2, 0, 1 << 40])
        words = (['--max-age', f'{age // DAY_MS}d'] if age is not None else []) + (['--max-size', f'{size}B'] if size is not None else [])
        if not words:
            words, age = ['--max-age', '1d'], DAY_MS
        want = Oracle(state, now, set(), age, size)
        for dry in (True, False, False):
            tally = clean(flow, *words, *(['--dry-run'] if dry else []))
            got = {mode: (tally['removed'][mode]['entries'], tally['removed'][mode]['bytes']) for mode in want.removed}
            same(got, {mode: (len(sizes), sum(sizes)) for mode, sizes in want.removed.items()}, f'{words}, dry {dry}')
            same(set(entries(flow)), set(state) if dry else set(want.left), f'what is left after {words}, dry {dry}')
            if not dry:
                want.removed = {mode: [] for mode in want.removed}  # the second time there is nothing left to do
        clean(flow, '--max-size', '0B')
        same(blobs(flow), [], 'blobs when nothing is left')


@case('when an entry was used last is kept to ten minutes: a use soon after another one is not written down, a later one is [C15]')
def used(flow):
    names = ('soon', 'later', 'ahead', 'first', 'last')
    empty(flow)
    flow.run({'nodes': {name: note(flow, name) for name in names}})
    ids = dict(flow.ask('select node, id from cache'))
    now = time.time_ns() // 1000000
    was = {'soon': now - 300000, 'later': now - 660000, 'ahead': now + 10**9, 'first': -2**63, 'last': 2**63 - 1}
    set_used(flow, {ids[name]: was[name] for name in names})
    flow.run({'nodes': {name: note(flow, name) for name in names}})
    with open(flow.path('store/used'), 'rb') as file:
        stamps = struct.unpack(f'<{os.path.getsize(file.name) // 8}q', file.read())
    found = {name: stamps[ids[name]] for name in names}
    same(found['soon'], was['soon'], 'five minutes ago')
    need(now <= found['later'] < now + 10**9, 'eleven minutes ago')
    need(now <= found['ahead'] < now + 10**9, 'a clock that was put back')
    for name in ('first', 'last'):
        need(now <= found[name] < now + 10**9, f'a time that no clock gives: {was[name]}')


@case('a blob stays as long as an entry or an artifact needs it; one that nobody needs goes [C15]', alone=True)
def needed(flow):
    flow.run({'nodes': {'a': node('echo shared > a; echo kept > "$REEVE_ARTIFACTS/kept"', outputs=['a']),
                        'b': node('echo shared > b', outputs=['b']), 'c': shell('echo plain > "$REEVE_ARTIFACTS/plain"')}})
    same(len(blobs(flow)), 3, 'blobs')
    first = flow.one("select id from cache where node = 'a'")
    set_used(flow, {i: 10**13 if i != first else 0 for i in entries(flow)})
    tally = clean(flow, '--max-size', f"{flow.one('select sum(size) from cache where node = char(98)')}B")
    same((tally['removed']['size']['entries'], tally['blobs']), (1, 0), 'a goes, its blobs are shared or artifacts')
    tally = json.loads(flow.call('cache', 'clear', '--json').text)['cache']
    same((tally['removed']['all']['entries'], tally['blobs']), (1, 1), 'the shared one goes with b')
    same(len(blobs(flow)), 2, 'artifacts')
    run = flow.one('select id from run')
    for name in ('kept', 'plain'):
        need(os.path.getsize(flow.path('store/artifacts', run, 'a' if name == 'kept' else 'c', name)) > 0, name)
    for base, _, names in os.walk(flow.path('store/artifacts')):  # somebody tidies up by hand: the rows speak of them yet
        for name in names:
            os.remove(os.path.join(base, name))
    same(clean(flow, '--stale')['blobs'], 0, 'artifacts without their links')
    flow.verifies = False


@case('--stale takes what cannot be used: damaged, of another revision, without its blob; and blobs of a crash [C15]')
def stale(flow):
    fill(flow, 6)
    ids = {n: flow.one(f"select id from cache where node = 'n{n}'") for n in range(6)}
    with database(flow) as db:
        manifest = {n: db.execute('SELECT manifest FROM cache_data WHERE id = ?', (ids[n],)).fetchone()[0] for n in (0, 1)}
        db.execute('UPDATE cache_data SET manifest = ? WHERE id = ?', (manifest[0][:-1], ids[0]))
        db.execute('UPDATE cache_data SET manifest = ? WHERE id = ?', (manifest[1][:3] + b'\x09' + manifest[1][4:], ids[1]))
    gone = [b for b in blobs(flow)]
    os.remove(flow.path('store/blobs', gone[0][:2], gone[0][2:]))
    orphan = '00' + 'ab' * 31
    os.makedirs(flow.path('store/blobs/00'), exist_ok=True)
    flow.write('store/blobs/00/' + orphan[2:], 'x')
    tally = clean(flow, '--stale')
    need(tally['removed']['stale']['entries'] in (2, 3), f'{tally}')  # the blob that is gone may be that of a damaged one
    need(orphan not in blobs(flow), 'the orphan stays')
    same(clean(flow, '--stale')['removed']['stale']['entries'], 0, 'again')
    same(len(blobs(flow)), len(entries(flow)), 'blobs')


@case('strictly older: what was used exactly so long ago stays; without a mode it is a usage error [C15]')
def usage(flow):
    fill(flow, 1)
    more = (['clean', '--dry-run'], ['clear', '--max-age', '1d']) if is_long() else ()
    for words in (['clean'], ['info', '--stale'], ['clean', '--max-age', 'x'], ['clean', '--max-size', '-1'], ['other'], *more):
        flow.call('cache', *words, status=2)
    same(clean(flow, '--max-age', '36500d')['removed']['age']['entries'], 0, 'nothing is that old')
    text = flow.call('cache', 'info').text
    need(text.startswith('1 entry in the cache'), text)


@case('beside a run: what it stores meanwhile stays, what it looks up is missed at most, and it ends well [C15]')
def beside(flow):
    count = 300 if is_long() else 8
    kept = {f'n{i}': note(flow, f'o{i}') for i in range(count)}
    both = {**{name: {**node, 'needs': [name.replace('n', 'm')]} for name, node in kept.items()},
            **{f'm{i}': note(flow, f'p{i}') for i in range(count)}}
    empty(flow)
    flow.run({'nodes': kept})
    live = flow.start({'nodes': {'h': flow.held(), **both}}, '-j3')
    held = flow.hub.next()
    removed = json.loads(flow.call('cache', 'clear', '--json').text)['cache']['removed']['all']['entries']
    wire = Wire(flow)
    for _ in range(11 if is_long() else 5):
        removed += wire.ask('cache', all=True)['cache']['removed']['all']['entries']
    wire.close()
    held.end()
    done = live.end(0)
    need(removed >= count, f'{removed} removed')
    same(len(done.of('node_ended', state='succeeded')), 2 * count + 1, 'nodes')
    left = entries(flow)
    again = flow.run({'nodes': both})
    hits = len([e for e in again.of('node_ended') if e['detail'] == 'cache'])
    need(hits >= len(left), f'{hits} hits of {len(left)} entries that were there: each could be used')
    same(clean(flow, '--stale')['removed']['stale']['entries'], 0, 'none is stale')


@case('an entry that takes the number of one that was removed keeps its blobs [C15]')
def numbers_again(flow):
    fill(flow, 20 if is_long() else 8)
    count, cleaned = 60 if is_long() else 24, 0  # few enough that what it says fits into its pipe, which is read at the end
    for round_ in range(10 if is_long() else 1):
        live = flow.start({'nodes': {f'c{round_}-{i}': note(flow, f'{round_}-{i}', needs=[f'c{round_}-{i - 1}'] if i else [])
                                     for i in range(count)}})
        live.started()
        wire = Wire(flow)
        while (answer := wire.ask('cache', all=True)) is not None:  # again and again, until the run is over
            cleaned += 'cache' in answer
        wire.close()
        live.end(0)
        same(clean(flow, '--stale')['removed']['stale']['entries'], 0, 'entries without their blobs')
    need(cleaned > 0, 'it was never cleaned')


@case('two at once: one of them is told that it is being cleaned already, and both tell the truth [C15]')
def two_at_once(flow):
    fill(flow, 12)
    live = flow.start({'nodes': {'h': flow.held()}})
    held = flow.hub.next()
    wires = [Wire(flow) for _ in range(4)]
    for wire in wires:
        wire.send({'v': 1, 'op': 'cache', 'all': True})
    answers = [wire.line() for wire in wires]
    good = [a['cache']['removed']['all']['entries'] for a in answers if 'cache' in a]
    need(sum(good) == 12 and all('cache' in a or a['error']['status'] == 'CONFLICT' for a in answers), f'{answers}')
    same(entries(flow), {}, 'what is left')
    for wire in wires:
        wire.close()
    held.end()
    live.end(0)


@case('very many entries are cleaned beside a run that goes on: exactly those of the oracle [C15]')
def very_many(flow):
    count = 100000 if is_long() else 2000
    fill(flow, 10)
    many(flow, count)
    now = int(flow.one("select cast(strftime('%s', 'now') as integer) * 1000"))
    want = Oracle({i: (s, c) for i, (s, c) in entries(flow).items()}, now, set(), 20 * DAY_MS, None)
    nodes = {'goes': flow.held(), 'stays': flow.held(), **{f's{i}': flow.note(needs=['goes']) for i in range(8)}}
    live = flow.start({'nodes': nodes}, '-j4')
    held = flow.hub.take(2)
    wire, asker = Wire(flow), Wire(flow)
    wire.send({'v': 1, 'op': 'cache', 'age_ms': 20 * DAY_MS})
    held['goes'].end()
    asked, longest, is_over = 0, 0, False
    while not is_over:  # it answers others meanwhile, through the store's thread
        began = time.monotonic()
        same(asker.say('query', sql='select count(*) from run', args=[], max=1), 'OK', 'a question')
        asked += 1
        longest = max(longest, time.monotonic() - began)
        is_over = bool(select.select([wire.socket], [], [], 0)[0])
    print(f'# figure: {count} entries cleaned beside a run; the longest of {asked} answers of its store took {longest * 1000:.0f} ms',
          flush=True)
    same(wire.line()['cache']['removed']['age']['entries'], len(want.removed['age']), 'removed')
    held['stays'].end()
    live.end(0)
    wire.close()
    asker.close()
    same(set(entries(flow)), set(want.left), 'what is left')


if __name__ == '__main__':
    main(one_store=not is_long())
