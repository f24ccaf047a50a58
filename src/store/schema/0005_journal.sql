-- The journal under one integer, stream * 2^36 + first_seq. In an index SQLite compares whole rows: to find the end of a stream
-- it read its last rows to the end of their bodies, a megabyte where a batch had said much. Under an integer nothing but the key
-- is looked at; and `body` stands last, so that what is asked of a row's end is not behind it.
DROP VIEW batch;
DROP VIEW journal;

CREATE TABLE new_journal_data (
    key INTEGER PRIMARY KEY,
    event_count INTEGER NOT NULL CHECK (event_count >= 1),
    version INTEGER NOT NULL,
    wall_ms INTEGER NOT NULL,
    engine_ms INTEGER NOT NULL,
    checksum INTEGER NOT NULL,
    batch INTEGER NOT NULL,
    body BLOB NOT NULL,
    stream INTEGER GENERATED ALWAYS AS (key >> 36) VIRTUAL,
    first_seq INTEGER GENERATED ALWAYS AS (key & 68719476735) VIRTUAL
) STRICT;
INSERT INTO new_journal_data (key, event_count, version, wall_ms, engine_ms, checksum, batch, body)
SELECT (stream << 36) + first_seq, event_count, version, wall_ms, engine_ms, checksum, batch, body
FROM journal_data ORDER BY stream, first_seq;
DROP TABLE journal_data;
ALTER TABLE new_journal_data RENAME TO journal_data;

-- The equation finds the stream of a row; the range, which says the same, finds the rows of a stream by their primary key.
CREATE VIEW journal AS
SELECT n.text AS stream, d.first_seq, d.event_count, d.version, d.wall_ms, d.engine_ms, d.body, d.checksum, d.batch
FROM name AS n JOIN journal_data AS d ON n.key = d.key >> 36 AND d.key >= n.key << 36 AND d.key < (n.key + 1) << 36;

CREATE VIEW batch AS
SELECT max(b.last_id,
    coalesce((SELECT j.batch FROM journal_data AS j WHERE j.key >= b.stream << 36 AND j.key < (b.stream + 1) << 36
        ORDER BY j.key DESC LIMIT 1), 0)) AS last_id
FROM batch_data AS b;
