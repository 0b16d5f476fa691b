import type { Approval } from '@/api/types';
import { roughly } from './say';

/** 30 §6.3: what nobody decides for ten minutes is denied. */
export const EXPIRES_MS = 10 * 60_000;

export function expiresIn(approval: Pick<Approval, 'created_at' | 'expires_at'>, now: number): string {
  const end = approval.expires_at ? Date.parse(approval.expires_at) : Date.parse(approval.created_at) + EXPIRES_MS;
  const left = end - now;
  return left <= 0 ? 'Expires now' : `${roughly(left)} left`;
}

export interface DiffLine { kind: 'add' | 'del' | 'hunk' | 'file' | 'same'; text: string; old?: number; now?: number }

/** A unified diff as lines with their numbers. Pure. */
export function readDiff(diff: string): DiffLine[] {
  let old = 0;
  let now = 0;
  return diff.replace(/\n$/, '').split('\n').map((line): DiffLine => {
    const hunk = /^@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@/.exec(line);
    if (hunk) {
      old = Number(hunk[1]);
      now = Number(hunk[2]);
      return { kind: 'hunk', text: line };
    }
    if (/^(---|\+\+\+|diff |index )/.test(line)) return { kind: 'file', text: line };
    if (line.startsWith('+')) return { kind: 'add', text: line.slice(1), now: now++ };
    if (line.startsWith('-')) return { kind: 'del', text: line.slice(1), old: old++ };
    if (line.startsWith('\\')) return { kind: 'hunk', text: line };
    return { kind: 'same', text: line.replace(/^ /, ''), old: old++, now: now++ };
  });
}

export function diffCounts(diff: string): { added: number; removed: number } {
  const lines = readDiff(diff);
  return {
    added: lines.filter((line) => line.kind === 'add').length,
    removed: lines.filter((line) => line.kind === 'del').length,
  };
}
