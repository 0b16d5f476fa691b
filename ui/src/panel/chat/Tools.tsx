import clsx from 'clsx';
import { useState } from 'react';
import { Icon } from '@/look/Icon';
import type { ToolCall } from '@/state/turns';
import { argument, duration, plural, toolWords } from '@/text/say';

/** Tool calls fold to one row: how many, the last names, how long (LOOK §7). */
export function Tools({ calls }: { calls: readonly ToolCall[] }) {
  const [open, setOpen] = useState(false);
  const running = calls.some((call) => call.state === 'open');
  const failed = calls.filter((call) => call.state === 'error').length;
  const ms = calls.reduce((sum, call) => sum + (call.ms ?? 0), 0);
  const names = [...new Set(calls.map((call) => toolWords(call.tool)))].slice(-3).join(', ');
  return (
    <div className="tools">
      <button type="button" className="fold" aria-expanded={open} onClick={() => setOpen(!open)}>
        <Icon name={open ? 'down' : 'right'} size={14} />
        <Icon name="wrench" size={14} />
        <span className="flex-none">{running ? 'Using' : 'Used'} {plural(calls.length, 'tool')}</span>
        <span className="text-ink-3 cut">{names}</span>
        {failed > 0 && <span className="text-bad flex-none">{failed} failed</span>}
        <span className="text-ink-3 ml-auto flex-none">{running ? '…' : ms ? duration(ms) : ''}</span>
      </button>
      {open && (
        <ul className="calls">
          {calls.map((call, index) => {
            const said = argument(call.input);
            return (
              <li key={`${call.id}:${index}`} className={clsx(call.state === 'error' && 'text-bad')}>
                <span className="code flex-none">{call.tool}</span>
                <span className={clsx('cut text-meta', call.state !== 'error' && 'text-ink-3')} title={[said, call.output].filter(Boolean).join('\n\n')}>
                  {[said && `“${said}”`, call.output].filter(Boolean).join(', ')}
                </span>
                <span className="text-ink-3 text-meta ml-auto flex-none">{call.state === 'open' ? '…' : call.ms === undefined ? '' : duration(call.ms)}</span>
              </li>
            );
          })}
        </ul>
      )}
    </div>
  );
}
