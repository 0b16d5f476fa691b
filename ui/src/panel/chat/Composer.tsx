import { useEffect, useLayoutEffect, useRef, type ClipboardEvent, type KeyboardEvent } from 'react';
import type { Attachment } from '@/api/types';
import { Button, IconButton, Tip, Trouble } from '@/look/controls';
import { Icon } from '@/look/Icon';
import { restartAgent, resumeAgent } from '@/state/actions';
import { attach, attachPasted, cancelUpload, upload, useAttachments } from '@/state/attachments';
import { useLive } from '@/state/live';
import type { Agent } from '@/state/org';
import { useScreen } from '@/state/screen';
import { count } from '@/text/say';
import { PendingFiles, usePending } from './PendingFiles';

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
  onSend: (text: string, files: Attachment[]) => void;
  onStop: () => void;
}

/** The pictures of a clipboard. Words win: what office programs copy is both. */
function picturesOf(event: ClipboardEvent): Blob[] {
  if (event.clipboardData.getData('text/plain')) return [];
  const items = [...event.clipboardData.items].filter((item) => item.kind === 'file' && item.type.startsWith('image/'));
  return items.flatMap((item) => item.getAsFile() ?? []);
}

/** Grows from one to eight lines; the draft is kept per agent, and so are its files. */
export function Composer({ agent, running, stopping, tokens, unseen, onUnseen, onSend, onStop }: Props) {
  const draft = useScreen((state) => state.drafts[agent.id] ?? '');
  const setDraft = useScreen((state) => state.setDraft);
  const live = useLive((state) => state.socket.phase === 'live');
  const pending = usePending(agent.id);
  const uploading = useAttachments((state) => state.uploads[agent.id]);
  const refusal = useAttachments((state) => state.refusals[agent.id]);
  const field = useRef<HTMLTextAreaElement>(null);
  const picker = useRef<HTMLInputElement>(null);
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

  const reason = blocked?.why ?? (live ? undefined : 'Reconnecting. Your text is kept.') ?? (draft.trim() || pending.length > 0 ? undefined : 'Write something first');
  const submit = async () => {
    const text = draft.trim();
    if (reason || uploading) return;
    const files = pending.length > 0 ? await upload(agent.id) : [];
    if (!files) return;
    setDraft(agent.id, '');
    onSend(text, files);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    void submit();
  };
  const onPaste = (event: ClipboardEvent) => {
    const pictures = picturesOf(event);
    if (pictures.length === 0) return;
    event.preventDefault();
    attachPasted(agent.id, pictures);
  };
  const hint = blocked ? blocked.why
    : !live ? 'Reconnecting. Your text is kept.'
      : tokens > 0 ? `This turn ${count(tokens)} tokens`
        : draft || pending.length > 0 ? 'Enter sends, Shift Enter starts a line' : '';

  return (
    <div className="composer">
      {unseen > 0 && <button type="button" className="unseen" onClick={onUnseen}><Icon name="down" size={14} />{unseen} new</button>}
      <PendingFiles id={agent.id} onLast={() => field.current?.focus()} />
      {refusal && <Trouble text={refusal} className="text-meta text-bad" />}
      <textarea
        ref={field}
        rows={1}
        readOnly={uploading !== undefined}
        className="composer-field"
        aria-label={`Message to ${agent.name}`}
        placeholder={asleep ? `Wake ${agent.name} and ask` : `${running ? 'Add a message for' : 'Ask'} ${agent.name}`}
        value={draft}
        onChange={(event) => setDraft(agent.id, event.target.value)}
        onKeyDown={onKeyDown}
        onPaste={onPaste}
      />
      <input
        ref={picker}
        type="file"
        multiple
        hidden
        tabIndex={-1}
        aria-hidden="true"
        onChange={(event) => {
          attach(agent.id, [...event.target.files ?? []].map((blob) => ({ name: blob.name, blob })));
          // The same file may be picked again after it was taken out.
          event.target.value = '';
          field.current?.focus();
        }}
      />
      <div className="flex items-center gap-2">
        <IconButton icon="clip" label="Attach files" side="top" className="-ml-1.5" disabled={uploading !== undefined} onClick={() => picker.current?.click()} />
        {uploading ? (
          <span className="uploading grow" role="status">
            <span className="text-meta text-ink-2 flex-none">{uploading.share < 1 ? `Uploading ${Math.floor(uploading.share * 100)}%` : 'Handing over…'}</span>
            <span className="share" aria-hidden="true"><span style={{ width: `${uploading.share * 100}%` }} /></span>
          </span>
        ) : <span className="text-meta text-ink-3 cut grow">{hint}</span>}
        {uploading && <Button onClick={() => cancelUpload(agent.id)}>Cancel</Button>}
        {blocked?.way === 'restart' && <Button icon="retry" onClick={() => void restartAgent(agent.id)}>Restart</Button>}
        {blocked?.way === 'resume' && <Button icon="play" onClick={() => void resumeAgent(agent.id)}>Resume</Button>}
        {running && <Button icon="stop" disabled={stopping} onClick={onStop}>{stopping ? 'Stopping…' : 'Stop'}</Button>}
        {asleep ? (
          <Button kind="pri" because={reason} onClick={() => void submit()}>Wake and send</Button>
        ) : uploading ? null : reason ? (
          <Tip text={reason} side="top">
            <button type="button" className="btn pri icon" aria-label="Send" aria-disabled><Icon name="send" /></button>
          </Tip>
        ) : (
          <Tip text="Send" side="top">
            <button type="button" className="btn pri icon" aria-label="Send" onClick={() => void submit()}><Icon name="send" /></button>
          </Tip>
        )}
      </div>
    </div>
  );
}
