-- How many wait is counted again.
DROP TRIGGER a2a_queue_after_insert;
DROP TRIGGER a2a_queue_after_enter;
DROP TRIGGER a2a_queue_after_leave;
DROP TRIGGER a2a_queue_after_delete;
DROP TABLE a2a_queue_depths;
DROP INDEX a2a_queue_next;
CREATE INDEX a2a_queue_next ON a2a_queue (workspace_id, priority DESC, seq) WHERE status = 'queued';
