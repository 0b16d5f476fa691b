-- What every message writes becomes less. Old rows of the log are found in the order of their numbers, so their times
-- need no index; the indexes of a log that grows at its end grow at theirs; and an event that mirrors a row, which
-- nobody asks for by its id, has none from now on.
DROP INDEX activity_logs_created;
DROP INDEX activity_logs_workspace;
DROP INDEX activity_logs_type;
CREATE INDEX activity_logs_workspace ON activity_logs (workspace_id, seq);
CREATE INDEX activity_logs_type ON activity_logs (workspace_id, activity_type, seq);

CREATE TABLE structure_events_new (
    seq          INTEGER PRIMARY KEY AUTOINCREMENT,
    id           TEXT CHECK (recorded = 0 OR id IS NOT NULL),
    event_type   TEXT NOT NULL,
    workspace_id TEXT,
    recorded     INTEGER NOT NULL DEFAULT 1 CHECK (recorded IN (0, 1)),
    payload      TEXT CHECK (payload IS NULL OR json_valid(payload)),
    activity_seq INTEGER,
    created_at   TEXT NOT NULL
) STRICT;
INSERT INTO structure_events_new (seq, id, event_type, workspace_id, recorded, payload, activity_seq, created_at)
SELECT seq, id, event_type, workspace_id, recorded, payload, activity_seq, created_at
FROM structure_events ORDER BY seq;
-- No number is given twice, also where the newest events are gone.
DELETE FROM sqlite_sequence WHERE name = 'structure_events_new';
INSERT INTO sqlite_sequence (name, seq) SELECT 'structure_events_new', seq FROM sqlite_sequence WHERE name = 'structure_events';
DROP TABLE structure_events;
ALTER TABLE structure_events_new RENAME TO structure_events;
CREATE UNIQUE INDEX structure_events_id ON structure_events (id) WHERE id IS NOT NULL;
CREATE INDEX structure_events_workspace ON structure_events (workspace_id, seq) WHERE recorded = 1;
