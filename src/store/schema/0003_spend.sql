-- What attempts spend: what each reported, and what a run was charged, so that it can be asked for, and so that runs that
-- share a budget's group know of each other: the rows of the others are what they have spent and reserved. Money is kept
-- in millionths of a dollar, exactly, and shown in dollars.

DROP VIEW run;
DROP VIEW attempt;

ALTER TABLE run_data ADD COLUMN budget_group TEXT NOT NULL DEFAULT '';
ALTER TABLE run_data ADD COLUMN cost_micro INTEGER NOT NULL DEFAULT 0;
ALTER TABLE run_data ADD COLUMN tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE run_data ADD COLUMN tokens_cached INTEGER NOT NULL DEFAULT 0;
ALTER TABLE run_data ADD COLUMN reserved_micro INTEGER NOT NULL DEFAULT 0;
ALTER TABLE run_data ADD COLUMN reserved_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE run_data ADD COLUMN counted_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE run_data ADD COLUMN counted_attempts INTEGER NOT NULL DEFAULT 0;
ALTER TABLE run_data ADD COLUMN counted_nodes INTEGER NOT NULL DEFAULT 0;

-- The runs of a group, however many others there are.
CREATE INDEX run_group ON run_data (budget_group) WHERE budget_group <> '';

ALTER TABLE attempt_data ADD COLUMN cost_micro INTEGER NOT NULL DEFAULT 0;
ALTER TABLE attempt_data ADD COLUMN tokens_in INTEGER NOT NULL DEFAULT 0;
ALTER TABLE attempt_data ADD COLUMN tokens_out INTEGER NOT NULL DEFAULT 0;
ALTER TABLE attempt_data ADD COLUMN tokens_cached INTEGER NOT NULL DEFAULT 0;

CREATE VIEW run AS
SELECT r.workspace, n.text AS id, r.task, r.workflow_hash, r.name, r.number,
    CASE r.status
        WHEN 0 THEN 'accepted' WHEN 1 THEN 'running' WHEN 2 THEN 'interrupted' WHEN 3 THEN 'ok' WHEN 4 THEN 'error'
        WHEN 5 THEN 'timeout' WHEN 6 THEN 'cancelled' WHEN 7 THEN 'over_budget' END AS status,
    CASE r.interaction WHEN 0 THEN 'working' WHEN 1 THEN 'waiting_for_input' WHEN 2 THEN 'closed' END AS interaction,
    r.file, r.dir, r.params, r.secrets, r.env, r.resumed_from, r.forked_from, r.created_ms, r.started_ms, r.ended_ms,
    r.exit_status, r.nodes_total, r.nodes_succeeded, r.nodes_failed, r.nodes_skipped, r.nodes_cancelled, r.last_seq,
    r.budget_group, r.cost_micro / 1000000.0 AS cost_usd, r.tokens, r.tokens_cached,
    r.reserved_micro / 1000000.0 AS reserved_usd, r.reserved_tokens, r.counted_ms, r.counted_attempts, r.counted_nodes
FROM run_data AS r JOIN name AS n ON n.key = r.key;

CREATE VIEW attempt AS
SELECT n.text AS run, d.node, d.node_key & 1048575 AS node_index, d.number, d.epoch,
    CASE d.state
        WHEN 0 THEN 'pending' WHEN 1 THEN 'starting' WHEN 2 THEN 'running' WHEN 3 THEN 'ok' WHEN 4 THEN 'partial'
        WHEN 5 THEN 'error' WHEN 6 THEN 'timeout' WHEN 7 THEN 'denied' WHEN 8 THEN 'cancelled' WHEN 9 THEN 'lost'
        WHEN 10 THEN 'unknown' WHEN 11 THEN 'void' END AS state,
    (SELECT w.text FROM detail_word AS w WHERE w.number = d.detail) AS detail,
    d.error_source, d.error, d.exit_status, d.signal, d.pid, d.pid_start_ticks, d.started_ms, d.ended_ms, d.stdout_size,
    d.stderr_size, d.log_last, d.user_us, d.system_us, d.rss_max, d.cost_micro / 1000000.0 AS cost_usd, d.tokens_in,
    d.tokens_out, d.tokens_cached
FROM name AS n JOIN attempt_data AS d ON n.key = d.node_key >> 20 AND d.node_key >= n.key << 20 AND d.node_key < (n.key + 1) << 20;
