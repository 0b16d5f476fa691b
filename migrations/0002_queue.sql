-- The busy queue (10 §10) gets what its order and its claims need: `seq`, the order of acceptance, which no clock
-- can turn around (R-2); `lease_until`, after which a claim whose holder is gone may be taken back (`lease` is its
-- fencing token); and what the message needs to be sent as it would have been: its `A2A-Version` and its hop (R-21).
-- The key is unique for each sender: two agents that choose the same messageId speak of two messages.
CREATE TABLE a2a_queue_new (
    seq             INTEGER PRIMARY KEY AUTOINCREMENT,
    id              TEXT NOT NULL UNIQUE,
    workspace_id    TEXT NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    caller_id       TEXT,
    priority        INTEGER NOT NULL DEFAULT 50,
    body            TEXT NOT NULL CHECK (json_valid(body)),
    method          TEXT,
    idempotency_key TEXT,
    attempts        INTEGER NOT NULL DEFAULT 0,
    lease           INTEGER NOT NULL DEFAULT 0,
    lease_until     TEXT,
    last_error      TEXT,
    status          TEXT NOT NULL DEFAULT 'queued' CHECK (status IN ('queued', 'dispatched', 'completed', 'dropped', 'failed')),
    enqueued_at     TEXT NOT NULL,
    dispatched_at   TEXT,
    completed_at    TEXT,
    expires_at      TEXT,
    a2a_version     TEXT,
    hop             INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO a2a_queue_new (id, workspace_id, caller_id, priority, body, method, idempotency_key, attempts, lease, last_error,
    status, enqueued_at, dispatched_at, completed_at, expires_at)
SELECT id, workspace_id, caller_id, priority, body, method, idempotency_key, attempts, lease, last_error,
    status, enqueued_at, dispatched_at, completed_at, expires_at
FROM a2a_queue ORDER BY enqueued_at, rowid;
DROP TABLE a2a_queue;
ALTER TABLE a2a_queue_new RENAME TO a2a_queue;
CREATE INDEX a2a_queue_next ON a2a_queue (workspace_id, priority DESC, seq) WHERE status = 'queued';
CREATE INDEX a2a_queue_pair ON a2a_queue (workspace_id, caller_id) WHERE status IN ('queued', 'dispatched');
CREATE INDEX a2a_queue_claimed ON a2a_queue (workspace_id, caller_id) WHERE status = 'dispatched';
CREATE INDEX a2a_queue_expiry ON a2a_queue (expires_at) WHERE status = 'queued' AND expires_at IS NOT NULL;
CREATE UNIQUE INDEX a2a_queue_idempotency ON a2a_queue (workspace_id, coalesce(caller_id, ''), idempotency_key)
    WHERE idempotency_key IS NOT NULL AND status IN ('queued', 'dispatched');
