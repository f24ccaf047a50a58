"""Rows of a store that nobody has open, read as any program can: for tests that ask often, since a process of `reeve sql` costs more than
its answer. Where the log has something, or where anything is in the way, `reeve sql` is asked."""
import os

LOG_HEADER_SIZE = 32


def is_settled(file):
    """The log says nothing: the database has it all."""
    try:
        with open(file + '-wal', 'rb') as log:
            return not any(log.read(LOG_HEADER_SIZE))
    except FileNotFoundError:
        return True


def rows_of(store, sql, has_bytes=False):
    """A list of tuples; None: `reeve sql` is to be asked, also where a value is bytes, unless they are wanted as such."""
    import sqlite3  # for those that ask: it takes as long to load as an answer of `reeve sql`
    file = os.path.join(store, 'reeve.db')
    if not os.path.exists(file) or not is_settled(file):
        return None
    try:
        db = sqlite3.connect('file:%s?immutable=1' % file.replace('%', '%25').replace('?', '%3f').replace('#', '%23'), uri=True)
        try:
            rows = db.execute(sql).fetchall()
        finally:
            db.close()
    except sqlite3.Error:
        return None
    is_text = has_bytes or not any(isinstance(value, bytes) for row in rows for value in row)
    return rows if is_settled(file) and is_text else None
