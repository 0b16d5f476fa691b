import clsx from 'clsx';
import { memo, type CSSProperties } from 'react';
import { Icon } from '@/look/Icon';
import { Nucleus } from '@/look/Nucleus';
import { Tip } from '@/look/controls';
import { restartAgent, resumeAgent } from '@/state/actions';
import { useApprovalOf } from '@/state/hooks';
import { useLive } from '@/state/live';
import { MINUTE, useNow } from '@/state/now';
import { useScreen } from '@/state/screen';
import { lookOf, recedes, WORD } from '@/state/status';
import { useView } from '@/state/view';
import { factsOf, type Facts, type Tone } from './facts';

const TONE: Record<Tone, string | undefined> = {
  plain: undefined, quiet: 'text-ink-3', warn: 'text-warn', bad: 'text-bad', start: 'text-start',
};

function Foot({ facts, action }: { facts: Facts; action?: () => void }) {
  return (
    <div className="foot">
      {facts.action && action ? (
        <button type="button" tabIndex={-1} className="card-action nodrag relative z-1" onClick={(event) => { event.stopPropagation(); action(); }}>
          {facts.action === 'restart' ? 'Restart' : 'Resume'}
        </button>
      ) : (
        <span className={clsx('cut', TONE[facts.footTone])}>{[facts.foot, facts.queue].filter(Boolean).join(', ')}</span>
      )}
      {facts.right && <span className="ml-auto">{facts.right}</span>}
    </div>
  );
}

const firstSentence = (text: string) => text.split(/[.,] /)[0] ?? text;

interface Props { id: string; w: number; h: number; people?: string }

/** One agent, at the level of detail that its width on screen allows. */
export const AgentCard = memo(function AgentCard({ id, w, h, people }: Props) {
  const agent = useLive((state) => state.org.agents[id]);
  const asks = useApprovalOf(id);
  const level = useView((state) => state.level);
  const selected = useScreen((state) => state.selected === id);
  const focused = useScreen((state) => state.focused === id);
  const openAgent = useScreen((state) => state.openAgent);
  const quick = agent !== undefined && (agent.activeTasks > 0 || agent.status === 'provisioning' || (agent.idleSince !== undefined && Date.now() - agent.idleSince < MINUTE));
  const now = useNow(quick ? 1_000 : MINUTE);
  if (!agent) return null;
  const look = lookOf(agent, asks !== undefined);
  const facts = factsOf(agent, look, asks, now);
  const external = agent.runtime === 'external';
  const full = level === 'full' || level === 'more';
  const act = facts.action === 'restart' ? () => void restartAgent(id) : facts.action === 'resume' ? () => void resumeAgent(id) : undefined;
  const words = level === 'more' && agent.lastWords && facts.task !== agent.lastWords ? `“${agent.lastWords}”` : '';

  return (
    <div
      id={`card-${id}`}
      data-agent={id}
      className={clsx(
        'card unscaled', !full && `${level}-level`, selected && 'sel', focused && 'focused',
        recedes(look) && 'recedes', external && 'external',
      )}
      style={{ '--w': w, '--h': h } as CSSProperties}
    >
      <button
        type="button"
        tabIndex={-1}
        className="absolute inset-0 rounded-[inherit]"
        aria-label={`${agent.name}, ${WORD[look]}`}
        aria-pressed={selected}
        onClick={() => openAgent(id)}
      />
      {level === 'dot' && <Nucleus look={look} size={12} silent />}
      {level === 'name' && <><Nucleus look={look} size={14} silent /><span className="name cut">{agent.name}</span></>}
      {level === 'task' && (
        <>
          <div className="flex items-center gap-1.5">
            <Nucleus look={look} size={16} silent lively />
            <span className="name cut grow">{agent.name}</span>
            {external && <Icon name="plug" size={14} className="text-ink-3" />}
          </div>
          <div className={clsx('task clamp-2', TONE[facts.taskTone])}>
            {facts.lead && <b className="text-warn font-semibold">{facts.lead} </b>}{facts.task}
          </div>
          <Foot facts={people ? { ...facts, foot: people, action: null } : { ...facts, foot: firstSentence(facts.foot) }} action={act} />
        </>
      )}
      {full && (
        <>
          <div className="flex items-center gap-2">
            <Nucleus look={look} size={20} silent lively />
            <span className="name cut grow">{agent.name}</span>
            {external && <Tip text="Runs elsewhere and connects by itself"><span className="relative z-1"><Icon name="plug" size={14} /></span></Tip>}
          </div>
          <div className="text-meta text-ink-3 cut pl-7">{facts.origin}</div>
          <div className={clsx('task clamp-2', TONE[facts.taskTone])} title={facts.task}>
            {facts.lead && <b className="text-warn font-semibold">{facts.lead} </b>}{facts.task}
          </div>
          {words && <div className="text-meta text-ink-3 clamp-2 mt-1.5">{words}</div>}
          <Foot facts={people ? { ...facts, foot: people, action: null } : facts} action={act} />
        </>
      )}
      {look === 'starting' && (full || level === 'task') && <div className="progress unknown"><i /></div>}
    </div>
  );
});
