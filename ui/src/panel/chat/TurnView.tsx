import clsx from 'clsx';
import { Button } from '@/look/controls';
import { Icon } from '@/look/Icon';
import { Nucleus } from '@/look/Nucleus';
import { useApprovalOf } from '@/state/hooks';
import { useLive } from '@/state/live';
import { useNow } from '@/state/now';
import { useScreen } from '@/state/screen';
import type { Look } from '@/state/status';
import { askedBy, textOf, type Turn, type TurnState } from '@/state/turns';
import { clock, duration, elapsed, roughly } from '@/text/say';
import { firstWords } from '@/state/org';
import { Files } from './Files';
import { Segments } from './Segments';

const LOOK: Record<TurnState, Look> = {
  open: 'working', done: 'online', failed: 'failed', canceled: 'offline', interrupted: 'degraded', queued: 'starting',
};

const KEY_CODES = new Set(['model_key_missing', 'model_key_refused', 'model_quota']);

/** An earlier turn in one row: status, question, time. */
export function FoldedTurn({ turn, onOpen }: { turn: Turn; onOpen: () => void }) {
  return (
    <button type="button" className="fold" aria-expanded={false} onClick={onOpen}>
      <Icon name="right" size={14} />
      <Nucleus look={LOOK[turn.state]} />
      <span className="cut">{turn.kind === 'note' ? firstWords(textOf(turn.segments)) : askedBy(turn)}</span>
      {turn.kind === 'turn' && turn.question !== '' && turn.files.length > 0 && <Icon name="clip" size={14} />}
      <span className="text-ink-3 ml-auto flex-none">{turn.ms === undefined ? clock(turn.at) : duration(turn.ms)}</span>
    </button>
  );
}

function Ending({ turn, name, onRetry }: { turn: Turn; name: string; onRetry?: () => void }) {
  const openSettings = useScreen((state) => state.openSettings);
  const fetches = useLive((state) => state.org.agents[turn.workspaceId]?.deliveryMode === 'poll');
  const now = useNow();
  if (turn.state === 'open' || turn.state === 'done') return null;
  if (turn.state === 'queued') {
    return (
      <p className="ending text-ink-3" role="status">
        <Nucleus look="starting" silent />
        <span className="cut">{fetches ? `Waiting for ${name} to fetch it` : `Waiting for ${name} to be free`}</span>
      </p>
    );
  }
  if (turn.state === 'canceled') {
    return <p className="ending text-ink-3"><Nucleus look="offline" silent />Stopped{turn.ms ? ` after ${duration(turn.ms)}` : ''}.</p>;
  }
  const waits = turn.fault?.retryAfter ? turn.at + turn.fault.retryAfter * 1000 - now : 0;
  return (
    <div className="ending" role="alert">
      <Nucleus look={turn.state === 'interrupted' ? 'degraded' : 'failed'} silent />
      <div className="grow min-w-0 grid gap-2">
        <p className={turn.state === 'interrupted' ? 'text-warn' : 'text-bad'}>
          {turn.state === 'interrupted' && <b className="font-semibold">Interrupted. </b>}{turn.fault?.text}
        </p>
        <div className="flex gap-2 items-center">
          {onRetry && <Button icon="retry" onClick={onRetry}>{turn.state === 'interrupted' ? 'Send again' : 'Retry'}</Button>}
          {KEY_CODES.has(turn.fault?.code ?? '') && <Button icon="key" onClick={() => openSettings('secrets')}>Open secrets</Button>}
          {waits > 0 && <span className="text-meta text-ink-3">Free again in {roughly(waits)}</span>}
        </div>
      </div>
    </div>
  );
}

interface Props { turn: Turn; name: string; onRetry?: () => void; onFold?: () => void }

/** One question and everything that came of it. */
export function TurnView({ turn, name, onRetry, onFold }: Props) {
  const asks = useApprovalOf(turn.workspaceId);
  const task = useLive((state) => state.org.agents[turn.workspaceId]?.currentTask);
  const now = useNow();
  const last = turn.segments.at(-1);
  const silent = turn.state === 'open' && !asks && (last === undefined || last.kind === 'approval'
    || (last.kind === 'tools' && last.calls.every((call) => call.state !== 'open'))
    || (last.kind === 'thread' && last.legs.every((leg) => leg.state !== 'open')));
  return (
    <article className="turn" data-turn={turn.id} data-state={turn.state} aria-label={turn.kind === 'note' ? `Message from ${name}` : `You asked: ${askedBy(turn).slice(0, 80)}`}>
      {onFold && <button type="button" className="fold" aria-expanded onClick={onFold}><Icon name="down" size={14} />Fold this turn<span className="text-ink-3 ml-auto">{turn.ms === undefined ? '' : duration(turn.ms)}</span></button>}
      {turn.kind === 'turn' && (
        <div className="me">
          {turn.question && <div className="whitespace-pre-wrap wrap-anywhere">{turn.question}</div>}
          <Files workspaceId={turn.workspaceId} files={turn.files} />
        </div>
      )}
      <Segments turn={turn} depth={0} name={name} />
      <Files workspaceId={turn.workspaceId} files={turn.replyFiles} />
      {silent && (
        <p className={clsx('ending text-ink-3')} role="status">
          <Nucleus look="working" silent lively />
          <span className="cut">{(task && task !== turn.question) ? task : `${name} is thinking`}</span>
          <span className="ml-auto flex-none">{elapsed(now - turn.startedAt)}</span>
        </p>
      )}
      <Ending turn={turn} name={name} onRetry={onRetry} />
    </article>
  );
}
