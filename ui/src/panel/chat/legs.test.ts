import { describe, expect, it } from 'vitest';
import type { Exchange } from '@/state/exchanges';
import type { Leg, Segment } from '@/state/turns';
import { joinLegs, rowOfLeg } from './legs';

const leg = (id: string, targetId: string, more: Partial<Leg> = {}): Leg => ({ id, targetId, name: targetId, ask: 'ask', reply: '', state: 'open', ...more });
const exchange = (id: string, to: string, more: Partial<Exchange> = {}): Exchange => ({ id, from: 'w', to, parentTask: 't', ask: 'asked', state: 'open', reply: '', startedAt: 5, ...more });
const thread = (...legs: Leg[]): Segment => ({ kind: 'thread', legs });

describe('legs', () => {
  it('join what the stream and the events know of one delegation', () => {
    const [joined] = joinLegs([thread(leg('1', 'r'), leg('2', 'r'))], [exchange('m1', 'r', { state: 'ok', reply: 'whole answer', endedAt: 9, ms: 4 }), exchange('m2', 'r')], false);
    expect(joined).toMatchObject({ legs: [{ messageId: 'm1', state: 'ok', reply: 'whole answer', ms: 4, startedAt: 5 }, { messageId: 'm2', state: 'open' }] });
  });
  it('keep a longer answer, and the tool’s own verdict', () => {
    const [joined] = joinLegs([thread(leg('1', 'r', { state: 'error', reply: 'it said a lot more' }))], [exchange('m1', 'r', { state: 'ok', reply: 'short', endedAt: 9 })], true);
    expect(joined).toMatchObject({ legs: [{ state: 'error', reply: 'it said a lot more' }] });
  });
  it('show delegations that only events told of, before the last words', () => {
    expect(joinLegs([{ kind: 'text', text: 'I ask.' }, { kind: 'text', text: 'So.' }], [exchange('m1', 'r')], false).map((each) => each.kind)).toEqual(['text', 'thread', 'text']);
    expect(joinLegs([{ kind: 'text', text: 'I ask.' }], [exchange('m1', 'r')], false).map((each) => each.kind)).toEqual(['text', 'thread']);
    expect(joinLegs([], [exchange('~x', 'r')], false)).toMatchObject([{ legs: [{ messageId: undefined, state: 'open' }] }]);
  });
  it('find the row of the n-th message to the same agent', () => {
    const rows = [{ id: 'b', startedAt: 2 }, { id: 'a', startedAt: 1 }, { id: 'x', startedAt: 0 }].map((turn) => ({ turn: turn as never, parentTask: turn.id === 'x' ? 'other' : 't' }));
    expect((rowOfLeg(rows, 't', leg('1', 'r'), 0) as unknown as { turn: { id: string } }).turn.id).toBe('a');
    expect((rowOfLeg(rows, 't', leg('1', 'r'), 1) as unknown as { turn: { id: string } }).turn.id).toBe('b');
  });
});
