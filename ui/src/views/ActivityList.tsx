import clsx from 'clsx';
import { useMemo, useState } from 'react';
import type { ActivityRow } from '@/api/types';
import { Nothing, SkeletonRows, Trouble } from '@/look/controls';
import { Icon } from '@/look/Icon';
import { Nucleus } from '@/look/Nucleus';
import { Segmented } from '@/look/Segmented';
import { Markdown } from '@/panel/chat/Markdown';
import { useLive } from '@/state/live';
import { firstWords } from '@/state/org';
import { advice, around, kindOf, named, passes, redact, withoutEchoes, type Filter } from '@/text/activity';
import { requestContent, responseContent } from '@/text/a2a';
import { clockSeconds, day, duration } from '@/text/say';
import { useNow } from '@/state/now';

const bad = (row: ActivityRow) => row.status === 'error' || row.status === 'failed';

function Row({ row, of, words = '' }: { row: ActivityRow; of?: string; words?: string }) {
  const [open, setOpen] = useState(false);
  const [form, setForm] = useState<'text' | 'raw'>('text');
  const agents = useLive((state) => state.org.agents);
  const nameOf = (id: string | null) => (id === null ? 'You' : (agents[id]?.name ?? 'a former agent'));
  const asked = requestContent(row.request_body).texts.join('\n\n');
  const said = responseContent(row.response_body).texts.join('\n\n');
  const between = row.method === 'notify' ? [nameOf(row.workspace_id), 'You']
    : row.activity_type === 'a2a_receive' ? [nameOf(row.source_id), nameOf(row.workspace_id)]
      : row.target_id && row.target_id !== row.workspace_id ? [nameOf(row.workspace_id), nameOf(row.target_id)] : null;
  const line = around(asked, words) ?? around(said, words) ?? around(row.summary ?? '', words) ?? (row.method === 'tasks/cancel' ? 'Told to stop' : firstWords(asked || said, 200) || named(row.summary ?? '', (id) => agents[id]?.name) || kindOf(row));
  const help = bad(row) ? advice(row.error_detail ?? '') : '';
  return (
    <li className={clsx('act', open && 'open')}>
      <button type="button" className="act-head" aria-expanded={open} onClick={() => setOpen(!open)}>
        <span className="text-meta text-ink-3 w-15 flex-none">{clockSeconds(Date.parse(row.created_at))}</span>
        <Nucleus look={bad(row) ? 'failed' : row.status === 'pending' || row.status === 'queued' || row.status === 'dispatched' ? 'starting' : 'online'} silent />
        <span className="act-who cut">
          {between
            ? <><b className="font-semibold">{between[0]}</b> <span className="text-ink-3">to</span> {between[1]}</>
            : <><b className="font-semibold">{nameOf(of ?? row.workspace_id)}</b> <span className="text-ink-3">{kindOf(row)}</span></>}
        </span>
        <span className={clsx('act-line cut', bad(row) ? 'text-bad' : 'text-ink-2')}>{bad(row) ? (row.error_detail ?? line) : line}</span>
        <span className="text-meta text-ink-3 ml-auto flex-none min-w-14 text-right whitespace-nowrap">{row.duration_ms ? duration(row.duration_ms) : ''}</span>
        <Icon name={open ? 'down' : 'right'} size={14} className="text-ink-3" />
      </button>
      {open && (
        <div className="act-body">
          <Segmented label="How to show it" value={form} options={[{ id: 'text', label: 'Readable' }, { id: 'raw', label: 'Raw' }]} onChange={setForm} />
          {form === 'raw' ? (
            // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- a region that scrolls must be reachable by key
            <pre className="raw" tabIndex={0}>{redact(JSON.stringify({ request: row.request_body, response: row.response_body, tool_trace: row.tool_trace, id: row.id, status: row.status, error: row.error_detail }, null, 2))}</pre>
          ) : (
            <>
              {asked && <div><p className="text-meta text-ink-3">Asked</p><Markdown text={asked.slice(0, 4_000)} /></div>}
              {said && <div><p className="text-meta text-ink-3">Answered</p><Markdown text={said.slice(0, 8_000)} /></div>}
              {!asked && !said && <p className="text-ink-2">{named(row.summary ?? '', (id) => agents[id]?.name)}</p>}
              {bad(row) && <p className="text-bad">{row.error_detail}</p>}
              {help && <p className="text-ink-2">{help}</p>}
            </>
          )}
        </div>
      )}
    </li>
  );
}

interface Props {
  rows: readonly ActivityRow[] | undefined;
  filter: Filter;
  loading: boolean;
  failed: boolean;
  onRetry: () => void;
  of?: string;
  wide?: boolean;
  /** What was looked for: each row then shows the place that says it. */
  words?: string;
}

export function ActivityList({ rows, filter, loading, failed, onRetry, of, wide, words }: Props) {
  const now = useNow();
  const today = useMemo(() => day(now, now), [now]);
  const shown = useMemo(() => withoutEchoes(rows ?? []).filter((row) => passes(row, filter)), [rows, filter]);
  if (loading) return <SkeletonRows rows={5} />;
  if (failed && !rows) return <Trouble text="The activity could not be loaded." onRetry={onRetry} />;
  if (shown.length === 0) return <Nothing icon="turns">{rows?.length ? 'Nothing of this kind.' : words ? `Nothing here says “${words}”.` : 'Nothing happened yet. Ask for something small first.'}</Nothing>;
  return (
    <ul className={clsx('acts', wide && 'wide')}>
      {shown.map((row, index) => {
        const at = day(Date.parse(row.created_at), now);
        const before = shown[index - 1];
        const rule = before ? day(Date.parse(before.created_at), now) !== at : at !== today;
        return (
          <li key={row.id} className="contents">
            {rule && <div className="day my-2"><span />{at}<span /></div>}
            <ul className="contents"><Row row={row} of={of} words={words} /></ul>
          </li>
        );
      })}
    </ul>
  );
}
