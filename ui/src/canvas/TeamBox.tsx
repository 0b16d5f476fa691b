import clsx from 'clsx';
import { memo, type CSSProperties } from 'react';
import { Nucleus } from '@/look/Nucleus';
import { useApprovalOf, useTeamSum } from '@/state/hooks';
import { useLive } from '@/state/live';
import { MINUTE, useNow } from '@/state/now';
import { useScreen } from '@/state/screen';
import { lookOf, WORD } from '@/state/status';
import { useView } from '@/state/view';
import { money, plural } from '@/text/say';
import { factsOf } from './facts';

interface Props { id: string; w: number; h: number; depth: number }

/** A team: outline for a root, a tone below it, and its lead's own words in the header (LOOK §5). */
export const TeamBox = memo(function TeamBox({ id, w, h, depth }: Props) {
  const agent = useLive((state) => state.org.agents[id]);
  const sum = useTeamSum(id);
  const asks = useApprovalOf(id);
  const level = useView((state) => state.level);
  const selected = useScreen((state) => state.selected === id);
  const focused = useScreen((state) => state.focused === id);
  const openAgent = useScreen((state) => state.openAgent);
  const roomy = useView((state) => w * state.viewport.zoom > (state.level === 'full' || state.level === 'more' ? 200 : 280));
  const now = useNow(MINUTE);
  if (!agent) return null;
  const look = lookOf(agent, asks !== undefined);
  const facts = factsOf(agent, look, asks, now);
  const full = level === 'full' || level === 'more';
  const size = full ? 28 : level === 'task' ? 22 : level === 'name' ? 16 : 12;
  const people = plural(sum.people, 'agent');
  const total = sum.cents > 0 ? money(sum.cents) : '';
  const bad = look === 'failed' || look === 'degraded';
  const task = look === 'waiting' ? facts.task : bad ? facts.task || facts.foot : agent.currentTask || facts.task;

  return (
    <div
      id={`card-${id}`}
      data-agent={id}
      className={clsx(
        'team unscaled', depth === 0 && 'root', depth > 0 && depth % 2 === 0 && 'even', selected && 'sel', focused && 'focused',
        (level === 'name' || level === 'dot') && 'small', level === 'task' && 'task', level === 'name' && 'name-only', level === 'dot' && 'dot',
      )}
      style={{ '--w': w, '--h': h } as CSSProperties}
    >
      <button
        type="button"
        tabIndex={-1}
        className="team-hit"
        aria-label={`${agent.name} and its team, ${WORD[look]}`}
        aria-pressed={selected}
        onClick={() => openAgent(id)}
      />
      <div className="team-head">
        <Nucleus look={look} size={size} silent lively />
        <div className={clsx('grow min-w-0', full && 'mt-0.5')}>
          <div className="flex items-center gap-2">
            <span className="name cut">{agent.name}</span>
            {roomy && level !== 'dot' && (
              <span className="text-meta text-ink-3 ml-auto flex-none">
                {full ? [facts.queue, people, total].filter(Boolean).join(', ') : total || people}
              </span>
            )}
          </div>
          {full && <div className="text-meta text-ink-3 cut">{facts.origin}</div>}
          {(full || level === 'task') && (
            <div className={clsx('clamp-2', full ? 'text-body mt-1.5' : 'text-meta text-ink-2 mt-0.5', look === 'failed' && 'text-bad', facts.taskTone === 'quiet' && 'text-ink-3')} title={task}>
              {facts.lead && <b className="text-warn font-semibold">{facts.lead} </b>}{task}
              {full && look === 'degraded' && facts.foot && <span className="text-warn"> {facts.foot}</span>}
            </div>
          )}
        </div>
      </div>
    </div>
  );
});
