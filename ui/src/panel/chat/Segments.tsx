import { Fragment, useMemo } from 'react';
import { useDecided, useSent } from '@/api/queries';
import type { Approval } from '@/api/types';
import { useLive } from '@/state/live';
import { ofTurn, sentIn } from '@/state/exchanges';
import type { Turn } from '@/state/turns';
import { clock } from '@/text/say';
import { Ask, Decided } from './Ask';
import { joinLegs } from './legs';
import { Markdown } from './Markdown';
import { Thread } from './Thread';
import { Tools } from './Tools';

type Shown = Pick<Turn, 'id' | 'workspaceId' | 'state' | 'segments' | 'startedAt' | 'at'>;

/** Decisions that belong to a turn: named by it, or made while it ran. */
export function decisionsOf(turn: Shown, all: readonly Approval[]): Approval[] {
  const end = turn.state === 'open' ? Infinity : turn.at + 1_000;
  return all.filter((each) => each.status !== 'pending'
    && (each.task_id ? each.task_id === turn.id || turn.segments.some((segment) => segment.kind === 'approval' && segment.approvalId === each.id)
      : Date.parse(each.created_at) >= turn.startedAt - 500 && Date.parse(each.created_at) <= end))
    .sort((a, b) => a.created_at.localeCompare(b.created_at));
}

/** What one agent did and said in one turn, in the order in which it happened. */
export function Segments({ turn, depth, name }: { turn: Shown; depth: number; name?: string }) {
  const exchanges = useLive((state) => state.exchanges);
  const approvals = useLive((state) => state.approvals);
  const decided = useDecided(turn.workspaceId);
  const open = turn.state === 'open';
  const cut = turn.id !== '' && (turn.state === 'canceled' || turn.state === 'interrupted' || turn.state === 'failed') && !turn.segments.some((each) => each.kind === 'thread');
  const sent = useSent(turn.workspaceId, cut);
  const segments = useMemo(() => {
    const known = turn.id ? ofTurn(exchanges, turn.workspaceId, turn.id) : [];
    const lost = cut && known.length === 0 ? sentIn(sent.data ?? [], turn.workspaceId, turn.id) : [];
    return joinLegs(turn.segments, known.length > 0 ? known : lost, !open);
  }, [turn, exchanges, open, cut, sent.data]);
  const decisions = useMemo(() => decisionsOf(turn, decided.data ?? []), [turn, decided.data]);
  const placed = new Set(segments.flatMap((segment) => (segment.kind === 'approval' ? [segment.approvalId] : [])));
  const last = segments.length - 1;
  // Decisions whose place nobody noted stand before the last words, which came after them.
  const loose = decisions.filter((each) => !placed.has(each.id)).map((each) => <Decided key={each.id} approval={each} />);
  return (
    <>
      {segments.map((segment, index) => {
        const before = index === last && segment.kind === 'text' && index > 0 ? loose : null;
        if (segment.kind === 'tools') return <Tools key={index} calls={segment.calls} />;
        if (segment.kind === 'thread') return <Thread key={index} legs={segment.legs} from={turn.workspaceId} turnId={turn.id} depth={depth} />;
        if (segment.kind === 'approval') {
          const pending = approvals[segment.approvalId];
          const done = decisions.find((each) => each.id === segment.approvalId);
          if (pending) return <Ask key={index} approval={pending} />;
          return done ? <Decided key={index} approval={done} /> : null;
        }
        const streaming = open && index === last;
        return (
          <Fragment key={index}>
            {before}
            <div className={streaming ? 'said-text streaming' : 'said-text'}>
              {name && <div className="who"><b>{name}</b>{streaming ? 'now' : turn.at ? clock(turn.at) : ''}</div>}
              <Markdown text={segment.text} />
            </div>
          </Fragment>
        );
      })}
      {open && Object.values(approvals).filter((each) => each.workspace_id === turn.workspaceId && !placed.has(each.id))
        .map((each) => <Ask key={each.id} approval={each} />)}
      {segments.length < 2 || segments.at(-1)?.kind !== 'text' ? loose : null}
    </>
  );
}
