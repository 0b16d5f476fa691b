import clsx from 'clsx';
import { Dialog } from 'radix-ui';
import { useEffect, useId, useRef, useState, type KeyboardEvent, type ReactNode } from 'react';
import { Icon } from '@/look/Icon';
import { useLive } from '@/state/live';
import { useScreen } from '@/state/screen';
import { matchRanges } from './match';
import { useEntries, type Entry } from './useEntries';

function Marked({ text, query }: { text: string; query: string }) {
  const parts: ReactNode[] = [];
  let at = 0;
  for (const [from, to] of matchRanges(text, query)) {
    parts.push(text.slice(at, from), <b key={from} className="text-accent font-semibold">{text.slice(from, to)}</b>);
    at = to;
  }
  parts.push(text.slice(at));
  return <span className="cut flex-none max-w-80">{parts}</span>;
}

/** Everything by name: agents, what can be done with the highlighted one, commands, templates. */
function Open({ onClose }: { onClose: () => void }) {
  const [query, setQuery] = useState('');
  const [chosen, setChosen] = useState('');
  const list = useRef<HTMLDivElement>(null);
  const base = useId();
  const { groups, text } = useEntries(query, chosen);
  const entries = groups.flatMap((group) => group.entries);
  const at = Math.max(0, entries.findIndex((entry) => entry.id === chosen));
  const current = entries[at];
  const idOf = (entry: Entry) => `${base}-${entry.id}`;

  useEffect(() => {
    list.current?.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: 'nearest' });
  }, [current?.id]);

  const run = (entry: Entry | undefined) => {
    if (!entry) return;
    onClose();
    entry.run();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const move: Record<string, number> = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + 8, PageUp: at - 8 };
    const to = move[event.key];
    if (to !== undefined) {
      event.preventDefault();
      setChosen(entries[Math.min(entries.length - 1, Math.max(0, to))]?.id ?? '');
    } else if (event.key === 'Enter' && !event.nativeEvent.isComposing) {
      event.preventDefault();
      run(current);
    }
  };

  return (
    <>
      <div className="palette-query">
        <Icon name="search" />
        <input
          role="combobox"
          aria-expanded="true"
          aria-autocomplete="list"
          aria-controls={`${base}-list`}
          aria-activedescendant={current ? idOf(current) : undefined}
          aria-label="Search agents and actions"
          placeholder="Search agents and actions"
          autoFocus
          autoComplete="off"
          spellCheck={false}
          value={query}
          onChange={(event) => { setQuery(event.target.value); setChosen(''); }}
          onKeyDown={onKeyDown}
        />
        <kbd className="kbd" aria-hidden="true">esc</kbd>
      </div>
      <div ref={list} id={`${base}-list`} className="palette-list" role="listbox" aria-label="Results" tabIndex={-1}>
        {groups.map((group) => (
          <div key={group.label} role="group" aria-label={group.label}>
            <div className="palette-group" aria-hidden="true">{group.label}</div>
            {group.entries.map((entry) => (
              // eslint-disable-next-line jsx-a11y/click-events-have-key-events -- the box above handles the keys of its list
              <div
                key={entry.id}
                id={idOf(entry)}
                role="option"
                tabIndex={-1}
                aria-selected={entry === current}
                className={clsx('palette-row', entry === current && 'on')}
                onPointerMove={() => setChosen(entry.id)}
                onClick={() => run(entry)}
              >
                {entry.icon}
                <Marked text={entry.label} query={text} />
                {entry.detail && <span className="text-meta text-ink-3 cut">{entry.detail}</span>}
                {entry.hint && <span className="text-meta text-ink-3 ml-auto flex-none pl-3">{entry.hint}</span>}
              </div>
            ))}
          </div>
        ))}
      </div>
      {entries.length === 0 && (
        <p className="px-5 pb-4 text-ink-2" role="status">
          {text === '' && Object.keys(useLive.getState().org.agents).length === 0 ? 'No agents yet.' : `Nothing matches “${text}”.`}
        </p>
      )}
      <div className="palette-foot" aria-hidden="true"><span>↑ ↓ move</span><span>↵ open</span><span className="ml-auto">Type &gt; for commands only</span></div>
    </>
  );
}

export function Palette() {
  const open = useScreen((state) => state.palette);
  const setPalette = useScreen((state) => state.setPalette);
  return (
    <Dialog.Root open={open} onOpenChange={setPalette}>
      <Dialog.Portal>
        <Dialog.Overlay className="scrim" />
        <Dialog.Content className="palette" aria-describedby={undefined}>
          <Dialog.Title className="sr-only">Search agents and actions</Dialog.Title>
          <Open onClose={() => setPalette(false)} />
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}
