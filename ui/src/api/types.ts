/** Shapes on the wire, as the contract writes them (10, 20, 30, 50) plus the desktop's own additions. */

export type WireStatus =
  | 'provisioning' | 'online' | 'degraded' | 'offline' | 'failed' | 'paused'
  | 'hibernating' | 'hibernated' | 'awaiting_agent' | 'removed';

export interface AgentCard {
  name?: string;
  description?: string;
  version?: string;
  runtime?: string;
  model?: string;
  capabilities?: { streaming?: boolean };
  skills?: { id?: string; name?: string; description?: string; tags?: string[] }[];
}

/** 20 §1.3 with the keys that ruling R-71 adds. Coordinates are absolute; (0,0) means never placed. */
export interface Workspace {
  id: string;
  name: string;
  role: string | null;
  tier: number;
  status: WireStatus;
  url: string;
  parent_id: string | null;
  runtime: string;
  agent_card: AgentCard | null;
  active_tasks: number;
  max_concurrent_tasks: number;
  uptime_seconds: number;
  last_error_rate: number;
  last_sample_error: string;
  current_task: string;
  workspace_dir: string | null;
  budget_limit: number | null;
  monthly_spend: number;
  x: number;
  y: number;
  collapsed: boolean;
  provision_timeout_ms?: number;
  last_heartbeat_at?: string | null;
  delivery_mode?: 'push' | 'poll';
  created_at?: string;
  /** How many messages wait until it is free. */
  queued_messages?: number;
  /** Additive: the model slug, when the platform lists it. */
  model?: string;
}

export interface Viewport { x: number; y: number; zoom: number }

/** 10 §14.2. `seq` is there for every numbered event; beats carry none. */
export interface LiveEvent {
  event: string;
  workspace_id: string;
  timestamp: string;
  payload: Record<string, unknown>;
  seq?: number;
}

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

export interface TraceEntry {
  tool: string;
  input?: unknown;
  output_preview?: string;
  target_id?: string;
  target_name?: string;
  status?: 'ok' | 'error';
  elapsed_ms?: number;
  id?: string;
  /** Additive: how many characters of the answer stood when the call began. */
  text_offset?: number;
}

/** 10 §12.1 */
export interface ActivityRow {
  id: string;
  workspace_id: string;
  activity_type: string;
  status: string;
  created_at: string;
  source_id: string | null;
  target_id: string | null;
  method: string | null;
  summary: string | null;
  error_detail: string | null;
  duration_ms: number | null;
  request_body?: unknown;
  response_body?: unknown;
  tool_trace?: TraceEntry[];
}

/** 10 §12.4: a row of the log, or something remembered. */
export interface Hit {
  kind: 'activity' | 'memory';
  id: string;
  workspace_id: string;
  label: string;
  content: string | null;
  method: string | null;
  status: string | null;
  created_at: string;
  source_id?: string;
  target_id?: string;
  error_detail?: string;
  duration_ms?: number;
  request_body?: unknown;
  response_body?: unknown;
}

/** `GET /workspaces/:id/inflight`: a turn that is being answered right now. */
export interface Inflight {
  message_id: string;
  method: string | null;
  source_id: string | null;
  started_at: string;
  request_body: unknown;
  task_id?: string;
  /** It waits until the agent is free; nobody works on it yet. */
  queued?: boolean;
}

export interface ApprovalContext { diff?: string; command?: string; path?: string; cwd?: string }

export interface Approval {
  id: string;
  workspace_id: string;
  workspace_name?: string;
  action: string;
  reason: string | null;
  status: string;
  created_at: string;
  task_id?: string | null;
  decided_by?: string | null;
  decided_at?: string | null;
  context?: ApprovalContext | null;
  /** Additive: when it is denied by itself. */
  expires_at?: string;
}

export interface BrokenTemplate { kind: string; id: string; file: string; line: number; column: number; reason: string }


export interface Template {
  id: string;
  name: string;
  description: string;
  tier: number;
  runtime: string;
  model: string;
  models?: { id: string; name?: string; required_env?: string[] }[];
  required_env?: string[];
  skills: string[];
  skill_count: number;
}

export type Requirement = string | { any_of: string[] };

export interface OrgTemplate {
  dir: string;
  name: string;
  description: string;
  workspaces: number;
  required_env: Requirement[];
  recommended_env: Requirement[];
}

export interface OrgImportResult {
  org: string;
  count: number;
  workspaces: { id: string; name: string; tier: number }[];
  error?: string;
}

export interface Secret {
  key: string;
  has_value: boolean;
  scope: 'global' | 'workspace';
  created_at: string;
  updated_at: string;
  store?: 'keychain' | 'sealed';
}

export interface KeyCheck { valid: boolean; error?: string; code?: 'wrong' | 'expired' | 'quota' | 'unreachable' | string }

export interface LocalServer { name: string; base_url: string; models: string[] }

export interface MissingSecret { scope: 'global' | 'workspace'; workspace_id?: string; workspace_name?: string; key: string }

export interface VaultState {
  store: 'keychain' | 'sealed';
  state: 'ready' | 'locked' | 'replaced' | 'unavailable';
  reason?: string;
  missing: MissingSecret[];
}

export interface AppState {
  version: string;
  installation_id: string;
  event_seq: number;
  vault: VaultState;
  engine: { state: 'absent' | 'ready'; detail?: string };
  models: { keys: string[]; local: LocalServer[] };
  development: boolean;
  accepting_agents_until?: string | null;
}

export interface Session { id: string; created_at: string; last_used_at: string | null; current: boolean }

export interface Connection {
  workspace_id: string;
  platform_url: string;
  auth_token: string;
  registry_endpoint: string;
  heartbeat_endpoint: string;
  curl_register_template: string;
  python_snippet: string;
  claude_code_channel_snippet?: string;
  universal_mcp_snippet?: string;
  a2a_sdk_snippet?: string;
}

export interface CreateWorkspace {
  name: string;
  role?: string;
  template?: string;
  tier?: number;
  model?: string;
  runtime?: string;
  parent_id?: string;
  workspace_dir?: string;
  workspace_access?: 'read_only' | 'read_write';
  secrets?: Record<string, string>;
  canvas?: { x: number; y: number };
}

export interface CreatedWorkspace { id: string; status: WireStatus; external?: boolean; connection?: Connection }

export interface Health {
  status: string;
  vault?: Partial<VaultState>;
  subsystems?: Record<string, unknown> | unknown[];
  recovering?: unknown;
}

export interface Attachment { uri: string; name: string; mimeType?: string; size?: number }

export interface A2AMessage {
  kind?: string;
  role?: string;
  messageId?: string;
  taskId?: string;
  contextId?: string;
  parts?: { kind?: string; type?: string; text?: string; data?: unknown; file?: { name?: string; mimeType?: string; uri?: string; size?: number } }[];
  metadata?: Record<string, unknown>;
  usage?: { input_tokens?: number; output_tokens?: number };
}
