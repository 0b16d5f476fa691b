/**
 * The organisation as the canvas knows it: one snapshot, then the numbered event stream (50 §1.3). Pure.
 * Coordinates are absolute here, as they are stored (50 §6, L1).
 */
import type { AgentCard, LiveEvent, Workspace, WireStatus } from '@/api/types';

export interface Agent {
  id: string;
  name: string;
  role: string;
  tier: number;
  status: WireStatus;
  runtime: string;
  model: string;
  parentId: string | null;
  x: number;
  y: number;
  collapsed: boolean;
  activeTasks: number;
  /** Messages that wait until it is free. */
  queued: number;
  currentTask: string;
  errorRate: number;
  lastError: string;
  url: string;
  card: AgentCard | null;
  workspaceDir: string | null;
  deliveryMode: 'push' | 'poll';
  spendCents: number;
  budgetCents: number | null;
  provisionTimeoutMs: number | undefined;
  createdAt: string | undefined;
  lastHeartbeatAt: string | null;
  /** Since when this page has seen the present task, state of rest, or start. Milliseconds. */
  taskSince: number | undefined;
  idleSince: number | undefined;
  startingSince: number | undefined;
  /** First words of the last answer that this page has seen. */
  lastWords: string;
  /** Why it must be restarted; kept over a re-read of the list (50 §19.11). */
  restartReason: string;
}

export interface Org {
  agents: Readonly<Record<string, Agent>>;
  /** Statuses that came before the card did (50 §1.3, WORKSPACE_ONLINE). */
  early: Readonly<Record<string, WireStatus>>;
  /** Ids deleted here, with the time until which no list may bring them back (50 §2.3). */
  deleted: Readonly<Record<string, number>>;
  seq: number;
  loaded: boolean;
}

export const DELETION_GUARD_MS = 10_000;

export const emptyOrg: Org = { agents: {}, early: {}, deleted: {}, seq: 0, loaded: false };

const text = (value: unknown): string => (typeof value === 'string' ? value : '');
const finite = (value: unknown, otherwise: number): number =>
  typeof value === 'number' && Number.isFinite(value) ? value : otherwise;

function cardOf(value: unknown): AgentCard | null {
  return value !== null && typeof value === 'object' && !Array.isArray(value) ? (value as AgentCard) : null;
}

/** A card that names its model names it for the screen too. */
function cardPatch(agent: Agent, value: unknown): Partial<Agent> {
  const card = cardOf(value);
  return { card, model: card?.model || agent.model };
}

function fromRow(row: Workspace, known: Agent | undefined, now: number): Agent {
  const busy = (row.active_tasks ?? 0) > 0;
  const starting = row.status === 'provisioning';
  return {
    id: row.id,
    name: row.name,
    role: row.role ?? '',
    tier: row.tier,
    status: row.status,
    runtime: row.runtime || row.agent_card?.runtime || '',
    model: row.model ?? row.agent_card?.model ?? known?.model ?? '',
    parentId: row.parent_id,
    x: finite(row.x, 0),
    y: finite(row.y, 0),
    collapsed: row.collapsed === true,
    activeTasks: row.active_tasks ?? 0,
    queued: row.queued_messages ?? 0,
    currentTask: row.current_task ?? '',
    errorRate: row.last_error_rate ?? 0,
    lastError: row.last_sample_error ?? '',
    url: row.url ?? '',
    card: cardOf(row.agent_card),
    workspaceDir: row.workspace_dir ?? null,
    deliveryMode: row.delivery_mode ?? 'push',
    spendCents: row.monthly_spend ?? 0,
    budgetCents: row.budget_limit ?? null,
    provisionTimeoutMs: row.provision_timeout_ms,
    createdAt: row.created_at,
    lastHeartbeatAt: row.last_heartbeat_at ?? null,
    taskSince: busy ? (known?.taskSince ?? (known ? now : undefined)) : undefined,
    idleSince: busy ? undefined : (known?.idleSince ?? (known?.taskSince ? now : undefined)),
    startingSince: starting ? (known?.startingSince ?? now) : undefined,
    lastWords: known?.lastWords ?? '',
    restartReason: known?.restartReason ?? '',
  };
}

function sweep(deleted: Readonly<Record<string, number>>, now: number): Record<string, number> {
  return Object.fromEntries(Object.entries(deleted).filter(([, until]) => until > now));
}

/** A fresh list replaces everything but what only this page knows, and brings nothing deleted back. */
export function applySnapshot(org: Org, rows: Workspace[], now: number): Org {
  const deleted = sweep(org.deleted, now);
  const agents: Record<string, Agent> = {};
  for (const row of rows) {
    if (row.status === 'removed' || deleted[row.id] !== undefined) continue;
    agents[row.id] = fromRow(row, org.agents[row.id], now);
  }
  // A parent that is not listed would hide its child; such a child stands on its own.
  for (const agent of Object.values(agents)) {
    if (agent.parentId && !agents[agent.parentId]) agents[agent.id] = { ...agent, parentId: null };
  }
  return { ...org, agents, deleted, early: {}, loaded: true };
}

const indexes = new WeakMap<Org['agents'], ReadonlyMap<string | null, readonly Agent[]>>();

/** Who reports to whom, built once per state of the organisation. */
export function byParent(org: Org): ReadonlyMap<string | null, readonly Agent[]> {
  const known = indexes.get(org.agents);
  if (known) return known;
  const index = new Map<string | null, Agent[]>();
  for (const agent of Object.values(org.agents)) {
    const list = index.get(agent.parentId);
    if (list) list.push(agent);
    else index.set(agent.parentId, [agent]);
  }
  indexes.set(org.agents, index);
  return index;
}

const NOBODY: readonly Agent[] = [];

export function childrenOf(org: Org, id: string | null): readonly Agent[] {
  return byParent(org).get(id) ?? NOBODY;
}

/** The agent and everything below it. Safe against a cycle. */
export function subtree(org: Org, id: string): Agent[] {
  const found: Agent[] = [];
  const seen = new Set<string>();
  const walk = (next: string) => {
    const agent = org.agents[next];
    if (!agent || seen.has(next)) return;
    seen.add(next);
    found.push(agent);
    childrenOf(org, next).forEach((child) => walk(child.id));
  };
  walk(id);
  return found;
}

export function ancestors(org: Org, id: string): Agent[] {
  const chain: Agent[] = [];
  const seen = new Set([id]);
  for (let at = org.agents[id]?.parentId; at && !seen.has(at); at = org.agents[at]?.parentId) {
    seen.add(at);
    const agent = org.agents[at];
    if (agent) chain.push(agent);
  }
  return chain;
}

export function absoluteOf(org: Org, id: string | null | undefined): { x: number; y: number } {
  const agent = id ? org.agents[id] : undefined;
  return agent ? { x: agent.x, y: agent.y } : { x: 0, y: 0 };
}

export function patchAgent(org: Org, id: string, patch: Partial<Agent>): Org {
  const agent = org.agents[id];
  return agent ? { ...org, agents: { ...org.agents, [id]: { ...agent, ...patch } } } : org;
}

/** Removes a whole subtree at once, without waiting for events (50 §8.5), and guards it for ten seconds. */
export function removeSubtree(org: Org, id: string, now: number): Org {
  const gone = subtree(org, id).map((agent) => agent.id);
  const agents = { ...org.agents };
  const deleted = sweep(org.deleted, now);
  for (const each of gone) {
    delete agents[each];
    deleted[each] = now + DELETION_GUARD_MS;
  }
  return { ...org, agents, deleted };
}

/** One card went by event: its children move to its parent. */
function removeOne(org: Org, id: string): Org {
  const leaving = org.agents[id];
  if (!leaving) return org;
  const agents: Record<string, Agent> = {};
  for (const agent of Object.values(org.agents)) {
    if (agent.id === id) continue;
    agents[agent.id] = agent.parentId === id ? { ...agent, parentId: leaving.parentId } : agent;
  }
  return { ...org, agents };
}

function arrive(org: Org, event: LiveEvent, now: number): Org {
  const { payload, workspace_id: id } = event;
  const parentId = text(payload.parent_id) || null;
  const parent = absoluteOf(org, parentId);
  const early = { ...org.early };
  const status = early[id] ?? 'provisioning';
  delete early[id];
  const agent: Agent = {
    id,
    name: text(payload.name) || 'New agent',
    role: text(payload.role),
    tier: finite(payload.tier, 1),
    status,
    runtime: text(payload.runtime),
    model: text(payload.model),
    parentId: parentId && org.agents[parentId] ? parentId : null,
    // Arrivals speak in the parent's coordinates (L2, R-86); they are stored as absolute ones.
    x: parent.x + finite(payload.x, 0),
    y: parent.y + finite(payload.y, 0),
    collapsed: false,
    activeTasks: 0,
    queued: 0,
    currentTask: '',
    errorRate: 0,
    lastError: '',
    url: '',
    card: null,
    workspaceDir: null,
    deliveryMode: 'push',
    spendCents: 0,
    budgetCents: null,
    provisionTimeoutMs: undefined,
    createdAt: event.timestamp,
    lastHeartbeatAt: null,
    taskSince: undefined,
    idleSince: undefined,
    startingSince: status === 'provisioning' ? now : undefined,
    lastWords: '',
    restartReason: '',
  };
  return { ...org, early, agents: { ...org.agents, [id]: agent } };
}

function setStatus(org: Org, id: string, status: WireStatus, patch: Partial<Agent> = {}): Org {
  if (!org.agents[id]) return { ...org, early: { ...org.early, [id]: status } };
  return patchAgent(org, id, { status, startingSince: undefined, ...patch });
}

function taskPatch(agent: Agent, activeTasks: number, currentTask: string, now: number): Partial<Agent> {
  const busy = activeTasks > 0;
  return {
    activeTasks,
    currentTask: busy ? currentTask : '',
    taskSince: busy ? (agent.activeTasks > 0 ? (agent.taskSince ?? now) : now) : undefined,
    idleSince: busy ? undefined : agent.activeTasks > 0 ? now : agent.idleSince,
  };
}

/** A row that was edited here or elsewhere; only what was edited is named. */
function edited(org: Org, agent: Agent, payload: Record<string, unknown>): Org {
  const patch: Partial<Agent> = {};
  if (typeof payload.name === 'string') patch.name = payload.name;
  if ('role' in payload) patch.role = text(payload.role);
  if (typeof payload.tier === 'number') patch.tier = payload.tier;
  if (typeof payload.queued_messages === 'number') patch.queued = payload.queued_messages;
  if (typeof payload.runtime === 'string') patch.runtime = payload.runtime;
  if ('workspace_dir' in payload) patch.workspaceDir = text(payload.workspace_dir) || null;
  if (typeof payload.collapsed === 'boolean') patch.collapsed = payload.collapsed;
  if (typeof payload.x === 'number' && typeof payload.y === 'number') Object.assign(patch, { x: payload.x, y: payload.y });
  if ('parent_id' in payload) {
    const parentId = text(payload.parent_id) || null;
    if (parentId === null || org.agents[parentId]) patch.parentId = parentId;
  }
  return patchAgent(org, agent.id, patch);
}

/** First words of an answer, for the card. */
export function firstWords(value: string, limit = 140): string {
  return shorten(plainLines(value)[0] ?? '', limit);
}

/** The last paragraph of an answer is its conclusion: its first line, for the card. */
export function lastWords(value: string, limit = 140): string {
  const paragraph = value.trim().split(/\n\s*\n/).at(-1) ?? '';
  return shorten(plainLines(paragraph)[0] ?? plainLines(value)[0] ?? '', limit);
}

/** One line of an answer that says something: a short announcement before the matter is passed over. */
export function gist(value: string, limit = 240): string {
  const paragraphs = value.trim().split(/\n\s*\n/).map((each) => plainLines(each)[0] ?? '').filter(Boolean);
  const [first, second] = paragraphs;
  return shorten((first && second && first.length < 80 && second.length > 24 && paragraphs.length > 2 ? second : first) ?? '', limit);
}

const shorten = (line: string, limit: number) => (line.length > limit ? `${line.slice(0, limit - 1).trimEnd()}…` : line);

/** Lines without the marks of Markdown; underscores inside a word are part of it. */
function plainLines(value: string): string[] {
  return value
    .replace(/```[^\n]*/g, '')
    .replace(/\*\*|`|(?<![\w*])[*_](?=\S)|(?<=\S)[*_](?![\w*])/g, '')
    .split('\n')
    .map((line) => line.replace(/^\s*(?:#{1,6}|>|[-*+]|\d+\.)\s+/, '').trim())
    .filter((line) => line && !/^[-|:\s]+$/.test(line));
}

/** Applies one event. Unknown events change nothing; a guarded id stays away. */
export function applyEvent(before: Org, event: LiveEvent, now: number): Org {
  const org = event.seq !== undefined && event.seq > before.seq ? { ...before, seq: event.seq } : before;
  const { workspace_id: id, payload } = event;
  if (!id || (org.deleted[id] ?? 0) > now) return org;
  const agent = org.agents[id];
  switch (event.event) {
    case 'WORKSPACE_PROVISIONING':
      return agent
        ? patchAgent(org, id, {
            status: 'provisioning', currentTask: '', activeTasks: 0, restartReason: '',
            startingSince: now, taskSince: undefined, idleSince: undefined,
          })
        : arrive(org, event, now);
    case 'WORKSPACE_ONLINE':
      return setStatus(org, id, 'online', {
        lastError: '',
        errorRate: 0,
        ...(payload.agent_card !== undefined && agent ? cardPatch(agent, payload.agent_card) : {}),
        ...(typeof payload.url === 'string' ? { url: payload.url } : {}),
      });
    case 'WORKSPACE_OFFLINE':
      return setStatus(org, id, 'offline', { activeTasks: 0, currentTask: '', taskSince: undefined });
    case 'WORKSPACE_PAUSED':
      return setStatus(org, id, 'paused', { activeTasks: 0, currentTask: '', taskSince: undefined });
    case 'WORKSPACE_AWAITING_AGENT':
      return setStatus(org, id, 'awaiting_agent', { activeTasks: 0, currentTask: '', taskSince: undefined });
    case 'WORKSPACE_HIBERNATED':
      return setStatus(org, id, 'hibernated', { activeTasks: 0, currentTask: '', taskSince: undefined });
    case 'WORKSPACE_DEGRADED':
      return setStatus(org, id, 'degraded', {
        errorRate: finite(payload.error_rate, 0),
        lastError: text(payload.sample_error),
      });
    case 'WORKSPACE_PROVISION_FAILED':
      return setStatus(org, id, 'failed', {
        lastError: text(payload.error) || 'It could not be started.',
        activeTasks: 0, currentTask: '', taskSince: undefined,
      });
    case 'WORKSPACE_REMOVED':
      return removeOne(org, id);
    case 'WORKSPACE_UPDATED':
      return agent ? edited(org, agent, payload) : org;
    case 'AGENT_CARD_UPDATED':
      return agent ? patchAgent(org, id, cardPatch(agent, payload.agent_card)) : org;
    case 'TASK_UPDATED':
      return agent
        ? patchAgent(org, id, taskPatch(agent, finite(payload.active_tasks, agent.activeTasks), text(payload.current_task), now))
        : org;
    case 'WORKSPACE_HEARTBEAT': {
      if (!agent) return org;
      const active = finite(payload.active_tasks, agent.activeTasks);
      return active === agent.activeTasks ? org : patchAgent(org, id, taskPatch(agent, active, agent.currentTask, now));
    }
    default:
      return org;
  }
}
