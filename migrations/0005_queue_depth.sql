-- How many wait for a workspace is said to everybody who is told to wait (10 §10.1), so it is kept rather than counted.
CREATE TABLE a2a_queue_depths (
    workspace_id TEXT PRIMARY KEY REFERENCES workspaces (id) ON DELETE CASCADE,
    queued       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO a2a_queue_depths (workspace_id, queued)
SELECT workspace_id, count(*) FROM a2a_queue WHERE status = 'queued' GROUP BY workspace_id;
CREATE TRIGGER a2a_queue_after_insert AFTER INSERT ON a2a_queue WHEN new.status = 'queued' BEGIN
    INSERT INTO a2a_queue_depths (workspace_id, queued) VALUES (new.workspace_id, 1)
    ON CONFLICT (workspace_id) DO UPDATE SET queued = queued + 1;
END;
CREATE TRIGGER a2a_queue_after_enter AFTER UPDATE OF status ON a2a_queue
WHEN new.status = 'queued' AND old.status <> 'queued' BEGIN
    INSERT INTO a2a_queue_depths (workspace_id, queued) VALUES (new.workspace_id, 1)
    ON CONFLICT (workspace_id) DO UPDATE SET queued = queued + 1;
END;
CREATE TRIGGER a2a_queue_after_leave AFTER UPDATE OF status ON a2a_queue
WHEN old.status = 'queued' AND new.status <> 'queued' BEGIN
    UPDATE a2a_queue_depths SET queued = queued - 1 WHERE workspace_id = old.workspace_id;
END;
CREATE TRIGGER a2a_queue_after_delete AFTER DELETE ON a2a_queue WHEN old.status = 'queued' BEGIN
    UPDATE a2a_queue_depths SET queued = queued - 1 WHERE workspace_id = old.workspace_id;
END;

-- The next message of a sender that has none on its way is found in the index alone.
DROP INDEX a2a_queue_next;
CREATE INDEX a2a_queue_next ON a2a_queue (workspace_id, priority DESC, seq, caller_id, expires_at) WHERE status = 'queued';
