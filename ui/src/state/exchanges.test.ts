import { describe, expect, it } from 'vitest';
import { applyExchangeEvent, applyInflight, ofTurn, openExchange, openOnes, type Exchanges } from './exchanges';
import { event, NOW } from './fixtures';

const envelope = (messageId: string, text: string, parent = '') => ({
  jsonrpc: '2.0', method: 'message/send',
  params: { message: { messageId, parts: [{ kind: 'text', text }] }, metadata: parent ? { parent_task_id: parent } : {} },
});
const reply = (text: string) => ({ result: { kind: 'message', parts: [{ kind: 'text', text }] } });
const received = (to: string, from: string, messageId: string, more: Record<string, unknown> = {}) => event('ACTIVITY_LOGGED', to, {
  activity_type: 'a2a_receive', source_id: from, target_id: to, status: 'ok', duration_ms: 1200,
  request_body: envelope(messageId, 'count it', 'turn-1'), response_body: reply('41 %'), ...more,
});

describe('exchanges', () => {
  it('opens from the in-flight route and closes with the receiver’s row', () => {
    const open = applyInflight({}, 'data', [{ message_id: 'm1', method: 'message/send', source_id: 'lead', started_at: '2026-05-02T08:59:00Z', request_body: envelope('m1', 'count it', 'turn-1') }], NOW);
    expect(openOnes(open)).toMatchObject([{ id: 'm1', from: 'lead', to: 'data', parentTask: 'turn-1', ask: 'count it', state: 'open' }]);
    const closed = applyExchangeEvent(open, received('data', 'lead', 'm1'), NOW + 5);
    expect(openOnes(closed)).toEqual([]);
    expect(ofTurn(closed, 'lead', 'turn-1')).toMatchObject([{ id: 'm1', state: 'ok', reply: '41 %', ms: 1200, startedAt: Date.parse('2026-05-02T08:59:00Z') }]);
  });

  it('replaces the stand-in of the stream by the real message, keeping its start', () => {
    let all: Exchanges = openExchange({}, { id: '~leg:1', from: 'lead', to: 'data', parentTask: 'turn-1', ask: 'x', state: 'open', reply: '', startedAt: 1 });
    all = applyInflight(all, 'data', [{ message_id: 'm1', method: null, source_id: 'lead', started_at: '2026-05-02T08:59:00Z', request_body: envelope('m1', 'x', 'turn-1') }], NOW);
    expect(Object.keys(all)).toEqual(['m1']);
    expect(all.m1?.startedAt).toBe(1);
  });

  it('keeps a stand-in of another turn apart', () => {
    let all: Exchanges = openExchange({}, { id: '~leg:2', from: 'lead', to: 'data', parentTask: 'turn-2', ask: 'x', state: 'open', reply: '', startedAt: 1 });
    all = applyExchangeEvent(all, received('data', 'lead', 'm1'), NOW);
    expect(Object.keys(all).sort()).toEqual(['m1', '~leg:2']);
  });

  it('never opens again what is over', () => {
    const closed = applyExchangeEvent({}, received('data', 'lead', 'm1'), NOW);
    const again = applyInflight(closed, 'data', [{ message_id: 'm1', method: null, source_id: 'lead', started_at: '', request_body: envelope('m1', 'x', 'turn-1') }], NOW);
    expect(openOnes(again)).toEqual([]);
  });

  it('reads failures, and what was only accepted', () => {
    expect(applyExchangeEvent({}, received('data', 'lead', 'm1', { status: 'error', error_detail: 'refused', response_body: undefined }), NOW).m1)
      .toMatchObject({ state: 'error', reply: 'refused' });
    expect(applyExchangeEvent({}, received('data', 'lead', 'm1', { duration_ms: null, response_body: undefined }), NOW).m1).toMatchObject({ state: 'queued' });
  });

  it('ignores messages of the person and of an agent to itself', () => {
    expect(applyExchangeEvent({}, received('data', '', 'm1'), NOW)).toEqual({});
    expect(applyExchangeEvent({}, received('data', 'data', 'm1'), NOW)).toEqual({});
  });

  it('follows DELEGATION_* events', () => {
    let all = applyExchangeEvent({}, event('DELEGATION_SENT', 'lead', { delegation_id: 'd', target_id: 'data', task_preview: 'count' }), NOW);
    expect(openOnes(all)).toMatchObject([{ id: 'd', ask: 'count' }]);
    all = applyExchangeEvent(all, event('DELEGATION_STATUS', 'lead', { delegation_id: 'd', status: 'queued' }), NOW);
    expect(all.d?.state).toBe('queued');
    expect(applyExchangeEvent(all, event('DELEGATION_COMPLETE', 'lead', { delegation_id: 'd', response_preview: '41 %' }), NOW).d).toMatchObject({ state: 'ok', reply: '41 %' });
    expect(applyExchangeEvent(all, event('DELEGATION_FAILED', 'lead', { delegation_id: 'd', error: 'gone' }), NOW).d).toMatchObject({ state: 'error', reply: 'gone' });
  });

  it.each(['WORKSPACE_OFFLINE', 'WORKSPACE_PAUSED', 'WORKSPACE_REMOVED', 'WORKSPACE_PROVISIONING'])('%s leaves nothing open', (name) => {
    const open = applyInflight({}, 'data', [{ message_id: 'm1', method: null, source_id: 'lead', started_at: '2026-05-02T08:59:00Z', request_body: envelope('m1', 'x') }], NOW);
    expect(openOnes(applyExchangeEvent(open, event(name, 'data'), NOW))).toEqual([]);
  });

  it('forgets the oldest finished ones first', () => {
    let all: Exchanges = {};
    for (let i = 0; i < 420; i += 1) all = applyExchangeEvent(all, received('data', 'lead', `m${i}`), NOW + i);
    expect(Object.keys(all).length).toBeLessThanOrEqual(401);
    expect(all.m419).toBeDefined();
    expect(all.m0).toBeUndefined();
  });
});
