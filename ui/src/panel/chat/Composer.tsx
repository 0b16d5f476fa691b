import { useEffect, useLayoutEffect, useRef, type KeyboardEvent } from 'react';
import { Button, IconButton, Tip } from '@/look/controls';
import { Icon } from '@/look/Icon';
import { restartAgent, resumeAgent } from '@/state/actions';
import { useLive } from '@/state/live';
import type { Agent } from '@/state/org';
import { useScreen } from '@/state/screen';
import { count } from '@/text/say';

const LINE = 20;
const LINES_MOST = 8;

/** Why this agent cannot be asked now; undefined when it can. */
export function blockedBy(agent: Agent): { why: string; way?: 'restart' | 'resume' } | undefined {
  switch (agent.status) {
    case 'online': case 'degraded': case 'hibernated': case 'hibernating': return undefined;
    case 'provisioning': return { why: 'Still starting. Your text is kept.' };
    case 'paused': return { why: 'Paused. Resume it to go on.', way: 'resume' };
    case 'failed': return { why: 'It could not be started.', way: 'restart' };
    case 'awaiting_agent': return agent.deliveryMode === 'poll' && agent.lastHeartbeatAt ? undefined : { why: 'Its agent has not connected yet.' };
    default: return agent.runtime === 'external' ? { why: 'Its agent is not connected.' } : { why: 'Not running.', way: 'restart' };
  }
}

interface Props {
  agent: Agent;
  running: boolean;
  stopping: boolean;
  tokens: number;
  unseen: number;
  onUnseen: () => void;
  onSend: (text: string) => void;
  onStop: () => void;
}

/** Grows from one to eight lines; the draft is kept per agent. */
export function Composer({ agent, running, stopping, tokens, unseen, onUnseen, onSend, onStop }: Props) {
  const draft = useScreen((state) => state.drafts[agent.id] ?? '');
  const setDraft = useScreen((state) => state.setDraft);
  const live = useLive((state) => state.socket.phase === 'live');
  const field = useRef<HTMLTextAreaElement>(null);
  const asleep = agent.status === 'hibernated' || agent.status === 'hibernating';
  const blocked = blockedBy(agent);

  useLayoutEffect(() => {
    const element = field.current;
    if (!element) return;
    element.style.height = '0px';
    element.style.height = `${Math.min(element.scrollHeight, LINE * LINES_MOST)}px`;
  }, [draft]);
  useEffect(() => {
    if (!useScreen.getState().openedByKey) field.current?.focus({ preventScroll: true });
  }, [agent.id]);

  const reason = blocked?.why ?? (live ? undefined : 'Reconnecting. Your text is kept.') ?? (draft.trim() ? undefined : 'Write something first');
  const submit = () => {
    const text = draft.trim();
    if (!text || reason) return;
    setDraft(agent.id, '');
    onSend(text);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    submit();
  };

  return (
    <div className="composer">
      {unseen > 0 && <button type="button" className="unseen" onClick={onUnseen}><Icon name="down" size={14} />{unseen} new</button>}
      <textarea
        ref={field}
        rows={1}
        className="composer-field"
        aria-label={`Message to ${agent.name}`}
        placeholder={asleep ? `Wake ${agent.name} and ask` : `${running ? 'Add a message for' : 'Ask'} ${agent.name}`}
        value={draft}
        onChange={(event) => setDraft(agent.id, event.target.value)}
        onKeyDown={onKeyDown}
      />
      <div className="flex items-center gap-2">
        <span className="text-meta text-ink-3 cut grow">
          {blocked ? blocked.why : !live ? 'Reconnecting. Your text is kept.' : tokens > 0 ? `This turn ${count(tokens)} tokens` : draft ? 'Enter sends, Shift Enter starts a line' : ''}
        </span>
        {blocked?.way === 'restart' && <Button icon="retry" onClick={() => void restartAgent(agent.id)}>Restart</Button>}
        {blocked?.way === 'resume' && <Button icon="play" onClick={() => void resumeAgent(agent.id)}>Resume</Button>}
        {running && <Button icon="stop" disabled={stopping} onClick={onStop}>{stopping ? 'Stopping…' : 'Stop'}</Button>}
        {asleep ? (
          <Button kind="pri" because={reason} onClick={submit}>Wake and send</Button>
        ) : reason ? (
          <Tip text={reason} side="top">
            <button type="button" className="btn pri icon" aria-label="Send" aria-disabled><Icon name="send" /></button>
          </Tip>
        ) : (
          <IconButton icon="send" label="Send" side="top" className="pri" onClick={submit} />
        )}
      </div>
    </div>
  );
}
