-- Controllers: five more kinds of nodes, and what can befall them. A CHECK cannot be altered, so the two tables that name
-- kinds and details are made anew.

DROP VIEW node;
DROP VIEW attempt;

CREATE TABLE new_node_data (
    key INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    kind INTEGER NOT NULL CHECK (kind BETWEEN 0 AND 11),
    state INTEGER NOT NULL CHECK (state BETWEEN 0 AND 9),
    detail INTEGER NOT NULL CHECK (detail BETWEEN 0 AND 45),
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
INSERT INTO new_node_data (
    key, id, kind, state, detail, root, attempts, epoch, error, result, ready_ms, started_ms, ended_ms, due_ms)
SELECT
    key, id, kind, state, detail, root, attempts, epoch, error, result, ready_ms, started_ms, ended_ms, due_ms FROM
    node_data;
DROP TABLE node_data;
ALTER TABLE new_node_data RENAME TO node_data;

CREATE TABLE new_attempt_data (
    node_key INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    node TEXT NOT NULL,
    number INTEGER NOT NULL,
    state INTEGER NOT NULL CHECK (state BETWEEN 0 AND 11),
    detail INTEGER NOT NULL CHECK (detail BETWEEN 0 AND 45),
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
INSERT INTO new_attempt_data (
    node_key, epoch, node, number, state, detail, error_source, error, exit_status, signal, pid, pid_start_ticks,
    started_ms, ended_ms, stdout_size, stderr_size, log_last, user_us, system_us, rss_max)
SELECT
    node_key, epoch, node, number, state, detail, error_source, error, exit_status, signal, pid, pid_start_ticks,
    started_ms, ended_ms, stdout_size, stderr_size, log_last, user_us, system_us, rss_max FROM attempt_data;
DROP TABLE attempt_data;
ALTER TABLE new_attempt_data RENAME TO attempt_data;

INSERT INTO detail_word (number, text) VALUES
    (40, 'branch'), (41, 'judge'), (42, 'iteration'), (43, 'children'), (44, 'revise_max'), (45, 'over_budget');

CREATE VIEW node AS
SELECT n.text AS run, d.id, d.key & 1048575 AS "index",
    CASE d.kind
        WHEN 0 THEN 'run' WHEN 1 THEN 'shell' WHEN 2 THEN 'approve' WHEN 3 THEN 'input' WHEN 4 THEN 'wait' WHEN 5 THEN 'set'
        WHEN 6 THEN 'reduce' WHEN 7 THEN 'foreach' WHEN 8 THEN 'loop' WHEN 9 THEN 'classify' WHEN 10 THEN 'tournament'
        WHEN 11 THEN 'workflow' END AS kind,
    CASE d.state
        WHEN 0 THEN 'pending' WHEN 1 THEN 'ready' WHEN 2 THEN 'running' WHEN 3 THEN 'waiting' WHEN 4 THEN 'succeeded'
        WHEN 5 THEN 'partial' WHEN 6 THEN 'failed' WHEN 7 THEN 'denied' WHEN 8 THEN 'skipped' WHEN 9 THEN 'cancelled' END AS state,
    (SELECT w.text FROM detail_word AS w WHERE w.number = d.detail) AS detail,
    d.root, d.attempts, d.epoch, d.error, d.result, d.ready_ms, d.started_ms, d.ended_ms, d.due_ms
FROM name AS n JOIN node_data AS d ON n.key = d.key >> 20 AND d.key >= n.key << 20 AND d.key < (n.key + 1) << 20;

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
