import { describe, expect, it } from 'vitest';
import type { ActivityRow } from '@/api/types';
import { NOW } from './fixtures';
import { applyFrame, conversation, openTurn, segmentsOf, textOf, turnOfRow, type Turn } from './turns';

const at = (seconds: number) => new Date(NOW + seconds * 1000).toISOString();
const asked = (messageId: string, text: string) => ({ jsonrpc: '2.0', method: 'message/stream', params: { message: { messageId, role: 'user', parts: [{ kind: 'text', text }] } } });
const said = (text: string, more: Record<string, unknown> = {}) => ({ jsonrpc: '2.0', result: { kind: 'message', role: 'agent', messageId: 'r', parts: [{ kind: 'text', text }], ...more } });

function activity(id: string, more: Partial<ActivityRow> = {}): ActivityRow {
  return {
    id, workspace_id: 'w', activity_type: 'a2a_receive', status: 'ok', created_at: at(0), source_id: null, target_id: 'w', method: 'message/stream',
    summary: '', error_detail: null, duration_ms: 2_000, request_body: asked(`m-${id}`, `question ${id}`), response_body: said(`answer ${id}`), ...more,
  };
}

const frame = (result: unknown) => ({ jsonrpc: '2.0', id: 1, result });
const chunk = (text: string, append = true) => frame({ kind: 'artifact-update', append, artifact: { artifactId: 'reply', parts: [{ kind: 'text', text }] } });
const status = (state: string, data?: unknown, message?: unknown) => frame({
  kind: 'status-update', taskId: 't', status: { state, ...(data ? { message: { parts: [{ kind: 'data', data }] } } : message ? { message } : {}) },
});
const call = (id: string, tool: string, phase: 'start' | 'end', more: Record<string, unknown> = {}) => status('working', { type: 'tool_call', id, tool, phase, ...more });
const run = (...frames: unknown[]): Turn => frames.reduce<Turn>((turn, each) => applyFrame(turn, each, NOW + 3_000), openTurn('w', 'm', 'why?', NOW));
const finalMessage = (text: string, trace: unknown[] = [], more: Record<string, unknown> = {}) => ({ kind: 'message', role: 'agent', taskId: 'm', parts: [{ kind: 'text', text }], metadata: { tool_trace: trace, ...more }, usage: { input_tokens: 10, output_tokens: 20 } });

describe('the live stream', () => {
  it('grows by words and ends with the message', () => {
    const turn = run(frame({ kind: 'task', id: 'm', status: { state: 'submitted' } }), chunk('Hello', false), chunk(' there'), status('completed', undefined, finalMessage('Hello there')));
    expect(turn).toMatchObject({ state: 'done', taskId: 'm', usage: { input: 10, output: 20 }, ms: 3_000 });
    expect(turn.segments).toMatchObject([{ kind: 'text', text: 'Hello there' }]);
  });

  it('keeps words, tools and delegations in the order in which they happened', () => {
    const turn = run(
      chunk('One moment.', false), call('1', 'recall_memory', 'start', { input: { query: 'day 3' } }), call('1', 'recall_memory', 'end', { status: 'ok', output_preview: '6 hits', elapsed_ms: 400 }),
      call('2', 'delegate_task', 'start', { target_id: 'r', target_name: 'Research', input: '{"to":"Research","task":"ask \\"them\\""}' }),
      call('3', 'delegate_task', 'start', { target_id: 'e', target_name: 'Engineering', input: { task: 'cost?' } }),
      call('2', 'delegate_task', 'end', { target_id: 'r', status: 'ok', output_preview: '17 of 38', elapsed_ms: 900 }),
      chunk('So.'),
    );
    expect(turn.segments.map((each) => each.kind)).toEqual(['text', 'tools', 'thread', 'text']);
    expect(turn.segments[1]).toMatchObject({ calls: [{ tool: 'recall_memory', state: 'ok', output: '6 hits', ms: 400 }] });
    expect(turn.segments[2]).toMatchObject({ legs: [
      { targetId: 'r', name: 'Research', ask: 'ask "them"', reply: '17 of 38', state: 'ok', ms: 900 },
      { targetId: 'e', ask: 'cost?', state: 'open' },
    ] });
  });

  it('asks the person once for each approval', () => {
    const ask = status('input-required', { type: 'approval', approval_id: 'a', action: 'write', reason: 'because' });
    expect(run(ask, ask).segments).toEqual([{ kind: 'approval', approvalId: 'a', action: 'write', reason: 'because' }]);
  });

  it('says a fault once, with its code and when to try again', () => {
    const turn = run(chunk('Half an ', false), status('failed', undefined, finalMessage('Rate limited.', [], { error: { code: 'model_rate_limited', retry_after: 38 } })));
    expect(turn).toMatchObject({ state: 'failed', fault: { text: 'Rate limited.', code: 'model_rate_limited', retryAfter: 38 } });
    expect(textOf(turn.segments)).toBe('Half an ');
  });

  it('reads a JSON-RPC error as a fault', () => {
    expect(run({ jsonrpc: '2.0', error: { code: -32000, message: 'No key.', data: { code: 'model_key_missing' } } }))
      .toMatchObject({ state: 'failed', fault: { text: 'No key.', code: 'model_key_missing' } });
  });

  it('keeps what was said when it is stopped, and closes open calls', () => {
    const turn = run(chunk('Half', false), call('1', 'run_command', 'start'), status('canceled'));
    expect(turn.state).toBe('canceled');
    expect(turn.segments).toMatchObject([{ text: 'Half' }, { calls: [{ state: 'error' }] }]);
  });

  it('takes the whole answer of message/send', () => {
    expect(run(said('Yes.'))).toMatchObject({ state: 'done', segments: [{ kind: 'text', text: 'Yes.' }] });
  });

  it('replaces an artifact that is sent anew from its beginning', () => {
    expect(textOf(run(chunk('He', false), chunk('Hello', false)).segments)).toBe('Hello');
  });
});

describe('rows', () => {
  it('stamps question and answer with the row’s own time (regression 9)', () => {
    const turn = turnOfRow(activity('1', { created_at: at(60), duration_ms: 5_000 }));
    expect(turn).toMatchObject({ at: NOW + 60_000, startedAt: NOW + 55_000, question: 'question 1', state: 'done' });
  });

  it('joins all parts and artifacts (R)', () => {
    const many = { result: { kind: 'message', parts: [{ kind: 'text', text: 'one' }, { type: 'text', text: 'two' }] } };
    expect(textOf(turnOfRow(activity('1', { response_body: many }))?.segments ?? [])).toBe('one\n\ntwo');
    const artifacts = { result: { kind: 'task', artifacts: [{ parts: [{ kind: 'text', text: 'a' }] }, { parts: [{ kind: 'text', text: 'b' }] }] } };
    expect(textOf(turnOfRow(activity('1', { response_body: artifacts }))?.segments ?? [])).toBe('a\n\nb');
  });

  it('keeps the files beside a string result (R)', () => {
    const note = turnOfRow(activity('1', { method: 'notify', request_body: undefined, response_body: { result: 'Here', parts: [{ kind: 'file', file: { uri: 'workspace:/a', name: 'a.md' } }] } }));
    expect(note).toMatchObject({ kind: 'note', replyFiles: [{ uri: 'workspace:/a', name: 'a.md' }] });
  });

  it('hides what a workspace sent to itself, and what is no conversation', () => {
    expect(turnOfRow(activity('1', { source_id: 'w' }))).toBeUndefined();
    expect(turnOfRow(activity('1', { activity_type: 'task_update' }))).toBeUndefined();
    expect(turnOfRow(activity('1', { method: 'tasks/cancel', request_body: { method: 'tasks/cancel', params: { id: 'x' } } }))).toBeUndefined();
  });

  it('tells interrupted, failed, queued and stopped apart', () => {
    expect(turnOfRow(activity('1', { status: 'error', response_body: undefined, error_detail: 'interrupted: Molecule stopped while the agent was working. Send it again to retry.' }))).toMatchObject({ state: 'interrupted' });
    expect(turnOfRow(activity('1', { status: 'error', response_body: undefined, error_detail: 'refused' }))).toMatchObject({ state: 'failed', fault: { text: 'refused' } });
    expect(turnOfRow(activity('1', { response_body: undefined, duration_ms: null }))).toMatchObject({ state: 'queued' });
    expect(turnOfRow(activity('1', { response_body: { result: { kind: 'task', status: { state: 'canceled' } } } }))).toMatchObject({ state: 'canceled' });
  });

  it('weaves words and calls by their offsets, counted in characters', () => {
    const segments = segmentsOf([{ tool: 'read_file', text_offset: 4 }, { tool: 'delegate_task', target_id: 'r', text_offset: 4 }], ['One🙂 then the end']);
    expect(segments).toMatchObject([{ kind: 'text', text: 'One🙂' }, { kind: 'tools' }, { kind: 'thread' }, { kind: 'text', text: 'then the end' }]);
  });
});

describe('the same picture after a reload (S172)', () => {
  it('reads the same from the stream and from the row', () => {
    const trace = [
      { tool: 'recall_memory', input: 'day 3', output_preview: '6 hits', status: 'ok', elapsed_ms: 400, text_offset: 11 },
      { tool: 'delegate_task', input: { task: 'cost?' }, target_id: 'e', target_name: 'Engineering', output_preview: 'one day', status: 'ok', elapsed_ms: 900, text_offset: 11 },
    ];
    const live = run(
      chunk('One moment.', false),
      call('1', 'recall_memory', 'start', { input: 'day 3' }), call('1', 'recall_memory', 'end', trace[0]),
      call('2', 'delegate_task', 'start', { target_id: 'e', target_name: 'Engineering', input: { task: 'cost?' } }), call('2', 'delegate_task', 'end', trace[1]),
      chunk('\n\nOne day.'), status('completed', undefined, finalMessage('One moment.\n\nOne day.', trace)),
    );
    const stored = turnOfRow(activity('1', { request_body: asked('m', 'why?'), response_body: { result: finalMessage('One moment.\n\nOne day.', trace) } }));
    const picture = (turn: Turn | undefined) => turn?.segments.map((each) => (each.kind === 'text' ? each.text.trim()
      : each.kind === 'tools' ? each.calls.map(({ tool, output, state, ms }) => ({ tool, output, state, ms }))
        : each.kind === 'thread' ? each.legs.map(({ targetId, name, ask, reply, state, ms }) => ({ targetId, name, ask, reply, state, ms })) : each));
    expect(picture(live)).toEqual(picture(stored));
  });
});

describe('a message that waits (S172)', () => {
  const parked = activity('1', { status: 'error', response_body: undefined, error_detail: 'busy', duration_ms: null, created_at: at(0) });
  const waits = { message_id: 'm-1', method: 'message/send', source_id: null, started_at: at(1), request_body: parked.request_body, queued: true };
  const states = (...given: Parameters<typeof conversation>) => conversation(...given).map((turn) => [turn.id, turn.state, turn.fault]);

  it('says so live and after a reload, and then that it is worked on', () => {
    const live = [{ ...openTurn('w', 'm-1', 'question 1', NOW), state: 'queued' as const }];
    for (const [ours, rows] of [[live, []], [live, [waits]], [[], [waits]]] as const) {
      expect(states('w', [parked], ours, rows)).toEqual([['m-1', 'queued', undefined]]);
    }
    const { queued: _queued, ...working } = waits;
    expect(states('w', [parked], live, [working])).toEqual([['m-1', 'open', undefined]]);
  });

  it('ends as what came of it, where it was asked', () => {
    const later = activity('2', { created_at: at(20) });
    const done = activity('1', { id: 'r-9', created_at: at(60) });
    const turns = conversation('w', [parked, later, done], [], []);
    expect(turns.map((turn) => [turn.id, turn.state])).toEqual([['m-1', 'done'], ['m-2', 'done']]);
    const given = { ...parked, id: 'r-9', error_detail: 'given up', created_at: at(60) };
    const live = [{ ...openTurn('w', 'm-1', 'question 1', NOW), state: 'queued' as const }];
    expect(states('w', [parked, given], live, [])).toEqual([['m-1', 'failed', { text: 'given up' }]]);
  });
});

describe('the conversation', () => {
  it('shows each turn once, oldest first, whichever way it came', () => {
    const rows = [activity('2', { created_at: at(10) }), activity('1', { created_at: at(0) })];
    const live = [{ ...openTurn('w', 'm-2', 'question 2', NOW + 8_000), state: 'open' as const }, openTurn('w', 'm-3', 'question 3', NOW + 20_000)];
    const inflight = [
      { message_id: 'm-3', method: 'message/stream', source_id: null, started_at: at(20), request_body: asked('m-3', 'question 3') },
      { message_id: 'm-4', method: 'message/stream', source_id: null, started_at: at(30), request_body: asked('m-4', 'question 4') },
      { message_id: 'x', method: 'message/send', source_id: 'peer', started_at: at(30), request_body: asked('x', 'of a peer') },
      { message_id: 'y', method: 'tasks/resubscribe', source_id: null, started_at: at(30), request_body: { method: 'tasks/resubscribe', params: { id: 'm-4' } } },
    ];
    const turns = conversation('w', rows, live, inflight);
    expect(turns.map((turn) => [turn.id, turn.state])).toEqual([['m-1', 'done'], ['m-2', 'done'], ['m-3', 'open'], ['m-4', 'open']]);
  });

  it('knows from the call itself that a turn was called off', () => {
    const stopped = activity('1', { response_body: { result: finalMessage('Half', []) }, request_body: asked('m', 'why?') });
    const cancel = activity('2', { method: 'tasks/cancel', request_body: { method: 'tasks/cancel', params: { id: 'm' } }, response_body: { result: { kind: 'task', id: 'm', status: { state: 'canceled' } } } });
    expect(conversation('w', [stopped, cancel], [], [])).toMatchObject([{ id: 'm', state: 'canceled' }]);
    expect(conversation('w', [stopped], [], [])).toMatchObject([{ id: 'm', state: 'done' }]);
  });

  it('keeps the order of a turn that was watched, with the row’s time', () => {
    const watched: Turn = { ...openTurn('w', 'm-1', 'question 1', NOW), state: 'done', segments: [{ kind: 'text', text: 'watched' }], ms: 1 };
    expect(conversation('w', [activity('1', { created_at: at(5) })], [watched], [])).toMatchObject([{ segments: [{ text: 'watched' }], at: NOW + 5_000, ms: 2_000 }]);
  });

  it('shows a note once, by event and by row', () => {
    const note = (id: string, time: number): Turn => ({ ...openTurn('w', id, '', time), kind: 'note', state: 'done', segments: [{ kind: 'text', text: 'Look here' }] });
    const stored = activity('n', { method: 'notify', request_body: undefined, response_body: { result: 'Look here' }, created_at: at(1), duration_ms: null });
    expect(conversation('w', [stored], [note('note:1', NOW + 900)], [])).toHaveLength(1);
    expect(conversation('w', [stored], [note('note:2', NOW + 60_000)], [])).toHaveLength(2);
  });
});
