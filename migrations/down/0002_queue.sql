-- Back to the queue of schema 1: the order of acceptance becomes that of time, and a key is unique for its target
-- again. Where two senders chose the same one, the later message keeps waiting without it: none is lost.
CREATE TABLE a2a_queue_old (
    id              TEXT PRIMARY KEY,
    workspace_id    TEXT NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    caller_id       TEXT,
    priority        INTEGER NOT NULL DEFAULT 50,
    body            TEXT NOT NULL CHECK (json_valid(body)),
    method          TEXT,
    idempotency_key TEXT,
    attempts        INTEGER NOT NULL DEFAULT 0,
    lease           INTEGER NOT NULL DEFAULT 0,
    last_error      TEXT,
    status          TEXT NOT NULL DEFAULT 'queued' CHECK (status IN ('queued', 'dispatched', 'completed', 'dropped', 'failed')),
    enqueued_at     TEXT NOT NULL,
    dispatched_at   TEXT,
    completed_at    TEXT,
    expires_at      TEXT
) STRICT;
INSERT INTO a2a_queue_old (id, workspace_id, caller_id, priority, body, method, idempotency_key, attempts, lease, last_error,
    status, enqueued_at, dispatched_at, completed_at, expires_at)
SELECT id, workspace_id, caller_id, priority, body, method,
    iif(status IN ('queued', 'dispatched') AND EXISTS (
            SELECT 1 FROM a2a_queue earlier
            WHERE earlier.workspace_id = later.workspace_id AND earlier.idempotency_key = later.idempotency_key
                AND earlier.status IN ('queued', 'dispatched') AND earlier.seq < later.seq),
        NULL, idempotency_key),
    attempts, lease, last_error, status, enqueued_at, dispatched_at, completed_at, expires_at
FROM a2a_queue later ORDER BY seq;
DROP TABLE a2a_queue;
ALTER TABLE a2a_queue_old RENAME TO a2a_queue;
CREATE INDEX a2a_queue_next ON a2a_queue (workspace_id, priority DESC, enqueued_at) WHERE status = 'queued';
CREATE INDEX a2a_queue_expiry ON a2a_queue (expires_at) WHERE status = 'queued' AND expires_at IS NOT NULL;
CREATE UNIQUE INDEX a2a_queue_idempotency ON a2a_queue (workspace_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL AND status IN ('queued', 'dispatched');
