import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import type { ActivityRow } from '@/api/types';
import { api } from '@/backend';
import { Segmented } from '@/look/Segmented';
import { useLive } from '@/state/live';
import { FILTERS, type Filter } from '@/text/activity';
import { ActivityList } from './ActivityList';
import { View } from './View';

const AT_ONCE = 6;
const AGENTS_MOST = 40;
const ROWS_EACH = 30;

/** The newest rows of the busiest agents, six reads at a time, once; events keep the list true from then on. */
async function readAll(): Promise<ActivityRow[]> {
  const ids = Object.values(useLive.getState().org.agents)
    .sort((a, b) => b.activeTasks - a.activeTasks || (b.lastHeartbeatAt ?? '').localeCompare(a.lastHeartbeatAt ?? ''))
    .slice(0, AGENTS_MOST)
    .map((agent) => agent.id);
  const rows: ActivityRow[] = [];
  const queue = [...ids];
  let failures = 0;
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    for (let id = queue.shift(); id; id = queue.shift()) {
      try {
        rows.push(...await api.activity(id, { limit: ROWS_EACH }));
      } catch {
        failures += 1;
      }
    }
  }));
  if (failures === ids.length && ids.length > 0) throw new Error('The activity could not be loaded.');
  // The caller's own record of a message repeats what the receiver's row says.
  return rows
    .filter((row) => !(row.activity_type === 'a2a_receive' && row.source_id === row.workspace_id && row.method !== 'notify'))
    .sort((a, b) => b.created_at.localeCompare(a.created_at))
    .slice(0, 300);
}

export function ActivityView() {
  const [filter, setFilter] = useState<Filter>('all');
  const rows = useQuery({ queryKey: ['activity-all'], queryFn: readAll, staleTime: 5_000 });
  return (
    <View title="Activity" says="Every message and task of every agent, newest first." aside={<Segmented label="Which rows" value={filter} options={FILTERS} onChange={setFilter} />}>
      <ActivityList rows={rows.data} filter={filter} loading={rows.isPending} failed={rows.isError} onRetry={() => void rows.refetch()} wide />
    </View>
  );
}
