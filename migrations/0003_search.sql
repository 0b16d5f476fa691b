-- What the search index has to look at again: rows of the log that were changed or are gone. The index itself lies
-- in a file of its own, so that feeding it never holds up the writer.
CREATE TABLE activity_changed (
    change       INTEGER PRIMARY KEY AUTOINCREMENT,
    seq          INTEGER NOT NULL,
    workspace_id TEXT NOT NULL
) STRICT;
CREATE INDEX activity_changed_workspace ON activity_changed (workspace_id, seq);
CREATE TRIGGER activity_logs_after_update
AFTER UPDATE OF activity_type, method, summary, status, request_body, response_body ON activity_logs BEGIN
    INSERT INTO activity_changed (seq, workspace_id) VALUES (new.seq, new.workspace_id);
END;
CREATE TRIGGER activity_logs_after_delete AFTER DELETE ON activity_logs BEGIN
    INSERT INTO activity_changed (seq, workspace_id) VALUES (old.seq, old.workspace_id);
END;

-- Old events are found in the order of their numbers.
DROP INDEX structure_events_created;
