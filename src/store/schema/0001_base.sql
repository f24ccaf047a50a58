-- The first schema. docs/schema.md is its manual; what follows says why it is laid out as it is.
--
-- People query the names without "_data": text in, text out. Behind those of the hot path (run, node, attempt, journal) are
-- tables keyed by integers, with words as their numbers: half the bytes and less than half the time per row, since a
-- commit pays for each page that it touches. A run is named by a number, `key`, given in order of first appearance; a
-- node by run key * 2^20 + its index. Words are numbered as in src/kernel/model.h, where none is ever renumbered.
-- There is no secondary index on the hot path.

-- What made this schema. A migration that was applied is never changed: its checksum is compared at each start.
CREATE TABLE migration (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    checksum INTEGER NOT NULL,
    applied_ms INTEGER NOT NULL
) STRICT;

-- Names that have a number: a run by its id, a journal stream by its name ("run/ID").
CREATE TABLE name (
    key INTEGER PRIMARY KEY,
    text TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE workspace (
    id TEXT PRIMARY KEY NOT NULL,
    created_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE workflow (
    workspace TEXT NOT NULL,
    hash TEXT NOT NULL,
    name TEXT NOT NULL,
    body TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    PRIMARY KEY (hash, workspace)
) STRICT;

CREATE TABLE task (
    workspace TEXT NOT NULL,
    id TEXT PRIMARY KEY NOT NULL,
    workflow_hash TEXT NOT NULL,
    name TEXT NOT NULL,
    params TEXT NOT NULL,
    state TEXT NOT NULL
        CHECK (state IN ('queued', 'running', 'waiting', 'sleeping', 'done', 'error', 'dropped', 'cancelled')),
    version INTEGER NOT NULL CHECK (version >= 1),
    priority INTEGER NOT NULL,
    target_run TEXT NOT NULL,
    accepted_ms INTEGER NOT NULL,
    dispatched_ms INTEGER NOT NULL,
    settled_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE run_data (
    key INTEGER PRIMARY KEY,
    workspace TEXT NOT NULL,
    task TEXT NOT NULL,
    workflow_hash TEXT NOT NULL,
    name TEXT NOT NULL,
    number INTEGER NOT NULL,
    status INTEGER NOT NULL CHECK (status BETWEEN 0 AND 7),
    interaction INTEGER NOT NULL CHECK (interaction BETWEEN 0 AND 2),
    file TEXT NOT NULL,
    dir TEXT NOT NULL,
    params TEXT NOT NULL,
    secrets TEXT NOT NULL,
    env TEXT NOT NULL,
    resumed_from TEXT NOT NULL,
    forked_from TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    started_ms INTEGER NOT NULL,
    ended_ms INTEGER NOT NULL,
    exit_status INTEGER NOT NULL,
    nodes_total INTEGER NOT NULL,
    nodes_succeeded INTEGER NOT NULL,
    nodes_failed INTEGER NOT NULL,
    nodes_skipped INTEGER NOT NULL,
    nodes_cancelled INTEGER NOT NULL,
    last_seq INTEGER NOT NULL
) STRICT;

-- Unfinished runs, by file: what a start and `run --resume` look for among any number of finished ones.
CREATE INDEX run_unfinished ON run_data (file) WHERE status < 3;

CREATE VIEW run AS
SELECT r.workspace, n.text AS id, r.task, r.workflow_hash, r.name, r.number,
    CASE r.status
        WHEN 0 THEN 'accepted' WHEN 1 THEN 'running' WHEN 2 THEN 'interrupted' WHEN 3 THEN 'ok' WHEN 4 THEN 'error'
        WHEN 5 THEN 'timeout' WHEN 6 THEN 'cancelled' WHEN 7 THEN 'over_budget' END AS status,
    CASE r.interaction WHEN 0 THEN 'working' WHEN 1 THEN 'waiting_for_input' WHEN 2 THEN 'closed' END AS interaction,
    r.file, r.dir, r.params, r.secrets, r.env, r.resumed_from, r.forked_from, r.created_ms, r.started_ms, r.ended_ms,
    r.exit_status, r.nodes_total, r.nodes_succeeded, r.nodes_failed, r.nodes_skipped, r.nodes_cancelled, r.last_seq
FROM run_data AS r JOIN name AS n ON n.key = r.key;

-- key: the run's key * 1048576 + the node's index.
CREATE TABLE node_data (
    key INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    kind INTEGER NOT NULL CHECK (kind BETWEEN 0 AND 6),
    state INTEGER NOT NULL CHECK (state BETWEEN 0 AND 9),
    detail INTEGER NOT NULL CHECK (detail BETWEEN 0 AND 39),
    root TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    error TEXT NOT NULL,
    result TEXT NOT NULL,
    ready_ms INTEGER NOT NULL,
    started_ms INTEGER NOT NULL,
    ended_ms INTEGER NOT NULL,
    due_ms INTEGER NOT NULL
) STRICT;

-- The texts of `detail`, which two views need.
CREATE TABLE detail_word (
    number INTEGER PRIMARY KEY,
    text TEXT NOT NULL
) STRICT;
INSERT INTO detail_word (number, text) VALUES
    (0, ''), (1, 'question'), (2, 'input'), (3, 'approval'), (4, 'timer'), (5, 'event'), (6, 'children'), (7, 'budget'),
    (8, 'unknown_outcome'), (9, 'fresh'), (10, 'cache'), (11, 'replay'), (12, 'person'), (13, 'condition'), (14, 'pruned'),
    (15, 'upstream'), (16, 'over_budget'), (17, 'violation'), (18, 'fail_fast'), (19, 'signalled'), (20, 'run'),
    (21, 'upstream_cancelled'), (22, 'superseded'), (23, 'exit'), (24, 'signal'), (25, 'timeout'), (26, 'start'),
    (27, 'wait'), (28, 'capture'), (29, 'output_not_regular'), (30, 'output_missing'), (31, 'output_path'), (32, 'schema'),
    (33, 'rejected'), (34, 'denied'), (35, 'lost'), (36, 'unavailable'), (37, 'value'), (38, 'reducer'), (39, 'deadline');

-- The equation finds the run of a node; the range, which says the same, finds the nodes of a run by their primary key.
CREATE VIEW node AS
SELECT n.text AS run, d.id, d.key & 1048575 AS "index",
    CASE d.kind
        WHEN 0 THEN 'run' WHEN 1 THEN 'shell' WHEN 2 THEN 'approve' WHEN 3 THEN 'input' WHEN 4 THEN 'wait' WHEN 5 THEN 'set'
        WHEN 6 THEN 'reduce' END AS kind,
    CASE d.state
        WHEN 0 THEN 'pending' WHEN 1 THEN 'ready' WHEN 2 THEN 'running' WHEN 3 THEN 'waiting' WHEN 4 THEN 'succeeded'
        WHEN 5 THEN 'partial' WHEN 6 THEN 'failed' WHEN 7 THEN 'denied' WHEN 8 THEN 'skipped' WHEN 9 THEN 'cancelled' END AS state,
    (SELECT w.text FROM detail_word AS w WHERE w.number = d.detail) AS detail,
    d.root, d.attempts, d.epoch, d.error, d.result, d.ready_ms, d.started_ms, d.ended_ms, d.due_ms
FROM name AS n JOIN node_data AS d ON n.key = d.key >> 20 AND d.key >= n.key << 20 AND d.key < (n.key + 1) << 20;

CREATE TABLE attempt_data (
    node_key INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    node TEXT NOT NULL,
    number INTEGER NOT NULL,
    state INTEGER NOT NULL CHECK (state BETWEEN 0 AND 11),
    detail INTEGER NOT NULL CHECK (detail BETWEEN 0 AND 39),
    error_source TEXT NOT NULL,
    error TEXT NOT NULL,
    exit_status INTEGER NOT NULL,
    signal INTEGER NOT NULL,
    pid INTEGER NOT NULL,
    pid_start_ticks INTEGER NOT NULL,
    started_ms INTEGER NOT NULL,
    ended_ms INTEGER NOT NULL,
    stdout_size INTEGER NOT NULL,
    stderr_size INTEGER NOT NULL,
    log_last INTEGER NOT NULL,
    user_us INTEGER NOT NULL,
    system_us INTEGER NOT NULL,
    rss_max INTEGER NOT NULL,
    PRIMARY KEY (node_key, epoch)
) STRICT, WITHOUT ROWID;

CREATE VIEW attempt AS
SELECT n.text AS run, d.node, d.node_key & 1048575 AS node_index, d.number, d.epoch,
    CASE d.state
        WHEN 0 THEN 'pending' WHEN 1 THEN 'starting' WHEN 2 THEN 'running' WHEN 3 THEN 'ok' WHEN 4 THEN 'partial'
        WHEN 5 THEN 'error' WHEN 6 THEN 'timeout' WHEN 7 THEN 'denied' WHEN 8 THEN 'cancelled' WHEN 9 THEN 'lost'
        WHEN 10 THEN 'unknown' WHEN 11 THEN 'void' END AS state,
    (SELECT w.text FROM detail_word AS w WHERE w.number = d.detail) AS detail,
    d.error_source, d.error, d.exit_status, d.signal, d.pid, d.pid_start_ticks, d.started_ms, d.ended_ms, d.stdout_size,
    d.stderr_size, d.log_last, d.user_us, d.system_us, d.rss_max
FROM name AS n JOIN attempt_data AS d ON n.key = d.node_key >> 20 AND d.node_key >= n.key << 20 AND d.node_key < (n.key + 1) << 20;

CREATE TABLE artifact (
    run TEXT NOT NULL,
    node TEXT NOT NULL,
    name TEXT NOT NULL,
    media_type TEXT NOT NULL,
    digest TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    size INTEGER NOT NULL,
    is_complete INTEGER NOT NULL CHECK (is_complete IN (0, 1)),
    created_ms INTEGER NOT NULL,
    PRIMARY KEY (run, node, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE blocker (
    run TEXT NOT NULL,
    node TEXT NOT NULL,
    kind TEXT NOT NULL,
    revision INTEGER NOT NULL CHECK (revision >= 1),
    key TEXT NOT NULL,
    payload TEXT NOT NULL,
    digest TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'resolved', 'superseded')),
    decision TEXT NOT NULL,
    "by" TEXT NOT NULL,
    comment TEXT NOT NULL,
    answer TEXT NOT NULL,
    opened_ms INTEGER NOT NULL,
    resolved_ms INTEGER NOT NULL,
    deadline_ms INTEGER NOT NULL,
    PRIMARY KEY (run, key)
) STRICT;

-- A row a turn of the engine. Without a rowid the row is in the leaf that its key leads to: one page a commit.
-- batch: the id of the batch that appended it.
CREATE TABLE journal_data (
    stream INTEGER NOT NULL,
    first_seq INTEGER NOT NULL,
    event_count INTEGER NOT NULL CHECK (event_count >= 1),
    version INTEGER NOT NULL,
    wall_ms INTEGER NOT NULL,
    engine_ms INTEGER NOT NULL,
    body BLOB NOT NULL,
    checksum INTEGER NOT NULL,
    batch INTEGER NOT NULL,
    PRIMARY KEY (stream, first_seq)
) STRICT, WITHOUT ROWID;

CREATE VIEW journal AS
SELECT n.text AS stream, d.first_seq, d.event_count, d.version, d.wall_ms, d.engine_ms, d.body, d.checksum, d.batch
FROM name AS n JOIN journal_data AS d ON d.stream = n.key;

-- The latest snapshot of each stream.
CREATE TABLE snapshot_data (
    stream INTEGER PRIMARY KEY,
    seq INTEGER NOT NULL,
    body BLOB NOT NULL,
    checksum INTEGER NOT NULL
) STRICT;

CREATE VIEW snapshot AS
SELECT n.text AS stream, d.seq, d.body, d.checksum
FROM name AS n JOIN snapshot_data AS d ON d.stream = n.key;

CREATE TABLE meta (
    key TEXT PRIMARY KEY NOT NULL,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The id of the last batch. Ids only rise and batches are written in their order, so the last one says it all. A page
-- that every commit rewrites would cost a fifth of a small commit; therefore the row is left as it is while batches go on
-- appending to `stream`: then the newest journal row of that stream says which batch was the last.
CREATE TABLE batch_data (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    last_id INTEGER NOT NULL,
    stream INTEGER NOT NULL
) STRICT;
INSERT INTO batch_data (one, last_id, stream) VALUES (1, 0, 0);

CREATE VIEW batch AS
SELECT max(b.last_id,
    coalesce((SELECT j.batch FROM journal_data AS j WHERE j.stream = b.stream ORDER BY j.first_seq DESC LIMIT 1), 0)) AS last_id
FROM batch_data AS b;
