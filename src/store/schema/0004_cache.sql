-- The cache: what attempts left behind, under the hash of all that they depended on [C1, C10]. Entries are only added and
-- dropped, never changed. `id` rises in the order of writing, so that what one run stored lies together and is read together
-- by the next. An entry is found by `place`, the first 64 bits of its key: half the index that the whole key would need; the
-- key itself is compared then. `owner` stands for a workflow's node: by it the last entry of a node is found, to say what has
-- changed since. The blobs stand last, so that what is read at each lookup is not behind what only people ask for.
CREATE TABLE cache_data (
    id INTEGER PRIMARY KEY,
    place INTEGER NOT NULL UNIQUE,
    key BLOB NOT NULL,
    node TEXT NOT NULL,
    owner INTEGER NOT NULL,
    size INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    manifest BLOB NOT NULL,
    made_of BLOB NOT NULL
) STRICT;
CREATE INDEX cache_owner ON cache_data (owner);

CREATE VIEW cache AS
SELECT id, key, node, owner, size, created_ms, manifest, made_of FROM cache_data;

-- Whether a blob that no entry needs any more is still an artifact.
CREATE INDEX artifact_digest ON artifact (digest);

-- A node that the cache settled has no attempt: where its output ends in the run's log is in its own row; -1: none.
DROP VIEW node;
ALTER TABLE node_data ADD COLUMN log_last INTEGER NOT NULL DEFAULT -1;
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
    d.root, d.attempts, d.epoch, d.error, d.result, d.ready_ms, d.started_ms, d.ended_ms, d.due_ms, d.log_last
FROM name AS n JOIN node_data AS d ON n.key = d.key >> 20 AND d.key >= n.key << 20 AND d.key < (n.key + 1) << 20;
