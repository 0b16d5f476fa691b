-- Every event has an id again; those that had none get one.
CREATE TABLE structure_events_old (
    seq          INTEGER PRIMARY KEY AUTOINCREMENT,
    id           TEXT NOT NULL UNIQUE,
    event_type   TEXT NOT NULL,
    workspace_id TEXT,
    recorded     INTEGER NOT NULL DEFAULT 1 CHECK (recorded IN (0, 1)),
    payload      TEXT CHECK (payload IS NULL OR json_valid(payload)),
    activity_seq INTEGER,
    created_at   TEXT NOT NULL
) STRICT;
INSERT INTO structure_events_old (seq, id, event_type, workspace_id, recorded, payload, activity_seq, created_at)
SELECT seq, coalesce(id, lower(hex(randomblob(16)))), event_type, workspace_id, recorded, payload, activity_seq, created_at
FROM structure_events ORDER BY seq;
DELETE FROM sqlite_sequence WHERE name = 'structure_events_old';
INSERT INTO sqlite_sequence (name, seq) SELECT 'structure_events_old', seq FROM sqlite_sequence WHERE name = 'structure_events';
DROP TABLE structure_events;
ALTER TABLE structure_events_old RENAME TO structure_events;
CREATE INDEX structure_events_workspace ON structure_events (workspace_id, seq DESC) WHERE recorded = 1;

DROP INDEX activity_logs_workspace;
DROP INDEX activity_logs_type;
CREATE INDEX activity_logs_workspace ON activity_logs (workspace_id, seq DESC);
CREATE INDEX activity_logs_type ON activity_logs (workspace_id, activity_type, seq DESC);
CREATE INDEX activity_logs_created ON activity_logs (created_at);
