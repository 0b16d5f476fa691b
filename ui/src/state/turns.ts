/**
 * A conversation as turns: from activity rows (after a reload), from the in-flight route, and from the live stream.
 * The same turn reads the same whichever way it came (S172). Pure.
 */
import type { ActivityRow, Attachment, Inflight, TraceEntry } from '@/api/types';
import {
  faultOf, requestContent, requestMessage, responseContent, responseMessage, stateOf, traceOf, usageOf,
  type Fault,
} from '@/text/a2a';

export interface ToolCall {
  id: string;
  tool: string;
  input?: unknown;
  output: string;
  state: 'open' | 'ok' | 'error';
  ms?: number;
}

export interface Leg {
  id: string;
  targetId: string;
  name: string;
  ask: string;
  reply: string;
  state: 'open' | 'queued' | 'ok' | 'error';
  startedAt?: number;
  ms?: number;
}

export type Segment =
  | { kind: 'text'; text: string; artifact?: string }
  | { kind: 'tools'; calls: ToolCall[] }
  | { kind: 'thread'; legs: Leg[] }
  | { kind: 'approval'; approvalId: string; action: string; reason: string };

export type TurnState = 'open' | 'done' | 'failed' | 'canceled' | 'interrupted' | 'queued';

export interface Turn {
  /** `messageId` of the request; for a note, the row's id. */
  id: string;
  workspaceId: string;
  /** `note`: the agent spoke without being asked (notify). */
  kind: 'turn' | 'note';
  /** Milliseconds; a row's own `created_at` where there is a row (50 §13.2). */
  at: number;
  startedAt: number;
  question: string;
  files: Attachment[];
  segments: Segment[];
  replyFiles: Attachment[];
  state: TurnState;
  fault?: Fault;
  ms?: number;
  usage?: { input: number; output: number };
  taskId?: string;
}

const DELEGATES = new Set(['delegate_task', 'delegate_task_async', 'delegate_to_workspace']);
const isDelegation = (tool: string) => DELEGATES.has(tool);

/** A question to the person is shown as the question itself. */
const ASKS = new Set(['ask_approval', 'request_approval']);

const str = (value: unknown): string => (typeof value === 'string' ? value : '');
const isObj = (value: unknown): value is Record<string, unknown> => value !== null && typeof value === 'object' && !Array.isArray(value);
/** What was asked: the task of the input, also where the input came as a cut piece of JSON. */
function askOf(input: unknown): string {
  if (isObj(input)) return str(input.task) || str(input.message);
  const raw = str(input);
  if (!raw.startsWith('{')) return raw;
  try {
    const whole: unknown = JSON.parse(raw);
    return askOf(whole);
  } catch {
    const piece = /"(?:task|message)"\s*:\s*"((?:[^"\\]|\\.)*)/.exec(raw)?.[1] ?? '';
    return piece.replace(/\\n/g, '\n').replace(/\\(.)/g, '$1');
  }
}

function callOf(entry: TraceEntry, index: number, open: boolean): ToolCall {
  return {
    id: entry.id ?? `${entry.tool}:${index}`,
    tool: entry.tool,
    input: entry.input,
    output: entry.output_preview ?? '',
    state: entry.status === 'error' ? 'error' : open ? 'open' : 'ok',
    ms: entry.elapsed_ms,
  };
}

function legOf(entry: TraceEntry, index: number, open: boolean): Leg {
  return {
    id: entry.id ?? `${entry.tool}:${index}`,
    targetId: entry.target_id ?? (isObj(entry.input) ? str(entry.input.workspace_id) || str(entry.input.target_id) : ''),
    name: entry.target_name ?? '',
    ask: askOf(entry.input),
    reply: entry.output_preview ?? '',
    state: entry.status === 'error' ? 'error' : open ? 'open' : 'ok',
    ms: entry.elapsed_ms,
  };
}

function addEntry(segments: Segment[], entry: TraceEntry, index: number, open: boolean): Segment[] {
  const last = segments.at(-1);
  if (ASKS.has(entry.tool)) return segments;
  if (isDelegation(entry.tool)) {
    const leg = legOf(entry, index, open);
    return last?.kind === 'thread'
      ? [...segments.slice(0, -1), { ...last, legs: [...last.legs, leg] }]
      : [...segments, { kind: 'thread', legs: [leg] }];
  }
  const call = callOf(entry, index, open);
  return last?.kind === 'tools'
    ? [...segments.slice(0, -1), { ...last, calls: [...last.calls, call] }]
    : [...segments, { kind: 'tools', calls: [call] }];
}

/** Words and calls in the order in which they happened, where the calls say how much had been said. */
function woven(trace: readonly TraceEntry[], text: string): Segment[] {
  const letters = [...text];
  let segments: Segment[] = [];
  let at = 0;
  const speak = (to: number) => {
    const piece = letters.slice(at, to).join('').trim();
    if (piece) segments = [...segments, { kind: 'text', text: piece }];
    at = Math.max(at, to);
  };
  trace.forEach((entry, index) => {
    speak(Math.min(entry.text_offset ?? at, letters.length));
    segments = addEntry(segments, entry, index, false);
  });
  speak(letters.length);
  return segments;
}

/** What was said before the last tool stands above the tools; the last words stand below them. */
export function segmentsOf(trace: readonly TraceEntry[], texts: readonly string[]): Segment[] {
  let segments: Segment[] = [];
  if (texts.length > 0 && trace.some((entry) => typeof entry.text_offset === 'number')) return woven(trace, texts.join(''));
  const spoken = texts.filter((each) => each.trim());
  const before = trace.length > 0 ? spoken.slice(0, -1) : spoken;
  const after = trace.length > 0 ? spoken.slice(-1) : [];
  if (before.length) segments.push({ kind: 'text', text: before.join('\n\n') });
  trace.forEach((entry, index) => {
    segments = addEntry(segments, entry, index, false);
  });
  if (after.length) segments.push({ kind: 'text', text: after.join('\n\n') });
  return segments;
}

/** What was asked, in one line: its words, else its files. */
export const askedBy = (turn: Turn): string => turn.question || turn.files.map((file) => file.name).join(', ');

export const textOf = (segments: readonly Segment[]): string =>
  segments.map((each) => (each.kind === 'text' ? each.text : '')).filter(Boolean).join('\n\n');

/** One row of the receiver as a turn; undefined for what is no conversation (50 §13.2, hidden rows). */
export function turnOfRow(row: ActivityRow): Turn | undefined {
  if (row.activity_type !== 'a2a_receive' || row.source_id === row.workspace_id) return undefined;
  const at = Date.parse(row.created_at);
  const answer = responseContent(row.response_body);
  if (row.method === 'notify') {
    return {
      id: row.id, workspaceId: row.workspace_id, kind: 'note', at, startedAt: at, question: '', files: [],
      segments: segmentsOf([], answer.texts), replyFiles: answer.files, state: 'done',
    };
  }
  const message = requestMessage(row.request_body);
  if (!message && row.method !== 'message/send' && row.method !== 'message/stream') return undefined;
  const asked = requestContent(row.request_body);
  const trace = traceOf(row.response_body, row.tool_trace);
  const fault = row.status === 'error' && row.response_body === undefined
    ? { text: row.error_detail ?? 'The message did not get through.' }
    : (faultOf(row.response_body) ?? (row.status === 'error' ? { text: row.error_detail ?? 'It failed.' } : undefined));
  const texts = fault ? answer.texts.filter((each) => each.trim() !== fault.text.trim()) : answer.texts;
  const interrupted = /^interrupted\b/i.test(row.error_detail ?? '');
  const accepted = row.response_body === undefined && row.status !== 'error';
  let state: TurnState = 'done';
  if (interrupted) state = 'interrupted';
  else if (fault) state = 'failed';
  else if (stateOf(row.response_body) === 'canceled' || responseMessage(row.response_body)?.metadata?.canceled === true) state = 'canceled';
  else if (accepted) state = 'queued';
  return {
    id: message?.messageId ?? row.id,
    workspaceId: row.workspace_id,
    kind: 'turn',
    at,
    startedAt: at - (row.duration_ms ?? 0),
    question: asked.texts.join('\n\n'),
    files: asked.files,
    segments: segmentsOf(trace, texts),
    replyFiles: answer.files,
    state,
    fault: interrupted ? { text: 'Molecule stopped while the agent was working. Send it again to retry.', code: 'interrupted' } : fault,
    ms: row.duration_ms ?? undefined,
    usage: usageOf(row.response_body),
    taskId: responseMessage(row.response_body)?.taskId,
  };
}

export function turnOfInflight(workspaceId: string, row: Inflight): Turn {
  const asked = requestContent(row.request_body);
  return {
    id: row.message_id, workspaceId, kind: 'turn', at: Date.parse(row.started_at), startedAt: Date.parse(row.started_at),
    question: asked.texts.join('\n\n'),
    files: asked.files, segments: [], replyFiles: [], state: row.queued ? 'queued' : 'open', taskId: row.task_id,
  };
}

export function openTurn(workspaceId: string, id: string, question: string, now: number, files: readonly Attachment[] = []): Turn {
  return {
    id, workspaceId, kind: 'turn', at: now, startedAt: now, question, files: [...files], segments: [], replyFiles: [], state: 'open',
  };
}

const urisOf = (turn: Turn) => turn.replyFiles.map((file) => file.uri).join('\n');
const squeeze = (value: string) => value.replace(/\s+/g, ' ').trim();

function appendText(segments: Segment[], text: string, artifact: string, fresh: boolean): Segment[] {
  const last = segments.at(-1);
  if (fresh) {
    // An agent that sends its whole artifact anew replaces what it said; ours sends only what is new.
    const index = segments.findIndex((each) => each.kind === 'text' && each.artifact === artifact);
    const old = segments[index];
    if (old?.kind === 'text' && old.text && text.startsWith(old.text)) {
      return segments.map((each, at) => (at === index ? { ...old, text } : each));
    }
  }
  if (last?.kind === 'text') return [...segments.slice(0, -1), { ...last, text: last.text + text }];
  return [...segments, { kind: 'text', text, artifact }];
}

function endCall(segments: Segment[], id: string, entry: TraceEntry): Segment[] {
  const state = entry.status === 'error' ? 'error' as const : 'ok' as const;
  return segments.map((each) => {
    if (each.kind === 'tools') {
      return { ...each, calls: each.calls.map((call) => (call.id === id
        ? { ...call, state, output: entry.output_preview ?? call.output, ms: entry.elapsed_ms ?? call.ms } : call)) };
    }
    if (each.kind === 'thread') {
      return { ...each, legs: each.legs.map((leg) => (leg.id === id
        ? {
            ...leg, state, reply: entry.output_preview ?? leg.reply, ms: entry.elapsed_ms ?? leg.ms,
            targetId: entry.target_id ?? leg.targetId, name: entry.target_name ?? leg.name,
          } : leg)) };
    }
    return each;
  });
}

function settleOpen(segments: Segment[], state: 'ok' | 'error'): Segment[] {
  return segments.map((each) => {
    if (each.kind === 'tools') return { ...each, calls: each.calls.map((call) => (call.state === 'open' ? { ...call, state } : call)) };
    if (each.kind === 'thread') return { ...each, legs: each.legs.map((leg) => (leg.state === 'open' ? { ...leg, state } : leg)) };
    return each;
  });
}

function finish(turn: Turn, body: unknown, state: TurnState, now: number): Turn {
  const answer = responseContent(body);
  const message = responseMessage(body);
  const fault = state === 'done' || state === 'failed' ? faultOf(body) : undefined;
  const ended: TurnState = fault ? 'failed' : state;
  const texts = fault ? answer.texts.filter((each) => each.trim() !== fault.text.trim()) : answer.texts;
  let segments = settleOpen(turn.segments, ended === 'done' ? 'ok' : 'error');
  if (fault) {
    segments = segments.filter((each) => each.kind !== 'text' || squeeze(each.text) !== squeeze(fault.text));
  }
  const same = squeeze(textOf(segments)) === squeeze(texts.join(' '));
  if (!same && texts.length > 0) {
    const approvals = segments.filter((each) => each.kind === 'approval');
    const trace = traceOf(body);
    const tools = segments.filter((each) => each.kind === 'tools' || each.kind === 'thread');
    segments = trace.length > 0 || tools.length === 0
      ? [...approvals, ...segmentsOf(trace, texts)]
      : [...tools, ...approvals, ...segmentsOf([], texts)];
  }
  return {
    ...turn,
    segments,
    replyFiles: answer.files,
    state: ended,
    fault,
    usage: usageOf(body) ?? turn.usage,
    taskId: message?.taskId ?? turn.taskId,
    ms: turn.ms ?? now - turn.startedAt,
  };
}

/** One frame of `message/stream`, or the whole answer of `message/send`. */
export function applyFrame(turn: Turn, frame: unknown, now: number): Turn {
  if (!isObj(frame)) return turn;
  if (frame.error !== undefined) return finish(turn, frame, 'failed', now);
  const result = frame.result;
  if (!isObj(result)) return result === undefined ? turn : finish(turn, frame, 'done', now);
  if (result.kind === 'artifact-update' && isObj(result.artifact)) {
    const text = responseContent({ result: { parts: result.artifact.parts } }).texts.join('');
    return text ? { ...turn, segments: appendText(turn.segments, text, str(result.artifact.artifactId), result.append !== true) } : turn;
  }
  const status = isObj(result.status) ? result.status : undefined;
  if (!status) return finish(turn, frame, 'done', now);
  const state = str(status.state);
  let next: Turn = { ...turn, taskId: str(result.taskId) || (result.kind === 'task' ? str(result.id) : '') || turn.taskId };
  const parts = isObj(status.message) && Array.isArray(status.message.parts) ? status.message.parts : [];
  for (const part of parts) {
    const data = isObj(part) ? part.data : undefined;
    if (!isObj(data)) continue;
    if (data.type === 'tool_call') {
      const entry = data as unknown as TraceEntry;
      next = data.phase === 'end'
        ? { ...next, segments: endCall(next.segments, str(data.id), entry) }
        : { ...next, segments: addEntry(next.segments, entry, 0, true) };
    } else if (data.type === 'approval' && !next.segments.some((each) => each.kind === 'approval' && each.approvalId === data.approval_id)) {
      next = { ...next, segments: [...next.segments, {
        kind: 'approval', approvalId: str(data.approval_id), action: str(data.action), reason: str(data.reason),
      }] };
    }
  }
  if (state === 'completed') return finish(next, { result }, 'done', now);
  if (state === 'failed' || state === 'rejected') return finish(next, { result }, 'failed', now);
  if (state === 'canceled') return finish(next, { result }, 'canceled', now);
  return next;
}

/** Tasks that the person called off: an answer that was cut short looks like any other in its own row. */
function calledOff(rows: readonly ActivityRow[]): Set<string> {
  const ids = new Set<string>();
  for (const row of rows) {
    if (row.method !== 'tasks/cancel' || stateOf(row.response_body) !== 'canceled') continue;
    const params = isObj(row.request_body) && isObj(row.request_body.params) ? row.request_body.params : {};
    if (typeof params.id === 'string') ids.add(params.id);
  }
  return ids;
}

/** Rows, live turns and turns in flight as one conversation, oldest first, each turn once. */
export function conversation(
  workspaceId: string, rows: readonly ActivityRow[], live: readonly Turn[], inflight: readonly Inflight[],
): Turn[] {
  const turns = new Map<string, Turn>();
  const called = calledOff(rows);
  const again = new Set<string>();
  for (const row of rows) {
    const turn = turnOfRow(row);
    if (!turn) continue;
    // A message that had to wait has a row for that and a row for its end: it stands where it was asked.
    const before = turns.get(turn.id);
    if (before) again.add(turn.id);
    const startedAt = Math.min(turn.startedAt, before?.startedAt ?? turn.startedAt);
    turns.set(turn.id, { ...turn, startedAt, state: turn.state === 'done' && called.has(turn.taskId ?? turn.id) ? 'canceled' : turn.state });
  }
  const notes = [...turns.values()].filter((turn) => turn.kind === 'note');
  for (const turn of live) {
    const stored = turns.get(turn.id);
    if (turn.kind === 'note') {
      // The event came without the row's id: the same words and files within a few seconds are the same note.
      const twin = notes.some((note) => squeeze(textOf(note.segments)) === squeeze(textOf(turn.segments))
        && urisOf(note) === urisOf(turn) && Math.abs(note.at - turn.at) < 5_000);
      if (!twin) turns.set(turn.id, turn);
    } else if (!stored) {
      turns.set(turn.id, turn);
    } else if (turn.state === 'queued' && stored.state === 'failed' && stored.ms === undefined && !again.has(turn.id)) {
      // The first attempt was logged as such; the message waits.
      turns.set(turn.id, { ...turn, at: stored.at });
    } else if (turn.state !== 'open' && stored.state === turn.state) {
      turns.set(turn.id, { ...turn, at: stored.at, ms: stored.ms ?? turn.ms });
    }
  }
  for (const row of inflight) {
    if (row.source_id !== null || !requestMessage(row.request_body)) continue;
    const known = turns.get(row.message_id);
    const waiting = turnOfInflight(workspaceId, row);
    if (!known) turns.set(row.message_id, waiting);
    // It came out of the queue again, or is still in it: its rows so far tell of nothing but waiting.
    else if (known.ms === undefined && (known.state === 'queued' || known.state === 'failed')) turns.set(row.message_id, { ...waiting, startedAt: known.startedAt });
  }
  // A row is stamped when it is answered: order by when it was asked.
  return [...turns.values()].sort((a, b) => a.startedAt - b.startedAt);
}
