/** Small rows and events for tests. */
import type { LiveEvent, Workspace } from '@/api/types';
import { applySnapshot, emptyOrg, type Org } from './org';

export const NOW = Date.parse('2026-05-02T09:00:00Z');

export function row(id: string, more: Partial<Workspace> = {}): Workspace {
  return {
    id, name: id.toUpperCase(), role: null, tier: 2, status: 'online', url: '', parent_id: null, runtime: 'local', agent_card: null,
    active_tasks: 0, max_concurrent_tasks: 1, uptime_seconds: 0, last_error_rate: 0, last_sample_error: '', current_task: '',
    workspace_dir: null, budget_limit: null, monthly_spend: 0, x: 100, y: 100, collapsed: false, ...more,
  };
}

export const orgOf = (...rows: Workspace[]): Org => applySnapshot(emptyOrg, rows, NOW);

export function event(name: string, workspace_id: string, payload: Record<string, unknown> = {}, seq?: number): LiveEvent {
  return { event: name, workspace_id, timestamp: '2026-05-02T09:00:00.000000Z', payload, seq };
}
