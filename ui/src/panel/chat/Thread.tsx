import clsx from 'clsx';
import { useMemo, useState } from 'react';
import { useExchangeRows } from '@/api/queries';
import { Icon } from '@/look/Icon';
import { Nucleus } from '@/look/Nucleus';
import { useLive } from '@/state/live';
import { useNow } from '@/state/now';
import { gist } from '@/state/org';
import { useScreen } from '@/state/screen';
import { lookOf, type Look } from '@/state/status';
import { turnOfRow } from '@/state/turns';
import { parentTaskOf } from '@/text/a2a';
import { duration, elapsed } from '@/text/say';
import { Ask } from './Ask';
import { rowOfLeg, type ShownLeg } from './legs';
import { Markdown } from './Markdown';
import { Segments } from './Segments';

const DEEPEST = 3;

interface LegProps { leg: ShownLeg; nth: number; from: string; turnId: string; depth: number }

function LegView({ leg, nth, from, turnId, depth }: LegProps) {
  const [open, setOpen] = useState(false);
  const agent = useLive((state) => state.org.agents[leg.targetId]);
  const approvals = useLive((state) => state.approvals);
  const openAgent = useScreen((state) => state.openAgent);
  const now = useNow();
  const asks = useMemo(() => Object.values(approvals).filter((each) => each.workspace_id === leg.targetId), [approvals, leg.targetId]);
  const running = leg.state === 'open';
  const unanswered = leg.state === 'error' && !leg.reply;
  const look: Look = running ? (agent ? lookOf(agent, asks.length > 0) : 'working')
    : unanswered ? 'offline' : leg.state === 'error' ? 'failed' : leg.state === 'queued' ? 'starting' : 'online';
  const shownLook: Look = running && look === 'online' ? 'working' : look;
  const word = !running ? (leg.state === 'queued' ? 'queued' : unanswered ? 'did not answer' : leg.state === 'error' ? 'failed' : '')
    : asks.length > 0 ? 'waiting for you' : look === 'starting' ? 'starting' : '';
  const time = leg.ms !== undefined && !running ? duration(leg.ms) : running && leg.startedAt ? elapsed(now - leg.startedAt) : '';
  const doing = agent?.currentTask || leg.ask || 'Working';
  // What it was asked says nothing new while it waits for the person.
  const line = !running ? gist(leg.reply) : asks.length > 0 && (doing === leg.ask || doing.startsWith('Waiting for you')) ? '' : doing;
  return (
    <div className={clsx('leg', open && 'open')} data-leg={leg.targetId} data-state={leg.state}>
      <span className="leg-nucleus"><Nucleus look={shownLook} /></span>
      <button type="button" className="leg-head" aria-expanded={open} onClick={() => setOpen(!open)}>
        <span className="font-semibold cut">{agent?.name ?? (leg.name || 'Another agent')}</span>
        {word && <span className={clsx('text-meta', running && asks.length > 0 ? 'text-warn' : leg.state === 'error' && !unanswered ? 'text-bad' : 'text-ink-3')}>{word}</span>}
        <span className="text-meta text-ink-3 ml-auto flex-none">{time}</span>
        <Icon name={open ? 'down' : 'right'} size={14} className="text-ink-3" />
      </button>
      {!open && line && <p className={clsx('clamp-2', leg.state === 'error' && 'text-bad')}>{line}</p>}
      {open && <Opened leg={leg} nth={nth} from={from} turnId={turnId} depth={depth} onOpenAgent={() => openAgent(leg.targetId, 'activity')} />}
      {running && asks.map((approval) => <Ask key={approval.id} approval={approval} />)}
    </div>
  );
}

/** One leg, opened: what was asked, its own thread, and the whole answer. */
function Opened({ leg, nth, from, turnId, depth, onOpenAgent }: LegProps & { onOpenAgent: () => void }) {
  const rows = useExchangeRows(leg.targetId, from, true);
  const own = useMemo(() => {
    const all = (rows.data ?? []).flatMap((row) => {
      const turn = row.source_id === from ? turnOfRow(row) : undefined;
      return turn ? [{ turn, parentTask: parentTaskOf(row.request_body) }] : [];
    });
    return rowOfLeg(all, turnId, leg, nth)?.turn;
  }, [rows.data, from, turnId, leg, nth]);
  const ask = own?.question || leg.ask;
  const turn = own ?? {
    id: leg.messageId ?? '', workspaceId: leg.targetId, state: leg.state === 'open' ? 'open' as const : 'done' as const,
    segments: leg.reply ? [{ kind: 'text' as const, text: leg.reply }] : [], startedAt: leg.startedAt ?? 0, at: 0,
  };
  return (
    <div className="leg-body">
      {ask && <p className="text-ink-3">Asked: {ask}</p>}
      {own?.fault && <p className="text-bad">{own.fault.text}</p>}
      {depth < DEEPEST
        ? <Segments turn={turn} depth={depth + 1} />
        : <button type="button" className="link text-body" onClick={onOpenAgent}>Open exchange</button>}
      {depth >= DEEPEST && leg.reply && <Markdown text={leg.reply} />}
    </div>
  );
}

/** Delegations as a bonded thread: a nucleus per agent, a bond between them (LOOK §7). */
export function Thread({ legs, from, turnId, depth }: { legs: readonly ShownLeg[]; from: string; turnId: string; depth: number }) {
  const counts = new Map<string, number>();
  return (
    <div className="thread">
      {legs.map((leg, index) => {
        const nth = counts.get(leg.targetId) ?? 0;
        counts.set(leg.targetId, nth + 1);
        return <LegView key={`${leg.id}:${index}`} leg={leg} nth={nth} from={from} turnId={turnId} depth={depth} />;
      })}
    </div>
  );
}
