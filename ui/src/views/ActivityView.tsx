import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import type { ActivityRow } from '@/api/types';
import { api } from '@/backend';
import { Segmented } from '@/look/Segmented';
import { FILTERS, type Filter } from '@/text/activity';
import { ActivityList } from './ActivityList';
import { View } from './View';

const ROWS = 200;

async function readAll(): Promise<ActivityRow[]> {
  // The caller's own record of a message repeats what the receiver's row says.
  return (await api.allActivity(ROWS)).filter((row) => !(row.activity_type === 'a2a_receive' && row.source_id === row.workspace_id && row.method !== 'notify'));
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
