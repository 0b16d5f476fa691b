-- A data directory's database as schema 1 was released, with at least one row in each table. Frozen: it stands for
-- what lies on people's disks, and stays as it is when migrations/ moves on.

-- Times are TEXT, RFC 3339 UTC with six fractional digits, so that text order is time order (R-1).
-- Append-only tables carry `seq`; order and cursors use it (R-2).

PRAGMA auto_vacuum = INCREMENTAL;
CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE workspaces (
    id                       TEXT PRIMARY KEY,
    name                     TEXT NOT NULL,
    role                     TEXT,
    tier                     INTEGER NOT NULL DEFAULT 1,
    status                   TEXT NOT NULL DEFAULT 'provisioning' CHECK (status IN (
                                 'provisioning', 'awaiting_agent', 'online', 'degraded', 'offline',
                                 'failed', 'paused', 'hibernating', 'hibernated', 'removed')),
    runtime                  TEXT NOT NULL DEFAULT 'claude-code',
    delivery_mode            TEXT NOT NULL DEFAULT 'push' CHECK (delivery_mode IN ('push', 'poll')),
    parent_id                TEXT REFERENCES workspaces (id),
    forwarded_to             TEXT REFERENCES workspaces (id),
    source_bundle_id         TEXT,
    template                 TEXT,
    agent_card               TEXT CHECK (agent_card IS NULL OR json_valid(agent_card)),
    url                      TEXT,
    reported_url             TEXT,
    awareness_namespace      TEXT,
    workspace_dir            TEXT,
    workspace_access         TEXT NOT NULL DEFAULT 'none' CHECK (workspace_access IN ('none', 'read_only', 'read_write')),
    last_heartbeat_at        TEXT,
    last_outbound_at         TEXT,
    last_error_rate          REAL NOT NULL DEFAULT 0,
    last_sample_error        TEXT,
    current_task             TEXT,
    active_tasks             INTEGER NOT NULL DEFAULT 0,
    max_concurrent_tasks     INTEGER NOT NULL DEFAULT 1,
    uptime_seconds           INTEGER NOT NULL DEFAULT 0,
    budget_limit             INTEGER,
    monthly_spend            INTEGER NOT NULL DEFAULT 0,
    hibernation_idle_minutes INTEGER,
    -- 1 while a record of an instance that we started exists (R-59).
    launched                 INTEGER NOT NULL DEFAULT 0 CHECK (launched IN (0, 1)),
    created_at               TEXT NOT NULL,
    updated_at               TEXT NOT NULL
) STRICT;
CREATE INDEX workspaces_parent ON workspaces (parent_id);
CREATE INDEX workspaces_status ON workspaces (status);
CREATE INDEX workspaces_hibernation ON workspaces (hibernation_idle_minutes) WHERE hibernation_idle_minutes IS NOT NULL;

CREATE TABLE canvas_layouts (
    workspace_id TEXT PRIMARY KEY REFERENCES workspaces (id) ON DELETE CASCADE,
    x            REAL NOT NULL DEFAULT 0,
    y            REAL NOT NULL DEFAULT 0,
    width        REAL,
    height       REAL,
    collapsed    INTEGER NOT NULL DEFAULT 0 CHECK (collapsed IN (0, 1))
) STRICT, WITHOUT ROWID;

CREATE TABLE canvas_viewport (
    id   INTEGER PRIMARY KEY CHECK (id = 1),
    x    REAL NOT NULL,
    y    REAL NOT NULL,
    zoom REAL NOT NULL
) STRICT;

-- Credentials are stored as SHA-256 and the first eight characters, never as text.
CREATE TABLE workspace_auth_tokens (
    id           TEXT PRIMARY KEY,
    workspace_id TEXT NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    kind         TEXT NOT NULL DEFAULT 'bearer' CHECK (kind IN ('bearer', 'url')),
    token_hash   BLOB NOT NULL UNIQUE CHECK (length(token_hash) = 32),
    prefix       TEXT NOT NULL,
    created_at   TEXT NOT NULL,
    last_used_at TEXT,
    revoked_at   TEXT
) STRICT;
CREATE INDEX workspace_auth_tokens_live ON workspace_auth_tokens (workspace_id) WHERE revoked_at IS NULL;

CREATE TABLE org_api_tokens (
    id           TEXT PRIMARY KEY,
    kind         TEXT NOT NULL DEFAULT 'bearer' CHECK (kind IN ('bearer', 'url', 'admin_url')),
    token_hash   BLOB NOT NULL UNIQUE CHECK (length(token_hash) = 32),
    prefix       TEXT NOT NULL,
    name         TEXT,
    org_id       TEXT REFERENCES workspaces (id) ON DELETE SET NULL,
    created_by   TEXT,
    created_at   TEXT NOT NULL,
    last_used_at TEXT,
    revoked_at   TEXT
) STRICT;
CREATE INDEX org_api_tokens_live ON org_api_tokens (created_at) WHERE revoked_at IS NULL;

-- Windows of the canvas (R-4).
CREATE TABLE canvas_sessions (
    id           TEXT PRIMARY KEY,
    token_hash   BLOB NOT NULL UNIQUE CHECK (length(token_hash) = 32),
    created_at   TEXT NOT NULL,
    expires_at   TEXT NOT NULL,
    last_used_at TEXT,
    revoked_at   TEXT
) STRICT;

-- One row per secret that a person stored; the value lies in the keychain or the sealed file (R-9).
CREATE TABLE secrets (
    scope        TEXT NOT NULL CHECK (scope IN ('global', 'workspace')),
    workspace_id TEXT NOT NULL DEFAULT '',
    key          TEXT NOT NULL,
    store        TEXT NOT NULL CHECK (store IN ('keychain', 'sealed')),
    version      INTEGER NOT NULL DEFAULT 1,
    length       INTEGER NOT NULL,
    check_value  TEXT NOT NULL,
    created_at   TEXT NOT NULL,
    updated_at   TEXT NOT NULL,
    PRIMARY KEY (scope, workspace_id, key),
    CHECK ((scope = 'global') = (workspace_id = ''))
) STRICT, WITHOUT ROWID;

CREATE TABLE activity_logs (
    seq             INTEGER PRIMARY KEY AUTOINCREMENT,
    id              TEXT NOT NULL UNIQUE,
    workspace_id    TEXT NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    activity_type   TEXT NOT NULL,
    source_id       TEXT,
    target_id       TEXT,
    method          TEXT,
    summary         TEXT,
    request_body    TEXT CHECK (request_body IS NULL OR json_valid(request_body)),
    response_body   TEXT CHECK (response_body IS NULL OR json_valid(response_body)),
    tool_trace      TEXT CHECK (tool_trace IS NULL OR json_valid(tool_trace)),
    duration_ms     INTEGER,
    status          TEXT NOT NULL DEFAULT 'ok' CHECK (status IN (
                        'ok', 'error', 'timeout', 'skipped', 'pending', 'dispatched', 'queued', 'completed', 'failed', 'stale')),
    error_detail    TEXT,
    idempotency_key TEXT,
    created_at      TEXT NOT NULL
) STRICT;
CREATE INDEX activity_logs_workspace ON activity_logs (workspace_id, seq DESC);
CREATE INDEX activity_logs_type ON activity_logs (workspace_id, activity_type, seq DESC);
CREATE INDEX activity_logs_created ON activity_logs (created_at);
CREATE UNIQUE INDEX activity_logs_idempotency ON activity_logs (workspace_id, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX activity_logs_delegation_request ON activity_logs (workspace_id, request_body ->> 'delegation_id')
    WHERE method IN ('delegate', 'delegate_result');
CREATE INDEX activity_logs_delegation_result ON activity_logs (workspace_id, response_body ->> 'delegation_id')
    WHERE method IN ('delegate', 'delegate_result');

-- Messages that an agent works on now. A row outlives a crash, so that no message is silently gone.
CREATE TABLE inflight (
    id           TEXT PRIMARY KEY,
    workspace_id TEXT NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    source_id    TEXT,
    method       TEXT,
    message_id   TEXT,
    request_body TEXT NOT NULL CHECK (json_valid(request_body)),
    started_at   TEXT NOT NULL
) STRICT;
CREATE INDEX inflight_workspace ON inflight (workspace_id);

CREATE TABLE a2a_queue (
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
CREATE INDEX a2a_queue_next ON a2a_queue (workspace_id, priority DESC, enqueued_at) WHERE status = 'queued';
CREATE INDEX a2a_queue_expiry ON a2a_queue (expires_at) WHERE status = 'queued' AND expires_at IS NOT NULL;
CREATE UNIQUE INDEX a2a_queue_idempotency ON a2a_queue (workspace_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL AND status IN ('queued', 'dispatched');

-- The outbox. `recorded` rows are the contract's structure events; the others mirror an activity row (R-20),
-- and where `activity_seq` is set the payload is built from that row instead of being stored twice.
CREATE TABLE structure_events (
    seq          INTEGER PRIMARY KEY AUTOINCREMENT,
    id           TEXT NOT NULL UNIQUE,
    event_type   TEXT NOT NULL,
    workspace_id TEXT,
    recorded     INTEGER NOT NULL DEFAULT 1 CHECK (recorded IN (0, 1)),
    payload      TEXT CHECK (payload IS NULL OR json_valid(payload)),
    activity_seq INTEGER,
    created_at   TEXT NOT NULL
) STRICT;
CREATE INDEX structure_events_workspace ON structure_events (workspace_id, seq DESC) WHERE recorded = 1;
CREATE INDEX structure_events_created ON structure_events (created_at);

CREATE TABLE workspace_token_usage (
    workspace_id   TEXT NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    period_start   TEXT NOT NULL,
    input_tokens   INTEGER NOT NULL DEFAULT 0,
    output_tokens  INTEGER NOT NULL DEFAULT 0,
    call_count     INTEGER NOT NULL DEFAULT 0,
    cost_micro_usd INTEGER NOT NULL DEFAULT 0,
    updated_at     TEXT NOT NULL,
    PRIMARY KEY (workspace_id, period_start)
) STRICT, WITHOUT ROWID;

CREATE TABLE agent_memories (
    seq          INTEGER PRIMARY KEY AUTOINCREMENT,
    id           TEXT NOT NULL UNIQUE,
    workspace_id TEXT NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    content      TEXT NOT NULL,
    scope        TEXT NOT NULL CHECK (scope IN ('LOCAL', 'TEAM', 'GLOBAL')),
    namespace    TEXT NOT NULL DEFAULT 'general',
    created_at   TEXT NOT NULL,
    updated_at   TEXT NOT NULL
) STRICT;
CREATE INDEX agent_memories_workspace ON agent_memories (workspace_id, namespace);
CREATE INDEX agent_memories_scope ON agent_memories (scope);

CREATE VIRTUAL TABLE agent_memories_fts USING fts5 (content, content = 'agent_memories', content_rowid = 'seq', tokenize = 'porter unicode61');
CREATE TRIGGER agent_memories_after_insert AFTER INSERT ON agent_memories BEGIN
    INSERT INTO agent_memories_fts (rowid, content) VALUES (new.seq, new.content);
END;
CREATE TRIGGER agent_memories_after_delete AFTER DELETE ON agent_memories BEGIN
    INSERT INTO agent_memories_fts (agent_memories_fts, rowid, content) VALUES ('delete', old.seq, old.content);
END;
CREATE TRIGGER agent_memories_after_update AFTER UPDATE OF content ON agent_memories BEGIN
    INSERT INTO agent_memories_fts (agent_memories_fts, rowid, content) VALUES ('delete', old.seq, old.content);
    INSERT INTO agent_memories_fts (rowid, content) VALUES (new.seq, new.content);
END;

CREATE TABLE workspace_memory (
    workspace_id TEXT NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    key          TEXT NOT NULL,
    value        TEXT NOT NULL CHECK (json_valid(value)),
    version      INTEGER NOT NULL DEFAULT 1,
    expires_at   TEXT,
    updated_at   TEXT NOT NULL,
    PRIMARY KEY (workspace_id, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE approval_requests (
    seq          INTEGER PRIMARY KEY AUTOINCREMENT,
    id           TEXT NOT NULL UNIQUE,
    workspace_id TEXT NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    task_id      TEXT,
    action       TEXT NOT NULL,
    reason       TEXT,
    context      TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(context)),
    status       TEXT NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'approved', 'denied', 'escalated')),
    decided_by   TEXT,
    decided_at   TEXT,
    created_at   TEXT NOT NULL
) STRICT;
CREATE INDEX approval_requests_pending ON approval_requests (created_at) WHERE status = 'pending';
CREATE INDEX approval_requests_workspace ON approval_requests (workspace_id, seq DESC);

CREATE TABLE platform_instructions (
    id           TEXT PRIMARY KEY,
    scope        TEXT NOT NULL CHECK (scope IN ('global', 'team', 'workspace')),
    scope_target TEXT,
    title        TEXT NOT NULL,
    content      TEXT NOT NULL,
    priority     INTEGER NOT NULL DEFAULT 0,
    enabled      INTEGER NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1)),
    created_at   TEXT NOT NULL,
    updated_at   TEXT NOT NULL
) STRICT;

CREATE TABLE workspace_config (
    workspace_id TEXT PRIMARY KEY REFERENCES workspaces (id) ON DELETE CASCADE,
    data         TEXT NOT NULL CHECK (json_valid(data)),
    updated_at   TEXT NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO meta VALUES ('installation', '7c9e6679-7425-40de-944b-e07fc1f90ae7'), ('port', '8080');

INSERT INTO workspaces (id, name, role, status, runtime, delivery_mode, parent_id, agent_card, url, workspace_access,
    last_heartbeat_at, active_tasks, max_concurrent_tasks, budget_limit, monthly_spend, created_at, updated_at) VALUES
    ('11111111-1111-4111-8111-111111111111', 'Lead', 'decides', 'offline', 'external', 'poll', NULL, '{"name":"Lead"}',
     NULL, 'none', '2026-05-02T09:14:03.000001Z', 0, 1, NULL, 0, '2026-05-01T08:00:00.000001Z', '2026-05-02T09:14:03.000001Z'),
    ('22222222-2222-4222-8222-222222222222', 'Waiting', NULL, 'awaiting_agent', 'external', 'push',
     '11111111-1111-4111-8111-111111111111', NULL, NULL, 'none', NULL, 0, 1, NULL, 0,
     '2026-05-01T08:00:00.000002Z', '2026-05-01T08:00:00.000002Z'),
    ('33333333-3333-4333-8333-333333333333', 'Dozing', 'writes', 'hibernating', 'external', 'push',
     '11111111-1111-4111-8111-111111111111', '{"name":"Dozing"}', NULL, 'read_only', '2026-05-02T09:00:00.000000Z', 0, 2,
     500, 12, '2026-05-01T08:00:00.000003Z', '2026-05-02T09:00:00.000000Z'),
    ('44444444-4444-4444-8444-444444444444', 'Gone', NULL, 'removed', 'external', 'push', NULL, NULL, NULL, 'none', NULL, 0,
     1, NULL, 0, '2026-04-01T08:00:00.000000Z', '2026-04-02T08:00:00.000000Z');
INSERT INTO canvas_layouts VALUES ('11111111-1111-4111-8111-111111111111', 120.5, -40, NULL, NULL, 0),
    ('33333333-3333-4333-8333-333333333333', 0, 200, 320, 240, 1);
INSERT INTO canvas_viewport VALUES (1, 10, 20, 0.75);

INSERT INTO workspace_auth_tokens VALUES ('t1', '11111111-1111-4111-8111-111111111111', 'bearer',
    x'0101010101010101010101010101010101010101010101010101010101010101', 'aaaaaaaa', '2026-05-01T08:00:00.000001Z', NULL, NULL);
INSERT INTO org_api_tokens VALUES ('o1', 'bearer', x'0202020202020202020202020202020202020202020202020202020202020202',
    'bbbbbbbb', 'ci', '11111111-1111-4111-8111-111111111111', 'canvas', '2026-05-01T08:00:00.000001Z', NULL, NULL);
INSERT INTO canvas_sessions VALUES ('s1', x'0303030303030303030303030303030303030303030303030303030303030303',
    '2026-05-01T08:00:00.000001Z', '2026-06-01T08:00:00.000001Z', NULL, NULL);
INSERT INTO secrets VALUES ('global', '', 'OPENAI_API_KEY', 'sealed', 2, 51, 'check', '2026-05-01T08:00:00.000001Z',
    '2026-05-01T08:00:00.000001Z');

INSERT INTO activity_logs (id, workspace_id, activity_type, source_id, method, summary, request_body, response_body, status,
    created_at) VALUES
    ('a1', '11111111-1111-4111-8111-111111111111', 'a2a_receive', NULL, 'message/send', 'a question',
     '{"params":{"message":{"parts":[{"text":"what did we decide?"}]}}}', '{"result":"nothing yet"}', 'ok',
     '2026-05-02T09:00:00.000001Z'),
    ('a2', '11111111-1111-4111-8111-111111111111', 'delegation', '11111111-1111-4111-8111-111111111111', 'delegate', 'dig',
     '{"delegation_id":"d1","task":"dig"}', NULL, 'queued', '2026-05-02T09:00:01.000001Z');
INSERT INTO inflight VALUES ('f1', '33333333-3333-4333-8333-333333333333', NULL, 'message/send', 'm-cut-off',
    '{"method":"message/send","params":{"message":{"messageId":"m-cut-off"}}}', '2026-05-02T09:13:00.000001Z');
-- Written in another order than they were accepted in.
INSERT INTO a2a_queue (id, workspace_id, caller_id, body, method, idempotency_key, attempts, lease, last_error, status,
    enqueued_at, dispatched_at, completed_at, expires_at) VALUES
    ('q2', '33333333-3333-4333-8333-333333333333', NULL, '{"method":"message/send","params":{"message":{"messageId":"m2"}}}',
     'message/send', 'm2', 0, 0, NULL, 'queued', '2026-05-02T09:00:02.000001Z', NULL, NULL, NULL),
    ('q1', '33333333-3333-4333-8333-333333333333', NULL, '{"method":"message/send","params":{"message":{"messageId":"m1"}}}',
     'message/send', 'm1', 1, 3, 'busy', 'dispatched', '2026-05-02T09:00:01.000001Z', '2026-05-02T09:05:00.000001Z', NULL, NULL),
    ('q0', '33333333-3333-4333-8333-333333333333', '11111111-1111-4111-8111-111111111111', '{"method":"message/send"}',
     'message/send', 'm1', 1, 2, NULL, 'completed', '2026-05-02T08:00:00.000001Z', '2026-05-02T08:00:01.000001Z',
     '2026-05-02T08:00:02.000001Z', NULL);
INSERT INTO structure_events (id, event_type, workspace_id, recorded, payload, activity_seq, created_at) VALUES
    ('e1', 'WORKSPACE_PROVISIONING', '11111111-1111-4111-8111-111111111111', 1, '{"name":"Lead"}', NULL, '2026-05-01T08:00:00.000001Z'),
    ('e2', 'ACTIVITY_LOGGED', '11111111-1111-4111-8111-111111111111', 0, NULL, 1, '2026-05-02T09:00:00.000001Z');
INSERT INTO workspace_token_usage VALUES ('33333333-3333-4333-8333-333333333333', '2026-05-01T00:00:00.000000Z', 100, 20, 3,
    120000, '2026-05-02T09:00:00.000001Z');

INSERT INTO agent_memories (id, workspace_id, content, scope, created_at, updated_at) VALUES
    ('mem1', '11111111-1111-4111-8111-111111111111', 'The deploy window is Friday', 'TEAM', '2026-05-02T09:00:00.000001Z',
     '2026-05-02T09:00:00.000001Z');
INSERT INTO workspace_memory VALUES ('11111111-1111-4111-8111-111111111111', 'plan', '{"step":2}', 4, NULL,
    '2026-05-02T09:00:00.000001Z');
INSERT INTO approval_requests (id, workspace_id, action, reason, status, created_at) VALUES
    ('p1', '33333333-3333-4333-8333-333333333333', 'delete the branch', 'it is merged', 'approved', '2026-05-02T09:00:00.000001Z');
INSERT INTO platform_instructions VALUES ('i1', 'global', NULL, 'Tone', 'Be brief.', 0, 1, '2026-05-01T08:00:00.000001Z',
    '2026-05-01T08:00:00.000001Z');
INSERT INTO workspace_config VALUES ('33333333-3333-4333-8333-333333333333', '{"model":"small"}', '2026-05-01T08:00:00.000001Z');

PRAGMA user_version = 1;
