/** Reads the additive parts of GET /health, whatever their exact form. Pure. */
import type { Look } from '@/state/status';

export interface Subsystem { name: string; look: Look; says: string; secondsAgo?: number }

const isObj = (value: unknown): value is Record<string, unknown> => value !== null && typeof value === 'object' && !Array.isArray(value);

function lookOfWord(word: string): Look {
  if (/^(ok|ready|running|up|healthy|alive|idle|done|finished)$/i.test(word)) return 'online';
  if (/^(starting|recovering|restarting|waiting|backoff)$/i.test(word)) return 'starting';
  if (/^(failed|dead|down|error|panicked|gave_up)$/i.test(word)) return 'failed';
  return word ? 'degraded' : 'online';
}

export function readSubsystems(value: unknown): Subsystem[] {
  const pairs: [string, unknown][] = Array.isArray(value)
    ? value.map((each, index) => [isObj(each) && typeof each.name === 'string' ? each.name : String(index), each])
    : isObj(value) ? Object.entries(value) : [];
  return pairs.map(([key, each]) => {
    const name = key.replace(/[_-]+/g, ' ').replace(/^./, (letter) => letter.toUpperCase());
    if (typeof each === 'string') return { name, look: lookOfWord(each), says: lookOfWord(each) === 'online' ? '' : each };
    if (!isObj(each)) return { name, look: each === false ? 'failed' : 'online', says: '' };
    const word = String(each.state ?? each.status ?? '');
    const restarts = typeof each.restarts === 'number' && each.restarts > 0 ? `restarted ${each.restarts} times` : '';
    const panics = typeof each.panics === 'number' && each.panics > 0 ? `fell over ${each.panics === 1 ? 'once' : `${each.panics} times`} and was restarted` : '';
    const error = typeof each.last_error === 'string' ? each.last_error : typeof each.error === 'string' ? each.error : '';
    const detail = typeof each.detail === 'string' ? each.detail : '';
    const look = (error || panics) && !word ? 'degraded' : lookOfWord(word);
    return {
      name,
      look,
      says: [look === 'online' ? '' : word, restarts, panics, error, detail].filter(Boolean).join(', '),
      secondsAgo: typeof each.seconds_ago === 'number' ? each.seconds_ago : undefined,
    };
  }).sort((a, b) => Number(a.look === 'online') - Number(b.look === 'online') || a.name.localeCompare(b.name)) as Subsystem[];
}

export function recoveryWords(value: unknown): string {
  if (!value) return '';
  if (typeof value === 'string') return `Recovering: ${value}`;
  if (Array.isArray(value)) return value.length ? `Recovering: ${value.map(String).join(', ')}` : '';
  return 'Recovering after a restart';
}
