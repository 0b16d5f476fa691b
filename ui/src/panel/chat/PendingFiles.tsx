/** What waits in the composer: a chip a file, with its size and a way to take it out again. */
import { useRef } from 'react';
import { Icon } from '@/look/Icon';
import { detach, useAttachments, type Pending } from '@/state/attachments';
import { bytes } from '@/text/say';

const NONE: Pending[] = [];

export function usePending(id: string): Pending[] {
  return useAttachments((state) => state.pending[id] ?? NONE);
}

export function PendingFiles({ id, onLast }: { id: string; onLast: () => void }) {
  const pending = usePending(id);
  const upload = useAttachments((state) => state.uploads[id]);
  const list = useRef<HTMLUListElement>(null);
  if (pending.length === 0) return null;
  const remove = (key: string, at: number) => {
    detach(id, key);
    // The focus stays where the next one comes to stand.
    requestAnimationFrame(() => {
      const buttons = list.current?.querySelectorAll('button');
      const next = buttons?.[Math.min(at, buttons.length - 1)];
      if (next) next.focus();
      else onLast();
    });
  };
  return (
    <ul ref={list} className="chips" aria-label="Files that go along">
      {pending.map((file, at) => (
        <li key={file.key} className="chip">
          <Icon name="file" size={14} />
          <span className="cut">{file.name}</span>
          <span className="text-ink-3">{bytes(file.blob.size)}</span>
          {!upload && (
            <button type="button" className="chip-x" aria-label={`Remove ${file.name}`} onClick={() => remove(file.key, at)}>
              <Icon name="x" size={14} />
            </button>
          )}
        </li>
      ))}
    </ul>
  );
}
