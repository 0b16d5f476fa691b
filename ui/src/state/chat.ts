/** Conversations that run in this page: sending, streaming, stopping. History is the server's (activity rows). */
import { create } from 'zustand';
import type { Attachment, LiveEvent } from '@/api/types';
import { api, ApiError, messageOf } from '@/backend';
import { endExchange, noteExchange, onLiveEvent, useLive } from './live';
import { applyFrame, openTurn, segmentsOf, type Turn } from './turns';

interface Chat {
  /** Turns of this page per agent, oldest first. */
  live: Record<string, Turn[]>;
  /** Per turn: how to cut the connection. */
  cuts: Record<string, AbortController>;
  stopping: Record<string, true>;
}

export const useChat = create<Chat>()(() => ({ live: {}, cuts: {}, stopping: {} }));

const KEEP = 40;
const REPLAY_MS = 400;

function put(turn: Turn): void {
  useChat.setState((state) => {
    const turns = state.live[turn.workspaceId] ?? [];
    const known = turns.some((each) => each.id === turn.id);
    const next = known ? turns.map((each) => (each.id === turn.id ? turn : each)) : [...turns, turn].slice(-KEEP);
    return { live: { ...state.live, [turn.workspaceId]: next } };
  });
}

function change(workspaceId: string, id: string, patch: (turn: Turn) => Turn): void {
  const turn = useChat.getState().live[workspaceId]?.find((each) => each.id === id);
  if (turn) put(patch(turn));
}

export interface Said { role: 'user' | 'agent'; parts: { kind: 'text'; text: string }[] }

function envelope(method: string, messageId: string, text: string, files: readonly Attachment[], history: Said[]): unknown {
  const words = text ? [{ kind: 'text', text }] : [];
  const attached = files.map(({ uri, name, mimeType, size }) => ({ kind: 'file', file: { uri, name, mimeType, size } }));
  return {
    jsonrpc: '2.0',
    id: messageId,
    method,
    params: {
      message: { kind: 'message', role: 'user', messageId, parts: [...words, ...attached] },
      metadata: history.length ? { history } : {},
    },
  };
}

/** Agents of this edition stream; others say on their card whether they do. */
function streams(workspaceId: string): boolean {
  const agent = useLive.getState().org.agents[workspaceId];
  return agent?.deliveryMode !== 'poll' && (agent?.runtime === 'local' || agent?.card?.capabilities?.streaming === true);
}

function refused(error: unknown): Pick<Turn, 'state' | 'fault'> {
  if (!(error instanceof ApiError)) return { state: 'failed', fault: { text: messageOf(error) } };
  const body = (error.body ?? {}) as { restarting?: boolean; waking?: boolean; busy?: boolean };
  const text = body.restarting ? 'The agent is restarting. Send it again in a moment.'
    : body.waking ? 'The agent is waking up. Send it again in a moment.'
      : body.busy ? 'The agent is busy. Send it again in a moment.'
        : error.status === 402 ? 'The budget of this agent is used up. Raise it to go on.'
          : error.status === 0 ? 'The message did not reach the server. It is kept here.'
            : error.message;
  return { state: 'failed', fault: { text, code: error.code, retryAfter: error.retryAfter } };
}

/** Sends one message. Every path out of here ends the turn, so that the next send always works (50 §19.1). */
export async function send(workspaceId: string, text: string, history: Said[], files: readonly Attachment[] = []): Promise<void> {
  const id = crypto.randomUUID();
  const cut = new AbortController();
  put(openTurn(workspaceId, id, text, Date.now(), files));
  useChat.setState((state) => ({ cuts: { ...state.cuts, [id]: cut } }));
  try {
    const method = streams(workspaceId) ? 'message/stream' : 'message/send';
    const answer = await api.a2a(workspaceId, envelope(method, id, text, files, history), cut.signal);
    if (answer.kind === 'stream') {
      for await (const frame of answer.events) {
        change(workspaceId, id, (turn) => applyFrame(turn, frame, Date.now()));
        linkDelegations(workspaceId, id);
      }
      // A stream that ends without its last frame was cut; the row will say what became of it.
      change(workspaceId, id, (turn) => (turn.state === 'open'
        ? { ...turn, state: 'failed', fault: { text: 'The connection to the agent was cut. It may still be working.', code: 'cut' } }
        : turn));
    } else {
      const body = answer.body as { queued?: boolean; status?: string };
      change(workspaceId, id, (turn) => (body.queued === true || body.status === 'queued'
        ? { ...turn, state: 'queued' }
        : applyFrame(turn, answer.body, Date.now())));
    }
  } catch (error) {
    // An answer that already came by event makes a late failure of the connection meaningless (50 §13.2).
    change(workspaceId, id, (turn) => (turn.state !== 'open' ? turn
      : cut.signal.aborted ? { ...turn, state: 'canceled', ms: Date.now() - turn.startedAt }
        : { ...turn, ...refused(error), ms: Date.now() - turn.startedAt }));
  } finally {
    useChat.setState((state) => {
      const { [id]: _cut, ...cuts } = state.cuts;
      const { [id]: _stop, ...stopping } = state.stopping;
      return { cuts, stopping };
    });
  }
}

/** Each turn is taken up once; an agent that does not know it will not know it later. */
const watched = new Set<string>();

/** Takes up a turn that runs already, from its beginning (tasks/resubscribe): a reload shows it as it goes on. */
export async function watch(turn: Turn): Promise<void> {
  const { workspaceId, id } = turn;
  if (watched.has(id) || useChat.getState().cuts[id] || !streams(workspaceId)) return;
  watched.add(id);
  const cut = new AbortController();
  useChat.setState((state) => ({ cuts: { ...state.cuts, [id]: cut } }));
  try {
    const answer = await api.a2a(workspaceId, {
      jsonrpc: '2.0', id: crypto.randomUUID(), method: 'tasks/resubscribe', params: { id: turn.taskId || id },
    }, cut.signal);
    if (answer.kind !== 'stream') return;
    put({ ...turn, segments: [] });
    // What is told at once is told again: only what is open after that is going on now.
    const began = performance.now();
    setTimeout(() => linkDelegations(workspaceId, id), REPLAY_MS);
    for await (const frame of answer.events) {
      if ((frame as { error?: unknown }).error !== undefined) break;
      change(workspaceId, id, (each) => applyFrame(each, frame, Date.now()));
      if (performance.now() - began > REPLAY_MS) linkDelegations(workspaceId, id);
    }
  } catch {
    // The row comes by event when the turn ends.
  } finally {
    useChat.setState((state) => {
      const { [id]: _cut, ...cuts } = state.cuts;
      const left = (state.live[workspaceId] ?? []).filter((each) => each.id !== id || each.state !== 'open');
      return { cuts, live: { ...state.live, [workspaceId]: left } };
    });
  }
}

/** A delegation seen in the stream opens the bond at once, before any event says so. */
function linkDelegations(workspaceId: string, id: string): void {
  const turn = useChat.getState().live[workspaceId]?.find((each) => each.id === id);
  for (const segment of turn?.segments ?? []) {
    if (segment.kind !== 'thread') continue;
    for (const leg of segment.legs) {
      if (leg.state !== 'open') endExchange(`~leg:${id}:${leg.id}`, leg.state === 'error' ? 'error' : 'ok', leg.reply);
      if (leg.state !== 'open' || !leg.targetId) continue;
      const known = Object.values(useLive.getState().exchanges)
        .some((each) => each.parentTask === id && each.to === leg.targetId);
      if (known) continue;
      noteExchange({
        id: `~leg:${id}:${leg.id}`, from: workspaceId, to: leg.targetId, parentTask: id, ask: leg.ask,
        state: 'open', reply: '', startedAt: Date.now(),
      });
    }
  }
}

/** Stops a turn: the agent is told (tasks/cancel), and the page stops listening if it does not obey within a second. */
export async function stop(workspaceId: string, turn: Pick<Turn, 'id' | 'taskId'>): Promise<void> {
  useChat.setState((state) => ({ stopping: { ...state.stopping, [turn.id]: true } }));
  try {
    await api.a2a(workspaceId, {
      jsonrpc: '2.0', id: crypto.randomUUID(), method: 'tasks/cancel',
      params: { id: turn.taskId || turn.id, metadata: { message_id: turn.id } },
    });
  } finally {
    setTimeout(() => useChat.getState().cuts[turn.id]?.abort(), 1_000);
    setTimeout(() => useChat.setState((state) => {
      const { [turn.id]: _gone, ...stopping } = state.stopping;
      return { stopping };
    }), 5_000);
  }
}

export function dismiss(workspaceId: string, id: string): void {
  useChat.setState((state) => ({
    live: { ...state.live, [workspaceId]: (state.live[workspaceId] ?? []).filter((turn) => turn.id !== id) },
  }));
}

/** Words that an agent sends by itself. Neither text nor attachment: nothing (50 §1.3). */
function noteOf(event: LiveEvent): Turn | undefined {
  const { payload } = event;
  const text = typeof payload.message === 'string' ? payload.message : '';
  const files = (Array.isArray(payload.attachments) ? payload.attachments : [])
    .filter((each): each is { uri: string; name: string; mimeType?: string; size?: number } =>
      typeof each?.uri === 'string' && each.uri !== '' && typeof each?.name === 'string' && each.name !== '');
  if (!text.trim() && files.length === 0) return undefined;
  const at = Date.parse(event.timestamp) || Date.now();
  return {
    id: `note:${event.workspace_id}:${event.timestamp}`, workspaceId: event.workspace_id, kind: 'note', at, startedAt: at,
    question: '', files: [], segments: segmentsOf([], [text]), replyFiles: files, state: 'done',
  };
}

onLiveEvent((event) => {
  if (event.event !== 'AGENT_MESSAGE') return;
  const note = noteOf(event);
  if (note) put(note);
});
