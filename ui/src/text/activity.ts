import type { ActivityRow, Hit } from '@/api/types';

export type Filter = 'all' | 'messages' | 'tasks' | 'errors';

export const FILTERS: readonly { id: Filter; label: string }[] = [
  { id: 'all', label: 'All' },
  { id: 'messages', label: 'Messages' },
  { id: 'tasks', label: 'Tasks' },
  { id: 'errors', label: 'Errors' },
];

export function passes(row: ActivityRow, filter: Filter): boolean {
  switch (filter) {
    case 'messages': return row.activity_type === 'a2a_receive' || row.activity_type === 'a2a_send' || row.activity_type === 'delegation';
    case 'tasks': return row.activity_type === 'task_update' || row.activity_type === 'agent_log' || row.activity_type.startsWith('memory') || row.activity_type === 'cron_run';
    case 'errors': return row.status === 'error' || row.status === 'failed' || row.activity_type === 'error';
    default: return true;
  }
}

/** What a search found, as a row like any other. */
export const rowOf = (hit: Hit): ActivityRow => ({
  id: hit.id,
  workspace_id: hit.workspace_id,
  activity_type: hit.kind === 'memory' ? 'memory' : hit.label,
  status: hit.status ?? 'ok',
  created_at: hit.created_at,
  source_id: hit.source_id ?? null,
  target_id: hit.target_id ?? null,
  method: hit.method,
  summary: hit.content,
  error_detail: hit.error_detail ?? null,
  duration_ms: hit.duration_ms ?? null,
  request_body: hit.request_body,
  response_body: hit.response_body,
});

/** The place of a text that says `words`, with a little of what stands before it; nothing where it does not. */
export function around(text: string, words: string, before = 24): string | undefined {
  const flat = text.replace(/\s+/g, ' ');
  const at = words ? flat.toLowerCase().indexOf(words.toLowerCase()) : -1;
  if (at < 0) return undefined;
  if (at <= before) return flat.slice(0, 200);
  const from = flat.indexOf(' ', at - before);
  return `… ${flat.slice(from >= 0 && from < at ? from + 1 : at, at + 200)}`;
}

const messageId = (row: ActivityRow): string | undefined =>
  (row.request_body as { params?: { message?: { messageId?: string } } } | undefined)?.params?.message?.messageId;

/** Rows that repeat what another says: a screen that looked on, and a sender's record of what the receiver has too. */
export function withoutEchoes(rows: readonly ActivityRow[]): ActivityRow[] {
  const received = new Set(rows.filter((row) => row.activity_type === 'a2a_receive').map(messageId).filter(Boolean));
  return rows.filter((row) => {
    if (row.method === 'tasks/resubscribe' || row.method === 'tasks/get') return false;
    if (row.activity_type === 'a2a_receive' && row.source_id === row.workspace_id && row.method !== 'notify') return false;
    const id = row.activity_type === 'a2a_send' ? messageId(row) : undefined;
    return !(id && received.has(id));
  });
}

const KIND: Readonly<Record<string, string>> = {
  a2a_receive: 'message',
  a2a_send: 'message sent',
  delegation: 'delegation',
  task_update: 'task',
  agent_log: 'log',
  skill_promotion: 'skill',
  memory: 'remembers',
  memory_write: 'memory',
  memory_write_global: 'memory for everyone',
  cron_run: 'schedule',
  error: 'error',
};

export const kindOf = (row: ActivityRow): string => (row.method === 'notify' ? 'to you' : (KIND[row.activity_type] ?? row.activity_type.replace(/_/g, ' ')));

/** Ids in a summary, read as names. */
export function named(text: string, nameOf: (id: string) => string | undefined): string {
  return text.replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/gi, (id) => nameOf(id) ?? id);
}

/** What a person can do about a failed delivery; the most specific first (50 §13.3). */
export function advice(detail: string): string {
  if (/interrupted/i.test(detail)) return 'Send the message again.';
  if (/timed? ?out|deadline|silence/i.test(detail)) return 'The agent said nothing for too long. Restart it, or ask for less at once.';
  if (/reset|broken pipe|eof|closed/i.test(detail)) return 'The connection dropped while it worked. It may have been restarted.';
  if (/refused|unreachable|no url|dns/i.test(detail)) return 'The agent is not running where it was. Restart it.';
  if (/loop_detected|hop/i.test(detail)) return 'Two agents sent each other the same work. Change one of their instructions.';
  if (/budget/i.test(detail)) return 'Its budget is used up. Raise it in Details.';
  return '';
}

/** Bodies may hold what nobody should read over a shoulder. */
export function redact(json: string): string {
  return json
    .replace(/(sk-(?:ant-|or-)?|ghp_|github_pat_|xox[bap]-)[A-Za-z0-9_-]{8,}/g, '$1…')
    .replace(/("(?:auth_?token|token|password|secret|api_?key|authorization)"\s*:\s*")[^"]+"/gi, '$1…"');
}
