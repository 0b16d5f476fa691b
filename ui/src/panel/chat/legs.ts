/** The legs of a thread: what the turn's tools say, joined with what the exchanges say. Pure. */
import type { Exchange } from '@/state/exchanges';
import type { Leg, Segment, Turn } from '@/state/turns';

export interface ShownLeg extends Leg {
  /** `messageId` of the message, where it is known: the key to the leg's own thread. */
  messageId?: string;
}

export function joinLegs(segments: readonly Segment[], exchanges: readonly Exchange[], ended: boolean): Segment[] {
  const left = [...exchanges];
  const take = (targetId: string): Exchange | undefined => {
    const index = left.findIndex((each) => each.to === targetId);
    return index < 0 ? undefined : left.splice(index, 1)[0];
  };
  const joined = segments.map((segment): Segment => {
    if (segment.kind !== 'thread') return segment;
    return {
      ...segment,
      legs: segment.legs.map((leg): ShownLeg => {
        const exchange = take(leg.targetId);
        if (!exchange) return leg;
        return {
          ...leg,
          messageId: exchange.id.startsWith('~') ? undefined : exchange.id,
          startedAt: leg.startedAt ?? exchange.startedAt,
          ask: leg.ask || exchange.ask,
          reply: exchange.endedAt !== undefined && exchange.reply.length >= leg.reply.length ? exchange.reply : leg.reply,
          state: leg.state === 'open' ? (exchange.endedAt === undefined ? 'open' : exchange.state) : leg.state,
          ms: leg.ms ?? exchange.ms,
        };
      }),
    };
  });
  if (left.length === 0) return joined;
  const extra: ShownLeg[] = left.map((exchange) => ({
    id: exchange.id,
    messageId: exchange.id.startsWith('~') ? undefined : exchange.id,
    targetId: exchange.to,
    name: '',
    ask: exchange.ask,
    reply: exchange.reply,
    state: exchange.endedAt === undefined ? (ended ? 'ok' : 'open') : exchange.state,
    startedAt: exchange.startedAt,
    ms: exchange.ms,
  }));
  const at = joined.findLastIndex((segment) => segment.kind === 'thread');
  const thread = joined[at];
  if (thread?.kind === 'thread') return joined.map((segment, index) => (index === at ? { ...thread, legs: [...thread.legs, ...extra] } : segment));
  // Nothing told where it belongs: before the last words, or after the only ones.
  const words = joined.length > 1 && joined.at(-1)?.kind === 'text' ? 1 : 0;
  return [...joined.slice(0, joined.length - words), { kind: 'thread', legs: extra }, ...joined.slice(joined.length - words)];
}

/** The row that a leg stands for: the n-th message of that turn to that agent. */
export function rowOfLeg<T extends { turn: Turn; parentTask: string }>(rows: readonly T[], turnId: string, leg: ShownLeg, nth: number): T | undefined {
  if (leg.messageId) return rows.find((row) => row.turn.id === leg.messageId);
  const own = rows.filter((row) => row.parentTask === turnId).sort((a, b) => a.turn.startedAt - b.turn.startedAt);
  return own[nth] ?? own[0];
}
