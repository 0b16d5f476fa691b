/**
 * Who is talking to whom right now, and what was said: the second line of a bond and the legs of a thread.
 * Built from events and from the in-flight route; the same exchange seen twice is one. Pure.
 */
import type { ActivityRow, Inflight, LiveEvent } from '@/api/types';
import { faultOf, parentTaskOf, requestContent, requestMessage, responseContent } from '@/text/a2a';

export interface Exchange {
  /** `messageId` of the message, or a stand-in until it is known. */
  id: string;
  from: string;
  to: string;
  /** The turn of `from` that caused it. */
  parentTask: string;
  ask: string;
  state: 'open' | 'queued' | 'ok' | 'error';
  reply: string;
  startedAt: number;
  endedAt?: number;
  ms?: number;
}

export type Exchanges = Readonly<Record<string, Exchange>>;

/** Finished exchanges are kept so that a thread can show them; the oldest go first. */
const KEEP = 400;

const text = (value: unknown): string => (typeof value === 'string' ? value : '');

function prune(all: Record<string, Exchange>): Record<string, Exchange> {
  const ids = Object.keys(all);
  if (ids.length <= KEEP) return all;
  const done = ids.filter((id) => all[id]?.endedAt !== undefined)
    .sort((a, b) => (all[a]?.endedAt ?? 0) - (all[b]?.endedAt ?? 0));
  for (const id of done.slice(0, ids.length - KEEP)) delete all[id];
  return all;
}

/** A stand-in for the same pair (and, where both know it, the same turn) is replaced by the real one. */
function standIn(all: Exchanges, next: Exchange): string | undefined {
  return Object.values(all).find((each) =>
    each.id !== next.id && each.endedAt === undefined && each.from === next.from && each.to === next.to
    && each.id.startsWith('~') && (!each.parentTask || !next.parentTask || each.parentTask === next.parentTask))?.id;
}

export function openExchange(all: Exchanges, next: Exchange): Exchanges {
  const known = all[next.id];
  if (known) return known.endedAt === undefined ? { ...all, [next.id]: { ...next, startedAt: known.startedAt } } : all;
  const copy = { ...all };
  const old = standIn(all, next);
  if (old) {
    next = { ...next, startedAt: all[old]?.startedAt ?? next.startedAt, parentTask: next.parentTask || (all[old]?.parentTask ?? '') };
    delete copy[old];
  } else if (next.id.startsWith('~')) {
    const real = Object.values(all).find((each) => each.endedAt === undefined && each.from === next.from && each.to === next.to
      && (!each.parentTask || !next.parentTask || each.parentTask === next.parentTask));
    if (real) return all;
  }
  copy[next.id] = next;
  return prune(copy);
}

export function closeExchange(all: Exchanges, id: string, patch: Partial<Exchange>, now: number): Exchanges {
  const known = all[id];
  if (!known) return all;
  return { ...all, [id]: { ...known, ...patch, endedAt: known.endedAt ?? now } };
}

/** A row of the receiver: the whole exchange, asked and answered. */
export function fromRow(row: Pick<ActivityRow, 'activity_type' | 'workspace_id' | 'source_id' | 'request_body' | 'response_body' | 'status' | 'error_detail' | 'duration_ms'>,
  now: number): Exchange | undefined {
  if (row.activity_type !== 'a2a_receive' || !row.source_id || row.source_id === row.workspace_id) return undefined;
  const id = requestMessage(row.request_body)?.messageId;
  if (!id) return undefined;
  const fault = row.status === 'error' ? (row.error_detail ?? 'It failed.') : faultOf(row.response_body)?.text;
  // Whoever stopped in between said nothing: the leg says so itself.
  const reply = fault !== undefined ? (/^interrupted\b/i.test(fault) ? '' : fault) : responseContent(row.response_body).texts.join('\n\n');
  return {
    id,
    from: row.source_id,
    to: row.workspace_id,
    parentTask: parentTaskOf(row.request_body),
    ask: requestContent(row.request_body).texts.join('\n\n'),
    state: fault !== undefined ? 'error' : 'ok',
    reply,
    startedAt: now - (row.duration_ms ?? 0),
    endedAt: now,
    ms: row.duration_ms ?? undefined,
  };
}

export function applyInflight(all: Exchanges, workspaceId: string, rows: Inflight[], now: number): Exchanges {
  let next = all;
  for (const row of rows) {
    if (!row.source_id || row.source_id === workspaceId || row.method?.startsWith('tasks/')) continue;
    next = openExchange(next, {
      id: row.message_id,
      from: row.source_id,
      to: workspaceId,
      parentTask: parentTaskOf(row.request_body),
      ask: requestContent(row.request_body).texts.join('\n\n'),
      state: row.queued ? 'queued' : 'open',
      reply: '',
      startedAt: Date.parse(row.started_at) || now,
    });
  }
  return next;
}

export function applyExchangeEvent(all: Exchanges, event: LiveEvent, now: number): Exchanges {
  const { payload, workspace_id: id } = event;
  switch (event.event) {
    case 'ACTIVITY_LOGGED': {
      const from = text(payload.source_id);
      if (payload.activity_type === 'a2a_send' && from && text(payload.target_id) && from !== text(payload.target_id)) {
        return openExchange(all, {
          id: requestMessage(payload.request_body)?.messageId ?? `~send:${from}:${text(payload.target_id)}:${now}`,
          from,
          to: text(payload.target_id),
          parentTask: parentTaskOf(payload.request_body),
          ask: requestContent(payload.request_body).texts.join('\n\n') || text(payload.summary),
          state: 'open',
          reply: '',
          startedAt: now,
        });
      }
      const done = fromRow({
        activity_type: text(payload.activity_type),
        workspace_id: id,
        source_id: from || null,
        request_body: payload.request_body,
        response_body: payload.response_body,
        status: text(payload.status),
        error_detail: text(payload.error_detail) || null,
        duration_ms: typeof payload.duration_ms === 'number' ? payload.duration_ms : null,
      }, now);
      if (!done) return all;
      // A message that was only accepted (poll mode, queued) has no answer yet.
      const accepted = done.ms === undefined && !done.reply && done.state === 'ok';
      const opened = openExchange(all, { ...done, endedAt: undefined, state: 'open' });
      return closeExchange(opened, done.id, { ...done, state: accepted ? 'queued' : done.state, startedAt: opened[done.id]?.startedAt ?? done.startedAt }, now);
    }
    case 'DELEGATION_SENT': {
      const to = text(payload.target_id);
      return to
        ? openExchange(all, {
            id: text(payload.delegation_id) || `~delegation:${id}:${to}:${now}`,
            from: id,
            to,
            parentTask: '',
            ask: text(payload.task_preview),
            state: 'open',
            reply: '',
            startedAt: now,
          })
        : all;
    }
    case 'DELEGATION_STATUS':
      return all[text(payload.delegation_id)] && payload.status === 'queued'
        ? { ...all, [text(payload.delegation_id)]: { ...(all[text(payload.delegation_id)] as Exchange), state: 'queued' } }
        : all;
    case 'DELEGATION_COMPLETE':
      return closeExchange(all, text(payload.delegation_id), { state: 'ok', reply: text(payload.response_preview) }, now);
    case 'DELEGATION_FAILED':
      return closeExchange(all, text(payload.delegation_id), { state: 'error', reply: text(payload.error) }, now);
    // Whoever stopped leaves nothing open.
    case 'WORKSPACE_OFFLINE':
    case 'WORKSPACE_PAUSED':
    case 'WORKSPACE_REMOVED':
    case 'WORKSPACE_PROVISIONING':
      return Object.values(all).reduce((next, each) =>
        each.endedAt === undefined && (each.to === id || each.from === id)
          ? closeExchange(next, each.id, { state: 'error', reply: each.reply || 'It stopped before it answered.' }, now)
          : next, all);
    case 'TASK_UPDATED':
    case 'WORKSPACE_HEARTBEAT':
      // Nobody at work: what still looks open was answered where this page did not see it.
      return payload.active_tasks === 0
        ? Object.values(all).reduce((next, each) =>
            each.endedAt === undefined && each.to === id && now - each.startedAt > 2_000
              ? closeExchange(next, each.id, { state: 'ok' }, now)
              : next, all)
        : all;
    default:
      return all;
  }
}

export const openOnes = (all: Exchanges): Exchange[] => Object.values(all).filter((each) => each.endedAt === undefined);

/** What an agent sent in a turn that came to no end, by its own record: nobody answered any more. */
export function sentIn(rows: readonly ActivityRow[], from: string, turnId: string): Exchange[] {
  return rows
    .filter((row) => row.activity_type === 'a2a_send' && row.target_id && row.target_id !== from && parentTaskOf(row.request_body) === turnId)
    .map((row) => ({
      id: requestMessage(row.request_body)?.messageId ?? row.id,
      from,
      to: row.target_id ?? '',
      parentTask: turnId,
      ask: requestContent(row.request_body).texts.join('\n\n'),
      state: 'error' as const,
      reply: '',
      startedAt: Date.parse(row.created_at),
      endedAt: Date.parse(row.created_at),
    }));
}

/** The exchanges that one turn of one agent caused, oldest first. */
export function ofTurn(all: Exchanges, from: string, turnId: string): Exchange[] {
  return Object.values(all)
    .filter((each) => each.from === from && each.parentTask === turnId)
    .sort((a, b) => a.startedAt - b.startedAt);
}
