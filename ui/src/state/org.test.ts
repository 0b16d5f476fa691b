import { describe, expect, it } from 'vitest';
import { event, NOW, orgOf, row } from './fixtures';
import { ancestors, applyEvent, applySnapshot, DELETION_GUARD_MS, emptyOrg, firstWords, lastWords, patchAgent, removeSubtree, subtree, type Org } from './org';
import { lookOf } from './status';

const after = (org: Org, ...events: ReturnType<typeof event>[]) => events.reduce((now, each) => applyEvent(now, each, NOW), org);

describe('events of 50 §1.3', () => {
  it('adds a card with defaults at a place relative to its parent (L2)', () => {
    const org = after(orgOf(row('lead', { x: 300, y: 200 })), event('WORKSPACE_PROVISIONING', 'kid', { x: 16, y: 130, parent_id: 'lead' }));
    expect(org.agents.kid).toMatchObject({ name: 'New agent', tier: 1, status: 'provisioning', parentId: 'lead', x: 316, y: 330, startingSince: NOW });
  });

  it('restarts a known card: status, task and restart reason go', () => {
    const busy = patchAgent(orgOf(row('a', { active_tasks: 1, current_task: 'Reading' })), 'a', { restartReason: 'config changed' });
    expect(after(busy, event('WORKSPACE_PROVISIONING', 'a', { name: 'other' })).agents.a)
      .toMatchObject({ name: 'A', status: 'provisioning', currentTask: '', activeTasks: 0, restartReason: '' });
  });

  it('keeps an ONLINE that comes before its card', () => {
    const org = after(emptyOrg, event('WORKSPACE_ONLINE', 'a'), event('WORKSPACE_PROVISIONING', 'a', { name: 'Ann' }));
    expect(org.agents.a?.status).toBe('online');
    expect(org.early).toEqual({});
  });

  it('does not overwrite a DEGRADED that came in between', () => {
    const org = after(emptyOrg, event('WORKSPACE_ONLINE', 'a'), event('WORKSPACE_DEGRADED', 'a', { error_rate: 0.6 }), event('WORKSPACE_PROVISIONING', 'a'));
    expect(org.agents.a?.status).toBe('degraded');
  });

  it.each([
    ['WORKSPACE_OFFLINE', {}, { status: 'offline' }],
    ['WORKSPACE_PAUSED', { name: 'A' }, { status: 'paused', currentTask: '' }],
    ['WORKSPACE_HIBERNATED', {}, { status: 'hibernated' }],
    ['WORKSPACE_AWAITING_AGENT', {}, { status: 'awaiting_agent' }],
    ['WORKSPACE_DEGRADED', { error_rate: 0.8, sample_error: 'rate limit' }, { status: 'degraded', errorRate: 0.8, lastError: 'rate limit' }],
    ['WORKSPACE_DEGRADED', {}, { status: 'degraded', errorRate: 0, lastError: '' }],
    ['WORKSPACE_PROVISION_FAILED', { error: 'no engine' }, { status: 'failed', lastError: 'no engine' }],
    ['WORKSPACE_PROVISION_FAILED', {}, { status: 'failed', lastError: 'It could not be started.' }],
    ['AGENT_CARD_UPDATED', { agent_card: { name: 'x' } }, { card: { name: 'x' } }],
    ['AGENT_CARD_UPDATED', { agent_card: 'nonsense' }, { card: null }],
    ['AGENT_CARD_UPDATED', { agent_card: [1] }, { card: null }],
    ['TASK_UPDATED', { current_task: 'Reading', active_tasks: 2 }, { currentTask: 'Reading', activeTasks: 2, taskSince: NOW }],
    ['WORKSPACE_HEARTBEAT', { active_tasks: 1 }, { activeTasks: 1, taskSince: NOW }],
    ['WORKSPACE_UPDATED', { queued_messages: 2 }, { queued: 2, name: 'A' }],
    ['WORKSPACE_UPDATED', { name: 'Bea', collapsed: true, x: 5, y: 6 }, { name: 'Bea', collapsed: true, x: 5, y: 6 }],
  ])('%s', (name, payload, expected) => {
    expect(after(orgOf(row('a')), event(name, 'a', payload)).agents.a).toMatchObject(expected);
  });

  it('clears the task and remembers when work ended', () => {
    const org = after(orgOf(row('a', { active_tasks: 1, current_task: 'Reading' })), event('TASK_UPDATED', 'a', { current_task: '', active_tasks: 0 }));
    expect(org.agents.a).toMatchObject({ activeTasks: 0, currentTask: '', taskSince: undefined, idleSince: NOW });
  });

  it('moves the children of a removed card to its parent', () => {
    const org = after(orgOf(row('a'), row('b', { parent_id: 'a' }), row('c', { parent_id: 'b' })), event('WORKSPACE_REMOVED', 'b'));
    expect(Object.keys(org.agents)).toEqual(['a', 'c']);
    expect(org.agents.c?.parentId).toBe('a');
  });

  it('ignores what it does not know, and counts numbers only upwards', () => {
    const org = after(orgOf(row('a')), event('SOMETHING_NEW', 'a', {}, 7), event('SOMETHING_NEW', 'a', {}, 5));
    expect(org.seq).toBe(7);
    expect(org.agents.a?.status).toBe('online');
  });
});

describe('snapshot', () => {
  it('keeps the restart reason and what only this page saw (50 §19.11)', () => {
    const org = patchAgent(orgOf(row('a')), 'a', { restartReason: 'a secret changed', lastWords: 'Done.' });
    expect(applySnapshot(org, [row('a')], NOW).agents.a).toMatchObject({ restartReason: 'a secret changed', lastWords: 'Done.' });
  });

  it('never lists removed rows, and lets a child of an unlisted parent stand alone', () => {
    const org = orgOf(row('gone', { status: 'removed' }), row('kid', { parent_id: 'gone' }));
    expect(Object.keys(org.agents)).toEqual(['kid']);
    expect(org.agents.kid?.parentId).toBeNull();
  });
});

describe('deletion guard', () => {
  const org = removeSubtree(orgOf(row('a'), row('b', { parent_id: 'a' }), row('c')), 'a', NOW);

  it('removes the whole subtree at once', () => expect(Object.keys(org.agents)).toEqual(['c']));

  it('is not undone by a list that was on its way', () => {
    expect(Object.keys(applySnapshot(org, [row('a'), row('b', { parent_id: 'a' }), row('c')], NOW + DELETION_GUARD_MS - 1).agents)).toEqual(['c']);
  });

  it('is not undone by a late event', () => {
    expect(applyEvent(org, event('WORKSPACE_PROVISIONING', 'a'), NOW + 1_000).agents.a).toBeUndefined();
  });

  it('ends after ten seconds and is swept', () => {
    const later = applySnapshot(org, [row('a')], NOW + DELETION_GUARD_MS + 1);
    expect(Object.keys(later.agents)).toEqual(['a']);
    expect(later.deleted).toEqual({});
  });
});

describe('tree', () => {
  it('survives a cycle', () => {
    const org = orgOf(row('a', { parent_id: 'b' }), row('b', { parent_id: 'a' }));
    expect(subtree(org, 'a').map((agent) => agent.id)).toEqual(['a', 'b']);
    expect(ancestors(org, 'a').map((agent) => agent.id)).toEqual(['b']);
  });
});

describe('status', () => {
  it.each([
    ['online', 0, false, 'online'], ['online', 1, false, 'working'], ['online', 1, true, 'waiting'], ['degraded', 1, false, 'degraded'],
    ['degraded', 0, true, 'waiting'], ['failed', 0, true, 'failed'], ['paused', 0, true, 'paused'], ['provisioning', 0, false, 'starting'],
    ['hibernating', 0, false, 'sleeping'], ['hibernated', 0, false, 'sleeping'], ['awaiting_agent', 0, false, 'awaiting'], ['offline', 1, false, 'offline'],
  ] as const)('%s with %i tasks, asking %s, is drawn as %s', (status, activeTasks, asks, look) => {
    expect(lookOf({ status, activeTasks }, asks)).toBe(look);
  });
});

describe('words', () => {
  it('reads through Markdown and keeps names whole', () => {
    expect(firstWords('# Plan\n\n**Add** `ANTHROPIC_API_KEY` now')).toBe('Plan');
    expect(firstWords('**Add** `ANTHROPIC_API_KEY` and _wait_')).toBe('Add ANTHROPIC_API_KEY and wait');
    expect(lastWords('First.\n\n- one\n- two\n\nSo: **ship it**.')).toBe('So: ship it.');
    expect(lastWords('| a | b |\n|---|---|')).toBe('| a | b |');
    expect(firstWords('x'.repeat(200))).toHaveLength(140);
  });
});
